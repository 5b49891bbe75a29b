//! Asking before what can't be taken back.
//!
//! Invariant: where nobody can be asked, nothing is done; `--yes` is the only way around.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::failure::Failure;

/// Asks a question that is answered with yes or no.
pub fn yes(question: &str) -> Result<(), Failure> {
    let answer = ask(&format!("{question} [y/N] "))?;
    if matches!(&*answer, "y" | "Y" | "yes") { Ok(()) } else { Err(unwanted()) }
}

/// Asks for a name, so that nobody answers before having read which one it is about.
pub fn name(question: &str, name: &str) -> Result<(), Failure> {
    let answer = ask(&format!("{question} Type its name to go on: "))?;
    if answer == name { Ok(()) } else { Err(unwanted()) }
}

fn unwanted() -> Failure {
    Failure::Refused { field: None, message: "nothing was changed".to_owned() }
}

fn ask(question: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::invalid("yes", "must be given where nobody can be asked on a terminal"));
    }
    let unasked = |error: io::Error| Failure::invalid("yes", format!("must be given: nobody can be asked ({error})"));
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question}").and_then(|()| stderr.flush()).map_err(unasked)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(unasked)?;
    Ok(line.trim().to_owned())
}
