//! The audit trail: one event for every authentication, refusal, revocation, rotation and administrative act.
//!
//! What a request was found to be about is noted on the way, wherever it is found; the event is written once, at the
//! end. It is written whatever the log level is, and holds no secret, no password, no address and no user name. Its
//! schema is in `docs/audit-log.md`.

use std::cell::RefCell;
use std::time::Duration;

use crate::access_token::AccessToken;
use crate::invocation::Invocation;
use crate::metrics;
use crate::source::Source;
use crate::tenant::TenantName;
use crate::user::{User, UserId};

/// The tracing target of audit events, which the log level does not hold back.
pub const TARGET: &str = "audit";

/// The reason of every success.
pub const DONE: &str = "done";

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was not allowed, or the input was bad.
    Refused,
    /// It could not be judged or done: an outage, or our fault.
    Failed,
}

impl Outcome {
    /// Its name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What was found out so far.
#[derive(Default)]
struct Trail {
    user: Option<String>,
    tenant: Option<String>,
    application: Option<String>,
    credential: Option<&'static str>,
    subject: Option<String>,
    detail: Option<&'static str>,
}

tokio::task_local! {
    static TRAIL: RefCell<Trail>;
}

/// What is written at the end of an act.
pub struct Ending<'a> {
    /// The function: the name of its folder.
    pub act: &'static str,
    /// The request's id.
    pub request_id: &'a str,
    /// Where the request came from.
    pub source: &'a Source,
    /// How it ended.
    pub outcome: Outcome,
    /// Why: one of a closed list, [`crate::error::Problem::reason`] for endpoints.
    pub reason: &'static str,
    /// The status, for what speaks HTTP.
    pub status: Option<u16>,
    /// How long it took.
    pub took: Duration,
}

impl Ending<'_> {
    fn duration_ms(&self) -> u64 {
        u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX)
    }

    fn counted(&self, trail: &Trail, invocation: &Invocation) -> metrics::Told {
        metrics::told(&metrics::End {
            act: self.act,
            outcome: self.outcome,
            reason: self.reason,
            detail: trail.detail,
            credential: trail.credential,
            cold_start: invocation.cold_start,
        })
    }
}

/// Runs `act`, then writes the event that `ending` makes of its result.
pub fn of<'a, T>(act: impl Future<Output = T>, ending: impl FnOnce(&T) -> Ending<'a>) -> impl Future<Output = T> {
    noted(Box::pin(act), |result, trail| write(&ending(result), trail))
}

/// The same for a request that is no act: somebody read what is public.
pub fn answered<'a, T>(
    reading: impl Future<Output = T>,
    ending: impl FnOnce(&T) -> Ending<'a>,
) -> impl Future<Output = T> {
    noted(Box::pin(reading), |result, trail| write_answered(&ending(result), trail))
}

/// What is done is on the heap: each layer around it would hold it twice.
async fn noted<T>(work: impl Future<Output = T> + Unpin, written: impl FnOnce(&T, &Trail)) -> T {
    let work = TRAIL.scope(RefCell::default(), async {
        let result = work.await;
        let trail = TRAIL.with(RefCell::take);
        written(&result, &trail);
        result
    });
    metrics::of(work).await
}

fn write(ending: &Ending<'_>, trail: &Trail) {
    let invocation = Invocation::current();
    let counted = ending.counted(trail, &invocation);
    tracing::info!(
        target: TARGET,
        act = ending.act,
        outcome = ending.outcome.as_str(),
        reason = ending.reason,
        detail = trail.detail,
        user = trail.user,
        tenant = trail.tenant,
        application = trail.application,
        credential = trail.credential,
        subject = trail.subject,
        network = ending.source.network,
        request_id = ending.request_id,
        lambda_request_id = invocation.lambda_request_id,
        xray_trace_id = invocation.xray_trace_id,
        http.status = ending.status,
        duration_ms = ending.duration_ms(),
        store_calls = counted.store_calls,
        store_ms = counted.store_ms,
        kdf_ms = counted.kdf_ms,
        cold_start = invocation.cold_start.then_some(true),
        metrics = counted.metrics,
        "audit"
    );
}

fn write_answered(ending: &Ending<'_>, trail: &Trail) {
    let invocation = Invocation::current();
    let counted = ending.counted(trail, &invocation);
    tracing::info!(
        act = ending.act,
        outcome = ending.outcome.as_str(),
        reason = ending.reason,
        request_id = ending.request_id,
        lambda_request_id = invocation.lambda_request_id,
        xray_trace_id = invocation.xray_trace_id,
        http.status = ending.status,
        duration_ms = ending.duration_ms(),
        store_calls = counted.store_calls,
        store_ms = counted.store_ms,
        kdf_ms = counted.kdf_ms,
        cold_start = invocation.cold_start.then_some(true),
        metrics = counted.metrics,
        "answered"
    );
}

fn note(change: impl FnOnce(&mut Trail)) {
    // Outside of an act, as in unit tests, there is nothing to note it on.
    let _ = TRAIL.try_with(|trail| change(&mut trail.borrow_mut()));
}

/// Whose account it is: who acts, or whom an application's act is about. The last one noted counts.
pub fn actor(user: &User) {
    account(&user.id, &user.tenant);
}

/// [`actor`], where only id and tenant are known.
pub fn account(id: &UserId, tenant: &TenantName) {
    note(|trail| {
        trail.user = Some(id.as_str().to_owned());
        trail.tenant = Some(tenant.as_str().to_owned());
    });
}

/// [`actor`], where only the id is known.
pub fn owner(id: &UserId) {
    note(|trail| trail.user = Some(id.as_str().to_owned()));
}

/// In which tenant, where it is about no account, or about none that was found. For one that exists: what is none's name
/// may be a secret in the wrong place.
pub fn tenant(name: &TenantName) {
    note(|trail| trail.tenant = Some(name.as_str().to_owned()));
}

/// On whose behalf: the calling application.
pub fn application(token: &AccessToken) {
    note(|trail| trail.application = Some(token.application.clone()));
}

/// By what: the kind of credential that was shown.
pub fn credential(kind: &'static str) {
    note(|trail| trail.credential = Some(kind));
}

/// To what: a session's or an auth header's id, a key's id. Never what could be shown as a credential.
pub fn subject(id: &str) {
    note(|trail| trail.subject = Some(id.to_owned()));
}

/// More exactly why than a client is told.
pub fn detail(reason: &'static str) {
    note(|trail| trail.detail = Some(reason));
}
