//! Secrets Manager: the mock service behind a loopback port, its state in a file that survives restarts.
//!
//! A change is answered only after it is on the disk, so what a client was told is never lost. Where AWS is stricter than
//! the mock, and a client could rely on it, `rules` goes before it.

mod rules;
mod steps;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as Lock, PoisonError};

use aws_credential_types::Credentials;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use aws_sdk_secretsmanager::operation::create_secret::CreateSecretError;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use shared::clock::{Clock as _, SystemClock};
use tokio::net::TcpListener;
use tokio::sync::{RwLock, oneshot};
use tokio::task::JoinHandle;
use winterbaume_core::{MockRequest, MockResponse, MockService as _, StateViewError, StatefulService as _};
use winterbaume_secretsmanager::{SecretsManagerService, SecretsmanagerStateView};

use crate::template::{Rotation, Secret};
use crate::{ACCOUNT_ID, CREDENTIAL, REGION};

use self::rules::Reply;

/// More than AWS takes: a secret's value is at most 64 KiB.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Why the secrets are not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The loopback port can't be had.
    #[error("can't listen for Secrets Manager requests")]
    Listen(#[source] io::Error),
    /// The state can't be read or written.
    #[error("can't use {}", .path.display())]
    File {
        /// The state's file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// The state is not what this program writes.
    #[error("{} is damaged: start once with --reset, which loses the data", .path.display())]
    Damaged {
        /// The state's file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The service refuses its own state.
    #[error("can't restore the secrets")]
    Restore(#[from] StateViewError),
    /// A secret of the template can't be created.
    #[error("secret {name}: {answer}")]
    Refused {
        /// The secret.
        name: String,
        /// The service's answer.
        answer: String,
    },
}

/// The service, serving.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

struct Shared {
    service: SecretsManagerService,
    rotations: Vec<Rotation>,
    /// Where the functions answer, once they do.
    front: Lock<Option<String>>,
    /// Where the state is kept. The lock makes a change, its correction and its saving one step, for readers too: between
    /// them the service has states that AWS never shows, such as a secret without a current version.
    file: RwLock<Option<PathBuf>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("rotations", &self.rotations).finish_non_exhaustive()
    }
}

impl Server {
    /// Restores the state (if there is a `file`) and serves it on a free port. Call it on a runtime.
    pub(crate) async fn start(file: Option<PathBuf>, rotations: Vec<Rotation>) -> Result<Self, Error> {
        let service = SecretsManagerService::new();
        if let Some(file) = &file
            && let Some(state) = load(file)?
        {
            service.restore(ACCOUNT_ID, REGION, state).await?;
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(Error::Listen)?;
        let address = listener.local_addr().map_err(Error::Listen)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let shared = Arc::new(Shared { service, rotations, front: Lock::default(), file: RwLock::new(file) });
        let app = Router::new()
            .route("/", post(answer))
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
                let _ = stopped.await;
            });
            if let Err(error) = serving.await {
                eprintln!("secrets: {error}");
            }
        });
        Ok(Self { address, shared, running: Some((stop, task)) })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says where the functions answer. Until then a rotation begins, and nobody does its steps.
    pub(crate) fn functions_at(&self, url: &str) {
        *self.shared.front.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.to_owned());
    }

    /// Takes no more requests. The handle ends with the last one that is under way.
    pub(crate) fn stop(&mut self) -> Option<JoinHandle<()>> {
        let (stop, task) = self.running.take()?;
        let _ = stop.send(());
        Some(task)
    }
}

async fn answer(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let operation = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.rsplit('.').next())
        .unwrap_or_default()
        .to_owned();
    // The service reads the region from the host name that a client of AWS itself would use.
    let uri = format!("https://secretsmanager.{REGION}.amazonaws.com/");
    let request = MockRequest { method: "POST".to_owned(), uri, headers, body };
    let answer = if changes_state(&operation) {
        change(&shared, &operation, request).await
    } else {
        Ok(read(&shared, &operation, request).await)
    };
    match answer {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("secrets: {}", crate::chain(&error));
            json_response(500, r#"{"__type":"InternalServiceError","Message":"the state can't be saved"}"#.to_owned())
        }
    }
}

fn response(answer: MockResponse) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, answer.headers, answer.body).into_response()
}

fn json_response(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body).into_response()
}

fn reply(reply: &Reply) -> Response {
    json_response(reply.status, reply.body.to_string())
}

async fn read(shared: &Shared, operation: &str, request: MockRequest) -> Response {
    let _between_changes = shared.file.read().await;
    let answer = shared.service.handle(request).await;
    let empty = (operation == "GetSecretValue").then(|| serde_json::from_slice(&answer.body).ok()).flatten();
    match empty.as_ref().and_then(rules::get) {
        Some(refusal) => reply(&refusal),
        None => response(answer),
    }
}

async fn change(shared: &Arc<Shared>, operation: &str, request: MockRequest) -> Result<Response, Error> {
    let file = shared.file.write().await;
    let before = shared.service.snapshot(ACCOUNT_ID, REGION).await;
    // What is no JSON is refused by the service itself.
    let asked = serde_json::from_slice(&request.body).unwrap_or_default();
    let refusal = match operation {
        "PutSecretValue" => rules::put(&before, &asked),
        "UpdateSecretVersionStage" => rules::move_stage(&before, &asked),
        "RotateSecret" => return rotate(shared, file.as_deref(), before, &asked).await,
        _ => None,
    };
    if let Some(refusal) = refusal {
        return Ok(reply(&refusal));
    }
    let answer = shared.service.handle(request).await;
    let mut state = shared.service.snapshot(ACCOUNT_ID, REGION).await;
    if correct_previous(&before, &mut state) {
        shared.service.restore(ACCOUNT_ID, REGION, state.clone()).await?;
    }
    if let Some(file) = file.as_deref() {
        save(file, &state)?;
    }
    Ok(response(answer))
}

async fn rotate(
    shared: &Arc<Shared>,
    file: Option<&Path>,
    mut state: SecretsmanagerStateView,
    asked: &serde_json::Value,
) -> Result<Response, Error> {
    let rotation = |secret: &str| shared.rotations.iter().find(|rotation| rotation.secret == secret);
    let now = format!("{}Z", SystemClock.now().as_zoneless());
    let (answer, steps) = rules::rotate(&mut state, asked, |secret| rotation(secret).is_some(), &now);
    shared.service.restore(ACCOUNT_ID, REGION, state.clone()).await?;
    if let Some(file) = file {
        save(file, &state)?;
    }
    if let Some((secret, token)) = steps
        && let Some(binary) = rotation(&secret).map(|rotation| rotation.binary.clone())
        && let Some(front) = shared.front.lock().unwrap_or_else(PoisonError::into_inner).clone()
    {
        tokio::task::spawn_blocking(move || steps::run(&front, &binary, &secret, &token));
    }
    Ok(reply(&answer))
}

/// A new current version makes the one before it AWSPREVIOUS; the service forgets to take that label from the one
/// before that. Says if there was anything to correct.
fn correct_previous(before: &SecretsmanagerStateView, after: &mut SecretsmanagerStateView) -> bool {
    let mut corrected = false;
    for (name, secret) in &mut after.secrets {
        let Some(former) = before.secrets.get(name).and_then(|secret| secret.current_version_id.as_ref()) else {
            continue;
        };
        if secret.current_version_id.as_ref() == Some(former) {
            continue;
        }
        for (id, version) in &mut secret.versions {
            let count = version.version_stages.len();
            if id != former {
                version.version_stages.retain(|stage| stage != "AWSPREVIOUS");
            }
            corrected |= version.version_stages.len() != count;
        }
    }
    corrected
}

fn changes_state(operation: &str) -> bool {
    !["Get", "Describe", "List", "BatchGet", "Validate"].iter().any(|reading| operation.starts_with(reading))
}

fn load(path: &Path) -> Result<Option<SecretsmanagerStateView>, Error> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::File { path: path.to_owned(), source }),
    };
    serde_json::from_slice(&text).map(Some).map_err(|source| Error::Damaged { path: path.to_owned(), source })
}

fn save(path: &Path, state: &SecretsmanagerStateView) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(state).map_err(io::Error::from);
    text.and_then(|text| write_private(path, &text)).map_err(|source| Error::File { path: path.to_owned(), source })
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    // A left-over of an interrupted run could have wider permissions, which opening it wouldn't change.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // The rename itself is durable only once the folder is.
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// An SDK client for a Secrets Manager at `url`.
#[must_use]
pub fn client(url: &str) -> Client {
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new(CREDENTIAL, CREDENTIAL, None, None, "local"))
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// Creates those of the secrets that are missing, with the template's initial values.
pub async fn create_secrets(client: &Client, secrets: &[Secret]) -> Result<(), Error> {
    for secret in secrets {
        let created = client.create_secret().name(&secret.name).secret_string(&secret.initial).send().await;
        match created {
            Err(error) if !error.as_service_error().is_some_and(CreateSecretError::is_resource_exists_exception) => {
                let answer = DisplayErrorContext(&error).to_string();
                return Err(Error::Refused { name: secret.name.clone(), answer });
            }
            _ => {}
        }
    }
    Ok(())
}
