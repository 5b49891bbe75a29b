//! Accounts: their three kinds of items change together or not at all.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::expressions::Expressions;
use super::item::{self, Attributes, name, number};
use super::transaction::{create, delete_of, free_for, open};
use super::{DynamoStore, unavailable};
use crate::clock::Timestamp;
use crate::store::{Creation, LoginName, NewUser, PasswordChange, Proof, StoreError, Update, email_claim};
use crate::user::{Email, User};

/// As many items as are deleted side by side.
const DELETIONS: usize = 16;

/// One write of a transaction, and what it means if its condition does not hold.
pub(super) type Step<R> = (TransactWriteItem, R);

impl DynamoStore {
    /// The writes of a new account.
    pub(super) fn account_writes(&self, account: &NewUser) -> Result<Vec<Step<Creation>>, StoreError> {
        let user = &account.user;
        let login = LoginName::new(&user.tenant, &user.name);
        let credential = item::credential_item(&login, user, account.password.as_ref());
        let mut writes = vec![
            (create(&self.tables.credentials, credential)?, Creation::NameTaken),
            (create(&self.tables.users, item::user_item(user))?, Creation::IdTaken),
        ];
        if let Some(email) = &user.email {
            let claim = email_claim(&user.tenant, email);
            writes.push((create(&self.tables.credentials, item::email_item(&claim, user))?, Creation::EmailTaken));
        }
        let checks = self.foreign_names(user, true, true)?;
        let refusals = [Creation::NameTaken, Creation::EmailTaken];
        writes.extend(checks.into_iter().zip(refusals).filter_map(|(check, refusal)| Some((check?, refusal))));
        Ok(writes)
    }

    /// The check that a tenant can be joined.
    pub(super) fn tenant_open(&self, user: &User) -> Result<Step<Creation>, StoreError> {
        Ok((open(&self.tables.applications, item::tenant_key(&user.tenant))?, Creation::NoSuchTenant))
    }

    /// Checks that a user's name is nobody else's address, and its address nobody else's name: whoever logs in by one of
    /// them must mean one account. Only for what is `named` or `addressed` anew.
    fn foreign_names(
        &self,
        user: &User,
        named: bool,
        addressed: bool,
    ) -> Result<[Option<TransactWriteItem>; 2], StoreError> {
        let table = &self.tables.credentials;
        let email = user.email.as_ref();
        // A name that is also the user's own address is checked by the write of the claim itself, and the other way round.
        let own = email.is_some_and(|email| email.canonical() == user.name.canonical());
        let as_address = Email::parse(user.name.canonical()).filter(|_| named && !own);
        let as_name = email.filter(|_| addressed && !own);
        let check = |key| free_for(table, key, &user.id);
        let address = as_address.map(|email| check(item::email_key(&email_claim(&user.tenant, &email)))).transpose()?;
        // The claim's name is the address, which is the name that the credential would have.
        let name = as_name.map(|email| check(item::credential_key(&email_claim(&user.tenant, email)))).transpose()?;
        Ok([address, name])
    }

    /// The writes of a changed password whose token, if it rests on one, fits.
    pub(super) fn password_writes(&self, change: &PasswordChange) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut credential = Expressions::default();
        credential.demand([(name::VERSION, number(change.version)), (name::USER, item::text(change.user.as_str()))]);
        credential.assign(item::password_attributes(&change.password));
        credential.assign([(name::VERSION, number(change.version + 1))]);
        credential.assign_or_remove(name::EXPIRES, change.password.expires.map(item::moment));
        credential.forget(&change.forget);
        if let Some(place) = &change.place {
            credential.assign([(item::known_attribute(place).as_str(), item::moment(change.at))]);
        }
        let mut user = Expressions::default();
        user.increase(name::SESSION_EPOCH);
        if change.end_auth_headers {
            user.increase(name::KEY_EPOCH);
        }
        let mut writes = Vec::new();
        match &change.proof {
            Proof::OldPassword(gate) => {
                credential.pass(gate, change.at);
                user.demand([(name::ENABLED, AttributeValue::Bool(true))]);
            }
            Proof::Reset(token) => {
                writes.push(Expressions::default().deleting(&self.tables.credentials, item::one_time_key(&token.key))?);
                user.demand([(name::ENABLED, AttributeValue::Bool(true))]);
                user.demand([(name::SESSION_EPOCH, number(token.epoch))]);
                user.demand_same(name::EMAIL, token.email.as_ref().map(|email| item::text(email.as_str())));
                // Whoever read the mail has shown whose the address is.
                if token.email.is_some() {
                    user.assign([
                        (name::EMAIL_VERIFIED, AttributeValue::Bool(true)),
                        (name::MODIFIED, item::moment(change.at)),
                    ]);
                }
            }
            // Who asked for it shows the profile, and others tell by its date that it changed.
            Proof::Administrator => user.move_on(change.at),
        }
        writes.push(credential.updating(&self.tables.credentials, item::credential_key(&change.name))?);
        writes.push(user.updating(&self.tables.users, item::user_key(&change.user))?);
        Ok(writes)
    }

    /// The writes of a change of a user. `credential` is the raw item under the old name, where the name changes.
    pub(super) fn update_writes(
        &self,
        before: &User,
        after: &User,
        credential: Option<Attributes>,
    ) -> Result<Vec<Step<Update>>, StoreError> {
        let mut writes = vec![(self.profile_write(before, after)?, Update::Stale)];
        let renamed = before.name.canonical() != after.name.canonical();
        let canonical = |user: &User| user.email.as_ref().map(|email| email.canonical().to_owned());
        let readdressed = canonical(before) != canonical(after);
        if let (true, Some(credential)) = (renamed, credential) {
            writes.extend(self.rename_writes(before, after, credential)?);
        }
        let table = &self.tables.credentials;
        let key = |user: &User, email: &Email| email_claim(&user.tenant, email);
        if let (Some(old), true) = (&before.email, readdressed) {
            let mut claim = Expressions::default();
            claim.demand([(name::USER, item::text(before.id.as_str()))]);
            writes.push((claim.deleting(table, item::email_key(&key(before, old)))?, Update::Stale));
        }
        match &after.email {
            Some(new) if readdressed => {
                writes.push((create(table, item::email_item(&key(after, new), after))?, Update::EmailTaken));
            }
            Some(kept) if renamed => {
                let mut claim = Expressions::default();
                claim.demand([(name::USER, item::text(after.id.as_str()))]);
                claim.assign([(name::NAME, item::text(after.name.canonical()))]);
                writes.push((claim.updating(table, item::email_key(&key(after, kept)))?, Update::Stale));
            }
            _ => {}
        }
        let refusals = [Update::NameTaken, Update::EmailTaken];
        let checks = self.foreign_names(after, renamed, readdressed)?;
        let touched = own_keys(before).into_iter().chain(own_keys(after)).collect::<Vec<_>>();
        writes.extend(checks.into_iter().zip(refusals).filter_map(|(check, refusal)| {
            // What this transaction itself writes, it can't check as well, and need not.
            let check = check?;
            let key = check.condition_check.as_ref().map(|check| check.key.clone())?;
            (!touched.contains(&key)).then_some((check, refusal))
        }));
        Ok(writes)
    }

    fn profile_write(&self, before: &User, after: &User) -> Result<TransactWriteItem, StoreError> {
        let mut user = Expressions::default();
        user.demand([
            (name::MODIFIED, item::moment(before.modified)),
            (name::TENANT, item::text(before.tenant.as_str())),
        ]);
        user.assign([
            (name::MODIFIED, item::moment(after.modified)),
            (name::NAME, item::text(after.name.canonical())),
            (name::USERNAME, item::text(after.name.as_str())),
            (name::ROLES, item::texts(after.roles.iter().map(String::as_str))),
            (name::ATTRIBUTES, item::user_attributes(&after.attributes)),
        ]);
        if before.enabled && !after.enabled {
            user.assign([(name::ENABLED, AttributeValue::Bool(false))]);
            user.increase(name::SESSION_EPOCH);
            user.increase(name::KEY_EPOCH);
        }
        let verified = after.email_verified.then_some(AttributeValue::Bool(true));
        user.assign_or_remove(name::EMAIL, after.email.as_ref().map(|email| item::text(email.as_str())));
        user.assign_or_remove(name::EMAIL_VERIFIED, verified);
        user.assign_or_remove(name::FIRST_NAME, after.first_name.as_deref().map(item::text));
        user.assign_or_remove(name::LAST_NAME, after.last_name.as_deref().map(item::text));
        user.assign_or_remove(name::DISPLAY_NAME, after.display_name.as_deref().map(item::text));
        user.assign_or_remove(name::APPLICATION, after.application.as_deref().map(item::text));
        user.updating(&self.tables.users, item::user_key(&before.id))
    }

    /// Moves a credential, with everything that it remembers, to another name. What a login or a guess writes meanwhile
    /// must not be lost, so the move rests on all that they touch.
    fn rename_writes(
        &self,
        before: &User,
        after: &User,
        credential: Attributes,
    ) -> Result<[Step<Update>; 2], StoreError> {
        let table = &self.tables.credentials;
        let mut old = Expressions::default();
        old.demand([(name::USER, item::text(before.id.as_str()))]);
        for attribute in [name::VERSION, name::OPERATION, name::LAST_LOGIN, name::EXPIRES, name::SENT, name::PHC] {
            old.demand_same(attribute, credential.get(attribute).cloned());
        }
        let mut moved = credential;
        moved.extend(item::credential_key(&LoginName::new(&after.tenant, &after.name)));
        let old_key = item::credential_key(&LoginName::new(&before.tenant, &before.name));
        Ok([(old.deleting(table, old_key)?, Update::Stale), (create(table, moved)?, Update::NameTaken)])
    }

    /// The update that disables the account that is about to be deleted, provided that it is still as `user` says.
    pub(super) fn disabling(user: &User, at: Timestamp) -> Expressions {
        let mut profile = Expressions::default();
        profile.demand([
            (name::NAME, item::text(user.name.canonical())),
            (name::TENANT, item::text(user.tenant.as_str())),
        ]);
        profile.demand_same(name::EMAIL, user.email.as_ref().map(|email| item::text(email.as_str())));
        profile.assign([(name::ENABLED, AttributeValue::Bool(false)), (name::MODIFIED, item::moment(at))]);
        profile.increase(name::SESSION_EPOCH);
        profile.increase(name::KEY_EPOCH);
        profile
    }

    /// The writes that delete a user and its claims, provided that it is still disabled.
    pub(super) fn deletion_writes(&self, user: &User) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut profile = Expressions::default();
        profile.demand([(name::ENABLED, AttributeValue::Bool(false)), (name::NAME, item::text(user.name.canonical()))]);
        profile.demand_same(name::EMAIL, user.email.as_ref().map(|email| item::text(email.as_str())));
        let table = &self.tables.credentials;
        let login = LoginName::new(&user.tenant, &user.name);
        let mut writes = vec![
            profile.deleting(&self.tables.users, item::user_key(&user.id))?,
            delete_of(table, item::credential_key(&login), &user.id)?,
        ];
        if let Some(email) = &user.email {
            writes.push(delete_of(table, item::email_key(&email_claim(&user.tenant, email)), &user.id)?);
        }
        Ok(writes)
    }

    /// Deletes what a user left behind in a table of its own partition.
    pub(super) async fn sweep(&self, table: &str, user: &User) -> Result<(), StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(table)
            .consistent_read(true)
            .key_condition_expression("#pk = :user")
            .projection_expression("#pk, #sk")
            .expression_attribute_names("#pk", name::PK)
            .expression_attribute_names("#sk", name::SK)
            .expression_attribute_values(":user", item::text(user.id.as_str()))
            .into_paginator()
            .items()
            .send();
        // Side by side, for a user may have thousands of them, and whoever deletes it waits.
        let mut deletions = FuturesUnordered::new();
        while let Some(key) = pages.next().await {
            let key = key.map_err(|error| unavailable("Query", error))?;
            if deletions.len() == DELETIONS {
                deletions.next().await.transpose()?;
            }
            deletions.push(self.swept(table, key));
        }
        while deletions.next().await.transpose()?.is_some() {}
        Ok(())
    }

    async fn swept(&self, table: &str, key: Attributes) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(table).set_key(Some(key));
        delete.send().await.map(|_| ()).map_err(|error| unavailable("DeleteItem", error))
    }
}

/// The keys under which a user's claims are stored.
fn own_keys(user: &User) -> Vec<Attributes> {
    let name = item::credential_key(&LoginName::new(&user.tenant, &user.name));
    let email = user.email.as_ref().map(|email| item::email_key(&email_claim(&user.tenant, email)));
    std::iter::once(name).chain(email).collect()
}
