//! What API Gateway asks an authorizer.
//!
//! Invariant: an event is read whole or not at all, and then it carries one credential at most.

use serde_json::{Map, Value};
use shared::authorize::Shown;
use shared::error::Problem;
use shared::gateway::{Headers, credential_text, without_scheme};
use shared::source::Source;

use crate::arn::Stage;

/// Which kind of API asks, which decides the form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An HTTP API, payload format 2.0.
    Http2,
    /// An HTTP API, payload format 1.0.
    Http1,
    /// A REST API (or a WebSocket API, whose events and answers are alike).
    Rest,
}

impl Kind {
    /// The kind that an event says it is, well formed or not.
    #[must_use]
    pub fn of(event: &Value) -> Self {
        match event.get("version").and_then(Value::as_str) {
            Some("2.0") => Self::Http2,
            Some("1.0") => Self::Http1,
            _ => Self::Rest,
        }
    }
}

/// An event whose form has been checked.
pub struct Asked {
    /// What asks.
    pub kind: Kind,
    /// Which stage of which API.
    pub stage: Stage,
    carried: Carried,
}

/// Where the credential is.
enum Carried {
    /// In a header that names its form.
    Headers {
        /// One value each.
        headers: Headers,
        /// All values, where the event has them.
        lists: Option<Headers>,
    },
    /// The value of the one header that the API's authorizer is set to.
    Text(String),
}

impl Asked {
    /// Checks an event's form; `None` for everything that API Gateway does not send.
    #[must_use]
    pub fn read(event: Value) -> Option<Self> {
        let kind = Kind::of(&event);
        let Value::Object(mut event) = event else { return None };
        match event.get("version") {
            None => {}
            Some(Value::String(version)) if version == "1.0" || version == "2.0" => {}
            Some(_) => return None,
        }
        let arn = event.get(if kind == Kind::Http2 { "routeArn" } else { "methodArn" })?;
        let stage = Stage::of_method(arn.as_str()?)?;
        let carried = match (event.get("type")?.as_str()?, kind) {
            ("REQUEST", _) => headers(&mut event)?,
            ("TOKEN", Kind::Rest) => Carried::Text(event.get("authorizationToken")?.as_str()?.to_owned()),
            _ => return None,
        };
        Some(Self { kind, stage, carried })
    }

    /// The one credential that came, in the form of its header; `None` for none. Two are refused: a gateway that keeps
    /// answers by one header would give them to whoever sends the other.
    pub fn shown(&self) -> Result<Option<Shown<'_>>, Problem> {
        let headers = match &self.carried {
            Carried::Text(text) => {
                let text = credential_text("authorizationToken", text)?;
                return Ok(text.and_then(without_scheme).map(Shown::of_form));
            }
            Carried::Headers { headers, lists: None } => headers,
            Carried::Headers { headers, lists: Some(lists) } => agreed(headers, lists)?,
        };
        let found = [
            headers.bearer()?.map(Shown::Jwt),
            headers.credential(AUTH_HEADER)?.map(Shown::AuthHeader),
            headers.credential(TICKET)?.map(Shown::Ticket),
        ];
        let mut found = found.into_iter().flatten();
        match (found.next(), found.next()) {
            (shown, None) => Ok(shown),
            (_, Some(_)) => Err(Problem::invalid("the request", "must carry one credential")),
        }
    }
}

const JWT: &str = "authorization";
const AUTH_HEADER: &str = "x-authorization";
const TICKET: &str = "x-ticket";

fn headers(event: &mut Map<String, Value>) -> Option<Carried> {
    let headers = Headers::of(event.remove("headers"))?;
    let lists = match event.remove("multiValueHeaders") {
        None | Some(Value::Null) => None,
        lists => Some(Headers::of_lists(lists)?),
    };
    Some(Carried::Headers { headers, lists })
}

/// The headers, once each credential is known to be there once: `headers` holds the last of several values only.
fn agreed<'a>(headers: &'a Headers, lists: &Headers) -> Result<&'a Headers, Problem> {
    for name in [JWT, AUTH_HEADER, TICKET] {
        if lists.credential(name)? != headers.credential(name)? {
            return Err(Problem::invalid(name, "must come once"));
        }
    }
    Ok(headers)
}

/// The gateway's id of the request, and where that came from: for the audit trail.
#[must_use]
pub fn origin(event: &Value) -> (Option<String>, Source) {
    let context =
        |pointers: [&str; 2]| pointers.into_iter().find_map(|pointer| event.pointer(pointer)).and_then(Value::as_str);
    let id = event.pointer("/requestContext/requestId").and_then(Value::as_str);
    let id = id.filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()));
    let address = context(["/requestContext/http/sourceIp", "/requestContext/identity/sourceIp"]);
    let agent = context(["/requestContext/http/userAgent", "/requestContext/identity/userAgent"]);
    (id.map(str::to_owned), Source::new(address, agent))
}
