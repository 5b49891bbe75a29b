//! Lists that their clients can't ask a part of: told whole, or refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};
use shared::access_token::{AccessToken, Action, TenantPermission};
use shared::clock::{Clock, Timestamp};
use shared::store::{Administration as _, Write};
use shared::tenant::{Tenant, TenantName};
use tests::good::KEY;
use tests::{Call, World};

/// A clock that goes on by some seconds whenever somebody looks at it.
struct Hurrying(AtomicI64, i64);

impl Clock for Hurrying {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.fetch_add(self.1, Ordering::SeqCst))
    }
}

fn hurried(world: &mut World, seconds: i64) {
    let clock = Hurrying(AtomicI64::new(world.stack.clock.now().as_seconds()), seconds);
    world.rewire(world.stack.store.clone(), Arc::new(clock));
}

async fn found(world: &World, numbers: std::ops::Range<usize>, roles: &[String]) {
    for number in numbers {
        let mut tenant = Tenant::new(TenantName::parse(&format!("t{number:05}")).unwrap(), world.stack.clock.now());
        tenant.settings.available_roles = roles.to_vec();
        assert_eq!(world.stack.store.create_tenant(&tenant).await.unwrap(), Write::Done);
    }
}

async fn issue(world: &World, count: usize, entries: usize) {
    for number in 0..count {
        let tenant = TenantName::parse(&format!("t{number:05}"));
        let entry = TenantPermission { tenant, actions: Some(vec![Action::ReadTenant]) };
        let digest = shared::secret::Digest::of(format!("crowd {number}").as_bytes());
        let token = AccessToken {
            digest,
            application: format!("crowd {number}"),
            master: false,
            permissions: vec![entry; entries],
            created: world.stack.clock.now(),
            expires: None,
        };
        assert_eq!(world.stack.store.create_access_token(&token).await.unwrap(), Write::Done);
    }
}

async fn ask(world: &World, name: &str) -> (u16, Value) {
    let applications = &world.applications;
    let key = if name == "access-token-list" { &applications.master } else { &applications.everywhere };
    let response = world.send(&Call::to(name).header(KEY, key)).await;
    (response.status(), serde_json::from_str(response.body()).unwrap())
}

fn refused(message: &str) -> (u16, Value) {
    (400, json!({ "errorCode": "OTHER", "message": message }))
}

const TENANTS: &str = "the list of the tenants is too long for an answer: use `ostiary tenant list`";
const TOKENS: &str = "the list of the access tokens is too long for an answer: use `ostiary access-token list`";
const COUNT: &str = "the list of the tenants is too long to be counted in one call: use `ostiary tenant list`";

#[tokio::test]
async fn a_list_that_no_gateway_takes_is_not_made() {
    let world = World::new().await;
    let roles: Vec<String> = (0..64).map(|number| format!("{number:0128}")).collect();
    found(&world, 0..500, &roles).await;
    let (status, all) = ask(&world, "tenant-list").await;
    assert_eq!((status, all.as_array().unwrap().len()), (200, 502), "the control");
    found(&world, 500..700, &roles).await;
    assert_eq!(ask(&world, "tenant-list").await, refused(TENANTS));
    assert_eq!(ask(&world, "tenant-count").await, (200, json!(702)), "what is counted is not read");

    let before = ask(&world, "access-token-list").await.1.as_array().unwrap().len();
    issue(&world, 300, 100).await;
    let (status, all) = ask(&world, "access-token-list").await;
    assert_eq!((status, all.as_array().unwrap().len()), (200, before + 300), "the control");
    let world = World::new().await;
    issue(&world, 300, 400).await;
    assert_eq!(ask(&world, "access-token-list").await, refused(TOKENS));
}

#[tokio::test]
async fn a_list_of_many_parts_is_whole_and_one_that_takes_too_long_is_refused() {
    let mut world = World::new().await;
    let before = ask(&world, "access-token-list").await.1.as_array().unwrap().len();
    found(&world, 0..1_500, &[]).await;
    issue(&world, 1_500, 1).await;
    hurried(&mut world, 1);
    let (status, all) = ask(&world, "tenant-list").await;
    let names: Vec<&str> = all.as_array().unwrap().iter().map(|tenant| tenant["name"].as_str().unwrap()).collect();
    assert_eq!((status, names.len()), (200, 1_502));
    assert!(names.is_sorted_by(|one, other| one < other), "by name, each once");
    assert_eq!(ask(&world, "tenant-count").await, (200, json!(1_502)));
    let (status, all) = ask(&world, "access-token-list").await;
    assert_eq!((status, all.as_array().unwrap().len()), (200, before + 1_500));
    hurried(&mut world, 8);
    assert_eq!(ask(&world, "tenant-list").await, refused(TENANTS));
    assert_eq!(ask(&world, "tenant-count").await, refused(COUNT));
    assert_eq!(ask(&world, "access-token-list").await, refused(TOKENS));
}
