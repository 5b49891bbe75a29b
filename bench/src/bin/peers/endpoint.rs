//! A store endpoint as a function meets it at AWS: over TLS, with a certificate of an authority that the function finds
//! where it finds all others. It stands in front of one of the local cloud's endpoints and counts what passes.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, HOST};
use axum::http::{HeaderValue, StatusCode, Uri, request};
use axum::response::{IntoResponse as _, Response};
use axum::serve::Listener;
use bench::process::on_cpu;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Error;

/// Where systems keep the certificates of all authorities in one file.
const SYSTEM_BUNDLES: [&str; 3] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/cert.pem", "/etc/ssl/cert.pem"];

/// Larger than any answer of the store.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// A certificate authority that lives as long as this program, and a server's certificate by it.
pub struct Authority {
    folder: TempDir,
    server: Arc<ServerConfig>,
}

impl Authority {
    /// Makes both, with RSA keys of 2048 bits, as those of AWS's endpoints are.
    pub fn new() -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::Scratch)?;
        let key = || KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048);
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "Measurements");
        let authority_key = key()?;
        let own = authority.self_signed(&authority_key)?.pem();
        let server_key = key()?;
        let server = CertificateParams::new(["127.0.0.1".to_owned()])?;
        let certificate = server.signed_by(&server_key, &Issuer::new(authority, authority_key))?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(certificate.der().to_vec())], private)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // As many certificates as a system has, for reading them is part of a start.
        let system = SYSTEM_BUNDLES.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).map_err(Error::Scratch);
        write("bundle.pem", &format!("{system}\n{own}"))?;
        write("own.pem", &own)?;
        Ok(Self { folder, server: Arc::new(config) })
    }

    /// The system's authorities and this one, in a file.
    pub fn bundle(&self) -> PathBuf {
        self.folder.path().join("bundle.pem")
    }

    /// This one alone, in a file.
    pub fn own(&self) -> PathBuf {
        self.folder.path().join("own.pem")
    }

    /// Starts an endpoint in front of `upstream` and tells its URL.
    pub async fn before(&self, upstream: &str, passed: &Arc<Passed>) -> Result<String, Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(bench::Error::Listen)?;
        let address = listener.local_addr().map_err(bench::Error::Listen)?;
        let (sender, streams) = mpsc::unbounded_channel();
        tokio::spawn(accept(listener, TlsAcceptor::from(Arc::clone(&self.server)), Arc::clone(passed), sender));
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let front = Front {
            client: Client::builder(TokioExecutor::new()).build(connector),
            upstream: upstream.trim_end_matches('/').to_owned(),
            passed: Arc::clone(passed),
        };
        let app = Router::new().fallback(pass).with_state(Arc::new(front));
        tokio::spawn(async move { axum::serve(Streams { streams, address }, app).await });
        Ok(format!("https://{address}"))
    }
}

/// What passed the endpoints.
#[derive(Debug, Default)]
pub struct Passed {
    connections: AtomicU64,
    requests: AtomicU64,
    is_metered: AtomicBool,
    counted: Mutex<Counted>,
}

/// What is not a plain number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    /// Read units, while units are asked for.
    pub reads: f64,
    /// Write units, while units are asked for.
    pub writes: f64,
    /// The function's time on a processor when its first connection came.
    pub before: Option<Duration>,
}

impl Passed {
    /// Begins anew, and asks the store for units from now on or not. Asking makes a call larger.
    pub fn reset(&self, is_metered: bool) {
        self.connections.store(0, Ordering::Relaxed);
        self.requests.store(0, Ordering::Relaxed);
        self.is_metered.store(is_metered, Ordering::Relaxed);
        *self.counted() = Counted::default();
    }

    /// Connections that were opened.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Requests that were made.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The rest.
    pub fn rest(&self) -> Counted {
        *self.counted()
    }

    fn counted(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connected(&self) {
        if self.connections.fetch_add(1, Ordering::Relaxed) == 0 {
            self.counted().before = Some(children());
        }
    }

    fn bill(&self, operation: &str, consumed: &Value) {
        let each = consumed.as_array().map_or_else(|| std::slice::from_ref(consumed), Vec::as_slice);
        let units: f64 = each.iter().filter_map(|one| one.get("CapacityUnits")?.as_f64()).sum();
        let mut counted = self.counted();
        match operation {
            "BatchGetItem" | "GetItem" | "Query" => counted.reads += units,
            _ => counted.writes += units,
        }
    }
}

/// The time that this program's children have spent on a processor. While a function starts, it is the only one.
fn children() -> Duration {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let children: Vec<_> =
        lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    let threads =
        children.iter().flat_map(|child| fs::read_dir(format!("/proc/{child}/task")).into_iter().flatten().flatten());
    threads.map(|thread| on_cpu(&thread.path().join("schedstat"))).sum()
}

struct Front {
    client: Client<HttpConnector, Body>,
    upstream: String,
    passed: Arc<Passed>,
}

async fn pass(State(front): State<Arc<Front>>, request: Request) -> Response {
    front.passed.requests.fetch_add(1, Ordering::Relaxed);
    match front.exchange(request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

impl Front {
    async fn exchange(&self, request: Request) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
        let (mut head, body) = request.into_parts();
        let mut body = axum::body::to_bytes(body, MAX_BODY).await?;
        let metered = self.passed.is_metered.load(Ordering::Relaxed).then(|| operation(&head)).flatten();
        if metered.is_some() {
            body = asking(&body)?;
        }
        head.uri = format!("{}{}", self.upstream, head.uri.path()).parse::<Uri>()?;
        head.headers.remove(HOST);
        head.headers.remove(CONTENT_LENGTH);
        let (mut head, answer) = self.client.request(Request::from_parts(head, Body::from(body))).await?.into_parts();
        let mut answer = axum::body::to_bytes(Body::new(answer), MAX_BODY).await?;
        if let Some(operation) = metered {
            let mut document: Value = serde_json::from_slice(&answer)?;
            let consumed = document.as_object_mut().and_then(|members| members.remove("ConsumedCapacity"));
            self.passed.bill(&operation, &consumed.unwrap_or_default());
            answer = Bytes::from(serde_json::to_vec(&document)?);
            if let Some(sum) = head.headers.get_mut("x-amz-crc32") {
                *sum = HeaderValue::from(crc32fast::hash(&answer));
            }
        }
        head.headers.remove(CONTENT_LENGTH);
        Ok(Response::from_parts(head, Body::from(answer)))
    }
}

/// The DynamoDB operation of a call, if it is one.
fn operation(head: &request::Parts) -> Option<String> {
    let target = head.headers.get("x-amz-target")?.to_str().ok()?;
    Some(target.strip_prefix("DynamoDB_20120810.")?.to_owned())
}

/// The same call, that also asks what it costs.
fn asking(body: &[u8]) -> Result<Bytes, serde_json::Error> {
    let mut document: Value = serde_json::from_slice(body)?;
    if let Some(members) = document.as_object_mut() {
        members.insert("ReturnConsumedCapacity".to_owned(), json!("TOTAL"));
    }
    serde_json::to_vec(&document).map(Bytes::from)
}

/// Connections, each after its own handshake: one that hesitates holds no other up.
async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    passed: Arc<Passed>,
    sender: mpsc::UnboundedSender<TlsStream<TcpStream>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        passed.connected();
        let _ = stream.set_nodelay(true);
        let (acceptor, sender) = (acceptor.clone(), sender.clone());
        // A handshake that fails fails for the function too, which then says so.
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = sender.send(stream);
            }
        });
    }
}

struct Streams {
    streams: mpsc::UnboundedReceiver<TlsStream<TcpStream>>,
    address: SocketAddr,
}

impl Listener for Streams {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.streams.recv().await {
            Some(stream) => (stream, self.address),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// The path as what an environment variable holds.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_all_tables_are_summed_reads_and_writes_apart() {
        let passed = Passed::default();
        passed.bill("BatchGetItem", &json!([{ "CapacityUnits": 1.0 }, { "CapacityUnits": 0.5 }]));
        passed.bill("UpdateItem", &json!({ "CapacityUnits": 2.0 }));
        passed.bill("PutItem", &Value::Null);
        let Counted { reads, writes, .. } = passed.rest();
        assert_eq!((reads.to_string(), writes.to_string()), ("1.5".to_owned(), "2".to_owned()));
    }

    #[test]
    fn a_call_that_is_asked_for_its_units_stays_the_same_otherwise() {
        let asked: Value = serde_json::from_slice(&asking(br#"{"TableName":"t"}"#).unwrap()).unwrap();
        assert_eq!(asked, json!({ "TableName": "t", "ReturnConsumedCapacity": "TOTAL" }));
    }
}
