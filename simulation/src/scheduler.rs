//! The scheduler: at every call it decides who goes on, and what becomes of it.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use shared::auth_header::AuthHeaderKey;
use shared::store::{Administration as _, Order, Store as _};
use shared::user::User;
use tests::Dice;

use crate::act::{APPLICATIONS, Act, DEVICES, Keys, Role, Way};
use crate::audit;
use crate::bug::Bug;
use crate::environment::{Cloud, Environment, GAMMA, Invocation, Reply, TENANTS, tenant_name};
use crate::hub::{Fact, Pending, Verdict};
use crate::judge::{Ended, judge};
use crate::model::{Kind, Model, Person, Scope, Span};
use crate::run::{Plan, Report};
use crate::store::SECOND_PART;

/// So many environments are warm at a time.
const ENVIRONMENTS: usize = 3;

/// A request under way.
struct Flight {
    client: usize,
    place: usize,
    number: u64,
    act: Act,
    future: BoxFuture<'static, Reply>,
    signal: Arc<Signal>,
    start: (u64, i64),
    request_id: String,
    hashes: bool,
    sleeps: bool,
    ends: Vec<usize>,
    shown: Option<u64>,
    faults: Vec<&'static str>,
    calls: usize,
    headers: Vec<AuthHeaderKey>,
    mute: bool,
    used_before: Option<(i64, i64)>,
}

struct Client {
    role: Role,
    acts: usize,
    next: usize,
    busy: bool,
}

struct Slot {
    environment: Environment,
    flight: Option<Flight>,
    flights: u64,
}

#[derive(Default)]
struct Signal(AtomicBool);

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What the scheduler can do next.
#[derive(Clone, Copy)]
enum Choice {
    Start(usize),
    Release(Pending),
}

pub struct Scheduler<'a> {
    plan: &'a Plan,
    cloud: Cloud,
    slots: Vec<Slot>,
    clients: Vec<Client>,
    keys: Keys,
    model: Model,
    dice: Dice,
    tick: u64,
    started: usize,
    unrest: Unrest,
    jumps: &'static [i64],
    last: Vec<Act>,
    report: Report,
}

/// How often things go wrong, in thousandths.
#[derive(Clone, Copy)]
struct Unrest {
    lost_before: usize,
    lost_after: usize,
    crash: usize,
    torn: usize,
}

const SHORT_JUMPS: [i64; 5] = [11_000, 31_000, 61_000, 125_000, 310_000];
const LONG_JUMPS: [i64; 6] = [45_000, 310_000, 1_000_000, 3_700_000, 18_000_000, 90_000_000];

fn mixed(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0x9e37_79b9_7f4a_7c15, |mixed: u64, number| {
        (mixed ^ number).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29)
    })
}

impl<'a> Scheduler<'a> {
    /// The scheduler of a plan, before anything has happened.
    pub fn new(plan: &'a Plan) -> Self {
        let dice = Dice::new(mixed(&[plan.seed, 1]));
        let cloud = Cloud::new(plan.seed, plan.bug);
        let mut model = founded(&cloud);
        let everywhere = cloud.found_application(9, None, true);
        let mut tenants: Vec<_> =
            (0..GAMMA).map(|tenant| cloud.found_application(tenant, Some(tenant), false)).collect();
        // One of its own would go with the tenant.
        tenants.push(everywhere.clone());
        let keys = Keys { tenants, everywhere };
        model.tastes = (dice.one(&DEVICES), dice.one(&APPLICATIONS));
        let clients = clients(&dice);
        let dice_of_order = Dice::new(mixed(&[plan.seed, 4, plan.shuffle]));
        let unrest = unrest(&dice);
        let jumps: &'static [i64] = if dice.percent(60) { &SHORT_JUMPS } else { &LONG_JUMPS };
        let mut it = Self {
            plan,
            cloud,
            slots: Vec::new(),
            clients,
            keys,
            model,
            dice: dice_of_order,
            tick: 0,
            started: 0,
            unrest,
            jumps,
            last: Vec::new(),
            report: Report::default(),
        };
        it.report.acts = it.clients.iter().map(|client| client.acts).collect();
        for _ in 0..ENVIRONMENTS {
            let environment = it.cold();
            it.slots.push(Slot { environment, flight: None, flights: 0 });
        }
        it
    }

    fn cold(&mut self) -> Environment {
        let skew = self.dice.one(&[-5_000, -1_000, 0, 0, 700, 5_000]);
        self.started += 1;
        Environment::start(&self.cloud, self.started, skew)
    }

    fn tell(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.plan.told {
            let line = line(self);
            self.report.story.push(line);
        }
    }

    fn wrong(&mut self, violation: Option<String>) {
        if let (None, Some(violation)) = (&self.report.violation, violation) {
            self.tell(|_| format!("!! {violation}"));
            self.report.violation = Some(violation);
        }
    }

    /// Runs until there is nothing left to do, or something is wrong.
    pub async fn go(mut self) -> Report {
        while self.report.violation.is_none() {
            let choices = self.choices();
            if choices.is_empty() {
                if !self.last.is_empty() {
                    break;
                }
                self.begin_last();
                continue;
            }
            self.pass_time();
            let choice = choices[self.dice.below(choices.len())];
            self.tick += 1;
            match choice {
                Choice::Start(client) => self.start(client).await,
                Choice::Release(pending) => self.release(pending).await,
            }
        }
        self.report
    }

    fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        if self.slots.iter().any(|slot| slot.flight.is_none()) {
            let idle = |client: &Client| !client.busy && client.next < client.acts;
            choices.extend((0..self.clients.len()).filter(|it| idle(&self.clients[*it])).map(Choice::Start));
        }
        choices.extend(self.cloud.hub.pending().into_iter().map(Choice::Release));
        choices
    }

    /// When all clients have done what they do, everything that they hold is tried once more, undisturbed.
    fn begin_last(&mut self) {
        let kinds = |kind| !matches!(kind, Kind::Password | Kind::Reset | Kind::Verification);
        let held = (0..self.model.credentials.len()).filter(|it| kinds(self.model.credentials[*it].kind));
        let tenant = |person: usize| self.model.people.get(person).map_or(0, |person| person.tenant);
        let mut acts: Vec<Act> = held
            .map(|credential| {
                let tenant = tenant(self.model.credentials[credential].person);
                Act::Use { credential, way: Way::Direct, tenant }
            })
            .collect();
        acts.reverse();
        acts.truncate(8);
        acts.extend((0..self.model.people.len()).map(|person| Act::Read { tenant: tenant(person), person }));
        self.unrest = Unrest { lost_before: 0, lost_after: 0, crash: 0, torn: 0 };
        self.clients.push(Client { role: Role::Operator, acts: acts.len(), next: 0, busy: false });
        self.last = acts;
        self.tell(|_| "   everybody is done; what they hold is tried once more".to_owned());
        // What was ended shall stay so, and what lives shall live, after the caches have forgotten, too.
        let later = self.dice.one(&[0, 0, 31_000, 310_000, 1_000_000]);
        if later > 0 && !self.plan.calm {
            self.cloud.time.advance(later);
            self.tell(|_| format!("   {} s pass", later / 1000));
        }
    }

    fn in_flight(&self) -> bool {
        self.slots.iter().any(|slot| slot.flight.is_some())
    }

    fn pass_time(&mut self) {
        let small = i64::try_from(self.dice.below(250)).unwrap_or_default();
        self.cloud.time.advance(small);
        if self.dice.percent(3) {
            self.cloud.time.advance(1_500);
        }
        if self.in_flight() || !self.last.is_empty() {
            return;
        }
        if self.dice.percent(14) {
            let jump = self.jumps[self.dice.below(self.jumps.len())];
            if !self.plan.calm {
                self.cloud.time.advance(jump);
                self.tell(|_| format!("   {} s pass", jump / 1000));
            }
        }
        if self.dice.percent(10) {
            self.sweep();
        }
    }

    /// Deletes some of what is over, as DynamoDB does whenever it likes.
    fn sweep(&mut self) {
        let now = self.cloud.time.millis();
        let unused = self.cloud.bug == Some(Bug::TheLivingAreSwept);
        let mut swept = 0;
        for ticket in self.cloud.store.tickets() {
            let over =
                ticket.expires.as_millis() < now - 10_000 || unused && ticket.last_request.as_millis() < now - 120_000;
            if over && self.dice.percent(60) {
                let _done = self.cloud.store.delete_ticket(&ticket.key).now_or_never();
                swept += 1;
            }
        }
        for login in self.cloud.store.persistent_logins() {
            if login.expires.as_millis() < now - 10_000 && self.dice.percent(60) {
                let _done = self.cloud.store.delete_persistent_login(&login.key).now_or_never();
                swept += 1;
            }
        }
        if swept > 0 {
            self.tell(|_| format!("   {swept} items are swept"));
        }
    }

    async fn start(&mut self, client: usize) {
        let place = self.clients[client].next;
        self.clients[client].next += 1;
        if self.plan.dropped.contains(&(client, place)) {
            return;
        }
        let dice = Dice::new(mixed(&[self.plan.seed, 2, client as u64, place as u64]));
        let act = if !self.last.is_empty() && client + 1 == self.clients.len() {
            Some(self.last[place].clone())
        } else {
            self.model.choose(self.clients[client].role, &dice)
        };
        let Some(act) = act else { return };
        let free: Vec<usize> = (0..self.slots.len()).filter(|it| self.slots[*it].flight.is_none()).collect();
        let slot = free[self.dice.below(free.len())];
        let now = self.cloud.time.millis();
        let act = match act {
            Act::Rotate { token, step } => Act::Rotate { token: self.rotation(&token, step), step },
            act => act,
        };
        let invocation = self.model.invocation(&act, &self.keys, now);
        let request_id = format!("request-{client}-{place}");
        self.slots[slot].flights += 1;
        let number = self.slots[slot].flights;
        let environment = &self.slots[slot].environment;
        self.cloud.hub.begin(environment.id, number);
        let mute = matches!(act, Act::Forget { .. }) && self.unrest.lost_before > 0 && dice.percent(10);
        environment.outbox.fail(mute);
        let future = environment.invoke(&invocation, request_id.clone());
        let flight = Flight {
            client,
            place,
            number,
            hashes: hashes(&invocation),
            // Between two listings, for no time at all.
            sleeps: matches!(act, Act::EndTenant),
            future,
            signal: Arc::default(),
            start: (self.tick, now),
            request_id,
            ends: Vec::new(),
            shown: None,
            faults: if mute { vec!["send"] } else { Vec::new() },
            calls: 0,
            headers: Vec::new(),
            mute,
            used_before: None,
            act,
        };
        flight.signal.0.store(true, Ordering::SeqCst);
        self.clients[client].busy = true;
        self.tell(|it| {
            let skew = it.slots[slot].environment.skew;
            format!("{client}.{place} {:?}, on environment {slot} ({skew:+} ms)", flight.act)
        });
        self.slots[slot].flight = Some(flight);
        self.begin(slot);
        self.settle(slot).await;
    }

    fn rotation(&mut self, token: &str, step: &str) -> String {
        if step == "createSecret" {
            self.model.pending = self.cloud.secret.rotate(token);
        }
        self.model.pending.clone()
    }

    /// Notes what an act may end from now on.
    fn begin(&mut self, slot: usize) {
        let (model, tick) = (&mut self.model, self.tick);
        let Some(flight) = &mut self.slots[slot].flight else { return };
        for (person, scope) in model.ended_by(&flight.act) {
            let end = model.begin_end(person, scope, tick);
            model.ends[end].renewal = matches!(flight.act, Act::Renew { .. });
            flight.ends.push(end);
        }
        let now = flight.start.1;
        match &flight.act {
            Act::Enable { person, .. } => {
                let person = &mut model.people[*person];
                (person.enabling, person.enablers) = (tick, person.enablers + 1);
                if person.gone.is_none() {
                    person.shut = None;
                }
            }
            Act::EndTenant => {
                model.gamma_enders += 1;
                let of_it = model.people.iter_mut().filter(|person| person.tenant == GAMMA);
                of_it.for_each(|person| person.deleting = true);
            }
            Act::Delete { tenant, person } if model.people[*person].tenant == *tenant => {
                model.people[*person].deleting = true;
            }
            Act::Use { credential, .. } => {
                let it = &mut model.credentials[*credential];
                flight.used_before = Some(it.used);
                it.used.1 = it.used.1.max(now);
                flight.shown = it.tokens.last().map(|token| token.number);
                if it.kind == Kind::Series && it.doubtful {
                    let end = model.begin_end(model.credentials[*credential].person, Scope::Sessions(None), tick);
                    flight.ends.push(end);
                }
            }
            Act::RefreshSeries { tenant, series, token } => {
                let it = &mut model.credentials[*series];
                flight.shown = Some(it.tokens[*token].number);
                let newest = *token + 1 == it.tokens.len();
                let person = it.person;
                let replay = it.doubtful || !newest;
                if replay && model.people[person].tenant == *tenant {
                    flight.ends.push(model.begin_end(person, Scope::Sessions(None), tick));
                }
            }
            _ => {}
        }
    }

    async fn release(&mut self, pending: Pending) {
        let Some(slot) = self.slots.iter().position(|slot| slot.environment.id == pending.environment) else {
            self.cloud.hub.forget(pending.call);
            return;
        };
        self.report.calls += 1;
        let fault = self.fault(slot, pending);
        self.report.fingerprint = mixed(&[self.report.fingerprint, pending.call, slot as u64, fault.number()]);
        self.tell(|it| {
            let flight = it.slots[slot].flight.as_ref().filter(|flight| flight.number == pending.flight);
            let whose = flight.map_or_else(
                || format!("environment {slot}, beside its requests:"),
                |flight| format!("{}.{}", flight.client, flight.place),
            );
            let what = match fault {
                Fault::None => "",
                Fault::Before => ": lost, nothing was done",
                Fault::After => ": done, and the answer is lost",
                Fault::Torn(_) => ": the users and the rest are read at two moments",
                Fault::CrashBefore => ": the environment dies before it",
                Fault::CrashAfter => ": done, and the environment dies",
            };
            format!("      {whose} {}{what}", pending.operation)
        });
        match fault {
            Fault::None => self.cloud.hub.release(pending.call, Verdict::Go),
            Fault::Before => self.cloud.hub.release(pending.call, Verdict::LostBefore),
            Fault::After => self.cloud.hub.release(pending.call, Verdict::LostAfter),
            Fault::Torn(users_first) => self.cloud.hub.release(pending.call, Verdict::Torn { users_first }),
            Fault::CrashBefore => return self.crash(slot).await,
            Fault::CrashAfter => {
                self.cloud.hub.release(pending.call, Verdict::Go);
                self.settle_once(slot).await;
                self.absorb();
                return self.crash(slot).await;
            }
        }
        self.settle(slot).await;
    }

    /// What happens to a call. It is the same for the same call, whatever others do.
    fn fault(&mut self, slot: usize, pending: Pending) -> Fault {
        let own = |flight: &&mut Flight| flight.number == pending.flight;
        let Some(flight) = self.slots[slot].flight.as_mut().filter(own) else { return Fault::None };
        flight.calls += 1;
        let key = (flight.client, flight.place, flight.calls);
        let numbers = [self.plan.seed, 3, key.0 as u64, key.1 as u64, key.2 as u64];
        let dice = Dice::new(mixed(&numbers));
        let (roll, first) = (dice.below(1000), dice.percent(50));
        let Unrest { lost_before, lost_after, crash, torn } = self.unrest;
        let fault = if pending.operation == SECOND_PART {
            Fault::None
        } else if roll < crash {
            if first { Fault::CrashBefore } else { Fault::CrashAfter }
        } else if roll < crash + lost_before {
            Fault::Before
        } else if roll < crash + lost_before + lost_after {
            Fault::After
        } else if pending.operation == "lookup" && roll < crash + lost_before + lost_after + torn {
            Fault::Torn(first)
        } else {
            Fault::None
        };
        if matches!(fault, Fault::None) || self.plan.spared.contains(&key) {
            return Fault::None;
        }
        if matches!(fault, Fault::Before | Fault::After) {
            flight.faults.push(pending.operation);
        }
        self.report.faults.push(key);
        fault
    }

    /// Ends an environment at once, and starts another one in its place. What it had sent may still arrive.
    async fn crash(&mut self, slot: usize) {
        let dead = self.slots[slot].environment.id;
        let flight = self.slots[slot].flight.take();
        let mail = self.slots[slot].environment.outbox.take();
        let calls: Vec<_> =
            self.cloud.hub.pending().into_iter().filter(|pending| pending.environment == dead).collect();
        let span = flight.as_ref().map(|flight| self.span(flight));
        let flight = flight.map(|flight| {
            let Flight { future, .. } = flight;
            drop(future);
            Flight { future: std::future::pending().boxed(), ..flight }
        });
        for pending in calls {
            if self.dice.percent(50) {
                self.cloud.hub.release(pending.call, Verdict::Go);
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
            }
            self.cloud.hub.forget(pending.call);
        }
        for pending in self.cloud.hub.pending() {
            if pending.environment == dead {
                self.cloud.hub.forget(pending.call);
            }
        }
        self.absorb();
        self.slots[slot].environment = self.cold();
        if let (Some(flight), Some(span)) = (flight, span) {
            self.finish(&flight, span, None, &mail);
        }
    }

    fn span(&self, flight: &Flight) -> Span {
        let end = (self.tick, self.cloud.time.millis());
        Span { start: flight.start, end, faulty: !flight.faults.is_empty() }
    }

    /// Lets an environment go on until it waits for the scheduler again, and takes its answer where there is one.
    async fn settle(&mut self, slot: usize) {
        let reply = self.settle_once(slot).await;
        self.absorb();
        if let Some(reply) = reply
            && let Some(flight) = self.slots[slot].flight.take()
        {
            let mail = self.slots[slot].environment.outbox.take();
            let span = self.span(&flight);
            self.finish(&flight, span, Some(&reply), &mail);
        }
    }

    async fn settle_once(&mut self, slot: usize) -> Option<Reply> {
        let environment = self.slots[slot].environment.id;
        for _ in 0..1_000_000 {
            let mut reply = None;
            if let Some(flight) = &mut self.slots[slot].flight {
                while flight.signal.0.swap(false, Ordering::SeqCst) {
                    let waker = Waker::from(Arc::clone(&flight.signal));
                    let mut context = Context::from_waker(&waker);
                    if let std::task::Poll::Ready(done) = Pin::new(&mut flight.future).poll(&mut context) {
                        reply = Some(done);
                        break;
                    }
                }
            }
            // What was spawned beside the request goes on until it waits, too.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            let Some(flight) = &self.slots[slot].flight else { return None };
            if flight.sleeps {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            if flight.hashes {
                tokio::task::spawn_blocking(|| ()).await.expect("the thread that hashes");
                tokio::task::yield_now().await;
            }
            if reply.is_some() {
                return reply;
            }
            let signalled = flight.signal.0.load(Ordering::SeqCst);
            let waits = self.cloud.hub.pending().iter().any(|pending| pending.environment == environment);
            if !signalled && waits {
                return None;
            }
        }
        panic!("a request neither ends nor waits");
    }

    /// Looks at what was committed.
    fn absorb(&mut self) {
        for (environment, fact) in self.cloud.hub.take_facts() {
            if let Fact::Header(key) = &fact {
                let of = self.slots.iter_mut().find(|slot| slot.environment.id == environment);
                of.and_then(|slot| slot.flight.as_mut()).into_iter().for_each(|it| it.headers.push(key.clone()));
            }
            if matches!(fact, Fact::Accounts) {
                let doubled = self.doubled();
                self.wrong(doubled);
            }
            let violation = self.model.follow(&fact);
            self.wrong(violation);
        }
    }

    fn users(&self) -> Vec<User> {
        let list = |tenant: &&str| {
            let name = tenant_name(tenant);
            let listed = self.cloud.store.users_in_order(&name, Order::Ascending, None, 1000);
            listed.now_or_never().expect("memory").expect("memory").items
        };
        TENANTS.iter().flat_map(list).collect()
    }

    /// Two accounts of one name or address.
    fn doubled(&self) -> Option<String> {
        let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
        for user in self.users() {
            let name = user.name.canonical().to_owned();
            let email = user.email.as_ref().map(|email| email.canonical().to_owned());
            let own: BTreeSet<String> = std::iter::once(name).chain(email).collect();
            for text in own {
                if !seen.insert((user.tenant.to_string(), text.clone())) {
                    return Some(format!("I2 {text} is twice in {}", user.tenant));
                }
            }
        }
        None
    }

    /// An account that was acknowledged and is not there.
    fn missing(&self) -> Option<String> {
        let users = self.users();
        let there = |person: &Person| users.iter().any(|user| user.id.as_str() == person.id);
        let missing = self.model.people.iter().position(|person| !person.deleting && !there(person));
        missing.map(|person| format!("I1 person {person} was made, and is not there"))
    }

    fn finish(&mut self, flight: &Flight, span: Span, reply: Option<&Reply>, mail: &[(&'static str, String)]) {
        self.report.requests += 1;
        self.clients[flight.client].busy = false;
        let status = reply.map_or(0, |reply| reply.status);
        self.report.fingerprint =
            mixed(&[self.report.fingerprint, flight.client as u64, u64::from(status), span.end.0]);
        self.tell(|_| {
            let answer = reply.map_or_else(|| "dies".to_owned(), |reply| format!("{status} {}", short(&reply.body)));
            format!("{}.{} => {answer}", flight.client, flight.place)
        });
        let violations = judge(
            &mut self.model,
            &Ended {
                act: &flight.act,
                span,
                reply,
                mail: if flight.mute { &[] } else { mail },
                ends: &flight.ends,
                shown: flight.shown,
                used_before: flight.used_before,
                faults: &flight.faults,
                headers: &flight.headers,
                audited: &audit::take(&flight.request_id),
            },
        );
        for violation in violations {
            self.wrong(Some(violation));
        }
        let missing = self.missing();
        self.wrong(missing);
    }
}

#[derive(Clone, Copy)]
enum Fault {
    None,
    Before,
    After,
    Torn(bool),
    CrashBefore,
    CrashAfter,
}

impl Fault {
    fn number(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Before => 1,
            Self::After => 2,
            Self::Torn(_) => 3,
            Self::CrashBefore => 4,
            Self::CrashAfter => 5,
        }
    }
}

/// Whether a request hashes a password, which another thread does.
fn hashes(invocation: &Invocation) -> bool {
    const HASHING: [&str; 7] = [
        "user-login",
        "user-password",
        "user-reset",
        "ticket-authenticate",
        "api1-profile-create",
        "api1-profile-update",
        "api1-profile-change-password",
    ];
    matches!(invocation, Invocation::Http(call) if HASHING.contains(&call.route().name))
}

fn short(body: &str) -> String {
    let mut text: String = body.chars().take(110).collect();
    if text.len() < body.len() {
        text.push('…');
    }
    text
}

/// Who is there from the beginning: two in the first tenant, and one in each of the others.
fn founded(cloud: &Cloud) -> Model {
    cloud.found_tenants();
    let mut model = Model::default();
    let now = cloud.time.millis();
    let span = Span { start: (0, now), end: (0, now), faulty: false };
    for (number, tenant) in [0, 0, 1, GAMMA].into_iter().enumerate() {
        let founded = cloud.found_user(number, tenant);
        model.people.push(Person::new(founded.id, founded.tenant, founded.name));
        model.add(Kind::Password, number, &founded.password, span);
    }
    model
}

/// Three to five clients; often the first two are devices of one person, since races need two.
fn clients(dice: &Dice) -> Vec<Client> {
    const ROLES: [Role; 13] = [
        Role::Device(0),
        Role::Device(0),
        Role::Device(1),
        Role::Device(2),
        Role::Device(3),
        Role::Application(0),
        Role::Application(0),
        Role::Application(1),
        Role::Application(GAMMA),
        Role::Guesser(0),
        Role::Guesser(0),
        Role::Operator,
        Role::Operator,
    ];
    let mut roles: Vec<Role> = (0..3 + dice.below(3)).map(|_| dice.one(&ROLES)).collect();
    if dice.percent(40) {
        let device = Role::Device(dice.below(3));
        (roles[0], roles[1]) = (device, device);
    }
    let client = |role| Client { role, acts: 5 + dice.below(6), next: 0, busy: false };
    roles.into_iter().map(client).collect()
}

/// How often things go wrong in a run.
fn unrest(dice: &Dice) -> Unrest {
    match dice.below(4) {
        0 => Unrest { lost_before: 0, lost_after: 0, crash: 0, torn: 150 },
        1 => Unrest { lost_before: 60, lost_after: 60, crash: 20, torn: 60 },
        _ => Unrest { lost_before: 15, lost_after: 20, crash: 15, torn: 100 },
    }
}
