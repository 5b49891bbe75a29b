//! `POST /user/login`: a user name and password for a JWT.
//!
//! The user name may be written `tenant/username`. Each login makes a ticket of its own, which the JWT names and which
//! ends with it.

use std::sync::Arc;

use shared::api::{self, LoginAnswer, PasswordEnd, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response, Spelling};
use shared::jwt::{self, Bearer, Party};
use shared::keyring::Keyring;
use shared::login::{Login, MAX_NAME_BYTES, Opening};
use shared::store::Store;
use shared::tenant::TenantName;
use shared::ticket::Origin;

/// The endpoint.
pub struct UserLogin<S> {
    /// Checks passwords.
    pub login: Login<S>,
    /// Signs the JWT.
    pub keyring: Arc<Keyring>,
    /// Who signs, and for whom.
    pub party: Party,
    /// The tenant of user names that don't name one.
    pub default_tenant: TenantName,
}

impl<S: Store> Endpoint for UserLogin<S> {
    fn route(&self) -> &'static Route {
        &api::USER_LOGIN
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let mut fields = request.json(Spelling::AnyCase, false)?;
        let username = fields.text("username", MAX_NAME_BYTES)?;
        let password = fields.password("password")?;
        fields.finish()?;

        let (tenant, username) = username.split_once('/').unwrap_or((self.default_tenant.as_str(), &username));
        let question = self.login.question(tenant, username);
        let mut found = self.login.store.lookup(question.lookup()).await?;
        let named = self.login.named(question, &mut found).await?;
        // The keys are asked first, so that an outage of theirs is told before a ticket is made.
        let keys = self.keyring.current().await?;
        jwt::signing_key(&keys, &named.settings.algorithms, self.login.clock.now())?;
        let opening = Opening { origin: Origin::Login, source: request.source().clone() };
        let done = self.login.with_password(named, password, opening).await.map_err(Problem::without_disabled)?;
        let (now, expires) = (done.ticket.created, done.ticket.expires);
        let random = &*self.login.random;
        let bearer = Bearer::first(&done.user, &done.ticket).under(&done.settings);
        let minted = jwt::mint(&self.keyring, &self.party, bearer, now, expires, random).await?;
        let password = PasswordEnd::of(done.ticket.password_expires, &done.settings.password, now);
        Ok(Response::json(200, &LoginAnswer::new(&done.user, &minted.jwt, password)))
    }
}
