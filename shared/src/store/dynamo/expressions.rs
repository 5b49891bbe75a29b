//! The expressions of one conditional update, put together piece by piece.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};

use super::item::{self, Attributes, name, number};
use super::transaction::{OPERATION, TRIES};
use super::{PAUSE, condition, unavailable};
use crate::clock::Timestamp;
use crate::lockout::{Admits, CounterKey, Gate, Lock};
use crate::store::{StoreError, Write};

/// The placeholder of the attribute that every item has.
const EXISTING: &str = "#pk";

/// What an update of an item that exists sets, adds, removes and demands.
#[derive(Default)]
pub(super) struct Expressions {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
    set: Vec<String>,
    add: Vec<String>,
    remove: Vec<String>,
    conditions: Vec<String>,
}

impl Expressions {
    /// A placeholder for an attribute's name; the same for the same one.
    pub(super) fn name(&mut self, attribute: &str) -> String {
        if let Some((placeholder, _)) = self.names.iter().find(|(_, known)| *known == attribute) {
            return placeholder.clone();
        }
        let placeholder = format!("#n{}", self.names.len());
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    /// A placeholder for a value.
    pub(super) fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    pub(super) fn set(&mut self, clause: String) {
        self.set.push(clause);
    }

    pub(super) fn condition(&mut self, condition: String) {
        self.conditions.push(condition);
    }

    /// Sets attributes.
    pub(super) fn assign<'a>(&mut self, attributes: impl IntoIterator<Item = (&'a str, AttributeValue)>) {
        for (attribute, value) in attributes {
            let (attribute, value) = (self.name(attribute), self.value(value));
            self.set.push(format!("{attribute} = {value}"));
        }
    }

    /// Sets an attribute, or removes it where there is nothing to set.
    pub(super) fn assign_or_remove(&mut self, attribute: &str, value: Option<AttributeValue>) {
        match value {
            Some(value) => self.assign([(attribute, value)]),
            None => self.leave_out(attribute),
        }
    }

    /// Removes an attribute: once, since DynamoDB takes no path twice.
    fn leave_out(&mut self, attribute: &str) {
        let attribute = self.name(attribute);
        if !self.remove.contains(&attribute) {
            self.remove.push(attribute);
        }
    }

    /// Adds to a number.
    pub(super) fn increase(&mut self, attribute: &str) {
        let (attribute, one) = (self.name(attribute), self.value(number(1)));
        self.add.push(format!("{attribute} {one}"));
    }

    /// Demands that attributes are what was read.
    pub(super) fn demand<'a>(&mut self, attributes: impl IntoIterator<Item = (&'a str, AttributeValue)>) {
        for (attribute, value) in attributes {
            let (attribute, value) = (self.name(attribute), self.value(value));
            self.conditions.push(format!("{attribute} = {value}"));
        }
    }

    /// Demands that an attribute is what was read, or still missing.
    pub(super) fn demand_same(&mut self, attribute: &str, read: Option<AttributeValue>) {
        if let Some(value) = read {
            self.demand([(attribute, value)]);
        } else {
            let attribute = self.name(attribute);
            self.conditions.push(format!("attribute_not_exists({attribute})"));
        }
    }

    /// Moves the user's date of change on, and demands that it does not go back.
    pub(super) fn move_on(&mut self, at: Timestamp) {
        let (modified, value) = (self.name(name::MODIFIED), self.value(item::moment(at)));
        self.conditions.push(format!("{modified} <= {value}"));
        self.set.push(format!("{modified} = {value}"));
    }

    /// Demands that every lock lets a guess pass.
    pub(super) fn admits(&mut self, locks: &[Lock]) {
        for lock in locks {
            let counter = self.name(&item::counter_attribute(name::GUESSES, &lock.key));
            let condition = match lock.admits {
                Admits::Below(limit) => {
                    let limit = self.value(number(limit));
                    format!("(attribute_not_exists({counter}) OR {counter} < {limit})")
                }
                Admits::Exactly(failures) => {
                    let failures = self.value(number(failures));
                    format!("(attribute_not_exists({counter}) OR {counter} = {failures})")
                }
                Admits::Nobody => {
                    format!("attribute_not_exists({EXISTING})")
                }
            };
            self.condition(condition);
        }
    }

    /// Counts a wrong password in every counter, unless the first one knows its mark.
    pub(super) fn count(&mut self, keys: &[CounterKey], mark: u32, at: Timestamp) {
        let (one, at, marked) =
            (self.value(number(1)), self.value(item::moment(at)), self.value(item::number_set(mark)));
        for (index, key) in keys.iter().enumerate() {
            let counter = self.name(&item::counter_attribute(name::GUESSES, key));
            let last = self.name(&item::counter_attribute(name::GUESSED_AT, key));
            let marks = self.name(&item::counter_attribute(name::MARKS, key));
            if index == 0 {
                let mark = self.value(number(mark));
                self.condition(format!("(attribute_not_exists({marks}) OR NOT contains({marks}, {mark}))"));
            }
            self.add.push(format!("{counter} {one}"));
            self.add.push(format!("{marks} {marked}"));
            self.set.push(format!("{last} = {at}"));
        }
    }

    /// Demands that a gate is open, and notes that somebody came through: the guesses of its network are forgotten, and
    /// it is a known one.
    pub(super) fn pass(&mut self, gate: &Gate, at: Timestamp) {
        self.admits(&gate.locks);
        let own = gate.locks.iter().map(|lock| &lock.key).filter(|key| key.place == gate.place);
        let over: Vec<CounterKey> = own.chain(&gate.stale).cloned().collect();
        self.forget(&over);
        for place in &gate.forgotten {
            self.leave_out(&item::known_attribute(place));
        }
        self.assign([(item::known_attribute(&gate.place).as_str(), item::moment(at))]);
    }

    /// Removes counters.
    pub(super) fn forget(&mut self, keys: &[CounterKey]) {
        for key in keys {
            for kind in [name::GUESSES, name::GUESSED_AT, name::MARKS] {
                self.leave_out(&item::counter_attribute(kind, key));
            }
        }
    }

    /// Updates the item, if it exists and everything that was demanded holds.
    pub(super) async fn update(self, client: &Client, table: &str, key: Attributes) -> Result<Write, StoreError> {
        self.update_in(client, table, key, TRIES).await
    }

    /// The same in up to so many tries, where transactions on the same item are in the way.
    pub(super) async fn update_in(
        self,
        client: &Client,
        table: &str,
        key: Attributes,
        limit: u32,
    ) -> Result<Write, StoreError> {
        let (update, conditions) = (self.update_expression(), self.conditions());
        let (names, values) = self.placeholders();
        let request = client
            .update_item()
            .table_name(table)
            .set_key(Some(key))
            .update_expression(update)
            .condition_expression(conditions)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(values);
        let mut tries = 0;
        loop {
            let result = request.clone().send().await;
            tries += 1;
            // It met a transaction on the same item and did nothing, which the SDK does not retry: asking for reset
            // mails must not keep an account's owner from logging in.
            let cause = result.as_ref().err().and_then(SdkError::as_service_error);
            if tries >= limit || !cause.is_some_and(UpdateItemError::is_transaction_conflict_exception) {
                return condition(result, "UpdateItem");
            }
            tokio::time::sleep(PAUSE * tries).await;
        }
    }

    /// The same as a part of a transaction.
    pub(super) fn updating(self, table: &str, key: Attributes) -> Result<TransactWriteItem, StoreError> {
        let (update, conditions) = (self.update_expression(), self.conditions());
        let (names, values) = self.placeholders();
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key))
            .update_expression(update)
            .condition_expression(conditions)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(values)
            .build()
            .map_err(|error| unavailable(OPERATION, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Deletes the item in a transaction, if it exists and everything that was demanded holds.
    pub(super) fn deleting(self, table: &str, key: Attributes) -> Result<TransactWriteItem, StoreError> {
        let conditions = self.conditions();
        let (names, values) = self.placeholders();
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(key))
            .condition_expression(conditions)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(values)
            .build()
            .map_err(|error| unavailable(OPERATION, error))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    fn update_expression(&self) -> String {
        let clauses = [("SET", &self.set), ("ADD", &self.add), ("REMOVE", &self.remove)];
        let clauses = clauses.iter().filter(|(_, parts)| !parts.is_empty());
        clauses.map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect::<Vec<_>>().join(" ")
    }

    fn conditions(&self) -> String {
        let existing = std::iter::once(format!("attribute_exists({EXISTING})"));
        existing.chain(self.conditions.iter().cloned()).collect::<Vec<_>>().join(" AND ")
    }

    /// The names and the values, of which DynamoDB wants none rather than an empty map.
    fn placeholders(mut self) -> (HashMap<String, String>, Option<HashMap<String, AttributeValue>>) {
        self.names.insert(EXISTING.to_owned(), name::PK.to_owned());
        (self.names, Some(self.values).filter(|values| !values.is_empty()))
    }
}
