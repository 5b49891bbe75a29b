//! `POST /api/1/authentication/authenticate`: a user name and password for a ticket, for an application that may ask.

use shared::access_token::Action;
use shared::api::{self, Route, TicketAnswer};
use shared::authorize::{ACCESS_TOKEN_PARAMETER, Presented, application, demand};
use shared::error::Problem;
use shared::gateway::{Endpoint, Parameters, Request, Response};
use shared::login::{Login, Opening, Question};
use shared::secret::Password;
use shared::store::{Lookup, Store};
use shared::ticket::Origin;

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
    /// Checks passwords.
    pub login: Login<S>,
}

struct Asked {
    tenant: String,
    question: Question,
    password: Password,
}

impl<S: Store> Endpoint for TicketAuthenticate<S> {
    fn route(&self) -> &'static Route {
        &api::TICKET_AUTHENTICATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let known = [ACCESS_TOKEN_PARAMETER, TENANT, TENANT_MISSPELT, USERNAME, PASSWORD];
        let parameters = request.parameters(&known)?;
        let token = Presented::in_request(&request, &parameters)?.digest()?;
        let asked = match self.asked(&parameters) {
            // Unlike a parameter that is missing, one that breaks a rule costs no store call.
            Err(broken @ Problem::Invalid { .. }) => return Err(broken),
            asked => asked,
        };
        let question = asked.as_ref().map(|asked| asked.question.lookup()).unwrap_or_default();
        let mut found = self.login.store.lookup(Lookup { access_token: Some(token), ..question }).await?;
        // The application comes first: who may not ask is not told what is wrong with the question.
        let application = application(found.access_token.take(), self.login.clock.now())?;
        let Asked { tenant, question, password } = asked?;
        demand(&application, &NEEDED, &tenant)?;
        let named = self.login.named(question, &mut found).await?;
        let opening = Opening { origin: Origin::Ticket, source: request.source().clone() };
        let done = self.login.with_password(named, password, opening).await?;
        let answer = TicketAnswer::new(&done.ticket, done.token.expose_secret(), done.ticket.last_request);
        Ok(Response::json(200, &answer))
    }
}

impl<S: Store> TicketAuthenticate<S> {
    fn asked(&self, parameters: &Parameters) -> Result<Asked, Problem> {
        let tenant = match (parameters.get(TENANT), parameters.get(TENANT_MISSPELT)) {
            (Some(_), Some(_)) => return Err(Problem::invalid(TENANT, "must be given once")),
            (None, Some(_)) => parameters.required(TENANT_MISSPELT, MAX_NAME_BYTES)?,
            _ => parameters.required(TENANT, MAX_NAME_BYTES)?,
        };
        let username = parameters.required(USERNAME, MAX_NAME_BYTES)?;
        let password = parameters.password(PASSWORD)?;
        Ok(Asked { tenant: tenant.to_owned(), question: self.login.question(tenant, username), password })
    }
}
