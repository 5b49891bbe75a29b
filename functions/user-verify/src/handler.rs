//! `POST /user/verify`: a token from a message, which shows that the address it was sent to is the user's own.

use std::sync::Arc;

use shared::api::{self, Message, Route};
use shared::clock::Clock;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response, Spelling};
use shared::recovery;
use shared::secret::Token;
use shared::store::Store;

const MAX_TOKEN_BYTES: usize = 256;

/// The endpoint.
pub struct UserVerify<S> {
    /// Where users and tokens are.
    pub store: S,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl<S: Store> Endpoint for UserVerify<S> {
    fn route(&self) -> &'static Route {
        &api::USER_VERIFY
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let mut fields = request.json(Spelling::AnyCase, false)?;
        let token = Token::new(fields.text("token", MAX_TOKEN_BYTES)?);
        fields.finish()?;
        recovery::verify(&self.store, &token, self.clock.now()).await?;
        Ok(Response::json(200, &Message::new("Success")))
    }
}
