//! Hashes in the spellings of the systems that they come from, turned into the form that is stored.
//!
//! Everything in here only reads text: a hash whose cost is out of bounds is refused before any of it is computed.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use serde::Deserialize;

use super::Phc;
use super::phc::{Refusal, base64, number, refusal};
use super::stored::Stored;
use crate::json::Object;

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Takes a hash that is already in a form that is stored: a PHC string of a known scheme, or bcrypt's own.
pub fn from_stored_form(text: &str) -> Result<Phc, Refusal> {
    Stored::parse(text)?;
    Ok(Phc(text.to_owned()))
}

/// Takes what Django has in `auth_user.password`: PBKDF2, scrypt, Argon2 or bcrypt.
pub fn from_django(text: &str) -> Result<Phc, Refusal> {
    if text.starts_with('!') {
        return Err(refusal("password", "one that can be used; this account has none"));
    }
    let (scheme, rest) = text.split_once('$').ok_or(refusal("password", "Django's form, algorithm$…"))?;
    match scheme {
        "pbkdf2_sha256" => django_pbkdf2("pbkdf2-sha256", rest),
        "pbkdf2_sha1" => django_pbkdf2("pbkdf2-sha1", rest),
        "scrypt" => django_scrypt(rest),
        "argon2" => from_stored_form(&format!("${rest}")),
        "bcrypt" => bcrypt(rest),
        _ => Err(refusal("algorithm", "pbkdf2_sha256, pbkdf2_sha1, scrypt, argon2 or bcrypt")),
    }
}

fn django_pbkdf2(scheme: &str, text: &str) -> Result<Phc, Refusal> {
    let [iterations, salt, hash] =
        fields(text).ok_or(refusal("password", "Django's form, algorithm$iterations$salt$hash"))?;
    pbkdf2(scheme, iterations, salt.as_bytes(), &decode("hash", hash)?)
}

fn django_scrypt(text: &str) -> Result<Phc, Refusal> {
    let [n, salt, r, p, hash] = fields(text).ok_or(refusal("password", "Django's form, scrypt$n$salt$r$p$hash"))?;
    let n: u64 = n.parse().ok().filter(|n: &u64| n.is_power_of_two()).ok_or(refusal("n", "a power of two"))?;
    let (salt, hash) = (base64(salt.as_bytes()), base64(&decode("hash", hash)?));
    from_stored_form(&format!("$scrypt$ln={},r={r},p={p}${salt}${hash}", n.ilog2()))
}

/// Takes `credentialData` and `secretData` of a password in a Keycloak realm: PBKDF2 or Argon2.
pub fn from_keycloak(credential_data: &str, secret_data: &str) -> Result<Phc, Refusal> {
    let Object::<KeycloakData>(data) = serde_json::from_str(credential_data)
        .map_err(|_| refusal("credentialData", "JSON with hashIterations and algorithm"))?;
    let Object::<KeycloakSecret>(secret) =
        serde_json::from_str(secret_data).map_err(|_| refusal("secretData", "JSON with value and salt"))?;
    let (salt, hash) = (decode("salt", &secret.salt)?, decode("value", &secret.value)?);
    let iterations = data.hash_iterations;
    match &*data.algorithm {
        "pbkdf2" => pbkdf2("pbkdf2-sha1", iterations, &salt, &hash),
        "pbkdf2-sha256" => pbkdf2("pbkdf2-sha256", iterations, &salt, &hash),
        "pbkdf2-sha512" => pbkdf2("pbkdf2-sha512", iterations, &salt, &hash),
        "argon2" => keycloak_argon2(&data, &salt, &hash),
        _ => Err(refusal("algorithm", "pbkdf2, pbkdf2-sha256, pbkdf2-sha512 or argon2")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeycloakData {
    hash_iterations: u32,
    algorithm: String,
    additional_parameters: Option<BTreeMap<String, Vec<String>>>,
}

#[derive(Deserialize)]
struct KeycloakSecret {
    value: String,
    salt: String,
}

fn keycloak_argon2(data: &KeycloakData, salt: &[u8], hash: &[u8]) -> Result<Phc, Refusal> {
    let parameter = |name| data.additional_parameters.as_ref()?.get(name)?.first().map(String::as_str);
    let version = match parameter("version") {
        Some("1.3") => 19,
        Some("1.0") => 16,
        _ => return Err(refusal("version", "1.0 or 1.3")),
    };
    let Some(kind @ ("d" | "i" | "id")) = parameter("type") else {
        return Err(refusal("type", "d, i or id"));
    };
    let memory = number("memory", parameter("memory").unwrap_or_default())?;
    let lanes = number("parallelism", parameter("parallelism").unwrap_or_default())?;
    let (iterations, salt, hash) = (data.hash_iterations, base64(salt), base64(hash));
    from_stored_form(&format!("$argon2{kind}$v={version}$m={memory},t={iterations},p={lanes}${salt}${hash}"))
}

/// Takes `passwordHash` of an Auth0 export: bcrypt.
pub fn from_auth0(password_hash: &str) -> Result<Phc, Refusal> {
    bcrypt(password_hash)
}

/// What all password hashes of a Firebase project have in common: its "password hash parameters".
#[derive(Clone)]
pub struct FirebaseProject {
    /// `base64_signer_key`.
    pub signer_key: String,
    /// `base64_salt_separator`.
    pub salt_separator: String,
    /// `rounds`.
    pub rounds: u32,
    /// `mem_cost`.
    pub mem_cost: u32,
}

/// Takes `passwordHash` and `salt` of a user in a Firebase export.
pub fn from_firebase(project: &FirebaseProject, password_hash: &str, salt: &str) -> Result<Phc, Refusal> {
    let key = base64(&decode("base64_signer_key", &project.signer_key)?);
    let separator = base64(&decode("base64_salt_separator", &project.salt_separator)?);
    let (salt, hash) = (base64(&decode("salt", salt)?), base64(&decode("passwordHash", password_hash)?));
    let (log_n, r) = (project.mem_cost, project.rounds);
    from_stored_form(&format!("$firebase-scrypt$ln={log_n},r={r},sep={separator},key={key}${salt}${hash}"))
}

/// Takes an LDAP `userPassword`: `{SSHA}`, `{SSHA256}`, `{SSHA512}`, or bcrypt under `{CRYPT}`.
pub fn from_ldap(text: &str) -> Result<Phc, Refusal> {
    let (scheme, rest) = text
        .strip_prefix('{')
        .and_then(|text| text.split_once('}'))
        .ok_or(refusal("userPassword", "begins with the scheme in braces"))?;
    let (scheme, digest_bytes) = match &*scheme.to_ascii_uppercase() {
        "SSHA" => ("ssha", 20),
        "SSHA256" => ("ssha256", 32),
        "SSHA512" => ("ssha512", 64),
        "CRYPT" => return bcrypt(rest),
        _ => return Err(refusal("scheme", "{SSHA}, {SSHA256}, {SSHA512} or {CRYPT}")),
    };
    let bytes = decode("userPassword", rest)?;
    let (digest, salt) =
        bytes.split_at_checked(digest_bytes).ok_or(refusal("userPassword", "the digest and the salt"))?;
    from_stored_form(&format!("${scheme}${}${}", base64(salt), base64(digest)))
}

/// Takes a password of a Profile installation: `hash|salt`, SHA-256 done 1,001 times.
pub fn from_profile(text: &str) -> Result<Phc, Refusal> {
    let (hash, salt) = text.split_once('|').ok_or(refusal("password", "the hash, | and the salt"))?;
    let (hash, salt) = (decode("hash", hash)?, decode("salt", salt)?);
    from_stored_form(&format!("$sha256-1001${}${}", base64(&salt), base64(&hash)))
}

fn bcrypt(text: &str) -> Result<Phc, Refusal> {
    if text.starts_with("$2") { from_stored_form(text) } else { Err(refusal("hash", "bcrypt, which begins with $2")) }
}

fn pbkdf2(scheme: &str, iterations: impl std::fmt::Display, salt: &[u8], hash: &[u8]) -> Result<Phc, Refusal> {
    from_stored_form(&format!("${scheme}$i={iterations},l={}${}${}", hash.len(), base64(salt), base64(hash)))
}

/// Reads base64 of either alphabet, padded or not: exports differ.
fn decode(field: &'static str, text: &str) -> Result<Vec<u8>, Refusal> {
    let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    GeneralPurpose::new(alphabet, ANY_PADDING).decode(text).map_err(|_| refusal(field, "base64"))
}

fn fields<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split('$').collect::<Vec<_>>().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::super::{Cost, Hasher};
    use super::*;
    use crate::secret::Password;

    fn matches(phc: &Phc, password: &str) -> bool {
        let hasher = Hasher::new(Cost { memory_kib: 32, iterations: 1, parallelism: 1 }).unwrap();
        let verdict = hasher.verify(&Password::from_input(password).unwrap(), Some(phc)).unwrap();
        assert!(!verdict.matches || verdict.outdated);
        verdict.matches
    }

    fn refused(result: Result<Phc, Refusal>) -> &'static str {
        result.err().map_or("nothing", |refusal| refusal.field)
    }

    /// Computed with Python's hashlib as Django's hashers do it: the salt is the text itself.
    #[test]
    fn djangos_hashes_are_taken() {
        for (text, stored) in [
            (
                "pbkdf2_sha256$1000$seasalt0123456789abcdef$FCAs9lBHMuIi1cFlYu6bd9kD6MnB5ohtmabS2IyJcCo=",
                "$pbkdf2-sha256$i=1000,l=32$c2Vhc2FsdDAxMjM0NTY3ODlhYmNkZWY$FCAs9lBHMuIi1cFlYu6bd9kD6MnB5ohtmabS2IyJcCo",
            ),
            (
                "pbkdf2_sha1$1000$seasalt0123456789abcdef$eYzuxv1X+IPXx6Nw+AIWMYKgv1Q=",
                "$pbkdf2-sha1$i=1000,l=20$c2Vhc2FsdDAxMjM0NTY3ODlhYmNkZWY$eYzuxv1X+IPXx6Nw+AIWMYKgv1Q",
            ),
            (
                "scrypt$1024$seasalt0123456789abcdef$8$5$VTMcJv8tmhjocGoylGibQRq5jjFZtuzhbTxWCnHHfsBjDCpP/hjIvhylmlC+jyyAmDK1xFZw/n7JQ/spz5ohXQ==",
                "$scrypt$ln=10,r=8,p=5$c2Vhc2FsdDAxMjM0NTY3ODlhYmNkZWY$VTMcJv8tmhjocGoylGibQRq5jjFZtuzhbTxWCnHHfsBjDCpP/hjIvhylmlC+jyyAmDK1xFZw/n7JQ/spz5ohXQ",
            ),
        ] {
            let phc = from_django(text).unwrap();
            assert_eq!(phc.expose_secret(), stored);
            assert!(matches(&phc, "lètmein"), "{text}");
            assert!(!matches(&phc, "letmein"), "{text}");
        }
        let bcrypt = from_django("bcrypt$$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW").unwrap();
        assert!(matches(&bcrypt, "U*U"));
        let argon2 = "argon2$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(from_django(argon2).is_ok());
    }

    #[test]
    fn djangos_bad_hashes_are_refused_by_rule() {
        let hash = "FCAs9lBHMuIi1cFlYu6bd9kD6MnB5ohtmabS2IyJcCo=";
        for (text, field) in [
            ("!X9cHkzGMYPnmm5YKr1zqYRkwfEPGnBdxMWEGsZ4g", "password"),
            ("", "password"),
            ("pbkdf2_sha256$1000$salt", "password"),
            (&format!("pbkdf2_sha256$2000001$salt${hash}"), "iterations"),
            (&format!("pbkdf2_sha256$1,l=32$salt${hash}"), "parameters"),
            (&format!("pbkdf2_sha256$1000$${hash}"), "salt"),
            ("pbkdf2_sha256$1000$salt$%", "hash"),
            (&format!("scrypt$1000$salt$8$5${hash}"), "n"),
            (&format!("scrypt$131072$salt$8$1${hash}"), "scrypt cost"),
            ("bcrypt_sha256$$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "algorithm"),
            ("bcrypt$pbkdf2$", "hash"),
            ("md5$salt$5f4dcc3b5aa765d61d8327deb882cf99", "algorithm"),
            (
                "argon2$argon2id$v=19$m=102400,t=2,p=8$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
                "Argon2 cost",
            ),
        ] {
            assert_eq!(refused(from_django(text)), field, "{text}");
        }
    }

    /// PBKDF2 computed with Python's hashlib; Argon2 from its reference implementation's test suite.
    #[test]
    fn keycloaks_hashes_are_taken() {
        for (algorithm, value) in [
            ("pbkdf2", "KvMNPWWova5Y2NdkfQfLahhAHuLdt55ejj/hLCaYuBvsMpSDtAQgsJFj5fqbdRQDRRzlnO2eK5EDj+aoF6QqPQ=="),
            (
                "pbkdf2-sha256",
                "9foGumy+tiqFRk/rEQLCDR4+w51z+Hqf8Favq0jUT208TKrA/JceFhPzD5jcMEJJi+Z/kbZ5FEXvCVc5n96A9A==",
            ),
            (
                "pbkdf2-sha512",
                "gLHtu83jqnB1/+xqbBYHAgntVJqJOUsx26mGtFbfns4KmM+Mnb6ffAyYl4BetdzwYZEoHICP+jhxCgKrKOMxqw==",
            ),
        ] {
            let data = format!(r#"{{"hashIterations":1000,"algorithm":"{algorithm}","additionalParameters":{{}}}}"#);
            let secret =
                format!(r#"{{"value":"{value}","salt":"c2FsdHNhbHRzYWx0c2FsdA==","additionalParameters":{{}}}}"#);
            let phc = from_keycloak(&data, &secret).unwrap();
            assert!(matches(&phc, "grüße und küsse"), "{algorithm}");
            assert!(!matches(&phc, "gruesse und kuesse"), "{algorithm}");
        }
        let argon2 = from_keycloak(
            r#"{"hashIterations":2,"algorithm":"argon2","additionalParameters":
                {"hashLength":["32"],"memory":["65536"],"type":["id"],"version":["1.3"],"parallelism":["1"]}}"#,
            r#"{"value":"CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc=","salt":"c29tZXNhbHQ="}"#,
        );
        assert_eq!(
            argon2.unwrap().expose_secret(),
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
        );
    }

    #[test]
    fn keycloaks_bad_hashes_are_refused_by_rule() {
        let secret = r#"{"value":"CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc=","salt":"c29tZXNhbHQ="}"#;
        let argon2 = |parameters: &str| {
            format!(r#"{{"hashIterations":2,"algorithm":"argon2","additionalParameters":{{{parameters}}}}}"#)
        };
        for (data, field) in [
            ("", "credentialData"),
            (r#"[1,"pbkdf2-sha256",null]"#, "credentialData"),
            (r#"{"hashIterations":-1,"algorithm":"pbkdf2-sha256"}"#, "credentialData"),
            (r#"{"hashIterations":0,"algorithm":"pbkdf2-sha256"}"#, "iterations"),
            (r#"{"hashIterations":4000000000,"algorithm":"pbkdf2-sha256"}"#, "iterations"),
            (r#"{"hashIterations":1,"algorithm":"bcrypt"}"#, "algorithm"),
            (r#"{"hashIterations":1,"algorithm":"argon2"}"#, "version"),
            (&argon2(r#""version":["1.3"]"#), "type"),
            (&argon2(r#""version":["1.3"],"type":["ids"]"#), "type"),
            (&argon2(r#""version":["1.3"],"type":["id"],"memory":[],"parallelism":["1"]"#), "memory"),
            (&argon2(r#""version":["1.3"],"type":["id"],"memory":["65537"],"parallelism":["1"]"#), "Argon2 cost"),
            (&argon2(r#""version":["1.3"],"type":["id"],"memory":["7168,t=1"],"parallelism":["1"]"#), "memory"),
            (&argon2(r#""version":["1.3"],"type":["id"],"memory":["7168"]"#), "parallelism"),
        ] {
            assert_eq!(refused(from_keycloak(data, secret)), field, "{data}");
        }
        let data = r#"{"hashIterations":1,"algorithm":"pbkdf2-sha256"}"#;
        for (secret, field) in [
            ("[]", "secretData"),
            (r#"["CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc=","c29tZXNhbHQ="]"#, "secretData"),
            (r#"{"value":"AAAA"}"#, "secretData"),
            (r#"{"value":"%","salt":"c29tZXNhbHQ="}"#, "value"),
            (r#"{"value":"AAAA","salt":"%"}"#, "salt"),
            (r#"{"value":"AAAA","salt":"c29tZXNhbHQ="}"#, "hash"),
        ] {
            assert_eq!(refused(from_keycloak(data, secret)), field, "{secret}");
        }
    }

    #[test]
    fn auth0s_hashes_are_taken() {
        let phc = from_auth0("$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW").unwrap();
        assert!(matches(&phc, "U*U"));
        assert!(!matches(&phc, "U*V"));
        assert_eq!(refused(from_auth0("$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")), "bcrypt cost");
        assert_eq!(refused(from_auth0("$ssha$AAECAwQFBgc$zCyB0yOIAKNCxw1zl1I29dxNpzM")), "hash");
    }

    /// The example in the documentation of Firebase's scrypt.
    #[test]
    fn firebases_hashes_are_taken() {
        let project = FirebaseProject {
            signer_key: "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
                .to_owned(),
            salt_separator: "Bw==".to_owned(),
            rounds: 8,
            mem_cost: 14,
        };
        let hash = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";
        let phc = from_firebase(&project, hash, "42xEC+ixf3L2lw==").unwrap();
        assert!(matches(&phc, "user1password"));
        assert!(!matches(&phc, "user2password"));
        let web_safe = from_firebase(&project, &hash.replace('+', "-").replace('/', "_"), "42xEC-ixf3L2lw").unwrap();
        assert_eq!(web_safe.expose_secret(), phc.expose_secret());

        assert_eq!(refused(from_firebase(&project, "", "42xEC+ixf3L2lw==")), "signer key");
        assert_eq!(refused(from_firebase(&project, hash, "")), "salt");
        let dear = FirebaseProject { mem_cost: 17, ..project };
        assert_eq!(refused(from_firebase(&dear, hash, "42xEC+ixf3L2lw==")), "scrypt cost");
    }

    /// Computed with Python's hashlib.
    #[test]
    fn ldaps_hashes_are_taken() {
        for text in [
            "{SSHA}zCyB0yOIAKNCxw1zl1I29dxNpzMAAQIDBAUGBw==",
            "{ssha}zCyB0yOIAKNCxw1zl1I29dxNpzMAAQIDBAUGBw==",
            "{SSHA256}fiyO6vwTeHjFHm99tp6sV0BIlE9y6BPye0LPTMHYh+sAAQIDBAUGBw==",
            "{SSHA512}GoKnqrPIN5mpqjMyeMtm1gLFWa1uRgPK8f25VKsEJ9D1yXXkYHKzgWFOw/ZOk/cPI+jLVtqYpZ4n6cuVxITGTAABAgMEBQYH",
        ] {
            let phc = from_ldap(text).unwrap();
            assert!(matches(&phc, "lètmein"), "{text}");
            assert!(!matches(&phc, "letmein"), "{text}");
        }
        let crypt = from_ldap("{CRYPT}$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW").unwrap();
        assert!(matches(&crypt, "U*U"));
        for (text, field) in [
            ("secret", "userPassword"),
            ("{SSHA}", "userPassword"),
            ("{SSHA}zCyB0yOIAKNCxw1zl1I29dxNpzM=", "salt"),
            ("{SHA}zCyB0yOIAKNCxw1zl1I29dxNpzM=", "scheme"),
            ("{CRYPT}$6$salt$hash", "hash"),
        ] {
            assert_eq!(refused(from_ldap(text)), field, "{text}");
        }
    }

    /// Computed with Python's hashlib.
    #[test]
    fn profiles_hashes_are_taken() {
        let phc = from_profile("zTHCucvhqnZVeAJ4q0GawwsnNCI9v24kWq//6N0Q0r8=|AAECAwQFBgcICQoLDA0ODw==").unwrap();
        assert!(matches(&phc, "admin"));
        assert!(!matches(&phc, "Admin"));
        assert_eq!(refused(from_profile("zTHCucvhqnZVeAJ4q0GawwsnNCI9v24kWq//6N0Q0r8=")), "password");
        assert_eq!(refused(from_profile("zTHCuQ==|AAECAwQFBgcICQoLDA0ODw==")), "hash");
        assert_eq!(refused(from_profile("zTHCucvhqnZVeAJ4q0GawwsnNCI9v24kWq//6N0Q0r8=|")), "salt");
    }

    #[test]
    fn a_refusal_names_the_field_and_the_rule_and_nothing_of_the_hash() {
        let refusal = from_stored_form("$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW").err().unwrap();
        assert_eq!(refusal.to_string(), "bcrypt cost: two digits, from 04 to 14");
    }
}
