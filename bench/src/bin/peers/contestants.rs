//! Who is measured, and how each is started.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

/// What a function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// It answers, and calls nothing.
    Hello,
    /// It verifies a JWT and reads the user and the ticket.
    Authorizer,
    /// It checks a password, opens a ticket and signs a JWT.
    Login,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hello, Self::Authorizer, Self::Login];

    /// The name of the peers' handler.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Authorizer => "authorizer",
            Self::Login => "login",
        }
    }

    /// The function of ours that does it.
    pub fn function(self) -> &'static str {
        match self {
            Self::Hello => "test-unsecure",
            Self::Authorizer => "authorizer",
            Self::Login => "user-login",
        }
    }
}

/// Somebody's way to write these functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Contestant {
    /// Ours, as it is shipped.
    Ostiary,
    /// Ours with the faster Argon2; the login alone.
    OstiarySimd,
    /// Node with `jsonwebtoken` and `argon2`.
    NodeJsonwebtoken,
    /// Node with `jose` and `@node-rs/argon2`.
    NodeJose,
    /// Python with `PyJWT`, `argon2-cffi` and `boto3`.
    Python,
    /// Rust as templates and defaults give it.
    RustDefault,
}

impl Contestant {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Ostiary, Self::OstiarySimd, Self::NodeJsonwebtoken, Self::NodeJose, Self::Python, Self::RustDefault];

    /// As tables show it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Ostiary => "Ostiary",
            Self::OstiarySimd => "Ostiary, SIMD Argon2",
            Self::NodeJsonwebtoken => "Node, jsonwebtoken + argon2",
            Self::NodeJose => "Node, jose + @node-rs/argon2",
            Self::Python => "Python, PyJWT + argon2-cffi",
            Self::RustDefault => "Rust, defaults",
        }
    }

    /// Whether it is ours, with our store and keys.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Ostiary | Self::OstiarySimd)
    }

    /// Whether there is something to measure.
    pub fn does(self, workload: Workload) -> bool {
        self != Self::OstiarySimd || workload == Workload::Login
    }
}

/// Where everybody's programs are.
#[derive(Clone, Debug)]
pub struct Places {
    /// Our shipped functions, each `bootstrap` in a folder of its own.
    pub ours: PathBuf,
    /// The peers, as they were installed.
    pub installed: PathBuf,
    /// The peers' sources.
    pub sources: PathBuf,
}

impl Places {
    /// Those of this workspace.
    pub fn here() -> Self {
        let root = local::workspace();
        let architecture = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "x86_64" };
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |path| root.join(path));
        Self {
            ours: target.join("functions").join(format!("ship-{architecture}")),
            installed: root.join(".tools/bench"),
            sources: root.join("bench/peers"),
        }
    }

    /// Node's packages and bundles.
    pub fn node(&self) -> PathBuf {
        self.installed.join("node")
    }

    /// Python's virtual environment.
    pub fn python(&self) -> PathBuf {
        self.installed.join("python")
    }

    /// The default Rust binaries, in `bin`.
    pub fn rust(&self) -> PathBuf {
        self.installed.join("rust")
    }

    /// Our login with the faster Argon2.
    pub fn simd_login(&self) -> PathBuf {
        self.installed.join("ostiary-simd/user-login")
    }

    /// What starts a function.
    pub fn command(&self, contestant: Contestant, workload: Workload) -> Command {
        let node = |family: &str| {
            let bundle = self.node().join("dist").join(family).join(format!("{}.cjs", workload.name()));
            with("node", [self.node().join("src/runtime.cjs"), bundle])
        };
        match contestant {
            Contestant::Ostiary => Command::new(self.ours.join(workload.function()).join("bootstrap")),
            Contestant::OstiarySimd => Command::new(self.simd_login()),
            Contestant::NodeJsonwebtoken => node("jsonwebtoken"),
            Contestant::NodeJose => node("jose"),
            Contestant::Python => {
                let mut command = Command::new(self.python().join("bin/python"));
                command.args(["-m", "awslambdaric", &format!("{}.handler", workload.name())]);
                command.current_dir(self.sources.join("python"));
                command
            }
            Contestant::RustDefault => Command::new(self.rust().join("bin").join(workload.name())),
        }
    }
}

fn with(program: impl AsRef<Path>, arguments: impl IntoIterator<Item = PathBuf>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(arguments);
    command
}
