//! Forged JWTs of every known class are refused by every endpoint that takes one.
//!
//! The forger holds the stack's own key wherever a class is not about the signature, so nothing here passes only because
//! the signature is wrong; and the same forger's unaltered token is accepted.

mod classes;
mod forge;
mod revoked;

use std::collections::BTreeSet;

use forge::Forge;
use serde_json::json;
use shared::api::{Access, ROUTES};
use shared::gateway::Response;
use shared::jwt::MAX_JWT_BYTES;
use shared::keyring::Algorithm;
use tests::{Call, World, escaped, figure, note};

/// A request with a JWT to each endpoint that takes one, and what it answers to a good one.
fn calls(world: &World, jwt: &str) -> Vec<(Call, u16)> {
    let takes = |access| matches!(access, Access::LoginJwt | Access::User | Access::AccessTokenOrJwt);
    let routes = ROUTES.iter().filter(|route| takes(route.access));
    // What ends or replaces the token comes last.
    let last = ["user-renew", "user-token", "user-logout"];
    let mut names: Vec<&str> = routes.map(|route| route.name).filter(|name| !last.contains(name)).collect();
    names.extend(last);
    let call = |name| {
        let call = Call::to(name);
        match name {
            "authheader-add" => (call.json(&json!({ "name": "key" })), 200),
            "authheader-delete" => (call.json(&json!({ "text": "A".repeat(43) })), 404),
            "authheader-rotate" => (call.json(&json!({ "text": "A".repeat(43), "overlap": 0 })), 404),
            "profile-authenticate" | "profile-get" => (call.id(world.demo.id()), 200),
            "profile-update" => (call.id(world.demo.id()).json(&json!({ "name": "x" })), 200),
            "user-sessions-revoke" => (call.json(&json!({ "id": "A".repeat(22) })), 404),
            "user-token" => (call.query("m=60"), 200),
            _ => (call, 200),
        }
    };
    let both = names.into_iter().flat_map(|name| {
        let (call, status) = call(name);
        [(call.clone().bearer(jwt), status), (call.header("authorization", jwt), status)]
    });
    both.collect()
}

/// What an application's servers are told of a token, or what they end by it.
fn asked(world: &World, name: &str, jwt: &str) -> Call {
    Call::to(name).form(&[("token", &escaped(jwt))]).header("x-api-key", &world.applications.everywhere)
}

/// Whether an answer refuses the token as every other one that is not good.
fn is_refusal(call: &Call, response: &Response) -> bool {
    let (status, body) = (response.status(), response.body());
    match call.route().access {
        Access::AccessTokenOrJwt if status == 403 => body == r#"{"message":"No valid credential for this profile"}"#,
        // What no header can carry, or only two headers in one.
        _ if status == 400 => body.starts_with(r#"{"message":"authorization must "#),
        _ => status == 401 && body == r#"{"message":"A valid credential is needed in the request's headers"}"#,
    }
}

/// Sends a token wherever a JWT is taken; the first place that takes it.
async fn taken_as_jwt(world: &World, jwt: &str) -> Option<String> {
    for (call, _) in calls(world, jwt) {
        let response = world.send(&call).await;
        if !is_refusal(&call, &response) {
            return Some(format!("{} answers {} {}", call.route().name, response.status(), response.body()));
        }
    }
    None
}

/// Sends a token everywhere; the first place that takes it.
async fn accepted_by(world: &World, jwt: &str) -> Option<String> {
    if let Some(place) = used_by(world, jwt).await {
        return Some(place);
    }
    let before = world.stack.store.tickets();
    world.send(&asked(world, "oauth2-revoke", jwt)).await;
    (world.stack.store.tickets() != before).then(|| "oauth2-revoke ended a ticket".to_owned())
}

/// Sends a token wherever it would be of use; the first place that takes it.
async fn used_by(world: &World, jwt: &str) -> Option<String> {
    if let Some(place) = taken_as_jwt(world, jwt).await {
        return Some(place);
    }
    let too_long = jwt.len() > MAX_JWT_BYTES;
    let told = world.send(&asked(world, "oauth2-introspect", jwt)).await;
    if told.body() != r#"{"active":false}"# && !(too_long && told.status() == 400) {
        return Some(format!("oauth2-introspect answers {} {}", told.status(), told.body()));
    }
    None
}

/// The names of those that the clock of another environment may take, so that they can be ended.
fn just_beside(forge: &Forge) -> [String; 4] {
    let iat = forge.claims["iat"].as_i64().unwrap();
    [
        format!("exp says {iat}"),
        format!("exp says {}", iat - 1),
        format!("iat says {}", iat + 6),
        format!("nbf says {}", iat + 6),
    ]
}

async fn refuses_every_class(algorithm: Algorithm) {
    let world = World::signing(algorithm).await;
    let forge = Forge::new(&world, &world.jwt(&world.demo).await);
    let classes = classes::all(&forge);
    let names: BTreeSet<&String> = classes.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), classes.len(), "each class has a name of its own");
    assert!(names.len() >= 60, "only {} classes", names.len());
    figure(&format!("{algorithm:?}: {} classes of forged JWT, none accepted", names.len()));
    let tickets = world.stack.store.tickets().len();
    for (name, token) in &classes {
        assert_ne!(*token, forge.token, "{name} alters nothing");
        let just_beside = just_beside(&forge).contains(name);
        let place = if just_beside { used_by(&world, token).await } else { accepted_by(&world, token).await };
        if let Some(place) = place {
            panic!("{algorithm:?}, {name}: {place}\n{token}");
        }
    }
    assert_eq!(world.stack.store.tickets().len(), tickets, "a forged token made or ended a ticket");
    note("Q5", &format!("classes-of-{}", algorithm.as_str().to_lowercase()), classes.len());
    // The control: by the same hands and the same road, but nothing altered.
    let unaltered = forge.texts(&forge.header.to_string(), &forge.claims.to_string());
    let replacing = |call: &Call| matches!(call.route().name, "user-renew" | "user-token");
    for last in [false, true] {
        for token in [&unaltered, &forge.token] {
            let told = world.send(&asked(&world, "oauth2-introspect", token)).await;
            assert_eq!(told.body() == r#"{"active":false}"#, last && *token == forge.token, "{}", told.body());
            let all = calls(&world, token).into_iter().filter(|(call, _)| call.route().name != "user-logout");
            for (call, status) in all.filter(|(call, _)| replacing(call) == last) {
                assert_eq!(world.send(&call).await.status(), status, "{}", call.route().name);
            }
        }
    }
}

#[tokio::test]
async fn every_class_is_refused_with_rs256() {
    refuses_every_class(Algorithm::Rs256).await;
}

#[tokio::test]
async fn every_class_is_refused_with_es256() {
    refuses_every_class(Algorithm::Es256).await;
}

#[tokio::test]
async fn every_class_is_refused_with_eddsa() {
    refuses_every_class(Algorithm::EdDsa).await;
}

#[tokio::test]
async fn a_forger_with_the_key_is_stopped_by_the_ticket_alone() {
    let world = World::new().await;
    let forge = Forge::new(&world, &world.jwt(&world.demo).await);
    let longer = forge.claim("exp", Some(json!(4_102_444_800_i64)));
    assert!(accepted_by(&world, &longer).await.is_some(), "the control: everything but the ticket would allow it");
    world.send(&Call::to("user-logout").bearer(&forge.token)).await;
    assert_eq!(accepted_by(&world, &longer).await, None);
}
