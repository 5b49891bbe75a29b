//! Each parameter of each path, as the OpenAPI document lists them: missing, empty, doubled, too long, of the wrong type,
//! and full of hostile Unicode. What breaks a rule is told with its name, in the family's own form.

use serde_json::{Value, json};
use shared::access_token::AccessToken;
use shared::api::{Family, ROUTES, Route};
use shared::gateway::Response;
use tests::call::FORM;
use tests::document::{self, Field};
use tests::good::KEY;
use tests::{Call, NEW_PASSWORD, Total, World, good, note, shape};

use super::{error, missing};

static TRIED: Total = Total::new("Q3", "texts-in-fields");
static BACK: Total = Total::new("Q3", "round-trips");

/// Texts that have broken programs, percent-encoded where they are no UTF-8 at all.
const BROKEN: [&str; 5] = ["%ff", "%c0%af", "%ed%a0%80", "%f4%90%80%80", "%e2%82"];

/// Texts that are UTF-8 and odd.
const HOSTILE: [&str; 24] = [
    "\0",
    "a\0b",
    "\u{7f}",
    "\u{85}",
    "\r\nx-evil: 1",
    "\u{202e}evil",
    "\u{200b}",
    "\u{feff}",
    "\u{ffff}",
    "\u{10ffff}",
    "\u{e000}",
    "\u{130}",
    "\u{df}\u{1e9e}",
    "e\u{301}",
    "\u{fdfa}",
    "\u{1f469}\u{200d}\u{1f467}",
    "\u{ff41}\u{ff42}",
    "../../etc/passwd",
    "'; DROP TABLE users; --",
    "${jndi:ldap://x}",
    "<script>alert(1)</script>",
    "$where",
    "{\"$gt\":\"\"}",
    "*",
];

/// Those and the Big List of Naughty Strings.
fn hostile() -> impl Iterator<Item = &'static str> {
    HOSTILE.into_iter().chain(naughty_strings::BLNS.iter().copied())
}

fn encoded(text: &str) -> String {
    tests::escaped(text)
}

/// A request with other values for one parameter, as they stand in a query string; with none it is left out.
fn with_values(call: &Call, name: &str, values: &[&str]) -> Call {
    let event = call.event();
    let in_form = document::body(call.route(), FORM).is_some();
    let place = if in_form { &event["body"] } else { &event["rawQueryString"] };
    let kept = place.as_str().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<String> = kept.filter(|pair| pair.split('=').next() != Some(name)).map(str::to_owned).collect();
    pairs.extend(values.iter().map(|value| format!("{name}={value}")));
    let text = pairs.join("&");
    if in_form { call.clone().body(FORM, &text) } else { call.clone().query(&text) }
}

/// Whether a refusal is a good one: of a documented status, by a code of its own or by a message with the name. That an
/// application may not do it, or that the body is no good at all, says nothing of a parameter, but for those that say
/// where, and for whom.
fn names(response: &Response, route: &Route, name: &str) -> bool {
    let (code, message) = error(response);
    let named = message.split([' ', '\'']).any(|word| word == name);
    let own_code = route.family == Family::Ticket && code != "OTHER";
    let beside_it = match response.status() {
        403 => !matches!(name, "tenantName" | "applicationId"),
        413 | 415 => true,
        _ => false,
    };
    let documented = shape::own_statuses(route).contains(&response.status());
    documented && !beside_it && (named || own_code || response.status() != 400)
}

fn is_done(response: &Response, route: &Route) -> bool {
    response.status() == document::success(route)
}

/// Every endpoint that has parameters, with each of them.
fn parameters() -> impl Iterator<Item = (&'static Route, Field)> {
    let forms = ROUTES.iter().filter(|route| route.family == Family::Ticket);
    forms.flat_map(|route| document::parameters(route).into_iter().map(move |field| (route, field)))
}

/// Collects what is wrong, so that one run tells all of it.
struct Flaws(Vec<String>);

impl Flaws {
    fn check(&mut self, good: bool, route: &Route, field: &Field, what: &str, response: &Response) {
        if !good {
            let body: String = response.body().chars().take(300).collect();
            self.0.push(format!("{} {} {what}: {} {body}", route.name, field.name, response.status()));
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "{:#?}", self.0);
    }
}

#[tokio::test]
async fn a_parameter_that_is_missing_is_named_once_the_application_is_known() {
    let world = World::new().await;
    let (mut flaws, mut required) = (Flaws(Vec::new()), 0);
    for (route, field) in parameters() {
        let call = with_values(&good(&world, route.name).await, &field.name, &[]);
        for call in [call.clone().without(KEY), call.clone().header(KEY, "unknown")] {
            let stranger = world.send(&call).await;
            flaws.check(error(&stranger).0 == "ACCESS_DENIED", route, &field, "missing, and no good key", &stranger);
        }
        let response = world.send(&call).await;
        let expected = ("OTHER".to_owned(), format!("Required parameter '{}' is not present", field.name));
        let fine = if field.required {
            response.status() == 400 && error(&response) == expected
        } else {
            is_done(&response, route)
        };
        flaws.check(fine, route, &field, "missing", &response);
        required += usize::from(field.required);
    }
    assert!(required >= 15, "{required}");
    flaws.none();
}

#[tokio::test]
async fn a_parameter_that_is_empty_is_refused_or_means_none() {
    let world = World::new().await;
    let mut flaws = Flaws(Vec::new());
    for (route, field) in parameters() {
        let call = with_values(&good(&world, route.name).await, &field.name, &[""]);
        let response = world.send(&call).await;
        let refused = response.status() >= 400 && names(&response, route, &field.name);
        let done = is_done(&response, route);
        let fine = match field.name.as_str() {
            // A credential that is empty was shown, and is wrong.
            "token" => refused,
            // Of ids, those that nobody has are left out. No role has an empty name.
            "id" | "role" => refused || done,
            _ if field.required => refused,
            _ => done,
        };
        flaws.check(fine, route, &field, "empty", &response);
    }
    flaws.none();
}

#[tokio::test]
async fn a_parameter_that_comes_twice_is_refused_unless_it_is_a_list() {
    let world = World::new().await;
    let (mut flaws, mut lists) = (Flaws(Vec::new()), 0);
    for (route, field) in parameters() {
        let call = good(&world, route.name).await;
        let example = if field.is_list() { &field.schema["items"] } else { &field.schema };
        let value = value_of(&call, &field.name).unwrap_or_else(|| plausible(example));
        let twice = with_values(&call, &field.name, &[&value, &value]);
        let response = world.send(&twice).await;
        let fine = if field.is_list() {
            is_done(&response, route)
        } else {
            response.status() == 400 && names(&response, route, &field.name) && error(&response).0 == "OTHER"
        };
        flaws.check(fine, route, &field, "doubled", &response);
        lists += usize::from(field.is_list());
        if !field.is_list() {
            if document::body(route, "application/json").is_some() {
                continue;
            }
            let (once, again) = (with_values(&call, &field.name, &[&value]), format!("{}={value}", field.name));
            let in_form = document::body(route, FORM).is_some();
            let both = if in_form { once.query(&again) } else { once.body(FORM, &again) };
            let response = world.send(&both).await;
            flaws.check(response.status() == 400, route, &field, "in both places", &response);
        }
    }
    assert!(lists >= 15, "{lists}");
    flaws.none();
}

/// The value that a request has for a parameter.
fn value_of(call: &Call, name: &str) -> Option<String> {
    let event = call.event();
    let texts = [event["body"].as_str(), event["rawQueryString"].as_str()];
    let mut pairs = texts.into_iter().flatten().flat_map(|text| text.split('&'));
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

/// A value that its schema takes.
fn plausible(schema: &Value) -> String {
    match (&schema["enum"][0], schema["type"].as_str()) {
        (Value::String(first), _) => first.clone(),
        (_, Some("boolean")) => "true".to_owned(),
        (_, Some("integer")) => "1".to_owned(),
        _ => "x".to_owned(),
    }
}

#[tokio::test]
async fn a_parameter_that_is_too_long_is_refused() {
    let world = World::new().await;
    let mut flaws = Flaws(Vec::new());
    for (route, field) in parameters() {
        for long in ["x".repeat(30_000), "%f0%9f%92%a9".repeat(4_000)] {
            let call = with_values(&good(&world, route.name).await, &field.name, &[&long]);
            let _earlier = world.stack.store.take_calls();
            let response = world.send(&call).await;
            let fine = matches!(response.status(), 400 | 404) && names(&response, route, &field.name);
            flaws.check(fine, route, &field, "too long", &response);
            let asked = world.stack.store.take_calls().len();
            flaws.check(asked <= 1, route, &field, "too long, and it cost more than one call", &response);
        }
    }
    flaws.none();
}

#[tokio::test]
async fn a_parameter_of_the_wrong_type_is_refused() {
    let world = World::new().await;
    let (mut flaws, mut tried) = (Flaws(Vec::new()), 0);
    for (route, field) in parameters() {
        let wrong: &[&str] = match (field.schema["enum"].is_array(), field.schema["type"].as_str()) {
            (true, _) => &["nothing", "0", "true", "%00", "username%20"],
            (_, Some("boolean")) => &["maybe", "2", "-1", "true%20", "null", "%00", "tru", "%D8%A7"],
            (_, Some("integer")) => &["x", "-1", "1.5", "1e3", "%2B1", "0x10", "%D9%A5", "1%20", "null"],
            _ => continue,
        };
        for value in wrong {
            let call = with_values(&good(&world, route.name).await, &field.name, &[value]);
            let response = world.send(&call).await;
            let fine = response.status() == 400 && names(&response, route, &field.name);
            flaws.check(fine, route, &field, value, &response);
            tried += 1;
        }
    }
    assert!(tried >= 30, "{tried}");
    flaws.none();
}

#[tokio::test]
async fn a_parameter_of_hostile_unicode_is_refused_or_taken_as_it_is() {
    let (mut flaws, mut tried) = (Flaws(Vec::new()), 0);
    for (route, field) in parameters() {
        // A world of its own for each, since so many wrong passwords lock an account.
        let world = World::new().await;
        for broken in BROKEN {
            let call = with_values(&good(&world, route.name).await, &field.name, &[broken]);
            let response = world.send(&call).await;
            let fine = response.status() == 400 && names(&response, route, &field.name);
            flaws.check(fine, route, &field, broken, &response);
        }
        let mut call = good(&world, route.name).await;
        for text in hostile() {
            let response = world.send(&with_values(&call, &field.name, &[&encoded(text)])).await;
            let taken_before = response.status() == 409;
            let fine = is_done(&response, route) || taken_before || names(&response, route, &field.name);
            flaws.check(fine, route, &field, &text.escape_unicode().to_string(), &response);
            if response.status() < 300 {
                call = good(&world, route.name).await;
            }
            tried += 1;
        }
    }
    flaws.none();
    TRIED.add(tried);
}

/// An id in the path is looked up, whatever it is, and found to be nobody's.
#[tokio::test]
async fn what_a_path_leaves_open_may_be_anything() {
    let mut flaws = Vec::new();
    let routes = ROUTES.iter().filter(|route| route.path.contains('{'));
    for route in routes {
        let world = World::new().await;
        let call = good(&world, route.name).await;
        for text in hostile().map(String::from).filter(|text| !text.is_empty()).chain(["x".repeat(30_000)]) {
            let _earlier = world.stack.store.take_calls();
            let response = world.send(&call.clone().id(&text)).await;
            if response.status() != missing(route) || world.stack.store.take_calls().len() > 2 {
                let text: String = text.chars().take(40).collect();
                flaws.push(format!("{} {text:?}: {} {}", route.name, response.status(), response.body()));
            }
        }
    }
    assert!(flaws.is_empty(), "{flaws:#?}");
}

/// A good request with another value for one member of its JSON body, or without it.
async fn with_member(world: &World, route: &Route, name: &str, value: Option<Value>) -> Call {
    let call = good(world, route.name).await;
    let mut body: Value = serde_json::from_str(call.event()["body"].as_str().unwrap()).unwrap();
    match value {
        Some(value) => body[name] = value,
        None => drop(body.as_object_mut().unwrap().remove(name)),
    }
    call.json(&body)
}

fn members(families: &[Family]) -> Vec<(&'static Route, Field)> {
    let routes = ROUTES.iter().filter(|route| families.contains(&route.family));
    routes.flat_map(|route| document::members_of_body(route).into_iter().map(move |field| (route, field))).collect()
}

/// The members of JSON bodies: what is wrong with their types is in `input_limits.rs`.
#[tokio::test]
async fn a_member_that_is_missing_or_null_is_named() {
    let world = World::new().await;
    let mut flaws = Flaws(Vec::new());
    for (route, field) in members(&[Family::Ticket, Family::Profile]) {
        let response = world.send(&with_member(&world, route, &field.name, None).await).await;
        let refused = response.status() == 400 && names(&response, route, &field.name);
        flaws.check(refused || (!field.required && is_done(&response, route)), route, &field, "missing", &response);
        let fits = document::fits(&field.schema, &Value::Null).is_ok();
        let response = world.send(&with_member(&world, route, &field.name, Some(Value::Null)).await).await;
        let refused = response.status() == 400 && names(&response, route, &field.name);
        flaws.check(if fits { is_done(&response, route) } else { refused }, route, &field, "null", &response);
    }
    flaws.none();
}

#[tokio::test]
async fn a_member_of_hostile_unicode_is_refused_or_taken_as_it_is() {
    let mut flaws = Flaws(Vec::new());
    let mut tried = 0;
    for (route, field) in members(&[Family::User, Family::Ticket, Family::Profile]) {
        if document::fits(&field.schema, &json!("x".repeat(20))).is_err() {
            continue;
        }
        let world = World::new().await;
        let good = with_member(&world, route, "x", None).await;
        for text in hostile() {
            let mut body: Value = serde_json::from_str(good.event()["body"].as_str().unwrap()).unwrap();
            body[&field.name] = json!(text);
            let response = world.send(&good.clone().json(&body)).await;
            let fine = response.status() < 500 && (is_done(&response, route) || names(&response, route, &field.name));
            flaws.check(fine, route, &field, &text.escape_unicode().to_string(), &response);
            tried += 1;
        }
    }
    assert!(tried > 10_000, "{tried}");
    flaws.none();
    TRIED.add(tried);
    note("Q3", "naughty-strings", naughty_strings::BLNS.len());
}

/// One text in a place where texts are kept, and what is there afterwards; nothing where it was refused.
async fn kept(world: &World, place: &str, number: usize, text: &str) -> Option<(Value, Value)> {
    let keys = &world.applications;
    let id = world.newcomer().await.user.id.to_string();
    let by_key = |name: &str| Call::to(name).id(&id).header(KEY, &keys.full);
    let by_all = |name: &str| Call::to(name).header(KEY, &keys.everywhere);
    let v1 = |name: &str| Call::to(name).id(&id).header("x-api-key", &keys.full);
    let attributes = json!({ text: [text, { text: 1.5 }, null, true] });
    let tenant = format!("tenant-{number}");
    let (write, read, pointer, sent) = match place {
        "roles" => (
            by_key("api1-profile-roles-add").parameters(&[("role", text)]),
            by_key("api1-profile-get"),
            "/roles/1",
            json!(text),
        ),
        "attributes" => {
            let write = by_key("api1-profile-attributes-update").json(&attributes);
            let mut expected = attributes.clone();
            expected["home"] =
                world.send(&by_key("api1-profile-attributes-get")).await.body().parse::<Value>().unwrap()["home"]
                    .take();
            (write, by_key("api1-profile-attributes-get"), "", expected)
        }
        "name" => (v1("profile-update").json(&json!({ "name": text })), v1("profile-get"), "/name", json!(text)),
        "auth header" => {
            let jwt = world.jwt(&world.newcomer().await).await;
            let write = Call::to("authheader-add").bearer(&jwt).json(&json!({ "name": text }));
            (write, Call::to("authheader-list").bearer(&jwt), "/0/name", json!(text))
        }
        "application" => {
            let token = AccessToken::generate(&*world.stack.random);
            let token = token.expose_secret();
            let by_master = |name: &str| Call::to(name).header(KEY, &keys.master);
            let body = json!({ "id": token, "application": text, "master": false, "tenantPermissions": [] });
            let (write, read) = (by_master("access-token-create").json(&body), by_master("access-token-get").id(token));
            (write, read, "/application", json!(text))
        }
        _ => {
            let write = by_all("tenant-create").json(&json!({ "name": tenant, "availableRoles": [text] }));
            (write, by_all("tenant-get").id(&tenant), "/availableRoles/0", json!(text))
        }
    };
    if world.send(&write).await.status() >= 400 {
        return None;
    }
    let answer: Value = world.send(&read).await.body().parse().unwrap();
    Some((sent, answer.pointer(pointer).cloned().unwrap_or_default()))
}

/// What is taken comes back as it was sent.
#[tokio::test]
async fn what_was_taken_comes_back_to_the_letter() {
    let world = World::new().await;
    for place in ["roles", "attributes", "name", "tenant", "auth header", "application"] {
        let mut taken = 0;
        for (number, text) in hostile().enumerate() {
            if let Some((sent, back)) = kept(&world, place, number, text).await {
                assert_eq!(back, sent, "{place}");
                taken += 1;
            }
        }
        assert!(taken > 100, "{place}: {taken}");
        BACK.add(taken);
    }
}

/// A password is what was typed, to the letter: it opens, and one that differs in its last character doesn't.
#[tokio::test]
async fn a_password_that_was_taken_opens_and_no_other() {
    let (world, mut taken) = (World::new().await, 0);
    for text in hostile() {
        let (whom, password) = (world.newcomer().await, format!("{NEW_PASSWORD} {text}"));
        let sent = world.reset_token(&whom).await;
        let reset = json!({ "token": sent, "new": password, "confirm": password });
        let answer = world.send(&Call::to("user-reset").json(&reset)).await;
        if answer.status() != 200 {
            assert_eq!(answer.status(), 400, "{text:?}: {}", answer.body());
            continue;
        }
        let login = |password: &str| {
            Call::to("user-login").json(&json!({ "username": whom.qualified(), "password": password }))
        };
        let other: String = password.chars().take(password.chars().count() - 1).collect();
        assert_eq!(world.send(&login(&other)).await.status(), 401, "{text:?}");
        assert_eq!(world.send(&login(&password)).await.status(), 200, "{text:?}");
        taken += 1;
    }
    assert!(taken > 400, "{taken}");
    BACK.add(taken);
}

/// A user name is kept in its composed form, under which every other one finds it.
#[tokio::test]
async fn a_user_name_that_was_taken_finds_its_profile() {
    let world = World::new().await;
    let mut taken = 0;
    for text in hostile() {
        let call = |name: &str| {
            let call = Call::to(name).header(KEY, &world.applications.full);
            call.parameters(&[("tenantName", "demo"), ("username", text)])
        };
        let made = world.send(&call("api1-profile-create")).await;
        let found = world.send(&call("api1-profile-by-username")).await;
        if made.status() == 200 {
            assert_eq!(made.body(), found.body(), "{text:?}");
            taken += 1;
        } else {
            assert!(matches!(made.status(), 400 | 409), "{text:?}: {}", made.body());
        }
    }
    assert!(taken > 100, "{taken}");
}
