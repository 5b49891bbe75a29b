//! The stack that everybody works on: one local cloud behind TLS. The peers have items of their own in its tables, in a
//! form that is natural for them, and their key in their environment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bench::recorder::{self, Exchange};
use bench::stack::Stack;
use bench::{Error as BenchError, plan};
use serde_json::{Value, json};
use shared::clock::{Clock as _, SystemClock};
use shared::keyring::{Algorithm, KeySet};
use shared::password::Hasher;
use shared::random::{Random, SystemRandom};
use shared::secret::Password;

use crate::Error;
use crate::contestants::{Contestant, Workload};
use crate::endpoint::{Authority, Passed, text};

/// How long each call takes while it is found out which ones wait for others.
const SLOW: Duration = Duration::from_millis(25);

const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "measured";
const TENANT: &str = "demo";
const USERNAME: &str = "measured";
const LIFETIME_SECONDS: i64 = 24 * 3600;

/// Everything that is behind the functions.
pub struct World {
    stack: Stack,
    /// Held, since its files are what functions trust.
    _authority: Authority,
    /// What passed the TLS endpoints.
    pub passed: Arc<Passed>,
    ours: BTreeMap<String, String>,
    theirs: BTreeMap<String, String>,
    password: String,
    jwt: String,
}

impl World {
    /// Starts it.
    pub async fn start() -> Result<Self, Error> {
        let stack = Stack::start(&[]).await?;
        let (authority, passed) = (Authority::new()?, Arc::new(Passed::default()));
        let dynamodb = stack.environment.get("AWS_ENDPOINT_URL_DYNAMODB").cloned().unwrap_or_default();
        let mut ours = stack.environment.clone();
        for (_, url) in ours.iter_mut().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL_")) {
            *url = authority.before(url, &passed).await?;
        }
        ours.insert("SSL_CERT_FILE".to_owned(), text(&authority.bundle()));
        let keyset = KeySet::generate(Algorithm::Rs256, SystemClock.now())?;
        let keys = KeySet::parse(&keyset)?;
        let key = keys.keys().first().ok_or(BenchError::Event("a keyset without a key"))?;
        let theirs = environment(&ours, &authority, &pem(&keyset)?, &key.jwk());
        let password = random(16);
        let hasher = stack.config().hasher().map_err(BenchError::from)?;
        let claims = seed(&local::dynamodb::client(&dynamodb), &theirs, &hasher, &password).await?;
        let head = json!({ "alg": "RS256", "typ": "JWT", "kid": key.kid() });
        let signed = format!("{}.{}", encoded(&head), encoded(&claims));
        let signature = key.sign(signed.as_bytes()).ok_or(BenchError::Event("a key that doesn't sign"))?;
        let jwt = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        Ok(Self { stack, _authority: authority, passed, ours, theirs, password, jwt })
    }

    /// What a contestant finds in its environment.
    pub fn environment(&self, contestant: Contestant) -> &BTreeMap<String, String> {
        if contestant.is_ours() { &self.ours } else { &self.theirs }
    }

    /// An event that a contestant answers with yes.
    pub async fn event(&self, contestant: Contestant, workload: Workload) -> Result<String, Error> {
        let text = self.stack.event(workload.function()).await?;
        if contestant.is_ours() || workload == Workload::Hello {
            return Ok(text);
        }
        let mut event: Value = serde_json::from_str(&text).map_err(|_| BenchError::Event("no JSON"))?;
        let bearer = json!(format!("Bearer {}", self.jwt));
        let body = json!({ "username": USERNAME, "password": self.password }).to_string();
        let changes = match workload {
            Workload::Login => [("/body", json!(body))].to_vec(),
            _ => [("/identitySource/0", bearer.clone()), ("/headers/authorization", bearer)].to_vec(),
        };
        for (place, value) in changes {
            *event.pointer_mut(place).ok_or(BenchError::Event("a part is missing"))? = value;
        }
        Ok(event.to_string())
    }

    /// From now on each store call takes longer, or not.
    pub fn slow(&self, is_slow: bool) {
        self.stack.recorder.delay(if is_slow { SLOW } else { Duration::ZERO });
    }

    /// Forgets the calls so far.
    pub fn forget(&self) {
        self.stack.recorder.take();
    }

    /// The calls since, in round trips.
    pub fn trips(&self) -> String {
        let trips = recorder::trips(&self.stack.recorder.take()).into_iter();
        let names = |trip: Vec<Exchange>| trip.into_iter().map(|call| call.operation).collect();
        plan::show(trips.map(names))
    }
}

/// The peers' environment. Their key is in it, which spares them the call that ours makes for it.
fn environment(
    ours: &BTreeMap<String, String>,
    authority: &Authority,
    pem: &str,
    jwk: &Value,
) -> BTreeMap<String, String> {
    let of_aws = ours.iter().filter(|(name, _)| name.starts_with("AWS_"));
    let mut all: BTreeMap<_, _> = of_aws.map(|(name, value)| (name.clone(), value.clone())).collect();
    let table = |name: &str| ours.get(name).cloned().unwrap_or_default();
    let more = [
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        // Lambda sets both names.
        ("AWS_DEFAULT_REGION", local::REGION.to_owned()),
        // The SDK would tell at each start that it will want Node 22 in 2027.
        ("AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED", "true".to_owned()),
        ("SSL_CERT_FILE", text(&authority.bundle())),
        ("AWS_CA_BUNDLE", text(&authority.bundle())),
        // Beside those that Node has built in.
        ("NODE_EXTRA_CA_CERTS", text(&authority.own())),
        ("CREDENTIALS_TABLE", table("OSTIARY_TABLE_CREDENTIALS")),
        ("USERS_TABLE", table("OSTIARY_TABLE_USERS")),
        ("TICKETS_TABLE", table("OSTIARY_TABLE_TICKETS")),
        ("DEFAULT_TENANT", TENANT.to_owned()),
        ("ISSUER", ISSUER.to_owned()),
        ("AUDIENCE", AUDIENCE.to_owned()),
        ("SIGNING_KEY", pem.to_owned()),
        ("KEY_ID", jwk.get("kid").and_then(Value::as_str).unwrap_or_default().to_owned()),
        ("VERIFYING_JWK", jwk.to_string()),
    ];
    all.extend(more.map(|(name, value)| (name.to_owned(), value)));
    all
}

/// Stores the peers' user, its password and a ticket, and tells the claims of a JWT for it.
async fn seed(
    client: &Client,
    environment: &BTreeMap<String, String>,
    hasher: &Hasher,
    password: &str,
) -> Result<Value, Error> {
    let (user, ticket, now) = (random(16), random(32), SystemClock.now().as_seconds());
    let expires = now + LIFETIME_SECONDS;
    let password = Password::from_input(password).ok_or(BenchError::Event("a password"))?;
    let phc = hasher.hash(&password, &SystemRandom).map_err(BenchError::from)?;
    let s = |value: &str| AttributeValue::S(value.to_owned());
    let n = |value: i64| AttributeValue::N(value.to_string());
    let credential = [
        ("pk", s(&format!("NAME#{TENANT}#{USERNAME}"))),
        ("user", s(&user)),
        ("phc", s(phc.expose_secret())),
        ("version", n(1)),
        ("lastLogin", n(now)),
    ];
    let profile = [
        ("pk", s(&user)),
        ("tenant", s(TENANT)),
        ("name", s(USERNAME)),
        ("email", s("measured@example.com")),
        ("enabled", AttributeValue::Bool(true)),
        ("roles", AttributeValue::L(vec![s("reader")])),
        ("epoch", n(0)),
    ];
    let session = [
        ("pk", s(&user)),
        ("sk", s(&format!("T#{ticket}"))),
        ("created", n(now)),
        ("expires", n(expires)),
        ("epoch", n(0)),
    ];
    let items = [
        ("CREDENTIALS_TABLE", credential.to_vec()),
        ("USERS_TABLE", profile.to_vec()),
        ("TICKETS_TABLE", session.to_vec()),
    ];
    for (table, item) in items {
        let item = item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let put = client.put_item().table_name(environment.get(table).cloned().unwrap_or_default());
        put.set_item(Some(item)).send().await.map_err(|error| Error::Seed(Box::new(error)))?;
    }
    Ok(json!({
        "iss": ISSUER, "sub": user, "aud": AUDIENCE, "exp": expires, "iat": now, "jti": random(16), "sid": ticket,
        "tenant": TENANT, "roles": ["reader"],
    }))
}

/// The keyset's key in the form that other libraries read.
pub fn pem(keyset: &str) -> Result<String, Error> {
    let document: Value = serde_json::from_str(keyset).map_err(|_| BenchError::Event("no JSON"))?;
    let key = document.pointer("/keys/0/pkcs8").and_then(Value::as_str).unwrap_or_default();
    let der = STANDARD.decode(key).map_err(|_| BenchError::Event("no base64"))?;
    let lines: Vec<_> =
        STANDARD.encode(der).into_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")))
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn random(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    SystemRandom.fill(&mut buffer);
    URL_SAFE_NO_PAD.encode(buffer)
}
