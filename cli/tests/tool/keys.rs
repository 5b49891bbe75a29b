//! `ostiary keys`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use local::Cloud;
use serde_json::{Value, json};
use shared::aws::SecretsManager;
use shared::clock::{SystemClock, Timestamp};
use shared::keyring::rotation::{Rotation, Step, Windows};
use shared::keyring::{Algorithm, KeySet};

use crate::{Tool, cloud, service};

const SECRET: &str = "KeysetSecret";

async fn value(client: &Client) -> String {
    let answer = client.get_secret_value().secret_id(SECRET).version_stage("AWSCURRENT").send().await.unwrap();
    answer.secret_string.unwrap()
}

async fn labels(client: &Client) -> BTreeSet<String> {
    let answer = client.describe_secret().secret_id(SECRET).send().await.unwrap();
    answer.version_ids_to_stages.unwrap_or_default().into_values().flatten().collect()
}

#[tokio::test]
async fn the_first_key_is_made_once_and_signs() {
    let (cloud, tool) = cloud();
    let client = local::secrets::client(&cloud.secrets_url());
    assert_eq!(tool.json(&["keys", "show"]).json()["keys"], json!([]));
    assert!(tool.run(&["keys", "show"]).stdout.contains("`ostiary keys init`"));

    let made = tool.json(&["keys", "init"]).json();
    assert_eq!((&made["keys"][0]["alg"], &made["keys"][0]["state"]), (&"RS256".into(), &"signs".into()));
    let stored = value(&client).await;
    let keys = KeySet::parse(&stored).unwrap();
    assert_eq!(made["keys"][0]["kid"], keys.keys()[0].kid());
    assert_eq!(labels(&client).await, BTreeSet::from(["AWSCURRENT".to_owned(), "AWSPREVIOUS".to_owned()]));
    assert_eq!(tool.json(&["keys", "show"]).json(), made);

    let again = tool.json(&["keys", "init", "--algorithm", "ES256"]).error(1);
    assert!(again["error"].as_str().unwrap().contains("has its signing keys already"), "{again}");
    assert_eq!(value(&client).await, stored);
}

#[tokio::test]
async fn no_output_holds_anything_private() {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let (cloud, tool) = cloud();
        let runs = [
            tool.run(&["keys", "init", "--algorithm", algorithm]),
            tool.run(&["keys", "show"]),
            tool.json(&["keys", "show"]),
            tool.run(&["keys", "init"]),
        ];
        let stored = value(&local::secrets::client(&cloud.secrets_url())).await;
        let stored: Value = serde_json::from_str(&stored).unwrap();
        assert_eq!(stored["keys"][0]["alg"], algorithm);
        let private = &stored["keys"][0]["pkcs8"].as_str().unwrap()[24..60];
        for run in runs {
            assert!(!run.stdout.contains(private) && !run.stderr.contains(private), "{}{}", run.stdout, run.stderr);
        }
    }
}

#[tokio::test]
async fn a_secret_that_holds_anything_is_left_alone() {
    let over = {
        let text = KeySet::generate(Algorithm::EdDsa, Timestamp::from_seconds(1));
        text.unwrap().replace("\"verify_until\":null", "\"verify_until\":2")
    };
    let (cloud, tool) = cloud();
    let client = local::secrets::client(&cloud.secrets_url());
    for (text, told) in [(over.as_str(), "though none signs now"), ("something else", "holds something else")] {
        client.put_secret_value().secret_id(SECRET).secret_string(text).send().await.unwrap();
        let error = tool.json(&["keys", "init"]).error(1);
        let message = error["error"].as_str().unwrap();
        assert!(message.contains(told) && message.contains("nothing was changed"), "{message}");
        assert_eq!(value(&client).await, text);
    }
    assert!(tool.json(&["keys", "show"]).error(1)["error"].as_str().unwrap().contains("can't use"));
}

#[test]
fn a_secret_that_is_not_there_is_told() {
    let (cloud, _) = cloud();
    let tool = Tool::of(&cloud).with("OSTIARY_KEYSET_SECRET_ID", "nowhere");
    for command in [&["init"][..], &["show"], &["rotate"], &["retire", "--yes", "a"]] {
        let error = tool.json(&[&["keys"], command].concat()).error(1);
        assert!(error["error"].as_str().unwrap().contains("no secret nowhere"), "{error}");
    }
}

/// The member of a request's JSON body, and the operation that it asks for.
pub fn asked(request: &str) -> (String, Value) {
    let operation = request.lines().find_map(|line| line.strip_prefix("x-amz-target: secretsmanager.")).unwrap();
    (operation.to_owned(), serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap())
}

#[test]
fn of_two_first_keys_made_at_once_one_is_refused() {
    let (cloud, _) = cloud();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let other = KeySet::generate(Algorithm::EdDsa, Timestamp::from_seconds(1)).unwrap().to_string();
    // Somebody else's key becomes current between this run's first read and its last write.
    let url = service(move |request| {
        let (operation, body) = asked(request);
        let reads = seen.lock().unwrap().iter().filter(|(operation, _)| operation == "GetSecretValue").count();
        let answer = match (operation.as_str(), reads) {
            ("GetSecretValue", 0) => (200, json!({ "VersionId": "empty", "SecretString": "{\"keys\":[]}" })),
            ("GetSecretValue", _) => (200, json!({ "VersionId": "other", "SecretString": other })),
            ("UpdateSecretVersionStage", _) if body["VersionStage"] == "AWSCURRENT" => {
                (400, json!({ "__type": "InvalidParameterException", "message": "attached to another version" }))
            }
            _ => (200, json!({})),
        };
        seen.lock().unwrap().push((operation, body));
        (answer.0, answer.1.to_string())
    });
    let tool = Tool::of(&cloud).with("AWS_ENDPOINT_URL_SECRETS_MANAGER", &url);
    let error = tool.json(&["keys", "init", "--algorithm", "ES256"]).error(1);
    assert!(error["error"].as_str().unwrap().contains("another key was made"), "{error}");

    let requests = requests.lock().unwrap();
    let of = |operation: &str| requests.iter().filter(|(name, _)| name == operation).map(|(_, body)| body).collect();
    let puts: Vec<&Value> = of("PutSecretValue");
    let labels = puts[0]["VersionStages"].as_array().unwrap();
    assert!(!labels.is_empty() && !labels.contains(&json!("AWSCURRENT")), "a put would replace unconditionally");
    let changes: Vec<&Value> = of("UpdateSecretVersionStage");
    assert_eq!(changes[0]["RemoveFromVersionId"], "empty", "the condition");
    assert_eq!(changes[1]["VersionStage"], labels[0], "the key that nobody uses is given up");
}

#[test]
fn a_lost_answer_to_the_last_write_is_no_failure() {
    let (cloud, _) = cloud();
    let stored = Mutex::new(None::<(Value, Value)>);
    let url = service(move |request| {
        let (operation, body) = asked(request);
        let mut stored = stored.lock().unwrap();
        let answer = match operation.as_str() {
            "GetSecretValue" => match &*stored {
                None => (200, json!({ "VersionId": "empty", "SecretString": "{\"keys\":[]}" })),
                Some((id, text)) => (200, json!({ "VersionId": id, "SecretString": text })),
            },
            "PutSecretValue" => {
                *stored = Some((body["ClientRequestToken"].clone(), body["SecretString"].clone()));
                (200, json!({}))
            }
            _ => (400, json!({ "__type": "InvalidParameterException", "message": "moved already" })),
        };
        (answer.0, answer.1.to_string())
    });
    let tool = Tool::of(&cloud).with("AWS_ENDPOINT_URL_SECRETS_MANAGER", &url);
    assert_eq!(tool.json(&["keys", "init", "--algorithm", "ES256"]).json()["keys"][0]["state"], "signs");
}

/// The function that rotates the keys, where the local Secrets Manager looks for it.
fn rotating(cloud: &Cloud) {
    let url = cloud.secrets_url();
    cloud.functions_at(&service(move |request| {
        let event: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        let member = |name: &str| event.get(name).and_then(Value::as_str).unwrap().to_owned();
        let rotation = Rotation {
            versions: SecretsManager { client: local::secrets::client(&url), id: member("SecretId") },
            clock: Arc::new(SystemClock),
            windows: Windows {
                lead: Duration::from_secs(60),
                slack: Duration::from_secs(60),
                lifetime: Duration::from_secs(60),
            },
            algorithm: Algorithm::Es256,
        };
        let (step, token) = (Step::parse(&member("Step")).unwrap(), member("ClientRequestToken"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        match runtime.block_on(rotation.run(step, &token)) {
            Ok(_) => (200, "null".to_owned()),
            Err(error) => (500, error.to_string()),
        }
    }));
}

fn states(answer: &Value) -> Vec<&str> {
    let keys = answer.get("keys").and_then(Value::as_array).unwrap();
    keys.iter().map(|key| key.get("state").and_then(Value::as_str).unwrap()).collect()
}

fn kid(answer: &Value, place: usize) -> String {
    answer.pointer(&format!("/keys/{place}/kid")).and_then(Value::as_str).unwrap().to_owned()
}

#[tokio::test]
async fn a_rotation_makes_the_first_key_and_publishes_the_next_ones_before_they_sign() {
    let (cloud, tool) = cloud();
    rotating(&cloud);
    let first = tool.json(&["keys", "rotate"]).json();
    assert_eq!(states(&first), ["signs"]);
    let second = tool.json(&["keys", "rotate"]).json();
    assert_eq!(states(&second), ["signs", "will-sign"]);
    assert_eq!(kid(&first, 0), kid(&second, 0));
    let third = tool.run(&["keys", "rotate"]);
    assert!(third.stdout.contains("VERIFIES UNTIL") && third.stderr.contains("published"), "{}", third.stdout);
    assert_eq!(states(&tool.json(&["keys", "show"]).json()), ["signs", "will-sign", "will-sign"]);
}

#[tokio::test]
async fn a_rotation_that_nobody_waits_for_is_begun_and_one_left_open_is_gone_on_with() {
    let (cloud, tool) = cloud();
    let begun = tool.run(&["keys", "rotate", "--no-wait"]);
    assert_eq!(begun.code, 0, "{}", begun.stderr);
    assert!(labels(&local::secrets::client(&cloud.secrets_url())).await.contains("AWSPENDING"));
    rotating(&cloud);
    assert_eq!(states(&tool.json(&["keys", "rotate"]).json()), ["signs"]);
}

#[tokio::test]
async fn a_rotation_that_was_left_open_too_long_is_begun_anew() {
    let (cloud, tool) = cloud();
    let client = local::secrets::client(&cloud.secrets_url());
    let open = client.rotate_secret().secret_id(SECRET).client_request_token("open");
    open.send().await.unwrap();
    let old = KeySet::generate(Algorithm::EdDsa, Timestamp::from_seconds(1)).unwrap();
    let put = client.put_secret_value().secret_id(SECRET).client_request_token("open").version_stages("AWSPENDING");
    put.secret_string(old.as_str()).send().await.unwrap();
    rotating(&cloud);
    let answer = tool.json(&["keys", "rotate"]).json();
    assert_eq!((states(&answer), answer["keys"][0]["alg"].as_str()), (vec!["signs"], Some("ES256")));
}

#[test]
fn a_stack_without_a_schedule_says_so() {
    let parameters = [("Issuer", "http://127.0.0.1:9000"), ("KeyRotationDays", "0")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let cloud = Cloud::in_memory(&parameters.into()).unwrap();
    let error = Tool::of(&cloud).json(&["keys", "rotate"]).error(1);
    assert!(error["error"].as_str().unwrap().contains("KeyRotationDays"), "{error}");
}

#[tokio::test]
async fn a_retired_key_is_gone_and_another_signs() {
    let (cloud, tool) = cloud();
    rotating(&cloud);
    let client = local::secrets::client(&cloud.secrets_url());
    tool.json(&["keys", "rotate"]).json();
    let both = tool.json(&["keys", "rotate"]).json();
    let (signing, waiting) = (kid(&both, 0), kid(&both, 1));
    // A rotation that was left open must neither bring the key back nor stand in the way.
    let put = client.put_secret_value().secret_id(SECRET).client_request_token("open").version_stages("AWSPENDING");
    put.secret_string(value(&client).await).send().await.unwrap();

    let answer = tool.json(&["keys", "retire", &signing, "--yes"]).json();
    assert_eq!((states(&answer), kid(&answer, 0)), (vec!["signs"], waiting.clone()), "the waiting one took over");
    let stored = value(&client).await;
    assert!(!stored.contains(&signing));
    assert!(!labels(&client).await.contains("AWSPENDING"), "the open rotation is over");
    assert_eq!(states(&tool.json(&["keys", "rotate"]).json()), ["signs", "will-sign"]);
    assert!(!value(&client).await.contains(&signing));

    let every = tool.json(&["keys", "show"]).json();
    let run = tool.run(&["keys", "retire", "--yes", &kid(&every, 0), &kid(&every, 1)]);
    assert!(run.stderr.contains("within 5 minutes") && run.stderr.contains("fresh key"), "{}", run.stderr);
    let answer = tool.json(&["keys", "show"]).json();
    assert_eq!(states(&answer), ["signs"]);
    assert!(kid(&answer, 0) != kid(&every, 0) && kid(&answer, 0) != kid(&every, 1));
}

#[tokio::test]
async fn a_retirement_that_is_not_meant_changes_nothing() {
    let (cloud, tool) = cloud();
    let client = local::secrets::client(&cloud.secrets_url());
    let made = kid(&tool.json(&["keys", "init"]).json(), 0);
    let stored = value(&client).await;
    let unknown = tool.json(&["keys", "retire", "--yes", &made, "unknown"]).error(1);
    assert!(unknown["error"].as_str().unwrap().contains("no key unknown"), "{unknown}");
    let unasked = tool.json(&["keys", "retire", &made]).error(2);
    assert_eq!(unasked["field"], "yes", "{unasked}");
    assert_eq!(value(&client).await, stored);
}

#[test]
fn a_key_is_retired_from_the_keys_that_were_seen_and_from_no_others() {
    let (cloud, _) = cloud();
    let key = || KeySet::generate(Algorithm::EdDsa, Timestamp::from_seconds(1)).unwrap().to_string();
    let (seen, other) = (key(), key());
    let kid = KeySet::parse(&seen).unwrap().keys().first().unwrap().kid().to_owned();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let sent = Arc::clone(&requests);
    // A rotation becomes current between this run's first read and its last write.
    let url = service(move |request| {
        let (operation, body) = asked(request);
        let mut sent = sent.lock().unwrap();
        let is_first = !sent.iter().any(|(operation, _)| operation == "GetSecretValue");
        let answer = match operation.as_str() {
            "GetSecretValue" if is_first => (200, json!({ "VersionId": "seen", "SecretString": seen })),
            "GetSecretValue" => (200, json!({ "VersionId": "other", "SecretString": other })),
            "UpdateSecretVersionStage" if body["VersionStage"] == "AWSCURRENT" => {
                (400, json!({ "__type": "InvalidParameterException", "message": "attached to another version" }))
            }
            _ => (200, json!({})),
        };
        sent.push((operation, body));
        (answer.0, answer.1.to_string())
    });
    let tool = Tool::of(&cloud).with("AWS_ENDPOINT_URL_SECRETS_MANAGER", &url);
    let error = tool.json(&["keys", "retire", "--yes", &kid]).error(1);
    assert!(error["error"].as_str().unwrap().contains("there is no key"), "of those that came instead: {error}");
    let requests = requests.lock().unwrap();
    let mut changes = requests.iter().filter(|(name, _)| name == "UpdateSecretVersionStage").map(|(_, body)| body);
    assert_eq!(changes.next().unwrap()["RemoveFromVersionId"], "seen", "the condition");
}
