//! What the endpoints answer. Errors are rendered by the code that renders them for clients.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::profile_api::{self, Success};
use super::requests::{self, AUTH_HEADER, ID, TICKET};
use super::{schema, set};
use crate::access_token::Action;
use crate::api::{
    Access, ActiveToken, CodedError, Discovery, FORGOTTEN, Family, Health, JwtAnswer, ListedAuthHeader, LoginAnswer,
    Message, MessageError, NewAuthHeader, OauthError, RenewAnswer, Route, SessionAnswer, TicketAnswer,
};
use crate::error::Problem;
use crate::password::rules::Broken;
use crate::store::StoreError;
use crate::user::UserId;

/// A JWK Set (RFC 7517, section 5).
#[derive(serde::Serialize, ToSchema)]
pub struct JwkSet {
    /// The public keys, those included that will sign soon.
    pub keys: Vec<Jwk>,
}

/// A public key (RFC 7517, section 4).
#[derive(serde::Serialize, ToSchema)]
pub struct Jwk {
    /// `RSA`, `EC` or `OKP`.
    pub kty: String,
    /// Its name in the headers of JWTs.
    pub kid: String,
    /// `RS256`, `ES256` or `EdDSA`.
    pub alg: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// The modulus of an RSA key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub n: Option<String>,
    /// The exponent of an RSA key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub e: Option<String>,
    /// The curve of another key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub crv: Option<String>,
    /// The point, or its first coordinate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub x: Option<String>,
    /// The point's second coordinate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub y: Option<String>,
}

/// Headers that answers have.
pub(super) fn headers() -> Value {
    let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    let seconds = json!({ "description": "Seconds to wait.", "schema": { "type": "integer", "minimum": 1 } });
    json!({
        "x-request-id": text("The id of the request, also in the log."),
        "cache-control": text("`no-store`, apart from keys and discovery."),
        "www-authenticate": text("The schemes that the path takes: `Bearer`, and `Basic` for access tokens under `/oauth2`."),
        "retry-after": seconds,
    })
}

fn header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

fn usual_headers() -> Value {
    json!({ "x-request-id": header("x-request-id"), "cache-control": header("cache-control") })
}

/// Every answer of an endpoint, by status.
pub(super) fn of(route: &Route) -> Map<String, Value> {
    let mut responses = Map::new();
    responses.insert(done(route).to_string(), success(route));
    let mut errors: BTreeMap<u16, Map<String, Value>> = BTreeMap::new();
    for (case, problem) in problems(route) {
        let rendered = problem.render(route.family);
        let body = serde_json::from_str(rendered.body()).unwrap_or(Value::Null);
        errors.entry(rendered.status()).or_default().insert(case.to_owned(), json!({ "value": body }));
    }
    for (status, examples) in errors {
        let error = match route.family {
            Family::User | Family::Profile => schema::<MessageError>(),
            Family::Ticket => schema::<CodedError>(),
            Family::Standards => schema::<OauthError>(),
        };
        let mut headers = usual_headers();
        match status {
            401 => set(&mut headers, "www-authenticate", header("www-authenticate")),
            503 => set(&mut headers, "retry-after", header("retry-after")),
            _ => {}
        }
        let response = json!({
            "description": meaning(status),
            "headers": headers,
            "content": { "application/json": { "schema": error, "examples": examples } },
        });
        responses.insert(status.to_string(), response);
    }
    // The gateway's own, before any function is asked.
    let throttled = json!({
        "description": meaning(429),
        "content": {
            "application/json": {
                "schema": schema::<MessageError>(),
                "example": { "message": "Too Many Requests" },
            },
        },
    });
    responses.insert("429".to_owned(), throttled);
    responses
}

/// The status of an answer that is no refusal.
fn done(route: &Route) -> u16 {
    if route.name == "profile-create" { 201 } else { 200 }
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request breaks a rule; the message names the field.",
        401 => "The credential is missing or not good.",
        403 => "The credential does not allow this.",
        404 => "There is none, as far as the caller may know.",
        409 => "It exists already.",
        413 => "The body is too long.",
        415 => "The body is of another media type.",
        429 => "Too many requests.",
        503 => "Something that the answer depends on is down.",
        _ => "Our fault.",
    }
}

fn success(route: &Route) -> Value {
    let (schema, example) = match route.name {
        _ if let Some(known) = profile_api::success(route) => match known {
            Success::Json(schema, example) => (schema, example),
            Success::Empty => return empty(),
        },
        "user-login" | "user-token" => (schema::<LoginAnswer>(), login()),
        "user-logout" => (schema::<Message>(), json!({ "message": "User logged out" })),
        "user-renew" => (schema::<RenewAnswer>(), renewed()),
        "user-sessions" => (json!({ "type": "array", "items": schema::<SessionAnswer>() }), json!([session()])),
        "oauth2-introspect" => (introspection_schema(), introspection()),
        "authheader-add" | "authheader-rotate" => (schema::<NewAuthHeader>(), new_auth_header()),
        "authheader-list" => {
            let listed = json!({ "type": "array", "items": schema::<ListedAuthHeader>() });
            (listed, json!([listed_auth_header()]))
        }
        "authheader-delete"
        | "authheader-report-leaked"
        | "user-password"
        | "user-reset"
        | "user-sessions-revoke"
        | "user-verify" => (schema::<Message>(), json!({ "message": "Success" })),
        "user-forgot" => (schema::<Message>(), json!({ "message": FORGOTTEN })),
        "test-secure" => (schema::<Message>(), json!({ "message": "Hi demo" })),
        "ticket-authenticate" | "ticket-get" => (schema::<TicketAnswer>(), ticket()),
        "profile-authenticate" => (schema::<JwtAnswer>(), json!({ "jwt": JWT })),
        "jwks" => (schema::<JwkSet>(), key_set()),
        "openid-configuration" => (schema::<Discovery>(), discovery()),
        "health" => (schema::<Health>(), json!({ "status": "ok" })),
        "ticket-invalidate" | "oauth2-revoke" => return empty(),
        _ => (schema::<Message>(), json!({ "message": "Hi anonymous" })),
    };
    json!({
        "description": "Done.",
        "headers": usual_headers(),
        "content": { "application/json": { "schema": schema, "example": example } },
    })
}

fn empty() -> Value {
    json!({
        "description": "Done; the body is empty.",
        "headers": usual_headers(),
        "content": { "text/plain; charset=utf-8": { "schema": { "type": "string", "maxLength": 0 }, "example": "" } },
    })
}

const JWT: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IjEifQ.e30.c2lnbmF0dXJl";
const CREATED: &str = "2027-01-15T08:00:00";
const DIGEST: &str = "wouG652vQ94Fs8NIkxGtIorvTIuzsKL6xpNo_z-eJv4";

fn login() -> Value {
    json!({
        "Id": ID, "Created": CREATED, "Username": "demo", "Email": "demo@example.com", "Firstname": "Dana",
        "Lastname": "Demo", "Token": JWT, "PasswordExpiration": LoginAnswer::NEVER, "Active": { "Name": "demo" },
        "Authorizations": [{ "Company": { "Name": "demo" }, "Roles": [{ "Name": "reader" }] }], "Properties": {},
    })
}

fn renewed() -> Value {
    let mut answer = login();
    set(&mut answer, "access_token", json!(JWT));
    set(&mut answer, "expires_in", json!(3600));
    set(&mut answer, "token_type", json!("bearer"));
    answer
}

fn session() -> Value {
    json!({
        "id": "wouG652vQ94Fs8NIkxGtIo", "family": "login", "created": CREATED, "lastUsed": CREATED,
        "expires": "2027-01-15T09:00:00", "network": "203.0.113.0/24", "userAgent": "curl/8.5.0", "current": true,
    })
}

/// Of a token that is not good nothing is said but that, which a derived schema could not tell.
fn introspection_schema() -> Value {
    let answer =
        |active| json!({ "type": "object", "properties": { "active": { "type": "boolean", "const": active } } });
    let (mut inactive, mut active) = (answer(false), answer(true));
    set(&mut inactive, "additionalProperties", json!(false));
    for answer in [&mut inactive, &mut active] {
        set(answer, "required", json!(["active"]));
    }
    json!({ "anyOf": [{ "allOf": [schema::<ActiveToken>(), active] }, inactive] })
}

fn introspection() -> Value {
    json!({
        "active": true, "credential": "auth_header", "sub": ID, "username": "demo", "tenant": "demo",
        "roles": ["reader"], "scope": "orders:read", "iat": 1_800_000_000, "iss": "https://auth.example.com",
    })
}

fn new_auth_header() -> Value {
    json!({
        "id": DIGEST, "name": "backup job", "created": CREATED,
        "token": AUTH_HEADER,
    })
}

fn listed_auth_header() -> Value {
    json!({ "id": DIGEST, "name": "backup job", "token": "ost_objvGK\u{2026}fewa", "created": CREATED })
}

fn ticket() -> Value {
    json!({ "tenant": "demo", "profileId": ID, "lastRequestTime": 1_800_000_000_000_u64, "id": TICKET })
}

fn key_set() -> Value {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "1", "alg": "EdDSA", "use": "sig" }] })
}

fn discovery() -> Value {
    json!({
        "issuer": "https://auth.example.com",
        "jwks_uri": "https://auth.example.com/.well-known/jwks.json",
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["none"],
        "subject_types_supported": ["public"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "jti", "sid", "tenant", "roles"],
    })
}

/// Every cause for which an endpoint refuses, with a name for its example.
fn problems(route: &Route) -> Vec<(&'static str, Problem)> {
    let denied = || Problem::ActionDenied { action: Action::ManageTickets, tenant: "demo".to_owned() };
    let disabled = || Problem::DisabledProfile(UserId::parse(ID).unwrap_or_else(|| UserId::nobody("example")));
    let down = || Problem::Store(StoreError::Unavailable { operation: "lookup", source: "down".into() });
    let mut problems = vec![
        ("invalid", Problem::invalid("x-authorization", "must come once")),
        ("too-large", Problem::BodyTooLarge),
        ("internal", Problem::Internal("an example")),
        ("down", down()),
    ];
    if requests::body(route).is_some() || route.family == Family::Ticket {
        problems.push(("media-type", Problem::UnsupportedMediaType));
    }
    match route.access {
        Access::AccessToken if route.family == Family::Standards => {
            problems.extend([
                ("missing-token", Problem::MissingParameter("token")),
                ("unknown-client", Problem::UnknownClient),
            ]);
        }
        Access::AccessToken if route.family == Family::Profile => problems.push(("not-covered", Problem::NotCovered)),
        Access::LoginJwt | Access::User => problems.push(("unauthenticated", Problem::Unauthenticated)),
        Access::AccessToken => problems.extend([
            ("access-token-missing", Problem::AccessTokenMissing),
            ("access-token-unknown", Problem::AccessTokenUnknown),
            ("access-token-expired", Problem::AccessTokenExpired("portal".to_owned())),
            ("action-denied", denied()),
        ]),
        Access::AccessTokenOrJwt => problems.push(("not-covered", Problem::NotCovered)),
        Access::Open | Access::Body => {}
    }
    problems.extend(match route.name {
        "user-login" => vec![
            ("bad-credentials", Problem::BadCredentials),
            ("password-expired", Problem::PasswordExpired),
            ("email-not-verified", Problem::EmailNotVerified),
        ],
        "user-password" => {
            vec![("weak-password", Problem::weak("new", Broken::Common)), ("bad-credentials", Problem::BadCredentials)]
        }
        "user-reset" => {
            vec![("weak-password", Problem::weak("new", Broken::Common)), ("no-such-token", Problem::NoSuchOneTime)]
        }
        "user-verify" => vec![("no-such-token", Problem::NoSuchOneTime)],
        "user-renew" | "user-token" => {
            vec![("not-from-login", Problem::NotFromLogin)]
        }
        "user-sessions-revoke" => {
            vec![("not-from-login", Problem::NotFromLogin), ("no-such-session", Problem::NoSuchSession)]
        }
        "oauth2-revoke" => vec![("action-denied", denied())],
        "authheader-add" | "authheader-list" | "user-sessions" => vec![("not-from-login", Problem::NotFromLogin)],
        "authheader-delete" | "authheader-rotate" => {
            vec![("not-from-login", Problem::NotFromLogin), ("no-such-auth-header", Problem::NoSuchAuthHeader)]
        }
        "ticket-authenticate" => vec![
            ("missing-parameter", Problem::MissingParameter("username")),
            ("bad-credentials", Problem::BadCredentials),
            ("disabled-profile", disabled()),
            ("password-expired", Problem::PasswordExpired),
            ("email-not-verified", Problem::EmailNotVerified),
        ],
        "ticket-get" => vec![("no-such-ticket", Problem::NoSuchTicket)],
        "profile-authenticate" => vec![
            ("disabled-profile", disabled()),
            ("cannot-mint", Problem::CannotMint),
            ("no-such-profile", Problem::NoSuchProfile),
        ],
        _ => profile_api::problems(route),
    });
    problems
}
