//! DynamoDB: the embedded engine behind a loopback port, and the template's tables in it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::error::{BuildError, DisplayErrorContext, SdkError};
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TableDescription, TimeToLiveSpecification,
};
use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::template::{Attribute, Index, Key, Table};
use crate::{CREDENTIAL, REGION};

/// How often expired items are swept. AWS promises "within a few days"; nothing may rely on it.
const SWEEP_EVERY: Duration = Duration::from_mins(10);

/// Why the tables are not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine can't open its file.
    #[error("can't open the database: {0}")]
    Open(String),
    /// The loopback port can't be had.
    #[error("can't listen for DynamoDB requests")]
    Listen(#[from] std::io::Error),
    /// The template's table makes no request.
    #[error("table {table} of the template is incomplete")]
    Incomplete {
        /// The table.
        table: String,
        /// What is missing.
        source: BuildError,
    },
    /// The engine refuses a request.
    #[error("table {table}: {answer}")]
    Refused {
        /// The table.
        table: String,
        /// The engine's answer.
        answer: String,
    },
    /// A table of that name is there, with other keys or indexes.
    #[error("table {table} has other keys or indexes than the template gives it: start once with --reset")]
    Changed {
        /// The table.
        table: String,
    },
}

/// The engine, serving.
#[derive(Debug)]
pub(crate) struct Engine {
    address: SocketAddr,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Engine {
    /// Opens the database (in memory without a `file`) and serves it on a free port. Call it on a runtime.
    pub(crate) async fn start(file: Option<&Path>) -> Result<Self, Error> {
        let database = match file {
            None => Database::memory(),
            Some(file) => Database::new(&file.to_string_lossy()),
        }
        .map_err(|error| Error::Open(error.to_string()))?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(sweep(database.clone()));
        let task = tokio::spawn(async move {
            let stopped = async move {
                let _ = stopped.await;
            };
            if let Err(error) = dynoxide::server::serve_with_shutdown(listener, database, stopped).await {
                eprintln!("dynamodb: {error}");
            }
        });
        Ok(Self { address, running: Some((stop, task)) })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes no more requests. The handle ends with the last one that is under way.
    pub(crate) fn stop(&mut self) -> Option<JoinHandle<()>> {
        let (stop, task) = self.running.take()?;
        let _ = stop.send(());
        Some(task)
    }
}

async fn sweep(database: Database) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        let database = database.clone();
        // What isn't swept now is swept next time; expiry is checked on read anyway.
        let _ = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
    }
}

/// An SDK client for a DynamoDB at `url`: the local cloud's, or AWS's own DynamoDB Local.
#[must_use]
pub fn client(url: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new(CREDENTIAL, CREDENTIAL, None, None, "local"))
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// Creates those of the tables that are missing and gives them their TTL. A table that is there must be as the template
/// has it. Works on any DynamoDB.
pub async fn create_tables(client: &Client, tables: &[Table]) -> Result<(), Error> {
    for table in tables {
        match existing(client, table).await? {
            None => create(client, table).await?,
            Some(found) if shape(&found) == expected_shape(table) => {}
            Some(_) => return Err(Error::Changed { table: table.name.clone() }),
        }
    }
    Ok(())
}

async fn existing(client: &Client, table: &Table) -> Result<Option<TableDescription>, Error> {
    match client.describe_table().table_name(&table.name).send().await {
        Ok(answer) => Ok(answer.table),
        Err(error) if error.as_service_error().is_some_and(DescribeTableError::is_resource_not_found_exception) => {
            Ok(None)
        }
        Err(error) => Err(refused(table, &error)),
    }
}

async fn create(client: &Client, table: &Table) -> Result<(), Error> {
    let incomplete = |source| Error::Incomplete { table: table.name.clone(), source };
    let indexes = table.indexes.iter().map(index).collect::<Result<Vec<_>, _>>().map_err(incomplete)?;
    client
        .create_table()
        .table_name(&table.name)
        .set_key_schema(Some(keys(&table.keys).map_err(incomplete)?))
        .set_attribute_definitions(Some(attributes(&table.attributes).map_err(incomplete)?))
        .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .map_err(|error| refused(table, &error))?;
    let Some(attribute) = &table.ttl else { return Ok(()) };
    let ttl = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build();
    client
        .update_time_to_live()
        .table_name(&table.name)
        .time_to_live_specification(ttl.map_err(incomplete)?)
        .send()
        .await
        .map_err(|error| refused(table, &error))?;
    Ok(())
}

fn keys(keys: &[Key]) -> Result<Vec<KeySchemaElement>, BuildError> {
    keys.iter()
        .map(|key| {
            let kind = KeyType::from(key.kind.as_str());
            KeySchemaElement::builder().attribute_name(&key.attribute).key_type(kind).build()
        })
        .collect()
}

fn attributes(attributes: &[Attribute]) -> Result<Vec<AttributeDefinition>, BuildError> {
    attributes
        .iter()
        .map(|attribute| {
            let kind = ScalarAttributeType::from(attribute.kind.as_str());
            AttributeDefinition::builder().attribute_name(&attribute.name).attribute_type(kind).build()
        })
        .collect()
}

fn index(index: &Index) -> Result<GlobalSecondaryIndex, BuildError> {
    let projection = Projection::builder()
        .projection_type(ProjectionType::from(index.projection.as_str()))
        .set_non_key_attributes((!index.included.is_empty()).then(|| index.included.clone()))
        .build();
    GlobalSecondaryIndex::builder()
        .index_name(&index.name)
        .set_key_schema(Some(keys(&index.keys)?))
        .projection(projection)
        .build()
}

/// What can't be changed without making the table anew: its keys, their types, its indexes and their keys.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    keys: Vec<(String, String)>,
    attributes: BTreeSet<(String, String)>,
    indexes: BTreeSet<(String, Vec<(String, String)>)>,
}

fn shape(table: &TableDescription) -> Shape {
    let attributes = table.attribute_definitions().iter();
    let indexes = table.global_secondary_indexes().iter();
    Shape {
        keys: key_names(table.key_schema()),
        attributes: attributes.map(|a| (a.attribute_name.clone(), a.attribute_type.as_str().to_owned())).collect(),
        indexes: indexes
            .map(|index| (index.index_name().unwrap_or_default().to_owned(), key_names(index.key_schema())))
            .collect(),
    }
}

fn key_names(keys: &[KeySchemaElement]) -> Vec<(String, String)> {
    keys.iter().map(|key| (key.attribute_name.clone(), key.key_type.as_str().to_owned())).collect()
}

fn expected_shape(table: &Table) -> Shape {
    let keys = |keys: &[Key]| keys.iter().map(|key| (key.attribute.clone(), key.kind.clone())).collect::<Vec<_>>();
    Shape {
        keys: keys(&table.keys),
        attributes: table.attributes.iter().map(|a| (a.name.clone(), a.kind.clone())).collect(),
        indexes: table.indexes.iter().map(|index| (index.name.clone(), keys(&index.keys))).collect(),
    }
}

fn refused<E>(table: &Table, error: &SdkError<E>) -> Error
where
    E: std::error::Error + 'static,
{
    Error::Refused { table: table.name.clone(), answer: DisplayErrorContext(error).to_string() }
}
