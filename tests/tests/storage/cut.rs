//! A proxy that loses answers: the store has done what it was asked, and nobody hears of it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// In front of a DynamoDB; its thread ends with the test's process.
pub struct Proxy {
    port: u16,
    cuts: Arc<AtomicUsize>,
}

impl Proxy {
    /// Forwards to the DynamoDB at `url`, of the form `http://host:port`.
    pub fn before(url: &str) -> Self {
        let target = url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (port, cuts) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let left = Arc::clone(&cuts);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, left) = (target.clone(), Arc::clone(&left));
                thread::spawn(move || serve(&client, &target, &left));
            }
        });
        Self { port, cuts }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Loses the next answer.
    pub fn cut_one(&self) {
        self.cuts.store(1, Ordering::SeqCst);
    }

    /// Whether an answer is still to be lost.
    pub fn is_waiting(&self) -> bool {
        self.cuts.load(Ordering::SeqCst) > 0
    }
}

/// Until either side ends it, or an answer is lost, which ends the client's connection.
fn serve(mut client: &TcpStream, target: &str, left: &AtomicUsize) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    let (mut from_client, mut from_server) = (BufReader::new(client), BufReader::new(&server));
    loop {
        (&server).write_all(&message(&mut from_client)?)?;
        let answer = message(&mut from_server)?;
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |cuts| cuts.checked_sub(1)).is_ok() {
            return Ok(());
        }
        client.write_all(&answer)?;
    }
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
