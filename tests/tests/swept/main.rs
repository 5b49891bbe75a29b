//! The tables' TTL deletes what is over some time after its end, which may be at once, in two days, or, as far as anybody
//! promises, never. Nothing may rest on it: everything that ends is taken past its end, second by second, once with a
//! table from which nothing is ever deleted and once with one from which everything is on time, and each answer is the
//! same, but for when a credential was last used, which is noted beside the answer. On the store in memory and on the embedded engine.
//!
//! `OSTIARY_TEST_SWEEPING=on-time cargo test -p tests` runs every other test over stores that sweep on time.

mod engines;

use std::time::Duration;

use engines::{Stage, Sweeping};
use serde_json::{Value, json};
use tests::{Account, Call, NEW_PASSWORD, note};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// An answer without when something was last used, in the order of ids: that a credential was used is noted beside the
/// answer, which doesn't wait for it, and lists go by it.
fn lasting(body: &str) -> String {
    let Ok(Value::Array(mut items)) = serde_json::from_str(body) else { return body.to_owned() };
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        item.remove("lastUsed");
    }
    items.sort_by_key(|item| item["id"].to_string());
    Value::Array(items).to_string()
}

/// A stage, and what it answered.
struct Play {
    stage: Stage,
    told: Vec<String>,
}

impl Play {
    async fn ask(&mut self, call: &Call) -> (u16, Value) {
        self.stage.sweep().await;
        let response = self.stage.world.send(call).await;
        let at = shared::clock::Clock::now(&self.stage.world.stack.clock).as_seconds() - 1_800_000_000;
        let (status, body) = (response.status(), response.body());
        self.told.push(format!("{at} s, {}: {status} {}", call.route().name, lasting(body)));
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    fn pass(&self, seconds: u64) {
        self.stage.world.stack.clock.advance(Duration::from_secs(seconds));
    }

    fn application(&self, name: &str) -> Call {
        Call::to(name).header("x-access-token-id", &self.stage.world.applications.full)
    }

    /// The same by applications with fewer rights, which must not learn what is still stored.
    fn by_others(&self, name: &str) -> [Call; 4] {
        let applications = &self.stage.world.applications;
        let [tickets_elsewhere, profiles_elsewhere] = &self.stage.mixed;
        [&applications.profiles, &applications.other, tickets_elsewhere, profiles_elsewhere]
            .map(|key| Call::to(name).header("x-access-token-id", key))
    }

    /// Goes on to the seconds around the end of something, and asks about it at each; it began `since` seconds ago.
    async fn around(&mut self, end: u64, since: u64, calls: &[Call]) {
        self.pass(end - since - 1);
        for step in [0, 1, 1, 1, 3600, 3 * DAY, 31 * DAY] {
            self.pass(step);
            for call in calls {
                self.ask(call).await;
            }
        }
    }
}

fn login(account: &Account, password: &str) -> Call {
    Call::to("user-login").json(&json!({ "username": account.qualified(), "password": password }))
}

async fn tickets(play: &mut Play) {
    let world = &play.stage.world;
    let (idle, busy) = (world.ticket(&world.demo).await, world.ticket(&world.demo).await);
    let session = world.jwt(&world.demo).await;
    let about = |play: &Play, ticket: &str| {
        let read = play.by_others("ticket-get").map(|call| call.id(ticket));
        let invalidate = play.by_others("ticket-invalidate").map(|call| call.id(ticket));
        let profile = play.by_others("api1-profile-by-ticket").map(|call| call.parameters(&[("ticketId", ticket)]));
        let introspected = Call::to("oauth2-introspect").header("x-api-key", &play.stage.world.applications.full);
        let own = [
            play.application("ticket-get").id(ticket),
            play.application("api1-profile-by-ticket").parameters(&[("ticketId", ticket)]),
            introspected.form(&[("token", ticket)]),
            Call::to("user-sessions").bearer(&session),
        ];
        [&own[..], &read, &invalidate, &profile].concat()
    };
    for _ in 0..(DAY / (10 * MINUTE) - 1) {
        play.pass(10 * MINUTE);
        play.ask(&play.application("ticket-get").id(&busy)).await;
    }
    play.ask(&play.application("ticket-get").id(&idle)).await;
    let mut calls = about(play, &busy);
    calls.extend(about(play, &idle));
    play.around(DAY, DAY - 10 * MINUTE, &calls).await;
    for ticket in [&busy, &idle] {
        play.ask(&play.application("ticket-invalidate").id(ticket)).await;
        play.ask(
            &Call::to("oauth2-revoke")
                .header("x-api-key", &play.stage.world.applications.full)
                .form(&[("token", ticket)]),
        )
        .await;
    }
}

async fn logins(play: &mut Play) {
    let world = &play.stage.world;
    let (renewed, left) = (world.jwt(&world.demo).await, world.jwt(&world.demo).await);
    let profile = world.profile_jwt(&world.demo).await;
    let (_, sessions) = play.ask(&Call::to("user-sessions").bearer(&renewed)).await;
    let ids: Vec<Value> = sessions.as_array().unwrap().iter().map(|session| session["id"].clone()).collect();
    play.pass(HOUR / 2);
    let (_, next) = play.ask(&Call::to("user-renew").bearer(&renewed)).await;
    let next = next["Token"].as_str().unwrap().to_owned();
    let revoke = ids.iter().map(|id| Call::to("user-sessions-revoke").bearer(&next).json(&json!({ "id": id })));
    let calls: Vec<Call> = [&renewed, &left, &next, &profile]
        .into_iter()
        .flat_map(|jwt| {
            ["test-secure", "user-renew", "user-sessions", "user-token"].map(|name| Call::to(name).bearer(jwt))
        })
        .collect();
    let calls: Vec<Call> = calls.into_iter().filter(|call| call.route().name != "user-renew").chain(revoke).collect();
    play.around(HOUR, HOUR / 2, &calls[..12]).await;
    for call in calls.iter().skip(12) {
        play.ask(call).await;
    }
    for jwt in [&renewed, &left, &next, &profile] {
        for name in ["user-renew", "user-logout", "user-logout"] {
            play.ask(&Call::to(name).bearer(jwt)).await;
        }
    }
}

async fn persistent_logins(play: &mut Play) {
    const FORTNIGHT: u64 = 15 * DAY;
    let world = &play.stage.world;
    let ((id, first), (quiet, only)) =
        (world.persistent_login(&world.demo).await, world.persistent_login(&world.demo).await);
    let jwt = world.jwt(&world.demo).await;
    play.pass(HOUR);
    let refresh = play.application("persistent-login-refresh").id(&id).parameters(&[("token", &first)]);
    let (_, second) = play.ask(&refresh).await;
    let second = second["token"].as_str().unwrap().to_owned();
    let mut calls = Vec::new();
    for (id, token) in [(&id, &second), (&quiet, &only), (&id, &first)] {
        if *token == first {
            continue;
        }
        calls.push(play.application("persistent-login-get").id(id));
        calls.extend(play.by_others("persistent-login-get").map(|call| call.id(id)));
        calls.extend(play.by_others("persistent-login-delete").map(|call| call.id(id)));
        calls.extend(play.by_others("persistent-login-refresh").map(|call| call.id(id)));
        calls.push(play.application("persistent-login-refresh").id(id).parameters(&[("token", token)]));
    }
    play.around(FORTNIGHT, HOUR, &calls).await;
    // One that was replaced, after the end of its series: what is still stored must raise no alarm.
    let newer = play.stage.world.jwt(&play.stage.world.demo).await;
    play.ask(&refresh).await;
    play.ask(&Call::to("test-secure").bearer(&newer)).await;
    play.ask(&Call::to("test-secure").bearer(&jwt)).await;
    for id in [&id, &quiet] {
        play.ask(&play.application("persistent-login-delete").id(id)).await;
    }
}

async fn tokens_that_were_sent(play: &mut Play) {
    let newcomers = ["first", "second", "third"];
    for (number, name) in newcomers.iter().enumerate() {
        let email = format!("{name}@demo.example");
        let made = play.application("api1-profile-create").parameters(&[
            ("tenantName", "demo"),
            ("username", name),
            ("password", &format!("{NEW_PASSWORD} {name}")),
            ("email", &email),
            ("enabled", "true"),
        ]);
        let (_, made) = play.ask(&made).await;
        let id = made["id"].as_str().unwrap().to_owned();
        let (_, verification) = play.ask(&play.application("verification-token-create").id(&id)).await;
        let verification = verification["id"].as_str().unwrap().to_owned();
        let _before = play.stage.world.stack.outbox.take();
        play.pass(HOUR);
        play.ask(&Call::to("user-forgot").json(&json!({ "username": name }))).await;
        let (_, detail) = play.stage.world.stack.outbox.take().pop().unwrap();
        let detail: Value = serde_json::from_str(&detail).unwrap();
        let reset = detail["token"].as_str().unwrap_or_default().to_owned();
        let early = u64::from(number == 0);
        play.pass(DAY - HOUR - early);
        let about = [
            play.application("verification-token-get").id(&verification),
            Call::to("user-verify").json(&json!({ "token": verification })),
            Call::to("user-verify").json(&json!({ "token": verification })),
        ];
        for call in &about {
            play.ask(call).await;
        }
        for call in play.by_others("verification-token-get").map(|call| call.id(&verification)) {
            play.ask(&call).await;
        }
        play.pass(HOUR - u64::from(number == 1));
        for step in [0, 1, 1, 40 * DAY] {
            play.pass(step);
            play.ask(&Call::reset(&reset)).await;
            play.ask(&about[0]).await;
            play.ask(&about[1]).await;
            for call in play.by_others("verification-token-delete").map(|call| call.id(&verification)) {
                play.ask(&call).await;
            }
        }
        play.ask(&play.application("verification-token-delete").id(&verification)).await;
    }
}

async fn auth_headers(play: &mut Play) {
    let jwt = play.stage.world.jwt(&play.stage.world.demo).await;
    let (_, me) = play.ask(&Call::to("test-secure").bearer(&jwt)).await;
    assert!(me.is_object());
    let now = shared::clock::Clock::now(&play.stage.world.stack.clock);
    let ends = now.plus(Duration::from_secs(HOUR)).as_zoneless();
    let add = Call::to("authheader-add").bearer(&jwt).json(&json!({ "name": "ci", "expires": ends }));
    let (_, short) = play.ask(&add).await;
    let (_, rotated) = play.ask(&Call::to("authheader-add").bearer(&jwt).json(&json!({ "name": "old" }))).await;
    let rotate = json!({ "text": rotated["id"], "overlap": 2 * HOUR });
    play.ask(&Call::to("authheader-rotate").bearer(&jwt).json(&rotate)).await;
    let (_, listed) = play.ask(&Call::to("authheader-list").bearer(&jwt)).await;
    let displayed: Vec<Value> = listed.as_array().unwrap().iter().map(|header| header["token"].clone()).collect();
    let key = short["token"].as_str().unwrap().to_owned();
    let old = rotated["token"].as_str().unwrap().to_owned();
    let calls = |jwt: &str| {
        let introspect = Call::to("oauth2-introspect").header("x-api-key", "none").form(&[("token", &key)]);
        vec![
            Call::to("test-secure").header("x-authorization", &key),
            Call::to("test-secure").header("x-authorization", &old),
            Call::to("authheader-list").bearer(jwt),
            introspect,
        ]
    };
    let mut since = 0;
    let kept = 30 * DAY;
    for moment in [
        HOUR - 1,
        HOUR,
        HOUR + 1,
        2 * HOUR,
        2 * HOUR + 1,
        kept + HOUR - 1,
        kept + HOUR,
        kept + HOUR + 1,
        kept + 2 * HOUR,
        90 * DAY,
    ] {
        play.pass(moment - since);
        since = moment;
        let jwt = play.stage.world.jwt(&play.stage.world.demo).await;
        for call in calls(&jwt) {
            play.ask(&call).await;
        }
        let again = json!({ "text": short["id"], "overlap": 60 });
        play.ask(&Call::to("authheader-rotate").bearer(&jwt).json(&again)).await;
    }
    // By its display form. By its id it is deleted without a look, and whether it was there is told: the one answer in
    // which what is long over and still stored can be seen, by its owner.
    let jwt = play.stage.world.jwt(&play.stage.world.demo).await;
    for display in displayed {
        play.ask(&Call::to("authheader-delete").bearer(&jwt).json(&json!({ "text": display }))).await;
    }
    play.ask(&Call::to("authheader-report-leaked").json(&json!({ "token": key }))).await;
    play.ask(&Call::to("authheader-list").bearer(&jwt)).await;
}

async fn locks_and_counts(play: &mut Play) {
    let (demo, admin) = (play.stage.world.demo.clone(), play.stage.world.admin.clone());
    let header = play.stage.world.jwt(&admin).await;
    for pause in [1, MINUTE, 15 * MINUTE, HOUR, DAY] {
        for _ in 0..12 {
            play.ask(&login(&demo, "wrong")).await;
        }
        play.ask(&login(&demo, &demo.password)).await;
        play.pass(pause);
        play.ask(&login(&demo, &demo.password)).await;
        play.ask(&Call::to("test-secure").bearer(&header)).await;
    }
    play.pass(2 * DAY);
    play.ask(&login(&demo, &demo.password)).await;
    let jwt = play.stage.world.jwt(&demo).await;
    let ticket = play.stage.world.ticket(&demo).await;
    let (series, _) = play.stage.world.persistent_login(&demo).await;
    play.ask(&Call::new_password(&demo.qualified(), &demo.password)).await;
    play.ask(&play.application("api1-profile-disable").id(admin.id())).await;
    for step in [0, HOUR, DAY, 20 * DAY] {
        play.pass(step);
        play.ask(&Call::to("test-secure").bearer(&jwt)).await;
        play.ask(&play.application("ticket-get").id(&ticket)).await;
        play.ask(&play.application("persistent-login-get").id(&series)).await;
        play.ask(&Call::to("user-logout").bearer(&jwt)).await;
    }
    play.ask(&play.application("api1-profile-enable").id(admin.id())).await;
    play.ask(&Call::to("test-secure").bearer(&header)).await;
}

/// Everything, from one beginning to another.
async fn transcript(mut stage: Stage) -> (Vec<String>, usize) {
    Box::pin(stage.sweep()).await;
    let mut play = Play { stage, told: Vec::new() };
    Box::pin(tickets(&mut play)).await;
    Box::pin(logins(&mut play)).await;
    Box::pin(persistent_logins(&mut play)).await;
    Box::pin(tokens_that_were_sent(&mut play)).await;
    Box::pin(auth_headers(&mut play)).await;
    Box::pin(locks_and_counts(&mut play)).await;
    (play.told, play.stage.swept)
}

fn compare(never: &[String], on_time: &[String]) {
    let differing = never.iter().zip(on_time).filter(|(never, on_time)| never != on_time);
    let shown: Vec<String> = differing.map(|(never, on_time)| format!("never: {never}\non time: {on_time}")).collect();
    assert!(shown.is_empty(), "{} of {} answers rest on the TTL:\n{}", shown.len(), never.len(), shown.join("\n"));
    assert_eq!(never.len(), on_time.len());
}

#[tokio::test]
async fn no_answer_rests_on_what_is_swept_in_memory() {
    let (never, _) = transcript(Stage::in_memory(Sweeping::Never).await).await;
    let stage = Stage::in_memory(Sweeping::OnTime).await;
    let store = stage.world.stack.store.clone();
    let (on_time, _) = transcript(stage).await;
    assert!(store.persistent_logins().len() < 2, "it was swept");
    compare(&never, &on_time);
    note("Q30", "answers-in-memory", never.len());
}

#[tokio::test]
async fn no_answer_rests_on_what_is_swept_from_the_embedded_engine() {
    let (never, kept) = transcript(Stage::on_the_embedded_engine(Sweeping::Never).await).await;
    let (on_time, swept) = transcript(Stage::on_the_embedded_engine(Sweeping::OnTime).await).await;
    assert!(kept == 0 && swept > 30, "{swept} items were swept");
    compare(&never, &on_time);
    let (in_memory, _) = transcript(Stage::in_memory(Sweeping::Never).await).await;
    compare(&in_memory, &never);
    note("Q30", "answers-of-an-engine", never.len());
    note("Q30", "items-swept", swept);
}

/// A play in which nothing succeeds would be the same twice for another reason.
#[tokio::test]
async fn a_play_is_about_what_lives_too() {
    let (told, _) = transcript(Stage::in_memory(Sweeping::Never).await).await;
    for name in
        ["ticket-get", "test-secure", "persistent-login-refresh", "user-verify", "user-reset", "authheader-list"]
    {
        let of = |status: &str| told.iter().filter(|line| line.contains(&format!("{name}: {status}"))).count();
        assert!(of("200") > 0, "{name} never succeeds");
    }
}
