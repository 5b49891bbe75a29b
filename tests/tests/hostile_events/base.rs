//! Good events with live credentials: what mutations start from.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shared::api::{Access, Family, ROUTES, Route};
use tests::{Call, Dice, World, document, good};

use crate::values;

/// How many good requests there are to each endpoint: enough for those that use something up.
const GOOD: usize = 3;

/// Credentials that work in a world, some that have stopped working, and requests that succeed.
pub struct Live {
    good: BTreeMap<&'static str, Vec<Call>>,
    pub jwts: Vec<String>,
    pub auth_headers: Vec<String>,
    pub tickets: Vec<String>,
    pub access_tokens: Vec<String>,
    /// Of profiles, sessions and tenants.
    pub ids: Vec<String>,
    /// Names, as the user family writes them, with their passwords.
    logins: Vec<(String, String)>,
    secrets: Vec<String>,
}

impl Live {
    pub async fn in_world(world: &World) -> Self {
        let (demo, admin, other) = (&world.demo, &world.admin, &world.other);
        let ended = world.jwt(demo).await;
        world.send(&Call::to("user-logout").bearer(&ended)).await;
        let jwts = vec![ended, world.profile_jwt(demo).await, world.jwt(admin).await, world.jwt(other).await];
        let auth_headers = vec![world.auth_header(&jwts[2]).await, world.auth_header(&jwts[3]).await];
        let tickets = vec![world.ticket(demo).await, world.ticket(other).await];
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
        let mut good = BTreeMap::new();
        for route in ROUTES {
            let mut calls = Vec::new();
            for _ in 0..GOOD {
                calls.push(self::good(world, route.name).await);
            }
            good.insert(route.name, calls);
        }
        let access_tokens = access_tokens.map(Clone::clone).to_vec();
        let logins = accounts.map(|account| (account.qualified(), account.password.clone())).to_vec();
        let passwords = logins.iter().map(|(_, password)| password.clone()).filter(|text| !text.is_empty());
        let secrets = world.issued().into_iter().chain(access_tokens.clone()).chain(passwords).collect();
        let ids = [demo, admin, other, &world.disabled].map(|account| account.id().to_owned());
        let ids = ids.into_iter().chain(["demo", "other", "nowhere"].map(str::to_owned)).collect();
        Self { good, jwts, auth_headers, tickets, access_tokens, ids, logins, secrets }
    }

    /// What no error may repeat.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Something that is a credential or a name of somebody's.
    fn anything(&self, dice: &Dice) -> String {
        let pools = [&self.jwts, &self.auth_headers, &self.tickets, &self.access_tokens, &self.ids, &self.ids];
        if dice.percent(30) { values::text(dice) } else { dice.one(pools[dice.below(pools.len())]) }
    }
}

/// An event that its endpoint is likely to take: a good request, as it is or in another spelling, or with something else
/// in one place.
pub fn event(dice: &Dice, route: &Route, live: &Live) -> Value {
    let call = dice.one(&live.good[route.name]);
    let mut event = call.event();
    for vary in [spelling, logins, members, parameters, path, credential] {
        if dice.percent(15) {
            vary(dice, route, live, &mut event);
        }
    }
    event
}

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap_or_default()
}

fn object(event: &Value) -> Option<Map<String, Value>> {
    serde_json::from_str(text(event, "body")).ok()
}

/// Everything that existing clients may write in more than one way.
fn spelling(dice: &Dice, route: &Route, live: &Live, event: &mut Value) {
    if let (Family::User, Some(members)) = (route.family, object(event)) {
        let names = [str::to_ascii_uppercase, |name: &str| format!("{}{}", name[..1].to_ascii_uppercase(), &name[1..])];
        let name = dice.one(&names);
        let members: Map<String, Value> = members.into_iter().map(|(key, value)| (name(&key), value)).collect();
        event["body"] = json!(Value::Object(members).to_string());
    }
    match route.name {
        "test-secure" => {
            let headers = event["headers"].as_object_mut().expect("headers");
            headers.remove("authorization");
            headers.insert("X-Authorization".to_owned(), json!(dice.one(&live.auth_headers)));
        }
        "authheader-delete" | "authheader-report-leaked" => {
            let value = object(event).into_iter().flatten().find_map(|(_, value)| value.as_str().map(str::to_owned));
            event["body"] = json!(value);
            event["headers"]["content-type"] = json!("text/plain");
        }
        _ => {}
    }
    let is_form = event["headers"]["content-type"] == "application/x-www-form-urlencoded";
    if route.family != Family::Ticket {
        return;
    }
    if is_form && dice.percent(50) {
        event["rawQueryString"] = event["body"].take();
        event["headers"].as_object_mut().expect("headers").remove("content-type");
    }
    let key = event["headers"].as_object_mut().expect("headers").remove("x-access-token-id").unwrap_or_default();
    if dice.percent(50) {
        event["headers"]["X-Api-Key"] = key;
    } else {
        let query = format!("{}&accessTokenId={}", text(event, "rawQueryString"), key.as_str().unwrap_or_default());
        event["rawQueryString"] = json!(query);
    }
}

/// Another account's name and password in the place of one's.
fn logins(dice: &Dice, route: &Route, live: &Live, event: &mut Value) {
    let (name, password) = dice.one(&live.logins);
    if route.name == "ticket-authenticate" {
        let (tenant, name) = name.split_once('/').unwrap_or(("demo", &name));
        let key = dice.one(&["tenantName", "tentantName"]);
        event["body"] = json!(format!("{key}={tenant}&username={name}&password={password}"));
    } else if route.access == Access::Body
        && let Some(mut members) = object(event)
    {
        for (member, value) in [("username", name), ("password", password.clone()), ("old", password)] {
            members.entry(member).and_modify(|old| *old = json!(value));
        }
        event["body"] = json!(Value::Object(members).to_string());
    }
}

/// One member of a JSON body, also one that was not there.
fn members(dice: &Dice, route: &Route, live: &Live, event: &mut Value) {
    let Some(mut members) = object(event) else { return };
    let known: Vec<String> = document::members_of_body(route).into_iter().map(|field| field.name).collect();
    let Some(name) = (!known.is_empty()).then(|| dice.one(&known)) else { return };
    let moments = ["2030-01-31T12:00:00Z", "2027-01-15T08:00:01", "9999-12-31T23:59:59", "2001-01-01T00:00:00Z"];
    let numbers = [0, 1, 60, 86_400, 86_401, 2_592_000, 2_592_001, -1, i64::MAX, i64::MIN, 1_900_000_000_000];
    let value = match dice.below(10) {
        0 => Value::Null,
        1 => json!(dice.one(&moments)),
        2 | 3 => json!(dice.one(&numbers)),
        4 => json!(dice.percent(50)),
        5 => json!([values::text(dice), "read"]),
        _ => json!(live.anything(dice)),
    };
    members.insert(name, value);
    event["body"] = json!(Value::Object(members).to_string());
}

/// One parameter of a query string or form, also one that was not there.
fn parameters(dice: &Dice, route: &Route, live: &Live, event: &mut Value) {
    let known: Vec<String> = document::parameters(route).into_iter().map(|field| field.name).collect();
    let Some(name) = (!known.is_empty()).then(|| dice.one(&known)) else { return };
    let values =
        ["", "0", "1", "30", "99999999999999999999", "true", "false", "ASC", "DESC", "$none", "{}", "username"];
    let value = if dice.percent(50) { dice.one(&values).to_owned() } else { live.anything(dice) };
    let place = if event["body"].is_string() { "body" } else { "rawQueryString" };
    let kept = text(event, place).split('&').filter(|pair| {
        let doubled = pair.split('=').next() == Some(name.as_str());
        !doubled || dice.percent(10)
    });
    let kept: Vec<&str> = kept.collect();
    event[place] = json!(format!("{}&{name}={value}", kept.join("&")));
}

/// What the path leaves open.
fn path(dice: &Dice, _: &Route, live: &Live, event: &mut Value) {
    for (_, value) in event["pathParameters"].as_object_mut().into_iter().flatten() {
        *value = json!(live.anything(dice));
    }
}

/// Another credential of the same kind.
fn credential(dice: &Dice, _: &Route, live: &Live, event: &mut Value) {
    let headers = event["headers"].as_object_mut().expect("headers");
    for (name, value) in headers {
        match name.as_str() {
            "authorization" => *value = json!(format!("Bearer {}", dice.one(&live.jwts))),
            "x-api-key" | "x-access-token-id" => *value = json!(dice.one(&live.access_tokens)),
            _ => {}
        }
    }
}
