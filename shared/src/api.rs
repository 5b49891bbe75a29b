//! The contract on one page: every route, and the shapes of requests and answers.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::auth_header::AuthHeader;
use crate::clock::Timestamp;
use crate::one_time::OneTime;
use crate::password::rules::PasswordRules;
use crate::persistent_login::PersistentLogin;
use crate::secret::Token;
use crate::ticket::Ticket;
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
    TICKET_CREATE = "ticket-create" "POST" "/api/1/authentication/ticket/create" Ticket AccessToken "A ticket for a profile that the application authenticated by other means";
    PERSISTENT_LOGIN_CREATE = "persistent-login-create" "POST" "/api/1/authentication/persistent_login/create" Ticket AccessToken "Begin a persistent login";
    PERSISTENT_LOGIN_GET = "persistent-login-get" "GET" "/api/1/authentication/persistent_login/{id}" Ticket AccessToken "Read a persistent login";
    PERSISTENT_LOGIN_REFRESH = "persistent-login-refresh" "POST" "/api/1/authentication/persistent_login/{id}/refresh_token" Ticket AccessToken "A new token for a persistent login";
    PERSISTENT_LOGIN_DELETE = "persistent-login-delete" "POST" "/api/1/authentication/persistent_login/{id}/delete" Ticket AccessToken "End a persistent login";
    ACCESS_TOKEN_CREATE = "access-token-create" "POST" "/api/1/access_token/create" Ticket AccessToken "Make an access token";
    ACCESS_TOKEN_GET = "access-token-get" "GET" "/api/1/access_token/{id}" Ticket AccessToken "Read an access token";
    ACCESS_TOKEN_LIST = "access-token-list" "GET" "/api/1/access_token/all" Ticket AccessToken "List the access tokens";
    ACCESS_TOKEN_DELETE = "access-token-delete" "POST" "/api/1/access_token/{id}/delete" Ticket AccessToken "End an access token at once";
    TENANT_CREATE = "tenant-create" "POST" "/api/1/tenant/create" Ticket AccessToken "Make a tenant";
    TENANT_GET = "tenant-get" "GET" "/api/1/tenant/{name}" Ticket AccessToken "Read a tenant";
    TENANT_LIST = "tenant-list" "GET" "/api/1/tenant/all" Ticket AccessToken "List the tenants";
    TENANT_COUNT = "tenant-count" "GET" "/api/1/tenant/count" Ticket AccessToken "Count the tenants";
    TENANT_UPDATE = "tenant-update" "POST" "/api/1/tenant/update" Ticket AccessToken "Change a tenant";
    TENANT_DELETE = "tenant-delete" "POST" "/api/1/tenant/{name}/delete" Ticket AccessToken "Delete a tenant with everybody in it";
    API1_PROFILE_CREATE = "api1-profile-create" "POST" "/api/1/profile/create" Ticket AccessToken "Make a profile";
    API1_PROFILE_GET = "api1-profile-get" "GET" "/api/1/profile/{id}" Ticket AccessToken "Read a profile";
    API1_PROFILE_UPDATE = "api1-profile-update" "POST" "/api/1/profile/{id}/update" Ticket AccessToken "Change a profile";
    API1_PROFILE_ENABLE = "api1-profile-enable" "POST" "/api/1/profile/{id}/enable" Ticket AccessToken "Let a profile act again";
    API1_PROFILE_DISABLE = "api1-profile-disable" "POST" "/api/1/profile/{id}/disable" Ticket AccessToken "Keep a profile from acting, and end what it holds";
    API1_PROFILE_DELETE = "api1-profile-delete" "POST" "/api/1/profile/{id}/delete" Ticket AccessToken "Delete a profile with everything that is its own";
    API1_PROFILE_ROLES_ADD = "api1-profile-roles-add" "POST" "/api/1/profile/{id}/roles/add" Ticket AccessToken "Give roles to a profile";
    API1_PROFILE_ROLES_REMOVE = "api1-profile-roles-remove" "POST" "/api/1/profile/{id}/roles/remove" Ticket AccessToken "Take roles from a profile";
    API1_PROFILE_ATTRIBUTES_GET = "api1-profile-attributes-get" "GET" "/api/1/profile/{id}/attributes" Ticket AccessToken "Read the attributes of a profile";
    API1_PROFILE_ATTRIBUTES_UPDATE = "api1-profile-attributes-update" "POST" "/api/1/profile/{id}/attributes/update" Ticket AccessToken "Set attributes of a profile";
    API1_PROFILE_ATTRIBUTES_REMOVE = "api1-profile-attributes-remove" "POST" "/api/1/profile/{id}/attributes/remove" Ticket AccessToken "Remove attributes of a profile";
    API1_PROFILE_BY_USERNAME = "api1-profile-by-username" "GET" "/api/1/profile/by_username" Ticket AccessToken "Find a profile by its user name";
    API1_PROFILE_BY_TICKET = "api1-profile-by-ticket" "GET" "/api/1/profile/by_ticket" Ticket AccessToken "Read the profile whose ticket it is, and note its use";
    API1_PROFILE_BY_IDS = "api1-profile-by-ids" "GET" "/api/1/profile/by_ids" Ticket AccessToken "Read several profiles";
    API1_PROFILE_RANGE = "api1-profile-range" "GET" "/api/1/profile/range" Ticket AccessToken "List profiles of a tenant";
    API1_PROFILE_COUNT = "api1-profile-count" "GET" "/api/1/profile/count" Ticket AccessToken "Count the profiles of a tenant";
    API1_PROFILE_RESET_PASSWORD = "api1-profile-reset-password" "POST" "/api/1/profile/{id}/reset_password" Ticket AccessToken "Send a token that sets a new password";
    API1_PROFILE_CHANGE_PASSWORD = "api1-profile-change-password" "POST" "/api/1/profile/change_password" Ticket AccessToken "A new password in exchange for such a token";
    VERIFICATION_TOKEN_CREATE = "verification-token-create" "POST" "/api/1/profile/{id}/verification_token/create" Ticket AccessToken "A token that shows whose an address is";
    VERIFICATION_TOKEN_GET = "verification-token-get" "GET" "/api/1/profile/verification_token/{id}" Ticket AccessToken "Read a token that was sent";
    VERIFICATION_TOKEN_DELETE = "verification-token-delete" "POST" "/api/1/profile/verification_token/{id}/delete" Ticket AccessToken "End a token that was sent";
    API1_PROFILE_VERIFY = "api1-profile-verify" "POST" "/api/1/profile/verify" Ticket AccessToken "Note, by a token, that an address is the profile's own";
    PROFILE_AUTHENTICATE = "profile-authenticate" "POST" "/v1/profile/{id}/authenticate" Profile AccessTokenOrJwt "A JWT of a chosen duration for a profile";
    PROFILE_CREATE = "profile-create" "POST" "/v1/profile" Profile AccessToken "Make a profile";
    PROFILE_GET = "profile-get" "GET" "/v1/profile/{id}" Profile AccessTokenOrJwt "Read a profile";
    PROFILE_UPDATE = "profile-update" "PUT" "/v1/profile/{id}" Profile AccessTokenOrJwt "Change the name of a profile";
    APPLICATION_GET = "application-get" "GET" "/v1/application" Profile AccessToken "Read the calling application";
    OAUTH2_INTROSPECT = "oauth2-introspect" "POST" "/oauth2/introspect" Standards AccessToken "Whether a JWT, ticket or auth header is good (RFC 7662)";
    OAUTH2_REVOKE = "oauth2-revoke" "POST" "/oauth2/revoke" Standards AccessToken "End a JWT, ticket or auth header (RFC 7009)";
    JWKS = "jwks" "GET" "/.well-known/jwks.json" Standards Open "The public signing keys (RFC 7517)";
    OPENID_CONFIGURATION = "openid-configuration" "GET" "/.well-known/openid-configuration" Standards Open "Where the issuer's keys are (OpenID Connect Discovery)";
    HEALTH = "health" "GET" "/health" Standards Open "Whether the store and the signing keys are in reach";
}

/// Another route to an endpoint: an older spelling that existing clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The endpoint.
    pub route: &'static Route,
    /// The other path.
    pub path: &'static str,
}

/// Every other route.
pub const ALIASES: &[Alias] = &[
    Alias { route: &TICKET_CREATE, path: "/api/1/authentication/token/create" },
    Alias { route: &TICKET_GET, path: "/api/1/authentication/token/{id}" },
    Alias { route: &TICKET_INVALIDATE, path: "/api/1/authentication/token/{id}/invalidate" },
];

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
    /// The user's id: a UUID, or 24 hexadecimal digits, unless an import brought another.
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
    pub properties: BTreeMap<String, Value>,
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

impl TicketAnswer {
    /// The answer for a ticket that was used at `used`; `id` is its text.
    #[must_use]
    pub fn new(ticket: &Ticket, id: &str, used: Timestamp) -> Self {
        Self {
            tenant: ticket.tenant.to_string(),
            profile_id: ticket.key.user.to_string(),
            last_request_time: used.as_millis(),
            id: id.to_owned(),
        }
    }
}

/// A profile, as the Profile API shows it. Dates are epoch milliseconds.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProfileAnswer {
    /// Its id.
    pub id: String,
    /// The tenant that owns it.
    pub tenant: String,
    /// The user name as its owner writes it.
    pub username: String,
    /// E-mail address, if there is one.
    pub email: Option<String>,
    /// Whether the address was shown to be its own.
    pub verified: bool,
    /// Whether it may act.
    pub enabled: bool,
    /// When it was made.
    pub created_on: i64,
    /// When it was last changed.
    pub last_modified: i64,
    /// Its roles.
    pub roles: Vec<String>,
    /// The applications' own data about it, as far as they were asked for.
    pub attributes: BTreeMap<String, Value>,
}

/// A persistent login. Dates are epoch milliseconds.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PersistentLoginAnswer {
    /// Its id, which is secret.
    pub id: String,
    /// The tenant of the profile.
    pub tenant: String,
    /// Whose it is.
    pub profile_id: String,
    /// What is good until the next refresh.
    pub token: String,
    /// When it began.
    pub timestamp: i64,
}

impl PersistentLoginAnswer {
    /// The answer for a persistent login; `id` is its id, which only its reader knows.
    #[must_use]
    pub fn new(login: &PersistentLogin, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            tenant: login.tenant.to_string(),
            profile_id: login.key.user.to_string(),
            token: login.token(id).expose_secret().to_owned(),
            timestamp: login.created.as_millis(),
        }
    }
}

/// A token that was made for a message. Dates are epoch milliseconds.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct VerificationTokenAnswer {
    /// The token.
    pub id: String,
    /// The tenant of the profile.
    pub tenant: String,
    /// Whose it is.
    pub profile_id: String,
    /// When it was made.
    pub timestamp: i64,
}

impl VerificationTokenAnswer {
    /// The answer for a token, of which only its reader knows the text.
    #[must_use]
    pub fn new(token: &OneTime, text: &str) -> Self {
        Self {
            id: text.to_owned(),
            tenant: token.tenant.to_string(),
            profile_id: token.key.user.to_string(),
            timestamp: token.created.as_millis(),
        }
    }
}

/// A tenant, as the Profile API shows it.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TenantAnswer {
    /// Made of its name alone: existing clients take nothing but 24 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether a password opens an account only once its address is verified.
    pub verify_new_profiles: bool,
    /// Names of roles that applications offer; any other can be given too.
    pub available_roles: Vec<String>,
    /// `false` where applications can make no profiles; left out otherwise, since existing clients don't know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepts_new_profiles: Option<bool>,
    /// Always `false`.
    pub sso_enabled: bool,
    /// Always empty: attributes need no definition here.
    pub attribute_definitions: Vec<Value>,
    /// Always `false`: attributes are kept as they are sent.
    pub cleanse_attributes: bool,
}

/// An access token. Dates are epoch milliseconds.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AccessTokenAnswer {
    /// The token itself where it was just made or the caller named it by that; its fingerprint otherwise.
    pub id: String,
    /// The application's name.
    pub application: String,
    /// Whether it may manage access tokens, which is all that it allows.
    pub master: bool,
    /// What it may do where; all entries that match count.
    pub tenant_permissions: Vec<TenantPermissionAnswer>,
    /// When it ends, if ever.
    pub expires_on: Option<i64>,
}

/// What an access token may do in one tenant, or in all.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TenantPermissionAnswer {
    /// The tenant, or `*` for any.
    pub tenant: String,
    /// The actions, or `*` for any.
    pub allowed_actions: Vec<String>,
}

/// A profile, as the profile family shows it. Dates are epoch seconds.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlainProfileAnswer {
    /// Its id.
    pub id: String,
    /// Always null: nothing is known of it here.
    pub root_user_id: Option<String>,
    /// The application that made it, if one did.
    pub application_id: Option<String>,
    /// What to call it.
    pub name: String,
    /// When it was made.
    pub created_at: i64,
    /// Always empty.
    pub identifiers: Vec<Value>,
    /// Always empty.
    pub wallets: Vec<Value>,
}

/// An application, as the profile family shows it. Dates are epoch seconds; what is not known here is null.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApplicationAnswer {
    /// Its name once more.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Always null.
    pub email: Option<String>,
    /// Always null.
    pub description: Option<String>,
    /// When its access token was made.
    pub created_at: i64,
    /// The same: nothing notes a change, such as the end of a tenant that its access token names.
    pub last_updated: i64,
    /// Always null.
    pub root_user_id: Option<String>,
    /// Always null.
    pub identity_id: Option<String>,
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
