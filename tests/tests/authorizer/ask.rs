//! The events of every kind of API, and their answers read strictly.

use serde_json::{Map, Value, json};
use shared::config::{Authorizer as Settings, AuthorizerAnswer, AuthorizerMode};
use shared::invoke::{self, Failure};
use tests::World;
use tests::world::verifier;

/// The stage whose methods every event here asks for.
pub const STAGE: &str = "arn:aws:execute-api:eu-central-1:123456789012:abcde12345/live";

/// How an API asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Payload format 2.0, simple answers.
    Simple,
    /// Payload format 2.0, policies.
    Policy,
    /// Payload format 1.0.
    Version1,
    /// A REST API, request kind.
    Request,
    /// A REST API, token kind.
    Token,
}

pub const WAYS: [Way; 5] = [Way::Simple, Way::Policy, Way::Version1, Way::Request, Way::Token];

pub const MODES: [AuthorizerMode; 2] = [AuthorizerMode::EveryRequest, AuthorizerMode::SignatureOnlyIgnoresRevocation];

type Headers<'a> = &'a [(&'a str, &'a str)];

impl Way {
    /// The event of a request with these headers; those of one name are joined or listed as the gateway does. The token
    /// kind has the last one's value.
    pub fn event(self, headers: Headers<'_>) -> Value {
        let arn = format!("{STAGE}/GET/orders/7");
        match self {
            Self::Simple | Self::Policy => json!({
                "version": "2.0", "type": "REQUEST", "routeArn": arn, "routeKey": "GET /orders/{id}",
                "rawPath": "/orders/7", "rawQueryString": "", "headers": joined(headers),
                "requestContext": {
                    "requestId": "5Vrx4hbkfsTw3Og=", "routeKey": "GET /orders/{id}", "stage": "live",
                    "http": { "method": "GET", "path": "/orders/7", "sourceIp": "203.0.113.7", "userAgent": "test" },
                },
            }),
            Self::Version1 | Self::Request => {
                let mut event = json!({
                    "type": "REQUEST", "methodArn": arn, "resource": "/orders/{id}", "httpMethod": "GET",
                    "headers": last(headers), "multiValueHeaders": listed(headers),
                    "requestContext": {
                        "requestId": "c6af9ac6-7b61-11e6-9a41-93e8aabbccdd", "stage": "live",
                        "identity": { "sourceIp": "203.0.113.7", "userAgent": "test" },
                    },
                });
                if self == Self::Version1 {
                    event["version"] = json!("1.0");
                }
                event
            }
            Self::Token => {
                let text = headers.last().map_or("", |(_, value)| value);
                json!({ "type": "TOKEN", "authorizationToken": text, "methodArn": arn })
            }
        }
    }

    fn settings(self, mode: AuthorizerMode) -> Settings {
        // The setting is for payload format 2.0 only, so the others are tried with the one that would be wrong for them.
        let answer = if self == Self::Policy { AuthorizerAnswer::Iam } else { AuthorizerAnswer::Simple };
        Settings { answer, mode }
    }

    /// The answer to an event.
    pub async fn ask(self, world: &World, mode: AuthorizerMode, event: Value) -> Result<Value, Failure> {
        let function = authorizer::Authorizer { verifier: verifier(&world.stack), settings: self.settings(mode) };
        invoke::handle(&function, event, "r-1").await
    }

    /// Whether an answer lets the caller in. One that is not exactly of the documented form fails the test.
    pub fn allows(self, answer: &Value) -> bool {
        if self == Self::Simple {
            let allowed = answer["isAuthorized"].as_bool().expect("isAuthorized");
            assert_eq!(keys(answer), if allowed { vec!["context", "isAuthorized"] } else { vec!["isAuthorized"] });
            return allowed;
        }
        let statements = answer["policyDocument"]["Statement"].as_array().expect("statements");
        assert_eq!(statements.len(), 1, "{answer}");
        let allowed = statements[0]["Effect"] == "Allow";
        let (effect, stage) = (if allowed { "Allow" } else { "Deny" }, format!("{STAGE}/*"));
        let statement = json!([{ "Effect": effect, "Action": "execute-api:Invoke", "Resource": stage }]);
        assert_eq!(answer["policyDocument"], json!({ "Version": "2012-10-17", "Statement": statement }));
        let mut expected = vec!["policyDocument", "principalId"];
        if allowed {
            expected.insert(0, "context");
        }
        if allowed && matches!(self, Self::Request | Self::Token) {
            expected.push("usageIdentifierKey");
        }
        assert_eq!(keys(answer), expected, "{answer}");
        allowed
    }
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// As payload format 2.0 has them: names in lower case, values of one name joined.
fn joined(headers: Headers<'_>) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        let before = map.get(&name).and_then(Value::as_str).map(|before| format!("{before},")).unwrap_or_default();
        map.insert(name, json!(format!("{before}{value}")));
    }
    map
}

fn last(headers: Headers<'_>) -> Map<String, Value> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}

fn listed(headers: Headers<'_>) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in headers {
        let values = map.entry(*name).or_insert_with(|| json!([]));
        values.as_array_mut().expect("a list").push(json!(value));
    }
    map
}
