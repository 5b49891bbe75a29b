//! Ostiary's side of the interoperability matrix: takes JSON lines from `tests/interop/run` and answers each with one.
//!
//! What it signs and checks goes the way of a request: tokens come from the login endpoint, keys from the JWKS endpoint,
//! and a token that is offered meets both `jwt::verify`, which tells a reason, and an endpoint, which asks for its ticket.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use local::cloud::Cloud;
use local::functions::{self, Profile};
use local::progress::Progress;
use local::template::Template;
use local::tools::Tools;
use local::watch::{Mode, Options, Output, Server};
use local::{demo, template_path};
use serde_json::{Value, json};
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::config::Config;
use shared::jwt::{self, Rejection};
use shared::keyring::{Algorithm, KeySet};
use tests::{Call, World};
use tokio::runtime::{Builder, Runtime};

fn main() {
    let mut side = Side {
        runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
        worlds: BTreeMap::new(),
        running: None,
    };
    for line in io::stdin().lines() {
        let question = serde_json::from_str(&line.expect("a line")).expect("a line of JSON");
        println!("{}", side.answer(&question));
    }
    side.stop();
}

/// A stack in memory and a second keyset, which nobody publishes.
struct Signer {
    world: World,
    stranger: String,
}

struct Running {
    server: Server,
    cloud: Cloud,
    _folder: tempfile::TempDir,
}

struct Side {
    runtime: Runtime,
    worlds: BTreeMap<String, Signer>,
    running: Option<Running>,
}

impl Side {
    fn answer(&mut self, question: &Value) -> Value {
        let name = text(question, "alg");
        match text(question, "op") {
            "found" => self.found(name),
            "sign" => self.worlds[name].sign(question),
            "verify" => self.runtime.block_on(self.worlds[name].verify(text(question, "token"))),
            "start" => self.start(name),
            "stop" => self.stop(),
            other => panic!("no such question: {other}"),
        }
    }

    fn found(&mut self, name: &str) -> Value {
        let algorithm = Algorithm::parse(name).expect("an algorithm of ours");
        let signer = self.runtime.block_on(Signer::new(algorithm));
        let answer = self.runtime.block_on(signer.describe());
        self.worlds.insert(name.to_owned(), signer);
        answer
    }

    /// The real stack over HTTP, with keys of that algorithm.
    fn start(&mut self, algorithm: &str) -> Value {
        self.stop();
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr()).expect("a port").port();
        let issuer = format!("http://127.0.0.1:{port}");
        let parameters = BTreeMap::from([
            ("Issuer".to_owned(), issuer.clone()),
            ("DefaultTenant".to_owned(), demo::TENANT.to_owned()),
            ("SigningAlgorithm".to_owned(), algorithm.to_owned()),
        ]);
        let template = told(Template::read(&template_path(), &parameters));
        let tools = told(Tools::install(Progress::silent()));
        told(functions::build(&told(template.functions()), Profile::Dev, Progress::silent()));
        let folder = told(tempfile::tempdir());
        let cloud = told(Cloud::start(&template, None));
        let demo = told(demo::prepare(&cloud, &issuer));
        let options = Options {
            port,
            mode: Mode::Prebuilt(Profile::Dev),
            output: Output::File(folder.path().join("log")),
            ..Options::default()
        };
        let mut server = told(Server::start(&tools, &cloud, &options));
        told(server.wait_until_healthy(Duration::from_secs(120)));
        let config = told(Config::read(|name| cloud.environment().get(name).cloned()));
        self.running = Some(Running { server, cloud, _folder: folder });
        json!({
            "url": issuer, "issuer": issuer, "audience": config.party.audience, "username": demo.username,
            "password": demo.password,
        })
    }

    fn stop(&mut self) -> Value {
        if let Some(running) = self.running.take() {
            running.server.stop();
            running.cloud.stop();
        }
        json!({})
    }
}

impl Signer {
    async fn new(algorithm: Algorithm) -> Self {
        let keyset = || KeySet::generate(algorithm, Timestamp::from_seconds(1_700_000_000)).expect("a key").to_string();
        let world = World::with_keys(&keyset()).await;
        // The libraries go by the real time.
        world.stack.clock.set(SystemClock.now());
        Self { world, stranger: keyset() }
    }

    async fn describe(&self) -> Value {
        let keys = self.world.send(&Call::to("jwks")).await;
        assert_eq!(keys.status(), 200);
        json!({
            "jwks": keys.body(),
            "token": self.world.jwt(&self.world.demo).await,
            "issuer": self.world.stack.config.party.issuer,
            "audience": self.world.stack.config.party.audience,
            "key": pem(&self.world.stack.keys.text()),
            "stranger": pem(&self.stranger),
        })
    }

    /// Signs whatever is asked for, as we never would.
    fn sign(&self, question: &Value) -> Value {
        let keyset = if question["stranger"] == true { &self.stranger } else { &self.world.stack.keys.text() };
        let keyset = KeySet::parse(keyset).expect("a keyset");
        let part = |name: &str| URL_SAFE_NO_PAD.encode(question[name].to_string());
        let message = format!("{}.{}", part("header"), part("claims"));
        let signature = keyset.keys()[0].sign(message.as_bytes()).expect("a signature");
        json!({ "token": format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)) })
    }

    async fn verify(&self, token: &str) -> Value {
        let (stack, now) = (&self.world.stack, SystemClock.now());
        stack.clock.set(now);
        let verdict = match jwt::verify(&stack.keyring, &stack.config.party, token, now).await {
            Ok(_) => json!({ "verdict": "accepted" }),
            Err(Rejection::Invalid(reason)) => json!({ "verdict": "refused", "reason": reason }),
            Err(Rejection::Keys(error)) => json!({ "verdict": "failed", "reason": error.to_string() }),
        };
        let status = self.world.send(&Call::to("test-secure").bearer(token)).await.status();
        let expected = if verdict["verdict"] == "accepted" { 200 } else { 401 };
        if status == expected {
            return verdict;
        }
        json!({ "verdict": "failed", "reason": format!("{verdict}, but GET /test/secure answers {status}") })
    }
}

/// What can fail for reasons of the machine says so in words.
fn told<T, E: Error>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{}", local::chain(&error)))
}

fn text<'a>(question: &'a Value, name: &str) -> &'a str {
    question[name].as_str().unwrap_or_default()
}

/// The private key of a keyset as other software reads it.
fn pem(keyset: &str) -> String {
    let keyset: Value = serde_json::from_str(keyset).expect("a keyset");
    let der = STANDARD.decode(keyset["keys"][0]["pkcs8"].as_str().expect("a key")).expect("base64");
    let base64 = STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}
