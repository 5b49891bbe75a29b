//! The running stack that `tests/schemathesis/run` sends requests to: tells where it is and with which credentials on
//! one line of JSON, and ends with its standard input.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use local::cloud::Cloud;
use local::demo::{self, Demo};
use local::functions::{self, Profile};
use local::progress::Progress;
use local::template::Template;
use local::tools::Tools;
use local::watch::{Mode, Options, Output, Server};
use local::{dynamodb, template_path};
use serde_json::json;
use shared::access_token::{AccessToken, TenantPermission};
use shared::clock::{Clock as _, SystemClock};
use shared::config::Config;
use shared::random::SystemRandom;
use shared::secret::Password;
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Creation, NewUser, Write};
use shared::tenant::TenantName;
use shared::user::{Email, User, UserId, UserName};

/// What the document's examples call the calling application.
const APPLICATION: &str = "shop";
/// A password of the users made here, which the document doesn't name.
const PASSWORD: &str = "seven lamps above a quiet harbour";

fn main() {
    let port = told(TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr())).port();
    let url = format!("http://127.0.0.1:{port}");
    let parameters =
        BTreeMap::from([("Issuer".to_owned(), url.clone()), ("DefaultTenant".to_owned(), demo::TENANT.to_owned())]);
    let template = told(Template::read(&template_path(), &parameters));
    let tools = told(Tools::install(Progress::silent()));
    told(functions::build(&told(template.functions()), Profile::Dev, Progress::silent()));
    let log = std::env::args().nth(1).map_or(Output::Inherit, |path| Output::File(path.into()));
    let cloud = told(Cloud::start(&template, None));
    let demo = told(demo::prepare(&cloud, &url));
    let options = Options { port, mode: Mode::Prebuilt(Profile::Dev), output: log, ..Options::default() };
    let mut server = told(Server::start(&tools, &cloud, &options));
    told(server.wait_until_healthy(Duration::from_secs(120)));
    println!("{}", settle(&cloud, &demo));
    let _ = io::stdin().read(&mut [0]);
    server.stop();
    cloud.stop();
}

/// Makes what requests are sent with: nothing of it is in the document's examples, so they can't end it.
fn settle(cloud: &Cloud, demo: &Demo) -> serde_json::Value {
    let config = told(Config::read(|name| cloud.environment().get(name).cloned()));
    let client = dynamodb::client(&cloud.dynamodb_url());
    let store = DynamoStore::new(client, config.tables.clone(), Arc::new(SystemRandom));
    let hasher = told(config.hasher());
    let hash = || told(hasher.hash(&Password::from_input(PASSWORD).expect("a password"), &SystemRandom));
    let (now, token) = (SystemClock.now(), AccessToken::generate(&SystemRandom));
    let application = AccessToken {
        digest: token.digest(),
        application: APPLICATION.to_owned(),
        master: true,
        // The demo tenant comes first, so that it is the one where a profile without a tenant is made.
        permissions: [TenantName::parse(&demo.tenant), None]
            .map(|tenant| TenantPermission { tenant, actions: None })
            .to_vec(),
        expires: None,
        created: now,
    };
    let user = |name: &str, roles: &[&str]| User {
        id: UserId::generate(&SystemRandom),
        tenant: TenantName::parse(&demo.tenant).expect("a tenant"),
        name: UserName::parse(name).expect("a name"),
        email: Email::parse(&format!("{name}@example.com")),
        roles: roles.iter().map(ToString::to_string).collect(),
        created: now,
        modified: now,
        ..shared::testing::user("x")
    };
    let users = [user("crew", &["reader"]), user("castaway", &[]), user("drifter", &[])];
    let ids = users.each_ref().map(|user| user.id.to_string());
    let runtime = told(tokio::runtime::Builder::new_current_thread().enable_all().build());
    runtime.block_on(async {
        assert_eq!(told(store.create_access_token(&application).await), Write::Done);
        for user in users {
            assert_eq!(told(store.create_user(NewUser::new(user, Some(hash()))).await), Creation::Done);
        }
    });
    json!({
        "url": demo.base_url,
        "demo": demo,
        "application": APPLICATION,
        "token": token.expose_secret(),
        "password": PASSWORD,
        "spare": "spare",
        "crew": { "name": "crew", "id": ids[0] },
        "castaway": { "name": "castaway", "id": ids[1] },
        "drifter": { "name": "drifter", "id": ids[2] },
    })
}

/// What can fail for reasons of the machine says so in words.
fn told<T, E: Error>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{}", local::chain(&error)))
}
