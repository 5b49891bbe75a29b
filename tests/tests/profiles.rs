//! Profiles are made, read, changed and deleted over the Profile API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use local::Cloud;
use serde_json::{Value, json};
use shared::authorize::Presented;
use shared::clock::Clock as _;
use shared::config::Config;
use shared::gateway::Response;
use shared::random::SystemRandom;
use shared::secret::Digest;
use shared::store::dynamo::DynamoStore;
use shared::store::memory::MemoryStore;
use shared::store::{Administration as _, LoginName, Lookup, Store as _, Write};
use shared::tenant::{Tenant, TenantName};
use shared::user::{User, UserId};
use tests::{Call, World};

const PASSWORD: &str = "seven lamps above a quiet harbour";
const NEXT: &str = "eleven boats below a loud lighthouse";

fn body(response: &Response) -> Value {
    serde_json::from_str(response.body()).unwrap()
}

fn create(token: &str, parameters: &[(&str, &str)]) -> Call {
    Call::to("api1-profile-create").header("x-access-token-id", token).parameters(parameters)
}

/// A call about the profile `id`, by an application that may do everything in `demo`.
fn about(world: &World, name: &str, id: &str, parameters: &[(&str, &str)]) -> Call {
    Call::to(name).id(id).header("x-access-token-id", &world.applications.full).parameters(parameters)
}

async fn done(world: &World, call: &Call) -> Value {
    let response = world.send(call).await;
    assert_eq!(response.status(), 200, "{}", response.body());
    body(&response)
}

/// The code and the message of an answer of this status.
async fn refused(world: &World, status: u16, call: &Call) -> (String, String) {
    let response = world.send(call).await;
    assert_eq!(response.status(), status, "{}", response.body());
    let member = |name: &str| body(&response)[name].as_str().unwrap().to_owned();
    (member("errorCode"), member("message"))
}

async fn made(world: &World, more: &[(&str, &str)]) -> Value {
    let parameters = [&[("tenantName", "demo"), ("username", "Jane")], more].concat();
    done(world, &create(&world.applications.full, &parameters)).await
}

fn id(profile: &Value) -> &str {
    profile["id"].as_str().unwrap()
}

async fn stored(world: &World, id: &str) -> Option<User> {
    let wanted = Lookup { users: vec![UserId::parse(id).unwrap()], ..Lookup::default() };
    world.stack.store.lookup(wanted).await.unwrap().users.pop()
}

async fn everybody(world: &World) -> Vec<User> {
    let store: &MemoryStore = &world.stack.store;
    store.users_of(&TenantName::parse("demo").unwrap(), None, 1000).await.unwrap().items
}

async fn change_tenant(world: &World, change: impl FnOnce(&mut Tenant)) {
    let store: &MemoryStore = &world.stack.store;
    let name = TenantName::parse("demo").unwrap();
    let mut tenant =
        store.lookup(Lookup { tenant: Some(name), ..Lookup::default() }).await.unwrap().tenant.expect("the tenant");
    change(&mut tenant);
    assert_eq!(store.update_tenant(&tenant).await.unwrap(), Write::Done);
}

/// Whether the password opens the account, by the ticket family's login.
async fn opens(world: &World, name: &str, password: &str) -> bool {
    let parameters = [("tenantName", "demo"), ("username", name), ("password", password)];
    let call =
        Call::to("ticket-authenticate").header("x-access-token-id", &world.applications.full).parameters(&parameters);
    match world.send(&call).await.status() {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_profile_is_made_with_everything_that_was_sent_and_its_owner_can_log_in() {
    let world = World::new().await;
    let attributes =
        r#"{"team":"night","deep":{"list":[1,2.638344616030823e-256,null,"\n"]},"big":18446744073709551615}"#;
    let profile = made(
        &world,
        &[
            ("password", PASSWORD),
            ("email", "Jane@Example.com"),
            ("enabled", "true"),
            ("role", "editor"),
            ("role", "two words"),
            ("role", "editor"),
            ("attributes", attributes),
            ("unknown", "ignored"),
        ],
    )
    .await;
    let now = world.stack.clock.now().as_millis();
    let expected = json!({
        "id": id(&profile), "tenant": "demo", "username": "Jane", "email": "Jane@Example.com", "verified": false,
        "enabled": true, "createdOn": now, "lastModified": now, "roles": ["editor", "two words"],
        "attributes": serde_json::from_str::<Value>(attributes).unwrap(),
    });
    assert_eq!(profile, expected);
    let object_id = |id: &str| id.len() == 24 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    assert!(object_id(id(&profile)), "{}", id(&profile));
    assert_eq!(profile["attributes"]["deep"]["list"][1].to_string(), "2.638344616030823e-256", "to the last digit");
    assert_eq!(stored(&world, id(&profile)).await.unwrap().application.as_deref(), Some("full"));
    assert!(opens(&world, "jane", PASSWORD).await && opens(&world, "jane@example.com", PASSWORD).await);
    assert!(!opens(&world, "jane", NEXT).await);

    assert_eq!(done(&world, &about(&world, "api1-profile-get", id(&profile), &[])).await, expected);
    let some = [("attributeToReturn", "team"), ("attributesToReturn", "big"), ("attributeToReturn", "absent")];
    let shown = done(&world, &about(&world, "api1-profile-get", id(&profile), &some)).await;
    assert_eq!(shown["attributes"], json!({ "team": "night", "big": u64::MAX }));
    let none = [("attributesToReturn", "$none")];
    assert_eq!(done(&world, &about(&world, "api1-profile-get", id(&profile), &none)).await["attributes"], json!({}));
    let attributes = done(&world, &about(&world, "api1-profile-attributes-get", id(&profile), &some)).await;
    assert_eq!(attributes, json!({ "team": "night", "big": u64::MAX }));
}

#[tokio::test]
async fn what_is_not_sent_is_not_there() {
    let world = World::new().await;
    let empty = vec![("password", ""), ("enabled", ""), ("attributes", ""), ("attributeToReturn", "")];
    for (name, more) in [("a", vec![]), ("b", empty)] {
        let parameters = [&[("tenantName", "demo"), ("username", name)], &more[..]].concat();
        let profile = done(&world, &create(&world.applications.full, &parameters)).await;
        assert_eq!((&profile["email"], &profile["enabled"]), (&Value::Null, &json!(true)));
        assert_eq!((&profile["roles"], &profile["attributes"]), (&json!([]), &json!({})));
        assert!(!opens(&world, name, "").await, "no password opens it");
    }
    let parameters = [("tenantName", "demo"), ("username", "c"), ("enabled", "false"), ("password", PASSWORD)];
    let profile = done(&world, &create(&world.applications.full, &parameters)).await;
    assert_eq!(profile["enabled"], json!(false));
}

#[tokio::test]
async fn a_name_and_an_address_belong_to_one_profile_of_a_tenant() {
    let world = World::new().await;
    let first = made(&world, &[("email", "jane@example.com")]).await;
    let before = everybody(&world).await;
    for (name, email, what) in [
        ("JANE", "other@example.com", "user name"),
        ("other", "JANE@example.com", "e-mail address"),
        ("Jane@Example.com", "other@example.com", "user name"),
    ] {
        let parameters = [("tenantName", "demo"), ("username", name), ("email", email), ("password", PASSWORD)];
        let told = refused(&world, 409, &create(&world.applications.full, &parameters)).await;
        assert_eq!(told, ("PROFILE_EXISTS".to_owned(), format!("A profile with this {what} already exists")));
    }
    assert_eq!(everybody(&world).await, before);
    let elsewhere = [("tenantName", "other"), ("username", "Jane"), ("email", "jane@example.com")];
    let second = done(&world, &create(&world.applications.everywhere, &elsewhere)).await;
    assert_ne!(id(&first), id(&second));

    let other = done(&world, &create(&world.applications.full, &[("tenantName", "demo"), ("username", "joe")])).await;
    for (parameter, value, what) in [("username", "jane", "user name"), ("email", "Jane@example.com", "e-mail address")]
    {
        let more = [(parameter, value), ("role", "x"), ("enabled", "false"), ("password", PASSWORD)];
        let told = refused(&world, 409, &about(&world, "api1-profile-update", id(&other), &more)).await;
        assert_eq!(told, ("PROFILE_EXISTS".to_owned(), format!("A profile with this {what} already exists")));
        assert_eq!(done(&world, &about(&world, "api1-profile-get", id(&other), &[])).await, other, "nothing was done");
        assert!(!opens(&world, "joe", PASSWORD).await, "nor the password set");
    }
}

#[tokio::test]
async fn a_tenant_that_is_not_there_or_takes_nobody_gets_no_profile() {
    let world = World::new().await;
    let to = |token: &str, tenant: &str| create(token, &[("tenantName", tenant), ("username", "jane")]);
    let before = everybody(&world).await;
    for tenant in ["never-made", "no/name", ""] {
        let (code, _) = refused(&world, 404, &to(&world.applications.everywhere, tenant)).await;
        assert_eq!(code, "NO_SUCH_TENANT", "{tenant}");
        let (code, message) = refused(&world, 403, &to(&world.applications.full, tenant)).await;
        assert_eq!(code, "ACTION_DENIED", "{tenant}");
        assert!(message.contains(&format!("\"MANAGE_PROFILES\" on tenant \"{tenant}\"")), "{message}");
    }
    for token in [&world.applications.other, &world.applications.tickets, &world.applications.master] {
        assert_eq!(refused(&world, 403, &to(token, "demo")).await.0, "ACTION_DENIED");
    }
    change_tenant(&world, |tenant| tenant.settings.accepts_new_profiles = false).await;
    let told = refused(&world, 403, &to(&world.applications.full, "demo")).await;
    assert_eq!(told, ("ACTION_DENIED".to_owned(), "The tenant \"demo\" takes no new profiles".to_owned()));
    change_tenant(&world, |tenant| tenant.settings.accepts_new_profiles = true).await;
    assert_eq!(world.stack.store.close_tenant(&TenantName::parse("demo").unwrap()).await.unwrap(), Write::Done);
    assert_eq!(refused(&world, 404, &to(&world.applications.full, "demo")).await.0, "NO_SUCH_TENANT");
    assert_eq!(everybody(&world).await, before);
}

#[tokio::test]
async fn a_parameter_that_breaks_its_rule_is_named_and_costs_no_store_call() {
    let world = World::new().await;
    let profile = made(&world, &[]).await;
    let many: Vec<String> = (0..65).map(|number| format!("\"a{number}\":1")).collect();
    let (many, large) = (format!("{{{}}}", many.join(",")), format!("{{\"a\":\"{}\"}}", "x".repeat(16 * 1024)));
    let (long, deep) = ("x".repeat(129), format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200)));
    let long_name = format!("{{\"{long}\":1}}");
    let bad = [
        ("username", "a b", "OTHER", "username "),
        ("username", "a/b", "OTHER", "username "),
        ("username", "a\u{200b}", "OTHER", "username "),
        ("email", "nobody", "INVALID_EMAIL_ADDRESS", "email "),
        ("email", "a@b@c", "INVALID_EMAIL_ADDRESS", "email "),
        ("enabled", "maybe", "OTHER", "enabled "),
        ("role", "", "OTHER", "role "),
        ("role", &long, "OTHER", "role "),
        ("role", "a\u{7}", "OTHER", "role "),
        ("attributes", "[]", "PARAM_DESERIALIZATION_ERROR", "attributes "),
        ("attributes", "null", "PARAM_DESERIALIZATION_ERROR", "attributes "),
        ("attributes", "{\"a\":1,\"a\":2}", "PARAM_DESERIALIZATION_ERROR", "attributes must hold each field once"),
        ("attributes", "{\"a\":{\"b\":1,\"b\":1}}", "PARAM_DESERIALIZATION_ERROR", "attributes "),
        ("attributes", "{\"a\":1e999}", "PARAM_DESERIALIZATION_ERROR", "attributes "),
        ("attributes", &deep, "PARAM_DESERIALIZATION_ERROR", "attributes "),
        ("attributes", &many, "PARAM_DESERIALIZATION_ERROR", "attributes "),
        ("attributes", &large, "OTHER", "attributes "),
        ("attributes", &long_name, "OTHER", "attributes "),
        ("attributes", "{\"\":1}", "OTHER", "attributes "),
        ("attributesToReturn", &long, "OTHER", "attributesToReturn "),
    ];
    let _earlier = world.stack.store.take_calls();
    let given = [("tenantName", "demo"), ("username", "joe")];
    for (parameter, value, code, message) in bad {
        let others: Vec<_> = given.into_iter().filter(|(name, _)| *name != parameter).collect();
        let more = [(parameter, value), ("role", "editor"), ("password", PASSWORD)];
        for call in [
            create(&world.applications.full, &[&others[..], &more].concat()),
            about(&world, "api1-profile-update", id(&profile), &more),
        ] {
            let told = refused(&world, 400, &call).await;
            assert!(told.0 == code && told.1.starts_with(message), "{parameter}={value:.60}: {told:?}");
        }
    }
    for (parameter, values) in [
        ("password", ["one two three four five", "two two three four five"]),
        ("username", ["a", "b"]),
        ("email", ["a@b.c", "a@b.c"]),
        ("enabled", ["true", "true"]),
        ("attributes", ["{}", "{}"]),
    ] {
        let call = about(&world, "api1-profile-update", id(&profile), &values.map(|value| (parameter, value)));
        assert_eq!(refused(&world, 400, &call).await.1, format!("{parameter} must be given once"));
    }
    let roles: Vec<String> = (0..65).map(|number| format!("r{number}")).collect();
    let roles: Vec<_> = roles.iter().map(|role| ("role", role.as_str())).collect();
    for name in ["api1-profile-update", "api1-profile-roles-add", "api1-profile-roles-remove"] {
        assert!(refused(&world, 400, &about(&world, name, id(&profile), &roles)).await.1.starts_with("role "));
    }
    for value in ["", "a\n", &long] {
        let call = about(&world, "api1-profile-attributes-remove", id(&profile), &[("attributeName", value)]);
        assert!(refused(&world, 400, &call).await.1.starts_with("attributeName "));
    }
    assert!(world.stack.store.take_calls().is_empty(), "none of them asked the store");
    assert_eq!(done(&world, &about(&world, "api1-profile-get", id(&profile), &[])).await, profile);
}

#[tokio::test]
async fn what_is_missing_is_told_to_whom_the_application_is_known() {
    let world = World::new().await;
    for (name, parameter, more) in [
        ("api1-profile-create", "tenantName", vec![("username", "joe")]),
        ("api1-profile-create", "username", vec![("tenantName", "demo")]),
        ("api1-profile-roles-add", "role", vec![]),
        ("api1-profile-roles-remove", "role", vec![]),
        ("api1-profile-attributes-remove", "attributeName", vec![]),
    ] {
        let call = |token: &str| Call::to(name).id(world.demo.id()).header("x-api-key", token).parameters(&more);
        let told = refused(&world, 400, &call(&world.applications.full)).await;
        assert_eq!(told, ("OTHER".to_owned(), format!("Required parameter '{parameter}' is not present")), "{name}");
        for token in ["unknown", &world.applications.expired] {
            assert_eq!(refused(&world, 403, &call(token)).await.0, "ACCESS_DENIED", "{name}");
        }
    }
}

#[tokio::test]
async fn a_weak_password_changes_nothing() {
    let world = World::new().await;
    let before = everybody(&world).await;
    let weak = ["short", "aaaaaaaaaaaaaaaaaaaa", "janejanejane"];
    for password in weak {
        let parameters = [("tenantName", "demo"), ("username", "Jane"), ("password", password)];
        let (code, message) = refused(&world, 400, &create(&world.applications.full, &parameters)).await;
        assert!(code == "OTHER" && message.starts_with("password "), "{message}");
    }
    assert_eq!(everybody(&world).await, before);
    let profile = made(&world, &[("password", PASSWORD)]).await;
    for password in weak {
        let more = [("password", password), ("username", "other"), ("role", "x"), ("enabled", "false")];
        let call = about(&world, "api1-profile-update", id(&profile), &more);
        assert!(refused(&world, 400, &call).await.1.starts_with("password "));
    }
    assert_eq!(done(&world, &about(&world, "api1-profile-get", id(&profile), &[])).await, profile);
    assert!(opens(&world, "Jane", PASSWORD).await);
    // The new name counts, and not the old one.
    let more = [("password", "nightingale-7"), ("username", "nightingale")];
    let call = about(&world, "api1-profile-update", id(&profile), &more);
    assert!(refused(&world, 400, &call).await.1.starts_with("password "));
}

#[tokio::test]
async fn a_change_touches_what_it_names_and_nothing_else() {
    let world = World::new().await;
    let first = [
        ("password", PASSWORD),
        ("email", "jane@example.com"),
        ("role", "a"),
        ("attributes", r#"{"x":1,"y":{"z":[]}}"#),
    ];
    let mut expected = made(&world, &first).await;
    let id = id(&expected).to_owned();
    world.stack.store.edit_user(&UserId::parse(&id).unwrap(), |user| user.email_verified = true);
    expected["verified"] = json!(true);
    let mut check = async |name: &str, parameters: &[(&str, &str)], changes: Value| {
        world.stack.clock.advance(Duration::from_secs(60));
        expected["lastModified"] = json!(world.stack.clock.now().as_millis());
        for (member, value) in changes.as_object().unwrap() {
            expected[member] = value.clone();
        }
        assert_eq!(done(&world, &about(&world, name, &id, parameters)).await, expected, "{name} {parameters:?}");
        assert_eq!(done(&world, &about(&world, "api1-profile-get", &id, &[])).await, expected, "{name} {parameters:?}");
    };
    let update = "api1-profile-update";
    check(update, &[("attributes", r#"{"y":null,"w":"v"}"#)], json!({ "attributes": { "x": 1, "y": null, "w": "v" } }))
        .await;
    check(update, &[("role", "b"), ("role", "c")], json!({ "roles": ["b", "c"] })).await;
    check(update, &[("email", "JANE@example.com")], json!({ "email": "JANE@example.com" })).await;
    check(update, &[("email", "j@example.com")], json!({ "email": "j@example.com", "verified": false })).await;
    check(update, &[("username", "Joanna"), ("email", ""), ("password", "")], json!({ "username": "Joanna" })).await;
    check(update, &[("enabled", "false")], json!({ "enabled": false })).await;
    check(update, &[("enabled", "true")], json!({ "enabled": true })).await;
    check(update, &[("password", NEXT)], json!({})).await;
    check(update, &[("password", PASSWORD)], json!({})).await;
    check(update, &[("role", "")], json!({ "roles": [] })).await;
    check(update, &[("role", "d")], json!({ "roles": ["d"] })).await;
    check("api1-profile-disable", &[], json!({ "enabled": false })).await;
    check("api1-profile-enable", &[], json!({ "enabled": true })).await;
    check("api1-profile-roles-add", &[("role", "e"), ("role", "d")], json!({ "roles": ["d", "e"] })).await;
    check("api1-profile-roles-remove", &[("role", "d"), ("role", "none")], json!({ "roles": ["e"] })).await;
    let names = [("attributeName", "x"), ("attributeName", "none"), ("attributeName", "y")];
    check("api1-profile-attributes-remove", &names, json!({ "attributes": { "w": "v" } })).await;
    assert!(opens(&world, "joanna", PASSWORD).await && !opens(&world, "jane", PASSWORD).await);
    let roles = vec!["e".to_owned(), User::TENANT_ADMIN.to_owned()];
    check("api1-profile-roles-add", &[("role", User::TENANT_ADMIN)], json!({ "roles": roles })).await;

    // What changes nothing writes nothing.
    world.stack.clock.advance(Duration::from_secs(60));
    for (name, parameters) in [
        (update, vec![]),
        (update, vec![("username", "Joanna"), ("role", "e"), ("role", User::TENANT_ADMIN), ("attributes", "{}")]),
        ("api1-profile-roles-add", vec![("role", "e")]),
        ("api1-profile-roles-remove", vec![("role", "none")]),
        ("api1-profile-attributes-remove", vec![("attributeName", "none")]),
    ] {
        assert_eq!(done(&world, &about(&world, name, &id, &parameters)).await, expected, "{name}");
    }
}

#[tokio::test]
async fn attributes_are_set_by_a_json_object() {
    let world = World::new().await;
    let profile = made(&world, &[("attributes", r#"{"a":1,"b":2}"#)]).await;
    let call = |query: &str| {
        let token = format!("accessTokenId={}&{query}", world.applications.full);
        Call::to("api1-profile-attributes-update").id(id(&profile)).query(&token)
    };
    let shown = done(&world, &call("").json(&json!({ "b": [true], "c d\u{e9}": { "e": null } }))).await;
    assert_eq!(shown["attributes"], json!({ "a": 1, "b": [true], "c d\u{e9}": { "e": null } }));
    assert_eq!(done(&world, &call("attributeToReturn=a").json(&json!({}))).await["attributes"], json!({ "a": 1 }));
    let stored = done(&world, &about(&world, "api1-profile-attributes-get", id(&profile), &[])).await;
    assert_eq!(stored, json!({ "a": 1, "b": [true], "c d\u{e9}": { "e": null } }));
    let _earlier = world.stack.store.take_calls();
    let full: Vec<String> = (0..62).map(|number| format!("\"n{number}\":0")).collect();
    let full = format!("{{{}}}", full.join(","));
    let too_large = json!({ "a": "x".repeat(16 * 1024) }).to_string();
    for bad in ["", "[]", "7", "{\"a\":1,\"a\":1}", "{\"a\":{\"b\":1,\"b\":1}}", "{\"\":1}", &too_large] {
        assert_eq!(refused(&world, 400, &call("").body("application/json", bad)).await.0, "OTHER", "{bad:.40}");
    }
    assert!(world.stack.store.take_calls().is_empty());
    // Alone they fit, and with those that there are they don't.
    let (_, message) = refused(&world, 400, &call("").body("application/json", &full)).await;
    assert!(message.starts_with("attributes must be at most 64"), "{message}");
    assert_eq!(refused(&world, 415, &call("").body("text/plain", "{}")).await.0, "OTHER");
    assert_eq!(done(&world, &about(&world, "api1-profile-attributes-get", id(&profile), &[])).await, stored);
}

#[tokio::test]
async fn a_new_password_and_disabling_end_what_was_issued_for_good() {
    let world = World::new().await;
    let live = async |jwt: &str| world.send(&Call::to("test-secure").bearer(jwt)).await.status() == 200;
    let header_opens = async |header: &str| {
        world.send(&Call::to("test-secure").header("x-authorization", header)).await.status() == 200
    };
    let ticket_lives = async |ticket: &str| {
        let call = Call::to("ticket-get").id(ticket).header("x-access-token-id", &world.applications.full);
        world.send(&call).await.status() == 200
    };
    let demo = &world.demo;
    let (jwt, ticket) = (world.jwt(demo).await, world.ticket(demo).await);
    let header = world.auth_header(&jwt).await;
    assert!(live(&jwt).await && ticket_lives(&ticket).await && header_opens(&header).await);
    done(&world, &about(&world, "api1-profile-update", demo.id(), &[("password", NEXT)])).await;
    assert!(!live(&jwt).await && !ticket_lives(&ticket).await && header_opens(&header).await);
    assert!(opens(&world, "demo", NEXT).await && !opens(&world, "demo", &demo.password).await);
    // The same once more, as who got no answer sends it.
    done(&world, &about(&world, "api1-profile-update", demo.id(), &[("password", NEXT)])).await;

    for disabling in ["api1-profile-disable", "api1-profile-update"] {
        let account = tests::world::Account { password: NEXT.to_owned(), ..demo.clone() };
        let (jwt, ticket) = (world.jwt(&account).await, world.ticket(&account).await);
        let header = world.auth_header(&jwt).await;
        let parameters: &[_] = if disabling == "api1-profile-update" { &[("enabled", "false")] } else { &[] };
        done(&world, &about(&world, disabling, demo.id(), parameters)).await;
        assert!(!live(&jwt).await && !ticket_lives(&ticket).await && !header_opens(&header).await);
        done(&world, &about(&world, "api1-profile-enable", demo.id(), &[])).await;
        assert!(!live(&jwt).await && !ticket_lives(&ticket).await && !header_opens(&header).await, "nothing revives");
        assert!(opens(&world, "demo", NEXT).await);
    }
}

#[tokio::test]
async fn a_tenant_that_remembers_passwords_takes_none_of_them_again() {
    let world = World::new().await;
    change_tenant(&world, |tenant| tenant.settings.password.history = 2).await;
    let profile = made(&world, &[("password", PASSWORD)]).await;
    done(&world, &about(&world, "api1-profile-update", id(&profile), &[("password", NEXT)])).await;
    for password in [PASSWORD, NEXT] {
        let call = about(&world, "api1-profile-update", id(&profile), &[("password", password), ("role", "x")]);
        assert!(refused(&world, 400, &call).await.1.starts_with("password "));
    }
    assert_eq!(done(&world, &about(&world, "api1-profile-get", id(&profile), &[])).await["roles"], json!([]));
}

#[tokio::test]
async fn a_profile_is_deleted_with_everything_and_only_by_who_manages_it() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let (header, ticket) = (world.auth_header(&jwt).await, world.ticket(&world.demo).await);
    let delete = |token: &str, id: &str| Call::to("api1-profile-delete").id(id).header("x-access-token-id", token);
    for token in [&world.applications.other, &world.applications.full] {
        let foreign = if *token == world.applications.full { world.other.id() } else { world.demo.id() };
        for id in [foreign, "never-made", "no~id"] {
            let response = world.send(&delete(token, id)).await;
            assert_eq!((response.status(), response.body()), (200, ""), "idempotent, and nothing of another tenant's");
        }
    }
    for token in [&world.applications.tickets, &world.applications.master] {
        assert_eq!(refused(&world, 403, &delete(token, world.demo.id())).await.0, "ACTION_DENIED");
    }
    assert!(stored(&world, world.demo.id()).await.is_some() && stored(&world, world.other.id()).await.is_some());
    for _ in 0..2 {
        let response = world.send(&delete(&world.applications.profiles, world.demo.id())).await;
        assert_eq!((response.status(), response.body()), (200, ""));
    }
    assert!(stored(&world, world.demo.id()).await.is_none());
    let left: Vec<_> = world.stack.store.owned().into_iter().filter(|(_, id)| id == &world.demo.user.id).collect();
    assert!(left.is_empty(), "{left:?}");
    for call in [
        Call::to("test-secure").bearer(&jwt),
        Call::to("test-secure").header("x-authorization", &header),
        Call::to("ticket-get").id(&ticket).header("x-access-token-id", &world.applications.full),
        about(&world, "api1-profile-get", world.demo.id(), &[]),
    ] {
        assert!([401, 404].contains(&world.send(&call).await.status()));
    }
    // Its name is free again, and what it left opens nothing of its successor's.
    let again = [("tenantName", "demo"), ("username", "demo"), ("password", PASSWORD)];
    done(&world, &create(&world.applications.full, &again)).await;
    assert!(opens(&world, "demo", PASSWORD).await && !opens(&world, "demo", &world.demo.password).await);
}

#[tokio::test]
async fn a_profile_is_read_and_changed_only_by_applications_of_its_tenant() {
    let world = World::new().await;
    let calls = [
        ("api1-profile-get", vec![]),
        ("api1-profile-attributes-get", vec![]),
        ("api1-profile-update", vec![("role", "stolen"), ("password", NEXT)]),
        ("api1-profile-enable", vec![]),
        ("api1-profile-disable", vec![]),
        ("api1-profile-roles-add", vec![("role", "stolen")]),
        ("api1-profile-roles-remove", vec![("role", "reader")]),
        ("api1-profile-attributes-remove", vec![("attributeName", "home")]),
    ];
    let before = stored(&world, world.demo.id()).await;
    for (name, parameters) in &calls {
        let call =
            |token: &str, id: &str| Call::to(name).id(id).header("x-access-token-id", token).parameters(parameters);
        let foreign = world.send(&call(&world.applications.other, world.demo.id())).await;
        let missing = world.send(&call(&world.applications.other, "never-made")).await;
        assert_eq!((foreign.status(), &foreign), (404, &missing), "{name}");
        for token in [&world.applications.tickets, &world.applications.master] {
            let told = refused(&world, 403, &call(token, world.demo.id())).await;
            assert_eq!(told.0, "ACTION_DENIED", "{name}");
        }
        let reads = name.ends_with("-get");
        if reads {
            let told = refused(&world, 403, &call(&world.applications.profiles, world.demo.id())).await;
            assert!(told.1.contains("\"READ_TENANT\""), "{name}: {}", told.1);
        }
        assert_eq!(stored(&world, world.demo.id()).await, before, "{name}");
    }
    let json = Call::to("api1-profile-attributes-update").id(world.demo.id()).json(&json!({ "home": "stolen" }));
    let call = json.header("x-access-token-id", &world.applications.other);
    assert_eq!(refused(&world, 404, &call).await.0, "NO_SUCH_PROFILE");
    assert_eq!(stored(&world, world.demo.id()).await, before);
}

/// Whatever step an outage cuts off, the same call completes it.
#[tokio::test]
async fn an_update_that_was_cut_off_is_completed_by_the_same_call() {
    for calls in 0..12 {
        let world = World::new().await;
        let profile = made(&world, &[("password", PASSWORD)]).await;
        let parameters = [("username", "joanna"), ("role", "x"), ("enabled", "false"), ("password", NEXT)];
        let call = about(&world, "api1-profile-update", id(&profile), &parameters);
        let _earlier = world.stack.store.take_calls();
        world.stack.store.fail_after(Some(calls));
        let response = world.send(&call).await;
        world.stack.store.fail_after(None);
        let finished = response.status() == 200;
        if !finished {
            assert_eq!((response.status(), response.header("retry-after")), (503, Some("2")), "{}", response.body());
        }
        let shown = done(&world, &call).await;
        assert_eq!((&shown["username"], &shown["roles"]), (&json!("joanna"), &json!(["x"])));
        assert_eq!(shown["enabled"], json!(false));
        done(&world, &about(&world, "api1-profile-enable", id(&profile), &[])).await;
        assert!(opens(&world, "joanna", NEXT).await && !opens(&world, "joanna", PASSWORD).await);
        if finished {
            assert!(calls >= 4, "{calls} calls are too few for it");
            return;
        }
    }
    panic!("it never ends");
}

/// Wherever an outage cuts it off.
#[tokio::test]
async fn an_update_that_was_cut_off_leaves_no_profile_more_open() {
    for enabling in [false, true] {
        let flag = |on: bool| ("enabled", if on { "true" } else { "false" });
        for calls in 0.. {
            assert!(calls < 12, "it never ends");
            let world = World::new().await;
            let profile = made(&world, &[("password", PASSWORD), flag(!enabling)]).await;
            let version = async || {
                let wanted = Lookup { credential: Some(LoginName::typed("demo", "jane")), ..Lookup::default() };
                world.stack.store.lookup(wanted).await.unwrap().credential.unwrap().version
            };
            let first = version().await;
            let parameters = [("role", "x"), flag(enabling), ("password", NEXT)];
            world.stack.store.fail_after(Some(calls));
            let response = world.send(&about(&world, "api1-profile-update", id(&profile), &parameters)).await;
            world.stack.store.fail_after(None);
            let user = stored(&world, id(&profile)).await.unwrap();
            if enabling {
                assert!(!user.enabled || version().await > first, "{calls}: enabled with its old password");
            } else {
                assert!(!user.enabled || user.roles.is_empty(), "{calls}: given roles and not disabled");
            }
            if response.status() == 200 {
                assert_eq!((user.enabled, version().await > first), (enabling, true));
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_address_stays_verified_only_where_no_more_than_ascii_case_differs() {
    for (old, new, verified) in [
        ("Jane@Example.com", "jane@EXAMPLE.com", true),
        ("info@stra\u{df}e.example", "info@strasse.example", false),
        ("\u{e9}@example.com", "\u{c9}@example.com", false),
    ] {
        let world = World::new().await;
        let profile = made(&world, &[("email", old)]).await;
        world.stack.store.edit_user(&UserId::parse(id(&profile)).unwrap(), |user| user.email_verified = true);
        let shown = done(&world, &about(&world, "api1-profile-update", id(&profile), &[("email", new)])).await;
        assert_eq!((&shown["email"], &shown["verified"]), (&json!(new), &json!(verified)));
    }
}

#[tokio::test]
async fn a_profile_whose_message_cannot_be_sent_is_not_made() {
    let world = World::new().await;
    let url = "https://app.example.com/verify?from=signup";
    let named = |name: &'static str, email: &'static str| {
        [("tenantName", "demo"), ("username", name), ("email", email), ("verificationUrl", url)]
    };
    let full = &world.applications.full;
    done(&world, &create(full, &named("no-need", "no@example.com"))).await;
    assert!(world.stack.outbox.take().is_empty(), "this tenant asks for no verification");
    change_tenant(&world, |tenant| tenant.settings.verified_email = true).await;

    let before = everybody(&world).await;
    world.stack.outbox.fail(true);
    let told = refused(&world, 503, &create(full, &named("jane", "jane@example.com"))).await;
    assert_eq!(told.0, "OTHER");
    assert_eq!(everybody(&world).await, before);
    world.stack.outbox.fail(false);
    let _earlier = world.stack.outbox.take();
    done(&world, &create(full, &named("jane", "jane@example.com"))).await;
    let sent = world.stack.outbox.take();
    assert_eq!(sent.len(), 1);
    let detail: Value = serde_json::from_str(&sent[0].1).unwrap();
    assert!(detail.to_string().contains("https://app.example.com/verify?from=signup&tokenId="), "{detail}");

    let disabled = [&named("off", "off@example.com")[..], &[("enabled", "false")]].concat();
    done(&world, &create(full, &disabled)).await;
    let nobody = [("tenantName", "demo"), ("username", "nobody"), ("verificationUrl", url)];
    done(&world, &create(full, &nobody)).await;
    assert!(world.stack.outbox.take().is_empty(), "nobody is there to be told");
    let bad = [("tenantName", "demo"), ("username", "x"), ("verificationUrl", "http://app.example.com/verify")];
    assert!(refused(&world, 400, &create(full, &bad)).await.1.starts_with("verificationUrl "));
}

/// The same world on the embedded DynamoDB, which must be kept as long as the world: the tenant `demo`, empty, and the
/// application that may do everything in it.
async fn on_dynamodb() -> (World, Cloud, DynamoStore) {
    let parameters = BTreeMap::from([("Issuer".to_owned(), "https://auth.example.com".to_owned())]);
    let cloud = Cloud::in_memory(&parameters).unwrap();
    let config = Config::read(|name| cloud.environment().get(name).cloned()).unwrap();
    let client = local::dynamodb::client(&cloud.dynamodb_url());
    let store = DynamoStore::new(client, config.tables, Arc::new(SystemRandom));
    let mut world = World::new().await;
    let full = Presented::new(&world.applications.full).digest().unwrap();
    let wanted = Lookup { tenant: TenantName::parse("demo"), access_token: Some(full), ..Lookup::default() };
    let found = world.stack.store.lookup(wanted).await.unwrap();
    assert_eq!(store.create_tenant(&found.tenant.unwrap()).await.unwrap(), Write::Done);
    assert_eq!(store.create_access_token(&found.access_token.unwrap()).await.unwrap(), Write::Done);
    world.rewire(store.clone(), Arc::new(world.stack.clock.clone()));
    (world, cloud, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_lives_on_dynamodb_as_it_does_in_memory() {
    let (world, _cloud, store) = on_dynamodb().await;
    let attributes = r#"{"a":"text","b":[0.1,null,{"c":{}}],"c=d":7}"#;
    let first = [("password", PASSWORD), ("email", "jane@example.com"), ("attributes", attributes)];
    let mut expected = made(&world, &first).await;
    let id = id(&expected).to_owned();
    for same in [("username", "JANE"), ("email", "Jane@Example.com")] {
        let parameters = [("tenantName", "demo"), ("username", "joe"), ("email", "joe@example.com")];
        let parameters: Vec<_> = parameters.into_iter().filter(|(name, _)| *name != same.0).chain([same]).collect();
        assert_eq!(refused(&world, 409, &create(&world.applications.full, &parameters)).await.0, "PROFILE_EXISTS");
    }
    assert!(opens(&world, "jane", PASSWORD).await);
    let all = [
        ("username", "Joanna"),
        ("email", "jo@example.com"),
        ("role", "x"),
        ("attributes", r#"{"a":null}"#),
        ("enabled", "true"),
        ("password", NEXT),
    ];
    expected = json!({
        "username": "Joanna", "email": "jo@example.com", "roles": ["x"], "id": id, "tenant": "demo",
        "verified": false, "enabled": true, "createdOn": expected["createdOn"],
        "attributes": { "a": null, "b": [0.1, null, { "c": {} }], "c=d": 7 },
    });
    for name in ["api1-profile-update", "api1-profile-get"] {
        let parameters = if name == "api1-profile-update" { &all[..] } else { &[] };
        let mut shown = done(&world, &about(&world, name, &id, parameters)).await;
        shown.as_object_mut().unwrap().remove("lastModified");
        assert_eq!(shown, expected, "{name}");
    }
    assert!(opens(&world, "joanna", NEXT).await && opens(&world, "jo@example.com", NEXT).await);
    assert!(!opens(&world, "joanna", PASSWORD).await && !opens(&world, "jane", NEXT).await);
    let jane = [("tenantName", "demo"), ("username", "jane"), ("email", "jane@example.com")];
    done(&world, &create(&world.applications.full, &jane)).await;
    done(&world, &about(&world, "api1-profile-disable", &id, &[])).await;
    for _ in 0..2 {
        let response = world.send(&about(&world, "api1-profile-delete", &id, &[])).await;
        assert_eq!((response.status(), response.body()), (200, ""));
    }
    let found = store.lookup(Lookup { users: vec![UserId::parse(&id).unwrap()], ..Lookup::default() }).await.unwrap();
    assert!(found.users.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_parallel_changes_none_that_was_acknowledged_is_lost() {
    let (world, _cloud, _store) = on_dynamodb().await;
    let profile = made(&world, &[]).await;
    for round in 0..5 {
        let calls = (0..8).map(|number| {
            let (role, name) = (format!("r{round}-{number}"), format!("a{round}-{number}"));
            let add = about(&world, "api1-profile-roles-add", id(&profile), &[("role", &role)]);
            let token = &world.applications.full;
            let set = Call::to("api1-profile-attributes-update").id(id(&profile)).header("x-api-key", token);
            (role, add, name.clone(), set.json(&json!({ name: number })))
        });
        let calls: Vec<_> = calls.collect();
        let sent = calls.iter().map(|(_, add, _, set)| join(world.send(add), world.send(set)));
        let answers = join_all(sent).await;
        let shown = done(&world, &about(&world, "api1-profile-get", id(&profile), &[])).await;
        let mut acknowledged = 0;
        for ((role, _, name, _), (added, set)) in calls.iter().zip(&answers) {
            for response in [added, set] {
                assert!(matches!(response.status(), 200 | 503), "{}", response.body());
            }
            acknowledged += [added, set].into_iter().filter(|response| response.status() == 200).count();
            let (has, holds) = (shown["roles"].to_string().contains(role), shown["attributes"].get(name).is_some());
            assert_eq!((has, holds), (added.status() == 200, set.status() == 200), "round {round}");
        }
        assert!(acknowledged >= 4, "{acknowledged}");
    }
}

/// A secret in an answer or a log would be found by it.
#[tokio::test]
async fn no_answer_holds_a_password_or_its_hash() {
    let world = World::new().await;
    let profile = made(&world, &[("password", PASSWORD)]).await;
    let call = about(&world, "api1-profile-update", id(&profile), &[("password", NEXT)]);
    let shown = world.send(&call).await;
    for secret in [PASSWORD, NEXT, "argon2", &Digest::of(NEXT.as_bytes()).to_base64url()] {
        assert!(!shown.body().contains(secret));
    }
}
