//! Nothing crosses from one tenant into another: no effect, and no knowledge. A foreign object answers byte for byte like
//! one that does not exist.

use serde_json::{Value, json};
use shared::gateway::Response;
use shared::ticket::TicketKey;
use tests::{Call, World};

/// A ticket's text of a user that exists nowhere.
async fn no_ticket() -> String {
    let elsewhere = World::with_keys(&tests::world::keyset(9)).await;
    elsewhere.stack.random.fill(&mut [0; 3200]);
    elsewhere.ticket(&elsewhere.demo).await
}

/// Both answers, to the foreign object and to the missing one, are the same, and have this status.
async fn alike(world: &World, what: &str, status: u16, foreign: &Call, missing: &Call) {
    let (foreign, missing) = (world.send(foreign).await, world.send(missing).await);
    assert_eq!((foreign.status(), &foreign), (status, &missing), "{what}");
}

fn is_stored(world: &World, ticket: &str) -> bool {
    let key = TicketKey::of(ticket).unwrap();
    world.stack.store.tickets().iter().any(|stored| stored.key == key)
}

#[tokio::test]
async fn a_foreign_ticket_is_read_by_nobody() {
    let world = World::new().await;
    let (mine, foreign, missing) =
        (world.ticket(&world.demo).await, world.ticket(&world.other).await, no_ticket().await);
    let get = |id: &str, token: &str| Call::to("ticket-get").id(id).header("x-api-key", token);
    for token in [&world.applications.full, &world.applications.tickets] {
        alike(&world, "an application of another tenant", 404, &get(&foreign, token), &get(&missing, token)).await;
        assert_eq!(world.send(&get(&mine, token)).await.status(), 200, "the control");
    }
    for token in [&world.applications.profiles, &world.applications.master] {
        alike(&world, "an application without the action", 403, &get(&foreign, token), &get(&missing, token)).await;
        alike(&world, "an application without the action", 403, &get(&mine, token), &get(&missing, token)).await;
    }
}

#[tokio::test]
async fn a_foreign_ticket_is_ended_by_nobody() {
    let world = World::new().await;
    let (mine, foreign, missing) =
        (world.ticket(&world.demo).await, world.ticket(&world.other).await, no_ticket().await);
    let end = |id: &str, token: &str| Call::to("ticket-invalidate").id(id).header("x-api-key", token);
    for token in [&world.applications.full, &world.applications.tickets] {
        alike(&world, "an application of another tenant", 200, &end(&foreign, token), &end(&missing, token)).await;
    }
    for token in [&world.applications.profiles, &world.applications.master] {
        alike(&world, "an application without the action", 403, &end(&foreign, token), &end(&missing, token)).await;
        alike(&world, "an application without the action", 403, &end(&mine, token), &end(&missing, token)).await;
    }
    assert!(is_stored(&world, &foreign) && is_stored(&world, &mine));
    world.send(&end(&foreign, &world.applications.other)).await;
    world.send(&end(&mine, &world.applications.everywhere)).await;
    assert!(!is_stored(&world, &foreign) && !is_stored(&world, &mine), "the control");
}

#[tokio::test]
async fn a_foreign_profile_gets_no_jwt() {
    let world = World::new().await;
    let before = world.stack.store.tickets().len();
    let mint = |id: &str| Call::to("profile-authenticate").id(id);
    let (foreign, missing) = (mint(world.other.id()), mint("0198a6b0-7a3c-4d42-9b1e-5f0c2d4e6a81"));
    for (what, status, token) in [
        ("an application of another tenant", 404, &world.applications.full),
        ("one with this action only", 404, &world.applications.profiles),
        ("one without the action", 403, &world.applications.tickets),
        ("one that manages access tokens", 403, &world.applications.master),
        ("one that is over", 403, &world.applications.expired),
    ] {
        let with = |call: &Call| call.clone().header("x-api-key", token);
        alike(&world, what, status, &with(&foreign), &with(&missing)).await;
    }
    for (what, status, account) in
        [("another tenant's user", 403, &world.demo), ("another tenant's administrator", 404, &world.admin)]
    {
        let jwt = world.jwt(account).await;
        alike(&world, what, status, &foreign.clone().bearer(&jwt), &missing.clone().bearer(&jwt)).await;
    }
    let own = mint(world.demo.id()).bearer(&world.jwt(&world.admin).await);
    let logins = 3;
    assert_eq!(world.stack.store.tickets().len(), before + logins, "a refusal made a ticket");
    assert_eq!(world.send(&own).await.status(), 200, "the control: an administrator in its own tenant");
    let own = mint(world.other.id()).header("x-api-key", &world.applications.other);
    assert_eq!(world.send(&own).await.status(), 200, "the control: an application in its own tenant");
}

#[tokio::test]
async fn a_user_of_the_same_tenant_gets_no_others_jwt_either() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let mint = |id: &str| Call::to("profile-authenticate").id(id).bearer(&jwt);
    alike(&world, "a neighbour", 403, &mint(world.admin.id()), &mint("0198a6b0-7a3c-4d42-9b1e-5f0c2d4e6a81")).await;
}

#[tokio::test]
async fn a_foreign_auth_header_is_seen_and_deleted_by_nobody() {
    let world = World::new().await;
    let theirs = world.jwt(&world.other).await;
    let answer = world.send(&Call::to("authheader-add").bearer(&theirs).json(&json!({ "name": "theirs" }))).await;
    let header: Value = serde_json::from_str(answer.body()).unwrap();
    let token = header["token"].as_str().unwrap();
    let display = format!("{}\u{2026}{}", &token[..10], &token[token.len() - 4..]);
    for account in [&world.demo, &world.admin, &world.other_admin] {
        let jwt = world.jwt(account).await;
        let listed = world.send(&Call::to("authheader-list").bearer(&jwt)).await;
        assert_eq!(listed.body(), "[]");
        let delete = |text: &str| Call::to("authheader-delete").bearer(&jwt).json(&json!({ "text": text }));
        let missing = delete(&"A".repeat(43));
        for text in [token, &display, header["id"].as_str().unwrap()] {
            alike(&world, text, 404, &delete(text), &missing).await;
        }
    }
    let works = world.send(&Call::to("test-secure").header("x-authorization", token)).await;
    assert_eq!(works.status(), 200);
    let delete = Call::to("authheader-delete").bearer(&theirs).json(&json!({ "text": display }));
    assert_eq!(world.send(&delete).await.status(), 200, "the control");
    let gone = world.send(&Call::to("test-secure").header("x-authorization", token)).await;
    assert_eq!(gone.status(), 401);
}

fn denied(response: &Response, tenant: &str) -> bool {
    let body: Value = serde_json::from_str(response.body()).unwrap();
    response.status() == 403
        && body["errorCode"] == "ACTION_DENIED"
        && body["message"].as_str().is_some_and(|message| message.ends_with(&format!("on tenant \"{tenant}\"")))
}

#[tokio::test]
async fn an_application_authenticates_users_of_its_own_tenants_only() {
    let world = World::new().await;
    let login = |token: &str, tenant: &str, password: &str| {
        let fields = [("accessTokenId", token), ("tenantName", tenant), ("username", "demo"), ("password", password)];
        Call::to("ticket-authenticate").form(&fields)
    };
    let before = world.stack.store.tickets().len();
    let (applications, other) = (&world.applications, &world.other.password);
    for token in [&applications.full, &applications.tickets, &applications.profiles, &applications.master] {
        for tenant in ["other", "nowhere"] {
            let response = world.send(&login(token, tenant, other)).await;
            assert!(denied(&response, tenant), "whether the tenant exists is not told: {}", response.body());
        }
    }
    for token in [&applications.tickets, &applications.profiles, &applications.master] {
        let response = world.send(&login(token, "demo", &world.demo.password)).await;
        assert!(denied(&response, "demo"), "an action that is missing in the own tenant: {}", response.body());
    }
    assert_eq!(world.stack.store.tickets().len(), before);
    for token in [&applications.other, &applications.everywhere] {
        assert_eq!(world.send(&login(token, "other", other)).await.status(), 200, "the control");
    }
}

#[tokio::test]
async fn the_same_name_in_two_tenants_is_two_accounts() {
    let world = World::new().await;
    let login =
        |name: &str, password: &str| Call::to("user-login").json(&json!({ "username": name, "password": password }));
    let (demo, other) = (&world.demo, &world.other);
    for (name, password, id) in [
        ("demo", &demo.password, Some(demo.id())),
        ("demo/demo", &demo.password, Some(demo.id())),
        ("other/demo", &other.password, Some(other.id())),
        ("demo", &other.password, None),
        ("other/demo", &demo.password, None),
    ] {
        let response = world.send(&login(name, password)).await;
        let body: Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(body["Id"].as_str(), id, "{name}");
        assert_eq!(response.status(), if id.is_some() { 200 } else { 401 }, "{name}");
    }
}

/// What an application may not do where it is known is told; where it is not, nothing is.
#[tokio::test]
async fn an_application_that_knows_a_tenant_is_told_what_it_lacks_there() {
    use shared::access_token::{AccessToken, Action, TenantPermission};
    use shared::store::Administration as _;

    let world = World::new().await;
    let text = AccessToken::generate(&*world.stack.random);
    let permission = |account: &tests::Account, actions| TenantPermission {
        tenant: Some(account.user.tenant.clone()),
        actions: Some(actions),
    };
    let token = AccessToken {
        digest: text.digest(),
        application: "reader".to_owned(),
        master: false,
        permissions: vec![
            permission(&world.demo, vec![Action::ReadTenant]),
            permission(&world.other, vec![Action::ManageTickets]),
        ],
        expires: None,
        created: world.demo.user.created,
    };
    let _ = world.stack.store.create_access_token(&token).await.unwrap();
    let mine = world.ticket(&world.demo).await;
    for route in ["ticket-get", "ticket-invalidate"] {
        let answer = world.send(&Call::to(route).id(&mine).header("x-api-key", text.expose_secret())).await;
        assert_eq!(answer.status(), 403, "{route}");
        assert!(answer.body().contains("ACTION_DENIED"), "{route}: {}", answer.body());
    }
    assert!(is_stored(&world, &mine));
}
