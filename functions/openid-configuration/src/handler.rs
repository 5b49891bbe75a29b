//! `GET /.well-known/openid-configuration`: where the issuer's keys are (OpenID Connect Discovery 1.0, section 3).

use std::sync::Arc;

use shared::api::{self, Discovery, Route};
use shared::clock::Clock;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::jwt::Party;
use shared::keyring::Keyring;

/// The endpoint.
pub struct OpenidConfiguration {
    /// The keys, whose algorithms are told.
    pub keyring: Arc<Keyring>,
    /// The issuer.
    pub party: Party,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl Endpoint for OpenidConfiguration {
    fn route(&self) -> &'static Route {
        &api::OPENID_CONFIGURATION
    }

    async fn answer(&self, _request: Request) -> Result<Response, Problem> {
        let keys = self.keyring.current().await?;
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let document = Discovery {
            issuer: self.party.issuer.clone(),
            jwks_uri: format!("{}{}", self.party.issuer, api::JWKS.path),
            id_token_signing_alg_values_supported: texts(&keys.algorithms(self.clock.now())),
            response_types_supported: texts(&["none"]),
            subject_types_supported: texts(&["public"]),
            claims_supported: texts(&["iss", "sub", "aud", "exp", "iat", "jti", "sid", "tenant", "roles"]),
        };
        Ok(Response::json(200, &document).with_header("cache-control", api::CACHEABLE))
    }
}
