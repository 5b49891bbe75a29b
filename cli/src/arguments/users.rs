//! The arguments of `ostiary user`.

use clap::{Args, Subcommand};
use shared::clock::Timestamp;
use shared::tenant::TenantName;
use shared::user::{Email, UserId, UserName};

use crate::text;

const CREATE: &str = "Examples:
  ostiary --stack my-auth user create --tenant acme --username jane --email jane@example.com
  pass show jane | head -n 1 | ostiary --stack my-auth user create --username jane --password-stdin
  ostiary --local user create --username robot --no-password --attribute team=night";

const LIST: &str = "Examples:
  ostiary --stack my-auth user list --tenant acme
  ostiary --stack my-auth user list --tenant acme --limit 1000 --output json
  ostiary --stack my-auth user list --tenant acme --all --output json

Users come sorted by name. A user who was just made or renamed may be missing for a moment.";

const SHOW: &str = "Examples:
  ostiary --stack my-auth user show --tenant acme --username jane
  ostiary --stack my-auth user show --id 6f1c1bb8-2c4e-4b6e-9d0c-5f7c7a6f7d10 --output json";

const UPDATE: &str = "Examples:
  ostiary --stack my-auth user update --username jane --add-role tenant-admin
  ostiary --stack my-auth user update --username jane --email jane@example.org --verified yes
  ostiary --stack my-auth user update --username jane --rename jane.doe --last-name Doe
  ostiary --stack my-auth user update --id 6f1c1bb8-2c4e-4b6e-9d0c-5f7c7a6f7d10 --attribute team=night

What is not given stays as it is. Names, roles and attributes hold from the next request on; what a JWT says of them is \
as old as the JWT. Tickets and auth headers go on.";

const SET_PASSWORD: &str = "Examples:
  ostiary --stack my-auth user set-password --username jane
  ostiary --stack my-auth user set-password --username jane --must-change --end-auth-headers
  pass show jane | head -n 1 | ostiary --stack my-auth user set-password --username jane --password-stdin

Asks for the new password, twice, and holds it to the rules of the tenant. Ends every login and ticket of the user, and \
forgets the wrong passwords that were tried.";

const EXPIRE_PASSWORD: &str = "Examples:
  ostiary --stack my-auth user expire-password --username jane
  ostiary --stack my-auth user expire-password --username jane --at 2027-12-31T00:00:00Z
  ostiary --stack my-auth user expire-password --username jane --never

From then on the password opens nothing, but its owner can change it. Logins, tickets and auth headers that there are go \
on. --never takes back what this command set; what the tenant says of the age of passwords stays.";

const DELETE: &str = "Examples:
  ostiary --stack my-auth user delete --tenant acme --username jane
  ostiary --stack my-auth user delete --id 6f1c1bb8-2c4e-4b6e-9d0c-5f7c7a6f7d10 --yes

Everything of the user ends at once and is deleted: password, name, address, tickets and auth headers. If it ends before \
that, the user is disabled, and the same command goes on.";

const SEND_VERIFICATION: &str = "Examples:
  ostiary --stack my-auth user send-verification --tenant acme --username jane

Puts an event on the stack's bus, which a rule of yours turns into mail, as a forgotten password does. The token in it is \
good for 24 hours and shown to nobody else. A user is sent one message a minute.";

#[derive(Subcommand)]
pub enum UserCommand {
    /// Make a user; asks for the password, twice
    #[command(after_help = CREATE)]
    Create(Box<NewUser>),
    /// List the users of a tenant
    #[command(after_help = LIST)]
    List(ListUsers),
    /// Show everything about a user but secrets
    #[command(after_help = SHOW)]
    Show(Which),
    /// Change a user's names, address, roles and attributes
    #[command(after_help = UPDATE)]
    Update(Box<UpdateUser>),
    /// Set a user's password
    #[command(after_help = SET_PASSWORD)]
    SetPassword(SetPassword),
    /// Make a user change the password
    #[command(after_help = EXPIRE_PASSWORD)]
    ExpirePassword(ExpirePassword),
    /// Disable a user: ends its tickets, logins and auth headers for good
    Disable(Which),
    /// Enable a user again; what disabling ended does not come back
    Enable(Which),
    /// Forget the wrong passwords that were tried, so that the next right one need not wait
    Unlock(Which),
    /// Send a user a token that shows whose the e-mail address is
    #[command(after_help = SEND_VERIFICATION)]
    SendVerification(Which),
    /// Delete a user; asks whether it is meant
    #[command(after_help = DELETE)]
    Delete(DeleteUser),
}

#[derive(Args)]
pub struct NewUser {
    /// Tenant that owns the user [default: the stack's default tenant]
    #[arg(long, value_name = "TENANT", value_parser = text::tenant)]
    pub tenant: Option<TenantName>,
    /// User name, unique in the tenant in whatever spelling
    #[arg(long, value_name = "NAME", value_parser = text::user_name)]
    pub username: UserName,
    /// E-mail address, unique in the tenant
    #[arg(long, value_name = "ADDRESS", value_parser = text::email)]
    pub email: Option<Email>,
    /// The address is known to be the user's own
    #[arg(long, requires = "email")]
    pub verified: bool,
    /// First name
    #[arg(long, value_name = "NAME", value_parser = text::person_name)]
    pub first_name: Option<String>,
    /// Last name
    #[arg(long, value_name = "NAME", value_parser = text::person_name)]
    pub last_name: Option<String>,
    /// A role; may be given several times. tenant-admin administers the tenant
    #[arg(long = "role", value_name = "ROLE", value_parser = text::role)]
    pub roles: Vec<String>,
    /// An attribute; may be given several times
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = text::attribute)]
    pub attributes: Vec<(String, String)>,
    /// Id, for a user who comes from elsewhere [default: a new UUID]
    #[arg(long, value_name = "ID", value_parser = text::user_id)]
    pub id: Option<UserId>,
    /// Read the password from standard input: one line
    #[arg(long, conflicts_with = "no_password")]
    pub password_stdin: bool,
    /// Make an account without a password, which can't log in with one
    #[arg(long)]
    pub no_password: bool,
}

/// Names a user.
#[derive(Args)]
pub struct Which {
    /// The user's tenant [default: the stack's default tenant]
    #[arg(long, value_name = "TENANT", value_parser = text::tenant)]
    pub tenant: Option<TenantName>,
    /// The user's name
    #[arg(long, value_name = "NAME", value_parser = text::user_name, required_unless_present = "id")]
    pub username: Option<UserName>,
    /// The user's id, instead of tenant and name
    #[arg(long, value_name = "ID", value_parser = text::user_id, conflicts_with_all = ["tenant", "username"])]
    pub id: Option<UserId>,
}

#[derive(Args)]
pub struct ListUsers {
    /// The tenant [default: the stack's default tenant]
    #[arg(long, value_name = "TENANT", value_parser = text::tenant)]
    pub tenant: Option<TenantName>,
    /// At most so many users
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// All users, however many
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
}

#[derive(Args)]
pub struct UpdateUser {
    #[command(flatten)]
    pub which: Which,
    /// New first name
    #[arg(long, value_name = "NAME", value_parser = text::person_name)]
    pub first_name: Option<String>,
    /// Take the first name away
    #[arg(long, conflicts_with = "first_name")]
    pub no_first_name: bool,
    /// New last name
    #[arg(long, value_name = "NAME", value_parser = text::person_name)]
    pub last_name: Option<String>,
    /// Take the last name away
    #[arg(long, conflicts_with = "last_name")]
    pub no_last_name: bool,
    /// A role, instead of all that there are; may be given several times
    #[arg(long = "role", value_name = "ROLE", value_parser = text::role, conflicts_with_all = ["added_roles", "removed_roles"])]
    pub roles: Vec<String>,
    /// A role more; may be given several times. tenant-admin administers the tenant
    #[arg(long = "add-role", value_name = "ROLE", value_parser = text::role)]
    pub added_roles: Vec<String>,
    /// A role less; may be given several times
    #[arg(long = "remove-role", value_name = "ROLE", value_parser = text::role)]
    pub removed_roles: Vec<String>,
    /// An attribute; may be given several times
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = text::attribute)]
    pub attributes: Vec<(String, String)>,
    /// An attribute less; may be given several times
    #[arg(long = "remove-attribute", value_name = "NAME", value_parser = text::attribute_name)]
    pub removed_attributes: Vec<String>,
    /// New e-mail address, which is not verified unless --verified says so
    #[arg(long, value_name = "ADDRESS", value_parser = text::email)]
    pub email: Option<Email>,
    /// Take the e-mail address away
    #[arg(long, conflicts_with_all = ["email", "verified"])]
    pub no_email: bool,
    /// Whether the address is known to be the user's own
    #[arg(long, value_name = "yes|no", value_parser = text::yes_or_no)]
    pub verified: Option<bool>,
    /// New user name
    #[arg(long, value_name = "NAME", value_parser = text::user_name)]
    pub rename: Option<UserName>,
}

#[derive(Args)]
pub struct SetPassword {
    #[command(flatten)]
    pub which: Which,
    /// Read the password from standard input: one line
    #[arg(long)]
    pub password_stdin: bool,
    /// Make its owner change it before it opens anything
    #[arg(long)]
    pub must_change: bool,
    /// End the user's auth headers as well
    #[arg(long)]
    pub end_auth_headers: bool,
}

#[derive(Args)]
pub struct ExpirePassword {
    #[command(flatten)]
    pub which: Which,
    /// When, as 2027-12-31T00:00:00Z or with an offset [default: now]
    #[arg(long, value_name = "DATE-TIME", value_parser = text::date_time)]
    pub at: Option<Timestamp>,
    /// Take the end away
    #[arg(long, conflicts_with = "at")]
    pub never: bool,
}

#[derive(Args)]
pub struct DeleteUser {
    #[command(flatten)]
    pub which: Which,
    /// Don't ask whether it is meant
    #[arg(long)]
    pub yes: bool,
}
