//! Persistent logins from outside: what they open, when they end, and that a token which was replaced ends everything
//! while requests that were sent together never do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use local::{Cloud, dynamodb};
use serde_json::{Value, json};
use shared::access_token::{AccessToken, TenantPermission};
use shared::authorize::Presented;
use shared::clock::Clock;
use shared::config::Config;
use shared::error::Problem;
use shared::gateway::Response;
use shared::persistent_login::{PersistentLogin, PersistentLoginKey};
use shared::profile_api::ProfileApi;
use shared::random::SystemRandom;
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration, Creation, Lookup, NewUser, Store as _, Write};
use shared::tenant::{Tenant, TenantName};
use shared::testing::FrozenClock;
use shared::user::{User, UserId};
use tests::paced::Paced;
use tests::world::member;
use tests::{Account, Call, Dice, World, note};

const CREATE: &str = "persistent-login-create";
const GET: &str = "persistent-login-get";
const REFRESH: &str = "persistent-login-refresh";
const DELETE: &str = "persistent-login-delete";
const FORTNIGHT: u64 = 1_296_000;
/// Of races.
const ROUNDS: u64 = 200;

fn body(response: &Response) -> Value {
    serde_json::from_str(response.body()).unwrap_or_default()
}

fn told(response: &Response) -> (u16, String) {
    (response.status(), body(response)["errorCode"].as_str().unwrap_or_default().to_owned())
}

fn gone() -> (u16, String) {
    (404, "NO_SUCH_PERSISTENT_LOGIN".to_owned())
}

fn pass(world: &World, seconds: u64) {
    world.stack.clock.advance(Duration::from_secs(seconds));
}

fn by(world: &World, name: &str) -> Call {
    Call::to(name).header("x-access-token-id", &world.applications.full)
}

/// A call about a persistent login, with the token that a browser showed, or without.
fn about(world: &World, name: &str, id: &str, token: Option<&str>) -> Call {
    let call = by(world, name).id(id);
    token.map_or(call.clone(), |token| call.parameters(&[("token", token)]))
}

async fn refreshed(world: &World, id: &str, token: Option<&str>) -> String {
    member(&world.send(&about(world, REFRESH, id, token)).await, "token")
}

async fn lives(world: &World, id: &str) -> bool {
    match told(&world.send(&about(world, GET, id, None)).await) {
        (200, _) => true,
        other if other == gone() => false,
        other => panic!("{other:?}"),
    }
}

async fn epoch(world: &World, account: &Account) -> u64 {
    let wanted = Lookup { users: vec![account.user.id.clone()], ..Lookup::default() };
    world.stack.store.lookup(wanted).await.unwrap().users[0].session_epoch
}

#[tokio::test]
async fn a_series_keeps_its_id_and_its_beginning_and_changes_its_token() {
    let world = World::new().await;
    let call = by(&world, CREATE).parameters(&[("profileId", world.demo.id())]);
    let first = body(&world.send(&call).await);
    let began = world.stack.clock.now().as_millis();
    let (id, token) = (first["id"].as_str().unwrap(), first["token"].as_str().unwrap());
    let expected = json!({
        "id": id, "tenant": "demo", "profileId": world.demo.id(), "token": token, "timestamp": began,
    });
    assert_eq!(first, expected);
    assert_eq!(body(&world.send(&about(&world, GET, id, None)).await), first, "reading changes nothing");
    assert_eq!(body(&world.send(&about(&world, GET, id, Some(token))).await), first);

    let mut tokens = BTreeSet::from([token.to_owned()]);
    let mut last = token.to_owned();
    for round in 0..3 {
        pass(&world, 1000);
        let shown = (round != 1).then_some(last.as_str());
        let answer = body(&world.send(&about(&world, REFRESH, id, shown)).await);
        answer["token"].as_str().unwrap().clone_into(&mut last);
        assert!(tokens.insert(last.clone()), "a new one each time");
        let same =
            json!({ "token": last, "id": id, "tenant": "demo", "profileId": world.demo.id(), "timestamp": began });
        assert_eq!(answer, same);
        assert_eq!(body(&world.send(&about(&world, GET, id, Some(&last))).await), answer);
    }
    for _ in 0..2 {
        let deleted = world.send(&about(&world, DELETE, id, None)).await;
        assert_eq!((deleted.status(), deleted.body()), (200, ""));
        assert!(!lives(&world, id).await);
    }
    assert_eq!(told(&world.send(&about(&world, REFRESH, id, Some(&last))).await), gone());
    assert!(world.stack.store.persistent_logins().is_empty());
}

#[tokio::test]
async fn nothing_that_is_stored_opens_anything() {
    let world = World::new().await;
    let (id, token) = world.persistent_login(&world.demo).await;
    let stored = world.stack.store.persistent_logins();
    let login = &stored[0];
    for guess in [login.key.digest.to_base64url(), login.secret.expose_secret()] {
        assert!(guess != id && guess != token && !lives(&world, &guess).await);
        let forged = login.token(&guess).expose_secret().to_owned();
        assert_eq!(told(&world.send(&about(&world, REFRESH, &id, Some(&forged))).await), gone());
    }
    assert!(lives(&world, &id).await);
}

#[tokio::test]
async fn the_application_comes_first_and_sees_only_its_own_tenants() {
    let world = World::new().await;
    let keys = &world.applications;
    let (id, token) = world.persistent_login(&world.demo).await;
    let before = world.stack.store.persistent_logins();
    let denied = |code: &str| (403, code.to_owned());
    for name in [CREATE, GET, REFRESH, DELETE] {
        let call = match name {
            CREATE => Call::to(name).parameters(&[("profileId", world.demo.id())]),
            DELETE => Call::to(name).id(&id),
            _ => Call::to(name).id(&id).parameters(&[("token", &token)]),
        };
        assert_eq!(told(&world.send(&call).await), denied("ACCESS_DENIED"), "{name}: without one");
        for (key, expected) in [
            ("unknown-access-token", denied("ACCESS_DENIED")),
            (&keys.expired, denied("ACCESS_DENIED")),
            (&keys.profiles, denied("ACTION_DENIED")),
            (&keys.master, denied("ACTION_DENIED")),
        ] {
            let answer = world.send(&call.clone().header("x-api-key", key)).await;
            assert_eq!(told(&answer), expected, "{name}");
            assert!(!answer.body().contains(key), "{name}: never echoed");
        }
        let elsewhere = told(&world.send(&call.clone().header("x-api-key", &keys.other)).await);
        let expected = match name {
            CREATE => (404, "NO_SUCH_PROFILE".to_owned()),
            DELETE => (200, String::new()),
            _ => gone(),
        };
        assert_eq!(elsewhere, expected, "{name}: as if there were none");
        assert!(world.stack.store.persistent_logins() == before, "{name} changed nothing");
    }
    for key in [&keys.full, &keys.tickets, &keys.everywhere] {
        let answer = world.send(&Call::to(GET).id(&id).header("x-api-key", key)).await;
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test]
async fn what_is_asked_is_looked_at_before_the_store_and_told_by_its_name() {
    let world = World::new().await;
    let (id, _) = world.persistent_login(&world.demo).await;
    let missing = world.send(&by(&world, CREATE)).await;
    assert_eq!(told(&missing), (400, "OTHER".to_owned()));
    assert_eq!(body(&missing)["message"], "Required parameter 'profileId' is not present");
    let stranger = Call::to(CREATE).header("x-api-key", "unknown-access-token");
    assert_eq!(world.send(&stranger).await.status(), 403, "a stranger is not told what is missing");
    let _ = world.stack.store.take_calls();
    let long = "1".repeat(600);
    for (call, named) in [
        (by(&world, CREATE).parameters(&[("profileId", &long)]), "profileId"),
        (by(&world, CREATE).query("profileId=a&profileId=b"), "profileId"),
        (by(&world, CREATE).query("profileId=%ff"), "profileId"),
        (about(&world, GET, &id, Some(&long)), "token"),
        (by(&world, GET).id(&id).query("token=a&token=b"), "token"),
        (about(&world, REFRESH, &id, Some(&long)), "token"),
        (about(&world, REFRESH, &id, Some("0.x")).query("token=1.y"), "token"),
    ] {
        let answer = world.send(&call).await;
        assert_eq!(told(&answer), (400, "OTHER".to_owned()), "{named}");
        assert!(body(&answer)["message"].as_str().unwrap().starts_with(named), "{}", answer.body());
    }
    assert!(world.stack.store.take_calls().is_empty(), "bad input costs no store call");
    for profile in ["", "x", "a/b", "\u{1f600}", &UserId::generate(&SystemRandom).to_string()] {
        let call = by(&world, CREATE).parameters(&[("profileId", profile)]);
        assert_eq!(told(&world.send(&call).await), (404, "NO_SUCH_PROFILE".to_owned()), "{profile}");
    }
    let disabled = by(&world, CREATE).parameters(&[("profileId", world.disabled.id())]);
    assert_eq!(told(&world.send(&disabled).await), (403, "DISABLED_PROFILE".to_owned()));
    for id in ["x", "\u{1f600}", &"A".repeat(200), &world.ticket(&world.demo).await] {
        assert_eq!(told(&world.send(&about(&world, GET, id, None)).await), gone(), "{id}");
        assert_eq!(told(&world.send(&about(&world, REFRESH, id, None)).await), gone(), "{id}");
        assert_eq!(told(&world.send(&about(&world, DELETE, id, None)).await), (200, String::new()), "{id}");
    }
    assert!(lives(&world, &id).await);
}

#[tokio::test]
async fn a_series_ends_with_its_time_however_often_it_is_refreshed() {
    let world = World::new().await;
    let (id, _) = world.persistent_login(&world.demo).await;
    let began = world.stack.clock.now();
    for day in 1..15 {
        world.stack.clock.set(began.plus(Duration::from_secs(day * 86_400)));
        refreshed(&world, &id, None).await;
    }
    world.stack.clock.set(began.plus(Duration::from_secs(FORTNIGHT - 1)));
    let last = refreshed(&world, &id, None).await;
    world.stack.clock.set(began.plus(Duration::from_secs(FORTNIGHT)));
    for name in [GET, REFRESH] {
        assert_eq!(told(&world.send(&about(&world, name, &id, Some(&last))).await), gone(), "{name}");
    }
}

#[tokio::test]
async fn a_series_ends_with_its_user_s_sessions_and_nothing_revives_it() {
    let world = World::new().await;
    let account = &world.demo;
    for ending in ["disabled", "password", "sessions", "deleted"] {
        let (id, token) = world.persistent_login(account).await;
        let stored = world.stack.store.persistent_logins();
        let now = world.stack.clock.now();
        match ending {
            "disabled" => {
                for enabled in [false, true] {
                    let set = world.stack.store.set_enabled(&account.user, enabled, now).await.unwrap();
                    assert_eq!(set, Write::Done);
                    assert!(!lives(&world, &id).await, "{enabled}");
                }
            }
            "password" => {
                let change = Call::new_password("demo", &account.password);
                assert_eq!(world.send(&change).await.status(), 200);
            }
            "sessions" => {
                let password = tests::NEW_PASSWORD;
                let login = Call::to("user-login").json(&json!({ "username": "demo", "password": password }));
                let jwt = member(&world.send(&login).await, "Token");
                let all = json!({ "all": true, "except_current": true });
                let revoked = world.send(&Call::to("user-sessions-revoke").bearer(&jwt).json(&all)).await;
                assert_eq!(revoked.status(), 200);
            }
            _ => {
                let wanted = Lookup { users: vec![account.user.id.clone()], ..Lookup::default() };
                let user = world.stack.store.lookup(wanted).await.unwrap().users.remove(0);
                assert_eq!(world.stack.store.delete_user(&user, now).await.unwrap(), Write::Done);
                assert!(world.stack.store.persistent_logins().is_empty());
            }
        }
        for name in [GET, REFRESH] {
            for shown in [None, Some(token.as_str()), Some("0.forged")] {
                assert_eq!(told(&world.send(&about(&world, name, &id, shown)).await), gone(), "{ending}: {name}");
            }
        }
        let after = world.stack.store.persistent_logins();
        assert!(after == stored || ending == "deleted", "{ending}: what has ended is left to be swept");
    }
}

#[tokio::test]
async fn it_is_in_no_list_of_sessions_and_opens_nothing_by_itself() {
    let world = World::new().await;
    let (id, token) = world.persistent_login(&world.demo).await;
    let jwt = world.jwt(&world.demo).await;
    let listed = world.send(&Call::to("user-sessions").bearer(&jwt)).await;
    assert_eq!(body(&listed).as_array().unwrap().len(), 1, "the login alone: {}", listed.body());
    for text in [&id, &token] {
        let call = Call::to("oauth2-introspect").header("x-api-key", &world.applications.everywhere);
        assert_eq!(body(&world.send(&call.form(&[("token", text)])).await), json!({ "active": false }));
        assert_eq!(world.send(&by(&world, "ticket-get").id(text)).await.status(), 404);
    }
}

/// What somebody has who is signed in everywhere.
struct Everything {
    series: Vec<(String, String)>,
    ticket: String,
    jwt: String,
    header: String,
}

async fn everything(world: &World, account: &Account) -> Everything {
    let jwt = world.jwt(account).await;
    Everything {
        series: vec![world.persistent_login(account).await, world.persistent_login(account).await],
        ticket: world.ticket(account).await,
        header: world.auth_header(&jwt).await,
        jwt,
    }
}

async fn statuses(world: &World, it: &Everything) -> [u16; 5] {
    let calls = [
        about(world, GET, &it.series[0].0, None),
        about(world, GET, &it.series[1].0, None),
        by(world, "ticket-get").id(&it.ticket),
        Call::to("test-secure").bearer(&it.jwt),
        Call::to("test-secure").header("x-authorization", &it.header),
    ];
    let mut statuses = [0; 5];
    for (status, call) in statuses.iter_mut().zip(&calls) {
        *status = world.send(call).await.status();
    }
    statuses
}

#[tokio::test]
async fn a_replayed_token_ends_the_series_and_every_session_of_its_user() {
    for name in [GET, REFRESH] {
        let world = World::new().await;
        let (victim, bystander) = (everything(&world, &world.demo).await, everything(&world, &world.admin).await);
        let (id, stolen) = &victim.series[0];
        let next = refreshed(&world, id, Some(stolen)).await;
        pass(&world, 29);
        let just = world.send(&about(&world, name, id, Some(stolen))).await;
        assert_eq!((just.status(), member(&just, "token")), (200, next.clone()), "in time: the one that goes on");
        assert_eq!(statuses(&world, &victim).await, [200; 5]);
        pass(&world, 1);
        assert_eq!(told(&world.send(&about(&world, name, id, Some(stolen))).await), gone());
        assert_eq!(statuses(&world, &victim).await, [404, 404, 404, 401, 200], "{name}: auth headers go on");
        assert_eq!(statuses(&world, &bystander).await, [200; 5], "{name}: nobody else's");
        for token in [stolen, &next] {
            assert_eq!(told(&world.send(&about(&world, REFRESH, id, Some(token))).await), gone(), "whoever has which");
        }
        let again = everything(&world, &world.demo).await;
        assert_eq!(told(&world.send(&about(&world, name, id, Some(stolen))).await), gone());
        assert_eq!(statuses(&world, &again).await, [200; 5], "a thief's second try ends nothing more");
    }
}

#[tokio::test]
async fn a_thief_who_comes_first_is_found_out_by_the_owner() {
    let world = World::new().await;
    let (id, stolen) = world.persistent_login(&world.demo).await;
    pass(&world, 3600);
    let thief_s = refreshed(&world, &id, Some(&stolen)).await;
    let ticket =
        member(&world.send(&by(&world, "ticket-create").parameters(&[("profileId", world.demo.id())])).await, "id");
    pass(&world, 600);
    assert_eq!(told(&world.send(&about(&world, REFRESH, &id, Some(&stolen))).await), gone(), "the owner comes back");
    assert_eq!(told(&world.send(&about(&world, REFRESH, &id, Some(&thief_s))).await), gone());
    assert_eq!(world.send(&by(&world, "ticket-get").id(&ticket)).await.status(), 404, "what the thief opened");
}

#[tokio::test]
async fn a_token_that_was_never_given_out_ends_nothing() {
    let world = World::new().await;
    let (id, first) = world.persistent_login(&world.demo).await;
    let (other, _) = world.persistent_login(&world.demo).await;
    let second = refreshed(&world, &id, Some(&first)).await;
    pass(&world, 60);
    let (number, tag) = second.split_once('.').unwrap();
    let (_, old_tag) = first.split_once('.').unwrap();
    let before = world.stack.store.persistent_logins();
    let forged = [
        String::new(),
        "x".to_owned(),
        format!("{number}.{}", "A".repeat(43)),
        format!("0.{tag}"),
        format!("1.{old_tag}"),
        format!("2.{tag}"),
        format!("00.{old_tag}"),
        format!("0.{old_tag}\u{200b}"),
        world.persistent_login(&world.admin).await.1,
    ];
    let stored = world.stack.store.persistent_logins();
    assert_eq!(stored.len(), before.len() + 1);
    for token in &forged {
        for name in [GET, REFRESH] {
            assert_eq!(told(&world.send(&about(&world, name, &id, Some(token))).await), gone(), "{name} {token:?}");
        }
    }
    assert_eq!(told(&world.send(&about(&world, REFRESH, &other, Some(&first))).await), gone(), "another series'");
    assert!(world.stack.store.persistent_logins() == stored, "and nothing changed");
    assert_eq!(epoch(&world, &world.demo).await, world.demo.user.session_epoch);
    assert_eq!(world.send(&about(&world, GET, &id, Some(&second))).await.status(), 200);
}

#[tokio::test]
async fn within_half_a_minute_a_series_moves_on_once() {
    let world = World::new().await;
    let (id, first) = world.persistent_login(&world.demo).await;
    let second = refreshed(&world, &id, None).await;
    assert_ne!(first, second, "at once where there was none before");
    for shown in [None, Some(&first), Some(&second)] {
        for seconds in [0, 7] {
            pass(&world, seconds);
            assert_eq!(refreshed(&world, &id, shown.map(String::as_str)).await, second, "{shown:?}");
        }
    }
    pass(&world, 9);
    let third = refreshed(&world, &id, Some(&second)).await;
    assert!(third != second && third != first);
    // Sent when the first one was the last, and on its way all the while.
    assert_eq!(told(&world.send(&about(&world, GET, &id, Some(&first))).await), gone(), "too old by then");
}

/// A world in which requests that are sent together overtake each other at every call of the store.
async fn racing(seed: u64) -> World {
    let mut world = World::new().await;
    let clock = Arc::new(world.stack.clock.clone());
    world.rewire(Paced::new(world.stack.store.clone(), seed), clock);
    world
}

#[tokio::test]
async fn sixty_four_requests_with_one_token_raise_no_alarm_and_make_one_step() {
    for round in 0..ROUNDS {
        let world = racing(round).await;
        let (id, mut token) = world.persistent_login(&world.demo).await;
        for step in 1..=3 {
            pass(&world, 31);
            let calls: Vec<Call> = (0..64)
                .map(|number| match number % 4 {
                    0 => about(&world, GET, &id, Some(&token)),
                    1 => about(&world, REFRESH, &id, None),
                    _ => about(&world, REFRESH, &id, Some(&token)),
                })
                .collect();
            let answers = join_all(calls.iter().map(|call| world.send(call))).await;
            let refreshing = answers.iter().zip(&calls).filter(|(_, call)| call.route().name == REFRESH);
            let tokens: BTreeSet<String> = refreshing.map(|(answer, _)| member(answer, "token")).collect();
            assert!(answers.iter().all(|answer| answer.status() == 200), "round {round}");
            assert_eq!(tokens.len(), 1, "round {round}: all go on with the same");
            assert!(!tokens.contains(&token));
            token = tokens.into_iter().next().unwrap();
            assert_eq!(world.stack.store.persistent_logins()[0].generation, step, "round {round}: one step");
            assert_eq!(epoch(&world, &world.demo).await, world.demo.user.session_epoch, "round {round}: no alarm");
        }
    }
    note("Q12", "rounds-of-a-persistent-login", ROUNDS);
}

#[tokio::test]
async fn of_sixty_four_replays_among_good_requests_one_is_acted_on() {
    for round in 0..ROUNDS {
        let world = racing(round).await;
        let (id, stolen) = world.persistent_login(&world.demo).await;
        let token = refreshed(&world, &id, Some(&stolen)).await;
        pass(&world, 31);
        let dice = Dice::new(round);
        let calls: Vec<Call> = (0..64)
            .map(|_| {
                let name = [GET, REFRESH][dice.below(2)];
                let shown = [Some(&stolen), Some(&stolen), Some(&token), None][dice.below(4)];
                about(&world, name, &id, shown.map(String::as_str))
            })
            .chain([about(&world, GET, &id, Some(&stolen))])
            .collect();
        let answers = join_all(calls.iter().map(|call| world.send(call))).await;
        for (answer, call) in answers.iter().zip(&calls) {
            let replayed = call.event().to_string().contains(&stolen);
            let fits = answer.status() == 404 || !replayed && answer.status() == 200;
            assert!(fits, "round {round}: {} {}", answer.status(), answer.body());
        }
        assert!(world.stack.store.persistent_logins().is_empty(), "round {round}: the series has ended");
        assert_eq!(epoch(&world, &world.demo).await, world.demo.user.session_epoch + 1, "round {round}: once");
    }
    note("Q12", "rounds-of-replays", ROUNDS);
}

#[tokio::test]
async fn what_ends_while_a_refresh_is_on_its_way_stays_ended() {
    for round in 0..200 {
        let world = racing(round).await;
        let (id, token) = world.persistent_login(&world.demo).await;
        pass(&world, 31);
        let refresh = about(&world, REFRESH, &id, Some(&token));
        let delete = about(&world, DELETE, &id, None);
        let (refreshing, deleting) = tokio::join!(world.send(&refresh), world.send(&delete));
        assert!(matches!(refreshing.status(), 200 | 404), "round {round}: {}", refreshing.body());
        assert_eq!(deleting.status(), 200);
        assert!(!lives(&world, &id).await && world.stack.store.persistent_logins().is_empty(), "round {round}");
    }
}

#[tokio::test]
async fn in_an_outage_nobody_is_refused_and_nothing_is_half_done() {
    let world = World::new().await;
    let (id, stolen) = world.persistent_login(&world.demo).await;
    let token = refreshed(&world, &id, Some(&stolen)).await;
    pass(&world, 60);
    let store = &world.stack.store;
    let before = store.persistent_logins();
    let calls = [
        (by(&world, CREATE).parameters(&[("profileId", world.demo.id())]), 2),
        (about(&world, GET, &id, None), 1),
        (about(&world, REFRESH, &id, Some(&token)), 2),
        (about(&world, GET, &id, Some(&stolen)), 2),
        (about(&world, REFRESH, &id, Some(&stolen)), 2),
        (about(&world, DELETE, &id, None), 2),
    ];
    for (call, steps) in &calls {
        for done in 0..*steps {
            store.fail_after(Some(done));
            let answer = world.send(call).await;
            store.fail_after(None);
            assert_eq!(told(&answer), (503, "OTHER".to_owned()), "{} after {done} calls", call.route().name);
            assert!(store.persistent_logins() == before, "{} after {done} calls", call.route().name);
            assert_eq!(epoch(&world, &world.demo).await, world.demo.user.session_epoch);
        }
    }
    assert_eq!(told(&world.send(&about(&world, REFRESH, &id, Some(&stolen))).await), gone(), "the same again");
    assert_eq!(epoch(&world, &world.demo).await, world.demo.user.session_epoch + 1, "is acted on all the same");
}

/// An application, somebody and a persistent login on the embedded engine.
struct Stored {
    _cloud: Cloud,
    api: Arc<ProfileApi<DynamoStore>>,
    clock: FrozenClock,
    presented: String,
    user: User,
    login: PersistentLogin,
    id: String,
}

impl Stored {
    async fn new() -> Self {
        let parameters = BTreeMap::from([("Issuer".to_owned(), "https://auth.example.com".to_owned())]);
        let cloud = Cloud::in_memory(&parameters).unwrap();
        let config = Config::read(|name| cloud.environment().get(name).cloned()).unwrap();
        assert_eq!(config.persistent_login, Duration::from_secs(FORTNIGHT), "the template's default");
        let client = dynamodb::client(&cloud.dynamodb_url());
        let store = DynamoStore::new(client, config.tables, Arc::new(SystemRandom));
        let clock = FrozenClock::default();
        let user = shared::testing::user(UserId::generate(&SystemRandom).as_str());
        let tenant = Tenant::new(TenantName::parse("demo").unwrap(), clock.now());
        assert_eq!(store.create_tenant(&tenant).await.unwrap(), Write::Done);
        assert_eq!(store.create_user(NewUser::new(user.clone(), None)).await.unwrap(), Creation::Done);
        let presented = AccessToken::generate(&SystemRandom);
        let token = AccessToken {
            digest: presented.digest(),
            application: "app".to_owned(),
            master: false,
            permissions: vec![TenantPermission { tenant: None, actions: None }],
            expires: None,
            created: clock.now(),
        };
        assert_eq!(store.create_access_token(&token).await.unwrap(), Write::Done);
        let (login, id) = PersistentLogin::issue(&user, config.persistent_login, clock.now(), &SystemRandom);
        assert_eq!(store.create_persistent_login(&login).await.unwrap(), Write::Done);
        let api = Arc::new(ProfileApi { store, clock: Arc::new(clock.clone()), random: Arc::new(SystemRandom) });
        let (presented, id) = (presented.expose_secret().to_owned(), id.expose_secret().to_owned());
        Self { _cloud: cloud, api, clock, presented, user, login, id }
    }

    /// So many refreshes at once, each in a task of its own.
    async fn refreshes(&self, count: usize, shown: &str) -> Vec<Result<PersistentLogin, Problem>> {
        let tasks = (0..count).map(|_| {
            let (api, presented) = (Arc::clone(&self.api), Presented::new(&self.presented));
            let (id, shown) = (self.id.clone(), shown.to_owned());
            tokio::spawn(async move { api.refreshed_persistent_login(&presented, &id, Some(&shown)).await })
        });
        join_all(tasks.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect()
    }

    async fn now(&self) -> (Option<PersistentLogin>, u64) {
        let key = PersistentLoginKey::of(&self.id);
        let wanted = Lookup { persistent_login: key, users: vec![self.user.id.clone()], ..Lookup::default() };
        let found = self.api.store.lookup(wanted).await.unwrap();
        (found.persistent_login, found.users[0].session_epoch)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_dynamodb_too_one_token_is_one_step_and_one_replay_one_end() {
    for _ in 0..5 {
        let it = Stored::new().await;
        let first = it.login.token(&it.id).expose_secret().to_owned();
        let mut token = first.clone();
        for step in 1..=3 {
            it.clock.advance(Duration::from_secs(31));
            let outcomes = it.refreshes(64, &token).await;
            let tokens: BTreeSet<String> = outcomes
                .into_iter()
                .map(|outcome| outcome.unwrap_or_else(|problem| panic!("{problem:?}")))
                .map(|login| login.token(&it.id).expose_secret().to_owned())
                .collect();
            assert_eq!(tokens.len(), 1, "step {step}");
            token = tokens.into_iter().next().unwrap();
            let (stored, epoch) = it.now().await;
            assert_eq!((stored.unwrap().generation, epoch), (step, it.user.session_epoch));
        }
        let outcomes = it.refreshes(64, &first).await;
        for outcome in outcomes {
            // Those that met one another in the same transaction may be told to come again.
            assert!(matches!(outcome, Err(Problem::NoSuchPersistentLogin | Problem::Store(_))));
        }
        let (stored, epoch) = it.now().await;
        assert!(stored.is_none());
        assert_eq!(epoch, it.user.session_epoch + 1, "ended once");
    }
}
