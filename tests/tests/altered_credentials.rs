//! Good JWTs, tickets and auth headers with one place changed: every bit flipped, every truncation, every deletion of
//! one character, insertions of one character everywhere. None of more than 100,000 is accepted.

use shared::keyring::Algorithm;
use tests::{Call, World, escaped, figure, note};

/// What is inserted: all of base64's and base62's characters, their neighbours, and what separates parts.
const INSERTED: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.%";

/// Every text that differs from `good` in one place.
fn alterations(good: &str, inserted: &str) -> Vec<String> {
    let characters: Vec<char> = good.chars().collect();
    let length = characters.len();
    let mut all = Vec::new();
    let joined = |parts: [&[char]; 3]| parts.concat().into_iter().collect::<String>();
    for place in 0..length {
        let (head, tail) = (&characters[..place], &characters[place + 1..]);
        for bit in 0..8 {
            let flipped = u8::try_from(characters[place]).unwrap() ^ (1 << bit);
            all.push(joined([head, &[char::from(flipped)], tail]));
        }
        all.push(joined([head, &[], tail]));
        all.push(characters[..place].iter().collect());
        all.push(characters[place..].iter().skip(1).collect());
    }
    for place in 0..=length {
        let (head, tail) = characters.split_at(place);
        all.extend(inserted.chars().map(|new| joined([head, &[new], tail])));
    }
    // Spaces around a header's value are no part of it.
    all.retain(|text| text.trim_matches(' ') != good);
    all
}

/// How many alterations there were; every one was refused with one of `statuses`.
async fn refused(world: &World, good: &str, inserted: &str, statuses: &[u16], call: impl Fn(&str) -> Call) -> usize {
    let (control, all) = (world.send(&call(good)).await.status(), alterations(good, inserted));
    assert_eq!(control, 200, "the unaltered credential");
    for text in &all {
        let call = call(text);
        let status = world.send(&call).await.status();
        assert!(statuses.contains(&status), "{} answers {status} to {text}, altered from {good}", call.route().name);
    }
    assert_eq!(world.send(&call(good)).await.status(), 200, "the unaltered credential, afterwards");
    all.len()
}

/// How many alterations there were; an application's servers were told of every one that it is not good, and no more.
async fn inactive(world: &World, good: &str) -> usize {
    let call = |text: &str| {
        Call::to("oauth2-introspect").form(&[("token", &escaped(text))]).header("x-api-key", &world.applications.full)
    };
    // Nothing at all counts as a parameter that was left out.
    let mut all = alterations(good, INSERTED);
    all.retain(|text| !text.is_empty());
    for text in &all {
        let response = world.send(&call(text)).await;
        let told = (response.status(), response.body());
        assert_eq!(told, (200, r#"{"active":false}"#), "{text}, altered from {good}");
    }
    let response = world.send(&call(good)).await;
    assert!(response.body().starts_with(r#"{"active":true,"#), "the unaltered credential: {}", response.body());
    all.len()
}

async fn altered_jwts(algorithm: Algorithm) -> usize {
    let world = World::signing(algorithm).await;
    let jwt = world.jwt(&world.demo).await;
    let bearer = |jwt: &str| Call::to("test-secure").bearer(jwt);
    refused(&world, &jwt, INSERTED, &[400, 401], bearer).await
}

async fn altered_jwts_elsewhere() -> usize {
    let world = World::new().await;
    let jwt = world.jwt(&world.demo).await;
    let told = inactive(&world, &jwt).await;
    let renew = |jwt: &str| Call::to("user-renew").bearer(jwt);
    told + refused(&world, &jwt, INSERTED, &[400, 401], renew).await
}

async fn altered_tickets_and_auth_headers() -> usize {
    let world = World::new().await;
    let header = world.auth_header(&world.jwt(&world.demo).await).await;
    let by_header = |text: &str| Call::to("test-secure").header("x-authorization", text);
    let headers = refused(&world, &header, INSERTED, &[400, 401], by_header).await;
    let ticket = world.ticket(&world.demo).await;
    let token = world.applications.full.clone();
    let by_ticket = move |text: &str| Call::to("ticket-get").id(text).header("x-api-key", &token);
    let tickets = refused(&world, &ticket, INSERTED, &[404], by_ticket).await;
    headers + tickets + inactive(&world, &header).await + inactive(&world, &ticket).await
}

async fn altered_access_tokens() -> usize {
    let world = World::new().await;
    let ticket = world.ticket(&world.demo).await;
    let by_token = |text: &str| Call::to("ticket-get").id(&ticket).header("x-access-token-id", text);
    let tokens = refused(&world, &world.applications.full, INSERTED, &[400, 403], by_token).await;
    let client = |text: &str| Call::to("oauth2-introspect").form(&[("token", "x")]).bearer(text);
    tokens + refused(&world, &world.applications.full, INSERTED, &[400, 401], client).await
}

/// Runs on a thread of its own, so that all processors take part.
fn spawn<F: Future<Output = usize> + 'static>(
    count: impl FnOnce() -> F + Send + 'static,
) -> std::thread::JoinHandle<usize> {
    std::thread::spawn(move || tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(count()))
}

#[test]
fn no_alteration_of_a_good_credential_is_accepted() {
    let counts = [
        spawn(|| altered_jwts(Algorithm::Rs256)),
        spawn(|| altered_jwts(Algorithm::Es256)),
        spawn(|| altered_jwts(Algorithm::EdDsa)),
        spawn(altered_jwts_elsewhere),
        spawn(altered_tickets_and_auth_headers),
        spawn(altered_access_tokens),
    ];
    let total: usize = counts.map(|count| count.join().expect("no alteration accepted")).iter().sum();
    assert!(total >= 100_000, "only {total} alterations");
    figure(&format!("{total} altered credentials, none accepted"));
    note("Q5", "altered-credentials", total);
}

#[test]
fn an_alteration_is_really_one() {
    let all = alterations("ab", "a");
    assert!(all.contains(&"cb".to_owned()), "a flipped bit");
    assert!(all.contains(&"a".to_owned()) && all.contains(&String::new()), "truncations");
    assert!(all.contains(&"b".to_owned()), "a deletion");
    assert!(all.contains(&"aba".to_owned()), "an insertion");
    assert!(!all.contains(&"ab".to_owned()), "never the text itself");
}
