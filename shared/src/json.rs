//! JSON as it is written.
//!
//! Serde's own reader takes an object whose first key is one of its private names for something else than an object: it
//! replaces it, or fails. A feature of the library switches that on, for the whole build, and anybody can put such a key into a
//! query string, which the gateway makes an object of, or into an attribute. So what others wrote is read by [`Json`], and
//! `deny.toml` keeps out the feature that would change numbers too.

use std::fmt;

use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Any JSON, without exceptions. Of a key that comes twice the last one counts; where that must not be, read
/// [`Fields`](crate::gateway::Fields).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Json(pub Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor).map(Self)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Json(value)) = access.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((key, Json(value))) = access.next_entry::<String, Json>()? {
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}

/// What is read of a JSON object, and of nothing else: Serde would take an array of its members' values for it too.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(access))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_read_as_it_is_written() {
        for text in [
            "null",
            "true",
            "[0,-1,18446744073709551615,0.1,1e+300,\"\\u0000\u{e9}\",[],{}]",
            "{\"a\":{\"b\":[null]},\"c\":\"\"}",
            "{\"$serde_json::private::RawValue\":\"}\"}",
            "{\"$serde_json::private::RawValue\":\"[1]\",\"a\":1}",
            "[{\"$serde_json::private::Number\":\"x\"}]",
        ] {
            let Json(value) = serde_json::from_str(text).unwrap();
            assert_eq!(value.to_string(), text);
            assert_eq!(serde_json::from_value::<Json>(value.clone()).unwrap(), Json(value), "read again");
        }
        assert!(serde_json::from_str::<Json>("{").is_err());
    }

    /// What `?%24serde_json%3A%3Aprivate%3A%3ARawValue=}` makes of an event; no answer of ours would be left.
    #[test]
    fn a_private_name_of_the_library_in_a_query_string_is_no_error_of_the_runtime() {
        let event =
            r#"{"requestContext":{"requestId":"a"},"queryStringParameters":{"$serde_json::private::RawValue":"}"}}"#;
        let event: crate::gateway::Event = serde_json::from_str(event).unwrap();
        assert_eq!(event.request_id(), "a");
    }
}
