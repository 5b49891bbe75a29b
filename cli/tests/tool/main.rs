//! `ostiary` as an operator runs it: the binary itself, against a local cloud.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod access_tokens;
mod accounts;
mod audit;
mod cost;
mod deletion;
mod export;
mod import;
mod kdf;
mod keys;
mod pepper;
mod reaching;
mod restore;
mod settings;
mod tenants;
mod users;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use local::Cloud;
use serde_json::Value;
use shared::config::Config;
use shared::random::SystemRandom;
use shared::store::dynamo::DynamoStore;

/// How a run ended.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    /// The answer of a run with `--output json` that must have succeeded.
    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// The error of a run with `--output json` that must have ended with `code`.
    #[track_caller]
    fn error(&self, code: i32) -> Value {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "");
        serde_json::from_str(&self.stderr).unwrap()
    }
}

/// The tool with an environment of its own: nothing of this machine's AWS configuration gets in.
struct Tool {
    environment: BTreeMap<String, String>,
}

impl Tool {
    fn of(cloud: &Cloud) -> Self {
        Self { environment: cloud.environment().clone() }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, "", Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    fn json(&self, arguments: &[&str]) -> Run {
        self.run(&[arguments, &["--output", "json"]].concat())
    }

    fn run_with(&self, arguments: &[&str], input: &str, folder: &Path) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ostiary"))
            .args(arguments)
            .env_clear()
            .env("AWS_CONFIG_FILE", "/nonexistent")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(&self.environment)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A run that refuses its arguments doesn't read, and closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A throw-away cloud whose hashes are cheap, and the tool for it.
fn cloud() -> (Cloud, Tool) {
    cloud_with(&[])
}

/// The same with more parameters of the template.
fn cloud_with(more: &[(&str, &str)]) -> (Cloud, Tool) {
    let parameters = [("Issuer", "http://127.0.0.1:9000"), ("DefaultTenant", "acme"), ("Argon2MemoryKiB", "7168")];
    let parameters = parameters.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let cloud = Cloud::in_memory(&parameters.collect()).unwrap();
    let tool = Tool::of(&cloud);
    (cloud, tool)
}

/// The same with a tenant in it.
fn cloud_with_tenant() -> (Cloud, Tool) {
    let (cloud, tool) = cloud();
    assert_eq!(tool.run(&["tenant", "create", "acme"]).code, 0);
    (cloud, tool)
}

/// The stack's store, reached by nothing of the tool.
fn store(cloud: &Cloud) -> DynamoStore {
    let config = Config::read(|variable| cloud.environment().get(variable).cloned()).unwrap();
    DynamoStore::new(local::dynamodb::client(&cloud.dynamodb_url()), config.tables, Arc::new(SystemRandom))
}

/// A DynamoDB in front of the cloud's, where `answer` may answer a request itself, or do something before it goes on.
fn in_front_of(cloud: &Cloud, answer: impl Fn(&str) -> Option<(u16, String)> + Send + 'static) -> String {
    let address = cloud.dynamodb_url().trim_start_matches("http://").to_owned();
    service(move |request| {
        if let Some(own) = answer(request) {
            return own;
        }
        let mut stream = TcpStream::connect(&address).unwrap();
        let request = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    })
}

/// A service of AWS that answers each request, given as its head and body, with a status and a body.
fn service(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (status, body) = answer(&request(&stream));
            let length = body.len();
            let head = format!("HTTP/1.1 {status} -\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    url
}

fn request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut text = String::new();
    let mut length = 0;
    while !text.ends_with("\r\n\r\n") {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        text.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    text + &String::from_utf8(body).unwrap()
}
