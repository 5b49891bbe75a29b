//! The members of one row, each taken once and by type, so that an error names the member and its rule and nothing of
//! its value, which may be a secret in the wrong place.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;
use shared::clock::Timestamp;
use shared::json::Json;

/// Why a row is not taken: what is wrong in it, and the rule that it breaks. Holds nothing of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The member, or `row` where the row itself is wrong.
    pub field: Cow<'static, str>,
    /// The rule, as a predicate.
    pub rule: Cow<'static, str>,
}

/// A refusal of the member `field`.
pub fn refusal(field: impl Into<Cow<'static, str>>, rule: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal { field: field.into(), rule: rule.into() }
}

/// The members of one row.
#[derive(Debug)]
pub struct Fields {
    members: BTreeMap<String, Value>,
    /// Cells of a table are texts, whatever they mean.
    from_table: bool,
}

impl Fields {
    /// Reads a JSON object.
    pub fn of_json(bytes: &[u8]) -> Result<Self, Refusal> {
        let members: Members = serde_json::from_slice(bytes).map_err(|error| match error.classify() {
            // A message of this kind quotes the value.
            Category::Data => refusal("row", "must be a JSON object"),
            _ => refusal("row", format!("must be JSON, and is not at its column {}", error.column())),
        })?;
        match members.doubled {
            Some(name) => Err(refusal(name, "must not be given twice")),
            None => Ok(Self { members: members.all, from_table: false }),
        }
    }

    /// Takes the cells of a table's row that are not empty.
    pub fn of_cells(cells: impl Iterator<Item = (String, String)>) -> Self {
        let given = cells.filter(|(_, cell)| !cell.is_empty());
        Self { members: given.map(|(name, cell)| (name, Value::String(cell))).collect(), from_table: true }
    }

    /// The member's value; none where it is missing or null.
    pub fn value(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// A look at a text, which stays.
    pub fn peek(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    /// A text; none where it is missing, null or empty.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(_) => Err(refusal(name, "must be a text")),
        }
    }

    /// A truth.
    pub fn truth(&mut self, name: &'static str) -> Result<Option<bool>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(truth)),
            Some(Value::String(text)) if self.from_table && text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(text)) if self.from_table && text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(refusal(name, "must be true or false")),
        }
    }

    /// A moment, as RFC 3339 writes it.
    pub fn moment(&mut self, name: &'static str) -> Result<Option<Timestamp>, Refusal> {
        let rule = "must be a date and time such as 2027-12-31T00:00:00Z";
        self.text(name)?.map(|text| Timestamp::parse(&text).ok_or(refusal(name, rule))).transpose()
    }

    /// A moment in milliseconds since 1970, as a number or as its digits.
    pub fn millis(&mut self, name: &'static str) -> Result<Option<Timestamp>, Refusal> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let millis = match &value {
            Value::String(digits) => digits.parse().ok(),
            value => value.as_i64(),
        };
        let millis = millis.ok_or(refusal(name, "must be milliseconds since 1970-01-01T00:00:00Z"))?;
        Ok(Some(Timestamp::from_millis(millis)))
    }

    /// Texts: a list, or in a table one cell that separates them by `;`.
    pub fn texts(&mut self, name: &'static str) -> Result<Vec<String>, Refusal> {
        let rule = "must be a list of texts";
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::String(cell)) if self.from_table => {
                Ok(cell.split(';').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
            }
            Some(Value::Array(values)) => {
                let text = |value| if let Value::String(text) = value { Ok(text) } else { Err(refusal(name, rule)) };
                values.into_iter().map(text).collect()
            }
            Some(_) => Err(refusal(name, rule)),
        }
    }

    /// An object's members.
    pub fn object(&mut self, name: &'static str) -> Result<BTreeMap<String, Value>, Refusal> {
        match self.value(name) {
            None => Ok(BTreeMap::new()),
            Some(Value::Object(members)) => Ok(members.into_iter().collect()),
            Some(_) => Err(refusal(name, "must be an object")),
        }
    }

    /// A text that must be there, read by the rule of its kind.
    pub fn needed<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Result<T, Refusal> {
        let text = self.text(name)?.ok_or(refusal(name, "must be given"))?;
        read(&text).map_err(|rule| refusal(name, rule))
    }

    /// An object that must be there, to be read in turn.
    pub fn part(&mut self, name: &'static str) -> Result<Self, Refusal> {
        match self.value(name) {
            Some(Value::Object(members)) => Ok(Self { members: members.into_iter().collect(), from_table: false }),
            _ => Err(refusal(name, "must be an object")),
        }
    }

    /// A list of objects.
    pub fn objects(&mut self, name: &'static str) -> Result<Vec<Self>, Refusal> {
        let rule = "must be a list of objects";
        let Some(value) = self.value(name) else { return Ok(Vec::new()) };
        let Value::Array(values) = value else { return Err(refusal(name, rule)) };
        let object = |value| match value {
            Value::Object(members) => Ok(Self { members: members.into_iter().collect(), from_table: false }),
            _ => Err(refusal(name, rule)),
        };
        values.into_iter().map(object).collect()
    }

    /// Takes all members whose names begin with `prefix`, by the rest of their names.
    pub fn prefixed(&mut self, prefix: &str) -> Vec<(String, Value)> {
        let names: Vec<String> = self.members.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        let take = |name: String| {
            let value = self.members.remove(&name)?;
            Some((name.strip_prefix(prefix)?.to_owned(), value))
        };
        names.into_iter().filter_map(take).collect()
    }

    /// Refuses what nobody has taken: a member that is spelled wrong would be lost.
    pub fn finish(self) -> Result<(), Refusal> {
        match self.members.into_keys().next() {
            Some(name) if name == "password" => {
                Err(refusal(name, "can't be taken in clear: give its hash as passwordHash"))
            }
            Some(name) => Err(refusal(name, "is not a member that is known")),
            None => Ok(()),
        }
    }
}

/// A value as an attribute holds it: a text as it is, everything else as JSON.
pub fn as_text(value: Value) -> String {
    if let Value::String(text) = value { text } else { value.to_string() }
}

struct Members {
    all: BTreeMap<String, Value>,
    doubled: Option<String>,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Members { all: BTreeMap::new(), doubled: None };
                while let Some((name, Json(value))) = map.next_entry::<String, Json>()? {
                    if members.all.insert(name.clone(), value).is_some() {
                        members.doubled = Some(name);
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields {
        Fields::of_json(json.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_no_object_is_refused_without_quoting_it() {
        for bad in [r#""hunter2""#, "[1]", "hunter2", r#"{"a":"hunter2}"#, r#"{"a":1,}"#, "", r#"{"a":"\ud800"}"#] {
            let refusal = Fields::of_json(bad.as_bytes()).unwrap_err();
            assert_eq!(refusal.field, "row", "{bad}");
            assert!(!refusal.rule.contains("hunter2"), "{refusal:?}");
        }
        assert!(Fields::of_json(b"{\"a\":\"\xff\"}").is_err());
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(Fields::of_json(deep.as_bytes()).unwrap_err().field, "row");
    }

    #[test]
    fn a_doubled_member_is_refused() {
        let refusal = Fields::of_json(br#"{"enabled":true,"enabled":false}"#).unwrap_err();
        assert_eq!((&*refusal.field, &*refusal.rule), ("enabled", "must not be given twice"));
    }

    #[test]
    fn each_type_has_its_rule() {
        let json = r#"{"a":1,"b":"x","c":[1],"d":{},"e":"soon","f":"","g":null}"#;
        assert_eq!(fields(json).text("a").unwrap_err().rule, "must be a text");
        assert_eq!(fields(json).truth("b").unwrap_err().rule, "must be true or false");
        assert_eq!(fields(json).texts("c").unwrap_err().rule, "must be a list of texts");
        assert_eq!(fields(json).texts("b").unwrap_err().field, "b");
        assert!(fields(json).moment("e").is_err() && fields(json).millis("e").is_err());
        assert!(fields(json).objects("c").is_err() && fields(json).object("c").is_err());
        assert_eq!((fields(json).text("f"), fields(json).text("g")), (Ok(None), Ok(None)));
    }

    #[test]
    fn a_member_that_nobody_takes_is_refused() {
        assert_eq!(fields(r#"{"passwordhash":"x"}"#).finish().unwrap_err().field, "passwordhash");
        assert!(fields(r#"{"password":"x"}"#).finish().unwrap_err().rule.contains("in clear"));
        assert_eq!(fields("{}").finish(), Ok(()));
    }

    #[test]
    fn cells_are_read_by_what_they_mean() {
        let cells = [("a", "TRUE"), ("b", "x; y;;"), ("c", "")].map(|(name, cell)| (name.to_owned(), cell.to_owned()));
        let mut fields = Fields::of_cells(cells.into_iter());
        assert_eq!(fields.truth("a"), Ok(Some(true)));
        assert_eq!(fields.texts("b"), Ok(vec!["x".to_owned(), "y".to_owned()]));
        assert_eq!(fields.finish(), Ok(()));
    }
}
