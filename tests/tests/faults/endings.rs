//! Every way to end something, and the calls that tell whether it has ended.

use serde_json::json;
use tests::document::success;
use tests::good::KEY;
use tests::world::member;
use tests::{Call, NEW_PASSWORD, World};

use crate::lane::{with_header, with_jwt};

/// One way: the call, and other calls with the status that says that it has ended.
pub struct Ending {
    pub call: Call,
    pub probes: Vec<(Call, u16)>,
}

impl Ending {
    /// What is answered where it is done: who shows a copy of a token is told nothing of what it ended.
    pub fn done(&self) -> u16 {
        if self.call.route().name == "persistent-login-refresh" { 404 } else { success(self.call.route()) }
    }
}

pub const NAMES: [&str; 18] = [
    "user-logout",
    "user-sessions-revoke one",
    "user-sessions-revoke all",
    "user-sessions-revoke others",
    "authheader-delete",
    "authheader-rotate",
    "authheader-report-leaked",
    "oauth2-revoke jwt",
    "oauth2-revoke auth header",
    "oauth2-revoke ticket",
    "ticket-invalidate",
    "persistent-login-delete",
    "persistent-login replay",
    "access-token-delete",
    "api1-profile-disable",
    "api1-profile-delete",
    "password change",
    "password reset",
];

/// What to do, and what ends by it.
pub async fn of(world: &World, name: &str) -> Ending {
    match name.split('-').next().unwrap_or_default() {
        "user" => sessions(world, name).await,
        "authheader" | "oauth2" => credentials(world, name).await,
        _ => others(world, name).await,
    }
}

async fn sessions(world: &World, name: &str) -> Ending {
    let (jwt, other) = (world.jwt(&world.demo).await, world.jwt(&world.demo).await);
    let revoke = |body| Call::to("user-sessions-revoke").bearer(&jwt).json(&body);
    let dead = |jwt: &str| vec![(with_jwt(jwt), 401)];
    match name {
        "user-logout" => Ending { call: Call::to(name).bearer(&jwt), probes: dead(&jwt) },
        "user-sessions-revoke all" => Ending { call: revoke(json!({ "all": true })), probes: dead(&other) },
        "user-sessions-revoke others" => {
            let call = revoke(json!({ "all": true, "except_current": true }));
            Ending { call, probes: dead(&other) }
        }
        _ => {
            let listed = world.send(&Call::to("user-sessions").bearer(&jwt)).await;
            let listed: serde_json::Value = serde_json::from_str(listed.body()).unwrap();
            let of_other = listed.as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
            Ending { call: revoke(json!({ "id": of_other["id"] })), probes: dead(&other) }
        }
    }
}

async fn credentials(world: &World, name: &str) -> Ending {
    let jwt = world.jwt(&world.demo).await;
    let header = world.auth_header(&jwt).await;
    let by_full = |name: &str, token: &str| {
        Call::to(name).header("x-api-key", &world.applications.full).form(&[("token", token)])
    };
    let of_header = vec![(with_header(&header), 401)];
    let call = match name {
        "authheader-delete" => Call::to(name).bearer(&jwt).json(&json!({ "text": header })),
        "authheader-rotate" => Call::to(name).bearer(&jwt).json(&json!({ "text": header, "overlap": 0 })),
        "authheader-report-leaked" => Call::to(name).json(&json!({ "token": header })),
        "oauth2-revoke jwt" => {
            return Ending { call: by_full("oauth2-revoke", &jwt), probes: vec![(with_jwt(&jwt), 401)] };
        }
        "oauth2-revoke ticket" => {
            let ticket = world.ticket(&world.demo).await;
            return Ending { call: by_full("oauth2-revoke", &ticket), probes: vec![of_ticket(world, &ticket)] };
        }
        _ => by_full("oauth2-revoke", &header),
    };
    Ending { call, probes: of_header }
}

fn of_ticket(world: &World, ticket: &str) -> (Call, u16) {
    (Call::to("ticket-get").id(ticket).header(KEY, &world.applications.full), 404)
}

fn of_series(world: &World, id: &str) -> (Call, u16) {
    (Call::to("persistent-login-get").id(id).header(KEY, &world.applications.full), 404)
}

async fn others(world: &World, name: &str) -> Ending {
    let by = |token: &str, call: Call| call.header(KEY, token);
    let keys = &world.applications;
    match name {
        "ticket-invalidate" => {
            let ticket = world.ticket(&world.demo).await;
            Ending { call: by(&keys.full, Call::to(name).id(&ticket)), probes: vec![of_ticket(world, &ticket)] }
        }
        "persistent-login-delete" => {
            let (id, _) = world.persistent_login(&world.demo).await;
            Ending { call: by(&keys.full, Call::to(name).id(&id)), probes: vec![of_series(world, &id)] }
        }
        "persistent-login replay" => replay(world).await,
        "access-token-delete" => {
            let token = world.application("portal", Some("demo"), None).await;
            let probe = by(&token, Call::to("tenant-get").id("demo"));
            Ending { call: by(&keys.master, Call::to(name).id(&token)), probes: vec![(probe, 403)] }
        }
        "password change" | "password reset" => password(world, name).await,
        _ => {
            let whom = world.newcomer().await;
            let (jwt, ticket) = (world.jwt(&whom).await, world.ticket(&whom).await);
            let header = world.auth_header(&jwt).await;
            let (series, _) = world.persistent_login(&whom).await;
            let probes = vec![
                (with_jwt(&jwt), 401),
                (with_header(&header), 401),
                of_ticket(world, &ticket),
                of_series(world, &series),
            ];
            Ending { call: by(&keys.full, Call::to(name).id(whom.id())), probes }
        }
    }
}

/// A copy of a persistent login's token is shown after its owner went on with the next but one.
async fn replay(world: &World) -> Ending {
    let whom = world.newcomer().await;
    let (id, first) = world.persistent_login(&whom).await;
    let about = |token: &str| {
        let call = Call::to("persistent-login-refresh").id(&id).parameters(&[("token", token)]);
        call.header(KEY, &world.applications.full)
    };
    let mut last = first.clone();
    for _ in 0..3 {
        world.stack.clock.advance(std::time::Duration::from_secs(60));
        last = member(&world.send(&about(&last)).await, "token");
    }
    let jwt = world.jwt(&whom).await;
    Ending { call: about(&first), probes: vec![(with_jwt(&jwt), 401), of_series(world, &id)] }
}

async fn password(world: &World, name: &str) -> Ending {
    let whom = world.newcomer().await;
    let jwt = world.jwt(&whom).await;
    let call = if name == "password reset" {
        Call::reset(&world.reset_token(&whom).await)
    } else {
        Call::new_password(whom.user.name.as_str(), &whom.password)
    };
    let body = json!({ "username": whom.user.name.as_str(), "password": whom.password });
    assert_ne!(whom.password, NEW_PASSWORD);
    Ending { call, probes: vec![(with_jwt(&jwt), 401), (Call::to("user-login").json(&body), 401)] }
}
