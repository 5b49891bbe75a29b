//! The settings of a tenant: each by its name, as people and programs see it.

use std::time::Duration;

use clap::ValueEnum;
use humantime::format_duration;
use serde_json::{Map, Value, json};
use shared::keyring::Algorithm;
use shared::tenant::{Lifetimes, Settings};

use crate::output::yes_or_no;
use crate::settings::StackLifetimes;

const DAY_SECONDS: u64 = 86_400;

/// One of a tenant's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Setting {
    LoginJwt,
    LoginMax,
    ProfileJwt,
    ProfileJwtMax,
    TicketIdle,
    TicketMax,
    PasswordMinChars,
    PasswordHistory,
    PasswordMaxAge,
    PasswordWarn,
    LockoutPerNetwork,
    LockoutFromStrangers,
    LockoutPause,
    LockoutLongest,
    VerifiedEmail,
    Algorithm,
    AcceptsNewProfiles,
    AvailableRoles,
}

impl Setting {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 18] = [
        Self::LoginJwt,
        Self::LoginMax,
        Self::ProfileJwt,
        Self::ProfileJwtMax,
        Self::TicketIdle,
        Self::TicketMax,
        Self::PasswordMinChars,
        Self::PasswordHistory,
        Self::PasswordMaxAge,
        Self::PasswordWarn,
        Self::LockoutPerNetwork,
        Self::LockoutFromStrangers,
        Self::LockoutPause,
        Self::LockoutLongest,
        Self::VerifiedEmail,
        Self::Algorithm,
        Self::AcceptsNewProfiles,
        Self::AvailableRoles,
    ];

    /// Its name: that of its argument.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoginJwt => "login-jwt",
            Self::LoginMax => "login-max",
            Self::ProfileJwt => "profile-jwt",
            Self::ProfileJwtMax => "profile-jwt-max",
            Self::TicketIdle => "ticket-idle",
            Self::TicketMax => "ticket-max",
            Self::PasswordMinChars => "password-min-chars",
            Self::PasswordHistory => "password-history",
            Self::PasswordMaxAge => "password-max-age",
            Self::PasswordWarn => "password-warn",
            Self::LockoutPerNetwork => "lockout-per-network",
            Self::LockoutFromStrangers => "lockout-from-strangers",
            Self::LockoutPause => "lockout-pause",
            Self::LockoutLongest => "lockout-longest",
            Self::VerifiedEmail => "verified-email",
            Self::Algorithm => "algorithm",
            Self::AcceptsNewProfiles => "accepts-new-profiles",
            Self::AvailableRoles => "available-roles",
        }
    }

    /// The setting of a group that its rules know as `field`.
    pub fn of_rules(group: &str, field: &str) -> &'static str {
        let name = format!("{group}-{}", field.replace('_', "-"));
        Self::ALL.into_iter().map(Self::name).find(|known| *known == name).unwrap_or("setting")
    }

    /// Its name for programs, with its unit.
    const fn member(self) -> &'static str {
        match self {
            Self::LoginJwt => "loginJwtSeconds",
            Self::LoginMax => "loginMaxSeconds",
            Self::ProfileJwt => "profileJwtSeconds",
            Self::ProfileJwtMax => "profileJwtMaxSeconds",
            Self::TicketIdle => "ticketIdleSeconds",
            Self::TicketMax => "ticketMaxSeconds",
            Self::PasswordMinChars => "passwordMinChars",
            Self::PasswordHistory => "passwordHistory",
            Self::PasswordMaxAge => "passwordMaxAgeDays",
            Self::PasswordWarn => "passwordWarnDays",
            Self::LockoutPerNetwork => "lockoutPerNetwork",
            Self::LockoutFromStrangers => "lockoutFromStrangers",
            Self::LockoutPause => "lockoutPauseSeconds",
            Self::LockoutLongest => "lockoutLongestSeconds",
            Self::VerifiedEmail => "verifiedEmail",
            Self::Algorithm => "algorithms",
            Self::AcceptsNewProfiles => "acceptsNewProfiles",
            Self::AvailableRoles => "availableRoles",
        }
    }

    /// The place of a lifetime.
    pub fn lifetime(self, lifetimes: &mut Lifetimes) -> Option<&mut Option<Duration>> {
        match self {
            Self::LoginJwt => Some(&mut lifetimes.login_jwt),
            Self::LoginMax => Some(&mut lifetimes.login_max),
            Self::ProfileJwt => Some(&mut lifetimes.profile_jwt),
            Self::ProfileJwtMax => Some(&mut lifetimes.profile_jwt_max),
            Self::TicketIdle => Some(&mut lifetimes.ticket_idle),
            Self::TicketMax => Some(&mut lifetimes.ticket_max),
            _ => None,
        }
    }

    /// A lifetime of the tenant's own.
    pub fn own_lifetime(self, settings: &Settings) -> Option<Duration> {
        let mut lifetimes = settings.lifetimes;
        self.lifetime(&mut lifetimes).and_then(|own| *own)
    }

    /// The lifetime that holds in a stack.
    fn effective(self, settings: &Settings, stack: &StackLifetimes) -> Option<Duration> {
        let held = settings.lifetimes.within(stack);
        match self {
            Self::LoginJwt => Some(held.login_jwt),
            Self::LoginMax => Some(held.login_max),
            Self::ProfileJwt => Some(held.profile_jwt),
            Self::ProfileJwtMax => Some(held.profile_jwt_max),
            Self::TicketIdle => held.ticket.idle,
            Self::TicketMax => Some(held.ticket.absolute),
            _ => None,
        }
    }

    /// The longest lifetime that a stack grants.
    pub const fn ceiling(self, stack: &StackLifetimes) -> Option<Duration> {
        match self {
            Self::LoginJwt | Self::LoginMax => Some(stack.login_max),
            Self::ProfileJwt | Self::ProfileJwtMax => Some(stack.profile_jwt_max),
            Self::TicketIdle => stack.ticket.idle,
            Self::TicketMax => Some(stack.ticket.absolute),
            _ => None,
        }
    }

    /// What it is, for programs.
    pub fn value(self, settings: &Settings) -> Value {
        let Settings { password, lockout, .. } = settings;
        match self {
            Self::PasswordMinChars => json!(password.min_chars),
            Self::PasswordHistory => json!(password.history),
            Self::PasswordMaxAge => json!(password.max_age.map(days)),
            Self::PasswordWarn => json!(days(password.warn)),
            Self::LockoutPerNetwork => json!(lockout.per_network),
            Self::LockoutFromStrangers => json!(lockout.from_strangers),
            Self::LockoutPause => json!(lockout.pause.as_secs()),
            Self::LockoutLongest => json!(lockout.longest.as_secs()),
            Self::VerifiedEmail => json!(settings.verified_email),
            Self::Algorithm => json!(settings.algorithms.iter().map(|known| known.as_str()).collect::<Vec<_>>()),
            Self::AcceptsNewProfiles => json!(settings.accepts_new_profiles),
            Self::AvailableRoles => json!(settings.available_roles),
            lifetime => json!(lifetime.own_lifetime(settings).map(|own| own.as_secs())),
        }
    }

    /// What it is, for people.
    pub fn text(self, settings: &Settings) -> String {
        let Settings { password, lockout, .. } = settings;
        let in_days = |duration: Duration| format!("{} days", days(duration));
        match self {
            Self::PasswordMinChars => password.min_chars.to_string(),
            Self::PasswordHistory => password.history.to_string(),
            Self::PasswordMaxAge => password.max_age.map_or_else(|| "never".to_owned(), in_days),
            Self::PasswordWarn => in_days(password.warn),
            Self::LockoutPerNetwork => lockout.per_network.to_string(),
            Self::LockoutFromStrangers => lockout.from_strangers.to_string(),
            Self::LockoutPause => format_duration(lockout.pause).to_string(),
            Self::LockoutLongest => format_duration(lockout.longest).to_string(),
            Self::VerifiedEmail => yes_or_no(settings.verified_email),
            Self::Algorithm if settings.algorithms.is_empty() => "any".to_owned(),
            Self::Algorithm => settings.algorithms.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", "),
            Self::AcceptsNewProfiles => yes_or_no(settings.accepts_new_profiles),
            Self::AvailableRoles if settings.available_roles.is_empty() => "none".to_owned(),
            Self::AvailableRoles => settings.available_roles.join(", "),
            lifetime => {
                let own = lifetime.own_lifetime(settings);
                own.map_or_else(|| "as in the stack".to_owned(), |own| format_duration(own).to_string())
            }
        }
    }

    /// The same, and whether it is the tenant's own or what else holds.
    pub fn described(self, settings: &Settings, stack: Option<&StackLifetimes>) -> String {
        let text = self.text(settings);
        let held = stack.and_then(|stack| self.effective(settings, stack));
        match (self.is_default(settings), held) {
            (true, Some(held)) => format!("{} ({text})", format_duration(held)),
            (true, None) if text == "as in the stack" => text,
            (true, None) => format!("{text} (default)"),
            (false, Some(held)) if self.own_lifetime(settings).is_some_and(|own| own != held) => {
                format!("{} (set to {text}, which is longer than it may be)", format_duration(held))
            }
            (false, _) => text,
        }
    }

    /// Whether nothing of the tenant's own was said.
    pub fn is_default(self, settings: &Settings) -> bool {
        self.value(settings) == self.value(&Settings::default())
    }

    /// Puts it back to its default.
    pub fn reset(self, settings: &mut Settings) {
        let default = Settings::default();
        let Settings { lifetimes, password, lockout, .. } = settings;
        match self {
            Self::PasswordMinChars => password.min_chars = default.password.min_chars,
            Self::PasswordHistory => password.history = default.password.history,
            Self::PasswordMaxAge => password.max_age = default.password.max_age,
            Self::PasswordWarn => password.warn = default.password.warn,
            Self::LockoutPerNetwork => lockout.per_network = default.lockout.per_network,
            Self::LockoutFromStrangers => lockout.from_strangers = default.lockout.from_strangers,
            Self::LockoutPause => lockout.pause = default.lockout.pause,
            Self::LockoutLongest => lockout.longest = default.lockout.longest,
            Self::VerifiedEmail => settings.verified_email = default.verified_email,
            Self::Algorithm => settings.algorithms = default.algorithms,
            Self::AcceptsNewProfiles => settings.accepts_new_profiles = default.accepts_new_profiles,
            Self::AvailableRoles => settings.available_roles = default.available_roles,
            lifetime => {
                if let Some(own) = lifetime.lifetime(lifetimes) {
                    *own = None;
                }
            }
        }
    }
}

fn days(duration: Duration) -> u64 {
    duration.as_secs() / DAY_SECONDS
}

/// All settings, for programs.
pub fn to_json(settings: &Settings) -> Value {
    Setting::ALL
        .map(|setting| (setting.member().to_owned(), setting.value(settings)))
        .into_iter()
        .collect::<Map<_, _>>()
        .into()
}

/// The lifetimes that hold, for programs; `null` where those of the stack are not known.
pub fn effective(settings: &Settings, stack: Option<&StackLifetimes>) -> Value {
    let lifetimes = Setting::ALL.into_iter().filter(|setting| setting.lifetime(&mut Lifetimes::default()).is_some());
    let held = |setting: Setting| stack.and_then(|stack| setting.effective(settings, stack)).map(|held| held.as_secs());
    lifetimes.map(|setting| (setting.member().to_owned(), json!(held(setting)))).collect::<Map<_, _>>().into()
}

/// The names of the settings that are not the tenant's own, for programs.
pub fn defaults(settings: &Settings) -> Value {
    Setting::ALL.into_iter().filter(|setting| setting.is_default(settings)).map(Setting::member).collect()
}

/// What differs between two, for programs and for people.
pub fn changes(before: &Settings, after: &Settings) -> Vec<(Value, Setting, String)> {
    let differs = |setting: &Setting| setting.value(before) != setting.value(after);
    let change = |setting: Setting| {
        let (from, to) = (setting.value(before), setting.value(after));
        let text = format!("{} -> {}", setting.text(before), setting.text(after));
        (json!({ "setting": setting.member(), "from": from, "to": to }), setting, text)
    };
    Setting::ALL.into_iter().filter(differs).map(change).collect()
}

/// The algorithms of a setting, each once.
pub fn distinct(algorithms: impl Iterator<Item = Algorithm>) -> Vec<Algorithm> {
    let mut distinct = Vec::new();
    for algorithm in algorithms {
        if !distinct.contains(&algorithm) {
            distinct.push(algorithm);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings none of which is the default.
    fn own() -> Settings {
        let mut settings = Settings::default();
        let minute = Duration::from_secs(60);
        for setting in Setting::ALL {
            if let Some(lifetime) = setting.lifetime(&mut settings.lifetimes) {
                *lifetime = Some(minute);
            }
        }
        settings.password.min_chars = 8;
        settings.password.history = 3;
        settings.password.max_age = Some(Duration::from_secs(DAY_SECONDS));
        settings.password.warn = Duration::ZERO;
        settings.lockout.per_network = 7;
        settings.lockout.from_strangers = 70;
        settings.lockout.pause = minute * 2;
        settings.lockout.longest = minute * 3;
        settings.verified_email = true;
        settings.algorithms = vec![Algorithm::Es256];
        settings.accepts_new_profiles = false;
        settings.available_roles = vec!["author".to_owned()];
        settings
    }

    #[test]
    fn each_setting_is_shown_compared_and_put_back_by_itself() {
        let names = Setting::ALL.map(|setting| setting.to_possible_value().unwrap().get_name().to_owned());
        assert_eq!(names, Setting::ALL.map(|setting| setting.name().to_owned()));
        for setting in Setting::ALL {
            let mut settings = own();
            assert!(!setting.is_default(&settings), "{setting:?}");
            setting.reset(&mut settings);
            let changed: Vec<_> = changes(&own(), &settings).into_iter().map(|(_, setting, _)| setting).collect();
            assert_eq!(changed, [setting]);
            assert!(setting.is_default(&settings));
        }
        let mut settings = own();
        for setting in Setting::ALL {
            setting.reset(&mut settings);
        }
        assert_eq!(settings, Settings::default(), "no setting is left out");
    }

    #[test]
    fn the_names_of_rules_lead_to_their_settings() {
        for field in ["min_chars", "history", "max_age", "warn"] {
            assert_ne!(Setting::of_rules("password", field), "setting", "{field}");
        }
        for field in ["per_network", "from_strangers", "pause", "longest"] {
            assert_ne!(Setting::of_rules("lockout", field), "setting", "{field}");
        }
    }
}
