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
use crate::keyring::{Algorithm, Key, KeySet, Keyring, KeyringError};
use crate::random::Random;
use crate::secret::{Digest, Token};
use crate::tenant::{Settings, TenantName};
use crate::ticket::{Lineage, Ticket};
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
    /// Where it stands among the renewals of the ticket, from `jti`: a renewal ends it by raising its branch's count.
    pub lineage: Lineage,
    /// `tenant`.
    pub tenant: TenantName,
    /// `roles`, as they were when it was made.
    pub roles: Vec<String>,
    /// `jti`.
    pub id: String,
    /// `iat`.
    pub issued: Timestamp,
    /// `exp`.
    pub expires: Timestamp,
}

/// Whom a JWT is made for.
#[derive(Clone, Copy)]
pub struct Bearer<'a> {
    /// Who.
    pub user: &'a User,
    /// The ticket that it names.
    pub ticket: &'a Ticket,
    /// Where it stands among the renewals of the ticket.
    pub lineage: Lineage,
    /// What the user's tenant allows to sign with; empty for anything.
    pub algorithms: &'a [Algorithm],
}

impl<'a> Bearer<'a> {
    /// The bearer of a new ticket's first JWT.
    #[must_use]
    pub fn first(user: &'a User, ticket: &'a Ticket) -> Self {
        Self { user, ticket, lineage: Lineage::default(), algorithms: &[] }
    }

    /// The same under the rules of the user's tenant.
    #[must_use]
    pub fn under(self, settings: &'a Settings) -> Self {
        Self { algorithms: &settings.algorithms, ..self }
    }
}

/// A JWT that was just made.
pub struct Minted {
    /// Its text.
    pub jwt: Token,
    /// Its `exp`, which may be earlier than was asked for.
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

/// Signs a JWT for `bearer` that ends at `expires`, at its ticket's end, or where its key stops to
/// verify, whichever comes first: a JWT never outlives what it rests on.
pub async fn mint(
    keyring: &Keyring,
    party: &Party,
    bearer: Bearer<'_>,
    now: Timestamp,
    expires: Timestamp,
    random: &dyn Random,
) -> Result<Minted, KeyringError> {
    let Bearer { user, ticket, lineage, algorithms } = bearer;
    let keys = keyring.current().await?;
    let key = signing_key(&keys, algorithms, now)?;
    let ends = [Some(expires), Some(ticket.expires), key.verify_until];
    let expires = ends.into_iter().flatten().min().unwrap_or(expires);
    let claims = Claims {
        iss: party.issuer.clone(),
        sub: user.id.as_str().to_owned(),
        aud: party.audience.clone(),
        exp: expires.as_seconds(),
        iat: now.as_seconds(),
        nbf: None,
        jti: format!("{}.{}.{}", lineage.branch, lineage.generation, URL_SAFE_NO_PAD.encode(random.bytes::<16>())),
        sid: ticket.key.digest.to_base64url(),
        tenant: user.tenant.as_str().to_owned(),
        roles: user.roles.clone(),
    };
    Ok(Minted { jwt: sign(key, &claims)?, expires: Timestamp::from_seconds(claims.exp) })
}

/// The key that signs for a tenant that allows these algorithms; none of them means any. A key that waits for its turn
/// or had it does not step in for one that is not allowed: that would hide a setting that nothing fits.
pub fn signing_key<'a>(keys: &'a KeySet, algorithms: &[Algorithm], now: Timestamp) -> Result<&'a Key, KeyringError> {
    let key = keys.signing_key(now).ok_or(KeyringError::NoneSigns)?;
    let allowed = algorithms.is_empty() || algorithms.contains(&key.algorithm());
    if allowed { Ok(key) } else { Err(KeyringError::NotAllowed(key.algorithm())) }
}

fn sign(key: &Key, claims: &Claims) -> Result<Token, KeyringError> {
    let header = Header { alg: key.algorithm().as_str().to_owned(), typ: TYPE.to_owned(), kid: key.kid().to_owned() };
    let part = |json: Result<Vec<u8>, _>| json.map(|json| URL_SAFE_NO_PAD.encode(json));
    let (Ok(header), Ok(claims)) = (part(serde_json::to_vec(&header)), part(serde_json::to_vec(claims))) else {
        return Err(KeyringError::Signing);
    };
    let message = format!("{header}.{claims}");
    let signature = key.sign(message.as_bytes()).ok_or(KeyringError::Signing)?;
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    if token.len() > MAX_JWT_BYTES { Err(KeyringError::TooLong) } else { Ok(Token::new(token)) }
}

/// Checks a JWT's form, signature and claims. The caller still has to ask for the ticket.
pub async fn verify(keyring: &Keyring, party: &Party, text: &str, now: Timestamp) -> Result<Verified, Rejection> {
    verify_for(Purpose::Use, keyring, party, text, now).await
}

/// What a JWT is verified for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To act by it.
    Use,
    /// To end it. Then it may be over by this environment's clock, or not have begun, as long as it may be good by that of
    /// another one: else its end would be acknowledged without being done, and it would go on there.
    End,
}

/// How far the clocks of two environments may be apart: each is within [`LEEWAY`] of the right time.
const APART: Duration = Duration::from_secs(2 * LEEWAY.as_secs());

impl Purpose {
    /// The time by which it is judged whether something has begun.
    fn soon(self, now: Timestamp) -> Timestamp {
        now.plus(match self {
            Self::Use => LEEWAY,
            Self::End => APART,
        })
    }

    /// The time by which it is judged whether something is over.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Use => now,
            Self::End => now.minus(APART),
        }
    }
}

/// [`verify`], for a purpose.
pub async fn verify_for(
    purpose: Purpose,
    keyring: &Keyring,
    party: &Party,
    text: &str,
    now: Timestamp,
) -> Result<Verified, Rejection> {
    let token = Parts::split(text)?;
    let header: Header = decode(token.header).ok_or(Rejection::Invalid("header"))?;
    if header.typ != TYPE {
        return Err(Rejection::Invalid("typ"));
    }
    let keys = keyring.for_kid(&header.kid).await.map_err(Rejection::Keys)?;
    let key = keys.verifying_key(&header.kid, now).ok_or(Rejection::Invalid("kid"))?;
    if header.alg != key.algorithm().as_str() {
        return Err(Rejection::Invalid("alg"));
    }
    let signature = URL_SAFE_NO_PAD.decode(token.signature).map_err(|_| Rejection::Invalid("signature_encoding"))?;
    if !key.verifies(token.signed.as_bytes(), &signature) {
        return Err(Rejection::Invalid("signature"));
    }
    let claims: Claims = decode(token.claims).ok_or(Rejection::Invalid("claims"))?;
    check(purpose, claims, party, now)
}

/// The three parts of a compact serialisation (RFC 7515, section 7.1), still encoded.
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

fn check(purpose: Purpose, claims: Claims, party: &Party, now: Timestamp) -> Result<Verified, Rejection> {
    let soon = purpose.soon(now).as_seconds();
    if claims.iss != party.issuer {
        return Err(Rejection::Invalid("iss"));
    }
    if claims.aud != party.audience {
        return Err(Rejection::Invalid("aud"));
    }
    if purpose.at(now).as_seconds() >= claims.exp {
        return Err(Rejection::Invalid("exp"));
    }
    if claims.iat > soon {
        return Err(Rejection::Invalid("iat"));
    }
    if claims.nbf.is_some_and(|nbf| nbf > soon) {
        return Err(Rejection::Invalid("nbf"));
    }
    Ok(Verified {
        user: UserId::parse(&claims.sub).ok_or(Rejection::Invalid("sub"))?,
        ticket: Digest::from_base64url(&claims.sid).ok_or(Rejection::Invalid("sid"))?,
        lineage: lineage(&claims.jti).ok_or(Rejection::Invalid("jti"))?,
        tenant: TenantName::parse(&claims.tenant).ok_or(Rejection::Invalid("tenant"))?,
        roles: claims.roles,
        id: claims.jti,
        issued: Timestamp::from_seconds(claims.iat),
        expires: Timestamp::from_seconds(claims.exp),
    })
}

/// Branch and generation in front of a `jti`'s random part, in their one spelling.
fn lineage(jti: &str) -> Option<Lineage> {
    let (branch, rest) = jti.split_once('.')?;
    let (generation, random) = rest.split_once('.')?;
    let lineage = Lineage { branch: branch.parse().ok()?, generation: generation.parse().ok()? };
    let spelt = lineage.branch.to_string() == branch && lineage.generation.to_string() == generation;
    (spelt && !random.is_empty()).then_some(lineage)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::keyring::{Algorithm, KeySet};
    use crate::source::Source;
    use crate::testing::{FrozenClock, SeededRandom, StubKeySource, user};
    use crate::ticket::{Limits, Origin};

    const LIFE: Duration = Duration::from_secs(3600);

    struct Signer {
        keyring: Keyring,
        party: Party,
        clock: FrozenClock,
    }

    fn signer(algorithm: Algorithm) -> Signer {
        let clock = FrozenClock::default();
        let keyring = Keyring::new(StubKeySource::new(algorithm), Arc::new(clock.clone()));
        let party = Party { issuer: "https://auth.example.com".to_owned(), audience: "api".to_owned() };
        Signer { keyring, party, clock }
    }

    impl Signer {
        fn now(&self) -> Timestamp {
            crate::clock::Clock::now(&self.clock)
        }

        fn ticket(&self, owner: &User) -> Ticket {
            let limits = Limits { idle: None, absolute: LIFE };
            Ticket::issue(owner, Origin::Login, limits, Source::default(), self.now(), &SeededRandom::new(1)).0
        }

        async fn token(&self) -> Token {
            let owner = user("u-1");
            let ticket = self.ticket(&owner);
            let far = self.now().plus(10 * LIFE);
            let bearer = Bearer::first(&owner, &ticket);
            let minted = mint(&self.keyring, &self.party, bearer, self.now(), far, &SeededRandom::new(2)).await;
            minted.unwrap().jwt
        }

        async fn verify(&self, text: &str) -> Result<Verified, Rejection> {
            verify(&self.keyring, &self.party, text, self.now()).await
        }
    }

    #[tokio::test]
    async fn what_is_minted_is_accepted_until_its_last_second() {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
            let signer = signer(algorithm);
            let token = signer.token().await;
            let verified = signer.verify(token.expose_secret()).await.unwrap();
            assert_eq!((verified.user.as_str(), verified.tenant.as_str()), ("u-1", "demo"));
            signer.clock.advance(Duration::from_secs(3599));
            assert!(signer.verify(token.expose_secret()).await.is_ok(), "{algorithm:?}");
            signer.clock.advance(Duration::from_secs(1));
            let late = signer.verify(token.expose_secret()).await;
            assert!(matches!(late, Err(Rejection::Invalid("exp"))), "{algorithm:?}: never beyond its ticket");
        }
    }

    #[tokio::test]
    async fn the_header_holds_three_members_and_the_claims_are_those_of_the_contract() {
        let token = signer(Algorithm::Es256).token().await;
        let part = |index| {
            let part = token.expose_secret().split('.').nth(index).unwrap();
            serde_json::from_slice::<serde_json::Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        let names =
            |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(names(&part(0)), "alg kid typ");
        assert_eq!(part(0)["typ"], "at+jwt");
        assert_eq!(names(&part(1)), "aud exp iat iss jti roles sid sub tenant");
    }

    #[tokio::test]
    async fn a_token_from_a_clock_that_runs_ahead_is_accepted_for_five_seconds() {
        let signer = signer(Algorithm::EdDsa);
        let token = signer.token().await;
        let issued = signer.now();
        signer.clock.set(Timestamp::from_seconds(issued.as_seconds() - 5));
        assert!(signer.verify(token.expose_secret()).await.is_ok());
        signer.clock.set(Timestamp::from_seconds(issued.as_seconds() - 6));
        assert!(matches!(signer.verify(token.expose_secret()).await, Err(Rejection::Invalid("iat"))));
    }

    #[tokio::test]
    async fn a_token_that_nobody_would_accept_is_not_minted() {
        let signer = signer(Algorithm::EdDsa);
        let owner = User { roles: vec!["r".repeat(MAX_JWT_BYTES)], ..user("u-1") };
        let ticket = signer.ticket(&owner);
        let (party, now) = (&signer.party, signer.now());
        let bearer = Bearer::first(&owner, &ticket);
        let minted = mint(&signer.keyring, party, bearer, now, ticket.expires, &SeededRandom::new(2)).await;
        assert!(matches!(minted, Err(KeyringError::TooLong)));
    }

    #[tokio::test]
    async fn a_token_never_outlives_the_key_that_signed_it() {
        let signer = signer(Algorithm::EdDsa);
        let text = KeySet::generate(Algorithm::EdDsa, signer.now()).unwrap();
        let mut keys: serde_json::Value = serde_json::from_str(&text).unwrap();
        keys["keys"][0]["verify_until"] = (signer.now().as_seconds() + 60).into();
        let source = StubKeySource::new(Algorithm::EdDsa);
        source.answer(&keys.to_string());
        let keyring = Keyring::new(source, Arc::new(signer.clock.clone()));
        let (owner, now) = (user("u-1"), signer.now());
        let ticket = signer.ticket(&owner);
        let minted =
            mint(&keyring, &signer.party, Bearer::first(&owner, &ticket), now, ticket.expires, &SeededRandom::new(2))
                .await
                .unwrap();
        assert_eq!(minted.expires, now.plus(Duration::from_secs(60)));
        assert_eq!(
            verify(&keyring, &signer.party, minted.jwt.expose_secret(), now).await.unwrap().expires,
            minted.expires
        );
    }

    #[test]
    fn a_lineage_has_one_spelling() {
        assert_eq!(lineage("0.0.x"), Some(Lineage::default()));
        assert_eq!(lineage("3.12.x"), Some(Lineage { branch: 3, generation: 12 }));
        for number in ["", "+1", "01", "-1", " 1", "1e3", "99999999999999999999"] {
            assert_eq!(lineage(&format!("{number}.1.x")), None, "{number}");
            assert_eq!(lineage(&format!("1.{number}.x")), None, "{number}");
        }
        for bad in ["", "1", "1.1", "1.1.", "1.x", "x"] {
            assert_eq!(lineage(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn another_stack_s_token_is_refused() {
        let (ours, theirs) = (signer(Algorithm::EdDsa), signer(Algorithm::EdDsa));
        let token = theirs.token().await;
        assert!(matches!(ours.verify(token.expose_secret()).await, Err(Rejection::Invalid("kid"))));
    }
}
