//! The store calls that each function is meant to make for a request that succeeds.

/// The round trips of a request, one after the other; the calls of one trip are made at the same time.
pub struct Plan {
    function: &'static str,
    trips: &'static [&'static [&'static str]],
    /// Whether a password is hashed, beside the second trip.
    pub hashes: bool,
}

/// The trips of a request that makes no calls.
pub const NO_CALLS: &str = "none";

const READ: &[&str] = &["BatchGetItem"];

const PLANS: &[Plan] = &[
    hashing("user-login", &[READ, READ, &["PutItem", "UpdateItem"]]),
    hashing("user-password", &[READ, READ, &["UpdateItem"], &["TransactWriteItems"]]),
    plan("user-forgot", &[READ, READ, &["TransactWriteItems"], &["PutEvents"]]),
    hashing("user-reset", &[READ, READ, &["TransactWriteItems"]]),
    plan("user-verify", &[READ, &["TransactWriteItems"]]),
    plan("user-renew", &[READ, &["UpdateItem"]]),
    plan("user-token", &[READ, &["UpdateItem"]]),
    plan("user-sessions", &[READ, &["Query"]]),
    plan("user-sessions-revoke", &[READ, &["TransactWriteItems"]]),
    plan("user-logout", &[READ, &["DeleteItem"]]),
    plan("authheader-add", &[&["BatchGetItem", "Query"], &["PutItem"]]),
    plan("authheader-list", &[READ, &["Query"]]),
    plan("authheader-delete", &[READ, &["DeleteItem"]]),
    hashing("ticket-authenticate", &[READ, READ, &["PutItem", "UpdateItem"]]),
    plan("ticket-get", &[READ]),
    plan("ticket-invalidate", &[READ, &["DeleteItem"]]),
    plan("ticket-create", &[READ, &["PutItem"]]),
    plan("persistent-login-create", &[READ, &["PutItem"]]),
    plan("persistent-login-get", &[READ]),
    plan("persistent-login-refresh", &[READ, &["UpdateItem"]]),
    plan("persistent-login-delete", &[READ, &["DeleteItem"]]),
    plan("access-token-create", &[READ, &["PutItem"]]),
    plan("access-token-get", &[READ]),
    plan("access-token-list", &[READ, &["Query"]]),
    plan("access-token-delete", &[READ, &["DeleteItem"]]),
    plan("tenant-create", &[READ, &["PutItem"]]),
    plan("tenant-get", &[READ]),
    plan("tenant-list", &[READ, &["Query"]]),
    plan("tenant-count", &[READ, &["Query"]]),
    plan("tenant-update", &[READ, &["TransactWriteItems"]]),
    hashing("api1-profile-create", &[READ, &["TransactWriteItems"]]),
    plan("api1-profile-get", &[READ]),
    plan("api1-profile-update", &[READ, &["TransactWriteItems"]]),
    plan("api1-profile-enable", &[READ, &["UpdateItem"]]),
    plan("api1-profile-disable", &[READ, &["UpdateItem"]]),
    plan("api1-profile-delete", DELETED_PROFILE),
    plan("api1-profile-roles-add", &[READ, &["TransactWriteItems"]]),
    plan("api1-profile-roles-remove", &[READ, &["TransactWriteItems"]]),
    plan("api1-profile-attributes-get", &[READ]),
    plan("api1-profile-attributes-update", &[READ, &["TransactWriteItems"]]),
    plan("api1-profile-attributes-remove", &[READ, &["TransactWriteItems"]]),
    plan("api1-profile-by-username", &[READ, READ]),
    plan("api1-profile-by-ticket", &[READ]),
    plan("api1-profile-by-ids", &[READ]),
    plan("api1-profile-range", &[READ, &["Query"]]),
    plan("api1-profile-count", &[READ, &["Query"]]),
    plan("api1-profile-reset-password", &[READ, READ, &["TransactWriteItems"], &["PutEvents"]]),
    hashing("api1-profile-change-password", &[READ, READ, &["TransactWriteItems"]]),
    plan("verification-token-create", &[READ, &["TransactWriteItems"]]),
    plan("verification-token-get", &[READ]),
    plan("verification-token-delete", &[READ, &["DeleteItem"]]),
    plan("api1-profile-verify", &[READ, &["TransactWriteItems"]]),
    plan("profile-authenticate", &[READ, &["PutItem"]]),
    plan("profile-create", &[READ, READ, &["TransactWriteItems"]]),
    plan("profile-get", &[READ]),
    plan("profile-update", &[READ, &["TransactWriteItems"]]),
    plan("application-get", &[READ]),
    plan("authheader-rotate", &[&["BatchGetItem", "Query"], &["TransactWriteItems"]]),
    plan("authheader-report-leaked", &[&["DeleteItem"]]),
    plan("oauth2-introspect", &[READ]),
    plan("oauth2-revoke", &[READ, &["DeleteItem"]]),
    plan("jwks", &[]),
    plan("openid-configuration", &[]),
    plan("health", &[READ]),
    plan("test-secure", &[READ]),
    plan("test-unsecure", &[]),
    plan("authorizer", &[READ]),
];

/// Disables a profile, deletes its auth header and its three tickets, itself, and what was stored meanwhile: nothing.
const DELETED_PROFILE: &[&[&str]] = &[
    READ,
    &["UpdateItem"],
    &["Query"],
    &["DeleteItem"],
    &["Query"],
    &["DeleteItem"],
    &["DeleteItem"],
    &["DeleteItem"],
    &["TransactWriteItems"],
    &["Query"],
    &["Query"],
];

/// A function that waits on purpose, until what an index does not show yet would be shown.
pub const UNMEASURED: &str = "tenant-delete";

/// What an event names that only one call can make or change: each gets a name of its own instead.
pub const ONCE: &[(&str, &str)] = &[
    ("tenant-create", "acme"),
    ("tenant-update", "reader"),
    ("api1-profile-create", "jane"),
    ("api1-profile-update", "jane"),
];

/// Events that are measured beside the valid one of each endpoint: of the authorizer, and the other kinds of credential.
/// The function is in front of the dot.
pub const MORE: &[&str] = &[
    "authorizer",
    "authorizer.auth-header",
    "authorizer.ticket",
    "oauth2-introspect.auth-header",
    "oauth2-introspect.ticket",
    "test-secure.auth-header",
];

/// The function that an event is for.
#[must_use]
pub fn function(event: &str) -> &str {
    event.split('.').next().unwrap_or(event)
}

const NONE: Plan = plan("", &[]);

const fn plan(function: &'static str, trips: &'static [&'static [&'static str]]) -> Plan {
    Plan { function, trips, hashes: false }
}

/// The account is read first, then the profile beside the hash.
const fn hashing(function: &'static str, trips: &'static [&'static [&'static str]]) -> Plan {
    Plan { function, trips, hashes: true }
}

impl Plan {
    /// The plan of a function; one that is not listed is meant to make no calls.
    #[must_use]
    pub fn of(function: &str) -> &'static Self {
        PLANS.iter().find(|plan| plan.function == self::function(function)).unwrap_or(&NONE)
    }

    /// How many calls there are in all.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.trips.iter().map(|trip| trip.len()).sum()
    }

    /// The trips as the report shows them.
    #[must_use]
    pub fn trips(&self) -> String {
        show(self.trips.iter().map(|trip| trip.iter().map(ToString::to_string).collect()))
    }
}

/// Trips, as `BatchGetItem, then PutItem + UpdateItem`.
#[must_use]
pub fn show(trips: impl Iterator<Item = Vec<String>>) -> String {
    let trips: Vec<_> = trips
        .map(|mut calls| {
            calls.sort();
            calls.join(" + ")
        })
        .collect();
    if trips.is_empty() { NO_CALLS.to_owned() } else { trips.join(", then ") }
}
