//! `POST /user/reset`: a token from a message and a new password, in the place of a forgotten one.
//!
//! Ends every ticket of the user. Auth headers go on unless the caller wants them ended too.

use shared::api::{self, Message, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response, Spelling};
use shared::login::Login;
use shared::recovery::{self, Reset};
use shared::secret::Token;
use shared::store::Store;

const MAX_TOKEN_BYTES: usize = 256;

/// The endpoint.
pub struct UserReset<S> {
    /// Weighs and hashes the new password.
    pub login: Login<S>,
}

impl<S: Store> Endpoint for UserReset<S> {
    fn route(&self) -> &'static Route {
        &api::USER_RESET
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let mut fields = request.json(Spelling::AnyCase, false)?;
        let token = Token::new(fields.text("token", MAX_TOKEN_BYTES)?);
        let new = fields.password("new")?;
        let confirm = fields.password("confirm")?;
        let end_auth_headers = fields.flag("end_auth_headers")?;
        fields.finish()?;
        if new.expose_secret() != confirm.expose_secret() {
            return Err(Problem::invalid("confirm", "must be the same as new"));
        }
        let source = request.source().clone();
        recovery::reset(&self.login, Reset { token, new, end_auth_headers, source }).await?;
        Ok(Response::json(200, &Message::new("Success")))
    }
}
