//! `ostiary user update`.

use std::time::Duration;

use serde_json::Value;
use shared::audit;
use shared::clock::{Clock as _, SystemClock};
use shared::profiles;
use shared::store::{Administration as _, Update};
use shared::user::{Attributes, User};

use super::{answer, email_taken, find, gone, name_taken};
use crate::arguments::{UpdateUser, Which};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Answer;

/// A change is made of what was read, so one that comes in between is read and changed in turn.
const ATTEMPTS: u32 = 8;

pub async fn update(connection: &Connection, update: UpdateUser) -> Result<Answer, Failure> {
    refuse_contradictions(&update)?;
    let store = connection.store();
    let mut account = find(connection, &update.which).await?;
    audit::actor(&account.user);
    for attempt in 1..=ATTEMPTS {
        let before = account.user.clone();
        let after = changed(&update, &before)?;
        let Some(after) = after else {
            let note = Some("Nothing was changed: the user is like this already.".to_owned());
            return Ok(Answer { note, ..answer(&account) });
        };
        match store.update_user(&before, &after).await? {
            Update::Done => {
                let told = changes(&before, &after);
                let mut answer = answer(&find(connection, &Which::id(&after)).await?);
                if let Value::Object(members) = &mut answer.json {
                    members.insert("changed".to_owned(), told.iter().copied().collect());
                }
                return Ok(Answer { note: Some(format!("Changed: {}.", told.join(", "))), ..answer });
            }
            Update::NameTaken => return Err(name_taken("rename", &after)),
            Update::EmailTaken => return Err(email_taken(&after)),
            Update::Stale => {}
        }
        tokio::time::sleep(Duration::from_millis(20) * attempt).await;
        // By its id, for its name may be another by now.
        account = find(connection, &Which::id(&before)).await.map_err(|failure| match failure {
            Failure::Refused { .. } => gone(&before),
            other => other,
        })?;
    }
    Err(Failure::Outage("the user is being changed all the time: try again".to_owned()))
}

impl Which {
    /// Exactly this user.
    fn id(user: &User) -> Self {
        Self { tenant: None, username: None, id: Some(user.id.clone()) }
    }
}

fn refuse_contradictions(update: &UpdateUser) -> Result<(), Failure> {
    let UpdateUser { first_name, last_name, roles, added_roles, removed_roles, .. } = update;
    let UpdateUser { attributes, removed_attributes, email, verified, rename, .. } = update;
    let anything = first_name.is_some()
        || last_name.is_some()
        || [update.no_first_name, update.no_last_name, update.no_email].contains(&true)
        || [roles, added_roles, removed_roles, removed_attributes].iter().any(|given| !given.is_empty())
        || !attributes.is_empty()
        || email.is_some()
        || verified.is_some()
        || rename.is_some();
    if !anything {
        return Err(Failure::invalid("change", "must be given: at least one, see `ostiary user update --help`"));
    }
    if let Some(role) = added_roles.iter().find(|role| removed_roles.contains(role)) {
        return Err(Failure::invalid("remove-role", format!("must not name {role}, which --add-role names")));
    }
    let given = attribute_map(attributes)?;
    if let Some(name) = removed_attributes.iter().find(|name| given.contains_key(*name)) {
        return Err(Failure::invalid("remove-attribute", format!("must not name {name}, which --attribute names")));
    }
    Ok(())
}

/// Attributes by name; none may be named twice.
pub fn attribute_map(attributes: &[(String, String)]) -> Result<Attributes, Failure> {
    let mut map = Attributes::new();
    for (name, value) in attributes {
        if map.insert(name.clone(), value.as_str().into()).is_some() {
            return Err(Failure::invalid("attribute", format!("must not name {name} twice")));
        }
    }
    Ok(map)
}

/// All attributes of a user, if they keep the rule for them.
pub fn fitting(attributes: Attributes) -> Result<Attributes, Failure> {
    profiles::attributes(attributes).ok_or(Failure::invalid("attribute", profiles::ATTRIBUTES_RULE))
}

/// All roles of a user, each once, if they keep the rule for them.
pub fn fitting_roles(roles: Vec<String>) -> Result<Vec<String>, Failure> {
    profiles::role_names(roles).ok_or(Failure::invalid("role", profiles::ROLES_RULE))
}

/// The user as it shall be; `None` where it is so already.
fn changed(update: &UpdateUser, before: &User) -> Result<Option<User>, Failure> {
    let mut after = before.clone();
    if update.no_first_name || update.first_name.is_some() {
        after.first_name.clone_from(&update.first_name);
    }
    if update.no_last_name || update.last_name.is_some() {
        after.last_name.clone_from(&update.last_name);
    }
    if !update.roles.is_empty() {
        after.roles.clone_from(&update.roles);
    }
    after.roles.extend(update.added_roles.iter().cloned());
    after.roles.retain(|role| !update.removed_roles.contains(role));
    if !update.roles.is_empty() || !update.added_roles.is_empty() {
        after.roles = fitting_roles(after.roles)?;
    }
    after.attributes.extend(attribute_map(&update.attributes)?);
    after.attributes.retain(|name, _| !update.removed_attributes.contains(name));
    if !update.attributes.is_empty() {
        after.attributes = fitting(after.attributes)?;
    }
    if let Some(name) = &update.rename {
        after.name = name.clone();
    }
    if update.no_email || update.email.is_some() {
        let (old, new) = (before.email.as_ref(), update.email.as_ref());
        after.email_verified &= old.zip(new).is_some_and(|(old, new)| old.is_same_mailbox(new));
        after.email.clone_from(&update.email);
    }
    after.email_verified = update.verified.unwrap_or(after.email_verified);
    if after.email_verified && after.email.is_none() {
        return Err(Failure::invalid("verified", "must not be yes: the user has no e-mail address"));
    }
    if after == *before {
        return Ok(None);
    }
    // Later than what was read, whatever this machine's clock says: by it the next change knows this one.
    after.modified = SystemClock.now().max(before.modified.plus(Duration::from_millis(1)));
    Ok(Some(after))
}

/// What differs, by the names of members of the answer.
fn changes(before: &User, after: &User) -> Vec<&'static str> {
    [
        ("username", before.name != after.name),
        ("email", before.email != after.email),
        ("emailVerified", before.email_verified != after.email_verified),
        ("firstName", before.first_name != after.first_name),
        ("lastName", before.last_name != after.last_name),
        ("roles", before.roles != after.roles),
        ("attributes", before.attributes != after.attributes),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}
