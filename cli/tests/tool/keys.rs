//! `ostiary keys`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_sdk_secretsmanager::Client;
use serde_json::{Value, json};
use shared::clock::Timestamp;
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
        let private = &stored["keys"][0]["pkcs8"].as_str().unwrap()[40..80];
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
    for command in ["init", "show"] {
        let error = tool.json(&["keys", command]).error(1);
        assert!(error["error"].as_str().unwrap().contains("no secret nowhere"), "{error}");
    }
}

/// The member of a request's JSON body, and the operation that it asks for.
fn asked(request: &str) -> (String, Value) {
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
