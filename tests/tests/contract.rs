//! One list of endpoints: `ROUTES`, the OpenAPI document, the template, the folders, the watch router and the events say
//! the same; and each function may do what its code does and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use shared::api::{ALIASES, ROUTES, UNROUTED};
use tests::{document, read, shape, workspace};

/// Name, method and path.
type Operation = (String, String, String);

/// Every route, the older spellings included.
fn routes() -> BTreeSet<Operation> {
    let older = ALIASES.iter().map(|alias| (alias.route, alias.path));
    let all = ROUTES.iter().map(|route| (route, route.path)).chain(older);
    all.map(|(route, path)| owned(route.name, route.method, path)).collect()
}

fn owned(name: &str, method: &str, path: &str) -> Operation {
    (name.to_owned(), method.to_ascii_uppercase(), path.to_owned())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object")).iter()
}

/// The template as JSON: short forms of intrinsic functions become `{"Ref": …}`, `{"Fn::GetAtt": …}` and so on.
fn template() -> Value {
    plain(yaml_serde::from_str(&read("template.yaml")).unwrap())
}

fn plain(yaml: yaml_serde::Value) -> Value {
    use yaml_serde::Value as Yaml;
    match yaml {
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = tag.trim_start_matches('!');
            let name = if name == "Ref" { name.to_owned() } else { format!("Fn::{name}") };
            Value::Object([(name, plain(tagged.value))].into_iter().collect())
        }
        Yaml::Sequence(items) => items.into_iter().map(plain).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries.into_iter().map(|(key, value)| (text(&plain(key)).to_owned(), plain(value)));
            Value::Object(entries.collect())
        }
        other => serde_json::to_value(other).unwrap(),
    }
}

/// Every function of the template: logical id, binary and resource.
fn functions(template: &Value) -> Vec<(&str, &str, &Value)> {
    let functions = members(&template["Resources"]).filter(|(_, it)| it["Type"] == "AWS::Serverless::Function");
    functions.map(|(id, it)| (id.as_str(), text(&it["Metadata"]["BuildProperties"]["Binary"]), it)).collect()
}

fn pascal_case(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(1);
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    words.collect()
}

/// What cargo knows of this workspace.
fn metadata() -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(workspace());
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_template_has_the_same_routes() {
    let template = template();
    let mut found = BTreeSet::new();
    for (id, name, function) in functions(&template) {
        assert_eq!(id, pascal_case(name), "the logical id of {name}");
        // What AWS calls has no event of its own.
        for (_, event) in function["Properties"]["Events"].as_object().into_iter().flatten() {
            assert_eq!(event["Type"], "HttpApi", "{id}");
            let route = &event["Properties"];
            assert!(found.insert(owned(name, text(&route["Method"]), text(&route["Path"]))), "{id} has a route twice");
        }
    }
    assert_eq!(found, routes());
}

/// The names of every function: those of the routes, and those that AWS calls.
fn all_functions() -> BTreeSet<String> {
    let routed = ROUTES.iter().map(|route| route.name);
    routed.chain(UNROUTED.iter().map(|function| function.name)).map(str::to_owned).collect()
}

#[test]
fn every_function_is_in_the_template() {
    let template = template();
    let found: Vec<String> = functions(&template).iter().map(|(_, name, _)| (*name).to_owned()).collect();
    assert_eq!(found.len(), all_functions().len(), "none is there twice");
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), all_functions());
}

#[test]
fn the_folders_packages_and_binaries_have_the_same_names() {
    let expected = all_functions();
    let entries = std::fs::read_dir(workspace().join("functions")).unwrap();
    let folders: BTreeSet<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(folders, expected);
    let metadata = metadata();
    let mut packages = BTreeSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        let folder = Path::new(text(&package["manifest_path"])).parent().unwrap();
        if folder.parent() != Some(&workspace().join("functions")) {
            continue;
        }
        let name = text(&package["name"]);
        assert_eq!(folder.file_name().unwrap().to_str(), Some(name), "a package is named as its folder");
        let targets = package["targets"].as_array().unwrap().iter();
        let binaries: Vec<&str> =
            targets.filter(|target| target["kind"][0] == "bin").map(|target| text(&target["name"])).collect();
        assert_eq!(binaries, [name], "a package has one binary, named as it");
        packages.insert(name.to_owned());
    }
    assert_eq!(packages, expected);
}

#[test]
fn the_watch_router_has_the_same_routes() {
    let metadata = metadata();
    let mut found = BTreeSet::new();
    for (path, targets) in members(&metadata["metadata"]["lambda"]["watch"]["router"]) {
        for target in targets.as_array().unwrap() {
            found.insert(owned(text(&target["function"]), text(&target["method"]), path));
        }
    }
    assert_eq!(found, routes());
}

#[test]
fn the_openapi_document_has_the_same_operations() {
    let document = shared::openapi::document();
    let mut found = BTreeSet::new();
    for (path, methods) in members(&document["paths"]) {
        for (method, operation) in members(methods) {
            // No two operations have one id.
            let id = text(&operation["operationId"]);
            let name = if operation["deprecated"] == true { id.strip_suffix("-older").unwrap() } else { id };
            found.insert(owned(name, method, path));
        }
    }
    assert_eq!(found, routes());
}

#[test]
fn the_events_are_for_the_same_functions() {
    let entries = std::fs::read_dir(workspace().join("events")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let bases: BTreeSet<String> = names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect();
    let (base, cases): (BTreeSet<_>, BTreeSet<_>) = bases.iter().partition(|name| !name.contains('.'));
    let functions = all_functions();
    let base: BTreeSet<String> = base.into_iter().filter(|name| *name != "expected").cloned().collect();
    assert_eq!(base, functions, "each function has its valid event");
    for case in cases {
        let function = case.split('.').next().unwrap();
        assert!(functions.contains(function), "events/{case}.json is for no function");
    }
}

#[test]
fn an_event_goes_to_its_functions_route() {
    for route in ROUTES {
        let event: Value = serde_json::from_str(&read(&format!("events/{}.json", route.name))).unwrap();
        assert_eq!(event["version"], "2.0");
        assert_eq!(event["routeKey"], format!("{} {}", route.method, route.path), "events/{}.json", route.name);
        assert_eq!(event["requestContext"]["http"]["method"], route.method);
    }
}

#[test]
fn the_document_knows_every_status_that_an_endpoint_answers() {
    let mut wrong = Vec::new();
    for route in ROUTES {
        let responses = &document::operation(route)["responses"];
        let documented: BTreeSet<u16> = members(responses).map(|(status, _)| status.parse().unwrap()).collect();
        let mut answered = shape::own_statuses(route);
        answered.extend([429, 500]);
        answered.extend((route.name != "test-unsecure").then_some(503));
        if documented != answered {
            wrong.push(format!("{}: {documented:?}, and {answered:?} by the contract", route.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Each example with its schema and what it is an example of.
fn examples(content: &Value) -> Vec<(&Value, &Value)> {
    let mut found = Vec::new();
    for (_, media) in members(content) {
        let several = media["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
        let all = media.get("example").into_iter().chain(several);
        found.extend(all.map(|example| (&media["schema"], example)));
    }
    found
}

#[test]
fn every_example_of_the_document_fits_its_schema_and_the_contract() {
    for route in ROUTES {
        let operation = document::operation(route);
        for (status, response) in members(&operation["responses"]) {
            let found = examples(&response["content"]);
            assert!(!found.is_empty(), "{} {status} has no example", route.name);
            for (schema, example) in found {
                assert_eq!(document::fits(schema, example), Ok(()), "{} {status}", route.name);
                // The gateway's own answer and an empty body have no family.
                if status != "429" && example != "" {
                    let fits = shape::body(route, status.parse().unwrap(), example);
                    assert_eq!(fits, Ok(()), "{} {status}", route.name);
                }
            }
        }
        if let Some(body) = operation.get("requestBody") {
            for (schema, example) in examples(&body["content"]) {
                assert_eq!(document::fits(schema, example), Ok(()), "the request of {}", route.name);
            }
        }
    }
}

#[test]
fn a_value_that_breaks_a_schema_is_noticed() {
    let schema = |name: &str| shared::openapi::document()["components"]["schemas"][name].clone();
    let (message, request) = (schema("Message"), schema("ProfileJwtRequest"));
    assert_eq!(document::fits(&message, &json!({ "message": "Hi" })), Ok(()));
    for wrong in [json!({}), json!({ "message": 1 }), json!([]), json!({ "message": "Hi", "more": 1 }), json!(null)] {
        assert!(document::fits(&message, &wrong).is_err(), "{wrong}");
    }
    let response = &document::operation(&shared::api::OAUTH2_INTROSPECT)["responses"]["200"];
    let introspection = &response["content"]["application/json"]["schema"];
    let mut good = response["content"]["application/json"]["example"].clone();
    assert_eq!(document::fits(introspection, &json!({ "active": false })), Ok(()));
    assert_eq!(document::fits(introspection, &good), Ok(()));
    good["active"] = json!(false);
    for wrong in [good, json!({ "active": true }), json!({ "active": false, "sub": "x" }), json!({})] {
        assert!(document::fits(introspection, &wrong).is_err(), "{wrong}");
    }
    for (duration, good) in [(json!(null), true), (json!(86_400), true), (json!(86_401), false), (json!("1"), false)] {
        assert_eq!(document::fits(&request, &json!({ "duration": duration })).is_ok(), good, "{duration}");
    }
}

#[test]
fn the_committed_openapi_document_is_the_generated_one() {
    let path = workspace().join("docs/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, format!("{:#}\n", shared::openapi::document())).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    // As values, since the order of members depends on features that other packages ask of serde_json.
    let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
    assert!(
        committed == shared::openapi::document(),
        "docs/openapi.json is not current. Update it by: UPDATE_OPENAPI=1 cargo test -p tests --test contract; tools/api_page.py"
    );
}

/// A table, or the secret, and what may be done with it.
type Right = (&'static str, &'static [&'static str]);

const SECRET: Right = ("KeysetSecret", &["secretsmanager:GetSecretValue"]);

/// Of those that take a password, where there is a pepper.
const PEPPER: Right = ("PepperSecret", &["secretsmanager:GetSecretValue"]);

const USERS_BY_TENANT: &str = "${UsersTable.Arn}/index/by_tenant";
const APPLICATIONS_BY_KIND: &str = "${ApplicationsTable.Arn}/index/by_kind";

/// What each function may do: tables with their actions.
#[rustfmt::skip]
const PERMISSIONS: &[(&str, &[Right])] = &[
    ("user-login", &[
        ("CredentialsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), ("UsersTable", &["dynamodb:BatchGetItem"]),
        ("TicketsTable", &["dynamodb:PutItem", "dynamodb:DeleteItem"]), ("ApplicationsTable", &["dynamodb:BatchGetItem"]), SECRET, PEPPER,
    ]),
    ("user-password", &[
        ("CredentialsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]),
        ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), ("ApplicationsTable", &["dynamodb:BatchGetItem"]), PEPPER,
    ]),
    ("user-forgot", &[
        ("CredentialsTable", &["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]),
        ("UsersTable", &["dynamodb:BatchGetItem"]), ("ApplicationsTable", &["dynamodb:BatchGetItem"]), (EVENT_BUS, &["events:PutEvents"]),
    ]),
    ("user-reset", &[
        ("CredentialsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]),
        ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), ("ApplicationsTable", &["dynamodb:BatchGetItem"]), PEPPER,
    ]),
    ("user-verify", &[
        ("CredentialsTable", &["dynamodb:BatchGetItem", "dynamodb:DeleteItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]),
    ]),
    ("user-renew", &[
        ("UsersTable", &["dynamodb:BatchGetItem"]), ("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), SECRET,
    ]),
    ("user-token", &[
        ("UsersTable", &["dynamodb:BatchGetItem"]), ("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), SECRET,
    ]),
    ("user-sessions", &[
        ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:Query"]), SECRET,
    ]),
    ("user-sessions-revoke", &[
        ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:DeleteItem", "dynamodb:UpdateItem"]), SECRET,
    ]),
    ("user-logout", &[
        ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:DeleteItem"]), SECRET,
    ]),
    ("authheader-add", &[
        ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem"]),
        ("AuthHeadersTable", &["dynamodb:PutItem", "dynamodb:Query"]), SECRET,
    ]),
    ("authheader-list", &[
        ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem"]),
        ("AuthHeadersTable", &["dynamodb:Query"]), SECRET,
    ]),
    ("authheader-delete", &[
        ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem"]),
        ("AuthHeadersTable", &["dynamodb:Query", "dynamodb:DeleteItem"]), SECRET,
    ]),
    ("authheader-rotate", &[
        ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem"]), ("AuthHeadersTable", &["dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"]), SECRET,
    ]),
    ("authheader-report-leaked", &[
        ("AuthHeadersTable", &["dynamodb:DeleteItem"]),
    ]),
    ("ticket-authenticate", &[
        ("CredentialsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), ("ApplicationsTable", &["dynamodb:BatchGetItem"]),
        ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:PutItem", "dynamodb:DeleteItem"]), PEPPER,
    ]),
    ("ticket-get", &[
        ("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"]),
        ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]),
    ]),
    ("ticket-invalidate", &[
        ("ApplicationsTable", &["dynamodb:BatchGetItem"]),
        ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:DeleteItem"]),
    ]),
    ("ticket-create", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:PutItem"])]),
    ("persistent-login-create", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:PutItem"])]),
    ("persistent-login-get", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:DeleteItem"])]),
    ("persistent-login-refresh", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"])]),
    ("persistent-login-delete", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:DeleteItem"])]),
    ("access-token-create", &[("ApplicationsTable", &["dynamodb:BatchGetItem", "dynamodb:PutItem"])]),
    ("access-token-get", &[("ApplicationsTable", &["dynamodb:BatchGetItem"])]),
    ("access-token-list", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), (APPLICATIONS_BY_KIND, &["dynamodb:Query"])]),
    ("access-token-delete", &[("ApplicationsTable", &["dynamodb:BatchGetItem", "dynamodb:DeleteItem"])]),
    ("tenant-create", &[("ApplicationsTable", &["dynamodb:BatchGetItem", "dynamodb:PutItem"])]),
    ("tenant-get", &[("ApplicationsTable", &["dynamodb:BatchGetItem"])]),
    ("tenant-list", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), (APPLICATIONS_BY_KIND, &["dynamodb:Query"])]),
    ("tenant-count", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), (APPLICATIONS_BY_KIND, &["dynamodb:Query"])]),
    ("tenant-update", &[("ApplicationsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"])]),
    ("tenant-delete", &[("ApplicationsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]), (APPLICATIONS_BY_KIND, &["dynamodb:Query"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]), (USERS_BY_TENANT, &["dynamodb:Query"]), ("CredentialsTable", &["dynamodb:DeleteItem"]), ("AuthHeadersTable", &["dynamodb:Query", "dynamodb:DeleteItem"]), ("TicketsTable", &["dynamodb:Query", "dynamodb:DeleteItem"])]),
    ("api1-profile-create", &[("ApplicationsTable", &["dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]), ("CredentialsTable", &["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"]), ("AuthHeadersTable", &["dynamodb:Query", "dynamodb:DeleteItem"]), ("TicketsTable", &["dynamodb:Query", "dynamodb:DeleteItem"]), (EVENT_BUS, &["events:PutEvents"]), PEPPER]),
    ("api1-profile-get", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"])]),
    ("api1-profile-update", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), ("CredentialsTable", &["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"]), PEPPER]),
    ("api1-profile-enable", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"])]),
    ("api1-profile-disable", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"])]),
    ("api1-profile-delete", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]), ("CredentialsTable", &["dynamodb:DeleteItem"]), ("AuthHeadersTable", &["dynamodb:Query", "dynamodb:DeleteItem"]), ("TicketsTable", &["dynamodb:Query", "dynamodb:DeleteItem"])]),
    ("api1-profile-roles-add", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"])]),
    ("api1-profile-roles-remove", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"])]),
    ("api1-profile-attributes-get", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"])]),
    ("api1-profile-attributes-update", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"])]),
    ("api1-profile-attributes-remove", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"])]),
    ("api1-profile-by-username", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("CredentialsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"])]),
    ("api1-profile-by-ticket", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"])]),
    ("api1-profile-by-ids", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"])]),
    ("api1-profile-range", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"]), (USERS_BY_TENANT, &["dynamodb:Query"])]),
    ("api1-profile-count", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), (USERS_BY_TENANT, &["dynamodb:Query"])]),
    ("api1-profile-reset-password", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"]), ("CredentialsTable", &["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]), (EVENT_BUS, &["events:PutEvents"])]),
    ("api1-profile-change-password", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), ("CredentialsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]), PEPPER]),
    ("verification-token-create", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"]), ("CredentialsTable", &["dynamodb:PutItem", "dynamodb:UpdateItem"])]),
    ("verification-token-get", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"]), ("CredentialsTable", &["dynamodb:BatchGetItem"])]),
    ("verification-token-delete", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"]), ("CredentialsTable", &["dynamodb:BatchGetItem", "dynamodb:DeleteItem"])]),
    ("api1-profile-verify", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), ("CredentialsTable", &["dynamodb:BatchGetItem", "dynamodb:DeleteItem"])]),
    ("profile-create", &[("ApplicationsTable", &["dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem"]), ("UsersTable", &["dynamodb:PutItem"]), ("CredentialsTable", &["dynamodb:PutItem"])]),
    ("profile-get", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem"]), SECRET]),
    ("profile-update", &[("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), ("TicketsTable", &["dynamodb:BatchGetItem"]), SECRET]),
    ("application-get", &[("ApplicationsTable", &["dynamodb:BatchGetItem"])]),
    ("profile-authenticate", &[
        ("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"]),
        ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:PutItem"]), SECRET,
    ]),
    ("oauth2-introspect", &[
        ("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), ("AuthHeadersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), SECRET,
    ]),
    ("oauth2-revoke", &[
        ("ApplicationsTable", &["dynamodb:BatchGetItem"]), ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:DeleteItem"]), ("AuthHeadersTable", &["dynamodb:BatchGetItem", "dynamodb:DeleteItem"]), SECRET,
    ]),
    ("jwks", &[SECRET]),
    ("openid-configuration", &[SECRET]),
    ("health", &[("UsersTable", &["dynamodb:BatchGetItem"]), SECRET]),
    ("test-secure", &[
        ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]),
        ("AuthHeadersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), SECRET,
    ]),
    ("test-unsecure", &[]),
    ("authorizer", &[
        ("UsersTable", &["dynamodb:BatchGetItem"]), ("TicketsTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]),
        ("AuthHeadersTable", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), SECRET,
    ]),
    ("rotate-signing-keys", &[
        ("KeysetSecret", &[
            "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue",
            "secretsmanager:UpdateSecretVersionStage",
        ]),
    ]),
];

/// The policy that a function has where its condition holds, if it has one; it has none otherwise.
fn unconditional(policy: &Value) -> &Value {
    let Some(choice) = policy.get("Fn::If") else { return policy };
    assert_eq!((&choice[0], &choice[2]), (&json!("HasPepper"), &json!({ "Ref": "AWS::NoValue" })));
    &choice[1]
}

/// The one bus that events may be put on.
const EVENT_BUS: &str = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${EventBusName}";

/// The resource of a statement: a table's ARN, a secret, or the event bus.
fn resource(statement: &Value) -> String {
    let resource = &statement["Resource"];
    if let Some(arn) = resource["Fn::Sub"].as_str() {
        return arn.to_owned();
    }
    if let Some(id) = resource["Ref"].as_str() {
        return id.to_owned();
    }
    let attribute = &resource["Fn::GetAtt"];
    let dotted = attribute.as_str().map_or_else(
        || attribute.as_array().map(|parts| parts.iter().map(text).collect::<Vec<_>>().join(".")),
        |dotted| Some(dotted.to_owned()),
    );
    let dotted = dotted.unwrap_or_else(|| panic!("{resource} names no resource of the template"));
    dotted.strip_suffix(".Arn").unwrap_or_else(|| panic!("{dotted} is no ARN")).to_owned()
}

#[test]
fn each_function_may_do_what_is_listed_and_nothing_else() {
    let template = template();
    let globals = &template["Globals"]["Function"];
    assert!(globals.get("Policies").is_none() && globals.get("Role").is_none(), "no right is given to all at once");
    let mut found: BTreeMap<&str, BTreeMap<String, BTreeSet<&str>>> = BTreeMap::new();
    for (id, name, function) in functions(&template) {
        let properties = &function["Properties"];
        assert!(properties.get("Role").is_none(), "{id} has a role from elsewhere");
        let rights = found.entry(name).or_default();
        for policy in properties["Policies"].as_array().into_iter().flatten() {
            for statement in unconditional(policy)["Statement"].as_array().unwrap() {
                assert_eq!(statement["Effect"], "Allow", "{id}");
                let keys: BTreeSet<&str> = members(statement).map(|(key, _)| key.as_str()).collect();
                let known = BTreeSet::from(["Sid", "Effect", "Action", "Resource", "Condition"]);
                assert!(keys.is_subset(&known), "{id}: {keys:?}");
                let actions = statement["Action"].as_array().unwrap().iter().map(text);
                rights.entry(resource(statement)).or_default().extend(actions);
            }
        }
    }
    let expected: BTreeMap<&str, BTreeMap<String, BTreeSet<&str>>> = PERMISSIONS
        .iter()
        .map(|(name, rights)| {
            let rights = rights.iter().map(|(table, actions)| ((*table).to_owned(), actions.iter().copied().collect()));
            (*name, rights.collect())
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn who_only_asks_whose_a_name_is_may_read_no_hash() {
    let template = template();
    let policies = &template["Resources"]["Api1ProfileByUsername"]["Properties"]["Policies"];
    let statements = policies[0]["Statement"].as_array().unwrap();
    let credentials = statements.iter().filter(|statement| resource(statement) == "CredentialsTable");
    let conditions: Vec<&Value> = credentials.map(|statement| &statement["Condition"]).collect();
    let expected = json!({
        "ForAllValues:StringEquals": { "dynamodb:Attributes": ["pk", "user"] },
        // Who names no attributes would be given all.
        "StringEqualsIfExists": { "dynamodb:Select": "SPECIFIC_ATTRIBUTES" },
    });
    assert_eq!(conditions, [&expected]);
}

#[test]
fn only_those_who_take_a_password_may_read_the_pepper() {
    let template = template();
    for (id, name, function) in functions(&template) {
        let rights = PERMISSIONS.iter().find(|(listed, _)| *listed == name).map_or(&[][..], |(_, rights)| rights);
        let takes_passwords = function["Properties"]["MemorySize"] == json!({ "Ref": "PasswordMemoryMiB" });
        assert_eq!(rights.contains(&PEPPER), takes_passwords, "{id}");
    }
}

#[test]
fn a_flood_of_passwords_is_held_back_wherever_one_is_taken() {
    let template = template();
    let settings = &template["Resources"]["Api"]["Properties"]["RouteSettings"];
    let throttle = json!({
        "ThrottlingRateLimit": { "Ref": "LoginRateLimit" }, "ThrottlingBurstLimit": { "Ref": "LoginBurstLimit" },
    });
    let reserved = json!({
        "Fn::If": ["HasLoginConcurrency", { "Ref": "LoginConcurrency" }, { "Ref": "AWS::NoValue" }],
    });
    for (id, _, function) in functions(&template) {
        let properties = &function["Properties"];
        let takes_passwords = properties["MemorySize"] == json!({ "Ref": "PasswordMemoryMiB" });
        let expected = if takes_passwords { &reserved } else { &Value::Null };
        assert_eq!(&properties["ReservedConcurrentExecutions"], expected, "{id}");
        let events = properties["Events"].as_object().into_iter().flatten().filter(|_| takes_passwords);
        for route in events.map(|(_, event)| &event["Properties"]) {
            let route = format!("{} {}", text(&route["Method"]), text(&route["Path"]));
            assert_eq!(settings[&route], throttle, "{route}");
        }
    }
}

#[test]
fn no_policy_holds_a_wildcard() {
    fn statements<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
        match value {
            Value::Object(members) if members.contains_key("Effect") && members.contains_key("Action") => {
                found.push(value);
            }
            Value::Object(members) => members.values().for_each(|value| statements(value, found)),
            Value::Array(items) => items.iter().for_each(|value| statements(value, found)),
            _ => {}
        }
    }
    let template = template();
    let mut found = Vec::new();
    statements(&template["Resources"], &mut found);
    assert!(!found.is_empty());
    for statement in found {
        assert!(!statement.to_string().contains('*'), "{statement}");
    }
}
