//! `POST /authheader/add`: make an auth header for the caller.

use std::sync::Arc;

use shared::api::{self, NewAuthHeader, Route};
use shared::auth_header::{AuthHeader, Choices};
use shared::authorize::Verifier;
use shared::error::Problem;
use shared::gateway::{Endpoint, Fields, Request, Response, Spelling};
use shared::random::Random;
use shared::store::{Store, Write};

const MAX_NAME_BYTES: usize = 256;
const MAX_SCOPES: usize = 32;
const MAX_SCOPE_BYTES: usize = 128;

/// The endpoint.
pub struct AuthHeaderAdd<S> {
    /// Checks the caller's JWT.
    pub verifier: Verifier<S>,
    /// Makes the token.
    pub random: Arc<dyn Random>,
}

impl<S: Store> Endpoint for AuthHeaderAdd<S> {
    fn route(&self) -> &'static Route {
        &api::AUTHHEADER_ADD
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let choices = choices(request.json(Spelling::AnyCase, false)?)?;
        let now = self.verifier.clock.now();
        if choices.expires.is_some_and(|expires| expires <= now) {
            return Err(Problem::invalid("expires", "must lie in the future"));
        }
        let session = self.verifier.login(&request).await?;
        let (header, token) = AuthHeader::issue(&session.user, choices, now, &*self.random);
        match self.verifier.store.create_auth_header(&header).await? {
            Write::Done => {}
            Write::Refused => return Err(Problem::Internal("a fresh auth header existed already")),
        }
        let answer = NewAuthHeader {
            id: header.key.digest.to_base64url(),
            name: header.name,
            token: token.expose_secret().to_owned(),
            created: header.created.as_zoneless(),
        };
        Ok(Response::json(200, &answer))
    }
}

fn choices(mut fields: Fields) -> Result<Choices, Problem> {
    let name = fields.text("name", MAX_NAME_BYTES)?;
    if name.chars().any(char::is_control) {
        return Err(Problem::invalid("name", "must hold no control characters"));
    }
    let expires = fields.optional_moment("expires")?;
    let scopes = fields.texts("scopes", MAX_SCOPES, MAX_SCOPE_BYTES)?;
    fields.finish()?;
    Ok(Choices { name, expires, scopes })
}
