//! JWTs: short-lived signed proofs of a ticket, in the form of RFC 9068 access tokens.
//!
//! Invariant: what is accepted is exactly what this crate makes. The header holds `alg`, `typ` and `kid` and nothing
//! else, the algorithm is the key's own and never the token's choice, every claim is present and of its type, and a
//! good signature alone opens nothing: the ticket named by `sid` is asked too (RFC 8725; [`crate::authorize`]).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::keyring::{KeySet, Keyring, KeyringError};
use crate::random::Random;
use crate::secret::{Digest, Token};
use crate::tenant::TenantName;
use crate::ticket::Ticket;
use crate::user::{User, UserId};

/// The longest JWT that is looked at, in bytes.
pub const MAX_JWT_BYTES: usize = 8192;

/// How far another environment's clock may run ahead of ours: for `iat` and `nbf`. `exp` has no leeway.
pub const LEEWAY: Duration = Duration::from_secs(5);

const TYPE: &str = "at+jwt";

/// Who signs, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// `iss`: this stack, as the URL under which its discovery document is found.
    pub issuer: String,
    /// `aud`: the services that the tokens are for.
    pub audience: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
    iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "present")]
    nbf: Option<i64>,
    jti: String,
    sid: String,
    tenant: String,
    roles: Vec<String>,
}

/// An optional claim that may be absent, but not null.
mod present {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: Serializer>(value: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        i64::deserialize(deserializer).map(Some)
    }
}

/// What a JWT that was accepted says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// `sub`.
    pub user: UserId,
    /// `sid`: the digest of the ticket that it lives and dies with.
    pub ticket: Digest,
    /// `tenant`.
    pub tenant: TenantName,
    /// `exp`.
    pub expires: Timestamp,
}

/// Why a JWT was not accepted.
#[derive(Debug)]
pub enum Rejection {
    /// It is not a live token of ours: a refusal. Carries the reason, for the log only.
    Invalid(&'static str),
    /// It could not be judged: an outage.
    Keys(KeyringError),
}

/// Signs a JWT for `user` that names `ticket` and ends at `expires`, which must not be later than the ticket's end.
pub async fn mint(
    keyring: &Keyring,
    party: &Party,
    user: &User,
    ticket: &Ticket,
    now: Timestamp,
    expires: Timestamp,
    random: &dyn Random,
) -> Result<Token, KeyringError> {
    let keys = keyring.current().await?;
    let claims = Claims {
        iss: party.issuer.clone(),
        sub: user.id.as_str().to_owned(),
        aud: party.audience.clone(),
        exp: expires.min(ticket.expires).as_seconds(),
        iat: now.as_seconds(),
        nbf: None,
        jti: URL_SAFE_NO_PAD.encode(random.bytes::<16>()),
        sid: ticket.key.digest.to_base64url(),
        tenant: user.tenant.as_str().to_owned(),
        roles: user.roles.clone(),
    };
    sign(&keys, &claims, now)
}

fn sign(keys: &KeySet, claims: &Claims, now: Timestamp) -> Result<Token, KeyringError> {
    let key = keys.signing_key(now).ok_or(KeyringError::NoneSigns)?;
    let header = Header { alg: key.algorithm().as_str().to_owned(), typ: TYPE.to_owned(), kid: key.kid().to_owned() };
    let part = |json: Result<Vec<u8>, _>| json.map(|json| URL_SAFE_NO_PAD.encode(json));
    let (Ok(header), Ok(claims)) = (part(serde_json::to_vec(&header)), part(serde_json::to_vec(claims))) else {
        return Err(KeyringError::Signing);
    };
    let message = format!("{header}.{claims}");
    let signature = key.sign(message.as_bytes()).ok_or(KeyringError::Signing)?;
    Ok(Token::new(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

/// Checks a JWT's form, signature and claims. The caller still has to ask for the ticket.
pub async fn verify(keyring: &Keyring, party: &Party, text: &str, now: Timestamp) -> Result<Verified, Rejection> {
    let parts = Parts::split(text)?;
    let header: Header = decode(parts.header).ok_or(Rejection::Invalid("header"))?;
    if header.typ != TYPE {
        return Err(Rejection::Invalid("typ"));
    }
    let keys = keyring.for_kid(&header.kid).await.map_err(Rejection::Keys)?;
    let key = keys.verifying_key(&header.kid, now).ok_or(Rejection::Invalid("kid"))?;
    if header.alg != key.algorithm().as_str() {
        return Err(Rejection::Invalid("alg"));
    }
    let signature = URL_SAFE_NO_PAD.decode(parts.signature).map_err(|_| Rejection::Invalid("signature encoding"))?;
    if !key.verifies(parts.signed.as_bytes(), &signature) {
        return Err(Rejection::Invalid("signature"));
    }
    let claims: Claims = decode(parts.claims).ok_or(Rejection::Invalid("claims"))?;
    check(&claims, party, now)
}

/// The key id of a text that has a JWT's form, so that one that can't be ours is told without any key.
struct Parts<'a> {
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
    signed: &'a str,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, Rejection> {
        if text.len() > MAX_JWT_BYTES {
            return Err(Rejection::Invalid("length"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Rejection::Invalid("form"))?;
        let (header, claims) = signed.split_once('.').ok_or(Rejection::Invalid("form"))?;
        if claims.contains('.') {
            return Err(Rejection::Invalid("form"));
        }
        Ok(Self { header, claims, signature, signed })
    }
}

/// Strict base64url of a JSON object. Serde would take an array for a struct, so the brace is asked for.
fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    let json = URL_SAFE_NO_PAD.decode(part).ok()?;
    if json.first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(&json).ok()
}

fn check(claims: &Claims, party: &Party, now: Timestamp) -> Result<Verified, Rejection> {
    let soon = now.plus(LEEWAY).as_seconds();
    if claims.iss != party.issuer {
        return Err(Rejection::Invalid("iss"));
    }
    if claims.aud != party.audience {
        return Err(Rejection::Invalid("aud"));
    }
    if now.as_seconds() >= claims.exp {
        return Err(Rejection::Invalid("exp"));
    }
    if claims.iat > soon {
        return Err(Rejection::Invalid("iat"));
    }
    if claims.nbf.is_some_and(|nbf| nbf > soon) {
        return Err(Rejection::Invalid("nbf"));
    }
    if claims.jti.is_empty() {
        return Err(Rejection::Invalid("jti"));
    }
    Ok(Verified {
        user: UserId::parse(&claims.sub).ok_or(Rejection::Invalid("sub"))?,
        ticket: Digest::from_base64url(&claims.sid).ok_or(Rejection::Invalid("sid"))?,
        tenant: TenantName::parse(&claims.tenant).ok_or(Rejection::Invalid("tenant"))?,
        expires: Timestamp::from_seconds(claims.exp),
    })
}
