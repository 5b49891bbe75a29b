//! The tables on one page: every key, every item, every attribute name.
//!
//! Invariant: a key is made by a function of typed ids and nowhere else, and no two ids make the same key, whatever
//! characters they hold: every part but the last has `%` and `#` escaped.
//!
//! | table | `pk` | `sk` | holds |
//! |---|---|---|---|
//! | Credentials | `NAME#tenant#name` | | [`Credential`] |
//! | Credentials | `EMAIL#tenant#address` | | [`Claim`]: whose address it is |
//! | Credentials | `RESET#digest` | | [`OneTime`] |
//! | Users | user id | | [`User`] |
//! | Tickets | user id | `T#digest` | [`Ticket`] |
//! | Tickets | user id | `P#digest` | [`PersistentLogin`] |
//! | AuthHeaders | user id | digest | [`AuthHeader`] |
//! | Applications | `TENANT#name` | | [`Tenant`] |
//! | Applications | `TOKEN#digest` | | [`AccessToken`] |
//!
//! Every item says of which version of its [`Kind`]'s format it is. Who reads one takes every version up to the newest that
//! it knows, and refuses a newer one: it can't tell what it doesn't understand from what is not there. Versions are raised
//! only as docs/upgrading.md says. The keys, and whose a credential is, have no version.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use crate::access_token::{AccessToken, Action, TenantPermission};
use crate::auth_header::{AuthHeader, AuthHeaderKey};
use crate::clock::Timestamp;
use crate::json::Json;
use crate::keyring::Algorithm;
use crate::lockout::{self, CounterKey, Guesses, Place};
use crate::one_time::{OneTime, OneTimeKey, Purpose};
use crate::password::Phc;
use crate::password::rules::PasswordRules;
use crate::persistent_login::{PersistentLogin, PersistentLoginKey, SeriesSecret};
use crate::secret::Digest;
use crate::source::Source;
use crate::store::{Claim, Credential, LoginName, NewPassword, StoreError, auth_header_swept_from, swept_from};
use crate::tenant::{Lifetimes, Settings, Tenant, TenantName};
use crate::ticket::{Branch, Origin, Ticket, TicketKey};
use crate::user::{self, Email, User, UserId, UserName};

/// Attributes by name, as DynamoDB holds them.
pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// The attribute names, each in one place.
pub(crate) mod name {
    pub(crate) const PK: &str = "pk";
    pub(crate) const SK: &str = "sk";
    /// Which version of its kind's format an item has; missing in those of the first that were written before there were
    /// versions. Short, since every item pays for it.
    pub(crate) const FORMAT: &str = "v";
    pub(crate) const TTL: &str = "ttl";
    pub(crate) const OPERATION: &str = "op";
    pub(crate) const KIND: &str = "kind";
    pub(crate) const CREATED: &str = "created";
    pub(crate) const EXPIRES: &str = "expires";
    pub(crate) const USER: &str = "user";
    pub(crate) const TENANT: &str = "tenant";
    pub(crate) const NAME: &str = "name";
    pub(crate) const EPOCH: &str = "epoch";

    pub(crate) const PHC: &str = "phc";
    pub(crate) const VERSION: &str = "version";
    pub(crate) const LAST_LOGIN: &str = "last_login";
    /// When the password was set; missing where that was when the account was made.
    pub(crate) const CHANGED: &str = "changed";
    pub(crate) const HISTORY: &str = "history";
    /// When the last one-time token was made.
    pub(crate) const SENT: &str = "sent";
    pub(crate) const PURPOSE: &str = "purpose";
    /// Followed by `#day#place`: wrong passwords, when the last one came, marks of them.
    pub(crate) const GUESSES: &str = "guesses";
    pub(crate) const GUESSED_AT: &str = "guessed_at";
    pub(crate) const MARKS: &str = "marks";
    /// Followed by `#place`: the last login from there.
    pub(crate) const KNOWN: &str = "known";

    pub(crate) const USERNAME: &str = "username";
    pub(crate) const EMAIL: &str = "email";
    pub(crate) const EMAIL_VERIFIED: &str = "email_verified";
    pub(crate) const FIRST_NAME: &str = "first_name";
    pub(crate) const LAST_NAME: &str = "last_name";
    pub(crate) const DISPLAY_NAME: &str = "display_name";
    pub(crate) const ENABLED: &str = "enabled";
    pub(crate) const ROLES: &str = "roles";
    pub(crate) const ATTRIBUTES: &str = "attributes";
    pub(crate) const MODIFIED: &str = "modified";
    pub(crate) const SESSION_EPOCH: &str = "session_epoch";
    pub(crate) const KEY_EPOCH: &str = "key_epoch";

    pub(crate) const ORIGIN: &str = "origin";
    pub(crate) const LAST_REQUEST: &str = "last_request";
    pub(crate) const IDLE: &str = "idle";
    pub(crate) const BRANCHES: &str = "branches";
    pub(crate) const GENERATION: &str = "generation";
    pub(crate) const RENEWED: &str = "renewed";
    pub(crate) const REFRESHED: &str = "refreshed";
    /// What the tokens of a persistent login are made with, together with its id.
    pub(crate) const SECRET: &str = "secret";
    pub(crate) const PASSWORD_EXPIRES: &str = "password_expires";
    pub(crate) const NETWORK: &str = "network";
    pub(crate) const AGENT: &str = "agent";

    pub(crate) const DISPLAY: &str = "display";
    pub(crate) const SCOPES: &str = "scopes";
    pub(crate) const LAST_USED: &str = "last_used";
    pub(crate) const LIFETIME: &str = "lifetime";

    pub(crate) const APPLICATION: &str = "application";
    pub(crate) const MASTER: &str = "master";
    pub(crate) const PERMISSIONS: &str = "permissions";
    pub(crate) const ACTIONS: &str = "actions";

    pub(crate) const SETTINGS: &str = "settings";
    pub(crate) const REVISION: &str = "revision";
    pub(crate) const CLOSING: &str = "closing";
}

macro_rules! kinds {
    ($($kind:ident = $name:literal in version $format:literal;)*) => {
        /// What kinds of items there are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind {
            $(#[doc = $name] $kind,)*
        }

        impl Kind {
            /// All of them.
            #[cfg(any(test, feature = "testing"))]
            pub(crate) const ALL: &[Self] = &[$(Self::$kind),*];

            /// What messages call it.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// The newest version of its format: the one that is written.
            pub(crate) const fn format(self) -> u64 {
                match self { $(Self::$kind => $format,)* }
            }
        }
    };
}

kinds! {
    Credential = "credential" in version 1;
    Claim = "claim" in version 1;
    OneTime = "one-time token" in version 1;
    User = "user" in version 1;
    Ticket = "ticket" in version 1;
    PersistentLogin = "persistent login" in version 1;
    AuthHeader = "auth header" in version 1;
    Tenant = "tenant" in version 1;
    AccessToken = "access token" in version 1;
}

/// [`name::KIND`] of tenants, the partition of their listing.
pub(crate) const KIND_TENANT: &str = "TENANT";
/// [`name::KIND`] of access tokens.
pub(crate) const KIND_TOKEN: &str = "TOKEN";

/// What the sort key of every ticket starts with.
pub(crate) const TICKET_PREFIX: &str = "T#";
/// The same of persistent logins.
const PERSISTENT_PREFIX: &str = "P#";

/// What the keys of credentials, claims, tenants and access tokens start with.
const NAME_PREFIX: &str = "NAME#";
const EMAIL_PREFIX: &str = "EMAIL#";
const TENANT_PREFIX: &str = "TENANT#";
const TOKEN_PREFIX: &str = "TOKEN#";

/// What the key of every one-time token starts with.
const ONE_TIME_PREFIX: &str = "RESET#";

const ANY: &str = "*";

fn escape(part: &str) -> String {
    part.replace('%', "%25").replace('#', "%23")
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A whole number as DynamoDB writes it.
pub(crate) fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// A moment, in milliseconds.
pub(crate) fn moment(value: Timestamp) -> AttributeValue {
    number(value.as_millis())
}

pub(crate) fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> AttributeValue {
    AttributeValue::L(values.into_iter().map(text).collect())
}

fn only_pk(pk: String) -> Attributes {
    Attributes::from([(name::PK.to_owned(), text(pk))])
}

fn pk_and_sk(pk: &str, sk: String) -> Attributes {
    Attributes::from([(name::PK.to_owned(), text(pk)), (name::SK.to_owned(), text(sk))])
}

/// Key of a credential.
pub(crate) fn credential_key(login: &LoginName) -> Attributes {
    only_pk(format!("{NAME_PREFIX}{}#{}", escape(login.tenant()), login.name()))
}

/// Key of the claim on an e-mail address.
pub(crate) fn email_key(claim: &LoginName) -> Attributes {
    only_pk(format!("{EMAIL_PREFIX}{}#{}", escape(claim.tenant()), claim.name()))
}

/// Key of a one-time token.
pub(crate) fn one_time_key(key: &OneTimeKey) -> Attributes {
    only_pk(format!("{ONE_TIME_PREFIX}{}", key.digest.to_base64url()))
}

/// Key of a user.
pub(crate) fn user_key(id: &UserId) -> Attributes {
    only_pk(id.as_str().to_owned())
}

/// Key of a ticket.
pub(crate) fn ticket_key(key: &TicketKey) -> Attributes {
    pk_and_sk(key.user.as_str(), format!("{TICKET_PREFIX}{}", key.digest.to_base64url()))
}

/// Key of a persistent login.
pub(crate) fn persistent_login_key(key: &PersistentLoginKey) -> Attributes {
    pk_and_sk(key.user.as_str(), format!("{PERSISTENT_PREFIX}{}", key.digest.to_base64url()))
}

/// Key of an auth header.
pub(crate) fn auth_header_key(key: &AuthHeaderKey) -> Attributes {
    pk_and_sk(key.user.as_str(), key.digest.to_base64url())
}

/// Key of a tenant.
pub(crate) fn tenant_key(tenant: &TenantName) -> Attributes {
    only_pk(format!("{TENANT_PREFIX}{}", tenant.as_str()))
}

/// Key of an access token.
pub(crate) fn access_token_key(digest: Digest) -> Attributes {
    only_pk(format!("{TOKEN_PREFIX}{}", digest.to_base64url()))
}

/// Reads attributes, naming what is missing or wrong.
struct Reader<'a> {
    item: &'static str,
    attributes: &'a Attributes,
}

impl<'a> Reader<'a> {
    /// Begins to read an item, if its format is one that is known here.
    fn of(kind: Kind, attributes: &'a Attributes) -> Result<Self, StoreError> {
        let reader = Self { item: kind.name(), attributes };
        let version = reader.optional(name::FORMAT, as_number)?.unwrap_or(1);
        let known = kind.format();
        if version > known {
            return Err(StoreError::Newer { item: kind.name(), version, known });
        }
        Ok(reader)
    }

    fn corrupt(&self, attribute: &'static str) -> StoreError {
        StoreError::Corrupt { item: self.item, attribute }
    }

    fn required<T>(
        &self,
        attribute: &'static str,
        read: impl Fn(&'a AttributeValue) -> Option<T>,
    ) -> Result<T, StoreError> {
        self.attributes.get(attribute).and_then(read).ok_or_else(|| self.corrupt(attribute))
    }

    fn optional<T>(
        &self,
        attribute: &'static str,
        read: impl Fn(&'a AttributeValue) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        self.attributes.get(attribute).map(|value| read(value).ok_or_else(|| self.corrupt(attribute))).transpose()
    }
}

fn as_text(value: &AttributeValue) -> Option<&str> {
    value.as_s().ok().map(String::as_str)
}

fn as_number<T: std::str::FromStr>(value: &AttributeValue) -> Option<T> {
    value.as_n().ok()?.parse().ok()
}

fn as_moment(value: &AttributeValue) -> Option<Timestamp> {
    as_number(value).map(Timestamp::from_millis)
}

fn as_bool(value: &AttributeValue) -> Option<bool> {
    value.as_bool().ok().copied()
}

fn as_texts(value: &AttributeValue) -> Option<Vec<String>> {
    value.as_l().ok()?.iter().map(|entry| as_text(entry).map(str::to_owned)).collect()
}

fn as_user_id(value: &AttributeValue) -> Option<UserId> {
    UserId::parse(as_text(value)?)
}

fn as_tenant_name(value: &AttributeValue) -> Option<TenantName> {
    TenantName::parse(as_text(value)?)
}

/// Adds `value` where there is one.
fn set(item: &mut Attributes, attribute: &str, value: Option<AttributeValue>) {
    if let Some(value) = value {
        item.insert(attribute.to_owned(), value);
    }
}

fn add<const N: usize>(mut key: Attributes, attributes: [(&str, AttributeValue); N]) -> Attributes {
    key.extend(attributes.map(|(attribute, value)| (attribute.to_owned(), value)));
    key
}

/// A new item of a kind.
fn new<const N: usize>(kind: Kind, key: Attributes, attributes: [(&str, AttributeValue); N]) -> Attributes {
    add(add(key, [(name::FORMAT, number(kind.format()))]), attributes)
}

/// The item of a new credential.
pub(crate) fn credential_item(login: &LoginName, user: &User, password: Option<&NewPassword>) -> Attributes {
    let mut item = new(
        Kind::Credential,
        credential_key(login),
        [
            (name::USER, text(user.id.as_str())),
            // Above that of any earlier account of this id, so that no reset token of one fits.
            (name::VERSION, number(user.session_epoch)),
            (name::CREATED, moment(user.created)),
        ],
    );
    if let Some(password) = password {
        item.extend(password_attributes(password).map(|(attribute, value)| (attribute.to_owned(), value)));
        set(&mut item, name::EXPIRES, password.expires.map(moment));
    }
    item
}

/// What is stored of every password. Its own end is optional, so it is written apart.
pub(crate) fn password_attributes(password: &NewPassword) -> [(&'static str, AttributeValue); 3] {
    [
        (name::PHC, text(password.phc.expose_secret())),
        (name::CHANGED, moment(password.changed)),
        (name::HISTORY, texts(password.history.iter().map(Phc::expose_secret))),
    ]
}

/// The name under which a credential's item was found.
pub(crate) fn credential_name(attributes: &Attributes) -> Result<LoginName, StoreError> {
    let reader = Reader::of(Kind::Credential, attributes)?;
    reader.required(name::PK, |value| {
        let (tenant, canonical) = as_text(value)?.strip_prefix(NAME_PREFIX)?.split_once('#')?;
        // No tenant's name holds what would have been escaped.
        Some(LoginName::new(&TenantName::parse(tenant)?, &UserName::parse(canonical)?))
    })
}

/// Reads a credential's item; `login` is the name that it was found under.
pub(crate) fn credential(login: LoginName, attributes: &Attributes) -> Result<Credential, StoreError> {
    let reader = Reader::of(Kind::Credential, attributes)?;
    let as_phc = |value: &AttributeValue| as_text(value).map(|phc| Phc::from_stored(phc.to_owned()));
    let as_phcs = |value: &AttributeValue| as_texts(value).map(|all| all.into_iter().map(Phc::from_stored).collect());
    let created = reader.required(name::CREATED, as_moment)?;
    Ok(Credential {
        name: login,
        user: reader.required(name::USER, as_user_id)?,
        phc: reader.optional(name::PHC, as_phc)?,
        version: reader.required(name::VERSION, as_number)?,
        password_changed: reader.optional(name::CHANGED, as_moment)?.unwrap_or(created),
        history: reader.optional(name::HISTORY, as_phcs)?.unwrap_or_default(),
        password_expires: reader.optional(name::EXPIRES, as_moment)?,
        guesses: guesses(&reader)?,
        last_login: reader.optional(name::LAST_LOGIN, as_moment)?,
    })
}

/// Whose a credential is, by as much of its item as everybody may read.
pub(crate) fn owner(attributes: &Attributes) -> Result<UserId, StoreError> {
    Reader::of(Kind::Credential, attributes)?.required(name::USER, as_user_id)
}

/// Reads the counters of guesses, whose attributes are named by kind, day and place.
fn guesses(reader: &Reader<'_>) -> Result<Guesses, StoreError> {
    let mut guesses = Guesses::default();
    for (attribute, value) in reader.attributes {
        let Some((kind, rest)) = attribute.split_once('#') else { continue };
        let corrupt = || reader.corrupt("counters of guesses");
        if kind == name::KNOWN {
            let last = as_moment(value).ok_or_else(corrupt)?;
            guesses.known.insert(Place::parse(rest), last);
            continue;
        }
        let (day, place) = rest.split_once('#').ok_or_else(corrupt)?;
        let key = CounterKey { day: day.parse().map_err(|_| corrupt())?, place: Place::parse(place) };
        let counter = guesses.counters.entry(key).or_default();
        match kind {
            name::GUESSES => counter.failures = as_number(value).ok_or_else(corrupt)?,
            name::GUESSED_AT => counter.last = Some(as_moment(value).ok_or_else(corrupt)?),
            name::MARKS => counter.marks = as_numbers(value).ok_or_else(corrupt)?,
            _ => return Err(corrupt()),
        }
    }
    Ok(guesses)
}

/// The name of a counter's attribute.
pub(crate) fn counter_attribute(kind: &str, key: &CounterKey) -> String {
    format!("{kind}#{}#{}", key.day, key.place.as_str())
}

/// The name of the attribute that remembers a known network.
pub(crate) fn known_attribute(place: &Place) -> String {
    format!("{}#{}", name::KNOWN, place.as_str())
}

/// A set of one number.
pub(crate) fn number_set(value: u32) -> AttributeValue {
    AttributeValue::Ns(vec![value.to_string()])
}

fn as_numbers(value: &AttributeValue) -> Option<BTreeSet<u32>> {
    value.as_ns().ok()?.iter().map(|number| number.parse().ok()).collect()
}

/// Reads a claim's item; its account is in the tenant of the key that it was found under.
pub(crate) fn claim(key: &LoginName, attributes: &Attributes) -> Result<Claim, StoreError> {
    let reader = Reader::of(Kind::Claim, attributes)?;
    let canonical = reader.required(name::NAME, |value| UserName::parse(as_text(value)?))?;
    let tenant = TenantName::parse(key.tenant())
        .ok_or(StoreError::Corrupt { item: Kind::Claim.name(), attribute: name::TENANT })?;
    Ok(Claim { user: reader.required(name::USER, as_user_id)?, name: LoginName::new(&tenant, &canonical) })
}

/// The item of a claim on an e-mail address.
pub(crate) fn email_item(claim: &LoginName, user: &User) -> Attributes {
    new(
        Kind::Claim,
        email_key(claim),
        [(name::USER, text(user.id.as_str())), (name::NAME, text(user.name.canonical()))],
    )
}

/// The item of a user. `name` is the canonical user name, by which the listing of a tenant is sorted.
pub(crate) fn user_item(user: &User) -> Attributes {
    let mut item = new(
        Kind::User,
        user_key(&user.id),
        [
            (name::TENANT, text(user.tenant.as_str())),
            (name::NAME, text(user.name.canonical())),
            (name::USERNAME, text(user.name.as_str())),
            (name::ENABLED, AttributeValue::Bool(user.enabled)),
            (name::ROLES, texts(user.roles.iter().map(String::as_str))),
            (name::ATTRIBUTES, user_attributes(&user.attributes)),
            (name::CREATED, moment(user.created)),
            (name::MODIFIED, moment(user.modified)),
            (name::SESSION_EPOCH, number(user.session_epoch)),
            (name::KEY_EPOCH, number(user.key_epoch)),
        ],
    );
    set(&mut item, name::EMAIL, user.email.as_ref().map(|email| text(email.as_str())));
    set(&mut item, name::EMAIL_VERIFIED, user.email_verified.then_some(AttributeValue::Bool(true)));
    set(&mut item, name::FIRST_NAME, user.first_name.as_deref().map(text));
    set(&mut item, name::LAST_NAME, user.last_name.as_deref().map(text));
    set(&mut item, name::DISPLAY_NAME, user.display_name.as_deref().map(text));
    set(&mut item, name::APPLICATION, user.application.as_deref().map(text));
    item
}

/// The member of a map that holds a user's attribute which is no text.
const JSON: &str = "json";

/// The applications' own data about a user. What is no text is stored as its JSON, since DynamoDB's numbers and depths
/// are others than JSON's.
pub(crate) fn user_attributes(attributes: &user::Attributes) -> AttributeValue {
    let stored = |value: &Value| match value {
        Value::String(value) => text(value),
        value => AttributeValue::M(Attributes::from([(JSON.to_owned(), text(value.to_string()))])),
    };
    AttributeValue::M(attributes.iter().map(|(key, value)| (key.clone(), stored(value))).collect())
}

fn as_user_attributes(value: &AttributeValue) -> Option<user::Attributes> {
    let read = |value: &AttributeValue| match value {
        AttributeValue::S(value) => Some(Value::String(value.clone())),
        AttributeValue::M(value) => serde_json::from_str(as_text(value.get(JSON)?)?).ok().map(|Json(value)| value),
        _ => None,
    };
    value.as_m().ok()?.iter().map(|(key, value)| Some((key.clone(), read(value)?))).collect()
}

/// Reads a user's item.
pub(crate) fn user(attributes: &Attributes) -> Result<User, StoreError> {
    let reader = Reader::of(Kind::User, attributes)?;
    let owned = |value: &AttributeValue| as_text(value).map(str::to_owned);
    Ok(User {
        id: reader.required(name::PK, as_user_id)?,
        tenant: reader.required(name::TENANT, as_tenant_name)?,
        name: reader.required(name::USERNAME, |value| UserName::parse(as_text(value)?))?,
        email: reader.optional(name::EMAIL, |value| Email::parse(as_text(value)?))?,
        email_verified: reader.optional(name::EMAIL_VERIFIED, as_bool)?.unwrap_or_default(),
        first_name: reader.optional(name::FIRST_NAME, owned)?,
        last_name: reader.optional(name::LAST_NAME, owned)?,
        display_name: reader.optional(name::DISPLAY_NAME, owned)?,
        application: reader.optional(name::APPLICATION, owned)?,
        enabled: reader.required(name::ENABLED, as_bool)?,
        roles: reader.required(name::ROLES, as_texts)?,
        attributes: reader.required(name::ATTRIBUTES, as_user_attributes)?,
        created: reader.required(name::CREATED, as_moment)?,
        modified: reader.required(name::MODIFIED, as_moment)?,
        session_epoch: reader.required(name::SESSION_EPOCH, as_number)?,
        key_epoch: reader.required(name::KEY_EPOCH, as_number)?,
    })
}

const fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Login => "login",
        Origin::Ticket => "ticket",
        Origin::Profile => "profile",
    }
}

fn as_origin(value: &AttributeValue) -> Option<Origin> {
    let name = as_text(value)?;
    [Origin::Login, Origin::Ticket, Origin::Profile].into_iter().find(|origin| origin_name(*origin) == name)
}

/// The item of a ticket. The table's TTL removes it some time after its end; nothing rests on when.
pub(crate) fn ticket_item(ticket: &Ticket) -> Attributes {
    let mut item = new(
        Kind::Ticket,
        ticket_key(&ticket.key),
        [
            (name::TENANT, text(ticket.tenant.as_str())),
            (name::ORIGIN, text(origin_name(ticket.origin))),
            (name::CREATED, moment(ticket.created)),
            (name::LAST_REQUEST, moment(ticket.last_request)),
            (name::EXPIRES, moment(ticket.expires)),
            (name::EPOCH, number(ticket.epoch)),
            (name::BRANCHES, branches(&ticket.branches)),
            (name::TTL, ticket_ttl(ticket.expires)),
        ],
    );
    set(&mut item, name::IDLE, ticket.idle.map(|idle| number(idle.as_secs())));
    set(&mut item, name::PASSWORD_EXPIRES, ticket.password_expires.map(moment));
    set(&mut item, name::NETWORK, ticket.source.network.as_deref().map(text));
    set(&mut item, name::AGENT, ticket.source.agent.as_deref().map(text));
    item
}

/// A list of branches.
pub(crate) fn branches(branches: &[Branch]) -> AttributeValue {
    let each = branches.iter().map(|branch| {
        let mut attributes = Attributes::from([(name::GENERATION.to_owned(), number(branch.generation))]);
        set(&mut attributes, name::RENEWED, branch.renewed.map(moment));
        AttributeValue::M(attributes)
    });
    AttributeValue::L(each.collect())
}

fn as_branches(value: &AttributeValue) -> Option<Vec<Branch>> {
    let each = value.as_l().ok()?.iter().map(|branch| {
        let attributes = branch.as_m().ok()?;
        let renewed = attributes.get(name::RENEWED).map(as_moment);
        Some(Branch {
            generation: as_number(attributes.get(name::GENERATION)?)?,
            renewed: match renewed {
                Some(moment) => Some(moment?),
                None => None,
            },
        })
    });
    each.collect::<Option<Vec<_>>>().filter(|branches| !branches.is_empty())
}

/// A count, for the size of a list.
pub(crate) fn count(value: usize) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// When DynamoDB may sweep a ticket that ends at `expires`.
pub(crate) fn ticket_ttl(expires: Timestamp) -> AttributeValue {
    number(swept_from(expires))
}

/// The key of a ticket's item, for items that were found by their user.
pub(crate) fn ticket_key_of(attributes: &Attributes) -> Result<TicketKey, StoreError> {
    let reader = Reader::of(Kind::Ticket, attributes)?;
    Ok(TicketKey {
        user: reader.required(name::PK, as_user_id)?,
        digest: reader
            .required(name::SK, |value| Digest::from_base64url(as_text(value)?.strip_prefix(TICKET_PREFIX)?))?,
    })
}

/// Reads a ticket's item.
pub(crate) fn ticket(key: TicketKey, attributes: &Attributes) -> Result<Ticket, StoreError> {
    let reader = Reader::of(Kind::Ticket, attributes)?;
    Ok(Ticket {
        key,
        tenant: reader.required(name::TENANT, as_tenant_name)?,
        origin: reader.required(name::ORIGIN, as_origin)?,
        created: reader.required(name::CREATED, as_moment)?,
        last_request: reader.required(name::LAST_REQUEST, as_moment)?,
        idle: reader.optional(name::IDLE, |value| as_number(value).map(Duration::from_secs))?,
        expires: reader.required(name::EXPIRES, as_moment)?,
        epoch: reader.required(name::EPOCH, as_number)?,
        branches: reader.required(name::BRANCHES, as_branches)?,
        password_expires: reader.optional(name::PASSWORD_EXPIRES, as_moment)?,
        source: Source {
            network: reader.optional(name::NETWORK, |value| as_text(value).map(str::to_owned))?,
            agent: reader.optional(name::AGENT, |value| as_text(value).map(str::to_owned))?,
        },
    })
}

/// The item of a persistent login.
pub(crate) fn persistent_login_item(login: &PersistentLogin) -> Attributes {
    let mut item = new(
        Kind::PersistentLogin,
        persistent_login_key(&login.key),
        [
            (name::TENANT, text(login.tenant.as_str())),
            (name::SECRET, text(login.secret.expose_secret())),
            (name::GENERATION, number(login.generation)),
            (name::CREATED, moment(login.created)),
            (name::EXPIRES, moment(login.expires)),
            (name::EPOCH, number(login.epoch)),
            (name::TTL, ticket_ttl(login.expires)),
        ],
    );
    set(&mut item, name::REFRESHED, login.refreshed.map(moment));
    item
}

/// Reads a persistent login's item.
pub(crate) fn persistent_login(
    key: PersistentLoginKey,
    attributes: &Attributes,
) -> Result<PersistentLogin, StoreError> {
    let reader = Reader::of(Kind::PersistentLogin, attributes)?;
    Ok(PersistentLogin {
        key,
        tenant: reader.required(name::TENANT, as_tenant_name)?,
        secret: reader.required(name::SECRET, |value| SeriesSecret::from_stored(as_text(value)?))?,
        generation: reader.required(name::GENERATION, as_number)?,
        created: reader.required(name::CREATED, as_moment)?,
        refreshed: reader.optional(name::REFRESHED, as_moment)?,
        expires: reader.required(name::EXPIRES, as_moment)?,
        epoch: reader.required(name::EPOCH, as_number)?,
    })
}

/// The item of an auth header.
pub(crate) fn auth_header_item(header: &AuthHeader) -> Attributes {
    let mut item = new(
        Kind::AuthHeader,
        auth_header_key(&header.key),
        [
            (name::NAME, text(&header.name)),
            (name::DISPLAY, text(&header.display)),
            (name::CREATED, moment(header.created)),
            (name::SCOPES, texts(header.scopes.iter().map(String::as_str))),
            (name::EPOCH, number(header.epoch)),
        ],
    );
    set(&mut item, name::EXPIRES, header.expires.map(moment));
    set(&mut item, name::TTL, header.expires.map(auth_header_ttl));
    set(&mut item, name::LIFETIME, header.lifetime.map(|lifetime| number(lifetime.as_secs())));
    set(&mut item, name::LAST_USED, header.last_used.map(moment));
    item
}

/// When DynamoDB may sweep an auth header that ends at `expires`.
pub(crate) fn auth_header_ttl(expires: Timestamp) -> AttributeValue {
    number(auth_header_swept_from(expires))
}

/// Reads an auth header's item.
pub(crate) fn auth_header(attributes: &Attributes) -> Result<AuthHeader, StoreError> {
    let reader = Reader::of(Kind::AuthHeader, attributes)?;
    let user = reader.required(name::PK, as_user_id)?;
    let digest = reader.required(name::SK, |value| Digest::from_base64url(as_text(value)?))?;
    let owned = |value: &AttributeValue| as_text(value).map(str::to_owned);
    Ok(AuthHeader {
        key: AuthHeaderKey { user, digest },
        name: reader.required(name::NAME, owned)?,
        display: reader.required(name::DISPLAY, owned)?,
        created: reader.required(name::CREATED, as_moment)?,
        expires: reader.optional(name::EXPIRES, as_moment)?,
        scopes: reader.required(name::SCOPES, as_texts)?,
        epoch: reader.required(name::EPOCH, as_number)?,
        lifetime: reader.optional(name::LIFETIME, |value| as_number(value).map(Duration::from_secs))?,
        last_used: reader.optional(name::LAST_USED, as_moment)?,
    })
}

/// The item of a one-time token.
pub(crate) fn one_time_item(token: &OneTime) -> Attributes {
    let (purpose, version) = match token.purpose {
        Purpose::Reset { version } => ("reset", Some(version)),
        Purpose::Verify => ("verify", None),
    };
    let mut item = new(
        Kind::OneTime,
        one_time_key(&token.key),
        [
            (name::USER, text(token.key.user.as_str())),
            (name::TENANT, text(token.tenant.as_str())),
            (name::PURPOSE, text(purpose)),
            (name::EPOCH, number(token.epoch)),
            (name::CREATED, moment(token.created)),
            (name::EXPIRES, moment(token.expires)),
            (name::TTL, ticket_ttl(token.expires)),
        ],
    );
    set(&mut item, name::VERSION, version.map(number));
    set(&mut item, name::EMAIL, token.email.as_ref().map(|email| text(email.as_str())));
    item
}

/// Reads a one-time token's item, if it is the token of `key`'s user.
pub(crate) fn one_time(key: &OneTimeKey, attributes: &Attributes) -> Result<Option<OneTime>, StoreError> {
    let reader = Reader::of(Kind::OneTime, attributes)?;
    if reader.required(name::USER, as_user_id)? != key.user {
        return Ok(None);
    }
    let purpose = match reader.required(name::PURPOSE, as_text)? {
        "reset" => Purpose::Reset { version: reader.required(name::VERSION, as_number)? },
        "verify" => Purpose::Verify,
        _ => return Err(reader.corrupt(name::PURPOSE)),
    };
    Ok(Some(OneTime {
        key: key.clone(),
        tenant: reader.required(name::TENANT, as_tenant_name)?,
        purpose,
        email: reader.optional(name::EMAIL, |value| Email::parse(as_text(value)?))?,
        epoch: reader.required(name::EPOCH, as_number)?,
        created: reader.required(name::CREATED, as_moment)?,
        expires: reader.required(name::EXPIRES, as_moment)?,
    }))
}

/// Reads an item of any kind and table, to see whether that can be done.
#[cfg(any(test, feature = "restore"))]
pub(crate) fn check(attributes: &Attributes) -> Result<(), StoreError> {
    let pk = attributes.get(name::PK).and_then(as_text).unwrap_or_default();
    let has = |prefix| pk.starts_with(prefix);
    // No user's id has the separator in it.
    match attributes.get(name::SK).and_then(as_text) {
        Some(sk) if sk.starts_with(TICKET_PREFIX) || sk.starts_with(PERSISTENT_PREFIX) => {
            session(attributes).map(|_| ())
        }
        Some(_) => auth_header(attributes).map(|_| ()),
        None if has(NAME_PREFIX) => credential(credential_name(attributes)?, attributes).map(|_| ()),
        None if has(EMAIL_PREFIX) => {
            let reader = Reader::of(Kind::Claim, attributes)?;
            reader.required(name::NAME, as_text)?;
            reader.required(name::USER, as_user_id).map(|_| ())
        }
        None if has(ONE_TIME_PREFIX) => {
            let reader = Reader::of(Kind::OneTime, attributes)?;
            let digest =
                |value: &AttributeValue| Digest::from_base64url(as_text(value)?.strip_prefix(ONE_TIME_PREFIX)?);
            let key = OneTimeKey {
                user: reader.required(name::USER, as_user_id)?,
                digest: reader.required(name::PK, digest)?,
            };
            one_time(&key, attributes).map(|_| ())
        }
        None if has(TENANT_PREFIX) => tenant(attributes).map(|_| ()),
        None if has(TOKEN_PREFIX) => access_token(attributes).map(|_| ()),
        None => user(attributes).map(|_| ()),
    }
}

/// What can be said of a ticket or persistent login without knowing which it is.
#[cfg(any(test, feature = "restore"))]
pub(crate) struct Session {
    pub(crate) epoch: u64,
    /// Grows with each use or refresh.
    pub(crate) step: i128,
    /// The attribute that holds the step.
    pub(crate) counts: &'static str,
}

/// Reads a ticket's or persistent login's item.
#[cfg(any(test, feature = "restore"))]
pub(crate) fn session(attributes: &Attributes) -> Result<Session, StoreError> {
    if let Ok(key) = ticket_key_of(attributes) {
        let Ticket { epoch, last_request, .. } = ticket(key, attributes)?;
        return Ok(Session { epoch, step: last_request.as_millis().into(), counts: name::LAST_REQUEST });
    }
    let reader = Reader::of(Kind::PersistentLogin, attributes)?;
    let digest = |value: &AttributeValue| Digest::from_base64url(as_text(value)?.strip_prefix(PERSISTENT_PREFIX)?);
    let key =
        PersistentLoginKey { user: reader.required(name::PK, as_user_id)?, digest: reader.required(name::SK, digest)? };
    let PersistentLogin { epoch, generation, .. } = persistent_login(key, attributes)?;
    Ok(Session { epoch, step: generation.into(), counts: name::GENERATION })
}

/// The key of an item.
#[cfg(any(test, feature = "restore"))]
pub(crate) fn key_of(attributes: &Attributes) -> Attributes {
    let parts = [name::PK, name::SK].into_iter().filter_map(|part| Some((part, attributes.get(part)?)));
    parts.map(|(part, value)| (part.to_owned(), value.clone())).collect()
}

/// What an item is called where people read it: the name or digest of its key, behind that of its user.
#[cfg(any(test, feature = "restore"))]
pub(crate) fn called(attributes: &Attributes) -> String {
    let part = |attribute| attributes.get(attribute).and_then(as_text);
    let pk = part(name::PK).unwrap_or_default();
    let pk = [TENANT_PREFIX, TOKEN_PREFIX].into_iter().find_map(|prefix| pk.strip_prefix(prefix)).unwrap_or(pk);
    part(name::SK).map_or_else(|| pk.to_owned(), |sk| format!("{pk}/{sk}"))
}

/// When an item was made, if it says so.
#[cfg(any(test, feature = "restore"))]
pub(crate) fn created(attributes: &Attributes) -> Option<Timestamp> {
    as_moment(attributes.get(name::CREATED)?)
}

/// The item of a new tenant.
pub(crate) fn tenant_item(tenant: &Tenant) -> Attributes {
    new(
        Kind::Tenant,
        tenant_key(&tenant.name),
        [
            (name::KIND, text(KIND_TENANT)),
            (name::NAME, text(tenant.name.as_str())),
            (name::CREATED, moment(tenant.created)),
            (name::SETTINGS, settings_value(&tenant.settings)),
            (name::REVISION, number(tenant.revision)),
        ],
    )
}

/// Reads a tenant's item. One that was made before tenants had rules has those of [`Settings::default`].
pub(crate) fn tenant(attributes: &Attributes) -> Result<Tenant, StoreError> {
    let reader = Reader::of(Kind::Tenant, attributes)?;
    Ok(Tenant {
        name: reader.required(name::NAME, as_tenant_name)?,
        created: reader.required(name::CREATED, as_moment)?,
        settings: reader.optional(name::SETTINGS, as_settings)?.unwrap_or_default(),
        revision: reader.optional(name::REVISION, as_number)?.unwrap_or_default(),
        closing: reader.optional(name::CLOSING, as_bool)?.unwrap_or_default(),
    })
}

/// The names inside [`name::SETTINGS`]. Durations are whole seconds.
mod setting {
    pub(super) const LOGIN_JWT: &str = "login_jwt";
    pub(super) const LOGIN_MAX: &str = "login_max";
    pub(super) const PROFILE_JWT: &str = "profile_jwt";
    pub(super) const PROFILE_JWT_MAX: &str = "profile_jwt_max";
    pub(super) const TICKET_IDLE: &str = "ticket_idle";
    pub(super) const TICKET_MAX: &str = "ticket_max";
    pub(super) const MIN_CHARS: &str = "password_min_chars";
    pub(super) const HISTORY: &str = "password_history";
    pub(super) const MAX_AGE: &str = "password_max_age";
    pub(super) const WARN: &str = "password_warn";
    pub(super) const PER_NETWORK: &str = "lockout_per_network";
    pub(super) const FROM_STRANGERS: &str = "lockout_from_strangers";
    pub(super) const PAUSE: &str = "lockout_pause";
    pub(super) const LONGEST: &str = "lockout_longest";
    pub(super) const VERIFIED_EMAIL: &str = "verified_email";
    pub(super) const ALGORITHMS: &str = "algorithms";
    pub(super) const NEW_PROFILES: &str = "accepts_new_profiles";
    pub(super) const ROLES: &str = "available_roles";
}

/// A tenant's rules as one map; what is as in the stack is left out.
pub(crate) fn settings_value(settings: &Settings) -> AttributeValue {
    let seconds = |duration: Duration| number(duration.as_secs());
    let Settings { lifetimes, password, lockout, verified_email, algorithms, accepts_new_profiles, available_roles } =
        settings;
    let mut map = add(
        Attributes::new(),
        [
            (setting::MIN_CHARS, number(password.min_chars)),
            (setting::HISTORY, number(password.history)),
            (setting::WARN, seconds(password.warn)),
            (setting::PER_NETWORK, number(lockout.per_network)),
            (setting::FROM_STRANGERS, number(lockout.from_strangers)),
            (setting::PAUSE, seconds(lockout.pause)),
            (setting::LONGEST, seconds(lockout.longest)),
            (setting::VERIFIED_EMAIL, AttributeValue::Bool(*verified_email)),
            (setting::ALGORITHMS, texts(algorithms.iter().map(|algorithm| algorithm.as_str()))),
            (setting::NEW_PROFILES, AttributeValue::Bool(*accepts_new_profiles)),
            (setting::ROLES, texts(available_roles.iter().map(String::as_str))),
        ],
    );
    for (attribute, value) in [
        (setting::LOGIN_JWT, lifetimes.login_jwt),
        (setting::LOGIN_MAX, lifetimes.login_max),
        (setting::PROFILE_JWT, lifetimes.profile_jwt),
        (setting::PROFILE_JWT_MAX, lifetimes.profile_jwt_max),
        (setting::TICKET_IDLE, lifetimes.ticket_idle),
        (setting::TICKET_MAX, lifetimes.ticket_max),
        (setting::MAX_AGE, password.max_age),
    ] {
        set(&mut map, attribute, value.map(seconds));
    }
    AttributeValue::M(map)
}

fn as_settings(value: &AttributeValue) -> Option<Settings> {
    let reader = Reader { item: Kind::Tenant.name(), attributes: value.as_m().ok()? };
    let as_seconds = |value: &AttributeValue| as_number(value).map(Duration::from_secs);
    let seconds = |attribute| reader.optional(attribute, as_seconds).ok();
    let algorithms = reader.required(setting::ALGORITHMS, as_texts).ok()?;
    Some(Settings {
        lifetimes: Lifetimes {
            login_jwt: seconds(setting::LOGIN_JWT)?,
            login_max: seconds(setting::LOGIN_MAX)?,
            profile_jwt: seconds(setting::PROFILE_JWT)?,
            profile_jwt_max: seconds(setting::PROFILE_JWT_MAX)?,
            ticket_idle: seconds(setting::TICKET_IDLE)?,
            ticket_max: seconds(setting::TICKET_MAX)?,
        },
        password: PasswordRules {
            min_chars: reader.required(setting::MIN_CHARS, as_number).ok()?,
            history: reader.required(setting::HISTORY, as_number).ok()?,
            max_age: seconds(setting::MAX_AGE)?,
            warn: seconds(setting::WARN)??,
        },
        lockout: lockout::Rules {
            per_network: reader.required(setting::PER_NETWORK, as_number).ok()?,
            from_strangers: reader.required(setting::FROM_STRANGERS, as_number).ok()?,
            pause: seconds(setting::PAUSE)??,
            longest: seconds(setting::LONGEST)??,
        },
        verified_email: reader.required(setting::VERIFIED_EMAIL, as_bool).ok()?,
        algorithms: algorithms.iter().map(|algorithm| Algorithm::parse(algorithm)).collect::<Option<_>>()?,
        // Rules that were written before there were these two lack them.
        accepts_new_profiles: reader.optional(setting::NEW_PROFILES, as_bool).ok()?.unwrap_or(true),
        available_roles: reader.optional(setting::ROLES, as_texts).ok()?.unwrap_or_default(),
    })
}

/// The item of an access token.
pub(crate) fn access_token_item(token: &AccessToken) -> Attributes {
    let permissions = token.permissions.iter().map(|entry| {
        let tenant = entry.tenant.as_ref().map_or(ANY, TenantName::as_str);
        let actions = entry
            .actions
            .as_ref()
            .map_or_else(|| texts([ANY]), |actions| texts(actions.iter().map(|action| action.as_str())));
        AttributeValue::M(Attributes::from([
            (name::TENANT.to_owned(), text(tenant)),
            (name::ACTIONS.to_owned(), actions),
        ]))
    });
    let mut item = new(
        Kind::AccessToken,
        access_token_key(token.digest),
        [
            (name::KIND, text(KIND_TOKEN)),
            (name::APPLICATION, text(&token.application)),
            (name::MASTER, AttributeValue::Bool(token.master)),
            (name::PERMISSIONS, AttributeValue::L(permissions.collect())),
            (name::CREATED, moment(token.created)),
        ],
    );
    set(&mut item, name::EXPIRES, token.expires.map(moment));
    item
}

/// Reads an access token's item.
pub(crate) fn access_token(attributes: &Attributes) -> Result<AccessToken, StoreError> {
    let reader = Reader::of(Kind::AccessToken, attributes)?;
    let as_digest = |value: &AttributeValue| Digest::from_base64url(as_text(value)?.strip_prefix(TOKEN_PREFIX)?);
    let as_permissions = |value: &AttributeValue| value.as_l().ok()?.iter().map(as_permission).collect();
    Ok(AccessToken {
        digest: reader.required(name::PK, as_digest)?,
        application: reader.required(name::APPLICATION, |value| as_text(value).map(str::to_owned))?,
        master: reader.required(name::MASTER, as_bool)?,
        permissions: reader.required(name::PERMISSIONS, as_permissions)?,
        expires: reader.optional(name::EXPIRES, as_moment)?,
        created: reader.required(name::CREATED, as_moment)?,
    })
}

fn as_permission(value: &AttributeValue) -> Option<TenantPermission> {
    let entry = value.as_m().ok()?;
    let tenant = as_text(entry.get(name::TENANT)?)?;
    let actions = as_texts(entry.get(name::ACTIONS)?)?;
    let tenant = if tenant == ANY { None } else { Some(TenantName::parse(tenant)?) };
    let actions = if actions.iter().any(|action| action == ANY) {
        None
    } else {
        Some(actions.iter().map(|action| Action::parse(action)).collect::<Option<_>>()?)
    };
    Some(TenantPermission { tenant, actions })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing::{SeededRandom, user as sample_user};

    fn pk(key: &Attributes) -> String {
        key[name::PK].as_s().unwrap().clone()
    }

    proptest! {
        #[test]
        fn no_two_names_share_a_key(a in "[a#%*/ ]{0,6}", b in "[a#%*/ ]{0,6}", c in "[a#%*/ ]{0,6}", d in "[a#%*/ ]{0,6}") {
            let raw = |tenant: &str, name: &str| format!("NAME#{}#{}", escape(tenant), name);
            prop_assert_eq!(raw(&a, &b) == raw(&c, &d), a == c && b == d);
        }
    }

    /// More than a million pairs of names that try to look like keys, prefixes and escapes of one another.
    #[test]
    fn no_two_hostile_ids_of_a_table_share_a_key() {
        let pieces = [
            "", "a", "#", "%", "%23", "%2523", "%25", "NAME#", "EMAIL#", "RESET#", "*", "a#b", "@", "/", "\u{e9}", "23",
        ];
        let pairs = || pieces.iter().flat_map(|one| pieces.iter().map(move |other| format!("{one}{other}")));
        let texts: BTreeSet<String> = pairs().collect();
        let tenants = ["a", "a#b", "a%23b", "*", "NAME", "#", "%", ""];
        let logins = tenants
            .iter()
            .flat_map(|tenant| texts.iter().map(|name| LoginName { tenant: (*tenant).to_owned(), name: name.clone() }));
        let (mut keys, mut count) = (BTreeSet::new(), 0_usize);
        for login in logins {
            keys.extend([pk(&credential_key(&login)), pk(&email_key(&login))]);
            count += 2;
        }
        for text in &texts {
            let key = OneTimeKey { user: UserId::parse("u-1").unwrap(), digest: Digest::of(text.as_bytes()) };
            keys.insert(pk(&one_time_key(&key)));
            count += 1;
        }
        assert!(count * (count - 1) / 2 > 1_000_000, "{count} ids");
        assert_eq!(keys.len(), count);
        crate::assurance::note("Q21", "pairs-of-hostile-ids", count * (count - 1) / 2);
    }

    #[test]
    fn a_name_and_an_address_of_the_same_text_have_two_keys() {
        let login = LoginName::typed("t", "a@b");
        assert_ne!(pk(&credential_key(&login)), pk(&email_key(&login)));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut subject = sample_user("u-1");
        for (name, value) in [
            ("team", json!("\u{1f600} #%")),
            ("json", json!({ "json": "x" })),
            ("list", json!([1, 0.1, null, "", { "deep": [[[]]] }])),
            ("nothing", Value::Null),
            ("largest", json!(u64::MAX)),
            ("private", json!({ "$serde_json::private::RawValue": "}" })),
        ] {
            subject.attributes.insert(name.to_owned(), value);
        }
        (subject.display_name, subject.application) = (Some("Jo".to_owned()), Some("portal".to_owned()));
        subject.roles = vec!["a".to_owned(), "tenant-admin".to_owned()];
        assert_eq!(user(&user_item(&subject)).unwrap(), subject);

        let limits = crate::ticket::Limits { idle: Some(Duration::from_secs(9)), absolute: Duration::from_secs(99) };
        let source = Source::new(Some("203.0.113.9"), Some("curl/8"));
        let (mut sample, _) =
            Ticket::issue(&subject, Origin::Ticket, limits, source, subject.created, &SeededRandom::new(1));
        sample.branches.push(Branch { generation: 3, renewed: Some(sample.created) });
        sample.password_expires = Some(sample.expires);
        assert_eq!(ticket(sample.key.clone(), &ticket_item(&sample)).unwrap(), sample);
        assert_eq!(ticket_key_of(&ticket_item(&sample)).unwrap(), sample.key);

        let fortnight = Duration::from_secs(1_296_000);
        let (mut series, _) = PersistentLogin::issue(&subject, fortnight, subject.created, &SeededRandom::new(4));
        for refreshed in [None, Some(sample.expires)] {
            series = PersistentLogin { generation: series.generation + 1, refreshed, ..series };
            assert!(persistent_login(series.key.clone(), &persistent_login_item(&series)).unwrap() == series);
        }

        let choices = crate::auth_header::Choices {
            name: "ci".to_owned(),
            expires: Some(subject.created),
            scopes: vec!["read".to_owned()],
        };
        let (mut header, _) = AuthHeader::issue(&subject, choices, subject.created, &SeededRandom::new(2));
        header.last_used = Some(subject.created);
        assert_eq!(auth_header(&auth_header_item(&header)).unwrap(), header);

        let token = AccessToken {
            digest: Digest::of(b"x"),
            application: "app".to_owned(),
            master: true,
            permissions: vec![
                TenantPermission { tenant: None, actions: None },
                TenantPermission { tenant: Some(subject.tenant.clone()), actions: Some(vec![Action::ReadTenant]) },
            ],
            expires: None,
            created: subject.created,
        };
        assert_eq!(access_token(&access_token_item(&token)).unwrap(), token);
    }

    #[test]
    fn rules_and_one_time_tokens_are_read_as_they_are_written() {
        let mut sample = Tenant::new(TenantName::parse("t").unwrap(), Timestamp::from_seconds(1));
        assert_eq!(tenant(&tenant_item(&sample)).unwrap(), sample);
        let mut item = tenant_item(&sample);
        item.remove(name::SETTINGS);
        item.remove(name::REVISION);
        assert_eq!(tenant(&item).unwrap(), sample, "one that was made before there were rules");
        let hour = Some(Duration::from_secs(3600));
        sample.settings.lifetimes = Lifetimes {
            login_jwt: hour,
            login_max: hour,
            profile_jwt: hour,
            profile_jwt_max: hour,
            ticket_idle: hour,
            ticket_max: hour,
        };
        sample.settings.password.max_age = hour;
        sample.settings.verified_email = true;
        sample.settings.algorithms = vec![Algorithm::Es256, Algorithm::EdDsa];
        sample.settings.accepts_new_profiles = false;
        sample.settings.available_roles = vec!["author".to_owned()];
        sample.revision = 3;
        assert_eq!(tenant(&tenant_item(&sample)).unwrap(), sample);
        let mut older = tenant_item(&sample);
        let Some(AttributeValue::M(rules)) = older.get_mut(name::SETTINGS) else { panic!("no rules") };
        rules.remove("accepts_new_profiles");
        rules.remove("available_roles");
        let read = tenant(&older).unwrap().settings;
        assert!(read.accepts_new_profiles && read.available_roles.is_empty() && read.verified_email);
        item.insert(name::SETTINGS.to_owned(), AttributeValue::M(Attributes::new()));
        assert!(tenant(&item).is_err(), "rules that can't be read are not the lenient ones");

        let owner = User { email: Email::parse("A@example.com"), ..sample_user("u-1") };
        for purpose in [Purpose::Reset { version: 7 }, Purpose::Verify] {
            let (token, _) = OneTime::issue(&owner, purpose, owner.created, &SeededRandom::new(3));
            assert_eq!(one_time(&token.key, &one_time_item(&token)).unwrap(), Some(token.clone()));
            let stolen = OneTimeKey { user: UserId::parse("u-2").unwrap(), ..token.key.clone() };
            assert_eq!(one_time(&stolen, &one_time_item(&token)).unwrap(), None, "it is its own user's");
        }
    }

    #[test]
    fn a_credential_is_found_under_its_name() {
        let login = LoginName::typed("Team-1.x_y", "Jos\u{e9}#%@x");
        assert_eq!(credential_name(&credential_key(&login)).unwrap(), login);
    }

    #[test]
    fn a_damaged_item_is_an_error_and_not_a_missing_one() {
        let mut item = user_item(&sample_user("u-1"));
        item.insert(name::ENABLED.to_owned(), text("yes"));
        assert!(matches!(user(&item), Err(StoreError::Corrupt { item: "user", attribute: "enabled" })));
        item.remove(name::ENABLED);
        assert!(matches!(user(&item), Err(StoreError::Corrupt { .. })));
    }

    #[test]
    fn an_item_of_a_newer_format_is_refused_and_one_without_a_format_is_of_the_first() {
        let mut item = user_item(&sample_user("u-1"));
        assert_eq!(item.remove(name::FORMAT), Some(number(Kind::User.format())));
        assert!(user(&item).is_ok());
        item.insert(name::FORMAT.to_owned(), number(Kind::User.format() + 1));
        assert!(matches!(user(&item), Err(StoreError::Newer { item: "user", version: 2, known: 1 })));
        item.insert(name::FORMAT.to_owned(), text("1"));
        assert!(matches!(user(&item), Err(StoreError::Corrupt { item: "user", attribute: "v" })));
    }
}
