//! Making and changing profiles: what the Profile API's endpoints, the profile family's and the operator's tool share.
//!
//! Invariant: every rule is held against before anything is written, and a change is made of what is stored at that
//! moment: one that comes in between is read, and the change made of it in turn, so that none is lost.

use serde_json::Value;

use crate::audit;
use crate::clock::{Clock, Timestamp};
use crate::error::Problem;
use crate::gateway::{Fields, Parameters, Spelling};
use crate::lockout::SWEPT;
use crate::login::{self, Login};
use crate::password;
use crate::secret::Password;
use crate::store::{
    Administration, Creation, Credential, LoginName, Lookup, NewPassword, NewUser, PasswordChange, Proof, Store,
    StoreError, Update, Write, changed,
};
use crate::tenant::{Settings, Tenant};
use crate::user::{Attributes, Email, User, UserId, UserName};

/// The most that the names of a profile's roles take as JSON, in bytes: a JWT holds them all, and has to fit into a
/// header, of which API Gateway takes 10,240 bytes.
pub const MAX_ROLES_BYTES: usize = 4 * 1024;
/// The most attributes that a profile has.
pub const MAX_ATTRIBUTES: usize = 64;
/// The longest name of an attribute, in bytes.
pub const MAX_ATTRIBUTE_NAME_BYTES: usize = 128;
/// The most that all attributes of a profile take as JSON, in bytes.
pub const MAX_ATTRIBUTES_BYTES: usize = 16 * 1024;
/// The longest [`User::display_name`], in characters.
pub const MAX_DISPLAY_NAME_CHARS: usize = 256;

/// The rule of [`role_names`] in words, for error messages.
pub const ROLES_RULE: &str =
    "must be at most 64 texts of 1 to 128 bytes without control characters, and at most 4 KiB together";
/// The rule of an attribute's name in words, for error messages.
pub const ATTRIBUTE_NAME_RULE: &str = "must be 1 to 128 bytes, without control characters";
/// The rule of [`attributes`] in words, for error messages.
pub const ATTRIBUTES_RULE: &str =
    "must be at most 64, with names of 1 to 128 bytes without control characters, and at most 16 KiB of JSON together";
/// The rule of a display name in words, for error messages.
pub const DISPLAY_NAME_RULE: &str = "must be 1 to 256 characters, without control characters";

/// A change is made of what was read; whoever meets others at it so many times gives up.
const ATTEMPTS: usize = 4;
/// The same for disabling, off which nobody is to keep us by changing the profile all the time.
const INSISTENT_ATTEMPTS: usize = 16;

/// A profile's roles, all of them, each once; `None` when they break [`ROLES_RULE`].
#[must_use]
pub fn role_names(given: Vec<String>) -> Option<Vec<String>> {
    let roles = Settings::roles(given)?;
    serde_json::to_vec(&roles).is_ok_and(|json| json.len() <= MAX_ROLES_BYTES).then_some(roles)
}

/// An attribute's name; `None` when it breaks [`ATTRIBUTE_NAME_RULE`].
#[must_use]
pub fn attribute_name(text: &str) -> Option<&str> {
    let fits = (1..=MAX_ATTRIBUTE_NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then_some(text)
}

/// A profile's attributes, all of them; `None` when they break [`ATTRIBUTES_RULE`].
#[must_use]
pub fn attributes(given: Attributes) -> Option<Attributes> {
    let named = given.len() <= MAX_ATTRIBUTES && given.keys().all(|name| attribute_name(name).is_some());
    let fits = named && serde_json::to_vec(&given).is_ok_and(|json| json.len() <= MAX_ATTRIBUTES_BYTES);
    fits.then_some(given)
}

/// A display name; `None` when it breaks [`DISPLAY_NAME_RULE`].
#[must_use]
pub fn display_name(text: &str) -> Option<String> {
    let fits = (1..=MAX_DISPLAY_NAME_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

/// Reads attributes from a parameter that holds a JSON object.
pub fn attributes_in(parameter: &'static str, text: &str) -> Result<Attributes, Problem> {
    let values = Fields::parse(text.as_bytes(), Spelling::Exact).map(Fields::into_values).map_err(|problem| {
        let rule = if let Problem::Invalid { rule, .. } = problem { rule } else { "must be a JSON object" };
        Problem::NotJson { parameter, rule }
    })?;
    attributes(values).ok_or_else(|| Problem::invalid(parameter, ATTRIBUTES_RULE))
}

/// Reads a user name from the parameter `username`.
pub fn user_name(text: &str) -> Result<UserName, Problem> {
    UserName::parse(text).ok_or_else(|| Problem::invalid("username", UserName::RULE))
}

/// Reads an e-mail address.
pub fn email(text: &str) -> Result<Email, Problem> {
    Email::parse(text).ok_or(Problem::InvalidEmail)
}

/// Reads roles from the values of the parameter `role`, each once.
pub fn roles<'a>(given: impl Iterator<Item = &'a str>) -> Result<Vec<String>, Problem> {
    role_names(given.map(str::to_owned).collect()).ok_or_else(|| Problem::invalid("role", ROLES_RULE))
}

/// All the roles that a profile is to have, by the parameter `role`; `None` where it is not given. A single empty one says
/// that there are none, which a list in a form can't say otherwise.
pub fn all_roles(parameters: &Parameters) -> Result<Option<Vec<String>>, Problem> {
    let given: Vec<_> = parameters.list("role").collect();
    match given.as_slice() {
        [] => Ok(None),
        [""] => Ok(Some(Vec::new())),
        given => roles(given.iter().copied()).map(Some),
    }
}

/// What a new profile is to be.
pub struct NewProfile {
    /// Its name.
    pub name: UserName,
    /// Its address, which counts as unverified.
    pub email: Option<Email>,
    /// Whether it may act at once.
    pub enabled: bool,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its attributes.
    pub attributes: Attributes,
    /// What people call it.
    pub display_name: Option<String>,
    /// The application that makes it.
    pub application: String,
}

impl NewProfile {
    /// The user of this id that it becomes in `tenant`, if that takes new ones.
    pub fn into_user(self, tenant: &Tenant, now: Timestamp, id: UserId) -> Result<User, Problem> {
        if tenant.closing {
            return Err(Problem::NoSuchTenant);
        }
        if !tenant.settings.accepts_new_profiles {
            return Err(Problem::NoNewProfiles(tenant.name.to_string()));
        }
        Ok(User {
            id,
            tenant: tenant.name.clone(),
            name: self.name,
            email: self.email,
            email_verified: false,
            first_name: None,
            last_name: None,
            display_name: self.display_name,
            application: Some(self.application),
            enabled: self.enabled,
            roles: self.roles,
            attributes: self.attributes,
            created: now,
            modified: now,
            session_epoch: User::first_epoch(now),
            key_epoch: User::first_epoch(now),
        })
    }
}

/// Weighs the password of a new account by its tenant's rules, and hashes it.
pub async fn first_password<S: Store>(
    login: &Login<S>,
    settings: &Settings,
    user: &User,
    password: Password,
) -> Result<NewPassword, Problem> {
    if let Err(broken) = login.weigh(settings, user, Vec::new(), &password).await? {
        return Err(Problem::weak("password", broken));
    }
    let phc = password::hash(&login.hasher, password, &login.random).await?;
    Ok(NewPassword::new(phc, user.created))
}

/// Makes an account with its claims, all or nothing. Where its id is somebody's already it gets another one of `fresh`.
pub async fn create<S: Administration>(
    store: &S,
    user: User,
    password: Option<NewPassword>,
    fresh: impl Fn() -> UserId,
) -> Result<User, Problem> {
    let mut user = user;
    for _ in 0..ATTEMPTS {
        match store.create_user(NewUser { user: user.clone(), password: password.clone() }).await? {
            Creation::Done => {
                audit::actor(&user);
                return Ok(user);
            }
            Creation::NameTaken => return Err(Problem::ProfileExists(NAME)),
            Creation::EmailTaken => return Err(Problem::ProfileExists(ADDRESS)),
            Creation::IdTaken => user.id = fresh(),
            Creation::NoSuchTenant => return Err(Problem::NoSuchTenant),
        }
    }
    Err(Problem::Internal("every fresh id existed already"))
}

const NAME: &str = "user name";
const ADDRESS: &str = "e-mail address";

/// Changes a profile to what `edit` makes of it, and of whatever somebody else makes of it meanwhile. It must touch
/// only what [`Administration::update_user`] writes. One that stays as it is is not written.
pub async fn change<S: Administration>(
    store: &S,
    clock: &dyn Clock,
    user: User,
    edit: impl Fn(User) -> Result<User, Problem>,
) -> Result<User, Problem> {
    let mut before = user;
    for _ in 0..ATTEMPTS {
        let mut after = edit(before.clone())?;
        if after == before {
            return Ok(before);
        }
        after.modified = clock.now();
        match store.update_user(&before, &after).await? {
            Update::Done => return Ok(changed(&before, &after)),
            Update::NameTaken => return Err(Problem::ProfileExists(NAME)),
            Update::EmailTaken => return Err(Problem::ProfileExists(ADDRESS)),
            Update::Stale => before = again(store, &before).await?,
        }
    }
    Err(Problem::Busy)
}

/// The profile as it is now.
async fn again<S: Store>(store: &S, user: &User) -> Result<User, Problem> {
    found_again(store, user).await?.ok_or(Problem::NoSuchProfile)
}

/// The profile as it is now, if it still is. Whoever has the id by now in another tenant is somebody else.
async fn found_again<S: Store>(store: &S, user: &User) -> Result<Option<User>, StoreError> {
    let wanted = Lookup { users: vec![user.id.clone()], ..Lookup::default() };
    Ok(store.lookup(wanted).await?.users.pop().filter(|found| found.tenant == user.tenant))
}

/// Enables a profile, or disables it, which ends its tickets and auth headers. It is written even where it seems to be
/// so already, since what was read may be over.
pub async fn set_enabled<S: Administration>(
    store: &S,
    clock: &dyn Clock,
    user: User,
    enabled: bool,
) -> Result<User, Problem> {
    let mut user = user;
    for _ in 0..INSISTENT_ATTEMPTS {
        let modified = later(&user, clock);
        match store.set_enabled(&user, enabled, modified).await? {
            Write::Done => return Ok(User { enabled, modified, ..user }),
            Write::Refused => user = again(store, &user).await?,
        }
    }
    Err(Problem::Busy)
}

/// Now, or right after the last change that was read, whichever is later: [`User::modified`] tells states apart.
fn later(user: &User, clock: &dyn Clock) -> Timestamp {
    clock.now().max(user.modified.plus(std::time::Duration::from_millis(1)))
}

/// Deletes a profile with everything that is its own. One that is gone already is no error.
pub async fn delete<S: Administration>(store: &S, clock: &dyn Clock, user: User) -> Result<(), Problem> {
    let mut user = user;
    for _ in 0..ATTEMPTS {
        if store.delete_user(&user, clock.now()).await? == Write::Done {
            return Ok(());
        }
        match found_again(store, &user).await? {
            Some(found) => user = found,
            None => return Ok(()),
        }
    }
    Err(Problem::Busy)
}

/// Deletes a profile that was made a moment ago and must not stay. Where that fails too, it is left to an operator.
pub async fn take_back<S: Administration>(store: &S, clock: &dyn Clock, user: User) {
    let id = user.id.to_string();
    if delete(store, clock, user).await.is_err() {
        tracing::error!(user = id, "a profile that could not be finished could not be taken back either");
    }
}

/// What is to become of a profile; what is `None` stays as it is.
#[derive(Default)]
pub struct ProfileUpdate {
    /// Its name.
    pub name: Option<UserName>,
    /// Its address. Another one counts as unverified.
    pub email: Option<Email>,
    /// Whether it may act at all.
    pub enabled: Option<bool>,
    /// Its roles, all of them.
    pub roles: Option<Vec<String>>,
    /// Attributes to add, or to put in the place of those of the same names.
    pub attributes: Attributes,
    /// Its password. A new one ends its tickets, and what is remembered of guesses.
    pub password: Option<Password>,
}

impl ProfileUpdate {
    /// `user` with what one write changes of it.
    fn edit(&self, user: User) -> Result<User, Problem> {
        let mut user = with_attributes(user, &self.attributes)?;
        if let Some(name) = &self.name {
            user.name = name.clone();
        }
        if let Some(email) = &self.email {
            user.email_verified &= user.email.as_ref().is_some_and(|old| old.is_same_mailbox(email));
            user.email = Some(email.clone());
        }
        if let Some(roles) = &self.roles {
            user.roles.clone_from(roles);
        }
        user.enabled &= self.enabled != Some(false);
        Ok(user)
    }

    /// Whether it disables, and changes nothing else that [`change`] would write.
    fn only_disables(&self) -> bool {
        let rest = self.name.is_some() || self.email.is_some() || self.roles.is_some() || !self.attributes.is_empty();
        self.enabled == Some(false) && !rest
    }
}

/// `user` with `attributes` added, or in the place of those of the same names. Where there are none, it stays as it is,
/// even one of more attributes than the rule allows.
pub fn with_attributes(mut user: User, added: &Attributes) -> Result<User, Problem> {
    if !added.is_empty() {
        user.attributes.extend(added.iter().map(|(name, value)| (name.clone(), Value::clone(value))));
        user.attributes = attributes(user.attributes).ok_or_else(|| Problem::invalid("attributes", ATTRIBUTES_RULE))?;
    }
    Ok(user)
}

/// Updates a profile in up to three writes: first names, address, roles and attributes, in one with disabling it; then
/// the password; and enabling it last. So whatever is refused, or cut off by an outage, leaves no account more open
/// than it was or was to be. Every rule is held against before the first write, and only that one can be refused. What
/// an outage cuts off, the same update done again completes.
pub async fn update<S: Administration>(login: &Login<S>, user: User, update: ProfileUpdate) -> Result<User, Problem> {
    let password = match &update.password {
        Some(password) => Some(prepared(login, &user, &update.edit(user.clone())?, password).await?),
        None => None,
    };
    let (store, clock) = (&login.store, &*login.clock);
    let mut user = if update.only_disables() {
        set_enabled(store, clock, user, false).await?
    } else {
        change(store, clock, user, |user| update.edit(user)).await?
    };
    if let (Some(prepared), Some(password)) = (password, &update.password) {
        user = set_password(login, user, prepared, password).await?;
    }
    if update.enabled == Some(true) {
        user = set_enabled(store, clock, user, true).await?;
    }
    Ok(user)
}

/// A password that keeps the rules of the tenant, hashed, and the credential that it is to go into; `None` where that
/// is being renamed.
async fn prepared<S: Store>(
    login: &Login<S>,
    stored: &User,
    user: &User,
    password: &Password,
) -> Result<Option<(Credential, NewPassword)>, Problem> {
    let credential = Some(LoginName::new(&stored.tenant, &stored.name));
    let wanted = Lookup { credential, tenant: Some(stored.tenant.clone()), ..Lookup::default() };
    let found = login.store.lookup(wanted).await?;
    let settings = found.tenant.ok_or(Problem::NoSuchProfile)?.settings;
    let Some(credential) = found.credential.filter(|credential| credential.user == stored.id) else { return Ok(None) };
    // Without a rule about earlier passwords the present one may be set again, as existing clients do; and so whoever
    // repeats an update whose answer was lost is not refused.
    let remembers = settings.password.history > 0;
    let earlier = if remembers { login::earlier(&settings, &credential) } else { Vec::new() };
    if let Err(broken) = login.weigh(&settings, user, earlier, password).await? {
        return Err(Problem::weak("password", broken));
    }
    let new = login.new_password(&settings, &credential, password.clone(), login.clock.now()).await?;
    Ok(Some((credential, new)))
}

async fn set_password<S: Administration>(
    login: &Login<S>,
    user: User,
    prepared: Option<(Credential, NewPassword)>,
    text: &Password,
) -> Result<User, Problem> {
    let (mut user, mut prepared) = (user, prepared);
    for _ in 0..ATTEMPTS {
        if let Some((credential, new)) = prepared {
            let at = later(&user, &*login.clock);
            let change = PasswordChange {
                name: LoginName::new(&user.tenant, &user.name),
                user: user.id.clone(),
                version: credential.version,
                password: new,
                proof: Proof::Administrator,
                end_auth_headers: false,
                // The newest first, for these are those that count.
                forget: credential.guesses.counters.keys().rev().take(SWEPT).cloned().collect(),
                place: None,
                at,
            };
            if login.store.change_password(change).await? == Write::Done {
                return Ok(User { modified: at, ..user });
            }
        }
        user = again(&login.store, &user).await?;
        prepared = self::prepared(login, &user, &user, text).await?;
    }
    Err(Problem::Busy)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::testing::{self, Stack};

    async fn stack() -> (Stack, User) {
        let stack = Stack::new();
        let user = testing::user("u-1");
        let tenant = Tenant::new(user.tenant.clone(), user.created);
        assert_eq!(stack.store.create_tenant(&tenant).await.unwrap(), Write::Done);
        let made = create(&stack.store, user, None, || unreachable!()).await.unwrap();
        (stack, made)
    }

    async fn stored(store: &MemoryStore, user: &User) -> User {
        again(store, user).await.unwrap()
    }

    /// Gives the user a role that nobody asked for, as somebody else would meanwhile.
    fn interfere(store: &MemoryStore, id: &UserId, round: usize) {
        store.edit_user(id, |user| {
            user.roles.push(format!("theirs{round}"));
            user.modified = user.modified.plus(std::time::Duration::from_millis(1));
        });
    }

    #[tokio::test]
    async fn a_change_that_somebody_else_comes_before_is_made_of_what_they_made() {
        let (stack, user) = stack().await;
        for conflicts in [1, ATTEMPTS - 1] {
            let rounds = AtomicUsize::new(0);
            let edit = |mut user: User| {
                let round = rounds.fetch_add(1, Ordering::SeqCst);
                if round < conflicts {
                    interfere(&stack.store, &user.id, round);
                }
                user.roles.push(format!("ours{conflicts}"));
                Ok(user)
            };
            let before = stored(&stack.store, &user).await;
            let changed = change(&stack.store, &stack.clock, before.clone(), edit).await.unwrap();
            let theirs = (0..conflicts).map(|round| format!("theirs{round}"));
            let expected: Vec<_> = before.roles.into_iter().chain(theirs).chain([format!("ours{conflicts}")]).collect();
            assert_eq!(changed.roles, expected);
            assert_eq!(stored(&stack.store, &user).await, changed, "what is told is what is stored");
        }
    }

    #[tokio::test]
    async fn a_change_that_somebody_always_comes_before_is_given_up_and_none_of_it_done() {
        let (stack, user) = stack().await;
        let rounds = AtomicUsize::new(0);
        let edit = |mut user: User| {
            interfere(&stack.store, &user.id, rounds.fetch_add(1, Ordering::SeqCst));
            user.roles.push("ours".to_owned());
            Ok(user)
        };
        assert!(matches!(change(&stack.store, &stack.clock, user.clone(), edit).await, Err(Problem::Busy)));
        let stored = stored(&stack.store, &user).await;
        assert_eq!(stored.roles.len(), ATTEMPTS);
        assert!(!stored.roles.contains(&"ours".to_owned()));
    }

    #[tokio::test]
    async fn a_profile_that_is_gone_or_another_tenants_by_now_is_not_changed() {
        let (stack, user) = stack().await;
        let other = crate::tenant::TenantName::parse("other").unwrap();
        let edit = |mut read: User| {
            stack.store.edit_user(&user.id, |user| {
                user.tenant = other.clone();
                user.modified = user.modified.plus(std::time::Duration::from_millis(1));
            });
            read.roles.push("ours".to_owned());
            Ok(read)
        };
        let changed = change(&stack.store, &stack.clock, user.clone(), edit).await;
        assert!(matches!(changed, Err(Problem::NoSuchProfile)));
        assert!(delete(&stack.store, &stack.clock, user.clone()).await.is_ok());
        let found = stack.store.lookup(Lookup { users: vec![user.id.clone()], ..Lookup::default() }).await.unwrap();
        assert!(found.users.iter().any(|user| user.tenant == other && user.roles.is_empty()), "it is somebody else");
    }

    #[tokio::test]
    async fn a_profile_that_was_renamed_meanwhile_is_deleted_all_the_same() {
        let (stack, user) = stack().await;
        let renamed = User { name: UserName::parse("renamed").unwrap(), ..user.clone() };
        assert_eq!(stack.store.update_user(&user, &renamed).await.unwrap(), Update::Done);
        delete(&stack.store, &stack.clock, user.clone()).await.unwrap();
        assert!(found_again(&stack.store, &user).await.unwrap().is_none());
        delete(&stack.store, &stack.clock, user).await.unwrap();
    }

    #[tokio::test]
    async fn disabling_goes_on_from_what_was_changed_later_and_the_date_never_goes_back() {
        let (stack, user) = stack().await;
        let hour = std::time::Duration::from_secs(3600);
        stack.store.edit_user(&user.id, |user| user.modified = user.modified.plus(hour));
        let disabled = set_enabled(&stack.store, &stack.clock, user.clone(), false).await.unwrap();
        assert!(!disabled.enabled && disabled.modified > user.modified.plus(hour));
        assert_eq!(stored(&stack.store, &user).await.modified, disabled.modified);
    }

    #[tokio::test]
    async fn an_id_that_is_somebody_s_already_is_no_error() {
        let (stack, user) = stack().await;
        let other = User { name: UserName::parse("other").unwrap(), email: None, ..user.clone() };
        let made = create(&stack.store, other.clone(), None, || UserId::parse("u-2").unwrap()).await.unwrap();
        assert_eq!((made.id.as_str(), stored(&stack.store, &user).await), ("u-2", user.clone()));
        let third = User { name: UserName::parse("third").unwrap(), ..other };
        let taken = create(&stack.store, third, None, || user.id.clone()).await;
        assert!(matches!(taken, Err(Problem::Internal(_))));
    }

    #[tokio::test]
    async fn an_outage_is_neither_a_refusal_nor_an_absence() {
        let (stack, user) = stack().await;
        stack.store.fail_after(Some(0));
        let edit = |mut user: User| {
            user.roles.push("ours".to_owned());
            Ok(user)
        };
        let (store, clock) = (&stack.store, &stack.clock);
        assert!(matches!(change(store, clock, user.clone(), edit).await, Err(Problem::Store(_))));
        assert!(matches!(set_enabled(store, clock, user.clone(), false).await, Err(Problem::Store(_))));
        assert!(matches!(delete(store, clock, user.clone()).await, Err(Problem::Store(_))));
        assert!(matches!(create(store, user, None, || unreachable!()).await, Err(Problem::Store(_))));
    }

    #[test]
    fn attributes_are_bounded_to_the_byte() {
        let of = |count: usize, bytes: usize| -> Attributes {
            (0..count).map(|number| (format!("{number:02}"), Value::String("x".repeat(bytes)))).collect()
        };
        assert!(attributes(of(MAX_ATTRIBUTES, 0)).is_some() && attributes(of(MAX_ATTRIBUTES + 1, 0)).is_none());
        // {"00":"…"} has nine bytes around the text.
        assert!(attributes(of(1, MAX_ATTRIBUTES_BYTES - 9)).is_some());
        assert!(attributes(of(1, MAX_ATTRIBUTES_BYTES - 8)).is_none());
        assert!(attribute_name(&"x".repeat(128)).is_some() && attribute_name(&"x".repeat(129)).is_none());
        assert!(display_name(&"\u{e9}".repeat(256)).is_some() && display_name(&"\u{e9}".repeat(257)).is_none());
        assert!(display_name("").is_none() && display_name("a\nb").is_none());
    }

    #[test]
    fn roles_fit_into_a_jwt() {
        let of = |count: usize, bytes: usize| -> Vec<String> {
            (0..count).map(|number| format!("{number:02}{}", "x".repeat(bytes - 2))).collect()
        };
        // Each takes three bytes more than its text, and all of them one.
        assert!(role_names(of(63, 62)).is_some() && role_names(of(64, 62)).is_none());
        assert!(role_names(of(31, 128)).is_some() && role_names(of(32, 128)).is_none());
        // A quote is two bytes there.
        assert!(role_names(of(16, 128).iter().map(|role| role.replace('x', "\"")).collect()).is_none());
    }

    #[test]
    fn a_profile_that_has_more_than_the_rule_allows_keeps_it_and_gets_no_more() {
        let mut user = testing::user("u-1");
        user.attributes = (0..=MAX_ATTRIBUTES).map(|number| (number.to_string(), Value::Null)).collect();
        assert_eq!(with_attributes(user.clone(), &Attributes::new()).unwrap(), user);
        let more = Attributes::from([("0".to_owned(), Value::Bool(true))]);
        assert!(matches!(with_attributes(user, &more), Err(Problem::Invalid { .. })));
    }
}
