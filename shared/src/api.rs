//! The contract on one page: every route, and the shapes of requests and answers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::auth_header::AuthHeader;
use crate::clock::Timestamp;
use crate::password::rules::PasswordRules;
use crate::secret::Token;
use crate::user::{Email, User};

/// Which clients a path belongs to; each family keeps its own spelling of errors and dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `/user/*`, `/authheader/*`, `/test/*`: `{"message"}`.
    User,
    /// `/api/1/*`: `{"errorCode","message"}`.
    Ticket,
    /// `/v1/profile/*`: `{"message"}`.
    Profile,
    /// `/.well-known/*`, `/oauth2/*`, `/health`: RFC 6749's `{"error","error_description"}`.
    Standards,
}

/// What a caller shows to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: the path is public, and answers everybody alike.
    Open,
    /// Nothing in its headers: the body holds what it is about, a password or a token.
    Body,
    /// A JWT from a login in `Authorization`.
    LoginJwt,
    /// A JWT in `Authorization`, or an auth header in `X-Authorization`.
    User,
    /// An application's access token.
    AccessToken,
    /// An application's access token in `x-api-key`, or a JWT in `Authorization`.
    AccessTokenOrJwt,
}

/// One endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Folder, package, binary, event file and operation id.
    pub name: &'static str,
    /// HTTP method.
    pub method: &'static str,
    /// Path as the gateway spells it.
    pub path: &'static str,
    /// Whose spelling it keeps.
    pub family: Family,
    /// Who is let in.
    pub access: Access,
    /// One line for people.
    pub summary: &'static str,
}

macro_rules! routes {
    ($($constant:ident = $name:literal $method:literal $path:literal $family:ident $access:ident $summary:literal;)*) => {
        $(
            #[doc = concat!("`", $method, " ", $path, "`: ", $summary, ".")]
            pub const $constant: Route = Route {
                name: $name, method: $method, path: $path, family: Family::$family, access: Access::$access,
                summary: $summary,
            };
        )*
        /// Every endpoint: the root of all lists.
        pub const ROUTES: &[Route] = &[$($constant),*];
    };
}

routes! {
    USER_LOGIN = "user-login" "POST" "/user/login" User Body "A user name and password for a JWT";
    USER_PASSWORD = "user-password" "POST" "/user/password" User Body "A new password in the place of the old one";
    USER_FORGOT = "user-forgot" "POST" "/user/forgot" User Body "A message with a token for who forgot a password";
    USER_RESET = "user-reset" "POST" "/user/reset" User Body "A new password in exchange for such a token";
    USER_VERIFY = "user-verify" "POST" "/user/verify" User Body "Show, by a token, that an address is one's own";
    USER_RENEW = "user-renew" "GET" "/user/renew" User LoginJwt "A new JWT in the place of one that is still good";
    USER_TOKEN = "user-token" "GET" "/user/token" User LoginJwt "A new JWT of a chosen lifetime in the place of one";
    USER_SESSIONS = "user-sessions" "GET" "/user/sessions" User LoginJwt "List the caller's sessions";
    USER_SESSIONS_REVOKE = "user-sessions-revoke" "POST" "/user/sessions/revoke" User LoginJwt "End one of the caller's sessions, or all";
    USER_LOGOUT = "user-logout" "GET" "/user/logout" User LoginJwt "End a JWT and its ticket";
    AUTHHEADER_ADD = "authheader-add" "POST" "/authheader/add" User LoginJwt "Make an auth header";
    AUTHHEADER_LIST = "authheader-list" "GET" "/authheader/list" User LoginJwt "List the caller's auth headers";
    AUTHHEADER_DELETE = "authheader-delete" "POST" "/authheader/delete" User LoginJwt "Delete one of the caller's auth headers";
    AUTHHEADER_ROTATE = "authheader-rotate" "POST" "/authheader/rotate" User LoginJwt "Put a new auth header in the place of one";
    AUTHHEADER_REPORT_LEAKED = "authheader-report-leaked" "POST" "/authheader/report-leaked" User Body "End an auth header that was found somewhere";
    TEST_SECURE = "test-secure" "GET" "/test/secure" User User "Try a credential";
    TEST_UNSECURE = "test-unsecure" "GET" "/test/unsecure" User Open "Try the connection";
    TICKET_AUTHENTICATE = "ticket-authenticate" "POST" "/api/1/authentication/authenticate" Ticket AccessToken "A user name and password for a ticket";
    TICKET_GET = "ticket-get" "GET" "/api/1/authentication/ticket/{id}" Ticket AccessToken "Read a ticket and note its use";
    TICKET_INVALIDATE = "ticket-invalidate" "POST" "/api/1/authentication/ticket/{id}/invalidate" Ticket AccessToken "End a ticket";
    PROFILE_AUTHENTICATE = "profile-authenticate" "POST" "/v1/profile/{id}/authenticate" Profile AccessTokenOrJwt "A JWT of a chosen duration for a profile";
    OAUTH2_INTROSPECT = "oauth2-introspect" "POST" "/oauth2/introspect" Standards AccessToken "Whether a JWT, ticket or auth header is good (RFC 7662)";
    OAUTH2_REVOKE = "oauth2-revoke" "POST" "/oauth2/revoke" Standards AccessToken "End a JWT, ticket or auth header (RFC 7009)";
    JWKS = "jwks" "GET" "/.well-known/jwks.json" Standards Open "The public signing keys (RFC 7517)";
    OPENID_CONFIGURATION = "openid-configuration" "GET" "/.well-known/openid-configuration" Standards Open "Where the issuer's keys are (OpenID Connect Discovery)";
    HEALTH = "health" "GET" "/health" Standards Open "Whether the store and the signing keys are in reach";
}

/// What `/user/forgot` answers, whoever asks for whom.
pub const FORGOTTEN: &str = "If there is such an account, a message is on its way to its address";

/// A function that serves no route: AWS calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrouted {
    /// Folder, package, binary and event file.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
}

/// Every function that serves no route.
pub const UNROUTED: &[Unrouted] = &[
    Unrouted { name: "authorizer", summary: "Judges the requests of other APIs for API Gateway" },
    Unrouted { name: "rotate-signing-keys", summary: "Rotates the signing keys for Secrets Manager" },
];

/// `cache-control` of keys and discovery: as long as a function itself uses keys without asking again.
pub const CACHEABLE: &str = "public, max-age=300";

/// What a login shows: the account and its token. Dates are UTC without a zone.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "PascalCase")]
pub struct LoginAnswer {
    /// The user's id; a UUID unless an import brought another.
    pub id: String,
    /// When the account was made.
    pub created: String,
    /// The user name as its owner writes it.
    pub username: String,
    /// E-mail address, empty when there is none.
    pub email: String,
    /// First name, empty when there is none.
    pub firstname: String,
    /// Last name, empty when there is none.
    pub lastname: String,
    /// The JWT.
    pub token: String,
    /// When the password ends; `0001-01-01T00:00:00` means never.
    pub password_expiration: String,
    /// Whole days until then, once its end is near: time to ask for a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_expires_in_days: Option<i64>,
    /// The tenant that the login is for.
    pub active: Name,
    /// The user's roles in its tenant.
    pub authorizations: Vec<Authorization>,
    /// The applications' own data about the user.
    pub properties: BTreeMap<String, String>,
}

impl LoginAnswer {
    /// What the contract shows for a password without an end.
    pub const NEVER: &str = "0001-01-01T00:00:00";

    /// The answer for a user with a fresh JWT.
    #[must_use]
    pub fn new(user: &User, jwt: &Token, password: PasswordEnd) -> Self {
        let name = |text: &str| Name { name: text.to_owned() };
        Self {
            id: user.id.to_string(),
            created: user.created.as_zoneless(),
            username: user.name.as_str().to_owned(),
            email: user.email.as_ref().map(Email::as_str).unwrap_or_default().to_owned(),
            firstname: user.first_name.clone().unwrap_or_default(),
            lastname: user.last_name.clone().unwrap_or_default(),
            token: jwt.expose_secret().to_owned(),
            password_expiration: password.ends.map_or_else(|| Self::NEVER.to_owned(), Timestamp::as_zoneless),
            password_expires_in_days: password.days_left,
            active: name(user.tenant.as_str()),
            authorizations: vec![Authorization {
                company: name(user.tenant.as_str()),
                roles: user.roles.iter().map(|role| name(role)).collect(),
            }],
            properties: user.attributes.clone(),
        }
    }
}

/// When a password ends, and whether that is near.
#[derive(Clone, Copy)]
pub struct PasswordEnd {
    ends: Option<Timestamp>,
    days_left: Option<i64>,
}

impl PasswordEnd {
    /// What is told at `now` of a password that `ends`, by the rules of its tenant.
    #[must_use]
    pub fn of(ends: Option<Timestamp>, rules: &PasswordRules, now: Timestamp) -> Self {
        let near = ends.filter(|ends| now.plus(rules.warn) >= *ends);
        let days_left = near.map(|ends| (ends.as_seconds() - now.as_seconds()).max(0) / 86_400);
        Self { ends, days_left }
    }
}

/// An object that is only a name.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Name {
    /// The name.
    pub name: String,
}

/// Roles in one tenant.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Authorization {
    /// The tenant.
    pub company: Name,
    /// The roles.
    pub roles: Vec<Name>,
}

/// A login that goes on: [`LoginAnswer`] and what OAuth 2.0 clients look for (RFC 6749, section 5.1).
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RenewAnswer {
    /// The account and its new token.
    #[serde(flatten)]
    pub login: LoginAnswer,
    /// The new JWT once more.
    pub access_token: String,
    /// Seconds until it ends.
    pub expires_in: i64,
    /// `bearer`.
    pub token_type: String,
}

/// One of the caller's sessions: a login, a ticket or a profile JWT that is live.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionAnswer {
    /// Its id, for ending it. No credential.
    pub id: String,
    /// `login`, `ticket` or `profile`: which family of clients it is for.
    pub family: String,
    /// When it began.
    pub created: String,
    /// Its last use, as far as it was noted: by the authorizer, introspection, `/test/secure`, a renewal or the reading of
    /// a ticket; uses within five minutes may count as one.
    pub last_used: String,
    /// When it ends by itself at the latest, unless it is renewed.
    pub expires: String,
    /// The network it was begun from, never the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The user agent it was begun by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// What is said of a token (RFC 7662, section 2.2). Of one that is not good, only that.
#[derive(Serialize)]
pub struct Introspection {
    /// Whether it is good at this moment.
    pub active: bool,
    /// More, where it is.
    #[serde(flatten)]
    pub token: Option<ActiveToken>,
}

/// What is said of a token that is good.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActiveToken {
    /// `jwt`, `ticket` or `auth_header`.
    pub credential: String,
    /// The user's id.
    pub sub: String,
    /// The user name.
    pub username: String,
    /// The user's tenant.
    pub tenant: String,
    /// The user's roles, as they are now.
    pub roles: Vec<String>,
    /// What an auth header is limited to, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// When it was made, in epoch seconds.
    pub iat: i64,
    /// When it ends by itself, in epoch seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Who issued it.
    pub iss: String,
    /// For a JWT: whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// For a JWT: its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// For a JWT: `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
}

/// A sentence for people.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Message {
    /// The sentence.
    pub message: String,
}

impl Message {
    /// A fixed sentence.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { message: text.to_owned() }
    }
}

/// A new auth header: the only answer that ever holds the whole token.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewAuthHeader {
    /// Its id, for lists and deletion.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// The whole token, sent as `X-Authorization`.
    pub token: String,
    /// When it was made.
    pub created: String,
}

impl NewAuthHeader {
    /// The answer for an auth header that was just stored.
    #[must_use]
    pub fn new(header: &AuthHeader, token: &Token) -> Self {
        Self {
            id: header.key.digest.to_base64url(),
            name: header.name.clone(),
            token: token.expose_secret().to_owned(),
            created: header.created.as_zoneless(),
        }
    }
}

/// An auth header in a list.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ListedAuthHeader {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// The token's display form: enough to tell it from others, useless to a thief.
    pub token: String,
    /// When it was made.
    pub created: String,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Its last use, as far as it was noted: uses within five minutes may count as one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
    /// What it is limited to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

/// A ticket. Dates are epoch milliseconds.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TicketAnswer {
    /// The tenant of the profile.
    pub tenant: String,
    /// Whose ticket it is.
    pub profile_id: String,
    /// Its last use.
    pub last_request_time: i64,
    /// The ticket.
    pub id: String,
}

/// A profile's JWT.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JwtAnswer {
    /// The JWT.
    pub jwt: String,
}

/// What the discovery document says (OpenID Connect Discovery 1.0, section 3): only what is true of this stack.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Discovery {
    /// The issuer, as in the tokens' `iss`.
    pub issuer: String,
    /// Where the keys are.
    pub jwks_uri: String,
    /// Algorithms of the published keys.
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// None of OAuth's redirecting flows exists here.
    pub response_types_supported: Vec<String>,
    /// Every client sees the same `sub`.
    pub subject_types_supported: Vec<String>,
    /// Claims of the tokens.
    pub claims_supported: Vec<String>,
}

/// The state of what the functions depend on.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`.
    pub status: String,
}

/// The user and profile families' errors.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageError {
    /// What is wrong, for people.
    pub message: String,
}

/// The ticket family's errors.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CodedError {
    /// What is wrong, for programs.
    pub error_code: String,
    /// What is wrong, for people.
    pub message: String,
}

/// RFC 6749's errors (section 5.2).
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OauthError {
    /// What is wrong, for programs.
    pub error: String,
    /// What is wrong, for people.
    pub error_description: String,
}
