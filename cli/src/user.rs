//! `ostiary user`.

mod passwords;
mod update;

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use shared::audit;
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::error::Problem;
use shared::password::rules::About;
use shared::profiles;
use shared::random::SystemRandom;
use shared::recovery::Recovery;
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Creation, Credential, LoginName, Lookup, NewPassword, Store as _, Write};
use shared::tenant::{Settings, Tenant};
use shared::tenant_deletion::delete_user;
use shared::user::{Email, User, UserId};

use crate::arguments::{DeleteUser, ListUsers, NewUser, Which};
use crate::confirm;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Answer, Body, date, date_or, yes_or_no};
use crate::{password, tenant};

pub use self::passwords::{expire, set as set_password};
pub use self::update::update;

/// As many users as are listed at a time.
const PAGE: usize = 1000;

pub async fn create(connection: &Connection, new: NewUser) -> Result<Answer, Failure> {
    let store = connection.store();
    let source = (new.password_stdin, new.no_password);
    let user = user(connection, new)?;
    audit::actor(&user);
    let tenant = refuse_in_vain(&store, &user).await?;
    let (rules, about) = (tenant.settings.password, About::from(&user));
    let password = match source {
        (_, true) => None,
        (true, false) => Some(password::read(io::stdin().lock(), &rules, &about)?),
        (false, false) => Some(password::ask(&rules, &about)?),
    };
    let password = match password {
        Some(password) => Some(NewPassword::new(passwords::hash(connection, password).await?, user.created)),
        None => None,
    };
    match store.create_user(shared::store::NewUser { user: user.clone(), password }).await? {
        Creation::Done => Ok(answer(&by_id(&store, user.id).await?)),
        Creation::NameTaken => Err(name_taken("username", &user)),
        Creation::EmailTaken => Err(email_taken(&user)),
        Creation::IdTaken => Err(Failure::refused("id", format!("there is a user with the id {} already", user.id))),
        Creation::NoSuchTenant => Err(tenant::missing("tenant", &user.tenant)),
    }
}

pub async fn show(connection: &Connection, which: Which) -> Result<Answer, Failure> {
    Ok(answer(&find(connection, &which).await?))
}

pub async fn list(connection: &Connection, list: ListUsers) -> Result<Answer, Failure> {
    let (store, name) = (connection.store(), connection.tenant(list.tenant)?);
    let limit = if list.all { usize::MAX } else { usize::try_from(list.limit).unwrap_or(usize::MAX) };
    let (mut users, mut start) = (Vec::new(), None);
    loop {
        let page = store.users_of(&name, start.as_deref(), PAGE.min(limit - users.len())).await?;
        users.extend(page.items);
        start = page.next;
        if start.is_none() || users.len() >= limit {
            break;
        }
    }
    // An empty listing says nothing about the tenant.
    if users.is_empty() && tenant::find(&store, &name).await?.is_none() {
        return Err(tenant::missing("tenant", &name));
    }
    let more = start.is_some();
    let json = json!({
        "tenant": name.as_str(),
        "users": users.iter().map(listed).collect::<Vec<_>>(),
        "more": more,
    });
    let head = &["username", "id", "email", "verified", "enabled", "roles", "created"];
    let rows = users.iter().map(row).collect();
    let note = more.then(|| "There are more: --limit or --all shows them.".to_owned());
    Ok(Answer { note, ..Answer::new(json, Body::Table { head, rows, none: "no user yet" }) })
}

pub async fn set_enabled(connection: &Connection, which: Which, enabled: bool) -> Result<Answer, Failure> {
    let Account { user, .. } = find(connection, &which).await?;
    audit::actor(&user);
    let user = match profiles::set_enabled(&connection.store(), &SystemClock, user.clone(), enabled).await {
        Ok(user) => user,
        Err(Problem::NoSuchProfile) => return Err(gone(&user)),
        Err(Problem::Store(error)) => return Err(error.into()),
        Err(_) => return Err(Failure::Outage("the user is being changed all the time: try again".to_owned())),
    };
    let mut json = named(&user);
    if let Value::Object(members) = &mut json {
        members.insert("enabled".to_owned(), json!(enabled));
    }
    let record = vec![
        ("id", user.id.to_string()),
        ("tenant", user.tenant.to_string()),
        ("username", user.name.as_str().to_owned()),
        ("enabled", yes_or_no(enabled)),
    ];
    let note = (!enabled).then(|| "Every ticket, login and auth header of this user has ended.".to_owned());
    Ok(Answer { json, body: Body::Record(record), note })
}

pub async fn unlock(connection: &Connection, which: Which) -> Result<Answer, Failure> {
    let Account { user, credential, .. } = find(connection, &which).await?;
    audit::actor(&user);
    let forgotten = credential.map_or(0, |credential| credential.guesses.failures());
    match connection.store().unlock(&LoginName::new(&user.tenant, &user.name)).await? {
        Write::Done => {}
        Write::Refused => return Err(gone(&user)),
    }
    let json = json!({ "id": user.id.as_str(), "forgotten": forgotten });
    let record = vec![("id", user.id.to_string()), ("wrong passwords forgotten", forgotten.to_string())];
    let note = Some("The next right password opens the account at once. Tickets and auth headers were never touched.");
    Ok(Answer { note: note.map(str::to_owned), ..Answer::new(json, Body::Record(record)) })
}

pub async fn send_verification(connection: &Connection, which: Which) -> Result<Answer, Failure> {
    let Account { user, .. } = find(connection, &which).await?;
    audit::actor(&user);
    let Some(email) = user.email.as_ref().filter(|_| user.enabled) else {
        return Err(Failure::refused("email", "the user is disabled, or has no e-mail address".to_owned()));
    };
    let (clock, random, delivery) = (Arc::new(SystemClock), Arc::new(SystemRandom), Arc::new(connection.delivery()?));
    let (pages, tenant) = (connection.settings.pages.clone(), user.tenant.clone());
    let recovery = Recovery { store: connection.store(), clock, random, delivery, pages, tenant };
    match recovery.send_verification(&user).await {
        Ok(Write::Done) => {}
        Ok(Write::Refused) => {
            return Err(Failure::refused("email", "a message was sent within the last minute: wait for it".to_owned()));
        }
        Err(Problem::Store(error)) => return Err(error.into()),
        Err(problem) => return Err(Failure::Outage(format!("the message could not be sent ({})", problem.reason()))),
    }
    let json = json!({ "id": user.id.as_str(), "email": email.as_str() });
    let record = vec![("id", user.id.to_string()), ("sent to", email.as_str().to_owned())];
    Ok(Answer::new(json, Body::Record(record)))
}

pub async fn delete(connection: &Connection, delete: DeleteUser) -> Result<Answer, Failure> {
    let Account { user, .. } = find(connection, &delete.which).await?;
    audit::actor(&user);
    if !delete.yes {
        confirm::yes(&format!(
            "Delete {} of tenant {} ({}), for good? Everything of this user ends.",
            user.name.as_str(),
            user.tenant,
            user.id
        ))?;
    }
    delete_user(&connection.store(), &user.id, &user.tenant, SystemClock.now()).await?;
    let mut json = named(&user);
    if let Value::Object(members) = &mut json {
        members.insert("deleted".to_owned(), json!(true));
    }
    let record = vec![
        ("deleted", user.id.to_string()),
        ("tenant", user.tenant.to_string()),
        ("username", user.name.as_str().to_owned()),
    ];
    Ok(Answer::new(json, Body::Record(record)))
}

fn user(connection: &Connection, new: NewUser) -> Result<User, Failure> {
    let now = SystemClock.now();
    Ok(User {
        id: new.id.unwrap_or_else(|| UserId::generate(&SystemRandom)),
        tenant: connection.tenant(new.tenant)?,
        name: new.username,
        email: new.email,
        email_verified: new.verified,
        first_name: new.first_name,
        last_name: new.last_name,
        display_name: None,
        application: None,
        enabled: true,
        roles: update::fitting_roles(new.roles)?,
        attributes: update::fitting(update::attribute_map(&new.attributes)?)?,
        created: now,
        modified: now,
        session_epoch: User::first_epoch(now),
        key_epoch: User::first_epoch(now),
    })
}

/// Spares the operator a password that would be typed for nothing. What decides is the condition of the write.
async fn refuse_in_vain(store: &DynamoStore, user: &User) -> Result<Tenant, Failure> {
    let credential = Some(LoginName::new(&user.tenant, &user.name));
    let found = store.lookup(Lookup { credential, tenant: Some(user.tenant.clone()), ..Lookup::default() }).await?;
    if found.credential.is_some() {
        return Err(name_taken("username", user));
    }
    found.tenant.filter(|tenant| !tenant.closing).ok_or_else(|| tenant::missing("tenant", &user.tenant))
}

fn name_taken(field: &'static str, user: &User) -> Failure {
    Failure::refused(field, format!("the user name {} is taken in tenant {}", user.name.as_str(), user.tenant))
}

fn email_taken(user: &User) -> Failure {
    Failure::refused("email", format!("the e-mail address is taken in tenant {}", user.tenant))
}

fn gone(user: &User) -> Failure {
    Failure::refused("id", format!("the user {} is gone", user.id))
}

/// A user with all that may be told of it.
struct Account {
    user: User,
    credential: Option<Credential>,
    tenant: Option<Tenant>,
}

impl Account {
    /// The rules of its tenant.
    fn settings(&self) -> Result<&Settings, Failure> {
        let tenant = self.tenant.as_ref().ok_or_else(|| tenant::missing("tenant", &self.user.tenant))?;
        Ok(&tenant.settings)
    }

    /// When its password ends, by itself or by the rules of its tenant.
    fn password_ends(&self) -> Option<Timestamp> {
        let credential = self.credential.as_ref().filter(|credential| credential.phc.is_some())?;
        let rules = self.tenant.as_ref().map(|tenant| tenant.settings.password).unwrap_or_default();
        credential.password_ends(&rules)
    }
}

/// Finds a user with its credential, by either of its names.
async fn find(connection: &Connection, which: &Which) -> Result<Account, Failure> {
    let store = connection.store();
    if let Some(id) = &which.id {
        return by_id(&store, id.clone()).await;
    }
    let Some(name) = &which.username else { return Err(Failure::invalid("username", "must be given")) };
    let tenant = connection.tenant(which.tenant.clone())?;
    let missing = || Failure::refused("username", format!("there is no user {} in tenant {tenant}", name.as_str()));
    let named = (Some(LoginName::new(&tenant, name)), Some(tenant.clone()));
    let found = store.lookup(Lookup { credential: named.0, tenant: named.1, ..Lookup::default() }).await?;
    let credential = found.credential.ok_or_else(missing)?;
    let owner = Lookup { users: vec![credential.user.clone()], ..Lookup::default() };
    let user = store.lookup(owner).await?.users.pop().ok_or_else(missing)?;
    Ok(Account { user, credential: Some(credential), tenant: found.tenant })
}

async fn by_id(store: &DynamoStore, id: UserId) -> Result<Account, Failure> {
    let missing = || Failure::refused("id", format!("there is no user with the id {id}"));
    let found = store.lookup(Lookup { users: vec![id.clone()], ..Lookup::default() }).await?.users.pop();
    let user = found.ok_or_else(missing)?;
    let named = (Some(LoginName::new(&user.tenant, &user.name)), Some(user.tenant.clone()));
    let found = store.lookup(Lookup { credential: named.0, tenant: named.1, ..Lookup::default() }).await?;
    Ok(Account { user, credential: found.credential, tenant: found.tenant })
}

fn named(user: &User) -> Value {
    json!({ "id": user.id.as_str(), "tenant": user.tenant.as_str(), "username": user.name.as_str() })
}

fn listed(user: &User) -> Value {
    json!({
        "id": user.id.as_str(),
        "tenant": user.tenant.as_str(),
        "username": user.name.as_str(),
        "email": user.email.as_ref().map(Email::as_str),
        "emailVerified": user.email_verified,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "displayName": user.display_name,
        "application": user.application,
        "enabled": user.enabled,
        "roles": user.roles,
        "attributes": user.attributes,
        "created": date(user.created),
        "modified": date(user.modified),
    })
}

fn or_none(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

fn joined(values: &[String]) -> String {
    if values.is_empty() { "-".to_owned() } else { values.join(", ") }
}

fn row(user: &User) -> Vec<String> {
    vec![
        user.name.as_str().to_owned(),
        user.id.to_string(),
        or_none(user.email.as_ref().map(Email::as_str)),
        if user.email.is_some() { yes_or_no(user.email_verified) } else { "-".to_owned() },
        yes_or_no(user.enabled),
        joined(&user.roles),
        date(user.created),
    ]
}

fn answer(account: &Account) -> Answer {
    let Account { user, credential, .. } = account;
    let changed = credential.as_ref().filter(|it| it.phc.is_some()).map(|it| it.password_changed);
    let expires = credential.as_ref().and_then(|credential| credential.password_expires);
    let failures = credential.as_ref().map_or(0, |credential| credential.guesses.failures());
    let last_login = credential.as_ref().and_then(|credential| credential.last_login);
    let ends = account.password_ends();
    let must_change = ends.is_some_and(|ends| ends <= SystemClock.now());
    let mut json = listed(user);
    if let Value::Object(members) = &mut json {
        members.extend([
            ("hasPassword".to_owned(), json!(changed.is_some())),
            ("passwordChanged".to_owned(), json!(changed.map(date))),
            ("passwordExpires".to_owned(), json!(expires.map(date))),
            ("passwordEnds".to_owned(), json!(ends.map(date))),
            ("mustChange".to_owned(), json!(must_change)),
            ("failures".to_owned(), json!(failures)),
            ("lastLogin".to_owned(), json!(last_login.map(date))),
        ]);
    }
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let attributes: Vec<_> = user.attributes.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect();
    let mut record = vec![
        ("id", user.id.to_string()),
        ("tenant", user.tenant.to_string()),
        ("username", user.name.as_str().to_owned()),
        ("email", or_none(user.email.as_ref().map(Email::as_str))),
        ("email verified", yes_or_no(user.email_verified)),
        ("first name", or_none(user.first_name.as_deref())),
        ("last name", or_none(user.last_name.as_deref())),
        ("display name", or_none(user.display_name.as_deref())),
        ("application", or_none(user.application.as_deref())),
        ("enabled", yes_or_no(user.enabled)),
        ("roles", joined(&user.roles)),
        ("attributes", joined(&attributes)),
        ("created", date(user.created)),
        ("modified", date(user.modified)),
        ("password", yes_or_no(changed.is_some())),
    ];
    if changed.is_some() {
        record.extend([
            ("password changed", date_or(changed, "-")),
            ("password ends", date_or(ends, "never")),
            ("must change it", yes_or_no(must_change)),
        ]);
    }
    record.extend([("wrong passwords", failures.to_string()), ("last login", date_or(last_login, "never"))]);
    Answer::new(json, Body::Record(record))
}
