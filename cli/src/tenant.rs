//! `ostiary tenant`.

mod delete;
mod set;
mod settings;

use serde_json::{Value, json};
use shared::audit;
use shared::clock::{Clock as _, SystemClock};
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Lookup, Store as _, Write};
use shared::tenant::{Tenant, TenantName};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Answer, Body, date};
use crate::settings::StackLifetimes;

pub use self::delete::delete;
pub use self::set::set;
pub use self::settings::Setting;

pub async fn create(connection: &Connection, name: TenantName) -> Result<Answer, Failure> {
    let tenant = Tenant::new(name, SystemClock.now());
    audit::subject(tenant.name.as_str());
    let store = connection.store();
    if store.create_tenant(&tenant).await? == Write::Done {
        return Ok(Answer::new(to_json(&tenant), Body::Record(record(&tenant))));
    }
    match find(&store, &tenant.name).await? {
        Some(existing) if existing.closing => Err(closing(&existing.name)),
        _ => Err(Failure::refused("name", format!("the tenant {} exists already", tenant.name))),
    }
}

pub async fn list(connection: &Connection) -> Result<Answer, Failure> {
    let tenants = connection.store().tenants().await?;
    let row = |tenant: &Tenant| vec![tenant.name.to_string(), date(tenant.created), state(tenant).to_owned()];
    let rows = tenants.iter().map(row).collect();
    let none = "no tenant yet: make one with `ostiary tenant create NAME`";
    let json = json!({ "tenants": tenants.iter().map(to_json).collect::<Vec<_>>() });
    Ok(Answer::new(json, Body::Table { head: &["name", "created", "state"], rows, none }))
}

pub async fn show(connection: &Connection, name: &TenantName) -> Result<Answer, Failure> {
    let tenant = existing(&connection.store(), name).await?;
    Ok(settings_answer(&tenant, connection.settings.lifetimes.as_ref()))
}

/// A tenant by its name, strongly consistent.
pub async fn find(store: &DynamoStore, name: &TenantName) -> Result<Option<Tenant>, Failure> {
    Ok(store.lookup(Lookup { tenant: Some(name.clone()), ..Lookup::default() }).await?.tenant)
}

async fn existing(store: &DynamoStore, name: &TenantName) -> Result<Tenant, Failure> {
    find(store, name).await?.ok_or_else(|| missing("name", name))
}

/// There is no such tenant, which the argument `field` named.
pub fn missing(field: &'static str, name: &TenantName) -> Failure {
    let hint = "see `ostiary tenant list`, or make it with `ostiary tenant create`";
    Failure::refused(field, format!("there is no tenant {name}: {hint}"))
}

fn closing(name: &TenantName) -> Failure {
    let hint = "end it with `ostiary tenant delete`";
    Failure::refused("name", format!("the tenant {name} is being deleted: {hint}"))
}

const fn state(tenant: &Tenant) -> &'static str {
    if tenant.closing { "being deleted" } else { "open" }
}

fn to_json(tenant: &Tenant) -> Value {
    json!({ "name": tenant.name.as_str(), "created": date(tenant.created), "closing": tenant.closing })
}

fn record(tenant: &Tenant) -> Vec<(&'static str, String)> {
    vec![("name", tenant.name.to_string()), ("created", date(tenant.created)), ("state", state(tenant).to_owned())]
}

/// A tenant with all its settings.
fn settings_answer(tenant: &Tenant, stack: Option<&StackLifetimes>) -> Answer {
    let rules = &tenant.settings.lockout;
    let (network, strangers) = (rules.most_in_a_day(rules.per_network), rules.most_in_a_day(rules.from_strangers));
    let mut json = to_json(tenant);
    if let Value::Object(members) = &mut json {
        members.insert("settings".to_owned(), settings::to_json(&tenant.settings));
        members.insert("effective".to_owned(), settings::effective(&tenant.settings, stack));
        members.insert("defaults".to_owned(), settings::defaults(&tenant.settings));
        members.insert("mostGuessesADay".to_owned(), json!({ "perNetwork": network, "fromStrangers": strangers }));
    }
    let mut record = record(tenant);
    record.extend(Setting::ALL.map(|setting| (setting.name(), setting.described(&tenant.settings, stack))));
    record.push(("most guesses a day", format!("{network} from one network, {strangers} from all strange ones")));
    Answer::new(json, Body::Record(record))
}
