//! Items that were written by earlier versions are read and changed as today's are, and those of later versions are refused
//! and not misread.
//!
//! `items/*.json` holds items of every kind as they were written, in DynamoDB's own JSON. What is there is never changed:
//! it is what somebody's tables hold. Where a kind is written in another way, `UPDATE_ITEMS=1` adds today's items to it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use local::{Cloud, dynamodb};
use serde_json::{Value, json};
use shared::access_token::{AccessToken, Action, TenantPermission};
use shared::auth_header::{AuthHeader, Choices};
use shared::clock::Timestamp;
use shared::config::Config;
use shared::error::Problem;
use shared::keyring::Algorithm;
use shared::lockout::{Admits, CounterKey, Gate, Guesses, Lock, Place};
use shared::one_time::{OneTime, Purpose};
use shared::password::Phc;
use shared::persistent_login::PersistentLogin;
use shared::source::Source;
use shared::store::dynamo::{DynamoStore, Tables, formats};
use shared::store::{
    Administration as _, Creation, Credential, Guess, Guessed, LoginCommit, LoginName, Lookup, NewPassword, NewUser,
    PasswordChange, Proof, Renewal, Step, Store as _, StoreError, Update, Write,
};
use shared::tenant::{Lifetimes, Tenant, TenantName};
use shared::testing::{SeededRandom, user};
use shared::ticket::{Limits, Lineage, Origin, Ticket};
use shared::user::{Email, User};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const LIMITS: Limits = Limits { idle: Some(Duration::from_secs(900)), absolute: Duration::from_secs(86_400) };

type Item = HashMap<String, AttributeValue>;

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn phc(number: u8) -> Phc {
    Phc::from_stored(format!("$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHQ{number}$aGFzaGhhc2hoYXNoaGFzaA"))
}

/// What the items are of: the same every time.
struct Samples {
    tenant: Tenant,
    strict: Tenant,
    jane: User,
    bare: User,
    ticket: Ticket,
    busy: Ticket,
    series: PersistentLogin,
    refreshed: PersistentLogin,
    header: AuthHeader,
    lasting: AuthHeader,
    token: AccessToken,
    master: AccessToken,
    reset: OneTime,
    verify: OneTime,
}

impl Samples {
    fn new() -> Self {
        let random = SeededRandom::new(11);
        let tenant = Tenant::new(TenantName::parse("acme").unwrap(), NOW);
        let mut strict = Tenant::new(TenantName::parse("Strict.co").unwrap(), NOW);
        strict.settings.lifetimes = Lifetimes { login_jwt: Some(Duration::from_secs(600)), ..Lifetimes::default() };
        strict.settings.password.max_age = Some(Duration::from_hours(24));
        strict.settings.verified_email = true;
        strict.settings.algorithms = vec![Algorithm::Es256];
        strict.settings.accepts_new_profiles = false;
        strict.settings.available_roles = vec!["author".to_owned()];
        strict.revision = 1;
        let name = TenantName::parse("acme").unwrap();
        let jane = User {
            tenant: name.clone(),
            email: Email::parse("Jane@example.com"),
            email_verified: true,
            first_name: Some("Jane".to_owned()),
            last_name: Some("Doe".to_owned()),
            display_name: Some("J. Doe".to_owned()),
            application: Some("shop".to_owned()),
            roles: vec!["tenant-admin".to_owned()],
            attributes: BTreeMap::from([
                ("team".to_owned(), json!("blue")),
                ("size".to_owned(), json!({ "a": [1, null] })),
            ]),
            created: NOW,
            modified: NOW,
            session_epoch: 1_800_000_000_000,
            key_epoch: 1_800_000_000_000,
            ..user("jane-id")
        };
        let bare = User { tenant: name, created: NOW, modified: NOW, ..user("bare-id") };
        let source = Source::new(Some("203.0.113.9"), Some("curl/8"));
        let (ticket, _) = Ticket::issue(&bare, Origin::Login, LIMITS, Source::default(), NOW, &random);
        let (busy, _) = Ticket::issue(&jane, Origin::Profile, LIMITS, source, NOW, &random);
        let fortnight = Duration::from_hours(24 * 15);
        let (series, _) = PersistentLogin::issue(&bare, fortnight, NOW, &random);
        let (refreshed, _) = PersistentLogin::issue(&jane, fortnight, NOW, &random);
        let choices = Choices { name: "ci".to_owned(), expires: Some(later(90_000)), scopes: vec!["read".to_owned()] };
        let (header, _) = AuthHeader::issue(&jane, choices, NOW, &random);
        let (lasting, _) = AuthHeader::issue(&bare, Choices::default(), NOW, &random);
        let permissions = vec![
            TenantPermission { tenant: Some(jane.tenant.clone()), actions: Some(vec![Action::ReadTenant]) },
            TenantPermission { tenant: None, actions: None },
        ];
        let token = |text: &str| AccessToken {
            digest: shared::secret::Digest::of(text.as_bytes()),
            application: "shop".to_owned(),
            master: false,
            permissions: permissions.clone(),
            expires: Some(later(90_000)),
            created: NOW,
        };
        let master = AccessToken { master: true, permissions: Vec::new(), expires: None, ..token("master") };
        let (reset, _) = OneTime::issue(&jane, Purpose::Reset { version: jane.session_epoch }, NOW, &random);
        let (verify, _) = OneTime::issue(&bare, Purpose::Verify, NOW, &random);
        let token = token("token");
        Self {
            tenant,
            strict,
            jane,
            bare,
            ticket,
            busy,
            series,
            refreshed,
            header,
            lasting,
            token,
            master,
            reset,
            verify,
        }
    }

    fn at_home() -> CounterKey {
        CounterKey { day: 20_833, place: Place::of(Some("203.0.113.0/24")) }
    }

    /// Writes all of them by the store's own methods.
    async fn write(&self, store: &DynamoStore) {
        for tenant in [&self.tenant, &self.strict] {
            assert_eq!(store.create_tenant(&Tenant { revision: 0, ..tenant.clone() }).await.unwrap(), Write::Done);
        }
        assert_eq!(store.update_tenant(&Tenant { revision: 0, ..self.strict.clone() }).await.unwrap(), Write::Done);
        let password =
            NewPassword { history: vec![phc(2)], expires: Some(later(9_999)), ..NewPassword::new(phc(1), NOW) };
        let account = NewUser { user: self.jane.clone(), password: Some(password) };
        assert_eq!(store.create_user(account).await.unwrap(), Creation::Done);
        assert_eq!(store.create_user(NewUser::new(self.bare.clone(), None)).await.unwrap(), Creation::Done);
        let name = name_of(&self.jane);
        let (key, place) = (Self::at_home(), Place::of(Some("198.51.100.0/24")));
        let guess = Guess {
            name: name.clone(),
            found: Guessed::Wrong { mark: 7 },
            locks: vec![Lock { key: key.clone(), admits: Admits::Below(5) }],
            counted: vec![key],
            stale: Vec::new(),
            at: later(1),
        };
        assert_eq!(store.record_guess(guess).await.unwrap(), Write::Done);
        let gate = Gate { locks: Vec::new(), place, stale: Vec::new(), forgotten: Vec::new() };
        let (version, user) = (self.jane.session_epoch, self.jane.id.clone());
        let login = LoginCommit { name: name.clone(), version, user, gate, at: later(2) };
        assert_eq!(store.commit_login(login).await.unwrap(), Write::Done);
        for (account, token) in [(&self.jane, &self.reset), (&self.bare, &self.verify)] {
            assert_eq!(store.create_one_time(&name_of(account), token, NOW).await.unwrap(), Write::Done);
        }
        for ticket in [&self.ticket, &self.busy] {
            assert_eq!(store.create_ticket(ticket).await.unwrap(), Write::Done);
        }
        for step in
            [Step::Advance { from: Lineage { branch: 0, generation: 0 }, alone: true }, Step::Fork { branches: 1 }]
        {
            let renewal = Renewal { step, expires: self.busy.expires, at: later(3) };
            assert_eq!(store.renew_ticket(&self.busy.key, renewal).await.unwrap(), Write::Done);
        }
        for series in [&self.series, &self.refreshed] {
            assert_eq!(store.create_persistent_login(series).await.unwrap(), Write::Done);
        }
        assert_eq!(store.refresh_persistent_login(&self.refreshed.key, 0, later(4)).await.unwrap(), Write::Done);
        for header in [&self.header, &self.lasting] {
            assert_eq!(store.create_auth_header(header).await.unwrap(), Write::Done);
        }
        store.note_auth_header_use(&self.header.key, later(5)).await.unwrap();
        for token in [&self.token, &self.master] {
            assert_eq!(store.create_access_token(token).await.unwrap(), Write::Done);
        }
    }
}

fn name_of(user: &User) -> LoginName {
    LoginName::new(&user.tenant, &user.name)
}

/// A throw-away cloud, its store, and its tables past the store.
struct Stand {
    _cloud: Cloud,
    client: Client,
    tables: Tables,
    store: DynamoStore,
}

impl Stand {
    fn new() -> Self {
        let parameters = BTreeMap::from([("Issuer".to_owned(), "https://auth.example.com".to_owned())]);
        let cloud = Cloud::in_memory(&parameters).unwrap();
        let tables = Config::read(|name| cloud.environment().get(name).cloned()).unwrap().tables;
        let client = dynamodb::client(&cloud.dynamodb_url());
        let store = DynamoStore::new(client.clone(), tables.clone(), Arc::new(SeededRandom::new(12)));
        Self { _cloud: cloud, client, tables, store }
    }

    fn all(&self) -> [&String; 5] {
        let Tables { credentials, users, tickets, auth_headers, applications } = &self.tables;
        [credentials, users, tickets, auth_headers, applications]
    }

    /// The table that holds items of a kind.
    fn table(&self, kind: &str) -> &str {
        match kind {
            "credential" | "claim" | "one-time token" => &self.tables.credentials,
            "user" => &self.tables.users,
            "ticket" | "persistent login" => &self.tables.tickets,
            "auth header" => &self.tables.auth_headers,
            "tenant" | "access token" => &self.tables.applications,
            other => panic!("which table holds a {other}?"),
        }
    }

    async fn put(&self, kind: &str, item: Item) {
        self.client.put_item().table_name(self.table(kind)).set_item(Some(item)).send().await.unwrap();
    }

    /// Every item there is, by its kind.
    async fn items(&self) -> Vec<(&'static str, Item)> {
        let mut all = Vec::new();
        for table in self.all() {
            let mut items = self.client.scan().table_name(table).into_paginator().items().send();
            while let Some(item) = items.next().await {
                let item = item.unwrap();
                all.push((kind_of(&item), item));
            }
        }
        all
    }
}

fn kind_of(item: &Item) -> &'static str {
    let (pk, sk) = (item["pk"].as_s().unwrap(), item.get("sk").map(|sk| sk.as_s().unwrap().as_str()));
    let (kind, _) = pk.split_once('#').unwrap_or_default();
    match (kind, sk) {
        ("NAME", None) => "credential",
        ("EMAIL", None) => "claim",
        ("RESET", None) => "one-time token",
        ("TENANT", None) => "tenant",
        ("TOKEN", None) => "access token",
        ("", None) => "user",
        ("", Some(sk)) if sk.starts_with("T#") => "ticket",
        ("", Some(sk)) if sk.starts_with("P#") => "persistent login",
        ("", Some(_)) => "auth header",
        other => panic!("of no known kind: {other:?}"),
    }
}

/// DynamoDB's JSON.
fn to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(claim) => json!({ "BOOL": claim }),
        AttributeValue::Ns(numbers) => json!({ "NS": numbers }),
        AttributeValue::L(list) => json!({ "L": list.iter().map(to_json).collect::<Vec<_>>() }),
        AttributeValue::M(map) => json!({ "M": item_json(map) }),
        other => panic!("an item of ours holds {other:?}"),
    }
}

fn item_json(item: &Item) -> Value {
    item.iter().map(|(name, value)| (name.clone(), to_json(value))).collect::<serde_json::Map<_, _>>().into()
}

fn of_json(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    let text = || value.as_str().unwrap().to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "BOOL" => AttributeValue::Bool(value.as_bool().unwrap()),
        "NS" => AttributeValue::Ns(value.as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned()).collect()),
        "L" => AttributeValue::L(value.as_array().unwrap().iter().map(of_json).collect()),
        "M" => AttributeValue::M(item_of_json(value)),
        other => panic!("{other} is in no item of ours"),
    }
}

fn item_of_json(item: &Value) -> Item {
    item.as_object().unwrap().iter().map(|(name, value)| (name.clone(), of_json(value))).collect()
}

fn file(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("items").join(format!("{}.json", kind.replace(' ', "-")))
}

/// The items of a kind as they were written so far.
fn written(kind: &str) -> Vec<Value> {
    let path = file(kind);
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("no {kind} as it was written: {}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn version(item: &Value) -> u64 {
    item.get("v").map_or(1, |version| version["N"].as_str().unwrap().parse().unwrap())
}

/// What is written by today's code, without the marks of writes.
async fn todays() -> Vec<(&'static str, Value)> {
    let stand = Stand::new();
    Samples::new().write(&stand.store).await;
    let mut all: Vec<_> = stand
        .items()
        .await
        .into_iter()
        .map(|(kind, mut item)| {
            item.remove("op");
            (kind, item_json(&item))
        })
        .collect();
    all.sort_by_key(|(kind, item)| (*kind, item["pk"].to_string()));
    all
}

#[tokio::test]
async fn what_is_written_today_is_among_what_was_written() {
    let mut unknown: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (kind, item) in todays().await {
        let known = if file(kind).exists() { written(kind) } else { Vec::new() };
        if !known.contains(&item) {
            unknown.entry(kind).or_insert(known).push(item);
        }
    }
    if std::env::var_os("UPDATE_ITEMS").is_some() {
        for (kind, items) in &unknown {
            fs::write(file(kind), format!("{:#}\n", json!(items))).unwrap();
        }
        return;
    }
    let kinds: Vec<_> = unknown.keys().collect();
    assert!(
        kinds.is_empty(),
        "{kinds:?} are written in another way than before: read docs/upgrading.md, then UPDATE_ITEMS=1"
    );
}

#[test]
fn every_kind_has_items_of_every_version_of_its_format() {
    let mut known = Vec::new();
    for (kind, newest) in formats() {
        let versions: Vec<u64> = written(kind).iter().map(version).collect();
        for wanted in 1..=newest {
            assert!(versions.contains(&wanted), "no {kind} of version {wanted} in tests/items");
        }
        assert!(versions.iter().all(|version| *version <= newest), "a {kind} of a version that there is not");
        known.push(file(kind));
    }
    let files: Vec<_> = fs::read_dir(file("x").parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), known.len(), "one file for each kind: {files:?}");
}

/// Whose key an item has is told by the samples; whatever else it holds is compared with what they hold.
async fn read_back(stand: &Stand, samples: &Samples, kind: &str, item: &Value) {
    let pk = item["pk"]["S"].as_str().unwrap();
    let store = &stand.store;
    let look = |wanted: Lookup| store.lookup(wanted);
    match kind {
        "credential" => {
            let who = if pk.contains("jane") { &samples.jane } else { &samples.bare };
            let found = look(Lookup { credential: Some(name_of(who)), ..Lookup::default() }).await.unwrap();
            credential_is(&found.credential.unwrap(), who, item);
        }
        "claim" => {
            let claim = LoginName::typed_email("acme", "jane@example.com");
            let found = look(Lookup { claim, ..Lookup::default() }).await.unwrap().claim.unwrap();
            assert_eq!((found.user, found.name), (samples.jane.id.clone(), name_of(&samples.jane)));
        }
        "one-time token" => {
            let token = if item["purpose"]["S"] == "reset" { &samples.reset } else { &samples.verify };
            let found = look(Lookup { one_time: Some(token.key.clone()), ..Lookup::default() }).await.unwrap();
            assert_eq!(found.one_time.as_ref(), Some(token));
        }
        "user" => {
            let who = if pk == "jane-id" { &samples.jane } else { &samples.bare };
            let found = look(Lookup { users: vec![who.id.clone()], ..Lookup::default() }).await.unwrap();
            assert_eq!(found.users.first(), Some(who));
        }
        "ticket" => {
            let wanted = if pk == "jane-id" { &samples.busy } else { &samples.ticket };
            let found = look(Lookup { ticket: Some(wanted.key.clone()), ..Lookup::default() }).await.unwrap();
            let found = found.ticket.unwrap();
            let counted = (found.branches.len(), found.branches[0].generation, found.last_request);
            assert_eq!(counted, if pk == "jane-id" { (2, 1, later(3)) } else { (1, 0, NOW) });
            let (branches, last_request) = (wanted.branches.clone(), wanted.last_request);
            assert_eq!(Ticket { branches, last_request, ..found }, *wanted);
        }
        "persistent login" => {
            let wanted = if pk == "jane-id" { &samples.refreshed } else { &samples.series };
            let found = look(Lookup { persistent_login: Some(wanted.key.clone()), ..Lookup::default() }).await.unwrap();
            let found = found.persistent_login.unwrap();
            let counted = (found.generation, found.refreshed);
            assert_eq!(counted, if pk == "jane-id" { (1, Some(later(4))) } else { (0, None) });
            assert!(PersistentLogin { generation: 0, refreshed: None, ..found } == *wanted);
        }
        "auth header" => {
            let wanted = if pk == "jane-id" { &samples.header } else { &samples.lasting };
            let found = look(Lookup { auth_header: Some(wanted.key.clone()), ..Lookup::default() }).await.unwrap();
            let found = found.auth_header.unwrap();
            assert_eq!(found.last_used, (pk == "jane-id").then(|| later(5)));
            assert_eq!(AuthHeader { last_used: None, ..found }, *wanted);
        }
        "tenant" => {
            let wanted = if pk == "TENANT#acme" { &samples.tenant } else { &samples.strict };
            let found = look(Lookup { tenant: Some(wanted.name.clone()), ..Lookup::default() }).await.unwrap();
            assert_eq!(found.tenant.as_ref(), Some(wanted));
        }
        "access token" => {
            let wanted = if item["master"]["BOOL"] == true { &samples.master } else { &samples.token };
            let found = look(Lookup { access_token: Some(wanted.digest), ..Lookup::default() }).await.unwrap();
            assert_eq!(found.access_token.as_ref(), Some(wanted));
        }
        other => panic!("how is a {other} read?"),
    }
}

fn credential_is(found: &Credential, who: &User, item: &Value) {
    assert_eq!((&found.user, found.version, found.password_changed), (&who.id, who.session_epoch, NOW));
    let mut guesses = Guesses::default();
    if who.id.as_str() == "bare-id" {
        assert!(found.phc.is_none() && found.history.is_empty() && found.password_expires.is_none());
    } else {
        assert_eq!(found.phc.as_ref().unwrap().expose_secret(), phc(1).expose_secret());
        // Those of before there was a history lack it.
        assert_eq!(found.history.len(), usize::from(item.get("history").is_some()));
        assert_eq!((found.password_expires, found.last_login), (Some(later(9_999)), Some(later(2))));
        guesses.known.insert(Place::of(Some("198.51.100.0/24")), later(2));
        let counter = guesses.counters.entry(Samples::at_home()).or_default();
        (counter.failures, counter.last) = (1, Some(later(1)));
        counter.marks.insert(7);
    }
    assert_eq!((&found.guesses.counters, &found.guesses.known), (&guesses.counters, &guesses.known));
}

#[tokio::test]
async fn every_item_that_was_written_is_read() {
    let (stand, samples) = (Stand::new(), Samples::new());
    let mut read = 0;
    for (kind, _) in formats() {
        for item in written(kind) {
            stand.put(kind, item_of_json(&item)).await;
            read_back(&stand, &samples, kind, &item).await;
            read += 1;
        }
    }
    assert!(read >= 2 * 17, "{read} items: with a version and from before there were any");
}

#[tokio::test]
async fn the_first_items_ever_are_changed_like_todays() {
    let (stand, samples) = (Stand::new(), Samples::new());
    for (kind, _) in formats() {
        for item in written(kind).iter().filter(|item| item.get("v").is_none()) {
            stand.put(kind, item_of_json(item)).await;
        }
    }
    let store = &stand.store;
    let done = |what: &str, written: Result<Write, StoreError>| assert_eq!(written.unwrap(), Write::Done, "{what}");
    let (jane, bare) = (&samples.jane, &samples.bare);
    done("touch", store.touch_ticket(&samples.ticket.key, later(10)).await);
    let step = Step::Advance { from: Lineage { branch: 0, generation: 0 }, alone: true };
    let renewal = Renewal { step, expires: samples.ticket.expires, at: later(11) };
    done("renew", store.renew_ticket(&samples.ticket.key, renewal).await);
    done("refresh", store.refresh_persistent_login(&samples.series.key, 0, later(12)).await);
    let (new, _) = AuthHeader::issue(bare, Choices::default(), later(13), &SeededRandom::new(5));
    done("rotate", store.rotate_auth_header(&samples.lasting.key, later(14), &new).await);
    done("verify", store.verify_email(&samples.verify, later(15)).await.map(|_| Write::Done));
    done("rules", store.update_tenant(&samples.tenant).await);
    done("rules again", store.update_tenant(&samples.strict).await);
    let narrowed = AccessToken { permissions: Vec::new(), ..samples.token.clone() };
    done("rights", store.update_access_token(&samples.token, &narrowed).await);
    let change = PasswordChange {
        name: name_of(jane),
        user: jane.id.clone(),
        version: jane.session_epoch,
        password: NewPassword::new(phc(3), later(16)),
        proof: Proof::Reset(samples.reset.clone()),
        end_auth_headers: false,
        forget: vec![Samples::at_home()],
        place: None,
        at: later(16),
    };
    done("reset", store.change_password(change).await);
    let mut found = store.lookup(Lookup { users: vec![jane.id.clone()], ..Lookup::default() }).await.unwrap();
    let before = found.users.pop().unwrap();
    let after = User { email: Email::parse("jd@example.com"), modified: later(17), ..before.clone() };
    let after = User { name: shared::user::UserName::parse("jd").unwrap(), ..after };
    assert_eq!(store.update_user(&before, &after).await.unwrap(), Update::Done);
    done("expire", store.expire_password(&name_of(&after), Some(later(18))).await);
    done("disable", store.set_enabled(&after, false, later(19)).await);
    done("end", store.end_tickets(&bare.id, bare.session_epoch, Some(&samples.ticket.key)).await);
    for (kind, item) in stand.items().await {
        let table = stand.table(kind);
        let sample = shared::store::dynamo::restored::sample(&stand.client, table, 100).await.unwrap();
        assert_eq!(sample.unreadable, 0, "{kind} {item:?}");
    }
}

#[tokio::test]
async fn an_item_of_a_later_format_is_refused_by_its_kind_and_version() {
    let (stand, samples) = (Stand::new(), Samples::new());
    for (kind, newest) in formats() {
        let mut later = written(kind).into_iter().next_back().unwrap();
        let version = newest + 1;
        later["v"] = json!({ "N": version.to_string() });
        stand.put(kind, item_of_json(&later)).await;
        let pk = later["pk"]["S"].as_str().unwrap().to_owned();
        let wanted = wanted(&samples, kind, &pk, &later);
        let Err(error) = stand.store.lookup(wanted).await else { panic!("a {kind} of version {version} was read") };
        let text = error.to_string();
        assert!(matches!(error, StoreError::Newer { .. }), "{kind}: {text}");
        assert!(text.contains(kind) && text.contains(&format!("format {version},")), "{text}");
        let problem = Problem::from(error);
        let answer = problem.render(shared::api::Family::Profile);
        assert_eq!(answer.status(), 503, "{kind}: an outage here, and no verdict");
    }
}

fn wanted(samples: &Samples, kind: &str, pk: &str, item: &Value) -> Lookup {
    let jane = pk.contains("jane");
    let pick = |one, other| if jane { one } else { other };
    let nothing = Lookup::default();
    match kind {
        "credential" => Lookup { credential: Some(name_of(pick(&samples.jane, &samples.bare))), ..nothing },
        "claim" => Lookup { claim: LoginName::typed_email("acme", "jane@example.com"), ..nothing },
        "one-time token" => {
            let token = if item["purpose"]["S"] == "reset" { &samples.reset } else { &samples.verify };
            Lookup { one_time: Some(token.key.clone()), ..nothing }
        }
        "user" => Lookup { users: vec![pick(&samples.jane, &samples.bare).id.clone()], ..nothing },
        "ticket" => {
            let ticket = if jane { &samples.busy } else { &samples.ticket };
            Lookup { ticket: Some(ticket.key.clone()), ..nothing }
        }
        "persistent login" => {
            let series = if jane { &samples.refreshed } else { &samples.series };
            Lookup { persistent_login: Some(series.key.clone()), ..nothing }
        }
        "auth header" => {
            let header = if jane { &samples.header } else { &samples.lasting };
            Lookup { auth_header: Some(header.key.clone()), ..nothing }
        }
        "tenant" => {
            let tenant = if pk == "TENANT#acme" { &samples.tenant } else { &samples.strict };
            Lookup { tenant: Some(tenant.name.clone()), ..nothing }
        }
        "access token" => {
            let token = if item["master"]["BOOL"] == true { &samples.master } else { &samples.token };
            Lookup { access_token: Some(token.digest), ..nothing }
        }
        other => panic!("how is a {other} looked up?"),
    }
}
