//! Answers and errors, for people or for programs. Everything printed goes through here.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap_complete::Shell;
use serde_json::{Value, json};
use shared::clock::Timestamp;

use crate::arguments::{Arguments, Form};
use crate::failure::Failure;

/// What a command has to say, in both forms.
pub struct Answer {
    /// For programs.
    pub json: Value,
    /// For people.
    pub body: Body,
    /// For people, beside the data: goes to standard error.
    pub note: Option<String>,
}

/// How people see an answer.
pub enum Body {
    /// One thing: its names and values, a line each.
    Record(Vec<(&'static str, String)>),
    /// Many things of a kind.
    Table {
        /// The columns' names.
        head: &'static [&'static str],
        /// The cells.
        rows: Vec<Vec<String>>,
        /// What to say when there is none.
        none: &'static str,
    },
    /// A text of several parts, made of nothing that is stored.
    Page(String),
    /// Nothing more: it was said by [`aside`].
    Said,
}

impl Answer {
    /// An answer that needs no note.
    pub fn new(json: Value, body: Body) -> Self {
        Self { json, body, note: None }
    }
}

/// Prints an answer on standard error, for a command whose standard output holds something else.
pub fn aside(answer: &Answer, form: Form) -> Answer {
    match form {
        Form::Json => complain(&answer.json.to_string()),
        Form::Text => complain(answer.body.to_text().trim_end()),
    }
    Answer::new(Value::Null, Body::Said)
}

/// Prints an answer.
pub fn print(answer: &Answer, form: Form) -> Result<(), Failure> {
    if matches!(answer.body, Body::Said) {
        return Ok(());
    }
    let text = match form {
        Form::Json => format!("{:#}\n", answer.json),
        Form::Text => answer.body.to_text(),
    };
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // Somebody who closes a pipe has read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Failure::Outage(format!("it was done, but the answer could not be written: {error}")));
        }
        _ => {}
    }
    if let (Form::Text, Some(note)) = (form, &answer.note) {
        complain(&printable(note));
    }
    Ok(())
}

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "ostiary", &mut script);
    match io::stdout().lock().write_all(&script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("error: the completions could not be written: {error}"));
            ExitCode::from(3)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Says that something may not be meant, without refusing it.
pub fn warn(message: &str, form: Form) {
    match form {
        Form::Json => complain(&json!({ "warning": message }).to_string()),
        Form::Text => complain(&format!("warning: {}", printable(message))),
    }
}

/// Prints an error, with a warning beside it if there is one, and says how the process ends.
pub fn report(failure: &Failure, warning: Option<&str>, form: Form) -> ExitCode {
    match form {
        Form::Json => {
            let mut json = error_json(&failure.to_string(), failure.field());
            if let (Value::Object(members), Some(warning)) = (&mut json, warning) {
                members.insert("warning".to_owned(), json!(warning));
            }
            complain(&json.to_string());
        }
        Form::Text => {
            complain(&format!("error: {}", printable(&failure.to_string())));
            if let Some(warning) = warning {
                warn(warning, form);
            }
        }
    }
    ExitCode::from(failure.exit_code())
}

/// Prints help, or what is wrong with the command line.
pub fn misuse(error: &clap::Error, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    if error.use_stderr()
        && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        && wants_json(arguments)
    {
        complain(&misuse_json(error).to_string());
    } else {
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn misuse_json(error: &clap::Error) -> Value {
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => Some(argument.as_str()),
        Some(ContextValue::Strings(arguments)) => arguments.first().map(String::as_str),
        _ => None,
    };
    let field = argument
        .and_then(|argument| argument.split_whitespace().next())
        .map(|name| name.trim_start_matches(['-', '<', '[']).trim_end_matches(['>', ']', '.']).to_lowercase());
    let rule = std::error::Error::source(error).map(ToString::to_string);
    let message = if let (Some(field), Some(rule)) = (&field, rule) {
        format!("{field} {rule}")
    } else {
        let text = error.render().to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        let words: Vec<_> = first.trim_start_matches("error: ").split_whitespace().collect();
        words.join(" ")
    };
    error_json(&message, field.as_deref())
}

/// The command line can't be parsed, so this looks for the one option itself.
fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let arguments: Vec<_> = arguments.collect();
    arguments.iter().any(|argument| argument == "--output=json")
        || arguments
            .windows(2)
            .any(|pair| pair.first().is_some_and(|a| a == "--output") && pair.last().is_some_and(|b| b == "json"))
}

fn error_json(message: &str, field: Option<&str>) -> Value {
    match field {
        Some(field) => json!({ "error": message, "field": field }),
        None => json!({ "error": message }),
    }
}

fn complain(line: &str) {
    // There is nowhere left to say that standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

impl Body {
    fn to_text(&self) -> String {
        match self {
            Self::Record(members) => {
                let width = members.iter().map(|(name, _)| name.len() + 1).max().unwrap_or_default();
                let line =
                    |(name, value): &(&str, String)| format!("{:width$} {}\n", format!("{name}:"), printable(value));
                members.iter().map(line).collect()
            }
            Self::Table { rows, none, .. } if rows.is_empty() => format!("{none}\n"),
            Self::Table { head, rows, .. } => table(head, rows),
            Self::Page(text) => text.clone(),
            Self::Said => String::new(),
        }
    }
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head = head.iter().map(|cell| cell.to_uppercase()).collect();
    let rows = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Text as it may go to a terminal. Names and attributes come from whoever may write them, and none of them may clear
/// a screen, reorder a line or make one up.
pub fn printable(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let show = |c: char| if harmful(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(show).collect()
}

/// A moment as RFC 3339 in UTC.
pub fn date(moment: Timestamp) -> String {
    format!("{}Z", moment.as_zoneless())
}

/// A moment that need not be, for people.
pub fn date_or(moment: Option<Timestamp>, otherwise: &str) -> String {
    moment.map_or_else(|| otherwise.to_owned(), date)
}

/// A truth, for people.
pub fn yes_or_no(claim: bool) -> String {
    if claim { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn misused(arguments: &[&str]) -> Value {
        misuse_json(&Arguments::try_parse_from(arguments).err().unwrap())
    }

    #[test]
    fn a_record_is_aligned() {
        let body = Body::Record(vec![("id", "1".to_owned()), ("username", "jane".to_owned())]);
        assert_eq!(body.to_text(), "id:       1\nusername: jane\n");
    }

    #[test]
    fn a_table_is_aligned_and_says_when_it_is_empty() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let of = |rows| Body::Table { head: &["name", "made"], rows, none: "nothing" };
        assert_eq!(of(vec![row(["a", "b"]), row(["longer", ""])]).to_text(), "NAME    MADE\na       b\nlonger\n");
        assert_eq!(of(vec![]).to_text(), "nothing\n");
    }

    #[test]
    fn stored_text_can_not_steer_a_terminal() {
        let body = Body::Record(vec![("name", "a\u{1b}[2J\nerror: \u{202e}b".to_owned())]);
        assert_eq!(body.to_text(), "name: a\\u{1b}[2J\\u{a}error: \\u{202e}b\n");
    }

    #[test]
    fn a_wrong_argument_is_named() {
        let wrong = misused(&["ostiary", "user", "show", "--username", "a b"]);
        assert_eq!(wrong["field"], "username");
        assert!(wrong["error"].as_str().unwrap().starts_with("username must be 1 to 128 characters"), "{wrong}");
        let wrong = misused(&["ostiary", "tenant", "create", "a/b"]);
        assert_eq!(wrong["field"], "name");
        let missing = misused(&["ostiary", "user", "show"]);
        assert_eq!(missing["field"], "username");
        assert!(!missing["error"].as_str().unwrap().contains('\n'), "{missing}");
        let unknown = misused(&["ostiary", "user", "create", "--password", "x"]);
        assert_eq!(unknown["field"], "password");
    }

    #[test]
    fn json_is_wished_for_in_two_spellings() {
        let wants = |arguments: &[&str]| wants_json(arguments.iter().map(OsString::from));
        assert!(wants(&["ostiary", "--output", "json", "x"]));
        assert!(wants(&["ostiary", "x", "--output=json"]));
        assert!(!wants(&["ostiary", "--output", "text", "json"]));
    }
}
