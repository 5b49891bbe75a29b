//! AWS's DynamoDB Local, where it is there.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// AWS's DynamoDB Local in a process of its own, ended with this value.
pub struct DynamoDbLocal {
    process: Child,
    url: String,
    /// It writes into the folder that it is started in.
    _folder: tempfile::TempDir,
}

impl DynamoDbLocal {
    /// Starts it, where it is there; in CI it must be.
    pub fn start() -> Option<Self> {
        let Some(jar) = std::env::var_os("DYNAMODB_LOCAL_JAR").map(PathBuf::from) else {
            assert!(std::env::var_os("CI").is_none(), "CI has to name DynamoDB Local in DYNAMODB_LOCAL_JAR");
            println!("not run: DYNAMODB_LOCAL_JAR is not set (.ci/dynamodb-local fetches it)");
            return None;
        };
        let folder = jar.parent().expect("the jar lies in a folder");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let own = tempfile::tempdir().unwrap();
        let process = Command::new("java")
            .arg(format!("-Djava.library.path={}", folder.join("DynamoDBLocal_lib").display()))
            .arg("-jar")
            .arg(&jar)
            .args(["-inMemory", "-disableTelemetry", "-port", &port.to_string()])
            .current_dir(own.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("java starts");
        let engine = Self { process, url: format!("http://127.0.0.1:{port}"), _folder: own };
        Self::wait(port);
        Some(engine)
    }

    fn wait(port: u16) {
        let patience = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < patience, "DynamoDB Local does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for DynamoDbLocal {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
