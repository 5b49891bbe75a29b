//! A client and what it knows must hold: what it was given and has not ended is good, what it ended or had replaced is
//! not, and every answer is about the one who asked.
//!
//! A client does one thing at a time, so that it always knows. What it was not told (an outage in the middle of a write)
//! it forgets, rather than guess. Each user has two clients, so that one's logout is seen not to end the other's session.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::api;
use shared::random::{Random, SystemRandom};

use crate::event::{Ask, Body, authorization};
use crate::gateway::{By, Gateway, Reply};
use crate::stage::{Domain, Person, Stage};
use crate::tally::{Fault, Tally};

/// How many users a client acts for.
pub const PEOPLE: usize = 4;

/// How many credentials a client holds before it makes no more.
const PLENTY: usize = 16;

/// A credential that was to end by itself so soon is forgotten: nobody's clocks agree to the second.
const MARGIN: Duration = Duration::from_mins(1);

/// Every function that a client calls.
pub const FUNCTIONS: [&str; 16] = [
    "authheader-add",
    "authheader-delete",
    "authorizer",
    "oauth2-introspect",
    "oauth2-revoke",
    "persistent-login-create",
    "persistent-login-delete",
    "persistent-login-get",
    "persistent-login-refresh",
    "test-secure",
    "ticket-authenticate",
    "ticket-get",
    "ticket-invalidate",
    "user-login",
    "user-logout",
    "user-renew",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Jwt,
    Ticket,
    AuthHeader,
    Series,
}

/// A credential.
#[derive(Clone)]
struct Held {
    kind: Kind,
    /// Whose: a place in the client's list.
    person: usize,
    text: String,
    /// Of a persistent login, its current token.
    token: String,
    /// From when on it may end by itself.
    until: Option<Instant>,
}

/// How a credential is tried.
#[derive(Clone, Copy, Debug)]
enum How {
    /// Where it is for.
    Own,
    /// By an application, at introspection.
    Introspection,
    /// By the API of somebody else, at the authorizer.
    Authorizer,
    /// By an application of another tenant, for which it must not exist.
    Stranger,
}

/// The next thing to do.
enum Act {
    LogIn(usize),
    Guess(usize),
    Authenticate(usize),
    AddHeader(Held),
    BeginSeries(usize),
    Renew(Held),
    Refresh(Held),
    Try(Held, How),
    TryEnded(Held, How),
    End(Held),
    /// By an application, which needs nothing but the credential.
    Revoke(Held),
    /// An auth header, by its owner's JWT.
    DeleteHeader(Held, Held),
}

/// One client.
pub struct Client {
    address: String,
    people: Vec<Person>,
    /// For each user: whether a guess was made since the last login.
    guessed: Vec<bool>,
    live: Vec<Held>,
    /// Ended, in the order in which they were.
    ended: Vec<Held>,
    /// Ended a moment ago, and not tried since.
    fresh: VecDeque<Held>,
    /// What is left to be read back at the end.
    owed: Option<VecDeque<Act>>,
    jwt_life: Duration,
    idle_life: Duration,
}

/// So many clients, two for each handful of users, each in a network of its own.
pub fn clients(stage: &Stage) -> VecDeque<Client> {
    let of = |(number, people): (usize, &[Person])| {
        [2 * number, 2 * number + 1].map(|number| Client {
            address: format!("10.{}.{}.7", number / 256, number % 256),
            people: people.to_vec(),
            guessed: vec![false; people.len()],
            live: Vec::new(),
            ended: Vec::new(),
            fresh: VecDeque::new(),
            owed: None,
            jwt_life: stage.jwt_life,
            idle_life: stage.idle_life,
        })
    };
    stage.people.chunks(PEOPLE).enumerate().flat_map(of).collect()
}

impl Client {
    /// Does one thing, which was due at `due`, and tells the tally.
    pub async fn step(&mut self, gateway: &Gateway, domains: &[Domain], tally: &Tally, due: Instant) -> By {
        let act = self.choose();
        self.perform(act, gateway, domains, tally, due).await
    }

    /// Tries one of all credentials that it was ever given; `None` when none is left. One that was refused for lack of
    /// room is tried again.
    pub async fn read_back(&mut self, gateway: &Gateway, domains: &[Domain], tally: &Tally) -> Option<By> {
        if self.owed.is_none() {
            self.forget();
            let live = self.live.iter().map(|held| Act::Try(held.clone(), How::Own));
            let ended = self.ended.iter().map(|held| Act::TryEnded(held.clone(), How::Own));
            self.owed = Some(live.chain(ended).collect());
        }
        let owed = self.owed.as_mut()?;
        let act = owed.pop_front()?;
        let again = match &act {
            Act::Try(held, how) => Act::Try(held.clone(), *how),
            Act::TryEnded(held, how) => Act::TryEnded(held.clone(), *how),
            _ => return None,
        };
        let by = self.perform(act, gateway, domains, tally, Instant::now()).await;
        if by != By::Function {
            self.owed.as_mut()?.push_back(again);
        }
        Some(by)
    }

    async fn perform(&mut self, act: Act, gateway: &Gateway, domains: &[Domain], tally: &Tally, due: Instant) -> By {
        let (function, event) = self.asked(&act, domains);
        let reply = gateway.call(function, event).await;
        tally.note(class(&act), &reply, due);
        match reply.by {
            By::Function if reply.status == 503 => self.unsure(&act),
            By::Function => {
                let learned = self.learn(act, &reply);
                learned.unwrap_or_else(|fault| tally.fault(fault));
            }
            By::Broken => self.unsure(&act),
            // The function was not asked.
            By::Throttle | By::NoRoom => {}
        }
        reply.by
    }

    fn choose(&mut self) -> Act {
        self.forget();
        if let Some(held) = self.fresh.pop_front() {
            return Act::TryEnded(held, any(&[How::Own, How::Introspection, How::Authorizer]).unwrap_or(How::Own));
        }
        let person = die(self.people.len());
        let roll = die(100);
        if self.live.len() >= PLENTY && roll < 24 {
            return self.end().unwrap_or(Act::LogIn(person));
        }
        let act = match roll {
            0..10 => Some(Act::LogIn(person)),
            10..13 if self.guessed.get(person) == Some(&false) => Some(Act::Guess(person)),
            10..18 => Some(Act::Authenticate(person)),
            18..21 => self.one(Kind::Jwt).map(Act::AddHeader),
            21..24 => Some(Act::BeginSeries(person)),
            24..31 => self.one(Kind::Jwt).map(Act::Renew),
            31..37 => self.one(Kind::Series).map(Act::Refresh),
            37..48 => self.end(),
            48..52 => any(&self.live).map(|held| Act::Try(held, How::Stranger)),
            52..57 => any(&self.ended).map(|held| Act::TryEnded(held, How::Own)),
            _ => {
                let how = any(&[How::Own, How::Introspection, How::Authorizer]);
                any(&self.live).map(|held| Act::Try(held, how.unwrap_or(How::Own)))
            }
        };
        act.unwrap_or(Act::LogIn(person))
    }

    fn one(&self, kind: Kind) -> Option<Held> {
        any(&self.live.iter().filter(|held| held.kind == kind).cloned().collect::<Vec<_>>())
    }

    fn end(&self) -> Option<Act> {
        let held = any(&self.live)?;
        let revocable = held.kind != Kind::Series && die(2) == 0;
        match held.kind {
            _ if revocable => Some(Act::Revoke(held)),
            Kind::AuthHeader => {
                let owners = |other: &&Held| other.kind == Kind::Jwt && other.person == held.person;
                let jwt = self.live.iter().find(owners).cloned();
                Some(jwt.map_or_else(|| Act::Revoke(held.clone()), |jwt| Act::DeleteHeader(held.clone(), jwt)))
            }
            _ => Some(Act::End(held)),
        }
    }

    /// What may have ended by itself is not spoken of any more.
    fn forget(&mut self) {
        let now = Instant::now();
        self.live.retain(|held| held.until.is_none_or(|until| now < until));
    }

    /// An outage in the middle: what was to be changed may be changed or not.
    fn unsure(&mut self, act: &Act) {
        match act {
            Act::Renew(held) | Act::Refresh(held) | Act::End(held) | Act::Revoke(held) | Act::DeleteHeader(held, _) => {
                self.drop_live(held);
            }
            _ => {}
        }
    }

    fn drop_live(&mut self, held: &Held) {
        self.live.retain(|other| other.text != held.text);
    }

    fn has_ended(&mut self, held: Held) {
        self.drop_live(&held);
        self.fresh.push_back(held.clone());
        self.ended.push(held);
    }

    /// The function, and the event for it.
    fn asked(&self, act: &Act, domains: &[Domain]) -> (&'static str, String) {
        if let Act::Try(held, How::Authorizer) | Act::TryEnded(held, How::Authorizer) = act
            && let Some((header, value)) = credential(held)
        {
            return ("authorizer", authorization(header, &value, &self.address));
        }
        let ask = self.ask(act, domains);
        (ask.route.name, ask.event(&self.address))
    }

    fn ask<'a>(&self, act: &'a Act, domains: &[Domain]) -> Ask<'a> {
        let app = |person: usize| Some(("x-access-token-id", self.domain(person, domains).1));
        let post = |route, id, header, body| Ask { route, id, header, body };
        match act {
            Act::LogIn(person) => self.login(*person, domains, None),
            Act::Guess(person) => self.login(*person, domains, Some(die(usize::MAX))),
            Act::Authenticate(person) => {
                let (tenant, _) = self.domain(*person, domains);
                let (username, password) = self.name_and_password(*person);
                let form = vec![("tenantName", tenant), ("username", username), ("password", password)];
                post(&api::TICKET_AUTHENTICATE, None, app(*person), Body::Form(form))
            }
            Act::AddHeader(jwt) => {
                post(&api::AUTHHEADER_ADD, None, credential(jwt), Body::Json(json!({ "name": "load" })))
            }
            Act::BeginSeries(person) => {
                let form = vec![("profileId", self.name_and_password(*person).0)];
                post(&api::PERSISTENT_LOGIN_CREATE, None, app(*person), Body::Form(form))
            }
            Act::Renew(jwt) => post(&api::USER_RENEW, None, credential(jwt), Body::None),
            Act::Refresh(held) => {
                let form = vec![("token", held.token.clone())];
                post(&api::PERSISTENT_LOGIN_REFRESH, Some(&held.text), app(held.person), Body::Form(form))
            }
            Act::Try(held, How::Stranger) => post_try(held, app(held.person + 1), true),
            Act::Try(held, how) | Act::TryEnded(held, how) => {
                post_try(held, app(held.person), matches!(how, How::Introspection))
            }
            Act::End(held) => match held.kind {
                Kind::Jwt | Kind::AuthHeader => post(&api::USER_LOGOUT, None, credential(held), Body::None),
                Kind::Ticket => post(&api::TICKET_INVALIDATE, Some(&held.text), app(held.person), Body::None),
                Kind::Series => post(&api::PERSISTENT_LOGIN_DELETE, Some(&held.text), app(held.person), Body::None),
            },
            Act::Revoke(held) => {
                let form = vec![("token", held.text.clone())];
                post(&api::OAUTH2_REVOKE, None, app(held.person), Body::Form(form))
            }
            Act::DeleteHeader(held, jwt) => {
                post(&api::AUTHHEADER_DELETE, None, credential(jwt), Body::Json(json!({ "text": held.text })))
            }
        }
    }

    fn login(&self, person: usize, domains: &[Domain], guess: Option<usize>) -> Ask<'static> {
        let (tenant, _) = self.domain(person, domains);
        let (username, password) = self.name_and_password(person);
        let password = guess.map_or(password, |guess| format!("guess-{guess}"));
        let body = json!({ "username": format!("{tenant}/{username}"), "password": password });
        Ask { route: &api::USER_LOGIN, id: None, header: None, body: Body::Json(body) }
    }

    /// A user's tenant and its application's access token. Neighbours are of different tenants.
    fn domain(&self, person: usize, domains: &[Domain]) -> (String, String) {
        let number = self.people.get(person % self.people.len()).map_or(0, |person| person.domain);
        let found = domains.get(number).map(|domain| (domain.tenant.clone(), domain.access_token.clone()));
        found.unwrap_or_default()
    }

    fn name_and_password(&self, person: usize) -> (String, String) {
        let found = self.people.get(person).map(|person| (person.id.clone(), person.password.clone()));
        found.unwrap_or_default()
    }

    /// Holds the answer against what must hold, and takes over what it says.
    fn learn(&mut self, act: Act, reply: &Reply) -> Result<(), Fault> {
        let text = |name: &str| reply.body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match act {
            Act::Guess(person) => {
                self.set_guessed(person, true);
                expect(reply.status == 401, || wrong("a wrong password", reply))
            }
            Act::LogIn(person) => {
                self.set_guessed(person, false);
                self.given(person, Kind::Jwt, reply, "a login", &text("Id"), text("Token"))
            }
            Act::Authenticate(person) => {
                self.set_guessed(person, false);
                self.given(person, Kind::Ticket, reply, "a ticket's login", &text("profileId"), text("id"))
            }
            Act::AddHeader(jwt) => {
                // The answer names nobody: whose it is shows at the first use.
                let (id, _) = self.name_and_password(jwt.person);
                self.given(jwt.person, Kind::AuthHeader, reply, "a new auth header", &id, text("token"))
            }
            Act::BeginSeries(person) => {
                let what = "a new persistent login";
                self.given(person, Kind::Series, reply, what, &text("profileId"), text("id"))?;
                self.live.last_mut().into_iter().for_each(|held| held.token = text("token"));
                Ok(())
            }
            Act::Renew(jwt) => {
                let given = self.given(jwt.person, Kind::Jwt, reply, "a renewal", &text("Id"), text("Token"));
                if given.is_ok() {
                    self.has_ended(jwt);
                } else {
                    self.drop_live(&jwt);
                }
                given
            }
            Act::Refresh(held) => {
                let (whose, token) = (text("profileId"), text("token"));
                self.accepted(&held, reply, (reply.status == 200).then_some(whose))?;
                let same = self.live.iter_mut().filter(|other| other.text == held.text);
                same.for_each(|other| other.token.clone_from(&token));
                Ok(())
            }
            Act::Try(held, How::Stranger) => {
                let verdict = verdict(&held, How::Stranger, reply)?;
                expect(verdict.is_none(), || Fault::Wrong(format!("{:?}: told to another tenant", held.kind)))
            }
            Act::Try(held, how) => {
                let whose = verdict(&held, how, reply)?;
                self.accepted(&held, reply, whose)?;
                if held.kind == Kind::Ticket && matches!(how, How::Own) {
                    let until = self.until(Kind::Ticket);
                    let same = self.live.iter_mut().filter(|other| other.text == held.text);
                    same.for_each(|other| other.until = until);
                }
                Ok(())
            }
            Act::TryEnded(held, how) => {
                let verdict = verdict(&held, how, reply)?;
                expect(verdict.is_none(), || Fault::Wrong(format!("{:?}: ended and accepted by {how:?}", held.kind)))
            }
            Act::End(held) | Act::Revoke(held) | Act::DeleteHeader(held, _) => {
                let (good, kind) = ((200..300).contains(&reply.status), held.kind);
                if good {
                    self.has_ended(held);
                } else {
                    self.drop_live(&held);
                }
                expect(good, || {
                    Fault::Lost(format!("{kind:?}: its end was answered {} {}", reply.status, message(reply)))
                })
            }
        }
    }

    fn set_guessed(&mut self, person: usize, guessed: bool) {
        self.guessed.get_mut(person).into_iter().for_each(|known| *known = guessed);
    }

    fn until(&self, kind: Kind) -> Option<Instant> {
        let life = match kind {
            Kind::Jwt => self.jwt_life,
            Kind::Ticket => self.idle_life,
            Kind::AuthHeader | Kind::Series => return None,
        };
        Some(Instant::now() + life.saturating_sub(MARGIN))
    }

    fn given(
        &mut self,
        person: usize,
        kind: Kind,
        reply: &Reply,
        what: &str,
        whose: &str,
        text: String,
    ) -> Result<(), Fault> {
        expect(reply.status == 200 && !text.is_empty(), || {
            Fault::Lost(format!("{what} was answered {} {}", reply.status, message(reply)))
        })?;
        let (id, _) = self.name_and_password(person);
        expect(whose == id, || Fault::Wrong(format!("{what}: another user's answer")))?;
        let until = self.until(kind);
        self.live.push(Held { kind, person, text, token: String::new(), until });
        Ok(())
    }

    fn accepted(&mut self, held: &Held, reply: &Reply, whose: Option<String>) -> Result<(), Fault> {
        let Some(whose) = whose else {
            // Told once.
            self.drop_live(held);
            return Err(Fault::Lost(format!("{:?}: live and refused, {} {}", held.kind, reply.status, message(reply))));
        };
        let (id, _) = self.name_and_password(held.person);
        expect(whose == id, || Fault::Wrong(format!("{:?}: another user's answer", held.kind)))
    }
}

/// Trying a credential with its endpoint, or at introspection.
fn post_try<'a>(held: &'a Held, application: Option<(&'static str, String)>, introspected: bool) -> Ask<'a> {
    let post = |route, id, header, body| Ask { route, id, header, body };
    match held.kind {
        Kind::Series => post(&api::PERSISTENT_LOGIN_GET, Some(held.text.as_str()), application, Body::None),
        _ if introspected => {
            post(&api::OAUTH2_INTROSPECT, None, application, Body::Form(vec![("token", held.text.clone())]))
        }
        Kind::Ticket => post(&api::TICKET_GET, Some(held.text.as_str()), application, Body::None),
        Kind::Jwt | Kind::AuthHeader => post(&api::TEST_SECURE, None, credential(held), Body::None),
    }
}

/// The header that a credential is shown in; a persistent login is in none.
fn credential(held: &Held) -> Option<(&'static str, String)> {
    match held.kind {
        Kind::Jwt => Some(("authorization", format!("Bearer {}", held.text))),
        Kind::AuthHeader => Some(("x-authorization", held.text.clone())),
        Kind::Ticket => Some(("x-ticket", held.text.clone())),
        Kind::Series => None,
    }
}

/// Whose a credential is said to be, or `None` where it is refused. Anything but these two is a fault.
fn verdict(held: &Held, how: How, reply: &Reply) -> Result<Option<String>, Fault> {
    let text = |name: &str| reply.body.get(name).and_then(Value::as_str).map(str::to_owned);
    let introspected = matches!(how, How::Introspection | How::Stranger);
    let refused = match held.kind {
        Kind::Series => 404,
        Kind::Ticket if matches!(how, How::Own) => 404,
        _ => 401,
    };
    match (reply.status, held.kind, how) {
        (200, Kind::Series, _) => Ok(text("profileId")),
        (200, _, How::Authorizer) => Ok(text("user")),
        (200, _, _) if introspected => match reply.body.get("active").and_then(Value::as_bool) {
            Some(true) => Ok(text("sub")),
            Some(false) => Ok(None),
            None => Err(wrong("introspection", reply)),
        },
        (200, Kind::Ticket, _) => Ok(text("profileId")),
        (200, _, _) => Ok(text("message").map(|message| message.trim_start_matches("Hi ").to_owned())),
        (status, _, _) if status == refused => Ok(None),
        _ => Err(wrong(&format!("{:?} by {how:?}", held.kind), reply)),
    }
}

fn expect(holds: bool, otherwise: impl FnOnce() -> Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn wrong(what: &str, reply: &Reply) -> Fault {
    Fault::Wrong(format!("{what} was answered {} {}", reply.status, message(reply)))
}

/// The message of an error. No other part of an answer, which may be a secret.
fn message(reply: &Reply) -> String {
    let member = ["message", "error_description"].iter().find_map(|name| reply.body.get(*name)?.as_str());
    if reply.status < 400 { String::new() } else { member.unwrap_or_default().to_owned() }
}

/// What a request is reported under.
fn class(act: &Act) -> &'static str {
    match act {
        Act::LogIn(_) => "login",
        Act::Authenticate(_) => "login for a ticket",
        Act::Guess(_) => "wrong password",
        Act::AddHeader(_) | Act::BeginSeries(_) => "new auth header or persistent login",
        Act::Renew(_) => "renewal of a JWT",
        Act::Refresh(_) => "refresh of a persistent login",
        Act::Try(_, How::Stranger) => "another tenant's application",
        Act::Try(held, how) => match (held.kind, how) {
            (Kind::Series, _) => "verification: persistent login",
            (_, How::Authorizer) => "verification: authorizer",
            (_, How::Introspection) => "verification: introspection",
            (Kind::Jwt, _) => "verification: JWT",
            (Kind::AuthHeader, _) => "verification: auth header",
            (Kind::Ticket, _) => "verification: ticket",
        },
        Act::TryEnded(..) => "verification of what was ended",
        Act::End(_) | Act::Revoke(_) | Act::DeleteHeader(..) => "revocation",
    }
}

/// A number below `sides`.
fn die(sides: usize) -> usize {
    let random: &dyn Random = &SystemRandom;
    let roll = usize::try_from(u64::from_be_bytes(random.bytes()) >> 1).unwrap_or_default();
    roll.checked_rem(sides).unwrap_or_default()
}

fn any<T: Clone>(among: &[T]) -> Option<T> {
    among.get(die(among.len())).cloned()
}
