//! Tables, from the properties of an `AWS::DynamoDB::GlobalTable`.

use super::{Attribute, Index, Key, Problem, Resolved, Table};

/// Properties that say how AWS keeps a table, and change nothing about what a request to it answers.
const WITHOUT_LOCAL_MEANING: [&str; 5] = ["BillingMode", "Replicas", "SSESpecification", "StreamSpecification", "Tags"];

impl Table {
    pub(super) fn from_properties(name: String, properties: &Resolved) -> Result<Self, Problem> {
        let mut table = Self { name, keys: Vec::new(), attributes: Vec::new(), indexes: Vec::new(), ttl: None };
        for key in properties.keys()? {
            let property = properties.get(&key)?;
            match key.as_str() {
                "KeySchema" => table.keys = key_schema(&property)?,
                "AttributeDefinitions" => table.attributes = attributes(&property)?,
                "GlobalSecondaryIndexes" => table.indexes = indexes(&property)?,
                "TimeToLiveSpecification" => table.ttl = time_to_live(&property)?,
                known if WITHOUT_LOCAL_MEANING.contains(&known) => {}
                _ => return Err(property.problem("is a property that the local cloud doesn't know")),
            }
        }
        if table.keys.is_empty() {
            return Err(properties.problem("has no KeySchema"));
        }
        Ok(table)
    }
}

fn key_schema(schema: &Resolved) -> Result<Vec<Key>, Problem> {
    schema
        .items()?
        .iter()
        .map(|key| Ok(Key { attribute: key.text("AttributeName")?, kind: key.text("KeyType")? }))
        .collect()
}

fn attributes(definitions: &Resolved) -> Result<Vec<Attribute>, Problem> {
    definitions
        .items()?
        .iter()
        .map(|attribute| {
            Ok(Attribute { name: attribute.text("AttributeName")?, kind: attribute.text("AttributeType")? })
        })
        .collect()
}

fn indexes(indexes: &Resolved) -> Result<Vec<Index>, Problem> {
    indexes
        .items()?
        .iter()
        .map(|index| {
            let projection = index.get("Projection")?;
            let included = match projection.find("NonKeyAttributes") {
                None => Vec::new(),
                Some(names) => names.items()?.into_iter().map(Resolved::into_text).collect::<Result<_, _>>()?,
            };
            Ok(Index {
                name: index.text("IndexName")?,
                keys: key_schema(&index.get("KeySchema")?)?,
                projection: projection.text("ProjectionType")?,
                included,
            })
        })
        .collect()
}

fn time_to_live(specification: &Resolved) -> Result<Option<String>, Problem> {
    let enabled = specification.text("Enabled")? == "true";
    Ok(if enabled { Some(specification.text("AttributeName")?) } else { None })
}
