//! Input beyond a limit, or of another form than the documented one, is refused before it costs anything: no store
//! call, and so no hash either, since every login asks the store first (`same_work.rs` holds that order).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use shared::api::{Access, Family, ROUTES, Route};
use shared::gateway::MAX_BODY_BYTES;
use shared::tenant::Tenants;
use tests::call::FORM;
use tests::{Call, Total, World, document, escaped, good};

static REFUSED: Total = Total::new("Q4", "refused-before-any-cost");

/// Refused with this status, and nothing was asked of the store.
async fn refused(world: &World, event: Value, name: &str, status: u16, why: &str) {
    let _earlier = world.stack.store.take_calls();
    let shown: String = event["body"].to_string().chars().take(80).collect();
    let response = world.invoke(name, event).await;
    assert_eq!(response.status(), status, "{name}, {why}: {shown} {}", response.body());
    assert_eq!(world.stack.store.take_calls(), Vec::<&str>::new(), "{name}, {why}: {shown}");
    REFUSED.add(1);
}

/// The endpoints that take a JSON body.
fn json_paths() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| document::body(route, "application/json").is_some())
}

/// Those that take a form body. The ticket family reads it for every path, and the query string alike.
fn form_paths() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| {
        document::body(route, FORM).is_some()
            || (route.family == Family::Ticket && document::body(route, JSON).is_none())
    })
}

fn ticket_paths() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.family == Family::Ticket)
}

const JSON: &str = "application/json";
const TOKEN_PATHS: [&str; 2] = ["oauth2-introspect", "oauth2-revoke"];

/// The body of a request.
fn body(call: &Call) -> String {
    call.event()["body"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_body_beyond_64_kib_is_refused_on_every_path() {
    let world = World::new().await;
    for route in ROUTES {
        let call = good(&world, route.name).await;
        let longest = "x".repeat(MAX_BODY_BYTES);
        let plain = |body: &str| call.clone().body("application/json", body).event();
        let encoded = |body: &str| {
            let mut event = plain(&STANDARD.encode(body));
            event["isBase64Encoded"] = json!(true);
            event
        };
        let beyond = format!("{longest}x");
        refused(&world, plain(&beyond), route.name, 413, "one byte too many").await;
        refused(&world, encoded(&beyond), route.name, 413, "one byte too many, in base64").await;
        refused(&world, plain(&"x".repeat(6 * 1024 * 1024)), route.name, 413, "as much as Lambda takes").await;
        assert_ne!(world.invoke(route.name, plain(&longest)).await.status(), 413, "the limit itself is allowed");
        assert_ne!(world.invoke(route.name, encoded(&longest)).await.status(), 413, "the limit itself is allowed");
    }
}

#[tokio::test]
async fn a_password_beyond_1024_bytes_is_refused() {
    let world = World::new().await;
    for (password, allowed) in [
        ("x".repeat(1024), true),
        ("x".repeat(1025), false),
        ("\u{e9}".repeat(512), true),
        (format!("{}x", "\u{e9}".repeat(512)), false),
        ("\u{fdfa}".repeat(342), false),
    ] {
        let json = Call::to("user-login").json(&json!({ "username": "demo", "password": password }));
        let form = good(&world, "ticket-authenticate").await;
        let form = form.body(FORM, &format!("tenantName=demo&username=demo&password={}", escaped(&password)));
        for call in [json, form] {
            if allowed {
                assert_eq!(world.send(&call).await.status(), 401, "{} bytes", password.len());
            } else {
                refused(&world, call.event(), call.route().name, 400, "an overlong password").await;
            }
        }
    }
}

#[tokio::test]
async fn a_json_body_that_is_not_the_documented_object_is_refused() {
    let world = World::new().await;
    let nested = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    for route in json_paths() {
        let name = route.name;
        let call = good(&world, name).await;
        let good = &body(&call);
        let free = document::members_of_body(route).is_empty();
        let inside = good.trim_matches(['{', '}']);
        for (body, why) in [
            (format!("{{{inside},{inside}}}"), "doubled keys"),
            (format!("{{{inside},\"a\":{{\"b\":1,\"b\":1}}}}"), "doubled keys deeper down"),
            (format!("{{{inside},\"unknown\":1}}"), "an unknown field"),
            (format!("[{good}]"), "a list"),
            ("[\"demo\",\"x\"]".to_owned(), "a list of the values"),
            (nested.clone(), "deep nesting"),
            (format!("{{{inside},\"x\":{nested}}}"), "deep nesting in a field"),
            (format!("\u{feff}{good}"), "a byte order mark"),
            (format!("{{\"x\\ud800\":1,{inside}}}"), "a lone surrogate in a key"),
            (good.replacen(':', ":\"\\ud800\",\"x\":", 1), "a lone surrogate in a value"),
            (format!("{good}{good}"), "two objects"),
            (good[..good.len() - 1].to_owned(), "a truncated object"),
            ("null".to_owned(), "null"),
            ("\"x\"".to_owned(), "a text"),
            (" ".to_owned(), "a space"),
            (format!("{{{inside},}}"), "a comma too many"),
        ] {
            // Where the members are the caller's own, none is unknown.
            if !free || why != "an unknown field" {
                refused(&world, call.clone().body(JSON, &body).event(), name, 400, why).await;
            }
        }
    }
}

#[tokio::test]
async fn a_key_in_two_spellings_is_a_doubled_key() {
    let world = World::new().await;
    for route in json_paths().filter(|route| route.family == Family::User) {
        let call = good(&world, route.name).await;
        let good: Value = serde_json::from_str(&body(&call)).unwrap();
        for (name, value) in good.as_object().unwrap() {
            let mut twice = good.clone();
            twice[name.to_ascii_uppercase()] = value.clone();
            refused(&world, call.clone().json(&twice).event(), route.name, 400, "two spellings").await;
        }
    }
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_refused() {
    let world = World::new().await;
    let long = format!("\"{}\"", "x".repeat(10_000));
    let mut tried = 0;
    for route in json_paths() {
        let call = good(&world, route.name).await;
        for field in document::members_of_body(route) {
            for text in ["true", "1.5", "[1]", "{}", "[[]]", "{\"x\":[]}", "-1", "1e400", "\"x\"", &long] {
                // Too large to be a number at all.
                let value = serde_json::from_str::<Value>(text).ok();
                let fits = value.is_some_and(|value| document::fits(&field.schema, &value).is_ok());
                // Nobody takes ten thousand characters, whatever a schema leaves open.
                if fits && text != long {
                    continue;
                }
                let mut body: Value = serde_json::from_str(&body(&call)).unwrap();
                body[&field.name] = json!("@");
                let body = body.to_string().replace("\"@\"", text);
                let why = format!("{text:.20} for {}", field.name);
                refused(&world, call.clone().body(JSON, &body).event(), route.name, 400, &why).await;
                tried += 1;
            }
        }
    }
    assert!(tried > 150, "{tried}");
}

#[tokio::test]
async fn whoever_ends_sessions_says_exactly_which() {
    let world = World::new().await;
    let call = good(&world, "user-sessions-revoke").await;
    for (body, why) in [
        (json!({}), "nothing"),
        (json!({ "id": null, "all": null }), "nothing but nulls"),
        (json!({ "all": false }), "all, but not so"),
        (json!({ "all": false, "except_current": true }), "except_current, but not all"),
        (json!({ "except_current": true }), "except_current alone"),
        (json!({ "id": "a", "all": true }), "one and all"),
        (json!({ "id": "a", "except_current": true }), "one and except_current"),
        (json!({ "id": "" }), "an empty id"),
        (json!({ "id": "x".repeat(65) }), "an overlong id"),
    ] {
        refused(&world, call.clone().json(&body).event(), "user-sessions-revoke", 400, why).await;
    }
    for field in ["all", "except_current"] {
        for value in [json!("true"), json!(1), json!(0), json!([true]), json!({ "x": true }), json!("")] {
            let mut body = json!({ "all": true });
            body[field] = value;
            refused(&world, call.clone().json(&body).event(), "user-sessions-revoke", 400, field).await;
        }
    }
}

#[tokio::test]
async fn a_rotation_says_how_long_the_old_one_goes_on() {
    let world = World::new().await;
    let call = good(&world, "authheader-rotate").await;
    let text = "ost_abc";
    for (body, why) in [
        (json!({ "text": text }), "no overlap"),
        (json!({ "text": text, "overlap": null }), "null for the overlap"),
        (json!({ "overlap": 0 }), "no text"),
        (json!({ "text": "", "overlap": 0 }), "an empty text"),
        (json!({ "text": text, "overlap": -1 }), "a negative overlap"),
        (json!({ "text": text, "overlap": 2_592_001 }), "more than 30 days"),
        (json!({ "text": text, "overlap": i64::MIN }), "the smallest number"),
        (json!({ "text": text, "overlap": u64::MAX }), "the largest number"),
        (json!({ "text": text, "overlap": 0.5 }), "half a second"),
        (json!({ "text": text, "overlap": "60" }), "a text for the overlap"),
        (json!({ "text": text, "overlap": 0, "expires": "2001-01-01T00:00:00Z" }), "an end in the past"),
        (json!({ "text": text, "overlap": 0, "expires": "tomorrow" }), "an end that is none"),
        (json!({ "text": text, "overlap": 0, "expires": "" }), "an empty end"),
        (json!({ "text": text, "overlap": 0, "name": "x" }), "a name"),
        (json!({ "text": text, "overlap": 0, "scopes": ["x"] }), "scopes"),
    ] {
        refused(&world, call.clone().json(&body).event(), "authheader-rotate", 400, why).await;
    }
}

/// Exactly one of `m` and `d`, a whole number above zero in ASCII digits.
#[tokio::test]
async fn a_lifetime_that_is_none_is_refused() {
    let world = World::new().await;
    let call = good(&world, "user-token").await;
    for query in
        ["", "m=5&d=1", "m=&d=", "m=5&m=5", "d=1&d=2", "m=5&%6d=6", "m=5&d=", "M=5", "D=5", "x=5", "m5", "m", "=5"]
    {
        refused(&world, call.clone().query(query).event(), "user-token", 400, query).await;
    }
    let digits = ["\u{665}", "\u{ff15}", "\u{b2}", "\u{2164}", "\u{1d7d3}", "5\u{200b}"].map(escaped);
    let values = [
        "",
        "0",
        "00",
        "-1",
        "-0",
        "1.5",
        "1.0",
        "1e3",
        "%2B1",
        "+1",
        "1+",
        "%201",
        "1%20",
        "0x10",
        "1_000",
        "1,5",
        "five",
        "NaN",
        "Infinity",
        "true",
        "null",
        "%00",
        "5%00",
        "%ff",
        "5%ed%a0%80",
        "5;d=1",
        "[5]",
    ];
    let overlong = ["1".repeat(21), "9".repeat(10_000)];
    for value in values.into_iter().chain(digits.iter().chain(&overlong).map(String::as_str)) {
        for name in ["m", "d"] {
            refused(&world, call.clone().query(&format!("{name}={value}")).event(), "user-token", 400, value).await;
        }
    }
}

/// A number that no clock can hold is cut like one that is merely too large.
#[tokio::test]
async fn a_huge_lifetime_is_capped_and_not_refused() {
    let world = World::new().await;
    for query in [
        "m=43201",
        "d=31",
        "d=4294967295",
        "d=4294967296",
        "m=9223372036854775808",
        "m=18446744073709551615",
        "d=18446744073709551615",
        "d=00000000000000000031",
    ] {
        let call = good(&world, "user-token").await.query(query);
        let response = world.send(&call).await;
        assert_eq!(response.status(), 200, "{query}: {}", response.body());
        let jwt = tests::world::member(&response, "Token");
        let claims = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 30 * 86_400, "{query}");
    }
}

#[tokio::test]
async fn a_token_to_judge_comes_once_and_in_the_body() {
    let world = World::new().await;
    for name in TOKEN_PATHS {
        let call = good(&world, name).await;
        for (body, why) in [
            ("token=a&token=a", "twice"),
            ("token=a&%74oken=b", "the second one escaped"),
            ("token=a&token_type_hint=a&token_type_hint=b", "a doubled hint"),
            ("token=%ff", "bad UTF-8"),
            ("token=a&x=%ff", "bad UTF-8 in an unknown parameter"),
            ("token=a&token_type_hint=%ed%a0%80", "a surrogate in UTF-8"),
            ("token_type_hint=access_token", "no token"),
            ("", "an empty form"),
        ] {
            refused(&world, call.clone().body(FORM, body).event(), name, 400, why).await;
        }
        let long = format!("token={}", "x".repeat(8193));
        refused(&world, call.clone().body(FORM, &long).event(), name, 400, "an overlong token").await;
        let query = Call::to(name).header("x-api-key", &world.applications.full).query("token=a");
        refused(&world, query.event(), name, 415, "in the query string").await;
        refused(&world, query.body(FORM, "").event(), name, 400, "in the query string, with an empty form").await;
    }
}

#[tokio::test]
async fn a_parameter_given_twice_or_not_in_utf8_is_refused() {
    let world = World::new().await;
    for route in ticket_paths() {
        let name = route.name;
        let call = good(&world, name).await;
        let old = call.event()["rawQueryString"].as_str().unwrap().to_owned();
        let in_body = document::body(route, JSON).is_none();
        let token = format!("accessTokenId={}", world.applications.full);
        let twice = format!("{token}&{token}");
        let escaped = format!("{token}&%61ccessTokenId=x");
        for (query, body, why) in [
            (twice.as_str(), "", "twice in the query string"),
            ("", twice.as_str(), "twice in the form"),
            (token.as_str(), token.as_str(), "in both places"),
            ("", escaped.as_str(), "the second one escaped"),
            ("accessTokenId=%ff", "", "bad UTF-8 in the query string"),
            ("", "accessTokenId=%c3%28", "bad UTF-8 in the form"),
            ("", "accessTokenId=%ed%a0%80", "a surrogate in UTF-8"),
            (token.as_str(), "", "a parameter and a header"),
        ] {
            let call = call.clone().query(&format!("{old}&{query}"));
            if body.is_empty() {
                refused(&world, call.event(), name, 400, why).await;
            } else if in_body {
                refused(&world, call.body(FORM, body).event(), name, 400, why).await;
            }
        }
    }
    let form = good(&world, "ticket-authenticate").await;
    for body in ["username=a&username=b", "password=%ff", "username=%80", "tenantName=a&tentantName=a"] {
        let body = format!("{body}&tenantName=demo&username=demo&password=x");
        refused(&world, form.clone().body(FORM, &body).event(), "ticket-authenticate", 400, "a doubled field").await;
    }
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_refused_in_forms_and_in_json() {
    let world = World::new().await;
    for route in json_paths() {
        let call = good(&world, route.name).await;
        let body = body(&call);
        let value = body.find(':').unwrap() + 1;
        let value = value + usize::from(body.as_bytes()[value] == b'"');
        for bad in [b"\xff".as_slice(), b"\xc0\xaf", b"\xed\xa0\x80"] {
            let bytes = [&body.as_bytes()[..value], bad, &body.as_bytes()[value..]].concat();
            let mut event = call.clone().body(JSON, &STANDARD.encode(bytes)).event();
            event["isBase64Encoded"] = json!(true);
            refused(&world, event, route.name, 400, "no UTF-8").await;
        }
    }
    for (name, media_type, body) in [
        ("authheader-delete", "text/plain", b"\xff\xfe".as_slice()),
        ("authheader-report-leaked", "text/plain", b"ost_\xff\xfe"),
        ("oauth2-introspect", FORM, b"token=\xff"),
        ("oauth2-revoke", FORM, b"token=a&token_type_hint=\xed\xa0\x80"),
        ("ticket-authenticate", FORM, b"tenantName=demo&username=\xff&password=x"),
        ("ticket-authenticate", FORM, b"tenantName=demo&username=demo&password=\xed\xa0\x80"),
    ] {
        let mut event = good(&world, name).await.body(media_type, &STANDARD.encode(body)).event();
        event["isBase64Encoded"] = json!(true);
        refused(&world, event, name, 400, "no UTF-8").await;
    }
}

#[tokio::test]
async fn base64_that_is_none_is_refused() {
    let world = World::new().await;
    for route in json_paths().chain(form_paths()) {
        let call = good(&world, route.name).await;
        for body in ["{}", "====", "a", "e30", "e30=\n", "e3-_"] {
            let mut event = call.event();
            event["body"] = json!(body);
            event["isBase64Encoded"] = json!(true);
            refused(&world, event, route.name, 400, "no base64").await;
        }
    }
}

#[tokio::test]
async fn another_media_type_is_refused() {
    let world = World::new().await;
    let json = json_paths().map(|route| {
        let others = ["text/json", "application/jsonp", "application/json+x", "application/json; charset=utf-16", ""];
        (route, [others.as_slice(), &[FORM]].concat())
    });
    let form = form_paths().map(|route| {
        let others = ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form", "x", ""];
        (route, [others.as_slice(), &[JSON]].concat())
    });
    for (route, media_types) in json.chain(form) {
        let call = good(&world, route.name).await;
        let body = Some(body(&call)).filter(|body| !body.is_empty()).unwrap_or_else(|| "a=b".to_owned());
        for media_type in media_types {
            refused(&world, call.clone().body(media_type, &body).event(), route.name, 415, media_type).await;
        }
    }
}

#[tokio::test]
async fn a_credential_header_that_comes_twice_or_joined_is_refused() {
    let world = World::new().await;
    for route in ROUTES {
        let headers: &[&str] = match route.access {
            Access::Open | Access::Body => continue,
            Access::LoginJwt => &["authorization"],
            Access::User => &["authorization", "x-authorization"],
            Access::AccessToken if route.family == Family::Standards => {
                &["x-access-token-id", "x-api-key", "authorization"]
            }
            Access::AccessToken if route.family == Family::Profile => &["x-api-key"],
            Access::AccessToken => &["x-access-token-id", "x-api-key"],
            Access::AccessTokenOrJwt => &["x-api-key"],
        };
        for header in headers {
            let call = good(&world, route.name).await;
            for value in ["a, b", "Bearer a,Bearer b", ",", "a\u{0}b", "a\tb", "a\u{7f}", "a\r\nx: y", "\u{e9}"] {
                refused(&world, call.clone().header(header, value).event(), route.name, 400, value).await;
            }
            let twice = call.clone().header(header, "a").header(&header.to_ascii_uppercase(), "b");
            refused(&world, twice.event(), route.name, 400, "the same header twice").await;
        }
    }
}

/// The control of all of these: what they spoil is good.
#[tokio::test]
async fn the_unspoilt_requests_reach_the_store() {
    let world = World::new().await;
    for route in json_paths().chain(form_paths()) {
        let call = good(&world, route.name).await;
        let _earlier = world.stack.store.take_calls();
        let response = world.send(&call).await;
        assert_eq!(response.status(), document::success(route), "{}: {}", route.name, response.body());
        assert!(!world.stack.store.take_calls().is_empty(), "{}", route.name);
    }
}

/// The stack's ceiling holds for whoever asks for more, and for whoever asks for nothing in particular.
#[tokio::test]
async fn no_profile_jwt_outlives_the_stack_s_ceiling() {
    let mut world = World::new().await;
    let mut lifetimes = world.stack.config.lifetimes;
    lifetimes.profile_jwt_max = std::time::Duration::from_secs(600);
    let (verifier, random) = (tests::world::verifier(&world.stack), std::sync::Arc::clone(&world.stack.random));
    world.replace(profile_authenticate::ProfileAuthenticate {
        verifier,
        random,
        lifetimes,
        tenants: Tenants::default(),
    });
    for (body, seconds) in [(json!({}), 600), (json!({ "duration": 86_400 }), 600), (json!({ "duration": 60 }), 60)] {
        let call = Call::to("profile-authenticate").id(world.demo.id());
        let call = call.header("x-api-key", &world.applications.full).json(&body);
        let jwt = tests::world::member(&world.send(&call).await, "jwt");
        let claims = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), seconds, "{body}");
    }
}

#[tokio::test]
async fn nobody_has_more_auth_headers_than_a_list_can_hold() {
    use shared::auth_header::{AuthHeader, Choices};
    use shared::store::Store as _;

    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    for _ in 0..1000 {
        let choices = Choices { name: "n".repeat(256), scopes: vec!["s".repeat(64); 16], ..Choices::default() };
        let now = world.demo.user.created;
        let (header, _) = AuthHeader::issue(&world.demo.user, choices, now, &*world.stack.random);
        let _ = world.stack.store.create_auth_header(&header).await.unwrap();
    }
    let add = Call::to("authheader-add").bearer(&jwt).json(&json!({ "name": "one too many" }));
    assert_eq!(world.send(&add).await.status(), 400);
    let list = world.send(&Call::to("authheader-list").bearer(&jwt)).await;
    assert_eq!(list.status(), 200);
    assert!(list.body().len() < 5_000_000, "a function's answer holds six megabytes");
}
