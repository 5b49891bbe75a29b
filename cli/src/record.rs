//! The records that `ostiary export` writes and `ostiary import` takes back, one JSON object a line.
//!
//! Invariant: a record says nothing that holds in one stack only, such as epochs and versions, and nothing that opens
//! anything: hashes and digests, never what they were made of.

use serde::Serialize;
use shared::access_token::{AccessToken, TenantPermission};
use shared::auth_header::AuthHeader;
use shared::clock::Timestamp;
use shared::password::Phc;
use shared::store::Credential;
use shared::tenant::{Settings, Tenant, TenantName};
use shared::user::{Attributes, Email, User};

/// The version of the form, in the first line. What reads it reads nothing of another one.
pub const VERSION: u64 = 1;

/// What stands for any tenant and for any action.
pub const ANY: &str = "*";

const DAY_SECONDS: u64 = 86_400;

/// One line.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Record<'a> {
    /// The first one.
    #[serde(rename = "ostiary-export")]
    Header {
        /// [`VERSION`].
        version: u64,
        /// When the export began.
        created: String,
        /// The stack's table of users, which no other stack has.
        from: &'a str,
        /// The tenants that were asked for; none where all were.
        #[serde(skip_serializing_if = "Option::is_none")]
        tenants: Option<Vec<&'a str>>,
        /// What was left out on demand.
        left_out: &'a [&'static str],
    },
    /// A tenant with its rules. Comes before its users.
    Tenant(TenantRecord<'a>),
    /// An account.
    User(UserRecord<'a>),
    /// A user's auth header. Comes after its user.
    AuthHeader(AuthHeaderRecord<'a>),
    /// An application's access token.
    AccessToken(AccessTokenRecord<'a>),
    /// The last one.
    End {
        /// How many there are between the first one and this one.
        records: u64,
    },
}

/// A tenant.
#[derive(Serialize)]
pub struct TenantRecord<'a> {
    name: &'a str,
    created: String,
    settings: SettingsRecord,
}

/// A tenant's rules; durations in the unit that their names say.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SettingsRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    login_jwt_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_max_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_jwt_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_jwt_max_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket_idle_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket_max_seconds: Option<u64>,
    password_min_chars: u32,
    password_history: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_max_age_days: Option<u64>,
    password_warn_days: u64,
    lockout_per_network: u32,
    lockout_from_strangers: u32,
    lockout_pause_seconds: u64,
    lockout_longest_seconds: u64,
    verified_email: bool,
    algorithms: Vec<&'static str>,
    accepts_new_profiles: bool,
    available_roles: Vec<String>,
}

/// An account.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRecord<'a> {
    id: &'a str,
    tenant: &'a str,
    username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    email_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application: Option<&'a str>,
    enabled: bool,
    roles: &'a [String],
    attributes: &'a Attributes,
    created: String,
    modified: String,
    #[serde(flatten)]
    password: Option<PasswordRecord<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "they are the names of the form")]
struct PasswordRecord<'a> {
    password_hash: &'a str,
    password_changed: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_expires: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    password_history: Vec<&'a str>,
}

/// An auth header.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthHeaderRecord<'a> {
    user: &'a str,
    tenant: &'a str,
    username: &'a str,
    digest: String,
    name: &'a str,
    display: &'a str,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<String>,
    scopes: &'a [String],
}

/// An access token.
#[derive(Serialize)]
pub struct AccessTokenRecord<'a> {
    digest: String,
    application: &'a str,
    master: bool,
    permissions: Vec<PermissionRecord<'a>>,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

/// What an access token may do in a tenant.
#[derive(Serialize)]
struct PermissionRecord<'a> {
    tenant: &'a str,
    actions: Vec<&'static str>,
}

impl<'a> Record<'a> {
    /// The record of a tenant.
    pub fn of_tenant(tenant: &'a Tenant) -> Self {
        let (name, created) = (tenant.name.as_str(), moment(tenant.created));
        Self::Tenant(TenantRecord { name, created, settings: SettingsRecord::of(&tenant.settings) })
    }

    /// The record of an account, with what its `credential` says of the password where that is to be in it.
    pub fn of_user(user: &'a User, credential: Option<&'a Credential>) -> Self {
        let password = credential.and_then(|credential| {
            Some(PasswordRecord {
                password_hash: credential.phc.as_ref()?.expose_secret(),
                password_changed: moment(credential.password_changed),
                password_expires: credential.password_expires.map(moment),
                password_history: credential.history.iter().map(Phc::expose_secret).collect(),
            })
        });
        Self::User(UserRecord {
            id: user.id.as_str(),
            tenant: user.tenant.as_str(),
            username: user.name.as_str(),
            email: user.email.as_ref().map(Email::as_str),
            email_verified: user.email_verified,
            first_name: user.first_name.as_deref(),
            last_name: user.last_name.as_deref(),
            display_name: user.display_name.as_deref(),
            application: user.application.as_deref(),
            enabled: user.enabled,
            roles: &user.roles,
            attributes: &user.attributes,
            created: moment(user.created),
            modified: moment(user.modified),
            password,
        })
    }

    /// The record of an auth header of `user`.
    pub fn of_auth_header(header: &'a AuthHeader, user: &'a User) -> Self {
        Self::AuthHeader(AuthHeaderRecord {
            user: user.id.as_str(),
            tenant: user.tenant.as_str(),
            username: user.name.as_str(),
            digest: header.key.digest.to_base64url(),
            name: &header.name,
            display: &header.display,
            created: moment(header.created),
            expires: header.expires.map(moment),
            lifetime_seconds: header.lifetime.map(|lifetime| lifetime.as_secs()),
            last_used: header.last_used.map(moment),
            scopes: &header.scopes,
        })
    }

    /// The record of an access token.
    pub fn of_access_token(token: &'a AccessToken) -> Self {
        Self::AccessToken(AccessTokenRecord {
            digest: token.digest.to_base64url(),
            application: &token.application,
            master: token.master,
            permissions: token.permissions.iter().map(PermissionRecord::of).collect(),
            created: moment(token.created),
            expires: token.expires.map(moment),
        })
    }
}

impl SettingsRecord {
    fn of(settings: &Settings) -> Self {
        let Settings {
            lifetimes,
            password,
            lockout,
            verified_email,
            algorithms,
            accepts_new_profiles,
            available_roles,
        } = settings;
        let seconds = |duration: Option<std::time::Duration>| duration.map(|duration| duration.as_secs());
        Self {
            login_jwt_seconds: seconds(lifetimes.login_jwt),
            login_max_seconds: seconds(lifetimes.login_max),
            profile_jwt_seconds: seconds(lifetimes.profile_jwt),
            profile_jwt_max_seconds: seconds(lifetimes.profile_jwt_max),
            ticket_idle_seconds: seconds(lifetimes.ticket_idle),
            ticket_max_seconds: seconds(lifetimes.ticket_max),
            password_min_chars: password.min_chars,
            password_history: password.history,
            password_max_age_days: password.max_age.map(|age| age.as_secs() / DAY_SECONDS),
            password_warn_days: password.warn.as_secs() / DAY_SECONDS,
            lockout_per_network: lockout.per_network,
            lockout_from_strangers: lockout.from_strangers,
            lockout_pause_seconds: lockout.pause.as_secs(),
            lockout_longest_seconds: lockout.longest.as_secs(),
            verified_email: *verified_email,
            algorithms: algorithms.iter().map(|algorithm| algorithm.as_str()).collect(),
            accepts_new_profiles: *accepts_new_profiles,
            available_roles: available_roles.clone(),
        }
    }
}

impl<'a> PermissionRecord<'a> {
    fn of(permission: &'a TenantPermission) -> Self {
        let actions = permission.actions.as_ref();
        Self {
            tenant: permission.tenant.as_ref().map_or(ANY, TenantName::as_str),
            actions: actions.map_or_else(|| vec![ANY], |all| all.iter().map(|action| action.as_str()).collect()),
        }
    }
}

/// A moment as RFC 3339 in UTC, to the millisecond. One that this form has no year for becomes the nearest that it has.
pub fn moment(moment: Timestamp) -> String {
    let first = Timestamp::from_seconds(-62_135_596_800);
    let last = Timestamp::from_millis(253_402_300_799_999);
    let moment = moment.clamp(first, last);
    format!("{}.{:03}Z", moment.as_zoneless(), moment.as_millis().rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_back_to_the_millisecond() {
        for millis in [0, 1, 999, -1, 1_700_000_000_123, -62_135_596_800_000, 253_402_300_799_999] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(Timestamp::parse(&moment(at)), Some(at), "{}", moment(at));
        }
        for far in [i64::MIN, i64::MAX] {
            assert!(Timestamp::parse(&moment(Timestamp::from_millis(far))).is_some());
        }
    }
}
