//! A tenant as applications describe it and are told of it.

use crate::api::TenantAnswer;
use crate::error::Problem;
use crate::gateway::Fields;
use crate::secret::Digest;
use crate::tenant::{Settings, Tenant, TenantName};

impl TenantAnswer {
    /// What is told of `tenant`. What there is nothing of here always has the same value.
    #[must_use]
    pub fn new(tenant: &Tenant) -> Self {
        Self {
            name: tenant.name.to_string(),
            verify_new_profiles: tenant.settings.verified_email,
            available_roles: tenant.settings.available_roles.clone(),
            sso_enabled: false,
            attribute_definitions: Vec::new(),
            cleanse_attributes: false,
            id: id(&tenant.name),
            accepts_new_profiles: (!tenant.settings.accepts_new_profiles || tenant.closing).then_some(false),
        }
    }
}

/// The id that is told of a tenant, which is known by its name: existing clients parse it as the 12 bytes of an object
/// id, and fail on any other. It is the same at every time and in every answer, and good for nothing else.
fn id(name: &TenantName) -> String {
    Digest::of(name.as_str().as_bytes()).to_hex().chars().take(24).collect()
}

/// A tenant as an application describes it.
pub struct DescribedTenant {
    /// Its name.
    pub name: TenantName,
    verify_new_profiles: Option<bool>,
    available_roles: Option<Vec<String>>,
    accepts_new_profiles: Option<bool>,
}

impl DescribedTenant {
    /// Reads a description. What there is nothing of here may only say so.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        const NAME: &str = "name";
        const ROLES: &str = "availableRoles";
        const DEFINITIONS: &str = "attributeDefinitions";
        let name = TenantName::parse(&fields.text(NAME, 256)?);
        let name = name.ok_or_else(|| Problem::invalid(NAME, TenantName::RULE))?;
        let verify_new_profiles = fields.optional_flag("verifyNewProfiles")?;
        let accepts_new_profiles = fields.optional_flag("acceptsNewProfiles")?;
        let roles = fields.optional_texts(ROLES, Settings::MAX_ROLES, Settings::MAX_ROLE_BYTES)?;
        let wrong = || Problem::invalid(ROLES, Settings::ROLES_RULE);
        let available_roles = roles.map(|roles| Settings::roles(roles).ok_or_else(wrong)).transpose()?;
        if fields.flag("ssoEnabled")? {
            return Err(Problem::invalid("ssoEnabled", "must be false: there is no single sign-on by headers here"));
        }
        if !fields.objects(DEFINITIONS, usize::MAX)?.is_empty() {
            return Err(Problem::invalid(DEFINITIONS, "must be empty: attributes need no definition here"));
        }
        // What existing clients send along and nothing rests on.
        fields.flag("cleanseAttributes")?;
        fields.optional_text("id", 256)?;
        fields.finish()?;
        Ok(Self { name, verify_new_profiles, available_roles, accepts_new_profiles })
    }

    /// Puts what was described into the rules; the rest stays.
    #[must_use]
    pub fn onto(&self, settings: &Settings) -> Settings {
        Settings {
            verified_email: self.verify_new_profiles.unwrap_or(settings.verified_email),
            available_roles: self.available_roles.clone().unwrap_or_else(|| settings.available_roles.clone()),
            accepts_new_profiles: self.accepts_new_profiles.unwrap_or(settings.accepts_new_profiles),
            ..settings.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::Timestamp;
    use crate::gateway::Spelling;

    fn read(body: &Value) -> Result<DescribedTenant, Problem> {
        DescribedTenant::read(Fields::parse(body.to_string().as_bytes(), Spelling::Exact).unwrap())
    }

    #[test]
    fn what_is_answered_can_be_sent_back_and_changes_nothing() {
        let mut tenant = Tenant::new(TenantName::parse("acme").unwrap(), Timestamp::from_seconds(1));
        for changed in [false, true] {
            tenant.settings.verified_email = changed;
            tenant.settings.accepts_new_profiles = !changed;
            tenant.settings.available_roles = vec!["author".to_owned(); usize::from(changed)];
            let answer = serde_json::to_value(TenantAnswer::new(&tenant)).unwrap();
            let described = read(&answer).map_err(|problem| format!("{problem:?}")).unwrap();
            assert_eq!(described.onto(&Settings::default()), tenant.settings, "{answer}");
        }
        tenant.settings.accepts_new_profiles = true;
        tenant.closing = true;
        assert_eq!(TenantAnswer::new(&tenant).accepts_new_profiles, Some(false), "it is being deleted");
    }

    #[test]
    fn existing_clients_read_every_answer() {
        let mut tenant = Tenant::new(TenantName::parse("demo").unwrap(), Timestamp::from_seconds(1));
        let members = |tenant: &Tenant| serde_json::to_value(TenantAnswer::new(tenant)).unwrap();
        let told = members(&tenant);
        assert_eq!(told["id"], "2a97516c354b68848cdbd8f5", "the beginning of the name's SHA-256");
        assert_eq!(told.get("acceptsNewProfiles"), None, "they fail on what they don't know");
        tenant.settings.accepts_new_profiles = false;
        assert_eq!(members(&tenant)["acceptsNewProfiles"], false);
        tenant.name = TenantName::parse("other").unwrap();
        assert_ne!(members(&tenant)["id"], told["id"]);
    }

    #[test]
    fn what_is_left_out_or_null_stays_as_it_is() {
        let own = Settings {
            verified_email: true,
            accepts_new_profiles: false,
            available_roles: vec!["author".to_owned()],
            ..Settings::default()
        };
        let nulls = json!({
            "name": "acme", "verifyNewProfiles": null, "availableRoles": null, "ssoEnabled": null, "id": null,
            "attributeDefinitions": null, "cleanseAttributes": true, "acceptsNewProfiles": null,
        });
        for body in [json!({ "name": "acme" }), nulls] {
            assert_eq!(read(&body).ok().unwrap().onto(&own), own);
        }
        let emptied = read(&json!({ "name": "acme", "availableRoles": [] })).ok().unwrap().onto(&own);
        assert!(emptied.available_roles.is_empty() && emptied.verified_email);
    }

    #[test]
    fn what_there_is_nothing_of_here_is_refused_by_name() {
        for (body, field) in [
            (json!({}), "name"),
            (json!({ "name": "a/b" }), "name"),
            (json!({ "name": 1 }), "name"),
            (json!({ "name": "acme", "verifyNewProfiles": "true" }), "verifyNewProfiles"),
            (json!({ "name": "acme", "acceptsNewProfiles": 1 }), "acceptsNewProfiles"),
            (json!({ "name": "acme", "availableRoles": "author" }), "availableRoles"),
            (json!({ "name": "acme", "availableRoles": ["a\n"] }), "availableRoles"),
            (json!({ "name": "acme", "availableRoles": vec!["a"; 65] }), "availableRoles"),
            (json!({ "name": "acme", "ssoEnabled": true }), "ssoEnabled"),
            (json!({ "name": "acme", "attributeDefinitions": [{ "name": "team" }] }), "attributeDefinitions"),
            (json!({ "name": "acme", "attributeDefinitions": ["team"] }), "attributeDefinitions"),
            (json!({ "name": "acme", "cleanseAttributes": "yes" }), "cleanseAttributes"),
            (json!({ "name": "acme", "id": 7 }), "id"),
            (json!({ "name": "acme", "Name": "acme" }), "field 'Name'"),
        ] {
            match read(&body) {
                Err(Problem::Invalid { field: named, .. }) => assert_eq!(named, field, "{body}"),
                _ => panic!("{body} is taken"),
            }
        }
    }
}
