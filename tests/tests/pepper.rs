//! The pepper, as clients meet it: a migration that nobody notices, and outages that are never taken for a wrong password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, json};
use shared::keyring::{FRESH, STALE};
use shared::password::pepper::Usage;
use shared::store::{Credential, Lookup, Store as _};
use shared::testing::StubKeySource;
use tests::world::Account;
use tests::{Call, World};

/// The secret with keys by these ids, of which the last is the current one.
fn keys(ids: &[&str]) -> String {
    let keys: Map<_, _> =
        ids.iter().map(|id| ((*id).to_owned(), json!(STANDARD.encode([id.as_bytes()[1]; 32])))).collect();
    json!({ "current": ids.last(), "peppers": keys }).to_string()
}

fn season(world: &mut World, usage: Usage, text: &str) -> StubKeySource {
    world.season(Some((usage, text)))
}

async fn credential(world: &World, account: &Account) -> Credential {
    let wanted = Lookup { credential: Some(account.login_name()), ..Lookup::default() };
    world.stack.store.lookup(wanted).await.unwrap().credential.unwrap()
}

/// The id of the pepper in the account's hash.
async fn pepper_of(world: &World, account: &Account) -> Option<String> {
    credential(world, account).await.phc.unwrap().pepper().map(|id| id.to_string())
}

fn login(name: &str, password: &str) -> Call {
    Call::to("user-login").json(&json!({ "username": name, "password": password }))
}

fn authenticate(world: &World, name: &str, password: &str) -> Call {
    let token = &world.applications.full;
    let fields =
        [("accessTokenId", token.as_str()), ("tenantName", "demo"), ("username", name), ("password", password)];
    Call::to("ticket-authenticate").form(&fields)
}

fn change(world: &World, password: &str) -> Call {
    let new = "A-new-horse-for-an-old-1";
    Call::to("user-password").json(&json!({
        "username": world.demo.qualified(), "old": password, "new": new, "confirm": new,
    }))
}

async fn status(world: &World, call: &Call) -> u16 {
    world.send(call).await.status()
}

#[tokio::test]
async fn hashes_move_to_the_current_pepper_and_back_as_their_owners_log_in() {
    let mut world = World::new().await;
    let demo = world.demo.clone();
    let secret = season(&mut world, Usage::Required, &keys(&["p1"]));
    assert_eq!(status(&world, &login("demo", "Wr0ng-horse-and-battery")).await, 401);
    assert_eq!(pepper_of(&world, &demo).await, None, "a wrong password moves nothing");
    assert_eq!(status(&world, &login("demo", &demo.password)).await, 200);
    assert_eq!(pepper_of(&world, &demo).await.as_deref(), Some("p1"));

    secret.answer(&keys(&["p1", "p2"]));
    world.stack.clock.advance(FRESH);
    assert_eq!(status(&world, &login("demo", "Wr0ng-horse-and-battery")).await, 401);
    assert_eq!(status(&world, &authenticate(&world, "demo", &demo.password)).await, 200);
    assert_eq!(pepper_of(&world, &demo).await.as_deref(), Some("p2"));
    let made = credential(&world, &demo).await.phc.unwrap();
    assert_eq!(status(&world, &login("demo", &demo.password)).await, 200);
    assert!(credential(&world, &demo).await.phc.unwrap() == made, "and once is enough");

    season(&mut world, Usage::VerifyOnly, &keys(&["p1", "p2"]));
    assert_eq!(status(&world, &login("demo", &demo.password)).await, 200);
    assert_eq!(pepper_of(&world, &demo).await, None);
}

#[tokio::test]
async fn a_hash_whose_pepper_is_gone_is_an_outage_and_never_a_wrong_password() {
    let mut world = World::new().await;
    let demo = world.demo.clone();
    season(&mut world, Usage::Required, &keys(&["p1"]));
    assert_eq!(status(&world, &login("demo", &demo.password)).await, 200);
    let secret = season(&mut world, Usage::Required, &keys(&["p2"]));
    for password in [demo.password.as_str(), "Wr0ng-horse-and-battery"] {
        for call in [login("demo", password), authenticate(&world, "demo", password), change(&world, password)] {
            let response = world.send(&call).await;
            assert_eq!(response.status(), 503, "{} {}", call.route().name, response.body());
        }
    }
    assert_eq!(credential(&world, &demo).await.guesses.failures(), 0, "nothing was judged");
    assert_eq!(status(&world, &login("admin", &world.admin.password)).await, 200, "others log in");
    world.season(None);
    assert_eq!(
        status(&world, &login("demo", &demo.password)).await,
        503,
        "nor is it one where the pepper was turned off"
    );

    let secret_again = season(&mut world, Usage::Required, &keys(&["p1", "p2"]));
    assert_eq!(status(&world, &login("demo", &demo.password)).await, 200, "and it heals");
    assert!(secret.reads() < 4 && secret_again.reads() == 1);
}

#[tokio::test]
async fn a_cold_start_without_the_pepper_answers_503_to_everybody_and_heals() {
    for text in [keys(&["p1"]), r#"{"peppers":{}}"#.to_owned()] {
        let mut world = World::new().await;
        let secret = season(&mut world, Usage::Required, &text);
        secret.fail(text.contains("p1"));
        let password = world.demo.password.clone();
        for name in ["demo", "nobody-of-that-name", "passwordless"] {
            assert_eq!(status(&world, &login(name, &password)).await, 503, "{name}");
            assert_eq!(status(&world, &authenticate(&world, name, &password)).await, 503, "{name}");
        }
        assert_eq!(pepper_of(&world, &world.demo).await, None);
        secret.fail(false);
        secret.answer(&keys(&["p1"]));
        world.stack.clock.advance(FRESH);
        assert_eq!(status(&world, &login("demo", &password)).await, 200);
        secret.fail(true);
        world.stack.clock.advance(FRESH);
        assert_eq!(status(&world, &login("demo", &password)).await, 200, "a warm one goes on");
        world.stack.clock.advance(STALE);
        assert_eq!(status(&world, &login("demo", &password)).await, 503, "but not for ever");
    }
}

#[tokio::test]
async fn the_pepper_is_asked_for_alike_for_accounts_that_exist_and_others() {
    let mut reads = Vec::new();
    for name in ["demo", "nobody-of-that-name", "passwordless", "disabled"] {
        let mut world = World::new().await;
        let secret = season(&mut world, Usage::Required, &keys(&["p1"]));
        let mut seen = Vec::new();
        for _ in 0..3 {
            let _ = world.stack.store.take_calls();
            assert_eq!(status(&world, &login(name, "Wr0ng-horse-and-battery")).await, 401);
            seen.push((secret.reads(), world.stack.store.take_calls().len()));
            world.stack.clock.advance(FRESH);
        }
        reads.push(seen);
    }
    assert!(reads.iter().all(|seen| *seen == reads[0]), "{reads:?}");
    assert_eq!(reads[0].iter().map(|(reads, _)| *reads).collect::<Vec<_>>(), [1, 2, 3]);
}
