//! How a function starts: settings, log, and the connections that it asks for, opened before the first request needs
//! them.
//!
//! A `main` names what its function works with, and that has to fit its policy in the template: a store is
//! [warmed](Reads) by a read that the policy allows, and who never signs or verifies asks for no keyring.
//!
//! Invariant: without all of its settings a function does nothing but say so. What starts it then never returns to
//! `main` with something to work with, and serves refusals instead.

use std::sync::Arc;

use crate::authorize::Verifier;
use crate::aws::Aws;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ConfigError};
use crate::gateway::{self, Endpoint};
use crate::invoke;
use crate::keyring::Keyring;
use crate::log;
use crate::login::Login;
use crate::metrics;
use crate::password::Hasher;
use crate::profile_api::ProfileApi;
use crate::random::{Random, SystemRandom};
use crate::recovery::Recovery;
use crate::renewal::Renewer;
use crate::secret::Digest;
use crate::store::dynamo::DynamoStore;
use crate::store::{LoginName, Lookup};
use crate::tenant::Tenants;
use crate::user::UserId;

/// What a function is starting with.
pub struct Start {
    /// The settings of the stack.
    pub config: Config,
    /// The connections to AWS.
    pub aws: Aws,
}

/// Which table a function may read for certain.
#[derive(Clone, Copy)]
pub enum Reads {
    /// Who somebody is.
    Users,
    /// By which password.
    Credentials,
    /// For which application.
    Applications,
}

impl Reads {
    /// A read of what does not exist.
    fn of_nobody(self) -> Lookup {
        match self {
            Self::Users => Lookup { users: vec![UserId::nobody("warm")], ..Lookup::default() },
            Self::Credentials => Lookup { credential: Some(LoginName::typed("*", "*")), ..Lookup::default() },
            Self::Applications => Lookup { access_token: Some(Digest::of(b"warm")), ..Lookup::default() },
        }
    }
}

/// Starts an endpoint of the Profile API that works with nothing else, and serves it until the environment ends.
pub async fn profile_api<E: Endpoint>(
    reads: Reads,
    endpoint: impl FnOnce(ProfileApi<DynamoStore>) -> E,
) -> Result<(), gateway::Error> {
    gateway::serve(endpoint(Start::new().await?.profile_api(reads).await)).await
}

/// Starts an endpoint that works with nothing but its settings.
pub async fn settings() -> Result<Config, gateway::Error> {
    match configured() {
        Ok(config) => Ok(config),
        Err(error) => Err(gateway::refuse(error).await),
    }
}

/// Reads the environment and starts the log, which is what a setting that is missing is told by.
fn configured() -> Result<Config, ConfigError> {
    let config = Config::from_env();
    log::start(config.as_ref().map_or(tracing::Level::INFO, |config| config.log_level));
    metrics::start(config.as_ref().ok().and_then(|config| config.metrics.clone()));
    config
}

impl Start {
    /// Starts an endpoint. Connects to nothing yet.
    pub async fn new() -> Result<Self, gateway::Error> {
        match Self::read() {
            Ok(start) => Ok(start),
            Err(error) => Err(gateway::refuse(error).await),
        }
    }

    /// Starts the function `name`, which serves no route.
    pub async fn unrouted(name: &'static str) -> Result<Self, gateway::Error> {
        match Self::read() {
            Ok(start) => Ok(start),
            Err(error) => Err(invoke::refuse(name, error).await),
        }
    }

    fn read() -> Result<Self, ConfigError> {
        Ok(Self { config: configured()?, aws: Aws::from_env()? })
    }

    /// The store.
    pub async fn store(&self, reads: Reads) -> DynamoStore {
        let store = self.aws.store(&self.config);
        store.warm(reads.of_nobody()).await;
        store
    }

    /// The signing keys.
    pub async fn keyring(&self) -> Arc<Keyring> {
        let keyring = self.aws.keyring(&self.config);
        keyring.warm().await;
        keyring
    }

    /// What checks users' credentials.
    pub async fn verifier(&self) -> Verifier<DynamoStore> {
        let (store, keyring) = tokio::join!(self.store(Reads::Users), self.keyring());
        Verifier { store, keyring, party: self.config.party.clone(), clock: self.clock() }
    }

    /// What renews logins.
    pub async fn renewer(&self) -> Renewer<DynamoStore> {
        let (verifier, lifetimes) = (self.verifier().await, self.config.lifetimes);
        Renewer { verifier, random: self.random(), lifetimes, tenants: Tenants::default() }
    }

    /// What checks passwords.
    pub async fn login(&self) -> Result<Login<DynamoStore>, gateway::Error> {
        self.login_reading(Reads::Credentials).await
    }

    /// The same for a function that hashes passwords and checks none, so that it may read no hash.
    pub async fn login_reading(&self, reads: Reads) -> Result<Login<DynamoStore>, gateway::Error> {
        let (hasher, store) = (self.hasher().await?, self.aws.store(&self.config));
        // A login ends with two writes at once, which take two connections.
        tokio::join!(store.warm(reads.of_nobody()), store.warm(reads.of_nobody()), hasher.warm());
        Ok(Login::new(store, hasher, self.clock(), self.random(), &self.config))
    }

    /// What hashes passwords. Reads no pepper yet.
    pub async fn hasher(&self) -> Result<Arc<Hasher>, gateway::Error> {
        match self.aws.hasher(&self.config) {
            Ok(hasher) => Ok(hasher),
            Err(_) => Err(gateway::refuse(ConfigError::UNUSABLE_COST).await),
        }
    }

    /// What the endpoints of the Profile API work with.
    pub async fn profile_api(&self, reads: Reads) -> ProfileApi<DynamoStore> {
        ProfileApi { store: self.store(reads).await, clock: self.clock(), random: self.random() }
    }

    /// What sends one-time tokens.
    pub async fn recovery(&self) -> Recovery<DynamoStore> {
        let (store, delivery) = (self.aws.store(&self.config), self.aws.delivery(&self.config));
        delivery.warm().await;
        Recovery::new(store, self.clock(), self.random(), Arc::new(delivery), &self.config)
    }

    /// The time.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// Chance.
    #[must_use]
    pub fn random(&self) -> Arc<dyn Random> {
        Arc::new(SystemRandom)
    }
}
