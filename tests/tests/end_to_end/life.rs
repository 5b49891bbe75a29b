//! What the lives of clients have in common: an application that calls as existing clients do.

use serde_json::{Value, json};

use crate::api::{Answer, Stack, form};

/// A password that breaks no rule.
pub const PASSWORD: &str = "four grey geese over the harbour";
/// Another one.
pub const NEW_PASSWORD: &str = "nine brass bells under the bridge";

/// An application with its access token.
pub struct Application<'a> {
    stack: &'a Stack,
    pub token: String,
}

impl<'a> Application<'a> {
    /// The first one of a stack, which makes the others.
    pub fn master(stack: &'a Stack) -> Self {
        Self { stack, token: stack.master() }
    }

    /// One that a master makes, for a tenant which it may do everything in, and which need not exist; `*` is every one.
    pub fn made_by(master: &Self, name: &str, tenant: &str) -> Self {
        let tenant = if tenant == "*" { tenant.to_owned() } else { master.tenant(tenant) };
        let permissions = json!([{ "tenant": tenant, "allowedActions": ["*"] }]);
        let wanted = json!({
            "application": name, "master": false, "tenantPermissions": permissions, "expiresOn": null,
        });
        let made = master.json("access_token/create", &wanted);
        made.is(200, "");
        master.stack.made_access_token(&made.member("id"));
        assert_eq!((&made.json()["application"], &made.json()["tenantPermissions"]), (&json!(name), &permissions));
        Self { stack: master.stack, token: made.member("id") }
    }

    /// What a test's name for a tenant is on the stack.
    pub fn tenant(&self, name: &str) -> String {
        self.stack.tenant(name)
    }

    /// A GET below `/api/1/`, parameters in the query.
    pub fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        let all = self.with_token(parameters);
        self.stack.send("GET", &format!("/api/1/{path}?{}", form(&all)), &[], "")
    }

    /// A POST below `/api/1/`, parameters in a form.
    pub fn post(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.stack.form(&format!("/api/1/{path}"), &self.with_token(parameters))
    }

    /// A POST of JSON below `/api/1/`.
    pub fn json(&self, path: &str, body: &Value) -> Answer {
        let path = format!("/api/1/{path}?{}", form(&self.with_token(&[])));
        self.stack.send("POST", &path, &[("content-type", "application/json")], &body.to_string())
    }

    /// A POST that answers nothing but that it was done.
    pub fn done(&self, path: &str) {
        let answer = self.post(path, &[]);
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{path}");
    }

    /// A user name and a password for a ticket.
    pub fn authenticate(&self, tenant: &str, username: &str, password: &str) -> Answer {
        let tenant = self.tenant(tenant);
        let parameters = [("tenantName", tenant.as_str()), ("username", username), ("password", password)];
        self.post("authentication/authenticate", &parameters)
    }

    fn with_token<'p>(&'p self, parameters: &[(&'p str, &'p str)]) -> Vec<(&'p str, &'p str)> {
        [("accessTokenId", self.token.as_str())].into_iter().chain(parameters.iter().copied()).collect()
    }
}

/// A new tenant.
pub fn tenant(application: &Application, name: &str) {
    let name = application.tenant(name);
    let wanted = json!({
        "name": name, "verifyNewProfiles": false, "availableRoles": ["reader", "captain"], "ssoEnabled": false,
        "attributeDefinitions": [],
    });
    let made = application.json("tenant/create", &wanted);
    made.is(200, "");
    assert_eq!(made.json()["name"], name);
    application.json("tenant/create", &wanted).is(409, "TENANT_EXISTS");
}

/// A new profile with [`PASSWORD`], an address and two roles; its id.
pub fn profile(application: &Application, tenant: &str, username: &str) -> String {
    let tenant = application.tenant(tenant);
    let email = format!("{username}@{tenant}.example");
    let wanted = [
        ("tenantName", tenant.as_str()),
        ("username", username),
        ("password", PASSWORD),
        ("email", &email),
        ("enabled", "true"),
        ("role", "reader"),
        ("role", "captain"),
        ("attributes", r#"{"firstName":"Ada","level":3,"ports":["Nantes","Riga"]}"#),
    ];
    let made = application.post("profile/create", &wanted);
    made.is(200, "");
    let body = made.json();
    assert_eq!(body["username"], username);
    assert_eq!((&body["tenant"], &body["email"], &body["enabled"]), (&json!(tenant), &json!(email), &json!(true)));
    assert_eq!(body["roles"], json!(["reader", "captain"]));
    assert_eq!(body["attributes"], json!({ "firstName": "Ada", "level": 3, "ports": ["Nantes", "Riga"] }));
    assert!(body["createdOn"].as_i64().unwrap() > 1_700_000_000_000, "epoch milliseconds");
    assert!(!made.text.contains("password") && !made.text.contains(PASSWORD), "{}", made.text);
    application.post("profile/create", &wanted).is(409, "PROFILE_EXISTS");
    made.member("id")
}

/// The status that `/test/secure` answers.
pub fn secure(stack: &Stack, credential: (&str, &str)) -> u16 {
    stack.get("/test/secure", credential).status
}
