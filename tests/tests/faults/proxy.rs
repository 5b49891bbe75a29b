//! A proxy between the functions and their store that does what networks and DynamoDB do on a bad day.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use tests::Dice;

/// What it does to requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Nothing.
    Clear,
    /// Of a hundred requests 3 meet an error of the server, 3 are throttled, and 5 are carried out without an answer.
    Stormy,
    /// All are throttled.
    Throttled,
    /// Every answer takes so long.
    Slow(Duration),
    /// So many requests are forwarded, and from then on none; the last of them may be carried out without an answer.
    Dying {
        /// How many.
        forwarded: usize,
        /// Whether the last one's answer is lost.
        last_is_lost: bool,
    },
}

/// What it has done.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// Requests that arrived.
    pub requests: usize,
    /// Answered by an error, carried out or not.
    pub errors: usize,
    /// Answered by throttling.
    pub throttles: usize,
    /// Carried out, and the connection cut.
    pub cuts: usize,
    /// The most tries of one call.
    pub most_tries: usize,
}

#[derive(Clone, Copy)]
enum Fate {
    Answered(Duration),
    Error,
    ErrorAfterwards,
    Throttle,
    Cut,
    Refused,
}

struct State {
    weather: Weather,
    dice: Dice,
    counts: Counts,
}

/// In front of a DynamoDB; its threads end with the test's process.
pub struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// Forwards to the DynamoDB at `url`, of the form `http://host:port`. The same seed makes the same faults, as far as
    /// the same requests come in the same order.
    pub fn before(url: &str, seed: u64) -> Self {
        let target = url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { weather: Weather::Clear, dice: Dice::new(seed), counts: Counts::default() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, state) = (target.clone(), Arc::clone(&shared));
                thread::spawn(move || serve(&client, &target, &state));
            }
        });
        Self { port, state }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn set(&self, weather: Weather) {
        self.lock().weather = weather;
    }

    /// What it did since the last time this was asked.
    pub fn take_counts(&self) -> Counts {
        std::mem::take(&mut self.lock().counts)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn fate(&mut self, request: &str) -> Fate {
        self.counts.requests += 1;
        self.counts.most_tries = self.counts.most_tries.max(number_of_try(request));
        let fate = match &mut self.weather {
            Weather::Clear => Fate::Answered(Duration::ZERO),
            Weather::Throttled => Fate::Throttle,
            Weather::Slow(time) => Fate::Answered(*time),
            Weather::Stormy => match self.dice.below(200) {
                0..3 => Fate::Error,
                3..6 => Fate::ErrorAfterwards,
                6..12 => Fate::Throttle,
                12..22 => Fate::Cut,
                _ => Fate::Answered(Duration::ZERO),
            },
            Weather::Dying { forwarded, last_is_lost } => {
                let before = *forwarded;
                *forwarded = before.saturating_sub(1);
                match before {
                    0 => Fate::Refused,
                    1 if *last_is_lost => Fate::Cut,
                    _ => Fate::Answered(Duration::ZERO),
                }
            }
        };
        match fate {
            Fate::Error | Fate::ErrorAfterwards => self.counts.errors += 1,
            Fate::Throttle => self.counts.throttles += 1,
            Fate::Cut => self.counts.cuts += 1,
            Fate::Answered(_) | Fate::Refused => {}
        }
        fate
    }
}

/// Until either side ends it, or a fault does, which ends the client's connection.
fn serve(mut client: &TcpStream, target: &str, state: &Mutex<State>) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    for stream in [client, &server] {
        stream.set_nodelay(true)?;
    }
    let (mut from_client, mut from_server) = (BufReader::new(client), BufReader::new(&server));
    loop {
        let request = message(&mut from_client)?;
        let fate = state.lock().unwrap().fate(&String::from_utf8_lossy(&request));
        match fate {
            Fate::Refused => return Ok(()),
            Fate::Error => client.write_all(&error())?,
            Fate::Throttle => client.write_all(&throttle(&request))?,
            Fate::Answered(time) => {
                let answer = forward(&request, &server, &mut from_server)?;
                thread::sleep(time);
                client.write_all(&answer)?;
            }
            Fate::ErrorAfterwards => {
                forward(&request, &server, &mut from_server)?;
                client.write_all(&error())?;
            }
            Fate::Cut => {
                forward(&request, &server, &mut from_server)?;
                return Ok(());
            }
        }
    }
}

fn forward(request: &[u8], mut server: &TcpStream, from: &mut BufReader<&TcpStream>) -> io::Result<Vec<u8>> {
    server.write_all(request)?;
    message(from)
}

/// Which try of its call a request is, as the SDK says it.
fn number_of_try(request: &str) -> usize {
    let said = request.lines().find_map(|line| line.strip_prefix("amz-sdk-request: attempt="));
    said.and_then(|said| said.split(';').next()?.trim().parse().ok()).expect("the SDK numbers its tries")
}

fn error() -> Vec<u8> {
    answer("500 Internal Server Error", "InternalServerError")
}

/// Tables are throttled in one way and control planes, or accounts, in another.
fn throttle(request: &[u8]) -> Vec<u8> {
    let kind =
        if request.len().is_multiple_of(2) { "ProvisionedThroughputExceededException" } else { "ThrottlingException" };
    answer("400 Bad Request", kind)
}

fn answer(status: &str, kind: &str) -> Vec<u8> {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","message":"on purpose"}}"#);
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.0");
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// One HTTP message, whose body has a length or comes in chunks.
fn message(from: &mut BufReader<&TcpStream>) -> io::Result<Vec<u8>> {
    let (mut bytes, mut length, mut chunked) = (Vec::new(), 0, false);
    loop {
        let line = line(from)?;
        bytes.extend(line.as_bytes());
        let header = line.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        chunked |= header.starts_with("transfer-encoding:") && header.contains("chunked");
        if line == "\r\n" {
            break;
        }
    }
    while chunked {
        let size = line(from)?;
        bytes.extend(size.as_bytes());
        let count = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        // The line's end after each chunk, the last and empty one included.
        exactly(from, count + 2, &mut bytes)?;
        chunked = count > 0;
    }
    exactly(from, length, &mut bytes)?;
    Ok(bytes)
}

fn line(from: &mut BufReader<&TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line)
}

fn exactly(from: &mut BufReader<&TcpStream>, count: usize, into: &mut Vec<u8>) -> io::Result<()> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes)?;
    into.extend(bytes);
    Ok(())
}
