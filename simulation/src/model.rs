//! What must be so: what was acknowledged, what was ended, and what nobody can know after a fault.
//!
//! Time is counted twice: in steps of the scheduler, which say what was before what, and in milliseconds, which the
//! clocks of the environments miss by up to [`SKEW`].

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use shared::clock::Timestamp;
use shared::lockout::CounterKey;
use shared::secret::Digest;
use shared::store::LoginName;
use shared::ticket::TicketKey;
use shared::user::UserId;

use crate::environment::{GAMMA, LOCKOUT, TENANTS};
use crate::hub::Fact;

/// By how much an environment's clock may be wrong, in milliseconds.
pub const SKEW: i64 = 5_000;

/// How long what was renewed can still be renewed, or refreshed.
const GRACE: i64 = 30_000;

/// A request that takes longer meets limits which the model does not follow.
const SLOW: i64 = 12_000;

/// The idle limit of tickets.
const IDLE: i64 = 900_000;

/// How long an environment remembers a tenant, or that there is none, with what its clock is wrong by.
const KEPT: i64 = 60_000 + 2 * SKEW;

/// A step of the scheduler.
pub type Tick = u64;

/// A kind of what opens something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A login's JWT, of a session.
    Jwt(usize),
    /// A profile's JWT, of a session.
    Minted(usize),
    /// A ticket of the ticket family.
    Ticket,
    /// An auth header.
    Header,
    /// A persistent login.
    Series,
    /// A token for a new password.
    Reset,
    /// A token that shows whose an address is.
    Verification,
    /// A password.
    Password,
    /// An application's access token.
    Application,
}

/// A token of a persistent login.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Its number.
    pub number: u64,
    /// Its text.
    pub text: String,
    /// When it was told.
    pub told: (Tick, i64),
}

/// Something that opens something.
#[derive(Clone, Debug)]
pub struct Credential {
    /// What it is.
    pub kind: Kind,
    /// Whose it is.
    pub person: usize,
    /// Its text.
    pub text: String,
    /// When it was asked for, and when it was told.
    pub born: (Tick, Tick),
    /// From which moment on it is good everywhere: a JWT is refused where the clock is more than five seconds behind that
    /// of its maker, and two clocks may differ by twice as much.
    pub begins: i64,
    /// Between which moments it ends by itself.
    pub ends: Option<(i64, i64)>,
    /// How long another one lives that takes its place.
    pub lifetime: Option<i64>,
    /// The last use for sure, and the last that there may have been.
    pub used: (i64, i64),
    /// Of a persistent login: its tokens, as far as they were told.
    pub tokens: Vec<Generation>,
    /// Of a persistent login: whether it may have moved on unseen.
    pub doubtful: bool,
    /// Of a JWT: by which name its session is ended.
    pub session_id: String,
}

/// Somebody.
#[derive(Clone, Debug)]
pub struct Person {
    /// The user's id.
    pub id: String,
    /// The tenant.
    pub tenant: usize,
    /// The user name, as far as is known.
    pub name: String,
    /// Since when nothing may be opened.
    pub shut: Option<Tick>,
    /// Since when it is deleted for sure.
    pub gone: Option<Tick>,
    /// Whether the deletion was asked for.
    pub deleting: bool,
    /// When enabling was last asked for.
    pub enabling: Tick,
    /// How many are asking for it now.
    pub enablers: usize,
}

impl Person {
    /// Somebody who is there.
    pub fn new(id: String, tenant: usize, name: String) -> Self {
        Self { id, tenant, name, shut: None, gone: None, deleting: false, enabling: 0, enablers: 0 }
    }
}

/// What an act ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One credential.
    One(usize),
    /// A session, with every JWT of it.
    Session(usize),
    /// Every session but this one.
    Sessions(Option<usize>),
    /// Every auth header.
    Headers,
    /// Everything.
    Everything,
    /// The password.
    Password,
    /// The name or the address.
    Profile,
}

/// An act that ends something.
#[derive(Clone, Debug)]
pub struct End {
    /// Whose.
    pub person: usize,
    /// What.
    pub scope: Scope,
    /// When it was asked for.
    pub from: Tick,
    /// When it was over, one way or the other.
    pub to: Option<(Tick, i64)>,
    /// Whether it was done for sure.
    pub sure: bool,
    /// Whether it is a renewal, after which what it ended is good for another one.
    pub renewal: bool,
    /// Whether it was not done for sure.
    pub void: bool,
}

/// What is known of a credential during a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing ended it.
    Live,
    /// It may have been ended.
    Unknown,
    /// It was ended before.
    Ended,
}

/// A request, as far as the model is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// When it began.
    pub start: (Tick, i64),
    /// When it was answered.
    pub end: (Tick, i64),
    /// Whether a call of it failed.
    pub faulty: bool,
}

/// All that is known.
#[derive(Default)]
pub struct Model {
    /// People.
    pub people: Vec<Person>,
    /// What they and their applications hold.
    pub credentials: Vec<Credential>,
    /// What was ended.
    pub ends: Vec<End>,
    /// What devices and what applications do more often than other things.
    pub tastes: (&'static [usize], &'static [usize]),
    /// When the tenant that comes and goes was last made.
    pub gamma_made: i64,
    /// How many are deleting it now: who is made meanwhile may be gone at once.
    pub gamma_enders: usize,
    /// Sessions so far.
    pub sessions: usize,
    /// Passwords so far.
    pub passwords: usize,
    /// Rotations so far, and the step that comes next.
    pub rotation: (usize, usize),
    /// The version that is being made.
    pub pending: String,
    guesses: BTreeMap<LoginName, BTreeMap<CounterKey, (u32, Timestamp)>>,
    used: BTreeMap<String, usize>,
}

impl Model {
    /// Notes a new credential; its place.
    pub fn add(&mut self, kind: Kind, person: usize, text: &str, span: Span) -> usize {
        self.credentials.push(Credential {
            kind,
            person,
            text: text.to_owned(),
            born: (span.start.0, span.end.0),
            begins: i64::MIN,
            ends: None,
            lifetime: None,
            used: (span.start.1, span.end.1),
            tokens: Vec::new(),
            doubtful: false,
            session_id: String::new(),
        });
        self.credentials.len() - 1
    }

    /// Notes a new JWT, which says by itself when it ends; its place.
    pub fn add_jwt(&mut self, kind: Kind, person: usize, text: &str, span: Span) -> usize {
        let it = self.add(kind, person, text, span);
        let claims = claims(text);
        let ends = claims["exp"].as_i64().unwrap_or_default() * 1000;
        self.credentials[it].ends = Some((ends, ends));
        self.credentials[it].begins = claims["iat"].as_i64().unwrap_or_default() * 1000;
        let digest = claims["sid"].as_str().and_then(Digest::from_base64url);
        let user = UserId::parse(&self.people[person].id);
        if let (Some(user), Some(digest)) = (user, digest) {
            self.credentials[it].session_id = TicketKey { user, digest }.session_id();
        }
        it
    }

    /// Notes that an act which may end something begins; its place.
    pub fn begin_end(&mut self, person: usize, scope: Scope, from: Tick) -> usize {
        let renewal = false;
        self.ends.push(End { person, scope, from, to: None, sure: false, renewal, void: false });
        self.ends.len() - 1
    }

    /// What is known of a credential during a request that is none of the acts `own`.
    #[must_use]
    pub fn fate(&self, credential: usize, span: Span, own: &[usize], renewing: bool) -> Fate {
        let mut fate = Fate::Live;
        let it = &self.credentials[credential];
        for (place, end) in self.ends.iter().enumerate() {
            if end.void || own.contains(&place) || end.from > span.end.0 {
                continue;
            }
            let Some(surely) = self.covers(end, credential) else { continue };
            if end.to.is_some_and(|(to, _)| to < it.born.0) {
                continue;
            }
            let over = end.to.filter(|(to, _)| *to < span.start.0);
            let graceful =
                |(_, millis): (Tick, i64)| end.renewal && renewing && span.start.1 < millis + GRACE + 2 * SKEW;
            let ended = end.sure && surely && it.born.1 < end.from && over.is_some_and(|over| !graceful(over));
            if ended {
                return Fate::Ended;
            }
            fate = Fate::Unknown;
        }
        fate
    }

    /// Whether an act is about a credential, and whether it ends it for sure where it is done.
    fn covers(&self, end: &End, credential: usize) -> Option<bool> {
        use Kind::{Application, Header, Jwt, Minted, Password, Reset, Series, Ticket, Verification};
        let it = &self.credentials[credential];
        if let Scope::One(one) = end.scope {
            return (one == credential).then_some(true);
        }
        if end.person != it.person || it.kind == Application {
            return None;
        }
        match (end.scope, it.kind) {
            (Scope::Session(ended), Jwt(session) | Minted(session)) => (ended == session).then_some(true),
            (Scope::Sessions(kept), Jwt(session) | Minted(session)) => (kept != Some(session)).then_some(true),
            (Scope::Sessions(_) | Scope::Everything, Ticket | Series | Reset)
            | (Scope::Everything, Jwt(_) | Minted(_) | Header)
            | (Scope::Headers, Header)
            | (Scope::Password, Password) => Some(true),
            (Scope::Everything, Verification) | (Scope::Profile, Reset | Verification) => Some(false),
            _ => None,
        }
    }

    /// What is wrong with a credential that was accepted, if anything is.
    #[must_use]
    pub fn accepted(&self, credential: usize, span: Span, own: &[usize], renewing: bool) -> Option<String> {
        let it = &self.credentials[credential];
        let what = self.describe(credential);
        if self.fate(credential, span, own, renewing) == Fate::Ended {
            return Some(format!("I5 {what} was accepted after its end was acknowledged"));
        }
        let earliest = span.start.1 - SKEW;
        if it.ends.is_some_and(|(_, latest)| earliest >= latest) {
            return Some(format!("I4 {what} was accepted after its expiry"));
        }
        // A use may be written a tenth of the limit late.
        if it.kind == Kind::Ticket && earliest >= it.used.1 + IDLE + IDLE / 10 + SKEW + 30_000 {
            return Some(format!("I4 {what} was accepted after it had been idle for too long"));
        }
        let shut = self.people.get(it.person).and_then(|person| person.shut);
        let of_a_user = !matches!(it.kind, Kind::Application);
        if of_a_user && shut.is_some_and(|shut| shut < span.start.0) {
            return Some(format!("I5 {what} was accepted while its user is disabled or gone"));
        }
        None
    }

    /// What is wrong with a credential that was refused, if anything is.
    #[must_use]
    pub fn refused(&self, credential: usize, span: Span, own: &[usize]) -> Option<String> {
        let it = &self.credentials[credential];
        let latest = span.end.1 + SKEW + 1000;
        let in_time = it.ends.is_none_or(|(earliest, _)| latest < earliest);
        let busy = it.kind != Kind::Ticket || latest < it.used.0 - SKEW + IDLE;
        let live = !span.faulty
            && span.end.1 - span.start.1 < SLOW
            && in_time
            && span.start.1 >= it.begins
            && busy
            && !self.is_new(it.person, span)
            && !it.doubtful
            && self.people.get(it.person).is_none_or(|person| !person.deleting && person.shut.is_none())
            && self.fate(credential, span, own, false) == Fate::Live;
        live.then(|| format!("I9 {} is live and was refused", self.describe(credential)))
    }

    /// Whether an environment may still remember that there is no such tenant.
    fn is_new(&self, person: usize, span: Span) -> bool {
        let of_gamma = self.people.get(person).is_some_and(|person| person.tenant == GAMMA);
        of_gamma && span.end.1 < self.gamma_made + KEPT
    }

    /// What is wrong with a token of a persistent login that was accepted.
    #[must_use]
    pub fn token_accepted(&self, series: usize, shown: u64, span: Span) -> Option<String> {
        let later = self.later_tokens(series, shown, span);
        let wrong = later.iter().any(|it| {
            it.number >= shown + 2 || it.number == shown + 1 && span.start.1 - SKEW >= it.told.1 + SKEW + GRACE
        });
        wrong.then(|| format!("I3 token {shown} of {} was accepted after it had been replaced", self.describe(series)))
    }

    /// Whether a token of a persistent login was replaced so long ago that showing it is a replay for sure.
    #[must_use]
    pub fn is_replayed(&self, series: usize, shown: u64, span: Span) -> bool {
        let later = self.later_tokens(series, shown, span);
        later.iter().any(|it| it.number >= shown + 2 || span.start.1 - SKEW >= it.told.1 + SKEW + GRACE)
    }

    fn later_tokens(&self, series: usize, shown: u64, span: Span) -> Vec<&Generation> {
        let tokens = self.credentials[series].tokens.iter();
        tokens.filter(|it| it.number > shown && it.told.0 < span.start.0).collect()
    }

    /// What is wrong with something that was opened for a person.
    #[must_use]
    pub fn opened(&self, person: usize, span: Span) -> Option<String> {
        let shut = self.people[person].shut.is_some_and(|shut| shut < span.start.0);
        shut.then(|| format!("I5 something was opened for person {person} who is disabled or gone"))
    }

    /// Follows a commit; what is wrong with it, if anything is.
    pub fn follow(&mut self, fact: &Fact) -> Option<String> {
        match fact {
            Fact::Guess { name, locks, counted, at } => {
                let wrong = self.guessed(name, locks, *at);
                let counters = self.guesses.entry(name.clone()).or_default();
                for key in counted {
                    let counter = counters.entry(key.clone()).or_insert((0, *at));
                    *counter = (counter.0 + 1, *at);
                }
                wrong
            }
            Fact::Opened { name, locks, place, at } => {
                let wrong = self.guessed(name, locks, *at);
                self.guesses.entry(name.clone()).or_default().retain(|key, _| key.place != *place);
                wrong
            }
            Fact::Forgotten { name, counters } => {
                let kept = self.guesses.entry(name.clone()).or_default();
                match counters {
                    Some(counters) => kept.retain(|key, _| !counters.contains(key)),
                    None => kept.clear(),
                }
                None
            }
            Fact::Renamed { from, to } => {
                if let Some(counters) = self.guesses.remove(from) {
                    self.guesses.insert(to.clone(), counters);
                }
                None
            }
            Fact::Used(what) => {
                let times = self.used.entry(what.clone()).or_default();
                *times += 1;
                (*times > 1).then(|| format!("I3 {what} was used {times} times"))
            }
            Fact::Header(_) | Fact::Accounts => None,
        }
    }

    /// Whether a guess came too early, by the rules as they are documented.
    fn guessed(&self, name: &LoginName, locks: &[CounterKey], at: Timestamp) -> Option<String> {
        // Made by a client, it has other rules.
        if name.tenant() == TENANTS[GAMMA] {
            return None;
        }
        let counters = self.guesses.get(name)?;
        locks.iter().find_map(|key| {
            let limit = match key.place {
                shared::lockout::Place::Network(_) => LOCKOUT.per_network,
                shared::lockout::Place::Strangers => LOCKOUT.from_strangers,
            };
            let (failures, last) = counters.get(key)?;
            let over = failures.checked_sub(limit)?;
            let wait = LOCKOUT.pause.saturating_mul(2_u32.saturating_pow(over)).min(LOCKOUT.longest);
            (at < last.plus(wait)).then(|| {
                format!("I7 a guess at {} counted after {failures} wrong ones, before the wait was over", name.name())
            })
        })
    }

    /// A credential in words.
    #[must_use]
    pub fn describe(&self, credential: usize) -> String {
        let it = &self.credentials[credential];
        let kind = match it.kind {
            Kind::Jwt(session) => format!("JWT of session {session}"),
            Kind::Minted(session) => format!("profile JWT of session {session}"),
            Kind::Ticket => "ticket".to_owned(),
            Kind::Header => "auth header".to_owned(),
            Kind::Series => "persistent login".to_owned(),
            Kind::Reset => "reset token".to_owned(),
            Kind::Verification => "verification token".to_owned(),
            Kind::Password => "password".to_owned(),
            Kind::Application => return format!("#{credential} (access token)"),
        };
        format!("#{credential} ({kind}, person {})", it.person)
    }
}

/// The claims of a JWT, unchecked.
fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    payload.and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default()
}
