//! Hashes that other systems made: read within bounds, and computed once, to be replaced by our own.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512};
use zeroize::Zeroizing;

use super::PasswordError;
use super::bcrypt::Bcrypt;
use super::phc::{Parts, Refusal, bytes, number, refusal};

/// What scrypt may take, as Argon2id; its passes over that memory are bounded too.
const MAX_SCRYPT_MEMORY: u64 = 64 * 1024 * 1024;
const MAX_SCRYPT_WORK: u64 = 4 * MAX_SCRYPT_MEMORY;
const MAX_PBKDF2_ITERATIONS: u32 = 2_000_000;
const MAX_HASH_BYTES: usize = 64;
const MIN_HASH_BYTES: usize = 16;
/// Both have buffers of their own.
const MAX_SCRYPT_BLOCK: u32 = 32;
const MAX_SCRYPT_PARALLELISM: u32 = 16;
const SCRYPT_RULE: &str = "r from 1 to 32, p from 1 to 16, N·r·128 at most 64 MiB, and p times that at most 256 MiB";

/// One stored hash of another system.
pub(super) struct Foreign {
    scheme: Scheme,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

enum Scheme {
    Bcrypt(Bcrypt),
    Scrypt(scrypt::Params),
    /// scrypt of a longer salt, which then encrypts a key that all users of a project share.
    FirebaseScrypt {
        params: scrypt::Params,
        separator: Vec<u8>,
        signer_key: Vec<u8>,
    },
    Pbkdf2(pbkdf2::Algorithm, NonZeroU32),
    /// The digest of salt and password, digested a thousand times more.
    Sha256Times1001,
    /// The digest of password and salt, in this order.
    Salted(&'static digest::Algorithm),
}

impl Foreign {
    /// Reads a hash of `scheme` from what follows it. `None` when the scheme is unknown.
    pub(super) fn read(scheme: &str, text: &str) -> Option<Result<Self, Refusal>> {
        Some(match scheme {
            "2a" | "2b" | "2x" | "2y" => Bcrypt::read(scheme == "2x", text).map(|(bcrypt, hash)| Self {
                scheme: Scheme::Bcrypt(bcrypt),
                salt: Vec::new(),
                hash,
            }),
            "scrypt" => Self::scrypt(text),
            "firebase-scrypt" => Self::firebase_scrypt(text),
            "pbkdf2-sha1" => Self::pbkdf2(PBKDF2_HMAC_SHA1, text),
            "pbkdf2-sha256" => Self::pbkdf2(PBKDF2_HMAC_SHA256, text),
            "pbkdf2-sha512" => Self::pbkdf2(PBKDF2_HMAC_SHA512, text),
            "sha256-1001" => Self::digest(Scheme::Sha256Times1001, &SHA256, text),
            "ssha" => Self::digest(Scheme::Salted(&SHA1_FOR_LEGACY_USE_ONLY), &SHA1_FOR_LEGACY_USE_ONLY, text),
            "ssha256" => Self::digest(Scheme::Salted(&SHA256), &SHA256, text),
            "ssha512" => Self::digest(Scheme::Salted(&SHA512), &SHA512, text),
            _ => return None,
        })
    }

    fn new<const N: usize>(scheme: Scheme, parts: Parts<'_, N>) -> Result<Self, Refusal> {
        if !(MIN_HASH_BYTES..=MAX_HASH_BYTES).contains(&parts.hash.len()) {
            return Err(refusal("hash", "16 to 64 bytes"));
        }
        Ok(Self { scheme, salt: parts.salt, hash: parts.hash })
    }

    fn scrypt(text: &str) -> Result<Self, Refusal> {
        let parts = Parts::read(text, ["ln", "r", "p"])?;
        let [log_n, r, p] = parts.values;
        Self::new(Scheme::Scrypt(scrypt_params(log_n, r, p)?), parts)
    }

    fn firebase_scrypt(text: &str) -> Result<Self, Refusal> {
        let parts = Parts::read(text, ["ln", "r", "sep", "key"])?;
        let [log_n, r, separator, key] = parts.values;
        let (separator, signer_key) = (bytes("salt separator", separator)?, bytes("signer key", key)?);
        if separator.len() > MAX_HASH_BYTES {
            return Err(refusal("salt separator", "at most 64 bytes"));
        }
        if signer_key.len() != parts.hash.len() {
            return Err(refusal("signer key", "as long as the hash"));
        }
        let params = scrypt_params(log_n, r, "1")?;
        Self::new(Scheme::FirebaseScrypt { params, separator, signer_key }, parts)
    }

    fn pbkdf2(algorithm: pbkdf2::Algorithm, text: &str) -> Result<Self, Refusal> {
        let parts = Parts::read(text, ["i", "l"])?;
        let [iterations, length] = parts.values;
        let iterations = NonZeroU32::new(number("iterations", iterations)?);
        let iterations = iterations
            .filter(|iterations| iterations.get() <= MAX_PBKDF2_ITERATIONS)
            .ok_or(refusal("iterations", "1 to 2000000"))?;
        if usize::try_from(number("hash length", length)?) != Ok(parts.hash.len()) {
            return Err(refusal("hash length", "the number of bytes in the hash"));
        }
        Self::new(Scheme::Pbkdf2(algorithm, iterations), parts)
    }

    fn digest(scheme: Scheme, algorithm: &digest::Algorithm, text: &str) -> Result<Self, Refusal> {
        let parts = Parts::read(text, [])?;
        if parts.hash.len() != algorithm.output_len() {
            return Err(refusal("hash", "as many bytes as the digest has"));
        }
        Self::new(scheme, parts)
    }

    /// What the right password's derivation is.
    pub(super) fn hash(&self) -> &[u8] {
        &self.hash
    }

    pub(super) fn derive(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
        let mut output = Zeroizing::new(vec![0; self.hash.len()]);
        match &self.scheme {
            Scheme::Bcrypt(bcrypt) => return Ok(bcrypt.derive(password)),
            Scheme::Scrypt(params) => {
                scrypt::scrypt(password, &self.salt, params, &mut output).map_err(|_| PasswordError::Unusable)?;
            }
            Scheme::FirebaseScrypt { params, separator, signer_key } => {
                let salt = [&*self.salt, separator].concat();
                output.copy_from_slice(signer_key);
                sign(password, &salt, params, &mut output)?;
            }
            Scheme::Pbkdf2(algorithm, iterations) => {
                pbkdf2::derive(*algorithm, *iterations, &self.salt, password, &mut output);
            }
            Scheme::Sha256Times1001 => {
                let first = digest_of(&SHA256, [&self.salt, password]);
                let last = (0..1000).fold(first, |digest, _| digest::digest(&SHA256, digest.as_ref()));
                output.copy_from_slice(last.as_ref());
            }
            Scheme::Salted(algorithm) => {
                output.copy_from_slice(digest_of(algorithm, [password, &self.salt]).as_ref());
            }
        }
        Ok(output)
    }
}

fn scrypt_params(log_n: &str, r: &str, p: &str) -> Result<scrypt::Params, Refusal> {
    let (log_n, r, p) = (number("ln", log_n)?, number("r", r)?, number("p", p)?);
    let memory = 1_u64.checked_shl(log_n).and_then(|n| n.checked_mul(128)?.checked_mul(r.into()));
    let work = memory.and_then(|memory| memory.checked_mul(p.into()));
    let bounded = log_n > 0
        && (1..=MAX_SCRYPT_BLOCK).contains(&r)
        && (1..=MAX_SCRYPT_PARALLELISM).contains(&p)
        && memory.is_some_and(|memory| memory <= MAX_SCRYPT_MEMORY)
        && work.is_some_and(|work| work <= MAX_SCRYPT_WORK);
    let log_n = u8::try_from(log_n).ok().filter(|_| bounded);
    log_n.and_then(|log_n| scrypt::Params::new(log_n, r, p).ok()).ok_or(refusal("scrypt cost", SCRYPT_RULE))
}

/// Encrypts `signer_key` in place with the key that scrypt makes of the password.
fn sign(password: &[u8], salt: &[u8], params: &scrypt::Params, signer_key: &mut [u8]) -> Result<(), PasswordError> {
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password, salt, params, &mut *key).map_err(|_| PasswordError::Unusable)?;
    // The counter starts at zero: each key encrypts one text.
    let start = EncryptionContext::Iv128([0; 16].into());
    UnboundCipherKey::new(&AES_256, &*key)
        .and_then(EncryptingKey::ctr)
        .and_then(|cipher| cipher.less_safe_encrypt(signer_key, start))
        .map_err(|_| PasswordError::Unusable)?;
    Ok(())
}

fn digest_of(algorithm: &'static digest::Algorithm, parts: [&[u8]; 2]) -> digest::Digest {
    let mut context = digest::Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    context.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Foreign, Refusal> {
        let (scheme, rest) = text[1..].split_once('$').unwrap();
        Foreign::read(scheme, rest).unwrap()
    }

    fn matches(text: &str, password: &str) -> bool {
        let foreign = read(text).unwrap();
        *foreign.derive(password.as_bytes()).unwrap() == foreign.hash()
    }

    /// RFC 7914, section 12 (without its empty salt), and the example in passlib's documentation.
    #[test]
    fn scrypts_published_vectors_verify() {
        for (password, text) in [
            (
                "password",
                "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA",
            ),
            (
                "pleaseletmein",
                "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw",
            ),
            ("password", "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"),
        ] {
            assert!(matches(text, password), "{text}");
            assert!(!matches(text, "Password"), "{text}");
        }
    }

    /// The example in the documentation of Firebase's scrypt.
    #[test]
    fn firebases_published_vector_verifies() {
        let text = "$firebase-scrypt$ln=14,r=8,sep=Bw,key=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA$42xEC+ixf3L2lw$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ";
        assert!(matches(text, "user1password"));
        assert!(!matches(text, "user2password"));
        assert!(!matches(&text.replace("sep=Bw", "sep=CA"), "user1password"));
        assert!(!matches(&text.replace("key=jx", "key=jy"), "user1password"));
    }

    /// RFC 6070 (the ones with 20 and 25 bytes, and the one with NULs), RFC 7914 section 11, and PBKDF2 with SHA-512,
    /// for which no RFC has vectors, of Python's hashlib.
    #[test]
    fn pbkdf2s_published_vectors_verify() {
        for (password, text) in [
            ("password", "$pbkdf2-sha1$i=1,l=20$c2FsdA$DGDID5YfDnHzqbUkr2ASBi/gN6Y"),
            ("password", "$pbkdf2-sha1$i=4096,l=20$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE"),
            (
                "passwordPASSWORDpassword",
                "$pbkdf2-sha1$i=4096,l=25$c2FsdFNBTFRzYWx0U0FMVHNhbHRTQUxUc2FsdFNBTFRzYWx0$PS7sT+QchJuAyNg2YsDkSospGpZM8vBwOA",
            ),
            ("pass\0word", "$pbkdf2-sha1$i=4096,l=16$c2EAbHQ$Vvpqp1VICZ3MN9fwNCXgww"),
            (
                "passwd",
                "$pbkdf2-sha256$i=1,l=64$c2FsdA$VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLxJypzM8Xm2RZkWZLOdd+8xfHG4RbHjC9UJESBB06GXgw",
            ),
            (
                "Password",
                "$pbkdf2-sha256$i=80000,l=64$TmFDbA$TdzY9guYviGDDO5e8icB+WQaRBjQTAQUrv8Ih2s0q1ah1CWhIlgzVJrbhBtRybMXaicr3ruh0HhHj2Kzl/M8jQ",
            ),
            (
                "password",
                "$pbkdf2-sha512$i=4096,l=64$c2FsdA$0Zexsz2wFD4BixLz0dFHnmzevcyXxcD4f2kC4HL0V7UUPzBgJkGz1VzTNZiMs2uEN2Bg7NUy4Dm3QqI5Q0ry1Q",
            ),
        ] {
            assert!(matches(text, password), "{text}");
            assert!(!matches(text, ""), "{text}");
        }
    }

    /// Computed with Python's hashlib: `sha256(salt + password)`, then `sha256` a thousand times; `sha1(password + salt)`.
    #[test]
    fn salted_digests_verify() {
        for (password, text) in [
            ("admin", "$sha256-1001$AAECAwQFBgcICQoLDA0ODw$zTHCucvhqnZVeAJ4q0GawwsnNCI9v24kWq//6N0Q0r8"),
            ("lètmein", "$ssha$AAECAwQFBgc$zCyB0yOIAKNCxw1zl1I29dxNpzM"),
            ("lètmein", "$ssha256$AAECAwQFBgc$fiyO6vwTeHjFHm99tp6sV0BIlE9y6BPye0LPTMHYh+s"),
            (
                "lètmein",
                "$ssha512$AAECAwQFBgc$GoKnqrPIN5mpqjMyeMtm1gLFWa1uRgPK8f25VKsEJ9D1yXXkYHKzgWFOw/ZOk/cPI+jLVtqYpZ4n6cuVxITGTA",
            ),
        ] {
            assert!(matches(text, password), "{text}");
            assert!(!matches(text, "letmein"), "{text}");
        }
    }

    #[test]
    fn a_dear_setting_is_refused() {
        let refused = |text: &str| read(text).err().map(|refusal| refusal.field);
        let hash = "c2FsdA$AAAAAAAAAAAAAAAAAAAAAA";
        for (params, field) in [
            ("ln=16,r=8,p=4", None),
            ("ln=14,r=8,p=16", None),
            ("ln=14,r=32,p=4", None),
            ("ln=1,r=1,p=17", Some("scrypt cost")),
            ("ln=1,r=33,p=1", Some("scrypt cost")),
            ("ln=17,r=8,p=1", Some("scrypt cost")),
            ("ln=16,r=9,p=1", Some("scrypt cost")),
            ("ln=16,r=8,p=5", Some("scrypt cost")),
            ("ln=0,r=8,p=1", Some("scrypt cost")),
            ("ln=14,r=0,p=1", Some("scrypt cost")),
            ("ln=14,r=8,p=0", Some("scrypt cost")),
            ("ln=63,r=8,p=1", Some("scrypt cost")),
            ("ln=64,r=8,p=1", Some("scrypt cost")),
            ("ln=256,r=8,p=1", Some("scrypt cost")),
            ("ln=4294967295,r=4294967295,p=4294967295", Some("scrypt cost")),
            ("ln=014,r=8,p=1", Some("ln")),
            ("ln=14,r=8", Some("parameters")),
        ] {
            assert_eq!(refused(&format!("$scrypt${params}${hash}")), field, "{params}");
        }
        for (params, field) in [
            ("i=2000000,l=16", None),
            ("i=2000001,l=16", Some("iterations")),
            ("i=0,l=16", Some("iterations")),
            ("i=1,l=17", Some("hash length")),
        ] {
            for digest in ["sha1", "sha256", "sha512"] {
                assert_eq!(refused(&format!("$pbkdf2-{digest}${params}${hash}")), field, "{params}");
            }
        }
        let long = "A".repeat(87);
        assert_eq!(refused(&format!("$pbkdf2-sha512$i=1,l=65$c2FsdA${long}")), Some("hash"));
        assert_eq!(refused("$pbkdf2-sha512$i=1,l=15$c2FsdA$AAAAAAAAAAAAAAAAAAAA"), Some("hash"));
        assert_eq!(
            refused(&format!("$firebase-scrypt$ln=17,r=8,sep=Bw,key=AAAAAAAAAAAAAAAAAAAAAA${hash}")),
            Some("scrypt cost")
        );
        assert_eq!(refused(&format!("$firebase-scrypt$ln=14,r=8,sep=Bw,key=AAAA${hash}")), Some("signer key"));
        assert_eq!(refused(&format!("$firebase-scrypt$ln=14,r=8,sep={long},key=AAAA${hash}")), Some("salt separator"));
        for scheme in ["sha256-1001", "ssha", "ssha256", "ssha512"] {
            assert_eq!(refused(&format!("${scheme}${hash}")), Some("hash"), "{scheme}");
        }
    }
}
