//! One request to each endpoint that succeeds: what tests over every endpoint start from.
//!
//! It asks for as much as its endpoint ever does, so that a store that fails meets each of its calls. What it changes
//! belongs to nobody else, so that a world is good for many of them, and it may be sent again as long as it was not
//! answered. What it holds is in [`World::issued`].

use serde_json::{Value, json};
use shared::access_token::{AccessToken, Action};
use shared::api::{Family, ROUTES, Route};
use shared::clock::{Clock as _, Timestamp};
use shared::store::{Administration as _, Write};
use shared::tenant::{Tenant, TenantName};

use crate::call::Call;
use crate::world::{Account, World};
use crate::{NEW_PASSWORD, hex};

/// The route of that name.
#[must_use]
pub fn route(name: &str) -> &'static Route {
    ROUTES.iter().find(|route| route.name == name).unwrap_or_else(|| panic!("no route is named {name}"))
}

/// A request to the endpoint of that name that succeeds.
pub async fn good(world: &World, name: &str) -> Call {
    match route(name).family {
        Family::User => user(world, name).await,
        Family::Ticket => application(world, name).await,
        Family::Profile => profile(world, name).await,
        Family::Standards => standards(world, name).await,
    }
}

fn none(name: &str) -> ! {
    panic!("tests/src/good.rs has no request to {name}")
}

async fn user(world: &World, name: &str) -> Call {
    let call = Call::to(name);
    match name {
        "user-login" => call.json(&json!({ "username": "demo", "password": world.demo.password })),
        "user-forgot" => call.json(&json!({ "username": world.newcomer().await.user.name.as_str() })),
        "user-reset" => Call::reset(&world.reset_token(&world.newcomer().await).await),
        "user-verify" => call.json(&json!({ "token": world.verification_token(&world.newcomer().await).await })),
        "user-password" => {
            let newcomer = world.newcomer().await;
            Call::new_password(newcomer.user.name.as_str(), &newcomer.password)
        }
        "user-logout" | "user-renew" | "user-sessions" | "authheader-list" | "test-secure" => {
            call.bearer(&world.jwt(&world.demo).await)
        }
        "user-token" => call.bearer(&world.jwt(&world.demo).await).query("d=2"),
        "user-sessions-revoke" => {
            let newcomer = world.newcomer().await;
            let (jwt, _other) = (world.jwt(&newcomer).await, world.jwt(&newcomer).await);
            let listed = world.send(&Call::to("user-sessions").bearer(&jwt)).await;
            let listed: Vec<Value> = serde_json::from_str(listed.body()).expect("a list");
            let other = listed.iter().find(|session| session["current"] == false).expect("another session");
            call.bearer(&jwt).json(&json!({ "id": other["id"] }))
        }
        "authheader-add" => call.bearer(&world.jwt(&world.demo).await).json(&json!({ "name": "key" })),
        "authheader-delete" => {
            let (jwt, text) = displayed(world).await;
            call.bearer(&jwt).json(&json!({ "text": text }))
        }
        "authheader-rotate" => {
            let (jwt, text) = displayed(world).await;
            call.bearer(&jwt).json(&json!({ "text": text, "overlap": 60 }))
        }
        "authheader-report-leaked" => {
            let token = world.auth_header(&world.jwt(&world.demo).await).await;
            call.json(&json!({ "token": token }))
        }
        "test-unsecure" => call,
        _ => none(name),
    }
}

/// Somebody's JWT, and the display form of the one auth header: the one way to name it that needs a search.
async fn displayed(world: &World) -> (String, String) {
    let jwt = world.jwt(&world.newcomer().await).await;
    world.auth_header(&jwt).await;
    let listed = world.send(&Call::to("authheader-list").bearer(&jwt)).await;
    let listed: Value = serde_json::from_str(listed.body()).expect("a list");
    (jwt, listed[0]["token"].as_str().expect("a display form").to_owned())
}

/// The ticket family: by the application `full` where the tenant `demo` is enough for it.
async fn application(world: &World, name: &str) -> Call {
    let keys = &world.applications;
    let call = match name {
        _ if name.starts_with("access-token-") => return access_token(world, name).await.header(KEY, &keys.master),
        _ if name.starts_with("tenant-") => return tenant(world, name).await.header(KEY, &keys.everywhere),
        _ if name.starts_with("api1-profile-") => api1_profile(world, name).await,
        _ if name.starts_with("persistent-login-") => persistent_login(world, name).await,
        _ if name.starts_with("verification-token-") => verification_token(world, name).await,
        "ticket-authenticate" => Call::to(name).parameters(&[
            ("tenantName", "demo"),
            ("username", "demo"),
            ("password", &world.demo.password),
        ]),
        "ticket-create" => Call::to(name).parameters(&[("profileId", world.demo.id())]),
        "ticket-get" => Call::to(name).id(&used_ticket(world).await),
        "ticket-invalidate" => Call::to(name).id(&world.ticket(&world.demo).await),
        _ => none(name),
    };
    call.header(KEY, &keys.full)
}

/// The header that carries the application's access token in the ticket family.
pub const KEY: &str = "x-access-token-id";

/// A ticket that is so old that its next use is written down.
async fn used_ticket(world: &World) -> String {
    a_while_ago(world, world.ticket(&world.demo)).await
}

/// What is done while the clock is set back by long enough for a use or a refresh to count.
async fn a_while_ago<T>(world: &World, what: impl Future<Output = T>) -> T {
    let now = world.stack.clock.now();
    world.stack.clock.set(Timestamp::from_millis(now.as_millis() - 100_000));
    let done = what.await;
    world.stack.clock.set(now);
    done
}

async fn persistent_login(world: &World, name: &str) -> Call {
    let demo = world.demo.id();
    if name == "persistent-login-create" {
        return Call::to(name).parameters(&[("profileId", demo)]);
    }
    let (id, _token) = a_while_ago(world, world.persistent_login(&world.demo)).await;
    Call::to(name).id(&id)
}

async fn verification_token(world: &World, name: &str) -> Call {
    let newcomer = world.newcomer().await;
    let call = Call::to(name);
    if name == "verification-token-create" {
        return call.id(newcomer.id());
    }
    call.id(&world.verification_token(&newcomer).await)
}

async fn access_token(world: &World, name: &str) -> Call {
    let call = Call::to(name);
    match name {
        "access-token-create" => {
            let actions = json!([{ "tenant": "demo", "allowedActions": ["MANAGE_TICKETS", "READ_TENANT"] }]);
            let id = AccessToken::generate(&*world.stack.random);
            let id = world.issue(id.expose_secret().to_owned());
            call.json(&json!({ "id": id, "application": "portal", "master": false, "tenantPermissions": actions }))
        }
        "access-token-list" => call,
        _ => call.id(&world.application("portal", Some("demo"), Some(vec![Action::ManageTickets])).await),
    }
}

async fn tenant(world: &World, name: &str) -> Call {
    let call = Call::to(name);
    let fresh = format!("tenant-{}", hex(&world.stack.random.bytes::<6>()));
    match name {
        "tenant-create" => return call.json(&settings(&fresh)),
        "tenant-list" | "tenant-count" => return call,
        "tenant-get" => return call.id("demo"),
        _ => {}
    }
    let parsed = TenantName::parse(&fresh).expect("a name");
    let made = world.stack.store.create_tenant(&Tenant::new(parsed, world.stack.clock.now())).await;
    assert_eq!(made.expect("memory"), Write::Done);
    if name == "tenant-update" {
        return call.json(&settings(&fresh));
    }
    world.newcomer_of(&fresh).await;
    call.id(&fresh)
}

/// A tenant, as existing clients send it.
fn settings(name: &str) -> Value {
    json!({ "name": name, "verifyNewProfiles": false, "availableRoles": ["reader", "writer"], "ssoEnabled": false })
}

async fn api1_profile(world: &World, name: &str) -> Call {
    let call = Call::to(name);
    match name {
        "api1-profile-create" => {
            let fresh = format!("fresh-{}", hex(&world.stack.random.bytes::<6>()));
            call.parameters(&[
                ("tenantName", "demo"),
                ("username", &fresh),
                ("password", &format!("{NEW_PASSWORD} {fresh}")),
                ("email", &format!("{fresh}@demo.example")),
                ("enabled", "true"),
                ("role", "reader"),
                ("role", "writer"),
                ("attributes", r#"{"colour":"blue","shoes":{"size":43}}"#),
            ])
        }
        "api1-profile-get" | "api1-profile-attributes-get" => call.id(world.demo.id()),
        "api1-profile-by-username" => call.parameters(&[("tenantName", "demo"), ("username", "demo")]),
        "api1-profile-by-ticket" => call.parameters(&[("ticketId", &used_ticket(world).await)]),
        "api1-profile-by-ids" => call.parameters(&[("id", world.demo.id()), ("id", world.admin.id())]),
        "api1-profile-range" | "api1-profile-count" => call.parameters(&[("tenantName", "demo")]),
        "api1-profile-change-password" => {
            let token = world.reset_token(&world.newcomer().await).await;
            call.parameters(&[("resetTokenId", &token), ("newPassword", NEW_PASSWORD)])
        }
        "api1-profile-verify" => {
            let token = world.verification_token(&world.newcomer().await).await;
            call.parameters(&[("verificationTokenId", &token)])
        }
        _ => one_profile(&world.newcomer().await, world, call.route().name).await,
    }
}

/// What is done to one profile.
async fn one_profile(whom: &Account, world: &World, name: &str) -> Call {
    let call = Call::to(name).id(whom.id());
    match name {
        "api1-profile-update" => {
            let renamed = format!("renamed-{}", whom.user.name.as_str());
            call.parameters(&[
                ("username", &renamed),
                ("password", &format!("{NEW_PASSWORD} {renamed}")),
                ("email", &format!("{renamed}@demo.example")),
                ("enabled", "true"),
                ("role", "writer"),
                ("attributes", r#"{"colour":"blue"}"#),
            ])
        }
        "api1-profile-enable" => {
            let disabled = world.stack.store.set_enabled(&whom.user, false, world.stack.clock.now()).await;
            assert_eq!(disabled.expect("memory"), Write::Done);
            call
        }
        "api1-profile-roles-add" => call.parameters(&[("role", "writer")]),
        "api1-profile-roles-remove" => call.parameters(&[("role", "reader")]),
        "api1-profile-attributes-update" => call.json(&json!({ "colour": "blue" })),
        "api1-profile-attributes-remove" => call.parameters(&[("attributeName", "home")]),
        "api1-profile-reset-password" => call.parameters(&[("resetPasswordUrl", "https://app.example.com/reset")]),
        "api1-profile-disable" | "api1-profile-delete" => call,
        _ => none(name),
    }
}

async fn profile(world: &World, name: &str) -> Call {
    let call = Call::to(name).header("x-api-key", &world.applications.full);
    match name {
        "profile-create" => call.json(&json!({ "applicationId": "full", "name": "Somebody" })),
        "profile-update" => call.id(world.newcomer().await.id()).json(&json!({ "name": "Somebody else" })),
        "profile-authenticate" => call.id(world.demo.id()).json(&json!({ "duration": 60 })),
        "profile-get" => call.id(world.demo.id()),
        "application-get" => call,
        _ => none(name),
    }
}

async fn standards(world: &World, name: &str) -> Call {
    let call = Call::to(name);
    match name {
        "oauth2-introspect" | "oauth2-revoke" => {
            call.header("x-api-key", &world.applications.full).form(&[("token", &world.jwt(&world.demo).await)])
        }
        "jwks" | "openid-configuration" | "health" => call,
        _ => none(name),
    }
}
