//! The calling application: the table of refusals, row by row, for every endpoint of the Profile API.

use serde_json::{Value, json};
use shared::access_token::{Action, TenantPermission};
use shared::api::{Access, Family, ROUTES, Route};
use shared::gateway::Response;
use shared::tenant::TenantName;
use tests::call::FORM;
use tests::good::KEY;
use tests::{Call, World, document, good};

use super::{error, ticket_family};

const TICKETS: &[Action] = &[Action::ManageTickets];
const CHANGE: &[Action] = &[Action::ManageProfiles];
const READ: &[Action] = &[Action::ManageProfiles, Action::ReadTenant];

/// What an application needs, by the contract.
#[rustfmt::skip]
const NEEDED: &[(&[Action], &[&str])] = &[
    (&[Action::ManageTickets, Action::ManageProfiles, Action::ReadTenant], &["ticket-authenticate"]),
    (TICKETS, &[
        "ticket-create", "ticket-get", "ticket-invalidate", "persistent-login-create", "persistent-login-get",
        "persistent-login-refresh", "persistent-login-delete",
    ]),
    (&[Action::CreateTenant], &["tenant-create"]),
    (&[Action::ReadTenant], &["tenant-get", "tenant-list", "tenant-count"]),
    (&[Action::ReadTenant, Action::UpdateTenant], &["tenant-update"]),
    (&[Action::DeleteTenant], &["tenant-delete"]),
    (CHANGE, &[
        "api1-profile-create", "api1-profile-update", "api1-profile-enable", "api1-profile-disable",
        "api1-profile-delete", "api1-profile-roles-add", "api1-profile-roles-remove",
        "api1-profile-attributes-update", "api1-profile-attributes-remove", "api1-profile-reset-password",
        "api1-profile-change-password", "api1-profile-verify", "verification-token-create", "verification-token-get",
        "verification-token-delete",
    ]),
    (READ, &[
        "api1-profile-get", "api1-profile-attributes-get", "api1-profile-by-username", "api1-profile-by-ticket",
        "api1-profile-by-ids", "api1-profile-range", "api1-profile-count",
    ]),
];

/// What only a master may do, by its name in refusals.
const GLOBAL: &[(&str, &[&str])] = &[
    ("CREATE_TOKEN", &["access-token-create"]),
    ("READ_TOKEN", &["access-token-get", "access-token-list"]),
    ("DELETE_TOKEN", &["access-token-delete"]),
];

fn of<T: Copy>(table: &[(T, &[&str])], name: &str) -> Option<T> {
    table.iter().find(|(_, names)| names.contains(&name)).map(|(it, _)| *it)
}

/// Those that name an object by a parameter.
const BY_ID: &[&str] = &[
    "ticket-create",
    "persistent-login-create",
    "api1-profile-by-ticket",
    "api1-profile-by-ids",
    "api1-profile-change-password",
    "api1-profile-verify",
];

fn denied(action: Action, tenant: &str) -> String {
    let action = action.as_str();
    format!("Current subject does not have permission to execute action \"{action}\" on tenant \"{tenant}\"")
}

fn refused(response: &Response, code: &str, message: &str) -> bool {
    response.status() == 403 && error(response) == (code.to_owned(), message.to_owned())
}

/// The tenant that a good request is about; `*` for all.
fn tenant_of(call: &Call) -> String {
    let event = call.event();
    let body: Value = serde_json::from_str(event["body"].as_str().unwrap_or_default()).unwrap_or_default();
    let named = [&event["pathParameters"]["name"], &body["name"]];
    match call.route().name {
        "tenant-list" | "tenant-count" => "*".to_owned(),
        _ => named.into_iter().find_map(Value::as_str).unwrap_or("demo").to_owned(),
    }
}

#[tokio::test]
async fn the_table_of_the_calling_application_holds_row_by_row_on_every_path() {
    let world = World::new().await;
    let mut wrong = Vec::new();
    for route in ticket_family() {
        let call = good(&world, route.name).await;
        let bare = call.clone().without(KEY);
        let old = call.event()["rawQueryString"].as_str().unwrap().to_owned();
        let missing = "Access token ID param missing from request";
        let unknown = "No access token found";
        let expired = "Access token for application \"expired\" expired";
        for (what, call, message) in [
            ("absent", bare.clone(), missing),
            ("empty, as a header", bare.clone().header(KEY, ""), missing),
            ("empty, as a parameter", bare.clone().query(&format!("{old}&accessTokenId=")), missing),
            ("without a value", bare.clone().query(&format!("{old}&accessTokenId")), missing),
            ("unknown", call.clone().header(KEY, "osa_1IA1WsYlnZL4zD5bPsvALLODZy925p52QRj6zFjW5Dgj"), unknown),
            ("of another form", call.clone().header(KEY, "e8f5170c-877b-416f-b70f-4b09772f8e2d"), unknown),
            ("too long to be one", call.clone().header(KEY, &"x".repeat(257)), unknown),
            ("expired", call.clone().header(KEY, &world.applications.expired), expired),
        ] {
            let response = world.send(&call).await;
            if !refused(&response, "ACCESS_DENIED", message) {
                wrong.push(format!("{}, {what}: {} {}", route.name, response.status(), response.body()));
            }
            assert!(!response.body().contains("osa_"), "an access token is never repeated");
        }
        let response = world.send(&call).await;
        assert_eq!(response.status(), document::success(route), "{}, the control: {}", route.name, response.body());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn an_application_that_lacks_an_action_is_told_which_and_where() {
    let world = World::new().await;
    let mut wrong = Vec::new();
    for route in ticket_family() {
        let call = good(&world, route.name).await;
        let tenant = tenant_of(&call);
        let mut cases = Vec::new();
        if let Some(action) = of(GLOBAL, route.name) {
            let message = format!("Current subject does not have permission to execute global action \"{action}\"");
            cases.push((world.application("all but master", None, None).await, message));
        } else {
            let needed = of(NEEDED, route.name).unwrap_or_else(|| panic!("nothing says what {} needs", route.name));
            // What is asked for by its id is not looked at where the application may do nothing of the kind anywhere.
            let by_id = route.path.contains("{id}") || BY_ID.contains(&route.name);
            let nowhere = if by_id { "*" } else { tenant.as_str() };
            let scope = Some(tenant.as_str()).filter(|tenant| *tenant != "*");
            for lacking in needed {
                let others: Vec<Action> = Action::ALL.into_iter().filter(|action| action != lacking).collect();
                let here = TenantPermission {
                    tenant: scope.map(|tenant| TenantName::parse(tenant).unwrap()),
                    actions: Some(others.clone()),
                };
                let elsewhere = TenantPermission { tenant: Some(world.other.user.tenant.clone()), actions: None };
                cases.push((world.application("some", scope, Some(others)).await, denied(*lacking, nowhere)));
                let both = world.application_with("both", vec![elsewhere, here]).await;
                cases.push((both, denied(*lacking, &tenant)));
            }
            // A master manages access tokens and nothing else.
            cases.push((world.applications.master.clone(), denied(needed[0], nowhere)));
        }
        for (token, message) in cases {
            let response = world.send(&call.clone().header(KEY, &token)).await;
            if !refused(&response, "ACTION_DENIED", &message) {
                wrong.push(format!("{}: {} {}\n  not {message}", route.name, response.status(), response.body()));
            }
        }
        if let Some(needed) = of(NEEDED, route.name) {
            let scope = Some(tenant.as_str()).filter(|tenant| *tenant != "*");
            let enough = world.application("enough", scope, Some(needed.to_vec())).await;
            let response = world.send(&call.header(KEY, &enough)).await;
            if response.status() != document::success(route) {
                wrong.push(format!("{} needs more: {} {}", route.name, response.status(), response.body()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_deleted_access_token_opens_nothing_from_the_next_call_on() {
    let world = World::new().await;
    let everything = world.application("everything", None, None).await;
    let shared = world.applications.master.clone();
    let mut calls = Vec::new();
    for route in ROUTES.iter().filter(|route| takes_an_access_token(route)) {
        let call = good(&world, route.name).await;
        let token = if of(GLOBAL, route.name).is_some() { &shared } else { &everything };
        let header = if route.family == Family::Ticket { KEY } else { "x-api-key" };
        let call = call.header(header, token);
        let call =
            if route.name == "profile-create" { call.json(&json!({ "applicationId": "everything" })) } else { call };
        let before = world.send(&good_again(&world, &call).await).await;
        assert_eq!(before.status(), document::success(route), "{}: {}", route.name, before.body());
        calls.push(call);
    }
    // The master's own last: a token may delete itself.
    for token in [&everything, &shared] {
        let delete = Call::to("access-token-delete").id(token).header(KEY, &shared);
        assert_eq!(world.send(&delete).await.status(), 200);
    }
    for call in calls {
        let (route, response) = (call.route(), world.send(&call).await);
        match route.family {
            Family::Ticket => {
                assert!(refused(&response, "ACCESS_DENIED", "No access token found"), "{}", route.name);
            }
            Family::Standards => assert_eq!(response.status(), 401, "{}", route.name),
            Family::Profile | Family::User => assert_eq!(response.status(), 403, "{}", route.name),
        }
    }
}

fn takes_an_access_token(route: &Route) -> bool {
    matches!(route.access, Access::AccessToken | Access::AccessTokenOrJwt)
}

/// A request like this one that uses up something else, by the same application.
async fn good_again(world: &World, call: &Call) -> Call {
    let name = call.route().name;
    let event = call.event();
    let header = if event["headers"].get(KEY).is_some() { KEY } else { "x-api-key" };
    let fresh = good(world, name).await.header(header, event["headers"][header].as_str().unwrap());
    if name == "profile-create" { call.clone() } else { fresh }
}

#[tokio::test]
async fn an_access_token_is_taken_from_every_documented_place() {
    let world = World::new().await;
    for route in ticket_family() {
        let key = good(&world, route.name).await.event()["headers"][KEY].as_str().unwrap().to_owned();
        let parameter = format!("accessTokenId={key}");
        let joined = |old: &Value| match old.as_str().unwrap_or_default() {
            "" => parameter.clone(),
            old => format!("{old}&{parameter}"),
        };
        let bare = || async { good(&world, route.name).await.without(KEY) };
        let call = bare().await;
        let in_query = call.clone().query(&joined(&call.event()["rawQueryString"]));
        let by_api_key = bare().await.header("x-api-key", &key);
        let mut calls = vec![in_query, by_api_key];
        if document::body(route, "application/json").is_none() {
            let call = bare().await;
            calls.push(call.clone().body(FORM, &joined(&call.event()["body"])));
        }
        for call in calls {
            let response = world.send(&call).await;
            // The same one is made twice only where its name is its own.
            let again = response.status() == 409;
            assert!(again || response.status() == document::success(route), "{}: {}", route.name, response.body());
        }
    }
}

#[tokio::test]
async fn the_v1_family_refuses_in_its_own_words() {
    let world = World::new().await;
    for route in ROUTES.iter().filter(|route| route.family == Family::Profile) {
        let call = good(&world, route.name).await;
        let bare = call.clone().without("x-api-key");
        for (what, call) in [
            ("nothing", bare.clone()),
            ("an empty key", bare.clone().header("x-api-key", "")),
            ("an unknown key", bare.clone().header("x-api-key", "unknown")),
            ("an expired key", bare.clone().header("x-api-key", &world.applications.expired)),
            ("the ticket family's header", bare.clone().header(KEY, &world.applications.full)),
            ("the ticket family's parameter", bare.query(&format!("accessTokenId={}", world.applications.full))),
        ] {
            let response = world.send(&call).await;
            assert_eq!(response.status(), 403, "{}, {what}: {}", route.name, response.body());
            assert_eq!(error(&response).0, "", "{}, {what}", route.name);
        }
    }
}
