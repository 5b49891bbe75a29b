//! Types for what must not be seen: what a client shows us once, and the digest that is stored.
//!
//! Invariant: nothing in here that holds a plain secret implements `Debug`, `Display` or `Serialize`.
//! [`expose_secret`](Password::expose_secret) marks each place where bytes leave these types.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// The longest password accepted, in bytes of UTF-8 as sent; checked before any normalising or hashing.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// A password as its owner typed it, in Unicode normalisation form C (NIST SP 800-63B-4, 3.1.1.2), so that the same
/// characters from two keyboards are the same password. Never truncated, never case-folded.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password from input. `None` when it is longer than [`MAX_PASSWORD_BYTES`].
    #[must_use]
    pub fn from_input(raw: &str) -> Option<Self> {
        (raw.len() <= MAX_PASSWORD_BYTES).then(|| Self(Zeroizing::new(raw.nfc().collect())))
    }

    /// The password in clear, for the key derivation.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

/// A credential in clear that is shown to its owner once: a ticket, an auth header, an access token.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Wraps a credential that was just made or just received.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The credential in clear, for the one answer that shows it.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }

    /// What is stored and looked up instead of the credential. A plain hash is enough for 256 random bits
    /// (OWASP ASVS 5.0, 6.5.2).
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

/// The SHA-256 of a credential: the stored form, safe to log and to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut digest = [0; 32];
        digest.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
        Self(digest)
    }

    /// 43 characters of unpadded base64url.
    #[must_use]
    pub fn to_base64url(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        self.0
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect()
    }

    /// Reads the form of [`Self::to_base64url`]; `None` for anything else, other spellings of the same bytes included.
    #[must_use]
    pub fn from_base64url(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_and_decomposed_characters_are_one_password() {
        let composed = Password::from_input("caf\u{e9}").unwrap();
        let decomposed = Password::from_input("cafe\u{301}").unwrap();
        assert_eq!(composed.expose_secret(), decomposed.expose_secret());
    }

    #[test]
    fn an_overlong_password_is_refused_before_it_is_normalised() {
        assert!(Password::from_input(&"x".repeat(MAX_PASSWORD_BYTES)).is_some());
        assert!(Password::from_input(&"x".repeat(MAX_PASSWORD_BYTES + 1)).is_none());
    }

    #[test]
    fn a_digest_has_one_spelling() {
        let digest = Digest::of(b"abc");
        let text = digest.to_base64url();
        assert_eq!(text.len(), 43);
        assert_eq!(Digest::from_base64url(&text), Some(digest));
        assert_eq!(Digest::from_base64url(&format!("{text}=")), None);
        // SHA-256("abc") ends in 0xad: its last character carries two unused bits, which must be zero.
        assert!(text.ends_with('0'));
        assert_eq!(Digest::from_base64url(&format!("{}1", &text[..42])), None);
    }
}
