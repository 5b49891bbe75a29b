//! What the endpoints take. Their own parsers are stricter than any schema, so these types are for the document only.

use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{profile_api, schema, set};
use crate::api::Route;

/// A profile's id in examples.
pub(super) const ID: &str = "0198a6b0-7a3c-4d42-9b1e-5f0c2d4e6a81";
/// A ticket in examples.
pub(super) const TICKET: &str =
    "MDE5OGE2YjAtN2EzYy00ZDQyLTliMWUtNWYwYzJkNGU2YTgxiFOz_yiV4cXQZQRbelae07Z7wuSpiuyQ6Xr5F_J8oIQ";
pub(super) const ACCESS_TOKEN: &str = "osa_1IA1WsYlnZL4zD5bPsvALLODZy925p52QRj6zFjW5Dgj";
/// An auth header in examples.
pub(super) const AUTH_HEADER: &str = "ost_objvGKM1ImxCMQI6aObtIUhDEr24IYhUR5SQTokv15sN0TkDhQKnxGP2m8I9KxNRQH3afewa";
/// A one-time token in examples.
pub(super) const ONE_TIME: &str =
    "MDE5OGE2YjAtN2EzYy00ZDQyLTliMWUtNWYwYzJkNGU2YTgxo0QkS5vBzJmYb1cN8H3xT7pLw2Rf6UgXqE9aZsVdKtM";
const PASSWORD: &str = "correct horse battery staple";
pub(super) const NEW_PASSWORD: &str = "seven lamps above a quiet harbour";

/// A user name and password.
#[derive(serde::Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The user name; `tenant/username` outside of the stack's default tenant.
    #[schema(min_length = 1, max_length = 640)]
    pub username: String,
    /// The password, of at most 1024 bytes.
    #[schema(max_length = 1024, format = "password")]
    pub password: String,
}

/// A password and the one to come in its place.
#[derive(serde::Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The user name; `tenant/username` outside of the stack's default tenant.
    #[schema(min_length = 1, max_length = 640)]
    pub username: String,
    /// The present password, even if it has expired.
    #[schema(max_length = 1024, format = "password")]
    pub old: String,
    /// The new password, of at most 1024 bytes.
    #[schema(max_length = 1024, format = "password")]
    pub new: String,
    /// The new password once more.
    #[schema(max_length = 1024, format = "password")]
    pub confirm: String,
    /// Whether the user's auth headers end too. They stay, if absent.
    #[serde(default)]
    pub end_auth_headers: Option<bool>,
}

/// An account whose password was forgotten.
#[derive(serde::Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgotRequest {
    /// The user name or the e-mail address; `tenant/username` outside of the stack's default tenant.
    #[schema(min_length = 1, max_length = 640)]
    pub username: String,
}

/// A token and the password that it is to set.
#[derive(serde::Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetRequest {
    /// The token of the message.
    #[schema(min_length = 1, max_length = 256)]
    pub token: String,
    /// The new password, of at most 1024 bytes.
    #[schema(max_length = 1024, format = "password")]
    pub new: String,
    /// The new password once more.
    #[schema(max_length = 1024, format = "password")]
    pub confirm: String,
    /// `true` ends the user's auth headers too.
    #[serde(default)]
    pub end_auth_headers: Option<bool>,
}

/// A token that shows whose an address is.
#[derive(serde::Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// The token of the message.
    #[schema(min_length = 1, max_length = 256)]
    pub token: String,
}

/// What a new auth header is called and limited to.
#[derive(serde::Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAuthHeaderRequest {
    /// What to call it.
    #[schema(min_length = 1, max_length = 256)]
    pub name: String,
    /// When it shall end by itself: RFC 3339, or UTC without a zone. Never, if absent.
    pub expires: Option<String>,
    /// What to limit it to; applications give scopes their meaning.
    #[serde(default)]
    #[schema(max_items = 32)]
    pub scopes: Option<Vec<String>>,
}

/// Which auth header to delete.
#[derive(serde::Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteAuthHeaderRequest {
    /// The token, its display form, or its id.
    #[schema(min_length = 1, max_length = 256)]
    pub text: String,
}

/// One session to end.
#[derive(serde::Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeSessionRequest {
    /// The session's id, as listed.
    #[schema(min_length = 1, max_length = 64)]
    pub id: String,
}

/// All sessions to end: logins, tickets and profile JWTs.
#[derive(serde::Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeAllSessionsRequest {
    /// `true`.
    #[schema(schema_with = only_true)]
    pub all: bool,
    /// `true` keeps the one that asks.
    #[serde(default)]
    pub except_current: Option<bool>,
}

fn only_true() -> utoipa::openapi::schema::Object {
    utoipa::openapi::schema::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::Boolean)
        .enum_values(Some([true]))
        .build()
}

/// Which auth header to put a new one in the place of.
#[derive(serde::Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateAuthHeaderRequest {
    /// The old one's token, display form or id.
    #[schema(min_length = 1, max_length = 256)]
    pub text: String,
    /// Seconds that the old one goes on; 0 ends it at once.
    #[schema(minimum = 0, maximum = 2_592_000)]
    pub overlap: u32,
    /// When the new one shall end by itself. If absent: as long from now as the old one was made for.
    pub expires: Option<String>,
}

/// An auth header that was found somewhere.
#[derive(serde::Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportLeakedRequest {
    /// The whole token.
    #[schema(min_length = 1, max_length = 256)]
    pub token: String,
}

/// A token that an application asks about.
#[derive(serde::Serialize, ToSchema)]
pub struct TokenForm {
    /// A JWT, a ticket or an auth header.
    #[schema(min_length = 1, max_length = 8192)]
    pub token: String,
    /// Taken and not needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub token_type_hint: Option<String>,
}

/// A user name and password, sent by an application.
#[derive(serde::Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticateForm {
    /// The application's access token, unless a header carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub access_token_id: Option<String>,
    /// The tenant. The misspelling `tentantName` is taken too.
    #[schema(max_length = 512)]
    pub tenant_name: String,
    /// The user name.
    #[schema(max_length = 512)]
    pub username: String,
    /// The password, of at most 1024 bytes.
    #[schema(max_length = 1024, format = "password")]
    pub password: String,
}

/// The calling application.
#[derive(serde::Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationForm {
    /// The application's access token, unless a header or the query string carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub access_token_id: Option<String>,
}

/// How long a profile's JWT shall live.
#[derive(serde::Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileJwtRequest {
    /// Seconds. The stack's default if null or absent; cut to what the stack allows.
    #[schema(minimum = 1, maximum = 86_400)]
    pub duration: Option<u32>,
}

fn content(media_type: &str, schema: &Value, example: &Value) -> Value {
    json!({ media_type: { "schema": schema, "example": example } })
}

/// The request's body, for endpoints that read one.
pub(super) fn body(route: &Route) -> Option<Value> {
    let json = |schema, example| content("application/json", &schema, &example);
    let form = |schema, example| content("application/x-www-form-urlencoded", &schema, &example);
    let (required, content) = match route.name {
        "user-login" => (true, json(schema::<LoginRequest>(), json!({ "username": "demo", "password": PASSWORD }))),
        "user-password" => (
            true,
            json(
                schema::<PasswordRequest>(),
                json!({ "username": "demo", "old": PASSWORD, "new": NEW_PASSWORD, "confirm": NEW_PASSWORD }),
            ),
        ),
        "user-forgot" => (true, json(schema::<ForgotRequest>(), json!({ "username": "demo" }))),
        "user-reset" => {
            let example = json!({ "token": ONE_TIME, "new": NEW_PASSWORD, "confirm": NEW_PASSWORD });
            (true, json(schema::<ResetRequest>(), example))
        }
        "user-verify" => (true, json(schema::<VerifyRequest>(), json!({ "token": ONE_TIME }))),
        "authheader-add" => (true, json(schema::<NewAuthHeaderRequest>(), json!({ "name": "backup job" }))),
        "authheader-delete" => {
            let example = "ost_objvGK\u{2026}fewa";
            let mut content = json(schema::<DeleteAuthHeaderRequest>(), json!({ "text": example }));
            let text = json!({ "type": "string", "minLength": 1, "maxLength": 256 });
            set(&mut content, "text/plain", json!({ "schema": text, "example": example }));
            (true, content)
        }
        "user-sessions-revoke" => {
            let either = json!({ "anyOf": [schema::<RevokeSessionRequest>(), schema::<RevokeAllSessionsRequest>()] });
            (true, json(either, json!({ "all": true, "except_current": true })))
        }
        "authheader-rotate" => {
            let example = json!({ "text": "ost_objvGK\u{2026}fewa", "overlap": 86_400 });
            (true, json(schema::<RotateAuthHeaderRequest>(), example))
        }
        "authheader-report-leaked" => {
            let mut content = json(schema::<ReportLeakedRequest>(), json!({ "token": AUTH_HEADER }));
            let text = json!({ "type": "string", "minLength": 1, "maxLength": 256 });
            set(&mut content, "text/plain", json!({ "schema": text, "example": AUTH_HEADER }));
            (true, content)
        }
        "oauth2-introspect" | "oauth2-revoke" => (true, form(schema::<TokenForm>(), json!({ "token": AUTH_HEADER }))),
        "ticket-authenticate" => {
            let example = json!({
                "accessTokenId": ACCESS_TOKEN, "tenantName": "demo", "username": "demo", "password": PASSWORD,
            });
            (true, form(schema::<AuthenticateForm>(), example))
        }
        "ticket-invalidate" => (false, form(schema::<ApplicationForm>(), json!({ "accessTokenId": ACCESS_TOKEN }))),
        "profile-authenticate" => (false, json(schema::<ProfileJwtRequest>(), json!({ "duration": 3600 }))),
        _ => profile_api::body(route)?,
    };
    Some(json!({ "required": required, "content": content }))
}

/// The parameters of the query string that are no credential.
pub(super) fn query_parameters(route: &Route) -> Vec<Value> {
    if route.name != "user-token" {
        return profile_api::query(route);
    }
    let count = |name, description| {
        let schema = json!({ "type": "integer", "minimum": 1 });
        json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema })
    };
    let mut minutes = count("m", "Minutes that the new JWT shall live. Exactly one of `m` and `d` is needed.");
    set(&mut minutes, "example", json!(90));
    vec![minutes, count("d", "Days that the new JWT shall live.")]
}

/// What the schemas don't say.
pub(super) fn description(route: &Route) -> Option<&'static str> {
    let text = match route.name {
        "user-login" => "Wrong password, unknown user, disabled and locked are one answer.",
        "user-password" => {
            "Works with an expired password too: this is how its owner makes it good again. Wrong old passwords count \
             like those of a login. Every session of the user ends; auth headers stay unless told otherwise."
        }
        "user-forgot" => {
            "One answer for every name, after the same work. Where there is such an account with an e-mail address, its \
             owner is sent a token that sets a new password within 24 hours, once, at most one a minute."
        }
        "user-reset" => {
            "Ends every session of the user; auth headers stay unless told otherwise. The token is good once; a password \
             that is refused leaves it good. It is over with any other change of the password and with a change of the \
             address. A lockout neither stops this nor outlasts it."
        }
        "user-verify" => "A token for a new password does not do here, nor this one there.",
        "user-logout" => {
            "Ends the JWT in `Authorization` and the ticket that it names. Takes any JWT, a profile's too."
        }
        "user-renew" => {
            "The session goes on, with a new JWT that lives as long as a login's, counted from now; the old one ends. \
             Two windows that renew at the same moment both get a JWT that works: for 30 seconds the replaced one can \
             still be renewed, and opens nothing else. Needs a JWT from a login."
        }
        "user-token" => {
            "Like renewing, with a lifetime of one's choice, cut to what the stack allows. The old JWT ends. Needs a \
             JWT from a login."
        }
        "user-sessions" => {
            "Logins, tickets and profile JWTs that are live, the most recently used first, at most 1000. No credential \
             is shown. Needs a JWT from a login."
        }
        "user-sessions-revoke" => {
            "What is ended is refused from the next request on. `all` takes one write, however many there are, and \
             ends tickets and profile JWTs too, but not auth headers. Needs a JWT from a login."
        }
        "authheader-rotate" => {
            "The new one has the old one's name and scopes; the old one goes on for `overlap` seconds. Needs a JWT \
             from a login."
        }
        "authheader-report-leaked" => {
            "For whoever finds one, secret scanners included. Ends it. The answer is the same for any text."
        }
        "oauth2-introspect" => {
            "A token of a tenant that the application may not read (`READ_TENANT`) is inactive. Counts as a use of the \
             token."
        }
        "oauth2-revoke" => {
            "Ends the session of a JWT, the ticket or the auth header. Idempotent: a token that is not good is no \
             error. The application needs `MANAGE_TICKETS` on the token's tenant."
        }
        "authheader-add" => "This answer alone ever holds the whole token. Needs a JWT from a login.",
        "authheader-list" => "Tokens are shown in their display form. Needs a JWT from a login.",
        "authheader-delete" => {
            "Another user's auth header answers like one that does not exist. Needs a JWT from a login."
        }
        "ticket-authenticate" => {
            "Parameters may come in the query string instead, each once. The application needs `MANAGE_TICKETS`, \
             `MANAGE_PROFILES` and `READ_TENANT` on the tenant."
        }
        "ticket-get" => "Counts as a use: the idle limit starts anew. The application needs `MANAGE_TICKETS`.",
        "ticket-invalidate" => {
            "Idempotent: a ticket that does not exist is no error. The application needs `MANAGE_TICKETS`."
        }
        "profile-authenticate" => {
            "For an application with `MANAGE_PROFILES` on the profile's tenant, for the profile itself, and for its \
             tenant's administrator. An absent body counts as `{}`."
        }
        _ => return profile_api::description(route),
    };
    Some(text)
}
