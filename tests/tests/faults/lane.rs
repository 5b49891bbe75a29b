//! One tenant whose people and applications call every kind of endpoint through the faults, and what they know to be so.
//!
//! A lane calls one endpoint after another and shares no item that it writes with other lanes: nobody else is ever in
//! its way, so whatever it is refused was refused because of a fault.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use shared::access_token::{AccessToken, TenantPermission};
use shared::api::Route;
use shared::clock::Clock as _;
use shared::gateway::{Event, Response};
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Store as _, Write};
use shared::tenant::{Tenant, TenantName};
use shared::testing::{SeededRandom, Stack};
use shared::user::UserId;
use tests::document::success;
use tests::good::KEY;
use tests::world::{endpoints, keyset};
use tests::{Call, Dice, Handler, shape};

use crate::engines::{Engine, Patience};
use crate::proxy::{Proxy, Weather};

/// Between two calls: a session must not idle out in the longest run, and a series must move on in the shortest.
const STEP: Duration = Duration::from_millis(300);

pub type Api = BTreeMap<&'static str, Handler>;

/// How many of something are stored, as far as can be known.
#[derive(Clone, Copy, Default)]
pub struct Range {
    low: usize,
    high: usize,
}

impl Range {
    pub fn add(&mut self) {
        self.low += 1;
        self.high += 1;
    }

    pub fn may_have_added(&mut self) {
        self.high += 1;
    }

    pub fn remove(&mut self) {
        self.low -= 1;
        self.high -= 1;
    }

    fn holds(self, count: usize) -> bool {
        (self.low..=self.high).contains(&count)
    }
}

/// Somebody with everything that one can have.
#[derive(Clone, Default)]
pub struct Person {
    pub id: String,
    pub name: String,
    pub email: String,
    pub password: String,
    pub jwt: Option<String>,
    pub headers: Vec<String>,
    /// Auth headers that are live and that nobody was given.
    pub unreturned: usize,
    pub tickets: Vec<String>,
    pub stored_tickets: Range,
    /// Persistent logins: id and last token.
    pub series: Vec<(String, String)>,
}

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// Something that was acknowledged is not there.
    Lost,
    /// Something is there more often than it was asked for.
    Doubled,
    /// Something was refused though nobody else was there.
    Conflict,
    /// Something that has ended opens something.
    Alive,
}

/// What came of a lane's calls.
#[derive(Default)]
pub struct Tally {
    pub operations: usize,
    /// The endpoints that answered with one.
    pub outages: Vec<&'static str>,
    /// Auth headers that are live, and whose one answer was an outage.
    pub unreturned: usize,
    pub flaws: Vec<(Flaw, String)>,
}

pub struct Lane {
    pub tenant: String,
    pub proxy: Proxy,
    /// Behind a lock, for lanes wander between threads.
    dice: Mutex<Dice>,
    pub people: Vec<Person>,
    pub tokens: Vec<String>,
    pub stored_tokens: Range,
    pub tenants: Vec<String>,
    /// What has ended: a call, and the status that says so.
    pub ended: Vec<(Call, u16)>,
    pub tally: Tally,
    /// The access token that may do everything in this tenant.
    pub full: String,
    /// The one that may do everything.
    pub master: String,
    pub stack: Stack,
    faulty: Api,
    clean: Api,
    store: DynamoStore,
    made: u64,
}

/// Hands a call to its endpoint. An answer that breaks a rule for all answers fails the test.
pub async fn send(api: &Api, call: &Call) -> Response {
    let route: &Route = call.route();
    let event = Event::from(call.event());
    let id = event.request_id();
    let response = api[route.name](None, event).await;
    if let Err(flaw) = shape::check(route, &id, &response) {
        panic!("{} answers {}: {flaw}\n{}", route.name, response.status(), response.body());
    }
    response
}

pub fn json_of(response: &Response) -> Value {
    serde_json::from_str(response.body()).unwrap_or_default()
}

/// A JWT or an auth header, used.
pub fn with_jwt(jwt: &str) -> Call {
    Call::to("test-secure").bearer(jwt)
}

pub fn with_header(header: &str) -> Call {
    Call::to("test-secure").header("x-authorization", header)
}

impl Lane {
    pub async fn new(engine: &Engine, number: u64, seed: u64, patience: Patience) -> Self {
        let random = Arc::new(SeededRandom::new(number + 1));
        let stack = Stack { random, ..Stack::new() };
        stack.keys.answer(&keyset(7));
        let proxy = Proxy::before(engine.url(), seed * 1000 + number);
        let store = engine.store(engine.url(), Patience::Unlimited, stack.random.clone());
        let through = engine.store(&proxy.url(), patience, stack.random.clone());
        let clock = Arc::new(stack.clock.clone());
        let tenant = format!("lane-{number}");
        let founded = Tenant::new(TenantName::parse(&tenant).unwrap(), stack.clock.now());
        assert_eq!(store.create_tenant(&founded).await.unwrap(), Write::Done);
        let mut lane = Self {
            tenant,
            proxy,
            dice: Mutex::new(Dice::new(seed * 1000 + number)),
            people: Vec::new(),
            tokens: Vec::new(),
            stored_tokens: Range::default(),
            tenants: Vec::new(),
            ended: Vec::new(),
            tally: Tally::default(),
            full: String::new(),
            master: String::new(),
            faulty: endpoints(&stack, None, through, clock.clone()),
            clean: endpoints(&stack, None, store.clone(), clock),
            stack,
            store,
            made: 0,
        };
        lane.full = lane.application("full", Some(founded.name)).await;
        lane.master = lane.application("master", None).await;
        lane
    }

    async fn application(&self, name: &str, tenant: Option<TenantName>) -> String {
        let text = AccessToken::generate(&*self.stack.random);
        let token = AccessToken {
            digest: text.digest(),
            application: name.to_owned(),
            master: name == "master",
            permissions: vec![TenantPermission { tenant, actions: None }],
            expires: None,
            created: self.stack.clock.now(),
        };
        assert_eq!(self.store.create_access_token(&token).await.unwrap(), Write::Done);
        text.expose_secret().to_owned()
    }

    /// From here on its calls meet this weather.
    pub fn meets(&self, weather: Weather) {
        self.proxy.set(weather);
    }

    /// A number below `limit`.
    pub fn below(&self, limit: usize) -> usize {
        self.dice.lock().unwrap().below(limit)
    }

    /// A text that was never used before.
    pub fn fresh(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}{}-{}", self.made, self.tenant)
    }

    pub fn by_full(&self, call: Call) -> Call {
        call.header(KEY, &self.full)
    }

    pub fn by_master(&self, call: Call) -> Call {
        call.header(KEY, &self.master)
    }

    /// A password given for a name or an address.
    pub fn login(&self, name: &str, password: &str) -> Call {
        let username = format!("{}/{name}", self.tenant);
        Call::to("user-login").json(&json!({ "username": username, "password": password }))
    }

    /// A call through the faults: what it answers, or nothing where its fate is unknown.
    pub async fn act(&mut self, call: Call) -> Option<Value> {
        self.tally.operations += 1;
        self.stack.clock.advance(STEP);
        let response = send(&self.faulty, &call).await;
        match response.status() {
            status if status == success(call.route()) => Some(json_of(&response)),
            503 => {
                assert!(response.header("retry-after").is_some());
                self.tally.outages.push(call.route().name);
                None
            }
            status => {
                let told = format!("{} {}: {status} {}", call.route().name, self.tenant, response.body());
                self.tally.flaws.push((Flaw::Conflict, told));
                None
            }
        }
    }

    /// A call past the faults.
    pub async fn look(&self, call: &Call) -> Response {
        send(&self.clean, call).await
    }

    /// A call past the faults that has to succeed.
    pub async fn must(&mut self, flaw: Flaw, call: &Call) -> Option<Value> {
        let response = self.look(call).await;
        if response.status() == success(call.route()) {
            return Some(json_of(&response));
        }
        let told = format!("{} {}: {} {}", call.route().name, self.tenant, response.status(), response.body());
        self.tally.flaws.push((flaw, told));
        None
    }

    /// How many auth headers of somebody are live.
    pub async fn live_headers(&self, person: &Person) -> usize {
        let now = self.stack.clock.now();
        let user = UserId::parse(&person.id).unwrap();
        let headers = self.store.auth_headers(&user).await.unwrap();
        headers.iter().filter(|header| header.expires.is_none_or(|end| end > now)).count()
    }

    /// At the end: whether all that was acknowledged is so, and nothing else.
    pub async fn check(&mut self) {
        for person in self.people.clone() {
            self.check_person(&person).await;
        }
        for (call, status) in std::mem::take(&mut self.ended) {
            let response = self.look(&call).await;
            if response.status() != status {
                let told = format!("{} {}: {}", call.route().name, self.tenant, response.status());
                self.tally.flaws.push((Flaw::Alive, told));
            }
        }
        for token in self.tokens.clone() {
            self.must(Flaw::Lost, &Call::to("tenant-get").id(&self.tenant).header(KEY, &token)).await;
        }
        for tenant in self.tenants.clone() {
            self.must(Flaw::Lost, &self.by_master(Call::to("tenant-get").id(&tenant))).await;
        }
        let tokens = self.store.access_tokens().await.unwrap();
        let tokens = tokens.iter().filter(|token| token.application == format!("shop-{}", self.tenant)).count();
        self.count("access tokens", self.stored_tokens, tokens);
    }

    async fn check_person(&mut self, person: &Person) {
        let user = UserId::parse(&person.id).unwrap();
        let tickets = self.store.tickets(&user, self.stack.clock.now()).await.unwrap().len();
        self.count("tickets", person.stored_tickets, tickets);
        let live = person.headers.len() + person.unreturned;
        let headers = self.live_headers(person).await;
        self.count("auth headers", Range { low: live, high: live }, headers);
        let mut calls: Vec<Call> = person.headers.iter().map(|header| with_header(header)).collect();
        calls.extend(person.jwt.iter().map(|jwt| with_jwt(jwt)));
        calls.extend(person.tickets.iter().map(|ticket| self.by_full(Call::to("ticket-get").id(ticket))));
        calls.extend(person.series.iter().map(|(id, _)| self.by_full(Call::to("persistent-login-get").id(id))));
        calls.extend([self.login(&person.name, &person.password), self.login(&person.email, &person.password)]);
        for call in calls {
            self.must(Flaw::Lost, &call).await;
        }
    }

    fn count(&mut self, what: &str, expected: Range, found: usize) {
        if !expected.holds(found) {
            let flaw = if found < expected.low { Flaw::Lost } else { Flaw::Doubled };
            let Range { low, high } = expected;
            self.tally.flaws.push((flaw, format!("{what} of {}: {found}, not {low} to {high}", self.tenant)));
        }
    }
}
