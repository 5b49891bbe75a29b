//! The requests that other tests start from are good, and stay so as long as nobody changes what they are about.

use shared::api::{ALIASES, ROUTES};
use shared::clock::Clock as _;
use tests::{World, document, good};

#[tokio::test]
async fn every_good_request_succeeds_in_a_world_of_its_own_and_in_one_for_all() {
    let shared = World::new().await;
    let mut failed = Vec::new();
    for route in ROUTES {
        let alone = World::new().await;
        for world in [&alone, &shared] {
            let call = good(world, route.name).await;
            let response = world.send(&call).await;
            if response.status() != document::success(route) {
                failed.push(format!("{}: {} {}", route.name, response.status(), response.body()));
                break;
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(shared.stack.clock.now(), World::new().await.stack.clock.now(), "they take no time");
}

#[tokio::test]
async fn every_other_route_to_an_endpoint_leads_to_it() {
    let world = World::new().await;
    for alias in ALIASES {
        let call = good(&world, alias.route.name).await.by_alias(alias.path);
        let response = world.send(&call).await;
        assert_eq!(response.status(), document::success(alias.route), "{}: {}", alias.path, response.body());
    }
}
