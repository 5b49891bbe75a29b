//! The texts of password hashes, as they are stored and as other systems export them.

use std::sync::LazyLock;

use shared::password::imported::{
    FirebaseProject, from_auth0, from_django, from_firebase, from_keycloak, from_ldap, from_profile, from_stored_form,
};
use shared::password::{Cost, Hasher, Phc, Refusal};
use shared::secret::Password;

pub const WORDS: &[&str] = &[
    "$argon2id$",
    "$argon2i$",
    "$argon2d$",
    "v=19",
    "v=16",
    "m=65536",
    "m=65537",
    "m=8",
    "t=10",
    "t=11",
    "p=4",
    "p=5",
    ",keyid=",
    ",data=",
    "$scrypt$",
    "$firebase-scrypt$",
    "ln=16",
    "ln=20",
    "r=8",
    "p=1",
    "sep=",
    "key=",
    "$pbkdf2-sha1$",
    "$pbkdf2-sha256$",
    "$pbkdf2-sha512$",
    "i=2000000",
    "i=2000001",
    "i=0",
    "l=32",
    "l=64",
    "$2b$04$",
    "$2a$14$",
    "$2x$15$",
    "$2y$",
    "$sha256-1001$",
    "$ssha$",
    "$ssha256$",
    "$ssha512$",
    "AAAAAAAAAAAAAAAAAAAAAA",
    "pbkdf2_sha256$",
    "argon2$",
    "bcrypt$",
    "{SSHA}",
    "{CRYPT}",
    "|",
    "\"hashIterations\":",
    "\"memory\":[\"65536\"]",
];

static HASHER: LazyLock<Hasher> =
    LazyLock::new(|| Hasher::new(Cost { memory_kib: 8, iterations: 1, parallelism: 1 }).expect("a cost"));

/// A stored hash.
pub fn phc(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    judge(text, from_stored_form(text));
}

/// What another system exported: the system's name, and its fields, each in a line of its own.
pub fn imported(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let lines: Vec<&str> = text.splitn(7, '\n').collect();
    let field = |number: usize| lines.get(number).copied().unwrap_or_default();
    let number = |number: usize| field(number).parse().unwrap_or_default();
    let taken = match field(0) {
        "django" => from_django(field(1)),
        "keycloak" => from_keycloak(field(1), field(2)),
        "auth0" => from_auth0(field(1)),
        "ldap" => from_ldap(field(1)),
        "profile" => from_profile(field(1)),
        "firebase" => {
            let (signer_key, salt_separator) = (field(3).to_owned(), field(4).to_owned());
            let project = FirebaseProject { signer_key, salt_separator, rounds: number(5), mem_cost: number(6) };
            from_firebase(&project, field(1), field(2))
        }
        _ => return,
    };
    let Ok(phc) = taken else { return };
    let stored = phc.expose_secret();
    judge(stored, from_stored_form(stored));
    assert!(from_stored_form(stored).is_ok(), "{stored} was taken, and can't be read");
}

/// Fails where a hash was taken whose work is beyond the bounds, or one was worked on that was refused.
fn judge(text: &str, taken: Result<Phc, Refusal>) {
    let wrong = Password::from_input("never anybody's password").expect("short");
    let Ok(phc) = taken else {
        let verdict = HASHER.verify(&wrong, Some(&Phc::from_stored(text.to_owned()))).expect("no pepper");
        assert!(!verdict.matches && verdict.mark.is_none(), "{text} was refused, and worked on");
        return;
    };
    assert_eq!(phc.expose_secret(), text);
    assert!(text.len() <= 512 && text.starts_with('$'), "{text}");
    let work = work(text).unwrap_or_else(|| panic!("{text} is beyond the bounds"));
    if work <= 1024 && phc.pepper().is_none() {
        let verdict = HASHER.verify(&wrong, Some(&phc)).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(!verdict.matches && verdict.mark.is_some(), "{text}");
    }
}

/// Roughly how much work a hash is, in KiB of memory or rounds of a digest; `None` where it is beyond what is documented.
fn work(text: &str) -> Option<u64> {
    let segments: Vec<&str> = text.split('$').collect();
    let scheme = *segments.get(1)?;
    let parameter = |name: &str| -> Option<u64> {
        let mut all = segments.iter().flat_map(|segment| segment.split(','));
        all.find_map(|each| each.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    };
    match scheme {
        "argon2id" | "argon2i" | "argon2d" => {
            let (m, t, p) = (parameter("m")?, parameter("t")?, parameter("p")?);
            let bounded = (8 * p..=65_536).contains(&m) && (1..=10).contains(&t) && (1..=4).contains(&p);
            bounded.then_some(m * t)
        }
        "scrypt" | "firebase-scrypt" => {
            let (n, r) = (1_u64.checked_shl(u32::try_from(parameter("ln")?).ok()?)?, parameter("r")?);
            let p = if scheme == "scrypt" { parameter("p")? } else { 1 };
            let memory = n.checked_mul(128)?.checked_mul(r)?;
            let work = memory.checked_mul(p)?;
            (memory <= 64 << 20 && work <= 256 << 20 && r <= 32 && p <= 16).then_some(work >> 8)
        }
        "pbkdf2-sha1" | "pbkdf2-sha256" | "pbkdf2-sha512" => {
            parameter("i").filter(|rounds| (1..=2_000_000).contains(rounds))
        }
        "2a" | "2b" | "2x" | "2y" => {
            let cost: u32 = segments.get(2)?.parse().ok()?;
            (4..=14).contains(&cost).then(|| 200 << cost)
        }
        "sha256-1001" | "ssha" | "ssha256" | "ssha512" => Some(1),
        _ => None,
    }
}
