//! A dependency that is down is a 503 with `Retry-After`, never a 401, a 404 or a 500, and nothing is issued.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::api::ROUTES;
use shared::auth_header::AuthHeader;
use shared::store::{Administration as _, Store as _};
use shared::ticket::Ticket;
use shared::user::UserId;
use tests::document::success;
use tests::{Call, World, good, note, read};

/// What has been issued in the tenant `demo`, as it is stored now: tickets, auth headers, and what ends all of them.
async fn issued(world: &World) -> (Vec<Ticket>, Vec<AuthHeader>, Vec<(UserId, u64, u64)>) {
    let store = &world.stack.store;
    let mut users = store.users_of(&world.demo.user.tenant, None, 1000).await.unwrap().items;
    users.sort_by_key(|user| user.id.clone());
    let mut headers = Vec::new();
    for user in &users {
        headers.extend(store.auth_headers(&user.id).await.unwrap());
    }
    let epochs = users.into_iter().map(|user| (user.id, user.session_epoch, user.key_epoch));
    (store.tickets(), headers, epochs.collect())
}

/// Whether it is done step by step, each of which stays done, so that repeating it goes on.
fn in_steps(name: &str) -> bool {
    matches!(name, "tenant-delete" | "api1-profile-update")
}

async fn calls_of(name: &str) -> usize {
    let world = World::new().await;
    let call = good(&world, name).await;
    let _earlier = world.stack.store.take_calls();
    let response = world.send(&call).await;
    assert_eq!(response.status(), success(call.route()), "{name}: {}", response.body());
    world.stack.store.take_calls().len()
}

fn is_outage(response: &shared::gateway::Response) -> bool {
    response.status() == 503 && response.header("retry-after").is_some()
}

#[tokio::test]
async fn a_store_that_fails_at_any_call_is_an_outage() {
    let mut outages = 0;
    for route in ROUTES {
        for allowed in 0..calls_of(route.name).await {
            let world = World::new().await;
            let call = good(&world, route.name).await;
            let (before, owned) = (issued(&world).await, world.stack.store.owned());
            world.stack.store.fail_after(Some(allowed));
            let response = world.send(&call).await;
            assert!(is_outage(&response), "{} after {allowed} calls: {}", route.name, response.status());
            world.stack.store.fail_after(None);
            if !in_steps(route.name) {
                assert_eq!(issued(&world).await, before, "{} after {allowed} calls", route.name);
                assert_eq!(world.stack.store.owned(), owned, "{} after {allowed} calls", route.name);
            }
            let again = world.send(&call).await;
            assert_eq!(again.status(), success(route), "{} afterwards: {}", route.name, again.body());
            outages += 1;
        }
    }
    assert!(outages >= 40, "only {outages}");
}

/// Ending all is another way through its endpoint than ending one.
#[tokio::test]
async fn a_store_that_fails_ends_none_of_all_sessions() {
    for body in [json!({ "all": true }), json!({ "all": true, "except_current": true })] {
        for allowed in 0..2 {
            let world = World::new().await;
            let (jwt, other) = (world.jwt(&world.demo).await, world.jwt(&world.demo).await);
            let before = issued(&world).await;
            world.stack.store.fail_after(Some(allowed));
            let call = Call::to("user-sessions-revoke").bearer(&jwt).json(&body);
            assert!(is_outage(&world.send(&call).await), "{body} after {allowed} calls");
            world.stack.store.fail_after(None);
            assert_eq!(issued(&world).await, before, "{body} after {allowed} calls");
            for jwt in [&jwt, &other] {
                assert_eq!(world.send(&Call::to("test-secure").bearer(jwt)).await.status(), 200);
            }
            assert_eq!(world.send(&call).await.status(), 200);
            assert_eq!(world.send(&Call::to("test-secure").bearer(&other)).await.status(), 401);
        }
    }
}

/// Whoever could not renew goes on with the JWT that it has.
#[tokio::test]
async fn a_renewal_that_failed_leaves_the_old_jwt_in_force() {
    for call in [Call::to("user-renew"), Call::to("user-token").query("m=5")] {
        for allowed in 0..2 {
            let world = World::new().await;
            let jwt = world.jwt(&world.demo).await;
            world.stack.store.fail_after(Some(allowed));
            assert!(is_outage(&world.send(&call.clone().bearer(&jwt)).await));
            world.stack.store.fail_after(None);
            assert_eq!(world.send(&Call::to("test-secure").bearer(&jwt)).await.status(), 200, "after {allowed} calls");
        }
    }
}

/// Where the only key verifies and does not sign yet, the new JWT can't be made: that is found out before the write.
#[tokio::test]
async fn a_renewal_that_nobody_can_sign_leaves_the_old_jwt_in_force() {
    for call in [Call::to("user-renew"), Call::to("user-token").query("m=5")] {
        let mut world = World::new().await;
        let jwt = world.jwt(&world.demo).await;
        let before = issued(&world).await;
        let mut keys: Value = serde_json::from_str(&world.stack.keys.text()).unwrap();
        keys["keys"][0]["sign_after"] = json!(1_900_000_000);
        world.stack.keys.answer(&keys.to_string());
        world.restart();
        let response = world.send(&call.bearer(&jwt)).await;
        assert!(is_outage(&response), "{} {}", response.status(), response.body());
        assert_eq!(issued(&world).await, before);
    }
}

#[tokio::test]
async fn bad_credentials_are_not_judged_while_the_store_is_down() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let (header, ticket) = (world.auth_header(&jwt).await, world.ticket(&world.demo).await);
    world.send(&Call::to("user-logout").bearer(&jwt)).await;
    let unknown = "osa_1IA1WsYlnZL4zD5bPsvALLODZy925p52QRj6zFjW5Dgj";
    world.stack.store.fail_after(Some(0));
    for call in [
        Call::to("user-login").json(&json!({ "username": "demo", "password": "wrong" })),
        Call::to("user-login").json(&json!({ "username": "nobody", "password": "wrong" })),
        Call::new_password("demo", "wrong"),
        Call::new_password("nobody", "wrong"),
        Call::to("test-secure").bearer(&jwt),
        Call::to("test-secure").header("x-authorization", &header),
        Call::to("user-renew").bearer(&jwt),
        Call::to("user-token").bearer(&jwt).query("m=5"),
        Call::to("user-sessions").bearer(&jwt),
        Call::to("user-sessions-revoke").bearer(&jwt).json(&json!({ "id": "unknown" })),
        Call::to("user-sessions-revoke").bearer(&jwt).json(&json!({ "all": true })),
        Call::to("authheader-rotate").bearer(&jwt).json(&json!({ "text": "unknown", "overlap": 0 })),
        Call::to("authheader-report-leaked").json(&json!({ "token": AUTH_HEADER })),
        Call::to("oauth2-introspect").header("x-api-key", unknown).form(&[("token", "unknown")]),
        Call::to("oauth2-introspect").header("x-api-key", &world.applications.full).form(&[("token", &jwt)]),
        Call::to("oauth2-revoke").header("x-api-key", unknown).form(&[("token", &header)]),
        Call::to("oauth2-revoke").header("x-api-key", &world.applications.full).form(&[("token", AUTH_HEADER)]),
        Call::to("ticket-get").id("unknown").header("x-api-key", unknown),
        Call::to("ticket-invalidate").id(&ticket).header("x-api-key", unknown),
        Call::to("profile-authenticate").id("unknown").header("x-api-key", unknown),
        Call::to("ticket-authenticate").header("x-api-key", unknown),
    ] {
        let response = world.send(&call).await;
        assert!(is_outage(&response), "{}: {} {}", call.route().name, response.status(), response.body());
    }
}

/// One that was never issued.
const AUTH_HEADER: &str = "ost_objvGKM1ImxCMQI6aObtIUhDEr24IYhUR5SQTokv15sN0TkDhQKnxGP2m8I9KxNRQH3afewa";

/// The endpoints that may read the signing keys, by the template.
fn with_keys() -> BTreeSet<String> {
    let template: yaml_serde::Value = yaml_serde::from_str(&read("template.yaml")).unwrap();
    let text = |value: &yaml_serde::Value| yaml_serde::to_string(value).unwrap();
    let resources = template.get("Resources").and_then(|resources| resources.as_mapping()).unwrap();
    let functions = resources.values().filter_map(|resource| {
        let binary = resource.get("Metadata")?.get("BuildProperties")?.get("Binary")?.as_str()?;
        text(resource.get("Properties")?.get("Policies")?).contains("KeysetArn").then(|| binary.to_owned())
    });
    functions.collect()
}

#[tokio::test]
async fn keys_that_cannot_be_read_are_an_outage_and_nothing_is_issued() {
    let with_keys = with_keys();
    assert!((10..ROUTES.len()).contains(&with_keys.len()), "{with_keys:?}");
    let mut refusing = 0;
    for route in ROUTES {
        let mut world = World::new().await;
        let call = good(&world, route.name).await;
        let before = issued(&world).await;
        world.stack.keys.fail(true);
        world.restart();
        let response = world.send(&call).await;
        // Only where a JWT is shown do they need them.
        let shows_none = matches!(route.name, "profile-create" | "profile-get" | "profile-update");
        if with_keys.contains(route.name) && !shows_none {
            assert!(is_outage(&response), "{}: {}", route.name, response.status());
            assert_eq!(issued(&world).await, before, "{}", route.name);
        } else {
            assert_eq!(response.status(), success(route), "{}", route.name);
            continue;
        }
        world.stack.keys.fail(false);
        // Without keys, a failed read is not repeated for two seconds.
        world.stack.clock.advance(std::time::Duration::from_secs(2));
        let again = world.send(&good(&world, route.name).await).await;
        assert_eq!(again.status(), success(route), "{} afterwards: {}", route.name, again.body());
        refusing += 1;
    }
    note("Q11", "endpoints-of-a-cold-environment", refusing);
}

#[tokio::test]
async fn an_auth_header_needs_no_signing_key() {
    let mut world = World::new().await;
    let header = world.auth_header(&world.jwt(&world.demo).await).await;
    world.stack.keys.fail(true);
    world.restart();
    let response = world.send(&Call::to("test-secure").header("x-authorization", &header)).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_warm_environment_bridges_an_outage_of_the_keys() {
    let world = World::new().await;
    let _warm = world.jwt(&world.demo).await;
    world.stack.keys.fail(true);
    let mut bridged = 0;
    while bridged < 59 {
        world.stack.clock.advance(std::time::Duration::from_mins(1));
        bridged += 1;
        let jwt = world.jwt(&world.demo).await;
        assert_eq!(world.send(&Call::to("test-secure").bearer(&jwt)).await.status(), 200, "{bridged} minutes");
    }
    note("Q11", "minutes-of-a-warm-environment", bridged);
    world.stack.clock.advance(std::time::Duration::from_mins(2));
    let response = world.send(&Call::to("jwks")).await;
    assert!(is_outage(&response), "but not for longer than an hour: {}", response.status());
}
