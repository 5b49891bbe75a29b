//! Good events with live credentials: what mutations start from.

use serde_json::{Value, json};
use shared::api::Route;
use tests::{Call, Dice, NEW_PASSWORD, World};

use crate::values;

/// Credentials that work in a world, and some that have stopped working.
pub struct Live {
    pub jwts: Vec<String>,
    pub auth_headers: Vec<String>,
    pub tickets: Vec<String>,
    pub access_tokens: Vec<String>,
    pub ids: Vec<String>,
    /// Ids of sessions of the first user, as its list shows them.
    pub sessions: Vec<String>,
    /// Of the user without a password, so that no other login ends with one.
    pub reset_tokens: Vec<String>,
    pub verification_tokens: Vec<String>,
    /// Names, as the user family writes them, with their passwords.
    pub logins: Vec<(String, String)>,
}

impl Live {
    pub async fn in_world(world: &World) -> Self {
        let (demo, admin, other) = (&world.demo, &world.admin, &world.other);
        let ended = world.jwt(demo).await;
        world.send(&Call::to("user-logout").bearer(&ended)).await;
        let mut jwts = vec![ended, world.profile_jwt(demo).await, world.jwt(admin).await, world.jwt(other).await];
        for _ in 0..12 {
            jwts.push(world.jwt(demo).await);
        }
        let mut auth_headers = Vec::new();
        let mut tickets = vec![world.ticket(other).await];
        for _ in 0..6 {
            auth_headers.push(world.auth_header(&jwts[4]).await);
            tickets.push(world.ticket(demo).await);
        }
        let listed = world.send(&Call::to("user-sessions").bearer(&jwts[4])).await;
        let listed: Vec<Value> = serde_json::from_str(listed.body()).expect("a list");
        let sessions = listed.iter().filter_map(|session| session["id"].as_str().map(str::to_owned)).collect();
        let (mut reset_tokens, mut verification_tokens) = (Vec::new(), Vec::new());
        for _ in 0..6 {
            reset_tokens.push(world.reset_token(&world.passwordless).await);
            verification_tokens.push(world.verification_token(demo).await);
        }
        let applications = &world.applications;
        let access_tokens = [
            &applications.full,
            &applications.everywhere,
            &applications.tickets,
            &applications.profiles,
            &applications.other,
            &applications.expired,
            &applications.master,
        ];
        let accounts = [demo, demo, demo, other, &world.disabled, &world.expired, &world.passwordless];
        Self {
            jwts,
            auth_headers,
            tickets,
            access_tokens: access_tokens.map(Clone::clone).to_vec(),
            ids: [demo, demo, demo, admin, other, &world.disabled].map(|account| account.id().to_owned()).to_vec(),
            sessions,
            reset_tokens,
            verification_tokens,
            logins: accounts.map(|account| (account.qualified(), account.password.clone())).to_vec(),
        }
    }

    /// What no error may repeat.
    pub fn secrets(&self) -> Vec<&str> {
        let passwords = self.logins.iter().map(|(_, password)| password.as_str()).filter(|text| !text.is_empty());
        let texts = [
            &self.jwts,
            &self.auth_headers,
            &self.tickets,
            &self.access_tokens,
            &self.reset_tokens,
            &self.verification_tokens,
        ];
        texts.into_iter().flatten().map(String::as_str).chain(passwords).collect()
    }

    /// An access token that may do everything, more often than not.
    fn access_token(&self, dice: &Dice) -> String {
        let able = if dice.percent(70) { 2 } else { self.access_tokens.len() };
        dice.one(&self.access_tokens[..able])
    }
}

fn login_body(dice: &Dice, live: &Live) -> Value {
    let (name, password) = dice.one(&live.logins);
    let name = if dice.percent(15) { values::text(dice) } else { name };
    let password = if dice.percent(15) { values::text(dice) } else { password };
    let keys = dice.one(&[("username", "password"), ("Username", "Password"), ("USERNAME", "pAssWord")]);
    json!({ keys.0: name, keys.1: password })
}

fn new_header_body(dice: &Dice) -> Value {
    let mut body = json!({ "name": "key" });
    if dice.percent(30) {
        body["name"] = json!(values::text(dice));
    }
    if dice.percent(30) {
        let moments = ["2030-01-31T12:00:00Z", "2027-01-15T08:00:01", "9999-12-31T23:59:59", "2001-01-01T00:00:00Z"];
        body["expires"] = json!(dice.one(&moments));
    }
    if dice.percent(30) {
        body["scopes"] = json!([values::text(dice), "read"]);
    }
    body
}

fn sessions_body(dice: &Dice, live: &Live) -> Value {
    let id = if dice.percent(70) { dice.one(&live.sessions) } else { values::text(dice) };
    match dice.below(40) {
        // Rare, since they end everybody else's JWTs.
        0 => json!({ "all": true }),
        1 => json!({ "All": true, "except_current": true }),
        2 => json!({ "all": dice.percent(50), "id": id }),
        3 => json!({}),
        _ => json!({ "id": id }),
    }
}

fn rotation_body(dice: &Dice, live: &Live) -> Value {
    let text = if dice.percent(80) { dice.one(&live.auth_headers) } else { values::text(dice) };
    // Long overlaps more often than not, since a short one uses the old one up.
    let overlap = dice.one(&[2_592_000, 86_400, 86_400, 60, 60, 0, -1, 2_592_001, i64::MAX]);
    let mut body = json!({ "text": text, "overlap": overlap });
    if dice.percent(20) {
        body["expires"] = json!(dice.one(&["2030-01-31T12:00:00Z", "2001-01-01T00:00:00Z", "never"]));
    }
    body
}

/// The seconds until a JWT ends, as clients ask for them.
fn lifetime_query(dice: &Dice) -> String {
    let count = if dice.percent(80) { "30".to_owned() } else { values::text(dice) };
    match dice.below(8) {
        0 => format!("m={count}&d={count}"),
        1 => format!("%6d={count}&x={count}"),
        2 => format!("d={count}"),
        3 => "d=99999999999999999999".to_owned(),
        _ => format!("m={count}"),
    }
}

fn token_form(dice: &Dice, live: &Live) -> String {
    let pool = dice.one(&[&live.jwts, &live.auth_headers, &live.tickets]);
    let token = if dice.percent(80) { dice.one(pool) } else { values::text(dice) };
    let hint = dice.one(&["", "", "&token_type_hint=access_token", "&token_type_hint=", "&x=1"]);
    format!("token={token}{hint}")
}

fn duration_body(dice: &Dice) -> Value {
    match dice.below(4) {
        0 => json!({}),
        1 => json!({ "duration": null }),
        2 => json!({ "duration": 60 }),
        _ => json!({ "duration": dice.one(&[1, 86_400, 86_401, 0, -1, i64::MAX, i64::MIN]) }),
    }
}

fn credentials_form(dice: &Dice, live: &Live) -> String {
    let (name, password) = dice.one(&live.logins);
    let (tenant, name) = name.split_once('/').unwrap_or(("demo", &name));
    let key = dice.one(&["tenantName", "tenantName", "tentantName"]);
    let token = live.access_token(dice);
    format!("accessTokenId={token}&{key}={tenant}&username={name}&password={password}")
}

fn one_time_token(dice: &Dice, right: &[String], wrong: &[String]) -> String {
    match dice.below(10) {
        0 => values::text(dice),
        1 => dice.one(wrong),
        _ => dice.one(right),
    }
}

/// An event that its endpoint is likely to take.
pub fn event(dice: &Dice, route: &Route, live: &Live) -> Value {
    let call = Call::to(route.name);
    let call = match route.name {
        "user-login" => call.json(&login_body(dice, live)),
        "user-password" => {
            // Not the first one's, on whose sessions most of the others rest.
            let (name, old) = dice.one(&live.logins[3..]);
            Call::new_password(&name, if dice.percent(50) { &old } else { NEW_PASSWORD })
        }
        "user-forgot" => {
            let (name, _) = dice.one(&live.logins);
            let name = if dice.percent(20) { values::text(dice) } else { name };
            call.json(&json!({ dice.one(&["username", "Username", "USERNAME"]): name }))
        }
        "user-reset" => Call::reset(&one_time_token(dice, &live.reset_tokens, &live.verification_tokens)),
        "user-verify" => {
            call.json(&json!({ "token": one_time_token(dice, &live.verification_tokens, &live.reset_tokens) }))
        }
        "user-logout" | "user-renew" | "user-sessions" | "authheader-list" => call.bearer(&dice.one(&live.jwts)),
        "user-token" => call.bearer(&dice.one(&live.jwts)).query(&lifetime_query(dice)),
        "user-sessions-revoke" => call.bearer(&dice.one(&live.jwts)).json(&sessions_body(dice, live)),
        "authheader-rotate" => call.bearer(&dice.one(&live.jwts)).json(&rotation_body(dice, live)),
        "authheader-report-leaked" => {
            let text = if dice.percent(50) { dice.one(&live.auth_headers) } else { values::text(dice) };
            if dice.percent(50) { call.json(&json!({ "token": text })) } else { call.body("text/plain", &text) }
        }
        "oauth2-introspect" | "oauth2-revoke" => {
            let call = call.body("application/x-www-form-urlencoded", &token_form(dice, live));
            let token = live.access_token(dice);
            match dice.below(3) {
                0 => call.header("Authorization", &format!("Bearer {token}")),
                1 => call.header("x-access-token-id", &token),
                _ => call.header("X-Api-Key", &token),
            }
        }
        "authheader-add" => call.bearer(&dice.one(&live.jwts)).json(&new_header_body(dice)),
        "authheader-delete" => {
            let call = call.bearer(&dice.one(&live.jwts));
            let text = if dice.percent(80) { dice.one(&live.auth_headers) } else { values::text(dice) };
            if dice.percent(50) { call.json(&json!({ "text": text })) } else { call.body("text/plain", &text) }
        }
        "test-secure" if dice.percent(50) => call.header("x-authorization", &dice.one(&live.auth_headers)),
        "test-secure" => call.header("Authorization", &dice.one(&live.jwts)),
        "ticket-authenticate" if dice.percent(30) => call.query(&credentials_form(dice, live)),
        "ticket-authenticate" => call.body("application/x-www-form-urlencoded", &credentials_form(dice, live)),
        "ticket-get" | "ticket-invalidate" => {
            let call = call.id(&dice.one(&live.tickets));
            let token = live.access_token(dice);
            match dice.below(3) {
                0 => call.query(&format!("accessTokenId={token}")),
                1 => call.header("x-access-token-id", &token),
                _ => call.header("X-Api-Key", &token),
            }
        }
        "profile-authenticate" => {
            let call = call.id(&dice.one(&live.ids)).json(&duration_body(dice));
            if dice.percent(60) {
                call.header("x-api-key", &live.access_token(dice))
            } else {
                call.bearer(&dice.one(&live.jwts))
            }
        }
        _ => call,
    };
    call.event()
}
