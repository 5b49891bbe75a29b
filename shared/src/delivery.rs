//! How a message leaves for a person: as an event on the stack owner's bus, whose rules turn it into mail. Ostiary itself
//! sends none.
//!
//! Invariant: a message for somebody and one for nobody are events of the same size, so that neither the time of the
//! call nor its metrics tell them apart.

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

    const MAX_BYTES: usize = 512;

    /// Reads a page's URL; `None` when it breaks [`Self::RULE`]. Plain HTTP is for this machine only: the token is as
    /// good as a password.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let secure = ["https://", "http://127.0.0.1:", "http://localhost:"].iter().any(|start| text.starts_with(start));
        let (before, after) = text.split_once(Self::PLACE)?;
        let plain = |part: &str| {
            part.bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'{' | b'}'))
        };
        // A token that is part of the host would be told to whoever resolves it.
        let has_path = before.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?', '#']));
        let valid = secure && has_path && text.len() <= Self::MAX_BYTES && plain(before) && plain(after);
        valid.then(|| Self(text.to_owned()))
    }

    fn with(&self, token: &Token) -> Zeroizing<String> {
        Zeroizing::new(self.0.replace(Self::PLACE, token.expose_secret()))
    }
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
}
