//! Section 2 of the contract: tickets.

use serde_json::json;
use shared::access_token::Action;
use shared::clock::Timestamp;

use crate::api::{Answer, Stack, form};

const AUTHENTICATE: &str = "/api/1/authentication/authenticate";

pub fn authenticate(stack: &Stack) -> Answer {
    sign_in(stack, &stack.demo.access_token_id, "demo", &stack.demo.username, &stack.demo.password)
}

fn sign_in(stack: &Stack, token: &str, tenant: &str, username: &str, password: &str) -> Answer {
    let tenant = if tenant.is_empty() { String::new() } else { stack.tenant(tenant) };
    stack.form(
        AUTHENTICATE,
        &[("accessTokenId", token), ("tenantName", &tenant), ("username", username), ("password", password)],
    )
}

fn ticket(stack: &Stack, id: &str, token: &str) -> Answer {
    stack.get(&format!("/api/1/authentication/ticket/{id}?accessTokenId={token}"), ("accept", "*/*"))
}

fn invalidate(stack: &Stack, id: &str, token: &str) -> Answer {
    stack.form(&format!("/api/1/authentication/ticket/{id}/invalidate"), &[("accessTokenId", token)])
}

pub fn an_application_signs_a_user_in(stack: &Stack) {
    let answer = authenticate(stack);
    answer.is(200, "");
    let body = answer.json();
    assert_eq!(body["tenant"], stack.demo.tenant);
    assert_eq!(body["profileId"], stack.demo.profile_id);
    assert!(body["lastRequestTime"].as_i64().unwrap() > 1_700_000_000_000, "epoch milliseconds");
    assert_eq!(body.as_object().unwrap().len(), 4);
    assert_ne!(answer.member("id"), authenticate(stack).member("id"), "each sign-in has a ticket of its own");
}

pub fn the_calling_application_is_checked_first(stack: &Stack) {
    let expired = stack.access_token(&[(None, None)], Some(Timestamp::from_seconds(1_000_000_000)));
    let elsewhere = stack.access_token(&[(Some("elsewhere"), None)], None);
    let subject = "Current subject does not have permission to execute action";
    let denied = format!("{subject} \"MANAGE_TICKETS\" on tenant \"{}\"", stack.demo.tenant);
    let expected = [
        (String::new(), "ACCESS_DENIED", "Access token ID param missing from request"),
        ("unknown".to_owned(), "ACCESS_DENIED", "No access token found"),
        (expired, "ACCESS_DENIED", "Access token for application \"an-application\" expired"),
        (elsewhere, "ACTION_DENIED", &denied),
    ];
    for (token, code, message) in &expected {
        let answer = sign_in(stack, token, "demo", "demo", &stack.demo.password);
        answer.is(403, code);
        assert_eq!(answer.member("message"), *message);
    }
    stack.form(AUTHENTICATE, &[]).is(403, "ACCESS_DENIED");
    stack.form(AUTHENTICATE, &[("accessTokenId", "unknown")]).is(403, "ACCESS_DENIED");
    for path in ["/api/1/authentication/ticket/x", "/api/1/authentication/ticket/AAAA"] {
        stack.get(path, ("x-access-token-id", "unknown")).is(403, "ACCESS_DENIED");
    }
    for missing in [Action::ManageTickets, Action::ManageProfiles, Action::ReadTenant] {
        let rest: Vec<Action> = Action::ALL.into_iter().filter(|action| *action != missing).collect();
        let token = stack.access_token(&[(Some("demo"), Some(&rest))], None);
        let answer = sign_in(stack, &token, "demo", "demo", &stack.demo.password);
        answer.is(403, "ACTION_DENIED");
        assert!(answer.text.contains(missing.as_str()), "{}", answer.text);
    }
}

pub fn parameters_come_from_query_or_form(stack: &Stack) {
    let (token, password, tenant) = (&stack.demo.access_token_id, &stack.demo.password, &stack.demo.tenant);
    let all = form(&[("accessTokenId", token), ("tenantName", tenant), ("username", "demo"), ("password", password)]);
    stack.send("POST", &format!("{AUTHENTICATE}?{all}&extra=1"), &[], "").is(200, "");
    let seed = form(&[("accessTokenId", token), ("tentantName", tenant), ("username", "demo"), ("password", password)]);
    stack.send("POST", &format!("{AUTHENTICATE}?{seed}"), &[], "").is(200, "");
    let rest = form(&[("tenantName", tenant), ("username", "demo"), ("password", password)]);
    for header in ["x-access-token-id", "x-api-key"] {
        let headers = [(header, token.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        stack.send("POST", AUTHENTICATE, &headers, &rest).is(200, "");
    }
    stack.send("POST", &format!("{AUTHENTICATE}?{all}&username=demo"), &[], "").is(400, "OTHER");
    let headers = [("x-access-token-id", token.as_str()), ("content-type", "application/json")];
    stack.send("POST", AUTHENTICATE, &headers, "{}").is(415, "OTHER");
}

pub fn every_case_of_authenticate_has_its_answer(stack: &Stack) {
    let token = &stack.demo.access_token_id;
    let anywhere = stack.access_token(&[(None, None)], None);
    let bad = json!({ "errorCode": "BAD_CREDENTIALS", "message": "Invalid username and/or password" });
    for answer in [
        sign_in(stack, token, "demo", "demo", "wrong"),
        sign_in(stack, token, "demo", "demo", ""),
        sign_in(stack, token, "demo", "nobody", "wrong"),
        sign_in(stack, token, "demo", "", "wrong"),
        sign_in(stack, &anywhere, "no-such-tenant", "demo", &stack.demo.password),
        sign_in(stack, &anywhere, "", "demo", &stack.demo.password),
    ] {
        assert_eq!((answer.status, answer.json()), (401, bad.clone()));
    }
    let (disabled, password) = stack.user("demo", "e2e-ticket-disabled");
    stack.set_enabled(&disabled.id, false);
    sign_in(stack, token, "demo", "e2e-ticket-disabled", &password).is(403, "DISABLED_PROFILE");
    sign_in(stack, token, "demo", "e2e-ticket-disabled", "wrong").is(401, "BAD_CREDENTIALS");
    let (expired, password) = stack.user("demo", "e2e-ticket-expired");
    stack.expire_password(&expired);
    sign_in(stack, token, "demo", "e2e-ticket-expired", &password).is(403, "PASSWORD_EXPIRED");
    for missing in ["tenantName", "username", "password"] {
        let given = [
            ("accessTokenId", token.as_str()),
            ("tenantName", &stack.demo.tenant),
            ("username", "demo"),
            ("password", "x"),
        ];
        let given: Vec<_> = given.into_iter().filter(|(name, _)| *name != missing).collect();
        let answer = stack.form(AUTHENTICATE, &given);
        answer.is(400, "OTHER");
        assert_eq!(answer.member("message"), format!("Required parameter '{missing}' is not present"));
    }
}

pub fn a_ticket_is_read_and_its_use_noted(stack: &Stack) {
    let made = authenticate(stack);
    let id = made.member("id");
    let read = ticket(stack, &id, &stack.demo.access_token_id);
    read.is(200, "");
    assert_eq!(read.json()["id"], id.as_str());
    assert_eq!(read.json()["profileId"], stack.demo.profile_id);
    assert!(read.json()["lastRequestTime"].as_i64() >= made.json()["lastRequestTime"].as_i64());
    for unknown in ["x", "AAAA", &id[1..], &id.replace(&id[..4], "AAAA")] {
        ticket(stack, unknown, &stack.demo.access_token_id).is(404, "NO_SUCH_TICKET");
    }
}

pub fn a_ticket_is_ended_and_stays_so(stack: &Stack) {
    let id = authenticate(stack).member("id");
    for _ in 0..2 {
        let answer = invalidate(stack, &id, &stack.demo.access_token_id);
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "idempotent");
        ticket(stack, &id, &stack.demo.access_token_id).is(404, "NO_SUCH_TICKET");
    }
    assert_eq!(invalidate(stack, "never-was-one", &stack.demo.access_token_id).status, 200);
}

pub fn another_tenants_ticket_is_none(stack: &Stack) {
    let id = authenticate(stack).member("id");
    let elsewhere = stack.access_token(&[(Some("elsewhere"), None)], None);
    let (foreign, missing) = (ticket(stack, &id, &elsewhere), ticket(stack, "AAAA", &elsewhere));
    assert_eq!((foreign.status, &foreign.text), (404, &missing.text));
    let (foreign, missing) = (invalidate(stack, &id, &elsewhere), invalidate(stack, "AAAA", &elsewhere));
    assert_eq!((foreign.status, &foreign.text), (200, &missing.text), "and nothing is done");
    let reads_here =
        stack.access_token(&[(Some("elsewhere"), None), (Some("demo"), Some(&[Action::ReadTenant]))], None);
    invalidate(stack, &id, &reads_here).is(403, "ACTION_DENIED");
    let no_tickets = stack.access_token(&[(Some("demo"), Some(&[Action::ReadTenant]))], None);
    ticket(stack, &id, &no_tickets).is(403, "ACTION_DENIED");
    invalidate(stack, &id, &no_tickets).is(403, "ACTION_DENIED");
    ticket(stack, &id, &stack.demo.access_token_id).is(200, "");
}
