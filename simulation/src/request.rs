//! The requests that acts make.

use serde_json::json;
use shared::clock::Timestamp;
use tests::call::Call;

use crate::act::{Act, Keys, Way};
use crate::environment::{GAMMA, Invocation, TENANTS};
use crate::model::{Kind, Model};

/// What a request is made of.
struct Requests<'a> {
    model: &'a Model,
    keys: &'a Keys,
    now: i64,
}

impl Model {
    /// The request that an act makes.
    pub fn invocation(&self, act: &Act, keys: &Keys, now: i64) -> Invocation {
        let it = Requests { model: self, keys, now };
        let call = match act {
            Act::Rotate { token, step } => return Invocation::Rotate { step, token: token.clone() },
            Act::Use { credential, way: Way::Authorizer, .. } => {
                let (header, value) = it.shown(*credential);
                return Invocation::Authorize { header, value };
            }
            Act::Use { credential, way, tenant } => Some(it.of_a_use(*credential, *way, *tenant)),
            _ => it.of_a_person(act).or_else(|| it.of_an_application(act)).or_else(|| it.of_the_operator(act)),
        };
        Invocation::Http(Box::new(call.unwrap_or_else(|| panic!("no request is made of {act:?}"))))
    }
}

impl Requests<'_> {
    fn text(&self, credential: usize) -> &str {
        &self.model.credentials[credential].text
    }

    fn id(&self, person: usize) -> &str {
        &self.model.people[person].id
    }

    /// The name as the user family writes it.
    fn login(&self, person: usize) -> String {
        let person = &self.model.people[person];
        format!("{}/{}", TENANTS[person.tenant], person.name)
    }

    fn bearer(&self, name: &str, jwt: usize) -> Call {
        Call::to(name).bearer(self.text(jwt))
    }

    fn by(&self, name: &str, tenant: usize) -> Call {
        Call::to(name).header("x-access-token-id", &self.keys.tenants[tenant])
    }

    fn by_key(&self, name: &str, tenant: usize) -> Call {
        Call::to(name).header("x-api-key", &self.keys.tenants[tenant])
    }

    fn by_master(&self, name: &str) -> Call {
        Call::to(name).header("x-access-token-id", &self.keys.everywhere)
    }

    /// Where a JWT or an auth header is shown.
    fn shown(&self, credential: usize) -> (&'static str, String) {
        let it = &self.model.credentials[credential];
        if it.kind == Kind::Header {
            ("x-authorization", it.text.clone())
        } else {
            ("authorization", format!("Bearer {}", it.text))
        }
    }

    fn of_a_use(&self, credential: usize, way: Way, tenant: usize) -> Call {
        let it = &self.model.credentials[credential];
        match (way, it.kind) {
            (Way::Introspection, _) => self.by_key("oauth2-introspect", tenant).form(&[("token", &it.text)]),
            (_, Kind::Ticket) => self.by("ticket-get", tenant).id(&it.text),
            (_, Kind::Series) => {
                let shown = it.tokens.last().map(|it| it.text.as_str()).unwrap_or_default();
                self.by("persistent-login-get", tenant).id(&it.text).parameters(&[("token", shown)])
            }
            (_, Kind::Application) => Call::to("application-get").header("x-api-key", &it.text),
            _ => {
                let (header, value) = self.shown(credential);
                Call::to("test-secure").header(header, &value)
            }
        }
    }

    fn of_a_person(&self, act: &Act) -> Option<Call> {
        Some(match act {
            Act::Login { person, password, address } => {
                let wrong = || format!("a wrong guess {}", self.now);
                let password = password.map_or_else(wrong, |it| self.text(it).to_owned());
                let body = json!({ "username": self.login(*person), "password": password });
                Call::to("user-login").json(&body).from_address(address)
            }
            Act::Renew { jwt, query: None } => self.bearer("user-renew", *jwt),
            Act::Renew { jwt, query: Some(query) } => self.bearer("user-token", *jwt).query(query),
            Act::Logout { jwt } => self.bearer("user-logout", *jwt),
            Act::EndSessions { jwt, but_this } => {
                let body = json!({ "all": true, "except_current": but_this });
                self.bearer("user-sessions-revoke", *jwt).json(&body)
            }
            Act::EndSession { jwt, other } => {
                let body = json!({ "id": self.model.credentials[*other].session_id });
                self.bearer("user-sessions-revoke", *jwt).json(&body)
            }
            Act::ChangePassword { person, password, new, headers } => Call::to("user-password").json(&json!({
                "username": self.login(*person), "old": self.text(*password), "new": new, "confirm": new,
                "end_auth_headers": headers,
            })),
            Act::Forget { person } => Call::to("user-forgot").json(&json!({ "username": self.login(*person) })),
            Act::Reset { token, new, headers } => Call::to("user-reset")
                .json(&json!({ "token": self.text(*token), "new": new, "confirm": new, "end_auth_headers": headers })),
            Act::Verify { token } => Call::to("user-verify").json(&json!({ "token": self.text(*token) })),
            Act::AddHeader { jwt, lifetime } => {
                let expires = lifetime.map(|lifetime| Timestamp::from_millis(self.now + lifetime).as_zoneless());
                self.bearer("authheader-add", *jwt).json(&json!({ "name": "key", "expires": expires }))
            }
            Act::RotateHeader { jwt, header, overlap } => {
                let body = json!({ "text": self.text(*header), "overlap": overlap });
                self.bearer("authheader-rotate", *jwt).json(&body)
            }
            Act::DeleteHeader { jwt, header } => {
                self.bearer("authheader-delete", *jwt).json(&json!({ "text": self.text(*header) }))
            }
            Act::ReportHeader { header } => {
                Call::to("authheader-report-leaked").json(&json!({ "token": self.text(*header) }))
            }
            Act::ListHeaders { jwt } => self.bearer("authheader-list", *jwt),
            _ => return None,
        })
    }

    fn of_an_application(&self, act: &Act) -> Option<Call> {
        Some(match act {
            Act::TicketLogin { tenant, person, password } => self.by("ticket-authenticate", *tenant).parameters(&[
                ("tenantName", TENANTS[self.model.people[*person].tenant]),
                ("username", &self.model.people[*person].name),
                ("password", self.text(*password)),
            ]),
            Act::OpenTicket { tenant, person } => {
                self.by("ticket-create", *tenant).parameters(&[("profileId", self.id(*person))])
            }
            Act::EndTicket { tenant, ticket } => self.by("ticket-invalidate", *tenant).id(self.text(*ticket)),
            Act::OpenSeries { tenant, person } => {
                self.by("persistent-login-create", *tenant).parameters(&[("profileId", self.id(*person))])
            }
            Act::RefreshSeries { tenant, series, token } => {
                let shown = &self.model.credentials[*series].tokens[*token].text;
                let call = self.by("persistent-login-refresh", *tenant).id(self.text(*series));
                call.parameters(&[("token", shown)])
            }
            Act::EndSeries { tenant, series } => self.by("persistent-login-delete", *tenant).id(self.text(*series)),
            Act::Mint { tenant, person } => {
                let call = self.by_key("profile-authenticate", *tenant).id(self.id(*person));
                call.json(&json!({ "duration": 600 }))
            }
            Act::Revoke { tenant, credential } => {
                self.by_key("oauth2-revoke", *tenant).form(&[("token", self.text(*credential))])
            }
            Act::Enable { tenant, person } => self.by("api1-profile-enable", *tenant).id(self.id(*person)),
            Act::Disable { tenant, person } => self.by("api1-profile-disable", *tenant).id(self.id(*person)),
            Act::Delete { tenant, person } => self.by("api1-profile-delete", *tenant).id(self.id(*person)),
            Act::Create { tenant, into, name, email, password } => {
                self.by("api1-profile-create", *tenant).parameters(&[
                    ("tenantName", TENANTS[*into]),
                    ("username", name),
                    ("email", email),
                    ("password", password),
                ])
            }
            Act::Rename { tenant, person, name, email } => {
                let call = self.by("api1-profile-update", *tenant).id(self.id(*person));
                call.parameters(&[("username", name), ("email", email)])
            }
            Act::Read { tenant, person } => self.by("api1-profile-get", *tenant).id(self.id(*person)),
            Act::List { tenant, of } => {
                self.by("api1-profile-range", *tenant).parameters(&[("tenantName", TENANTS[*of])])
            }
            Act::AskVerification { tenant, person } => {
                self.by("verification-token-create", *tenant).id(self.id(*person))
            }
            _ => return None,
        })
    }

    fn of_the_operator(&self, act: &Act) -> Option<Call> {
        Some(match act {
            Act::MakeApplication { lifetime } => {
                let expires = lifetime.map(|lifetime| self.now + lifetime);
                let actions = json!([{ "tenant": "alpha", "allowedActions": ["READ_TENANT"] }]);
                let body = json!({ "application": "made", "tenantPermissions": actions, "expiresOn": expires });
                self.by_master("access-token-create").json(&body)
            }
            Act::EndApplication { application } => self.by_master("access-token-delete").id(self.text(*application)),
            Act::MakeTenant => self.by_master("tenant-create").json(&json!({
                "name": TENANTS[GAMMA], "verifyNewProfiles": false, "availableRoles": ["reader"], "ssoEnabled": false,
            })),
            Act::EndTenant => self.by_master("tenant-delete").id(TENANTS[GAMMA]),
            _ => return None,
        })
    }
}
