//! Nobody learns from an answer, or from the work behind it, whether an account exists; what can't be ours costs no work
//! at all; and one warm process never mixes two callers up.

use serde_json::{Value, json};
use shared::gateway::Response;
use shared::lockout::Rules;
use tests::{Account, Call, Dice, Total, World, escaped, note};

/// Refusals that were held against one another.
static COMPARED: Total = Total::new("Q19", "refusals-compared");

const LONG: &str = "a-name-that-is-far-too-long-";

/// Refused logins of every class: what is tried, tenant, user name and password.
fn classes(world: &World) -> Vec<(&'static str, String, String, String)> {
    let demo = &world.demo.password;
    let case = |what, tenant: &str, name: &str, password: &str| {
        (what, tenant.to_owned(), name.to_owned(), password.to_owned())
    };
    vec![
        case("a wrong password", "demo", "demo", "wrong"),
        case("an empty password", "demo", "demo", ""),
        case("the longest password", "demo", "demo", &"x".repeat(1024)),
        case("the password of the same name in another tenant", "demo", "demo", &world.other.password),
        case("an unknown user", "demo", "nobody", demo),
        case("an unknown user with an empty password", "demo", "nobody", ""),
        case("a disabled user, wrong password", "demo", "disabled", "wrong"),
        case("an expired password, wrong password", "demo", "expired", "wrong"),
        case("no password set", "demo", "passwordless", demo),
        case("no password set and none given", "demo", "passwordless", ""),
        case("an unknown tenant", "nowhere", "demo", demo),
        case("another tenant", "other", "admin", demo),
        case("a tenant that can't be one", "*", "demo", demo),
        case("a tenant with a separator of keys", "de#mo", "demo", demo),
        case("a name that can't be one", "demo", "\u{200b}", demo),
        case("a name with a space", "demo", "de mo", demo),
        case("a name that is too long", "demo", &LONG.repeat(15), demo),
        case("the name that stands for nobody", "*", "*", ""),
    ]
}

fn user_login(tenant: &str, name: &str, password: &str) -> Call {
    Call::to("user-login").json(&json!({ "username": format!("{tenant}/{name}"), "password": password }))
}

fn new_password(tenant: &str, name: &str, old: &str) -> Call {
    Call::new_password(&format!("{tenant}/{name}"), old)
}

fn ticket_login(world: &World, tenant: &str, name: &str, password: &str) -> Call {
    Call::to("ticket-authenticate").form(&[
        ("accessTokenId", &world.applications.everywhere),
        ("tenantName", &escaped(tenant)),
        ("username", &escaped(name)),
        ("password", &escaped(password)),
    ])
}

/// The answer, and the store calls that it took.
async fn watched(world: &World, call: &Call) -> (Response, Vec<&'static str>) {
    let _earlier = world.stack.store.take_calls();
    let response = world.send(call).await;
    (response, world.stack.store.take_calls())
}

#[tokio::test]
async fn every_refused_login_is_one_answer_and_one_sequence_of_work() {
    let world = World::new().await;
    let mut logins: Vec<_> = classes(&world)
        .into_iter()
        .map(|(what, tenant, name, password)| (what, user_login(&tenant, &name, &password)))
        .collect();
    // This family tells nobody that an account is disabled, not even its owner.
    logins.push(("a disabled user, right password", user_login("demo", "disabled", &world.disabled.password)));
    let expected = watched(&world, &user_login("demo", "demo", "Wrong-horse-battery-9")).await;
    assert_eq!(expected.0.status(), 401);
    assert_eq!(expected.1, ["lookup", "lookup", "record_guess"]);
    for (what, call) in &logins {
        assert_eq!(watched(&world, call).await, expected, "{what}");
    }
    COMPARED.add(logins.len());
}

#[tokio::test]
async fn every_refused_ticket_is_one_answer_and_one_sequence_of_work() {
    let world = World::new().await;
    let expected = watched(&world, &ticket_login(&world, "demo", "demo", "Wrong-horse-battery-9")).await;
    assert_eq!(expected.0.status(), 401);
    let body: Value = serde_json::from_str(expected.0.body()).unwrap();
    assert_eq!(body, json!({ "errorCode": "BAD_CREDENTIALS", "message": "Invalid username and/or password" }));
    assert_eq!(expected.1, ["lookup", "lookup", "record_guess"]);
    for (what, tenant, name, password) in classes(&world) {
        assert_eq!(watched(&world, &ticket_login(&world, &tenant, &name, &password)).await, expected, "{what}");
        COMPARED.add(1);
    }
}

#[tokio::test]
async fn every_refused_change_of_a_password_is_one_answer_and_one_sequence_of_work() {
    let world = World::new().await;
    let expected = watched(&world, &new_password("demo", "demo", "Wrong-horse-battery-9")).await;
    assert_eq!((expected.0.status(), expected.1.as_slice()), (401, ["lookup", "lookup", "record_guess"].as_slice()));
    for (what, tenant, name, password) in classes(&world) {
        assert_eq!(watched(&world, &new_password(&tenant, &name, &password)).await, expected, "{what}");
        COMPARED.add(1);
    }
    let disabled = new_password("demo", "disabled", &world.disabled.password);
    assert_eq!(watched(&world, &disabled).await, expected, "a disabled user, right password");
}

/// An account that is locked, whatever it is asked with, and one that nobody has, by every path that takes a password.
#[tokio::test]
async fn a_locked_account_is_one_answer_and_one_sequence_of_work() {
    for path in ["user-login", "ticket-authenticate", "user-password"] {
        let world = World::new().await;
        let call = |name: &str, password: &str| match path {
            "user-login" => user_login("demo", name, password),
            "user-password" => new_password("demo", name, password),
            _ => ticket_login(&world, "demo", name, password),
        };
        let expected = watched(&world, &call("nobody", "wrong")).await;
        assert_eq!(
            (expected.0.status(), expected.1.as_slice()),
            (401, ["lookup", "lookup", "record_guess"].as_slice())
        );
        for account in [&world.demo, &world.expired, &world.disabled] {
            let name = account.user.name.as_str();
            // The last of them meet the lock.
            for number in 0..3 * Rules::DEFAULT.per_network {
                let guess = watched(&world, &call(name, &format!("wrong {number}"))).await;
                assert_eq!(guess, expected, "{path}: {name}, guess {number}");
                COMPARED.add(1);
            }
            assert_eq!(watched(&world, &call(name, &account.password)).await, expected, "{path}: {name}, locked");
        }
    }
}

/// What holds an `@` may be an address, and costs one more read, whoever has it.
#[tokio::test]
async fn an_address_costs_the_same_whoever_has_it() {
    let world = World::new().await;
    let login = |name: &str| user_login("demo", name, "Wrong-horse-battery-9");
    let expected = watched(&world, &login("nobody@nowhere.example")).await;
    assert_eq!(expected.0.status(), 401);
    assert_eq!(expected.1, ["lookup", "lookup", "lookup", "record_guess"]);
    for name in
        ["demo@demo.example", "DEMO@Demo.Example", "disabled@demo.example", "@", "a@b@c", "a b@c", "demo@", "@demo"]
    {
        assert_eq!(watched(&world, &login(name)).await, expected, "{name}");
    }
    let right = user_login("demo", "Demo@demo.example", &world.demo.password);
    assert_eq!(watched(&world, &right).await.0.status(), 200);
    let elsewhere = user_login("other", "demo@demo.example", &world.demo.password);
    assert_eq!(watched(&world, &elsewhere).await, expected, "an address is one of its tenant");
}

#[tokio::test]
async fn only_the_owner_of_the_right_password_is_told_more_and_for_the_same_work() {
    let world = World::new().await;
    let (disabled, expired) = (&world.disabled.password, &world.expired.password);
    for (call, status, code) in [
        (ticket_login(&world, "demo", "disabled", disabled), 403, json!("DISABLED_PROFILE")),
        (ticket_login(&world, "demo", "expired", expired), 403, json!("PASSWORD_EXPIRED")),
        (user_login("demo", "expired", expired), 403, json!(null)),
    ] {
        let (response, calls) = watched(&world, &call).await;
        assert_eq!(response.status(), status);
        assert_eq!(serde_json::from_str::<Value>(response.body()).unwrap()["errorCode"], code);
        assert_eq!(calls, ["lookup", "lookup", "record_guess"]);
    }
}

#[tokio::test]
async fn a_login_that_succeeds_is_told_apart() {
    let world = World::new().await;
    let (response, calls) = watched(&world, &user_login("demo", "demo", &world.demo.password)).await;
    assert_eq!((response.status(), calls), (200, vec!["lookup", "lookup", "commit_login", "create_ticket"]));
}

/// A foreign auth header, ticket or profile answers byte for byte like one that does not exist: see `tenants.rs`.
#[tokio::test]
async fn a_jwt_is_refused_alike_whatever_is_wrong_with_it() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    world.send(&Call::to("user-logout").bearer(&jwt)).await;
    let expected = world.send(&Call::to("test-secure")).await;
    assert_eq!(expected.status(), 401);
    assert_eq!(expected.header("www-authenticate"), Some("Bearer"));
    let header = Call::to("test-secure").header("x-authorization", "ost_unknown");
    for call in [
        Call::to("test-secure").bearer(&jwt),
        Call::to("test-secure").bearer("a.b.c"),
        Call::to("test-secure").header("authorization", "Basic dTpw"),
        Call::to("test-secure").header("authorization", ""),
        Call::to("test-secure").header("authorization", "Bearer"),
        header,
    ] {
        assert_eq!(world.send(&call).await, expected);
    }
}

#[tokio::test]
async fn a_reported_leak_is_one_answer_whatever_was_reported() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let (live, deleted) = (world.auth_header(&jwt).await, world.auth_header(&jwt).await);
    world.send(&Call::to("authheader-delete").bearer(&jwt).json(&json!({ "text": deleted }))).await;
    let foreign = world.auth_header(&world.jwt(&world.other).await).await;
    // The same seed makes the same people.
    let stranger = World::with_keys(&tests::world::keyset(8)).await;
    let unknown = stranger.auth_header(&stranger.jwt(&stranger.demo).await).await;
    let report = |text: &str| Call::to("authheader-report-leaked").json(&json!({ "token": text }));
    let expected = watched(&world, &report(&live)).await;
    assert_eq!((expected.0.status(), expected.1.as_slice()), (200, ["delete_auth_header"].as_slice()));
    for text in [&live, &deleted, &foreign, &unknown] {
        assert_eq!(watched(&world, &report(text)).await, expected);
    }
    for text in ["ost_", "hunter2", &live[1..], &jwt[..256]] {
        assert_eq!(watched(&world, &report(text)).await, (expected.0.clone(), Vec::new()), "{text}");
    }
}

#[tokio::test]
async fn somebody_elses_session_answers_like_one_that_does_not_exist() {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let ended = world.jwt(&world.demo).await;
    let mine = sessions(&world, &jwt).await;
    world.send(&Call::to("user-logout").bearer(&ended)).await;
    let left = sessions(&world, &jwt).await;
    let mut ids: Vec<String> = mine.into_iter().filter(|id| !left.contains(id)).collect();
    assert_eq!(ids.len(), 1, "the session that has ended");
    for account in [&world.admin, &world.other, &world.other_admin] {
        ids.extend(sessions(&world, &world.jwt(account).await).await);
    }
    ids.extend(["x".to_owned(), "x".repeat(64), left[0][1..].to_owned(), left[0].to_ascii_lowercase()]);
    let revoke = |id: &str| Call::to("user-sessions-revoke").bearer(&jwt).json(&json!({ "id": id }));
    let expected = watched(&world, &revoke("wouG652vQ94Fs8NIkxGtIo")).await;
    assert_eq!((expected.0.status(), expected.1.as_slice()), (404, ["lookup", "tickets"].as_slice()));
    for id in &ids {
        assert_eq!(watched(&world, &revoke(id)).await, expected, "{id}");
    }
    assert_eq!(sessions(&world, &jwt).await, left, "and nothing has ended");
}

/// The ids of the caller's sessions.
async fn sessions(world: &World, jwt: &str) -> Vec<String> {
    let listed = world.send(&Call::to("user-sessions").bearer(jwt)).await;
    let listed: Vec<Value> = serde_json::from_str(listed.body()).unwrap();
    listed.iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}

/// A text that looks like an auth header from afar.
fn junk(dice: &Dice) -> String {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let length = dice.one(&[0, 1, 6, 40, 76, 76, 76, 77, 90, 122, 123, 124, 200]);
    let body: String = (0..length).map(|_| char::from(dice.one(DIGITS))).collect();
    format!("{}{body}", dice.one(&["ost_", "ost_", "ost_", "ost-", "OST_", "osa_", ""]))
}

#[tokio::test]
async fn a_hundred_thousand_junk_auth_headers_cost_no_store_call() {
    let world = World::new().await;
    let good = world.auth_header(&world.jwt(&world.demo).await).await;
    let _earlier = world.stack.store.take_calls();
    let dice = Dice::new(25);
    for number in 0..100_000 {
        let text = if number % 2 == 0 {
            junk(&dice)
        } else {
            // Two neighbours that differ change places: the commonest typing error.
            let mut text = good.clone().into_bytes();
            let place = dice.below(text.len() - 1);
            text.swap(place, place + 1);
            String::from_utf8(text).unwrap()
        };
        if text == good || text.is_empty() {
            continue;
        }
        let response = world.send(&Call::to("test-secure").header("x-authorization", &text)).await;
        assert_eq!(response.status(), 401, "{text}");
    }
    assert_eq!(world.stack.store.take_calls(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_well_formed_unknown_auth_header_costs_one_read() {
    let world = World::new().await;
    let stranger = World::with_keys(&tests::world::keyset(8)).await;
    // The same seed makes the same people, so that later headers belong to a user that is known here too.
    let jwt = stranger.jwt(&stranger.demo).await;
    for _ in 0..100 {
        let text = stranger.auth_header(&jwt).await;
        let (response, calls) = watched(&world, &Call::to("test-secure").header("x-authorization", &text)).await;
        assert_eq!((response.status(), calls), (401, vec!["lookup"]));
    }
}

/// The credentials of one user, and what answers to them say.
struct Caller<'a> {
    account: &'a Account,
    jwt: String,
    header: String,
    ticket: String,
    application: &'a str,
}

impl<'a> Caller<'a> {
    async fn new(world: &World, account: &'a Account, application: &'a str) -> Self {
        let jwt = world.jwt(account).await;
        let header = world.auth_header(&jwt).await;
        Self { account, header, ticket: world.ticket(account).await, jwt, application }
    }

    /// One request, and whether its answer is about this user.
    async fn ask(&self, world: &World, dice: &Dice) -> bool {
        let account = self.account;
        let body = |response: Response| serde_json::from_str::<Value>(response.body()).unwrap();
        match dice.below(8) {
            0 => {
                let call = user_login(account.user.tenant.as_str(), account.user.name.as_str(), &account.password);
                let answer = body(world.send(&call).await);
                answer["Id"] == account.id()
                    && answer["Active"]["Name"] == account.user.tenant.as_str()
                    && answer["Properties"]["home"] == account.user.attributes["home"]
            }
            1 => {
                let call = user_login(account.user.tenant.as_str(), account.user.name.as_str(), "wrong");
                world.send(&call).await.status() == 401
            }
            2 => {
                let answer = world.send(&Call::to("authheader-list").bearer(&self.jwt)).await;
                let display = format!("{}\u{2026}", &self.header[..10]);
                body(answer).as_array().is_some_and(|listed| {
                    listed.len() == 1 && listed[0]["token"].as_str().is_some_and(|text| text.starts_with(&display))
                })
            }
            3 => {
                let call = Call::to("test-secure").header("x-authorization", &self.header);
                body(world.send(&call).await)["message"] == format!("Hi {}", account.user.name.as_str())
            }
            4 => {
                let call = Call::to("ticket-get").id(&self.ticket).header("x-api-key", self.application);
                let answer = body(world.send(&call).await);
                answer["profileId"] == account.id() && answer["tenant"] == account.user.tenant.as_str()
            }
            5 => {
                let token = dice.one(&[&self.jwt, &self.header, &self.ticket]);
                let call =
                    Call::to("oauth2-introspect").header("x-api-key", self.application).form(&[("token", token)]);
                let answer = body(world.send(&call).await);
                answer["sub"] == account.id() && answer["tenant"] == account.user.tenant.as_str()
            }
            6 => {
                let call = Call::to("profile-authenticate").id(account.id()).bearer(&self.jwt);
                let answer = body(world.send(&call).await);
                let Some(jwt) = answer["jwt"].as_str() else { return false };
                let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Value>(jwt).unwrap();
                claims["sub"] == account.id() && claims["tenant"] == account.user.tenant.as_str()
            }
            _ => {
                let (tenant, name) = (account.user.tenant.as_str(), account.user.name.as_str());
                let answer = body(world.send(&ticket_login(world, tenant, name, &account.password)).await);
                answer["profileId"] == account.id()
            }
        }
    }
}

#[tokio::test]
async fn ten_thousand_alternating_callers_of_one_process_get_their_own_answers() {
    let world = World::new().await;
    let applications = &world.applications;
    let callers = [
        Caller::new(&world, &world.demo, &applications.full).await,
        Caller::new(&world, &world.other, &applications.other).await,
        Caller::new(&world, &world.admin, &applications.full).await,
        Caller::new(&world, &world.other_admin, &applications.other).await,
    ];
    let dice = Dice::new(22);
    let mut asked = 0;
    for round in 0..2_500 {
        // All four at once, so that their steps interleave.
        let [a, b, c, d] = &callers;
        let dice: [Dice; 4] = std::array::from_fn(|_| Dice::new(dice.bits()));
        let all = tokio::join!(
            a.ask(&world, &dice[0]),
            b.ask(&world, &dice[1]),
            c.ask(&world, &dice[2]),
            d.ask(&world, &dice[3]),
        );
        assert_eq!(all, (true, true, true, true), "round {round}");
        asked += callers.len();
    }
    note("Q22", "alternating-callers", asked);
}

#[tokio::test]
async fn somebody_elses_answer_would_be_noticed() {
    let world = World::new().await;
    let mut caller = Caller::new(&world, &world.demo, &world.applications.full).await;
    let stranger = Caller::new(&world, &world.other, &world.applications.other).await;
    caller.account = stranger.account;
    let dice = Dice::new(1);
    let mut noticed = 0;
    for _ in 0..200 {
        noticed += usize::from(!caller.ask(&world, &dice).await);
    }
    assert!(noticed > 20, "{noticed}");
    let (what, test) = ("an answer is about somebody else", "somebody_elses_answer_would_be_noticed");
    tests::noticed("Q22", "somebody-elses-answer", what, "tests/tests/same_work.rs", test);
}
