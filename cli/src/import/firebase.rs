//! Users of Firebase Authentication, as `firebase auth:export users.json` writes them.

use std::collections::BTreeMap;

use shared::json::Json;
use shared::password::imported::{self, FirebaseProject};
use shared::store::NewPassword;

use super::account::{Described, Rules};
use super::fields::{Fields, Refusal, refusal};
use super::hashes::taken;
use super::record::Record;
use crate::failure::Failure;

const FIELD: &str = "firebase-hash-config";

/// What stands for each hash when whoever exported may not see them: the base64 of "REDACTED".
const REDACTED: &str = "UkVEQUNURUQ";

/// Members that are attributes here, under their own names.
const ATTRIBUTES: [&str; 3] = ["displayName", "photoUrl", "phoneNumber"];

/// Reads one user.
pub fn record(mut fields: Fields, project: &FirebaseProject, rules: &Rules) -> Result<Record, Refusal> {
    let email = fields.text("email")?;
    let mut described = Described {
        username: email.clone().or(fields.peek("phoneNumber").map(str::to_owned)),
        email,
        email_verified: fields.truth("emailVerified")?.unwrap_or(false),
        disabled: fields.truth("disabled")?.unwrap_or(false),
        created: fields.millis("createdAt")?,
        ..Described::default()
    };
    if described.username.is_none() {
        return Ok(Record::Skipped("has neither e-mail address nor phone number, so nobody could sign in to it"));
    }
    for name in ATTRIBUTES {
        let value = fields.text(name)?;
        described.text_attribute(name, value);
    }
    if let Some(claims) = fields.text("customAttributes")? {
        let claims: BTreeMap<String, Json> = serde_json::from_str(&claims)
            .map_err(|_| refusal("customAttributes", "must be a JSON object in a text"))?;
        for (name, Json(value)) in claims {
            described.attribute(format!("customAttributes.{name}"), value);
        }
    }
    if let Some(id) = fields.text("localId")? {
        described.foreign_id(&id, "firebase.localId");
    }
    if fields.objects("mfaInfo").is_ok_and(|factors| !factors.is_empty()) {
        described.notes.push("had a second factor, which is not moved");
    }
    let (hash, salt) = (fields.text("passwordHash")?, fields.text("salt")?);
    if let Some(hash) = hash {
        if hash.trim_end_matches('=') == REDACTED {
            let rule = "is redacted: who exports the users needs the permission firebaseauth.configs.getHashConfig";
            return Err(refusal("passwordHash", rule));
        }
        let salt = salt.ok_or(refusal("salt", "must be given beside passwordHash"))?;
        let phc = taken("passwordHash", imported::from_firebase(project, &hash, &salt))?;
        described.password = Some(NewPassword::new(phc, rules.now));
    }
    Ok(Record::User(Box::new(described)))
}

/// Reads what all hashes of a project have in common, in the form in which the Firebase console shows it or as JSON.
pub fn project(text: &str) -> Result<FirebaseProject, Failure> {
    let value = |name: &str| {
        let (_, rest) = text.split_once(name)?;
        let rest = rest.trim_start_matches('"').trim_start().strip_prefix([':', '='])?;
        let end = rest.find([',', '\n', '}']).unwrap_or(rest.len());
        let value = rest.get(..end)?.trim().trim_matches(['"', '\'']);
        (!value.is_empty()).then(|| value.to_owned())
    };
    let missing = |name: &str| {
        let rule = "must hold what the Firebase console shows as password hash parameters (algorithm SCRYPT)";
        Failure::invalid(FIELD, format!("{rule}: {name} is missing or no number"))
    };
    let text_of = |name: &str| value(name).ok_or_else(|| missing(name));
    let number = |name: &str| value(name).and_then(|value| value.parse().ok()).ok_or_else(|| missing(name));
    if value("algorithm").is_some_and(|algorithm| algorithm != "SCRYPT") {
        return Err(Failure::invalid(FIELD, "must be of the algorithm SCRYPT"));
    }
    Ok(FirebaseProject {
        signer_key: text_of("base64_signer_key")?,
        salt_separator: text_of("base64_salt_separator")?,
        rounds: number("rounds")?,
        mem_cost: number("mem_cost")?,
    })
}
