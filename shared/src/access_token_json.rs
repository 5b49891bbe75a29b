//! An access token as applications describe it and are told of it.
//!
//! Invariant: nobody is told a whole access token but whoever makes it, or shows it.

use crate::access_token::{AccessToken, Action, TenantPermission};
use crate::api::{AccessTokenAnswer, TenantPermissionAnswer};
use crate::clock::Timestamp;
use crate::error::Problem;
use crate::gateway::Fields;
use crate::random::Random;
use crate::secret::{Digest, Token};
use crate::tenant::TenantName;

/// Any tenant, or any action.
const ANY: &str = "*";

/// As many entries of permissions as an access token takes.
const MAX_PERMISSIONS: usize = 64;

/// The last moment of the year 9999: what a date can be written for.
const LAST: Timestamp = Timestamp::from_millis(253_402_300_799_999);

impl AccessTokenAnswer {
    /// What is told of `token` to somebody who has its text.
    #[must_use]
    pub fn shown(token: &AccessToken, text: &str) -> Self {
        Self { id: text.to_owned(), ..Self::listed(token) }
    }

    /// What is told of `token` to anybody else.
    #[must_use]
    pub fn listed(token: &AccessToken) -> Self {
        Self {
            id: token.digest.to_base64url(),
            application: token.application.clone(),
            master: token.master,
            tenant_permissions: token.permissions.iter().map(TenantPermissionAnswer::new).collect(),
            expires_on: token.expires.map(Timestamp::as_millis),
        }
    }
}

impl TenantPermissionAnswer {
    fn new(permission: &TenantPermission) -> Self {
        let actions = permission.actions.as_ref();
        let names = |actions: &Vec<Action>| actions.iter().map(|action| action.as_str().to_owned()).collect();
        Self {
            tenant: permission.tenant.as_ref().map_or(ANY, TenantName::as_str).to_owned(),
            allowed_actions: actions.map_or_else(|| vec![ANY.to_owned()], names),
        }
    }
}

/// Which access tokens the text `id` may mean: by its fingerprint, which comes first, or by itself. What can be neither
/// means none.
#[must_use]
pub fn meant(id: &str) -> Vec<Digest> {
    if !AccessToken::is_well_formed(id) {
        return Vec::new();
    }
    Digest::from_base64url(id).into_iter().chain([Digest::of(id.as_bytes())]).collect()
}

/// A new access token as an application describes it.
pub struct DescribedAccessToken {
    id: Option<Token>,
    application: String,
    master: bool,
    permissions: Vec<TenantPermission>,
    expires: Option<Timestamp>,
}

impl DescribedAccessToken {
    /// Reads a description at `now`. Leaving something out never means all of it.
    pub fn read(mut fields: Fields, now: Timestamp) -> Result<Self, Problem> {
        const PERMISSIONS: &str = "tenantPermissions";
        let id = fields.optional_text("id", 256)?.map(Token::new);
        if id.as_ref().is_some_and(|id| !can_be_chosen(id.expose_secret())) {
            return Err(Problem::invalid("id", "must be 16 to 256 visible ASCII characters without a comma"));
        }
        let permissions = fields.objects(PERMISSIONS, MAX_PERMISSIONS)?;
        let described = Self {
            id,
            application: application(fields.text("application", 512)?)?,
            master: fields.flag("master")?,
            permissions: permissions.into_iter().map(permission).collect::<Result<_, _>>()?,
            expires: expires(&mut fields, now)?,
        };
        fields.finish()?;
        Ok(described)
    }

    /// The fingerprint that the chosen id looks like, if any. One that is another's would open nothing, and be taken for
    /// that other one.
    #[must_use]
    pub fn look_alike(&self) -> Option<Digest> {
        Digest::from_base64url(self.id.as_ref()?.expose_secret())
    }

    /// The access token and its text, which is made where none was chosen.
    #[must_use]
    pub fn issue(self, now: Timestamp, random: &dyn Random) -> (AccessToken, Token) {
        let text = self.id.unwrap_or_else(|| AccessToken::generate(random));
        let token = AccessToken {
            digest: text.digest(),
            application: self.application,
            master: self.master,
            permissions: self.permissions,
            expires: self.expires,
            created: now,
        };
        (token, text)
    }
}

/// A comma is how the gateway joins two headers, so no header could carry one.
fn can_be_chosen(id: &str) -> bool {
    id.len() >= 16 && AccessToken::is_well_formed(id) && !id.contains(',')
}

fn application(name: String) -> Result<String, Problem> {
    let fits = !name.trim().is_empty() && name.chars().count() <= 128 && !name.chars().any(char::is_control);
    let rule = "must be 1 to 128 characters without control characters";
    if fits { Ok(name) } else { Err(Problem::invalid("application", rule)) }
}

fn permission(mut fields: Fields) -> Result<TenantPermission, Problem> {
    const TENANT: &str = "tenant";
    const ACTIONS: &str = "allowedActions";
    let tenant = fields.text(TENANT, 256)?;
    let actions = fields.texts(ACTIONS, 64, 64)?;
    fields.finish()?;
    let tenant = if tenant == ANY {
        None
    } else {
        let wrong = || Problem::invalid(TENANT, "must be a tenant's name, or * for any");
        Some(TenantName::parse(&tenant).ok_or_else(wrong)?)
    };
    if actions.iter().any(|action| action == ANY) {
        return Ok(TenantPermission { tenant, actions: None });
    }
    let mut known: Vec<Action> = actions
        .iter()
        .map(|action| Action::parse(action))
        .collect::<Option<_>>()
        .filter(|known: &Vec<Action>| !known.is_empty())
        .ok_or_else(|| Problem::invalid(ACTIONS, ACTIONS_RULE))?;
    known.sort_unstable();
    known.dedup();
    Ok(TenantPermission { tenant, actions: Some(known) })
}

const ACTIONS_RULE: &str = "must name at least one of CREATE_TENANT, READ_TENANT, UPDATE_TENANT, DELETE_TENANT, \
                            MANAGE_PROFILES and MANAGE_TICKETS, or * for any";

fn expires(fields: &mut Fields, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    const NAME: &str = "expiresOn";
    let rule = "must be in the future and before the year 10000, in epoch milliseconds";
    let expires = fields.optional_integer(NAME, rule)?.map(Timestamp::from_millis);
    if expires.is_some_and(|expires| expires <= now || expires > LAST) {
        return Err(Problem::invalid(NAME, rule));
    }
    Ok(expires)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::gateway::Spelling;
    use crate::testing::SeededRandom;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const CHOSEN: &str = "c5b7bdd6-0a2c-4f1e-b8e1-3a1f0d9c7e55";

    fn read(body: &Value) -> Result<DescribedAccessToken, Problem> {
        DescribedAccessToken::read(Fields::parse(body.to_string().as_bytes(), Spelling::Exact).unwrap(), NOW)
    }

    #[test]
    fn what_is_described_is_made_and_told_again() {
        let body = json!({
            "id": CHOSEN, "application": "shop", "master": true, "expiresOn": 1_800_000_000_001_i64,
            "tenantPermissions": [
                { "tenant": "*", "allowedActions": ["READ_TENANT", "MANAGE_TICKETS"] },
                { "tenant": "acme", "allowedActions": ["*"] },
            ],
        });
        let (token, text) = read(&body).ok().unwrap().issue(NOW, &SeededRandom::new(1));
        assert_eq!((text.expose_secret(), token.digest), (CHOSEN, Digest::of(CHOSEN.as_bytes())));
        assert_eq!(serde_json::to_value(AccessTokenAnswer::shown(&token, CHOSEN)).unwrap(), body);
        let listed = serde_json::to_string(&AccessTokenAnswer::listed(&token)).unwrap();
        assert!(!listed.contains(CHOSEN) && listed.contains(&token.digest.to_base64url()), "{listed}");
    }

    #[test]
    fn an_id_that_is_not_chosen_is_made_and_absent_rights_are_none() {
        for body in [
            json!({ "application": "shop" }),
            json!({ "id": null, "application": "shop", "master": null, "tenantPermissions": null, "expiresOn": null }),
        ] {
            let (token, text) = read(&body).ok().unwrap().issue(NOW, &SeededRandom::new(1));
            assert!(text.expose_secret().starts_with(AccessToken::PREFIX));
            assert!(!token.master && token.permissions.is_empty() && token.expires.is_none());
        }
        let everything = json!([{ "tenant": "*", "allowedActions": ["*", "READ_TENANT", "*"] }]);
        let (token, _) = read(&json!({ "application": "shop", "tenantPermissions": everything }))
            .ok()
            .unwrap()
            .issue(NOW, &SeededRandom::new(1));
        assert_eq!(token.permissions, [TenantPermission { tenant: None, actions: None }]);
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_name_and_never_repeated() {
        let with = |entry: Value| json!({ "application": "shop", "tenantPermissions": entry });
        for (body, field) in [
            (json!({}), "application"),
            (json!({ "application": " " }), "application"),
            (json!({ "application": "a\u{7}" }), "application"),
            (json!({ "application": "\u{e9}".repeat(129) }), "application"),
            (json!({ "application": "shop", "master": "true" }), "master"),
            (json!({ "application": "shop", "id": "fifteen-letters" }), "id"),
            (json!({ "application": "shop", "id": "seventeen letters" }), "id"),
            (json!({ "application": "shop", "id": "seventeen,letters" }), "id"),
            (json!({ "application": "shop", "id": "a".repeat(257) }), "id"),
            (json!({ "application": "shop", "expiresOn": 1_800_000_000_000_i64 }), "expiresOn"),
            (json!({ "application": "shop", "expiresOn": -1 }), "expiresOn"),
            (json!({ "application": "shop", "expiresOn": 253_402_300_800_000_i64 }), "expiresOn"),
            (json!({ "application": "shop", "expiresOn": "2030-01-01T00:00:00Z" }), "expiresOn"),
            (with(json!({})), "tenantPermissions"),
            (with(json!([{}])), "tenant"),
            (with(json!([{ "tenant": "a/b", "allowedActions": ["*"] }])), "tenant"),
            (with(json!([{ "tenant": "acme" }])), "allowedActions"),
            (with(json!([{ "tenant": "acme", "allowedActions": [] }])), "allowedActions"),
            (with(json!([{ "tenant": "acme", "allowedActions": ["read_tenant"] }])), "allowedActions"),
            (with(json!([{ "tenant": "acme", "allowedActions": "*" }])), "allowedActions"),
            (with(json!([{ "tenant": "acme", "allowedActions": ["*"], "more": 1 }])), "field 'more'"),
            (with(json!(vec![json!({ "tenant": "acme", "allowedActions": ["*"] }); 65])), "tenantPermissions"),
        ] {
            match read(&body) {
                Err(Problem::Invalid { field: named, .. }) => assert_eq!(named, field, "{body}"),
                _ => panic!("{body} is taken"),
            }
        }
    }

    #[test]
    fn an_id_is_a_fingerprint_first_and_what_can_be_none_means_none() {
        let fingerprint = Digest::of(CHOSEN.as_bytes());
        assert_eq!(meant(CHOSEN), [fingerprint]);
        let text = fingerprint.to_base64url();
        assert_eq!(meant(&text), [fingerprint, Digest::of(text.as_bytes())]);
        for none in ["", "a b", "\u{e9}", &"a".repeat(257)] {
            assert!(meant(none).is_empty(), "{none}");
        }
    }
}
