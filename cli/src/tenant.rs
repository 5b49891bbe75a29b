//! `ostiary tenant`.

use serde_json::{Value, json};
use shared::audit;
use shared::clock::{Clock as _, SystemClock};
use shared::store::{Administration as _, Write};
use shared::tenant::{Tenant, TenantName};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Answer, Body, date};

pub async fn create(connection: &Connection, name: TenantName) -> Result<Answer, Failure> {
    let tenant = Tenant { name, created: SystemClock.now() };
    audit::subject(tenant.name.as_str());
    match connection.store().create_tenant(&tenant).await? {
        Write::Done => Ok(Answer::new(to_json(&tenant), Body::Record(record(&tenant)))),
        Write::Refused => Err(Failure::refused("name", format!("the tenant {} exists already", tenant.name))),
    }
}

pub async fn list(connection: &Connection) -> Result<Answer, Failure> {
    let tenants = connection.store().tenants().await?;
    let rows = tenants.iter().map(|tenant| vec![tenant.name.to_string(), date(tenant.created)]).collect();
    let none = "no tenant yet: make one with `ostiary tenant create NAME`";
    let json = json!({ "tenants": tenants.iter().map(to_json).collect::<Vec<_>>() });
    Ok(Answer::new(json, Body::Table { head: &["name", "created"], rows, none }))
}

fn to_json(tenant: &Tenant) -> Value {
    json!({ "name": tenant.name.as_str(), "created": date(tenant.created) })
}

fn record(tenant: &Tenant) -> Vec<(&'static str, String)> {
    vec![("name", tenant.name.to_string()), ("created", date(tenant.created))]
}
