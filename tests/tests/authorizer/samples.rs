//! The sample events are answered as `events/expected.json` says.

use serde_json::Value;
use shared::config::AuthorizerMode;
use tests::{World, read};

use crate::ask::Way;

/// Whether `value` has all that `part` has.
fn holds(value: &Value, part: &Value) -> bool {
    match part {
        Value::Object(members) => members.iter().all(|(name, part)| holds(&value[name], part)),
        part => value == part,
    }
}

#[tokio::test]
async fn the_sample_events_get_the_documented_answers() {
    let samples: Value = serde_json::from_str(&read("events/expected.json")).unwrap();
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let live =
        [("authHeader", world.auth_header(&jwt).await), ("ticketId", world.ticket(&world.demo).await), ("jwt", jwt)];
    let mut seen = 0;
    for (file, expected) in samples["invocations"].as_object().unwrap() {
        if !file.starts_with("authorizer.") {
            continue;
        }
        let text = read(&format!("events/{file}"));
        let mut replaced = text.clone();
        for (name, credential) in &live {
            replaced = replaced.replace(samples["placeholders"][name].as_str().unwrap(), credential);
        }
        let with_credentials = expected.get("withCredentials").unwrap_or(&expected["answer"]);
        for (text, expected) in [(&text, &expected["answer"]), (&replaced, with_credentials)] {
            let event = serde_json::from_str(text).unwrap();
            let answer = Way::Simple.ask(&world, AuthorizerMode::EveryRequest, event).await.unwrap();
            assert!(holds(&answer, expected), "{file}: {answer}, expected {expected}");
        }
        seen += 1;
    }
    assert!(seen >= 13, "only {seen}");
}
