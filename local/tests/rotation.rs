//! The local Secrets Manager refuses what AWS refuses, and rotates as AWS does.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use local::{Cloud, secrets};

const SECRET: &str = "KeysetSecret";

fn cloud() -> (Cloud, Client) {
    let issuer = ("Issuer".to_owned(), "http://127.0.0.1:9000".to_owned());
    let cloud = Cloud::in_memory(&BTreeMap::from([issuer])).unwrap();
    let client = secrets::client(&cloud.secrets_url());
    (cloud, client)
}

fn code<T, E: ProvideErrorMetadata>(result: &Result<T, E>) -> &str {
    result.as_ref().err().and_then(ProvideErrorMetadata::code).unwrap_or("done")
}

async fn stages(client: &Client) -> BTreeMap<String, Vec<String>> {
    let secret = client.describe_secret().secret_id(SECRET).send().await.unwrap();
    secret.version_ids_to_stages.unwrap().into_iter().collect()
}

async fn holder(client: &Client, stage: &str) -> Option<String> {
    let holds = |labels: &Vec<String>| labels.iter().any(|label| label == stage);
    stages(client).await.into_iter().find(|(_, labels)| holds(labels)).map(|(id, _)| id)
}

#[tokio::test]
async fn a_version_keeps_its_value() {
    let (_cloud, client) = cloud();
    let put = |text: &str| {
        let put = client.put_secret_value().secret_id(SECRET).client_request_token("one").secret_string(text);
        put.version_stages("AWSPENDING").send()
    };
    assert_eq!(code(&put("a").await), "done");
    assert_eq!(code(&put("a").await), "done", "the same value again");
    assert_eq!(code(&put("b").await), "ResourceExistsException");
    let held = client.get_secret_value().secret_id(SECRET).version_id("one").send().await.unwrap();
    assert_eq!(held.secret_string(), Some("a"));
}

#[tokio::test]
async fn a_label_moves_only_away_from_the_version_that_has_it() {
    let (_cloud, client) = cloud();
    let put = client.put_secret_value().secret_id(SECRET).client_request_token("one").secret_string("a");
    put.version_stages("AWSPENDING").send().await.unwrap();
    let first = holder(&client, "AWSCURRENT").await.unwrap();
    let moving = |from: Option<&str>| {
        let moving = client.update_secret_version_stage().secret_id(SECRET).version_stage("AWSCURRENT");
        moving.move_to_version_id("one").set_remove_from_version_id(from.map(str::to_owned)).send()
    };
    assert_eq!(code(&moving(None).await), "InvalidParameterException");
    assert_eq!(code(&moving(Some("one")).await), "InvalidParameterException");
    assert_eq!(holder(&client, "AWSCURRENT").await.unwrap(), first);
    assert_eq!(code(&moving(Some(&first)).await), "done");
    assert_eq!(code(&moving(Some(&first)).await), "InvalidParameterException", "it has moved");
    assert_eq!(holder(&client, "AWSCURRENT").await.unwrap(), "one");
    assert_eq!(holder(&client, "AWSPREVIOUS").await.unwrap(), first);
}

#[tokio::test]
async fn a_rotation_begins_with_an_empty_version_and_is_gone_on_with() {
    let (_cloud, client) = cloud();
    let rotate = |token: &str| client.rotate_secret().secret_id(SECRET).client_request_token(token).send();
    assert_eq!(code(&rotate("one").await), "done");
    assert_eq!(holder(&client, "AWSPENDING").await.as_deref(), Some("one"));
    let read = client.get_secret_value().secret_id(SECRET).version_id("one").send().await;
    assert_eq!(code(&read), "ResourceNotFoundException", "there is nothing in it");
    assert_eq!(code(&rotate("two").await), "InvalidRequestException");
    assert!(!stages(&client).await.contains_key("two"));
    let put = client.put_secret_value().secret_id(SECRET).client_request_token("one").secret_string("a");
    put.version_stages("AWSPENDING").send().await.unwrap();
    let first = holder(&client, "AWSCURRENT").await.unwrap();
    let moving = client.update_secret_version_stage().secret_id(SECRET).version_stage("AWSCURRENT");
    moving.move_to_version_id("one").remove_from_version_id(first).send().await.unwrap();
    assert_eq!(code(&rotate("two").await), "done", "once the first is current");
}

#[tokio::test]
async fn what_no_schedule_names_is_not_rotated() {
    let (_cloud, client) = cloud();
    client.create_secret().name("other").secret_string("x").send().await.unwrap();
    assert_eq!(code(&client.rotate_secret().secret_id("other").send().await), "InvalidRequestException");
    assert_eq!(code(&client.rotate_secret().secret_id("none").send().await), "ResourceNotFoundException");
}

/// A front that answers each call with the next of these, and tells what it was asked.
fn front(answers: &'static [&'static str]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, received) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut piece) {
                request.extend(piece.iter().take(read));
                if request.ends_with(b"}") {
                    break;
                }
            }
            let answer = format!("HTTP/1.1 {answer}\r\nconnection: close\r\ncontent-length: 4\r\n\r\nnull");
            stream.write_all(answer.as_bytes()).unwrap();
            asked.send(String::from_utf8(request).unwrap()).unwrap();
        }
    });
    (url, received)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_function_of_the_schedule_is_called_for_each_step_until_one_fails() {
    for (answers, steps) in [
        (&["200 OK"; 4][..], &["createSecret", "setSecret", "testSecret", "finishSecret"][..]),
        (&["200 OK", "200 OK\r\nx-amz-function-error: Unhandled"], &["createSecret", "setSecret"]),
        (&["500 Internal Server Error"], &["createSecret"]),
    ] {
        let (cloud, client) = cloud();
        let (url, received) = front(answers);
        cloud.functions_at(&url);
        client.rotate_secret().secret_id(SECRET).client_request_token("one").send().await.unwrap();
        for step in steps {
            let request = received.recv_timeout(Duration::from_secs(10)).unwrap();
            assert!(request.starts_with("POST /2015-03-31/functions/rotate-signing-keys/invocations "), "{request}");
            assert!(request.contains(&format!("\"Step\":\"{step}\"")), "{request}");
            assert!(
                request.contains("\"ClientRequestToken\":\"one\"") && request.contains("\"SecretId\":\"KeysetSecret\"")
            );
        }
        assert!(received.recv_timeout(Duration::from_millis(300)).is_err(), "nothing after that");
    }
}
