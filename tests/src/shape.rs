//! What holds for every answer, whatever was asked.

use serde_json::Value;
use shared::api::{CACHEABLE, Family, Route};
use shared::gateway::Response;

use crate::document;

/// The statuses that the contract knows for a path, apart from those of a broken dependency.
#[must_use]
pub fn statuses(route: &Route) -> &'static [u16] {
    match route.name {
        "user-login"
        | "authheader-add"
        | "authheader-delete"
        | "authheader-rotate"
        | "ticket-authenticate"
        | "user-sessions-revoke"
        | "oauth2-revoke" => &[200, 400, 401, 403, 404, 413, 415],
        "oauth2-introspect" | "user-password" => &[200, 400, 401, 404, 413, 415],
        "authheader-report-leaked" | "user-forgot" | "user-reset" | "user-verify" => &[200, 400, 404, 413, 415],
        "ticket-get" | "ticket-invalidate" | "profile-authenticate" => &[200, 400, 403, 404, 413, 415],
        "authheader-list" | "user-renew" | "user-token" | "user-sessions" => &[200, 400, 401, 403, 404, 413],
        "user-logout" | "test-secure" => &[200, 400, 401, 404, 413],
        _ => &[200, 400, 404, 413],
    }
}

/// Whether an answer to the request `id` is well formed.
pub fn check(route: &Route, id: &str, response: &Response) -> Result<(), String> {
    let status = response.status();
    sendable(response)?;
    let header = |name: &str| response.header(name).ok_or_else(|| format!("no {name}"));
    if header("x-request-id")? != id {
        return Err(format!("x-request-id is not {id}"));
    }
    let cacheable = status == 200 && matches!(route.name, "jwks" | "openid-configuration");
    let expected = if cacheable { CACHEABLE } else { "no-store" };
    if header("cache-control")? != expected {
        return Err(format!("cache-control is not {expected}"));
    }
    if status == 503 && header("retry-after")?.parse::<u32>().is_err() {
        return Err("retry-after is no number of seconds".to_owned());
    }
    if status == 200 && matches!(route.name, "ticket-invalidate" | "oauth2-revoke") {
        let empty = response.body().is_empty() && header("content-type")?.starts_with("text/plain");
        return if empty { Ok(()) } else { Err("the body is not empty".to_owned()) };
    }
    if header("content-type")? != "application/json" {
        return Err("content-type is not application/json".to_owned());
    }
    let body: Value = serde_json::from_str(response.body()).map_err(|error| error.to_string())?;
    self::body(route, status, &body)?;
    document::check(route, status, &body)
}

/// Whether a JSON body is what the contract says, whatever the document may say.
pub fn body(route: &Route, status: u16, body: &Value) -> Result<(), String> {
    if status == 200 { success(route, body) } else { failure(route.family, body) }
}

/// Whether the gateway can make an HTTP answer of it.
fn sendable(response: &Response) -> Result<(), String> {
    let sent = serde_json::to_value(response).map_err(|error| error.to_string())?;
    let headers = sent["headers"].as_object().ok_or("no headers")?;
    let visible = |value: &Value| {
        value.as_str().is_some_and(|text| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()))
    };
    let complete = sent["statusCode"] == response.status()
        && sent["body"] == response.body()
        && sent["isBase64Encoded"] == false
        && sent["cookies"].is_array();
    if complete && headers.values().all(visible) { Ok(()) } else { Err("the gateway can't send it".to_owned()) }
}

fn failure(family: Family, body: &Value) -> Result<(), String> {
    let members: &[&str] = match family {
        Family::User | Family::Profile => &["message"],
        Family::Ticket => &["errorCode", "message"],
        Family::Standards => &["error", "error_description"],
    };
    exactly(body, members)?;
    let told = body.as_object().is_some_and(|body| body.values().all(|text| text.as_str() > Some("")));
    if told { Ok(()) } else { Err("an error's member is empty or no text".to_owned()) }
}

fn success(route: &Route, body: &Value) -> Result<(), String> {
    match route.name {
        "user-login" | "user-token" => within(body, LOGIN, NEAR_ITS_END),
        "user-renew" => within(body, &[LOGIN, &["access_token", "expires_in", "token_type"]].concat(), NEAR_ITS_END),
        "user-sessions" => {
            let needed = ["id", "family", "created", "lastUsed", "expires", "current"];
            let listed = body.as_array().ok_or("no array")?;
            listed.iter().try_for_each(|session| within(session, &needed, &["network", "userAgent"]))
        }
        "oauth2-introspect" if body["active"] == false => exactly(body, &["active"]),
        "oauth2-introspect" => within(
            body,
            &["active", "credential", "sub", "username", "tenant", "roles", "iat", "iss"],
            &["scope", "exp", "aud", "jti", "token_type"],
        ),
        "user-logout"
        | "authheader-delete"
        | "authheader-report-leaked"
        | "user-forgot"
        | "user-password"
        | "user-reset"
        | "user-verify"
        | "user-sessions-revoke"
        | "test-secure"
        | "test-unsecure" => exactly(body, &["message"]),
        "authheader-add" | "authheader-rotate" => exactly(body, &["id", "name", "token", "created"]),
        "authheader-list" => {
            let listed = body.as_array().ok_or("no array")?;
            listed.iter().try_for_each(|header| {
                within(header, &["id", "name", "token", "created"], &["expires", "lastUsed", "scopes"])
            })
        }
        "ticket-authenticate" | "ticket-get" => exactly(body, &["tenant", "profileId", "lastRequestTime", "id"]),
        "profile-authenticate" => exactly(body, &["jwt"]),
        "jwks" => exactly(body, &["keys"]),
        "health" => exactly(body, &["status"]),
        "openid-configuration" => within(
            body,
            &["issuer", "jwks_uri", "response_types_supported", "subject_types_supported"],
            &["id_token_signing_alg_values_supported", "claims_supported"],
        ),
        other => Err(format!("tests/src/shape.rs knows no success of {other}")),
    }
}

/// The members of a login object.
const LOGIN: &[&str] = &[
    "Id",
    "Created",
    "Username",
    "Email",
    "Firstname",
    "Lastname",
    "Token",
    "PasswordExpiration",
    "Active",
    "Authorizations",
    "Properties",
];

/// What a login object has besides where the password ends soon.
const NEAR_ITS_END: &[&str] = &["PasswordExpiresInDays"];

fn exactly(body: &Value, members: &[&str]) -> Result<(), String> {
    within(body, members, &[])
}

fn within(body: &Value, needed: &[&str], optional: &[&str]) -> Result<(), String> {
    let object = body.as_object().ok_or("no object")?;
    if let Some(missing) = needed.iter().find(|name| !object.contains_key(**name)) {
        return Err(format!("{missing} is missing"));
    }
    let known = |name: &str| needed.contains(&name) || optional.contains(&name);
    object.keys().find(|name| !known(name)).map_or(Ok(()), |extra| Err(format!("{extra} is not in the contract")))
}
