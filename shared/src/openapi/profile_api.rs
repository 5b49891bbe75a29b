//! The Profile API and its neighbour `/v1/profile` in the document: their parameters on one page.
//!
//! Invariant: a parameter of the ticket family stands in the query string or in a form body alike, so each is described
//! once; the document has it in the query of a GET and in the form of a POST.

use serde_json::{Map, Value, json};

use super::requests::{ACCESS_TOKEN, ID, NEW_PASSWORD, ONE_TIME, TICKET};
use super::schema;
use crate::access_token::Action;
use crate::api::{
    AccessTokenAnswer, ApplicationAnswer, Family, PersistentLoginAnswer, PlainProfileAnswer, ProfileAnswer, Route,
    TenantAnswer, TicketAnswer, VerificationTokenAnswer,
};
use crate::error::Problem;
use crate::password::rules::Broken;
use crate::user::UserId;

/// A parameter of the ticket family.
struct Parameter {
    name: &'static str,
    required: bool,
    /// Whether it may come several times.
    list: bool,
    schema: Value,
    description: &'static str,
    example: Value,
}

fn parameter(name: &'static str, schema: Value, description: &'static str, example: Value) -> Parameter {
    Parameter { name, required: false, list: false, schema, description, example }
}

/// A text of at most `max` bytes.
fn text(name: &'static str, max: usize, description: &'static str, example: impl Into<Value>) -> Parameter {
    parameter(name, json!({ "type": "string", "maxLength": max }), description, example.into())
}

/// No control characters.
const PLAIN: &str = r"^[^\x00-\x1f\x7f-\x9f]+$";

const TENANT_NAME: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";

/// A name of a role or an attribute.
fn name(name: &'static str, description: &'static str, example: &'static str) -> Parameter {
    let schema = json!({ "type": "string", "minLength": 1, "maxLength": 128, "pattern": PLAIN });
    parameter(name, schema, description, example.into())
}

/// The same, or an empty text, which stands for none.
fn name_or_none(name: &'static str, description: &'static str, example: &'static str) -> Parameter {
    let schema = json!({ "type": "string", "maxLength": 128, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$" });
    parameter(name, schema, description, example.into())
}

impl Parameter {
    fn required(mut self) -> Self {
        if self.list {
            super::set(&mut self.schema, "minItems", json!(1));
        }
        Self { required: true, ..self }
    }

    fn listed(self) -> Self {
        let schema = json!({ "type": "array", "items": self.schema });
        Self { list: true, schema, example: json!([self.example]), ..self }
    }
}

fn flag(name: &'static str, description: &'static str) -> Parameter {
    parameter(name, json!({ "type": "boolean" }), description, json!(true))
}

fn tenant() -> Parameter {
    text("tenantName", 512, "The tenant.", "demo").required()
}

/// The tenant of what is made, where only the name of one does.
fn home() -> Parameter {
    let schema = json!({ "type": "string", "minLength": 1, "maxLength": 64, "pattern": TENANT_NAME });
    parameter("tenantName", schema, "The tenant.", json!("demo")).required()
}

/// A user name that is given to somebody; `pattern` says whether it may be empty.
fn new_username(pattern: &'static str) -> Parameter {
    let schema = json!({ "type": "string", "maxLength": 128, "pattern": pattern });
    parameter("username", schema, "The user name.", json!("jane"))
}

fn profile() -> Parameter {
    text("profileId", 512, "The profile's id.", ID).required()
}

fn wanted_attributes() -> Parameter {
    let description = "Names of attributes to answer, each as a parameter of its own; `$none` for none. All, if absent. \
                       `attributesToReturn` is taken too. At most 64 names.";
    name_or_none("attributeToReturn", description, "language").listed()
}

fn roles() -> Parameter {
    name("role", "Names of roles, each as a parameter of its own.", "reader").listed()
}

fn url(name: &'static str, description: &'static str) -> Parameter {
    text(name, 2048, description, "https://shop.example.com/account")
}

/// What `profile/create` and `profile/{id}/update` have in common.
fn account() -> Vec<Parameter> {
    let password = json!({ "type": "string", "format": "password", "maxLength": 1024 });
    let email = json!({ "type": "string", "format": "email", "maxLength": 254 });
    let roles = "Names of roles, each as a parameter of its own. A single empty one says that there are none.";
    vec![
        parameter("password", password, "The password, which has to keep the tenant's rules.", json!(NEW_PASSWORD)),
        parameter("email", email, "The e-mail address.", json!("jane@example.com")),
        flag("enabled", "Whether it may act."),
        name_or_none("role", roles, "reader").listed(),
        text("attributes", 16_384, "The attributes, as a JSON object.", r#"{"language":"de"}"#),
    ]
}

/// The parameters of an endpoint beside those of its path and the access token.
fn parameters(route: &Route) -> Vec<Parameter> {
    let username = || text("username", 512, "The user name.", "jane");
    match route.name {
        "ticket-create" | "persistent-login-create" => vec![profile()],
        "persistent-login-get" | "persistent-login-refresh" => {
            let description = "The token that the client holds, so that its replay by a thief is noticed.";
            vec![text("token", 128, description, "3.7Cq0vb2oQm0mJrU5yX9Hn1wz4nq6l8s0a2c4e6g8i0k")]
        }
        "api1-profile-create" => {
            let link =
                url("verificationUrl", "Where the link of a verification message leads; the token is added to it.");
            [
                vec![home(), new_username(r"^[^/\s\x00-\x1f\x7f-\x9f]+$").required()],
                account(),
                vec![link, wanted_attributes()],
            ]
            .into_iter()
            .flatten()
            .collect()
        }
        "api1-profile-update" => {
            [vec![new_username(r"^[^/\s\x00-\x1f\x7f-\x9f]*$")], account(), vec![wanted_attributes()]]
                .into_iter()
                .flatten()
                .collect()
        }
        "api1-profile-get"
        | "api1-profile-enable"
        | "api1-profile-disable"
        | "api1-profile-attributes-get"
        | "api1-profile-attributes-update" => vec![wanted_attributes()],
        "api1-profile-roles-add" | "api1-profile-roles-remove" => vec![roles().required(), wanted_attributes()],
        "api1-profile-attributes-remove" => {
            let description = "Names of attributes, each as a parameter of its own.";
            vec![name("attributeName", description, "language").listed().required(), wanted_attributes()]
        }
        "api1-profile-by-username" => vec![tenant(), username().required(), wanted_attributes()],
        "api1-profile-by-ticket" => vec![text("ticketId", 512, "The ticket.", TICKET).required(), wanted_attributes()],
        "api1-profile-by-ids" => {
            let description = "Ids, each as a parameter of its own, at most 90.";
            let mut ids = text("id", 512, description, ID).listed().required();
            super::set(&mut ids.schema, "maxItems", json!(90));
            let [by, order] = sorting("By what to sort. In the order of the ids, if absent.");
            vec![ids, by, order, wanted_attributes()]
        }
        "api1-profile-range" => range(),
        "api1-profile-count" => vec![tenant()],
        "api1-profile-reset-password" => {
            let link =
                url("resetPasswordUrl", "Where the message's link leads; the token is added to it, as `tokenId`.");
            vec![link.required(), wanted_attributes()]
        }
        "api1-profile-change-password" => {
            let password = json!({ "type": "string", "format": "password", "maxLength": 1024 });
            let new = parameter("newPassword", password, "The new password.", json!(NEW_PASSWORD));
            let token = text("resetTokenId", 256, "The token of the message.", ONE_TIME);
            vec![token.required(), new.required(), wanted_attributes()]
        }
        "api1-profile-verify" => {
            let token = text("verificationTokenId", 256, "The token of the message.", ONE_TIME);
            vec![token.required(), wanted_attributes()]
        }
        _ => Vec::new(),
    }
}

/// How a listing is sorted.
fn sorting(by: &'static str) -> [Parameter; 2] {
    let fields = json!({
        "type": "string", "enum": ["username", "email", "createdOn", "lastModified", "enabled", "verified", "id"],
    });
    let order = json!({ "type": "string", "enum": ["ASC", "DESC", "asc", "desc"] });
    [parameter("sortBy", fields, by, json!("username")), parameter("sortOrder", order, "Which way.", json!("ASC"))]
}

fn range() -> Vec<Parameter> {
    let number = |name, minimum, description, example: u32| {
        parameter(name, json!({ "type": "integer", "minimum": minimum }), description, json!(example))
    };
    let [by, order] = sorting("By what to sort; by anything but `username` in tenants of at most 5000 profiles.");
    vec![
        tenant(),
        by,
        order,
        number("start", 0, "How many to leave out at the beginning.", 0),
        number(
            "count",
            1,
            "How many to answer at most. More than 1000, or all if absent, are refused where there are more.",
            10,
        ),
        wanted_attributes(),
    ]
}

/// Whether an endpoint takes its parameters in the query string.
fn in_query(route: &Route) -> bool {
    route.method == "GET" || has_json_body(route)
}

/// Whether the body is JSON, so that it is no place for parameters.
fn has_json_body(route: &Route) -> bool {
    json_body(route).is_some()
}

/// The parameters of the query string.
pub(super) fn query(route: &Route) -> Vec<Value> {
    let parameters = if in_query(route) { parameters(route) } else { Vec::new() };
    let mut query: Vec<Value> = parameters
        .into_iter()
        .map(|it| {
            let Parameter { name, required, list, schema, description, example } = it;
            let mut value = json!({
                "name": name, "in": "query", "required": required, "description": description, "schema": schema,
                "example": example,
            });
            if list {
                super::set(&mut value, "style", json!("form"));
                super::set(&mut value, "explode", json!(true));
            }
            value
        })
        .collect();
    if route.name == "profile-get" {
        query.push(json!({
            "name": "expand", "in": "query", "required": false, "description": "Taken and ignored: there is nothing to expand.",
            "schema": { "type": "string" },
        }));
    }
    query
}

/// The request's body: whether it is required, and its content.
pub(super) fn body(route: &Route) -> Option<(bool, Value)> {
    if let Some(content) = json_body(route) {
        return Some((true, content));
    }
    (is_new(route) && route.family == Family::Ticket && !in_query(route)).then(|| form(route))
}

/// The content of a body that is JSON.
fn json_body(route: &Route) -> Option<Value> {
    let content =
        |schema: &Value, example: &Value| json!({ "application/json": { "schema": schema, "example": example } });
    let object = |properties: Value, required: &[&str]| json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    match route.name {
        "tenant-create" | "tenant-update" => Some(content(&object(tenant_members(), &["name"]), &tenant_example())),
        "access-token-create" => {
            Some(content(&object(access_token_members(), &["application"]), &access_token_example(false)))
        }
        "api1-profile-attributes-update" => {
            let attributes = json!({ "type": "object", "maxProperties": 64, "additionalProperties": true });
            Some(content(&attributes, &json!({ "language": "de", "newsletter": true })))
        }
        "profile-create" => {
            let members = json!({
                "applicationId": { "type": "string", "minLength": 1, "maxLength": 512, "description": "The calling application's name." },
                "name": { "type": ["string", "null"], "minLength": 1, "maxLength": 256, "pattern": PLAIN, "description": "What to call it." },
            });
            Some(content(&object(members, &["applicationId"]), &json!({ "applicationId": "shop", "name": "Jane" })))
        }
        "profile-update" => {
            let members = json!({
                "name": { "type": ["string", "null"], "minLength": 1, "maxLength": 256, "pattern": PLAIN, "description": "What to call it from now on; null takes the name away." },
            });
            Some(content(&object(members, &["name"]), &json!({ "name": "Jane D." })))
        }
        _ => None,
    }
}

/// A form body of all parameters and the access token.
fn form(route: &Route) -> (bool, Value) {
    let (mut properties, mut example, mut required) = (Map::new(), Map::new(), Vec::new());
    let token = json!({
        "type": "string", "maxLength": 256,
        "description": "The application's access token, unless a header or the query string carries it.",
    });
    properties.insert("accessTokenId".to_owned(), token);
    example.insert("accessTokenId".to_owned(), json!(ACCESS_TOKEN));
    for it in parameters(route) {
        let mut schema = it.schema;
        super::set(&mut schema, "description", json!(it.description));
        properties.insert(it.name.to_owned(), schema);
        example.insert(it.name.to_owned(), it.example);
        required.extend(it.required.then_some(it.name));
    }
    let is_required = !required.is_empty();
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    (is_required, json!({ "application/x-www-form-urlencoded": { "schema": schema, "example": example } }))
}

fn tenant_members() -> Value {
    let roles = json!({ "type": "string", "minLength": 1, "maxLength": 128, "pattern": PLAIN });
    json!({
        "name": { "type": "string", "minLength": 1, "maxLength": 64, "pattern": TENANT_NAME },
        "verifyNewProfiles": { "type": ["boolean", "null"], "description": "Whether a password opens an account only once its address is verified." },
        "availableRoles": { "type": ["array", "null"], "items": roles, "maxItems": 64 },
        "acceptsNewProfiles": { "type": ["boolean", "null"], "description": "Whether applications can make profiles. `true`, if never said." },
        "ssoEnabled": { "enum": [false, null], "description": "Not supported." },
        "attributeDefinitions": { "type": ["array", "null"], "maxItems": 0, "description": "Not supported: attributes need no definition here." },
        "cleanseAttributes": { "type": ["boolean", "null"], "description": "Taken and ignored." },
        "id": { "type": ["string", "null"], "minLength": 1, "description": "Taken and ignored: a tenant is known by its name." },
    })
}

fn tenant_example() -> Value {
    json!({ "name": "demo", "verifyNewProfiles": false, "availableRoles": ["reader", "editor"] })
}

fn access_token_members() -> Value {
    let actions: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).chain(["*"]).collect();
    let permission = json!({
        "type": "object", "additionalProperties": false, "required": ["tenant", "allowedActions"],
        "properties": {
            "tenant": { "type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^([A-Za-z0-9][A-Za-z0-9._-]*|\*)$" },
            "allowedActions": { "type": "array", "items": { "enum": actions }, "minItems": 1, "maxItems": 64 },
        },
    });
    json!({
        "id": { "type": ["string", "null"], "minLength": 16, "maxLength": 256, "pattern": r"^[!-+\--~]+$", "description": "The token itself, if it shall be this one. Made at random, if absent." },
        "application": { "type": "string", "minLength": 1, "maxLength": 128, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$" },
        "master": { "type": ["boolean", "null"] },
        "tenantPermissions": { "type": ["array", "null"], "items": permission, "maxItems": 64 },
        "expiresOn": { "type": ["integer", "null"], "maximum": 253_402_300_799_999_i64, "description": "Epoch milliseconds, in the future. Never, if absent." },
    })
}

fn access_token_example(made: bool) -> Value {
    let mut example = json!({
        "application": "shop", "master": false, "expiresOn": null,
        "tenantPermissions": [{ "tenant": "demo", "allowedActions": ["READ_TENANT", "MANAGE_PROFILES", "MANAGE_TICKETS"] }],
    });
    if made {
        super::set(&mut example, "id", json!(ACCESS_TOKEN));
    }
    example
}

/// Whether an endpoint is described here and nowhere else.
fn is_new(route: &Route) -> bool {
    let elsewhere = ["ticket-authenticate", "ticket-get", "ticket-invalidate", "profile-authenticate"];
    matches!(route.family, Family::Ticket | Family::Profile) && !elsewhere.contains(&route.name)
}

/// The answer of an endpoint that was done.
pub(super) enum Success {
    /// Its schema and an example.
    Json(Value, Value),
    /// An empty body.
    Empty,
}

/// What is answered when it was done; `None` for an endpoint that is described elsewhere.
pub(super) fn success(route: &Route) -> Option<Success> {
    if !is_new(route) {
        return None;
    }
    let list = |schema: Value, example: Value| (json!({ "type": "array", "items": schema }), json!([example]));
    let (schema, example) = match route.name {
        "ticket-create" => {
            let example = json!({ "tenant": "demo", "profileId": ID, "lastRequestTime": CREATED, "id": TICKET });
            (schema::<TicketAnswer>(), example)
        }
        "persistent-login-create" | "persistent-login-get" | "persistent-login-refresh" => {
            let token = "0.7Cq0vb2oQm0mJrU5yX9Hn1wz4nq6l8s0a2c4e6g8i0k";
            let example =
                json!({ "id": TICKET, "tenant": "demo", "profileId": ID, "token": token, "timestamp": CREATED });
            (schema::<PersistentLoginAnswer>(), example)
        }
        "access-token-create" | "access-token-get" => (schema::<AccessTokenAnswer>(), access_token_example(true)),
        "access-token-list" => list(schema::<AccessTokenAnswer>(), access_token_example(true)),
        "tenant-create" | "tenant-get" | "tenant-update" => (schema::<TenantAnswer>(), tenant_answer()),
        "tenant-list" => list(schema::<TenantAnswer>(), tenant_answer()),
        "tenant-count" | "api1-profile-count" => (json!({ "type": "integer", "minimum": 0 }), json!(42)),
        "api1-profile-by-ids" | "api1-profile-range" => list(schema::<ProfileAnswer>(), profile_answer()),
        "api1-profile-attributes-get" => {
            (json!({ "type": "object", "additionalProperties": true }), json!({ "language": "de" }))
        }
        "verification-token-create" | "verification-token-get" => {
            let example = json!({ "id": ONE_TIME, "tenant": "demo", "profileId": ID, "timestamp": CREATED });
            (schema::<VerificationTokenAnswer>(), example)
        }
        "profile-create" | "profile-get" | "profile-update" => (schema::<PlainProfileAnswer>(), plain_profile()),
        "application-get" => (schema::<ApplicationAnswer>(), application()),
        "persistent-login-delete"
        | "access-token-delete"
        | "tenant-delete"
        | "api1-profile-delete"
        | "verification-token-delete" => return Some(Success::Empty),
        _ => (schema::<ProfileAnswer>(), profile_answer()),
    };
    Some(Success::Json(schema, example))
}

const CREATED: u64 = 1_800_000_000_000;

fn profile_answer() -> Value {
    json!({
        "id": ID, "tenant": "demo", "username": "jane", "email": "jane@example.com", "verified": true, "enabled": true,
        "createdOn": CREATED, "lastModified": CREATED, "roles": ["reader"], "attributes": { "language": "de" },
    })
}

fn tenant_answer() -> Value {
    json!({
        "id": "2a97516c354b68848cdbd8f5", "name": "demo", "verifyNewProfiles": false,
        "availableRoles": ["reader", "editor"], "acceptsNewProfiles": false, "ssoEnabled": false, "attributeDefinitions": [], "cleanseAttributes": false,
    })
}

fn plain_profile() -> Value {
    json!({
        "id": ID, "rootUserId": null, "applicationId": "shop", "name": "Jane", "createdAt": CREATED / 1000,
        "identifiers": [], "wallets": [],
    })
}

fn application() -> Value {
    json!({
        "id": "shop", "name": "shop", "email": null, "description": null, "createdAt": CREATED / 1000,
        "lastUpdated": CREATED / 1000, "rootUserId": null, "identityId": null,
    })
}

/// Causes for which an endpoint refuses beside those of every application.
pub(super) fn problems(route: &Route) -> Vec<(&'static str, Problem)> {
    if !is_new(route) {
        return Vec::new();
    }
    let mut problems = Vec::new();
    if let Some(first) = parameters(route).iter().find(|parameter| parameter.required) {
        problems.push(("missing-parameter", Problem::MissingParameter(first.name)));
    }
    let disabled = || Problem::DisabledProfile(UserId::parse(ID).unwrap_or_else(|| UserId::nobody("example")));
    let no_profile = || ("no-such-profile", Problem::NoSuchProfile);
    let taken = || ("profile-exists", Problem::ProfileExists("user name"));
    let weak = |field| ("weak-password", Problem::weak(field, Broken::Common));
    problems.extend(match route.name {
        "ticket-create" | "persistent-login-create" => vec![no_profile(), ("disabled-profile", disabled())],
        "persistent-login-get" | "persistent-login-refresh" => {
            vec![("no-such-persistent-login", Problem::NoSuchPersistentLogin)]
        }
        "access-token-create" => vec![
            ("global-action-denied", Problem::GlobalActionDenied("CREATE_TOKEN")),
            ("access-token-exists", Problem::AccessTokenExists),
        ],
        "access-token-get" => vec![
            ("global-action-denied", Problem::GlobalActionDenied("READ_TOKEN")),
            ("no-such-access-token", Problem::NoSuchAccessToken),
        ],
        "access-token-list" => vec![("global-action-denied", Problem::GlobalActionDenied("READ_TOKEN"))],
        "access-token-delete" => vec![("global-action-denied", Problem::GlobalActionDenied("DELETE_TOKEN"))],
        "tenant-create" => vec![("tenant-exists", Problem::TenantExists("demo".to_owned()))],
        "tenant-update" => vec![("no-such-tenant", Problem::NoSuchTenant), ("busy", Problem::Busy)],
        "tenant-delete" => vec![("unfinished", Problem::Unfinished)],
        "api1-profile-create" => vec![
            ("invalid-email", Problem::InvalidEmail),
            ("attributes", Problem::NotJson { parameter: "attributes", rule: "must be a JSON object" }),
            weak("password"),
            ("no-new-profiles", Problem::NoNewProfiles("demo".to_owned())),
            ("no-such-tenant", Problem::NoSuchTenant),
            taken(),
        ],
        "api1-profile-update" => vec![
            ("invalid-email", Problem::InvalidEmail),
            ("attributes", Problem::NotJson { parameter: "attributes", rule: "must be a JSON object" }),
            weak("password"),
            no_profile(),
            taken(),
            ("busy", Problem::Busy),
        ],
        "api1-profile-by-ticket" => vec![("ticket-gone", Problem::TicketGone), ("disabled-profile", disabled())],
        "tenant-get" | "api1-profile-range" | "api1-profile-count" => {
            vec![("no-such-tenant", Problem::NoSuchTenant)]
        }
        "api1-profile-reset-password" | "verification-token-create" => {
            let unreachable = Problem::invalid("the profile", "must have an e-mail address for this");
            vec![("no-address", unreachable), ("disabled-profile", disabled()), no_profile(), ("busy", Problem::Busy)]
        }
        "api1-profile-change-password" => {
            vec![weak("newPassword"), ("no-such-verification-token", Problem::NoSuchOneTime)]
        }
        "api1-profile-verify" | "verification-token-get" => {
            vec![("no-such-verification-token", Problem::NoSuchOneTime)]
        }
        "profile-create" => vec![
            ("not-covered", Problem::NotCovered),
            ("no-new-profiles", Problem::NoNewProfiles("demo".to_owned())),
            ("no-such-tenant", Problem::NoSuchTenant),
        ],
        "api1-profile-delete" => vec![("busy", Problem::Busy)],
        "profile-update"
        | "api1-profile-roles-add"
        | "api1-profile-roles-remove"
        | "api1-profile-attributes-update"
        | "api1-profile-attributes-remove" => vec![no_profile(), ("busy", Problem::Busy)],
        "api1-profile-by-ids"
        | "verification-token-delete"
        | "persistent-login-delete"
        | "tenant-list"
        | "tenant-count"
        | "application-get" => Vec::new(),
        _ => vec![no_profile()],
    });
    problems
}

/// What the schemas don't say.
pub(super) fn description(route: &Route) -> Option<&'static str> {
    Some(match route.name {
        "ticket-create" => "For applications that authenticated the user in another way. Needs `MANAGE_TICKETS`.",
        "persistent-login-create" => {
            "Lives 15 days from now, unless the stack says otherwise, and ends with its user's password, with its user, \
             and with all of the user's sessions. Needs `MANAGE_TICKETS`."
        }
        "persistent-login-get" | "persistent-login-refresh" => {
            "With `token`, the server compares it: an old one that comes back is taken for stolen, and ends the \
             persistent login and every session of its user; the one before is good for 30 seconds after a refresh, so \
             that two windows at once raise no alarm. The token changes once in 30 seconds at most. Needs \
             `MANAGE_TICKETS`."
        }
        "persistent-login-delete" => "Idempotent: one that does not exist is no error. Needs `MANAGE_TICKETS`.",
        "access-token-create" => {
            "The answer is the only one that ever holds a token that its caller does not know. Needs a `master`."
        }
        "access-token-get" => "By the token itself, or by its fingerprint as listed. Needs a `master`.",
        "access-token-list" => "Tokens are named by their fingerprints: only digests are stored. Needs a `master`.",
        "access-token-delete" => {
            "By the token itself, or by its fingerprint as listed; holds from the next request on, everywhere. \
             Idempotent. Needs a `master`."
        }
        "tenant-create" => "Needs `CREATE_TENANT` on this name.",
        "tenant-get" => "Needs `READ_TENANT`.",
        "tenant-list" | "tenant-count" => "Needs `READ_TENANT` on every tenant. Lags behind changes by moments.",
        "tenant-update" => {
            "What is absent or null stays as it is. Needs `READ_TENANT` and `UPDATE_TENANT`. Holds everywhere after a minute."
        }
        "tenant-delete" => {
            "Ends everything that belongs to the tenant. A tenant of many profiles takes several calls: a 503 with \
             `Retry-After` says that the next one goes on. Idempotent. Needs `DELETE_TENANT`."
        }
        "api1-profile-create" => {
            "Without a password, or with an empty one, it has none, and nobody can log in by one. In a tenant that wants \
             addresses verified, an enabled profile with an address is sent a message where `verificationUrl` is given; \
             where that can't be sent, there is no profile either. Needs `MANAGE_PROFILES`."
        }
        "api1-profile-update" => {
            "What is absent or empty stays as it is. `role` replaces all roles, and a single empty one takes them all away; \
             `attributes` sets these and leaves the others. Another address counts as unverified. A new password ends every \
             session; `enabled=false` ends the auth headers too. Needs `MANAGE_PROFILES`."
        }
        "api1-profile-disable" => "Ends its tickets and auth headers for good. Needs `MANAGE_PROFILES`.",
        "api1-profile-delete" => "Idempotent: a profile that does not exist is no error. Needs `MANAGE_PROFILES`.",
        "api1-profile-attributes-update" => "Sets these and leaves the others. Needs `MANAGE_PROFILES`.",
        "api1-profile-by-ticket" => {
            "Counts as a use of the ticket. One that is unknown or over is a 400: existing clients rest on it. Needs \
             `MANAGE_PROFILES` and `READ_TENANT`."
        }
        "api1-profile-by-ids" => {
            "In the order of the ids, unless asked otherwise. Those that don't exist, or are of other applications' tenants, \
             are left out. Needs `MANAGE_PROFILES` and `READ_TENANT`."
        }
        "api1-profile-range" => {
            "Lags behind changes by moments. Nothing is cut off: what is more than 1000 profiles or 5 MiB is refused, and \
             asked for with `start` and `count`. Needs `MANAGE_PROFILES` and `READ_TENANT`."
        }
        "api1-profile-count" => "Lags behind changes by moments. Needs `MANAGE_PROFILES` and `READ_TENANT`.",
        "api1-profile-get" | "api1-profile-attributes-get" | "api1-profile-by-username" => {
            "Needs `MANAGE_PROFILES` and `READ_TENANT`."
        }
        "api1-profile-reset-password" => {
            "Hands a token that is good once, for 24 hours, to whatever sends the stack's messages, as often as it is asked \
             to. The link has to be an https URL (http for localhost only) without user name and fragment. Needs \
             `MANAGE_PROFILES`."
        }
        "api1-profile-change-password" => {
            "Uses the token up and ends every session; auth headers stay. A password that is refused leaves the token good; \
             one for an address does not do here. Needs `MANAGE_PROFILES`."
        }
        "api1-profile-verify" => {
            "Uses the token up. A profile that is disabled stays so, and a token for a new password does not do here. \
             Needs `MANAGE_PROFILES`."
        }
        "verification-token-create" => {
            "For applications that send messages of their own: shows, within 24 hours and once, whose the address is. For a \
             new password ask `reset_password`. Needs `MANAGE_PROFILES`."
        }
        "verification-token-get" => {
            "Answers for both kinds of tokens, as long as they are good. Needs `MANAGE_PROFILES`."
        }
        "verification-token-delete" => "Idempotent: one that does not exist is no error. Needs `MANAGE_PROFILES`.",
        "profile-create" => {
            "In the first tenant whose profiles the application manages, without a password, under a generated user name. \
             `applicationId` has to be the calling application's name, so a JWT does not do."
        }
        "profile-get" | "profile-update" => {
            "For an application with `MANAGE_PROFILES` on the profile's tenant, for the profile itself, and for its \
             tenant's administrator with a JWT from a login. `name` is the profile's own, else its first and last name, \
             else its user name."
        }
        "application-get" => "`id` is the name; what is not known here is null.",
        _ if is_new(route) && route.family == Family::Ticket => "Needs `MANAGE_PROFILES`.",
        _ => return None,
    })
}
