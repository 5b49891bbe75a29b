//! The simulated stack: what is stored, and the environments of the functions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use authorizer::Authorizer;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rotate_signing_keys::RotateSigningKeys;
use serde_json::{Value, json};
use shared::access_token::{AccessToken, TenantPermission};
use shared::authorize::Verifier;
use shared::clock::{Clock, Timestamp};
use shared::config::Config;
use shared::gateway::Event;
use shared::invoke::Function as _;
use shared::json::Json;
use shared::keyring::rotation::{Rotation, Windows};
use shared::keyring::{Algorithm, Keyring};
use shared::lockout;
use shared::password::Phc;
use shared::random::Random;
use shared::secret::Password;
use shared::store::memory::MemoryStore;
use shared::store::{Administration as _, Creation, NewUser, Write};
use shared::tenant::{Tenant, TenantName};
use shared::testing::{Outbox, SeededRandom, Stack, StubKeySource, variable};
use shared::user::{Email, User, UserId, UserName};
use tests::Handler;
use tests::call::Call;
use tests::world::{endpoints, keyset};

use crate::bug::Bug;
use crate::hub::Hub;
use crate::secrets::{Secret, SimulatedSecret, SkewedClock, Time};
use crate::store::SimulatedStore;

/// The tenants that there are from the beginning.
pub const TENANTS: [&str; 3] = ["alpha", "beta", "gamma"];

/// The one that comes and goes: its place among [`TENANTS`].
pub const GAMMA: usize = 2;

/// The same rules in each: few guesses, so that few clients reach their limits.
pub const LOCKOUT: lockout::Rules = lockout::Rules {
    per_network: 2,
    from_strangers: 3,
    pause: Duration::from_secs(60),
    longest: Duration::from_secs(1800),
};

/// The keyset's secret.
const KEYSET: &str = "keyset";

/// What all environments share.
pub struct Cloud {
    /// What is stored.
    pub store: MemoryStore,
    /// The signing keys.
    pub secret: Secret,
    /// What time it is.
    pub time: Time,
    /// Where calls wait.
    pub hub: Hub,
    /// What is broken.
    pub bug: Option<Bug>,
    /// The settings.
    pub config: Config,
    /// Makes the randomness of each environment another.
    pub seed: u64,
}

/// Somebody who is there from the beginning.
pub struct Founded {
    /// The user's id.
    pub id: String,
    /// The tenant: its place among [`TENANTS`].
    pub tenant: usize,
    /// The user name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// What a request is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status; for functions that don't speak HTTP, the one that says the same.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// What an environment is asked.
pub enum Invocation {
    /// By API Gateway, for an endpoint.
    Http(Box<Call>),
    /// By API Gateway, whether somebody may.
    Authorize {
        /// The header that carries the credential.
        header: &'static str,
        /// The credential.
        value: String,
    },
    /// By Secrets Manager, for a step of a rotation.
    Rotate {
        /// The step.
        step: &'static str,
        /// The version that is being made.
        token: String,
    },
}

impl Cloud {
    /// An empty stack.
    #[must_use]
    pub fn new(seed: u64, bug: Option<Bug>) -> Self {
        Self {
            store: MemoryStore::default(),
            secret: Secret::new(&keyset(7)),
            time: Time::new(1_800_000_000_000),
            hub: Hub::default(),
            bug,
            config: Config::read(variable).expect("settings"),
            seed,
        }
    }

    /// Makes the tenants.
    pub fn found_tenants(&self) {
        for name in TENANTS {
            let mut tenant = Tenant::new(tenant_name(name), self.now());
            tenant.settings.lockout = LOCKOUT;
            let made = self.store.create_tenant(&tenant).now_or_never().expect("memory").expect("memory");
            assert_eq!(made, Write::Done);
        }
    }

    /// Makes a user.
    #[must_use]
    pub fn found_user(&self, number: usize, tenant: usize) -> Founded {
        let (name, password) = (format!("person-{number}"), format!("first lantern of {number} harbours"));
        let email = format!("{name}.{}@x.example", TENANTS[tenant]);
        let random = SeededRandom::new(1000 + number as u64);
        let now = self.now().minus(Duration::from_secs(86_400));
        let user = User {
            id: UserId::generate(&random),
            tenant: tenant_name(TENANTS[tenant]),
            name: UserName::parse(&name).expect("a name"),
            email: Email::parse(&email),
            email_verified: true,
            first_name: None,
            last_name: None,
            display_name: None,
            application: None,
            enabled: true,
            roles: vec!["reader".to_owned()],
            attributes: BTreeMap::new(),
            created: now,
            modified: now,
            session_epoch: 0,
            key_epoch: 0,
        };
        let id = user.id.to_string();
        let account = NewUser::new(user, Some(self.hash(&password, &random)));
        let made = self.store.create_user(account).now_or_never().expect("memory").expect("memory");
        assert_eq!(made, Creation::Done);
        Founded { id, tenant, name, password }
    }

    fn hash(&self, password: &str, random: &dyn Random) -> Phc {
        let hasher = self.config.hasher().expect("a cost");
        hasher.hash(&Password::from_input(password).expect("a password"), random).expect("a hash")
    }

    /// Makes an application that may do everything in a tenant, or in all of them; the text of its access token.
    #[must_use]
    pub fn found_application(&self, number: usize, tenant: Option<usize>, master: bool) -> String {
        let text = AccessToken::generate(&SeededRandom::new(2000 + number as u64));
        let tenant = tenant.map(|tenant| tenant_name(TENANTS[tenant]));
        let token = AccessToken {
            digest: text.digest(),
            application: format!("application-{number}"),
            master,
            permissions: vec![TenantPermission { tenant, actions: None }],
            expires: None,
            created: self.now(),
        };
        let made = self.store.create_access_token(&token).now_or_never().expect("memory").expect("memory");
        assert_eq!(made, Write::Done);
        text.expose_secret().to_owned()
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.time.millis())
    }
}

/// A tenant's name.
#[must_use]
pub fn tenant_name(text: &str) -> TenantName {
    TenantName::parse(text).expect("a tenant's name")
}

/// One environment: every function, with caches and a clock of its own.
pub struct Environment {
    /// Its number: another one for each that was ever started.
    pub id: usize,
    /// By how much its clock is ahead, in milliseconds.
    pub skew: i64,
    /// What it sends to people.
    pub outbox: Outbox,
    endpoints: BTreeMap<&'static str, Handler>,
    authorizer: Arc<Authorizer<SimulatedStore>>,
    rotator: Arc<RotateSigningKeys<SimulatedSecret>>,
}

impl Environment {
    /// Starts one, cold.
    #[must_use]
    pub fn start(cloud: &Cloud, id: usize, skew: i64) -> Self {
        let (bug, hub) = (cloud.bug, cloud.hub.clone());
        let store = SimulatedStore {
            inner: cloud.store.clone(),
            hub: hub.clone(),
            environment: id,
            bug,
            cache: Arc::default(),
        };
        let secret = SimulatedSecret { secret: cloud.secret.clone(), hub, environment: id };
        let clock: Arc<dyn Clock> = Arc::new(SkewedClock { time: cloud.time.clone(), skew });
        let keyring = Arc::new(Keyring::new(secret.clone(), Arc::clone(&clock)));
        let stack = Stack {
            store: cloud.store.clone(),
            keyring: Arc::clone(&keyring),
            // The keyring has its own way to the secret.
            keys: StubKeySource::new(Algorithm::EdDsa),
            outbox: Outbox::default(),
            clock: shared::testing::FrozenClock::default(),
            random: Arc::new(SeededRandom::new(cloud.seed.wrapping_mul(64).wrapping_add(id as u64))),
            config: cloud.config.clone(),
        };
        let verifier =
            Verifier { store: store.clone(), keyring, party: stack.config.party.clone(), clock: Arc::clone(&clock) };
        let windows = if bug == Some(Bug::KeysEndAtOnce) {
            Windows { lead: Duration::ZERO, slack: Duration::from_secs(60), lifetime: Duration::ZERO }
        } else {
            Windows::of(&stack.config.lifetimes)
        };
        let rotation = Rotation { versions: secret, clock: Arc::clone(&clock), windows, algorithm: Algorithm::EdDsa };
        Self {
            id,
            skew,
            outbox: stack.outbox.clone(),
            authorizer: Arc::new(Authorizer { verifier, settings: stack.config.authorizer }),
            rotator: Arc::new(RotateSigningKeys { rotation, secret: KEYSET.to_owned() }),
            endpoints: endpoints(&stack, None, store, clock),
        }
    }

    /// What comes of an invocation.
    #[must_use]
    pub fn invoke(&self, invocation: &Invocation, request_id: String) -> BoxFuture<'static, Reply> {
        match invocation {
            Invocation::Http(call) => {
                let mut event = call.event();
                event["requestContext"]["requestId"] = json!(request_id);
                let answer = self.endpoints[call.route().name](None, Event::from(event));
                answer.map(|it| Reply { status: it.status(), body: it.body().to_owned() }).boxed()
            }
            Invocation::Authorize { header, value } => {
                let (it, event) = (Arc::clone(&self.authorizer), authorizer_event(header, value, &request_id));
                async move { verdict(it.call(Json(event), &request_id).await) }.boxed()
            }
            Invocation::Rotate { step, token } => {
                let event = json!({ "Step": step, "SecretId": KEYSET, "ClientRequestToken": token });
                let (it, event) = (Arc::clone(&self.rotator), serde_json::from_value(event).expect("an event"));
                async move {
                    let status = if it.call(event, &request_id).await.is_ok() { 200 } else { 500 };
                    Reply { status, body: String::new() }
                }
                .boxed()
            }
        }
    }
}

fn verdict(answer: Result<authorizer::Answer, shared::invoke::Failure>) -> Reply {
    let Ok(answer) = answer else { return Reply { status: 503, body: String::new() } };
    let body = serde_json::to_value(answer).expect("an answer");
    let status = if body["isAuthorized"] == true { 200 } else { 403 };
    Reply { status, body: body.to_string() }
}

fn authorizer_event(header: &str, value: &str, request_id: &str) -> Value {
    json!({
        "version": "2.0", "type": "REQUEST", "routeKey": "GET /orders/{id}",
        "routeArn": "arn:aws:execute-api:eu-central-1:123456789012:abcde12345/live/GET/orders/7",
        "rawPath": "/orders/7", "rawQueryString": "", "headers": { header: value },
        "requestContext": {
            "requestId": request_id, "routeKey": "GET /orders/{id}", "stage": "live",
            "http": { "method": "GET", "path": "/orders/7", "sourceIp": "203.0.113.7", "userAgent": "test" },
        },
    })
}
