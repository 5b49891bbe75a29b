//! The engines behind the proxy, and what is in their tables past the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use local::template::Template;
use local::{Cloud, dynamodb};
use shared::aws::{retries, timeouts};
use shared::config::Config;
use shared::random::Random;
use shared::store::dynamo::{DynamoStore, Tables};

use crate::dynamodb_local::DynamoDbLocal;

/// A DynamoDB with the template's tables.
pub struct Engine {
    url: String,
    pub tables: Tables,
    /// Ends with this.
    _running: (Option<Cloud>, Option<DynamoDbLocal>),
}

/// How long a client of the store waits.
#[derive(Clone, Copy)]
pub enum Patience {
    /// As long as the functions do.
    Theirs,
    /// As long as it takes: for what is no matter of time, on a machine that may be busy.
    Unlimited,
    /// As long as it takes, and once.
    OneTry,
}

/// What the template leaves to whoever deploys.
fn parameters() -> BTreeMap<String, String> {
    BTreeMap::from([("Issuer".to_owned(), "https://auth.example.com".to_owned())])
}

impl Engine {
    pub fn embedded() -> Self {
        let cloud = Cloud::in_memory(&parameters()).unwrap();
        let tables = Config::read(|name| cloud.environment().get(name).cloned()).unwrap().tables;
        Self { url: cloud.dynamodb_url(), tables, _running: (Some(cloud), None) }
    }

    /// AWS's own, where it is there.
    pub async fn dynamodb_local() -> Option<Self> {
        let engine = DynamoDbLocal::start()?;
        let tables = Template::read(&local::template_path(), &parameters()).unwrap().tables().unwrap();
        dynamodb::create_tables(&dynamodb::client(engine.url()), &tables).await.unwrap();
        let names = ["Credentials", "Users", "Tickets", "AuthHeaders", "Applications"];
        let [credentials, users, tickets, auth_headers, applications] = names.map(|name| format!("{name}Table"));
        let tables = Tables { credentials, users, tickets, auth_headers, applications };
        Some(Self { url: engine.url().to_owned(), tables, _running: (None, Some(engine)) })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client that repeats its tries as the functions' does.
    pub fn client(url: &str, patience: Patience) -> Client {
        let timeouts = match patience {
            Patience::Theirs => timeouts(),
            Patience::Unlimited | Patience::OneTry => TimeoutConfig::disabled(),
        };
        let retries = if matches!(patience, Patience::OneTry) { RetryConfig::disabled() } else { retries() };
        let config = dynamodb::client(url).config().to_builder().retry_config(retries).timeout_config(timeouts);
        Client::from_conf(config.build())
    }

    /// The store of a function that finds DynamoDB at `url`.
    pub fn store(&self, url: &str, patience: Patience, random: Arc<dyn Random>) -> DynamoStore {
        DynamoStore::new(Self::client(url, patience), self.tables.clone(), random)
    }

    async fn items(&self, table: &str) -> Vec<BTreeMap<String, String>> {
        let mut found = Vec::new();
        let client = dynamodb::client(&self.url);
        let mut items = client.scan().table_name(table).consistent_read(true).into_paginator().items().send();
        while let Some(item) = items.next().await {
            let texts = item.unwrap().into_iter().filter_map(|(name, value)| match value {
                AttributeValue::S(text) => Some((name, text)),
                _ => None,
            });
            found.push(texts.collect());
        }
        found
    }

    /// What is wrong with names and addresses: each has to be its user's and no other's, and every user its own.
    pub async fn flaws(&self) -> Vec<String> {
        let (mut expected, mut found) = (BTreeSet::new(), BTreeSet::new());
        for user in self.items(&self.tables.users).await {
            let (id, tenant) = (&user["pk"], &user["tenant"]);
            expected.insert((format!("NAME#{tenant}#{}", user["name"]), id.clone()));
            if let Some(email) = user.get("email") {
                expected.insert((format!("EMAIL#{tenant}#{email}"), id.clone()));
            }
        }
        for item in self.items(&self.tables.credentials).await {
            if item["pk"].starts_with("NAME#") || item["pk"].starts_with("EMAIL#") {
                found.insert((item["pk"].clone(), item["user"].clone()));
            }
        }
        expected.symmetric_difference(&found).map(|(key, user)| format!("{key} and {user}")).collect()
    }
}
