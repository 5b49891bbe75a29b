//! Thousands of operations of every kind while requests fail, are throttled, and lose their answers: nothing that was
//! acknowledged is lost, nothing is there twice, nobody is refused because of a try of one's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use tests::{figure, note, noticed};

use crate::engines::{Engine, Patience};
use crate::lane::{Flaw, Lane};
use crate::proxy::{Counts, Proxy, Weather};

const OPERATIONS: usize = 2000;
const LANES: u64 = 8;
const SEED: u64 = 16;

/// How many operations a run makes; the long one is `OSTIARY_FAULT_OPERATIONS=20000`.
fn operations() -> usize {
    let text = std::env::var("OSTIARY_FAULT_OPERATIONS").ok();
    text.map_or(OPERATIONS, |text| text.parse().expect("OSTIARY_FAULT_OPERATIONS is a number"))
}

fn share() -> usize {
    operations().div_ceil(usize::try_from(LANES).unwrap())
}

async fn lived(mut lane: Lane, share: usize) -> Lane {
    lane.meets(Weather::Stormy);
    while lane.tally.operations < share {
        lane.step().await;
    }
    lane.meets(Weather::Clear);
    lane.check().await;
    lane
}

fn sum(counts: impl Iterator<Item = Counts>) -> Counts {
    counts.fold(Counts::default(), |sum, counts| Counts {
        requests: sum.requests + counts.requests,
        errors: sum.errors + counts.errors,
        throttles: sum.throttles + counts.throttles,
        cuts: sum.cuts + counts.cuts,
        most_tries: sum.most_tries.max(counts.most_tries),
    })
}

/// Sends everybody through it: what became of whom.
async fn storm(name: &str, engine: &Engine, patience: Patience, share: usize) -> Vec<Lane> {
    let mut running = Vec::new();
    for number in 0..LANES {
        let lane = Lane::new(engine, number, SEED, patience).await;
        running.push(tokio::spawn(lived(lane, share)));
    }
    let mut lanes = Vec::new();
    for lane in running {
        lanes.push(lane.await.unwrap());
    }
    let Counts { requests, errors, throttles, cuts, .. } = sum(lanes.iter().map(|lane| lane.proxy.take_counts()));
    let total = |count: fn(&Lane) -> usize| lanes.iter().map(count).sum::<usize>();
    let operations = total(|lane| lane.tally.operations);
    let (outages, unreturned) = (total(|lane| lane.tally.outages.len()), total(|lane| lane.tally.unreturned));
    let mut flaws: BTreeMap<Flaw, usize> = BTreeMap::new();
    for (flaw, _) in lanes.iter().flat_map(|lane| &lane.tally.flaws) {
        *flaws.entry(*flaw).or_default() += 1;
    }
    let of = |flaw| flaws.get(&flaw).copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "counts of thousands")]
    let percent = outages as f64 * 100.0 / operations as f64;
    figure(&format!(
        "{name}: {operations} operations in {requests} requests, of which {errors} failed, {throttles} were throttled and \
         {cuts} lost their answer: {} lost, {} doubled, {} false conflicts, {} alive after their end, {unreturned} live \
         auth headers that nobody was given, {outages} outages ({percent:.2} %)",
        of(Flaw::Lost),
        of(Flaw::Doubled),
        of(Flaw::Conflict),
        of(Flaw::Alive),
    ));
    let told: Vec<_> = lanes.iter().flat_map(|lane| &lane.tally.flaws).collect();
    assert!(told.is_empty(), "seed {SEED}: {told:#?}");
    assert_eq!(engine.flaws().await, Vec::<String>::new());
    assert!(cuts * 30 > requests && errors * 50 > requests && throttles * 50 > requests, "it was a storm");
    if matches!(patience, Patience::Unlimited) && name.contains("embedded") {
        note("Q16", "operations", operations);
        note("Q16", "lost", of(Flaw::Lost));
        note("Q16", "doubled", of(Flaw::Doubled));
        note("Q16", "false-conflicts", of(Flaw::Conflict));
        note("Q16", "stored-and-not-returned", unreturned);
        note("Q16", "outages-in-percent", percent);
    }
    lanes
}

/// The same with the client that the functions have, which tries again.
async fn weathered(name: &str, engine: &Engine) {
    let lanes = storm(name, engine, Patience::Unlimited, share()).await;
    let total = |count: fn(&Lane) -> usize| lanes.iter().map(count).sum::<usize>();
    let (operations, unreturned) = (total(|lane| lane.tally.operations), total(|lane| lane.tally.unreturned));
    // Where all tries of a write lose their answers, nobody can know; in a run this short that does not happen.
    assert!(unreturned == 0 || operations > 2 * OPERATIONS, "{unreturned}");
    let met: Vec<_> = lanes.iter().flat_map(|lane| &lane.tally.outages).collect();
    assert!(met.len() * 200 <= operations, "more than one in 200: {met:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_in_a_storm_on_the_embedded_engine() {
    weathered("storm, embedded engine", &Engine::embedded()).await;
}

/// Without a second try nobody is spared an outage, and what is so afterwards has to be as clear as ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_where_nothing_is_tried_again() {
    let name = "storm without second tries, embedded engine";
    let lanes = storm(name, &Engine::embedded(), Patience::OneTry, share() / 2).await;
    let met: usize = lanes.iter().map(|lane| lane.tally.outages.len()).sum();
    assert!(met * 20 > operations() / 2, "{met} outages: it is a harder storm");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_in_a_storm_on_dynamodb_local() {
    if let Some(engine) = Engine::dynamodb_local().await {
        weathered("storm, DynamoDB Local", &engine).await;
    }
}

/// What the storm finds: a write that must be the first, without a mark that tells an own try from somebody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_without_a_mark_meets_itself_as_a_conflict() {
    let engine = Arc::new(Engine::embedded());
    let running: Vec<_> = (0..LANES).map(|number| tokio::spawn(conflicts(Arc::clone(&engine), number))).collect();
    let mut conflicts = 0;
    for lane in running {
        conflicts += lane.await.unwrap();
    }
    let writes = share() * usize::try_from(LANES).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "counts of thousands")]
    let percent = conflicts as f64 * 100.0 / writes as f64;
    figure(&format!("storm, control: {conflicts} false conflicts in {writes} writes without a mark ({percent:.1} %)"));
    assert!(conflicts * 40 > writes, "more than one in 40");
    let (what, test) =
        ("a write has no mark by which it knows itself", "a_write_without_a_mark_meets_itself_as_a_conflict");
    noticed("Q16", "a-write-without-a-mark", what, "tests/tests/faults/storm.rs", test);
}

/// How many of a lane's writes, each of an item of its own, were refused.
async fn conflicts(engine: Arc<Engine>, number: u64) -> usize {
    let proxy = Proxy::before(engine.url(), SEED * 1000 + number);
    proxy.set(Weather::Stormy);
    let client = Engine::client(&proxy.url(), Patience::Unlimited);
    let mut conflicts = 0;
    for write in 0..share() {
        let put = client.put_item().table_name(&engine.tables.users);
        let put = put.item("pk", AttributeValue::S(format!("{number}-{write}")));
        let answer = put.condition_expression("attribute_not_exists(pk)").send().await;
        let error = answer.as_ref().err().and_then(SdkError::as_service_error);
        conflicts += usize::from(error.is_some_and(PutItemError::is_conditional_check_failed_exception));
    }
    conflicts
}
