//! The classes of forged JWTs: RFC 8725 ("JWT best current practices"), OWASP's JWT cheat sheet and the known attacks
//! on libraries, one name each.

use serde_json::{Value, json};
use shared::keyring::Algorithm;
use tests::{escaped, hex};

use crate::forge::{Forge, altered, decode, encode};

/// How far clocks may be apart: what has only just ended, or is about to begin, can be ended and not used.
pub const APART: i64 = 10;

/// A way to spell a part of a token otherwise.
type Spoil = fn(&str) -> String;

/// A class and a token of it.
pub type Class = (String, String);

pub fn all(forge: &Forge) -> Vec<Class> {
    let mut classes = Vec::new();
    classes.extend(unsigned(forge));
    classes.extend(confused(forge));
    classes.extend(headers(forge));
    classes.extend(foreign_keys(forge));
    classes.extend(claims(forge));
    classes.extend(values(forge));
    classes.extend(encodings(forge));
    classes.extend(forms(forge));
    classes.extend(signatures(forge));
    classes
}

fn class(name: impl Into<String>, token: String) -> Class {
    (name.into(), token)
}

fn unsigned(forge: &Forge) -> Vec<Class> {
    let mut classes = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", "none ", "", "null", "\u{ff4e}one"] {
        let header = altered(&forge.header, "alg", Some(json!(alg)));
        let message = format!("{}.{}", encode(header.to_string()), encode(forge.claims.to_string()));
        let signature = forge.token.rsplit_once('.').unwrap().1;
        classes.push(class(format!("alg {alg:?} without a signature"), format!("{message}.")));
        classes.push(class(format!("alg {alg:?} without the last part"), message.clone()));
        classes.push(class(format!("alg {alg:?} with the signature kept"), format!("{message}.{signature}")));
        classes.push(class(format!("alg {alg:?}, signed"), forge.with_header(&header)));
    }
    for value in [Value::Null, json!(["none"]), json!(0), json!({}), json!(false)] {
        classes.push(class(format!("alg {value}, signed"), forge.header("alg", Some(value))));
    }
    classes.push(class("no alg, signed", forge.header("alg", None)));
    classes.push(class("the signature taken away", format!("{}.", forge.signed_part())));
    classes
}

fn confused(forge: &Forge) -> Vec<Class> {
    use jsonwebtoken::Algorithm::{HS256, HS384, HS512};
    let mut classes = Vec::new();
    let secrets = forge.public_keys().into_iter().chain([("nothing", Vec::new()), ("secret", b"secret".to_vec())]);
    for (what, secret) in secrets {
        for (algorithm, name) in [(HS256, "HS256"), (HS384, "HS384"), (HS512, "HS512")] {
            classes.push(class(format!("{name} keyed with {what}"), forge.by_secret(algorithm, name, &secret)));
        }
        let own = forge.algorithm().as_str();
        classes.push(class(format!("an HMAC under our alg, keyed with {what}"), forge.by_secret(HS256, own, &secret)));
    }
    let names = ["RS256", "RS384", "RS512", "PS256", "PS384", "ES256", "ES384", "ES256K", "EdDSA", "Ed25519", "dir"];
    let own = forge.algorithm().as_str();
    let spellings = [own.to_ascii_lowercase(), format!("{own} "), format!(" {own}"), format!("{own}\0")];
    for name in names.into_iter().filter(|name| *name != own).map(str::to_owned).chain(spellings) {
        if name != own {
            classes.push(class(format!("alg {name:?} over our signature"), forge.header("alg", Some(json!(name)))));
        }
    }
    classes
}

fn headers(forge: &Forge) -> Vec<Class> {
    let mut classes = Vec::new();
    for typ in [json!("JWT"), json!("jwt"), json!("at+JWT"), json!("application/at+jwt"), json!("id_token"), json!("")]
    {
        classes.push(class(format!("typ {typ}"), forge.header("typ", Some(typ))));
    }
    for name in ["typ", "kid"] {
        classes.push(class(format!("no {name}"), forge.header(name, None)));
        for value in [Value::Null, json!(1), json!(["at+jwt"]), json!({}), json!(true)] {
            classes.push(class(format!("{name} {value}"), forge.header(name, Some(value))));
        }
    }
    let kid = forge.header["kid"].as_str().unwrap();
    for strange in [
        String::new(),
        "unknown".to_owned(),
        "../../../../dev/null".to_owned(),
        "/dev/null".to_owned(),
        "' UNION SELECT 'x".to_owned(),
        "| id".to_owned(),
        "https://evil.example/key".to_owned(),
        format!("{kid} "),
        format!("{kid}\0"),
        kid.to_ascii_uppercase(),
        kid[..kid.len() - 1].to_owned(),
        kid.repeat(100),
    ] {
        if strange != kid {
            let shown: String = strange.chars().take(40).collect();
            classes.push(class(format!("kid {shown:?}"), forge.header("kid", Some(json!(strange)))));
        }
    }
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(["https://example.com/unknown"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("enc", json!("A128GCM")),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("iss", forge.claims["iss"].clone()),
        ("nonce", json!("1")),
        ("", json!(null)),
    ] {
        classes.push(class(format!("a header member {name:?} {value}"), forge.header(name, Some(value))));
    }
    let unencoded = json!({ "b64": false, "crit": ["b64"] });
    let header = merged(&forge.header, &unencoded);
    classes.push(class("an unencoded payload (RFC 7797)", forge.parts(&encode(header.to_string()), "{}")));
    classes
}

fn merged(object: &Value, more: &Value) -> Value {
    more.as_object().unwrap().iter().fold(object.clone(), |all, (name, value)| altered(&all, name, Some(value.clone())))
}

fn foreign_keys(forge: &Forge) -> Vec<Class> {
    let jwk = forge.strangers_jwk();
    let url = json!("https://evil.example/keys");
    let embedded = [
        ("jwk", jwk.clone()),
        ("jku", url.clone()),
        ("x5u", url),
        ("x5c", json!(["MIIB"])),
        ("jwk", json!({ "kty": "oct", "k": "" })),
    ];
    let mut classes = vec![
        class("another key under our kid", forge.by_stranger(&forge.header)),
        class(
            "another key under its own kid",
            forge.by_stranger(&altered(&forge.header, "kid", Some(jwk["kid"].clone()))),
        ),
        class("another key without a kid", forge.by_stranger(&altered(&forge.header, "kid", None))),
    ];
    for (name, value) in embedded {
        let header = altered(&forge.header, name, Some(value.clone()));
        classes.push(class(format!("{name} {value}, signed by its key"), forge.by_stranger(&header)));
        classes.push(class(format!("{name} {value}, signed by our key"), forge.with_header(&header)));
        let nameless = altered(&header, "kid", None);
        classes.push(class(format!("{name} {value} without a kid"), forge.by_stranger(&nameless)));
    }
    classes
}

/// Every claim missing and of every other type.
fn claims(forge: &Forge) -> Vec<Class> {
    let mut classes = Vec::new();
    for name in forge.claims.as_object().unwrap().keys() {
        classes.push(class(format!("no {name}"), forge.claim(name, None)));
        let good = &forge.claims[name];
        let text = good.as_str().map_or_else(|| good.to_string(), str::to_owned);
        for value in [
            Value::Null,
            json!(true),
            json!({}),
            json!({ "$ne": null }),
            json!([good]),
            json!([]),
            json!(text),
            json!(1_900_000_000),
            json!(1_900_000_000.5),
        ] {
            let harmless = (name == "roles" && value == json!([])) || (name == "exp" && value.is_i64());
            if value != *good && !harmless {
                classes.push(class(format!("{name} is {value}"), forge.claim(name, Some(value))));
            }
        }
        let capital = altered(&forge.claims, name, None);
        let capital = altered(&capital, &name.to_ascii_uppercase(), Some(good.clone()));
        let token = forge.texts(&forge.header.to_string(), &capital.to_string());
        classes.push(class(format!("{name} in capitals"), token));
    }
    classes
}

/// Claims of the right type that say something else.
fn values(forge: &Forge) -> Vec<Class> {
    let claim = |name: &str| forge.claims[name].clone();
    let text = |name: &str| forge.claims[name].as_str().unwrap().to_owned();
    let iat = claim("iat").as_i64().unwrap();
    let mut classes = Vec::new();
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!(format!("{}/", text("iss")))),
        ("iss", json!(text("iss").to_ascii_uppercase())),
        ("iss", json!(format!("{}.evil.example", text("iss")))),
        ("iss", json!("")),
        ("aud", json!("another-api")),
        ("aud", json!("")),
        ("aud", json!("API")),
        ("aud", json!("api api2")),
        ("aud", json!(["api", "another-api"])),
        ("exp", json!(iat)),
        ("exp", json!(iat - 1)),
        ("exp", json!(iat - APART)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(i64::MIN)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(1e18)),
        ("iat", json!(iat + 6)),
        ("iat", json!(iat + APART + 1)),
        ("iat", json!(i64::MAX)),
        ("iat", json!(iat * 1000)),
        ("nbf", json!(iat + 6)),
        ("nbf", json!(iat + APART + 1)),
        ("nbf", json!("0")),
        ("nbf", Value::Null),
        ("nbf", json!(0.5)),
        ("jti", json!("")),
        ("jti", json!("0")),
        ("jti", json!("0.")),
        ("jti", json!(".x")),
        ("jti", json!("00.x")),
        ("jti", json!("+0.x")),
        ("jti", json!("-1.x")),
        ("jti", json!(" 0.x")),
        ("jti", json!("0 .x")),
        ("jti", json!("0x0.x")),
        ("jti", json!("0e0.x")),
        ("jti", json!("\u{660}.x")),
        ("jti", json!("1.x")),
        ("jti", json!(format!("{}.x", u64::MAX))),
        ("jti", json!("18446744073709551616.x")),
        ("jti", json!(format!("{}.x", "9".repeat(500)))),
        ("sub", json!("")),
        ("sub", json!("*")),
        ("sub", json!("nobody")),
        ("sub", json!(text("sub").to_ascii_uppercase())),
        ("sub", json!(format!("{} ", text("sub")))),
        ("sub", json!(format!("{}\0", text("sub")))),
        ("sub", json!("../x")),
        ("sid", json!("")),
        ("sid", json!("A".repeat(43))),
        ("sid", json!(format!("{}=", text("sid")))),
        ("sid", json!(text("sid")[1..])),
        ("sid", json!(text("sid").to_ascii_lowercase())),
        ("tenant", json!("")),
        ("tenant", json!("*")),
        ("tenant", json!("other")),
        ("tenant", json!("Demo")),
        ("tenant", json!("demo/")),
        ("roles", json!("tenant-admin")),
        ("roles", json!([1])),
        ("roles", json!([null])),
        ("roles", json!({ "0": "tenant-admin" })),
    ] {
        classes.push(class(format!("{name} says {value}"), forge.claim(name, Some(value))));
    }
    classes
}

fn encodings(forge: &Forge) -> Vec<Class> {
    let (header, payload) = (forge.header.to_string(), forge.claims.to_string());
    let members = |text: &str| text.trim_matches(['{', '}']).to_owned();
    let doubled = |text: &str, more: &str| format!("{{{},{more}}}", members(text));
    let tuple = |object: &Value, names: &[&str]| Value::Array(names.iter().map(|name| object[name].clone()).collect());
    let claims = ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "tenant", "roles"];
    let order = tuple(&forge.claims, &claims);
    let bom = |text: &str| format!("\u{feff}{text}");
    let mut classes = vec![
        class("the header as a list", forge.texts(&tuple(&forge.header, &["alg", "typ", "kid"]).to_string(), &payload)),
        class("the claims as a list", forge.texts(&header, &order.to_string())),
        class("the claims in a list", forge.texts(&header, &format!("[{payload}]"))),
        class("the header in a list", forge.texts(&format!("[{header}]"), &payload)),
        class("the claims as a text", forge.texts(&header, &json!(payload).to_string())),
        class("a doubled alg", forge.texts(&doubled(&header, "\"alg\":\"none\""), &payload)),
        class("a doubled kid", forge.texts(&doubled(&header, "\"kid\":\"x\""), &payload)),
        class("a doubled typ", forge.texts(&doubled(&header, "\"typ\":\"at+jwt\""), &payload)),
        class("a doubled exp", forge.texts(&header, &doubled(&payload, "\"exp\":9999999999"))),
        class("a doubled sub", forge.texts(&header, &doubled(&payload, "\"sub\":\"x\""))),
        class("a doubled sub, escaped", forge.texts(&header, &doubled(&payload, "\"s\\u0075b\":\"x\""))),
        class("a byte order mark before the header", forge.texts(&bom(&header), &payload)),
        class("a byte order mark before the claims", forge.texts(&header, &bom(&payload))),
        class("a space before the claims", forge.texts(&header, &format!(" {payload}"))),
        class("something after the claims", forge.texts(&header, &format!("{payload}x"))),
        class("a second object after the claims", forge.texts(&header, &format!("{payload}{{}}"))),
        class("a NUL after the claims", forge.texts(&header, &format!("{payload}\0"))),
        class("truncated claims", forge.texts(&header, &payload[..payload.len() - 1])),
        class("empty claims", forge.texts(&header, "{}")),
        class("no claims", forge.texts(&header, "")),
        class("no header", forge.texts("", &payload)),
        class("an empty header", forge.texts("{}", &payload)),
        class("deeply nested claims", forge.texts(&header, &format!("{{\"a\":{}", "[".repeat(3000)))),
        class(
            "bad UTF-8 in the claims",
            forge.parts(&encode(&header), &encode([payload.as_bytes(), b"\xff"].concat())),
        ),
    ];
    let strange: [(&str, Spoil); 6] = [
        ("padded", |part| {
            format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4 + usize::from(part.len().is_multiple_of(4))))
        }),
        ("with a newline", |part| format!("{part}\n")),
        ("with a space", |part| format!("{} {}", &part[..4], &part[4..])),
        ("percent-encoded", |part| escaped(part)),
        ("encoded twice", |part| encode(part)),
        ("in hexadecimal", |part| hex(&decode(part))),
    ];
    let (first, second) = (encode(&header), encode(&payload));
    for (how, spoil) in strange {
        classes.push(class(format!("the header {how}"), forge.parts(&spoil(&first), &second)));
        classes.push(class(format!("the claims {how}"), forge.parts(&first, &spoil(&second))));
        let signature = encode(forge.signature_bytes());
        classes.push(class(format!("the signature {how}"), format!("{}.{}", forge.signed_part(), spoil(&signature))));
    }
    classes
}

fn forms(forge: &Forge) -> Vec<Class> {
    let parts: Vec<&str> = forge.token.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let json_form = json!({ "payload": claims, "protected": header, "signature": signature });
    let nested = forge.texts(&forge.header.to_string(), &forge.token);
    let long = altered(&forge.claims, "long", Some(json!("x".repeat(9000))));
    vec![
        class("five parts", format!("{header}.{claims}.{signature}.{claims}.{signature}")),
        class("a JWE's five parts", format!("{header}.....")),
        class("four parts", format!("{}.", forge.token)),
        class("four parts with a second signature", format!("{}.{signature}", forge.token)),
        class("an empty first part", format!(".{}", forge.token)),
        class("one part", header.to_owned()),
        class("the parts in another order", format!("{claims}.{header}.{signature}")),
        class("the header twice", format!("{header}.{header}.{signature}")),
        class("empty parts", "..".to_owned()),
        class("an empty header part", format!(".{claims}.{signature}")),
        class("an empty claims part", format!("{header}..{signature}")),
        class("the JSON serialisation", json_form.to_string()),
        class("a token in a token", nested),
        class("a token that is too long", forge.texts(&forge.header.to_string(), &long.to_string())),
    ]
}

fn signatures(forge: &Forge) -> Vec<Class> {
    let good = forge.signature_bytes();
    let length = good.len();
    let half = length / 2;
    let mut reversed = good.clone();
    reversed.reverse();
    let mut classes = vec![
        class("a signature of zeros", forge.signature(vec![0; length])),
        class("a signature of ones", forge.signature(vec![0xff; length])),
        class("a signature of nothing", forge.signature([])),
        class("a signature of one byte", forge.signature([0])),
        class("a signature with a byte more", forge.signature([good.as_slice(), &[0]].concat())),
        class("a signature with a zero in front", forge.signature([&[0], good.as_slice()].concat())),
        class("a signature's first half", forge.signature(&good[..half])),
        class("a signature's halves swapped", forge.signature([&good[half..], &good[..half]].concat())),
        class("a signature backwards", forge.signature(reversed)),
        class("a signature twice", forge.signature([good.as_slice(), &good].concat())),
        class("the signature of another token", {
            let other = forge.claim("jti", Some(json!("another")));
            format!("{}.{}", forge.signed_part(), other.rsplit_once('.').unwrap().1)
        }),
    ];
    match forge.algorithm() {
        Algorithm::Es256 => {
            let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
            let order: Vec<u8> =
                (0..32).map(|at| u8::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap()).collect();
            let integer = |bytes: &[u8]| [&[2, 33, 0], bytes].concat();
            let inside = [integer(&good[..32]), integer(&good[32..])].concat();
            let asn1 = [&[0x30, u8::try_from(inside.len()).unwrap()], inside.as_slice()].concat();
            classes.push(class("an ECDSA signature in ASN.1", forge.signature(asn1)));
            classes.push(class("r and s of the curve's order", forge.signature([order.as_slice(), &order].concat())));
            classes.push(class("s of zero", forge.signature([&good[..32], &[0; 32]].concat())));
            classes.push(class("r of zero", forge.signature([&[0; 32], &good[32..]].concat())));
        }
        Algorithm::EdDsa => {
            let low = [0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14];
            let order: [u8; 32] = [low.as_slice(), &[0; 15], &[0x10]].concat().try_into().unwrap();
            let mut carry = 0;
            let sum = good[32..].iter().zip(order).map(|(a, b)| {
                let sum = u16::from(*a) + u16::from(b) + carry;
                carry = sum >> 8;
                u8::try_from(sum & 0xff).unwrap()
            });
            let sum: Vec<u8> = sum.collect();
            classes.push(class("S with the group's order added", forge.signature([&good[..32], &sum].concat())));
            let identity = [vec![1], vec![0; 63]].concat();
            classes.push(class("a signature of the neutral element", forge.signature(identity)));
        }
        Algorithm::Rs256 => {
            classes.push(class("a signature of one", forge.signature([vec![0; length - 1], vec![1]].concat())));
        }
    }
    classes
}
