//! `rotate-signing-keys`: one step of a rotation, as Secrets Manager asks for it.

use std::time::Instant;

use serde::Deserialize;
use shared::audit::{self, Ending, Outcome};
use shared::invoke::{Failure, Function};
use shared::keyring::rotation::{Done, Rotation, RotationError, Step, Versions};
use shared::source::Source;

/// The function.
pub struct RotateSigningKeys<V> {
    /// The rotation of the stack's keyset.
    pub rotation: Rotation<V>,
    /// Name or ARN of the secret that holds the keyset: the only one that may be rotated.
    pub secret: String,
}

/// What Secrets Manager sends.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Event {
    step: String,
    secret_id: String,
    client_request_token: String,
}

/// Why a step was not done.
enum Fault {
    Event(&'static str),
    Rotation(RotationError),
}

impl<V: Versions + 'static> Function for RotateSigningKeys<V> {
    type Event = Event;
    type Answer = ();

    fn name(&self) -> &'static str {
        "rotate-signing-keys"
    }

    async fn call(&self, event: Event, request_id: &str) -> Result<(), Failure> {
        let (started, nowhere) = (Instant::now(), Source::default());
        let step = audit::of(self.step(&event), |result| {
            let (outcome, reason) = match result {
                Ok(_) => (Outcome::Success, audit::DONE),
                Err(fault) => fault.verdict(),
            };
            let (act, source) = (self.name(), &nowhere);
            Ending { act, request_id, source, outcome, reason, status: None, took: started.elapsed() }
        });
        step.await.map(|_| ()).map_err(Failure::from)
    }
}

impl<V: Versions> RotateSigningKeys<V> {
    async fn step(&self, event: &Event) -> Result<Done, Fault> {
        let step = Step::parse(&event.step)
            .ok_or(Fault::Event("Step must be createSecret, setSecret, testSecret or finishSecret"))?;
        audit::detail(step.as_str());
        if event.secret_id != self.secret {
            return Err(Fault::Event("SecretId must be the secret of this stack's keyset"));
        }
        let done = self.rotation.run(step, &event.client_request_token).await.map_err(Fault::Rotation)?;
        if let Some(kid) = &done.kid {
            audit::subject(kid);
        }
        Ok(done)
    }
}

impl Fault {
    fn verdict(&self) -> (Outcome, &'static str) {
        match self {
            Self::Event(_) => (Outcome::Refused, "bad_event"),
            Self::Rotation(error) => match error {
                RotationError::NotPending => (Outcome::Refused, "not_pending"),
                RotationError::NotCreated => (Outcome::Refused, "not_created"),
                RotationError::Unreachable(_) => (Outcome::Failed, "unreachable"),
                RotationError::NoCurrent => (Outcome::Failed, "no_current_version"),
                RotationError::Current(_) => (Outcome::Failed, "bad_keyset"),
                RotationError::GivenUp(_) => (Outcome::Failed, "given_up"),
                RotationError::TooMany => (Outcome::Failed, "too_many_keys"),
                RotationError::Generation(_) => (Outcome::Failed, "no_key_made"),
            },
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let error: &dyn std::error::Error = match &fault {
            Fault::Event(rule) => return Self::new("BadEvent", *rule),
            Fault::Rotation(error) => error,
        };
        let causes = std::iter::successors(Some(error), |error| error.source());
        let text: Vec<String> = causes.map(ToString::to_string).collect();
        Self::new("RotationFailed", text.join(": "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use serde_json::{Value, json};
    use shared::invoke;
    use shared::keyring::rotation::{CURRENT, Change, PENDING, VersionsError, Windows};
    use shared::keyring::{Algorithm, KeySet};
    use shared::testing::FrozenClock;
    use zeroize::Zeroizing;

    use super::*;

    /// Two versions: `old` is current, `new` is pending.
    #[derive(Clone, Default)]
    struct Secret {
        texts: Arc<Mutex<BTreeMap<String, String>>>,
        current: Arc<Mutex<String>>,
        lost: bool,
    }

    impl Secret {
        fn of(text: &str) -> Self {
            let secret = Self::default();
            secret.texts.lock().unwrap().insert("old".to_owned(), text.to_owned());
            "old".clone_into(&mut secret.current.lock().unwrap());
            secret
        }
    }

    impl Versions for Secret {
        async fn stages(&self) -> Result<BTreeMap<String, Vec<String>>, VersionsError> {
            if self.lost {
                return Err(VersionsError { operation: "DescribeSecret", source: "no route to host".into() });
            }
            let mut stages = BTreeMap::from([("new".to_owned(), vec![PENDING.to_owned()])]);
            stages.entry(self.current.lock().unwrap().clone()).or_default().push(CURRENT.to_owned());
            Ok(stages)
        }

        async fn value(&self, id: &str) -> Result<Option<Zeroizing<String>>, VersionsError> {
            Ok(self.texts.lock().unwrap().get(id).cloned().map(Zeroizing::new))
        }

        async fn put(&self, id: &str, text: &str, _stage: &str) -> Result<Change, VersionsError> {
            self.texts.lock().unwrap().entry(id.to_owned()).or_insert_with(|| text.to_owned());
            Ok(Change::Made)
        }

        async fn move_stage(&self, stage: &str, _from: &str, to: Option<&str>) -> Result<Change, VersionsError> {
            if stage == CURRENT {
                to.unwrap().clone_into(&mut self.current.lock().unwrap());
            }
            Ok(Change::Made)
        }
    }

    fn function(secret: &Secret) -> RotateSigningKeys<Secret> {
        let second = Duration::from_secs(1);
        let rotation = Rotation {
            versions: secret.clone(),
            clock: Arc::new(FrozenClock::default()),
            windows: Windows { lead: second, slack: second, lifetime: second },
            algorithm: Algorithm::Es256,
        };
        RotateSigningKeys { rotation, secret: "arn:keyset".to_owned() }
    }

    async fn call(secret: &Secret, event: Value) -> Result<Value, Failure> {
        invoke::handle(&function(secret), event, "r-1").await
    }

    fn event(step: &str) -> Value {
        // RotationToken comes with rotations across accounts, which are none of ours.
        json!({ "Step": step, "SecretId": "arn:keyset", "ClientRequestToken": "new", "RotationToken": "x" })
    }

    #[tokio::test]
    async fn four_steps_make_the_new_version_current() {
        let secret = Secret::of("{\"keys\":[]}");
        for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
            assert_eq!(call(&secret, event(step)).await, Ok(Value::Null), "{step}");
        }
        assert_eq!(*secret.current.lock().unwrap(), "new");
        let keys = KeySet::parse(&secret.texts.lock().unwrap()["new"]).unwrap();
        assert_eq!(keys.keys()[0].algorithm(), Algorithm::Es256);
    }

    /// The sample events, on a stack that rotates nothing just now.
    #[tokio::test]
    async fn every_sample_event_is_answered_as_documented() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
        let read =
            |file: &str| serde_json::from_str::<Value>(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap();
        let secret = Secret::of("{\"keys\":[]}");
        let function = RotateSigningKeys { secret: "KeysetSecret".to_owned(), ..function(&secret) };
        let expected = read("expected.json")["invocations"].take();
        let ours = expected.as_object().unwrap().iter().filter(|(file, _)| file.starts_with("rotate-signing-keys."));
        let mut count = 0;
        for (file, expected) in ours {
            let failure = invoke::handle(&function, read(file), "r-1").await.unwrap_err();
            assert_eq!(failure.message, expected["error"], "{file}");
            count += 1;
        }
        assert!(count >= 7);
    }

    #[tokio::test]
    async fn what_is_not_ours_to_rotate_is_refused_and_nothing_is_touched() {
        let secret = Secret::of("{\"keys\":[]}");
        let with = |name: &str, value: &str| {
            let mut event = event("createSecret");
            event[name] = value.into();
            event
        };
        for (event, rule) in [
            (with("SecretId", "arn:other"), "SecretId must be"),
            (with("SecretId", ""), "SecretId must be"),
            (with("Step", "dropSecret"), "Step must be"),
            (with("Step", "CREATESECRET"), "Step must be"),
            (with("ClientRequestToken", "other"), "ClientRequestToken must be"),
            (json!({ "Step": "createSecret" }), "the event is not of the documented form"),
            (json!([]), "the event is not of the documented form"),
        ] {
            let failure = call(&secret, event).await.unwrap_err();
            assert!(failure.message.starts_with(rule), "{failure:?}");
        }
        assert_eq!(secret.texts.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_outage_is_an_error_with_its_causes_and_a_bad_keyset_one_without_its_text() {
        let lost = Secret { lost: true, ..Secret::of("{\"keys\":[]}") };
        let failure = call(&lost, event("createSecret")).await.unwrap_err();
        assert_eq!(failure.message, "Secrets Manager did not answer DescribeSecret: no route to host");
        let bad = call(&Secret::of("{\"keys\":\"hunter2\"}"), event("createSecret")).await.unwrap_err();
        assert!(bad.message.contains("can't be succeeded") && !bad.message.contains("hunter2"), "{bad:?}");
    }
}
