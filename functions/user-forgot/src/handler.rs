//! `POST /user/forgot`: a message with a token for who forgot a password.
//!
//! The answer is the same whether there is such an account or not, and so is the work behind it.

use shared::api::{self, Message, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response, Spelling};
use shared::login::{Login, MAX_NAME_BYTES};
use shared::recovery::Recovery;
use shared::store::Store;
use shared::tenant::TenantName;

/// The endpoint.
pub struct UserForgot<S> {
    /// Finds accounts as a login does. It never hashes anything here.
    pub login: Login<S>,
    /// Makes tokens and sends them.
    pub recovery: Recovery<S>,
    /// The tenant of user names that don't name one.
    pub default_tenant: TenantName,
}

impl<S: Store> Endpoint for UserForgot<S> {
    fn route(&self) -> &'static Route {
        &api::USER_FORGOT
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let mut fields = request.json(Spelling::AnyCase, false)?;
        let username = fields.text("username", MAX_NAME_BYTES)?;
        fields.finish()?;

        let (tenant, username) = username.split_once('/').unwrap_or((self.default_tenant.as_str(), &username));
        let question = self.login.question(tenant, username);
        let mut found = self.login.store.lookup(question.lookup()).await?;
        let named = self.login.named(question, &mut found).await?;
        self.recovery.forgotten(named).await?;
        Ok(Response::json(200, &Message::new(api::FORGOTTEN)))
    }
}
