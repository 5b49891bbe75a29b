//! The audit trail of a run, as it was written.

use std::cell::RefCell;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    static WRITTEN: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// An audit event.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Of which request.
    pub request_id: String,
    /// How it ended.
    pub outcome: String,
}

/// Runs `what` and keeps its audit trail, for [`take`].
pub fn listen<T>(what: impl FnOnce() -> T) -> T {
    WRITTEN.with_borrow_mut(Vec::clear);
    tracing::subscriber::with_default(Listener, what)
}

/// The events of a request since the last time this was asked.
#[must_use]
pub fn take(request_id: &str) -> Vec<Line> {
    WRITTEN.with_borrow_mut(|lines| lines.extract_if(.., |line| line.request_id == request_id).collect())
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == shared::audit::TARGET
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        WRITTEN.with_borrow_mut(|lines| lines.push(line));
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "request_id" => value.clone_into(&mut self.request_id),
            "outcome" => value.clone_into(&mut self.outcome),
            _ => {}
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn std::fmt::Debug) {}
}
