//! The command line: every argument is read into a type that can't be wrong.
//!
//! Nothing here implements `Debug`: an argument may be an access token.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use shared::access_token::TenantPermission;
use shared::clock::Timestamp;
use shared::keyring::Algorithm;
use shared::tenant::TenantName;
use shared::user::{Email, UserId, UserName};

use crate::text::{self, Secret};

const ABOUT: &str = "Operates an Ostiary stack: its tenants, users, applications' access tokens and signing keys.

Which stack: --stack NAME reads the outputs of a deployed CloudFormation stack, --local uses the cloud that `cargo \
local` runs, --env-file FILE takes the OSTIARY_* variables from a file. With none of these, they come from the \
environment.

A command that changes something, with --stack, also writes an audit event into the log group of the stack's \
functions. If that fails, a warning says so; what was done stays done. Without --stack no event is written.

AWS is reached with your ordinary configuration: environment, profiles, SSO, regions, AWS_ENDPOINT_URL.";

const EXAMPLES: &str = "Examples:
  ostiary --stack my-auth keys init
  ostiary --stack my-auth tenant create acme
  ostiary --stack my-auth user create --tenant acme --username jane --role tenant-admin
  ostiary --local user show --tenant demo --username demo --output json

Exit codes: 0 done; 1 refused (exists already, not found); 2 wrong input or settings; 3 an outage: try again.";

const TENANT_CREATE: &str = "Examples:
  ostiary --stack my-auth tenant create acme";

const USER_CREATE: &str = "Examples:
  ostiary --stack my-auth user create --tenant acme --username jane --email jane@example.com
  pass show jane | head -n 1 | ostiary --stack my-auth user create --username jane --password-stdin
  ostiary --local user create --username robot --no-password --attribute team=night";

const USER_SHOW: &str = "Examples:
  ostiary --stack my-auth user show --tenant acme --username jane
  ostiary --stack my-auth user show --id 6f1c1bb8-2c4e-4b6e-9d0c-5f7c7a6f7d10 --output json";

const ACCESS_TOKEN_CREATE: &str = "Examples:
  ostiary --stack my-auth access-token create --application shop \\
      --tenant acme=READ_TENANT,MANAGE_PROFILES,MANAGE_TICKETS --expires 2027-12-31T00:00:00Z
  ostiary --stack my-auth access-token create --application console --tenant '*' --master

Actions: CREATE_TENANT READ_TENANT UPDATE_TENANT DELETE_TENANT MANAGE_PROFILES MANAGE_TICKETS, or * for all of them.";

const ACCESS_TOKEN_DELETE: &str = "Examples:
  ostiary --stack my-auth access-token delete nVjKQbNkTtS5b4fF5d7TgkMNv0cQm1oFh7o3S8d1y2E
  ostiary --stack my-auth access-token delete - < leaked-token.txt";

const KEYS_INIT: &str = "Examples:
  ostiary --stack my-auth keys init
  ostiary --stack my-auth keys init --algorithm ES256";

const KEYS_ROTATE: &str = "Examples:
  ostiary --stack my-auth keys rotate
  ostiary --stack my-auth keys rotate --no-wait

The new key is published at once and signs after four hours, when every cache knows it. The old one goes on verifying \
what it signed. If somebody else has a key, this does not end it: `ostiary keys retire` does.";

const KEYS_RETIRE: &str = "Examples:
  ostiary --stack my-auth keys show
  ostiary --stack my-auth keys retire 4Zr0mS2yqCw3oJb1hTtV9A
  ostiary --stack my-auth keys retire --yes 4Zr0mS2yqCw3oJb1hTtV9A 8dXn0p5QyH2kLr7uFsEw1g

Every JWT that the key signed is refused from then on: by Ostiary within five minutes (an hour where Secrets Manager \
can't be reached), by others that follow the JWKS's header within ten.";

/// What was asked.
#[derive(Parser)]
#[command(
    name = "ostiary",
    version,
    about = "Operates an Ostiary stack",
    long_about = ABOUT,
    after_help = EXAMPLES,
    arg_required_else_help = true
)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Which stack, how to reach it, how to answer.
#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Form of answers and errors: for people or for programs
    #[arg(long, global = true, value_enum, value_name = "FORM", default_value = "text")]
    pub output: Form,
    /// A deployed CloudFormation stack, whose outputs tell its tables and its secret
    #[arg(long, global = true, value_name = "NAME")]
    pub stack: Option<String>,
    /// The cloud that `cargo local` runs: the nearest .local/env here or in a folder above
    #[arg(long, global = true)]
    pub local: bool,
    /// A file of variables (NAME=VALUE lines or one JSON object) instead of the environment
    #[arg(long, global = true, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Where all AWS services answer, instead of AWS itself
    #[arg(long, global = true, value_name = "URL", value_parser = text::url)]
    pub endpoint_url: Option<String>,
    /// Profile of the AWS configuration
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// AWS region
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
}

/// How answers and errors are written: for people, or as one JSON object for programs.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    Text,
    Json,
}

#[derive(Subcommand)]
pub enum Command {
    /// Tenants: the names that own users
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Users (profiles) and their passwords
    #[command(subcommand)]
    User(UserCommand),
    /// Access tokens: the credentials of applications (accessTokenId, x-api-key)
    #[command(subcommand)]
    AccessToken(AccessTokenCommand),
    /// Keys that sign JWTs
    #[command(subcommand)]
    Keys(KeysCommand),
}

#[derive(Subcommand)]
pub enum TenantCommand {
    /// Make a tenant
    #[command(after_help = TENANT_CREATE)]
    Create {
        /// Its name: letters, digits, '.', '_' and '-'; upper and lower case differ
        #[arg(value_name = "NAME", value_parser = text::tenant)]
        name: TenantName,
    },
    /// List all tenants
    List,
}

#[derive(Subcommand)]
pub enum UserCommand {
    /// Make a user; asks for the password, twice
    #[command(after_help = USER_CREATE)]
    Create(Box<NewUser>),
    /// Show everything about a user but secrets
    #[command(after_help = USER_SHOW)]
    Show(Which),
    /// Disable a user: ends its tickets, logins and auth headers for good
    Disable(Which),
    /// Enable a user again; what disabling ended does not come back
    Enable(Which),
    /// Forget the wrong passwords that were tried, so that the next right one need not wait
    Unlock(Which),
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

#[derive(Subcommand)]
pub enum AccessTokenCommand {
    /// Make an access token, and show it this one time
    #[command(after_help = ACCESS_TOKEN_CREATE)]
    Create(NewAccessToken),
    /// List all access tokens by their ids; the tokens themselves are not stored
    List,
    /// Delete an access token: no application gets in with it any more
    #[command(after_help = ACCESS_TOKEN_DELETE)]
    Delete {
        /// Its id from the list; - reads the id or the token itself from standard input, where neither the shell's
        /// history nor the list of processes shows it
        #[arg(value_name = "ID|-", value_parser = text::secret, allow_hyphen_values = true)]
        which: Secret,
    },
}

#[derive(Args)]
pub struct NewAccessToken {
    /// Name of the application that will use it
    #[arg(long, value_name = "NAME", value_parser = text::application)]
    pub application: String,
    /// What it may do in a tenant; may be given several times. * stands for any tenant, * for any action, and * alone
    /// for everything everywhere
    #[arg(long = "tenant", value_name = "TENANT=ACTION,...", value_parser = text::permission)]
    #[arg(required_unless_present = "master")]
    pub permissions: Vec<TenantPermission>,
    /// Allow it to manage access tokens
    #[arg(long)]
    pub master: bool,
    /// When it ends, as 2027-12-31T00:00:00Z or with an offset [default: never]
    #[arg(long, value_name = "DATE-TIME", value_parser = text::date_time)]
    pub expires: Option<Timestamp>,
}

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make the stack's first signing key. Never touches a keyset that has keys
    #[command(after_help = KEYS_INIT)]
    Init {
        /// RS256, ES256 or EdDSA; API Gateway's own JWT authorizer takes RS256 only [default: what the stack's
        /// parameter SigningAlgorithm says, else RS256]
        #[arg(long, value_name = "ALGORITHM", value_parser = text::algorithm)]
        algorithm: Option<Algorithm>,
    },
    /// Rotate the keys now: Secrets Manager makes a new key, and the old ones are let out
    #[command(after_help = KEYS_ROTATE)]
    Rotate {
        /// Don't wait until the new key is published
        #[arg(long)]
        no_wait: bool,
    },
    /// Take a key out at once, as when somebody else has it: what it signed is refused
    #[command(after_help = KEYS_RETIRE)]
    Retire {
        /// The key's id from the list; may be given several times
        #[arg(value_name = "KID", value_parser = text::kid, required = true)]
        kids: Vec<String>,
        /// Don't ask whether it is meant
        #[arg(long)]
        yes: bool,
    },
    /// Show the keys and what each is used for now; no private part
    Show,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(arguments: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(["ostiary"].into_iter().chain(arguments.split(' ')))
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_are_taken_before_and_after_the_command() {
        for line in ["--output json --local tenant list", "tenant list --local --output json"] {
            let arguments = parse(line).unwrap_or_else(|error| panic!("{error}"));
            assert!(arguments.global.local && arguments.global.output == Form::Json, "{line}");
        }
    }

    #[test]
    fn what_must_not_be_given_together_is_refused() {
        for line in [
            "user show",
            "user show --tenant a",
            "user show --id a --username b",
            "user disable --id a --tenant b",
            "user create --username a --password-stdin --no-password",
            "user create --username a --password secret",
            "access-token create --application a",
            "access-token create --tenant a=*",
            "access-token delete",
            "keys init --algorithm HS256",
            "keys retire",
            "keys retire --yes",
            "keys retire a/b",
            "tenant create",
            "tenant create a/b",
        ] {
            assert!(parse(line).is_err_and(|error| error.exit_code() == 2), "{line}");
        }
    }

    #[test]
    fn no_argument_takes_a_password() {
        let create = Arguments::command();
        let create = create.find_subcommand("user").and_then(|user| user.find_subcommand("create")).unwrap();
        let passwords = create.get_arguments().filter(|argument| argument.get_id().as_str().contains("password"));
        for argument in passwords {
            assert!(!argument.get_action().takes_values(), "{}", argument.get_id());
        }
    }
}
