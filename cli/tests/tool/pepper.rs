//! `ostiary pepper`, and the passwords that are hashed with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_secretsmanager::Client;
use local::Cloud;
use serde_json::{Value, json};
use shared::aws::SecretsManager;
use shared::clock::SystemClock;
use shared::password::pepper::{Pepper, Peppers, Usage};
use shared::password::{Cost, Hasher, verify};
use shared::secret::Password;

use crate::keys::asked;
use crate::users::{PASSWORD, create, credential};
use crate::{Tool, cloud_with, service};

const SECRET: &str = "PepperSecret";
const EMPTY: &str = r#"{"peppers":{}}"#;

fn peppered(usage: &str) -> (Cloud, Tool, Client) {
    let (cloud, tool) = cloud_with(&[("Pepper", usage)]);
    assert_eq!(tool.run(&["tenant", "create", "acme"]).code, 0);
    let client = local::secrets::client(&cloud.secrets_url());
    (cloud, tool, client)
}

async fn value(client: &Client) -> String {
    let answer = client.get_secret_value().secret_id(SECRET).version_stage("AWSCURRENT").send().await.unwrap();
    answer.secret_string.unwrap()
}

/// The ids of an answer, the current one last.
fn ids(answer: &Value) -> Vec<String> {
    let mut peppers = answer["peppers"].as_array().unwrap().clone();
    peppers.sort_by_key(|pepper| pepper["current"].as_bool());
    peppers.iter().map(|pepper| pepper["keyid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_first_pepper_is_made_once_and_the_next_ones_beside_it() {
    let (_cloud, tool, client) = peppered("required");
    assert_eq!(tool.json(&["pepper", "show"]).json(), json!({ "peppers": [] }));
    assert!(tool.run(&["pepper", "show"]).stdout.contains("`ostiary pepper init`"));
    assert!(tool.json(&["pepper", "rotate"]).error(1)["error"].as_str().unwrap().contains("pepper init"));

    let first = ids(&tool.json(&["pepper", "init"]).json());
    assert_eq!(first.len(), 1);
    let stored = value(&client).await;
    let again = tool.json(&["pepper", "init"]).error(1);
    assert!(again["error"].as_str().unwrap().contains("has its pepper already"), "{again}");
    assert_eq!(value(&client).await, stored);

    let rotated = tool.json(&["pepper", "rotate"]).json();
    assert_eq!(rotated, tool.json(&["pepper", "show"]).json());
    let both = ids(&rotated);
    assert_eq!((both.len(), &both[0]), (2, &first[0]), "the old one stays, and the new one is the current one");
    let (before, after): (Value, Value) =
        (serde_json::from_str(&stored).unwrap(), serde_json::from_str(&value(&client).await).unwrap());
    assert_eq!(before["peppers"][&first[0]], after["peppers"][&first[0]]);
    assert_ne!(after["peppers"][&both[0]], after["peppers"][&both[1]]);
}

#[tokio::test]
async fn only_an_old_pepper_is_dropped_and_only_if_it_is_meant() {
    let (_cloud, tool, client) = peppered("verify-only");
    tool.json(&["pepper", "init"]).json();
    let both = ids(&tool.json(&["pepper", "rotate"]).json());
    let stored = value(&client).await;
    let current = tool.json(&["pepper", "drop", "--yes", &both[1]]).error(1);
    assert!(current["error"].as_str().unwrap().contains("current"), "{current}");
    assert_eq!(tool.json(&["pepper", "drop", "--yes", "nobody"]).error(1)["field"], "keyid");
    assert_eq!(tool.json(&["pepper", "drop", &both[0]]).error(2)["field"], "yes");
    assert_eq!(value(&client).await, stored, "nothing was changed");
    assert_eq!(ids(&tool.json(&["pepper", "drop", "--yes", &both[0]]).json()), [both[1].clone()]);
    assert_eq!(ids(&tool.json(&["pepper", "show"]).json()), [both[1].clone()]);
}

#[tokio::test]
async fn no_output_holds_anything_of_a_pepper() {
    let (_cloud, tool, client) = peppered("required");
    let mut runs = vec![tool.run(&["pepper", "init"]), tool.json(&["pepper", "rotate"])];
    let stored: Value = serde_json::from_str(&value(&client).await).unwrap();
    runs.extend([
        tool.run(&["pepper", "show"]),
        tool.json(&["pepper", "show"]),
        tool.run(&["pepper", "rotate"]),
        create(&tool, &["--username", "jane"], PASSWORD),
    ]);
    client.put_secret_value().secret_id(SECRET).secret_string("something else").send().await.unwrap();
    runs.extend([tool.run(&["pepper", "init"]), tool.json(&["pepper", "show"])]);
    assert!(runs.iter().any(|run| run.code == 1 && run.stderr.contains("can't use")));
    for (_, key) in stored["peppers"].as_object().unwrap() {
        let part = &key.as_str().unwrap()[..16];
        assert!(runs.iter().all(|run| !run.stdout.contains(part) && !run.stderr.contains(part)));
    }
}

#[test]
fn a_stack_without_a_pepper_says_how_to_get_one() {
    let (_cloud, tool) = cloud_with(&[]);
    for command in [&["init"][..], &["rotate"], &["show"], &["drop", "--yes", "a"]] {
        let error = tool.json(&[&["pepper"], command].concat()).error(1);
        assert!(error["error"].as_str().unwrap().contains("Pepper=verify-only"), "{error}");
    }
    let (_cloud, tool, _) = peppered("required");
    let tool = tool.with("OSTIARY_PEPPER_SECRET_ID", "nowhere");
    assert!(tool.json(&["pepper", "show"]).error(1)["error"].as_str().unwrap().contains("no secret nowhere"));
}

#[tokio::test]
async fn a_user_is_made_with_the_stack_s_pepper_or_not_at_all() {
    let (cloud, tool, client) = peppered("required");
    let refused = create(&tool, &["--username", "jane"], PASSWORD).error(2);
    assert!(refused["error"].as_str().unwrap().contains("`ostiary pepper init`"), "{refused}");
    let down = Tool::of(&cloud).with("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1");
    create(&down, &["--username", "jane"], PASSWORD).error(3);
    assert_eq!(tool.json(&["user", "show", "--username", "jane"]).code, 1, "nothing was made");

    let made = ids(&tool.json(&["pepper", "init"]).json());
    create(&tool, &["--username", "jane"], PASSWORD).json();
    let phc = credential(&cloud, "acme", "jane").await.phc.unwrap();
    assert_eq!(phc.pepper().unwrap().as_str(), made[0]);
    let secret = SecretsManager { client, id: SECRET.to_owned() };
    let pepper = Pepper::new(Usage::Required, secret, Arc::new(SystemClock));
    let hasher = Arc::new(Hasher::new(Cost::default()).unwrap().with_pepper(Some(pepper)));
    let password = Password::from_input(PASSWORD).unwrap();
    assert!(verify(&hasher, password.clone(), Some(phc.clone())).await.unwrap().matches);
    assert!(Hasher::new(Cost::default()).unwrap().verify(&password, Some(&phc)).is_err(), "without it, nobody knows");
}

#[tokio::test]
async fn until_the_pepper_is_required_hashes_are_made_without() {
    let (cloud, tool, _) = peppered("verify-only");
    create(&tool, &["--username", "early"], PASSWORD).json();
    let run = tool.run(&["pepper", "init"]);
    assert!(run.code == 0 && run.stderr.contains("until the stack's parameter Pepper is required"), "{}", run.stderr);
    create(&tool, &["--username", "late"], PASSWORD).json();
    for name in ["early", "late"] {
        assert_eq!(credential(&cloud, "acme", name).await.phc.unwrap().pepper(), None, "{name}");
    }
}

#[test]
fn of_two_changes_at_once_one_is_refused() {
    let (_cloud, tool, _) = peppered("required");
    let requests = Arc::new(Mutex::new(BTreeMap::new()));
    let seen = Arc::clone(&requests);
    let random = shared::random::SystemRandom;
    let other = Peppers::parse(EMPTY).unwrap().rotated(&random).unwrap().to_text().unwrap().to_string();
    // Somebody else's pepper becomes current between this run's first read and its last write.
    let url = service(move |request| {
        let (operation, body) = asked(request);
        let reads = seen.lock().unwrap().contains_key("GetSecretValue");
        let answer = match (operation.as_str(), reads) {
            ("GetSecretValue", false) => (200, json!({ "VersionId": "empty", "SecretString": EMPTY })),
            ("GetSecretValue", true) => (200, json!({ "VersionId": "other", "SecretString": other })),
            ("UpdateSecretVersionStage", _) if body["VersionStage"] == "AWSCURRENT" => {
                assert_eq!(body["RemoveFromVersionId"], "empty", "the condition");
                (400, json!({ "__type": "InvalidParameterException", "message": "attached to another version" }))
            }
            _ => (200, json!({})),
        };
        seen.lock().unwrap().insert(operation, body);
        (answer.0, answer.1.to_string())
    });
    let error = tool.with("AWS_ENDPOINT_URL_SECRETS_MANAGER", &url).json(&["pepper", "init"]).error(1);
    assert!(error["error"].as_str().unwrap().contains("somebody else"), "{error}");
    assert!(!requests.lock().unwrap()["PutSecretValue"]["VersionStages"].to_string().contains("AWSCURRENT"));
}
