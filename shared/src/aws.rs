//! The connections to AWS: one HTTP client for all services, tight time-outs, nothing that a function does not use.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ConfigError};
use crate::keyring::{KeySetError, KeySource, Keyring, KeyringError};
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
            secrets_url: environment("AWS_ENDPOINT_URL_SECRETS_MANAGER").or(everywhere),
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
        let mut builder = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .http_client(self.http.clone())
            .retry_config(retries())
            .timeout_config(timeouts());
        builder.set_endpoint_url(self.secrets_url.clone());
        let client = aws_sdk_secretsmanager::Client::from_conf(builder.build());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Arc::new(Keyring::new(SecretsManager { client, id: config.keyset_secret.clone() }, clock))
    }
}

#[expect(clippy::disallowed_methods, reason = "AWS's own variables, which the SDK would read in the same way")]
fn environment(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// At most three tries in one and a half seconds, so that a request that meets an outage is answered in three, and one
/// that meets it at every step long before the function's own time is over.
fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_millis(400))
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(500))
        .operation_attempt_timeout(Duration::from_millis(700))
        .operation_timeout(Duration::from_millis(1500))
        .build()
}

/// The keyset in Secrets Manager.
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
