//! `ostiary user`.

use std::path::Path;
use std::sync::Arc;

use local::Cloud;
use shared::clock::Timestamp;
use shared::config::Config;
use shared::lockout::{CounterKey, Place};
use shared::password::{Cost, Hasher};
use shared::random::SystemRandom;
use shared::secret::Password;
use shared::store::dynamo::DynamoStore;
use shared::store::{Credential, Guess, Guessed, LoginName, Lookup, Store as _, Write};

use crate::{Run, Tool, cloud, cloud_with_tenant};

pub const PASSWORD: &str = "correct horse battery staple";

pub fn create(tool: &Tool, arguments: &[&str], password: &str) -> Run {
    let all = [&["user", "create", "--output", "json", "--password-stdin"], arguments].concat();
    tool.run_with(&all, password, Path::new("."))
}

pub async fn credential(cloud: &Cloud, tenant: &str, name: &str) -> Credential {
    let config = Config::read(|variable| cloud.environment().get(variable).cloned()).unwrap();
    let client = local::dynamodb::client(&cloud.dynamodb_url());
    let store = DynamoStore::new(client, config.tables, Arc::new(SystemRandom));
    let credential = Some(LoginName::typed(tenant, name));
    store.lookup(Lookup { credential, ..Lookup::default() }).await.unwrap().credential.unwrap()
}

#[tokio::test]
async fn a_password_from_standard_input_is_the_one_that_logs_in() {
    let (cloud, tool) = cloud_with_tenant();
    let made = create(&tool, &["--username", "Jane"], &format!("{PASSWORD}\n")).json();
    assert_eq!(made["hasPassword"], true);
    let phc = credential(&cloud, "acme", "jane").await.phc.unwrap();
    assert!(phc.expose_secret().starts_with("$argon2id$v=19$m=7168,t=2,p=1$"), "the stack's cost");
    let hasher = Hasher::new(Cost::default()).unwrap();
    for (text, matches) in [(PASSWORD, true), ("correct horse battery staple\n", false)] {
        let password = Password::from_input(text).unwrap();
        assert_eq!(hasher.verify(&password, Some(&phc)).unwrap().matches, matches, "{text:?}");
    }
}

#[test]
fn everything_about_a_user_but_secrets_is_shown() {
    let (_cloud, tool) = cloud_with_tenant();
    let arguments = [
        "--tenant",
        "acme",
        "--username",
        "Jane",
        "--email",
        "Jane@Example.com",
        "--first-name",
        "Jane",
        "--last-name",
        "Doe",
        "--role",
        "tenant-admin",
        "--role",
        "billing",
        "--role",
        "billing",
        "--attribute",
        "team=night=shift",
        "--id",
        "imported-1",
    ];
    let made = create(&tool, &arguments, PASSWORD).json();
    let shown = tool.json(&["user", "show", "--tenant", "acme", "--username", "JANE"]).json();
    assert_eq!(made, shown);
    assert_eq!(shown, tool.json(&["user", "show", "--id", "imported-1"]).json());
    for (member, value) in [("id", "imported-1"), ("username", "Jane"), ("email", "Jane@Example.com")] {
        assert_eq!(shown[member], value);
    }
    assert_eq!(shown["roles"], serde_json::json!(["tenant-admin", "billing"]));
    assert_eq!(shown["attributes"]["team"], "night=shift");
    assert_eq!((&shown["enabled"], &shown["failures"]), (&true.into(), &0.into()));
    assert!(shown["lastLogin"].is_null() && shown["passwordExpires"].is_null());
    assert!(!shown.to_string().contains("argon2"), "{shown}");

    let text = tool.run(&["user", "show", "--id", "imported-1"]).stdout;
    for line in ["roles:            tenant-admin, billing\n", "password:         yes\n"] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn what_is_taken_or_missing_is_refused() {
    let (_cloud, tool) = cloud_with_tenant();
    let jane = ["--username", "jane", "--email", "jane@example.com", "--id", "jane-1"];
    create(&tool, &jane, PASSWORD).json();
    for (arguments, field) in [
        (&["--username", "JANE"][..], "username"),
        (&["--username", "joe", "--email", "JANE@example.com"], "email"),
        (&["--username", "joe", "--id", "jane-1"], "id"),
        (&["--username", "joe", "--tenant", "nowhere"], "tenant"),
    ] {
        assert_eq!(create(&tool, arguments, PASSWORD).error(1)["field"], field, "{arguments:?}");
    }
    for (arguments, field) in [
        (&["--username", "joe"][..], "username"),
        (&["--tenant", "nowhere", "--username", "jane"], "username"),
        (&["--id", "nobody"], "id"),
    ] {
        for command in ["show", "disable", "enable"] {
            let error = tool.json(&[&["user", command], arguments].concat()).error(1);
            assert_eq!(error["field"], field, "{command} {arguments:?}");
        }
    }
}

#[test]
fn a_password_that_breaks_a_rule_makes_no_user() {
    let (_cloud, tool) = cloud_with_tenant();
    for (password, rule) in [
        ("", "must not be empty"),
        ("fourteen chars", "at least 15 characters"),
        (&*"x".repeat(1025), "at most 1024 bytes"),
        ("long enough, but\nof two lines", "one line"),
        ("iloveyou!iloveyou!", "must not be a common password"),
        ("jane1234567890!", "must not be the user name"),
    ] {
        let error = create(&tool, &["--username", "jane"], password).error(2);
        assert_eq!(error["field"], "password");
        assert!(error["error"].as_str().unwrap().contains(rule), "{error}");
        assert!(password.is_empty() || !error.to_string().contains(password), "{error}");
    }
    assert_eq!(tool.run(&["user", "show", "--username", "jane"]).code, 1);
}

#[tokio::test]
async fn an_account_without_a_password_asks_for_none() {
    let (cloud, tool) = cloud_with_tenant();
    let made = tool.json(&["user", "create", "--username", "robot", "--no-password"]).json();
    assert_eq!(made["hasPassword"], false);
    assert!(credential(&cloud, "acme", "robot").await.phc.is_none());
}

#[test]
fn disabling_and_enabling_is_told_and_may_be_repeated() {
    let (_cloud, tool) = cloud_with_tenant();
    let id = tool.json(&["user", "create", "--username", "jane", "--no-password"]).json()["id"].clone();
    for (command, enabled) in [("disable", false), ("disable", false), ("enable", true), ("enable", true)] {
        let done = tool.json(&["user", command, "--username", "jane"]).json();
        assert_eq!((&done["enabled"], &done["id"]), (&enabled.into(), &id));
        assert_eq!(tool.json(&["user", "show", "--username", "jane"]).json()["enabled"], enabled);
    }
    let told = tool.run(&["user", "disable", "--id", id.as_str().unwrap()]);
    assert!(told.stdout.contains("enabled:  no\n"), "{}", told.stdout);
    assert!(told.stderr.contains("has ended"), "{}", told.stderr);
}

#[test]
fn bad_input_names_its_argument() {
    let (_cloud, tool) = cloud();
    for (arguments, field) in [
        (&["--username", "a b"][..], "username"),
        (&["--username", "a", "--email", "a"], "email"),
        (&["--username", "a", "--first-name", "\u{1b}[2J"], "first-name"),
        (&["--username", "a", "--role", ""], "role"),
        (&["--username", "a", "--attribute", "b"], "attribute"),
        (&["--username", "a", "--attribute", "b=1", "--attribute", "b=2"], "attribute"),
        (&["--username", "a", "--id", "a/b"], "id"),
        (&["--username", "a", "--tenant", ""], "tenant"),
        (&["--tenant", "a"], "username"),
    ] {
        let error = create(&tool, arguments, PASSWORD).error(2);
        assert_eq!(error["field"], field, "{error}");
    }
}

#[test]
fn without_a_default_tenant_one_must_be_named() {
    let (cloud, _) = cloud();
    let tool = Tool::of(&cloud).without("OSTIARY_DEFAULT_TENANT");
    assert_eq!(tool.json(&["user", "show", "--username", "jane"]).error(2)["field"], "tenant");
}

#[tokio::test]
async fn unlocking_forgets_the_wrong_passwords() {
    let (cloud, tool) = cloud_with_tenant();
    create(&tool, &["--username", "jane"], PASSWORD).json();
    let name = LoginName::typed("acme", "jane");
    let config = Config::read(|variable| cloud.environment().get(variable).cloned()).unwrap();
    let client = local::dynamodb::client(&cloud.dynamodb_url());
    let store = DynamoStore::new(client, config.tables, Arc::new(SystemRandom));
    let key = CounterKey { day: 1, place: Place::of(None) };
    for mark in 0..3 {
        let (found, counted) = (Guessed::Wrong { mark }, vec![key.clone()]);
        let (name, at) = (name.clone(), Timestamp::from_seconds(1));
        let guess = Guess { name, found, locks: Vec::new(), counted, stale: Vec::new(), at };
        assert_eq!(store.record_guess(guess).await.unwrap(), Write::Done);
    }
    let which = ["--tenant", "acme", "--username", "JANE"];
    let show = || tool.json(&[&["user", "show"][..], &which].concat()).json()["failures"].clone();
    assert_eq!(show(), 3);
    assert_eq!(tool.json(&[&["user", "unlock"][..], &which].concat()).json()["forgotten"], 3);
    assert_eq!(show(), 0);
    assert!(
        tool.run(&["user", "unlock", "--tenant", "acme", "--username", "joe"]).stderr.contains("there is no user joe")
    );
}
