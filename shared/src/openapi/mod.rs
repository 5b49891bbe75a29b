//! The OpenAPI document, generated: routes from [`ROUTES`], schemas from the types, errors from what
//! [`Problem::render`](crate::error::Problem::render) really says.
//!
//! Compiled for the test that keeps `docs/openapi.json` current, and for no function.

mod profile_api;
mod requests;
mod responses;

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::api::{self, ALIASES, Access, Alias, Family, ROUTES, Route};

/// The whole document, of OpenAPI 3.1.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    let older = ALIASES.iter().map(|alias| (alias.route, alias.path, Some(older(alias))));
    for (route, path, alias) in ROUTES.iter().map(|route| (route, route.path, None)).chain(older) {
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        if let Value::Object(operations) = operations {
            let operation = alias.unwrap_or_else(|| operation(route));
            operations.insert(route.method.to_ascii_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ostiary",
            "version": env!("CARGO_PKG_VERSION"),
            "description": INTRODUCTION,
            "license": { "name": "Apache License 2.0", "identifier": "Apache-2.0" },
        },
        "servers": [
            {
                "url": "https://{host}",
                "description": "A deployed stack",
                "variables": { "host": { "default": "auth.example.com", "description": "The stack's domain" } },
            },
            { "url": "http://127.0.0.1:9000", "description": "`cargo local`" },
        ],
        "tags": [
            { "name": name(Family::User), "description": "Sign-in of users, and their auth headers." },
            { "name": name(Family::Ticket), "description": "Profiles, tickets, tenants and access tokens, on behalf of applications: the Profile API." },
            { "name": name(Family::Profile), "description": "Profiles and their JWTs." },
            { "name": name(Family::Standards), "description": "Keys, discovery, introspection, revocation and health." },
        ],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": security_schemes(),
            "headers": responses::headers(),
        },
    })
}

const INTRODUCTION: &str = "Sign-in for your own products. Three families of paths stand over one domain, each with its \
own spelling of errors and dates. Every answer has a `content-type`, `cache-control` and `x-request-id`. A body beyond \
64 KiB, a doubled field or parameter, an unknown field of a JSON body and a credential header that comes twice are \
refused; unknown parameters of a query string or form are ignored. In the ticket family, the parameters of a form may \
stand in the query string instead; one that is empty and may be left out counts as left out, but for the `token` of a \
persistent login; and what is true or false may be on, yes, 1 or off, no, 0 too, in any case. Field names of the user family's bodies may be \
written in any case.";

fn name(family: Family) -> &'static str {
    match family {
        Family::User => "user",
        Family::Ticket => "ticket",
        Family::Profile => "profile",
        Family::Standards => "standards",
    }
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "tags": [name(route.family)],
        "security": security(route),
        "responses": responses::of(route),
    });
    let mut parameters = path_parameters(route);
    parameters.extend(requests::query_parameters(route));
    if !parameters.is_empty() {
        set(&mut operation, "parameters", Value::Array(parameters));
    }
    if let Some(body) = requests::body(route) {
        set(&mut operation, "requestBody", body);
    }
    if let Some(description) = requests::description(route) {
        set(&mut operation, "description", json!(description));
    }
    operation
}

/// An endpoint under its older path.
fn older(alias: &Alias) -> Value {
    let mut operation = operation(alias.route);
    set(&mut operation, "operationId", json!(format!("{}-older", alias.route.name)));
    set(&mut operation, "summary", json!(format!("{}, by its older path", alias.route.summary)));
    set(&mut operation, "deprecated", json!(true));
    operation
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}

fn path_parameters(route: &Route) -> Vec<Value> {
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let described = |name| {
        let (description, max, example) = described(route, name);
        json!({
            "name": name, "in": "path", "required": true, "description": description,
            "schema": { "type": "string", "minLength": 1, "maxLength": max }, "example": example,
        })
    };
    names.map(described).collect()
}

/// What a path's parameter is, how long it may be, and an example.
fn described(route: &Route, name: &str) -> (&'static str, u32, &'static str) {
    match (name, route.path.split('/').nth(4)) {
        ("name", _) => ("The tenant's name.", 64, "demo"),
        (_, Some("ticket")) => ("The ticket.", 128, requests::TICKET),
        (_, Some("persistent_login")) => ("The persistent login's id.", 128, requests::TICKET),
        (_, Some("verification_token")) => ("The token.", 128, requests::ONE_TIME),
        _ if route.path.starts_with("/api/1/access_token") => {
            ("The access token, or its fingerprint as listed.", 256, requests::ACCESS_TOKEN)
        }
        _ => ("The profile's id.", 48, requests::ID),
    }
}

/// The ways of which one is enough.
fn security(route: &Route) -> Value {
    match route.access {
        Access::Open | Access::Body => json!([]),
        Access::AccessToken if route.family == Family::Standards => {
            json!([{ "accessTokenHeader": [] }, { "apiKey": [] }, { "accessTokenBearer": [] }, { "accessTokenBasic": [] }])
        }
        Access::AccessToken if route.family == Family::Profile => json!([{ "apiKey": [] }]),
        Access::LoginJwt => json!([{ "jwt": [] }, { "rawJwt": [] }]),
        Access::User => json!([{ "jwt": [] }, { "rawJwt": [] }, { "authHeader": [] }]),
        Access::AccessToken => json!([{ "accessTokenHeader": [] }, { "apiKey": [] }, { "accessTokenParameter": [] }]),
        Access::AccessTokenOrJwt => json!([{ "apiKey": [] }, { "jwt": [] }, { "rawJwt": [] }]),
    }
}

fn security_schemes() -> Value {
    let key =
        |place, name, description| json!({ "type": "apiKey", "in": place, "name": name, "description": description });
    json!({
        "jwt": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A JWT after `Bearer`.",
        },
        "rawJwt": key("header", "Authorization", "A JWT alone, without a scheme in front of it."),
        "authHeader": key("header", "X-Authorization", "A user's auth header, which starts with `ost_`."),
        "accessTokenHeader": key("header", "x-access-token-id", "An application's access token."),
        "apiKey": key("header", "x-api-key", "An application's access token."),
        "accessTokenBearer": {
            "type": "http", "scheme": "bearer", "description": "An application's access token after `Bearer`.",
        },
        "accessTokenBasic": {
            "type": "http", "scheme": "basic",
            "description": "The application's name and, as the password, its access token.",
        },
        "accessTokenParameter": key(
            "query",
            "accessTokenId",
            "An application's access token, in the query string or a form body. Prefer a header: URLs end up in logs.",
        ),
    })
}

type Schemas = Vec<(String, RefOr<Schema>)>;

/// A type's schema under its name, and those that it refers to.
fn add<T: ToSchema>(schemas: &mut Schemas) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

fn schemas() -> Map<String, Value> {
    let mut schemas = Schemas::new();
    for add in [
        add::<requests::LoginRequest>,
        add::<requests::PasswordRequest>,
        add::<requests::ForgotRequest>,
        add::<requests::ResetRequest>,
        add::<requests::VerifyRequest>,
        add::<requests::NewAuthHeaderRequest>,
        add::<requests::DeleteAuthHeaderRequest>,
        add::<requests::AuthenticateForm>,
        add::<requests::ApplicationForm>,
        add::<requests::RevokeSessionRequest>,
        add::<requests::RevokeAllSessionsRequest>,
        add::<requests::RotateAuthHeaderRequest>,
        add::<requests::ReportLeakedRequest>,
        add::<requests::TokenForm>,
        add::<requests::ProfileJwtRequest>,
        add::<api::LoginAnswer>,
        add::<api::RenewAnswer>,
        add::<api::SessionAnswer>,
        add::<api::ActiveToken>,
        add::<api::Message>,
        add::<api::NewAuthHeader>,
        add::<api::ListedAuthHeader>,
        add::<api::TicketAnswer>,
        add::<api::ProfileAnswer>,
        add::<api::PersistentLoginAnswer>,
        add::<api::VerificationTokenAnswer>,
        add::<api::TenantAnswer>,
        add::<api::AccessTokenAnswer>,
        add::<api::PlainProfileAnswer>,
        add::<api::ApplicationAnswer>,
        add::<api::JwtAnswer>,
        add::<api::Discovery>,
        add::<api::Health>,
        add::<api::MessageError>,
        add::<api::CodedError>,
        add::<api::OauthError>,
        add::<responses::JwkSet>,
    ] {
        add(&mut schemas);
    }
    schemas.into_iter().map(|(name, schema)| (name, json!(schema))).collect()
}

/// A reference to a type's schema.
fn schema<T: ToSchema>() -> Value {
    json!({ "$ref": format!("#/components/schemas/{}", T::name()) })
}
