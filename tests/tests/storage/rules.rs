//! The rules themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use shared::access_token::{AccessToken, TenantPermission};
use shared::auth_header::{AuthHeader, AuthHeaderKey, Choices};
use shared::clock::Timestamp;
use shared::lockout::{Admits, Counter, CounterKey, Gate, Lock, Place};
use shared::one_time::{OneTime, Purpose};
use shared::password::Phc;
use shared::random::SystemRandom;
use shared::secret::Digest;
use shared::source::Source;
use shared::store::{
    Administration, Claim, Creation, Credential, Guess, Guessed, LoginCommit, LoginName, Lookup, NewUser, Renewal,
    Step, Write,
};
use shared::tenant::{Tenant, TenantName};
use shared::ticket::{Branch, Limits, Lineage, Origin, Ticket, TicketKey};
use shared::user::{Email, User, UserId, UserName};

pub const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const LIMITS: Limits = Limits { idle: Some(Duration::from_secs(900)), absolute: Duration::from_secs(86_400) };
pub const PARALLEL: usize = 16;

pub fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

pub fn named(tenant: &str, name: &str) -> User {
    User {
        tenant: TenantName::parse(tenant).unwrap(),
        name: UserName::parse(name).unwrap(),
        ..shared::testing::user(UserId::generate(&SystemRandom).as_str())
    }
}

pub fn with_email(user: User, email: &str) -> User {
    User { email: Some(Email::parse(email).unwrap()), ..user }
}

pub async fn tenant(store: &impl Administration, name: &str) {
    let tenant = Tenant::new(TenantName::parse(name).unwrap(), NOW);
    assert_eq!(store.create_tenant(&tenant).await.unwrap(), Write::Done);
}

pub async fn create(store: &impl Administration, user: &User) -> Creation {
    let phc = Some(Phc::from_stored("$stored$".to_owned()));
    store.create_user(NewUser::new(user.clone(), phc)).await.unwrap()
}

pub async fn account(store: &impl Administration) -> User {
    tenant(store, "demo").await;
    let user = named("demo", "Jo");
    assert_eq!(create(store, &user).await, Creation::Done);
    user
}

pub fn ticket(user: &User) -> Ticket {
    Ticket::issue(user, Origin::Ticket, LIMITS, Source::default(), NOW, &SystemRandom).0
}

pub async fn find_ticket(store: &impl Administration, key: &TicketKey) -> Option<Ticket> {
    store.lookup(Lookup { ticket: Some(key.clone()), ..Lookup::default() }).await.unwrap().ticket
}

pub async fn find_user(store: &impl Administration, id: &UserId) -> Option<User> {
    let found = store.lookup(Lookup { users: vec![id.clone()], ..Lookup::default() }).await.unwrap();
    found.user(id).cloned()
}

pub async fn find_credential(store: &impl Administration, user: &User) -> Option<Credential> {
    let name = LoginName::new(&user.tenant, &user.name);
    store.lookup(Lookup { credential: Some(name), ..Lookup::default() }).await.unwrap().credential
}

pub fn login_name(user: &User) -> LoginName {
    LoginName::new(&user.tenant, &user.name)
}

/// The claim on an address of the tenant `demo`.
pub async fn find_claim(store: &impl Administration, address: &str) -> Option<Claim> {
    let claim = LoginName::typed_email("demo", address);
    store.lookup(Lookup { claim, ..Lookup::default() }).await.unwrap().claim
}

pub fn one_time(user: &User, purpose: Purpose) -> OneTime {
    OneTime::issue(user, purpose, NOW, &SystemRandom).0
}

pub fn auth_header(user: &User) -> AuthHeader {
    AuthHeader::issue(user, Choices { name: "ci".to_owned(), ..Choices::default() }, NOW, &SystemRandom).0
}

pub fn access_token(application: &str) -> AccessToken {
    AccessToken {
        digest: AccessToken::generate(&SystemRandom).digest(),
        application: application.to_owned(),
        master: false,
        permissions: vec![TenantPermission { tenant: None, actions: None }],
        expires: Some(later(60)),
        created: NOW,
    }
}

pub async fn a_ticket_is_stored_once_and_read_back(store: &impl Administration) {
    let ticket = ticket(&account(store).await);
    assert_eq!(store.create_ticket(&ticket).await.unwrap(), Write::Done);
    let other = Ticket { origin: Origin::Login, ..ticket.clone() };
    assert_eq!(store.create_ticket(&other).await.unwrap(), Write::Refused);
    assert_eq!(find_ticket(store, &ticket.key).await, Some(ticket));
}

pub async fn a_lookup_reads_everything_at_once(store: &impl Administration) {
    let user = account(store).await;
    let second = with_email(named("demo", "second"), "Second@Example.com");
    assert_eq!(create(store, &second).await, Creation::Done);
    let one_time = one_time(&second, Purpose::Verify);
    assert_eq!(store.create_one_time(&login_name(&second), &one_time, NOW).await.unwrap(), Write::Done);
    let (ticket, header, token) = (ticket(&user), auth_header(&user), access_token("app"));
    assert_eq!(store.create_ticket(&ticket).await.unwrap(), Write::Done);
    assert_eq!(store.create_auth_header(&header).await.unwrap(), Write::Done);
    let (series, other) = (crate::persistent::persistent_login(&user), access_token("other"));
    assert_eq!(store.create_persistent_login(&series).await.unwrap(), Write::Done);
    for token in [&token, &other] {
        assert_eq!(store.create_access_token(token).await.unwrap(), Write::Done);
    }
    let wanted = Lookup {
        credential: Some(LoginName::new(&user.tenant, &user.name)),
        access_token: Some(token.digest),
        ticket: Some(ticket.key.clone()),
        auth_header: Some(header.key.clone()),
        users: vec![user.id.clone(), second.id.clone(), user.id.clone()],
        claim: LoginName::typed_email("demo", "second@example.COM"),
        one_time: Some(one_time.key.clone()),
        tenant: TenantName::parse("demo"),
        persistent_login: Some(series.key.clone()),
        owner: Some(login_name(&second)),
        subject_tokens: vec![token.digest, other.digest],
    };
    let found = store.lookup(wanted).await.unwrap();
    assert_eq!(found.credential.as_ref().map(|credential| credential.user.clone()), Some(user.id.clone()));
    assert_eq!(found.users.len(), 2, "the same user twice is one");
    assert_eq!((found.user(&user.id), found.user(&second.id)), (Some(&user), Some(&second)));
    assert!(found.persistent_login == Some(series) && found.owner == Some(second.id.clone()));
    assert_eq!(found.subject_tokens, [token.clone(), other]);
    assert_eq!(found.access_token, Some(token));
    assert_eq!((found.ticket, found.auth_header), (Some(ticket), Some(header)));
    assert_eq!(found.claim, Some(Claim { user: second.id.clone(), name: login_name(&second) }));
    assert_eq!((found.one_time, found.tenant.map(|tenant| tenant.name)), (Some(one_time), Some(user.tenant)));
}

pub async fn a_missing_item_is_not_found_and_no_error(store: &impl Administration) {
    let absent = named("demo", "absent");
    let wanted = Lookup {
        credential: Some(LoginName::typed("no such tenant", "\u{0}")),
        access_token: Some(Digest::of(b"x")),
        ticket: Some(ticket(&absent).key),
        auth_header: Some(auth_header(&absent).key),
        users: vec![absent.id.clone(), UserId::nobody("test")],
        claim: LoginName::typed_email("demo", "absent@example.com"),
        one_time: Some(one_time(&absent, Purpose::Verify).key),
        tenant: TenantName::parse("absent"),
        persistent_login: Some(crate::persistent::persistent_login(&absent).key),
        owner: Some(login_name(&absent)),
        subject_tokens: vec![Digest::of(b"x"), Digest::of(b"y")],
    };
    let found = store.lookup(wanted).await.unwrap();
    assert!(found.credential.is_none() && found.access_token.is_none() && found.users.is_empty());
    assert!(found.ticket.is_none() && found.auth_header.is_none() && found.persistent_login.is_none());
    assert!(found.owner.is_none() && found.subject_tokens.is_empty());
    assert!(found.claim.is_none() && found.one_time.is_none() && found.tenant.is_none());
    assert!(store.lookup(Lookup::default()).await.unwrap().users.is_empty(), "nothing asked, nothing found");
}

pub async fn a_deleted_ticket_is_not_revived_by_a_late_use(store: &impl Administration) {
    let ticket = ticket(&account(store).await);
    assert_eq!(store.create_ticket(&ticket).await.unwrap(), Write::Done);
    assert_eq!(store.touch_ticket(&ticket.key, later(100)).await.unwrap(), Write::Done);
    assert_eq!(find_ticket(store, &ticket.key).await.unwrap().last_request, later(100));
    store.delete_ticket(&ticket.key).await.unwrap();
    assert_eq!(store.touch_ticket(&ticket.key, later(200)).await.unwrap(), Write::Refused);
    assert_eq!(find_ticket(store, &ticket.key).await, None);
}

pub async fn an_ended_ticket_is_not_touched(store: &impl Administration) {
    let ticket = ticket(&account(store).await);
    assert_eq!(store.create_ticket(&ticket).await.unwrap(), Write::Done);
    assert_eq!(store.touch_ticket(&ticket.key, ticket.expires).await.unwrap(), Write::Refused);
}

pub async fn deleting_a_ticket_twice_is_no_error(store: &impl Administration) {
    let ticket = ticket(&account(store).await);
    assert_eq!(store.create_ticket(&ticket).await.unwrap(), Write::Done);
    store.delete_ticket(&ticket.key).await.unwrap();
    store.delete_ticket(&ticket.key).await.unwrap();
}

pub async fn auth_headers_are_listed_for_their_user_alone(store: &impl Administration) {
    let user = account(store).await;
    let (mine, also_mine, theirs) = (auth_header(&user), auth_header(&user), auth_header(&named("demo", "other")));
    for header in [&mine, &also_mine, &theirs] {
        assert_eq!(store.create_auth_header(header).await.unwrap(), Write::Done);
        assert_eq!(store.create_auth_header(header).await.unwrap(), Write::Refused);
    }
    let mut listed = store.auth_headers(&user.id).await.unwrap();
    listed.sort_by(|a, b| a.key.cmp(&b.key));
    let mut expected = vec![mine.clone(), also_mine.clone()];
    expected.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(listed, expected);
    for (enough, counted) in [(1, 1), (2, 2), (1000, 2)] {
        assert_eq!(store.count_auth_headers(&user.id, enough).await.unwrap(), counted);
    }
    let not_mine = AuthHeaderKey { user: user.id.clone(), digest: theirs.key.digest };
    assert_eq!(store.delete_auth_header(&not_mine).await.unwrap(), Write::Refused);
    assert_eq!(store.delete_auth_header(&mine.key).await.unwrap(), Write::Done);
    assert_eq!(store.auth_headers(&user.id).await.unwrap(), [also_mine]);
}

pub async fn of_parallel_deletions_one_wins(store: &impl Administration) {
    let header = auth_header(&account(store).await);
    assert_eq!(store.create_auth_header(&header).await.unwrap(), Write::Done);
    let outcomes = join_all((0..PARALLEL).map(|_| store.delete_auth_header(&header.key))).await;
    let winners = outcomes.into_iter().filter(|outcome| *outcome.as_ref().unwrap() == Write::Done).count();
    assert_eq!(winners, 1);
}

pub async fn a_user_name_is_taken_in_every_spelling(store: &impl Administration) {
    tenant(store, "demo").await;
    assert_eq!(create(store, &named("demo", "Jos\u{e9}")).await, Creation::Done);
    for spelling in ["jos\u{e9}", "JOSE\u{301}", "\u{ff4a}os\u{e9}"] {
        assert_eq!(create(store, &named("demo", spelling)).await, Creation::NameTaken, "{spelling}");
    }
}

pub async fn an_email_address_is_taken_in_every_spelling(store: &impl Administration) {
    tenant(store, "demo").await;
    assert_eq!(create(store, &with_email(named("demo", "one"), "Jo@Example.com")).await, Creation::Done);
    let second = with_email(named("demo", "two"), "jo@EXAMPLE.com");
    assert_eq!(create(store, &second).await, Creation::EmailTaken);
    assert_eq!(find_user(store, &second.id).await, None);
}

pub async fn a_refused_account_leaves_no_claim_behind(store: &impl Administration) {
    tenant(store, "demo").await;
    assert_eq!(create(store, &with_email(named("demo", "one"), "one@example.com")).await, Creation::Done);
    let refused = with_email(named("demo", "one"), "two@example.com");
    assert_eq!(create(store, &refused).await, Creation::NameTaken);
    assert_eq!(create(store, &with_email(named("demo", "two"), "two@example.com")).await, Creation::Done);
    let refused = with_email(named("demo", "three"), "two@example.com");
    assert_eq!(create(store, &refused).await, Creation::EmailTaken);
    assert_eq!(create(store, &named("demo", "three")).await, Creation::Done);
}

pub async fn an_account_needs_its_tenant(store: &impl Administration) {
    let user = with_email(named("absent", "jo"), "jo@example.com");
    assert_eq!(create(store, &user).await, Creation::NoSuchTenant);
    assert!(find_credential(store, &user).await.is_none());
    tenant(store, "absent").await;
    assert_eq!(create(store, &user).await, Creation::Done);
}

pub async fn of_parallel_accounts_one_wins(store: &impl Administration) {
    tenant(store, "demo").await;
    let spellings = ["Jo", "jo", "JO", "\u{ff4a}\u{ff4f}"];
    let users: Vec<User> = (0..PARALLEL)
        .map(|index| with_email(named("demo", spellings[index % spellings.len()]), &format!("{index}@example.com")))
        .collect();
    let outcomes = join_all(users.iter().map(|user| create(store, user))).await;
    let winners: Vec<&User> =
        users.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Creation::Done).map(|(user, _)| user).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert_eq!(find_credential(store, winners[0]).await.unwrap().user, winners[0].id);
    for loser in users.iter().filter(|user| user.id != winners[0].id) {
        assert_eq!(find_user(store, &loser.id).await, None);
    }
}

pub async fn the_same_names_in_two_tenants_are_two_accounts(store: &impl Administration) {
    tenant(store, "a").await;
    tenant(store, "b").await;
    let (one, other) = (with_email(named("a", "jo"), "jo@x.y"), with_email(named("b", "jo"), "jo@x.y"));
    assert_eq!(create(store, &one).await, Creation::Done);
    assert_eq!(create(store, &other).await, Creation::Done);
    assert_eq!(find_credential(store, &one).await.unwrap().user, one.id);
    assert_eq!(find_credential(store, &other).await.unwrap().user, other.id);
    let same_id = User { id: one.id.clone(), ..named("b", "third") };
    assert_eq!(create(store, &same_id).await, Creation::IdTaken);
}

pub async fn names_full_of_separators_stay_apart(store: &impl Administration) {
    tenant(store, "demo").await;
    let names = ["#", "##", "%23", "%2523", "a#b", "a%23b", "name#demo#x", "*", "'; drop", "\u{1f600}"];
    let users: Vec<User> = names.iter().filter(|name| !name.contains(' ')).map(|name| named("demo", name)).collect();
    for user in &users {
        assert_eq!(create(store, user).await, Creation::Done, "{}", user.name.as_str());
    }
    for user in &users {
        assert_eq!(find_credential(store, user).await.unwrap().user, user.id);
        assert_eq!(find_user(store, &user.id).await.as_ref(), Some(user));
    }
}

pub async fn refusals_are_counted_where_there_is_an_account(store: &impl Administration) {
    let user = account(store).await;
    let name = LoginName::new(&user.tenant, &user.name);
    for (mark, written) in [(1, Write::Done), (2, Write::Done), (1, Write::Refused), (3, Write::Done)] {
        assert_eq!(store.record_guess(wrong(&name, mark, Admits::Below(9))).await.unwrap(), written, "{mark}");
    }
    let nothing = Guess { found: Guessed::Nothing, ..wrong(&name, 4, Admits::Below(9)) };
    assert_eq!(store.record_guess(nothing).await.unwrap(), Write::Done);
    let guesses = find_credential(store, &user).await.unwrap().guesses;
    let counter = Counter { failures: 3, last: Some(later(1)), marks: [1, 2, 3].into() };
    assert_eq!(guesses.counters, BTreeMap::from([(at_home(), counter)]), "the same one counts once");
    let absent = named("demo", "absent");
    let nobody = LoginName::new(&absent.tenant, &absent.name);
    assert_eq!(store.record_guess(wrong(&nobody, 1, Admits::Below(9))).await.unwrap(), Write::Refused);
    assert!(find_credential(store, &absent).await.is_none(), "counting makes no account");
}

/// The counter of a network on the suite's day.
pub fn at_home() -> CounterKey {
    CounterKey { day: 20_833, place: Place::of(Some("203.0.113.0/24")) }
}

/// A wrong password from that network.
pub fn wrong(name: &LoginName, mark: u32, admits: Admits) -> Guess {
    let lock = Lock { key: at_home(), admits };
    let (found, counted) = (Guessed::Wrong { mark }, vec![at_home()]);
    Guess { name: name.clone(), found, locks: vec![lock], counted, stale: Vec::new(), at: later(1) }
}

pub async fn of_parallel_guesses_no_more_are_admitted_than_the_lock_allows(store: &impl Administration) {
    let user = account(store).await;
    let name = LoginName::new(&user.tenant, &user.name);
    let admitted = async |admits, first: u32| {
        let guesses = (first..).take(PARALLEL).map(|mark| wrong(&name, mark, admits));
        let outcomes = join_all(guesses.map(|guess| store.record_guess(guess))).await;
        outcomes.into_iter().filter(|outcome| *outcome.as_ref().unwrap() == Write::Done).count()
    };
    assert_eq!(admitted(Admits::Below(5), 100).await, 5);
    assert_eq!(admitted(Admits::Below(5), 200).await, 0);
    assert_eq!(admitted(Admits::Nobody, 300).await, 0);
    assert_eq!(admitted(Admits::Exactly(5), 400).await, 1, "after a wait, one");
    assert_eq!(admitted(Admits::Exactly(5), 500).await, 0);
    assert_eq!(find_credential(store, &user).await.unwrap().guesses.failures(), 6);
    let right = |admits| Guess { found: Guessed::Right, ..wrong(&name, 1, admits) };
    assert_eq!(
        store.record_guess(right(Admits::Below(5))).await.unwrap(),
        Write::Refused,
        "a right one no more than others"
    );
    assert_eq!(store.record_guess(right(Admits::Exactly(6))).await.unwrap(), Write::Done);
    assert_eq!(store.unlock(&name).await.unwrap(), Write::Done);
    assert_eq!(store.unlock(&name).await.unwrap(), Write::Done, "once more is no error");
    assert_eq!(find_credential(store, &user).await.unwrap().guesses.counters, BTreeMap::new());
    assert_eq!(store.unlock(&LoginName::typed("demo", "absent")).await.unwrap(), Write::Refused);
}

pub async fn a_login_forgets_its_network_s_guesses_and_remembers_the_network(store: &impl Administration) {
    let user = account(store).await;
    let name = LoginName::new(&user.tenant, &user.name);
    let (yesterday, strangers) =
        (CounterKey { day: 20_832, ..at_home() }, CounterKey { place: Place::Strangers, ..at_home() });
    let both = Guess { counted: vec![at_home(), strangers.clone()], ..wrong(&name, 1, Admits::Below(5)) };
    assert_eq!(store.record_guess(both).await.unwrap(), Write::Done);
    let earlier = Guess { counted: vec![yesterday.clone()], ..wrong(&name, 2, Admits::Below(5)) };
    assert_eq!(store.record_guess(earlier).await.unwrap(), Write::Done);
    let lock = |admits| vec![Lock { key: at_home(), admits }];
    let forgotten = Place::of(Some("198.51.100.0/24"));
    let commit = |admits, place: Place, forgotten| LoginCommit {
        name: name.clone(),
        version: 0,
        user: user.id.clone(),
        gate: Gate { locks: lock(admits), place, stale: vec![yesterday.clone()], forgotten },
        at: later(5),
    };
    assert_eq!(
        store.commit_login(commit(Admits::Below(1), at_home().place, Vec::new())).await.unwrap(),
        Write::Refused
    );
    assert_eq!(store.commit_login(commit(Admits::Below(5), forgotten.clone(), Vec::new())).await.unwrap(), Write::Done);
    let last = commit(Admits::Below(5), at_home().place, vec![forgotten]);
    assert_eq!(store.commit_login(last).await.unwrap(), Write::Done);
    let guesses = find_credential(store, &user).await.unwrap().guesses;
    assert_eq!(guesses.counters.into_keys().collect::<Vec<_>>(), [strangers], "those of strangers stay");
    assert_eq!(guesses.known, BTreeMap::from([(at_home().place, later(5))]));
    let parallel = (0..PARALLEL).map(|_| store.commit_login(commit(Admits::Exactly(3), at_home().place, Vec::new())));
    assert!(
        join_all(parallel).await.into_iter().all(|outcome| outcome.unwrap() == Write::Done),
        "any number of right ones"
    );
}

pub async fn a_login_is_committed_against_the_password_it_was_checked_with(store: &impl Administration) {
    let user = account(store).await;
    let name = LoginName::new(&user.tenant, &user.name);
    let commit = |version, id: &UserId| LoginCommit {
        name: name.clone(),
        version,
        user: id.clone(),
        gate: Gate { locks: Vec::new(), place: at_home().place, stale: Vec::new(), forgotten: Vec::new() },
        at: later(5),
    };
    assert_eq!(store.record_guess(wrong(&name, 1, Admits::Below(5))).await.unwrap(), Write::Done);
    assert_eq!(store.commit_login(commit(1, &user.id)).await.unwrap(), Write::Refused);
    let another = UserId::generate(&SystemRandom);
    assert_eq!(store.commit_login(commit(0, &another)).await.unwrap(), Write::Refused);
    let before = find_credential(store, &user).await.unwrap();
    assert_eq!((before.guesses.failures(), before.last_login), (1, None), "a refused commit changes nothing");
    assert_eq!(store.commit_login(commit(0, &user.id)).await.unwrap(), Write::Done);
    let hash = |text: &str| Phc::from_stored(text.to_owned());
    assert_eq!(store.replace_hash(&name, &user.id, 0, &hash("$new$")).await.unwrap(), Write::Done);
    assert_eq!(store.replace_hash(&name, &user.id, 1, &hash("$x$")).await.unwrap(), Write::Refused);
    assert_eq!(store.replace_hash(&name, &another, 0, &hash("$x$")).await.unwrap(), Write::Refused);
    let nobody = LoginName::typed("demo", "absent");
    assert_eq!(store.replace_hash(&nobody, &user.id, 0, &hash("$x$")).await.unwrap(), Write::Refused);
    let after = find_credential(store, &user).await.unwrap();
    assert_eq!((after.last_login, after.version), (Some(later(5)), 0));
    assert_eq!(after.phc.unwrap().expose_secret(), "$new$");
    let absent = LoginCommit { name: LoginName::typed("demo", "absent"), ..commit(0, &user.id) };
    assert_eq!(store.commit_login(absent).await.unwrap(), Write::Refused);
    assert!(find_credential(store, &named("demo", "absent")).await.is_none(), "committing makes no account");
}

pub async fn disabling_ends_what_was_issued_and_enabling_revives_nothing(store: &impl Administration) {
    let before = account(store).await;
    let (ticket, header) = (ticket(&before), auth_header(&before));
    assert_eq!(store.set_enabled(&before, false, later(1)).await.unwrap(), Write::Done);
    let disabled = find_user(store, &before.id).await.unwrap();
    assert!(!disabled.enabled);
    assert_eq!(disabled.modified, later(1));
    assert_eq!(store.set_enabled(&before, true, later(2)).await.unwrap(), Write::Done);
    let enabled = find_user(store, &before.id).await.unwrap();
    assert!(enabled.enabled);
    assert!(!ticket.is_live(&enabled, later(3)) && !header.is_live(&enabled, later(3)));
    assert!(super::rules::ticket(&enabled).is_live(&enabled, later(3)), "what is issued afterwards lives");
    let nobody = User { id: UserId::generate(&SystemRandom), ..before.clone() };
    let elsewhere = User { tenant: TenantName::parse("other").unwrap(), ..before.clone() };
    assert_eq!(store.set_enabled(&nobody, false, later(3)).await.unwrap(), Write::Refused);
    assert_eq!(find_user(store, &nobody.id).await, None);
    assert_eq!(store.set_enabled(&elsewhere, false, later(3)).await.unwrap(), Write::Refused);
    assert_eq!(store.set_enabled(&before, false, later(1)).await.unwrap(), Write::Refused, "it was changed since");
    assert_eq!(find_user(store, &before.id).await.unwrap(), enabled, "and the date of change never goes back");
}

/// Somebody waits for a deletion, and a user may have thousands of tickets.
pub async fn a_sweep_is_side_by_side(store: &impl Administration, proxy: &crate::cut::Proxy) {
    let user = account(store).await;
    for _ in 0..64 {
        assert_eq!(store.create_ticket(&ticket(&user)).await.unwrap(), Write::Done);
    }
    proxy.slow_down();
    assert_eq!(store.delete_user(&user, later(1)).await.unwrap(), Write::Done);
    assert!(store.tickets(&user.id, NOW).await.unwrap().is_empty());
    let most = proxy.most_at_once();
    assert!((8..=16).contains(&most), "{most} at once");
}

/// Others that write to the account at the same moment don't keep it from being locked.
pub async fn disabling_outlasts_conflicts(store: &impl Administration, proxy: &crate::cut::Proxy) {
    let user = account(store).await;
    proxy.conflict(8);
    assert_eq!(store.set_enabled(&user, false, later(1)).await.unwrap(), Write::Done);
    assert!(!find_user(store, &user.id).await.unwrap().enabled);
}

pub async fn a_tenant_is_made_once(store: &impl Administration) {
    tenant(store, "b").await;
    tenant(store, "a").await;
    let again = Tenant::new(TenantName::parse("a").unwrap(), later(9));
    assert_eq!(store.create_tenant(&again).await.unwrap(), Write::Refused);
    let tenants = store.tenants().await.unwrap();
    assert_eq!(tenants.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(tenants.iter().all(|tenant| tenant.created == NOW));
}

pub async fn an_access_token_is_gone_once_deleted(store: &impl Administration) {
    let (one, other) = (access_token("one"), access_token("other"));
    for token in [&one, &other] {
        assert_eq!(store.create_access_token(token).await.unwrap(), Write::Done);
        assert_eq!(store.create_access_token(token).await.unwrap(), Write::Refused);
    }
    assert_eq!(store.access_tokens().await.unwrap().len(), 2);
    assert_eq!(store.delete_access_token(one.digest).await.unwrap(), Write::Done);
    assert_eq!(store.delete_access_token(one.digest).await.unwrap(), Write::Refused);
    let wanted = Lookup { access_token: Some(one.digest), ..Lookup::default() };
    assert_eq!(store.lookup(wanted).await.unwrap().access_token, None);
    assert_eq!(store.access_tokens().await.unwrap(), [other]);
}

fn advance(branch: usize, generation: u64, alone: bool) -> Step {
    Step::Advance { from: Lineage { branch, generation }, alone }
}

fn renewal(step: Step, expires: u64) -> Renewal {
    Renewal { step, expires: later(expires), at: later(10) }
}

pub async fn a_renewal_takes_the_step_it_was_read_for(store: &impl Administration) {
    let ticket = ticket(&account(store).await);
    assert_eq!(store.create_ticket(&ticket).await.unwrap(), Write::Done);
    let took = async |step, expires| store.renew_ticket(&ticket.key, renewal(step, expires)).await.unwrap();
    let found = async || find_ticket(store, &ticket.key).await.unwrap();
    let first = Branch { generation: 1, renewed: Some(later(10)) };
    assert_eq!(took(advance(0, 0, true), 5000).await, Write::Done);
    assert_eq!(took(advance(0, 0, true), 6000).await, Write::Refused, "it was overtaken");
    assert_eq!((found().await.branches, found().await.expires), (vec![first], later(5000)), "earlier than before");
    assert_eq!(found().await.last_request, later(10));

    assert_eq!(took(Step::Fork { branches: 1 }, 4999).await, Write::Refused, "another branch rests on the end");
    assert_eq!(took(Step::Fork { branches: 2 }, 7000).await, Write::Refused, "there is one");
    assert_eq!(took(Step::Fork { branches: 1 }, 7000).await, Write::Done);
    assert_eq!(took(Step::Fork { branches: 1 }, 7000).await, Write::Refused, "there are two now");
    assert_eq!((found().await.branches, found().await.expires), (vec![first, Branch::default()], later(7000)));

    let join = |branch, generation| Step::Join { at: Lineage { branch, generation } };
    assert_eq!(took(join(0, 0), 8000).await, Write::Refused, "it went on");
    assert_eq!(took(join(0, 1), 6999).await, Write::Refused, "no earlier");
    assert_eq!(took(join(0, 1), 8000).await, Write::Done);
    assert_eq!((found().await.branches, found().await.expires), (vec![first, Branch::default()], later(8000)));

    assert_eq!(took(advance(1, 0, true), 9000).await, Write::Refused, "it is not alone");
    assert_eq!(took(advance(1, 0, false), 7999).await, Write::Refused, "never earlier for the others");
    assert_eq!(took(advance(2, 0, false), 9000).await, Write::Refused, "there is no third");
    assert_eq!(took(advance(1, 0, false), 9000).await, Write::Done);
    assert_eq!((found().await.branches, found().await.expires), (vec![first, first], later(9000)), "each for itself");
}

pub async fn what_has_ended_is_not_renewed(store: &impl Administration) {
    let ticket = ticket(&account(store).await);
    assert_eq!(store.create_ticket(&ticket).await.unwrap(), Write::Done);
    for step in [advance(0, 0, true), Step::Fork { branches: 1 }] {
        let late = Renewal { step, expires: later(900_000), at: ticket.expires };
        assert_eq!(store.renew_ticket(&ticket.key, late).await.unwrap(), Write::Refused);
    }
    store.delete_ticket(&ticket.key).await.unwrap();
    for step in [advance(0, 0, true), Step::Fork { branches: 1 }] {
        assert_eq!(store.renew_ticket(&ticket.key, renewal(step, 100_000)).await.unwrap(), Write::Refused);
    }
    assert_eq!(find_ticket(store, &ticket.key).await, None, "nothing revives it");
}

pub async fn of_parallel_renewals_one_wins(store: &impl Administration) {
    let ticket = ticket(&account(store).await);
    assert_eq!(store.create_ticket(&ticket).await.unwrap(), Write::Done);
    for step in [advance(0, 0, true), Step::Fork { branches: 1 }] {
        let tries = (0..16).map(|number| store.renew_ticket(&ticket.key, renewal(step, 90_000 + number)));
        let outcomes = join_all(tries).await.into_iter().filter(|outcome| *outcome.as_ref().unwrap() == Write::Done);
        assert_eq!(outcomes.count(), 1, "{step:?}");
    }
    assert_eq!(find_ticket(store, &ticket.key).await.unwrap().branches.len(), 2);
}

pub async fn tickets_are_listed_for_their_user_alone(store: &impl Administration) {
    let (user, other) = (account(store).await, named("demo", "other"));
    assert!(store.tickets(&user.id, NOW).await.unwrap().is_empty());
    let mut mine = [ticket(&user), ticket(&user), ticket(&user)].to_vec();
    for ticket in mine.iter().chain(&[ticket(&other)]) {
        assert_eq!(store.create_ticket(ticket).await.unwrap(), Write::Done);
    }
    let mut listed = store.tickets(&user.id, NOW).await.unwrap();
    listed.sort_by(|a, b| a.key.cmp(&b.key));
    mine.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(listed, mine);
    let end = mine[0].expires;
    assert_eq!(store.tickets(&user.id, end).await.unwrap(), [], "nor what is over and not swept");
}

pub async fn ending_all_tickets_leaves_at_most_the_one_that_is_kept(store: &impl Administration) {
    let user = account(store).await;
    let (kept, ended) = (ticket(&user), ticket(&user));
    for ticket in [&kept, &ended] {
        assert_eq!(store.create_ticket(ticket).await.unwrap(), Write::Done);
    }
    let epoch = user.session_epoch;
    assert_eq!(store.end_tickets(&user.id, epoch, Some(&kept.key)).await.unwrap(), Write::Done);
    let after = find_user(store, &user.id).await.unwrap();
    assert_eq!((after.session_epoch, after.key_epoch), (epoch + 1, user.key_epoch), "auth headers go on");
    assert!(find_ticket(store, &kept.key).await.unwrap().is_live(&after, NOW));
    assert!(!find_ticket(store, &ended.key).await.unwrap().is_live(&after, NOW));

    assert_eq!(store.end_tickets(&user.id, epoch, None).await.unwrap(), Write::Refused, "an epoch of the past");
    assert_eq!(store.end_tickets(&user.id, epoch + 1, Some(&ended.key)).await.unwrap(), Write::Refused);
    let gone = ticket(&user);
    assert_eq!(store.end_tickets(&user.id, epoch + 1, Some(&gone.key)).await.unwrap(), Write::Refused);
    assert_eq!(find_user(store, &user.id).await.unwrap(), after, "nothing refused is half done");
    assert_eq!(store.end_tickets(&user.id, epoch + 1, None).await.unwrap(), Write::Done);
    let last = find_user(store, &user.id).await.unwrap();
    assert!(!find_ticket(store, &kept.key).await.unwrap().is_live(&last, NOW));
    assert_eq!(store.end_tickets(&UserId::nobody("test"), 0, None).await.unwrap(), Write::Refused);
}

pub async fn the_use_of_an_auth_header_is_noted_once_in_five_minutes(store: &impl Administration) {
    let header = auth_header(&account(store).await);
    assert_eq!(store.create_auth_header(&header).await.unwrap(), Write::Done);
    let noted = async || store.auth_headers(&header.key.user).await.unwrap()[0].last_used;
    for (at, expected) in [(0, 0), (1, 0), (299, 0), (300, 300), (301, 300)] {
        store.note_auth_header_use(&header.key, later(at)).await.unwrap();
        assert_eq!(noted().await, Some(later(expected)), "{at}");
    }
    assert_eq!(store.delete_auth_header(&header.key).await.unwrap(), Write::Done);
    store.note_auth_header_use(&header.key, later(900)).await.unwrap();
    assert!(store.auth_headers(&header.key.user).await.unwrap().is_empty(), "a late note revives nothing");
}

pub async fn a_rotation_ends_the_old_and_stores_the_new_or_does_nothing(store: &impl Administration) {
    let user = account(store).await;
    let (old, new, third) = (auth_header(&user), auth_header(&user), auth_header(&user));
    assert_eq!(store.create_auth_header(&old).await.unwrap(), Write::Done);
    let end_of = async |key: &AuthHeaderKey| {
        let headers = store.auth_headers(&user.id).await.unwrap();
        headers.into_iter().find(|header| header.key == *key).map(|header| header.expires)
    };
    assert_eq!(store.rotate_auth_header(&old.key, later(50), &new).await.unwrap(), Write::Done);
    assert_eq!((end_of(&old.key).await, end_of(&new.key).await), (Some(Some(later(50))), Some(None)));

    assert_eq!(store.rotate_auth_header(&old.key, later(51), &third).await.unwrap(), Write::Refused, "no prolonging");
    assert_eq!(
        store.rotate_auth_header(&third.key, later(9), &auth_header(&user)).await.unwrap(),
        Write::Refused,
        "none to rotate"
    );
    assert_eq!(store.rotate_auth_header(&old.key, later(9), &new).await.unwrap(), Write::Refused, "the new one exists");
    assert_eq!((end_of(&old.key).await, end_of(&third.key).await), (Some(Some(later(50))), None));
    assert_eq!(store.rotate_auth_header(&old.key, later(9), &third).await.unwrap(), Write::Done);
    assert_eq!(end_of(&old.key).await, Some(Some(later(9))));
}

/// More than one page of DynamoDB's 1 MB.
pub async fn long_lists_are_listed_whole(store: &impl Administration) {
    let user = account(store).await;
    let name = "n".repeat(8192);
    for _ in 0..150 {
        let header = AuthHeader { name: name.clone(), ..auth_header(&user) };
        assert_eq!(store.create_auth_header(&header).await.unwrap(), Write::Done);
    }
    assert_eq!(store.auth_headers(&user.id).await.unwrap().len(), 150);
}

pub async fn lost_answers(store: &impl Administration, proxy: &crate::cut::Proxy) {
    let user = account(store).await;
    let (ticket, header, token) = (ticket(&user), auth_header(&user), access_token("app"));
    let name = LoginName::new(&user.tenant, &user.name);

    proxy.cut_one();
    assert_eq!(store.create_ticket(&ticket).await.unwrap(), Write::Done);
    assert!(!proxy.is_waiting(), "an answer was lost");
    assert_eq!(store.create_ticket(&ticket).await.unwrap(), Write::Refused, "another write is still another one");

    proxy.cut_one();
    assert_eq!(store.create_auth_header(&header).await.unwrap(), Write::Done);
    proxy.cut_one();
    assert_eq!(store.delete_auth_header(&header.key).await.unwrap(), Write::Done);
    assert_eq!(store.delete_auth_header(&header.key).await.unwrap(), Write::Refused);

    proxy.cut_one();
    let _counted = store.record_guess(wrong(&name, 1, Admits::Below(5))).await.unwrap();
    assert_eq!(find_credential(store, &user).await.unwrap().guesses.failures(), 1, "counted once");

    assert_eq!(store.create_auth_header(&header).await.unwrap(), Write::Done);
    let new = auth_header(&user);
    proxy.cut_one();
    assert_eq!(store.rotate_auth_header(&header.key, later(9), &new).await.unwrap(), Write::Done);
    proxy.cut_one();
    assert_eq!(store.end_tickets(&user.id, user.session_epoch, Some(&ticket.key)).await.unwrap(), Write::Done);
    assert_eq!(find_user(store, &user.id).await.unwrap().session_epoch, user.session_epoch + 1, "ended once");

    proxy.cut_one();
    assert_eq!(store.create_access_token(&token).await.unwrap(), Write::Done);
    proxy.cut_one();
    assert_eq!(create(store, &named("demo", "second")).await, Creation::Done);
    assert!(!proxy.is_waiting());
}
