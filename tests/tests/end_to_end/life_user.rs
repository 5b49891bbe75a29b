//! A user's life in the user family, whose account an application keeps: one domain under all three spellings.

use serde_json::json;

use crate::api::{Answer, Stack};
use crate::life::{Application, NEW_PASSWORD, PASSWORD, profile, secure, tenant};

const TENANT: &str = "lighthouse";
const NAME: &str = "lighthouse/grace";

pub fn from_a_profile_to_logins_and_back(stack: &Stack) {
    let (master, ours) = (Application::master(stack), stack.tenant(TENANT));
    tenant(&master, TENANT);
    let keeper = Application::made_by(&master, "keeper", TENANT);
    let id = profile(&keeper, TENANT, "grace");

    let shown = stack.login(NAME, PASSWORD);
    shown.is(200, "");
    let account = shown.json();
    assert_eq!((account["Id"].as_str(), account["Username"].as_str()), (Some(id.as_str()), Some("grace")));
    assert_eq!(account["Email"], format!("grace@{ours}.example"));
    assert_eq!(account["Authorizations"][0]["Roles"], json!([{ "Name": "reader" }, { "Name": "captain" }]));
    let first = shown.member("Token");
    let renewed = stack.get("/user/renew", ("authorization", &first));
    renewed.is(200, "");
    let second = renewed.member("access_token");
    assert_eq!((secure(stack, ("authorization", &second)), renewed.member("Token")), (200, second.clone()));
    let chosen = stack.get("/user/token?m=10", ("authorization", &second)).member("Token");
    assert_eq!(secure(stack, ("authorization", &chosen)), 200);

    let header = stack.post("/authheader/add", ("authorization", &chosen), r#"{"name":"lamp"}"#).member("token");
    let minted = stack.post(&format!("/v1/profile/{id}/authenticate"), ("authorization", &chosen), "{}").member("jwt");
    let ticket = keeper.authenticate(TENANT, "grace", PASSWORD).member("id");
    let has_ended = |ticket: &str| keeper.get(&format!("authentication/ticket/{ticket}"), &[]).status == 404;
    let live = [("authorization", chosen.as_str()), ("authorization", &minted), ("x-authorization", &header)];
    assert!(live.iter().all(|credential| secure(stack, *credential) == 200) && !has_ended(&ticket));

    change(stack, "wrong", NEW_PASSWORD).is(401, "");
    change(stack, PASSWORD, NEW_PASSWORD).is(200, "");
    assert_eq!(live.map(|credential| secure(stack, credential)), [401, 401, 200], "auth headers stay");
    assert!(has_ended(&ticket));
    stack.login(NAME, PASSWORD).is(401, "");
    let third = stack.login(NAME, NEW_PASSWORD).member("Token");
    stack.get("/user/logout", ("authorization", &third)).is(200, "");
    assert_eq!(secure(stack, ("authorization", &third)), 401);

    let last = stack.login(&format!("{TENANT}/grace@{ours}.example"), NEW_PASSWORD).member("Token");
    keeper.post(&format!("profile/{id}/disable"), &[]).is(200, "");
    let dead = [("authorization", last.as_str()), ("x-authorization", &header)];
    assert_eq!(dead.map(|credential| secure(stack, credential)), [401, 401]);
    stack.login(NAME, NEW_PASSWORD).is(401, "");
    keeper.post(&format!("profile/{id}/enable"), &[]).is(200, "");
    assert_eq!(dead.map(|credential| secure(stack, credential)), [401, 401], "enabling revives nothing");
    stack.login(NAME, NEW_PASSWORD).is(200, "");
    keeper.done(&format!("profile/{id}/delete"));
    stack.login(NAME, NEW_PASSWORD).is(401, "");
}

fn change(stack: &Stack, old: &str, new: &str) -> Answer {
    let body = json!({ "username": stack.login_name(NAME), "old": old, "new": new, "confirm": new }).to_string();
    stack.post("/user/password", ("accept", "*/*"), &body)
}
