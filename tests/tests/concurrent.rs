//! Sixteen requests at a time in one process, as in an environment that Lambda gives several invocations at once: each is
//! answered, logged and counted as if it were alone.
//!
//! A child process does the work on several threads with the functions' own log; what comes out of its standard output is
//! held against what the same request wrote by itself.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use shared::gateway::Response;
use shared::invocation::Invocation;
use tests::paced::Paced;
use tests::{Account, Call, World, figure};

const REQUESTS: usize = 10_000;
const AT_ONCE: usize = 16;
const THREADS: usize = 4;
/// Of each tenant.
const USERS: usize = 10;
const STACK: &str = "a-stack";
/// Written before the requests that count.
const BEGIN: &str = "#begin";
/// Requests of each user.
const KINDS: usize = 7;
/// The one of them that is nobody's.
const NOBODY: &str = "6";

/// Members that belong to one request alone, or tell a time.
const OWN: [&str; 10] = [
    "timestamp",
    "request_id",
    "lambda_request_id",
    "xray_trace_id",
    "subject",
    "duration_ms",
    "store_ms",
    "kdf_ms",
    "cold_start",
    "_aws",
];

/// A user, and requests that only this user's credentials or names make.
struct Caller {
    account: Account,
    calls: Vec<Call>,
}

impl Caller {
    async fn of(world: &World, account: Account) -> Self {
        let (jwt, ticket) = (world.jwt(&account).await, world.ticket(&account).await);
        let header = world.auth_header(&jwt).await;
        let profile = world.profile_jwt(&account).await;
        let login = json!({ "username": account.qualified(), "password": account.password });
        let nobody = json!({ "username": format!("{}-who-is-nobody", account.qualified()), "password": "of nobody" });
        let token = [("accessTokenId", world.applications.everywhere.as_str())];
        let calls = vec![
            Call::to("user-login").json(&login),
            Call::to("test-secure").bearer(&jwt),
            Call::to("ticket-get").id(&ticket).parameters(&token),
            Call::to("test-secure").header("x-authorization", &header),
            Call::to("authheader-list").bearer(&jwt),
            Call::to("profile-get").id(account.id()).bearer(&profile),
            Call::to("user-login").json(&nobody),
        ];
        assert_eq!(calls.len(), KINDS);
        Self { account, calls }
    }
}

/// What is unlike any other request's: its id at the gateway, at Lambda, and its trace.
fn ids(id: &str) -> [String; 3] {
    let digits = id.bytes().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
    let digits = format!("{digits:0>24}");
    [format!("gateway-{id}"), format!("lambda-{id}"), format!("1-6921a0c4-{}", &digits[digits.len() - 24..])]
}

async fn answered(world: &World, call: &Call, id: &str) -> Response {
    let [gateway, lambda, trace] = ids(id);
    let mut event = call.event();
    event["requestContext"]["requestId"] = json!(gateway);
    let invocation = Invocation::new(&lambda, Some(&format!("Root={trace};Parent=0123456789abcdef;Sampled=1")), false);
    invocation.run(world.invoke_unchecked(call.route().name, event)).await
}

/// What of an answer is the same each time: of a JWT, whose it is.
fn lasting(response: &Response) -> Value {
    let mut body: Value = serde_json::from_str(response.body()).unwrap_or_default();
    if let Some(token) = body.get_mut("Token") {
        let claims = token.as_str().and_then(|jwt| jwt.split('.').nth(1)).expect("a JWT's claims");
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        *token = json!({ "sub": claims["sub"], "tenant": claims["tenant"] });
    }
    json!({ "status": response.status(), "body": body })
}

/// The child's part.
#[test]
#[ignore = "the other test runs it in a process of its own, since it needs standard output and the one subscriber"]
fn everything_at_once() {
    println!();
    shared::log::start(tracing::Level::INFO);
    shared::metrics::start(Some(STACK.to_owned()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_time().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new().await;
        let store = Paced::new(world.stack.store.clone(), 1);
        world.rewire(store, Arc::new(world.stack.clock.clone()));
        let mut callers = Vec::new();
        for _ in 0..USERS {
            for tenant in ["demo", "other"] {
                callers.push(Caller::of(&world, world.newcomer_of(tenant).await).await);
            }
        }
        // The first use of a credential is noted, beside the request; the second has nothing more to note.
        for round in 0..2 {
            for (who, caller) in callers.iter().enumerate() {
                for call in &caller.calls {
                    answered(&world, call, &format!("{who}-{round}-before")).await;
                }
            }
        }
        println!("{BEGIN}");
        let mut alone = BTreeMap::new();
        for (who, caller) in callers.iter().enumerate() {
            for (kind, call) in caller.calls.iter().enumerate() {
                let answer = answered(&world, call, &format!("{who}-{kind}-alone")).await;
                alone.insert((who, kind), lasting(&answer));
            }
        }
        let shared = Arc::new((world, callers, alone, AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..AT_ONCE).map(|_| tokio::spawn(ask(Arc::clone(&shared)))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        for (who, caller) in shared.1.iter().enumerate() {
            println!("#caller {}", json!({ "who": who, "user": caller.account.id() }));
        }
    });
}

type Shared = (World, Vec<Caller>, BTreeMap<(usize, usize), Value>, AtomicUsize);

/// Sends one request after the other until all together have sent enough.
async fn ask(shared: Arc<Shared>) {
    let (world, callers, alone, sent) = &*shared;
    loop {
        let number = sent.fetch_add(1, Ordering::SeqCst);
        if number >= REQUESTS {
            return;
        }
        let who = number % callers.len();
        let kind = number / callers.len() % callers[who].calls.len();
        let answer = answered(world, &callers[who].calls[kind], &format!("{who}-{kind}-{number}")).await;
        assert_eq!(lasting(&answer), alone[&(who, kind)], "request {number} of {who}");
        let header = answer.header("x-request-id");
        assert_eq!(header, Some(ids(&format!("{who}-{kind}-{number}"))[0].as_str()));
    }
}

/// What of a line is the same each time, and of measured times how many there are.
fn lasting_members(line: &Value) -> Map<String, Value> {
    let members = line.as_object().unwrap().iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    let counted =
        members.map(|(name, value)| (name.clone(), value.as_array().map_or(value.clone(), |it| it.len().into())));
    counted.collect()
}

/// What the child wrote.
struct Written {
    lines: Vec<Value>,
    /// The callers' ids by their numbers.
    users: BTreeMap<u64, Value>,
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", "everything_at_once", "--ignored", "--nocapture"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (_, text) = text.split_once(BEGIN).unwrap();
    let users = text.lines().filter_map(|line| line.strip_prefix("#caller ")).map(named).collect();
    Written { lines: text.lines().filter(|line| line.starts_with('{')).map(parsed).collect(), users }
});

/// What in these lines is not as if each request had been alone.
fn bleed(lines: &[Value], users: &BTreeMap<u64, Value>) -> Vec<String> {
    let mut by_id: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    let mut found = Vec::new();
    for line in lines {
        match line["request_id"].as_str() {
            Some(id) => by_id.entry(id).or_default().push(line),
            // What is logged on the way says which request it is about.
            None if line["span"]["request.id"].is_string() => {}
            None => found.push(format!("a line of no request: {line}")),
        }
    }
    if by_id.len() != REQUESTS + 2 * USERS * KINDS {
        found.push(format!("{} requests have a line", by_id.len()));
    }
    for (id, lines) in &by_id {
        let parts: Vec<&str> = id.trim_start_matches("gateway-").split('-').collect();
        let [_, lambda, trace] = ids(&parts.join("-"));
        let alone = &by_id[format!("gateway-{}-{}-alone", parts[0], parts[1]).as_str()][0];
        let user = &users[&parts[0].parse().unwrap()];
        for (what, holds) in [
            ("one line", lines.len() == 1),
            ("the id at Lambda", lines[0]["lambda_request_id"] == lambda),
            ("the trace", lines[0]["xray_trace_id"] == trace),
            ("the user", lines[0]["user"] == *user || parts[1] == NOBODY),
            ("what it wrote alone", lasting_members(lines[0]) == lasting_members(alone)),
        ] {
            if !holds {
                found.push(format!("{id}: not {what}: {}", lines[0]));
            }
        }
    }
    found
}

#[test]
fn sixteen_requests_at_a_time_are_answered_logged_and_counted_as_one_alone() {
    let Written { lines, users } = &*WRITTEN;
    assert_eq!(users.len(), 2 * USERS);
    let bleed = bleed(lines, users);
    assert!(bleed.is_empty(), "{} lines, the first: {:#?}", bleed.len(), bleed.first());
    let hashed = lines.iter().filter(|line| line["KdfLatency"].is_array()).count();
    assert!(hashed > 2000, "{hashed} hashes");
    figure(&format!("{REQUESTS} requests, {AT_ONCE} at a time on {THREADS} threads: 0 bleed"));
}

/// The control of the test above: a member that belongs to another request.
#[test]
fn what_is_another_request_s_would_be_noticed() {
    let Written { lines, users } = &*WRITTEN;
    let login = |line: &Value| line["request_id"].as_str().is_some_and(|id| id.ends_with("-0-0-alone"));
    let login = lines.iter().position(login).unwrap();
    let told = |line: &Value, member: &str| line[member].as_array().map_or(line[member].clone(), |it| it.len().into());
    for member in
        ["lambda_request_id", "xray_trace_id", "user", "tenant", "store_calls", "StoreLatency", "Logins", "act"]
    {
        let own = &lines[login];
        let foreign = lines.iter().find(|line| line["user"] != own["user"] && told(line, member) != told(own, member));
        let foreign = foreign.map(|line| line[member].clone()).unwrap_or_default();
        let mut lines = lines.clone();
        lines[login][member] = foreign;
        assert!(!bleed(&lines, users).is_empty(), "{member}");
    }
    let mut lines = lines.clone();
    lines.push(lines[login].clone());
    assert!(!bleed(&lines, users).is_empty(), "a line twice");
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: two lines in one? {line}"))
}

fn named(line: &str) -> (u64, Value) {
    let mut caller = parsed(line);
    (caller["who"].as_u64().unwrap(), caller["user"].take())
}
