//! `authenticate`: its table of answers, row by row.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::api::{self, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use tests::good::KEY;
use tests::paced::Paced;
use tests::{Account, Call, World};

struct Login<'a> {
    key: &'a str,
    tenant: &'a str,
    username: &'a str,
    password: &'a str,
}

impl Login<'_> {
    fn call(&self) -> Call {
        let fields = [("tenantName", self.tenant), ("username", self.username), ("password", self.password)];
        Call::to("ticket-authenticate").header(KEY, self.key).parameters(&fields)
    }
}

async fn answer(world: &World, call: &Call) -> (u16, Value) {
    let response = world.send(call).await;
    (response.status(), serde_json::from_str(response.body()).unwrap())
}

fn told(code: &str, message: &str) -> Value {
    json!({ "errorCode": code, "message": message })
}

#[tokio::test]
async fn a_right_password_gets_a_ticket_by_every_spelling() {
    let world = World::new().await;
    let (key, password) = (world.applications.full.as_str(), world.demo.password.as_str());
    let login = Login { key, tenant: "demo", username: "demo", password };
    let form = format!("tenantName=demo&username=demo&password={password}");
    let bare = Call::to("ticket-authenticate");
    for call in [
        login.call(),
        Login { username: "DEMO", ..login }.call(),
        Login { username: "demo@demo.example", ..login }.call(),
        bare.clone().header(KEY, key).query(&form),
        bare.clone().query(&format!("accessTokenId={key}")).form(&[
            ("tentantName", "demo"),
            ("username", "demo"),
            ("password", password),
        ]),
    ] {
        let (status, ticket) = answer(&world, &call).await;
        assert_eq!(status, 200, "{ticket}");
        let read = Call::to("ticket-get").id(ticket["id"].as_str().unwrap()).header(KEY, key);
        assert_eq!(answer(&world, &read).await, (200, ticket.clone()));
        let now = shared::clock::Clock::now(&world.stack.clock).as_millis();
        assert_eq!(ticket["lastRequestTime"], now, "epoch milliseconds");
        assert_eq!((&ticket["tenant"], &ticket["profileId"]), (&json!("demo"), &json!(world.demo.id())));
    }
}

#[tokio::test]
async fn whoever_can_t_be_let_in_is_told_as_the_table_says() {
    let world = World::new().await;
    let bad = told("BAD_CREDENTIALS", "Invalid username and/or password");
    let everywhere = world.applications.everywhere.as_str();
    let row = |tenant, username, password| Login { key: everywhere, tenant, username, password }.call();
    let disabled = |account: &Account| format!("Profile \"{}\" is disabled", account.id());
    for (what, call, status, expected) in [
        ("unknown user", row("demo", "nobody", "x"), 401, bad.clone()),
        ("wrong password", row("demo", "demo", "x"), 401, bad.clone()),
        ("empty password", row("demo", "demo", ""), 401, bad.clone()),
        ("no password at all", row("demo", "passwordless", ""), 401, bad.clone()),
        ("unknown tenant", row("nowhere", "demo", &world.demo.password), 401, bad.clone()),
        ("another tenant's", row("other", "demo", &world.demo.password), 401, bad.clone()),
        ("disabled, wrong password", row("demo", "disabled", "x"), 401, bad.clone()),
        (
            "disabled, right password",
            row("demo", "disabled", &world.disabled.password),
            403,
            told("DISABLED_PROFILE", &disabled(&world.disabled)),
        ),
        ("expired, wrong password", row("demo", "expired", "x"), 401, bad.clone()),
        (
            "expired, right password",
            row("demo", "expired", &world.expired.password),
            403,
            told("PASSWORD_EXPIRED", "Password expired"),
        ),
    ] {
        assert_eq!(answer(&world, &call).await, (status, expected), "{what}");
    }
    // So many that the account is locked: the right one is then as good as a wrong one.
    for wrong in ["first", "second", "third", "fourth", "fifth", "sixth", "seventh"] {
        assert_eq!(answer(&world, &row("demo", "admin", wrong)).await, (401, bad.clone()));
    }
    assert_eq!(answer(&world, &row("demo", "admin", &world.admin.password)).await, (401, bad));
}

#[tokio::test]
async fn each_parameter_that_is_missing_is_named() {
    let world = World::new().await;
    for missing in ["tenantName", "username", "password"] {
        let fields = [("tenantName", "demo"), ("username", "demo"), ("password", "x")];
        let left: Vec<_> = fields.into_iter().filter(|(name, _)| *name != missing).collect();
        let call = Call::to("ticket-authenticate").header(KEY, &world.applications.full).parameters(&left);
        let message = format!("Required parameter '{missing}' is not present");
        assert_eq!(answer(&world, &call).await, (400, told("OTHER", &message)));
    }
}

/// A defect of ours.
struct Broken;

impl Endpoint for Broken {
    fn route(&self) -> &'static Route {
        &api::TICKET_AUTHENTICATE
    }

    async fn answer(&self, _: Request) -> Result<Response, Problem> {
        panic!("a seeded fault")
    }
}

#[tokio::test]
async fn an_item_that_nobody_can_read_is_our_own_fault() {
    let mut world = World::new().await;
    world.rewire(Paced::new(world.stack.store.clone(), 1).spoiled(), Arc::new(world.stack.clock.clone()));
    let (key, password) = (world.applications.full.as_str(), world.demo.password.as_str());
    for (username, password) in [("demo", password), ("demo", "wrong"), ("nobody", "wrong")] {
        let call = Login { key, tenant: "demo", username, password }.call();
        assert_eq!(answer(&world, &call).await, (500, told("OTHER", "Internal server error")), "no refusal");
    }
}

#[tokio::test]
async fn our_own_fault_is_told_as_such() {
    let mut world = World::new().await;
    world.replace(Broken);
    let call = Call::to("ticket-authenticate");
    assert_eq!(answer(&world, &call).await, (500, told("OTHER", "Internal server error")));
}
