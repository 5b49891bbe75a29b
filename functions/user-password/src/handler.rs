//! `POST /user/password`: a new password in the place of the old one, by its owner.
//!
//! It works with a password that has expired, for this is how its owner makes it good again, and counts wrong ones like
//! a login. Every session of the user ends; auth headers stay unless `end_auth_headers` is true.

use shared::api::{self, Message, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response, Spelling};
use shared::login::{Change, Login, MAX_NAME_BYTES, Named};
use shared::store::Store;
use shared::tenant::TenantName;

/// The endpoint.
pub struct UserPassword<S> {
    /// Checks passwords.
    pub login: Login<S>,
    /// The tenant of user names that don't name one.
    pub default_tenant: TenantName,
}

impl<S: Store> Endpoint for UserPassword<S> {
    fn route(&self) -> &'static Route {
        &api::USER_PASSWORD
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let mut fields = request.json(Spelling::AnyCase, false)?;
        let username = fields.text("username", MAX_NAME_BYTES)?;
        let (old, new, confirm) = (fields.password("old")?, fields.password("new")?, fields.password("confirm")?);
        let end_auth_headers = fields.flag("end_auth_headers")?;
        fields.finish()?;
        if new.expose_secret() != confirm.expose_secret() {
            return Err(Problem::invalid("confirm", "must be the same as new"));
        }

        let (tenant, name) = username.split_once('/').unwrap_or((self.default_tenant.as_str(), &username));
        let question = self.login.question(tenant, name);
        let mut found = self.login.store.lookup(question.lookup()).await?;
        let named = self.login.named(question, &mut found).await?;
        // What is wrong with the new password alone is told without a look at the old one: it says nothing of the account.
        Named::check_new(tenant, name, &new)?;
        let change = Change { named, old, new, end_auth_headers, source: request.source().clone() };
        self.login.change_password(change).await.map_err(Problem::without_disabled)?;
        Ok(Response::json(200, &Message::new("Success")))
    }
}
