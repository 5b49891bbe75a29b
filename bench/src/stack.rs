//! A stack in memory, and events that it answers with 200.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use local::template::Function;
use local::{Cloud, demo};
use serde_json::Value;
use shared::access_token::{AccessToken, TenantPermission};
use shared::auth_header::{AuthHeader, Choices};
use shared::aws::SecretsManager;
use shared::clock::{Clock as _, SystemClock};
use shared::config::Config;
use shared::jwt::{self, Bearer};
use shared::keyring::Keyring;
use shared::one_time::{OneTime, Purpose};
use shared::password::Phc;
use shared::persistent_login::PersistentLogin;
use shared::random::SystemRandom;
use shared::source::Source;
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Creation, LoginName, NewUser, Store as _, Write};
use shared::tenant::TenantName;
use shared::ticket::{Limits, Origin, Ticket};
use shared::user::{Email, User, UserId, UserName};

use crate::recorder::Recorder;
use crate::{Error, plan};

/// The local cloud with demo data, and recorders before it.
pub struct Stack {
    cloud: Cloud,
    demo: demo::Demo,
    config: Config,
    store: DynamoStore,
    keyring: Keyring,
    /// What stands for credentials in the sample events.
    placeholders: BTreeMap<String, String>,
    /// What the functions find in their environment.
    pub environment: BTreeMap<String, String>,
    /// The functions' calls.
    pub recorder: Arc<Recorder>,
}

impl Stack {
    /// Starts it, with `settings` before the template's defaults.
    pub async fn start(settings: &[(&str, &str)]) -> Result<Self, Error> {
        let ours = [("Issuer", "https://auth.example.com"), ("DefaultTenant", demo::TENANT)];
        let parameters = ours.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let cloud = Cloud::in_memory(&parameters.collect())?;
        let demo = demo::prepare(&cloud, "https://auth.example.com")?;
        let mut environment = cloud.environment().clone();
        let config = Config::read(|name| environment.get(name).cloned())?;
        let client = local::dynamodb::client(&cloud.dynamodb_url());
        let store = DynamoStore::new(client, config.tables.clone(), Arc::new(SystemRandom));
        let secret =
            SecretsManager { client: local::secrets::client(&cloud.secrets_url()), id: config.keyset_secret.clone() };
        let keyring = Keyring::new(secret, Arc::new(SystemClock));
        let recorder = Arc::new(Recorder::default());
        let urls = [
            ("AWS_ENDPOINT_URL_DYNAMODB", recorder.before(&cloud.dynamodb_url()).await?),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", recorder.before(&cloud.secrets_url()).await?),
            ("AWS_ENDPOINT_URL_EVENTBRIDGE", recorder.before(&cloud.events_url()).await?),
        ];
        environment.extend(urls.map(|(name, url)| (name.to_owned(), url)));
        Ok(Self { cloud, demo, config, store, keyring, placeholders: placeholders()?, environment, recorder })
    }

    /// The functions of the template.
    pub fn functions(&self) -> Result<Vec<Function>, Error> {
        Ok(self.cloud.template().functions()?)
    }

    /// The settings that the functions have.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The store behind the functions.
    #[must_use]
    pub fn store(&self) -> &DynamoStore {
        &self.store
    }

    /// The function's sample event, with credentials that are good once. Whatever is made for it belongs to a new user,
    /// so that no request finds more than the one before it.
    pub async fn event(&self, function: &str) -> Result<String, Error> {
        let mut text = read(&format!("{function}.json"))?;
        if self.placeholders.values().any(|placeholder| text.contains(placeholder)) {
            let mut live = self.credentials().await?;
            if function == "access-token-delete" {
                live.insert("accessTokenId", self.access_token(false).await?);
            }
            for (name, placeholder) in &self.placeholders {
                let value = live.get(name.as_str()).ok_or(Error::Event("an unknown placeholder"))?;
                text = text.replace(placeholder, value);
            }
        }
        for (_, name) in plan::ONCE.iter().filter(|(event, _)| *event == function) {
            text = text.replace(name, UserId::generate(&SystemRandom).as_str());
        }
        Ok(text)
    }

    /// The function's sample event with another body.
    pub fn event_with(&self, function: &str, body: &str) -> Result<String, Error> {
        let name = format!("{function}.json");
        let json = |source| Error::Json { path: local::workspace().join("events").join(&name), source };
        let mut event: Value = serde_json::from_str(&read(&name)?).map_err(json)?;
        if let Some(event) = event.as_object_mut() {
            event.insert("body".to_owned(), body.into());
        }
        Ok(event.to_string())
    }

    async fn credentials(&self) -> Result<BTreeMap<&'static str, String>, Error> {
        let user = self.user(None).await?;
        let now = SystemClock.now();
        let lifetimes = self.config.lifetimes;
        let limits = Limits { idle: None, absolute: lifetimes.login_jwt };
        let (login, _) = Ticket::issue(&user, Origin::Login, limits, Source::default(), now, &SystemRandom);
        let (party, expires) = (&self.config.party, login.expires);
        let jwt = jwt::mint(&self.keyring, party, Bearer::first(&user, &login), now, expires, &SystemRandom).await?;
        let (ticket, ticket_id) =
            Ticket::issue(&user, Origin::Ticket, lifetimes.ticket, Source::default(), now, &SystemRandom);
        let choices = Choices { name: "measured".to_owned(), expires: None, scopes: Vec::new() };
        let (mut header, auth_header) = AuthHeader::issue(&user, choices, now, &SystemRandom);
        // Used a moment ago, so that the measured use is not the one in five minutes that is noted.
        header.last_used = Some(now);
        let (series, series_id) = PersistentLogin::issue(&user, self.config.persistent_login, now, &SystemRandom);
        let written = [
            self.store.create_ticket(&login).await?,
            self.store.create_ticket(&ticket).await?,
            self.store.create_auth_header(&header).await?,
            self.store.create_persistent_login(&series).await?,
        ];
        if written != [Write::Done; 4] {
            return Err(Error::Event("a fresh credential existed already"));
        }
        Ok(BTreeMap::from([
            ("password", self.demo.password.clone()),
            ("jwt", jwt.jwt.expose_secret().to_owned()),
            ("ticketId", ticket_id.expose_secret().to_owned()),
            ("persistentLoginId", series_id.expose_secret().to_owned()),
            ("accessTokenId", self.demo.access_token_id.clone()),
            ("masterTokenId", self.access_token(true).await?),
            ("stackTokenId", self.access_token(false).await?),
            ("applicationId", demo::APPLICATION.to_owned()),
            ("profileId", user.id.as_str().to_owned()),
            ("authHeader", auth_header.expose_secret().to_owned()),
            ("resetToken", self.one_time_token(&user, Purpose::Reset { version: 0 }).await?),
            ("verificationToken", self.one_time_token(&user, Purpose::Verify).await?),
        ]))
    }

    /// The text of a new access token that manages access tokens, or one that may do everything in every tenant.
    pub async fn access_token(&self, master: bool) -> Result<String, Error> {
        let text = AccessToken::generate(&SystemRandom);
        let token = AccessToken {
            digest: text.digest(),
            application: "measured".to_owned(),
            master,
            permissions: (!master).then_some(TenantPermission { tenant: None, actions: None }).into_iter().collect(),
            expires: None,
            created: SystemClock.now(),
        };
        match self.store.create_access_token(&token).await? {
            Write::Done => Ok(text.expose_secret().to_owned()),
            Write::Refused => Err(Error::Event("a fresh access token existed already")),
        }
    }

    async fn one_time_token(&self, user: &User, purpose: Purpose) -> Result<String, Error> {
        let (name, now) = (LoginName::new(&user.tenant, &user.name), SystemClock.now());
        let (token, text) = OneTime::issue(user, purpose, now, &SystemRandom);
        match self.store.create_one_time(&name, &token, now).await? {
            Write::Done => Ok(text.expose_secret().to_owned()),
            Write::Refused => Err(Error::Event("a one-time token was not stored")),
        }
    }

    /// A new user, who has this password.
    pub async fn user(&self, password: Option<Phc>) -> Result<User, Error> {
        let (id, now) = (UserId::generate(&SystemRandom), SystemClock.now());
        let user = User {
            tenant: TenantName::parse(demo::TENANT).ok_or(Error::Event("the demo tenant has no good name"))?,
            name: UserName::parse(id.as_str()).ok_or(Error::Event("an id is no user name"))?,
            email: Email::parse(&format!("{id}@example.com")),
            id,
            email_verified: false,
            first_name: None,
            last_name: None,
            display_name: None,
            application: None,
            enabled: true,
            roles: vec!["reader".to_owned()],
            attributes: BTreeMap::from([("language".to_owned(), "de".into())]),
            created: now,
            modified: now,
            session_epoch: 0,
            key_epoch: 0,
        };
        match self.store.create_user(NewUser::new(user.clone(), password)).await? {
            Creation::Done => Ok(user),
            _ => Err(Error::Event("a fresh user existed already")),
        }
    }
}

fn placeholders() -> Result<BTreeMap<String, String>, Error> {
    const NAME: &str = "expected.json";
    let json = |source| Error::Json { path: local::workspace().join("events").join(NAME), source };
    let mut all: Value = serde_json::from_str(&read(NAME)?).map_err(json)?;
    let placeholders = all.get_mut("placeholders").map(Value::take).unwrap_or_default();
    serde_json::from_value(placeholders).map_err(json)
}

fn read(name: &str) -> Result<String, Error> {
    let path = local::workspace().join("events").join(name);
    fs::read_to_string(&path).map_err(|source| Error::File { path, source })
}
