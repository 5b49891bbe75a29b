//! What is done to a good event.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::Dice;

use crate::base::Live;
use crate::values;

type Mutation = fn(&Dice, &mut Value, &Live);

const MUTATIONS: &[Mutation] = &[
    odd_forwarding,
    odd_header,
    odd_path,
    odd_path_parameter,
    odd_query,
    odd_body,
    spoilt_body,
    truncated_body,
    doubled_member,
    wrapped_body,
    strange_base64,
    encoded_body,
    other_media_type,
    huge_body,
    doubled_credential,
    joined_credential,
    swapped_credential,
    altered_credential,
    altered_secret,
    version_one,
    wrong_type_somewhere,
    null_somewhere,
    missing_somewhere,
    odd_request_id,
    other_method,
    many_headers,
    extra_members,
    no_object,
];

/// A good event stays as it is, or is changed once or a few times.
pub fn mutate(dice: &Dice, event: &mut Value, live: &Live) {
    let times = dice.one(&[0, 1, 1, 1, 1, 2, 2, 3, 5]);
    for _ in 0..times {
        dice.one(MUTATIONS)(dice, event, live);
    }
}

/// Sets a member where there is an object to hold it.
fn set(event: &mut Value, parent: &str, name: &str, value: Value) {
    if let Some(Value::Object(members)) = event.pointer_mut(parent) {
        members.insert(name.to_owned(), value);
    }
}

fn body(event: &Value) -> String {
    event.get("body").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A place near the middle that is the start of a character.
fn place(dice: &Dice, text: &str) -> usize {
    let mut place = dice.below(text.len() + 1);
    while !text.is_char_boundary(place) {
        place -= 1;
    }
    place
}

fn odd_forwarding(dice: &Dice, event: &mut Value, _: &Live) {
    let names =
        ["host", "Host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-host", "forwarded"];
    let name = dice.one(&names);
    let value = if dice.percent(80) { json!(values::text(dice)) } else { values::value(dice) };
    set(event, "/headers", name, value);
}

fn odd_header(dice: &Dice, event: &mut Value, _: &Live) {
    let name = if dice.percent(50) { values::text(dice) } else { "x-amzn-trace-id".to_owned() };
    let value = if dice.percent(80) { json!(values::text(dice)) } else { values::value(dice) };
    set(event, "/headers", &name, value);
}

fn odd_path(dice: &Dice, event: &mut Value, _: &Live) {
    let path = format!("/{}/{}", values::text(dice), values::text(dice));
    set(event, "", "rawPath", json!(path));
    set(event, "/requestContext/http", "path", json!(path));
}

fn odd_path_parameter(dice: &Dice, event: &mut Value, live: &Live) {
    let value = match dice.below(4) {
        0 => json!(dice.one(&live.ids)),
        1 => json!(dice.one(&live.tickets)),
        _ => json!(values::text(dice)),
    };
    set(event, "/pathParameters", "id", value);
}

fn odd_query(dice: &Dice, event: &mut Value, live: &Live) {
    let old = event.get("rawQueryString").and_then(Value::as_str).unwrap_or_default().to_owned();
    let names = [
        "accessTokenId",
        "%61ccessTokenId",
        "username",
        "password",
        "tenantName",
        "tentantName",
        "m",
        "%64",
        "token",
        "x",
        "profileId",
        "%72ole",
        "attributesToReturn",
        "sortBy",
        "count",
        "id",
    ];
    let name = dice.one(&names);
    let value = if dice.percent(30) { dice.one(&live.access_tokens) } else { values::text(dice) };
    let query = match dice.below(4) {
        0 => value,
        1 => format!("{old}&{name}={value}"),
        2 => format!("{old}&{old}"),
        _ => format!("?{name}={value}&{old}#{value}"),
    };
    set(event, "", "rawQueryString", json!(query));
}

fn odd_body(dice: &Dice, event: &mut Value, _: &Live) {
    let value = if dice.percent(80) { json!(values::text(dice)) } else { values::value(dice) };
    set(event, "", "body", value);
}

/// A member's value, or the separators of a form, in place of others.
fn spoilt_body(dice: &Dice, event: &mut Value, _: &Live) {
    let old = body(event);
    let new = match serde_json::from_str::<Value>(&old) {
        Ok(Value::Object(mut members)) => {
            let names: Vec<String> = members.keys().cloned().chain(["expires".to_owned()]).collect();
            members.insert(dice.one(&names), values::value(dice));
            Value::Object(members).to_string()
        }
        _ => old.replacen(['=', '&', '%'], &values::text(dice), 1),
    };
    set(event, "", "body", json!(new));
}

fn truncated_body(dice: &Dice, event: &mut Value, _: &Live) {
    let old = body(event);
    let end = place(dice, &old);
    set(event, "", "body", json!(old[..end]));
}

fn doubled_member(dice: &Dice, event: &mut Value, _: &Live) {
    let old = body(event);
    let inside = old.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let new = match inside {
        Some(inside) if dice.percent(50) => format!("{{{inside},{inside}}}"),
        Some(inside) => format!("{{{inside},{}}}", inside.to_ascii_uppercase()),
        None => format!("{old}&{old}"),
    };
    set(event, "", "body", json!(new));
}

fn wrapped_body(dice: &Dice, event: &mut Value, _: &Live) {
    let old = body(event);
    let depth = dice.below(3000);
    let new = match dice.below(4) {
        0 => format!("[{old}]"),
        1 => format!("{{\"a\":{old}}}"),
        2 => format!("\u{feff}{old}"),
        _ => format!("{}{old}{}", "[".repeat(depth), "]".repeat(depth)),
    };
    set(event, "", "body", json!(new));
}

fn strange_base64(dice: &Dice, event: &mut Value, _: &Live) {
    let flag = if dice.percent(80) { json!(true) } else { values::value(dice) };
    set(event, "", "isBase64Encoded", flag);
}

fn encoded_body(dice: &Dice, event: &mut Value, _: &Live) {
    let mut bytes = body(event).into_bytes();
    if dice.percent(50) && !bytes.is_empty() {
        let place = dice.below(bytes.len());
        bytes[place] = u8::try_from(dice.below(256)).unwrap_or_default();
    }
    let mut text = STANDARD.encode(bytes);
    if dice.percent(30) {
        text.push_str(dice.one(&["=", "\n", "-", " ", "A"]));
    }
    set(event, "", "body", json!(text));
    set(event, "", "isBase64Encoded", json!(true));
}

fn other_media_type(dice: &Dice, event: &mut Value, _: &Live) {
    let types = [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json; charset=latin1",
        "application/x-www-form-urlencoded",
        "text/plain",
        "text/plain;charset=utf-8;;=",
        ";",
    ];
    let value = if dice.percent(70) { dice.one(&types).to_owned() } else { values::text(dice) };
    let name = dice.one(&["content-type", "Content-Type"]);
    set(event, "/headers", name, json!(value));
}

/// Rare, since each costs as much as a hundred others.
fn huge_body(dice: &Dice, event: &mut Value, _: &Live) {
    if dice.percent(20) {
        let length = 65_500 + dice.below(80);
        let old = body(event);
        set(event, "", "body", json!(format!("{old}{}", " ".repeat(length.saturating_sub(old.len())))));
    }
}

const CREDENTIALS: [&str; 4] = ["authorization", "x-authorization", "x-api-key", "x-access-token-id"];

fn any_secret(dice: &Dice, live: &Live) -> String {
    let pool = dice.one(&[&live.jwts, &live.auth_headers, &live.tickets, &live.access_tokens, &live.ids]);
    dice.one(pool)
}

fn doubled_credential(dice: &Dice, event: &mut Value, live: &Live) {
    let name = dice.one(&CREDENTIALS);
    set(event, "/headers", name, json!(any_secret(dice, live)));
    set(event, "/headers", &name.to_ascii_uppercase(), json!(any_secret(dice, live)));
}

fn joined_credential(dice: &Dice, event: &mut Value, live: &Live) {
    let value = format!("{}{}{}", any_secret(dice, live), dice.one(&[",", ", ", ";"]), any_secret(dice, live));
    set(event, "/headers", dice.one(&CREDENTIALS), json!(value));
}

fn swapped_credential(dice: &Dice, event: &mut Value, live: &Live) {
    let value = match dice.below(4) {
        0 => format!("Bearer {}", any_secret(dice, live)),
        1 => format!("{} {}", values::text(dice), any_secret(dice, live)),
        2 => values::text(dice),
        _ => any_secret(dice, live),
    };
    set(event, "/headers", dice.one(&CREDENTIALS), json!(value));
}

fn altered(dice: &Dice, text: &str) -> String {
    let place = place(dice, text);
    let (head, tail) = text.split_at(place);
    match dice.below(3) {
        0 => format!("{head}{}{tail}", values::text(dice)),
        1 => head.to_owned(),
        _ => format!("{head}{}", tail.chars().skip(1).collect::<String>()),
    }
}

fn altered_credential(dice: &Dice, event: &mut Value, live: &Live) {
    let value = altered(dice, &any_secret(dice, live));
    set(event, "/headers", dice.one(&CREDENTIALS), json!(value));
}

fn altered_secret(dice: &Dice, event: &mut Value, live: &Live) {
    let place = dice.one(&["/headers/authorization", "/pathParameters/id", "/rawQueryString", "/body"]);
    if let Some(Value::String(text)) = event.pointer_mut(place) {
        *text = altered(dice, text);
    } else {
        let value = altered(dice, &any_secret(dice, live));
        set(event, "/pathParameters", "id", json!(value));
    }
}

/// The REST API's event, as far as it differs.
fn version_one(dice: &Dice, event: &mut Value, _: &Live) {
    let version = if dice.percent(80) { json!("1.0") } else { values::value(dice) };
    set(event, "", "version", version);
    set(event, "", "httpMethod", json!("POST"));
    set(event, "", "path", json!("/user/login"));
    set(event, "", "multiValueHeaders", json!({ "authorization": ["a", "b"] }));
    set(event, "", "queryStringParameters", Value::Null);
}

fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    if let Value::Object(members) = value {
        for (name, member) in members {
            let here = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            pointers(member, &here, found);
            found.push(here);
        }
    }
}

fn somewhere(dice: &Dice, event: &Value) -> Option<String> {
    let mut found = Vec::new();
    pointers(event, "", &mut found);
    if found.is_empty() { None } else { Some(dice.one(&found)) }
}

fn wrong_type_somewhere(dice: &Dice, event: &mut Value, _: &Live) {
    if let Some(place) = somewhere(dice, event).and_then(|place| event.pointer_mut(&place)) {
        *place = values::value(dice);
    }
}

fn null_somewhere(dice: &Dice, event: &mut Value, _: &Live) {
    if let Some(place) = somewhere(dice, event).and_then(|place| event.pointer_mut(&place)) {
        *place = Value::Null;
    }
}

fn missing_somewhere(dice: &Dice, event: &mut Value, _: &Live) {
    let Some(place) = somewhere(dice, event) else { return };
    let Some((parent, name)) = place.rsplit_once('/') else { return };
    if let Some(Value::Object(members)) = event.pointer_mut(parent) {
        members.remove(&name.replace("~1", "/").replace("~0", "~"));
    }
}

fn odd_request_id(dice: &Dice, event: &mut Value, _: &Live) {
    let value = if dice.percent(80) { json!(values::text(dice)) } else { values::value(dice) };
    set(event, "/requestContext", "requestId", value);
}

fn other_method(dice: &Dice, event: &mut Value, _: &Live) {
    let methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "get", "", "PRI"];
    let method = dice.one(&methods);
    set(event, "/requestContext/http", "method", json!(method));
    set(event, "", "routeKey", json!(format!("{method} {}", values::text(dice))));
}

fn many_headers(dice: &Dice, event: &mut Value, _: &Live) {
    for number in 0..dice.below(60) {
        set(event, "/headers", &format!("x-{number}"), json!("x"));
    }
}

fn extra_members(dice: &Dice, event: &mut Value, _: &Live) {
    for name in ["cookies", "stageVariables", "queryStringParameters", "isBase64encoded", "type", "identitySource"] {
        set(event, "", name, values::value(dice));
    }
}

fn no_object(dice: &Dice, event: &mut Value, _: &Live) {
    if dice.percent(10) {
        *event = values::value(dice);
    }
}
