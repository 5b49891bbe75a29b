//! The keyset: every signing key with the window in which it signs and verifies.
//!
//! Invariant: a keyset either parses whole, with keys strong enough and told apart, or not at all. There is no default.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom as AwsLcRandom;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::json::Object;
use crate::secret::Digest;

/// A signature algorithm of RFC 7518 / RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSA PKCS #1 v1.5 with SHA-256: what API Gateway's own JWT authorizer accepts.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Its name in JOSE headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads [`Self::as_str`]'s form, exactly.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Rs256, Self::Es256, Self::EdDsa].into_iter().find(|algorithm| algorithm.as_str() == text)
    }
}

/// Why a keyset can't be used. Holds nothing of the keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not the JSON that it should be.
    #[error("the keyset is not JSON of the documented form")]
    Malformed,
    /// There is no key in it: neither a rotation nor `ostiary keys init` has run.
    #[error("the keyset holds no key; the first rotation or `ostiary keys init` makes one")]
    Empty,
    /// Two keys share a name.
    #[error("the key id {0} occurs twice")]
    DoubledKid(String),
    /// A key is not of its algorithm, too short, or damaged.
    #[error("the key {0} is damaged, too short, or not of its algorithm")]
    BadKey(String),
    /// The crypto library made no key.
    #[error("no key could be generated")]
    Generation,
}

/// The stored form of the whole secret.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredKeySet {
    #[serde(deserialize_with = "objects")]
    pub(super) keys: Vec<StoredKey>,
    /// The version that a rotation made this one from, which it may replace, and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) based_on: Option<String>,
}

fn objects<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<StoredKey>, D::Error> {
    Vec::<Object<StoredKey>>::deserialize(deserializer).map(|keys| keys.into_iter().map(|Object(key)| key).collect())
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredKey {
    pub(super) kid: String,
    alg: Algorithm,
    pkcs8: Zeroizing<String>,
    pub(super) sign_after: i64,
    pub(super) verify_until: Option<i64>,
}

impl StoredKeySet {
    /// Reads the secret's text as far as its form goes; it may hold no key.
    pub(super) fn parse(text: &str) -> Result<Self, KeySetError> {
        serde_json::from_str(text).map(|Object(set)| set).map_err(|_| KeySetError::Malformed)
    }

    /// The secret's text.
    pub(super) fn to_text(&self) -> Result<Zeroizing<String>, KeySetError> {
        serde_json::to_string(self).map(Zeroizing::new).map_err(|_| KeySetError::Generation)
    }
}

impl StoredKey {
    /// A fresh key that signs from `sign_after` on.
    pub(super) fn generate(algorithm: Algorithm, sign_after: i64) -> Result<Self, KeySetError> {
        let der = generate_pkcs8(algorithm)?;
        // The name only has to tell keys apart; half a digest of the private key can't lead back to it. One that began
        // with a hyphen would be an option on a command line.
        let kid = Digest::of(&der).to_base64url().trim_start_matches('-').chars().take(22).collect();
        let pkcs8 = Zeroizing::new(STANDARD.encode(&*der));
        Ok(Self { kid, alg: algorithm, pkcs8, sign_after, verify_until: None })
    }

    /// Whether this is the same key with the same turn; its end may differ.
    pub(super) fn is_same_key(&self, other: &Self) -> bool {
        (&self.kid, self.alg, &self.pkcs8, self.sign_after) == (&other.kid, other.alg, &other.pkcs8, other.sign_after)
    }

    pub(super) fn is_live(&self, now: i64) -> bool {
        self.verify_until.is_none_or(|until| now < until)
    }
}

fn generate_pkcs8(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, KeySetError> {
    let failed = |_| KeySetError::Generation;
    Ok(Zeroizing::new(match algorithm {
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).map_err(failed)?;
            let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            der.as_ref().to_vec()
        }
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
            pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()
        }
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()
        }
    }))
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// One signing key.
pub struct Key {
    kid: String,
    algorithm: Algorithm,
    pair: Pair,
    /// It signs from this moment on.
    pub sign_after: Timestamp,
    /// It verifies until this moment; `None` while no end is planned.
    pub verify_until: Option<Timestamp>,
}

impl Key {
    fn parse(stored: &StoredKey) -> Result<Self, KeySetError> {
        let bad = || KeySetError::BadKey(stored.kid.clone());
        let valid_kid = (1..=64).contains(&stored.kid.len())
            && stored.kid.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !valid_kid {
            return Err(KeySetError::Malformed);
        }
        let der = Zeroizing::new(STANDARD.decode(stored.pkcs8.as_bytes()).map_err(|_| bad())?);
        let pair = match stored.alg {
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(&der).map_err(|_| bad())?;
                if pair.public_modulus_len() * 8 < 2048 {
                    return Err(bad());
                }
                Pair::Rsa(Box::new(pair))
            }
            Algorithm::Es256 => {
                Pair::Ecdsa(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).map_err(|_| bad())?)
            }
            Algorithm::EdDsa => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(&der).map_err(|_| bad())?),
        };
        Ok(Self {
            kid: stored.kid.clone(),
            algorithm: stored.alg,
            pair,
            sign_after: Timestamp::from_seconds(stored.sign_after),
            verify_until: stored.verify_until.map(Timestamp::from_seconds),
        })
    }

    /// Its name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm it is used with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs `message`; `None` when the library fails.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = AwsLcRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Pair::Ecdsa(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
        }
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let (algorithm, public): (&'static dyn signature::VerificationAlgorithm, &[u8]) = match &self.pair {
            Pair::Rsa(pair) => (&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref()),
            Pair::Ecdsa(pair) => (&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()),
            Pair::Ed25519(pair) => (&signature::ED25519, pair.public_key().as_ref()),
        };
        UnparsedPublicKey::new(algorithm, public).verify(message, signature).is_ok()
    }

    /// Its public half as a JWK (RFC 7517).
    #[must_use]
    pub fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => json!({
                "kty": "RSA",
                "n": encode(pair.public_key().modulus().big_endian_without_leading_zero()),
                "e": encode(pair.public_key().exponent().big_endian_without_leading_zero()),
            }),
            Pair::Ecdsa(pair) => {
                let (x, y) = pair.public_key().as_ref().get(1..).unwrap_or_default().split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
            }
            Pair::Ed25519(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) }),
        };
        if let Value::Object(members) = &mut jwk {
            members.insert("kid".to_owned(), json!(self.kid));
            members.insert("alg".to_owned(), json!(self.algorithm.as_str()));
            members.insert("use".to_owned(), json!("sig"));
        }
        jwk
    }

    fn verifies_at(&self, now: Timestamp) -> bool {
        self.verify_until.is_none_or(|until| now < until)
    }
}

/// All signing keys of a stack.
pub struct KeySet {
    keys: Vec<Key>,
}

impl KeySet {
    /// Reads the secret's text.
    pub fn parse(text: &str) -> Result<Self, KeySetError> {
        Self::of(&StoredKeySet::parse(text)?)
    }

    pub(super) fn of(stored: &StoredKeySet) -> Result<Self, KeySetError> {
        if stored.keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        let mut keys: Vec<Key> = Vec::with_capacity(stored.keys.len());
        for stored in &stored.keys {
            let key = Key::parse(stored)?;
            if keys.iter().any(|other| other.kid == key.kid) {
                return Err(KeySetError::DoubledKid(key.kid));
            }
            keys.push(key);
        }
        Ok(Self { keys })
    }

    /// Makes the secret's text with one fresh key that signs at once.
    pub fn generate(algorithm: Algorithm, now: Timestamp) -> Result<Zeroizing<String>, KeySetError> {
        let key = StoredKey::generate(algorithm, now.as_seconds())?;
        StoredKeySet { keys: vec![key], based_on: None }.to_text()
    }

    /// Every key, in stored order.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The key that signs now: the one whose turn began last. `None` when no key may sign.
    #[must_use]
    pub fn signing_key(&self, now: Timestamp) -> Option<&Key> {
        self.keys.iter().filter(|key| key.sign_after <= now && key.verifies_at(now)).max_by_key(|key| key.sign_after)
    }

    /// The key named `kid`, while it verifies.
    #[must_use]
    pub fn verifying_key(&self, kid: &str, now: Timestamp) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid == kid && key.verifies_at(now))
    }

    /// The public keys as a JWK Set (RFC 7517): those that verify, and those that will sign.
    #[must_use]
    pub fn jwks(&self, now: Timestamp) -> Value {
        let keys: Vec<Value> = self.keys.iter().filter(|key| key.verifies_at(now)).map(Key::jwk).collect();
        json!({ "keys": keys })
    }

    /// The algorithms of the published keys, each once.
    #[must_use]
    pub fn algorithms(&self, now: Timestamp) -> Vec<&'static str> {
        let mut names: Vec<_> =
            self.keys.iter().filter(|key| key.verifies_at(now)).map(|key| key.algorithm.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn stored(algorithm: Algorithm) -> Value {
        let text = KeySet::generate(algorithm, NOW).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["keys"][0].clone()
    }

    fn parse(keys: &[Value]) -> Result<KeySet, KeySetError> {
        KeySet::parse(&json!({ "keys": keys }).to_string())
    }

    #[test]
    fn each_algorithm_signs_what_it_verifies() {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
            let set = KeySet::parse(&KeySet::generate(algorithm, NOW).unwrap()).unwrap();
            let key = set.signing_key(NOW).unwrap();
            let signature = key.sign(b"message").unwrap();
            assert!(key.verifies(b"message", &signature), "{algorithm:?}");
            assert!(!key.verifies(b"massage", &signature), "{algorithm:?}");
            assert!(!key.verifies(b"message", &vec![0; signature.len()]), "{algorithm:?}: all zeros");
        }
    }

    #[test]
    fn a_jwk_holds_no_private_member() {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
            let set = KeySet::parse(&KeySet::generate(algorithm, NOW).unwrap()).unwrap();
            let jwk = set.jwks(NOW)["keys"][0].clone();
            for member in ["d", "p", "q", "dp", "dq", "qi", "k", "pkcs8"] {
                assert!(jwk.get(member).is_none(), "{algorithm:?} {member}");
            }
            assert_eq!(jwk["alg"], algorithm.as_str());
        }
    }

    #[test]
    fn a_bad_keyset_is_refused_whole() {
        let good = stored(Algorithm::Es256);
        let with = |member: &str, value: Value| {
            let mut key = good.clone();
            key[member] = value;
            key
        };
        assert!(parse(std::slice::from_ref(&good)).is_ok());
        assert_eq!(parse(&[]).err(), Some(KeySetError::Empty));
        assert!(matches!(parse(&[good.clone(), good.clone()]).err(), Some(KeySetError::DoubledKid(_))));
        for bad in [
            with("alg", json!("RS256")),
            with("alg", json!("EdDSA")),
            with("alg", json!("none")),
            with("alg", json!("HS256")),
            with("pkcs8", json!("")),
            with("pkcs8", json!("AAAA")),
            with("kid", json!("")),
            with("kid", json!("../../etc/passwd")),
            with("sign_after", json!("now")),
            with("extra", json!(1)),
        ] {
            assert!(parse(&[good.clone(), bad.clone()]).is_err() || bad == good);
            assert!(parse(&[bad]).is_err());
        }
        for text in ["", "null", "[]", "{}", "{\"keys\":null}"] {
            assert_eq!(KeySet::parse(text).err(), Some(KeySetError::Malformed), "{text}");
        }
        let values: Vec<&Value> =
            ["kid", "alg", "pkcs8", "sign_after", "verify_until"].iter().map(|name| &good[*name]).collect();
        for arrays in [json!([[good], null]), json!({ "keys": [values] })] {
            assert_eq!(KeySet::parse(&arrays.to_string()).err(), Some(KeySetError::Malformed));
        }
    }

    #[test]
    fn the_latest_key_whose_turn_has_come_signs() {
        let mut old = stored(Algorithm::Es256);
        let mut new = stored(Algorithm::Es256);
        old["sign_after"] = json!(NOW.as_seconds() - 100);
        new["sign_after"] = json!(NOW.as_seconds() + 100);
        let set = parse(&[old.clone(), new.clone()]).unwrap();
        assert_eq!(set.signing_key(NOW).unwrap().kid(), old["kid"]);
        assert_eq!(set.jwks(NOW)["keys"].as_array().unwrap().len(), 2, "the next key is published before it signs");
        let later = Timestamp::from_seconds(NOW.as_seconds() + 100);
        assert_eq!(set.signing_key(later).unwrap().kid(), new["kid"]);
        assert!(set.verifying_key(old["kid"].as_str().unwrap(), later).is_some());
    }

    #[test]
    fn a_key_past_its_end_neither_signs_nor_verifies() {
        let mut key = stored(Algorithm::Es256);
        key["verify_until"] = json!(NOW.as_seconds());
        let set = parse(std::slice::from_ref(&key)).unwrap();
        assert!(set.signing_key(NOW).is_none());
        assert!(set.verifying_key(key["kid"].as_str().unwrap(), NOW).is_none());
        assert!(
            set.verifying_key(key["kid"].as_str().unwrap(), Timestamp::from_seconds(NOW.as_seconds() - 1)).is_some()
        );
        assert_eq!(set.jwks(NOW)["keys"], json!([]));
    }
}
