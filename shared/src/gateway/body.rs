//! Strict parsers of what clients send: JSON objects, and query or form parameters.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::percent_decode;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

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
    OtherNumber(Number),
    Text(String),
    List(Vec<Strict>),
    Object(Vec<(String, Strict)>),
}

impl From<Strict> for Value {
    fn from(value: Strict) -> Self {
        match value {
            Strict::Null => Self::Null,
            Strict::Bool(value) => Self::Bool(value),
            Strict::Integer(value) => value.into(),
            Strict::OtherNumber(value) => Self::Number(value),
            Strict::Text(text) => Self::String(text),
            Strict::List(values) => values.into_iter().map(Self::from).collect(),
            Strict::Object(members) => members.into_iter().map(|(name, value)| (name, Self::from(value))).collect(),
        }
    }
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
        Ok(i64::try_from(value).map_or_else(|_| Strict::OtherNumber(value.into()), Strict::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
        Ok(Number::from_f64(value).map_or(Strict::Null, Strict::OtherNumber))
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
            members.push((key, value));
        }
        if doubled(&members).is_some() {
            return Err(serde::de::Error::custom(DOUBLED));
        }
        Ok(Strict::Object(members))
    }
}

/// A key that stands in an object twice. Sorted, since a client may send thousands of them.
fn doubled(members: &[(String, Strict)]) -> Option<&str> {
    let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys.windows(2).find(|pair| pair.first() == pair.last()).and_then(|pair| pair.first().copied())
}

/// More members than any body of the contract has. What a client keeps in an attribute may have as many as it fits.
const MAX_MEMBERS: usize = 64;

const DOUBLED: &str = "doubled key";
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
            let doubled = reason.starts_with(DOUBLED);
            Problem::invalid("the body", if doubled { "must hold each field once" } else { "must be valid JSON" })
        })?;
        let Strict::Object(mut members) = value else {
            return Err(Problem::invalid("the body", "must be a JSON object"));
        };
        if members.len() > MAX_MEMBERS {
            return Err(Problem::invalid("the body", "must hold at most 64 fields"));
        }
        if spelling == Spelling::AnyCase {
            for (key, _) in &mut members {
                key.make_ascii_lowercase();
            }
            if let Some(key) = doubled(&members) {
                return Err(Problem::Invalid { field: shown_name(key), rule: ONCE });
            }
        }
        Ok(Self(members))
    }

    /// All members, whatever they are called: for an object whose names are the client's own.
    #[must_use]
    pub fn into_values(self) -> BTreeMap<String, Value> {
        self.0.into_iter().map(|(name, value)| (name, value.into())).collect()
    }

    /// Whether there is such a member, null or not.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
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
        Ok(self.optional_flag(name)?.unwrap_or(false))
    }

    /// True or false, or nothing: absent and null are the same.
    pub fn optional_flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.take(name) {
            None | Some(Strict::Null) => Ok(None),
            Some(Strict::Bool(value)) => Ok(Some(value)),
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
        Ok(self.optional_texts(name, max_entries, max)?.unwrap_or_default())
    }

    /// A list of texts, or nothing: absent and null are the same, and an empty list is another.
    pub fn optional_texts(
        &mut self,
        name: &'static str,
        max_entries: usize,
        max: usize,
    ) -> Result<Option<Vec<String>>, Problem> {
        let entries = match self.take(name) {
            None | Some(Strict::Null) => return Ok(None),
            Some(Strict::List(entries)) if entries.len() <= max_entries => entries,
            Some(Strict::List(_)) => return Err(Problem::invalid(name, "has too many entries")),
            Some(_) => return Err(Problem::invalid(name, "must be a list of strings")),
        };
        let each = entries.into_iter().map(|entry| match entry {
            Strict::Text(text) if !text.is_empty() && text.len() <= max => Ok(text),
            Strict::Text(_) => Err(Problem::invalid(name, "has an entry that is empty or too long")),
            _ => Err(Problem::invalid(name, "must be a list of strings")),
        });
        each.collect::<Result<_, _>>().map(Some)
    }

    /// A list of objects, or nothing: absent and null are an empty list. The members of each are compared to the letter,
    /// and it is for the caller to [`Self::finish`] each.
    pub fn objects(&mut self, name: &'static str, max_entries: usize) -> Result<Vec<Self>, Problem> {
        let entries = match self.take(name) {
            None | Some(Strict::Null) => return Ok(Vec::new()),
            Some(Strict::List(entries)) if entries.len() <= max_entries => entries,
            Some(Strict::List(_)) => return Err(Problem::invalid(name, "has too many entries")),
            Some(_) => return Err(Problem::invalid(name, "must be a list of objects")),
        };
        let each = entries.into_iter().map(|entry| match entry {
            Strict::Object(members) => Ok(Self(members)),
            _ => Err(Problem::invalid(name, "must be a list of objects")),
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
        Self::parse_with_lists(sources, known, &[])
    }

    /// The same with `lists`: parameters that may come several times.
    pub fn parse_with_lists(sources: &[&[u8]], once: &[&'static str], lists: &[&'static str]) -> Result<Self, Problem> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for pair in sources.iter().flat_map(|source| source.split(|byte| *byte == b'&')) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
            let name =
                form_decoded(name).ok_or_else(|| Problem::invalid("a parameter's name", "must be valid UTF-8"))?;
            let Some(&name) = once.iter().chain(lists).find(|known| **known == name) else {
                if form_decoded(value).is_none() {
                    return Err(Problem::invalid("a parameter", "must be valid UTF-8"));
                }
                continue;
            };
            if !lists.contains(&name) && found.iter().any(|(other, _)| *other == name) {
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

    /// A list: every value of a parameter that may come several times, in their order.
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that may be left out, if it was given: an empty one counts as left out, as existing clients of forms
    /// mean it.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// A credential of at most `max` bytes that may be left out. An empty one was shown, and is wrong: whoever sends that
    /// must not pass for one who shows none.
    pub fn shown(&self, name: &'static str, max: usize) -> Result<Option<&str>, Problem> {
        match self.get(name) {
            Some(value) if value.len() > max => Err(Problem::invalid(name, "is too long")),
            value => Ok(value),
        }
    }

    /// `true` or `false`, or nothing. Existing clients also say on, yes or 1, and off, no or 0, in any case.
    pub fn optional_flag(&self, name: &'static str) -> Result<Option<bool>, Problem> {
        let Some(text) = self.given(name) else { return Ok(None) };
        let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        match (is(["true", "on", "yes", "1"]), is(["false", "off", "no", "0"])) {
            (true, _) => Ok(Some(true)),
            (_, true) => Ok(Some(false)),
            _ => Err(Problem::invalid(name, "must be true or false")),
        }
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
    fn a_body_of_many_members_is_refused() {
        let members = |count: usize| (0..count).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(",");
        assert!(parse(&format!("{{{}}}", members(MAX_MEMBERS))).is_ok());
        let refused = parse(&format!("{{{}}}", members(MAX_MEMBERS + 1))).err().unwrap();
        assert_eq!(rule(refused).1, "must hold at most 64 fields");
    }

    #[test]
    fn an_object_inside_may_have_many_members_and_none_twice() {
        let members = |count: usize| (0..count).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(",");
        let values = parse(&format!("{{\"a\":[{{\"b\":{{{}}}}}]}}", members(5000))).unwrap().into_values();
        assert_eq!(values["a"][0]["b"].as_object().unwrap().len(), 5000);
        assert_eq!(values["a"][0]["b"]["k4999"], 4999);
        let twice = parse(&format!("{{\"a\":[{{\"b\":{{{},\"k7\":0}}}}]}}", members(5000))).err().unwrap();
        assert_eq!(rule(twice).1, "must hold each field once");
    }

    #[test]
    fn an_optional_parameter_that_is_empty_was_left_out_but_not_a_credential() {
        let read = |query: &str| Parameters::parse(&[query.as_bytes()], &["a"]).unwrap();
        assert_eq!((read("a=").given("a"), read("").given("a"), read("a=x").given("a")), (None, None, Some("x")));
        assert_eq!((read("a=").shown("a", 9).unwrap(), read("").shown("a", 9).unwrap()), (Some(""), None));
        assert!(read("a=1234567890").shown("a", 9).is_err());
        assert!(read("a=").optional_count("a").is_err());
    }

    #[test]
    fn a_flag_has_the_words_that_existing_clients_use() {
        let flag =
            |text: &str| Parameters::parse(&[format!("a={text}").as_bytes()], &["a"]).unwrap().optional_flag("a");
        for (texts, expected) in [
            (["true", "TRUE", "on", "Yes", "1"], Some(true)),
            (["false", "False", "OFF", "no", "0"], Some(false)),
            (["", "", "", "", ""], None),
        ] {
            for text in texts {
                assert_eq!(flag(text).ok(), Some(expected), "{text}");
            }
        }
        for text in ["t", "2", "10", "true%20", "null", "wahr", "%00"] {
            assert_eq!(rule(flag(text).unwrap_err()).1, "must be true or false", "{text}");
        }
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
    fn a_list_of_objects_is_read_object_by_object() {
        let mut fields = parse(r#"{"list":[{"a":"x"},{}],"none":null}"#).unwrap();
        let mut entries = fields.objects("list", 2).unwrap();
        assert_eq!(entries[0].text("a", 9).unwrap(), "x");
        assert!(entries[1].text("a", 9).is_err());
        assert!(fields.objects("none", 2).unwrap().is_empty() && fields.objects("absent", 2).unwrap().is_empty());
        for body in [r#"{"list":{}}"#, r#"{"list":["x"]}"#, r#"{"list":[null]}"#, r#"{"list":[{},{},{}]}"#] {
            let refused = parse(body).unwrap().objects("list", 2).err().unwrap();
            assert_eq!(rule(refused).0, "list", "{body}");
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
