//! Strict parsers of what clients send: JSON objects, and query or form parameters.

use std::fmt;

use percent_encoding::percent_decode;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::clock::Timestamp;
use crate::error::{Problem, shown_name};
use crate::secret::{MAX_PASSWORD_BYTES, Password};

/// How the keys of a JSON object are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// To the letter.
    Exact,
    /// Without regard to case: both `username` and `Username` are in use.
    AnyCase,
}

/// A JSON value in which no object holds a key twice.
enum Strict {
    Null,
    Bool(bool),
    Integer(i64),
    OtherNumber,
    Text(String),
    List(Vec<Strict>),
    Object(Vec<(String, Strict)>),
}

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(i64::try_from(value).map_or(Strict::OtherNumber, Strict::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Strict, E> {
        Ok(Strict::OtherNumber)
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Strict, E> {
        Ok(Strict::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Strict, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element()? {
            list.push(value);
        }
        Ok(Strict::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Strict, A::Error> {
        let mut members: Vec<(String, Strict)> = Vec::new();
        while let Some((key, value)) = access.next_entry::<String, Strict>()? {
            if members.len() == MAX_MEMBERS {
                return Err(serde::de::Error::custom(TOO_MANY));
            }
            if members.iter().any(|(other, _)| *other == key) {
                return Err(serde::de::Error::custom(DOUBLED));
            }
            members.push((key, value));
        }
        Ok(Strict::Object(members))
    }
}

/// More members than any object of the contract has; it also bounds the search for doubled ones.
const MAX_MEMBERS: usize = 64;

const DOUBLED: &str = "doubled key";
const TOO_MANY: &str = "too many keys";
const ONCE: &str = "must be given once";
const TEXT: &str = "must be a string";

/// The members of a JSON object, taken out one by one; [`Fields::finish`] refuses what nobody asked for.
pub struct Fields(Vec<(String, Strict)>);

impl Fields {
    /// No members.
    #[must_use]
    pub fn empty() -> Self {
        Self(Vec::new())
    }

    /// Reads an object: UTF-8, no byte order mark, no key twice.
    pub fn parse(body: &[u8], spelling: Spelling) -> Result<Self, Problem> {
        let text = std::str::from_utf8(body).map_err(|_| Problem::invalid("the body", "must be valid UTF-8"))?;
        let value: Strict = serde_json::from_str(text).map_err(|error| {
            let reason = error.to_string();
            let rule = if reason.starts_with(DOUBLED) {
                "must hold each field once"
            } else if reason.starts_with(TOO_MANY) {
                "must hold at most 64 fields"
            } else {
                "must be valid JSON"
            };
            Problem::invalid("the body", rule)
        })?;
        let Strict::Object(mut members) = value else {
            return Err(Problem::invalid("the body", "must be a JSON object"));
        };
        if spelling == Spelling::AnyCase {
            for (key, _) in &mut members {
                key.make_ascii_lowercase();
            }
            let mut keys: Vec<&String> = members.iter().map(|(key, _)| key).collect();
            keys.sort_unstable();
            if let Some(pair) = keys.windows(2).find(|pair| pair.first() == pair.last()) {
                let key = pair.first().map_or("", |key| key.as_str());
                return Err(Problem::Invalid { field: shown_name(key), rule: ONCE });
            }
        }
        Ok(Self(members))
    }

    fn take(&mut self, name: &str) -> Option<Strict> {
        let index = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// A text that must be there, of 1 to `max` bytes.
    pub fn text(&mut self, name: &'static str, max: usize) -> Result<String, Problem> {
        match self.take(name) {
            Some(Strict::Text(text)) if text.is_empty() => Err(Problem::invalid(name, "must not be empty")),
            Some(Strict::Text(text)) if text.len() > max => Err(Problem::invalid(name, "is too long")),
            Some(Strict::Text(text)) => Ok(text),
            Some(_) => Err(Problem::invalid(name, TEXT)),
            None => Err(Problem::invalid(name, "is required")),
        }
    }

    /// A text of 1 to `max` bytes, or nothing: absent and null are the same.
    pub fn optional_text(&mut self, name: &'static str, max: usize) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None | Some(Strict::Null) => Ok(None),
            Some(Strict::Text(text)) if text.is_empty() => Err(Problem::invalid(name, "must not be empty")),
            Some(Strict::Text(text)) if text.len() > max => Err(Problem::invalid(name, "is too long")),
            Some(Strict::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::invalid(name, TEXT)),
        }
    }

    /// True or false; absent and null are false.
    pub fn flag(&mut self, name: &'static str) -> Result<bool, Problem> {
        match self.take(name) {
            None | Some(Strict::Null) => Ok(false),
            Some(Strict::Bool(value)) => Ok(value),
            Some(_) => Err(Problem::invalid(name, "must be true or false")),
        }
    }

    /// A password that must be there; it may be empty, and then is wrong.
    pub fn password(&mut self, name: &'static str) -> Result<Password, Problem> {
        match self.take(name) {
            Some(Strict::Text(text)) => password(name, &zeroize::Zeroizing::new(text)),
            Some(_) => Err(Problem::invalid(name, TEXT)),
            None => Err(Problem::invalid(name, "is required")),
        }
    }

    /// A whole number, or nothing: absent and null are the same.
    pub fn optional_integer(&mut self, name: &'static str, rule: &'static str) -> Result<Option<i64>, Problem> {
        match self.take(name) {
            None | Some(Strict::Null) => Ok(None),
            Some(Strict::Integer(value)) => Ok(Some(value)),
            Some(_) => Err(Problem::invalid(name, rule)),
        }
    }

    /// A moment, or nothing: absent and null are the same.
    pub fn optional_moment(&mut self, name: &'static str) -> Result<Option<Timestamp>, Problem> {
        const RULE: &str = "must be a date-time such as 2030-01-31T12:00:00Z";
        match self.take(name) {
            None | Some(Strict::Null) => Ok(None),
            Some(Strict::Text(text)) => Timestamp::parse(&text).map(Some).ok_or_else(|| Problem::invalid(name, RULE)),
            Some(_) => Err(Problem::invalid(name, RULE)),
        }
    }

    /// A list of texts, or nothing: absent and null are an empty list.
    pub fn texts(&mut self, name: &'static str, max_entries: usize, max: usize) -> Result<Vec<String>, Problem> {
        let entries = match self.take(name) {
            None | Some(Strict::Null) => return Ok(Vec::new()),
            Some(Strict::List(entries)) if entries.len() <= max_entries => entries,
            Some(Strict::List(_)) => return Err(Problem::invalid(name, "has too many entries")),
            Some(_) => return Err(Problem::invalid(name, "must be a list of strings")),
        };
        let each = entries.into_iter().map(|entry| match entry {
            Strict::Text(text) if !text.is_empty() && text.len() <= max => Ok(text),
            Strict::Text(_) => Err(Problem::invalid(name, "has an entry that is empty or too long")),
            _ => Err(Problem::invalid(name, "must be a list of strings")),
        });
        each.collect()
    }

    /// Refuses members that were not asked for.
    pub fn finish(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::Invalid { field: shown_name(name), rule: "is not known here" }),
        }
    }
}

fn password(name: &'static str, text: &str) -> Result<Password, Problem> {
    const { assert!(MAX_PASSWORD_BYTES == 1024) };
    Password::from_input(text).ok_or_else(|| Problem::invalid(name, "must be at most 1024 bytes long"))
}

/// Parameters of a query string and a form body. Unknown ones are ignored, since existing clients send extras.
pub struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Reads the `known` parameters of all `sources`. One that comes twice, wherever, is refused, and so is what is not
    /// UTF-8.
    pub fn parse(sources: &[&[u8]], known: &[&'static str]) -> Result<Self, Problem> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for pair in sources.iter().flat_map(|source| source.split(|byte| *byte == b'&')) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
            let name =
                form_decoded(name).ok_or_else(|| Problem::invalid("a parameter's name", "must be valid UTF-8"))?;
            let Some(&name) = known.iter().find(|known| **known == name) else {
                if form_decoded(value).is_none() {
                    return Err(Problem::invalid("a parameter", "must be valid UTF-8"));
                }
                continue;
            };
            if found.iter().any(|(other, _)| *other == name) {
                return Err(Problem::invalid(name, ONCE));
            }
            let value = form_decoded(value).ok_or_else(|| Problem::invalid(name, "must be valid UTF-8"))?;
            found.push((name, value));
        }
        Ok(Self(found))
    }

    /// A parameter, if it was given; it may be empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that must be given, of at most `max` bytes; it may be empty.
    pub fn required(&self, name: &'static str, max: usize) -> Result<&str, Problem> {
        let value = self.get(name).ok_or(Problem::MissingParameter(name))?;
        if value.len() > max { Err(Problem::invalid(name, "is too long")) } else { Ok(value) }
    }

    /// A parameter that must be given with a value, of at most `max` bytes; without one it counts as left out (RFC 6749,
    /// section 3.1).
    pub fn with_value(&self, name: &'static str, max: usize) -> Result<&str, Problem> {
        let value = self.required(name, max)?;
        if value.is_empty() { Err(Problem::MissingParameter(name)) } else { Ok(value) }
    }

    /// A whole number above zero in plain digits, or nothing. What is too large to count ends at the largest that can
    /// be.
    pub fn optional_count(&self, name: &'static str) -> Result<Option<u32>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let digits = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        match (digits, text.parse::<u64>()) {
            (true, Ok(count)) if count > 0 => Ok(Some(u32::try_from(count).unwrap_or(u32::MAX))),
            _ => Err(Problem::invalid(name, "must be a whole number above zero")),
        }
    }

    /// A password that must be given; it may be empty, and then is wrong.
    pub fn password(&self, name: &'static str) -> Result<Password, Problem> {
        password(name, self.get(name).ok_or(Problem::MissingParameter(name))?)
    }
}

/// `application/x-www-form-urlencoded` of one name or value; `None` when the bytes are not UTF-8.
pub(super) fn form_decoded(encoded: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let decoded: Vec<u8> = percent_decode(&spaced).collect();
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(body: &str) -> Result<Fields, Problem> {
        Fields::parse(body.as_bytes(), Spelling::AnyCase)
    }

    fn rule(problem: Problem) -> (String, &'static str) {
        match problem {
            Problem::Invalid { field, rule } => (field, rule),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_spellings_of_a_key_are_the_same_key() {
        assert_eq!(parse(r#"{"Username":"a"}"#).unwrap().text("username", 9).unwrap(), "a");
        let twice = rule(parse(r#"{"Username":"a","username":"b"}"#).err().unwrap());
        assert_eq!(twice, ("field 'username'".to_owned(), ONCE));
    }

    #[test]
    fn an_exact_key_is_compared_exactly() {
        let mut fields = Fields::parse(br#"{"Duration":1}"#, Spelling::Exact).unwrap();
        assert!(fields.optional_integer("duration", "x").unwrap().is_none());
        assert!(fields.finish().is_err());
    }

    #[test]
    fn what_is_not_a_plain_object_is_refused() {
        for body in [
            "",
            "null",
            "[]",
            r#"["u","p"]"#,
            "1",
            "\"x\"",
            "{",
            "{}{}",
            "{\"a\":1,}",
            "\u{feff}{}",
            "{'a':1}",
            r#"{"a":1,"a":1}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":"\ud800"}"#,
            "{\"a\":NaN}",
            "{\"a\":\"\n\"}",
        ] {
            assert!(parse(body).is_err(), "{body:?}");
        }
        assert!(Fields::parse(b"{\"a\":\"\xff\"}", Spelling::Exact).is_err());
        assert!(parse(&"[".repeat(60_000)).is_err(), "deep nesting");
        assert!(parse(&format!("{{\"a\":{}1{}}}", "[".repeat(30_000), "]".repeat(30_000))).is_err(), "deep nesting");
    }

    #[test]
    fn an_object_of_many_members_is_refused_before_they_are_compared() {
        let members = |count: usize| (0..count).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(",");
        assert!(parse(&format!("{{{}}}", members(MAX_MEMBERS))).is_ok());
        let refused = parse(&format!("{{{}}}", members(MAX_MEMBERS + 1))).err().unwrap();
        assert_eq!(rule(refused).1, "must hold at most 64 fields");
        assert!(parse(&format!("{{\"a\":{{{}}}}}", members(5000))).is_err(), "at any depth");
    }

    #[test]
    fn an_unknown_field_is_named_only_when_that_is_harmless() {
        assert_eq!(rule(parse(r#"{"admin":true}"#).unwrap().finish().err().unwrap()).0, "field 'admin'");
        let secretive = parse(r#"{"my secret phrase":true}"#).unwrap().finish().err().unwrap();
        assert_eq!(rule(secretive).0, "a field");
    }

    #[test]
    fn a_whole_number_is_not_a_fraction_and_not_a_text() {
        for (body, expected) in [("{}", Some(None)), (r#"{"n":null}"#, Some(None)), (r#"{"n":7}"#, Some(Some(7)))] {
            assert_eq!(parse(body).unwrap().optional_integer("n", "x").ok(), expected, "{body}");
        }
        for body in [r#"{"n":7.0}"#, r#"{"n":"7"}"#, r#"{"n":1e400}"#, r#"{"n":true}"#, r#"{"n":[7]}"#] {
            let refused = match parse(body) {
                Ok(mut fields) => fields.optional_integer("n", "x").is_err(),
                Err(_) => true,
            };
            assert!(refused, "{body}");
        }
    }

    #[test]
    fn a_known_parameter_comes_once_and_unknown_ones_are_ignored() {
        let known = &["a", "b"];
        let read = |query: &str, form: &[u8]| Parameters::parse(&[query.as_bytes(), form], known);
        let parameters = read("a=1&x=2&x=3", b"b=c+d%20e%C3%A9").unwrap();
        assert_eq!((parameters.get("a"), parameters.get("b")), (Some("1"), Some("c d e\u{e9}")));
        for (query, form) in [
            ("a=1&a=1", b"".as_slice()),
            ("a=1", b"a=1"),
            ("a=%ff", b""),
            ("", b"b=\xff"),
            ("%61=1&a=2", b""),
            ("%ff=1", b""),
            ("x=%ff", b""),
        ] {
            assert!(read(query, form).is_err(), "{query}");
        }
        assert_eq!(read("a", b"").unwrap().get("a"), Some(""));
        assert!(matches!(read("", b"").unwrap().required("a", 9), Err(Problem::MissingParameter("a"))));
    }

    proptest! {
        #[test]
        fn no_body_makes_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Fields::parse(&body, Spelling::AnyCase);
            let _ = Parameters::parse(&[&body], &["a", "password"]);
        }
    }
}
