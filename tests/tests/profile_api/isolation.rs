//! Nothing of the Profile API crosses from one tenant into another: what is somebody else's answers byte for byte like
//! what is not there, and nothing is changed.

use shared::access_token::AccessToken;
use shared::api::{Access, Family, ROUTES, Route};
use shared::auth_header::AuthHeader;
use shared::gateway::Response;
use shared::store::{Administration as _, Store as _};
use shared::tenant::Tenant;
use shared::ticket::Ticket;
use shared::user::{User, UserId};
use tests::good::KEY;
use tests::{Call, World, document, good};

use super::{error, missing};

/// Everything that is stored.
#[derive(Debug, PartialEq)]
struct Picture {
    tenants: Vec<Tenant>,
    access_tokens: Vec<AccessToken>,
    users: Vec<User>,
    passwords: Vec<u64>,
    tickets: Vec<Ticket>,
    auth_headers: Vec<AuthHeader>,
    owned: Vec<(String, UserId)>,
}

impl Picture {
    async fn of(world: &World) -> Self {
        let store = &world.stack.store;
        let mut tenants = store.tenants().await.unwrap();
        tenants.sort_by_key(|tenant| tenant.name.clone());
        let (mut users, mut auth_headers) = (Vec::new(), Vec::new());
        for tenant in &tenants {
            users.extend(store.users_of(&tenant.name, None, 1000).await.unwrap().items);
        }
        for user in &users {
            auth_headers.extend(store.auth_headers(&user.id).await.unwrap());
        }
        let names: Vec<_> = users.iter().map(|user| shared::store::LoginName::new(&user.tenant, &user.name)).collect();
        let credentials = store.credentials(&names).await.unwrap();
        Self {
            tenants,
            access_tokens: store.access_tokens().await.unwrap(),
            users,
            passwords: credentials.iter().map(|credential| credential.version).collect(),
            tickets: store.tickets(),
            auth_headers,
            owned: store.owned(),
        }
    }
}

/// What a stranger is told.
enum Told {
    /// The same as of something that is not there.
    Missing,
    /// That it may not do this in that tenant, whether there is one or not.
    Denied,
}

fn told(route: &Route) -> Told {
    let by_name = [
        "ticket-authenticate",
        "api1-profile-create",
        "api1-profile-by-username",
        "api1-profile-range",
        "api1-profile-count",
    ];
    let denied = route.name.starts_with("tenant-") || route.name.starts_with("access-token-");
    if denied || by_name.contains(&route.name) { Told::Denied } else { Told::Missing }
}

fn same(foreign: &Response, missing: &Response) -> bool {
    (foreign.status(), foreign.body()) == (missing.status(), missing.body())
}

#[tokio::test]
async fn an_application_of_another_tenant_finds_nothing_and_changes_nothing() {
    let (world, elsewhere) = (World::new().await, World::elsewhere().await);
    let everything_there = world.application("stranger", Some("other"), None).await;
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for route in ROUTES.iter().filter(|route| route.family == Family::Ticket) {
        let (foreign, nothing) = (good(&world, route.name).await, good(&elsewhere, route.name).await);
        let before = Picture::of(&world).await;
        for key in [&world.applications.other, &everything_there] {
            let answer = world.send(&foreign.clone().header(KEY, key)).await;
            let control = world.send(&nothing.clone().header(KEY, key)).await;
            let fine = match told(route) {
                Told::Missing => answer.status() == missing(route) && same(&answer, &control),
                Told::Denied => answer.status() == 403 && error(&answer).0 == "ACTION_DENIED",
            };
            if !fine {
                wrong.push(format!("{}: {} {}\n and {}", route.name, answer.status(), answer.body(), control.body()));
            }
        }
        assert_eq!(Picture::of(&world).await, before, "{}", route.name);
        let own = world.send(&foreign).await;
        assert_eq!(own.status(), document::success(route), "{}, the control: {}", route.name, own.body());
        tried += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    tests::note("Q21", "endpoints-asked-by-another-tenant", tried);
}

/// By name, a tenant that there is answers like one that there is not.
#[tokio::test]
async fn a_name_that_is_no_tenant_s_answers_like_another_s() {
    let world = World::new().await;
    for route in ROUTES.iter().filter(|route| matches!(told(route), Told::Denied)) {
        if route.family != Family::Ticket || route.name.starts_with("access-token-") {
            continue;
        }
        let call = good(&world, route.name).await.header(KEY, &world.applications.other).event().to_string();
        let mut answers = Vec::new();
        for name in ["demo", "nowhere"] {
            let renamed = call
                .replace("tenantName=demo", &format!("tenantName={name}"))
                .replace("\"name\":\"demo\"", &format!("\"name\":\"{name}\""));
            let response = world.invoke(route.name, serde_json::from_str(&renamed).unwrap()).await;
            assert_eq!(response.status(), 403, "{}", route.name);
            answers.push(response.body().replace(&format!("\\\"{name}\\\""), "it"));
        }
        assert_eq!(answers[0], answers[1], "{}", route.name);
    }
}

#[tokio::test]
async fn a_stranger_s_jwt_and_key_find_no_profile_in_the_v1_family() {
    let (world, elsewhere) = (World::new().await, World::elsewhere().await);
    let routes = ROUTES.iter().filter(|route| route.family == Family::Profile && route.path.contains("{id}"));
    let jwts =
        [world.jwt(&world.other).await, world.jwt(&world.other_admin).await, world.profile_jwt(&world.other).await];
    for route in routes {
        assert_eq!(route.access, Access::AccessTokenOrJwt);
        let (foreign, nothing) = (good(&world, route.name).await, good(&elsewhere, route.name).await);
        let before = Picture::of(&world).await;
        let by_jwt = |call: &Call, jwt: &str| call.clone().without("x-api-key").bearer(jwt);
        let by_key = |call: &Call| call.clone().header("x-api-key", &world.applications.other);
        let mut pairs: Vec<_> = jwts.iter().map(|jwt| (by_jwt(&foreign, jwt), by_jwt(&nothing, jwt))).collect();
        pairs.push((by_key(&foreign), by_key(&nothing)));
        for (foreign, nothing) in pairs {
            let (answer, control) = (world.send(&foreign).await, world.send(&nothing).await);
            assert!(matches!(answer.status(), 403 | 404), "{}: {}", route.name, answer.body());
            assert!(same(&answer, &control), "{}: {} and {}", route.name, answer.body(), control.body());
        }
        assert_eq!(Picture::of(&world).await, before, "{}", route.name);
        let own = world.send(&foreign).await;
        assert_eq!(own.status(), document::success(route), "{}, the control: {}", route.name, own.body());
    }
}

/// The names of two tenants in one request make it a bad one: none of them counts more than the other.
#[tokio::test]
async fn a_request_that_names_two_tenants_is_refused() {
    let world = World::new().await;
    for route in ROUTES.iter().filter(|route| route.family == Family::Ticket) {
        let call = good(&world, route.name).await.header(KEY, &world.applications.everywhere);
        if !call.event().to_string().contains("tenantName=demo") {
            continue;
        }
        let event = call.event();
        let query = event["rawQueryString"].as_str().unwrap();
        let query = if query.is_empty() { "tenantName=other".to_owned() } else { format!("{query}&tenantName=other") };
        let response = world.send(&call.query(&query)).await;
        let (code, message) = error(&response);
        assert_eq!((response.status(), code.as_str()), (400, "OTHER"), "{}: {message}", route.name);
        assert!(message.starts_with("tenantName "), "{}: {message}", route.name);
    }
}
