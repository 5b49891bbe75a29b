//! One-time tokens: what a person is sent in order to set a new password, or to show that an e-mail address is theirs.
//!
//! Invariant: a token serves its one purpose once, within [`LIFETIME`], and only while what it was made for still holds:
//! the address that it was sent to, and, for a reset, the password that it is to replace. Using it and what it allows
//! are one transaction.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::owned;
use crate::random::Random;
use crate::secret::{Digest, Token};
use crate::tenant::TenantName;
use crate::user::{Email, User, UserId};

/// How long a token is good.
pub const LIFETIME: Duration = Duration::from_secs(86_400);

/// The longest text that is looked at as a token, in bytes.
pub const MAX_TEXT_BYTES: usize = 256;

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To set a new password, in the place of the one of this [`Credential::version`](crate::store::Credential::version).
    Reset {
        /// The version.
        version: u64,
    },
    /// To show that an address is one's own.
    Verify,
}

/// Where a token is stored, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OneTimeKey {
    /// Whose.
    pub user: UserId,
    /// The digest of its text.
    pub digest: Digest,
}

impl OneTimeKey {
    /// Finds the key in a token's text; `None` when it can't be one of ours.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        owned::read(text).map(|(user, digest)| Self { user, digest })
    }
}

/// A stored one-time token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneTime {
    /// Where it is stored.
    pub key: OneTimeKey,
    /// Its user's tenant.
    pub tenant: TenantName,
    /// What it is for.
    pub purpose: Purpose,
    /// The user's address when it was made: a token does not outlive a change of it.
    pub email: Option<Email>,
    /// The user's [`User::session_epoch`] when it was made: what ends every session ends a reset too.
    pub epoch: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it is over.
    pub expires: Timestamp,
}

impl OneTime {
    /// Makes a token for `user`, and the text that is sent.
    #[must_use]
    pub fn issue(user: &User, purpose: Purpose, now: Timestamp, random: &dyn Random) -> (Self, Token) {
        let token = owned::issue(&user.id, random);
        // Where another clock that runs ahead made the user, the token is still the younger one.
        let now = now.max(user.created);
        let one_time = Self {
            key: OneTimeKey { user: user.id.clone(), digest: token.digest() },
            tenant: user.tenant.clone(),
            purpose,
            email: user.email.clone(),
            epoch: user.session_epoch,
            created: now,
            expires: now.plus(LIFETIME),
        };
        (one_time, token)
    }

    /// Whether it may still be used by `user`, as far as can be told before the transaction that uses it.
    #[must_use]
    pub fn is_live(&self, user: &User, now: Timestamp) -> bool {
        now < self.expires
            && user.enabled
            && user.id == self.key.user
            // One that is younger is another, who was given the same id.
            && user.created <= self.created
            && user.tenant == self.tenant
            && user.email == self.email
            && (self.purpose == Purpose::Verify || user.session_epoch == self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SeededRandom, user};

    #[test]
    fn a_token_ends_with_its_time_its_user_and_its_address() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let owner = User { email: Email::parse("a@example.com"), ..user("u-1") };
        let (one_time, token) = OneTime::issue(&owner, Purpose::Verify, now, &SeededRandom::new(1));
        assert_eq!(OneTimeKey::of(token.expose_secret()), Some(one_time.key.clone()));
        assert!(one_time.is_live(&owner, now.plus(LIFETIME).minus(Duration::from_secs(1))));
        assert!(!one_time.is_live(&owner, now.plus(LIFETIME)));
        assert!(!one_time.is_live(&User { enabled: false, ..owner.clone() }, now));
        assert!(!one_time.is_live(&User { email: Email::parse("b@example.com"), ..owner.clone() }, now));
        assert!(!one_time.is_live(&User { email: None, ..owner.clone() }, now));
        let ended = User { session_epoch: 1, ..owner.clone() };
        assert!(one_time.is_live(&ended, now), "whose address it is does not change");
        let (reset, _) = OneTime::issue(&owner, Purpose::Reset { version: 0 }, now, &SeededRandom::new(2));
        assert!(reset.is_live(&owner, now));
        assert!(!reset.is_live(&ended, now), "disabled and enabled again, or every session was ended");
        assert!(!one_time.is_live(&user("u-2"), now));
        let ahead = User { created: now.plus(Duration::from_secs(5)), ..owner.clone() };
        let (early, _) = OneTime::issue(&ahead, Purpose::Verify, now, &SeededRandom::new(1));
        assert!(early.is_live(&ahead, now), "made by a clock that runs ahead");
        let anew = User { created: now.plus(Duration::from_millis(1)), ..owner };
        assert!(!one_time.is_live(&anew, now.plus(Duration::from_secs(1))), "deleted, and made anew with the same id");
    }
}
