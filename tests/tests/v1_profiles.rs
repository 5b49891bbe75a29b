//! Section 3 of the contract: profiles and applications as the profile family sees them.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::access_token::{AccessToken, Action, TenantPermission};
use shared::clock::Clock as _;
use shared::gateway::Response;
use shared::secret::Digest;
use shared::store::memory::MemoryStore;
use shared::store::{Administration as _, LoginName, Lookup, Store as _, Write};
use shared::tenant::{Tenant, TenantName};
use shared::user::{User, UserId};
use tests::paced::Paced;
use tests::{Account, Call, World};

fn body(response: &Response) -> Value {
    serde_json::from_str(response.body()).unwrap()
}

async fn answered(world: &World, status: u16, call: &Call) -> Value {
    let response = world.send(call).await;
    assert_eq!(response.status(), status, "{}", response.body());
    body(&response)
}

/// The message of an answer of this status.
async fn message(world: &World, status: u16, call: &Call) -> String {
    let body = answered(world, status, call).await;
    body["message"].as_str().unwrap().to_owned()
}

fn create(key: &str, body: &Value) -> Call {
    Call::to("profile-create").header("x-api-key", key).json(body)
}

fn get(key: &str, id: &str) -> Call {
    Call::to("profile-get").id(id).header("x-api-key", key)
}

fn rename(key: &str, id: &str, body: &Value) -> Call {
    Call::to("profile-update").id(id).header("x-api-key", key).json(body)
}

async fn stored(world: &World, id: &str) -> User {
    let wanted = Lookup { users: vec![UserId::parse(id).unwrap()], ..Lookup::default() };
    world.stack.store.lookup(wanted).await.unwrap().users.pop().unwrap()
}

/// The access token of an application with these permissions, `None` being any tenant.
async fn application(world: &World, name: &str, permissions: &[(Option<&str>, &[Action])]) -> String {
    let text = AccessToken::generate(&*world.stack.random);
    let permissions = permissions.iter().map(|(tenant, actions)| TenantPermission {
        tenant: tenant.and_then(TenantName::parse),
        actions: Some(actions.to_vec()),
    });
    let token = AccessToken {
        digest: text.digest(),
        application: name.to_owned(),
        master: false,
        permissions: permissions.collect(),
        expires: None,
        created: world.stack.clock.now(),
    };
    assert_eq!(world.stack.store.create_access_token(&token).await.unwrap(), Write::Done);
    text.expose_secret().to_owned()
}

async fn change_tenant(world: &World, name: &str, change: impl FnOnce(&mut Tenant)) {
    let store: &MemoryStore = &world.stack.store;
    let wanted = Lookup { tenant: TenantName::parse(name), ..Lookup::default() };
    let mut tenant = store.lookup(wanted).await.unwrap().tenant.unwrap();
    change(&mut tenant);
    assert_eq!(store.update_tenant(&tenant).await.unwrap(), Write::Done);
}

/// What is shown, put onto a call.
type Shown<'a> = Box<dyn Fn(Call) -> Call + 'a>;

/// Each path of the table "who may", about one profile.
fn about(id: &str) -> [(&'static str, Call); 3] {
    [
        ("get", Call::to("profile-get").id(id)),
        ("update", Call::to("profile-update").id(id).json(&json!({ "name": "Renamed" }))),
        ("authenticate", Call::to("profile-authenticate").id(id)),
    ]
}

#[tokio::test]
async fn who_may_do_what_with_a_profile() {
    let world = World::new().await;
    let apps = world.applications.clone();
    let jwt = async |account: &Account| world.jwt(account).await;
    let (own, admin) = (jwt(&world.demo).await, jwt(&world.admin).await);
    let (foreign, foreign_admin) = (jwt(&world.other).await, jwt(&world.other_admin).await);
    let minted = world.profile_jwt(&world.demo).await;
    let minted_admin = world.profile_jwt(&world.admin).await;
    let neighbour = jwt(&world.newcomer().await).await;
    let auth_header = world.auth_header(&own).await;
    let key = |call: Call, text: &str| call.header("x-api-key", text);
    let entry = |tenant, actions| TenantPermission { tenant: TenantName::parse(tenant), actions: Some(actions) };
    let elsewhere = vec![entry("demo", vec![Action::ManageTickets]), entry("other", vec![Action::ManageProfiles])];
    let elsewhere = world.application_with("elsewhere", elsewhere).await;
    let rows: Vec<(&str, Shown<'_>, [u16; 3], [u16; 3])> = vec![
        // What is shown; get, update and authenticate of somebody in `demo`; the same of nobody.
        ("manages the tenant", Box::new(|call| key(call, &apps.full)), [200; 3], [404; 3]),
        ("manages profiles", Box::new(|call| key(call, &apps.profiles)), [200; 3], [404; 3]),
        ("manages every tenant", Box::new(|call| key(call, &apps.everywhere)), [200; 3], [404; 3]),
        ("manages another tenant", Box::new(|call| key(call, &apps.other)), [404; 3], [404; 3]),
        ("manages tickets only", Box::new(|call| key(call, &apps.tickets)), [403; 3], [403; 3]),
        // It knows the tenant, and manages profiles of another one: both are not enough together.
        ("manages profiles elsewhere", Box::new(|call| key(call, &elsewhere)), [403; 3], [404; 3]),
        ("manages access tokens", Box::new(|call| key(call, &apps.master)), [403; 3], [403; 3]),
        ("expired", Box::new(|call| key(call, &apps.expired)), [403; 3], [403; 3]),
        ("unknown", Box::new(|call| key(call, "osa_unknown")), [403; 3], [403; 3]),
        ("nothing", Box::new(|call| call), [403; 3], [403; 3]),
        ("another header", Box::new(|call| call.header("x-access-token-id", &apps.full)), [403; 3], [403; 3]),
        ("its own JWT", Box::new(|call| call.bearer(&own)), [200; 3], [403; 3]),
        ("its own JWT, raw", Box::new(|call| call.header("authorization", &own)), [200; 3], [403; 3]),
        ("its administrator", Box::new(|call| call.bearer(&admin)), [200; 3], [404; 3]),
        ("a neighbour", Box::new(|call| call.bearer(&neighbour)), [403; 3], [403; 3]),
        ("a user of another tenant", Box::new(|call| call.bearer(&foreign)), [403; 3], [403; 3]),
        ("another tenant's administrator", Box::new(|call| call.bearer(&foreign_admin)), [404; 3], [404; 3]),
        ("its own minted JWT", Box::new(|call| call.bearer(&minted)), [200, 200, 403], [403; 3]),
        ("its administrator's minted JWT", Box::new(|call| call.bearer(&minted_admin)), [403; 3], [403; 3]),
        ("an auth header", Box::new(|call| call.header("x-authorization", &auth_header)), [403; 3], [403; 3]),
        ("no JWT", Box::new(|call| call.bearer("a.b.c")), [403; 3], [403; 3]),
        // The access token decides where there is one.
        ("both, one bad", Box::new(|call| key(call.bearer(&own), "osa_unknown")), [403; 3], [403; 3]),
    ];
    for (what, shown, somebody, nobody) in rows {
        for (id, expected) in [(world.demo.id(), somebody), ("0198a6b0-absent", nobody), ("a b", nobody)] {
            for ((path, call), status) in about(id).into_iter().zip(expected) {
                let response = world.send(&shown(call)).await;
                assert_eq!(response.status(), status, "{what}: {path} {id}: {}", response.body());
            }
        }
    }
}

#[tokio::test]
async fn what_was_ended_opens_nothing_from_the_next_call_on() {
    let world = World::new().await;
    let apps = &world.applications;
    let newcomer = world.newcomer().await;
    let (own, minted) = (world.jwt(&newcomer).await, world.profile_jwt(&newcomer).await);
    let id = newcomer.id();
    let works = async |call: &Call| world.send(call).await.status();
    for jwt in [&own, &minted] {
        assert_eq!(works(&Call::to("profile-get").id(id).bearer(jwt)).await, 200);
    }
    let now = world.stack.clock.now();
    assert_eq!(world.stack.store.set_enabled(&newcomer.user, false, now).await.unwrap(), Write::Done);
    for jwt in [&own, &minted] {
        for (path, call) in about(id) {
            assert_eq!(works(&call.bearer(jwt)).await, 403, "{path}");
        }
    }
    assert_eq!(works(&get(&apps.full, id)).await, 200, "who manages profiles manages disabled ones");
    let application = Call::to("application-get").header("x-api-key", &apps.full);
    let made = create(&apps.full, &json!({ "applicationId": "full" }));
    assert_eq!((works(&application).await, works(&made).await), (200, 201));
    let digest = Digest::of(apps.full.as_bytes());
    assert_eq!(world.stack.store.delete_access_token(digest).await.unwrap(), Write::Done);
    assert_eq!((works(&application).await, works(&made).await, works(&get(&apps.full, id)).await), (403, 403, 403));
}

#[tokio::test]
async fn a_profile_is_made_without_a_password_and_gets_jwts() {
    let world = World::new().await;
    let key = &world.applications.full;
    let made = answered(&world, 201, &create(key, &json!({ "applicationId": "full", "name": "J\u{e1}ne  D" }))).await;
    let id = made["id"].as_str().unwrap();
    let expected = json!({
        "id": id, "rootUserId": null, "applicationId": "full", "name": "J\u{e1}ne  D",
        "createdAt": world.stack.clock.now().as_seconds(), "identifiers": [], "wallets": [],
    });
    assert_eq!(made, expected);
    for query in ["", "expand=identifiers,wallets", "expand=wallets&expand=%ff&includeAddresses=evm"] {
        assert_eq!(answered(&world, 200, &get(key, id).query(query)).await, expected, "{query}");
    }
    let user = stored(&world, id).await;
    assert_eq!((user.tenant.as_str(), user.email, user.enabled, user.roles.len()), ("demo", None, true, 0));
    assert_eq!(user.name.as_str().strip_prefix("profile-").map(str::len), Some(36), "{}", user.name.as_str());
    let credential = Some(LoginName::new(&user.tenant, &user.name));
    let found = world.stack.store.lookup(Lookup { credential, ..Lookup::default() }).await.unwrap();
    assert!(found.credential.unwrap().phc.is_none(), "no password opens it");

    let jwt = answered(&world, 200, &Call::to("profile-authenticate").id(id).header("x-api-key", key)).await;
    let jwt = jwt["jwt"].as_str().unwrap();
    assert_eq!(answered(&world, 200, &Call::to("profile-get").id(id).bearer(jwt)).await, expected);
    let hi = answered(&world, 200, &Call::to("test-secure").bearer(jwt)).await;
    assert_eq!(hi["message"], format!("Hi {}", user.name.as_str()));
    for name in [json!(null), json!("x")] {
        let other = answered(&world, 201, &create(key, &json!({ "applicationId": "full", "name": name }))).await;
        assert_ne!(other["id"], id);
    }
    let nameless = answered(&world, 201, &create(key, &json!({ "applicationId": "full" }))).await;
    assert!(nameless["name"].as_str().unwrap().starts_with("profile-"), "the user name, where there is no other");
}

#[tokio::test]
async fn a_profile_is_made_in_the_first_tenant_that_the_application_manages() {
    let world = World::new().await;
    let tenant = async |key: &str, name: &str| {
        let made = answered(&world, 201, &create(key, &json!({ "applicationId": name }))).await;
        stored(&world, made["id"].as_str().unwrap()).await.tenant.to_string()
    };
    let (manage, read) = (&[Action::ManageProfiles][..], &[Action::ReadTenant][..]);
    for (name, permissions, expected) in [
        ("a", vec![(Some("other"), manage), (Some("demo"), manage)], "other"),
        ("b", vec![(Some("demo"), read), (Some("other"), manage)], "other"),
        ("c", vec![(None, manage), (Some("other"), manage)], "demo"),
        ("d", vec![(None, read), (Some("other"), manage), (None, manage)], "other"),
    ] {
        let key = application(&world, name, &permissions).await;
        assert_eq!(tenant(&key, name).await, expected, "{name}");
    }
    assert_eq!(tenant(&world.applications.everywhere, "everywhere").await, "demo", "the stack's default tenant");
    let absent = application(&world, "absent", &[(Some("absent"), manage)]).await;
    message(&world, 404, &create(&absent, &json!({ "applicationId": "absent" }))).await;
    for closed in ["demo", "other"] {
        change_tenant(&world, closed, |tenant| tenant.settings.accepts_new_profiles = false).await;
    }
    let refused = message(&world, 403, &create(&world.applications.full, &json!({ "applicationId": "full" }))).await;
    assert_eq!(refused, "The tenant \"demo\" takes no new profiles");
    let other = TenantName::parse("other").unwrap();
    assert_eq!(world.stack.store.close_tenant(&other).await.unwrap(), Write::Done);
    message(&world, 404, &create(&world.applications.other, &json!({ "applicationId": "other" }))).await;
}

#[tokio::test]
async fn only_an_application_makes_profiles_and_only_in_its_own_name() {
    let world = World::new().await;
    let apps = &world.applications;
    let everybody = async || {
        let store: &MemoryStore = &world.stack.store;
        store.users_of(&TenantName::parse("demo").unwrap(), None, 1000).await.unwrap().items.len()
    };
    let before = everybody().await;
    let (own, admin) = (world.jwt(&world.demo).await, world.jwt(&world.admin).await);
    let full = json!({ "applicationId": "full" });
    let without = || Call::to("profile-create").json(&full);
    for (what, call) in [
        ("nothing", without()),
        ("a JWT", without().bearer(&own)),
        ("an administrator's JWT", without().bearer(&admin)),
        ("another header", without().header("x-access-token-id", &apps.full)),
        ("another's name", create(&apps.profiles, &full)),
        ("another spelling", create(&apps.full, &json!({ "applicationId": "Full" }))),
        ("another application", create(&apps.other, &full)),
        ("no right", create(&apps.tickets, &json!({ "applicationId": "tickets" }))),
        ("no right anywhere", create(&apps.master, &json!({ "applicationId": "master" }))),
        ("expired", create(&apps.expired, &json!({ "applicationId": "expired" }))),
        ("unknown", create("osa_unknown", &full)),
        ("no access token", create(&"x".repeat(300), &full)),
    ] {
        assert_eq!(message(&world, 403, &call).await, "No valid credential for this profile", "{what}");
    }
    let _refusals = world.stack.store.take_calls();
    for (what, status, call) in [
        ("no body", 400, Call::to("profile-create").header("x-api-key", &apps.full)),
        ("no name", 400, create(&apps.full, &json!({ "name": "x" }))),
        ("null", 400, create(&apps.full, &json!({ "applicationId": null }))),
        ("empty", 400, create(&apps.full, &json!({ "applicationId": "" }))),
        ("a number", 400, create(&apps.full, &json!({ "applicationId": 1 }))),
        ("too long", 400, create(&apps.full, &json!({ "applicationId": "x".repeat(513) }))),
        ("another spelling", 400, create(&apps.full, &json!({ "ApplicationId": "full" }))),
        ("unknown field", 400, create(&apps.full, &json!({ "applicationId": "full", "tenant": "other" }))),
        ("a list", 400, create(&apps.full, &json!(["full"]))),
        ("doubled", 400, create(&apps.full, &full).body("application/json", r#"{"name":"a","name":"b"}"#)),
        ("two keys", 400, create(&format!("{},{}", apps.full, apps.full), &full)),
        ("two JWTs", 400, create(&apps.full, &full).header("authorization", "a.b.c,a.b.c")),
        ("a form", 415, create(&apps.full, &full).form(&[("applicationId", "full")])),
    ] {
        message(&world, status, &call).await;
        assert!(world.stack.store.take_calls().is_empty(), "{what} costs no read");
    }
    assert_eq!(everybody().await, before);
}

#[tokio::test]
async fn a_name_is_bounded_and_comes_back_as_it_was_sent() {
    let world = World::new().await;
    let (key, id) = (&world.applications.full, world.demo.id());
    let longest = "\u{1f600}".repeat(256);
    for name in ["x", " ", "J\u{e1}ne", "Ja\u{301}ne", "<b>'\"\\", "\u{202e}\u{200b}", "null", &longest] {
        let renamed = answered(&world, 200, &rename(key, id, &json!({ "name": name }))).await;
        assert_eq!((renamed["name"].as_str(), renamed["id"].as_str()), (Some(name), Some(id)));
        assert_eq!(answered(&world, 200, &get(key, id)).await, renamed);
        let made = answered(&world, 201, &create(key, &json!({ "applicationId": "full", "name": name }))).await;
        assert_eq!(made["name"], name);
    }
    let _before = world.stack.store.take_calls();
    for body in [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": "x".repeat(257) }),
        json!({ "name": "a\nb" }),
        json!({ "name": "\u{0}" }),
        json!({ "name": 1 }),
        json!({ "name": ["x"] }),
        json!({ "Name": "x" }),
        json!({ "name": "x", "id": "y" }),
    ] {
        let told = message(&world, 400, &rename(key, id, &body)).await;
        assert!(told.to_lowercase().contains("name") || told.contains("'id'"), "{body}: {told}");
    }
    assert_eq!(message(&world, 400, &Call::to("profile-update").id(id)).await, "name is required");
    assert!(world.stack.store.take_calls().is_empty(), "bad input costs no read");
}

#[tokio::test]
async fn a_new_name_changes_nothing_else_and_can_be_taken_away() {
    let world = World::new().await;
    let (key, id) = (&world.applications.full, world.demo.id());
    let before = stored(&world, id).await;
    let first = before.first_name.clone().unwrap();
    assert_eq!(answered(&world, 200, &get(key, id)).await["name"], first, "its first and last name, where it has one");
    assert_eq!(answered(&world, 200, &get(key, id)).await["applicationId"], json!(null));
    let jwt = world.jwt(&world.demo).await;
    world.stack.clock.advance(std::time::Duration::from_secs(60));
    let renamed = Call::to("profile-update").id(id).bearer(&jwt).json(&json!({ "name": "Night watch" }));
    assert_eq!(answered(&world, 200, &renamed).await["name"], "Night watch");
    let after = stored(&world, id).await;
    let now = world.stack.clock.now();
    let expected = User { display_name: Some("Night watch".to_owned()), modified: now, ..before.clone() };
    assert_eq!(after, expected);
    answered(&world, 200, &Call::to("test-secure").bearer(&jwt)).await;
    assert_eq!(answered(&world, 200, &rename(key, id, &json!({ "name": null }))).await["name"], first);
    assert_eq!(stored(&world, id).await.display_name, None);
    world.stack.store.edit_user(&before.id, |user| user.last_name = Some("of the night".to_owned()));
    assert_eq!(answered(&world, 200, &get(key, id)).await["name"], format!("{first} of the night"));
}

#[tokio::test]
async fn of_new_names_at_the_same_moment_each_is_written() {
    for seed in 0..20 {
        let mut world = World::new().await;
        world.rewire(Paced::new(world.stack.store.clone(), seed), Arc::new(world.stack.clock.clone()));
        let (key, id) = (&world.applications.full, world.demo.id());
        let calls = ["a", "b", "c"].map(|name| rename(key, id, &json!({ "name": name })));
        let answers = join_all(calls.iter().map(|call| world.send(call))).await;
        for (answer, name) in answers.iter().zip(["a", "b", "c"]) {
            assert_eq!((answer.status(), &body(answer)["name"]), (200, &json!(name)), "{seed}");
        }
    }
    let mut world = World::new().await;
    let contested = Paced::new(world.stack.store.clone(), 1).contested();
    world.rewire(contested, Arc::new(world.stack.clock.clone()));
    let call = rename(&world.applications.full, world.demo.id(), &json!({ "name": "never" }));
    let response = world.send(&call).await;
    assert_eq!((response.status(), response.header("retry-after")), (503, Some("2")));
    assert_eq!(stored(&world, world.demo.id()).await.display_name, None);
}

#[tokio::test]
async fn an_application_reads_itself() {
    let world = World::new().await;
    let apps = world.applications.clone();
    let created = world.stack.clock.now().as_seconds();
    world.stack.clock.advance(std::time::Duration::from_secs(60));
    for (name, key) in [("full", &apps.full), ("tickets", &apps.tickets), ("master", &apps.master)] {
        let shown = answered(&world, 200, &Call::to("application-get").header("x-api-key", key)).await;
        let expected = json!({
            "id": name, "name": name, "email": null, "description": null, "createdAt": created,
            "lastUpdated": created, "rootUserId": null, "identityId": null,
        });
        assert_eq!(shown, expected);
    }
    let own = world.jwt(&world.admin).await;
    let call = || Call::to("application-get");
    for refused in [
        call(),
        call().header("x-api-key", ""),
        call().header("x-api-key", "osa_unknown"),
        call().header("x-api-key", &apps.expired),
        call().header("x-access-token-id", &apps.full),
        call().bearer(&own),
        call().bearer(&apps.full),
        call().query(&format!("accessTokenId={}", apps.full)),
    ] {
        assert_eq!(message(&world, 403, &refused).await, "No valid credential for this profile");
    }
}

#[tokio::test]
async fn an_outage_is_no_refusal() {
    let world = World::new().await;
    let apps = world.applications.clone();
    let jwt = world.jwt(&world.demo).await;
    let calls = [
        (create(&apps.full, &json!({ "applicationId": "full" })), 3),
        (get(&apps.full, world.demo.id()), 1),
        (Call::to("profile-get").id(world.demo.id()).bearer(&jwt), 1),
        (rename(&apps.full, world.demo.id(), &json!({ "name": "x" })), 2),
        (Call::to("application-get").header("x-api-key", &apps.full), 1),
    ];
    for (call, steps) in calls {
        for step in 0..steps {
            world.stack.store.fail_after(Some(step));
            let response = world.send(&call).await;
            let told = (response.status(), response.header("retry-after"));
            assert_eq!(told, (503, Some("2")), "{} {step}: {}", call.route().name, response.body());
        }
        world.stack.store.fail_after(Some(steps));
        assert!(matches!(world.send(&call).await.status(), 200 | 201), "{} in {steps} steps", call.route().name);
        world.stack.store.fail_after(None);
    }
}
