//! The expressions of one conditional update, put together piece by piece.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::condition;
use super::item::{self, Attributes, name, number};
use crate::clock::Timestamp;
use crate::lockout::{Admits, CounterKey, Lock, Place};
use crate::store::{StoreError, Write};

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
                    let pk = self.name(name::PK);
                    format!("attribute_not_exists({pk})")
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

    /// Removes counters.
    pub(super) fn forget(&mut self, keys: &[CounterKey]) {
        for key in keys {
            for kind in [name::GUESSES, name::GUESSED_AT, name::MARKS] {
                let attribute = self.name(&item::counter_attribute(kind, key));
                self.remove.push(attribute);
            }
        }
    }

    /// Removes known networks.
    pub(super) fn forget_networks(&mut self, places: &[Place]) {
        for place in places {
            let attribute = self.name(&item::known_attribute(place));
            self.remove.push(attribute);
        }
    }

    /// Updates the item, if it exists and everything that was demanded holds.
    pub(super) async fn update(mut self, client: &Client, table: &str, key: Attributes) -> Result<Write, StoreError> {
        let pk = self.name(name::PK);
        self.conditions.push(format!("attribute_exists({pk})"));
        let clauses = [("SET", &self.set), ("ADD", &self.add), ("REMOVE", &self.remove)];
        let update = clauses.iter().filter(|(_, parts)| !parts.is_empty());
        let update: Vec<_> = update.map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect();
        let result = client
            .update_item()
            .table_name(table)
            .set_key(Some(key))
            .update_expression(update.join(" "))
            .condition_expression(self.conditions.join(" AND "))
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values(Some(self.values).filter(|values| !values.is_empty()))
            .send()
            .await;
        condition(result, "UpdateItem")
    }
}
