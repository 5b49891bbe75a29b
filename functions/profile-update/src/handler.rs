//! `PUT /v1/profile/{id}`: change the name of a profile.

use shared::api::{self, PlainProfileAnswer, Route};
use shared::authorize::Verifier;
use shared::error::Problem;
use shared::gateway::{Endpoint, Fields, Request, Response, Spelling};
use shared::profile_access::{Minted, NAME, display_name};
use shared::profiles;
use shared::store::Administration;
use shared::user::User;

/// The endpoint.
pub struct ProfileUpdate<S> {
    /// Checks the caller's JWT.
    pub verifier: Verifier<S>,
}

impl<S: Administration> Endpoint for ProfileUpdate<S> {
    fn route(&self) -> &'static Route {
        &api::PROFILE_UPDATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let name = name(request.json(Spelling::Exact, true)?)?;
        let profile = self.verifier.profile(&request, Minted::Own).await?;
        let renamed = |profile: User| Ok(User { display_name: name.clone(), ..profile });
        let profile = profiles::change(&self.verifier.store, &*self.verifier.clock, profile, renamed).await?;
        Ok(Response::json(200, &PlainProfileAnswer::new(&profile)))
    }
}

/// The new name; null takes the old one away. A request without one is a mistake, and must not do the same.
fn name(mut fields: Fields) -> Result<Option<String>, Problem> {
    if !fields.has(NAME) {
        // What else is wrong with it says more.
        fields.finish()?;
        return Err(Problem::invalid(NAME, "is required"));
    }
    let name = display_name(&mut fields)?;
    fields.finish()?;
    Ok(name)
}
