//! The cloud that the functions in containers use: tells where it is, what the functions' variables are and with which
//! credentials they can be called, on one line of JSON, and ends with its standard input.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read as _};
use std::sync::Arc;

use local::cloud::Cloud;
use local::demo::{self, Demo};
use local::dynamodb;
use serde_json::{Value, json};
use shared::access_token::{AccessToken, Action, TenantPermission};
use shared::clock::{Clock as _, SystemClock};
use shared::config::Config;
use shared::one_time::{OneTime, Purpose};
use shared::random::SystemRandom;
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, LoginName, Lookup, Store as _, Write};
use shared::tenant::TenantName;
use shared::user::{UserId, UserName};

/// A stack behind a domain, which the events name too.
const ISSUER: &str = "https://auth.example.com";

fn main() {
    let parameters = BTreeMap::from([
        ("Issuer".to_owned(), ISSUER.to_owned()),
        ("DefaultTenant".to_owned(), demo::TENANT.to_owned()),
    ]);
    let cloud = told(Cloud::in_memory(&parameters));
    let demo = told(demo::prepare(&cloud, ISSUER));
    let runtime = told(tokio::runtime::Builder::new_current_thread().enable_all().build());
    let placeholders = runtime.block_on(placeholders(&cloud, &demo));
    let stand = json!({
        "environment": cloud.environment(),
        "endpoints": {
            "DYNAMODB": cloud.dynamodb_url(),
            "SECRETS_MANAGER": cloud.secrets_url(),
            "EVENTBRIDGE": cloud.events_url(),
        },
        "placeholders": placeholders,
    });
    println!("{stand}");
    let _ = io::stdin().read(&mut [0]);
    cloud.stop();
}

/// What stands for the placeholders of `events/expected.json`, as far as no function tells it.
async fn placeholders(cloud: &Cloud, demo: &Demo) -> Value {
    let config = told(Config::read(|name| cloud.environment().get(name).cloned()));
    let store = DynamoStore::new(dynamodb::client(&cloud.dynamodb_url()), config.tables, Arc::new(SystemRandom));
    let everything = application(&store, "everywhere", false, None).await;
    let master = application(&store, "master", true, Some(Vec::new())).await;
    json!({
        "password": demo.password,
        "accessTokenId": demo.access_token_id,
        "masterTokenId": master,
        "stackTokenId": everything,
        "applicationId": demo::APPLICATION,
        "profileId": demo.profile_id,
        "resetToken": one_time_token(&store, demo, |version| Purpose::Reset { version }).await,
        "verificationToken": one_time_token(&store, demo, |_| Purpose::Verify).await,
    })
}

/// The access token of an application with these rights in every tenant.
async fn application(store: &DynamoStore, name: &str, master: bool, actions: Option<Vec<Action>>) -> String {
    let text = AccessToken::generate(&SystemRandom);
    let token = AccessToken {
        digest: text.digest(),
        application: name.to_owned(),
        master,
        permissions: vec![TenantPermission { tenant: None, actions }],
        expires: None,
        created: SystemClock.now(),
    };
    assert_eq!(told(store.create_access_token(&token).await), Write::Done);
    text.expose_secret().to_owned()
}

/// A token that the user was sent, as it were.
async fn one_time_token(store: &DynamoStore, demo: &Demo, purpose: impl Fn(u64) -> Purpose) -> String {
    let tenant = TenantName::parse(&demo.tenant).expect("a tenant");
    let name = LoginName::new(&tenant, &UserName::parse(&demo.username).expect("a name"));
    let users = vec![UserId::parse(&demo.profile_id).expect("an id")];
    let wanted = Lookup { credential: Some(name.clone()), users, ..Lookup::default() };
    let found = told(store.lookup(wanted).await);
    let version = found.credential.expect("the demo user's password").version;
    let now = SystemClock.now();
    let (token, text) = OneTime::issue(&found.users[0], purpose(version), now, &SystemRandom);
    assert_eq!(told(store.create_one_time(&name, &token, now).await), Write::Done);
    text.expose_secret().to_owned()
}

/// What can fail for reasons of the machine says so in words.
fn told<T, E: Error>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{}", local::chain(&error)))
}
