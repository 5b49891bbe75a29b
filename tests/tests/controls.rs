//! The seeded faults of `tests/controls/` fit the code, so that the list can't rot unseen: what each changes stands there
//! once, and the test that is to notice it is there. Whether it does is for `tests/controls/run` to say, which builds them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::{read, workspace};

const LIST: &str = "tests/controls/faults.txt";

/// As much of a fault as is held against the code.
#[derive(Clone, Default)]
struct Fault {
    name: String,
    lines: Vec<String>,
    tests: Vec<String>,
    hunks: Vec<Hunk>,
}

/// Lines of a file, without their indentation, and whether what takes their place has a switch.
#[derive(Clone)]
struct Hunk {
    file: String,
    right: Vec<String>,
    switched: bool,
}

/// The list, read as `run` reads it.
fn faults(list: &str) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for line in list.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        if let Some(name) = line.strip_prefix("fault: ") {
            faults.push(Fault { name: name.to_owned(), ..Fault::default() });
            continue;
        }
        let fault = faults.last_mut().expect("a fault's name comes first");
        let file = fault.hunks.last().map(|hunk| hunk.file.clone());
        let hunk = |file: &str| Hunk { file: file.to_owned(), right: Vec::new(), switched: false };
        match (line.split_at(1), line.split_once(": ")) {
            (("-", right), _) => fault.hunks.last_mut().unwrap().right.push(right.trim().to_owned()),
            (("+", wrong), _) => fault.hunks.last_mut().unwrap().switched |= wrong.contains("FAULT"),
            (("@", _), _) => fault.hunks.push(hunk(&file.unwrap())),
            (_, Some(("file", name))) => fault.hunks.push(hunk(name)),
            (_, Some(("test", name))) => fault.tests.push(name.to_owned()),
            (_, Some(("lines", names))) => fault.lines.extend(names.split(' ').map(str::to_owned)),
            (_, Some(("what" | "command", _))) => {}
            _ => panic!("{line} is no line of a fault"),
        }
    }
    faults
}

/// How often a hunk's lines stand in a text, whatever the indentation.
fn places(right: &[String], text: &str) -> usize {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.windows(right.len().max(1)).filter(|window| *window == right).count()
}

/// Where the source of a test is looked for: in its module's file, or in one of its target.
fn source_of(test: &str) -> Option<String> {
    let (package, rest) = test.split_once("::")?;
    let folder = workspace().join(package);
    let folder = if folder.is_dir() { folder } else { workspace().join("functions").join(package) };
    let path: Vec<&str> = rest.split("::").collect();
    let integration = path.first().map(|target| folder.join("tests").join(target))?;
    let candidates: Vec<PathBuf> = if integration.is_dir() || integration.with_extension("rs").is_file() {
        let module = path.get(1).copied().unwrap_or_default();
        let inside = [format!("{module}.rs"), "main.rs".to_owned()].map(|file| integration.join(file));
        inside.into_iter().chain([integration.with_extension("rs")]).collect()
    } else {
        let module = folder.join("src").join(rest.split("::tests::").next()?.replace("::", "/"));
        vec![module.with_extension("rs"), module.join("mod.rs"), module.join("tests.rs")]
    };
    let texts: Vec<String> = candidates.into_iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    (!texts.is_empty()).then(|| texts.concat())
}

/// What does not fit.
fn flaws(faults: &[Fault]) -> Vec<String> {
    let (mut flaws, mut names) = (Vec::new(), BTreeSet::new());
    for Fault { name, tests, hunks, .. } in faults {
        if !names.insert(name) {
            flaws.push(format!("{name}: twice"));
        }
        for hunk in hunks {
            let text = std::fs::read_to_string(workspace().join(&hunk.file)).unwrap_or_default();
            let places = places(&hunk.right, &text);
            if places != 1 {
                flaws.push(format!("{name}: {places} places in {} have {:?}", hunk.file, hunk.right));
            }
            if Path::new(&hunk.file).extension().is_some_and(|extension| extension == "rs") && !hunk.switched {
                flaws.push(format!("{name}: without a switch in {}", hunk.file));
            }
        }
        for test in tests {
            let function = test.rsplit("::").next().unwrap_or_default();
            // The second is a test that a macro makes.
            let forms = [format!("fn {function}("), format!("{function} \"")];
            if !source_of(test).is_some_and(|text| forms.iter().any(|form| text.contains(form))) {
                flaws.push(format!("{name}: there is no test {test}"));
            }
        }
    }
    flaws
}

#[test]
fn every_seeded_fault_fits_the_code() {
    let faults = faults(&read(LIST));
    assert!(faults.len() > 60, "{}", faults.len());
    let flaws = flaws(&faults);
    assert!(flaws.is_empty(), "{flaws:#?}");
}

#[test]
fn every_seeded_fault_was_seen_noticed() {
    let listed = faults(&read(LIST)).into_iter();
    let listed: BTreeSet<(String, String)> =
        listed.flat_map(|fault| fault.lines.into_iter().map(move |line| (fault.name.clone(), line))).collect();
    let kept: Value = serde_json::from_str(&read("tests/assurance/controls.json")).unwrap();
    let noticed = kept.as_array().unwrap().iter().filter(|control| control["result"] == "fails as it must");
    let text = |control: &Value, member: &str| control[member].as_str().unwrap().to_owned();
    let noticed: BTreeSet<_> = noticed.map(|control| (text(control, "fault"), text(control, "line"))).collect();
    assert_eq!(listed, noticed, "tests/controls/run --write tries what is new");
}

#[test]
fn a_fault_that_fits_no_more_is_noticed() {
    let list = |right: &str, test: &str, faulty: &str| {
        format!("fault: x\nlines: Q1\nwhat: X.\ntest: {test}\nfile: shared/src/one_time.rs\n- {right}\n+ {faulty}\n")
    };
    let (right, test) =
        ("now < self.expires", "shared::one_time::tests::a_token_ends_with_its_time_its_user_and_its_address");
    let count = |right, test, faulty| flaws(&faults(&list(right, test, faulty))).len();
    assert_eq!(count(right, test, "FAULT"), 0);
    assert_eq!(count("now > self.expires", test, "FAULT"), 1, "it is not there");
    assert_eq!(count("use super::*;\n- }", test, "FAULT"), 1, "not one after the other");
    assert_eq!(count("}", test, "FAULT"), 1, "in many places");
    assert_eq!(count(right, "shared::one_time::tests::a_token_never_ends", "FAULT"), 1, "nobody notices it");
    assert_eq!(count(right, test, "true"), 1, "it can't be switched");
    assert_eq!(flaws(&[faults(&list(right, test, "FAULT")), faults(&list(right, test, "FAULT"))].concat()).len(), 1);
}
