//! Lockout, as somebody with many connections and many networks meets it, and as its victim does.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use shared::clock::Clock;
use shared::lockout::Rules;
use shared::store::{Administration as _, Lookup, Store as _, Write};
use tests::paced::Paced;
use tests::world::Account;
use tests::{Call, World, escaped, figure, note};

const RULES: Rules = Rules::DEFAULT;
const HOME: &str = "203.0.113.7";

/// A network of the attacker's own for each number.
fn elsewhere(number: u32) -> String {
    format!("10.{}.{}.9", number / 256 % 256, number % 256)
}

fn login(account: &Account, password: &str, address: &str) -> Call {
    let body = json!({ "username": account.qualified(), "password": password });
    Call::to("user-login").json(&body).from_address(address)
}

fn new_password(account: &Account, old: &str, address: &str) -> Call {
    Call::new_password(&account.qualified(), old).from_address(address)
}

fn ticket(world: &World, account: &Account, password: &str, address: &str) -> Call {
    let call = Call::to("ticket-authenticate").form(&[
        ("accessTokenId", &world.applications.full),
        ("tenantName", account.user.tenant.as_str()),
        ("username", account.user.name.as_str()),
        ("password", &escaped(password)),
    ]);
    call.from_address(address)
}

/// A path that takes a password.
type Try = fn(&World, &Account, &str, &str) -> Call;

async fn status(world: &World, password: &str, address: &str) -> u16 {
    world.send(&login(&world.demo, password, address)).await.status()
}

/// Wrong passwords that were judged: those that the counters hold.
async fn judged(world: &World, account: &Account) -> u32 {
    let wanted = Lookup { credential: Some(account.login_name()), ..Lookup::default() };
    world.stack.store.lookup(wanted).await.unwrap().credential.unwrap().guesses.failures()
}

/// A world whose store calls overtake each other.
async fn racing(seed: u64) -> World {
    let mut world = World::new().await;
    let clock: Arc<dyn Clock> = Arc::new(world.stack.clock.clone());
    world.rewire(Paced::new(world.stack.store.clone(), seed), clock);
    world
}

/// A hundred wrong passwords and the right one among them at once, in 200 rounds: in how many the right one was told by
/// `telling`, and how many wrong ones were judged at most.
async fn storm(try_it: Try, account: fn(&World) -> &Account, telling: u16) -> (usize, u32) {
    let (mut told, mut most) = (0, 0);
    for round in 0..200 {
        let world = racing(round).await;
        let account = account(&world);
        let place = (round * 37 % 101) as usize;
        let guesses = (0..101).map(|number| {
            let password = if number == place { account.password.clone() } else { format!("guess {round} {number}") };
            let (call, world) = (try_it(&world, account, &password, HOME), &world);
            async move { world.send(&call).await.status() }
        });
        let answers = join_all(guesses).await;
        told += answers.iter().filter(|status| **status == telling).count();
        assert!(answers.iter().all(|status| [telling, 401].contains(status)), "{answers:?}");
        let counted = judged(&world, account).await;
        assert!(counted <= RULES.per_network, "round {round}: {counted} wrong passwords were judged");
        most = most.max(counted);
    }
    (told, most)
}

#[tokio::test]
async fn of_a_hundred_parallel_guesses_no_more_count_than_the_limit_and_the_right_one_rarely_gets_through() {
    // An expired password opens nothing, but being told that it has is being told that it was right.
    let demo: fn(&World) -> &Account = |world| &world.demo;
    let expired: fn(&World) -> &Account = |world| &world.expired;
    let by_login: Try = |_, account, password, address| login(account, password, address);
    let by_change: Try = |_, account, password, address| new_password(account, password, address);
    let (mut rounds, mut judged) = (0, 0);
    for (path, try_it, account, telling) in [
        ("user-login", by_login, demo, 200),
        ("user-login", by_login, expired, 403),
        ("user-password", by_change, demo, 200),
        ("user-password", by_change, expired, 200),
        ("ticket-authenticate", ticket, demo, 200),
        ("ticket-authenticate", ticket, expired, 403),
    ] {
        let (told, most) = storm(try_it, account, telling).await;
        figure(&format!(
            "101 guesses at once at {path}: told by {telling} in {told} of 200 rounds, {most} wrong ones judged at most"
        ));
        assert_eq!(most, RULES.per_network, "the limit is reached, or nothing was tested");
        assert!(told < 60, "guessing a hundred at once is hardly better than guessing five: {told}");
        (rounds, judged) = (rounds + 200, judged.max(most));
    }
    note("Q14", "rounds-of-101-guesses", rounds);
    note("Q14", "wrong-guesses-judged", judged);
}

#[tokio::test]
async fn any_number_of_parallel_right_passwords_opens() {
    let mut opened = 0;
    for seed in 0..200 {
        let world = racing(seed).await;
        for number in 0..RULES.per_network - 1 {
            assert_eq!(status(&world, &format!("wrong {number}"), HOME).await, 401);
        }
        // By either path that opens something.
        let password = &world.demo.password;
        let calls: Vec<Call> = (0..100)
            .map(|number| match number % 2 {
                0 => login(&world.demo, password, HOME),
                _ => ticket(&world, &world.demo, password, HOME),
            })
            .collect();
        let answers = join_all(calls.iter().map(|call| world.send(call))).await;
        assert!(answers.iter().all(|answer| answer.status() == 200), "round {seed}");
        opened += answers.len();
    }
    note("Q14", "right-passwords-at-once", opened);
}

/// The wait of the account's own network is over: of all that come then one is judged.
#[tokio::test]
async fn after_a_wait_one_guess_is_free_and_the_next_wait_is_longer() {
    let world = World::new().await;
    for number in 0..RULES.per_network {
        assert_eq!(status(&world, &format!("wrong {number}"), HOME).await, 401);
    }
    let mut pause = RULES.pause;
    for round in 0..8_u32 {
        assert_eq!(status(&world, &world.demo.password, HOME).await, 401, "locked, round {round}");
        world.stack.clock.advance(pause.checked_sub(Duration::from_millis(1)).unwrap());
        assert_eq!(status(&world, &world.demo.password, HOME).await, 401, "a moment too early, round {round}");
        world.stack.clock.advance(Duration::from_millis(1));
        let passwords: Vec<String> = (0..20).map(|number| format!("later {round} {number}")).collect();
        let guesses = passwords.iter().map(|password| status(&world, password, HOME));
        assert!(join_all(guesses).await.iter().all(|status| *status == 401));
        assert_eq!(judged(&world, &world.demo).await, RULES.per_network + round + 1, "one of twenty");
        pause = (pause * 2).min(RULES.longest);
    }
    world.stack.clock.advance(RULES.longest);
    assert_eq!(status(&world, &world.demo.password, HOME).await, 200, "it heals by itself");
    assert_eq!(judged(&world, &world.demo).await, 0, "and starts anew");
}

#[tokio::test]
async fn the_same_stale_password_is_one_guess() {
    let world = World::new().await;
    for _ in 0..100 {
        assert_eq!(status(&world, "the one before the last", HOME).await, 401);
    }
    assert_eq!(judged(&world, &world.demo).await, 1);
    assert_eq!(status(&world, &world.demo.password, HOME).await, 200, "a forgotten device locks nobody out");
}

#[tokio::test]
async fn every_spelling_of_a_name_is_one_account() {
    let world = World::new().await;
    let spellings = ["demo", "DEMO", "\u{ff24}\u{ff25}\u{ff2d}\u{ff2f}", "demo/demo", "demo/DeMo"];
    for (number, name) in spellings.iter().enumerate() {
        let body = json!({ "username": name, "password": format!("wrong {number}") });
        assert_eq!(world.send(&Call::to("user-login").json(&body)).await.status(), 401, "{name}");
    }
    assert_eq!(judged(&world, &world.demo).await, 5);
    let ticket = Call::to("ticket-authenticate").form(&[
        ("accessTokenId", &world.applications.full),
        ("tenantName", "demo"),
        ("username", "Demo"),
        ("password", &world.demo.password),
    ]);
    assert_eq!(world.send(&ticket).await.status(), 401, "and the other path to it is locked too");
}

/// Ten wrong passwords a second for ten minutes, from one network and from six hundred.
#[tokio::test]
async fn nobody_is_locked_out_at_home_whatever_strangers_do() {
    let (mut guesses, mut most) = (0, 0);
    for networks in [1, 600] {
        let world = World::new().await;
        let jwt = world.jwt(&world.demo).await;
        let header = world.auth_header(&jwt).await;
        let ticket = world.ticket(&world.demo).await;
        for number in 0..6000_u32 {
            if number % 10 == 0 {
                world.stack.clock.advance(Duration::from_secs(1));
            }
            let address = elsewhere(number % networks);
            assert_eq!(status(&world, &format!("guess {number}"), &address).await, 401);
        }
        let counted = judged(&world, &world.demo).await;
        let allowed = if networks == 1 { 5 + 9 } else { RULES.from_strangers + 9 };
        figure(&format!(
            "{networks} networks: {counted} of 6000 guesses judged in ten minutes, the owner not locked out"
        ));
        assert!(counted <= allowed, "{counted} guesses of {networks} networks were judged");
        assert_eq!(status(&world, &world.demo.password, HOME).await, 200, "the owner, at home");
        assert_eq!(world.send(&Call::to("test-secure").bearer(&jwt)).await.status(), 200);
        assert_eq!(world.send(&Call::to("test-secure").header("x-authorization", &header)).await.status(), 200);
        let read = Call::to("ticket-get").id(&ticket).header("x-api-key", &world.applications.full);
        assert_eq!(world.send(&read).await.status(), 200, "within its idle limit");
        (guesses, most) = (guesses + 6000, most.max(counted));
    }
    note("Q24", "guesses-of-strangers", guesses);
    note("Q24", "guesses-judged", most);
}

#[tokio::test]
async fn many_networks_do_not_make_many_limits() {
    let world = World::new().await;
    for number in 0..1000_u32 {
        let address = elsewhere(number);
        assert_eq!(status(&world, &format!("guess {number}"), &address).await, 401);
    }
    assert_eq!(judged(&world, &world.demo).await, RULES.from_strangers);
    assert_eq!(status(&world, &world.demo.password, &elsewhere(5000)).await, 401, "a stranger, the owner too");
    world.stack.clock.advance(RULES.pause);
    assert_eq!(status(&world, &world.demo.password, &elsewhere(5000)).await, 200, "after the wait");
    assert_eq!(status(&world, &world.demo.password, &elsewhere(5000)).await, 200, "and is no stranger any more");
}

#[tokio::test]
async fn a_locked_account_tells_nothing_about_its_password() {
    let world = World::new().await;
    for account in [&world.demo, &world.expired, &world.disabled] {
        for number in 0..RULES.per_network {
            let refused = world.send(&login(account, &format!("wrong {number}"), HOME)).await;
            assert_eq!(refused.status(), 401);
        }
        let wrong = world.send(&login(account, "wrong once more", HOME)).await;
        let right = world.send(&login(account, &account.password, HOME)).await;
        assert_eq!((right.status(), right.body()), (wrong.status(), wrong.body()), "{}", account.qualified());
    }
}

#[tokio::test]
async fn a_lock_is_over_with_its_day_and_an_operator_can_end_it() {
    let world = World::new().await;
    let lock = async || {
        for number in 0..20 {
            assert_eq!(status(&world, &format!("wrong {number}"), HOME).await, 401);
        }
    };
    lock().await;
    assert_eq!(status(&world, &world.demo.password, HOME).await, 401);
    assert_eq!(world.stack.store.unlock(&world.demo.login_name()).await.unwrap(), Write::Done);
    assert_eq!(status(&world, &world.demo.password, HOME).await, 200);
    lock().await;
    let second = world.stack.clock.now().as_seconds().rem_euclid(86_400);
    world.stack.clock.advance(Duration::from_secs(u64::try_from(86_400 - second).unwrap()));
    assert_eq!(status(&world, &world.demo.password, HOME).await, 200);
}
