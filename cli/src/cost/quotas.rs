//! Which limit is met first when many requests come at once.

use super::bill::{MONTH_SECONDS, Model, Used};
use super::requests::Kept;

/// Requests a second of all HTTP APIs of an account in a region.
const GATEWAY_REQUESTS: f64 = 10_000.0;

/// Environments at once of all functions of an account in a region; new accounts may have less.
const ENVIRONMENTS: f64 = 1000.0;

/// Requests a second for each of these: what takes less than a tenth of a second can't make use of the rest.
pub const REQUESTS_OF_AN_ENVIRONMENT: f64 = 10.0;

/// Functions that reserve `LoginConcurrency`.
const RESERVING_FUNCTIONS: f64 = 7.0;

/// Units a second of one partition key.
const KEY_READS: f64 = 3000.0;
const KEY_WRITES: f64 = 1000.0;

/// Units a second of a new on-demand table; it grows to twice its last peak.
pub const NEW_TABLE_READS: f64 = 12_000.0;
pub const NEW_TABLE_WRITES: f64 = 4000.0;

/// Units a second of a table, reads and writes alike, until AWS allows more.
const TABLE_UNITS: f64 = 40_000.0;

/// `GetSecretValue` a second.
const SECRET_READS: f64 = 10_000.0;

/// How long an environment keeps a secret.
const SECRET_SECONDS: f64 = 300.0;

/// A limit, and what of it is used in the busiest second.
pub struct Quota {
    pub what: &'static str,
    pub limit: f64,
    pub used: f64,
    /// Whether it is used without any request.
    pub fixed: bool,
    /// What raises it.
    pub raise: &'static str,
}

impl Quota {
    /// The part of it that is used.
    pub fn part(&self) -> f64 {
        self.used / self.limit
    }

    /// How many times the month's average meets it.
    pub fn met_at(&self, peak_factor: f64) -> f64 {
        peak_factor / self.part()
    }
}

/// Every limit that these requests come near to at all, the one that is met first in front.
pub fn quotas(model: &Model<'_>, used: &[Used<'_>]) -> Vec<Quota> {
    if used.iter().all(|used| used.count == 0.0) {
        return Vec::new();
    }
    let mut quotas = of_requests(model, used);
    quotas.extend(of_tables(model, used));
    quotas.retain(|quota| quota.used > 0.0);
    quotas.sort_by(|a, b| b.part().total_cmp(&a.part()));
    quotas
}

fn of_requests(model: &Model<'_>, used: &[Used<'_>]) -> Vec<Quota> {
    let stack = &model.cost.stack;
    let through_api = || used.iter().filter(|used| used.request.through_api());
    let with_password = || used.iter().filter(|used| used.request.takes_password());
    let busiest = |peaks: &mut dyn Iterator<Item = f64>| peaks.fold(0.0, f64::max);
    let environments: f64 = used.iter().map(|used| model.environments(*used)).sum();
    let reserved = stack.login_concurrency * RESERVING_FUNCTIONS;
    let mut quotas = vec![
        Quota {
            what: "API Gateway: requests a second",
            limit: GATEWAY_REQUESTS,
            used: through_api().map(|used| model.peak(*used)).sum(),
            fixed: false,
            raise: "ask AWS for more",
        },
        Quota {
            what: "RateLimit: requests a second to one route",
            limit: stack.rate_limit,
            used: busiest(
                &mut through_api().filter(|used| !used.request.takes_password()).map(|used| model.peak(*used)),
            ),
            fixed: false,
            raise: "the parameter RateLimit, and BurstLimit",
        },
        Quota {
            what: "LoginRateLimit: requests a second to one route that takes passwords",
            limit: stack.login_rate_limit,
            used: busiest(&mut by_function(with_password(), |used| model.peak(used))),
            fixed: false,
            raise: "the parameter LoginRateLimit, and LoginBurstLimit",
        },
        Quota {
            what: "Lambda: environments at once",
            limit: ENVIRONMENTS,
            used: environments.max(reserved),
            fixed: environments <= reserved,
            raise: "ask AWS for more; LoginConcurrency is reserved seven times",
        },
        Quota {
            what: "Lambda: requests a second, ten for each environment that there may be",
            limit: ENVIRONMENTS * REQUESTS_OF_AN_ENVIRONMENT,
            used: used.iter().map(|used| model.peak(*used)).sum(),
            fixed: false,
            raise: "ask AWS for more environments at once",
        },
        Quota {
            what: "Secrets Manager: GetSecretValue a second",
            limit: SECRET_READS,
            used: environments * stack.secrets / SECRET_SECONDS,
            fixed: false,
            raise: "nothing: AWS has no more",
        },
    ];
    if stack.login_concurrency > 0.0 {
        quotas.push(Quota {
            what: "LoginConcurrency: passwords at once in one function",
            limit: stack.login_concurrency,
            used: busiest(&mut by_function(with_password(), |used| model.environments(used))),
            fixed: false,
            raise: "the parameter LoginConcurrency; 0 reserves none and limits none",
        });
    }
    quotas
}

/// What kinds of requests come to, for each function that answers any.
fn by_function<'a>(
    used: impl Iterator<Item = &'a Used<'a>>,
    of: impl Fn(Used<'a>) -> f64,
) -> impl Iterator<Item = f64> {
    let mut sums = std::collections::BTreeMap::<&str, f64>::new();
    for used in used {
        *sums.entry(used.request.function()).or_default() += of(*used);
    }
    sums.into_values()
}

fn of_tables(model: &Model<'_>, used: &[Used<'_>]) -> Vec<Quota> {
    let second = |units: f64| units / MONTH_SECONDS * model.cost.times.peak_factor;
    let read =
        |kept| used.iter().map(|used| used.count * used.request.reads.get(&kept).copied().unwrap_or_default()).sum();
    let written = |kept| used.iter().map(|used| used.count * model.writes_of(used.request, kept)).sum();
    let all = [Kept::Credentials, Kept::Users, Kept::Tickets, Kept::AuthHeaders, Kept::Applications];
    let busiest = |units: &dyn Fn(Kept) -> f64| all.into_iter().map(units).fold(0.0, f64::max);
    let user_writes: f64 =
        used.iter().filter(|used| used.request.writes.contains_key(&Kept::Users)).map(|used| used.count).sum();
    let application_reads: f64 = read(Kept::Applications);
    vec![
        Quota {
            what: "DynamoDB: reads a second of one application's access token",
            limit: KEY_READS,
            used: second(application_reads / model.cost.stack.applications),
            fixed: false,
            raise: "give parts of the application access tokens of their own",
        },
        Quota {
            what: "DynamoDB: changes a second of users, if all are of one tenant",
            limit: KEY_WRITES,
            used: second(user_writes),
            fixed: false,
            raise: "spread changes over time: they share the key of the tenant's listing",
        },
        Quota {
            what: "DynamoDB: reads a second of the busiest table, while it is new",
            limit: NEW_TABLE_READS,
            used: second(busiest(&read)),
            fixed: false,
            raise: "warm throughput, or more load day by day: a table doubles its last peak",
        },
        Quota {
            what: "DynamoDB: writes a second of the busiest table, while it is new",
            limit: NEW_TABLE_WRITES,
            used: second(busiest(&written)),
            fixed: false,
            raise: "warm throughput, or more load day by day: a table doubles its last peak",
        },
        Quota {
            what: "DynamoDB: reads a second of the busiest table",
            limit: TABLE_UNITS,
            used: second(busiest(&read)),
            fixed: false,
            raise: "ask AWS for more",
        },
        Quota {
            what: "DynamoDB: writes a second of the busiest table",
            limit: TABLE_UNITS,
            used: second(busiest(&written)),
            fixed: false,
            raise: "ask AWS for more",
        },
    ]
}
