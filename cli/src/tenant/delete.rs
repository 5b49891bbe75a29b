//! `ostiary tenant delete`.
//!
//! Invariant: the tenant's own item goes last, and is closed first, so that whatever ends the command, the tenant can't
//! be joined or made anew before everything of it is gone; running the command again goes on.
//!
//! The listings that it works from lag behind, so nothing is believed to be gone before two of them in a row, some time
//! apart, have shown nobody.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use shared::access_token::{AccessToken, TenantPermission};
use shared::audit;
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Lookup, Store as _, Write};
use shared::tenant::TenantName;
use tokio::task::JoinSet;

use super::{existing, missing};
use crate::arguments::{DeleteTenant, Form};
use crate::confirm;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Answer, Body};
use crate::user;

/// So many users are deleted at a time, by a few calls each.
const PARALLEL: usize = 32;

/// As many users as are listed at a time.
const PAGE: usize = 1000;

/// Between two listings. An index lags behind its table by less, nearly always.
const LAG: Duration = Duration::from_secs(2);

/// An access token may be changed by somebody else at the same moment; nobody changes one many times.
const ATTEMPTS: usize = 5;

/// What was done.
#[derive(Default)]
struct Done {
    users: u64,
    tokens_changed: u64,
    tokens_deleted: u64,
}

pub async fn delete(connection: &Connection, delete: DeleteTenant) -> Result<Answer, Failure> {
    let (store, name) = (connection.store(), delete.name);
    if connection.settings.default_tenant.as_ref() == Some(&name) && !delete.default_too {
        let rule = format!("must be given: {name} is the stack's default tenant, which user names mean that name none");
        return Err(Failure::invalid("default-too", rule));
    }
    existing(&store, &name).await?;
    audit::subject(name.as_str());
    let users = count(&store, &name).await?;
    if !delete.yes {
        let question = format!("Delete the tenant {name} with its {users} users, for good?");
        confirm::name(&question, name.as_str())?;
    }
    if store.close_tenant(&name).await? == Write::Refused {
        return Err(missing("name", &name));
    }
    let bar = bar(users, connection.form);
    let done = empty(&store, &name, &bar).await;
    bar.finish_and_clear();
    let done = done?;
    // Refused where somebody else has done it, at the same moment and by the same command.
    let (Write::Done | Write::Refused) = store.delete_tenant(&name).await?;
    Ok(answer(&name, &done))
}

/// Deletes all that a closed tenant has.
async fn empty(store: &DynamoStore, name: &TenantName, bar: &ProgressBar) -> Result<Done, Failure> {
    let mut done = Done::default();
    let mut clean = 0;
    while clean < 2 {
        let users = delete_users(store, name, bar).await?;
        let tokens = strip_tokens(store, name, &mut done).await?;
        done.users += users;
        clean = if users == 0 && !tokens { clean + 1 } else { 0 };
        if clean < 2 {
            tokio::time::sleep(LAG).await;
        }
    }
    Ok(done)
}

async fn count(store: &DynamoStore, name: &TenantName) -> Result<u64, Failure> {
    let (mut count, mut start) = (0, None);
    loop {
        let page = store.users_of(name, start.as_deref(), PAGE).await?;
        count += u64::try_from(page.items.len()).unwrap_or_default();
        start = page.next;
        if start.is_none() {
            return Ok(count);
        }
    }
}

/// Deletes the users that are listed; how many there were.
async fn delete_users(store: &DynamoStore, name: &TenantName, bar: &ProgressBar) -> Result<u64, Failure> {
    let (mut deleted, mut start) = (0, None);
    let mut jobs = JoinSet::new();
    loop {
        let page = store.users_of(name, start.as_deref(), PAGE).await?;
        for listed in page.items {
            if jobs.len() >= PARALLEL {
                deleted += finished(jobs.join_next().await, bar)?;
            }
            let (store, tenant) = (store.clone(), name.clone());
            jobs.spawn(async move { user::remove(&store, &listed.id, &tenant).await });
        }
        start = page.next;
        if start.is_none() {
            break;
        }
    }
    while !jobs.is_empty() {
        deleted += finished(jobs.join_next().await, bar)?;
    }
    Ok(deleted)
}

fn finished(
    job: Option<Result<Result<bool, Failure>, tokio::task::JoinError>>,
    bar: &ProgressBar,
) -> Result<u64, Failure> {
    let died = |error| Failure::Outage(format!("a user was not deleted: {error}"));
    let deleted = job.map_or(Ok(Ok(false)), |job| job.map_err(died))??;
    bar.inc(u64::from(deleted));
    Ok(u64::from(deleted))
}

/// Takes the tenant out of the permissions of access tokens; whether any had it.
async fn strip_tokens(store: &DynamoStore, name: &TenantName, done: &mut Done) -> Result<bool, Failure> {
    let mut any = false;
    for token in store.access_tokens().await? {
        any |= names(&token, name) && strip(store, &token, name, done).await?;
    }
    Ok(any)
}

fn names(token: &AccessToken, tenant: &TenantName) -> bool {
    token.permissions.iter().any(|entry| entry.tenant.as_ref() == Some(tenant))
}

async fn strip(store: &DynamoStore, listed: &AccessToken, name: &TenantName, done: &mut Done) -> Result<bool, Failure> {
    for _ in 0..ATTEMPTS {
        let lookup = Lookup { access_token: Some(listed.digest), ..Lookup::default() };
        let Some(before) = store.lookup(lookup).await?.access_token.filter(|token| names(token, name)) else {
            return Ok(false);
        };
        let others = |entry: &&TenantPermission| entry.tenant.as_ref() != Some(name);
        let permissions: Vec<_> = before.permissions.iter().filter(others).cloned().collect();
        let (counter, write) = if permissions.is_empty() && !before.master {
            (&mut done.tokens_deleted, store.delete_access_token(before.digest).await?)
        } else {
            let after = AccessToken { permissions, ..before.clone() };
            (&mut done.tokens_changed, store.update_access_token(&before, &after).await?)
        };
        if write == Write::Done {
            *counter += 1;
            return Ok(true);
        }
    }
    let id = listed.digest.to_base64url();
    Err(Failure::Outage(format!("the access token {id} is being changed by somebody else: run it again")))
}

fn bar(users: u64, form: Form) -> ProgressBar {
    let shown = std::io::stderr().is_terminal() && form == Form::Text;
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(users), target);
    let style = ProgressStyle::with_template("{spinner} deleting users {bar:24} {pos}/{len} {elapsed} {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn answer(name: &TenantName, done: &Done) -> Answer {
    let json = json!({
        "name": name.as_str(),
        "deleted": true,
        "usersDeleted": done.users,
        "accessTokensChanged": done.tokens_changed,
        "accessTokensDeleted": done.tokens_deleted,
    });
    let record = vec![
        ("deleted", name.to_string()),
        ("users deleted", done.users.to_string()),
        ("access tokens changed", done.tokens_changed.to_string()),
        ("access tokens deleted", done.tokens_deleted.to_string()),
    ];
    Answer::new(json, Body::Record(record))
}
