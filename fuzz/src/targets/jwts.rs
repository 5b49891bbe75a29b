//! JWTs: as somebody without a key writes them, and as somebody with a key of ours does.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt as _;
use serde_json::Value;
use shared::clock::Timestamp;
use shared::jwt::{Bearer, MAX_JWT_BYTES, Party, Purpose, Rejection, Verified, mint, verify_for};
use shared::keyring::{Algorithm, KeySet, Keyring};
use shared::source::Source;
use shared::testing::{FrozenClock, SeededRandom, StubKeySource, user};
use shared::ticket::{Limits, Origin, Ticket};
use tests::world::keyset;

use crate::scene;

pub const WORDS: &[&str] = &[
    "{ed}",
    "{es}",
    "{ed-header}",
    "{ed-claims}",
    "{ed-signature}",
    "{es-header}",
    "{es-claims}",
    "{es-signature}",
    ".",
    "..",
    "eyJhbGciOiJub25lIn0",
    "\"alg\":",
    "\"none\"",
    "\"HS256\"",
    "\"EdDSA\"",
    "\"ES256\"",
    "\"typ\":\"at+jwt\"",
    "\"kid\":\"key-7\"",
    "\"crit\":[]",
    "\"jwk\":{}",
    "\"exp\":",
    "\"iat\":",
    "\"nbf\":",
    "\"sub\":",
    "\"sid\":",
    "\"jti\":\"0.0.x\"",
    "\"roles\":[]",
    "1800000900",
    "1800000005",
    "1800000006",
    "1.8e9",
    "null",
    "=",
    "-",
    "_",
];

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

struct Issuer {
    keyring: Keyring,
    source: StubKeySource,
    keys: KeySet,
    party: Party,
    /// The parts by which inputs name what was issued.
    markers: Vec<(&'static str, String)>,
    issued: Vec<String>,
}

static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
    let party = Party { issuer: "https://auth.example.com".to_owned(), audience: "https://api.example.com".to_owned() };
    let (mut markers, mut issued) = (Vec::new(), Vec::new());
    let es = KeySet::generate(Algorithm::Es256, Timestamp::from_seconds(1_700_000_000)).expect("a key");
    let sets = [
        (keyset(7), ["{ed}", "{ed-header}", "{ed-claims}", "{ed-signature}"]),
        (es.to_string(), ["{es}", "{es-header}", "{es-claims}", "{es-signature}"]),
    ];
    let mut both: Vec<Value> = Vec::new();
    for (set, names) in sets {
        let text = minted(&set, &party);
        let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
        markers.extend(names.into_iter().zip([vec![text.clone()], parts].concat()));
        issued.push(text);
        let set: Value = serde_json::from_str(&set).expect("JSON");
        both.extend(set["keys"].as_array().expect("keys").clone());
    }
    let both = serde_json::json!({ "keys": both }).to_string();
    let source = StubKeySource::new(Algorithm::EdDsa);
    source.answer(&both);
    let keyring = Keyring::new(source.clone(), Arc::new(FrozenClock::default()));
    let keys = KeySet::parse(&both).expect("keys");
    Issuer { keyring, source, keys, party, markers, issued }
});

fn minted(keys: &str, party: &Party) -> String {
    let source = StubKeySource::new(Algorithm::EdDsa);
    source.answer(keys);
    let keyring = Keyring::new(source, Arc::new(FrozenClock::default()));
    let (owner, random) = (user("u-1"), SeededRandom::new(3));
    let limits = Limits { idle: None, absolute: Duration::from_secs(86_400) };
    let (ticket, _) = Ticket::issue(&owner, Origin::Login, limits, Source::default(), NOW, &random);
    let bearer = Bearer::first(&owner, &ticket);
    let minting = mint(&keyring, party, bearer, NOW, NOW.plus(Duration::from_secs(900)), &random);
    let minted = minting.now_or_never().expect("nothing to wait for").unwrap_or_else(|_| panic!("a JWT"));
    minted.jwt.expose_secret().to_owned()
}

fn verified(purpose: Purpose, text: &str, now: Timestamp) -> Option<Verified> {
    let Issuer { keyring, party, source, .. } = &*ISSUER;
    let verifying = verify_for(purpose, keyring, party, text, now).now_or_never().expect("nothing to wait for");
    // However many key ids are made up, the keys were asked for once, and once more.
    assert!(source.reads() <= 2, "a JWT made {} reads of the keys", source.reads());
    match verifying {
        Ok(verified) => Some(verified),
        Err(Rejection::Invalid(reason)) => {
            assert!(!reason.is_empty());
            None
        }
        Err(Rejection::Keys(error)) => panic!("an outage: {error}"),
    }
}

/// The text of a JWT. What is accepted says what was issued, word for word.
pub fn jwt(input: &[u8]) {
    let issuer = &*ISSUER;
    let markers: Vec<(&str, &[u8])> = issuer.markers.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let (text, _) = scene::expand(input, &markers);
    let Ok(text) = std::str::from_utf8(&text) else { return };
    for purpose in [Purpose::Use, Purpose::End] {
        if verified(purpose, text, NOW).is_none() {
            continue;
        }
        let signed = |text: &str| text.rsplit_once('.').map(|(signed, _)| signed.to_owned());
        assert!(issuer.issued.iter().any(|issued| signed(issued) == signed(text)), "nobody issued {text}");
        // Whoever has an ECDSA signature can write it in a second way, which says the same; of the other there is one.
        let second = text.starts_with(&issuer.markers[5].1);
        assert!(second || issuer.issued.iter().any(|issued| issued == text), "nobody signed {text}");
        let over = NOW.plus(Duration::from_secs(900));
        assert!(verified(Purpose::Use, text, over).is_none(), "{text} is good after its end");
    }
}

/// A header, a line's end and claims, as a thief of the key would sign them.
pub fn claims(input: &[u8]) {
    let Issuer { keys, party, .. } = &*ISSUER;
    let key = keys.keys().iter().find(|key| key.kid() == "key-7").expect("the key");
    let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (header, claims) = (&input[..at], input.get(at + 1..).unwrap_or_default());
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = key.sign(signed.as_bytes()).expect("a signature");
    let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    let Some(verified) = verified(Purpose::Use, &text, NOW) else { return };
    assert!(text.len() <= MAX_JWT_BYTES);
    let header: Value = serde_json::from_slice(header).expect("JSON");
    let known = serde_json::json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "key-7" });
    assert_eq!(header, known, "another header was taken");
    let claims: Value = serde_json::from_slice(claims).expect("JSON");
    let text = |name: &str| claims[name].as_str().unwrap_or_else(|| panic!("{name} is no text")).to_owned();
    let number = |name: &str| claims[name].as_i64().unwrap_or_else(|| panic!("{name} is no whole number"));
    assert_eq!((text("iss"), text("aud")), (party.issuer.clone(), party.audience.clone()));
    assert!(number("exp") > NOW.as_seconds() && number("iat") <= NOW.as_seconds() + 5, "{claims}");
    assert!(
        claims.get("nbf").is_none_or(|nbf| nbf.as_i64().is_some_and(|nbf| nbf <= NOW.as_seconds() + 5)),
        "{claims}"
    );
    let Verified { user, ticket, lineage, tenant, roles, id, issued, expires } = verified;
    assert_eq!((user.as_str(), tenant.as_str()), (text("sub").as_str(), text("tenant").as_str()));
    assert_eq!((ticket.to_base64url(), id.clone()), (text("sid"), text("jti")));
    let shown = |name: &str| Timestamp::from_seconds(number(name)).as_seconds();
    assert_eq!((issued.as_seconds(), expires.as_seconds()), (shown("iat"), shown("exp")));
    assert_eq!(claims["roles"], serde_json::json!(roles));
    let standing = format!("{}.{}.", lineage.branch, lineage.generation);
    assert!(id.starts_with(&standing) && id.len() > standing.len(), "{id}");
    let needed = BTreeSet::from(["iss", "sub", "aud", "exp", "iat", "jti", "sid", "tenant", "roles"]);
    assert!(needed.iter().all(|name| claims.get(name).is_some()), "{claims}");
}
