//! A store that throttles everybody, or takes two seconds for each answer: every endpoint says soon that it could not,
//! with few tries, and works again as soon as the store does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use shared::api::ROUTES;
use shared::gateway::Response;
use tests::document::success;
use tests::{Call, World, figure, good, note};

use crate::engines::{Engine, Patience};
use crate::lane::{Lane, with_jwt};
use crate::proxy::{Proxy, Weather};

/// As many tries as a call may take.
const TRIES: usize = 3;
/// As long as the slow store takes.
const SLOW: Duration = Duration::from_secs(2);

/// The endpoints that ask no store.
fn without_store(name: &str) -> bool {
    matches!(name, "jwks" | "openid-configuration" | "test-unsecure")
}

fn is_outage(response: &Response) -> bool {
    response.status() == 503 && response.header("retry-after").is_some()
}

/// Endpoints as they are on Lambda, over a store behind the proxy, each with a request that succeeds where the store does.
async fn calls(engine: &Engine) -> (World, Proxy, Vec<Call>) {
    let mut world = World::new().await;
    let mut calls = Vec::new();
    for route in ROUTES {
        calls.push(good(&world, route.name).await);
    }
    let proxy = Proxy::before(engine.url(), 18);
    let store = engine.store(&proxy.url(), Patience::Theirs, world.stack.random.clone());
    world.rewire(store, Arc::new(world.stack.clock.clone()));
    (world, proxy, calls)
}

#[tokio::test]
async fn a_throttled_store_costs_few_tries_and_is_an_outage_for_everybody() {
    let engine = Engine::embedded();
    let (world, proxy, calls) = calls(&engine).await;
    proxy.set(Weather::Throttled);
    let (mut most, mut tries, mut most_tries, mut longest) = ((0, ""), 0, 0, Duration::ZERO);
    for call in &calls {
        let name = call.route().name;
        let started = Instant::now();
        let response = world.send(call).await;
        longest = longest.max(started.elapsed());
        let counts = proxy.take_counts();
        if without_store(name) {
            assert_eq!((response.status(), counts.requests), (success(call.route()), 0), "{name}");
            continue;
        }
        assert!(is_outage(&response), "{name}: {}", response.status());
        assert!(counts.most_tries <= TRIES, "{name}: {}", counts.most_tries);
        most_tries = most_tries.max(counts.most_tries);
        // Two endpoints ask for two things at once.
        let at_once = if matches!(name, "authheader-add" | "authheader-rotate") { 2 } else { 1 };
        assert!((1..=TRIES * at_once).contains(&counts.requests), "{name}: {}", counts.requests);
        most = most.max((counts.requests, name));
        tries += counts.requests;
    }
    let seconds = longest.as_secs_f64();
    let requests = calls.len();
    figure(&format!(
        "throttled: {tries} tries of {requests} requests, {} at most ({}), {seconds:.1} s",
        most.0, most.1
    ));
    assert!(longest < Duration::from_secs(3), "{longest:?}, and it is the pauses between tries only");
    assert!(most.0 > 1, "it tries again");
    proxy.set(Weather::Clear);
    // What they ask about is not in these tables; that it is not, is known at once.
    for call in &calls {
        let name = call.route().name;
        let response = world.send(call).await;
        assert!(response.status() < 500, "{name}: {}", response.status());
        if !without_store(name) {
            assert!(proxy.take_counts().requests > 0, "{name} asks again");
        }
    }
    note("Q18", "tries-of-a-call", most_tries);
    note("Q18", "seconds-to-a-503", seconds);
}

/// Throttling that begins and ends under people who do what they do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_served_again_as_soon_as_the_store_is() {
    let engine = Engine::embedded();
    let mut lane = Lane::new(&engine, 0, 18, Patience::Theirs).await;
    while lane.tally.operations < 60 {
        lane.step().await;
    }
    let person = lane.people.iter().find(|person| person.jwt.is_some()).unwrap().clone();
    let calls = [with_jwt(&person.jwt.clone().unwrap()), lane.login(&person.name, &person.password)];
    let before = lane.tally.outages.len();
    lane.meets(Weather::Throttled);
    // A request each half second of thirty seconds: more than the client has spare tries for.
    for _ in 0..30 {
        for call in &calls {
            assert!(lane.act(call.clone()).await.is_none(), "nobody is told anything");
        }
    }
    assert_eq!(lane.tally.outages.len() - before, 60);
    lane.meets(Weather::Clear);
    for call in &calls {
        assert!(lane.act(call.clone()).await.is_some(), "the first request after it is served");
    }
    let outages = lane.tally.outages.len();
    while lane.tally.operations < 200 {
        lane.step().await;
    }
    assert_eq!(lane.tally.outages.len(), outages, "{:?}", lane.tally.flaws);
    assert!(lane.tally.flaws.is_empty(), "{:?}", lane.tally.flaws);
    note("Q18", "refused-after-recovery", lane.tally.outages.len() - outages);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_long_for_a_slow_store() {
    let engine = Engine::embedded();
    let (world, proxy, calls) = calls(&engine).await;
    proxy.set(Weather::Slow(SLOW));
    let timed = calls.iter().map(|call| async {
        let started = Instant::now();
        (call.route().name, world.send(call).await, started.elapsed())
    });
    let mut longest = Duration::ZERO;
    for (name, response, took) in join_all(timed).await {
        assert!(without_store(name) || is_outage(&response), "{name}: {}", response.status());
        // With some room above the second and a half that the client has, for a machine that is busy.
        assert!(took < Duration::from_secs(5), "{name}: {took:?}");
        longest = longest.max(took);
    }
    let counts = proxy.take_counts();
    figure(&format!("slow store: {:.1} s at most, {} tries of a call", longest.as_secs_f64(), counts.most_tries));
    assert!(counts.most_tries <= TRIES);
    note("Q18", "seconds-of-a-slow-store", longest.as_secs_f64());
}
