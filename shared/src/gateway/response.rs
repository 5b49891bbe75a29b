//! The answer as API Gateway takes it.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::json;

/// Of every answer, should a browser ever show one: it is what its type says, runs and loads nothing, is in nobody's frame,
/// and its address, which can hold a ticket, is told to nobody. And the name is asked by HTTPS only, for a year
/// (OWASP REST Security Cheat Sheet, security headers).
const FOR_BROWSERS: [(&str, &str); 4] = [
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
];

/// An HTTP answer: JSON and never stored, unless said otherwise.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Response {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        match serde_json::to_string(body) {
            Ok(body) => Self::new(status, "application/json", body),
            Err(_) => Self::new(500, "application/json", r#"{"message":"Internal server error"}"#.to_owned()),
        }
    }

    /// A 200 with an empty body, which is no JSON.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(200, "text/plain; charset=utf-8", String::new())
    }

    fn new(status: u16, content_type: &str, body: String) -> Self {
        let own = [("content-type", content_type), ("cache-control", "no-store")];
        let headers = own.into_iter().chain(FOR_BROWSERS).map(|(name, value)| (name, value.to_owned())).collect();
        Self { status, headers, body }
    }

    /// Sets a header, in place of an earlier one of that name.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }
}

/// Without the body, which may hold a credential.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Serialize for Response {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let headers: serde_json::Map<_, _> =
            self.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        // `cargo lambda watch` wants the member `cookies`; the gateway takes it or leaves it.
        json!({
            "statusCode": self.status, "headers": headers, "body": self.body, "isBase64Encoded": false, "cookies": [],
        })
        .serialize(serializer)
    }
}
