//! `POST /api/1/access_token/create`: make an access token.

use shared::access_token_json::DescribedAccessToken;
use shared::api::{self, AccessTokenAnswer, Route};
use shared::audit;
use shared::authorize::Presented;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response, Spelling};
use shared::profile_api::ProfileApi;
use shared::store::{Administration, Lookup, Write};

/// The endpoint.
pub struct AccessTokenCreate<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for AccessTokenCreate<S> {
    fn route(&self) -> &'static Route {
        &api::ACCESS_TOKEN_CREATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::beside_json(&request)?;
        let now = self.api.now();
        let described = DescribedAccessToken::read(request.json(Spelling::Exact, false)?, now)?;
        let wanted = Lookup { subject_tokens: described.look_alike().into_iter().collect(), ..Lookup::default() };
        let (_, found) = self.api.master(&presented, "CREATE_TOKEN", wanted).await?;
        if !found.subject_tokens.is_empty() {
            return Err(Problem::AccessTokenExists);
        }
        let (token, text) = described.issue(now, &*self.api.random);
        audit::subject(&token.digest.to_base64url());
        match self.api.store.create_access_token(&token).await? {
            Write::Done => Ok(Response::json(200, &AccessTokenAnswer::shown(&token, text.expose_secret()))),
            Write::Refused => Err(Problem::AccessTokenExists),
        }
    }
}
