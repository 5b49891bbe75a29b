//! What is open and what is not: every route is on one of two lists or refuses who shows nothing; who is let in gets
//! something new, whatever was shown beside; and what holds a secret can't be printed.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde_json::{Value, json};
use shared::api::{Access, ROUTES};
use shared::ticket::TicketKey;
use tests::document::success;
use tests::good::KEY;
use tests::world::member;
use tests::{World, good, note, noticed};

/// Answers everybody alike.
const PUBLIC: [&str; 4] = ["health", "jwks", "openid-configuration", "test-unsecure"];
/// Takes what it is about, a password or a token, from the body; `user-forgot` a name.
const BY_BODY: [&str; 6] =
    ["authheader-report-leaked", "user-forgot", "user-login", "user-password", "user-reset", "user-verify"];
/// Every header in which somebody may show something.
const SHOWN: [&str; 4] = ["authorization", "x-authorization", "x-api-key", KEY];

fn of(access: Access) -> BTreeSet<&'static str> {
    ROUTES.iter().filter(|route| route.access == access).map(|route| route.name).collect()
}

#[tokio::test]
async fn every_route_is_public_by_a_list_or_refuses_who_shows_nothing() {
    assert_eq!(of(Access::Open), BTreeSet::from(PUBLIC));
    assert_eq!(of(Access::Body), BTreeSet::from(BY_BODY));
    let world = World::new().await;
    let mut guarded = 0;
    for route in ROUTES.iter().filter(|route| !matches!(route.access, Access::Open | Access::Body)) {
        let call = good(&world, route.name).await;
        let bare = SHOWN.iter().fold(call.clone(), |call, name| call.without(name));
        let _earlier = world.stack.store.take_calls();
        let answer = world.send(&bare).await;
        assert!(matches!(answer.status(), 401 | 403), "{}: {} {}", route.name, answer.status(), answer.body());
        assert_eq!(world.stack.store.take_calls(), Vec::<&str>::new(), "{}", route.name);
        for (name, shown) in
            [("authorization", "Bearer x.y.z"), ("x-authorization", "ost_x"), ("x-api-key", "x"), (KEY, "x")]
        {
            let answer = world.send(&bare.clone().header(name, shown)).await;
            assert!(matches!(answer.status(), 401 | 403), "{} with {name}: {}", route.name, answer.body());
        }
        assert_eq!(world.send(&call).await.status(), success(route), "{}, the control", route.name);
        guarded += 1;
    }
    assert_eq!(guarded + PUBLIC.len() + BY_BODY.len(), ROUTES.len());
    note("Q28", "routes-that-refuse-who-shows-nothing", guarded);
}

/// The tickets that are stored, by their digests.
fn stored(world: &World) -> BTreeSet<String> {
    world.stack.store.tickets().iter().map(|ticket| ticket.key.digest.to_base64url()).collect()
}

/// The ticket behind what was issued.
fn opened(name: &str, issued: &str) -> String {
    if name == "ticket-authenticate" || name == "ticket-create" {
        return TicketKey::of(issued).unwrap().digest.to_base64url();
    }
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Value>(issued).unwrap();
    claims["sid"].as_str().unwrap().to_owned()
}

/// An attacker who makes somebody log in with a ticket that the attacker has would share the session.
#[tokio::test]
async fn a_login_opens_something_new_whatever_was_shown_beside() {
    let world = World::new().await;
    let (ticket, jwt) = (world.ticket(&world.other).await, world.jwt(&world.other).await);
    let own = world.ticket(&world.demo).await;
    let sid = opened("user-login", &jwt);
    let (mut opened_anew, mut refused) = (0, 0);
    for (name, issued) in [
        ("user-login", "Token"),
        ("ticket-authenticate", "id"),
        ("ticket-create", "id"),
        ("profile-authenticate", "jwt"),
    ] {
        let call = good(&world, name).await;
        let body = call.event()["body"].as_str().unwrap_or("{}").to_owned();
        for planted in [&ticket, &own, &jwt, &sid] {
            let mut tries = vec![call.clone()];
            tries.extend(["cookie", "x-ticket", "x-session-id", "ticket"].map(|header| {
                let value =
                    if header == "cookie" { format!("ticket={planted}; sid={planted}") } else { planted.clone() };
                call.clone().header(header, &value)
            }));
            tries.push(call.clone().bearer(planted));
            for member in ["ticket", "ticketId", "sid", "id", "session", "Token"] {
                tries.push(call.clone().query(&format!("{member}={planted}")));
                tries.push(match serde_json::from_str::<Value>(&body) {
                    Ok(mut body) => {
                        body[member] = json!(planted);
                        call.clone().json(&body)
                    }
                    Err(_) => call.clone().body(tests::call::FORM, &format!("{body}&{member}={planted}")),
                });
            }
            for call in tries {
                let before = stored(&world);
                let answer = world.send(&call).await;
                if answer.status() != 200 {
                    assert!((400..500).contains(&answer.status()), "{name}: {}", answer.body());
                    assert_eq!(stored(&world), before, "{name}: a refusal made or took a ticket");
                    refused += 1;
                    continue;
                }
                let new = opened(name, &member(&answer, issued));
                assert!(!before.contains(&new), "{name}: it goes on with a ticket that was there");
                assert_eq!(stored(&world).difference(&before).collect::<Vec<_>>(), [&new], "{name}");
                opened_anew += 1;
            }
        }
    }
    assert!(opened_anew > 100 && refused > 20, "{opened_anew} and {refused}");
    note("Q12", "logins-that-opened-something-new", opened_anew);
}

/// Asks the compiler what a type has: of two methods of one name, the type's own comes first, and it has one only where
/// the trait is there.
struct Asked<T: ?Sized>(PhantomData<T>);

#[expect(clippy::unused_self, reason = "a method, so that it comes before the one of `HasNot`")]
mod has {
    use super::{Asked, fmt};

    impl<T: ?Sized + fmt::Debug> Asked<T> {
        pub fn debug(&self) -> bool {
            true
        }
    }

    impl<T: ?Sized + fmt::Display> Asked<T> {
        pub fn display(&self) -> bool {
            true
        }
    }

    impl<T: ?Sized + serde::Serialize> Asked<T> {
        pub fn serialize(&self) -> bool {
            true
        }
    }
}

trait HasNot {
    fn debug(&self) -> bool {
        false
    }

    fn display(&self) -> bool {
        false
    }

    fn serialize(&self) -> bool {
        false
    }
}

impl<T: ?Sized> HasNot for Asked<T> {}

macro_rules! shows {
    ($($subject:ty),* $(,)?) => {
        [$({
            let asked = Asked::<$subject>(PhantomData);
            (stringify!($subject), [asked.debug(), asked.display(), asked.serialize()])
        }),*]
    };
}

#[test]
fn what_holds_a_secret_is_neither_printed_nor_serialised() {
    let secret = shows![
        shared::secret::Password,
        shared::secret::Token,
        shared::password::Phc,
        shared::password::pepper::Peppers,
        shared::password::pepper::Pepper,
        shared::password::Hasher,
        shared::persistent_login::SeriesSecret,
        shared::persistent_login::PersistentLogin,
        shared::keyring::Key,
        shared::keyring::KeySet,
        shared::keyring::Keyring,
        shared::store::Credential,
        shared::login::LoggedIn,
    ];
    for (name, shown) in &secret {
        assert_eq!(shown, &[false; 3], "{name} can be printed or serialised");
    }
    note("Q26", "types-that-cannot-be-printed", secret.len());
    // The control: of a type that can be, it is seen.
    let plain = shows![shared::secret::Digest, String, shared::user::UserId];
    assert_eq!(plain.map(|(_, shown)| shown), [[true, false, false], [true; 3], [true, true, false]]);
    let test = "what_holds_a_secret_is_neither_printed_nor_serialised";
    noticed("Q26", "a-type-that-is-printed", "a type has `Debug` or `Serialize`", "tests/tests/front_doors.rs", test);
}
