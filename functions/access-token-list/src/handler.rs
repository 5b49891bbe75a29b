//! `GET /api/1/access_token/all`: list the access tokens.

use shared::api::{self, AccessTokenAnswer, Route};
use shared::authorize::Presented;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_api::ProfileApi;
use shared::profile_listing::WholeList;
use shared::store::{Administration, Lookup};

/// What there is instead of a list that no answer can hold.
const TOO_LONG: &str = "of the access tokens is too long for an answer: use `ostiary access-token list`";

/// The endpoint.
pub struct AccessTokenList<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for AccessTokenList<S> {
    fn route(&self) -> &'static Route {
        &api::ACCESS_TOKEN_LIST
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::alone(&request)?;
        self.api.master(&presented, "READ_TOKEN", Lookup::default()).await?;
        let (mut list, mut tokens, mut next) = (WholeList::begun(self.api.now()), Vec::new(), None::<String>);
        loop {
            let page = self.api.store.access_tokens_from(next.as_deref()).await?;
            for token in page.items {
                list.add(&AccessTokenAnswer::listed(&token), TOO_LONG)?;
                tokens.push(token);
            }
            next = page.next;
            if next.is_none() {
                break;
            }
            list.go_on(self.api.now(), TOO_LONG)?;
        }
        tokens.sort_by(|one, other| (&one.application, one.created).cmp(&(&other.application, other.created)));
        Ok(Response::json(200, &tokens.iter().map(AccessTokenAnswer::listed).collect::<Vec<_>>()))
    }
}
