//! As much of `CloudWatch`'s filter patterns for JSON as the documents use: comparisons of members with texts, all of
//! which must hold.

use serde_json::Value;

/// Whether a pattern like `{ $.a = "x" && $.b != "y" }` counts a line.
pub fn matches(pattern: &str, line: &Value) -> bool {
    let inner = pattern.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).expect("braces");
    inner.split("&&").all(|term| holds(term.trim(), line))
}

fn holds(term: &str, line: &Value) -> bool {
    let (path, operator, wanted) = match (term.split_once(" != "), term.split_once(" = ")) {
        (Some((path, wanted)), _) => (path, false, wanted),
        (None, Some((path, wanted))) => (path, true, wanted),
        _ => panic!("{term} is no comparison"),
    };
    let name = path.strip_prefix("$.").expect("a path");
    // A dot would lead into an object, and there is none in a line.
    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{path} can't be selected");
    let wanted = wanted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect("a quoted text");
    // A member that is not there fulfils no comparison.
    line[name].as_str().is_some_and(|text| (text == wanted) == operator)
}

#[test]
fn a_pattern_is_held_against_every_term() {
    let line = serde_json::json!({ "message": "audit", "outcome": "refused" });
    for (pattern, expected) in [
        ("{ $.message = \"audit\" }", true),
        ("{ $.message = \"audit\" && $.outcome = \"refused\" }", true),
        ("{ $.message = \"audit\" && $.outcome = \"success\" }", false),
        ("{ $.message = \"audit\" && $.outcome != \"success\" }", true),
        ("{ $.message != \"audit\" }", false),
        ("{ $.act = \"user-login\" }", false),
        ("{ $.act != \"user-login\" }", false),
    ] {
        assert_eq!(matches(pattern, &line), expected, "{pattern}");
    }
}
