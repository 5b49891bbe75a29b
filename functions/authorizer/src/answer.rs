//! What API Gateway is told.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use shared::config::AuthorizerAnswer;
use shared::secret::Digest;
use shared::tenant::TenantName;

use crate::Identity;
use crate::arn::Stage;
use crate::event::{Asked, Kind};

/// What stays out of a context's values, so that a list of names splits at its spaces and any value can be a header's:
/// these, and whatever is no visible ASCII, is percent-encoded.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b',').add(b'"').add(b'\\');

/// An answer in one of the two forms that API Gateway knows.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// For an authorizer with simple responses.
    Simple(Simple),
    /// An IAM policy.
    Iam(Iam),
}

/// Yes or no.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Simple {
    is_authorized: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context>,
}

/// A policy for the calling request's caller.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Iam {
    principal_id: String,
    policy_document: Policy,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_identifier_key: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    version: &'static str,
    statement: [Statement; 1],
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: &'static str,
    action: &'static str,
    resource: String,
}

/// What the API behind learns of the caller: texts only, since a REST API takes no list.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Context {
    user: String,
    username: String,
    tenant: String,
    roles: String,
    scopes: String,
    credential: &'static str,
    expires: String,
}

/// The caller may call.
#[must_use]
pub fn allowed(asked: &Asked, form: AuthorizerAnswer, identity: &Identity) -> Answer {
    let context = Some(context(identity));
    if is_simple(asked.kind, form) {
        return Answer::Simple(Simple { is_authorized: true, context });
    }
    Answer::Iam(Iam {
        principal_id: identity.user.as_str().to_owned(),
        // The whole stage: where answers are kept, this one serves the caller's other methods too.
        policy_document: policy("Allow", asked.stage.every_method()),
        context,
        usage_identifier_key: (asked.kind == Kind::Rest).then(|| usage_key(&identity.tenant)),
    })
}

/// Nobody may call; it doesn't say why.
#[must_use]
pub fn refused(kind: Kind, stage: Option<&Stage>, form: AuthorizerAnswer) -> Answer {
    if is_simple(kind, form) {
        return Answer::Simple(Simple { is_authorized: false, context: None });
    }
    let resource = stage.map_or_else(|| "*".to_owned(), Stage::every_method);
    Answer::Iam(Iam {
        principal_id: "refused".to_owned(),
        policy_document: policy("Deny", resource),
        context: None,
        usage_identifier_key: None,
    })
}

fn is_simple(kind: Kind, form: AuthorizerAnswer) -> bool {
    kind == Kind::Http2 && form == AuthorizerAnswer::Simple
}

fn policy(effect: &'static str, resource: String) -> Policy {
    Policy { version: "2012-10-17", statement: [Statement { effect, action: "execute-api:Invoke", resource }] }
}

fn context(identity: &Identity) -> Context {
    let list = |names: &[String]| names.iter().map(|name| encoded(name)).collect::<Vec<_>>().join(" ");
    Context {
        user: identity.user.as_str().to_owned(),
        username: identity.username.as_deref().map(encoded).unwrap_or_default(),
        tenant: identity.tenant.as_str().to_owned(),
        roles: list(&identity.roles),
        scopes: list(&identity.scopes),
        credential: identity.credential,
        expires: identity.expires.map(|expires| expires.as_seconds().to_string()).unwrap_or_default(),
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The value of the API key that stands for a tenant in usage plans: 64 hexadecimal digits, since a tenant's name can be
/// shorter than an API key may be.
fn usage_key(tenant: &TenantName) -> String {
    Digest::of(tenant.as_str().as_bytes()).to_hex()
}
