//! No secret is ever logged: every flow runs with all events of all crates caught, and none of what was sent, stored or
//! issued occurs in them, in whatever encoding.
//!
//! A process of its own, since the subscriber is one for the process.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use shared::keyring::Algorithm;
use shared::password::pepper::Usage;
use shared::store::{LoginName, Lookup, Store as _};
use tests::world::member;
use tests::{Call, World, document, escaped, good, hex, note, noticed};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(Clone, Default)]
struct Caught(Arc<Mutex<Vec<u8>>>);

impl Caught {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Caught {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Caught {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The forms in which a secret could be in a log, its first 12 characters included.
fn forms(secret: &str) -> Vec<String> {
    // Base64 of a text inside of a longer one has three alignments; the ends, which depend on neighbours, are left out.
    let inside = (0..3).map(|shift| {
        let encoded = STANDARD_NO_PAD.encode([&vec![b' '; shift], secret.as_bytes()].concat());
        encoded[4..encoded.len() - 2].to_owned()
    });
    let debugged = format!("{:?}", secret.as_bytes());
    let mut forms: Vec<String> = inside.collect();
    forms.extend(forms.clone().iter().map(|text| text.replace('+', "-").replace('/', "_")));
    forms.extend([secret.to_owned(), hex(secret.as_bytes()), hex(secret.as_bytes()).to_uppercase(), escaped(secret)]);
    forms.push(debugged.trim_matches(['[', ']']).to_owned());
    forms.push(secret.chars().take(12).collect());
    forms
}

/// The lines of a log, those once that differ in their time alone.
fn distinct(log: &str) -> String {
    let untimed = log.lines().map(|line| line.split_once(',').map_or(line, |(_, rest)| rest));
    untimed.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("\n")
}

/// The first secret that is in the log, with the form that it has there.
fn leak<'a>(log: &str, secrets: &'a [String]) -> Option<(&'a str, String)> {
    secrets.iter().find_map(|secret| {
        let form = forms(secret).into_iter().find(|form| log.contains(form.as_str()))?;
        Some((secret.as_str(), form))
    })
}

/// What must not be in a log: what people know, what was issued, and what is stored of it.
async fn secrets(world: &World) -> Vec<String> {
    let successors = successors(world).await;
    let jwt = world.jwt(&world.demo).await;
    let mut secrets = vec![
        world.demo.password.clone(),
        world.disabled.password.clone(),
        world.expired.password.clone(),
        WRONG.to_owned(),
        world.applications.full.clone(),
        world.applications.expired.clone(),
        world.applications.master.clone(),
        world.auth_header(&jwt).await,
        world.ticket(&world.demo).await,
        world.ticket(&world.other).await,
        world.profile_jwt(&world.demo).await,
        jwt,
    ];
    let keys: Value = serde_json::from_str(&world.stack.keys.text()).unwrap();
    // A PKCS #8 document starts alike for every key.
    secrets.push(keys["keys"][0]["pkcs8"].as_str().unwrap()[40..].to_owned());
    let wanted = Lookup { credential: Some(LoginName::typed("demo", "demo")), ..Lookup::default() };
    let phc = world.stack.store.lookup(wanted).await.unwrap().credential.unwrap().phc.unwrap();
    secrets.extend(phc.expose_secret().rsplit('$').take(2).map(str::to_owned));
    secrets.extend(successors);
    secrets.extend(recovered(world).await);
    secrets.extend(of_applications(world).await);
    secrets.push(PEPPER.to_owned());
    secrets
}

/// Its 32 bytes are a text, so that each form of it can be looked for.
const PEPPER: &str = "a-Pepper-of-exactly-32-bytes-0-1";

/// The same with a pepper, with another in its place, with a damaged secret and without any answer.
async fn season(world: &mut World, secrets: &[String]) {
    let key = STANDARD.encode(PEPPER);
    let good = format!(r#"{{"current":"p1","peppers":{{"p1":"{key}"}}}}"#);
    for text in [good.clone(), good.replace("p1", "p2"), good.replace("current", key.as_str())] {
        let secret = world.season(Some((Usage::Required, &text)));
        log_in(world, secrets).await;
        secret.fail(true);
        world.restart();
        log_in(world, secrets).await;
    }
    world.season(None);
}

/// What takes the place of something else, and the digest of a ticket that lives, which a JWT names.
async fn successors(world: &World) -> Vec<String> {
    let jwt = world.jwt(&world.demo).await;
    let renewed = member(&world.send(&Call::to("user-renew").bearer(&jwt)).await, "access_token");
    let chosen = member(&world.send(&Call::to("user-token").bearer(&renewed).query("d=1")).await, "Token");
    let rotation = json!({ "text": world.auth_header(&chosen).await, "overlap": 60 });
    let rotated = member(&world.send(&Call::to("authheader-rotate").bearer(&chosen).json(&rotation)).await, "token");
    let ticket = world.ticket(&world.demo).await;
    let judged = |name: &str, token: &str| {
        Call::to(name).header("x-api-key", &world.applications.full).form(&[("token", token)])
    };
    for call in [
        judged("oauth2-introspect", &chosen),
        judged("oauth2-introspect", &rotated),
        judged("oauth2-introspect", &ticket),
        judged("oauth2-revoke", &ticket),
        Call::to("user-sessions").bearer(&chosen),
        Call::to("user-sessions-revoke").bearer(&chosen).json(&json!({ "all": true, "except_current": true })),
        Call::to("authheader-report-leaked").json(&json!({ "token": rotated })),
        Call::to("user-logout").bearer(&chosen),
    ] {
        assert_eq!(world.send(&call).await.status(), 200, "{}", call.route().name);
    }
    let claims = URL_SAFE_NO_PAD.decode(chosen.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    vec![renewed, chosen, rotated, ticket, claims["sid"].as_str().unwrap().to_owned()]
}

/// Tokens that were sent, used and not, and the password that one of them set.
async fn recovered(world: &World) -> Vec<String> {
    let mut sent = Vec::new();
    for name in ["passwordless", "other/demo", "other/admin"] {
        // The last one is not sent, and taken back.
        world.stack.outbox.fail(name == "other/admin");
        world.send(&Call::to("user-forgot").json(&json!({ "username": name }))).await;
        let (_, detail) = world.stack.outbox.take().pop().unwrap();
        let detail: Value = serde_json::from_str(&detail).unwrap();
        sent.push(detail["token"].as_str().unwrap().to_owned());
    }
    world.stack.outbox.fail(false);
    let (verification, new) = (world.verification_token(&world.admin).await, "Lamp-light-on-a-quiet-harbour-7");
    for call in [
        Call::to("user-reset").json(&json!({ "token": sent[0], "new": "too short", "confirm": "too short" })),
        Call::to("user-reset").json(&json!({ "token": sent[0], "new": new, "confirm": WRONG })),
        Call::to("user-reset").json(&json!({ "token": sent[0], "new": new, "confirm": new })),
        Call::to("user-reset").json(&json!({ "token": sent[0], "new": new, "confirm": new })),
        Call::to("user-reset").json(&json!({ "token": verification, "new": new, "confirm": new })),
        Call::to("user-verify").json(&json!({ "token": sent[1] })),
        Call::to("user-verify").json(&json!({ "token": verification })),
        Call::to("user-verify").json(&json!({ "token": verification })),
    ] {
        world.send(&call).await;
    }
    sent.extend([verification, new.to_owned()]);
    sent
}

/// What applications are given, by each endpoint once: those of its secrets that begin like no other's.
async fn of_applications(world: &World) -> Vec<String> {
    for route in shared::api::ROUTES {
        let call = good(world, route.name).await;
        assert_eq!(world.send(&call).await.status(), document::success(route), "{}", route.name);
    }
    let by_full = |name: &str| Call::to(name).header("x-api-key", &world.applications.full);
    let (_, token) = world.persistent_login(&world.demo).await;
    let made = Call::to("access-token-create").header("x-api-key", &world.applications.master);
    let made = member(&world.send(&made.json(&json!({ "application": "portal" }))).await, "id");
    let sent = member(&world.send(&by_full("verification-token-create").id(world.admin.id())).await, "id");
    // The generation and the user's id stand before what nobody may know.
    vec![token.split('.').next_back().unwrap().to_owned(), made, sent[48..].to_owned()]
}

const WRONG: &str = "Wr0ng-horse-and-battery";

/// Everything that can be asked, well and badly, with every secret in every place.
async fn ask_everything(world: &World, secrets: &[String]) {
    log_in(world, secrets).await;
    let (jwt, header, ticket) = (&secrets[11], &secrets[7], &secrets[8]);
    for route in shared::api::ROUTES {
        let call = Call::to(route.name);
        for secret in secrets {
            for call in [
                call.clone().bearer(secret),
                call.clone().header("authorization", &format!("{secret} {secret}")),
                call.clone().header("authorization", &format!("{secret},{secret}")),
                call.clone().header("x-authorization", secret),
                call.clone().header("x-api-key", secret).header("x-access-token-id", secret),
                call.clone().header("x-api-key", secret).body("application/json", secret),
                call.clone().header("x-access-token-id", secret).body(secret, "{}"),
                call.clone().bearer(jwt).json(&json!({ secret: secret })),
                call.clone().bearer(jwt).json(&json!({ "text": secret })),
                call.clone().bearer(jwt).json(&json!({ "username": secret, "password": [secret] })),
                call.clone().bearer(jwt).body("text/plain", secret),
                call.clone().query(&format!("accessTokenId={secret}&password={secret}&{secret}")),
                call.clone().bearer(jwt).query(&format!("m={secret}&d={secret}")),
                call.clone().bearer(jwt).json(&json!({ "id": secret })),
                call.clone().bearer(jwt).json(&json!({ "text": secret, "overlap": 2_592_000 })),
                call.clone().json(&json!({ "token": secret, secret: 1 })),
                call.clone().json(&json!({ "token": secret })),
                call.clone().json(&json!({ "username": secret })),
                call.clone().json(&json!({ "token": secret, "new": secret, "confirm": secret })),
                call.clone().header("x-api-key", &world.applications.full).form(&[("token", secret)]),
                call.clone().header("authorization", &format!("Basic {}", STANDARD.encode(format!("full:{secret}")))),
                call.clone().header(secret, secret),
            ] {
                let call = if route.path.contains('{') { call.id(secret) } else { call };
                world.send(&call).await;
            }
        }
    }
    let key = &world.applications.full;
    for call in [
        Call::to("test-secure").header("x-authorization", header),
        Call::to("test-secure").bearer(jwt),
        Call::to("authheader-list").bearer(jwt),
        Call::to("ticket-get").id(ticket).header("x-api-key", key),
        Call::to("ticket-invalidate").id(ticket).header("x-api-key", key),
        Call::to("profile-authenticate").id(world.demo.id()).bearer(jwt),
        Call::to("user-sessions").bearer(jwt),
        Call::to("oauth2-introspect").header("x-api-key", key).form(&[("token", jwt)]),
        Call::to("oauth2-introspect").header("x-api-key", key).form(&[("token", header)]),
        Call::to("oauth2-introspect").header("x-api-key", key).form(&[("token", ticket)]),
        Call::to("authheader-rotate").bearer(jwt).json(&json!({ "text": header, "overlap": 60 })),
        Call::to("authheader-delete").bearer(jwt).json(&json!({ "text": header })),
        Call::to("user-renew").bearer(jwt),
        Call::to("user-token").bearer(jwt).query("m=5"),
        Call::to("user-logout").bearer(jwt),
    ] {
        world.send(&call).await;
    }
}

/// Every password that is good or bad, by both paths.
async fn log_in(world: &World, secrets: &[String]) {
    for (name, password) in [
        ("demo", &world.demo.password),
        ("demo", &WRONG.to_owned()),
        ("disabled", &world.disabled.password),
        ("expired", &world.expired.password),
        (secrets[0].as_str(), &world.demo.password),
    ] {
        world.send(&Call::to("user-login").json(&json!({ "username": name, "password": password }))).await;
        let token = &world.applications.full;
        let fields =
            [("accessTokenId", token.as_str()), ("tenantName", "demo"), ("username", name), ("password", password)];
        world.send(&Call::to("ticket-authenticate").form(&fields)).await;
    }
}

#[tokio::test]
async fn no_secret_is_logged() {
    let caught = Caught::default();
    let lines = tracing_subscriber::fmt::layer().json().with_ansi(false).with_writer(caught.clone());
    let everything = tracing_subscriber::filter::LevelFilter::TRACE;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(everything).with(lines)).unwrap();

    let (mut hunted, mut lines_of_log) = (0, 0);
    for algorithm in [Algorithm::Rs256, Algorithm::EdDsa] {
        let mut world = World::signing(algorithm).await;
        let secrets = secrets(&world).await;
        ask_everything(&world, &secrets).await;
        world.stack.store.fail_after(Some(0));
        ask_everything(&world, &secrets).await;
        world.stack.store.fail_after(None);
        world.stack.keys.fail(true);
        world.restart();
        ask_everything(&world, &secrets).await;
        world.stack.keys.fail(false);
        world.stack.keys.answer(&world.stack.keys.text().replace("\"alg\"", "\"alk\""));
        world.restart();
        ask_everything(&world, &secrets).await;
        season(&mut world, &secrets).await;
        let damaged = world.demo.login_name();
        let phc = shared::password::Phc::from_stored(format!("$argon2id$v=19$m=9999999,t=1,p=1${WRONG}${WRONG}"));
        world.stack.store.edit_credential(&damaged, |credential| credential.phc = Some(phc));
        ask_everything(&world, &secrets).await;

        let log = distinct(&caught.take());
        assert!(log.lines().count() > 500, "the flows are logged: {} lines", log.lines().count());
        for expected in [
            "\"audit\"",
            "\"answered\"",
            "\"refused\"",
            "\"no_such_ticket\"",
            "a stored password hash was refused",
            "a password hash was outdated",
            "which the secret does not hold",
            "the pepper could not be read",
        ] {
            assert!(log.contains(expected), "{expected} is missing: the log is not the functions' one");
        }
        if let Some((secret, form)) = leak(&log, &secrets) {
            let line = log.lines().find(|line| line.contains(&form)).unwrap_or_default();
            panic!("{secret} is logged as {form}: {line}");
        }

        // The control: each form of each secret would be found in a line.
        for secret in &secrets {
            for form in forms(secret) {
                tracing::info!(field = %form, "a seeded leak");
                let log = caught.take();
                assert_eq!(leak(&log, std::slice::from_ref(secret)).map(|(found, _)| found), Some(secret.as_str()));
            }
            tracing::trace!(bytes = ?secret.as_bytes(), "a seeded leak");
            assert!(leak(&caught.take(), std::slice::from_ref(secret)).is_some());
            let encoded = URL_SAFE_NO_PAD.encode(format!("user:{secret}"));
            tracing::trace!(encoded, "a seeded leak");
            assert!(leak(&caught.take(), std::slice::from_ref(secret)).is_some(), "{encoded}");
            hunted += 1;
        }
        lines_of_log += log.lines().count();
    }
    note("Q26", "secrets", hunted);
    note("Q26", "lines-of-log", lines_of_log);
    let what = "a secret is logged: as it is, encoded, in part";
    noticed("Q26", "a-seeded-leak", what, "tests/tests/canary.rs", "no_secret_is_logged");
}
