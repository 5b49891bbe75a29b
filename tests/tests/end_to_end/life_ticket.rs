//! A client's life in the ticket family.

use serde_json::json;

use crate::api::Stack;
use crate::life::{Application, NEW_PASSWORD, PASSWORD, profile, tenant};

const TENANT: &str = "harbour";
const NAME: &str = "ada";

pub fn from_the_first_application_to_the_end_of_its_tenant(stack: &Stack) {
    let (master, ours) = (Application::master(stack), stack.tenant(TENANT));
    let portal = Application::made_by(&master, "portal", TENANT);
    portal.get(&format!("tenant/{ours}"), &[]).is(404, "NO_SUCH_TENANT");
    tenant(&master, TENANT);
    let id = profile(&portal, TENANT, NAME);

    signs_in_and_is_known_by_its_ticket(&portal, &id);
    changes_and_is_found(&portal, &id);
    is_remembered_until_somebody_else_shows_up(stack, &portal, &id);
    forgets_its_password(stack, &portal, &id);
    shows_that_an_address_is_its_own(&portal, &id);
    is_disabled_and_enabled(&portal, &id);
    is_gone(&portal, &id);

    let left = profile(&portal, TENANT, "grace");
    portal.post(&format!("tenant/{ours}/delete"), &[]).is(200, "");
    // Its right on that tenant was its only one, so it is gone, too.
    portal.post(&format!("tenant/{ours}/delete"), &[]).is(403, "ACCESS_DENIED");
    master.get(&format!("tenant/{ours}"), &[]).is(404, "NO_SUCH_TENANT");
    master.get(&format!("profile/{left}"), &[]).is(404, "NO_SUCH_PROFILE");
    master.authenticate(TENANT, "grace", PASSWORD).is(401, "BAD_CREDENTIALS");
    master.done(&format!("tenant/{ours}/delete"));
}

pub fn an_application_that_is_ended_is_refused_with_its_next_call(stack: &Stack) {
    let master = Application::master(stack);
    let clerk = Application::made_by(&master, "clerk", "*");
    clerk.authenticate("no-such-tenant", NAME, PASSWORD).is(401, "BAD_CREDENTIALS");
    clerk.get("tenant/all", &[]).is(200, "");
    clerk.get("access_token/all", &[]).is(403, "ACTION_DENIED");
    clerk.json("access_token/create", &json!({ "application": "clerk" })).is(403, "ACTION_DENIED");
    let path = format!("access_token/{}", clerk.token);
    assert_eq!(master.get(&path, &[]).member("id"), clerk.token);
    master.done(&format!("{path}/delete"));
    clerk.get("tenant/all", &[]).is(403, "ACCESS_DENIED");
    clerk.authenticate("no-such-tenant", NAME, PASSWORD).is(403, "ACCESS_DENIED");
    master.get(&path, &[]).is(404, "NO_SUCH_ACCESS_TOKEN_ID");
    master.done(&format!("{path}/delete"));
}

fn signs_in_and_is_known_by_its_ticket(portal: &Application, id: &str) {
    let made = portal.authenticate(TENANT, NAME, PASSWORD);
    made.is(200, "");
    assert_eq!(made.member("profileId"), id);
    let ticket = made.member("id");
    for path in ["ticket", "token"] {
        let read = portal.get(&format!("authentication/{path}/{ticket}"), &[]);
        read.is(200, "");
        assert_eq!(read.json()["id"], ticket.as_str());
    }
    let known = portal.get("profile/by_ticket", &[("ticketId", &ticket), ("attributeToReturn", "level")]);
    known.is(200, "");
    assert_eq!((&known.json()["id"], &known.json()["attributes"]), (&json!(id), &json!({ "level": 3 })));
    portal.get("profile/by_ticket", &[("ticketId", "AAAA")]).is(400, "NO_SUCH_TICKET");
    portal.get("profile/by_ticket", &[]).is(400, "OTHER");

    let otherwise = portal.post("authentication/ticket/create", &[("profileId", id)]);
    otherwise.is(200, "");
    assert_ne!(otherwise.member("id"), ticket);
    portal.done(&format!("authentication/ticket/{ticket}/invalidate"));
    portal.get(&format!("authentication/ticket/{ticket}"), &[]).is(404, "NO_SUCH_TICKET");
    portal.get("profile/by_ticket", &[("ticketId", &ticket)]).is(400, "NO_SUCH_TICKET");
    portal.get("profile/by_ticket", &[("ticketId", &otherwise.member("id"))]).is(200, "");
}

fn changes_and_is_found(portal: &Application, id: &str) {
    let changed = portal.post(&format!("profile/{id}/update"), &[("email", "ada@elsewhere.example")]);
    changed.is(200, "");
    assert_eq!(changed.json()["email"], "ada@elsewhere.example");
    portal.post(&format!("profile/{id}/update"), &[("email", "no address")]).is(400, "INVALID_EMAIL_ADDRESS");
    let roles = portal.post(&format!("profile/{id}/roles/add"), &[("role", "pilot"), ("role", "reader")]);
    assert_eq!(roles.json()["roles"], json!(["reader", "captain", "pilot"]), "{}", roles.text);
    let roles = portal.post(&format!("profile/{id}/roles/remove"), &[("role", "captain")]);
    assert_eq!(roles.json()["roles"], json!(["reader", "pilot"]), "{}", roles.text);
    portal
        .json(&format!("profile/{id}/attributes/update"), &json!({ "level": 4, "ship": { "name": "Tern" } }))
        .is(200, "");
    portal.post(&format!("profile/{id}/attributes/remove"), &[("attributeName", "ports")]).is(200, "");
    let attributes = portal.get(&format!("profile/{id}/attributes"), &[]);
    assert_eq!(attributes.json(), json!({ "firstName": "Ada", "level": 4, "ship": { "name": "Tern" } }));

    let none = portal.get(&format!("profile/{id}"), &[("attributesToReturn", "$none")]);
    assert_eq!(none.json()["attributes"], json!({}), "{}", none.text);
    let ours = portal.tenant(TENANT);
    let by_name = portal.get("profile/by_username", &[("tenantName", &ours), ("username", NAME)]);
    assert_eq!(by_name.member("id"), id);
    let by_ids = portal.get("profile/by_ids", &[("id", id), ("id", "no-such-id")]);
    assert_eq!(by_ids.json().as_array().unwrap().len(), 1, "{}", by_ids.text);
    let second = profile(portal, TENANT, "zoe");
    let count = portal.get("profile/count", &[("tenantName", &ours)]);
    assert_eq!(count.json(), json!(2), "{}", count.text);
    let names = |order| {
        let sorted = [("tenantName", ours.as_str()), ("sortBy", "username"), ("sortOrder", order), ("count", "1")];
        portal.get("profile/range", &sorted).json()[0]["username"].clone()
    };
    assert_eq!((names("ASC"), names("DESC")), (json!(NAME), json!("zoe")));
    portal.post(&format!("profile/{second}/delete"), &[]).is(200, "");
}

/// A persistent login's token is renewed with each use, so one that comes back after its successor was used is a copy.
fn is_remembered_until_somebody_else_shows_up(stack: &Stack, portal: &Application, id: &str) {
    let ticket = portal.authenticate(TENANT, NAME, PASSWORD).member("id");
    let made = portal.post("authentication/persistent_login/create", &[("profileId", id)]);
    made.is(200, "");
    let (login, first) = (made.member("id"), made.member("token"));
    assert_eq!(made.json().as_object().unwrap().len(), 5, "{}", made.text);
    let path = format!("authentication/persistent_login/{login}");
    let refresh = |token: &str| portal.post(&format!("{path}/refresh_token"), &[("token", token)]);
    assert_eq!(portal.get(&path, &[]).member("token"), first);

    let renewed = refresh(&first);
    renewed.is(200, "");
    let second = renewed.member("token");
    assert_ne!(first, second);
    assert_eq!((&renewed.json()["id"], &renewed.json()["timestamp"]), (&json!(login), &made.json()["timestamp"]));
    assert_eq!(refresh(&first).member("token"), second, "two windows at once are no theft");
    stack.age_persistent_logins(id);
    let third = refresh(&second).member("token");
    assert_ne!(second, third);

    refresh(&first).is(404, "NO_SUCH_PERSISTENT_LOGIN");
    refresh(&third).is(404, "NO_SUCH_PERSISTENT_LOGIN");
    portal.get(&path, &[]).is(404, "NO_SUCH_PERSISTENT_LOGIN");
    portal.get(&format!("authentication/ticket/{ticket}"), &[]).is(404, "NO_SUCH_TICKET");

    let path = |login: &str| format!("authentication/persistent_login/{login}");
    let another = portal.post("authentication/persistent_login/create", &[("profileId", id)]).member("id");
    portal.get(&path(&another), &[]).is(200, "");
    portal.done(&format!("{}/delete", path(&another)));
    portal.get(&path(&another), &[]).is(404, "NO_SUCH_PERSISTENT_LOGIN");
    portal.done(&format!("{}/delete", path(&another)));
}

fn forgets_its_password(stack: &Stack, portal: &Application, id: &str) {
    if stack.lacks("a forgotten password: nobody reads the messages on the event bus") {
        portal.post(&format!("profile/{id}/update"), &[("password", NEW_PASSWORD)]).is(200, "");
        return;
    }
    let ticket = portal.authenticate(TENANT, NAME, PASSWORD).member("id");
    let url = "https://portal.example/reset?lang=en";
    portal.post(&format!("profile/{id}/reset_password"), &[("resetPasswordUrl", url)]).is(200, "");
    let token = sent(stack, id, &format!("{url}&tokenId="));
    portal.post("profile/verify", &[("verificationTokenId", &token)]).is(404, "NO_SUCH_VERIFICATION_TOKEN");
    let change = |password: &str| {
        portal.post("profile/change_password", &[("resetTokenId", token.as_str()), ("newPassword", password)])
    };
    change("short").is(400, "OTHER");
    let changed = change(NEW_PASSWORD);
    changed.is(200, "");
    assert_eq!(changed.member("id"), id);
    change(PASSWORD).is(404, "NO_SUCH_VERIFICATION_TOKEN");
    portal.get(&format!("authentication/ticket/{ticket}"), &[]).is(404, "NO_SUCH_TICKET");
    portal.authenticate(TENANT, NAME, PASSWORD).is(401, "BAD_CREDENTIALS");
    portal.authenticate(TENANT, NAME, NEW_PASSWORD).is(200, "");
}

/// What follows `link` in the last message to the profile.
fn sent(stack: &Stack, id: &str, link: &str) -> String {
    let mut details = stack.events().unwrap_or_default().into_iter().map(|event| event.detail);
    let last = details.rfind(|detail| detail["userId"] == id).expect("a message");
    let texts: Vec<_> = last.as_object().unwrap().values().filter_map(|value| value.as_str()).collect();
    let token = texts.iter().find_map(|text| text.strip_prefix(link)).unwrap_or_else(|| panic!("no link: {last}"));
    token.to_owned()
}

fn shows_that_an_address_is_its_own(portal: &Application, id: &str) {
    let made = portal.post(&format!("profile/{id}/verification_token/create"), &[]);
    made.is(200, "");
    assert_eq!(made.member("profileId"), id);
    let token = made.member("id");
    let path = format!("profile/verification_token/{token}");
    portal.get(&path, &[]).is(200, "");
    let reset = [("resetTokenId", token.as_str()), ("newPassword", PASSWORD)];
    portal.post("profile/change_password", &reset).is(404, "NO_SUCH_VERIFICATION_TOKEN");
    let verified = portal.post("profile/verify", &[("verificationTokenId", &token)]);
    verified.is(200, "");
    assert_eq!(verified.json()["verified"], true);
    portal.post("profile/verify", &[("verificationTokenId", &token)]).is(404, "NO_SUCH_VERIFICATION_TOKEN");
    portal.get(&path, &[]).is(404, "NO_SUCH_VERIFICATION_TOKEN");
    portal.done(&format!("{path}/delete"));
}

fn is_disabled_and_enabled(portal: &Application, id: &str) {
    let ticket = portal.authenticate(TENANT, NAME, NEW_PASSWORD).member("id");
    let login = portal.post("authentication/persistent_login/create", &[("profileId", id)]).member("id");
    portal.post(&format!("profile/{id}/disable"), &[]).is(200, "");
    portal.authenticate(TENANT, NAME, NEW_PASSWORD).is(403, "DISABLED_PROFILE");
    portal.authenticate(TENANT, NAME, "wrong").is(401, "BAD_CREDENTIALS");
    portal.post("authentication/ticket/create", &[("profileId", id)]).is(403, "DISABLED_PROFILE");
    portal.post("authentication/persistent_login/create", &[("profileId", id)]).is(403, "DISABLED_PROFILE");
    assert_eq!(portal.get(&format!("profile/{id}"), &[]).json()["enabled"], false);
    portal.post(&format!("profile/{id}/enable"), &[]).is(200, "");
    portal.get(&format!("authentication/ticket/{ticket}"), &[]).is(404, "NO_SUCH_TICKET");
    portal.get(&format!("authentication/persistent_login/{login}"), &[]).is(404, "NO_SUCH_PERSISTENT_LOGIN");
    portal.authenticate(TENANT, NAME, NEW_PASSWORD).is(200, "");
}

fn is_gone(portal: &Application, id: &str) {
    let ticket = portal.authenticate(TENANT, NAME, NEW_PASSWORD).member("id");
    portal.done(&format!("profile/{id}/delete"));
    portal.done(&format!("profile/{id}/delete"));
    portal.get(&format!("profile/{id}"), &[]).is(404, "NO_SUCH_PROFILE");
    portal.get("profile/by_ticket", &[("ticketId", &ticket)]).is(400, "NO_SUCH_TICKET");
    portal.post("authentication/ticket/create", &[("profileId", id)]).is(404, "NO_SUCH_PROFILE");
    portal.authenticate(TENANT, NAME, NEW_PASSWORD).is(401, "BAD_CREDENTIALS");
    let count = portal.get("profile/count", &[("tenantName", &portal.tenant(TENANT))]);
    assert_eq!(count.json(), json!(0), "{}", count.text);
}
