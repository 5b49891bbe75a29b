//! The answer as API Gateway takes it.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::json;

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
        let headers = vec![("content-type", content_type.to_owned()), ("cache-control", "no-store".to_owned())];
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
