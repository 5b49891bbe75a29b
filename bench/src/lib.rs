//! What the programs that measure have in common: functions behind a Lambda Runtime API, and a stack for them.
//!
//! `cargo measure` is [`measure`] and what it reports. Each other program is a folder or file of `bin/`.

pub mod limits;
pub mod machine;
pub mod measure;
pub mod plan;
pub mod plot;
pub mod process;
pub mod recorder;
pub mod report;
pub mod stack;

use std::io;
use std::path::PathBuf;

use local::functions;

/// Why there are no figures. Printed with its causes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The local cloud doesn't start.
    #[error(transparent)]
    Cloud(#[from] local::cloud::Error),
    /// There is no demo data.
    #[error(transparent)]
    Demo(#[from] local::demo::Error),
    /// The functions don't build.
    #[error(transparent)]
    Functions(#[from] functions::Error),
    /// The template can't be used.
    #[error(transparent)]
    Template(#[from] local::template::Error),
    /// The functions would refuse their environment.
    #[error(transparent)]
    Config(#[from] shared::config::ConfigError),
    /// A password can't be hashed.
    #[error(transparent)]
    Password(#[from] shared::password::PasswordError),
    /// The store doesn't answer.
    #[error("can't prepare an event")]
    Store(#[from] shared::store::StoreError),
    /// The keyset doesn't answer.
    #[error("can't prepare an event")]
    Keys(#[from] shared::keyring::KeyringError),
    /// An event can't be made.
    #[error("can't prepare an event: {0}")]
    Event(&'static str),
    /// No function has this name.
    #[error("there is no function {0}")]
    UnknownFunction(String),
    /// A file can't be used.
    #[error("can't use {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else than JSON.
    #[error("can't read {}", .path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The figures can't be written as JSON.
    #[error("can't print")]
    Print(#[source] serde_json::Error),
    /// There is no port to listen on.
    #[error("can't listen on the loopback interface")]
    Listen(#[source] io::Error),
    /// A function did nothing for too long.
    #[error("{function} didn't {what} within {seconds} s")]
    Silent {
        /// The function.
        function: String,
        /// What it should have done.
        what: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A function answered something that it should not.
    #[error("{function} answered {answer}")]
    Answer {
        /// The function.
        function: String,
        /// Its answer.
        answer: String,
    },
}
