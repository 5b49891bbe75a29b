//! `ostiary tenant delete`.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use shared::audit;
use shared::clock::SystemClock;
use shared::store::Administration as _;
use shared::store::dynamo::DynamoStore;
use shared::tenant::TenantName;
use shared::tenant_deletion::{Done, Outcome, Pace, TenantDeletion};

use super::{existing, missing};
use crate::arguments::{DeleteTenant, Form};
use crate::confirm;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Answer, Body};

/// As many users as are counted at a time.
const PAGE: usize = 1000;

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
    let bar = bar(users, connection.form);
    let deletion = TenantDeletion { store, clock: Arc::new(SystemClock), pace: Pace::WHOLE };
    let outcome = deletion.delete(&name, None, &|| bar.inc(1)).await;
    bar.finish_and_clear();
    match outcome? {
        Outcome::Done(done) => Ok(answer(&name, &done)),
        Outcome::NoSuchTenant => Err(missing("name", &name)),
        Outcome::Unfinished => Err(Failure::Outage("time was up: run it again".to_owned())),
    }
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
