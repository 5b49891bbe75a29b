//! `ostiary tenant delete`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use local::Cloud;
use serde_json::{Value, json};
use shared::auth_header::{AuthHeader, AuthHeaderKey, Choices};
use shared::clock::{Clock as _, SystemClock};
use shared::random::SystemRandom;
use shared::source::Source;
use shared::store::dynamo::DynamoStore;
use shared::store::{Lookup, Store as _, Write};
use shared::ticket::{Limits, Origin, Ticket, TicketKey};
use shared::user::{User, UserId};

use crate::accounts::everything;
use crate::{Run, Tool, cloud, in_front_of, store};

/// A ticket and an auth header.
pub async fn leave_traces(store: &DynamoStore, user: &User) -> (TicketKey, AuthHeaderKey) {
    let now = SystemClock.now();
    let limits = Limits { idle: None, absolute: Duration::from_secs(3600) };
    let (ticket, _) = Ticket::issue(user, Origin::Login, limits, Source::default(), now, &SystemRandom);
    assert_eq!(store.create_ticket(&ticket).await.unwrap(), Write::Done);
    let choices = Choices { name: "ci".to_owned(), ..Choices::default() };
    let (header, _) = AuthHeader::issue(user, choices, now, &SystemRandom);
    assert_eq!(store.create_auth_header(&header).await.unwrap(), Write::Done);
    (ticket.key, header.key)
}

fn run(tool: &Tool, line: &str) -> Run {
    tool.json(&line.split(' ').collect::<Vec<_>>())
}

fn user_id(number: usize) -> UserId {
    UserId::parse(&format!("doomed-user-{number}")).unwrap()
}

/// A tenant `doomed` with users who own things, and a tenant `other` with a user of the same names.
async fn two_tenants(users: usize) -> (Cloud, Tool, Vec<(TicketKey, AuthHeaderKey)>) {
    let (cloud, tool) = cloud();
    for tenant in ["doomed", "other"] {
        run(&tool, &format!("tenant create {tenant}")).json();
        run(&tool, &format!("user create --tenant {tenant} --username jane --email jane@example.com --no-password"))
            .json();
    }
    let store = Arc::new(store(&cloud));
    let mut traces = Vec::new();
    for number in 0..users {
        let id = user_id(number);
        run(
            &tool,
            &format!(
                "user create --tenant doomed --username u{number} --id {id} --email u{number}@example.com --no-password"
            ),
        )
        .json();
        let mut found = store.lookup(Lookup { users: vec![id], ..Lookup::default() }).await.unwrap();
        traces.push(leave_traces(&store, &found.users.pop().unwrap()).await);
    }
    (cloud, tool, traces)
}

fn tokens(tool: &Tool) -> Value {
    run(tool, "access-token list").json().get("accessTokens").unwrap().clone()
}

#[tokio::test]
async fn everything_of_a_tenant_goes_and_its_name_revives_nothing() {
    let (cloud, tool, traces) = two_tenants(12).await;
    for line in [
        "a --tenant doomed=*",
        "b --tenant doomed=READ_TENANT --tenant other=*",
        "c --master --tenant doomed=*",
        "d --tenant *=*",
    ] {
        run(&tool, &format!("access-token create --application {line}")).json();
    }
    let done = run(&tool, "tenant delete doomed --yes").json();
    assert_eq!(done["usersDeleted"], 13);
    assert_eq!((&done["accessTokensChanged"], &done["accessTokensDeleted"]), (&json!(2), &json!(1)));
    let rest = everything(&cloud).await;
    assert!(!rest.contains("doomed"), "{rest}");
    assert_eq!(run(&tool, "user show --tenant other --username jane").code, 0, "the other tenant is untouched");
    let rights: Vec<_> =
        tokens(&tool).as_array().unwrap().iter().map(|token| token["tenantPermissions"].clone()).collect();
    let all = |tenant: &str| json!([{ "tenant": tenant, "allowedActions": ["*"] }]);
    assert_eq!(rights, [all("other"), json!([]), all("*")]);

    assert_eq!(run(&tool, "tenant delete doomed --yes").error(1)["field"], "name");
    run(&tool, "tenant create doomed").json();
    assert_eq!(run(&tool, "user list --tenant doomed --all").json()["users"], json!([]));
    let id = user_id(0);
    run(&tool, &format!("user create --tenant doomed --username u0 --id {id} --email u0@example.com --no-password"))
        .json();
    let store = store(&cloud);
    for (ticket, auth_header) in traces {
        let wanted = Lookup { ticket: Some(ticket), auth_header: Some(auth_header), ..Lookup::default() };
        let found = store.lookup(wanted).await.unwrap();
        assert!(found.ticket.is_none() && found.auth_header.is_none());
    }
}

#[tokio::test]
async fn a_listing_that_lags_hides_nobody() {
    let (cloud, _, _) = two_tenants(2).await;
    let (listings, nobody) = (AtomicUsize::new(0), r#"{"Items":[],"Count":0,"ScannedCount":0}"#);
    let url = in_front_of(&cloud, move |request| {
        let is_listing = request.contains("DynamoDB_20120810.Query") && request.contains("by_tenant");
        // The one that counts, and the first of those that are believed.
        (is_listing && listings.fetch_add(1, Ordering::Relaxed) < 2).then(|| (200, nobody.to_owned()))
    });
    let tool = Tool::of(&cloud).with("AWS_ENDPOINT_URL_DYNAMODB", &url);
    assert_eq!(run(&tool, "tenant delete doomed --yes").json()["usersDeleted"], 3);
    let rest = everything(&cloud).await;
    assert!(!rest.contains("doomed"), "{rest}");
}

#[tokio::test]
async fn a_listing_of_the_past_reaches_nobody_elses_user() {
    let (cloud, tool, _) = two_tenants(1).await;
    let moved = user_id(0);
    let listed = json!({
        "Items": [{
            "pk": { "S": moved.as_str() }, "tenant": { "S": "doomed" }, "name": { "S": "u0" }, "username": { "S": "u0" },
            "enabled": { "BOOL": true }, "roles": { "L": [] }, "attributes": { "M": {} }, "created": { "N": "1" },
            "modified": { "N": "1" }, "session_epoch": { "N": "1" }, "key_epoch": { "N": "1" },
        }],
        "Count": 1,
        "ScannedCount": 1,
    });
    run(&tool, &format!("user delete --id {moved} --yes")).json();
    run(&tool, &format!("user create --tenant other --username u0 --id {moved} --no-password")).json();
    let listings = AtomicUsize::new(0);
    let url = in_front_of(&cloud, move |request| {
        let is_listing = request.contains("DynamoDB_20120810.Query") && request.contains("by_tenant");
        (is_listing && listings.fetch_add(1, Ordering::Relaxed) < 2).then(|| (200, listed.to_string()))
    });
    let tool = Tool::of(&cloud).with("AWS_ENDPOINT_URL_DYNAMODB", &url);
    assert_eq!(run(&tool, "tenant delete doomed --yes").json()["usersDeleted"], 1, "only jane was left");
    assert_eq!(run(&tool, &format!("user show --id {moved}")).json()["enabled"], true);
}

#[tokio::test]
async fn nothing_is_deleted_unasked() {
    let (cloud, tool, _) = two_tenants(1).await;
    let before = everything(&cloud).await;
    assert_eq!(run(&tool, "tenant delete doomed").error(2)["field"], "yes");
    run(&tool, "tenant create acme").json();
    let error = run(&tool, "tenant delete acme --yes").error(2);
    assert_eq!(error["field"], "default-too");
    assert!(error["error"].as_str().unwrap().contains("the stack's default tenant"), "{error}");
    assert_eq!(everything(&cloud).await.len() - before.len(), {
        let now = everything(&cloud).await;
        now.lines().filter(|line| line.contains("TENANT#acme")).map(|line| line.len() + 1).sum::<usize>()
    });
    run(&tool, "tenant delete acme --yes --default-too").json();
}

#[tokio::test]
async fn whatever_ends_a_deletion_it_can_be_gone_on_with() {
    let is_write = |request: &str| {
        ["UpdateItem", "DeleteItem", "TransactWriteItems", "PutItem"]
            .iter()
            .any(|write| request.contains(&format!("DynamoDB_20120810.{write}")))
    };
    let (cloud, tool, _) = two_tenants(2).await;
    run(&tool, "access-token create --application a --tenant doomed=*").json();
    let mut ended = 0;
    for writes in 0..40 {
        // One write more each time: what the runs before did has to be done again, and is done sooner.
        let left = AtomicUsize::new(writes);
        let url = in_front_of(&cloud, move |request| {
            let goes_on = !is_write(request)
                || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
            (!goes_on).then(|| (400, r#"{"__type":"AccessDeniedException","message":"no"}"#.to_owned()))
        });
        let broken = Tool::of(&cloud).with("AWS_ENDPOINT_URL_DYNAMODB", &url);
        let outcome = run(&broken, "tenant delete doomed --yes");
        if outcome.code == 0 {
            break;
        }
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        ended += 1;
        if writes > 0 {
            assert_eq!(run(&tool, "tenant create doomed").error(1)["field"], "name");
            let joining = run(&tool, "user create --tenant doomed --username late --no-password").error(1);
            assert_eq!(joining["field"], "tenant", "nobody joins it");
            let changing = run(&tool, "tenant set doomed --password-history 1").error(1);
            assert!(changing["error"].as_str().unwrap().contains("is being deleted"), "{changing}");
        }
    }
    assert!(ended >= 6, "it was ended {ended} times");
    if run(&tool, "tenant show doomed").code == 0 {
        run(&tool, "tenant delete doomed --yes").json();
    }
    let rest = everything(&cloud).await;
    assert!(!rest.contains("doomed"), "{rest}");
    assert_eq!(run(&tool, "user show --tenant other --username jane").json()["enabled"], true);
}
