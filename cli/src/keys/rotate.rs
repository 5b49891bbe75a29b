//! `ostiary keys rotate`.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata as _, SdkError};
use shared::clock::{Clock as _, SystemClock};
use shared::keyring::KeySet;
use shared::keyring::rotation::PENDING;

use super::{CURRENT, answer, new_id, no_secret, read, refused};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Answer;

const POLL: Duration = Duration::from_millis(500);

/// A cold start and an RSA key, several times over.
const PATIENCE: u32 = 240;

const DONE: &str = "The new key is published now and signs once every cache knows it; the old ones verify what they \
signed until it is over.";

const BEGUN: &str = "The rotation has begun; `ostiary keys show` will show its key.";

/// Where the version that a rotation is making stands.
enum Progress {
    Current,
    Pending,
    GivenUp,
}

pub async fn rotate(connection: &Connection, wait: bool) -> Result<Answer, Failure> {
    let (client, secret) = (connection.secrets(), connection.settings.keyset_secret.as_str());
    // One that was left open earlier may be too old to finish. The function gives it up then, and the next one is new.
    for _ in 0..2 {
        let (token, is_new) = begin(&client, secret).await?;
        if !wait {
            return show(&client, secret, BEGUN).await;
        }
        match follow(&client, secret, &token).await? {
            Progress::Current => return show(&client, secret, DONE).await,
            Progress::Pending => return Err(unfinished(&client, secret, &token).await),
            Progress::GivenUp if is_new => break,
            Progress::GivenUp => {}
        }
    }
    Err(refused("the rotation was given up, because the keys were changed meanwhile or it took too long: try again"))
}

/// Begins a rotation, or lets Secrets Manager go on with one that was left open. Says which, by its token, and whether
/// it is new.
async fn begin(client: &Client, secret: &str) -> Result<(String, bool), Failure> {
    let id = new_id();
    match client.rotate_secret().secret_id(secret).client_request_token(&id).send().await {
        Ok(answer) => Ok((answer.version_id.unwrap_or(id), true)),
        Err(error) => match (error.code(), error.message().unwrap_or_default()) {
            (Some("ResourceNotFoundException"), _) => Err(no_secret(secret)),
            (Some("InvalidRequestException"), message) if message.contains("previous rotation") => {
                Ok((open(client, secret).await?.unwrap_or(id), false))
            }
            (Some("InvalidRequestException"), message) if message.contains("Lambda") => {
                Err(refused("the stack has no rotation: deploy it with a KeyRotationDays other than 0"))
            }
            _ => Err(failed("RotateSecret", &error)),
        },
    }
}

fn failed<E: std::error::Error + 'static>(operation: &str, error: &SdkError<E>) -> Failure
where
    SdkError<E>: std::error::Error,
{
    Failure::of_aws(operation, error)
}

async fn open(client: &Client, secret: &str) -> Result<Option<String>, Failure> {
    let is_open = |labels: &[String]| has(labels, PENDING) && !has(labels, CURRENT);
    Ok(versions(client, secret).await?.into_iter().find(|(_, labels)| is_open(labels)).map(|(id, _)| id))
}

async fn versions(client: &Client, secret: &str) -> Result<Vec<(String, Vec<String>)>, Failure> {
    let described = client.describe_secret().secret_id(secret).send().await;
    let described = described.map_err(|error| failed("DescribeSecret", &error))?;
    Ok(described.version_ids_to_stages.unwrap_or_default().into_iter().collect())
}

fn has(labels: &[String], stage: &str) -> bool {
    labels.iter().any(|label| label == stage)
}

async fn follow(client: &Client, secret: &str, token: &str) -> Result<Progress, Failure> {
    for _ in 0..PATIENCE {
        let versions = versions(client, secret).await?;
        let labels = versions.iter().find(|(id, _)| id == token).map(|(_, labels)| labels.as_slice());
        match labels {
            Some(labels) if has(labels, CURRENT) => return Ok(Progress::Current),
            Some(labels) if has(labels, PENDING) => {}
            _ => return Ok(Progress::GivenUp),
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(Progress::Pending)
}

/// Says how far a rotation came that does not get on.
async fn unfinished(client: &Client, secret: &str, token: &str) -> Failure {
    let made = client.get_secret_value().secret_id(secret).version_id(token).send().await;
    let step = if made.is_ok() { "testSecret or finishSecret" } else { "createSecret" };
    Failure::Outage(format!(
        "the rotation stands before {step} after two minutes: the log of rotate-signing-keys says why. Nothing is \
         broken, and another `ostiary keys rotate` goes on with it"
    ))
}

async fn show(client: &Client, secret: &str, note: &str) -> Result<Answer, Failure> {
    let Some(current) = read(client, secret).await? else { return Err(no_secret(secret)) };
    let keys = KeySet::parse(&current.text).ok();
    Ok(Answer { note: Some(note.to_owned()), ..answer(keys.as_ref(), SystemClock.now()) })
}
