//! Requests, as the events that API Gateway makes of them (payload format 2.0).

use serde_json::{Map, Value, json};
use shared::api::{ROUTES, Route};

/// The request id of every [`Call`].
pub const REQUEST_ID: &str = "5Vrx4hbkfsTw3Og=";

/// A request to one endpoint.
#[derive(Clone)]
pub struct Call {
    route: &'static Route,
    spelling: &'static str,
    headers: Map<String, Value>,
    query: String,
    path: Map<String, Value>,
    body: Option<String>,
    address: String,
}

/// The media type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// Fields as a query string or form holds them; a value keeps what needs no escape.
fn encoded(fields: &[(&str, &str)]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
    let value = |text: &str| {
        let each =
            text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
        each.collect::<String>()
    };
    let pairs: Vec<String> = fields.iter().map(|(name, text)| format!("{name}={}", value(text))).collect();
    pairs.join("&")
}

/// A password that keeps every rule, and is nobody's.
pub const NEW_PASSWORD: &str = "seven lamps above a quiet harbour";

impl Call {
    /// A change of an account's password to [`NEW_PASSWORD`].
    #[must_use]
    pub fn new_password(username: &str, old: &str) -> Self {
        let new = NEW_PASSWORD;
        Self::to("user-password").json(&json!({ "username": username, "old": old, "new": new, "confirm": new }))
    }

    /// A request without anything to the endpoint of that name.
    #[must_use]
    pub fn to(name: &str) -> Self {
        let route = ROUTES.iter().find(|route| route.name == name);
        let route = route.unwrap_or_else(|| panic!("no route is named {name}"));
        let headers = json!({
            "accept": "*/*", "host": "auth.example.com", "user-agent": "test", "x-forwarded-for": "203.0.113.7",
            "x-forwarded-port": "443", "x-forwarded-proto": "https",
        });
        let headers = headers.as_object().cloned().unwrap_or_default();
        Self {
            route,
            spelling: route.path,
            headers,
            query: String::new(),
            path: Map::new(),
            body: None,
            address: "203.0.113.7".to_owned(),
        }
    }

    /// A token in exchange for a password that is another one for each token.
    #[must_use]
    pub fn reset(token: &str) -> Self {
        let new = format!("{NEW_PASSWORD} {}", token.chars().rev().take(6).collect::<String>());
        Self::to("user-reset").json(&json!({ "token": token, "new": new, "confirm": new }))
    }

    /// Which endpoint it goes to.
    #[must_use]
    pub fn route(&self) -> &'static Route {
        self.route
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), json!(value));
        self
    }

    /// Without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// By another route to the same endpoint.
    #[must_use]
    pub fn by_alias(mut self, path: &'static str) -> Self {
        self.spelling = path;
        self
    }

    /// With a JWT.
    #[must_use]
    pub fn bearer(self, jwt: &str) -> Self {
        self.header("authorization", &format!("Bearer {jwt}"))
    }

    /// With a value for what the path leaves open, if it does.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        let open = self.route.path.split('/').find_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        self.path.insert(open.unwrap_or("id").to_owned(), json!(id));
        self
    }

    /// From an address.
    #[must_use]
    pub fn from_address(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    /// With a query string.
    #[must_use]
    pub fn query(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    /// With a body of a media type.
    #[must_use]
    pub fn body(mut self, media_type: &str, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self.header("content-type", media_type)
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", &body.to_string())
    }

    /// With a form body; names and values must need no escapes.
    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.body(FORM, &body.join("&"))
    }

    /// With parameters where existing clients put them: in the query string of a `GET`, in the form body of a `POST`.
    #[must_use]
    pub fn parameters(self, fields: &[(&str, &str)]) -> Self {
        let encoded = encoded(fields);
        if self.route.method == "GET" { self.query(&encoded) } else { self.body(FORM, &encoded) }
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> Value {
        let (method, path) = (self.route.method, self.spelling);
        let mut raw_path = path.to_owned();
        for (name, value) in &self.path {
            raw_path = raw_path.replace(&format!("{{{name}}}"), value.as_str().unwrap_or_default());
        }
        let mut event = json!({
            "version": "2.0",
            "routeKey": format!("{method} {path}"),
            "rawPath": raw_path,
            "rawQueryString": self.query,
            "headers": self.headers,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "abcde12345",
                "domainName": "auth.example.com",
                "domainPrefix": "auth",
                "http": {
                    "method": method, "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": self.address,
                    "userAgent": "test",
                },
                "requestId": REQUEST_ID,
                "routeKey": format!("{method} {path}"),
                "stage": "$default",
                "time": "22/Nov/2026:01:00:00 +0000",
                "timeEpoch": 1_795_309_200_000_u64,
            },
            "isBase64Encoded": false,
        });
        if !self.path.is_empty() {
            event["pathParameters"] = json!(self.path);
        }
        if let Some(body) = &self.body {
            event["body"] = json!(body);
        }
        event
    }
}
