//! Requests that are refused for different reasons, of which nobody may learn which it was.

use bench::Error;
use bench::stack::Stack;
use serde_json::{Value, json};
use shared::clock::{Clock as _, SystemClock};
use shared::lockout::{Gate, Rules};
use shared::one_time::{OneTime, Purpose};
use shared::password::Phc;
use shared::random::SystemRandom;
use shared::secret::Password;
use shared::source::Source;
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Guess, Guessed, LoginName, Store as _, Write};
use shared::user::{User, UserId};

/// The password of every account that has one. It is as long as [`WRONG`].
const RIGHT: &str = "seven lamps above a quiet harbour";
const WRONG: &str = "seven lamps above a noisy harbour";

/// A tenant that there is, and one that there is not.
const TENANT: &str = local::demo::TENANT;
const NO_TENANT: &str = "nope";

/// Where the sample events come from.
const ADDRESS: &str = "203.0.113.7";

/// What a request is refused for, or does not do for all that its answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The password is wrong.
    Wrong,
    /// Nobody has this name.
    Unknown,
    /// The password is right, and guesses have closed the lock.
    Locked,
    /// The account is disabled; the password is wrong.
    Disabled,
    /// The account is disabled; the password is right.
    DisabledRight,
    /// The account has no password.
    Passwordless,
    /// There is no such tenant.
    NoTenant,
    /// Somebody has asked for the same account a moment ago.
    Again,
    /// Nothing: the account gets its message.
    None,
    /// The one-time token is nobody's, as is its user's id.
    TokenOfNobody,
    /// The user has no such one-time token.
    TokenUnknown,
    /// The body is none. This one costs less, which must be noticed.
    Malformed,
}

impl Reason {
    /// What people call it.
    pub fn what(self) -> &'static str {
        match self {
            Self::Wrong => "wrong password",
            Self::Unknown => "unknown user",
            Self::Locked => "locked",
            Self::Disabled => "disabled, wrong password",
            Self::DisabledRight => "disabled, right password",
            Self::Passwordless => "no password set",
            Self::NoTenant => "unknown tenant",
            Self::Again => "asked for a moment ago",
            Self::None => "an account",
            Self::TokenOfNobody => "token of nobody",
            Self::TokenUnknown => "no such token",
            Self::Malformed => "control: no work at all",
        }
    }
}

/// Makes an account for each request, so that none finds more than the one before it.
pub struct Accounts<'a> {
    stack: &'a Stack,
    phc: Phc,
    application: String,
}

impl<'a> Accounts<'a> {
    /// Of this stack.
    pub async fn of(stack: &'a Stack) -> Result<Self, Error> {
        let password = Password::from_input(RIGHT).ok_or(Error::Event("a password"))?;
        let phc = stack.config().hasher()?.hash(&password, &SystemRandom)?;
        Ok(Self { stack, phc, application: stack.access_token(false).await? })
    }

    /// An event for `function` that meets this reason.
    pub async fn event(&self, function: &str, reason: Reason) -> Result<String, Error> {
        let (tenant, name) = self.account(reason).await?;
        let password = if matches!(reason, Reason::Locked | Reason::DisabledRight) { RIGHT } else { WRONG };
        let username = format!("{tenant}/{name}");
        let body = match function {
            _ if reason == Reason::Malformed => "{".to_owned(),
            "user-login" => json!({ "username": username, "password": password }).to_string(),
            "user-password" => {
                let new = "nine lamps above a quiet harbour";
                json!({ "username": username, "old": password, "new": new, "confirm": new }).to_string()
            }
            "user-forgot" => json!({ "username": username }).to_string(),
            "user-reset" => json!({ "token": name, "new": RIGHT, "confirm": RIGHT }).to_string(),
            "ticket-authenticate" => {
                form(&[("tenantName", tenant), ("username", &name), ("password", password)], &self.application)
            }
            "api1-profile-change-password" => {
                form(&[("resetTokenId", &name), ("newPassword", RIGHT)], &self.application)
            }
            _ => return Err(Error::UnknownFunction(function.to_owned())),
        };
        self.stack.event_with(function, &body)
    }

    /// Tenant and name of an account as the reason wants it, or a token in the place of the name.
    async fn account(&self, reason: Reason) -> Result<(&'static str, String), Error> {
        let unknown = || UserId::generate(&SystemRandom).as_str().to_owned();
        match reason {
            Reason::Unknown | Reason::Malformed => return Ok((TENANT, unknown())),
            Reason::NoTenant => return Ok((NO_TENANT, unknown())),
            _ => {}
        }
        let password = (reason != Reason::Passwordless).then(|| self.phc.clone());
        let mut user = self.stack.user(password).await?;
        let (store, now) = (self.stack.store(), SystemClock.now());
        match reason {
            Reason::Locked => lock(store, &user).await?,
            Reason::Disabled | Reason::DisabledRight => done(store.set_enabled(&user, false, now).await?)?,
            Reason::Again => self.ask(&user).await?,
            Reason::TokenOfNobody => user.id = UserId::generate(&SystemRandom),
            _ => {}
        }
        if matches!(reason, Reason::TokenOfNobody | Reason::TokenUnknown) {
            let (_, token) = OneTime::issue(&user, Purpose::Reset { version: 0 }, now, &SystemRandom);
            return Ok((TENANT, token.expose_secret().to_owned()));
        }
        Ok((TENANT, user.name.as_str().to_owned()))
    }

    /// Gives the account a token, so that it is given no other one for a while.
    async fn ask(&self, user: &User) -> Result<(), Error> {
        let now = SystemClock.now();
        let (token, _) = OneTime::issue(user, Purpose::Reset { version: 0 }, now, &SystemRandom);
        done(self.stack.store().create_one_time(&LoginName::new(&user.tenant, &user.name), &token, now).await?)
    }
}

/// As many wrong passwords as close the lock.
async fn lock(store: &DynamoStore, user: &User) -> Result<(), Error> {
    let (source, rules, at) = (Source::new(Some(ADDRESS), None), Rules::DEFAULT, SystemClock.now());
    for mark in 0..rules.per_network {
        let gate = Gate::of(&shared::lockout::Guesses::default(), source.network.as_deref(), &rules, at);
        let counted = gate.locks.iter().map(|lock| lock.key.clone()).collect();
        let name = LoginName::new(&user.tenant, &user.name);
        let found = Guessed::Wrong { mark };
        let guess = Guess { name, found, locks: gate.locks, counted, stale: Vec::new(), at };
        done(store.record_guess(guess).await?)?;
    }
    Ok(())
}

fn done(write: Write) -> Result<(), Error> {
    if write == Write::Done { Ok(()) } else { Err(Error::Event("an account could not be prepared")) }
}

fn form(fields: &[(&str, &str)], application: &str) -> String {
    // Names, tokens and passwords here hold nothing that a form escapes, but spaces.
    let fields = fields.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+")));
    std::iter::once(format!("accessTokenId={application}")).chain(fields).collect::<Vec<_>>().join("&")
}

/// The status and the body of an answer: all that a client may learn, without what names the request.
pub fn told(answer: &[u8]) -> (Option<u64>, String) {
    let answer = serde_json::from_slice::<Value>(answer).unwrap_or_default();
    let body = answer.get("body").and_then(Value::as_str).unwrap_or_default().to_owned();
    (answer.get("statusCode").and_then(Value::as_u64), body)
}
