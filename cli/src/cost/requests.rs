//! What each request takes: the table that `tests/tests/cost.rs` holds against what the handlers do.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Every request there is, and how long items are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// In the order of the file.
    pub requests: Vec<Request>,
    /// Bytes of an item of each table.
    pub sizes: BTreeMap<Kept, f64>,
}

/// A table of the stack.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    Credentials,
    Users,
    Tickets,
    AuthHeaders,
    Applications,
}

/// Units by table, of items that take one unit each.
pub type Units = BTreeMap<Kept, f64>;

/// What a request takes that succeeds, unless its name says otherwise behind a dot.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The function's name, with what is special about the request behind a dot.
    pub name: String,
    /// Round trips to DynamoDB, one after the other.
    pub trips: f64,
    /// Read units.
    #[serde(default)]
    pub reads: Units,
    /// Write units, those of indexes among them; a transaction's count double.
    #[serde(default)]
    pub writes: Units,
    /// Write units more when the use of the credential is to be noted.
    #[serde(default)]
    pub noted: Units,
    /// Messages to people, put on the event bus.
    #[serde(default)]
    pub messages: f64,
    /// Password hashes.
    #[serde(default)]
    pub hashes: f64,
    /// What its units rise with, for those that read or write as much as there is.
    pub grows: Option<String>,
}

impl Request {
    /// The function that answers it.
    pub fn function(&self) -> &str {
        self.name.split('.').next().unwrap_or(&self.name)
    }

    /// Whether it comes through the stack's own API; the authorizer is asked by the APIs of others.
    pub fn through_api(&self) -> bool {
        self.function() != "authorizer"
    }

    /// Whether its function takes passwords, and has the memory for that.
    pub fn takes_password(&self) -> bool {
        self.hashes > 0.0
    }

    /// How many tables it touches.
    pub fn tables(&self) -> usize {
        let all = self.reads.keys().chain(self.writes.keys()).chain(self.noted.keys());
        all.collect::<std::collections::BTreeSet<_>>().len()
    }
}

/// The table of this version.
pub fn parse(text: &str) -> Result<Table, String> {
    yaml_serde::from_str(text).map_err(|error| error.to_string())
}

impl Table {
    /// A request by its name.
    pub fn get(&self, name: &str) -> Option<&Request> {
        self.requests.iter().find(|request| request.name == name)
    }
}
