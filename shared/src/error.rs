//! Every way in which a request can fail, and what a client is told: the errors on one page.
//!
//! Invariant: status, code and text come from one exhaustive match on the cause. No text holds a secret, a type name
//! or what AWS said.

use crate::access_token::Action;
use crate::api::{CodedError, Family, MessageError, OauthError};
use crate::audit::Outcome;
use crate::config::ConfigError;
use crate::delivery::DeliveryError;
use crate::gateway::Response;
use crate::keyring::KeyringError;
use crate::password::PasswordError;
use crate::password::pepper::PepperError;
use crate::password::rules::Broken;
use crate::store::{StoreError, Write};
use crate::user::{Email, UserId};

/// Seconds after which a client may try again when something we depend on is down.
pub const RETRY_AFTER_SECONDS: u32 = 2;

/// Why a request was not done.
#[derive(Debug)]
pub enum Problem {
    /// The input breaks a rule. `field` is a name of the contract or one that [`shown_name`] let through.
    Invalid {
        /// Which part of the input.
        field: String,
        /// The rule, as a predicate: "must be …".
        rule: &'static str,
    },
    /// The new password breaks a rule of its tenant.
    WeakPassword {
        /// Which part of the input the password was, by its name in the contract.
        field: &'static str,
        /// The rule.
        broken: Broken,
    },
    /// A parameter of the ticket family is missing.
    MissingParameter(&'static str),
    /// The body is longer than [`crate::gateway::MAX_BODY_BYTES`].
    BodyTooLarge,
    /// The body is of another media type than the path takes.
    UnsupportedMediaType,
    /// The function was called for a method that is not its own.
    NoSuchRoute,
    /// The request went around what has to stand in front of the API.
    AroundEdge,
    /// Wrong password, unknown user, disabled, locked: all alike.
    BadCredentials,
    /// The right password, but it has expired.
    PasswordExpired,
    /// The right password, but its tenant wants the account's e-mail address verified first.
    EmailNotVerified,
    /// A one-time token that is unknown, used or over: all alike.
    NoSuchOneTime,
    /// The right password or a trusted application, but the profile is disabled.
    DisabledProfile(UserId),
    /// No JWT or auth header that is good: missing, forged, expired, revoked, of another issuer, all alike.
    Unauthenticated,
    /// A good JWT, but one that was not made by a login.
    NotFromLogin,
    /// The application sent no access token.
    AccessTokenMissing,
    /// The application's access token is unknown.
    AccessTokenUnknown,
    /// The application's access token has expired.
    AccessTokenExpired(String),
    /// The application may not do this.
    ActionDenied {
        /// What it may not do.
        action: Action,
        /// Where.
        tenant: String,
    },
    /// The credential is missing, bad, or does not cover this profile.
    NotCovered,
    /// A JWT that was minted for a profile can't mint another.
    CannotMint,
    /// There is no such live ticket, as far as the caller may know.
    NoSuchTicket,
    /// The ticket by which a profile was asked for is unknown or over.
    TicketGone,
    /// There is no such profile in a tenant that the caller covers.
    NoSuchProfile,
    /// There is no such tenant.
    NoSuchTenant,
    /// There is no such persistent login, as far as the caller may know.
    NoSuchPersistentLogin,
    /// There is no such access token.
    NoSuchAccessToken,
    /// The tenant's name is taken.
    TenantExists(String),
    /// The profile's name, address or id is taken: which of them.
    ProfileExists(&'static str),
    /// The access token's id is taken.
    AccessTokenExists,
    /// An e-mail address breaks [`crate::user::Email::RULE`].
    InvalidEmail,
    /// A parameter that holds JSON can't be read: its name, and the rule as a predicate.
    NotJson {
        /// The parameter.
        parameter: &'static str,
        /// The rule.
        rule: &'static str,
    },
    /// The application is no master, without which it may not do this.
    GlobalActionDenied(&'static str),
    /// The tenant takes no new profiles.
    NoNewProfiles(String),
    /// Somebody else changed the same thing at the same moment, again and again.
    Busy,
    /// More is to be done than fits one call; the next one goes on.
    Unfinished,
    /// The caller has no such auth header.
    NoSuchAuthHeader,
    /// The caller has no such session.
    NoSuchSession,
    /// A standards client showed no access token that is good.
    UnknownClient,
    /// Storage did not answer, or holds what can't be read.
    Store(StoreError),
    /// The signing keys can't be had.
    Keys(KeyringError),
    /// The pepper can't be had, without which a password can't be judged or hashed.
    Pepper(PepperError),
    /// A message to a person can't be sent.
    Delivery(DeliveryError),
    /// The function lacks a setting, or one can't be used.
    Setting(ConfigError),
    /// Our fault.
    Internal(&'static str),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Pepper(error) => Self::Pepper(error),
            PasswordError::Unusable | PasswordError::Interrupted => {
                Self::Internal("a password was not checked or hashed")
            }
        }
    }
}

impl From<KeyringError> for Problem {
    fn from(error: KeyringError) -> Self {
        Self::Keys(error)
    }
}

/// What a client is told of a [`Problem`].
struct Told {
    status: u16,
    /// The ticket family's `errorCode`.
    code: &'static str,
    /// RFC 6749's `error`.
    oauth: &'static str,
    message: String,
}

impl Problem {
    /// An input that breaks a rule.
    #[must_use]
    pub fn invalid(field: &str, rule: &'static str) -> Self {
        Self::Invalid { field: field.to_owned(), rule }
    }

    /// A new password that breaks a rule of its tenant.
    #[must_use]
    pub fn weak(field: &'static str, broken: Broken) -> Self {
        Self::WeakPassword { field, broken }
    }

    /// The same in the user family, which has one answer for every refusal of a password but an expired one.
    #[must_use]
    pub fn without_disabled(self) -> Self {
        match self {
            Self::DisabledProfile(_) => Self::BadCredentials,
            other => other,
        }
    }

    /// Whether it was refused or could not be done, for the audit trail.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Store(_)
            | Self::Keys(_)
            | Self::Pepper(_)
            | Self::Delivery(_)
            | Self::Busy
            | Self::Unfinished
            | Self::Setting(_)
            | Self::Internal(_) => Outcome::Failed,
            _ => Outcome::Refused,
        }
    }

    /// Why, for the audit trail: a closed list.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid { .. } | Self::MissingParameter(_) | Self::InvalidEmail | Self::NotJson { .. } => {
                "invalid_input"
            }
            Self::WeakPassword { .. } => "weak_password",
            Self::BodyTooLarge => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::NoSuchRoute => "no_such_route",
            Self::AroundEdge => "around_edge",
            Self::BadCredentials => "bad_credentials",
            Self::PasswordExpired => "password_expired",
            Self::EmailNotVerified => "email_not_verified",
            Self::NoSuchOneTime => "no_such_one_time_token",
            Self::DisabledProfile(_) => "disabled",
            Self::Unauthenticated => "unauthenticated",
            Self::NotFromLogin => "not_from_login",
            Self::AccessTokenMissing => "access_token_missing",
            Self::AccessTokenUnknown | Self::UnknownClient => "access_token_unknown",
            Self::AccessTokenExpired(_) => "access_token_expired",
            Self::ActionDenied { .. } | Self::GlobalActionDenied(_) => "action_denied",
            Self::NotCovered => "not_covered",
            Self::CannotMint => "cannot_mint",
            Self::NoSuchTicket | Self::TicketGone => "no_such_ticket",
            Self::NoSuchProfile => "no_such_profile",
            Self::NoSuchTenant => "no_such_tenant",
            Self::NoSuchPersistentLogin => "no_such_persistent_login",
            Self::NoSuchAccessToken => "no_such_access_token",
            Self::TenantExists(_) => "tenant_exists",
            Self::ProfileExists(_) => "profile_exists",
            Self::AccessTokenExists => "access_token_exists",
            Self::NoNewProfiles(_) => "no_new_profiles",
            Self::Busy => "busy",
            Self::Unfinished => "unfinished",
            Self::NoSuchAuthHeader => "no_such_auth_header",
            Self::NoSuchSession => "no_such_session",
            Self::Store(_) => "store",
            Self::Keys(_) => "keys",
            Self::Pepper(_) => "pepper",
            Self::Delivery(_) => "delivery",
            Self::Setting(_) => "setting",
            Self::Internal(_) => "internal",
        }
    }

    #[expect(clippy::too_many_lines, reason = "the errors on one page, in one exhaustive match")]
    fn told(&self, family: Family) -> Told {
        let tell = |status, code, oauth, message: &str| Told { status, code, oauth, message: message.to_owned() };
        match self {
            Self::Invalid { field, rule } => tell(400, "OTHER", "invalid_request", &format!("{field} {rule}")),
            Self::WeakPassword { field, broken } => tell(400, "OTHER", "invalid_request", &format!("{field} {broken}")),
            Self::MissingParameter(name) => {
                tell(400, "OTHER", "invalid_request", &format!("Required parameter '{name}' is not present"))
            }
            Self::BodyTooLarge => tell(413, "OTHER", "invalid_request", "The body is longer than 64 KiB"),
            Self::UnsupportedMediaType => {
                tell(415, "OTHER", "invalid_request", "The body's content-type is not one that this path takes")
            }
            Self::NoSuchRoute => tell(404, "OTHER", "invalid_request", "Not Found"),
            Self::AroundEdge => {
                let message = "Requests are taken only through the distribution in front of this API";
                tell(403, "ACCESS_DENIED", "access_denied", message)
            }
            Self::BadCredentials => tell(
                401,
                "BAD_CREDENTIALS",
                "invalid_grant",
                match family {
                    Family::Ticket => "Invalid username and/or password",
                    Family::User | Family::Profile | Family::Standards => "Incorrect credentials",
                },
            ),
            Self::PasswordExpired => tell(403, "PASSWORD_EXPIRED", "invalid_grant", "Password expired"),
            Self::EmailNotVerified => {
                // A code that existing clients know: they take one that they don't for a fault of the server.
                tell(403, "DISABLED_PROFILE", "invalid_grant", "The e-mail address has to be verified first")
            }
            Self::NoSuchOneTime => {
                tell(404, "NO_SUCH_VERIFICATION_TOKEN", "invalid_request", "The token is unknown, used or expired")
            }
            Self::DisabledProfile(id) => {
                tell(403, "DISABLED_PROFILE", "access_denied", &format!("Profile \"{id}\" is disabled"))
            }
            Self::Unauthenticated => {
                tell(401, "ACCESS_DENIED", "invalid_token", "A valid credential is needed in the request's headers")
            }
            Self::NotFromLogin => tell(403, "ACCESS_DENIED", "access_denied", "This needs a JWT from a login"),
            Self::AccessTokenMissing => {
                tell(403, "ACCESS_DENIED", "invalid_client", "Access token ID param missing from request")
            }
            Self::AccessTokenUnknown => tell(403, "ACCESS_DENIED", "invalid_client", "No access token found"),
            Self::AccessTokenExpired(application) => {
                let message = format!("Access token for application \"{application}\" expired");
                tell(403, "ACCESS_DENIED", "invalid_client", &message)
            }
            Self::ActionDenied { action, tenant } => {
                let message = format!(
                    "Current subject does not have permission to execute action \"{}\" on tenant \"{tenant}\"",
                    action.as_str()
                );
                tell(403, "ACTION_DENIED", "access_denied", &message)
            }
            Self::NotCovered => tell(403, "ACTION_DENIED", "access_denied", "No valid credential for this profile"),
            Self::CannotMint => {
                tell(403, "ACTION_DENIED", "access_denied", "A profile's JWT can't be used to get another")
            }
            Self::NoSuchTicket => tell(404, "NO_SUCH_TICKET", "invalid_request", "No ticket with this ID found"),
            // Existing clients take a 404 here for a profile that is gone, and send nobody to the login page.
            Self::TicketGone => tell(400, "NO_SUCH_TICKET", "invalid_request", "No ticket with this ID found"),
            Self::NoSuchProfile => tell(404, "NO_SUCH_PROFILE", "invalid_request", "No such profile found"),
            Self::NoSuchTenant => tell(404, "NO_SUCH_TENANT", "invalid_request", "No tenant with this name found"),
            Self::NoSuchPersistentLogin => {
                let message = "No persistent login with this ID found";
                tell(404, "NO_SUCH_PERSISTENT_LOGIN", "invalid_request", message)
            }
            Self::NoSuchAccessToken => {
                tell(404, "NO_SUCH_ACCESS_TOKEN_ID", "invalid_request", "No access token with this ID found")
            }
            Self::TenantExists(name) => {
                tell(409, "TENANT_EXISTS", "invalid_request", &format!("The tenant \"{name}\" already exists"))
            }
            Self::ProfileExists(what) => {
                tell(409, "PROFILE_EXISTS", "invalid_request", &format!("A profile with this {what} already exists"))
            }
            Self::AccessTokenExists => {
                tell(409, "ACCESS_TOKEN_EXISTS", "invalid_request", "An access token with this ID already exists")
            }
            Self::InvalidEmail => {
                tell(400, "INVALID_EMAIL_ADDRESS", "invalid_request", &format!("email {}", Email::RULE))
            }
            Self::NotJson { parameter, rule } => {
                tell(400, "PARAM_DESERIALIZATION_ERROR", "invalid_request", &format!("{parameter} {rule}"))
            }
            Self::GlobalActionDenied(action) => {
                let message = format!("Current subject does not have permission to execute global action \"{action}\"");
                tell(403, "ACTION_DENIED", "access_denied", &message)
            }
            Self::NoNewProfiles(tenant) => {
                let message = format!("The tenant \"{tenant}\" takes no new profiles");
                tell(403, "ACTION_DENIED", "access_denied", &message)
            }
            Self::Busy => {
                let message = "It was changed by somebody else at the same moment; try again";
                tell(503, "OTHER", "temporarily_unavailable", message)
            }
            Self::Unfinished => {
                let message = "Not everything is done yet; repeat the call to go on";
                tell(503, "OTHER", "temporarily_unavailable", message)
            }
            Self::NoSuchSession => tell(404, "NO_SUCH_SESSION", "invalid_request", "No such session"),
            Self::UnknownClient => tell(401, "ACCESS_DENIED", "invalid_client", "A valid access token is needed"),
            Self::NoSuchAuthHeader => tell(404, "NO_SUCH_AUTH_HEADER", "invalid_request", "No such auth header"),
            // After a rollback, or beside newer functions: what is there can't be judged here, but soon elsewhere.
            Self::Store(StoreError::Unavailable { .. } | StoreError::Newer { .. })
            | Self::Pepper(_)
            | Self::Delivery(_)
            | Self::Setting(_)
            | Self::Keys(
                KeyringError::Unreachable(_)
                | KeyringError::Unusable(_)
                | KeyringError::NoneSigns
                | KeyringError::NotAllowed(_)
                | KeyringError::Signing,
            ) => tell(503, "OTHER", "temporarily_unavailable", "The service is temporarily unavailable"),
            Self::Store(StoreError::Corrupt { .. }) | Self::Keys(KeyringError::TooLong) | Self::Internal(_) => {
                tell(500, "OTHER", "server_error", "Internal server error")
            }
        }
    }

    /// Logs what an operator has to see to, and answers in the spelling of `family`.
    #[must_use]
    pub fn render(&self, family: Family) -> Response {
        let told = self.told(family);
        self.log(&told);
        let Told { status, code, oauth, message } = told;
        let response = match family {
            Family::User | Family::Profile => Response::json(status, &MessageError { message }),
            Family::Ticket => Response::json(status, &CodedError { error_code: code.to_owned(), message }),
            Family::Standards => {
                Response::json(status, &OauthError { error: oauth.to_owned(), error_description: message })
            }
        };
        match status {
            401 if matches!(self, Self::Unauthenticated) => response.with_header("www-authenticate", "Bearer"),
            // Whichever of them the client used has to be named (RFC 6749, section 5.2).
            401 if matches!(self, Self::UnknownClient) => {
                response.with_header("www-authenticate", "Basic realm=\"ostiary\", Bearer")
            }
            503 => response.with_header("retry-after", &RETRY_AFTER_SECONDS.to_string()),
            _ => response,
        }
    }

    fn log(&self, told: &Told) {
        use std::error::Error;
        let chain = |error: &dyn Error| {
            let mut causes = vec![error.to_string()];
            let mut next = error.source();
            while let Some(cause) = next {
                causes.push(cause.to_string());
                next = cause.source();
            }
            causes.join(": ")
        };
        match self {
            Self::Store(error) => tracing::error!(http.status = told.status, error = chain(error), "failed"),
            Self::Keys(error) => tracing::error!(http.status = told.status, error = chain(error), "failed"),
            Self::Pepper(error) => tracing::error!(http.status = told.status, error = chain(error), "failed"),
            Self::Delivery(error) => tracing::error!(http.status = told.status, error = chain(error), "failed"),
            Self::Setting(error) => tracing::error!(http.status = told.status, error = chain(error), "failed"),
            Self::Internal(what) => tracing::error!(http.status = told.status, error = what, "failed"),
            _ => {}
        }
    }
}

/// What it means that something new was written: its name is random, so it can't have been there before.
pub fn new(written: Write) -> Result<(), Problem> {
    match written {
        Write::Done => Ok(()),
        Write::Refused => Err(Problem::Internal("what is new existed already")),
    }
}

/// A name from the input, if it is harmless to repeat: what a client sent as a field's name may be a misplaced secret.
#[must_use]
pub fn shown_name(name: &str) -> String {
    let harmless = (1..=32).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if harmless { format!("field '{name}'") } else { "a field".to_owned() }
}
