//! How the suite gets its stores.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cut::Proxy;
use local::template::Template;
use local::{Cloud, dynamodb};
use shared::config::Config;
use shared::random::SystemRandom;
use shared::store::dynamo::{DynamoStore, Tables};

/// What the template leaves to whoever deploys.
fn parameters() -> BTreeMap<String, String> {
    BTreeMap::from([("Issuer".to_owned(), "https://auth.example.com".to_owned())])
}

/// A store on a throw-away local cloud, which must be kept as long as the store.
pub fn embedded() -> (Cloud, DynamoStore) {
    let cloud = Cloud::in_memory(&parameters()).unwrap();
    let config = Config::read(|name| cloud.environment().get(name).cloned()).unwrap();
    let client = dynamodb::client(&cloud.dynamodb_url());
    let store = DynamoStore::new(client, config.tables, Arc::new(SystemRandom));
    (cloud, store)
}

/// A store on a throw-away local cloud that is reached through a proxy.
pub fn behind_proxy() -> (Cloud, Proxy, DynamoStore) {
    let cloud = Cloud::in_memory(&parameters()).unwrap();
    let config = Config::read(|name| cloud.environment().get(name).cloned()).unwrap();
    let proxy = Proxy::before(&cloud.dynamodb_url());
    let store = DynamoStore::new(dynamodb::client(&proxy.url()), config.tables, Arc::new(SystemRandom));
    (cloud, proxy, store)
}

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

    /// A store on fresh tables whose names start with `prefix`.
    pub async fn store(&self, prefix: &str) -> DynamoStore {
        let template = Template::read(&local::template_path(), &parameters()).unwrap();
        let client = dynamodb::client(&self.url);
        let prefixed = |name: &str| format!("{prefix}-{name}");
        let mut tables = template.tables().unwrap();
        for table in &mut tables {
            table.name = prefixed(&table.name);
        }
        dynamodb::create_tables(&client, &tables).await.unwrap();
        let names = Tables {
            credentials: prefixed("CredentialsTable"),
            users: prefixed("UsersTable"),
            tickets: prefixed("TicketsTable"),
            auth_headers: prefixed("AuthHeadersTable"),
            applications: prefixed("ApplicationsTable"),
        };
        DynamoStore::new(client, names, Arc::new(SystemRandom))
    }
}

impl Drop for DynamoDbLocal {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
