//! Section 4 of the contract: keys, discovery, health.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::api::Stack;

const NONE: (&str, &str) = ("accept", "*/*");

/// With another implementation than the one that signed.
pub fn the_published_keys_verify_our_tokens(stack: &Stack) {
    let answer = stack.get("/.well-known/jwks.json", NONE);
    answer.is(200, "");
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    let keys: JwkSet = serde_json::from_value(answer.json()).unwrap();
    let jwt = stack.jwt();
    let header = jsonwebtoken::decode_header(&jwt).unwrap();
    let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[stack.issuer()]);
    validation.set_audience(&[stack.audience()]);
    validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
    let token = jsonwebtoken::decode::<Value>(&jwt, &key, &validation).unwrap();
    assert_eq!(token.claims["sub"], stack.demo.profile_id);
    assert_eq!(token.header.typ.as_deref(), Some("at+jwt"));
}

pub fn discovery_leads_to_the_keys(stack: &Stack) {
    let answer = stack.get("/.well-known/openid-configuration", NONE);
    answer.is(200, "");
    let document = answer.json();
    assert_eq!(document["issuer"], stack.issuer());
    assert_eq!(document["jwks_uri"], format!("{}/.well-known/jwks.json", stack.issuer()));
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256"]));
}

pub fn health_is_ok(stack: &Stack) {
    let answer = stack.get("/health", NONE);
    assert_eq!((answer.status, answer.json()), (200, json!({ "status": "ok" })));
}

pub fn the_description_is_served_beside_the_api(stack: &Stack) {
    let page = stack.page(local::docs::PATH);
    let described = std::fs::read_to_string(local::workspace().join("docs/openapi.json")).unwrap();
    let described: Value = serde_json::from_str(&described).unwrap();
    let operations =
        described["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    for id in operations.filter_map(|operation| operation["operationId"].as_str()) {
        assert!(page.contains(&format!("\"operationId\":\"{id}\"")), "{id}");
    }
}

pub fn unknown_paths_and_verbs_are_not_found(stack: &Stack) {
    for (method, path) in [("GET", "/nowhere"), ("GET", "/user/login"), ("DELETE", "/authheader/list")] {
        assert_eq!(stack.raw_status(method, path), 404, "{method} {path}");
    }
    if !stack.lacks("/user/../health: what a gateway makes of dots is not ours to say") {
        assert_eq!(stack.raw_status("GET", "/user/../health"), 404);
    }
}
