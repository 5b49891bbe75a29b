//! The local cloud: everything that the functions need of AWS, in one process on the loopback interface.
//!
//! [`Cloud`] is DynamoDB, Secrets Manager and as much of EventBridge as is needed, made from `template.yaml`. Tests start throw-away clouds in memory; the
//! program `local` (`cargo local`) keeps one in a folder. [`watch::Server`] puts the functions in front of it, behind
//! `cargo lambda watch`, on the paths of the HTTP API.
//!
//! Everything here is synchronous and may be used with or without an asynchronous runtime around it. Nothing ever
//! reaches AWS: endpoints, region and credentials are this machine's, and inherited ones are taken out of the functions'
//! environment.

pub mod cloud;
pub mod demo;
pub mod docs;
pub mod dynamodb;
pub mod events;
pub mod functions;
pub mod process;
pub mod progress;
pub mod secrets;
pub mod template;
pub mod tools;
pub mod watch;

mod ipv6;
mod workers;

pub use cloud::{Cloud, Folder};
pub use template::Template;

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The region that the local cloud claims to be in.
pub const REGION: &str = "us-east-1";

/// The account that the local cloud claims to belong to.
pub const ACCOUNT_ID: &str = "123456789012";

/// Both halves of the credentials that the local cloud is called with. It checks none, but the SDK insists.
pub const CREDENTIAL: &str = "local";

/// The root of this project.
#[must_use]
pub fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// The project's template.
#[must_use]
pub fn template_path() -> PathBuf {
    workspace().join("template.yaml")
}

/// An error with its causes, on one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing into a String can't fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
