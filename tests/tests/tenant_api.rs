//! Tenants by the Profile API: who may do what with them, and that of a deleted one nothing comes back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::access_token::Action;
use shared::clock::Clock as _;
use shared::gateway::Response;
use shared::profile_api::ProfileApi;
use shared::store::memory::MemoryStore;
use shared::store::{Administration as _, Creation, Lookup, NewUser, Store as _};
use shared::tenant::{SETTINGS_KEPT, Tenant, TenantName};
use shared::tenant_deletion::Pace;
use shared::user::User;
use tenant_delete::TenantDelete;
use tests::good::KEY;
use tests::paced::Paced;
use tests::{Account, Call, World, good, read};

fn body(response: &Response) -> Value {
    serde_json::from_str(response.body()).unwrap()
}

/// Sends a request in the name of an application.
async fn by(world: &World, token: &str, call: Call) -> (u16, Value) {
    let response = world.send(&call.header(KEY, token)).await;
    let body = if response.body().is_empty() { Value::Null } else { body(&response) };
    (response.status(), body)
}

fn denied(action: &str, tenant: &str) -> (u16, Value) {
    let message =
        format!("Current subject does not have permission to execute action \"{action}\" on tenant \"{tenant}\"");
    (403, json!({ "errorCode": "ACTION_DENIED", "message": message }))
}

fn refused(status: u16, code: &str, message: &str) -> (u16, Value) {
    (status, json!({ "errorCode": code, "message": message }))
}

/// A tenant as it is answered.
fn tenant(name: &str, verify: bool, roles: &[&str], accepts: bool) -> Value {
    let id = &shared::secret::Digest::of(name.as_bytes()).to_hex()[..24];
    let mut told = json!({
        "id": id, "name": name, "verifyNewProfiles": verify, "availableRoles": roles,
        "ssoEnabled": false, "attributeDefinitions": [], "cleanseAttributes": false,
    });
    if !accepts {
        told["acceptsNewProfiles"] = json!(false);
    }
    told
}

async fn stored(world: &World, name: &str) -> Option<Tenant> {
    let wanted = Lookup { tenant: TenantName::parse(name), ..Lookup::default() };
    world.stack.store.lookup(wanted).await.unwrap().tenant
}

#[tokio::test]
async fn a_tenant_is_made_read_changed_listed_and_deleted() {
    let world = World::new().await;
    let key = &world.applications.everywhere;
    let told = json!({
        "name": "acme", "verifyNewProfiles": true, "availableRoles": ["author", "reader", "author"], "id": null,
        "ssoEnabled": false, "attributeDefinitions": [], "cleanseAttributes": true,
    });
    let made = tenant("acme", true, &["author", "reader"], true);
    assert_eq!(by(&world, key, Call::to("tenant-create").json(&told)).await, (200, made.clone()));
    assert_eq!(by(&world, key, Call::to("tenant-get").id("acme")).await, (200, made.clone()));
    let all = json!([made, tenant("demo", false, &[], true), tenant("other", false, &[], true)]);
    assert_eq!(by(&world, key, Call::to("tenant-list")).await, (200, all));
    assert_eq!(by(&world, key, Call::to("tenant-count")).await, (200, json!(3)));

    // What was answered can be sent back; what is left out stays.
    let update = |body: &Value| Call::to("tenant-update").json(body);
    assert_eq!(by(&world, key, update(&made)).await, (200, made.clone()));
    assert_eq!(stored(&world, "acme").await.unwrap().revision, 0, "nothing was changed");
    let changed = tenant("acme", true, &["author", "reader"], false);
    let wanted = json!({ "name": "acme", "acceptsNewProfiles": false });
    assert_eq!(by(&world, key, update(&wanted)).await, (200, changed.clone()));
    let changed = tenant("acme", false, &[], false);
    let wanted = json!({ "name": "acme", "verifyNewProfiles": false, "availableRoles": [] });
    assert_eq!(by(&world, key, update(&wanted)).await, (200, changed.clone()));
    assert_eq!(by(&world, key, Call::to("tenant-get").id("acme")).await, (200, changed));

    for _ in 0..2 {
        assert_eq!(by(&world, key, Call::to("tenant-delete").id("acme")).await, (200, Value::Null));
    }
    let gone = refused(404, "NO_SUCH_TENANT", "No tenant with this name found");
    assert_eq!(by(&world, key, Call::to("tenant-get").id("acme")).await, gone);
    assert_eq!(by(&world, key, update(&wanted)).await, gone);
    assert_eq!(by(&world, key, Call::to("tenant-count")).await, (200, json!(2)));
}

#[tokio::test]
async fn a_change_leaves_every_other_rule_alone() {
    let world = World::new().await;
    let mut own = stored(&world, "demo").await.unwrap();
    own.settings.password.history = 3;
    own.settings.lifetimes.login_jwt = Some(Duration::from_secs(60));
    assert_eq!(world.stack.store.update_tenant(&own).await.unwrap(), shared::store::Write::Done);
    let wanted = json!({ "name": "demo", "verifyNewProfiles": true });
    let (status, _) = by(&world, &world.applications.full, Call::to("tenant-update").json(&wanted)).await;
    own.settings.verified_email = true;
    assert_eq!((status, stored(&world, "demo").await.unwrap().settings), (200, own.settings));
}

#[tokio::test]
async fn a_name_that_is_taken_is_a_conflict_and_changes_nothing() {
    let world = World::new().await;
    let before = stored(&world, "demo").await;
    let create = Call::to("tenant-create").json(&json!({ "name": "demo", "verifyNewProfiles": true }));
    for key in [&world.applications.everywhere, &world.applications.full] {
        let taken = refused(409, "TENANT_EXISTS", "The tenant \"demo\" already exists");
        assert_eq!(by(&world, key, create.clone()).await, taken);
    }
    assert_eq!(stored(&world, "demo").await, before);
}

/// Each call by each application: what it may not do it is told, and whether the tenant exists it is not.
#[tokio::test]
async fn an_application_does_with_a_tenant_what_it_may_and_nothing_else() {
    let world = World::new().await;
    let demo = |actions: &[Action]| world.application("some", Some("demo"), Some(actions.to_vec()));
    let (reads, updates) = (demo(&[Action::ReadTenant]).await, demo(&[Action::UpdateTenant]).await);
    let anywhere = world.application("anywhere", None, Some(vec![Action::CreateTenant, Action::DeleteTenant])).await;
    let named = |name: &str| json!({ "name": name });
    let create = |name: &str| Call::to("tenant-create").json(&named(name));
    let get = |name: &str| Call::to("tenant-get").id(name);
    let update = |name: &str| Call::to("tenant-update").json(&named(name));
    let delete = |name: &str| Call::to("tenant-delete").id(name);
    let applications = &world.applications;
    for (key, call, lacks, on) in [
        (&applications.full, create("acme"), "CREATE_TENANT", "acme"),
        (&applications.full, create("other"), "CREATE_TENANT", "other"),
        (&applications.master, create("acme"), "CREATE_TENANT", "acme"),
        (&reads, create("demo"), "CREATE_TENANT", "demo"),
        (&applications.full, get("other"), "READ_TENANT", "other"),
        (&applications.full, get("nowhere"), "READ_TENANT", "nowhere"),
        (&applications.full, get("no/name"), "READ_TENANT", "no/name"),
        (&applications.tickets, get("demo"), "READ_TENANT", "demo"),
        (&applications.master, get("demo"), "READ_TENANT", "demo"),
        (&anywhere, get("demo"), "READ_TENANT", "demo"),
        (&applications.full, Call::to("tenant-list"), "READ_TENANT", "*"),
        (&applications.full, Call::to("tenant-count"), "READ_TENANT", "*"),
        (&applications.master, Call::to("tenant-list"), "READ_TENANT", "*"),
        (&anywhere, Call::to("tenant-count"), "READ_TENANT", "*"),
        (&reads, update("demo"), "UPDATE_TENANT", "demo"),
        (&updates, update("demo"), "READ_TENANT", "demo"),
        (&applications.full, update("other"), "READ_TENANT", "other"),
        (&applications.full, update("nowhere"), "READ_TENANT", "nowhere"),
        (&applications.master, update("demo"), "READ_TENANT", "demo"),
        (&applications.full, delete("other"), "DELETE_TENANT", "other"),
        (&applications.full, delete("nowhere"), "DELETE_TENANT", "nowhere"),
        (&applications.full, delete("*"), "DELETE_TENANT", "*"),
        (&reads, delete("demo"), "DELETE_TENANT", "demo"),
        (&applications.master, delete("demo"), "DELETE_TENANT", "demo"),
    ] {
        let name = call.route().name;
        assert_eq!(by(&world, key, call).await, denied(lacks, on), "{name} on {on}");
    }
    let left: Vec<_> = world.stack.store.tenants().await.unwrap().into_iter().map(|it| it.name.to_string()).collect();
    assert_eq!(left, ["demo", "other"], "nothing was made or deleted");
    for (key, call) in [
        (&reads, get("demo")),
        (&applications.full, update("demo")),
        (&applications.everywhere, Call::to("tenant-list")),
        (&anywhere, create("acme")),
        (&anywhere, delete("acme")),
        (&anywhere, delete("no/name")),
    ] {
        let name = call.route().name;
        assert_eq!(by(&world, key, call).await.0, 200, "the control: {name}");
    }
}

#[tokio::test]
async fn the_calling_application_comes_first() {
    let world = World::new().await;
    let missing = "Access token ID param missing from request";
    for route in ["tenant-create", "tenant-get", "tenant-list", "tenant-count", "tenant-update", "tenant-delete"] {
        let bare = |call: &Call| {
            let mut event = call.event();
            event["headers"].as_object_mut().unwrap().remove(KEY);
            event
        };
        let call = good(&world, route).await;
        let answer = world.invoke(route, bare(&call)).await;
        assert_eq!((answer.status(), body(&answer)), refused(403, "ACCESS_DENIED", missing), "{route}");
        for (key, message) in [
            ("no-such-token-anywhere", "No access token found"),
            (&world.applications.expired, "Access token for application \"expired\" expired"),
        ] {
            assert_eq!(by(&world, key, call.clone()).await, refused(403, "ACCESS_DENIED", message), "{route}");
        }
        assert_eq!(world.send(&call).await.status(), 200, "the control: {route}");
    }
}

#[tokio::test]
async fn of_changes_at_the_same_moment_none_is_lost() {
    for seed in 0..20 {
        let mut world = World::new().await;
        let store = Paced::new(world.stack.store.clone(), seed);
        world.rewire(store, Arc::new(world.stack.clock.clone()));
        let key = &world.applications.full;
        let change = |member: &str, value: Value| {
            by(&world, key, Call::to("tenant-update").json(&json!({ "name": "demo", member: value })))
        };
        let changes = [
            change("verifyNewProfiles", json!(true)),
            change("availableRoles", json!(["author"])),
            change("acceptsNewProfiles", json!(false)),
        ];
        for (status, answer) in join_all(changes).await {
            assert_eq!(status, 200, "seed {seed}: {answer}");
        }
        let told = by(&world, key, Call::to("tenant-get").id("demo")).await.1;
        assert_eq!(told, tenant("demo", true, &["author"], false), "seed {seed}");
    }
}

/// `TenantDelete` over the world's own store, by another pace.
fn paced(world: &World, pace: Pace) -> TenantDelete<MemoryStore> {
    let api = ProfileApi {
        store: world.stack.store.clone(),
        clock: Arc::new(world.stack.clock.clone()),
        random: Arc::clone(&world.stack.random),
    };
    TenantDelete { api, pace }
}

#[tokio::test]
async fn a_deletion_that_takes_too_long_says_so_and_goes_on() {
    let mut world = World::new().await;
    world.replace(paced(&world, Pace { lag: Duration::ZERO, budget: Some(Duration::ZERO) }));
    let key = world.applications.full.clone();
    let delete = Call::to("tenant-delete").id("demo");
    for _ in 0..2 {
        let answer = world.send(&delete.clone().header(KEY, &key)).await;
        let message = "Not everything is done yet; repeat the call to go on";
        assert_eq!((answer.status(), body(&answer)), refused(503, "OTHER", message));
        assert_eq!(answer.header("retry-after"), Some("2"));
    }
    let shown = by(&world, &key, Call::to("tenant-get").id("demo")).await;
    assert_eq!(shown, (200, tenant("demo", false, &[], false)), "it is still there, and takes nobody in");
    let update = Call::to("tenant-update").json(&json!({ "name": "demo" }));
    let message = "name must not be that of a tenant that is being deleted";
    assert_eq!(by(&world, &key, update).await, refused(400, "OTHER", message));
    let create = Call::to("tenant-create").json(&json!({ "name": "demo" }));
    assert_eq!(by(&world, &key, create).await.0, 409, "its name is still taken");

    world.replace(paced(&world, Pace { lag: Duration::ZERO, ..Pace::ONE_CALL }));
    assert_eq!(by(&world, &key, delete.clone()).await, (200, Value::Null));
    let gone = refused(403, "ACCESS_DENIED", "No access token found");
    assert_eq!(by(&world, &key, delete.clone()).await, gone, "a right over nothing else ends with the tenant");
    assert_eq!(by(&world, &world.applications.everywhere, delete).await, (200, Value::Null));
}

/// Every credential of a user, and a request that it opens.
async fn credentials(world: &World, account: &Account) -> Vec<(&'static str, Call)> {
    let everywhere = &world.applications.everywhere;
    let jwt = world.jwt(account).await;
    let header = world.auth_header(&jwt).await;
    let ticket = world.ticket(account).await;
    let profile_jwt = world.profile_jwt(account).await;
    let (persistent, _) = world.persistent_login(account).await;
    let verify = world.verification_token(account).await;
    world.stack.clock.advance(Duration::from_secs(61));
    let reset = world.reset_token(account).await;
    vec![
        ("a JWT", Call::to("test-secure").bearer(&jwt)),
        ("a JWT, renewed", Call::to("user-renew").bearer(&jwt)),
        ("an auth header", Call::to("test-secure").header("x-authorization", &header)),
        ("a profile JWT", Call::to("test-secure").bearer(&profile_jwt)),
        ("a ticket", Call::to("ticket-get").id(&ticket).header(KEY, everywhere)),
        (
            "a ticket, for its profile",
            Call::to("api1-profile-by-ticket").query(&format!("ticketId={ticket}")).header(KEY, everywhere),
        ),
        ("a persistent login", Call::to("persistent-login-get").id(&persistent).header(KEY, everywhere)),
        ("a verification token", Call::to("user-verify").json(&json!({ "token": verify }))),
        ("a reset token", Call::reset(&reset)),
    ]
}

#[tokio::test]
async fn a_tenant_deleted_and_made_anew_revives_nothing() {
    let world = World::new().await;
    // One world for the control, since a reset token ends everything else.
    for (what, call) in credentials(&world, &world.demo).await {
        assert_eq!(world.send(&call).await.status(), 200, "the control: {what}");
    }
    let world = World::new().await;
    let old = credentials(&world, &world.demo).await;
    let applications = &world.applications;
    let mut wanted = Lookup { credential: Some(world.demo.login_name()), ..Lookup::default() };
    let phc = world.stack.store.lookup(wanted.clone()).await.unwrap().credential.unwrap().phc;

    let everywhere = &applications.everywhere;
    assert_eq!(by(&world, everywhere, Call::to("tenant-delete").id("demo")).await, (200, Value::Null));
    let left: Vec<_> = world.stack.store.owned().into_iter().map(|(_, owner)| owner).collect();
    let (demo, other) = (&world.demo.user.id, &world.other.user.id);
    assert!(
        left.contains(other)
            && world.stack.store.users_of(&world.demo.user.tenant, None, 9).await.unwrap().items.is_empty()
    );
    let of_demo = world.stack.store.owned().into_iter().filter(|(kind, owner)| owner == demo && kind != "RESET");
    assert_eq!(of_demo.count(), 0);
    for (what, call) in &old {
        assert!((400..500).contains(&world.send(call).await.status()), "the tenant is gone: {what}");
    }

    // The same name, and a user of the same name, address, password and even id.
    let (status, _) = by(&world, everywhere, Call::to("tenant-create").json(&json!({ "name": "demo" }))).await;
    assert_eq!(status, 200);
    world.stack.clock.advance(SETTINGS_KEPT);
    let now = world.stack.clock.now();
    let epoch = User::first_epoch(now);
    let anew = NewUser::new(
        User { created: now, modified: now, session_epoch: epoch, key_epoch: epoch, ..world.demo.user.clone() },
        phc,
    );
    assert_eq!(world.stack.store.create_user(anew).await.unwrap(), Creation::Done);
    for (what, call) in &old {
        let status = world.send(call).await.status();
        assert!((400..500).contains(&status), "the tenant was made anew: {what}: {status}");
    }
    wanted.users = vec![demo.clone()];
    let found = world.stack.store.lookup(wanted).await.unwrap();
    assert!(!found.user(demo).unwrap().email_verified, "the old token verified nothing");
    for key in [&applications.full, &applications.tickets, &applications.profiles] {
        let get = Call::to("api1-profile-get").id(world.demo.id());
        assert_eq!(by(&world, key, get).await, refused(403, "ACCESS_DENIED", "No access token found"));
    }
    assert_eq!(world.send(&Call::to("test-secure").bearer(&world.jwt(&world.demo).await)).await.status(), 200);
    let (status, _) = by(&world, everywhere, Call::to("api1-profile-get").id(world.demo.id())).await;
    assert_eq!(status, 200, "the control: a right over every tenant");
}

#[tokio::test]
async fn an_outage_at_any_step_of_a_deletion_is_told_and_the_next_call_goes_on() {
    let delete = Call::to("tenant-delete").id("demo");
    let mut calls = 0;
    loop {
        let world = World::new().await;
        let key = &world.applications.full;
        world.stack.store.fail_after(Some(calls));
        let (status, told) = by(&world, key, delete.clone()).await;
        world.stack.store.fail_after(None);
        if status == 200 {
            break;
        }
        assert_eq!((status, &told["errorCode"]), (503, &json!("OTHER")), "{told}");
        assert_eq!(by(&world, key, delete.clone()).await, (200, Value::Null), "after {calls} calls");
        assert_eq!(stored(&world, "demo").await, None);
        let left = world.stack.store.users_of(&world.demo.user.tenant, None, 9).await.unwrap();
        assert!(left.items.is_empty());
        calls += 1;
    }
    assert!(calls > 20, "{calls} calls");
}

/// The page that people read names what the code checks.
#[test]
fn the_page_on_tenants_names_what_existing_clients_send() {
    let page = read("docs/tenants.md");
    for member in tenant("demo", false, &[], true).as_object().unwrap().keys() {
        assert!(page.contains(&format!("`{member}`")), "docs/tenants.md does not say what {member} is");
    }
}
