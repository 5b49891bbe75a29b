//! What the trail is about: every endpoint done, refused and in an outage, and each cause of a refusal that has a name.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use authorizer::Authorizer;
use serde_json::{Value, json};
use shared::api::{self, ROUTES, Route};
use shared::auth_header::{AuthHeader, Choices};
use shared::clock::{Clock, Timestamp};
use shared::config::ConfigError;
use shared::edge::{Edge, Mode};
use shared::error::Problem;
use shared::gateway::{Endpoint, Event, Request, Response, handle, handle_without};
use shared::invocation::Invocation;
use shared::password::pepper::Usage;
use shared::store::{Administration as _, Lookup, Store as _, Write};
use shared::tenant::TenantName;
use shared::testing::{FrozenClock, SeededRandom};
use tests::good::KEY;
use tests::paced::Paced;
use tests::world::verifier;
use tests::{Call, NEW_PASSWORD, World, document, escaped, good};

use crate::forge::Forge;
use crate::{classes, rotations};

/// What must never be logged, wherever a client puts it.
pub const CANARIES: [&str; 4] = ["canary-of-a-name", "Canary-0f-a-password", "canary-in-a-place", "canary.agent/1.0"];

/// What Lambda calls the invocations that are told to be some.
pub const LAMBDA_REQUEST_ID: &str = "0c9a1f2e-5f0b-4c39-9d53-2f7f0a6b6a11";

/// The trace of these invocations.
pub const TRACE_ID: &str = "1-6921a0c4-0123456789abcdef01234567";

/// What is invoked so: an act, what is no act, and the two functions that serve no route.
pub const INVOKED: [&str; 4] = ["user-login", "health", "authorizer", "rotate-signing-keys"];

/// The first invocation of an environment, as Lambda describes it.
pub fn invocation() -> Invocation {
    Invocation::new(LAMBDA_REQUEST_ID, Some(&format!("Root={TRACE_ID};Parent=0123456789abcdef;Sampled=1")), true)
}

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// Tells whoever reads our output.
pub fn tell(what: &str, value: &Value) {
    println!("#{what} {value}");
}

/// An id that no other request has.
pub fn next_id() -> String {
    format!("case-{}", NUMBER.fetch_add(1, Ordering::SeqCst))
}

/// Sends a request under an id of its own, and tells what came of it.
async fn act(world: &World, call: &Call) -> Response {
    let (name, id) = (call.route().name, next_id());
    let mut event = call.event();
    event["requestContext"]["requestId"] = json!(id);
    event["requestContext"]["http"]["userAgent"] = json!(CANARIES[3]);
    let response = world.invoke(name, event).await;
    tell("case", &json!({ "id": id, "act": name, "status": response.status() }));
    secrets(world, name, &response);
    response
}

/// Tells what was issued, by way of the world and by this answer. Digests of what is live are secrets too: a `sid` opens
/// nothing, but with a stolen key it would.
fn secrets(world: &World, name: &str, response: &Response) {
    let mut secrets = world.issued();
    secrets.extend(world.stack.store.tickets().iter().map(|ticket| ticket.key.digest.to_base64url()));
    let ids = ["ticket-", "persistent-login-", "verification-token-", "access-token-create"];
    let id = ids.iter().any(|prefix| name.starts_with(prefix)).then_some("id");
    if let (200..=299, Ok(Value::Object(body))) = (response.status(), serde_json::from_str(response.body())) {
        let texts = ["Token", "token", "access_token", "jwt"].into_iter().chain(id);
        secrets.extend(texts.filter_map(|name| body.get(name)?.as_str().map(str::to_owned)));
    }
    secrets.into_iter().for_each(told);
}

/// Tells a secret, once.
fn told(secret: String) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut all = TOLD.lock().unwrap();
    if !all.contains(&secret) {
        tell("secret", &json!(secret));
        all.insert(secret);
    }
}

/// Requests that are refused wherever they go, or nearly: what they are good for decides the endpoint.
fn refused(route: &Route) -> Vec<Call> {
    let call = Call::to(route.name);
    let call = if route.path.contains("{id}") { call.id(CANARIES[2]) } else { call };
    let passwords = [("username", CANARIES[0]), ("password", CANARIES[1]), ("tenantName", CANARIES[2])];
    vec![
        call.clone(),
        call.clone().bearer(CANARIES[2]),
        call.clone().header("authorization", &format!("{0},{0}", CANARIES[2])),
        call.clone().header("x-authorization", CANARIES[2]),
        call.clone().header("x-api-key", CANARIES[2]),
        call.clone().header("x-api-key", CANARIES[2]).form(&passwords),
        call.clone().json(&json!({ "username": CANARIES[0], "password": CANARIES[1] })),
        call.clone().json(&json!({ "name": CANARIES[2], "text": CANARIES[2], "token": CANARIES[2], "overlap": 0 })),
        call.clone().json(&json!({ CANARIES[0]: CANARIES[2] })),
        call.clone().form(&[("token", CANARIES[2])]),
        call.clone().body("application/xml", CANARIES[2]),
        call.clone().body("application/json", &"x".repeat(70_000)),
        call.query(&format!("m={}&password={}&accessTokenId={}", CANARIES[2], CANARIES[1], CANARIES[2])),
    ]
}

async fn every_endpoint() {
    for route in ROUTES {
        let world = World::new().await;
        let call = good(&world, route.name).await;
        let response = act(&world, &call).await;
        assert_eq!(response.status(), document::success(route), "{}: {}", route.name, response.body());
        for call in refused(route) {
            act(&world, &call).await;
        }
        let mut elsewhere = call.event();
        elsewhere["requestContext"]["http"]["method"] = json!("PUT");
        for event in [json!({}), json!([]), json!(null), elsewhere] {
            world.invoke(route.name, event).await;
        }
        outages(route).await;
    }
}

async fn outages(route: &Route) {
    let world = World::new().await;
    let call = good(&world, route.name).await;
    let _earlier = world.stack.store.take_calls();
    world.send(&call).await;
    for allowed in 0..world.stack.store.take_calls().len() {
        let world = World::new().await;
        let call = good(&world, route.name).await;
        world.stack.store.fail_after(Some(allowed));
        assert_eq!(act(&world, &call).await.status(), 503, "{}", route.name);
    }
    let mut world = World::new().await;
    let call = good(&world, route.name).await;
    world.stack.keys.fail(true);
    world.restart();
    act(&world, &call).await;
}

/// Refusals of a login and what the right password may still meet.
async fn logins() {
    let world = World::new().await;
    let login =
        |name: &str, password: &str| Call::to("user-login").json(&json!({ "username": name, "password": password }));
    let by_ticket = |name: &str, password: &str| {
        let fields = [("tenantName", "demo"), ("username", name), ("password", password)];
        Call::to("ticket-authenticate").form(&fields).header("x-access-token-id", &world.applications.full)
    };
    for call in [
        login("demo", CANARIES[1]),
        login(CANARIES[0], CANARIES[1]),
        login("passwordless", ""),
        login("disabled", &world.disabled.password),
        login("expired", &world.expired.password),
        login("other/demo", &world.other.password),
        by_ticket("demo", CANARIES[1]),
        by_ticket(CANARIES[0], CANARIES[1]),
        by_ticket("disabled", &world.disabled.password),
        by_ticket("expired", &world.expired.password),
        Call::new_password("demo", CANARIES[1]),
        Call::new_password("disabled", &world.disabled.password),
        Call::to("user-password").json(&json!({
            "username": "demo", "old": world.demo.password, "new": "short", "confirm": "short",
        })),
        // As many as are free, and one more.
        login("admin", "first"),
        login("admin", "second"),
        login("admin", "third"),
        login("admin", "fourth"),
        login("admin", "fifth"),
        login("admin", "sixth"),
    ] {
        act(&world, &call).await;
    }
}

/// What the right password meets in a tenant of its own rules.
async fn rules() {
    let mut world = World::new().await;
    let name = TenantName::parse("demo").unwrap();
    let wanted = Lookup { tenant: Some(name), ..Lookup::default() };
    let mut tenant = world.stack.store.lookup(wanted).await.unwrap().tenant.unwrap();
    tenant.settings.verified_email = true;
    assert_eq!(world.stack.store.update_tenant(&tenant).await.unwrap(), Write::Done);
    let login = json!({ "username": "demo", "password": world.demo.password });
    act(&world, &Call::to("user-login").json(&login)).await;
    let other = Call::new_password("other/demo", &world.other.password);
    act(&world, &other).await;
    // Back to what it was: told only once the old one was found right.
    let back = json!({ "username": "other/demo", "old": NEW_PASSWORD, "new": NEW_PASSWORD, "confirm": NEW_PASSWORD });
    act(&world, &Call::to("user-password").json(&back)).await;
    let jwt = world.jwt(&world.other_admin).await;
    let gone = &world.other.user.tenant;
    assert_eq!(world.stack.store.close_tenant(gone).await.unwrap(), Write::Done);
    assert_eq!(world.stack.store.delete_tenant(gone).await.unwrap(), Write::Done);
    act(&world, &Call::to("user-renew").bearer(&jwt)).await;
    world.season(Some((Usage::Required, r#"{"peppers":{}}"#)));
    act(&world, &Call::to("user-login").json(&login)).await;
}

/// Tokens that are no longer good, and messages that can't be sent.
async fn recoveries() {
    let world = World::new().await;
    let forgot = |name: &str| Call::to("user-forgot").json(&json!({ "username": name }));
    let verify = |token: &str| Call::to("user-verify").json(&json!({ "token": token }));
    let token = world.reset_token(&world.demo).await;
    for call in [
        forgot("demo"),
        forgot("admin@demo.example"),
        forgot(CANARIES[0]),
        forgot("disabled"),
        verify(CANARIES[2]),
        verify(&token),
        Call::reset(CANARIES[2]),
        Call::reset(&token),
        Call::reset(&token),
    ] {
        act(&world, &call).await;
    }
    world.stack.outbox.fail(true);
    act(&world, &forgot("other/demo")).await;
    for (_, detail) in world.stack.outbox.take() {
        let detail: Value = serde_json::from_str(&detail).unwrap();
        detail["token"].as_str().map(str::to_owned).into_iter().for_each(told);
    }
}

/// What is wrong with an application, or with what it wants.
async fn applications() {
    let world = World::new().await;
    let (jwt, id) = (world.jwt(&world.demo).await, world.demo.id());
    let keys = &world.applications;
    let introspect = Call::to("oauth2-introspect").form(&[("token", &jwt)]);
    let revoke = Call::to("oauth2-revoke").form(&[("token", &jwt)]);
    let ticket = Call::to("ticket-get").id(&world.ticket(&world.demo).await);
    let basic = |name: &str| {
        use base64::Engine as _;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{name}:{}", keys.full)))
    };
    let profile = Call::to("profile-authenticate");
    let disabled = world.disabled.id().to_owned();
    for call in [
        introspect.clone().header("x-api-key", &keys.expired),
        introspect.clone().header("x-api-key", "unknown"),
        introspect.clone().header("authorization", &basic("everywhere")),
        introspect.clone().header("x-api-key", &keys.other),
        revoke.clone().header("x-api-key", &keys.other),
        revoke.header("x-api-key", &keys.profiles),
        ticket.clone(),
        ticket.clone().header("x-api-key", "unknown"),
        ticket.clone().header("x-api-key", &keys.expired),
        ticket.header("x-api-key", &keys.profiles),
        Call::to("ticket-get").id(CANARIES[2]).header("x-api-key", &keys.full),
        profile.clone().id(id).header("x-api-key", &keys.tickets),
        profile.clone().id(CANARIES[2]).header("x-api-key", &keys.full),
        profile.clone().id(&disabled).header("x-api-key", &keys.full),
        profile.id(id).bearer(&world.profile_jwt(&world.demo).await),
    ] {
        act(&world, &call).await;
    }
}

/// Credentials of users that are no longer good, or never were.
async fn credentials() {
    let world = World::new().await;
    let (jwt, now) = (world.jwt(&world.demo).await, world.stack.clock.now());
    let (deleted, ticket) = (world.auth_header(&jwt).await, world.ticket(&world.demo).await);
    let forge = Forge::new(&world, &jwt);
    for (_, token) in classes::all(&forge) {
        act(&world, &Call::to("test-secure").bearer(&token)).await;
    }
    for (name, value) in [
        ("sub", json!("nobody")),
        ("sub", json!("")),
        ("sid", json!("A".repeat(43))),
        ("sid", json!("x")),
        ("jti", json!("1.x")),
        ("jti", json!("x")),
        ("tenant", json!("*")),
        ("nbf", json!(now.as_seconds() + 60)),
        ("iat", json!(now.as_seconds() + 60)),
    ] {
        act(&world, &Call::to("test-secure").bearer(&forge.claim(name, Some(value)))).await;
    }
    let wrong = forge.signature([0; 64]);
    act(&world, &Call::to("test-secure").bearer(&wrong)).await;
    let stranger =
        AuthHeader::issue(&shared::testing::user("nobody"), Choices::default(), now, &SeededRandom::new(3)).1;
    for call in [
        Call::to("test-secure"),
        Call::to("test-secure").header("x-authorization", stranger.expose_secret()),
        Call::to("authheader-report-leaked").json(&json!({ "token": stranger.expose_secret() })),
        Call::to("authheader-report-leaked").json(&json!({ "token": CANARIES[2] })),
        Call::to("authheader-delete").bearer(&jwt).json(&json!({ "text": deleted })),
        Call::to("authheader-delete").bearer(&jwt).json(&json!({ "text": deleted })),
        Call::to("test-secure").header("x-authorization", &deleted),
        Call::to("user-sessions-revoke").bearer(&jwt).json(&json!({ "id": "unknown" })),
        Call::to("authheader-list").bearer(&world.profile_jwt(&world.demo).await),
        Call::to("user-renew").bearer(&jwt),
        Call::to("test-secure").bearer(&jwt),
    ] {
        act(&world, &call).await;
    }
    let introspect = |token: &str| {
        Call::to("oauth2-introspect").form(&[("token", &escaped(token))]).header("x-api-key", &world.applications.full)
    };
    let jwt = world.jwt(&world.demo).await;
    let header = world.auth_header(&jwt).await;
    let by_header = Call::to("test-secure").header("x-authorization", &header);
    act(&world, &by_header).await;
    act(&world, &introspect(&ticket)).await;
    let listed = act(&world, &Call::to("user-sessions").bearer(&jwt)).await;
    let sessions: Value = serde_json::from_str(listed.body()).unwrap();
    let id = &sessions.as_array().unwrap().iter().find(|session| session["family"] == "ticket").unwrap()["id"];
    act(&world, &Call::to("user-sessions-revoke").bearer(&jwt).json(&json!({ "id": id }))).await;
    act(&world, &introspect(&ticket)).await;
    let written = world.stack.store.set_enabled(&world.demo.user, false, now).await.unwrap();
    assert_eq!(written, Write::Done);
    for call in [by_header, introspect(&jwt), Call::to("test-secure").bearer(&jwt)] {
        act(&world, &call).await;
    }
}

/// A tenant's administrator with a profile that is not its own.
async fn administrator() {
    let world = World::new().await;
    tell("administrator", &json!([world.admin.id(), world.demo.id()]));
    let jwt = world.jwt(&world.admin).await;
    for name in crate::BY_ADMINISTRATORS {
        let call = Call::to(name).id(world.demo.id()).bearer(&jwt);
        let call = if name == "profile-update" { call.json(&json!({ "name": "Somebody" })) } else { call };
        assert_eq!(act(&world, &call).await.status(), 200, "{name}");
    }
}

/// What an application asks of a tenant in which it may do nothing, and of what is no tenant.
async fn strangers() {
    let world = World::new().await;
    let by = |name: &str| Call::to(name).header(KEY, &world.applications.other);
    for tenant in ["demo", CANARIES[2]] {
        for name in crate::OF_A_TENANT {
            let call = match name {
                "tenant-get" | "tenant-delete" => by(name).id(tenant),
                "tenant-update" => by(name).json(&json!({ "name": tenant })),
                _ => by(name).parameters(&[("tenantName", tenant), ("username", "demo")][..wanted(name)]),
            };
            assert_eq!(act(&world, &call).await.status(), 403, "{name}");
        }
    }
}

/// How many of tenant and user name an endpoint takes.
fn wanted(name: &str) -> usize {
    if matches!(name, "api1-profile-range" | "api1-profile-count") { 1 } else { 2 }
}

/// What is not there, what is there already, and what was stolen.
async fn profile_api() {
    let world = World::new().await;
    let keys = &world.applications;
    let by = |name: &str, key: &str| Call::to(name).header(KEY, key);
    let closed = json!({ "name": "closed", "verifyNewProfiles": false, "acceptsNewProfiles": false });
    let newcomer = |tenant: &str, name: &str| {
        let call = by("api1-profile-create", &keys.everywhere);
        call.parameters(&[("tenantName", tenant), ("username", name), ("password", NEW_PASSWORD)])
    };
    let (series, first) = world.persistent_login(&world.demo).await;
    let refresh = |token: &str| by("persistent-login-refresh", &keys.full).id(&series).parameters(&[("token", token)]);
    let made = good(&world, "access-token-create").await;
    for call in [
        by("tenant-get", &keys.everywhere).id("nowhere"),
        by("tenant-create", &keys.everywhere).json(&closed),
        by("tenant-create", &keys.everywhere).json(&closed),
        newcomer("closed", "somebody"),
        newcomer("demo", "demo"),
        by("access-token-get", &keys.master).id(CANARIES[2]),
        by("access-token-create", &keys.full).json(&json!({ "application": "x" })),
        made.clone(),
        made,
        by("persistent-login-get", &keys.full).id(CANARIES[2]),
    ] {
        act(&world, &call).await;
    }
    // One token after the other, and then the first once more.
    let mut token = first.clone();
    for _ in 0..2 {
        world.stack.clock.advance(Duration::from_secs(100));
        token = tests::world::member(&act(&world, &refresh(&token)).await, "token");
    }
    world.stack.clock.advance(Duration::from_secs(100));
    act(&world, &refresh(&first)).await;
}

/// Somebody else who is always first, and more to do than fits one call.
async fn rivals() {
    let mut world = World::new().await;
    let (update, delete) = (good(&world, "api1-profile-roles-add").await, good(&world, "tenant-delete").await);
    let store = Paced::new(world.stack.store.clone(), 1);
    world.rewire(store.clone().contested(), Arc::new(world.stack.clock.clone()));
    act(&world, &update).await;
    world.rewire(store, Arc::new(Hasty(world.stack.clock.clone())));
    act(&world, &delete).await;
}

/// A clock that goes on by a quarter of a minute each time it is looked at.
struct Hasty(FrozenClock);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.0.advance(Duration::from_secs(15));
        self.0.now()
    }
}

/// A defect of ours.
struct Broken;

impl Endpoint for Broken {
    fn route(&self) -> &'static Route {
        &api::USER_LOGOUT
    }

    async fn answer(&self, _: Request) -> Result<Response, Problem> {
        panic!("as it shall")
    }
}

async fn a_panic() {
    let id = next_id();
    let mut event = Call::to("user-logout").event();
    event["requestContext"]["requestId"] = json!(id);
    let response = handle(&Broken, Event::from(event)).await;
    tell("case", &json!({ "id": id, "act": "user-logout", "status": response.status() }));
}

/// Requests that no endpoint hears of.
async fn unheard() {
    let mut world = World::new().await;
    let secret = "abcdefgh01234567".repeat(4);
    world.stack.config.edge = Edge::new(&secret, Mode::Require);
    told(secret.clone());
    let call = good(&world, "user-login").await;
    act(&world, &call).await;
    act(&world, &call.clone().header("x-ostiary-edge", CANARIES[2])).await;
    let through = call.clone().header("x-ostiary-edge", &secret).header("x-ostiary-viewer", "203.0.113.7");
    assert_eq!(act(&world, &through).await.status(), 200);

    let id = next_id();
    let mut event = call.event();
    event["requestContext"]["requestId"] = json!(id);
    let response = handle_without(ConfigError::Missing("OSTIARY_ISSUER"), Event::from(event)).await;
    tell("case", &json!({ "id": id, "act": "user-login", "status": response.status() }));
}

/// Invocations of Lambda, and a login by a hash that lacks the pepper which the stack has by now.
async fn invocations() {
    use base64::Engine as _;
    let mut world = World::new().await;
    let key = base64::engine::general_purpose::STANDARD.encode([7; 32]);
    told(key.clone());
    let peppers = json!({ "current": "p1", "peppers": { "p1": key } });
    world.season(Some((Usage::Required, &peppers.to_string())));
    let login = json!({ "username": "demo", "password": world.demo.password });
    for call in [Call::to("user-login").json(&login), Call::to("health")] {
        assert_eq!(invocation().run(act(&world, &call)).await.status(), 200);
    }
}

/// What the authorizer of other APIs is asked; it answers with no status.
async fn authorizations() {
    let world = World::new().await;
    let function = Authorizer { verifier: verifier(&world.stack), settings: world.stack.config.authorizer };
    let event: Value = serde_json::from_str(&tests::read("events/authorizer.json")).unwrap();
    let good = world.jwt(&world.demo).await;
    told(good.clone());
    for (token, outage) in [(good.as_str(), false), ("a.b.c", false), ("", false), (&good, true)] {
        let id = next_id();
        let mut event = event.clone();
        event["requestContext"]["requestId"] = json!(id);
        event["headers"]["authorization"] = json!(token);
        event["identitySource"][0] = json!(token);
        world.stack.store.fail_after(outage.then_some(0));
        let answer = invocation().run(shared::invoke::handle(&function, event, "not-this-one")).await;
        let class = match &answer {
            Ok(answer) if answer["isAuthorized"] == true => "success",
            Ok(_) => "refused",
            Err(_) => "failed",
        };
        tell("case", &json!({ "id": id, "act": "authorizer", "class": class }));
    }
}

/// Everything, one after the other, so that the lines on standard output are in order.
pub async fn everything() {
    let world = World::new().await;
    let keys = &world.applications;
    for text in [&keys.full, &keys.everywhere, &keys.expired, &keys.master, &world.demo.password] {
        tell("secret", &json!(text));
    }
    for seed in 1..=20 {
        let keys: Value = serde_json::from_str(&tests::world::keyset(seed)).unwrap();
        tell("secret", &keys["keys"][0]["pkcs8"]);
    }
    Box::pin(every_endpoint()).await;
    logins().await;
    rules().await;
    recoveries().await;
    applications().await;
    credentials().await;
    administrator().await;
    strangers().await;
    profile_api().await;
    rivals().await;
    a_panic().await;
    unheard().await;
    invocations().await;
    authorizations().await;
    rotations::all().await;
    // What is noted beside the requests comes to its end.
    tokio::time::sleep(Duration::from_millis(1)).await;
}
