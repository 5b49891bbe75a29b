//! What the tool has to know of a stack, taken from its variables.

use std::collections::BTreeMap;

use shared::config::{Config, ConfigError, Pages, PepperSettings};
use shared::keyring::Algorithm;
use shared::password::Cost;
use shared::store::dynamo::Tables;
use shared::tenant::TenantName;

use crate::failure::Failure;
use crate::variables::Variables;

/// The variable by which [`crate::stack`] passes on the stack's parameter; functions don't have it.
pub const SIGNING_ALGORITHM: &str = "OSTIARY_SIGNING_ALGORITHM";

/// How long a stack lets live what it issues.
pub type StackLifetimes = shared::config::Lifetimes;

/// The variables that [`StackLifetimes`] are read from.
const LIFETIMES: [&str; 6] = [
    "OSTIARY_LOGIN_JWT_SECONDS",
    "OSTIARY_LOGIN_MAX_SECONDS",
    "OSTIARY_PROFILE_JWT_SECONDS",
    "OSTIARY_PROFILE_JWT_MAX_SECONDS",
    "OSTIARY_TICKET_IDLE_SECONDS",
    "OSTIARY_TICKET_MAX_SECONDS",
];

/// The variable that names the bus for messages.
pub const EVENT_BUS: &str = "OSTIARY_EVENT_BUS";

/// What the tool has to know of a stack.
pub struct Settings {
    /// Its tables.
    pub tables: Tables,
    /// The secret that holds its keyset.
    pub keyset_secret: String,
    /// What a password hash costs.
    pub cost: Cost,
    /// The key that goes into password hashes, if the stack has one.
    pub pepper: Option<PepperSettings>,
    /// How long it lets live what it issues, if that is known.
    pub lifetimes: Option<StackLifetimes>,
    /// The same, with what stands in for them: for where nothing rests on them.
    pub assumed_lifetimes: StackLifetimes,
    /// The tenant of users for whom none is named.
    pub default_tenant: Option<TenantName>,
    /// The algorithm of its first key.
    pub algorithm: Option<Algorithm>,
    /// The bus that takes messages to people, if that is known.
    pub event_bus: Option<String>,
    /// Where their links lead.
    pub pages: Pages,
}

impl Settings {
    /// Reads them by the functions' own rules. Variables that only functions use may be missing.
    pub fn read(variables: &Variables) -> Result<Self, Failure> {
        let given = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let unused = unused();
        let config = Config::read(|name| given(name).or_else(|| unused.get(name).cloned())).map_err(|error| {
            let hint = "choose a stack by --stack NAME, --local or --env-file FILE, or set the OSTIARY_* variables";
            match error {
                ConfigError::Missing(name) => Failure::Setup(format!("{name} is not set: {hint}")),
                ConfigError::Invalid { name, rule } => Failure::Setup(format!("{name} {rule}")),
                ConfigError::OutOfRange { name, least, most } => {
                    Failure::Setup(format!("{name} must be a whole number from {least} to {most}"))
                }
            }
        })?;
        let algorithm = match given(SIGNING_ALGORITHM) {
            Some(name) => {
                let known = Algorithm::parse(&name);
                Some(
                    known
                        .ok_or_else(|| Failure::Setup(format!("{SIGNING_ALGORITHM} must be RS256, ES256 or EdDSA")))?,
                )
            }
            None => None,
        };
        Ok(Self {
            default_tenant: given("OSTIARY_DEFAULT_TENANT").map(|_| config.default_tenant),
            lifetimes: LIFETIMES.into_iter().all(|name| given(name).is_some()).then_some(config.lifetimes),
            assumed_lifetimes: config.lifetimes,
            tables: config.tables,
            keyset_secret: config.keyset_secret,
            cost: config.cost,
            pepper: config.pepper,
            event_bus: given(EVENT_BUS),
            pages: config.pages,
            algorithm,
        })
    }
}

/// Stands in for settings that the tool does not use, and for those of a hash, which every login raises to the stack's
/// own.
fn unused() -> BTreeMap<&'static str, String> {
    let cost = Cost::default();
    [
        ("OSTIARY_ISSUER", "https://unused".to_owned()),
        ("OSTIARY_AUDIENCE", "unused".to_owned()),
        ("OSTIARY_DEFAULT_TENANT", "unused".to_owned()),
        ("OSTIARY_LOGIN_JWT_SECONDS", "1".to_owned()),
        ("OSTIARY_PROFILE_JWT_SECONDS", "1".to_owned()),
        ("OSTIARY_PROFILE_JWT_MAX_SECONDS", "86400".to_owned()),
        ("OSTIARY_TICKET_IDLE_SECONDS", "1".to_owned()),
        ("OSTIARY_LOGIN_MAX_SECONDS", "31536000".to_owned()),
        ("OSTIARY_TICKET_MAX_SECONDS", "2592000".to_owned()),
        ("OSTIARY_PERSISTENT_LOGIN_SECONDS", "1".to_owned()),
        ("OSTIARY_SIGNING_ALGORITHM", "RS256".to_owned()),
        ("OSTIARY_AUTHORIZER_ANSWER", "simple".to_owned()),
        ("OSTIARY_AUTHORIZER_MODE", "every-request".to_owned()),
        ("OSTIARY_PEPPER", "none".to_owned()),
        (EVENT_BUS, "unused".to_owned()),
        ("OSTIARY_RESET_URL", "none".to_owned()),
        ("OSTIARY_VERIFY_URL", "none".to_owned()),
        ("OSTIARY_EDGE", "none".to_owned()),
        ("OSTIARY_EDGE_MODE", "accept".to_owned()),
        ("OSTIARY_METRICS", "none".to_owned()),
        ("OSTIARY_LOG_LEVEL", "info".to_owned()),
        ("OSTIARY_ARGON2_MEMORY_KIB", cost.memory_kib.to_string()),
        ("OSTIARY_ARGON2_ITERATIONS", cost.iterations.to_string()),
        ("OSTIARY_ARGON2_PARALLELISM", cost.parallelism.to_string()),
    ]
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed() -> Variables {
        [
            "TABLE_CREDENTIALS",
            "TABLE_USERS",
            "TABLE_TICKETS",
            "TABLE_AUTH_HEADERS",
            "TABLE_APPLICATIONS",
            "KEYSET_SECRET_ID",
        ]
        .into_iter()
        .map(|name| (format!("OSTIARY_{name}"), format!("stack-{name}")))
        .collect()
    }

    #[test]
    fn tables_and_secret_are_enough() {
        let settings = Settings::read(&needed()).ok().unwrap();
        assert_eq!(settings.tables.users, "stack-TABLE_USERS");
        assert_eq!(settings.cost, Cost::default());
        assert!(settings.default_tenant.is_none() && settings.algorithm.is_none());
        assert!(settings.lifetimes.is_none(), "what stands in for them is not what the stack says");
    }

    #[test]
    fn lifetimes_are_known_where_all_are_given() {
        let mut variables = needed();
        for (place, name) in LIFETIMES.into_iter().enumerate() {
            assert!(Settings::read(&variables).ok().unwrap().lifetimes.is_none(), "before {name}");
            variables.insert(name.to_owned(), (place + 60).to_string());
        }
        let lifetimes = Settings::read(&variables).ok().unwrap().lifetimes.unwrap();
        assert_eq!((lifetimes.login_jwt.as_secs(), lifetimes.ticket.absolute.as_secs()), (60, 65));
    }

    #[test]
    fn a_missing_table_is_named_with_a_way_out() {
        let mut variables = needed();
        variables.insert("OSTIARY_TABLE_USERS".to_owned(), String::new());
        let failure = Settings::read(&variables).err().unwrap();
        assert!(failure.to_string().contains("OSTIARY_TABLE_USERS is not set: choose a stack by --stack"), "{failure}");
        assert_eq!(failure.exit_code(), 2);
    }

    #[test]
    fn what_is_given_is_checked() {
        for (name, value) in
            [("OSTIARY_DEFAULT_TENANT", "a/b"), ("OSTIARY_ARGON2_MEMORY_KIB", "999999"), (SIGNING_ALGORITHM, "HS256")]
        {
            let mut variables = needed();
            variables.insert(name.to_owned(), value.to_owned());
            assert!(matches!(Settings::read(&variables), Err(Failure::Setup(_))), "{name}");
        }
    }
}
