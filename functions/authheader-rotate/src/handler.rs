//! `POST /authheader/rotate`: put a new auth header in the place of one, which goes on for a chosen while.

use std::sync::Arc;
use std::time::Duration;

use shared::api::{self, NewAuthHeader, Route};
use shared::audit;
use shared::auth_header::{AuthHeader, Choices, MAX_PER_USER, Named};
use shared::authorize::{Generations, Session, Verifier};
use shared::clock::Timestamp;
use shared::error::Problem;
use shared::gateway::{Endpoint, Fields, Request, Response, Spelling};
use shared::random::Random;
use shared::store::{Store, Write};

const MAX_TEXT_BYTES: usize = 256;
const OVERLAP_RULE: &str = "must be a whole number of seconds from 0 to 2592000";
const MAX_OVERLAP: u64 = 2_592_000;

/// The endpoint.
pub struct AuthHeaderRotate<S> {
    /// Checks the caller's JWT.
    pub verifier: Verifier<S>,
    /// Makes the token.
    pub random: Arc<dyn Random>,
}

struct Asked {
    text: String,
    overlap: Duration,
    expires: Option<Timestamp>,
}

impl<S: Store> Endpoint for AuthHeaderRotate<S> {
    fn route(&self) -> &'static Route {
        &api::AUTHHEADER_ROTATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = asked(request.json(Spelling::AnyCase, false)?)?;
        let now = self.verifier.clock.now();
        if asked.expires.is_some_and(|expires| expires <= now) {
            return Err(Problem::invalid("expires", "must lie in the future"));
        }
        let verified = self.verifier.verify(&request).await?;
        let (session, headers) = tokio::join!(
            self.verifier.login_of(&verified, Generations::Current),
            self.verifier.store.auth_headers(&verified.user),
        );
        let (Session { user, .. }, mut headers) = (session?, headers?);
        headers.retain(|header| header.is_kept(now));
        if headers.len() >= MAX_PER_USER {
            return Err(Problem::invalid("text", "can't be rotated: there are 1000 auth headers; delete some first"));
        }
        let named = Named::of(&user.id, asked.text.trim()).ok_or(Problem::NoSuchAuthHeader)?;
        let old = named.among(headers)?.filter(|header| header.is_live(&user, now)).ok_or(Problem::NoSuchAuthHeader)?;

        let ends = old.expires.into_iter().chain([now.plus(asked.overlap)]).min().unwrap_or(now);
        let expires = asked.expires.or_else(|| old.lifetime.map(|lifetime| now.plus(lifetime)));
        let choices = Choices { name: old.name, expires, scopes: old.scopes };
        let (header, token) = AuthHeader::issue(&user, choices, now, &*self.random);
        audit::subject(&header.key.digest.to_base64url());
        match self.verifier.store.rotate_auth_header(&old.key, ends, &header).await? {
            Write::Done => Ok(Response::json(200, &NewAuthHeader::new(&header, &token))),
            // It was deleted, or rotated by somebody else, while we looked.
            Write::Refused => Err(Problem::NoSuchAuthHeader),
        }
    }
}

fn asked(mut fields: Fields) -> Result<Asked, Problem> {
    let text = fields.text("text", MAX_TEXT_BYTES)?;
    let overlap = fields.optional_integer("overlap", OVERLAP_RULE)?;
    let overlap =
        overlap.ok_or_else(|| Problem::invalid("overlap", "is required: seconds that the old one goes on"))?;
    let overlap = u64::try_from(overlap).ok().filter(|seconds| *seconds <= MAX_OVERLAP);
    let overlap = overlap.ok_or_else(|| Problem::invalid("overlap", OVERLAP_RULE))?;
    let expires = fields.optional_moment("expires")?;
    fields.finish()?;
    Ok(Asked { text, overlap: Duration::from_secs(overlap), expires })
}
