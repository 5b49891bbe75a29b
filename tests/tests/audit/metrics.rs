//! The metrics, as they are written: the same requests with metrics on, each line held against the rules of
//! `CloudWatch`'s embedded metric format, and what is counted against what the trail says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use shared::api::{Access, ROUTES};
use shared::metrics::{ALL, MOST_VALUES, Metric, NAMESPACE, STACK};
use tests::figure;

use crate::{AT_INFO, Written, drive, table};

const PAGE: &str = "docs/metrics.md";
/// The name of the stack whose metrics these are.
const NAME: &str = "a-stack";
/// It takes a change of the password in the middle of a login.
const UNPROVOKED: (&str, &str) = ("LoginFailures", "other");

static MEASURED: LazyLock<Written> = LazyLock::new(|| Written::with("info", Some(NAME)));

fn documents() -> impl Iterator<Item = &'static Value> {
    MEASURED.lines.iter().filter(|line| line.get("_aws").is_some())
}

/// What is wrong with a line as a document of the format: the schema of its specification, and its limits.
fn faults(line: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut demand = |holds: bool, rule: &str| {
        if !holds {
            faults.push(rule.to_owned());
        }
    };
    let text = |value: &Value, most: usize| value.as_str().is_some_and(|text| (1..=most).contains(&text.len()));
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let only = |value: &Value, known: &[&str]| {
        value.as_object().is_some_and(|object| object.keys().all(|name| known.contains(&name.as_str())))
    };
    demand(line.to_string().len() <= 262_144, "a line is 256 KB long at most");
    let metadata = &line["_aws"];
    demand(only(metadata, &["Timestamp", "CloudWatchMetrics"]), "_aws has two members");
    let at = metadata["Timestamp"].as_u64().unwrap_or_default();
    demand((1_700_000_000_000..4_000_000_000_000).contains(&at), "Timestamp is in milliseconds");
    let directives = list(&metadata["CloudWatchMetrics"]);
    demand(!directives.is_empty(), "there is a directive");
    for directive in &directives {
        demand(only(directive, &["Namespace", "Dimensions", "Metrics"]), "a directive has three members");
        demand(text(&directive["Namespace"], 1024), "Namespace is a text");
        let sets = list(&directive["Dimensions"]);
        demand(!sets.is_empty(), "there is a set of dimensions");
        for set in sets {
            let names = list(&set);
            demand(set.is_array() && names.len() <= 30, "a set has 30 dimensions at most");
            demand(names.iter().map(Value::to_string).collect::<BTreeSet<_>>().len() == names.len(), "each once");
            for name in names {
                demand(text(&name, 250), "a dimension's name is a text");
                let value = &line[name.as_str().unwrap_or_default()];
                demand(text(value, 1024) && value.as_str().is_some_and(str::is_ascii), "a dimension's value is a text");
            }
        }
        let metrics = list(&directive["Metrics"]);
        demand((1..=100).contains(&metrics.len()), "a directive has 1 to 100 metrics");
        for metric in metrics {
            demand(only(&metric, &["Name", "Unit", "StorageResolution"]), "a metric has a name and a unit");
            demand(text(&metric["Name"], 1024), "a metric's name is a text");
            demand(["Seconds", "Milliseconds", "Count"].iter().any(|unit| metric["Unit"] == *unit), "a known unit");
            let value = &line[metric["Name"].as_str().unwrap_or_default()];
            let values = value.as_array().map_or_else(|| vec![value.clone()], Clone::clone);
            demand((1..=MOST_VALUES).contains(&values.len()), "a metric has 1 to 100 values");
            demand(values.iter().all(|value| value.as_f64().is_some_and(|it| it >= 0.0)), "a value is a number");
        }
    }
    faults
}

#[test]
fn each_document_is_of_the_format() {
    let mut count = 0;
    for line in documents() {
        assert_eq!(faults(line), Vec::<String>::new(), "{line}");
        count += 1;
    }
    assert!(count > 1000, "{count}");
    figure(&format!("{count} lines with metrics are of the embedded metric format"));
}

#[test]
fn a_fault_of_a_document_is_found() {
    let good = documents().find(|line| line.get("LoginFailures").is_some()).unwrap();
    let broken = |pointer: &str, value: Value| {
        let mut line = good.clone();
        *line.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
        line
    };
    for (pointer, value) in [
        ("/_aws/Timestamp", json!("2026-11-22")),
        ("/_aws/Timestamp", json!(1_800_000_000)),
        ("/_aws/CloudWatchMetrics", json!([])),
        ("/_aws/CloudWatchMetrics/0/Namespace", json!("")),
        ("/_aws/CloudWatchMetrics/0/Dimensions", json!([])),
        ("/_aws/CloudWatchMetrics/0/Dimensions", json!([["Stack", "Stack"]])),
        ("/_aws/CloudWatchMetrics/0/Dimensions", json!(["Stack"])),
        ("/_aws/CloudWatchMetrics/0/Metrics", json!([])),
        ("/_aws/CloudWatchMetrics/0/Metrics/0/Unit", json!("ms")),
        ("/_aws/CloudWatchMetrics/0/Metrics/0/Name", json!("missing")),
        ("/Stack", json!(7)),
        ("/Reason", json!("")),
        ("/LoginFailures", json!("1")),
        ("/StoreLatency", json!(vec![1; MOST_VALUES + 1])),
        ("/StoreLatency", json!([])),
    ] {
        assert_ne!(faults(&broken(pointer, value.clone())), Vec::<String>::new(), "{pointer}: {value}");
    }
}

fn known(name: &str) -> &'static Metric {
    ALL.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name} is no metric of ours"))
}

#[test]
fn names_units_and_dimensions_are_those_of_the_list_and_hold_nothing_of_a_client() {
    for line in documents() {
        let mut allowed: BTreeSet<&str> = BTreeSet::from(["_aws", STACK]);
        assert_eq!(line[STACK], NAME);
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            assert_eq!(directive["Namespace"], NAMESPACE);
            for definition in directive["Metrics"].as_array().unwrap() {
                let metric = known(definition["Name"].as_str().unwrap());
                assert_eq!(definition["Unit"], serde_json::to_value(metric.unit).unwrap());
                allowed.insert(metric.name);
                let expected = match &metric.by {
                    None => json!([[STACK]]),
                    Some(dimension) => {
                        let value = line[dimension.name].as_str().unwrap();
                        assert!(dimension.values.contains(&value), "{value}: {line}");
                        allowed.insert(dimension.name);
                        json!([[STACK], [STACK, dimension.name]])
                    }
                };
                assert_eq!(directive["Dimensions"], expected, "{}", metric.name);
            }
        }
        // What begins with a capital letter is a metric's, and nothing that is not counted is among it.
        let counted = line.as_object().unwrap().keys().filter(|name| !name.starts_with(char::is_lowercase));
        assert_eq!(counted.map(String::as_str).collect::<BTreeSet<_>>(), allowed, "{line}");
    }
    let text: Vec<String> = MEASURED.lines.iter().map(Value::to_string).collect();
    let text = text.join("\n");
    for secret in MEASURED.secrets.iter().map(String::as_str).chain(drive::CANARIES) {
        assert!(!text.contains(secret), "{secret} is logged");
    }
}

#[test]
fn each_request_has_one_last_line_and_its_metrics_are_in_it() {
    let mut last: BTreeMap<&str, u32> = BTreeMap::new();
    for line in &MEASURED.lines {
        let is_last = line["message"] == "audit" || line["message"] == "answered";
        assert!(is_last || line.get("_aws").is_none(), "{line}");
        if is_last {
            *last.entry(line["request_id"].as_str().unwrap()).or_default() += 1;
            let calls = line["store_calls"].as_u64().unwrap_or_default();
            let values = line["StoreLatency"].as_array().map_or(0, Vec::len);
            assert_eq!(u64::try_from(values).unwrap(), calls.min(MOST_VALUES as u64), "{line}");
            assert_eq!(line.get("kdf_ms").is_some(), line.get("KdfLatency").is_some(), "{line}");
        }
    }
    for case in &MEASURED.cases {
        assert_eq!(last[case["id"].as_str().unwrap()], 1, "{case}");
    }
}

/// A recount from what the trail says, by the page's words.
fn expected(line: &Value) -> BTreeMap<&'static str, String> {
    let text = |name: &str| line[name].as_str().unwrap_or_default();
    let (act, outcome, reason) = (text("act"), text("outcome"), text("reason"));
    let mut expected = BTreeMap::new();
    let by_password = text("credential") == "password";
    let changes = ["user-password", "api1-profile-change-password"].contains(&act);
    if by_password && outcome == "success" && !changes {
        expected.insert("Logins", "1".to_owned());
    }
    let judged = ["bad_credentials", "disabled", "password_expired", "email_not_verified"];
    if by_password && outcome == "refused" && judged.contains(&reason) {
        expected.insert("LoginFailures", text("detail").to_owned());
    }
    let shown = ["jwt", "auth_header", "ticket"].contains(&text("credential"));
    let kind = match act {
        _ if outcome == "failed" => None,
        "authorizer" => shown.then_some("authorizer"),
        "oauth2-introspect" => (outcome == "success").then_some("introspection"),
        "ticket-get" | "api1-profile-by-ticket" => ["done", "no_such_ticket"].contains(&reason).then_some("ticket"),
        "persistent-login-get" | "persistent-login-refresh" => {
            ["done", "no_such_persistent_login"].contains(&reason).then_some("persistent_login")
        }
        _ => shown.then(|| text("credential")),
    };
    if let Some(kind) = kind {
        expected.insert("Verifications", kind.to_owned());
    }
    expected
}

#[test]
fn what_is_counted_is_what_the_trail_says() {
    let mut provoked: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for line in MEASURED.lines.iter().filter(|line| line["message"] == "audit" || line["message"] == "answered") {
        let counted = |name: &str| {
            let metric = known(name);
            let value = line.get(name)?;
            Some(metric.by.as_ref().map_or_else(|| value.to_string(), |by| line[by.name].as_str().unwrap().to_owned()))
        };
        let expected = expected(line);
        for name in ["Logins", "LoginFailures", "Verifications"] {
            assert_eq!(counted(name), expected.get(name).cloned(), "{name}: {line}");
        }
        for metric in ALL {
            if let Some(value) = counted(metric.name) {
                provoked.entry(metric.name).or_default().insert(value);
            }
        }
    }
    for metric in ALL {
        let values = provoked.get(metric.name).unwrap_or_else(|| panic!("nothing here counts {}", metric.name));
        let missing = metric.by.iter().flat_map(|by| by.values).filter(|value| !values.contains(**value));
        let missing: Vec<_> = missing.filter(|value| (metric.name, **value) != UNPROVOKED).collect();
        assert!(missing.is_empty(), "nothing here makes {} of {missing:?}", metric.name);
    }
}

/// The lines that count something.
fn with(name: &str) -> Vec<&'static Value> {
    documents().filter(|line| line.get(name).is_some()).collect()
}

#[test]
fn a_lock_is_counted_when_it_closes() {
    // Of an account of its own: five free guesses, of which the fifth closes the lock, and one that is not judged.
    let lockouts = with("Lockouts");
    assert_eq!(lockouts.len(), 1, "{lockouts:?}");
    assert_eq!((&lockouts[0]["Reason"], &lockouts[0]["Lockouts"]), (&json!("wrong_password"), &json!(1)));
}

#[test]
fn a_hash_that_is_made_anew_is_counted() {
    let rehashes = with("PasswordRehashes");
    assert_eq!(rehashes.len(), 1, "{rehashes:?}");
    assert_eq!((&rehashes[0]["Logins"], &rehashes[0]["PasswordRehashes"]), (&json!(1), &json!(1)));
    assert_eq!(rehashes[0]["KdfLatency"].as_array().map(Vec::len), Some(2), "one to check it, one to make it anew");
}

#[test]
fn the_age_of_the_signing_key_is_told_by_who_read_it() {
    // The clock of the tests stands still, at this long after the keys' own date.
    let ages: BTreeSet<String> = with("SigningKeyAge").iter().map(|line| line["SigningKeyAge"].to_string()).collect();
    assert!(ages.contains("100000000"), "{ages:?}");
}

#[test]
fn a_cold_start_is_counted_with_the_first_request() {
    let cold = with("ColdStarts");
    assert!(cold.iter().all(|line| line["cold_start"] == true), "{cold:?}");
    let acts: BTreeSet<&str> = cold.iter().map(|line| line["act"].as_str().unwrap()).collect();
    assert_eq!(acts, BTreeSet::from(drive::INVOKED));
}

#[test]
fn refusals_of_a_login_do_the_same_work_by_their_metrics_too() {
    let mut work: BTreeSet<(u64, usize)> = BTreeSet::new();
    let mut reasons = BTreeSet::new();
    for line in documents().filter(|line| line["act"] == "user-login" && line.get("LoginFailures").is_some()) {
        reasons.insert(line["Reason"].as_str().unwrap());
        work.insert((line["store_calls"].as_u64().unwrap(), line["KdfLatency"].as_array().unwrap().len()));
    }
    assert!(reasons.len() >= 5, "{reasons:?}");
    assert_eq!(work, BTreeSet::from([(3, 1)]), "two reads and a write, and one derivation");
    let login = documents().find(|line| line["act"] == "user-login" && line["Logins"] == 1).unwrap();
    assert_eq!(login["store_calls"], 4, "what goes on beside is counted, too");
}

#[test]
fn without_metrics_the_lines_are_the_same_but_for_them() {
    let told = |line: &Value| -> (String, Vec<String>) {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let members = line.as_object().unwrap().keys().filter(|name| name.starts_with(char::is_lowercase));
        let named = format!("{} {} {} {}", text("message"), text("act"), text("outcome"), text("reason"));
        (named, members.cloned().collect())
    };
    for line in &AT_INFO.lines {
        let of_metrics = |name: &String| name.starts_with(|first: char| first == '_' || first.is_ascii_uppercase());
        assert!(!line.as_object().unwrap().keys().any(of_metrics), "{line}");
    }
    let [off, on] = [&*AT_INFO, &*MEASURED].map(|written| written.lines.iter().map(told).collect::<Vec<_>>());
    assert_eq!(off, on);
}

#[test]
fn a_line_leads_to_the_platform_s_own_lines_and_to_the_trace() {
    for act in drive::INVOKED {
        let line = AT_INFO.lines.iter().find(|line| line["act"] == act && line["cold_start"] == true);
        let line = line.unwrap_or_else(|| panic!("no invocation of {act}"));
        assert_eq!(line["lambda_request_id"], drive::LAMBDA_REQUEST_ID, "{line}");
        assert_eq!(line["xray_trace_id"], drive::TRACE_ID, "{line}");
        assert_ne!(line["request_id"], line["lambda_request_id"], "{line}");
    }
}

#[test]
fn the_page_lists_exactly_these_metrics() {
    let rows: Map<String, Value> = table(PAGE, "Metric")
        .into_iter()
        .map(|cells| (cells[0].clone(), json!([cells[1].replace('`', ""), cells[2]])))
        .collect();
    let ours = ALL.iter().map(|metric| {
        let by = metric.by.as_ref().map_or_else(|| STACK.to_owned(), |by| format!("{STACK}; {STACK}, {}", by.name));
        (metric.name.to_owned(), json!([by, metric.unit]))
    });
    assert_eq!(rows, ours.collect());
    for by in ALL.iter().filter_map(|metric| metric.by.as_ref()) {
        let values: BTreeSet<String> = table(PAGE, by.name).into_iter().map(|cells| cells[0].clone()).collect();
        assert_eq!(values, by.values.iter().map(|value| (*value).to_owned()).collect(), "{}", by.name);
    }
    let combinations: usize = ALL.iter().map(|metric| 1 + metric.by.as_ref().map_or(0, |by| by.values.len())).sum();
    let page = tests::read(PAGE);
    assert!(page.contains(&format!("{combinations} metrics")), "the page says how many are paid for: {combinations}");
}

#[test]
fn what_is_public_is_measured_and_is_no_act() {
    let open: BTreeSet<&str> =
        ROUTES.iter().filter(|route| route.access == Access::Open).map(|route| route.name).collect();
    let answered = documents().filter(|line| line["message"] == "answered");
    let acts: BTreeSet<&str> = answered.map(|line| line["act"].as_str().unwrap()).collect();
    assert!(acts.contains("health") && acts.is_subset(&open), "{acts:?}");
}
