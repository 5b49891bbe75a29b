//! `ostiary tenant set`.

use std::time::Duration;

use humantime::format_duration;
use serde_json::{Value, json};
use shared::audit;
use shared::clock::{Clock as _, SystemClock};
use shared::jwt::signing_key;
use shared::keyring::{KeySet, KeySetError, KeyringError};
use shared::store::{Administration as _, Write};
use shared::tenant::{SETTINGS_KEPT, Settings, Tenant};

use super::settings::{self, Setting};
use super::{closing, existing, find, settings_answer};
use crate::arguments::SetTenant;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::keys;
use crate::output::{Answer, Body};
use crate::settings::StackLifetimes;

/// The longest lifetimes that any stack grants, where this one's are not known.
const YEAR: Duration = Duration::from_secs(31_536_000);
const DAY: Duration = Duration::from_secs(86_400);

pub async fn set(connection: &Connection, set: SetTenant) -> Result<Answer, Failure> {
    refuse_contradictions(&set)?;
    let store = connection.store();
    let before = existing(&store, &set.name).await?;
    audit::subject(before.name.as_str());
    if before.closing {
        return Err(closing(&before.name));
    }
    let stack = connection.settings.lifetimes.as_ref();
    let mut after = before.clone();
    apply(&set, &mut after.settings);
    check(&set, &after.settings, stack)?;
    if after.settings == before.settings {
        let note = Some("Nothing was changed: these are the settings already.".to_owned());
        return Ok(Answer { note, ..answer(&before, &after, stack) });
    }
    if after.settings.algorithms != before.settings.algorithms && !set.yes {
        refuse_unless_signed(connection, &after.settings).await?;
    }
    if store.update_tenant(&after).await? == Write::Refused {
        if find(&store, &set.name).await?.is_some_and(|now| now.closing) {
            return Err(closing(&set.name));
        }
        let hint = "look at `ostiary tenant show` and try again";
        let message = format!("somebody else changed the tenant at the same moment, and this was not done: {hint}");
        return Err(Failure::refused("name", message));
    }
    let note = format!("Everybody is held to it {} seconds from now at most.", SETTINGS_KEPT.as_secs());
    Ok(Answer { note: Some(note), ..answer(&before, &after, stack) })
}

/// What is given for a setting, as far as it can be told by the arguments alone.
fn given(set: &SetTenant) -> Vec<Setting> {
    let SetTenant { password_min_chars, password_history, password_max_age, password_warn, .. } = set;
    let SetTenant { lockout_per_network, lockout_from_strangers, lockout_pause, lockout_longest, .. } = set;
    let mut given =
        lifetimes(set).into_iter().filter(|(_, value)| value.is_some()).map(|(it, _)| it).collect::<Vec<_>>();
    for (setting, is_given) in [
        (Setting::PasswordMinChars, password_min_chars.is_some()),
        (Setting::PasswordHistory, password_history.is_some()),
        (Setting::PasswordMaxAge, password_max_age.is_some()),
        (Setting::PasswordWarn, password_warn.is_some()),
        (Setting::LockoutPerNetwork, lockout_per_network.is_some()),
        (Setting::LockoutFromStrangers, lockout_from_strangers.is_some()),
        (Setting::LockoutPause, lockout_pause.is_some()),
        (Setting::LockoutLongest, lockout_longest.is_some()),
        (Setting::VerifiedEmail, set.verified_email.is_some()),
        (Setting::Algorithm, !set.algorithms.is_empty()),
        (Setting::AcceptsNewProfiles, set.accepts_new_profiles.is_some()),
        (Setting::AvailableRoles, !set.available_roles.is_empty()),
    ] {
        if is_given {
            given.push(setting);
        }
    }
    given
}

const fn lifetimes(set: &SetTenant) -> [(Setting, Option<Duration>); 6] {
    [
        (Setting::LoginJwt, set.login_jwt),
        (Setting::LoginMax, set.login_max),
        (Setting::ProfileJwt, set.profile_jwt),
        (Setting::ProfileJwtMax, set.profile_jwt_max),
        (Setting::TicketIdle, set.ticket_idle),
        (Setting::TicketMax, set.ticket_max),
    ]
}

fn refuse_contradictions(set: &SetTenant) -> Result<(), Failure> {
    let given = given(set);
    if given.is_empty() && set.defaults.is_empty() {
        return Err(Failure::invalid("setting", "must be given: at least one, see `ostiary tenant set --help`"));
    }
    if let Some(twice) = set.defaults.iter().find(|setting| given.contains(setting)) {
        return Err(Failure::invalid("default", format!("must not name {}, which is given a value", twice.name())));
    }
    if set.algorithms.len() > 1 && set.algorithms.iter().any(|allowed| allowed.0.is_none()) {
        return Err(Failure::invalid("algorithm", "must be any, or one or more algorithms"));
    }
    Ok(())
}

fn apply(set: &SetTenant, settings: &mut Settings) {
    for setting in &set.defaults {
        setting.reset(settings);
    }
    for (setting, value) in lifetimes(set) {
        if let (Some(own), true) = (setting.lifetime(&mut settings.lifetimes), value.is_some()) {
            *own = value;
        }
    }
    let Settings { password, lockout, .. } = settings;
    password.min_chars = set.password_min_chars.unwrap_or(password.min_chars);
    password.history = set.password_history.unwrap_or(password.history);
    password.max_age = set.password_max_age.map_or(password.max_age, |age| age.0);
    password.warn = set.password_warn.unwrap_or(password.warn);
    lockout.per_network = set.lockout_per_network.unwrap_or(lockout.per_network);
    lockout.from_strangers = set.lockout_from_strangers.unwrap_or(lockout.from_strangers);
    lockout.pause = set.lockout_pause.unwrap_or(lockout.pause);
    lockout.longest = set.lockout_longest.unwrap_or(lockout.longest);
    settings.verified_email = set.verified_email.unwrap_or(settings.verified_email);
    if !set.algorithms.is_empty() {
        settings.algorithms = settings::distinct(set.algorithms.iter().filter_map(|allowed| allowed.0));
    }
    settings.accepts_new_profiles = set.accepts_new_profiles.unwrap_or(settings.accepts_new_profiles);
    if !set.available_roles.is_empty() {
        let given = set.available_roles.clone();
        settings.available_roles = Settings::roles(given.clone()).unwrap_or(given);
    }
}

fn check(set: &SetTenant, settings: &Settings, stack: Option<&StackLifetimes>) -> Result<(), Failure> {
    for (setting, value) in lifetimes(set) {
        let Some(value) = value else { continue };
        let any =
            if matches!(setting, Setting::LoginJwt | Setting::LoginMax | Setting::TicketMax) { YEAR } else { DAY };
        let (most, whose) = match stack.and_then(|stack| setting.ceiling(stack)) {
            Some(ceiling) => (ceiling, ", which is the most that the stack allows"),
            None => (any, ""),
        };
        if value < Duration::from_secs(1) || value > most {
            let rule = format!("must be 1 second to {}{whose}", format_duration(most));
            return Err(Failure::invalid(setting.name(), rule));
        }
    }
    for (shorter, longer) in [
        (Setting::LoginJwt, Setting::LoginMax),
        (Setting::ProfileJwt, Setting::ProfileJwtMax),
        (Setting::TicketIdle, Setting::TicketMax),
    ] {
        let (one, other) = (shorter.own_lifetime(settings), longer.own_lifetime(settings));
        if let (Some(one), Some(other)) = (one, other.filter(|other| one.is_some_and(|one| one > *other))) {
            let (one, other) = (format_duration(one), format_duration(other));
            let rule = format!("({one}) must not be longer than {} ({other})", longer.name());
            return Err(Failure::invalid(shorter.name(), rule));
        }
    }
    if Settings::roles(settings.available_roles.clone()).is_none() {
        return Err(Failure::invalid(Setting::AvailableRoles.name(), Settings::ROLES_RULE));
    }
    let password = settings.password.in_bounds();
    password.map_err(|error| Failure::invalid(Setting::of_rules("password", error.field), error.rule))?;
    let lockout = settings.lockout.in_bounds();
    lockout.map_err(|error| Failure::invalid(Setting::of_rules("lockout", error.field), error.rule))?;
    Ok(())
}

/// Spares the tenant's users an outage: what signs is the stack's to say, and where it is not allowed nobody logs in.
async fn refuse_unless_signed(connection: &Connection, settings: &Settings) -> Result<(), Failure> {
    if settings.algorithms.is_empty() {
        return Ok(());
    }
    let secret = connection.settings.keyset_secret.as_str();
    let version = keys::read(&connection.secrets(), secret).await?.ok_or_else(|| keys::no_secret(secret))?;
    let refused = |why: String| {
        let message = format!("{why}, so nobody of the tenant could log in; give --yes if that is meant");
        Err(Failure::refused("algorithm", message))
    };
    match KeySet::parse(&version.text) {
        Err(KeySetError::Empty) => refused("there is no key yet".to_owned()),
        Err(error) => Err(keys::refused(&format!("the functions can't use what the keys' secret holds: {error}"))),
        Ok(keys) => match signing_key(&keys, &settings.algorithms, SystemClock.now()) {
            Ok(_) => Ok(()),
            Err(KeyringError::NotAllowed(signs)) => refused(format!("the key that signs now is of {}", signs.as_str())),
            Err(_) => refused("no key signs now".to_owned()),
        },
    }
}

fn answer(before: &Tenant, after: &Tenant, stack: Option<&StackLifetimes>) -> Answer {
    let changes = settings::changes(&before.settings, &after.settings);
    let mut json = settings_answer(after, stack).json;
    if let Value::Object(members) = &mut json {
        members.insert("changed".to_owned(), json!(changes.iter().map(|(json, ..)| json).collect::<Vec<_>>()));
    }
    let mut record = vec![("name", after.name.to_string())];
    record.extend(changes.into_iter().map(|(_, setting, text)| (setting.name(), text)));
    Answer::new(json, Body::Record(record))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use shared::ticket::Limits;

    use super::*;
    use crate::arguments::{Arguments, Command, TenantCommand};

    const HOUR: Duration = Duration::from_secs(3600);

    fn stack() -> StackLifetimes {
        StackLifetimes {
            login_jwt: HOUR,
            login_max: DAY,
            profile_jwt: HOUR,
            profile_jwt_max: HOUR * 2,
            ticket: Limits { idle: Some(HOUR), absolute: DAY },
        }
    }

    fn parse(line: &str) -> SetTenant {
        let words = ["ostiary", "tenant", "set", "acme"].into_iter().chain(line.split(' '));
        let arguments = Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        match arguments.command {
            Command::Tenant(TenantCommand::Set(set)) => *set,
            _ => panic!("another command"),
        }
    }

    fn broken(line: &str, before: &Settings) -> Option<(&'static str, String)> {
        let set = parse(line);
        let failure = refuse_contradictions(&set).err().or_else(|| {
            let mut settings = before.clone();
            apply(&set, &mut settings);
            check(&set, &settings, Some(&stack())).err()
        })?;
        Some((failure.field()?, failure.to_string()))
    }

    #[test]
    fn each_bound_is_named_with_its_setting() {
        for (line, field, rule) in [
            ("--yes", "setting", "at least one"),
            ("--login-jwt 0", "login-jwt", "1 second to 1day"),
            ("--login-jwt 25h", "login-jwt", "the most that the stack allows"),
            ("--login-max 2d", "login-max", "1 second to 1day"),
            ("--profile-jwt 3h", "profile-jwt", "1 second to 2h"),
            ("--profile-jwt-max 3h", "profile-jwt-max", "1 second to 2h"),
            ("--ticket-idle 61m", "ticket-idle", "1 second to 1h"),
            ("--ticket-max 25h", "ticket-max", "1 second to 1day"),
            ("--login-jwt 2h --login-max 1h", "login-jwt", "(2h) must not be longer than login-max (1h)"),
            ("--ticket-idle 30m --ticket-max 20m", "ticket-idle", "longer than ticket-max"),
            ("--password-min-chars 7", "password-min-chars", "must be 8 to 64"),
            ("--password-history 11", "password-history", "must be 0 to 10"),
            ("--password-max-age 0", "password-max-age", "must be 1 to 3650"),
            ("--password-warn 3651", "password-warn", "must be 0 to 3650"),
            ("--lockout-per-network 0", "lockout-per-network", "must be 1 to 100"),
            ("--lockout-from-strangers 4", "lockout-from-strangers", "not less than one network"),
            ("--lockout-pause 61m", "lockout-pause", "must be 1 second to 1 hour"),
            ("--lockout-longest 30s", "lockout-longest", "not shorter than the first wait"),
            ("--algorithm any --algorithm ES256", "algorithm", "must be any, or"),
            ("--login-jwt 1h --default login-jwt", "default", "must not name login-jwt"),
        ] {
            let (named, text) = broken(line, &Settings::default()).unwrap_or_else(|| panic!("{line} is taken"));
            assert!(named == field && text.contains(rule), "{line}: {named}: {text}");
        }
    }

    #[test]
    fn what_is_given_is_set_and_the_rest_stays() {
        let mut settings = Settings::default();
        settings.password.history = 2;
        let line = "--login-jwt 15m --password-max-age 90 --algorithm ES256 --algorithm ES256 --verified-email yes";
        assert_eq!(broken(line, &settings), None);
        apply(&parse(line), &mut settings);
        assert_eq!(settings.lifetimes.login_jwt, Some(Duration::from_secs(900)));
        assert_eq!((settings.password.history, settings.password.max_age), (2, Some(DAY * 90)));
        assert_eq!(settings.algorithms.len(), 1);
        assert!(settings.verified_email);
        apply(
            &parse("--algorithm any --password-max-age never --default login-jwt --default verified-email"),
            &mut settings,
        );
        settings.password.history = 0;
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn a_setting_that_the_stack_outgrew_does_not_stand_in_the_way_of_others() {
        let mut settings = Settings::default();
        settings.lifetimes.login_max = Some(DAY * 30);
        assert_eq!(broken("--password-history 1", &settings), None);
    }
}
