//! Tests of the bundle as a whole, and what they share.
//!
//! [`World`] is a stack in memory with all endpoints wired to it, users of two tenants and applications of every kind;
//! [`Call`] is a request to it, and [`good()`] one that succeeds, for each endpoint. Whatever it answers is checked
//! against the contract's general rules on the way ([`shape::check`]) and the OpenAPI document ([`document::check`]), so
//! that no test has to.

pub mod call;
pub mod document;
pub mod good;
pub mod paced;
pub mod problems;
pub mod random;
pub mod shape;
pub mod template;
pub mod world;

use std::path::{Path, PathBuf};

pub use call::{Call, NEW_PASSWORD};
pub use good::good;
pub use random::Dice;
pub use shared::assurance::{Total, note, noticed};
pub use world::{Account, Handler, World};

/// The root of this project.
#[must_use]
pub fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// Reads a file of this project.
#[must_use]
pub fn read(path: &str) -> String {
    let path = workspace().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Tells a figure that a test found, also where the test passes and the rest of its output is kept back.
pub fn figure(text: &str) {
    use std::io::Write as _;
    // A line that is lost takes nothing from the test.
    let _ = writeln!(std::io::stderr().lock(), "figure: {text}");
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    each(bytes, |byte| format!("{byte:02x}"))
}

/// A text with every byte percent-encoded.
#[must_use]
pub fn escaped(text: &str) -> String {
    each(text.as_bytes(), |byte| format!("%{byte:02X}"))
}

fn each(bytes: &[u8], form: fn(u8) -> String) -> String {
    bytes.iter().copied().map(form).collect::<Vec<_>>().concat()
}
