//! Persistent logins ("remember me"): what lets an application open a new ticket for a browser that comes back.
//!
//! A persistent login is a series of tokens, of which a browser holds the last one beside the series' id. Each refresh
//! makes the next. Whoever shows one that was replaced earlier has a copy of what somebody else went on with, so the
//! series ends, and with it everything that was opened for its user.
//!
//! Invariant: only the last token of a live series is good, and for [`GRACE`] the one before, so that requests that were
//! sent together all go on. What is stored makes no token without the id, and no token makes the next.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::access_token::{AccessToken, Action};
use crate::audit;
use crate::authorize::{Presented, demand_somewhere, may};
use crate::clock::Timestamp;
use crate::error::Problem;
use crate::owned;
use crate::profile_api::ProfileApi;
use crate::random::Random;
use crate::secret::{Digest, Token};
use crate::store::{Lookup, Store, Write};
use crate::tenant::TenantName;
use crate::user::{User, UserId};

/// What an application needs for every act on persistent logins.
pub const NEEDED: &[Action] = &[Action::ManageTickets];

/// The parameter by which an application shows a browser's token.
pub const TOKEN_PARAMETER: &str = "token";

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 128;

/// How long a token is still taken that a refresh replaced. A series moves on once in this time at most, so that of all
/// requests that were sent with one token none is taken for a thief's.
pub const GRACE: Duration = Duration::from_secs(30);

/// How often a refresh looks again that others overtook.
const TRIES: usize = 4;

const SECRET_BYTES: usize = 32;

/// Where a persistent login is stored: its user, and the digest of its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersistentLoginKey {
    /// Whose it is.
    pub user: UserId,
    /// The digest of the id's text.
    pub digest: Digest,
}

impl PersistentLoginKey {
    /// Finds the key in an id's text. `None` when it can't be one of ours, so that junk is not looked for.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        owned::read(text).map(|(user, digest)| Self { user, digest })
    }
}

/// What the tokens of a series are made with, together with its id.
#[derive(Clone, PartialEq, Eq)]
pub struct SeriesSecret(Zeroizing<[u8; SECRET_BYTES]>);

impl SeriesSecret {
    /// Reads the stored form; `None` for anything else.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// The form that is stored.
    #[must_use]
    pub fn expose_secret(&self) -> String {
        URL_SAFE_NO_PAD.encode(*self.0)
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &*self.0)
    }
}

/// A stored persistent login.
#[derive(Clone, PartialEq, Eq)]
pub struct PersistentLogin {
    /// Where it is stored.
    pub key: PersistentLoginKey,
    /// Its user's tenant.
    pub tenant: TenantName,
    /// What its tokens are made with.
    pub secret: SeriesSecret,
    /// Counts the refreshes; the last token is that of this generation.
    pub generation: u64,
    /// When it was made.
    pub created: Timestamp,
    /// The last refresh.
    pub refreshed: Option<Timestamp>,
    /// When it is over, however often it was refreshed.
    pub expires: Timestamp,
    /// The user's [`User::session_epoch`] when it was made: what ends every session ends it too.
    pub epoch: u64,
}

/// What a token that was shown is to its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The last one.
    Current,
    /// The one before, replaced within [`GRACE`].
    JustReplaced,
    /// One that was replaced earlier.
    Replayed,
    /// None of the series.
    Foreign,
}

impl PersistentLogin {
    /// Makes one for `user`, and the id, which is stored nowhere.
    #[must_use]
    pub fn issue(user: &User, lifetime: Duration, now: Timestamp, random: &dyn Random) -> (Self, Token) {
        let id = owned::issue(&user.id, random);
        let login = Self {
            key: PersistentLoginKey { user: user.id.clone(), digest: id.digest() },
            tenant: user.tenant.clone(),
            secret: SeriesSecret(Zeroizing::new(random.bytes())),
            generation: 0,
            created: now,
            refreshed: None,
            expires: now.plus(lifetime),
            epoch: user.session_epoch,
        };
        (login, id)
    }

    /// Whether it still speaks for its user.
    #[must_use]
    pub fn is_live(&self, user: &User, now: Timestamp) -> bool {
        now < self.expires
            && user.id == self.key.user
            && user.tenant == self.tenant
            && user.enabled
            && user.session_epoch == self.epoch
    }

    /// Its last token; `id` is its id.
    #[must_use]
    pub fn token(&self, id: &str) -> Token {
        let tag = hmac::sign(&self.secret.key(), &signed(id, self.generation));
        Token::new(format!("{}.{}", self.generation, URL_SAFE_NO_PAD.encode(tag)))
    }

    /// What the token `shown` is to it; `id` is its id.
    #[must_use]
    pub fn standing(&self, id: &str, shown: &str, now: Timestamp) -> Standing {
        match self.genuine(id, shown) {
            None => Standing::Foreign,
            Some(generation) if generation == self.generation => Standing::Current,
            Some(generation) if generation.checked_add(1) == Some(self.generation) && self.moved_lately(now) => {
                Standing::JustReplaced
            }
            Some(_) => Standing::Replayed,
        }
    }

    /// Of which generation a token is that was made for this series.
    fn genuine(&self, id: &str, shown: &str) -> Option<u64> {
        let (number, tag) = shown.split_once('.')?;
        let generation: u64 = number.parse().ok()?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&self.secret.key(), &signed(id, generation), &tag).ok()?;
        // No tag is made ahead of its time, so a later one could only come from a store that was set back.
        (generation <= self.generation && number == generation.to_string()).then_some(generation)
    }

    /// Whether its last refresh was within [`GRACE`].
    #[must_use]
    pub fn moved_lately(&self, now: Timestamp) -> bool {
        self.refreshed.is_some_and(|at| now < at.plus(GRACE))
    }

    /// It after one more refresh.
    fn moved_on(self, now: Timestamp) -> Self {
        Self { generation: self.generation.saturating_add(1), refreshed: Some(now), ..self }
    }
}

/// What a token's tag is made of. An id holds no `/`, so no two pairs make the same.
fn signed(id: &str, generation: u64) -> Vec<u8> {
    format!("persistent-login/{id}/{generation}").into_bytes()
}

impl<S: Store> ProfileApi<S> {
    /// The live persistent login `id`, for an application that manages its user's tickets. Where a token is `shown`, it is
    /// judged: the answer is the series as it stands for a good one, and the series' end for a replayed one.
    pub async fn persistent_login(
        &self,
        presented: &Presented,
        id: &str,
        shown: Option<&str>,
    ) -> Result<PersistentLogin, Problem> {
        self.accepted(presented, id, shown, self.now()).await
    }

    /// The same with a new token, unless it was given one within [`GRACE`].
    pub async fn refreshed_persistent_login(
        &self,
        presented: &Presented,
        id: &str,
        shown: Option<&str>,
    ) -> Result<PersistentLogin, Problem> {
        for _ in 0..TRIES {
            let now = self.now();
            let login = self.accepted(presented, id, shown, now).await?;
            if login.moved_lately(now) {
                return Ok(login);
            }
            match self.store.refresh_persistent_login(&login.key, login.generation, now).await? {
                Write::Done => return Ok(login.moved_on(now)),
                // Another request refreshed it, or it ended: the next look tells.
                Write::Refused => {}
            }
        }
        Err(Problem::Busy)
    }

    /// Ends the persistent login `id`; one that is over already stays so.
    pub async fn end_persistent_login(&self, presented: &Presented, id: &str) -> Result<(), Problem> {
        let wanted = Lookup { persistent_login: PersistentLoginKey::of(id), ..Lookup::default() };
        let (application, found) = self.application(presented, wanted).await?;
        if let Some(login) = managed(&application, found.persistent_login, self.now())? {
            self.store.delete_persistent_login(&login.key).await?;
        }
        Ok(())
    }

    async fn accepted(
        &self,
        presented: &Presented,
        id: &str,
        shown: Option<&str>,
        now: Timestamp,
    ) -> Result<PersistentLogin, Problem> {
        let key = PersistentLoginKey::of(id);
        let users = key.iter().map(|key| key.user.clone()).collect();
        let wanted = Lookup { persistent_login: key, users, ..Lookup::default() };
        let (application, mut found) = self.application(presented, wanted).await?;
        let login = managed(&application, found.persistent_login.take(), now)?.ok_or(Problem::NoSuchPersistentLogin)?;
        if !found.user(&login.key.user).is_some_and(|user| login.is_live(user, now)) {
            return Err(Problem::NoSuchPersistentLogin);
        }
        let standing = shown.map_or(Standing::Current, |shown| login.standing(id, shown, now));
        match standing {
            Standing::Current | Standing::JustReplaced => return Ok(login),
            // Where it is refused, the series has ended by another act.
            Standing::Replayed if self.store.end_replayed_login(&login).await? == Write::Done => {
                audit::detail("replayed");
            }
            Standing::Replayed | Standing::Foreign => {}
        }
        Err(Problem::NoSuchPersistentLogin)
    }
}

/// The persistent login that was found, for an application that manages tickets: `None` for one of a tenant that it has
/// nothing to do with; refused where it knows the tenant without managing its tickets, if it is not over. The login may be.
fn managed(
    token: &AccessToken,
    found: Option<PersistentLogin>,
    now: Timestamp,
) -> Result<Option<PersistentLogin>, Problem> {
    NEEDED.iter().try_for_each(|action| demand_somewhere(token, *action))?;
    let Some(login) = found.filter(|login| token.knows(&login.tenant)) else { return Ok(None) };
    audit::account(&login.key.user, &login.tenant);
    Ok(may(token, NEEDED, &login.tenant, now >= login.expires)?.then_some(login))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SeededRandom, user};

    const FORTNIGHT: Duration = Duration::from_secs(1_296_000);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn login() -> (PersistentLogin, String) {
        let (login, id) = PersistentLogin::issue(&user("u-1"), FORTNIGHT, at(0), &SeededRandom::new(1));
        (login, id.expose_secret().to_owned())
    }

    #[test]
    fn a_token_is_what_its_place_in_the_series_makes_it() {
        let (first, id) = login();
        let token = |login: &PersistentLogin| login.token(&id).expose_secret().to_owned();
        let second = first.clone().moved_on(at(100));
        let third = second.clone().moved_on(at(200));
        assert_eq!(first.standing(&id, &token(&first), at(1_000_000)), Standing::Current);
        for (seconds, expected) in
            [(100, Standing::JustReplaced), (129, Standing::JustReplaced), (130, Standing::Replayed)]
        {
            assert_eq!(second.standing(&id, &token(&first), at(seconds)), expected, "{seconds}");
            assert_eq!(second.standing(&id, &token(&second), at(seconds)), Standing::Current);
        }
        assert_eq!(third.standing(&id, &token(&second), at(200)), Standing::JustReplaced);
        assert_eq!(third.standing(&id, &token(&first), at(200)), Standing::Replayed, "two before");
        assert_eq!(first.standing(&id, &token(&second), at(200)), Standing::Foreign, "one that is not made yet");
    }

    #[test]
    fn what_was_not_made_for_a_series_is_foreign_to_it() {
        let (series, id) = login();
        let series = series.moved_on(at(1)).moved_on(at(2));
        let (other, other_id) = PersistentLogin::issue(&user("u-1"), FORTNIGHT, at(0), &SeededRandom::new(2));
        let token = series.token(&id).expose_secret().to_owned();
        let (number, tag) = token.split_once('.').unwrap();
        let flipped = if tag.starts_with('A') { tag.replacen('A', "B", 1) } else { format!("A{}", &tag[1..]) };
        let foreign = [
            String::new(),
            ".".to_owned(),
            tag.to_owned(),
            format!("{number}."),
            format!("1.{tag}"),
            format!("3.{tag}"),
            format!("02.{tag}"),
            format!("+2.{tag}"),
            format!(" 2.{tag}"),
            format!("18446744073709551616.{tag}"),
            format!("{number}.{flipped}"),
            format!("{number}.{tag}="),
            format!("{number}.{tag} "),
            format!("{number}.{}", &tag[..42]),
            other.token(other_id.expose_secret()).expose_secret().to_owned(),
            series.token(other_id.expose_secret()).expose_secret().to_owned(),
        ];
        assert_eq!(series.standing(&id, &token, at(3)), Standing::Current);
        for shown in foreign {
            assert_eq!(series.standing(&id, &shown, at(3)), Standing::Foreign, "{shown:?}");
        }
    }

    #[test]
    fn what_is_stored_makes_no_token_without_the_id() {
        let (series, id) = login();
        let guess = series.token(&series.key.digest.to_base64url());
        assert_eq!(series.standing(&id, guess.expose_secret(), at(1)), Standing::Foreign);
    }

    #[test]
    fn it_ends_with_its_time_and_with_its_user() {
        let (series, _) = login();
        let owner = user("u-1");
        assert!(series.is_live(&owner, at(1_295_999)));
        assert!(!series.is_live(&owner, at(1_296_000)));
        assert!(!series.clone().moved_on(at(9)).is_live(&owner, at(1_296_000)), "a refresh prolongs nothing");
        assert!(!series.is_live(&User { enabled: false, ..owner.clone() }, at(1)), "disabled");
        assert!(!series.is_live(&User { session_epoch: 1, ..owner.clone() }, at(1)), "all sessions ended");
        let moved = User { tenant: TenantName::parse("other").unwrap(), ..owner };
        assert!(!series.is_live(&moved, at(1)), "another tenant's");
        assert!(!series.is_live(&user("u-2"), at(1)), "somebody else's");
    }
}
