//! Where the `OSTIARY_*` and `AWS_*` variables come from: the environment, or a file in its place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::Failure;

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// The file that `cargo local` writes.
const LOCAL: &str = ".local/env";

/// The variables of this process.
pub fn of_process() -> Variables {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The variables of a file: lines for a shell, or a JSON object of texts.
pub fn of_file(path: &Path) -> Result<Variables, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::invalid("env-file", format!("{} can't be read: {error}", path.display())))?;
    parse(&text).map_err(|rule| Failure::invalid("env-file", format!("{} {rule}", path.display())))
}

/// The nearest file of a local cloud, in this folder or one above it.
pub fn local_file() -> Result<PathBuf, Failure> {
    let here =
        std::env::current_dir().map_err(|error| Failure::Setup(format!("there is no current folder: {error}")))?;
    let found = here.ancestors().map(|folder| folder.join(LOCAL)).find(|path| path.is_file());
    found.ok_or_else(|| {
        Failure::invalid(
            "local",
            format!("finds no {LOCAL} here or in a folder above: start `cargo local` (without --memory) first"),
        )
    })
}

/// Errors are predicates and repeat nothing of the text, which may hold secrets.
fn parse(text: &str) -> Result<Variables, String> {
    if text.trim_start().starts_with('{') { parse_json(text) } else { parse_lines(text) }
}

fn parse_json(text: &str) -> Result<Variables, String> {
    const RULE: &str = "must be a JSON object of texts and numbers";
    let Ok(Value::Object(members)) = serde_json::from_str(text) else { return Err(RULE.to_owned()) };
    let read = |(name, value)| match value {
        Value::String(value) => Ok((name, value)),
        Value::Number(value) => Ok((name, value.to_string())),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(RULE.to_owned()),
    };
    members.into_iter().map(read).collect()
}

fn parse_lines(text: &str) -> Result<Variables, String> {
    let mut variables = Variables::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = assignment(line).ok_or_else(|| format!("must have NAME=VALUE in line {number}"))?;
        variables.insert(name, value);
    }
    Ok(variables)
}

fn assignment(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, value) = line.split_once('=')?;
    let valid = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !valid {
        return None;
    }
    let value = if value.starts_with(['\'', '"']) { unquote(value)? } else { value.to_owned() };
    Some((name.to_owned(), value))
}

/// Reads quoted pieces side by side, as a shell does: `'it'\''s'`. Nothing is expanded.
fn unquote(mut rest: &str) -> Option<String> {
    let mut value = String::new();
    while let Some(first) = rest.chars().next() {
        rest = rest.get(first.len_utf8()..)?;
        match first {
            '\'' => {
                let (piece, after) = rest.split_once('\'')?;
                value.push_str(piece);
                rest = after;
            }
            '"' => rest = double_quoted(rest, &mut value)?,
            '\\' => {
                let escaped = rest.chars().next()?;
                value.push(escaped);
                rest = rest.get(escaped.len_utf8()..)?;
            }
            _ => return None,
        }
    }
    Some(value)
}

/// Reads up to the closing quote; returns what is behind it.
fn double_quoted<'a>(text: &'a str, value: &mut String) -> Option<&'a str> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return text.get(at + 1..),
            '\\' if !escaped => escaped = true,
            _ => {
                if escaped && !matches!(c, '"' | '\\' | '$' | '`') {
                    value.push('\\');
                }
                value.push(c);
                escaped = false;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_a_shell_reads_them() {
        let text =
            "# a comment\n\nA=plain\n  B='it'\\''s'\nexport C=\"a \\\"b\\\" \\n $d\"\nD=\nE=a=b # not a comment\r\n";
        let variables = parse(text).unwrap();
        let expected =
            [("A", "plain"), ("B", "it's"), ("C", "a \"b\" \\n $d"), ("D", ""), ("E", "a=b # not a comment")];
        for (name, value) in expected {
            assert_eq!(variables[name], value, "{name}");
        }
        assert_eq!(variables.len(), expected.len());
    }

    #[test]
    fn a_json_object_is_read() {
        let variables = parse(" {\"A\": \"x\", \"B\": 7}").unwrap();
        assert_eq!((variables["A"].as_str(), variables["B"].as_str()), ("x", "7"));
    }

    #[test]
    fn what_is_neither_is_refused_and_not_repeated() {
        for text in [
            "secret",
            "A='secret",
            "A='b'secret",
            "A=\"secret",
            "=secret",
            "A B=secret",
            "1A=secret",
            "{\"A\": [\"secret\"]}",
            "{secret",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("must"), "{text}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
