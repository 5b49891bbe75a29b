//! Logging: one JSON object a line on standard output, the form that Lambda's log pipeline reads.
//!
//! Invariant: no event, body, credential or address is ever a field. Libraries are held at warnings whatever the level,
//! since below that some of them print whole requests: `lambda_runtime` the event, the SDK what DynamoDB answers.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use crate::audit;

/// The field whose text is a JSON object, the members of which belong to the line itself.
const METRICS: &str = "metrics";

/// Sends our own events of `level` and above to standard output, the libraries' warnings, and the audit trail
/// whatever the level. Called once, first thing
/// in `main`.
pub fn start(level: tracing::Level) {
    let lines = tracing_subscriber::fmt::layer().event_format(Lines).fmt_fields(JsonFields::new()).with_ansi(false);
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

/// The form of a line: the members that every line has, the event's own, and the span. The library's own form can't nest
/// one thing in another, as [metrics](crate::metrics) have to be.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let mut line = Line(String::with_capacity(512));
        line.member("timestamp", &timestamp);
        line.member("level", event.metadata().level().as_str());
        event.record(&mut line);
        if let Some(span) = context.parent_span() {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>().map(|fields| fields.as_str()).unwrap_or_default();
            let mut fields: Map<String, Value> = serde_json::from_str(fields).unwrap_or_default();
            fields.insert("name".to_owned(), span.name().into());
            line.member("span", &fields);
        }
        writeln!(writer, "{{{}}}", line.0)
    }
}

/// The inside of a JSON object.
struct Line(String);

impl Line {
    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        // Of what is logged here, nothing can't be JSON.
        if let (Ok(name), Ok(value)) = (serde_json::to_string(name), serde_json::to_string(value)) {
            self.members(&format!("{name}:{value}"));
        }
    }

    fn members(&mut self, inside: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(inside);
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field.name(), &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let object = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match object.filter(|inside| field.name() == METRICS && !inside.is_empty()) {
            Some(inside) => self.members(inside),
            None => self.member(field.name(), value),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field.name(), &value);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::Level;
    use tracing_subscriber::fmt::format::JsonFields;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::{Lines, filter};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that are written in `work`, in our form and in the library's.
    fn written(work: impl Fn()) -> [Vec<Value>; 2] {
        let lines = |page: Page| -> Vec<Value> {
            let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let (ours, theirs) = (Page::default(), Page::default());
        let (page, other) = (ours.clone(), theirs.clone());
        let layer = tracing_subscriber::fmt::layer().event_format(Lines).fmt_fields(JsonFields::new());
        let subscriber = tracing_subscriber::registry().with(layer.with_writer(move || page.clone()));
        tracing::subscriber::with_default(subscriber, &work);
        let layer =
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false).with_target(false);
        let subscriber = tracing_subscriber::registry().with(layer.with_writer(move || other.clone()));
        tracing::subscriber::with_default(subscriber, &work);
        [lines(ours), lines(theirs)]
    }

    #[test]
    fn a_line_is_what_the_library_would_write() {
        let lines = written(|| {
            let text = "a \"quoted\"\nline, \u{1F600}";
            tracing::info!(text, flag = true, count = 7_u64, less = -7_i64, part = 0.5, http.status = 200, "seen");
            tracing::warn!(debugged = ?Some("x"), shown = %"y", absent = None::<u64>, present = Some(1_u64), "{text}");
            let span = tracing::info_span!("request", request.id = %"r-1", endpoint = "health");
            let _entered = span.enter();
            tracing::error!(error = text, "failed");
        });
        let [ours, theirs] = lines.map(|lines| {
            let untimed = lines.into_iter().map(|mut line| {
                let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
                assert!(crate::clock::Timestamp::parse(time.as_str().unwrap()).is_some(), "{time}");
                line
            });
            untimed.collect::<Vec<_>>()
        });
        assert_eq!(ours, theirs);
        assert_eq!(ours[2]["span"], json!({ "request.id": "r-1", "endpoint": "health", "name": "request" }));
    }

    #[test]
    fn metrics_are_members_of_the_line_and_other_text_is_text() {
        let [lines, _] = written(|| {
            tracing::info!(metrics = "{\"_aws\":{\"Timestamp\":1},\"Logins\":1}", "audit");
            tracing::info!(error = "{\"_aws\":1}", "failed");
            tracing::info!(metrics = "none", "audit");
        });
        assert_eq!((&lines[0]["_aws"], &lines[0]["Logins"]), (&json!({ "Timestamp": 1 }), &json!(1)));
        assert_eq!(lines[0].get("metrics"), None);
        assert_eq!((&lines[1]["error"], lines[1].get("_aws")), (&json!("{\"_aws\":1}"), None));
        assert_eq!(lines[2]["metrics"], "none");
    }

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
