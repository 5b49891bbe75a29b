//! A function that lacks a setting, or has one that can't work: it answers everything with a 503, and the log names the
//! setting and its rule.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use shared::api::{ALIASES, ROUTES, Route, UNROUTED};
use shared::config::{Config, ConfigError};
use shared::gateway::{Event, Response, handle_without};
use shared::invoke;
use shared::testing::variable;
use tests::call::REQUEST_ID;
use tests::{Call, World, good, read, shape};
use tracing_subscriber::fmt::MakeWriter;

const MISSING: ConfigError = ConfigError::Missing("OSTIARY_ISSUER");
const NAMED: &str = "the environment variable OSTIARY_ISSUER is not set";

#[derive(Clone, Default)]
struct Caught(Arc<Mutex<Vec<u8>>>);

impl Caught {
    fn lines(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap();
        bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

impl Write for Caught {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Caught {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What this thread logs from here on.
fn caught() -> (Caught, tracing::subscriber::DefaultGuard) {
    let caught = Caught::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(caught.clone()).finish();
    (caught, tracing::subscriber::set_default(subscriber))
}

/// The one line about what failed.
fn failure(caught: &Caught) -> Value {
    let mut lines = caught.lines();
    lines.retain(|line| line["level"] == "ERROR");
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

fn assert_refused(route: &Route, id: &str, response: &Response) {
    assert_eq!((response.status(), response.header("retry-after")), (503, Some("2")), "{}", route.name);
    if let Err(flaw) = shape::check(route, id, response) {
        panic!("{}: {flaw}\n{}", route.name, response.body());
    }
    assert!(!response.body().contains("OSTIARY"), "{}", response.body());
}

#[tokio::test]
async fn every_route_answers_its_familys_503_and_the_log_names_the_setting() {
    let world = World::new().await;
    for route in ROUTES {
        let call = good(&world, route.name).await;
        let aliases = ALIASES.iter().filter(|alias| alias.route == route).map(|alias| alias.path);
        for path in [route.path].into_iter().chain(aliases) {
            let (caught, _guard) = caught();
            let response = handle_without(MISSING, Event::from(call.clone().by_alias(path).event())).await;
            let line = failure(&caught);
            assert_refused(route, REQUEST_ID, &response);
            assert_eq!((&line["error"], &line["http.status"]), (&json!(NAMED), &json!(503)), "{line}");
            assert_eq!(line["span"]["request.id"], REQUEST_ID, "{line}");
            assert_eq!(line["span"]["endpoint"], route.name, "{line}");
        }
    }
}

#[tokio::test]
async fn whatever_comes_is_a_503_too() {
    let user = ROUTES.iter().find(|route| route.name == "user-login").unwrap();
    for event in [
        json!(null),
        json!([]),
        json!({}),
        json!({ "routeKey": "$default" }),
        json!({ "routeKey": 7 }),
        json!({ "routeKey": "POST /nowhere" }),
        json!({ "routeKey": "DELETE /user/login" }),
        json!({ "routeKey": "POST" }),
    ] {
        assert_refused(user, "-", &handle_without(MISSING, Event::from(event)).await);
    }
}

#[tokio::test]
async fn what_serves_no_route_fails_and_never_answers() {
    for function in UNROUTED {
        let (caught, _guard) = caught();
        let failure_told = invoke::handle_without(function.name, MISSING, "r-1").await;
        assert_eq!((failure_told.kind, failure_told.message.as_str()), ("Setting", NAMED));
        let line = failure(&caught);
        assert_eq!((&line["error"], &line["span"]["request.id"]), (&json!(NAMED), &json!("r-1")), "{line}");
    }
}

/// Not even to those who read the log: it may be a secret in the wrong variable.
#[tokio::test]
async fn a_value_is_never_told() {
    for (name, value) in [
        ("OSTIARY_ISSUER", "http://canary.example.com"),
        ("OSTIARY_LOGIN_JWT_SECONDS", "canary"),
        ("OSTIARY_PEPPER", "canary"),
        ("OSTIARY_EDGE", "canary"),
        ("OSTIARY_EDGE", "canary-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP"),
    ] {
        let with = |asked| if asked == name { Some(value.to_owned()) } else { variable(asked) };
        let error = Config::read(with).err().unwrap();
        let (caught, _guard) = caught();
        let response = handle_without(error, Event::from(Call::to("user-login").event())).await;
        assert_eq!(response.status(), 503);
        let line = failure(&caught).to_string();
        assert!(line.contains(name) && !line.contains("canary"), "{line}");
    }
}

/// Else a `main` could go on without a setting, or end for want of one.
#[test]
fn every_main_leaves_its_settings_to_the_one_start() {
    let names = ROUTES.iter().map(|route| route.name);
    for name in names.chain(UNROUTED.iter().map(|function| function.name)) {
        let main = read(&format!("functions/{name}/src/main.rs"));
        let unrouted = format!("Start::unrouted(\"{name}\")");
        let begins = if UNROUTED.iter().any(|function| function.name == name) {
            main.contains(&unrouted)
        } else {
            ["start::settings().await?", "Start::new().await?", "start::profile_api("]
                .iter()
                .any(|by| main.contains(by))
                && !main.contains("unrouted")
        };
        assert!(begins && !main.contains("from_env") && !main.contains("unwrap"), "{name}");
    }
}
