//! What the documents say and the code can contradict: links, files, tests, routes, settings, log lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use shared::api::{ALIASES, ROUTES};
use tests::{read, workspace};

/// The documents that are held against the code, beside all of `docs/`.
const DOCUMENTS: [&str; 10] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "bench/peers/README.md",
    "events/README.md",
    "tests/canary/README.md",
    "tests/controls/README.md",
    "tests/emulator/README.md",
    "tests/interop/README.md",
];

/// Folders whose files the documents name.
const FOLDERS: [&str; 10] =
    ["shared/", "functions/", "local/", "cli/", "tests/", "tools/", "events/", "docs/", "examples/", ".ci/"];

/// How a route begins that a document names.
const METHODS: [&str; 3] = ["GET /", "POST /", "PUT /"];

/// All documents, by their paths.
fn documents() -> Vec<String> {
    let pages = fs::read_dir(workspace().join("docs")).expect("docs/").map(|page| page.expect("a page").path());
    let pages = pages.filter(|page| page.extension().is_some_and(|extension| extension == "md"));
    let names = pages.filter_map(|page| Some(format!("docs/{}", page.file_name()?.to_str()?)));
    let mut all: Vec<_> = names.collect();
    all.extend(DOCUMENTS.map(str::to_owned));
    all.sort();
    all
}

/// A document without its fenced blocks.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let outside = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    outside.collect::<Vec<_>>().join("\n")
}

/// What stands in `backticks`.
fn code_spans(text: &str) -> Vec<String> {
    prose(text).split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Targets of links, those to other sites excepted.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// The anchors of a document's headings, as the usual sites make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text);
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// Links of the document at `path` that lead nowhere.
fn broken_links(path: &str, text: &str) -> Vec<String> {
    let folder = workspace().join(path).parent().map(Path::to_owned).expect("a file has a folder");
    let broken = links(text).into_iter().filter(|link| {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() { workspace().join(path) } else { folder.join(file) };
        let text = if target.is_dir() { Ok(String::new()) } else { fs::read_to_string(&target) };
        !text.is_ok_and(|text| anchor.is_empty() || anchors(&text).contains(anchor))
    });
    broken.map(|link| format!("{path}: {link}")).collect()
}

/// Tests that the document names and nobody wrote. A test's name is told from other words by its length, and from texts
/// that are logged by these.
fn missing_tests(path: &str, text: &str, sources: &str) -> Vec<String> {
    let is_name = |span: &String| {
        span.matches('_').count() >= 3
            && span.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let names = code_spans(text).into_iter().filter(is_name).filter(|name| !sources.contains(&format!("\"{name}\"")));
    names.filter(|name| !sources.contains(&format!("fn {name}("))).map(|name| format!("{path}: {name}")).collect()
}

/// Rows of tables, as cells.
fn rows(text: &str) -> Vec<Vec<String>> {
    let prose = prose(text);
    let rows = prose.lines().map(str::trim).filter(|line| line.starts_with("| ") && line.ends_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries.map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            rust_files(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

fn sources(folders: &[&str]) -> String {
    let mut files = Vec::new();
    for folder in folders {
        rust_files(&workspace().join(folder), &mut files);
    }
    files.iter().map(|file| fs::read_to_string(file).expect("a source file")).collect()
}

/// Routes that the document names and that there are not. A path may be named by its end. Where a part is left out (`…`),
/// nothing is known.
fn missing_routes(path: &str, text: &str) -> Vec<String> {
    let known = |method: &str, path: &str| {
        let aliases = ALIASES.iter().map(|alias| (alias.route.method, alias.path));
        let mut routes = ROUTES.iter().map(|route| (route.method, route.path)).chain(aliases);
        routes.any(|route| route.0 == method && route.1.ends_with(path))
    };
    let named = code_spans(text).into_iter().filter(|span| METHODS.iter().any(|method| span.starts_with(method)));
    let missing = named.filter(|span| {
        let mut words = span.split([' ', '\n', '?']);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        !path.contains('\u{2026}') && !known(method, path)
    });
    missing.map(|span| format!("{path}: {span}")).collect()
}

#[test]
fn every_route_that_a_document_names_is_there() {
    let missing: Vec<_> = documents().iter().flat_map(|path| missing_routes(path, &read(path))).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert_eq!(missing_routes("x", "`GET /user/renew?x=1` `POST /user/renew` `POST /user/login {}` `PUT /x`").len(), 2);
}

#[test]
fn every_link_leads_somewhere() {
    let broken: Vec<_> = documents().iter().flat_map(|path| broken_links(path, &read(path))).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_file_that_a_document_names_is_there() {
    for path in documents() {
        let spans = code_spans(&read(&path));
        let named = spans.iter().filter(|span| {
            let plain = !span.contains(['<', ' ', '*', '{', '\u{2026}']);
            plain && FOLDERS.iter().any(|folder| span.starts_with(folder))
        });
        for file in named.filter(|file| !file.starts_with(".tools")) {
            assert!(workspace().join(file).exists(), "{path} names {file}");
        }
    }
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let sources = sources(&["shared", "functions", "local", "cli", "tests", "simulation", "fuzz"]);
    let missing: Vec<_> = documents().iter().flat_map(|path| missing_tests(path, &read(path), &sources)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The control of the two tests above.
#[test]
fn a_dead_link_and_an_invented_test_are_noticed() {
    let text =
        "# A heading\n[a](#a-heading) [b](#another) [c](../Cargo.toml) [d](../nothing.toml) `no_such_test_is_there`";
    assert_eq!(broken_links("docs/x.md", &format!("{text} [e](https://example.com)")).len(), 3, "x.md isn't there");
    assert_eq!(links(&format!("```\n[f](g)\n```\n{text}")).len(), 4);
    assert_eq!(missing_tests("x", text, "fn another_test_is_there() {"), ["x: no_such_test_is_there"]);
    assert!(missing_tests("x", text, "fn no_such_test_is_there() {").is_empty());
}

#[test]
fn the_readme_lists_every_route_and_no_other() {
    let rows = rows(&read("README.md"));
    let listed: BTreeSet<_> = rows
        .iter()
        .filter_map(|cells| cells.first()?.strip_prefix('`')?.strip_suffix('`').map(str::to_owned))
        .filter(|cell| METHODS.iter().any(|method| cell.starts_with(method)))
        .collect();
    let routes = ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(listed, routes);
}

#[test]
fn every_setting_is_documented_with_its_default() {
    let template: yaml_serde::Value = yaml_serde::from_str(&read("template.yaml")).expect("YAML");
    let parameters = template.get("Parameters").and_then(|parameters| parameters.as_mapping()).expect("parameters");
    let documented = rows(&read("docs/operations.md"));
    for (name, parameter) in parameters {
        let name = name.as_str().expect("a name");
        let default = match parameter.get("Default") {
            None => "none".to_owned(),
            Some(value) => value.as_str().map_or_else(|| scalar(value), str::to_owned),
        };
        let row = documented.iter().find(|cells| cells[0] == format!("`{name}`"));
        let row = row.unwrap_or_else(|| panic!("docs/operations.md lacks {name}"));
        assert_eq!(row[1], default, "{name}");
    }
    let known = |cells: &&Vec<String>| cells.len() == 3 && cells[0].starts_with('`') && cells[2].starts_with("memory");
    assert!(documented.iter().any(|cells| known(&cells)), "the table of settings is found at all");
}

fn scalar(value: &yaml_serde::Value) -> String {
    yaml_serde::to_string(value).expect("a scalar").trim().to_owned()
}

#[test]
fn every_line_and_field_of_the_log_that_is_documented_is_written() {
    let sources = sources(&["shared/src", "functions"]);
    let rows = rows(&read("docs/operations.md"));
    let plain = |cell: &str| cell.trim_matches('`').to_owned();
    let levels = ["INFO", "WARN", "ERROR"];
    let messages = rows.iter().filter(|cells| cells.get(1).is_some_and(|cell| levels.contains(&cell.as_str())));
    let messages: Vec<_> = messages.map(|cells| plain(&cells[0])).collect();
    assert!(messages.len() >= 5, "{messages:?}");
    for message in messages {
        assert!(sources.contains(&format!("\"{message}\"")), "nobody logs {message:?}");
    }
    let members = self::rows(&read("docs/audit-log.md"));
    let members = members.iter().skip_while(|cells| cells[0] != "Member").skip(1);
    let fields = members.take_while(|cells| cells[0].starts_with('`')).map(|cells| plain(&cells[0]));
    // Those of every line, which the log's own layer writes.
    let own = ["timestamp", "level", "message", "span"];
    let fields: Vec<_> = fields.filter(|field| !own.contains(&field.as_str())).collect();
    assert!(fields.len() >= 5, "{fields:?}");
    for field in fields {
        let written = [" =", ", "].iter().any(|after| sources.contains(&format!("{field}{after}")));
        assert!(written, "nobody logs the field {field}");
    }
}

/// The verdicts of the ASVS checklist, in the order of its table of counts.
const VERDICTS: [&str; 4] = ["met", "partly", "not", "not applicable"];

/// The requirements of levels 1 and 2, each with its level.
fn requirements(list: &str) -> BTreeMap<&str, &str> {
    list.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect()
}

/// The lines of the ASVS checklist: a requirement or a whole section (`V4.3.*`), what it is about, verdict, evidence.
fn asvs_lines(page: &str) -> Vec<[String; 4]> {
    let is_line = |cells: &Vec<String>| cells[0].strip_prefix('V').is_some_and(|id| id.contains('.'));
    rows(page).into_iter().filter(is_line).map(|cells| cells.try_into().expect("four cells")).collect()
}

/// Each verdict by its requirement, and what is wrong with the lines.
fn asvs_verdicts<'a>(
    lines: &'a [[String; 4]],
    requirements: &BTreeMap<&'a str, &str>,
) -> (BTreeMap<&'a str, &'a str>, Vec<String>) {
    let (mut verdicts, mut faults) = (BTreeMap::new(), Vec::new());
    for [id, _, verdict, evidence] in lines {
        let meant: Vec<&str> = match id.strip_suffix('*') {
            None => requirements.keys().copied().filter(|known| known == id).collect(),
            Some(section) => requirements.keys().copied().filter(|known| known.starts_with(section)).collect(),
        };
        if meant.is_empty() {
            faults.push(format!("{id} is no requirement of these levels"));
        }
        if !VERDICTS.contains(&verdict.as_str()) {
            faults.push(format!("{id}: {verdict} is no verdict"));
        }
        let shown = evidence.contains('`') || evidence.contains("](");
        if evidence.is_empty() || (!shown && ["met", "partly"].contains(&verdict.as_str())) {
            faults.push(format!("{id} has no evidence"));
        }
        faults
            .extend(meant.iter().filter(|one| verdicts.contains_key(*one)).map(|one| format!("{one} is judged twice")));
        verdicts.extend(meant.into_iter().map(|one| (one, verdict.as_str())));
    }
    let missing = requirements.keys().filter(|id| !verdicts.contains_key(*id));
    faults.extend(missing.map(|id| format!("{id} is not judged")));
    (verdicts, faults)
}

/// Parts of the template that the evidence names and that are neither there nor in the code.
fn missing_parts(lines: &[[String; 4]], sources: &str) -> Vec<String> {
    let is_part = |span: &String| {
        span.bytes().all(|b| b.is_ascii_alphanumeric())
            && span.starts_with(|first: char| first.is_ascii_uppercase())
            && span.bytes().any(|b| b.is_ascii_lowercase())
    };
    let named = lines.iter().flat_map(|[.., evidence]| code_spans(evidence)).filter(is_part);
    named.filter(|part| !sources.split(|c: char| !c.is_alphanumeric()).any(|word| word == part)).collect()
}

#[test]
fn every_requirement_of_the_asvs_is_judged_once_and_with_evidence() {
    let (list, page) = (read("tests/asvs-5.0-l2.txt"), read("docs/asvs.md"));
    let (requirements, lines) = (requirements(&list), asvs_lines(&page));
    let (verdicts, faults) = asvs_verdicts(&lines, &requirements);
    assert!(faults.is_empty(), "{faults:#?}");
    let missing = missing_parts(&lines, &(read("template.yaml") + &sources(&["shared/src"])));
    assert!(missing.is_empty(), "{missing:#?}");
    let counts = rows(&page);
    for (name, levels) in [("Level 1", "1"), ("Level 2", "2"), ("Both", "12")] {
        let of_levels = || verdicts.iter().filter(|(id, _)| levels.contains(requirements[*id]));
        let by_verdict = VERDICTS.map(|verdict| of_levels().filter(|(_, given)| **given == verdict).count());
        let counted = by_verdict.into_iter().chain([of_levels().count()]).map(|count| count.to_string());
        let row: Vec<_> = std::iter::once(name.to_owned()).chain(counted).collect();
        assert!(counts.contains(&row), "docs/asvs.md should say: {}", row.join(" | "));
    }
}

/// The control of the test above.
#[test]
fn a_faulty_checklist_is_noticed() {
    let requirements = requirements("# ids\nV1.1.1 2\nV1.1.2 1\nV1.2.1 1\nV1.2.2 1\nV1.3.1 2");
    let page = "| V1.1.1 | a | met | `Nothing` |\n| V1.1.2 | b | met | trust us |\n| V1.1.2 | b | no | |\n\
                | V1.2.* | c | not applicable | none |\n| V9.9.* | d | not | `Api` |";
    let lines = asvs_lines(page);
    let (verdicts, faults) = asvs_verdicts(&lines, &requirements);
    assert_eq!(verdicts["V1.2.2"], "not applicable");
    let expected = [
        "V1.1.2 has no evidence",
        "V1.1.2: no is no verdict",
        "V1.1.2 has no evidence",
        "V1.1.2 is judged twice",
        "V9.9.* is no requirement of these levels",
        "V1.3.1 is not judged",
    ];
    assert_eq!(faults, expected);
    assert_eq!(missing_parts(&lines, "Resources:\n  Api:"), ["Nothing"]);
}
