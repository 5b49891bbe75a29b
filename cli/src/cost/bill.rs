//! What a month's requests add up to, and what each service bills for it.

use super::prices::List;
use super::requests::{Kept, Request, Table, Units};
use crate::arguments::{Architecture, Cost};

/// Seconds in a month, as AWS counts one: 730 hours.
pub const MONTH_SECONDS: f64 = 2_628_000.0;

/// The same in hours.
pub const MONTH_HOURS: f64 = 730.0;

/// A cached key, of KMS or Secrets Manager, is asked for again after so long.
const CACHED_SECONDS: f64 = 300.0;

/// Lambda gives a function one whole processor from here on.
const WHOLE_PROCESSOR_MIB: f64 = 1769.0;

const MILLION: f64 = 1e6;
const GB: f64 = 1e9;

/// What DynamoDB adds to every item's size when it bills storage.
const ITEM_OVERHEAD_BYTES: f64 = 100.0;

/// What is left of log lines where they are kept.
const LOGS_COMPRESSED: f64 = 0.15;

const MONTH_DAYS: f64 = 30.4;

/// One kind of request, and how many there are in a month.
#[derive(Clone, Copy)]
pub struct Used<'a> {
    pub request: &'a Request,
    pub count: f64,
}

/// What requests take, added up.
#[derive(Clone, Copy, Default)]
pub struct Load {
    pub through_api: f64,
    pub invocations: f64,
    pub gb_seconds: f64,
    pub reads: f64,
    pub writes: f64,
    pub messages: f64,
    pub log_bytes: f64,
    pub out_bytes: f64,
    /// At most: each function asks for each table's key, and for the secrets, at most once in five minutes for every
    /// environment.
    pub key_requests: f64,
    pub secret_reads: f64,
}

impl Load {
    /// An hour of a month that is the same all the time.
    pub fn of_an_hour(self) -> Self {
        Self {
            through_api: self.through_api / MONTH_HOURS,
            invocations: self.invocations / MONTH_HOURS,
            gb_seconds: self.gb_seconds / MONTH_HOURS,
            reads: self.reads / MONTH_HOURS,
            writes: self.writes / MONTH_HOURS,
            messages: self.messages / MONTH_HOURS,
            log_bytes: self.log_bytes / MONTH_HOURS,
            out_bytes: self.out_bytes / MONTH_HOURS,
            key_requests: self.key_requests / MONTH_HOURS,
            secret_reads: self.secret_reads / MONTH_HOURS,
        }
    }

    fn add(&mut self, other: Self) {
        self.through_api += other.through_api;
        self.invocations += other.invocations;
        self.gb_seconds += other.gb_seconds;
        self.reads += other.reads;
        self.writes += other.writes;
        self.messages += other.messages;
        self.log_bytes += other.log_bytes;
        self.out_bytes += other.out_bytes;
        self.key_requests += other.key_requests;
        self.secret_reads += other.secret_reads;
    }
}

/// One line of the bill.
pub struct Line {
    pub service: &'static str,
    pub what: &'static str,
    /// How much of it.
    pub from: String,
    pub dollars: f64,
    /// Whether it is billed in a month without requests, too.
    pub idle: bool,
}

/// What everything is reckoned from.
pub struct Model<'a> {
    pub cost: &'a Cost,
    pub table: &'a Table,
    pub prices: &'a List,
}

impl Model<'_> {
    fn bytes(&self, kept: Kept) -> f64 {
        let stored = &self.cost.stored;
        let given = match kept {
            Kept::Credentials => stored.credential_bytes,
            Kept::Users => stored.user_bytes,
            Kept::Tickets => stored.ticket_bytes,
            Kept::AuthHeaders | Kept::Applications => None,
        };
        given.or_else(|| self.table.sizes.get(&kept).copied()).unwrap_or_default()
    }

    /// The table's units are of items that take one; a longer item takes more of them.
    fn units(&self, units: &Units, bytes_a_unit: f64) -> f64 {
        let each = units.iter().map(|(kept, units)| units * (self.bytes(*kept) / bytes_a_unit).ceil().max(1.0));
        sum(each)
    }

    /// Read units of one request.
    pub fn reads(&self, request: &Request) -> f64 {
        self.units(&request.reads, 4096.0)
    }

    /// Write units of one request, with its share of notes.
    pub fn writes(&self, request: &Request) -> f64 {
        let noted = self.units(&request.noted, 1024.0) * self.cost.month.first_uses / 100.0;
        self.units(&request.writes, 1024.0) + noted
    }

    /// Writes of one table by one request with its share of notes, in units of items that take one each.
    pub fn writes_of(&self, request: &Request, kept: Kept) -> f64 {
        let of = |units: &Units| units.get(&kept).copied().unwrap_or_default();
        of(&request.writes) + of(&request.noted) * self.cost.month.first_uses / 100.0
    }

    /// Seconds that Lambda bills for one request: what it computes at its share of a processor, and every round trip.
    pub fn seconds(&self, request: &Request) -> f64 {
        let times = &self.cost.times;
        let cpu =
            if request.takes_password() { request.hashes * times.kdf_ms + times.password_cpu_ms } else { times.cpu_ms };
        let share = (self.memory(request) / WHOLE_PROCESSOR_MIB).min(1.0);
        (cpu / share + request.trips * times.store_ms).ceil().max(1.0) / 1000.0
    }

    fn memory(&self, request: &Request) -> f64 {
        let stack = &self.cost.stack;
        if request.takes_password() { stack.password_memory_mib } else { stack.memory_mib }
    }

    /// Requests of this kind in the busiest second.
    pub fn peak(&self, used: Used<'_>) -> f64 {
        used.count / MONTH_SECONDS * self.cost.times.peak_factor
    }

    /// Environments that run at once in the busiest second.
    pub fn environments(&self, used: Used<'_>) -> f64 {
        self.peak(used) * self.seconds(used.request)
    }

    fn load_of(&self, used: Used<'_>) -> Load {
        let Used { request, count } = used;
        let watch = &self.cost.watch;
        let through_api = if request.through_api() { count } else { 0.0 };
        let askings = (MONTH_SECONDS / CACHED_SECONDS).min(count);
        let tables = f64::from(u32::try_from(request.tables()).unwrap_or(u32::MAX));
        let environments = self.environments(used).ceil().max(1.0);
        Load {
            through_api,
            invocations: count,
            gb_seconds: count * self.seconds(request) * self.memory(request) / 1024.0,
            reads: count * self.reads(request),
            writes: count * self.writes(request),
            messages: count * request.messages,
            log_bytes: count * watch.log_bytes + through_api * watch.access_log_bytes,
            out_bytes: through_api * self.cost.times.response_bytes,
            key_requests: askings * tables,
            secret_reads: (askings * environments).min(count) * self.cost.stack.secrets,
        }
    }

    /// What requests of several kinds take together.
    pub fn load(&self, used: &[Used<'_>]) -> Load {
        let mut load = Load::default();
        used.iter().filter(|used| used.count > 0.0).for_each(|used| load.add(self.load_of(*used)));
        load
    }

    /// What requests cost beside what the stack costs without any.
    pub fn lines_of(&self, load: &Load) -> Vec<Line> {
        [self.functions(load), self.tables(load), self.beside(load), self.edge(load)].into_iter().flatten().collect()
    }

    fn functions(&self, load: &Load) -> Vec<Line> {
        let prices = self.prices;
        let architecture = self.cost.stack.architecture;
        let gb_seconds = match architecture {
            Architecture::X86 => &prices.lambda_gb_seconds_x86_64,
            Architecture::Arm64 => &prices.lambda_gb_seconds_arm64,
        };
        let memory = format!("{} GB-seconds of {}", number(load.gb_seconds), architecture.name());
        vec![
            Line::used("API Gateway", "requests", plain(load.through_api), prices.api_requests.of(load.through_api)),
            Line::used("Lambda", "requests", plain(load.invocations), prices.lambda_requests.of(load.invocations)),
            Line::used("Lambda", "memory and time", memory, gb_seconds.of(load.gb_seconds)),
        ]
    }

    fn tables(&self, load: &Load) -> Vec<Line> {
        let prices = self.prices;
        let mut lines = vec![
            Line::used(
                "DynamoDB",
                "reads",
                format!("{} units", number(load.reads)),
                prices.dynamodb_reads.of(load.reads),
            ),
            Line::used(
                "DynamoDB",
                "writes",
                format!("{} units", number(load.writes)),
                prices.dynamodb_writes.of(load.writes),
            ),
        ];
        if self.cost.stack.replica {
            let dollars = prices.dynamodb_replicated_writes.of(load.writes);
            lines.push(Line::used(
                "DynamoDB",
                "writes in the replica",
                format!("{} units", number(load.writes)),
                dollars,
            ));
            // A unit holds 1 KB at most.
            let gb = load.writes * 1024.0 / GB;
            let dollars = prices.data_between_regions_gb.of(gb);
            lines.push(Line::used("Data", "to the replica's region", format!("at most {}", size(gb)), dollars));
        }
        lines
    }

    fn beside(&self, load: &Load) -> Vec<Line> {
        let prices = self.prices;
        let logs = load.log_bytes / GB;
        let kept = logs * self.cost.stack.log_retention_days / MONTH_DAYS * LOGS_COMPRESSED;
        let keys = format!("at most {} requests", number(load.key_requests));
        let secrets = format!("at most {}", number(load.secret_reads));
        vec![
            Line::used("KMS", "keys of the tables", keys, prices.key_requests.of(load.key_requests)),
            Line::used("Secrets Manager", "reads", secrets, prices.secret_reads.of(load.secret_reads)),
            Line::used("EventBridge", "messages to people", plain(load.messages), prices.messages.of(load.messages)),
            Line::used("CloudWatch", "log lines", size(logs), prices.logs_gb.of(logs)),
            Line::used("CloudWatch", "logs kept", format!("{}, compressed", size(kept)), prices.logs_kept_gb.of(kept)),
        ]
    }

    fn edge(&self, load: &Load) -> Vec<Line> {
        let prices = self.prices;
        let out = load.out_bytes / GB;
        if !self.cost.stack.edge {
            return vec![Line::used("Data", "out to the internet", size(out), prices.data_out_gb.of(out))];
        }
        let requests = || plain(load.through_api);
        vec![
            Line::used("CloudFront", "requests", requests(), prices.edge_requests.of(load.through_api)),
            Line::used("CloudFront", "functions", requests(), prices.edge_functions.of(load.through_api)),
            Line::used("CloudFront", "data out", size(out), prices.edge_data_out_gb.of(out)),
            Line::used("WAF", "requests", requests(), prices.firewall_requests.of(load.through_api)),
        ]
    }

    /// What the stack costs whether anybody uses it or not.
    pub fn standing(&self, logins: f64, users: f64) -> Vec<Line> {
        let (prices, stack, watch) = (self.prices, &self.cost.stack, &self.cost.watch);
        let regions = if stack.replica { 2.0 } else { 1.0 };
        let (stored, recoverable) = self.gb(logins, users);
        // CloudFront and the API share a secret.
        let secrets = stack.secrets * regions + if stack.edge { 1.0 } else { 0.0 };
        let mut lines = vec![
            Line::standing("DynamoDB", "storage", size(stored * regions), prices.dynamodb_gb.of(stored * regions)),
            Line::standing(
                "DynamoDB",
                "point-in-time recovery",
                size(recoverable * regions),
                prices.dynamodb_recovery_gb.of(recoverable * regions),
            ),
            Line::standing("Secrets Manager", "secrets", plain(secrets), prices.secrets.of(secrets)),
            Line::standing(
                "CloudWatch",
                "alarms",
                format!("{} metrics", number(watch.alarms)),
                prices.alarms.of(watch.alarms),
            ),
            Line::standing("CloudWatch", "dashboards", plain(watch.dashboards), prices.dashboards.of(watch.dashboards)),
        ];
        if stack.own_key {
            lines.push(Line::standing("KMS", "your own key", plain(regions), prices.keys.of(regions)));
        }
        if stack.edge {
            let rules = prices.firewall_rules.of(stack.firewall_rules);
            lines.push(Line::standing("WAF", "web ACL", "1".to_owned(), prices.firewalls.of(1.0)));
            lines.push(Line::standing("WAF", "rules", plain(stack.firewall_rules), rules));
        }
        lines
    }

    /// Metrics are billed for the hours in which somebody reports them.
    pub fn metrics(&self) -> Line {
        let metrics = self.cost.watch.metrics;
        Line::used("CloudWatch", "metrics", plain(metrics), self.prices.metrics.of(metrics))
    }

    /// GB that the tables and their indexes hold, and those of the tables alone, which recovery is billed by.
    fn gb(&self, logins: f64, users: f64) -> (f64, f64) {
        let item = |kept| self.bytes(kept) + ITEM_OVERHEAD_BYTES;
        let tickets = self.cost.stored.tickets.unwrap_or(logins);
        // A name and an address are an item each; the address's is the shorter one.
        let credentials = users * 2.0 * item(Kept::Credentials);
        let tables = credentials + users * item(Kept::Users) + tickets * item(Kept::Tickets);
        let index = users * item(Kept::Users);
        ((tables + index) / GB, tables / GB)
    }
}

impl Line {
    fn used(service: &'static str, what: &'static str, from: String, dollars: f64) -> Self {
        Self { service, what, from, dollars, idle: false }
    }

    fn standing(service: &'static str, what: &'static str, from: String, dollars: f64) -> Self {
        Self { service, what, from, dollars, idle: true }
    }
}

/// What lines come to.
pub fn total<'a>(lines: impl IntoIterator<Item = &'a Line>) -> f64 {
    sum(lines.into_iter().map(|line| line.dollars))
}

/// A sum of nothing is 0 here, and not the -0 that it is elsewhere.
fn sum(all: impl Iterator<Item = f64>) -> f64 {
    all.fold(0.0, |sum, one| sum + one)
}

/// A million of one kind of request.
pub fn million(request: &Request) -> Used<'_> {
    Used { request, count: MILLION }
}

fn plain(amount: f64) -> String {
    number(amount)
}

/// A number with its thousands apart, without decimals where it has none or is large.
pub fn number(amount: f64) -> String {
    let text = if amount.fract() == 0.0 || amount >= 1000.0 { format!("{amount:.0}") } else { format!("{amount:.2}") };
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), String::new()), |(a, b)| (a, format!(".{b}")));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + &rest
}

/// An amount of data.
pub fn size(gb: f64) -> String {
    match gb {
        0.0 => "0 GB".to_owned(),
        gb if gb < 0.01 => "less than 0.01 GB".to_owned(),
        gb => format!("{} GB", number(gb)),
    }
}

/// An amount of money, rounded to cents, and never to nothing.
pub fn money(dollars: f64) -> String {
    match dollars {
        0.0 => "$0.00".to_owned(),
        dollars if dollars < 0.01 => "less than $0.01".to_owned(),
        dollars => {
            // Half a cent goes up: a format would take it to the even one.
            let cents = format!("{:.2}", (dollars * 100.0).round() / 100.0);
            let (whole, rest) = cents.split_once('.').unwrap_or((&cents, "00"));
            format!("${}.{rest}", number(whole.parse().unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_rounded_to_cents_and_never_to_nothing() {
        for (dollars, text) in [
            (0.0, "$0.00"),
            (0.000_001, "less than $0.01"),
            (0.0099, "less than $0.01"),
            (0.01, "$0.01"),
            (0.996, "$1.00"),
            (1.625, "$1.63"),
            (999.999, "$1,000.00"),
            (1_234_567.5, "$1,234,567.50"),
        ] {
            assert_eq!(money(dollars), text);
        }
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (amount, text) in [
            (0.0, "0"),
            (0.5, "0.50"),
            (999.0, "999"),
            (1000.4, "1,000"),
            (50_000_000.0, "50,000,000"),
            (12.345, "12.35"),
        ] {
            assert_eq!(number(amount), text);
        }
        assert_eq!(size(0.001), "less than 0.01 GB");
    }
}
