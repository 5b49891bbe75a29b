//! The arguments of `ostiary export`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use shared::tenant::TenantName;

use crate::text;

pub const HELP: &str = "Examples:
  age-keygen --output backup.key
  ostiary --stack my-auth export --to all.jsonl.age --recipient age1…
  ostiary --stack my-auth export --to acme.jsonl.age --tenant acme --recipients-file recipients.txt
  ostiary --stack my-auth export --to - --recipient age1… | aws s3 cp - s3://bucket/all.jsonl.age
  ostiary --stack my-auth export --to users.jsonl --plaintext --no-hashes --no-auth-headers
  ostiary --stack other-auth import all.jsonl.age --identity backup.key

The file is lines of JSON: tenants with their settings, users with the hashes of their passwords, the digests of auth \
headers and access tokens. Where it is imported, the same passwords, auth headers and access tokens open the same \
accounts as here.

Not in it: logins, tickets, tokens for resetting a password or verifying an address, what lockout counts, signing keys, \
and the pepper. A hash that was made with a pepper opens nothing without it: the stack that imports it must have the \
same one. Nor is anything in it that has ended here, such as the auth headers of who was disabled.

The stack goes on meanwhile, so of what changes during the export some is in it and some is not.

The file has its name once it is complete; until then it is FILE.….part, which is left behind only if the tool is \
killed, and may be deleted then.

Exit code 1 means that users were found damaged and left out, or that records in the file are longer (64 KiB) than an \
import takes. Both are named; all others are in the file and can be imported. 3 is an outage or Ctrl-C; no file is kept.";

/// What to take out, and to where.
#[derive(Args)]
#[command(group = ArgGroup::new("encryption").required(true).multiple(true))]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Export {
    /// The file to write; - writes to standard output
    #[arg(long, value_name = "FILE|-")]
    pub to: PathBuf,
    /// Only this tenant with its users, and the access tokens that are for it alone; may be given several times
    /// [default: everything]
    #[arg(long = "tenant", value_name = "TENANT", value_parser = text::tenant)]
    pub tenants: Vec<TenantName>,
    /// Whose key opens the file: an age recipient (age1…); may be given several times
    #[arg(long = "recipient", value_name = "RECIPIENT", group = "encryption")]
    pub recipients: Vec<String>,
    /// A file with an age recipient on each line
    #[arg(long, value_name = "FILE", group = "encryption")]
    pub recipients_file: Option<PathBuf>,
    /// Don't encrypt: who reads the file can guess at every password whose hash is in it, as fast as their machines allow
    #[arg(long, group = "encryption", conflicts_with_all = ["recipients", "recipients_file"])]
    pub plaintext: bool,
    /// Leave out the hashes of passwords: everybody needs a new password where the file is imported
    #[arg(long)]
    pub no_hashes: bool,
    /// Leave out auth headers, which saves a call for each user
    #[arg(long)]
    pub no_auth_headers: bool,
    /// Leave out access tokens
    #[arg(long)]
    pub no_access_tokens: bool,
    /// Replace a file that exists
    #[arg(long)]
    pub overwrite: bool,
    /// Don't ask whether it is meant: show an export in plaintext on a terminal
    #[arg(long)]
    pub yes: bool,
    /// How many calls to make at a time
    #[arg(long, value_name = "COUNT", default_value = "16", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub parallel: u8,
}
