//! What an export holds beside users, read back by the rules of the commands that make such things.

use std::time::Duration;

use serde_json::Value;
use shared::access_token::{AccessToken, Action, TenantPermission};
use shared::auth_header::{AuthHeader, AuthHeaderKey};
use shared::keyring::Algorithm;
use shared::lockout;
use shared::password::rules::PasswordRules;
use shared::secret::Digest;
use shared::tenant::{Lifetimes, Settings, Tenant, TenantName};
use shared::user::UserName;

use super::account::Rules;
use super::fields::{Fields, Refusal, refusal};
use crate::record::ANY;
use crate::text;

const DAY_SECONDS: u64 = 86_400;

/// Nothing is set to live longer: it is no time that somebody meant.
const MAX_SECONDS: u64 = 10 * 366 * DAY_SECONDS;

/// A record of an export that is no account.
pub enum Exported {
    /// A tenant with its rules.
    Tenant(Box<Tenant>),
    /// An auth header; what its epoch is depends on its user here.
    AuthHeader(Box<OwnedHeader>),
    /// An access token.
    AccessToken(Box<AccessToken>),
}

/// An auth header, and the account that it is for.
pub struct OwnedHeader {
    pub header: AuthHeader,
    pub tenant: TenantName,
    pub username: UserName,
}

impl Exported {
    /// Reads a record of `kind`; `None` where there is no such kind.
    pub fn read(kind: &str, fields: Fields) -> Option<Result<Self, Refusal>> {
        match kind {
            "tenant" => Some(tenant(fields).map(|tenant| Self::Tenant(Box::new(tenant)))),
            "auth_header" => Some(auth_header(fields).map(|header| Self::AuthHeader(Box::new(header)))),
            "access_token" => Some(access_token(fields).map(|token| Self::AccessToken(Box::new(token)))),
            _ => None,
        }
    }

    /// Refuses what reaches beyond the tenant that was asked for.
    pub fn admitted(&self, rules: &Rules) -> Result<(), Refusal> {
        match self {
            Self::Tenant(tenant) => rules.admit(&tenant.name),
            Self::AuthHeader(owned) => rules.admit(&owned.tenant),
            Self::AccessToken(token) => {
                let all = token.master || token.permissions.iter().any(|permission| permission.tenant.is_none());
                if rules.only_tenant && all {
                    return Err(refusal(
                        "tenant",
                        "must be the one of --tenant alone, and this access token opens more",
                    ));
                }
                token
                    .permissions
                    .iter()
                    .filter_map(|permission| permission.tenant.as_ref())
                    .try_for_each(|tenant| rules.admit(tenant))
            }
        }
    }

    /// Why it is left out where credentials were not asked for; `None` for what is none.
    pub fn credential(&self) -> Option<&'static str> {
        match self {
            Self::Tenant(_) => None,
            Self::AuthHeader(_) => {
                Some("auth header, left out: --with-credentials takes those of a file that you trust")
            }
            Self::AccessToken(_) => {
                Some("access token, left out: --with-credentials takes those of a file that you trust")
            }
        }
    }

    /// The user that it is about; empty where it is about none.
    pub fn username(&self) -> &str {
        if let Self::AuthHeader(owned) = self { owned.username.as_str() } else { "" }
    }
}

fn tenant(mut fields: Fields) -> Result<Tenant, Refusal> {
    let name = fields.needed("name", text::tenant)?;
    let created = fields.moment("created")?.ok_or(refusal("created", "must be given"))?;
    let settings = settings(fields.part("settings")?)?;
    fields.finish()?;
    Ok(Tenant { settings, ..Tenant::new(name, created) })
}

fn settings(mut fields: Fields) -> Result<Settings, Refusal> {
    let lifetimes = Lifetimes {
        login_jwt: seconds(&mut fields, "loginJwtSeconds")?,
        login_max: seconds(&mut fields, "loginMaxSeconds")?,
        profile_jwt: seconds(&mut fields, "profileJwtSeconds")?,
        profile_jwt_max: seconds(&mut fields, "profileJwtMaxSeconds")?,
        ticket_idle: seconds(&mut fields, "ticketIdleSeconds")?,
        ticket_max: seconds(&mut fields, "ticketMaxSeconds")?,
    };
    let must = "must be given";
    let password = PasswordRules {
        min_chars: small(&mut fields, "passwordMinChars")?,
        history: small(&mut fields, "passwordHistory")?,
        max_age: days(&mut fields, "passwordMaxAgeDays")?,
        warn: days(&mut fields, "passwordWarnDays")?.ok_or(refusal("passwordWarnDays", must))?,
    };
    let password = password.in_bounds().map_err(|wrong| refusal(format!("password {}", wrong.field), wrong.rule))?;
    let lockout = lockout::Rules {
        per_network: small(&mut fields, "lockoutPerNetwork")?,
        from_strangers: small(&mut fields, "lockoutFromStrangers")?,
        pause: seconds(&mut fields, "lockoutPauseSeconds")?.ok_or(refusal("lockoutPauseSeconds", must))?,
        longest: seconds(&mut fields, "lockoutLongestSeconds")?.ok_or(refusal("lockoutLongestSeconds", must))?,
    };
    let lockout = lockout.in_bounds().map_err(|wrong| refusal(format!("lockout {}", wrong.field), wrong.rule))?;
    let verified_email = fields.truth("verifiedEmail")?.ok_or(refusal("verifiedEmail", must))?;
    let algorithms = fields.texts("algorithms")?;
    let algorithms = algorithms.iter().map(|name| Algorithm::parse(name)).collect::<Option<_>>();
    let algorithms = algorithms.ok_or(refusal("algorithms", "must be RS256, ES256 or EdDSA, each of them"))?;
    // Files that were written before there were these two lack them.
    let accepts_new_profiles = fields.truth("acceptsNewProfiles")?.unwrap_or(true);
    let roles = Settings::roles(fields.texts("availableRoles")?);
    let available_roles = roles.ok_or(refusal("availableRoles", Settings::ROLES_RULE))?;
    fields.finish()?;
    Ok(Settings { lifetimes, password, lockout, verified_email, algorithms, accepts_new_profiles, available_roles })
}

fn auth_header(mut fields: Fields) -> Result<OwnedHeader, Refusal> {
    let user = fields.needed("user", text::user_id)?;
    let tenant = fields.needed("tenant", text::tenant)?;
    let username = fields.needed("username", text::user_name)?;
    let scopes = fields.texts("scopes")?;
    if !scopes.iter().all(|scope| is_line(scope, 64) && scope.is_ascii()) || scopes.len() > 16 {
        return Err(refusal("scopes", "must be at most 16, of at most 64 visible ASCII characters each"));
    }
    let header = AuthHeader {
        key: AuthHeaderKey { user, digest: digest(&mut fields)? },
        name: shown(&mut fields, "name", 256)?,
        display: shown(&mut fields, "display", 64)?,
        created: fields.moment("created")?.ok_or(refusal("created", "must be given"))?,
        expires: fields.moment("expires")?,
        scopes,
        // Its user's, which is read when it is stored.
        epoch: 0,
        lifetime: seconds(&mut fields, "lifetimeSeconds")?,
        last_used: fields.moment("lastUsed")?,
    };
    fields.finish()?;
    Ok(OwnedHeader { header, tenant, username })
}

fn access_token(mut fields: Fields) -> Result<AccessToken, Refusal> {
    let permissions = fields.objects("permissions")?;
    let token = AccessToken {
        digest: digest(&mut fields)?,
        application: fields.needed("application", text::application)?,
        master: fields.truth("master")?.ok_or(refusal("master", "must be given"))?,
        permissions: permissions.into_iter().map(permission).collect::<Result<_, _>>()?,
        created: fields.moment("created")?.ok_or(refusal("created", "must be given"))?,
        expires: fields.moment("expires")?,
    };
    fields.finish()?;
    Ok(token)
}

/// As in [`text::permission`], leaving something out never means all of it.
fn permission(mut fields: Fields) -> Result<TenantPermission, Refusal> {
    let rule = "must name a tenant or *, and its actions or * alone";
    let tenant = fields.text("tenant")?.ok_or(refusal("permissions", rule))?;
    let tenant =
        if tenant == ANY { None } else { Some(TenantName::parse(&tenant).ok_or(refusal("permissions", rule))?) };
    let actions = fields.texts("actions")?;
    fields.finish()?;
    if actions == [ANY] {
        return Ok(TenantPermission { tenant, actions: None });
    }
    let known: Option<Vec<Action>> = actions.iter().map(|action| Action::parse(action)).collect();
    let known = known.filter(|actions| !actions.is_empty()).ok_or(refusal("permissions", rule))?;
    Ok(TenantPermission { tenant, actions: Some(known) })
}

fn digest(fields: &mut Fields) -> Result<Digest, Refusal> {
    fields.needed("digest", |text| Digest::from_base64url(text).ok_or("must be a SHA-256 in base64url"))
}

/// A text that people are shown; an owner need not have given one.
fn shown(fields: &mut Fields, name: &'static str, max_bytes: usize) -> Result<String, Refusal> {
    let text = fields.text(name)?.unwrap_or_default();
    if is_line(&text, max_bytes) {
        return Ok(text);
    }
    Err(refusal(name, format!("must be at most {max_bytes} bytes long, without control characters")))
}

fn is_line(text: &str, max_bytes: usize) -> bool {
    text.len() <= max_bytes && !text.chars().any(char::is_control)
}

fn number(fields: &mut Fields, name: &'static str) -> Result<Option<u64>, Refusal> {
    let value = fields.value(name);
    let read = |value: &Value| value.as_u64().ok_or(refusal(name, "must be a whole number"));
    value.as_ref().map(read).transpose()
}

fn small(fields: &mut Fields, name: &'static str) -> Result<u32, Refusal> {
    let number = number(fields, name)?.ok_or(refusal(name, "must be given"))?;
    u32::try_from(number).map_err(|_| refusal(name, "is too large"))
}

fn seconds(fields: &mut Fields, name: &'static str) -> Result<Option<Duration>, Refusal> {
    let rule = "must be at least 1 and at most ten years in seconds";
    let seconds = number(fields, name)?;
    let read = |seconds| {
        if (1..=MAX_SECONDS).contains(&seconds) { Ok(Duration::from_secs(seconds)) } else { Err(refusal(name, rule)) }
    };
    seconds.map(read).transpose()
}

fn days(fields: &mut Fields, name: &'static str) -> Result<Option<Duration>, Refusal> {
    let days = number(fields, name)?;
    Ok(days.map(|days| Duration::from_secs(days.saturating_mul(DAY_SECONDS))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::clock::Timestamp;
    use shared::user::{User, UserId};

    use super::*;
    use crate::record::Record;

    const AT: Timestamp = Timestamp::from_millis(1_700_000_000_123);

    fn back(record: &Record<'_>) -> Exported {
        read(&serde_json::to_value(record).unwrap()).unwrap()
    }

    fn read(json: &Value) -> Result<Exported, Refusal> {
        let mut fields = Fields::of_json(json.to_string().as_bytes()).unwrap();
        let kind = fields.text("type").unwrap().unwrap();
        Exported::read(&kind, fields).unwrap()
    }

    fn tenant() -> Tenant {
        let mut tenant = Tenant::new(TenantName::parse("acme").unwrap(), AT);
        let hour = Some(Duration::from_secs(3600));
        tenant.settings = Settings {
            lifetimes: Lifetimes {
                login_jwt: hour,
                login_max: hour.map(|hour| hour * 2),
                profile_jwt: hour.map(|hour| hour * 3),
                profile_jwt_max: hour.map(|hour| hour * 4),
                ticket_idle: hour.map(|hour| hour * 5),
                ticket_max: hour.map(|hour| hour * 6),
            },
            password: PasswordRules {
                min_chars: 12,
                history: 7,
                max_age: Some(Duration::from_secs(90 * DAY_SECONDS)),
                warn: Duration::from_secs(5 * DAY_SECONDS),
            },
            lockout: lockout::Rules {
                per_network: 6,
                from_strangers: 60,
                pause: Duration::from_secs(61),
                longest: Duration::from_secs(1801),
            },
            verified_email: true,
            algorithms: vec![Algorithm::Es256, Algorithm::EdDsa],
            accepts_new_profiles: false,
            available_roles: vec!["author".to_owned(), "night editor".to_owned()],
        };
        tenant
    }

    fn header() -> (AuthHeader, User) {
        let user = User {
            id: UserId::parse("u-1").unwrap(),
            tenant: TenantName::parse("acme").unwrap(),
            name: UserName::parse("Jane").unwrap(),
            email: None,
            email_verified: false,
            first_name: None,
            last_name: None,
            display_name: None,
            application: None,
            enabled: true,
            roles: vec![],
            attributes: std::collections::BTreeMap::new(),
            created: AT,
            modified: AT,
            session_epoch: 1,
            key_epoch: 2,
        };
        let header = AuthHeader {
            key: AuthHeaderKey { user: UserId::parse("u-1").unwrap(), digest: Digest::of(b"x") },
            name: "my \u{e9}key".to_owned(),
            display: "ost_abcdef\u{2026}wxyz".to_owned(),
            created: AT,
            expires: Some(AT.plus(Duration::from_millis(7_200_001))),
            scopes: vec!["read".to_owned(), "write:all".to_owned()],
            epoch: 0,
            lifetime: Some(Duration::from_secs(7200)),
            last_used: Some(AT.plus(Duration::from_millis(1))),
        };
        (header, user)
    }

    fn token() -> AccessToken {
        let acme = TenantName::parse("acme");
        AccessToken {
            digest: Digest::of(b"y"),
            application: "shop".to_owned(),
            master: true,
            permissions: vec![
                TenantPermission { tenant: None, actions: Some(vec![Action::ReadTenant, Action::ManageTickets]) },
                TenantPermission { tenant: acme, actions: None },
            ],
            expires: Some(AT),
            created: AT,
        }
    }

    #[test]
    fn every_record_reads_back_as_it_was() {
        for tenant in [tenant(), Tenant::new(TenantName::parse("acme").unwrap(), AT)] {
            let Exported::Tenant(read) = back(&Record::of_tenant(&tenant)) else { panic!() };
            assert_eq!(*read, tenant);
        }
        let (header, user) = header();
        let bare = AuthHeader {
            name: String::new(),
            expires: None,
            scopes: vec![],
            lifetime: None,
            last_used: None,
            ..header.clone()
        };
        for header in [header, bare] {
            let Exported::AuthHeader(read) = back(&Record::of_auth_header(&header, &user)) else { panic!() };
            assert_eq!((&read.header, &read.tenant, &read.username), (&header, &user.tenant, &user.name));
        }
        for token in [token(), AccessToken { master: false, permissions: vec![], expires: None, ..token() }] {
            let Exported::AccessToken(read) = back(&Record::of_access_token(&token)) else { panic!() };
            assert_eq!(*read, token);
        }
    }

    #[test]
    fn what_is_missing_or_out_of_bounds_is_named() {
        let (header, user) = header();
        let records = [
            serde_json::to_value(Record::of_tenant(&tenant())).unwrap(),
            serde_json::to_value(Record::of_auth_header(&header, &user)).unwrap(),
            serde_json::to_value(Record::of_access_token(&token())).unwrap(),
        ];
        for (record, member, value, field) in [
            (0, "/name", json!("a/b"), "name"),
            (0, "/created", Value::Null, "created"),
            (0, "/settings", json!([]), "settings"),
            (0, "/settings/passwordMinChars", json!(7), "password min_chars"),
            (0, "/settings/passwordHistory", json!(-1), "passwordHistory"),
            (0, "/settings/lockoutPerNetwork", json!(0), "lockout per_network"),
            (0, "/settings/loginJwtSeconds", json!(0), "loginJwtSeconds"),
            (0, "/settings/ticketMaxSeconds", json!(u64::MAX), "ticketMaxSeconds"),
            (0, "/settings/verifiedEmail", json!("no"), "verifiedEmail"),
            (0, "/settings/algorithms", json!(["HS256"]), "algorithms"),
            (1, "/user", json!("a/b"), "user"),
            (1, "/tenant", Value::Null, "tenant"),
            (1, "/digest", json!("x"), "digest"),
            (1, "/name", json!("a\u{1b}b"), "name"),
            (1, "/scopes", json!(["x".repeat(65)]), "scopes"),
            (1, "/expires", json!("soon"), "expires"),
            (2, "/digest", Value::Null, "digest"),
            (2, "/master", Value::Null, "master"),
            (2, "/application", json!(""), "application"),
            (2, "/permissions/0/actions", json!([]), "permissions"),
            (2, "/permissions/0/actions", json!(["*", "READ_TENANT"]), "permissions"),
            (2, "/permissions/0/tenant", Value::Null, "permissions"),
        ] {
            let mut changed = records[record].clone();
            *changed.pointer_mut(member).unwrap() = value;
            assert_eq!(read(&changed).err().expect(member).field, field, "{member}");
        }
        for mut record in records {
            record["colour"] = json!("blue");
            assert_eq!(read(&record).err().unwrap().field, "colour");
        }
    }
}
