//! Who takes part: a cloud in memory, tenants, their applications, and their users.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bench::Error;
use local::{Cloud, demo, dynamodb};
use shared::access_token::{AccessToken, TenantPermission};
use shared::clock::{Clock as _, SystemClock};
use shared::config::Config;
use shared::random::{Random, SystemRandom};
use shared::secret::Password;
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Creation, NewUser, Write};
use shared::tenant::{Tenant, TenantName};
use shared::user::{User, UserId, UserName};

/// How many tenants the users are spread over.
pub const TENANTS: usize = 8;

/// A tenant and its application.
pub struct Domain {
    /// The tenant's name.
    pub tenant: String,
    /// The access token of an application that may do everything in it and nothing elsewhere.
    pub access_token: String,
}

/// A user, whose name is the id too.
#[derive(Clone, Debug)]
pub struct Person {
    /// Which of the domains.
    pub domain: usize,
    /// Id and user name.
    pub id: String,
    /// The password.
    pub password: String,
}

/// The stack.
pub struct Stage {
    /// Everything that the functions need of AWS.
    pub cloud: Cloud,
    /// The tenants.
    pub domains: Vec<Domain>,
    /// The users.
    pub people: Vec<Person>,
    /// How long a login's JWT is good.
    pub jwt_life: Duration,
    /// How long a ticket is good that nobody uses.
    pub idle_life: Duration,
}

impl Stage {
    /// Starts the cloud, with `parameters` before the template's defaults, and makes so many users.
    pub async fn prepare(people: usize, parameters: &[(String, String)]) -> Result<Self, Error> {
        let ours = [("Issuer", "https://auth.example.com"), ("DefaultTenant", demo::TENANT)];
        let ours = ours.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let cloud = Cloud::in_memory(&ours.chain(parameters.iter().cloned()).collect())?;
        demo::prepare(&cloud, "https://auth.example.com")?;
        let environment = cloud.environment().clone();
        let config = Config::read(|name| environment.get(name).cloned())?;
        let client = dynamodb::client(&cloud.dynamodb_url());
        let store = DynamoStore::new(client, config.tables.clone(), Arc::new(SystemRandom));
        let mut domains = Vec::new();
        for number in 0..TENANTS {
            domains.push(domain(&store, &format!("tenant-{number}")).await?);
        }
        let hasher = Arc::new(config.hasher()?);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let mut made = Vec::new();
        for number in 0..people {
            let person = Person {
                domain: number % TENANTS,
                id: UserId::generate(&*random).as_str().to_owned(),
                password: format!("{:032x}", u128::from_be_bytes(random.bytes())),
            };
            let password = Password::from_input(&person.password).ok_or(Error::Event("a password"))?;
            let hash = shared::password::hash(&hasher, password, &random).await?;
            let tenant = domains.get(person.domain).map(|domain| domain.tenant.as_str()).unwrap_or_default();
            match store.create_user(NewUser::new(user(&person.id, tenant)?, Some(hash))).await? {
                Creation::Done => made.push(person),
                _ => return Err(Error::Event("a fresh user existed already")),
            }
        }
        let lifetimes = config.lifetimes;
        let idle_life = lifetimes.ticket.idle.unwrap_or(lifetimes.ticket.absolute);
        Ok(Self { cloud, domains, people: made, jwt_life: lifetimes.login_jwt, idle_life })
    }
}

async fn domain(store: &DynamoStore, name: &str) -> Result<Domain, Error> {
    let now = SystemClock.now();
    let tenant = TenantName::parse(name).ok_or(Error::Event("a tenant's name"))?;
    let text = AccessToken::generate(&SystemRandom);
    let token = AccessToken {
        digest: text.digest(),
        application: format!("application-of-{name}"),
        master: false,
        permissions: vec![TenantPermission { tenant: Some(tenant.clone()), actions: None }],
        expires: None,
        created: now,
    };
    let written = [store.create_tenant(&Tenant::new(tenant, now)).await?, store.create_access_token(&token).await?];
    if written != [Write::Done; 2] {
        return Err(Error::Event("a fresh tenant existed already"));
    }
    Ok(Domain { tenant: name.to_owned(), access_token: text.expose_secret().to_owned() })
}

fn user(id: &str, tenant: &str) -> Result<User, Error> {
    let now = SystemClock.now();
    Ok(User {
        id: UserId::parse(id).ok_or(Error::Event("an id"))?,
        tenant: TenantName::parse(tenant).ok_or(Error::Event("a tenant's name"))?,
        name: UserName::parse(id).ok_or(Error::Event("an id is no user name"))?,
        email: None,
        email_verified: false,
        first_name: None,
        last_name: None,
        display_name: None,
        application: None,
        enabled: true,
        roles: vec!["reader".to_owned()],
        attributes: BTreeMap::new(),
        created: now,
        modified: now,
        session_epoch: User::first_epoch(now),
        key_epoch: User::first_epoch(now),
    })
}
