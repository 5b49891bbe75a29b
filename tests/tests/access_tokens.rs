//! Access tokens by the Profile API: who manages them, who is ever shown one, and that a deleted one opens nothing.

use serde_json::{Value, json};
use shared::access_token::AccessToken;
use shared::api::{Access, Family, ROUTES};
use shared::clock::Clock as _;
use shared::gateway::Response;
use shared::secret::Digest;
use shared::store::Administration as _;
use tests::good::KEY;
use tests::world::member;
use tests::{Call, World, good};

fn body(response: &Response) -> Value {
    serde_json::from_str(response.body()).unwrap()
}

/// Sends a request in the name of an application.
async fn by(world: &World, token: &str, call: Call) -> (u16, Value) {
    let response = world.send(&call.header(KEY, token)).await;
    let body = if response.body().is_empty() { Value::Null } else { body(&response) };
    (response.status(), body)
}

fn fingerprint(text: &str) -> String {
    Digest::of(text.as_bytes()).to_base64url()
}

fn refused(status: u16, code: &str, message: &str) -> (u16, Value) {
    (status, json!({ "errorCode": code, "message": message }))
}

fn unknown() -> (u16, Value) {
    refused(404, "NO_SUCH_ACCESS_TOKEN_ID", "No access token with this ID found")
}

/// What existing clients choose as an id.
const CHOSEN: &str = "c5b7bdd6-0a2c-4f1e-b8e1-3a1f0d9c7e55";

#[tokio::test]
async fn an_access_token_is_shown_to_whoever_makes_or_shows_it_and_to_nobody_else() {
    let world = World::new().await;
    let master = &world.applications.master;
    let permissions = json!([{ "tenant": "demo", "allowedActions": ["READ_TENANT"] }]);
    let ends = world.stack.clock.now().as_millis() + 1000;
    let wanted = json!({ "application": "shop", "master": false, "tenantPermissions": permissions, "expiresOn": ends });
    let (status, made) = by(&world, master, Call::to("access-token-create").json(&wanted)).await;
    let text = made["id"].as_str().unwrap().to_owned();
    assert!(status == 200 && text.starts_with(AccessToken::PREFIX), "{made}");
    let as_told = |id: &str| {
        let mut told = wanted.clone();
        told["id"] = json!(id);
        told
    };
    assert_eq!(made, as_told(&text));

    let get = |id: &str| Call::to("access-token-get").id(id);
    assert_eq!(by(&world, master, get(&text)).await, (200, as_told(&text)));
    let print = fingerprint(&text);
    assert_eq!(by(&world, master, get(&print)).await, (200, as_told(&print)));
    let (status, listed) = by(&world, master, Call::to("access-token-list")).await;
    assert!(status == 200 && listed.as_array().unwrap().contains(&as_told(&print)), "{listed}");
    let applications = &world.applications;
    for token in [&text, master, &applications.full, &applications.everywhere, &applications.expired] {
        assert!(!listed.to_string().contains(token.as_str()), "the list shows a token");
        assert!(listed.to_string().contains(&fingerprint(token)), "the list is not whole");
    }
    let demo = Call::to("tenant-get").id("demo");
    assert_eq!(by(&world, &text, demo.clone()).await.0, 200, "it does what it was made for");
    world.stack.clock.advance(std::time::Duration::from_secs(1));
    let over = refused(403, "ACCESS_DENIED", "Access token for application \"shop\" expired");
    assert_eq!(by(&world, &text, demo.clone()).await, over);

    // Both names of it do for deleting it, and deleting nothing is no error.
    for id in [&print, &text, &print, "a b", "nonsense"] {
        assert_eq!(by(&world, master, Call::to("access-token-delete").id(id)).await, (200, Value::Null));
        assert_eq!(by(&world, master, get(&text)).await, unknown());
    }
    assert_eq!(by(&world, &text, demo).await, refused(403, "ACCESS_DENIED", "No access token found"));
    for id in ["a b", "nonsense", &"a".repeat(300), "\u{e9}"] {
        assert_eq!(by(&world, master, get(id)).await, unknown());
    }
}

#[tokio::test]
async fn an_id_can_be_chosen_once_and_never_to_look_like_another_one_s_fingerprint() {
    let world = World::new().await;
    let master = &world.applications.master;
    let create = |id: &str| {
        let permissions = json!([{ "tenant": "*", "allowedActions": ["*"] }]);
        Call::to("access-token-create").json(&json!({ "id": id, "application": id, "tenantPermissions": permissions }))
    };
    let exists = refused(409, "ACCESS_TOKEN_EXISTS", "An access token with this ID already exists");
    assert_eq!(by(&world, master, create(CHOSEN)).await.1["id"], CHOSEN);
    assert_eq!(by(&world, CHOSEN, Call::to("tenant-get").id("demo")).await.0, 200);
    assert_eq!(by(&world, master, create(CHOSEN)).await, exists);
    let print = fingerprint(CHOSEN);
    assert_eq!(by(&world, master, create(&print)).await, exists, "deleting the one would delete the other");
    assert_eq!(by(&world, &print, Call::to("tenant-get").id("demo")).await.0, 403, "a fingerprint opens nothing");
    let unlike = fingerprint("somebody else's 32 random bytes");
    assert_eq!(by(&world, master, create(&unlike)).await.0, 200, "32 bytes in base64url are a good id");
    assert_eq!(by(&world, master, Call::to("access-token-delete").id(&unlike)).await.0, 200);
    assert_eq!(by(&world, &unlike, Call::to("tenant-get").id("demo")).await.0, 403);
}

#[tokio::test]
async fn only_a_master_manages_access_tokens_and_it_does_nothing_else() {
    let world = World::new().await;
    let applications = &world.applications;
    let before = world.stack.store.access_tokens().await.unwrap();
    for (route, action) in [
        ("access-token-create", "CREATE_TOKEN"),
        ("access-token-get", "READ_TOKEN"),
        ("access-token-list", "READ_TOKEN"),
        ("access-token-delete", "DELETE_TOKEN"),
    ] {
        let message = format!("Current subject does not have permission to execute global action \"{action}\"");
        let call = match route {
            "access-token-create" => Call::to(route).json(&json!({ "application": "mine", "master": true })),
            "access-token-list" => Call::to(route),
            _ => Call::to(route).id(&applications.full),
        };
        for key in [&applications.full, &applications.everywhere, &applications.tickets, &applications.other] {
            let denied = refused(403, "ACTION_DENIED", &message);
            assert_eq!(by(&world, key, call.clone()).await, denied, "{route}");
            // Not even whether there is such a one.
            if call.event()["pathParameters"].is_object() {
                assert_eq!(by(&world, key, Call::to(route).id("nonsense")).await, denied, "{route}");
            }
        }
        for (key, message) in [
            ("no-such-token-anywhere", "No access token found"),
            (&applications.expired, "Access token for application \"expired\" expired"),
        ] {
            assert_eq!(by(&world, key, call.clone()).await, refused(403, "ACCESS_DENIED", message), "{route}");
        }
        let answer = world.send(&call).await;
        let missing = "Access token ID param missing from request";
        assert_eq!((answer.status(), body(&answer)), refused(403, "ACCESS_DENIED", missing), "{route}");
    }
    assert_eq!(world.stack.store.access_tokens().await.unwrap(), before, "nothing was made or deleted");
    for route in ROUTES.iter().filter(|route| route.family == Family::Ticket) {
        if route.name.starts_with("access-token-") {
            continue;
        }
        let answer = world.send(&good(&world, route.name).await.header(KEY, &applications.master)).await;
        assert_eq!((answer.status(), &body(&answer)["errorCode"]), (403, &json!("ACTION_DENIED")), "{}", route.name);
    }
}

/// The request with another application's access token in the place of its own.
fn in_the_name_of(call: &Call, token: &str) -> Value {
    let mut event = call.event();
    let headers = event["headers"].as_object_mut().unwrap();
    for header in ["authorization", KEY, "x-api-key"] {
        headers.remove(header);
    }
    // The one header that every family takes.
    headers.insert("x-api-key".to_owned(), json!(token));
    event
}

#[tokio::test]
async fn a_deleted_access_token_opens_nothing_from_the_next_call_on() {
    let world = World::new().await;
    let mut checked = 0;
    for route in ROUTES {
        if !matches!(route.access, Access::AccessToken | Access::AccessTokenOrJwt) {
            continue;
        }
        // The same application, since some paths ask for its name.
        let everything =
            json!([{ "tenant": "demo", "allowedActions": ["*"] }, { "tenant": "*", "allowedActions": ["*"] }]);
        let wanted = json!({ "application": "full", "master": true, "tenantPermissions": everything });
        let create = Call::to("access-token-create").header(KEY, &world.applications.master).json(&wanted);
        let token = member(&world.send(&create).await, "id");
        for _ in 0..2 {
            let call = good(&world, route.name).await;
            let status = world.invoke(route.name, in_the_name_of(&call, &token)).await.status();
            assert!((200..300).contains(&status), "{} before: {status}", route.name);
        }
        let call = good(&world, route.name).await;
        let delete = Call::to("access-token-delete").id(&fingerprint(&token)).header(KEY, &world.applications.master);
        assert_eq!(world.send(&delete).await.status(), 200);
        let answer = world.invoke(route.name, in_the_name_of(&call, &token)).await;
        let expected = if route.family == Family::Standards { 401 } else { 403 };
        assert_eq!(answer.status(), expected, "{} after: {}", route.name, answer.body());
        if route.family == Family::Ticket {
            assert_eq!(body(&answer)["message"], "No access token found", "{}", route.name);
        }
        checked += 1;
    }
    assert!(checked > 40, "{checked} paths");
}

#[tokio::test]
async fn a_master_can_end_itself() {
    let world = World::new().await;
    let master = &world.applications.master;
    assert_eq!(by(&world, master, Call::to("access-token-delete").id(master)).await, (200, Value::Null));
    let gone = refused(403, "ACCESS_DENIED", "No access token found");
    assert_eq!(by(&world, master, Call::to("access-token-list")).await, gone);
}
