//! The keyset: one that can't be trusted neither signs nor verifies, and what a good one signs is understood by others.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};
use shared::clock::{Clock as _, Timestamp};
use shared::keyring::{Algorithm, KeySet};
use shared::secret::Digest;
use tests::{Call, World, note};

/// An RSA key of 1024 bits, made for this test.
const WEAK_RSA: &str = "\
MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAKQAFaM2UkRbqOnSqlXdvH2KgfNPvJdg0wX7OtXw/HgBG96lC7HsfQeJFO2c\
QPb1ZPZQoJ7SFnJQpQLh/3fHsIsiMZTeDlirCM5+OrCaBChtnktEywp6x+MmmhayFNmoak/vNzV6r2NrsJXcX6AvQMTteaVxr1aSwm7IU6Bb\
eNkhAgMBAAECgYEAj9+bG+IN7fZTiz3LPSUXtTMLqf6rvkmtFzQ9e268rjKa1ooIZoDHdxLlj0ZjH8RMXGKDZpF8K7Ff8dV+HwDKeP1peNhR\
6VtK2rT7/htGXXAZom4BxIwB65aKvc/ShWF60lONIlc80BdJTbTkWpbTgf9HFMDkHuPoV9HOsitsvgECQQDQLGFQWUW8geU+Q998yFdRTwTE\
6fHPbk20RK6KCP5Zwn1RfppMNFF4R67Pfms/4rPaz5MRxrHhEnpiDlOFKePxAkEAya2wJfCNwcJc3ieD1Bw+lMH2zswGJbljd9gydIFrNSZi\
qERyO8MkvZI39nlI1UQBlUg6tzZTNe8hQ3wBX4+4MQJBAI36BrC/AgHL8aZishSvqmXI567JA2N+jj5pLUT1V0uuiru/Bcr9T6ch9IaNaOYc\
Xp/YPCy+f+jKKm+f57SFWnECQCBP15z8gXm9ritZoWFmdRBYUzamsYVxwmH9HXhVE9wcHkpfTP4OMeC9gIHYxLaGgspsHBwmdAZ8HZQ2VfH9\
kMECQHmQa5VZvoQUtv29RVeOy3GSFl5sKcP8cd6JM7IowyK3XBz+AhUDSCCn30fjFZHxs2sWH5eS81/YaswtZw+uHxo=";

/// A key on secp256k1, which is no curve of ours, made for this test.
const OTHER_CURVE: &str = "\
MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgU4mCLONFZG9wIg+u63dBA6vZ0+8KDqEj2dvygwummE2hRANCAAQXQfsUpvyUX7Wk\
CIAlvLI+LHtFBEkZvmuuen/PqVAPMhMHIgxcqcZkKNW1SJ6EOrT4dpmfls1LfReX1cIp3asW";

const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

fn fresh(algorithm: Algorithm) -> Value {
    let text = KeySet::generate(algorithm, START).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["keys"][0].take()
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn with(key: &Value, name: &str, value: Value) -> Value {
    let mut key = key.clone();
    key[name] = value;
    key
}

/// Keysets that must not be used, each with what is wrong with it.
fn bad_keysets() -> Vec<(&'static str, String)> {
    let (rsa, ec, ed) = (fresh(Algorithm::Rs256), fresh(Algorithm::Es256), fresh(Algorithm::EdDsa));
    let halved = rsa["pkcs8"].as_str().unwrap();
    let halved = &halved[..halved.len() / 8 * 4];
    let twin = with(&fresh(Algorithm::EdDsa), "kid", ed["kid"].clone());
    vec![
        ("nothing", String::new()),
        ("no JSON", "keys".to_owned()),
        ("a secret as CloudFormation makes it", set(&[])),
        ("null", json!({ "keys": null }).to_string()),
        ("a list", set(&[]).replace("{\"keys\":", "").replace('}', "")),
        ("an unknown member", json!({ "keys": [ed], "more": 1 }).to_string()),
        ("an empty key", set(&[with(&ed, "pkcs8", json!(""))])),
        ("a key of one byte", set(&[with(&ed, "pkcs8", json!("AA=="))])),
        ("a key of zeros", set(&[with(&ed, "pkcs8", json!("A".repeat(64)))])),
        ("a key that is no base64", set(&[with(&ed, "pkcs8", json!("*"))])),
        ("half of a key", set(&[with(&rsa, "pkcs8", json!(halved))])),
        ("a text for a key", set(&[json!("secret")])),
        ("a key for HMAC", set(&[with(&ed, "alg", json!("HS256"))])),
        ("a key for nothing", set(&[with(&ed, "alg", json!("none"))])),
        ("an RSA key of 1024 bits", set(&[with(&rsa, "pkcs8", json!(WEAK_RSA))])),
        ("a key on another curve", set(&[with(&ec, "pkcs8", json!(OTHER_CURVE))])),
        ("an RSA key for ECDSA", set(&[with(&rsa, "alg", json!("ES256"))])),
        ("an elliptic key for RSA", set(&[with(&ec, "alg", json!("RS256"))])),
        ("an Ed25519 key for ECDSA", set(&[with(&ed, "alg", json!("ES256"))])),
        ("an ECDSA key for Ed25519", set(&[with(&ec, "alg", json!("EdDSA"))])),
        ("two keys of one name", set(&[ed.clone(), twin])),
        ("one key twice", set(&[ed.clone(), ed.clone()])),
        ("a good key beside a bad one", set(&[ed.clone(), with(&ec, "pkcs8", json!("AAAA"))])),
        ("an empty name", set(&[with(&ed, "kid", json!(""))])),
        ("a name with a path in it", set(&[with(&ed, "kid", json!("../x"))])),
        ("a number for a name", set(&[with(&ed, "kid", json!(1))])),
        ("a text for a moment", set(&[with(&ed, "sign_after", json!("now"))])),
        ("two keysets", format!("{0}{0}", set(&[ed]))),
    ]
}

/// Every use of a key answers 503, and nothing was issued.
async fn refuses(world: &World, jwt: &str, why: &str) {
    let issued = world.stack.store.tickets().len();
    let login = json!({ "username": "demo", "password": world.demo.password });
    for call in [
        Call::to("user-login").json(&login),
        Call::to("profile-authenticate").id(world.demo.id()).header("x-api-key", &world.applications.full),
        Call::to("test-secure").bearer(jwt),
        Call::to("user-logout").bearer(jwt),
        Call::to("authheader-list").bearer(jwt),
        Call::to("jwks"),
        Call::to("openid-configuration"),
        Call::to("health"),
    ] {
        let response = world.send(&call).await;
        assert_eq!(response.status(), 503, "{why}: {} {}", call.route().name, response.body());
        assert!(response.header("retry-after").is_some());
    }
    assert_eq!(world.stack.store.tickets().len(), issued, "{why}: something was issued");
}

#[tokio::test]
async fn a_keyset_that_cannot_be_trusted_neither_signs_nor_verifies() {
    let keysets = bad_keysets();
    for (why, keyset) in &keysets {
        let mut world = World::new().await;
        let jwt = world.jwt(&world.demo).await;
        assert_eq!(world.send(&Call::to("test-secure").bearer(&jwt)).await.status(), 200, "the control");
        world.stack.keys.answer(keyset);
        world.restart();
        refuses(&world, &jwt, why).await;
    }
    note("Q8", "keysets", keysets.len());
}

#[tokio::test]
async fn a_key_outside_its_window_does_not_sign() {
    let world = World::new().await;
    let now = world.stack.clock.now().as_seconds();
    let key = fresh(Algorithm::EdDsa);
    for (why, key) in [
        ("its turn has not come", with(&key, "sign_after", json!(now + 1))),
        ("it is over", with(&key, "verify_until", json!(now))),
    ] {
        let world = World::with_keys(&set(&[key])).await;
        let login = json!({ "username": "demo", "password": world.demo.password });
        let profile = Call::to("profile-authenticate").id(world.demo.id());
        for call in [
            Call::to("user-login").json(&login),
            profile.header("x-api-key", &world.applications.full),
            Call::to("health"),
        ] {
            assert_eq!(world.send(&call).await.status(), 503, "{why}: {}", call.route().name);
        }
    }
    let world = World::with_keys(&set(&[with(&key, "sign_after", json!(now))])).await;
    assert_eq!(world.send(&Call::to("health")).await.status(), 200, "the control");
}

#[tokio::test]
async fn an_independent_implementation_verifies_our_jwts_from_our_jwks() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let world = World::signing(algorithm).await;
        let answer = world.send(&Call::to("jwks")).await;
        let set: JwkSet = serde_json::from_str(answer.body()).unwrap();
        let discovery = world.send(&Call::to("openid-configuration")).await;
        let discovery: Value = serde_json::from_str(discovery.body()).unwrap();
        assert_eq!(discovery["id_token_signing_alg_values_supported"], json!([algorithm.as_str()]));
        let mut validation = Validation::new(algorithm.as_str().parse().unwrap());
        validation.set_issuer(&[discovery["issuer"].as_str().unwrap()]);
        validation.set_audience(&["api"]);
        validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        // The stack's clock stands in 2027; time_limits.rs is about time.
        validation.validate_exp = false;
        for jwt in [world.jwt(&world.demo).await, world.profile_jwt(&world.demo).await] {
            let header = jsonwebtoken::decode_header(&jwt).unwrap();
            assert_eq!(header.typ.as_deref(), Some("at+jwt"));
            let jwk = set.find(header.kid.as_deref().unwrap()).unwrap();
            let key = DecodingKey::from_jwk(jwk).unwrap();
            let claims = jsonwebtoken::decode::<Value>(&jwt, &key, &validation).unwrap().claims;
            assert_eq!(claims["sub"], world.demo.id());
            assert_eq!(claims["tenant"], "demo");
            assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
            let (head, signature) = jwt.rsplit_once('.').unwrap();
            let altered = format!("{head}.{}", signature.chars().rev().collect::<String>());
            assert!(jsonwebtoken::decode::<Value>(&altered, &key, &validation).is_err(), "the control");
        }
    }
}

#[tokio::test]
async fn the_jwks_names_every_key_that_verifies_and_nothing_private() {
    let algorithms = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];
    let keys: Vec<Value> = algorithms.into_iter().map(fresh).collect();
    let world = World::with_keys(&set(&keys)).await;
    let answer = world.send(&Call::to("jwks")).await;
    let published: Value = serde_json::from_str(answer.body()).unwrap();
    let members = |key: &Value| key.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let found: Vec<_> = published["keys"].as_array().unwrap().iter().map(members).collect();
    let expected = [
        vec!["alg", "e", "kid", "kty", "n", "use"],
        vec!["alg", "crv", "kid", "kty", "use", "x", "y"],
        vec!["alg", "crv", "kid", "kty", "use", "x"],
    ];
    assert_eq!(found, expected);
    for key in &keys {
        assert!(!answer.body().contains(key["pkcs8"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn a_jwt_names_the_digest_of_its_ticket_and_not_the_ticket() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(&jwt).unwrap().claims;
    let sid = Digest::from_base64url(claims["sid"].as_str().unwrap()).unwrap();
    assert!(world.stack.store.tickets().iter().any(|ticket| ticket.key.digest == sid));
}
