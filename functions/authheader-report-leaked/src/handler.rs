//! `POST /authheader/report-leaked`: whoever finds an auth header somewhere can end it by showing it. Tells nothing.

use shared::api::{self, Message, Route};
use shared::audit;
use shared::auth_header::AuthHeaderKey;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::store::{Store, Write};

const MAX_TOKEN_BYTES: usize = 256;

/// The endpoint.
pub struct AuthHeaderReportLeaked<S> {
    /// Where auth headers are.
    pub store: S,
}

impl<S: Store> Endpoint for AuthHeaderReportLeaked<S> {
    fn route(&self) -> &'static Route {
        &api::AUTHHEADER_REPORT_LEAKED
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let token = request.text_or_field("token", MAX_TOKEN_BYTES)?;
        audit::credential("auth_header");
        // One that was never issued costs the same call and gets the same answer as a live one.
        if let Some(key) = AuthHeaderKey::of(token.trim()) {
            audit::subject(&key.digest.to_base64url());
            match self.store.delete_auth_header(&key).await? {
                Write::Done => audit::owner(&key.user),
                Write::Refused => audit::detail("no_such_auth_header"),
            }
        } else {
            audit::detail("form");
        }
        Ok(Response::json(200, &Message::new("Success")))
    }
}
