//! A client's life in the profile JWT family.

use serde_json::json;

use crate::api::{Answer, Stack};
use crate::life::{Application, secure, tenant};

const TENANT: &str = "shipyard";

pub fn from_an_api_key_to_a_profile_that_is_gone(stack: &Stack) {
    let master = Application::master(stack);
    tenant(&master, TENANT);
    let app = Application::made_by(&master, "builder", TENANT);
    let key = ("x-api-key", app.token.as_str());

    let application = stack.get("/v1/application", key);
    application.is(200, "");
    let body = application.json();
    assert_eq!((&body["id"], &body["name"]), (&json!("builder"), &json!("builder")));
    for unknown in ["email", "description", "rootUserId", "identityId"] {
        assert!(body.get(unknown).is_some_and(serde_json::Value::is_null), "{unknown}: {body}");
    }

    stack.post("/v1/profile", key, r#"{"applicationId":"somebody-else"}"#).is(403, "");
    let made = stack.post("/v1/profile", key, r#"{"applicationId":"builder","name":"Ada"}"#);
    made.is(201, "");
    let id = made.member("id");
    assert_eq!((&made.json()["applicationId"], &made.json()["name"]), (&json!("builder"), &json!("Ada")));
    let path = format!("/v1/profile/{id}");
    let read = stack.get(&format!("{path}?expand=identifiers"), key);
    read.is(200, "");
    assert_eq!(read.json(), made.json());

    let jwt = mint(stack, &path, key, r#"{"duration":600}"#).member("jwt");
    assert_eq!(secure(stack, ("authorization", &jwt)), 200);
    assert!(introspected(stack, key, &jwt));
    mint(stack, &path, ("authorization", &jwt), "{}").is(403, "");

    let renamed = stack.send("PUT", &path, &[key, ("content-type", "application/json")], r#"{"name":"Ada L."}"#);
    renamed.is(200, "");
    assert_eq!(renamed.member("name"), "Ada L.");
    let own = stack.get(&path, ("authorization", &format!("Bearer {jwt}")));
    own.is(200, "");
    assert_eq!(own.member("name"), "Ada L.");

    let revoked = revoke(stack, key, &jwt);
    assert_eq!((revoked.status, introspected(stack, key, &jwt)), (200, false));
    assert_eq!(secure(stack, ("authorization", &jwt)), 401);
    stack.get(&path, ("authorization", &jwt)).is(403, "");

    let last = mint(stack, &path, key, "").member("jwt");
    app.done(&format!("profile/{id}/delete"));
    assert_eq!(secure(stack, ("authorization", &last)), 401);
    stack.get(&path, key).is(404, "");
    mint(stack, &path, key, "{}").is(404, "");

    master.done(&format!("access_token/{}/delete", app.token));
    stack.get("/v1/application", key).is(403, "");
    stack.post("/v1/profile", key, r#"{"applicationId":"builder"}"#).is(403, "");
}

fn mint(stack: &Stack, path: &str, credential: (&str, &str), body: &str) -> Answer {
    stack.post(&format!("{path}/authenticate"), credential, body)
}

fn standards(stack: &Stack, path: &str, key: (&str, &str), token: &str) -> Answer {
    let headers = [key, ("content-type", "application/x-www-form-urlencoded")];
    stack.send("POST", path, &headers, &crate::api::form(&[("token", token)]))
}

fn introspected(stack: &Stack, key: (&str, &str), token: &str) -> bool {
    let answer = standards(stack, "/oauth2/introspect", key, token);
    answer.is(200, "");
    answer.json()["active"] == true
}

fn revoke(stack: &Stack, key: (&str, &str), token: &str) -> Answer {
    standards(stack, "/oauth2/revoke", key, token)
}
