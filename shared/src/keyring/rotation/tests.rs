use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::BoxFuture;

use super::*;
use crate::assurance::note;
use crate::clock::Timestamp;
use crate::keyring::{FRESH, Key, KeySource, Keyring, KeyringError, STALE};
use crate::testing::FrozenClock;

const WINDOWS: Windows = Windows {
    lead: Duration::from_secs(14_400),
    slack: Duration::from_secs(900),
    lifetime: Duration::from_secs(86_400),
};
const STEPS: [Step; 4] = [Step::Create, Step::Set, Step::Test, Step::Finish];

#[derive(Clone, Default)]
struct Version {
    text: Option<String>,
    stages: Vec<String>,
}

/// Secrets Manager as its documents describe it, which can lose the connection at a chosen call: before the call is
/// carried out, or after it, when only the answer is lost.
#[derive(Default)]
struct Memory {
    versions: Mutex<BTreeMap<String, Version>>,
    calls: AtomicUsize,
    fault: Mutex<Option<(usize, bool)>>,
}

impl Memory {
    fn with_current(text: &str) -> Arc<Self> {
        let memory = Self::default();
        let first = Version { text: Some(text.to_owned()), stages: vec![CURRENT.to_owned()] };
        memory.versions.lock().unwrap().insert("v-0".to_owned(), first);
        Arc::new(memory)
    }

    /// What `RotateSecret` does before it calls the function: it goes on with the version that it finds pending.
    fn rotate(&self, token: &str) -> String {
        let mut versions = self.versions.lock().unwrap();
        let is_open = |version: &Version| {
            version.stages.iter().any(|s| s == PENDING) && !version.stages.iter().any(|s| s == CURRENT)
        };
        if let Some((open, _)) = versions.iter().find(|(_, version)| is_open(version)) {
            return open.clone();
        }
        take_off(&mut versions, PENDING);
        versions.insert(token.to_owned(), Version { text: None, stages: vec![PENDING.to_owned()] });
        token.to_owned()
    }

    fn current(&self) -> (String, String) {
        let versions = self.versions.lock().unwrap();
        let mut current = versions.iter().filter(|(_, version)| version.stages.iter().any(|s| s == CURRENT));
        let (id, version) = current.next().unwrap();
        assert!(current.next().is_none(), "two current versions");
        (id.clone(), version.text.clone().unwrap())
    }

    fn keys(&self) -> KeySet {
        KeySet::parse(&self.current().1).unwrap()
    }

    /// What the operator's tool does: a new version in place of the current one.
    fn replace(&self, id: &str, text: &str) {
        let mut versions = self.versions.lock().unwrap();
        take_off(&mut versions, CURRENT);
        versions.insert(id.to_owned(), Version { text: Some(text.to_owned()), stages: vec![CURRENT.to_owned()] });
    }

    fn fail_at(&self, fault: Option<(usize, bool)>) {
        self.calls.store(0, Ordering::SeqCst);
        *self.fault.lock().unwrap() = fault;
    }

    fn call<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Version>) -> T) -> Result<T, VersionsError> {
        let lost = || VersionsError { operation: "a call", source: "the connection was lost".into() };
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = *self.fault.lock().unwrap();
        if fault == Some((number, false)) {
            return Err(lost());
        }
        let answer = act(&mut self.versions.lock().unwrap());
        if fault == Some((number, true)) { Err(lost()) } else { Ok(answer) }
    }
}

impl Versions for Arc<Memory> {
    async fn stages(&self) -> Result<BTreeMap<String, Vec<String>>, VersionsError> {
        tokio::task::yield_now().await;
        let labelled = |versions: &mut BTreeMap<String, Version>| {
            let all = versions.iter().filter(|(_, version)| !version.stages.is_empty());
            all.map(|(id, version)| (id.clone(), version.stages.clone())).collect()
        };
        self.call(labelled)
    }

    async fn value(&self, id: &str) -> Result<Option<Zeroizing<String>>, VersionsError> {
        tokio::task::yield_now().await;
        self.call(|versions| versions.get(id).and_then(|version| version.text.clone()).map(Zeroizing::new))
    }

    async fn put(&self, id: &str, text: &str, stage: &str) -> Result<Change, VersionsError> {
        tokio::task::yield_now().await;
        self.call(|versions| {
            if let Some(held) = versions.get(id).and_then(|version| version.text.as_ref()) {
                return if held == text { Change::Made } else { Change::Refused };
            }
            take_off(versions, stage);
            let version = versions.entry(id.to_owned()).or_default();
            version.text = Some(text.to_owned());
            version.stages.push(stage.to_owned());
            Change::Made
        })
    }

    async fn move_stage(&self, stage: &str, from: &str, to: Option<&str>) -> Result<Change, VersionsError> {
        tokio::task::yield_now().await;
        self.call(|versions| {
            let has = |version: &Version| version.stages.iter().any(|label| label == stage);
            if !versions.get(from).is_some_and(has) {
                return Change::Refused;
            }
            take_off(versions, stage);
            if let Some(version) = to.and_then(|to| versions.get_mut(to)) {
                version.stages.push(stage.to_owned());
            }
            if let Some(version) = versions.get_mut(from).filter(|_| stage == CURRENT) {
                version.stages.push("AWSPREVIOUS".to_owned());
            }
            Change::Made
        })
    }
}

fn take_off(versions: &mut BTreeMap<String, Version>, stage: &str) {
    for version in versions.values_mut() {
        version.stages.retain(|label| label != stage);
    }
}

struct Bench {
    memory: Arc<Memory>,
    clock: FrozenClock,
    rotation: Rotation<Arc<Memory>>,
}

impl Bench {
    fn of(text: &str) -> Self {
        let (memory, clock) = (Memory::with_current(text), FrozenClock::default());
        let rotation = Rotation {
            versions: Arc::clone(&memory),
            clock: Arc::new(clock.clone()),
            windows: WINDOWS,
            algorithm: Algorithm::EdDsa,
        };
        Self { memory, clock, rotation }
    }

    fn new() -> Self {
        Self::of(&KeySet::generate(Algorithm::EdDsa, FrozenClock::default().now()).unwrap())
    }

    async fn step(&self, step: Step, token: &str) -> Result<Done, RotationError> {
        self.rotation.run(step, token).await
    }

    /// A whole rotation, as Secrets Manager runs it: the first step that fails ends it.
    async fn whole(&self, token: &str) -> Result<(), RotationError> {
        let token = self.memory.rotate(token);
        for step in STEPS {
            self.step(step, &token).await?;
        }
        Ok(())
    }

    /// What holds at every moment: the current version is a keyset, a key of it signs, and every key that `before` had
    /// verifies until the last token that it can have signed is over.
    fn holds(&self, before: &KeySet, why: &str) {
        let (now, keys) = (self.clock.now(), self.memory.keys());
        assert!(keys.signing_key(now).is_some(), "{why}: nothing signs");
        for key in before.keys().iter().filter(|key| key.verify_until.is_none_or(|end| now < end)) {
            let kept = keys.keys().iter().find(|other| other.kid() == key.kid());
            let kept = kept.unwrap_or_else(|| panic!("{why}: {} is gone", key.kid()));
            let last_turn = turn_after(&keys, kept);
            let needed = last_turn.map(|turn| turn.plus(WINDOWS.lifetime));
            assert!(kept.verify_until.is_none() || kept.verify_until > needed, "{why}: {} ends early", key.kid());
        }
    }
}

fn turn_after(keys: &KeySet, key: &Key) -> Option<Timestamp> {
    keys.keys().iter().map(|other| other.sign_after).filter(|turn| *turn > key.sign_after).min()
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs_and_the_old_one_outlives_its_tokens() {
    let bench = Bench::new();
    let before = bench.memory.keys();
    let old = before.keys()[0].kid();
    bench.whole("v-1").await.unwrap();
    bench.holds(&before, "one rotation");
    let (keys, now) = (bench.memory.keys(), bench.clock.now());
    let new = keys.keys().iter().find(|key| key.kid() != old).unwrap();
    assert_eq!(new.sign_after, now.plus(WINDOWS.lead + WINDOWS.slack));
    assert_eq!(new.verify_until, None);
    let end = new.sign_after.plus(WINDOWS.lifetime + Duration::from_secs(60));
    assert_eq!(keys.keys().iter().find(|key| key.kid() == old).unwrap().verify_until, Some(end));
    assert_eq!(keys.signing_key(now).unwrap().kid(), old, "until its successor's turn");
    assert_eq!(keys.signing_key(new.sign_after).unwrap().kid(), new.kid());
    assert_eq!(keys.jwks(now)["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn keys_whose_tokens_are_dead_are_dropped_and_no_others() {
    let bench = Bench::new();
    let mut seen = 0;
    for number in 0..40 {
        let before = bench.memory.keys();
        bench.whole(&format!("v-{}", number + 1)).await.unwrap();
        bench.holds(&before, "one of many");
        seen = seen.max(bench.memory.keys().keys().len());
        bench.clock.advance(Duration::from_secs(20_000));
    }
    assert_eq!(seen, 7, "a lifetime and a lead of rotations, and the next key");
}

#[tokio::test]
async fn every_algorithm_succeeds_every_other() {
    let mut bench = Bench::new();
    for (number, algorithm) in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa].into_iter().enumerate() {
        bench.rotation.algorithm = algorithm;
        bench.whole(&format!("v-{}", number + 1)).await.unwrap();
        bench.clock.advance(WINDOWS.lead + WINDOWS.slack);
        assert_eq!(bench.memory.keys().signing_key(bench.clock.now()).unwrap().algorithm(), algorithm);
    }
    assert_eq!(bench.memory.keys().algorithms(bench.clock.now()), ["ES256", "EdDSA", "RS256"]);
}

#[tokio::test]
async fn the_first_rotation_of_an_empty_stack_makes_a_key_that_signs_at_once() {
    let bench = Bench::of("{\"keys\":[]}");
    bench.whole("v-1").await.unwrap();
    assert!(bench.memory.keys().signing_key(bench.clock.now()).is_some());
}

#[tokio::test]
async fn what_is_no_keyset_is_not_succeeded() {
    let good = KeySet::generate(Algorithm::EdDsa, FrozenClock::default().now()).unwrap();
    let damaged = good.replace("\"alg\":\"EdDSA\"", "\"alg\":\"ES256\"");
    assert_ne!(*good, damaged);
    for text in ["", "{}", "{\"keys\":[{\"kid\":\"a\"}]}", "{\"keys\":[],\"more\":1}", &damaged] {
        let bench = Bench::of(text);
        assert!(matches!(bench.whole("v-1").await, Err(RotationError::Current(_))), "{text}");
        assert_eq!(bench.memory.current(), ("v-0".to_owned(), text.to_owned()));
    }
}

#[tokio::test]
async fn a_token_that_is_not_pending_is_refused() {
    let bench = Bench::new();
    bench.whole("v-1").await.unwrap();
    let after = bench.memory.current();
    for step in STEPS {
        for token in ["v-0", "v-9", "", "AWSPENDING"] {
            assert!(matches!(bench.step(step, token).await, Err(RotationError::NotPending)), "{step:?} {token}");
        }
        assert!(bench.step(step, "v-1").await.is_ok(), "{step:?}: done already");
    }
    assert_eq!(bench.memory.current(), after);
}

/// Every sequence of up to six steps out of the three that do something.
#[tokio::test]
async fn steps_in_any_order_and_number_keep_the_keyset_good_and_one_more_run_converges() {
    let acting = [Step::Create, Step::Test, Step::Finish];
    for sequence in 0..acting.len().pow(6) {
        let steps: Vec<Step> = (0..6).map(|place| acting[sequence / acting.len().pow(place) % acting.len()]).collect();
        let bench = Bench::new();
        let before = bench.memory.keys();
        let token = bench.memory.rotate("v-1");
        let mut created = false;
        for step in &steps {
            let result = bench.step(*step, &token).await;
            created |= *step == Step::Create;
            assert_eq!(result.is_ok(), created, "{steps:?}: {result:?}");
            assert!(created || matches!(result, Err(RotationError::NotCreated)), "{steps:?}: {result:?}");
            bench.holds(&before, &format!("{steps:?}"));
        }
        bench.whole("v-2").await.unwrap();
        bench.holds(&before, &format!("{steps:?}"));
        assert_ne!(bench.memory.current().0, "v-0");
    }
    note("Q10", "orders-of-steps", acting.len().pow(6));
}

#[tokio::test]
async fn a_crash_at_any_call_leaves_a_good_keyset_and_one_more_run_converges() {
    let mut crashes = 0;
    for first in 0..40 {
        for second in [None, Some(0), Some(1), Some(2), Some(3), Some(5), Some(8)] {
            for after in [false, true] {
                let bench = Bench::new();
                let before = bench.memory.keys();
                bench.memory.fail_at(Some((first, after)));
                let result = bench.whole("v-1").await;
                bench.holds(&before, &format!("{first} {after}"));
                if result.is_ok() {
                    continue;
                }
                crashes += 1;
                if let Some(second) = second {
                    bench.memory.fail_at(Some((second, !after)));
                    let _ = bench.whole("v-2").await;
                    bench.holds(&before, &format!("{first} {after} {second}"));
                }
                bench.memory.fail_at(None);
                bench.whole("v-3").await.unwrap();
                bench.holds(&before, &format!("{first} {after} {second:?}, then a good run"));
                assert!(bench.memory.keys().keys().len() > 1);
            }
        }
    }
    assert!(crashes > 100, "{crashes}: the control");
    note("Q10", "crashes", crashes);
}

#[tokio::test]
async fn an_interrupted_first_rotation_converges_too() {
    for fault in (0..20).flat_map(|call| [(call, false), (call, true)]) {
        let bench = Bench::of("{\"keys\":[]}");
        bench.memory.fail_at(Some(fault));
        let _ = bench.whole("v-1").await;
        bench.memory.fail_at(None);
        bench.whole("v-2").await.unwrap();
        assert!(bench.memory.keys().signing_key(bench.clock.now()).is_some(), "{fault:?}");
    }
}

/// Two rotations with tokens of their own, step by step in every order: the pending label goes from one to the other,
/// as when somebody cancelled the first and started a second while its function still ran.
#[tokio::test]
async fn overlapping_rotations_never_spoil_the_keyset_and_one_more_run_converges() {
    for order in 0..(1 << 6) {
        let bench = Bench::new();
        let before = bench.memory.keys();
        bench.memory.rotate("v-1");
        let mut steps = [(); 2].map(|()| [Step::Create, Step::Test, Step::Finish].into_iter());
        let mut started = false;
        for turn in 0..6 {
            let which = (order >> turn) & 1;
            let Some(step) = steps[which].next() else { continue };
            if which == 1 && !started {
                started = true;
                let mut versions = bench.memory.versions.lock().unwrap();
                take_off(&mut versions, PENDING);
                versions.insert("v-2".to_owned(), Version { text: None, stages: vec![PENDING.to_owned()] });
            }
            let _ = bench.step(step, ["v-1", "v-2"][which]).await;
            bench.holds(&before, &format!("{order:b}"));
        }
        let _ = bench.whole("v-3").await;
        bench.whole("v-4").await.unwrap();
        bench.holds(&before, &format!("{order:b}"));
    }
}

#[tokio::test]
async fn two_runs_of_one_rotation_make_one_key() {
    let bench = Bench::new();
    let token = bench.memory.rotate("v-1");
    let create = || bench.step(Step::Create, &token);
    let results = futures_util::future::join_all([create(), create(), create()]).await;
    let kids: Vec<_> = results.into_iter().map(|done| done.unwrap().kid).collect();
    assert!(kids.windows(2).all(|pair| pair[0] == pair[1]), "{kids:?}");
    let finish = || bench.step(Step::Finish, &token);
    let results = futures_util::future::join_all([finish(), finish()]).await;
    assert!(results.into_iter().all(|done| done.is_ok()));
    assert_eq!(bench.memory.keys().keys().len(), 2);
}

#[tokio::test]
async fn a_key_that_was_retired_meanwhile_does_not_come_back() {
    for after in 0..3 {
        let bench = Bench::new();
        bench.whole("v-1").await.unwrap();
        bench.clock.advance(WINDOWS.lead + WINDOWS.slack);
        let old = bench.memory.keys().keys()[0].kid().to_owned();
        let token = bench.memory.rotate("v-2");
        for step in [Step::Create, Step::Test].into_iter().take(after) {
            bench.step(step, &token).await.unwrap();
        }
        let (now, text) = (bench.clock.now(), bench.memory.current().1);
        let retired = retire(&text, std::slice::from_ref(&old), Algorithm::EdDsa, now).unwrap();
        bench.memory.replace("v-retired", &retired.text);
        for step in STEPS {
            let _ = bench.step(step, &token).await;
            assert!(bench.memory.keys().verifying_key(&old, now).is_none(), "{after} {step:?}");
        }
        let _ = bench.whole("v-3").await;
        bench.whole("v-4").await.unwrap();
        assert!(bench.memory.keys().verifying_key(&old, now).is_none(), "{after}");
        assert!(bench.memory.keys().signing_key(now).is_some());
    }
}

#[tokio::test]
async fn a_pending_version_that_waited_too_long_is_given_up() {
    let bench = Bench::new();
    let before = bench.memory.current();
    let token = bench.memory.rotate("v-1");
    bench.step(Step::Create, &token).await.unwrap();
    bench.clock.advance(WINDOWS.slack + Duration::from_secs(1));
    assert!(matches!(bench.step(Step::Finish, &token).await, Err(RotationError::GivenUp(Unfit::Late))));
    assert_eq!(bench.memory.current(), before);
    assert!(matches!(bench.step(Step::Finish, &token).await, Err(RotationError::NotPending)));
    bench.whole("v-2").await.unwrap();
    assert_eq!(bench.memory.current().0, "v-2");
}

#[tokio::test]
async fn a_pending_version_that_would_break_tokens_is_given_up() {
    let bench = Bench::new();
    let token = bench.memory.rotate("v-1");
    bench.step(Step::Create, &token).await.unwrap();
    let good = bench.memory.versions.lock().unwrap()["v-1"].text.clone().unwrap();
    let spoilt = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = serde_json::from_str(&good).unwrap();
        change(&mut value);
        value.to_string()
    };
    let other = KeySet::generate(Algorithm::EdDsa, bench.clock.now()).unwrap();
    let other: serde_json::Value = serde_json::from_str(&other).unwrap();
    for (why, text) in [
        ("no JSON", "keys".to_owned()),
        ("the old key is gone", spoilt(&|set| drop(set["keys"].as_array_mut().unwrap().remove(0)))),
        ("the new key is gone", spoilt(&|set| drop(set["keys"].as_array_mut().unwrap().pop()))),
        ("the old key is another", spoilt(&|set| set["keys"][0]["pkcs8"] = other["keys"][0]["pkcs8"].clone())),
        ("the old key ends early", spoilt(&|set| set["keys"][0]["verify_until"] = 1_800_086_400.into())),
        ("the old key signs later", spoilt(&|set| set["keys"][0]["sign_after"] = 1_800_000_001.into())),
        ("the new key signs at once", spoilt(&|set| set["keys"][1]["sign_after"] = 1_800_000_000.into())),
        ("the new key has an end", spoilt(&|set| set["keys"][1]["verify_until"] = 1_900_000_000.into())),
        ("one key too many", spoilt(&|set| set["keys"].as_array_mut().unwrap().push(other["keys"][0].clone()))),
        ("another base", spoilt(&|set| set["based_on"] = "v-9".into())),
        ("no base", spoilt(&|set| drop(set.as_object_mut().unwrap().remove("based_on")))),
    ] {
        for step in [Step::Create, Step::Test, Step::Finish] {
            let bench = Bench::of(&bench.memory.current().1);
            let token = bench.memory.rotate("v-1");
            bench.memory.versions.lock().unwrap().get_mut("v-1").unwrap().text = Some(text.clone());
            let result = bench.step(step, &token).await;
            assert!(matches!(result, Err(RotationError::GivenUp(_))), "{why} {step:?}: {result:?}");
            assert_eq!(bench.memory.current().0, "v-0", "{why}");
            bench.whole("v-2").await.unwrap();
        }
    }
    assert!(bench.step(Step::Finish, &token).await.is_ok(), "the control");
}

#[tokio::test]
async fn a_keyset_that_would_outgrow_its_secret_is_refused() {
    let bench = Bench::new();
    for number in 1..MAX_KEYS {
        bench.whole(&format!("v-{number}")).await.unwrap();
        bench.clock.advance(Duration::from_secs(1));
    }
    let full = bench.memory.current();
    assert!(matches!(bench.whole("v-full").await, Err(RotationError::TooMany)));
    assert_eq!(bench.memory.current(), full);
    bench.clock.advance(2 * (WINDOWS.lead + WINDOWS.lifetime));
    bench.whole("v-later").await.unwrap();
}

/// An environment's way to the secret, which can be cut.
#[derive(Clone)]
struct Line {
    memory: Arc<Memory>,
    cut: Arc<AtomicBool>,
}

impl KeySource for Line {
    fn fetch(&self) -> BoxFuture<'_, Result<Zeroizing<String>, KeyringError>> {
        Box::pin(async {
            if self.cut.load(Ordering::SeqCst) {
                return Err(KeyringError::Unreachable("the line is cut".into()));
            }
            Ok(Zeroizing::new(self.memory.current().1))
        })
    }
}

impl Bench {
    fn environment(&self) -> (Keyring, Line) {
        let line = Line { memory: Arc::clone(&self.memory), cut: Arc::default() };
        (Keyring::new(line.clone(), Arc::new(self.clock.clone())), line)
    }
}

#[tokio::test]
async fn an_environment_that_is_cut_off_agrees_with_the_others_until_it_stops() {
    let bench = Bench::new();
    let ((cut_off, line), (other, _)) = (bench.environment(), bench.environment());
    cut_off.current().await.unwrap();
    line.cut.store(true, Ordering::SeqCst);
    bench.whole("v-1").await.unwrap();
    let (mut together, mut alone, mut successors) = (0, 0, 0);
    for _ in 0..6 * 60 {
        let now = bench.clock.now();
        let theirs = other.current().await.unwrap();
        let signing = theirs.signing_key(now).unwrap().kid();
        successors += u32::from(bench.memory.keys().keys()[0].kid() != signing);
        match cut_off.current().await {
            Ok(ours) => {
                together += 1;
                assert!(ours.verifying_key(signing, now).is_some(), "it does not know what the others sign with");
                let signing = ours.signing_key(now).unwrap().kid();
                assert!(theirs.verifying_key(signing, now).is_some(), "the others do not know what it signs with");
            }
            Err(KeyringError::Unreachable(_)) => alone += 1,
            Err(error) => panic!("an outage is no verdict about keys: {error}"),
        }
        bench.clock.advance(Duration::from_secs(60));
    }
    assert_eq!((together, alone), (60, 300), "an hour of the last good keys, then outages");
    assert!(successors > 0, "the control: the new key has signed");
    line.cut.store(false, Ordering::SeqCst);
    assert!(cut_off.current().await.is_ok(), "and it is back with the service");
}

#[tokio::test]
async fn a_retired_key_is_refused_within_five_minutes_and_within_an_hour_of_an_outage() {
    for (cut, bound) in [(false, FRESH), (true, STALE)] {
        let bench = Bench::new();
        bench.whole("v-1").await.unwrap();
        let (keyring, line) = bench.environment();
        let retired = keyring.current().await.unwrap().keys()[0].kid().to_owned();
        line.cut.store(cut, Ordering::SeqCst);
        let text = bench.memory.current().1;
        let kids = std::slice::from_ref(&retired);
        let without = retire(&text, kids, Algorithm::EdDsa, bench.clock.now()).unwrap();
        bench.memory.replace("v-retired", &without.text);
        let knows = async || match keyring.for_kid(&retired).await {
            Ok(keys) => keys.verifying_key(&retired, bench.clock.now()).is_some(),
            Err(_) => false,
        };
        bench.clock.advance(bound.saturating_sub(Duration::from_secs(1)));
        assert!(knows().await, "cut {cut}: the control");
        bench.clock.advance(Duration::from_secs(1));
        assert!(!knows().await, "cut {cut}");
    }
}

#[tokio::test]
async fn a_cold_environment_without_secrets_manager_has_no_key_to_sign_or_verify() {
    let bench = Bench::new();
    let (keyring, line) = bench.environment();
    line.cut.store(true, Ordering::SeqCst);
    for _ in 0..100 {
        assert!(matches!(keyring.current().await, Err(KeyringError::Unreachable(_))));
        let known = bench.memory.keys().keys()[0].kid().to_owned();
        assert!(matches!(keyring.for_kid(&known).await, Err(KeyringError::Unreachable(_))));
        bench.clock.advance(Duration::from_secs(1));
    }
}

#[test]
fn sixteen_rsa_keys_fit_into_a_secret() {
    let one = KeySet::generate(Algorithm::Rs256, Timestamp::from_seconds(1_800_000_000)).unwrap();
    assert!(one.len() * MAX_KEYS < 65_536 / 2, "{}", one.len());
}

mod retiring {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    /// Keys whose turns are at these seconds from now, with ends as a rotation would have planned them.
    fn keyset(turns: &[i64]) -> (String, Vec<String>) {
        let keys = turns.iter().map(|turn| StoredKey::generate(Algorithm::EdDsa, NOW.as_seconds() + turn).unwrap());
        let mut set = StoredKeySet { keys: keys.collect(), based_on: Some("v".to_owned()) };
        for (place, next) in turns.iter().enumerate().skip(1) {
            set.keys[place - 1].verify_until = Some(NOW.as_seconds() + next + 86_460);
        }
        (set.to_text().unwrap().to_string(), set.keys.into_iter().map(|key| key.kid).collect())
    }

    fn out(text: &str, kids: &[&str]) -> Result<Retired, RetireError> {
        let kids: Vec<String> = kids.iter().map(|kid| (*kid).to_owned()).collect();
        retire(text, &kids, Algorithm::Es256, NOW)
    }

    #[test]
    fn a_key_that_only_verifies_goes_and_nothing_else_changes() {
        let (text, kids) = keyset(&[-2000, -1000, 5000]);
        let retired = out(&text, &[&kids[0]]).unwrap();
        let keys = KeySet::parse(&retired.text).unwrap();
        let before = KeySet::parse(&text).unwrap();
        assert_eq!((retired.signs.as_str(), retired.fresh), (kids[1].as_str(), false));
        assert_eq!(keys.keys().len(), 2);
        for key in keys.keys() {
            let same = before.keys().iter().find(|other| other.kid() == key.kid()).unwrap();
            assert_eq!((key.sign_after, key.verify_until), (same.sign_after, same.verify_until));
        }
    }

    #[test]
    fn a_waiting_key_takes_over_from_the_one_that_signed() {
        let (text, kids) = keyset(&[-2000, -1000, 5000, 9000]);
        let retired = out(&text, &[&kids[1]]).unwrap();
        let keys = KeySet::parse(&retired.text).unwrap();
        assert_eq!(keys.signing_key(NOW).unwrap().kid(), kids[2]);
        assert_eq!((retired.signs.as_str(), retired.fresh), (kids[2].as_str(), false));
        assert!(keys.verifying_key(&kids[0], NOW).is_some() && keys.verifying_key(&kids[1], NOW).is_none());
    }

    #[test]
    fn without_one_a_fresh_key_signs_and_no_older_one_signs_again() {
        let (text, kids) = keyset(&[-2000, -1000]);
        let retired = out(&text, &[&kids[1]]).unwrap();
        let keys = KeySet::parse(&retired.text).unwrap();
        let signing = keys.signing_key(NOW).unwrap();
        assert_eq!((signing.kid(), signing.algorithm()), (retired.signs.as_str(), Algorithm::Es256));
        assert!(retired.fresh && !kids.contains(&retired.signs));
        assert_eq!(signing.verify_until, None);
    }

    #[test]
    fn who_takes_over_signs_though_the_operator_s_clock_runs_ahead() {
        for (turns, retired) in
            [(&[-2000, -1000, 5000][..], 1), (&[-1000], 0), (&[-2000, -100], 1), (&[-2000, -100, 50], 1)]
        {
            let (text, kids) = keyset(turns);
            let retired = out(&text, &[&kids[retired]]).unwrap();
            let keys = KeySet::parse(&retired.text).unwrap();
            let behind = NOW.minus(Duration::from_secs(300));
            assert_eq!(keys.signing_key(behind).unwrap().kid(), retired.signs, "{turns:?}");
            assert_eq!(keys.signing_key(NOW).unwrap().kid(), retired.signs, "{turns:?}");
        }
    }

    #[test]
    fn the_last_key_and_all_keys_at_once_can_go() {
        let (text, kids) = keyset(&[-1000]);
        assert!(KeySet::parse(&out(&text, &[&kids[0]]).unwrap().text).unwrap().signing_key(NOW).is_some());
        let (text, kids) = keyset(&[-2000, -1000, 1000]);
        let all: Vec<&str> = kids.iter().map(String::as_str).collect();
        let keys = KeySet::parse(&out(&text, &all).unwrap().text).unwrap();
        assert_eq!(keys.keys().len(), 1);
        assert!(keys.signing_key(NOW).is_some());
    }

    #[test]
    fn without_its_successor_a_key_signs_on_and_outlives_what_it_signs() {
        let (text, kids) = keyset(&[-1000, 5000]);
        let keys = KeySet::parse(&out(&text, &[&kids[1]]).unwrap().text).unwrap();
        assert_eq!(keys.signing_key(NOW).unwrap().verify_until, None);
        let (text, kids) = keyset(&[-1000, 5000, 9000]);
        let keys = KeySet::parse(&out(&text, &[&kids[1]]).unwrap().text).unwrap();
        assert_eq!(keys.signing_key(NOW).unwrap().verify_until, Some(NOW.plus(Duration::from_secs(9000 + 86_460))));
    }

    #[test]
    fn an_unknown_key_and_no_keyset_are_refused() {
        let (text, kids) = keyset(&[-1000]);
        assert!(matches!(out(&text, &["nobody"]), Err(RetireError::Unknown(kid)) if kid == "nobody"));
        assert!(matches!(out(&text, &[&kids[0], "nobody"]), Err(RetireError::Unknown(_))));
        assert!(matches!(out("{\"keys\":[]}", &["a"]), Err(RetireError::KeySet(KeySetError::Empty))));
        assert!(matches!(out("{}", &["a"]), Err(RetireError::KeySet(KeySetError::Malformed))));
    }
}
