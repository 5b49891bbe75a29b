//! An environment that ends between any two of its calls, before or after the one was carried out, and answers that are
//! lost: nothing half made is usable, what was said to have ended has ended, and whoever asks again gets what it wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::api::ROUTES;
use shared::gateway::Response;
use shared::recovery::PAUSE;
use shared::store::{Administration as _, Store as _};
use tests::document::success;
use tests::{Call, World, figure, good};

use crate::endings::{self, Ending};
use crate::mortal::{End, Mortal};

/// A world whose environments die.
pub struct Doomed {
    pub world: World,
    store: Mortal,
}

impl Doomed {
    async fn new() -> Self {
        let mut doomed = Self { world: World::new().await, store: Mortal::default() };
        doomed.restart();
        doomed
    }

    /// The next environment.
    fn restart(&mut self) {
        self.store = Mortal::over(&self.world.stack.store);
        self.world.restart();
        self.world.rewire(self.store.clone(), Arc::new(self.world.stack.clock.clone()));
    }

    /// Sends a request which meets its end after so many calls, and goes on with a new environment.
    async fn send(&mut self, call: &Call, after: usize, end: End) -> Option<Response> {
        self.store.ends(after, end);
        let answer = self.store.survived(self.world.send(call)).await;
        // What goes on beside the answer of an environment that lives is carried out.
        settle().await;
        self.restart();
        answer
    }
}

/// Lets tasks run that were started beside a request.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Everything that is stored and matters, in a form that can be compared.
async fn state(world: &World) -> String {
    let store = &world.stack.store;
    let mut users = BTreeMap::new();
    let tenants = store.tenants().await.unwrap();
    for tenant in &tenants {
        for user in store.users_of(&tenant.name, None, 1000).await.unwrap().items {
            let headers = store.auth_headers(&user.id).await.unwrap();
            users.insert(user.id.clone(), format!("{user:?} {headers:?}"));
        }
    }
    let tenants: Vec<_> =
        tenants.iter().map(|tenant| (tenant.name.to_string(), tenant.revision, tenant.closing)).collect();
    let tokens = store.access_tokens().await.unwrap();
    let tokens: Vec<_> = tokens.iter().map(|token| (token.digest, token.permissions.len())).collect();
    let series = store.persistent_logins();
    let series: Vec<_> = series.iter().map(|login| (&login.key, login.generation)).collect();
    format!("{users:?} {:?} {:?} {tenants:?} {tokens:?} {series:?}", store.tickets(), store.owned())
}

/// That names and addresses lead to users that there are, and nothing is nobody's.
async fn assert_whole(world: &World, told: &str) {
    let store = &world.stack.store;
    let owned = store.owned();
    let users: BTreeSet<_> = owned.iter().filter(|(key, id)| key == id.as_str()).map(|(_, id)| id.clone()).collect();
    for (key, owner) in &owned {
        assert!(users.contains(owner) || key == "RESET", "{told}: {key} is nobody's");
    }
    for tenant in store.tenants().await.unwrap() {
        for user in store.users_of(&tenant.name, None, 1000).await.unwrap().items {
            let name = format!("NAME#{}#{}", tenant.name, user.name.canonical());
            assert!(owned.contains(&(name, user.id.clone())), "{told}: {} has lost its name", user.name.as_str());
        }
    }
}

/// How many calls an endpoint makes, and what it answers to the same request once more.
async fn undisturbed(call: &Call, done: u16, world: &World) -> (usize, u16) {
    let _earlier = world.stack.store.take_calls();
    let response = world.send(call).await;
    assert_eq!(response.status(), done, "{}: {}", call.route().name, response.body());
    settle().await;
    let calls = world.stack.store.take_calls().len();
    (calls, world.send(call).await.status())
}

fn is_outage(response: &Response) -> bool {
    response.status() == 503 && response.header("retry-after").is_some()
}

#[tokio::test]
async fn whoever_asks_again_after_a_crash_gets_what_it_wanted() {
    let mut points = 0;
    for route in ROUTES {
        let world = World::new().await;
        let (calls, second) = undisturbed(&good(&world, route.name).await, success(route), &world).await;
        for (after, end) in (0..calls).flat_map(|after| End::ALL.map(|end| (after, end))) {
            let told = format!("{} {end:?} after {after} calls", route.name);
            let mut doomed = Doomed::new().await;
            let call = good(&doomed.world, route.name).await;
            let before = state(&doomed.world).await;
            let answer = doomed.send(&call, after, end).await;
            assert!(answer.as_ref().is_none_or(is_outage), "{told}: {:?}", answer.map(|answer| answer.status()));
            assert_whole(&doomed.world, &told).await;
            let unchanged = state(&doomed.world).await == before;
            let again = doomed.world.send(&call).await;
            let expected = again.status() == success(route) || !unchanged && again.status() == second;
            assert!(expected, "{told}, then: {} {}", again.status(), again.body());
            assert_whole(&doomed.world, &told).await;
            points += 1;
        }
    }
    figure(&format!("crash points: {points} of {} endpoints", ROUTES.len()));
    assert!(points >= 400, "only {points}");
}

/// Ending something is the one act whose answer somebody rests on while a thief is at work.
#[tokio::test]
async fn what_is_said_to_have_ended_has_ended_wherever_an_environment_dies() {
    let mut points = 0;
    for name in endings::NAMES {
        let world = World::new().await;
        let ending = endings::of(&world, name).await;
        let (done, Ending { call, probes }) = (ending.done(), ending);
        for (probe, dead) in &probes {
            assert_ne!(world.send(probe).await.status(), *dead, "{name}: it lives before");
        }
        let (calls, second) = undisturbed(&call, done, &world).await;
        for (probe, dead) in &probes {
            assert_eq!(world.send(probe).await.status(), *dead, "{name}: and not afterwards");
        }
        for (after, end) in (0..calls).flat_map(|after| End::ALL.map(|end| (after, end))) {
            let told = format!("{name} {end:?} after {after} calls");
            let mut doomed = Doomed::new().await;
            let Ending { call, probes } = endings::of(&doomed.world, name).await;
            let answer = doomed.send(&call, after, end).await;
            if let Some(answer) = answer.filter(|answer| !is_outage(answer)) {
                // It died beside its answer, and not before it.
                assert_eq!(answer.status(), done, "{told}: {}", answer.body());
                for (probe, dead) in &probes {
                    assert_eq!(doomed.world.send(probe).await.status(), *dead, "{told}, said to be done: it is alive");
                }
            }
            let again = doomed.world.send(&call).await;
            assert!([done, second].contains(&again.status()), "{told}: {}", again.status());
            for (probe, dead) in &probes {
                assert_eq!(doomed.world.send(probe).await.status(), *dead, "{told}, and then done: it is alive");
            }
            points += 1;
        }
    }
    figure(&format!("crash points of {} ways to end something: {points}", endings::NAMES.len()));
    assert!(points >= 100, "only {points}");
}

/// Somebody who asked for a mail, and whose mail was lost with its environment, gets the next one.
#[tokio::test]
async fn a_mail_that_was_lost_with_its_environment_can_be_asked_for_again() {
    for (after, end) in (0..3).flat_map(|after| End::ALL.map(|end| (after, end))) {
        let mut doomed = Doomed::new().await;
        let call = good(&doomed.world, "user-forgot").await;
        let _lost = doomed.send(&call, after, end).await;
        doomed.world.stack.clock.advance(PAUSE);
        let _earlier = doomed.world.stack.outbox.take();
        assert_eq!(doomed.world.send(&call).await.status(), success(call.route()));
        let sent = doomed.world.stack.outbox.take();
        assert!(sent.iter().any(|(_, detail)| detail.contains("token")), "{end:?} after {after}: {sent:?}");
    }
}

/// A request makes few more calls once the store does not answer, so that it is answered in time.
#[tokio::test]
async fn no_endpoint_waits_for_a_store_that_is_gone_again_and_again() {
    let mut most = (0, "");
    for route in ROUTES {
        let world = World::new().await;
        let (calls, _) = undisturbed(&good(&world, route.name).await, success(route), &world).await;
        for after in 0..calls {
            let doomed = Doomed::new().await;
            let call = good(&doomed.world, route.name).await;
            doomed.store.ends(after, End::LosesAnswerAndStore);
            assert!(is_outage(&doomed.world.send(&call).await), "{} after {after}", route.name);
            most = most.max((doomed.store.failed(), route.name));
        }
    }
    figure(&format!("calls to a store that is gone: at most {} in one request ({})", most.0, most.1));
    // Of a second and a half each, also if none of them were side by side.
    assert!(most.0 <= 3, "{most:?}");
}
