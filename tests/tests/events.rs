//! Every sample event is answered as `events/expected.json` says, as it is and with live credentials in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use shared::api::{ROUTES, UNROUTED};
use tests::{World, read, workspace};

struct Samples {
    placeholders: BTreeMap<String, String>,
    expected: BTreeMap<String, Value>,
    /// Files for functions that serve no route; their answers are no HTTP, and are checked where the function is tested.
    invocations: BTreeMap<String, Value>,
}

impl Samples {
    fn read() -> Self {
        let mut all: Value = serde_json::from_str(&read("events/expected.json")).unwrap();
        let mut take = |name: &str| all[name].take();
        let placeholders = serde_json::from_value(take("placeholders")).unwrap();
        let expected = serde_json::from_value(take("events")).unwrap();
        Self { placeholders, expected, invocations: serde_json::from_value(take("invocations")).unwrap() }
    }

    fn files() -> BTreeSet<String> {
        let entries = std::fs::read_dir(workspace().join("events")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| Path::new(name).extension() == Some("json".as_ref()) && name != "expected.json").collect()
    }
}

/// The function that an event is for: the file's name up to its first dot.
fn function(file: &str) -> &str {
    file.split('.').next().unwrap()
}

/// A credential of each kind, by its name in `expected.json`.
async fn live(world: &World) -> BTreeMap<&'static str, String> {
    let jwt = world.jwt(&world.demo).await;
    BTreeMap::from([
        ("password", world.demo.password.clone()),
        ("ticketId", world.ticket(&world.demo).await),
        ("persistentLoginId", world.persistent_login(&world.demo).await.0),
        ("accessTokenId", world.applications.full.clone()),
        ("masterTokenId", world.applications.master.clone()),
        ("stackTokenId", world.applications.everywhere.clone()),
        ("applicationId", "full".to_owned()),
        ("profileId", world.demo.id().to_owned()),
        ("authHeader", world.auth_header(&jwt).await),
        ("resetToken", world.reset_token(&world.demo).await),
        ("verificationToken", world.verification_token(&world.demo).await),
        ("jwt", jwt),
    ])
}

async fn check(world: &World, file: &str, text: &str, expected: &Value) -> Result<(), String> {
    let response = world.invoke(function(file), serde_json::from_str(text).unwrap()).await;
    let (status, body) = (response.status(), response.body());
    let shown = format!("{file}: {status} {body}, expected {expected}");
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    let as_expected = expected["status"] == status
        && expected.get("errorCode").is_none_or(|code| parsed["errorCode"] == *code)
        && match expected.get("body") {
            None => true,
            Some(Value::String(text)) => body == text,
            Some(json) => parsed == *json,
        };
    if as_expected { Ok(()) } else { Err(shown) }
}

#[test]
fn every_event_has_an_expectation_and_every_expectation_an_event() {
    let Samples { expected, invocations, .. } = Samples::read();
    let both: Vec<_> = expected.keys().filter(|file| invocations.contains_key(*file)).collect();
    assert!(both.is_empty(), "{both:?} are expected twice");
    assert_eq!(Samples::files(), expected.into_keys().chain(invocations.into_keys()).collect());
}

#[test]
fn every_function_has_a_valid_event_and_every_event_a_function() {
    let Samples { expected, invocations, .. } = Samples::read();
    let routed: BTreeSet<&str> = ROUTES.iter().map(|route| route.name).collect();
    let unrouted: BTreeSet<&str> = UNROUTED.iter().map(|function| function.name).collect();
    for (files, functions) in [(expected, routed), (invocations, unrouted)] {
        for name in &functions {
            assert!(files.contains_key(&format!("{name}.json")), "events/{name}.json is missing");
        }
        for file in files.keys() {
            assert!(functions.contains(function(file)), "{file} is for no such function");
        }
    }
}

#[tokio::test]
async fn every_event_as_it_is_gets_the_documented_answer() {
    let samples = Samples::read();
    let mut failed = Vec::new();
    for (file, expected) in &samples.expected {
        let world = World::new().await;
        let text = read(&format!("events/{file}"));
        failed.extend(check(&world, file, &text, expected).await.err());
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test]
async fn every_event_with_live_credentials_gets_the_documented_answer() {
    let samples = Samples::read();
    let mut failed = Vec::new();
    for (file, expected) in &samples.expected {
        let world = World::new().await;
        let live = live(&world).await;
        let mut text = read(&format!("events/{file}"));
        for (name, placeholder) in &samples.placeholders {
            text = text.replace(placeholder, &live[name.as_str()]);
        }
        let expected = expected.get("withCredentials").unwrap_or(expected);
        failed.extend(check(&world, file, &text, expected).await.err());
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test]
async fn a_wrong_expectation_is_noticed() {
    let world = World::new().await;
    let (file, text) = ("test-unsecure.json", read("events/test-unsecure.json"));
    for wrong in [
        serde_json::json!({ "status": 401 }),
        serde_json::json!({ "status": 200, "errorCode": "OTHER" }),
        serde_json::json!({ "status": 200, "body": { "message": "Hi" } }),
        serde_json::json!({ "status": 200, "body": "" }),
    ] {
        assert!(check(&world, file, &text, &wrong).await.is_err(), "{wrong}");
    }
    assert!(check(&world, file, &text, &serde_json::json!({ "status": 200 })).await.is_ok());
}
