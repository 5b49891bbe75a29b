//! What stands between a client and a function: a throttle for each route, as API Gateway has it, and as many
//! environments as the function may have, each of which serves one event at a time, as Lambda does.
//!
//! There is no queue, since neither of the two has one: a request that is beyond the throttle is answered 429, and one
//! for which no environment is free 503, both by the gateway itself and at once.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bench::Error;
use bench::plan::Plan;
use bench::process::Process;
use local::template::Template;
use serde_json::Value;

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The function.
    Function,
    /// The gateway: 429, more requests a second than the route takes.
    Throttle,
    /// The gateway: 503, no environment is free.
    NoRoom,
    /// The gateway: 502, the environment ended or said nothing for too long.
    Broken,
}

/// Something that goes wrong on purpose once in twenty times, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// A revocation is acknowledged and not done.
    Unrevoked,
    /// An answer is the one that the function gave before.
    MixedUp,
    /// A verification is refused.
    Refused,
    /// A function answers 503 without `Retry-After`.
    Impatient,
}

impl Fault {
    /// How often.
    const ONE_IN: u64 = 20;

    fn concerns(self, function: &str) -> bool {
        let ends =
            ["authheader-delete", "oauth2-revoke", "persistent-login-delete", "ticket-invalidate", "user-logout"];
        match self {
            Self::Unrevoked => ends.contains(&function),
            Self::MixedUp => function == "user-login" || function == "ticket-get" || function == "oauth2-introspect",
            Self::Refused => function == "test-secure",
            Self::Impatient => true,
        }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Who made it.
    pub by: By,
    /// The status; of the authorizer 200 for a yes and 401 for a no.
    pub status: u16,
    /// Its JSON, or null.
    pub body: Value,
    /// Whether it says when to try again.
    pub retry_after: bool,
}

impl Reply {
    fn of_gateway(by: By, status: u16) -> Self {
        Self { by, status, body: Value::Null, retry_after: false }
    }

    /// Reads what a function answered; something else than an answer is what API Gateway makes of it: a 502.
    fn read(document: &[u8]) -> Self {
        let mut answer: Value = serde_json::from_slice(document).unwrap_or_default();
        if let Some(allowed) = answer.get("isAuthorized").and_then(Value::as_bool) {
            let body = answer.get_mut("context").map(Value::take).unwrap_or_default();
            return Self { by: By::Function, status: if allowed { 200 } else { 401 }, body, retry_after: false };
        }
        let status = answer.get("statusCode").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        let Some(status) = status else { return Self::of_gateway(By::Broken, 502) };
        let body = answer.get("body").and_then(Value::as_str).unwrap_or_default();
        let retry_after = answer.get("headers").is_some_and(|headers| headers.get("retry-after").is_some());
        Self { by: By::Function, status, body: serde_json::from_str(body).unwrap_or_default(), retry_after }
    }
}

/// So many requests a second, and so many at once.
#[derive(Debug)]
struct Throttle {
    rate: f64,
    burst: f64,
    left: f64,
    at: Instant,
}

impl Throttle {
    fn new(rate: f64, burst: f64, now: Instant) -> Self {
        Self { rate, burst, left: burst, at: now }
    }

    fn admits(&mut self, now: Instant) -> bool {
        self.left = (self.left + self.rate * (now - self.at).as_secs_f64()).min(self.burst);
        self.at = now;
        let admitted = self.left >= 1.0;
        if admitted {
            self.left -= 1.0;
        }
        admitted
    }
}

struct Function {
    name: &'static str,
    binary: PathBuf,
    throttle: Option<Mutex<Throttle>>,
    /// Used in turn, so that each of them has its part of the load.
    idle: Mutex<VecDeque<Process>>,
    processes: Mutex<Vec<u32>>,
    /// The last answer, for a fault that gives it once more.
    last: Mutex<Option<Reply>>,
}

/// The functions, running.
pub struct Gateway {
    functions: BTreeMap<&'static str, Function>,
    environment: BTreeMap<String, String>,
    fault: Option<Fault>,
    calls: AtomicU64,
}

/// One environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Environment {
    /// The function.
    pub function: &'static str,
    /// Its process id.
    pub process: u32,
}

impl Gateway {
    /// Starts `environments` of each function, whose binaries are in `folder`.
    pub async fn start(
        names: &[&'static str],
        folder: &Path,
        environments: usize,
        template: &Template,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let mut functions = BTreeMap::new();
        for name in names {
            let binary = binary(folder, name, template)?;
            let (mut idle, mut processes) = (VecDeque::new(), Vec::new());
            for _ in 0..environments {
                let (process, _) = Process::start(name, &binary, environment).await?;
                processes.push(process.id());
                idle.push_back(process);
            }
            let throttle = throttle(name, template)?;
            let (idle, processes) = (Mutex::new(idle), Mutex::new(processes));
            functions.insert(*name, Function { name, binary, throttle, idle, processes, last: Mutex::default() });
        }
        Ok(Self { functions, environment: environment.clone(), fault: None, calls: AtomicU64::default() })
    }

    /// The same with a fault.
    pub fn with(self, fault: Option<Fault>) -> Self {
        Self { fault, ..self }
    }

    /// Every environment there is.
    pub fn environments(&self) -> Vec<Environment> {
        let of = |function: &Function| {
            let (function, processes) = (function.name, held(&function.processes).clone());
            processes.into_iter().map(move |process| Environment { function, process })
        };
        self.functions.values().flat_map(of).collect()
    }

    /// Answers an event for the function `name`.
    pub async fn call(&self, name: &'static str, event: String) -> Reply {
        let Some(function) = self.functions.get(name) else { return Reply::of_gateway(By::Broken, 502) };
        if function.throttle.as_ref().is_some_and(|throttle| !held(throttle).admits(Instant::now())) {
            return Reply::of_gateway(By::Throttle, 429);
        }
        let Some(mut process) = held(&function.idle).pop_front() else { return Reply::of_gateway(By::NoRoom, 503) };
        let fault = self.fault.filter(|fault| fault.concerns(name) && self.is_its_turn());
        if fault == Some(Fault::Unrevoked) {
            held(&function.idle).push_back(process);
            return Reply { by: By::Function, status: 200, body: Value::Null, retry_after: false };
        }
        match process.exchange(event).await {
            Ok((_, document)) => {
                held(&function.idle).push_back(process);
                let reply = Reply::read(&document);
                let before = held(&function.last).replace(reply.clone());
                faulty(fault, reply, before)
            }
            // An outage, of which the authorizer can tell in no other way: API Gateway answers 500 and keeps nothing.
            Err(Error::Answer { .. }) if name == "authorizer" => {
                self.replace(function, process).await;
                Reply { by: By::Function, status: 503, body: Value::Null, retry_after: true }
            }
            Err(error) => {
                eprintln!("{}", local::chain(&error));
                self.replace(function, process).await;
                Reply::of_gateway(By::Broken, 502)
            }
        }
    }

    fn is_its_turn(&self) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(Fault::ONE_IN)
    }

    /// Starts another environment in the place of one that is no good any more.
    async fn replace(&self, function: &Function, broken: Process) {
        let old = broken.id();
        drop(broken);
        match Process::start(function.name, &function.binary, &self.environment).await {
            Ok((process, _)) => {
                held(&function.processes).iter_mut().filter(|id| **id == old).for_each(|id| *id = process.id());
                held(&function.idle).push_back(process);
            }
            Err(error) => eprintln!("{}", local::chain(&error)),
        }
    }
}

/// What a fault makes of an answer.
fn faulty(fault: Option<Fault>, reply: Reply, before: Option<Reply>) -> Reply {
    match fault {
        Some(Fault::MixedUp) => before.unwrap_or(reply),
        Some(Fault::Refused) => Reply { status: 401, ..reply },
        Some(Fault::Impatient) => Reply { status: 503, retry_after: false, ..reply },
        Some(Fault::Unrevoked) | None => reply,
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The function's binary: by its name as cargo builds it, in a folder of its own as `cargo lambda` does, or in one by its
/// logical id as `sam build` does.
fn binary(folder: &Path, name: &str, template: &Template) -> Result<PathBuf, Error> {
    let functions = template.functions()?;
    let found = functions.iter().find(|function| function.binary == name);
    let logical_id = found.map(|function| function.logical_id.clone()).unwrap_or_default();
    let places = [folder.join(name), folder.join(name).join("bootstrap"), folder.join(logical_id).join("bootstrap")];
    let place = places.into_iter().find(|place| place.is_file());
    place.ok_or_else(|| Error::File { path: folder.join(name), source: std::io::ErrorKind::NotFound.into() })
}

/// The route's throttle, by the template's parameters; the authorizer has no route.
fn throttle(name: &str, template: &Template) -> Result<Option<Mutex<Throttle>>, Error> {
    if name == "authorizer" {
        return Ok(None);
    }
    let login = if Plan::of(name).hashes { "Login" } else { "" };
    let parameter = |name: &str| {
        let value = template.parameters().get(&format!("{login}{name}")).and_then(|value| value.parse::<f64>().ok());
        value.ok_or(Error::Event("the template has no throttle"))
    };
    Ok(Some(Mutex::new(Throttle::new(parameter("RateLimit")?, parameter("BurstLimit")?, Instant::now()))))
}

/// How long a client waits that was refused and was not told how long.
pub const REST: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttle_admits_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut throttle = Throttle::new(10.0, 5.0, start);
        let admitted = |throttle: &mut Throttle, at: Instant| (0..100).filter(|_| throttle.admits(at)).count();
        assert_eq!(admitted(&mut throttle, start), 5);
        assert_eq!(admitted(&mut throttle, start + Duration::from_millis(250)), 2);
        assert_eq!(admitted(&mut throttle, start + Duration::from_secs(60)), 5);
    }

    #[test]
    fn answers_are_read_as_the_gateway_reads_them() {
        let busy = br#"{"statusCode":503,"headers":{"retry-after":"2"},"body":"{\"message\":\"m\"}"}"#;
        let busy = Reply::read(busy);
        assert_eq!((busy.by, busy.status, busy.retry_after), (By::Function, 503, true));
        assert_eq!(busy.body["message"], "m");
        let allowed = Reply::read(br#"{"isAuthorized":true,"context":{"user":"u"}}"#);
        assert_eq!((allowed.status, allowed.body["user"].as_str()), (200, Some("u")));
        assert_eq!(Reply::read(br#"{"isAuthorized":false}"#).status, 401);
        assert_eq!(Reply::read(b"{}").by, By::Broken);
    }
}
