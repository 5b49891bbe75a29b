//! `ostiary keys`.
//!
//! Invariant: a new version becomes current only in place of the very version that it was made from: Secrets Manager
//! refuses to move AWSCURRENT away from any other. So `keys init` never replaces a key, and no command undoes another.

mod retire;
mod rotate;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata as _;
use serde_json::json;
use shared::audit;
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::keyring::rotation::CURRENT;
use shared::keyring::{Algorithm, Key, KeySet, KeySetError};
use shared::random::{Random, SystemRandom};
use zeroize::Zeroizing;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Answer, Body, date, date_or};

pub use self::retire::retire;
pub use self::rotate::rotate;

/// A version of a secret: the keyset's, or the pepper's.
pub struct Version {
    /// What Secrets Manager calls it.
    pub id: String,
    /// Its value.
    pub text: Zeroizing<String>,
}

impl Version {
    /// A version that is not stored yet.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self { id: new_id(), text }
    }
}

fn new_id() -> String {
    let random: &dyn Random = &SystemRandom;
    uuid::Builder::from_random_bytes(random.bytes()).into_uuid().to_string()
}

pub async fn init(connection: &Connection, algorithm: Option<Algorithm>) -> Result<Answer, Failure> {
    let (client, secret) = (connection.secrets(), connection.settings.keyset_secret.as_str());
    let before = read(&client, secret).await?;
    if let Some(version) = &before {
        refuse_unless_empty(&version.text)?;
    }
    let algorithm = algorithm.or(connection.settings.algorithm).unwrap_or(Algorithm::Rs256);
    let now = SystemClock.now();
    let unusable = |error: KeySetError| Failure::Outage(format!("no key was made: {error}"));
    let new = Version::new(KeySet::generate(algorithm, now).map_err(unusable)?);

    let published = publish(&client, secret, before.as_ref(), &new).await;
    // A write whose answer was lost may have succeeded, and one that succeeded may have been overtaken: what is
    // current now is what counts.
    match read(&client, secret).await? {
        Some(current) if current.id == new.id => {
            let keys = KeySet::parse(&current.text).map_err(unusable)?;
            keys.keys().iter().for_each(|key| audit::subject(key.kid()));
            Ok(Answer { note: Some("This key signs from now on.".to_owned()), ..answer(Some(&keys), now) })
        }
        Some(current) if KeySet::parse(&current.text).is_ok() => {
            Err(refused("another key was made at the same moment, and is the one in use; nothing was replaced"))
        }
        _ => Err(published.err().unwrap_or_else(|| Failure::Outage("the new key did not become current".to_owned()))),
    }
}

pub async fn show(connection: &Connection) -> Result<Answer, Failure> {
    let secret = connection.settings.keyset_secret.as_str();
    let Some(version) = read(&connection.secrets(), secret).await? else { return Err(no_secret(secret)) };
    let now = SystemClock.now();
    match KeySet::parse(&version.text) {
        Ok(keys) => Ok(answer(Some(&keys), now)),
        Err(KeySetError::Empty) => Ok(answer(None, now)),
        Err(error) => Err(refused(&format!("the functions can't use what the secret holds: {error}"))),
    }
}

pub fn refused(message: &str) -> Failure {
    Failure::Refused { field: None, message: message.to_owned() }
}

pub fn no_secret(name: &str) -> Failure {
    refused(&format!("there is no secret {name}, or it has no value: is the stack deployed, in this region?"))
}

fn refuse_unless_empty(text: &str) -> Result<(), Failure> {
    match KeySet::parse(text) {
        Err(KeySetError::Empty) => Ok(()),
        Ok(keys) if keys.signing_key(SystemClock.now()).is_some() => {
            Err(refused("the stack has its signing keys already (see `ostiary keys show`); nothing was changed"))
        }
        Ok(_) => {
            Err(refused("the stack has keys, though none signs now (see `ostiary keys show`); nothing was changed"))
        }
        Err(error) => Err(refused(&format!("the secret holds something else; nothing was changed: {error}"))),
    }
}

/// The current version; `None` when there is no secret, or none with a value.
pub async fn read(client: &Client, secret: &str) -> Result<Option<Version>, Failure> {
    // The stage is always named: a service that is asked for "the" value may answer another one.
    let answer = match client.get_secret_value().secret_id(secret).version_stage(CURRENT).send().await {
        Ok(answer) => answer,
        Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(None),
        Err(error) => return Err(Failure::of_aws("GetSecretValue", &error)),
    };
    let text = Zeroizing::new(answer.secret_string.unwrap_or_default());
    Ok(answer.version_id.map(|id| Version { id, text }))
}

/// Stores `new` under a label of its own, which leaves AWSCURRENT where it is, then makes it current in place of `before`
/// and of nothing else.
pub async fn publish(client: &Client, secret: &str, before: Option<&Version>, new: &Version) -> Result<(), Failure> {
    let label = format!("ostiary-{}", new.id);
    let put = client.put_secret_value().secret_id(secret).client_request_token(&new.id).secret_string(&*new.text);
    match put.version_stages(&label).send().await {
        Err(error) if error.code() == Some("ResourceNotFoundException") => return Err(no_secret(secret)),
        result => done("PutSecretValue", result)?,
    }
    let change = || client.update_secret_version_stage().secret_id(secret);
    let moving = change().version_stage(CURRENT).move_to_version_id(&new.id);
    let moving = moving.set_remove_from_version_id(before.map(|before| before.id.clone()));
    let result = done("UpdateSecretVersionStage", moving.send().await);
    // Without its label a version that did not become current is deleted by Secrets Manager. One that keeps it does no
    // harm: it is never read.
    let _ = change().version_stage(&label).remove_from_version_id(&new.id).send().await;
    result
}

fn done<T, E>(operation: &str, result: Result<T, E>) -> Result<(), Failure>
where
    E: std::error::Error + 'static,
{
    result.map(|_| ()).map_err(|error| Failure::of_aws(operation, &error))
}

/// What a key is used for at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    WillSign,
    Signs,
    Verifies,
    Over,
}

impl State {
    fn of(key: &Key, keys: &KeySet, now: Timestamp) -> Self {
        if key.verify_until.is_some_and(|until| until <= now) {
            Self::Over
        } else if key.sign_after > now {
            Self::WillSign
        } else if keys.signing_key(now).is_some_and(|signing| signing.kid() == key.kid()) {
            Self::Signs
        } else {
            Self::Verifies
        }
    }

    const fn for_programs(self) -> &'static str {
        match self {
            Self::WillSign => "will-sign",
            Self::Signs => "signs",
            Self::Verifies => "verifies",
            Self::Over => "over",
        }
    }

    const fn for_people(self) -> &'static str {
        match self {
            Self::WillSign => "will sign",
            Self::Signs => "signs now",
            Self::Verifies => "verifies only",
            Self::Over => "over",
        }
    }
}

fn answer(keys: Option<&KeySet>, now: Timestamp) -> Answer {
    let mut json = Vec::new();
    let mut rows = Vec::new();
    for (key, state) in keys.iter().flat_map(|keys| keys.keys().iter().map(|key| (key, State::of(key, keys, now)))) {
        json.push(json!({
            "kid": key.kid(),
            "alg": key.algorithm().as_str(),
            "state": state.for_programs(),
            "signAfter": date(key.sign_after),
            "verifyUntil": key.verify_until.map(date),
        }));
        rows.push(vec![
            key.kid().to_owned(),
            key.algorithm().as_str().to_owned(),
            state.for_people().to_owned(),
            date(key.sign_after),
            date_or(key.verify_until, "no end yet"),
        ]);
    }
    let head = &["kid", "alg", "state", "signs from", "verifies until"];
    let none = "no key yet, so nobody can log in: make one with `ostiary keys rotate` or `ostiary keys init`";
    Answer::new(json!({ "keys": json }), Body::Table { head, rows, none })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn key(sign_after: i64, verify_until: Option<i64>) -> Value {
        let text = KeySet::generate(Algorithm::EdDsa, NOW).unwrap();
        let mut key = serde_json::from_str::<Value>(&text).unwrap()["keys"][0].take();
        key["sign_after"] = json!(NOW.as_seconds() + sign_after);
        key["verify_until"] = json!(verify_until.map(|seconds| NOW.as_seconds() + seconds));
        key
    }

    fn states(keys: &[Value]) -> Vec<State> {
        let keys = KeySet::parse(&json!({ "keys": keys }).to_string()).unwrap();
        keys.keys().iter().map(|key| State::of(key, &keys, NOW)).collect()
    }

    #[test]
    fn each_key_of_a_rotation_has_its_state() {
        let keys = [key(-300, Some(0)), key(-200, Some(60)), key(-100, None), key(100, None)];
        assert_eq!(states(&keys), [State::Over, State::Verifies, State::Signs, State::WillSign]);
    }

    #[test]
    fn an_answer_holds_nothing_private() {
        let stored = key(0, None);
        let keys = KeySet::parse(&json!({ "keys": [&stored] }).to_string()).unwrap();
        let answer = answer(Some(&keys), NOW);
        assert_eq!(answer.json["keys"][0]["kid"], stored["kid"]);
        assert!(!answer.json.to_string().contains(stored["pkcs8"].as_str().unwrap()));
    }

    #[test]
    fn only_an_empty_keyset_is_filled() {
        assert!(refuse_unless_empty(r#"{"keys":[]}"#).is_ok());
        for text in [json!({ "keys": [key(0, None)] }), json!({ "keys": [key(-9, Some(-1))] }), json!({ "other": 1 })] {
            let failure = refuse_unless_empty(&text.to_string()).err().unwrap();
            assert!(failure.to_string().contains("nothing was changed"), "{failure}");
            assert_eq!(failure.exit_code(), 1);
        }
    }
}
