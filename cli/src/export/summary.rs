//! What is told of an export.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;
use shared::store::Credential;

use crate::output::{Answer, Body};

/// Counts.
pub struct Summary {
    began: Instant,
    /// Lines between the first and the last.
    pub records: u64,
    pub tenants: u64,
    pub users: u64,
    hashes: u64,
    /// Hashes by the id of their pepper.
    peppers: BTreeMap<String, u64>,
    pub auth_headers: u64,
    pub access_tokens: u64,
    /// Users without a credential.
    pub damaged: u64,
    /// Users that were deleted meanwhile.
    pub vanished: u64,
    /// Auth headers that have ended.
    pub ended: usize,
    /// Access tokens that are over.
    pub expired: u64,
    /// Access tokens that were deleted meanwhile.
    pub deleted: u64,
    /// Access tokens for more than the tenants that were named.
    pub elsewhere: u64,
    /// Tenants that are being deleted.
    pub closing: usize,
    /// Lines that no import takes.
    pub too_long: u64,
}

impl Summary {
    /// Begins to count.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            records: 0,
            tenants: 0,
            users: 0,
            hashes: 0,
            peppers: BTreeMap::new(),
            auth_headers: 0,
            access_tokens: 0,
            damaged: 0,
            vanished: 0,
            ended: 0,
            expired: 0,
            deleted: 0,
            elsewhere: 0,
            closing: 0,
            too_long: 0,
        }
    }

    /// Counts a user, with the credential where its hash is in the file.
    pub fn user(&mut self, credential: Option<&Credential>) {
        self.users += 1;
        let Some(phc) = credential.and_then(|credential| credential.phc.as_ref()) else { return };
        self.hashes += 1;
        if let Some(pepper) = phc.pepper() {
            *self.peppers.entry(pepper.to_string()).or_default() += 1;
        }
    }

    /// What an import of the file would lack, if there is something.
    pub fn lacking(&self) -> Option<String> {
        let damaged = format!("{} users have no credential, so they were left out", self.damaged);
        let too_long = format!("{} records are too long to be imported", self.too_long);
        let said = [(self.damaged, damaged), (self.too_long, too_long)].into_iter().filter(|(count, _)| *count > 0);
        let said: Vec<String> = said.map(|(_, text)| text).collect();
        (!said.is_empty()).then(|| format!("{}: see above", said.join("; ")))
    }

    /// The summary.
    pub fn answer(&self) -> Answer {
        let seconds = self.began.elapsed().as_secs_f64();
        let json = json!({
            "records": self.records,
            "tenants": self.tenants,
            "users": self.users,
            "hashes": self.hashes,
            "peppers": self.peppers,
            "authHeaders": self.auth_headers,
            "accessTokens": self.access_tokens,
            "leftOut": {
                "usersWithoutCredential": self.damaged,
                "usersDeletedMeanwhile": self.vanished,
                "authHeadersEnded": self.ended,
                "accessTokensExpired": self.expired,
                "accessTokensDeletedMeanwhile": self.deleted,
                "accessTokensOfOtherTenants": self.elsewhere,
                "tenantsBeingDeleted": self.closing,
            },
            "tooLongToImport": self.too_long,
            "seconds": (seconds * 1000.0).round() / 1000.0,
        });
        let mut record = vec![
            ("tenants", self.tenants.to_string()),
            ("users", self.users.to_string()),
            ("password hashes", self.hashes.to_string()),
            ("auth headers", self.auth_headers.to_string()),
            ("access tokens", self.access_tokens.to_string()),
            ("seconds", format!("{seconds:.1} ({:.0} users/s)", self.rate(seconds))),
        ];
        for (pepper, count) in &self.peppers {
            let needs = "open nothing without it";
            record.push(("note", format!("{count} × hashes made with the pepper {pepper}, which {needs}")));
        }
        let counted = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let notes = [
            (self.damaged, "left out: users without a credential"),
            (self.vanished, "left out: users that were deleted meanwhile"),
            (counted(self.ended), "left out: auth headers that have ended"),
            (self.expired, "left out: access tokens that are over"),
            (self.deleted, "left out: access tokens that were deleted meanwhile"),
            (self.elsewhere, "left out: access tokens for more than the tenants that were named"),
            (counted(self.closing), "left out: tenants that are being deleted, with their users"),
            (self.too_long, "records that are too long to be imported"),
        ];
        let notes = notes.iter().filter(|(count, _)| *count > 0);
        record.extend(notes.map(|(count, what)| ("note", format!("{count} × {what}"))));
        Answer::new(json, Body::Record(record))
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn rate(&self, seconds: f64) -> f64 {
        self.users as f64 / seconds.max(0.001)
    }
}
