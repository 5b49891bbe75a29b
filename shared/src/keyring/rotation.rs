//! Rotation of the signing keys: the four steps of a Secrets Manager rotation, and the taking out of a single key.
//!
//! Invariant: the current version always holds a keyset with a key that signs, and every key stays in it until its last
//! token is dead. A version becomes current only in place of the very version that it was made from, which Secrets
//! Manager itself enforces; so each step may be repeated, run beside another rotation or stop anywhere.

mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

pub use self::plan::{MAX_KEYS, RetireError, Retired, Unfit, Windows, retire};
use super::keyset::{StoredKey, StoredKeySet};
use super::{Algorithm, KeySet, KeySetError};
use crate::clock::Clock;

/// The label of the version that is in use.
pub const CURRENT: &str = "AWSCURRENT";
/// The label of the version that a rotation is making.
pub const PENDING: &str = "AWSPENDING";

/// Secrets Manager could not be asked, or gave no answer: whether a change was made is not known.
#[derive(Debug, thiserror::Error)]
#[error("Secrets Manager did not answer {operation}")]
pub struct VersionsError {
    /// What it was asked for.
    pub operation: &'static str,
    /// Why it did not.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// What became of a conditional change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is made.
    Made,
    /// What it depended on is otherwise; nothing was changed.
    Refused,
}

/// The versions of one secret.
pub trait Versions: Send + Sync {
    /// Every version that has labels, and its labels.
    fn stages(&self) -> impl Future<Output = Result<BTreeMap<String, Vec<String>>, VersionsError>> + Send;

    /// The text of a version; `None` when there is no such version, or nothing in it yet.
    fn value(&self, id: &str) -> impl Future<Output = Result<Option<Zeroizing<String>>, VersionsError>> + Send;

    /// Gives the version `id` a text and the label `stage`. Refused if it has another text.
    fn put(&self, id: &str, text: &str, stage: &str) -> impl Future<Output = Result<Change, VersionsError>> + Send;

    /// Takes a label from one version and gives it to another, or to none. Refused unless it is on `from`.
    fn move_stage(
        &self,
        stage: &str,
        from: &str,
        to: Option<&str>,
    ) -> impl Future<Output = Result<Change, VersionsError>> + Send;
}

/// A step of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Makes the new version.
    Create,
    /// Nothing: the keys are used by nobody but the functions, which read the secret.
    Set,
    /// Looks whether the new version can be used.
    Test,
    /// Makes it current.
    Finish,
}

impl Step {
    /// Reads Secrets Manager's name of a step.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Create, Self::Set, Self::Test, Self::Finish].into_iter().find(|step| step.as_str() == text)
    }

    /// Secrets Manager's name of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "createSecret",
            Self::Set => "setSecret",
            Self::Test => "testSecret",
            Self::Finish => "finishSecret",
        }
    }
}

/// Why a step was not done. Holds nothing of the keys.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Nobody knows: to be tried again.
    #[error(transparent)]
    Unreachable(#[from] VersionsError),
    /// The token names no version that a rotation is making.
    #[error("ClientRequestToken must be a version that is labelled AWSPENDING or AWSCURRENT")]
    NotPending,
    /// The secret has no current version.
    #[error("the secret has no version labelled AWSCURRENT")]
    NoCurrent,
    /// What is in use is no keyset, and nothing can be made from it.
    #[error("the current version can't be succeeded, and nothing was changed")]
    Current(#[source] KeySetError),
    /// There is nothing in the version yet.
    #[error("the pending version is empty: createSecret comes first")]
    NotCreated,
    /// The version can't become current any more.
    #[error("the pending version was given up, and the next rotation begins anew: {0}")]
    GivenUp(#[source] Unfit),
    /// So many keys are still needed that the secret would outgrow its limit.
    #[error("{MAX_KEYS} keys still verify: rotate less often, or shorten LoginMaxSeconds")]
    TooMany,
    /// No key was made.
    #[error("no new key could be made")]
    Generation(#[source] KeySetError),
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// In a few words, for the log.
    pub what: &'static str,
    /// The new key, where the step was about it.
    pub kid: Option<String>,
}

/// The rotation of one secret.
pub struct Rotation<V> {
    /// The secret's versions.
    pub versions: V,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// How long keys wait and last.
    pub windows: Windows,
    /// Of the new keys.
    pub algorithm: Algorithm,
}

/// Where the version that a token names stands.
enum Standing {
    Current,
    Pending { current: String },
}

impl<V: Versions> Rotation<V> {
    /// Does one step for the version `token`.
    pub async fn run(&self, step: Step, token: &str) -> Result<Done, RotationError> {
        let Standing::Pending { current } = self.standing(token).await? else {
            return Ok(Done { what: "current already", kid: None });
        };
        match step {
            Step::Create => self.create(token, &current).await,
            Step::Set => Ok(Done { what: "nothing to set", kid: None }),
            Step::Test => self.examine(token, &current).await.map(|kid| Done { what: "tested", kid: Some(kid) }),
            Step::Finish => self.finish(token, &current).await,
        }
    }

    async fn standing(&self, token: &str) -> Result<Standing, RotationError> {
        let stages = self.versions.stages().await?;
        let has = |labels: &Vec<String>, stage: &str| labels.iter().any(|label| label == stage);
        let labels = stages.get(token).ok_or(RotationError::NotPending)?;
        if has(labels, CURRENT) {
            return Ok(Standing::Current);
        }
        if !has(labels, PENDING) {
            return Err(RotationError::NotPending);
        }
        let current = stages.iter().find(|(_, labels)| has(labels, CURRENT)).ok_or(RotationError::NoCurrent)?;
        Ok(Standing::Pending { current: current.0.clone() })
    }

    async fn create(&self, token: &str, current: &str) -> Result<Done, RotationError> {
        if self.versions.value(token).await?.is_some() {
            let kid = self.examine(token, current).await?;
            return Ok(Done { what: "created already", kid: Some(kid) });
        }
        let before = self.current(current).await?;
        let now = self.clock.now().as_seconds();
        let new = plan::successor(&before, current, self.algorithm, self.windows, now)?;
        let text = new.to_text().map_err(RotationError::Generation)?;
        // A refusal means that the same step ran beside this one, or its answer was lost: what is stored is what counts.
        self.versions.put(token, &text, PENDING).await?;
        let kid = self.examine(token, current).await?;
        Ok(Done { what: "created", kid: Some(kid) })
    }

    async fn finish(&self, token: &str, current: &str) -> Result<Done, RotationError> {
        let kid = self.examine(token, current).await?;
        if self.versions.move_stage(CURRENT, current, Some(token)).await? == Change::Refused {
            // Either something else became current meanwhile, or it was this, and the answer was lost.
            match self.standing(token).await? {
                Standing::Current => {}
                Standing::Pending { .. } => return Err(self.give_up(token, Unfit::Overtaken).await?),
            }
        }
        Ok(Done { what: "current now", kid: Some(kid) })
    }

    async fn current(&self, id: &str) -> Result<StoredKeySet, RotationError> {
        let text = self.versions.value(id).await?.ok_or(RotationError::Current(KeySetError::Malformed))?;
        let stored = StoredKeySet::parse(&text).map_err(RotationError::Current)?;
        match KeySet::of(&stored) {
            Ok(_) | Err(KeySetError::Empty) => Ok(stored),
            Err(error) => Err(RotationError::Current(error)),
        }
    }

    /// Looks whether the pending version may become current in place of `current`. One that may not is given up: what a
    /// version holds can't be changed, so it would stand in the way of every later rotation.
    async fn examine(&self, token: &str, current: &str) -> Result<String, RotationError> {
        let text = self.versions.value(token).await?.ok_or(RotationError::NotCreated)?;
        let before = self.current(current).await?;
        let now = self.clock.now().as_seconds();
        match plan::judge(&text, &before, current, self.windows, now) {
            Ok(kid) => Ok(kid),
            Err(unfit) => Err(self.give_up(token, unfit).await?),
        }
    }

    async fn give_up(&self, token: &str, unfit: Unfit) -> Result<RotationError, RotationError> {
        self.versions.move_stage(PENDING, token, None).await?;
        Ok(RotationError::GivenUp(unfit))
    }
}

/// The longest that anything signed now may live, as the settings stand.
pub(super) fn longest(lifetimes: &crate::config::Lifetimes) -> Duration {
    let all = [lifetimes.login_max, lifetimes.login_jwt, lifetimes.profile_jwt, lifetimes.profile_jwt_max];
    all.into_iter().max().unwrap_or_default()
}

#[cfg(test)]
mod tests;
