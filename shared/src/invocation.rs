//! What the platform says of one invocation, so that the last line of a request leads to Lambda's own lines about it and
//! to its trace.
//!
//! Invariant: of the trace's header, which a client can send, nothing is kept but an id of exactly X-Ray's form.

use std::sync::atomic::{AtomicBool, Ordering};

/// An environment of Lambda, which serves one invocation after the other, or several at a time.
#[derive(Default)]
pub struct Environment {
    used: AtomicBool,
}

impl Environment {
    /// What is known of the next invocation.
    pub fn next(&self, context: &lambda_runtime::Context) -> Invocation {
        let first = !self.used.swap(true, Ordering::Relaxed);
        Invocation::new(&context.request_id, context.xray_trace_id.as_deref(), first)
    }
}

/// One invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Lambda's id of it.
    pub(crate) lambda_request_id: Option<String>,
    /// The id of its trace, if X-Ray keeps one.
    pub(crate) xray_trace_id: Option<String>,
    /// Whether it is its environment's first.
    pub(crate) cold_start: bool,
}

tokio::task_local! {
    static INVOCATION: Invocation;
}

impl Invocation {
    /// An invocation that Lambda calls `request_id`, with the header of its trace.
    #[must_use]
    pub fn new(request_id: &str, trace: Option<&str>, cold_start: bool) -> Self {
        Self {
            lambda_request_id: Some(request_id.to_owned()).filter(|id| !id.is_empty()),
            xray_trace_id: trace.and_then(sampled).map(str::to_owned),
            cold_start,
        }
    }

    /// Does `work` as this invocation.
    pub async fn run<T>(self, work: impl Future<Output = T>) -> T {
        INVOCATION.scope(self, work).await
    }

    /// The one that is being served. Outside of Lambda, as in tests, nothing is known of it.
    pub(crate) fn current() -> Self {
        INVOCATION.try_with(Self::clone).unwrap_or_default()
    }
}

/// The id of a trace that is kept, from `Root=1-…;Parent=…;Sampled=1`.
fn sampled(header: &str) -> Option<&str> {
    let part = |name: &str| header.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let id = part("Root").filter(|id| is_trace_id(id))?;
    (part("Sampled") == Some("1")).then_some(id)
}

fn is_trace_id(text: &str) -> bool {
    let hexadecimal = |part: &str, digits| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.split('-').collect::<Vec<_>>()[..] {
        ["1", time, random] => hexadecimal(time, 8) && hexadecimal(random, 24),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1-6921a0c4-0123456789abcdef01234567";

    #[test]
    fn only_a_trace_that_is_kept_is_named_and_only_by_an_id() {
        let id = |header: &str| Invocation::new("r", Some(header), false).xray_trace_id;
        for header in [
            format!("Root={ID};Parent=0123456789abcdef;Sampled=1"),
            format!("Sampled=1; Root={ID}"),
            format!("Root={ID};Sampled=1;Lineage=a:b"),
        ] {
            assert_eq!(id(&header).as_deref(), Some(ID), "{header}");
        }
        for header in [
            String::new(),
            format!("Root={ID}"),
            format!("Root={ID};Sampled=0"),
            format!("Root={ID}0;Sampled=1"),
            format!("Root=2{};Sampled=1", &ID[1..]),
            format!("Root={};Sampled=1", ID.replace('a', "g")),
            "Root=a secret;Sampled=1".to_owned(),
        ] {
            assert_eq!(id(&header), None, "{header}");
        }
    }

    #[test]
    fn an_environment_starts_cold_once() {
        let environment = Environment::default();
        let context = lambda_runtime::Context::default();
        let starts: Vec<bool> = (0..3).map(|_| environment.next(&context).cold_start).collect();
        assert_eq!(starts, [true, false, false]);
    }
}
