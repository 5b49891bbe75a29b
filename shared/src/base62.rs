//! Base62 (`0-9A-Za-z`, most significant digit first) of byte strings: what a double click selects as one word.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Writes `bytes` in base 62. A leading 1 byte keeps leading zeros, so no two byte strings share a text.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut number: Vec<u8> = std::iter::once(1).chain(bytes.iter().copied()).collect();
    let mut text = Vec::with_capacity(number.len() * 11 / 8 + 1);
    while number.iter().any(|&byte| byte != 0) {
        let mut rest = 0u32;
        for byte in &mut number {
            let value = rest << 8 | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        text.push(digit(rest));
    }
    text.iter().rev().map(|&byte| char::from(byte)).collect()
}

/// Reads what [`encode`] wrote; `None` for anything else.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut number: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        let mut carry = value(byte)?;
        for place in number.iter_mut().rev() {
            let sum = u32::from(*place) * 62 + carry;
            *place = u8::try_from(sum & 0xff).unwrap_or_default();
            carry = sum >> 8;
        }
        if carry > 0 {
            number.insert(0, u8::try_from(carry).ok()?);
        }
    }
    let bytes = number.strip_prefix(&[1])?.to_vec();
    (encode(&bytes) == text).then_some(bytes)
}

/// Writes a number in exactly six digits, which hold every `u32`.
pub(crate) fn encode_u32(mut number: u32) -> String {
    let mut text = [b'0'; 6];
    for place in text.iter_mut().rev() {
        *place = digit(number % 62);
        number /= 62;
    }
    text.iter().map(|&byte| char::from(byte)).collect()
}

fn digit(value: u32) -> u8 {
    usize::try_from(value).ok().and_then(|index| DIGITS.get(index)).copied().unwrap_or(b'0')
}

fn value(byte: u8) -> Option<u32> {
    DIGITS.iter().position(|&digit| digit == byte).and_then(|index| u32::try_from(index).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn six_digits_hold_every_checksum() {
        assert_eq!(encode_u32(0), "000000");
        assert_eq!(encode_u32(61), "00000z");
        assert_eq!(encode_u32(u32::MAX), "4gfFC3");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn a_text_has_one_meaning(text in "[0-9A-Za-z]{0,40}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
