//! Names, addresses, moments and links.

use shared::clock::Timestamp;
use shared::delivery::Link;
use shared::secret::Password;
use shared::tenant::TenantName;
use shared::user::{Email, UserId, UserName};
use unicode_normalization::UnicodeNormalization as _;

pub const WORDS: &[&str] = &[
    "demo",
    "name@example.com",
    "\u{130}stanbul",
    "stra\u{df}e",
    "\u{3c2}",
    "\u{3c3}",
    "\u{ff21}",
    "\u{2126}",
    "\u{345}",
    "\u{1e9b}\u{323}",
    "\u{1f71}",
    "i\u{307}",
    "I\u{307}",
    "\u{131}",
    "\u{149}",
    "\u{390}",
    "\u{fb05}",
    "\u{1f88}",
    "2030-01-31T12:00:00Z",
    "+23:59",
    "-23:59",
    "0000-01-01T00:00:00",
    "9999-12-31T23:59:59",
    ".999999999Z",
    "T24:00:00",
    ":60",
    "https://",
    "http://localhost:1/",
    "http://127.0.0.1:",
    "https://app.example.com/reset#{token}",
    "{token}",
    "[::1]",
    ":443",
    ":65536",
    "user:pass@",
    "?tokenId=",
    "\\@",
    "//",
    "%2F",
];

/// A user's name, an address, a tenant's name, an id and a password.
pub fn name(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(name) = UserName::parse(text) {
        let canonical = name.canonical();
        assert!((1..=128).contains(&canonical.chars().count()) && text.len() <= 512);
        assert!(!canonical.contains(['/', ' ', '\0', '\u{202e}', '\u{200b}']), "{canonical:?}");
        let each = [canonical.to_owned(), name.as_str().to_owned()];
        for spelling in each.into_iter().chain(spellings(text)) {
            let again = UserName::parse(&spelling);
            let same = again.as_ref().is_none_or(|again| again.canonical() == canonical);
            assert!(same, "{text:?} and its spelling {spelling:?} are two names");
        }
        assert!(UserName::parse(canonical).is_some_and(|again| again.canonical() == canonical), "{text:?}");
        assert!(UserName::parse(name.as_str()).is_some_and(|again| again == name), "{text:?}");
    }
    if let Some(email) = Email::parse(text) {
        let canonical = email.canonical();
        let halves: Vec<&str> = canonical.split('@').collect();
        assert!(matches!(&halves[..], [local, domain] if !local.is_empty() && !domain.is_empty()), "{canonical:?}");
        assert!(!canonical.contains([' ', ',', ';', '<', '>', '\r', '\n', '\0']), "{canonical:?}");
        assert!(Email::parse(canonical).is_some_and(|again| again.canonical() == canonical), "{text:?}");
        assert!(Email::parse(email.as_str()).is_none_or(|again| again == email), "{text:?}");
        assert!(email.is_same_mailbox(&email));
    }
    if let Some(tenant) = TenantName::parse(text) {
        assert!(tenant.as_str() == text && text.is_ascii() && !text.contains(['/', '#', '*', ' ']) && text.len() <= 64);
    }
    if let Some(id) = UserId::parse(text) {
        assert!(id.as_str() == text && !text.contains(['/', '#', '*', '.', ' ']) && text.len() <= 48);
    }
    match Password::from_input(text) {
        None => assert!(text.len() > 1024),
        Some(password) => {
            let again = Password::from_input(&text.nfd().collect::<String>());
            assert!(again.is_none_or(|again| again.expose_secret() == password.expose_secret()), "{text:?}");
        }
    }
}

/// What the same person may type on another keyboard.
fn spellings(text: &str) -> impl Iterator<Item = String> {
    // Case is a matter of characters, which a text has only once it is composed.
    let composed: String = text.nfkc().collect();
    let cased =
        [composed.to_uppercase(), composed.to_lowercase(), text.to_ascii_uppercase(), text.to_ascii_lowercase()];
    let formed = [text.nfc().collect(), text.nfd().collect(), text.nfkc().collect(), text.nfkd().collect()];
    cased.into_iter().chain(formed)
}

/// A moment in a body.
pub fn moment(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Some(moment) = Timestamp::parse(text) else { return };
    let shown = moment.as_zoneless();
    let again = Timestamp::parse(&shown).unwrap_or_else(|| panic!("{text:?} is shown as {shown}, which is none"));
    assert_eq!(again.as_seconds(), moment.as_seconds(), "{text:?} is shown as {shown}");
    assert_eq!(Timestamp::from_millis(moment.as_millis()), moment);
    assert_eq!(shown.len(), "YYYY-MM-DDTHH:MM:SS".len(), "{text:?} is shown as {shown}");
}

/// The page that a message leads to: of this stack, and of an application.
pub fn link(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if Link::parse(text).is_some() {
        let (before, after) = text.split_once("{token}").expect("the token's place");
        assert!(text.len() <= 512 && !after.contains("{token}"), "{text}");
        assert!(
            text.starts_with("https://")
                || text.starts_with("http://127.0.0.1:")
                || text.starts_with("http://localhost:")
        );
        let (_, rest) = before.split_once("://").expect("a scheme");
        assert!(rest.contains(['/', '?', '#']), "the token of {text} is a part of the host");
    }
    if Link::to_page(text).is_some() {
        let (scheme, rest) = text.split_once("://").expect("a scheme");
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        let here = ["localhost", "127.0.0.1", "[::1]"].contains(&host.to_ascii_lowercase().as_str());
        assert!(text.is_ascii() && text.len() <= 2048 && !host.is_empty() && !authority.contains('@'), "{text}");
        assert!(!text.contains(['#', '\\', ' ', '"', '<', '>']), "{text}");
        assert!(scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http") && here, "{text}");
    }
}
