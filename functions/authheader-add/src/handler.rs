//! `POST /authheader/add`: make an auth header for the caller.

use std::sync::Arc;

use shared::api::{self, NewAuthHeader, Route};
use shared::audit;
use shared::auth_header::{AuthHeader, Choices, MAX_PER_USER};
use shared::authorize::{Generations, Session, Verifier};
use shared::error::{self, Problem};
use shared::gateway::{Endpoint, Fields, Request, Response, Spelling};
use shared::random::Random;
use shared::store::Store;

const MAX_NAME_BYTES: usize = 256;
const MAX_SCOPES: usize = 16;
const MAX_SCOPE_BYTES: usize = 64;

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
        let session = self.session_with_room(&request).await?;
        let (header, token) = AuthHeader::issue(&session.user, choices, now, &*self.random);
        error::new(self.verifier.store.create_auth_header(&header).await?)?;
        audit::subject(&header.key.digest.to_base64url());
        Ok(Response::json(200, &NewAuthHeader::new(&header, &token)))
    }
}

impl<S: Store> AuthHeaderAdd<S> {
    /// The caller, if there is room for another header; both are read at once. Parallel calls may pass the limit by as
    /// many as they are.
    async fn session_with_room(&self, request: &Request) -> Result<Session, Problem> {
        let verified = self.verifier.verify(request).await?;
        let (session, count) = tokio::join!(
            self.verifier.login_of(&verified, Generations::Current),
            self.verifier.store.count_auth_headers(&verified.user, MAX_PER_USER),
        );
        let session = session?;
        if count? >= MAX_PER_USER {
            return Err(Problem::invalid(
                "name",
                "can't be added: there are 1000 auth headers already; delete some first",
            ));
        }
        Ok(session)
    }
}

fn choices(mut fields: Fields) -> Result<Choices, Problem> {
    let name = fields.text("name", MAX_NAME_BYTES)?;
    if name.chars().any(char::is_control) {
        return Err(Problem::invalid("name", "must hold no control characters"));
    }
    let expires = fields.optional_moment("expires")?;
    let scopes = fields.texts("scopes", MAX_SCOPES, MAX_SCOPE_BYTES)?;
    // What OAuth 2.0 calls a scope (RFC 6749, section 3.3), since lists of them are told with spaces between.
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if !scopes.iter().flat_map(|scope| scope.bytes()).all(allowed) {
        return Err(Problem::invalid("scopes", "must hold visible ASCII characters other than \" and \\ only"));
    }
    fields.finish()?;
    Ok(Choices { name, expires, scopes })
}
