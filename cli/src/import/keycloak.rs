//! The users of a Keycloak realm, as `kc.sh export` and the administration API represent them (`UserRepresentation`).

use serde_json::{Value, json};
use shared::password::imported;
use shared::store::NewPassword;

use super::account::{Described, Rules};
use super::fields::{Fields, Refusal, refusal};
use super::hashes::taken;
use super::record::Record;

const SECOND_FACTOR: &str = "had a second factor, which is not moved";

/// Passwords before the present one, which are no factor.
const HISTORY: &str = "password-history";

/// Roles that every user of a realm has, for Keycloak's own use; beside them is `default-roles-<realm>`.
const OWN_ROLES: [&str; 2] = ["offline_access", "uma_authorization"];

/// Clients that are Keycloak's own.
const OWN_CLIENTS: [&str; 5] = ["account", "account-console", "broker", "realm-management", "security-admin-console"];

/// Reads one user.
pub fn record(mut fields: Fields, rules: &Rules) -> Result<Record, Refusal> {
    if fields.peek("realm").is_some() && fields.peek("username").is_none() {
        return Err(refusal("row", "must be a user, and is a whole realm: export one realm to a file"));
    }
    if fields.text("serviceAccountClientId")?.is_some() {
        return Ok(Record::Skipped("is a client's service account: make an access token for it"));
    }
    let mut described = Described {
        username: fields.text("username")?,
        email: fields.text("email")?,
        email_verified: fields.truth("emailVerified")?.unwrap_or(false),
        first_name: fields.text("firstName")?,
        last_name: fields.text("lastName")?,
        disabled: fields.truth("enabled")?.is_some_and(|enabled| !enabled),
        roles: roles(&mut fields)?,
        created: fields.millis("createdTimestamp")?,
        ..Described::default()
    };
    for (name, value) in fields.object("attributes")? {
        described.attribute(name, single(value));
    }
    let groups = fields.texts("groups")?;
    if !groups.is_empty() {
        described.attribute("groups", json!(groups));
    }
    if let Some(id) = fields.text("id")? {
        described.foreign_id(&id, "keycloak.id");
    }
    let must_change = fields.texts("requiredActions")?.iter().any(|action| action == "UPDATE_PASSWORD");
    for credential in fields.objects("credentials")? {
        take(&mut described, credential, must_change, rules)?;
    }
    Ok(Record::User(Box::new(described.without_administrators()?)))
}

fn roles(fields: &mut Fields) -> Result<Vec<String>, Refusal> {
    let own = |role: &String| OWN_ROLES.contains(&role.as_str()) || role.starts_with("default-roles-");
    let mut roles = fields.texts("realmRoles")?;
    roles.retain(|role| !own(role));
    for (client, of_client) in fields.object("clientRoles")? {
        let Value::Array(of_client) = of_client else {
            return Err(refusal("clientRoles", "must hold a list of roles for each client"));
        };
        if OWN_CLIENTS.contains(&client.as_str()) {
            continue;
        }
        for role in of_client {
            let Value::String(role) = role else { return Err(refusal("clientRoles", "must hold texts")) };
            roles.push(format!("{client}:{role}"));
        }
    }
    Ok(roles)
}

/// Keycloak's attributes are lists; one of a single value is that value here.
fn single(value: Value) -> Value {
    match value {
        Value::Array(mut values) if values.len() == 1 => values.pop().unwrap_or_default(),
        value => value,
    }
}

fn take(user: &mut Described, mut credential: Fields, must_change: bool, rules: &Rules) -> Result<(), Refusal> {
    let kind = credential.text("type")?;
    if kind.as_deref() == Some(HISTORY) {
        return Ok(());
    }
    if kind.as_deref() != Some("password") {
        if !user.notes.contains(&SECOND_FACTOR) {
            user.notes.push(SECOND_FACTOR);
        }
        return Ok(());
    }
    if credential.value("value").is_some() {
        return Err(refusal("credentials", "must not hold a password in clear"));
    }
    let (data, secret) = match (credential.text("credentialData")?, credential.text("secretData")?) {
        (Some(data), Some(secret)) => (data, secret),
        _ => older(&mut credential)?,
    };
    let phc = taken("credentials", imported::from_keycloak(&data, &secret))?;
    let changed = credential.millis("createdDate")?.unwrap_or(rules.now);
    let temporary = credential.truth("temporary")?.unwrap_or(false);
    let expires = (must_change || temporary).then_some(rules.now);
    user.password = Some(NewPassword { phc, changed, expires, history: Vec::new() });
    Ok(())
}

/// The form of a credential before Keycloak 8, as today's.
fn older(credential: &mut Fields) -> Result<(String, String), Refusal> {
    let (hash, salt) = (credential.text("hashedSaltedValue")?, credential.text("salt")?);
    let (iterations, algorithm) = (credential.value("hashIterations"), credential.text("algorithm")?);
    match (hash, salt, iterations, algorithm) {
        (Some(hash), Some(salt), Some(iterations), Some(algorithm)) => Ok((
            json!({ "hashIterations": iterations, "algorithm": algorithm }).to_string(),
            json!({ "value": hash, "salt": salt }).to_string(),
        )),
        _ => Err(refusal("credentials", "must hold credentialData and secretData")),
    }
}
