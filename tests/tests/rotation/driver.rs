//! Who rotates: Secrets Manager as it does, with repeated, overlapping and interrupted steps; and, for the controls,
//! somebody who knows no windows.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use rotate_signing_keys::RotateSigningKeys;
use serde_json::{Value, json};
use shared::aws::SecretsManager;
use shared::clock::Clock as _;
use shared::invoke;
use shared::keyring::rotation::{CURRENT, PENDING, Rotation};
use shared::keyring::{Algorithm, KeySet};
use tests::Dice;
use tokio::time::{Instant, sleep, timeout};

use crate::Shared;
use crate::load::{SECRET, WINDOWS};

/// From one rotation to the next.
const PACE: Duration = Duration::from_millis(700);
const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

/// Ways to rotate that break tokens.
#[derive(Clone, Copy, Debug)]
pub enum Naive {
    SignsAtOnce,
    DropsTheOldKey,
}

/// Rotates for so long, and on until there were twenty rotations, or time is up for good.
pub async fn rotations(load: &Shared, duration: Duration) {
    let (begun, dice) = (Instant::now(), Dice::new(5));
    for number in 0.. {
        let enough = load.rotations.load(SeqCst) >= 20 || begun.elapsed() > 3 * duration;
        if begun.elapsed() >= duration && enough {
            break;
        }
        let due = Instant::now() + PACE;
        rotate(load, number, &dice).await;
        note_current(load).await;
        tokio::time::sleep_until(due).await;
    }
}

async fn rotate(load: &Shared, number: usize, dice: &Dice) {
    let token = begin(load, &format!("{number:032}")).await;
    let algorithm = ALGORITHMS[number % ALGORITHMS.len()];
    match number % 5 {
        // The steps of one rotation, each called twice at a time.
        1 => {
            let _ = tokio::join!(steps(load, algorithm, &token), steps(load, algorithm, &token));
        }
        // The function ends in the middle of something. The next rotation goes on with this one's token.
        2 => {
            let moment = Duration::from_millis(u64::try_from(dice.below(60)).unwrap());
            let _ = timeout(moment, steps(load, algorithm, &token)).await;
        }
        // Somebody takes the label off and rotates again, while the first function still runs.
        3 => {
            let other = format!("{number:031}b");
            let second = async {
                sleep(Duration::from_millis(u64::try_from(dice.below(40)).unwrap())).await;
                let change = load.client.update_secret_version_stage().secret_id(SECRET).version_stage(PENDING);
                let _ = change.remove_from_version_id(&token).send().await;
                let other = begin(load, &other).await;
                steps(load, algorithm, &other).await
            };
            let _ = tokio::join!(steps(load, algorithm, &token), second);
        }
        _ => {
            let _ = steps(load, algorithm, &token).await;
        }
    }
}

/// Asks Secrets Manager for a rotation, which may go on with an open one. Says which version it makes.
async fn begin(load: &Shared, token: &str) -> String {
    let asked = load.client.rotate_secret().secret_id(SECRET).client_request_token(token).send().await;
    if asked.is_ok() {
        return token.to_owned();
    }
    let described = load.client.describe_secret().secret_id(SECRET).send().await.unwrap();
    let mut versions = described.version_ids_to_stages.unwrap_or_default().into_iter();
    let open = versions.find(|(_, labels)| labels.iter().any(|label| label == PENDING));
    open.map_or_else(|| token.to_owned(), |(id, _)| id)
}

async fn steps(load: &Shared, algorithm: Algorithm, token: &str) -> Result<(), invoke::Failure> {
    let rotation = Rotation {
        versions: SecretsManager { client: load.client.clone(), id: SECRET.to_owned() },
        clock: Arc::new(load.clock),
        windows: WINDOWS,
        algorithm,
    };
    let function = RotateSigningKeys { rotation, secret: SECRET.to_owned() };
    for step in STEPS {
        let event = json!({ "Step": step, "SecretId": SECRET, "ClientRequestToken": token });
        invoke::handle(&function, event, "r-1").await?;
    }
    Ok(())
}

async fn current(load: &Shared) -> String {
    let value = load.client.get_secret_value().secret_id(SECRET).version_stage(CURRENT).send().await.unwrap();
    value.secret_string.unwrap()
}

/// Counts a rotation if there was one, and keeps its private keys for the forger.
async fn note_current(load: &Shared) {
    let text = current(load).await;
    let mut seen = load.seen.lock().unwrap();
    if seen.last() != Some(&text) {
        load.rotations.fetch_add(1, SeqCst);
        seen.push(text);
    }
}

pub async fn naive(load: &Shared, naive: Naive, duration: Duration) {
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < duration {
        let fresh = KeySet::generate(ALGORITHMS[number % ALGORITHMS.len()], load.clock.now()).unwrap();
        let mut fresh: Value = serde_json::from_str(&fresh).unwrap();
        let mut set: Value = serde_json::from_str(&current(load).await).unwrap();
        let keys = set["keys"].as_array_mut().unwrap();
        if matches!(naive, Naive::DropsTheOldKey) {
            keys.clear();
        }
        keys.push(fresh["keys"][0].take());
        let put = load.client.put_secret_value().secret_id(SECRET).secret_string(set.to_string());
        put.send().await.unwrap();
        number += 1;
        sleep(PACE).await;
    }
}
