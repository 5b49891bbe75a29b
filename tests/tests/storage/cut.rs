//! A proxy that loses answers: the store has done what it was asked, and nobody hears of it. It can also break down for
//! good, and say that another transaction was in the way, which no engine here ever does.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// In front of a DynamoDB; its thread ends with the test's process.
pub struct Proxy {
    port: u16,
    faults: Arc<Faults>,
}

struct Faults {
    /// The answer that is lost, counted from 1; 0 for none.
    cut: AtomicUsize,
    /// So many requests are answered by a conflict.
    conflicts: AtomicUsize,
    /// So many requests are forwarded before it breaks down.
    forwarded: AtomicUsize,
    /// Whether the last of these is carried out and its answer lost.
    last_is_lost: AtomicBool,
    /// Whether every answer takes a while.
    slow: AtomicBool,
    /// How many requests are on their way, and the most that ever were.
    running: [AtomicUsize; 2],
    /// The next transaction says here that it has come, and waits to be let through.
    gate: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

impl Proxy {
    /// Forwards to the DynamoDB at `url`, of the form `http://host:port`.
    pub fn before(url: &str) -> Self {
        let target = url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let faults = Arc::new(Faults {
            cut: AtomicUsize::new(0),
            conflicts: AtomicUsize::new(0),
            forwarded: AtomicUsize::new(usize::MAX),
            last_is_lost: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            running: Default::default(),
            gate: Mutex::new(None),
        });
        let shared = Arc::clone(&faults);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, faults) = (target.clone(), Arc::clone(&shared));
                thread::spawn(move || serve(&client, &target, &faults));
            }
        });
        Self { port, faults }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Loses the next answer.
    pub fn cut_one(&self) {
        self.cut(1);
    }

    /// Loses one answer, the next where `number` is 1.
    pub fn cut(&self, number: usize) {
        self.faults.cut.store(number, Ordering::SeqCst);
    }

    /// Whether an answer is still to be lost.
    pub fn is_waiting(&self) -> bool {
        self.faults.cut.load(Ordering::SeqCst) > 0
    }

    /// Answers the next requests by a conflict with another transaction.
    pub fn conflict(&self, requests: usize) {
        self.faults.conflicts.store(requests, Ordering::SeqCst);
    }

    /// From now on every answer takes a while.
    pub fn slow_down(&self) {
        self.faults.slow.store(true, Ordering::SeqCst);
    }

    /// The most requests that were on their way at the same time.
    pub fn most_at_once(&self) -> usize {
        self.faults.running[1].load(Ordering::SeqCst)
    }

    /// Stops the next transaction: says when it has come, and lets it through when told.
    pub fn stop_transaction(&self) -> (Receiver<()>, Sender<()>) {
        let ((come, comes), (go, goes)) = (channel(), channel());
        *self.faults.gate.lock().unwrap() = Some((come, goes));
        (comes, go)
    }

    /// Breaks down after so many requests; the last of them may be carried out without an answer.
    pub fn break_after(&self, requests: usize, last_is_lost: bool) {
        self.faults.last_is_lost.store(last_is_lost, Ordering::SeqCst);
        self.faults.forwarded.store(requests, Ordering::SeqCst);
    }

    /// Forwards everything again.
    pub fn repair(&self) {
        self.break_after(usize::MAX, false);
    }
}

/// Counts down to nothing; what it was before, or nothing.
fn take(count: &AtomicUsize) -> usize {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).unwrap_or_default()
}

/// Until either side ends it, or a fault does, which ends the client's connection.
fn serve(mut client: &TcpStream, target: &str, faults: &Faults) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    let (mut from_client, mut from_server) = (BufReader::new(client), BufReader::new(&server));
    loop {
        let request = message(&mut from_client)?;
        if is_transaction(&request)
            && let Some((come, goes)) = faults.gate.lock().unwrap().take()
        {
            come.send(()).unwrap();
            goes.recv().unwrap();
        }
        if take(&faults.conflicts) > 0 {
            client.write_all(&conflict(&request))?;
            continue;
        }
        let left = take(&faults.forwarded);
        if left == 0 {
            return Ok(());
        }
        let [running, most] = &faults.running;
        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        (&server).write_all(&request)?;
        let answer = message(&mut from_server)?;
        if faults.slow.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(20));
        }
        running.fetch_sub(1, Ordering::SeqCst);
        if take(&faults.cut) == 1 || left == 1 && faults.last_is_lost.load(Ordering::SeqCst) {
            return Ok(());
        }
        client.write_all(&answer)?;
    }
}

fn is_transaction(request: &[u8]) -> bool {
    String::from_utf8_lossy(request).contains("TransactWriteItems")
}

/// What DynamoDB answers where another transaction on the same item is going on.
fn conflict(request: &[u8]) -> Vec<u8> {
    let (kind, reasons) = if is_transaction(request) {
        ("TransactionCanceledException", r#","CancellationReasons":[{"Code":"TransactionConflict"}]"#)
    } else {
        ("TransactionConflictException", "")
    };
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","Message":"conflict"{reasons}}}"#);
    let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// One HTTP message with a content-length.
fn message(from: &mut BufReader<&TcpStream>) -> io::Result<Vec<u8>> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend(line.as_bytes());
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    bytes.extend(body);
    Ok(bytes)
}
