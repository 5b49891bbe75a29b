//! `ostiary tenant show` and `ostiary tenant set`.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::{Tool, cloud, cloud_with_tenant, in_front_of};

fn settings(tool: &Tool) -> Value {
    tool.json(&["tenant", "show", "acme"]).json()
}

fn set(tool: &Tool, arguments: &[&str]) -> crate::Run {
    tool.json(&[&["tenant", "set", "acme"], arguments].concat())
}

#[test]
fn a_new_tenant_has_the_defaults_and_the_lifetimes_of_the_stack() {
    let (_cloud, tool) = cloud_with_tenant();
    let shown = settings(&tool);
    assert_eq!((&shown["name"], &shown["closing"]), (&json!("acme"), &json!(false)));
    let settings = &shown["settings"];
    assert_eq!(shown["defaults"].as_array().map(Vec::len), settings.as_object().map(serde_json::Map::len));
    for (member, value) in [
        ("loginJwtSeconds", Value::Null),
        ("passwordMinChars", json!(15)),
        ("passwordMaxAgeDays", Value::Null),
        ("lockoutLongestSeconds", json!(1800)),
        ("verifiedEmail", json!(false)),
        ("algorithms", json!([])),
    ] {
        assert_eq!(settings[member], value, "{member}");
    }
    assert_eq!(
        (&shown["effective"]["loginJwtSeconds"], &shown["effective"]["ticketIdleSeconds"]),
        (&json!(3600), &json!(900))
    );
    assert_eq!(shown["mostGuessesADay"], json!({ "perNetwork": 56, "fromStrangers": 101 }));
    let text = tool.run(&["tenant", "show", "acme"]).stdout;
    for line in [
        "login-jwt:              1h (as in the stack)\n",
        "password-min-chars:     15 (default)\n",
        "most guesses a day:     56 from one network, 101 from all strange ones\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn a_tenant_of_an_unknown_stack_shows_no_lifetimes_that_are_not_its_own() {
    let (cloud, _) = cloud_with_tenant();
    let tool = Tool::of(&cloud).without("OSTIARY_TICKET_MAX_SECONDS");
    assert_eq!(settings(&tool)["effective"]["loginJwtSeconds"], Value::Null);
    let text = tool.run(&["tenant", "show", "acme"]).stdout;
    assert!(text.contains("login-jwt:              as in the stack\n"), "{text}");
    assert_eq!(set(&tool, &["--login-jwt", "31536001"]).error(2)["field"], "login-jwt");
}

#[test]
fn what_is_set_is_told_kept_and_put_back() {
    let (_cloud, tool) = cloud_with_tenant();
    let arguments =
        ["--login-jwt", "15m", "--password-min-chars", "12", "--password-max-age", "365", "--lockout-pause", "30"];
    let done = set(&tool, &[&arguments[..], &["--verified-email", "yes"]].concat()).json();
    let changed = |from: Value, to: Value, setting: &str| json!({ "setting": setting, "from": from, "to": to });
    assert_eq!(
        done["changed"],
        json!([
            changed(Value::Null, json!(900), "loginJwtSeconds"),
            changed(json!(15), json!(12), "passwordMinChars"),
            changed(Value::Null, json!(365), "passwordMaxAgeDays"),
            changed(json!(60), json!(30), "lockoutPauseSeconds"),
            changed(json!(false), json!(true), "verifiedEmail"),
        ])
    );
    let shown = settings(&tool);
    assert_eq!((&shown["settings"], &shown["effective"]["loginJwtSeconds"]), (&done["settings"], &json!(900)));
    assert!(!shown["defaults"].as_array().unwrap().contains(&json!("loginJwtSeconds")));

    let again = set(&tool, &arguments).json();
    assert_eq!(again["changed"], json!([]));
    let text = tool.run(&["tenant", "set", "acme", "--default", "login-jwt", "--password-min-chars", "8"]);
    assert_eq!(
        text.stdout,
        "name:               acme\nlogin-jwt:          15m -> as in the stack\npassword-min-chars: 12 -> 8\n"
    );
    assert!(text.stderr.contains("60 seconds"), "{}", text.stderr);
    let text = tool.run(&["tenant", "set", "acme", "--password-min-chars", "8"]);
    assert!(text.stderr.contains("Nothing was changed"), "{}", text.stderr);
    assert_eq!(settings(&tool)["settings"]["passwordMaxAgeDays"], 365, "what is not given stays");
}

#[test]
fn the_rules_of_the_tenant_hold_for_new_passwords() {
    let (_cloud, tool) = cloud_with_tenant();
    let create = |name: &str| {
        let arguments = ["user", "create", "--username", name, "--password-stdin", "--output", "json"];
        tool.run_with(&arguments, "ninebytes", std::path::Path::new("."))
    };
    assert!(create("jane").error(2)["error"].as_str().unwrap().contains("at least 15"));
    set(&tool, &["--password-min-chars", "8"]).json();
    create("jane").json();
}

#[test]
fn bad_settings_are_refused_by_name_and_change_nothing() {
    let (_cloud, tool) = cloud_with_tenant();
    let before = settings(&tool);
    for (arguments, field) in [
        (&["--login-jwt", "soon"][..], "login-jwt"),
        (&["--login-max", "31d"], "login-max"),
        (&["--password-min-chars", "seven"], "password-min-chars"),
        (&["--password-min-chars", "7"], "password-min-chars"),
        (&["--password-max-age", "90d"], "password-max-age"),
        (&["--lockout-from-strangers", "4"], "lockout-from-strangers"),
        (&["--lockout-longest", "25h"], "lockout-longest"),
        (&["--verified-email", "maybe"], "verified-email"),
        (&["--algorithm", "HS256"], "algorithm"),
        (&["--default", "everything"], "default"),
        (&["--password-history", "1", "--default", "password-history"], "default"),
        (&[], "setting"),
    ] {
        assert_eq!(set(&tool, arguments).error(2)["field"], field, "{arguments:?}");
    }
    assert_eq!(settings(&tool), before);
    for command in
        [&["show", "nowhere"][..], &["set", "nowhere", "--password-history", "1"], &["delete", "nowhere", "--yes"]]
    {
        assert_eq!(tool.json(&[&["tenant"], command].concat()).error(1)["field"], "name", "{command:?}");
    }
}

#[test]
fn of_two_changes_at_once_one_is_told_and_neither_is_lost() {
    let (cloud, tool) = cloud_with_tenant();
    let (other, once) = (Tool::of(&cloud), AtomicBool::new(false));
    let url = in_front_of(&cloud, move |request| {
        if request.contains("DynamoDB_20120810.TransactWriteItems") && !once.swap(true, Ordering::Relaxed) {
            set(&other, &["--password-history", "3"]).json();
        }
        None
    });
    let late = Tool::of(&cloud).with("AWS_ENDPOINT_URL_DYNAMODB", &url);
    let error = set(&late, &["--password-warn", "30"]).error(1);
    assert!(error["error"].as_str().unwrap().contains("somebody else changed the tenant"), "{error}");
    let shown = settings(&tool);
    assert_eq!(
        (&shown["settings"]["passwordHistory"], &shown["settings"]["passwordWarnDays"]),
        (&json!(3), &json!(14))
    );
    set(&late, &["--password-warn", "30"]).json();
    let shown = settings(&tool);
    assert_eq!(
        (&shown["settings"]["passwordHistory"], &shown["settings"]["passwordWarnDays"]),
        (&json!(3), &json!(30))
    );
}

#[test]
fn a_change_whose_answer_was_lost_is_done_and_not_refused() {
    let (cloud, tool) = cloud_with_tenant();
    let (direct, once) = (cloud.dynamodb_url(), AtomicBool::new(false));
    let url = in_front_of(&cloud, move |request| {
        let first = request.contains("DynamoDB_20120810.TransactWriteItems") && !once.swap(true, Ordering::Relaxed);
        first.then(|| {
            use std::io::{Read as _, Write as _};
            let mut stream = std::net::TcpStream::connect(direct.trim_start_matches("http://")).unwrap();
            stream.write_all(request.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes()).unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
            (500, r#"{"__type":"InternalServerError"}"#.to_owned())
        })
    });
    let done = set(&Tool::of(&cloud).with("AWS_ENDPOINT_URL_DYNAMODB", &url), &["--password-warn", "30"]).json();
    assert_eq!(done["changed"][0]["to"], 30);
    assert_eq!(settings(&tool)["settings"]["passwordWarnDays"], 30);
}

#[test]
fn an_algorithm_that_nothing_is_signed_with_has_to_be_meant() {
    let (_cloud, tool) = cloud_with_tenant();
    let refused = |arguments: &[&str], why: &str| {
        let error = set(&tool, arguments).error(1);
        assert_eq!(error["field"], "algorithm");
        assert!(error["error"].as_str().unwrap().contains(why), "{error}");
    };
    refused(&["--algorithm", "RS256"], "no key");
    assert_eq!(tool.run(&["keys", "init"]).code, 0);
    refused(&["--algorithm", "ES256", "--algorithm", "EdDSA"], "the key that signs now is of RS256");
    set(&tool, &["--algorithm", "ES256", "--algorithm", "RS256"]).json();
    assert_eq!(settings(&tool)["settings"]["algorithms"], json!(["ES256", "RS256"]));
    set(&tool, &["--algorithm", "ES256", "--yes"]).json();
    // Another setting is not held up by it.
    set(&tool, &["--password-history", "1"]).json();
    set(&tool, &["--algorithm", "any"]).json();
    assert_eq!(settings(&tool)["settings"]["algorithms"], json!([]));
}

#[test]
fn an_outage_is_no_refusal() {
    let (cloud, _) = cloud();
    let tool = Tool::of(&cloud).with("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9");
    for command in [
        &["show", "acme"][..],
        &["set", "acme", "--password-history", "1"],
        &["delete", "acme", "--yes", "--default-too"],
    ] {
        assert_eq!(tool.json(&[&["tenant"], command].concat()).code, 3, "{command:?}");
    }
}

#[test]
fn completions_need_no_stack() {
    let (cloud, _) = cloud();
    let tool = Tool::of(&cloud).without("OSTIARY_TABLE_USERS").without("AWS_REGION");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = tool.run(&["completions", shell]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{shell}");
        assert!(run.stdout.contains("expire-password") && run.stdout.contains("ostiary"), "{shell}");
    }
    assert_eq!(tool.run(&["completions", "tcsh"]).code, 2);
}
