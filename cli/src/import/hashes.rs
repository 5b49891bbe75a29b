//! Tells by its spelling which system made a hash. Nothing here computes one.

use shared::password::{Phc, Refusal as HashRefusal, imported};

use super::fields::{Refusal, refusal};

/// Reads a hash in any spelling that tells its scheme, beside the salt where that stands alone. `None` where it says
/// that there is no password, as Django's `!` does.
pub fn recognised(field: &'static str, text: &str, salt: Option<&str>) -> Result<Option<Phc>, Refusal> {
    let read = match (salt, text.as_bytes().first()) {
        (Some(salt), _) => imported::from_profile(&format!("{text}|{salt}")),
        (None, Some(b'!')) => return Ok(None),
        (None, Some(b'{')) => imported::from_ldap(text),
        (None, Some(b'$')) => imported::from_stored_form(text),
        (None, _) if text.contains('|') => imported::from_profile(text),
        (None, _) if text.contains('$') => imported::from_django(text),
        (None, _) => {
            let rule = "must tell its scheme: a PHC string or bcrypt ($…), Django's (pbkdf2_sha256$…), LDAP's ({SSHA}…), \
                        or hash and salt of SHA-256 done 1,001 times, with | between them or the salt in passwordSalt";
            return Err(refusal(field, rule));
        }
    };
    taken(field, read).map(Some)
}

/// Says in whose hash something is wrong.
pub fn taken(field: &'static str, read: Result<Phc, HashRefusal>) -> Result<Phc, Refusal> {
    read.map_err(|wrong| refusal(field, format!("can't be taken: {} must be {}", wrong.field, wrong.rule)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

    fn stored(text: &str, salt: Option<&str>) -> String {
        recognised("passwordHash", text, salt).unwrap().unwrap().expose_secret().to_owned()
    }

    #[test]
    fn every_spelling_is_told_from_the_others() {
        for (text, salt, begins) in [
            (BCRYPT, None, "$2b$05$"),
            (
                "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
                None,
                "$argon2id$",
            ),
            (
                "pbkdf2_sha256$1000$seasalt0123456789abcdef$FCAs9lBHMuIi1cFlYu6bd9kD6MnB5ohtmabS2IyJcCo=",
                None,
                "$pbkdf2-sha256$i=1000,l=32$",
            ),
            ("{SSHA}zCyB0yOIAKNCxw1zl1I29dxNpzMAAQIDBAUGBw==", None, "$ssha$"),
            ("zTHCucvhqnZVeAJ4q0GawwsnNCI9v24kWq//6N0Q0r8=|AAECAwQFBgcICQoLDA0ODw==", None, "$sha256-1001$"),
            ("zTHCucvhqnZVeAJ4q0GawwsnNCI9v24kWq//6N0Q0r8=", Some("AAECAwQFBgcICQoLDA0ODw=="), "$sha256-1001$"),
        ] {
            assert!(stored(text, salt).starts_with(begins), "{text}");
        }
        assert!(recognised("passwordHash", "!", None).unwrap().is_none());
    }

    #[test]
    fn a_hash_that_is_too_dear_is_refused_by_its_rule() {
        let wrong = recognised("passwordHash", &BCRYPT.replace("05", "15"), None).err().unwrap();
        assert_eq!(wrong.field, "passwordHash");
        assert_eq!(wrong.rule, "can't be taken: bcrypt cost must be two digits, from 04 to 14");
    }

    #[test]
    fn what_looks_like_no_hash_is_not_quoted() {
        for text in ["hunter2", "", "5f4dcc3b5aa765d61d8327deb882cf99", "$1$salt$hunter2", "md5$salt$hunter2"] {
            let wrong = recognised("passwordHash", text, None).err().unwrap();
            assert!(!wrong.rule.contains("hunter2"), "{wrong:?}");
        }
    }
}
