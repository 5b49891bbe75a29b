//! Settings: the only reader of the environment. Every variable is declared in the template, so none has a default
//! here, and a function that lacks one, or has one that can't work, [refuses](crate::start) whatever it is asked.
//!
//! The template's patterns say the same of each parameter by itself, or less: its floors are what is sensible, those here
//! what works at all, for tests and trials. What two of them say together only this module can check.

use std::time::Duration;

use crate::delivery::Link;
use crate::edge::{Edge, Mode};
use crate::jwt::Party;
use crate::keyring::Algorithm;
use crate::password::pepper::{PepperError, Usage};
use crate::password::{Cost, Hasher, MAX_ITERATIONS, MAX_MEMORY_KIB, MAX_PARALLELISM, PasswordError};
use crate::store::dynamo::Tables;
use crate::tenant::TenantName;
use crate::ticket::Limits;

/// A setting that is missing or can't be used. Names the variable, never its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// The variable's value is no whole number, or out of its range.
    #[error("the environment variable {name} must be a whole number from {least} to {most}")]
    OutOfRange {
        /// Which.
        name: &'static str,
        /// Where the range begins.
        least: u32,
        /// Where it ends.
        most: u32,
    },
}

impl ConfigError {
    /// Of the numbers that together are the cost of a hash, each of which may be good by itself.
    pub const UNUSABLE_COST: Self = Self::Invalid {
        name: "OSTIARY_ARGON2_MEMORY_KIB",
        rule: "must be 8 for each of OSTIARY_ARGON2_PARALLELISM at least",
    };
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
    /// What stands in front of the API, if something does.
    pub edge: Option<Edge>,
    /// The name of the stack under which metrics are written, if they are.
    pub metrics: Option<String>,
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

impl Lifetimes {
    /// A lifetime that is longer than what it lies in could never be had; whoever set it expects it.
    fn in_order(&self) -> Result<(), ConfigError> {
        let refused = |name, rule| Err(ConfigError::Invalid { name, rule });
        if self.login_jwt > self.login_max {
            return refused("OSTIARY_LOGIN_JWT_SECONDS", "must not be longer than OSTIARY_LOGIN_MAX_SECONDS");
        }
        if self.profile_jwt > self.profile_jwt_max {
            return refused("OSTIARY_PROFILE_JWT_SECONDS", "must not be longer than OSTIARY_PROFILE_JWT_MAX_SECONDS");
        }
        if self.ticket.idle.is_some_and(|idle| idle > self.ticket.absolute) {
            return refused("OSTIARY_TICKET_IDLE_SECONDS", "must not be longer than OSTIARY_TICKET_MAX_SECONDS");
        }
        Ok(())
    }
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
        let number = |name, least: u32, most: u32| {
            let value = text(name)?.parse::<u32>().ok().filter(|value| (least..=most).contains(value));
            value.ok_or(ConfigError::OutOfRange { name, least, most })
        };
        let seconds = |name, max| number(name, 1, max).map(|value| Duration::from_secs(u64::from(value)));
        let config = Self {
            party: Party { issuer: issuer(&text("OSTIARY_ISSUER")?)?, audience: audience(text("OSTIARY_AUDIENCE")?)? },
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
                    absolute: seconds("OSTIARY_TICKET_MAX_SECONDS", 2_592_000)?,
                },
            },
            persistent_login: seconds("OSTIARY_PERSISTENT_LOGIN_SECONDS", 31_536_000)?,
            cost: Cost {
                memory_kib: number("OSTIARY_ARGON2_MEMORY_KIB", 8, MAX_MEMORY_KIB)?,
                iterations: number("OSTIARY_ARGON2_ITERATIONS", 1, MAX_ITERATIONS)?,
                parallelism: number("OSTIARY_ARGON2_PARALLELISM", 1, MAX_PARALLELISM)?,
            },
            pepper: choice(
                "OSTIARY_PEPPER",
                "must be none, verify-only or required",
                text,
                &[("none", None), ("verify-only", Some(Usage::VerifyOnly)), ("required", Some(Usage::Required))],
            )?
            .map(|usage| text("OSTIARY_PEPPER_SECRET_ID").map(|secret| PepperSettings { usage, secret }))
            .transpose()?,
            signing_algorithm: choice(
                "OSTIARY_SIGNING_ALGORITHM",
                "must be RS256, ES256 or EdDSA",
                text,
                &[("RS256", Algorithm::Rs256), ("ES256", Algorithm::Es256), ("EdDSA", Algorithm::EdDsa)],
            )?,
            authorizer: Authorizer {
                answer: choice(
                    "OSTIARY_AUTHORIZER_ANSWER",
                    "must be simple or iam",
                    text,
                    &[("simple", AuthorizerAnswer::Simple), ("iam", AuthorizerAnswer::Iam)],
                )?,
                mode: choice(
                    "OSTIARY_AUTHORIZER_MODE",
                    "must be every-request or signature-only-ignores-revocation",
                    text,
                    &[
                        ("every-request", AuthorizerMode::EveryRequest),
                        ("signature-only-ignores-revocation", AuthorizerMode::SignatureOnlyIgnoresRevocation),
                    ],
                )?,
            },
            event_bus: bus(text("OSTIARY_EVENT_BUS")?)?,
            pages: Pages { reset: page("OSTIARY_RESET_URL", text)?, verify: page("OSTIARY_VERIFY_URL", text)? },
            edge: edge(text)?,
            metrics: metrics(&text("OSTIARY_METRICS")?)?,
            log_level: text("OSTIARY_LOG_LEVEL")?.parse().map_err(|_| ConfigError::Invalid {
                name: "OSTIARY_LOG_LEVEL",
                rule: "must be error, warn, info, debug or trace",
            })?,
        };
        if !config.cost.is_bounded() {
            return Err(ConfigError::UNUSABLE_COST);
        }
        config.lifetimes.in_order()?;
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
    rule: &'static str,
    text: impl Fn(&'static str) -> Result<String, ConfigError>,
    choices: &[(&str, T)],
) -> Result<T, ConfigError> {
    let given = text(name)?;
    let chosen = choices.iter().find(|(value, _)| *value == given).map(|(_, meaning)| *meaning);
    chosen.ok_or(ConfigError::Invalid { name, rule })
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

/// A text of 1 to 256 characters, each a letter, a digit or one of `also`.
fn is_plain(text: &str, also: &[u8]) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte))
}

fn audience(text: String) -> Result<String, ConfigError> {
    let rule = "must be 1 to 256 characters of letters, digits and ._~:/-";
    if is_plain(&text, b"._~:/-") { Ok(text) } else { Err(ConfigError::Invalid { name: "OSTIARY_AUDIENCE", rule }) }
}

fn bus(text: String) -> Result<String, ConfigError> {
    let rule = "must be the name of an event bus, not its ARN";
    if is_plain(&text, b"._/-") { Ok(text) } else { Err(ConfigError::Invalid { name: "OSTIARY_EVENT_BUS", rule }) }
}

/// What stands in front of the API: `OSTIARY_EDGE` is the secret that it shows, or `none`.
fn edge(text: impl Fn(&'static str) -> Result<String, ConfigError>) -> Result<Option<Edge>, ConfigError> {
    const SECRET: &str = "OSTIARY_EDGE";
    const MODE: &str = "OSTIARY_EDGE_MODE";
    let secret = text(SECRET)?;
    let mode =
        choice(MODE, "must be accept or require", text, &[("accept", Mode::Accept), ("require", Mode::Require)])?;
    match (secret.as_str(), mode) {
        ("none", Mode::Accept) => Ok(None),
        ("none", Mode::Require) => {
            Err(ConfigError::Invalid { name: MODE, rule: "can be require only where OSTIARY_EDGE is a secret" })
        }
        (secret, mode) => {
            Edge::new(secret, mode).map(Some).ok_or(ConfigError::Invalid { name: SECRET, rule: Edge::RULE })
        }
    }
}

/// The setting `OSTIARY_METRICS`: a stack's name by the rule of `CloudFormation`, or `none`.
fn metrics(given: &str) -> Result<Option<String>, ConfigError> {
    let valid = given.len() <= 128
        && given.starts_with(|first: char| first.is_ascii_alphabetic())
        && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let rule = "must be none or the name of a stack: up to 128 letters, digits and hyphens that start with a letter";
    match given {
        "none" => Ok(None),
        _ if valid => Ok(Some(given.to_owned())),
        _ => Err(ConfigError::Invalid { name: "OSTIARY_METRICS", rule }),
    }
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
            "OSTIARY_EDGE",
            "OSTIARY_EDGE_MODE",
            "OSTIARY_METRICS",
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
            ("OSTIARY_ARGON2_MEMORY_KIB", "7"),
            ("OSTIARY_ARGON2_ITERATIONS", "11"),
            ("OSTIARY_ARGON2_PARALLELISM", "5"),
            ("OSTIARY_DEFAULT_TENANT", "a/b"),
            ("OSTIARY_AUDIENCE", "an audience"),
            ("OSTIARY_TICKET_MAX_SECONDS", "2592001"),
            ("OSTIARY_EVENT_BUS", "arn:aws:events:eu-central-1:123456789012:event-bus/default"),
            ("OSTIARY_EDGE", "off"),
            ("OSTIARY_EDGE", "{{resolve:secretsmanager:edge:SecretString}}"),
            ("OSTIARY_EDGE_MODE", "require"),
            ("OSTIARY_METRICS", "a stack"),
            ("OSTIARY_METRICS", "-stack"),
            ("OSTIARY_LOG_LEVEL", "loud"),
        ] {
            let with = |asked| if asked == name { Some(value.to_owned()) } else { variable(asked) };
            let refused = Config::read(with).err().unwrap_or_else(|| panic!("{name}={value} is taken"));
            assert!(refused.to_string().contains(&format!(" {name} ")), "{refused}");
        }
    }

    #[test]
    fn a_lifetime_fits_into_the_one_that_it_lies_in() {
        for (inner, outer) in [
            ("OSTIARY_LOGIN_JWT_SECONDS", "OSTIARY_LOGIN_MAX_SECONDS"),
            ("OSTIARY_PROFILE_JWT_SECONDS", "OSTIARY_PROFILE_JWT_MAX_SECONDS"),
            ("OSTIARY_TICKET_IDLE_SECONDS", "OSTIARY_TICKET_MAX_SECONDS"),
        ] {
            let with = |seconds: &'static str| {
                Config::read(move |name| match name {
                    _ if name == inner => Some(seconds.to_owned()),
                    _ if name == outer => Some("600".to_owned()),
                    _ => variable(name),
                })
            };
            assert!(with("600").is_ok(), "{inner}");
            let refused = with("601").err().unwrap();
            assert_eq!(
                refused.to_string(),
                format!("the environment variable {inner} must not be longer than {outer}")
            );
        }
    }

    #[test]
    fn what_stands_in_front_is_none_or_a_secret_and_what_it_is_for() {
        const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01";
        let with = |edge: &'static str, mode: &'static str| {
            let read = Config::read(move |name| match name {
                "OSTIARY_EDGE" => Some(edge.to_owned()),
                "OSTIARY_EDGE_MODE" => Some(mode.to_owned()),
                _ => variable(name),
            });
            read.map(|config| format!("{:?}", config.edge))
        };
        assert_eq!(with("none", "accept").unwrap(), "None");
        assert_eq!(with(SECRET, "accept").unwrap(), "Some(Edge { mode: Accept, .. })");
        assert_eq!(with(SECRET, "require").unwrap(), "Some(Edge { mode: Require, .. })");
        for (edge, mode) in [("none", "require"), (SECRET, "none"), ("short", "require")] {
            let error = with(edge, mode).err().unwrap();
            assert!(matches!(error, ConfigError::Invalid { .. }));
            assert!(!error.to_string().contains("short"), "{error}");
        }
    }

    #[test]
    fn metrics_go_by_the_stacks_name_or_not_at_all() {
        let with = |value: &'static str| {
            Config::read(move |name| if name == "OSTIARY_METRICS" { Some(value.to_owned()) } else { variable(name) })
        };
        assert_eq!(with("none").unwrap().metrics, None);
        assert_eq!(with("Shop-1").unwrap().metrics.as_deref(), Some("Shop-1"));
    }
}
