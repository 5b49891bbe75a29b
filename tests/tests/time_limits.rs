//! Lifetimes hold to the second: JWTs have no leeway at their end and 5 s at their start, tickets and auth headers none.

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::{Clock as _, Timestamp};
use shared::jwt::LEEWAY;
use shared::keyring::{Algorithm, KeySet};
use shared::testing::FrozenClock;
use tests::world::member;
use tests::{Call, Total, World};

fn claims(jwt: &str) -> Value {
    use base64::Engine as _;
    let part = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

static MOMENTS: Total = Total::new("Q7", "moments-around-an-end");

/// The answers a second before `end`, in the last millisecond before it, at it and a second later.
async fn around(world: &World, end: i64, call: &Call) -> [u16; 4] {
    let mut statuses = [0; 4];
    for (status, millis) in statuses.iter_mut().zip([-1000, -1, 0, 1000]) {
        world.stack.clock.set(Timestamp::from_millis(end * 1000 + millis));
        *status = world.send(call).await.status();
    }
    MOMENTS.add(statuses.len());
    statuses
}

fn now(clock: &FrozenClock) -> i64 {
    clock.now().as_seconds()
}

#[tokio::test]
async fn a_logins_jwt_ends_after_3600_seconds() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let claims = claims(&jwt);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    let call = Call::to("test-secure").bearer(&jwt);
    let end = claims["exp"].as_i64().unwrap();
    assert_eq!(around(&world, end, &call).await, [200, 200, 401, 401]);
}

#[tokio::test]
async fn a_profiles_jwt_ends_after_the_seconds_that_were_asked_for() {
    for (asked, lifetime) in [(json!(1), 1), (json!(60), 60), (json!(null), 3600), (json!(86_400), 86_400)] {
        let world = World::new().await;
        let call = Call::to("profile-authenticate").id(world.demo.id()).header("x-api-key", &world.applications.full);
        let jwt = member(&world.send(&call.json(&json!({ "duration": asked }))).await, "jwt");
        let end = now(&world.stack.clock) + lifetime;
        assert_eq!(claims(&jwt)["exp"], end);
        let call = Call::to("test-secure").bearer(&jwt);
        assert_eq!(around(&world, end, &call).await, [200, 200, 401, 401], "{asked}");
    }
}

#[tokio::test]
async fn a_jwt_from_a_clock_that_runs_ahead_is_taken_up_to_five_seconds() {
    assert_eq!(LEEWAY, Duration::from_secs(5));
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let call = Call::to("test-secure").bearer(&jwt);
    let issued = claims(&jwt)["iat"].as_i64().unwrap();
    for (seconds, status) in [(0, 200), (-4, 200), (-5, 200), (-6, 401), (-3600, 401)] {
        world.stack.clock.set(Timestamp::from_seconds(issued + seconds));
        assert_eq!(world.send(&call).await.status(), status, "{seconds} s");
    }
}

#[tokio::test]
async fn an_auth_header_ends_at_its_expiry() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let end = now(&world.stack.clock) + 1000;
    let body = json!({ "name": "key", "expires": Timestamp::from_seconds(end).as_zoneless() });
    let header = member(&world.send(&Call::to("authheader-add").bearer(&jwt).json(&body)).await, "token");
    let call = Call::to("test-secure").header("x-authorization", &header);
    assert_eq!(around(&world, end, &call).await, [200, 200, 401, 401]);
    let forever = {
        let world = World::new().await;
        let header = world.auth_header(&world.jwt(&world.demo).await).await;
        world.stack.clock.advance(Duration::from_hours(100 * 366 * 24));
        world.send(&Call::to("test-secure").header("x-authorization", &header)).await.status()
    };
    assert_eq!(forever, 200, "without one it does not end");
}

/// Every use of a ticket in the ticket family, and the status of one that is over.
fn uses(world: &World, ticket: &str) -> [(Call, u16); 2] {
    let key = |call: Call| call.header("x-api-key", &world.applications.full);
    let by_ticket = Call::to("api1-profile-by-ticket").parameters(&[("ticketId", ticket)]);
    [(key(Call::to("ticket-get").id(ticket)), 404), (key(by_ticket), 400)]
}

#[tokio::test]
async fn a_ticket_ends_at_its_absolute_limit_however_busy() {
    let world = World::new().await;
    let start = now(&world.stack.clock);
    let ticket = world.ticket(&world.demo).await;
    let calls = uses(&world, &ticket);
    for (seconds, (call, _)) in (0..86_400).step_by(800).zip(calls.iter().cycle()) {
        world.stack.clock.set(Timestamp::from_seconds(start + seconds));
        assert_eq!(world.send(call).await.status(), 200, "{seconds} s");
    }
    for (call, gone) in &calls {
        assert_eq!(around(&world, start + 86_400, call).await, [200, 200, *gone, *gone]);
    }
}

#[tokio::test]
async fn an_idle_ticket_ends_no_earlier_than_its_limit_and_at_most_a_tenth_later() {
    for (used_after, using) in [0, 1, 89, 90, 91, 500, 899].into_iter().flat_map(|after| [(after, 0), (after, 1)]) {
        let world = World::new().await;
        let start = now(&world.stack.clock);
        let ticket = world.ticket(&world.demo).await;
        let (call, gone) = &uses(&world, &ticket)[using];
        let at = |seconds| world.stack.clock.set(Timestamp::from_seconds(start + seconds));
        at(used_after);
        let _earlier = world.stack.store.take_calls();
        assert_eq!(world.send(call).await.status(), 200);
        let calls = world.stack.store.take_calls();
        let wrote = calls.contains(&"touch_ticket");
        assert_eq!(wrote, used_after >= 90, "one write in a tenth of the limit");
        at(used_after + 990);
        assert_eq!(world.send(call).await.status(), *gone, "used after {used_after} s, then idle for 1.1 limits");
        let world = World::new().await;
        let ticket = world.ticket(&world.demo).await;
        let (call, _) = &uses(&world, &ticket)[using];
        let at = |seconds| world.stack.clock.set(Timestamp::from_seconds(start + seconds));
        at(used_after);
        assert_eq!(world.send(call).await.status(), 200);
        at(used_after + 899);
        assert_eq!(world.send(call).await.status(), 200, "used after {used_after} s, then idle for 899 s");
    }
}

#[tokio::test]
async fn an_access_token_ends_at_its_expiry() {
    let world = World::new().await;
    let ticket = world.ticket(&world.demo).await;
    let call = Call::to("ticket-get").id(&ticket).header("x-api-key", &world.applications.expired);
    let end = now(&world.stack.clock);
    let world_before = [-1000, -1].map(|millis| Timestamp::from_millis(end * 1000 + millis));
    for moment in world_before {
        world.stack.clock.set(moment);
        assert_eq!(world.send(&call).await.status(), 200);
    }
    world.stack.clock.set(Timestamp::from_seconds(end));
    let response = world.send(&call).await;
    assert_eq!(response.status(), 403);
    assert!(response.body().contains("Access token for application \\\"expired\\\" expired"), "{}", response.body());
}

#[tokio::test]
async fn a_password_ends_at_its_expiry_and_only_its_owner_is_told() {
    let world = World::new().await;
    let login = |password: &str| Call::to("user-login").json(&json!({ "username": "expired", "password": password }));
    let end = now(&world.stack.clock);
    let right = login(&world.expired.password);
    assert_eq!(around(&world, end, &right).await, [200, 200, 403, 403]);
    assert_eq!(around(&world, end, &login("wrong")).await, [401; 4]);
}

#[tokio::test]
async fn nothing_happens_in_2038() {
    for algorithm in [Algorithm::Rs256, Algorithm::EdDsa] {
        let keys = KeySet::generate(algorithm, Timestamp::from_seconds(0)).unwrap();
        for start in [i64::from(i32::MAX) - 1800, i64::from(i32::MAX), i64::from(u32::MAX) - 10, 253_402_300_000 - 7200]
        {
            let world = World::with_keys(&keys).await;
            world.stack.clock.set(Timestamp::from_seconds(start));
            let jwt = world.jwt(&world.demo).await;
            assert_eq!(claims(&jwt)["exp"], start + 3600);
            let call = Call::to("test-secure").bearer(&jwt);
            assert_eq!(around(&world, start + 3600, &call).await, [200, 200, 401, 401], "{start}");
        }
    }
}
