//! Tenants: the names that own users, and the rules that each sets for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::config;
use crate::keyring::Algorithm;
use crate::lockout;
use crate::password::rules::PasswordRules;
use crate::store::{Lookup, Store, StoreError};
use crate::ticket::Limits;

/// A tenant's name: 1 to 64 of `A-Z a-z 0-9 . _ -`, the first a letter or digit. Compared exactly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantName(String);

impl TenantName {
    /// The rule in words, for error messages.
    pub const RULE: &str = "must be 1 to 64 letters, digits, '.', '_' or '-', and start with a letter or digit";

    /// Reads a tenant name; `None` when it breaks [`Self::RULE`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let first = text.chars().next()?;
        let valid = text.len() <= 64
            && first.is_ascii_alphanumeric()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        valid.then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for TenantName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name, unique in the stack.
    pub name: TenantName,
    /// When it was made.
    pub created: Timestamp,
    /// Its rules.
    pub settings: Settings,
    /// Counts the changes of its rules, so that of two at the same time one is refused.
    pub revision: u64,
    /// Whether it is being deleted: nobody can join it any more.
    pub closing: bool,
}

impl Tenant {
    /// A new tenant with the rules that hold where nothing else was said.
    #[must_use]
    pub fn new(name: TenantName, created: Timestamp) -> Self {
        Self { name, created, settings: Settings::default(), revision: 0, closing: false }
    }
}

/// The rules of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long what is issued to its users lives.
    pub lifetimes: Lifetimes,
    /// What their passwords have to be.
    pub password: PasswordRules,
    /// How many wrong passwords an account takes.
    pub lockout: lockout::Rules,
    /// Whether a password opens an account only once its e-mail address is verified.
    pub verified_email: bool,
    /// What their JWTs may be signed with; empty for whatever the stack signs with.
    pub algorithms: Vec<Algorithm>,
    /// Whether applications may make profiles in it. The operator always may.
    pub accepts_new_profiles: bool,
    /// The roles that its applications know of: told to whoever asks, and held against no user's roles.
    pub available_roles: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lifetimes: Lifetimes::default(),
            password: PasswordRules::DEFAULT,
            lockout: lockout::Rules::DEFAULT,
            verified_email: false,
            algorithms: Vec::new(),
            accepts_new_profiles: true,
            available_roles: Vec::new(),
        }
    }
}

impl Settings {
    /// The most roles that a tenant tells of.
    pub const MAX_ROLES: usize = 64;
    /// The longest of them, in bytes.
    pub const MAX_ROLE_BYTES: usize = 128;
    /// The rule of such a list in words, for error messages.
    pub const ROLES_RULE: &str = "must be at most 64 texts of 1 to 128 bytes, without control characters";

    /// Reads [`Self::available_roles`], each once; `None` where they break [`Self::ROLES_RULE`].
    #[must_use]
    pub fn roles(given: Vec<String>) -> Option<Vec<String>> {
        let mut roles: Vec<String> = Vec::new();
        for role in given {
            let fits = (1..=Self::MAX_ROLE_BYTES).contains(&role.len()) && !role.chars().any(char::is_control);
            if !fits {
                return None;
            }
            if !roles.contains(&role) {
                if roles.len() == Self::MAX_ROLES {
                    return None;
                }
                roles.push(role);
            }
        }
        Some(roles)
    }
}

/// How long what is issued to a tenant's users lives. What is `None`, or longer than the stack allows, is as in the
/// stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetimes {
    /// See [`config::Lifetimes::login_jwt`].
    pub login_jwt: Option<Duration>,
    /// See [`config::Lifetimes::login_max`].
    pub login_max: Option<Duration>,
    /// See [`config::Lifetimes::profile_jwt`].
    pub profile_jwt: Option<Duration>,
    /// See [`config::Lifetimes::profile_jwt_max`].
    pub profile_jwt_max: Option<Duration>,
    /// The idle limit of [`config::Lifetimes::ticket`].
    pub ticket_idle: Option<Duration>,
    /// The absolute limit of [`config::Lifetimes::ticket`].
    pub ticket_max: Option<Duration>,
}

impl Lifetimes {
    /// The lifetimes that hold in a stack of `stack`'s.
    #[must_use]
    pub fn within(&self, stack: &config::Lifetimes) -> config::Lifetimes {
        let lower = |own: Option<Duration>, ceiling: Duration| own.map_or(ceiling, |own| own.min(ceiling));
        let login_max = lower(self.login_max, stack.login_max);
        let profile_jwt_max = lower(self.profile_jwt_max, stack.profile_jwt_max);
        config::Lifetimes {
            // The length of one JWT is a preference and not a ceiling: a tenant may have longer ones than the stack's
            // others, up to what a login may last.
            login_jwt: self.login_jwt.unwrap_or(stack.login_jwt).min(login_max),
            login_max,
            profile_jwt: self.profile_jwt.unwrap_or(stack.profile_jwt).min(profile_jwt_max),
            profile_jwt_max,
            ticket: Limits {
                idle: stack.ticket.idle.map(|ceiling| lower(self.ticket_idle, ceiling)),
                absolute: lower(self.ticket_max, stack.ticket.absolute),
            },
        }
    }
}

/// How long an environment uses a tenant's rules without asking again: a change holds everywhere after a minute.
pub const SETTINGS_KEPT: Duration = Duration::from_secs(60);

/// So many tenants are remembered at a time.
const REMEMBERED: usize = 1024;

/// Since when the rules of a tenant are known; `None` where there is no such tenant.
type Known = (Timestamp, Option<Arc<Settings>>);

/// The rules of the tenants that an environment met lately, so that a request needs no read for them. Names that no
/// tenant has are remembered too: they must not cost more than others.
#[derive(Default)]
pub struct Tenants(Mutex<HashMap<String, Known>>);

/// The rules of a tenant, or what has to be read for them.
pub enum Wanted {
    /// They are known; `None` where there is no such tenant.
    Known(Option<Arc<Settings>>),
    /// They have to be read.
    Read(TenantName),
}

impl Wanted {
    /// What has to be read.
    #[must_use]
    pub fn lookup(&self) -> Option<TenantName> {
        match self {
            Self::Known(_) => None,
            Self::Read(name) => Some(name.clone()),
        }
    }
}

impl Tenants {
    /// What is known of the tenant `name` at `now`. A text that is no tenant's name names none.
    #[must_use]
    pub fn wanted(&self, name: &str, now: Timestamp) -> Wanted {
        let Some(typed) = TenantName::parse(name) else { return Wanted::Known(None) };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(name) {
            // A clock that was set back must not keep rules for ever.
            Some((since, settings)) if *since <= now && now < since.plus(SETTINGS_KEPT) => {
                Wanted::Known(settings.clone())
            }
            _ => Wanted::Read(typed),
        }
    }

    /// The rules of the tenant `name`, by a read where they are not known; `None` where there is no such tenant.
    pub async fn settings<S: Store>(
        &self,
        store: &S,
        name: &TenantName,
        now: Timestamp,
    ) -> Result<Option<Arc<Settings>>, StoreError> {
        let wanted = self.wanted(name.as_str(), now);
        let found = match wanted.lookup() {
            None => None,
            tenant => store.lookup(Lookup { tenant, ..Lookup::default() }).await?.tenant,
        };
        Ok(self.resolve(wanted, found, now))
    }

    /// The rules, after what was wanted has been read as `found`; `None` where there is no such tenant.
    #[must_use]
    pub fn resolve(&self, wanted: Wanted, found: Option<Tenant>, now: Timestamp) -> Option<Arc<Settings>> {
        let name = match wanted {
            Wanted::Known(settings) => return settings,
            Wanted::Read(name) => name,
        };
        let settings = found.map(|tenant| Arc::new(tenant.settings));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(name.as_str().to_owned(), (now, settings.clone()));
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::testing::variable;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn a_tenant_shortens_what_the_stack_allows_and_never_prolongs_it() {
        let stack = Config::read(variable).unwrap().lifetimes;
        assert_eq!(Lifetimes::default().within(&stack), stack);
        let days = |count: u64| Some(Duration::from_secs(count * 86_400));
        let all = |each| Lifetimes {
            login_jwt: each,
            login_max: each,
            profile_jwt: each,
            profile_jwt_max: each,
            ticket_idle: each,
            ticket_max: each,
        };
        let long = all(days(4000)).within(&stack);
        assert_eq!(long.login_jwt, stack.login_max, "one JWT may last as long as a login");
        assert_eq!(
            (long.login_max, long.profile_jwt_max, long.ticket),
            (stack.login_max, stack.profile_jwt_max, stack.ticket)
        );
        let minute = Duration::from_secs(60);
        let short = all(Some(minute)).within(&stack);
        assert_eq!((short.login_jwt, short.login_max, short.profile_jwt), (minute, minute, minute));
        assert_eq!(short.ticket, Limits { idle: Some(minute), absolute: minute });
        let capped = Lifetimes { login_max: Some(minute), ..Lifetimes::default() }.within(&stack);
        assert_eq!(capped.login_jwt, minute, "a JWT never outlives its login");
    }

    #[test]
    fn rules_are_read_once_a_minute_and_so_is_that_there_are_none() {
        let tenants = Tenants::default();
        let mut tenant = Tenant::new(TenantName::parse("a").unwrap(), NOW);
        tenant.settings.verified_email = true;
        let first = tenants.wanted("a", NOW);
        assert!(first.lookup().is_some());
        assert!(tenants.resolve(first, Some(tenant), NOW).unwrap().verified_email);
        let unknown = tenants.wanted("b", NOW);
        assert!(tenants.resolve(unknown, None, NOW).is_none());
        let later = |seconds| NOW.plus(Duration::from_secs(seconds));
        for name in ["a", "b"] {
            assert!(tenants.wanted(name, later(59)).lookup().is_none());
            assert!(tenants.wanted(name, later(60)).lookup().is_some());
            assert!(tenants.wanted(name, NOW.minus(Duration::from_secs(1))).lookup().is_some(), "a clock set back");
        }
        assert!(tenants.wanted("a", later(59)).lookup().is_none());
        assert!(matches!(tenants.wanted("*", NOW), Wanted::Known(None)));
    }

    #[test]
    fn roles_are_bounded_and_told_once() {
        let roles = |given: &[&str]| Settings::roles(given.iter().map(|role| (*role).to_owned()).collect());
        assert_eq!(roles(&["b", "a", "b"]), Some(vec!["b".to_owned(), "a".to_owned()]));
        for bad in ["", "a\n", "\u{7f}", &"a".repeat(129)] {
            assert_eq!(roles(&["a", bad]), None, "{bad:?}");
        }
        let many: Vec<String> = (0..=Settings::MAX_ROLES).map(|number| number.to_string()).collect();
        assert_eq!(Settings::roles(many.clone()), None);
        assert!(Settings::roles(many[1..].to_vec()).is_some());
    }

    #[test]
    fn a_flood_of_names_does_not_fill_the_memory() {
        let tenants = Tenants::default();
        for number in 0..5_000 {
            let wanted = tenants.wanted(&format!("t{number}"), NOW);
            assert!(tenants.resolve(wanted, None, NOW).is_none());
        }
        assert!(tenants.0.lock().unwrap().len() <= REMEMBERED);
    }

    #[test]
    fn a_tenant_name_holds_no_separator_of_ours() {
        for good in ["default", "a", "Team-1", "x.y_z", &"a".repeat(64)] {
            assert!(TenantName::parse(good).is_some(), "{good}");
        }
        for bad in ["", "*", "a/b", "a#b", "-a", "a b", "ä", "a\0", &"a".repeat(65)] {
            assert!(TenantName::parse(bad).is_none(), "{bad}");
        }
    }
}
