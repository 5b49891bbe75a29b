//! Who is let in.

use std::time::Duration;

use ask::{MODES, WAYS, Way};
use serde_json::json;
use shared::clock::Clock as _;
use shared::config::AuthorizerMode;
use shared::store::{Administration as _, Write};
use tests::world::keyset;
use tests::{Call, World};

use crate::ask;

const EVERY: AuthorizerMode = AuthorizerMode::EveryRequest;
const SIGNED: AuthorizerMode = AuthorizerMode::SignatureOnlyIgnoresRevocation;

/// Asks, and holds verdict and store calls against what is expected.
async fn expect(world: &World, way: Way, mode: AuthorizerMode, headers: &[(&str, &str)], allowed: bool, calls: usize) {
    let _earlier = world.stack.store.take_calls();
    let answer = way.ask(world, mode, way.event(headers)).await.expect("an answer");
    let asked = world.stack.store.take_calls();
    let shown: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value:.40}")).collect();
    assert_eq!(way.allows(&answer), allowed, "{way:?} {mode:?} {shown:?}");
    assert_eq!(asked, vec!["lookup"; calls], "{way:?} {mode:?} {shown:?}");
}

struct Credentials {
    jwt: String,
    profile_jwt: String,
    auth_header: String,
    ticket: String,
}

impl Credentials {
    async fn of(world: &World) -> Self {
        let jwt = world.jwt(&world.demo).await;
        Self {
            auth_header: world.auth_header(&jwt).await,
            ticket: world.ticket(&world.demo).await,
            profile_jwt: world.profile_jwt(&world.demo).await,
            jwt,
        }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.jwt)
    }
}

#[tokio::test]
async fn a_good_credential_costs_one_lookup_and_a_jwt_by_its_signature_none() {
    let world = World::new().await;
    let good = Credentials::of(&world).await;
    for way in WAYS {
        for mode in MODES {
            let of_a_jwt = usize::from(mode == EVERY);
            expect(&world, way, mode, &[("Authorization", &good.bearer())], true, of_a_jwt).await;
            expect(&world, way, mode, &[("AUTHORIZATION", &good.jwt)], true, of_a_jwt).await;
            expect(&world, way, mode, &[("authorization", &format!("bEARER  {}", good.jwt))], true, of_a_jwt).await;
            expect(&world, way, mode, &[("authorization", &format!("  {} ", good.jwt))], true, of_a_jwt).await;
            expect(&world, way, mode, &[("Authorization", &good.profile_jwt)], true, of_a_jwt).await;
            expect(&world, way, mode, &[("X-Authorization", &good.auth_header)], true, 1).await;
            expect(&world, way, mode, &[("X-Ticket", &good.ticket)], true, 1).await;
        }
    }
}

#[tokio::test]
async fn what_can_be_no_credential_costs_no_lookup() {
    let world = World::new().await;
    let good = Credentials::of(&world).await;
    let stranger = World::with_keys(&keyset(8)).await;
    let foreign = stranger.jwt(&stranger.demo).await;
    let (bearer, middle) = (good.bearer(), good.jwt.len() - 20);
    let altered = |text: &str, place: usize| {
        let other = if text.as_bytes()[place] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &text[..place], &text[place + 1..])
    };
    let (forged, misspelt) = (altered(&good.jwt, middle), altered(&good.auth_header, 12));
    let cut = &good.jwt[..good.jwt.len() - 1];
    let values = [
        ("Authorization", forged.as_str()),
        ("Authorization", &foreign),
        ("Authorization", cut),
        ("Authorization", "junk"),
        ("Authorization", ".."),
        ("Authorization", "Bearer"),
        ("Authorization", "Bearer "),
        ("Authorization", "Basic ZGVtbzpkZW1v"),
        ("Authorization", &format!("Bearer {bearer}")),
        ("Authorization", &format!("Token {}", good.jwt)),
        ("Authorization", &format!("{0} {0}", good.jwt)),
        ("Authorization", &format!("{bearer}, {bearer}")),
        ("Authorization", &format!("{bearer}\r\nx-evil: 1")),
        ("Authorization", &format!("{bearer}\0")),
        ("Authorization", &format!("{bearer}\u{a0}")),
        ("X-Authorization", &misspelt),
        ("X-Authorization", "ost_junk"),
        ("X-Ticket", "junk"),
        ("X-Ticket", ""),
    ];
    for way in WAYS {
        for mode in MODES {
            expect(&world, way, mode, &[], false, 0).await;
            for header in values {
                expect(&world, way, mode, &[header], false, 0).await;
            }
        }
    }
}

#[tokio::test]
async fn a_header_that_comes_twice_and_a_second_credential_are_refused() {
    let world = World::new().await;
    let good = Credentials::of(&world).await;
    let (jwt, header, ticket) = (good.bearer(), good.auth_header.as_str(), good.ticket.as_str());
    for way in WAYS.into_iter().filter(|way| *way != Way::Token) {
        for mode in MODES {
            for headers in [
                [("Authorization", jwt.as_str()), ("Authorization", jwt.as_str())],
                [("Authorization", "junk"), ("Authorization", &jwt)],
                [("authorization", "junk"), ("Authorization", &jwt)],
                [("X-Authorization", "junk"), ("X-Authorization", header)],
                [("X-Ticket", ticket), ("X-Ticket", ticket)],
                [("Authorization", &jwt), ("X-Authorization", header)],
                [("Authorization", &jwt), ("X-Ticket", ticket)],
                [("X-Authorization", header), ("X-Ticket", ticket)],
                [("X-Authorization", header), ("X-Ticket", "junk")],
            ] {
                expect(&world, way, mode, &headers, false, 0).await;
            }
            // Another scheme is no credential of ours, and common in front of an auth header.
            let basic = [("Authorization", "Basic ZGVtbzpkZW1v"), ("X-Authorization", header)];
            expect(&world, way, mode, &basic, true, 1).await;
        }
    }
}

#[tokio::test]
async fn each_credential_is_taken_from_its_own_header_only() {
    let world = World::new().await;
    let good = Credentials::of(&world).await;
    for way in WAYS.into_iter().filter(|way| *way != Way::Token) {
        for mode in MODES {
            for (name, value) in [
                ("Authorization", &good.auth_header),
                ("Authorization", &good.ticket),
                ("X-Authorization", &good.jwt),
                ("X-Authorization", &good.ticket),
                ("X-Ticket", &good.jwt),
                ("X-Ticket", &good.auth_header),
                ("X-Api-Key", &good.auth_header),
                ("Cookie", &good.jwt),
            ] {
                expect(&world, way, mode, &[(name, value)], false, 0).await;
            }
        }
    }
}

#[tokio::test]
async fn what_was_ended_is_refused_at_once_and_by_signature_alone_it_is_not() {
    for way in WAYS {
        let world = World::new().await;
        let good = Credentials::of(&world).await;
        let jwt = [("Authorization", good.jwt.as_str())];
        world.send(&Call::to("user-logout").bearer(&good.jwt)).await;
        expect(&world, way, EVERY, &jwt, false, 1).await;
        expect(&world, way, SIGNED, &jwt, true, 0).await;

        let fresh = world.jwt(&world.demo).await;
        let deleted = Call::to("authheader-delete").bearer(&fresh);
        world.send(&deleted.json(&json!({ "text": good.auth_header }))).await;
        let call = Call::to("ticket-invalidate").id(&good.ticket).header("x-api-key", &world.applications.full);
        world.send(&call).await;
        for mode in MODES {
            expect(&world, way, mode, &[("X-Authorization", &good.auth_header)], false, 1).await;
            expect(&world, way, mode, &[("X-Ticket", &good.ticket)], false, 1).await;
        }
    }
}

#[tokio::test]
async fn with_the_user_everything_ends_but_a_jwt_by_its_signature() {
    for way in WAYS {
        let world = World::new().await;
        let good = Credentials::of(&world).await;
        let disabled = world.stack.store.set_enabled(&world.demo.user, false, world.stack.clock.now()).await;
        assert_eq!(disabled.unwrap(), Write::Done);
        expect(&world, way, EVERY, &[("Authorization", &good.jwt)], false, 1).await;
        expect(&world, way, SIGNED, &[("Authorization", &good.jwt)], true, 0).await;
        for mode in MODES {
            expect(&world, way, mode, &[("X-Authorization", &good.auth_header)], false, 1).await;
            expect(&world, way, mode, &[("X-Ticket", &good.ticket)], false, 1).await;
        }
    }
}

#[tokio::test]
async fn what_has_expired_is_refused_in_both_modes() {
    for (way, mode) in WAYS.into_iter().flat_map(|way| MODES.map(|mode| (way, mode))) {
        let world = World::new().await;
        let jwt = world.jwt(&world.demo).await;
        let ends = "2027-01-15T09:00:00Z";
        let body = json!({ "name": "short", "expires": ends });
        let header = world.send(&Call::to("authheader-add").bearer(&jwt).json(&body)).await;
        let header = tests::world::member(&header, "token");
        let ticket = world.ticket(&world.demo).await;
        // The clock of tests stands at 2027-01-15T08:00:00Z.
        world.stack.clock.advance(Duration::from_secs(3599));
        expect(&world, way, mode, &[("Authorization", &jwt)], true, usize::from(mode == EVERY)).await;
        expect(&world, way, mode, &[("X-Ticket", &ticket)], false, 1).await;
        world.stack.clock.advance(Duration::from_secs(1));
        expect(&world, way, mode, &[("Authorization", &jwt)], false, 0).await;
        expect(&world, way, mode, &[("X-Authorization", &header)], false, 1).await;
    }
}

#[tokio::test]
async fn every_refusal_of_a_kind_is_the_same() {
    let world = World::new().await;
    let good = Credentials::of(&world).await;
    world.send(&Call::to("user-logout").bearer(&good.jwt)).await;
    for way in WAYS {
        let mut answers = Vec::new();
        for value in [good.jwt.as_str(), "junk", "", "Basic x"] {
            answers.push(way.ask(&world, EVERY, way.event(&[("Authorization", value)])).await.unwrap());
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{way:?}: {answers:?}");
    }
}

#[tokio::test]
async fn an_outage_is_an_error_and_neither_a_yes_nor_a_no() {
    for way in WAYS {
        let mut world = World::new().await;
        let good = Credentials::of(&world).await;
        world.stack.store.fail_after(Some(0));
        for headers in [
            [("Authorization", good.jwt.as_str())],
            [("X-Authorization", &good.auth_header)],
            [("X-Ticket", &good.ticket)],
        ] {
            let failure = way.ask(&world, EVERY, way.event(&headers)).await.unwrap_err();
            assert_eq!(failure.kind, "Outage", "{way:?}");
            assert!(!failure.message.contains(headers[0].1), "{way:?}");
        }
        expect(&world, way, SIGNED, &[("Authorization", &good.jwt)], true, 0).await;
        expect(&world, way, EVERY, &[("Authorization", "junk")], false, 0).await;
        world.stack.store.fail_after(None);

        world.stack.keys.fail(true);
        world.restart();
        for mode in MODES {
            let failure = way.ask(&world, mode, way.event(&[("Authorization", &good.jwt)])).await.unwrap_err();
            assert_eq!(failure.kind, "Outage", "{way:?}");
            expect(&world, way, mode, &[("X-Ticket", &good.ticket)], true, 1).await;
        }
    }
}

#[tokio::test]
async fn the_use_of_an_auth_header_is_noted_beside_the_answer() {
    let world = World::new().await;
    let good = Credentials::of(&world).await;
    let headers = [("X-Authorization", good.auth_header.as_str())];
    expect(&world, Way::Simple, EVERY, &headers, true, 1).await;
    tokio::task::yield_now().await;
    assert_eq!(world.stack.store.take_calls(), ["note_auth_header_use"]);
    expect(&world, Way::Simple, EVERY, &headers, true, 1).await;
    tokio::task::yield_now().await;
    assert!(world.stack.store.take_calls().is_empty(), "not again within minutes");
}

#[tokio::test]
async fn the_use_of_a_ticket_is_written_once_per_tenth_of_its_idle_limit() {
    let world = World::new().await;
    let good = Credentials::of(&world).await;
    let event = || Way::Simple.event(&[("X-Ticket", good.ticket.as_str())]);
    world.stack.clock.advance(Duration::from_secs(600));
    for expected in [&["lookup", "touch_ticket"] as &[_], &["lookup"]] {
        let _earlier = world.stack.store.take_calls();
        assert!(Way::Simple.allows(&Way::Simple.ask(&world, EVERY, event()).await.unwrap()));
        assert_eq!(world.stack.store.take_calls(), expected);
    }
}

#[tokio::test]
async fn an_event_that_no_gateway_sends_is_refused_without_a_look() {
    let world = World::new().await;
    let good = Credentials::of(&world).await;
    for way in WAYS {
        for (member, value) in [
            ("type", json!("TOKENS")),
            ("type", json!(null)),
            ("version", json!("3.0")),
            ("version", json!(2.0)),
            ("version", json!(null)),
            ("headers", json!([["authorization", good.jwt]])),
            ("headers", json!({ "authorization": [good.jwt] })),
            ("multiValueHeaders", json!({ "authorization": good.jwt })),
            ("authorizationToken", json!([good.jwt])),
        ] {
            let mut event = way.event(&[("Authorization", &good.jwt)]);
            if member != "type" && member != "version" && event.get(member).is_none() {
                continue;
            }
            event[member] = value;
            refuses(&world, way, event).await;
        }
    }
    for version in ["1.0", "2.0"] {
        let mut event = Way::Token.event(&[("Authorization", &good.jwt)]);
        event["version"] = json!(version);
        event["routeArn"] = event["methodArn"].clone();
        refuses(&world, Way::Token, event).await;
    }
}

/// An event is answered by a no, in whichever form.
async fn refuses(world: &World, way: Way, event: serde_json::Value) {
    let _earlier = world.stack.store.take_calls();
    let answer = way.ask(world, EVERY, event.clone()).await.unwrap();
    let refused =
        answer["isAuthorized"] == json!(false) || answer["policyDocument"]["Statement"][0]["Effect"] == json!("Deny");
    assert!(refused && answer.get("context").is_none(), "{way:?}: {answer} {event}");
    assert!(world.stack.store.take_calls().is_empty(), "{event}");
}
