//! Section 3 of the contract: profile JWTs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use shared::access_token::Action;
use shared::user::UserId;

use crate::api::{Answer, Stack};

fn authenticate(stack: &Stack, id: &str, credential: (&str, &str), body: &str) -> Answer {
    stack.post(&format!("/v1/profile/{id}/authenticate"), credential, body)
}

fn claims(jwt: &str) -> Value {
    let part = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

pub fn an_application_gets_a_jwt_of_a_chosen_duration(stack: &Stack) {
    let app = ("x-api-key", stack.demo.access_token_id.as_str());
    let lives = |body: &str| {
        let answer = authenticate(stack, &stack.demo.profile_id, app, body);
        answer.is(200, "");
        assert_eq!(answer.json().as_object().unwrap().len(), 1);
        let claims = claims(&answer.member("jwt"));
        assert_eq!(claims["sub"], stack.demo.profile_id);
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
    };
    for (body, seconds) in [
        (r#"{"duration":1}"#, 1),
        (r#"{"duration":600}"#, 600),
        (r#"{"duration":86400}"#, 86_400),
        (r#"{"duration":null}"#, 3600),
        ("{}", 3600),
        ("", 3600),
    ] {
        assert_eq!(lives(body), seconds, "{body}");
    }
    let jwt = authenticate(stack, &stack.demo.profile_id, app, "{}").member("jwt");
    assert_eq!(stack.get("/test/secure", ("authorization", &jwt)).status, 200);
    stack.get("/user/logout", ("authorization", &jwt)).is(200, "");
    assert_eq!(stack.get("/test/secure", ("authorization", &jwt)).status, 401, "it can be ended like any other");
}

pub fn bad_durations_are_refused(stack: &Stack) {
    let app = ("x-api-key", stack.demo.access_token_id.as_str());
    for duration in ["0", "-1", "86401", "1.5", "600.0", "\"600\"", "true", "[]", "1e3", "99999999999999999999"] {
        let answer = authenticate(stack, &stack.demo.profile_id, app, &format!("{{\"duration\":{duration}}}"));
        answer.is(400, "");
        assert!(answer.member("message").contains("duration"), "{}", answer.text);
    }
    authenticate(stack, &stack.demo.profile_id, app, r#"{"Duration":1}"#).is(400, "");
}

pub fn a_user_gets_a_jwt_for_itself_and_an_administrator_for_its_tenant(stack: &Stack) {
    let own = stack.jwt();
    let administrator = stack.login(&stack.demo.admin_username, &stack.demo.admin_password).member("Token");
    let (other, _) = stack.user("demo", "e2e-profile");
    let (foreign, _) = stack.user("elsewhere", "e2e-profile");
    let missing = UserId::generate(&shared::random::SystemRandom);
    let ask = |id: &str, jwt: &str| authenticate(stack, id, ("authorization", jwt), "{}");
    ask(&stack.demo.profile_id, &own).is(200, "");
    ask(&stack.demo.profile_id, &format!("Bearer {own}")).is(200, "");
    let refused = [ask(other.id.as_str(), &own), ask(foreign.id.as_str(), &own), ask(missing.as_str(), &own)];
    assert!(refused.iter().all(|answer| (answer.status, &answer.text) == (403, &refused[0].text)));
    ask(other.id.as_str(), &administrator).is(200, "");
    let (elsewhere, nowhere) = (ask(foreign.id.as_str(), &administrator), ask(missing.as_str(), &administrator));
    assert_eq!((elsewhere.status, &elsewhere.text), (404, &nowhere.text));
    stack.set_enabled(&other.id, false);
    ask(other.id.as_str(), &administrator).is(403, "");
}

pub fn a_minted_jwt_cannot_mint_another(stack: &Stack) {
    let app = ("x-api-key", stack.demo.access_token_id.as_str());
    let minted = authenticate(stack, &stack.demo.profile_id, app, "{}").member("jwt");
    authenticate(stack, &stack.demo.profile_id, ("authorization", &minted), "{}").is(403, "");
    let body = r#"{"name":"x"}"#;
    stack.post("/authheader/add", ("authorization", &minted), body).is(403, "");
}

pub fn who_covers_nothing_learns_nothing(stack: &Stack) {
    let missing = UserId::generate(&shared::random::SystemRandom);
    let (foreign, _) = stack.user("elsewhere", "e2e-foreign");
    let reader = stack.access_token(&[(Some("demo"), Some(&[Action::ReadTenant]))], None);
    for credential in [
        ("accept", "*/*"),
        ("x-api-key", "unknown"),
        ("x-api-key", reader.as_str()),
        ("authorization", "junk"),
        ("x-authorization", "junk"),
    ] {
        let known = authenticate(stack, &stack.demo.profile_id, credential, "{}");
        let unknown = authenticate(stack, missing.as_str(), credential, "{}");
        assert_eq!((known.status, &known.text), (403, &unknown.text), "{credential:?}");
    }
    let app = ("x-api-key", stack.demo.access_token_id.as_str());
    let (foreign, missing) =
        (authenticate(stack, foreign.id.as_str(), app, "{}"), authenticate(stack, missing.as_str(), app, "{}"));
    assert_eq!((foreign.status, &foreign.text), (404, &missing.text), "a foreign profile is as good as none");
    authenticate(stack, "not%20an%20id", app, "{}").is(404, "");
}
