//! `ostiary user`.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};
use shared::audit;
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::password::{Hasher, PasswordError, Phc};
use shared::random::SystemRandom;
use shared::secret::Password;
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Creation, Credential, LoginName, Lookup, Store as _, Write};
use shared::user::{Email, User, UserId};

use crate::arguments::{NewUser, Which};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Answer, Body, date, date_or, yes_or_no};
use crate::password;

pub async fn create(connection: &Connection, new: NewUser) -> Result<Answer, Failure> {
    let store = connection.store();
    let source = (new.password_stdin, new.no_password);
    let user = user(connection, new)?;
    audit::actor(&user);
    refuse_taken_name(&store, &user).await?;
    let password = match source {
        (_, true) => None,
        (true, false) => Some(password::read(io::stdin().lock())?),
        (false, false) => Some(password::ask()?),
    };
    let phc = password.map(|password| hash(connection, &password)).transpose()?;
    let has_password = phc.is_some();
    let account = shared::store::NewUser { user: user.clone(), phc };
    match store.create_user(account).await? {
        Creation::Done => Ok(answer(&user, &LoginFacts { has_password, ..LoginFacts::default() })),
        Creation::NameTaken => Err(name_taken(&user)),
        Creation::EmailTaken => {
            Err(Failure::refused("email", format!("the e-mail address is taken in tenant {}", user.tenant)))
        }
        Creation::IdTaken => Err(Failure::refused("id", format!("there is a user with the id {} already", user.id))),
        Creation::NoSuchTenant => {
            let hint = "make it with `ostiary tenant create`";
            Err(Failure::refused("tenant", format!("there is no tenant {}: {hint}", user.tenant)))
        }
    }
}

pub async fn show(connection: &Connection, which: Which) -> Result<Answer, Failure> {
    let (user, credential) = find(connection, which).await?;
    Ok(answer(&user, &LoginFacts::of(credential.as_ref())))
}

pub async fn set_enabled(connection: &Connection, which: Which, enabled: bool) -> Result<Answer, Failure> {
    let (user, _) = find(connection, which).await?;
    audit::actor(&user);
    match connection.store().set_enabled(&user.id, enabled, SystemClock.now()).await? {
        Write::Done => {}
        Write::Refused => return Err(Failure::refused("id", format!("the user {} is gone", user.id))),
    }
    let json = json!({
        "id": user.id.as_str(),
        "tenant": user.tenant.as_str(),
        "username": user.name.as_str(),
        "enabled": enabled,
    });
    let record = vec![
        ("id", user.id.to_string()),
        ("tenant", user.tenant.to_string()),
        ("username", user.name.as_str().to_owned()),
        ("enabled", yes_or_no(enabled)),
    ];
    let note = (!enabled).then(|| "Every ticket, login and auth header of this user has ended.".to_owned());
    Ok(Answer { json, body: Body::Record(record), note })
}

fn user(connection: &Connection, new: NewUser) -> Result<User, Failure> {
    let now = SystemClock.now();
    let mut attributes = BTreeMap::new();
    for (name, value) in new.attributes {
        if attributes.contains_key(&name) {
            return Err(Failure::invalid("attribute", format!("must not name {name} twice")));
        }
        attributes.insert(name, value);
    }
    let mut roles: Vec<String> = Vec::with_capacity(new.roles.len());
    for role in new.roles {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    Ok(User {
        id: new.id.unwrap_or_else(|| UserId::generate(&SystemRandom)),
        tenant: connection.tenant(new.tenant)?,
        name: new.username,
        email: new.email,
        first_name: new.first_name,
        last_name: new.last_name,
        enabled: true,
        roles,
        attributes,
        created: now,
        modified: now,
        session_epoch: User::first_epoch(now),
        key_epoch: User::first_epoch(now),
    })
}

pub async fn unlock(connection: &Connection, which: Which) -> Result<Answer, Failure> {
    let (user, credential) = find(connection, which).await?;
    audit::actor(&user);
    let forgotten = credential.map_or(0, |credential| credential.guesses.failures());
    match connection.store().unlock(&LoginName::new(&user.tenant, &user.name)).await? {
        Write::Done => {}
        Write::Refused => return Err(Failure::refused("username", format!("the user {} is gone", user.id))),
    }
    let json = json!({ "id": user.id.as_str(), "forgotten": forgotten });
    let record = vec![("id", user.id.to_string()), ("wrong passwords forgotten", forgotten.to_string())];
    let note = Some("The next right password opens the account at once. Tickets and auth headers were never touched.");
    Ok(Answer { note: note.map(str::to_owned), ..Answer::new(json, Body::Record(record)) })
}

/// Spares the operator a password that would be typed for nothing. What decides is the condition of the write.
async fn refuse_taken_name(store: &DynamoStore, user: &User) -> Result<(), Failure> {
    let credential = Some(LoginName::new(&user.tenant, &user.name));
    let found = store.lookup(Lookup { credential, ..Lookup::default() }).await?;
    if found.credential.is_some() { Err(name_taken(user)) } else { Ok(()) }
}

fn name_taken(user: &User) -> Failure {
    let message = format!("the user name {} is taken in tenant {}", user.name.as_str(), user.tenant);
    Failure::refused("username", message)
}

fn hash(connection: &Connection, password: &Password) -> Result<Phc, Failure> {
    let unusable = |error: PasswordError| Failure::Setup(format!("the password can't be hashed: {error}"));
    Hasher::new(connection.settings.cost).and_then(|hasher| hasher.hash(password, &SystemRandom)).map_err(unusable)
}

/// Finds a user with its credential, by either of its names.
async fn find(connection: &Connection, which: Which) -> Result<(User, Option<Credential>), Failure> {
    let store = connection.store();
    let by_id = |id: UserId| store.lookup(Lookup { users: vec![id], ..Lookup::default() });
    let by_name = |name| store.lookup(Lookup { credential: Some(name), ..Lookup::default() });
    if let Some(id) = which.id {
        let missing = || Failure::refused("id", format!("there is no user with the id {id}"));
        let user = by_id(id.clone()).await?.users.pop().ok_or_else(missing)?;
        let credential = by_name(LoginName::new(&user.tenant, &user.name)).await?.credential;
        return Ok((user, credential));
    }
    let Some(name) = which.username else { return Err(Failure::invalid("username", "must be given")) };
    let tenant = connection.tenant(which.tenant)?;
    let missing = || Failure::refused("username", format!("there is no user {} in tenant {tenant}", name.as_str()));
    let credential = by_name(LoginName::new(&tenant, &name)).await?.credential.ok_or_else(missing)?;
    let user = by_id(credential.user.clone()).await?.users.pop().ok_or_else(missing)?;
    Ok((user, Some(credential)))
}

/// What may be told of a credential.
#[derive(Default)]
struct LoginFacts {
    has_password: bool,
    password_expires: Option<Timestamp>,
    failures: u32,
    last_login: Option<Timestamp>,
}

impl LoginFacts {
    fn of(credential: Option<&Credential>) -> Self {
        credential.map_or_else(Self::default, |credential| Self {
            has_password: credential.phc.is_some(),
            password_expires: credential.password_expires,
            failures: credential.guesses.failures(),
            last_login: credential.last_login,
        })
    }
}

fn answer(user: &User, facts: &LoginFacts) -> Answer {
    let json: Value = json!({
        "id": user.id.as_str(),
        "tenant": user.tenant.as_str(),
        "username": user.name.as_str(),
        "email": user.email.as_ref().map(Email::as_str),
        "firstName": user.first_name,
        "lastName": user.last_name,
        "enabled": user.enabled,
        "roles": user.roles,
        "attributes": user.attributes,
        "created": date(user.created),
        "modified": date(user.modified),
        "hasPassword": facts.has_password,
        "passwordExpires": facts.password_expires.map(date),
        "failures": facts.failures,
        "lastLogin": facts.last_login.map(date),
    });
    let or_none = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let attributes: Vec<String> = user.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let listed = |values: &[String]| if values.is_empty() { "-".to_owned() } else { values.join(", ") };
    let record = vec![
        ("id", user.id.to_string()),
        ("tenant", user.tenant.to_string()),
        ("username", user.name.as_str().to_owned()),
        ("email", or_none(user.email.as_ref().map(Email::as_str))),
        ("first name", or_none(user.first_name.as_deref())),
        ("last name", or_none(user.last_name.as_deref())),
        ("enabled", yes_or_no(user.enabled)),
        ("roles", listed(&user.roles)),
        ("attributes", listed(&attributes)),
        ("created", date(user.created)),
        ("modified", date(user.modified)),
        ("password", yes_or_no(facts.has_password)),
        ("password expires", date_or(facts.password_expires, "never")),
        ("wrong passwords", facts.failures.to_string()),
        ("last login", date_or(facts.last_login, "never")),
    ];
    Answer::new(json, Body::Record(record))
}
