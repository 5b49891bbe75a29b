//! Second opinions: the simplest code that gives the same answer, written apart from what it judges.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// CRC-32 (ISO-HDLC), bit by bit.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Bytes behind a 1 as one number in base 62.
#[must_use]
pub fn base62(bytes: &[u8]) -> String {
    let mut number: Vec<u8> = [&[1], bytes].concat();
    let mut digits = Vec::new();
    while number.iter().any(|byte| *byte != 0) {
        let mut rest = 0;
        for byte in &mut number {
            let sum = rest * 256 + usize::from(*byte);
            *byte = u8::try_from(sum / 62).expect("a digit of base 256");
            rest = sum % 62;
        }
        digits.push(char::from(BASE62[rest]));
    }
    digits.iter().rev().collect()
}

/// A number in six digits of base 62.
#[must_use]
pub fn base62_u32(number: u32) -> String {
    let digit = |place| usize::try_from(u64::from(number) / 62_u64.pow(place) % 62).expect("a digit");
    (0..6).rev().map(|place| char::from(BASE62[digit(place)])).collect()
}

/// Percent-encoding and `+` undone, byte by byte.
#[must_use]
pub fn form_decoded(text: &[u8]) -> Vec<u8> {
    let hex = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut decoded = Vec::new();
    let mut place = 0;
    while let Some(byte) = text.get(place) {
        let escaped = hex(text.get(place + 1)).zip(hex(text.get(place + 2))).filter(|_| *byte == b'%');
        match escaped {
            Some((high, low)) => decoded.push(u8::try_from(high * 16 + low).expect("two digits")),
            None => decoded.push(if *byte == b'+' { b' ' } else { *byte }),
        }
        place += if escaped.is_some() { 3 } else { 1 };
    }
    decoded
}

/// The names and values of a form, in their order.
#[must_use]
pub fn form(text: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pairs = text.split(|byte| *byte == b'&').map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        (form_decoded(&pair[..equals]), form_decoded(pair.get(equals + 1..).unwrap_or_default()))
    });
    pairs.collect()
}

/// Whether a JSON text holds an object with a key twice, at any depth; `None` for no JSON.
#[must_use]
pub fn has_doubled_keys(json: &[u8]) -> Option<bool> {
    serde_json::from_slice::<Doubled>(json).ok().map(|doubled| doubled.0)
}

struct Doubled(bool);

impl<'de> Deserialize<'de> for Doubled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DoubledVisitor)
    }
}

struct DoubledVisitor;

impl<'de> Visitor<'de> for DoubledVisitor {
    type Value = Doubled;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Doubled, E> {
        Ok(Doubled(false))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Doubled, E> {
        Ok(Doubled(false))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Doubled, E> {
        Ok(Doubled(false))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Doubled, E> {
        Ok(Doubled(false))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Doubled, E> {
        Ok(Doubled(false))
    }

    fn visit_str<E>(self, _: &str) -> Result<Doubled, E> {
        Ok(Doubled(false))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Doubled, A::Error> {
        let mut any = false;
        while let Some(Doubled(doubled)) = access.next_element()? {
            any |= doubled;
        }
        Ok(Doubled(any))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Doubled, A::Error> {
        let (mut any, mut keys) = (false, std::collections::HashSet::new());
        while let Some((key, Doubled(doubled))) = access.next_entry::<String, Doubled>()? {
            any |= doubled | !keys.insert(key);
        }
        Ok(Doubled(any))
    }
}
