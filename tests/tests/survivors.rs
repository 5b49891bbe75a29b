//! What was ended opens nothing, on whatever path: each way to end a credential, among requests that are on their way
//! with it, 10,000 times, each in an order of its own. After the acknowledgement every endpoint that takes the credential
//! refuses it, and so it does what was made of it meanwhile.
//!
//! The paths are those of `ROUTES`: one that is new is tried without a change here, or fails the test where it can't be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use shared::access_token::TenantPermission;
use shared::api::{self, Access, ROUTES, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::lockout::Rules;
use tests::document::success;
use tests::good::KEY;
use tests::paced::Paced;
use tests::world::member;
use tests::{Account, Call, Dice, NEW_PASSWORD, World, figure, good, note, noticed};

const INTERLEAVINGS: usize = 10_000;
/// Few, so that a world stays small, and its store quick.
const IN_A_WORLD: usize = 44;
const THREADS: usize = 2;
/// Requests that are on their way while something ends, and paths that are tried afterwards.
const AT_ONCE: usize = 4;

/// What somebody shows to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Jwt,
    AuthHeader,
    Ticket,
    Series,
    AccessToken,
    Password,
    ResetToken,
    VerificationToken,
}
use Kind::{AccessToken, AuthHeader, Jwt, Password, ResetToken, Series, Ticket, VerificationToken};

/// What a path takes and lets somebody in, or does something, for.
fn taken(route: &Route) -> Vec<Kind> {
    let by_access: &[Kind] = match route.access {
        Access::Open | Access::Body => &[],
        Access::LoginJwt => &[Jwt],
        Access::User => &[Jwt, AuthHeader],
        Access::AccessToken => &[AccessToken],
        Access::AccessTokenOrJwt => &[AccessToken, Jwt],
    };
    let by_name: &[Kind] = match route.name {
        "user-login" | "user-password" | "ticket-authenticate" => &[Password],
        "user-reset" | "api1-profile-change-password" => &[ResetToken],
        "user-verify" | "api1-profile-verify" | "verification-token-get" => &[VerificationToken],
        "ticket-get" | "api1-profile-by-ticket" => &[Ticket],
        "persistent-login-get" | "persistent-login-refresh" => &[Series],
        "oauth2-introspect" => &[Jwt, AuthHeader, Ticket],
        // For these nobody shows anything: whom a message is for, and what was found somewhere.
        "user-forgot" | "authheader-report-leaked" => &[],
        name => {
            assert_ne!(route.access, Access::Body, "tests/tests/survivors.rs: what does {name} take?");
            &[]
        }
    };
    by_access.iter().chain(by_name).copied().collect()
}

/// What a way to end something ends of its user.
struct Ending {
    name: &'static str,
    kinds: &'static [Kind],
    /// Whether it ends whatever of these kinds there is, or only the one that is shown.
    all: bool,
}

const fn one(name: &'static str, kinds: &'static [Kind]) -> Ending {
    Ending { name, kinds, all: false }
}

const fn all(name: &'static str, kinds: &'static [Kind]) -> Ending {
    Ending { name, kinds, all: true }
}

const OPENED: &[Kind] = &[Jwt, Ticket, Series];
const BY_PASSWORD: &[Kind] = &[Jwt, Ticket, Series, Password, ResetToken];
const HELD: &[Kind] = &[Jwt, AuthHeader, Ticket, Series, Password];
const EVERYTHING: &[Kind] = &[Jwt, AuthHeader, Ticket, Series, Password, ResetToken, VerificationToken];

static ENDINGS: [Ending; 22] = [
    one("user-logout", &[Jwt]),
    one("user-sessions-revoke one", &[Jwt]),
    all("user-sessions-revoke all", OPENED),
    one("authheader-delete", &[AuthHeader]),
    one("authheader-rotate", &[AuthHeader]),
    one("authheader-report-leaked", &[AuthHeader]),
    one("oauth2-revoke jwt", &[Jwt]),
    one("oauth2-revoke auth header", &[AuthHeader]),
    one("oauth2-revoke ticket", &[Ticket]),
    one("ticket-invalidate", &[Ticket]),
    one("persistent-login-delete", &[Series]),
    one("access-token-delete", &[AccessToken]),
    one("verification-token-delete", &[VerificationToken]),
    all("api1-profile-disable", HELD),
    all("api1-profile-update enabled", HELD),
    all("api1-profile-delete", EVERYTHING),
    all("tenant-delete", EVERYTHING),
    all("user-password", BY_PASSWORD),
    all("user-reset", BY_PASSWORD),
    all("api1-profile-change-password", BY_PASSWORD),
    all("api1-profile-update password", BY_PASSWORD),
    one("lock", &[Password]),
];

/// What a user holds, as far as an ending needs it.
struct Victim {
    account: Account,
    texts: BTreeMap<Kind, String>,
    token_of_series: String,
    /// Of another session, by which the user ends this one.
    other_jwt: String,
}

impl Victim {
    async fn new(world: &World, ending: &Ending) -> Self {
        let account = if ending.name == "tenant-delete" {
            let tenant =
                good(world, "tenant-delete").await.event()["pathParameters"]["name"].as_str().unwrap().to_owned();
            world.newcomer_of(&tenant).await
        } else {
            world.newcomer().await
        };
        let other_jwt = world.jwt(&account).await;
        let mut victim = Self { account, texts: BTreeMap::new(), token_of_series: String::new(), other_jwt };
        for kind in ending.kinds {
            let text = victim.shown(world, *kind).await;
            victim.texts.insert(*kind, text);
        }
        victim
    }

    async fn shown(&mut self, world: &World, kind: Kind) -> String {
        let account = &self.account;
        match kind {
            Jwt => world.jwt(account).await,
            AuthHeader => world.auth_header(&self.other_jwt).await,
            Ticket => world.ticket(account).await,
            Series => {
                let (id, token) = world.persistent_login(account).await;
                self.token_of_series = token;
                id
            }
            // One that may do everything, so that no path refuses it for what it may not.
            AccessToken => {
                let tenants = [Some(world.demo.user.tenant.clone()), None];
                let everything = tenants.map(|tenant| TenantPermission { tenant, actions: None });
                world.application_with("master", everything.to_vec()).await
            }
            Password => account.password.clone(),
            ResetToken => world.reset_token(account).await,
            VerificationToken => world.verification_token(account).await,
        }
    }

    fn text(&self, kind: Kind) -> &str {
        &self.texts[&kind]
    }
}

/// A world whose store calls overtake each other, and a good request to each of its endpoints.
struct Stage {
    world: World,
    goods: BTreeMap<&'static str, Call>,
}

impl Stage {
    async fn new(seed: u64) -> Self {
        let mut world = World::new().await;
        let mut goods = BTreeMap::new();
        for route in ROUTES {
            goods.insert(route.name, good(&world, route.name).await);
        }
        let clock = Arc::new(world.stack.clock.clone());
        world.rewire(Paced::new(world.stack.store.clone(), seed), clock);
        Self { world, goods }
    }

    /// A good request of an application that may do everything everywhere.
    fn good(&self, name: &str) -> Call {
        let (call, key) = (self.goods[name].clone(), &self.world.applications.everywhere);
        match header(call.route()) {
            Some(_) if name.starts_with("access-token-") => call,
            Some(header) => call.header(header, key),
            None => call,
        }
    }

    /// A request to a path by one credential of somebody's.
    fn shows(&self, route: &Route, kind: Kind, victim: &Victim) -> Call {
        let (call, text) = (self.good(route.name), victim.text(kind));
        if route.name == "oauth2-introspect" && kind != AccessToken {
            return call.form(&[("token", text)]);
        }
        match kind {
            Jwt if route.access == Access::AccessTokenOrJwt => {
                call.without("x-api-key").bearer(text).id(victim.account.id())
            }
            Jwt => call.bearer(text),
            AuthHeader => call.without("authorization").header("x-authorization", text),
            AccessToken if route.name == "profile-create" => {
                call.header("x-api-key", text).json(&json!({ "applicationId": "master", "name": "Somebody" }))
            }
            AccessToken => call.header(header(route).unwrap(), text),
            Ticket if route.name == "ticket-get" => call.id(text),
            Ticket => call.parameters(&[("ticketId", text)]),
            Series => call.id(text).parameters(&[("token", &victim.token_of_series)]),
            Password => with_password(call, &victim.account, text),
            ResetToken if route.name == "user-reset" => Call::reset(text),
            ResetToken => call.parameters(&[("resetTokenId", text), ("newPassword", NEW_PASSWORD)]),
            VerificationToken if route.name == "user-verify" => call.json(&json!({ "token": text })),
            VerificationToken if route.name == "api1-profile-verify" => {
                call.parameters(&[("verificationTokenId", text)])
            }
            VerificationToken => call.id(text),
        }
    }

    /// The request that ends something.
    async fn end(&self, ending: &Ending, victim: &Victim) -> Call {
        let (mut words, id) = (ending.name.splitn(2, ' '), victim.account.id());
        let (name, how) = (words.next().unwrap(), words.next().unwrap_or_default());
        let call = self.good(name);
        let text = |kind| victim.text(kind);
        match (name, how) {
            ("user-logout", _) => call.bearer(text(Jwt)),
            ("user-sessions-revoke", "all") => call.bearer(&victim.other_jwt).json(&json!({ "all": true })),
            ("user-sessions-revoke", _) => {
                let listed = self.world.send(&Call::to("user-sessions").bearer(text(Jwt))).await;
                let listed: Vec<Value> = serde_json::from_str(listed.body()).unwrap();
                let this = listed.iter().find(|session| session["current"] == true).unwrap();
                call.bearer(&victim.other_jwt).json(&json!({ "id": this["id"] }))
            }
            ("authheader-delete", _) => call.bearer(&victim.other_jwt).json(&json!({ "text": text(AuthHeader) })),
            ("authheader-rotate", _) => {
                call.bearer(&victim.other_jwt).json(&json!({ "text": text(AuthHeader), "overlap": 0 }))
            }
            ("authheader-report-leaked", _) => call.json(&json!({ "token": text(AuthHeader) })),
            ("oauth2-revoke", _) => call.form(&[("token", text(ending.kinds[0]))]),
            ("ticket-invalidate", _) => call.id(text(Ticket)),
            ("persistent-login-delete", _) => call.id(text(Series)),
            ("access-token-delete", _) => call.id(text(AccessToken)),
            ("verification-token-delete", _) => call.id(text(VerificationToken)),
            ("tenant-delete", _) => call.id(victim.account.user.tenant.as_str()),
            ("user-password", _) => Call::new_password(&victim.account.qualified(), &victim.account.password),
            ("user-reset", _) => Call::reset(text(ResetToken)),
            ("api1-profile-change-password", _) => {
                call.parameters(&[("resetTokenId", text(ResetToken)), ("newPassword", NEW_PASSWORD)])
            }
            ("api1-profile-update", "enabled") => call.id(id).parameters(&[("enabled", "false")]),
            ("api1-profile-update", _) => call.id(id).parameters(&[("password", NEW_PASSWORD)]),
            _ => call.id(id),
        }
    }
}

/// Where an application shows its access token.
fn header(route: &Route) -> Option<&'static str> {
    use shared::api::Family;
    match (route.access, route.family) {
        (Access::AccessToken | Access::AccessTokenOrJwt, Family::Ticket) => Some(KEY),
        (Access::AccessToken | Access::AccessTokenOrJwt, _) => Some("x-api-key"),
        _ => None,
    }
}

fn with_password(call: Call, account: &Account, password: &str) -> Call {
    match call.route().name {
        "user-login" => call.json(&json!({ "username": account.qualified(), "password": password })),
        "user-password" => Call::new_password(&account.qualified(), password),
        _ => call.parameters(&[
            ("tenantName", account.user.tenant.as_str()),
            ("username", account.user.name.as_str()),
            ("password", password),
        ]),
    }
}

/// Every path with each credential that it takes of these.
fn pairs(kinds: &[Kind]) -> Vec<(&'static Route, Kind)> {
    let all = ROUTES.iter().flat_map(|route| taken(route).into_iter().map(move |kind| (route, kind)));
    all.filter(|(_, kind)| kinds.contains(kind)).collect()
}

/// Whether an answer says that the credential is none.
fn refused(route: &Route, kind: Kind, answer: &Response) -> bool {
    if route.name == "oauth2-introspect" && kind != AccessToken {
        return answer.body() == r#"{"active":false}"#;
    }
    match kind {
        Jwt if route.access == Access::AccessTokenOrJwt => answer.status() == 403,
        Jwt | AuthHeader => answer.status() == 401,
        AccessToken => matches!(answer.status(), 401 | 403),
        _ => (400..500).contains(&answer.status()),
    }
}

/// What was made of a credential: it ends with what it was made of.
fn made(route: &Route, answer: &Response) -> Option<(Kind, String)> {
    let (kind, name) = match route.name {
        "user-login" | "user-renew" | "user-token" => (Jwt, "Token"),
        "profile-authenticate" => (Jwt, "jwt"),
        "ticket-authenticate" => (Ticket, "id"),
        "authheader-add" | "authheader-rotate" => (AuthHeader, "token"),
        _ => return None,
    };
    (answer.status() == success(route)).then(|| (kind, member(answer, name)))
}

/// What was seen, by ending.
#[derive(Default)]
struct Tally {
    acknowledged: usize,
    /// Requests that were on their way and let in, and that were refused.
    before: BTreeMap<&'static str, usize>,
    after: BTreeMap<&'static str, usize>,
    tried: BTreeSet<(&'static str, &'static str, Kind)>,
    derived: usize,
    survivors: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.derived += other.derived;
        for (all, more) in [(&mut self.before, other.before), (&mut self.after, other.after)] {
            for (name, count) in more {
                *all.entry(name).or_default() += count;
            }
        }
        self.tried.extend(other.tried);
        self.survivors.extend(other.survivors);
    }
}

async fn wait(turns: usize) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

/// What is on its way while something ends. What would end it in another way, or use it up, is not among it.
fn on_their_way(stage: &Stage, dice: &Dice, ending: &Ending, victim: &Victim) -> Vec<(&'static Route, Kind, Call)> {
    let others = [
        "user-logout",
        "user-password",
        "user-reset",
        "user-verify",
        "api1-profile-change-password",
        "api1-profile-verify",
    ];
    let open: Vec<_> = pairs(ending.kinds).into_iter().filter(|(route, _)| !others.contains(&route.name)).collect();
    let some = (0..AT_ONCE).filter(|_| !open.is_empty() && ending.name != "lock").map(|_| dice.one(&open));
    some.map(|(route, kind)| (route, kind, stage.shows(route, kind, victim))).collect()
}

/// Wrong passwords by every path that takes one, at once, until nobody is let in any more.
async fn lock(stage: &Stage, victim: &Victim) {
    let paths = pairs(&[Password]);
    let guesses: Vec<Call> = (0..3 * Rules::DEFAULT.per_network as usize)
        .map(|number| {
            with_password(stage.good(paths[number % paths.len()].0.name), &victim.account, &format!("wrong {number}"))
        })
        .collect();
    for answer in join_all(guesses.iter().map(|call| stage.world.send(call))).await {
        assert_eq!(answer.status(), 401, "{}", answer.body());
    }
}

/// Whether it was acknowledged, and what came of requests that were on their way.
async fn race(
    stage: &Stage,
    dice: &Dice,
    ending: &Ending,
    victim: &Victim,
) -> (bool, Vec<(&'static Route, Kind, Response)>) {
    if ending.name == "lock" {
        lock(stage, victim).await;
        return (true, Vec::new());
    }
    let end = stage.end(ending, victim).await;
    let others = on_their_way(stage, dice, ending, victim);
    let turns: Vec<usize> = others.iter().map(|_| dice.below(30)).collect();
    let ending_turns = dice.below(30);
    let others = others.into_iter().zip(turns).map(|((route, kind, call), turns)| async move {
        wait(turns).await;
        (route, kind, stage.world.send(&call).await)
    });
    let ends = async {
        wait(ending_turns).await;
        stage.world.send(&end).await
    };
    let (answer, others) = join(ends, join_all(others)).await;
    // Its own JWT may have been renewed before it was looked at.
    assert!([success(end.route()), 401].contains(&answer.status()), "{}: {}", ending.name, answer.body());
    // What goes on beside an answer is carried out.
    wait(40).await;
    (answer.status() == success(end.route()), others)
}

/// One ending among requests that are on their way, and what can be done afterwards.
async fn interleaving(stage: &Stage, dice: &Dice, ending: &Ending, tally: &mut Tally) {
    let mut victim = Victim::new(&stage.world, ending).await;
    let (acknowledged, answers) = race(stage, dice, ending, &victim).await;
    if !acknowledged {
        return;
    }
    tally.acknowledged += 1;
    let mut meanwhile = Vec::new();
    for (route, kind, answer) in answers {
        assert!(answer.status() < 500, "{}: {} {}", ending.name, route.name, answer.body());
        let counts = if refused(route, kind, &answer) { &mut tally.after } else { &mut tally.before };
        *counts.entry(ending.name).or_default() += 1;
        // What was opened by a JWT for a profile goes on when only that JWT's session ends.
        let own = ending.all || route.name != "profile-authenticate";
        meanwhile.extend(made(route, &answer).filter(|(made, _)| own && ending.kinds.contains(made)));
    }
    for _ in 0..AT_ONCE {
        probe(stage, ending, &victim, dice.one(&pairs(ending.kinds)), tally).await;
    }
    for (kind, text) in meanwhile {
        tally.derived += 1;
        victim.texts.insert(kind, text);
        probe(stage, ending, &victim, dice.one(&pairs(&[kind])), tally).await;
    }
}

/// Tries one path with what has ended.
async fn probe(
    stage: &Stage,
    ending: &Ending,
    victim: &Victim,
    (route, kind): (&'static Route, Kind),
    tally: &mut Tally,
) {
    let answer = stage.world.send(&stage.shows(route, kind, victim)).await;
    tally.tried.insert((ending.name, route.name, kind));
    if !refused(route, kind, &answer) {
        let told = format!("{} {}", answer.status(), answer.body());
        tally.survivors.push(format!("{}: {kind:?} at {}: {told}", ending.name, route.name));
    }
}

async fn in_worlds(seeds: impl Iterator<Item = usize>, spoil: fn(&mut World)) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let mut stage = Stage::new(seed as u64).await;
        spoil(&mut stage.world);
        let dice = Dice::new(seed as u64);
        for number in 0..IN_A_WORLD {
            let mut round = Tally::default();
            interleaving(&stage, &dice, &ENDINGS[number % ENDINGS.len()], &mut round).await;
            round.survivors.iter_mut().for_each(|told| *told = format!("world {seed}, round {number}: {told}"));
            tally.add(round);
        }
    }
    tally
}

#[test]
fn what_was_ended_opens_nothing_on_any_path_whatever_was_on_its_way() {
    // Some more, for those that somebody else was quicker to end.
    let worlds = INTERLEAVINGS / IN_A_WORLD + 20;
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(in_worlds((0..worlds).filter(|seed| seed % THREADS == thread), |_| {}))
            })
        })
        .collect();
    let mut tally = Tally::default();
    for thread in threads {
        tally.add(thread.join().expect("no panic"));
    }
    let shown: Vec<_> = tally.survivors.iter().take(20).collect();
    assert!(shown.is_empty(), "{} survive: {shown:#?}", tally.survivors.len());
    figure(&format!(
        "{} acknowledged endings of {} ways, {} of them with a path each; {} credentials made meanwhile",
        tally.acknowledged,
        ENDINGS.len(),
        tally.tried.len(),
        tally.derived
    ));
    assert!(tally.acknowledged >= INTERLEAVINGS, "{}", tally.acknowledged);
    let expected: usize = ENDINGS.iter().map(|ending| pairs(ending.kinds).len()).sum();
    assert_eq!(tally.tried.len(), expected, "each path was tried after each ending");
    for ending in ENDINGS.iter().filter(|ending| ending.name != "lock") {
        let counts = [&tally.before, &tally.after].map(|counts| counts.get(ending.name).copied().unwrap_or_default());
        assert!(counts[0] > 5 && counts[1] > 5, "{}: before and after: {counts:?}", ending.name);
    }
    assert!(tally.derived > 500, "{}", tally.derived);
    note("Q15", "interleavings", tally.acknowledged);
    note("Q15", "endings-with-a-path", tally.tried.len());
    note("Q15", "survivors", tally.survivors.len());
}

/// Lets everybody in.
struct Gullible;

impl Endpoint for Gullible {
    fn route(&self) -> &'static Route {
        &api::TEST_SECURE
    }

    async fn answer(&self, _: Request) -> Result<Response, Problem> {
        Ok(Response::json(200, &api::Message::new("Hi")))
    }
}

/// The control: one path of all that doesn't look is found.
#[tokio::test]
async fn a_path_that_lets_everybody_in_is_found() {
    let tally = in_worlds(0..3, |world| world.replace(Gullible)).await;
    assert!(!tally.survivors.is_empty() && tally.survivors.iter().all(|told| told.contains(" at test-secure: 200")));
    let (what, test) = ("one endpoint lets everybody in", "a_path_that_lets_everybody_in_is_found");
    noticed("Q15", "a-gullible-endpoint", what, "tests/tests/survivors.rs", test);
}

/// The control of the paths: each of these requests lets somebody in while nothing was ended.
#[tokio::test]
async fn what_was_not_ended_opens_every_path() {
    let stage = Stage::new(1).await;
    let everything = [EVERYTHING, &[AccessToken]].concat();
    let kinds: &'static [Kind] = everything.leak();
    let mut taking = BTreeSet::new();
    for (route, kind) in pairs(kinds) {
        let victim = Victim::new(&stage.world, &one("nothing", kinds)).await;
        let answer = stage.world.send(&stage.shows(route, kind, &victim)).await;
        assert!(answer.status() < 500 && !refused(route, kind, &answer), "{}, {kind:?}: {}", route.name, answer.body());
        taking.insert(route.name);
    }
    let none = ROUTES.iter().filter(|route| !taking.contains(route.name)).map(|route| route.name);
    let public = ["authheader-report-leaked", "health", "jwks", "openid-configuration", "test-unsecure", "user-forgot"];
    assert_eq!(none.collect::<BTreeSet<_>>(), BTreeSet::from(public), "nobody is let in there, by anything");
}
