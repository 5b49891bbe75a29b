//! Access tokens: the credentials of applications, and what each may do in which tenants.

use crate::base62;
use crate::clock::Timestamp;
use crate::random::Random;
use crate::secret::{Digest, Token};
use crate::tenant::TenantName;

/// What an application may be allowed to do in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Make tenants.
    CreateTenant,
    /// Read a tenant.
    ReadTenant,
    /// Change a tenant.
    UpdateTenant,
    /// Delete a tenant.
    DeleteTenant,
    /// Everything about the tenant's profiles.
    ManageProfiles,
    /// Everything about the tenant's tickets.
    ManageTickets,
}

impl Action {
    /// Every action, in the order in which they are documented.
    pub const ALL: [Self; 6] = [
        Self::CreateTenant,
        Self::ReadTenant,
        Self::UpdateTenant,
        Self::DeleteTenant,
        Self::ManageProfiles,
        Self::ManageTickets,
    ];

    /// Its name in requests and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateTenant => "CREATE_TENANT",
            Self::ReadTenant => "READ_TENANT",
            Self::UpdateTenant => "UPDATE_TENANT",
            Self::DeleteTenant => "DELETE_TENANT",
            Self::ManageProfiles => "MANAGE_PROFILES",
            Self::ManageTickets => "MANAGE_TICKETS",
        }
    }

    /// Reads [`Self::as_str`]'s form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

/// One entry of an access token's permissions. `None` is the wildcard `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantPermission {
    /// The tenant, or any.
    pub tenant: Option<TenantName>,
    /// The actions; `None` is any action.
    pub actions: Option<Vec<Action>>,
}

impl TenantPermission {
    fn covers(&self, tenant: &TenantName) -> bool {
        self.tenant.as_ref().is_none_or(|name| name == tenant)
    }

    fn grants(&self, action: Action) -> bool {
        self.actions.as_ref().is_none_or(|actions| actions.contains(&action))
    }
}

/// A stored access token: an application and its rights, which never become more: deleting a tenant takes it out of them,
/// and any other change is a new token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The digest of the token's text, under which it is stored.
    pub digest: Digest,
    /// The application's name.
    pub application: String,
    /// Whether it may manage access tokens; it gives no right over tenants.
    pub master: bool,
    /// What it may do where; all entries that match count.
    pub permissions: Vec<TenantPermission>,
    /// When it ends, if ever.
    pub expires: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
}

impl AccessToken {
    /// What every access token that we made starts with; existing ones may have any form.
    pub const PREFIX: &str = "osa_";

    /// Makes the text of a new access token: `osa_` and 256 random bits in base 62.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Token {
        Token::new(format!("{}{}", Self::PREFIX, base62::encode(&random.bytes::<32>())))
    }

    /// Whether a text may be looked up as an access token at all: existing clients bring UUIDs and other forms of
    /// their own, so anything of 1 to 256 visible ASCII characters.
    #[must_use]
    pub fn is_well_formed(text: &str) -> bool {
        (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// Whether it is past its expiry.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }

    /// Whether it allows `action` on `tenant`.
    #[must_use]
    pub fn allows(&self, action: Action, tenant: &TenantName) -> bool {
        self.permissions.iter().any(|entry| entry.covers(tenant) && entry.grants(action))
    }

    /// Whether it allows `action` on any tenant whatsoever.
    #[must_use]
    pub fn allows_somewhere(&self, action: Action) -> bool {
        self.permissions.iter().any(|entry| entry.grants(action))
    }

    /// Whether it allows `action` on every tenant, existing or not.
    #[must_use]
    pub fn allows_everywhere(&self, action: Action) -> bool {
        self.permissions.iter().any(|entry| entry.tenant.is_none() && entry.grants(action))
    }

    /// The first entry that grants `action`, wherever.
    #[must_use]
    pub fn first_granting(&self, action: Action) -> Option<&TenantPermission> {
        self.permissions.iter().find(|entry| entry.grants(action))
    }

    /// Whether any entry names or covers `tenant`, for whatever action.
    #[must_use]
    pub fn knows(&self, tenant: &TenantName) -> bool {
        self.permissions.iter().any(|entry| entry.covers(tenant))
    }

    /// Whether any entry names `tenant` itself.
    #[must_use]
    pub fn names(&self, tenant: &TenantName) -> bool {
        self.permissions.iter().any(|entry| entry.tenant.as_ref() == Some(tenant))
    }

    /// What is left of it without the entries that name `tenant`; `None` for one that would allow nothing at all.
    #[must_use]
    pub fn without(&self, tenant: &TenantName) -> Option<Self> {
        let others = |entry: &&TenantPermission| entry.tenant.as_ref() != Some(tenant);
        let permissions: Vec<_> = self.permissions.iter().filter(others).cloned().collect();
        (self.master || !permissions.is_empty()).then(|| Self { permissions, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantName {
        TenantName::parse(name).unwrap()
    }

    fn token(permissions: Vec<TenantPermission>) -> AccessToken {
        AccessToken {
            digest: Digest::of(b"x"),
            application: "app".to_owned(),
            master: false,
            permissions,
            expires: None,
            created: Timestamp::from_seconds(0),
        }
    }

    #[test]
    fn all_entries_that_match_count() {
        let subject = token(vec![
            TenantPermission { tenant: Some(tenant("a")), actions: Some(vec![Action::ReadTenant]) },
            TenantPermission { tenant: Some(tenant("a")), actions: Some(vec![Action::ManageTickets]) },
        ]);
        assert!(subject.allows(Action::ReadTenant, &tenant("a")));
        assert!(subject.allows(Action::ManageTickets, &tenant("a")));
        assert!(!subject.allows(Action::ManageProfiles, &tenant("a")));
        assert!(!subject.allows(Action::ReadTenant, &tenant("b")));
    }

    #[test]
    fn wildcards_cover_any_tenant_and_any_action() {
        let subject = token(vec![TenantPermission { tenant: None, actions: None }]);
        assert!(Action::ALL.into_iter().all(|action| subject.allows(action, &tenant("never-made"))));
        assert!(subject.allows_everywhere(Action::CreateTenant));
    }

    #[test]
    fn master_gives_no_right_over_tenants() {
        let subject = AccessToken { master: true, ..token(vec![]) };
        assert!(Action::ALL.into_iter().all(|action| !subject.allows(action, &tenant("a"))));
    }

    #[test]
    fn a_token_ends_at_its_expiry() {
        let subject = AccessToken { expires: Some(Timestamp::from_seconds(10)), ..token(vec![]) };
        assert!(!subject.is_expired(Timestamp::from_millis(9_999)));
        assert!(subject.is_expired(Timestamp::from_seconds(10)));
    }
}
