//! The same stack over the store in memory and over the embedded engine, where somebody sweeps or nobody does.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use local::{Cloud, dynamodb};
use shared::access_token::{Action, TenantPermission};
use shared::clock::Clock as _;
use shared::config::Config;
use shared::store::dynamo::{DynamoStore, Tables};
use shared::store::memory::MemoryStore;
use shared::store::{Administration, Creation, LoginName, Lookup, NewUser, Order, Store as _, Write};
use shared::tenant::TenantName;
use shared::testing::SeededRandom;
use tests::World;

/// When what is over is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweeping {
    Never,
    OnTime,
}

/// A world over some engine.
pub struct Stage {
    pub world: World,
    /// The embedded engine, if it is that one.
    engine: Option<(Cloud, Client, Tables)>,
    sweeping: Sweeping,
    /// In seconds since the epoch.
    last_sweep: i64,
    /// Applications that know the tenant `demo`, and whose other rights are elsewhere: tickets, and profiles.
    pub mixed: [String; 2],
    /// How much was taken away so far.
    pub swept: usize,
}

impl Stage {
    pub async fn in_memory(sweeping: Sweeping) -> Self {
        let world = World::new().await;
        let mixed = mixed(&world).await;
        if sweeping == Sweeping::OnTime {
            world.stack.store.sweep_on_time(Arc::new(world.stack.clock.clone()));
        }
        Self { world, engine: None, sweeping, last_sweep: 0, mixed, swept: 0 }
    }

    pub async fn on_the_embedded_engine(sweeping: Sweeping) -> Self {
        let mut world = World::new().await;
        let mixed = mixed(&world).await;
        let parameters = BTreeMap::from([("Issuer".to_owned(), "https://auth.example.com".to_owned())]);
        let cloud = Cloud::in_memory(&parameters).unwrap();
        let tables = Config::read(|name| cloud.environment().get(name).cloned()).unwrap().tables;
        let client = dynamodb::client(&cloud.dynamodb_url());
        let store = DynamoStore::new(client.clone(), tables.clone(), Arc::new(SeededRandom::new(5)));
        copy(&world.stack.store, &store).await;
        let clock = Arc::new(world.stack.clock.clone());
        world.rewire(store, clock);
        Self { world, engine: Some((cloud, client, tables)), sweeping, last_sweep: 0, mixed, swept: 0 }
    }

    /// Takes away what is past its TTL, if anybody does.
    pub async fn sweep(&mut self) {
        let Some((_, client, tables)) = &self.engine else { return };
        if self.sweeping == Sweeping::Never {
            return;
        }
        let now = self.world.stack.clock.now().as_seconds();
        // What is written is not over yet, so there is something to take away only once time has passed.
        if std::mem::replace(&mut self.last_sweep, now) == now {
            return;
        }
        for table in [&tables.credentials, &tables.users, &tables.tickets, &tables.auth_headers, &tables.applications] {
            let found = client.scan().table_name(table).consistent_read(true).into_paginator().items().send();
            let items = found.collect::<Result<Vec<_>, _>>().await.unwrap();
            for item in items {
                let ttl = item.get("ttl").and_then(|ttl| ttl.as_n().ok()).map(|ttl| ttl.parse::<i64>().unwrap());
                if ttl.is_none_or(|ttl| now < ttl) {
                    continue;
                }
                let key = item.into_iter().filter(|(name, _)| name == "pk" || name == "sk");
                let key: std::collections::HashMap<String, AttributeValue> = key.collect();
                client.delete_item().table_name(table).set_key(Some(key)).send().await.unwrap();
                self.swept += 1;
            }
        }
    }
}

async fn mixed(world: &World) -> [String; 2] {
    let permission =
        |tenant: &str, action| TenantPermission { tenant: TenantName::parse(tenant), actions: Some(vec![action]) };
    let permissions = |here, there| vec![permission("demo", here), permission("other", there)];
    let tickets = permissions(Action::ManageProfiles, Action::ManageTickets);
    let profiles = permissions(Action::ManageTickets, Action::ManageProfiles);
    [world.application_with("tickets", tickets).await, world.application_with("profiles", profiles).await]
}

/// Brings everybody, every tenant and every application from one store to another.
async fn copy(from: &MemoryStore, to: &DynamoStore) {
    for tenant in from.tenants_from(None).await.unwrap().items {
        assert_eq!(to.create_tenant(&tenant).await.unwrap(), Write::Done);
        for user in from.users_in_order(&tenant.name, Order::Ascending, None, 100).await.unwrap().items {
            let wanted = LoginName::new(&user.tenant, &user.name);
            let wanted = Lookup { credential: Some(wanted), ..Lookup::default() };
            let phc = from.lookup(wanted).await.unwrap().credential.unwrap().phc;
            assert_eq!(to.create_user(NewUser::new(user, phc)).await.unwrap(), Creation::Done);
        }
    }
    for token in from.access_tokens_from(None).await.unwrap().items {
        assert_eq!(to.create_access_token(&token).await.unwrap(), Write::Done);
    }
    let _copying = from.take_calls();
}
