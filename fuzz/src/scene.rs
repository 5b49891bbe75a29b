//! A stack with live credentials, and the markers that stand for them in inputs.

use std::cell::RefCell;

use authorizer::Authorizer;
use serde_json::json;
use tests::world::{member, verifier};
use tests::{Call, World};
use tokio::runtime::Runtime;

/// A stack in memory with somebody signed in.
pub struct Scene {
    /// The stack.
    pub world: World,
    /// The authorizer over the same store.
    pub authorizer: Authorizer<shared::store::memory::MemoryStore>,
    markers: Vec<(&'static str, String)>,
}

/// Calls that leave everything as it is, or only note that something was used.
const READS: &[&str] = &[
    "lookup",
    "tickets",
    "auth_headers",
    "count_auth_headers",
    "touch_ticket",
    "note_auth_header_use",
    "tenants_from",
    "count_tenants",
    "users_in_order",
    "count_users",
    "credentials",
    "access_tokens_from",
];

thread_local! {
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    static SCENE: RefCell<Option<Scene>> = const { RefCell::new(None) };
}

/// Does something in a scene, which is the same one for every input: where the input before changed it, it is made anew.
pub fn with<T>(act: impl AsyncFnOnce(&Scene) -> T) -> T {
    RUNTIME.with(|runtime| {
        SCENE.with_borrow_mut(|kept| {
            let scene = kept.take().unwrap_or_else(|| runtime.block_on(Scene::new()));
            let result = runtime.block_on(act(&scene));
            let untouched = scene.world.stack.store.take_calls().iter().all(|call| READS.contains(call));
            *kept = untouched.then_some(scene);
            result
        })
    })
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let (demo, applications) = (&world.demo, &world.applications);
        let jwt = world.jwt(demo).await;
        let (series, series_token) = world.persistent_login(demo).await;
        let listed = world.send(&Call::to("user-sessions").bearer(&jwt)).await;
        let sessions: serde_json::Value = serde_json::from_str(listed.body()).expect("a list");
        let key = json!({ "name": "key" });
        let key = world.send(&Call::to("authheader-add").bearer(&jwt).json(&key)).await;
        let markers = vec![
            ("{admin-jwt}", world.jwt(&world.admin).await),
            ("{profile-jwt}", world.profile_jwt(demo).await),
            ("{key}", member(&key, "token")),
            ("{key-id}", member(&key, "id")),
            ("{ticket}", world.ticket(demo).await),
            ("{series}", series),
            ("{series-token}", series_token),
            ("{reset}", world.reset_token(demo).await),
            ("{session}", sessions[0]["id"].as_str().unwrap_or_default().to_owned()),
            ("{full}", applications.full.clone()),
            ("{everywhere}", applications.everywhere.clone()),
            ("{master}", applications.master.clone()),
            ("{expired}", applications.expired.clone()),
            ("{password}", demo.password.clone()),
            ("{id}", demo.id().to_owned()),
            ("{other-id}", world.other.id().to_owned()),
            ("{jwt}", jwt),
        ];
        let authorizer = Authorizer { verifier: verifier(&world.stack), settings: world.stack.config.authorizer };
        let _before = world.stack.store.take_calls();
        Self { world, authorizer, markers }
    }

    /// An input with what its markers stand for, and whether it held any.
    #[must_use]
    pub fn expand(&self, input: &[u8]) -> (Vec<u8>, bool) {
        let markers: Vec<(&str, &[u8])> =
            self.markers.iter().map(|(marker, value)| (*marker, value.as_bytes())).collect();
        expand(input, &markers)
    }
}

/// An input with what its markers stand for, and whether it held any.
#[must_use]
pub fn expand(input: &[u8], markers: &[(&str, &[u8])]) -> (Vec<u8>, bool) {
    let mut expanded = Vec::with_capacity(input.len());
    let (mut rest, mut any) = (input, false);
    while let Some((first, after)) = rest.split_first() {
        if let Some((marker, value)) = markers.iter().find(|(marker, _)| rest.starts_with(marker.as_bytes())) {
            expanded.extend_from_slice(value);
            rest = &rest[marker.len()..];
            any = true;
        } else {
            expanded.push(*first);
            rest = after;
        }
    }
    (expanded, any)
}
