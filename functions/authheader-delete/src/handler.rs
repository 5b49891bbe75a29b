//! `POST /authheader/delete`: delete one of the caller's auth headers, named by its token, display form or id.

use shared::api::{self, Message, Route};
use shared::audit;
use shared::auth_header::{AuthHeaderKey, Named};
use shared::authorize::Verifier;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::store::{Store, Write};
use shared::user::User;

const MAX_TEXT_BYTES: usize = 256;

/// The endpoint.
pub struct AuthHeaderDelete<S> {
    /// Checks the caller's JWT.
    pub verifier: Verifier<S>,
}

impl<S: Store> Endpoint for AuthHeaderDelete<S> {
    fn route(&self) -> &'static Route {
        &api::AUTHHEADER_DELETE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let text = request.text_or_field("text", MAX_TEXT_BYTES)?;
        let user = self.verifier.login(&request).await?.user;
        let key = self.find(&user, text.trim()).await?.ok_or(Problem::NoSuchAuthHeader)?;
        audit::subject(&key.digest.to_base64url());
        match self.verifier.store.delete_auth_header(&key).await? {
            Write::Done => Ok(Response::json(200, &Message::new("Success"))),
            Write::Refused => Err(Problem::NoSuchAuthHeader),
        }
    }
}

impl<S: Store> AuthHeaderDelete<S> {
    /// The key of the caller's own header that `text` names. Token and id lead to it without a search; another user's
    /// token leads nowhere.
    async fn find(&self, user: &User, text: &str) -> Result<Option<AuthHeaderKey>, Problem> {
        let named = Named::of(&user.id, text);
        match named {
            None => Ok(None),
            Some(Named::Key(key)) => Ok(Some(key)),
            Some(Named::Display(_)) => {
                let mut headers = self.verifier.store.auth_headers(&user.id).await?;
                let now = self.verifier.clock.now();
                headers.retain(|header| header.is_kept(now));
                let found = named.map(|named| named.among(headers)).transpose()?.flatten();
                Ok(found.map(|header| header.key))
            }
        }
    }
}
