//! The text of a stored hash: `$scheme$name=value,…$salt$hash`, salt and hash in base64 without padding.
//!
//! Read strictly, so that each hash has one spelling and nothing in it is ignored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The longest text that is looked at, in bytes; the longest valid one has about 400.
pub(super) const MAX_TEXT_BYTES: usize = 512;

const MAX_SALT_BYTES: usize = 64;

/// Why a hash is refused: what is wrong in it, and the rule that it breaks. Holds nothing of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct Refusal {
    /// The part of the hash.
    pub field: &'static str,
    /// What that part has to be.
    pub rule: &'static str,
}

pub(super) const fn refusal(field: &'static str, rule: &'static str) -> Refusal {
    Refusal { field, rule }
}

/// What follows the scheme: its parameters in their order, the salt and the hash.
pub(super) struct Parts<'a, const N: usize> {
    pub(super) values: [&'a str; N],
    pub(super) salt: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

impl<'a, const N: usize> Parts<'a, N> {
    /// Reads what follows `$scheme$`.
    pub(super) fn read(text: &'a str, names: [&'static str; N]) -> Result<Self, Refusal> {
        let mut segments = text.split('$');
        let values = if N == 0 { Some([""; N]) } else { segments.next().and_then(|params| values(params, names)) };
        let values = values.ok_or(refusal("parameters", "the scheme's own ones, each once and in their order"))?;
        let (Some(salt), Some(hash), None) = (segments.next(), segments.next(), segments.next()) else {
            return Err(refusal("hash", "ends in $, the salt, $ and the hash"));
        };
        let salt = bytes("salt", salt)?;
        if !(1..=MAX_SALT_BYTES).contains(&salt.len()) {
            return Err(refusal("salt", "1 to 64 bytes"));
        }
        Ok(Self { values, salt, hash: bytes("hash", hash)? })
    }
}

fn values<'a, const N: usize>(params: &'a str, names: [&'static str; N]) -> Option<[&'a str; N]> {
    let mut params = params.split(',');
    let mut values = [""; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = params.next()?.strip_prefix(name)?.strip_prefix('=')?;
    }
    params.next().is_none().then_some(values)
}

/// Reads base64 without padding.
pub(super) fn bytes(field: &'static str, text: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD_NO_PAD.decode(text).map_err(|_| refusal(field, "base64 without padding"))
}

/// Writes base64 without padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

/// Reads a decimal number without a sign or leading zeros.
pub(super) fn number(field: &'static str, text: &str) -> Result<u32, Refusal> {
    let canonical = !text.starts_with('+') && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| canonical).ok_or(refusal(field, "a decimal number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_spelling() {
        let read = |text| Parts::read(text, ["i", "l"]).map(|parts| (parts.values, parts.salt, parts.hash));
        assert_eq!(read("i=1,l=2$c2FsdA$aGFzaA"), Ok((["1", "2"], b"salt".to_vec(), b"hash".to_vec())));
        for bad in [
            "",
            "i=1,l=2",
            "i=1,l=2$c2FsdA",
            "i=1,l=2$c2FsdA$",
            "l=2,i=1$c2FsdA$aGFzaA",
            "i=1$c2FsdA$aGFzaA",
            "i=1,l=2,m=3$c2FsdA$aGFzaA",
            "i=1,l=2$c2FsdA==$aGFzaA",
            "i=1,l=2$c2FsdB$aGFzaA",
            "i=1,l=2$$aGFzaA",
            "i=1,l=2$c2FsdA$aGFzaA$",
            "i=1,l=2$c2FsdA$aGFzaA\n",
        ] {
            let parts = read(bad);
            assert!(parts.is_err() || parts.is_ok_and(|(_, _, hash)| hash.is_empty()), "{bad}");
        }
        assert!(Parts::read("$c2FsdA$aGFzaA", []).is_err());
        assert!(Parts::read("c2FsdA$aGFzaA", []).is_ok());
        let salt = |bytes| format!("{}$aGFzaA", base64(&vec![7; bytes]));
        assert!(Parts::read(&salt(64), []).is_ok());
        assert!(Parts::read(&salt(65), []).is_err());
    }

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!(number("n", "0"), Ok(0));
        assert_eq!(number("n", "4294967295"), Ok(u32::MAX));
        for bad in ["", "+1", "-1", "01", "00", " 1", "1 ", "4294967296", "1e3", "٣"] {
            assert_eq!(number("n", bad), Err(refusal("n", "a decimal number")), "{bad}");
        }
    }
}
