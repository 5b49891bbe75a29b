//! A Lambda authorizer for other services' APIs: HTTP APIs (payload formats 1.0 and 2.0), REST APIs (token and request
//! kind) and WebSocket APIs.
//!
//! Invariant: it allows what [`Verifier`] accepted and nothing else. What can't be read is refused; what can't be judged
//! is an error, which API Gateway answers with 500 and never keeps: an outage is neither a yes nor a no.

mod answer;
mod arn;
mod event;

use std::time::Instant;

use serde_json::Value;
use shared::audit::{self, Ending, Outcome};
use shared::authorize::{Caller, Shown, Verifier};
use shared::clock::Timestamp;
use shared::config::{Authorizer as Settings, AuthorizerMode};
use shared::error::Problem;
use shared::invoke::{Failure, Function};
use shared::json::Json;
use shared::jwt::Verified;
use shared::store::Store;
use shared::tenant::TenantName;
use shared::user::UserId;

pub use answer::Answer;
use event::{Asked, Kind};

/// The function.
pub struct Authorizer<S> {
    /// Checks the caller's credential.
    pub verifier: Verifier<S>,
    /// What to hold a JWT against, and the form of the answer.
    pub settings: Settings,
}

/// What is told about a caller.
struct Identity {
    user: UserId,
    /// `None` where only the JWT was asked, which does not say.
    username: Option<String>,
    tenant: TenantName,
    roles: Vec<String>,
    scopes: Vec<String>,
    credential: &'static str,
    expires: Option<Timestamp>,
}

impl From<Caller> for Identity {
    fn from(caller: Caller) -> Self {
        Self {
            user: caller.user.id,
            username: Some(caller.user.name.as_str().to_owned()),
            tenant: caller.user.tenant,
            roles: caller.user.roles,
            scopes: caller.scopes,
            credential: caller.credential.as_str(),
            expires: caller.expires,
        }
    }
}

impl From<Verified> for Identity {
    fn from(verified: Verified) -> Self {
        Self {
            user: verified.user,
            username: None,
            tenant: verified.tenant,
            roles: verified.roles,
            scopes: Vec::new(),
            credential: "jwt",
            expires: Some(verified.expires),
        }
    }
}

impl<S: Store> Function for Authorizer<S> {
    type Event = Json;
    type Answer = Answer;

    fn name(&self) -> &'static str {
        "authorizer"
    }

    async fn call(&self, Json(event): Json, request_id: &str) -> Result<Answer, Failure> {
        let started = Instant::now();
        let (asking_id, source) = event::origin(&event);
        let request_id = asking_id.unwrap_or_else(|| request_id.to_owned());
        let judged = audit::of(self.judge(event), |judged| {
            let (outcome, reason) = match &judged.1 {
                Ok(_) => (Outcome::Success, audit::DONE),
                Err(problem) if is_outage(problem) => (Outcome::Failed, problem.reason()),
                Err(problem) => (Outcome::Refused, problem.reason()),
            };
            let took = started.elapsed();
            Ending { act: "authorizer", request_id: &request_id, source: &source, outcome, reason, status: None, took }
        });
        let (asked, judged) = judged.await;
        let form = self.settings.answer;
        match (asked, judged) {
            (Ok(asked), Ok(identity)) => Ok(answer::allowed(&asked, form, &identity)),
            (_, Err(problem)) if is_outage(&problem) => {
                Err(Failure::new("Outage", "the credential can't be judged now"))
            }
            (Ok(asked), Err(_)) => Ok(answer::refused(asked.kind, Some(&asked.stage), form)),
            (Err(kind), _) => Ok(answer::refused(kind, None, form)),
        }
    }
}

impl<S: Store> Authorizer<S> {
    /// What was asked, or at least by which kind of API, and the verdict.
    async fn judge(&self, event: Value) -> (Result<Asked, Kind>, Result<Identity, Problem>) {
        let kind = Kind::of(&event);
        let Some(asked) = Asked::read(event) else {
            return (Err(kind), Err(Problem::invalid("the event", "must be one of an API Gateway authorizer")));
        };
        let verdict = match asked.shown() {
            Ok(Some(shown)) => self.identify(shown).await,
            Ok(None) => {
                audit::detail("no_credential");
                Err(Problem::Unauthenticated)
            }
            Err(problem) => Err(problem),
        };
        (Ok(asked), verdict)
    }

    async fn identify(&self, shown: Shown<'_>) -> Result<Identity, Problem> {
        match (shown, self.settings.mode) {
            (Shown::Jwt(text), AuthorizerMode::SignatureOnlyIgnoresRevocation) => {
                self.verifier.signed(text).await.map(Identity::from)
            }
            (shown, _) => self.verifier.caller(shown).await.map(Identity::from),
        }
    }
}

/// Whether nobody knows if the credential is good. Anything that is not known to be a refusal counts.
fn is_outage(problem: &Problem) -> bool {
    !matches!(problem, Problem::Unauthenticated | Problem::Invalid { .. })
}
