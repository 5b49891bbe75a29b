//! The command line: every argument is read into a type that can't be wrong.
//!
//! Nothing here implements `Debug`: an argument may be an access token.

mod cost;
mod export;
mod kdf;
mod restore;
mod tenants;
mod users;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use shared::access_token::TenantPermission;
use shared::clock::Timestamp;
use shared::keyring::Algorithm;
use shared::password::pepper::KeyId;
use shared::tenant::TenantName;

pub use self::cost::{Architecture, Cost};
pub use self::export::Export;
pub use self::kdf::{Calibrate, KdfCommand};
pub use self::restore::{Compared, KeepEnded, Missing, Restore, RestoreStep, Table};
pub use self::tenants::{DeleteTenant, SetTenant, TenantCommand};
pub use self::users::{DeleteUser, ExpirePassword, ListUsers, NewUser, SetPassword, UpdateUser, UserCommand, Which};
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
  ostiary --stack my-auth import users.csv --tenant acme --dry-run

Exit codes: 0 done; 1 refused (exists already, not found); 2 wrong input or settings; 3 an outage: try again; \
130 interrupted: ended at once, with no audit event.";

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

const PEPPER_INIT: &str = "Examples:
  ostiary --stack my-auth pepper init

Deploy the stack with the parameter Pepper=verify-only before, and with Pepper=required after it.";

const PEPPER_ROTATE: &str = "Examples:
  ostiary --stack my-auth pepper rotate

Hashes of the old pepper are made anew as their users log in. The old one stays, since those who don't log in need it.";

const PEPPER_DROP: &str = "Examples:
  ostiary --stack my-auth pepper show
  ostiary --stack my-auth pepper drop mzq3k7ya

Nobody can check a password any more whose hash was made with it: its user needs a new one.";

const IMPORT: &str = "Examples:
  ostiary --stack my-auth import users.csv --tenant acme --dry-run
  ostiary --stack my-auth import users.jsonl --tenant acme --errors refused.jsonl --checkpoint users.checkpoint
  ostiary --stack my-auth import realm.json --format keycloak --tenant acme
  ostiary --stack my-auth import hashes.ndjson --format auth0 --tenant acme
  ostiary --stack my-auth import users.json --format firebase --firebase-hash-config hash-config.txt --tenant acme
  gunzip --stdout users.jsonl.gz | ostiary --stack my-auth import - --format jsonl --tenant acme
  ostiary --stack other-auth import all.jsonl.age --identity backup.key --with-credentials

Formats:
  jsonl     one JSON object to a line: username (the only one that must be there), id, tenant, email, emailVerified,
            firstName, lastName, displayName, application, enabled, roles, attributes, created, modified,
            passwordHash, passwordSalt, passwordChanged, passwordExpires, passwordHistory
  csv       the same names as columns; roles separated by ;, attributes as columns attribute.NAME
  keycloak  a realm with its users, as `kc.sh export` writes it
  auth0     an export of password hashes or of users (lines of JSON, CSV), or a file for Auth0's own bulk import
  firebase  what `firebase auth:export users.json` writes

passwordHash is taken as other systems write it: PHC strings (Argon2, scrypt, PBKDF2), bcrypt, Django's \
pbkdf2_sha256$…, LDAP's {SSHA}…, and salted SHA-256 done 1,001 times (hash|salt). Everybody signs in with the old \
password, which is hashed anew at the first time.

Accounts that exist already (the same id and name, or the same name where the row has no id) are left as they are, so \
an import can be repeated. With --checkpoint it goes on where it ended.

\
A file is as powerful as you are: it makes administrators (role tenant-admin), which the summary counts, and with \
--with-credentials it makes access tokens. Look who made it.

\
Exit codes: 1, rows were not imported, which are listed by line number, or an export is not complete; all else was. \
2, wrong input, a file that can't be read to its end too. 3, an outage or Ctrl-C. 130, Ctrl-C twice, with neither \
summary nor audit event. After each of them what was imported stays, and the same command goes on.";

const COMPLETIONS: &str = "Examples:
  ostiary completions bash > ~/.local/share/bash-completion/completions/ostiary
  ostiary completions zsh > ~/.zfunc/_ostiary
  ostiary completions fish > ~/.config/fish/completions/ostiary.fish

Needs no stack.";

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
    /// The pepper: keys that go into password hashes
    #[command(subcommand)]
    Pepper(PepperCommand),
    /// Move users in from a file, with the hashes of their passwords
    #[command(after_help = IMPORT)]
    Import(Box<Import>),
    /// Take everything out into one encrypted file: tenants, users with the hashes of their passwords, credentials
    #[command(after_help = export::HELP)]
    Export(Box<Export>),
    /// Make new tables of what was in the stack's at an earlier moment
    #[command(after_help = restore::HELP)]
    Restore(Box<Restore>),
    /// Reckon what a stack costs in a month
    #[command(after_help = cost::HELP, allow_negative_numbers = true)]
    Cost(Box<Cost>),
    /// The password hash: what it may cost
    #[command(subcommand)]
    Kdf(KdfCommand),
    /// Print the completions of a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// For which
        #[arg(value_enum, value_name = "SHELL")]
        shell: Shell,
    },
}

#[derive(Args)]
pub struct Import {
    /// The file; - reads standard input
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    /// The age key of an encrypted file, such as `ostiary export` writes: the file that age-keygen made
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// What the file is [default: by its name, for .jsonl, .ndjson and .csv, each also with .age behind it]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<ImportFormat>,
    /// Tenant of users whose row names none; rows that name another one are refused [default: the stack's default
    /// tenant, and whatever tenants the rows name]
    #[arg(long, value_name = "TENANT", value_parser = text::tenant)]
    pub tenant: Option<TenantName>,
    /// Read and check everything, and write nothing. Doesn't look which users exist already
    #[arg(long)]
    pub dry_run: bool,
    /// What to do about users that exist already: count them, or list them as well and end with exit code 1
    #[arg(long, value_enum, value_name = "WHAT", default_value = "skip")]
    pub on_existing: OnExisting,
    /// A new file for the rows that are not imported, as lines of JSON: line, username, field and rule. One of an earlier
    /// import is begun anew, or goes on where a checkpoint does
    #[arg(long, value_name = "FILE")]
    pub errors: Option<PathBuf>,
    /// A file that notes how far the import came, so that the same command goes on from there
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// The password hash parameters of a Firebase project, as its console shows them or as JSON
    #[arg(long, value_name = "FILE")]
    pub firebase_hash_config: Option<PathBuf>,
    /// Take the auth headers and access tokens of an export, too: each of them opens here what it opened there
    #[arg(long)]
    pub with_credentials: bool,
    /// Take user names that mix alphabets whose letters look alike, such as Latin and Cyrillic
    #[arg(long)]
    pub allow_mixed_alphabets: bool,
    /// How many calls to make at a time
    #[arg(long, value_name = "COUNT", default_value = "8", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub parallel: u8,
}

/// What kind of file users come in.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportFormat {
    Jsonl,
    Csv,
    Keycloak,
    Auth0,
    Firebase,
}

impl ImportFormat {
    /// As it is spelled on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Keycloak => "keycloak",
            Self::Auth0 => "auth0",
            Self::Firebase => "firebase",
        }
    }
}

/// What to do about users that exist already.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnExisting {
    Skip,
    Report,
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

#[derive(Subcommand)]
pub enum PepperCommand {
    /// Make the stack's first pepper. Never replaces one
    #[command(after_help = PEPPER_INIT)]
    Init,
    /// Make a new pepper for the hashes from now on, and keep the old ones for theirs
    #[command(after_help = PEPPER_ROTATE)]
    Rotate,
    /// Show the peppers' ids, and which of them goes into new hashes; never the peppers
    Show,
    /// Drop a pepper: who has not logged in since it was the current one loses the password
    #[command(after_help = PEPPER_DROP)]
    Drop {
        /// Its id from the list; never the current one
        #[arg(value_name = "KEYID", value_parser = text::pepper)]
        keyid: KeyId,
        /// Don't ask whether it is meant
        #[arg(long)]
        yes: bool,
    },
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
            "pepper drop",
            "pepper drop --yes",
            "pepper drop a/b",
            "pepper drop 123456789",
            "tenant create",
            "tenant create a/b",
            "import",
            "import users.xml --format xml",
            "import users.csv --parallel 0",
            "restore",
            "restore --to yesterday",
            "restore --to latest --table sessions",
            "restore compare",
            "restore compare --to 2h",
            "restore keep-ended --to 2026-11-22T13:15:00Z --ended a",
            "restore keep-ended --to 2026-11-22T13:15:00Z --missing-is-damage",
            "restore keep-ended --to 2026-11-22T13:15:00Z --distrust --end-sessions",
            "restore keep-ended --to 2026-11-22T13:15:00Z --distrust --before a,b,c,d,e",
            "restore --to latest keep-ended --to 2026-11-22T13:15:00Z",
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
