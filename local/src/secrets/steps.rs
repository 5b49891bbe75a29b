//! The four steps of a rotation: the function, called as Secrets Manager would call it.

use std::time::Duration;

use serde_json::json;

use crate::watch::agent;

const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// Longer than any function may run.
const PATIENCE: Duration = Duration::from_secs(90);

/// Calls the function `binary` behind `front` for each step, until one fails.
pub(super) fn run(front: &str, binary: &str, secret: &str, token: &str) {
    for step in STEPS {
        if let Err(problem) = call(front, binary, &event(step, secret, token)) {
            eprintln!("secrets: the rotation of {secret} failed at {step}: {problem}");
            return;
        }
    }
}

/// The secret by the name that the functions know it by here, where AWS sends its ARN.
fn event(step: &str, secret: &str, token: &str) -> String {
    json!({ "Step": step, "SecretId": secret, "ClientRequestToken": token }).to_string()
}

fn call(front: &str, binary: &str, event: &str) -> Result<(), String> {
    let url = format!("{front}/2015-03-31/functions/{binary}/invocations");
    let mut answer = agent(Some(PATIENCE)).post(&url).send(event).map_err(|error| error.to_string())?;
    let failed = answer.headers().contains_key("x-amz-function-error") || !answer.status().is_success();
    let body = answer.body_mut().read_to_string().unwrap_or_default();
    if failed || body.contains("\"errorMessage\"") { Err(format!("{} {body}", answer.status())) } else { Ok(()) }
}
