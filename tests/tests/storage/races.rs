//! What comes at the same time: of those who want one name, one address or one token, one gets it.

use shared::one_time::{OneTime, Purpose};
use shared::password::Phc;
use shared::store::memory::MemoryStore;
use shared::store::{Administration, Creation, NewUser, Proof, Store as _, Update, Write};
use shared::user::{Email, User, UserName};
use tests::{Dice, note};

use crate::engines::{Raw, Scan, embedded};
use crate::passwords::change;
use crate::rules::{
    auth_header, create, find_credential, find_user, later, login_name, named, one_time, tenant, ticket, with_email,
};
use crate::whole::assert_whole;

const AT_ONCE: usize = 64;
const IN_MEMORY: usize = 200;
const EMBEDDED: usize = 20;

/// One name: upper and lower case, composed and not, wide, and with Turkish i's.
const SPELLINGS: [&str; 6] =
    ["Ilk\u{e9}r", "ILKE\u{301}R", "\u{130}lk\u{e9}r", "\u{ff29}lk\u{e9}r", "\u{131}LKE\u{301}R", "ilk\u{e9}r"];

/// Runs a race on both engines that run here.
macro_rules! races {
    ($($race:ident),* $(,)?) => {
        $(mod $race {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_memory() {
                let store = MemoryStore::default();
                super::$race(&store, IN_MEMORY).await;
                assert_whole(&store, &store).await;
                let name = stringify!($race).replace('_', "-");
                note(if name.contains("token") { "Q12" } else { "Q13" }, &name, IN_MEMORY);
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_the_embedded_engine() {
                let (cloud, store) = embedded();
                super::$race(&store, EMBEDDED).await;
                assert_whole(&store, &Scan::of(&cloud)).await;
            }
        })*
    };
}

races! {
    one_of_many_gets_a_name,
    one_of_many_gets_an_address,
    one_gets_what_is_a_name_to_some_and_an_address_to_others,
    one_of_many_uses_a_reset_token,
    one_of_many_uses_a_verification_token,
}

/// Starts all at once, in an order of the dice, and awaits them.
async fn at_once<T, F>(dice: &Dice, mut tasks: Vec<F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut started = Vec::new();
    while !tasks.is_empty() {
        started.push(tokio::spawn(tasks.swap_remove(dice.below(tasks.len()))));
    }
    let mut outcomes = Vec::new();
    for task in started {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

async fn creation<S: Administration>(store: S, user: User) -> Creation {
    let phc = Some(Phc::from_stored("$stored$".to_owned()));
    store.create_user(NewUser::new(user, phc)).await.unwrap()
}

async fn one_of_many_gets_a_name(store: &impl Administration, rounds: usize) {
    assert!(SPELLINGS.iter().all(|name| UserName::parse(name).unwrap().canonical() == "ilk\u{e9}r"));
    assert!(UserName::parse("ilk\u{e9}r\u{200b}").is_none(), "what can't be seen makes no name of its own");
    for round in 0..rounds {
        let (dice, place) = (Dice::new(round as u64), format!("t{round}"));
        tenant(store, &place).await;
        let users = (0..AT_ONCE).map(|number| {
            with_email(named(&place, SPELLINGS[number % SPELLINGS.len()]), &format!("{number}@example.com"))
        });
        let creations = users.map(|user| creation(store.clone(), user)).collect();
        let outcomes = at_once(&dice, creations).await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Creation::Done).count(), 1, "round {round}");
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Creation::NameTaken).count(), AT_ONCE - 1);
    }
}

async fn one_of_many_gets_an_address(store: &impl Administration, rounds: usize) {
    assert!(Email::parse("ilk\u{e9}r\u{200b}@example.com").is_none());
    for round in 0..rounds {
        let (dice, place) = (Dice::new(round as u64), format!("t{round}"));
        tenant(store, &place).await;
        let users = (0..AT_ONCE).map(|number| {
            let address = format!("{}@Example.com", SPELLINGS[number % SPELLINGS.len()]);
            with_email(named(&place, &format!("jo{number}")), &address)
        });
        let creations = users.map(|user| creation(store.clone(), user)).collect();
        let outcomes = at_once(&dice, creations).await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Creation::Done).count(), 1, "round {round}");
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Creation::EmailTaken).count(), AT_ONCE - 1);
    }
}

/// How somebody comes to a name or an address: with a new account, or with a change of one.
async fn wanting<S: Administration>(store: S, number: usize, user: User, text: String) -> bool {
    let name = |user: &User| User { name: UserName::parse(&text).unwrap(), modified: later(9), ..user.clone() };
    match number % 4 {
        0 => creation(store, name(&user)).await == Creation::Done,
        1 => creation(store, with_email(user, &text)).await == Creation::Done,
        2 => store.update_user(&user, &name(&user)).await.unwrap() == Update::Done,
        _ => {
            let moved = User { modified: later(9), ..with_email(user.clone(), &text) };
            store.update_user(&user, &moved).await.unwrap() == Update::Done
        }
    }
}

async fn one_gets_what_is_a_name_to_some_and_an_address_to_others(store: &impl Administration, rounds: usize) {
    for round in 0..rounds {
        let (dice, place) = (Dice::new(round as u64), format!("t{round}"));
        tenant(store, &place).await;
        let users: Vec<_> = (0..AT_ONCE)
            .map(|number| with_email(named(&place, &format!("jo{number}")), &format!("{number}@example.com")))
            .collect();
        let existing = users.iter().enumerate().filter(|(number, _)| number % 4 >= 2);
        let existing: Vec<_> = existing.map(|(_, user)| user).collect();
        for some in existing.chunks(AT_ONCE / 4) {
            let some = some.iter().map(|user| NewUser::new((*user).clone(), None)).collect();
            assert_eq!(store.import_users(some).await.unwrap(), [Creation::Done; AT_ONCE / 4]);
        }
        let tasks = users.into_iter().enumerate().map(|(number, user)| {
            let text = format!("{}@Example.com", SPELLINGS[number % SPELLINGS.len()]);
            wanting(store.clone(), number, user, text)
        });
        let outcomes = at_once(&dice, tasks.collect()).await;
        assert_eq!(outcomes.into_iter().filter(|won| *won).count(), 1, "round {round}");
    }
}

async fn addressed(store: &impl Administration, round: usize) -> User {
    if round == 0 {
        tenant(store, "demo").await;
    }
    let user = with_email(named("demo", &format!("jo{round}")), &format!("jo{round}@example.com"));
    assert_eq!(create(store, &user).await, Creation::Done);
    user
}

async fn token(store: &impl Administration, user: &User, purpose: Purpose, at: u64) -> OneTime {
    let token = OneTime { created: later(at), ..one_time(user, purpose) };
    assert_eq!(store.create_one_time(&login_name(user), &token, later(at)).await.unwrap(), Write::Done);
    token
}

async fn one_of_many_uses_a_reset_token(store: &impl Administration, rounds: usize) {
    for round in 0..rounds {
        let user = addressed(store, round).await;
        // Two mails in the box: they, too, are good for one change together.
        let purpose = Purpose::Reset { version: 0 };
        let tokens = [token(store, &user, purpose, 1).await, token(store, &user, purpose, 2).await];
        let tries = (0..AT_ONCE).map(|number| {
            let proof = Proof::Reset(tokens[usize::from(round % 2 == 1 && number % 2 == 1)].clone());
            let (store, change) = (store.clone(), change(&user, proof));
            async move { store.change_password(change).await.unwrap() }
        });
        let outcomes = at_once(&Dice::new(round as u64), tries.collect()).await;
        assert_eq!(outcomes.into_iter().filter(|outcome| *outcome == Write::Done).count(), 1, "round {round}");
        assert_eq!(find_credential(store, &user).await.unwrap().version, 1);
        assert_eq!(find_user(store, &user.id).await.unwrap().session_epoch, user.session_epoch + 1);
    }
}

async fn one_of_many_uses_a_verification_token(store: &impl Administration, rounds: usize) {
    for round in 0..rounds {
        let user = addressed(store, round).await;
        let token = token(store, &user, Purpose::Verify, 1).await;
        let tries = (0..AT_ONCE).map(|_| {
            let (store, token) = (store.clone(), token.clone());
            async move { store.verify_email(&token, later(5)).await.unwrap() }
        });
        let outcomes = at_once(&Dice::new(round as u64), tries.collect()).await;
        assert_eq!(outcomes.into_iter().filter(|outcome| *outcome == Write::Done).count(), 1, "round {round}");
    }
}

/// A deletion among everything else that an account is used for: when it is acknowledged nothing of the account is live,
/// and what was stored behind its back is found by one more call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_user_stays_deleted_whatever_is_on_its_way() {
    let (cloud, store) = embedded();
    let raw = Scan::of(&cloud);
    let mut deleted = 0;
    for round in 0..EMBEDDED {
        let user = addressed(&store, round).await;
        let tasks = (0..17_u64).map(|number| {
            let (store, user) = (store.clone(), user.clone());
            async move {
                let renamed = User { first_name: Some("Jo".to_owned()), modified: later(number), ..user.clone() };
                match number {
                    0 => return store.delete_user(&user, later(1)).await.unwrap() == Write::Done,
                    1 => drop(store.change_password(change(&user, Proof::Administrator)).await.unwrap()),
                    2 => drop(store.update_user(&user, &renamed).await.unwrap()),
                    3 => drop(
                        store.create_one_time(&login_name(&user), &one_time(&user, Purpose::Verify), later(0)).await,
                    ),
                    number if number % 2 == 0 => drop(store.create_ticket(&ticket(&user)).await.unwrap()),
                    _ => drop(store.create_auth_header(&auth_header(&user)).await.unwrap()),
                }
                false
            }
        });
        let outcomes = at_once(&Dice::new(round as u64), tasks.collect()).await;
        assert!(outcomes.contains(&true), "round {round}");
        deleted += 1;
        assert!(find_user(&store, &user.id).await.is_none() && find_credential(&store, &user).await.is_none());
        assert_eq!(store.delete_user(&user, later(2)).await.unwrap(), Write::Refused);
        let left: Vec<_> = raw.owned().await.into_iter().filter(|(key, _)| key != "RESET").collect();
        assert_eq!(left, [], "round {round}");
    }
    assert_eq!(deleted, EMBEDDED);
}
