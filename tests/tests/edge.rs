//! What may stand in front of the API: who goes around it is refused before anything else, and whose address it tells is
//! believed only beside its secret.

use serde_json::{Value, json};
use shared::api::{Family, ROUTES};
use shared::edge::{Edge, Mode};
use shared::gateway::Response;
use shared::lockout::Rules;
use tests::call::REQUEST_ID;
use tests::{Call, World, document, good};

const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01";
const SHOWN: &str = "x-ostiary-edge";
const VIEWER: &str = "x-ostiary-viewer";

async fn behind(mode: Mode) -> World {
    let mut world = World::new().await;
    world.stack.config.edge = Edge::new(SECRET, mode);
    world
}

/// The request as the edge passes it on.
fn through(call: &Call, viewer: &str) -> Call {
    call.clone().header(SHOWN, SECRET).header(VIEWER, viewer)
}

fn body(response: &Response) -> Value {
    serde_json::from_str(response.body()).unwrap()
}

fn login(world: &World, password: &str) -> Call {
    Call::to("user-login").json(&json!({ "username": world.demo.qualified(), "password": password }))
}

#[tokio::test]
async fn every_endpoint_refuses_who_went_around_before_it_looks_at_anything() {
    for route in ROUTES {
        let mut world = World::new().await;
        let call = good(&world, route.name).await;
        world.stack.config.edge = Edge::new(SECRET, Mode::Require);
        let (_earlier, reads) = (world.stack.store.take_calls(), world.stack.keys.reads());
        let long = call.clone().body("application/json", &"x".repeat(70_000));
        for around in [&call, &long, &call.clone().header(VIEWER, "198.51.100.9")] {
            // The document says what clients of the distribution are answered, who never see this.
            let refused = world.invoke_unchecked(route.name, around.event()).await;
            assert_eq!((refused.status(), refused.header("x-request-id")), (403, Some(REQUEST_ID)), "{}", route.name);
            assert_eq!(refused.header("cache-control"), Some("no-store"), "{}", route.name);
            let told = "Requests are taken only through the distribution in front of this API";
            let expected = match route.family {
                Family::User | Family::Profile => json!({ "message": told }),
                Family::Ticket => json!({ "errorCode": "ACCESS_DENIED", "message": told }),
                Family::Standards => json!({ "error": "access_denied", "error_description": told }),
            };
            assert_eq!(body(&refused), expected, "{}", route.name);
        }
        assert!(world.stack.store.take_calls().is_empty(), "{} asked the store", route.name);
        assert_eq!(world.stack.keys.reads(), reads, "{} asked for keys", route.name);
        let passed = world.send(&through(&call, "198.51.100.9")).await;
        assert_eq!(passed.status(), document::success(route), "{}: {}", route.name, passed.body());
    }
}

#[tokio::test]
async fn the_secret_is_shown_once_and_whole_whatever_the_event_looks_like() {
    let world = behind(Mode::Require).await;
    let call = Call::to("test-unsecure");
    let with = |headers: Value| {
        let mut event = call.event();
        event["headers"] = headers;
        event
    };
    let mut former = with(json!({ SHOWN: SECRET }));
    former["version"] = json!("1.0");
    for (event, status) in [
        (with(json!({ SHOWN: SECRET })), 200),
        (with(json!({ "X-Ostiary-Edge": SECRET })), 200),
        (former.clone(), 400),
        (with(json!({})), 403),
        (with(json!(null)), 403),
        (with(json!([SHOWN, SECRET])), 403),
        (with(json!(SECRET)), 403),
        (with(json!({ SHOWN: null })), 403),
        (with(json!({ SHOWN: [SECRET] })), 403),
        (with(json!({ SHOWN: "" })), 403),
        (with(json!({ SHOWN: "none" })), 403),
        (with(json!({ SHOWN: SECRET.to_lowercase() })), 403),
        (with(json!({ SHOWN: &SECRET[..63] })), 403),
        (with(json!({ SHOWN: format!("{SECRET}0") })), 403),
        (with(json!({ SHOWN: format!(" {SECRET}") })), 403),
        (with(json!({ SHOWN: format!("{SECRET},{SECRET}") })), 403),
        (with(json!({ SHOWN: format!("{SECRET}, wrong") })), 403),
        (with(json!({ SHOWN: format!("wrong,{SECRET}") })), 403),
        (with(json!({ SHOWN: SECRET, "X-Ostiary-Edge": SECRET })), 403),
        (with(json!({ SHOWN: SECRET, "X-OSTIARY-EDGE": "wrong" })), 403),
        (with(json!({ "x-ostiary-edges": SECRET })), 403),
        (json!({ "multiValueHeaders": { SHOWN: [SECRET] } }), 403),
        (json!({ "headers": { SHOWN: SECRET } }), 400),
        (json!({ "headers": { SHOWN: SECRET, VIEWER: "::1" }, "requestContext": 7 }), 400),
        (json!({ "headers": { SHOWN: SECRET, VIEWER: "::1" }, "requestContext": { "http": [] } }), 400),
        (json!({}), 403),
        (json!([]), 403),
        (json!(null), 403),
    ] {
        let answered = world.invoke_unchecked("test-unsecure", event.clone()).await;
        assert_eq!(answered.status(), status, "{event}");
        assert!(!answered.body().contains(&SECRET[..12]), "{event}");
    }
}

/// Wrong passwords until the network that `from` makes a request come from has used up what is free.
async fn exhaust(world: &World, from: impl Fn(&Call, u32) -> Call) {
    for number in 0..Rules::DEFAULT.per_network {
        let call = from(&login(world, &format!("wrong {number}")), number);
        assert_eq!(world.send(&call).await.status(), 401);
    }
}

async fn right(world: &World, from: impl Fn(&Call) -> Call) -> u16 {
    world.send(&from(&login(world, &world.demo.password))).await.status()
}

#[tokio::test]
async fn behind_the_edge_each_network_is_counted_for_itself() {
    for mode in [Mode::Require, Mode::Accept] {
        let world = behind(mode).await;
        exhaust(&world, |call, _| through(call, "198.51.100.9")).await;
        assert_eq!(right(&world, |call| through(call, "198.51.100.77")).await, 401, "the same network");
        assert_eq!(right(&world, |call| through(call, "192.0.2.9")).await, 200, "another, by the same edge");
        assert_eq!(right(&world, |call| through(call, "2001:db8:1::9")).await, 200, "another");
    }
}

#[tokio::test]
async fn a_session_tells_the_network_that_the_edge_told() {
    let world = behind(Mode::Require).await;
    let logged_in = body(&world.send(&through(&login(&world, &world.demo.password), "2001:db8:1:2::9")).await);
    let list = Call::to("user-sessions").bearer(logged_in["Token"].as_str().unwrap());
    let sessions = world.send(&through(&list, "198.51.100.9")).await;
    assert!(sessions.body().contains(r#""network":"2001:db8:1::/48""#), "{}", sessions.body());
    assert!(!sessions.body().contains("203.0.113"), "{}", sessions.body());
}

#[tokio::test]
async fn requests_whose_address_the_edge_does_not_tell_share_one_limit() {
    let world = behind(Mode::Require).await;
    let odd = |call: &Call, number: u32| {
        let call = call.clone().header(SHOWN, SECRET);
        match number {
            0 => call,
            1 => call.header(VIEWER, ""),
            2 => call.header(VIEWER, "192.0.2.1,192.0.2.2"),
            3 => call.header(VIEWER, "192.0.2.3, 192.0.2.4").from_address("192.0.2.5"),
            _ => call.header(VIEWER, &format!("nowhere-{number}")).from_address("192.0.2.6"),
        }
    };
    exhaust(&world, odd).await;
    for number in 0..5 {
        assert_eq!(right(&world, |call| odd(call, number)).await, 401, "{number}");
    }
    assert_eq!(right(&world, |call| through(call, "198.51.100.9")).await, 200, "who has a network has its own limit");
}

#[tokio::test]
async fn nobody_makes_up_an_address_who_does_not_know_the_secret() {
    let made_up = |call: &Call, number: u32| call.clone().header(VIEWER, &format!("10.{number}.0.9"));
    let wrong = |call: &Call, number: u32| made_up(call, number).header(SHOWN, &SECRET.replace('0', "9"));
    for shown in [made_up as fn(&Call, u32) -> Call, |call, number| through(call, &format!("10.{number}.0.9"))] {
        let world = World::new().await;
        assert!(world.stack.config.edge.is_none());
        exhaust(&world, shown).await;
        assert_eq!(right(&world, |call| shown(call, 99)).await, 401, "there is no edge to believe");
    }
    let world = behind(Mode::Accept).await;
    exhaust(&world, made_up).await;
    assert_eq!(right(&world, |call| made_up(call, 99)).await, 401);
    assert_eq!(right(&world, |call| wrong(call, 99)).await, 401);
    let world = behind(Mode::Accept).await;
    exhaust(&world, wrong).await;
    assert_eq!(right(&world, |call| wrong(call, 99)).await, 401);
    assert_eq!(right(&world, |call| call.clone().from_address("192.0.2.9")).await, 200, "who comes directly is taken");
}
