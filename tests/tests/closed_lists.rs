//! What the user family, the `/v1` endpoints and the standards say when they refuse is one closed list each, and each
//! line of it can be met. The ticket family's list is one of codes: `profile_api/codes.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use shared::api::{Family, ROUTES, Route};
use shared::store::{Administration as _, Lookup, Store as _, Write};
use shared::tenant::{Settings, TenantName};
use tests::paced::Paced;
use tests::problems::problems;
use tests::{Call, World, document};

/// Status, RFC 6749's `error` where there is one, and sentence, without what it quotes of the request.
type Line = (u16, &'static str, &'static str);

/// Those of every family but for their spelling.
const OUTAGE: &str = "The service is temporarily unavailable";
const FAULT: &str = "Internal server error";
const LONG: &str = "The body is longer than 64 KiB";
const MEDIA_TYPE: &str = "The body's content-type is not one that this path takes";
/// A field and its rule, of which there are many.
const RULE: &str = "(a field breaks a rule)";

const USER: [Line; 13] = [
    (400, "", RULE),
    (401, "", "A valid credential is needed in the request's headers"),
    (401, "", "Incorrect credentials"),
    (403, "", "Password expired"),
    (403, "", "The e-mail address has to be verified first"),
    (403, "", "This needs a JWT from a login"),
    (404, "", "No such auth header"),
    (404, "", "No such session"),
    (404, "", "The token is unknown, used or expired"),
    (413, "", LONG),
    (415, "", MEDIA_TYPE),
    (500, "", FAULT),
    (503, "", OUTAGE),
];

const PROFILE: [Line; 12] = [
    (400, "", RULE),
    (403, "", "A profile's JWT can't be used to get another"),
    (403, "", "No valid credential for this profile"),
    (403, "", "Profile \"\" is disabled"),
    (403, "", "The tenant \"\" takes no new profiles"),
    (404, "", "No such profile found"),
    (404, "", "No tenant with this name found"),
    (413, "", LONG),
    (415, "", MEDIA_TYPE),
    (500, "", FAULT),
    (503, "", "It was changed by somebody else at the same moment; try again"),
    (503, "", OUTAGE),
];

const STANDARDS: [Line; 8] = [
    (400, "invalid_request", "Required parameter 'token' is not present"),
    (400, "invalid_request", RULE),
    (401, "invalid_client", "A valid access token is needed"),
    (403, "access_denied", "Current subject does not have permission to execute action \"\" on tenant \"\""),
    (413, "invalid_request", LONG),
    (415, "invalid_request", MEDIA_TYPE),
    (500, "server_error", FAULT),
    (503, "temporarily_unavailable", OUTAGE),
];

/// Values of `error` that no endpoint of the standards can meet: they are about passwords and users' credentials.
const NEVER: [&str; 2] = ["invalid_grant", "invalid_token"];

type Told = BTreeSet<(u16, String, String)>;

fn listed(lines: &[Line]) -> Told {
    lines.iter().map(|(status, error, told)| (*status, (*error).to_owned(), (*told).to_owned())).collect()
}

/// What an answer says, without what is in quotes.
fn told(status: u16, body: &Value) -> (u16, String, String) {
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let sentence = text("message").or_else(|| text("error_description")).unwrap_or_default();
    if status == 400 && !sentence.starts_with("Required parameter") {
        return (status, text("error").unwrap_or_default(), RULE.to_owned());
    }
    let parts: Vec<&str> = sentence.split('"').step_by(2).collect();
    (status, text("error").unwrap_or_default(), parts.join("\"\""))
}

fn documented(routes: impl Iterator<Item = &'static Route>) -> Told {
    let mut found = Told::new();
    for route in routes {
        for (status, response) in document::operation(route)["responses"].as_object().unwrap() {
            let status: u16 = status.parse().unwrap();
            // Of the gateway's own answer there is one form for all.
            let examples = response["content"]["application/json"]["examples"].as_object();
            for (_, example) in examples.into_iter().flatten().filter(|_| status >= 400 && status != 429) {
                found.insert(told(status, &example["value"]));
            }
        }
    }
    found
}

async fn change_tenant(world: &World, name: &str, change: impl FnOnce(&mut Settings)) {
    let wanted = Lookup { tenant: TenantName::parse(name), ..Lookup::default() };
    let mut tenant = world.stack.store.lookup(wanted).await.unwrap().tenant.unwrap();
    change(&mut tenant.settings);
    assert_eq!(world.stack.store.update_tenant(&tenant).await.unwrap(), Write::Done);
}

/// What is said of each call, and of the last ones by a store in trouble.
async fn met(world: &mut World, calls: Vec<Call>, spoiled: Call, down: Call, contested: Option<Call>) -> Told {
    let mut lines = Told::new();
    let mut note = |response: &shared::gateway::Response| {
        let body: Value = serde_json::from_str(response.body()).unwrap();
        lines.insert(told(response.status(), &body));
    };
    for call in calls {
        note(&world.send(&call).await);
    }
    world.stack.store.fail_after(Some(0));
    note(&world.send(&down).await);
    world.stack.store.fail_after(None);
    let clock = Arc::new(world.stack.clock.clone());
    let paced = Paced::new(world.stack.store.clone(), 1);
    world.rewire(paced.clone().spoiled(), clock.clone());
    note(&world.send(&spoiled).await);
    if let Some(call) = contested {
        world.rewire(paced.contested(), clock);
        note(&world.send(&call).await);
    }
    lines
}

fn of(family: Family) -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(move |route| route.family == family)
}

fn long(name: &str) -> Call {
    Call::to(name).body("application/json", &"x".repeat(70_000))
}

fn twice(name: &str, header: &str) -> Call {
    Call::to(name).header(header, "a,b")
}

#[tokio::test]
async fn the_user_family_says_nothing_else() {
    let mut world = World::new().await;
    change_tenant(&world, "other", |settings| settings.verified_email = true).await;
    let login =
        |name: &str, password: &str| Call::to("user-login").json(&json!({ "username": name, "password": password }));
    let jwt = world.jwt(&world.demo).await;
    let deleted = world.auth_header(&jwt).await;
    let delete = Call::to("authheader-delete").bearer(&jwt).json(&json!({ "text": deleted }));
    assert_eq!(world.send(&delete).await.status(), 200);
    let (old, common) = (&world.demo.password, "password12345678");
    let calls = vec![
        Call::to("user-password").json(&json!({ "username": "demo", "old": old, "new": common, "confirm": common })),
        twice("test-secure", "x-authorization"),
        Call::to("test-secure"),
        login("demo", "wrong"),
        login("expired", &world.expired.password),
        login("other/demo", &world.other.password),
        Call::to("authheader-list").bearer(&world.profile_jwt(&world.demo).await),
        delete,
        Call::to("user-sessions-revoke").bearer(&jwt).json(&json!({ "id": "unknown" })),
        Call::reset("unknown"),
        long("user-login"),
        Call::to("user-login").form(&[("username", "demo")]),
    ];
    let (spoiled, down) = (login("demo", old), login("demo", old));
    assert_eq!(met(&mut world, calls, spoiled, down, None).await, listed(&USER));
    assert_eq!(documented(of(Family::User)), listed(&USER));
}

#[tokio::test]
async fn the_v1_endpoints_say_nothing_else() {
    let mut world = World::new().await;
    change_tenant(&world, "demo", |settings| settings.accepts_new_profiles = false).await;
    let absent = world.application("absent", Some("absent"), None).await;
    let key = world.applications.full.clone();
    let by = |name: &str, id: &str| Call::to(name).id(id).header("x-api-key", &key);
    let create = |key: &str, name: &str| {
        Call::to("profile-create").header("x-api-key", key).json(&json!({ "applicationId": name }))
    };
    let (id, minted) = (world.demo.id().to_owned(), world.profile_jwt(&world.demo).await);
    let rename = by("profile-update", &id).json(&json!({ "name": "x" }));
    let calls = vec![
        twice("application-get", "x-api-key"),
        Call::to("profile-authenticate").id(&id).bearer(&minted),
        Call::to("application-get"),
        by("profile-authenticate", world.disabled.id()),
        create(&key, "full"),
        by("profile-get", "unknown"),
        create(&absent, "absent"),
        long("profile-create"),
        Call::to("profile-create").form(&[("applicationId", "full")]),
    ];
    let get = by("profile-get", &id);
    assert_eq!(met(&mut world, calls, get.clone(), get, Some(rename)).await, listed(&PROFILE));
    assert_eq!(documented(of(Family::Profile)), listed(&PROFILE));
}

#[tokio::test]
async fn the_standards_say_nothing_else() {
    let mut world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let by = |name: &str, key: &str| Call::to(name).header("x-api-key", key);
    let (full, profiles) = (world.applications.full.clone(), world.applications.profiles.clone());
    let introspect = by("oauth2-introspect", &full).form(&[("token", &jwt)]);
    let calls = vec![
        by("oauth2-introspect", &full).form(&[("token_type_hint", "access_token")]),
        twice("oauth2-introspect", "x-api-key").form(&[("token", &jwt)]),
        Call::to("oauth2-introspect").form(&[("token", &jwt)]),
        by("oauth2-revoke", &profiles).form(&[("token", &jwt)]),
        long("jwks"),
        by("oauth2-introspect", &full).json(&json!({ "token": jwt })),
    ];
    assert_eq!(met(&mut world, calls, introspect.clone(), introspect, None).await, listed(&STANDARDS));
    assert_eq!(documented(of(Family::Standards)), listed(&STANDARDS));
}

/// Of `error`, every value that a problem has is on the list or never met.
#[test]
fn the_standards_values_of_error_are_a_closed_list() {
    let rendered = problems().into_iter().map(|problem| {
        let body: Value = serde_json::from_str(problem.render(Family::Standards).body()).unwrap();
        body["error"].as_str().unwrap().to_owned()
    });
    let known = STANDARDS.iter().map(|(_, error, _)| *error).chain(NEVER).map(str::to_owned);
    assert_eq!(rendered.collect::<BTreeSet<_>>(), known.collect());
}
