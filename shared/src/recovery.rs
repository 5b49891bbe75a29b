//! Forgotten passwords, and addresses that are to be shown as one's own: tokens are made here, sent and used.
//!
//! Invariant: whoever asks to reset a password learns nothing of the account, from neither the answer nor the work: the
//! same calls in the same order are made for an account, for one that can't be told, and for none. Only an application
//! that manages the account is told more. A token is told only to the delivery, and one that could not be sent is taken
//! back; or to an application that asks for one to send by itself.

use std::sync::Arc;
use std::time::Duration;

use crate::access_token::Action;
use crate::audit;
use crate::authorize::{Presented, demand_enabled, demand_somewhere, may};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, Pages};
use crate::delivery::{Delivery, Letter, Link, Message};
use crate::error::Problem;
use crate::lockout::{CounterKey, Guesses, Place, SWEPT};
use crate::login::{self, Login, Named};
use crate::one_time::{LIFETIME, OneTime, OneTimeKey, Purpose};
use crate::profile_api::ProfileApi;
use crate::random::Random;
use crate::secret::{Digest, Password, Token};
use crate::source::Source;
use crate::store::{Credential, Found, LoginName, Lookup, PasswordChange, Proof, Store, Write, changed};
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

    /// Sends `user` a token for a new password and a link to the `page` of the application that asks, as often as it asks.
    pub async fn send_reset_to(&self, user: &User, page: &Link) -> Result<(), Problem> {
        let purpose = replacing(&self.store, user).await?;
        self.send_to(user, purpose, page, Message::PasswordReset).await
    }

    /// Sends `user` a token that shows whose the address is, and a link to the `page` of the application that asks, as
    /// often as it asks. An error says that no message left; the account is as it was.
    pub async fn send_verification_to(&self, user: &User, page: &Link) -> Result<(), Problem> {
        self.send_to(user, Purpose::Verify, page, Message::EmailVerification).await
    }

    async fn send_to(
        &self,
        user: &User,
        purpose: Purpose,
        page: &Link,
        message: fn(Letter) -> Message,
    ) -> Result<(), Problem> {
        let email = user.email.as_ref().ok_or_else(without_address)?;
        let (token, text) = issue(&self.store, user, purpose, self.clock.now(), &*self.random).await?;
        let letter = Letter::new(user, email, &token, text, Some(page));
        self.deliver(&LoginName::new(&user.tenant, &user.name), &token, &message(letter)).await
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

/// The page that an application wants a message to lead to, given as the parameter `field`.
pub fn page(field: &str, url: &str) -> Result<Link, Problem> {
    Link::to_page(url).ok_or_else(|| Problem::invalid(field, Link::PAGE_RULE))
}

/// The purpose of a token that replaces the present password of `user`.
pub async fn replacing<S: Store>(store: &S, user: &User) -> Result<Purpose, Problem> {
    let wanted = Lookup { credential: Some(LoginName::new(&user.tenant, &user.name)), ..Lookup::default() };
    let credential = store.lookup(wanted).await?.credential.filter(|credential| credential.user == user.id);
    // The user was read a moment ago, and has another name by now, or is gone.
    credential.map(|credential| Purpose::Reset { version: credential.version }).ok_or(Problem::Busy)
}

/// Makes and stores a token of `user` for an application that asks for it. As often as it asks: who manages the account
/// may do more to its owner than fill a mailbox, and is told that there is a token.
pub async fn issue<S: Store>(
    store: &S,
    user: &User,
    purpose: Purpose,
    now: Timestamp,
    random: &dyn Random,
) -> Result<(OneTime, Token), Problem> {
    demand_enabled(user)?;
    if purpose == Purpose::Verify && user.email.is_none() {
        return Err(without_address());
    }
    let (token, text) = OneTime::issue(user, purpose, now, random);
    // None was made later than this one ends, so there is no pause to keep.
    let since = token.expires;
    match store.create_one_time(&LoginName::new(&user.tenant, &user.name), &token, since).await? {
        Write::Done => Ok((token, text)),
        Write::Refused => Err(Problem::Busy),
    }
}

fn without_address() -> Problem {
    Problem::invalid("the profile", "must have an e-mail address for this")
}

/// A token that was shown, with its user as far as there is one. Whether it may be used, only its use tells.
pub struct Shown {
    /// The token.
    pub token: OneTime,
    /// Its user.
    pub user: Option<User>,
}

impl Shown {
    fn of(mut found: Found) -> Option<Self> {
        let token = found.one_time.take()?;
        let user = found.user(&token.key.user).cloned();
        Some(Self { token, user })
    }

    /// The token with its user, if both are good now.
    pub fn live(self, now: Timestamp) -> Result<(OneTime, User), Problem> {
        let Self { token, user } = self;
        user.filter(|user| token.is_live(user, now)).map(|user| (token, user)).ok_or(Problem::NoSuchOneTime)
    }
}

/// What is to be read for a token's text: nothing for what can't be one of ours.
fn lookup(text: &str) -> Lookup {
    let key = OneTimeKey::of(text);
    if key.is_none() {
        audit::detail("form");
    }
    Lookup { users: key.iter().map(|key| key.user.clone()).collect(), one_time: key, ..Lookup::default() }
}

/// The token of a text, for an application that manages profiles in the token's tenant. One of a tenant that it does not
/// know is as good as none, and so is one that is over, for who may not manage it. It may be over.
pub async fn managed<S: Store>(
    api: &ProfileApi<S>,
    presented: &Presented,
    text: &str,
) -> Result<Option<Shown>, Problem> {
    let (application, found) = api.application(presented, lookup(text)).await?;
    demand_somewhere(&application, Action::ManageProfiles)?;
    let Some(shown) = Shown::of(found).filter(|shown| application.knows(&shown.token.tenant)) else { return Ok(None) };
    let token = &shown.token;
    audit::account(&token.key.user, &token.tenant);
    let known = may(&application, &[Action::ManageProfiles], &token.tenant, api.now() >= token.expires)?;
    Ok(known.then_some(shown))
}

/// The token of a text, for whoever has it.
async fn held<S: Store>(store: &S, text: &Token) -> Result<Shown, Problem> {
    audit::credential("one_time_token");
    let wanted = lookup(text.expose_secret());
    if wanted.one_time.is_none() {
        return Err(Problem::NoSuchOneTime);
    }
    let shown = Shown::of(store.lookup(wanted).await?).ok_or(Problem::NoSuchOneTime)?;
    shown.user.iter().for_each(audit::actor);
    Ok(shown)
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

/// Sets a new password in exchange for a token.
pub async fn reset<S: Store>(login: &Login<S>, reset: Reset) -> Result<(), Problem> {
    let Reset { token, new, end_auth_headers, source } = reset;
    let shown = held(&login.store, &token).await?;
    set_password(login, shown, Chosen { field: "new", new, end_auth_headers, source }).await.map(drop)
}

/// A password in the place of one that was forgotten.
pub struct Chosen {
    /// By which name the client sent it.
    pub field: &'static str,
    /// The password.
    pub new: Password,
    /// Whether the user's auth headers end too.
    pub end_auth_headers: bool,
    /// Where the request came from.
    pub source: Source,
}

/// Sets a new password in exchange for a token, and ends every ticket of the user, who is returned as it is then. A
/// password that is too weak leaves the token as it is. It is no guess at a password, so no lockout stands in its way,
/// and it ends one.
pub async fn set_password<S: Store>(login: &Login<S>, shown: Shown, chosen: Chosen) -> Result<User, Problem> {
    let now = login.clock.now();
    let (token, user) = shown.live(now)?;
    let Purpose::Reset { version } = token.purpose else { return Err(Problem::NoSuchOneTime) };
    let name = LoginName::new(&user.tenant, &user.name);
    let wanted = login.tenants.wanted(user.tenant.as_str(), now);
    let lookup = Lookup { credential: Some(name.clone()), tenant: wanted.lookup(), ..Lookup::default() };
    let mut found = login.store.lookup(lookup).await?;
    let settings = login.tenants.resolve(wanted, found.tenant.take(), now).ok_or(Problem::NoSuchOneTime)?;
    let current = found.credential.filter(|credential| credential.user == user.id && credential.version == version);
    let credential = current.ok_or(Problem::NoSuchOneTime)?;
    let earlier = login::earlier(&settings, &credential);
    if let Err(broken) = login.weigh(&settings, &user, earlier, &chosen.new).await? {
        return Err(Problem::weak(chosen.field, broken));
    }
    let password = login.new_password(&settings, &credential, chosen.new, now).await?;
    let ended = u64::from(chosen.end_auth_headers);
    // Whoever read the mail has shown whose the address is.
    let (user, at) = if token.email.is_some() { verified(&user, now) } else { (user, now) };
    let change = PasswordChange {
        name,
        user: user.id.clone(),
        version,
        password,
        proof: Proof::Reset(token),
        end_auth_headers: chosen.end_auth_headers,
        forget: newest(&credential.guesses),
        // Whoever read the mail is at home where it was read: a storm of strangers must not close the door at once again.
        place: Some(Place::of(chosen.source.network.as_deref())),
        at,
    };
    match login.store.change_password(change).await? {
        Write::Done => Ok(User { session_epoch: user.session_epoch + 1, key_epoch: user.key_epoch + ended, ..user }),
        // It was used, or ended in another way, between our read and our write.
        Write::Refused => Err(Problem::NoSuchOneTime),
    }
}

/// Notes, in exchange for a token, that the address which it was sent to is the user's own.
pub async fn verify<S: Store>(store: &S, token: &Token, now: Timestamp) -> Result<(), Problem> {
    verify_shown(store, held(store, token).await?, now).await.map(drop)
}

/// [`verify`] by a token that was looked up; the user as it is then.
pub async fn verify_shown<S: Store>(store: &S, shown: Shown, now: Timestamp) -> Result<User, Problem> {
    let (token, user) = shown.live(now)?;
    if token.purpose != Purpose::Verify {
        return Err(Problem::NoSuchOneTime);
    }
    let (user, at) = verified(&user, now);
    match store.verify_email(&token, at).await? {
        Write::Done => Ok(user),
        Write::Refused => Err(Problem::NoSuchOneTime),
    }
}

/// A user whose address was found to be its own, and since when: later than any change before, so that whoever read the
/// user before that does not write it back.
fn verified(user: &User, now: Timestamp) -> (User, Timestamp) {
    let user = changed(user, &User { email_verified: true, modified: now, ..user.clone() });
    let at = user.modified;
    (user, at)
}

/// The counters of guesses that a reset forgets: as many as one write takes, those first that still count.
fn newest(guesses: &Guesses) -> Vec<CounterKey> {
    let mut counters: Vec<_> = guesses.counters.iter().collect();
    counters.sort_by_key(|(key, counter)| {
        (std::cmp::Reverse(key.day), key.place != Place::Strangers, std::cmp::Reverse(counter.last))
    });
    counters.into_iter().take(SWEPT).map(|(key, _)| key.clone()).collect()
}
