//! Users of Auth0: the export of password hashes (lines of JSON), exports of users (lines of JSON, or CSV), and files
//! made for Auth0's own bulk import.
//!
//! Invariant: the same user has the same id in each of these forms.

use serde_json::Value;
use shared::password::{Phc, imported};
use shared::store::NewPassword;

use super::account::{Described, Rules};
use super::fields::{Fields, Refusal, refusal};
use super::hashes::taken;
use super::record::Record;

const CUSTOM: &str = "custom_password_hash";

/// The prefix of users in Auth0's own databases.
const DATABASE: &str = "auth0|";

/// Members that are attributes here, under their own names.
const ATTRIBUTES: [&str; 4] = ["name", "nickname", "picture", "phone_number"];

/// Reads one user.
pub fn record(mut fields: Fields, rules: &Rules) -> Result<Record, Refusal> {
    let (email, email_verified) = address(&mut fields)?;
    let mut described = Described {
        username: fields.text("username")?.or_else(|| email.clone()),
        email,
        email_verified,
        first_name: fields.text("given_name")?,
        last_name: fields.text("family_name")?,
        disabled: fields.truth("blocked")?.unwrap_or(false),
        created: moment(&mut fields, "created_at")?,
        modified: moment(&mut fields, "updated_at")?,
        ..Described::default()
    };
    for name in ATTRIBUTES {
        let value = fields.text(name)?;
        described.text_attribute(name, value);
    }
    for (member, prefix) in [("user_metadata", "user_metadata."), ("app_metadata", "app_metadata.")] {
        // A table has either a column for all of it, or one for each member.
        let whole =
            if fields.peek(member).is_some() { Vec::new() } else { fields.object(member)?.into_iter().collect() };
        let text = fields.text(member)?;
        described.text_attribute(member, text);
        for (name, value) in whole.into_iter().chain(fields.prefixed(prefix)) {
            described.attribute(format!("{prefix}{name}"), value);
        }
    }
    if let Some(id) = id(&mut fields)? {
        described.foreign_id(&id, "auth0.user_id");
    }
    if let Some(Value::Array(factors)) = fields.value("multifactor")
        && !factors.is_empty()
    {
        described.notes.push("had a second factor, which is not moved");
    }
    let changed = moment(&mut fields, "password_set_date")?.unwrap_or(rules.now);
    described.password = hash(&mut fields)?.map(|phc| NewPassword::new(phc, changed));
    Ok(Record::User(Box::new(described)))
}

/// The address is among the identifiers where it is no member.
fn address(fields: &mut Fields) -> Result<(Option<String>, bool), Refusal> {
    let (email, verified) = (fields.text("email")?, fields.truth("email_verified")?);
    for mut identifier in fields.objects("identifiers")? {
        if email.is_none() && identifier.text("type")?.as_deref() == Some("email") {
            let verified = identifier.truth("verified")?.or(verified);
            return Ok((identifier.text("value")?, verified.unwrap_or(false)));
        }
    }
    Ok((email, verified.unwrap_or(false)))
}

fn id(fields: &mut Fields) -> Result<Option<String>, Refusal> {
    let given = fields.text("user_id")?;
    let alternative = fields.text("alt_id")?;
    let object = fields.object("_id")?.remove("$oid");
    let of_database = alternative.or(match object {
        Some(Value::String(id)) => Some(id),
        _ => None,
    });
    let prefixed = |id: String| if id.contains('|') { id } else { format!("{DATABASE}{id}") };
    Ok(given.or(of_database).map(prefixed))
}

/// A date as RFC 3339 writes it, in the database's own form too.
fn moment(fields: &mut Fields, name: &'static str) -> Result<Option<shared::clock::Timestamp>, Refusal> {
    if fields.peek(name).is_some() {
        return fields.moment(name);
    }
    let Some(text) = fields.object(name)?.remove("$date") else { return Ok(None) };
    let text = text.as_str().and_then(shared::clock::Timestamp::parse);
    text.map(Some).ok_or(refusal(name, "must be a date and time"))
}

fn hash(fields: &mut Fields) -> Result<Option<Phc>, Refusal> {
    for name in ["passwordHash", "password_hash"] {
        if let Some(hash) = fields.text(name)? {
            return taken(name, imported::from_auth0(&hash)).map(Some);
        }
    }
    let custom = fields.object(CUSTOM)?;
    if custom.is_empty() { Ok(None) } else { custom_hash(&Value::Object(custom.into_iter().collect())).map(Some) }
}

fn custom_hash(custom: &Value) -> Result<Phc, Refusal> {
    let text = |path: &str| custom.pointer(path).and_then(Value::as_str);
    let hash = text("/hash/value").ok_or(refusal(CUSTOM, "must hold hash.value"))?;
    if text("/password/encoding").is_some_and(|encoding| encoding != "utf8") {
        return Err(refusal(CUSTOM, "must be of passwords in UTF-8"));
    }
    let read = match text("/algorithm") {
        Some("bcrypt") => imported::from_auth0(hash),
        Some("argon2" | "pbkdf2") => imported::from_stored_form(hash),
        Some("ldap") => imported::from_ldap(hash),
        Some("scrypt") => return scrypt(custom, hash),
        _ => return Err(refusal(CUSTOM, "must be of bcrypt, argon2, pbkdf2, scrypt or ldap")),
    };
    taken(CUSTOM, read)
}

fn scrypt(custom: &Value, hash: &str) -> Result<Phc, Refusal> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let encoding = |path: &str, otherwise| custom.pointer(path).and_then(Value::as_str).unwrap_or(otherwise).to_owned();
    let salt = custom.pointer("/salt/value").and_then(Value::as_str);
    let salt = salt.and_then(|salt| bytes(salt, &encoding("/salt/encoding", "utf8")));
    let hash = bytes(hash, &encoding("/hash/encoding", "base64"));
    let (Some(salt), Some(hash)) = (salt, hash) else {
        return Err(refusal(CUSTOM, "must hold hash and salt in the encodings that it names (base64, hex, utf8)"));
    };
    let number = |name: &str| custom.get(name).and_then(Value::as_u64);
    let cost = number("cost").filter(|cost| cost.is_power_of_two());
    let (Some(cost), Some(r), Some(p)) = (cost, number("blockSize"), number("parallelization")) else {
        return Err(refusal(CUSTOM, "must hold cost (a power of two), blockSize and parallelization"));
    };
    if number("keylen").is_some_and(|length| usize::try_from(length) != Ok(hash.len())) {
        return Err(refusal(CUSTOM, "must hold a hash of keylen bytes"));
    }
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    taken(CUSTOM, imported::from_stored_form(&format!("$scrypt$ln={},r={r},p={p}${salt}${hash}", cost.ilog2())))
}

fn bytes(text: &str, encoding: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    match encoding {
        "utf8" => Some(text.as_bytes().to_vec()),
        // Nothing says which of the two alphabets is meant.
        "base64" => STANDARD_NO_PAD.decode(text.trim_end_matches('=').replace('-', "+").replace('_', "/")).ok(),
        "hex" => {
            let digits: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
            let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
            Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
        }
        _ => None,
    }
}
