//! Logging: one JSON object a line on standard output, the form that Lambda's log pipeline reads.
//!
//! Invariant: no event, body, credential or address is ever a field.

/// Sends events of `level` and above to standard output. Called once, first thing in `main`.
pub fn start(level: tracing::Level) {
    use tracing_subscriber::layer::SubscriberExt as _;
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_target(false)
        .with_ansi(false);
    let ours = tracing_subscriber::filter::LevelFilter::from_level(level);
    let subscriber = tracing_subscriber::registry().with(ours).with(lines);
    // A second call, as in tests, leaves the first one's subscriber in place.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
