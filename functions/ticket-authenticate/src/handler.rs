//! `POST /api/1/authentication/authenticate`: a user name and password for a ticket, for an application that may ask.

use std::sync::Arc;

use shared::access_token::Action;
use shared::api::{self, Route, TicketAnswer};
use shared::authorize::{ACCESS_TOKEN_PARAMETER, Presented, application, demand};
use shared::clock::Clock;
use shared::config::Config;
use shared::error::Problem;
use shared::gateway::{Endpoint, Parameters, Request, Response};
use shared::lockout::Rules;
use shared::login::{Login, Opening};
use shared::password::PasswordError;
use shared::random::Random;
use shared::secret::Password;
use shared::store::{LoginName, Lookup, Store};
use shared::ticket::{Limits, Origin};

const TENANT: &str = "tenantName";
/// How the documentation of existing installations spells [`TENANT`].
const TENANT_MISSPELT: &str = "tentantName";
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const MAX_NAME_BYTES: usize = 512;

/// What an application needs in order to authenticate somebody.
const NEEDED: [Action; 3] = [Action::ManageTickets, Action::ManageProfiles, Action::ReadTenant];

/// The endpoint.
pub struct TicketAuthenticate<S> {
    login: Login<S>,
    limits: Limits,
}

struct Asked {
    tenant: String,
    name: LoginName,
    password: Password,
}

impl<S: Store> TicketAuthenticate<S> {
    /// Wires the endpoint.
    pub fn new(
        store: S,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        config: &Config,
    ) -> Result<Self, PasswordError> {
        let hasher = Arc::new(config.hasher()?);
        Ok(Self {
            login: Login { store, hasher, clock, random, rules: Rules::DEFAULT },
            limits: config.lifetimes.ticket,
        })
    }
}

impl<S: Store> Endpoint for TicketAuthenticate<S> {
    fn route(&self) -> &'static Route {
        &api::TICKET_AUTHENTICATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let known = [ACCESS_TOKEN_PARAMETER, TENANT, TENANT_MISSPELT, USERNAME, PASSWORD];
        let parameters = request.parameters(&known)?;
        let token = Presented::in_request(&request, &parameters)?.digest()?;
        let asked = match asked(&parameters) {
            // Unlike a parameter that is missing, one that breaks a rule costs no store call.
            Err(broken @ Problem::Invalid { .. }) => return Err(broken),
            asked => asked,
        };
        let wanted = Lookup {
            access_token: Some(token),
            credential: asked.as_ref().ok().map(|asked| asked.name.clone()),
            ..Lookup::default()
        };
        let found = self.login.store.lookup(wanted).await?;
        // The application comes first: who may not ask is not told what is wrong with the question.
        let application = application(found.access_token, self.login.clock.now())?;
        let Asked { tenant, name, password } = asked?;
        demand(&application, &NEEDED, &tenant)?;
        let opening = Opening { origin: Origin::Ticket, limits: self.limits, source: request.source().clone() };
        let done = self.login.with_password(name, found.credential, password, opening).await?;
        let answer = TicketAnswer {
            tenant: done.ticket.tenant.to_string(),
            profile_id: done.user.id.to_string(),
            last_request_time: done.ticket.last_request.as_millis(),
            id: done.token.expose_secret().to_owned(),
        };
        Ok(Response::json(200, &answer))
    }
}

fn asked(parameters: &Parameters) -> Result<Asked, Problem> {
    let tenant = match (parameters.get(TENANT), parameters.get(TENANT_MISSPELT)) {
        (Some(_), Some(_)) => return Err(Problem::invalid(TENANT, "must be given once")),
        (None, Some(_)) => parameters.required(TENANT_MISSPELT, MAX_NAME_BYTES)?,
        _ => parameters.required(TENANT, MAX_NAME_BYTES)?,
    };
    let username = parameters.required(USERNAME, MAX_NAME_BYTES)?;
    let password = parameters.password(PASSWORD)?;
    Ok(Asked { tenant: tenant.to_owned(), name: LoginName::typed(tenant, username), password })
}
