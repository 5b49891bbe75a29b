//! The functions behind `cargo lambda watch`, on the paths of the HTTP API.
//!
//! Two ways: [`Mode::Reload`] lets it compile and run the functions, anew on each change of the code. [`Mode::Prebuilt`]
//! runs compiled binaries ourselves and takes only its HTTP front, which leaves no compiler in the way of measurements.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::cloud::Cloud;
use crate::docs::Front;
use crate::functions::{self, Profile};
use crate::ipv6::{self, Forwarder};
use crate::process::Group;
use crate::template;
use crate::tools::Tools;
use crate::workers::Workers;

/// Longer than `cargo lambda watch` takes to load the workspace's metadata, on any machine.
const LISTENS_WITHIN: Duration = Duration::from_secs(60);

/// `cargo lambda watch` takes 1.5 s to end its functions.
const STOPS_WITHIN: Duration = Duration::from_secs(3);

/// A free port can be taken by somebody else between our finding it and the server's opening it.
const PORT_ATTEMPTS: usize = 5;

/// Why the functions are not served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else has the port.
    #[error("port {0} is taken: stop what listens there, or choose another with --port")]
    PortTaken(u16),
    /// No port can be had.
    #[error("can't open port {port}")]
    Port {
        /// The port.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
    /// The program can't be started.
    #[error("can't run {}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It ended.
    #[error("cargo lambda watch ended ({0})")]
    Ended(ExitStatus),
    /// It doesn't answer.
    #[error("cargo lambda watch doesn't listen on port {0}")]
    Silent(u16),
    /// `GET /health` doesn't say 200.
    #[error("the functions are not ready: GET /health answers {0}")]
    NotReady(String),
    /// The template can't be used.
    #[error(transparent)]
    Template(#[from] template::Error),
    /// The functions' binaries can't be found.
    #[error(transparent)]
    Functions(#[from] functions::Error),
    /// A file can't be written.
    #[error("can't write {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
}

/// Who runs the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `cargo lambda watch`, which compiles them and restarts them when the code changes.
    Reload,
    /// We, from compiled binaries, restarting those that die.
    Prebuilt(Profile),
}

/// Where the output of the functions goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Where ours goes.
    Inherit,
    /// To the end of this file.
    File(PathBuf),
}

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// Port on the loopback interface; 0 takes a free one.
    pub port: u16,
    /// Who runs the functions.
    pub mode: Mode,
    /// Processes a function, and so the requests that it answers at one time.
    pub concurrency: usize,
    /// Where their output goes.
    pub output: Output,
    /// Serve the description of the API too, at [`crate::docs::PATH`].
    pub docs: bool,
    /// Variables that go before the cloud's.
    pub environment: BTreeMap<String, String>,
    /// A folder whose changes are none of the code's, beside those that git ignores; the list that says so is put there.
    pub unwatched: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            mode: Mode::Reload,
            concurrency: 1,
            output: Output::Inherit,
            docs: false,
            environment: BTreeMap::new(),
            unwatched: None,
        }
    }
}

/// The functions, served. Dropping it ends every process of theirs.
#[derive(Debug)]
pub struct Server {
    docs: Option<Front>,
    ipv6: Option<Forwarder>,
    workers: Option<Workers>,
    group: Group,
    port: u16,
}

impl Server {
    /// Starts serving; requests may be sent when it returns. In [`Mode::Reload`] a function starts with its first
    /// request, so build them before with [`functions::build`], as [`Mode::Prebuilt`] demands anyway.
    pub fn start(tools: &Tools, cloud: &Cloud, options: &Options) -> Result<Self, Error> {
        if options.port != 0 {
            return Self::start_on(options.port, tools, cloud, options);
        }
        let mut attempt = 1;
        loop {
            let port = free_port()?;
            match Self::start_on(port, tools, cloud, options) {
                Err(Error::PortTaken(_) | Error::Ended(_)) if attempt < PORT_ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    /// Where the API answers, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until `GET /health` answers 200, which compiles and starts that function.
    pub fn wait_until_healthy(&mut self, patience: Duration) -> Result<(), Error> {
        let url = format!("{}/health", self.url());
        let deadline = Instant::now() + patience;
        loop {
            let agent = agent(Some(deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1))));
            let answer = match agent.get(&url).call() {
                Ok(answer) if answer.status() == 200 => return Ok(()),
                Ok(mut answer) => {
                    let body = answer.body_mut().read_to_string().unwrap_or_default();
                    format!("{} {body}", answer.status())
                }
                Err(error) => error.to_string(),
            };
            self.check()?;
            if Instant::now() >= deadline {
                return Err(Error::NotReady(answer));
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Says if it has ended by itself.
    pub fn check(&mut self) -> Result<(), Error> {
        match self.group.try_wait() {
            Ok(Some(status)) => Err(Error::Ended(status)),
            _ => Ok(()),
        }
    }

    /// Ends every process of it.
    pub fn stop(self) {
        drop(self);
    }

    fn start_on(port: u16, tools: &Tools, cloud: &Cloud, options: &Options) -> Result<Self, Error> {
        if options.docs {
            return Self::start_behind_docs(port, tools, cloud, options);
        }
        check_port(port)?;
        let ipv6 = on_ipv6(port)?;
        let group = front(port, tools, cloud, options)?;
        let mut server = Self { docs: None, ipv6, workers: None, group, port };
        server.wait_until_listening()?;
        if let Mode::Prebuilt(profile) = options.mode {
            let functions = cloud.template().functions()?;
            let folder = functions::binaries(profile)?;
            let names = functions.iter().flat_map(|function| (0..options.concurrency).map(|_| function.binary.clone()));
            let template = |name: &str| function_command(name, &folder, port, cloud, options);
            server.workers = Some(Workers::start(names.collect(), server.group.id(), &server.url(), template)?);
        }
        cloud.functions_at(&server.url());
        Ok(server)
    }

    fn start_behind_docs(port: u16, tools: &Tools, cloud: &Cloud, options: &Options) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| port_error(port, error))?;
        let ipv6 = on_ipv6(port)?;
        let mut server = Self::start(tools, cloud, &Options { port: 0, docs: false, ..options.clone() })?;
        let docs = Front::start(listener, server.port).map_err(|error| port_error(port, error))?;
        (server.docs, server.ipv6, server.port) = (Some(docs), ipv6, port);
        Ok(server)
    }

    fn wait_until_listening(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + LISTENS_WITHIN;
        while Instant::now() < deadline {
            self.check()?;
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                // Had it lost the port to somebody else, it would have ended by now.
                return self.check();
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(Error::Silent(self.port))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // In this order: nothing is asked or restarted once the group is being ended.
        drop((self.docs.take(), self.ipv6.take()));
        if let Some(workers) = &self.workers {
            workers.stop_restarting();
        }
        self.group.stop(STOPS_WITHIN);
    }
}

/// Says if the port can be had, before anything slow is done for it.
pub fn check_port(port: u16) -> Result<(), Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| port_error(port, error))?;
    ipv6::listen(port).map_err(|error| port_error(port, error))?;
    Ok(())
}

fn on_ipv6(port: u16) -> Result<Option<Forwarder>, Error> {
    let listener = ipv6::listen(port).map_err(|error| port_error(port, error))?;
    let forwarder = listener.map(|listener| Forwarder::start(listener, port)).transpose();
    forwarder.map_err(|error| port_error(port, error))
}

fn port_error(port: u16, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::AddrInUse => Error::PortTaken(port),
        _ => Error::Port { port, source },
    }
}

/// An HTTP client for this machine: no proxy, and an answer of any status is an answer.
pub(crate) fn agent(timeout: Option<Duration>) -> ureq::Agent {
    let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).timeout_global(timeout);
    config.build().into()
}

fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(|source| Error::Port { port: 0, source })
}

fn front(port: u16, tools: &Tools, cloud: &Cloud, options: &Options) -> Result<Group, Error> {
    let program = tools.cargo_lambda();
    let mut command = Command::new(&program);
    command.current_dir(crate::workspace());
    functions::clean(&mut command);
    command
        .args(["lambda", "watch", "--invoke-address", "127.0.0.1", "--invoke-port", &port.to_string()])
        // The gateway sends no CORS headers either.
        .arg("--disable-cors")
        .args(["--concurrency", &options.concurrency.to_string()])
        // At its own level it tells of every instance, with a stack of identifiers.
        .env("RUST_LOG", "cargo_lambda=warn")
        .envs(cloud.environment())
        .envs(&options.environment);
    if options.mode != Mode::Reload {
        command.args(["--only-lambda-apis", "--ignore-changes"]);
    }
    if let Some(list) = ignore_list(options)? {
        command.env("CARGO_LAMBDA_IGNORE_FILE", list);
    }
    redirect(&mut command, &options.output)?;
    Group::spawn(&mut command).map_err(|source| Error::Start { program, source })
}

/// Without it, each write to a data folder that git doesn't ignore would restart every function.
fn ignore_list(options: &Options) -> Result<Option<PathBuf>, Error> {
    let Some(folder) = &options.unwatched else { return Ok(None) };
    // The watcher goes by real paths.
    let real = |path: &Path| fs::canonicalize(path).map_err(|source| Error::File { path: path.to_owned(), source });
    let (root, inside) = (real(&crate::workspace())?, real(folder)?);
    let Ok(pattern) = inside.strip_prefix(&root) else { return Ok(None) };
    let path = folder.join("unwatched");
    let written = fs::write(&path, format!("/{}/\n", pattern.display()));
    written.map(|()| Some(path.clone())).map_err(|source| Error::File { path, source })
}

fn function_command(name: &str, folder: &Path, port: u16, cloud: &Cloud, options: &Options) -> Result<Command, Error> {
    let mut command = Command::new(folder.join(name));
    command.current_dir(crate::workspace());
    functions::clean(&mut command);
    command
        .envs(cloud.environment())
        .envs(&options.environment)
        // With the scheme: the runtime takes an address without one for no more than a host and a port.
        .env("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{port}/.rt/{name}"))
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "4096")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1");
    redirect(&mut command, &options.output)?;
    Ok(command)
}

fn redirect(command: &mut Command, output: &Output) -> Result<(), Error> {
    command.stdin(Stdio::null());
    if let Output::File(path) = output {
        let open = || {
            let file = File::options().append(true).create(true).open(path)?;
            Ok((file.try_clone()?, file))
        };
        let (stdout, stderr) = open().map_err(|source| Error::File { path: path.clone(), source })?;
        command.stdout(stdout).stderr(stderr);
    }
    Ok(())
}
