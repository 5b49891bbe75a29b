//! How a message leaves for a person: as an event on the stack owner's bus, whose rules turn it into mail. Ostiary itself
//! sends none.
//!
//! Invariant: a message for somebody and one for nobody are events of the same size, so that neither the time of the
//! call nor its metrics tell them apart.

use std::net::Ipv6Addr;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::one_time::OneTime;
use crate::secret::Token;
use crate::user::{Email, User};

/// The `source` of every event.
pub const SOURCE: &str = "ostiary";

/// What detail type and detail take together inside of a request, in bytes. More than the longest names and links fill.
pub const EVENT_BYTES: usize = 8192;

/// Why a message did not leave.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The event bus could not be reached, or refused the call.
    #[error("the event bus did not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The call succeeded, and the event bus took no event.
    #[error("the event bus did not take the event ({0})")]
    NotTaken(String),
}

/// Takes messages to where they become mail.
pub trait Delivery: Send + Sync + 'static {
    /// Sends one. Whoever is told of success may rely on it; after an error nobody knows.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), DeliveryError>>;
}

/// The page that a message leads to: a URL with [`Link::PLACE`] in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link(String);

impl Link {
    /// Where the token goes.
    pub const PLACE: &str = "{token}";

    /// The rule in words, for error messages.
    pub const RULE: &str = "must be an https URL of at most 512 characters that holds {token} once";

    /// The rule for a page that an application names, in words.
    pub const PAGE_RULE: &str = "must be an https URL (http for localhost only) of at most 2048 plain ASCII characters, \
         without user name and fragment";

    /// The longest URL of a page that an application names.
    pub const MAX_PAGE_BYTES: usize = 2048;

    const MAX_BYTES: usize = 512;

    /// Reads a page's URL; `None` when it breaks [`Self::RULE`]. Plain HTTP is for this machine only: the token is as
    /// good as a password.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let secure = ["https://", "http://127.0.0.1:", "http://localhost:"].iter().any(|start| text.starts_with(start));
        let (before, after) = text.split_once(Self::PLACE)?;
        // A token that is part of the host would be told to whoever resolves it.
        let has_path = before.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?', '#']));
        let valid = secure && has_path && text.len() <= Self::MAX_BYTES && is_plain(before) && is_plain(after);
        valid.then(|| Self(text.to_owned()))
    }

    /// The link to a page that an application names: the token goes to the end of its query, as `tokenId`, where the
    /// pages of existing clients look for it. `None` when the URL breaks [`Self::PAGE_RULE`]: the token must be told to
    /// nobody but the host that the mail's reader can see in it.
    #[must_use]
    pub fn to_page(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, page) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host = host(authority)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => ["localhost", "127.0.0.1", "[::1]"].contains(&host.to_ascii_lowercase().as_str()),
            _ => false,
        };
        let valid = secure && url.len() <= Self::MAX_PAGE_BYTES && is_plain(page) && !page.contains('#');
        let sign = match page {
            page if page.ends_with(['?', '&']) => "",
            page if page.contains('?') => "&",
            _ => "?",
        };
        valid.then(|| Self(format!("{url}{sign}tokenId={}", Self::PLACE)))
    }

    fn with(&self, token: &Token) -> Zeroizing<String> {
        Zeroizing::new(self.0.replace(Self::PLACE, token.expose_secret()))
    }
}

/// Whether a part of a URL holds nothing that would have to be encoded, or could end it inside of a mail.
fn is_plain(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'{' | b'}'))
}

/// The host of a URL's authority; `None` where there is anything but a host and a port: readers of URLs disagree about
/// the rest.
fn host(authority: &str) -> Option<&str> {
    let (host, port) = match authority.find(']').map(|end| authority.split_at(end + 1)) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':')?)),
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let named = |host: &str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let known = address.map_or_else(|| named(host), |address| address.parse::<Ipv6Addr>().is_ok());
    let ported = port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    (known && ported).then_some(host)
}

/// What a person is to be told, and what is sent where there is nobody to be told.
pub enum Message {
    /// How to set a new password.
    PasswordReset(Letter),
    /// How to show that the address is one's own.
    EmailVerification(Letter),
    /// Nothing: somebody asked to reset a password, and there is nobody to be told of it.
    PasswordResetNotSent,
}

/// A token for the person who reads an account's mail.
pub struct Letter {
    tenant: String,
    user: String,
    username: String,
    email: String,
    token: Token,
    link: Option<Zeroizing<String>>,
    expires: Timestamp,
}

impl Letter {
    /// A letter to `user` at `email` with the `text` of a token, and a link to `page` if there is one.
    #[must_use]
    pub fn new(user: &User, email: &Email, token: &OneTime, text: Token, page: Option<&Link>) -> Self {
        Self {
            tenant: user.tenant.as_str().to_owned(),
            user: user.id.as_str().to_owned(),
            username: user.name.as_str().to_owned(),
            email: email.as_str().to_owned(),
            link: page.map(|page| page.with(&text)),
            token: text,
            expires: token.expires,
        }
    }

    fn members(&self) -> Map<String, Value> {
        let link = self.link.as_ref().map(|link| ("link", link.to_string()));
        let members = [
            ("tenant", self.tenant.clone()),
            ("userId", self.user.clone()),
            ("username", self.username.clone()),
            ("email", self.email.clone()),
            ("token", self.token.expose_secret().to_owned()),
            ("expires", format!("{}Z", self.expires.as_zoneless())),
        ];
        members.into_iter().chain(link).map(|(name, text)| (name.to_owned(), Value::String(text))).collect()
    }
}

impl Message {
    /// The event's detail type, by which rules choose.
    #[must_use]
    pub fn detail_type(&self) -> &'static str {
        match self {
            Self::PasswordReset(_) => "PasswordResetRequested",
            Self::EmailVerification(_) => "EmailVerificationRequested",
            Self::PasswordResetNotSent => "PasswordResetNotSent",
        }
    }

    /// The event's detail: a JSON object, filled up to [`EVENT_BYTES`].
    #[must_use]
    pub fn detail(&self) -> Zeroizing<String> {
        let mut members = match self {
            Self::PasswordReset(letter) | Self::EmailVerification(letter) => letter.members(),
            Self::PasswordResetNotSent => Map::new(),
        };
        members.insert("padding".to_owned(), Value::String(String::new()));
        let taken = Self::taken(self.detail_type(), &Value::Object(members.clone()).to_string());
        let padding = ".".repeat(EVENT_BYTES.saturating_sub(taken));
        members.insert("padding".to_owned(), Value::String(padding));
        Zeroizing::new(Value::Object(members).to_string())
    }

    /// The bytes that an event takes inside of a request, where its detail is a text once more.
    #[must_use]
    pub fn taken(detail_type: &str, detail: &str) -> usize {
        Value::from(detail_type).to_string().len() + Value::from(detail).to_string().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::one_time::Purpose;
    use crate::testing::{SeededRandom, user};
    use crate::user::{UserId, UserName};

    fn letter(owner: &User, page: Option<&Link>) -> Letter {
        let (token, text) = OneTime::issue(owner, Purpose::Verify, owner.created, &SeededRandom::new(1));
        Letter::new(owner, owner.email.as_ref().unwrap(), &token, text, page)
    }

    fn taken(message: &Message) -> usize {
        Message::taken(message.detail_type(), &message.detail())
    }

    #[test]
    fn every_message_is_of_one_size() {
        let page = Link::parse(&format!("https://example.com/{}#{{token}}", "x".repeat(480))).unwrap();
        let longest = Link::to_page(&format!("https://example.com/{}", "x".repeat(Link::MAX_PAGE_BYTES - 20))).unwrap();
        let short = User { email: Email::parse("a@b.c"), ..user("u") };
        let strange = Email::parse(&format!("{}@x", "\"\\".repeat(120))).unwrap();
        let long = User {
            id: UserId::parse(&"x".repeat(48)).unwrap(),
            name: UserName::parse(&"\"\\\u{1f600}\u{fb03}".repeat(20)).unwrap(),
            email: Some(strange),
            ..user("u")
        };
        for message in [
            Message::PasswordResetNotSent,
            Message::PasswordReset(letter(&short, None)),
            Message::PasswordReset(letter(&short, Some(&page))),
            Message::EmailVerification(letter(&long, Some(&page))),
            Message::EmailVerification(letter(&long, Some(&longest))),
        ] {
            assert_eq!(taken(&message), EVENT_BYTES, "{}", message.detail_type());
        }
    }

    #[test]
    fn a_letter_holds_what_a_mail_needs_and_the_other_message_nothing() {
        let owner = User { email: Email::parse("A@example.com"), ..user("u-1") };
        let page = Link::parse("https://example.com/reset#t={token}").unwrap();
        let letter = letter(&owner, Some(&page));
        let token = letter.token.expose_secret().to_owned();
        let mut detail: Value = serde_json::from_str(&Message::PasswordReset(letter).detail()).unwrap();
        let _ = detail.as_object_mut().unwrap().remove("padding");
        let expected = serde_json::json!({
            "tenant": "demo", "userId": "u-1", "username": "name-of-u-1", "email": "A@example.com", "token": token,
            "expires": "2023-11-15T22:13:20Z", "link": format!("https://example.com/reset#t={token}"),
        });
        assert_eq!(detail, expected);
        let nothing: Value = serde_json::from_str(&Message::PasswordResetNotSent.detail()).unwrap();
        assert_eq!(nothing.as_object().unwrap().keys().collect::<Vec<_>>(), ["padding"]);
    }

    #[test]
    fn a_page_that_would_tell_the_token_to_others_is_refused() {
        for good in [
            "https://example.com/reset?token={token}",
            "https://example.com/#{token}",
            "http://localhost:8080/reset/{token}",
            "http://127.0.0.1:9/{token}/x",
        ] {
            assert!(Link::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "https://example.com/reset",
            "http://example.com/{token}",
            "http://localhost.example.com/{token}",
            "https://{token}.example.com/",
            "https://example.com{token}",
            "https://example.com/{token}/{token}",
            "https://example.com/{token} x",
            "https://example.com/\"{token}",
            "https://example.com/{{token}}",
            "javascript:alert({token})",
            &format!("https://example.com/{}{{token}}", "x".repeat(500)),
        ] {
            assert!(Link::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_added_to_the_query_of_an_applications_page() {
        for (page, link) in [
            ("https://example.com/reset", "https://example.com/reset?tokenId={token}"),
            ("https://example.com", "https://example.com?tokenId={token}"),
            ("https://example.com/?", "https://example.com/?tokenId={token}"),
            ("https://example.com/a?b=c", "https://example.com/a?b=c&tokenId={token}"),
            ("https://example.com?b=c&", "https://example.com?b=c&tokenId={token}"),
            ("HTTPS://Example.com:8443/a;b=c/@d?e=%20", "HTTPS://Example.com:8443/a;b=c/@d?e=%20&tokenId={token}"),
            ("https://[2001:db8::1]:443/x", "https://[2001:db8::1]:443/x?tokenId={token}"),
            ("http://localhost/x", "http://localhost/x?tokenId={token}"),
            ("http://LOCALHOST:8080", "http://LOCALHOST:8080?tokenId={token}"),
            ("http://127.0.0.1:9/x", "http://127.0.0.1:9/x?tokenId={token}"),
            ("http://[::1]/x", "http://[::1]/x?tokenId={token}"),
        ] {
            assert_eq!(Link::to_page(page), Some(Link(link.to_owned())), "{page}");
        }
    }

    #[test]
    fn an_applications_page_that_would_tell_the_token_to_others_is_refused() {
        let long = |length: usize| format!("https://example.com/{}", "x".repeat(length - 20));
        assert!(Link::to_page(&long(2048)).is_some());
        for bad in [
            "",
            "example.com/reset",
            "//example.com/reset",
            "https:/example.com",
            "https://",
            "https:///reset",
            "https://:443/",
            "ftp://example.com/",
            "javascript://example.com/%0aalert(1)",
            " https://example.com/",
            "https://example.com/ ",
            "http://example.com/",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://localhost@example.com/",
            "http://127.1/",
            "https://user@example.com/",
            "https://user:password@example.com/",
            "https://example.com:80@evil.example/",
            "https://example.com\\@evil.example/",
            "https://example.com/\\evil",
            "https://example.com#@evil.example/",
            "https://example.com/#part",
            "https://example.com/?a#part",
            "https://ex%61mple.com/",
            "https://\u{fc}ber.example/",
            "https://example.com/\u{fc}",
            "https://example.com/a b",
            "https://example.com/\r\nBcc: x",
            "https://example.com/\0",
            "https://example.com/\"onclick=",
            "https://example.com/<b>",
            "https://example.com/{token}",
            "https://example.com:/",
            "https://example.com:port/",
            "https://example.com:+80/",
            "https://example.com:65536/",
            "https://[::1/",
            "https://::1/",
            "https://[::1]x/",
            "https://[example.com]/",
            "https://a[::1]/",
            &long(2049),
        ] {
            assert!(Link::to_page(bad).is_none(), "{bad:?}");
        }
    }
}
