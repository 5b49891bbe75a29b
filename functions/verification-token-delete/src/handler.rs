//! `POST /api/1/profile/verification_token/{id}/delete`: end a token; one that is over already stays so.

use shared::api::{self, Route};
use shared::authorize::Presented;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_api::ProfileApi;
use shared::recovery;
use shared::store::Store;

/// The endpoint.
pub struct VerificationTokenDelete<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Store> Endpoint for VerificationTokenDelete<S> {
    fn route(&self) -> &'static Route {
        &api::VERIFICATION_TOKEN_DELETE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::alone(&request)?;
        if let Some(shown) = recovery::managed(&self.api, &presented, request.path_parameter("id")?).await? {
            self.api.store.delete_one_time(&shown.token.key).await?;
        }
        Ok(Response::empty())
    }
}
