//! `ostiary keys retire`.

use aws_sdk_secretsmanager::Client;
use shared::audit;
use shared::clock::{Clock as _, SystemClock};
use shared::keyring::rotation::{self, PENDING, RetireError};
use shared::keyring::{Algorithm, KeySet};

use super::{CURRENT, Version, answer, no_secret, publish, read, refused};
use crate::confirm;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Answer;

const BOUND: &str = "What the retired keys signed is refused by Ostiary within 5 minutes, by others that follow the \
JWKS's header within 10 minutes, by API Gateway's own JWT authorizer within 2 hours and 5 minutes. Where our functions \
can't reach Secrets Manager, each of these takes up to 55 minutes more.";

const FRESH: &str = " A fresh key signs now: who caches the JWKS refuses new JWTs until then, too.";

/// A rotation may become current at the same moment; it ends within seconds, and nobody begins many.
const ATTEMPTS: usize = 3;

pub async fn retire(connection: &Connection, kids: &[String], yes: bool) -> Result<Answer, Failure> {
    let (client, secret) = (connection.secrets(), connection.settings.keyset_secret.as_str());
    let algorithm = connection.settings.algorithm.unwrap_or(Algorithm::Rs256);
    let mut asked = yes;
    for _ in 0..ATTEMPTS {
        let Some(before) = read(&client, secret).await? else { return Err(no_secret(secret)) };
        let retired = rotation::retire(&before.text, kids, algorithm, SystemClock.now()).map_err(explain)?;
        audit::subject(&kids.join(" "));
        if !asked {
            let kids = kids.join(", ");
            confirm::yes(&format!("Retire {kids}? Every JWT that it signed ends, and its users log in again."))?;
            asked = true;
        }
        let new = Version::new(retired.text);
        let published = publish(&client, secret, Some(&before), &new).await;
        // A write whose answer was lost may have succeeded: what is current now is what counts.
        let Some(current) = read(&client, secret).await? else { return Err(no_secret(secret)) };
        if current.id == new.id {
            give_up_pending(&client, secret).await;
            let keys = KeySet::parse(&current.text).map_err(|error| refused(&error.to_string()))?;
            let note = format!("{BOUND}{}", if retired.fresh { FRESH } else { "" });
            return Ok(Answer { note: Some(note), ..answer(Some(&keys), SystemClock.now()) });
        }
        if current.id == before.id {
            let nobody_knows = || Failure::Outage("the new version did not become current".to_owned());
            return Err(published.err().unwrap_or_else(nobody_knows));
        }
    }
    Err(refused("the keys are being changed by somebody else: look at `ostiary keys show` and try again"))
}

fn explain(error: RetireError) -> Failure {
    match error {
        RetireError::Unknown(kid) => {
            Failure::refused("kid", format!("there is no key {kid} (see `ostiary keys show`); nothing was changed"))
        }
        RetireError::KeySet(error) => refused(&format!("{error}; nothing was changed")),
    }
}

/// A rotation that began before was made from the old keys, and could not be finished. Taking its label off lets the
/// next one begin anew at once; if that fails, the next one does it.
async fn give_up_pending(client: &Client, secret: &str) {
    let Ok(described) = client.describe_secret().secret_id(secret).send().await else { return };
    for (id, labels) in described.version_ids_to_stages.unwrap_or_default() {
        let has = |stage: &str| labels.iter().any(|label| label == stage);
        if has(PENDING) && !has(CURRENT) {
            let change = client.update_secret_version_stage().secret_id(secret).version_stage(PENDING);
            let _ = change.remove_from_version_id(id).send().await;
        }
    }
}
