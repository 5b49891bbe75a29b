//! A proxy in front of the local cloud that records when which call was under way. It passes bytes on as they come, so
//! that it costs a call little and changes nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Error;

/// One call.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// `PutItem` and the like.
    pub operation: String,
    /// When its first byte came.
    pub start: Instant,
    /// When the last byte of its answer came.
    pub end: Instant,
}

/// What was recorded, by all proxies together.
#[derive(Debug, Default)]
pub struct Recorder {
    exchanges: Mutex<Vec<Exchange>>,
    delay_ms: AtomicU64,
}

impl Recorder {
    /// Starts a proxy for `http://host:port` and tells its own URL.
    pub async fn before(self: &Arc<Self>, url: &str) -> Result<String, Error> {
        let upstream = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(Error::Listen)?;
        let address = listener.local_addr().map_err(Error::Listen)?;
        let recorder = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (recorder, upstream) = (Arc::clone(&recorder), upstream.clone());
                // A connection that breaks breaks for the function too, which then says so.
                tokio::spawn(async move { recorder.pass_on(client, &upstream).await });
            }
        });
        Ok(format!("http://{address}"))
    }

    /// From now on each call takes this much longer.
    pub fn delay(&self, by: Duration) {
        self.delay_ms.store(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The calls since this was last asked, by their start.
    pub fn take(&self) -> Vec<Exchange> {
        let mut taken = std::mem::take(&mut *self.exchanges.lock().unwrap_or_else(PoisonError::into_inner));
        taken.sort_by_key(|exchange| exchange.start);
        taken
    }

    async fn pass_on(&self, mut client: TcpStream, upstream: &str) -> std::io::Result<()> {
        let mut server = TcpStream::connect(upstream).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        let mut request = Vec::new();
        let mut start = Instant::now();
        loop {
            // A client of HTTP/1.1 waits for the answer before it asks again: whoever speaks, it is their turn.
            tokio::select! {
                length = client.read(&mut asked) => {
                    let bytes = asked.get(..length?).unwrap_or_default();
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    if request.is_empty() {
                        start = Instant::now();
                        tokio::time::sleep(Duration::from_millis(self.delay_ms.load(Ordering::Relaxed))).await;
                    }
                    request.extend_from_slice(bytes);
                    server.write_all(bytes).await?;
                }
                length = server.read(&mut answered) => {
                    let bytes = answered.get(..length?).unwrap_or_default();
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    self.note(&request, start);
                    request.clear();
                    client.write_all(bytes).await?;
                }
            }
        }
    }

    /// Notes an answer's first piece, or with an empty request a further one.
    fn note(&self, request: &[u8], start: Instant) {
        let end = Instant::now();
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        if request.is_empty() {
            exchanges.iter_mut().filter(|exchange| exchange.start == start).for_each(|exchange| exchange.end = end);
        } else {
            exchanges.push(Exchange { operation: operation(request), start, end });
        }
    }
}

/// The last part of the header `x-amz-target`, as in `DynamoDB_20120810.PutItem`.
fn operation(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    let mut headers = text.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
    let target = headers.find(|(name, _)| name.eq_ignore_ascii_case("x-amz-target"));
    let operation = target.and_then(|(_, value)| value.trim().rsplit('.').next());
    operation.unwrap_or("unknown").to_owned()
}

/// Calls that were under way at the same time, together: the round trips that were made one after the other.
#[must_use]
pub fn trips(exchanges: &[Exchange]) -> Vec<Vec<Exchange>> {
    let mut trips: Vec<Vec<Exchange>> = Vec::new();
    for exchange in exchanges {
        match trips.last_mut() {
            Some(trip) if trip.iter().any(|earlier| exchange.start < earlier.end) => trip.push(exchange.clone()),
            _ => trips.push(vec![exchange.clone()]),
        }
    }
    trips
}

/// From the start of the first of the calls to the end of the last one.
#[must_use]
pub fn span(trip: &[Exchange]) -> Duration {
    let start = trip.iter().map(|exchange| exchange.start).min();
    let end = trip.iter().map(|exchange| exchange.end).max();
    start.zip(end).map(|(start, end)| end - start).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_overlap_are_one_trip() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let call = |start, end| Exchange { operation: String::new(), start: at(start), end: at(end) };
        let found = trips(&[call(0, 2), call(2, 3), call(5, 9), call(6, 8), call(7, 10)]);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 3]);
        assert_eq!(span(&found[2]), Duration::from_millis(5));
    }

    #[test]
    fn the_operation_is_read_from_the_head_alone() {
        let request = b"POST / HTTP/1.1\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\n\r\nx-amz-target: A.Query";
        assert_eq!(operation(request), "PutItem");
        assert_eq!(operation(b"POST / HTTP/1.1\r\n\r\nx-amz-target: A.Query"), "unknown");
    }
}
