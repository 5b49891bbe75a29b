//! What a request that ended means: for what is known from now on, and for the invariants.

use serde_json::Value;
use shared::auth_header::AuthHeaderKey;

use crate::act::{Act, STEPS, Way, tells_the_foreign};
use crate::audit::Line;
use crate::environment::{GAMMA, Reply, TENANTS};
use crate::model::{Fate, Generation, Kind, Model, Person, SKEW, Scope, Span};

/// How long a ticket lives at most, and a one-time token.
const DAY: i64 = 86_400_000;

/// A request that ended.
pub struct Ended<'a> {
    /// What it was.
    pub act: &'a Act,
    /// When it was.
    pub span: Span,
    /// Its answer; `None` where its environment died.
    pub reply: Option<&'a Reply>,
    /// What was sent to people by it.
    pub mail: &'a [(&'static str, String)],
    /// What it may have ended.
    pub ends: &'a [usize],
    /// Which token of a persistent login it showed.
    pub shown: Option<u64>,
    /// When the credential had been used before.
    pub used_before: Option<(i64, i64)>,
    /// Its calls that failed.
    pub faults: &'a [&'static str],
    /// The auth headers that it stored.
    pub headers: &'a [AuthHeaderKey],
    /// What was audited of it.
    pub audited: &'a [Line],
}

impl Ended<'_> {
    fn status(&self) -> u16 {
        self.reply.map_or(0, |reply| reply.status)
    }

    fn body(&self) -> &str {
        self.reply.map_or("", |reply| reply.body.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap_or_default()
    }

    fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }

    /// Whether it was done, and said so. Introspection says so in its body.
    fn granted(&self) -> bool {
        let inactive = matches!(self.act, Act::Use { way: Way::Introspection, .. }) && self.json()["active"] != true;
        (200..300).contains(&self.status()) && !inactive
    }

    /// Whether it was not done, and said so.
    fn refused(&self) -> bool {
        (200..500).contains(&self.status()) && !self.granted()
    }

    fn unknown(&self) -> bool {
        !self.granted() && !self.refused()
    }

    /// Between which moments ends what lives so long from this request on.
    fn after(&self, lifetime: i64) -> (i64, i64) {
        (self.span.start.1 - SKEW + lifetime, self.span.end.1 + SKEW + lifetime)
    }
}

/// Notes what a request did, and says what is wrong with it.
pub fn judge(model: &mut Model, ended: &Ended<'_>) -> Vec<String> {
    let mut wrong: Vec<String> = Vec::new();
    wrong.extend(unreturned(ended));
    wrong.extend(told_again(model, ended));
    wrong.extend(foreign(model, ended));
    wrong.extend(failed_open(model, ended));
    wrong.extend(unaudited(ended));
    settle(model, ended);
    let used = ended.used_before;
    if let (Some(used), Act::Use { credential, .. }) = (used, ended.act) {
        // What it was before this very use is what this use is judged by.
        model.credentials[*credential].used.0 = used.0;
    }
    let mut judge = Judge { model, ended, wrong };
    judge.act();
    judge.letters();
    judge.wrong
}

/// Ends are over, one way or the other.
fn settle(model: &mut Model, ended: &Ended<'_>) {
    let sure = ended.granted() && ends_for_sure(model, ended);
    for end in ended.ends {
        let end = &mut model.ends[*end];
        end.to = Some(ended.span.end);
        end.sure = sure;
        end.void = ended.refused() && !ended.span.faulty;
        // What a read of a persistent login may end, it ends by refusing a replayed token.
        if matches!(ended.act, Act::Use { .. }) {
            (end.sure, end.void) = (false, ended.granted());
        }
    }
}

fn ends_for_sure(model: &Model, ended: &Ended<'_>) -> bool {
    match ended.act {
        // By its environment's clock, which others may not have reached yet; by another name, or the same.
        Act::RotateHeader { .. } | Act::Rename { .. } => false,
        // One that is no good any more is answered alike, and ends nothing.
        Act::Revoke { credential, .. } => model.fate(*credential, ended.span, ended.ends, false) == Fate::Live,
        _ => true,
    }
}

/// I8: a key that was stored, and that nobody was given.
fn unreturned(ended: &Ended<'_>) -> Option<String> {
    let returned = ended.granted().then(|| AuthHeaderKey::of(&ended.text("token"))).flatten();
    let lost = ended.status() == 0 || ended.status() >= 500 && ended.span.faulty;
    let key = ended.headers.iter().find(|key| Some(*key) != returned.as_ref())?;
    (!lost).then(|| format!("I8 auth header {} is stored, and was not returned", key.digest.to_base64url()))
}

/// I8: a key that is told once more.
fn told_again(model: &Model, ended: &Ended<'_>) -> Option<String> {
    let headers = model.credentials.iter().filter(|it| it.kind == Kind::Header);
    let mut known = headers.filter(|it| ended.body().contains(it.text.as_str()));
    known.next().map(|it| format!("I8 an auth header of person {} is told again", it.person))
}

/// I6: something of another tenant.
fn foreign(model: &Model, ended: &Ended<'_>) -> Option<String> {
    let of = |credential: &usize| model.credentials[*credential].person;
    let tenant_of = |person: usize| model.people.get(person).map(|person| person.tenant);
    let (caller, about) = match ended.act {
        Act::Use { credential, way, tenant } => {
            let owner = tenant_of(of(credential));
            let direct = matches!(model.credentials[*credential].kind, Kind::Ticket | Kind::Series);
            let by_application = *way == Way::Introspection || *way == Way::Direct && direct;
            (if by_application { Some(*tenant) } else { owner }, owner)
        }
        Act::TicketLogin { tenant, person, .. }
        | Act::OpenTicket { tenant, person }
        | Act::OpenSeries { tenant, person }
        | Act::Mint { tenant, person }
        | Act::Enable { tenant, person }
        | Act::Disable { tenant, person }
        | Act::Rename { tenant, person, .. }
        | Act::Read { tenant, person }
        | Act::AskVerification { tenant, person } => (Some(*tenant), tenant_of(*person)),
        Act::RefreshSeries { tenant, series, .. } => (Some(*tenant), tenant_of(of(series))),
        Act::Create { tenant, into, .. } | Act::List { tenant, of: into } => (Some(*tenant), Some(*into)),
        Act::Login { person, .. } => (tenant_of(*person), tenant_of(*person)),
        _ => return None,
    };
    let (Some(caller), Some(about)) = (caller, about) else { return None };
    if caller != about && ended.granted() && tells_the_foreign(ended.act) {
        return Some(format!("I6 {:?} was done across tenants", ended.act));
    }
    let others = (0..TENANTS.len()).filter(|tenant| *tenant != caller);
    let address = |tenant: usize| format!(".{}@x.example", TENANTS[tenant]);
    let mut leaked = others.filter(|tenant| ended.granted() && ended.body().contains(&address(*tenant)));
    leaked.next().map(|tenant| format!("I6 somebody of {} is told to {}", TENANTS[tenant], TENANTS[caller]))
}

/// I10: a call failed, and the answer is not that nobody knows.
fn failed_open(model: &Model, ended: &Ended<'_>) -> Option<String> {
    let status = ended.status();
    if status == 500 && ended.faults.is_empty() && !matches!(ended.act, Act::Rotate { .. }) {
        return Some(format!("I10 {:?} is answered 500, and nothing failed", ended.act));
    }
    let ending =
        matches!(ended.act, Act::Logout { .. } | Act::EndSession { .. } | Act::EndTicket { .. } | Act::Revoke { .. });
    let login = matches!(ended.act, Act::Login { .. } | Act::TicketLogin { .. });
    let of_a_ticket =
        matches!(ended.act, Act::Use { credential, .. } if model.credentials[*credential].kind == Kind::Ticket);
    let mattered = |operation: &&&'static str| match **operation {
        // Keys that are known go on for a while, a hash is made stronger next time.
        "get_secret_value" | "replace_hash" | "withdraw_one_time" | "note_auth_header_use" => false,
        // The use of a JWT or an auth header is noted beside the request, and that of a ticket is waited for.
        "touch_ticket" => of_a_ticket,
        // A ticket of a login that is refused by the other write is nobody's, and taken back whenever it may be.
        "create_ticket" => !login || ended.granted(),
        "delete_ticket" => ending,
        // Read beside the JWT, which is enough of a reason to refuse.
        "auth_headers" | "count_auth_headers" => status != 401,
        _ => true,
    };
    let failed = ended.faults.iter().find(mattered)?;
    let answered = (200..500).contains(&status);
    answered.then(|| format!("I10 {failed} failed, and {:?} is answered {status}", ended.act))
}

/// I10: an act that left no audit event, or another one than its answer.
fn unaudited(ended: &Ended<'_>) -> Option<String> {
    let status = ended.status();
    let expected = match status {
        0 => return None,
        200..300 => "success",
        500.. => "failed",
        _ => "refused",
    };
    match ended.audited {
        [line] if line.outcome == expected => None,
        // A function that speaks no HTTP has one way to say that a step was not done, whyever.
        [line] if matches!(ended.act, Act::Rotate { .. }) && line.outcome != "success" => None,
        lines => Some(format!("I10 {:?} is answered {status} and audited as {lines:?}", ended.act)),
    }
}

struct Judge<'a> {
    model: &'a mut Model,
    ended: &'a Ended<'a>,
    wrong: Vec<String>,
}

impl Judge<'_> {
    fn accepted(&mut self, credential: usize, renewing: bool) {
        let wrong = self.model.accepted(credential, self.ended.span, self.ended.ends, renewing);
        self.wrong.extend(wrong);
    }

    fn refused(&mut self, credential: usize) {
        let wrong = self.model.refused(credential, self.ended.span, self.ended.ends);
        self.wrong.extend(wrong);
    }

    /// By what a request shows as its own.
    fn by(&mut self, credential: usize, renewing: bool) {
        if self.ended.granted() {
            self.accepted(credential, renewing);
        } else if self.ended.status() == 401 {
            self.refused(credential);
        }
    }

    fn opened(&mut self, person: usize) {
        let wrong = self.model.opened(person, self.ended.span);
        self.wrong.extend(wrong);
    }

    fn own(&self, tenant: usize, person: usize) -> bool {
        self.model.people[person].tenant == tenant
    }

    fn act(&mut self) {
        let ended = self.ended;
        let granted = ended.granted();
        match ended.act {
            Act::Login { person, password, .. } => self.login(*person, *password),
            Act::TicketLogin { person, password, .. } if granted => {
                self.accepted(*password, false);
                self.ticket(*person);
            }
            Act::Use { credential, tenant, .. } => self.used(*credential, *tenant),
            Act::Renew { jwt, .. } => self.renewed(*jwt),
            Act::Logout { jwt } => self.by(*jwt, true),
            Act::EndSessions { jwt, .. } | Act::EndSession { jwt, .. } | Act::ListHeaders { jwt } => {
                self.by(*jwt, false);
            }
            Act::ChangePassword { person, password, new, .. } => {
                if granted {
                    self.accepted(*password, false);
                }
                self.new_password(*person, new);
            }
            Act::Reset { token, new, .. } => {
                self.one_time(*token);
                let person = self.model.credentials[*token].person;
                self.new_password(person, new);
            }
            Act::Verify { token } => self.one_time(*token),
            Act::AddHeader { jwt, lifetime } => self.added(*jwt, *lifetime),
            Act::RotateHeader { jwt, header, overlap } => self.rotated(*jwt, *header, *overlap),
            Act::DeleteHeader { jwt, .. } => self.by(*jwt, false),
            Act::OpenTicket { person, .. } if granted => self.ticket(*person),
            Act::OpenSeries { person, .. } if granted => self.series(*person),
            Act::RefreshSeries { tenant, series, .. } => self.refreshed(*series, *tenant),
            Act::Mint { person, .. } if granted => {
                self.opened(*person);
                let session = self.session();
                self.model.add_jwt(Kind::Minted(session), *person, &ended.text("jwt"), ended.span);
            }
            Act::Enable { person, .. } => self.enabled(*person),
            Act::Disable { person, .. } if granted => self.disabled(*person),
            Act::Delete { tenant, person } if granted && self.own(*tenant, *person) => {
                let person = &mut self.model.people[*person];
                person.shut = person.shut.or(Some(ended.span.end.0));
                person.gone = person.gone.or(Some(ended.span.end.0));
            }
            Act::Create { tenant, into, name, password, .. } if granted && tenant == into => {
                self.created(*tenant, name, password);
            }
            Act::Rename { tenant, person, name, .. } if granted && self.own(*tenant, *person) => {
                name.clone_into(&mut self.model.people[*person].name);
            }
            Act::Read { tenant, person } => self.read(*tenant, *person),
            Act::List { tenant, of } if granted && tenant == of => self.listed(*tenant),
            Act::AskVerification { person, .. } if granted => {
                let it = self.model.add(Kind::Verification, *person, &ended.text("id"), ended.span);
                self.model.credentials[it].ends = Some(ended.after(DAY));
            }
            Act::Rotate { step, .. } => self.rotated_keys(step),
            Act::MakeTenant if !ended.refused() => self.model.gamma_made = ended.span.end.1,
            Act::EndTenant => self.tenant_ended(),
            Act::MakeApplication { lifetime } if granted => {
                let it = self.model.add(Kind::Application, usize::MAX, &ended.text("id"), ended.span);
                let ends = lifetime.map(|lifetime| ended.span.start.1 + lifetime);
                self.model.credentials[it].ends = ends.map(|ends| (ends, ends));
            }
            _ => {}
        }
    }

    fn session(&mut self) -> usize {
        self.model.sessions += 1;
        self.model.sessions
    }

    fn login(&mut self, person: usize, password: Option<usize>) {
        if !self.ended.granted() {
            return;
        }
        match password {
            Some(password) => self.accepted(password, false),
            None => self.wrong.push(format!("I5 a wrong password opened the account of person {person}")),
        }
        self.opened(person);
        let session = self.session();
        self.model.add_jwt(Kind::Jwt(session), person, &self.ended.text("Token"), self.ended.span);
    }

    fn ticket(&mut self, person: usize) {
        self.opened(person);
        let it = self.model.add(Kind::Ticket, person, &self.ended.text("id"), self.ended.span);
        self.model.credentials[it].ends = Some(self.ended.after(DAY));
    }

    fn used(&mut self, credential: usize, tenant: usize) {
        let ended = self.ended;
        let person = self.model.credentials[credential].person;
        let own = self.model.people.get(person).is_none_or(|person| person.tenant == tenant);
        let latest = self.model.credentials[credential].used.1;
        if ended.granted() {
            self.model.credentials[credential].used.1 = ended.used_before.map_or(latest, |used| used.1);
            self.accepted(credential, false);
            self.judge_token(credential);
            let it = &mut self.model.credentials[credential];
            it.used = (it.used.0.max(ended.span.start.1), latest.max(ended.span.end.1));
        } else if ended.refused() && own {
            self.refused(credential);
        }
        let it = &mut self.model.credentials[credential];
        it.used.1 = latest.max(ended.span.end.1);
    }

    fn judge_token(&mut self, series: usize) {
        if let Some(shown) = self.ended.shown {
            let wrong = self.model.token_accepted(series, shown, self.ended.span);
            self.wrong.extend(wrong);
        }
    }

    fn renewed(&mut self, jwt: usize) {
        self.by(jwt, true);
        if self.ended.granted() {
            let it = &self.model.credentials[jwt];
            let (kind, person) = (it.kind, it.person);
            self.model.add_jwt(kind, person, &self.ended.text("Token"), self.ended.span);
        }
    }

    fn one_time(&mut self, token: usize) {
        if self.ended.granted() {
            self.accepted(token, false);
        } else if self.ended.refused() {
            self.refused(token);
        }
    }

    fn new_password(&mut self, person: usize, new: &str) {
        if self.ended.granted() || self.ended.unknown() {
            self.model.add(Kind::Password, person, new, self.ended.span);
        }
    }

    fn added(&mut self, jwt: usize, lifetime: Option<i64>) {
        self.by(jwt, false);
        if self.ended.granted() {
            let person = self.model.credentials[jwt].person;
            self.opened(person);
            let it = self.model.add(Kind::Header, person, &self.ended.text("token"), self.ended.span);
            let header = &mut self.model.credentials[it];
            header.lifetime = lifetime;
            // Told to the second.
            header.ends = lifetime.map(|lifetime| {
                let ends = (self.ended.span.start.1 + lifetime).div_euclid(1000) * 1000;
                (ends, ends)
            });
        }
    }

    fn rotated(&mut self, jwt: usize, header: usize, overlap: i64) {
        self.by(jwt, false);
        if !self.ended.granted() {
            return;
        }
        self.accepted(header, false);
        let (soonest, latest) = self.ended.after(overlap * 1000);
        let old = &mut self.model.credentials[header];
        old.ends = Some(old.ends.map_or((soonest, latest), |ends| (ends.0.min(soonest), ends.1.min(latest))));
        let (person, lifetime) = (old.person, old.lifetime);
        let it = self.model.add(Kind::Header, person, &self.ended.text("token"), self.ended.span);
        let new = &mut self.model.credentials[it];
        new.lifetime = lifetime;
        // As long as the old one was to live, by whichever clock that was.
        new.ends =
            lifetime.map(|lifetime| self.ended.after(lifetime)).map(|(from, to)| (from - 2 * SKEW, to + 2 * SKEW));
    }

    fn series(&mut self, person: usize) {
        self.opened(person);
        let it = self.model.add(Kind::Series, person, &self.ended.text("id"), self.ended.span);
        let text = self.ended.text("token");
        self.model.credentials[it].tokens.push(Generation { number: 0, text, told: self.ended.span.end });
    }

    fn refreshed(&mut self, series: usize, tenant: usize) {
        let ended = self.ended;
        let (Some(shown), true) = (ended.shown, self.own(tenant, self.model.credentials[series].person)) else {
            return;
        };
        if ended.granted() {
            self.accepted(series, false);
            self.judge_token(series);
            let text = ended.text("token");
            let number = text.split('.').next().and_then(|number| number.parse().ok()).unwrap_or_default();
            let it = &mut self.model.credentials[series];
            if !it.tokens.iter().any(|token| token.number >= number) {
                it.tokens.push(Generation { number, text, told: ended.span.end });
            }
            for end in ended.ends {
                self.model.ends[*end].void = true;
            }
            return;
        }
        let newest = self.model.credentials[series].tokens.last().is_some_and(|token| token.number == shown);
        if ended.refused() {
            if newest {
                self.refused(series);
            }
            let live = self.model.fate(series, ended.span, ended.ends, false) == Fate::Live;
            let in_time = self.model.credentials[series].ends.is_none_or(|ends| ended.span.end.1 + SKEW < ends.0);
            let replayed = live
                && in_time
                && !ended.span.faulty
                && !self.model.credentials[series].doubtful
                && self.model.is_replayed(series, shown, ended.span);
            for end in ended.ends {
                let end = &mut self.model.ends[*end];
                (end.sure, end.void) = (replayed && end.scope == Scope::Sessions(None), false);
            }
        }
        if ended.unknown() || ended.span.faulty {
            self.model.credentials[series].doubtful = true;
        }
    }

    fn enabled(&mut self, person: usize) {
        let (tick, granted) = (self.ended.span.end.0, self.ended.granted());
        let person = &mut self.model.people[person];
        (person.enabling, person.enablers) = (tick, person.enablers - 1);
        if granted && person.gone.is_none() {
            person.shut = None;
        }
    }

    fn disabled(&mut self, person: usize) {
        let span = self.ended.span;
        let person = &mut self.model.people[person];
        if person.enablers == 0 && person.enabling < span.start.0 {
            person.shut = person.shut.or(Some(span.end.0));
        }
    }

    /// A step that was done is followed by the next, one that failed is done again, and one that can't be done by another
    /// rotation: as Secrets Manager does it.
    fn rotated_keys(&mut self, step: &str) {
        let (rotation, next) = self.model.rotation;
        if STEPS.get(next) != Some(&step) {
            return;
        }
        self.model.rotation = match (self.ended.granted(), self.ended.span.faulty || self.ended.status() == 0) {
            (true, _) if next + 1 < STEPS.len() => (rotation, next + 1),
            (false, true) => (rotation, next),
            _ => (rotation + 1, 0),
        };
    }

    /// Everybody who was there when it was asked for is gone; who came meanwhile may be.
    fn tenant_ended(&mut self) {
        self.model.gamma_enders -= 1;
        let (granted, tick) = (self.ended.granted(), self.ended.span.end.0);
        let there: Vec<usize> = self.ended.ends.iter().map(|end| self.model.ends[*end].person).collect();
        for (number, person) in self.model.people.iter_mut().enumerate().filter(|(_, it)| it.tenant == GAMMA) {
            person.deleting = true;
            if granted && there.contains(&number) {
                person.shut = person.shut.or(Some(tick));
                person.gone = person.gone.or(Some(tick));
            }
        }
    }

    fn created(&mut self, tenant: usize, name: &str, password: &str) {
        let (id, name) = (self.ended.text("id"), name.to_owned());
        let deleting = tenant == GAMMA && self.model.gamma_enders > 0;
        self.model.people.push(Person { deleting, ..Person::new(id, tenant, name) });
        let person = self.model.people.len() - 1;
        self.model.add(Kind::Password, person, password, self.ended.span);
    }

    fn read(&mut self, tenant: usize, person: usize) {
        let ended = self.ended;
        let it = &self.model.people[person];
        if it.tenant != tenant {
            return;
        }
        let gone = it.gone.is_some_and(|gone| gone < ended.span.start.0);
        if ended.granted() && gone {
            self.wrong.push(format!("I5 person {person} is read after having been deleted"));
        }
        if ended.refused() && !ended.span.faulty && !it.deleting {
            self.wrong.push(format!("I1 person {person} was made, and can't be read"));
        }
    }

    fn listed(&mut self, tenant: usize) {
        let body = self.ended.body();
        let there = |person: &Person| person.tenant != tenant || person.deleting || body.contains(&person.id);
        if let Some(person) = self.model.people.iter().position(|person| !there(person)) {
            self.wrong.push(format!("I1 person {person} was made, and is not listed"));
        }
    }

    /// What people find in their mail.
    fn letters(&mut self) {
        for (_, detail) in self.ended.mail {
            let detail: Value = serde_json::from_str(detail).unwrap_or_default();
            let (Some(token), Some(id)) = (detail["token"].as_str(), detail["userId"].as_str()) else { continue };
            let Some(person) = self.model.people.iter().position(|person| person.id == id) else { continue };
            let it = self.model.add(Kind::Reset, person, token, self.ended.span);
            self.model.credentials[it].ends = Some(self.ended.after(DAY));
        }
    }
}
