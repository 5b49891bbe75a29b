//! `/oauth2/introspect` and `/oauth2/revoke`: what an application's own servers are told of a token, and what they end.
//! Of a token that is not good they learn that and nothing else, whatever is wrong with it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared::auth_header::{AuthHeader, Choices};
use shared::clock::{Clock as _, Timestamp};
use shared::gateway::Response;
use shared::jwt::{self, Bearer, Party};
use shared::source::Source;
use shared::store::{Administration as _, Store as _, Write};
use shared::testing::SeededRandom;
use shared::ticket::{Limits, Origin, RENEWAL_GRACE, Ticket};
use tests::world::{keyset, member};
use tests::{Account, Call, World, escaped};

const INACTIVE: &str = r#"{"active":false}"#;

fn asked(name: &str, token: &str) -> Call {
    Call::to(name).form(&[("token", &escaped(token))])
}

/// What is told of a token, to an application that may do everything in the tenant `demo`.
async fn introspect(world: &World, token: &str) -> Response {
    world.send(&asked("oauth2-introspect", token).header("x-api-key", &world.applications.full)).await
}

async fn revoke(world: &World, token: &str) -> Response {
    world.send(&asked("oauth2-revoke", token).header("x-api-key", &world.applications.full)).await
}

fn body(response: &Response) -> Value {
    serde_json::from_str(response.body()).unwrap_or_default()
}

async fn is_active(world: &World, token: &str) -> bool {
    let response = introspect(world, token).await;
    assert_eq!(response.status(), 200, "{}", response.body());
    let active = body(&response)["active"].as_bool().unwrap();
    assert!(active || response.body() == INACTIVE, "{}", response.body());
    active
}

fn claims(jwt: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode_claims(jwt).unwrap()
}

/// An auth header as somebody wants it.
async fn made(world: &World, jwt: &str, wanted: Value) -> String {
    member(&world.send(&Call::to("authheader-add").bearer(jwt).json(&wanted)).await, "token")
}

/// One good token of each kind.
async fn one_of_each(world: &World, account: &Account) -> [String; 3] {
    let jwt = world.jwt(account).await;
    let header = world.auth_header(&jwt).await;
    [jwt, header, world.ticket(account).await]
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

#[tokio::test]
async fn a_good_jwt_is_described() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    world.stack.store.edit_user(&world.demo.user.id, |user| user.roles = vec!["a".to_owned(), "b".to_owned()]);
    world.stack.clock.advance(Duration::from_secs(10));
    let said = claims(&jwt);
    let start = world.stack.clock.now().as_seconds() - 10;
    let expected = json!({
        "active": true, "credential": "jwt", "sub": world.demo.id(), "username": "demo", "tenant": "demo",
        "roles": ["a", "b"], "iat": start, "exp": start + 3600, "iss": "https://auth.example.com", "aud": "api",
        "jti": said["jti"], "token_type": "Bearer",
    });
    assert_eq!(body(&introspect(&world, &jwt).await), expected, "the roles are those of this moment");
    assert_eq!(said["roles"], json!(["reader"]));
}

#[tokio::test]
async fn a_good_ticket_is_described() {
    let world = World::new().await;
    let start = world.stack.clock.now().as_seconds();
    let ticket = world.ticket(&world.demo).await;
    let expected = json!({
        "active": true, "credential": "ticket", "sub": world.demo.id(), "username": "demo", "tenant": "demo",
        "roles": ["reader"], "iat": start, "exp": start + 86_400, "iss": "https://auth.example.com",
    });
    assert_eq!(body(&introspect(&world, &ticket).await), expected);
}

#[tokio::test]
async fn a_good_auth_header_is_described() {
    let world = World::new().await;
    let (start, jwt) = (world.stack.clock.now().as_seconds(), world.jwt(&world.demo).await);
    let expected = json!({
        "active": true, "credential": "auth_header", "sub": world.demo.id(), "username": "demo", "tenant": "demo",
        "roles": ["reader"], "iat": start, "iss": "https://auth.example.com",
    });
    let plain = world.auth_header(&jwt).await;
    assert_eq!(body(&introspect(&world, &plain).await), expected);
    let end = Timestamp::from_seconds(start + 60);
    let wanted = json!({ "name": "key", "scopes": ["read:all", "write"], "expires": end.as_zoneless() });
    let limited = made(&world, &jwt, wanted).await;
    let mut expected = expected;
    expected["scope"] = json!("read:all write");
    expected["exp"] = json!(start + 60);
    assert_eq!(body(&introspect(&world, &limited).await), expected);
}

/// Tokens that were good: what was done to them, and the token.
async fn ended(world: &World) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut add = |what: &str, token: &str| all.push((what.to_owned(), token.to_owned()));
    let (demo, key) = (&world.demo, &world.applications.full);
    let (jwt, now) = (world.jwt(demo).await, world.stack.clock.now());
    let profile = Call::to("profile-authenticate").id(demo.id()).header("x-api-key", key);
    let short = member(&world.send(&profile.json(&json!({ "duration": 30 }))).await, "jwt");
    add("a profile JWT after its ticket's end", &short);
    let soon = Timestamp::from_seconds(now.as_seconds() + 30).as_zoneless();
    add("an expired auth header", &made(world, &jwt, json!({ "name": "key", "expires": soon })).await);
    add("a ticket that was idle for too long", &world.ticket(demo).await);
    let renewing = world.jwt(demo).await;
    world.stack.clock.advance(Duration::from_secs(980));
    world.send(&Call::to("user-renew").bearer(&renewing)).await;
    add("a JWT renewed ten seconds ago", &renewing);
    world.stack.clock.advance(Duration::from_secs(10));

    let out = world.jwt(demo).await;
    world.send(&Call::to("user-logout").bearer(&out)).await;
    add("a JWT after its logout", &out);
    let deleted = world.auth_header(&jwt).await;
    world.send(&Call::to("authheader-delete").bearer(&jwt).json(&json!({ "text": deleted }))).await;
    add("a deleted auth header", &deleted);
    let invalid = world.ticket(demo).await;
    world.send(&Call::to("ticket-invalidate").id(&invalid).header("x-api-key", key)).await;
    add("an invalidated ticket", &invalid);
    for token in one_of_each(world, &world.admin).await {
        add("a disabled user's", &token);
    }
    let written = world.stack.store.set_enabled(&world.admin.user, false, now).await.unwrap();
    assert_eq!(written, Write::Done);
    all
}

/// Tokens that never were good here.
async fn foreign(world: &World) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut add = |what: &str, token: &str| all.push((what.to_owned(), token.to_owned()));
    for token in one_of_each(world, &world.other).await {
        add("another tenant's", &token);
    }
    let stack = &world.stack;
    let (user, now) = (&world.demo.user, stack.clock.now());
    let random = SeededRandom::new(99);
    let limits = Limits { idle: None, absolute: Duration::from_secs(3600) };
    let (ticket, text) = Ticket::issue(user, Origin::Login, limits, Source::default(), now, &random);
    assert_eq!(stack.store.create_ticket(&ticket).await.unwrap(), Write::Done);
    add("the ticket behind a login, which nobody is shown", text.expose_secret());
    add("the name of a session", &ticket.key.session_id());
    add("a sid", &ticket.key.digest.to_base64url());
    let party = &stack.config.party;
    for (what, issuer, audience) in [
        ("a JWT of another issuer", "https://evil.example", party.audience.as_str()),
        ("a JWT for another audience", party.issuer.as_str(), "another-api"),
    ] {
        let party = Party { issuer: issuer.to_owned(), audience: audience.to_owned() };
        let end = ticket.expires;
        let minted = jwt::mint(&stack.keyring, &party, Bearer::first(user, &ticket), now, end, &random).await.unwrap();
        add(what, minted.jwt.expose_secret());
    }
    let minted =
        jwt::mint(&stack.keyring, party, Bearer::first(user, &ticket), now, ticket.expires, &random).await.unwrap();
    assert!(is_active(world, minted.jwt.expose_secret()).await, "the control: ours, by the same hands");
    for keys in [keyset(8), keyset(8).replace("key-8", "key-7")] {
        let stranger = World::with_keys(&keys).await;
        add("another stack's JWT", &stranger.jwt(&stranger.demo).await);
    }
    let nobody = shared::testing::user("nobody");
    let (_, unknown) = AuthHeader::issue(&nobody, Choices::default(), now, &random);
    add("a well-formed auth header that nobody made", unknown.expose_secret());
    let (_, unknown) = Ticket::issue(&nobody, Origin::Ticket, limits, Source::default(), now, &random);
    add("a well-formed ticket that nobody made", unknown.expose_secret());
    all
}

fn junk(good: &[String; 3]) -> Vec<(String, String)> {
    let [jwt, header, ticket] = good;
    let texts =
        [" ", "x", ".", "..", "a.b.c", "null", "ost_", "\u{0}", "\u{e9}", "ost_\u{1f5dd}", "Bearer", "{}", "%00"];
    let mut all: Vec<String> = texts.map(str::to_owned).to_vec();
    for text in good {
        all.extend([format!(" {text}"), format!("{text} "), format!("Bearer {text}"), format!("{text}\n")]);
        all.extend([format!("{text}{text}"), text[1..].to_owned(), text[..text.len() - 1].to_owned()]);
    }
    all.extend([format!("{header}.{header}"), format!("ost_{jwt}"), format!("ost_{ticket}"), "A".repeat(8192)]);
    all.into_iter().map(|text| (format!("junk {text:?}"), text)).collect()
}

#[tokio::test]
async fn every_token_that_is_not_good_is_one_answer() {
    let world = World::new().await;
    let mut tokens = ended(&world).await;
    tokens.extend(foreign(&world).await);
    let good = one_of_each(&world, &world.demo).await;
    tokens.extend(junk(&good));
    let keys = &world.applications;
    for text in [&keys.full, &keys.master, &world.demo.password] {
        tokens.push(("something else that is secret".to_owned(), text.clone()));
    }
    let expected = introspect(&world, "unknown").await;
    assert_eq!((expected.status(), expected.body()), (200, INACTIVE));
    for (what, token) in &tokens {
        assert_eq!(introspect(&world, token).await, expected, "{what}: {token}");
    }
    assert!(tokens.len() > 50, "only {}", tokens.len());
    for token in &good {
        assert!(is_active(&world, token).await, "the control: {token}");
    }
}

/// How an application shows itself: what that is, its headers, and the answer's status.
type Client = (&'static str, Vec<(&'static str, String)>, u16);

fn clients(world: &World) -> Vec<Client> {
    let keys = &world.applications;
    let basic = |name: &str, key: &str| format!("Basic {}", STANDARD.encode(format!("{name}:{key}")));
    let (full, bearer) = (keys.full.clone(), format!("Bearer {}", keys.full));
    let unknown = "osa_1IA1WsYlnZL4zD5bPsvALLODZy925p52QRj6zFjW5Dgj".to_owned();
    let id = "x-access-token-id";
    vec![
        ("x-api-key", vec![("x-api-key", full.clone())], 200),
        ("x-access-token-id", vec![(id, full.clone())], 200),
        ("Bearer", vec![("authorization", bearer.clone())], 200),
        ("bearer", vec![("authorization", format!("bearer {full}"))], 200),
        ("Basic", vec![("authorization", basic("full", &full))], 200),
        ("Basic, form encoded", vec![("authorization", basic("f%75ll", &escaped(&full)))], 200),
        ("Basic under another name", vec![("authorization", basic("everywhere", &full))], 401),
        ("Basic without a name", vec![("authorization", basic("", &full))], 401),
        ("Basic under a name in capitals", vec![("authorization", basic("FULL", &full))], 401),
        ("Basic without a password", vec![("authorization", basic("full", ""))], 401),
        ("Basic the other way round", vec![("authorization", basic(&full, "full"))], 401),
        ("Basic that is no base64", vec![("authorization", "Basic ???".to_owned())], 400),
        ("Basic without a colon", vec![("authorization", format!("Basic {}", STANDARD.encode("full")))], 400),
        ("another scheme", vec![("authorization", format!("Digest {full}"))], 401),
        ("nothing", vec![], 401),
        ("an empty one", vec![("x-api-key", String::new())], 401),
        ("an unknown one", vec![("x-api-key", unknown.clone())], 401),
        ("an unknown one by Basic", vec![("authorization", basic("full", &unknown))], 401),
        ("one that can't be one", vec![("x-api-key", "x".repeat(257))], 401),
        ("an expired one", vec![("x-api-key", keys.expired.clone())], 401),
        ("an expired one by Basic", vec![("authorization", basic("expired", &keys.expired))], 401),
        ("two headers", vec![("x-api-key", full.clone()), (id, full.clone())], 400),
        ("a header and Bearer", vec![("x-api-key", full.clone()), ("authorization", bearer)], 400),
        ("a header and Basic", vec![("x-api-key", full.clone()), ("authorization", basic("full", &full))], 400),
        ("two in one header", vec![("x-api-key", format!("{full},{full}"))], 400),
    ]
}

#[tokio::test]
async fn only_an_application_is_answered() {
    let world = World::new().await;
    let token = world.jwt(&world.demo).await;
    let mut refusals = 0;
    for name in ["oauth2-introspect", "oauth2-revoke"] {
        for (what, headers, status) in clients(&world) {
            // What is revoked is junk, so that every row finds the same world.
            let token = if name == "oauth2-revoke" { "junk" } else { &token };
            let call = headers.iter().fold(asked(name, token), |call, (name, value)| call.header(name, value));
            let response = world.send(&call).await;
            assert_eq!(response.status(), status, "{name}, {what}: {}", response.body());
            if status == 401 {
                refusals += 1;
                assert_eq!(body(&response)["error"], "invalid_client", "{what}");
                let scheme = if what.starts_with("Basic") || what.ends_with("by Basic") { "Basic" } else { "Bearer" };
                assert!(response.header("www-authenticate").is_some_and(|told| told.contains(scheme)), "{what}");
            }
        }
        let by_query = asked(name, &token).query(&format!("accessTokenId={}", world.applications.full));
        assert_eq!(world.send(&by_query).await.status(), 401, "{name}: never in the query string");
        let by_form = [("token", "x"), ("accessTokenId", world.applications.full.as_str())];
        assert_eq!(world.send(&Call::to(name).form(&by_form)).await.status(), 401, "{name}: nor in the form");
        let by_jwt = world.send(&asked(name, &token).bearer(&token)).await;
        assert_eq!(by_jwt.status(), 401, "{name}: a user is no application");
    }
    assert!(refusals >= 24, "{refusals}");
}

#[tokio::test]
async fn who_may_not_read_a_tenant_is_told_nothing_of_its_tokens() {
    let world = World::new().await;
    let tokens = one_of_each(&world, &world.demo).await;
    let keys = &world.applications;
    for (what, key, active) in [
        ("full", &keys.full, true),
        ("everywhere", &keys.everywhere, true),
        ("MANAGE_TICKETS alone", &keys.tickets, false),
        ("MANAGE_PROFILES alone", &keys.profiles, false),
        ("another tenant's", &keys.other, false),
        ("master", &keys.master, false),
    ] {
        for token in &tokens {
            let response = world.send(&asked("oauth2-introspect", token).header("x-api-key", key)).await;
            assert_eq!(response.status(), 200);
            assert_eq!(body(&response)["active"], active, "{what}: {token}");
            assert!(active || response.body() == INACTIVE, "{}", response.body());
        }
    }
}

#[tokio::test]
async fn an_introspection_is_one_read_whatever_is_asked() {
    let world = World::new().await;
    let good = one_of_each(&world, &world.demo).await;
    let mut tokens: Vec<String> = foreign(&world).await.into_iter().map(|(_, token)| token).collect();
    tokens.extend(junk(&good).into_iter().map(|(_, token)| token));
    tokens.extend(good);
    let key = &world.applications.full;
    for token in &tokens {
        let call = asked("oauth2-introspect", token).header("x-api-key", key);
        assert_eq!(calls_of(&world, &call).await, ["lookup"], "{token}");
        settle().await;
    }
    for call in [asked("oauth2-introspect", "x"), Call::to("oauth2-introspect").header("x-api-key", key)] {
        assert_eq!(calls_of(&world, &call).await, Vec::<&str>::new(), "bad input costs nothing");
    }
}

#[tokio::test]
async fn the_token_is_taken_from_the_form_alone_and_once() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    for name in ["oauth2-introspect", "oauth2-revoke"] {
        let call = Call::to(name).header("x-api-key", &world.applications.full);
        let form = |fields: &[(&str, &str)]| call.clone().form(fields);
        let query = format!("token={jwt}");
        for (what, call, status) in [
            ("in the query string", form(&[]).query(&query), 400),
            ("in the query string, without a form", call.clone().query(&query), 415),
            ("as JSON", call.clone().json(&json!({ "token": jwt })), 415),
            ("twice", form(&[("token", &jwt), ("token", &jwt)]), 400),
            ("under another name", form(&[("Token", &jwt)]), 400),
            ("too long", form(&[("token", &"x".repeat(8193))]), 400),
            ("two hints", form(&[("token", &jwt), ("token_type_hint", "a"), ("token_type_hint", "a")]), 400),
            ("not at all", form(&[("token_type_hint", "access_token")]), 400),
        ] {
            let response = world.send(&call).await;
            assert_eq!(response.status(), status, "{name}, {what}: {}", response.body());
            assert_eq!(body(&response)["error"], "invalid_request", "{name}, {what}");
        }
        // One in the query string does not even count beside the one in the form.
        let other = form(&[("token", "junk")]).query(&query);
        assert_eq!(world.send(&other).await.status(), 200);
    }
    assert!(is_active(&world, &jwt).await, "nothing of it ended the token");
}

#[tokio::test]
async fn a_hint_changes_nothing() {
    let world = World::new().await;
    for token in one_of_each(&world, &world.demo).await {
        for name in ["oauth2-introspect", "oauth2-revoke"] {
            for hint in ["access_token", "refresh_token", "jwt", "ticket", "auth_header", "nonsense", ""] {
                let fields = [("token", escaped(&token)), ("token_type_hint", hint.to_owned())];
                let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let call = Call::to(name).form(&fields).header("x-api-key", &world.applications.full);
                let response = world.send(&call).await;
                assert_eq!(response.status(), 200, "{name} {hint}");
                assert!(name == "oauth2-revoke" || body(&response)["active"] == true, "{hint}");
            }
        }
        assert!(!is_active(&world, &token).await, "revoked under any hint");
    }
}

#[tokio::test]
async fn each_kind_ends_to_the_second() {
    for (kind, seconds) in [(0, 3600), (1, 3600), (2, 990)] {
        // A world for each moment, since a look at a ticket is a use. 990 s is its idle limit and a tenth.
        for (millis, active) in [(-1000, true), (-1, true), (0, false), (1000, false)] {
            let world = World::new().await;
            let (start, jwt) = (world.stack.clock.now(), world.jwt(&world.demo).await);
            let end = start.plus(Duration::from_secs(seconds));
            let header = made(&world, &jwt, json!({ "name": "key", "expires": end.as_zoneless() })).await;
            let token = [jwt, header, world.ticket(&world.demo).await][kind].clone();
            world.stack.clock.set(Timestamp::from_millis(end.as_millis() + millis));
            assert_eq!(is_active(&world, &token).await, active, "{token} at {millis}");
        }
    }
}

#[tokio::test]
async fn an_outage_is_never_inactive() {
    let mut world = World::new().await;
    let tokens = one_of_each(&world, &world.demo).await;
    world.stack.store.fail_after(Some(0));
    for token in tokens.iter().map(String::as_str).chain(["junk"]) {
        for response in [introspect(&world, token).await, revoke(&world, token).await] {
            assert_eq!(response.status(), 503, "{token}: {}", response.body());
        }
    }
    world.stack.store.fail_after(Some(1));
    for (position, token) in tokens.iter().enumerate() {
        world.stack.store.fail_after(Some(1));
        assert_eq!(revoke(&world, token).await.status(), 503, "{position}: the write was lost");
    }
    world.stack.store.fail_after(None);
    for token in &tokens {
        assert!(is_active(&world, token).await, "what was not acknowledged was not done");
    }
    world.stack.keys.fail(true);
    world.restart();
    let [jwt, header, ticket] = &tokens;
    assert_eq!(introspect(&world, jwt).await.status(), 503);
    assert_eq!(revoke(&world, jwt).await.status(), 503);
    for token in [header, ticket] {
        assert!(is_active(&world, token).await, "needs no signing key");
    }
    world.stack.keys.answer("{}");
    world.stack.keys.fail(false);
    world.stack.clock.advance(Duration::from_secs(10));
    assert_eq!(introspect(&world, jwt).await.status(), 503, "a keyset that is none judges nothing");
}

/// Requests with a token that answer 200 while it is good.
fn uses(world: &World, [jwt, header, ticket]: &[String; 3]) -> [Vec<Call>; 3] {
    let gets = ["test-secure", "authheader-list", "user-sessions", "user-renew", "user-token"];
    let mut by_jwt: Vec<Call> = gets.into_iter().map(|name| Call::to(name).bearer(jwt)).collect();
    by_jwt[4] = by_jwt[4].clone().query("m=1");
    by_jwt.push(Call::to("authheader-add").bearer(jwt).json(&json!({ "name": "key" })));
    by_jwt.push(Call::to("profile-authenticate").id(world.demo.id()).bearer(jwt));
    let by_header = vec![Call::to("test-secure").header("x-authorization", header)];
    let by_ticket = vec![Call::to("ticket-get").id(ticket).header("x-api-key", &world.applications.full)];
    [by_jwt, by_header, by_ticket]
}

#[tokio::test]
async fn what_is_revoked_ends_at_once_for_every_path() {
    for kind in 0..3 {
        let world = World::new().await;
        let (tokens, others) = (one_of_each(&world, &world.demo).await, one_of_each(&world, &world.demo).await);
        for call in uses(&world, &tokens)[kind].iter().filter(|call| !call.route().name.starts_with("user-")) {
            assert_eq!(world.send(call).await.status(), 200, "the control: {}", call.route().name);
        }
        settle().await;
        let _earlier = world.stack.store.take_calls();
        let response = revoke(&world, &tokens[kind]).await;
        assert_eq!((response.status(), response.body()), (200, ""));
        let calls = world.stack.store.take_calls();
        assert!(matches!(calls[..], ["lookup", "delete_ticket" | "delete_auth_header"]), "{calls:?}");
        for call in &uses(&world, &tokens)[kind] {
            let status = world.send(call).await.status();
            assert!(matches!(status, 401 | 403 | 404), "{} answers {status}", call.route().name);
        }
        assert!(!is_active(&world, &tokens[kind]).await);
        for token in tokens.iter().enumerate().filter(|(other, _)| *other != kind).map(|(_, token)| token) {
            assert!(is_active(&world, token).await, "the others of the same user go on");
        }
        for token in &others {
            assert!(is_active(&world, token).await, "and so do others of the same kind");
        }
        for _ in 0..3 {
            assert_eq!(revoke(&world, &tokens[kind]).await, response, "as often as somebody likes");
        }
    }
}

#[tokio::test]
async fn a_revoked_jwt_ends_its_login_and_not_only_itself() {
    for which in 0..2 {
        let world = World::new().await;
        let old = world.jwt(&world.demo).await;
        let new = member(&world.send(&Call::to("user-renew").bearer(&old)).await, "Token");
        let jwts = [&old, &new];
        // The old one opens nothing any more, but for a while it can be renewed: who ends it means that, too.
        assert_eq!(revoke(&world, jwts[which]).await.status(), 200);
        for jwt in jwts {
            assert_eq!(world.send(&Call::to("user-renew").bearer(jwt)).await.status(), 401);
            assert!(!is_active(&world, jwt).await);
        }
        assert_eq!(world.stack.store.tickets().len(), 0);
    }
}

#[tokio::test]
async fn a_jwt_that_begins_later_by_a_clock_that_is_behind_is_ended_all_the_same() {
    let world = World::new().await;
    let now = world.stack.clock.now();
    world.stack.clock.advance(Duration::from_secs(10));
    let jwt = world.jwt(&world.demo).await;
    world.stack.clock.set(now);
    assert!(!is_active(&world, &jwt).await, "by this clock it is nothing yet");
    assert_eq!(revoke(&world, &jwt).await.status(), 200);
    world.stack.clock.advance(Duration::from_secs(10));
    assert!(!is_active(&world, &jwt).await, "nor ever, since somebody was told that it is over");
    assert_eq!(world.send(&Call::to("test-secure").bearer(&jwt)).await.status(), 401);
}

#[tokio::test]
async fn what_is_over_by_a_clock_that_runs_ahead_is_ended_all_the_same() {
    // A JWT ends after an hour, a ticket that nobody uses after a quarter of one and a tenth of that.
    for (kind, life) in [(0, 3600), (2, 990)] {
        let world = World::new().await;
        let token = one_of_each(&world, &world.demo).await[kind].clone();
        let other = one_of_each(&world, &world.demo).await[kind].clone();
        let end = world.stack.clock.now().plus(Duration::from_secs(life));
        world.stack.clock.set(end.plus(Duration::from_secs(5)));
        assert!(!is_active(&world, &token).await, "by this clock it is over");
        assert_eq!(revoke(&world, &token).await.status(), 200);
        world.stack.clock.set(end.minus(Duration::from_secs(5)));
        assert!(!is_active(&world, &token).await, "where the clock is behind, it would have gone on");
        assert!(is_active(&world, &other).await, "the control");
    }
}

#[tokio::test]
async fn a_jwt_that_was_replaced_a_while_ago_ends_nothing() {
    let world = World::new().await;
    let old = world.jwt(&world.demo).await;
    let new = member(&world.send(&Call::to("user-renew").bearer(&old)).await, "Token");
    // And as long again as clocks may be apart.
    world.stack.clock.advance(RENEWAL_GRACE + Duration::from_secs(10));
    assert_eq!(revoke(&world, &old).await.status(), 200);
    assert!(is_active(&world, &new).await);
}

/// Everything that was issued to anybody.
async fn issued(world: &World) -> (Vec<Ticket>, Vec<AuthHeader>) {
    let mut headers = Vec::new();
    for account in [&world.demo, &world.other, &world.admin] {
        headers.extend(world.stack.store.auth_headers(&account.user.id).await.unwrap());
    }
    (world.stack.store.tickets(), headers)
}

#[tokio::test]
async fn revoking_what_is_not_there_succeeds_and_does_nothing() {
    let world = World::new().await;
    let mut tokens = ended(&world).await;
    // That one is of some use yet, and revoking it ends its session.
    tokens.retain(|(what, _)| what != "a JWT renewed ten seconds ago");
    // What is only just over is ended, for the sake of clocks that are behind.
    world.stack.clock.advance(Duration::from_secs(10));
    tokens.extend(foreign(&world).await);
    tokens.extend(junk(&one_of_each(&world, &world.demo).await));
    settle().await;
    let before = issued(&world).await;
    let expected = revoke(&world, "unknown").await;
    assert_eq!((expected.status(), expected.body()), (200, ""));
    for (what, token) in &tokens {
        assert_eq!(revoke(&world, token).await, expected, "{what}: {token}");
        assert!(issued(&world).await == before, "{what} ended something: {token}");
    }
    assert!(tokens.len() > 50, "only {}", tokens.len());
}

#[tokio::test]
async fn who_may_not_manage_tickets_ends_nothing() {
    let world = World::new().await;
    let tokens = one_of_each(&world, &world.demo).await;
    let before = issued(&world).await;
    let keys = &world.applications;
    for (key, status) in [(&keys.profiles, 403), (&keys.master, 403), (&keys.other, 200), (&keys.expired, 401)] {
        for token in &tokens {
            let response = world.send(&asked("oauth2-revoke", token).header("x-api-key", key)).await;
            assert_eq!(response.status(), status, "{}", response.body());
            assert!(status != 403 || body(&response)["error"] == "access_denied", "{}", response.body());
        }
    }
    assert!(issued(&world).await == before);
    for token in &tokens {
        let response = world.send(&asked("oauth2-revoke", token).header("x-api-key", &keys.tickets)).await;
        assert_eq!(response.status(), 200, "the control: MANAGE_TICKETS alone is enough");
        assert!(!is_active(&world, token).await);
    }
}

#[tokio::test]
async fn a_use_is_noted_beside_the_answer_and_once_in_a_while() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let header = world.auth_header(&jwt).await;
    let call = asked("oauth2-introspect", &header).header("x-api-key", &world.applications.full);
    assert_eq!(calls_of(&world, &call).await, ["lookup"], "the answer does not wait");
    settle().await;
    assert_eq!(world.stack.store.take_calls(), ["note_auth_header_use"]);
    for (seconds, noted) in [(1, false), (298, false), (1, true), (299, false)] {
        world.stack.clock.advance(Duration::from_secs(seconds));
        world.send(&call).await;
        settle().await;
        let calls = world.stack.store.take_calls();
        assert_eq!(calls.contains(&"note_auth_header_use"), noted, "{seconds} s later: {calls:?}");
    }
    let stranger = asked("oauth2-introspect", &header).header("x-api-key", &world.applications.other);
    world.stack.clock.advance(Duration::from_secs(600));
    world.send(&stranger).await;
    settle().await;
    assert_eq!(world.stack.store.take_calls(), ["lookup"], "who is told nothing leaves no trace on the token");
}

/// The idle limit rests on this note, so that it is waited for.
#[tokio::test]
async fn a_ticket_s_use_is_noted_before_the_answer_or_there_is_none() {
    let world = World::new().await;
    let ticket = world.ticket(&world.demo).await;
    let call = asked("oauth2-introspect", &ticket).header("x-api-key", &world.applications.full);
    assert_eq!(calls_of(&world, &call).await, ["lookup"], "a fresh one needs no note");
    world.stack.clock.advance(Duration::from_secs(90));
    assert_eq!(calls_of(&world, &call).await, ["lookup", "touch_ticket"]);
    world.stack.clock.advance(Duration::from_secs(90));
    world.stack.store.fail_after(Some(1));
    assert_eq!(world.send(&call).await.status(), 503, "a note that was lost is an outage");
    world.stack.store.fail_after(None);
    let start = world.stack.clock.now();
    assert!(is_active(&world, &ticket).await);
    world.stack.clock.set(start.plus(Duration::from_secs(899)));
    assert!(is_active(&world, &ticket).await, "it goes on from the use that was noted");
}
