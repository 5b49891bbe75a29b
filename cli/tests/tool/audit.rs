//! The operator's audit events. CloudWatch Logs does not run here, so a listener of ours speaks its protocol and notes
//! what is put.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};

use local::Cloud;
use serde_json::{Value, json};

use crate::reaching::{cloudformation, description, nowhere, outside};
use crate::{Run, Tool, cloud, service};

const GROUP: &str = "my-auth-FunctionLogs-1ABC";
const PASSWORD: &str = "correct horse battery staple";

type Requests = Arc<Mutex<Vec<(String, Value)>>>;

fn asked(request: &str) -> (String, Value) {
    let target = request.lines().find_map(|line| line.strip_prefix("x-amz-target: Logs_20140328."));
    (target.unwrap().to_owned(), serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap())
}

/// A CloudWatch Logs that gives `operation` one answer of its own, and what it was asked.
fn logs(operation: &'static str, status: u16, answer: Value) -> (String, Requests) {
    let requests = Requests::default();
    let seen = Arc::clone(&requests);
    let url = service(move |request| {
        let (asked, body) = asked(request);
        let own = asked == operation;
        seen.lock().unwrap().push((asked, body));
        if own { (status, answer.to_string()) } else { (200, "{}".to_owned()) }
    });
    (url, requests)
}

/// The tool for a stack that tells its log group.
fn tool(cloud: &Cloud, logs: &str) -> Tool {
    let stack = cloudformation(200, &description(cloud, &[("FunctionLogsName", GROUP)]));
    outside()
        .with("AWS_ENDPOINT_URL_DYNAMODB", &cloud.dynamodb_url())
        .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", &cloud.secrets_url())
        .with("AWS_ENDPOINT_URL_CLOUDFORMATION", &stack)
        .with("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", logs)
}

fn run(tool: &Tool, line: &str, input: &str) -> Run {
    let arguments = [&["--stack", "my-auth", "--output", "json"], &line.split(' ').collect::<Vec<_>>()[..]].concat();
    tool.run_with(&arguments, input, Path::new("."))
}

/// The one event that was put since the last time.
#[track_caller]
fn event(requests: &Requests) -> Value {
    let requests = std::mem::take(&mut *requests.lock().unwrap());
    let [(create, stream), (put, events)] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((create.as_str(), put.as_str()), ("CreateLogStream", "PutLogEvents"));
    for body in [stream, events] {
        assert_eq!(body["logGroupName"], GROUP);
        assert_eq!(body["logStreamName"], stream["logStreamName"]);
    }
    let [event] = &events["logEvents"].as_array().unwrap()[..] else { panic!("{events}") };
    assert!(event["timestamp"].as_i64().unwrap() > 1_700_000_000_000, "milliseconds");
    let event: Value = serde_json::from_str(event["message"].as_str().unwrap()).unwrap();
    let request = event.get("request_id").and_then(Value::as_str).unwrap();
    assert_eq!(stream["logStreamName"], format!("ostiary/{request}"), "a stream for each run");
    event
}

/// The cells of the page's table of that heading.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/audit-log.md")).unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with(&format!("| {heading} |"))).skip(2);
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let rows: Vec<_> = rows.take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(!rows.is_empty(), "{heading}");
    rows
}

#[test]
fn every_act_is_one_event_of_the_functions_schema() {
    let (cloud, _) = cloud();
    let (url, requests) = logs("", 0, Value::Null);
    let tool = tool(&cloud, &url);
    let mut events = Vec::new();
    let mut act = |line: &str, input: &str| {
        let answer = run(&tool, line, input);
        assert_eq!(answer.stderr, "", "{line}");
        let event = event(&requests);
        let path: Vec<&str> = line.split(' ').take(2).collect();
        assert_eq!(event["act"], format!("operator-{}", path.join("-")));
        assert_eq!((&event["outcome"], &event["reason"]), (&json!("success"), &json!("done")), "{event}");
        events.push(event);
        (answer.json(), events.last().unwrap().clone())
    };

    let (_, event) = act("tenant create acme", "");
    assert_eq!(event["subject"], "acme");
    let new = "user create --username jane.doe --email jd@example.com --password-stdin";
    let (user, event) = act(new, PASSWORD);
    assert_eq!((&event["user"], &event["tenant"]), (&user["id"], &json!("acme")));
    for (command, input) in [
        ("disable", ""),
        ("enable", ""),
        ("unlock", ""),
        ("update --add-role billing", ""),
        ("set-password --password-stdin", "another battery for the horse"),
        ("expire-password", ""),
    ] {
        let (_, event) = act(&format!("user {command} --username jane.doe"), input);
        assert_eq!((&event["user"], &event["tenant"]), (&user["id"], &json!("acme")), "{command}");
    }
    act("tenant create beta", "");
    let (user, _) = act("user create --tenant beta --username jane.two --no-password", "");
    let (_, event) = act("user delete --yes --tenant beta --username jane.two", "");
    assert_eq!((&event["user"], &event["tenant"]), (&user["id"], &json!("beta")));
    for command in ["set", "delete"] {
        let more = if command == "set" { "--password-history 1" } else { "--yes" };
        let (_, event) = act(&format!("tenant {command} beta {more}"), "");
        assert_eq!(event["subject"], "beta");
    }
    let (token, event) = act("access-token create --application shop --master", "");
    assert_eq!((&event["application"], &event["subject"]), (&json!("shop"), &token["id"]));
    let (_, event) = act("access-token delete -", token["token"].as_str().unwrap());
    assert_eq!((&event["application"], &event["subject"]), (&json!("shop"), &token["id"]));
    let (keys, event) = act("keys init", "");
    let kid = keys["keys"][0]["kid"].as_str().unwrap();
    assert_eq!(event["subject"], kid);
    let (_, event) = act(&format!("keys retire --yes {kid}"), "");
    assert_eq!(event["subject"], kid);
    act("keys rotate --no-wait", "");

    let written: String = events.iter().map(Value::to_string).collect();
    let token = token["token"].as_str().unwrap();
    for secret in [PASSWORD, "correct", token, &token[..16], "jane", "example.com"] {
        assert!(!written.contains(secret), "{secret} is written: {written}");
    }
    let documented = table("Member");
    for event in &events {
        let members: BTreeSet<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(members.iter().all(|member| documented.iter().any(|row| row[0] == *member)), "{event}");
        let always = documented.iter().filter(|row| row[2] == "always");
        assert!(always.map(|row| row[0].as_str()).all(|member| members.contains(member)), "{event}");
    }

    for line in ["tenant list", "user show --username jane.doe", "access-token list", "keys show"] {
        run(&tool, line, "").json();
        assert!(requests.lock().unwrap().is_empty(), "{line} changes nothing");
    }
}

#[test]
fn what_was_not_done_is_an_event_with_its_reason() {
    let (cloud, local) = cloud();
    local.json(&["tenant", "create", "acme"]).json();
    let (url, requests) = logs("", 0, Value::Null);
    let up = tool(&cloud, &url);
    let down = tool(&cloud, &url).with("AWS_ENDPOINT_URL_DYNAMODB", &nowhere());
    let locked_out = cloudformation(400, r#"{"__type":"AccessDeniedException","message":"no"}"#);
    let denied = tool(&cloud, &url).with("AWS_ENDPOINT_URL_DYNAMODB", &locked_out);
    let expired = "access-token create --application shop --master --expires 2020-01-01T00:00:00Z";
    let documented = table("Reason of the operator's tool");
    let mut told = BTreeSet::new();
    for (tool, line, code, outcome, reason, detail) in [
        (&up, "tenant create acme", 1, "refused", "conflict", json!("name")),
        (&up, "user disable --username joe", 1, "refused", "conflict", json!("username")),
        (&up, "user create --username joe --tenant b --no-password", 1, "refused", "conflict", json!("tenant")),
        (&up, "access-token delete x", 1, "refused", "conflict", json!("token")),
        (&up, expired, 2, "refused", "invalid_input", json!("expires")),
        (&denied, "user unlock --id joe", 2, "refused", "settings", Value::Null),
        (&down, "user enable --id joe", 3, "failed", "outage", Value::Null),
        (&up, "keys retire --yes none", 1, "refused", "conflict", Value::Null),
    ] {
        let error = run(tool, line, "").error(code);
        assert!(error.get("warning").is_none(), "{error}");
        let event = event(&requests);
        assert_eq!((&event["outcome"], &event["reason"]), (&json!(outcome), &json!(reason)), "{line} {event}");
        assert_eq!(event["detail"], detail, "{line} {event}");
        assert!(!event.to_string().contains("joe"), "what was typed is not repeated: {event}");
        told.insert(vec![reason.to_owned(), outcome.to_owned()]);
    }
    let page: BTreeSet<_> = documented.iter().map(|row| row[..2].to_vec()).collect();
    assert_eq!(told, page);
}

#[test]
fn an_event_that_cannot_be_written_is_warned_of_and_changes_nothing_else() {
    let denied = json!({ "__type": "AccessDeniedException", "message": "no" });
    let gone = json!({ "__type": "ResourceNotFoundException", "message": "no such log group" });
    let rejected = json!({ "rejectedLogEventsInfo": { "tooOldLogEventEndIndex": 1 } });
    for (url, told) in [
        (nowhere(), "CreateLogStream: dispatch failure"),
        (logs("CreateLogStream", 400, denied.clone()).0, "AWS does not let you (CreateLogStream"),
        (logs("CreateLogStream", 400, gone).0, "no such log group"),
        (logs("PutLogEvents", 400, denied).0, "AWS does not let you (PutLogEvents"),
        (logs("PutLogEvents", 200, rejected).0, "is this machine's clock right?"),
    ] {
        let (cloud, _) = cloud();
        let tool = tool(&cloud, &url);
        let made = run(&tool, "tenant create acme", "");
        assert_eq!(made.json()["name"], "acme");
        let warning: Value = serde_json::from_str(&made.stderr).unwrap();
        let warning = warning["warning"].as_str().unwrap();
        assert!(warning.starts_with("this command may be missing in the audit log: "), "{warning}");
        assert!(warning.contains(told), "{warning}");

        let again = run(&tool, "tenant create acme", "").error(1);
        assert_eq!(again["error"], "the tenant acme exists already");
        assert_eq!(again["warning"], warning);
        let text = tool.run(&["--stack", "my-auth", "tenant", "create", "acme"]);
        assert!(
            text.stderr.starts_with("error: the tenant acme exists already\nwarning: this command"),
            "{}",
            text.stderr
        );
    }
}

#[test]
fn a_stream_that_our_own_first_try_made_is_written_to() {
    let (cloud, _) = cloud();
    let exists = json!({ "__type": "ResourceAlreadyExistsException", "message": "exists" });
    let (url, requests) = logs("CreateLogStream", 400, exists);
    assert_eq!(run(&tool(&cloud, &url), "tenant create acme", "").stderr, "");
    assert_eq!(event(&requests)["act"], "operator-tenant-create");
}

#[test]
fn without_a_named_stack_nothing_is_written_and_an_old_stack_is_warned_of() {
    let (cloud, _) = cloud();
    let (url, requests) = logs("", 0, Value::Null);
    let own = Tool::of(&cloud).with("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", &url).with("OSTIARY_FUNCTION_LOGS", GROUP);
    let made = own.json(&["tenant", "create", "acme"]);
    assert_eq!((made.code, made.stderr.as_str()), (0, ""));

    let old =
        tool(&cloud, &url).with("AWS_ENDPOINT_URL_CLOUDFORMATION", &cloudformation(200, &description(&cloud, &[])));
    let made = run(&old, "tenant create other", "");
    assert_eq!(made.json()["name"], "other");
    assert!(made.stderr.contains("has no output FunctionLogsName: deploy it anew"), "{}", made.stderr);
    assert!(requests.lock().unwrap().is_empty());
}

#[test]
fn a_new_token_is_shown_before_the_log_is_waited_for() {
    let (cloud, _) = cloud();
    let (release, released) = mpsc::channel();
    let url = service(move |_| {
        released.recv().unwrap();
        (200, "{}".to_owned())
    });
    let tool = tool(&cloud, &url);
    let mut child = Command::new(env!("CARGO_BIN_EXE_ostiary"))
        .args(["--stack", "my-auth", "--output", "json", "access-token", "create", "--application", "a", "--master"])
        .env_clear()
        .envs(&tool.environment)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut values = serde_json::Deserializer::from_reader(child.stdout.take().unwrap()).into_iter::<Value>();
    assert!(values.next().unwrap().unwrap()["token"].is_string());
    for _ in 0..2 {
        release.send(()).unwrap();
    }
    // Had it waited for the log first, its patience would be over, and it would say so.
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
