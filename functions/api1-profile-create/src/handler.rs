//! `POST /api/1/profile/create`: make a profile.

use shared::access_token::AccessToken;
use shared::api::{self, Route};
use shared::audit;
use shared::authorize::demand;
use shared::delivery::Link;
use shared::error::Problem;
use shared::gateway::{Endpoint, Parameters, Request, Response};
use shared::login::Login;
use shared::profile_answer::ProfilesRequest;
use shared::profile_api::{CHANGE_PROFILE, MAX_NAME_BYTES, ProfileApi, TENANT_PARAMETER, deferred};
use shared::profiles::{self, NewProfile};
use shared::recovery::{self, Recovery};
use shared::secret::Password;
use shared::store::{Administration, Lookup};
use shared::tenant::{Tenant, TenantName};
use shared::user::{Attributes, Email, User, UserId, UserName};

/// The endpoint.
pub struct Api1ProfileCreate<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
    /// Weighs and hashes passwords.
    pub login: Login<S>,
    /// Sends messages.
    pub recovery: Recovery<S>,
}

impl<S: Administration> Endpoint for Api1ProfileCreate<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_CREATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        const ONCE: &[&str] =
            &[TENANT_PARAMETER, "username", "password", "email", "enabled", "attributes", "verificationUrl"];
        let request = ProfilesRequest::of(&request, ONCE, &["role"])?;
        let asked = deferred(Asked::read(&request.parameters))?;
        let tenant = asked.as_ref().ok().and_then(|asked| TenantName::parse(asked.tenant));
        let wanted = Lookup { tenant, ..Lookup::default() };
        let (application, found) = self.api.application(&request.presented, wanted).await?;
        let asked = asked?;
        found.tenant.iter().for_each(|tenant| audit::tenant(&tenant.name));
        demand(&application, CHANGE_PROFILE, asked.tenant)?;
        let tenant = found.tenant.ok_or(Problem::NoSuchTenant)?;
        let user = self.create(asked, &application, &tenant).await?;
        Ok(request.answer(&user))
    }
}

impl<S: Administration> Api1ProfileCreate<S> {
    async fn create(&self, asked: Asked<'_>, by: &AccessToken, tenant: &Tenant) -> Result<User, Problem> {
        let (page, text, application) = (asked.page, asked.password, by.application.clone());
        let new = NewProfile {
            name: asked.name,
            email: asked.email,
            enabled: asked.enabled,
            roles: asked.roles,
            attributes: asked.attributes,
            display_name: None,
            application,
        };
        let fresh = || UserId::generate_object_id(&*self.api.random);
        let user = new.into_user(tenant, self.api.now(), fresh())?;
        let password = match text {
            Some(text) => Some(profiles::first_password(&self.login, &tenant.settings, &user, text).await?),
            None => None,
        };
        let user = profiles::create(&self.api.store, user, password, fresh).await?;
        match page {
            Some(page) if tenant.settings.verified_email && user.enabled && user.email.is_some() => {
                self.send_verification(user, &page).await
            }
            _ => Ok(user),
        }
    }

    /// Without its message the profile would be one that nobody can open, and that can't be made again: who is told
    /// that it was not made shall find it so.
    async fn send_verification(&self, user: User, page: &Link) -> Result<User, Problem> {
        let Err(problem) = self.recovery.send_verification_to(&user, page).await else { return Ok(user) };
        profiles::take_back(&self.api.store, &*self.api.clock, user).await;
        Err(problem)
    }
}

/// What a profile is to be, and where.
struct Asked<'a> {
    tenant: &'a str,
    name: UserName,
    password: Option<Password>,
    email: Option<Email>,
    enabled: bool,
    roles: Vec<String>,
    attributes: Attributes,
    page: Option<Link>,
}

impl<'a> Asked<'a> {
    /// What must be given comes last, so that a rule that is broken is told at once.
    fn read(parameters: &'a Parameters) -> Result<Self, Problem> {
        let attributes = parameters.given("attributes").map(|text| profiles::attributes_in("attributes", text));
        let page = parameters.given("verificationUrl").map(|url| recovery::page("verificationUrl", url));
        Ok(Self {
            password: parameters.given("password").map(|_| parameters.password("password")).transpose()?,
            email: parameters.given("email").map(profiles::email).transpose()?,
            enabled: parameters.optional_flag("enabled")?.unwrap_or(true),
            roles: profiles::all_roles(parameters)?.unwrap_or_default(),
            attributes: attributes.transpose()?.unwrap_or_default(),
            page: page.transpose()?,
            tenant: parameters.required(TENANT_PARAMETER, MAX_NAME_BYTES)?,
            name: profiles::user_name(parameters.required("username", MAX_NAME_BYTES)?)?,
        })
    }
}
