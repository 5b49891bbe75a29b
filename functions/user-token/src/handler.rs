//! `GET /user/token?m=<minutes>` or `?d=<days>`: a new JWT of a chosen lifetime in the place of one that is still good.

use std::time::Duration;

use shared::api::{self, LoginAnswer, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Parameters, Request, Response};
use shared::renewal::{Lifetime, Renewer};
use shared::store::Store;

const MINUTES: &str = "m";
const DAYS: &str = "d";

/// The endpoint.
pub struct UserToken<S> {
    /// Renews logins, for no longer than the stack allows.
    pub renewer: Renewer<S>,
}

impl<S: Store> Endpoint for UserToken<S> {
    fn route(&self) -> &'static Route {
        &api::USER_TOKEN
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let lifetime = lifetime(&request.query(&[MINUTES, DAYS])?)?;
        let renewed = self.renewer.renew(&request, Lifetime::Chosen(lifetime)).await?;
        Ok(Response::json(200, &LoginAnswer::new(&renewed.user, &renewed.minted.jwt, renewed.password)))
    }
}

fn lifetime(parameters: &Parameters) -> Result<Duration, Problem> {
    let (count, unit) = match (parameters.optional_count(MINUTES)?, parameters.optional_count(DAYS)?) {
        (Some(minutes), None) => (minutes, 60),
        (None, Some(days)) => (days, 86_400),
        (Some(_), Some(_)) => return Err(Problem::invalid(MINUTES, "must not be given together with d")),
        (None, None) => return Err(Problem::invalid(MINUTES, "or d is required: minutes or days")),
    };
    Ok(Duration::from_secs(u64::from(count) * unit))
}
