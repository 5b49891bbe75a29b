//! Writes that happen together or not at all.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update};

use super::item::{Attributes, name};
use super::{DynamoStore, PAUSE, unavailable};
use crate::store::StoreError;
use crate::user::UserId;

pub(super) const OPERATION: &str = "TransactWriteItems";
pub(super) const TRIES: u32 = 3;

/// How a transaction ended.
pub(super) enum Outcome {
    /// All of it was written.
    Done,
    /// Nothing was: the condition of the write at this place did not hold.
    Refused(usize),
}

impl DynamoStore {
    /// Writes `items` together. The token makes a repeated try of DynamoDB's client one with the first.
    pub(super) async fn transact(&self, items: Vec<TransactWriteItem>) -> Result<Outcome, StoreError> {
        let token: String = match self.operation() {
            AttributeValue::S(token) => token.chars().take(36).collect(),
            _ => String::new(),
        };
        let mut tries = 0;
        loop {
            let request = self.client.transact_write_items().set_transact_items(Some(items.clone()));
            let result = request.client_request_token(&token).send().await;
            tries += 1;
            let Err(error) = result else { return Ok(Outcome::Done) };
            match error.as_service_error() {
                Some(cause) if refused(cause).is_some() => {
                    return Ok(Outcome::Refused(refused(cause).unwrap_or_default()));
                }
                // The SDK does not retry a transaction that met another one.
                Some(cause) if is_conflict(cause) && tries < TRIES => {}
                _ => return Err(unavailable(OPERATION, error)),
            }
            tokio::time::sleep(PAUSE * tries).await;
        }
    }
}

/// A write of an item that must not exist.
pub(super) fn create(table: &str, item: Attributes) -> Result<TransactWriteItem, StoreError> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(#pk)")
        .expression_attribute_names("#pk", name::PK)
        .build()
        .map_err(|error| unavailable(OPERATION, error))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// A check that an item exists, and is not on its way out.
pub(super) fn open(table: &str, key: Attributes) -> Result<TransactWriteItem, StoreError> {
    let check = ConditionCheck::builder()
        .table_name(table)
        .set_key(Some(key))
        .condition_expression("attribute_exists(#pk) AND attribute_not_exists(#closing)")
        .expression_attribute_names("#pk", name::PK)
        .expression_attribute_names("#closing", name::CLOSING)
        .build()
        .map_err(|error| unavailable(OPERATION, error))?;
    Ok(TransactWriteItem::builder().condition_check(check).build())
}

/// A check that an item does not exist, or is `owner`'s.
pub(super) fn free_for(table: &str, key: Attributes, owner: &UserId) -> Result<TransactWriteItem, StoreError> {
    let check = ConditionCheck::builder()
        .table_name(table)
        .set_key(Some(key))
        .condition_expression("attribute_not_exists(#pk) OR #user = :user")
        .expression_attribute_names("#pk", name::PK)
        .expression_attribute_names("#user", name::USER)
        .expression_attribute_values(":user", AttributeValue::S(owner.as_str().to_owned()))
        .build()
        .map_err(|error| unavailable(OPERATION, error))?;
    Ok(TransactWriteItem::builder().condition_check(check).build())
}

/// Deletes what is `owner`'s; what is missing is as good as deleted.
pub(super) fn delete_of(table: &str, key: Attributes, owner: &UserId) -> Result<TransactWriteItem, StoreError> {
    let delete = Delete::builder()
        .table_name(table)
        .set_key(Some(key))
        .condition_expression("attribute_not_exists(#pk) OR #user = :user")
        .expression_attribute_names("#pk", name::PK)
        .expression_attribute_names("#user", name::USER)
        .expression_attribute_values(":user", AttributeValue::S(owner.as_str().to_owned()))
        .build()
        .map_err(|error| unavailable(OPERATION, error))?;
    Ok(TransactWriteItem::builder().delete(delete).build())
}

/// A change of an item, as `expression` says under `condition`.
pub(super) fn update(
    table: &str,
    key: Attributes,
    (expression, condition): (&str, &str),
    names: &[(&str, &str)],
    values: Vec<(&str, AttributeValue)>,
) -> Result<TransactWriteItem, StoreError> {
    let mut update = Update::builder()
        .table_name(table)
        .set_key(Some(key))
        .update_expression(expression)
        .condition_expression(condition);
    for (placeholder, attribute) in names {
        update = update.expression_attribute_names(*placeholder, *attribute);
    }
    for (placeholder, value) in values {
        update = update.expression_attribute_values(placeholder, value);
    }
    let update = update.build().map_err(|error| unavailable(OPERATION, error))?;
    Ok(TransactWriteItem::builder().update(update).build())
}

fn reasons(error: &TransactWriteItemsError) -> Vec<&str> {
    match error {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or_default()).collect()
        }
        _ => Vec::new(),
    }
}

fn refused(error: &TransactWriteItemsError) -> Option<usize> {
    reasons(error).iter().position(|code| *code == "ConditionalCheckFailed")
}

fn is_conflict(error: &TransactWriteItemsError) -> bool {
    matches!(error, TransactWriteItemsError::TransactionInProgressException(_))
        || reasons(error).contains(&"TransactionConflict")
}
