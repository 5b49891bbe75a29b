//! Tickets: the server's record of one authentication, which every JWT names and whose end ends it.
//!
//! Invariant: a ticket is live only while it is stored, inside both limits, and of its user's current epoch.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::owned;
use crate::random::Random;
use crate::secret::{Digest, Token};
use crate::source::Source;
use crate::tenant::TenantName;
use crate::user::{User, UserId};

/// How often the use of what has no idle limit is noted: for its owner to see, nothing rests on it.
pub const USE_NOTED: Duration = Duration::from_secs(300);

/// How long the JWT that a renewal replaced can itself be renewed, so that two windows of one browser which renew at the
/// same time both go on. It can log out too, and opens nothing else any more.
pub const RENEWAL_GRACE: Duration = Duration::from_secs(30);

/// Where a ticket is stored: its user, and the digest of the ticket. Not a secret: JWTs carry the digest as `sid`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketKey {
    /// Whose ticket it is.
    pub user: UserId,
    /// The digest of the ticket's text.
    pub digest: Digest,
}

impl TicketKey {
    /// Finds the key in a ticket's text: base64url of the user id and 256 random bits. `None` when the text can't be a
    /// ticket of ours, so that junk costs no store call.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        owned::read(text).map(|(user, digest)| Self { user, digest })
    }

    /// The name under which its owner sees and ends it: 22 characters that lead neither to the ticket nor to its digest.
    #[must_use]
    pub fn session_id(&self) -> String {
        let name = Digest::of(format!("session/{}", self.digest.to_base64url()).as_bytes());
        name.to_base64url().chars().take(22).collect()
    }
}

/// Which paths made a ticket, and so what it may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `/user/login`: the ticket itself is shown to nobody, its JWT is the credential.
    Login,
    /// `/api/1/authentication`: the ticket is the credential.
    Ticket,
    /// `/v1/profile/{id}/authenticate`: like a login, but it can't mint another.
    Profile,
}

/// How long a ticket may live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest pause between two uses; `None` where only the absolute limit counts.
    pub idle: Option<Duration>,
    /// Longest life, however busy.
    pub absolute: Duration,
}

/// So many branches a ticket has at most; windows beyond share one.
pub const MAX_BRANCHES: usize = 16;

/// One line of renewals of a ticket. A second one begins where two windows renew the same JWT at the same time: from
/// there on each renews its own, and neither ends the other's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Branch {
    /// Counts the renewals; only a JWT of this generation is accepted.
    pub generation: u64,
    /// The last one.
    pub renewed: Option<Timestamp>,
}

/// Where a JWT stands among the renewals of its ticket. The first JWT of a ticket is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// The place of its branch.
    pub branch: usize,
    /// The branch's generation when it was made.
    pub generation: u64,
}

/// A stored ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Where it is stored.
    pub key: TicketKey,
    /// Its user's tenant.
    pub tenant: TenantName,
    /// What made it.
    pub origin: Origin,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last used, as last stored: see [`Ticket::needs_touch`].
    pub last_request: Timestamp,
    /// Longest pause between two uses.
    pub idle: Option<Duration>,
    /// The moment at which it is dead, however busy.
    pub expires: Timestamp,
    /// The user's [`User::session_epoch`] at creation.
    pub epoch: u64,
    /// Its lines of renewals, of which each counts its own: see [`Lineage`]. Never empty.
    pub branches: Vec<Branch>,
    /// When the password ends that opened it, if ever.
    pub password_expires: Option<Timestamp>,
    /// Where it was opened from.
    pub source: Source,
}

impl Ticket {
    /// Makes a ticket for `user`, and the text that is shown once.
    #[must_use]
    pub fn issue(
        user: &User,
        origin: Origin,
        limits: Limits,
        source: Source,
        now: Timestamp,
        random: &dyn Random,
    ) -> (Self, Token) {
        let token = owned::issue(&user.id, random);
        let ticket = Self {
            key: TicketKey { user: user.id.clone(), digest: token.digest() },
            tenant: user.tenant.clone(),
            origin,
            created: now,
            last_request: now,
            idle: limits.idle,
            expires: now.plus(limits.absolute),
            epoch: user.session_epoch,
            branches: vec![Branch::default()],
            password_expires: None,
            source,
        };
        (ticket, token)
    }

    /// Whether it still proves its user's authentication.
    ///
    /// The idle limit is measured from the last *stored* use, which may be a tenth of the limit old, so it is granted
    /// that tenth: never early, never later than 1.1 times the limit.
    #[must_use]
    pub fn is_live(&self, user: &User, now: Timestamp) -> bool {
        self.is_in_time(now)
            && user.id == self.key.user
            && user.tenant == self.tenant
            && user.enabled
            && user.session_epoch == self.epoch
    }

    /// Whether it is inside both limits, whatever became of its user.
    #[must_use]
    pub fn is_in_time(&self, now: Timestamp) -> bool {
        let idle_over = self.idle.is_some_and(|idle| now >= self.last_request.plus(idle + idle / 10));
        now < self.expires && !idle_over
    }

    /// Whether a use now is worth a write: once per tenth of the idle limit, or per [`USE_NOTED`] where there is none.
    #[must_use]
    pub fn needs_touch(&self, now: Timestamp) -> bool {
        now >= self.last_request.plus(self.idle.map_or(USE_NOTED, |idle| idle / 10))
    }

    /// Whether a JWT of `lineage` is the last one of its branch.
    #[must_use]
    pub fn accepts(&self, lineage: Lineage) -> bool {
        self.branches.get(lineage.branch).is_some_and(|branch| branch.generation == lineage.generation)
    }

    /// Whether a JWT of `lineage` is one that the last renewal of its branch replaced, a moment ago: see
    /// [`RENEWAL_GRACE`].
    #[must_use]
    pub fn was_just_renewed_from(&self, lineage: Lineage, now: Timestamp) -> bool {
        self.branches.get(lineage.branch).is_some_and(|branch| {
            lineage.generation.checked_add(1) == Some(branch.generation)
                && branch.renewed.is_some_and(|at| now < at.plus(RENEWAL_GRACE))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SeededRandom, user};

    const IDLE: Duration = Duration::from_secs(900);
    const LIMITS: Limits = Limits { idle: Some(IDLE), absolute: Duration::from_secs(86_400) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    #[test]
    fn a_ticket_leads_to_its_own_key() {
        let (ticket, token) =
            Ticket::issue(&user("u-1"), Origin::Ticket, LIMITS, Source::default(), at(0), &SeededRandom::new(1));
        assert_eq!(TicketKey::of(token.expose_secret()), Some(ticket.key));
    }

    #[test]
    fn what_cannot_be_a_ticket_leads_nowhere() {
        let (_, token) =
            Ticket::issue(&user("u-1"), Origin::Ticket, LIMITS, Source::default(), at(0), &SeededRandom::new(1));
        let text = token.expose_secret();
        for bad in ["", "x", &text[..10], &format!("{text}="), &format!("{text} "), &"A".repeat(129)] {
            assert_eq!(TicketKey::of(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_absolute_limit_holds_to_the_second() {
        let owner = user("u-1");
        let limits = Limits { idle: None, absolute: Duration::from_secs(60) };
        let (ticket, _) = Ticket::issue(&owner, Origin::Login, limits, Source::default(), at(0), &SeededRandom::new(1));
        assert!(ticket.is_live(&owner, at(59)));
        assert!(!ticket.is_live(&owner, at(60)));
    }

    #[test]
    fn the_idle_limit_is_never_early_and_at_most_a_tenth_late() {
        let owner = user("u-1");
        let (mut ticket, _) =
            Ticket::issue(&owner, Origin::Ticket, LIMITS, Source::default(), at(0), &SeededRandom::new(1));
        assert!(!ticket.needs_touch(at(89)), "a use in the first tenth is not written");
        assert!(ticket.is_live(&owner, at(89 + 899)), "899 s after a use that was not written");
        assert!(!ticket.is_live(&owner, at(990)));
        assert!(ticket.needs_touch(at(90)));
        ticket.last_request = at(90);
        assert!(ticket.is_live(&owner, at(990)));
    }

    #[test]
    fn a_ticket_dies_with_its_user() {
        let owner = user("u-1");
        let (ticket, _) =
            Ticket::issue(&owner, Origin::Ticket, LIMITS, Source::default(), at(0), &SeededRandom::new(1));
        assert!(ticket.is_live(&owner, at(1)));
        assert!(!ticket.is_live(&User { enabled: false, ..owner.clone() }, at(1)), "disabled");
        assert!(!ticket.is_live(&User { session_epoch: 1, ..owner.clone() }, at(1)), "password changed");
        assert!(!ticket.is_live(&user("u-2"), at(1)), "somebody else's");
    }
}
