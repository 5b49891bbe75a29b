//! The whole Profile API at once: what holds for each of its endpoints, read off the routes and the OpenAPI document.

mod application;
mod authenticate;
mod codes;
mod isolation;
mod parameters;

use serde_json::Value;
use shared::api::{Family, ROUTES, Route};
use shared::gateway::Response;

/// The endpoints of the ticket family.
fn ticket_family() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.family == Family::Ticket)
}

/// An error's code and message.
fn error(response: &Response) -> (String, String) {
    let body: Value = serde_json::from_str(response.body()).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (text("errorCode"), text("message"))
}

/// The status of something that is not there: those that end something are done where there is nothing to end.
fn missing(route: &Route) -> u16 {
    match route.name {
        "ticket-invalidate"
        | "access-token-delete"
        | "tenant-delete"
        | "persistent-login-delete"
        | "verification-token-delete"
        | "api1-profile-delete"
        | "api1-profile-by-ids" => 200,
        "api1-profile-by-ticket" => 400,
        _ => 404,
    }
}
