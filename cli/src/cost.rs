//! `ostiary cost`: what a stack costs in a month, from what its requests take and what AWS charges.
//!
//! Invariant: nothing is said to cost less than it does because somebody forgot it: every request of the API is in the
//! table, a file without a price is refused, and what is not known is an upper bound and called so.

mod bill;
mod prices;
mod quotas;
mod ramp;
mod report;
mod requests;

use std::fs;

use self::bill::{Line, Load, MONTH_HOURS, MONTH_SECONDS, Model, Used, million, total};
use self::prices::Prices;
use self::quotas::Quota;
use self::ramp::Ramp;
use self::requests::Table;
use crate::arguments::Cost;
use crate::failure::Failure;
use crate::output::Answer;

const PRICES: &str = include_str!("../prices.yaml");
const REQUESTS: &str = include_str!("../requests.yaml");

/// Logins of a user in a month, where nobody says otherwise.
const LOGINS_PER_USER: f64 = 10.0;

const DAY_SECONDS: f64 = 86_400.0;

/// The request that a login is.
const LOGIN: &str = "user-login";

/// What is shown of a million where nobody asks for any request.
const COMMON: [&str; 6] = [LOGIN, "ticket-authenticate", "user-renew", "authorizer", "oauth2-introspect", "ticket-get"];

/// The whole answer.
pub(crate) struct Estimate<'a> {
    prices: &'a Prices,
    lines: Vec<Line>,
    standing: f64,
    millions: Vec<Million<'a>>,
    active_users: f64,
    users: f64,
    /// Cognito for the same active users: Lite, then Essentials.
    cognito: [f64; 2],
    /// A million logins of 100,000 users, here and by Cognito Essentials.
    login: [f64; 2],
    quotas: Vec<Quota>,
    peak_factor: f64,
}

/// What an hour of a load costs that doesn't end, what it needs, and how it begins.
pub(crate) struct Hour<'a> {
    prices: &'a Prices,
    lines: Vec<Line>,
    users: f64,
    quotas: Vec<Quota>,
    ramp: Ramp,
}

/// What a million of one kind of request costs, and of what that is made.
pub(crate) struct Million<'a> {
    request: &'a requests::Request,
    reads: f64,
    writes: f64,
    lines: Vec<Line>,
}

/// Carries the command out.
pub fn run(cost: &Cost) -> Result<Answer, Failure> {
    let own = cost.prices.as_ref().map(|path| {
        fs::read_to_string(path).map_err(|error| Failure::invalid("prices", format!("can't be read: {error}")))
    });
    let text = own.transpose()?.unwrap_or_else(|| PRICES.to_owned());
    let prices =
        prices::parse(&text).map_err(|error| Failure::invalid("prices", format!("is no file of prices: {error}")))?;
    let table = requests::parse(REQUESTS).map_err(|error| Failure::Setup(format!("the table of requests: {error}")))?;
    if cost.per_second {
        let cost = monthly(cost);
        let model = Model { cost: &cost, table: &table, prices: &prices.list };
        return Ok(report::hour(&hour(&model, &prices, &used(&cost, &table)?)));
    }
    let model = Model { cost, table: &table, prices: &prices.list };
    let used = used(cost, &table)?;
    if cost.each {
        let millions: Vec<_> = table.requests.iter().map(|request| of_million(&model, request)).collect();
        return Ok(report::each(&prices, &millions));
    }
    Ok(report::month(&estimate(&model, &prices, &used)?))
}

/// The requests of the month by name.
fn used<'a>(cost: &Cost, table: &'a Table) -> Result<Vec<Used<'a>>, Failure> {
    let month = &cost.month;
    let asked = month.verifications * (1.0 - month.authorizer_cached / 100.0);
    let known = [
        (LOGIN, month.logins),
        ("user-login.refused", month.failed_logins),
        ("ticket-authenticate", month.ticket_logins),
        ("user-renew", month.renewals),
        ("user-logout", month.logouts),
        ("authorizer", asked),
        ("oauth2-introspect", month.introspections),
        ("ticket-get", month.ticket_reads),
        ("profile-get", month.profile_reads),
        ("profile-update", month.profile_changes),
        ("profile-authenticate", month.profile_jwts),
        ("api1-profile-create", month.new_users),
    ];
    let known = known.into_iter().filter(|(_, count)| *count > 0.0);
    let more = month.requests.iter().map(|(name, count)| (name.as_str(), *count));
    known
        .chain(more)
        .map(|(name, count)| {
            let rule = || format!("names no request: {name}. `ostiary cost --each` shows all of them");
            let request = table.get(name).ok_or_else(|| Failure::invalid("request", rule()))?;
            Ok(Used { request, count })
        })
        .collect()
}

/// The month in which every second has these counts.
fn monthly(cost: &Cost) -> Cost {
    let mut monthly = cost.clone();
    let month = &mut monthly.month;
    let counts = [
        &mut month.logins,
        &mut month.failed_logins,
        &mut month.ticket_logins,
        &mut month.renewals,
        &mut month.logouts,
        &mut month.verifications,
        &mut month.introspections,
        &mut month.ticket_reads,
        &mut month.profile_reads,
        &mut month.profile_changes,
        &mut month.profile_jwts,
        &mut month.new_users,
    ];
    counts
        .into_iter()
        .chain(month.requests.iter_mut().map(|(_, count)| count))
        .for_each(|count| *count *= MONTH_SECONDS);
    monthly.times.peak_factor = 1.0;
    monthly
}

/// A [month](monthly)'s bill by the hour, since prices fall by the month.
fn hour<'a>(model: &Model<'a>, prices: &'a Prices, used: &[Used<'a>]) -> Hour<'a> {
    let month = &model.cost.month;
    let of_a_day = (month.logins + month.ticket_logins) / MONTH_SECONDS * DAY_SECONDS;
    let users = model.cost.stored.users.or(model.cost.stored.active_users).unwrap_or_default();
    let load = model.load(used);
    let amounts = with_requests(model, &load.of_an_hour());
    let mut lines = with_requests(model, &load);
    lines.iter_mut().zip(amounts).for_each(|(line, of_an_hour)| line.from = of_an_hour.from);
    lines.extend(model.standing(of_a_day, users));
    for line in &mut lines {
        line.dollars /= MONTH_HOURS;
    }
    Hour { prices, lines: by_service(lines), users, quotas: quotas::quotas(model, used), ramp: ramp::ramp(model, used) }
}

/// Lines that say something, by service in the order of the first line of each.
fn by_service(mut lines: Vec<Line>) -> Vec<Line> {
    lines.retain(|line| line.dollars > 0.0);
    let order: Vec<_> = lines.iter().map(|line| line.service).collect();
    lines.sort_by_key(|line| order.iter().position(|service| *service == line.service));
    lines
}

fn estimate<'a>(model: &Model<'a>, prices: &'a Prices, used: &[Used<'a>]) -> Result<Estimate<'a>, Failure> {
    let (cost, list) = (model.cost, model.prices);
    let logins = cost.month.logins + cost.month.ticket_logins;
    let active_users = cost.stored.active_users.unwrap_or((logins / LOGINS_PER_USER).ceil());
    let users = cost.stored.users.unwrap_or(active_users);
    let load = model.load(used);
    let standing = model.standing(logins, users);
    let idle = total(&standing);
    let mut lines = with_requests(model, &load);
    lines.extend(standing);
    let lines = by_service(lines);
    let kinds: Vec<_> = match used {
        [] => COMMON.iter().filter_map(|name| model.table.get(name)).collect(),
        _ => used.iter().map(|used| used.request).collect(),
    };
    let login = model.table.get(LOGIN).ok_or_else(|| Failure::Setup(format!("the table of requests lacks {LOGIN}")))?;
    let essentials = |users| list.cognito_essentials.of(users);
    Ok(Estimate {
        prices,
        lines,
        standing: idle,
        millions: kinds.into_iter().map(|request| of_million(model, request)).collect(),
        active_users,
        users,
        cognito: [list.cognito_lite.of(active_users), essentials(active_users)],
        login: [total(&of_million(model, login).lines), essentials(million(login).count / LOGINS_PER_USER)],
        quotas: quotas::quotas(model, used),
        peak_factor: cost.times.peak_factor,
    })
}

/// What requests cost, with the metrics that they report; nothing where there are none.
fn with_requests(model: &Model<'_>, load: &Load) -> Vec<Line> {
    if load.invocations == 0.0 {
        return Vec::new();
    }
    let mut lines = model.lines_of(load);
    lines.push(model.metrics());
    lines
}

/// What is paid for each of a million requests; what is paid once for all of them is left out.
fn of_million<'a>(model: &Model<'a>, request: &'a requests::Request) -> Million<'a> {
    let used = million(request);
    let load = Load { key_requests: 0.0, secret_reads: 0.0, ..model.load(&[used]) };
    Million { request, reads: model.reads(request), writes: model.writes(request), lines: model.lines_of(&load) }
}
