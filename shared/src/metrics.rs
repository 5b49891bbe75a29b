//! Metrics: what the last line of a request tells `CloudWatch` to count, in its embedded metric format, so that nothing
//! is sent and nothing is waited for. All of them are on the page `docs/metrics.md`.
//!
//! What a request does and how long its parts take is noted on the way, as for the [audit](crate::audit) trail, and told
//! once. Invariant: a name is one of [`ALL`] and the value of a dimension one of its closed list, so that nothing that a
//! client sends becomes a metric. No decision and no answer asks for any of this.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use tokio::task::JoinError;

use crate::api;
use crate::audit::Outcome;
use crate::clock::{Clock as _, SystemClock};

/// Where `CloudWatch` keeps them.
pub const NAMESPACE: &str = "Ostiary";

/// The dimension of all of them: the name of the stack.
pub const STACK: &str = "Stack";

/// As many values as the format allows one metric in one line.
pub const MOST_VALUES: usize = 100;

/// What a metric is counted in, by the names of `CloudWatch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Times that something happened.
    Count,
    /// A time.
    Milliseconds,
    /// A time.
    Seconds,
}

/// A dimension beside [`STACK`], and all values that it can have.
#[derive(Debug)]
pub struct Dimension {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: &'static [&'static str],
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// By what it is also counted; all of it together is always.
    pub by: Option<Dimension>,
}

impl Metric {
    const fn plain(name: &'static str, unit: Unit) -> Self {
        Self { name, unit, by: None }
    }

    const fn counted_by(name: &'static str, by: Dimension) -> Self {
        Self { name, unit: Unit::Count, by: Some(by) }
    }

    /// The value of its dimension that `text` is; what is in no list counts as the list's last.
    fn value(&self, text: &str) -> Option<&'static str> {
        let values = self.by.as_ref()?.values;
        values.iter().find(|value| **value == text).or(values.last()).copied()
    }
}

static LOGINS: Metric = Metric::plain("Logins", Unit::Count);
static LOGIN_FAILURES: Metric = Metric::counted_by(
    "LoginFailures",
    Dimension {
        name: "Reason",
        values: &[
            "wrong_password",
            "unknown_user",
            "locked",
            "no_password",
            "disabled",
            "password_expired",
            "email_not_verified",
            "other",
        ],
    },
);
static LOCKOUTS: Metric = Metric::plain("Lockouts", Unit::Count);
static PASSWORD_REHASHES: Metric = Metric::plain("PasswordRehashes", Unit::Count);
static VERIFICATIONS: Metric = Metric::counted_by(
    "Verifications",
    Dimension {
        name: "Kind",
        values: &["jwt", "auth_header", "ticket", "persistent_login", "introspection", "authorizer"],
    },
);
static STORE_LATENCY: Metric = Metric::plain("StoreLatency", Unit::Milliseconds);
static KDF_LATENCY: Metric = Metric::plain("KdfLatency", Unit::Milliseconds);
static COLD_STARTS: Metric = Metric::plain("ColdStarts", Unit::Count);
static SIGNING_KEY_AGE: Metric = Metric::plain("SigningKeyAge", Unit::Seconds);

/// Every metric that there is.
pub static ALL: [&Metric; 9] = [
    &LOGINS,
    &LOGIN_FAILURES,
    &LOCKOUTS,
    &PASSWORD_REHASHES,
    &VERIFICATIONS,
    &STORE_LATENCY,
    &KDF_LATENCY,
    &COLD_STARTS,
    &SIGNING_KEY_AGE,
];

/// Why a password that was checked let nobody in. Bad input and outages are none of these: no password was judged.
const LOGIN_REFUSALS: [&str; 4] = ["bad_credentials", "disabled", "password_expired", "email_not_verified"];

static ON: OnceLock<Option<String>> = OnceLock::new();

/// Writes metrics under the name of this stack from here on, or none. The first call counts.
pub fn start(stack: Option<String>) {
    let _first = ON.set(stack);
}

/// How often something was done, and how long it took.
#[derive(Default)]
struct Timings {
    calls: u64,
    total: Duration,
    each: Vec<Duration>,
}

impl Timings {
    fn add(&mut self, took: Duration) {
        self.calls += 1;
        self.total += took;
        if self.each.len() < MOST_VALUES {
            self.each.push(took);
        }
    }

    fn merge(&mut self, other: Self) {
        let left = MOST_VALUES.saturating_sub(self.each.len());
        self.calls += other.calls;
        self.total += other.total;
        self.each.extend(other.each.into_iter().take(left));
    }

    fn total_ms(&self) -> Option<u64> {
        (self.calls > 0).then(|| u64::try_from(self.total.as_millis()).unwrap_or(u64::MAX))
    }
}

/// What one request did so far.
#[derive(Default)]
struct Meter {
    store: Timings,
    kdf: Timings,
    logins: u64,
    lockouts: u64,
    rehashes: u64,
    signing_key_age: Option<Duration>,
}

impl Meter {
    fn merge(&mut self, other: Self) {
        self.store.merge(other.store);
        self.kdf.merge(other.kdf);
        self.logins += other.logins;
        self.lockouts += other.lockouts;
        self.rehashes += other.rehashes;
        self.signing_key_age = other.signing_key_age.or(self.signing_key_age);
    }
}

tokio::task_local! {
    static METER: RefCell<Meter>;
}

/// Does `work` as one request, whose end asks [`told`].
pub(crate) async fn of<T>(work: impl Future<Output = T>) -> T {
    METER.scope(RefCell::default(), work).await
}

fn note(change: impl FnOnce(&mut Meter)) {
    // Outside of a request, as while an environment starts, there is nothing to note it on.
    let _ = METER.try_with(|meter| change(&mut meter.borrow_mut()));
}

/// Lets `work` go on beside the request. What it notes counts for the request that waits for it.
pub(crate) fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = Result<T, JoinError>> + Send {
    let task = tokio::spawn(METER.scope(RefCell::default(), async {
        let done = work.await;
        (done, METER.with(RefCell::take))
    }));
    async {
        let (done, meter) = task.await?;
        note(|own| own.merge(meter));
        Ok(done)
    }
}

/// One call of the store, with its retries.
pub(crate) fn store_call(took: Duration) {
    note(|meter| meter.store.add(took));
}

/// One key derivation, with all that it does to cost the same as others.
pub(crate) fn derivation(took: Duration) {
    note(|meter| meter.kdf.add(took));
}

/// How long `work` takes.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let done = work();
    (done, started.elapsed())
}

/// A password let somebody in.
pub(crate) fn login() {
    note(|meter| meter.logins += 1);
}

/// A wrong password closed an account to the place that it came from.
pub(crate) fn lockout() {
    note(|meter| meter.lockouts += 1);
}

/// A hash was made anew.
pub(crate) fn rehash() {
    note(|meter| meter.rehashes += 1);
}

/// How long the key has been signing that signs now, of a keyset that was just read.
pub(crate) fn signing_key_age(age: Duration) {
    note(|meter| meter.signing_key_age = Some(age));
}

/// How a request ended, as far as something is counted by it.
pub(crate) struct End {
    pub(crate) act: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) reason: &'static str,
    pub(crate) detail: Option<&'static str>,
    pub(crate) credential: Option<&'static str>,
    pub(crate) cold_start: bool,
}

/// What the last line of a request has to say of what it did.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) store_calls: Option<u64>,
    pub(crate) store_ms: Option<u64>,
    pub(crate) kdf_ms: Option<u64>,
    /// A JSON object: the members that the format wants at the root of the line.
    pub(crate) metrics: Option<String>,
}

/// What is to be told of this request.
pub(crate) fn told(end: &End) -> Told {
    let stack = ON.get().and_then(Option::as_deref);
    let told = |meter: &RefCell<Meter>| {
        let meter = meter.borrow();
        Told {
            store_calls: Some(meter.store.calls).filter(|calls| *calls > 0),
            store_ms: meter.store.total_ms(),
            kdf_ms: meter.kdf.total_ms(),
            metrics: stack.and_then(|stack| document(stack, SystemClock.now().as_millis(), &counted(&meter, end))),
        }
    };
    METER.try_with(told).unwrap_or_default()
}

/// The values of one metric in one line.
#[derive(Serialize)]
#[serde(untagged)]
enum Values {
    One(u64),
    Each(Vec<f64>),
}

struct Counted {
    metric: &'static Metric,
    values: Values,
    /// The value of the metric's own dimension.
    by: Option<&'static str>,
}

fn counted(meter: &Meter, end: &End) -> Vec<Counted> {
    let times = |metric, count: u64| (count > 0).then_some(Counted { metric, values: Values::One(count), by: None });
    let one_by = |metric: &'static Metric, by: &str| Counted { metric, values: Values::One(1), by: metric.value(by) };
    let each = |metric, timings: &Timings| {
        let values = timings.each.iter().copied().map(milliseconds).collect();
        (timings.calls > 0).then_some(Counted { metric, values: Values::Each(values), by: None })
    };
    let logins = if end.outcome == Outcome::Success { meter.logins } else { 0 };
    [
        times(&LOGINS, logins),
        login_failure(end).map(|reason| one_by(&LOGIN_FAILURES, reason)),
        times(&LOCKOUTS, meter.lockouts),
        times(&PASSWORD_REHASHES, meter.rehashes),
        verification(end).map(|kind| one_by(&VERIFICATIONS, kind)),
        each(&STORE_LATENCY, &meter.store),
        each(&KDF_LATENCY, &meter.kdf),
        times(&COLD_STARTS, u64::from(end.cold_start)),
        // Never nothing at all, which a key that is seconds old would be.
        meter.signing_key_age.and_then(|age| times(&SIGNING_KEY_AGE, age.as_secs().max(1))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// Why a password let nobody in, at a login or where a new one is set, as far as it was judged.
fn login_failure(end: &End) -> Option<&'static str> {
    let judged = end.credential == Some("password") && end.outcome == Outcome::Refused;
    (judged && LOGIN_REFUSALS.contains(&end.reason)).then(|| end.detail.unwrap_or(end.reason))
}

/// What kind of credential was judged, good or bad. Where nobody knows which, it was not.
fn verification(end: &End) -> Option<&'static str> {
    if end.outcome == Outcome::Failed {
        return None;
    }
    let told = |refusal| end.outcome == Outcome::Success || end.reason == refusal;
    let shown = end.credential.filter(|kind| ["jwt", "auth_header", "ticket"].contains(kind));
    match end.act {
        // These two stand for services that ask, whatever they ask about.
        "authorizer" => shown.map(|_| "authorizer"),
        act if act == api::OAUTH2_INTROSPECT.name => (end.outcome == Outcome::Success).then_some("introspection"),
        // Here an application shows what is judged.
        act if act == api::TICKET_GET.name || act == api::API1_PROFILE_BY_TICKET.name => {
            told("no_such_ticket").then_some("ticket")
        }
        act if act == api::PERSISTENT_LOGIN_GET.name || act == api::PERSISTENT_LOGIN_REFRESH.name => {
            told("no_such_persistent_login").then_some("persistent_login")
        }
        _ => shown,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: Unit,
}

/// Metrics that are counted by the same dimensions.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: Vec<Vec<&'static str>>,
    metrics: Vec<Definition>,
}

impl Directive {
    fn of<'a>(by: Option<&'static str>, counted: impl Iterator<Item = &'a Counted>) -> Self {
        let dimensions = std::iter::once(vec![STACK]).chain(by.map(|name| vec![STACK, name])).collect();
        let definition = |one: &Counted| Definition { name: one.metric.name, unit: one.metric.unit };
        Self { namespace: NAMESPACE, dimensions, metrics: counted.map(definition).collect() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive>,
}

struct Document<'a> {
    stack: &'a str,
    metadata: Metadata,
    counted: &'a [Counted],
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut root = serializer.serialize_map(None)?;
        root.serialize_entry("_aws", &self.metadata)?;
        root.serialize_entry(STACK, self.stack)?;
        for Counted { metric, values, by } in self.counted {
            if let (Some(dimension), Some(value)) = (&metric.by, by) {
                root.serialize_entry(dimension.name, value)?;
            }
            root.serialize_entry(metric.name, values)?;
        }
        root.end()
    }
}

/// What the embedded metric format wants at the root of a line, if there is something to count.
fn document(stack: &str, timestamp: i64, counted: &[Counted]) -> Option<String> {
    if counted.is_empty() {
        return None;
    }
    let mut directives = Vec::new();
    let mut plain = counted.iter().filter(|one| one.metric.by.is_none()).peekable();
    if plain.peek().is_some() {
        directives.push(Directive::of(None, plain));
    }
    for one in counted {
        if let Some(dimension) = &one.metric.by {
            directives.push(Directive::of(Some(dimension.name), std::iter::once(one)));
        }
    }
    let metadata = Metadata { timestamp, cloud_watch_metrics: directives };
    serde_json::to_string(&Document { stack, metadata, counted }).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const END: End = End {
        act: "user-login",
        outcome: Outcome::Refused,
        reason: "bad_credentials",
        detail: Some("unknown_user"),
        credential: Some("password"),
        cold_start: false,
    };

    #[test]
    fn a_line_is_the_format_s_document_and_nothing_to_count_is_none() {
        let mut meter = Meter::default();
        meter.store.add(Duration::from_micros(2_345));
        meter.store.add(Duration::from_millis(7));
        let document = |counted: &[Counted]| document("auth", 1_800_000_000_123, counted);
        let text = document(&counted(&meter, &END)).unwrap();
        let definition = |name: &str, unit: &str| json!([{ "Name": name, "Unit": unit }]);
        let metrics = json!([
            {
                "Namespace": "Ostiary",
                "Dimensions": [["Stack"]],
                "Metrics": definition("StoreLatency", "Milliseconds"),
            },
            {
                "Namespace": "Ostiary",
                "Dimensions": [["Stack"], ["Stack", "Reason"]],
                "Metrics": definition("LoginFailures", "Count"),
            },
        ]);
        let expected = json!({
            "_aws": { "Timestamp": 1_800_000_000_123_u64, "CloudWatchMetrics": metrics },
            "Stack": "auth",
            "Reason": "unknown_user",
            "LoginFailures": 1,
            "StoreLatency": [2.345, 7.0],
        });
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        let nothing = End { act: "health", outcome: Outcome::Success, credential: None, detail: None, ..END };
        assert_eq!(document(&counted(&Meter::default(), &nothing)), None);
    }

    #[test]
    fn what_is_in_no_list_is_the_last_of_it() {
        let by = |end: &End| counted(&Meter::default(), end).first().map(|one| one.by);
        assert_eq!(by(&END), Some(Some("unknown_user")));
        assert_eq!(by(&End { detail: Some("nonsense"), ..END }), Some(Some("other")));
        assert_eq!(by(&End { detail: None, ..END }), Some(Some("other")), "the guess that came too late");
        assert_eq!(by(&End { reason: "invalid_input", ..END }), None);
        assert_eq!(by(&End { reason: "store", outcome: Outcome::Failed, ..END }), None, "an outage is no failed login");
    }

    #[test]
    fn no_line_has_more_values_than_the_format_allows() {
        let mut meter = Meter::default();
        for _ in 0..MOST_VALUES + 50 {
            meter.store.add(Duration::from_millis(1));
        }
        let mut more = Meter::default();
        more.store.add(Duration::from_millis(1));
        meter.merge(more);
        assert_eq!((meter.store.calls, meter.store.each.len()), (151, 100));
        assert_eq!(meter.store.total_ms(), Some(151));
    }

    #[tokio::test]
    async fn what_goes_on_beside_a_request_counts_for_it_once_it_is_waited_for() {
        let calls = || METER.with(|meter| meter.borrow().store.calls);
        of(async {
            let task = spawn(async { store_call(Duration::from_millis(1)) });
            tokio::task::yield_now().await;
            assert_eq!(calls(), 0);
            task.await.unwrap();
            assert_eq!(calls(), 1);
        })
        .await;
    }
}
