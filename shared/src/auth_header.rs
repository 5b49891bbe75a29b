//! Auth headers: a user's long-lived API keys, sent as `X-Authorization`.
//!
//! The text is `ost_<base62 of 32 random bytes and the user id><6-character base62 CRC-32>`: at most 127 ASCII
//! characters that scanners recognise, typing errors miss, and junk can't imitate without being thrown out unread.
//! The random bytes come first, so that the display form tells one user's headers apart.

use std::time::Duration;

use crate::base62;
use crate::clock::Timestamp;
use crate::error::Problem;
use crate::random::Random;
use crate::secret::{Digest, Token};
use crate::store::auth_header_swept_from;
use crate::ticket::USE_NOTED;
use crate::user::{User, UserId};

/// What every auth header starts with; secret scanners look for it.
pub const PREFIX: &str = "ost_";

/// How many one user may have. With the limits of names and scopes, a list of so many fits into one answer of a
/// function.
pub const MAX_PER_USER: usize = 1000;

const RANDOM_BYTES: usize = 32;
const CHECKSUM_CHARS: usize = 6;
const UUID_MARK: u8 = b'u';
const TEXT_MARK: u8 = b't';

/// Where an auth header is stored: its user, and the digest of its text. Not a secret; the digest is also its `id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthHeaderKey {
    /// Whom it acts as.
    pub user: UserId,
    /// The digest of its text.
    pub digest: Digest,
}

impl AuthHeaderKey {
    /// Finds the key in an auth header's text; `None` when prefix, length, checksum or user id are not ours, so that
    /// junk costs no store call.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        if text.len() > 127 || !text.is_ascii() {
            return None;
        }
        let checked = text.get(..text.len().checked_sub(CHECKSUM_CHARS)?)?;
        let body = checked.strip_prefix(PREFIX)?;
        if text.get(checked.len()..)? != checksum(checked) {
            return None;
        }
        let bytes = base62::decode(body)?;
        let (mark, id) = bytes.get(RANDOM_BYTES..)?.split_first()?;
        let user = match *mark {
            UUID_MARK => UserId::from_uuid_bytes(id.try_into().ok()?),
            TEXT_MARK => UserId::parse(std::str::from_utf8(id).ok()?)?,
            _ => return None,
        };
        Some(Self { user, digest: Digest::of(text.as_bytes()) })
    }
}

/// A stored auth header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthHeader {
    /// Where it is stored.
    pub key: AuthHeaderKey,
    /// What its owner calls it.
    pub name: String,
    /// What lists show instead of the text: prefix, first 6 characters, `…`, last 4.
    pub display: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends by itself, if ever.
    pub expires: Option<Timestamp>,
    /// What it is limited to; the meaning of a scope belongs to the applications.
    pub scopes: Vec<String>,
    /// The user's [`User::key_epoch`] at creation.
    pub epoch: u64,
    /// How long it was made for; `None` for one without an end. [`Self::expires`] may be earlier, once another one has
    /// been put in its place.
    pub lifetime: Option<Duration>,
    /// The last use that was noted: at most one in [`USE_NOTED`].
    pub last_used: Option<Timestamp>,
}

/// How an owner names one of its auth headers.
pub enum Named {
    /// By its token or its id.
    Key(AuthHeaderKey),
    /// By its display form.
    Display(String),
}

impl Named {
    /// What `text` names for `owner`; `None` for another user's token.
    #[must_use]
    pub fn of(owner: &UserId, text: &str) -> Option<Self> {
        if let Some(key) = AuthHeaderKey::of(text) {
            return (key.user == *owner).then_some(Self::Key(key));
        }
        let id = Digest::from_base64url(text).map(|digest| AuthHeaderKey { user: owner.clone(), digest });
        Some(id.map_or_else(|| Self::Display(text.to_owned()), Self::Key))
    }

    /// The one that is meant among all that its owner has. Two of one display form are told apart by their ids only.
    pub fn among(&self, headers: Vec<AuthHeader>) -> Result<Option<AuthHeader>, Problem> {
        let mut named = headers.into_iter().filter(|header| match self {
            Self::Key(key) => header.key == *key,
            Self::Display(display) => header.display == *display,
        });
        match (named.next(), named.next()) {
            (Some(_), Some(_)) => Err(Problem::invalid("text", "names several auth headers; use the id")),
            (found, _) => Ok(found),
        }
    }
}

/// What the maker of an auth header chooses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// What to call it.
    pub name: String,
    /// When it shall end, if ever.
    pub expires: Option<Timestamp>,
    /// What to limit it to.
    pub scopes: Vec<String>,
}

impl AuthHeader {
    /// Makes an auth header for `user`, and the text that is shown once.
    #[must_use]
    pub fn issue(user: &User, choices: Choices, now: Timestamp, random: &dyn Random) -> (Self, Token) {
        let mut bytes = random.bytes::<RANDOM_BYTES>().to_vec();
        if let Some(uuid) = user.id.as_uuid_bytes() {
            bytes.push(UUID_MARK);
            bytes.extend(uuid);
        } else {
            bytes.push(TEXT_MARK);
            bytes.extend(user.id.as_str().as_bytes());
        }
        let checked = format!("{PREFIX}{}", base62::encode(&bytes));
        let text = format!("{checked}{}", checksum(&checked));
        let token = Token::new(text);
        let header = Self {
            key: AuthHeaderKey { user: user.id.clone(), digest: token.digest() },
            name: choices.name,
            display: display_form(token.expose_secret()),
            created: now,
            expires: choices.expires,
            scopes: choices.scopes,
            epoch: user.key_epoch,
            lifetime: choices.expires.map(|expires| Duration::from_secs(expires.since(now).as_secs())),
            last_used: None,
        };
        (header, token)
    }

    /// Whether it still acts as its user.
    #[must_use]
    pub fn is_live(&self, user: &User, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
            && user.id == self.key.user
            && user.enabled
            && user.key_epoch == self.epoch
    }

    /// Whether a use now is worth a write.
    #[must_use]
    pub fn needs_note(&self, now: Timestamp) -> bool {
        self.last_used.is_none_or(|last| now >= last.plus(USE_NOTED))
    }

    /// Whether its owner still sees it, whatever became of it: until [`Self::KEPT_AFTER_EXPIRY`] after its end, also where
    /// the database has not swept it by then.
    #[must_use]
    pub fn is_kept(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|end| now.as_seconds() < auth_header_swept_from(end))
    }

    /// How long an expired header is still listed before the table's TTL removes it.
    pub const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(30 * 86_400);
}

fn checksum(checked: &str) -> String {
    base62::encode_u32(crc32fast::hash(checked.as_bytes()))
}

/// Tells its owner which header it is, and a thief nothing: 10 of about 100 characters.
fn display_form(text: &str) -> String {
    let body = text.strip_prefix(PREFIX).unwrap_or(text);
    let head: String = body.chars().take(6).collect();
    let tail: String = body.chars().skip(body.chars().count().saturating_sub(4)).collect();
    format!("{PREFIX}{head}\u{2026}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SeededRandom, user};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn issue(id: &str, seed: u64) -> (AuthHeader, Token) {
        AuthHeader::issue(&user(id), Choices::default(), NOW, &SeededRandom::new(seed))
    }

    #[test]
    fn an_auth_header_leads_to_its_own_key() {
        for id in ["12345678-1234-4234-8234-123456789abc", "5925a68def86951f895cf497", &"x".repeat(48)] {
            let (header, token) = issue(id, 7);
            assert_eq!(AuthHeaderKey::of(token.expose_secret()), Some(header.key));
            assert!(token.expose_secret().len() < 128, "{}", token.expose_secret().len());
            assert!(token.expose_secret().is_ascii());
        }
    }

    #[test]
    fn every_altered_character_is_noticed_without_the_store() {
        let (_, token) = issue("12345678-1234-4234-8234-123456789abc", 3);
        let text = token.expose_secret();
        for place in 0..text.len() {
            for replacement in ['0', 'A', 'z', '_', ' '] {
                let mut altered: Vec<char> = text.chars().collect();
                if altered[place] == replacement {
                    continue;
                }
                altered[place] = replacement;
                let altered: String = altered.into_iter().collect();
                assert_eq!(AuthHeaderKey::of(&altered), None, "{altered}");
            }
            assert_eq!(AuthHeaderKey::of(&text[..place]), None);
        }
    }

    #[test]
    fn the_display_form_tells_one_users_headers_apart() {
        let displays: std::collections::BTreeSet<String> = (0..500).map(|seed| issue("u-1", seed).0.display).collect();
        assert_eq!(displays.len(), 500);
        assert!(displays.iter().all(|display| display.chars().count() == 4 + 6 + 1 + 4));
    }

    #[test]
    fn a_header_ends_at_its_expiry_and_with_its_user() {
        let owner = user("u-1");
        let choices = Choices { expires: Some(NOW.plus(Duration::from_secs(10))), ..Choices::default() };
        let (header, _) = AuthHeader::issue(&owner, choices, NOW, &SeededRandom::new(1));
        assert!(header.is_live(&owner, NOW.plus(Duration::from_secs(9))));
        assert!(!header.is_live(&owner, NOW.plus(Duration::from_secs(10))));
        assert!(!header.is_live(&User { enabled: false, ..owner.clone() }, NOW));
        assert!(!header.is_live(&User { key_epoch: 1, ..owner.clone() }, NOW));
        assert!(header.is_live(&User { session_epoch: 9, ..owner.clone() }, NOW), "a new password leaves it alone");
        assert!(!header.is_live(&user("u-2"), NOW));
    }
}
