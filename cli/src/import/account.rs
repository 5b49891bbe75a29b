//! An account as a file describes it, and the rules that it has to meet to become one of ours. The rules are those of the
//! other commands; see [`crate::text`].

use serde_json::Value;
use shared::clock::Timestamp;
use shared::profiles;
use shared::random::Random;
use shared::secret::Digest;
use shared::store::{NewPassword, NewUser};
use shared::tenant::TenantName;
use shared::user::{Attributes, User, UserId, UserName};

use super::fields::{Refusal, as_text, refusal};
use crate::text;

/// What holds for every row of a file.
pub struct Rules {
    /// The tenant of rows that name none.
    pub tenant: TenantName,
    /// Whether rows may be of no other tenant.
    pub only_tenant: bool,
    /// Whether a name may mix alphabets whose letters look alike.
    pub mixed_alphabets: bool,
    /// When the import began.
    pub now: Timestamp,
}

impl Rules {
    /// Refuses another tenant than the one that was asked for.
    pub fn admit(&self, tenant: &TenantName) -> Result<(), Refusal> {
        if self.only_tenant && *tenant != self.tenant {
            return Err(refusal("tenant", "must be the one of --tenant, which lets no other one in"));
        }
        Ok(())
    }
}

/// An account, as a file describes it.
#[derive(Default)]
pub struct Described {
    pub id: Option<String>,
    pub tenant: Option<String>,
    pub username: Option<String>,
    pub email: Option<String>,
    pub email_verified: bool,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    /// Whether the other system had it switched off.
    pub disabled: bool,
    pub roles: Vec<String>,
    pub display_name: Option<String>,
    pub application: Option<String>,
    pub attributes: Attributes,
    pub created: Option<Timestamp>,
    pub modified: Option<Timestamp>,
    pub password: Option<NewPassword>,
    /// What of it is not moved, for the summary.
    pub notes: Vec<&'static str>,
}

/// An account that meets the rules.
pub struct Account {
    pub new: NewUser,
    /// Whether the file gave it its id.
    pub has_id: bool,
    pub notes: Vec<&'static str>,
}

impl Account {
    /// Whether it administers its tenant.
    pub fn is_administrator(&self) -> bool {
        self.new.user.roles.iter().any(|role| role == User::TENANT_ADMIN)
    }
}

impl Described {
    /// Notes an attribute.
    pub fn attribute(&mut self, name: impl Into<String>, value: Value) {
        if !value.is_null() {
            self.attributes.insert(name.into(), as_text(value).into());
        }
    }

    /// Notes a text as an attribute, where there is one.
    pub fn text_attribute(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.attributes.insert(name.to_owned(), value.into());
        }
    }

    /// Takes an id of another system. One that is none of ours is replaced by one that is made from it, always the same,
    /// and kept as the attribute `attribute`.
    pub fn foreign_id(&mut self, original: &str, attribute: &str) {
        let close = original.replace('|', "_");
        if close != original || UserId::parse(original).is_none() {
            self.attributes.insert(attribute.to_owned(), original.into());
        }
        let id = UserId::parse(&close).map(|id| id.to_string());
        self.id = Some(id.unwrap_or_else(|| format!("id-{}", Digest::of(original.as_bytes()).to_base64url())));
    }

    /// Refuses the role that would make an administrator of whoever another system gave a role of that name.
    pub fn without_administrators(self) -> Result<Self, Refusal> {
        if self.roles.iter().any(|role| role == User::TENANT_ADMIN) {
            let rule = "must not hold tenant-admin, which administers the whole tenant here: give it after the import";
            return Err(refusal("roles", rule));
        }
        Ok(self)
    }

    /// The account, if it meets the rules.
    pub fn into_account(self, rules: &Rules, random: &dyn Random) -> Result<Account, Refusal> {
        let has_id = self.id.is_some();
        let id = match &self.id {
            Some(id) => text::user_id(id).map_err(|rule| refusal("id", rule))?,
            None => UserId::generate(random),
        };
        let tenant = match &self.tenant {
            Some(tenant) => text::tenant(tenant).map_err(|rule| refusal("tenant", rule))?,
            None => rules.tenant.clone(),
        };
        rules.admit(&tenant)?;
        let person = |field, name: Option<String>| {
            name.map(|name| text::person_name(&name).map_err(|rule| refusal(field, rule))).transpose()
        };
        let email = self.email.as_deref().map(text::email).transpose().map_err(|rule| refusal("email", rule))?;
        let created = self.created.unwrap_or(rules.now);
        let user = User {
            id,
            tenant,
            name: user_name(self.username.as_deref(), rules)?,
            email_verified: email.is_some() && self.email_verified,
            email,
            first_name: person("firstName", self.first_name)?,
            last_name: person("lastName", self.last_name)?,
            display_name: display_name(self.display_name.as_deref())?,
            application: application(self.application.as_deref())?,
            enabled: !self.disabled,
            roles: roles(self.roles)?,
            attributes: attributes(self.attributes)?,
            created,
            modified: self.modified.unwrap_or(created),
            session_epoch: User::first_epoch(rules.now),
            key_epoch: User::first_epoch(rules.now),
        };
        Ok(Account { new: NewUser { user, password: self.password }, has_id, notes: self.notes })
    }
}

fn user_name(name: Option<&str>, rules: &Rules) -> Result<UserName, Refusal> {
    let name = name.ok_or(refusal("username", "must be given"))?;
    let parsed = text::user_name(name).map_err(|rule| refusal("username", rule))?;
    if !rules.mixed_alphabets && mixes_alphabets(parsed.canonical()) {
        let rule = "must not mix letters of alphabets that look alike (Latin, Greek, Cyrillic, Armenian, Cherokee); \
                    --allow-mixed-alphabets takes such names";
        return Err(refusal("username", rule));
    }
    Ok(parsed)
}

/// Whether a name holds letters of two of the alphabets that share the looks of many letters: with them a name can be
/// made that nobody can tell from another one (Unicode Technical Standard 39, section 5.2).
fn mixes_alphabets(name: &str) -> bool {
    let mut found = None;
    name.chars().filter_map(alphabet).any(|alphabet| *found.get_or_insert(alphabet) != alphabet)
}

fn alphabet(c: char) -> Option<u8> {
    match c {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{250}'..='\u{2af}' | '\u{1e00}'..='\u{1eff}' => Some(0),
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(1),
        '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{2de0}'..='\u{2dff}' | '\u{a640}'..='\u{a69f}' => Some(2),
        '\u{530}'..='\u{58f}' => Some(3),
        '\u{13a0}'..='\u{13ff}' | '\u{ab70}'..='\u{abbf}' => Some(4),
        _ => None,
    }
}

fn roles(given: Vec<String>) -> Result<Vec<String>, Refusal> {
    profiles::role_names(given).ok_or(refusal("roles", profiles::ROLES_RULE))
}

fn attributes(given: Attributes) -> Result<Attributes, Refusal> {
    profiles::attributes(given).ok_or(refusal("attributes", profiles::ATTRIBUTES_RULE))
}

fn display_name(given: Option<&str>) -> Result<Option<String>, Refusal> {
    let rule = profiles::DISPLAY_NAME_RULE;
    given.map(|name| profiles::display_name(name).ok_or(refusal("displayName", rule))).transpose()
}

fn application(given: Option<&str>) -> Result<Option<String>, Refusal> {
    given.map(|name| text::application(name).map_err(|rule| refusal("application", rule))).transpose()
}

#[cfg(test)]
mod tests {
    use shared::random::SystemRandom;

    use super::*;

    fn rules() -> Rules {
        let tenant = TenantName::parse("acme").unwrap();
        Rules { tenant, only_tenant: false, mixed_alphabets: false, now: Timestamp::from_seconds(1_800_000_000) }
    }

    fn described(name: &str) -> Described {
        Described { username: Some(name.to_owned()), ..Described::default() }
    }

    fn refused(described: Described) -> Refusal {
        described.into_account(&rules(), &SystemRandom).err().unwrap()
    }

    #[test]
    fn each_rule_that_is_broken_is_named() {
        let with = |change: fn(&mut Described)| {
            let mut described = described("jane");
            change(&mut described);
            refused(described).field.into_owned()
        };
        assert_eq!(with(|it| it.username = None), "username");
        assert_eq!(with(|it| it.username = Some("a b".into())), "username");
        assert_eq!(with(|it| it.username = Some("a\u{200b}b".into())), "username");
        assert_eq!(with(|it| it.id = Some("a/b".into())), "id");
        assert_eq!(with(|it| it.tenant = Some("a/b".into())), "tenant");
        assert_eq!(with(|it| it.email = Some("nobody".into())), "email");
        assert_eq!(with(|it| it.first_name = Some("a\u{1b}[2J".into())), "firstName");
        assert_eq!(with(|it| it.last_name = Some("x".repeat(129))), "lastName");
        assert_eq!(with(|it| it.roles = vec!["two\nlines".into()]), "roles");
        assert_eq!(with(|it| it.display_name = Some("x".repeat(257))), "displayName");
        assert_eq!(with(|it| it.application = Some("a\u{1b}[2J".into())), "application");
        assert_eq!(with(|it| it.attribute("te\nam", "a".into())), "attributes");
        assert_eq!(with(|it| it.attribute("x".repeat(129), "c".into())), "attributes");
        assert_eq!(with(|it| it.attribute("bio", "x".repeat(17_000).into())), "attributes");
        assert_eq!(with(|it| (0..65).for_each(|number| it.attribute(number.to_string(), "".into()))), "attributes");
    }

    #[test]
    fn a_name_that_looks_like_another_is_refused_unless_it_is_wanted() {
        for name in ["p\u{430}ypal", "\u{391}dmin", "\u{41c}icrosoft", "x\u{57d}"] {
            assert!(refused(described(name)).rule.contains("look alike"), "{name}");
            let rules = Rules { mixed_alphabets: true, ..rules() };
            assert!(described(name).into_account(&rules, &SystemRandom).is_ok(), "{name}");
        }
        for name in [
            "Zo\u{eb}",
            "\u{418}\u{432}\u{430}\u{43d}",
            "\u{391}\u{3b8}\u{3b7}\u{3bd}\u{3ac}",
            "tanaka\u{7530}\u{4e2d}",
            "jane.doe-7@x.y",
        ] {
            assert!(described(name).into_account(&rules(), &SystemRandom).is_ok(), "{name}");
        }
    }

    #[test]
    fn no_row_leaves_the_tenant_that_was_asked_for() {
        let elsewhere = || Described { tenant: Some("other".into()), ..described("jane") };
        assert!(elsewhere().into_account(&rules(), &SystemRandom).is_ok());
        let rules = Rules { only_tenant: true, ..rules() };
        assert_eq!(elsewhere().into_account(&rules, &SystemRandom).err().unwrap().field, "tenant");
        for tenant in [None, Some("acme".to_owned())] {
            assert!(Described { tenant, ..described("jane") }.into_account(&rules, &SystemRandom).is_ok());
        }
    }

    #[test]
    fn a_foreign_id_becomes_the_same_one_each_time() {
        let id = |original: &str| {
            let mut described = described("jane");
            described.foreign_id(original, "original");
            (described.id.unwrap(), described.attributes.remove("original"))
        };
        assert_eq!(id("5dea9f9c"), ("5dea9f9c".to_owned(), None));
        assert_eq!(id("auth0|5dea"), ("auth0_5dea".to_owned(), Some("auth0|5dea".into())));
        let (made, kept) = id("samlp|corp|jane@corp.example");
        assert!(UserId::parse(&made).is_some() && kept.is_some(), "{made}");
        assert_eq!(made, id("samlp|corp|jane@corp.example").0);
        assert_ne!(made, id("samlp|corp|joe@corp.example").0);
    }

    #[test]
    fn an_address_that_is_not_there_is_not_verified() {
        let described = Described { email_verified: true, ..described("jane") };
        assert!(!described.into_account(&rules(), &SystemRandom).ok().unwrap().new.user.email_verified);
    }

    #[test]
    fn nobody_becomes_an_administrator_by_the_name_of_a_role() {
        let admin = Described { roles: vec!["tenant-admin".into()], ..described("jane") };
        assert_eq!(admin.without_administrators().err().unwrap().field, "roles");
    }
}
