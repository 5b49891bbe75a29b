//! Rules about accounts: who has which name and address, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all};
use serde_json::json;
use shared::lockout::{Admits, Gate};
use shared::random::SystemRandom;
use shared::store::{
    Administration, Claim, Creation, Credential, LoginCommit, LoginName, NewUser, Proof, Update, Write,
};
use shared::tenant::TenantName;
use shared::user::{Email, User, UserId, UserName};

use crate::passwords::{change, reachable, reset, sent};
use crate::rules::{
    NOW, PARALLEL, account, at_home, auth_header, create, find_claim, find_credential, find_ticket, find_user, later,
    login_name, named, tenant, ticket, with_email, wrong,
};

fn called(user: &User, name: &str, at: u64) -> User {
    User { name: UserName::parse(name).unwrap(), modified: later(at), ..user.clone() }
}

fn at_address(user: &User, address: &str, at: u64) -> User {
    User { email: Some(Email::parse(address).unwrap()), modified: later(at), ..user.clone() }
}

async fn made(store: &impl Administration, user: User) -> User {
    assert_eq!(create(store, &user).await, Creation::Done, "{}", user.name.as_str());
    user
}

/// Writes a change and returns what is stored then.
async fn updated(store: &impl Administration, before: &User, after: &User) -> User {
    assert_eq!(store.update_user(before, after).await.unwrap(), Update::Done);
    find_user(store, &before.id).await.unwrap()
}

/// Whether a user is under its name and its address, and the claim on that leads to the name.
async fn is_whole(store: &impl Administration, user: &User) -> bool {
    let claim = match &user.email {
        None => None,
        Some(email) => find_claim(store, email.as_str()).await,
    };
    let expected = user.email.as_ref().map(|_| Claim { user: user.id.clone(), name: login_name(user) });
    let named = find_credential(store, user).await.is_some_and(|credential| credential.user == user.id);
    named && claim == expected && find_user(store, &user.id).await.as_ref() == Some(user)
}

pub async fn what_is_one_s_name_is_nobody_else_s_address(store: &impl Administration) {
    tenant(store, "demo").await;
    let by_name = made(store, named("demo", "Jo@Example.com")).await;
    let by_address = made(store, with_email(named("demo", "ann"), "Ann@Example.com")).await;
    let both = made(store, with_email(named("demo", "own@example.com"), "Own@example.COM")).await;
    assert_eq!(create(store, &with_email(named("demo", "x"), "JO@example.com")).await, Creation::EmailTaken);
    assert_eq!(create(store, &named("demo", "ANN@example.com")).await, Creation::NameTaken);
    assert_eq!(create(store, &with_email(named("demo", "x"), "own@example.com")).await, Creation::EmailTaken);
    assert_eq!(create(store, &named("demo", "OWN@example.com")).await, Creation::NameTaken);
    assert!(find_credential(store, &named("demo", "x")).await.is_none());

    let other = made(store, with_email(named("demo", "bo"), "bo@example.com")).await;
    for (after, update) in [
        (called(&other, "ann@EXAMPLE.com", 1), Update::NameTaken),
        (called(&other, "jo@example.com", 1), Update::NameTaken),
        (at_address(&other, "jo@example.com", 1), Update::EmailTaken),
        (at_address(&other, "OWN@example.com", 1), Update::EmailTaken),
        (called(&at_address(&other, "new@example.com", 1), "ann@example.com", 1), Update::NameTaken),
    ] {
        assert_eq!(
            store.update_user(&other, &after).await.unwrap(),
            update,
            "{} {:?}",
            after.name.as_str(),
            after.email
        );
        assert!(is_whole(store, &other).await);
    }
    for user in [&by_name, &by_address, &both] {
        assert!(is_whole(store, user).await, "{}", user.name.as_str());
    }
    // In another tenant all of it is free.
    tenant(store, "other").await;
    made(store, with_email(named("other", "jo@example.com"), "ann@example.com")).await;
}

pub async fn one_s_own_address_may_be_one_s_name(store: &impl Administration) {
    tenant(store, "demo").await;
    let first = made(store, with_email(named("demo", "jo"), "jo@example.com")).await;
    let named_so = updated(store, &first, &called(&first, "JO@example.com", 1)).await;
    assert!(is_whole(store, &named_so).await);
    let elsewhere = updated(store, &named_so, &at_address(&named_so, "b@example.com", 2)).await;
    assert!(is_whole(store, &elsewhere).await);
    let crossed = at_address(&called(&elsewhere, "b@example.com", 3), "jo@example.com", 3);
    let crossed = updated(store, &elsewhere, &crossed).await;
    assert!(is_whole(store, &crossed).await, "name and address in each other's place");
    let back = updated(store, &crossed, &called(&crossed, "jo@example.com", 4)).await;
    let without = updated(store, &back, &User { email: None, modified: later(5), ..back.clone() }).await;
    assert!(is_whole(store, &without).await && find_claim(store, "jo@example.com").await.is_none());
    let again = updated(store, &without, &at_address(&without, "jo@example.com", 6)).await;
    assert!(is_whole(store, &again).await);
    let plain = updated(store, &again, &called(&again, "jo", 7)).await;
    assert!(is_whole(store, &plain).await);
    assert_eq!(create(store, &named("demo", "jo@example.com")).await, Creation::NameTaken, "still its address");
    made(store, named("demo", "b@example.com")).await;
}

fn news(users: &[User]) -> Vec<NewUser> {
    users.iter().map(|user| NewUser::new(user.clone(), None)).collect()
}

pub async fn a_batch_is_imported_account_by_account_where_one_is_refused(store: &impl Administration) {
    tenant(store, "demo").await;
    assert_eq!(store.import_users(Vec::new()).await.unwrap(), []);
    let first = [with_email(named("demo", "a"), "a@x.y"), named("demo", "b"), named("demo", "c@x.y")];
    assert_eq!(store.import_users(news(&first)).await.unwrap(), [Creation::Done; 3]);
    let second = [
        with_email(named("demo", "d"), "d@x.y"),
        named("demo", "A"),
        with_email(named("demo", "e"), "A@x.y"),
        User { id: first[1].id.clone(), ..named("demo", "f") },
        named("absent", "g"),
        with_email(named("demo", "h"), "c@x.y"),
        named("demo", "a@X.y"),
        named("demo", "i"),
    ];
    let expected = [
        Creation::Done,
        Creation::NameTaken,
        Creation::EmailTaken,
        Creation::IdTaken,
        Creation::NoSuchTenant,
        Creation::EmailTaken,
        Creation::NameTaken,
        Creation::Done,
    ];
    assert_eq!(store.import_users(news(&second)).await.unwrap(), expected);
    for (user, creation) in second.iter().zip(expected) {
        let made = creation == Creation::Done;
        assert_eq!(is_whole(store, user).await, made, "{}", user.name.as_str());
        assert_eq!(find_credential(store, user).await.is_some_and(|found| found.user == user.id), made);
    }
    for user in &first {
        assert!(is_whole(store, user).await);
    }
}

pub async fn of_two_alike_in_a_batch_the_first_is_imported(store: &impl Administration) {
    tenant(store, "demo").await;
    let one = named("demo", "one");
    let alike = [
        one.clone(),
        named("demo", "ONE"),
        with_email(named("demo", "two"), "two@x.y"),
        with_email(named("demo", "three"), "TWO@x.y"),
        named("demo", "two@x.y"),
        named("demo", "four@x.y"),
        with_email(named("demo", "four"), "four@x.y"),
        User { id: one.id.clone(), ..named("demo", "five") },
        one.clone(),
        with_email(named("demo", "six@x.y"), "six@x.y"),
    ];
    let expected = [
        Creation::Done,
        Creation::NameTaken,
        Creation::Done,
        Creation::EmailTaken,
        Creation::NameTaken,
        Creation::Done,
        Creation::EmailTaken,
        Creation::IdTaken,
        Creation::NameTaken,
        Creation::Done,
    ];
    assert_eq!(store.import_users(news(&alike)).await.unwrap(), expected);
    for (place, user) in alike.iter().enumerate().filter(|(place, _)| expected[*place] == Creation::Done) {
        assert!(is_whole(store, user).await, "{place}");
    }
    // More writes than one transaction takes.
    let many: Vec<User> =
        (0..60).map(|number| with_email(named("demo", &format!("m{number}")), &format!("m{number}@x.y"))).collect();
    assert_eq!(store.import_users(news(&many)).await.unwrap(), [Creation::Done; 60]);
    assert!(is_whole(store, &many[59]).await);
}

pub async fn a_change_of_a_user_touches_what_it_may(store: &impl Administration) {
    let before = reachable(store).await;
    let everything = User {
        id: UserId::generate(&SystemRandom),
        tenant: TenantName::parse("other").unwrap(),
        name: UserName::parse("Joanna").unwrap(),
        email: Email::parse("Joanna@example.com"),
        email_verified: true,
        first_name: Some("Joanna".to_owned()),
        last_name: Some("D\u{f6}".to_owned()),
        display_name: Some("Jo D\u{f6}".to_owned()),
        application: Some("portal".to_owned()),
        enabled: false,
        roles: vec![User::TENANT_ADMIN.to_owned(), "reader".to_owned()],
        attributes: BTreeMap::from([
            ("team".to_owned(), json!("#%")),
            ("pk".to_owned(), json!("")),
            ("json".to_owned(), json!({ "json": [null, 0.1, -1, { "#": "" }] })),
        ]),
        created: later(77),
        modified: later(5),
        session_epoch: 99,
        key_epoch: 99,
    };
    let allowed = User {
        id: before.id.clone(),
        tenant: before.tenant.clone(),
        created: before.created,
        session_epoch: before.session_epoch + 1,
        key_epoch: before.key_epoch + 1,
        ..everything.clone()
    };
    assert_eq!(updated(store, &before, &everything).await, allowed);
    assert!(is_whole(store, &allowed).await);
    assert!(find_user(store, &everything.id).await.is_none());
    let bare = User {
        email: None,
        email_verified: false,
        first_name: None,
        last_name: None,
        display_name: None,
        application: None,
        roles: Vec::new(),
        attributes: BTreeMap::new(),
        modified: later(6),
        ..allowed.clone()
    };
    assert_eq!(updated(store, &allowed, &bare).await, bare);
    assert!(is_whole(store, &bare).await && find_claim(store, "joanna@example.com").await.is_none());
    let respelled = called(&bare, "JOANNA", 7);
    let enabled = User { enabled: true, ..respelled.clone() };
    assert_eq!(
        updated(store, &bare, &enabled).await,
        respelled,
        "another spelling of the same name, and still disabled"
    );
    assert!(is_whole(store, &respelled).await);
}

/// However little the clock moved between them, or back.
pub async fn a_change_from_what_is_no_longer_so_is_refused(store: &impl Administration) {
    let read = reachable(store).await;
    for at in [read.modified, read.modified.minus(std::time::Duration::from_secs(9))] {
        let before = find_user(store, &read.id).await.unwrap();
        let first = User { first_name: Some("first".to_owned()), modified: at, ..before.clone() };
        let second = User { first_name: Some("second".to_owned()), ..first.clone() };
        let stored = updated(store, &before, &first).await;
        assert!(stored.modified > before.modified);
        assert_eq!(store.update_user(&before, &second).await.unwrap(), Update::Stale);
        for after in [called(&second, "new", 9), at_address(&second, "new@example.com", 9)] {
            assert_eq!(store.update_user(&before, &after).await.unwrap(), Update::Stale);
        }
        assert!(is_whole(store, &stored).await && find_claim(store, "new@example.com").await.is_none());
    }
    let before = find_user(store, &read.id).await.unwrap();
    let token = reset(store, &before).await;
    assert_eq!(store.change_password(change(&before, Proof::Reset(token))).await.unwrap(), Write::Done);
    let unverified = User { first_name: None, modified: later(60), ..before.clone() };
    assert_eq!(store.update_user(&before, &unverified).await.unwrap(), Update::Stale, "it was verified meanwhile");
    assert!(find_user(store, &read.id).await.unwrap().email_verified);

    let before = find_user(store, &read.id).await.unwrap();
    let changes = (0..PARALLEL).map(|number| called(&before, &format!("n{number}"), 61)).collect::<Vec<_>>();
    let outcomes = join_all(changes.iter().map(|after| store.update_user(&before, after))).await;
    assert_eq!(outcomes.iter().filter(|outcome| *outcome.as_ref().unwrap() == Update::Done).count(), 1);
    assert!(is_whole(store, &find_user(store, &read.id).await.unwrap()).await);
    let gone = named("demo", "gone");
    assert_eq!(store.update_user(&gone, &called(&gone, "x", 9)).await.unwrap(), Update::Stale);
    assert!(find_credential(store, &named("demo", "x")).await.is_none(), "changing makes no account");
}

fn commit(name: LoginName, credential: &Credential, at: u64) -> LoginCommit {
    let gate = Gate { locks: Vec::new(), place: at_home().place, stale: Vec::new(), forgotten: Vec::new() };
    let (version, user) = (credential.version, credential.user.clone());
    LoginCommit { name, version, user, gate, at: later(at) }
}

pub async fn a_new_name_keeps_what_the_account_remembers(store: &impl Administration) {
    let user = reachable(store).await;
    assert_eq!(store.change_password(change(&user, Proof::Administrator)).await.unwrap(), Write::Done);
    let old = find_credential(store, &user).await.unwrap();
    assert_eq!(store.commit_login(commit(login_name(&user), &old, 3)).await.unwrap(), Write::Done);
    assert_eq!(store.record_guess(wrong(&login_name(&user), 7, Admits::Below(5))).await.unwrap(), Write::Done);
    assert_eq!(store.expire_password(&login_name(&user), Some(later(9))).await.unwrap(), Write::Done);
    let _sent = sent(store, &user, shared::one_time::Purpose::Verify).await;
    let old = find_credential(store, &user).await.unwrap();

    let before = find_user(store, &user.id).await.unwrap();
    let after = updated(store, &before, &called(&before, "Joanna", 4)).await;
    let new = find_credential(store, &after).await.unwrap();
    assert!(is_whole(store, &after).await, "the address leads to the new name");
    assert!(find_credential(store, &user).await.is_none());
    assert_eq!((new.user, new.version, new.guesses), (old.user.clone(), 1, old.guesses.clone()));
    assert!(new.phc == old.phc && new.history == old.history);
    assert_eq!((new.password_changed, new.password_expires), (old.password_changed, Some(later(9))));
    assert_eq!(new.last_login, Some(later(3)));
    let again = crate::rules::one_time(&user, shared::one_time::Purpose::Verify);
    let since = NOW.minus(std::time::Duration::from_secs(1));
    assert_eq!(
        store.create_one_time(&login_name(&after), &again, since).await.unwrap(),
        Write::Refused,
        "one was sent"
    );

    assert_eq!(store.commit_login(commit(login_name(&user), &old, 5)).await.unwrap(), Write::Refused);
    let guess = wrong(&login_name(&user), 8, Admits::Below(5));
    assert_eq!(store.record_guess(guess).await.unwrap(), Write::Refused);
    let successor = made(store, named("demo", "jo")).await;
    assert_eq!(
        store.commit_login(commit(login_name(&user), &old, 5)).await.unwrap(),
        Write::Refused,
        "somebody else's"
    );
    assert!(is_whole(store, &successor).await && is_whole(store, &after).await);
}

/// A wrong password that was counted, a login that was noted and an unlocking that was acknowledged are in the account
/// afterwards, whenever its name changed.
pub async fn a_new_name_loses_nothing_that_happens_meanwhile(store: &impl Administration) {
    let mut user = account(store).await;
    let mut renamed = 0;
    for round in 0..20_u32 {
        let name = login_name(&user);
        let start = find_credential(store, &user).await.unwrap().guesses.failures();
        let guesses = (0..4).map(|number| store.record_guess(wrong(&name, round * 10 + number, Admits::Below(1000))));
        let after = called(&user, &format!("jo{round}"), u64::from(round) + 1);
        let (outcomes, outcome) = join(join_all(guesses), store.update_user(&user, &after)).await;
        if outcome.unwrap() == Update::Done {
            renamed += 1;
            user = find_user(store, &user.id).await.unwrap();
        }
        let counted = outcomes.into_iter().filter(|written| *written.as_ref().unwrap() == Write::Done).count();
        let stored = find_credential(store, &user).await.unwrap().guesses.failures();
        assert_eq!(stored - start, u32::try_from(counted).unwrap(), "round {round}");

        let after = called(&user, &format!("jo{round}b"), u64::from(round) + 1);
        let unlocked = login_name(&user);
        let (unlocking, outcome) = join(store.unlock(&unlocked), store.update_user(&user, &after)).await;
        if outcome.unwrap() == Update::Done {
            renamed += 1;
            user = find_user(store, &user.id).await.unwrap();
        }
        if unlocking.unwrap() == Write::Done {
            assert_eq!(find_credential(store, &user).await.unwrap().guesses.failures(), 0, "round {round}");
        }
    }
    assert!(renamed > 0, "or nothing was tested");
}

pub async fn a_new_address_frees_the_old_one(store: &impl Administration) {
    let user = reachable(store).await;
    let after = updated(store, &user, &at_address(&user, "New@example.com", 1)).await;
    assert!(is_whole(store, &after).await && find_claim(store, "jo@example.com").await.is_none());
    let other = made(store, with_email(named("demo", "other"), "jo@example.com")).await;
    assert_eq!(store.update_user(&other, &at_address(&other, "NEW@example.com", 2)).await.unwrap(), Update::EmailTaken);
    assert!(is_whole(store, &after).await && is_whole(store, &other).await);
}

/// Each would have to be free before the other is taken.
pub async fn two_users_can_t_swap_their_names(store: &impl Administration) {
    tenant(store, "demo").await;
    let one = made(store, with_email(named("demo", "one"), "one@x.y")).await;
    let two = made(store, with_email(named("demo", "two"), "two@x.y")).await;
    let (as_two, as_one) = (called(&one, "two", 1), called(&two, "one", 1));
    let (first, second) = join(store.update_user(&one, &as_two), store.update_user(&two, &as_one)).await;
    assert_eq!((first.unwrap(), second.unwrap()), (Update::NameTaken, Update::NameTaken));
    let (as_two, as_one) = (at_address(&one, "two@x.y", 1), at_address(&two, "one@x.y", 1));
    let (first, second) = join(store.update_user(&one, &as_two), store.update_user(&two, &as_one)).await;
    assert_eq!((first.unwrap(), second.unwrap()), (Update::EmailTaken, Update::EmailTaken));
    assert!(is_whole(store, &one).await && is_whole(store, &two).await);
}

pub async fn a_deleted_user_is_gone_with_all_that_is_its_own(store: &impl Administration) {
    let user = reachable(store).await;
    let (ticket, header) = (ticket(&user), auth_header(&user));
    assert_eq!(store.create_ticket(&ticket).await.unwrap(), Write::Done);
    assert_eq!(store.create_auth_header(&header).await.unwrap(), Write::Done);
    let after = updated(store, &user, &called(&user, "Joanna", 1)).await;
    for stale in [user.clone(), User { email: Email::parse("other@example.com"), ..after.clone() }] {
        assert_eq!(store.delete_user(&stale, later(2)).await.unwrap(), Write::Refused);
        assert!(is_whole(store, &after).await, "not even disabled");
        assert!(find_ticket(store, &ticket.key).await.is_some());
    }
    assert_eq!(store.delete_user(&after, later(2)).await.unwrap(), Write::Done);
    assert!(find_user(store, &user.id).await.is_none() && find_credential(store, &after).await.is_none());
    assert!(find_claim(store, "jo@example.com").await.is_none() && find_ticket(store, &ticket.key).await.is_none());
    assert_eq!(store.auth_headers(&user.id).await.unwrap(), []);

    // Stored by a request that was on its way, and found when the call is repeated.
    assert_eq!(store.create_auth_header(&header).await.unwrap(), Write::Done);
    assert_eq!(store.delete_user(&after, later(3)).await.unwrap(), Write::Refused);
    assert_eq!(store.auth_headers(&user.id).await.unwrap(), []);
    let successor = made(store, with_email(named("demo", "joanna"), "jo@example.com")).await;
    assert_eq!(store.delete_user(&after, later(4)).await.unwrap(), Write::Refused, "another user of that name");
    assert!(is_whole(store, &successor).await);
}

pub async fn a_tenant_s_users_are_listed_page_by_page(store: &impl Administration) {
    tenant(store, "demo").await;
    tenant(store, "other").await;
    let mut expected = BTreeSet::new();
    for name in ["b", "a", "a!", "a0", "\u{e9}", "z@x.y", "#"] {
        expected.insert(made(store, named("demo", name)).await.name.canonical().to_owned());
        made(store, named("other", name)).await;
    }
    let demo = TenantName::parse("demo").unwrap();
    for limit in [1, 3, 7, 100] {
        let (mut start, mut listed, mut pages) = (None, Vec::new(), 0);
        loop {
            let page = store.users_of(&demo, start.as_deref(), limit).await.unwrap();
            assert!(page.items.len() <= limit && page.items.iter().all(|user| user.tenant == demo));
            listed.extend(page.items.into_iter().map(|user| user.name.canonical().to_owned()));
            pages += 1;
            assert!(pages <= 8, "it comes to an end");
            start = page.next;
            if start.is_none() {
                break;
            }
        }
        assert_eq!(listed, expected.iter().cloned().collect::<Vec<_>>(), "pages of {limit}");
    }
    let absent = TenantName::parse("absent").unwrap();
    assert!(store.users_of(&absent, None, 9).await.unwrap().items.is_empty());
    let elsewhere = store.users_of(&TenantName::parse("other").unwrap(), None, 1).await.unwrap().next.unwrap();
    for forged in ["", "/", "x", "other/b", elsewhere.as_str()] {
        let page = store.users_of(&demo, Some(forged), 100).await;
        assert!(page.is_err() || page.is_ok_and(|page| page.items.iter().all(|user| user.tenant == demo)), "{forged}");
    }
}

pub async fn credentials_are_read_by_the_hundred(store: &impl Administration) {
    tenant(store, "demo").await;
    let users: Vec<User> = (0..120).map(|number| named("demo", &format!("n{number}#%"))).collect();
    for users in users.chunks(40) {
        assert_eq!(store.import_users(news(users)).await.unwrap(), [Creation::Done; 40]);
    }
    let mut names: Vec<LoginName> = users.iter().map(login_name).collect();
    names.push(LoginName::typed("demo", "absent"));
    names.push(names[0].clone());
    let found = store.credentials(&names).await.unwrap();
    let pairs: BTreeSet<_> =
        found.iter().map(|credential| (credential.name.clone(), credential.user.clone())).collect();
    let expected: BTreeSet<_> = users.iter().map(|user| (login_name(user), user.id.clone())).collect();
    assert_eq!((pairs, found.len()), (expected, 120));
    assert!(store.credentials(&[]).await.unwrap().is_empty());
}
