//! `ostiary user update`, `set-password`, `expire-password`, `list` and `delete`.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use local::Cloud;
use serde_json::{Value, json};
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::config::Config;
use shared::lockout::{CounterKey, Place};
use shared::password::{Cost, Hasher};
use shared::recovery;
use shared::secret::{Password, Token};
use shared::store::{Credential, Guess, Guessed, LoginName, Lookup, Store as _, Write};
use shared::user::{User, UserId};

use crate::{Run, Tool, cloud_with_tenant, in_front_of, store};

const PASSWORD: &str = "correct horse battery staple";
const ANOTHER: &str = "another battery for that horse";
const THIRD: &str = "and a third one for its stable";

fn user(tool: &Tool, line: &str) -> Run {
    user_typing(tool, line, "")
}

fn user_typing(tool: &Tool, line: &str, input: &str) -> Run {
    let arguments = ["user"].into_iter().chain(line.split(' ')).chain(["--output", "json"]).collect::<Vec<_>>();
    tool.run_with(&arguments, input, Path::new("."))
}

fn show(tool: &Tool, which: &str) -> Value {
    user(tool, &format!("show {which}")).json()
}

async fn credential(cloud: &Cloud, name: &str) -> Credential {
    let credential = Some(LoginName::typed("acme", name));
    store(cloud).lookup(Lookup { credential, ..Lookup::default() }).await.unwrap().credential.unwrap()
}

async fn stored(cloud: &Cloud, id: &str) -> User {
    let users = vec![UserId::parse(id).unwrap()];
    store(cloud).lookup(Lookup { users, ..Lookup::default() }).await.unwrap().users.pop().unwrap()
}

async fn opens(cloud: &Cloud, name: &str, password: &str) -> bool {
    let phc = credential(cloud, name).await.phc.unwrap();
    let hasher = Hasher::new(Cost::default()).unwrap();
    hasher.verify(&Password::from_input(password).unwrap(), Some(&phc)).unwrap().matches
}

/// Everything in every table, as text.
pub async fn everything(cloud: &Cloud) -> String {
    let config = Config::read(|variable| cloud.environment().get(variable).cloned()).unwrap();
    let client = local::dynamodb::client(&cloud.dynamodb_url());
    let tables = config.tables;
    let mut text = String::new();
    for table in [tables.credentials, tables.users, tables.tickets, tables.auth_headers, tables.applications] {
        let mut pages = client.scan().table_name(table).into_paginator().items().send();
        while let Some(item) = pages.next().await {
            writeln!(text, "{:?}", item.unwrap()).unwrap();
        }
    }
    text
}

#[tokio::test]
async fn what_is_given_is_changed_and_the_rest_stays() {
    let (cloud, tool) = cloud_with_tenant();
    let new = "create --username jane --id j-1 --email jane@example.com --verified --first-name Jane --role a --role b --attribute x=1 --attribute y=2 --password-stdin";
    let made = user_typing(&tool, new, PASSWORD).json();
    assert_eq!(made["emailVerified"], true);
    let done = user(&tool, "update --username jane --last-name Doe --add-role c --add-role a --remove-role b --attribute x=3 --attribute z=4 --remove-attribute y").json();
    assert_eq!(done["changed"], json!(["lastName", "roles", "attributes"]));
    let shown = show(&tool, "--id j-1");
    for (member, value) in [
        ("firstName", json!("Jane")),
        ("lastName", json!("Doe")),
        ("roles", json!(["a", "c"])),
        ("attributes", json!({ "x": "3", "z": "4" })),
        ("email", json!("jane@example.com")),
        ("emailVerified", json!(true)),
    ] {
        assert_eq!(shown[member], value, "{member}");
    }
    let epochs = |user: &User| (user.session_epoch, user.key_epoch);
    let before = stored(&cloud, "j-1").await;

    let again = user(&tool, "update --username jane --last-name Doe --add-role c").json();
    assert_eq!(again["modified"], shown["modified"], "nothing was written");
    assert!(
        tool.run(&["user", "update", "--username", "jane", "--last-name", "Doe"])
            .stderr
            .contains("Nothing was changed")
    );

    user(&tool, "update --username jane --role only --no-first-name --no-last-name").json();
    let shown = show(&tool, "--username jane");
    assert_eq!(
        (&shown["roles"], &shown["firstName"], &shown["lastName"]),
        (&json!(["only"]), &Value::Null, &Value::Null)
    );
    let after = stored(&cloud, "j-1").await;
    assert_eq!(epochs(&before), epochs(&after), "tickets and auth headers go on");
    assert!(after.modified > before.modified);
    assert!(opens(&cloud, "jane", PASSWORD).await);
}

#[tokio::test]
async fn an_address_that_changes_is_not_verified_any_more() {
    let (_cloud, tool) = cloud_with_tenant();
    user(&tool, "create --username jane --email jane@example.com --verified --no-password").json();
    let update = |line: &str| user(&tool, &format!("update --username jane {line}")).json();
    assert_eq!(update("--email JANE@Example.com")["emailVerified"], true, "the same address in another spelling");
    assert_eq!(update("--email jane@example.org")["emailVerified"], false);
    assert_eq!(update("--email jane@stra\u{df}e.example --verified yes")["emailVerified"], true);
    assert_eq!(update("--email jane@strasse.example")["emailVerified"], false, "mail to it goes elsewhere");
    assert_eq!(update("--verified yes")["emailVerified"], true);
    assert_eq!(update("--email j@example.net --verified yes")["emailVerified"], true);
    let without = update("--no-email");
    assert_eq!((&without["email"], &without["emailVerified"]), (&Value::Null, &json!(false)));
    for line in ["--verified yes", "--no-email --verified yes", "--email a@b --no-email"] {
        assert_eq!(user(&tool, &format!("update --username jane {line}")).code, 2, "{line}");
    }
    assert_eq!(user(&tool, "create --username joe --verified --no-password").code, 2);
}

#[tokio::test]
async fn whose_an_address_is_can_be_asked_for_by_a_message() {
    let (cloud, tool) = cloud_with_tenant();
    user(&tool, "create --username jane --id j-1 --email jane@example.com --no-password").json();
    let sent = user(&tool, "send-verification --username jane");
    assert_eq!(sent.json(), json!({ "id": "j-1", "email": "jane@example.com" }));
    let events = cloud.events();
    let event = events.first().unwrap();
    assert_eq!((events.len(), event.detail_type.as_str()), (1, "EmailVerificationRequested"));
    let token = Token::new(event.detail["token"].as_str().unwrap().to_owned());
    assert!(!sent.stdout.contains(token.expose_secret()) && !sent.stderr.contains(token.expose_secret()));
    assert_eq!(user(&tool, "send-verification --username jane").code, 1, "one a minute");
    assert!(recovery::verify(&store(&cloud), &token, SystemClock.now()).await.is_ok());
    assert_eq!(show(&tool, "--id j-1")["emailVerified"], true);
    user(&tool, "create --username robot --no-password").json();
    assert_eq!(user(&tool, "send-verification --username robot").code, 1, "it has no address");
    assert_eq!(cloud.events().len(), 1);
}

#[tokio::test]
async fn a_new_name_takes_everything_along_and_frees_the_old_one() {
    let (cloud, tool) = cloud_with_tenant();
    user_typing(&tool, "create --username jane --id j-1 --email jane@example.com --password-stdin", PASSWORD).json();
    let done = user(&tool, "update --username JANE --rename Jané.Doe").json();
    assert_eq!((&done["changed"], &done["username"]), (&json!(["username"]), &json!("Jané.Doe")));
    assert_eq!(show(&tool, "--username JANÉ.DOE")["id"], "j-1");
    assert_eq!(user(&tool, "show --username jane").code, 1);
    assert!(opens(&cloud, "jané.doe", PASSWORD).await);
    let claim = LoginName::typed_email("acme", "jane@example.com");
    let found = store(&cloud).lookup(Lookup { claim, ..Lookup::default() }).await.unwrap().claim.unwrap();
    assert_eq!(found.name, LoginName::typed("acme", "jané.doe"), "the address leads to the new name");
    user(&tool, "create --username jane --no-password").json();
    // Another spelling of its own name is its own to take.
    user(&tool, "update --id j-1 --rename JANÉ.doe").json();
    assert_eq!(show(&tool, "--id j-1")["username"], "JANÉ.doe");
}

#[test]
fn names_and_addresses_that_are_taken_are_refused_in_every_spelling() {
    let (_cloud, tool) = cloud_with_tenant();
    user(&tool, "create --username jane --email jane@example.com --no-password").json();
    user(&tool, "create --username joe@example.com --no-password").json();
    user(&tool, "create --username max --email max@example.com --no-password").json();
    for (line, field) in [
        ("--rename JANE", "rename"),
        ("--rename \u{ff4a}\u{ff41}\u{ff4e}\u{ff45}", "rename"),
        ("--email JANE@EXAMPLE.COM", "email"),
        // Whoever logs in by one of them must mean one account.
        ("--rename Jane@example.com", "rename"),
        ("--email JOE@example.com", "email"),
    ] {
        let error = user(&tool, &format!("update --username max {line}")).error(1);
        assert_eq!(error["field"], field, "{line}: {error}");
    }
    let shown = show(&tool, "--username max");
    assert_eq!((&shown["username"], &shown["email"]), (&json!("max"), &json!("max@example.com")));
    user(&tool, "update --username max --rename max@example.com").json();
}

#[test]
fn a_change_that_comes_in_between_is_kept() {
    for line in ["--add-role late", "--rename late", "--email late@example.com"] {
        let (cloud, tool) = cloud_with_tenant();
        user(&tool, "create --username jane --id j-1 --no-password").json();
        let (other, once) = (Tool::of(&cloud), AtomicBool::new(false));
        let url = in_front_of(&cloud, move |request| {
            if request.contains("DynamoDB_20120810.TransactWriteItems") && !once.swap(true, Ordering::Relaxed) {
                user(&other, "update --username jane --add-role early --rename early").json();
            }
            None
        });
        let late = Tool::of(&cloud).with("AWS_ENDPOINT_URL_DYNAMODB", &url);
        user(&late, &format!("update --username jane {line}")).json();
        let shown = show(&tool, "--id j-1");
        assert!(shown["roles"].as_array().unwrap().contains(&json!("early")), "{line}: {shown}");
        assert!(shown.to_string().contains("late"), "{line}: {shown}");
    }
}

#[test]
fn changes_that_contradict_each_other_are_refused() {
    let (_cloud, tool) = cloud_with_tenant();
    user(&tool, "create --username jane --no-password").json();
    for (line, field) in [
        ("", "change"),
        ("--add-role a --remove-role a", "remove-role"),
        ("--attribute a=1 --remove-attribute a", "remove-attribute"),
        ("--attribute a=1 --attribute a=2", "attribute"),
        ("--role a --add-role b", "role"),
        ("--first-name A --no-first-name", "first-name"),
        ("--rename a/b", "rename"),
        ("--email a", "email"),
        ("--verified maybe", "verified"),
    ] {
        let error = user(&tool, format!("update --username jane {line}").trim_end()).error(2);
        assert_eq!(error["field"], field, "{line}: {error}");
    }
    assert_eq!(user(&tool, "update --username joe --no-email").error(1)["field"], "username");
}

#[tokio::test]
async fn a_new_password_opens_and_ends_what_the_old_one_began() {
    let (cloud, tool) = cloud_with_tenant();
    user_typing(&tool, "create --username jane --id j-1 --password-stdin", PASSWORD).json();
    let before = stored(&cloud, "j-1").await;
    let done = user_typing(&tool, "set-password --username jane --password-stdin", ANOTHER).json();
    assert_eq!((&done["mustChange"], &done["authHeadersEnded"]), (&json!(false), &json!(false)));
    assert!(opens(&cloud, "jane", ANOTHER).await && !opens(&cloud, "jane", PASSWORD).await);
    let after = stored(&cloud, "j-1").await;
    assert!(after.session_epoch > before.session_epoch && after.key_epoch == before.key_epoch);
    let shown = show(&tool, "--username jane");
    assert_eq!((&shown["passwordChanged"], &shown["mustChange"]), (&done["passwordChanged"], &json!(false)));

    user_typing(&tool, "set-password --id j-1 --password-stdin --end-auth-headers --must-change", THIRD).json();
    let ended = stored(&cloud, "j-1").await;
    assert!(ended.session_epoch > after.session_epoch && ended.key_epoch > after.key_epoch);
    assert_eq!(show(&tool, "--username jane")["mustChange"], true);
    user_typing(&tool, "set-password --id j-1 --password-stdin", PASSWORD).json();
    assert_eq!(show(&tool, "--username jane")["mustChange"], false, "a new password is not made to be changed");
}

#[tokio::test]
async fn a_password_keeps_the_rules_and_the_past_of_its_account() {
    let (cloud, tool) = cloud_with_tenant();
    assert_eq!(tool.run(&["tenant", "set", "acme", "--password-history", "1"]).code, 0);
    user_typing(&tool, "create --username jane --password-stdin", PASSWORD).json();
    let set = |password: &str| user_typing(&tool, "set-password --username jane --password-stdin", password);
    for (password, rule) in [
        ("too short", "at least 15"),
        (PASSWORD, "must not be one that this account had"),
        ("jane1234567890!", "must not be the user name"),
        ("", "must not be empty"),
    ] {
        let error = set(password).error(2);
        assert_eq!(error["field"], "password");
        assert!(error["error"].as_str().unwrap().contains(rule), "{error}");
        assert!(password.is_empty() || !error.to_string().contains(password), "{error}");
    }
    assert!(opens(&cloud, "jane", PASSWORD).await, "nothing was changed");
    set(ANOTHER).json();
    assert!(set(PASSWORD).error(2)["error"].as_str().unwrap().contains("had lately"));
    set(THIRD).json();
    set(PASSWORD).json();
    assert!(opens(&cloud, "jane", PASSWORD).await, "one password back, and no further");
    assert_eq!(
        user_typing(&tool, "set-password --username joe --password-stdin", PASSWORD).error(1)["field"],
        "username"
    );
}

#[tokio::test]
async fn a_new_password_forgets_all_guesses_and_serves_an_account_without_one() {
    let (cloud, tool) = cloud_with_tenant();
    let store = store(&cloud);
    // More than one write forgets, and fewer.
    for (name, days) in [("jane", 50), ("joe", 5)] {
        user(&tool, &format!("create --username {name} --no-password")).json();
        for day in 1..=days {
            let key = CounterKey { day, place: Place::of(None) };
            let (found, counted) = (Guessed::Wrong { mark: 1 }, vec![key]);
            let (name, at) = (LoginName::typed("acme", name), Timestamp::from_seconds(1));
            let guess = Guess { name, found, locks: Vec::new(), counted, stale: Vec::new(), at };
            assert_eq!(store.record_guess(guess).await.unwrap(), Write::Done);
        }
        let which = format!("--username {name}");
        assert_eq!(show(&tool, &which)["failures"], days);
        user_typing(&tool, &format!("set-password {which} --password-stdin"), PASSWORD).json();
        let shown = show(&tool, &which);
        assert_eq!((&shown["failures"], &shown["hasPassword"]), (&json!(0), &json!(true)));
        assert!(opens(&cloud, name, PASSWORD).await);
    }
}

#[tokio::test]
async fn a_password_of_a_peppered_stack_is_peppered() {
    let (cloud, tool) = crate::cloud_with(&[("Pepper", "required")]);
    assert_eq!(tool.run(&["tenant", "create", "acme"]).code, 0);
    assert_eq!(tool.run(&["pepper", "init"]).code, 0);
    user(&tool, "create --username jane --no-password").json();
    user_typing(&tool, "set-password --username jane --password-stdin", PASSWORD).json();
    let phc = credential(&cloud, "jane").await.phc.unwrap();
    assert!(phc.pepper().is_some());
    // Nor is the present one taken again, whatever went into its hash.
    assert!(
        user_typing(&tool, "set-password --username jane --password-stdin", PASSWORD).error(2)["error"]
            .as_str()
            .unwrap()
            .contains("had lately")
    );
}

#[test]
fn an_end_can_be_given_to_a_password_and_taken_back() {
    let (_cloud, tool) = cloud_with_tenant();
    user_typing(&tool, "create --username jane --password-stdin", PASSWORD).json();
    let expire = |line: &str| user(&tool, format!("expire-password --username jane {line}").trim_end()).json();
    assert_eq!(expire("")["mustChange"], true);
    let shown = show(&tool, "--username jane");
    assert_eq!((&shown["mustChange"], &shown["passwordEnds"]), (&json!(true), &shown["passwordExpires"]));
    let later = expire("--at 2999-01-01T00:00:00Z");
    assert_eq!((&later["mustChange"], &later["passwordExpires"]), (&json!(false), &json!("2999-01-01T00:00:00Z")));
    assert_eq!(expire("--never")["passwordExpires"], Value::Null);
    assert_eq!(show(&tool, "--username jane")["passwordEnds"], Value::Null);

    assert_eq!(tool.run(&["tenant", "set", "acme", "--password-max-age", "1"]).code, 0);
    let shown = show(&tool, "--username jane");
    assert!(shown["passwordEnds"].is_string() && shown["passwordExpires"].is_null(), "{shown}");
    assert_eq!(shown["mustChange"], false);

    user(&tool, "create --username robot --no-password").json();
    assert_eq!(user(&tool, "expire-password --username robot").error(1)["field"], "username");
    assert_eq!(user(&tool, "expire-password --username jane --at tomorrow").error(2)["field"], "at");
    assert_eq!(user(&tool, "expire-password --username jane --never --at 2999-01-01T00:00:00Z").code, 2);
}

#[test]
fn users_are_listed_by_name_a_part_at_a_time() {
    let (_cloud, tool) = cloud_with_tenant();
    assert_eq!(user(&tool, "list").json()["users"], json!([]));
    assert!(tool.run(&["user", "list"]).stdout.contains("no user yet"));
    for name in ["delta", "alpha", "Charlie", "bravo"] {
        user(&tool, &format!("create --username {name} --email {name}@example.com --no-password")).json();
    }
    let names = |line: &str| {
        let answer = user(&tool, line).json();
        let name = |user: &Value| user["username"].as_str().unwrap().to_owned();
        (answer["users"].as_array().unwrap().iter().map(name).collect::<Vec<_>>(), answer["more"] == true)
    };
    assert_eq!(names("list --limit 3"), (vec!["alpha".to_owned(), "bravo".to_owned(), "Charlie".to_owned()], true));
    assert_eq!(names("list --limit 4").0.len(), 4);
    assert_eq!((names("list --all").0.len(), names("list --all").1), (4, false));
    let text = tool.run(&["user", "list", "--limit", "1"]);
    assert!(text.stdout.starts_with("USERNAME  ID"), "{}", text.stdout);
    assert!(text.stdout.contains("alpha@example.com") && text.stderr.contains("There are more"), "{}", text.stderr);
    for line in ["list --limit 0", "list --limit 1 --all", "list --tenant a/b"] {
        assert_eq!(user(&tool, line).code, 2, "{line}");
    }
    assert_eq!(user(&tool, "list --tenant nowhere").error(1)["field"], "tenant");
}

#[tokio::test]
async fn a_deleted_user_leaves_nothing_behind() {
    let (cloud, tool) = cloud_with_tenant();
    let new = "create --username jane --id gone-1 --email gone@example.com --password-stdin";
    user_typing(&tool, new, PASSWORD).json();
    user(&tool, "create --username stays --id stays-1 --no-password").json();
    let store = Arc::new(store(&cloud));
    for id in ["gone-1", "stays-1"] {
        crate::deletion::leave_traces(&store, &stored(&cloud, id).await).await;
    }
    let asked = user(&tool, "delete --username jane");
    assert_eq!(asked.error(2)["field"], "yes", "nobody can be asked here");
    assert!(everything(&cloud).await.contains("gone-1"));
    assert_eq!(show(&tool, "--username jane")["enabled"], true);

    let done = user(&tool, "delete --username JANE --yes").json();
    assert_eq!((&done["id"], &done["deleted"]), (&json!("gone-1"), &json!(true)));
    let rest = everything(&cloud).await;
    assert!(!rest.contains("gone-1") && !rest.contains("gone@example.com") && !rest.contains("jane"), "{rest}");
    assert_eq!(rest.matches("stays-1").count(), 2 + 2, "the other keeps credential, profile, ticket and auth header");
    assert_eq!(user(&tool, "delete --username jane --yes").error(1)["field"], "username");
    user_typing(&tool, new, PASSWORD).json();
}
