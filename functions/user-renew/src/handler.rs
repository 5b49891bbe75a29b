//! `GET /user/renew`: a new JWT in the place of one that is still good.

use shared::api::{self, LoginAnswer, RenewAnswer, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::renewal::{Lifetime, Renewer};
use shared::store::Store;

/// The endpoint.
pub struct UserRenew<S> {
    /// Renews logins.
    pub renewer: Renewer<S>,
}

impl<S: Store> Endpoint for UserRenew<S> {
    fn route(&self) -> &'static Route {
        &api::USER_RENEW
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let renewed = self.renewer.renew(&request, Lifetime::OfLogin).await?;
        let answer = RenewAnswer {
            login: LoginAnswer::new(&renewed.user, &renewed.minted.jwt, renewed.password),
            access_token: renewed.minted.jwt.expose_secret().to_owned(),
            expires_in: renewed.minted.expires.as_seconds() - renewed.at.as_seconds(),
            token_type: "bearer".to_owned(),
        };
        Ok(Response::json(200, &answer))
    }
}
