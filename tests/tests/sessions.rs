//! Sessions: renewing them from several windows, seeing them, ending them. What has ended is refused from the next
//! request on, on every path that takes it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::api::{Access, ROUTES, Route};
use shared::clock::{Clock, Timestamp};
use shared::config::Lifetimes;
use shared::gateway::Response;
use shared::jwt::{self, Bearer};
use shared::renewal::Renewer;
use shared::secret::Digest;
use shared::source::{MAX_AGENT_BYTES, Source};
use shared::store::{Administration as _, Lookup, Store as _};
use shared::tenant::Tenants;
use shared::testing::FrozenClock;
use shared::ticket::{Limits, Origin, Ticket, TicketKey};
use tests::paced::Paced;
use tests::world::{member, verifier};
use tests::{Account, Call, World, hex};

const DAY: i64 = 86_400;

fn body(response: &Response) -> Value {
    serde_json::from_str(response.body()).unwrap()
}

fn claims(jwt: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn lifetime(jwt: &str) -> i64 {
    let claims = claims(jwt);
    claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
}

fn pass(world: &World, seconds: u64) {
    world.stack.clock.advance(Duration::from_secs(seconds));
}

fn renew(jwt: &str) -> Call {
    Call::to("user-renew").bearer(jwt)
}

fn token(jwt: &str, query: &str) -> Call {
    Call::to("user-token").bearer(jwt).query(query)
}

fn revoke(jwt: &str, which: &Value) -> Call {
    Call::to("user-sessions-revoke").bearer(jwt).json(which)
}

async fn status(world: &World, call: &Call) -> u16 {
    world.send(call).await.status()
}

async fn renewed(world: &World, jwt: &str) -> String {
    member(&world.send(&renew(jwt)).await, "Token")
}

async fn chosen(world: &World, jwt: &str, query: &str) -> String {
    member(&world.send(&token(jwt, query)).await, "Token")
}

async fn works(world: &World, jwt: &str) -> bool {
    match status(world, &Call::to("test-secure").bearer(jwt)).await {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

async fn revoked(world: &World, jwt: &str, which: Value) {
    let response = world.send(&revoke(jwt, &which)).await;
    assert_eq!((response.status(), body(&response)), (200, json!({ "message": "Success" })), "{which}");
}

/// The caller's sessions as listed.
async fn sessions(world: &World, jwt: &str) -> Vec<Value> {
    let response = world.send(&Call::to("user-sessions").bearer(jwt)).await;
    assert_eq!(response.status(), 200, "{}", response.body());
    body(&response).as_array().unwrap().clone()
}

/// The id of the session that a JWT belongs to.
async fn session_id(world: &World, jwt: &str) -> String {
    let listed = sessions(world, jwt).await;
    let mut current = listed.iter().filter(|session| session["current"] == true);
    let id = current.next().unwrap()["id"].as_str().unwrap().to_owned();
    assert!(current.next().is_none(), "one is current");
    id
}

/// A good request with this JWT to each endpoint that takes one.
fn with_jwt(world: &World, route: &Route, jwt: &str) -> Option<Call> {
    let call = Call::to(route.name).bearer(jwt);
    match route.access {
        Access::Open | Access::Body | Access::AccessToken => None,
        Access::LoginJwt | Access::User | Access::AccessTokenOrJwt => Some(match route.name {
            "user-token" => call.query("m=5"),
            "user-sessions-revoke" => call.json(&json!({ "id": "unknown" })),
            "authheader-add" => call.json(&json!({ "name": "key" })),
            "authheader-delete" => call.json(&json!({ "text": "unknown" })),
            "authheader-rotate" => call.json(&json!({ "text": "unknown", "overlap": 0 })),
            "profile-authenticate" | "profile-get" => call.id(world.demo.id()),
            "profile-update" => call.id(world.demo.id()).json(&json!({ "name": "x" })),
            _ => call,
        }),
    }
}

/// Refused by every endpoint that takes a JWT, those of `but` excepted, and called inactive.
async fn refused_everywhere(world: &World, jwt: &str, but: &[&str]) {
    let mut refusals = 0;
    for route in ROUTES.iter().filter(|route| !but.contains(&route.name)) {
        let Some(call) = with_jwt(world, route, jwt) else { continue };
        let expected = if route.access == Access::AccessTokenOrJwt { 403 } else { 401 };
        assert_eq!(status(world, &call).await, expected, "{}", route.name);
        refusals += 1;
    }
    assert!(refusals + but.len() >= 11, "only {refusals}");
    assert!(!active(world, jwt).await);
}

async fn active(world: &World, token: &str) -> bool {
    let call = Call::to("oauth2-introspect").header("x-api-key", &world.applications.everywhere);
    body(&world.send(&call.form(&[("token", token)])).await)["active"].as_bool().unwrap()
}

async fn taken_everywhere(world: &World, jwt: &str) {
    let ending = ["user-logout", "user-renew", "user-token"];
    for route in ROUTES.iter().filter(|route| !ending.contains(&route.name)) {
        let Some(call) = with_jwt(world, route, jwt) else { continue };
        assert!(matches!(status(world, &call).await, 200 | 404), "{}", route.name);
    }
    assert!(active(world, jwt).await);
}

const RENEWALS: [&str; 3] = ["user-renew", "user-token", "user-logout"];

#[tokio::test]
async fn a_renewed_login_lives_from_now_on_and_its_old_jwt_ends() {
    let world = World::new().await;
    let old = world.jwt(&world.demo).await;
    pass(&world, 3000);
    let call = Call::to("user-login").json(&json!({ "username": "demo", "password": world.demo.password }));
    let login = body(&world.send(&call).await);
    let mut answer = body(&world.send(&renew(&old)).await);
    let new = answer["Token"].as_str().unwrap().to_owned();
    assert_eq!(answer["access_token"], new.as_str());
    assert_eq!((&answer["expires_in"], &answer["token_type"]), (&json!(3600), &json!("bearer")));
    answer["Token"] = login["Token"].clone();
    for name in ["access_token", "expires_in", "token_type"] {
        answer.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(answer, login, "the rest is a login object");
    assert_eq!((lifetime(&new), &claims(&new)["sid"]), (3600, &claims(&old)["sid"]));

    refused_everywhere(&world, &old, &RENEWALS).await;
    taken_everywhere(&world, &new).await;
    pass(&world, 3599);
    assert!(works(&world, &new).await, "long after the old one's end");
    pass(&world, 1);
    assert!(!works(&world, &new).await);
    refused_everywhere(&world, &new, &[]).await;
}

#[tokio::test]
async fn a_chosen_lifetime_is_kept_to_the_second_and_capped() {
    for (query, seconds) in [
        ("m=1", 60),
        ("m=90", 5400),
        ("d=1", DAY),
        ("d=30", 30 * DAY),
        ("m=43200", 30 * DAY),
        ("d=31", 30 * DAY),
        ("d=4294967296", 30 * DAY),
    ] {
        let world = World::new().await;
        let old = world.jwt(&world.demo).await;
        let new = chosen(&world, &old, query).await;
        assert_eq!(lifetime(&new), seconds, "{query}");
        refused_everywhere(&world, &old, &RENEWALS).await;
        let end = world.stack.clock.now().as_millis() + seconds * 1000;
        for (millis, live) in [(-1000, true), (-1, true), (0, false), (1000, false)] {
            world.stack.clock.set(Timestamp::from_millis(end + millis));
            assert_eq!(works(&world, &new).await, live, "{query} {millis}");
        }
    }
}

#[tokio::test]
async fn two_windows_that_renew_the_same_jwt_both_go_on() {
    let world = World::new().await;
    let old = world.jwt(&world.demo).await;
    let first = renewed(&world, &old).await;
    let second = renewed(&world, &old).await;
    assert_ne!(first, second);
    for jwt in [&first, &second] {
        taken_everywhere(&world, jwt).await;
    }
    refused_everywhere(&world, &old, &RENEWALS).await;

    world.stack.clock.advance(Duration::from_millis(29_999));
    let third = renewed(&world, &old).await;
    world.stack.clock.advance(Duration::from_millis(1));
    refused_everywhere(&world, &old, &[]).await;
    for jwt in [&first, &second, &third] {
        assert!(works(&world, jwt).await);
    }
}

#[tokio::test]
async fn a_jwt_two_renewals_old_is_refused_by_every_path_at_once() {
    let world = World::new().await;
    let oldest = world.jwt(&world.demo).await;
    let (first, second) = (renewed(&world, &oldest).await, renewed(&world, &oldest).await);
    let newest = renewed(&world, &first).await;
    refused_everywhere(&world, &oldest, &[]).await;
    refused_everywhere(&world, &first, &RENEWALS).await;
    assert!(works(&world, &second).await, "the other window's is not replaced");
    let late = renewed(&world, &second).await;
    for jwt in [&newest, &late] {
        assert!(works(&world, jwt).await, "both windows go on, renewal after renewal");
    }
}

#[tokio::test]
async fn what_one_window_renews_later_ends_nothing_of_the_other_s() {
    let world = World::new().await;
    let old = world.jwt(&world.demo).await;
    let (mut one, other) = (renewed(&world, &old).await, chosen(&world, &old, "d=2").await);
    for _ in 0..30 {
        pass(&world, 3000);
        one = renewed(&world, &one).await;
        assert!(works(&world, &other).await && works(&world, &one).await);
    }
    let call = Call::to("user-logout").bearer(&one);
    assert_eq!(world.send(&call).await.status(), 200);
    assert!(!works(&world, &other).await, "but it is one session");
}

/// A clock that never shows the same moment twice.
struct Ticking(FrozenClock);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        self.0.advance(Duration::from_millis(1));
        self.0.now()
    }
}

/// A world in which requests that are sent together overtake each other at every call of the store.
async fn racing(seed: u64) -> World {
    let mut world = World::new().await;
    let clock = Arc::new(Ticking(world.stack.clock.clone()));
    world.rewire(Paced::new(world.stack.store.clone(), seed), clock);
    world
}

#[tokio::test]
async fn sixty_four_windows_that_renew_at_once_all_go_on() {
    for round in 0..100 {
        let world = racing(round).await;
        let old = world.jwt(&world.demo).await;
        let calls: Vec<Call> = (0..64)
            .map(|window| if window % 2 == 0 { renew(&old) } else { token(&old, &format!("m={window}")) })
            .collect();
        let answers = join_all(calls.iter().map(|call| world.send(call))).await;
        for (window, answer) in answers.iter().enumerate() {
            assert_eq!(answer.status(), 200, "round {round}, window {window}");
            let jwt = member(answer, "Token");
            let asked = if window % 2 == 0 { 3600 } else { i64::try_from(window).unwrap() * 60 };
            assert!((asked..=asked + 1).contains(&lifetime(&jwt)), "round {round}, window {window}");
            assert!(works(&world, &jwt).await, "round {round}, window {window}");
        }
        assert!(!works(&world, &old).await);
        assert_eq!(world.stack.store.tickets().len(), 1, "still one session");
    }
}

#[tokio::test]
async fn a_window_s_shorter_lifetime_does_not_shorten_the_other_s() {
    let world = World::new().await;
    let old = world.jwt(&world.demo).await;
    let long = chosen(&world, &old, "d=7").await;
    let short = chosen(&world, &old, "m=1").await;
    pass(&world, 60);
    assert!(!works(&world, &short).await);
    pass(&world, 7 * 86_400 - 61);
    assert!(works(&world, &long).await);

    let world = World::new().await;
    let old = world.jwt(&world.demo).await;
    let short = chosen(&world, &old, "m=1").await;
    let long = renewed(&world, &old).await;
    pass(&world, 60);
    assert!(!works(&world, &short).await, "and a longer one doesn't lengthen it");
    pass(&world, 3539);
    assert!(works(&world, &long).await);
    pass(&world, 1);
    assert!(!works(&world, &long).await);
}

#[tokio::test]
async fn logging_out_in_any_window_ends_the_session_in_all() {
    for leaving in 0..3 {
        let world = World::new().await;
        let old = world.jwt(&world.demo).await;
        let windows = [renewed(&world, &old).await, renewed(&world, &old).await, old];
        assert_eq!(status(&world, &Call::to("user-logout").bearer(&windows[leaving])).await, 200);
        for jwt in &windows {
            refused_everywhere(&world, jwt, &[]).await;
        }
    }
}

#[tokio::test]
async fn no_login_outlives_its_longest_life_however_often_it_is_renewed() {
    let world = World::new().await;
    let end = world.stack.clock.now().as_seconds() + 30 * DAY;
    let mut jwt = world.jwt(&world.demo).await;
    for _ in 0..30 {
        jwt = chosen(&world, &jwt, "d=2").await;
        pass(&world, 86_300);
    }
    let left = end - world.stack.clock.now().as_seconds();
    assert_eq!(left, 3000);
    let answer = body(&world.send(&renew(&jwt)).await);
    assert_eq!(answer["expires_in"], left);
    jwt = answer["Token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&jwt)["exp"], end);
    world.stack.clock.set(Timestamp::from_millis(end * 1000 - 1));
    jwt = chosen(&world, &jwt, "d=30").await;
    assert_eq!(claims(&jwt)["exp"], end);
    assert!(works(&world, &jwt).await);
    world.stack.clock.set(Timestamp::from_seconds(end));
    refused_everywhere(&world, &jwt, &[]).await;
}

/// An operator lowered the setting: nothing that was granted is taken back, and nothing more is granted.
#[tokio::test]
async fn a_login_older_than_the_longest_life_of_now_is_not_renewed() {
    let mut world = World::new().await;
    let jwt = chosen(&world, &world.jwt(&world.demo).await, "d=2").await;
    let lowered = |world: &World| {
        let (verifier, random) = (verifier(&world.stack), Arc::clone(&world.stack.random));
        let lifetimes = Lifetimes { login_max: Duration::from_hours(1), ..world.stack.config.lifetimes };
        user_token::UserToken { renewer: Renewer { verifier, random, lifetimes, tenants: Tenants::default() } }
    };
    world.replace(lowered(&world));
    pass(&world, 3599);
    let last = chosen(&world, &jwt, "d=2").await;
    assert_eq!(lifetime(&last), 1);
    pass(&world, 1);
    assert!(!works(&world, &last).await);

    let mut world = World::new().await;
    let jwt = chosen(&world, &world.jwt(&world.demo).await, "d=2").await;
    world.replace(lowered(&world));
    pass(&world, 3600);
    assert_eq!(status(&world, &token(&jwt, "d=2")).await, 401);
    assert!(works(&world, &jwt).await);
}

#[tokio::test]
async fn only_the_jwt_of_a_login_can_be_renewed() {
    let world = World::new().await;
    let login = world.jwt(&world.demo).await;
    let (profile, ticket) = (world.profile_jwt(&world.demo).await, world.ticket(&world.demo).await);
    let header = world.auth_header(&login).await;
    for name in ["user-renew", "user-token"] {
        let call = Call::to(name).query("m=5");
        assert_eq!(status(&world, &call.clone().bearer(&profile)).await, 403, "{name}, a profile's JWT");
        for text in [&ticket, &header, &world.applications.full] {
            assert_eq!(status(&world, &call.clone().bearer(text)).await, 401, "{name}");
        }
        assert_eq!(status(&world, &call.clone().header("x-authorization", &header)).await, 401, "{name}");
        assert_eq!(status(&world, &call.header("x-ticket", &ticket)).await, 401, "{name}");
    }
    assert!(works(&world, &profile).await, "it goes on as it was");
}

#[tokio::test]
async fn what_a_password_opened_ends_with_it_however_often_it_is_renewed() {
    let world = World::new().await;
    let end = world.stack.clock.now().plus(Duration::from_hours(2));
    world.stack.store.edit_credential(&world.demo.login_name(), |credential| credential.password_expires = Some(end));
    let login = world.jwt(&world.demo).await;
    let answer = body(&world.send(&token(&login, "d=1")).await);
    assert_eq!(answer["PasswordExpiration"], end.as_zoneless());
    let jwt = answer["Token"].as_str().unwrap();
    world.stack.clock.set(Timestamp::from_millis(end.as_millis() - 1));
    let jwt = chosen(&world, jwt, "d=1").await;
    assert!(works(&world, &jwt).await);
    world.stack.clock.set(end);
    for call in [renew(&jwt), token(&jwt, "m=5"), Call::to("test-secure").bearer(&jwt)] {
        assert_eq!(status(&world, &call).await, 401, "{}", call.route().name);
    }
    let login = Call::to("user-login").json(&json!({ "username": "demo", "password": world.demo.password }));
    assert_eq!(body(&world.send(&login).await), json!({ "message": "Password expired" }), "the login says why");
}

#[tokio::test]
async fn a_disabled_user_renews_nothing_and_enabling_revives_nothing() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    for enabled in [false, true] {
        let now = world.stack.clock.now();
        let _ = world.stack.store.set_enabled(&world.demo.user, enabled, now).await.unwrap();
        refused_everywhere(&world, &jwt, &[]).await;
    }
}

/// A login from somewhere else.
async fn login_from(world: &World, address: &str, agent: &str) -> String {
    let call = Call::to("user-login").json(&json!({ "username": "demo", "password": world.demo.password }));
    let mut event = call.event();
    event["requestContext"]["http"]["sourceIp"] = json!(address);
    event["requestContext"]["http"]["userAgent"] = json!(agent);
    event["headers"]["user-agent"] = json!(agent);
    member(&world.invoke("user-login", event).await, "Token")
}

#[tokio::test]
async fn a_list_shows_what_people_need_to_tell_their_sessions_apart() {
    let world = World::new().await;
    let began = world.stack.clock.now();
    let office = login_from(&world, "198.51.100.23", "Lynx/2.9.0").await;
    pass(&world, 10);
    let phone = login_from(&world, "2001:db8:7:8:9:a:b:c", &"x".repeat(1000)).await;
    pass(&world, 10);
    let (ticket, profile) = (world.ticket(&world.demo).await, world.profile_jwt(&world.demo).await);
    pass(&world, 10);
    let phone = renewed(&world, &phone).await;
    pass(&world, 10);

    let at = |seconds| began.plus(Duration::from_secs(seconds)).as_zoneless();
    let mut listed = sessions(&world, &office).await;
    let ids: Vec<String> = listed.iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect();
    for session in &mut listed {
        session.as_object_mut().unwrap().remove("id");
    }
    let expected = json!([
        { "family": "login", "created": at(0), "lastUsed": at(40), "expires": at(3600), "network": "198.51.100.0/24",
          "userAgent": "Lynx/2.9.0", "current": true },
        { "family": "login", "created": at(10), "lastUsed": at(30), "expires": at(3630), "network": "2001:db8:7::/48",
          "userAgent": "x".repeat(MAX_AGENT_BYTES), "current": false },
    ]);
    assert_eq!(listed[..2], expected.as_array().unwrap()[..]);
    let mut families: Vec<_> = listed[2..].iter().map(|session| session["family"].as_str().unwrap()).collect();
    families.sort_unstable();
    assert_eq!(families, ["profile", "ticket"]);
    for session in &listed[2..] {
        assert_eq!((&session["created"], &session["lastUsed"]), (&json!(at(20)), &json!(at(20))));
        assert_eq!((&session["network"], &session["current"]), (&json!("203.0.113.0/24"), &json!(false)));
        let lives = if session["family"] == "ticket" { 86_420 } else { 3620 };
        assert_eq!(session["expires"], at(lives));
    }

    // Nothing in it leads to a credential or to a person.
    let shown = world.send(&Call::to("user-sessions").bearer(&office)).await.body().to_owned();
    let mut hidden = vec![ticket, office.clone(), phone.clone(), profile];
    for ticket in world.stack.store.tickets() {
        let digest = ticket.key.digest.to_base64url();
        let bytes = URL_SAFE_NO_PAD.decode(&digest).unwrap();
        hidden.extend([hex(&bytes), digest]);
    }
    hidden.extend(["198.51.100.23", "8:9:a:b:c", "203.0.113.7"].map(str::to_owned));
    for secret in &hidden {
        let head: String = secret.chars().take(12).collect();
        assert!(!shown.contains(&head), "{secret}");
    }
    for id in &ids {
        assert!(TicketKey::of(id).is_none() && Digest::from_base64url(id).is_none());
        assert_eq!(status(&world, &Call::to("test-secure").bearer(id)).await, 401);
    }
    assert_eq!(session_id(&world, &phone).await, ids[1]);
}

#[tokio::test]
async fn nobody_sees_or_ends_somebody_elses_sessions() {
    let world = World::new().await;
    let people = [&world.demo, &world.admin, &world.other, &world.other_admin];
    let mut all = Vec::new();
    for account in people {
        world.ticket(account).await;
        all.push((world.jwt(account).await, session_id(&world, &world.jwt(account).await).await));
    }
    let mut seen = std::collections::BTreeSet::new();
    for (jwt, _) in &all {
        let listed = sessions(&world, jwt).await;
        assert_eq!(listed.len(), 3);
        for session in listed {
            assert!(seen.insert(session["id"].as_str().unwrap().to_owned()), "each session is one user's");
        }
    }
    let unknown = world.send(&revoke(&all[0].0, &json!({ "id": "wouG652vQ94Fs8NIkxGtIo" }))).await;
    assert_eq!(unknown.status(), 404);
    for (jwt, own) in &all {
        for (_, id) in all.iter().filter(|(_, id)| id != own) {
            assert_eq!(world.send(&revoke(jwt, &json!({ "id": id }))).await, unknown);
        }
    }
    revoked(&world, &all[1].0, json!({ "all": true })).await;
    for (number, (jwt, _)) in all.iter().enumerate() {
        if number != 1 {
            assert_eq!(sessions(&world, jwt).await.len(), 3, "the administrator's own end alone");
        }
    }
}

#[tokio::test]
async fn what_has_ended_is_not_listed() {
    let world = World::new().await;
    let before = world.jwt(&world.demo).await;
    for enabled in [false, true] {
        let now = world.stack.clock.now();
        let _ = world.stack.store.set_enabled(&world.demo.user, enabled, now).await.unwrap();
    }
    assert!(!works(&world, &before).await);
    let jwt = world.jwt(&world.demo).await;
    let count = async |jwt: &str| sessions(&world, jwt).await.len();
    assert_eq!(count(&jwt).await, 1, "not those of another epoch");
    let jwt = chosen(&world, &jwt, "d=1").await;
    let left = world.jwt(&world.demo).await;
    world.ticket(&world.demo).await;
    assert_eq!(count(&jwt).await, 3);
    assert_eq!(status(&world, &Call::to("user-logout").bearer(&left)).await, 200);
    assert_eq!(count(&jwt).await, 2, "not one that was logged out of");
    let _short = world.jwt(&world.demo).await;
    pass(&world, 989);
    assert_eq!(count(&jwt).await, 3);
    pass(&world, 1);
    assert_eq!(count(&jwt).await, 2, "not a ticket that was idle for too long");
    pass(&world, 3600 - 990);
    assert_eq!(count(&jwt).await, 1, "not one that is over");
}

/// One answer holds six megabytes at most, and whoever has more sessions than that ends them all.
#[tokio::test]
async fn a_list_of_too_many_sessions_is_cut_to_those_used_last() {
    let world = World::new().await;
    let now = world.stack.clock.now();
    let limits = Limits { idle: None, absolute: Duration::from_hours(24) };
    let agent = "\"".repeat(MAX_AGENT_BYTES);
    for number in 0..1005 {
        let source = Source::new(Some("2001:db8:aaaa:bbbb::1"), Some(&agent));
        let at = now.plus(Duration::from_secs(number));
        let (ticket, _) = Ticket::issue(&world.demo.user, Origin::Ticket, limits, source, at, &*world.stack.random);
        let _ = world.stack.store.create_ticket(&ticket).await.unwrap();
    }
    pass(&world, 2000);
    let jwt = world.jwt(&world.demo).await;
    let response = world.send(&Call::to("user-sessions").bearer(&jwt)).await;
    assert!(response.body().len() < 5_000_000);
    let listed = sessions(&world, &jwt).await;
    assert_eq!((listed.len(), &listed[0]["current"]), (1000, &json!(true)));
    assert_eq!(listed[999]["lastUsed"], now.plus(Duration::from_secs(6)).as_zoneless());
    revoked(&world, &jwt, json!({ "all": true, "except_current": true })).await;
    assert_eq!(sessions(&world, &jwt).await.len(), 1);
}

/// Whether a ticket of the ticket family is good.
async fn ticket_lives(world: &World, ticket: &str) -> bool {
    let call = Call::to("ticket-get").id(ticket).header("x-api-key", &world.applications.full);
    let read = status(world, &call).await;
    assert!(matches!(read, 200 | 404), "{read}");
    assert_eq!(active(world, ticket).await, read == 200, "both say the same");
    read == 200
}

#[tokio::test]
async fn a_session_that_was_ended_by_its_id_is_refused_from_the_next_request_on() {
    let world = World::new().await;
    let (mine, other) = (world.jwt(&world.demo).await, world.jwt(&world.demo).await);
    let (ticket, profile) = (world.ticket(&world.demo).await, world.profile_jwt(&world.demo).await);
    let replaced = world.jwt(&world.demo).await;
    let renewed = renewed(&world, &replaced).await;

    for jwt in [&other, &renewed] {
        let id = session_id(&world, jwt).await;
        assert!(works(&world, jwt).await);
        revoked(&world, &mine, json!({ "id": id })).await;
        refused_everywhere(&world, jwt, &[]).await;
        assert_eq!(status(&world, &revoke(&mine, &json!({ "id": id }))).await, 404, "there is none any more");
    }
    refused_everywhere(&world, &replaced, &[]).await;
    for family in ["ticket", "profile"] {
        assert!(ticket_lives(&world, &ticket).await || family == "profile");
        assert!(works(&world, &profile).await);
        let listed = sessions(&world, &mine).await;
        let id = &listed.iter().find(|session| session["family"] == family).unwrap()["id"];
        revoked(&world, &mine, json!({ "id": id })).await;
    }
    assert!(!ticket_lives(&world, &ticket).await);
    refused_everywhere(&world, &profile, &[]).await;

    assert_eq!(sessions(&world, &mine).await.len(), 1);
    let own = session_id(&world, &mine).await;
    revoked(&world, &mine, json!({ "id": own })).await;
    refused_everywhere(&world, &mine, &[]).await;
}

/// Sessions of every kind, of one user: JWTs and a ticket.
async fn some_of_each(world: &World, account: &Account) -> (Vec<String>, String) {
    let replaced = world.jwt(account).await;
    let jwts = vec![
        world.jwt(account).await,
        world.profile_jwt(account).await,
        renewed(world, &replaced).await,
        chosen(world, &world.jwt(account).await, "d=30").await,
        replaced,
    ];
    (jwts, world.ticket(account).await)
}

#[tokio::test]
async fn ending_all_sessions_ends_every_one_at_once_and_no_auth_header() {
    let world = World::new().await;
    let (jwts, ticket) = some_of_each(&world, &world.demo).await;
    let mine = world.jwt(&world.demo).await;
    let header = world.auth_header(&mine).await;
    revoked(&world, &mine, json!({ "all": true })).await;
    for jwt in jwts.iter().chain([&mine]) {
        refused_everywhere(&world, jwt, &[]).await;
    }
    assert!(!ticket_lives(&world, &ticket).await);
    assert_eq!(status(&world, &Call::to("test-secure").header("x-authorization", &header)).await, 200);
    assert!(active(&world, &header).await);
    let again = world.jwt(&world.demo).await;
    assert_eq!(sessions(&world, &again).await.len(), 1, "and whoever logs in begins anew");
}

#[tokio::test]
async fn ending_all_but_this_one_leaves_this_one_alone() {
    let world = World::new().await;
    let mut mine = world.jwt(&world.demo).await;
    for round in 0..3 {
        let (jwts, ticket) = some_of_each(&world, &world.demo).await;
        let dead = session_id(&world, &jwts[0]).await;
        revoked(&world, &mine, json!({ "all": true, "except_current": true })).await;
        for jwt in &jwts {
            refused_everywhere(&world, jwt, &[]).await;
        }
        assert!(!ticket_lives(&world, &ticket).await);
        assert_eq!(status(&world, &revoke(&mine, &json!({ "id": dead }))).await, 404, "stored still, and no session");
        taken_everywhere(&world, &mine).await;
        let logins = async |jwt: &str| sessions(&world, jwt).await.iter().filter(|it| it["family"] == "login").count();
        assert_eq!(logins(&mine).await, 1, "round {round}");
        mine = renewed(&world, &mine).await;
    }
    revoked(&world, &mine, json!({ "all": true })).await;
    refused_everywhere(&world, &mine, &[]).await;
}

/// A login reads its user and stores its ticket later. If all sessions were ended between the two, it began before.
#[tokio::test]
async fn a_login_that_began_before_all_were_ended_ends_with_them() {
    let world = World::new().await;
    let mine = world.jwt(&world.demo).await;
    let stale = world.demo.user.clone();
    revoked(&world, &mine, json!({ "all": true, "except_current": true })).await;
    let limits = Limits { idle: None, absolute: Duration::from_hours(1) };
    let now = world.stack.clock.now();
    for origin in [Origin::Login, Origin::Profile] {
        let (ticket, _) = Ticket::issue(&stale, origin, limits, Source::default(), now, &*world.stack.random);
        let _ = world.stack.store.create_ticket(&ticket).await.unwrap();
        let (keyring, party) = (&world.stack.keyring, &world.stack.config.party);
        let minted =
            jwt::mint(keyring, party, Bearer::first(&stale, &ticket), now, ticket.expires, &*world.stack.random)
                .await
                .unwrap();
        refused_everywhere(&world, minted.jwt.expose_secret(), &[]).await;
    }
    assert_eq!(sessions(&world, &mine).await.len(), 1);
}

/// What was live before `all` was asked for is dead once it is acknowledged, and so is whatever was made of it
/// meanwhile. What somebody logged into meanwhile may live: it may have come after.
#[tokio::test]
async fn nothing_that_was_live_before_an_acknowledged_end_of_all_survives_it() {
    let (mut raced, mut late) = (0, 0);
    for round in 0..500 {
        let world = racing(round).await;
        let (mut before, ticket) = some_of_each(&world, &world.demo).await;
        let mine = world.jwt(&world.demo).await;
        let but_mine = round % 2 == 0;
        let mut calls: Vec<Call> = before.iter().chain([&mine]).map(|jwt| renew(jwt)).collect();
        calls.extend(before.iter().map(|jwt| Call::to("profile-authenticate").id(world.demo.id()).bearer(jwt)));
        calls.push(Call::to("user-login").json(&json!({ "username": "demo", "password": world.demo.password })));
        calls.push(revoke(&mine, &json!({ "all": true, "except_current": but_mine })));
        let answers = join_all(calls.iter().map(|call| world.send(call))).await;
        if answers.last().unwrap().status() == 401 {
            // The caller's own JWT was renewed before it was judged.
            continue;
        }
        assert_eq!(answers.last().unwrap().status(), 200, "round {round}");
        raced += 1;
        let kept = claims(&mine)["sid"].clone();
        for (call, answer) in calls.iter().zip(&answers).filter(|(_, answer)| answer.status() == 200) {
            match call.route().name {
                "user-renew" => before.push(member(answer, "Token")),
                "profile-authenticate" => before.push(member(answer, "jwt")),
                "user-login" if works(&world, &member(answer, "Token")).await => late += 1,
                _ => {}
            }
        }
        before.retain(|jwt| !but_mine || claims(jwt)["sid"] != kept);
        for jwt in &before {
            assert!(!works(&world, jwt).await, "round {round}");
        }
        assert!(!ticket_lives(&world, &ticket).await, "round {round}");
        // Whichever came first, the session that was to be kept goes on in some window.
        assert_eq!(session_lives(&world, &kept).await, but_mine, "round {round}");
    }
    assert!(raced >= 100, "only {raced} rounds raced");
    assert!((1..raced).contains(&late), "logins came before and after: {late} of {raced} after");
}

/// Whether the session of that `sid` is stored and of its user's epoch.
async fn session_lives(world: &World, sid: &Value) -> bool {
    let users = vec![world.demo.user.id.clone()];
    let found = world.stack.store.lookup(Lookup { users, ..Lookup::default() }).await.unwrap();
    let tickets = world.stack.store.tickets();
    let ticket = tickets.iter().find(|ticket| ticket.key.digest.to_base64url() == sid.as_str().unwrap());
    ticket.is_some_and(|ticket| ticket.is_live(&found.users[0], world.stack.clock.now()))
}

#[tokio::test]
async fn the_use_of_a_session_is_noted_once_in_five_minutes_and_nobody_waits_for_it() {
    let world = World::new().await;
    let began = world.stack.clock.now();
    let (used, seen_from) = (world.jwt(&world.demo).await, world.jwt(&world.demo).await);
    let id = session_id(&world, &used).await;
    let last_used = async || {
        let listed = sessions(&world, &seen_from).await;
        listed.iter().find(|session| session["id"] == id.as_str()).unwrap()["lastUsed"].clone()
    };
    let at = |seconds| json!(began.plus(Duration::from_secs(seconds)).as_zoneless());
    for (seconds, expected, noted) in
        [(0, 0, false), (299, 0, false), (300, 300, true), (301, 300, false), (599, 300, false), (1200, 1200, true)]
    {
        world.stack.clock.set(began.plus(Duration::from_secs(seconds)));
        let _earlier = world.stack.store.take_calls();
        for _ in 0..3 {
            assert!(works(&world, &used).await);
            assert_eq!(world.stack.store.take_calls(), ["lookup"], "the answer does not wait for the write");
            tokio::task::yield_now().await;
            let after = world.stack.store.take_calls();
            assert!(after.is_empty() || (noted && after == ["touch_ticket"]), "{seconds} s: {after:?}");
        }
        assert_eq!(last_used().await, at(expected), "{seconds} s");
    }
    // Three uses, of which one was noted: counted over the whole of the last one.
    world.stack.clock.set(began.plus(Duration::from_secs(1500)));
    let mut notes = 0;
    for _ in 0..10 {
        assert!(works(&world, &used).await);
        tokio::task::yield_now().await;
        notes += world.stack.store.take_calls().iter().filter(|call| **call == "touch_ticket").count();
    }
    assert_eq!(notes, 1);
}

#[tokio::test]
async fn a_use_that_cannot_be_noted_is_answered_all_the_same() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    pass(&world, 300);
    world.stack.store.fail_after(Some(1));
    assert!(works(&world, &jwt).await);
    tokio::task::yield_now().await;
    world.stack.store.fail_after(None);
    assert!(works(&world, &jwt).await);
}

#[tokio::test]
async fn a_use_that_is_noted_late_revives_nothing() {
    let world = World::new().await;
    let (jwt, mine) = (world.jwt(&world.demo).await, world.jwt(&world.demo).await);
    pass(&world, 300);
    let id = session_id(&world, &jwt).await;
    assert!(works(&world, &jwt).await);
    world.stack.store.delete_ticket(&key_of(&world, &jwt)).await.unwrap();
    tokio::task::yield_now().await;
    assert!(world.stack.store.take_calls().contains(&"touch_ticket"), "the note came after the end");
    refused_everywhere(&world, &jwt, &[]).await;
    assert!(sessions(&world, &mine).await.iter().all(|session| session["id"] != id.as_str()));
}

fn key_of(world: &World, jwt: &str) -> TicketKey {
    let digest = Digest::from_base64url(claims(jwt)["sid"].as_str().unwrap()).unwrap();
    TicketKey { user: world.demo.user.id.clone(), digest }
}
