//! What a new cloud is good for: a tenant, a user, an administrator, an application's access token and a signing key.
//!
//! Passwords and the token are made here and are known to nobody else, the file in the data folder excepted. They are
//! written before anything is stored under them, so that a start which was interrupted is completed by the next.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::access_token::{AccessToken, TenantPermission};
use shared::aws::SecretsManager;
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::config::{Config, ConfigError};
use shared::keyring::{Algorithm, KeySet, KeySetError};
use shared::password::pepper::{Pepper, PepperError, Peppers};
use shared::password::{Hasher, PasswordError};
use shared::random::{Random, SystemRandom};
use shared::secret::{Password, Token};
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Creation, Lookup, NewUser, Store as _, StoreError};
use shared::tenant::{Tenant, TenantName};
use shared::user::{Email, User, UserId, UserName};

use crate::cloud::{self, Cloud};
use crate::{dynamodb, secrets};

/// The name of its application.
pub const APPLICATION: &str = "demo-application";

/// The tenant of the demo user, and the default tenant of a local cloud.
pub const TENANT: &str = "demo";

const USER: &str = "demo";
const EMAIL: &str = "demo@example.com";
const ADMINISTRATOR: &str = "admin";

/// Why there is no demo data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cloud doesn't work.
    #[error(transparent)]
    Cloud(#[from] cloud::Error),
    /// The functions would refuse their environment.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store doesn't answer.
    #[error("can't store the demo data")]
    Store(#[from] StoreError),
    /// A password can't be hashed.
    #[error("can't hash a demo password")]
    Password(#[from] PasswordError),
    /// There is no signing key and none can be made.
    #[error("can't make a signing key")]
    Key(#[from] KeySetError),
    /// There is no pepper, though the stack requires one, and none can be made.
    #[error("can't make a pepper")]
    Pepper(#[from] PepperError),
    /// Secrets Manager doesn't answer.
    #[error("can't reach the keyset or the pepper: {0}")]
    Secret(String),
    /// A file can't be used.
    #[error("can't use {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// A file isn't what this program writes.
    #[error("{} is damaged: start once with --reset, which loses the data", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The data is there, and the file that tells its passwords is not.
    #[error("there is a user {0} already, whose password only the lost demo.json told: start once with --reset")]
    Lost(String),
    /// A constant of this file breaks a rule of the domain.
    #[error("{0} breaks the rules for names")]
    Name(&'static str),
}

/// Everything to try the API with.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Demo {
    /// Where the API answers, without a slash at the end.
    pub base_url: String,
    /// The tenant.
    pub tenant: String,
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// The administrator's name.
    pub admin_username: String,
    /// The administrator's password.
    pub admin_password: String,
    /// The user's id.
    pub profile_id: String,
    /// The application's access token, which may do everything in the tenant.
    pub access_token_id: String,
}

impl Demo {
    fn generate(random: &dyn Random, base_url: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            tenant: TENANT.to_owned(),
            username: USER.to_owned(),
            password: password(random),
            admin_username: ADMINISTRATOR.to_owned(),
            admin_password: password(random),
            profile_id: UserId::generate(random).as_str().to_owned(),
            access_token_id: AccessToken::generate(random).expose_secret().to_owned(),
        }
    }
}

/// 128 random bits that no shell needs quoted.
fn password(random: &dyn Random) -> String {
    format!("{:032x}", u128::from_be_bytes(random.bytes()))
}

/// The cloud's demo data: what its folder tells, or new data that is stored now. A key is made if there is none, and a
/// pepper where the template asks for one.
pub fn prepare(cloud: &Cloud, base_url: &str) -> Result<Demo, Error> {
    let environment = cloud.environment().clone();
    let config = Config::read(|name| environment.get(name).cloned())?;
    let algorithm = cloud.template().parameters().get("SigningAlgorithm").and_then(|name| Algorithm::parse(name));
    let (url, secret) = (cloud.secrets_url(), config.keyset_secret.clone());
    cloud.run(async move { ensure_key(&url, &secret, algorithm.unwrap_or(Algorithm::Rs256)).await })??;
    if let Some(pepper) = &config.pepper {
        let (url, secret) = (cloud.secrets_url(), pepper.secret.clone());
        cloud.run(async move { ensure_pepper(&url, &secret).await })??;
    }

    let Some(folder) = cloud.folder() else {
        let demo = Demo::generate(&SystemRandom, base_url);
        store(cloud, &config, &demo)?;
        return Ok(demo);
    };
    let (finished, pending) = (folder.join("demo.json"), folder.join("demo.pending.json"));
    if let Some(mut demo) = read(&finished)? {
        if demo.base_url != base_url {
            base_url.clone_into(&mut demo.base_url);
            write(&finished, &demo)?;
        }
        return Ok(demo);
    }
    let demo = match read(&pending)? {
        Some(demo) => demo,
        None => Demo::generate(&SystemRandom, base_url),
    };
    let demo = Demo { base_url: base_url.to_owned(), ..demo };
    write(&pending, &demo)?;
    store(cloud, &config, &demo)?;
    fs::rename(&pending, &finished).map_err(|source| Error::File { path: finished, source })?;
    Ok(demo)
}

async fn ensure_key(url: &str, secret: &str, algorithm: Algorithm) -> Result<(), Error> {
    match KeySet::parse(&value(url, secret).await?) {
        Ok(_) => return Ok(()),
        Err(KeySetError::Empty) => {}
        Err(error) => return Err(error.into()),
    }
    put(url, secret, &KeySet::generate(algorithm, SystemClock.now())?).await
}

async fn ensure_pepper(url: &str, secret: &str) -> Result<(), Error> {
    let peppers = Peppers::parse(&value(url, secret).await?)?;
    match (peppers.current(), peppers.rotated(&SystemRandom)) {
        (None, Ok(first)) => put(url, secret, &first.to_text()?).await,
        _ => Ok(()),
    }
}

async fn value(url: &str, secret: &str) -> Result<String, Error> {
    let asked = secrets::client(url).get_secret_value().secret_id(secret).version_stage("AWSCURRENT").send().await;
    let answer = asked.map_err(|error| Error::Secret(crate::chain(&error)))?;
    Ok(answer.secret_string.unwrap_or_default())
}

async fn put(url: &str, secret: &str, text: &str) -> Result<(), Error> {
    let put = secrets::client(url).put_secret_value().secret_id(secret).secret_string(text).send().await;
    put.map(|_| ()).map_err(|error| Error::Secret(crate::chain(&error)))
}

fn store(cloud: &Cloud, config: &Config, demo: &Demo) -> Result<(), Error> {
    let client = dynamodb::client(&cloud.dynamodb_url());
    let store = DynamoStore::new(client, config.tables.clone(), Arc::new(SystemRandom));
    let pepper = config.pepper.as_ref().map(|pepper| {
        let secret = SecretsManager { client: secrets::client(&cloud.secrets_url()), id: pepper.secret.clone() };
        Pepper::new(pepper.usage, secret, Arc::new(SystemClock))
    });
    let (hasher, demo) = (Arc::new(Hasher::new(config.cost)?.with_pepper(pepper)), demo.clone());
    cloud.run(async move { fill(&store, &hasher, &demo).await })?
}

/// Every step may have been done before: then it changes nothing.
async fn fill(store: &DynamoStore, hasher: &Arc<Hasher>, demo: &Demo) -> Result<(), Error> {
    let now = SystemClock.now();
    let tenant = TenantName::parse(&demo.tenant).ok_or(Error::Name(TENANT))?;
    let _ = store.create_tenant(&Tenant::new(tenant.clone(), now)).await?;
    let token = AccessToken {
        digest: Token::new(demo.access_token_id.clone()).digest(),
        application: APPLICATION.to_owned(),
        master: false,
        permissions: vec![TenantPermission { tenant: Some(tenant.clone()), actions: None }],
        expires: None,
        created: now,
    };
    let _ = store.create_access_token(&token).await?;
    let id = UserId::parse(&demo.profile_id).ok_or(Error::Name(USER))?;
    let administrator = UserId::generate(&SystemRandom);
    let name = UserName::parse(&demo.admin_username).ok_or(Error::Name(ADMINISTRATOR))?;
    let roles = vec![User::TENANT_ADMIN.to_owned()];
    let administrator = User { roles, ..user(administrator, tenant.clone(), name, now) };
    // Its id is told nowhere, so a name that is taken can only be its own.
    let _ = create(store, hasher, administrator, &demo.admin_password).await?;
    let name = UserName::parse(&demo.username).ok_or(Error::Name(USER))?;
    let user = User { email: Email::parse(EMAIL), ..user(id.clone(), tenant, name, now) };
    match create(store, hasher, user, &demo.password).await? {
        Creation::Done | Creation::IdTaken => Ok(()),
        Creation::NameTaken | Creation::EmailTaken | Creation::NoSuchTenant => {
            let found = store.lookup(Lookup { users: vec![id.clone()], ..Lookup::default() }).await?;
            if found.user(&id).is_some() { Ok(()) } else { Err(Error::Lost(demo.username.clone())) }
        }
    }
}

async fn create(store: &DynamoStore, hasher: &Arc<Hasher>, user: User, password: &str) -> Result<Creation, Error> {
    let password = Password::from_input(password).ok_or(Error::Name("password"))?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let phc = shared::password::hash(hasher, password, &random).await?;
    Ok(store.create_user(NewUser::new(user, Some(phc))).await?)
}

fn user(id: UserId, tenant: TenantName, name: UserName, now: Timestamp) -> User {
    User {
        id,
        tenant,
        name,
        email: None,
        email_verified: false,
        first_name: None,
        last_name: None,
        display_name: None,
        application: None,
        enabled: true,
        roles: Vec::new(),
        attributes: BTreeMap::new(),
        created: now,
        modified: now,
        session_epoch: User::first_epoch(now),
        key_epoch: User::first_epoch(now),
    }
}

fn read(path: &Path) -> Result<Option<Demo>, Error> {
    match fs::read(path) {
        Ok(text) => {
            serde_json::from_slice(&text).map(Some).map_err(|source| Error::Damaged { path: path.to_owned(), source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { path: path.to_owned(), source }),
    }
}

fn write(path: &Path, demo: &Demo) -> Result<(), Error> {
    let file = |source| Error::File { path: path.to_owned(), source };
    let mut text = serde_json::to_vec_pretty(demo).map_err(|error| file(error.into()))?;
    text.push(b'\n');
    secrets::write_private(path, &text).map_err(file)
}

/// The `curl` lines for the endpoints that a newcomer tries first, to be pasted into a shell in this order.
#[must_use]
pub fn curl_lines(demo: &Demo) -> String {
    let Demo { base_url, tenant, username, password, profile_id, access_token_id, .. } = demo;
    let json = "-H 'content-type: application/json'";
    let member = |name: &str| format!("python3 -c 'import json, sys; print(json.load(sys.stdin)[\"{name}\"])'");
    let (token, id) = (member("Token"), member("token"));
    format!(
        r#"# log in, and keep the JWT
TOKEN=$(curl -sS {base_url}/user/login {json} -d '{{"username":"{username}","password":"{password}"}}' | {token})
# make an auth header (an API key of the user), and use it
HEADER=$(curl -sS {base_url}/authheader/add -H "authorization: Bearer $TOKEN" {json} -d '{{"name":"laptop"}}' | {id})
curl -sS {base_url}/test/secure -H "x-authorization: $HEADER"; echo
# list the auth headers, and delete that one
curl -sS {base_url}/authheader/list -H "authorization: Bearer $TOKEN"; echo
curl -sS {base_url}/authheader/delete -H "authorization: Bearer $TOKEN" {json} -d "{{\"text\":\"$HEADER\"}}"; echo
# an application signs the user in and gets a ticket
curl -sS {base_url}/api/1/authentication/authenticate -H 'x-access-token-id: {access_token_id}' -d tenantName={tenant} -d username={username} -d password={password}; echo
# an application gets a JWT for the user's profile
curl -sS {base_url}/v1/profile/{profile_id}/authenticate -H 'x-api-key: {access_token_id}' {json} -d '{{"duration":600}}'; echo
# the user forgot the password: cargo local tells the message on its terminal, and the token in it sets a new one
curl -sS {base_url}/user/forgot {json} -d '{{"username":"{username}"}}'; echo
# curl -sS {base_url}/user/reset {json} -d '{{"token":"…","new":"a new password of mine","confirm":"a new password of mine"}}'
"#
    )
}
