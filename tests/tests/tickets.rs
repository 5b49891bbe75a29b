//! Tickets that an application makes for somebody, and profiles that are read by a ticket.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Clock as _;
use shared::gateway::Response;
use shared::one_time::OneTimeKey;
use shared::store::{Administration as _, Lookup, Store as _, Write};
use shared::tenant::TenantName;
use shared::ticket::{Origin, TicketKey};
use tests::paced::Paced;
use tests::world::member;
use tests::{Account, Call, World};

const CREATE: &str = "ticket-create";
const BY_TICKET: &str = "api1-profile-by-ticket";

fn body(response: &Response) -> Value {
    serde_json::from_str(response.body()).unwrap_or_default()
}

fn told(response: &Response) -> (u16, String) {
    (response.status(), body(response)["errorCode"].as_str().unwrap_or_default().to_owned())
}

/// What existing clients take for "go to the login page": a 404 is something else to them.
fn gone() -> (u16, String) {
    (400, "NO_SUCH_TICKET".to_owned())
}

fn pass(world: &World, seconds: u64) {
    world.stack.clock.advance(Duration::from_secs(seconds));
}

fn create(world: &World, profile: &str) -> Call {
    Call::to(CREATE).header("x-access-token-id", &world.applications.full).parameters(&[("profileId", profile)])
}

fn read(world: &World, ticket: &str) -> Call {
    Call::to(BY_TICKET).header("x-access-token-id", &world.applications.full).parameters(&[("ticketId", ticket)])
}

fn get(world: &World, ticket: &str) -> Call {
    Call::to("ticket-get").header("x-access-token-id", &world.applications.full).id(ticket)
}

async fn made(world: &World, account: &Account) -> String {
    member(&world.send(&create(world, account.id())).await, "id")
}

#[tokio::test]
async fn a_ticket_that_an_application_made_is_like_one_of_a_password() {
    let world = World::new().await;
    let answer = body(&world.send(&create(&world, world.passwordless.id())).await);
    let now = world.stack.clock.now();
    let id = answer["id"].as_str().unwrap();
    let expected =
        json!({ "tenant": "demo", "profileId": world.passwordless.id(), "lastRequestTime": now.as_millis(), "id": id });
    assert_eq!(answer, expected);
    assert_eq!(body(&world.send(&get(&world, id)).await), answer);
    assert_eq!(body(&world.send(&read(&world, id)).await)["id"], world.passwordless.id());
    let ticket = world.stack.store.tickets().remove(0);
    assert_eq!((ticket.origin, ticket.expires), (Origin::Ticket, now.plus(Duration::from_secs(86_400))));
    assert_eq!((ticket.idle, ticket.source.network), (Some(Duration::from_secs(900)), Some("203.0.113.0/24".into())));
    let end = Call::to("ticket-invalidate").header("x-api-key", &world.applications.full).id(id);
    assert_eq!(world.send(&end).await.status(), 200);
    assert_eq!(told(&world.send(&read(&world, id)).await), gone());
}

#[tokio::test]
async fn it_lives_as_long_as_its_tenant_says() {
    let world = World::new().await;
    let name = TenantName::parse("demo").unwrap();
    let wanted = Lookup { tenant: Some(name), ..Lookup::default() };
    let mut tenant = world.stack.store.lookup(wanted).await.unwrap().tenant.unwrap();
    tenant.settings.lifetimes.ticket_idle = Some(Duration::from_secs(100));
    tenant.settings.lifetimes.ticket_max = Some(Duration::from_secs(300));
    assert_eq!(world.stack.store.update_tenant(&tenant).await.unwrap(), Write::Done);
    let (idle, busy) = (made(&world, &world.demo).await, made(&world, &world.demo).await);
    for _ in 0..3 {
        pass(&world, 99);
        assert_eq!(world.send(&read(&world, &busy)).await.status(), 200);
    }
    pass(&world, 3);
    assert_eq!(told(&world.send(&read(&world, &busy)).await), gone(), "the absolute limit");
    assert_eq!(told(&world.send(&read(&world, &idle)).await), gone(), "the idle limit");
}

#[tokio::test]
async fn the_application_comes_first_and_sees_only_its_own_tenants() {
    let world = World::new().await;
    let keys = &world.applications;
    let ticket = made(&world, &world.demo).await;
    let before = world.stack.store.tickets();
    let denied = |code: &str| (403, code.to_owned());
    let no_profile = (404, "NO_SUCH_PROFILE".to_owned());
    for (call, unseen) in [
        (Call::to(CREATE).parameters(&[("profileId", world.demo.id())]), no_profile),
        (Call::to(BY_TICKET).parameters(&[("ticketId", &ticket)]), gone()),
    ] {
        let name = call.route().name;
        assert_eq!(told(&world.send(&call).await), denied("ACCESS_DENIED"), "{name}: without one");
        for (key, expected) in [
            ("unknown-access-token", denied("ACCESS_DENIED")),
            (&keys.expired, denied("ACCESS_DENIED")),
            (&keys.master, denied("ACTION_DENIED")),
            (&keys.other, unseen),
        ] {
            let answer = world.send(&call.clone().header("x-api-key", key)).await;
            assert_eq!(told(&answer), expected, "{name}");
            assert!(!answer.body().contains(key), "{name}: never echoed");
        }
    }
    let profiles_alone = create(&world, world.demo.id()).header("x-access-token-id", &keys.profiles);
    assert_eq!(told(&world.send(&profiles_alone).await), denied("ACTION_DENIED"));
    for key in [&keys.tickets, &keys.profiles] {
        let lacking = read(&world, &ticket).header("x-access-token-id", key);
        assert_eq!(told(&world.send(&lacking).await), denied("ACTION_DENIED"), "neither is enough by itself");
    }
    assert_eq!(world.stack.store.tickets(), before, "nothing was made, nothing noted");
}

#[tokio::test]
async fn what_is_asked_is_looked_at_before_the_store_and_told_by_its_name() {
    let world = World::new().await;
    for (name, parameter) in [(CREATE, "profileId"), (BY_TICKET, "ticketId")] {
        let missing = Call::to(name).header("x-api-key", &world.applications.full);
        let answer = world.send(&missing).await;
        assert_eq!(told(&answer), (400, "OTHER".to_owned()));
        assert_eq!(body(&answer)["message"], format!("Required parameter '{parameter}' is not present"));
        let stranger = Call::to(name).header("x-api-key", "unknown-access-token");
        assert_eq!(world.send(&stranger).await.status(), 403, "a stranger is not told what is missing");
        let _earlier = world.stack.store.take_calls();
        for query in [
            format!("{parameter}={}", "a".repeat(600)),
            format!("{parameter}=a&{parameter}=b"),
            format!("{parameter}=%ff"),
        ] {
            let call = Call::to(name).header("x-api-key", &world.applications.full).query(&query);
            let answer = world.send(&call).await;
            assert_eq!(told(&answer), (400, "OTHER".to_owned()), "{query}");
            assert!(body(&answer)["message"].as_str().unwrap().starts_with(parameter), "{}", answer.body());
        }
        assert!(world.stack.store.take_calls().is_empty(), "bad input costs no store call");
    }
    for profile in ["", "x", "a/b", "\u{1f600}", "0198a6b0-7a3c-4d42-9b1e-5f0c2d4e6a81"] {
        assert_eq!(told(&world.send(&create(&world, profile)).await), (404, "NO_SUCH_PROFILE".to_owned()), "{profile}");
    }
    let disabled = world.send(&create(&world, world.disabled.id())).await;
    assert_eq!(told(&disabled), (403, "DISABLED_PROFILE".to_owned()));
    let series = world.persistent_login(&world.demo).await.0;
    for ticket in ["", "x", "\u{1f600}", &"A".repeat(200), &series] {
        assert_eq!(told(&world.send(&read(&world, ticket)).await), gone(), "{ticket}");
    }
    assert!(world.stack.store.tickets().is_empty());
}

#[tokio::test]
async fn a_profile_read_by_a_ticket_shows_the_attributes_that_are_asked_for() {
    let world = World::new().await;
    world.stack.store.edit_user(&world.demo.user.id, |user| {
        user.attributes.insert("size".to_owned(), json!({ "shoes": 43 }));
    });
    let ticket = made(&world, &world.demo).await;
    let whole = body(&world.send(&read(&world, &ticket)).await);
    let (user, created) = (&world.demo.user, world.demo.user.created.as_millis());
    let expected = json!({
        "id": world.demo.id(), "tenant": "demo", "username": "demo", "email": "demo@demo.example", "verified": false,
        "enabled": true, "createdOn": created, "lastModified": user.modified.as_millis(), "roles": ["reader"],
        "attributes": { "home": "demo-demo", "size": { "shoes": 43 } },
    });
    assert_eq!(whole, expected);
    for (query, attributes) in [
        ("attributeToReturn=size", json!({ "size": { "shoes": 43 } })),
        ("attributesToReturn=home&attributeToReturn=size", whole["attributes"].clone()),
        ("attributeToReturn=%24none", json!({})),
        ("attributeToReturn=unknown", json!({})),
    ] {
        let call = Call::to(BY_TICKET).header("x-api-key", &world.applications.full);
        let answer = body(&world.send(&call.query(&format!("ticketId={ticket}&{query}"))).await);
        assert_eq!(answer["attributes"], attributes, "{query}");
        assert_eq!(answer["id"], world.demo.id());
    }
}

#[tokio::test]
async fn a_disabled_profile_is_told_from_a_ticket_that_is_over() {
    let world = World::new().await;
    let ticket = made(&world, &world.demo).await;
    let now = world.stack.clock.now();
    let set = async |enabled| {
        assert_eq!(world.stack.store.set_enabled(&world.demo.user, enabled, now).await.unwrap(), Write::Done);
    };
    set(false).await;
    assert_eq!(told(&world.send(&read(&world, &ticket)).await), (403, "DISABLED_PROFILE".to_owned()));
    assert_eq!(told(&world.send(&get(&world, &ticket)).await), (404, "NO_SUCH_TICKET".to_owned()));
    pass(&world, 990);
    assert_eq!(told(&world.send(&read(&world, &ticket)).await), gone(), "and over besides");
    world.stack.clock.set(now);
    set(true).await;
    assert_eq!(told(&world.send(&read(&world, &ticket)).await), gone(), "enabling revives nothing");
}

#[tokio::test]
async fn a_ticket_dies_with_its_user_s_sessions() {
    let world = World::new().await;
    let ticket = made(&world, &world.demo).await;
    assert_eq!(world.send(&Call::new_password("demo", &world.demo.password)).await.status(), 200);
    assert_eq!(told(&world.send(&read(&world, &ticket)).await), gone());
    let ticket = made(&world, &world.demo).await;
    let wanted = Lookup { users: vec![world.demo.user.id.clone()], ..Lookup::default() };
    let user = world.stack.store.lookup(wanted).await.unwrap().users.remove(0);
    assert_eq!(world.stack.store.delete_user(&user, world.stack.clock.now()).await.unwrap(), Write::Done);
    assert_eq!(told(&world.send(&read(&world, &ticket)).await), gone());
}

#[tokio::test]
async fn reading_by_a_ticket_is_one_read_and_one_write_in_a_tenth_of_the_idle_limit() {
    let world = World::new().await;
    let ticket = made(&world, &world.demo).await;
    let key = TicketKey::of(&ticket).unwrap();
    let began = world.stack.clock.now();
    let last_request = || world.stack.store.tickets().iter().find(|stored| stored.key == key).unwrap().last_request;
    for (seconds, noted) in [(0, 0), (89, 0), (90, 90), (91, 90), (179, 90), (180, 180), (900, 900)] {
        world.stack.clock.set(began.plus(Duration::from_secs(seconds)));
        for again in [false, true] {
            let _earlier = world.stack.store.take_calls();
            assert_eq!(world.send(&read(&world, &ticket)).await.status(), 200, "{seconds} s");
            let calls = world.stack.store.take_calls();
            let expected: &[_] =
                if noted == seconds && seconds > 0 && !again { &["lookup", "touch_ticket"] } else { &["lookup"] };
            assert_eq!(calls, expected, "{seconds} s");
            assert_eq!(last_request(), began.plus(Duration::from_secs(noted)), "{seconds} s");
        }
    }
}

#[tokio::test]
async fn a_use_revives_no_ticket_that_was_invalidated_meanwhile() {
    for round in 0..200 {
        let mut world = World::new().await;
        let clock = Arc::new(world.stack.clock.clone());
        world.rewire(Paced::new(world.stack.store.clone(), round), clock);
        let ticket = made(&world, &world.demo).await;
        pass(&world, 100);
        let end = Call::to("ticket-invalidate").header("x-api-key", &world.applications.full).id(&ticket);
        let (by_ticket, itself) = (read(&world, &ticket), get(&world, &ticket));
        let (profile, ended, seen) = tokio::join!(world.send(&by_ticket), world.send(&end), world.send(&itself));
        assert!(profile.status() == 200 || told(&profile) == gone(), "round {round}: {}", profile.body());
        assert!(matches!(seen.status(), 200 | 404), "round {round}");
        assert_eq!(ended.status(), 200);
        assert_eq!(told(&world.send(&by_ticket).await), gone(), "round {round}");
        assert!(world.stack.store.tickets().is_empty(), "round {round}: nothing is left");
    }
}

#[tokio::test]
async fn in_an_outage_nobody_is_sent_to_the_login_page() {
    let world = World::new().await;
    let ticket = made(&world, &world.demo).await;
    pass(&world, 100);
    let before = world.stack.store.tickets();
    // The rules of the tenant are known by now, so making one is two calls.
    for call in [create(&world, world.demo.id()), read(&world, &ticket)] {
        for done in 0..2 {
            world.stack.store.fail_after(Some(done));
            let answer = world.send(&call).await;
            world.stack.store.fail_after(None);
            assert_eq!(told(&answer), (503, "OTHER".to_owned()), "{} after {done} calls", call.route().name);
            assert_eq!(world.stack.store.tickets(), before);
        }
    }
    assert_eq!(world.send(&read(&world, &ticket)).await.status(), 200);
}

/// By another clock, which is behind, it still lives: so an end that is acknowledged has to be one.
#[tokio::test]
async fn what_is_over_by_this_clock_is_ended_for_every_other_one() {
    let world = World::new().await;
    let store = &world.stack.store;
    let (ticket, _) = (world.ticket(&world.demo).await, world.ticket(&world.demo).await);
    let (series, _) = world.persistent_login(&world.demo).await;
    let sent = world.verification_token(&world.demo).await;
    let end = |name| Call::to(name).header("x-api-key", &world.applications.full);
    let (tickets, series_left) = (store.tickets().len(), store.persistent_logins().len());
    assert!(tickets > 1 && series_left > 0);
    // After the longest of the three lives.
    world.stack.clock.advance(Duration::from_secs(60 * 86_400));
    for (call, status) in [
        (end("ticket-invalidate").id(&ticket), 200),
        (end("persistent-login-delete").id(&series), 200),
        (end("verification-token-delete").id(&sent), 200),
    ] {
        assert_eq!(world.send(&call).await.status(), status, "{}", call.route().name);
    }
    assert_eq!(store.tickets().len(), tickets - 1, "that one, and the other is the control");
    assert_eq!(store.persistent_logins().len(), series_left - 1);
    assert!(
        store.lookup(Lookup { one_time: OneTimeKey::of(&sent), ..Lookup::default() }).await.unwrap().one_time.is_none()
    );
}
