//! The store calls.

use std::collections::HashMap;
use std::env;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

pub type Error = lambda_runtime::Error;
pub type Item = HashMap<String, AttributeValue>;

pub struct Store {
    client: Client,
    credentials: String,
    users: String,
    tickets: String,
}

pub struct Credential {
    pub key: String,
    pub user: String,
    pub phc: String,
    pub version: String,
}

pub struct User {
    pub id: String,
    pub tenant: String,
    pub name: String,
    pub enabled: bool,
    pub roles: Vec<String>,
    pub epoch: String,
}

pub struct Ticket {
    pub expires: u64,
    pub epoch: String,
}

impl Store {
    pub async fn new() -> Result<Self, Error> {
        let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
        Ok(Self {
            client: Client::new(&config),
            credentials: env::var("CREDENTIALS_TABLE")?,
            users: env::var("USERS_TABLE")?,
            tickets: env::var("TICKETS_TABLE")?,
        })
    }

    pub async fn credential(&self, tenant: &str, name: &str) -> Result<Option<Credential>, Error> {
        let key = Item::from([text("pk", format!("NAME#{tenant}#{name}"))]);
        let mut found = self.read(vec![(&self.credentials, key)]).await?;
        let Some(item) = found.remove(&self.credentials) else { return Ok(None) };
        Ok(Some(Credential {
            key: string(&item, "pk")?,
            user: string(&item, "user")?,
            phc: string(&item, "phc")?,
            version: number(&item, "version")?,
        }))
    }

    pub async fn user(&self, id: &str) -> Result<Option<User>, Error> {
        let mut found = self.read(vec![(&self.users, Item::from([text("pk", id)]))]).await?;
        found.remove(&self.users).map(as_user).transpose()
    }

    pub async fn user_and_ticket(&self, id: &str, ticket: &str) -> Result<(Option<User>, Option<Ticket>), Error> {
        let key = Item::from([text("pk", id), text("sk", format!("T#{ticket}"))]);
        let keys = vec![(&self.users, Item::from([text("pk", id)])), (&self.tickets, key)];
        let mut found = self.read(keys).await?;
        let ticket = found.remove(&self.tickets).map(|item| {
            Ok::<_, Error>(Ticket { expires: number(&item, "expires")?.parse()?, epoch: number(&item, "epoch")? })
        });
        Ok((found.remove(&self.users).map(as_user).transpose()?, ticket.transpose()?))
    }

    /// Both at once: a ticket that nobody was shown can't be used.
    pub async fn log_in(
        &self,
        credential: &Credential,
        user: &User,
        ticket: &str,
        now: u64,
        expires: u64,
    ) -> Result<(), Error> {
        let update = self
            .client
            .update_item()
            .table_name(&self.credentials)
            .key("pk", AttributeValue::S(credential.key.clone()))
            .update_expression("SET lastLogin = :now REMOVE guesses")
            .condition_expression("version = :version")
            .expression_attribute_values(":now", AttributeValue::N(now.to_string()))
            .expression_attribute_values(":version", AttributeValue::N(credential.version.clone()))
            .send();
        let put = self
            .client
            .put_item()
            .table_name(&self.tickets)
            .item("pk", AttributeValue::S(user.id.clone()))
            .item("sk", AttributeValue::S(format!("T#{ticket}")))
            .item("created", AttributeValue::N(now.to_string()))
            .item("expires", AttributeValue::N(expires.to_string()))
            .item("epoch", AttributeValue::N(user.epoch.clone()))
            .condition_expression("attribute_not_exists(pk)")
            .send();
        let (updated, created) = tokio::join!(update, put);
        updated?;
        created?;
        Ok(())
    }

    async fn read(&self, keys: Vec<(&String, Item)>) -> Result<HashMap<String, Item>, Error> {
        let mut request = self.client.batch_get_item();
        for (table, key) in keys {
            let keys = KeysAndAttributes::builder().keys(key).consistent_read(true).build()?;
            request = request.request_items(table, keys);
        }
        let answer = request.send().await?;
        if answer.unprocessed_keys().is_some_and(|keys| !keys.is_empty()) {
            return Err("the store didn't read everything".into());
        }
        let responses = answer.responses.unwrap_or_default();
        Ok(responses.into_iter().filter_map(|(table, items)| Some((table, items.into_iter().next()?))).collect())
    }
}

fn as_user(item: Item) -> Result<User, Error> {
    let roles = item.get("roles").and_then(|roles| roles.as_l().ok()).ok_or("no roles")?;
    Ok(User {
        id: string(&item, "pk")?,
        tenant: string(&item, "tenant")?,
        name: string(&item, "name")?,
        enabled: item.get("enabled").and_then(|enabled| enabled.as_bool().ok()).copied().unwrap_or_default(),
        roles: roles.iter().filter_map(|role| role.as_s().ok().cloned()).collect(),
        epoch: number(&item, "epoch")?,
    })
}

fn text(name: &str, value: impl Into<String>) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::S(value.into()))
}

fn string(item: &Item, name: &str) -> Result<String, Error> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    value.cloned().ok_or_else(|| format!("no {name}").into())
}

fn number(item: &Item, name: &str) -> Result<String, Error> {
    let value = item.get(name).and_then(|value| value.as_n().ok());
    value.cloned().ok_or_else(|| format!("no {name}").into())
}
