//! What clients do: people with their devices, applications, somebody who guesses, and the operator.

use tests::Dice;

use crate::environment::{GAMMA, TENANTS};
use crate::model::{Kind, Model, Scope};

/// Who a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A device of somebody.
    Device(usize),
    /// An application of a tenant.
    Application(usize),
    /// Somebody who does not know somebody's password.
    Guesser(usize),
    /// Who runs the stack.
    Operator,
}

/// By which way a credential is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// At the endpoint that it is for.
    Direct,
    /// Somebody asks whether it is good.
    Introspection,
    /// An API of others asks the authorizer.
    Authorizer,
}

/// One thing that a client does. Numbers are places in the model.
#[derive(Clone, Debug)]
pub enum Act {
    /// Logs in.
    Login { person: usize, password: Option<usize>, address: &'static str },
    /// Opens a ticket by a password.
    TicketLogin { tenant: usize, person: usize, password: usize },
    /// Uses a credential; `tenant` is that of the application that may be needed for it.
    Use { credential: usize, way: Way, tenant: usize },
    /// Renews a JWT.
    Renew { jwt: usize, query: Option<&'static str> },
    /// Logs out.
    Logout { jwt: usize },
    /// Ends all sessions, or all others.
    EndSessions { jwt: usize, but_this: bool },
    /// Ends one session.
    EndSession { jwt: usize, other: usize },
    /// Changes a password.
    ChangePassword { person: usize, password: usize, new: String, headers: bool },
    /// Asks for a token for a new password.
    Forget { person: usize },
    /// Uses one.
    Reset { token: usize, new: String, headers: bool },
    /// Uses a token that shows whose an address is.
    Verify { token: usize },
    /// Makes an auth header.
    AddHeader { jwt: usize, lifetime: Option<i64> },
    /// Puts another one in the place of one.
    RotateHeader { jwt: usize, header: usize, overlap: i64 },
    /// Deletes one.
    DeleteHeader { jwt: usize, header: usize },
    /// Reports that one leaked.
    ReportHeader { header: usize },
    /// Lists them.
    ListHeaders { jwt: usize },
    /// Opens a ticket for somebody.
    OpenTicket { tenant: usize, person: usize },
    /// Ends a ticket.
    EndTicket { tenant: usize, ticket: usize },
    /// Begins a persistent login.
    OpenSeries { tenant: usize, person: usize },
    /// Refreshes one by one of its tokens.
    RefreshSeries { tenant: usize, series: usize, token: usize },
    /// Ends one.
    EndSeries { tenant: usize, series: usize },
    /// Asks for a profile's JWT.
    Mint { tenant: usize, person: usize },
    /// Revokes a JWT, a ticket or an auth header.
    Revoke { tenant: usize, credential: usize },
    /// Enables a profile.
    Enable { tenant: usize, person: usize },
    /// Disables one.
    Disable { tenant: usize, person: usize },
    /// Deletes one.
    Delete { tenant: usize, person: usize },
    /// Makes one.
    Create { tenant: usize, into: usize, name: String, email: String, password: String },
    /// Gives one another name and address.
    Rename { tenant: usize, person: usize, name: String, email: String },
    /// Reads one.
    Read { tenant: usize, person: usize },
    /// Lists those of a tenant.
    List { tenant: usize, of: usize },
    /// Asks for a token that shows whose an address is.
    AskVerification { tenant: usize, person: usize },
    /// Makes an access token.
    MakeApplication { lifetime: Option<i64> },
    /// Deletes one.
    EndApplication { application: usize },
    /// Makes the tenant that comes and goes.
    MakeTenant,
    /// Deletes it, with everybody in it.
    EndTenant,
    /// Does the next step of a rotation of the signing keys.
    Rotate { token: String, step: &'static str },
}

/// The texts of the access tokens that nobody ends.
pub struct Keys {
    /// By tenant.
    pub tenants: Vec<String>,
    /// Everything, everywhere.
    pub everywhere: String,
}

const HOME: &str = "203.0.113.7";
const AWAY: [&str; 2] = ["198.51.100.7", "192.0.2.7"];
const NAMES: [&str; 3] = ["ann", "bob", "cid"];
/// What Secrets Manager asks for, in this order.
pub const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// What devices do more often in some runs: see [`Model::choose`]. Races need several at the same thing.
pub const DEVICES: [&[usize]; 6] = [&[], &[62, 70, 70], &[78, 86, 86], &[30, 30, 0], &[46, 0, 10], &[56, 70, 62]];
/// What applications do more often in some runs.
pub const APPLICATIONS: [&[usize]; 6] = [&[], &[34, 42, 42], &[71, 75, 10], &[83, 90], &[10, 17, 30], &[60, 67]];

fn roll(taste: &[usize], dice: &Dice) -> usize {
    if taste.is_empty() || dice.percent(60) { dice.below(100) } else { dice.one(taste) }
}

/// How often a client comes back to what it got last, and not to anything that there ever was.
const LAST: usize = 60;

impl Model {
    /// What a client does next; `None` where there is nothing that it could do.
    pub fn choose(&mut self, role: Role, dice: &Dice) -> Option<Act> {
        match role {
            Role::Device(person) => self.of_a_device(person, dice),
            Role::Application(tenant) => self.of_an_application(tenant, dice),
            Role::Guesser(person) => {
                let right = dice.percent(15).then(|| self.pick(person, is_password, dice)).flatten();
                let address = if dice.percent(70) { AWAY[0] } else { dice.one(&[HOME, AWAY[1]]) };
                Some(Act::Login { person, password: right, address })
            }
            Role::Operator => self.of_the_operator(dice),
        }
    }

    fn of_a_device(&mut self, person: usize, dice: &Dice) -> Option<Act> {
        let jwt = self.pick(person, |kind| matches!(kind, Kind::Jwt(_)), dice);
        let header = self.pick(person, |kind| kind == Kind::Header, dice);
        let password = self.pick(person, is_password, dice);
        let roll = roll(self.tastes.0, dice);
        let login = || Some(Act::Login { person, password, address: HOME });
        let Some(jwt) = jwt else {
            return match roll {
                0..10 => Some(Act::Forget { person }),
                10..30 => self.with_a_token(person, dice).or_else(login),
                _ => login(),
            };
        };
        match roll {
            0..10 => login(),
            10..30 => self.used(person, dice),
            30..42 => Some(Act::Renew { jwt, query: dice.one(&[None, None, Some("d=2"), Some("m=1")]) }),
            42..46 => Some(Act::Logout { jwt }),
            46..53 => Some(Act::EndSessions { jwt, but_this: dice.percent(70) }),
            53..56 => {
                let other = self.pick(person, |kind| matches!(kind, Kind::Jwt(_) | Kind::Minted(_)), dice)?;
                Some(Act::EndSession { jwt, other })
            }
            56..62 => {
                Some(Act::ChangePassword { person, password: password?, new: self.fresh(), headers: dice.percent(40) })
            }
            62..68 => Some(Act::Forget { person }),
            68..78 => self.with_a_token(person, dice).or(Some(Act::Forget { person })),
            78..86 => Some(Act::AddHeader { jwt, lifetime: dice.one(&[None, None, Some(100_000), Some(3_600_000)]) }),
            86..91 => Some(Act::RotateHeader { jwt, header: header?, overlap: dice.one(&[0, 0, 60]) }),
            91..95 => Some(Act::DeleteHeader { jwt, header: header? }),
            95..98 => Some(Act::ReportHeader { header: header? }),
            _ => Some(Act::ListHeaders { jwt }),
        }
    }

    fn with_a_token(&mut self, person: usize, dice: &Dice) -> Option<Act> {
        let token = self.pick(person, |kind| matches!(kind, Kind::Reset | Kind::Verification), dice)?;
        if self.credentials[token].kind == Kind::Verification {
            return Some(Act::Verify { token });
        }
        Some(Act::Reset { token, new: self.fresh(), headers: dice.percent(40) })
    }

    fn of_an_application(&mut self, tenant: usize, dice: &Dice) -> Option<Act> {
        // Who manages what comes and goes may do everything everywhere.
        let foreign = tenant != GAMMA && dice.percent(15);
        let people: Vec<usize> =
            (0..self.people.len()).filter(|it| (self.people[*it].tenant == tenant) != foreign).collect();
        if people.is_empty() {
            return None;
        }
        let person = dice.one(&people);
        let ticket = self.pick(person, |kind| kind == Kind::Ticket, dice);
        let series = self.pick(person, |kind| kind == Kind::Series, dice);
        let name = dice.one(&NAMES);
        match roll(self.tastes.1, dice) {
            0..10 => {
                let password = self.pick(person, is_password, dice)?;
                Some(Act::TicketLogin { tenant, person, password })
            }
            10..17 => Some(Act::OpenTicket { tenant, person }),
            17..30 => self.used_by(person, tenant, dice),
            30..34 => Some(Act::EndTicket { tenant, ticket: ticket? }),
            34..42 => Some(Act::OpenSeries { tenant, person }),
            42..57 => {
                let series = series?;
                let tokens = self.credentials[series].tokens.len();
                let token = if dice.percent(75) { tokens - 1 } else { dice.below(tokens) };
                Some(Act::RefreshSeries { tenant, series, token })
            }
            57..60 => Some(Act::EndSeries { tenant, series: series? }),
            60..67 => Some(Act::Mint { tenant, person }),
            67..71 => {
                let credential = self.pick(person, is_introspected, dice)?;
                Some(Act::Revoke { tenant, credential })
            }
            71..75 => Some(Act::Disable { tenant, person }),
            75..81 => Some(Act::Enable { tenant, person }),
            81..83 => Some(Act::Delete { tenant, person }),
            83..90 => {
                let into = if foreign { 1 - tenant } else { tenant };
                let email = dice.one(&NAMES);
                Some(Act::Create {
                    tenant,
                    into,
                    name: named(name, into, dice),
                    email: address(email, into),
                    password: self.fresh(),
                })
            }
            90..93 => {
                let into = self.people[person].tenant;
                Some(Act::Rename {
                    tenant,
                    person,
                    name: named(name, into, dice),
                    email: address(dice.one(&NAMES), into),
                })
            }
            93..96 => Some(Act::Read { tenant, person }),
            96..98 => Some(Act::List { tenant, of: if foreign { 1 - tenant } else { tenant } }),
            _ => Some(Act::AskVerification { tenant, person }),
        }
    }

    fn of_the_operator(&mut self, dice: &Dice) -> Option<Act> {
        let application = self.pick(usize::MAX, |kind| kind == Kind::Application, dice);
        match dice.below(100) {
            0..8 => Some(Act::MakeApplication { lifetime: dice.one(&[None, Some(100_000)]) }),
            8..13 => Some(Act::EndApplication { application: application? }),
            13..20 => Some(Act::Use { credential: application?, way: Way::Direct, tenant: 0 }),
            20..28 => Some(if dice.percent(50) { Act::EndTenant } else { Act::MakeTenant }),
            _ => {
                let (rotation, step) = self.rotation;
                Some(Act::Rotate { token: format!("rotation-{rotation}"), step: STEPS[step] })
            }
        }
    }

    fn used(&self, person: usize, dice: &Dice) -> Option<Act> {
        let credential = self.pick(person, is_used, dice)?;
        Some(Act::Use { credential, way: self.way(credential, dice), tenant: self.people[person].tenant })
    }

    fn used_by(&self, person: usize, tenant: usize, dice: &Dice) -> Option<Act> {
        let credential = self.pick(person, is_used, dice)?;
        Some(Act::Use { credential, way: self.way(credential, dice), tenant })
    }

    fn way(&self, credential: usize, dice: &Dice) -> Way {
        match self.credentials[credential].kind {
            Kind::Ticket => dice.one(&[Way::Direct, Way::Direct, Way::Introspection]),
            Kind::Series | Kind::Application => Way::Direct,
            _ => dice.one(&[Way::Direct, Way::Introspection, Way::Authorizer]),
        }
    }

    fn pick(&self, person: usize, wanted: fn(Kind) -> bool, dice: &Dice) -> Option<usize> {
        let all: Vec<usize> = (0..self.credentials.len())
            .filter(|it| self.credentials[*it].person == person && wanted(self.credentials[*it].kind))
            .collect();
        if dice.percent(LAST) {
            return all.last().copied();
        }
        (!all.is_empty()).then(|| dice.one(&all))
    }

    fn fresh(&mut self) -> String {
        self.passwords += 1;
        format!("lantern {} above quiet harbours", self.passwords)
    }

    /// What an act ends, where it is done.
    #[must_use]
    pub fn ended_by(&self, act: &Act) -> Vec<(usize, Scope)> {
        let of = |credential: &usize| self.credentials[*credential].person;
        let own = |tenant: &usize, person: usize| self.people[person].tenant == *tenant;
        let session = |credential: usize| match self.credentials[credential].kind {
            Kind::Jwt(session) | Kind::Minted(session) => Scope::Session(session),
            _ => Scope::One(credential),
        };
        let with_headers = |person: usize, headers: bool| {
            let mut ended = vec![(person, Scope::Sessions(None)), (person, Scope::Password)];
            if headers {
                ended.push((person, Scope::Headers));
            }
            ended
        };
        match act {
            Act::Renew { jwt, .. } => vec![(of(jwt), Scope::One(*jwt))],
            Act::Logout { jwt } => vec![(of(jwt), session(*jwt))],
            Act::EndSession { other, .. } => vec![(of(other), session(*other))],
            Act::EndSessions { jwt, but_this } => {
                let kept = match self.credentials[*jwt].kind {
                    Kind::Jwt(session) if *but_this => Some(session),
                    _ => None,
                };
                vec![(of(jwt), Scope::Sessions(kept))]
            }
            Act::ChangePassword { person, headers, .. } => with_headers(*person, *headers),
            Act::Reset { token, headers, .. } => {
                let mut ended = with_headers(of(token), *headers);
                ended.push((of(token), Scope::One(*token)));
                ended
            }
            Act::Verify { token } => vec![(of(token), Scope::One(*token))],
            Act::RotateHeader { header, .. } | Act::DeleteHeader { header, .. } | Act::ReportHeader { header } => {
                vec![(of(header), Scope::One(*header))]
            }
            Act::EndTicket { tenant, ticket } if own(tenant, of(ticket)) => vec![(of(ticket), Scope::One(*ticket))],
            Act::EndSeries { tenant, series } if own(tenant, of(series)) => vec![(of(series), Scope::One(*series))],
            Act::Revoke { tenant, credential } if own(tenant, of(credential)) => {
                vec![(of(credential), session(*credential))]
            }
            Act::Disable { tenant, person } | Act::Delete { tenant, person } if own(tenant, *person) => {
                vec![(*person, Scope::Everything)]
            }
            Act::Rename { tenant, person, .. } if own(tenant, *person) => vec![(*person, Scope::Profile)],
            Act::EndTenant => {
                let of_it = |person: &usize| self.people[*person].tenant == GAMMA;
                (0..self.people.len()).filter(of_it).map(|person| (person, Scope::Everything)).collect()
            }
            Act::EndApplication { application } => vec![(usize::MAX, Scope::One(*application))],
            _ => Vec::new(),
        }
    }
}

fn is_password(kind: Kind) -> bool {
    kind == Kind::Password
}

fn is_introspected(kind: Kind) -> bool {
    matches!(kind, Kind::Jwt(_) | Kind::Minted(_) | Kind::Ticket | Kind::Header)
}

fn is_used(kind: Kind) -> bool {
    is_introspected(kind) || kind == Kind::Series
}

fn address(name: &str, tenant: usize) -> String {
    format!("{name}.{}@x.example", TENANTS[tenant])
}

/// A name, which may be what is somebody's address.
fn named(name: &str, tenant: usize, dice: &Dice) -> String {
    if dice.percent(20) { address(name, tenant) } else { name.to_owned() }
}

/// Whether the answer tells, by an error, that a foreign application may not; those that answer everybody alike do so
/// without doing anything.
#[must_use]
pub fn tells_the_foreign(act: &Act) -> bool {
    !matches!(act, Act::EndTicket { .. } | Act::EndSeries { .. } | Act::Delete { .. } | Act::Revoke { .. })
}
