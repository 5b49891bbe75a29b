//! `POST /api/1/access_token/{id}/delete`: end an access token at once.

use shared::access_token_json::meant;
use shared::api::{self, Route};
use shared::audit;
use shared::authorize::Presented;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_api::ProfileApi;
use shared::store::{Administration, Lookup, Write};

/// The endpoint.
pub struct AccessTokenDelete<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for AccessTokenDelete<S> {
    fn route(&self) -> &'static Route {
        &api::ACCESS_TOKEN_DELETE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::alone(&request)?;
        let wanted = Lookup { subject_tokens: meant(request.path_parameter("id")?), ..Lookup::default() };
        let (_, found) = self.api.master(&presented, "DELETE_TOKEN", wanted).await?;
        if let Some(token) = found.subject_tokens.first() {
            audit::subject(&token.digest.to_base64url());
            // Refused where somebody else deleted it at the same moment.
            let (Write::Done | Write::Refused) = self.api.store.delete_access_token(token.digest).await?;
        }
        Ok(Response::empty())
    }
}
