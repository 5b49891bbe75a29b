//! Inputs made of other inputs, the same ones for the same seed.

use tests::Dice;

/// The longest input that is made, in bytes: beyond the longest credential, and a body stays cheap.
pub const MAX_BYTES: usize = 16 * 1024;

/// What breaks parsers of any kind.
const ODDITIES: &[&str] = &[
    "\0",
    "\r\n",
    "\n",
    "\t",
    " ",
    "\u{a0}",
    "\u{feff}",
    "\u{202e}",
    "\u{200b}",
    "\u{130}",
    "\u{df}",
    "\u{1e9e}",
    "\u{3a3}",
    "\u{212a}",
    "\u{fb03}",
    "e\u{301}",
    "\u{e9}",
    "\u{10ffff}",
    "%00",
    "%",
    "%2",
    "%ff",
    "+",
    "&",
    "=",
    "==",
    "?",
    "#",
    "/",
    "..",
    "\\",
    "\\u0000",
    "\\ud800",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    "[[[[[[[[",
    ":",
    ",",
    ";",
    "-",
    "-1",
    "0",
    "00",
    "1e400",
    "9223372036854775808",
    "18446744073709551616",
    "4294967296",
    "null",
    "true",
    ".",
    "_",
    "*",
    "$",
    "@",
    "<",
    ">",
    "~",
    "é",
];

/// One of `inputs` after one to eight changes; without any, one made of `words`.
#[must_use]
pub fn of(dice: &Dice, inputs: &[(String, Vec<u8>)], words: &[&str]) -> Vec<u8> {
    let mut bytes = if inputs.is_empty() { Vec::new() } else { inputs[dice.below(inputs.len())].1.clone() };
    for _ in 0..dice.one(&[1, 1, 1, 2, 2, 3, 5, 8]) {
        change(dice, &mut bytes, inputs, words);
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

fn change(dice: &Dice, bytes: &mut Vec<u8>, inputs: &[(String, Vec<u8>)], words: &[&str]) {
    let part = range(dice, bytes.len());
    match dice.below(12) {
        0 if !bytes.is_empty() => {
            let place = dice.below(bytes.len());
            bytes[place] ^= 1 << dice.below(8);
        }
        1 if !bytes.is_empty() => {
            let place = dice.below(bytes.len());
            bytes[place] = u8::try_from(dice.below(256)).unwrap_or_default();
        }
        2 => drop(bytes.drain(part)),
        3 => {
            let copy = bytes[part].to_vec();
            insert(dice, bytes, &copy);
        }
        4 => bytes.truncate(part.start),
        5 | 6 => insert(dice, bytes, dice.one(ODDITIES).as_bytes()),
        7 => drop(bytes.splice(part, dice.one(ODDITIES).bytes())),
        8 if !words.is_empty() => insert(dice, bytes, dice.one(words).as_bytes()),
        9 if !words.is_empty() => drop(bytes.splice(part, dice.one(words).bytes())),
        10 if !inputs.is_empty() => {
            let other = &inputs[dice.below(inputs.len())].1;
            let other = other[range(dice, other.len())].to_vec();
            drop(bytes.splice(part, other));
        }
        11 => bytes[part].iter_mut().for_each(|byte| *byte ^= if byte.is_ascii_alphabetic() { 0x20 } else { 0 }),
        _ => {}
    }
}

/// A part of so many bytes; short ones more often than long ones.
fn range(dice: &Dice, length: usize) -> std::ops::Range<usize> {
    let start = dice.below(length + 1);
    let longest = dice.one(&[1, 2, 4, 16, 64, usize::MAX]).min(length - start);
    start..start + dice.below(longest + 1)
}

fn insert(dice: &Dice, bytes: &mut Vec<u8>, text: &[u8]) {
    let place = dice.below(bytes.len() + 1);
    drop(bytes.splice(place..place, text.iter().copied()));
}
