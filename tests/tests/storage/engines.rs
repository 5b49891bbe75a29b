//! How the suite gets its stores.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cut::Proxy;
pub use crate::dynamodb_local::DynamoDbLocal;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use local::template::Template;
use local::{Cloud, dynamodb};
use shared::config::Config;
use shared::random::SystemRandom;
use shared::store::dynamo::{DynamoStore, Tables};
use shared::store::memory::MemoryStore;
use shared::user::UserId;

/// What the template leaves to whoever deploys.
fn parameters() -> BTreeMap<String, String> {
    BTreeMap::from([("Issuer".to_owned(), "https://auth.example.com".to_owned())])
}

/// A store on a throw-away local cloud, which must be kept as long as the store.
pub fn embedded() -> (Cloud, DynamoStore) {
    let cloud = Cloud::in_memory(&parameters()).unwrap();
    let config = Config::read(|name| cloud.environment().get(name).cloned()).unwrap();
    let client = dynamodb::client(&cloud.dynamodb_url());
    let store = DynamoStore::new(client, config.tables, Arc::new(SystemRandom));
    (cloud, store)
}

/// A way to a local cloud past its proxy.
pub fn direct(cloud: &Cloud) -> DynamoStore {
    DynamoStore::new(dynamodb::client(&cloud.dynamodb_url()), tables(cloud), Arc::new(SystemRandom))
}

/// A store on a throw-away local cloud that is reached through a proxy.
pub fn behind_proxy() -> (Cloud, Proxy, DynamoStore) {
    let cloud = Cloud::in_memory(&parameters()).unwrap();
    let config = Config::read(|name| cloud.environment().get(name).cloned()).unwrap();
    let proxy = Proxy::before(&cloud.dynamodb_url());
    let store = DynamoStore::new(dynamodb::client(&proxy.url()), config.tables, Arc::new(SystemRandom));
    (cloud, proxy, store)
}

/// The same, whose first failure is the last word, as it is when a process dies.
pub fn behind_proxy_and_without_retries() -> (Cloud, Proxy, DynamoStore) {
    let (cloud, proxy, _) = behind_proxy();
    let client = dynamodb::client(&proxy.url());
    let config = client.config().to_builder().retry_config(RetryConfig::disabled()).build();
    let store = DynamoStore::new(Client::from_conf(config), tables(&cloud), Arc::new(SystemRandom));
    (cloud, proxy, store)
}

fn tables(cloud: &Cloud) -> Tables {
    Config::read(|name| cloud.environment().get(name).cloned()).unwrap().tables
}

/// What is in the tables, past the store.
pub trait Raw {
    /// Every item that is somebody's: its key, or for what has a random one its kind, and whose it is.
    async fn owned(&self) -> Vec<(String, UserId)>;
}

impl Raw for MemoryStore {
    async fn owned(&self) -> Vec<(String, UserId)> {
        self.owned()
    }
}

/// The tables of a local cloud.
pub struct Scan(Client, Tables);

impl Scan {
    pub fn of(cloud: &Cloud) -> Self {
        Self(dynamodb::client(&cloud.dynamodb_url()), tables(cloud))
    }
}

impl Scan {
    /// Takes an item out of Credentials, as restoring an older state of that table alone does.
    pub async fn lose(&self, key: &str) {
        let Self(client, tables) = self;
        let delete = client.delete_item().table_name(&tables.credentials);
        delete.key("pk", AttributeValue::S(key.to_owned())).send().await.unwrap();
    }
}

impl Raw for Scan {
    async fn owned(&self) -> Vec<(String, UserId)> {
        let Self(client, tables) = self;
        let mut found = Vec::new();
        for (table, kind, owner) in [
            (&tables.credentials, None, "user"),
            (&tables.users, None, "pk"),
            (&tables.tickets, Some("T"), "pk"),
            (&tables.auth_headers, Some("H"), "pk"),
        ] {
            let mut items = client.scan().table_name(table).consistent_read(true).into_paginator().items().send();
            while let Some(item) = items.next().await {
                let item = item.unwrap();
                let key = item["pk"].as_s().unwrap();
                let kind = if key.starts_with("RESET#") { Some("RESET") } else { kind };
                let persistent = item.get("sk").is_some_and(|sk| sk.as_s().unwrap().starts_with("P#"));
                let kind = if persistent { Some("P") } else { kind };
                let owner = UserId::parse(item[owner].as_s().unwrap()).unwrap();
                found.push((kind.unwrap_or(key).to_owned(), owner));
            }
        }
        found
    }
}

impl DynamoDbLocal {
    /// A store on fresh tables whose names start with `prefix`.
    pub async fn store(&self, prefix: &str) -> DynamoStore {
        let template = Template::read(&local::template_path(), &parameters()).unwrap();
        let client = dynamodb::client(self.url());
        let prefixed = |name: &str| format!("{prefix}-{name}");
        let mut tables = template.tables().unwrap();
        for table in &mut tables {
            table.name = prefixed(&table.name);
        }
        dynamodb::create_tables(&client, &tables).await.unwrap();
        let names = Tables {
            credentials: prefixed("CredentialsTable"),
            users: prefixed("UsersTable"),
            tickets: prefixed("TicketsTable"),
            auth_headers: prefixed("AuthHeadersTable"),
            applications: prefixed("ApplicationsTable"),
        };
        DynamoStore::new(client, names, Arc::new(SystemRandom))
    }
}
