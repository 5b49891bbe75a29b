//! `GET /authheader/list`: the caller's auth headers, without their tokens.

use shared::api::{self, ListedAuthHeader, Route};
use shared::auth_header::AuthHeader;
use shared::authorize::Verifier;
use shared::clock::Timestamp;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::store::Store;

/// The endpoint.
pub struct AuthHeaderList<S> {
    /// Checks the caller's JWT.
    pub verifier: Verifier<S>,
}

impl<S: Store> Endpoint for AuthHeaderList<S> {
    fn route(&self) -> &'static Route {
        &api::AUTHHEADER_LIST
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let user = self.verifier.login(&request).await?.user;
        let mut headers = self.verifier.store.auth_headers(&user.id).await?;
        // Those that ended with an earlier disabling are as good as deleted; expired ones stay in sight for a while.
        let now = self.verifier.clock.now();
        headers.retain(|header| header.epoch == user.key_epoch && header.is_kept(now));
        headers.sort_by(|a, b| (a.created, &a.key).cmp(&(b.created, &b.key)));
        let listed: Vec<ListedAuthHeader> = headers.into_iter().map(listed).collect();
        Ok(Response::json(200, &listed))
    }
}

fn listed(header: AuthHeader) -> ListedAuthHeader {
    ListedAuthHeader {
        id: header.key.digest.to_base64url(),
        name: header.name,
        token: header.display,
        created: header.created.as_zoneless(),
        expires: header.expires.map(Timestamp::as_zoneless),
        last_used: header.last_used.map(Timestamp::as_zoneless),
        scopes: header.scopes,
    }
}
