//! A stack in memory with every endpoint, people and applications.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use shared::access_token::{AccessToken, Action, TenantPermission};
use shared::api::ROUTES;
use shared::authorize::Verifier;
use shared::clock::{Clock, Timestamp};
use shared::edge::Edge;
use shared::gateway::{Endpoint, Event, Response, handle_behind};
use shared::jwt::Party;
use shared::keyring::{Algorithm, KeySet, Keyring};
use shared::login::Login;
use shared::one_time::{OneTime, Purpose};
use shared::password::pepper::{Pepper, Usage};
use shared::password::{Hasher, Phc};
use shared::profile_api::ProfileApi;
use shared::random::Random;
use shared::recovery::Recovery;
use shared::renewal::Renewer;
use shared::secret::Password;
use shared::store::memory::MemoryStore;
use shared::store::{Administration, Creation, LoginName, Lookup, NewUser, Store, Write};
use shared::tenant::{Tenant, TenantName, Tenants};
use shared::tenant_deletion::Pace;
use shared::testing::{SeededRandom, Stack, StubKeySource};
use shared::user::{Email, User, UserId, UserName};
use ticket_authenticate::TicketAuthenticate;
use user_forgot::UserForgot;
use user_login::UserLogin;
use user_password::UserPassword;
use user_reset::UserReset;
use user_verify::UserVerify;

use crate::call::Call;
use crate::{hex, shape};

/// An endpoint without its type, behind what stands in front of the API.
pub type Handler = Box<dyn Fn(Option<Edge>, Event) -> BoxFuture<'static, Response> + Send + Sync>;

/// A user and the password.
#[derive(Clone)]
pub struct Account {
    /// Who.
    pub user: User,
    /// The password; none opens the account where it is empty.
    pub password: String,
}

impl Account {
    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.user.id.as_str()
    }

    /// The name under which the credential is stored.
    #[must_use]
    pub fn login_name(&self) -> LoginName {
        LoginName::new(&self.user.tenant, &self.user.name)
    }

    /// The name as the user family writes it for any tenant.
    #[must_use]
    pub fn qualified(&self) -> String {
        format!("{}/{}", self.user.tenant, self.user.name.as_str())
    }
}

/// Texts of access tokens.
#[derive(Clone)]
pub struct Applications {
    /// Everything in the tenant `demo`.
    pub full: String,
    /// Everything in every tenant.
    pub everywhere: String,
    /// `MANAGE_TICKETS` in `demo`.
    pub tickets: String,
    /// `MANAGE_PROFILES` in `demo`.
    pub profiles: String,
    /// Everything in the tenant `other`.
    pub other: String,
    /// Like `full`, but over.
    pub expired: String,
    /// `master`, and no right over tenants.
    pub master: String,
}

/// The stack, who lives in it, and every endpoint of it.
pub struct World {
    /// Its parts.
    pub stack: Stack,
    /// `demo` of the tenant `demo`.
    pub demo: Account,
    /// The administrator of `demo`.
    pub admin: Account,
    /// `demo` of the tenant `other`: the same name, somebody else.
    pub other: Account,
    /// The administrator of `other`.
    pub other_admin: Account,
    /// Disabled.
    pub disabled: Account,
    /// Without a password.
    pub passwordless: Account,
    /// With a password that is over.
    pub expired: Account,
    /// Access tokens.
    pub applications: Applications,
    pepper: Option<(Usage, StubKeySource)>,
    issued: Mutex<Vec<String>>,
    endpoints: BTreeMap<&'static str, Handler>,
}

/// A keyset of one Ed25519 key, the same for the same seed, so that a failure can be repeated.
#[must_use]
pub fn keyset(seed: u8) -> String {
    // PKCS #8 of RFC 8410, section 7, in front of the key's seed.
    let mut pkcs8 = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    pkcs8.extend([seed; 32]);
    let key = json!({
        "kid": format!("key-{seed}"), "alg": "EdDSA", "pkcs8": STANDARD.encode(pkcs8), "sign_after": 1_700_000_000,
        "verify_until": null,
    });
    json!({ "keys": [key] }).to_string()
}

impl World {
    /// A world whose keys and people are the same every time.
    pub async fn new() -> Self {
        Self::with_keys(&keyset(7)).await
    }

    /// A world with a fresh key of `algorithm`.
    pub async fn signing(algorithm: Algorithm) -> Self {
        let keys = KeySet::generate(algorithm, Timestamp::from_seconds(1_700_000_000)).expect("a key");
        Self::with_keys(&keys).await
    }

    /// A world whose keyset is `keys`.
    pub async fn with_keys(keys: &str) -> Self {
        Self::founded(Stack::new(), keys).await
    }

    /// A world with the same names in which everything has another id, and other secrets.
    pub async fn elsewhere() -> Self {
        let random = Arc::new(SeededRandom::new(2));
        Self::founded(Stack { random, ..Stack::new() }, &keyset(9)).await
    }

    async fn founded(stack: Stack, keys: &str) -> Self {
        stack.keys.answer(keys);
        // See tests/tests/swept: whether what is over is still stored is nothing that any test may notice.
        if std::env::var("OSTIARY_TEST_SWEEPING").is_ok_and(|when| when == "on-time") {
            stack.store.sweep_on_time(Arc::new(stack.clock.clone()));
        }
        let founder = Founder { stack: &stack };
        founder.tenant("demo").await;
        founder.tenant("other").await;
        let demo = founder.account("demo", "demo", Some("Tr0ubador-and-3-horses")).await;
        let admin = founder.account("demo", "admin", Some("Correct-horse-battery-9")).await;
        let other = founder.account("other", "demo", Some("Staple-the-2nd-battery")).await;
        let other_admin = founder.account("other", "admin", Some("Another-horse-of-course-5")).await;
        let disabled = founder.account("demo", "disabled", Some("Once-upon-a-time-it-w0rked")).await;
        let passwordless = founder.account("demo", "passwordless", None).await;
        let expired = founder.account("demo", "expired", Some("Long-ago-and-far-away-1")).await;
        for admin in [&admin, &other_admin] {
            stack.store.edit_user(&admin.user.id, |user| user.roles.push(User::TENANT_ADMIN.to_owned()));
        }
        let written = stack.store.set_enabled(&disabled.user, false, stack.clock.now()).await.expect("memory");
        assert_eq!(written, Write::Done);
        let now = stack.clock.now();
        stack.store.edit_credential(&expired.login_name(), |credential| credential.password_expires = Some(now));
        let applications = founder.applications().await;
        let _founding = stack.store.take_calls();
        let endpoints = endpoints(&stack, None, stack.store.clone(), Arc::new(stack.clock.clone()));
        Self {
            stack,
            demo,
            admin,
            other,
            other_admin,
            disabled,
            passwordless,
            expired,
            applications,
            pepper: None,
            issued: Mutex::default(),
            endpoints,
        }
    }

    /// Sends a request. An answer that breaks a rule for all answers fails the test.
    pub async fn send(&self, call: &Call) -> Response {
        self.invoke(call.route().name, call.event()).await
    }

    /// Hands an event to the endpoint of that name. An answer that breaks a rule for all answers fails the test.
    pub async fn invoke(&self, name: &str, event: Value) -> Response {
        let route = ROUTES.iter().find(|route| route.name == name).expect("a route of that name");
        let id = Event::from(event.clone()).request_id();
        let response = self.invoke_unchecked(name, event).await;
        if let Err(flaw) = shape::check(route, &id, &response) {
            panic!("{name} answers {}: {flaw}\n{}", response.status(), response.body());
        }
        response
    }

    /// Hands an event to the endpoint of that name.
    pub async fn invoke_unchecked(&self, name: &str, event: Value) -> Response {
        self.endpoints[name](self.stack.config.edge.clone(), Event::from(event)).await
    }

    /// Puts another endpoint in the place of one: for faults.
    pub fn replace<E: Endpoint>(&mut self, endpoint: E) {
        let (name, handler) = wired(endpoint);
        self.endpoints.insert(name, handler);
    }

    /// A login's JWT.
    pub async fn jwt(&self, account: &Account) -> String {
        let body = json!({ "username": account.qualified(), "password": account.password });
        let response = self.send(&Call::to("user-login").json(&body)).await;
        self.issue(member(&response, "Token"))
    }

    /// A new auth header of the bearer of a login's JWT.
    pub async fn auth_header(&self, jwt: &str) -> String {
        let call = Call::to("authheader-add").bearer(jwt).json(&json!({ "name": "test" }));
        self.issue(member(&self.send(&call).await, "token"))
    }

    /// A ticket by the ticket family's login.
    pub async fn ticket(&self, account: &Account) -> String {
        let call = Call::to("ticket-authenticate").form(&[
            ("accessTokenId", &self.applications.everywhere),
            ("tenantName", account.user.tenant.as_str()),
            ("username", account.user.name.as_str()),
            ("password", &account.password),
        ]);
        self.issue(member(&self.send(&call).await, "id"))
    }

    /// A token that sets a new password, as if it had been sent.
    pub async fn reset_token(&self, account: &Account) -> String {
        let wanted = Lookup { credential: Some(account.login_name()), ..Lookup::default() };
        let found = self.stack.store.lookup(wanted).await.expect("memory").credential.expect("an account");
        self.one_time_token(account, Purpose::Reset { version: found.version }).await
    }

    /// A token that verifies an address, as if it had been sent.
    pub async fn verification_token(&self, account: &Account) -> String {
        self.one_time_token(account, Purpose::Verify).await
    }

    async fn one_time_token(&self, account: &Account, purpose: Purpose) -> String {
        let now = self.stack.clock.now();
        let wanted = Lookup { users: vec![account.user.id.clone()], ..Lookup::default() };
        let found = self.stack.store.lookup(wanted).await.expect("memory");
        let (token, text) = OneTime::issue(&found.users[0], purpose, now, &*self.stack.random);
        let stored = self.stack.store.create_one_time(&account.login_name(), &token, now).await.expect("memory");
        assert_eq!(stored, Write::Done);
        self.issue(text.expose_secret().to_owned())
    }

    /// What sends tokens, into [`Stack::outbox`].
    #[must_use]
    pub fn recovery(&self) -> Recovery<MemoryStore> {
        let Stack { store, clock, random, outbox, config, .. } = self.stack.clone();
        Recovery::new(store, Arc::new(clock), random, Arc::new(outbox), &config)
    }

    /// A profile's JWT, on behalf of an application.
    pub async fn profile_jwt(&self, account: &Account) -> String {
        let call = Call::to("profile-authenticate").id(account.id()).header("x-api-key", &self.applications.everywhere);
        self.issue(member(&self.send(&call).await, "jwt"))
    }

    /// Somebody new in the tenant `demo`, with a password and an address, whom no other test needs as is.
    pub async fn newcomer(&self) -> Account {
        self.newcomer_of("demo").await
    }

    /// The same in a tenant.
    pub async fn newcomer_of(&self, tenant: &str) -> Account {
        let name = format!("newcomer-{}", hex(&self.stack.random.bytes::<6>()));
        let password = format!("Lanterns-0ver-the-{name}");
        self.founder().account(tenant, &name, Some(&self.issue(password))).await
    }

    /// The access token of one more application, with `actions` or all of them in a tenant or all of them.
    pub async fn application(&self, name: &str, tenant: Option<&str>, actions: Option<Vec<Action>>) -> String {
        self.issue(self.founder().application(name, tenant, actions).await)
    }

    /// The same with permissions of any number of tenants.
    pub async fn application_with(&self, name: &str, permissions: Vec<TenantPermission>) -> String {
        self.issue(self.founder().application_with(name, permissions).await)
    }

    /// A persistent login of somebody: its id and its token.
    pub async fn persistent_login(&self, account: &Account) -> (String, String) {
        let call = Call::to("persistent-login-create").header("x-api-key", &self.applications.everywhere);
        let response = self.send(&call.parameters(&[("profileId", account.id())])).await;
        (self.issue(member(&response, "id")), self.issue(member(&response, "token")))
    }

    fn founder(&self) -> Founder<'_> {
        Founder { stack: &self.stack }
    }

    /// Every secret that was issued by way of this world, passwords of newcomers included.
    #[must_use]
    pub fn issued(&self) -> Vec<String> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps a secret for [`Self::issued`].
    pub fn issue(&self, secret: String) -> String {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).push(secret.clone());
        secret
    }
}

/// A member, which is a text, of an answer's object.
#[must_use]
pub fn member(response: &Response, name: &str) -> String {
    let body: Value = serde_json::from_str(response.body()).unwrap_or_default();
    let text = body[name].as_str().unwrap_or_else(|| panic!("no {name}: {} {body}", response.status()));
    text.to_owned()
}

struct Founder<'a> {
    stack: &'a Stack,
}

impl Founder<'_> {
    async fn tenant(&self, name: &str) {
        let tenant = Tenant::new(TenantName::parse(name).expect("a name"), self.stack.clock.now());
        assert_eq!(self.stack.store.create_tenant(&tenant).await.expect("memory"), Write::Done);
    }

    fn hash(&self, password: &str) -> Phc {
        let hasher = self.stack.config.hasher().expect("a cost");
        let password = Password::from_input(password).expect("a password");
        hasher.hash(&password, &*self.stack.random).expect("a hash")
    }

    async fn account(&self, tenant: &str, name: &str, password: Option<&str>) -> Account {
        let now = self.stack.clock.now();
        let user = User {
            id: UserId::generate(&*self.stack.random),
            tenant: TenantName::parse(tenant).expect("a tenant"),
            name: UserName::parse(name).expect("a name"),
            email: Email::parse(&format!("{name}@{tenant}.example")),
            email_verified: false,
            first_name: Some(format!("First of {tenant} {name}")),
            last_name: None,
            display_name: None,
            application: None,
            enabled: true,
            roles: vec!["reader".to_owned()],
            attributes: BTreeMap::from([("home".to_owned(), format!("{tenant}-{name}").into())]),
            created: now,
            modified: now,
            session_epoch: 0,
            key_epoch: 0,
        };
        let phc = password.map(|password| self.hash(password));
        let created = self.stack.store.create_user(NewUser::new(user.clone(), phc)).await.expect("memory");
        assert_eq!(created, Creation::Done);
        Account { user, password: password.unwrap_or_default().to_owned() }
    }

    async fn applications(&self) -> Applications {
        Applications {
            full: self.application("full", Some("demo"), None).await,
            everywhere: self.application("everywhere", None, None).await,
            tickets: self.application("tickets", Some("demo"), Some(vec![Action::ManageTickets])).await,
            profiles: self.application("profiles", Some("demo"), Some(vec![Action::ManageProfiles])).await,
            other: self.application("other", Some("other"), None).await,
            expired: self.application("expired", Some("demo"), None).await,
            master: self.application("master", None, Some(Vec::new())).await,
        }
    }

    async fn application(&self, name: &str, tenant: Option<&str>, actions: Option<Vec<Action>>) -> String {
        let tenant = tenant.map(|tenant| TenantName::parse(tenant).expect("a tenant"));
        self.application_with(name, vec![TenantPermission { tenant, actions }]).await
    }

    async fn application_with(&self, name: &str, permissions: Vec<TenantPermission>) -> String {
        let now = self.stack.clock.now();
        let text = AccessToken::generate(&*self.stack.random);
        let token = AccessToken {
            digest: text.digest(),
            application: name.to_owned(),
            master: name == "master",
            permissions,
            expires: (name == "expired").then_some(now),
            created: now,
        };
        assert_eq!(self.stack.store.create_access_token(&token).await.expect("memory"), Write::Done);
        text.expose_secret().to_owned()
    }
}

fn wired<E: Endpoint>(endpoint: E) -> (&'static str, Handler) {
    let endpoint = Arc::new(endpoint);
    let name = endpoint.route().name;
    let handler: Handler = Box::new(move |edge, event| {
        let endpoint = Arc::clone(&endpoint);
        async move { handle_behind(edge.as_ref(), &*endpoint, event).await }.boxed()
    });
    (name, handler)
}

/// What the endpoints of one environment are wired with, as `shared::start` does it for their `main`s.
struct Wiring<'a, S> {
    stack: &'a Stack,
    store: S,
    clock: Arc<dyn Clock>,
    hasher: Arc<Hasher>,
}

impl<S: Store> Wiring<'_, S> {
    fn store(&self) -> S {
        self.store.clone()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    fn random(&self) -> Arc<dyn Random> {
        Arc::clone(&self.stack.random)
    }

    fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.stack.keyring)
    }

    fn party(&self) -> Party {
        self.stack.config.party.clone()
    }

    fn default_tenant(&self) -> TenantName {
        self.stack.config.default_tenant.clone()
    }

    fn verifier(&self) -> Verifier<S> {
        Verifier { store: self.store(), keyring: self.keyring(), party: self.party(), clock: self.clock() }
    }

    fn renewer(&self) -> Renewer<S> {
        let lifetimes = self.stack.config.lifetimes;
        Renewer { verifier: self.verifier(), random: self.random(), lifetimes, tenants: Tenants::default() }
    }

    fn login(&self) -> Login<S> {
        Login::new(self.store(), Arc::clone(&self.hasher), self.clock(), self.random(), &self.stack.config)
    }

    fn api(&self) -> ProfileApi<S> {
        ProfileApi { store: self.store(), clock: self.clock(), random: self.random() }
    }

    fn recovery(&self) -> Recovery<S> {
        let outbox = Arc::new(self.stack.outbox.clone());
        Recovery::new(self.store(), self.clock(), self.random(), outbox, &self.stack.config)
    }

    fn ticket_create(&self) -> ticket_create::TicketCreate<S> {
        let lifetimes = self.stack.config.lifetimes;
        ticket_create::TicketCreate { api: self.api(), lifetimes, tenants: Tenants::default() }
    }

    fn profile(&self) -> profile_authenticate::ProfileAuthenticate<S> {
        profile_authenticate::ProfileAuthenticate {
            verifier: self.verifier(),
            random: self.random(),
            lifetimes: self.stack.config.lifetimes,
            tenants: Tenants::default(),
        }
    }
}

/// Every endpoint, wired as its `main` does; one of [`ROUTES`] that is missing here fails every test.
#[must_use]
pub fn endpoints<S: Administration>(
    stack: &Stack,
    pepper: Option<&(Usage, StubKeySource)>,
    store: S,
    clock: Arc<dyn Clock>,
) -> BTreeMap<&'static str, Handler> {
    let pepper = pepper.map(|(usage, secret)| Pepper::new(*usage, secret.clone(), Arc::new(stack.clock.clone())));
    let hasher = Arc::new(stack.config.hasher().expect("a cost").with_buffers(2).with_pepper(pepper));
    let it = Wiring { stack, store, clock, hasher };
    let families = [user_family(&it), ticket_family(&it), profile_family(&it), standards_family(&it)];
    let wired: BTreeMap<_, _> = families.into_iter().flatten().collect();
    let missing: Vec<_> = ROUTES.iter().filter(|route| !wired.contains_key(route.name)).collect();
    assert!(missing.is_empty() && wired.len() == ROUTES.len(), "tests/src/world.rs wires no endpoint for {missing:?}");
    wired
}

fn user_family<S: Administration>(it: &Wiring<'_, S>) -> Vec<(&'static str, Handler)> {
    let (keyring, party, default_tenant) = (it.keyring(), it.party(), it.default_tenant());
    vec![
        wired(UserLogin { login: it.login(), keyring, party, default_tenant }),
        wired(UserPassword { login: it.login(), default_tenant: it.default_tenant() }),
        wired(UserForgot { login: it.login(), recovery: it.recovery(), default_tenant: it.default_tenant() }),
        wired(UserReset { login: it.login() }),
        wired(UserVerify { store: it.store(), clock: it.clock() }),
        wired(user_renew::UserRenew { renewer: it.renewer() }),
        wired(user_token::UserToken { renewer: it.renewer() }),
        wired(user_sessions::UserSessions { verifier: it.verifier() }),
        wired(user_sessions_revoke::UserSessionsRevoke { verifier: it.verifier() }),
        wired(user_logout::UserLogout { verifier: it.verifier() }),
        wired(authheader_add::AuthHeaderAdd { verifier: it.verifier(), random: it.random() }),
        wired(authheader_list::AuthHeaderList { verifier: it.verifier() }),
        wired(authheader_delete::AuthHeaderDelete { verifier: it.verifier() }),
        wired(authheader_rotate::AuthHeaderRotate { verifier: it.verifier(), random: it.random() }),
        wired(authheader_report_leaked::AuthHeaderReportLeaked { store: it.store() }),
        wired(test_secure::TestSecure { verifier: it.verifier() }),
        wired(test_unsecure::TestUnsecure),
    ]
}

fn ticket_family<S: Administration>(it: &Wiring<'_, S>) -> Vec<(&'static str, Handler)> {
    vec![
        wired(TicketAuthenticate { login: it.login() }),
        wired(ticket_get::TicketGet { store: it.store(), clock: it.clock() }),
        wired(ticket_invalidate::TicketInvalidate { store: it.store(), clock: it.clock() }),
        wired(it.ticket_create()),
        wired(persistent_login_create::PersistentLoginCreate {
            api: it.api(),
            lifetime: it.stack.config.persistent_login,
        }),
        wired(persistent_login_get::PersistentLoginGet { api: it.api() }),
        wired(persistent_login_refresh::PersistentLoginRefresh { api: it.api() }),
        wired(persistent_login_delete::PersistentLoginDelete { api: it.api() }),
        wired(access_token_create::AccessTokenCreate { api: it.api() }),
        wired(access_token_get::AccessTokenGet { api: it.api() }),
        wired(access_token_list::AccessTokenList { api: it.api() }),
        wired(access_token_delete::AccessTokenDelete { api: it.api() }),
        wired(tenant_create::TenantCreate { api: it.api() }),
        wired(tenant_get::TenantGet { api: it.api() }),
        wired(tenant_list::TenantList { api: it.api() }),
        wired(tenant_count::TenantCount { api: it.api() }),
        wired(tenant_update::TenantUpdate { api: it.api() }),
        wired(tenant_delete::TenantDelete { api: it.api(), pace: Pace { lag: Duration::ZERO, ..Pace::ONE_CALL } }),
        wired(api1_profile_create::Api1ProfileCreate { api: it.api(), login: it.login(), recovery: it.recovery() }),
        wired(api1_profile_get::Api1ProfileGet { api: it.api() }),
        wired(api1_profile_update::Api1ProfileUpdate { api: it.api(), login: it.login() }),
        wired(api1_profile_enable::Api1ProfileEnable { api: it.api() }),
        wired(api1_profile_disable::Api1ProfileDisable { api: it.api() }),
        wired(api1_profile_delete::Api1ProfileDelete { api: it.api() }),
        wired(api1_profile_roles_add::Api1ProfileRolesAdd { api: it.api() }),
        wired(api1_profile_roles_remove::Api1ProfileRolesRemove { api: it.api() }),
        wired(api1_profile_attributes_get::Api1ProfileAttributesGet { api: it.api() }),
        wired(api1_profile_attributes_update::Api1ProfileAttributesUpdate { api: it.api() }),
        wired(api1_profile_attributes_remove::Api1ProfileAttributesRemove { api: it.api() }),
        wired(api1_profile_by_username::Api1ProfileByUsername { api: it.api() }),
        wired(api1_profile_by_ticket::Api1ProfileByTicket { api: it.api() }),
        wired(api1_profile_by_ids::Api1ProfileByIds { api: it.api() }),
        wired(api1_profile_range::Api1ProfileRange { api: it.api() }),
        wired(api1_profile_count::Api1ProfileCount { api: it.api() }),
        wired(api1_profile_reset_password::Api1ProfileResetPassword { api: it.api(), recovery: it.recovery() }),
        wired(api1_profile_change_password::Api1ProfileChangePassword { api: it.api(), login: it.login() }),
        wired(verification_token_create::VerificationTokenCreate { api: it.api() }),
        wired(verification_token_get::VerificationTokenGet { api: it.api() }),
        wired(verification_token_delete::VerificationTokenDelete { api: it.api() }),
        wired(api1_profile_verify::Api1ProfileVerify { api: it.api() }),
    ]
}

fn profile_family<S: Administration>(it: &Wiring<'_, S>) -> Vec<(&'static str, Handler)> {
    vec![
        wired(it.profile()),
        wired(profile_create::ProfileCreate { api: it.api(), default_tenant: it.default_tenant() }),
        wired(profile_get::ProfileGet { verifier: it.verifier() }),
        wired(profile_update::ProfileUpdate { verifier: it.verifier() }),
        wired(application_get::ApplicationGet { api: it.api() }),
    ]
}

fn standards_family<S: Administration>(it: &Wiring<'_, S>) -> Vec<(&'static str, Handler)> {
    vec![
        wired(oauth2_introspect::Oauth2Introspect { verifier: it.verifier() }),
        wired(oauth2_revoke::Oauth2Revoke { verifier: it.verifier() }),
        wired(jwks::Jwks { keyring: it.keyring(), clock: it.clock() }),
        wired(openid_configuration::OpenidConfiguration {
            keyring: it.keyring(),
            party: it.party(),
            clock: it.clock(),
        }),
        wired(health::Health { store: it.store(), keyring: it.keyring(), clock: it.clock() }),
    ]
}

/// What checks users' credentials in a stack.
#[must_use]
pub fn verifier(stack: &Stack) -> Verifier<MemoryStore> {
    Verifier {
        store: stack.store.clone(),
        keyring: Arc::clone(&stack.keyring),
        party: stack.config.party.clone(),
        clock: Arc::new(stack.clock.clone()),
    }
}

/// A cold environment of the same stack: its own caches over the same store and keys.
impl World {
    /// Starts every endpoint anew, as a new Lambda environment would.
    pub fn restart(&mut self) {
        self.stack.keyring = Arc::new(Keyring::new(self.stack.keys.clone(), Arc::new(self.stack.clock.clone())));
        let clock = Arc::new(self.stack.clock.clone());
        self.endpoints = endpoints(&self.stack, self.pepper.as_ref(), self.stack.store.clone(), clock);
    }

    /// Puts every endpoint over another store and another clock: for races.
    pub fn rewire<S: Administration>(&mut self, store: S, clock: Arc<dyn Clock>) {
        self.endpoints = endpoints(&self.stack, self.pepper.as_ref(), store, clock);
    }

    /// Starts every endpoint anew with a pepper, whose secret holds `text`, or without one.
    pub fn season(&mut self, pepper: Option<(Usage, &str)>) -> StubKeySource {
        let secret = StubKeySource::new(Algorithm::EdDsa);
        self.pepper = pepper.map(|(usage, text)| {
            secret.answer(text);
            (usage, secret.clone())
        });
        self.restart();
        secret
    }
}
