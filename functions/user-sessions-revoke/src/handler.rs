//! `POST /user/sessions/revoke`: end one of the caller's sessions, all of them, or all but the one that asks.

use shared::api::{self, Message, Route};
use shared::audit;
use shared::authorize::{Generations, Verifier};
use shared::error::Problem;
use shared::gateway::{Endpoint, Fields, Request, Response, Spelling};
use shared::jwt::Verified;
use shared::store::{Store, StoreError, Write};

const MAX_ID_BYTES: usize = 64;
/// How often ending all is tried again when something else ended them at the same moment.
const TRIES: usize = 5;

/// The endpoint.
pub struct UserSessionsRevoke<S> {
    /// Checks the caller's JWT.
    pub verifier: Verifier<S>,
}

enum Which {
    One(String),
    All { but_this: bool },
}

impl<S: Store> Endpoint for UserSessionsRevoke<S> {
    fn route(&self) -> &'static Route {
        &api::USER_SESSIONS_REVOKE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let which = which(request.json(Spelling::AnyCase, false)?)?;
        let verified = self.verifier.verify(&request).await?;
        match which {
            Which::One(id) => self.end_one(&verified, &id).await?,
            Which::All { but_this } => self.end_all(&verified, but_this).await?,
        }
        Ok(Response::json(200, &Message::new("Success")))
    }
}

fn which(mut fields: Fields) -> Result<Which, Problem> {
    let id = fields.optional_text("id", MAX_ID_BYTES)?;
    let (all, but_this) = (fields.flag("all")?, fields.flag("except_current")?);
    fields.finish()?;
    match (id, all) {
        (Some(_), _) if all || but_this => Err(Problem::invalid("id", "must be given alone")),
        (Some(id), _) => Ok(Which::One(id)),
        (None, true) => Ok(Which::All { but_this }),
        (None, false) => Err(Problem::invalid("id", "is required, or all must be true")),
    }
}

impl<S: Store> UserSessionsRevoke<S> {
    async fn end_one(&self, verified: &Verified, id: &str) -> Result<(), Problem> {
        let session = self.verifier.login_of(verified, Generations::Current).await?;
        let now = self.verifier.clock.now();
        let tickets = self.verifier.store.tickets(&session.user.id, now).await?;
        let mut live = tickets.into_iter().filter(|ticket| ticket.is_live(&session.user, now));
        let ticket = live.find(|ticket| ticket.key.session_id() == id).ok_or(Problem::NoSuchSession)?;
        audit::subject(id);
        Ok(self.verifier.store.delete_ticket(&ticket.key).await?)
    }

    /// One write, however many there are, and one that no login can slip through: a ticket of the old epoch is dead,
    /// stored before or after.
    async fn end_all(&self, verified: &Verified, but_this: bool) -> Result<(), Problem> {
        audit::subject(if but_this { "others" } else { "all" });
        for _ in 0..TRIES {
            let session = self.verifier.login_of(verified, Generations::Current).await?;
            let kept = but_this.then_some(&session.ticket.key);
            let ended = self.verifier.store.end_tickets(&session.user.id, session.user.session_epoch, kept).await?;
            if ended == Write::Done {
                return Ok(());
            }
        }
        let source = "other writes came first all the time".into();
        Err(Problem::Store(StoreError::Unavailable { operation: "TransactWriteItems", source }))
    }
}
