//! The secret of the signing keys, as one environment sees it, and the clock of that environment.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use shared::clock::{Clock, Timestamp};
use shared::keyring::rotation::{CURRENT, Change, PENDING, Versions, VersionsError};
use shared::keyring::{KeySource, KeyringError};
use zeroize::Zeroizing;

use crate::hub::{Hub, Verdict};

/// What time it is, for everybody; in milliseconds.
#[derive(Clone)]
pub struct Time(Arc<AtomicI64>);

impl Time {
    /// Begins at `millis`.
    #[must_use]
    pub fn new(millis: i64) -> Self {
        Self(Arc::new(AtomicI64::new(millis)))
    }

    /// What time it is.
    #[must_use]
    pub fn millis(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Goes on.
    pub fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

/// A clock that is wrong by a few seconds.
#[derive(Clone)]
pub struct SkewedClock {
    /// What time it is.
    pub time: Time,
    /// By how much it is ahead, in milliseconds.
    pub skew: i64,
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.time.millis() + self.skew)
    }
}

#[derive(Default)]
struct Stored {
    texts: BTreeMap<String, String>,
    stages: BTreeMap<String, String>,
}

/// The versions of the secret; clones share them.
#[derive(Clone, Default)]
pub struct Secret(Arc<Mutex<Stored>>);

impl Secret {
    /// A secret whose first version holds `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let secret = Self::default();
        let mut stored = secret.lock();
        stored.texts.insert("first".to_owned(), text.to_owned());
        stored.stages.insert(CURRENT.to_owned(), "first".to_owned());
        drop(stored);
        secret
    }

    fn lock(&self) -> MutexGuard<'_, Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a rotation, or names the one that is under way.
    pub fn rotate(&self, token: &str) -> String {
        let mut stored = self.lock();
        let current = stored.stages.get(CURRENT).cloned();
        match stored.stages.get(PENDING).cloned() {
            Some(pending) if Some(&pending) != current.as_ref() => pending,
            _ => {
                stored.stages.insert(PENDING.to_owned(), token.to_owned());
                token.to_owned()
            }
        }
    }
}

/// One environment's way to the secret.
#[derive(Clone)]
pub struct SimulatedSecret {
    /// The secret.
    pub secret: Secret,
    /// Where calls wait.
    pub hub: Hub,
    /// Whose way it is.
    pub environment: usize,
}

impl SimulatedSecret {
    async fn call<T>(&self, operation: &'static str, work: impl FnOnce(&mut Stored) -> T + Send) -> Option<T> {
        match self.hub.pass(self.environment, operation).await {
            Verdict::LostBefore => None,
            Verdict::LostAfter => {
                work(&mut self.secret.lock());
                None
            }
            Verdict::Go | Verdict::Torn { .. } => Some(work(&mut self.secret.lock())),
        }
    }
}

impl KeySource for SimulatedSecret {
    fn fetch(&self) -> BoxFuture<'_, Result<Zeroizing<String>, KeyringError>> {
        Box::pin(async {
            let read = self.call("get_secret_value", |stored| {
                stored.stages.get(CURRENT).and_then(|id| stored.texts.get(id)).cloned()
            });
            let text = read.await.flatten().ok_or_else(|| KeyringError::Unreachable("no answer".into()))?;
            Ok(Zeroizing::new(text))
        })
    }
}

fn lost(operation: &'static str) -> VersionsError {
    VersionsError { operation, source: "no answer".into() }
}

impl Versions for SimulatedSecret {
    async fn stages(&self) -> Result<BTreeMap<String, Vec<String>>, VersionsError> {
        let read = self.call("describe_secret", |stored| {
            let mut labels: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (stage, id) in &stored.stages {
                labels.entry(id.clone()).or_default().push(stage.clone());
            }
            labels
        });
        read.await.ok_or_else(|| lost("describe_secret"))
    }

    async fn value(&self, id: &str) -> Result<Option<Zeroizing<String>>, VersionsError> {
        let read = self.call("get_version", |stored| stored.texts.get(id).cloned().map(Zeroizing::new));
        read.await.ok_or_else(|| lost("get_version"))
    }

    async fn put(&self, id: &str, text: &str, stage: &str) -> Result<Change, VersionsError> {
        let put = self.call("put_secret_value", |stored| {
            let kept = stored.texts.entry(id.to_owned()).or_insert_with(|| text.to_owned());
            if kept != text {
                return Change::Refused;
            }
            stored.stages.insert(stage.to_owned(), id.to_owned());
            Change::Made
        });
        put.await.ok_or_else(|| lost("put_secret_value"))
    }

    async fn move_stage(&self, stage: &str, from: &str, to: Option<&str>) -> Result<Change, VersionsError> {
        let moved = self.call("update_secret_version_stage", |stored| {
            if stored.stages.get(stage).map(String::as_str) != Some(from) {
                return Change::Refused;
            }
            match to {
                Some(to) => stored.stages.insert(stage.to_owned(), to.to_owned()),
                None => stored.stages.remove(stage),
            };
            Change::Made
        });
        moved.await.ok_or_else(|| lost("update_secret_version_stage"))
    }
}
