//! The targets.

mod bodies;
mod credentials;
mod jwts;
mod names;
mod operators;
mod passwords;
mod requests;

use shared::api::{Family, ROUTES, Route};
use shared::error::Problem;

use crate::Target;

/// All of them.
pub static TARGETS: &[Target] = &[
    Target { name: "request", run: requests::request, words: requests::REQUEST, mutations: 16_000 },
    Target { name: "event", run: requests::event, words: requests::EVENT, mutations: 16_000 },
    Target { name: "authorizer", run: requests::authorizer, words: requests::EVENT, mutations: 24_000 },
    Target { name: "credential-header", run: credentials::header, words: credentials::HEADER, mutations: 160_000 },
    Target { name: "auth-header", run: credentials::auth_header, words: credentials::HEADER, mutations: 120_000 },
    Target { name: "ticket", run: credentials::ticket, words: credentials::HEADER, mutations: 240_000 },
    Target { name: "series-token", run: credentials::series_token, words: credentials::SERIES, mutations: 80_000 },
    Target { name: "jwt", run: jwts::jwt, words: jwts::WORDS, mutations: 80_000 },
    Target { name: "jwt-claims", run: jwts::claims, words: jwts::WORDS, mutations: 40_000 },
    Target { name: "phc", run: passwords::phc, words: passwords::WORDS, mutations: 80_000 },
    Target { name: "imported-hash", run: passwords::imported, words: passwords::WORDS, mutations: 80_000 },
    Target { name: "form", run: bodies::form, words: bodies::FORM, mutations: 160_000 },
    Target { name: "json", run: bodies::json, words: bodies::JSON, mutations: 120_000 },
    Target { name: "access-token", run: bodies::access_token, words: bodies::JSON, mutations: 80_000 },
    Target { name: "name", run: names::name, words: names::WORDS, mutations: 160_000 },
    Target { name: "moment", run: names::moment, words: names::WORDS, mutations: 240_000 },
    Target { name: "link", run: names::link, words: names::WORDS, mutations: 240_000 },
    Target { name: "keyset", run: operators::keyset, words: operators::WORDS, mutations: 12_000 },
    Target { name: "edge", run: operators::edge, words: operators::WORDS, mutations: 80_000 },
];

/// Fails unless a problem is told as what the client did wrong, in every family.
fn refused(problem: &Problem) {
    for family in [Family::User, Family::Ticket, Family::Profile, Family::Standards] {
        let response = problem.render(family);
        assert!((400..500).contains(&response.status()), "{} {}", response.status(), response.body());
    }
}

fn route(name: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.name == name)
}
