//! The way to a stack: which one it is, and clients for its services.
//!
//! Invariant: `OSTIARY_*` variables come from one source alone, so that no command ever works on the tables of two
//! stacks; and `--local` can't reach AWS, whatever the environment says.

use std::sync::Arc;
use std::time::Duration;

use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use shared::aws::{EventBridge, SecretsManager};
use shared::clock::SystemClock;
use shared::password::pepper::Pepper;
use shared::password::{Hasher, PasswordError};
use shared::random::SystemRandom;
use shared::store::dynamo::{DynamoStore, Tables};
use shared::tenant::TenantName;

use crate::arguments::{Form, Global};
use crate::audit;
use crate::failure::Failure;
use crate::settings::{EVENT_BUS, Settings};
use crate::stack;
use crate::variables::{self, Variables};

/// The way to one stack.
pub struct Connection {
    /// Its name, where it was named.
    pub stack: Option<String>,
    /// What the stack is.
    pub settings: Settings,
    /// How to answer.
    pub form: Form,
    /// Where its functions write their audit events.
    pub function_logs: FunctionLogs,
    sdk: SdkConfig,
    endpoints: Endpoints,
    local: bool,
}

/// Where a stack's functions write their audit events, and so the tool its own.
pub enum FunctionLogs {
    /// No stack was named: a local cloud, say, which has no CloudWatch Logs.
    Nowhere,
    /// The stack doesn't tell.
    Unknown,
    /// The log group of this name.
    Group(String),
}

/// Endpoints that go before what the AWS configuration says.
#[derive(Default)]
struct Endpoints {
    dynamodb: Option<String>,
    secrets_manager: Option<String>,
    cloudformation: Option<String>,
    cloudwatch_logs: Option<String>,
    eventbridge: Option<String>,
}

impl Connection {
    /// Finds the stack. Reaches AWS only to read a stack's outputs.
    pub async fn open(global: &Global) -> Result<Self, Failure> {
        let file = file_variables(global)?;
        let aws = file.clone().unwrap_or_default();
        let sdk = configuration(global, &aws).await?;
        let endpoints = Endpoints::choose(global, &aws);
        let variables = match (&global.stack, file) {
            (Some(name), _) => stack::variables(&cloudformation(&sdk, &endpoints), name).await?,
            (None, Some(variables)) => variables,
            (None, None) => variables::of_process(),
        };
        let function_logs = FunctionLogs::choose(global, &variables);
        let settings = Settings::read(&variables)?;
        let stack = global.stack.clone();
        Ok(Self { stack, settings, form: global.output, function_logs, sdk, endpoints, local: global.local })
    }

    /// The stack's store.
    pub fn store(&self) -> DynamoStore {
        self.store_of(self.settings.tables.clone())
    }

    /// A store of other tables beside the stack's.
    pub fn store_of(&self, tables: Tables) -> DynamoStore {
        DynamoStore::new(self.dynamodb(), tables, Arc::new(SystemRandom))
    }

    /// The service that has the stack's tables.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let mut builder = aws_sdk_dynamodb::config::Builder::from(&self.sdk);
        if let Some(url) = &self.endpoints.dynamodb {
            builder = builder.endpoint_url(url);
        }
        aws_sdk_dynamodb::Client::from_conf(builder.build())
    }

    /// What hashes passwords as the stack does; its pepper is not read yet.
    pub fn hasher(&self) -> Result<Arc<Hasher>, PasswordError> {
        let pepper = self.settings.pepper.as_ref().map(|pepper| {
            let secret = SecretsManager { client: self.secrets(), id: pepper.secret.clone() };
            Pepper::new(pepper.usage, secret, Arc::new(SystemClock))
        });
        Ok(Arc::new(Hasher::new(self.settings.cost)?.with_pepper(pepper)))
    }

    /// The service that has the stack's secrets.
    pub fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        let mut builder = aws_sdk_secretsmanager::config::Builder::from(&self.sdk);
        if let Some(url) = &self.endpoints.secrets_manager {
            builder = builder.endpoint_url(url);
        }
        aws_sdk_secretsmanager::Client::from_conf(builder.build())
    }

    /// What takes messages to people.
    pub fn delivery(&self) -> Result<EventBridge, Failure> {
        let bus = self.settings.event_bus.clone();
        let bus = bus.ok_or_else(|| Failure::Setup(format!("{EVENT_BUS} is not set: nothing takes messages")))?;
        let mut builder = aws_sdk_eventbridge::config::Builder::from(&self.sdk);
        if let Some(url) = &self.endpoints.eventbridge {
            builder = builder.endpoint_url(url);
        }
        Ok(EventBridge { client: aws_sdk_eventbridge::Client::from_conf(builder.build()), bus })
    }

    /// The service that has the functions' log group.
    pub fn logs(&self) -> aws_sdk_cloudwatchlogs::Client {
        let patience = TimeoutConfig::builder().operation_timeout(audit::PATIENCE).build();
        let mut builder = aws_sdk_cloudwatchlogs::config::Builder::from(&self.sdk).timeout_config(patience);
        if let Some(url) = &self.endpoints.cloudwatch_logs {
            builder = builder.endpoint_url(url);
        }
        aws_sdk_cloudwatchlogs::Client::from_conf(builder.build())
    }

    /// The tenant that was named, else the stack's default.
    pub fn tenant(&self, named: Option<TenantName>) -> Result<TenantName, Failure> {
        let tenant = named.or_else(|| self.settings.default_tenant.clone());
        tenant.ok_or_else(|| Failure::invalid("tenant", "must be given: OSTIARY_DEFAULT_TENANT is not set"))
    }

    /// Adds to an outage what is its usual cause.
    pub fn explain(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Outage(text) if self.local => Failure::Outage(format!("{text} (is `cargo local` running?)")),
            other => other,
        }
    }
}

impl FunctionLogs {
    /// Variables from elsewhere are not asked: `--local` can't reach AWS.
    fn choose(global: &Global, variables: &Variables) -> Self {
        match (&global.stack, variables.get(stack::FUNCTION_LOGS)) {
            (None, _) => Self::Nowhere,
            (Some(_), None) => Self::Unknown,
            (Some(_), Some(group)) => Self::Group(group.clone()),
        }
    }
}

impl Endpoints {
    fn choose(global: &Global, aws: &Variables) -> Self {
        let one = |service: &str| {
            let named = aws.get(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| aws.get("AWS_ENDPOINT_URL"));
            global.endpoint_url.clone().or_else(|| named.cloned())
        };
        Self {
            dynamodb: one("DYNAMODB"),
            secrets_manager: one("SECRETS_MANAGER"),
            cloudformation: one("CLOUDFORMATION"),
            cloudwatch_logs: one("CLOUDWATCH_LOGS"),
            eventbridge: one("EVENTBRIDGE"),
        }
    }
}

/// The variables of the file that was chosen, if one was.
fn file_variables(global: &Global) -> Result<Option<Variables>, Failure> {
    let sources = [global.stack.is_some(), global.local, global.env_file.is_some()];
    if sources.into_iter().filter(|given| *given).count() > 1 {
        return Err(Failure::invalid(
            "stack",
            "can't be combined with --local or --env-file, nor those with each other",
        ));
    }
    if let Some(path) = &global.env_file {
        return variables::of_file(path).map(Some);
    }
    if !global.local {
        return Ok(None);
    }
    if global.profile.is_some() || global.region.is_some() || global.endpoint_url.is_some() {
        return Err(Failure::invalid("local", "can't be combined with --profile, --region or --endpoint-url"));
    }
    let path = variables::local_file()?;
    let variables = variables::of_file(&path)?;
    let needed = [
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        "AWS_ENDPOINT_URL_EVENTBRIDGE",
    ];
    match needed.iter().find(|name| !variables.contains_key(**name)) {
        Some(name) => Err(Failure::invalid("local", format!("finds no {name} in {}", path.display()))),
        None => Ok(Some(variables)),
    }
}

/// The ordinary AWS configuration; arguments go before a file's variables, and those before the environment.
async fn configuration(global: &Global, aws: &Variables) -> Result<SdkConfig, Failure> {
    let given = |name: &str| aws.get(name).filter(|value| !value.is_empty()).cloned();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(100)))
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(30)).build());
    let region = global.region.clone().or_else(|| given("AWS_REGION")).or_else(|| given("AWS_DEFAULT_REGION"));
    let region = region.map(Region::new);
    if let Some(region) = region.clone() {
        loader = loader.region(region);
    }
    let in_file = given("AWS_ACCESS_KEY_ID").zip(given("AWS_SECRET_ACCESS_KEY")).filter(|_| global.profile.is_none());
    let profile = global.profile.clone().or_else(|| given("AWS_PROFILE"));
    if let Some(profile) = &profile {
        loader = loader.profile_name(profile);
    }
    if let Some((id, secret)) = in_file {
        loader = loader.credentials_provider(Credentials::new(id, secret, given("AWS_SESSION_TOKEN"), None, "file"));
    } else if let Some(profile) = &profile {
        loader = loader.credentials_provider(of_profile(profile, region).await);
    }
    let sdk = loader.load().await;
    if sdk.region().is_none() {
        let hint = "give --region, set AWS_REGION, or set the profile's region";
        return Err(Failure::Setup(format!("the AWS region is not known: {hint}")));
    }
    Ok(sdk)
}

/// The credentials of the profile that was named. The SDK's own chain would prefer credentials in the environment, and
/// so work in another account than the operator asked for.
async fn of_profile(name: &str, region: Option<Region>) -> ProfileFileCredentialsProvider {
    let region = match region {
        Some(region) => Some(region),
        None => DefaultRegionChain::builder().profile_name(name).build().region().await,
    };
    let config = ProviderConfig::default().with_region(region);
    ProfileFileCredentialsProvider::builder().configure(&config).profile_name(name).build()
}

fn cloudformation(sdk: &SdkConfig, endpoints: &Endpoints) -> aws_sdk_cloudformation::Client {
    let mut builder = aws_sdk_cloudformation::config::Builder::from(sdk);
    if let Some(url) = &endpoints.cloudformation {
        builder = builder.endpoint_url(url);
    }
    aws_sdk_cloudformation::Client::from_conf(builder.build())
}
