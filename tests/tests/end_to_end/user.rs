//! Section 1 of the contract: user and auth headers.

use serde_json::json;

use crate::api::{Stack, form};

const NONE: (&str, &str) = ("accept", "*/*");

fn secure(stack: &Stack, credential: (&str, &str)) -> u16 {
    stack.get("/test/secure", credential).status
}

fn add(stack: &Stack, jwt: &str, body: &serde_json::Value) -> crate::api::Answer {
    stack.post("/authheader/add", ("authorization", jwt), &body.to_string())
}

pub fn a_login_shows_the_account_and_a_jwt(stack: &Stack) {
    let answer = stack.login(&stack.demo.username, &stack.demo.password);
    answer.is(200, "");
    let login = answer.json();
    assert_eq!(login["Id"], stack.demo.profile_id);
    assert_eq!(login["Username"], stack.demo.username);
    assert_eq!(login["PasswordExpiration"], "0001-01-01T00:00:00");
    assert_eq!(login["Active"], json!({ "Name": stack.demo.tenant }));
    assert_eq!(login["Authorizations"], json!([{ "Company": { "Name": stack.demo.tenant }, "Roles": [] }]));
    assert_eq!(login["Properties"], json!({}));
    for member in ["Created", "Email", "Firstname", "Lastname"] {
        assert!(login[member].is_string(), "{member}");
    }
    let jwt = answer.member("Token");
    let hello = stack.get("/test/secure", ("authorization", &jwt));
    assert_eq!(hello.json(), json!({ "message": format!("Hi {}", stack.demo.username) }));
    assert_eq!(stack.get("/test/unsecure", NONE).json(), json!({ "message": "Hi anonymous" }));
    let administrator = stack.login(&stack.demo.admin_username, &stack.demo.admin_password).json();
    assert_eq!(administrator["Authorizations"][0]["Roles"], json!([{ "Name": "tenant-admin" }]));
}

pub fn a_user_name_may_name_its_tenant(stack: &Stack) {
    let (_, password) = stack.user("elsewhere", "demo");
    stack.login("elsewhere/demo", &password).is(200, "");
    stack.login("demo", &password).is(401, "");
    stack.login("demo/demo", &stack.demo.password).is(200, "");
}

pub fn keys_are_compared_without_case(stack: &Stack) {
    let (username, password) = (&stack.demo.username, &stack.demo.password);
    let username = &stack.login_name(username);
    let body = json!({ "Username": username, "PASSWORD": password });
    stack.post("/user/login", NONE, &body.to_string()).is(200, "");
    let twice = format!(r#"{{"Username":"{username}","username":"{username}","password":"{password}"}}"#);
    stack.post("/user/login", NONE, &twice).is(400, "");
}

pub fn every_refused_login_answers_alike(stack: &Stack) {
    let (disabled, password) = stack.user("demo", "e2e-disabled");
    stack.set_enabled(&disabled.id, false);
    let refusals = [
        stack.login(&stack.demo.username, "wrong"),
        stack.login(&stack.demo.username, ""),
        stack.login("nobody", "wrong"),
        stack.login("no/such/name", "wrong"),
        stack.login("no-such-tenant/demo", &stack.demo.password),
        stack.login("e2e-disabled", &password),
    ];
    for refusal in &refusals {
        assert_eq!((refusal.status, &refusal.text), (401, &refusals[0].text));
        let names = |answer: &crate::api::Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(refusal), names(&refusals[0]));
    }
    assert_eq!(refusals[0].json(), json!({ "message": "Incorrect credentials" }));
}

pub fn an_expired_password_is_told_only_to_its_owner(stack: &Stack) {
    let (user, password) = stack.user("demo", "e2e-expired");
    stack.expire_password(&user);
    let owner = stack.login("e2e-expired", &password);
    owner.is(403, "");
    assert_eq!(owner.json(), json!({ "message": "Password expired" }));
    stack.login("e2e-expired", "wrong").is(401, "");
}

pub fn a_jwt_is_taken_raw_or_as_bearer(stack: &Stack) {
    let jwt = stack.jwt();
    for value in [jwt.clone(), format!("Bearer {jwt}"), format!("bearer  {jwt}")] {
        assert_eq!(secure(stack, ("authorization", &value)), 200, "{value}");
    }
    for value in [format!("Basic {jwt}"), format!("Bearer {jwt} x"), format!("{jwt}x"), "Bearer".to_owned()] {
        assert_eq!(secure(stack, ("authorization", &value)), 401, "{value}");
    }
    assert_eq!(secure(stack, ("authorization", &format!("{jwt},{jwt}"))), 400);
    let refused = stack.get("/test/secure", NONE);
    refused.is(401, "");
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
}

pub fn logging_out_ends_the_jwt_at_once(stack: &Stack) {
    let (jwt, other) = (stack.jwt(), stack.jwt());
    let answer = stack.get("/user/logout", ("authorization", &jwt));
    assert_eq!((answer.status, answer.json()), (200, json!({ "message": "User logged out" })));
    assert_eq!(secure(stack, ("authorization", &jwt)), 401);
    assert_eq!(stack.get("/user/logout", ("authorization", &jwt)).status, 401);
    assert_eq!(stack.get("/authheader/list", ("authorization", &jwt)).status, 401);
    assert_eq!(add(stack, &jwt, &json!({ "name": "x" })).status, 401);
    assert_eq!(secure(stack, ("authorization", &other)), 200, "the user's other login goes on");
}

pub fn an_auth_header_acts_as_its_user_and_no_more(stack: &Stack) {
    let jwt = stack.jwt();
    let made = add(stack, &jwt, &json!({ "name": "e2e", "expires": "2099-01-01T00:00:00", "scopes": ["read"] }));
    made.is(200, "");
    let token = made.member("token");
    assert!(token.starts_with("ost_") && token.len() < 128 && token.is_ascii(), "{token}");
    assert_eq!(made.json().as_object().unwrap().len(), 4);
    assert_eq!(secure(stack, ("x-authorization", &token)), 200);
    assert_eq!(secure(stack, ("authorization", &token)), 401, "it travels in its own header");
    for path in ["/authheader/list", "/user/logout"] {
        assert_eq!(stack.get(path, ("x-authorization", &token)).status, 401, "{path}");
    }
    assert_eq!(stack.post("/authheader/add", ("x-authorization", &token), r#"{"name":"x"}"#).status, 401);
    assert_eq!(secure(stack, ("x-authorization", &format!("{token}x"))), 401);
    assert_eq!(add(stack, &jwt, &json!({ "name": "late", "expires": "2001-01-01T00:00:00" })).status, 400);
}

pub fn auth_headers_are_listed_without_their_tokens(stack: &Stack) {
    let jwt = stack.jwt();
    let token = add(stack, &jwt, &json!({ "name": "listed" })).member("token");
    let list = stack.get("/authheader/list", ("authorization", &jwt));
    list.is(200, "");
    assert!(!list.text.contains(&token));
    let display = format!("{}\u{2026}{}", &token[..10], &token[token.len() - 4..]);
    let listed = list.json().as_array().unwrap().iter().filter(|entry| entry["token"] == display.as_str()).count();
    assert_eq!(listed, 1, "{}", list.text);
}

pub fn an_auth_header_is_deleted_by_token_display_form_or_id(stack: &Stack) {
    let jwt = stack.jwt();
    let delete = |text: &str| {
        let body = json!({ "text": text }).to_string();
        stack.post("/authheader/delete", ("authorization", &jwt), &body)
    };
    for way in ["token", "display", "id", "plain text"] {
        let made = add(stack, &jwt, &json!({ "name": way }));
        let (id, token) = (made.member("id"), made.member("token"));
        let display = format!("{}\u{2026}{}", &token[..10], &token[token.len() - 4..]);
        let answer = match way {
            "token" => delete(&token),
            "display" => delete(&display),
            "id" => delete(&id),
            _ => {
                let headers = [("authorization", jwt.as_str()), ("content-type", "text/plain")];
                stack.send("POST", "/authheader/delete", &headers, &token)
            }
        };
        assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"message":"Success"}"#), "{way}");
        assert_eq!(secure(stack, ("x-authorization", &token)), 401, "{way}");
        assert_eq!(delete(&token).status, 404, "{way}");
    }
}

pub fn somebody_elses_auth_header_is_as_good_as_none(stack: &Stack) {
    let (_, password) = stack.user("demo", "e2e-owner");
    let owner = stack.login("e2e-owner", &password).member("Token");
    let made = add(stack, &owner, &json!({ "name": "theirs" }));
    let (id, token) = (made.member("id"), made.member("token"));
    let jwt = stack.jwt();
    let delete = |text: &str| {
        let body = json!({ "text": text }).to_string();
        stack.post("/authheader/delete", ("authorization", &jwt), &body)
    };
    let (theirs, by_id, none) = (delete(&token), delete(&id), delete("no-such-header"));
    for answer in [&theirs, &by_id, &none] {
        assert_eq!((answer.status, &answer.text), (404, &none.text));
    }
    assert_eq!(secure(stack, ("x-authorization", &token)), 200);
}

pub fn disabling_a_user_ends_everything_at_once(stack: &Stack) {
    let (user, password) = stack.user("demo", "e2e-ended");
    let jwt = stack.login("e2e-ended", &password).member("Token");
    let header = add(stack, &jwt, &json!({ "name": "x" })).member("token");
    let app = stack.demo.access_token_id.clone();
    let minted = stack.post(&format!("/v1/profile/{}/authenticate", user.id), ("x-api-key", &app), "{}").member("jwt");
    let credentials = [("authorization", jwt.as_str()), ("authorization", &minted), ("x-authorization", &header)];
    assert!(credentials.iter().all(|credential| secure(stack, *credential) == 200));
    stack.set_enabled(&user.id, false);
    assert!(credentials.iter().all(|credential| secure(stack, *credential) == 401));
    stack.set_enabled(&user.id, true);
    assert!(credentials.iter().all(|credential| secure(stack, *credential) == 401), "enabling revives nothing");
    stack.login("e2e-ended", &password).is(200, "");
}

pub fn bad_input_names_the_field(stack: &Stack) {
    let json = ("content-type", "application/json");
    for (body, status, word) in [
        (r#"{"username":"a"}"#, 400, "password"),
        (r#"{"username":1,"password":"b"}"#, 400, "username"),
        (r#"{"username":"a","password":"b","admin":true}"#, 400, "admin"),
        (r#"["a","b"]"#, 400, "body"),
        ("{", 400, "body"),
        ("", 400, "body"),
    ] {
        let answer = stack.send("POST", "/user/login", &[json], body);
        answer.is(status, "");
        assert!(answer.member("message").contains(word), "{}", answer.text);
    }
    let long = serde_json::json!({ "username": "a", "password": "x".repeat(1025) }).to_string();
    stack.send("POST", "/user/login", &[json], &long).is(400, "");
    let huge = serde_json::json!({ "username": "a", "password": "x".repeat(70_000) }).to_string();
    stack.send("POST", "/user/login", &[json], &huge).is(413, "");
    let as_form = form(&[("username", "a"), ("password", "b")]);
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    stack.send("POST", "/user/login", &[form_type], &as_form).is(415, "");
}

/// What a restart must not end.
pub struct Kept {
    jwt: String,
    header: String,
    ticket: String,
    minted: String,
    ended: String,
}

pub fn issue_everything(stack: &Stack) -> Kept {
    let (jwt, ended) = (stack.jwt(), stack.jwt());
    stack.get("/user/logout", ("authorization", &ended)).is(200, "");
    let app = stack.demo.access_token_id.clone();
    let path = format!("/v1/profile/{}/authenticate", stack.demo.profile_id);
    Kept {
        header: add(stack, &jwt, &json!({ "name": "kept" })).member("token"),
        ticket: crate::ticket::authenticate(stack).member("id"),
        minted: stack.post(&path, ("x-api-key", &app), "{}").member("jwt"),
        jwt,
        ended,
    }
}

pub fn what_was_issued_before_a_restart_is_good_after_it(stack: &Stack, kept: &Kept) {
    assert_eq!(secure(stack, ("authorization", &kept.jwt)), 200);
    assert_eq!(secure(stack, ("authorization", &kept.minted)), 200);
    assert_eq!(secure(stack, ("x-authorization", &kept.header)), 200);
    assert_eq!(secure(stack, ("authorization", &kept.ended)), 401);
    let path = format!("/api/1/authentication/ticket/{}", kept.ticket);
    stack.get(&path, ("x-access-token-id", &stack.demo.access_token_id)).is(200, "");
    stack.login(&stack.demo.username, &stack.demo.password).is(200, "");
}
