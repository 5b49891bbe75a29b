//! The event as API Gateway sends it, and the request that is left once it has been checked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::body::{Fields, Parameters, Spelling};
use crate::api::Route;
use crate::error::Problem;

/// The longest body that is read, in bytes after base64.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

/// An invocation's payload, taken as it comes: every JSON value deserialises, so that a strange event is answered and
/// not an error of the runtime.
#[derive(Clone)]
pub struct Event(Value);

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self)
    }
}

impl From<Value> for Event {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl Event {
    /// The gateway's id of the request; `-` when there is none that is fit for a header and a log.
    #[must_use]
    pub fn request_id(&self) -> String {
        self.0
            .pointer("/requestContext/requestId")
            .and_then(Value::as_str)
            .filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic() && b != b'"'))
            .unwrap_or("-")
            .to_owned()
    }

    /// Checks the event and takes out of it what requests are made of.
    pub fn into_request(self, route: &Route) -> Result<Request, Problem> {
        let malformed = || Problem::invalid("the event", "must be an API Gateway request of payload format 2.0");
        let Value::Object(mut event) = self.0 else { return Err(malformed()) };
        if event.get("version").and_then(Value::as_str) != Some("2.0") {
            return Err(malformed());
        }
        let method = event.get("requestContext").and_then(|context| context.pointer("/http/method"));
        match method.and_then(Value::as_str) {
            Some(method) if method == route.method => {}
            Some(_) => return Err(Problem::NoSuchRoute),
            None => return Err(malformed()),
        }
        let headers = pairs(event.remove("headers")).ok_or_else(malformed)?;
        let path = pairs(event.remove("pathParameters")).ok_or_else(malformed)?;
        let query = optional_text(event.remove("rawQueryString")).ok_or_else(malformed)?;
        let body = body(&mut event)?;
        Ok(Request { headers, path, query, body })
    }
}

/// A map of texts; absent and null are empty. `None` for anything else.
fn pairs(value: Option<Value>) -> Option<Vec<(String, String)>> {
    match value {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Object(map)) => map
            .into_iter()
            .map(|(key, value)| match value {
                Value::String(value) => Some((key, value)),
                _ => None,
            })
            .collect(),
        Some(_) => None,
    }
}

/// A text; absent and null are empty. `None` for anything else.
fn optional_text(value: Option<Value>) -> Option<String> {
    match value {
        None | Some(Value::Null) => Some(String::new()),
        Some(Value::String(text)) => Some(text),
        Some(_) => None,
    }
}

fn body(event: &mut Map<String, Value>) -> Result<Vec<u8>, Problem> {
    let encoded = match event.get("isBase64Encoded") {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Bool(true)) => true,
        Some(_) => return Err(Problem::invalid("isBase64Encoded", "must be true or false")),
    };
    let text = optional_text(event.remove("body")).ok_or_else(|| Problem::invalid("the body", "must be text"))?;
    let limit = if encoded { MAX_BODY_BYTES.div_ceil(3) * 4 } else { MAX_BODY_BYTES };
    if text.len() > limit {
        return Err(Problem::BodyTooLarge);
    }
    if !encoded {
        return Ok(text.into_bytes());
    }
    let bytes = STANDARD.decode(text).map_err(|_| Problem::invalid("the body", "must be valid base64"))?;
    if bytes.len() > MAX_BODY_BYTES { Err(Problem::BodyTooLarge) } else { Ok(bytes) }
}

/// A request whose form has been checked. Its contents are still only what somebody sent.
pub struct Request {
    headers: Vec<(String, String)>,
    path: Vec<(String, String)>,
    query: String,
    body: Vec<u8>,
}

impl Request {
    /// A path parameter, as the gateway gave it. Never the path itself, which clients can spell in many ways.
    pub fn path_parameter(&self, name: &'static str) -> Result<&str, Problem> {
        let found = self.path.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        found.ok_or_else(|| Problem::invalid("the event", "must hold the route's path parameters"))
    }

    /// A header that carries a credential. One that comes twice, holds a comma (which is how the gateway joins two) or
    /// anything but visible ASCII and single spaces is refused before it is compared with anything.
    pub fn credential(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        let mut values = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let Some((_, value)) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Problem::invalid(name, "must come once"));
        }
        if value.contains(',') {
            return Err(Problem::invalid(name, "must come once and hold no comma"));
        }
        if !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Err(Problem::invalid(name, "must hold visible ASCII characters only"));
        }
        let value = value.trim_matches(' ');
        Ok((!value.is_empty()).then_some(value))
    }

    /// The JWT in `Authorization`, raw or after `Bearer`; `None` where there is none or another scheme.
    pub fn bearer(&self) -> Result<Option<&str>, Problem> {
        let Some(value) = self.credential("authorization")? else { return Ok(None) };
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_start_matches(' '),
            Some(_) => return Ok(None),
            None => value,
        };
        Ok((!token.contains(' ')).then_some(token))
    }

    /// The body as a JSON object. An absent one counts as `{}` only where `default_empty` says so.
    pub fn json(&self, spelling: Spelling, default_empty: bool) -> Result<Fields, Problem> {
        if self.body.is_empty() && default_empty {
            return Ok(Fields::empty());
        }
        if !self.body.is_empty() || self.media_type()?.is_some() {
            self.expect_media_type(&[JSON])?;
        }
        Fields::parse(&self.body, spelling)
    }

    /// The body as a JSON object, or as plain text.
    pub fn json_or_text(&self, spelling: Spelling) -> Result<Result<Fields, String>, Problem> {
        if self.media_type()?.as_deref() == Some(TEXT) {
            let text = std::str::from_utf8(&self.body);
            let text = text.map_err(|_| Problem::invalid("the body", "must be valid UTF-8"))?;
            return Ok(Err(text.to_owned()));
        }
        self.json(spelling, false).map(Ok)
    }

    /// The parameters of query string and form body together; of those `known`, each at most once.
    pub fn parameters(&self, known: &[&'static str]) -> Result<Parameters, Problem> {
        let form: &[u8] = if self.body.is_empty() {
            &[]
        } else {
            self.expect_media_type(&[FORM])?;
            &self.body
        };
        Parameters::parse(&[self.query.as_bytes(), form], known)
    }

    fn expect_media_type(&self, accepted: &[&str]) -> Result<(), Problem> {
        match self.media_type()? {
            Some(given) if accepted.contains(&given.as_str()) => Ok(()),
            _ => Err(Problem::UnsupportedMediaType),
        }
    }

    /// The media type of the body, lower case; a charset other than UTF-8 is not supported.
    fn media_type(&self) -> Result<Option<String>, Problem> {
        let mut values = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case("content-type"));
        let Some((_, value)) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Problem::invalid("content-type", "must come once"));
        }
        let mut parts = value.split(';');
        let media_type = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim().trim_matches('"');
            if name.trim().eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") {
                return Err(Problem::UnsupportedMediaType);
            }
        }
        Ok((!media_type.is_empty()).then_some(media_type))
    }
}
