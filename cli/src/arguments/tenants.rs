//! The arguments of `ostiary tenant`.

use std::time::Duration;

use clap::{Args, Subcommand};
use shared::tenant::TenantName;

use crate::tenant::Setting;
use crate::text::{self, Allowed, MaxAge};

const CREATE: &str = "Examples:
  ostiary --stack my-auth tenant create acme";

const SHOW: &str = "Examples:
  ostiary --stack my-auth tenant show acme
  ostiary --stack my-auth tenant show acme --output json

What each setting means, its bounds and its default: docs/tenants.md.";

const SET: &str = "Examples:
  ostiary --stack my-auth tenant set acme --password-min-chars 12 --password-history 5
  ostiary --stack my-auth tenant set acme --login-jwt 15m --login-max 8h
  ostiary --stack my-auth tenant set acme --lockout-per-network 10 --lockout-pause 30s
  ostiary --stack my-auth tenant set acme --password-max-age 365 --verified-email yes
  ostiary --stack my-auth tenant set acme --default login-jwt --default password-max-age
  ostiary --stack my-auth tenant set acme --algorithm ES256 --algorithm EdDSA

A DURATION is made of whole seconds, minutes, hours, days and weeks, such as 90s, 15m, 8h, 30d or 1h 30m; a plain number \
is seconds. What is not given stays as it is. Everybody is held to the new settings 60 seconds later at most; what was \
issued before keeps its end.";

const DELETE: &str = "Examples:
  ostiary --stack my-auth tenant delete acme
  ostiary --stack my-auth tenant delete acme --yes

Ends and deletes every user of the tenant with everything that is its own, takes the tenant out of the permissions of \
access tokens (one that is left with none is deleted), then deletes the tenant. If it ends before that, nobody can join \
the tenant any more, and the same command goes on. Nothing brings a deleted tenant back but an import.";

#[derive(Subcommand)]
pub enum TenantCommand {
    /// Make a tenant
    #[command(after_help = CREATE)]
    Create {
        /// Its name: letters, digits, '.', '_' and '-'; upper and lower case differ
        #[arg(value_name = "NAME", value_parser = text::tenant)]
        name: TenantName,
    },
    /// List all tenants
    List,
    /// Show a tenant's settings, and which of them are its own
    #[command(after_help = SHOW)]
    Show {
        /// Its name
        #[arg(value_name = "NAME", value_parser = text::tenant)]
        name: TenantName,
    },
    /// Change a tenant's settings
    #[command(after_help = SET)]
    Set(Box<SetTenant>),
    /// Delete a tenant with all its users; asks for its name
    #[command(after_help = DELETE)]
    Delete(DeleteTenant),
}

#[derive(Args)]
pub struct SetTenant {
    /// The tenant's name
    #[arg(value_name = "NAME", value_parser = text::tenant)]
    pub name: TenantName,
    /// Life of a login's JWT; at most the stack's LoginMaxSeconds
    #[arg(long, value_name = "DURATION", value_parser = text::duration)]
    pub login_jwt: Option<Duration>,
    /// A login ends then, however often it is renewed; at most the stack's LoginMaxSeconds
    #[arg(long, value_name = "DURATION", value_parser = text::duration)]
    pub login_max: Option<Duration>,
    /// Life of a profile JWT when the request names none; at most the stack's ProfileJwtMaxSeconds
    #[arg(long, value_name = "DURATION", value_parser = text::duration)]
    pub profile_jwt: Option<Duration>,
    /// Longest life of a profile JWT that a request may name; at most the stack's ProfileJwtMaxSeconds
    #[arg(long, value_name = "DURATION", value_parser = text::duration)]
    pub profile_jwt_max: Option<Duration>,
    /// A ticket ends after such a pause; at most the stack's TicketIdleSeconds
    #[arg(long, value_name = "DURATION", value_parser = text::duration)]
    pub ticket_idle: Option<Duration>,
    /// A ticket ends then, used or not; at most the stack's TicketMaxSeconds
    #[arg(long, value_name = "DURATION", value_parser = text::duration)]
    pub ticket_max: Option<Duration>,
    /// Fewest characters of a new password: 8 to 64
    #[arg(long, value_name = "COUNT", value_parser = text::count)]
    pub password_min_chars: Option<u32>,
    /// How many earlier passwords may not come back: 0 to 10
    #[arg(long, value_name = "COUNT", value_parser = text::count)]
    pub password_history: Option<u32>,
    /// Days after which a password must be changed, 1 to 3650, or never
    #[arg(long, value_name = "DAYS|never", value_parser = text::max_age)]
    pub password_max_age: Option<MaxAge>,
    /// Days before a password's end from which logins say so: 0 to 3650
    #[arg(long, value_name = "DAYS", value_parser = text::days)]
    pub password_warn: Option<Duration>,
    /// Wrong passwords a day from one network before the next has to wait: 1 to 100
    #[arg(long, value_name = "COUNT", value_parser = text::count)]
    pub lockout_per_network: Option<u32>,
    /// The same for all networks together that nobody has logged in from lately: at most 1000
    #[arg(long, value_name = "COUNT", value_parser = text::count)]
    pub lockout_from_strangers: Option<u32>,
    /// The first wait, which each further wrong password doubles: 1s to 1h
    #[arg(long, value_name = "DURATION", value_parser = text::duration)]
    pub lockout_pause: Option<Duration>,
    /// The longest wait: at most 24h
    #[arg(long, value_name = "DURATION", value_parser = text::duration)]
    pub lockout_longest: Option<Duration>,
    /// Whether a password opens an account only once its e-mail address is verified
    #[arg(long, value_name = "yes|no", value_parser = text::yes_or_no)]
    pub verified_email: Option<bool>,
    /// An algorithm that JWTs may be signed with, or any; may be given several times. Refused where the key that signs
    /// now has none of them, unless with --yes
    #[arg(long = "algorithm", value_name = "ALGORITHM|any", value_parser = text::allowed_algorithm)]
    pub algorithms: Vec<Allowed>,
    /// Whether applications may make profiles in it; you always may
    #[arg(long, value_name = "yes|no", value_parser = text::yes_or_no)]
    pub accepts_new_profiles: Option<bool>,
    /// The roles that its applications are told of; several with commas between them
    #[arg(long, value_name = "ROLE,...", value_delimiter = ',', value_parser = text::role)]
    pub available_roles: Vec<String>,
    /// Put a setting back to its default; may be given several times
    #[arg(long = "default", value_enum, value_name = "SETTING")]
    pub defaults: Vec<Setting>,
    /// Don't look whether the key that signs now fits --algorithm
    #[arg(long)]
    pub yes: bool,
}

#[derive(Args)]
pub struct DeleteTenant {
    /// The tenant's name
    #[arg(value_name = "NAME", value_parser = text::tenant)]
    pub name: TenantName,
    /// Don't ask whether it is meant
    #[arg(long)]
    pub yes: bool,
    /// Take the stack's default tenant as well, without which user names that name no tenant lead nowhere
    #[arg(long)]
    pub default_too: bool,
}
