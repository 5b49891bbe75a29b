//! Rotations of the signing keys for the trail: each step, and each cause for which one is not done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rotate_signing_keys::RotateSigningKeys;
use serde_json::{Value, json};
use shared::config::ConfigError;
use shared::invoke;
use shared::keyring::Algorithm;
use shared::keyring::rotation::{CURRENT, Change, MAX_KEYS, PENDING, Rotation, Versions, VersionsError, Windows};
use shared::testing::FrozenClock;
use tests::world::keyset;
use zeroize::Zeroizing;

use crate::drive::{invocation, next_id, tell};

/// What is wrong with the secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Lost,
    Headless,
    Broken,
}

/// A secret of two versions: `old` is current, `new` is to follow.
#[derive(Clone)]
struct Secret {
    texts: Arc<Mutex<BTreeMap<String, String>>>,
    fault: Fault,
}

impl Secret {
    fn of(old: &str, fault: Fault) -> Self {
        let texts = BTreeMap::from([("old".to_owned(), old.to_owned())]);
        Self { texts: Arc::new(Mutex::new(texts)), fault }
    }

    fn pending(self, text: &str) -> Self {
        self.texts.lock().unwrap().insert("new".to_owned(), text.to_owned());
        self
    }
}

impl Versions for Secret {
    async fn stages(&self) -> Result<BTreeMap<String, Vec<String>>, VersionsError> {
        let pending = ("new".to_owned(), vec![PENDING.to_owned()]);
        let current = ("old".to_owned(), vec![CURRENT.to_owned()]);
        match self.fault {
            Fault::None => Ok(BTreeMap::from([pending, current])),
            Fault::Lost => Err(VersionsError { operation: "DescribeSecret", source: "told to fail".into() }),
            Fault::Headless => Ok(BTreeMap::from([pending])),
            Fault::Broken => panic!("as it shall"),
        }
    }

    async fn value(&self, id: &str) -> Result<Option<Zeroizing<String>>, VersionsError> {
        Ok(self.texts.lock().unwrap().get(id).cloned().map(Zeroizing::new))
    }

    async fn put(&self, id: &str, text: &str, _: &str) -> Result<Change, VersionsError> {
        self.texts.lock().unwrap().entry(id.to_owned()).or_insert_with(|| text.to_owned());
        Ok(Change::Made)
    }

    async fn move_stage(&self, _: &str, _: &str, _: Option<&str>) -> Result<Change, VersionsError> {
        Ok(Change::Made)
    }
}

/// As many keys as there may be, all of which still verify.
fn full() -> String {
    let key = |number: usize| {
        let set: Value = serde_json::from_str(&keyset(u8::try_from(number).unwrap() + 1)).unwrap();
        let mut key = set["keys"][0].clone();
        key["sign_after"] = json!(1_700_000_000 + number);
        key["verify_until"] = json!(4_000_000_000_u64);
        key
    };
    json!({ "keys": (0..MAX_KEYS).map(key).collect::<Vec<_>>() }).to_string()
}

async fn step(secret: &Secret, event: Value) {
    let rotation = Rotation {
        versions: secret.clone(),
        clock: Arc::new(FrozenClock::default()),
        windows: Windows {
            lead: Duration::from_secs(14_400),
            slack: Duration::from_secs(60),
            lifetime: Duration::from_secs(2_592_000),
        },
        algorithm: Algorithm::EdDsa,
    };
    let (function, id) = (RotateSigningKeys { rotation, secret: "arn:keyset".to_owned() }, next_id());
    let class = match invocation().run(invoke::handle(&function, event, &id)).await {
        Ok(_) => json!("success"),
        // Whether it was refused or failed is for the reason to say.
        Err(_) => json!(null),
    };
    tell("case", &json!({ "id": id, "act": "rotate-signing-keys", "class": class }));
}

/// An environment that lacks a setting.
async fn unset() {
    let (act, id) = ("rotate-signing-keys", next_id());
    invoke::handle_without(act, ConfigError::Missing("OSTIARY_ISSUER"), &id).await;
    tell("case", &json!({ "id": id, "act": act, "class": "failed" }));
}

/// One step after the other, well and badly.
pub async fn all() {
    let event = |step: &str| json!({ "Step": step, "SecretId": "arn:keyset", "ClientRequestToken": "new" });
    let with = |name: &str, value: &str| {
        let mut event = event("createSecret");
        event[name] = json!(value);
        event
    };
    let secret = Secret::of(&keyset(1), Fault::None);
    for name in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        step(&secret, event(name)).await;
    }
    let fresh = |fault| Secret::of(&keyset(1), fault);
    for (secret, event) in [
        (fresh(Fault::None), with("SecretId", "arn:other")),
        (fresh(Fault::None), with("Step", "dropSecret")),
        (fresh(Fault::None), with("ClientRequestToken", "other")),
        (fresh(Fault::None), event("testSecret")),
        (fresh(Fault::None).pending("{}"), event("finishSecret")),
        (fresh(Fault::Lost), event("createSecret")),
        (fresh(Fault::Headless), event("createSecret")),
        (fresh(Fault::Broken), event("createSecret")),
        (Secret::of("{}", Fault::None), event("createSecret")),
        (Secret::of(&full(), Fault::None), event("createSecret")),
        (fresh(Fault::None), json!([])),
    ] {
        step(&secret, event).await;
    }
    unset().await;
}
