//! A stack on this machine: the functions behind `cargo lambda watch`, the embedded cloud behind them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use local::cloud::{Cloud, Folder};
use local::demo::{self, Demo};
use local::functions::{self, Profile};
use local::progress::Progress;
use local::template::Template;
use local::tools::Tools;
use local::watch::{Mode, Options, Output, Server};
use shared::access_token::{AccessToken, Action, TenantPermission};
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::config::Config;
use shared::random::SystemRandom;
use shared::secret::Password;
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Creation, Lookup, NewUser, Store as _, Write};
use shared::tenant::{Tenant, TenantName};
use shared::user::{Email, User, UserId, UserName};

/// The issuer of its JWTs.
pub const ISSUER: &str = "http://127.0.0.1:9000";

/// The functions and what they work on.
pub struct Here {
    server: Server,
    cloud: Cloud,
    store: DynamoStore,
    /// Where the tables are.
    dynamodb: String,
    config: Config,
    runtime: tokio::runtime::Runtime,
}

impl Here {
    /// Starts on the data in `folder`, new or old, or with its tables at `dynamodb`.
    pub fn start(tools: &Tools, folder: &Path, dynamodb: Option<&str>) -> (Self, Demo) {
        let parameters = BTreeMap::from([
            ("Issuer".to_owned(), ISSUER.to_owned()),
            ("DefaultTenant".to_owned(), demo::TENANT.to_owned()),
        ]);
        let template = Template::read(&local::template_path(), &parameters).unwrap();
        let cloud = Cloud::start(&template, Some(Folder::take(folder).unwrap())).unwrap();
        functions::build(&template.functions().unwrap(), Profile::Dev, Progress::silent()).unwrap();
        // Before any function starts: one that finds no signing key does not ask again for two seconds.
        let demo = demo::prepare(&cloud, ISSUER).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut options = Options {
            mode: Mode::Prebuilt(Profile::Dev),
            output: Output::File(folder.join("log")),
            // As `cargo local` has it: so every row goes by way of it.
            docs: true,
            ..Options::default()
        };
        if let Some(url) = dynamodb {
            options.environment.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), url.to_owned());
            let (client, tables) = (local::dynamodb::client(url), template.tables().unwrap());
            runtime.block_on(async move { local::dynamodb::create_tables(&client, &tables).await.unwrap() });
        }
        let mut server = Server::start(tools, &cloud, &options).unwrap();
        server.wait_until_healthy(Duration::from_secs(120)).unwrap();
        let config = Config::read(|name| cloud.environment().get(name).cloned()).unwrap();
        let dynamodb = dynamodb.map_or_else(|| cloud.dynamodb_url(), ToOwned::to_owned);
        let client = local::dynamodb::client(&dynamodb);
        let store = DynamoStore::new(client, config.tables.clone(), Arc::new(SystemRandom));
        (Self { server, cloud, store, dynamodb, config, runtime }, demo)
    }

    pub fn stop(self) {
        self.server.stop();
        self.cloud.stop();
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn audience(&self) -> &str {
        &self.config.party.audience
    }

    /// A new user of a tenant, with a password that is returned.
    pub fn user(&self, tenant: &str, name: &str) -> (User, String) {
        let now = SystemClock.now();
        let tenant = TenantName::parse(tenant).unwrap();
        let user = User {
            id: UserId::generate(&SystemRandom),
            tenant: tenant.clone(),
            name: UserName::parse(name).unwrap(),
            email: Email::parse(&format!("{name}@{tenant}.example")),
            created: now,
            modified: now,
            ..shared::testing::user("x")
        };
        let secret = "correct horse battery staple";
        let phc = self.config.hasher().unwrap().hash(&Password::from_input(secret).unwrap(), &SystemRandom).unwrap();
        let account = NewUser::new(user.clone(), Some(phc));
        let store = self.store.clone();
        let made = self.runtime.block_on(async move {
            let _ = store.create_tenant(&Tenant::new(tenant, now)).await.unwrap();
            store.create_user(account).await.unwrap()
        });
        assert_eq!(made, Creation::Done);
        (user, secret.to_owned())
    }

    /// What was put on the event bus.
    pub fn events(&self) -> Vec<local::events::Event> {
        self.cloud.events()
    }

    /// Disables or enables a user, as an operator does.
    pub fn set_enabled(&self, user: &UserId, enabled: bool) {
        let (store, wanted) = (self.store.clone(), Lookup { users: vec![user.clone()], ..Lookup::default() });
        let done = self.runtime.block_on(async move {
            let user = store.lookup(wanted).await.unwrap().users.pop().unwrap();
            store.set_enabled(&user, enabled, SystemClock.now()).await.unwrap()
        });
        assert_eq!(done, Write::Done);
    }

    /// A new access token; `None` stands for `*`.
    pub fn access_token(
        &self,
        grants: &[(Option<&str>, Option<&[Action]>)],
        expires: Option<Timestamp>,
        master: bool,
    ) -> String {
        let token = AccessToken::generate(&SystemRandom);
        let stored = AccessToken {
            digest: token.digest(),
            application: "an-application".to_owned(),
            master,
            permissions: grants
                .iter()
                .map(|(tenant, actions)| TenantPermission {
                    tenant: tenant.map(|name| TenantName::parse(name).unwrap()),
                    actions: actions.map(<[Action]>::to_vec),
                })
                .collect(),
            expires,
            created: SystemClock.now(),
        };
        let store = self.store.clone();
        let made = self.runtime.block_on(async move { store.create_access_token(&stored).await.unwrap() });
        assert_eq!(made, Write::Done);
        token.expose_secret().to_owned()
    }

    /// Lets the last refresh of a user's persistent logins lie half a minute further back.
    pub fn age_persistent_logins(&self, user: &str) {
        use aws_sdk_dynamodb::types::AttributeValue;
        let client = local::dynamodb::client(&self.dynamodb);
        let table = self.config.tables.tickets.clone();
        let user = AttributeValue::S(user.to_owned());
        self.runtime.block_on(async move {
            let found =
                client.query().table_name(&table).key_condition_expression("pk = :user AND begins_with(sk, :kind)");
            let found = found.expression_attribute_values(":user", user.clone());
            let found = found.expression_attribute_values(":kind", AttributeValue::S("P#".to_owned()));
            let found = found.filter_expression("attribute_exists(refreshed)").send().await.unwrap();
            assert!(!found.items().is_empty(), "a persistent login that was refreshed");
            for item in found.items() {
                let update =
                    client.update_item().table_name(&table).key("pk", user.clone()).key("sk", item["sk"].clone());
                let update = update.update_expression("SET refreshed = refreshed - :half_a_minute");
                let ago = AttributeValue::N("30000".to_owned());
                update.expression_attribute_values(":half_a_minute", ago).send().await.unwrap();
            }
        });
    }

    /// Lets a user's password be over, which no endpoint can do yet.
    pub fn expire_password(&self, user: &User) {
        use aws_sdk_dynamodb::types::AttributeValue;
        let client = local::dynamodb::client(&self.dynamodb);
        let table = self.config.tables.credentials.clone();
        let key = format!("NAME#{}#{}", user.tenant, user.name.canonical());
        self.runtime.block_on(async move {
            let update = client.update_item().table_name(table).key("pk", AttributeValue::S(key));
            let update = update.update_expression("SET expires = :past").condition_expression("attribute_exists(pk)");
            update.expression_attribute_values(":past", AttributeValue::N("1".to_owned())).send().await.unwrap();
        });
    }
}
