//! What ends and what goes on: renewals, sessions, introspection, revocation, auth headers that are replaced.

use serde_json::{Value, json};

use crate::api::{Answer, Stack, form};

/// Three logins of a user of this row alone.
fn three_logins<const N: usize>(stack: &Stack, name: &str) -> [String; N] {
    let (user, password) = stack.user("demo", name);
    [(); N].map(|()| stack.login(user.name.as_str(), &password).member("Token"))
}

fn status(stack: &Stack, jwt: &str) -> u16 {
    stack.get("/test/secure", ("authorization", jwt)).status
}

fn asked(stack: &Stack, path: &str, token: &str) -> Answer {
    let headers =
        [("x-api-key", stack.demo.access_token_id.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    stack.send("POST", path, &headers, &form(&[("token", token)]))
}

pub fn renewing_ends_the_old_jwt_and_both_of_two_windows_go_on(stack: &Stack) {
    let [old] = three_logins(stack, "renewing");
    let renew = || stack.get("/user/renew", ("authorization", old.as_str()));
    let (first, second) = (renew(), renew());
    for answer in [&first, &second] {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(
            (answer.json()["expires_in"].as_i64(), answer.member("token_type").as_str()),
            (Some(3600), "bearer")
        );
        assert_eq!(answer.member("Token"), answer.member("access_token"));
        assert_eq!(status(stack, &answer.member("Token")), 200);
    }
    assert_eq!(status(stack, &old), 401);
    let longer = stack.get("/user/token?d=2", ("authorization", &first.member("Token")));
    assert_eq!(longer.status, 200, "{}", longer.text);
    assert_eq!(stack.get("/user/logout", ("authorization", &longer.member("Token"))).status, 200);
    for jwt in [longer.member("Token"), second.member("Token"), first.member("Token")] {
        assert_eq!(status(stack, &jwt), 401, "the session is over");
    }
    assert_eq!(renew().status, 401);
}

pub fn a_session_that_is_revoked_elsewhere_is_over_with_its_next_request(stack: &Stack) {
    let [here, there, everywhere] = three_logins(stack, "revoking");
    let listed = stack.get("/user/sessions", ("authorization", &here)).json();
    let sessions: &Vec<Value> = listed.as_array().expect("a list");
    assert_eq!(sessions.len(), 3, "{listed}");
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);
    let theirs = stack.get("/user/sessions", ("authorization", &there)).json();
    let id = theirs.as_array().expect("a list").iter().find(|session| session["current"] == true).expect("its own");
    let revoke = |body: Value| stack.post("/user/sessions/revoke", ("authorization", &here), &body.to_string());
    assert_eq!(status(stack, &there), 200);
    assert_eq!(revoke(json!({ "id": id["id"] })).status, 200);
    assert_eq!(status(stack, &there), 401);
    assert_eq!(revoke(json!({ "id": id["id"] })).status, 404, "it is gone");
    assert_eq!(status(stack, &everywhere), 200);
    assert_eq!(revoke(json!({ "all": true, "except_current": true })).status, 200);
    assert_eq!((status(stack, &everywhere), status(stack, &here)), (401, 200));
    assert_eq!(revoke(json!({ "all": true })).status, 200);
    assert_eq!(status(stack, &here), 401);
}

pub fn introspection_follows_revocation(stack: &Stack) {
    let [jwt] = three_logins(stack, "introspected");
    let header = stack.post("/authheader/add", ("authorization", &jwt), r#"{"name":"ci","scopes":["a:b","c"]}"#);
    let header = header.member("token");
    for (token, kind) in [(&header, "auth_header"), (&jwt, "jwt")] {
        let answer = asked(stack, "/oauth2/introspect", token).json();
        assert_eq!((answer["active"].as_bool(), answer["credential"].as_str()), (Some(true), Some(kind)), "{answer}");
        let revoked = asked(stack, "/oauth2/revoke", token);
        assert_eq!((revoked.status, revoked.text.as_str()), (200, ""));
        assert_eq!(asked(stack, "/oauth2/introspect", token).json(), json!({ "active": false }));
        assert_eq!(asked(stack, "/oauth2/revoke", token).status, 200, "once more is no error");
    }
    assert_eq!(status(stack, &jwt), 401);
    assert_eq!(stack.get("/test/secure", ("x-authorization", &header)).status, 401);
    let nobody =
        stack.send("POST", "/oauth2/introspect", &[("content-type", "application/x-www-form-urlencoded")], "token=x");
    assert_eq!((nobody.status, nobody.member("error").as_str()), (401, "invalid_client"));
}

pub fn an_auth_header_is_replaced_and_a_leaked_one_ended(stack: &Stack) {
    let [jwt] = three_logins(stack, "rotating");
    let with = ("authorization", jwt.as_str());
    let old = stack.post("/authheader/add", with, r#"{"name":"ci","scopes":["orders"]}"#).member("token");
    let works = |token: &str| stack.get("/test/secure", ("x-authorization", token)).status;
    let rotate = |token: &str, overlap: u32| {
        stack.post("/authheader/rotate", with, &json!({ "text": token, "overlap": overlap }).to_string())
    };
    let new = rotate(&old, 600).member("token");
    assert_eq!((works(&old), works(&new)), (200, 200));
    let listed = stack.get("/authheader/list", with).json();
    for header in listed.as_array().expect("a list") {
        assert_eq!((&header["name"], &header["scopes"]), (&json!("ci"), &json!(["orders"])), "{listed}");
    }
    let newest = rotate(&new, 0).member("token");
    assert_eq!((works(&new), works(&newest)), (401, 200));
    let report = |token: &str| {
        let body = json!({ "token": token }).to_string();
        let answer = stack.send("POST", "/authheader/report-leaked", &[("content-type", "application/json")], &body);
        (answer.status, answer.text)
    };
    let told = report(&newest);
    assert_eq!((told.0, works(&newest)), (200, 401));
    assert_eq!((report(&newest), report("nonsense")), (told.clone(), told), "it tells nothing");
}
