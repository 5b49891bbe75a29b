//! The connections to AWS: one HTTP client for all services, tight time-outs, nothing that a function does not use.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider, SharedHttpClient};
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use crate::clock::{Clock, SystemClock};
use crate::concurrent::Concurrency;
use crate::config::{Config, ConfigError};
use crate::delivery::{self, Delivery, DeliveryError, Message};
use crate::keyring::rotation::{Change, Versions, VersionsError};
use crate::keyring::{KeySetError, KeySource, Keyring, KeyringError};
use crate::password::pepper::Pepper;
use crate::password::{Hasher, PasswordError};
use crate::random::SystemRandom;
use crate::store::dynamo::DynamoStore;

/// How the functions reach AWS. On Lambda, region and session credentials are in the environment and live as long as
/// it does, so none of the SDK's longer ways to find them is linked in.
pub struct Aws {
    region: Region,
    credentials: SharedCredentialsProvider,
    http: SharedHttpClient,
    dynamodb_url: Option<String>,
    secrets_url: Option<String>,
    events_url: Option<String>,
}

impl Aws {
    /// Takes region, credentials and, for local clouds, endpoints from the environment. Connects to nothing yet.
    pub fn from_env() -> Result<Self, ConfigError> {
        let text = |name| environment(name).ok_or(ConfigError::Missing(name));
        let credentials = Credentials::new(
            text("AWS_ACCESS_KEY_ID")?,
            text("AWS_SECRET_ACCESS_KEY")?,
            environment("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let everywhere = environment("AWS_ENDPOINT_URL");
        Ok(Self {
            region: Region::new(text("AWS_REGION")?),
            credentials: SharedCredentialsProvider::new(credentials),
            http: aws_smithy_http_client::Builder::new()
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .build_https(),
            dynamodb_url: environment("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| everywhere.clone()),
            secrets_url: environment("AWS_ENDPOINT_URL_SECRETS_MANAGER").or_else(|| everywhere.clone()),
            events_url: environment("AWS_ENDPOINT_URL_EVENTBRIDGE").or(everywhere),
        })
    }

    /// The store of the stack that `config` describes.
    #[must_use]
    pub fn store(&self, config: &Config) -> DynamoStore {
        let mut builder = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .http_client(self.http.clone())
            .retry_config(retries())
            .timeout_config(timeouts());
        builder.set_endpoint_url(self.dynamodb_url.clone());
        let client = aws_sdk_dynamodb::Client::from_conf(builder.build());
        DynamoStore::new(client, config.tables.clone(), Arc::new(SystemRandom))
    }

    /// The keyring of the stack that `config` describes, still empty.
    #[must_use]
    pub fn keyring(&self, config: &Config) -> Arc<Keyring> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Arc::new(Keyring::new(self.keyset(config), clock))
    }

    /// The keyset's secret of the stack that `config` describes.
    #[must_use]
    pub fn keyset(&self, config: &Config) -> SecretsManager {
        self.secret(&config.keyset_secret)
    }

    /// What hashes passwords as the stack does that `config` describes; its pepper is not read yet.
    pub fn hasher(&self, config: &Config) -> Result<Arc<Hasher>, PasswordError> {
        let pepper = config
            .pepper
            .as_ref()
            .map(|pepper| Pepper::new(pepper.usage, self.secret(&pepper.secret), Arc::new(SystemClock)));
        let buffers = Concurrency::from_env().hashes();
        Ok(Arc::new(Hasher::new(config.cost)?.with_buffers(buffers).with_pepper(pepper)))
    }

    /// The event bus of the stack that `config` describes, which takes messages to people.
    #[must_use]
    pub fn delivery(&self, config: &Config) -> EventBridge {
        let mut builder = aws_sdk_eventbridge::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .http_client(self.http.clone())
            .retry_config(retries())
            .timeout_config(timeouts());
        builder.set_endpoint_url(self.events_url.clone());
        let client = aws_sdk_eventbridge::Client::from_conf(builder.build());
        EventBridge { client, bus: config.event_bus.clone() }
    }

    fn secret(&self, id: &str) -> SecretsManager {
        let mut builder = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .http_client(self.http.clone())
            .retry_config(retries())
            .timeout_config(timeouts());
        builder.set_endpoint_url(self.secrets_url.clone());
        let client = aws_sdk_secretsmanager::Client::from_conf(builder.build());
        SecretsManager { client, id: id.to_owned() }
    }
}

#[expect(clippy::disallowed_methods, reason = "AWS's own variables, which the SDK would read in the same way")]
fn environment(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// At most three tries in one and a half seconds, so that a request that meets an outage is answered in three, and one
/// that meets it at every step long before the function's own time is over.
#[must_use]
pub fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_millis(400))
}

/// How long a connection, a try, and all tries of a call may take.
#[must_use]
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(500))
        .operation_attempt_timeout(Duration::from_millis(700))
        .operation_timeout(Duration::from_millis(1500))
        .build()
}

/// An event bus of `EventBridge`.
pub struct EventBridge {
    /// The client.
    pub client: aws_sdk_eventbridge::Client,
    /// Name of the bus.
    pub bus: String,
}

impl EventBridge {
    /// Opens the connection before the first message needs it, by a call without an event, which is refused.
    pub async fn warm(&self) {
        let answer = self.client.put_events().set_entries(Some(Vec::new())).send().await;
        if let Err(error) = answer
            && error.as_service_error().is_none()
        {
            tracing::warn!(error = %error, "the event bus could not be reached while starting");
        }
    }
}

impl Delivery for EventBridge {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async move {
            let entry = PutEventsRequestEntry::builder()
                .event_bus_name(&self.bus)
                .source(delivery::SOURCE)
                .detail_type(message.detail_type())
                .detail(message.detail().as_str())
                .build();
            let answer = self.client.put_events().entries(entry).send().await;
            let answer = answer.map_err(|error| DeliveryError::Unavailable(Box::new(error)))?;
            // The call succeeds also when none of its events did.
            let taken = answer.entries().first().filter(|_| answer.failed_entry_count() == 0);
            match taken.and_then(|entry| entry.event_id()) {
                Some(_) => Ok(()),
                // The code and not the message, which may repeat what was sent.
                None => Err(DeliveryError::NotTaken(
                    answer.entries().first().and_then(|entry| entry.error_code()).unwrap_or("no code").to_owned(),
                )),
            }
        })
    }
}

/// A secret in Secrets Manager: the keyset, or the pepper.
pub struct SecretsManager {
    /// The client.
    pub client: aws_sdk_secretsmanager::Client,
    /// Name or ARN of the secret.
    pub id: String,
}

impl KeySource for SecretsManager {
    fn fetch(&self) -> BoxFuture<'_, Result<Zeroizing<String>, KeyringError>> {
        Box::pin(async {
            // The stage is always named: a service that is asked for "the" value may answer another one.
            let request = self.client.get_secret_value().secret_id(&self.id).version_stage("AWSCURRENT");
            let output = request.send().await.map_err(|error| KeyringError::Unreachable(Box::new(error)))?;
            output.secret_string.map(Zeroizing::new).ok_or(KeyringError::Unusable(KeySetError::Malformed))
        })
    }
}

impl Versions for SecretsManager {
    async fn stages(&self) -> Result<BTreeMap<String, Vec<String>>, VersionsError> {
        let answer = self.client.describe_secret().secret_id(&self.id).send().await;
        let answer = answer.map_err(|error| unanswered("DescribeSecret", error))?;
        Ok(answer.version_ids_to_stages.unwrap_or_default().into_iter().collect())
    }

    async fn value(&self, id: &str) -> Result<Option<Zeroizing<String>>, VersionsError> {
        match self.client.get_secret_value().secret_id(&self.id).version_id(id).send().await {
            Ok(answer) => Ok(answer.secret_string.map(Zeroizing::new)),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(unanswered("GetSecretValue", error)),
        }
    }

    async fn put(&self, id: &str, text: &str, stage: &str) -> Result<Change, VersionsError> {
        let put = self.client.put_secret_value().secret_id(&self.id).client_request_token(id);
        changed("PutSecretValue", "ResourceExistsException", put.secret_string(text).version_stages(stage).send().await)
    }

    async fn move_stage(&self, stage: &str, from: &str, to: Option<&str>) -> Result<Change, VersionsError> {
        let moving = self.client.update_secret_version_stage().secret_id(&self.id).version_stage(stage);
        let moving = moving.remove_from_version_id(from).set_move_to_version_id(to.map(str::to_owned));
        changed("UpdateSecretVersionStage", "InvalidParameterException", moving.send().await)
    }
}

fn changed<T, E>(operation: &'static str, refusal: &str, result: Result<T, E>) -> Result<Change, VersionsError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match result {
        Ok(_) => Ok(Change::Made),
        Err(error) if error.code() == Some(refusal) => Ok(Change::Refused),
        Err(error) => Err(unanswered(operation, error)),
    }
}

fn unanswered(operation: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> VersionsError {
    VersionsError { operation, source: Box::new(source) }
}
