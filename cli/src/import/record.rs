//! What a row can be, and how each format's rows are read.

use shared::password::imported::FirebaseProject;
use shared::random::SystemRandom;
use shared::user::UserName;

use super::account::{Account, Described, Rules};
use super::exported::Exported;
use super::fields::Refusal;
use super::pieces::Content;
use super::{auth0, firebase, keycloak, native};

/// What a row describes.
pub enum Record<U = Described> {
    /// An account.
    User(Box<U>),
    /// Something that is not moved, and why.
    Skipped(&'static str),
    /// The first line of an export.
    Header {
        /// The version of its form.
        version: u64,
    },
    /// Something of an export that is no account.
    Exported(Exported),
    /// The last line of an export.
    End {
        /// How many lines stand between the first and this one.
        records: u64,
    },
}

/// A row that is not taken.
#[derive(Debug)]
pub struct Refused {
    /// The user's name or address, where it has one that can be shown.
    pub username: Option<String>,
    /// Why.
    pub refusal: Refusal,
}

/// Reads the rows of one format.
pub enum Dialect {
    /// Our own, as lines or as a table.
    Native,
    /// A Keycloak realm.
    Keycloak,
    /// What Auth0 exports.
    Auth0,
    /// What Firebase exports, with what all hashes of the project have in common.
    Firebase(FirebaseProject),
}

impl Dialect {
    /// Reads a row, and holds it against the rules.
    pub fn read(&self, content: Content, rules: &Rules) -> Result<Record<Account>, Refused> {
        let mut username = None;
        self.read_noting(content, rules, &mut username).map_err(|refusal| Refused { username, refusal })
    }

    fn read_noting(
        &self,
        content: Content,
        rules: &Rules,
        username: &mut Option<String>,
    ) -> Result<Record<Account>, Refusal> {
        let fields = content.fields()?;
        let named = fields.peek("username").or(fields.peek("email"));
        *username = named.and_then(UserName::parse).map(|name| name.as_str().to_owned());
        let record = match self {
            Self::Native => native::record(fields, rules)?,
            Self::Keycloak => keycloak::record(fields, rules)?,
            Self::Auth0 => auth0::record(fields, rules)?,
            Self::Firebase(project) => firebase::record(fields, project, rules)?,
        };
        Ok(match record {
            Record::User(described) => Record::User(Box::new(described.into_account(rules, &SystemRandom)?)),
            Record::Skipped(why) => Record::Skipped(why),
            Record::Header { version } => Record::Header { version },
            Record::Exported(exported) => {
                exported.admitted(rules)?;
                Record::Exported(exported)
            }
            Record::End { records } => Record::End { records },
        })
    }
}
