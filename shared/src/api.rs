//! The contract on one page: every route, and the shapes of requests and answers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::Timestamp;
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
    /// Nothing: the path is public, or takes a password in its body.
    Public,
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
    USER_LOGIN = "user-login" "POST" "/user/login" User Public "A user name and password for a JWT";
    USER_LOGOUT = "user-logout" "GET" "/user/logout" User LoginJwt "End a JWT and its ticket";
    AUTHHEADER_ADD = "authheader-add" "POST" "/authheader/add" User LoginJwt "Make an auth header";
    AUTHHEADER_LIST = "authheader-list" "GET" "/authheader/list" User LoginJwt "List the caller's auth headers";
    AUTHHEADER_DELETE = "authheader-delete" "POST" "/authheader/delete" User LoginJwt "Delete one of the caller's auth headers";
    TEST_SECURE = "test-secure" "GET" "/test/secure" User User "Try a credential";
    TEST_UNSECURE = "test-unsecure" "GET" "/test/unsecure" User Public "Try the connection";
    TICKET_AUTHENTICATE = "ticket-authenticate" "POST" "/api/1/authentication/authenticate" Ticket AccessToken "A user name and password for a ticket";
    TICKET_GET = "ticket-get" "GET" "/api/1/authentication/ticket/{id}" Ticket AccessToken "Read a ticket and note its use";
    TICKET_INVALIDATE = "ticket-invalidate" "POST" "/api/1/authentication/ticket/{id}/invalidate" Ticket AccessToken "End a ticket";
    PROFILE_AUTHENTICATE = "profile-authenticate" "POST" "/v1/profile/{id}/authenticate" Profile AccessTokenOrJwt "A JWT of a chosen duration for a profile";
    JWKS = "jwks" "GET" "/.well-known/jwks.json" Standards Public "The public signing keys (RFC 7517)";
    OPENID_CONFIGURATION = "openid-configuration" "GET" "/.well-known/openid-configuration" Standards Public "Where the issuer's keys are (OpenID Connect Discovery)";
    HEALTH = "health" "GET" "/health" Standards Public "Whether the store and the signing keys are in reach";
}

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
    pub fn new(user: &User, jwt: &Token, password_expires: Option<Timestamp>) -> Self {
        let name = |text: &str| Name { name: text.to_owned() };
        Self {
            id: user.id.to_string(),
            created: user.created.as_zoneless(),
            username: user.name.as_str().to_owned(),
            email: user.email.as_ref().map(Email::as_str).unwrap_or_default().to_owned(),
            firstname: user.first_name.clone().unwrap_or_default(),
            lastname: user.last_name.clone().unwrap_or_default(),
            token: jwt.expose_secret().to_owned(),
            password_expiration: password_expires.map_or_else(|| Self::NEVER.to_owned(), Timestamp::as_zoneless),
            active: name(user.tenant.as_str()),
            authorizations: vec![Authorization {
                company: name(user.tenant.as_str()),
                roles: user.roles.iter().map(|role| name(role)).collect(),
            }],
            properties: user.attributes.clone(),
        }
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
