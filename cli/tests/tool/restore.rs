//! `ostiary restore`, with tables that are restored by copying them: the local cloud's DynamoDB has no point-in-time
//! recovery, so what stands in front of it answers for that, and "restored to a moment" is "copied at that moment".

#![expect(clippy::indexing_slicing, reason = "a test that can't go on fails")]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use local::Cloud;
use local::template::Template;
use serde_json::{Value, json};
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::config::Config;
use shared::persistent_login::PersistentLogin;
use shared::random::SystemRandom;
use shared::store::dynamo::{DynamoStore, Tables};
use shared::store::{Found, LoginName, Lookup, Store as _, Write};
use shared::tenant::TenantName;
use shared::user::{User, UserId, UserName};

use crate::deletion::leave_traces;
use crate::{Run, Tool, cloud, in_front_of, store};

const PASSWORD: &str = "seven lamps above a quiet harbour";
const NEW_PASSWORD: &str = "eleven kites below a loud mountain";

type Calls = Arc<Mutex<Vec<String>>>;

fn tables(cloud: &Cloud) -> Tables {
    Config::read(|name| cloud.environment().get(name).cloned()).unwrap().tables
}

/// The tool in front of whose DynamoDB stands what answers for restores; and what it was asked.
fn restoring(cloud: &Cloud) -> (Tool, Calls) {
    let calls = Calls::default();
    let (url, seen) = (cloud.dynamodb_url(), Arc::clone(&calls));
    let asked = in_front_of(cloud, move |request| {
        let (_, rest) = request.split_once("DynamoDB_20120810.")?;
        let operation = rest.split(['\r', '\n']).next().unwrap().to_owned();
        let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let now = SystemClock.now().as_seconds();
        let answer = match operation.as_str() {
            "RestoreTableToPointInTime" => {
                let (from, to) = (text("SourceTableName"), text("TargetTableName"));
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(copy(&url, &from, &to));
                json!({})
            }
            "DescribeContinuousBackups" => json!({ "ContinuousBackupsDescription": {
                "ContinuousBackupsStatus": "ENABLED",
                "PointInTimeRecoveryDescription": {
                    "PointInTimeRecoveryStatus": if text("TableName").starts_with("ostiary-") { "DISABLED" } else { "ENABLED" },
                    "EarliestRestorableDateTime": now - 3600, "LatestRestorableDateTime": now, "RecoveryPeriodInDays": 9,
                },
            }}),
            "DescribeContributorInsights" => {
                let on = if text("TableName").starts_with("ostiary-") { "DISABLED" } else { "ENABLED" };
                json!({ "ContributorInsightsStatus": on })
            }
            "UpdateContributorInsights" | "UpdateContinuousBackups" | "TagResource" => json!({}),
            "ListTagsOfResource" => json!({ "Tags": [
                { "Key": "team", "Value": "night" }, { "Key": "aws:cloudformation:stack-name", "Value": "x" },
            ]}),
            _ => return None,
        };
        seen.lock().unwrap().push(format!("{operation} {body}"));
        Some((200, answer.to_string()))
    });
    (Tool::of(cloud).with("AWS_ENDPOINT_URL_DYNAMODB", &asked), calls)
}

/// What stands in for a restore: a new table with what is in the old one now. Like one, it has no TTL.
async fn copy(url: &str, from: &str, to: &str) {
    let client = local::dynamodb::client(url);
    let parameters = BTreeMap::from([("Issuer".to_owned(), "https://auth.example.com".to_owned())]);
    let template = Template::read(&local::template_path(), &parameters).unwrap();
    let mut table = template.tables().unwrap().into_iter().find(|table| table.name == from).unwrap();
    (table.name, table.ttl) = (to.to_owned(), None);
    local::dynamodb::create_tables(&client, &[table]).await.unwrap();
    for item in items(&client, from).await {
        client.put_item().table_name(to).set_item(Some(item)).send().await.unwrap();
    }
}

async fn items(client: &Client, table: &str) -> Vec<HashMap<String, AttributeValue>> {
    let mut all = Vec::new();
    let mut pages = client.scan().table_name(table).consistent_read(true).into_paginator().items().send();
    while let Some(item) = pages.next().await {
        all.push(item.unwrap());
    }
    all
}

/// Sessions and persistent logins of who went on.
async fn raw_sessions(town: &Town, tables: &Tables) -> BTreeMap<String, String> {
    let client = local::dynamodb::client(&town.cloud.dynamodb_url());
    let all = items(&client, &tables.tickets).await.into_iter().filter(|item| item["pk"].as_s().unwrap() == "same-id");
    all.map(|item| (item["sk"].as_s().unwrap().clone(), format!("{:?}", item.into_iter().collect::<BTreeMap<_, _>>())))
        .collect()
}

fn run(tool: &Tool, line: &str) -> Run {
    tool.json(&line.split(' ').collect::<Vec<_>>())
}

/// What JSON says that went to standard error, where a plan goes first.
fn answer(run: &Run) -> Value {
    assert_eq!(run.code, 0, "{}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

/// Restores, and says to which moment and into which tables.
fn restored(tool: &Tool, more: &str) -> (String, Tables) {
    let done = answer(&run(tool, &format!("restore --to latest --yes{more}")));
    let names: Vec<String> = done["parameter"].as_str().unwrap().split(',').map(str::to_owned).collect();
    let [credentials, users, tickets, auth_headers, applications] = names.try_into().unwrap();
    let moment = done["moment"].as_str().unwrap().to_owned();
    (moment, Tables { credentials, users, tickets, auth_headers, applications })
}

struct Town {
    cloud: Cloud,
    tool: Tool,
    calls: Calls,
    store: DynamoStore,
}

impl Town {
    fn new() -> Self {
        let (cloud, _) = cloud();
        let (tool, calls) = restoring(&cloud);
        run(&tool, "tenant create acme").json();
        let store = store(&cloud);
        Self { cloud, tool, calls, store }
    }

    /// A user whose id is its name.
    async fn user(&self, name: &str) -> User {
        let line = format!(
            "user create --username {name} --id {name}-id --email {name}@example.com --password-stdin --role a --role b"
        );
        let arguments: Vec<_> = line.split(' ').collect();
        let made =
            self.tool.run_with(&arguments, &format!("{PASSWORD}\n"), std::path::Path::new(env!("CARGO_TARGET_TMPDIR")));
        assert_eq!(made.code, 0, "{}", made.stderr);
        find(&self.store, name).await.unwrap()
    }

    fn at(&self, tables: &Tables) -> DynamoStore {
        DynamoStore::new(local::dynamodb::client(&self.cloud.dynamodb_url()), tables.clone(), Arc::new(SystemRandom))
    }

    /// The tool of a stack that was switched to other tables.
    fn switched(&self, tables: &Tables) -> Tool {
        let (tool, _) = restoring(&self.cloud);
        tool.with("OSTIARY_TABLE_CREDENTIALS", &tables.credentials)
            .with("OSTIARY_TABLE_USERS", &tables.users)
            .with("OSTIARY_TABLE_TICKETS", &tables.tickets)
            .with("OSTIARY_TABLE_AUTH_HEADERS", &tables.auth_headers)
            .with("OSTIARY_TABLE_APPLICATIONS", &tables.applications)
    }

    /// Takes a user out of Users, past everything that deleting one does.
    async fn damage(&self, name: &str) {
        let client = local::dynamodb::client(&self.cloud.dynamodb_url());
        let delete = client.delete_item().table_name(tables(&self.cloud).users);
        delete.key("pk", AttributeValue::S(format!("{name}-id"))).send().await.unwrap();
    }

    /// Writes to an item past everything that the tool and the functions do.
    async fn write(&self, table: &str, pk: &str, attributes: &[(&str, AttributeValue)]) {
        let client = local::dynamodb::client(&self.cloud.dynamodb_url());
        let mut item = items(&client, table).await.into_iter().find(|item| item["pk"].as_s().unwrap() == pk).unwrap();
        item.extend(attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    }

    /// All that is in the tables, byte for byte.
    async fn everything(&self, tables: &Tables) -> Vec<String> {
        let Tables { credentials, users, tickets, auth_headers, applications } = tables;
        let client = local::dynamodb::client(&self.cloud.dynamodb_url());
        let mut all = Vec::new();
        for table in [credentials, users, tickets, auth_headers, applications] {
            all.extend(
                items(&client, table)
                    .await
                    .into_iter()
                    .map(|item| format!("{table} {}", plain(&AttributeValue::M(item)))),
            );
        }
        all.sort();
        all
    }

    fn set_password(&self, name: &str) {
        let arguments = ["user", "set-password", "--username", name, "--password-stdin"];
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
        let done = self.tool.run_with(&arguments, &format!("{NEW_PASSWORD}\n"), folder);
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
}

async fn look(store: &DynamoStore, name: &str) -> Found {
    let login = LoginName::new(&TenantName::parse("acme").unwrap(), &UserName::parse(name).unwrap());
    let id = UserId::parse(&format!("{name}-id")).unwrap();
    store.lookup(Lookup { credential: Some(login), users: vec![id], ..Lookup::default() }).await.unwrap()
}

async fn find(store: &DynamoStore, name: &str) -> Option<User> {
    look(store, name).await.users.pop()
}

/// A value with its maps in order.
fn plain(value: &AttributeValue) -> String {
    match value {
        AttributeValue::M(map) => {
            format!("{:?}", map.iter().map(|(name, value)| (name, plain(value))).collect::<BTreeMap<_, _>>())
        }
        AttributeValue::L(list) => format!("{:?}", list.iter().map(plain).collect::<Vec<_>>()),
        other => format!("{other:?}"),
    }
}

fn whole(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// Long after the switch.
fn next_day() -> Timestamp {
    Timestamp::from_seconds(SystemClock.now().as_seconds() + 86_400)
}

fn named(tables: &Tables) -> String {
    let Tables { credentials, users, tickets, auth_headers, applications } = tables;
    [credentials, users, tickets, auth_headers, applications].map(String::as_str).join(",")
}

/// The answer of a run that left something to somebody.
#[track_caller]
fn left_open(run: &Run) -> Value {
    assert_eq!((run.code, &*run.stdout), (1, ""), "{}", run.stderr);
    serde_json::from_str(run.stderr.lines().next().unwrap()).unwrap()
}

async fn hash(store: &DynamoStore, name: &str) -> String {
    look(store, name).await.credential.unwrap().phc.unwrap().expose_secret().to_owned()
}

#[tokio::test]
async fn a_restore_makes_tables_and_gives_them_what_dynamodb_leaves_out() {
    let town = Town::new();
    town.user("jane").await;
    let in_use = tables(&town.cloud);
    let (moment, new) = restored(&town.tool, " --table users --table credentials");
    let suffix = moment.replace(['-', ':'], "");
    assert_eq!(
        (&*new.users, &*new.credentials),
        (&*format!("ostiary-users-{suffix}"), &*format!("ostiary-credentials-{suffix}"))
    );
    assert_eq!((&new.tickets, &new.applications), (&in_use.tickets, &in_use.applications), "those stay in use");
    assert!(find(&town.at(&new), "jane").await.is_some());
    let client = local::dynamodb::client(&town.cloud.dynamodb_url());
    let ttl =
        client.describe_time_to_live().table_name(&new.users).send().await.unwrap().time_to_live_description.unwrap();
    assert_eq!(ttl.attribute_name.as_deref(), Some("ttl"));
    let calls = town.calls.lock().unwrap().clone();
    for wanted in ["UpdateContinuousBackups", "UpdateContributorInsights", "TagResource"] {
        assert_eq!(calls.iter().filter(|call| call.starts_with(wanted)).count(), 2, "{wanted}: {calls:?}");
    }
    assert!(
        calls
            .iter()
            .any(|call| call.contains("UpdateContinuousBackups") && call.contains("\"RecoveryPeriodInDays\":9"))
    );
    assert!(
        calls.iter().all(|call| !call.starts_with("TagResource") || !call.contains("aws:cloudformation")),
        "{calls:?}"
    );
    let again = run(&town.tool, &format!("restore --to {moment} --yes --table users --table credentials"));
    assert_eq!(answer(&again)["parameter"].as_str().unwrap().split(',').nth(1), Some(&*new.users));
    let restores = town.calls.lock().unwrap().iter().filter(|call| call.starts_with("RestoreTable")).count();
    assert_eq!(restores, 2, "what was begun is not begun again");
    let text = town.tool.run(&["restore", "--to", &moment, "--yes", "--table", "users", "--table", "credentials"]);
    assert!(
        text.stderr.contains(&format!("--parameter-overrides Tables={},{}", new.credentials, new.users)),
        "{}",
        text.stderr
    );
}

#[test]
fn what_can_not_be_restored_is_refused_before_anything_is_made() {
    let town = Town::new();
    let refused = |line: &str, code| run(&town.tool, line).error(code);
    assert_eq!(refused("restore --to 2020-01-01T00:00:00Z --yes", 2)["field"], "to");
    assert_eq!(refused("restore --to 2h --yes", 2)["field"], "to");
    assert_eq!(refused("restore --to latest --yes --table users", 2)["field"], "table");
    let unasked = run(&town.tool, "restore --to latest");
    assert_eq!((unasked.code, unasked.stderr.contains("yes must be given")), (2, true), "{}", unasked.stderr);
    assert_eq!(refused("restore compare --to 2026-11-22T13:15:00Z", 1)["field"], "to");
    assert!(town.calls.lock().unwrap().iter().all(|call| !call.starts_with("RestoreTable")));
}

/// People in every state, a restore, and then what ends things.
async fn ended_since() -> (Town, String, Tables, String) {
    let town = Town::new();
    for name in ["disabled", "changed", "deleted", "lesser", "moved", "lost", "same", "keyless"] {
        town.user(name).await;
    }
    let token = run(&town.tool, "access-token create --application shop --tenant acme=*").json();
    let other = run(&town.tool, "access-token create --application desk --tenant acme=*").json();
    let keyless = find(&town.store, "keyless").await.unwrap();
    let same = find(&town.store, "same").await.unwrap();
    let (ticket, header) = leave_traces(&town.store, &keyless).await;
    let (series, _) = PersistentLogin::issue(&same, Duration::from_secs(3600), SystemClock.now(), &SystemRandom);
    assert_eq!(town.store.create_persistent_login(&series).await.unwrap(), Write::Done);
    leave_traces(&town.store, &same).await;
    let (moment, new) = restored(&town.tool, "");
    run(&town.tool, "user disable --username disabled").json();
    town.set_password("changed");
    run(&town.tool, "user delete --username deleted --yes").json();
    run(&town.tool, "user update --username lesser --remove-role a").json();
    run(&town.tool, "user update --username moved --email elsewhere@example.com").json();
    run(&town.tool, &format!("access-token delete {}", token["id"].as_str().unwrap())).json();
    assert_eq!(town.store.delete_auth_header(&header).await.unwrap(), Write::Done);
    town.store.delete_ticket(&ticket).await.unwrap();
    assert_eq!(town.store.refresh_persistent_login(&series.key, 0, SystemClock.now()).await.unwrap(), Write::Done);
    run(&town.tool, "tenant set acme --verified-email yes").json();
    town.damage("lost").await;
    (town, moment, new, other["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn what_was_ended_since_a_moment_is_shown_and_stays_ended() {
    let (town, moment, new, other) = ended_since().await;
    let store = town.at(&new);
    assert!(find(&store, "disabled").await.unwrap().enabled, "the control: a restore brings it back");
    let shown = answer(&run(&town.tool, &format!("restore compare --to {moment}")));
    for (change, count) in [
        ("user-disabled", 1),
        ("password-changed", 1),
        ("user-missing", 2),
        ("roles-taken", 1),
        ("address-changed", 1),
        ("access-token-missing", 1),
        ("auth-header-missing", 1),
        ("tenant-rules", 1),
        ("session-missing", 1),
        ("session-moved", 1),
    ] {
        assert_eq!(shown["changes"][change], count, "{change}: {shown}");
    }
    assert!(find(&store, "disabled").await.unwrap().enabled, "comparing changes nothing");
    let (folder, file) = (tempfile::tempdir().unwrap(), "deleted.txt");
    std::fs::write(folder.path().join(file), "deleted-id\n\nunknown\n").unwrap();
    let line = format!("restore keep-ended --to {moment} --missing-is-damage users --ended {file} --yes --output json");
    let kept = town.tool.run_with(&line.split(' ').collect::<Vec<_>>(), "", folder.path());
    answer(&kept);
    assert!(!find(&store, "disabled").await.unwrap().enabled);
    assert_eq!(hash(&store, "changed").await, hash(&town.store, "changed").await);
    assert!(find(&store, "deleted").await.is_none());
    assert_eq!(find(&store, "lesser").await.unwrap().roles, ["b"]);
    assert_eq!(find(&store, "moved").await.unwrap().email, find(&town.store, "moved").await.unwrap().email);
    let lost = find(&store, "lost").await.unwrap();
    let begun = User::first_epoch(lost.created);
    assert!(lost.session_epoch > begun && lost.key_epoch > begun, "who comes back has no session and no auth header");
    let same = find(&store, "same").await.unwrap();
    assert_eq!(Some(&same), find(&town.store, "same").await.as_ref(), "what went on goes on");
    assert_eq!(store.auth_headers(&same.id).await.unwrap().len(), 1);
    assert_eq!(store.tickets(&same.id, SystemClock.now()).await.unwrap().len(), 1);
    let keyless = UserId::parse("keyless-id").unwrap();
    assert!(store.auth_headers(&keyless).await.unwrap().is_empty());
    assert!(store.tickets(&keyless, SystemClock.now()).await.unwrap().is_empty());
    let both = [raw_sessions(&town, &new).await, raw_sessions(&town, &tables(&town.cloud)).await];
    assert_eq!(both[0], both[1], "a replaced token of a persistent login is not the current one again");
    let switched = town.switched(&new);
    let tokens = run(&switched, "access-token list").json();
    let ids: Vec<_> = tokens["accessTokens"].as_array().unwrap().iter().map(|token| token["id"].clone()).collect();
    assert_eq!(ids, [json!(other)]);
    assert_eq!(
        run(&switched, "tenant show acme").json()["settings"]["verified-email"],
        run(&town.tool, "tenant show acme").json()["settings"]["verified-email"]
    );
    let mut left = answer(&run(&town.tool, &format!("restore compare --to {moment}")));
    left["changes"].as_object_mut().unwrap().remove("made-since");
    assert_eq!(left["changes"], json!({ "user-missing": 1 }), "{left}");
    assert_eq!(left["ids"]["user-missing"], json!(["lost-id"]));
}

#[tokio::test]
async fn what_is_not_there_any_more_was_deleted_unless_it_is_said_to_be_damage() {
    let (town, moment, new, _) = ended_since().await;
    answer(&run(&town.tool, &format!("restore keep-ended --to {moment} --yes")));
    let store = town.at(&new);
    assert!(find(&store, "lost").await.is_none() && find(&store, "deleted").await.is_none());
    let mut left = answer(&run(&town.tool, &format!("restore compare --to {moment}")))["changes"].take();
    // A moment is a second, and what is copied is what was made until its end.
    left.as_object_mut().unwrap().remove("made-since");
    assert_eq!(left, json!({}));
    assert!(find(&store, "same").await.is_some());
}

#[tokio::test]
async fn another_run_after_the_switch_ends_what_was_ended_meanwhile_and_nothing_else() {
    let (town, moment, new, other) = ended_since().await;
    answer(&run(&town.tool, &format!("restore keep-ended --to {moment} --missing-is-damage users --yes")));
    run(&town.tool, "user disable --username same").json();
    let tool = town.switched(&new);
    run(&tool, "user enable --username disabled").json();
    // Made a day later, as it would be had the switch taken a while.
    let store = town.at(&new);
    let day = next_day();
    let late = User { created: day, modified: day, ..find(&store, "lesser").await.unwrap() };
    let late =
        User { id: UserId::parse("late-id").unwrap(), name: UserName::parse("late").unwrap(), email: None, ..late };
    let made =
        shared::store::Administration::create_user(&store, shared::store::NewUser::new(late, None)).await.unwrap();
    assert_eq!(made, shared::store::Creation::Done);
    // Brought along from elsewhere, with the age that it had there.
    let old = Timestamp::from_seconds(9);
    let moved = User { created: old, modified: old, ..find(&store, "lesser").await.unwrap() };
    let moved = User {
        id: UserId::parse("import-id").unwrap(),
        name: UserName::parse("import").unwrap(),
        email: None,
        ..moved
    };
    let made =
        shared::store::Administration::create_user(&store, shared::store::NewUser::new(moved, None)).await.unwrap();
    assert_eq!(made, shared::store::Creation::Done);
    let old = &town.store;
    let same_id = UserId::parse("same-id").unwrap();
    for header in old.auth_headers(&same_id).await.unwrap() {
        assert_eq!(old.delete_auth_header(&header.key).await.unwrap(), Write::Done);
    }
    let client = local::dynamodb::client(&town.cloud.dynamodb_url());
    for item in items(&client, &tables(&town.cloud).tickets).await {
        let delete = client.delete_item().table_name(tables(&town.cloud).tickets);
        delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.unwrap();
    }
    run(&town.tool, &format!("access-token delete {other}")).json();
    run(&town.tool, "user delete --username moved --yes").json();
    let (sessions, used) = (raw_sessions(&town, &new).await, tables(&town.cloud));
    let before = named(&used);
    let refused = run(&tool, &format!("restore keep-ended --to {moment} --yes")).error(2);
    assert_eq!(refused["field"], "before");
    let lost = find(&store, "lost").await;
    let line = format!("restore keep-ended --to {moment} --missing-is-damage users --yes --before {before}");
    let shown = answer(&run(&tool, &line.replace(" --missing-is-damage users", "")));
    assert_eq!(shown["inUse"], true);
    assert!(!find(&store, "same").await.unwrap().enabled, "ended between the two runs");
    assert!(!find(&store, "disabled").await.unwrap().enabled, "enabled since the switch: taken away wins");
    assert!(find(&store, "late").await.is_some(), "made since the switch");
    assert!(find(&store, "import").await.is_some(), "brought along since the switch");
    assert!(find(&store, "moved").await.is_some(), "what is missing in the old tables is told, not deleted");
    for (change, count) in [("user-missing", 4), ("auth-header-missing", 1), ("access-token-missing", 1)] {
        assert_eq!(shown["changes"][change], count, "{change}: {shown}");
    }
    assert_eq!(store.auth_headers(&same_id).await.unwrap().len(), 1);
    assert_eq!(raw_sessions(&town, &new).await, sessions, "sessions end by their user's epoch alone");
    let tokens = run(&tool, "access-token list").json();
    assert_eq!(tokens["accessTokens"].as_array().unwrap().len(), 1);
    assert_eq!(find(&store, "lost").await, lost, "whose sessions ended once");
}

#[tokio::test]
async fn all_sessions_and_auth_headers_end_where_that_is_wished() {
    let (town, moment, new, _) = ended_since().await;
    let before = find(&town.at(&new), "same").await.unwrap();
    let flags = "--missing-is-damage users --end-sessions --end-auth-headers --yes";
    answer(&run(&town.tool, &format!("restore keep-ended --to {moment} {flags}")));
    let after = find(&town.at(&new), "same").await.unwrap();
    assert!(after.session_epoch > before.session_epoch && after.key_epoch > before.key_epoch);
    assert_eq!(find(&town.store, "same").await.unwrap(), before, "the tables in use are not touched");
}

#[tokio::test]
async fn the_tables_in_use_are_never_written_to() {
    let town = Town::new();
    for name in ["disabled", "deleted", "lost", "again", "same"] {
        leave_traces(&town.store, &town.user(name).await).await;
    }
    let (moment, new) = restored(&town.tool, " --table users --table credentials");
    run(&town.tool, "user disable --username disabled").json();
    for name in ["deleted", "again"] {
        run(&town.tool, &format!("user delete --username {name} --yes")).json();
    }
    let again = town.user("again").await;
    leave_traces(&town.store, &again).await;
    town.damage("lost").await;
    let used = tables(&town.cloud);
    let before = town.everything(&used).await;
    let told = answer(&run(&town.tool, &format!("restore keep-ended --to {moment} --yes")));
    assert_eq!(town.everything(&used).await, before);
    assert_eq!(
        (&told["changes"]["user-missing"], &told["changes"]["user-made-anew"]),
        (&json!(2), &json!(1)),
        "{told}"
    );
    let store = town.at(&new);
    for name in ["deleted", "lost", "again"] {
        let found = look(&store, name).await;
        assert!(found.users.is_empty() && found.credential.is_none(), "{name}");
    }
    assert!(find(&store, "same").await.is_some());
    answer(&run(&town.tool, &format!("restore keep-ended --to {moment} --yes --end-sessions --end-auth-headers")));
    assert_eq!(town.everything(&used).await, before);
}

#[tokio::test]
async fn what_was_changed_in_both_is_taken_away_or_told() {
    let town = Town::new();
    for name in ["forked", "moved", "twice"] {
        town.user(name).await;
    }
    let (moment, new) = restored(&town.tool, "");
    town.set_password("forked");
    run(&town.tool, "user update --username moved --email elsewhere@example.com").json();
    run(&town.tool, "user update --username twice --remove-role a").json();
    run(&town.tool, "user disable --username twice").json();
    let day = whole(next_day().as_millis());
    let password = [("phc", text("$other$hash")), ("version", day.clone()), ("changed", day.clone())];
    town.write(&new.credentials, "NAME#acme#forked", &password).await;
    let address = [("email", text("third@example.com")), ("modified", day.clone())];
    town.write(&new.users, "moved-id", &address).await;
    town.write(&new.users, "twice-id", &[("modified", day)]).await;
    let store = town.at(&new);
    let old = find(&town.store, "forked").await.unwrap();
    let line = format!("restore keep-ended --to {moment} --yes");
    let told = left_open(&run(&town.tool, &line));
    assert_eq!(told["changes"]["password-conflict"], 1, "{told}");
    assert_eq!(told["changes"]["address-conflict"], 1, "{told}");
    let forked = look(&store, "forked").await;
    assert!(forked.credential.unwrap().phc.is_none());
    let forked = &forked.users[0];
    assert!(forked.session_epoch > old.session_epoch + 1 && forked.key_epoch > old.key_epoch + 1, "{forked:?}");
    let moved = find(&store, "moved").await.unwrap();
    assert_eq!(moved.email.unwrap().as_str(), "third@example.com");
    let twice = find(&store, "twice").await.unwrap();
    assert_eq!((twice.enabled, twice.roles), (false, vec!["b".to_owned()]));
    let told = left_open(&run(&town.tool, &line));
    assert_eq!(told["changes"]["password-conflict"], Value::Null, "it is settled: {told}");
    assert_eq!(find(&store, "forked").await.as_ref(), Some(forked), "and ends nothing again");
}

#[tokio::test]
async fn tables_that_are_not_trusted_are_not_read() {
    let town = Town::new();
    let jane = town.user("jane").await;
    leave_traces(&town.store, &jane).await;
    leave_traces(&town.store, &town.user("same").await).await;
    let (halves, _) = restored(&town.tool, " --table users --table credentials");
    let refused = run(&town.tool, &format!("restore keep-ended --to {halves} --distrust --yes")).error(2);
    assert_eq!(refused["field"], "distrust");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (moment, new) = restored(&town.tool, "");
    // What an intruder would put there.
    let used = tables(&town.cloud);
    let day = whole(next_day().as_millis());
    let password = [("phc", text("$own")), ("version", whole(9)), ("changed", day.clone())];
    town.write(&used.credentials, "NAME#acme#jane", &password).await;
    let far = next_day().as_millis();
    let profile = [
        ("email", text("thief@example.com")),
        ("modified", day),
        ("session_epoch", whole(far)),
        ("key_epoch", whole(far)),
    ];
    town.write(&used.users, "jane-id", &profile).await;
    town.write(&new.tickets, "jane-id", &[("epoch", whole(far))]).await;
    town.write(&new.users, "jane-id", &[("key_epoch", whole(far))]).await;
    let (before, store) = (town.everything(&used).await, town.at(&new));
    let (kept, address) = (hash(&store, "jane").await, find(&store, "jane").await.unwrap().email);
    answer(&run(&town.tool, &format!("restore keep-ended --to {moment} --distrust --yes")));
    assert_eq!(town.everything(&used).await, before);
    assert_eq!((hash(&store, "jane").await, find(&store, "jane").await.unwrap().email), (kept, address));
    let after = find(&store, "jane").await.unwrap();
    let far = u64::try_from(far).unwrap();
    assert_eq!((after.session_epoch, after.key_epoch), (far + 1, far + 1), "above all that is there");
    let same = find(&store, "same").await.unwrap();
    let present = User::first_epoch(SystemClock.now());
    assert!(same.session_epoch > present && same.session_epoch < far && same.key_epoch > present, "{same:?}");
}

#[tokio::test]
async fn what_newer_functions_wrote_is_no_damage() {
    let town = Town::new();
    leave_traces(&town.store, &town.user("jane").await).await;
    run(&town.tool, "access-token create --application shop --tenant acme=*").json();
    let (moment, new) = restored(&town.tool, "");
    let (client, used) = (local::dynamodb::client(&town.cloud.dynamodb_url()), tables(&town.cloud));
    let before = town.everything(&new).await;
    for (table, prefix) in [
        (&used.users, "jane"),
        (&used.credentials, "NAME#"),
        (&used.tickets, "jane"),
        (&used.auth_headers, "jane"),
        (&used.applications, "TOKEN#"),
        (&used.applications, "TENANT#"),
    ] {
        let mut found = items(&client, table).await.into_iter();
        let item = found.find(|item| item["pk"].as_s().unwrap().starts_with(prefix)).unwrap();
        let mut newer = item.clone();
        newer.insert("v".to_owned(), whole(99));
        client.put_item().table_name(table).set_item(Some(newer)).send().await.unwrap();
        for step in ["compare", "keep-ended --yes"] {
            let refused = run(&town.tool, &format!("restore {step} --to {moment}"));
            assert!(refused.code == 2 && refused.stderr.contains("format 99"), "{table} {}", refused.stderr);
        }
        client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    }
    assert_eq!(town.everything(&new).await, before);
    town.write(&used.users, "jane-id", &[("v", whole(99))]).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let refused = run(&town.tool, "restore --to latest --yes --table users --table credentials");
    assert!(refused.code == 2 && refused.stderr.contains("format 99"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_password_that_can_not_be_read_any_more_opens_nothing() {
    let town = Town::new();
    let jane = town.user("jane").await;
    let (moment, new) = restored(&town.tool, "");
    let (used, store) = (tables(&town.cloud), town.at(&new));
    town.write(&used.credentials, "NAME#acme#jane", &[("version", text("x"))]).await;
    let told = left_open(&run(&town.tool, &format!("restore compare --to {moment}")));
    assert_eq!(told["ids"]["unreadable-since"], json!(["jane-id"]), "{told}");
    assert!(look(&store, "jane").await.credential.unwrap().phc.is_some(), "comparing changes nothing");
    let line = format!("restore keep-ended --to {moment} --yes");
    left_open(&run(&town.tool, &line));
    let found = look(&store, "jane").await;
    assert!(found.credential.unwrap().phc.is_none());
    assert!(found.users[0].session_epoch > jane.session_epoch && found.users[0].key_epoch > jane.key_epoch);
    left_open(&run(&town.tool, &line));
    assert_eq!(find(&store, "jane").await.as_ref(), Some(&found.users[0]), "once");
    town.write(&new.credentials, "NAME#acme#jane", &[("version", text("x"))]).await;
    let told = left_open(&run(&town.tool, &line));
    assert_eq!(told["changes"]["unreadable"], 1, "{told}");
}

#[tokio::test]
async fn rules_of_a_tenant_are_not_written_over_after_the_switch() {
    let town = Town::new();
    let (moment, new) = restored(&town.tool, "");
    let switched = town.switched(&new);
    run(&town.tool, "tenant set acme --verified-email yes").json();
    run(&town.tool, "tenant set acme --password-history 5").json();
    run(&switched, "tenant set acme --password-history 3").json();
    let rules = run(&switched, "tenant show acme").json();
    let before = named(&tables(&town.cloud));
    let told = left_open(&run(&switched, &format!("restore keep-ended --to {moment} --yes --before {before}")));
    assert_eq!(told["changes"], json!({ "tenant-conflict": 1 }));
    assert_eq!(run(&switched, "tenant show acme").json(), rules);
}

#[tokio::test]
async fn restored_tables_that_were_left_out_of_the_switch_are_left_alone() {
    let town = Town::new();
    town.user("jane").await;
    run(&town.tool, "access-token create --application shop --tenant acme=*").json();
    let (moment, new) = restored(&town.tool, "");
    run(&town.tool, "user disable --username jane").json();
    run(&town.tool, "tenant set acme --password-history 5").json();
    let old = tables(&town.cloud);
    let mixed = Tables { users: new.users.clone(), credentials: new.credentials.clone(), ..old.clone() };
    let line = format!("restore keep-ended --to {moment} --yes --before {}", named(&old));
    let told = answer(&run(&town.switched(&mixed), &line));
    let compared: Vec<_> = told["tables"].as_array().unwrap().iter().map(|table| table["table"].clone()).collect();
    assert_eq!(compared, ["credentials", "users"]);
    assert!(!find(&town.at(&mixed), "jane").await.unwrap().enabled);
    let half = Tables { users: new.users, ..old.clone() };
    let refused = run(&town.switched(&half), &line).error(2);
    assert_eq!(refused["field"], "table");
}
