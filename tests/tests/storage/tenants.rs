//! Rules about tenants and applications.

use futures_util::future::{join, join_all};
use shared::access_token::{AccessToken, Action, TenantPermission};
use shared::store::{Administration, Creation, Lookup, NewUser, Write};
use shared::tenant::{Tenant, TenantName};

use crate::rules::{NOW, PARALLEL, access_token, create, later, named, tenant};

async fn find(store: &impl Administration, name: &str) -> Option<Tenant> {
    let wanted = Lookup { tenant: TenantName::parse(name), ..Lookup::default() };
    store.lookup(wanted).await.unwrap().tenant
}

pub async fn a_tenant_s_rules_change_from_what_was_read(store: &impl Administration) {
    tenant(store, "demo").await;
    let mut read = find(store, "demo").await.unwrap();
    read.settings.password.min_chars = 20;
    read.settings.verified_email = true;
    assert_eq!(store.update_tenant(&read).await.unwrap(), Write::Done);
    let changed = Tenant { revision: 1, ..read.clone() };
    assert_eq!(find(store, "demo").await, Some(changed.clone()));
    read.settings.password.min_chars = 8;
    assert_eq!(store.update_tenant(&read).await.unwrap(), Write::Refused, "it is of another revision by now");
    assert_eq!(find(store, "demo").await, Some(changed.clone()));
    assert_eq!(store.tenants().await.unwrap(), vec![changed.clone()], "the listing shows the same");

    let absent = Tenant::new(TenantName::parse("absent").unwrap(), NOW);
    assert_eq!(store.update_tenant(&absent).await.unwrap(), Write::Refused);
    assert_eq!(find(store, "absent").await, None, "changing makes no tenant");

    let parallel = (0..PARALLEL).map(|_| store.update_tenant(&changed));
    let outcomes = join_all(parallel).await.into_iter().filter(|outcome| *outcome.as_ref().unwrap() == Write::Done);
    assert_eq!(outcomes.count(), 1, "of parallel changes one wins");
    assert_eq!(find(store, "demo").await.unwrap().revision, 2);
}

pub async fn a_closed_tenant_takes_nobody_in_and_no_change(store: &impl Administration) {
    tenant(store, "demo").await;
    let name = TenantName::parse("demo").unwrap();
    let member = named("demo", "member");
    assert_eq!(create(store, &member).await, Creation::Done);
    assert_eq!(store.delete_tenant(&name).await.unwrap(), Write::Refused, "it is open");
    for _ in 0..2 {
        assert_eq!(store.close_tenant(&name).await.unwrap(), Write::Done);
    }
    let closed = find(store, "demo").await.unwrap();
    assert!(closed.closing);
    assert_eq!(store.update_tenant(&closed).await.unwrap(), Write::Refused);
    assert_eq!(create(store, &named("demo", "late")).await, Creation::NoSuchTenant);
    let late = vec![NewUser::new(named("demo", "late"), None), NewUser::new(named("demo", "later"), None)];
    assert_eq!(store.import_users(late).await.unwrap(), [Creation::NoSuchTenant; 2]);
    assert_eq!(store.delete_user(&member, later(1)).await.unwrap(), Write::Done, "leaving goes on");
    let absent = TenantName::parse("absent").unwrap();
    assert_eq!(store.close_tenant(&absent).await.unwrap(), Write::Refused);
    assert_eq!(find(store, "absent").await, None, "closing makes no tenant");
}

pub async fn a_deleted_tenant_s_name_revives_nothing(store: &impl Administration) {
    let name = TenantName::parse("demo").unwrap();
    tenant(store, "demo").await;
    let mut old = find(store, "demo").await.unwrap();
    old.settings.verified_email = true;
    assert_eq!(store.close_tenant(&name).await.unwrap(), Write::Done);
    assert_eq!(store.delete_tenant(&name).await.unwrap(), Write::Done);
    assert_eq!(store.delete_tenant(&name).await.unwrap(), Write::Refused);
    assert_eq!((find(store, "demo").await, store.tenants().await.unwrap()), (None, Vec::new()));
    assert_eq!(create(store, &named("demo", "jo")).await, Creation::NoSuchTenant);

    let anew = Tenant::new(name, later(60));
    assert_eq!(store.create_tenant(&anew).await.unwrap(), Write::Done);
    assert_eq!(store.update_tenant(&old).await.unwrap(), Write::Refused, "that was another one's");
    assert_eq!(find(store, "demo").await, Some(anew), "open, and with the rules of any new one");
    assert_eq!(create(store, &named("demo", "jo")).await, Creation::Done);
}

pub async fn nobody_joins_after_a_tenant_was_closed(store: &impl Administration) {
    tenant(store, "demo").await;
    let name = TenantName::parse("demo").unwrap();
    let users: Vec<_> = (0..PARALLEL).map(|number| named("demo", &format!("jo{number}"))).collect();
    let joining = join_all(users.iter().map(|user| create(store, user)));
    let (closed, outcomes) = join(store.close_tenant(&name), joining).await;
    assert_eq!(closed.unwrap(), Write::Done);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Creation::Done | Creation::NoSuchTenant)), "{outcomes:?}");
    let joined = outcomes.iter().filter(|outcome| **outcome == Creation::Done).count();
    assert_eq!(store.users_of(&name, None, 100).await.unwrap().items.len(), joined);
    assert_eq!(create(store, &named("demo", "late")).await, Creation::NoSuchTenant);
}

pub async fn an_access_token_changes_from_what_was_read(store: &impl Administration) {
    let before = access_token("app");
    assert_eq!(store.create_access_token(&before).await.unwrap(), Write::Done);
    let entry = TenantPermission { tenant: TenantName::parse("demo"), actions: Some(vec![Action::ReadTenant]) };
    let after = AccessToken { permissions: vec![entry], expires: None, ..before.clone() };
    assert_eq!(store.update_access_token(&before, &after).await.unwrap(), Write::Done);
    let found = async |token: &AccessToken| {
        let wanted = Lookup { access_token: Some(token.digest), ..Lookup::default() };
        store.lookup(wanted).await.unwrap().access_token
    };
    assert_eq!(found(&after).await, Some(after.clone()));
    let none = AccessToken { permissions: Vec::new(), ..before.clone() };
    assert_eq!(store.update_access_token(&before, &none).await.unwrap(), Write::Refused, "it is another one by now");
    let ending = AccessToken { expires: Some(later(9)), ..after.clone() };
    assert_eq!(store.update_access_token(&after, &ending).await.unwrap(), Write::Done);
    assert_eq!(store.update_access_token(&after, &none).await.unwrap(), Write::Refused, "its end is a part of it");
    assert_eq!(found(&after).await, Some(ending.clone()));
    assert_eq!(store.delete_access_token(before.digest).await.unwrap(), Write::Done);
    assert_eq!(store.update_access_token(&ending, &none).await.unwrap(), Write::Refused);
    assert_eq!(found(&after).await, None, "changing makes none");
}
