//! Rules about tenants and applications.

use futures_util::future::{join, join_all};
use shared::access_token::{AccessToken, Action, TenantPermission};
use shared::store::{Administration, Counted, Creation, Lookup, NewUser, Write};
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
    read.settings.accepts_new_profiles = false;
    read.settings.available_roles = vec!["author".to_owned(), "night \u{e9}ditor".to_owned()];
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

pub async fn a_tenant_goes_together_with_the_right_over_it_or_not_at_all(store: &impl Administration) {
    let name = TenantName::parse("demo").unwrap();
    let entry = |tenant: &str| TenantPermission { tenant: TenantName::parse(tenant), actions: None };
    let found = async |token: &AccessToken| {
        let wanted = Lookup { access_token: Some(token.digest), ..Lookup::default() };
        store.lookup(wanted).await.unwrap().access_token
    };
    let own = AccessToken { permissions: vec![entry("demo")], expires: None, ..access_token("own") };
    let both = AccessToken { permissions: vec![entry("other"), entry("demo")], ..access_token("both") };
    let master = AccessToken { master: true, ..AccessToken { digest: access_token("m").digest, ..own.clone() } };
    for (right, left) in [(&own, None), (&both, Some(vec![entry("other")])), (&master, Some(Vec::new()))] {
        assert_eq!(store.create_access_token(right).await.unwrap(), Write::Done);
        tenant(store, "demo").await;
        let refused = store.delete_tenant_and_right(&name, right).await.unwrap();
        assert_eq!((refused, found(right).await.as_ref()), (Write::Refused, Some(right)), "it is open");
        assert_eq!(store.close_tenant(&name).await.unwrap(), Write::Done);
        let stale = AccessToken { permissions: vec![entry("demo"), entry("demo")], ..right.clone() };
        assert_eq!(store.delete_tenant_and_right(&name, &stale).await.unwrap(), Write::Refused, "it is another by now");
        assert!(find(store, "demo").await.is_some());
        assert_eq!(store.delete_tenant_and_right(&name, right).await.unwrap(), Write::Done);
        assert_eq!(find(store, "demo").await, None);
        assert_eq!(found(right).await.map(|token| token.permissions), left);
    }
    assert_eq!(store.delete_tenant_and_right(&name, &own).await.unwrap(), Write::Refused);
}

/// Of so much that no one call of DynamoDB reads it.
pub async fn tenants_and_access_tokens_are_listed_and_counted_in_parts(store: &impl Administration) {
    let none = store.count_tenants(None).await.unwrap();
    assert_eq!(none, Counted { count: 0, next: None });
    let (mut tenants, mut tokens) = (Vec::new(), Vec::new());
    for number in 0..12 {
        let name = TenantName::parse(&format!("t{number:02}")).unwrap();
        let mut tenant = Tenant::new(name.clone(), NOW);
        tenant.settings.available_roles = (0..100).map(|role| format!("{role:01000}")).collect();
        assert_eq!(store.create_tenant(&tenant).await.unwrap(), Write::Done);
        tenants.push(tenant);
        let entry = TenantPermission { tenant: Some(name), actions: Some(Action::ALL.to_vec()) };
        let token = AccessToken { permissions: vec![entry; 1_000], ..access_token(&format!("app{number}")) };
        assert_eq!(store.create_access_token(&token).await.unwrap(), Write::Done);
        tokens.push(token);
    }
    let (mut listed, mut start) = (Vec::new(), None::<String>);
    loop {
        let page = store.tenants_from(start.as_deref()).await.unwrap();
        let rest = store.count_tenants(start.as_deref()).await.unwrap();
        assert!(rest.count > 0 && rest.count <= 12 - listed.len());
        listed.extend(page.items);
        start = page.next;
        if start.is_none() {
            break;
        }
    }
    assert_eq!(listed, tenants, "by name, each once");
    assert_eq!(store.tenants().await.unwrap(), tenants);
    let (mut count, mut start) = (0, None::<String>);
    loop {
        let part = store.count_tenants(start.as_deref()).await.unwrap();
        (count, start) = (count + part.count, part.next);
        if start.is_none() {
            break;
        }
    }
    assert_eq!(count, 12);
    let mut listed = store.access_tokens().await.unwrap();
    for tokens in [&mut listed, &mut tokens] {
        tokens.sort_by_key(|token| token.digest);
    }
    assert!(listed == tokens, "each once");
}

pub async fn access_tokens_are_read_beside_the_caller_s(store: &impl Administration) {
    let (one, other) = (access_token("one"), access_token("other"));
    for token in [&one, &other] {
        assert_eq!(store.create_access_token(token).await.unwrap(), Write::Done);
    }
    let absent = access_token("absent").digest;
    let read = async |caller, subjects: &[_]| {
        let wanted = Lookup { access_token: Some(caller), subject_tokens: subjects.to_vec(), ..Lookup::default() };
        let found = store.lookup(wanted).await.unwrap();
        (found.access_token, found.subject_tokens)
    };
    let both = (Some(one.clone()), vec![other.clone(), one.clone()]);
    assert_eq!(read(one.digest, &[other.digest, absent, one.digest]).await, both, "in their order, its own among them");
    assert_eq!(read(absent, &[other.digest]).await, (None, vec![other.clone()]), "what it asks about is not its own");
    assert_eq!(read(one.digest, &[absent]).await, (Some(one), Vec::new()));
    assert_eq!(read(absent, &[]).await, (None, Vec::new()));
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
