//! A stack that answers requests, on this machine or deployed, and a client that checks what every answer owes.

use std::collections::BTreeMap;
use std::path::Path;

use local::demo::Demo;
use local::tools::Tools;
use serde_json::Value;
use shared::access_token::Action;
use shared::clock::Timestamp;
use shared::user::{User, UserId};

use crate::deployed::Deployed;
use crate::dynamodb_local::DynamoDbLocal;
use crate::here::Here;

/// The API with its demo data.
pub struct Stack {
    behind: Behind,
    /// Where it answers, without a slash at the end.
    url: String,
    /// The `iss` and `aud` of its JWTs.
    party: Party,
    pub demo: Demo,
    agent: ureq::Agent,
}

/// What stands behind the API, and how a test gets at it.
enum Behind {
    Here(Box<Here>),
    Deployed(Deployed),
}

/// Who issues a stack's JWTs, and for whom.
pub struct Party {
    pub issuer: String,
    pub audience: String,
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
    /// Starts one here on the data in `folder`, new or old.
    pub fn start(tools: &Tools, folder: &Path) -> Self {
        Self::here(Here::start(tools, folder, None))
    }

    /// Starts one here with its tables in DynamoDB Local, new and empty: there the demo's user and access token don't exist.
    pub fn start_beside(tools: &Tools, folder: &Path, engine: &DynamoDbLocal) -> Self {
        Self::here(Here::start(tools, folder, Some(engine.url())))
    }

    fn here((here, demo): (Here, Demo)) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let party = Party { issuer: crate::here::ISSUER.to_owned(), audience: here.audience().to_owned() };
        Self { url: here.url(), behind: Behind::Here(Box::new(here)), party, demo, agent }
    }

    /// The stack that the environment names, with a tenant, users and an access token of its own for this run.
    pub fn deployed(deployed: Deployed) -> Self {
        let demo = deployed.demo();
        let (url, party, agent) = (deployed.url().to_owned(), deployed.party(), Deployed::agent());
        Self { behind: Behind::Deployed(deployed), url, party, demo, agent }
    }

    /// Ends it, or takes away what this run made on it.
    pub fn stop(self) {
        match self.behind {
            Behind::Here(here) => here.stop(),
            Behind::Deployed(deployed) => deployed.stop(),
        }
    }

    /// Sends a request and checks what every answer owes: a type, no storing, an id.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
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
        &self.party.audience
    }

    /// The issuer of this stack's tokens.
    pub fn issuer(&self) -> &str {
        &self.party.issuer
    }

    /// The status of an answer that is the gateway's own, and owes nothing of ours.
    pub fn raw_status(&self, method: &str, path: &str) -> u16 {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        self.agent.run(request.body(String::new()).unwrap()).expect("an answer").status().as_u16()
    }

    /// The text of a page that is no answer of the API.
    pub fn page(&self, path: &str) -> String {
        let mut response = self.agent.get(format!("{}{path}", self.url)).call().expect("an answer");
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

    /// A login; whatever it answers. A name without a tenant is one of the demo's tenant.
    pub fn login(&self, username: &str, password: &str) -> Answer {
        let body = serde_json::json!({ "username": self.login_name(username), "password": password });
        self.send("POST", "/user/login", &[("content-type", "application/json")], &body.to_string())
    }

    /// A JWT of the demo user.
    pub fn jwt(&self) -> String {
        self.login(&self.demo.username, &self.demo.password).member("Token")
    }

    /// What a test's name for a tenant is on this stack: a deployed one has tenants of its own, perhaps of the same name.
    pub fn tenant(&self, name: &str) -> String {
        match &self.behind {
            Behind::Here(_) => name.to_owned(),
            Behind::Deployed(deployed) => deployed.tenant(name),
        }
    }

    /// What a test's name for a user, `name` or `tenant/name`, is on this stack: there the demo's tenant need not be the
    /// default tenant.
    pub fn login_name(&self, name: &str) -> String {
        match (&self.behind, name.split_once('/')) {
            (Behind::Here(_), _) => name.to_owned(),
            (Behind::Deployed(_), Some((tenant, name))) => format!("{}/{name}", self.tenant(tenant)),
            (Behind::Deployed(_), None) => format!("{}/{name}", self.demo.tenant),
        }
    }

    /// A new user of a tenant, with a password that is returned.
    pub fn user(&self, tenant: &str, name: &str) -> (User, String) {
        match &self.behind {
            Behind::Here(here) => here.user(tenant, name),
            Behind::Deployed(deployed) => deployed.user(&deployed.tenant(tenant), name, &[]),
        }
    }

    /// What was put on the event bus; `None` where nobody listens to it.
    pub fn events(&self) -> Option<Vec<local::events::Event>> {
        match &self.behind {
            Behind::Here(here) => Some(here.events()),
            Behind::Deployed(_) => None,
        }
    }

    /// Disables or enables a user, as an operator does.
    pub fn set_enabled(&self, user: &UserId, enabled: bool) {
        match &self.behind {
            Behind::Here(here) => here.set_enabled(user, enabled),
            Behind::Deployed(deployed) => deployed.set_enabled(user, enabled),
        }
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
        match &self.behind {
            Behind::Here(here) => here.access_token(grants, expires, master),
            Behind::Deployed(deployed) => deployed.access_token(grants, expires, master),
        }
    }

    /// Has an access token taken away at the end that the API itself made.
    pub fn made_access_token(&self, token: &str) {
        if let Behind::Deployed(deployed) = &self.behind {
            deployed.made_access_token(token);
        }
    }

    /// Lets the last refresh of a user's persistent logins lie half a minute further back.
    pub fn age_persistent_logins(&self, user: &str) {
        match &self.behind {
            Behind::Here(here) => here.age_persistent_logins(user),
            Behind::Deployed(_) => Deployed::wait_for_persistent_logins(),
        }
    }

    /// Lets a user's password be over.
    pub fn expire_password(&self, user: &User) {
        match &self.behind {
            Behind::Here(here) => here.expire_password(user),
            Behind::Deployed(deployed) => deployed.expire_password(user),
        }
    }

    /// Whether a part of a row can't be tried here; says so where it can't.
    pub fn lacks(&self, what: &str) -> bool {
        let lacks = matches!(self.behind, Behind::Deployed(_));
        if lacks {
            println!("  not tried: {what}");
        }
        lacks
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
