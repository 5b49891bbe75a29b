//! `GET /user/logout`: end a JWT and its ticket.

use shared::api::{self, Message, Route};
use shared::audit;
use shared::authorize::{Generations, Verifier};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::store::Store;

/// The endpoint.
pub struct UserLogout<S> {
    /// Checks the caller's JWT.
    pub verifier: Verifier<S>,
}

impl<S: Store> Endpoint for UserLogout<S> {
    fn route(&self) -> &'static Route {
        &api::USER_LOGOUT
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        // Any JWT may end its session, whatever minted it, and a window that was late to renew can log out too.
        let session = self.verifier.jwt(&request, Generations::OrJustReplaced).await?;
        audit::subject(&session.ticket.key.session_id());
        self.verifier.store.delete_ticket(&session.ticket.key).await?;
        Ok(Response::json(200, &Message::new("User logged out")))
    }
}
