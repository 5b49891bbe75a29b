//! Forgotten passwords, and addresses that are to be shown as one's own: tokens are made here, sent and used.
//!
//! Invariant: whoever asks to reset a password learns nothing of the account, from neither the answer nor the work: the
//! same calls in the same order are made for an account, for one that can't be told, and for none. A token is told only
//! to the delivery, and one that could not be sent is taken back.

use std::sync::Arc;
use std::time::Duration;

use crate::audit;
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, Pages};
use crate::delivery::{Delivery, Letter, Message};
use crate::error::Problem;
use crate::lockout::{CounterKey, Guesses, Place, SWEPT};
use crate::login::{self, Login, Named};
use crate::one_time::{LIFETIME, OneTime, OneTimeKey, Purpose};
use crate::random::Random;
use crate::secret::{Digest, Password, Token};
use crate::source::Source;
use crate::store::{Credential, LoginName, Lookup, PasswordChange, Proof, Store, Write};
use crate::tenant::TenantName;
use crate::user::{Email, User, UserId};

/// An account is sent at most one message in so long, so that nobody's mailbox is filled.
pub const PAUSE: Duration = Duration::from_secs(60);

/// Makes tokens and sends them.
pub struct Recovery<S> {
    /// Where accounts and tokens are.
    pub store: S,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes tokens.
    pub random: Arc<dyn Random>,
    /// Takes them to their owners.
    pub delivery: Arc<dyn Delivery>,
    /// Where the messages' links lead.
    pub pages: Pages,
    /// Stands in for the tenant of names that can have none.
    pub tenant: TenantName,
}

/// Who is told, and how the token is bound.
struct Addressee {
    user: User,
    email: Email,
    purpose: Purpose,
}

impl Addressee {
    fn of(credential: &Credential, user: &User) -> Option<Self> {
        let own = user.id == credential.user && user.tenant.as_str() == credential.name.tenant();
        let email = user.email.clone().filter(|_| own && user.enabled)?;
        Some(Self { user: user.clone(), email, purpose: Purpose::Reset { version: credential.version } })
    }
}

impl<S: Store> Recovery<S> {
    /// The recovery of the stack that `config` describes.
    #[must_use]
    pub fn new(
        store: S,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        delivery: Arc<dyn Delivery>,
        config: &Config,
    ) -> Self {
        let (pages, tenant) = (config.pages.clone(), config.default_tenant.clone());
        Self { store, clock, random, delivery, pages, tenant }
    }

    /// Sends the owner of the account that somebody named a token for a new password. Where there is nobody to send one
    /// to, or one was sent a moment ago, it does the same work.
    pub async fn forgotten(&self, named: Named) -> Result<(), Problem> {
        let Named { name, credential, .. } = named;
        let nobody = UserId::nobody(name.name());
        let id = credential.as_ref().map_or_else(|| nobody.clone(), |credential| credential.user.clone());
        let found = self.store.lookup(Lookup { users: vec![id.clone()], ..Lookup::default() }).await?;
        let user = found.user(&id);
        user.into_iter().for_each(audit::actor);
        let addressee = credential.as_ref().zip(user).and_then(|(credential, user)| Addressee::of(credential, user));
        let now = self.clock.now();
        let (token, letter) = match addressee {
            Some(Addressee { user, email, purpose }) => {
                let (token, text) = OneTime::issue(&user, purpose, now, &*self.random);
                let letter = Letter::new(&user, &email, &token, text, self.pages.reset.as_ref());
                (token, Some(letter))
            }
            None => (self.stand_in(nobody, &name, now), None),
        };
        let stored = self.store.create_one_time(&name, &token, now.minus(PAUSE)).await?;
        let message = if let (Some(letter), Write::Done) = (letter, stored) {
            Message::PasswordReset(letter)
        } else {
            audit::detail("not_sent");
            Message::PasswordResetNotSent
        };
        self.deliver(&name, &token, &message).await
    }

    /// Sends `user` a token that shows whose the address is. Refused, and nothing sent, where there is no address, or a
    /// message was sent a moment ago, or the user is not as it was read.
    pub async fn send_verification(&self, user: &User) -> Result<Write, Problem> {
        let Some(email) = user.email.as_ref().filter(|_| user.enabled) else { return Ok(Write::Refused) };
        let name = LoginName::new(&user.tenant, &user.name);
        let now = self.clock.now();
        let (token, text) = OneTime::issue(user, Purpose::Verify, now, &*self.random);
        if self.store.create_one_time(&name, &token, now.minus(PAUSE)).await? == Write::Refused {
            return Ok(Write::Refused);
        }
        let letter = Letter::new(user, email, &token, text, self.pages.verify.as_ref());
        self.deliver(&name, &token, &Message::EmailVerification(letter)).await?;
        Ok(Write::Done)
    }

    /// Sends a message. One that did not leave is forgotten, so that whoever tries again in a moment gets one.
    async fn deliver(&self, name: &LoginName, token: &OneTime, message: &Message) -> Result<(), Problem> {
        let Err(error) = self.delivery.send(message).await else { return Ok(()) };
        if let Err(error) = self.store.withdraw_one_time(name, token).await {
            tracing::error!(error = %error, "a token that was not sent could not be taken back");
        }
        Err(Problem::Delivery(error))
    }

    /// A token of the same size that is never stored: no credential is nobody's.
    fn stand_in(&self, nobody: UserId, name: &LoginName, now: Timestamp) -> OneTime {
        OneTime {
            key: OneTimeKey { user: nobody, digest: Digest::of(&self.random.bytes::<32>()) },
            tenant: TenantName::parse(name.tenant()).unwrap_or_else(|| self.tenant.clone()),
            purpose: Purpose::Reset { version: 0 },
            email: Email::parse("nobody@example.com"),
            epoch: 0,
            created: now,
            expires: now.plus(LIFETIME),
        }
    }
}

/// What the owner of a token wants.
pub struct Reset {
    /// The token's text.
    pub token: Token,
    /// The new password.
    pub new: Password,
    /// Whether the user's auth headers end too.
    pub end_auth_headers: bool,
    /// Where the request came from.
    pub source: Source,
}

/// Sets a new password in exchange for a token, and ends every ticket of the user. A password that is too weak leaves
/// the token as it is. It is no guess at a password, so no lockout stands in its way, and it ends one.
pub async fn reset<S: Store>(login: &Login<S>, reset: Reset) -> Result<(), Problem> {
    let now = login.clock.now();
    let (token, user) = redeemable(&login.store, &reset.token, now).await?;
    let Purpose::Reset { version } = token.purpose else { return Err(Problem::NoSuchOneTime) };
    let name = LoginName::new(&user.tenant, &user.name);
    let wanted = login.tenants.wanted(user.tenant.as_str(), now);
    let lookup = Lookup { credential: Some(name.clone()), tenant: wanted.lookup(), ..Lookup::default() };
    let mut found = login.store.lookup(lookup).await?;
    let settings = login.tenants.resolve(wanted, found.tenant.take(), now).ok_or(Problem::NoSuchOneTime)?;
    let current = found.credential.filter(|credential| credential.user == user.id && credential.version == version);
    let credential = current.ok_or(Problem::NoSuchOneTime)?;
    let earlier = login::earlier(&settings, &credential);
    if let Err(broken) = login.weigh(&settings, &user, earlier, &reset.new).await? {
        return Err(Problem::weak("new", broken));
    }
    let password = login.new_password(&settings, &credential, reset.new, now).await?;
    let change = PasswordChange {
        name,
        user: user.id,
        version,
        password,
        proof: Proof::Reset(token),
        end_auth_headers: reset.end_auth_headers,
        forget: newest(&credential.guesses),
        // Whoever read the mail is at home where it was read: a storm of strangers must not close the door at once again.
        place: Some(Place::of(reset.source.network.as_deref())),
        at: now,
    };
    match login.store.change_password(change).await? {
        Write::Done => Ok(()),
        // It was used, or ended in another way, between our read and our write.
        Write::Refused => Err(Problem::NoSuchOneTime),
    }
}

/// Notes, in exchange for a token, that the address which it was sent to is the user's own.
pub async fn verify<S: Store>(store: &S, token: &Token, now: Timestamp) -> Result<(), Problem> {
    let (token, _) = redeemable(store, token, now).await?;
    if token.purpose != Purpose::Verify {
        return Err(Problem::NoSuchOneTime);
    }
    match store.verify_email(&token, now).await? {
        Write::Done => Ok(()),
        Write::Refused => Err(Problem::NoSuchOneTime),
    }
}

/// The token of a text, with its user, if both are good now.
async fn redeemable<S: Store>(store: &S, text: &Token, now: Timestamp) -> Result<(OneTime, User), Problem> {
    audit::credential("one_time_token");
    let Some(key) = OneTimeKey::of(text.expose_secret()) else {
        audit::detail("form");
        return Err(Problem::NoSuchOneTime);
    };
    let id = key.user.clone();
    let mut found = store.lookup(Lookup { one_time: Some(key), users: vec![id.clone()], ..Lookup::default() }).await?;
    let (token, user) = found.one_time.take().zip(found.user(&id).cloned()).ok_or(Problem::NoSuchOneTime)?;
    audit::actor(&user);
    if token.is_live(&user, now) { Ok((token, user)) } else { Err(Problem::NoSuchOneTime) }
}

/// The counters of guesses that a reset forgets: as many as one write takes, those first that still count.
fn newest(guesses: &Guesses) -> Vec<CounterKey> {
    let mut counters: Vec<_> = guesses.counters.iter().collect();
    counters.sort_by_key(|(key, counter)| {
        (std::cmp::Reverse(key.day), key.place != Place::Strangers, std::cmp::Reverse(counter.last))
    });
    counters.into_iter().take(SWEPT).map(|(key, _)| key.clone()).collect()
}
