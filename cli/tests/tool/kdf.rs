//! `kdf calibrate` needs no stack, measures, and proposes nothing that the template refuses.

use std::collections::BTreeMap;

use crate::Tool;

fn tool() -> Tool {
    Tool { environment: BTreeMap::new() }
}

#[test]
fn parameters_are_proposed_from_what_was_measured() {
    let answer = tool().json(&["kdf", "calibrate", "--target-ms", "5000", "--memory-mb", "1769", "--runs", "1"]).json();
    assert_eq!((&answer["memoryMb"], &answer["processorShare"]), (&1769.into(), &1.0.into()));
    for (parameter, member) in [("Argon2MemoryKiB", "memoryKib"), ("Argon2Iterations", "iterations")] {
        assert_eq!(answer["parameters"][parameter], answer["proposed"][member]);
    }
    let memory = answer["parameters"]["Argon2MemoryKiB"].as_u64().unwrap();
    assert!((19_456..=65_536).contains(&memory), "{answer}");
    assert!((2..=10).contains(&answer["parameters"]["Argon2Iterations"].as_u64().unwrap()), "{answer}");
    assert!(answer["proposed"]["msThere"].as_f64().unwrap() <= 5000.0, "{answer}");
    assert!(answer["least"]["msHere"].as_f64().unwrap() > 0.0, "{answer}");
    assert!(answer["deploy"].as_str().unwrap().contains(&format!("Argon2MemoryKiB={memory} ")), "{answer}");
}

#[test]
fn less_than_the_least_is_not_proposed() {
    let error = tool().json(&["kdf", "calibrate", "--target-ms", "1", "--runs", "1"]).error(1);
    assert_eq!(error["field"], "target-ms");
    assert!(error["error"].as_str().unwrap().contains("OWASP's least, 19456 KiB and 2 passes"), "{error}");
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    for (flag, value) in [
        ("target-ms", "0"),
        ("target-ms", "5001"),
        ("target-ms", "-1"),
        ("target-ms", "fast"),
        ("memory-mb", "127"),
        ("memory-mb", "10241"),
        ("memory-mb", "1.5"),
        ("runs", "0"),
        ("runs", "1001"),
    ] {
        let rest = if flag == "target-ms" { vec![] } else { vec!["--target-ms", "250"] };
        let flagged = format!("--{flag}");
        let error = tool().json(&[&["kdf", "calibrate", &flagged, value], &rest[..]].concat()).error(2);
        assert_eq!(error["field"], flag, "{flag} {value}: {error}");
    }
    assert_eq!(tool().json(&["kdf", "calibrate"]).error(2)["field"], "target-ms");
}
