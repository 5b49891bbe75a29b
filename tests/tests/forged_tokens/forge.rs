//! A forger who, unlike real ones, holds the stack's own key: so each class is refused for what was altered in it and
//! not for its signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use shared::clock::Timestamp;
use shared::keyring::{Algorithm, KeySet};
use tests::World;

/// A good token taken apart, and the keys to put another together.
pub struct Forge {
    pub header: Value,
    pub claims: Value,
    pub token: String,
    keys: KeySet,
    strangers: KeySet,
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).unwrap()
}

impl Forge {
    /// Starts from a good token of this world.
    pub fn new(world: &World, token: &str) -> Self {
        let keys = KeySet::parse(&world.stack.keys.text()).unwrap();
        let strangers = KeySet::generate(keys.keys()[0].algorithm(), Timestamp::from_seconds(0)).unwrap();
        let strangers = KeySet::parse(&strangers).unwrap();
        let mut parts = token.split('.').map(|part| serde_json::from_slice(&decode(part)).unwrap_or(Value::Null));
        let (header, claims) = (parts.next().unwrap(), parts.next().unwrap());
        Self { header, claims, token: token.to_owned(), keys, strangers }
    }

    pub fn algorithm(&self) -> Algorithm {
        self.keys.keys()[0].algorithm()
    }

    /// The public key, as the JWKS shows it.
    pub fn jwk(&self) -> Value {
        self.keys.keys()[0].jwk()
    }

    pub fn strangers_jwk(&self) -> Value {
        self.strangers.keys()[0].jwk()
    }

    /// Signs two texts as they are with the stack's key.
    pub fn texts(&self, header: &str, claims: &str) -> String {
        self.parts(&encode(header), &encode(claims))
    }

    /// Signs two parts as they are with the stack's key.
    pub fn parts(&self, header: &str, claims: &str) -> String {
        let message = format!("{header}.{claims}");
        let signature = self.keys.keys()[0].sign(message.as_bytes()).unwrap();
        format!("{message}.{}", encode(signature))
    }

    /// The good token with another header.
    pub fn with_header(&self, header: &Value) -> String {
        self.texts(&header.to_string(), &self.claims.to_string())
    }

    /// The good token with a header member set, or taken out.
    pub fn header(&self, name: &str, value: Option<Value>) -> String {
        self.with_header(&altered(&self.header, name, value))
    }

    /// The good token with a claim set, or taken out.
    pub fn claim(&self, name: &str, value: Option<Value>) -> String {
        self.texts(&self.header.to_string(), &altered(&self.claims, name, value).to_string())
    }

    /// Signed by a key of somebody else, with the good token's claims.
    pub fn by_stranger(&self, header: &Value) -> String {
        let message = format!("{}.{}", encode(header.to_string()), encode(self.claims.to_string()));
        let signature = self.strangers.keys()[0].sign(message.as_bytes()).unwrap();
        format!("{message}.{}", encode(signature))
    }

    /// "Signed" with a secret by an HMAC, the classic confusion of algorithms.
    pub fn by_secret(&self, algorithm: jsonwebtoken::Algorithm, name: &str, secret: &[u8]) -> String {
        let header = altered(&self.header, "alg", Some(json!(name)));
        let message = format!("{}.{}", encode(header.to_string()), encode(self.claims.to_string()));
        let key = EncodingKey::from_secret(secret);
        format!("{message}.{}", jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap())
    }

    /// The good token with another signature.
    pub fn signature(&self, signature: impl AsRef<[u8]>) -> String {
        format!("{}.{}", self.signed_part(), encode(signature))
    }

    /// The signature's bytes.
    pub fn signature_bytes(&self) -> Vec<u8> {
        decode(self.token.rsplit_once('.').unwrap().1)
    }

    /// Header and claims as they are in the token.
    pub fn signed_part(&self) -> &str {
        self.token.rsplit_once('.').unwrap().0
    }

    /// Every form in which somebody may have the public key, as a secret to try.
    pub fn public_keys(&self) -> Vec<(&'static str, Vec<u8>)> {
        let jwk = self.jwk();
        let member = |name: &str| jwk[name].as_str().map(decode).unwrap_or_default();
        let (raw, spki) = match self.algorithm() {
            Algorithm::Rs256 => {
                let numbers = [integer(&member("n")), integer(&member("e"))].concat();
                let raw = der(0x30, &numbers);
                let oid = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
                let bits = der(3, &[vec![0], raw.clone()].concat());
                (raw, der(0x30, &[oid.to_vec(), bits].concat()))
            }
            Algorithm::Es256 => {
                let raw = [vec![4], member("x"), member("y")].concat();
                let oids =
                    [0x30, 19, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
                let bits = der(3, &[vec![0], raw.clone()].concat());
                (raw, der(0x30, &[oids.to_vec(), bits].concat()))
            }
            Algorithm::EdDsa => {
                let raw = member("x");
                let bits = der(3, &[vec![0], raw.clone()].concat());
                (raw, der(0x30, &[vec![0x30, 5, 6, 3, 0x2b, 0x65, 0x70], bits].concat()))
            }
        };
        let body = base64::engine::general_purpose::STANDARD.encode(&spki);
        let lines: Vec<&str> = (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
        vec![
            ("the JWK", jwk.to_string().into_bytes()),
            ("the JWKS", json!({ "keys": [jwk] }).to_string().into_bytes()),
            ("PEM", pem.clone().into_bytes()),
            ("PEM without its last newline", pem.trim_end().as_bytes().to_vec()),
            ("DER", spki),
            ("the bare key", raw),
            ("its first member", member(if jwk["n"].is_string() { "n" } else { "x" })),
            ("the kid", jwk["kid"].as_str().unwrap().as_bytes().to_vec()),
        ]
    }
}

/// An object with a member set, or taken out.
pub fn altered(object: &Value, name: &str, value: Option<Value>) -> Value {
    let mut members = object.as_object().unwrap().clone();
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    Value::Object(members)
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let prefix = match length {
        [0, short @ 0..=127] => vec![tag, short],
        [0, long] => vec![tag, 0x81, long],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [prefix, content.to_vec()].concat()
}

fn integer(magnitude: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if magnitude[0] >= 0x80 { &[0] } else { &[] };
    der(2, &[sign, magnitude].concat())
}
