//! What an operator's restore needs beside DynamoDB's own: that what was ended since then stays ended.
//!
//! A table that is restored to an earlier moment takes again whatever was disabled, deleted, changed or narrowed since.
//! The tables that were in use until now (the reference) still know it. [`Comparison::run`] holds the one against the
//! other, item by item, tells what it finds, and ends it in the restored tables.
//!
//! Invariants: no table of the reference is written to. What comes of it is never more than the restored item and the one
//! of the reference both allow, but for a later password, address or rules in the place of earlier ones; where both were
//! changed, it takes away or tells a conflict. Once the restored tables are in use, nothing in them is deleted.
//!
//! Behind the feature `restore`, which no function is built with: it scans whole tables, and deletes.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;

use super::expressions::Expressions;
use super::item::{self, Attributes, name, number};
use super::{DynamoStore, Tables, unavailable};
use crate::access_token::{AccessToken, TenantPermission};
use crate::clock::Timestamp;
use crate::store::dynamo::transaction::Outcome;
use crate::store::{Administration as _, Credential, LoginName, NewPassword, StoreError, Update, Write};
use crate::user::User;

/// What clocks may differ by. Between a restore and its use lie minutes at least.
const CLOCKS: Duration = Duration::from_mins(1);
/// As many accounts as are held against the reference at once: two names each, and a hundred keys to a read.
const ACCOUNTS: usize = 50;
/// As many items of other kinds.
const ITEMS: usize = 100;

/// What was ended, or can't be told, since the moment of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The user is in the restored tables only: it was deleted, or is what was damaged.
    UserMissing,
    /// The reference has another user under the same id: this one was deleted.
    UserReplaced,
    /// The user was disabled.
    UserDisabled,
    /// Roles were taken away.
    RolesTaken,
    /// The e-mail address was changed or taken away.
    AddressChanged,
    /// The e-mail address was changed in both.
    AddressConflict,
    /// The password was changed.
    PasswordChanged,
    /// The password was changed in both.
    PasswordConflict,
    /// The password was given an end, or an earlier one.
    PasswordEnds,
    /// All of the user's sessions were ended.
    SessionsEnded,
    /// All of the user's auth headers were ended.
    AuthHeadersEnded,
    /// The auth header is in the restored tables only.
    AuthHeaderMissing,
    /// The auth header was given an end, or an earlier one.
    AuthHeaderEnds,
    /// The access token is in the restored tables only.
    AccessTokenMissing,
    /// The access token may less.
    AccessTokenNarrowed,
    /// The tenant is in the restored tables only.
    TenantMissing,
    /// The tenant's deletion has begun.
    TenantClosing,
    /// The tenant has other rules.
    TenantRules,
    /// The tenant has other rules, and the restored tables are in use: it may have been given rules in both.
    TenantConflict,
    /// A session or persistent login is in the restored tables only. Its id is not told: it is a live one's digest.
    SessionMissing,
    /// A persistent login or session has moved on.
    SessionMoved,
    /// A token for resetting a password or verifying an address is in the restored tables only.
    OneTimeMissing,
    /// The item can't be read in the restored tables.
    Unreadable,
    /// The item can't be read in the reference; what became of it is not known.
    UnreadableSince,
    /// It was changed by somebody else while it was looked at: another run is needed.
    Again,
    /// It was made since, and is not in the restored tables.
    MadeSince,
}

impl Change {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserMissing => "user-missing",
            Self::UserReplaced => "user-made-anew",
            Self::UserDisabled => "user-disabled",
            Self::RolesTaken => "roles-taken",
            Self::AddressChanged => "address-changed",
            Self::AddressConflict => "address-conflict",
            Self::PasswordConflict => "password-conflict",
            Self::PasswordChanged => "password-changed",
            Self::PasswordEnds => "password-ends",
            Self::SessionsEnded => "sessions-ended",
            Self::AuthHeadersEnded => "auth-headers-ended",
            Self::AuthHeaderMissing => "auth-header-missing",
            Self::AuthHeaderEnds => "auth-header-ends",
            Self::AccessTokenMissing => "access-token-missing",
            Self::AccessTokenNarrowed => "access-token-narrowed",
            Self::TenantMissing => "tenant-missing",
            Self::TenantClosing => "tenant-closing",
            Self::TenantRules => "tenant-rules",
            Self::TenantConflict => "tenant-conflict",
            Self::SessionMissing => "session-missing",
            Self::SessionMoved => "session-moved",
            Self::OneTimeMissing => "one-time-token-missing",
            Self::Unreadable => "unreadable",
            Self::UnreadableSince => "unreadable-since",
            Self::Again => "again",
            Self::MadeSince => "made-since",
        }
    }

    /// Whether no program can settle it: somebody has to look.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            Self::AddressConflict
                | Self::PasswordConflict
                | Self::TenantConflict
                | Self::Unreadable
                | Self::UnreadableSince
        )
    }
}

/// What was found, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub change: Change,
    /// Whose: the id of a user, the id of an auth header behind its user's, the fingerprint of an access token, the name
    /// of a tenant. Nothing where it would be a secret.
    pub of: Option<String>,
}

/// A kind of which things may be missing because they were damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damaged {
    /// Users, with their credentials.
    Users,
    /// Auth headers.
    AuthHeaders,
    /// Access tokens.
    AccessTokens,
    /// Tenants.
    Tenants,
}

/// What to make of what is found.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that the operator sets")]
pub struct Rules {
    /// The moment that the tables were restored to.
    pub moment: Timestamp,
    /// Whether the restored tables are in use already: what was made in them since is none of the restore's, and nothing
    /// is deleted.
    pub in_use: bool,
    /// The present.
    pub now: Timestamp,
    /// Whether to write at all.
    pub act: bool,
    /// Of which kinds what the reference lacks is the damage that is to be mended. It was deleted otherwise, and is
    /// deleted again.
    pub damaged: BTreeSet<Damaged>,
    /// What stays ended all the same, as [`Finding::of`] says it.
    pub ended: BTreeSet<String>,
    /// Whether auth headers of users whom the reference lacks are taken again. Whether they were all ended since is known
    /// of nobody then.
    pub revive_auth_headers: bool,
    /// Whether every session of every user ends.
    pub end_sessions: bool,
    /// Whether every auth header of every user ends.
    pub end_auth_headers: bool,
}

/// Restored tables beside those that were in use.
pub struct Comparison {
    restored: DynamoStore,
    reference: DynamoStore,
    rules: Rules,
}

/// What becomes of a password.
#[derive(Clone, Copy)]
enum Password<'a> {
    /// It is the reference's, which was set later.
    Later(&'a Credential),
    /// It ends when the reference's does.
    Ends(&'a Credential),
    /// It is none: nobody can tell which is its owner's. The version is the reference's.
    Removed(u64),
}

/// What the reference has of an item.
enum Since<T> {
    /// It is as this.
    There(T),
    /// It has none.
    Missing,
    /// It can't be read.
    Unreadable,
}

/// Where findings go.
type Told<'a> = &'a mut (dyn FnMut(Finding) + Send);

fn tell(told: Told<'_>, change: Change, of: impl Into<String>) {
    told(Finding { change, of: Some(of.into()) });
}

fn tell_again(told: Told<'_>, written: Write, of: impl Into<String>) {
    if written == Write::Refused {
        tell(told, Change::Again, of);
    }
}

impl Comparison {
    /// Holds the tables of `restored` against those of `reference`. Where both name the same table, there is nothing to
    /// compare.
    #[must_use]
    pub fn new(restored: DynamoStore, reference: DynamoStore, rules: Rules) -> Self {
        Self { restored, reference, rules }
    }

    /// Compares, and writes if it shall: to no table that is one of the reference's.
    pub async fn run(&self, told: Told<'_>) -> Result<(), StoreError> {
        let Tables { credentials, users, tickets, auth_headers, applications } = &*self.restored.tables;
        if self.is_own(applications) {
            self.applications(told).await?;
        }
        if self.is_own(users) && self.is_own(credentials) {
            self.accounts(told).await?;
            self.one_time_tokens(told).await?;
        }
        if self.is_own(auth_headers) {
            self.auth_headers(told).await?;
        }
        // One that went on in the restored tables is ended by nothing but the user's epoch.
        if self.is_own(tickets) && !self.rules.in_use {
            self.sessions(told).await?;
        }
        Ok(())
    }

    fn is_own(&self, table: &str) -> bool {
        let Tables { credentials, users, tickets, auth_headers, applications } = &*self.reference.tables;
        ![credentials, users, tickets, auth_headers, applications].into_iter().any(|other| other == table)
    }

    /// Tells what was made since the moment, and so is not in the restored tables.
    pub async fn made_since(&self, told: Told<'_>) -> Result<(), StoreError> {
        let (restored, reference) = (&self.restored.tables, &self.reference.tables);
        let kinds: [fn(&Tables) -> &String; 3] = [|t| &t.users, |t| &t.auth_headers, |t| &t.applications];
        for table in kinds.into_iter().filter(|table| table(restored) != table(reference)).map(|table| table(reference))
        {
            let mut pages = Pages::of(&self.reference, table);
            while let Some(items) = pages.next().await? {
                for item in &items {
                    readable(item::check(item))?;
                }
                let new = |item: &&Attributes| item::created(item).is_some_and(|created| created > self.rules.moment);
                items.iter().filter(new).for_each(|item| tell(told, Change::MadeSince, item::called(item)));
            }
        }
        Ok(())
    }

    /// Whether what the reference lacks was ended, and not damaged. Nobody can tell once the restored tables are in use:
    /// accounts may have been moved into them that are older than the restore.
    fn is_ended(&self, kind: Damaged, of: &str) -> bool {
        let named = |of: &str| self.rules.ended.contains(of);
        !self.rules.in_use
            && (!self.rules.damaged.contains(&kind)
                || named(of)
                || of.rsplit_once('/').is_some_and(|(_, id)| named(id)))
    }

    /// Whether an item came with the restore.
    fn is_restored(&self, created: Timestamp) -> bool {
        !self.rules.in_use || created <= self.rules.moment.plus(CLOCKS)
    }

    /// What the reference has of each of these items, in their order.
    async fn since(&self, table: &str, items: &[Attributes]) -> Result<Vec<Option<Attributes>>, StoreError> {
        let keys: Vec<_> = items.iter().map(item::key_of).collect();
        let mut found = HashMap::new();
        for keys in keys.chunks(ITEMS) {
            for attributes in self.reference.batch_get(table, keys.to_vec()).await? {
                found.insert(place(&attributes), attributes);
            }
        }
        Ok(items.iter().map(|attributes| found.remove(&place(attributes))).collect())
    }
}

/// Accounts: users and their credentials.
impl Comparison {
    async fn accounts(&self, told: Told<'_>) -> Result<(), StoreError> {
        let mut pages = Pages::of(&self.restored, &self.restored.tables.users);
        while let Some(items) = pages.next().await? {
            for items in items.chunks(ACCOUNTS) {
                self.some_accounts(items, told).await?;
            }
        }
        Ok(())
    }

    async fn some_accounts(&self, items: &[Attributes], told: Told<'_>) -> Result<(), StoreError> {
        let mut accounts = Vec::with_capacity(items.len());
        for (attributes, since) in items.iter().zip(self.since(&self.reference.tables.users, items).await?) {
            match readable(item::user(attributes))? {
                Some(user) if self.is_restored(user.created) => {
                    accounts.push((user, read(since.as_ref(), item::user, |_| true)?));
                }
                Some(_) => {}
                None => tell(told, Change::Unreadable, item::called(attributes)),
            }
        }
        let names: Vec<_> =
            accounts.iter().flat_map(|(user, since)| [name_of(user), name_of(latest(user, since))]).collect();
        let own = credentials(&self.restored, &names).await?;
        let others = credentials(&self.reference, &names).await?;
        for (user, since) in accounts {
            let password = self.password(
                &user,
                &since,
                own.get(&name_of(&user)),
                others.get(&name_of(latest(&user, &since))),
                told,
            );
            // Before the hash goes, since a run that finds none ends nothing more.
            let ends = password.as_ref().is_some_and(|(_, password)| matches!(password, Password::Removed(_)));
            if self.profile(&user, &since, ends, told).await?
                && let Some((own, password)) = password
            {
                self.write_password(own, password, told).await?;
            }
        }
        Ok(())
    }

    /// What becomes of a user. Says whether its password is to be looked after, too.
    async fn profile(&self, user: &User, since: &Since<User>, ends: bool, told: Told<'_>) -> Result<bool, StoreError> {
        let id = user.id.as_str();
        match since {
            Since::There(since) if is_same(user, since) => self.account(user, since, ends, told).await,
            Since::There(_) => {
                tell(told, Change::UserReplaced, id);
                self.delete_user(user, told).await?;
                Ok(false)
            }
            Since::Missing => {
                tell(told, Change::UserMissing, id);
                if self.is_ended(Damaged::Users, id) {
                    self.delete_user(user, told).await?;
                    return Ok(false);
                }
                Ok(self.raise_unknown(user, ends, told).await? && !self.rules.in_use)
            }
            Since::Unreadable => {
                tell(told, Change::UnreadableSince, id);
                self.raise_unknown(user, ends, told).await
            }
        }
    }

    /// A user that the reference knows: it may no more than there. Says whether that is written.
    async fn account(&self, user: &User, since: &User, ends: bool, told: Told<'_>) -> Result<bool, StoreError> {
        let id = user.id.as_str();
        let wanted = later_of(user, since, self.rules.moment, told);
        let mut written = user.clone();
        if self.rules.act && wanted != *user {
            let Some(user) = self.write_user(user, &wanted).await? else {
                tell(told, Change::Again, id);
                return Ok(false);
            };
            written = user;
        }
        if since.session_epoch > user.session_epoch {
            tell(told, Change::SessionsEnded, id);
        }
        if since.key_epoch > user.key_epoch {
            tell(told, Change::AuthHeadersEnded, id);
        }
        let target = |own: u64, since: u64, ends: bool| {
            let both = own.max(since);
            if ends { both.saturating_add(1).max(self.above_all()) } else { both }
        };
        let session = target(written.session_epoch, since.session_epoch, ends || self.rules.end_sessions);
        let key = target(written.key_epoch, since.key_epoch, ends || self.rules.end_auth_headers);
        self.raise(&written, session, key, told).await
    }

    /// Writes what a user may no more, and says what became of it; nothing if it was changed meanwhile. The date of change
    /// hardly moves: it goes on telling whether somebody else has changed the user.
    async fn write_user(&self, user: &User, wanted: &User) -> Result<Option<User>, StoreError> {
        let mut wanted = wanted.clone();
        let mut written = self.restored.update_user(user, &wanted).await?;
        if written == Update::EmailTaken {
            // Somebody gave the address up since, who still has it here. Another run brings it, if that one comes first.
            (wanted.email, wanted.email_verified) = (None, false);
            written = self.restored.update_user(user, &wanted).await?;
        }
        Ok((written == Update::Done).then(|| crate::store::changed(user, &wanted)))
    }

    /// Takes a user and its credential away, and nothing else: what else it had is another table's, which may be in use.
    async fn delete_user(&self, user: &User, told: Told<'_>) -> Result<(), StoreError> {
        if !self.rules.act || self.rules.in_use {
            return Ok(());
        }
        let disabled = self.restored.set_enabled(user, false, self.rules.now.max(user.modified)).await?;
        let done = disabled == Write::Done
            && matches!(self.restored.transact(self.restored.deletion_writes(user)?).await?, Outcome::Done);
        if !done {
            tell(told, Change::Again, user.id.as_str());
        }
        Ok(())
    }

    /// Ends what a user had of whom nobody knows what was ended since. Once: what is above every epoch of that time was
    /// raised by an earlier run.
    async fn raise_unknown(&self, user: &User, ends: bool, told: Told<'_>) -> Result<bool, StoreError> {
        let (then, now) = (User::first_epoch(self.rules.moment.plus(CLOCKS)), self.above_all());
        let target = |own: u64, ends: bool, unknown: bool| {
            let unknown = unknown && !self.rules.in_use && own <= then;
            if ends || unknown { own.saturating_add(1).max(now) } else { own }
        };
        let session = target(user.session_epoch, ends || self.rules.end_sessions, true);
        let key = target(user.key_epoch, ends || self.rules.end_auth_headers, !self.rules.revive_auth_headers);
        self.raise(user, session, key, told).await
    }

    /// An epoch that nothing issued so far can have, of whomever.
    fn above_all(&self) -> u64 {
        User::first_epoch(self.rules.now.plus(CLOCKS))
    }

    async fn raise(&self, user: &User, session: u64, key: u64, told: Told<'_>) -> Result<bool, StoreError> {
        if !self.rules.act {
            return Ok(true);
        }
        raise(&self.restored, user, session, key, told).await
    }

    /// What becomes of a password; nothing where there is none, or it can't be read.
    fn password<'a>(
        &self,
        user: &User,
        since: &Since<User>,
        own: Option<&'a Option<Credential>>,
        other: Option<&'a Option<Credential>>,
        told: Told<'_>,
    ) -> Option<(&'a Credential, Password<'a>)> {
        let Some(own) = own? else {
            tell(told, Change::Unreadable, user.id.as_str());
            return None;
        };
        if own.user != user.id || matches!(since, Since::There(since) if !is_same(user, since)) {
            return None;
        }
        let password = match other? {
            Some(other) if other.user == user.id => later_password(own, other, self.rules.moment)?,
            Some(_) => return None,
            None => {
                tell(told, Change::UnreadableSince, user.id.as_str());
                own.phc.as_ref()?;
                Password::Removed(own.version)
            }
        };
        Some((own, password))
    }

    async fn write_password(&self, own: &Credential, password: Password<'_>, told: Told<'_>) -> Result<(), StoreError> {
        let mut write = Expressions::default();
        write.demand([(name::VERSION, number(own.version)), (name::USER, item::text(own.user.as_str()))]);
        match password {
            Password::Later(other) => {
                tell(told, Change::PasswordChanged, own.user.as_str());
                write.assign([(name::VERSION, number(own.version.max(other.version)))]);
                if let Some(phc) = other.phc.clone() {
                    let (changed, history) = (other.password_changed, other.history.clone());
                    let password = NewPassword { phc, changed, expires: other.password_expires, history };
                    write.assign(item::password_attributes(&password));
                } else {
                    write.assign_or_remove(name::PHC, None);
                }
                write.assign_or_remove(name::EXPIRES, other.password_expires.map(item::moment));
            }
            Password::Ends(other) => {
                tell(told, Change::PasswordEnds, own.user.as_str());
                write.assign_or_remove(name::EXPIRES, other.password_expires.map(item::moment));
            }
            Password::Removed(version) => {
                tell(told, Change::PasswordConflict, own.user.as_str());
                // A version of its own, so that no token for a new password that either table gave out fits.
                write.assign([(name::VERSION, number(own.version.max(version).saturating_add(1)))]);
                write.assign_or_remove(name::PHC, None);
            }
        }
        if self.rules.act {
            let (client, table) = (&self.restored.client, &self.restored.tables.credentials);
            let written = write.update(client, table, item::credential_key(&own.name)).await?;
            tell_again(told, written, own.user.as_str());
        }
        Ok(())
    }

    /// Tokens for resetting passwords and verifying addresses. Those that are gone were used or taken back; at worst
    /// somebody asks for another one.
    async fn one_time_tokens(&self, told: Told<'_>) -> Result<(), StoreError> {
        let mut pages = Pages::of(&self.restored, &self.restored.tables.credentials);
        while let Some(mut items) = pages.next().await? {
            items.retain(|item| item.contains_key(name::PURPOSE));
            for (attributes, since) in items.iter().zip(self.since(&self.reference.tables.credentials, &items).await?) {
                if since.is_none() && item::created(attributes).is_none_or(|created| self.is_restored(created)) {
                    told(Finding { change: Change::OneTimeMissing, of: None });
                    self.delete(&self.restored.tables.credentials, attributes).await?;
                }
            }
        }
        Ok(())
    }

    /// Deletes an item, if anything shall be written, and the table is not in use yet.
    async fn delete(&self, table: &str, attributes: &Attributes) -> Result<(), StoreError> {
        if !self.rules.act || self.rules.in_use {
            return Ok(());
        }
        let delete = self.restored.client.delete_item().table_name(table).set_key(Some(item::key_of(attributes)));
        delete.send().await.map(|_| ()).map_err(|error| unavailable("DeleteItem", error))
    }
}

/// Auth headers, sessions, applications and tenants.
impl Comparison {
    async fn auth_headers(&self, told: Told<'_>) -> Result<(), StoreError> {
        let table = &self.restored.tables.auth_headers;
        let mut pages = Pages::of(&self.restored, table);
        while let Some(items) = pages.next().await? {
            for (attributes, since) in items.iter().zip(self.since(&self.reference.tables.auth_headers, &items).await?)
            {
                let of = item::called(attributes);
                let Some(header) = readable(item::auth_header(attributes))? else {
                    tell(told, Change::Unreadable, of);
                    continue;
                };
                if !self.is_restored(header.created) {
                    continue;
                }
                match read(since.as_ref(), item::auth_header, |_| true)? {
                    Since::Unreadable => tell(told, Change::UnreadableSince, of),
                    Since::Missing => {
                        tell(told, Change::AuthHeaderMissing, &of);
                        if self.is_ended(Damaged::AuthHeaders, &of) {
                            self.delete(table, attributes).await?;
                        }
                    }
                    Since::There(since) if is_earlier(since.expires, header.expires) => {
                        tell(told, Change::AuthHeaderEnds, &of);
                        let mut write = Expressions::default();
                        write.demand_same(name::EXPIRES, header.expires.map(item::moment));
                        write.assign_or_remove(name::EXPIRES, since.expires.map(item::moment));
                        write.assign_or_remove(name::TTL, since.expires.map(item::auth_header_ttl));
                        self.update(write, table, attributes, told).await?;
                    }
                    Since::There(_) => {}
                }
            }
        }
        Ok(())
    }

    async fn update(
        &self,
        write: Expressions,
        table: &str,
        attributes: &Attributes,
        told: Told<'_>,
    ) -> Result<(), StoreError> {
        if self.rules.act {
            let written = write.update(&self.restored.client, table, item::key_of(attributes)).await?;
            tell_again(told, written, item::called(attributes));
        }
        Ok(())
    }

    /// Sessions and persistent logins. One that is gone has ended, whatever was damaged: at worst somebody logs in again.
    async fn sessions(&self, told: Told<'_>) -> Result<(), StoreError> {
        let table = &self.restored.tables.tickets;
        let mut pages = Pages::of(&self.restored, table);
        while let Some(items) = pages.next().await? {
            for (attributes, since) in items.iter().zip(self.since(&self.reference.tables.tickets, &items).await?) {
                let own = readable(item::session(attributes))?;
                let other = since.as_ref().map(|since| readable(item::session(since))).transpose()?.flatten();
                let (Some(own), Some(other), Some(since)) = (own, other, since) else {
                    told(Finding { change: Change::SessionMissing, of: None });
                    self.delete(table, attributes).await?;
                    continue;
                };
                let (before, after) = ((own.epoch, own.step), (other.epoch, other.step));
                if after.0 >= before.0 && after.1 >= before.1 && after != before {
                    told(Finding { change: Change::SessionMoved, of: None });
                    self.replace_session(attributes, since, own.counts).await?;
                }
            }
        }
        Ok(())
    }

    /// Puts a session's later state in the place of the one that was read. One that moved on here is later still.
    async fn replace_session(
        &self,
        read: &Attributes,
        later: Attributes,
        counts: &'static str,
    ) -> Result<(), StoreError> {
        if !self.rules.act {
            return Ok(());
        }
        let stands = read.get(counts).cloned().unwrap_or(AttributeValue::Null(true));
        let put = self.restored.client.put_item().table_name(&self.restored.tables.tickets).set_item(Some(later));
        let put = put.condition_expression("#step = :read").expression_attribute_names("#step", counts);
        match put.expression_attribute_values(":read", stands).send().await {
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(())
            }
            other => other.map(|_| ()).map_err(|error| unavailable("PutItem", error)),
        }
    }

    async fn applications(&self, told: Told<'_>) -> Result<(), StoreError> {
        let mut pages = Pages::of(&self.restored, &self.restored.tables.applications);
        while let Some(items) = pages.next().await? {
            for (attributes, since) in items.iter().zip(self.since(&self.reference.tables.applications, &items).await?)
            {
                if item::created(attributes).is_some_and(|created| !self.is_restored(created)) {
                    continue;
                }
                if attributes
                    .get(name::KIND)
                    .and_then(|kind| kind.as_s().ok())
                    .is_some_and(|kind| kind == item::KIND_TOKEN)
                {
                    self.access_token(attributes, since.as_ref(), told).await?;
                } else {
                    self.tenant(attributes, since.as_ref(), told).await?;
                }
            }
        }
        Ok(())
    }

    async fn access_token(
        &self,
        attributes: &Attributes,
        since: Option<&Attributes>,
        told: Told<'_>,
    ) -> Result<(), StoreError> {
        let of = item::called(attributes);
        let Some(token) = readable(item::access_token(attributes))? else {
            tell(told, Change::Unreadable, of);
            return Ok(());
        };
        match read(since, item::access_token, |_| true)? {
            Since::Unreadable => tell(told, Change::UnreadableSince, of),
            Since::Missing => {
                tell(told, Change::AccessTokenMissing, &of);
                if self.is_ended(Damaged::AccessTokens, &of) {
                    self.delete(&self.restored.tables.applications, attributes).await?;
                }
            }
            Since::There(since) => {
                let Some(narrowed) = narrowed(&token, &since) else { return Ok(()) };
                tell(told, Change::AccessTokenNarrowed, &of);
                if self.rules.act {
                    tell_again(told, self.restored.update_access_token(&token, &narrowed).await?, &of);
                }
            }
        }
        Ok(())
    }

    async fn tenant(
        &self,
        attributes: &Attributes,
        since: Option<&Attributes>,
        told: Told<'_>,
    ) -> Result<(), StoreError> {
        let (of, table) = (item::called(attributes), &self.restored.tables.applications);
        let Some(tenant) = readable(item::tenant(attributes))? else {
            tell(told, Change::Unreadable, of);
            return Ok(());
        };
        let since = match read(since, item::tenant, |since| since.created == tenant.created)? {
            Since::There(since) => since,
            Since::Unreadable => {
                tell(told, Change::UnreadableSince, of);
                return Ok(());
            }
            Since::Missing => {
                tell(told, Change::TenantMissing, &of);
                if self.is_ended(Damaged::Tenants, &of) {
                    self.delete(table, attributes).await?;
                }
                return Ok(());
            }
        };
        let mut write = Expressions::default();
        write.demand_same(name::REVISION, attributes.get(name::REVISION).cloned());
        let (closes, mut ruled) = (since.closing && !tenant.closing, since.revision > tenant.revision);
        if self.rules.in_use {
            // Rules say more or less, so there is none that only takes away: the operator's own are not written over.
            if since.revision >= tenant.revision && since.settings != tenant.settings {
                tell(told, Change::TenantConflict, &of);
            }
            ruled = false;
        }
        if closes {
            tell(told, Change::TenantClosing, &of);
            write.assign([(name::CLOSING, AttributeValue::Bool(true))]);
        }
        if ruled {
            tell(told, Change::TenantRules, &of);
            write.assign([
                (name::SETTINGS, item::settings_value(&since.settings)),
                (name::REVISION, number(since.revision)),
            ]);
        }
        if !closes && !ruled {
            return Ok(());
        }
        self.update(write, table, attributes, told).await
    }
}

/// An item's key, to find it by.
fn place(attributes: &Attributes) -> [Option<String>; 2] {
    [name::PK, name::SK].map(|part| attributes.get(part)?.as_s().ok().cloned())
}

/// An item that was read, or nothing if it is damaged. One of a later format is an error: what is not known here is no
/// damage.
fn readable<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(StoreError::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the reference has, if it is the same thing and not another one in its place.
fn read<T>(
    since: Option<&Attributes>,
    read: impl Fn(&Attributes) -> Result<T, StoreError>,
    same: impl Fn(&T) -> bool,
) -> Result<Since<T>, StoreError> {
    let Some(since) = since else { return Ok(Since::Missing) };
    Ok(match readable(read(since))? {
        None => Since::Unreadable,
        Some(since) if same(&since) => Since::There(since),
        Some(_) => Since::Missing,
    })
}

/// Says whether the epochs are as they shall be.
async fn raise(store: &DynamoStore, user: &User, session: u64, key: u64, told: Told<'_>) -> Result<bool, StoreError> {
    if (session, key) == (user.session_epoch, user.key_epoch) {
        return Ok(true);
    }
    let mut write = Expressions::default();
    write.demand([(name::SESSION_EPOCH, number(user.session_epoch)), (name::KEY_EPOCH, number(user.key_epoch))]);
    write.assign([(name::SESSION_EPOCH, number(session)), (name::KEY_EPOCH, number(key))]);
    let written = write.update(&store.client, &store.tables.users, item::user_key(&user.id)).await?;
    tell_again(told, written, user.id.as_str());
    Ok(written == Write::Done)
}

/// Ends every session and every auth header of every user. Rests on nothing but these tables, for where those that were in
/// use can't be trusted.
pub async fn end_everything(store: &DynamoStore, now: Timestamp, told: Told<'_>) -> Result<(), StoreError> {
    let present = User::first_epoch(now.plus(CLOCKS));
    let beyond = beyond(store, present).await?;
    let mut pages = Pages::of(store, &store.tables.users);
    while let Some(items) = pages.next().await? {
        for attributes in &items {
            let Some(user) = readable(item::user(attributes))? else {
                tell(told, Change::Unreadable, item::called(attributes));
                continue;
            };
            let epoch = match beyond.get(user.id.as_str()) {
                Some(highest) => highest
                    .checked_add(1)
                    .ok_or(StoreError::Corrupt { item: item::Kind::User.name(), attribute: name::SESSION_EPOCH })?,
                None => present,
            };
            tell(told, Change::SessionsEnded, user.id.as_str());
            tell(told, Change::AuthHeadersEnded, user.id.as_str());
            raise(store, &user, epoch, epoch, told).await?;
        }
    }
    Ok(())
}

/// The highest epoch of each user that has, or owns what has, one that no clock has come to yet.
async fn beyond(store: &DynamoStore, present: u64) -> Result<HashMap<String, u64>, StoreError> {
    let Tables { users, tickets, auth_headers, .. } = &*store.tables;
    let mut beyond = HashMap::new();
    for table in [users, tickets, auth_headers] {
        let mut pages = Pages::of(store, table);
        while let Some(items) = pages.next().await? {
            for attributes in &items {
                readable(item::check(attributes))?;
                let epoch = |attribute| attributes.get(attribute)?.as_n().ok()?.parse::<u64>().ok();
                let highest = [name::SESSION_EPOCH, name::KEY_EPOCH, name::EPOCH].into_iter().filter_map(epoch).max();
                let ([Some(user), _], Some(highest)) = (place(attributes), highest) else { continue };
                if highest >= present {
                    let known = beyond.entry(user).or_insert(highest);
                    *known = highest.max(*known);
                }
            }
        }
    }
    Ok(beyond)
}

/// Whether it is one account, and not a later one that was given the same id.
fn is_same(user: &User, since: &User) -> bool {
    user.created == since.created && user.tenant == since.tenant
}

fn name_of(user: &User) -> LoginName {
    LoginName::new(&user.tenant, &user.name)
}

fn latest<'a>(user: &'a User, since: &'a Since<User>) -> &'a User {
    if let Since::There(since) = since { since } else { user }
}

/// Whether an end comes before another one, where none is the last.
fn is_earlier(end: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    end.is_some_and(|end| other.is_none_or(|other| end < other))
}

/// A user with what was taken from it since: if the reference's was changed after the moment, whatever was changed here.
fn later_of(user: &User, since: &User, moment: Timestamp, told: Told<'_>) -> User {
    let mut wanted = user.clone();
    if since.modified <= user.modified && since.modified <= moment {
        return wanted;
    }
    let id = user.id.as_str();
    if user.enabled && !since.enabled {
        tell(told, Change::UserDisabled, id);
        wanted.enabled = false;
    }
    if user.roles.iter().any(|role| !since.roles.contains(role)) {
        tell(told, Change::RolesTaken, id);
        wanted.roles.retain(|role| since.roles.contains(role));
    }
    if user.email == since.email {
        wanted.email_verified &= since.email_verified;
    } else if user.modified > moment.plus(CLOCKS) {
        tell(told, Change::AddressConflict, id);
    } else {
        tell(told, Change::AddressChanged, id);
        wanted.email.clone_from(&since.email);
        wanted.email_verified &= since.email_verified;
    }
    wanted
}

/// What becomes of a password beside the reference's; nothing where it stays.
fn later_password<'a>(own: &Credential, other: &'a Credential, moment: Timestamp) -> Option<Password<'a>> {
    let state = |credential: &Credential| (credential.version, credential.password_changed);
    // A hash alone may change: it is made anew at a login when its settings are old.
    if own.phc == other.phc || state(own) == state(other) {
        let ends = own.version == other.version && is_earlier(other.password_expires, own.password_expires);
        return ends.then_some(Password::Ends(other));
    }
    if other.version <= own.version && other.password_changed <= moment {
        return None;
    }
    if own.password_changed <= moment.plus(CLOCKS) {
        return Some(Password::Later(other));
    }
    own.phc.as_ref().map(|_| Password::Removed(other.version))
}

/// What both of two states of an access token allow; nothing where that is all of the first.
fn narrowed(token: &AccessToken, since: &AccessToken) -> Option<AccessToken> {
    let expires = if is_earlier(since.expires, token.expires) { since.expires } else { token.expires };
    let mut permissions = filtered(&token.permissions, &since.permissions);
    let whole = token.permissions.iter().all(|entry| is_granted(entry, &permissions));
    if whole {
        permissions.clone_from(&token.permissions);
    } else {
        for entry in filtered(&since.permissions, &token.permissions) {
            if !is_granted(&entry, &permissions) {
                permissions.push(entry);
            }
        }
    }
    let both = AccessToken { master: token.master && since.master, expires, permissions, ..token.clone() };
    (both != *token).then_some(both)
}

/// What of `entries` is granted by `others`, too.
fn filtered(entries: &[TenantPermission], others: &[TenantPermission]) -> Vec<TenantPermission> {
    let part = |entry: &TenantPermission| {
        if is_granted(entry, others) {
            return Some(entry.clone());
        }
        let one = |action| TenantPermission { tenant: entry.tenant.clone(), actions: Some(vec![action]) };
        let actions: Vec<_> =
            entry.actions.iter().flatten().copied().filter(|action| is_granted(&one(*action), others)).collect();
        (!actions.is_empty()).then(|| TenantPermission { tenant: entry.tenant.clone(), actions: Some(actions) })
    };
    entries.iter().filter_map(part).collect()
}

fn is_granted(wanted: &TenantPermission, entries: &[TenantPermission]) -> bool {
    entries.iter().any(|entry| {
        let covers = entry.tenant.is_none() || entry.tenant == wanted.tenant;
        covers
            && match (&entry.actions, &wanted.actions) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(granted), Some(wanted)) => wanted.iter().all(|action| granted.contains(action)),
            }
    })
}

/// Some items of a table, and how many of them can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// How many were looked at.
    pub read: usize,
    /// How many of them are damaged.
    pub unreadable: usize,
}

/// Reads up to `limit` items of a table, whatever they are.
pub async fn sample(client: &Client, table: &str, limit: u16) -> Result<Sample, StoreError> {
    let page = client.scan().table_name(table).limit(limit.into()).send().await;
    let items = page.map_err(|error| unavailable("Scan", error))?.items.unwrap_or_default();
    let mut unreadable = 0;
    for attributes in &items {
        unreadable += usize::from(readable(item::check(attributes))?.is_none());
    }
    Ok(Sample { read: items.len(), unreadable })
}

/// Credentials by name, those that can't be read as nothing.
async fn credentials(
    store: &DynamoStore,
    names: &[LoginName],
) -> Result<HashMap<LoginName, Option<Credential>>, StoreError> {
    // DynamoDB takes no key twice.
    let names: HashMap<_, _> = names.iter().map(|name| (place(&item::credential_key(name)), name)).collect();
    let keys: Vec<_> = names.values().map(|name| item::credential_key(name)).collect();
    let mut found = HashMap::new();
    for keys in keys.chunks(ITEMS) {
        for attributes in store.batch_get(&store.tables.credentials, keys.to_vec()).await? {
            let Some(name) = names.get(&place(&attributes)) else { continue };
            found.insert((*name).clone(), readable(item::credential((*name).clone(), &attributes))?);
        }
    }
    Ok(found)
}

/// All items of a table, strongly consistent, by pages.
struct Pages<'a> {
    store: &'a DynamoStore,
    table: &'a str,
    start: Option<Attributes>,
    over: bool,
}

impl<'a> Pages<'a> {
    fn of(store: &'a DynamoStore, table: &'a str) -> Self {
        Self { store, table, start: None, over: false }
    }

    async fn next(&mut self) -> Result<Option<Vec<Attributes>>, StoreError> {
        if self.over {
            return Ok(None);
        }
        let scan = self.store.client.scan().table_name(self.table).consistent_read(true);
        let page = scan.set_exclusive_start_key(self.start.take()).send().await;
        let page = page.map_err(|error| unavailable("Scan", error))?;
        self.start = page.last_evaluated_key;
        self.over = self.start.is_none();
        Ok(Some(page.items.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_token::Action::{ManageTickets, ReadTenant, UpdateTenant};
    use crate::password::Phc;
    use crate::secret::Digest;
    use crate::tenant::TenantName;
    use crate::user::Email;

    fn entry(tenant: &str, actions: Option<&[crate::access_token::Action]>) -> TenantPermission {
        let tenant = (tenant != "*").then(|| TenantName::parse(tenant).unwrap());
        TenantPermission { tenant, actions: actions.map(<[_]>::to_vec) }
    }

    fn token(permissions: &[TenantPermission]) -> AccessToken {
        AccessToken {
            digest: Digest::of(b"x"),
            application: "shop".to_owned(),
            master: true,
            permissions: permissions.to_vec(),
            expires: Some(Timestamp::from_seconds(9)),
            created: Timestamp::from_seconds(1),
        }
    }

    #[test]
    fn an_access_token_keeps_what_both_states_allow() {
        let (all, everywhere) = (entry("a", None), entry("*", None));
        let some = entry("a", Some(&[ReadTenant, UpdateTenant]));
        for (restored, since, left) in [
            (vec![all.clone()], vec![all.clone()], None),
            (vec![some.clone()], vec![all.clone()], None),
            (vec![all.clone()], vec![some.clone()], Some(vec![some.clone()])),
            (vec![everywhere.clone()], vec![some.clone()], Some(vec![some.clone()])),
            (vec![some.clone()], vec![everywhere.clone()], None),
            (vec![all.clone()], vec![], Some(vec![])),
            (vec![all.clone()], vec![entry("b", None)], Some(vec![])),
            (
                vec![some.clone()],
                vec![entry("*", Some(&[ReadTenant, ManageTickets]))],
                Some(vec![entry("a", Some(&[ReadTenant]))]),
            ),
        ] {
            let found = narrowed(&token(&restored), &token(&since)).map(|token| token.permissions);
            assert_eq!(found, left, "{restored:?} {since:?}");
        }
    }

    #[test]
    fn the_earlier_end_and_the_lesser_right_of_an_access_token_count() {
        let (restored, sooner) = (token(&[]), Some(Timestamp::from_seconds(5)));
        let ended = narrowed(&restored, &AccessToken { expires: sooner, ..token(&[]) }).unwrap();
        assert_eq!(ended.expires, sooner);
        assert!(narrowed(&restored, &AccessToken { expires: None, ..token(&[]) }).is_none());
        assert!(!narrowed(&restored, &AccessToken { master: false, ..token(&[]) }).unwrap().master);
        assert!(narrowed(&AccessToken { master: false, ..token(&[]) }, &restored).is_none());
    }

    #[test]
    fn a_user_is_given_nothing_but_the_later_address() {
        let earlier = User {
            roles: vec!["a".to_owned(), "b".to_owned()],
            email: Email::parse("a@example.com"),
            email_verified: true,
            enabled: false,
            ..crate::testing::user("u-1")
        };
        let since = User {
            roles: vec!["b".to_owned(), "c".to_owned()],
            email: Email::parse("b@example.com"),
            email_verified: false,
            enabled: true,
            modified: earlier.modified.plus(CLOCKS),
            ..earlier.clone()
        };
        let mut found = Vec::new();
        let moment = earlier.modified;
        let merged = later_of(&earlier, &since, moment, &mut |finding| found.push(finding.change));
        assert_eq!(found, [Change::RolesTaken, Change::AddressChanged]);
        assert_eq!(merged.roles, ["b"]);
        assert!(!merged.enabled && !merged.email_verified && merged.email == since.email);
        let none = later_of(&since, &earlier, moment, &mut |_| panic!("what is earlier takes nothing"));
        assert_eq!(none, since);
        let both = User { modified: since.modified.plus(CLOCKS), enabled: true, ..earlier.clone() };
        let mut found = Vec::new();
        let since = User { enabled: false, ..since };
        let merged = later_of(&both, &since, moment, &mut |finding| found.push(finding.change));
        assert_eq!(found, [Change::UserDisabled, Change::RolesTaken, Change::AddressConflict]);
        assert_eq!((merged.enabled, merged.roles, merged.email), (false, vec!["b".to_owned()], earlier.email));
    }

    fn credential(phc: Option<&str>, version: u64, changed: Timestamp) -> Credential {
        Credential {
            name: LoginName::typed("acme", "jane"),
            user: crate::testing::user("u-1").id,
            phc: phc.map(|phc| Phc::from_stored(phc.to_owned())),
            version,
            password_changed: changed,
            password_expires: None,
            history: Vec::new(),
            guesses: crate::lockout::Guesses::default(),
            last_login: None,
        }
    }

    #[test]
    fn a_password_that_was_changed_in_both_is_nobodys() {
        let moment = Timestamp::from_seconds(1_000);
        let (before, after) = (Timestamp::from_seconds(9), moment.plus(CLOCKS * 2));
        let own = credential(Some("a"), 1, before);
        for (own, other, wanted) in [
            (own.clone(), credential(Some("b"), 2, after), "later"),
            (own.clone(), credential(None, 2, before), "later"),
            (own.clone(), credential(Some("b"), 1, after), "later"),
            (own.clone(), credential(Some("b"), 1, before), "stays"),
            (credential(Some("c"), 2, after), credential(Some("b"), 2, after.plus(CLOCKS)), "removed"),
            (credential(Some("c"), 3, after), credential(Some("b"), 2, after.plus(CLOCKS)), "removed"),
            (credential(None, 4, after), credential(Some("b"), 2, after.plus(CLOCKS)), "stays"),
            (credential(Some("c"), 2, after), credential(Some("a"), 1, before), "stays"),
            (credential(Some("made anew"), 2, after), credential(Some("b"), 2, after), "stays"),
        ] {
            let found = match later_password(&own, &other, moment) {
                None => "stays",
                Some(Password::Later(_)) => "later",
                Some(Password::Ends(_)) => "ends",
                Some(Password::Removed(_)) => "removed",
            };
            assert_eq!(found, wanted, "{:?} {:?}", own.version, other.version);
        }
    }
}
