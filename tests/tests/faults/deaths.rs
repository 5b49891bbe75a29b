//! What the store in memory does in one step, and DynamoDB in several: the store's own steps are cut short as well.

use serde_json::json;
use tests::document::success;
use tests::{Call, figure};

use crate::engines::{Engine, Patience};
use crate::lane::{Lane, Person, json_of, with_header, with_jwt};
use crate::proxy::Weather;

const ACTS: [&str; 8] = [
    "api1-profile-create",
    "api1-profile-update",
    "api1-profile-delete",
    "api1-profile-disable",
    "user-password",
    "authheader-rotate",
    "tenant-create",
    "tenant-delete",
];

/// Somebody with a session, an auth header and a ticket, and the means to do one of the acts.
struct Scene {
    call: Call,
    /// What has ended by it, and the status that says so.
    ends: Vec<(Call, u16)>,
    /// What is there because of it.
    there: Option<Call>,
}

async fn settled(lane: &mut Lane) -> Person {
    let name = lane.fresh("p");
    let (email, password) = (format!("{name}@example.com"), format!("Lanterns over the {name}"));
    let tenant = lane.tenant.clone();
    let fields = [("tenantName", tenant.as_str()), ("username", &name), ("password", &password), ("email", &email)];
    let create = lane.by_full(Call::to("api1-profile-create").parameters(&fields));
    let id = told(lane, &create, "id").await;
    let jwt = told(lane, &lane.login(&name, &password), "Token").await;
    let add = Call::to("authheader-add").bearer(&jwt).json(&json!({ "name": "key" }));
    let header = told(lane, &add, "token").await;
    let open = lane.by_full(Call::to("ticket-create").parameters(&[("profileId", &id)]));
    let ticket = told(lane, &open, "id").await;
    let (headers, tickets) = (vec![header], vec![ticket]);
    Person { id, name, email, password, jwt: Some(jwt), headers, tickets, ..Person::default() }
}

async fn told(lane: &Lane, call: &Call, member: &str) -> String {
    let response = lane.look(call).await;
    json_of(&response)[member].as_str().unwrap_or_else(|| panic!("{}", response.body())).to_owned()
}

async fn scene(lane: &mut Lane, act: &str) -> Scene {
    let person = settled(lane).await;
    let jwt = person.jwt.clone().unwrap();
    let fresh = lane.fresh("new");
    let new = format!("Bells under the {fresh}");
    let of_person = |lane: &Lane| lane.by_full(Call::to(act).id(&person.id));
    let session = (with_jwt(&jwt), 401);
    let ticket = (lane.by_full(Call::to("ticket-get").id(&person.tickets[0])), 404);
    let header = (with_header(&person.headers[0]), 401);
    let logins = [&person.name, &person.email].map(|name| (lane.login(name, &person.password), 401));
    let tenant = json!({ "name": fresh, "verifyNewProfiles": false, "availableRoles": [], "ssoEnabled": false });
    let get_tenant = lane.by_master(Call::to("tenant-get").id(&fresh));
    match act {
        "api1-profile-create" => {
            let email = format!("{fresh}@example.com");
            let tenant = lane.tenant.as_str();
            let fields = [("tenantName", tenant), ("username", &fresh), ("password", &new), ("email", &email)];
            let call = lane.by_full(Call::to(act).parameters(&fields));
            Scene { call, ends: Vec::new(), there: Some(lane.login(&email, &new)) }
        }
        "api1-profile-update" => {
            let email = format!("{fresh}@example.com");
            let fields = [("username", fresh.as_str()), ("password", &new), ("email", &email)];
            let there = Some(lane.login(&email, &new));
            Scene { call: of_person(lane).parameters(&fields), ends: logins.into(), there }
        }
        "api1-profile-delete" => {
            let [name, email] = logins;
            Scene { call: of_person(lane), ends: vec![session, ticket, header, name, email], there: None }
        }
        "api1-profile-disable" => Scene { call: of_person(lane), ends: vec![session, ticket, header], there: None },
        "user-password" => {
            let username = format!("{}/{}", lane.tenant, person.name);
            let body = json!({ "username": username, "old": person.password, "new": new, "confirm": new });
            let there = Some(lane.login(&person.email, &new));
            Scene { call: Call::to(act).json(&body), ends: vec![session, ticket], there }
        }
        "authheader-rotate" => {
            let body = json!({ "text": person.headers[0], "overlap": 0 });
            Scene { call: Call::to(act).bearer(&jwt).json(&body), ends: vec![header], there: None }
        }
        "tenant-create" => {
            Scene { call: lane.by_master(Call::to(act).json(&tenant)), ends: Vec::new(), there: Some(get_tenant) }
        }
        _ => {
            let create = lane.by_master(Call::to("tenant-create").json(&tenant));
            assert_eq!(lane.look(&create).await.status(), 200);
            Scene { call: lane.by_master(Call::to(act).id(&fresh)), ends: vec![(get_tenant, 404)], there: None }
        }
    }
}

async fn assert_done(lane: &Lane, scene: &Scene, told: &str) {
    for (call, dead) in &scene.ends {
        assert_eq!(lane.look(call).await.status(), *dead, "{told}: {} is alive", call.route().name);
    }
    if let Some(call) = &scene.there {
        assert_eq!(lane.look(call).await.status(), success(call.route()), "{told}: it is not there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_that_was_cut_short_on_a_real_engine_can_be_repeated() {
    let engine = Engine::embedded();
    let mut points = 0;
    for (number, act) in (1..).zip(ACTS) {
        let mut lane = Lane::new(&engine, number, number, Patience::Unlimited).await;
        let whole = scene(&mut lane, act).await;
        let _before = lane.proxy.take_counts();
        assert!(lane.act(whole.call.clone()).await.is_some(), "{act}: {:?}", lane.tally.flaws);
        let requests = lane.proxy.take_counts().requests;
        assert_done(&lane, &whole, act).await;
        let second = lane.look(&whole.call).await.status();
        for (forwarded, last_is_lost) in (0..requests).flat_map(|sent| [(sent, false), (sent + 1, true)]) {
            let told = format!("{act} after {forwarded} requests, the last one's answer lost: {last_is_lost}");
            let scene = scene(&mut lane, act).await;
            lane.meets(Weather::Dying { forwarded, last_is_lost });
            assert!(lane.act(scene.call.clone()).await.is_none(), "{told}");
            lane.meets(Weather::Clear);
            assert_eq!(engine.flaws().await, Vec::<String>::new(), "{told}");
            let again = lane.look(&scene.call).await;
            let done = success(scene.call.route());
            assert!([done, second].contains(&again.status()), "{told}: {} {}", again.status(), again.body());
            assert_done(&lane, &scene, &told).await;
            points += 1;
        }
        assert!(lane.tally.flaws.is_empty(), "{:?}", lane.tally.flaws);
        assert_eq!(engine.flaws().await, Vec::<String>::new(), "{act}");
    }
    figure(&format!("requests that were cut short on the embedded engine: {points} of {} endpoints", ACTS.len()));
    assert!(points >= 40, "only {points}");
}
