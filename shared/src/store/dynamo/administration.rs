//! The operator's half of the store.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};

use super::expressions::Expressions;
use super::item::{self, Attributes, name};
use super::transaction::{Outcome, create, exists};
use super::{DynamoStore, condition, unavailable};
use crate::access_token::AccessToken;
use crate::clock::Timestamp;
use crate::lockout::SWEPT;
use crate::secret::Digest;
use crate::store::{Administration, Creation, LoginName, Lookup, NewUser, Store as _, StoreError, Write, email_claim};
use crate::tenant::Tenant;
use crate::user::UserId;

impl Administration for DynamoStore {
    async fn create_tenant(&self, tenant: &Tenant) -> Result<Write, StoreError> {
        self.create(&self.tables.applications, item::tenant_item(tenant)).await
    }

    async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        self.of_kind(item::KIND_TENANT).await?.iter().map(item::tenant).collect()
    }

    async fn create_user(&self, account: NewUser) -> Result<Creation, StoreError> {
        let writes = self.account_writes(&account)?;
        // In the order of [`Self::account_writes`].
        let refusals = [Creation::NameTaken, Creation::IdTaken, Creation::NoSuchTenant, Creation::EmailTaken];
        match self.transact(writes).await? {
            Outcome::Done => Ok(Creation::Done),
            Outcome::Refused(place) => Ok(refusals.get(place).copied().unwrap_or(Creation::NameTaken)),
        }
    }

    async fn set_enabled(&self, user: &UserId, enabled: bool, at: Timestamp) -> Result<Write, StoreError> {
        // Epochs count up, so a try that is repeated after its success does no harm.
        let epochs = if enabled { "" } else { " ADD #session :one, #key :one" };
        let mut request = self
            .client
            .update_item()
            .table_name(&self.tables.users)
            .set_key(Some(item::user_key(user)))
            .update_expression(format!("SET #enabled = :enabled, #modified = :at{epochs}"))
            .condition_expression("attribute_exists(#pk)")
            .expression_attribute_names("#pk", name::PK)
            .expression_attribute_names("#enabled", name::ENABLED)
            .expression_attribute_names("#modified", name::MODIFIED)
            .expression_attribute_values(":enabled", AttributeValue::Bool(enabled))
            .expression_attribute_values(":at", item::moment(at));
        if !enabled {
            request = request
                .expression_attribute_names("#session", name::SESSION_EPOCH)
                .expression_attribute_names("#key", name::KEY_EPOCH)
                .expression_attribute_values(":one", item::number(1));
        }
        condition(request.send().await, "UpdateItem")
    }

    async fn create_access_token(&self, token: &AccessToken) -> Result<Write, StoreError> {
        self.create(&self.tables.applications, item::access_token_item(token)).await
    }

    async fn access_tokens(&self) -> Result<Vec<AccessToken>, StoreError> {
        self.of_kind(item::KIND_TOKEN).await?.iter().map(item::access_token).collect()
    }

    async fn unlock(&self, name: &LoginName) -> Result<Write, StoreError> {
        let wanted = Lookup { credential: Some(name.clone()), ..Lookup::default() };
        let Some(credential) = self.lookup(wanted).await?.credential else { return Ok(Write::Refused) };
        let keys: Vec<_> = credential.guesses.counters.into_keys().collect();
        for keys in keys.chunks(SWEPT) {
            let mut write = Expressions::default();
            write.forget(keys);
            let key = item::credential_key(name);
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

impl DynamoStore {
    async fn of_kind(&self, kind: &str) -> Result<Vec<Attributes>, StoreError> {
        let pages = self
            .client
            .query()
            .table_name(&self.tables.applications)
            .index_name("by_kind")
            .key_condition_expression("#kind = :kind")
            .expression_attribute_names("#kind", name::KIND)
            .expression_attribute_values(":kind", AttributeValue::S(kind.to_owned()))
            .into_paginator()
            .items()
            .send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(|error| unavailable("Query", error))
    }

    /// Name, user, tenant and e-mail, in this order.
    fn account_writes(&self, account: &NewUser) -> Result<Vec<TransactWriteItem>, StoreError> {
        let user = &account.user;
        let login = LoginName::new(&user.tenant, &user.name);
        let mut writes = vec![
            create(&self.tables.credentials, item::credential_item(&login, user, account.phc.as_ref()))?,
            create(&self.tables.users, item::user_item(user))?,
            exists(&self.tables.applications, item::tenant_key(&user.tenant))?,
        ];
        if let Some(email) = &user.email {
            let claim = email_claim(&user.tenant, email);
            writes.push(create(&self.tables.credentials, item::email_item(&claim, user))?);
        }
        Ok(writes)
    }
}
