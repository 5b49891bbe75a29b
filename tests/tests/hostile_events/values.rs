//! Hostile texts and values.

use serde_json::{Value, json};
use tests::Dice;

const TEXTS: &[&str] = &[
    "",
    " ",
    "\0",
    "a\0b",
    "..",
    "../../etc/passwd",
    "%2e%2e%2f",
    "%2E%2e",
    "..\\..\\",
    "\\",
    "%5c%00",
    "%",
    "%%",
    "%zz",
    "%ff%fe",
    "%c0%ae",
    "%ed%a0%80",
    "+",
    "&&&===",
    "=",
    "a=b;c=d",
    "\u{feff}",
    "\u{202e}evil",
    "\u{200b}",
    "\u{130}",
    "\u{fdfa}",
    "\u{1f469}\u{200d}\u{1f467}",
    "e\u{301}",
    "\u{ffff}",
    "\u{e000}",
    "\u{10ffff}",
    "\r\nx-evil: 1",
    "\t",
    "\u{7f}",
    "'; DROP TABLE users; --",
    "\"}{\"",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "<script>",
    "null",
    "true",
    "NaN",
    "-1",
    "1e999",
    "9223372036854775808",
    "0001-01-01T00:00:00",
    "9999-12-31T23:59:60Z",
    "*",
    "*/*",
    "/",
    "demo/",
    "/demo",
    "demo/demo/demo",
    "other/demo",
    "[::1]",
    "http://",
    "http://[",
    "example.com:99999",
    "example.com/path?x#y",
    "user@host:port",
    "Bearer",
    "Bearer ",
    "bearer  x",
    "Basic dTpw",
    "eyJhbGciOiJub25lIn0.e30.",
    "...",
    "..x",
    "a.b.c.d.e",
    "ost_",
    "osa_",
    "application/json",
    "application/x-www-form-urlencoded; charset=\"",
    "text/plain",
    "multipart/form-data",
    "----",
];

/// A hostile text, sometimes a long one.
pub fn text(dice: &Dice) -> String {
    match dice.below(40) {
        0 => dice.one(&["x", "%41", "\u{e9}", "[", ".", "=", "a,"]).repeat(1 << dice.below(13)),
        1 => (0..dice.below(40)).filter_map(|_| char::from_u32(u32::try_from(dice.below(0x3000)).ok()?)).collect(),
        2 => format!("{}{}", dice.one(TEXTS), dice.one(TEXTS)),
        _ => dice.one(TEXTS).to_owned(),
    }
}

/// A value of some type, most likely the wrong one.
pub fn value(dice: &Dice) -> Value {
    match dice.below(14) {
        0 | 1 => Value::Null,
        2 => json!(true),
        3 => json!(false),
        4 => json!(0),
        5 => json!(-1),
        6 => json!(u64::MAX),
        7 => json!(1.5e300),
        8 => json!([]),
        9 => json!({}),
        10 => json!([text(dice), null, 1, {}]),
        11 => json!({ text(dice): text(dice) }),
        12 => nested(dice),
        _ => json!(text(dice)),
    }
}

/// As deep as a parser of events lets through.
fn nested(dice: &Dice) -> Value {
    let mut value = json!(text(dice));
    for level in 0..dice.below(110) {
        value = if level % 2 == 0 { json!([value]) } else { json!({ "a": value }) };
    }
    value
}
