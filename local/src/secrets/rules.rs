//! Where Secrets Manager is stricter than the mock: what it refuses, and how a rotation begins.

use serde_json::{Value as Json, json};
use winterbaume_secretsmanager::SecretsmanagerStateView;
use winterbaume_secretsmanager::views::{SecretVersionView, SecretView};

const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";

/// An answer that the mock is not asked for.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Json,
}

impl Reply {
    fn refusal(kind: &str, message: impl Into<String>) -> Self {
        Self { status: 400, body: json!({ "__type": kind, "Message": message.into() }) }
    }
}

/// A value that is put under a version id that has one: the same value changes nothing, another is refused.
pub(super) fn put(state: &SecretsmanagerStateView, request: &Json) -> Option<Reply> {
    let secret = secret(state, request)?;
    let version = secret.versions.get(request.get("ClientRequestToken")?.as_str()?)?;
    version.secret_string.as_ref()?;
    if version.secret_string.as_deref() == request.get("SecretString").and_then(Json::as_str) {
        let body = json!({
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": version.version_id,
            "VersionStages": version.version_stages,
        });
        return Some(Reply { status: 200, body });
    }
    Some(Reply::refusal("ResourceExistsException", "The version has another value already."))
}

/// A label that is on a version moves only away from that one.
pub(super) fn move_stage(state: &SecretsmanagerStateView, request: &Json) -> Option<Reply> {
    let secret = secret(state, request)?;
    let label = request.get("VersionStage")?.as_str()?;
    let holder =
        secret.versions.values().find(|version| has(version, label)).map(|version| version.version_id.as_str());
    let from = request.get("RemoveFromVersionId").and_then(Json::as_str);
    (holder != from).then(|| {
        let message = format!("The label {label} is on {holder:?}, which RemoveFromVersionId has to name.");
        Reply::refusal("InvalidParameterException", message)
    })
}

/// A version that has no value yet, as a rotation makes it, is as good as none.
pub(super) fn get(answer: &Json) -> Option<Reply> {
    let is_empty = answer.get("SecretString").is_none() && answer.get("SecretBinary").is_none();
    (is_empty && answer.get("VersionId").is_some())
        .then(|| Reply::refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret value."))
}

/// Begins a rotation, or goes on with one that was left open, which is answered with an error all the same. Says which
/// secret the steps are to be run for, and with which token.
pub(super) fn rotate(
    state: &mut SecretsmanagerStateView,
    request: &Json,
    is_linked: impl Fn(&str) -> bool,
    now: &str,
) -> (Reply, Option<(String, String)>) {
    let refusal = |kind, message: &str| (Reply::refusal(kind, message), None);
    let Some(name) = secret(state, request).map(|secret| secret.name.clone()) else {
        return refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
    };
    if !is_linked(&name) {
        return refusal("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.");
    }
    let Some(token) = request.get("ClientRequestToken").and_then(Json::as_str) else {
        return refusal("InvalidParameterException", "ClientRequestToken is missing.");
    };
    let Some(secret) = state.secrets.get_mut(&name) else {
        return refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
    };
    if let Some(open) = secret.versions.values().find(|version| has(version, PENDING) && !has(version, CURRENT)) {
        let message = "A previous rotation isn't complete. That rotation will be reattempted.";
        return (Reply::refusal("InvalidRequestException", message), Some((name, open.version_id.clone())));
    }
    if secret.versions.contains_key(token) {
        return refusal("ResourceExistsException", "There is a version of this id already.");
    }
    for version in secret.versions.values_mut() {
        version.version_stages.retain(|stage| stage != PENDING);
    }
    let version = SecretVersionView {
        version_id: token.to_owned(),
        secret_string: None,
        secret_binary: None,
        created_date: now.to_owned(),
        version_stages: vec![PENDING.to_owned()],
    };
    secret.versions.insert(token.to_owned(), version);
    let body = json!({ "ARN": secret.arn, "Name": secret.name, "VersionId": token });
    (Reply { status: 200, body }, Some((name, token.to_owned())))
}

fn secret<'a>(state: &'a SecretsmanagerStateView, request: &Json) -> Option<&'a SecretView> {
    let id = request.get("SecretId")?.as_str()?;
    state.secrets.get(id).or_else(|| state.secrets.values().find(|secret| secret.arn == id))
}

fn has(version: &SecretVersionView, stage: &str) -> bool {
    version.version_stages.iter().any(|label| label == stage)
}
