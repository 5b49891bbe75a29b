//! Forgotten passwords and verified addresses: nobody learns who has an account, and a token serves its one purpose,
//! once, in its time, and only while what it was made for still holds.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::{BehaviorVersion, Credentials, Region};
use futures_util::future::join_all;
use local::{Cloud, dynamodb};
use serde_json::{Value, json};
use shared::aws::EventBridge;
use shared::clock::Clock as _;
use shared::config::Config;
use shared::delivery::{Delivery as _, DeliveryError, EVENT_BYTES, Message};
use shared::gateway::Response;
use shared::lockout::{CounterKey, Place, SWEPT};
use shared::one_time::{LIFETIME, OneTime, OneTimeKey, Purpose};
use shared::random::SystemRandom;
use shared::recovery::PAUSE;
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration, Creation, LoginName, Lookup, NewUser, PasswordChange, Proof, Store, Write};
use shared::tenant::Tenant;
use shared::user::{Email, User};
use tests::paced::Paced;
use tests::{Account, Call, NEW_PASSWORD, World, note};

const SECOND: Duration = Duration::from_secs(1);

fn forgot(name: &str) -> Call {
    Call::to("user-forgot").json(&json!({ "username": name }))
}

fn reset(token: &str, new: &str) -> Call {
    Call::to("user-reset").json(&json!({ "token": token, "new": new, "confirm": new }))
}

fn verify(token: &str) -> Call {
    Call::to("user-verify").json(&json!({ "token": token }))
}

/// The token of the one message that was sent.
fn sent(world: &World) -> Option<String> {
    let mut messages = world.stack.outbox.take();
    assert_eq!(messages.len(), 1, "one call for each request");
    let (_, detail) = messages.remove(0);
    let detail: Value = serde_json::from_str(&detail).unwrap();
    detail["token"].as_str().map(str::to_owned)
}

async fn status(world: &World, call: &Call) -> u16 {
    world.send(call).await.status()
}

async fn login(world: &World, account: &Account, password: &str) -> u16 {
    let body = json!({ "username": account.qualified(), "password": password });
    status(world, &Call::to("user-login").json(&body)).await
}

async fn user(world: &World, account: &Account) -> User {
    let wanted = Lookup { users: vec![account.user.id.clone()], ..Lookup::default() };
    world.stack.store.lookup(wanted).await.unwrap().users.remove(0)
}

/// Who may be asked for: what it is, the name, and whether a message is sent.
fn classes(world: &World) -> Vec<(&'static str, String, bool)> {
    let case = |what, name: &str, told| (what, name.to_owned(), told);
    vec![
        case("an account", "demo", true),
        case("a tenant in another spelling", "OTHER/demo", false),
        case("another tenant's account", "other/demo", true),
        case("an account without a password", "passwordless", true),
        case("an account with an expired password", "expired", true),
        case("an account that was asked for a moment ago", "demo/demo", false),
        case("a disabled account", "disabled", false),
        case("an account without an address", "admin", false),
        case("an unknown name", "nobody", false),
        case("an unknown tenant", "nowhere/demo", false),
        case("a tenant that can't be one", "*/demo", false),
        case("a name that can't be one", "\u{200b}", false),
        case("the name that stands for nobody", "*/*", false),
        case("a name that is too long", &"x".repeat(640), false),
        case("the id of a user", world.demo.id(), false),
    ]
}

/// The same by address, which costs one read more whether anybody has it or not.
fn addresses() -> Vec<(&'static str, String, bool)> {
    let case = |what, name: &str, told| (what, name.to_owned(), told);
    vec![
        case("an address", "demo@demo.example", true),
        case("the address of another tenant's account", "other/demo@other.example", true),
        case("another spelling of an address", "PASSWORDLESS@Demo.Example", true),
        case("an address that was asked for a moment ago", "demo/demo@demo.example", false),
        case("the address of a disabled account", "disabled@demo.example", false),
        case("an unknown address", "nobody@demo.example", false),
        case("an address in another tenant", "other/passwordless@demo.example", false),
        case("an address in an unknown tenant", "nowhere/demo@demo.example", false),
        case("what can be no address", "@", false),
        case("several signs", "a@b@c", false),
    ]
}

/// What a request made of the world: the answer, the store calls, and the size of each message.
async fn watched(world: &World, call: &Call) -> (Response, Vec<&'static str>, Vec<usize>, Option<String>) {
    let (_, _) = (world.stack.store.take_calls(), world.stack.outbox.take());
    let response = world.send(call).await;
    let messages = world.stack.outbox.take();
    let sizes = messages.iter().map(|(kind, detail)| Message::taken(kind, detail)).collect();
    let told = messages.iter().filter(|(kind, _)| *kind == "PasswordResetRequested");
    let details: Vec<Value> = told.map(|(_, detail)| serde_json::from_str(detail).unwrap()).collect();
    let username = details.first().map(|detail| detail["username"].as_str().unwrap().to_owned());
    (response, world.stack.store.take_calls(), sizes, username)
}

#[tokio::test]
async fn whoever_is_asked_for_the_answer_and_the_work_are_the_same() {
    let mut tried = 0;
    for outage in [false, true] {
        for (reads, classes) in [(2, classes as fn(&World) -> _), (3, |_| addresses())] {
            let world = World::new().await;
            world.stack.store.edit_user(&world.admin.user.id, |user| user.email = None);
            world.stack.outbox.fail(outage);
            let mut calls = vec!["lookup"; reads];
            calls.push("create_one_time");
            if outage {
                calls.push("withdraw_one_time");
            }
            let mut answers = BTreeSet::new();
            for (what, name, told) in classes(&world) {
                let (response, made, sizes, username) = watched(&world, &forgot(&name)).await;
                assert_eq!(made, calls, "{what}");
                assert_eq!(sizes, [EVENT_BYTES], "{what}");
                // What could not be sent to somebody a moment ago is sent now.
                let again = outage && what.contains("moment ago");
                assert_eq!(username.is_some(), told || again, "{what}");
                answers.insert((response.status(), response.body().to_owned()));
                tried += 1;
            }
            assert_eq!(answers.len(), 1, "{answers:?}");
            assert_eq!(answers.first().unwrap().0, if outage { 503 } else { 200 });
        }
    }
    note("Q19", "messages-asked-for", tried);
}

#[tokio::test]
async fn a_message_says_what_a_mail_needs_and_goes_to_the_address_of_the_account() {
    let world = World::new().await;
    assert_eq!(status(&world, &forgot("other/DEMO")).await, 200);
    let (kind, detail) = world.stack.outbox.take().pop().unwrap();
    assert_eq!(kind, "PasswordResetRequested");
    let detail: Value = serde_json::from_str(&detail).unwrap();
    let token = detail["token"].as_str().unwrap();
    assert_eq!(detail["email"], "demo@other.example");
    assert_eq!(detail["userId"], world.other.id());
    assert_eq!((&detail["tenant"], &detail["username"]), (&json!("other"), &json!("demo")));
    assert_eq!(detail["link"], format!("https://app.example.com/reset#{token}"));
    let expires = world.stack.clock.now().plus(LIFETIME).as_zoneless();
    assert_eq!(detail["expires"], format!("{expires}Z"));
}

#[tokio::test]
async fn a_token_sets_a_new_password_once_and_ends_every_session() {
    let world = World::new().await;
    let account = &world.demo;
    let (jwt, ticket) = (world.jwt(account).await, world.ticket(account).await);
    let header = world.auth_header(&jwt).await;
    assert!(!user(&world, account).await.email_verified);
    world.send(&forgot("demo")).await;
    let token = sent(&world).unwrap();
    let answer = world.send(&reset(&token, NEW_PASSWORD)).await;
    assert_eq!((answer.status(), answer.body()), (200, r#"{"message":"Success"}"#));
    assert_eq!(login(&world, account, &account.password).await, 401);
    assert_eq!(login(&world, account, NEW_PASSWORD).await, 200);
    assert_eq!(status(&world, &Call::to("test-secure").bearer(&jwt)).await, 401);
    let read = Call::to("ticket-get").id(&ticket).header("x-api-key", &world.applications.full);
    assert_eq!(status(&world, &read).await, 404);
    assert_eq!(status(&world, &Call::to("test-secure").header("x-authorization", &header)).await, 200);
    assert!(user(&world, account).await.email_verified, "who read the mail has shown whose the address is");
    assert_eq!(status(&world, &reset(&token, "another quiet harbour at night")).await, 404);
    assert_eq!(login(&world, account, NEW_PASSWORD).await, 200);
}

#[tokio::test]
async fn auth_headers_end_with_a_reset_only_where_that_is_asked_for() {
    let world = World::new().await;
    let header = world.auth_header(&world.jwt(&world.demo).await).await;
    let token = world.reset_token(&world.demo).await;
    let body = json!({ "TOKEN": token, "New": NEW_PASSWORD, "Confirm": NEW_PASSWORD, "End_Auth_Headers": true });
    assert_eq!(status(&world, &Call::to("user-reset").json(&body)).await, 200);
    assert_eq!(status(&world, &Call::to("test-secure").header("x-authorization", &header)).await, 401);
}

#[tokio::test]
async fn an_account_without_a_password_gets_its_first_by_a_token() {
    let world = World::new().await;
    world.send(&forgot("passwordless")).await;
    let token = sent(&world).unwrap();
    assert_eq!(status(&world, &reset(&token, NEW_PASSWORD)).await, 200);
    assert_eq!(login(&world, &world.passwordless, NEW_PASSWORD).await, 200);
}

#[tokio::test]
async fn a_password_that_is_refused_leaves_the_token_good() {
    let world = World::new().await;
    let token = world.reset_token(&world.demo).await;
    let mismatch = json!({ "token": token, "new": NEW_PASSWORD, "confirm": "seven lamps above another harbour" });
    for (call, text) in [
        (Call::to("user-reset").json(&mismatch), "confirm must be the same as new"),
        (reset(&token, "short"), "new must be at least 15 characters long"),
        (reset(&token, "passwordpassword"), "new must not be"),
        (reset(&token, &world.demo.password), "new must not be one that this account had lately"),
    ] {
        let answer = world.send(&call).await;
        assert_eq!(answer.status(), 400);
        assert!(answer.body().contains(text), "{}", answer.body());
    }
    assert_eq!(login(&world, &world.demo, &world.demo.password).await, 200);
    assert_eq!(status(&world, &reset(&token, NEW_PASSWORD)).await, 200);
}

#[tokio::test]
async fn whoever_has_no_token_learns_nothing_of_the_rules() {
    let world = World::new().await;
    for token in ["x", &world.verification_token(&world.demo).await] {
        assert_eq!(status(&world, &reset(token, "short")).await, 404);
    }
}

/// What ends a token, each on a fresh world: what it is, and what is done. `admin` has one for each purpose.
#[tokio::test]
async fn a_token_ends_with_what_it_was_made_for() {
    type Act = fn(&World);
    let both: [(&str, Act); 5] = [
        ("its time", |world| world.stack.clock.advance(LIFETIME)),
        ("a disabled user", |world| world.stack.store.edit_user(&world.admin.user.id, |user| user.enabled = false)),
        ("another address", |world| {
            world.stack.store.edit_user(&world.admin.user.id, |user| user.email = Email::parse("new@demo.example"));
        }),
        ("another spelling of the address", |world| {
            world.stack.store.edit_user(&world.admin.user.id, |user| user.email = Email::parse("ADMIN@demo.example"));
        }),
        ("no address any more", |world| world.stack.store.edit_user(&world.admin.user.id, |user| user.email = None)),
    ];
    let of_reset: [(&str, Act); 2] = [
        ("another password", |world| {
            world.stack.store.edit_credential(&world.admin.login_name(), |credential| credential.version += 1);
        }),
        ("an earlier password", |world| {
            world.stack.store.edit_credential(&world.admin.login_name(), |credential| credential.version = 0);
        }),
    ];
    let unknown = world_of_another_seed().await;
    let expected = unknown.0.send(&reset(&unknown.1, NEW_PASSWORD)).await;
    assert_eq!(expected.status(), 404);
    for (resets, (what, act)) in both.iter().map(|case| (false, case)).chain(of_reset.iter().map(|case| (true, case))) {
        let world = World::new().await;
        world.stack.store.edit_credential(&world.admin.login_name(), |credential| credential.version = 5);
        let tokens = (world.reset_token(&world.admin).await, world.verification_token(&world.admin).await);
        act(&world);
        assert_eq!(world.send(&reset(&tokens.0, NEW_PASSWORD)).await, expected, "{what}");
        let verified = world.send(&verify(&tokens.1)).await;
        if resets {
            assert_eq!(verified.status(), 200, "{what} has nothing to do with an address");
        } else {
            assert_eq!(verified, expected, "{what}");
        }
    }
}

/// A world, and a token that is none of its own.
async fn world_of_another_seed() -> (World, String) {
    let world = World::new().await;
    let (_, text) = OneTime::issue(
        &world.demo.user,
        Purpose::Reset { version: 0 },
        world.stack.clock.now(),
        &shared::testing::SeededRandom::new(99),
    );
    (world, text.expose_secret().to_owned())
}

#[tokio::test]
async fn a_token_is_good_until_the_last_moment_of_its_day() {
    for (after, expected) in
        [(Duration::ZERO, 200), (LIFETIME.saturating_sub(Duration::from_millis(1)), 200), (LIFETIME, 404)]
    {
        for purpose in ["reset", "verify"] {
            let world = World::new().await;
            let call = match purpose {
                "reset" => reset(&world.reset_token(&world.demo).await, NEW_PASSWORD),
                _ => verify(&world.verification_token(&world.demo).await),
            };
            world.stack.clock.advance(after);
            assert_eq!(status(&world, &call).await, expected, "{purpose} after {after:?}");
        }
    }
}

#[tokio::test]
async fn a_password_that_was_changed_in_any_way_ends_earlier_tokens() {
    let world = World::new().await;
    let (first, second) = (world.reset_token(&world.demo).await, world.reset_token(&world.demo).await);
    assert_eq!(status(&world, &reset(&second, NEW_PASSWORD)).await, 200);
    assert_eq!(status(&world, &reset(&first, "another quiet harbour at night")).await, 404);
    assert_eq!(status(&world, &reset(&first, "short")).await, 404, "nor does it tell the rules any more");
    let third = world.reset_token(&world.demo).await;
    let new = "another quiet harbour at dawn";
    let change = json!({ "username": "demo", "old": NEW_PASSWORD, "new": new, "confirm": new });
    assert_eq!(status(&world, &Call::to("user-password").json(&change)).await, 200);
    assert_eq!(status(&world, &reset(&third, "another quiet harbour at night")).await, 404);
    assert_eq!(login(&world, &world.demo, new).await, 200);
}

#[tokio::test]
async fn a_token_of_one_purpose_does_not_serve_the_other() {
    let world = World::new().await;
    let (reset_token, verification) =
        (world.reset_token(&world.demo).await, world.verification_token(&world.demo).await);
    let _ = world.stack.store.take_calls();
    assert_eq!(status(&world, &verify(&reset_token)).await, 404);
    assert_eq!(status(&world, &reset(&verification, NEW_PASSWORD)).await, 404);
    assert_eq!(world.stack.store.take_calls(), ["lookup", "lookup"], "nothing was tried");
    assert!(!user(&world, &world.demo).await.email_verified);
    assert_eq!(login(&world, &world.demo, &world.demo.password).await, 200);
    assert_eq!(status(&world, &verify(&verification)).await, 200, "and is not used up by that");
    assert_eq!(status(&world, &reset(&reset_token, NEW_PASSWORD)).await, 200);
}

#[tokio::test]
async fn an_address_is_verified_once_and_by_a_token_that_was_sent_there() {
    let world = World::new().await;
    let recovery = world.recovery();
    assert_eq!(recovery.send_verification(&world.demo.user).await.unwrap(), Write::Done);
    let (kind, detail) = world.stack.outbox.take().pop().unwrap();
    assert_eq!((kind, Message::taken(kind, &detail)), ("EmailVerificationRequested", EVENT_BYTES));
    let detail: Value = serde_json::from_str(&detail).unwrap();
    assert_eq!(detail["email"], "demo@demo.example");
    assert!(detail.get("link").is_none(), "no page is set up for it");
    let token = detail["token"].as_str().unwrap();
    assert_eq!(recovery.send_verification(&world.demo.user).await.unwrap(), Write::Refused, "a moment later");
    assert_eq!(recovery.send_verification(&world.disabled.user_now(&world).await).await.unwrap(), Write::Refused);
    let nowhere = User { email: None, ..world.admin.user.clone() };
    assert_eq!(recovery.send_verification(&nowhere).await.unwrap(), Write::Refused);
    assert!(world.stack.outbox.take().is_empty());
    assert_eq!(status(&world, &verify(token)).await, 200);
    assert!(user(&world, &world.demo).await.email_verified);
    assert_eq!(status(&world, &verify(token)).await, 404);
}

trait Now {
    async fn user_now(&self, world: &World) -> User;
}

impl Now for Account {
    async fn user_now(&self, world: &World) -> User {
        user(world, self).await
    }
}

#[tokio::test]
async fn an_account_is_sent_one_message_a_minute() {
    let world = World::new().await;
    for (after, told) in
        [(Duration::ZERO, true), (SECOND, false), (PAUSE.saturating_sub(SECOND * 2), false), (SECOND, true)]
    {
        world.stack.clock.advance(after);
        assert_eq!(status(&world, &forgot("demo")).await, 200);
        assert_eq!(sent(&world).is_some(), told, "{after:?} later");
    }
    assert_eq!(status(&world, &forgot("demo@demo.example")).await, 200);
    assert_eq!(sent(&world), None, "by whatever name");
    assert_eq!(status(&world, &forgot("other/demo")).await, 200);
    assert!(sent(&world).is_some(), "and nobody waits for somebody else");
}

#[tokio::test]
async fn of_parallel_requests_one_sends_a_message() {
    let world = World::new().await;
    let (call, mut told) = (forgot("demo"), 0);
    for answer in join_all((0..64).map(|_| world.send(&call))).await {
        assert_eq!(answer.status(), 200);
    }
    for (kind, _) in world.stack.outbox.take() {
        told += usize::from(kind == "PasswordResetRequested");
    }
    assert_eq!(told, 1);
}

#[tokio::test]
async fn a_message_that_could_not_be_sent_is_sent_by_the_next_try() {
    let world = World::new().await;
    world.stack.outbox.fail(true);
    let answer = world.send(&forgot("demo")).await;
    assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("2")));
    let lost = sent(&world).unwrap();
    world.stack.clock.advance(SECOND * 2);
    assert_eq!(status(&world, &forgot("demo")).await, 503);
    let _ = sent(&world).unwrap();
    world.stack.outbox.fail(false);
    world.stack.clock.advance(SECOND * 2);
    assert_eq!(status(&world, &forgot("demo")).await, 200);
    let token = sent(&world).expect("a message");
    assert_eq!(status(&world, &reset(&lost, NEW_PASSWORD)).await, 404, "what was taken back is no token");
    assert_eq!(status(&world, &reset(&token, NEW_PASSWORD)).await, 200);
    assert_eq!(world.recovery().send_verification(&world.admin.user).await.unwrap(), Write::Done);
    world.stack.outbox.fail(true);
    assert!(world.recovery().send_verification(&world.other.user).await.is_err());
    world.stack.outbox.fail(false);
    assert_eq!(world.recovery().send_verification(&world.other.user).await.unwrap(), Write::Done);
}

#[tokio::test]
async fn somebody_elses_outage_takes_no_message_back() {
    let world = World::new().await;
    world.send(&forgot("demo")).await;
    let token = sent(&world).unwrap();
    world.stack.outbox.fail(true);
    for name in ["demo", "demo@demo.example", "nobody"] {
        assert_eq!(status(&world, &forgot(name)).await, 503);
    }
    world.stack.outbox.fail(false);
    let _ = world.stack.outbox.take();
    assert_eq!(status(&world, &forgot("demo")).await, 200);
    assert_eq!(sent(&world), None, "the minute goes on");
    assert_eq!(status(&world, &reset(&token, NEW_PASSWORD)).await, 200);
}

#[tokio::test]
async fn an_outage_at_any_call_is_no_refusal_and_the_next_try_succeeds() {
    for (calls, name) in [(3, "demo"), (4, "demo@demo.example"), (3, "nobody"), (4, "nobody@demo.example")] {
        for allowed in 0..calls {
            let world = World::new().await;
            world.stack.store.fail_after(Some(allowed));
            assert_eq!(status(&world, &forgot(name)).await, 503, "{name} after {allowed} calls");
            assert!(world.stack.outbox.take().is_empty());
            world.stack.store.fail_after(None);
            assert_eq!(status(&world, &forgot(name)).await, 200);
            assert_eq!(sent(&world).is_some(), name.starts_with("demo"), "{name} after {allowed} calls");
        }
    }
    for (calls, call) in [(3, reset as fn(&str, &str) -> Call), (2, |token, _| verify(token))] {
        for allowed in 0..calls {
            let world = World::new().await;
            let token = match calls {
                3 => world.reset_token(&world.demo).await,
                _ => world.verification_token(&world.demo).await,
            };
            let call = call(&token, NEW_PASSWORD);
            world.stack.store.fail_after(Some(allowed));
            assert_eq!(status(&world, &call).await, 503, "after {allowed} calls");
            world.stack.store.fail_after(None);
            assert_eq!(status(&world, &call).await, 200, "after {allowed} calls");
        }
    }
}

#[tokio::test]
async fn a_reset_is_not_stopped_by_the_lockout_and_ends_it() {
    let world = World::new().await;
    let wrong = |number: usize| {
        let body = json!({ "username": "demo", "password": format!("wrong {number}") });
        Call::to("user-login").json(&body).from_address(&format!("198.51.{}.1", number % 16))
    };
    for number in 0..80 {
        assert_eq!(status(&world, &wrong(number)).await, 401);
    }
    assert_eq!(login(&world, &world.demo, &world.demo.password).await, 401, "strangers are locked out");
    world.send(&forgot("demo")).await;
    let token = sent(&world).unwrap();
    assert_eq!(status(&world, &reset(&token, NEW_PASSWORD)).await, 200);
    assert_eq!(login(&world, &world.demo, NEW_PASSWORD).await, 200);
}

/// More counters than one write takes: those of today first, and among them the one that all strangers share.
#[tokio::test]
async fn a_reset_forgets_the_counters_that_count() {
    let world = World::new().await;
    let today = world.stack.clock.now().as_seconds().div_euclid(86_400);
    world.stack.store.edit_credential(&world.demo.login_name(), |credential| {
        for day in [today, today - 1] {
            for place in (0..SWEPT).map(|number| Place::Network(format!("n{number}"))).chain([Place::Strangers]) {
                credential.guesses.counters.entry(CounterKey { day, place }).or_default().failures = 50;
            }
        }
    });
    assert_eq!(status(&world, &reset(&world.reset_token(&world.demo).await, NEW_PASSWORD)).await, 200);
    let wanted = Lookup { credential: Some(world.demo.login_name()), ..Lookup::default() };
    let left = world.stack.store.lookup(wanted).await.unwrap().credential.unwrap().guesses.counters;
    assert_eq!(left.len(), SWEPT + 2);
    assert_eq!(left.keys().filter(|key| key.day == today).count(), 1);
    assert!(!left.contains_key(&CounterKey { day: today, place: Place::Strangers }));
}

/// Every text that differs from a token in one place is none, and the token still is.
#[tokio::test]
async fn an_altered_token_is_none() {
    let world = World::new().await;
    let (resetting, verifying) = (world.reset_token(&world.demo).await, world.verification_token(&world.demo).await);
    for token in [&resetting, &verifying] {
        for place in 0..token.len() {
            for new in ["", "A", "-", "_", "=", "z"] {
                let altered = format!("{}{new}{}", &token[..place], &token[place + 1..]);
                if altered != *token {
                    assert_eq!(status(&world, &reset(&altered, NEW_PASSWORD)).await, 404, "{altered}");
                    assert_eq!(status(&world, &verify(&altered)).await, 404, "{altered}");
                }
            }
        }
        for other in [format!("{token}A"), format!("A{token}"), format!(" {token}"), format!("{token}=")] {
            assert_eq!(status(&world, &reset(&other, NEW_PASSWORD)).await, 404, "{other}");
            assert_eq!(status(&world, &verify(&other)).await, 404, "{other}");
        }
    }
    assert_eq!(status(&world, &verify(&verifying)).await, 200);
    assert_eq!(status(&world, &reset(&resetting, NEW_PASSWORD)).await, 200);
}

#[tokio::test]
async fn what_is_no_token_costs_no_store_call() {
    let world = World::new().await;
    for text in ["x", "demo", "\u{e4}", &"A".repeat(129), &"A".repeat(40), "../../x"] {
        for call in [reset(text, NEW_PASSWORD), verify(text)] {
            let _ = world.stack.store.take_calls();
            assert_eq!(status(&world, &call).await, 404, "{text}");
            assert_eq!(world.stack.store.take_calls(), Vec::<&str>::new(), "{text}");
        }
    }
}

#[tokio::test]
async fn of_64_parallel_uses_of_a_token_one_wins_in_200_rounds() {
    const ROUNDS: u64 = 200;
    let mut contested = 0;
    for round in 0..ROUNDS {
        let mut world = World::new().await;
        world.rewire(Paced::new(world.stack.store.clone(), round), Arc::new(world.stack.clock.clone()));
        let token = world.reset_token(&world.demo).await;
        // Each with a password of its own, so that a second winner would show.
        let calls: Vec<Call> = (0..64).map(|number| reset(&token, &format!("{NEW_PASSWORD} {number}"))).collect();
        let answers = join_all(calls.iter().map(|call| world.send(call))).await;
        let writes = world.stack.store.take_calls().into_iter().filter(|call| *call == "change_password").count();
        contested += usize::from(writes > 1);
        let won: Vec<usize> = (0..64).filter(|number| answers[*number].status() == 200).collect();
        assert_eq!(won.len(), 1, "round {round}");
        assert!(answers.iter().all(|answer| matches!(answer.status(), 200 | 404)), "round {round}");
        let wanted = Lookup { credential: Some(world.demo.login_name()), ..Lookup::default() };
        let credential = world.stack.store.lookup(wanted).await.unwrap().credential.unwrap();
        assert_eq!(credential.version, 1, "round {round}");
        assert_eq!(login(&world, &world.demo, &format!("{NEW_PASSWORD} {}", won[0])).await, 200, "round {round}");
    }
    assert!(contested > 100, "several were under way at once in {contested} rounds only");
    note("Q12", "rounds-of-a-reset-token", ROUNDS);
}

/// A store on a throw-away local cloud with one account.
async fn embedded() -> (Cloud, DynamoStore, User, LoginName) {
    let parameters = [("Issuer".to_owned(), "https://auth.example.com".to_owned())].into();
    let cloud = Cloud::in_memory(&parameters).unwrap();
    let config = Config::read(|name| cloud.environment().get(name).cloned()).unwrap();
    let client = dynamodb::client(&cloud.dynamodb_url());
    let store = DynamoStore::new(client, config.tables, Arc::new(SystemRandom));
    let owner = User { email: Email::parse("a@example.com"), ..shared::testing::user("u-1") };
    assert_eq!(store.create_tenant(&Tenant::new(owner.tenant.clone(), owner.created)).await.unwrap(), Write::Done);
    assert_eq!(store.create_user(NewUser::new(owner.clone(), None)).await.unwrap(), Creation::Done);
    let name = LoginName::new(&owner.tenant, &owner.name);
    (cloud, store, owner, name)
}

fn change(owner: &User, name: &LoginName, token: &OneTime, version: u64) -> PasswordChange {
    let phc = shared::password::Phc::from_stored("$argon2id$".to_owned());
    PasswordChange {
        name: name.clone(),
        user: owner.id.clone(),
        version,
        password: shared::store::NewPassword::new(phc, owner.created),
        proof: Proof::Reset(token.clone()),
        end_auth_headers: false,
        forget: Vec::new(),
        place: None,
        at: owner.created,
    }
}

#[tokio::test]
async fn of_parallel_uses_of_a_token_one_wins_on_dynamodb() {
    let (_cloud, store, owner, name) = embedded().await;
    let now = owner.created;
    for round in 0..10_u64 {
        // Each reset ends the sessions before it.
        let owner = User { session_epoch: owner.session_epoch + round, ..owner.clone() };
        let (token, _) = OneTime::issue(&owner, Purpose::Reset { version: round }, now, &SystemRandom);
        assert_eq!(store.create_one_time(&name, &token, now).await.unwrap(), Write::Done);
        let uses = join_all((0..64).map(|_| store.change_password(change(&owner, &name, &token, round)))).await;
        // One that met others in a transaction all the time is an outage, which is no second use.
        assert_eq!(uses.iter().filter(|used| matches!(used, Ok(Write::Done))).count(), 1, "round {round}");
        let wanted = Lookup { credential: Some(name.clone()), ..Lookup::default() };
        assert_eq!(store.lookup(wanted).await.unwrap().credential.unwrap().version, round + 1);
        let (token, _) = OneTime::issue(&owner, Purpose::Verify, now, &SystemRandom);
        assert_eq!(store.create_one_time(&name, &token, now).await.unwrap(), Write::Done);
        let uses = join_all((0..64).map(|_| store.verify_email(&token, now))).await;
        assert_eq!(uses.iter().filter(|used| matches!(used, Ok(Write::Done))).count(), 1, "round {round}");
    }
}

/// The same on both stores, call for call.
async fn tokens_are_made_taken_back_and_made_anew(store: &impl Store, owner: &User, name: &LoginName) {
    let now = owner.created;
    let issue = |at| OneTime::issue(owner, Purpose::Reset { version: 0 }, at, &SystemRandom).0;
    let find = async |token: &OneTime| {
        let wanted = Lookup { one_time: Some(token.key.clone()), ..Lookup::default() };
        store.lookup(wanted).await.unwrap().one_time
    };
    let first = issue(now);
    assert_eq!(store.withdraw_one_time(name, &first).await.unwrap(), Write::Refused, "it was never stored");
    assert_eq!(store.create_one_time(name, &first, now.minus(PAUSE)).await.unwrap(), Write::Done);
    assert_eq!(find(&first).await, Some(first.clone()));
    let early = issue(now.plus(SECOND));
    assert_eq!(store.create_one_time(name, &early, early.created.minus(PAUSE)).await.unwrap(), Write::Refused);
    assert_eq!(find(&early).await, None);
    assert_eq!(store.withdraw_one_time(name, &early).await.unwrap(), Write::Refused);
    assert_eq!(find(&first).await, Some(first.clone()), "another one's message stays");
    assert_eq!(store.withdraw_one_time(name, &first).await.unwrap(), Write::Done);
    assert_eq!(find(&first).await, None);
    assert_eq!(store.create_one_time(name, &early, early.created.minus(PAUSE)).await.unwrap(), Write::Done);
    assert_eq!(store.withdraw_one_time(name, &first).await.unwrap(), Write::Refused, "a late one takes nothing back");
    assert_eq!(find(&early).await, Some(early.clone()));
    let next = issue(early.created.plus(PAUSE));
    assert_eq!(store.create_one_time(name, &next, early.created).await.unwrap(), Write::Done);
    assert_eq!(store.withdraw_one_time(name, &early).await.unwrap(), Write::Refused, "the minute is another one's");
    assert_eq!((find(&early).await, find(&next).await), (Some(early.clone()), Some(next.clone())));
    let nobody = OneTimeKey { user: shared::user::UserId::nobody("x"), ..issue(now).key };
    for name in [name.clone(), LoginName::typed("demo", "nobody"), LoginName::typed("*", "*")] {
        let token = OneTime { key: nobody.clone(), ..issue(now.plus(PAUSE * 3)) };
        assert_eq!(store.create_one_time(&name, &token, token.created).await.unwrap(), Write::Refused);
        assert_eq!(store.withdraw_one_time(&name, &token).await.unwrap(), Write::Refused);
        assert_eq!(find(&token).await, None);
    }
}

#[tokio::test]
async fn a_token_that_was_not_sent_is_taken_back_on_every_store() {
    let world = World::new().await;
    tokens_are_made_taken_back_and_made_anew(&world.stack.store, &world.demo.user, &world.demo.login_name()).await;
    let (_cloud, store, owner, name) = embedded().await;
    tokens_are_made_taken_back_and_made_anew(&store, &owner, &name).await;
}

fn event_bus(url: &str, bus: &str) -> EventBridge {
    let config = aws_sdk_eventbridge::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(local::REGION))
        .credentials_provider(Credentials::new("x", "x", None, None, "test"))
        .retry_config(aws_sdk_eventbridge::config::retry::RetryConfig::disabled())
        .endpoint_url(url)
        .build();
    EventBridge { client: Client::from_conf(config), bus: bus.to_owned() }
}

#[tokio::test]
async fn the_local_event_bus_takes_what_is_sent_and_refuses_what_is_none() {
    let (cloud, ..) = embedded().await;
    let bus = event_bus(&cloud.events_url(), "messages");
    bus.warm().await;
    assert!(cloud.events().is_empty(), "a call without an event puts none on the bus");
    bus.send(&Message::PasswordResetNotSent).await.unwrap();
    let taken = cloud.events();
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].bus.as_str(), taken[0].source.as_str()), ("messages", "ostiary"));
    assert_eq!(taken[0].detail_type, "PasswordResetNotSent");
    assert_eq!(taken[0].detail.as_object().unwrap().keys().collect::<Vec<_>>(), ["padding"]);
}

/// A port that answers one call with `body`.
fn answering(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut piece = [0; 16 * 1024];
        while !asked.ends_with(b"}") {
            let length = client.read(&mut piece).unwrap();
            asked.extend_from_slice(&piece[..length]);
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close\r\n";
        write!(client, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    });
    url
}

/// A call of `PutEvents` succeeds also when its event was not taken.
#[tokio::test]
async fn an_event_that_was_not_taken_is_an_outage() {
    for (body, code) in [
        (
            r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ThrottlingException","ErrorMessage":"a secret"}]}"#,
            "ThrottlingException",
        ),
        (r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure","EventId":"x"}]}"#, "InternalFailure"),
        (r#"{"FailedEntryCount":0,"Entries":[]}"#, "no code"),
        (r#"{"FailedEntryCount":0,"Entries":[{}]}"#, "no code"),
        ("{}", "no code"),
    ] {
        let bus = event_bus(&answering(body), "default");
        let error = bus.send(&Message::PasswordResetNotSent).await.unwrap_err();
        assert!(matches!(&error, DeliveryError::NotTaken(told) if told == code), "{error:?}");
    }
    let bus = event_bus(&answering(r#"{"FailedEntryCount":0,"Entries":[{"EventId":"x"}]}"#), "default");
    assert!(bus.send(&Message::PasswordResetNotSent).await.is_ok());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = event_bus(&format!("http://{nobody}"), "default").send(&Message::PasswordResetNotSent).await;
    assert!(matches!(error, Err(DeliveryError::Unavailable(_))));
}
