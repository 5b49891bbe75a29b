//! `cargo local`: the API on this machine, with a cloud of its own behind it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use clap::Parser;
use local::cloud::{Cloud, Folder};
use local::demo::{self, Demo};
use local::docs;
use local::functions::{self, Profile};
use local::progress::Progress;
use local::template::Template;
use local::tools::Tools;
use local::watch::{self, Mode, Server};

/// The functions are compiled by then, so this is for starting one.
const HEALTHY_WITHIN: Duration = Duration::from_secs(120);

/// How often we look whether the server still runs.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Runs the API on this machine: the functions behind `cargo lambda watch`, and a DynamoDB, a Secrets Manager and an
/// EventBridge that live in this process and keep their data in a folder. Messages to people appear on the terminal.
///
/// The first start installs cargo-lambda and zig into .tools (which needs Python 3) and compiles everything, which
/// takes some minutes. Nothing ever reaches AWS. Ctrl-C ends it.
#[derive(Debug, Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version)]
struct Arguments {
    /// Port of the API on 127.0.0.1
    #[arg(long, value_name = "PORT", default_value_t = 9000, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    /// Folder that keeps the data and tells the demo's passwords [default: .local in this project]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,

    /// Keep the data in memory: it is gone at the end
    #[arg(long, conflicts_with_all = ["data_dir", "reset"])]
    memory: bool,

    /// Begin anew: remove the data of earlier starts
    #[arg(long)]
    reset: bool,

    /// Run optimised binaries, as deployed; changes of the code are not picked up
    #[arg(long)]
    release: bool,
}

/// Why there is no API. Printed with its causes.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Cloud(#[from] local::cloud::Error),
    #[error(transparent)]
    Template(#[from] local::template::Error),
    #[error(transparent)]
    Demo(#[from] demo::Error),
    #[error(transparent)]
    Tools(#[from] local::tools::Error),
    #[error(transparent)]
    Functions(#[from] functions::Error),
    #[error(transparent)]
    Watch(#[from] watch::Error),
    #[error("can't use {}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("can't listen for signals")]
    Signals(#[source] io::Error),
}

/// What the main thread waits for.
enum Event {
    /// Somebody wants us to end.
    Stop,
    /// The API is ready, and ends when the sender is used or dropped.
    Ready(Sender<()>),
    /// It is over.
    Ended(Result<(), Error>),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (events, received) = mpsc::channel();
    let result = listen_for_signals(events.clone()).and_then(|()| {
        thread::spawn(move || {
            let result = run(&arguments, &events);
            let _ = events.send(Event::Ended(result));
        });
        wait(&received)
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo local: {}", local::chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// Ends at once while something is being prepared (what was started for it ends with us), and in good order later.
fn wait(received: &Receiver<Event>) -> Result<(), Error> {
    let mut stop = None;
    for event in received {
        match event {
            Event::Ready(sender) => stop = Some(sender),
            Event::Stop => match stop.take() {
                Some(_) => eprintln!("\nStopping"),
                None => return Ok(()),
            },
            Event::Ended(result) => return result,
        }
    }
    Ok(())
}

fn listen_for_signals(events: Sender<Event>) -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Signals)?;
    let (mut interrupt, mut terminate, mut hangup) = {
        let _inside = runtime.enter();
        let listen = |kind| signal(kind).map_err(Error::Signals);
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?)
    };
    thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                if events.send(Event::Stop).is_err() {
                    return;
                }
            }
        });
    });
    Ok(())
}

fn run(arguments: &Arguments, events: &Sender<Event>) -> Result<(), Error> {
    let base_url = format!("http://127.0.0.1:{}", arguments.port);
    watch::check_port(arguments.port)?;
    let folder = folder(arguments)?;
    let data = folder.as_ref().map(|folder| folder.path().to_owned());
    let parameters = BTreeMap::from([
        ("Issuer".to_owned(), base_url.clone()),
        // On a terminal they would be noise in every line.
        ("Metrics".to_owned(), "false".to_owned()),
        ("DefaultTenant".to_owned(), demo::TENANT.to_owned()),
    ]);
    let template = Template::read(&local::template_path(), &parameters)?;
    let cloud = Cloud::start(&template, folder)?;
    let demo = demo::prepare(&cloud, &base_url)?;
    if let Some(data) = &data {
        write_environment(data, &cloud)?;
    }

    let progress = Progress::on_stderr();
    let tools = Tools::install(progress)?;
    let profile = if arguments.release { Profile::Release } else { Profile::Dev };
    functions::build(&template.functions()?, profile, progress)?;
    let options = watch::Options {
        port: arguments.port,
        mode: if arguments.release { Mode::Prebuilt(Profile::Release) } else { Mode::Reload },
        docs: true,
        unwatched: data.clone(),
        ..watch::Options::default()
    };
    let mut server = Server::start(&tools, &cloud, &options)?;
    server.wait_until_healthy(HEALTHY_WITHIN)?;

    let (stop, stopped) = mpsc::channel();
    let _ = events.send(Event::Ready(stop));
    cloud.tell_messages();
    announce(&demo, data.as_deref().map(|data| data.join("demo.json")));
    serve(&mut server, &stopped)?;
    server.stop();
    cloud.stop();
    Ok(())
}

fn folder(arguments: &Arguments) -> Result<Option<Folder>, Error> {
    if arguments.memory {
        return Ok(None);
    }
    let path = arguments.data_dir.clone().unwrap_or_else(|| local::workspace().join(".local"));
    let path = std::path::absolute(&path).map_err(|source| Error::File { path, source })?;
    let folder = Folder::take(&path)?;
    if arguments.reset {
        folder.reset()?;
    }
    Ok(Some(folder))
}

/// Lets the operator's tool, or any other program, use this cloud: `set -a; . .local/env; set +a`.
fn write_environment(data: &Path, cloud: &Cloud) -> Result<(), Error> {
    let path = data.join("env");
    let mut text = String::new();
    for (name, value) in cloud.environment() {
        // Writing into a String can't fail.
        let _ = writeln!(text, "{name}='{}'", value.replace('\'', r"'\''"));
    }
    fs::write(&path, text).map_err(|source| Error::File { path, source })
}

fn serve(server: &mut Server, stopped: &Receiver<()>) -> Result<(), Error> {
    loop {
        match stopped.recv_timeout(LOOK_EVERY) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => server.check()?,
        }
    }
}

fn announce(demo: &Demo, file: Option<PathBuf>) {
    let (url, lines) = (&demo.base_url, demo::curl_lines(demo));
    let mut text = format!("\nReady: {url}\nEvery request, described and ready to try: {url}{}\n\n{lines}", docs::PATH);
    let _ = match file {
        Some(file) => writeln!(text, "\nAll of this, and an administrator, in {}. Ctrl-C ends.", file.display()),
        None => writeln!(
            text,
            "\nAdministrator: {} / {}. The data is in memory. Ctrl-C ends.",
            demo.admin_username, demo.admin_password
        ),
    };
    // A closed pipe is no reason to end.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}
