//! `POST /v1/profile`: make a profile.
//!
//! It has no password: the application that makes it gets JWTs for it. Its user name is generated.

use shared::access_token::{AccessToken, Action};
use shared::api::{self, PlainProfileAnswer, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Fields, Request, Response, Spelling};
use shared::profile_access::display_name;
use shared::profile_api::{MAX_NAME_BYTES, ProfileApi};
use shared::profiles::{self, NewProfile};
use shared::store::{Administration, Lookup};
use shared::tenant::{Tenant, TenantName};
use shared::user::{Attributes, UserId, UserName};

const APPLICATION: &str = "applicationId";

/// The endpoint.
pub struct ProfileCreate<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
    /// Where an application makes profiles that may do so in every tenant.
    pub default_tenant: TenantName,
}

impl<S: Administration> Endpoint for ProfileCreate<S> {
    fn route(&self) -> &'static Route {
        &api::PROFILE_CREATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = Asked::of(request.json(Spelling::Exact, true)?)?;
        let token = self.api.application_by_key(&request).await?;
        if token.application != asked.application {
            return Err(Problem::NotCovered);
        }
        let tenant = self.tenant(&token).await?;
        let now = self.api.now();
        let fresh = || UserId::generate(&*self.api.random);
        let user = asked.profile(self.user_name()?).into_user(&tenant, now, fresh())?;
        let user = profiles::create(&self.api.store, user, None, fresh).await?;
        Ok(Response::json(201, &PlainProfileAnswer::new(&user)))
    }
}

impl<S: Administration> ProfileCreate<S> {
    /// The tenant whose profiles an application manages; of several, the one that its access token lists first.
    async fn tenant(&self, token: &AccessToken) -> Result<Tenant, Problem> {
        let permission = token.first_granting(Action::ManageProfiles).ok_or(Problem::NotCovered)?;
        let name = permission.tenant.as_ref().unwrap_or(&self.default_tenant);
        let wanted = Lookup { tenant: Some(name.clone()), ..Lookup::default() };
        self.api.store.lookup(wanted).await?.tenant.ok_or(Problem::NoSuchTenant)
    }

    fn user_name(&self) -> Result<UserName, Problem> {
        let name = format!("profile-{}", UserId::generate(&*self.api.random));
        UserName::parse(&name).ok_or(Problem::Internal("a generated user name breaks the rule"))
    }
}

/// What a client asks for.
struct Asked {
    application: String,
    name: Option<String>,
}

impl Asked {
    fn of(mut fields: Fields) -> Result<Self, Problem> {
        let application = fields.text(APPLICATION, MAX_NAME_BYTES)?;
        let name = display_name(&mut fields)?;
        fields.finish()?;
        Ok(Self { application, name })
    }

    fn profile(self, name: UserName) -> NewProfile {
        NewProfile {
            name,
            email: None,
            enabled: true,
            roles: Vec::new(),
            attributes: Attributes::default(),
            display_name: self.name,
            application: self.application,
        }
    }
}
