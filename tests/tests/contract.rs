//! One list of endpoints: `ROUTES`, the OpenAPI document, the template, the folders, the watch router and the events say
//! the same.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use shared::api::{ALIASES, ROUTES, UNROUTED};
use tests::template::{functions, members, template, text};
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
        answered.extend([429, 500, 503]);
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
