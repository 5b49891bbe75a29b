//! `ostiary pepper`.
//!
//! Invariant: as for the signing keys, a new version becomes current only in place of the very version that it was made
//! from. No command replaces a key's bytes, and none prints them.

use serde_json::json;
use shared::audit;
use shared::config::PepperSettings;
use shared::password::pepper::{ChangeError, KeyId, PepperError, Peppers, Usage};
use shared::random::SystemRandom;

use crate::confirm;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::keys::{Version, no_secret, publish, read, refused};
use crate::output::{Answer, Body, yes_or_no};

const NOT_REQUIRED: &str = "New hashes are made without it until the stack's parameter Pepper is required.";

const ROTATED: &str = "New hashes are made with it, and old ones are made anew as their users log in. The old peppers stay, \
since the other hashes need them.";

const OFF: &str = "the stack has no pepper: deploy it with the parameter Pepper=verify-only first";

pub async fn init(connection: &Connection) -> Result<Answer, Failure> {
    let settings = settings(connection)?;
    let first = |before: &Peppers| match before.current() {
        None => before.rotated(&SystemRandom).map_err(explain),
        Some(_) => Err(refused("the stack has its pepper already (see `ostiary pepper show`); nothing was changed")),
    };
    let peppers = change(connection, settings, first).await?;
    peppers.current().into_iter().for_each(|id| audit::subject(id.as_str()));
    let note = match settings.usage {
        Usage::Required => "New hashes are made with it from now on.",
        Usage::VerifyOnly => NOT_REQUIRED,
    };
    Ok(Answer { note: Some(note.to_owned()), ..answer(&peppers) })
}

pub async fn rotate(connection: &Connection) -> Result<Answer, Failure> {
    let settings = settings(connection)?;
    let next = |before: &Peppers| match before.current() {
        Some(_) => before.rotated(&SystemRandom).map_err(explain),
        None => Err(refused("there is no pepper yet: make it with `ostiary pepper init`")),
    };
    let peppers = change(connection, settings, next).await?;
    peppers.current().into_iter().for_each(|id| audit::subject(id.as_str()));
    let note = match settings.usage {
        Usage::Required => ROTATED,
        Usage::VerifyOnly => NOT_REQUIRED,
    };
    Ok(Answer { note: Some(note.to_owned()), ..answer(&peppers) })
}

pub async fn show(connection: &Connection) -> Result<Answer, Failure> {
    let settings = settings(connection)?;
    let (_, peppers) = current(connection, settings).await?;
    Ok(answer(&peppers))
}

pub async fn drop(connection: &Connection, id: &KeyId, yes: bool) -> Result<Answer, Failure> {
    let settings = settings(connection)?;
    let less = |before: &Peppers| before.without(id).map_err(explain);
    less(&current(connection, settings).await?.1)?;
    audit::subject(id.as_str());
    if !yes {
        confirm::yes(&format!("Drop {id}? Whose password was last hashed with it can't log in any more, for good."))?;
    }
    let peppers = change(connection, settings, less).await?;
    Ok(answer(&peppers))
}

fn settings(connection: &Connection) -> Result<&PepperSettings, Failure> {
    connection.settings.pepper.as_ref().ok_or_else(|| refused(OFF))
}

fn explain(error: ChangeError) -> Failure {
    Failure::refused("keyid", format!("{error}; nothing was changed"))
}

fn unusable(error: &PepperError) -> Failure {
    refused(&format!("the functions can't use what the secret holds: {error}; nothing was changed"))
}

async fn current(connection: &Connection, settings: &PepperSettings) -> Result<(Version, Peppers), Failure> {
    let version = read(&connection.secrets(), &settings.secret).await?;
    let version = version.ok_or_else(|| no_secret(&settings.secret))?;
    let peppers = Peppers::parse(&version.text).map_err(|error| unusable(&error))?;
    Ok((version, peppers))
}

async fn change(
    connection: &Connection,
    settings: &PepperSettings,
    make: impl Fn(&Peppers) -> Result<Peppers, Failure>,
) -> Result<Peppers, Failure> {
    let client = connection.secrets();
    let (before, peppers) = current(connection, settings).await?;
    let new = make(&peppers)?;
    let new = Version::new(new.to_text().map_err(|error| unusable(&error))?);
    let published = publish(&client, &settings.secret, Some(&before), &new).await;
    // A write whose answer was lost may have succeeded: what is current now is what counts.
    let (version, peppers) = current(connection, settings).await?;
    if version.id == new.id {
        return Ok(peppers);
    }
    if version.id == before.id {
        let nobody_knows = || Failure::Outage("the new version did not become current".to_owned());
        return Err(published.err().unwrap_or_else(nobody_knows));
    }
    Err(refused("somebody else changed the peppers at the same moment: look at `ostiary pepper show` and try again"))
}

fn answer(peppers: &Peppers) -> Answer {
    let ids: Vec<_> = peppers.ids().map(|id| (id.as_str(), peppers.current() == Some(id))).collect();
    let json: Vec<_> = ids.iter().map(|(id, current)| json!({ "keyid": id, "current": current })).collect();
    let rows = ids.iter().map(|(id, current)| vec![(*id).to_owned(), yes_or_no(*current)]).collect();
    let none = "no pepper yet: make it with `ostiary pepper init`";
    Answer::new(json!({ "peppers": json }), Body::Table { head: &["keyid", "current"], rows, none })
}
