//! `cost` needs no stack, tells what it reckons with, and says in the documents what it says here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Run, Tool};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The tool where nothing leads to a stack.
fn cost(arguments: &[&str]) -> Run {
    let tool = Tool { environment: BTreeMap::new() };
    tool.run(&[&["cost"], arguments].concat())
}

fn json(arguments: &[&str]) -> Value {
    let tool = Tool { environment: BTreeMap::new() };
    tool.json(&[&["cost"], arguments].concat()).json()
}

fn line<'a>(answer: &'a Value, service: &str, what: &str) -> &'a Value {
    let mut lines = answer["lines"].as_array().unwrap().iter();
    lines.find(|line| line["service"] == service && line["what"] == what).unwrap_or_else(|| panic!("{service} {what}"))
}

#[track_caller]
fn near(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
}

/// Blocks of a page that begin with the command, and what follows it.
fn examples(page: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let blocks = text.split("```").skip(1).step_by(2);
    let blocks = blocks.filter_map(|block| block.split_once("\n$ cargo ostiary cost")).map(|(_, rest)| rest);
    blocks
        .filter_map(|rest| rest.split_once('\n'))
        .map(|(arguments, shown)| (arguments.to_owned(), shown.to_owned()))
        .collect()
}

#[test]
fn the_examples_in_the_documents_are_what_the_tool_says() {
    for page in ["docs/cost.md", "docs/scale.md"] {
        let examples = examples(page);
        assert!(examples.len() >= 2, "{examples:?}");
        for (arguments, shown) in examples {
            let run = cost(&arguments.split_whitespace().collect::<Vec<_>>());
            assert_eq!(run.code, 0, "{}", run.stderr);
            assert_eq!(run.stdout, shown, "{page} shows something else for:{arguments}");
        }
    }
}

/// By hand: a verification takes 16 ms, so ten a second is what an environment serves of them; each reads its user, as
/// each login does.
#[test]
fn what_a_second_needs_is_what_it_comes_to_by_hand() {
    let answer = json(&["--per-second", "--logins", "100000", "--verifications", "1000000"]);
    let limit = |name: &str| {
        let mut limits = answer["limits"].as_array().unwrap().iter();
        limits.find(|limit| limit["limit"].as_str().unwrap().starts_with(name)).unwrap()["used"].clone()
    };
    near(&limit("API Gateway"), 100_000.0);
    near(&limit("Lambda: requests a second"), 1_100_000.0);
    near(&limit("LoginConcurrency"), 100_000.0 * 0.047);
    near(&limit("DynamoDB: reads a second of the busiest table"), 1_100_000.0);
    // A ticket for each login, and the note of its use for each tenth verification.
    near(&limit("DynamoDB: writes a second of the busiest table"), 200_000.0);
    // 100,000 environments for the authorizer: 1,000 at once, 100 more a second.
    assert_eq!(answer["servedAfterSeconds"]["warmedTables"], 990);
    // 12,000 reads a second, doubled seven times: 1,536,000.
    assert_eq!(answer["servedAfterSeconds"]["newTables"], 7 * 1800);
    let hour: f64 = answer["hour"].as_array().unwrap().iter().map(|line| line["dollars"].as_f64().unwrap()).sum();
    near(&answer["together"], hour);
}

#[test]
fn an_hour_costs_its_part_of_a_month_that_is_all_like_it() {
    let month = ["--logins", "262800000000", "--tickets", "8640000000", "--users", "0", "--peak-factor", "1"];
    let month = json(&month)["together"].as_f64().unwrap();
    near(&json(&["--per-second", "--logins", "100000"])["together"], month / 730.0);
    let few = json(&["--per-second", "--logins", "10"]);
    assert_eq!(few["servedAfterSeconds"]["newTables"], 0);
    let none = json(&["--per-second"]);
    assert_eq!(none["limits"], Value::Array(Vec::new()));
    for contrary in [&["--each"][..], &["--peak-factor", "3"]] {
        assert_eq!(cost(&[&["--per-second"], contrary].concat()).code, 2, "{contrary:?}");
    }
}

/// By hand, from the table of requests and the prices of 2026-11-22: two reads and two writes.
#[test]
fn a_million_logins_cost_what_they_come_to_by_hand() {
    let answer = json(&["--logins", "1000000"]);
    near(&line(&answer, "API Gateway", "requests")["dollars"], 1.0);
    near(&line(&answer, "Lambda", "requests")["dollars"], 0.2);
    near(&line(&answer, "DynamoDB", "reads")["dollars"], 2.0 * 0.125);
    near(&line(&answer, "DynamoDB", "writes")["dollars"], 2.0 * 0.625);
    // (16.5 + 3.7) ms at 1024 of 1769 MiB, and three round trips of 4 ms: 46.9, billed as 47.
    near(&line(&answer, "Lambda", "memory and time")["dollars"], 47_000.0 * 0.000_016_666_7);
    // 1,700 bytes of log lines each.
    near(&line(&answer, "CloudWatch", "log lines")["dollars"], 0.85);
    near(&answer["cognito"]["activeUsers"], 100_000.0);
    near(&answer["cognito"]["essentials"], 1350.0);
    near(&answer["cognito"]["lite"], 495.0);
    let lines = answer["lines"].as_array().unwrap();
    near(&answer["together"], lines.iter().map(|line| line["dollars"].as_f64().unwrap()).sum());
    let idle = lines.iter().filter(|line| line["withoutRequests"] == true);
    near(&answer["withoutRequests"], idle.map(|line| line["dollars"].as_f64().unwrap()).sum());
}

#[test]
fn without_requests_only_what_stands_is_billed() {
    let answer = json(&[]);
    assert!(answer["lines"].as_array().unwrap().iter().all(|line| line["withoutRequests"] == true), "{answer:#}");
    assert_eq!(answer["together"], answer["withoutRequests"]);
    assert_eq!(answer["limits"], Value::Array(Vec::new()));
    near(&line(&answer, "Secrets Manager", "secrets")["dollars"], 0.4);
}

/// What every option adds, in a month that has something of everything.
#[test]
fn what_is_switched_on_is_billed() {
    let requests = ["--logins", "1000000", "--verifications", "10000000", "--introspections", "1000000"];
    let of = |more: &[&str]| json(&[&requests, more].concat())["together"].as_f64().unwrap();
    let plain = of(&[]);
    for more in [
        &["--edge"][..],
        &["--replica"],
        &["--own-key"],
        &["--secrets", "2"],
        &["--failed-logins", "100000"],
        &["--request", "user-forgot=100000"],
        &["--first-uses", "50"],
        &["--log-bytes", "5000"],
        &["--log-retention-days", "3653"],
        &["--metrics", "100"],
        &["--alarms", "100"],
        &["--dashboards", "2"],
        &["--users", "10000000"],
        &["--kdf-ms", "100"],
        &["--store-ms", "20"],
        &["--response-bytes", "15000"],
        // An item of two units.
        &["--ticket-bytes", "1500"],
        &["--user-bytes", "5000"],
    ] {
        assert!(of(more) > plain, "{more:?}");
    }
    for less in [&["--architecture", "arm64"][..], &["--authorizer-cached", "90"], &["--memory-mib", "128"]] {
        assert!(of(less) < plain, "{less:?}");
    }
}

#[test]
fn the_limit_that_is_met_first_comes_first() {
    let answer = json(&["--logins", "10000000", "--peak-factor", "30"]);
    let limits = answer["limits"].as_array().unwrap();
    let part = |limit: &Value| limit["used"].as_f64().unwrap() / limit["atMost"].as_f64().unwrap();
    assert!(limits.windows(2).all(|pair| part(&pair[0]) >= part(&pair[1])), "{limits:#?}");
    assert!(limits[0]["limit"].as_str().unwrap().starts_with("LoginRateLimit"), "{limits:#?}");
    // 10,000,000 in 2,628,000 s, thirty times as many in the busiest one.
    near(&limits[0]["used"], 10_000_000.0 / 2_628_000.0 * 30.0);
    let raised = json(&["--logins", "10000000", "--peak-factor", "30", "--login-rate-limit", "1000"]);
    assert!(raised["limits"][0]["limit"].as_str().unwrap().starts_with("LoginConcurrency"), "{raised:#}");
}

/// What the template says where nobody chooses, by the parameter's name.
fn template_default(parameter: &str) -> String {
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    let (_, rest) = template.split_once(&format!("\n  {parameter}:\n")).unwrap_or_else(|| panic!("no {parameter}"));
    let default = rest.lines().find_map(|line| line.trim().strip_prefix("Default: ")).unwrap();
    default.trim_matches('\'').to_owned()
}

#[test]
fn what_nobody_chooses_is_as_in_the_template() {
    let usual = ["--logins", "9000000", "--verifications", "1000000", "--renewals", "1000000"];
    let expected = cost(&usual).stdout;
    for (parameter, flag, other) in [
        ("Architecture", "--architecture", "arm64"),
        ("MemoryMiB", "--memory-mib", "512"),
        ("PasswordMemoryMiB", "--password-memory-mib", "512"),
        ("RateLimit", "--rate-limit", "7"),
        ("LoginRateLimit", "--login-rate-limit", "7"),
        ("LoginConcurrency", "--login-concurrency", "7"),
        ("LogRetentionDays", "--log-retention-days", "1"),
    ] {
        let with = |value: &str| cost(&[&usual[..], &[flag, value]].concat()).stdout;
        assert_eq!(with(&template_default(parameter)), expected, "{parameter}");
        assert_ne!(with(other), expected, "{flag} changes nothing");
    }
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let tool = Tool { environment: BTreeMap::new() };
    for (flag, value) in [
        ("logins", "-1"),
        ("logins", "1.5"),
        ("logins", "many"),
        ("verifications", "1000000000001"),
        ("authorizer-cached", "101"),
        ("first-uses", "-3"),
        ("memory-mib", "64"),
        ("password-memory-mib", "20000"),
        ("kdf-ms", "nan"),
        ("peak-factor", "0"),
        ("user-bytes", "0"),
        ("architecture", "riscv"),
        ("applications", "0"),
        ("request", "user-token"),
        ("request", "user-tokens=5"),
        ("request", "user-token=-5"),
        ("prices", "/nonexistent/prices.yaml"),
    ] {
        let error = tool.json(&["cost", &format!("--{flag}"), value]).error(2);
        assert_eq!(error["field"], flag, "{flag} {value}: {error}");
        // The same apart, as most people write it.
        let text = cost(&[&format!("--{flag}={value}")]);
        assert!(text.code == 2 && text.stderr.contains(flag), "{}", text.stderr);
    }
}

#[test]
fn prices_of_ones_own_are_taken_whole_or_not_at_all() {
    let ours = fs::read_to_string(root().join("cli/prices.yaml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prices.yaml");
    let with = |text: &str| {
        fs::write(&file, text).unwrap();
        let tool = Tool { environment: BTreeMap::new() };
        tool.json(&["cost", "--logins", "1000000", "--prices", file.to_str().unwrap()])
    };
    assert_eq!(with(&ours).json(), json(&["--logins", "1000000"]));
    let dearer = ours.replace("us-east-1", "eu-west-9").replace("dollars: 0.625", "dollars: 1.25");
    assert_ne!(dearer, ours);
    let answer = with(&dearer).json();
    assert_eq!(answer["region"], "eu-west-9");
    near(&line(&answer, "DynamoDB", "writes")["dollars"], 2.5);
    for (wrong, told) in [
        (ours.replace("dollars: 0.625", "dollars: -1"), "dollars must be"),
        (ours.replace("dashboards:", "boards:"), "boards"),
        (String::new(), ""),
        ("- 1".to_owned(), ""),
        ("{".to_owned(), ""),
    ] {
        let error = with(&wrong).error(2);
        assert_eq!(error["field"], "prices");
        assert!(error["error"].as_str().unwrap().contains(told), "{error}");
    }
}

/// Whoever reads the table of requests sees all of them.
#[test]
fn each_shows_every_request_of_the_api() {
    let answer = json(&["--each"]);
    let shown: Vec<&str> =
        answer["perMillion"].as_array().unwrap().iter().map(|one| one["request"].as_str().unwrap()).collect();
    for route in shared::api::ROUTES {
        assert!(shown.contains(&route.name), "{}", route.name);
    }
    assert!(shown.contains(&"authorizer"));
}

/// Each alarm is paid for by the metrics that it looks at; one that finds out what is usual looks at three.
#[test]
fn as_many_alarms_are_billed_as_the_template_has() {
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    let resources = template.split_once("\nResources:\n").unwrap().1.split_once("\nOutputs:\n").unwrap().0;
    let alarms = resources.split("    Type: AWS::CloudWatch::Alarm\n").skip(1);
    let metrics = alarms.map(|alarm| {
        let ends = |line: &str| line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
        let lines: Vec<_> = alarm.lines().take_while(|line| !ends(line)).collect();
        let stats = lines.iter().filter(|line| line.trim() == "MetricStat:").count();
        if lines.iter().any(|line| line.contains("ANOMALY_DETECTION_BAND")) { 3 } else { stats.max(1) }
    });
    let answer = json(&[]);
    assert_eq!(line(&answer, "CloudWatch", "alarms")["howMuch"], format!("{} metrics", metrics.sum::<usize>()));
}
