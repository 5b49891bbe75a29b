//! `cargo growth`: whether requests stay as fast as they are while what is stored grows.
//!
//! The handlers of login, verification, ticket reads and listings run in this process on the store of the stacks, in
//! front of the local cloud's DynamoDB with its data in a folder. Nothing here is asserted but that every answer is a
//! 200: times are for people to judge. The calls of the store are counted, too; those don't depend on the machine.

mod page;
mod place;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use bench::machine::{self, Machine};
use bench::recorder;
use bench::report::percentile;
use clap::Parser;
use futures_util::future::BoxFuture;
use local::progress::Progress;
use serde::Serialize;
use shared::gateway::Response;

use crate::place::{Credentials, Place};

/// Measures requests with ever more users, tickets and auth headers of one user, and tenants.
///
/// A million users take a quarter of an hour and two gigabytes. Other work on this machine makes every figure worse, so
/// the load is told with them.
#[derive(Debug, Parser)]
#[command(name = "cargo growth", bin_name = "cargo growth", version)]
struct Arguments {
    /// Measure with a thousand users, and ten times as many again and again, up to this many
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..=10_000_000))]
    users: u64,

    /// The same for tickets, and for auth headers, of one user
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    owned: u64,

    /// The same for tenants
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    tenants: u64,

    /// Requests of each kind in each place
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    requests: u32,

    /// Where to make a folder for the data, which is removed afterwards
    #[arg(long, value_name = "FOLDER", default_value = "target/growth")]
    folder: PathBuf,

    /// Keep the figures in bench/results, and write docs/growth.md
    #[arg(long)]
    write: bool,
}

/// Why there are no figures. Printed with its causes.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Bench(#[from] bench::Error),
    #[error("can't write to the store")]
    Store(#[from] shared::store::StoreError),
    #[error("something was there already: {0}")]
    Existing(&'static str),
    #[error("{0} answered {1}")]
    Answer(&'static str, String),
    #[error("can't use a name or a password of our own")]
    Name,
}

/// One kind of request where so much is stored.
#[derive(Debug, Clone, Serialize)]
struct Point {
    /// How much is stored.
    stored: u64,
    /// Half of the requests took less.
    median_ms: f64,
    /// 95 of 100 took less.
    p95_ms: f64,
    /// Round trips to the store, one after the other.
    trips: usize,
    /// Calls of the store.
    calls: usize,
}

/// One kind of request, while what is stored grows.
#[derive(Debug, Serialize)]
struct Line {
    what: &'static str,
    /// Whether it tells all of it, and so takes longer.
    lists: bool,
    points: Vec<Point>,
}

/// Requests, while one thing grows.
#[derive(Debug, Serialize)]
struct Series {
    /// What there is more and more of.
    of: &'static str,
    lines: Vec<Line>,
}

/// Everything, as it is kept.
#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    requests: u32,
    series: Vec<Series>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo growth: {}", local::chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Error> {
    let machine = machine::describe();
    let progress = Progress::on_stderr();
    let place = Place::start(&arguments.folder).await?;
    let series = vec![
        tickets(&place, arguments, progress).await?,
        auth_headers(&place, arguments, progress).await?,
        tenants(&place, arguments, progress).await?,
        users(&place, arguments, progress).await?,
    ];
    let report = Report { machine, requests: arguments.requests, series };
    let page = page::of(&report);
    println!("{}", page.text);
    if arguments.write { page.write(&report) } else { Ok(()) }
}

/// Powers of ten, from `first` to `last`.
fn powers(first: u64, last: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(first), |stored| stored.checked_mul(10)).take_while(move |stored| *stored <= last)
}

/// A request that can be sent again and again, each time for somebody else where there is somebody else.
type Ask<'a> = Box<dyn Fn() -> BoxFuture<'static, Response> + 'a>;

/// Sends requests of several kinds in turn, so that all of them meet the same weather.
async fn measure(place: &Place, requests: u32, stored: u64, lines: &mut [Line], asks: &[Ask<'_>]) -> Result<(), Error> {
    let mut times = vec![Vec::new(); asks.len()];
    let mut exchanges = vec![Vec::new(); asks.len()];
    // The first of each opens connections and fills caches.
    for round in 0..=requests {
        for (((ask, line), times), exchanges) in asks.iter().zip(&*lines).zip(&mut times).zip(&mut exchanges) {
            let _ = place.recorder.take();
            let start = Instant::now();
            let response = ask().await;
            let took = start.elapsed();
            if response.status() != 200 {
                return Err(Error::Answer(line.what, response.body().to_owned()));
            }
            if round > 0 {
                times.push(took.as_secs_f64() * 1000.0);
                *exchanges = place.recorder.take();
            }
        }
    }
    for ((line, times), exchanges) in lines.iter_mut().zip(&times).zip(&exchanges) {
        let (median_ms, p95_ms) = (percentile(times, 50), percentile(times, 95));
        let trips = recorder::trips(exchanges).len();
        line.points.push(Point { stored, median_ms, p95_ms, trips, calls: exchanges.len() });
    }
    Ok(())
}

fn lines<const N: usize>(of: [(&'static str, bool); N]) -> Vec<Line> {
    of.map(|(what, lists)| Line { what, lists, points: Vec::new() }).into()
}

async fn users(place: &Place, arguments: &Arguments, progress: Progress) -> Result<Series, Error> {
    let step = progress.step("Users");
    let mut lines = lines([("login", false), ("verification", false), ("ticket read", false)]);
    let mut made = 0;
    for stored in powers(1000, arguments.users) {
        while made < stored {
            made += place.more_users(made, stored).await?;
            step.reached(made, arguments.users, "storing");
        }
        let some = place.some_users(stored).await?;
        measure(place, arguments.requests, stored, &mut lines, &asks(place, &some)).await?;
    }
    step.done("Users");
    Ok(Series { of: "users", lines })
}

/// Login, verification and ticket read of one after the other.
fn asks<'a>(place: &'a Place, some: &'a [Credentials]) -> Vec<Ask<'a>> {
    let next = || {
        let turn = std::cell::Cell::new(0);
        move || {
            turn.set(turn.get() + 1);
            some.get(turn.get() % some.len().max(1)).cloned().unwrap_or_default()
        }
    };
    let (login, verification, ticket) = (next(), next(), next());
    vec![
        Box::new(move || place.login(&login().name)),
        Box::new(move || place.verification(&verification().jwt)),
        Box::new(move || place.ticket(&ticket().ticket)),
    ]
}

async fn tenants(place: &Place, arguments: &Arguments, progress: Progress) -> Result<Series, Error> {
    let step = progress.step("Tenants");
    let mut lines = lines([("login", false), ("verification", false), ("ticket read", false)]);
    let (mut made, mut some) = (0, Vec::new());
    for stored in powers(1, arguments.tenants) {
        while made < stored {
            some.push(place.tenant_with_a_user(made).await?);
            made += 1;
            step.reached(made, arguments.tenants, "storing");
        }
        measure(place, arguments.requests, stored, &mut lines, &asks(place, &some)).await?;
    }
    step.done("Tenants");
    Ok(Series { of: "tenants", lines })
}

async fn tickets(place: &Place, arguments: &Arguments, progress: Progress) -> Result<Series, Error> {
    let step = progress.step("Tickets");
    let mut lines =
        lines([("login", false), ("verification", false), ("ticket read", false), ("list of sessions", true)]);
    let owner = [place.owner("tickets").await?];
    let mut made = 0;
    for stored in powers(1, arguments.owned) {
        while made < stored {
            made += place.more_tickets(&owner[0], (stored - made).min(100)).await?;
            step.reached(made, arguments.owned, "storing");
        }
        let mut asks = asks(place, &owner);
        asks.push(Box::new(|| place.sessions(&owner[0].jwt)));
        measure(place, arguments.requests.min(100), stored, &mut lines, &asks).await?;
    }
    step.done("Tickets");
    Ok(Series { of: "tickets of one user", lines })
}

async fn auth_headers(place: &Place, arguments: &Arguments, progress: Progress) -> Result<Series, Error> {
    let step = progress.step("Auth headers");
    let mut lines = lines([("login", false), ("verification by auth header", false), ("list of auth headers", true)]);
    let owner = place.owner("headers").await?;
    let (mut made, mut header) = (0, String::new());
    for stored in powers(1, arguments.owned) {
        while made < stored {
            let many;
            (many, header) = place.more_auth_headers(&owner, (stored - made).min(100)).await?;
            made += many;
            step.reached(made, arguments.owned, "storing");
        }
        let asks: Vec<Ask<'_>> = vec![
            Box::new(|| place.login(&owner.name)),
            Box::new(|| place.by_auth_header(&header)),
            Box::new(|| place.auth_headers(&owner.jwt)),
        ];
        measure(place, arguments.requests.min(100), stored, &mut lines, &asks).await?;
    }
    step.done("Auth headers");
    Ok(Series { of: "auth headers of one user", lines })
}
