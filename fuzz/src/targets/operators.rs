//! What an operator, Secrets Manager or the distribution brings: the keyset, and the headers of the edge.

use std::net::IpAddr;
use std::sync::LazyLock;

use serde_json::{Value, json};
use shared::clock::Timestamp;
use shared::edge::{Edge, Mode, SECRET_HEADER, VIEWER_HEADER, Way};
use shared::gateway::Event;
use shared::keyring::{Algorithm, KeySet, KeySetError};
use shared::lockout::Place;
use shared::source::{MAX_AGENT_BYTES, Source};
use tests::world;

use crate::scene;

pub const WORDS: &[&str] = &[
    "{ed}",
    "{es}",
    "{rsa}",
    "{edge}",
    "\"keys\":[",
    "\"kid\":\"a\"",
    "\"alg\":\"EdDSA\"",
    "\"alg\":\"ES256\"",
    "\"alg\":\"RS256\"",
    "\"pkcs8\":\"{ed}\"",
    "\"pkcs8\":\"{es}\"",
    "\"pkcs8\":\"{rsa}\"",
    "\"sign_after\":1700000000",
    "\"verify_until\":null",
    "\"based_on\":\"v1\"",
    "203.0.113.7",
    "2001:db8::1",
    "::ffff:203.0.113.7",
    "0x7f.1",
    "1.2.3",
    "\n",
    ",",
    " ",
    "%eth0",
];

static PKCS8: LazyLock<[(&str, String); 3]> = LazyLock::new(|| {
    let at = Timestamp::from_seconds(1_700_000_000);
    let made = |algorithm| KeySet::generate(algorithm, at).expect("a key").to_string();
    let pkcs8 = |set: String| {
        let set: Value = serde_json::from_str(&set).expect("JSON");
        set["keys"][0]["pkcs8"].as_str().expect("a key").to_owned()
    };
    let sets = [("{ed}", world::keyset(7)), ("{es}", made(Algorithm::Es256)), ("{rsa}", made(Algorithm::Rs256))];
    sets.map(|(marker, set)| (marker, pkcs8(set)))
});

/// The secret that holds the signing keys.
pub fn keyset(input: &[u8]) {
    let markers: Vec<(&str, &[u8])> = PKCS8.iter().map(|(marker, key)| (*marker, key.as_bytes())).collect();
    let (text, has_keys) = scene::expand(input, &markers);
    let Ok(text) = std::str::from_utf8(&text) else { return };
    let set = match KeySet::parse(text) {
        Ok(set) => set,
        Err(error) => {
            // It is written to the log, so it may hold a key's name and nothing else of what the secret holds.
            let told = error.to_string();
            assert!(PKCS8.iter().all(|(_, key)| !told.contains(key.as_str())), "an error tells a key");
            assert!(!matches!(error, KeySetError::Generation));
            return;
        }
    };
    assert!(has_keys, "there is a key that nobody made");
    let stored: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(stored["keys"].as_array().map(Vec::len), Some(set.keys().len()));
    for (key, stored) in set.keys().iter().zip(stored["keys"].as_array().into_iter().flatten()) {
        let jwk = key.jwk().to_string();
        assert!(stored["kid"] == key.kid() && stored["alg"] == key.algorithm().as_str());
        assert!(!jwk.contains("\"d\"") && !jwk.contains(stored["pkcs8"].as_str().expect("a key")), "{jwk}");
        assert_eq!(set.keys().iter().filter(|other| other.kid() == key.kid()).count(), 1);
        let signature = key.sign(b"message").expect("a signature");
        assert!(key.verifies(b"message", &signature) && !key.verifies(b"massage", &signature));
    }
}

const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

/// What a request says of its way: values of the secret's header, an empty line, those of the address's header, an empty
/// line, and the user agent.
pub fn edge(input: &[u8]) {
    let (text, _) = scene::expand(input, &[("{edge}", SECRET.as_bytes())]);
    let Ok(text) = std::str::from_utf8(&text) else { return };
    let mut parts = text.splitn(3, "\n\n");
    let secrets: Vec<&str> = parts.next().unwrap_or_default().lines().collect();
    let viewers: Vec<&str> = parts.next().unwrap_or_default().lines().collect();
    let agent = parts.next().unwrap_or_default();
    for (mode, around) in [(Mode::Accept, Way::Around), (Mode::Require, Way::Refused)] {
        let edge = Edge::new(SECRET, mode).expect("a secret");
        let address = viewers.first().filter(|_| viewers.len() == 1).and_then(|viewer| viewer.parse::<IpAddr>().ok());
        let expected = if secrets == [SECRET] { Way::Through(address) } else { around };
        assert_eq!(edge.way(&secrets, &viewers), expected, "{secrets:?} {viewers:?}");
        passed(&edge, &secrets, &viewers, expected);
    }
    if let [text, ..] = secrets[..] {
        let valid = (32..=128).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric());
        assert_eq!(Edge::new(text, Mode::Require).is_some(), valid, "{text:?}");
    }
    kept(viewers.first().copied(), agent);
}

/// The same as an event: one address is believed at most, and the gateway's own only where nothing came through.
fn passed(edge: &Edge, secrets: &[&str], viewers: &[&str], way: Way) {
    let spellings = |name: &str, values: &[&str]| -> Vec<(String, Value)> {
        let spelt = [name.to_owned(), name.to_ascii_uppercase()];
        spelt.into_iter().zip(values.iter().map(|value| json!(value))).collect()
    };
    if secrets.len() > 2 || viewers.len() > 2 {
        return;
    }
    let headers = [spellings(SECRET_HEADER, secrets), spellings(VIEWER_HEADER, viewers)].concat();
    let headers: serde_json::Map<String, Value> = headers.into_iter().collect();
    let http = json!({ "sourceIp": "198.51.100.9", "userAgent": "fuzz" });
    let mut event = Event::from(json!({ "headers": headers, "requestContext": { "http": http } }));
    let told = event.passed(edge).is_ok();
    let network = event.source().network;
    match way {
        Way::Refused => assert!(!told),
        Way::Around => assert_eq!((told, network.as_deref()), (true, Some("198.51.100.0/24"))),
        Way::Through(None) => assert_eq!((told, network), (true, None)),
        Way::Through(Some(address)) => {
            let expected = Source::new(Some(&address.to_string()), None).network;
            assert!(told && network.is_some() && network == expected, "{address}");
        }
    }
}

/// What is kept of an address and an agent tells less than they do.
fn kept(address: Option<&str>, agent: &str) {
    let source = Source::new(address, Some(agent));
    let parsed = address.and_then(|address| address.parse::<IpAddr>().ok());
    assert_eq!(source.network.is_some(), parsed.is_some());
    if let (Some(network), Some(parsed)) = (&source.network, parsed) {
        let (start, bits) = network.split_once('/').expect("a network");
        assert!(matches!((parsed.to_canonical(), bits), (IpAddr::V4(_), "24") | (IpAddr::V6(_), "48")), "{network}");
        let again = Source::new(Some(start), None).network;
        assert_eq!(again.as_ref(), Some(network), "a network is its own");
        assert_eq!(Place::parse(Place::of(Some(network)).as_str()), Place::of(Some(network)));
    }
    if let Some(kept) = &source.agent {
        assert!(kept.len() <= MAX_AGENT_BYTES && kept.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{kept:?}");
        assert_eq!(Source::new(None, Some(kept)).agent.as_ref(), Some(kept));
    }
}
