//! Requests, as the events that API Gateway makes of them.

use serde_json::{Map, Value, json};
use shared::api::Route;

/// A request to one endpoint.
pub struct Ask<'a> {
    /// The endpoint.
    pub route: &'static Route,
    /// The value of `{id}` in its path.
    pub id: Option<&'a str>,
    /// A header of the client's own.
    pub header: Option<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

/// What a request brings along.
pub enum Body {
    /// Nothing.
    None,
    /// JSON.
    Json(Value),
    /// A form. Its values hold nothing that would need an escape: tokens, ids and hexadecimal digits.
    Form(Vec<(&'static str, String)>),
}

impl Body {
    fn encoded(&self) -> Option<(&'static str, String)> {
        match self {
            Self::None => None,
            Self::Json(value) => Some(("application/json", value.to_string())),
            Self::Form(fields) => {
                let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
                Some(("application/x-www-form-urlencoded", pairs.join("&")))
            }
        }
    }
}

impl Ask<'_> {
    /// The event that a request from `address` becomes.
    pub fn event(&self, address: &str) -> String {
        let Route { method, path, .. } = self.route;
        let raw = self.id.map_or_else(|| (*path).to_owned(), |id| path.replace("{id}", id));
        let mut event = json!({
            "version": "2.0", "routeKey": format!("{method} {path}"), "rawPath": raw, "rawQueryString": "",
            "headers": self.headers(address), "requestContext": self.context(address, &raw), "isBase64Encoded": false,
        });
        if let (Some(id), Some(event)) = (self.id, event.as_object_mut()) {
            event.insert("pathParameters".to_owned(), json!({ "id": id }));
        }
        if let (Some((_, body)), Some(event)) = (self.body.encoded(), event.as_object_mut()) {
            event.insert("body".to_owned(), body.into());
        }
        event.to_string()
    }

    fn headers(&self, address: &str) -> Value {
        let mut headers: Map<String, Value> = Map::new();
        let fixed = [
            ("accept", "*/*"),
            ("host", "auth.example.com"),
            ("user-agent", "load"),
            ("x-forwarded-for", address),
            ("x-forwarded-port", "443"),
            ("x-forwarded-proto", "https"),
        ];
        headers.extend(fixed.map(|(name, value)| (name.to_owned(), value.into())));
        headers.extend(self.header.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())));
        if let Some((kind, body)) = self.body.encoded() {
            headers.insert("content-type".to_owned(), kind.into());
            headers.insert("content-length".to_owned(), body.len().to_string().into());
        }
        headers.into()
    }

    fn context(&self, address: &str, raw: &str) -> Value {
        let Route { method, path, .. } = self.route;
        json!({
            "accountId": local::ACCOUNT_ID, "apiId": "abcde12345", "domainName": "auth.example.com",
            "domainPrefix": "auth", "requestId": "5Vrx4hbkfsTw3Og=", "routeKey": format!("{method} {path}"),
            "stage": "$default", "time": "22/Nov/2026:01:00:00 +0000", "timeEpoch": 1_795_309_200_000_u64,
            "http": {
                "method": method, "path": raw, "protocol": "HTTP/1.1", "sourceIp": address, "userAgent": "load",
            },
        })
    }
}

/// What API Gateway asks the authorizer when somebody with this header calls an API that it guards.
pub fn authorization(header: &'static str, value: &str, address: &str) -> String {
    json!({
        "version": "2.0", "type": "REQUEST",
        "routeArn": "arn:aws:execute-api:us-east-1:123456789012:abcde12345/$default/GET/orders/7",
        "identitySource": [value, "GET /orders/{id}"], "routeKey": "GET /orders/{id}", "rawPath": "/orders/7",
        "rawQueryString": "", "pathParameters": { "id": "7" },
        "headers": { "accept": "*/*", "host": "orders.example.com", "x-forwarded-for": address, header: value },
        "requestContext": {
            "accountId": local::ACCOUNT_ID, "apiId": "abcde12345", "domainName": "orders.example.com",
            "domainPrefix": "orders", "requestId": "5Vrx4hbkfsTw3Og=", "routeKey": "GET /orders/{id}",
            "stage": "$default", "time": "22/Nov/2026:01:00:00 +0000", "timeEpoch": 1_795_309_200_000_u64,
            "http": {
                "method": "GET", "path": "/orders/7", "protocol": "HTTP/1.1", "sourceIp": address, "userAgent": "load",
            },
        },
    })
    .to_string()
}
