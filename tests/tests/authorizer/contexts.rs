//! What the API behind learns, and what the policy covers.

use ask::{STAGE, WAYS, Way};
use serde_json::{Value, json};
use shared::config::AuthorizerMode;
use shared::user::UserName;
use tests::{Call, World};

use crate::ask;

const EVERY: AuthorizerMode = AuthorizerMode::EveryRequest;
const SIGNED: AuthorizerMode = AuthorizerMode::SignatureOnlyIgnoresRevocation;

async fn answer(world: &World, way: Way, mode: AuthorizerMode, name: &str, value: &str) -> Value {
    let answer = way.ask(world, mode, way.event(&[(name, value)])).await.unwrap();
    assert!(way.allows(&answer), "{answer}");
    answer
}

#[tokio::test]
async fn the_context_is_the_documented_one() {
    let world = World::new().await;
    let id = world.demo.id();
    let jwt = world.jwt(&world.demo).await;
    let scoped = Call::to("authheader-add").bearer(&jwt).json(&json!({ "name": "a", "scopes": ["orders:read", "x"] }));
    let scoped = tests::world::member(&world.send(&scoped).await, "token");
    let (plain, ticket) = (world.auth_header(&jwt).await, world.ticket(&world.demo).await);
    let context = |username: &str, scopes: &str, credential: &str, expires: &str| {
        json!({
            "user": id, "username": username, "tenant": "demo", "roles": "reader", "scopes": scopes,
            "credential": credential, "expires": expires,
        })
    };
    // The clock of tests stands at 1,800,000,000.
    for way in WAYS {
        for (name, value, expected) in [
            ("Authorization", &jwt, context("demo", "", "jwt", "1800003600")),
            ("X-Authorization", &plain, context("demo", "", "auth_header", "")),
            ("X-Authorization", &scoped, context("demo", "orders:read x", "auth_header", "")),
            ("X-Ticket", &ticket, context("demo", "", "ticket", "1800086400")),
        ] {
            let answer = answer(&world, way, EVERY, name, value).await;
            assert_eq!(answer["context"], expected, "{way:?}");
            if way != Way::Simple {
                assert_eq!(answer["principalId"], id);
            }
        }
        let by_signature = answer(&world, way, SIGNED, "Authorization", &jwt).await;
        assert_eq!(by_signature["context"], context("", "", "jwt", "1800003600"), "a JWT holds no user name");
    }
}

#[tokio::test]
async fn by_signature_the_roles_are_those_of_the_jwt_and_else_those_of_now() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    world.stack.store.edit_user(&world.demo.user.id, |user| user.roles = vec!["writer".to_owned()]);
    for way in WAYS {
        assert_eq!(answer(&world, way, EVERY, "Authorization", &jwt).await["context"]["roles"], "writer");
        assert_eq!(answer(&world, way, SIGNED, "Authorization", &jwt).await["context"]["roles"], "reader");
    }
}

#[tokio::test]
async fn the_usage_key_is_the_tenant_s_digest_and_only_for_rest_apis() {
    let world = World::new().await;
    let (demo, other) = (world.jwt(&world.demo).await, world.jwt(&world.other).await);
    for way in [Way::Request, Way::Token] {
        // printf %s demo | sha256sum
        let key = "2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea";
        assert_eq!(answer(&world, way, EVERY, "Authorization", &demo).await["usageIdentifierKey"], key);
        assert_ne!(answer(&world, way, EVERY, "Authorization", &other).await["usageIdentifierKey"], key);
    }
}

#[tokio::test]
async fn no_name_splits_a_list_or_breaks_out_of_a_header() {
    let world = World::new().await;
    let names = ["a b", "x%20y", "r,s", "\"q\"\\", "zwölf", "\r\nx-admin: 1", "\u{0}", "admin"];
    world.stack.store.edit_user(&world.demo.user.id, |user| {
        user.roles = names.map(str::to_owned).to_vec();
        user.name = UserName::parse("Jürgen,\"der\"").expect("a name");
    });
    let ticket = world.ticket(&world.demo).await;
    for way in WAYS {
        let context = answer(&world, way, EVERY, "X-Ticket", &ticket).await["context"].take();
        for (name, value) in context.as_object().unwrap() {
            let value = value.as_str().unwrap_or_else(|| panic!("{name} is no text"));
            let plain = |byte: u8| byte == b' ' || (byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b'\\'));
            assert!(value.bytes().all(plain), "{name}: {value}");
        }
        assert_eq!(context["username"], "J%C3%BCrgen%2C%22der%22");
        let roles = "a%20b x%2520y r%2Cs %22q%22%5C zw%C3%B6lf %0D%0Ax-admin:%201 %00 admin";
        assert_eq!(context["roles"], roles);
    }
}

/// Whether an IAM resource covers an ARN.
fn covers(resource: &str, arn: &str) -> bool {
    match resource.strip_suffix('*') {
        Some(prefix) => !prefix.contains(['*', '?']) && arn.starts_with(prefix),
        None => resource == arn,
    }
}

#[tokio::test]
async fn a_policy_covers_the_stage_and_nothing_of_another() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    for way in WAYS.into_iter().filter(|way| *way != Way::Simple) {
        let answer = answer(&world, way, EVERY, "Authorization", &jwt).await;
        let resource = answer["policyDocument"]["Statement"][0]["Resource"].as_str().unwrap();
        for method in ["GET/orders/7", "DELETE/orders/7", "POST/", "GET/a/b/c"] {
            assert!(covers(resource, &format!("{STAGE}/{method}")), "{method}");
        }
        for arn in [
            "arn:aws:execute-api:eu-central-1:123456789012:abcde12345/live2/GET/",
            "arn:aws:execute-api:eu-central-1:123456789012:abcde12345/test/GET/",
            "arn:aws:execute-api:eu-central-1:123456789012:abcde12346/live/GET/",
            "arn:aws:execute-api:eu-central-1:210987654321:abcde12345/live/GET/",
            "arn:aws:execute-api:eu-west-1:123456789012:abcde12345/live/GET/",
        ] {
            assert!(!covers(resource, arn), "{arn}");
        }
    }
}

#[tokio::test]
async fn an_arn_that_would_widen_the_policy_is_refused_without_a_look() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    for way in WAYS {
        let member = if matches!(way, Way::Simple | Way::Policy) { "routeArn" } else { "methodArn" };
        for arn in [
            json!("arn:aws:execute-api:eu-central-1:123456789012:*/live/GET/orders"),
            json!("arn:aws:execute-api:eu-central-1:123456789012:abcde12345/*/GET/orders"),
            json!("arn:aws:execute-api:eu-central-1:*:abcde12345/live/GET/orders"),
            json!("*"),
            json!(""),
            json!(null),
            json!([STAGE]),
        ] {
            let mut event = way.event(&[("Authorization", &jwt)]);
            event[member] = arn;
            let _earlier = world.stack.store.take_calls();
            let answer = way.ask(&world, EVERY, event).await.unwrap();
            assert!(world.stack.store.take_calls().is_empty());
            if way == Way::Simple {
                assert_eq!(answer, json!({ "isAuthorized": false }));
            } else {
                let statement = &answer["policyDocument"]["Statement"][0];
                assert_eq!((&statement["Effect"], &statement["Resource"]), (&json!("Deny"), &json!("*")));
            }
        }
    }
}
