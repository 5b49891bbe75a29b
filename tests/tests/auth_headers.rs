//! Auth headers over their whole life: limits, use, rotation with an overlap, and the end of one that leaked.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shared::auth_header::{AuthHeader, AuthHeaderKey, Choices, MAX_PER_USER};
use shared::clock::{Clock, Timestamp};
use shared::gateway::Response;
use shared::secret::Digest;
use shared::store::{Administration as _, Store as _, Write};
use shared::testing::SeededRandom;
use tests::paced::{Notes, Paced};
use tests::world::member;
use tests::{Account, Call, Dice, World, escaped, note, read};

fn used(header: &str) -> Call {
    Call::to("test-secure").header("x-authorization", header)
}

fn rotation(jwt: &str, wanted: &Value) -> Call {
    Call::to("authheader-rotate").bearer(jwt).json(wanted)
}

/// An auth header as somebody wants it.
async fn made(world: &World, jwt: &str, wanted: &Value) -> String {
    member(&world.send(&Call::to("authheader-add").bearer(jwt).json(wanted)).await, "token")
}

async fn rotated(world: &World, jwt: &str, text: &str, overlap: u64) -> String {
    member(&world.send(&rotation(jwt, &json!({ "text": text, "overlap": overlap }))).await, "token")
}

async fn works(world: &World, header: &str) -> bool {
    world.send(&used(header)).await.status() == 200
}

fn id(header: &str) -> String {
    Digest::of(header.as_bytes()).to_base64url()
}

/// The owner's list, by id.
async fn listed(world: &World, jwt: &str, header: &str) -> Value {
    let response = world.send(&Call::to("authheader-list").bearer(jwt)).await;
    let all: Vec<Value> = serde_json::from_str(response.body()).unwrap();
    all.into_iter().find(|one| one["id"] == id(header)).unwrap_or_default()
}

async fn stored(world: &World, account: &Account) -> Vec<AuthHeader> {
    world.stack.store.auth_headers(&account.user.id).await.unwrap()
}

/// The answers a second before `end`, in the last millisecond before it, at it and a second later.
async fn around(world: &World, end: Timestamp, call: &Call) -> [u16; 4] {
    let mut statuses = [0; 4];
    for (status, millis) in statuses.iter_mut().zip([-1000, -1, 0, 1000]) {
        world.stack.clock.set(Timestamp::from_millis(end.as_millis() + millis));
        *status = world.send(call).await.status();
    }
    statuses
}

/// The store calls of one request.
async fn calls_of(world: &World, call: &Call) -> Vec<&'static str> {
    let _earlier = world.stack.store.take_calls();
    world.send(call).await;
    world.stack.store.take_calls()
}

/// Lets what was started beside the requests come to its end.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

const UNTIL_THE_END: [u16; 4] = [200, 200, 401, 401];

#[tokio::test]
async fn a_rotation_keeps_name_and_scopes_and_shows_a_new_token_once() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let old = made(&world, &jwt, &json!({ "name": "backup", "scopes": ["a:read", "b"] })).await;
    world.stack.clock.advance(Duration::from_secs(100));
    let now = world.stack.clock.now();
    let response = world.send(&rotation(&jwt, &json!({ "text": old, "overlap": 60 }))).await;
    let new = member(&response, "token");
    let expected = json!({ "id": id(&new), "name": "backup", "token": new, "created": now.as_zoneless() });
    assert_eq!(serde_json::from_str::<Value>(response.body()).unwrap(), expected);
    assert_ne!(new, old);
    let (first, second) = (listed(&world, &jwt, &old).await, listed(&world, &jwt, &new).await);
    for one in [&first, &second] {
        assert_eq!((&one["name"], &one["scopes"]), (&json!("backup"), &json!(["a:read", "b"])));
    }
    assert_eq!(first["expires"], now.plus(Duration::from_secs(60)).as_zoneless());
    assert_eq!(second.get("expires"), None, "one without an end is followed by one without an end");
    assert!(!second["token"].as_str().unwrap().contains(&new), "the list has the display form");
}

#[tokio::test]
async fn the_old_one_goes_on_exactly_until_the_overlap_ends() {
    for overlap in [1, 60, 86_400, 2_592_000] {
        let world = World::new().await;
        let jwt = world.jwt(&world.demo).await;
        let old = world.auth_header(&jwt).await;
        let new = rotated(&world, &jwt, &old, overlap).await;
        let end = world.stack.clock.now().plus(Duration::from_secs(overlap));
        assert_eq!(around(&world, end, &used(&old)).await, UNTIL_THE_END, "{overlap}");
        assert!(works(&world, &new).await, "{overlap}");
    }
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let old = world.auth_header(&jwt).await;
    let new = rotated(&world, &jwt, &old, 0).await;
    assert!(!works(&world, &old).await, "without an overlap it ends at once");
    assert!(works(&world, &new).await);
}

#[tokio::test]
async fn a_rotation_never_prolongs_the_old_one() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let end = world.stack.clock.now().plus(Duration::from_secs(100));
    let old = made(&world, &jwt, &json!({ "name": "key", "expires": end.as_zoneless() })).await;
    rotated(&world, &jwt, &old, 1000).await;
    assert_eq!(listed(&world, &jwt, &old).await["expires"], end.as_zoneless());
    rotated(&world, &jwt, &old, 50).await;
    let sooner = world.stack.clock.now().plus(Duration::from_secs(50));
    assert_eq!(listed(&world, &jwt, &old).await["expires"], sooner.as_zoneless());
    rotated(&world, &jwt, &old, 90).await;
    assert_eq!(around(&world, sooner, &used(&old)).await, UNTIL_THE_END, "the earliest end counts");
}

#[tokio::test]
async fn a_new_one_lives_as_long_as_the_old_one_was_to_or_as_is_asked_for() {
    let world = World::new().await;
    let (start, jwt) = (world.stack.clock.now(), world.jwt(&world.demo).await);
    let end = |seconds| start.plus(Duration::from_secs(seconds));
    let old = made(&world, &jwt, &json!({ "name": "key", "expires": end(1000).as_zoneless() })).await;
    world.stack.clock.advance(Duration::from_secs(400));
    let new = rotated(&world, &jwt, &old, 10).await;
    let other = made(&world, &jwt, &json!({ "name": "key" })).await;
    let wanted = json!({ "text": other, "overlap": 10, "expires": end(500).as_zoneless() });
    let asked = member(&world.send(&rotation(&jwt, &wanted)).await, "token");
    for expires in [end(400), end(0)] {
        let wanted = json!({ "text": asked, "overlap": 1, "expires": expires.as_zoneless() });
        let response = world.send(&rotation(&jwt, &wanted)).await;
        assert_eq!(response.status(), 400);
        assert!(response.body().contains("expires must lie in the future"), "{}", response.body());
    }
    assert_eq!(around(&world, end(500), &used(&asked)).await, UNTIL_THE_END);
    assert_eq!(around(&world, end(1400), &used(&new)).await, UNTIL_THE_END);
}

/// A client that lost the answer tries again.
#[tokio::test]
async fn a_second_rotation_of_the_same_one_inherits_no_end_from_the_overlap() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let old = world.auth_header(&jwt).await;
    for _ in 0..3 {
        world.stack.clock.advance(Duration::from_secs(5));
        let new = rotated(&world, &jwt, &old, 60).await;
        assert_eq!(listed(&world, &jwt, &new).await.get("expires"), None);
    }
    let start = world.stack.clock.now();
    let end = start.plus(Duration::from_secs(1000)).as_zoneless();
    let limited = made(&world, &jwt, &json!({ "name": "key", "expires": end })).await;
    for _ in 0..3 {
        world.stack.clock.advance(Duration::from_secs(5));
        let new = rotated(&world, &jwt, &limited, 60).await;
        let expires = world.stack.clock.now().plus(Duration::from_secs(1000)).as_zoneless();
        assert_eq!(listed(&world, &jwt, &new).await["expires"], expires);
    }
}

#[tokio::test]
async fn it_is_named_by_token_display_form_or_id() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    for way in 0..3 {
        let old = world.auth_header(&jwt).await;
        let display = listed(&world, &jwt, &old).await["token"].as_str().unwrap().to_owned();
        let text = [format!(" {old}\n"), display, id(&old)][way].clone();
        let new = rotated(&world, &jwt, &text, 0).await;
        assert_eq!((works(&world, &old).await, works(&world, &new).await), (false, true), "{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_rotated_is_not_there_whatever_the_cause() {
    let world = World::new().await;
    let (jwt, others) = (world.jwt(&world.demo).await, world.jwt(&world.other).await);
    let (foreign, neighbours) = (world.auth_header(&others).await, {
        let admin = world.jwt(&world.admin).await;
        world.auth_header(&admin).await
    });
    let display = listed(&world, &others, &foreign).await["token"].as_str().unwrap().to_owned();
    let deleted = world.auth_header(&jwt).await;
    world.send(&Call::to("authheader-delete").bearer(&jwt).json(&json!({ "text": deleted }))).await;
    let soon = world.stack.clock.now().plus(Duration::from_secs(10)).as_zoneless();
    let expired = made(&world, &jwt, &json!({ "name": "key", "expires": soon })).await;
    let replaced = world.auth_header(&jwt).await;
    rotated(&world, &jwt, &replaced, 10).await;
    let dead = world.auth_header(&jwt).await;
    world.stack.store.edit_user(&world.demo.user.id, |user| user.key_epoch += 1);
    world.stack.clock.advance(Duration::from_secs(10));
    let before = stored(&world, &world.demo).await;
    let expected = world.send(&rotation(&jwt, &json!({ "text": "unknown", "overlap": 5 }))).await;
    assert_eq!(expected.status(), 404, "{}", expected.body());
    for (what, text) in [
        ("another tenant's", foreign.as_str()),
        ("another tenant's id", &id(&foreign)),
        ("another tenant's display form", &display),
        ("a neighbour's", &neighbours),
        ("a neighbour's id", &id(&neighbours)),
        ("a deleted one", &deleted),
        ("a deleted one's id", &id(&deleted)),
        ("an expired one", &expired),
        ("an expired one's id", &id(&expired)),
        ("one whose overlap is over", &replaced),
        ("one of before a disabling", &dead),
        ("a JWT", &jwt[..200]),
        ("a prefix", "ost_"),
        ("a star", "*"),
    ] {
        let response = world.send(&rotation(&jwt, &json!({ "text": text, "overlap": 5 }))).await;
        assert_eq!(response, expected, "{what}");
    }
    assert!(stored(&world, &world.demo).await == before, "nothing was made or changed");
    assert!(works(&world, &foreign).await && works(&world, &neighbours).await);
}

#[tokio::test]
async fn a_rotation_needs_a_jwt_from_a_login() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let header = world.auth_header(&jwt).await;
    let call = Call::to("authheader-rotate").json(&json!({ "text": header, "overlap": 0 }));
    for (call, status) in [
        (call.clone(), 401),
        (call.clone().header("x-authorization", &header), 401),
        (call.clone().bearer(&header), 401),
        (call.clone().bearer(&world.ticket(&world.demo).await), 401),
        (call.clone().header("x-api-key", &world.applications.full), 401),
        (call.clone().bearer(&world.profile_jwt(&world.demo).await), 403),
        (call.clone().bearer(&world.jwt(&world.admin).await), 404),
    ] {
        assert_eq!(world.send(&call).await.status(), status);
    }
    assert!(works(&world, &header).await);
    assert_eq!(world.send(&call.bearer(&jwt)).await.status(), 200, "the control");
}

#[tokio::test]
async fn a_rotation_s_input_is_bounded_and_costs_nothing_when_it_is_bad() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let header = world.auth_header(&jwt).await;
    let _earlier = world.stack.store.take_calls();
    for overlap in
        [json!(-1), json!(2_592_001), json!(1.5), json!("60"), json!(true), json!([1]), json!(1e3), json!(null)]
    {
        let response = world.send(&rotation(&jwt, &json!({ "text": header, "overlap": overlap }))).await;
        assert_eq!(response.status(), 400, "{overlap}: {}", response.body());
        assert!(response.body().contains("overlap "), "{}", response.body());
    }
    for (wanted, named) in [
        (json!({ "text": header }), "overlap is required"),
        (json!({ "overlap": 1 }), "text is required"),
        (json!({ "text": "", "overlap": 1 }), "text must not be empty"),
        (json!({ "text": "x".repeat(257), "overlap": 1 }), "text is too long"),
        (json!({ "text": [header], "overlap": 1 }), "text must be a string"),
        (json!({ "text": header, "overlap": 1, "expires": 5 }), "expires must be"),
        (json!({ "text": header, "overlap": 1, "expires": "tomorrow" }), "expires must be"),
        (json!({ "text": header, "overlap": 1, "name": "x" }), "field 'name' is not known"),
        (json!({ "text": header, "overlap": 1, "scopes": ["x"] }), "field 'scopes' is not known"),
        (json!({ "text": header, "overlap": 1, "Overlap": 1 }), "must be given once"),
    ] {
        let response = world.send(&rotation(&jwt, &wanted)).await;
        assert_eq!(response.status(), 400, "{wanted}: {}", response.body());
        assert!(response.body().contains(named), "{wanted}: {}", response.body());
    }
    assert_eq!(world.stack.store.take_calls(), Vec::<&str>::new());
    let good = rotation(&jwt, &json!({ "Text": header, "OVERLAP": 2_592_000 }));
    assert_eq!(calls_of(&world, &good).await, ["lookup", "auth_headers", "rotate_auth_header"]);
}

#[tokio::test]
async fn one_user_s_auth_headers_are_bounded() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let old = world.auth_header(&jwt).await;
    let (now, random) = (world.stack.clock.now(), SeededRandom::new(77));
    for _ in 0..MAX_PER_USER - 2 {
        let (header, _) = AuthHeader::issue(&world.demo.user, Choices::default(), now, &random);
        assert_eq!(world.stack.store.create_auth_header(&header).await.unwrap(), Write::Done);
    }
    let last = rotated(&world, &jwt, &old, 60).await;
    assert_eq!(stored(&world, &world.demo).await.len(), MAX_PER_USER);
    let full = world.send(&rotation(&jwt, &json!({ "text": last, "overlap": 60 }))).await;
    assert_eq!(full.status(), 400);
    assert!(full.body().contains("there are 1000 auth headers"), "{}", full.body());
    assert_eq!(stored(&world, &world.demo).await.len(), MAX_PER_USER);
    assert!(works(&world, &last).await);
}

/// A world in which rotation, deletion and the report of a leak go step by step, so that they can overtake each other.
async fn interleaving(seed: u64) -> World {
    let mut world = World::new().await;
    let store = Paced::new(world.stack.store.clone(), seed);
    rewire(&mut world, store);
    world
}

fn rewire(world: &mut World, store: Paced) {
    let clock: Arc<dyn Clock> = Arc::new(world.stack.clock.clone());
    world.rewire(store, clock);
}

#[tokio::test]
async fn of_parallel_rotations_none_prolongs_what_another_one_ended() {
    let (mut won, mut lost) = (0, 0);
    for round in 0..200 {
        let world = interleaving(round).await;
        let (jwt, dice, now) = (world.jwt(&world.demo).await, Dice::new(round), world.stack.clock.now());
        let old = world.auth_header(&jwt).await;
        let overlaps: Vec<u64> = (0..8).map(|_| dice.one(&[0, 1, 5, 60, 1000])).collect();
        let calls: Vec<Call> =
            overlaps.iter().map(|overlap| rotation(&jwt, &json!({ "text": old, "overlap": overlap }))).collect();
        let responses = futures_util::future::join_all(calls.iter().map(|call| world.send(call))).await;
        let statuses: Vec<u16> = responses.iter().map(Response::status).collect();
        assert!(statuses.iter().all(|status| matches!(status, 200 | 404)), "{statuses:?}");
        let done = overlaps.iter().zip(&statuses).filter(|(_, status)| **status == 200);
        let least = done.map(|(overlap, _)| *overlap).min().expect("one of them comes first");
        let all = stored(&world, &world.demo).await;
        let kept = all.iter().find(|header| header.key.digest.to_base64url() == id(&old)).unwrap();
        assert_eq!(kept.expires, Some(now.plus(Duration::from_secs(least))), "{overlaps:?} {statuses:?}");
        let winners = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!(all.len(), 1 + winners, "a refused rotation makes nothing");
        won += winners;
        lost += statuses.len() - winners;
    }
    assert!(won > 200 && lost > 200, "the rounds differ: {won} and {lost}");
}

#[tokio::test]
async fn a_rotation_brings_nothing_back_that_was_ended_meanwhile() {
    for round in 0..100 {
        let world = interleaving(round as u64).await;
        let jwt = world.jwt(&world.demo).await;
        let old = world.auth_header(&jwt).await;
        let ends = [
            Call::to("authheader-delete").bearer(&jwt).json(&json!({ "text": old })),
            Call::to("authheader-report-leaked").json(&json!({ "token": old })),
        ];
        let rotate = rotation(&jwt, &json!({ "text": old, "overlap": 1000 }));
        let delayed = async {
            for _ in 0..round % 5 {
                tokio::task::yield_now().await;
            }
            world.send(&ends[round % 2]).await
        };
        let (_, ended) = tokio::join!(world.send(&rotate), delayed);
        assert_eq!(ended.status(), 200);
        assert!(!works(&world, &old).await, "round {round}");
    }
}

#[tokio::test]
async fn a_rotation_in_an_outage_leaves_the_old_one_alone() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let old = world.auth_header(&jwt).await;
    let before = stored(&world, &world.demo).await;
    for calls in 0..3 {
        world.stack.store.fail_after(Some(calls));
        let response = world.send(&rotation(&jwt, &json!({ "text": old, "overlap": 0 }))).await;
        assert_eq!(response.status(), 503, "{calls}: {}", response.body());
        world.stack.store.fail_after(None);
        assert!(stored(&world, &world.demo).await == before, "{calls}");
    }
    assert!(works(&world, &old).await);
}

fn leaked(token: &str) -> Call {
    Call::to("authheader-report-leaked").json(&json!({ "token": token }))
}

#[tokio::test]
async fn a_reported_auth_header_ends_at_once_and_no_other() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    for way in 0..3 {
        let (header, other) = (world.auth_header(&jwt).await, world.auth_header(&jwt).await);
        let call = match way {
            0 => leaked(&header),
            1 => Call::to("authheader-report-leaked").body("text/plain", &format!("  {header}\r\n")),
            _ => leaked(&header).bearer("anything").header("x-api-key", "anything"),
        };
        assert!(works(&world, &header).await);
        settle().await;
        assert_eq!(calls_of(&world, &call).await, ["delete_auth_header"]);
        assert!(!works(&world, &header).await);
        assert!(works(&world, &other).await);
        assert_eq!(listed(&world, &jwt, &header).await, Value::Null, "and it is gone from the list");
    }
}

#[tokio::test]
async fn a_report_tells_nothing_about_what_was_reported() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let (now, random) = (world.stack.clock.now(), SeededRandom::new(5));
    let soon = now.plus(Duration::from_secs(10)).as_zoneless();
    let expired = made(&world, &jwt, &json!({ "name": "key", "expires": soon })).await;
    world.stack.clock.advance(Duration::from_secs(10));
    let live = world.auth_header(&jwt).await;
    let admins = world.auth_header(&world.jwt(&world.admin).await).await;
    let written = world.stack.store.set_enabled(&world.admin.user, false, now).await.unwrap();
    assert_eq!(written, Write::Done);
    let unknown = |user: &shared::user::User| {
        AuthHeader::issue(user, Choices::default(), now, &random).1.expose_secret().to_owned()
    };
    let expected = world.send(&leaked(&live)).await;
    assert_eq!((expected.status(), expected.body()), (200, r#"{"message":"Success"}"#));
    for (what, text) in [
        ("the same once more", live.clone()),
        ("an expired one", expired),
        ("a disabled user's", admins),
        ("one that its user never had", unknown(&world.demo.user)),
        ("one of nobody", unknown(&shared::testing::user("nobody"))),
    ] {
        let _earlier = world.stack.store.take_calls();
        assert_eq!(world.send(&leaked(&text)).await, expected, "{what}");
        assert_eq!(world.stack.store.take_calls(), ["delete_auth_header"], "{what}");
    }
    let header = world.auth_header(&jwt).await;
    let ticket = world.ticket(&world.demo).await;
    let display = listed(&world, &jwt, &header).await["token"].as_str().unwrap().to_owned();
    for text in ["x", "ost_", &id(&header), &display, &ticket, &header[..header.len() - 1], &world.applications.full] {
        let _earlier = world.stack.store.take_calls();
        assert_eq!(world.send(&leaked(text)).await, expected, "{text}");
        assert_eq!(world.stack.store.take_calls(), Vec::<&str>::new(), "{text}");
    }
    assert!(works(&world, &header).await, "only the token itself ends it");
    let get = Call::to("ticket-get").id(&ticket).header("x-api-key", &world.applications.full);
    assert_eq!(world.send(&get).await.status(), 200);
    world.stack.store.fail_after(Some(0));
    for text in [&header, &unknown(&world.demo.user)] {
        assert_eq!(world.send(&leaked(text)).await.status(), 503, "an outage is no success");
    }
}

#[tokio::test]
async fn scopes_are_what_oauth_calls_scopes() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let add = |scopes: Value| Call::to("authheader-add").bearer(&jwt).json(&json!({ "name": "key", "scopes": scopes }));
    let many: Vec<String> = (0..16).map(|n| format!("s{n}")).collect();
    for good in [
        json!([]),
        json!(null),
        json!(["a"]),
        json!(["https://example.com/auth/x.y?z=1#!$%&'()*+,-./:;<=>?@[]^_`{|}~"]),
        json!(["x".repeat(64)]),
        json!(many),
    ] {
        let response = world.send(&add(good.clone())).await;
        assert_eq!(response.status(), 200, "{good}: {}", response.body());
        let told = listed(&world, &jwt, &member(&response, "token")).await["scopes"].clone();
        let none = good.as_array().is_none_or(Vec::is_empty);
        assert_eq!(told, if none { Value::Null } else { good });
    }
    for bad in [
        json!(["a b"]),
        json!([" a"]),
        json!(["a\tb"]),
        json!(["a\u{0}"]),
        json!(["a\"b"]),
        json!(["a\\b"]),
        json!(["\u{e9}"]),
        json!(["\u{7f}"]),
        json!([""]),
        json!(["ok", "not ok"]),
        json!(["x".repeat(65)]),
        json!((0..17).map(|n| format!("s{n}")).collect::<Vec<_>>()),
        json!("a"),
        json!([1]),
        json!([["a"]]),
        json!({ "a": "b" }),
    ] {
        let response = world.send(&add(bad.clone())).await;
        assert_eq!(response.status(), 400, "{bad}");
        assert!(response.body().contains("scopes "), "{}", response.body());
    }
}

#[tokio::test]
async fn a_use_is_noted_at_most_once_in_five_minutes() {
    let world = World::new().await;
    let (start, jwt) = (world.stack.clock.now(), world.jwt(&world.demo).await);
    let header = world.auth_header(&jwt).await;
    assert_eq!(listed(&world, &jwt, &header).await.get("lastUsed"), None);
    let mut noted = Vec::new();
    for second in 0..1300 {
        world.stack.clock.set(start.plus(Duration::from_secs(second)));
        assert_eq!(calls_of(&world, &used(&header)).await, ["lookup"], "the answer waits for no write");
        settle().await;
        if !world.stack.store.take_calls().is_empty() {
            noted.push(second);
        }
    }
    assert_eq!(noted, [0, 300, 600, 900, 1200]);
    let last = start.plus(Duration::from_secs(1200)).as_zoneless();
    assert_eq!(listed(&world, &jwt, &header).await["lastUsed"], last);
}

#[tokio::test]
async fn of_a_hundred_parallel_uses_one_note_changes_something() {
    let world = World::new().await;
    let (start, jwt) = (world.stack.clock.now(), world.jwt(&world.demo).await);
    let header = world.auth_header(&jwt).await;
    for _ in 0..100 {
        assert!(works(&world, &header).await);
        world.stack.clock.advance(Duration::from_secs(1));
    }
    // Only now do the notes of all of them reach the store.
    settle().await;
    let notes = world.stack.store.take_calls().into_iter().filter(|call| *call == "note_auth_header_use").count();
    assert_eq!(notes, 100);
    assert_eq!(listed(&world, &jwt, &header).await["lastUsed"], start.as_zoneless(), "the first came first");
}

#[tokio::test]
async fn a_refused_use_is_not_noted() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let soon = world.stack.clock.now().plus(Duration::from_secs(1)).as_zoneless();
    let header = made(&world, &jwt, &json!({ "name": "key", "expires": soon })).await;
    world.stack.clock.advance(Duration::from_secs(1));
    let _earlier = world.stack.store.take_calls();
    assert!(!works(&world, &header).await);
    settle().await;
    assert_eq!(world.stack.store.take_calls(), ["lookup"]);
}

#[tokio::test]
async fn a_note_that_hangs_or_fails_harms_nobody() {
    let mut world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let header = world.auth_header(&jwt).await;
    let introspection = Call::to("oauth2-introspect")
        .form(&[("token", &escaped(&header))])
        .header("x-api-key", &world.applications.full);
    world.stack.store.fail_after(Some(1));
    assert!(works(&world, &header).await, "the one call that is let through is the read");
    settle().await;
    world.stack.store.fail_after(None);
    let _earlier = world.stack.store.take_calls();
    let store = Paced::new(world.stack.store.clone(), 1).with_notes(Notes::Hanging);
    rewire(&mut world, store);
    for _ in 0..100 {
        let second = Duration::from_secs(1);
        let (used, asked) = (used(&header), introspection.clone());
        let both = async { (world.send(&used).await.status(), world.send(&asked).await.status()) };
        assert_eq!(tokio::time::timeout(second, both).await, Ok((200, 200)));
    }
    settle().await;
    assert_eq!(world.stack.store.take_calls(), vec!["lookup"; 200], "no note came through");
    assert_eq!(listed(&world, &jwt, &header).await.get("lastUsed"), None);
}

/// Well-formed auth headers that nobody made.
fn unknown(world: &World, count: usize) -> Vec<String> {
    let (now, random) = (world.stack.clock.now(), SeededRandom::new(25));
    let users = [world.demo.user.clone(), shared::testing::user("nobody"), shared::testing::user(&"x".repeat(48))];
    let all = users.iter().cycle().take(count);
    all.map(|user| AuthHeader::issue(user, Choices::default(), now, &random).1.expose_secret().to_owned()).collect()
}

/// Well-formed to the eye: prefix, alphabet and length are right, the checksum is not. Every other one is a real one with
/// two neighbours in each other's place, the commonest typing error.
fn look_alikes(world: &World, count: usize) -> Vec<String> {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let dice = Dice::new(26);
    let random = || -> String {
        let length = 52 + dice.below(72);
        (0..length).map(|_| char::from(dice.one(DIGITS))).collect()
    };
    let mistyped = |real: String| {
        let mut text = real.into_bytes();
        // After the prefix; the same character twice would alter nothing.
        let differs = |place: &usize| text[*place] != text[*place + 1];
        let place = (4 + dice.below(40)..text.len() - 1).find(differs).expect("two that differ");
        text.swap(place, place + 1);
        String::from_utf8(text).unwrap()
    };
    let real = unknown(world, count).into_iter().enumerate();
    real.map(|(number, real)| if number % 2 == 0 { mistyped(real) } else { format!("ost_{}", random()) }).collect()
}

#[tokio::test]
async fn a_hundred_thousand_unknown_auth_headers_cost_one_read_each() {
    let world = World::new().await;
    let introspection = Call::to("oauth2-introspect").header("x-api-key", &world.applications.full);
    let _earlier = world.stack.store.take_calls();
    let mut reads = 0;
    for (number, text) in unknown(&world, 100_000).iter().enumerate() {
        let (call, status, expected) = match number % 3 {
            0 => (introspection.clone().form(&[("token", text)]), 200, "lookup"),
            1 => (leaked(text), 200, "delete_auth_header"),
            _ => (used(text), 401, "lookup"),
        };
        assert_eq!(world.send(&call).await.status(), status, "{text}");
        assert_eq!(world.stack.store.take_calls(), [expected], "{text}");
        reads += 1;
    }
    note("Q25", "unknown-auth-headers-of-one-read-each", reads);
}

#[tokio::test]
async fn a_hundred_thousand_junk_auth_headers_cost_no_read() {
    let world = World::new().await;
    let introspection = Call::to("oauth2-introspect").header("x-api-key", &world.applications.full);
    let _earlier = world.stack.store.take_calls();
    let mut tried = 0;
    for (number, text) in look_alikes(&world, 100_000).iter().enumerate() {
        let (call, status) = if number % 4 < 2 { (leaked(text), 200) } else { (used(text), 401) };
        assert_eq!(world.send(&call).await.status(), status, "{text}");
        assert_eq!(world.stack.store.take_calls(), Vec::<&str>::new(), "{text}");
        if number % 9 == 0 {
            // Here the one read is that of the application.
            assert_eq!(world.send(&introspection.clone().form(&[("token", text)])).await.status(), 200);
            assert_eq!(world.stack.store.take_calls(), ["lookup"], "{text}");
        }
        tried += 1;
    }
    note("Q25", "junk-auth-headers-without-a-read", tried);
}

/// The pattern for secret scanners that the documents print: what it starts with, and how many letters and digits
/// follow.
fn pattern() -> (String, usize, usize) {
    let document = read("docs/security.md");
    let line = document.lines().find(|line| line.starts_with(r"\bost_")).expect("a pattern");
    let (prefix, rest) = line.trim_start_matches(r"\b").split_once("[0-9A-Za-z]{").expect("one class");
    let bounds = rest.strip_suffix(r"}\b").and_then(|bounds| bounds.split_once(',')).expect("bounds");
    (prefix.to_owned(), bounds.0.parse().unwrap(), bounds.1.parse().unwrap())
}

/// What the pattern finds in a text, as every engine of regular expressions would.
fn found(text: &str) -> Vec<&str> {
    let (prefix, least, most) = pattern();
    let word = |c: char| c == '_' || c.is_alphanumeric();
    let places = text.match_indices(&prefix);
    let hits = places.filter_map(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), &text[at + prefix.len()..]);
        let run = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
        let bounded = !before.is_some_and(word) && !after[run..].chars().next().is_some_and(word);
        (bounded && (least..=most).contains(&run)).then(|| &text[at..at + prefix.len() + run])
    });
    hits.collect()
}

#[tokio::test]
async fn the_pattern_for_scanners_finds_every_auth_header_and_little_else() {
    let world = World::new().await;
    let (jwt, ticket) = (world.jwt(&world.demo).await, world.ticket(&world.demo).await);
    for token in unknown(&world, 10_000) {
        for text in [
            token.clone(),
            format!("X-Authorization: {token}\r\n"),
            format!("KEY=\"{token}\"; export KEY"),
            format!("https://example.com/?key={token}&x=1"),
            format!("({token}),"),
        ] {
            assert_eq!(found(&text), [&token], "{text}");
        }
    }
    let header = &unknown(&world, 1)[0];
    let body = &header[4..];
    for text in [
        jwt,
        ticket,
        world.applications.full.clone(),
        format!("h{header}"),
        format!("_{header}"),
        format!("{header}_x"),
        format!("OST_{body}"),
        format!("ost-{body}"),
        format!("ost_{}", &body[..51]),
        format!("ost_{}", "x".repeat(124)),
        listed_form(header),
        "ost_".to_owned(),
        "post_office_box_and_a_cost_function_that_is_quite_long_but_no_token".to_owned(),
        "5f4a4872b7c1d5e0a9b3c6d8e1f2a4b5c7d9e0f1".to_owned(),
    ] {
        assert_eq!(found(&text), Vec::<&str>::new(), "{text}");
    }
    let real = look_alikes(&world, 10_000).into_iter().filter(|text| AuthHeaderKey::of(text).is_some()).count();
    assert_eq!(real, 0, "what the pattern can't tell apart, the checksum does");
}

fn listed_form(header: &str) -> String {
    format!("{}\u{2026}{}", &header[..10], &header[header.len() - 4..])
}
