//! The time that calls of DynamoDB take: told on the last line of the request that waited for them, whatever kind of call
//! it is and however it ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value, json};
use shared::audit::{self, DONE, Ending, Outcome};
use shared::clock::Timestamp;
use shared::secret::Digest;
use shared::source::Source;
use shared::store::dynamo::DynamoStore;
use shared::store::{Lookup, Store as _, Write};
use shared::ticket::TicketKey;
use shared::user::UserId;
use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::engines::{behind_proxy, embedded};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Does `work` as one request. What its last line tells, and what that tells `CloudWatch`.
async fn line(work: impl Future<Output = ()>) -> (Value, Value) {
    shared::metrics::start(Some("a-stack".to_owned()));
    let (page, source) = (Page::default(), Source::default());
    let writer = page.clone();
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
    let ending = |(): &()| Ending {
        act: "user-logout",
        request_id: "r-1",
        source: &source,
        outcome: Outcome::Success,
        reason: DONE,
        status: None,
        took: Duration::ZERO,
    };
    audit::of(work, ending).with_subscriber(tracing_subscriber::registry().with(lines)).await;
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    let line: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    // Here they are still a text: only the functions' own log makes members of it.
    let metrics =
        line.get("metrics").map_or_else(Map::new, |text| serde_json::from_str(text.as_str().unwrap()).unwrap());
    (line, metrics.into())
}

/// A read, a write whose condition doesn't hold, a listing, a transaction and a deletion: one call each.
async fn five_calls(store: &DynamoStore) {
    let (user, now) = (UserId::parse("nobody").unwrap(), Timestamp::from_seconds(1_800_000_000));
    let key = TicketKey { user: user.clone(), digest: Digest::of(b"nothing") };
    let found = store.lookup(Lookup { users: vec![user.clone()], ..Lookup::default() }).await.unwrap();
    assert!(found.users.is_empty());
    assert_eq!(store.touch_ticket(&key, now).await.unwrap(), Write::Refused);
    assert_eq!(store.tickets(&user, now).await.unwrap(), []);
    assert_eq!(store.end_tickets(&user, 0, None).await.unwrap(), Write::Refused);
    store.delete_ticket(&key).await.unwrap();
}

#[tokio::test]
async fn every_call_of_a_request_is_timed() {
    let (_cloud, store) = embedded();
    let (line, metrics) = line(five_calls(&store)).await;
    assert_eq!(line["store_calls"], 5, "{line}");
    let times: Vec<f64> = metrics["StoreLatency"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect();
    assert_eq!(times.len(), 5, "{metrics}");
    assert!(times.iter().all(|time| (0.01..5_000.0).contains(time)), "{times:?}");
    let total = line["store_ms"].as_f64().unwrap();
    assert!((total - times.iter().sum::<f64>()).abs() < 1.1, "{total} {times:?}");
}

#[tokio::test]
async fn a_call_that_fails_is_timed_and_a_slow_one_is_slow() {
    let (_cloud, proxy, store) = behind_proxy();
    let nobody = || Lookup { users: vec![UserId::parse("nobody").unwrap()], ..Lookup::default() };
    proxy.slow_down();
    let (_, metrics) = line(async { assert!(store.lookup(nobody()).await.is_ok()) }).await;
    assert!(metrics["StoreLatency"][0].as_f64().unwrap() >= 20.0, "{metrics}");
    proxy.break_after(0, false);
    let (line, metrics) = line(async { assert!(store.lookup(nobody()).await.is_err()) }).await;
    assert_eq!(
        (&line["store_calls"], metrics["StoreLatency"].as_array().map(Vec::len)),
        (&json!(1), Some(1)),
        "{line}"
    );
}

#[tokio::test]
async fn a_request_that_asks_nothing_has_no_times() {
    let (_cloud, store) = embedded();
    five_calls(&store).await;
    let (line, metrics) = line(async {}).await;
    assert_eq!((line.get("store_calls"), line.get("store_ms"), metrics), (None, None, Map::new().into()), "{line}");
}
