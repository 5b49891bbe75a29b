//! Users (the Profile families call them profiles): who they are, and under which names they are found.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization as _;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::random::Random;
use crate::secret::Digest;
use crate::tenant::TenantName;

/// A user's id: a UUID or 24 hex digits when we made it, otherwise what an import brought: 1 to 48 of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(String);

impl UserId {
    /// A fresh version 4 UUID. An id is a name and not a secret.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        Self(uuid::Builder::from_random_bytes(random.bytes()).into_uuid().to_string())
    }

    /// Twelve random bytes as 24 lower-case hex digits, for profiles that `/api/1` makes: existing clients of that family
    /// read every id as such an object id, and fail on any other.
    #[must_use]
    pub fn generate_object_id(random: &dyn Random) -> Self {
        Self(random.bytes::<12>().map(|byte| format!("{byte:02x}")).concat())
    }

    /// Reads an id; `None` when it can't be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (1..=48).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        valid.then(|| Self(text.to_owned()))
    }

    /// Stands for "nobody" where an unknown user must cost the same store call as a known one: no id parses to it. Each
    /// `occasion` has a nobody of its own, since one for all would be the store's busiest key.
    #[must_use]
    pub fn nobody(occasion: &str) -> Self {
        Self(format!("*{}", Digest::of(occasion.as_bytes()).to_base64url()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id's 16 bytes where it is a UUID in its usual spelling.
    #[must_use]
    pub(crate) fn as_uuid_bytes(&self) -> Option<[u8; 16]> {
        let uuid = Uuid::try_parse(&self.0).ok()?;
        (uuid.to_string() == self.0).then(|| uuid.into_bytes())
    }

    /// The reverse of [`Self::as_uuid_bytes`].
    pub(crate) fn from_uuid_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes).to_string())
    }
}

impl std::fmt::Display for UserId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user name: as its owner writes it, and the one form under which every spelling of it is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserName {
    display: String,
    canonical: String,
}

impl UserName {
    /// The rule in words, for error messages.
    pub const RULE: &str =
        "must be 1 to 128 characters without '/', spaces, control, invisible or private-use characters";

    /// Reads a user name; `None` when it breaks [`Self::RULE`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 512 {
            return None;
        }
        let canonical = canonical(text)?;
        let valid = (1..=128).contains(&canonical.chars().count())
            && !text.contains('/')
            && !canonical.contains('/')
            && !text.chars().any(is_forbidden)
            && !canonical.chars().any(is_forbidden);
        valid.then(|| Self { display: composed(text), canonical })
    }

    /// As its owner wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.display
    }

    /// The form that is unique in a tenant.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}

/// An e-mail address: as given, and the form that is unique in a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email {
    display: String,
    canonical: String,
}

impl Email {
    /// The rule in words, for error messages.
    pub const RULE: &str = "must be one address of the form name@domain, of at most 254 bytes";

    /// Reads an address; `None` when it breaks [`Self::RULE`]. Whether it takes mail is for verification to find out.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_EMAIL_BYTES {
            return None;
        }
        let canonical = canonical(text)?;
        (is_address(text) && is_address(&canonical)).then(|| Self { display: composed(text), canonical })
    }

    /// As given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.display
    }

    /// The form that is unique in a tenant.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Whether what was shown about one holds for the other: only where no more than ASCII case differs. The canonical
    /// forms don't tell, since mail to a domain with \u{df} goes elsewhere than mail to the same with ss.
    #[must_use]
    pub fn is_same_mailbox(&self, other: &Self) -> bool {
        self.display.eq_ignore_ascii_case(&other.display)
    }
}

const MAX_EMAIL_BYTES: usize = 254;

fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    text.len() <= MAX_EMAIL_BYTES
        && !local.is_empty()
        && !domain.is_empty()
        && !domain.contains('@')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !text.chars().any(|c| is_forbidden(c) || matches!(c, ',' | ';' | '<' | '>'))
}

/// The one spelling that case, composition, width and the dotted capital I of Turkish all lead to. `None` when folding
/// has no fixed point, so that a stored form always folds to itself.
fn canonical(text: &str) -> Option<String> {
    // Of ASCII nothing is left to do, and who reads a profile with a name and an address saves 160,000 instructions.
    if text.is_ascii() { Some(text.to_ascii_lowercase()) } else { folded(text) }
}

fn folded(text: &str) -> Option<String> {
    let fold = |s: &str| {
        // Upper case first: it joins what lower case alone keeps apart, such as the two small sigmas, or \u{df} and ss.
        let folded: String = s.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect();
        folded.replace("i\u{307}", "i")
    };
    let once = fold(text);
    let twice = fold(&once);
    let thrice = fold(&twice);
    (twice == thrice).then_some(twice)
}

/// The text as it is shown.
fn composed(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { text.nfc().collect() }
}

/// Characters that no name may hold: they are invisible, or reorder what people see, or mean something to a terminal.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{2800}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

/// The applications' own data about a user: any JSON, by names.
pub type Attributes = BTreeMap<String, serde_json::Value>;

/// A user of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id, never reused.
    pub id: UserId,
    /// The tenant that owns it.
    pub tenant: TenantName,
    /// Its name, unique in the tenant.
    pub name: UserName,
    /// Its address, unique in the tenant where given.
    pub email: Option<Email>,
    /// Whether the address was shown to be the user's own.
    pub email_verified: bool,
    /// First name, free text.
    pub first_name: Option<String>,
    /// Last name, free text.
    pub last_name: Option<String>,
    /// What people call it, free text: the profile family's `name`.
    pub display_name: Option<String>,
    /// The application that made it, by the name in its access token.
    pub application: Option<String>,
    /// Whether it may act at all.
    pub enabled: bool,
    /// Names of roles; [`User::TENANT_ADMIN`] is ours, the rest belong to the applications.
    pub roles: Vec<String>,
    /// The applications' own data about the user.
    pub attributes: Attributes,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
    /// Counts the events that end every ticket: a ticket of an older epoch is dead. A counter and not a date, so that
    /// no difference between two clocks revives one.
    pub session_epoch: u64,
    /// The same for auth headers, which outlive a change of password but not being disabled.
    pub key_epoch: u64,
}

impl User {
    /// The role whose bearer administers its tenant.
    pub const TENANT_ADMIN: &str = "tenant-admin";

    /// Where the epochs of a user made at `created` start: above those of any earlier user of the same id, so that
    /// nothing that one left behind fits.
    #[must_use]
    pub fn first_epoch(created: Timestamp) -> u64 {
        u64::try_from(created.as_millis()).unwrap_or_default()
    }

    /// Whether it administers its tenant.
    #[must_use]
    pub fn is_tenant_admin(&self) -> bool {
        self.roles.iter().any(|role| role == Self::TENANT_ADMIN)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical_name(text: &str) -> Option<String> {
        UserName::parse(text).map(|name| name.canonical().to_owned())
    }

    #[test]
    fn ascii_is_folded_as_everything_else() {
        let ascii = || (0..=127u8).map(char::from);
        for text in ascii().flat_map(|one| ascii().map(move |other| format!("i{one}{other}."))) {
            assert_eq!(canonical(&text), folded(&text), "{text:?}");
            assert_eq!(composed(&text), text.nfc().collect::<String>(), "{text:?}");
        }
    }

    #[test]
    fn every_spelling_of_a_name_is_one_account() {
        for (one, other) in [
            ("Jose\u{301}", "jos\u{e9}"),
            ("JOHN.DOE", "john.doe"),
            ("\u{ff4a}\u{ff4f}\u{ff48}\u{ff4e}", "john"),
            ("\u{130}lker", "ilker"),
            ("STRASSE", "strasse"),
            ("\u{212a}elvin", "kelvin"),
            ("\u{3bd}\u{3b9}\u{3ba}\u{3bf}\u{3c2}", "\u{39d}\u{399}\u{39a}\u{39f}\u{3a3}"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{131}lker", "ILKER"),
        ] {
            assert_eq!(canonical_name(one), canonical_name(other), "{one} {other}");
            assert!(canonical_name(one).is_some());
        }
    }

    #[test]
    fn invisible_and_separating_characters_are_refused() {
        for name in [
            "",
            " ",
            "a b",
            "a/b",
            "a\u{200b}",
            "\u{feff}a",
            "a\u{202e}b",
            "a\0",
            "a\n",
            "\u{e000}",
            "\u{ff0f}x",
            "a\u{1d173}",
            "a\u{1bca0}",
            "a\u{2800}",
        ] {
            assert_eq!(canonical_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn several_at_signs_are_no_address() {
        for bad in [
            "",
            "a",
            "@",
            "a@",
            "@b",
            "a@b@c",
            "a@.b",
            "a@b.",
            "a b@c",
            "a@b,c@d",
            "<a@b>",
            "a\u{200b}@b",
            "a\u{ff20}b@c",
            "a@b\u{2024}",
            "\u{b4}x@b",
        ] {
            assert!(Email::parse(bad).is_none(), "{bad:?}");
        }
        assert_eq!(Email::parse("John@Example.COM").unwrap().canonical(), "john@example.com");
    }

    #[test]
    fn nobody_is_not_an_id_that_can_be_sent() {
        assert_eq!(UserId::parse(UserId::nobody("test").as_str()), None);
    }

    proptest! {
        #[test]
        fn a_canonical_name_is_its_own_canonical_form(text in "\\PC{1,40}") {
            if let Some(name) = UserName::parse(&text) {
                let again = UserName::parse(name.canonical()).expect("a canonical name is a name");
                prop_assert_eq!(again.canonical(), name.canonical());
                let shown = UserName::parse(name.as_str()).expect("a shown name is a name");
                prop_assert_eq!(shown.canonical(), name.canonical());
            }
        }
    }
}
