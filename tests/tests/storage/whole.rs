//! That nothing is left half done: looked at past the store, and after every kind of failure.

use std::collections::BTreeSet;

use shared::access_token::AccessToken;
use shared::lockout::{Admits, Gate};
use shared::one_time::Purpose;
use shared::store::dynamo::DynamoStore;
use shared::store::{
    Administration, Creation, LoginCommit, LoginName, Lookup, NewUser, Proof, Store as _, StoreError, Update, Write,
};
use shared::tenant::{Tenant, TenantName};
use shared::user::{User, UserName};

use crate::cut::Proxy;
use crate::engines::{Raw, Scan, behind_proxy, behind_proxy_and_without_retries, direct, embedded};
use crate::passwords::{change, reachable, reset, sent};
use crate::persistent::persistent_login;
use crate::rules::{
    NOW, access_token, at_home, auth_header, create, find_credential, find_user, later, login_name, named, tenant,
    ticket, with_email, wrong,
};

/// Every name and every address in the tables is that of the user which it leads to, every user has its own, and no
/// ticket and no auth header is nobody's.
pub async fn assert_whole(store: &impl Administration, raw: &impl Raw) {
    let owned: BTreeSet<_> = raw.owned().await.into_iter().collect();
    let (loose, fixed): (BTreeSet<_>, BTreeSet<_>) =
        owned.into_iter().partition(|(key, _)| ["T", "P", "H", "RESET"].contains(&key.as_str()));
    let users: BTreeSet<_> =
        fixed.iter().filter(|(key, owner)| key == owner.as_str()).map(|(_, id)| id.clone()).collect();
    let mut expected = BTreeSet::new();
    for id in &users {
        let user = find_user(store, id).await.unwrap();
        let keys = [Some(id.to_string()), Some(format!("NAME#{}#{}", user.tenant, user.name.canonical()))];
        let claim = user.email.as_ref().map(|email| format!("EMAIL#{}#{}", user.tenant, email.canonical()));
        expected.extend(keys.into_iter().chain([claim]).flatten().map(|key| (key, id.clone())));
        if let Some(email) = &user.email {
            let claim = LoginName::typed_email(user.tenant.as_str(), email.as_str());
            let found = store.lookup(Lookup { claim, ..Lookup::default() }).await.unwrap().claim.unwrap();
            assert_eq!((found.user, found.name), (id.clone(), login_name(&user)));
        }
    }
    assert_eq!(fixed, expected);
    let orphans: Vec<_> = loose.iter().filter(|(_, owner)| !users.contains(owner)).collect();
    assert!(orphans.is_empty(), "{orphans:?}");
}

/// A user with everything that a user can have.
async fn settled(store: &impl Administration, name: &str) -> User {
    let user = with_email(named("demo", name), &format!("{name}@example.com"));
    assert_eq!(create(store, &user).await, Creation::Done);
    for _ in 0..2 {
        assert_eq!(store.create_ticket(&ticket(&user)).await.unwrap(), Write::Done);
        assert_eq!(store.create_persistent_login(&persistent_login(&user)).await.unwrap(), Write::Done);
        assert_eq!(store.create_auth_header(&auth_header(&user)).await.unwrap(), Write::Done);
    }
    user
}

/// Tables may be restored one by one.
#[tokio::test]
async fn a_user_whose_claims_are_lost_can_be_deleted() {
    let (cloud, store) = embedded();
    let raw = Scan::of(&cloud);
    tenant(&store, "demo").await;
    for lost in ["NAME#demo#jo", "EMAIL#demo#jo@example.com"] {
        let user = settled(&store, "jo").await;
        raw.lose(lost).await;
        assert_eq!(store.delete_user(&user, later(1)).await.unwrap(), Write::Done, "{lost}");
        assert_eq!(raw.owned().await, []);
    }
}

/// A batch asks whether its tenant is open, and then writes.
#[tokio::test]
async fn a_batch_that_was_written_while_its_tenant_closed_is_taken_back() {
    let (cloud, proxy, store) = behind_proxy();
    tenant(&store, "demo").await;
    let members = ["jo", "mo"].map(|name| with_email(named("demo", name), &format!("{name}@example.com")));
    let (comes, go) = proxy.stop_transaction();
    let closing = async {
        tokio::task::spawn_blocking(move || comes.recv().unwrap()).await.unwrap();
        let name = TenantName::parse("demo").unwrap();
        assert_eq!(direct(&cloud).close_tenant(&name).await.unwrap(), Write::Done);
        go.send(()).unwrap();
    };
    let batch = members.map(|user| NewUser::new(user, None)).into();
    let (outcome, ()) = tokio::join!(store.import_users(batch), closing);
    assert_eq!(outcome.unwrap(), [Creation::NoSuchTenant; 2]);
    assert_eq!(Scan::of(&cloud).owned().await, []);
}

/// Wherever the process that deletes a user dies, the account is closed, and deleting it once more leaves nothing.
#[tokio::test]
async fn a_deletion_that_was_cut_short_can_be_repeated() {
    let (cloud, proxy, store) = behind_proxy_and_without_retries();
    let raw = Scan::of(&cloud);
    tenant(&store, "demo").await;
    let bystander = settled(&store, "bystander").await;
    let untouched = raw.owned().await;
    for last_is_lost in [false, true] {
        let mut calls = 0;
        loop {
            let user = settled(&store, &format!("jo{calls}")).await;
            proxy.break_after(calls, last_is_lost);
            let outcome = store.delete_user(&user, later(1)).await;
            proxy.repair();
            let closed = find_user(&store, &user.id).await.is_none_or(|user| !user.enabled && user.session_epoch > 0);
            assert_eq!(closed, calls > 0, "after {calls} calls");
            if let Ok(outcome) = outcome {
                assert_eq!(outcome, Write::Done);
                break;
            }
            let _repeated = store.delete_user(&user, later(2)).await.unwrap();
            assert_eq!(raw.owned().await.len(), untouched.len(), "after {calls} calls, the last lost: {last_is_lost}");
            calls += 1;
        }
        assert!(calls >= 9, "it takes some calls: {calls}");
    }
    assert_whole(&store, &raw).await;
    assert_eq!(find_user(&store, &bystander.id).await, Some(bystander));
}

fn renamed(user: &User, name: &str) -> User {
    User {
        name: UserName::parse(name).unwrap(),
        modified: user.modified.plus(std::time::Duration::from_secs(1)),
        ..user.clone()
    }
}

/// The SDK repeats a try whose answer was lost, and the repeated one meets the first one's success.
#[tokio::test]
async fn a_lost_answer_about_an_account_makes_no_conflict_and_no_second_effect() {
    let (cloud, proxy, store) = behind_proxy();
    let user = reachable(&store).await;
    let name = login_name(&user);
    let lost = || proxy.cut_one();
    let token = {
        lost();
        sent(&store, &user, Purpose::Verify).await
    };
    lost();
    assert_eq!(store.verify_email(&token, later(1)).await.unwrap(), Write::Done);
    assert_eq!(store.verify_email(&token, later(1)).await.unwrap(), Write::Refused);
    lost();
    assert_eq!(store.expire_password(&name, Some(later(2))).await.unwrap(), Write::Done);
    lost();
    assert_eq!(store.change_password(change(&user, Proof::Administrator)).await.unwrap(), Write::Done);
    assert_eq!(find_credential(&store, &user).await.unwrap().version, 1, "changed once");
    assert_eq!(find_user(&store, &user.id).await.unwrap().session_epoch, user.session_epoch + 1);

    let batch: Vec<_> = (0..3).map(|number| NewUser::new(named("demo", &format!("n{number}")), None)).collect();
    lost();
    assert_eq!(store.import_users(batch).await.unwrap(), [Creation::Done; 3]);
    for (answer, name) in [(1, "first"), (2, "second")] {
        let before = find_user(&store, &user.id).await.unwrap();
        proxy.cut(answer);
        assert_eq!(store.update_user(&before, &renamed(&before, name)).await.unwrap(), Update::Done);
        assert!(!proxy.is_waiting(), "an answer was lost");
    }
    for answer in 1..=5 {
        let leaving = settled(&store, &format!("leaving{answer}")).await;
        proxy.cut(answer);
        assert_eq!(store.delete_user(&leaving, later(3)).await.unwrap(), Write::Done, "answer {answer}");
        assert!(!proxy.is_waiting(), "an answer was lost");
    }
    lost_about_a_tenant(&store, &proxy).await;
    assert!(!proxy.is_waiting(), "every answer was lost");
    assert_whole(&store, &Scan::of(&cloud)).await;
}

async fn lost_about_a_tenant(store: &impl Administration, proxy: &Proxy) {
    let leaving = Tenant::new(TenantName::parse("leaving").unwrap(), NOW);
    proxy.cut_one();
    assert_eq!(store.create_tenant(&leaving).await.unwrap(), Write::Done);
    proxy.cut_one();
    assert_eq!(store.update_tenant(&leaving).await.unwrap(), Write::Done);
    assert_eq!(store.update_tenant(&leaving).await.unwrap(), Write::Refused);
    proxy.cut_one();
    assert_eq!(store.close_tenant(&leaving.name).await.unwrap(), Write::Done);
    proxy.cut_one();
    assert_eq!(store.delete_tenant(&leaving.name).await.unwrap(), Write::Done);
    let before = access_token("app");
    let after = AccessToken { permissions: Vec::new(), ..before.clone() };
    assert_eq!(store.create_access_token(&before).await.unwrap(), Write::Done);
    proxy.cut_one();
    assert_eq!(store.update_access_token(&before, &after).await.unwrap(), Write::Done);
}

/// A transaction on the same item is no reason to send somebody away, unless it stays in the way.
#[tokio::test]
async fn a_conflict_with_a_transaction_is_waited_for() {
    let (_cloud, proxy, store) = behind_proxy();
    let user = reachable(&store).await;
    let name = login_name(&user);
    let login = || LoginCommit {
        name: name.clone(),
        version: 0,
        user: user.id.clone(),
        gate: Gate { locks: Vec::new(), place: at_home().place, stale: Vec::new(), forgotten: Vec::new() },
        at: later(1),
    };
    for conflicts in 1..=2 {
        proxy.conflict(conflicts);
        assert_eq!(store.commit_login(login()).await.unwrap(), Write::Done);
        proxy.conflict(conflicts);
        assert_eq!(store.record_guess(wrong(&name, 9, Admits::Nobody)).await.unwrap(), Write::Refused);
        proxy.conflict(conflicts);
        let other = named("demo", &format!("n{conflicts}"));
        assert_eq!(create(&store, &other).await, Creation::Done);
    }
    proxy.conflict(3);
    assert!(matches!(store.commit_login(login()).await, Err(StoreError::Unavailable { .. })), "an outage, no refusal");
    proxy.conflict(3);
    let token = crate::rules::one_time(&user, Purpose::Verify);
    assert!(matches!(store.create_one_time(&name, &token, NOW).await, Err(StoreError::Unavailable { .. })));
    reset(&store, &user).await;
}

/// What a test of wholeness would miss if it saw nothing.
#[tokio::test]
async fn the_look_past_the_store_sees_every_item() {
    async fn seen(store: &impl Administration, raw: &impl Raw) {
        tenant(store, "demo").await;
        let user = settled(store, "jo").await;
        let _token = reset(store, &user).await;
        let mut keys: Vec<String> = raw
            .owned()
            .await
            .into_iter()
            .map(|(key, owner)| {
                assert_eq!(owner, user.id);
                key.replace(user.id.as_str(), "id")
            })
            .collect();
        keys.sort();
        assert_eq!(keys, ["EMAIL#demo#jo@example.com", "H", "H", "NAME#demo#jo", "P", "P", "RESET", "T", "T", "id"]);
        assert_whole(store, raw).await;
    }
    let memory = shared::store::memory::MemoryStore::default();
    seen(&memory, &memory).await;
    let (cloud, store): (_, DynamoStore) = crate::engines::embedded();
    seen(&store, &Scan::of(&cloud)).await;
}
