//! `POST /user/login`: a user name and password for a JWT.
//!
//! The user name may be written `tenant/username`. Each login makes a ticket of its own, which the JWT names and which
//! ends with it.

use std::sync::Arc;

use shared::api::{self, LoginAnswer, Route};
use shared::clock::Clock;
use shared::config::Config;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response, Spelling};
use shared::jwt::{self, Bearer, Party};
use shared::keyring::{Keyring, KeyringError};
use shared::lockout::Rules;
use shared::login::{Login, Opening};
use shared::password::PasswordError;
use shared::random::Random;
use shared::store::{LoginName, Lookup, Store};
use shared::tenant::TenantName;
use shared::ticket::{Limits, Origin};

const MAX_NAME_BYTES: usize = 640;

/// The endpoint.
pub struct UserLogin<S> {
    login: Login<S>,
    keyring: Arc<Keyring>,
    party: Party,
    default_tenant: TenantName,
    limits: Limits,
}

impl<S: Store> UserLogin<S> {
    /// Wires the endpoint.
    pub fn new(
        store: S,
        keyring: Arc<Keyring>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        config: &Config,
    ) -> Result<Self, PasswordError> {
        let hasher = Arc::new(config.hasher()?);
        Ok(Self {
            login: Login { store, hasher, clock, random, rules: Rules::DEFAULT },
            keyring,
            party: config.party.clone(),
            default_tenant: config.default_tenant.clone(),
            limits: Limits { idle: None, absolute: config.lifetimes.login_jwt.min(config.lifetimes.login_max) },
        })
    }
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
        let name = LoginName::typed(tenant, username);
        let wanted = Lookup { credential: Some(name.clone()), ..Lookup::default() };
        let found = self.login.store.lookup(wanted).await?.credential;
        // The keys are asked first, so that an outage of theirs is told before a ticket is made.
        self.keyring.current().await?.signing_key(self.login.clock.now()).ok_or(KeyringError::NoneSigns)?;
        let opening = Opening { origin: Origin::Login, limits: self.limits, source: request.source().clone() };
        let done = self.login.with_password(name, found, password, opening).await;
        let done = done.map_err(|problem| match problem {
            // This family has one answer for every refusal but an expired password.
            Problem::DisabledProfile(_) => Problem::BadCredentials,
            other => other,
        })?;
        let (now, expires) = (done.ticket.created, done.ticket.expires);
        let random = &*self.login.random;
        let bearer = Bearer::first(&done.user, &done.ticket);
        let minted = jwt::mint(&self.keyring, &self.party, bearer, now, expires, random).await?;
        Ok(Response::json(200, &LoginAnswer::new(&done.user, &minted.jwt, done.ticket.password_expires)))
    }
}
