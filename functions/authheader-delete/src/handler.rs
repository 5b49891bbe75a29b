//! `POST /authheader/delete`: delete one of the caller's auth headers, named by its token, display form or id.

use shared::api::{self, Message, Route};
use shared::auth_header::AuthHeaderKey;
use shared::authorize::Verifier;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response, Spelling};
use shared::secret::Digest;
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
        let text = named(&request)?;
        let user = self.verifier.login(&request).await?.user;
        let key = self.find(&user, text.trim()).await?.ok_or(Problem::NoSuchAuthHeader)?;
        match self.verifier.store.delete_auth_header(&key).await? {
            Write::Done => Ok(Response::json(200, &Message::new("Success"))),
            Write::Refused => Err(Problem::NoSuchAuthHeader),
        }
    }
}

fn named(request: &Request) -> Result<String, Problem> {
    match request.json_or_text(Spelling::AnyCase)? {
        Ok(mut fields) => {
            let text = fields.text("text", MAX_TEXT_BYTES)?;
            fields.finish()?;
            Ok(text)
        }
        Err(text) if text.len() > MAX_TEXT_BYTES => Err(Problem::invalid("text", "is too long")),
        Err(text) if text.trim().is_empty() => Err(Problem::invalid("text", "must not be empty")),
        Err(text) => Ok(text),
    }
}

impl<S: Store> AuthHeaderDelete<S> {
    /// The key of the caller's own header that `text` names. Token and id lead to it without a search; another user's
    /// token leads nowhere.
    async fn find(&self, user: &User, text: &str) -> Result<Option<AuthHeaderKey>, Problem> {
        if let Some(key) = AuthHeaderKey::of(text) {
            return Ok((key.user == user.id).then_some(key));
        }
        if let Some(digest) = Digest::from_base64url(text) {
            return Ok(Some(AuthHeaderKey { user: user.id.clone(), digest }));
        }
        let headers = self.verifier.store.auth_headers(&user.id).await?;
        let mut named = headers.into_iter().filter(|header| header.display == text);
        match (named.next(), named.next()) {
            (Some(header), None) => Ok(Some(header.key)),
            (Some(_), Some(_)) => Err(Problem::invalid("text", "names several auth headers; use the id")),
            (None, _) => Ok(None),
        }
    }
}
