//! Reset and verification by way of an application: it is told what end users are not, and its tokens serve their one
//! purpose, once, in its tenants only.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::access_token::{AccessToken, Action, TenantPermission};
use shared::clock::Clock as _;
use shared::delivery::{EVENT_BYTES, Message};
use shared::gateway::Response;
use shared::one_time::LIFETIME;
use shared::store::{Administration as _, Lookup, Store as _, Update, Write};
use shared::tenant::{Tenant, TenantName};
use shared::user::User;
use tests::paced::Paced;
use tests::{Account, Call, NEW_PASSWORD, World, note};

const PAGE: &str = "https://shop.example/account?step=2";

/// A call of an application.
fn call(name: &str, application: &str, parameters: &[(&str, &str)]) -> Call {
    Call::to(name).header("x-api-key", application).parameters(parameters)
}

fn ask(world: &World, account: &Account) -> Call {
    call("api1-profile-reset-password", &world.applications.full, &[("resetPasswordUrl", PAGE)]).id(account.id())
}

fn change(application: &str, token: &str, new: &str) -> Call {
    call("api1-profile-change-password", application, &[("resetTokenId", token), ("newPassword", new)])
}

fn verify(application: &str, token: &str) -> Call {
    call("api1-profile-verify", application, &[("verificationTokenId", token)])
}

fn create(application: &str, account: &Account) -> Call {
    call("verification-token-create", application, &[]).id(account.id())
}

fn read(application: &str, token: &str) -> Call {
    call("verification-token-get", application, &[]).id(token)
}

fn delete(application: &str, token: &str) -> Call {
    call("verification-token-delete", application, &[]).id(token)
}

async fn status(world: &World, call: &Call) -> u16 {
    world.send(call).await.status()
}

async fn login(world: &World, account: &Account, password: &str) -> u16 {
    let body = json!({ "username": account.qualified(), "password": password });
    status(world, &Call::to("user-login").json(&body)).await
}

async fn user(world: &World, account: &Account) -> User {
    let wanted = Lookup { users: vec![account.user.id.clone()], ..Lookup::default() };
    world.stack.store.lookup(wanted).await.unwrap().users.remove(0)
}

fn object(response: &Response) -> Value {
    serde_json::from_str(response.body()).unwrap()
}

/// Status, code and text of a refusal.
fn refusal(response: &Response) -> (u16, String, String) {
    let body = object(response);
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (response.status(), text("errorCode"), text("message"))
}

/// The messages that were sent: kind and detail, without the padding.
fn sent(world: &World) -> Vec<(&'static str, Value)> {
    let messages = world.stack.outbox.take().into_iter();
    let read = messages.map(|(kind, detail)| {
        assert_eq!(Message::taken(kind, &detail), EVENT_BYTES);
        let mut detail: Value = serde_json::from_str(&detail).unwrap();
        assert!(detail.as_object_mut().unwrap().remove("padding").is_some());
        (kind, detail)
    });
    read.collect()
}

/// The token of the one message that was sent.
fn token(world: &World) -> String {
    let mut messages = sent(world);
    assert_eq!(messages.len(), 1);
    messages.remove(0).1["token"].as_str().unwrap().to_owned()
}

/// A token for a new password that an application asked for.
async fn reset_token(world: &World, account: &Account) -> String {
    assert_eq!(status(world, &ask(world, account)).await, 200);
    token(world)
}

/// A token that an application got in order to send it itself.
async fn verification_token(world: &World, account: &Account) -> String {
    let made = world.send(&create(&world.applications.full, account)).await;
    object(&made)["id"].as_str().unwrap().to_owned()
}

/// An application that may do some things in `demo` and others in `other`.
async fn torn(world: &World) -> String {
    let text = AccessToken::generate(&*world.stack.random);
    let may =
        |tenant: &str, action| TenantPermission { tenant: TenantName::parse(tenant), actions: Some(vec![action]) };
    let token = AccessToken {
        digest: text.digest(),
        application: "torn".to_owned(),
        master: false,
        permissions: vec![may("demo", Action::ReadTenant), may("other", Action::ManageProfiles)],
        expires: None,
        created: world.stack.clock.now(),
    };
    assert_eq!(world.stack.store.create_access_token(&token).await.unwrap(), Write::Done);
    text.expose_secret().to_owned()
}

#[tokio::test]
async fn an_application_has_a_message_sent_and_sets_a_new_password_by_its_token() {
    let world = World::new().await;
    let account = &world.demo;
    let ticket = world.ticket(account).await;
    let asked = world.send(&ask(&world, account)).await;
    assert_eq!((asked.status(), &object(&asked)["id"]), (200, &json!(account.id())));
    assert_eq!(object(&asked)["verified"], false);
    let (kind, detail) = sent(&world).remove(0);
    let token = detail["token"].as_str().unwrap();
    let expires = world.stack.clock.now().plus(LIFETIME).as_zoneless();
    let expected = json!({
        "tenant": "demo", "userId": account.id(), "username": "demo", "email": "demo@demo.example", "token": token,
        "link": format!("{PAGE}&tokenId={token}"), "expires": format!("{expires}Z"),
    });
    assert_eq!((kind, &detail), ("PasswordResetRequested", &expected));

    world.stack.clock.advance(Duration::from_secs(9));
    let answer = world.send(&change(&world.applications.full, token, NEW_PASSWORD)).await;
    let now = user(&world, account).await;
    assert_eq!(answer.status(), 200);
    let profile = object(&answer);
    assert_eq!((&profile["id"], &profile["verified"]), (&json!(account.id()), &json!(true)));
    assert_eq!(profile["lastModified"], json!(now.modified.as_millis()), "as it is stored");
    assert!(now.email_verified && now.modified == world.stack.clock.now());
    assert_eq!(login(&world, account, &account.password).await, 401);
    assert_eq!(login(&world, account, NEW_PASSWORD).await, 200);
    let ended = call("ticket-get", &world.applications.full, &[]).id(&ticket);
    assert_eq!(status(&world, &ended).await, 404, "every ticket ends");
    let again = world.send(&change(&world.applications.full, token, "another quiet harbour at night")).await;
    assert_eq!((again.status(), refusal(&again).1.as_str()), (404, "NO_SUCH_VERIFICATION_TOKEN"));
}

#[tokio::test]
async fn a_profile_is_answered_with_the_attributes_that_are_asked_for() {
    let world = World::new().await;
    let attributes = async |call: Call| {
        let answer = world.send(&call).await;
        assert_eq!(answer.status(), 200, "{}", answer.body());
        object(&answer)["attributes"].clone()
    };
    let full = &world.applications.full;
    for (asked, expected) in [
        (None, json!({ "home": "demo-demo" })),
        (Some("home"), json!({ "home": "demo-demo" })),
        (Some("other"), json!({})),
        (Some("$none"), json!({})),
    ] {
        let verification = verification_token(&world, &world.demo).await;
        let query = asked.map(|name| format!("attributeToReturn={name}")).unwrap_or_default();
        assert_eq!(attributes(ask(&world, &world.demo).query(&query)).await, expected);
        let reset = token(&world);
        assert_eq!(attributes(verify(full, &verification).query(&query)).await, expected);
        let new = format!("{NEW_PASSWORD} {}", asked.unwrap_or("-"));
        assert_eq!(attributes(change(full, &reset, &new).query(&query)).await, expected);
    }
}

#[tokio::test]
async fn tokens_serve_both_families() {
    let world = World::new().await;
    let token = reset_token(&world, &world.demo).await;
    let body = json!({ "token": token, "new": NEW_PASSWORD, "confirm": NEW_PASSWORD });
    assert_eq!(status(&world, &Call::to("user-reset").json(&body)).await, 200);
    let forgotten = world.reset_token(&world.demo).await;
    let new = "another quiet harbour at night";
    assert_eq!(status(&world, &change(&world.applications.full, &forgotten, new)).await, 200);
    assert_eq!(login(&world, &world.demo, new).await, 200);
    let verification = verification_token(&world, &world.admin).await;
    assert_eq!(status(&world, &Call::to("user-verify").json(&json!({ "token": verification }))).await, 200);
    assert!(user(&world, &world.admin).await.email_verified);
}

/// The application is told that a message left, so one leaves each time. Whoever is no application waits for a minute
/// after any of them.
#[tokio::test]
async fn an_application_may_ask_at_any_time_and_end_users_wait() {
    let world = World::new().await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(reset_token(&world, &world.demo).await);
    }
    let forgot = Call::to("user-forgot").json(&json!({ "username": "demo" }));
    assert_eq!(status(&world, &forgot).await, 200);
    assert_eq!(sent(&world).remove(0).0, "PasswordResetNotSent");
    world.stack.clock.advance(Duration::from_secs(60));
    assert_eq!(status(&world, &forgot).await, 200);
    assert_eq!(sent(&world).remove(0).0, "PasswordResetRequested");
    tokens.push(reset_token(&world, &world.demo).await);
    // A clock that runs behind makes no difference.
    world.stack.clock.set(world.stack.clock.now().minus(Duration::from_secs(5)));
    tokens.push(reset_token(&world, &world.demo).await);
    assert_eq!(status(&world, &change(&world.applications.full, &tokens[0], NEW_PASSWORD)).await, 200);
    for (number, token) in tokens.iter().enumerate() {
        let new = format!("{NEW_PASSWORD} {number}");
        assert_eq!(status(&world, &change(&world.applications.full, token, &new)).await, 404, "all end with the first");
    }
}

#[tokio::test]
async fn whom_no_message_or_token_would_help_gets_none() {
    let world = World::new().await;
    world.stack.store.edit_user(&world.admin.user.id, |user| user.email = None);
    let address = "the profile must have an e-mail address for this";
    let disabled = format!("Profile \"{}\" is disabled", world.disabled.id());
    for (account, expected) in [
        (&world.admin, (400, "OTHER".to_owned(), address.to_owned())),
        (&world.disabled, (403, "DISABLED_PROFILE".to_owned(), disabled)),
    ] {
        for call in [ask(&world, account), create(&world.applications.full, account)] {
            let _ = world.stack.store.take_calls();
            assert_eq!(refusal(&world.send(&call).await), expected, "{}", call.route().name);
            assert!(!world.stack.store.take_calls().contains(&"create_one_time"));
            assert!(sent(&world).is_empty());
        }
    }
}

#[tokio::test]
async fn a_page_that_the_token_must_not_go_to_is_refused_before_anything_is_looked_up() {
    let world = World::new().await;
    let full = &world.applications.full;
    let name = "api1-profile-reset-password";
    let at = |page: &str| call(name, full, &[("resetPasswordUrl", page)]).id(world.demo.id());
    let long = format!("https://shop.example/{}", "x".repeat(2048));
    let doubled = call(name, full, &[("resetPasswordUrl", PAGE), ("resetPasswordUrl", PAGE)]).id(world.demo.id());
    let _ = world.stack.store.take_calls();
    for (call, rule) in [
        (at(""), "resetPasswordUrl must be an https URL"),
        (at("http://shop.example/"), "resetPasswordUrl must be an https URL"),
        (at("https://user@shop.example/"), "resetPasswordUrl must be an https URL"),
        (at("https://shop.example/#x"), "resetPasswordUrl must be an https URL"),
        (at("https://shop.example/\r\nX: y"), "resetPasswordUrl must be an https URL"),
        (at("https://sh\u{f6}p.example/"), "resetPasswordUrl must be an https URL"),
        (at("javascript:alert(1)"), "resetPasswordUrl must be an https URL"),
        (at(&long), "resetPasswordUrl is too long"),
        (doubled.clone(), "resetPasswordUrl must be given once"),
        (doubled.query("resetPasswordUrl=x"), "resetPasswordUrl must be given once"),
    ] {
        let (status, code, text) = refusal(&world.send(&call).await);
        assert_eq!((status, code.as_str()), (400, "OTHER"));
        assert!(text.starts_with(rule), "{text}");
    }
    assert!(world.stack.store.take_calls().is_empty() && sent(&world).is_empty());
    for page in ["http://localhost:3000/reset", "http://127.0.0.1/reset", "http://[::1]:8080/reset", &long[..2048]] {
        assert_eq!(status(&world, &at(page)).await, 200, "{page}");
        assert!(sent(&world)[0].1["link"].as_str().unwrap().starts_with(&format!("{page}?tokenId=")));
    }
}

/// What is missing is told to an application that is good, and not before.
#[tokio::test]
async fn what_is_missing_is_named() {
    let world = World::new().await;
    let cases = |application: &str| {
        let of = |name: &str, parameters: &[(&str, &str)]| call(name, application, parameters).id(world.demo.id());
        [
            (of("api1-profile-reset-password", &[]), "resetPasswordUrl"),
            (of("api1-profile-change-password", &[]), "resetTokenId"),
            (of("api1-profile-change-password", &[("newPassword", NEW_PASSWORD)]), "resetTokenId"),
            (of("api1-profile-change-password", &[("resetTokenId", "x")]), "newPassword"),
            (of("api1-profile-verify", &[]), "verificationTokenId"),
        ]
    };
    for (call, name) in cases(&world.applications.full) {
        let expected = (400, "OTHER".to_owned(), format!("Required parameter '{name}' is not present"));
        assert_eq!(refusal(&world.send(&call).await), expected);
    }
    for (call, _) in cases(&world.applications.expired) {
        assert_eq!(refusal(&world.send(&call).await).1, "ACCESS_DENIED");
    }
    for (call, _) in cases(&world.applications.tickets) {
        assert_eq!(refusal(&world.send(&call).await).1, "ACTION_DENIED");
    }
    let long = "x".repeat(257);
    for (name, field) in
        [("api1-profile-change-password", "resetTokenId"), ("api1-profile-verify", "verificationTokenId")]
    {
        let _ = world.stack.store.take_calls();
        let call = call(name, &world.applications.full, &[(field, &long), ("newPassword", NEW_PASSWORD)]);
        assert_eq!(refusal(&world.send(&call).await).2, format!("{field} is too long"));
        assert!(world.stack.store.take_calls().is_empty());
    }
    let long = "x".repeat(1025);
    let refused = refusal(&world.send(&change(&world.applications.full, "x", &long)).await);
    assert_eq!(refused.2, "newPassword must be at most 1024 bytes long");
}

#[tokio::test]
async fn a_password_that_is_refused_leaves_the_token_good() {
    let world = World::new().await;
    let full = &world.applications.full;
    let token = reset_token(&world, &world.demo).await;
    for (new, rule) in [
        ("", "newPassword must be at least 15 characters long"),
        ("short", "newPassword must be at least 15 characters long"),
        ("passwordpassword", "newPassword must not be"),
        (world.demo.password.as_str(), "newPassword must not be one that this account had lately"),
    ] {
        let (status, code, text) = refusal(&world.send(&change(full, &token, new)).await);
        assert_eq!((status, code.as_str()), (400, "OTHER"));
        assert!(text.starts_with(rule), "{text}");
    }
    let verification = verification_token(&world, &world.demo).await;
    for none in ["", "x", &verification] {
        let refused = refusal(&world.send(&change(full, none, "short")).await);
        assert_eq!(refused.0, 404, "whoever has no token learns nothing of the rules");
    }
    assert_eq!(login(&world, &world.demo, &world.demo.password).await, 200);
    assert_eq!(status(&world, &change(full, &token, NEW_PASSWORD)).await, 200);
}

#[tokio::test]
async fn a_token_of_one_purpose_does_not_serve_the_other() {
    let world = World::new().await;
    let full = &world.applications.full;
    let reset = reset_token(&world, &world.demo).await;
    let verification = verification_token(&world, &world.demo).await;
    let unknown = world.send(&verify(full, "unknown")).await;
    let _ = world.stack.store.take_calls();
    for call in [verify(full, &reset), change(full, &verification, NEW_PASSWORD)] {
        assert_eq!(world.send(&call).await, unknown);
    }
    assert_eq!(world.stack.store.take_calls(), ["lookup", "lookup"], "nothing was tried");
    assert!(!user(&world, &world.demo).await.email_verified);
    assert_eq!(login(&world, &world.demo, &world.demo.password).await, 200);
    assert_eq!(status(&world, &verify(full, &verification)).await, 200, "and neither is used up by that");
    assert_eq!(status(&world, &change(full, &reset, NEW_PASSWORD)).await, 200);
}

/// An application and what it is told of a token or a profile in `demo`: what is not its business does not exist, byte
/// for byte.
#[tokio::test]
async fn an_application_has_to_do_with_its_own_tenants_only() {
    let world = World::new().await;
    let torn = torn(&world).await;
    let (reset, verification) = (reset_token(&world, &world.demo).await, verification_token(&world, &world.demo).await);
    let nobody = Account { user: shared::testing::user("nobody"), password: String::new() };
    let calls = |application: &str, account: &Account, reset: &str, verification: &str| {
        let page = [("resetPasswordUrl", PAGE)];
        [
            call("api1-profile-reset-password", application, &page).id(account.id()),
            create(application, account),
            change(application, reset, NEW_PASSWORD),
            verify(application, verification),
            read(application, reset),
            read(application, verification),
            delete(application, reset),
            delete(application, verification),
        ]
    };
    for (application, denied) in [
        (&world.applications.other, None),
        (&world.applications.tickets, Some("MANAGE_PROFILES")),
        (&world.applications.master, Some("MANAGE_PROFILES")),
        (&torn, Some("MANAGE_PROFILES")),
    ] {
        let real = calls(application, &world.demo, &reset, &verification);
        let missing = calls(application, &nobody, "unknown", "unknown");
        for (call, missing) in real.iter().zip(&missing) {
            let (answer, missing) = (world.send(call).await, world.send(missing).await);
            match denied {
                None => assert_eq!(answer, missing, "{}", call.route().name),
                Some(action) => {
                    let (status, code, text) = refusal(&answer);
                    assert_eq!((status, code.as_str()), (403, "ACTION_DENIED"), "{}", call.route().name);
                    assert!(text.contains(action), "{text}");
                }
            }
        }
    }
    assert!(sent(&world).is_empty());
    assert_eq!(login(&world, &world.demo, &world.demo.password).await, 200);
    for token in [&reset, &verification] {
        assert_eq!(status(&world, &read(&world.applications.profiles, token)).await, 200, "nothing ended it");
    }
    assert_eq!(status(&world, &verify(&world.applications.profiles, &verification)).await, 200);
    assert_eq!(status(&world, &change(&world.applications.everywhere, &reset, NEW_PASSWORD)).await, 200);
}

#[tokio::test]
async fn an_application_that_sends_its_own_mail_gets_a_token_reads_it_and_ends_it() {
    let world = World::new().await;
    let full = &world.applications.full;
    let made = world.send(&create(full, &world.demo)).await;
    let id = object(&made)["id"].as_str().unwrap().to_owned();
    let at = world.stack.clock.now().as_millis();
    let expected = json!({ "id": id, "tenant": "demo", "profileId": world.demo.id(), "timestamp": at });
    assert_eq!((made.status(), object(&made)), (200, expected.clone()));
    assert!(sent(&world).is_empty(), "nothing is sent");
    world.stack.clock.advance(Duration::from_secs(9));
    let found = world.send(&read(full, &id)).await;
    assert_eq!((found.status(), object(&found)), (200, expected));
    let reset = reset_token(&world, &world.demo).await;
    assert_eq!(object(&world.send(&read(full, &reset)).await)["profileId"], world.demo.id());

    for token in [&id, &reset, "unknown"] {
        for _ in 0..2 {
            let ended = world.send(&delete(full, token)).await;
            assert_eq!((ended.status(), ended.body()), (200, ""));
        }
        assert_eq!(refusal(&world.send(&read(full, token)).await).1, "NO_SUCH_VERIFICATION_TOKEN");
    }
    assert_eq!(status(&world, &verify(full, &id)).await, 404);
    assert_eq!(status(&world, &change(full, &reset, NEW_PASSWORD)).await, 404);
}

#[tokio::test]
async fn what_is_no_token_costs_one_read_for_the_application() {
    let world = World::new().await;
    let full = &world.applications.full;
    for text in ["x", "\u{e4}", "demo", &"A".repeat(129), &"A".repeat(40), "..%2f"] {
        for (call, expected) in [
            (change(full, text, NEW_PASSWORD), 404),
            (verify(full, text), 404),
            (read(full, text), 404),
            (delete(full, text), 200),
        ] {
            let _ = world.stack.store.take_calls();
            assert_eq!(status(&world, &call).await, expected, "{text}");
            assert_eq!(world.stack.store.take_calls(), ["lookup"], "{text}");
        }
    }
}

#[tokio::test]
async fn a_profile_is_verified_once_and_never_enabled_by_it() {
    let world = World::new().await;
    let full = &world.applications.full;
    let token = verification_token(&world, &world.demo).await;
    world.stack.clock.advance(Duration::from_secs(9));
    let answer = world.send(&verify(full, &token)).await;
    let now = user(&world, &world.demo).await;
    let profile = object(&answer);
    assert_eq!((answer.status(), &profile["verified"], &profile["enabled"]), (200, &json!(true), &json!(true)));
    assert_eq!(profile["lastModified"], json!(now.modified.as_millis()));
    assert!(now.email_verified && now.modified == world.stack.clock.now());
    assert_eq!(status(&world, &verify(full, &token)).await, 404);

    let token = verification_token(&world, &world.admin).await;
    world.stack.store.edit_user(&world.admin.user.id, |user| user.enabled = false);
    for call in [verify(full, &token), read(full, &token)] {
        assert_eq!(refusal(&world.send(&call).await).1, "NO_SUCH_VERIFICATION_TOKEN");
    }
    let after = user(&world, &world.admin).await;
    assert!(!after.enabled && !after.email_verified);
}

#[tokio::test]
async fn a_token_is_good_until_the_last_moment_of_its_day_whoever_asks() {
    let last = LIFETIME.saturating_sub(Duration::from_millis(1));
    for (after, expected) in [(Duration::ZERO, 200), (last, 200), (LIFETIME, 404)] {
        let world = World::new().await;
        let full = &world.applications.full;
        let reset = reset_token(&world, &world.demo).await;
        let verification = verification_token(&world, &world.demo).await;
        world.stack.clock.advance(after);
        let calls = [
            read(full, &reset),
            read(full, &verification),
            verify(full, &verification),
            change(full, &reset, NEW_PASSWORD),
        ];
        for call in calls {
            assert_eq!(status(&world, &call).await, expected, "{} after {after:?}", call.route().name);
        }
    }
}

#[tokio::test]
async fn a_message_that_could_not_be_sent_is_told_and_its_token_taken_back() {
    let world = World::new().await;
    world.stack.outbox.fail(true);
    let _ = world.stack.store.take_calls();
    let answer = world.send(&ask(&world, &world.demo)).await;
    assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("2")));
    let calls = world.stack.store.take_calls();
    assert_eq!(calls, ["lookup", "lookup", "create_one_time", "withdraw_one_time"]);
    let lost = token(&world);
    world.stack.outbox.fail(false);
    assert_eq!(status(&world, &read(&world.applications.full, &lost)).await, 404);
    let token = reset_token(&world, &world.demo).await;
    assert_eq!(status(&world, &change(&world.applications.full, &lost, NEW_PASSWORD)).await, 404);
    assert_eq!(status(&world, &change(&world.applications.full, &token, NEW_PASSWORD)).await, 200);
}

#[tokio::test]
async fn an_outage_at_any_call_is_no_refusal_and_the_next_try_succeeds() {
    type Make = fn(&World, &str, &str) -> Call;
    let cases: [(usize, Make); 6] = [
        (3, |world, _, _| ask(world, &world.demo)),
        (2, |world, _, _| create(&world.applications.full, &world.demo)),
        (3, |world, reset, _| change(&world.applications.full, reset, NEW_PASSWORD)),
        (2, |world, _, verification| verify(&world.applications.full, verification)),
        (1, |world, _, verification| read(&world.applications.full, verification)),
        (2, |world, reset, _| delete(&world.applications.full, reset)),
    ];
    for (calls, make) in cases {
        for allowed in 0..calls {
            let world = World::new().await;
            let reset = world.reset_token(&world.demo).await;
            let call = make(&world, &reset, &world.verification_token(&world.demo).await);
            world.stack.store.fail_after(Some(allowed));
            let answer = world.send(&call).await;
            assert_eq!(answer.status(), 503, "{} after {allowed} calls", call.route().name);
            assert_eq!(answer.header("retry-after"), Some("2"));
            assert!(sent(&world).is_empty());
            world.stack.store.fail_after(None);
            assert_eq!(status(&world, &call).await, 200, "{} after {allowed} calls", call.route().name);
        }
    }
}

/// A tenant that was deleted and made anew under the same name has nothing to do with what was in it.
#[tokio::test]
async fn a_token_of_a_user_or_tenant_that_is_gone_is_none() {
    let world = World::new().await;
    let everywhere = &world.applications.everywhere;
    let account = world.newcomer_of("other").await;
    let (reset, verification) = (world.reset_token(&account).await, world.verification_token(&account).await);
    let deleted = world.stack.store.delete_user(&account.user, world.stack.clock.now()).await.unwrap();
    assert_eq!(deleted, Write::Done);
    for call in [change(everywhere, &reset, NEW_PASSWORD), verify(everywhere, &verification), read(everywhere, &reset)]
    {
        assert_eq!(refusal(&world.send(&call).await).1, "NO_SUCH_VERIFICATION_TOKEN");
    }
    assert_eq!(status(&world, &delete(everywhere, &reset)).await, 200);

    let (reset, verification) = (world.reset_token(&world.other).await, world.verification_token(&world.other).await);
    for account in [&world.other, &world.other_admin] {
        let current = user(&world, account).await;
        let deleted = world.stack.store.delete_user(&current, world.stack.clock.now()).await.unwrap();
        assert_eq!(deleted, Write::Done);
    }
    let other = TenantName::parse("other").unwrap();
    assert_eq!(world.stack.store.close_tenant(&other).await.unwrap(), Write::Done);
    assert_eq!(world.stack.store.delete_tenant(&other).await.unwrap(), Write::Done);
    let anew = Tenant::new(other, world.stack.clock.now());
    assert_eq!(world.stack.store.create_tenant(&anew).await.unwrap(), Write::Done);
    for call in [change(everywhere, &reset, NEW_PASSWORD), verify(everywhere, &verification), read(everywhere, &reset)]
    {
        assert_eq!(refusal(&world.send(&call).await).1, "NO_SUCH_VERIFICATION_TOKEN");
    }
}

#[tokio::test]
async fn of_64_parallel_uses_by_an_application_one_wins_in_200_rounds() {
    const ROUNDS: u64 = 200;
    let (mut changes, mut verifications) = (0, 0);
    for round in 0..ROUNDS {
        let mut world = World::new().await;
        world.rewire(Paced::new(world.stack.store.clone(), round), Arc::new(world.stack.clock.clone()));
        let full = world.applications.full.clone();
        let (reset, verification) =
            (world.reset_token(&world.demo).await, world.verification_token(&world.admin).await);
        // Each with a password of its own, so that a second winner would show.
        let resets = (0..64).map(|number| change(&full, &reset, &format!("{NEW_PASSWORD} {number}")));
        let calls: Vec<Call> = resets.chain((0..64).map(|_| verify(&full, &verification))).collect();
        let _ = world.stack.store.take_calls();
        let answers = join_all(calls.iter().map(|call| world.send(call))).await;
        let made = world.stack.store.take_calls();
        changes += usize::from(made.iter().filter(|call| **call == "change_password").count() > 1);
        verifications += usize::from(made.iter().filter(|call| **call == "verify_email").count() > 1);
        assert!(answers.iter().all(|answer| matches!(answer.status(), 200 | 404)), "round {round}");
        let won: Vec<usize> = (0..128).filter(|number| answers[*number].status() == 200).collect();
        assert!(won.len() == 2 && won[0] < 64 && won[1] >= 64, "round {round}: {won:?}");
        assert_eq!(login(&world, &world.demo, &format!("{NEW_PASSWORD} {}", won[0])).await, 200, "round {round}");
    }
    assert!(changes > 100 && verifications > 100, "several at once in {changes} and {verifications} rounds only");
    note("Q12", "rounds-by-an-application", ROUNDS);
}

/// However little the clock moved: what is written of a user rests on when it was changed, so a change must show.
#[tokio::test]
async fn a_change_of_the_profile_that_began_before_does_not_undo_a_verification() {
    for by_reset in [false, true] {
        let world = World::new().await;
        let full = &world.applications.full;
        let before = user(&world, &world.demo).await;
        let call = if by_reset {
            change(full, &world.reset_token(&world.demo).await, NEW_PASSWORD)
        } else {
            verify(full, &world.verification_token(&world.demo).await)
        };
        let answer = world.send(&call).await;
        let after = User { first_name: Some("Jo".to_owned()), ..before.clone() };
        assert_eq!(world.stack.store.update_user(&before, &after).await.unwrap(), Update::Stale);
        let now = user(&world, &world.demo).await;
        assert!(now.email_verified);
        assert_eq!(object(&answer)["lastModified"], json!(now.modified.as_millis()));
    }
}

/// A link of its own for a message that a new profile gets.
#[tokio::test]
async fn a_new_profile_is_sent_a_token_with_a_link_to_the_applications_page() {
    let world = World::new().await;
    let recovery = world.recovery();
    let page = shared::recovery::page("verificationUrl", "https://shop.example/welcome").unwrap();
    recovery.send_verification_to(&world.demo.user, &page).await.unwrap();
    let (kind, detail) = sent(&world).remove(0);
    let token = detail["token"].as_str().unwrap();
    assert_eq!(kind, "EmailVerificationRequested");
    assert_eq!(detail["link"], format!("https://shop.example/welcome?tokenId={token}"));
    assert_eq!(status(&world, &verify(&world.applications.full, token)).await, 200);
    world.stack.outbox.fail(true);
    assert!(recovery.send_verification_to(&world.demo.user, &page).await.is_err());
}
