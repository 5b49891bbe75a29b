//! Every target on its corpus, and on so many mutations of it as take some seconds. A failure names the seed that makes
//! the same input again; `fuzz/run` goes on where this ends.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fuzz::{TARGETS, Target, corpus, mutation};
use shared::gateway::{Fields, Spelling};
use shared::user::UserName;
use tests::{Dice, Total, note, noticed};

static INPUTS: Total = Total::new("Q29", "inputs");

/// Runs a target on its corpus and on mutations of it; the first input that broke something.
fn replay(target: &Target) -> Result<(), String> {
    let inputs = corpus::of(target.name);
    let broken = |what: &str, input: &[u8]| format!("{}, {what}:\n{}", target.name, input.escape_ascii());
    let holds = |input: &[u8]| catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_ok();
    if let Some((file, input)) = inputs.iter().find(|(_, input)| !holds(input)) {
        return Err(broken(file, input));
    }
    for seed in 0..target.mutations {
        let input = mutation::of(&Dice::new(seed), &inputs, target.words);
        if !holds(&input) {
            return Err(broken(&format!("mutation {seed}"), &input));
        }
    }
    Ok(())
}

fn check(name: &str) {
    let target = Target::named(name).expect("a target of that name");
    if let Err(flaw) = replay(target) {
        panic!("{flaw}");
    }
    INPUTS.add(corpus::of(name).len() + usize::try_from(target.mutations).unwrap());
}

macro_rules! replays {
    ($($test:ident $name:literal;)*) => {
        $(#[test] fn $test() { check($name); })*

        #[test]
        fn every_target_is_replayed_and_has_a_corpus() {
            let replayed = BTreeSet::from([$($name),*]);
            let known: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(replayed, known);
            let folder = corpus::folder("");
            let folders = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
            assert_eq!(folders.collect::<BTreeSet<_>>(), known.iter().map(|&it| it.to_owned()).collect());
            for name in known {
                assert!(corpus::of(name).len() >= 5, "{name} has hardly any corpus");
            }
            note("Q29", "fuzz-targets", replayed.len());
        }
    };
}

replays! {
    whole_requests "request";
    events "event";
    questions_to_the_authorizer "authorizer";
    values_of_credential_headers "credential-header";
    auth_headers "auth-header";
    tickets "ticket";
    tokens_of_persistent_logins "series-token";
    jwts "jwt";
    claims_that_a_thief_signs "jwt-claims";
    stored_hashes "phc";
    hashes_of_other_systems "imported-hash";
    forms_and_query_strings "form";
    json_bodies "json";
    access_tokens "access-token";
    names "name";
    moments "moment";
    links "link";
    keysets "keyset";
    headers_of_the_edge "edge";
}

/// A parser that goes wrong where few would look is found out by the mutations alone.
#[test]
fn a_faulty_parser_is_found() {
    let known = Target::named("json").unwrap();
    let faults: [fn(&[u8]); 4] = [
        |input| {
            let escaped = input.windows(2).any(|pair| pair == b"\\u");
            assert!(!escaped || Fields::parse(input, Spelling::Exact).is_err());
        },
        |input| {
            let doubled = fuzz::oracle::has_doubled_keys(input) == Some(true);
            assert!(!doubled, "the last of two keys counts");
        },
        |input| {
            let name = std::str::from_utf8(input).ok().and_then(UserName::parse);
            assert!(name.is_none_or(|name| name.as_str().is_ascii()), "a name is cut at a character's middle");
        },
        |input| assert!(input.len() < 600, "a buffer is too short"),
    ];
    for (number, run) in faults.into_iter().enumerate() {
        assert!(replay(&Target { run, ..*known }).is_err(), "fault {number} was not found");
    }
    assert!(replay(&Target { run: |_| {}, ..*known }).is_ok());
    let what = "a parser panics at an escape, takes the last of two keys, cuts a character, or has a short buffer";
    noticed("Q29", "a-faulty-parser", what, "fuzz/tests/replay.rs", "a_faulty_parser_is_found");
}
