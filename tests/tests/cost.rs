//! What `ostiary cost` says that a request takes is what it takes: every endpoint's handler on the store of the stacks, on
//! an engine that counts units as DynamoDB bills them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut,
    BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::delete_item::{DeleteItemInput, DeleteItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::query::{QueryInput, QueryOutput};
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsInput, TransactWriteItemsOutput};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemInput, UpdateItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity};
use local::{Cloud, dynamodb};
use serde_json::{Value, json};
use shared::api::ROUTES;
use shared::authorize::Verifier;
use shared::clock::Clock as _;
use shared::config::{Authorizer as AuthorizerSettings, AuthorizerAnswer, AuthorizerMode, Config};
use shared::invoke;
use shared::one_time::OneTimeKey;
use shared::store::dynamo::{DynamoStore, Tables};
use shared::store::memory::MemoryStore;
use shared::store::{Administration as _, Creation, LoginName, Lookup, NewUser, Store as _, Write};
use tests::{Call, World, good, read};

/// Later than any use is remembered for.
const LATER: Duration = Duration::from_secs(360);

/// Its write is what it is for, though a second one at the same moment makes none.
const WRITES_WHEN_DUE: &str = "persistent-login-refresh";

/// Units by table, as the calculator's file names it.
type Units = BTreeMap<&'static str, f64>;

/// What a request took.
#[derive(Clone, Debug, Default, PartialEq)]
struct Spent {
    trips: u32,
    reads: Units,
    writes: Units,
    /// Put on the event bus.
    messages: usize,
}

#[derive(Debug, Default)]
struct Seen {
    under_way: u32,
    spent: Spent,
}

/// Sees every call of a client, and has the engine tell what it bills.
#[derive(Clone, Debug)]
struct Meter {
    tables: Arc<Tables>,
    seen: Arc<Mutex<Seen>>,
}

impl Meter {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was spent since the last time, as soon as nothing is written beside the request any more.
    async fn take(&self) -> Spent {
        // A task that was just spawned has its turn before this goes on.
        tokio::task::yield_now().await;
        while self.seen().under_way > 0 {
            tokio::task::yield_now().await;
        }
        std::mem::take(&mut self.seen().spent)
    }

    fn name(&self, table: &str) -> &'static str {
        let Tables { credentials, users, tickets, auth_headers, applications } = &*self.tables;
        let all = [
            (credentials, "credentials"),
            (users, "users"),
            (tickets, "tickets"),
            (auth_headers, "auth_headers"),
            (applications, "applications"),
        ];
        all.iter().find(|(name, _)| *name == table).unwrap_or_else(|| panic!("an unknown table: {table}")).1
    }

    fn bill<'a>(&self, billed: impl IntoIterator<Item = &'a ConsumedCapacity>, writes: bool) {
        let mut seen = self.seen();
        let units = if writes { &mut seen.spent.writes } else { &mut seen.spent.reads };
        for capacity in billed {
            let table = self.name(capacity.table_name().expect("a table"));
            *units.entry(table).or_default() += capacity.capacity_units().expect("units");
        }
    }
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut seen = self.seen();
        if seen.under_way == 0 {
            seen.spent.trips += 1;
        }
        seen.under_way += 1;
        Ok(())
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        macro_rules! told {
            ($($input:ty),*) => {
                $(if let Some(input) = context.input_mut().downcast_mut::<$input>() {
                    input.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
                    return Ok(());
                })*
            };
        }
        told!(BatchGetItemInput, QueryInput, PutItemInput, UpdateItemInput, DeleteItemInput, TransactWriteItemsInput);
        panic!("an operation that nobody counts: {:?}", context.input());
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        macro_rules! billed {
            ($output:expr, $($type:ty: $writes:literal),*) => {
                $(if let Some(output) = $output.downcast_ref::<$type>() {
                    self.bill(&output.consumed_capacity, $writes);
                })*
            };
        }
        macro_rules! billed_each {
            ($output:expr, $($type:ty: $writes:literal),*) => {
                $(if let Some(output) = $output.downcast_ref::<$type>() {
                    self.bill(output.consumed_capacity(), $writes);
                })*
            };
        }
        let output = context.output_or_error().map_err(|error| format!("a call that is not billed here: {error:?}"))?;
        billed!(output, QueryOutput: false, PutItemOutput: true, UpdateItemOutput: true, DeleteItemOutput: true);
        billed_each!(output, BatchGetItemOutput: false, TransactWriteItemsOutput: true);
        Ok(())
    }

    fn read_after_execution(
        &self,
        _: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.seen().under_way -= 1;
        Ok(())
    }
}

/// A stack of the template with what is in a world, whose every call is metered.
struct Bench {
    world: World,
    store: DynamoStore,
    meter: Meter,
    client: Client,
    _cloud: Cloud,
}

impl Bench {
    async fn with(world: World) -> Self {
        let parameters = BTreeMap::from([("Issuer".to_owned(), "https://auth.example.com".to_owned())]);
        let cloud = Cloud::in_memory(&parameters).unwrap();
        let config = Config::read(|name| cloud.environment().get(name).cloned()).unwrap();
        let meter = Meter { tables: Arc::new(config.tables.clone()), seen: Arc::default() };
        let plain = dynamodb::client(&cloud.dynamodb_url());
        let random = Arc::clone(&world.stack.random);
        let unmetered = DynamoStore::new(plain.clone(), config.tables.clone(), Arc::clone(&random) as _);
        copy(&world, &unmetered).await;
        let metered = plain.config().to_builder().interceptor(meter.clone()).build();
        let store = DynamoStore::new(Client::from_conf(metered), config.tables, random);
        let mut bench = Self { world, store, meter, client: plain, _cloud: cloud };
        bench.world.rewire(bench.store.clone(), Arc::new(bench.world.stack.clock.clone()));
        bench
    }

    async fn send(&self, call: &Call) -> (bool, Spent) {
        let response = self.world.send(call).await;
        let messages = self.world.stack.outbox.take().len();
        ((200..300).contains(&response.status()), Spent { messages, ..self.meter.take().await })
    }

    async fn authorize(&self, header: &str, value: &str) -> Spent {
        let verifier = Verifier {
            store: self.store.clone(),
            keyring: Arc::clone(&self.world.stack.keyring),
            party: self.world.stack.config.party.clone(),
            clock: Arc::new(self.world.stack.clock.clone()),
        };
        let settings = AuthorizerSettings { answer: AuthorizerAnswer::Simple, mode: AuthorizerMode::EveryRequest };
        let event = json!({
            "version": "2.0", "type": "REQUEST", "routeArn": "arn:aws:execute-api:eu-central-1:123456789012:a/live/GET/x",
            "routeKey": "GET /x", "rawPath": "/x", "rawQueryString": "", "headers": { header: value },
            "requestContext": {
                "requestId": "5Vrx4hbkfsTw3Og=", "routeKey": "GET /x", "stage": "live",
                "http": { "method": "GET", "path": "/x", "sourceIp": "203.0.113.7", "userAgent": "test" },
            },
        });
        let function = authorizer::Authorizer { verifier, settings };
        let answer = invoke::handle(&function, event, "r-1").await.unwrap();
        assert_eq!(answer["isAuthorized"], true, "{answer}");
        self.meter.take().await
    }
}

/// Puts what a world holds into another store, so that requests that are good in the one are good in the other.
async fn copy(world: &World, to: &DynamoStore) {
    let from: &MemoryStore = &world.stack.store;
    for tenant in from.tenants().await.unwrap() {
        assert_eq!(to.create_tenant(&tenant).await.unwrap(), Write::Done);
        for user in from.users_of(&tenant.name, None, 1000).await.unwrap().items {
            let name = LoginName::new(&user.tenant, &user.name);
            let phc = from.credentials(&[name]).await.unwrap().pop().and_then(|credential| credential.phc);
            assert_eq!(to.create_user(NewUser::new(user.clone(), phc)).await.unwrap(), Creation::Done);
            for header in from.auth_headers(&user.id).await.unwrap() {
                assert_eq!(to.create_auth_header(&header).await.unwrap(), Write::Done);
            }
        }
    }
    for ticket in from.tickets() {
        assert_eq!(to.create_ticket(&ticket).await.unwrap(), Write::Done);
    }
    for login in from.persistent_logins() {
        assert_eq!(to.create_persistent_login(&login).await.unwrap(), Write::Done);
    }
    for token in from.access_tokens().await.unwrap() {
        assert_eq!(to.create_access_token(&token).await.unwrap(), Write::Done);
    }
    for key in world.issued().iter().filter_map(|secret| OneTimeKey::of(secret)) {
        let wanted = Lookup { one_time: Some(key.clone()), users: vec![key.user], ..Lookup::default() };
        let mut found = from.lookup(wanted).await.unwrap();
        if let (Some(token), Some(user)) = (found.one_time, found.users.pop()) {
            let name = LoginName::new(&user.tenant, &user.name);
            assert_eq!(to.create_one_time(&name, &token, world.stack.clock.now()).await.unwrap(), Write::Done);
        }
    }
}

/// What a request takes, and what it takes more when the use of its credential is to be noted.
async fn measured(name: &str) -> (Spent, Units) {
    let world = World::new().await;
    let (first, second) = (good(&world, name).await, good(&world, name).await);
    let bench = Box::pin(Bench::with(world)).await;
    // The first request of an environment also reads its tenant's rules.
    assert!(bench.send(&first).await.0, "{name}");
    let (good, whole) = bench.send(&second).await;
    assert!(good, "{name}");
    let (again, steady) = bench.send(&second).await;
    if !again || name == WRITES_WHEN_DUE {
        return (whole, Units::new());
    }
    bench.world.stack.clock.advance(LATER);
    let (later, due) = bench.send(&second).await;
    let mut noted = if later { due.writes } else { Units::new() };
    noted.retain(|table, units| {
        *units -= steady.writes.get(table).copied().unwrap_or_default();
        *units > 0.0
    });
    let was_due = whole != steady && !noted.is_empty();
    (if was_due { steady } else { whole }, noted)
}

/// Requests that differ from the good one of an endpoint.
async fn more() -> Vec<(&'static str, (Spent, Units))> {
    let world = World::new().await;
    let login =
        |name: &str, password: &str| Call::to("user-login").json(&json!({ "username": name, "password": password }));
    let password = world.demo.password.clone();
    let (jwt, ticket) = (world.jwt(&world.demo).await, world.ticket(&world.demo).await);
    let header = world.auth_header(&jwt).await;
    let introspect = |token: &str| {
        Call::to("oauth2-introspect").header("x-api-key", &world.applications.full).form(&[("token", token)])
    };
    let introspected =
        [("oauth2-introspect.auth-header", introspect(&header)), ("oauth2-introspect.ticket", introspect(&ticket))];
    let bench = Box::pin(Bench::with(world)).await;
    bench.send(&login("demo", &password)).await;
    let mut all = Vec::new();
    for (name, call) in [
        ("user-login.refused", login("demo", "wrong")),
        ("user-login.by-address", login("demo@demo.example", &password)),
    ] {
        all.push((name, (bench.send(&call).await.1, Units::new())));
    }
    for (name, call) in introspected {
        bench.send(&call).await;
        let steady = bench.send(&call).await.1;
        bench.world.stack.clock.advance(LATER);
        all.push((name, (steady, bench.send(&call).await.1.writes)));
    }
    for (name, shown, value) in [
        ("authorizer", "authorization", format!("Bearer {jwt}")),
        ("authorizer.auth-header", "x-authorization", header),
    ] {
        bench.authorize(shown, &value).await;
        let steady = bench.authorize(shown, &value).await;
        bench.world.stack.clock.advance(LATER);
        all.push((name, (steady, bench.authorize(shown, &value).await.writes)));
    }
    all
}

fn yaml(units: &Units) -> String {
    let each: Vec<_> = units.iter().map(|(table, units)| format!("{table}: {units}")).collect();
    format!("{{{}}}", each.join(", "))
}

/// A row of the calculator's file, or what is measured in its form.
fn row(name: &str, (spent, noted): &(Spent, Units)) -> String {
    let (reads, writes) = (yaml(&spent.reads), yaml(&spent.writes));
    let Spent { trips, messages, .. } = spent;
    format!("{name}: trips {trips} reads {reads} writes {writes} noted {} messages {messages}", yaml(noted))
}

fn stated() -> BTreeMap<String, String> {
    let file: Value = yaml_serde::from_str(&read("cli/requests.yaml")).unwrap();
    let units = |value: &Value| {
        let members = value.as_object().into_iter().flatten();
        let each: BTreeMap<_, _> = members.map(|(table, units)| (table.clone(), units.as_f64().unwrap())).collect();
        let each: Vec<_> = each.iter().map(|(table, units)| format!("{table}: {units}")).collect();
        format!("{{{}}}", each.join(", "))
    };
    let rows = file["requests"].as_array().unwrap().iter();
    rows.map(|row| {
        let name = row["name"].as_str().unwrap();
        let (trips, messages) = (&row["trips"], row["messages"].as_u64().unwrap_or_default());
        let [reads, writes, noted] = ["reads", "writes", "noted"].map(|member| units(&row[member]));
        let shown = format!("trips {trips} reads {reads} writes {writes} noted {noted} messages {messages}");
        (name.to_owned(), format!("{name}: {shown}"))
    })
    .collect()
}

#[test]
fn every_request_takes_what_the_calculator_says() {
    on_a_large_stack(compare);
}

/// The SDK inside of a handler inside of a test is more than a test's thread has room for without optimisation.
fn on_a_large_stack<F: Future<Output = ()> + 'static>(test: fn() -> F) {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test());
    };
    std::thread::Builder::new().stack_size(64 << 20).spawn(run).unwrap().join().unwrap();
}

async fn compare() {
    let mut found = BTreeMap::new();
    for route in ROUTES {
        found.insert(route.name.to_owned(), row(route.name, &Box::pin(measured(route.name)).await));
    }
    for (name, spent) in Box::pin(more()).await {
        found.insert(name.to_owned(), row(name, &spent));
    }
    let stated = stated();
    let all = || found.keys().chain(stated.keys()).collect::<std::collections::BTreeSet<_>>();
    let differ: Vec<_> = all()
        .into_iter()
        .filter(|name| found.get(*name) != stated.get(*name))
        .map(|name| format!("stated {:?}, found {:?}", stated.get(name), found.get(name)))
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

/// Bytes of an item as DynamoDB bills them, a little above: names, texts, and 21 bytes for any number.
fn bytes(item: &std::collections::HashMap<String, AttributeValue>) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(_) => 21,
        AttributeValue::L(list) => 3 + list.iter().map(|entry| 1 + value_bytes(entry)).sum::<usize>(),
        AttributeValue::M(map) => {
            3 + map.iter().map(|(name, value)| 1 + name.len() + value_bytes(value)).sum::<usize>()
        }
        AttributeValue::Ns(set) => set.len() * 21,
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        other => panic!("a type that no item has: {other:?}"),
    }
}

/// What the calculator takes for the size of an item that nobody measured is above that of ordinary ones.
#[test]
fn items_are_no_larger_than_the_calculator_takes_them_for() {
    on_a_large_stack(measure_items);
}

async fn measure_items() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    world.auth_header(&jwt).await;
    let bench = Box::pin(Bench::with(world)).await;
    let call = Call::to("user-login");
    let login = json!({ "username": "demo", "password": bench.world.demo.password });
    assert!(bench.send(&call.json(&login)).await.0);
    let file: Value = yaml_serde::from_str(&read("cli/requests.yaml")).unwrap();
    let Tables { credentials, users, tickets, auth_headers, applications } = &*bench.meter.tables;
    for (table, name) in [
        (credentials, "credentials"),
        (users, "users"),
        (tickets, "tickets"),
        (auth_headers, "auth_headers"),
        (applications, "applications"),
    ] {
        let items = bench.client.scan().table_name(table).send().await.unwrap();
        let largest = items.items().iter().map(bytes).max().unwrap();
        tests::figure(&format!("the largest item of {name} has {largest} bytes"));
        let stated = file["sizes"][name].as_u64().unwrap();
        assert!(u64::try_from(largest).unwrap() <= stated, "{name}: {largest} bytes, stated {stated}");
    }
}
