//! 200,000 hostile events over every endpoint: no panic, no answer of 500 or more, every answer well formed.
//!
//! Each batch is a seed, a fresh world and live credentials, so that mutations meet the deep paths too. A failure names
//! its batch and its event, and the same numbers make the same event again.

mod base;
mod mutation;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::Live;
use futures_util::FutureExt as _;
use serde_json::Value;
use shared::api::{self, ROUTES, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Event, Request, Response};
use tests::{Dice, World, note, noticed, shape};

const EVENTS: u64 = 200_000;
/// Few enough that logouts and deletions do not use up a batch's credentials.
const EVENTS_IN_A_BATCH: u64 = 1_000;
const BATCHES: u64 = EVENTS / EVENTS_IN_A_BATCH;
const THREADS: u64 = 2;

/// What a seeded fault says when it panics, so that it is not counted among real ones.
const SEEDED: &str = "a seeded fault";

/// Panics of whatever thread, those that somebody catches included.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// What each endpoint may answer.
static STATUSES: LazyLock<BTreeMap<&'static str, BTreeSet<u16>>> =
    LazyLock::new(|| ROUTES.iter().map(|route| (route.name, shape::statuses(route))).collect());

type Seen = BTreeMap<(&'static str, u16), usize>;

fn count_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        if message != SEEDED {
            PANICS.fetch_add(1, Ordering::SeqCst);
            eprintln!("{panic}");
        }
    }));
}

fn judge(route: &Route, live: &Live, id: &str, response: &Response) -> Result<(), String> {
    shape::check(route, id, response)?;
    if !STATUSES[route.name].contains(&response.status()) {
        return Err("the contract knows no such status here".to_owned());
    }
    let told = without_tenant(response.body());
    if response.status() >= 400
        && let Some(secret) = live.secrets().iter().find(|secret| told.contains(secret.as_str()))
    {
        return Err(format!("an error repeats {secret}"));
    }
    Ok(())
}

/// An error without the name of the tenant that it is about: this the contract repeats, and a client may have sent
/// anything for one.
fn without_tenant(body: &str) -> String {
    let Some((before, rest)) = body.split_once("enant \\\"") else { return body.to_owned() };
    let after = rest.split_once("\\\"").map_or("", |(_, after)| after);
    format!("{before}{after}")
}

/// One batch; what was seen, or the first flaw with all that is needed to see it again.
async fn batch(seed: u64, events: u64, spoil: impl FnOnce(&mut World)) -> Result<Seen, String> {
    let mut world = World::new().await;
    let live = Live::in_world(&world).await;
    spoil(&mut world);
    let dice = Dice::new(seed);
    let mut counts = Seen::new();
    for number in 0..events {
        let route = &dice.one(ROUTES);
        let mut event = base::event(&dice, route, &live);
        mutation::mutate(&dice, &mut event, &live);
        let id = Event::from(event.clone()).request_id();
        let answered = AssertUnwindSafe(world.invoke_unchecked(route.name, event.clone())).catch_unwind().await;
        let judged = match &answered {
            Err(_panic) => Err("it panicked beyond the gateway".to_owned()),
            Ok(response) => judge(route, &live, &id, response).map_err(|flaw| shown(&flaw, response)),
        };
        if let Err(flaw) = judged {
            let event: String = event.to_string().chars().take(4000).collect();
            return Err(format!("batch {seed}, event {number}, {}: {flaw}\n{event}", route.name));
        }
        let status = answered.map_or(0, |response| response.status());
        *counts.entry((route.name, status)).or_default() += 1;
    }
    Ok(counts)
}

fn shown(flaw: &str, response: &Response) -> String {
    format!("{flaw}: {} {}", response.status(), response.body())
}

fn run(seeds: impl Iterator<Item = u64>) -> Result<Seen, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|error| error.to_string())?;
    let mut all = Seen::new();
    for seed in seeds {
        for (key, count) in runtime.block_on(batch(seed, EVENTS_IN_A_BATCH, |_| {}))? {
            *all.entry(key).or_default() += count;
        }
    }
    Ok(all)
}

#[test]
fn no_event_makes_a_panic_or_a_server_error() {
    count_panics();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| std::thread::spawn(move || run((0..BATCHES).filter(|seed| seed % THREADS == thread))))
        .collect();
    let mut seen = Seen::new();
    for thread in threads {
        let part = thread.join().expect("no panic").unwrap_or_else(|flaw| panic!("{flaw}"));
        for (key, count) in part {
            *seen.entry(key).or_default() += count;
        }
    }
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "panics that somebody caught");
    let total: usize = seen.values().sum();
    assert_eq!(u64::try_from(total).unwrap(), EVENTS);
    // A generator whose events all fail at the door would prove nothing.
    let mut rare = Vec::new();
    for route in ROUTES {
        for status in &STATUSES[route.name] {
            let count = seen.get(&(route.name, *status)).copied().unwrap_or_default();
            let enough = if *status < 300 { total / ROUTES.len() / 20 } else { 1 };
            if count < enough {
                rare.push(format!("{} answered {status} only {count} times", route.name));
            }
        }
    }
    assert!(rare.is_empty(), "{rare:#?}");
    note("Q1", "events", total);
    let errors: usize = seen.iter().filter(|((_, status), _)| *status >= 500).map(|(_, count)| count).sum();
    note("Q1", "server-errors", errors);
    note("Q1", "panics", PANICS.load(Ordering::SeqCst));
}

/// An endpoint with a bug of the kind that the test exists for.
struct Fragile(Answer);

type Answer = fn(&Request) -> Result<Response, Problem>;

impl Endpoint for Fragile {
    fn route(&self) -> &'static Route {
        &api::TEST_UNSECURE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        (self.0)(&request)
    }
}

fn greeting() -> Response {
    Response::json(200, &api::Message::new("Hi anonymous"))
}

#[test]
fn an_endpoint_with_a_fault_is_found() {
    let faults: [Answer; 4] = [
        |request| {
            assert!(request.credential("authorization").is_ok(), "{SEEDED}");
            Ok(greeting())
        },
        |request| match request.bearer() {
            Ok(Some(token)) if !token.contains('.') => Err(Problem::Internal(SEEDED)),
            _ => Ok(greeting()),
        },
        |request| match request.bearer() {
            Ok(Some(token)) => Ok(Response::json(400, &api::Message::new(token))),
            _ => Ok(greeting()),
        },
        |_| Ok(Response::json(200, &Value::Null)),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    count_panics();
    for (number, fault) in faults.into_iter().enumerate() {
        let found = runtime.block_on(batch(1, 5_000, |world| world.replace(Fragile(fault))));
        assert!(found.is_err(), "fault {number} was not found");
    }
    let sound = runtime.block_on(batch(1, 5_000, |world| world.replace(Fragile(|_| Ok(greeting())))));
    assert!(sound.is_ok(), "{sound:?}");
    let (what, test) =
        ("an endpoint panics, breaks its own rules or repeats a secret", "an_endpoint_with_a_fault_is_found");
    noticed("Q1", "a-fragile-endpoint", what, "tests/tests/hostile_events/main.rs", test);
}
