//! The handlers on a store that grows.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use authheader_list::AuthHeaderList;
use bench::Error as BenchError;
use bench::recorder::Recorder;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join_all};
use local::template::Template;
use local::{Cloud, Folder, demo};
use serde_json::{Value, json};
use shared::access_token::{AccessToken, TenantPermission};
use shared::api::{self, Route};
use shared::auth_header::{AuthHeader, Choices};
use shared::authorize::Verifier;
use shared::aws::SecretsManager;
use shared::clock::{Clock as _, SystemClock};
use shared::config::Config;
use shared::gateway::{self, Endpoint, Event, Response};
use shared::jwt::{self, Bearer};
use shared::keyring::Keyring;
use shared::login::Login;
use shared::password::Phc;
use shared::random::SystemRandom;
use shared::secret::Password;
use shared::source::Source;
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Creation, NewUser, Store as _, Write};
use shared::tenant::{Tenant, TenantName};
use shared::ticket::{Limits, Origin, Ticket};
use shared::user::{Email, User, UserId, UserName};
use tempfile::TempDir;
use test_secure::TestSecure;
use ticket_get::TicketGet;
use user_login::UserLogin;
use user_sessions::UserSessions;

use crate::Error;

const PASSWORD: &str = "lanterns over the quiet harbour";

/// As many accounts as one transaction holds, each of four items.
const AT_ONCE: u64 = 25;

/// Transactions under way at a time.
const PARALLEL: u64 = 8;

/// So many users ask in turn.
const SAMPLE: u64 = 100;

/// With the cheapest hash: here it would only hide what the store takes.
const SETTINGS: [(&str, &str); 4] = [
    ("Issuer", "https://auth.example.com"),
    ("DefaultTenant", demo::TENANT),
    ("Argon2MemoryKiB", "8"),
    ("Argon2Iterations", "1"),
];

/// What somebody shows.
#[derive(Clone, Default)]
pub struct Credentials {
    /// `tenant/name`, for a login.
    pub name: String,
    /// A login's JWT.
    pub jwt: String,
    /// A ticket's text.
    pub ticket: String,
    user: Option<User>,
}

/// A local cloud with its data in a folder, and what works with it in this process.
pub struct Place {
    /// The calls of the store.
    pub recorder: Arc<Recorder>,
    config: Config,
    store: DynamoStore,
    keyring: Arc<Keyring>,
    phc: Phc,
    application: String,
    endpoints: Endpoints,
    _cloud: Cloud,
    _folder: TempDir,
}

struct Endpoints {
    login: Arc<UserLogin<DynamoStore>>,
    verification: Arc<TestSecure<DynamoStore>>,
    ticket: Arc<TicketGet<DynamoStore>>,
    sessions: Arc<UserSessions<DynamoStore>>,
    auth_headers: Arc<AuthHeaderList<DynamoStore>>,
}

impl Place {
    /// Starts it, with the demo's tenant and keys.
    pub async fn start(folder: &Path) -> Result<Self, Error> {
        let file = |source| BenchError::File { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(file)?;
        let data = TempDir::new_in(folder).map_err(file)?;
        let taken = Folder::take(data.path()).map_err(BenchError::from)?;
        let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let template = Template::read(&local::template_path(), &BTreeMap::from(settings)).map_err(BenchError::from)?;
        let cloud = Cloud::start(&template, Some(taken)).map_err(BenchError::from)?;
        demo::prepare(&cloud, "https://auth.example.com").map_err(BenchError::from)?;
        let environment = cloud.environment();
        let config = Config::read(|name| environment.get(name).cloned()).map_err(BenchError::from)?;
        let recorder = Arc::new(Recorder::default());
        let store =
            |url: &str| DynamoStore::new(local::dynamodb::client(url), config.tables.clone(), Arc::new(SystemRandom));
        let counted = store(&recorder.before(&cloud.dynamodb_url()).await?);
        let secret =
            SecretsManager { client: local::secrets::client(&cloud.secrets_url()), id: config.keyset_secret.clone() };
        let keyring = Arc::new(Keyring::new(secret, Arc::new(SystemClock)));
        let hasher = Arc::new(config.hasher().map_err(BenchError::from)?);
        let password = Password::from_input(PASSWORD).ok_or(Error::Name)?;
        let phc = hasher.hash(&password, &SystemRandom).map_err(BenchError::from)?;
        let verifier = || Verifier {
            store: counted.clone(),
            keyring: Arc::clone(&keyring),
            party: config.party.clone(),
            clock: Arc::new(SystemClock),
        };
        let clock = || Arc::new(SystemClock);
        let login = Login::new(counted.clone(), hasher, clock(), Arc::new(SystemRandom), &config);
        let (party, default_tenant) = (config.party.clone(), config.default_tenant.clone());
        let endpoints = Endpoints {
            login: Arc::new(UserLogin { login, keyring: Arc::clone(&keyring), party, default_tenant }),
            verification: Arc::new(TestSecure { verifier: verifier() }),
            ticket: Arc::new(TicketGet { store: counted.clone(), clock: clock() }),
            sessions: Arc::new(UserSessions { verifier: verifier() }),
            auth_headers: Arc::new(AuthHeaderList { verifier: verifier() }),
        };
        // What is stored beforehand goes past the recorder.
        let store = store(&cloud.dynamodb_url());
        let application = application(&store).await?;
        Ok(Self { recorder, config, store, keyring, phc, application, endpoints, _cloud: cloud, _folder: data })
    }

    /// Stores more users, and tells how many.
    pub async fn more_users(&self, from: u64, most: u64) -> Result<u64, Error> {
        let to = most.min(from + AT_ONCE * PARALLEL);
        let starts = (from..to).step_by(usize::try_from(AT_ONCE).unwrap_or(1));
        let batches = starts.map(async |start| {
            let accounts = (start..to.min(start + AT_ONCE)).map(|number| self.account(number));
            let made = self.store.import_users(accounts.collect::<Result<_, _>>()?).await?;
            if made.iter().all(|creation| *creation == Creation::Done) {
                Ok(())
            } else {
                Err(Error::Existing("a user"))
            }
        });
        try_join_all(batches).await?;
        Ok(to - from)
    }

    /// Credentials of some of so many users, from everywhere among them.
    pub async fn some_users(&self, stored: u64) -> Result<Vec<Credentials>, Error> {
        let some = SAMPLE.min(stored);
        // A prime, so that those that ask are no neighbours.
        let numbers = (0..some).map(|number| number * 7919 * (stored / some) % stored);
        try_join_all(
            numbers.map(async |number| self.credentials(user(demo::TENANT, &name(number), &id(number))?).await),
        )
        .await
    }

    /// One more tenant, with a user.
    pub async fn tenant_with_a_user(&self, number: u64) -> Result<Credentials, Error> {
        let tenant = format!("tenant-{number}");
        let name = TenantName::parse(&tenant).ok_or(Error::Name)?;
        if self.store.create_tenant(&Tenant::new(name, SystemClock.now())).await? != Write::Done {
            return Err(Error::Existing("a tenant"));
        }
        self.owner_in(&tenant, "somebody").await
    }

    /// Somebody who will own much.
    pub async fn owner(&self, name: &str) -> Result<Credentials, Error> {
        self.owner_in(demo::TENANT, name).await
    }

    async fn owner_in(&self, tenant: &str, name: &str) -> Result<Credentials, Error> {
        let user = user(tenant, name, UserId::generate(&SystemRandom).as_str())?;
        if self.store.create_user(NewUser::new(user.clone(), Some(self.phc.clone()))).await? != Creation::Done {
            return Err(Error::Existing("a user"));
        }
        self.credentials(user).await
    }

    /// More tickets of somebody.
    pub async fn more_tickets(&self, owner: &Credentials, many: u64) -> Result<u64, Error> {
        let owner = owner.user.as_ref().ok_or(Error::Name)?;
        try_join_all((0..many).map(async |_| self.issue(owner, Origin::Ticket).await)).await?;
        Ok(many)
    }

    /// More auth headers of somebody, and the text of the last one.
    pub async fn more_auth_headers(&self, owner: &Credentials, many: u64) -> Result<(u64, String), Error> {
        let owner = owner.user.as_ref().ok_or(Error::Name)?;
        let made = try_join_all((0..many).map(async |_| {
            let choices = Choices { name: "growth".to_owned(), expires: None, scopes: Vec::new() };
            let now = SystemClock.now();
            let (mut header, text) = AuthHeader::issue(owner, choices, now, &SystemRandom);
            // Used a moment ago, so that no use is noted while the others are measured.
            header.last_used = Some(now);
            match self.store.create_auth_header(&header).await? {
                Write::Done => Ok(text.expose_secret().to_owned()),
                Write::Refused => Err(Error::Existing("an auth header")),
            }
        }));
        Ok((many, made.await?.pop().unwrap_or_default()))
    }

    fn account(&self, number: u64) -> Result<NewUser, Error> {
        Ok(NewUser::new(user(demo::TENANT, &name(number), &id(number))?, Some(self.phc.clone())))
    }

    async fn credentials(&self, user: User) -> Result<Credentials, Error> {
        let (login, _) = self.issue(&user, Origin::Login).await?;
        let (now, expires) = (login.created, login.expires);
        let bearer = Bearer::first(&user, &login);
        let minted = jwt::mint(&self.keyring, &self.config.party, bearer, now, expires, &SystemRandom).await;
        let minted = minted.map_err(BenchError::from)?;
        let (_, ticket) = self.issue(&user, Origin::Ticket).await?;
        let name = format!("{}/{}", user.tenant.as_str(), user.name.as_str());
        Ok(Credentials { name, jwt: minted.jwt.expose_secret().to_owned(), ticket, user: Some(user) })
    }

    async fn issue(&self, user: &User, origin: Origin) -> Result<(Ticket, String), Error> {
        let limits = Limits { idle: None, absolute: self.config.lifetimes.login_jwt };
        let (ticket, text) = Ticket::issue(user, origin, limits, Source::default(), SystemClock.now(), &SystemRandom);
        match self.store.create_ticket(&ticket).await? {
            Write::Done => Ok((ticket, text.expose_secret().to_owned())),
            Write::Refused => Err(Error::Existing("a ticket")),
        }
    }

    /// Logs in.
    pub fn login(&self, name: &str) -> BoxFuture<'static, Response> {
        let body = json!({ "username": name, "password": PASSWORD }).to_string();
        let headers = json!({ "content-type": "application/json" });
        sent(&self.endpoints.login, &event(&api::USER_LOGIN, &headers, json!({ "body": body })))
    }

    /// Shows a JWT.
    pub fn verification(&self, jwt: &str) -> BoxFuture<'static, Response> {
        sent(&self.endpoints.verification, &event(&api::TEST_SECURE, &bearer(jwt), json!({})))
    }

    /// Shows an auth header.
    pub fn by_auth_header(&self, text: &str) -> BoxFuture<'static, Response> {
        let headers = json!({ "x-authorization": text });
        sent(&self.endpoints.verification, &event(&api::TEST_SECURE, &headers, json!({})))
    }

    /// Reads a ticket, as an application.
    pub fn ticket(&self, text: &str) -> BoxFuture<'static, Response> {
        let headers = json!({ "x-api-key": self.application });
        let more = json!({ "pathParameters": { "id": text } });
        sent(&self.endpoints.ticket, &event(&api::TICKET_GET, &headers, more))
    }

    /// Lists one's sessions.
    pub fn sessions(&self, jwt: &str) -> BoxFuture<'static, Response> {
        sent(&self.endpoints.sessions, &event(&api::USER_SESSIONS, &bearer(jwt), json!({})))
    }

    /// Lists one's auth headers.
    pub fn auth_headers(&self, jwt: &str) -> BoxFuture<'static, Response> {
        sent(&self.endpoints.auth_headers, &event(&api::AUTHHEADER_LIST, &bearer(jwt), json!({})))
    }
}

async fn application(store: &DynamoStore) -> Result<String, Error> {
    let text = AccessToken::generate(&SystemRandom);
    let token = AccessToken {
        digest: text.digest(),
        application: "growth".to_owned(),
        master: false,
        permissions: vec![TenantPermission { tenant: None, actions: None }],
        expires: None,
        created: SystemClock.now(),
    };
    match store.create_access_token(&token).await? {
        Write::Done => Ok(text.expose_secret().to_owned()),
        Write::Refused => Err(Error::Existing("an access token")),
    }
}

fn name(number: u64) -> String {
    format!("user{number}")
}

fn id(number: u64) -> String {
    format!("{number:08}-0000-4000-8000-000000000000")
}

fn user(tenant: &str, name: &str, id: &str) -> Result<User, Error> {
    let now = SystemClock.now();
    Ok(User {
        id: UserId::parse(id).ok_or(Error::Name)?,
        tenant: TenantName::parse(tenant).ok_or(Error::Name)?,
        name: UserName::parse(name).ok_or(Error::Name)?,
        email: Email::parse(&format!("{name}@{tenant}.example")),
        email_verified: true,
        first_name: Some("Zoë".to_owned()),
        last_name: Some("van der Berg".to_owned()),
        display_name: None,
        application: None,
        enabled: true,
        roles: vec!["customer".to_owned()],
        attributes: BTreeMap::from([("plan".to_owned(), "gold".into())]),
        created: now,
        modified: now,
        session_epoch: 0,
        key_epoch: 0,
    })
}

fn bearer(jwt: &str) -> Value {
    json!({ "authorization": format!("Bearer {jwt}") })
}

/// As API Gateway would make it, with `more` members.
fn event(route: &Route, headers: &Value, mut more: Value) -> Value {
    let mut event = json!({
        "version": "2.0",
        "routeKey": format!("{} {}", route.method, route.path),
        "rawPath": route.path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "http": { "method": route.method, "path": route.path, "sourceIp": "203.0.113.7" },
            "requestId": "growth",
        },
        "isBase64Encoded": false,
    });
    if let (Some(event), Some(more)) = (event.as_object_mut(), more.as_object_mut()) {
        event.append(more);
    }
    event
}

fn sent<E: Endpoint>(endpoint: &Arc<E>, event: &Value) -> BoxFuture<'static, Response> {
    let (endpoint, event) = (Arc::clone(endpoint), Event::from(event.clone()));
    async move { gateway::handle(&*endpoint, event).await }.boxed()
}
