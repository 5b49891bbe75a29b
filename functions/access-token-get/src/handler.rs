//! `GET /api/1/access_token/{id}`: read an access token.

use shared::access_token_json::meant;
use shared::api::{self, AccessTokenAnswer, Route};
use shared::audit;
use shared::authorize::Presented;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_api::ProfileApi;
use shared::store::{Lookup, Store};

/// The endpoint.
pub struct AccessTokenGet<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Store> Endpoint for AccessTokenGet<S> {
    fn route(&self) -> &'static Route {
        &api::ACCESS_TOKEN_GET
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::alone(&request)?;
        let id = request.path_parameter("id")?;
        let wanted = Lookup { subject_tokens: meant(id), ..Lookup::default() };
        let (_, found) = self.api.master(&presented, "READ_TOKEN", wanted).await?;
        let token = found.subject_tokens.first().ok_or(Problem::NoSuchAccessToken)?;
        audit::subject(&token.digest.to_base64url());
        // Its fingerprint or itself: whichever the caller knows already.
        Ok(Response::json(200, &AccessTokenAnswer::shown(token, id)))
    }
}
