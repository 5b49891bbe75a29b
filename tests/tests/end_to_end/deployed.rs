//! A deployed stack, named by the environment: docs/testing-a-deployment.md.
//!
//! Invariant: nothing is touched that this run did not make. Its tenants have names that nobody else has, its access
//! tokens end after an hour if nobody takes them away, and both are taken away at the end, whatever became of the rows.
//! All of it goes by way of the operator's tool, so that it needs no right that an operator doesn't have.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use local::demo::{self, Demo};
use serde_json::Value;
use shared::access_token::Action;
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::random::{Random, SystemRandom};
use shared::tenant::TenantName;
use shared::user::{Email, User, UserId, UserName};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::api::Party;

const URL: &str = "OSTIARY_BASE_URL";
const STACK: &str = "OSTIARY_STACK";
const CONSENT: &str = "OSTIARY_SMOKE";

/// How long an access token of a run is good at most, for the case that the run is cut off.
const LIFE: Duration = Duration::from_hours(1);
/// A persistent login's last token but one is good for so long.
const GRACE: Duration = Duration::from_secs(31);
/// An API that does not answer for so long is down.
const PATIENCE: Duration = Duration::from_secs(60);
/// The role that local data gives its administrator.
const ADMINISTRATOR: &str = User::TENANT_ADMIN;

/// The way to the stack, and what was made on it.
pub struct Deployed {
    url: String,
    stack: String,
    program: PathBuf,
    prefix: String,
    tenants: RefCell<BTreeSet<String>>,
    made: RefCell<Made>,
}

/// What has to be taken away again.
#[derive(Default)]
struct Made {
    tenants: BTreeSet<String>,
    access_tokens: Vec<String>,
}

/// What the tool said.
struct Told {
    code: i32,
    json: Value,
    complaint: String,
}

/// Whether the environment asks for a deployed stack. Then nothing is run here.
pub fn asked() -> bool {
    std::env::var_os(URL).is_some()
}

impl Deployed {
    /// The stack that the environment names; ends the test where it does so by halves, since half of a setting is
    /// somebody's mistake and no reason to test something else.
    pub fn of_environment() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{URL} is set and {name} is not"));
        let (url, stack) = (variable(URL), variable(STACK));
        assert_eq!(
            variable(CONSENT),
            "yes",
            "{CONSENT} has to be yes: tenants, users and access tokens are made on {stack}"
        );
        assert!(!url.ends_with('/'), "{URL} must have no slash at the end");
        let program = std::env::var_os("OSTIARY_PROGRAM").map_or_else(own_program, PathBuf::from);
        assert!(program.is_file(), "there is no {}: cargo build --package cli", program.display());
        let prefix = format!("e2e-{:08x}", random() >> 96);
        println!("stack {stack} at {url}; tenants of this run begin with {prefix}-");
        Self { url, stack, program, prefix, tenants: RefCell::default(), made: RefCell::default() }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the stack's JWTs say of it; the template's own default where the environment doesn't tell.
    pub fn party(&self) -> Party {
        let or = |name: &str, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
        Party { issuer: or("OSTIARY_ISSUER", &self.url), audience: or("OSTIARY_AUDIENCE", "ostiary") }
    }

    /// A client that trusts what this machine trusts, and what `SSL_CERT_FILE` names.
    pub fn agent() -> ureq::Agent {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
        let found = rustls_native_certs::load_native_certs();
        assert!(!found.certs.is_empty(), "this machine has no root certificates: {:?}", found.errors);
        let roots: Vec<_> = found.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots));
        config.tls_config(tls.unversioned_rustls_crypto_provider(provider).build()).build().into()
    }

    /// What local data has: a tenant, a user, an administrator and an application.
    pub fn demo(&self) -> Demo {
        let tenant = self.tenant(demo::TENANT);
        let (user, password) = self.user(&tenant, "demo", &[]);
        let (administrator, admin_password) = self.user(&tenant, "admin", &[ADMINISTRATOR]);
        Demo {
            base_url: self.url.clone(),
            username: user.name.as_str().to_owned(),
            password,
            admin_username: administrator.name.as_str().to_owned(),
            admin_password,
            profile_id: user.id.as_str().to_owned(),
            access_token_id: self.access_token(&[(Some(demo::TENANT), None)], None, false),
            tenant,
        }
    }

    /// The name that a tenant has in this run, whether it is there or not.
    pub fn tenant(&self, name: &str) -> String {
        let name = format!("{}-{name}", self.prefix);
        self.made.borrow_mut().tenants.insert(name.clone());
        name
    }

    /// A new user of a tenant that is there then.
    pub fn user(&self, tenant: &str, name: &str, roles: &[&str]) -> (User, String) {
        if self.tenants.borrow_mut().insert(tenant.to_owned()) {
            // The API may have made it.
            self.tool(&["tenant", "create", tenant], "").taken_or_there();
        }
        // Unlike the password of a local test, this one would open something for as long as the run takes.
        let password = format!("{:032x}", random());
        let email = format!("{name}@{tenant}.example");
        let mut arguments = vec!["user", "create", "--tenant", tenant, "--username", name, "--email", &email];
        arguments.extend(roles.iter().flat_map(|role| ["--role", role]));
        arguments.push("--password-stdin");
        let made = self.tool(&arguments, &format!("{password}\n")).taken();
        let user = User {
            id: UserId::parse(made["id"].as_str().unwrap()).unwrap(),
            tenant: TenantName::parse(tenant).unwrap(),
            name: UserName::parse(name).unwrap(),
            email: Email::parse(&email),
            ..shared::testing::user("x")
        };
        (user, password)
    }

    pub fn set_enabled(&self, user: &UserId, enabled: bool) {
        self.tool(&["user", if enabled { "enable" } else { "disable" }, "--id", user.as_str()], "").taken();
    }

    pub fn expire_password(&self, user: &User) {
        self.tool(&["user", "expire-password", "--id", user.id.as_str()], "").taken();
    }

    /// A new access token. One whose end lies in the past is made a moment before its end, since the tool makes no other.
    pub fn access_token(
        &self,
        grants: &[(Option<&str>, Option<&[Action]>)],
        expires: Option<Timestamp>,
        master: bool,
    ) -> String {
        let now = SystemClock.now();
        let over = expires.is_some_and(|expires| expires <= now);
        let expires = if over { now.plus(Duration::from_secs(3)) } else { expires.unwrap_or_else(|| now.plus(LIFE)) };
        let expires = format!("{}Z", expires.as_zoneless());
        let permissions: Vec<String> =
            grants.iter().map(|(tenant, actions)| self.permission(*tenant, *actions)).collect();
        let mut arguments = vec!["access-token", "create", "--application", "an-application", "--expires", &expires];
        arguments.extend(permissions.iter().flat_map(|permission| ["--tenant", permission.as_str()]));
        if master {
            arguments.push("--master");
        }
        let token = self.tool(&arguments, "").taken()["token"].as_str().unwrap().to_owned();
        self.made_access_token(&token);
        if over {
            std::thread::sleep(Duration::from_secs(4));
        }
        token
    }

    fn permission(&self, tenant: Option<&str>, actions: Option<&[Action]>) -> String {
        let tenant = tenant.map_or_else(|| "*".to_owned(), |name| self.tenant(name));
        let names = |actions: &[Action]| actions.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(",");
        format!("{tenant}={}", actions.map_or_else(|| "*".to_owned(), names))
    }

    /// Notes a token that the API made.
    pub fn made_access_token(&self, token: &str) {
        self.made.borrow_mut().access_tokens.push(token.to_owned());
    }

    /// Here the clock can't be turned.
    pub fn wait_for_persistent_logins() {
        println!("  waits {} s", GRACE.as_secs());
        std::thread::sleep(GRACE);
    }

    /// Takes away what this run made.
    pub fn stop(self) {
        assert_eq!(self.take_away(), Vec::<String>::new(), "not everything could be taken away again");
    }

    /// What could not be taken away. Rows take some of it away themselves.
    fn take_away(&self) -> Vec<String> {
        let made = std::mem::take(&mut *self.made.borrow_mut());
        let mut left = Vec::new();
        for token in made.access_tokens {
            let told = self.tool(&["access-token", "delete", "-"], &format!("{token}\n"));
            if !told.done_or_refused() {
                left.push(told.complaint);
            }
        }
        for tenant in made.tenants {
            assert!(tenant.starts_with(&self.prefix), "{tenant} is none of this run");
            let told = self.tool(&["tenant", "delete", &tenant, "--yes"], "");
            if !told.done_or_refused() {
                left.push(format!("{tenant}: {}", told.complaint));
            }
        }
        left
    }

    fn tool(&self, arguments: &[&str], input: &str) -> Told {
        let mut process = Command::new(&self.program)
            .args(["--stack", &self.stack, "--output", "json"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the operator's tool starts");
        // A tool that has ended takes nothing; its answer says why.
        let _ = process.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let done = process.wait_with_output().expect("the operator's tool ends");
        Told {
            code: done.status.code().unwrap_or(-1),
            json: serde_json::from_slice(&done.stdout).unwrap_or_default(),
            complaint: String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        }
    }
}

/// A run that ends early leaves nothing behind, either.
impl Drop for Deployed {
    fn drop(&mut self) {
        for left in self.take_away() {
            println!("left behind: {left}");
        }
    }
}

impl Told {
    fn taken(self) -> Value {
        assert_eq!(self.code, 0, "{}", self.complaint);
        self.json
    }

    fn taken_or_there(self) {
        assert!(self.done_or_refused(), "{}", self.complaint);
    }

    /// Exit code 1 is "there already" and "not found".
    fn done_or_refused(&self) -> bool {
        matches!(self.code, 0 | 1)
    }
}

fn random() -> u128 {
    let random: &dyn Random = &SystemRandom;
    u128::from_be_bytes(random.bytes())
}

/// The tool that this workspace builds.
fn own_program() -> PathBuf {
    local::workspace().join("target/debug/ostiary")
}
