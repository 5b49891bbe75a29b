//! What a keyset's successor looks like: arithmetic alone, without any store.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{Algorithm, KeySet, KeySetError, RotationError, StoredKey, StoredKeySet};
use crate::clock::Timestamp;
use crate::config::Lifetimes;
use crate::keyring::STALE;

/// The most keys that a keyset may hold: 16 RSA keys fill half of what a secret can.
pub const MAX_KEYS: usize = 16;

/// How far the clocks of two environments may differ, in seconds.
const SKEW: i64 = 60;

/// How long keys wait and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// From the publication of a key to its first signature, at least.
    pub lead: Duration,
    /// How long making a version current may take.
    pub slack: Duration,
    /// The longest life of a token.
    pub lifetime: Duration,
}

// Five minutes of `api::CACHEABLE`, two hours of API Gateway's.
const _: () = assert!(Windows::LEAD.as_secs() >= STALE.as_secs() + 300 + 7200, "a cache would outlive the lead");

impl Windows {
    /// Four hours: more than our own caches outlive an outage (one hour), JWKS are cached by our header (five minutes)
    /// and API Gateway's own JWT authorizer caches keys (two hours), together.
    pub const LEAD: Duration = Duration::from_secs(14_400);

    /// The windows of a stack whose tokens live so long.
    #[must_use]
    pub fn of(lifetimes: &Lifetimes) -> Self {
        Self { lead: Self::LEAD, slack: Duration::from_secs(900), lifetime: super::longest(lifetimes) }
    }

    fn end_of_predecessor(&self, sign_after: i64) -> i64 {
        sign_after.saturating_add(seconds(self.lifetime)).saturating_add(SKEW)
    }
}

/// Why a pending version can't become current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The version that it was made from is no longer the current one.
    #[error("it was made from a version that is no longer current")]
    Overtaken,
    /// Its new key would sign before every cache knows it.
    #[error("its new key was made too long ago")]
    Late,
    /// It is no keyset.
    #[error("it holds no usable keyset")]
    Malformed,
    /// It lacks a key that is still needed, or ends one too early.
    #[error("it lacks a key that live tokens need, or ends one too early")]
    Incomplete,
    /// Nothing could be signed with it.
    #[error("no key of it signs now, or its new key does not verify what it signs")]
    Dumb,
}

/// The keyset that comes after `current`: its keys, each with an end after its last token's, and a fresh one.
pub(super) fn successor(
    current: &StoredKeySet,
    id: &str,
    algorithm: Algorithm,
    windows: Windows,
    now: i64,
) -> Result<StoredKeySet, RotationError> {
    let signs = signs(current, now);
    // Where nothing signs there is nothing to wait for; keys that wait have signed nothing yet.
    let needed = |key: &&StoredKey| key.is_live(now - SKEW) && (signs || key.sign_after <= now);
    let mut keys: Vec<StoredKey> = current.keys.iter().filter(needed).cloned().collect();
    if keys.len() >= MAX_KEYS {
        return Err(RotationError::TooMany);
    }
    let last = keys.iter().map(|key| key.sign_after).max().unwrap_or(i64::MIN);
    let turn = if signs { now.saturating_add(seconds(windows.lead + windows.slack)) } else { now };
    let new = StoredKey::generate(algorithm, turn.max(last.saturating_add(1))).map_err(RotationError::Generation)?;
    keys.push(new);
    plan_ends(&mut keys, windows, now);
    Ok(StoredKeySet { keys, based_on: Some(id.to_owned()) })
}

/// Says which key the pending version `text` adds, if it may become current in place of `current`.
pub(super) fn judge(text: &str, current: &StoredKeySet, id: &str, windows: Windows, now: i64) -> Result<String, Unfit> {
    let stored = StoredKeySet::parse(text).map_err(|_| Unfit::Malformed)?;
    if stored.based_on.as_deref() != Some(id) {
        return Err(Unfit::Overtaken);
    }
    let keys = KeySet::of(&stored).map_err(|_| Unfit::Malformed)?;
    let signs = signs(current, now);
    let needed = |key: &&StoredKey| key.is_live(now) && (signs || key.sign_after <= now);
    if !current.keys.iter().filter(needed).all(|key| is_kept(key, &stored)) || ends_early(&stored, windows, now) {
        return Err(Unfit::Incomplete);
    }
    let is_known = |kid: &str| current.keys.iter().any(|key| key.kid == kid);
    let mut added = keys.keys().iter().filter(|key| !is_known(key.kid()));
    let (Some(new), None) = (added.next(), added.next()) else { return Err(Unfit::Incomplete) };
    if signs && new.sign_after.as_seconds() < now.saturating_add(seconds(windows.lead)) {
        return Err(Unfit::Late);
    }
    let probe = b"a probe of the new key";
    let works = new.sign(probe).is_some_and(|signature| new.verifies(probe, &signature));
    if !works || keys.signing_key(Timestamp::from_seconds(now)).is_none() {
        return Err(Unfit::Dumb);
    }
    Ok(new.kid().to_owned())
}

fn is_kept(key: &StoredKey, pending: &StoredKeySet) -> bool {
    let ends_later = |kept: &StoredKey| kept.verify_until.is_none_or(|end| key.verify_until.is_none_or(|e| end >= e));
    pending.keys.iter().any(|kept| kept.is_same_key(key) && ends_later(kept))
}

fn ends_early(pending: &StoredKeySet, windows: Windows, now: i64) -> bool {
    let mut planned = pending.keys.clone();
    plan_ends(&mut planned, windows, now);
    planned.iter().any(|key| !pending.keys.contains(key))
}

/// Gives each key that still has to sign an end after its last token's: a lifetime after its successor's turn. It only
/// ever puts an end off. The last key has none: nobody knows yet when it will be succeeded.
fn plan_ends(keys: &mut [StoredKey], windows: Windows, now: i64) {
    keys.sort_by_key(|key| key.sign_after);
    let turns: Vec<Option<i64>> = keys.iter().skip(1).map(|key| Some(key.sign_after)).chain([None]).collect();
    for (key, next) in keys.iter_mut().zip(turns) {
        let planned = next.map(|next| windows.end_of_predecessor(next.max(now)));
        key.verify_until = match (key.verify_until, planned, next) {
            (_, None, _) => None,
            (Some(end), Some(_), Some(next)) if next <= now => Some(end),
            (Some(end), Some(planned), _) => Some(end.max(planned)),
            (None, planned, _) => planned,
        };
    }
}

fn signs(keys: &StoredKeySet, now: i64) -> bool {
    keys.keys.iter().any(|key| key.sign_after <= now && key.is_live(now))
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// A keyset without a key that was taken out.
pub struct Retired {
    /// The secret's new text.
    pub text: Zeroizing<String>,
    /// The key that signs from now on.
    pub signs: String,
    /// Whether that key was made just now, and is known to nobody yet.
    pub fresh: bool,
}

/// Why a key was not taken out.
#[derive(Debug, thiserror::Error)]
pub enum RetireError {
    /// The keyset has no such key.
    #[error("the keyset has no key {0}")]
    Unknown(String),
    /// The secret holds no keyset, or no new key was made.
    #[error(transparent)]
    KeySet(#[from] KeySetError),
}

/// Takes keys out of a keyset, as when somebody else has them: nothing verifies with them any more. If one of them was
/// signing, the next key that waits takes over at once; if none waits, a fresh one. An older key never signs again: its
/// end was planned for the tokens that it had signed until then.
pub fn retire(text: &str, kids: &[String], algorithm: Algorithm, now: Timestamp) -> Result<Retired, RetireError> {
    let (before, seconds) = (StoredKeySet::parse(text)?, now.as_seconds());
    let signing = KeySet::of(&before)?.signing_key(now).map(|key| key.kid().to_owned());
    if let Some(unknown) = kids.iter().find(|kid| before.keys.iter().all(|key| key.kid != **kid)) {
        return Err(RetireError::Unknown(unknown.clone()));
    }
    let is_left = |key: &&StoredKey| key.is_live(seconds) && !kids.contains(&key.kid);
    let mut keys: Vec<StoredKey> = before.keys.iter().filter(is_left).cloned().collect();
    let (signs, fresh) = match signing.filter(|kid| !kids.contains(kid)) {
        Some(kid) => (kid, false),
        None => take_over(&mut keys, algorithm, seconds)?,
    };
    put_off_ends(&before.keys, &mut keys, seconds);
    let text = StoredKeySet { keys, based_on: None }.to_text()?;
    KeySet::parse(&text)?;
    Ok(Retired { text, signs, fresh })
}

/// How far the clock of an operator's machine may run ahead: AWS refuses requests of one that differs by more.
const CLOCKS_APART: i64 = 300;

/// Lets a key sign from now on, by every clock. Says which, and whether it was made for that.
fn take_over(keys: &mut Vec<StoredKey>, algorithm: Algorithm, now: i64) -> Result<(String, bool), KeySetError> {
    let last_turn = keys.iter().map(|key| key.sign_after).filter(|turn| *turn <= now).max();
    let turn = last_turn.map_or(now - CLOCKS_APART, |last| (now - CLOCKS_APART).max(last + 1));
    let waiting = keys.iter_mut().filter(|key| key.sign_after > now).min_by_key(|key| key.sign_after);
    if let Some(key) = waiting {
        key.sign_after = turn;
        return Ok((key.kid.clone(), false));
    }
    let key = StoredKey::generate(algorithm, turn)?;
    let kid = key.kid.clone();
    keys.push(key);
    Ok((kid, true))
}

/// A key whose successor's turn comes later than was planned signs longer, and has to verify longer by as much.
fn put_off_ends(before: &[StoredKey], keys: &mut [StoredKey], now: i64) {
    keys.sort_by_key(|key| key.sign_after);
    let turns: Vec<i64> = keys.iter().map(|key| key.sign_after).collect();
    for (place, key) in keys.iter_mut().enumerate() {
        let Some(next) = turns.get(place + 1) else {
            key.verify_until = None;
            continue;
        };
        let planned = before.iter().map(|other| other.sign_after).filter(|turn| *turn > key.sign_after).min();
        let delay = planned.filter(|planned| *planned > now).map_or(0, |planned| next.saturating_sub(planned).max(0));
        key.verify_until = key.verify_until.map(|end| end.saturating_add(delay));
    }
}
