//! `GET /user/logout`: end a JWT and its ticket.

use shared::api::{self, Message, Route};
use shared::authorize::Verifier;
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
        // Any JWT may end itself, whatever minted it.
        let session = self.verifier.jwt(&request).await?;
        self.verifier.store.delete_ticket(&session.ticket.key).await?;
        Ok(Response::json(200, &Message::new("User logged out")))
    }
}
