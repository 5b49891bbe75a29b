//! What a stored text is: one of our own hashes, or one that another system made.

use argon2::password_hash::phc::{Ident, Output, PasswordHash, Salt};
use argon2::{Algorithm, Params, Version};

use super::Cost;
use super::foreign::Foreign;
use super::pepper::KeyId;
use super::phc::{MAX_TEXT_BYTES, Refusal, bytes, refusal};

pub(super) enum Stored {
    Argon2(Argon2Hash),
    Foreign(Foreign),
}

/// A hash of the Argon2 family; ours are Argon2id.
pub(super) struct Argon2Hash {
    pub(super) algorithm: Algorithm,
    pub(super) version: Version,
    pub(super) cost: Cost,
    /// The pepper that it was made with.
    pub(super) pepper: Option<KeyId>,
    pub(super) salt: Salt,
    pub(super) output: Output,
}

impl Stored {
    /// Reads and bounds a stored text without doing any of its work.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(refusal("hash", "at most 512 bytes of text"));
        }
        let (scheme, rest) = text
            .strip_prefix('$')
            .and_then(|text| text.split_once('$'))
            .ok_or(refusal("hash", "begins with $, the scheme and $"))?;
        if let Ok(algorithm) = Algorithm::try_from(scheme) {
            return Argon2Hash::parse(algorithm, text).map(Self::Argon2);
        }
        let foreign = Foreign::read(scheme, rest).ok_or(refusal("scheme", "one of those that are documented"))?;
        foreign.map(Self::Foreign)
    }

    /// The pepper that it was made with, if any.
    pub(super) fn pepper(&self) -> Option<&KeyId> {
        match self {
            Self::Argon2(hash) => hash.pepper.as_ref(),
            Self::Foreign(_) => None,
        }
    }
}

impl Argon2Hash {
    fn parse(algorithm: Algorithm, text: &str) -> Result<Self, Refusal> {
        let malformed = refusal(
            "Argon2 hash",
            "a PHC string with m, t, p and perhaps keyid in this order, a salt and 16 bytes or more of hash",
        );
        let hash = PasswordHash::new(text).map_err(|_| malformed)?;
        let version = hash.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(|_| malformed)?;
        // Associated data would make it another hash; a number given twice has two spellings.
        let names: Vec<_> = hash.params.iter().map(|(name, _)| name).collect();
        let pepper = match &names.iter().map(Ident::as_str).collect::<Vec<_>>()[..] {
            ["m", "t", "p"] => None,
            ["m", "t", "p", "keyid"] => Some(key_id(hash.params.get_str("keyid").unwrap_or_default())?),
            _ => return Err(malformed),
        };
        let params = Params::try_from(&hash).map_err(|_| malformed)?;
        let cost = Cost { memory_kib: params.m_cost(), iterations: params.t_cost(), parallelism: params.p_cost() };
        if !cost.is_bounded() {
            return Err(refusal("Argon2 cost", "m from 8·p to 65536, t from 1 to 10, p from 1 to 4"));
        }
        match (hash.salt, hash.hash) {
            (Some(salt), Some(output)) if output.len() >= 16 => {
                Ok(Self { algorithm, version, cost, pepper, salt, output })
            }
            _ => Err(malformed),
        }
    }
}

fn key_id(text: &str) -> Result<KeyId, Refusal> {
    let text = String::from_utf8(bytes("keyid", text)?).ok();
    let id = text.as_deref().and_then(KeyId::parse);
    id.ok_or(refusal("keyid", "1 to 8 letters, digits, '_' or '-', in base64 without padding"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_not_even_read() {
        let refused = |bytes| Stored::parse(&"x".repeat(bytes)).err().map(|refusal| refusal.rule);
        assert_eq!(refused(MAX_TEXT_BYTES), Some("begins with $, the scheme and $"));
        assert_eq!(refused(MAX_TEXT_BYTES + 1), Some("at most 512 bytes of text"));
    }
}
