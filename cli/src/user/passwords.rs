//! `ostiary user set-password` and `user expire-password`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shared::audit;
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::error::Problem;
use shared::lockout::SWEPT;
use shared::login::Login;
use shared::password::pepper::PepperError;
use shared::password::rules::About;
use shared::password::{Hasher, PasswordError, Phc};
use shared::random::{Random, SystemRandom};
use shared::secret::Password;
use shared::store::dynamo::DynamoStore;
use shared::store::{
    Administration as _, Credential, LoginName, NewPassword, PasswordChange, Proof, Store as _, Write,
};
use shared::tenant::{Settings, Tenants};
use shared::user::User;

use super::{Account, find, gone};
use crate::arguments::{ExpirePassword, SetPassword};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Answer, Body, date, date_or, yes_or_no};
use crate::password;

/// The user may change the password at the same moment; nobody does it many times.
const ATTEMPTS: usize = 3;

pub async fn set(connection: &Connection, set: SetPassword) -> Result<Answer, Failure> {
    let store = connection.store();
    let mut account = find(connection, &set.which).await?;
    audit::actor(&account.user);
    let login = login(connection)?;
    let password = {
        let (rules, about) = (account.settings()?.password, About::from(&account.user));
        if set.password_stdin {
            password::read(io::stdin().lock(), &rules, &about)?
        } else {
            password::ask(&rules, &about)?
        }
    };
    for _ in 0..ATTEMPTS {
        let (user, settings) = (&account.user, account.settings()?);
        let Some(credential) = &account.credential else { return Err(gone(user)) };
        weigh(&login, settings, user, credential, &password).await?;
        let now = SystemClock.now();
        let new = login.new_password(settings, credential, password.clone(), now).await.map_err(of_problem)?;
        let new = NewPassword { expires: set.must_change.then_some(now), ..new };
        if change(&store, &set, user, credential, new).await? == Write::Done {
            return Ok(changed(user, &set, now));
        }
        account = find(connection, &set.which).await?;
    }
    Err(Failure::Outage("the account is being changed all the time: try again".to_owned()))
}

/// Writes a new password, and forgets all guesses at the old one.
async fn change(
    store: &DynamoStore,
    set: &SetPassword,
    user: &User,
    credential: &Credential,
    password: NewPassword,
) -> Result<Write, Failure> {
    // Later than what was read, whatever this machine's clock says.
    let at = password.changed.max(user.modified.plus(Duration::from_millis(1)));
    let change = PasswordChange {
        name: credential.name.clone(),
        user: user.id.clone(),
        version: credential.version,
        password,
        proof: Proof::Administrator,
        end_auth_headers: set.end_auth_headers,
        // The newest first, for these are those that count.
        forget: credential.guesses.counters.keys().rev().take(SWEPT).cloned().collect(),
        place: None,
        at,
    };
    let written = store.change_password(change).await?;
    if written == Write::Done && credential.guesses.counters.len() > SWEPT {
        // The others are of days that are over, or of a storm. Without an account there is nothing to forget.
        let (Write::Done | Write::Refused) = store.unlock(&credential.name).await?;
    }
    Ok(written)
}

/// Holds a password to the rules that only the account's own hashes can tell about.
async fn weigh(
    login: &Login<DynamoStore>,
    settings: &Settings,
    user: &User,
    credential: &Credential,
    password: &Password,
) -> Result<(), Failure> {
    let earlier = shared::login::earlier(settings, credential);
    let broken = login.weigh(settings, user, earlier, password).await.map_err(of_problem)?.err();
    broken.map_or(Ok(()), |broken| Err(Failure::invalid("password", broken.to_string())))
}

/// What weighs and hashes passwords in the functions.
fn login(connection: &Connection) -> Result<Login<DynamoStore>, Failure> {
    Ok(Login {
        store: connection.store(),
        hasher: hasher(connection)?,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        tenants: Tenants::default(),
        lifetimes: connection.settings.assumed_lifetimes,
    })
}

fn hasher(connection: &Connection) -> Result<Arc<Hasher>, Failure> {
    connection.hasher().map_err(|error| of_problem(error.into()))
}

/// Hashes the password of a new account.
pub async fn hash(connection: &Connection, password: Password) -> Result<Phc, Failure> {
    let (hasher, random): (_, Arc<dyn Random>) = (hasher(connection)?, Arc::new(SystemRandom));
    let phc = shared::password::hash(&hasher, password, &random).await;
    phc.map_err(|error: PasswordError| of_problem(error.into()))
}

fn of_problem(problem: Problem) -> Failure {
    match problem {
        Problem::Pepper(PepperError::Unreachable(source)) => Failure::of_aws("GetSecretValue", &*source),
        Problem::Pepper(error) => Failure::Setup(format!("the password can't be hashed: {error}")),
        Problem::Store(error) => error.into(),
        _ => Failure::Setup("the password can't be hashed or compared".to_owned()),
    }
}

fn changed(user: &User, set: &SetPassword, now: Timestamp) -> Answer {
    let json = json!({
        "id": user.id.as_str(),
        "tenant": user.tenant.as_str(),
        "username": user.name.as_str(),
        "passwordChanged": date(now),
        "mustChange": set.must_change,
        "authHeadersEnded": set.end_auth_headers,
    });
    let record = vec![
        ("id", user.id.to_string()),
        ("tenant", user.tenant.to_string()),
        ("username", user.name.as_str().to_owned()),
        ("password changed", date(now)),
        ("must change it", yes_or_no(set.must_change)),
    ];
    let ended = if set.end_auth_headers { "login, ticket and auth header" } else { "login and ticket" };
    Answer { note: Some(format!("Every {ended} of this user has ended.")), ..Answer::new(json, Body::Record(record)) }
}

pub async fn expire(connection: &Connection, expire: ExpirePassword) -> Result<Answer, Failure> {
    let Account { user, .. } = find(connection, &expire.which).await?;
    audit::actor(&user);
    let now = SystemClock.now();
    let ends = if expire.never { None } else { Some(expire.at.unwrap_or(now)) };
    match connection.store().expire_password(&LoginName::new(&user.tenant, &user.name), ends).await? {
        Write::Done => {}
        Write::Refused => {
            let message = format!("the user {} has no password, or is gone", user.name.as_str());
            return Err(Failure::refused("username", message));
        }
    }
    let must_change = ends.is_some_and(|ends| ends <= now);
    let json = json!({
        "id": user.id.as_str(),
        "tenant": user.tenant.as_str(),
        "username": user.name.as_str(),
        "passwordExpires": ends.map(date),
        "mustChange": must_change,
    });
    let record = vec![
        ("id", user.id.to_string()),
        ("tenant", user.tenant.to_string()),
        ("username", user.name.as_str().to_owned()),
        ("password expires", date_or(ends, "by the tenant's rules")),
    ];
    let note =
        must_change.then(|| "The password opens nothing until it is changed. Logins that there are go on.".to_owned());
    Ok(Answer { note, ..Answer::new(json, Body::Record(record)) })
}
