//! The event as API Gateway sends it, and the request that is left once it has been checked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::body::{Fields, Parameters, Spelling, form_decoded};
use crate::api::{self, Route};
use crate::edge::{self, Edge, Way};
use crate::error::Problem;
use crate::json::Json;
use crate::source::Source;

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
        Json::deserialize(deserializer).map(|Json(value)| Self(value))
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

    /// Where the request came from, as the gateway saw it.
    #[must_use]
    pub fn source(&self) -> Source {
        let text = |pointer| self.0.pointer(pointer).and_then(Value::as_str);
        Source::new(text("/requestContext/http/sourceIp"), text("/requestContext/http/userAgent"))
    }

    /// Holds the event against what stands in front of the API. Afterwards it says of its source what it would say if
    /// nothing did: the address is the client's, or missing where the edge didn't tell one.
    pub fn passed(&mut self, edge: &Edge) -> Result<(), Problem> {
        let headers = self.0.get("headers").and_then(Value::as_object);
        // A value that is no text can't be right, so it counts as an empty one.
        let values = |name: &str| -> Vec<&str> {
            let named = headers.into_iter().flatten().filter(|(key, _)| key.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.as_str().unwrap_or_default()).collect()
        };
        let viewer = match edge.way(&values(edge::SECRET_HEADER), &values(edge::VIEWER_HEADER)) {
            Way::Refused => return Err(Problem::AroundEdge),
            Way::Around => return Ok(()),
            Way::Through(viewer) => viewer,
        };
        if let Some(http) = self.0.pointer_mut("/requestContext/http").and_then(Value::as_object_mut) {
            match viewer {
                Some(address) => http.insert("sourceIp".to_owned(), address.to_string().into()),
                None => http.remove("sourceIp"),
            };
        }
        Ok(())
    }

    /// The route that the gateway took the request for, if it is one of ours.
    #[must_use]
    pub fn route(&self) -> Option<&'static Route> {
        let (method, path) = self.0.get("routeKey").and_then(Value::as_str)?.split_once(' ')?;
        let alias = api::ALIASES.iter().find(|alias| alias.path == path && alias.route.method == method);
        let own = api::ROUTES.iter().find(|route| route.path == path && route.method == method);
        own.or(alias.map(|alias| alias.route))
    }

    /// Checks the event and takes out of it what requests are made of.
    pub fn into_request(self, route: &Route) -> Result<Request, Problem> {
        let malformed = || Problem::invalid("the event", "must be an API Gateway request of payload format 2.0");
        let source = self.source();
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
        let headers = Headers(pairs(event.remove("headers")).ok_or_else(malformed)?);
        let path = pairs(event.remove("pathParameters")).ok_or_else(malformed)?;
        let query = optional_text(event.remove("rawQueryString")).ok_or_else(malformed)?;
        let body = body(&mut event)?;
        Ok(Request { headers, path, query, body, source })
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

/// The headers of an event.
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Of an event's member `headers`, one text each; absent and null are none. `None` for anything else.
    #[must_use]
    pub fn of(value: Option<Value>) -> Option<Self> {
        pairs(value).map(Self)
    }

    /// Of an event's member `multiValueHeaders`, a list of texts each; absent and null are none. `None` for anything
    /// else.
    #[must_use]
    pub fn of_lists(value: Option<Value>) -> Option<Self> {
        let map = match value {
            None | Some(Value::Null) => return Some(Self(Vec::new())),
            Some(Value::Object(map)) => map,
            Some(_) => return None,
        };
        let mut headers = Vec::new();
        for (name, values) in map {
            let Value::Array(values) = values else { return None };
            for value in values {
                let Value::String(value) = value else { return None };
                headers.push((name.clone(), value));
            }
        }
        Some(Self(headers))
    }

    /// A header that carries a credential. One that comes twice is refused, and so is a value that
    /// [`credential_text`] refuses, before it is compared with anything.
    pub fn credential(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let Some((_, value)) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Problem::invalid(name, "must come once"));
        }
        credential_text(name, value)
    }

    /// The JWT in `Authorization`, raw or after `Bearer`; `None` where there is none or another scheme.
    pub fn bearer(&self) -> Result<Option<&str>, Problem> {
        Ok(self.credential("authorization")?.and_then(without_scheme))
    }
}

/// What follows `Bearer` in the value of a credential's header, or all of a value without a scheme; `None` for another
/// scheme.
#[must_use]
pub fn without_scheme(value: &str) -> Option<&str> {
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_start_matches(' '),
        Some(_) => return None,
        None => value,
    };
    (!token.contains(' ')).then_some(token)
}

/// The value of a header that carries a credential, without the spaces around it; `None` where nothing is left. One
/// that holds a comma (which is how the gateway joins two) or anything but visible ASCII and spaces is refused.
pub fn credential_text<'a>(name: &'static str, value: &'a str) -> Result<Option<&'a str>, Problem> {
    if value.contains(',') {
        return Err(Problem::invalid(name, "must come once and hold no comma"));
    }
    if !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(Problem::invalid(name, "must hold visible ASCII characters only"));
    }
    let value = value.trim_matches(' ');
    Ok((!value.is_empty()).then_some(value))
}

/// A request whose form has been checked. Its contents are still only what somebody sent.
pub struct Request {
    headers: Headers,
    path: Vec<(String, String)>,
    query: String,
    body: Vec<u8>,
    source: Source,
}

impl Request {
    /// Where it came from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// A path parameter, as the gateway gave it. Never the path itself, which clients can spell in many ways.
    pub fn path_parameter(&self, name: &'static str) -> Result<&str, Problem> {
        let found = self.path.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        found.ok_or_else(|| Problem::invalid("the event", "must hold the route's path parameters"))
    }

    /// A header that carries a credential: see [`Headers::credential`].
    pub fn credential(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        self.headers.credential(name)
    }

    /// The JWT in `Authorization`: see [`Headers::bearer`].
    pub fn bearer(&self) -> Result<Option<&str>, Problem> {
        self.headers.bearer()
    }

    /// User name and password in `Authorization` after `Basic` (RFC 7617), each with its form encoding undone (RFC 6749,
    /// section 2.3.1); `None` where there is another scheme.
    pub fn basic(&self) -> Result<Option<(String, String)>, Problem> {
        const RULE: &str = "must hold a name and a password in base64 after Basic";
        let Some(value) = self.credential("authorization")? else { return Ok(None) };
        let Some((scheme, encoded)) = value.split_once(' ') else { return Ok(None) };
        if !scheme.eq_ignore_ascii_case("basic") {
            return Ok(None);
        }
        let malformed = || Problem::invalid("authorization", RULE);
        let bytes = STANDARD.decode(encoded.trim_matches(' ')).map_err(|_| malformed())?;
        let colon = bytes.iter().position(|byte| *byte == b':').ok_or_else(malformed)?;
        let (name, password) = (bytes.get(..colon), bytes.get(colon + 1..));
        let name = name.and_then(form_decoded).ok_or_else(malformed)?;
        let password = password.and_then(form_decoded).ok_or_else(malformed)?;
        Ok(Some((name, password)))
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

    /// A text of 1 to `max` bytes that is the whole body as plain text, or the one field `name` of a JSON object.
    pub fn text_or_field(&self, name: &'static str, max: usize) -> Result<String, Problem> {
        if self.media_type()?.as_deref() != Some(TEXT) {
            let mut fields = self.json(Spelling::AnyCase, false)?;
            let text = fields.text(name, max)?;
            fields.finish()?;
            return Ok(text);
        }
        let text = std::str::from_utf8(&self.body);
        let text = text.map_err(|_| Problem::invalid("the body", "must be valid UTF-8"))?;
        if text.len() > max {
            return Err(Problem::invalid(name, "is too long"));
        }
        if text.trim().is_empty() {
            return Err(Problem::invalid(name, "must not be empty"));
        }
        Ok(text.to_owned())
    }

    /// The parameters of a form body alone, which must be there (RFC 7662, section 2.1: never in the query).
    pub fn form(&self, known: &[&'static str]) -> Result<Parameters, Problem> {
        self.expect_media_type(&[FORM])?;
        Parameters::parse(&[&self.body], known)
    }

    /// The parameters of the query string alone, whatever the body is.
    pub fn query(&self, known: &[&'static str]) -> Result<Parameters, Problem> {
        Parameters::parse(&[self.query.as_bytes()], known)
    }

    /// The same with `lists`: parameters that may come several times.
    pub fn query_and_lists(&self, once: &[&'static str], lists: &[&'static str]) -> Result<Parameters, Problem> {
        Parameters::parse_with_lists(&[self.query.as_bytes()], once, lists)
    }

    /// The parameters of query string and form body together; of those `known`, each at most once.
    pub fn parameters(&self, known: &[&'static str]) -> Result<Parameters, Problem> {
        self.parameters_and_lists(known, &[])
    }

    /// The same with `lists`: parameters that may come several times.
    pub fn parameters_and_lists(&self, once: &[&'static str], lists: &[&'static str]) -> Result<Parameters, Problem> {
        let form: &[u8] = if self.body.is_empty() {
            &[]
        } else {
            self.expect_media_type(&[FORM])?;
            &self.body
        };
        Parameters::parse_with_lists(&[self.query.as_bytes(), form], once, lists)
    }

    fn expect_media_type(&self, accepted: &[&str]) -> Result<(), Problem> {
        match self.media_type()? {
            Some(given) if accepted.contains(&given.as_str()) => Ok(()),
            _ => Err(Problem::UnsupportedMediaType),
        }
    }

    /// The media type of the body, lower case; a charset other than UTF-8 is not supported.
    fn media_type(&self) -> Result<Option<String>, Problem> {
        let mut values = self.headers.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case("content-type"));
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
