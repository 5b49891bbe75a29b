//! `ostiary access-token`.

use std::io::{self, Read as _};

use serde_json::{Value, json};
use shared::access_token::{AccessToken, TenantPermission};
use shared::audit;
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::random::SystemRandom;
use shared::secret::{Digest, Token};
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Lookup, Store as _, Write};
use zeroize::Zeroizing;

use crate::arguments::NewAccessToken;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{self, Answer, Body, date, date_or, yes_or_no};
use crate::text::Secret;

/// Longer than any token or id, line end included.
const MAX_INPUT_BYTES: u64 = 300;

pub async fn create(connection: &Connection, new: NewAccessToken) -> Result<Answer, Failure> {
    let now = SystemClock.now();
    if let Some(expires) = new.expires.filter(|expires| *expires <= now) {
        let rule = format!("must be in the future; {} is past, it is {} now", date(expires), date(now));
        return Err(Failure::invalid("expires", rule));
    }
    let store = connection.store();
    let unknown = unknown_tenants(&store, &new.permissions).await?;
    let text = AccessToken::generate(&SystemRandom);
    let token = AccessToken {
        digest: text.digest(),
        application: new.application,
        master: new.master,
        permissions: new.permissions,
        expires: new.expires,
        created: now,
    };
    note(&token);
    match store.create_access_token(&token).await? {
        Write::Done => {}
        Write::Refused => return Err(Failure::Outage("the new token met one that exists: try again".to_owned())),
    }
    for tenant in unknown {
        output::warn(&format!("there is no tenant {tenant} yet"), connection.form);
    }
    Ok(created(&token, &text, now))
}

pub async fn list(connection: &Connection) -> Result<Answer, Failure> {
    let now = SystemClock.now();
    let mut tokens = connection.store().access_tokens().await?;
    tokens.sort_by(|one, other| (&one.application, one.created).cmp(&(&other.application, other.created)));
    let rows = tokens.iter().map(|token| row(token, now)).collect();
    let json = json!({ "accessTokens": tokens.iter().map(|token| to_json(token, now)).collect::<Vec<_>>() });
    let head = &["id", "application", "permissions", "master", "created", "expires"];
    let none = "no access token yet: make one with `ostiary access-token create`";
    Ok(Answer::new(json, Body::Table { head, rows, none }))
}

pub async fn delete(connection: &Connection, which: Secret) -> Result<Answer, Failure> {
    let which = match which.expose_secret() {
        "-" => read_line(io::stdin().lock())?,
        // Everybody on the machine can read the arguments of a process.
        text if text.starts_with(AccessToken::PREFIX) => {
            return Err(Failure::invalid(
                "token",
                "must not be an argument: give its id, or - and the token on standard input",
            ));
        }
        _ => which,
    };
    let store = connection.store();
    let Some(token) = find(&store, which.expose_secret()).await? else { return Err(not_found()) };
    note(&token);
    match store.delete_access_token(token.digest).await? {
        Write::Done => {}
        Write::Refused => return Err(not_found()),
    }
    let json = json!({ "id": token.digest.to_base64url(), "application": token.application, "deleted": true });
    let record = vec![("deleted", token.digest.to_base64url()), ("application", token.application)];
    Ok(Answer::new(json, Body::Record(record)))
}

/// Which one it is, for the audit trail: its id is no credential.
fn note(token: &AccessToken) {
    audit::application(token);
    audit::subject(&token.digest.to_base64url());
}

/// A new tenant may be missing from the listing for a moment, so this is for a warning and not for a refusal.
async fn unknown_tenants(store: &DynamoStore, permissions: &[TenantPermission]) -> Result<Vec<String>, Failure> {
    if permissions.iter().all(|permission| permission.tenant.is_none()) {
        return Ok(Vec::new());
    }
    let known = store.tenants().await?;
    let named = permissions.iter().filter_map(|permission| permission.tenant.as_ref());
    Ok(named.filter(|name| !known.iter().any(|tenant| tenant.name == **name)).map(ToString::to_string).collect())
}

/// An id first, then a token: a text of an id's form may be a token that came from elsewhere.
async fn find(store: &DynamoStore, text: &str) -> Result<Option<AccessToken>, Failure> {
    let digests = [Digest::from_base64url(text), Some(Token::new(text.to_owned()).digest())];
    for digest in digests.into_iter().flatten() {
        let lookup = Lookup { access_token: Some(digest), ..Lookup::default() };
        if let Some(token) = store.lookup(lookup).await?.access_token {
            return Ok(Some(token));
        }
    }
    Ok(None)
}

/// Never repeats what was given: it may be a token, and a live one of another stack.
fn not_found() -> Failure {
    Failure::refused("token", "there is no such access token in this stack; `ostiary access-token list` shows the ids")
}

fn read_line(input: impl io::Read) -> Result<Secret, Failure> {
    let mut text = Zeroizing::new(String::new());
    let result = input.take(MAX_INPUT_BYTES).read_to_string(&mut text);
    result.map_err(|error| Failure::invalid("token", format!("can't be read from standard input: {error}")))?;
    Ok(Secret::new(text.trim().to_owned()))
}

fn created(token: &AccessToken, text: &Token, now: Timestamp) -> Answer {
    let mut json = to_json(token, now);
    if let Value::Object(members) = &mut json {
        members.insert("token".to_owned(), json!(text.expose_secret()));
    }
    let mut record = vec![("token", text.expose_secret().to_owned())];
    record.extend([
        ("id", token.digest.to_base64url()),
        ("application", token.application.clone()),
        ("permissions", permissions(&token.permissions)),
        ("master", yes_or_no(token.master)),
        ("expires", date_or(token.expires, "never")),
    ]);
    let note = "Keep the token now: it is stored as a hash and not shown again. Applications send it as \
                x-access-token-id or x-api-key.";
    Answer { json, body: Body::Record(record), note: Some(note.to_owned()) }
}

fn to_json(token: &AccessToken, now: Timestamp) -> Value {
    let permissions: Vec<Value> = token
        .permissions
        .iter()
        .map(|entry| json!({ "tenant": tenant_name(entry), "allowedActions": action_names(entry) }))
        .collect();
    json!({
        "id": token.digest.to_base64url(),
        "application": token.application,
        "master": token.master,
        "tenantPermissions": permissions,
        "created": date(token.created),
        "expires": token.expires.map(date),
        "expired": token.is_expired(now),
    })
}

fn row(token: &AccessToken, now: Timestamp) -> Vec<String> {
    let expires = date_or(token.expires, "never");
    vec![
        token.digest.to_base64url(),
        token.application.clone(),
        permissions(&token.permissions),
        yes_or_no(token.master),
        date(token.created),
        if token.is_expired(now) { format!("{expires} (over)") } else { expires },
    ]
}

fn permissions(entries: &[TenantPermission]) -> String {
    let one = |entry: &TenantPermission| format!("{}={}", tenant_name(entry), action_names(entry).join(","));
    let all: Vec<String> = entries.iter().map(one).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(" ") }
}

fn tenant_name(entry: &TenantPermission) -> &str {
    entry.tenant.as_ref().map_or("*", |tenant| tenant.as_str())
}

fn action_names(entry: &TenantPermission) -> Vec<&'static str> {
    let actions = entry.actions.as_ref();
    actions.map_or_else(|| vec!["*"], |actions| actions.iter().map(|action| action.as_str()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::permission;

    #[test]
    fn permissions_read_as_they_are_written() {
        for text in ["acme=READ_TENANT,MANAGE_TICKETS", "*=*", "acme=*", "*=CREATE_TENANT"] {
            assert_eq!(permissions(&[permission(text).unwrap()]), text);
        }
        assert_eq!(permissions(&[]), "-");
    }

    #[test]
    fn a_token_over_its_expiry_is_marked() {
        let token = AccessToken {
            digest: Digest::of(b"x"),
            application: "app".to_owned(),
            master: false,
            permissions: vec![],
            expires: Some(Timestamp::from_seconds(10)),
            created: Timestamp::from_seconds(0),
        };
        assert!(row(&token, Timestamp::from_seconds(10)).contains(&"1970-01-01T00:00:10Z (over)".to_owned()));
        assert!(row(&token, Timestamp::from_seconds(9)).contains(&"1970-01-01T00:00:10Z".to_owned()));
    }

    #[test]
    fn a_token_is_read_from_a_line() {
        assert_eq!(read_line(&b" osa_abc\n"[..]).ok().unwrap().expose_secret(), "osa_abc");
    }
}
