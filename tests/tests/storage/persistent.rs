//! Persistent logins: they move on from where they were read, and end once.

use std::time::Duration;

use futures_util::future::join_all;
use shared::persistent_login::{PersistentLogin, PersistentLoginKey};
use shared::random::SystemRandom;
use shared::store::{Administration, Lookup, Write};
use shared::ticket::TicketKey;
use shared::user::{User, UserId};

use crate::cut::Proxy;
use crate::rules::{NOW, PARALLEL, account, create, find_ticket, find_user, later, named, ticket};

const LIFETIME: Duration = Duration::from_secs(1_296_000);

pub fn persistent_login(user: &User) -> PersistentLogin {
    PersistentLogin::issue(user, LIFETIME, NOW, &SystemRandom).0
}

async fn stored(store: &impl Administration, user: &User) -> PersistentLogin {
    let login = persistent_login(user);
    assert_eq!(store.create_persistent_login(&login).await.unwrap(), Write::Done);
    login
}

async fn find(store: &impl Administration, key: &PersistentLoginKey) -> Option<PersistentLogin> {
    let wanted = Lookup { persistent_login: Some(key.clone()), ..Lookup::default() };
    store.lookup(wanted).await.unwrap().persistent_login
}

/// Whether it is stored as it is here.
async fn is_as(store: &impl Administration, login: &PersistentLogin) -> bool {
    find(store, &login.key).await.is_some_and(|found| found == *login)
}

pub async fn a_persistent_login_is_stored_once_and_read_back(store: &impl Administration) {
    let user = account(store).await;
    let login = stored(store, &user).await;
    let again = PersistentLogin { secret: persistent_login(&user).secret, ..login.clone() };
    assert_eq!(store.create_persistent_login(&again).await.unwrap(), Write::Refused);
    assert!(is_as(store, &login).await);
    assert!(find(store, &persistent_login(&user).key).await.is_none());
    let wanted =
        Lookup { persistent_login: Some(login.key.clone()), users: vec![user.id.clone()], ..Lookup::default() };
    let found = store.lookup(wanted).await.unwrap();
    assert!(found.persistent_login.is_some_and(|found| found.is_live(&user, NOW)) && found.users == [user]);
}

pub async fn a_persistent_login_is_no_session_and_no_ticket(store: &impl Administration) {
    let user = account(store).await;
    let login = stored(store, &user).await;
    let namesake = TicketKey { user: user.id.clone(), digest: login.key.digest };
    assert!(store.tickets(&user.id, NOW).await.unwrap().is_empty(), "it is in no list of sessions");
    assert!(find_ticket(store, &namesake).await.is_none());
    assert_eq!(store.touch_ticket(&namesake, later(1)).await.unwrap(), Write::Refused);
    store.delete_ticket(&namesake).await.unwrap();
    assert!(is_as(store, &login).await);

    let own = ticket(&user);
    assert_eq!(store.create_ticket(&own).await.unwrap(), Write::Done);
    let namesake = PersistentLoginKey { user: user.id.clone(), digest: own.key.digest };
    assert!(find(store, &namesake).await.is_none());
    store.delete_persistent_login(&namesake).await.unwrap();
    assert!(find_ticket(store, &own.key).await.is_some());
    for _ in 0..2 {
        store.delete_persistent_login(&login.key).await.unwrap();
        assert!(find(store, &login.key).await.is_none(), "deleting twice is no error");
    }
}

pub async fn a_refresh_moves_a_persistent_login_on_from_where_it_was_read(store: &impl Administration) {
    let login = stored(store, &account(store).await).await;
    let refreshed = async |generation, at| store.refresh_persistent_login(&login.key, generation, at).await.unwrap();
    assert_eq!(refreshed(1, later(9)).await, Write::Refused, "it is not there yet");
    assert_eq!(refreshed(0, later(10)).await, Write::Done);
    let after = PersistentLogin { generation: 1, refreshed: Some(later(10)), ..login.clone() };
    assert!(is_as(store, &after).await, "nothing else changes, its end least of all");
    assert_eq!(refreshed(0, later(11)).await, Write::Refused, "it moved on");
    assert!(is_as(store, &after).await);
    assert_eq!(refreshed(1, later(100)).await, Write::Done);
    assert!(is_as(store, &PersistentLogin { generation: 2, refreshed: Some(later(100)), ..after.clone() }).await);
}

pub async fn a_persistent_login_that_ended_is_not_refreshed(store: &impl Administration) {
    let login = stored(store, &account(store).await).await;
    assert_eq!(store.refresh_persistent_login(&login.key, 0, login.expires).await.unwrap(), Write::Refused);
    assert!(is_as(store, &login).await);
    store.delete_persistent_login(&login.key).await.unwrap();
    assert_eq!(store.refresh_persistent_login(&login.key, 0, later(1)).await.unwrap(), Write::Refused);
    assert!(find(store, &login.key).await.is_none(), "nothing revives it");
}

pub async fn of_parallel_refreshes_one_wins(store: &impl Administration) {
    let login = stored(store, &account(store).await).await;
    for generation in 0..3 {
        let tries = (0..PARALLEL).map(|_| store.refresh_persistent_login(&login.key, generation, later(generation)));
        let outcomes = join_all(tries).await;
        assert_eq!(outcomes.iter().filter(|outcome| *outcome.as_ref().unwrap() == Write::Done).count(), 1);
        assert_eq!(find(store, &login.key).await.unwrap().generation, generation + 1);
    }
}

pub async fn a_replay_ends_a_persistent_login_and_all_that_was_opened_for_its_user(store: &impl Administration) {
    let user = account(store).await;
    let bystander = named("demo", "bystander");
    assert_eq!(create(store, &bystander).await, shared::store::Creation::Done);
    let (replayed, other, theirs) =
        (stored(store, &user).await, stored(store, &user).await, stored(store, &bystander).await);
    let opened = ticket(&user);
    assert_eq!(store.create_ticket(&opened).await.unwrap(), Write::Done);
    // Whatever generation its reader saw.
    assert_eq!(store.refresh_persistent_login(&replayed.key, 0, later(1)).await.unwrap(), Write::Done);
    assert_eq!(store.end_replayed_login(&replayed).await.unwrap(), Write::Done);

    let after = find_user(store, &user.id).await.unwrap();
    assert_eq!((after.session_epoch, after.key_epoch), (user.session_epoch + 1, user.key_epoch), "auth headers go on");
    assert_eq!(User { session_epoch: user.session_epoch, ..after.clone() }, user, "nothing else changes");
    assert!(find(store, &replayed.key).await.is_none());
    assert!(!find(store, &other.key).await.unwrap().is_live(&after, NOW));
    assert!(!find_ticket(store, &opened.key).await.unwrap().is_live(&after, NOW));
    assert!(find(store, &theirs.key).await.unwrap().is_live(&bystander, NOW));

    assert_eq!(store.end_replayed_login(&replayed).await.unwrap(), Write::Refused, "it is gone");
    assert_eq!(store.end_replayed_login(&other).await.unwrap(), Write::Refused, "it had ended");
    assert!(is_as(store, &other).await, "nothing refused is half done");
    assert_eq!(find_user(store, &user.id).await.unwrap(), after);
    let nobody_s = PersistentLogin {
        key: PersistentLoginKey { user: UserId::nobody("test"), ..replayed.key.clone() },
        ..replayed.clone()
    };
    assert_eq!(store.create_persistent_login(&nobody_s).await.unwrap(), Write::Done);
    assert_eq!(store.end_replayed_login(&nobody_s).await.unwrap(), Write::Refused, "there is no such user");
}

pub async fn of_parallel_replays_one_is_acted_on(store: &impl Administration) {
    let user = account(store).await;
    let login = stored(store, &user).await;
    let outcomes = join_all((0..PARALLEL).map(|_| store.end_replayed_login(&login))).await;
    // Those that met one another again and again know nothing, and change nothing.
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Ok(Write::Done))).count(), 1);
    assert_eq!(find_user(store, &user.id).await.unwrap().session_epoch, user.session_epoch + 1);
}

pub async fn a_deleted_user_s_persistent_logins_are_gone(store: &impl Administration) {
    let user = account(store).await;
    let (one, other) = (stored(store, &user).await, stored(store, &user).await);
    assert_eq!(store.delete_user(&user, later(1)).await.unwrap(), Write::Done);
    for login in [&one, &other] {
        assert!(find(store, &login.key).await.is_none());
        assert_eq!(store.refresh_persistent_login(&login.key, 0, later(2)).await.unwrap(), Write::Refused);
        assert_eq!(store.end_replayed_login(login).await.unwrap(), Write::Refused);
    }
    // Stored by a request that was on its way, and found when the call is repeated.
    assert_eq!(store.create_persistent_login(&one).await.unwrap(), Write::Done);
    assert_eq!(store.delete_user(&user, later(3)).await.unwrap(), Write::Refused);
    assert!(find(store, &one.key).await.is_none());
}

/// The SDK repeats a try whose answer was lost, and the repeated one meets the first one's success.
pub async fn lost_answers(store: &impl Administration, proxy: &Proxy) {
    let user = account(store).await;
    let login = persistent_login(&user);
    proxy.cut_one();
    assert_eq!(store.create_persistent_login(&login).await.unwrap(), Write::Done);
    assert_eq!(store.create_persistent_login(&login).await.unwrap(), Write::Refused, "another write is another one");
    proxy.cut_one();
    assert_eq!(store.refresh_persistent_login(&login.key, 0, later(1)).await.unwrap(), Write::Done);
    assert_eq!(store.refresh_persistent_login(&login.key, 0, later(1)).await.unwrap(), Write::Refused);
    assert_eq!(find(store, &login.key).await.unwrap().generation, 1, "moved on once");
    proxy.cut_one();
    assert_eq!(store.end_replayed_login(&login).await.unwrap(), Write::Done);
    assert_eq!(find_user(store, &user.id).await.unwrap().session_epoch, user.session_epoch + 1, "ended once");
    proxy.cut_one();
    store.delete_persistent_login(&login.key).await.unwrap();
    assert!(!proxy.is_waiting(), "every answer was lost");
}
