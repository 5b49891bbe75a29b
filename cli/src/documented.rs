//! The commands in the documents are commands.

use std::fs;
use std::path::Path;

use clap::Parser as _;

use crate::arguments::Arguments;

/// The tool's commands in a document's fenced blocks, without comments; a `<placeholder>` stands for itself. Where a part
/// is left out (`…`) or it is a drawing, nothing is known.
fn commands(text: &str) -> Vec<String> {
    let mut fenced = false;
    let blocks: Vec<&str> = text
        .lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            fenced && !fence
        })
        .collect();
    let lines = blocks.join("\n").replace("\\\n", " ");
    let commands = lines.lines().filter_map(|line| line.split_once("cargo ostiary ").map(|(_, rest)| rest));
    let commands = commands.map(|rest| rest.split(" #").next().unwrap_or(rest).replace(['<', '>'], ""));
    commands.filter(|command| !command.contains(['\u{2026}', '('])).collect()
}

fn refused(command: &str) -> Option<String> {
    let words = ["ostiary"].into_iter().chain(command.split_whitespace());
    Arguments::try_parse_from(words).err().map(|error| format!("{command}: {error}"))
}

#[test]
fn every_command_in_the_documents_is_understood() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let pages = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let texts = pages.chain([root.join("README.md")]).map(|path| fs::read_to_string(path).unwrap());
    let commands: Vec<String> = texts.flat_map(|text| commands(&text)).collect();
    assert!(commands.len() >= 30, "{commands:?}");
    let refused: Vec<String> = commands.iter().filter_map(|command| refused(command)).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// The control of the test above.
#[test]
fn a_command_that_there_is_not_is_noticed() {
    let text =
        "```sh\ncargo ostiary tenant \\\n  make acme  # wrong\ncargo ostiary tenant list …\n```\ncargo ostiary x";
    let commands = commands(text);
    assert_eq!(commands.len(), 1);
    assert!(refused(&commands[0]).is_some_and(|error| error.contains("make")));
}
