//! Logging: one JSON object a line on standard output, the form that Lambda's log pipeline reads.
//!
//! Invariant: no event, body, credential or address is ever a field. Libraries are held at warnings whatever the level,
//! since below that some of them print whole requests: `lambda_runtime` the event, the SDK what DynamoDB answers.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::audit;

/// Sends our own events of `level` and above to standard output, the libraries' warnings, and the audit trail
/// whatever the level. Called once, first thing
/// in `main`.
pub fn start(level: tracing::Level) {
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_target(false)
        .with_ansi(false);
    let subscriber = tracing_subscriber::registry().with(filter(level)).with(lines);
    // A second call, as in tests, leaves the first one's subscriber in place.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn filter(level: tracing::Level) -> Targets {
    let ours = LevelFilter::from_level(level);
    Targets::new()
        .with_default(ours.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), ours)
        .with_target(audit::TARGET, LevelFilter::INFO)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::filter;

    #[test]
    fn a_library_s_requests_are_not_logged_at_any_level() {
        for level in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
            let filter = filter(level);
            for library in ["lambda_runtime", "aws_smithy_runtime", "aws_sdk_dynamodb", "hyper_util", "rustls"] {
                assert!(!filter.would_enable(library, &Level::INFO), "{library} at {level}");
                assert_eq!(filter.would_enable(library, &Level::WARN), level >= Level::WARN, "{library} at {level}");
            }
            assert!(filter.would_enable("shared::gateway", &level));
            assert!(filter.would_enable(crate::audit::TARGET, &Level::INFO), "the audit trail at {level}");
        }
    }
}
