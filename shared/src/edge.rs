//! What may stand in front of the API: a `CloudFront` distribution with AWS WAF, which can't be attached to an HTTP API.
//!
//! Invariant: what a request says of itself in the two headers of the edge is believed only beside the edge's secret, and
//! without the secret nobody gets past [`Mode::Require`]. So WAF can't be gone around, and an address that lockout
//! counts by can't be made up.

use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::secret::Token;

/// The header by which the edge shows its secret.
pub const SECRET_HEADER: &str = "x-ostiary-edge";

/// The header in which the edge tells the address that a request comes from.
pub const VIEWER_HEADER: &str = "x-ostiary-viewer";

/// What becomes of requests that didn't come through the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They are taken, as if there were no edge: while names still lead around it, and while its secret changes.
    Accept,
    /// They are refused.
    Require,
}

/// What stands in front of the API.
#[derive(Clone)]
pub struct Edge {
    secret: Token,
    mode: Mode,
}

/// Without the secret.
impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge").field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// What a request's headers show of its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through the edge, from this address, if the edge told one.
    Through(Option<IpAddr>),
    /// Around it, which is allowed.
    Around,
    /// Around it, which is not.
    Refused,
}

impl Edge {
    /// What a secret has to be, as a predicate.
    pub const RULE: &str = "must be none or 32 to 128 letters and digits";

    /// The edge that shows `secret`; `None` where that breaks [`Self::RULE`].
    #[must_use]
    pub fn new(secret: &str, mode: Mode) -> Option<Self> {
        let valid = (32..=128).contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        valid.then(|| Self { secret: Token::new(secret.to_owned()), mode })
    }

    /// Judges a request by all values that it has for each of the two headers. API Gateway joins the values of a doubled
    /// header by commas, so two secrets are a wrong one, and two addresses are none.
    #[must_use]
    pub fn way(&self, secrets: &[&str], viewers: &[&str]) -> Way {
        match (secrets, self.mode) {
            ([shown], _) if self.is_secret(shown) => Way::Through(match viewers {
                [viewer] => viewer.parse().ok(),
                _ => None,
            }),
            (_, Mode::Accept) => Way::Around,
            (_, Mode::Require) => Way::Refused,
        }
    }

    /// In constant time, so that nobody finds it character by character.
    fn is_secret(&self, shown: &str) -> bool {
        verify_slices_are_equal(shown.as_bytes(), self.secret.expose_secret().as_bytes()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01";

    fn edge(mode: Mode) -> Edge {
        Edge::new(SECRET, mode).unwrap()
    }

    #[test]
    fn only_the_whole_secret_shown_once_is_the_secret() {
        let doubled = format!("{SECRET},{SECRET}");
        let longer = format!("{SECRET}0");
        let spaced = format!(" {SECRET}");
        let other_case = SECRET.to_lowercase();
        let mut last = SECRET.to_owned();
        last.replace_range(63.., "2");
        let viewers: &[&str] = &["203.0.113.7"];
        for (mode, otherwise) in [(Mode::Require, Way::Refused), (Mode::Accept, Way::Around)] {
            let edge = edge(mode);
            assert_eq!(edge.way(&[SECRET], viewers), Way::Through("203.0.113.7".parse().ok()));
            let wrong: [&[&str]; 9] = [
                &[],
                &[""],
                &[&SECRET[..63]],
                &[&longer],
                &[&last],
                &[&other_case],
                &[&spaced],
                &[&doubled],
                &[SECRET, SECRET],
            ];
            for shown in wrong {
                assert_eq!(edge.way(shown, viewers), otherwise, "{mode:?} {shown:?}");
            }
        }
    }

    #[test]
    fn an_address_is_told_once_or_not_at_all() {
        let told = |viewers: &[&str]| match edge(Mode::Require).way(&[SECRET], viewers) {
            Way::Through(address) => address.map(|address| address.to_string()),
            other => panic!("{other:?}"),
        };
        assert_eq!(told(&["2001:db8::7"]).as_deref(), Some("2001:db8::7"));
        for odd in ["203.0.113.7, 10.0.0.1", "203.0.113.7,203.0.113.7", "203.0.113.7:443", "localhost", "", "0x7f.1"] {
            assert_eq!(told(&[odd]), None, "{odd}");
        }
        assert_eq!(told(&[]), None);
        assert_eq!(told(&["203.0.113.7", "203.0.113.7"]), None);
    }

    #[test]
    fn a_secret_that_could_be_guessed_or_joined_is_none() {
        assert!(Edge::new(&"a".repeat(32), Mode::Require).is_some());
        assert!(Edge::new(&"a".repeat(128), Mode::Require).is_some());
        let dynamic = format!("{{{{resolve:secretsmanager:{SECRET}:SecretString}}}}");
        for bad in
            ["", "none", &"a".repeat(31), &"a".repeat(129), &format!("{SECRET},"), &format!("{SECRET} "), &dynamic]
        {
            assert!(Edge::new(bad, Mode::Require).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert_eq!(format!("{:?}", edge(Mode::Require)), "Edge { mode: Require, .. }");
    }
}
