//! `ostiary export`: takes everything out into one file, with the hashes of passwords, encrypted.
//!
//! Invariants: what has ended in the stack is not in the file, since nothing there could end it again; a file has its
//! name and its last line only when it is complete; and memory does not grow with the stack.

mod access_tokens;
mod accounts;
mod destination;
mod recipients;
mod summary;

use std::fmt;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shared::audit;
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, Lookup, Store as _};
use shared::tenant::{Tenant, TenantName};

use crate::arguments::{Export, Form};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{self, Answer};
use crate::record::{Record, VERSION, moment};

use self::accounts::{Account, Listed, Reader};
use self::destination::Destination;
use self::summary::Summary;

/// So many users are read ahead of what is written.
const PAGE: usize = 1000;

/// Longer lines are not taken back; see [`crate::import`].
const LONGEST: usize = crate::import::MAX_ROW_BYTES;

/// So many damaged accounts, and so many records that are too long, are named.
const NAMED: u64 = 100;

/// Takes everything out.
pub async fn run(connection: &Connection, export: Export) -> Result<Answer, Failure> {
    let recipients = recipients::read(&export)?;
    let store = connection.store();
    let tenants = tenants(&store, &export.tenants).await?;
    let destination = Destination::open(&export, &recipients)?;
    audit::detail(if export.plaintext { "plaintext" } else { "encrypted" });
    if export.plaintext {
        output::warn(in_clear(&export), connection.form);
    }
    let to_stdout = export.to.as_os_str() == "-";
    let mut work = Work {
        form: connection.form,
        table: connection.settings.tables.users.clone(),
        now: SystemClock.now(),
        bar: bar(connection.form),
        summary: Summary::new(),
        store,
        export,
        destination,
    };
    let result = tokio::select! {
        result = work.carry_out(&tenants) => result,
        _ = tokio::signal::ctrl_c() => Err(Failure::Outage("interrupted; nothing was kept".to_owned())),
    };
    work.bar.finish_and_clear();
    result?;
    work.destination.finish()?;
    let mut answer = work.summary.answer();
    if to_stdout {
        // Standard output holds the export, and nothing else.
        answer = output::aside(&answer, connection.form);
    }
    let Some(message) = work.summary.lacking() else { return Ok(answer) };
    output::print(&answer, connection.form)?;
    Err(Failure::Refused { field: None, message })
}

/// What to say of an export that is not encrypted.
fn in_clear(export: &Export) -> &'static str {
    if export.no_hashes {
        "this export is not encrypted: who reads it knows every account in it"
    } else {
        "this export is not encrypted: who reads it can guess at every password in it"
    }
}

/// The tenants that are meant, by name.
async fn tenants(store: &DynamoStore, named: &[TenantName]) -> Result<Vec<Tenant>, Failure> {
    if named.is_empty() {
        return Ok(store.tenants().await?);
    }
    let mut tenants: Vec<Tenant> = Vec::with_capacity(named.len());
    for name in named {
        let wanted = Lookup { tenant: Some(name.clone()), ..Lookup::default() };
        let Some(tenant) = store.lookup(wanted).await?.tenant else {
            return Err(Failure::refused("tenant", format!("there is no tenant {name}")));
        };
        if !tenants.iter().any(|other| other.name == tenant.name) {
            tenants.push(tenant);
        }
    }
    Ok(tenants)
}

fn bar(form: Form) -> ProgressBar {
    let shown = std::io::stderr().is_terminal() && form == Form::Text;
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    let style = ProgressStyle::with_template("{spinner} exporting {elapsed} {pos} users, {per_sec} {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// An export under way.
struct Work {
    store: DynamoStore,
    export: Export,
    destination: Destination,
    form: Form,
    table: String,
    now: Timestamp,
    bar: ProgressBar,
    summary: Summary,
}

impl Work {
    async fn carry_out(&mut self, tenants: &[Tenant]) -> Result<(), Failure> {
        let named: Vec<&str> = self.export.tenants.iter().map(TenantName::as_str).collect();
        let line = text(&Record::Header {
            version: VERSION,
            created: moment(self.now),
            from: &self.table,
            tenants: (!named.is_empty()).then_some(named),
            left_out: &self.left_out(),
        })?;
        self.destination.line(&line)?;
        let (closing, open): (Vec<_>, Vec<_>) = tenants.iter().partition(|tenant| tenant.closing);
        self.summary.closing = closing.len();
        for tenant in &open {
            self.write(&Record::of_tenant(tenant), format_args!("the tenant {}", tenant.name))?;
            self.summary.tenants += 1;
        }
        for tenant in &open {
            self.bar.set_message(format!("in {}", output::printable(tenant.name.as_str())));
            self.users(&tenant.name).await?;
        }
        self.access_tokens().await?;
        let end = text(&Record::End { records: self.summary.records })?;
        self.destination.line(&end)
    }

    fn left_out(&self) -> Vec<&'static str> {
        let choices = [
            (self.export.no_hashes, "hashes"),
            (self.export.no_auth_headers, "auth headers"),
            (self.export.no_access_tokens, "access tokens"),
        ];
        choices.into_iter().filter(|(left_out, _)| *left_out).map(|(_, what)| what).collect()
    }

    async fn users(&mut self, tenant: &TenantName) -> Result<(), Failure> {
        let reader = Reader {
            store: self.store.clone(),
            tenant: tenant.clone(),
            parallel: usize::from(self.export.parallel),
            auth_headers: !self.export.no_auth_headers,
            now: self.now,
        };
        let mut start: Option<String> = None;
        loop {
            let page = self.store.users_of(tenant, start.as_deref(), PAGE).await?;
            let accounts = reader.read(&page.items).await?;
            for listed in &accounts {
                self.listed(listed)?;
            }
            // After their users: an import need then hardly ever wait for one.
            for account in accounts.iter().filter_map(Listed::account) {
                self.auth_headers(account)?;
            }
            match page.next {
                Some(next) => start = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn listed(&mut self, listed: &Listed) -> Result<(), Failure> {
        match listed {
            Listed::Vanished => self.summary.vanished += 1,
            Listed::Damaged(user) => {
                self.summary.damaged += 1;
                if self.summary.damaged <= NAMED {
                    self.warn(&format!("the user {} of tenant {} has no credential", user.id, user.tenant));
                }
            }
            Listed::Account(account) => {
                let credential = Some(&account.credential).filter(|_| !self.export.no_hashes);
                let user = &account.user;
                let name = format_args!("the user {} of tenant {}", user.id, user.tenant);
                self.write(&Record::of_user(user, credential), name)?;
                self.summary.user(credential);
                self.bar.inc(1);
            }
        }
        Ok(())
    }

    fn auth_headers(&mut self, account: &Account) -> Result<(), Failure> {
        for header in &account.auth_headers {
            let name = format_args!("an auth header of the user {}", account.user.id);
            self.write(&Record::of_auth_header(header, &account.user), name)?;
            self.summary.auth_headers += 1;
        }
        self.summary.ended += account.ended;
        Ok(())
    }

    async fn access_tokens(&mut self) -> Result<(), Failure> {
        if self.export.no_access_tokens {
            return Ok(());
        }
        let listed = self.store.access_tokens().await?;
        for token in access_tokens::read(&self.store, &listed, usize::from(self.export.parallel)).await? {
            match token {
                None => self.summary.deleted += 1,
                Some(token) if token.is_expired(self.now) => self.summary.expired += 1,
                Some(token) if access_tokens::stay_within(&token, &self.export.tenants) => {
                    let name = format_args!("the access token {}", token.digest.to_base64url());
                    self.write(&Record::of_access_token(&token), name)?;
                    self.summary.access_tokens += 1;
                }
                Some(_) => self.summary.elsewhere += 1,
            }
        }
        Ok(())
    }

    /// Writes the record of what goes by the `name`.
    fn write(&mut self, record: &Record<'_>, name: fmt::Arguments<'_>) -> Result<(), Failure> {
        let line = text(record)?;
        if line.len() > LONGEST {
            self.summary.too_long += 1;
            if self.summary.too_long <= NAMED {
                self.warn(&format!(
                    "{name} has a record of {} bytes, and no import takes more than {LONGEST}",
                    line.len()
                ));
            }
        }
        self.summary.records += 1;
        self.destination.line(&line)
    }

    fn warn(&self, message: &str) {
        self.bar.suspend(|| output::warn(message, self.form));
    }
}

fn text(record: &Record<'_>) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(record).map_err(|error| Failure::Outage(format!("a record can't be written: {error}")))
}
