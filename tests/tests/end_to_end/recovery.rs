//! Forgotten passwords and verified addresses, with the event bus in between.

use serde_json::{Value, json};

use crate::api::Stack;

const NONE: (&str, &str) = ("accept", "*/*");

fn forgot(stack: &Stack, name: &str) -> String {
    let answer = stack.post("/user/forgot", NONE, &json!({ "username": name }).to_string());
    answer.is(200, "");
    answer.text
}

fn events(stack: &Stack, kind: &str) -> Vec<Value> {
    let events = stack.events().unwrap_or_default().into_iter().filter(|event| event.detail_type == kind);
    events.map(|event| event.detail).collect()
}

pub fn a_forgotten_password_is_set_anew_by_a_message(stack: &Stack) {
    let (user, old) = stack.user("demo", "e2e-forgetful");
    let jwt = stack.login("e2e-forgetful", &old).member("Token");
    let email = user.email.as_ref().unwrap().as_str();
    assert_eq!(forgot(stack, "nobody"), forgot(stack, email));
    let sent = events(stack, "PasswordResetRequested");
    let sent = sent.iter().find(|detail| detail["userId"] == user.id.as_str()).expect("a message");
    assert_eq!(sent["email"], email);
    assert!(!events(stack, "PasswordResetNotSent").is_empty());
    let new = "seven lamps above a quiet harbour";
    let body = json!({ "token": sent["token"], "new": new, "confirm": new }).to_string();
    stack.post("/user/verify", NONE, &json!({ "token": sent["token"] }).to_string()).is(404, "");
    stack.post("/user/reset", NONE, &body).is(200, "");
    stack.post("/user/reset", NONE, &body).is(404, "");
    stack.get("/test/secure", ("authorization", &jwt)).is(401, "");
    stack.login("e2e-forgetful", &old).is(401, "");
    stack.login("e2e-forgetful", new).is(200, "");
}
