//! bcrypt, as its first implementation in C does it: the password ends at its first NUL, and of what is left 72 bytes
//! count. `$2a$`, `$2b$` and `$2y$` are the same for every password that is UTF-8 and shorter than 255 bytes;
//! `$2x$` is what a widespread library made of bytes beyond ASCII before 2011.

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use blowfish::Blowfish;
use zeroize::Zeroizing;

use super::phc::{Refusal, refusal};

const SALT_BYTES: usize = 16;
const SALT_CHARS: usize = 22;
const HASH_BYTES: usize = 23;
const KEY_BYTES: usize = 72;

const BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);
/// Some generators leave the last character's unused bits set, and no implementation minds.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));

/// How a bcrypt hash was made.
pub(super) struct Bcrypt {
    sign_extended: bool,
    cost: u32,
    salt: [u8; SALT_BYTES],
}

impl Bcrypt {
    /// Reads what follows `$2?$`: two digits, `$`, 22 characters of salt and 31 of hash.
    pub(super) fn read(sign_extended: bool, text: &str) -> Result<(Self, Vec<u8>), Refusal> {
        let (digits, body) = text.split_once('$').ok_or(refusal("bcrypt", "a cost, $, the salt and the hash"))?;
        let two_digits = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let cost = digits.parse().ok().filter(|cost| two_digits && (4..=14).contains(cost));
        let cost = cost.ok_or(refusal("bcrypt cost", "two digits, from 04 to 14"))?;
        let (salt, hash) = body.split_at_checked(SALT_CHARS).unwrap_or((body, ""));
        let salt = LENIENT.decode(salt).ok().and_then(|salt| salt.try_into().ok());
        let salt = salt.ok_or(refusal("salt", "22 characters of bcrypt's base64"))?;
        let hash = BASE64.decode(hash).ok().filter(|hash| hash.len() == HASH_BYTES);
        let hash = hash.ok_or(refusal("hash", "31 characters of bcrypt's base64"))?;
        Ok((Self { sign_extended, cost, salt }, hash))
    }

    pub(super) fn derive(&self, password: &[u8]) -> Zeroizing<Vec<u8>> {
        let key = key(password, self.sign_extended);
        let mut state = Blowfish::bc_init_state();
        state.salted_expand_key(&self.salt, &*key);
        for _ in 0..1_u32 << self.cost {
            state.bc_expand_key(&*key);
            state.bc_expand_key(&self.salt);
        }
        let mut hash = Zeroizing::new(Vec::with_capacity(HASH_BYTES + 1));
        for [left, right] in [[*b"Orph", *b"eanB"], [*b"ehol", *b"derS"], [*b"cryD", *b"oubt"]] {
            let text = [u32::from_be_bytes(left), u32::from_be_bytes(right)];
            let block = (0..64).fold(text, |block, _| state.bc_encrypt(block));
            hash.extend(block.into_iter().flat_map(u32::to_be_bytes));
        }
        hash.truncate(HASH_BYTES);
        hash
    }
}

/// The password with the NUL that ends it, repeated into the 18 words that Blowfish takes of a key.
fn key(password: &[u8], sign_extended: bool) -> Zeroizing<[u8; KEY_BYTES]> {
    let until_nul = password.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut bytes = until_nul.iter().copied().chain([0]).cycle();
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    for word in key.as_chunks_mut::<4>().0 {
        let extended = bytes.by_ref().take(4).fold(0_u32, |word, byte| {
            let byte = if sign_extended { i32::from(byte.cast_signed()).cast_unsigned() } else { byte.into() };
            (word << 8) | byte
        });
        *word = extended.to_be_bytes();
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(text: &str, password: &[u8]) -> bool {
        let (setting, hash) = Bcrypt::read(text.starts_with("$2x$"), &text[4..]).unwrap();
        *setting.derive(password) == hash
    }

    /// From the test suite of Openwall's `crypt_blowfish`, which is where `$2x$` and `$2y$` come from; recomputed with
    /// libxcrypt. Its `$2a$` hashes of `\xff` bytes, which differ on purpose, are left out: no UTF-8 has such bytes.
    #[test]
    fn published_vectors_verify() {
        for (password, hash) in [
            (&b"U*U"[..], "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
            (b"U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
            (b"U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
            (b"", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"),
            (
                b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
                "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
            ),
            (b"\xa3", "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"),
            (b"\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"),
            (b"\xa3", "$2a$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"),
            (b"\xa3", "$2b$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"),
            (b"\xff\xff\xa3", "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"),
            (b"\xff\xff\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"),
            (b"1\xa3345", "$2x$05$/OK.fbVrR/bpIqNJ5ianF.o./n25XVfn6oAPaUvHe.Csk4zRfsYPi"),
            (b"1\xa3345", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.ykhStlibHmUn6GomsWXnJvyvZx4vmvy"),
            (b"\xff\xa3345", "$2x$05$/OK.fbVrR/bpIqNJ5ianF.o./n25XVfn6oAPaUvHe.Csk4zRfsYPi"),
            (b"\xff\xa3345", "$2a$05$/OK.fbVrR/bpIqNJ5ianF.nRht2l/HRhr6zmCp9vYUvvsqynflf9e"),
            (b"\xff\xa334\xff\xff\xff\xa3345", "$2x$05$/OK.fbVrR/bpIqNJ5ianF.o./n25XVfn6oAPaUvHe.Csk4zRfsYPi"),
            (b"\xd1\x91", "$2x$05$6bNw2HLQYeqHYyBfLMsv/OiwqTymGIGzFsA4hOTWebfehXHNprcAS"),
            (b"\xd0\xc1\xd2\xcf\xcc\xd8", "$2x$05$6bNw2HLQYeqHYyBfLMsv/O9LIGgn8OMzuDoHfof8AQimSGfcSWxnS"),
            (&b"\xaa".repeat(100), "$2a$05$/OK.fbVrR/bpIqNJ5ianF.swQOIzjOiJ9GHEPuhEkvqrUyvWhEMx6"),
            (&b"\xaa\x55".repeat(36), "$2a$05$/OK.fbVrR/bpIqNJ5ianF.R9xrDjiycxMbQE2bp.vgqlYpW5wx2yy"),
            (&b"\x55\xaa\xff".repeat(24), "$2a$05$/OK.fbVrR/bpIqNJ5ianF.9tQZzcJfm3uj2NvJ/n5xkhpqLrMpWCe"),
        ] {
            assert!(matches(hash, password), "{hash} {password:?}");
        }
        assert!(!matches("$2x$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq", b"\xa3"));
        assert!(!matches("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", b"U*V"));
    }

    /// Computed with libxcrypt.
    #[test]
    fn what_follows_72_bytes_or_a_nul_does_not_count() {
        let long = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.D7RDOYXakZhsFmh/LdqQNx0kQ424AFS";
        for length in [72, 73, 255, 256, 300, 1024] {
            assert!(matches(long, &b"x".repeat(length)), "{length}");
        }
        assert!(!matches(long, &b"x".repeat(71)));
        assert!(matches("$2b$05$CCCCCCCCCCCCCCCCCCCCC.Msh9GTqEdRbfZzYwvijW0diUTS7ZS6e", "é".repeat(40).as_bytes()));
        assert!(matches("$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", b"U*U\0and more"));
        assert!(matches("$2b$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", b"\0"));
    }

    #[test]
    fn a_dear_or_malformed_setting_is_refused() {
        let salt_and_hash = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
        let refused = |text: &str| Bcrypt::read(false, text).err().map(|refusal| refusal.field);
        assert_eq!(refused(&format!("05${salt_and_hash}")), None);
        assert_eq!(refused(&format!("14${salt_and_hash}")), None);
        for cost in ["03", "15", "31", "5", "005", "+5", "0x", "-4", "", "99"] {
            assert_eq!(refused(&format!("{cost}${salt_and_hash}")), Some("bcrypt cost"), "{cost}");
        }
        assert_eq!(refused("05"), Some("bcrypt"));
        assert_eq!(refused("05$"), Some("salt"));
        assert_eq!(refused("05$CCCCCCCCCCCCCCCCCCCCC."), Some("hash"));
        assert_eq!(refused(&format!("05${salt_and_hash}a")), Some("hash"));
        assert_eq!(refused(&format!("05$é{salt_and_hash}")), Some("salt"));
        assert_eq!(refused("05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe+"), Some("hash"));
    }
}
