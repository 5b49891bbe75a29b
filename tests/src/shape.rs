//! What holds for every answer, whatever was asked.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::api::{Access, CACHEABLE, Family, Route};
use shared::gateway::Response;
use shared::json::Json;

use crate::document;

/// The statuses that the contract knows for a path, apart from those of a broken dependency. Each function has a 404 for
/// another method than its own.
#[must_use]
pub fn statuses(route: &Route) -> BTreeSet<u16> {
    let mut known = own_statuses(route);
    known.insert(404);
    known
}

/// The same without what only a broken gateway would bring about.
#[must_use]
pub fn own_statuses(route: &Route) -> BTreeSet<u16> {
    let mut known = BTreeSet::from([success_status(route), 400, 413]);
    known.extend(refusals(route));
    let own = OWN.iter().filter(|(_, names)| names.contains(&route.name)).map(|(status, _)| *status);
    known.extend(own);
    // The ticket family reads parameters wherever they are, so that every path of it takes a form.
    let takes_a_body = route.family == Family::Ticket || document::operation(route).get("requestBody").is_some();
    known.extend(takes_a_body.then_some(415));
    known
}

/// How a caller is refused who may not come in.
fn refusals(route: &Route) -> &'static [u16] {
    match (route.access, route.family) {
        (Access::Open | Access::Body, _) => &[],
        (Access::LoginJwt, _) if route.name == "user-logout" => &[401],
        (Access::LoginJwt, _) => &[401, 403],
        (Access::User, _) | (Access::AccessToken, Family::Standards) => &[401],
        (Access::AccessToken | Access::AccessTokenOrJwt, _) => &[403],
    }
}

/// The status of a path's success.
fn success_status(route: &Route) -> u16 {
    if route.name == "profile-create" { 201 } else { 200 }
}

/// Refusals that are an endpoint's own.
const OWN: &[(u16, &[&str])] = &[
    (401, &["user-login", "user-password", "ticket-authenticate"]),
    (403, &["user-login", "oauth2-revoke"]),
    (
        404,
        &[
            "authheader-delete",
            "authheader-rotate",
            "user-reset",
            "user-sessions-revoke",
            "user-verify",
            "ticket-create",
            "ticket-get",
            "persistent-login-create",
            "persistent-login-get",
            "persistent-login-refresh",
            "access-token-get",
            "tenant-get",
            "tenant-update",
            "api1-profile-create",
            "api1-profile-get",
            "api1-profile-update",
            "api1-profile-enable",
            "api1-profile-disable",
            "api1-profile-roles-add",
            "api1-profile-roles-remove",
            "api1-profile-attributes-get",
            "api1-profile-attributes-update",
            "api1-profile-attributes-remove",
            "api1-profile-by-username",
            "api1-profile-range",
            "api1-profile-count",
            "api1-profile-reset-password",
            "api1-profile-change-password",
            "api1-profile-verify",
            "verification-token-create",
            "verification-token-get",
            "profile-authenticate",
            "profile-create",
            "profile-get",
            "profile-update",
        ],
    ),
    (409, &["access-token-create", "tenant-create", "api1-profile-create", "api1-profile-update"]),
];

/// What every answer tells a browser that may come to show it.
const FOR_BROWSERS: [(&str, &str); 4] = [
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
];

/// Whether an answer to the request `id` is well formed.
pub fn check(route: &Route, id: &str, response: &Response) -> Result<(), String> {
    let status = response.status();
    sendable(response)?;
    let header = |name: &str| response.header(name).ok_or_else(|| format!("no {name}"));
    if header("x-request-id")? != id {
        return Err(format!("x-request-id is not {id}"));
    }
    for (name, value) in FOR_BROWSERS {
        if header(name)? != value {
            return Err(format!("{name} is not {value}"));
        }
    }
    let good = status == success_status(route);
    let cacheable = good && matches!(route.name, "jwks" | "openid-configuration");
    let expected = if cacheable { CACHEABLE } else { "no-store" };
    if header("cache-control")? != expected {
        return Err(format!("cache-control is not {expected}"));
    }
    if status == 503 && header("retry-after")?.parse::<u32>().is_err() {
        return Err("retry-after is no number of seconds".to_owned());
    }
    if good && matches!(answer(route), Answer::Empty) {
        let empty = response.body().is_empty() && header("content-type")?.starts_with("text/plain");
        return if empty { Ok(()) } else { Err("the body is not empty".to_owned()) };
    }
    if header("content-type")? != "application/json" {
        return Err("content-type is not application/json".to_owned());
    }
    let Json(body) = serde_json::from_str(response.body()).map_err(|error| error.to_string())?;
    self::body(route, status, &body)?;
    document::check(route, status, &body)
}

/// Whether a JSON body is what the contract says, whatever the document may say.
pub fn body(route: &Route, status: u16, body: &Value) -> Result<(), String> {
    if status == success_status(route) { success(route, body) } else { failure(route.family, body) }
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

/// What a success looks like.
#[derive(Clone, Copy)]
enum Answer {
    /// No body at all.
    Empty,
    /// A number.
    Number,
    /// An object whose members are the caller's own.
    Anything,
    /// An object with these members, and maybe those.
    Object(Members, Members),
    /// A list of such objects.
    List(Members, Members),
}

type Members = &'static [&'static str];

/// The answer of an endpoint; one that is missing here fails every test.
fn answer(route: &Route) -> Answer {
    let found = ANSWERS.iter().find(|(_, names)| names.contains(&route.name));
    found.unwrap_or_else(|| panic!("tests/src/shape.rs knows no success of {}", route.name)).0
}

const MESSAGE: Answer = Answer::Object(&["message"], &[]);
const TICKET: Answer = Answer::Object(&["tenant", "profileId", "lastRequestTime", "id"], &[]);
const PERSISTENT_LOGIN: Answer = Answer::Object(&["id", "tenant", "profileId", "token", "timestamp"], &[]);
const ACCESS_TOKEN: Members = &["id", "application", "master", "tenantPermissions", "expiresOn"];
const TENANT: Members =
    &["name", "verifyNewProfiles", "availableRoles", "ssoEnabled", "attributeDefinitions", "cleanseAttributes", "id"];
/// What a tenant has besides where it is not as usual.
const CLOSED_TENANT: Members = &["acceptsNewProfiles"];
const PROFILE: Members =
    &["id", "tenant", "username", "email", "verified", "enabled", "createdOn", "lastModified", "roles", "attributes"];
const ONE_TIME_TOKEN: Answer = Answer::Object(&["id", "tenant", "profileId", "timestamp"], &[]);
const V1_PROFILE: Answer =
    Answer::Object(&["id", "rootUserId", "applicationId", "name", "createdAt", "identifiers", "wallets"], &[]);
const APPLICATION: Answer = Answer::Object(
    &["id", "name", "email", "description", "createdAt", "lastUpdated", "rootUserId", "identityId"],
    &[],
);
const LOGIN: Members = &[
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
/// A login object and what OAuth 2.0 clients look for.
const RENEWED: Members = &[
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
    "access_token",
    "expires_in",
    "token_type",
];
/// What a login object has besides where the password ends soon.
const NEAR_ITS_END: Members = &["PasswordExpiresInDays"];
const SESSION: Members = &["id", "family", "created", "lastUsed", "expires", "current"];
const AUTH_HEADER: Members = &["id", "name", "token", "created"];
/// Of a token that is good; of another one there is only `active`.
const INTROSPECTION: Members = &["active", "credential", "sub", "username", "tenant", "roles", "iat", "iss"];

#[rustfmt::skip]
const ANSWERS: &[(Answer, &[&str])] = &[
    (Answer::Object(LOGIN, NEAR_ITS_END), &["user-login", "user-token"]),
    (Answer::Object(RENEWED, NEAR_ITS_END), &["user-renew"]),
    (Answer::List(SESSION, &["network", "userAgent"]), &["user-sessions"]),
    (MESSAGE, &[
        "user-logout", "authheader-delete", "authheader-report-leaked", "user-forgot", "user-password", "user-reset",
        "user-verify", "user-sessions-revoke", "test-secure", "test-unsecure",
    ]),
    (Answer::Object(AUTH_HEADER, &[]), &["authheader-add", "authheader-rotate"]),
    (Answer::List(AUTH_HEADER, &["expires", "lastUsed", "scopes"]), &["authheader-list"]),
    (Answer::Object(INTROSPECTION, &["scope", "exp", "aud", "jti", "token_type"]), &["oauth2-introspect"]),
    (Answer::Empty, &[
        "ticket-invalidate", "oauth2-revoke", "persistent-login-delete", "access-token-delete", "tenant-delete",
        "api1-profile-delete", "verification-token-delete",
    ]),
    (TICKET, &["ticket-authenticate", "ticket-create", "ticket-get"]),
    (PERSISTENT_LOGIN, &["persistent-login-create", "persistent-login-get", "persistent-login-refresh"]),
    (Answer::Object(ACCESS_TOKEN, &[]), &["access-token-create", "access-token-get"]),
    (Answer::List(ACCESS_TOKEN, &[]), &["access-token-list"]),
    (Answer::Object(TENANT, CLOSED_TENANT), &["tenant-create", "tenant-get", "tenant-update"]),
    (Answer::List(TENANT, CLOSED_TENANT), &["tenant-list"]),
    (Answer::Number, &["tenant-count", "api1-profile-count"]),
    (Answer::Object(PROFILE, &[]), &[
        "api1-profile-create", "api1-profile-get", "api1-profile-update", "api1-profile-enable", "api1-profile-disable",
        "api1-profile-roles-add", "api1-profile-roles-remove", "api1-profile-attributes-update",
        "api1-profile-attributes-remove", "api1-profile-by-username", "api1-profile-by-ticket",
        "api1-profile-reset-password", "api1-profile-change-password", "api1-profile-verify",
    ]),
    (Answer::List(PROFILE, &[]), &["api1-profile-by-ids", "api1-profile-range"]),
    (Answer::Anything, &["api1-profile-attributes-get"]),
    (ONE_TIME_TOKEN, &["verification-token-create", "verification-token-get"]),
    (Answer::Object(&["jwt"], &[]), &["profile-authenticate"]),
    (V1_PROFILE, &["profile-create", "profile-get", "profile-update"]),
    (APPLICATION, &["application-get"]),
    (Answer::Object(&["keys"], &[]), &["jwks"]),
    (Answer::Object(&["status"], &[]), &["health"]),
    (
        Answer::Object(
            &["issuer", "jwks_uri", "response_types_supported", "subject_types_supported"],
            &["id_token_signing_alg_values_supported", "claims_supported"],
        ),
        &["openid-configuration"],
    ),
];

fn success(route: &Route, body: &Value) -> Result<(), String> {
    if route.name == "oauth2-introspect" && body["active"] == false {
        return exactly(body, &["active"]);
    }
    match answer(route) {
        Answer::Empty => Err("there is a body".to_owned()),
        Answer::Number if body.is_u64() => Ok(()),
        Answer::Number => Err("no number".to_owned()),
        Answer::Anything => body.as_object().map(drop).ok_or_else(|| "no object".to_owned()),
        Answer::Object(needed, optional) => within(body, needed, optional),
        Answer::List(needed, optional) => {
            let listed = body.as_array().ok_or("no array")?;
            listed.iter().try_for_each(|item| within(item, needed, optional))
        }
    }
}

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
