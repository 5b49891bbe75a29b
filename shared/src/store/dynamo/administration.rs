//! The operator's half of the store.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Select, TransactWriteItem};

use super::expressions::Expressions;
use super::item::{self, Attributes, name};
use super::transaction::Outcome;
use super::{DynamoStore, unavailable};
use crate::access_token::AccessToken;
use crate::clock::Timestamp;
use crate::lockout::SWEPT;
use crate::secret::Digest;
use crate::store::{
    Administration, Counted, Creation, Credential, LoginName, Lookup, NewUser, Order, Page, Store as _, StoreError,
    Update, Write, changed,
};
use crate::tenant::{Tenant, TenantName};
use crate::user::User;

/// As many keys as one `BatchGetItem` takes.
const BATCH: usize = 100;
/// As many writes as one transaction takes.
const TRANSACTION: usize = 100;
/// Disabling is what locks a thief out, who must not keep it off by what writes to the account: it goes on for a second.
const INSISTENT_TRIES: u32 = 9;

impl Administration for DynamoStore {
    async fn create_tenant(&self, tenant: &Tenant) -> Result<Write, StoreError> {
        self.create(&self.tables.applications, item::tenant_item(tenant)).await
    }

    async fn tenants_from(&self, start: Option<&str>) -> Result<Page<Tenant>, StoreError> {
        self.of_kind(item::KIND_TENANT, start, item::tenant).await
    }

    async fn count_tenants(&self, start: Option<&str>) -> Result<Counted, StoreError> {
        let page = self.by_kind(item::KIND_TENANT, start).select(Select::Count).send().await;
        let page = page.map_err(|error| unavailable("Query", error))?;
        let count = usize::try_from(page.count()).unwrap_or_default();
        Ok(Counted { count, next: page.last_evaluated_key().and_then(place_of_kind) })
    }

    async fn update_tenant(&self, tenant: &Tenant) -> Result<Write, StoreError> {
        let mut write = Expressions::default();
        if tenant.revision > 0 {
            write.demand([(name::REVISION, item::number(tenant.revision))]);
        } else {
            // One that was made before tenants had rules has none.
            let (revision, zero) = (write.name(name::REVISION), write.value(item::number(0)));
            write.condition(format!("(attribute_not_exists({revision}) OR {revision} = {zero})"));
        }
        // One that was deleted and made anew begins to count anew.
        write.demand([(name::CREATED, item::moment(tenant.created))]);
        write.demand_same(name::CLOSING, None);
        write.assign([
            (name::REVISION, item::number(tenant.revision + 1)),
            (name::SETTINGS, item::settings_value(&tenant.settings)),
        ]);
        // A transaction, since a try that is repeated after its success must not meet it as somebody else's.
        let write = write.updating(&self.tables.applications, item::tenant_key(&tenant.name))?;
        Ok(self.transact(vec![write]).await?.into())
    }

    async fn close_tenant(&self, tenant: &TenantName) -> Result<Write, StoreError> {
        let mut write = Expressions::default();
        write.assign([(name::CLOSING, AttributeValue::Bool(true))]);
        write.update(&self.client, &self.tables.applications, item::tenant_key(tenant)).await
    }

    async fn delete_tenant(&self, tenant: &TenantName) -> Result<Write, StoreError> {
        Ok(self.transact(vec![self.tenant_deletion(tenant)?]).await?.into())
    }

    async fn delete_tenant_and_right(&self, tenant: &TenantName, right: &AccessToken) -> Result<Write, StoreError> {
        let right = match right.without(tenant) {
            Some(left) => self.access_token_change(right, &left)?,
            None => as_read(right).deleting(&self.tables.applications, item::access_token_key(right.digest))?,
        };
        Ok(self.transact(vec![self.tenant_deletion(tenant)?, right]).await?.into())
    }

    async fn users_in_order(
        &self,
        tenant: &TenantName,
        order: Order,
        start: Option<&str>,
        limit: usize,
    ) -> Result<Page<User>, StoreError> {
        let page = self.by_tenant(tenant, order, start, limit).send().await;
        let page = page.map_err(|error| unavailable("Query", error))?;
        let items = page.items().iter().map(item::user).collect::<Result<Vec<_>, _>>()?;
        Ok(Page { items, next: page.last_evaluated_key().and_then(place) })
    }

    async fn count_users(
        &self,
        tenant: &TenantName,
        order: Order,
        start: Option<&str>,
        limit: usize,
    ) -> Result<Counted, StoreError> {
        let page = self.by_tenant(tenant, order, start, limit).select(Select::Count).send().await;
        let page = page.map_err(|error| unavailable("Query", error))?;
        let count = usize::try_from(page.count()).unwrap_or_default();
        Ok(Counted { count, next: page.last_evaluated_key().and_then(place) })
    }

    async fn credentials(&self, names: &[LoginName]) -> Result<Vec<Credential>, StoreError> {
        // DynamoDB takes no key twice.
        let names: Vec<_> = names.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut credentials = Vec::with_capacity(names.len());
        for names in names.chunks(BATCH) {
            let keys = names.iter().map(|name| item::credential_key(name)).collect();
            for attributes in self.batch_get(&self.tables.credentials, keys).await? {
                credentials.push(item::credential(item::credential_name(&attributes)?, &attributes)?);
            }
        }
        Ok(credentials)
    }

    async fn create_user(&self, account: NewUser) -> Result<Creation, StoreError> {
        let mut writes = self.account_writes(&account)?;
        writes.push(self.tenant_open(&account.user)?);
        let (writes, refusals): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        match self.transact(writes).await? {
            Outcome::Done => Ok(Creation::Done),
            Outcome::Refused(place) => Ok(refusals.get(place).copied().unwrap_or(Creation::NameTaken)),
        }
    }

    async fn import_users(&self, accounts: Vec<NewUser>) -> Result<Vec<Creation>, StoreError> {
        // DynamoDB takes no empty transaction.
        if accounts.is_empty() {
            return Ok(Vec::new());
        }
        let mut writes = Vec::new();
        for account in &accounts {
            writes.extend(self.account_writes(account)?.into_iter().map(|(write, _)| write));
        }
        // The tenant is read and no part of the transaction: it is one item, and batches side by side would meet in it.
        let whole = writes.len() <= TRANSACTION && are_apart(&writes) && self.are_open(&accounts).await?;
        if whole && matches!(self.transact(writes).await?, Outcome::Done) {
            if self.are_open(&accounts).await? {
                return Ok(vec![Creation::Done; accounts.len()]);
            }
            // Its deletion began meanwhile, and may have counted its users before these came.
            for account in &accounts {
                // Whoever is gone by then was found by the deletion.
                let (Write::Done | Write::Refused) = self.delete_user(&account.user, account.user.modified).await?;
            }
            return Ok(vec![Creation::NoSuchTenant; accounts.len()]);
        }
        // One that is refused refuses all, and two of one name make no transaction: each has to be told by itself.
        let mut creations = Vec::with_capacity(accounts.len());
        for account in accounts {
            creations.push(self.create_user(account).await?);
        }
        Ok(creations)
    }

    async fn update_user(&self, before: &User, after: &User) -> Result<Update, StoreError> {
        let after = &changed(before, after);
        let mut credential = None;
        if before.name.canonical() != after.name.canonical() {
            let key = item::credential_key(&LoginName::new(&before.tenant, &before.name));
            credential = self.batch_get(&self.tables.credentials, vec![key]).await?.pop();
            if credential.is_none() {
                return Ok(Update::Stale);
            }
        }
        let (writes, refusals): (Vec<_>, Vec<_>) = self.update_writes(before, after, credential)?.into_iter().unzip();
        match self.transact(writes).await? {
            Outcome::Done => Ok(Update::Done),
            Outcome::Refused(place) => Ok(refusals.get(place).copied().unwrap_or(Update::Stale)),
        }
    }

    async fn delete_user(&self, user: &User, at: Timestamp) -> Result<Write, StoreError> {
        let owned = [&self.tables.auth_headers, &self.tables.tickets];
        let disabling = Self::disabling(user, at).update(&self.client, &self.tables.users, item::user_key(&user.id));
        if disabling.await? == Write::Refused {
            let wanted = Lookup { users: vec![user.id.clone()], ..Lookup::default() };
            if self.lookup(wanted).await?.users.is_empty() {
                for table in owned {
                    self.sweep(table, user).await?;
                }
            }
            return Ok(Write::Refused);
        }
        for table in owned {
            self.sweep(table, user).await?;
        }
        if let Outcome::Refused(_) = self.transact(self.deletion_writes(user)?).await? {
            return Ok(Write::Refused);
        }
        // What began before the account was disabled may have been stored since. It opens nothing, and is not to stay.
        for table in owned {
            self.sweep(table, user).await?;
        }
        Ok(Write::Done)
    }

    async fn expire_password(&self, name: &LoginName, at: Option<Timestamp>) -> Result<Write, StoreError> {
        let mut write = Expressions::default();
        let phc = write.name(name::PHC);
        write.condition(format!("attribute_exists({phc})"));
        write.assign_or_remove(name::EXPIRES, at.map(item::moment));
        write.update(&self.client, &self.tables.credentials, item::credential_key(name)).await
    }

    async fn update_access_token(&self, before: &AccessToken, after: &AccessToken) -> Result<Write, StoreError> {
        // A transaction for the same reason as in `update_tenant`.
        Ok(self.transact(vec![self.access_token_change(before, after)?]).await?.into())
    }

    async fn set_enabled(&self, user: &User, enabled: bool, at: Timestamp) -> Result<Write, StoreError> {
        let mut write = Expressions::default();
        write.demand([(name::TENANT, item::text(user.tenant.as_str()))]);
        write.move_on(at);
        write.assign([(name::ENABLED, AttributeValue::Bool(enabled))]);
        if !enabled {
            // Epochs count up, so a try that is repeated after its success does no harm.
            write.increase(name::SESSION_EPOCH);
            write.increase(name::KEY_EPOCH);
        }
        let key = item::user_key(&user.id);
        write.update_in(&self.client, &self.tables.users, key, INSISTENT_TRIES).await
    }

    async fn create_access_token(&self, token: &AccessToken) -> Result<Write, StoreError> {
        self.create(&self.tables.applications, item::access_token_item(token)).await
    }

    async fn access_tokens_from(&self, start: Option<&str>) -> Result<Page<AccessToken>, StoreError> {
        self.of_kind(item::KIND_TOKEN, start, item::access_token).await
    }

    async fn unlock(&self, login: &LoginName) -> Result<Write, StoreError> {
        let wanted = Lookup { credential: Some(login.clone()), ..Lookup::default() };
        let Some(credential) = self.lookup(wanted).await?.credential else { return Ok(Write::Refused) };
        let keys: Vec<_> = credential.guesses.counters.into_keys().collect();
        for keys in keys.chunks(SWEPT) {
            let mut write = Expressions::default();
            write.forget(keys);
            // A change of name that read the counters before must not bring them back.
            write.assign([(name::OPERATION, self.operation())]);
            let key = item::credential_key(login);
            if write.update(&self.client, &self.tables.credentials, key).await? == Write::Refused {
                return Ok(Write::Refused);
            }
        }
        Ok(Write::Done)
    }

    async fn delete_access_token(&self, digest: Digest) -> Result<Write, StoreError> {
        self.delete_existing(&self.tables.applications, item::access_token_key(digest)).await
    }
}

/// Where in the listing of a tenant the item of a user stands.
fn place(key: &Attributes) -> Option<String> {
    let text = |attribute| key.get(attribute)?.as_s().ok();
    Some(format!("{}/{}", text(name::PK)?, text(name::NAME)?))
}

/// Where a listing of one kind goes on, after the item with this key.
fn place_of_kind(key: &Attributes) -> Option<String> {
    key.get(name::PK)?.as_s().ok().cloned()
}

impl DynamoStore {
    /// A part of the listing of a tenant's users.
    fn by_tenant(&self, tenant: &TenantName, order: Order, start: Option<&str>, limit: usize) -> QueryFluentBuilder {
        let request = self
            .client
            .query()
            .table_name(&self.tables.users)
            .index_name("by_tenant")
            .scan_index_forward(order == Order::Ascending)
            .key_condition_expression("#tenant = :tenant")
            .expression_attribute_names("#tenant", name::TENANT)
            .expression_attribute_values(":tenant", item::text(tenant.as_str()))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let Some((id, canonical)) = start.and_then(|start| start.split_once('/')) else { return request };
        let from = [(name::TENANT, tenant.as_str()), (name::NAME, canonical), (name::PK, id)];
        let from = from.map(|(attribute, value)| (attribute.to_owned(), item::text(value)));
        request.set_exclusive_start_key(Some(from.into()))
    }

    /// The write that deletes a tenant which is being deleted.
    fn tenant_deletion(&self, tenant: &TenantName) -> Result<TransactWriteItem, StoreError> {
        let mut delete = Expressions::default();
        delete.demand([(name::CLOSING, AttributeValue::Bool(true))]);
        delete.deleting(&self.tables.applications, item::tenant_key(tenant))
    }

    /// The write that changes an access token which still is as `before`.
    fn access_token_change(&self, before: &AccessToken, after: &AccessToken) -> Result<TransactWriteItem, StoreError> {
        let mut write = as_read(before);
        let mut wanted = item::access_token_item(after);
        write.assign(
            [name::APPLICATION, name::MASTER, name::PERMISSIONS]
                .into_iter()
                .filter_map(|attribute| Some((attribute, wanted.remove(attribute)?))),
        );
        write.assign_or_remove(name::EXPIRES, wanted.remove(name::EXPIRES));
        write.updating(&self.tables.applications, item::access_token_key(before.digest))
    }

    async fn of_kind<T>(
        &self,
        kind: &str,
        start: Option<&str>,
        read: fn(&Attributes) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let page = self.by_kind(kind, start).send().await.map_err(|error| unavailable("Query", error))?;
        let items = page.items().iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page { items, next: page.last_evaluated_key().and_then(place_of_kind) })
    }

    fn by_kind(&self, kind: &str, start: Option<&str>) -> QueryFluentBuilder {
        let request = self
            .client
            .query()
            .table_name(&self.tables.applications)
            .index_name("by_kind")
            .key_condition_expression("#kind = :kind")
            .expression_attribute_names("#kind", name::KIND)
            .expression_attribute_values(":kind", item::text(kind));
        let Some(start) = start else { return request };
        let from = [(name::KIND, kind), (name::PK, start)];
        let from = from.map(|(attribute, value)| (attribute.to_owned(), item::text(value)));
        request.set_exclusive_start_key(Some(from.into()))
    }

    /// Whether the tenants of all accounts can be joined.
    async fn are_open(&self, accounts: &[NewUser]) -> Result<bool, StoreError> {
        let mut tenants: Vec<_> = accounts.iter().map(|account| &account.user.tenant).collect();
        tenants.sort();
        tenants.dedup();
        let keys = tenants.iter().map(|tenant| item::tenant_key(tenant)).collect();
        let found = self.batch_get(&self.tables.applications, keys).await?;
        let open = found.iter().map(item::tenant).filter(|tenant| tenant.as_ref().is_ok_and(|tenant| !tenant.closing));
        Ok(open.count() == tenants.len())
    }

    /// Items of one table, strongly consistent, in no order; those that don't exist are left out.
    pub(super) async fn batch_get(&self, table: &str, keys: Vec<Attributes>) -> Result<Vec<Attributes>, StoreError> {
        let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let request = request.map_err(|error| unavailable("BatchGetItem", error))?;
        let mut items = self.get(HashMap::from([(table.to_owned(), request)])).await?;
        Ok(items.remove(table).unwrap_or_default())
    }
}

/// The condition that an access token still is as it was read.
fn as_read(token: &AccessToken) -> Expressions {
    let read = item::access_token_item(token);
    let mut write = Expressions::default();
    for attribute in [name::APPLICATION, name::MASTER, name::PERMISSIONS, name::EXPIRES] {
        write.demand_same(attribute, read.get(attribute).cloned());
    }
    write
}

/// Whether no two writes are of one item, which no transaction takes.
fn are_apart(writes: &[TransactWriteItem]) -> bool {
    let mut keys: Vec<String> = writes
        .iter()
        .filter_map(|write| {
            let (table, key) = match (&write.put, &write.condition_check) {
                (Some(put), _) => (&put.table_name, put.item.get(name::PK)),
                (_, Some(check)) => (&check.table_name, check.key.get(name::PK)),
                _ => return None,
            };
            Some(format!("{table}/{}", key?.as_s().ok()?))
        })
        .collect();
    keys.sort_unstable();
    keys.windows(2).all(|pair| pair.first() != pair.last())
}
