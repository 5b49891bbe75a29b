//! A cloud: started from the template, stopped when dropped.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::template::{self, Template};
use crate::{CREDENTIAL, REGION, dynamodb, events, secrets};

/// Time for requests under way when a cloud stops.
const STOP_WITHIN: Duration = Duration::from_millis(500);

/// Files of a data folder, the lock excepted: `--reset` removes these and nothing else.
const FILES: [&str; 9] = [
    "dynamodb.sqlite",
    "dynamodb.sqlite-wal",
    "dynamodb.sqlite-shm",
    "secrets.json",
    "secrets.json.new",
    "demo.json",
    "demo.pending.json",
    "env",
    "unwatched",
];

/// Why a cloud doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The template can't be used.
    #[error(transparent)]
    Template(#[from] template::Error),
    /// Two functions want different values of one variable, and `cargo lambda watch` has one environment for all.
    #[error("{function} sets {variable} to another value than the functions before it, which can't be run locally")]
    Environment {
        /// The second function.
        function: String,
        /// The variable.
        variable: String,
    },
    /// The data folder can't be made, read or written.
    #[error("can't use {}", .path.display())]
    Folder {
        /// The folder, or a file in it.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// Another process has the data folder.
    #[error("{} is in use by another `cargo local`: stop that one, or give this one a --data-dir or --memory", .0.display())]
    InUse(PathBuf),
    /// There is no runtime to serve on.
    #[error("can't start the runtime")]
    Runtime(#[source] io::Error),
    /// DynamoDB isn't there.
    #[error(transparent)]
    DynamoDb(#[from] dynamodb::Error),
    /// Secrets Manager isn't there.
    #[error(transparent)]
    Secrets(#[from] secrets::Error),
    /// EventBridge isn't there.
    #[error("can't listen for events")]
    Events(#[source] io::Error),
    /// It ended without a result, which only a panic can bring about.
    #[error("the local cloud ended while it was working")]
    Ended,
}

/// A data folder that this process alone uses.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Held, not used: closing it gives the folder free.
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, for its owner's eyes only, and takes it.
    pub fn take(path: &Path) -> Result<Self, Error> {
        let failed = |path: &Path, source| Error::Folder { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| failed(path, source))?;
        // One that was there may be open to everybody, and there will be password hashes in it.
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(|source| failed(path, source))?;
        let name = path.join("lock");
        let lock = File::options().write(true).create(true).truncate(false).open(&name);
        let lock = lock.map_err(|source| failed(&name, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(&name, source)),
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes a cloud's data from the folder.
    pub fn reset(&self) -> Result<(), Error> {
        for name in FILES {
            let path = self.path.join(name);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(Error::Folder { path, source }),
                _ => {}
            }
        }
        Ok(())
    }
}

/// DynamoDB, Secrets Manager and EventBridge of one template, on three loopback ports. Dropping it stops it.
#[derive(Debug)]
pub struct Cloud {
    template: Template,
    environment: BTreeMap<String, String>,
    engine: dynamodb::Engine,
    secrets: secrets::Server,
    events: events::Server,
    background: Background,
    // Given free last.
    folder: Option<Folder>,
}

impl Cloud {
    /// A throw-away cloud with the project's own template. `parameters` go before the template's defaults.
    pub fn in_memory(parameters: &BTreeMap<String, String>) -> Result<Self, Error> {
        Self::start(&Template::read(&crate::template_path(), parameters)?, None)
    }

    /// A cloud that keeps its data in the folder, or nowhere.
    pub fn start(template: &Template, folder: Option<Folder>) -> Result<Self, Error> {
        let template = template.clone();
        let environment = function_environment(&template)?;
        let (tables, initial, rotations) = (template.tables()?, template.secrets()?, template.rotations()?);
        let path = folder.as_ref().map(|folder| folder.path().to_owned());
        let background = Background::start()?;
        let serving = async move { serve(path.as_deref(), &tables, &initial, rotations).await };
        let (engine, secrets, events) = background.run(serving)??;
        let mut cloud = Self { template, environment, engine, secrets, events, background, folder };
        cloud.environment.extend(cloud.aws_environment());
        Ok(cloud)
    }

    /// Where DynamoDB answers.
    #[must_use]
    pub fn dynamodb_url(&self) -> String {
        self.engine.url()
    }

    /// Where Secrets Manager answers.
    #[must_use]
    pub fn secrets_url(&self) -> String {
        self.secrets.url()
    }

    /// Where EventBridge answers.
    #[must_use]
    pub fn events_url(&self) -> String {
        self.events.url()
    }

    /// The last events that were put on a bus, the oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<events::Event> {
        self.events.taken()
    }

    /// Tells messages to people on standard output from here on: nobody sends mail here.
    pub fn tell_messages(&self) {
        self.events.tell();
    }

    /// Says where the functions answer, so that Secrets Manager can call the one that rotates a secret.
    pub fn functions_at(&self, url: &str) {
        self.secrets.functions_at(url);
    }

    /// The template it was made from.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Everything that a function, or the operator's tool, has to find in its environment to use this cloud.
    #[must_use]
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// The folder that keeps its data, if one does.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(Folder::path)
    }

    /// Waits for a future that is run beside the servers.
    pub(crate) fn run<F>(&self, future: F) -> Result<F::Output, Error>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.background.run(future)
    }

    /// Stops it. Requests under way get a moment to end; what they were answered is kept.
    pub fn stop(self) {
        drop(self);
    }

    fn aws_environment(&self) -> BTreeMap<String, String> {
        [
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", CREDENTIAL.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", CREDENTIAL.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb_url()),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.secrets_url()),
            ("AWS_ENDPOINT_URL_EVENTBRIDGE", self.events_url()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.background.end([self.engine.stop(), self.secrets.stop(), self.events.stop()]);
    }
}

/// The runtime that the cloud is served on. Whoever owns it may be on a runtime of their own, where this one may be
/// neither waited for nor dropped: hence channels and threads.
#[derive(Debug)]
struct Background {
    /// `None` once it has ended.
    runtime: Option<Runtime>,
}

impl Background {
    fn start() -> Result<Self, Error> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).thread_name("local-cloud").enable_all().build();
        Ok(Self { runtime: Some(runtime.map_err(Error::Runtime)?) })
    }

    fn run<F>(&self, future: F) -> Result<F::Output, Error>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let runtime = self.runtime.as_ref().ok_or(Error::Ended)?;
        let (sender, result) = mpsc::channel();
        runtime.spawn(async move {
            let _ = sender.send(future.await);
        });
        result.recv().map_err(|_| Error::Ended)
    }

    fn end(&mut self, servers: [Option<JoinHandle<()>>; 3]) {
        let Some(runtime) = self.runtime.take() else { return };
        // Joining the thread closes the database before the folder is given free.
        let ending = std::thread::spawn(move || {
            runtime.block_on(async {
                let ended = async {
                    for server in servers.into_iter().flatten() {
                        let _ = server.await;
                    }
                };
                let _ = tokio::time::timeout(STOP_WITHIN, ended).await;
            });
            runtime.shutdown_timeout(STOP_WITHIN);
        });
        let _ = ending.join();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.end([None, None, None]);
    }
}

async fn serve(
    folder: Option<&Path>,
    tables: &[template::Table],
    initial: &[template::Secret],
    rotations: Vec<template::Rotation>,
) -> Result<(dynamodb::Engine, secrets::Server, events::Server), Error> {
    let engine = dynamodb::Engine::start(folder.map(|folder| folder.join("dynamodb.sqlite")).as_deref()).await?;
    let secrets = secrets::Server::start(folder.map(|folder| folder.join("secrets.json")), rotations).await?;
    dynamodb::create_tables(&dynamodb::client(&engine.url()), tables).await?;
    secrets::create_secrets(&secrets::client(&secrets.url()), initial).await?;
    Ok((engine, secrets, events::Server::start().await.map_err(Error::Events)?))
}

fn function_environment(template: &Template) -> Result<BTreeMap<String, String>, Error> {
    let mut all = BTreeMap::new();
    for function in template.functions()? {
        for (variable, value) in function.environment {
            match all.get(&variable) {
                Some(other) if *other != value => {
                    return Err(Error::Environment { function: function.logical_id, variable });
                }
                _ => {
                    all.insert(variable, value);
                }
            }
        }
    }
    Ok(all)
}
