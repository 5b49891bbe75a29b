//! What the tool has to know of a stack, taken from its variables.

use std::collections::BTreeMap;

use shared::config::{Config, ConfigError};
use shared::keyring::Algorithm;
use shared::password::Cost;
use shared::store::dynamo::Tables;
use shared::tenant::TenantName;

use crate::failure::Failure;
use crate::variables::Variables;

/// The variable by which [`crate::stack`] passes on the stack's parameter; functions don't have it.
pub const SIGNING_ALGORITHM: &str = "OSTIARY_SIGNING_ALGORITHM";

/// What the tool has to know of a stack.
pub struct Settings {
    /// Its tables.
    pub tables: Tables,
    /// The secret that holds its keyset.
    pub keyset_secret: String,
    /// What a password hash costs.
    pub cost: Cost,
    /// The tenant of users for whom none is named.
    pub default_tenant: Option<TenantName>,
    /// The algorithm of its first key.
    pub algorithm: Option<Algorithm>,
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
            tables: config.tables,
            keyset_secret: config.keyset_secret,
            cost: config.cost,
            algorithm,
        })
    }
}

/// Stands in for settings that the tool does not use, and for the cost of a hash, which every login raises to the
/// stack's own.
fn unused() -> BTreeMap<&'static str, String> {
    let cost = Cost::default();
    [
        ("OSTIARY_ISSUER", "https://unused".to_owned()),
        ("OSTIARY_AUDIENCE", "unused".to_owned()),
        ("OSTIARY_DEFAULT_TENANT", "unused".to_owned()),
        ("OSTIARY_LOGIN_JWT_SECONDS", "1".to_owned()),
        ("OSTIARY_PROFILE_JWT_SECONDS", "1".to_owned()),
        ("OSTIARY_PROFILE_JWT_MAX_SECONDS", "1".to_owned()),
        ("OSTIARY_TICKET_IDLE_SECONDS", "1".to_owned()),
        ("OSTIARY_LOGIN_MAX_SECONDS", "1".to_owned()),
        ("OSTIARY_TICKET_MAX_SECONDS", "1".to_owned()),
        ("OSTIARY_SIGNING_ALGORITHM", "RS256".to_owned()),
        ("OSTIARY_AUTHORIZER_ANSWER", "simple".to_owned()),
        ("OSTIARY_AUTHORIZER_MODE", "every-request".to_owned()),
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
