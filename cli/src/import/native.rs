//! Our own form: JSON Lines and CSV, which `ostiary export` writes too.

use serde_json::Value;
use shared::password::Phc;
use shared::store::NewPassword;
use shared::user::Attributes;

use super::account::{Described, Rules};
use super::exported::Exported;
use super::fields::{Fields, Refusal, refusal};
use super::hashes::recognised;
use super::record::Record;

const HASH: &str = "passwordHash";
const ATTRIBUTE: &str = "attribute.";

/// The columns that a table may have; each attribute has one more, with its name behind `attribute.`.
pub const COLUMNS: [&str; 19] = [
    "type",
    "id",
    "tenant",
    "username",
    "email",
    "emailVerified",
    "firstName",
    "lastName",
    "displayName",
    "application",
    "enabled",
    "roles",
    "created",
    "modified",
    "passwordHash",
    "passwordSalt",
    "passwordChanged",
    "passwordExpires",
    "passwordHistory",
];

/// Whether a table may have such a column.
pub fn is_column(name: &str) -> bool {
    COLUMNS.contains(&name) || name.strip_prefix(ATTRIBUTE).is_some_and(|attribute| !attribute.is_empty())
}

/// Reads one record.
pub fn record(mut fields: Fields, rules: &Rules) -> Result<Record, Refusal> {
    let kind = fields.text("type")?;
    match kind.as_deref() {
        None | Some("user") => user(fields, rules).map(|user| Record::User(Box::new(user))),
        Some("ostiary-export") => match fields.value("version").as_ref().and_then(Value::as_u64) {
            Some(version) => Ok(Record::Header { version }),
            None => Err(refusal("version", "must be a number")),
        },
        Some("end") => match fields.value("records").as_ref().and_then(Value::as_u64) {
            Some(records) => Ok(Record::End { records }),
            None => Err(refusal("records", "must be a number")),
        },
        Some(kind) => match Exported::read(kind, fields) {
            Some(exported) => exported.map(Record::Exported),
            None => Err(refusal("type", "must be user, or another type that `ostiary export` writes")),
        },
    }
}

fn user(mut fields: Fields, rules: &Rules) -> Result<Described, Refusal> {
    let mut notes = Vec::new();
    let described = Described {
        id: fields.text("id")?,
        tenant: fields.text("tenant")?,
        username: fields.text("username")?,
        email: fields.text("email")?,
        email_verified: fields.truth("emailVerified")?.unwrap_or(false),
        first_name: fields.text("firstName")?,
        last_name: fields.text("lastName")?,
        disabled: fields.truth("enabled")?.is_some_and(|enabled| !enabled),
        roles: fields.texts("roles")?,
        display_name: fields.text("displayName")?,
        application: fields.text("application")?,
        attributes: attributes(&mut fields)?,
        created: fields.moment("created")?,
        modified: fields.moment("modified")?,
        password: password(&mut fields, rules, &mut notes)?,
        notes,
    };
    fields.finish()?;
    Ok(described)
}

/// In a table every attribute is a text.
fn attributes(fields: &mut Fields) -> Result<Attributes, Refusal> {
    let mut attributes = fields.object("attributes")?;
    attributes.extend(fields.prefixed(ATTRIBUTE));
    Ok(attributes)
}

fn password(fields: &mut Fields, rules: &Rules, notes: &mut Vec<&'static str>) -> Result<Option<NewPassword>, Refusal> {
    let (hash, salt) = (fields.text(HASH)?, fields.text("passwordSalt")?);
    let (changed, expires) = (fields.moment("passwordChanged")?, fields.moment("passwordExpires")?);
    let history = fields.texts("passwordHistory")?;
    let history = history.iter().map(|hash| recognised("passwordHistory", hash, None));
    let history: Vec<Phc> = history.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    let phc = match (hash, salt) {
        (Some(hash), salt) => recognised(HASH, &hash, salt.as_deref())?,
        (None, Some(_)) => return Err(refusal(HASH, "must be given beside passwordSalt")),
        (None, None) => None,
    };
    let Some(phc) = phc else { return Ok(None) };
    if phc.pepper().is_some() {
        notes.push("hash made with a pepper, which this stack must have: see `ostiary pepper show`");
    }
    // One of unknown age is as old as the import, so that a rule about age does not end all of them at once.
    Ok(Some(NewPassword { phc, changed: changed.unwrap_or(rules.now), expires, history }))
}
