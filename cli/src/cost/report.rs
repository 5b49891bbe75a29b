//! The estimate, for people and for programs.

use serde_json::{Value, json};

use super::bill::{Line, money, number, total};
use super::prices::Prices;
use super::quotas::Quota;
use super::ramp::Ramp;
use super::{Estimate, Hour, Million};
use crate::output::{Answer, Body, printable};

/// Half of a limit in the busiest second is too near to launch with.
const NEAR: f64 = 0.5;

/// Less of a limit is not shown to people.
const WORTH_TELLING: f64 = 0.001;

/// Columns that hold text begin at the left, those with numbers end at the right.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

use Side::{Left, Right};

fn aligned(sides: &[Side], rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..sides.len()).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).zip(sides).map(|((cell, width), side)| match side {
            Left => format!("{cell:width$}"),
            Right => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_uppercase()).collect()
}

fn title(prices: &Prices) -> String {
    let (region, as_of) = (printable(&prices.region), printable(&prices.as_of));
    format!("Prices of {region}, as of {as_of}; no free tier, discount, support or tax is in them.\n")
}

/// The bill of a month and what belongs to it.
pub fn month(estimate: &Estimate<'_>) -> Answer {
    let parts = [
        title(estimate.prices),
        bill(estimate),
        format!("A million of each, of what is paid for each one:\n\n{}", millions(&estimate.millions, false)),
        cognito(estimate),
        quotas(estimate),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Answer::new(json(estimate), Body::Page(parts.join("\n")))
}

/// What an hour costs, and what it needs.
pub fn hour(hour: &Hour<'_>) -> Answer {
    let mut rows = services(&hour.lines, "an hour");
    rows.push(sum("Together", total(&hour.lines)));
    let mut parts = vec![title(hour.prices), aligned_bill(&rows, 1)];
    if !hour.quotas.is_empty() {
        parts.extend([needed(&hour.quotas), courses(&hour.ramp)]);
    }
    let json = json!({
        "region": hour.prices.region,
        "pricesAsOf": hour.prices.as_of,
        "hour": lines_json(&hour.lines),
        "together": total(&hour.lines),
        "users": hour.users,
        "limits": quotas_json(&hour.quotas),
        "servedAfterSeconds": { "newTables": hour.ramp.whole_after[0], "warmedTables": hour.ramp.whole_after[1] },
    });
    Answer::new(json, Body::Page(parts.join("\n")))
}

/// By how much each limit has to be raised, and what raises it.
fn needed(quotas: &[Quota]) -> String {
    let mut rows = vec![head(&["limit", "at most", "needed", "met at", "raised by"])];
    for quota in quotas.iter().filter(|quota| quota.part() >= WORTH_TELLING) {
        let met = if quota.part() > 1.0 { share(1.0 / quota.part()) } else { String::new() };
        let raise = if quota.part() > NEAR { quota.raise } else { "" };
        let cells = [quota.what, &number(quota.limit), &number(quota.used.ceil()), &met, raise];
        rows.push(cells.map(str::to_owned).to_vec());
    }
    format!(
        "Limits, the one that is met first in front, and at which part of this load:\n\n{}",
        aligned(&[Left, Right, Right, Right, Left], &rows)
    )
}

/// How much is served while functions and tables grow.
fn courses(ramp: &Ramp) -> String {
    let mut rows = vec![head(&["after", "served, tables new", "tables warmed"])];
    for look in &ramp.looks {
        let [new, warmed] = look.served.map(share);
        rows.push(vec![time(look.after), new, warmed]);
    }
    let whole = |after: Option<u32>| match after {
        Some(0) => "from the first second".to_owned(),
        Some(after) => format!("after {}", time(after)),
        None => "not in a day".to_owned(),
    };
    let [new, warmed] = ramp.whole_after.map(whole);
    format!(
        "If all of it comes at once, with every limit of the account raised:\n\n{}\nAll is served {new} with new tables, \
         {warmed} with tables warmed before.\n",
        aligned(&[Right, Right, Right], &rows)
    )
}

/// Rounded down: what is not all is never shown as all.
fn share(part: f64) -> String {
    format!("{:.1} %", (part * 1000.0).floor() / 10.0)
}

fn time(seconds: u32) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{:.1} h", f64::from(seconds) / 3600.0),
    }
}

/// What every request takes and costs.
pub fn each(prices: &Prices, all: &[Million<'_>]) -> Answer {
    let text =
        format!("{}\nA million of each, of what is paid for each one:\n\n{}", title(prices), millions(all, true));
    let all: Vec<Value> = all.iter().map(million_json).collect();
    let json = json!({ "region": prices.region, "pricesAsOf": prices.as_of, "perMillion": all });
    Answer::new(json, Body::Page(text))
}

fn bill(estimate: &Estimate<'_>) -> String {
    let mut rows = services(&estimate.lines, "a month");
    rows.push(sum("Together", total(&estimate.lines)));
    rows.push(sum("Of that without a request", estimate.standing));
    aligned_bill(&rows, 2)
}

/// The lines of a bill, the name of each service once.
fn services(lines: &[Line], per: &str) -> Vec<Vec<String>> {
    let mut rows = vec![head(&["service", "what", "how much", per])];
    let mut before = "";
    for line in lines {
        let service = if line.service == before { "" } else { line.service };
        before = line.service;
        rows.push(vec![service.to_owned(), line.what.to_owned(), line.from.clone(), money(line.dollars)]);
    }
    rows
}

fn sum(what: &str, dollars: f64) -> Vec<String> {
    vec![what.to_owned(), String::new(), String::new(), money(dollars)]
}

/// The last lines, the sums, are told apart, and their long first cell widens no column.
fn aligned_bill(rows: &[Vec<String>], sums: usize) -> String {
    let (lines, last) = rows.split_at(rows.len().saturating_sub(sums));
    let text = aligned(&[Left, Left, Right, Right], lines);
    let width = text.lines().map(|line| line.chars().count()).max().unwrap_or_default();
    let sums = last.iter().filter_map(|row| row.first().zip(row.last())).map(|(what, dollars)| {
        let room = width.saturating_sub(what.chars().count());
        format!("{what}{dollars:>room$}\n")
    });
    text + "\n" + &sums.collect::<String>()
}

/// A line for each, with what its units rise with where `grows` asks for it.
fn millions(all: &[Million<'_>], grows: bool) -> String {
    let names = ["request", "reads", "writes", "gateway", "lambda", "dynamodb", "logs", "other", "together"];
    let last: &[&str] = if grows { &["grows with"] } else { &[] };
    let mut rows = vec![head(&[&names[..], last].concat())];
    for million in all {
        let mut row = vec![million.request.name.clone(), number(million.reads), number(million.writes)];
        row.extend(parts(million).iter().map(|(_, dollars)| money(*dollars)));
        row.push(money(total(&million.lines)));
        if grows {
            row.push(million.request.grows.clone().unwrap_or_default());
        }
        rows.push(row);
    }
    aligned(&[Left, Right, Right, Right, Right, Right, Right, Right, Right, Left], &rows)
}

fn parts(million: &Million<'_>) -> [(&'static str, f64); 5] {
    let known = [("gateway", "API Gateway"), ("lambda", "Lambda"), ("dynamodb", "DynamoDB"), ("logs", "CloudWatch")];
    let other = million.lines.iter().filter(|line| known.iter().all(|(_, service)| line.service != *service));
    let [gateway, lambda, dynamodb, logs] = known.map(|(name, service)| {
        let lines = million.lines.iter().filter(|line| line.service == service);
        (name, total(lines))
    });
    [gateway, lambda, dynamodb, logs, ("other", total(other))]
}

fn cognito(estimate: &Estimate<'_>) -> String {
    let [login, essentials] = estimate.login;
    let logins = format!(
        "A million logins of 100,000 users, ten each: {} here, {} with Cognito Essentials, {} times as much.\n",
        money(login),
        money(essentials),
        times(essentials, login),
    );
    if estimate.active_users == 0.0 {
        return logins;
    }
    let [lite, essentials] = estimate.cognito;
    let (users, all) = (number(estimate.active_users), money(total(&estimate.lines)));
    let (lite, essentials) = (money(lite), money(essentials));
    format!(
        "{logins}The users of this month, {users} active ones, with Cognito: Lite {lite}, Essentials {essentials}; the \
         whole bill above is {all}.\n"
    )
}

/// Rounded down: nobody is promised more than there is.
fn times(more: f64, less: f64) -> String {
    if less > 0.0 { number((more / less).floor()) } else { "any number of".to_owned() }
}

fn quotas(estimate: &Estimate<'_>) -> String {
    if estimate.quotas.iter().all(|quota| quota.part() < WORTH_TELLING) {
        return String::new();
    }
    let factor = estimate.peak_factor;
    let mut rows = vec![head(&["limit", "at most", "in that second", "met at", "raise before launch"])];
    for quota in estimate.quotas.iter().filter(|quota| quota.part() >= WORTH_TELLING) {
        let raise = if quota.part() > NEAR { quota.raise } else { "" };
        let met = quota.met_at(factor);
        rows.push(vec![
            quota.what.to_owned(),
            number(quota.limit),
            format!("{:.1} %", quota.part() * 100.0),
            if quota.fixed { "always".to_owned() } else { format!("{} times", number(met.floor())) },
            raise.to_owned(),
        ]);
    }
    let sides = [Left, Right, Right, Right, Left];
    let text = aligned(&sides, &rows);
    format!(
        "Limits, when the busiest second has {} times the month's average, the nearest first:\n\n{text}",
        number(factor)
    )
}

fn million_json(million: &Million<'_>) -> Value {
    let parts: serde_json::Map<String, Value> =
        parts(million).into_iter().map(|(name, dollars)| (name.to_owned(), json!(dollars))).collect();
    json!({
        "request": million.request.name,
        "roundTrips": million.request.trips,
        "readUnits": million.reads,
        "writeUnits": million.writes,
        "growsWith": million.request.grows,
        "dollars": parts,
        "together": total(&million.lines),
    })
}

fn lines_json(lines: &[Line]) -> Vec<Value> {
    let line = |line: &Line| {
        json!({
            "service": line.service, "what": line.what, "howMuch": line.from, "dollars": line.dollars,
            "withoutRequests": line.idle,
        })
    };
    lines.iter().map(line).collect()
}

fn quotas_json(quotas: &[Quota]) -> Vec<Value> {
    let quota =
        |quota: &Quota| json!({ "limit": quota.what, "atMost": quota.limit, "used": quota.used, "raise": quota.raise });
    quotas.iter().map(quota).collect()
}

fn json(estimate: &Estimate<'_>) -> Value {
    let [lite, essentials] = estimate.cognito;
    let [login, cognito] = estimate.login;
    json!({
        "region": estimate.prices.region,
        "pricesAsOf": estimate.prices.as_of,
        "lines": lines_json(&estimate.lines),
        "together": total(&estimate.lines),
        "withoutRequests": estimate.standing,
        "perMillion": estimate.millions.iter().map(million_json).collect::<Vec<_>>(),
        "users": estimate.users,
        "cognito": { "activeUsers": estimate.active_users, "lite": lite, "essentials": essentials },
        "millionLogins": { "here": login, "cognitoEssentials": cognito },
        "peakFactor": estimate.peak_factor,
        "limits": quotas_json(&estimate.quotas),
    })
}
