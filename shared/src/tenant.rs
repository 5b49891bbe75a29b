//! Tenants: the names that own users.

use crate::clock::Timestamp;

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
}

#[cfg(test)]
mod tests {
    use super::TenantName;

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
