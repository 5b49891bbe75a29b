//! The store on DynamoDB: the only place that names its operations.

mod accounts;
mod administration;
mod expressions;
pub(crate) mod item;
#[cfg(any(test, feature = "restore"))]
pub mod restored;
mod stopwatch;
mod transaction;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure, Select, TransactWriteItem,
};

use self::expressions::Expressions;
use self::item::{Attributes, name, number};
use self::stopwatch::Stopwatch;
use self::transaction::{Outcome, create, update};
use crate::auth_header::{AuthHeader, AuthHeaderKey};
use crate::clock::Timestamp;
use crate::one_time::{OneTime, OneTimeKey, Purpose};
use crate::password::Phc;
use crate::persistent_login::{PersistentLogin, PersistentLoginKey};
use crate::random::Random;
use crate::secret::Digest;
use crate::store::{
    Found, Guess, Guessed, LoginCommit, LoginName, Lookup, PasswordChange, Renewal, Step, Store, StoreError, Write,
};
use crate::ticket::{Branch, Ticket, TicketKey, USE_NOTED};
use crate::user::UserId;

const BATCH_TRIES: u32 = 3;
const DELETE_TRIES: u32 = 3;
/// Of 1 MB each, which is some 3,000 tickets and a few hundredths of a second.
const TICKET_PAGES: u32 = 16;
const PAUSE: Duration = Duration::from_millis(25);

/// What kinds of items there are, and the newest version of each one's format.
#[cfg(any(test, feature = "testing"))]
pub fn formats() -> impl Iterator<Item = (&'static str, u64)> {
    item::Kind::ALL.iter().map(|kind| (kind.name(), kind.format()))
}

/// The names of a stack's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Credentials: all that a password check reads and writes.
    pub credentials: String,
    /// Users.
    pub users: String,
    /// Tickets.
    pub tickets: String,
    /// Auth headers.
    pub auth_headers: String,
    /// Tenants and access tokens.
    pub applications: String,
}

/// The store of a stack.
#[derive(Clone)]
pub struct DynamoStore {
    client: Client,
    tables: Arc<Tables>,
    random: Arc<dyn Random>,
}

impl DynamoStore {
    /// A store over `client`.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "it is taken over: its calls are measured from here on")]
    pub fn new(client: Client, tables: Tables, random: Arc<dyn Random>) -> Self {
        let measured = client.config().to_builder().interceptor(Stopwatch).build();
        Self { client: Client::from_conf(measured), tables: Arc::new(tables), random }
    }

    /// Opens the connection before the first request needs it, by a read of `wanted` whose answer does not matter.
    pub async fn warm(&self, wanted: Lookup) {
        if let Err(error) = self.lookup(wanted).await {
            tracing::warn!(error = %error, "the store could not be reached while starting");
        }
    }

    /// A mark on a write, by which a repeated try knows the first one's success from somebody else's.
    fn operation(&self) -> AttributeValue {
        AttributeValue::S(crate::secret::Digest::of(&self.random.bytes::<32>()).to_base64url())
    }

    async fn create(&self, table: &str, mut item: Attributes) -> Result<Write, StoreError> {
        let operation = self.operation();
        item.insert(name::OPERATION.to_owned(), operation.clone());
        let result = self
            .client
            .put_item()
            .table_name(table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", name::PK)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match result {
            Ok(_) => Ok(Write::Done),
            Err(SdkError::ServiceError(context)) if context.err().is_conditional_check_failed_exception() => {
                let PutItemError::ConditionalCheckFailedException(refusal) = context.into_err() else {
                    return Ok(Write::Refused);
                };
                Ok(own_write(refusal.item(), &operation))
            }
            Err(error) => Err(unavailable("PutItem", error)),
        }
    }

    /// Deletes an item that must exist. The SDK's own retries are off: after a try whose fate is unknown, an item that
    /// is gone was deleted by us, and only our own loop knows that there was such a try.
    async fn delete_existing(&self, table: &str, key: Attributes) -> Result<Write, StoreError> {
        let mut unknown_fate = false;
        let mut tries = 0;
        loop {
            let result = self
                .client
                .delete_item()
                .table_name(table)
                .set_key(Some(key.clone()))
                .condition_expression("attribute_exists(#pk)")
                .expression_attribute_names("#pk", name::PK)
                .customize()
                .config_override(aws_sdk_dynamodb::config::Builder::new().retry_config(RetryConfig::disabled()))
                .send()
                .await;
            tries += 1;
            match result {
                Ok(_) => return Ok(Write::Done),
                Err(SdkError::ServiceError(context)) if context.err().is_conditional_check_failed_exception() => {
                    return Ok(if unknown_fate { Write::Done } else { Write::Refused });
                }
                Err(error) if tries >= DELETE_TRIES => return Err(unavailable("DeleteItem", error)),
                Err(error) => unknown_fate |= may_have_happened(&error),
            }
            tokio::time::sleep(PAUSE * tries).await;
        }
    }

    /// Reads by `BatchGetItem`, until nothing is left unprocessed.
    async fn get(
        &self,
        mut requests: HashMap<String, KeysAndAttributes>,
    ) -> Result<HashMap<String, Vec<Attributes>>, StoreError> {
        let mut items: HashMap<String, Vec<Attributes>> = HashMap::new();
        let mut tries = 0;
        while !requests.is_empty() {
            if tries == BATCH_TRIES {
                let source = "the table is throttled: keys stayed unprocessed".into();
                return Err(StoreError::Unavailable { operation: "BatchGetItem", source });
            }
            if tries > 0 {
                tokio::time::sleep(PAUSE * tries).await;
            }
            tries += 1;
            let output = self.client.batch_get_item().set_request_items(Some(requests)).send().await;
            let output = output.map_err(|error| unavailable("BatchGetItem", error))?;
            for (table, found) in output.responses.unwrap_or_default() {
                items.entry(table).or_default().extend(found);
            }
            requests = output.unprocessed_keys.unwrap_or_default();
        }
        Ok(items)
    }

    fn requests(&self, wanted: &Lookup) -> Result<HashMap<String, KeysAndAttributes>, StoreError> {
        let mut users = wanted.users.clone();
        users.sort();
        users.dedup();
        // DynamoDB takes no key twice.
        let owner = wanted.owner.iter().filter(|owner| wanted.credential.as_ref() != Some(owner));
        let credentials = wanted.credential.iter().chain(owner).map(item::credential_key);
        let names_only = wanted.credential.is_none() && wanted.claim.is_none() && wanted.one_time.is_none();
        let claims = wanted.claim.iter().map(item::email_key).chain(wanted.one_time.iter().map(item::one_time_key));
        let tenants = wanted.tenant.iter().map(item::tenant_key);
        // DynamoDB takes no key twice.
        let digests: BTreeSet<_> = wanted.access_token.iter().chain(&wanted.subject_tokens).copied().collect();
        let access_tokens = digests.into_iter().map(item::access_token_key);
        let tickets = wanted.ticket.iter().map(item::ticket_key);
        let persistent = wanted.persistent_login.iter().map(item::persistent_login_key);
        let keys = [
            (&self.tables.credentials, credentials.chain(claims).collect::<Vec<_>>()),
            (&self.tables.applications, access_tokens.chain(tenants).collect()),
            (&self.tables.tickets, tickets.chain(persistent).collect()),
            (&self.tables.auth_headers, wanted.auth_header.iter().map(item::auth_header_key).collect()),
            (&self.tables.users, users.iter().map(item::user_key).collect()),
        ];
        keys.into_iter()
            .filter(|(_, keys)| !keys.is_empty())
            .map(|(table, keys)| {
                let mut request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
                if *table == self.tables.credentials && names_only {
                    // Who only asks whose a name is must not be given a hash; the function's policy says the same.
                    request = request.projection_expression("#pk, #user");
                    request = request.expression_attribute_names("#pk", name::PK);
                    request = request.expression_attribute_names("#user", name::USER);
                }
                Ok((table.clone(), request.build().map_err(|error| unavailable("BatchGetItem", error))?))
            })
            .collect()
    }

    fn collect(&self, wanted: &Lookup, items: &HashMap<String, Vec<Attributes>>) -> Result<Found, StoreError> {
        let of = |table: &str| items.get(table).map(Vec::as_slice).unwrap_or_default();
        let at = |table: &str, key: Attributes| {
            of(table).iter().find(|item| key.iter().all(|(attribute, value)| item.get(attribute) == Some(value)))
        };
        let Tables { credentials, users, tickets, auth_headers, applications } = &*self.tables;
        let mut found = Found::default();
        if let Some(login) = &wanted.credential {
            let attributes = at(credentials, item::credential_key(login));
            found.credential = attributes.map(|item| item::credential(login.clone(), item)).transpose()?;
        }
        if let Some(key) = &wanted.claim {
            found.claim = at(credentials, item::email_key(key)).map(|item| item::claim(key, item)).transpose()?;
        }
        if let Some(login) = &wanted.owner {
            found.owner = at(credentials, item::credential_key(login)).map(item::owner).transpose()?;
        }
        if let Some(key) = &wanted.one_time {
            let attributes = at(credentials, item::one_time_key(key));
            found.one_time = attributes.map(|item| item::one_time(key, item)).transpose()?.flatten();
        }
        if let Some(name) = &wanted.tenant {
            found.tenant = at(applications, item::tenant_key(name)).map(item::tenant).transpose()?;
        }
        let token =
            |digest: Digest| at(applications, item::access_token_key(digest)).map(item::access_token).transpose();
        if let Some(digest) = wanted.access_token {
            found.access_token = token(digest)?;
        }
        for digest in &wanted.subject_tokens {
            found.subject_tokens.extend(token(*digest)?);
        }
        if let Some(key) = &wanted.ticket {
            let attributes = at(tickets, item::ticket_key(key));
            found.ticket = attributes.map(|item| item::ticket(key.clone(), item)).transpose()?;
        }
        if let Some(key) = &wanted.persistent_login {
            let attributes = at(tickets, item::persistent_login_key(key));
            found.persistent_login = attributes.map(|item| item::persistent_login(key.clone(), item)).transpose()?;
        }
        if let Some(key) = &wanted.auth_header {
            found.auth_header = at(auth_headers, item::auth_header_key(key)).map(item::auth_header).transpose()?;
        }
        found.users = of(users).iter().map(item::user).collect::<Result<_, _>>()?;
        Ok(found)
    }
}

impl From<Outcome> for Write {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Refused(_) => Self::Refused,
        }
    }
}

/// Whether the item that refused a write is the one that an earlier try of it made.
fn own_write(existing: Option<&Attributes>, operation: &AttributeValue) -> Write {
    let own = existing.and_then(|item| item.get(name::OPERATION)) == Some(operation);
    if own { Write::Done } else { Write::Refused }
}

/// Whether a try that failed may have been carried out all the same.
fn may_have_happened<E>(error: &SdkError<E>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => false,
        SdkError::ServiceError(context) => context.raw().status().is_server_error(),
        _ => true,
    }
}

fn unavailable<E>(operation: &'static str, error: E) -> StoreError
where
    E: std::error::Error + Send + Sync + 'static,
{
    StoreError::Unavailable { operation, source: Box::new(error) }
}

impl Store for DynamoStore {
    async fn lookup(&self, wanted: Lookup) -> Result<Found, StoreError> {
        let items = self.get(self.requests(&wanted)?).await?;
        self.collect(&wanted, &items)
    }

    async fn record_guess(&self, guess: Guess) -> Result<Write, StoreError> {
        let mut write = Expressions::default();
        let operation = write.name(name::OPERATION);
        let mark = write.value(self.operation());
        write.set(format!("{operation} = {mark}"));
        match guess.found {
            Guessed::Nothing => {}
            Guessed::Right => write.admits(&guess.locks),
            Guessed::Wrong { mark: wrong } => {
                // A try that is repeated after its success must not count twice.
                write.condition(format!("(attribute_not_exists({operation}) OR {operation} <> {mark})"));
                write.admits(&guess.locks);
                write.count(&guess.counted, wrong, guess.at);
                write.forget(&guess.stale);
            }
        }
        write.update(&self.client, &self.tables.credentials, item::credential_key(&guess.name)).await
    }

    async fn commit_login(&self, commit: LoginCommit) -> Result<Write, StoreError> {
        let mut write = Expressions::default();
        write.demand([(name::VERSION, number(commit.version)), (name::USER, item::text(commit.user.as_str()))]);
        write.pass(&commit.gate, commit.at);
        write.assign([(name::LAST_LOGIN, item::moment(commit.at))]);
        write.update(&self.client, &self.tables.credentials, item::credential_key(&commit.name)).await
    }

    async fn replace_hash(
        &self,
        name: &LoginName,
        user: &UserId,
        version: u64,
        phc: &Phc,
    ) -> Result<Write, StoreError> {
        let mut write = Expressions::default();
        write.demand([(name::VERSION, number(version)), (name::USER, item::text(user.as_str()))]);
        write.assign([(name::PHC, item::text(phc.expose_secret()))]);
        write.update(&self.client, &self.tables.credentials, item::credential_key(name)).await
    }

    async fn create_ticket(&self, ticket: &Ticket) -> Result<Write, StoreError> {
        self.create(&self.tables.tickets, item::ticket_item(ticket)).await
    }

    async fn touch_ticket(&self, key: &TicketKey, at: Timestamp) -> Result<Write, StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.tables.tickets)
            .set_key(Some(item::ticket_key(key)))
            .update_expression("SET #last = :at")
            .condition_expression("attribute_exists(#pk) AND #expires > :at")
            .expression_attribute_names("#pk", name::PK)
            .expression_attribute_names("#expires", name::EXPIRES)
            .expression_attribute_names("#last", name::LAST_REQUEST)
            .expression_attribute_values(":at", item::moment(at))
            .send()
            .await;
        condition(result, "UpdateItem")
    }

    async fn renew_ticket(&self, key: &TicketKey, renewal: Renewal) -> Result<Write, StoreError> {
        let mut write = Expressions::default();
        let (branches, ends) = (write.name(name::BRANCHES), write.name(name::EXPIRES));
        let (at, expires) = (write.value(item::moment(renewal.at)), write.value(item::moment(renewal.expires)));
        write.condition(format!("{ends} > {at}"));
        let may_shorten = match renewal.step {
            Step::Advance { from, alone } => {
                let (generation, renewed) = (write.name(name::GENERATION), write.name(name::RENEWED));
                let place = format!("{branches}[{}]", from.branch);
                let (old, new) = (write.value(number(from.generation)), write.value(number(from.generation + 1)));
                write.condition(format!("{place}.{generation} = {old}"));
                write.set(format!("{place}.{generation} = {new}"));
                write.set(format!("{place}.{renewed} = {at}"));
                if alone {
                    let one = write.value(number(1));
                    write.condition(format!("size({branches}) = {one}"));
                }
                alone
            }
            Step::Join { at: from } => {
                let (generation, there) = (write.name(name::GENERATION), write.value(number(from.generation)));
                write.condition(format!("{branches}[{}].{generation} = {there}", from.branch));
                false
            }
            Step::Fork { branches: count } => {
                let (count, new) = (write.value(item::count(count)), write.value(item::branches(&[Branch::default()])));
                write.condition(format!("size({branches}) = {count}"));
                write.set(format!("{branches} = list_append({branches}, {new})"));
                false
            }
        };
        if !may_shorten {
            write.condition(format!("{ends} <= {expires}"));
        }
        write.set(format!("{ends} = {expires}"));
        let (swept, ttl) = (write.name(name::TTL), write.value(item::ticket_ttl(renewal.expires)));
        write.set(format!("{swept} = {ttl}"));
        let last = write.name(name::LAST_REQUEST);
        write.set(format!("{last} = {at}"));
        write.update(&self.client, &self.tables.tickets, item::ticket_key(key)).await
    }

    async fn tickets(&self, user: &UserId, now: Timestamp) -> Result<Vec<Ticket>, StoreError> {
        let mut tickets = Vec::new();
        let mut pages = self
            .client
            .query()
            .table_name(&self.tables.tickets)
            .consistent_read(true)
            .key_condition_expression("#pk = :user AND begins_with(#sk, :tickets)")
            .expression_attribute_names("#pk", name::PK)
            .filter_expression("#expires > :now")
            .expression_attribute_names("#sk", name::SK)
            .expression_attribute_names("#expires", name::EXPIRES)
            .expression_attribute_values(":user", AttributeValue::S(user.as_str().to_owned()))
            .expression_attribute_values(":tickets", AttributeValue::S(item::TICKET_PREFIX.to_owned()))
            .expression_attribute_values(":now", item::moment(now))
            .into_paginator()
            .send();
        let mut read = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| unavailable("Query", error))?;
            for attributes in page.items() {
                tickets.push(item::ticket(item::ticket_key_of(attributes)?, attributes)?);
            }
            read += 1;
            if read == TICKET_PAGES {
                tracing::warn!("a user has more tickets than are read");
                break;
            }
        }
        Ok(tickets)
    }

    async fn end_tickets(&self, user: &UserId, epoch: u64, kept: Option<&TicketKey>) -> Result<Write, StoreError> {
        let mut writes = vec![raise(&self.tables.users, item::user_key(user), name::SESSION_EPOCH, epoch)?];
        if let Some(key) = kept {
            writes.push(raise(&self.tables.tickets, item::ticket_key(key), name::EPOCH, epoch)?);
        }
        Ok(self.transact(writes).await?.into())
    }

    async fn delete_ticket(&self, key: &TicketKey) -> Result<(), StoreError> {
        let request = self.client.delete_item().table_name(&self.tables.tickets);
        let result = request.set_key(Some(item::ticket_key(key))).send().await;
        result.map(|_| ()).map_err(|error| unavailable("DeleteItem", error))
    }

    async fn create_persistent_login(&self, login: &PersistentLogin) -> Result<Write, StoreError> {
        self.create(&self.tables.tickets, item::persistent_login_item(login)).await
    }

    async fn refresh_persistent_login(
        &self,
        key: &PersistentLoginKey,
        generation: u64,
        at: Timestamp,
    ) -> Result<Write, StoreError> {
        let mut write = Expressions::default();
        let mark = self.operation();
        let (stands, from) = (write.name(name::GENERATION), write.value(number(generation)));
        let (operation, own) = (write.name(name::OPERATION), write.value(mark.clone()));
        // A try that is repeated after its success must not meet it as somebody else's.
        write.condition(format!("({stands} = {from} OR {operation} = {own})"));
        let (ends, now) = (write.name(name::EXPIRES), write.value(item::moment(at)));
        write.condition(format!("{ends} > {now}"));
        write.assign([
            (name::GENERATION, number(generation.saturating_add(1))),
            (name::REFRESHED, item::moment(at)),
            (name::OPERATION, mark),
        ]);
        write.update(&self.client, &self.tables.tickets, item::persistent_login_key(key)).await
    }

    async fn delete_persistent_login(&self, key: &PersistentLoginKey) -> Result<(), StoreError> {
        let request = self.client.delete_item().table_name(&self.tables.tickets);
        let result = request.set_key(Some(item::persistent_login_key(key))).send().await;
        result.map(|_| ()).map_err(|error| unavailable("DeleteItem", error))
    }

    async fn end_replayed_login(&self, login: &PersistentLogin) -> Result<Write, StoreError> {
        let (user, epoch) = (item::user_key(&login.key.user), login.epoch);
        let deleted = Expressions::default().deleting(&self.tables.tickets, item::persistent_login_key(&login.key))?;
        let writes = vec![deleted, raise(&self.tables.users, user, name::SESSION_EPOCH, epoch)?];
        Ok(self.transact(writes).await?.into())
    }

    async fn create_auth_header(&self, header: &AuthHeader) -> Result<Write, StoreError> {
        self.create(&self.tables.auth_headers, item::auth_header_item(header)).await
    }

    async fn auth_headers(&self, user: &UserId) -> Result<Vec<AuthHeader>, StoreError> {
        let mut headers = Vec::new();
        let mut pages = self
            .client
            .query()
            .table_name(&self.tables.auth_headers)
            .consistent_read(true)
            .key_condition_expression("#pk = :user")
            .expression_attribute_names("#pk", name::PK)
            .expression_attribute_values(":user", AttributeValue::S(user.as_str().to_owned()))
            .into_paginator()
            .items()
            .send();
        while let Some(attributes) = pages.next().await {
            let attributes = attributes.map_err(|error| unavailable("Query", error))?;
            headers.push(item::auth_header(&attributes)?);
        }
        Ok(headers)
    }

    async fn count_auth_headers(&self, user: &UserId, enough: usize) -> Result<usize, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.tables.auth_headers)
            .consistent_read(true)
            .select(Select::Count)
            .limit(i32::try_from(enough).unwrap_or(i32::MAX))
            .key_condition_expression("#pk = :user")
            .expression_attribute_names("#pk", name::PK)
            .expression_attribute_values(":user", AttributeValue::S(user.as_str().to_owned()))
            .into_paginator()
            .send();
        let mut count = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| unavailable("Query", error))?;
            count += usize::try_from(page.count()).unwrap_or_default();
            if count >= enough {
                break;
            }
        }
        Ok(count)
    }

    async fn note_auth_header_use(&self, key: &AuthHeaderKey, at: Timestamp) -> Result<(), StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.tables.auth_headers)
            .set_key(Some(item::auth_header_key(key)))
            .update_expression("SET #used = :at")
            .condition_expression("attribute_exists(#pk) AND (attribute_not_exists(#used) OR #used <= :since)")
            .expression_attribute_names("#pk", name::PK)
            .expression_attribute_names("#used", name::LAST_USED)
            .expression_attribute_values(":at", item::moment(at))
            .expression_attribute_values(":since", item::moment(at.minus(USE_NOTED)))
            .send()
            .await;
        match condition(result, "UpdateItem")? {
            Write::Done | Write::Refused => Ok(()),
        }
    }

    async fn rotate_auth_header(
        &self,
        old: &AuthHeaderKey,
        ends: Timestamp,
        new: &AuthHeader,
    ) -> Result<Write, StoreError> {
        let table = &self.tables.auth_headers;
        let end = update(
            table,
            item::auth_header_key(old),
            (
                "SET #expires = :ends, #ttl = :ttl",
                "attribute_exists(#pk) AND (attribute_not_exists(#expires) OR #expires >= :ends)",
            ),
            &[("#pk", name::PK), ("#expires", name::EXPIRES), ("#ttl", name::TTL)],
            vec![(":ends", item::moment(ends)), (":ttl", item::auth_header_ttl(ends))],
        )?;
        Ok(self.transact(vec![end, create(table, item::auth_header_item(new))?]).await?.into())
    }

    async fn delete_auth_header(&self, key: &AuthHeaderKey) -> Result<Write, StoreError> {
        self.delete_existing(&self.tables.auth_headers, item::auth_header_key(key)).await
    }

    async fn change_password(&self, change: PasswordChange) -> Result<Write, StoreError> {
        if !change.fits_its_token() {
            return Ok(Write::Refused);
        }
        Ok(self.transact(self.password_writes(&change)?).await?.into())
    }

    async fn create_one_time(&self, name: &LoginName, token: &OneTime, since: Timestamp) -> Result<Write, StoreError> {
        let mut noted = Expressions::default();
        noted.demand([(name::USER, item::text(token.key.user.as_str()))]);
        let (sent, since) = (noted.name(name::SENT), noted.value(item::moment(since)));
        noted.condition(format!("(attribute_not_exists({sent}) OR {sent} <= {since})"));
        noted.assign([(name::SENT, item::moment(token.created))]);
        let table = &self.tables.credentials;
        let writes =
            vec![noted.updating(table, item::credential_key(name))?, create(table, item::one_time_item(token))?];
        Ok(self.transact(writes).await?.into())
    }

    async fn withdraw_one_time(&self, name: &LoginName, token: &OneTime) -> Result<Write, StoreError> {
        let table = &self.tables.credentials;
        let mut noted = Expressions::default();
        noted.demand([(name::USER, item::text(token.key.user.as_str())), (name::SENT, item::moment(token.created))]);
        noted.assign_or_remove(name::SENT, None);
        let taken_back = Expressions::default().deleting(table, item::one_time_key(&token.key))?;
        let writes = vec![noted.updating(table, item::credential_key(name))?, taken_back];
        Ok(self.transact(writes).await?.into())
    }

    async fn delete_one_time(&self, key: &OneTimeKey) -> Result<(), StoreError> {
        let request = self.client.delete_item().table_name(&self.tables.credentials);
        let result = request.set_key(Some(item::one_time_key(key))).send().await;
        result.map(|_| ()).map_err(|error| unavailable("DeleteItem", error))
    }

    async fn verify_email(&self, token: &OneTime, at: Timestamp) -> Result<Write, StoreError> {
        if token.purpose != Purpose::Verify || token.email.is_none() {
            return Ok(Write::Refused);
        }
        let mut verified = Expressions::default();
        verified.demand([(name::ENABLED, AttributeValue::Bool(true))]);
        verified.demand_same(name::EMAIL, token.email.as_ref().map(|email| item::text(email.as_str())));
        verified.assign([(name::EMAIL_VERIFIED, AttributeValue::Bool(true)), (name::MODIFIED, item::moment(at))]);
        let used = Expressions::default().deleting(&self.tables.credentials, item::one_time_key(&token.key))?;
        let writes = vec![used, verified.updating(&self.tables.users, item::user_key(&token.key.user))?];
        Ok(self.transact(writes).await?.into())
    }
}

/// Raises an epoch that stands at `from`.
fn raise(table: &str, key: Attributes, attribute: &str, from: u64) -> Result<TransactWriteItem, StoreError> {
    let values = vec![(":from", number(from)), (":to", number(from + 1))];
    update(table, key, ("SET #epoch = :to", "#epoch = :from"), &[("#epoch", attribute)], values)
}

/// Tells a condition that did not hold from an outage.
fn condition<T>(result: Result<T, SdkError<UpdateItemError>>, operation: &'static str) -> Result<Write, StoreError> {
    match result {
        Ok(_) => Ok(Write::Done),
        Err(SdkError::ServiceError(context)) if context.err().is_conditional_check_failed_exception() => {
            Ok(Write::Refused)
        }
        Err(error) => Err(unavailable(operation, error)),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::BehaviorVersion;

    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn no_hash_is_read_for_whose_a_name_is() {
        let config = aws_sdk_dynamodb::Config::builder().behavior_version(BehaviorVersion::latest()).build();
        let [credentials, users, tickets, auth_headers, applications] = ["c", "u", "t", "h", "a"].map(str::to_owned);
        let tables = Tables { credentials, users, tickets, auth_headers, applications };
        let store = DynamoStore::new(Client::from_conf(config), tables, Arc::new(SystemRandom));
        let name = || Some(LoginName::typed("demo", "jane"));
        let asked = |wanted: Lookup| {
            let request = store.requests(&wanted).unwrap().remove("c").unwrap();
            let names = request.expression_attribute_names.unwrap_or_default();
            let shown = request.projection_expression.map(|all| {
                let all = all.split(", ").map(|placeholder| names[placeholder].clone());
                all.collect::<Vec<_>>()
            });
            (shown, request.keys.len())
        };
        let owner = || Lookup { owner: name(), users: vec![UserId::nobody("test")], ..Lookup::default() };
        assert_eq!(asked(owner()), (Some(vec!["pk".to_owned(), "user".to_owned()]), 1));
        assert_eq!(asked(Lookup { credential: name(), ..owner() }), (None, 1), "no key twice");
        let claim = LoginName::typed_email("demo", "jane@example.com");
        assert_eq!(asked(Lookup { claim, ..owner() }), (None, 2));
    }
}
