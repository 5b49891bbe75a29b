//! The audit trail, as it is written: a child process drives every endpoint with the functions' own log, and what comes
//! out of its standard output is held against the documents.

#[path = "../forged_tokens/classes.rs"]
mod classes;
mod drive;
mod filter;
#[path = "../forged_tokens/forge.rs"]
mod forge;
mod metrics;
mod rotations;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use shared::api::{Access, Family, ROUTES, Route};
use shared::audit::{DONE, Outcome};
use tests::problems::problems;
use tests::{figure, read};

const LEVEL: &str = "OSTIARY_TEST_LOG_LEVEL";
const STACK: &str = "OSTIARY_TEST_METRICS";
const PAGE: &str = "docs/audit-log.md";
const ROTATION: &str = "rotate-signing-keys";
/// What a tenant's administrator may do with its profiles.
const BY_ADMINISTRATORS: [&str; 3] = ["profile-authenticate", "profile-get", "profile-update"];
/// What applications ask of a tenant by its name.
const OF_A_TENANT: [&str; 7] = [
    "tenant-get",
    "tenant-update",
    "tenant-delete",
    "api1-profile-range",
    "api1-profile-count",
    "api1-profile-by-username",
    "api1-profile-create",
];

/// The child's part.
#[test]
#[ignore = "the other tests run it in a process of its own, since it needs standard output and the one subscriber"]
fn everything_that_is_audited() {
    println!();
    shared::log::start(std::env::var(LEVEL).as_deref().unwrap_or("info").parse().unwrap());
    shared::metrics::start(std::env::var(STACK).ok());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(drive::everything());
}

/// What the child wrote.
struct Written {
    lines: Vec<Value>,
    cases: Vec<Value>,
    secrets: BTreeSet<String>,
    /// An administrator, and the profile that it acted on.
    administrator: Vec<Value>,
}

impl Written {
    fn at(level: &str) -> Self {
        Self::with(level, None)
    }

    /// With metrics under that name of a stack.
    fn with(level: &str, stack: Option<&str>) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "everything_that_is_audited", "--ignored", "--nocapture"]).env(LEVEL, level);
        child.envs(stack.map(|name| (STACK, name)));
        let output = child.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let parsed = |prefix: &str| -> Vec<Value> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
            lines.map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let lines = text.lines().filter(|line| line.starts_with('{'));
        let lines = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        let secrets = parsed("#secret ").iter().map(|text| text.as_str().unwrap().to_owned()).collect();
        Self { lines, cases: parsed("#case "), secrets, administrator: parsed("#administrator ") }
    }

    fn audited(&self) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(|line| line["message"] == "audit")
    }
}

static AT_INFO: LazyLock<Written> = LazyLock::new(|| Written::at("info"));

/// Rows of the one table of a page whose first column is headed so, as cells without backticks.
fn table(path: &str, heading: &str) -> Vec<Vec<String>> {
    let page = read(path);
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let mut rows = page.lines().skip_while(|line| !line.starts_with(&format!("| {heading} |"))).skip(2);
    let rows: Vec<_> = rows.by_ref().take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(!rows.is_empty(), "{path} has no table of {heading}");
    rows
}

fn column(heading: &str) -> BTreeSet<String> {
    let rows = table(PAGE, heading);
    let names: BTreeSet<String> = rows.iter().map(|cells| cells[0].clone()).collect();
    assert_eq!(names.len(), rows.len(), "{heading}: each once");
    names
}

fn values(member: &str) -> BTreeSet<String> {
    let lines = AT_INFO.audited().filter(|line| line["act"] != ROTATION);
    lines.filter_map(|line| line[member].as_str().map(str::to_owned)).collect()
}

#[test]
fn every_act_is_one_event_and_reading_what_is_public_is_none() {
    let mut by_id: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for line in AT_INFO.audited() {
        by_id.entry(line["request_id"].as_str().unwrap()).or_default().push(line);
    }
    let open: BTreeSet<&str> =
        ROUTES.iter().filter(|route| route.access == Access::Open).map(|route| route.name).collect();
    assert_eq!(open.len(), 4, "{open:?}");
    let mut counted: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for case in &AT_INFO.cases {
        let (id, act) = (case["id"].as_str().unwrap(), case["act"].as_str().unwrap());
        let lines = by_id.get(id).map(Vec::as_slice).unwrap_or_default();
        if open.contains(act) {
            assert!(lines.is_empty(), "{case} {lines:?}");
            let mut answered = AT_INFO.lines.iter().filter(|line| line["request_id"] == id);
            assert!(answered.next().is_some_and(|line| line["message"] == "answered"), "{case}");
            continue;
        }
        assert_eq!(lines.len(), 1, "{case} {lines:?}");
        let line = lines[0];
        let outcome = match (case["status"].as_u64(), case["class"].as_str()) {
            (_, Some(class)) => class,
            // Which of the two it is, the page says of each reason.
            (None, None) => line["outcome"].as_str().filter(|outcome| *outcome != "success").unwrap_or_default(),
            (Some(200..=299), _) => "success",
            (Some(400..=499), _) => "refused",
            _ => "failed",
        };
        assert_eq!((&line["act"], &line["outcome"]), (&case["act"], &Value::from(outcome)), "{case} {line}");
        assert_eq!(line.get("http.status"), case.get("status"), "{case} {line}");
        assert_eq!(line["reason"] == DONE, outcome == "success", "{line}");
        *counted.entry((act, outcome)).or_default() += 1;
    }
    for act in ROUTES.iter().map(|route| route.name).filter(|name| !open.contains(name)).chain(["authorizer", ROTATION])
    {
        for outcome in ["success", "refused", "failed"] {
            assert!(counted.contains_key(&(act, outcome)), "no {outcome} of {act} was tried");
        }
    }
    // Three strange events to each endpoint had no id.
    let nameless = by_id.get("-").map_or(0, Vec::len);
    assert_eq!(nameless, 3 * (ROUTES.len() - open.len()));
    figure(&format!("{} audit events, one for each act", AT_INFO.audited().count()));
}

#[test]
fn an_event_has_the_documented_members_and_no_other() {
    let documented = table(PAGE, "Member");
    let mut seen = BTreeSet::new();
    for line in AT_INFO.audited() {
        let members = line.as_object().unwrap();
        for (name, value) in members {
            let row = documented.iter().find(|cells| cells[0] == *name);
            let row = row.unwrap_or_else(|| panic!("{PAGE} does not know {name}: {line}"));
            let fits = match row[1].as_str() {
                "number" => value.is_u64(),
                "boolean" => value.is_boolean(),
                "object" => value.is_object(),
                _ => value.as_str().is_some_and(|text| !text.is_empty()),
            };
            assert!(fits, "{name}: {line}");
            seen.insert(name.clone());
        }
        for row in documented.iter().filter(|row| row[2] == "always") {
            assert!(members.contains_key(&row[0]), "{}: {line}", row[0]);
        }
        assert_eq!(line["level"], "INFO", "{line}");
    }
    assert_eq!(seen, column("Member"), "each of them is used");
}

#[test]
fn who_and_by_what_is_told_of_every_success() {
    let made = |act: &str| AT_INFO.audited().find(|line| line["act"] == act && line["outcome"] == "success").unwrap();
    let by_application =
        |act: &str| ROUTES.iter().any(|route| route.name == act && route.access == Access::AccessToken);
    for line in AT_INFO.audited().filter(|line| line["outcome"] == "success") {
        let act = line["act"].as_str().unwrap();
        // A report of a leak, or a question about a token, may be about nobody.
        let about_nobody = line["detail"].is_string() && !line["user"].is_string();
        let by_application = by_application(act);
        assert!(line["user"].is_string() || about_nobody || by_application || act == ROTATION, "{line}");
        assert!(line["application"].is_string() || !by_application, "{line}");
    }
    let about_many = ["tenant-", "access-token-", "api1-profile-by-ids", "api1-profile-range", "api1-profile-count"];
    let about_one = |route: &&Route| {
        route.path.contains("/profile/{id}")
            || (route.family == Family::Ticket && !about_many.iter().any(|prefix| route.name.starts_with(prefix)))
    };
    for route in ROUTES.iter().filter(about_one) {
        assert!(made(route.name)["user"].is_string(), "whom it was about: {}", made(route.name));
    }
    for act in ["authheader-add", "authheader-rotate", "authheader-delete", "authheader-report-leaked"] {
        assert!(made(act)["subject"].is_string(), "{}", made(act));
    }
    for act in ["user-logout", "user-sessions-revoke", "oauth2-revoke", "tenant-update", "access-token-delete"] {
        assert!(made(act)["subject"].is_string(), "{}", made(act));
    }
    assert_eq!(made("user-login")["tenant"], "demo");
}

#[test]
fn a_tenant_s_administrator_is_who_acts() {
    let who = &AT_INFO.administrator[0];
    assert_ne!(who[0], who[1]);
    for act in BY_ADMINISTRATORS {
        let of = |line: &&Value| line["act"] == act && line["outcome"] == "success";
        let mut events = AT_INFO.audited().filter(of);
        let event = events.find(|line| line["subject"] == who[1]).unwrap_or_else(|| panic!("no such {act}"));
        assert_eq!((&event["user"], &event["tenant"], &event["credential"]), (&who[0], &"demo".into(), &"jwt".into()));
        let own = AT_INFO.audited().filter(of).find(|line| line["user"] == who[1]);
        assert!(own.is_none_or(|line| line["subject"].is_null()), "{own:?}");
    }
}

#[test]
fn a_tenant_that_exists_is_named_where_it_was_refused() {
    for act in OF_A_TENANT {
        let denied = |line: &&Value| line["act"] == act && line["reason"] == "action_denied";
        let tenants: Vec<&Value> = AT_INFO.audited().filter(denied).map(|line| &line["tenant"]).collect();
        assert!(tenants.contains(&&Value::from("demo")) && tenants.contains(&&Value::Null), "{act}: {tenants:?}");
    }
}

#[test]
fn no_event_holds_a_secret_an_address_or_a_name() {
    let told = ["@demo.example", "First of", "passwordless", "203.0.113.7"];
    let forbidden: Vec<&str> = AT_INFO.secrets.iter().map(String::as_str).chain(drive::CANARIES).chain(told).collect();
    assert!(forbidden.len() > 25, "{}", forbidden.len());
    let text: Vec<String> = AT_INFO.lines.iter().map(Value::to_string).collect();
    let text = text.join("\n");
    for secret in forbidden {
        assert!(!text.contains(secret), "{secret} is logged");
        assert!(secret.len() < 24 || !text.contains(&secret[..24]), "the beginning of {secret} is logged");
    }
    for line in AT_INFO.audited().filter(|line| line["act"] != ROTATION) {
        // A strange event names no source.
        let network = line.get("network").and_then(Value::as_str);
        assert!(network.is_none_or(|network| network == "203.0.113.0/24"), "{line}");
        assert!(network.is_some() || line["request_id"] == "-" || line["reason"] == "no_such_route", "{line}");
    }
}

#[test]
fn the_log_level_does_not_hold_the_trail_back() {
    let audited = |written: &Written| -> Vec<(String, String, String)> {
        let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        written.audited().map(|line| (text(line, "act"), text(line, "outcome"), text(line, "reason"))).collect()
    };
    let quiet = Written::at("error");
    assert!(quiet.lines.iter().all(|line| line["message"] == "audit" || line["level"] == "ERROR"));
    assert!(AT_INFO.lines.iter().any(|line| line["message"] == "answered"), "the control");
    assert_eq!(audited(&quiet), audited(&AT_INFO));
}

#[test]
fn reasons_and_outcomes_are_a_closed_list_on_the_page() {
    let mut known: BTreeSet<String> = problems().iter().map(|problem| problem.reason().to_owned()).collect();
    known.insert(DONE.to_owned());
    assert_eq!(column("Reason"), known);
    let provoked = values("reason");
    assert!(provoked.is_subset(&known), "{provoked:?}");
    let missing: Vec<_> = known.difference(&provoked).collect();
    assert!(missing.is_empty(), "nothing here provokes {missing:?}");
    let outcomes = [Outcome::Success, Outcome::Refused, Outcome::Failed].map(|outcome| outcome.as_str().to_owned());
    assert_eq!(column("Outcome"), BTreeSet::from(outcomes.clone()));
    assert_eq!(values("outcome"), BTreeSet::from(outcomes));
    for row in table(PAGE, "Reason") {
        let outcomes: BTreeSet<String> = problems()
            .iter()
            .filter(|problem| problem.reason() == row[0])
            .map(|problem| problem.outcome().as_str().to_owned())
            .collect();
        assert!(row[0] == DONE || outcomes == BTreeSet::from([row[1].clone()]), "{row:?}");
    }
}

#[test]
fn details_and_credentials_are_closed_lists_on_the_page() {
    assert_eq!(column("Detail"), values("detail"));
    assert_eq!(column("Credential"), values("credential"));
}

/// No key could be made: aws-lc would have to fail.
const UNPROVOKED: &str = "no_key_made";

#[test]
fn the_page_has_every_reason_and_step_of_a_rotation() {
    let rotations: Vec<&Value> = AT_INFO.audited().filter(|line| line["act"] == ROTATION).collect();
    let values = |member: &str| -> BTreeSet<String> {
        rotations.iter().filter_map(|line| line[member].as_str().map(str::to_owned)).collect()
    };
    let mut reasons = values("reason");
    assert!(reasons.remove(DONE) && reasons.insert(UNPROVOKED.to_owned()));
    assert_eq!(column("Reason of a rotation"), reasons);
    assert_eq!(column("Step"), values("detail"));
    for row in table(PAGE, "Reason of a rotation") {
        let mut like = rotations.iter().filter(|line| line["reason"] == row[0]);
        assert!(like.all(|line| line["outcome"] == row[1]), "{row:?}");
    }
    let source = read("functions/rotate-signing-keys/src/handler.rs");
    let named = source.matches("(Outcome::").count() - source.matches("(Outcome::Success").count();
    // Two more, of a defect and of a setting that is missing, are the same for all such functions.
    assert_eq!(named + 2, column("Reason of a rotation").len(), "each cause in the source is on the page");
    let tested = rotations.iter().filter(|line| line["outcome"] == "success" && line["subject"].is_string()).count();
    assert_eq!(tested, 3, "the key is told where a step was about it");
}

#[test]
fn each_pattern_of_the_page_counts_what_it_says() {
    let page = read(PAGE);
    let patterns: Vec<&str> = page.lines().map(str::trim).filter(|line| line.starts_with("{ $.")).collect();
    assert!(patterns.len() >= 5, "{patterns:?}");
    for pattern in &patterns {
        let hits = AT_INFO.lines.iter().filter(|line| filter::matches(pattern, line)).count();
        assert!(hits > 0, "{pattern} counts nothing");
        assert!(hits < AT_INFO.audited().count(), "{pattern} counts everything");
    }
    let logins = patterns.iter().find(|pattern| pattern.contains("bad_credentials")).expect("a pattern for guessing");
    let counted = AT_INFO.lines.iter().filter(|line| filter::matches(logins, line)).count();
    let by_hand = AT_INFO.audited().filter(|line| line["reason"] == "bad_credentials").count();
    assert_eq!(counted, by_hand);
}

#[test]
fn the_example_of_the_page_is_one() {
    let page = read(PAGE);
    let example = page.lines().find(|line| line.starts_with("{\"timestamp\"")).expect("an example");
    let example: Value = serde_json::from_str(example).unwrap();
    let like = AT_INFO.audited().find(|line| line["act"] == example["act"] && line["outcome"] == example["outcome"]);
    let names = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(like.expect("such an event")), names(&example));
}
