//! Lockout: how many wrong passwords an account takes, from where, and how long the next try has to wait.
//!
//! Invariant: a guess tells its maker something only after a write that the counters admitted. Hashes may run in
//! parallel; the answer to a wrong password is the same as to a right one that was not admitted, so whatever is sent at
//! the same time, no more guesses count than the limits allow, and any number of right passwords do.
//!
//! Each network counts for itself. Networks that nobody has logged in from lately, the strangers, also count together, so
//! that many of them don't make many times the limit; and since a known network isn't bound by what strangers do, they
//! can't lock anybody out at home. Counters belong to a day (UTC) and are gone after it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::secret::Digest;

/// How many networks an account remembers that its owner logged in from.
pub const REMEMBERED: usize = 8;

const DAY_SECONDS: i64 = 86_400;

/// How many counters of the past one write sweeps. The day after a storm there are a hundred, each of three attributes,
/// and DynamoDB bounds what one expression may hold; the next writes sweep the rest.
pub const SWEPT: usize = 20;

/// How much an account takes. All of it counts for one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Wrong passwords from one network before the next has to wait.
    pub per_network: u32,
    /// Wrong passwords from all strange networks together before the next has to wait.
    pub from_strangers: u32,
    /// The first wait; each further wrong password doubles it.
    pub pause: Duration,
    /// The longest wait.
    pub longest: Duration,
}

/// A setting that is out of its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {rule}")]
pub struct OutOfBounds {
    /// The name of the setting: that of the field of [`Rules`].
    pub field: &'static str,
    /// Its bounds, as a predicate.
    pub rule: &'static str,
}

impl Rules {
    /// Five, and fifty in all; a minute, and at most half an hour: with the guesses that waiting frees about a hundred a
    /// day, which NIST SP 800-63B-4 (3.2.2) allows in a row.
    pub const DEFAULT: Self =
        Self { per_network: 5, from_strangers: 50, pause: Duration::from_secs(60), longest: Duration::from_secs(1800) };

    /// These rules, if each lies in its bounds. Durations are stored as whole seconds.
    pub fn in_bounds(self) -> Result<Self, OutOfBounds> {
        let within = |duration: Duration, least: Duration, most: u64| {
            duration.subsec_nanos() == 0 && (least..=Duration::from_secs(most)).contains(&duration)
        };
        let refused = |field, rule| Err(OutOfBounds { field, rule });
        if !(1..=100).contains(&self.per_network) {
            return refused("per_network", "must be 1 to 100");
        }
        if !(self.per_network..=1000).contains(&self.from_strangers) {
            return refused("from_strangers", "must be 1000 at most, and not less than one network has");
        }
        if !within(self.pause, Duration::from_secs(1), 3_600) {
            return refused("pause", "must be 1 second to 1 hour");
        }
        if !within(self.longest, self.pause, 86_400) {
            return refused("longest", "must be 24 hours at most, and not shorter than the first wait");
        }
        Ok(self)
    }

    /// The most wrong passwords that can be tried in a day (UTC) where `limit` are free: those, and one after each wait.
    #[must_use]
    pub fn most_in_a_day(&self, limit: u32) -> u32 {
        let mut left = Duration::from_secs(DAY_SECONDS.unsigned_abs());
        let mut guesses = limit;
        // Rules that wait for nothing would wait for ever here.
        while let Some(rest) = left.checked_sub(self.wait(guesses, limit).max(Duration::from_secs(1)))
            && !rest.is_zero()
        {
            left = rest;
            guesses = guesses.saturating_add(1);
        }
        guesses
    }

    /// The wait after `failures` wrong passwords where `limit` are free.
    fn wait(&self, failures: u32, limit: u32) -> Duration {
        let doublings = failures.saturating_sub(limit).min(31);
        self.pause.saturating_mul(1 << doublings).min(self.longest)
    }
}

/// Whose guesses a counter counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// One network, by a short digest of it.
    Network(String),
    /// All networks that nobody has logged in from lately.
    Strangers,
}

impl Place {
    /// The place of a request from `network`; requests that come from nowhere in particular share one.
    #[must_use]
    pub fn of(network: Option<&str>) -> Self {
        let digest = Digest::of(network.unwrap_or("nowhere").as_bytes()).to_base64url();
        Self::Network(digest.chars().take(11).collect())
    }

    /// Its name in the store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Network(digest) => digest,
            Self::Strangers => "*",
        }
    }

    /// Reads [`Self::as_str`]'s form.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "*" { Self::Strangers } else { Self::Network(text.to_owned()) }
    }
}

/// Which counter: those of one day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey {
    /// Days since the epoch, UTC.
    pub day: i64,
    /// Whose guesses.
    pub place: Place,
}

/// The wrong passwords of one day from one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// How many different ones.
    pub failures: u32,
    /// When the last one came.
    pub last: Option<Timestamp>,
    /// A few bits of each one's slow hash, so that the same password again is no further guess: a forgotten device is
    /// no attack. Who reads the table can hold a list of passwords against them, at the price of a slow hash for each.
    pub marks: BTreeSet<u32>,
}

/// What an account remembers of the guesses at its password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guesses {
    /// Wrong ones.
    pub counters: BTreeMap<CounterKey, Counter>,
    /// Networks that a login came from, with the last one.
    pub known: BTreeMap<Place, Timestamp>,
}

impl Guesses {
    /// Different wrong passwords that are remembered, from wherever they came.
    #[must_use]
    pub fn failures(&self) -> u32 {
        let own = self.counters.iter().filter(|(key, _)| key.place != Place::Strangers);
        own.map(|(_, counter)| counter.failures).fold(0, u32::saturating_add)
    }

    /// Whether `locks` let a guess pass.
    #[must_use]
    pub fn admit(&self, locks: &[Lock]) -> bool {
        locks.iter().all(|lock| lock.admits.admits(self.failures_of(&lock.key)))
    }

    /// Whether one more wrong password closes this lock.
    #[must_use]
    pub fn close(&self, lock: &Lock) -> bool {
        match lock.admits {
            Admits::Below(limit) => self.failures_of(&lock.key).saturating_add(1) >= limit,
            Admits::Exactly(_) => true,
            // It is closed already.
            Admits::Nobody => false,
        }
    }

    fn failures_of(&self, key: &CounterKey) -> u32 {
        self.counters.get(key).map_or(0, |counter| counter.failures)
    }

    /// Whether a wrong password of this mark was counted before.
    #[must_use]
    pub fn holds(&self, key: &CounterKey, mark: u32) -> bool {
        self.counters.get(key).is_some_and(|counter| counter.marks.contains(&mark))
    }
}

/// What a counter must be at the moment of a write, for the write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admits {
    /// Below this many: any number of guesses may be on their way.
    Below(u32),
    /// Exactly this many: a wait is over, and one guess is free.
    Exactly(u32),
    /// A wait is not over.
    Nobody,
}

impl Admits {
    /// Whether a counter that stands at `failures` lets a guess pass.
    #[must_use]
    pub fn admits(self, failures: u32) -> bool {
        match self {
            Self::Below(limit) => failures < limit,
            // Nothing at all is what a login leaves behind, and no reason to refuse.
            Self::Exactly(read) => failures == read || failures == 0,
            Self::Nobody => false,
        }
    }
}

/// One counter that a guess has to pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Which.
    pub key: CounterKey,
    /// What it must be.
    pub admits: Admits,
}

/// What a guess has to pass: the counters of its network and, for a stranger, of all strangers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The counters; the network's own comes first.
    pub locks: Vec<Lock>,
    /// The network.
    pub place: Place,
    /// Counters of other days, and of networks that were forgotten: swept by the next write.
    pub stale: Vec<CounterKey>,
    /// Known networks to forget when this one becomes known.
    pub forgotten: Vec<Place>,
}

impl Gate {
    /// The gate for a guess from `network` at `now`.
    #[must_use]
    pub fn of(guesses: &Guesses, network: Option<&str>, rules: &Rules, now: Timestamp) -> Self {
        let (place, day) = (Place::of(network), now.as_seconds().div_euclid(DAY_SECONDS));
        let lock = |place: Place, limit: u32| {
            let key = CounterKey { day, place };
            let admits = guesses.counters.get(&key).map_or(Admits::Below(limit), |counter| {
                let free = counter.last.is_none_or(|last| now >= last.plus(rules.wait(counter.failures, limit)));
                match (counter.failures < limit, free) {
                    (true, _) => Admits::Below(limit),
                    (false, true) => Admits::Exactly(counter.failures),
                    (false, false) => Admits::Nobody,
                }
            });
            Lock { key, admits }
        };
        let mut locks = vec![lock(place.clone(), rules.per_network)];
        if !guesses.known.contains_key(&place) {
            locks.push(lock(Place::Strangers, rules.from_strangers));
        }
        let stale = guesses.counters.keys().filter(|key| key.day < day).take(SWEPT).cloned().collect();
        Self { locks, stale, forgotten: forgotten(guesses, &place), place }
    }

    /// Whether a guess may be judged, as far as is known before its write.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.locks.iter().all(|lock| lock.admits != Admits::Nobody)
    }
}

/// The known networks that were not used for longest, beyond those that are remembered besides `place`.
fn forgotten(guesses: &Guesses, place: &Place) -> Vec<Place> {
    let mut others: Vec<_> = guesses.known.iter().filter(|(known, _)| *known != place).collect();
    others.sort_by_key(|(_, last)| std::cmp::Reverse(**last));
    others.into_iter().skip(REMEMBERED - 1).map(|(known, _)| known.clone()).collect()
}

/// A few bits of a wrong password's slow hash: see [`Counter::marks`].
#[must_use]
pub fn mark(slow_hash: &[u8]) -> u32 {
    let digest = Digest::of(&[b"lockout/", slow_hash].concat()).to_base64url();
    digest.bytes().take(4).fold(0, |mark, byte| (mark << 6) | u32::from(byte & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const HOME: Option<&str> = Some("203.0.113.0/24");
    const RULES: Rules = Rules::DEFAULT;

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn with(failures: &[(Place, u32)], known: &[Option<&str>]) -> Guesses {
        let day = NOW.as_seconds() / DAY_SECONDS;
        let counters = failures.iter().map(|(place, failures)| {
            let counter = Counter { failures: *failures, last: Some(NOW), marks: BTreeSet::new() };
            (CounterKey { day, place: place.clone() }, counter)
        });
        Guesses { counters: counters.collect(), known: known.iter().map(|it| (Place::of(*it), NOW)).collect() }
    }

    fn gate(guesses: &Guesses, seconds: u64) -> Gate {
        Gate::of(guesses, HOME, &RULES, after(seconds))
    }

    #[test]
    fn a_network_has_five_guesses_and_then_waits_longer_each_time() {
        let home = Place::of(HOME);
        for (failures, waits) in
            [(0, 0), (4, 0), (5, 60), (6, 120), (7, 240), (8, 480), (9, 960), (10, 1800), (40, 1800)]
        {
            let guesses = with(&[(home.clone(), failures)], &[HOME]);
            assert!(gate(&guesses, waits).is_open(), "{failures} failures, after {waits} s");
            assert!(waits == 0 || !gate(&guesses, waits - 1).is_open(), "{failures} failures, before {waits} s");
        }
        let waited = gate(&with(&[(home, 7)], &[HOME]), 240);
        assert_eq!(waited.locks[0].admits, Admits::Exactly(7), "and then one guess is free, not five");
    }

    #[test]
    fn rules_out_of_their_bounds_are_named() {
        let seconds = Duration::from_secs;
        for (rules, field) in [
            (RULES, None),
            (Rules { per_network: 0, ..RULES }, Some("per_network")),
            (Rules { per_network: 101, from_strangers: 101, ..RULES }, Some("per_network")),
            (Rules { per_network: 100, from_strangers: 100, ..RULES }, None),
            (Rules { from_strangers: 4, ..RULES }, Some("from_strangers")),
            (Rules { from_strangers: 5, ..RULES }, None),
            (Rules { from_strangers: 1000, ..RULES }, None),
            (Rules { from_strangers: 1001, ..RULES }, Some("from_strangers")),
            (Rules { pause: seconds(0), ..RULES }, Some("pause")),
            (Rules { pause: Duration::from_millis(1500), ..RULES }, Some("pause")),
            (Rules { pause: seconds(3600), longest: seconds(3600), ..RULES }, None),
            (Rules { pause: seconds(3601), longest: seconds(86_400), ..RULES }, Some("pause")),
            (Rules { longest: seconds(59), ..RULES }, Some("longest")),
            (Rules { longest: seconds(60), ..RULES }, None),
            (Rules { longest: seconds(86_400), ..RULES }, None),
            (Rules { longest: seconds(86_401), ..RULES }, Some("longest")),
        ] {
            assert_eq!(rules.in_bounds().err().map(|error| error.field), field, "{rules:?}");
        }
    }

    #[test]
    fn a_day_holds_the_free_guesses_and_one_after_each_wait() {
        assert_eq!(RULES.most_in_a_day(RULES.per_network), 5 + 51);
        assert_eq!(RULES.most_in_a_day(RULES.from_strangers), 50 + 51);
        let steady = Rules { pause: Duration::from_secs(3600), longest: Duration::from_secs(3600), ..RULES };
        assert_eq!(steady.most_in_a_day(5), 5 + 23);
        let none = Rules { pause: Duration::ZERO, ..RULES };
        assert_eq!(none.most_in_a_day(1), 1 + 86_399);
        // The gate itself says the same, to somebody who tries each second.
        let midnight = Timestamp::from_seconds(NOW.as_seconds() - NOW.as_seconds().rem_euclid(DAY_SECONDS));
        for rules in [RULES, steady] {
            let mut guesses = Guesses::default();
            for seconds in 0..86_400 {
                let now = midnight.plus(Duration::from_secs(seconds));
                let gate = Gate::of(&guesses, HOME, &rules, now);
                // More than one fits into a second while they are free, which changes nothing about the waits after.
                let free = if seconds == 0 { 5 } else { u32::from(gate.is_open()) };
                let counter = guesses.counters.entry(gate.locks[0].key.clone()).or_default();
                counter.failures += free;
                counter.last = if free > 0 { Some(now) } else { counter.last };
            }
            assert_eq!(guesses.failures(), rules.most_in_a_day(5));
        }
    }

    #[test]
    fn strangers_count_together_and_do_not_bind_a_known_network() {
        let stormed = with(&[(Place::Strangers, 50)], &[]);
        assert!(!gate(&stormed, 59).is_open(), "a stranger waits with all others");
        let at_home = with(&[(Place::Strangers, 50)], &[HOME]);
        assert!(gate(&at_home, 0).is_open());
        assert_eq!(gate(&at_home, 0).locks.len(), 1);
    }

    #[test]
    fn counters_are_gone_after_their_day() {
        let guesses = with(&[(Place::of(HOME), 50), (Place::Strangers, 500)], &[]);
        let tomorrow = gate(&guesses, 86_400);
        assert!(tomorrow.is_open() && tomorrow.locks.iter().all(|lock| matches!(lock.admits, Admits::Below(_))));
        assert_eq!(tomorrow.stale.len(), 2);
    }

    #[test]
    fn the_networks_that_were_not_used_for_longest_are_forgotten() {
        let mut guesses = Guesses::default();
        for number in 0..10_u8 {
            let place = Place::of(Some(&format!("198.51.{number}.0/24")));
            guesses.known.insert(place, after(u64::from(number)));
        }
        let forgotten: BTreeSet<Place> = gate(&guesses, 99).forgotten.into_iter().collect();
        let oldest = [0, 1, 2].map(|number| Place::of(Some(&format!("198.51.{number}.0/24"))));
        assert_eq!(forgotten, oldest.into_iter().collect(), "seven stay, and this one becomes the eighth");
    }

    #[test]
    fn a_place_reads_as_it_is_written() {
        for place in [Place::Strangers, Place::of(HOME), Place::of(None)] {
            assert_eq!(Place::parse(place.as_str()), place);
        }
        assert_ne!(Place::of(None), Place::of(Some("")));
    }
}
