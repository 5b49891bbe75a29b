//! The error codes of the ticket family are one closed list, and each of them can be met.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use shared::api::Family;
use shared::store::{Administration as _, Lookup, Store as _, Write};
use tests::good::KEY;
use tests::problems::problems;
use tests::{Call, World, document, good};

use super::error;

/// The codes that existing clients know, and three of our own.
const CODES: [&str; 17] = [
    "ACCESS_DENIED",
    "ACCESS_TOKEN_EXISTS",
    "ACTION_DENIED",
    "BAD_CREDENTIALS",
    "DISABLED_PROFILE",
    "INVALID_EMAIL_ADDRESS",
    "NO_SUCH_ACCESS_TOKEN_ID",
    "NO_SUCH_PERSISTENT_LOGIN",
    "NO_SUCH_PROFILE",
    "NO_SUCH_TENANT",
    "NO_SUCH_TICKET",
    "NO_SUCH_VERIFICATION_TOKEN",
    "OTHER",
    "PARAM_DESERIALIZATION_ERROR",
    "PROFILE_EXISTS",
    "TENANT_EXISTS",
    "PASSWORD_EXPIRED",
];

/// What no endpoint of this family can meet: they are about what users do with their own.
const NEVER: [&str; 2] = ["NO_SUCH_AUTH_HEADER", "NO_SUCH_SESSION"];

#[test]
fn the_codes_are_a_closed_list() {
    let rendered = problems().into_iter().map(|problem| error(&problem.render(Family::Ticket)).0);
    let expected: BTreeSet<String> = CODES.into_iter().chain(NEVER).map(str::to_owned).collect();
    assert_eq!(rendered.collect::<BTreeSet<_>>(), expected);
    for route in super::ticket_family() {
        let documented = document::operation(route)["responses"].to_string();
        assert!(NEVER.iter().all(|code| !documented.contains(code)), "{}", route.name);
    }
}

/// In another family there is no code, and in this one nothing of theirs.
#[test]
fn no_error_is_told_in_another_family_s_spelling() {
    for family in [Family::User, Family::Ticket, Family::Profile, Family::Standards] {
        for problem in problems() {
            let response = problem.render(family);
            let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
            let members: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
            let expected: &[&str] = match family {
                Family::User | Family::Profile => &["message"],
                Family::Ticket => &["errorCode", "message"],
                Family::Standards => &["error", "error_description"],
            };
            assert_eq!(members, expected, "{problem:?}");
            let told = response.body();
            assert!(family == Family::Ticket || CODES.iter().all(|code| !told.contains(&format!("\"{code}\""))));
        }
    }
}

#[tokio::test]
async fn each_code_can_be_met() {
    let world = World::new().await;
    let wanted = Lookup { tenant: Some(world.other.user.tenant.clone()), ..Lookup::default() };
    let mut tenant = world.stack.store.lookup(wanted).await.unwrap().tenant.unwrap();
    tenant.settings.verified_email = true;
    assert_eq!(world.stack.store.update_tenant(&tenant).await.unwrap(), Write::Done);
    let keys = &world.applications;
    let by = |name: &str| Call::to(name).header(KEY, &keys.everywhere);
    let master = |name: &str| Call::to(name).header(KEY, &keys.master);
    let login = |tenant: &str, name: &str, password: &str| {
        by("ticket-authenticate").parameters(&[("tenantName", tenant), ("username", name), ("password", password)])
    };
    let profile = |name: &str, email: &str, attributes: &str| {
        let fields = [("tenantName", "demo"), ("username", name), ("email", email), ("attributes", attributes)];
        by("api1-profile-create").parameters(&fields)
    };
    let over = world.ticket(&world.demo).await;
    world.stack.clock.advance(Duration::from_hours(25));
    let made = good(&world, "access-token-create").await;
    world.send(&made).await;
    let unknown = "0198a6b0-7a3c-4d42-9b1e-5f0c2d4e6a81";
    let cases = [
        (403, "ACCESS_DENIED", by("tenant-get").id("demo").header(KEY, "unknown")),
        (409, "ACCESS_TOKEN_EXISTS", made),
        (403, "ACTION_DENIED", by("tenant-get").id("demo").header(KEY, &keys.other)),
        (403, "ACTION_DENIED", by("access-token-list")),
        (401, "BAD_CREDENTIALS", login("demo", "demo", "wrong")),
        (401, "BAD_CREDENTIALS", login("nowhere", "demo", "wrong")),
        (403, "DISABLED_PROFILE", login("demo", "disabled", &world.disabled.password)),
        (403, "DISABLED_PROFILE", by("ticket-create").parameters(&[("profileId", world.disabled.id())])),
        (403, "DISABLED_PROFILE", by("persistent-login-create").parameters(&[("profileId", world.disabled.id())])),
        (400, "INVALID_EMAIL_ADDRESS", profile("fresh", "no address", "{}")),
        (404, "NO_SUCH_ACCESS_TOKEN_ID", master("access-token-get").id("unknown-and-long-enough")),
        (404, "NO_SUCH_PERSISTENT_LOGIN", by("persistent-login-get").id("unknown")),
        (404, "NO_SUCH_PERSISTENT_LOGIN", by("persistent-login-refresh").id("unknown")),
        (404, "NO_SUCH_PROFILE", by("api1-profile-get").id(unknown)),
        (404, "NO_SUCH_PROFILE", by("ticket-create").parameters(&[("profileId", unknown)])),
        (404, "NO_SUCH_PROFILE", by("persistent-login-create").parameters(&[("profileId", unknown)])),
        (404, "NO_SUCH_TENANT", by("tenant-get").id("nowhere")),
        (404, "NO_SUCH_TICKET", by("ticket-get").id(&over)),
        // Clients depend on this status here.
        (400, "NO_SUCH_TICKET", by("api1-profile-by-ticket").parameters(&[("ticketId", &over)])),
        (400, "NO_SUCH_TICKET", by("api1-profile-by-ticket").parameters(&[("ticketId", "unknown")])),
        (404, "NO_SUCH_VERIFICATION_TOKEN", by("verification-token-get").id("unknown")),
        (404, "NO_SUCH_VERIFICATION_TOKEN", by("api1-profile-verify").parameters(&[("verificationTokenId", "x")])),
        (400, "OTHER", by("api1-profile-count")),
        (400, "PARAM_DESERIALIZATION_ERROR", profile("fresh", "fresh@demo.example", "{")),
        (409, "PROFILE_EXISTS", profile("demo", "fresh@demo.example", "{}")),
        (409, "PROFILE_EXISTS", profile("fresh", "demo@demo.example", "{}")),
        (409, "TENANT_EXISTS", by("tenant-create").json(&json!({ "name": "demo" }))),
        (403, "PASSWORD_EXPIRED", login("demo", "expired", &world.expired.password)),
        // An address that is not verified: an existing client fails on a code that it does not know.
        (403, "DISABLED_PROFILE", login("other", "demo", &world.other.password)),
    ];
    let mut met = BTreeSet::new();
    for (status, code, call) in cases {
        let response = world.send(&call).await;
        let found = (response.status(), error(&response).0);
        assert_eq!(found, (status, code.to_owned()), "{}: {}", call.route().name, response.body());
        met.insert(code);
    }
    assert_eq!(met, CODES.into_iter().collect());
    let fine = profile("fresh", "fresh@demo.example", "{}");
    assert_eq!(world.send(&fine).await.status(), 200, "the control");
}
