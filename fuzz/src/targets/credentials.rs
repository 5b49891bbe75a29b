//! The texts of credentials.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use shared::api::{OAUTH2_INTROSPECT, Route};
use shared::auth_header::{AuthHeaderKey, Named, PREFIX};
use shared::clock::Timestamp;
use shared::gateway::{Event, Headers, Request, credential_text, without_scheme};
use shared::one_time::OneTimeKey;
use shared::persistent_login::{GRACE, PersistentLogin, PersistentLoginKey, Standing};
use shared::secret::Digest;
use shared::testing::{SeededRandom, user};
use shared::ticket::TicketKey;
use shared::user::UserId;
use tests::escaped;

use super::refused;
use crate::{oracle, scene};

pub const HEADER: &[&str] = &[
    "Bearer ",
    "bearer ",
    "Basic ",
    "BASIC ",
    ",",
    ", ",
    "ost_",
    "osa_",
    "{text}",
    "eyJhbGciOiJFZERTQSJ9",
    "%2B",
    "%3A",
    "u",
    "t",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
];

pub const SERIES: &[&str] = &["{0}", "{1}", "{2}", "{3}", "{id}", "0.", "1.", "2.", "3.", "00", "+1.", "\n"];

/// The value of a header that carries a credential.
pub fn header(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let shown = match credential_text("authorization", text) {
        Ok(shown) => shown,
        Err(problem) => {
            refused(&problem);
            let odd = |c: char| c == ',' || c != ' ' && !c.is_ascii_graphic();
            assert!(text.contains(odd), "a plain value was refused");
            None
        }
    };
    if let Some(shown) = shown {
        assert!(!shown.is_empty() && shown.trim() == shown && text.contains(shown));
        assert!(shown.chars().all(|c| c == ' ' || c.is_ascii_graphic() && c != ','), "{shown:?} was taken");
        assert!(matches!(credential_text("authorization", shown), Ok(Some(again)) if again == shown));
        if let Some(token) = without_scheme(shown) {
            assert!(!token.contains(' ') && shown.ends_with(token), "{token:?} of {shown:?}");
        }
    }
    for (doubled, both) in [("Authorization", true), ("x-authorization", false)] {
        let headers = Headers::of(Some(json!({ "authorization": text, doubled: "x" }))).expect("texts");
        assert!(headers.credential("authorization").is_err() || !both, "a header that came twice was taken");
    }
    basic(text, shown);
}

fn asked(route: &Route, authorization: &str) -> Request {
    let event = json!({
        "version": "2.0", "headers": { "authorization": authorization },
        "requestContext": { "http": { "method": route.method } },
    });
    Event::from(event).into_request(route).unwrap_or_else(|_| panic!("a request"))
}

/// RFC 7617 in the dialect of RFC 6749.
fn basic(text: &str, shown: Option<&str>) {
    let request = asked(&OAUTH2_INTROSPECT, text);
    assert_eq!(request.bearer().ok().flatten(), shown.and_then(without_scheme));
    match request.basic() {
        Err(problem) => refused(&problem),
        Ok(None) => {
            let basic = shown.is_some_and(|shown| shown.to_ascii_lowercase().starts_with("basic "));
            assert!(!basic, "{text:?} is no Basic");
        }
        Ok(Some((name, password))) => {
            let again = STANDARD.encode(format!("{}:{}", escaped(&name), escaped(&password)));
            let again = asked(&OAUTH2_INTROSPECT, &format!("Basic {again}")).basic();
            assert!(matches!(&again, Ok(Some(pair)) if *pair == (name, password)), "{text:?} is read in two ways");
        }
    }
}

/// A text shown as an auth header, and the bytes as if somebody who knows the format made one of them.
pub fn auth_header(input: &[u8]) {
    let forged = forged(input);
    let id = input.get(33..).and_then(|id| std::str::from_utf8(id).ok()).and_then(UserId::parse);
    let fits = match input.get(32) {
        Some(b'u') => input.len() == 33 + 16,
        Some(b't') => id.is_some(),
        _ => false,
    };
    assert_eq!(AuthHeaderKey::of(&forged).is_some(), fits && forged.len() <= 127, "{forged}");
    let (text, _) = scene::expand(input, &[("{text}", forged.as_bytes())]);
    let Ok(text) = std::str::from_utf8(&text) else { return };
    let Some(key) = AuthHeaderKey::of(text) else { return };
    let checked = &text[..text.len() - 6];
    assert!(text.len() <= 127 && text.starts_with(PREFIX), "{text}");
    assert!(text[PREFIX.len()..].bytes().all(|byte| byte.is_ascii_alphanumeric()), "{text}");
    assert_eq!(text[checked.len()..], oracle::base62_u32(oracle::crc32(checked.as_bytes())), "the checksum of {text}");
    assert_eq!(key.digest, Digest::of(text.as_bytes()));
    assert_eq!(UserId::parse(key.user.as_str()).as_ref(), Some(&key.user));
    assert!(matches!(Named::of(&key.user, text), Some(Named::Key(named)) if named == key));
    let somebody = user("somebody-else-altogether").id;
    assert!(key.user == somebody || Named::of(&somebody, text).is_none(), "{text} names somebody else's");
}

fn forged(bytes: &[u8]) -> String {
    let checked = format!("{PREFIX}{}", oracle::base62(&bytes[..bytes.len().min(128)]));
    let checksum = oracle::base62_u32(oracle::crc32(checked.as_bytes()));
    format!("{checked}{checksum}")
}

/// A text shown as a ticket, a persistent login's id or a one-time token.
pub fn ticket(input: &[u8]) {
    let forged = URL_SAFE_NO_PAD.encode(&input[..input.len().min(128)]);
    let (text, _) = scene::expand(input, &[("{text}", forged.as_bytes())]);
    for text in [text.as_slice(), forged.as_bytes()] {
        let Ok(text) = std::str::from_utf8(text) else { continue };
        let read = TicketKey::of(text).map(|key| (key.user, key.digest));
        assert_eq!(OneTimeKey::of(text).map(|key| (key.user, key.digest)), read);
        assert_eq!(PersistentLoginKey::of(text).map(|key| (key.user, key.digest)), read);
        let Some((user, digest)) = read else { continue };
        let bytes = URL_SAFE_NO_PAD.decode(text).expect("base64url");
        assert_eq!((bytes.len(), digest), (user.as_str().len() + 32, Digest::of(text.as_bytes())));
        assert!(text.len() <= 128 && bytes.starts_with(user.as_str().as_bytes()), "{text}");
        assert_eq!(URL_SAFE_NO_PAD.encode(&bytes), text, "two texts of one ticket");
        let name = TicketKey { user, digest }.session_id();
        assert!(name.len() == 22 && !text.contains(&name) && !digest.to_base64url().contains(&name));
    }
}

struct Series {
    id: String,
    login: PersistentLogin,
    tokens: Vec<String>,
}

/// A series after two refreshes.
static SERIES_OF_THREE: LazyLock<Series> = LazyLock::new(|| {
    let now = Timestamp::from_seconds(1_800_000_000);
    let owner = user("u-1");
    let (login, id) = PersistentLogin::issue(&owner, Duration::from_secs(86_400), now, &SeededRandom::new(5));
    let id = id.expose_secret().to_owned();
    let at = |generation| PersistentLogin { generation, refreshed: Some(now), ..login.clone() };
    let tokens = (0..4).map(|generation| at(generation).token(&id).expose_secret().to_owned()).collect();
    Series { login: at(2), id, tokens }
});

/// The token that a browser shows beside its persistent login's id.
pub fn series_token(input: &[u8]) {
    let Series { id, login, tokens } = &*SERIES_OF_THREE;
    let names = ["{0}", "{1}", "{2}", "{3}", "{id}"];
    let values = tokens.iter().chain([id]).map(String::as_bytes);
    let markers: Vec<(&str, &[u8])> = names.into_iter().zip(values).collect();
    let (text, _) = scene::expand(input, &markers);
    let Ok(text) = std::str::from_utf8(&text) else { return };
    let now = login.created;
    for (when, of_the_last) in [(now, Standing::JustReplaced), (now.plus(GRACE), Standing::Replayed)] {
        let expected = match tokens.iter().position(|token| token == text) {
            Some(0) => Standing::Replayed,
            Some(1) => of_the_last,
            Some(2) => Standing::Current,
            _ => Standing::Foreign,
        };
        assert_eq!(login.standing(id, text, when), expected, "{text:?}");
        assert_eq!(login.standing("another", text, when), Standing::Foreign, "{text:?}");
    }
}
