//! JWTs with a good signature and good claims that have stopped being good.

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Clock as _;
use shared::keyring::{Algorithm, KeySet};
use shared::store::{Administration as _, Write};
use shared::user::User;
use tests::world::member;
use tests::{Call, World};

use crate::classes::APART;
use crate::forge::{Forge, decode};
use crate::{accepted_by, taken_as_jwt, used_by};

async fn is_good(world: &World, jwt: &str) -> bool {
    world.send(&Call::to("test-secure").bearer(jwt)).await.status() == 200
}

#[tokio::test]
async fn a_jwt_whose_ticket_has_ended_is_refused() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    assert!(is_good(&world, &jwt).await);
    assert_eq!(world.send(&Call::to("user-logout").bearer(&jwt)).await.status(), 200);
    assert_eq!(accepted_by(&world, &jwt).await, None);
}

#[tokio::test]
async fn a_logout_ends_no_other_jwt() {
    let world = World::new().await;
    let (mine, also_mine) = (world.jwt(&world.demo).await, world.jwt(&world.demo).await);
    world.send(&Call::to("user-logout").bearer(&mine)).await;
    assert!(is_good(&world, &also_mine).await);
}

#[tokio::test]
async fn a_disabled_users_jwt_is_refused_and_stays_so() {
    let world = World::new().await;
    let jwts = [world.jwt(&world.demo).await, world.profile_jwt(&world.demo).await];
    let header = world.auth_header(&jwts[0]).await;
    let ticket = world.ticket(&world.demo).await;
    for enabled in [false, true] {
        let now = world.stack.clock.now();
        assert_eq!(world.stack.store.set_enabled(&world.demo.user, enabled, now).await.unwrap(), Write::Done);
        for jwt in &jwts {
            assert_eq!(accepted_by(&world, jwt).await, None, "enabled: {enabled}");
        }
        let call = Call::to("test-secure").header("x-authorization", &header);
        assert_eq!(world.send(&call).await.status(), 401, "enabled: {enabled}");
        let call = Call::to("ticket-get").id(&ticket).header("x-api-key", &world.applications.full);
        assert_eq!(world.send(&call).await.status(), 404, "enabled: {enabled}");
    }
    assert!(is_good(&world, &world.jwt(&world.demo).await).await, "a new login works");
}

#[tokio::test]
async fn a_changed_password_ends_sessions_but_no_auth_header() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let header = world.auth_header(&jwt).await;
    world.stack.store.edit_user(&world.demo.user.id, |user| user.session_epoch += 1);
    assert_eq!(accepted_by(&world, &jwt).await, None);
    let call = Call::to("test-secure").header("x-authorization", &header);
    assert_eq!(world.send(&call).await.status(), 200);
}

#[tokio::test]
async fn a_ticket_of_somebody_else_makes_no_jwt() {
    let world = World::new().await;
    let (demo, admin) = (world.jwt(&world.demo).await, world.jwt(&world.admin).await);
    let (demo, admin) = (Forge::new(&world, &demo), Forge::new(&world, &admin));
    let other = Forge::new(&world, &world.jwt(&world.other).await);
    for (name, forged) in [
        ("the administrator's sub on our ticket", demo.claim("sub", Some(admin.claims["sub"].clone()))),
        ("our sub on the administrator's ticket", demo.claim("sid", Some(admin.claims["sid"].clone()))),
        ("another tenant's sub on our ticket", demo.claim("sub", Some(other.claims["sub"].clone()))),
        ("another tenant's ticket", demo.claim("sid", Some(other.claims["sid"].clone()))),
        ("another tenant", demo.claim("tenant", Some(json!("other")))),
    ] {
        assert_eq!(accepted_by(&world, &forged).await, None, "{name}");
    }
    let claims = &admin.claims;
    let whole = demo.texts(&demo.header.to_string(), &claims.to_string());
    assert!(is_good(&world, &whole).await, "the control: sub, sid and tenant of one user");
}

#[tokio::test]
async fn only_the_current_generation_of_a_login_is_accepted() {
    let world = World::new().await;
    let first = world.jwt(&world.demo).await;
    let second = member(&world.send(&Call::to("user-renew").bearer(&first)).await, "Token");
    let third = member(&world.send(&Call::to("user-renew").bearer(&second)).await, "Token");
    let forge = Forge::new(&world, &third);
    assert!(forge.claims["jti"].as_str().unwrap().starts_with("0.2."));
    let of = |generation: u64| forge.claim("jti", Some(json!(format!("0.{generation}.x"))));
    for branch in [1, 2, 15, usize::MAX] {
        let another = forge.claim("jti", Some(json!(format!("{branch}.2.x"))));
        assert_eq!(accepted_by(&world, &another).await, None, "of branch {branch}, which is not there");
    }
    for (what, jwt) in [("the first", first), ("of the first", of(0))] {
        assert_eq!(accepted_by(&world, &jwt).await, None, "{what}");
    }
    for generation in [3, 4, 5, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
        assert_eq!(accepted_by(&world, &of(generation)).await, None, "{generation}, which is not there yet");
    }
    for jwt in [&second, &of(1)] {
        assert!(!is_good(&world, jwt).await, "the one before is good for a renewal only");
        let told = world.send(&crate::asked(&world, "oauth2-introspect", jwt)).await;
        assert_eq!(told.body(), r#"{"active":false}"#);
    }
    world.stack.clock.advance(Duration::from_secs(30));
    for jwt in [&second, &of(1)] {
        assert_eq!(used_by(&world, jwt).await, None, "and after half a minute for nothing");
    }
    world.stack.clock.advance(Duration::from_secs(APART.unsigned_abs()));
    for jwt in [&second, &of(1)] {
        assert_eq!(accepted_by(&world, jwt).await, None, "and soon after not even to end it");
    }
    assert!(is_good(&world, &of(2)).await, "the control: by the same hands, of this generation");
}

#[tokio::test]
async fn a_jwt_ends_with_its_ticket_however_its_ticket_ends() {
    for way in 0..5 {
        let world = World::new().await;
        let (jwt, other) = (world.jwt(&world.demo).await, world.jwt(&world.demo).await);
        let forge = Forge::new(&world, &jwt);
        // A forger with the key would give it all the time in the world.
        let longer = forge.claim("exp", Some(json!(4_102_444_800_i64)));
        assert!(is_good(&world, &longer).await, "the control");
        let revoke = Call::to("user-sessions-revoke").bearer(&other);
        let calls = [
            Call::to("user-logout").bearer(&longer),
            revoke.clone().json(&json!({ "all": true, "except_current": true })),
            revoke.json(&json!({ "all": true })),
            crate::asked(&world, "oauth2-revoke", &jwt),
        ];
        match calls.get(way) {
            Some(call) => assert_eq!(world.send(call).await.status(), 200),
            None => world.stack.clock.advance(Duration::from_secs(3600 + APART.unsigned_abs())),
        }
        for token in [&longer, &jwt] {
            assert_eq!(accepted_by(&world, token).await, None, "{way}");
        }
    }
}

#[tokio::test]
async fn a_jwt_of_a_key_that_was_taken_out_is_refused() {
    let mut world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let kept = world.stack.keys.text();
    world.stack.keys.answer(&tests::world::keyset(9));
    world.restart();
    assert_eq!(accepted_by(&world, &jwt).await, None);
    assert!(is_good(&world, &world.jwt(&world.demo).await).await, "a new login works");
    world.stack.keys.answer(&kept);
    world.restart();
    assert!(is_good(&world, &jwt).await, "the control: it was the key");
}

#[tokio::test]
async fn roles_in_a_jwt_make_nobody_an_administrator() {
    let world = World::new().await;
    let forge = Forge::new(&world, &world.jwt(&world.demo).await);
    let forged = forge.claim("roles", Some(json!([User::TENANT_ADMIN])));
    let call = Call::to("profile-authenticate").id(world.admin.id());
    assert_eq!(world.send(&call.clone().bearer(&forged)).await.status(), 403);
    let admin = world.jwt(&world.admin).await;
    let call = Call::to("profile-authenticate").id(world.demo.id());
    assert_eq!(world.send(&call.bearer(&admin)).await.status(), 200, "the control");
}

#[tokio::test]
async fn a_ticket_of_the_ticket_family_is_no_jwts_ticket() {
    let world = World::new().await;
    let forge = Forge::new(&world, &world.jwt(&world.demo).await);
    let ticket = world.ticket(&world.demo).await;
    let sid = shared::secret::Digest::of(ticket.as_bytes()).to_base64url();
    assert_eq!(accepted_by(&world, &forge.claim("sid", Some(json!(sid)))).await, None);
}

#[tokio::test]
async fn a_jwts_ticket_is_no_ticket_of_the_ticket_family() {
    let world = World::new().await;
    let forge = Forge::new(&world, &world.jwt(&world.demo).await);
    let sid = forge.claims["sid"].as_str().unwrap();
    let guess = [world.demo.id().as_bytes(), &decode(sid)].concat();
    for text in [sid.to_owned(), forge.token.clone(), crate::forge::encode(guess)] {
        let call = Call::to("ticket-get").id(&text).header("x-api-key", &world.applications.full);
        assert_eq!(world.send(&call).await.status(), 404);
    }
}

#[tokio::test]
async fn a_credential_of_one_kind_is_none_of_another() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let others = [world.ticket(&world.demo).await, world.auth_header(&jwt).await, world.applications.full.clone()];
    for other in &others {
        assert_eq!(taken_as_jwt(&world, other).await, None, "{other}");
    }
    for (position, text) in [&jwt, &others[0], &others[2]].into_iter().enumerate() {
        let call = Call::to("test-secure").header("x-authorization", text);
        assert_eq!(world.send(&call).await.status(), 401, "{position}");
    }
    for text in [&jwt, &others[0], &others[1]] {
        let call = Call::to("ticket-get").id(&others[0]).header("x-access-token-id", text);
        let response = world.send(&call).await;
        assert!(response.status() == 403 && !response.body().contains(text.as_str()), "{}", response.body());
    }
}

#[tokio::test]
async fn a_profiles_jwt_mints_and_manages_nothing() {
    let world = World::new().await;
    let jwt = world.profile_jwt(&world.demo).await;
    assert!(is_good(&world, &jwt).await);
    for call in [
        Call::to("profile-authenticate").id(world.demo.id()),
        Call::to("authheader-add").json(&json!({ "name": "key" })),
        Call::to("authheader-list"),
        Call::to("authheader-delete").json(&json!({ "text": "A".repeat(43) })),
        Call::to("authheader-rotate").json(&json!({ "text": "A".repeat(43), "overlap": 0 })),
        Call::to("user-renew"),
        Call::to("user-token").query("m=1"),
        Call::to("user-sessions"),
        Call::to("user-sessions-revoke").json(&json!({ "all": true })),
    ] {
        assert_eq!(world.send(&call.bearer(&jwt)).await.status(), 403);
    }
}

#[tokio::test]
async fn a_jwt_of_a_key_that_is_over_is_refused() {
    let mut world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let end = world.stack.clock.now().as_seconds() + 60;
    let mut keys: Value = serde_json::from_str(&world.stack.keys.text()).unwrap();
    keys["keys"][0]["verify_until"] = json!(end);
    let next = KeySet::generate(Algorithm::EdDsa, world.stack.clock.now()).unwrap();
    let next: Value = serde_json::from_str(&next).unwrap();
    keys["keys"].as_array_mut().unwrap().push(next["keys"][0].clone());
    world.stack.keys.answer(&keys.to_string());
    world.restart();
    assert!(is_good(&world, &jwt).await);
    world.stack.clock.advance(Duration::from_secs(59));
    assert!(is_good(&world, &jwt).await, "a second before the key's end");
    world.stack.clock.advance(Duration::from_secs(1));
    assert_eq!(accepted_by(&world, &jwt).await, None);
}

#[tokio::test]
async fn another_stacks_jwt_is_refused() {
    let (world, stranger) = (World::new().await, World::with_keys(&tests::world::keyset(8)).await);
    let jwt = stranger.jwt(&stranger.demo).await;
    assert!(is_good(&stranger, &jwt).await);
    assert_eq!(accepted_by(&world, &jwt).await, None);
    let renamed = tests::world::keyset(8).replace("key-8", "key-7");
    let stranger = World::with_keys(&renamed).await;
    assert_eq!(accepted_by(&world, &stranger.jwt(&stranger.demo).await).await, None, "its key under our key's name");
}
