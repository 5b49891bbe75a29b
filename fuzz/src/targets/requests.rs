//! Whole requests, to every endpoint and the authorizer.

use serde_json::{Map, Value, json};
use shared::api::{Access, ROUTES, Route};
use shared::gateway::{Event, MAX_BODY_BYTES, Response};
use shared::invoke::Function as _;
use shared::json::Json;
use tests::shape;

use crate::oracle;
use crate::scene::{self, Scene};

pub const REQUEST: &[&str] = &[
    "user-login",
    "ticket-authenticate",
    "oauth2-introspect",
    "authorization: Bearer {jwt}\n",
    "x-api-key: {full}\n",
    "x-authorization: {key}\n",
    "x-access-token-id: {master}\n",
    "content-type: application/json\n",
    "content-type: application/x-www-form-urlencoded\n",
    "\n\n",
    "{jwt}",
    "{admin-jwt}",
    "{profile-jwt}",
    "{key}",
    "{ticket}",
    "{series}",
    "{series-token}",
    "{everywhere}",
    "{password}",
    "{id}",
    "{other-id}",
    "accessTokenId=",
    "tenantName=",
    "profileId=",
    "token=",
    "Basic ",
    "Bearer ",
    "demo",
    "other",
    "\"username\":",
    "\"attributes\":",
];

pub const EVENT: &[&str] = &[
    "\"version\":\"2.0\"",
    "\"version\":\"1.0\"",
    "\"routeKey\":",
    "\"headers\":{",
    "\"multiValueHeaders\":{",
    "\"pathParameters\":{",
    "\"rawQueryString\":",
    "\"body\":",
    "\"isBase64Encoded\":true",
    "\"requestContext\":{",
    "\"http\":{\"method\":\"POST\"}",
    "\"requestId\":",
    "\"sourceIp\":",
    "\"authorization\":\"Bearer {jwt}\"",
    "\"x-authorization\":\"{key}\"",
    "\"x-ticket\":\"{ticket}\"",
    "\"type\":\"TOKEN\"",
    "\"type\":\"REQUEST\"",
    "\"authorizationToken\":\"Bearer {jwt}\"",
    "\"routeArn\":",
    "\"methodArn\":",
    "\"queryStringParameters\":{\"a\":\"b\"}",
    "\"$serde_json::private::RawValue\":\"\"",
    "arn:aws:execute-api:eu-central-1:123456789012:abcdef123/test/GET/request",
    "null",
    "[]",
    "{}",
];

/// A request as text: `name[/path parameter][?query]`, the headers in lines, an empty line, and the body.
pub fn request(input: &[u8]) {
    scene::with(async |scene| {
        let (input, has_credentials) = scene.expand(input);
        let text = String::from_utf8_lossy(&input);
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let target = lines.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (name, parameter) = path.split_once('/').unwrap_or((path, ""));
        let Some(route) = super::route(name) else { return };
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers: Map<String, Value> = headers.map(|(name, value)| (name.to_owned(), value.into())).collect();
        let event = json!({
            "version": "2.0", "routeKey": format!("{} {}", route.method, route.path), "rawPath": route.path,
            "rawQueryString": query, "headers": headers, "body": body, "isBase64Encoded": false,
            "pathParameters": parameters(route, parameter),
            "requestContext": {
                "requestId": "id", "http": { "method": route.method, "sourceIp": "203.0.113.7", "userAgent": "fuzz" },
            },
        });
        answer(scene, route, event, has_credentials).await;
    });
}

fn parameters(route: &Route, value: &str) -> Map<String, Value> {
    let open = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    open.map(|name| (name.to_owned(), value.into())).collect()
}

/// An event as the runtime hands it over: any JSON.
pub fn event(input: &[u8]) {
    scene::with(async |scene| {
        let (input, has_credentials) = scene.expand(input);
        let Some(Json(event)) = taken(&input) else { return };
        let route = Event::from(event.clone()).route().unwrap_or(&ROUTES[input.len() % ROUTES.len()]);
        answer(scene, route, event, has_credentials).await;
    });
}

/// What the runtime makes of a payload: whatever is JSON has to come through, for otherwise no answer is ours.
fn taken(input: &[u8]) -> Option<Json> {
    oracle::has_doubled_keys(input)?;
    assert!(serde_json::from_slice::<Event>(input).is_ok(), "an event that is JSON ends in the runtime");
    Some(serde_json::from_slice(input).expect("JSON"))
}

async fn answer(scene: &Scene, route: &'static Route, event: Value, has_credentials: bool) {
    let id = Event::from(event.clone()).request_id();
    let longest = event.get("body").and_then(Value::as_str).map_or(0, str::len);
    let response = scene.world.invoke_unchecked(route.name, event).await;
    judge(route, &id, &response, has_credentials);
    if longest > MAX_BODY_BYTES.div_ceil(3) * 4 {
        let calls = scene.world.stack.store.take_calls();
        assert!(calls.is_empty() && response.status() != 200, "{}: a body of {longest} bytes was read", route.name);
    }
}

/// Fails where an answer breaks the contract, or somebody got in without anything.
fn judge(route: &Route, id: &str, response: &Response, has_credentials: bool) {
    let (name, status, body) = (route.name, response.status(), response.body());
    if let Err(flaw) = shape::check(route, id, response) {
        panic!("{name}: {flaw}: {status} {body}");
    }
    assert!(shape::statuses(route).contains(&status), "{name}: the contract knows no such answer: {status} {body}");
    let public = route.access == Access::Open || matches!(name, "user-forgot" | "authheader-report-leaked");
    assert!(public || has_credentials || status >= 400, "{name} let somebody in without anything: {status} {body}");
}

/// What API Gateway asks an authorizer: any JSON.
pub fn authorizer(input: &[u8]) {
    scene::with(async |scene| {
        let (input, has_credentials) = scene.expand(input);
        let Some(event) = taken(&input) else { return };
        let answer = scene.authorizer.call(event, "id").await.expect("nothing is out of reach");
        let answer = serde_json::to_value(&answer).expect("JSON");
        let allows = answer["isAuthorized"] == true || answer.to_string().contains("\"Allow\"");
        let refuses = answer["isAuthorized"] == false || answer.to_string().contains("\"Deny\"");
        assert!(allows != refuses, "neither yes nor no: {answer}");
        assert!(has_credentials || refuses, "somebody was let in without anything: {answer}");
        assert!(allows || answer.get("context").is_none_or(Value::is_null), "a refusal tells something: {answer}");
    });
}
