//! The OpenAPI document, generated: routes from [`ROUTES`], schemas from the types, errors from what
//! [`Problem::render`](crate::error::Problem::render) really says.
//!
//! Compiled for the test that keeps `docs/openapi.json` current, and for no function.

mod requests;
mod responses;

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::api::{self, Access, Family, ROUTES, Route};

/// The whole document, of OpenAPI 3.1.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(path) = path {
            path.insert(route.method.to_ascii_lowercase(), operation(route));
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
            { "name": name(Family::Ticket), "description": "Tickets, on behalf of applications: the Profile API." },
            { "name": name(Family::Profile), "description": "JWTs for profiles." },
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
refused; unknown parameters of a query string or form are ignored. Field names of the user family's bodies may be \
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

fn set(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}

fn path_parameters(route: &Route) -> Vec<Value> {
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let described = |name| match route.family {
        Family::Ticket => json!({
            "name": name, "in": "path", "required": true, "description": "The ticket.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 128 }, "example": requests::TICKET,
        }),
        Family::User | Family::Profile | Family::Standards => json!({
            "name": name, "in": "path", "required": true, "description": "The profile's id.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 48 }, "example": requests::ID,
        }),
    };
    names.map(described).collect()
}

/// The ways of which one is enough.
fn security(route: &Route) -> Value {
    match route.access {
        Access::Open | Access::Body => json!([]),
        Access::AccessToken if route.family == Family::Standards => {
            json!([{ "accessTokenHeader": [] }, { "apiKey": [] }, { "accessTokenBearer": [] }, { "accessTokenBasic": [] }])
        }
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
