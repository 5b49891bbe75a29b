//! Which stack a command works on, how it gets there, and what it says when it doesn't.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use local::Cloud;

use crate::{Tool, cloud, service};

/// A URL at which nothing listens.
pub fn nowhere() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// What an operator's machine has: an AWS account, and no word of a stack.
pub fn outside() -> Tool {
    let variables =
        [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    Tool { environment: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into() }
}

fn lines(environment: &BTreeMap<String, String>) -> String {
    environment.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name}='{value}'");
        text
    })
}

#[test]
fn an_outage_is_told_as_one_by_every_command() {
    let (cloud, _) = cloud();
    let tool = Tool::of(&cloud)
        .with("AWS_ENDPOINT_URL_DYNAMODB", &nowhere())
        .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", &nowhere());
    for arguments in [
        &["tenant", "create", "acme"][..],
        &["tenant", "list"],
        &["user", "create", "--username", "jane"],
        &["user", "show", "--username", "jane"],
        &["user", "disable", "--id", "jane"],
        &["access-token", "create", "--application", "shop", "--master"],
        &["access-token", "list"],
        &["access-token", "delete", "x"],
        &["keys", "init"],
        &["keys", "rotate"],
        &["keys", "retire", "--yes", "kid"],
        &["keys", "show"],
    ] {
        let error = tool.json(arguments).error(3);
        assert!(error["error"].as_str().unwrap().contains("refused"), "{arguments:?} {error}");
    }
}

#[test]
fn an_endpoint_argument_goes_before_the_environment() {
    let (_cloud, tool) = cloud();
    let error = tool.json(&["tenant", "list", "--endpoint-url", &nowhere()]).error(3);
    assert!(error["error"].as_str().unwrap().contains("Query"), "{error}");
    assert_eq!(tool.json(&["tenant", "list", "--endpoint-url", "127.0.0.1:1"]).error(2)["field"], "endpoint-url");
}

#[test]
fn without_a_stack_the_ways_to_name_one_are_told() {
    let error = outside().json(&["tenant", "list"]).error(2);
    assert!(error["error"].as_str().unwrap().contains("--stack NAME, --local or --env-file"), "{error}");
}

#[test]
fn a_file_takes_the_place_of_the_environment() {
    let (cloud, _) = cloud();
    let folder = tempfile::tempdir().unwrap();
    let shell = folder.path().join("stack.env");
    fs::write(&shell, lines(cloud.environment())).unwrap();
    let json = folder.path().join("stack.json");
    fs::write(&json, serde_json::to_string(cloud.environment()).unwrap()).unwrap();
    for file in [shell, json] {
        outside().json(&["tenant", "list", "--env-file", file.to_str().unwrap()]).json();
    }

    let partial = folder.path().join("partial.env");
    let mut environment = cloud.environment().clone();
    environment.remove("OSTIARY_TABLE_USERS");
    fs::write(&partial, lines(&environment)).unwrap();
    let error = Tool::of(&cloud).json(&["tenant", "list", "--env-file", partial.to_str().unwrap()]).error(2);
    let message = error["error"].as_str().unwrap();
    assert!(message.contains("OSTIARY_TABLE_USERS is not set"), "one command, one source: {message}");
    assert_eq!(outside().json(&["tenant", "list", "--env-file", "/nonexistent"]).error(2)["field"], "env-file");
}

#[test]
fn a_local_cloud_is_found_from_a_folder_below_it() {
    let (cloud, _) = cloud();
    let project = tempfile::tempdir().unwrap();
    let below = project.path().join("functions/user-login");
    fs::create_dir_all(&below).unwrap();
    let list = |tool: &Tool| tool.run_with(&["--local", "tenant", "list", "--output", "json"], "", &below);
    assert_eq!(list(&outside()).error(2)["field"], "local");

    fs::create_dir(project.path().join(".local")).unwrap();
    let file = project.path().join(".local/env");
    fs::write(&file, lines(cloud.environment())).unwrap();
    // Whatever the environment says, `--local` stays on this machine.
    let tool = outside().with("AWS_ENDPOINT_URL", &nowhere()).with("AWS_PROFILE", "production");
    list(&tool).json();
    let error = tool.run_with(&["--local", "--profile", "a", "tenant", "list", "--output=json"], "", &below).error(2);
    assert_eq!(error["field"], "local");

    let mut environment = cloud.environment().clone();
    environment.remove("AWS_ENDPOINT_URL_DYNAMODB");
    fs::write(&file, lines(&environment)).unwrap();
    assert!(list(&outside()).error(2)["error"].as_str().unwrap().contains("finds no AWS_ENDPOINT_URL_DYNAMODB"));

    environment.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), nowhere());
    fs::write(&file, lines(&environment)).unwrap();
    assert!(list(&outside()).error(3)["error"].as_str().unwrap().contains("is `cargo local` running?"));
}

#[test]
fn two_sources_are_refused() {
    for arguments in
        [&["--stack", "a", "--local"][..], &["--stack", "a", "--env-file", "b"], &["--local", "--env-file", "b"]]
    {
        let error = outside().json(&[arguments, &["tenant", "list"]].concat()).error(2);
        assert!(error["error"].as_str().unwrap().contains("can't be combined"), "{error}");
    }
}

#[test]
fn missing_credentials_and_regions_are_no_outage() {
    let (cloud, _) = cloud();
    let tool = Tool::of(&cloud).without("AWS_ACCESS_KEY_ID").without("AWS_SECRET_ACCESS_KEY");
    let error = tool.json(&["tenant", "list"]).error(2);
    assert!(error["error"].as_str().unwrap().contains("no AWS credentials"), "{error}");
    let error = Tool::of(&cloud).without("AWS_REGION").json(&["tenant", "list"]).error(2);
    assert!(error["error"].as_str().unwrap().contains("region is not known"), "{error}");
}

#[test]
fn a_named_profile_goes_before_credentials_in_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    let profile = "[profile night]\naws_access_key_id = NIGHTKEY\naws_secret_access_key = x\nregion = eu-north-1\n";
    fs::write(&config, profile).unwrap();
    let scopes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&scopes);
    let url = service(move |request| {
        let credential = request.split_once("Credential=").map(|(_, rest)| rest);
        seen.lock().unwrap().extend(credential.and_then(|rest| rest.split(',').next()).map(str::to_owned));
        (200, "{\"Items\":[],\"Count\":0}".to_owned())
    });
    let (cloud, _) = cloud();
    let tool = Tool::of(&cloud)
        .without("AWS_REGION")
        .with("AWS_CONFIG_FILE", config.to_str().unwrap())
        .with("AWS_ACCESS_KEY_ID", "DAYKEY");
    let list = ["tenant", "list", "--profile", "night", "--endpoint-url", &url];
    tool.json(&list).json();
    let scope = scopes.lock().unwrap().pop().unwrap();
    assert!(scope.starts_with("NIGHTKEY/") && scope.contains("/eu-north-1/"), "{scope}");

    let error = tool.json(&["tenant", "list", "--profile", "nobody", "--region", "eu-north-1"]).error(2);
    assert!(error["error"].as_str().unwrap().contains("no AWS credentials"), "{error}");
}

#[test]
fn tables_that_are_not_there_are_no_outage() {
    let (cloud, _) = cloud();
    let tool = Tool::of(&cloud).with("OSTIARY_TABLE_APPLICATIONS", "nowhere");
    let error = tool.json(&["tenant", "list"]).error(2);
    assert!(error["error"].as_str().unwrap().contains("the stack isn't there"), "{error}");
}

#[test]
fn a_deployed_stack_is_found_by_its_name() {
    let (cloud, _) = cloud();
    let tool = outside()
        .with("AWS_ENDPOINT_URL_DYNAMODB", &cloud.dynamodb_url())
        .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", &cloud.secrets_url());

    let all = tool.with("AWS_ENDPOINT_URL_CLOUDFORMATION", &cloudformation(200, &description(&cloud, &[])));
    all.json(&["--stack", "my-auth", "tenant", "create", "acme"]).json();
    let made = all.json(&["--stack", "my-auth", "keys", "init"]).json();
    assert_eq!(made["keys"][0]["alg"], "ES256", "what the stack was deployed with");

    let foreign = "<Stacks><member><StackName>shop</StackName><StackStatus>CREATE_COMPLETE</StackStatus>\
                   <CreationTime>2026-01-01T00:00:00Z</CreationTime></member></Stacks>";
    let other = all.with("AWS_ENDPOINT_URL_CLOUDFORMATION", &cloudformation(200, &result(foreign)));
    let error = other.json(&["--stack", "shop", "tenant", "list"]).error(1);
    assert_eq!(error["field"], "stack");
    assert!(error["error"].as_str().unwrap().contains("CREATE_COMPLETE) has no output"), "{error}");

    let missing = "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>\
                   <Message>Stack with id gone does not exist</Message></Error><RequestId>1</RequestId></ErrorResponse>";
    let none = other.with("AWS_ENDPOINT_URL_CLOUDFORMATION", &cloudformation(400, missing));
    let error = none.json(&["--stack", "gone", "tenant", "list"]).error(1);
    assert_eq!(error["error"], "there is no stack gone in this account and region");

    let unreachable = none.with("AWS_ENDPOINT_URL_CLOUDFORMATION", &nowhere());
    unreachable.json(&["--stack", "my-auth", "tenant", "list"]).error(3);
}

fn result(stacks: &str) -> String {
    format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
         <DescribeStacksResult>{stacks}</DescribeStacksResult></DescribeStacksResponse>"
    )
}

/// The answer about a stack of the template whose tables are the cloud's.
pub fn description(cloud: &Cloud, more: &[(&str, &str)]) -> String {
    let variable = |name: &str| cloud.environment()[name].clone();
    let outputs = [
        ("CredentialsTableName", variable("OSTIARY_TABLE_CREDENTIALS")),
        ("UsersTableName", variable("OSTIARY_TABLE_USERS")),
        ("TicketsTableName", variable("OSTIARY_TABLE_TICKETS")),
        ("AuthHeadersTableName", variable("OSTIARY_TABLE_AUTH_HEADERS")),
        ("ApplicationsTableName", variable("OSTIARY_TABLE_APPLICATIONS")),
        ("KeysetSecretArn", variable("OSTIARY_KEYSET_SECRET_ID")),
        ("DefaultTenant", "acme".to_owned()),
        ("SigningAlgorithm", "ES256".to_owned()),
    ];
    let mut members = String::new();
    let more = more.iter().map(|(key, value)| (*key, (*value).to_owned()));
    for (key, value) in outputs.into_iter().chain(more) {
        let _ = write!(members, "<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>");
    }
    result(&format!(
        "<Stacks><member><StackName>my-auth</StackName><StackStatus>UPDATE_COMPLETE</StackStatus>\
         <CreationTime>2026-01-01T00:00:00Z</CreationTime><Outputs>{members}</Outputs><Parameters><member>\
         <ParameterKey>Argon2MemoryKiB</ParameterKey><ParameterValue>7168</ParameterValue></member></Parameters>\
         </member></Stacks>"
    ))
}

/// A CloudFormation that has one answer.
pub fn cloudformation(status: u16, body: &str) -> String {
    let body = body.to_owned();
    service(move |_| (status, body.clone()))
}

#[test]
fn help_needs_no_stack() {
    let tool = Tool { environment: BTreeMap::new() };
    for arguments in [&["--help"][..], &["-h"], &["help", "keys"], &["user", "create", "--help"], &["--version"]] {
        let run = tool.run_with(arguments, "", Path::new("/"));
        assert_eq!(run.code, 0, "{arguments:?} {}", run.stderr);
        assert_ne!(run.stdout, "");
    }
    assert!(tool.run(&["user", "create", "--help"]).stdout.contains("Examples:"));
    assert_eq!(tool.run(&[]).code, 2);
}
