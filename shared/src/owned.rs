//! The text of credentials that lead to their owner: base64url of the user id and 256 random bits. Tickets and one-time
//! tokens have it, so that a credential and its user are read together.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::random::Random;
use crate::secret::{Digest, Token};
use crate::user::UserId;

const RANDOM_BYTES: usize = 32;
const MAX_CHARS: usize = 128;

/// Makes a text for `owner`.
pub(crate) fn issue(owner: &UserId, random: &dyn Random) -> Token {
    let mut bytes = owner.as_str().as_bytes().to_vec();
    bytes.extend(random.bytes::<RANDOM_BYTES>());
    Token::new(URL_SAFE_NO_PAD.encode(bytes))
}

/// Whose a text is, and its digest. `None` when it can't be one of ours, so that junk costs no store call.
pub(crate) fn read(text: &str) -> Option<(UserId, Digest)> {
    if text.len() > MAX_CHARS {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let id = bytes.get(..bytes.len().checked_sub(RANDOM_BYTES)?)?;
    let owner = UserId::parse(std::str::from_utf8(id).ok()?)?;
    Some((owner, Digest::of(text.as_bytes())))
}
