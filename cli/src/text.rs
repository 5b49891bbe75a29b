//! Rules for what the operator types. Each function reads one kind of argument; its error is the rule as a predicate.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::access_token::{Action, TenantPermission};
use shared::clock::Timestamp;
use shared::keyring::Algorithm;
use shared::password::pepper::KeyId;
use shared::profiles;
use shared::store::dynamo::Tables;
use shared::tenant::TenantName;
use shared::user::{Email, UserId, UserName};
use zeroize::Zeroizing;

type Rule = &'static str;

const ANY: &str = "*";
const MAX_NAME_CHARS: usize = 128;

/// What may be an access token: wiped after use, shown by nothing.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes what was typed or read.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text in clear.
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the form that an argument's parser has")]
pub fn secret(text: &str) -> Result<Secret, Rule> {
    Ok(Secret::new(text.to_owned()))
}

pub fn tenant(text: &str) -> Result<TenantName, Rule> {
    TenantName::parse(text).ok_or(TenantName::RULE)
}

pub fn user_name(text: &str) -> Result<UserName, Rule> {
    UserName::parse(text).ok_or(UserName::RULE)
}

pub fn user_id(text: &str) -> Result<UserId, Rule> {
    UserId::parse(text).ok_or("must be 1 to 48 letters, digits, '_' or '-'")
}

pub fn email(text: &str) -> Result<Email, Rule> {
    Email::parse(text).ok_or(Email::RULE)
}

pub fn algorithm(text: &str) -> Result<Algorithm, Rule> {
    Algorithm::parse(text).ok_or("must be RS256, ES256 or EdDSA")
}

pub fn kid(text: &str) -> Result<String, Rule> {
    let valid = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let rule = "must be 1 to 64 letters, digits, '_' and '-', as `ostiary keys show` shows it";
    if valid { Ok(text.to_owned()) } else { Err(rule) }
}

pub fn pepper(text: &str) -> Result<KeyId, Rule> {
    KeyId::parse(text).ok_or(KeyId::RULE)
}

pub fn person_name(text: &str) -> Result<String, Rule> {
    line(text, MAX_NAME_CHARS).ok_or("must be 1 to 128 characters without control characters")
}

pub fn application(text: &str) -> Result<String, Rule> {
    line(text, MAX_NAME_CHARS).ok_or("must be 1 to 128 characters without control characters")
}

pub fn role(text: &str) -> Result<String, Rule> {
    let role = profiles::role_names(vec![text.to_owned()]).and_then(|mut roles| roles.pop());
    role.ok_or("must be 1 to 128 bytes without control characters")
}

pub fn attribute(text: &str) -> Result<(String, String), Rule> {
    const RULE: Rule = "must be NAME=VALUE: a name of 1 to 128 bytes, no control characters";
    let (name, value) = text.split_once('=').ok_or(RULE)?;
    let fits = !name.trim().is_empty() && profiles::attribute_name(name).is_some();
    if fits && !value.chars().any(char::is_control) { Ok((name.to_owned(), value.to_owned())) } else { Err(RULE) }
}

pub fn attribute_name(text: &str) -> Result<String, Rule> {
    profiles::attribute_name(text).map(str::to_owned).ok_or(profiles::ATTRIBUTE_NAME_RULE)
}

/// A count; what it may be is for who takes it to say.
pub fn count(text: &str) -> Result<u32, Rule> {
    text.parse().map_err(|_| "must be a whole number")
}

/// A duration with its unit, or seconds.
pub fn duration(text: &str) -> Result<Duration, Rule> {
    const RULE: Rule = "must be whole seconds, or a duration such as 90s, 15m, 8h, 30d or 1h 30m";
    // To the crate an M is a month, which nobody means beside an m.
    let named = || humantime::parse_duration(text).ok().filter(|_| !text.contains('M'));
    let duration = text.parse().ok().map(Duration::from_secs).or_else(named);
    duration.filter(|duration| duration.subsec_nanos() == 0).ok_or(RULE)
}

pub fn days(text: &str) -> Result<Duration, Rule> {
    count(text).map(|days| Duration::from_secs(u64::from(days) * 86_400)).map_err(|_| "must be a number of days")
}

/// How long a password is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxAge(pub Option<Duration>);

pub fn max_age(text: &str) -> Result<MaxAge, Rule> {
    if text == "never" {
        return Ok(MaxAge(None));
    }
    days(text).map(|days| MaxAge(Some(days))).map_err(|_| "must be a number of days, or never")
}

pub fn yes_or_no(text: &str) -> Result<bool, Rule> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("must be yes or no"),
    }
}

/// What JWTs may be signed with: one algorithm, or `None` for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed(pub Option<Algorithm>);

pub fn allowed_algorithm(text: &str) -> Result<Allowed, Rule> {
    if text == "any" {
        return Ok(Allowed(None));
    }
    Algorithm::parse(text).map(|algorithm| Allowed(Some(algorithm))).ok_or("must be RS256, ES256, EdDSA or any")
}

pub fn date_time(text: &str) -> Result<Timestamp, Rule> {
    Timestamp::parse(text).ok_or("must be a date and time such as 2027-12-31T00:00:00Z or 2027-12-31T01:00:00+01:00")
}

/// A moment in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// This one.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
    /// The last one that there is.
    Latest,
}

pub fn moment(text: &str) -> Result<Moment, Rule> {
    const RULE: Rule =
        "must be a date and time such as 2027-12-31T00:00:00Z, how long ago such as 2h or 90m, or latest";
    if text == "latest" {
        return Ok(Moment::Latest);
    }
    if let Ok(moment) = date_time(text) {
        return Ok(Moment::At(moment));
    }
    let ago = text.strip_suffix("ago").unwrap_or(text).trim_end();
    humantime::parse_duration(ago).map(Moment::Ago).map_err(|_| RULE)
}

/// The five tables of a stack.
#[derive(Clone)]
pub struct TableNames(pub Tables);

pub fn table_names(text: &str) -> Result<TableNames, Rule> {
    const RULE: Rule = "must be the names of five tables, separated by commas: of credentials, users, tickets, auth \
                        headers and applications";
    let names: Vec<_> = text.split(',').map(str::trim).filter(|name| is_table_name(name)).map(str::to_owned).collect();
    let [credentials, users, tickets, auth_headers, applications] = <[String; 5]>::try_from(names).map_err(|_| RULE)?;
    Ok(TableNames(Tables { credentials, users, tickets, auth_headers, applications }))
}

fn is_table_name(text: &str) -> bool {
    (3..=255).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// What names of tables begin with: the rest of a name has up to 40 characters.
pub fn table_prefix(text: &str) -> Result<String, Rule> {
    let valid = (1..=200).contains(&text.len()) && is_table_name(&format!("{text}---"));
    valid.then(|| text.to_owned()).ok_or("must be 1 to 200 letters, digits, '.', '_' and '-'")
}

pub fn url(text: &str) -> Result<String, Rule> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let valid = rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()));
    valid.then(|| text.to_owned()).ok_or("must be an http or https URL")
}

/// `*` alone is any action in any tenant. A tenant without actions is refused, so that nobody grants all of them by
/// leaving something out.
pub fn permission(text: &str) -> Result<TenantPermission, Rule> {
    const RULE: Rule = "must be TENANT=ACTION,ACTION or TENANT=* (all actions) or * (everything, everywhere); the \
                        actions are CREATE_TENANT READ_TENANT UPDATE_TENANT DELETE_TENANT MANAGE_PROFILES \
                        MANAGE_TICKETS";
    if text == ANY {
        return Ok(TenantPermission { tenant: None, actions: None });
    }
    let (tenant, actions) = text.split_once('=').ok_or(RULE)?;
    let tenant = if tenant == ANY { None } else { Some(TenantName::parse(tenant).ok_or(RULE)?) };
    if actions == ANY {
        return Ok(TenantPermission { tenant, actions: None });
    }
    let actions: Option<BTreeSet<Action>> = actions.split(',').map(Action::parse).collect();
    Ok(TenantPermission { tenant, actions: Some(actions.ok_or(RULE)?.into_iter().collect()) })
}

fn line(text: &str, max_chars: usize) -> Option<String> {
    let valid = !text.trim().is_empty() && text.chars().count() <= max_chars && !text.chars().any(char::is_control);
    valid.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_names_its_tenant_and_its_actions() {
        let acme = TenantName::parse("acme");
        let some = Some(vec![Action::ReadTenant, Action::ManageTickets]);
        for (text, tenant, actions) in [
            ("acme=MANAGE_TICKETS,READ_TENANT,READ_TENANT", acme.clone(), some.clone()),
            ("acme=*", acme, None),
            ("*=READ_TENANT,MANAGE_TICKETS", None, some),
            ("*=*", None, None),
            ("*", None, None),
        ] {
            assert_eq!(permission(text), Ok(TenantPermission { tenant, actions }), "{text}");
        }
    }

    #[test]
    fn a_permission_that_leaves_something_out_is_refused() {
        for text in
            ["", "acme", "acme=", "=", "=*", "acme=READ", "acme=READ_TENANT,", "acme=read_tenant", "a/b=*", "**"]
        {
            assert!(permission(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_attribute_is_split_at_its_first_equals_sign() {
        assert_eq!(attribute("team=a=b"), Ok(("team".to_owned(), "a=b".to_owned())));
        assert_eq!(attribute("team="), Ok(("team".to_owned(), String::new())));
        for text in ["", "team", "=value", "team=a\nb", " =a"] {
            assert!(attribute(text).is_err(), "{text}");
        }
    }

    #[test]
    fn free_text_holds_nothing_that_a_terminal_obeys() {
        assert!(person_name("Zoë van der Berg").is_ok());
        for text in ["", " ", "a\u{1b}[2J", "a\nb", &"x".repeat(129)] {
            assert!(person_name(text).is_err(), "{text:?}");
            assert!(application(text).is_err(), "{text:?}");
        }
        for text in ["", "a\u{1b}[2J", "a\nb", &"x".repeat(129)] {
            assert!(role(text).is_err(), "{text:?}");
        }
        assert!(role("two words").is_ok(), "an application may have made it");
    }

    #[test]
    fn a_duration_is_whole_seconds_and_an_m_is_a_minute() {
        let seconds = |text: &str| duration(text).map(|duration| duration.as_secs()).ok();
        for (text, expected) in [
            ("90", 90),
            ("90s", 90),
            ("15m", 900),
            ("8h", 28_800),
            ("30d", 2_592_000),
            ("1h 30m", 5_400),
            ("1w", 604_800),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in ["", "-1", "1.5", "500ms", "1s 1ns", "15M", "h", "99999999999999999999", "99999999999999999999d"] {
            assert_eq!(seconds(text), None, "{text}");
        }
        assert_eq!(max_age("never"), Ok(MaxAge(None)));
        assert_eq!(max_age("90"), Ok(MaxAge(Some(Duration::from_secs(7_776_000)))));
        for text in ["", "90d", "-1", "Never", "4294967296"] {
            assert!(max_age(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_date_without_a_time_is_refused() {
        assert!(date_time("2027-12-31").is_err());
        assert_eq!(date_time("2027-12-31T01:00:00+01:00"), date_time("2027-12-31T00:00:00Z"));
    }

    #[test]
    fn only_a_url_is_an_endpoint() {
        assert!(url("http://127.0.0.1:8000").is_ok());
        for text in ["", "127.0.0.1:8000", "https://", "ftp://a", "http://a b"] {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
