//! 40,000 hostile events: no panic, always an answer, and never a yes for a bad credential.

#[path = "../hostile_events/values.rs"]
mod values;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::world::keyset;
use tests::{Call, Dice, World};

use crate::ask::{MODES, WAYS, Way};

const EVENTS: u64 = 20_000;

/// Places where a hostile value goes.
const PLACES: &[&str] = &[
    "/type",
    "/version",
    "/routeArn",
    "/methodArn",
    "/authorizationToken",
    "/headers",
    "/headers/authorization",
    "/headers/Authorization",
    "/headers/x-authorization",
    "/headers/x-ticket",
    "/multiValueHeaders",
    "/multiValueHeaders/Authorization",
    "/multiValueHeaders/Authorization/0",
    "/requestContext",
    "/requestContext/requestId",
    "/requestContext/http",
    "/requestContext/http/sourceIp",
    "/requestContext/identity/sourceIp",
    "/requestContext/http/userAgent",
];

const ARNS: &[&str] = &[
    "*",
    "arn:aws:execute-api:*:*:*",
    "arn:aws:execute-api:eu-central-1:123456789012:*/live/GET/",
    "arn:aws:execute-api:eu-central-1:123456789012:abcde12345/*/GET/",
    "arn:aws:execute-api:eu-central-1:123456789012:abcde12345/live",
    "arn:aws:execute-api:eu-central-1:123456789012:abcde12345/li*e/GET/\u{0}",
    "arn:aws:execute-api:::/",
    ":::::///",
    "arn",
];

fn mutate(dice: &Dice, event: &mut Value) {
    for _ in 0..dice.one(&[0, 1, 1, 1, 2, 3, 5]) {
        let place = dice.one(PLACES);
        match dice.below(7) {
            0 => put(event, place, values::value(dice)),
            1 => put(event, place, json!(values::text(dice))),
            2 => remove(event, place),
            3 => put(event, dice.one(&["/routeArn", "/methodArn"]), json!(dice.one(ARNS))),
            4 => put(event, "/version", json!(dice.one(&["1.0", "2.0", "3.0", "", " 2.0"]))),
            5 => put(event, "/type", json!(dice.one(&["TOKEN", "REQUEST", "token", ""]))),
            _ => spoil(dice, event, place),
        }
    }
    if dice.percent(2) {
        *event = values::value(dice);
    }
}

fn split(place: &str) -> (&str, &str) {
    place.rsplit_once('/').unwrap_or(("", place))
}

fn put(event: &mut Value, place: &str, value: Value) {
    let (parent, name) = split(place);
    match event.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.insert(name.to_owned(), value)),
        Some(Value::Array(items)) => items.push(value),
        _ => {}
    }
}

fn remove(event: &mut Value, place: &str) {
    let (parent, name) = split(place);
    if let Some(Value::Object(members)) = event.pointer_mut(parent) {
        members.remove(name);
    }
}

/// Alters a text a little: a character in, a character out, a part doubled.
fn spoil(dice: &Dice, event: &mut Value, place: &str) {
    let Some(Value::String(text)) = event.pointer_mut(place) else { return };
    let mut characters: Vec<char> = text.chars().collect();
    let at = dice.below(characters.len() + 1);
    match dice.below(4) {
        0 => characters.insert(at, dice.one(&['\0', ',', ' ', '\r', '\u{a0}', '.', '*', '=', '\u{202e}', 'A'])),
        1 if at < characters.len() => drop(characters.remove(at)),
        2 => characters.extend(characters.clone()),
        _ => characters.truncate(at),
    }
    *text = characters.into_iter().collect();
}

/// Credentials that must never open anything, and some that do.
struct Stock {
    bad: Vec<(&'static str, String)>,
    good: Vec<(&'static str, String)>,
}

impl Stock {
    async fn of(world: &World) -> Self {
        let stranger = World::with_keys(&keyset(8)).await;
        let (strange_jwt, strange_ticket) =
            (stranger.jwt(&stranger.demo).await, stranger.ticket(&stranger.other).await);
        let jwt = world.jwt(&world.demo).await;
        let header = world.auth_header(&jwt).await;
        world.send(&Call::to("authheader-delete").bearer(&jwt).json(&json!({ "text": header }))).await;
        let ticket = world.ticket(&world.demo).await;
        let call = Call::to("ticket-invalidate").id(&ticket).header("x-api-key", &world.applications.full);
        world.send(&call).await;
        let parts: Vec<&str> = jwt.split('.').collect();
        let unsigned = format!("{}.{}.", parts[0], parts[1]);
        let bad = vec![
            ("Authorization", strange_jwt),
            ("Authorization", unsigned),
            ("Authorization", "Bearer junk".to_owned()),
            ("X-Authorization", header),
            ("X-Ticket", ticket),
            ("X-Ticket", strange_ticket),
        ];
        let jwt = world.jwt(&world.demo).await;
        let good = vec![
            ("Authorization", format!("Bearer {jwt}")),
            ("X-Authorization", world.auth_header(&jwt).await),
            ("X-Ticket", world.ticket(&world.demo).await),
            ("Authorization", jwt),
        ];
        Self { bad, good }
    }
}

/// Whether an answer lets somebody in; `Err` for what is no answer of either form, or a policy of more than one stage of
/// the API that the event names.
fn allows(event: &Value, answer: &Value) -> Result<bool, String> {
    if let Some(allowed) = answer["isAuthorized"].as_bool() {
        return Ok(allowed);
    }
    let statement = &answer["policyDocument"]["Statement"][0];
    match statement["Effect"].as_str() {
        Some("Deny") => Ok(false),
        Some("Allow") => {
            let stage = statement["Resource"].as_str().and_then(|resource| resource.strip_suffix("/*")).unwrap_or("");
            let whole = stage.split(':').count() == 6 && stage.split('/').count() == 2 && !stage.contains(['*', '?']);
            let arns = ["routeArn", "methodArn"].map(|member| event[member].as_str().unwrap_or_default());
            let asked = arns.iter().any(|arn| arn.strip_prefix(stage).is_some_and(|rest| rest.starts_with('/')));
            if whole && asked { Ok(true) } else { Err("a policy of more than the stage".to_owned()) }
        }
        _ => Err("no verdict".to_owned()),
    }
}

async fn run(good: bool) -> BTreeMap<(&'static str, bool), usize> {
    let world = World::new().await;
    let stock = Stock::of(&world).await;
    let dice = Dice::new(u64::from(good));
    let mut seen = BTreeMap::new();
    for number in 0..EVENTS {
        let (way, mode) = (dice.one(&WAYS), dice.one(&MODES));
        let (name, value) = dice.one(if good { &stock.good } else { &stock.bad });
        let mut event = way.event(&[(name, &value)]);
        mutate(&dice, &mut event);
        let shown = event.to_string().chars().take(3000).collect::<String>();
        let asked = event.clone();
        // A panic is caught by what serves the function, and becomes a failure.
        let answer = match way.ask(&world, mode, event).await {
            Ok(answer) => answer,
            Err(failure) if failure.kind == "InvalidEvent" && !asked.is_object() => continue,
            Err(failure) => panic!("{number}: {failure:?} {shown}"),
        };
        let allowed = allows(&asked, &answer).unwrap_or_else(|flaw| panic!("{number}: {flaw}: {answer} {shown}"));
        assert!(good || !allowed, "{number}: let in: {shown}");
        *seen.entry((name_of(way), allowed)).or_default() += 1;
    }
    seen
}

fn name_of(way: Way) -> &'static str {
    match way {
        Way::Simple => "simple",
        Way::Policy => "policy",
        Way::Version1 => "version 1",
        Way::Request => "request",
        Way::Token => "token",
    }
}

#[tokio::test]
async fn no_mutation_of_a_bad_credential_is_let_in() {
    let seen = run(false).await;
    assert!(seen.values().sum::<usize>() > 19_000, "{seen:?}");
}

#[tokio::test]
async fn no_mutation_of_a_good_request_panics_or_widens_the_policy() {
    let seen = run(true).await;
    // A generator whose events all fail at the door would prove nothing.
    for way in WAYS {
        for allowed in [true, false] {
            let count = seen.get(&(name_of(way), allowed)).copied().unwrap_or_default();
            assert!(count > 300, "{way:?} {allowed}: {count}");
        }
    }
}
