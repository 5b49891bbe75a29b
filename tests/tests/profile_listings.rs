//! Profiles are found and listed over the Profile API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::future::join;
use serde_json::{Value, json};
use shared::clock::{Clock, Timestamp};
use shared::gateway::Response;
use shared::store::{Administration as _, Creation, NewUser};
use shared::tenant::TenantName;
use shared::user::{Email, User, UserId, UserName};
use tests::paced::Paced;
use tests::{Call, World};

fn body(response: &Response) -> Value {
    serde_json::from_str(response.body()).unwrap()
}

fn call(token: &str, name: &str, parameters: &[(&str, &str)]) -> Call {
    Call::to(name).header("x-access-token-id", token).parameters(parameters)
}

/// By an application that may do everything in `demo`.
fn asked(world: &World, name: &str, parameters: &[(&str, &str)]) -> Call {
    call(&world.applications.full, name, parameters)
}

async fn done(world: &World, call: &Call) -> Value {
    let response = world.send(call).await;
    assert_eq!(response.status(), 200, "{}", response.body());
    body(&response)
}

/// The code and the message of an answer of this status.
async fn refused(world: &World, status: u16, call: &Call) -> (String, String) {
    let response = world.send(call).await;
    assert_eq!(response.status(), status, "{}", response.body());
    let member = |name: &str| body(&response)[name].as_str().unwrap().to_owned();
    (member("errorCode"), member("message"))
}

/// The members `name` of the profiles of a list.
fn each(list: &Value, name: &str) -> Vec<String> {
    let text = |profile: &Value| profile[name].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(text).collect()
}

/// A range of the profiles of `demo`, by their user names.
async fn range(world: &World, parameters: &[(&str, &str)]) -> Vec<String> {
    let parameters = [&[("tenantName", "demo")], parameters].concat();
    each(&done(world, &asked(world, "api1-profile-range", &parameters)).await, "username")
}

/// The message of a range that is refused as bad input.
async fn bad_range(world: &World, parameters: &[(&str, &str)]) -> String {
    let parameters = [&[("tenantName", "demo")], parameters].concat();
    let (code, message) = refused(world, 400, &asked(world, "api1-profile-range", &parameters)).await;
    assert_eq!(code, "OTHER");
    message
}

/// One more user of a tenant, who is what `edit` makes of it.
async fn joined(world: &World, tenant: &str, name: &str, edit: impl FnOnce(&mut User)) -> User {
    let mut user = User {
        id: UserId::generate(&*world.stack.random),
        tenant: TenantName::parse(tenant).unwrap(),
        name: UserName::parse(name).unwrap(),
        ..shared::testing::user("x")
    };
    edit(&mut user);
    let account = NewUser::new(user.clone(), None);
    assert_eq!(world.stack.store.create_user(account).await.unwrap(), Creation::Done);
    user
}

/// A tenant of so many users, called `u00000` and so on.
async fn crowd(world: &World, tenant: &str, count: usize) {
    let name = TenantName::parse(tenant).unwrap();
    let made = shared::tenant::Tenant::new(name, world.stack.clock.now());
    assert_eq!(world.stack.store.create_tenant(&made).await.unwrap(), shared::store::Write::Done);
    for number in 0..count {
        joined(world, tenant, &format!("u{number:05}"), |_| ()).await;
    }
}

#[tokio::test]
async fn a_profile_is_found_by_every_spelling_of_its_name() {
    let world = World::new().await;
    let jose = joined(&world, "demo", "Jos\u{e9}", |user| {
        user.attributes = BTreeMap::from([("a".to_owned(), json!([1])), ("b".to_owned(), json!(null))]);
        user.email = Email::parse("jose@example.com");
        user.enabled = false;
    })
    .await;
    let by = |name, more: &[(&str, &str)]| {
        let parameters = [&[("tenantName", "demo"), ("username", name)], more].concat();
        asked(&world, "api1-profile-by-username", &parameters)
    };
    for name in ["Jos\u{e9}", "jose\u{301}", "JOS\u{c9}", "\u{ff4a}os\u{e9}"] {
        let found = done(&world, &by(name, &[])).await;
        assert_eq!((found["id"].as_str(), found["username"].as_str()), (Some(jose.id.as_str()), Some("Jos\u{e9}")));
        assert_eq!((&found["enabled"], &found["attributes"]), (&json!(false), &json!({ "a": [1], "b": null })));
    }
    let shown = done(&world, &by("jos\u{e9}", &[("attributesToReturn", "b")])).await;
    assert_eq!(shown["attributes"], json!({ "b": null }));
    for name in
        ["", "jos", "jose@example.com", "demo/jos\u{e9}", " jos\u{e9}", "a\u{200b}", "*", "\u{0}", jose.id.as_str()]
    {
        let (code, _) = refused(&world, 404, &by(name, &[])).await;
        assert_eq!(code, "NO_SUCH_PROFILE", "{name}");
    }
    let _before = world.stack.store.take_calls();
    done(&world, &by("jos\u{e9}", &[])).await;
    assert_eq!(world.stack.store.take_calls(), ["lookup", "lookup"]);
}

#[tokio::test]
async fn a_name_belongs_to_its_tenant() {
    let world = World::new().await;
    let everywhere = &world.applications.everywhere;
    let by = |token, tenant| call(token, "api1-profile-by-username", &[("tenantName", tenant), ("username", "demo")]);
    for (tenant, account) in [("demo", &world.demo), ("other", &world.other)] {
        let found = done(&world, &by(everywhere, tenant)).await;
        assert_eq!((&found["id"], &found["tenant"]), (&json!(account.id()), &json!(tenant)));
    }
    for tenant in ["absent", "Demo", "", "a b"] {
        assert_eq!(refused(&world, 404, &by(everywhere, tenant)).await.0, "NO_SUCH_PROFILE", "{tenant}");
        assert_eq!(refused(&world, 403, &by(&world.applications.full, tenant)).await.0, "ACTION_DENIED", "{tenant}");
    }
    let denied = |action| {
        let message =
            format!("Current subject does not have permission to execute action \"{action}\" on tenant \"demo\"");
        ("ACTION_DENIED".to_owned(), message)
    };
    assert_eq!(refused(&world, 403, &by(&world.applications.other, "demo")).await, denied("MANAGE_PROFILES"));
    assert_eq!(refused(&world, 403, &by(&world.applications.profiles, "demo")).await, denied("READ_TENANT"));
}

#[tokio::test]
async fn whoever_takes_over_an_id_in_another_tenant_is_not_shown() {
    let parameters: [(&str, &[(&str, &str)]); 3] = [
        ("api1-profile-by-username", &[("tenantName", "demo"), ("username", "wanderer")]),
        ("api1-profile-range", &[("tenantName", "demo"), ("sortBy", "createdOn")]),
        ("api1-profile-by-ids", &[("id", "wanderer")]),
    ];
    for (name, parameters) in parameters {
        let (mut before, mut after) = (0, 0);
        for wait in 0..30 {
            let mut world = World::new().await;
            let wanderer =
                joined(&world, "demo", "wanderer", |user| user.id = UserId::parse("wanderer").unwrap()).await;
            let store = world.stack.store.clone();
            world.rewire(Paced::new(store.clone(), wait), Arc::new(world.stack.clock.clone()));
            let request = asked(&world, name, parameters);
            let moving = async {
                for _ in 0..wait {
                    tokio::task::yield_now().await;
                }
                store.edit_user(&wanderer.id, |user| user.tenant = TenantName::parse("other").unwrap());
            };
            let (response, ()) = join(world.send(&request), moving).await;
            let body = body(&response);
            let profiles = body.as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
            let foreign = profiles.iter().any(|profile| profile["tenant"] == "other");
            assert!(!foreign, "{name} {wait}: {body}");
            let seen = profiles.iter().any(|profile| profile["id"] == "wanderer");
            before += usize::from(seen);
            after += usize::from(!seen);
        }
        assert!(before > 0 && after > 0, "{name}: it happens before and after the read");
    }
}

#[tokio::test]
async fn several_profiles_are_read_at_once_in_the_order_of_their_ids() {
    let world = World::new().await;
    let (demo, admin, other) = (world.demo.id(), world.admin.id(), world.other.id());
    let ids = |ids: &[&str]| -> Vec<(&'static str, String)> { ids.iter().map(|id| ("id", (*id).to_owned())).collect() };
    let by = |token: &str, given: &[&str], more: &[(&str, &str)]| {
        let given = ids(given);
        let given: Vec<(&str, &str)> = given.iter().map(|(name, id)| (*name, id.as_str())).collect();
        call(token, "api1-profile-by-ids", &[&given[..], more].concat())
    };
    let full = &world.applications.full;
    for (given, expected) in [
        (vec![demo], vec![demo]),
        (vec![admin, demo], vec![admin, demo]),
        (vec![demo, admin, demo], vec![demo, admin]),
        (vec!["absent", demo, "a b", "", "\u{0}", other], vec![demo]),
        (vec![other, "absent"], vec![]),
    ] {
        assert_eq!(each(&done(&world, &by(full, &given, &[])).await, "id"), expected, "{given:?}");
    }
    let everywhere = done(&world, &by(&world.applications.everywhere, &[other, demo], &[])).await;
    assert_eq!(each(&everywhere, "tenant"), ["other", "demo"]);
    for (more, expected) in [
        (vec![("sortBy", "username")], vec!["admin", "demo"]),
        (vec![("sortOrder", "DESC")], vec!["demo", "admin"]),
        (vec![("sortBy", "email"), ("sortOrder", "asc")], vec!["admin", "demo"]),
    ] {
        assert_eq!(each(&done(&world, &by(full, &[demo, admin], &more)).await, "username"), expected, "{more:?}");
    }
    let none = done(&world, &by(full, &[demo], &[("attributeToReturn", "$none")])).await;
    assert_eq!(none[0]["attributes"], json!({}));
    let _before = world.stack.store.take_calls();
    let ninety: Vec<String> = (0..89).map(|number| format!("absent-{number}")).collect();
    let ninety: Vec<&str> = ninety.iter().map(String::as_str).chain([demo]).collect();
    assert_eq!(each(&done(&world, &by(full, &ninety, &[])).await, "id"), [demo]);
    assert_eq!(world.stack.store.take_calls(), ["lookup"]);
    let (_, message) = refused(&world, 400, &by(full, &[&ninety[..], &[admin]].concat(), &[])).await;
    assert_eq!(message, "id must be given at most 90 times");
    assert!(world.stack.store.take_calls().is_empty(), "bad input costs no read");
    let (_, message) = refused(&world, 400, &by(full, &[], &[])).await;
    assert_eq!(message, "Required parameter 'id' is not present");
}

#[tokio::test]
async fn an_application_reads_profiles_where_it_may() {
    let world = World::new().await;
    for token in [&world.applications.tickets, &world.applications.profiles, &world.applications.master] {
        for (name, parameters) in [
            ("api1-profile-by-ids", vec![("id", world.demo.id())]),
            ("api1-profile-by-ids", vec![("id", "absent")]),
            ("api1-profile-range", vec![("tenantName", "demo")]),
            ("api1-profile-count", vec![("tenantName", "demo")]),
            ("api1-profile-by-username", vec![("tenantName", "demo"), ("username", "demo")]),
        ] {
            let (code, _) = refused(&world, 403, &call(token, name, &parameters)).await;
            assert_eq!(code, "ACTION_DENIED", "{name}");
        }
    }
    for name in ["api1-profile-range", "api1-profile-count"] {
        let missing = refused(&world, 400, &asked(&world, name, &[])).await;
        assert_eq!(missing.1, "Required parameter 'tenantName' is not present");
        let (code, _) = refused(&world, 403, &call("osa_unknown", name, &[])).await;
        assert_eq!(code, "ACCESS_DENIED", "the application comes first");
        let everywhere = call(&world.applications.everywhere, name, &[("tenantName", "absent")]);
        assert_eq!(refused(&world, 404, &everywhere).await.0, "NO_SUCH_TENANT");
        assert_eq!(refused(&world, 403, &asked(&world, name, &[("tenantName", "absent")])).await.0, "ACTION_DENIED");
        assert_eq!(refused(&world, 403, &asked(&world, name, &[("tenantName", "other")])).await.0, "ACTION_DENIED");
    }
}

#[tokio::test]
async fn a_range_starts_anywhere_and_goes_either_way() {
    let world = World::new().await;
    for name in ["B2", "b1", "\u{e9}t\u{e9}", "Zed"] {
        joined(&world, "demo", name, |_| ()).await;
    }
    let all = ["admin", "b1", "B2", "demo", "disabled", "expired", "passwordless", "Zed", "\u{e9}t\u{e9}"];
    assert_eq!(range(&world, &[]).await, all);
    assert_eq!(range(&world, &[("sortBy", "username"), ("start", "0"), ("count", "1000000")]).await, all);
    let reversed: Vec<&str> = all.iter().rev().copied().collect();
    assert_eq!(range(&world, &[("sortOrder", "DESC")]).await, reversed);
    for (order, all) in [("ASC", all.to_vec()), ("desc", reversed)] {
        for (start, count) in [(0, 1), (0, 4), (3, 2), (7, 2), (7, 9), (8, 1), (9, 1), (400, 3)] {
            let expected: Vec<_> = all.iter().skip(start).take(count).copied().collect();
            for by in ["username", "email", "createdOn", "lastModified", "enabled", "verified", "id"] {
                let (start, count) = (start.to_string(), count.to_string());
                let parameters = [("sortBy", by), ("sortOrder", order), ("start", &start), ("count", &count)];
                let part = range(&world, &parameters).await;
                assert_eq!(part.len(), expected.len(), "{parameters:?}");
                if by == "username" {
                    assert_eq!(part, expected, "{parameters:?}");
                }
            }
        }
    }
    let shown = asked(&world, "api1-profile-range", &[("tenantName", "demo"), ("attributeToReturn", "absent")]);
    assert!(done(&world, &shown).await.as_array().unwrap().iter().all(|profile| profile["attributes"] == json!({})));
}

#[tokio::test]
async fn a_range_is_sorted_by_what_is_asked_for() {
    let world = World::new().await;
    let at = Timestamp::from_seconds;
    for (name, email, created, modified) in
        [("x", Some("M@example.com"), 30, 70), ("y", None, 20, 80), ("z", Some("a@example.com"), 10, 60)]
    {
        joined(&world, "demo", name, |user| {
            user.email = email.and_then(Email::parse);
            user.email_verified = email.is_some();
            (user.created, user.modified) = (at(created), at(modified));
        })
        .await;
    }
    let first = async |by, order| range(&world, &[("sortBy", by), ("sortOrder", order), ("count", "3")]).await;
    assert_eq!(first("email", "ASC").await, ["y", "z", "admin"], "without an address, and then by address");
    assert_eq!(first("createdOn", "ASC").await, ["z", "y", "x"]);
    assert_eq!(first("lastModified", "ASC").await, ["z", "x", "y"]);
    assert_eq!(first("enabled", "ASC").await, ["disabled", "admin", "demo"]);
    assert_eq!(first("verified", "DESC").await, ["z", "x", "y"], "the reverse of unverified first and then by name");
    let ids = asked(&world, "api1-profile-range", &[("tenantName", "demo"), ("sortBy", "id"), ("sortOrder", "DESC")]);
    let ids = each(&done(&world, &ids).await, "id");
    assert!(ids.len() == 8 && ids.windows(2).all(|pair| pair[0] > pair[1]), "{ids:?}");
}

#[tokio::test]
async fn a_range_that_can_t_be_told_whole_is_refused() {
    let world = World::new().await;
    crowd(&world, "large", 1_001).await;
    let token = world.application("large", Some("large"), None).await;
    let by = |more: &[(&str, &str)]| call(&token, "api1-profile-range", &[&[("tenantName", "large")], more].concat());
    let rule = "count must be at most 1000 where there are more profiles than that";
    for sort in ["username", "createdOn"] {
        for more in [vec![], vec![("count", "1001")], vec![("count", "99999999999999999999")]] {
            let parameters = [&[("sortBy", sort)], &more[..]].concat();
            let (code, message) = refused(&world, 400, &by(&parameters)).await;
            assert_eq!((code.as_str(), message.as_str()), ("OTHER", rule), "{parameters:?}");
        }
        for (more, count, first) in [
            (vec![("start", "1")], 1_000, "u00001"),
            (vec![("start", "1"), ("count", "5000")], 1_000, "u00001"),
            (vec![("count", "1000")], 1_000, "u00000"),
            (vec![("start", "1000")], 1, "u01000"),
            (vec![("start", "1000"), ("count", "1")], 1, "u01000"),
        ] {
            let listed = done(&world, &by(&[&[("sortBy", sort)], &more[..]].concat())).await;
            let names = each(&listed, "username");
            assert_eq!((names.len(), names[0].as_str()), (count, first), "{sort} {more:?}");
        }
        assert_eq!(done(&world, &by(&[("sortBy", sort), ("start", "1001")])).await, json!([]));
    }
}

#[tokio::test]
async fn only_a_tenant_that_is_not_too_large_is_sorted_otherwise_than_by_name() {
    let world = World::new().await;
    crowd(&world, "largest", 5_000).await;
    let token = world.application("largest", Some("largest"), None).await;
    let by = |sort| {
        let parameters = [("tenantName", "largest"), ("sortBy", sort), ("sortOrder", "DESC"), ("count", "2")];
        call(&token, "api1-profile-range", &parameters)
    };
    for sort in ["username", "createdOn"] {
        assert_eq!(each(&done(&world, &by(sort)).await, "username"), ["u04999", "u04998"]);
    }
    joined(&world, "largest", "one-too-many", |_| ()).await;
    let (_, message) = refused(&world, 400, &by("createdOn")).await;
    assert_eq!(message, "sortBy must be username in a tenant of more than 5000 profiles");
    assert_eq!(each(&done(&world, &by("username")).await, "username"), ["u04999", "u04998"]);
    assert_eq!(done(&world, &call(&token, "api1-profile-count", &[("tenantName", "largest")])).await, json!(5_001));
}

#[tokio::test]
async fn an_answer_that_no_gateway_takes_is_not_made() {
    let world = World::new().await;
    for number in 0..300 {
        joined(&world, "demo", &format!("heavy{number}"), |user| {
            user.attributes = BTreeMap::from([("heavy".to_owned(), json!("\"".repeat(8_000)))]);
        })
        .await;
    }
    for more in [vec![], vec![("sortBy", "createdOn")]] {
        let message = bad_range(&world, &more).await;
        assert_eq!(message, "count asks for more than the 5 MiB that an answer can hold", "{more:?}");
        let light = [&more[..], &[("attributesToReturn", "$none")]].concat();
        assert_eq!(range(&world, &light).await.len(), 305);
        let fewer = [&more[..], &[("count", "100")]].concat();
        assert_eq!(range(&world, &fewer).await.len(), 100);
    }
}

#[tokio::test]
async fn a_place_that_is_none_is_refused_by_name() {
    let world = World::new().await;
    let _before = world.stack.store.take_calls();
    for (parameter, values) in [
        ("start", vec!["-1", "1.5", "+1", "1 ", "x", "0x1", "\u{661}"]),
        ("count", vec!["0", "00", "-1", "1.5", "+1", " 1", "x", "\u{661}"]),
        ("sortBy", vec!["name", "Username", "password", "attributes", "roles"]),
        ("sortOrder", vec!["up", "ascending", "1"]),
        ("attributeToReturn", vec!["\u{7}", &"x".repeat(129)]),
    ] {
        for value in values {
            let message = bad_range(&world, &[(parameter, value)]).await;
            assert!(message.starts_with(parameter), "{parameter}={value}: {message}");
        }
        if parameter != "attributeToReturn" {
            let message = bad_range(&world, &[(parameter, "1"), (parameter, "1")]).await;
            assert_eq!(message, format!("{parameter} must be given once"));
        }
    }
    assert!(world.stack.store.take_calls().is_empty(), "bad input costs no read");
    assert_eq!(range(&world, &[("start", "00000000000000000000000")]).await.len(), 5, "zero is zero");
    let left_out =
        ["start", "count", "sortBy", "sortOrder", "attributeToReturn", "attributesToReturn"].map(|name| (name, ""));
    assert_eq!(range(&world, &left_out).await, range(&world, &[]).await, "what is empty was left out");
    assert!(range(&world, &[("start", "99999999999999999999")]).await.is_empty(), "further than there is anything");
}

#[tokio::test]
async fn profiles_are_counted_whatever_they_may() {
    let world = World::new().await;
    let count = async |tenant: &str| {
        let call = call(&world.applications.everywhere, "api1-profile-count", &[("tenantName", tenant)]);
        done(&world, &call).await
    };
    assert_eq!((count("demo").await, count("other").await), (json!(5), json!(2)));
    joined(&world, "other", "one-more", |user| user.enabled = false).await;
    assert_eq!((count("demo").await, count("other").await), (json!(5), json!(3)));
    crowd(&world, "empty", 0).await;
    assert_eq!(count("empty").await, json!(0));
}

/// A clock that goes on by some seconds whenever somebody looks at it.
struct Hurrying(AtomicI64, i64);

impl Clock for Hurrying {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.fetch_add(self.1, Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_count_that_would_take_too_long_is_given_up_and_told() {
    let mut world = World::new().await;
    crowd(&world, "large", 3_001).await;
    let token = world.application("large", Some("large"), None).await;
    let count = call(&token, "api1-profile-count", &[("tenantName", "large")]);
    let by = |more: &[(&str, &str)]| call(&token, "api1-profile-range", &[&[("tenantName", "large")], more].concat());
    let (far, near) = (by(&[("start", "2500")]), by(&[("start", "900"), ("count", "1")]));
    for (seconds, in_time) in [(1, true), (8, false)] {
        let clock = Hurrying(AtomicI64::new(world.stack.clock.now().as_seconds()), seconds);
        world.rewire(world.stack.store.clone(), Arc::new(clock));
        if in_time {
            assert_eq!(done(&world, &count).await, json!(3_001));
            assert_eq!(each(&done(&world, &far).await, "username").len(), 501);
        } else {
            let (_, message) = refused(&world, 400, &count).await;
            assert_eq!(message, "tenantName has more profiles than one call can count");
            assert_eq!(refused(&world, 400, &far).await.1, "start is further than one call can go");
            let (many, sorted) = (by(&[("count", "1000")]), by(&[("sortBy", "createdOn"), ("count", "1")]));
            assert_eq!(refused(&world, 400, &many).await.1, "count asks for more than one call can read");
            let rule = "sortBy must be username in a tenant that is too large to be sorted in one call";
            assert_eq!(refused(&world, 400, &sorted).await.1, rule);
        }
        assert_eq!(each(&done(&world, &near).await, "username"), ["u00900"]);
    }
}
