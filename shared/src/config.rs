//! Settings: the only reader of the environment. Every variable is declared in the template, so none has a default
//! here, and a function that lacks one does not start.

use std::time::Duration;

use crate::delivery::Link;
use crate::jwt::Party;
use crate::keyring::Algorithm;
use crate::password::pepper::{PepperError, Usage};
use crate::password::{Cost, Hasher, PasswordError};
use crate::store::dynamo::Tables;
use crate::tenant::TenantName;
use crate::ticket::Limits;

/// A setting that is missing or can't be used. Names the variable, never its value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The variable is not set, empty, or not Unicode.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// The variable's value breaks its rule.
    #[error("the environment variable {name} {rule}")]
    Invalid {
        /// Which.
        name: &'static str,
        /// The rule, as a predicate.
        rule: &'static str,
    },
}

/// The settings of a stack.
#[derive(Clone, Debug)]
pub struct Config {
    /// Issuer and audience of the JWTs.
    pub party: Party,
    /// The tenant of user names that don't name one.
    pub default_tenant: TenantName,
    /// The secret that holds the keyset.
    pub keyset_secret: String,
    /// The tables.
    pub tables: Tables,
    /// How long tickets live.
    pub lifetimes: Lifetimes,
    /// How long a persistent login lives, however often it is refreshed.
    pub persistent_login: Duration,
    /// What a new password hash costs.
    pub cost: Cost,
    /// The key that goes into password hashes, if the stack has one.
    pub pepper: Option<PepperSettings>,
    /// Of the keys that a rotation makes.
    pub signing_algorithm: Algorithm,
    /// How the authorizer judges and answers.
    pub authorizer: Authorizer,
    /// The event bus that takes messages to people.
    pub event_bus: String,
    /// The pages that such messages lead to.
    pub pages: Pages,
    /// The least severe level that is logged.
    pub log_level: tracing::Level,
}

/// What a stack with a pepper says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PepperSettings {
    /// What it is for.
    pub usage: Usage,
    /// The secret that holds it.
    pub secret: String,
}

/// The pages that messages to people lead to, where there are some; the token's text is in the message all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// Where a new password is set.
    pub reset: Option<Link>,
    /// Where an address is verified.
    pub verify: Option<Link>,
}

/// How the authorizer judges and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorizer {
    /// What an HTTP API with payload format 2.0 is answered.
    pub answer: AuthorizerAnswer,
    /// What a JWT is held against.
    pub mode: AuthorizerMode,
}

/// The form of the authorizer's answer to an HTTP API with payload format 2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizerAnswer {
    /// `{"isAuthorized"}`: for an authorizer with `EnableSimpleResponses`.
    Simple,
    /// An IAM policy.
    Iam,
}

/// What the authorizer holds a JWT against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizerMode {
    /// Signature, claims and, each time, the store.
    EveryRequest,
    /// Signature and claims alone: a JWT works until its `exp`, whatever was ended meanwhile.
    SignatureOnlyIgnoresRevocation,
}

/// How long what is issued lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// A login's JWT.
    pub login_jwt: Duration,
    /// A login, however often it is renewed, and so the longest life that may be asked of `/user/token`. It caps
    /// [`Self::login_jwt`] too.
    pub login_max: Duration,
    /// A profile's JWT where the caller does not say.
    pub profile_jwt: Duration,
    /// The longest life of a profile's JWT.
    pub profile_jwt_max: Duration,
    /// Tickets of the ticket family.
    pub ticket: Limits,
}

impl Config {
    /// Reads the process's environment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads settings from anywhere.
    pub fn read(variable: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = |name| variable(name).filter(|value| !value.is_empty()).ok_or(ConfigError::Missing(name));
        let number = |name, min: u32, max: u32| {
            let value = text(name)?.parse::<u32>().ok().filter(|value| (min..=max).contains(value));
            value.ok_or(ConfigError::Invalid { name, rule: "is not a whole number in its range" })
        };
        let seconds = |name, max| number(name, 1, max).map(|value| Duration::from_secs(u64::from(value)));
        let config = Self {
            party: Party { issuer: issuer(&text("OSTIARY_ISSUER")?)?, audience: text("OSTIARY_AUDIENCE")? },
            default_tenant: TenantName::parse(&text("OSTIARY_DEFAULT_TENANT")?)
                .ok_or(ConfigError::Invalid { name: "OSTIARY_DEFAULT_TENANT", rule: TenantName::RULE })?,
            keyset_secret: text("OSTIARY_KEYSET_SECRET_ID")?,
            tables: Tables {
                credentials: text("OSTIARY_TABLE_CREDENTIALS")?,
                users: text("OSTIARY_TABLE_USERS")?,
                tickets: text("OSTIARY_TABLE_TICKETS")?,
                auth_headers: text("OSTIARY_TABLE_AUTH_HEADERS")?,
                applications: text("OSTIARY_TABLE_APPLICATIONS")?,
            },
            lifetimes: Lifetimes {
                login_jwt: seconds("OSTIARY_LOGIN_JWT_SECONDS", 86_400)?,
                login_max: seconds("OSTIARY_LOGIN_MAX_SECONDS", 31_536_000)?,
                profile_jwt: seconds("OSTIARY_PROFILE_JWT_SECONDS", 86_400)?,
                profile_jwt_max: seconds("OSTIARY_PROFILE_JWT_MAX_SECONDS", 86_400)?,
                ticket: Limits {
                    idle: Some(seconds("OSTIARY_TICKET_IDLE_SECONDS", 86_400)?),
                    absolute: seconds("OSTIARY_TICKET_MAX_SECONDS", 31_536_000)?,
                },
            },
            persistent_login: seconds("OSTIARY_PERSISTENT_LOGIN_SECONDS", 31_536_000)?,
            cost: Cost {
                memory_kib: number("OSTIARY_ARGON2_MEMORY_KIB", 1, u32::MAX)?,
                iterations: number("OSTIARY_ARGON2_ITERATIONS", 1, u32::MAX)?,
                parallelism: number("OSTIARY_ARGON2_PARALLELISM", 1, u32::MAX)?,
            },
            pepper: choice(
                "OSTIARY_PEPPER",
                text,
                &[("none", None), ("verify-only", Some(Usage::VerifyOnly)), ("required", Some(Usage::Required))],
            )?
            .map(|usage| text("OSTIARY_PEPPER_SECRET_ID").map(|secret| PepperSettings { usage, secret }))
            .transpose()?,
            signing_algorithm: choice(
                "OSTIARY_SIGNING_ALGORITHM",
                text,
                &[("RS256", Algorithm::Rs256), ("ES256", Algorithm::Es256), ("EdDSA", Algorithm::EdDsa)],
            )?,
            authorizer: Authorizer {
                answer: choice(
                    "OSTIARY_AUTHORIZER_ANSWER",
                    text,
                    &[("simple", AuthorizerAnswer::Simple), ("iam", AuthorizerAnswer::Iam)],
                )?,
                mode: choice(
                    "OSTIARY_AUTHORIZER_MODE",
                    text,
                    &[
                        ("every-request", AuthorizerMode::EveryRequest),
                        ("signature-only-ignores-revocation", AuthorizerMode::SignatureOnlyIgnoresRevocation),
                    ],
                )?,
            },
            event_bus: text("OSTIARY_EVENT_BUS")?,
            pages: Pages { reset: page("OSTIARY_RESET_URL", text)?, verify: page("OSTIARY_VERIFY_URL", text)? },
            log_level: text("OSTIARY_LOG_LEVEL")?.parse().map_err(|_| ConfigError::Invalid {
                name: "OSTIARY_LOG_LEVEL",
                rule: "is none of error, warn, info, debug, trace",
            })?,
        };
        if !config.cost.is_bounded() {
            let rule = "makes a hash that is dearer than 64 MiB, 10 passes or 4 lanes, or has too little memory";
            return Err(ConfigError::Invalid { name: "OSTIARY_ARGON2_MEMORY_KIB", rule });
        }
        Ok(config)
    }

    /// A hasher of the configured cost, for a stack without a pepper. It is an error in another:
    /// [`Aws::hasher`](crate::aws::Aws::hasher) reads the pepper.
    pub fn hasher(&self) -> Result<Hasher, PasswordError> {
        match self.pepper {
            Some(_) => Err(PepperError::NotRead.into()),
            None => Hasher::new(self.cost),
        }
    }
}

/// The setting `name`, which has one of a few values.
fn choice<T: Copy>(
    name: &'static str,
    text: impl Fn(&'static str) -> Result<String, ConfigError>,
    choices: &[(&str, T)],
) -> Result<T, ConfigError> {
    let given = text(name)?;
    let chosen = choices.iter().find(|(value, _)| *value == given).map(|(_, meaning)| *meaning);
    chosen.ok_or(ConfigError::Invalid { name, rule: "is none of the values that it can have" })
}

/// The setting `name`, which is a page's URL or `none`.
fn page(
    name: &'static str,
    text: impl Fn(&'static str) -> Result<String, ConfigError>,
) -> Result<Option<Link>, ConfigError> {
    let given = text(name)?;
    if given == "none" {
        return Ok(None);
    }
    Link::parse(&given).map(Some).ok_or(ConfigError::Invalid { name, rule: Link::RULE })
}

/// An issuer is a URL without query, fragment or final slash (OpenID Connect Discovery 1.0, section 3); plain HTTP only
/// for this machine.
fn issuer(text: &str) -> Result<String, ConfigError> {
    let on_this_machine = |host: &&str| {
        text.strip_prefix("http://")
            .and_then(|rest| rest.strip_prefix(*host))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    };
    let local = ["127.0.0.1", "localhost"].iter().any(on_this_machine);
    let valid = (text.starts_with("https://") && text.len() > 8 || local)
        && !text.ends_with('/')
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'"' | b'\\'));
    let rule = "must be an https URL without query, fragment or final slash";
    if valid { Ok(text.to_owned()) } else { Err(ConfigError::Invalid { name: "OSTIARY_ISSUER", rule }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::variable;

    #[test]
    fn a_complete_environment_is_read() {
        let config = Config::read(variable).unwrap();
        assert_eq!(config.lifetimes.login_jwt, Duration::from_secs(3600));
        assert_eq!(config.lifetimes.ticket.idle, Some(Duration::from_secs(900)));
        assert_eq!(config.persistent_login, Duration::from_secs(1_296_000));
    }

    #[test]
    fn every_variable_is_needed_and_named() {
        for missing in [
            "OSTIARY_ISSUER",
            "OSTIARY_AUDIENCE",
            "OSTIARY_KEYSET_SECRET_ID",
            "OSTIARY_TABLE_USERS",
            "OSTIARY_LOGIN_JWT_SECONDS",
            "OSTIARY_PERSISTENT_LOGIN_SECONDS",
            "OSTIARY_ARGON2_MEMORY_KIB",
            "OSTIARY_PEPPER",
            "OSTIARY_EVENT_BUS",
            "OSTIARY_RESET_URL",
            "OSTIARY_LOG_LEVEL",
        ] {
            let without = |name| if name == missing { None } else { variable(name) };
            assert_eq!(Config::read(without).err(), Some(ConfigError::Missing(missing)));
        }
    }

    #[test]
    fn a_pepper_needs_its_secret_and_is_never_left_out_of_a_hash() {
        let with = |secret: Option<&'static str>| {
            Config::read(move |name| match name {
                "OSTIARY_PEPPER" => Some("required".to_owned()),
                "OSTIARY_PEPPER_SECRET_ID" => secret.map(str::to_owned),
                _ => variable(name),
            })
        };
        assert_eq!(with(None).err(), Some(ConfigError::Missing("OSTIARY_PEPPER_SECRET_ID")));
        let config = with(Some("pepper")).unwrap();
        assert_eq!(config.pepper, Some(PepperSettings { usage: Usage::Required, secret: "pepper".to_owned() }));
        assert!(config.hasher().is_err());
        assert_eq!(Config::read(variable).unwrap().pepper, None);
    }

    #[test]
    fn a_setting_that_would_weaken_the_stack_is_refused() {
        for (name, value) in [
            ("OSTIARY_ISSUER", "http://auth.example.com"),
            ("OSTIARY_ISSUER", "http://localhost.example.com"),
            ("OSTIARY_ISSUER", "https://"),
            ("OSTIARY_ISSUER", "https://a/?b"),
            ("OSTIARY_LOGIN_JWT_SECONDS", "0"),
            ("OSTIARY_LOGIN_JWT_SECONDS", "-1"),
            ("OSTIARY_LOGIN_JWT_SECONDS", "86401"),
            ("OSTIARY_LOGIN_MAX_SECONDS", "0"),
            ("OSTIARY_PERSISTENT_LOGIN_SECONDS", "0"),
            ("OSTIARY_PERSISTENT_LOGIN_SECONDS", "31536001"),
            ("OSTIARY_SIGNING_ALGORITHM", "HS256"),
            ("OSTIARY_PEPPER", "off"),
            ("OSTIARY_RESET_URL", "http://example.com/{token}"),
            ("OSTIARY_VERIFY_URL", "https://example.com/"),
            ("OSTIARY_AUTHORIZER_ANSWER", "allow"),
            ("OSTIARY_AUTHORIZER_MODE", "signature-only"),
            ("OSTIARY_ARGON2_MEMORY_KIB", "65537"),
            ("OSTIARY_ARGON2_ITERATIONS", "11"),
            ("OSTIARY_DEFAULT_TENANT", "a/b"),
        ] {
            let with = |asked| if asked == name { Some(value.to_owned()) } else { variable(asked) };
            assert!(matches!(Config::read(with), Err(ConfigError::Invalid { .. })), "{name}={value}");
        }
    }
}
