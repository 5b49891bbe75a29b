//! The running stack, and a client that checks what every answer owes.

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
use serde_json::Value;
use shared::access_token::{AccessToken, Action, TenantPermission};
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::config::Config;
use shared::random::SystemRandom;
use shared::secret::Password;
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Creation, Lookup, NewUser, Store as _, Write};
use shared::tenant::{Tenant, TenantName};
use shared::user::{Email, User, UserId, UserName};

use crate::dynamodb_local::DynamoDbLocal;

/// The API with its cloud and demo data.
pub struct Stack {
    server: Server,
    cloud: Cloud,
    pub demo: Demo,
    pub store: DynamoStore,
    /// Where the tables are.
    dynamodb: String,
    config: Config,
    agent: ureq::Agent,
    runtime: tokio::runtime::Runtime,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub text: String,
}

impl Answer {
    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// A text member of the body.
    pub fn member(&self, name: &str) -> String {
        let json = self.json();
        json[name].as_str().unwrap_or_else(|| panic!("no text {name}: {json}")).to_owned()
    }

    /// Checks status and, in the ticket family, the code.
    pub fn is(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        if !code.is_empty() {
            assert_eq!(self.json()["errorCode"], code, "{}", self.text);
        }
    }
}

impl Stack {
    /// Starts on the data in `folder`, new or old.
    pub fn start(tools: &Tools, folder: &Path) -> Self {
        Self::start_on(tools, folder, None)
    }

    /// Starts with its tables in DynamoDB Local, new and empty: there the demo's user and access token don't exist.
    pub fn start_beside(tools: &Tools, folder: &Path, engine: &DynamoDbLocal) -> Self {
        Self::start_on(tools, folder, Some(engine.url()))
    }

    fn start_on(tools: &Tools, folder: &Path, dynamodb: Option<&str>) -> Self {
        let parameters = BTreeMap::from([
            ("Issuer".to_owned(), "http://127.0.0.1:9000".to_owned()),
            ("DefaultTenant".to_owned(), demo::TENANT.to_owned()),
        ]);
        let template = Template::read(&local::template_path(), &parameters).unwrap();
        let cloud = Cloud::start(&template, Some(Folder::take(folder).unwrap())).unwrap();
        functions::build(&template.functions().unwrap(), Profile::Dev, Progress::silent()).unwrap();
        // Before any function starts: one that finds no signing key does not ask again for two seconds.
        let demo = demo::prepare(&cloud, "http://127.0.0.1:9000").unwrap();
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
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Self { server, cloud, demo, store, dynamodb, config, agent, runtime }
    }

    pub fn stop(self) {
        self.server.stop();
        self.cloud.stop();
    }

    /// Sends a request and checks what every answer owes: a type, no storing, an id.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.server.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = self.agent.run(request.body(body.to_owned()).unwrap()).expect("an answer");
        let text = |value: &ureq::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers: BTreeMap<String, String> =
            response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let answer =
            Answer { status: response.status().as_u16(), headers, text: response.body_mut().read_to_string().unwrap() };
        for header in ["content-type", "cache-control", "x-request-id"] {
            assert!(answer.headers.contains_key(header), "{method} {path} lacks {header}: {:?}", answer.headers);
        }
        answer
    }

    /// The audience of this stack's tokens.
    pub fn audience(&self) -> &str {
        &self.config.party.audience
    }

    /// The status of an answer that is the gateway's own, and owes nothing of ours.
    pub fn raw_status(&self, method: &str, path: &str) -> u16 {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.server.url()));
        self.agent.run(request.body(String::new()).unwrap()).expect("an answer").status().as_u16()
    }

    /// The text of a page that is no answer of the API.
    pub fn page(&self, path: &str) -> String {
        let mut response = self.agent.get(format!("{}{path}", self.server.url())).call().expect("an answer");
        assert_eq!(response.status().as_u16(), 200, "{path}");
        response.body_mut().read_to_string().unwrap()
    }

    /// A GET with one credential.
    pub fn get(&self, path: &str, credential: (&str, &str)) -> Answer {
        self.send("GET", path, &[credential], "")
    }

    /// A POST of JSON with one credential.
    pub fn post(&self, path: &str, credential: (&str, &str), body: &str) -> Answer {
        self.send("POST", path, &[credential, ("content-type", "application/json")], body)
    }

    /// A POST of a form.
    pub fn form(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.send("POST", path, &[("content-type", "application/x-www-form-urlencoded")], &form(parameters))
    }

    /// A login; whatever it answers.
    pub fn login(&self, username: &str, password: &str) -> Answer {
        let body = serde_json::json!({ "username": username, "password": password });
        self.send("POST", "/user/login", &[("content-type", "application/json")], &body.to_string())
    }

    /// A JWT of the demo user.
    pub fn jwt(&self) -> String {
        self.login(&self.demo.username, &self.demo.password).member("Token")
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
    pub fn access_token(&self, grants: &[(Option<&str>, Option<&[Action]>)], expires: Option<Timestamp>) -> String {
        self.stored_access_token(grants, expires, false)
    }

    /// A new access token that may do everything, the managing of access tokens included.
    pub fn master(&self) -> String {
        self.stored_access_token(&[(None, None)], None, true)
    }

    fn stored_access_token(
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

/// `application/x-www-form-urlencoded`.
pub fn form(parameters: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        text.bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect::<String>()
    };
    parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
}
