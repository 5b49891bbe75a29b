//! Rules about listings of users, and about whose a name is.

use shared::store::{Administration, Counted, Creation, LoginName, Lookup, Order};
use shared::tenant::TenantName;
use shared::user::{User, UserId};

use crate::rules::{create, login_name, named, tenant, with_email};

/// Everybody of a tenant, by pages of `limit` from `start`.
async fn listed(
    store: &impl Administration,
    tenant: &TenantName,
    order: Order,
    start: Option<String>,
    limit: usize,
) -> Vec<UserId> {
    let (mut start, mut listed) = (start, Vec::new());
    for _ in 0..20 {
        let page = store.users_in_order(tenant, order, start.as_deref(), limit).await.unwrap();
        assert!(page.items.len() <= limit && page.items.iter().all(|user| user.tenant == *tenant));
        listed.extend(page.items.into_iter().map(|user| user.id));
        start = page.next;
        if start.is_none() {
            return listed;
        }
    }
    panic!("it comes to no end");
}

pub async fn a_listing_goes_either_way_and_on_from_what_was_counted(store: &impl Administration) {
    tenant(store, "demo").await;
    tenant(store, "other").await;
    let mut users: Vec<User> = Vec::new();
    for name in ["b", "a", "a!", "a0", "\u{e9}", "z@x.y", "#", "B2"] {
        let user = named("demo", name);
        assert_eq!(create(store, &user).await, Creation::Done);
        users.push(user);
        assert_eq!(create(store, &named("other", name)).await, Creation::Done);
    }
    users.sort_by(|one, other| one.name.canonical().cmp(other.name.canonical()));
    let ascending: Vec<UserId> = users.into_iter().map(|user| user.id).collect();
    let descending: Vec<UserId> = ascending.iter().rev().cloned().collect();
    let demo = TenantName::parse("demo").unwrap();
    for (order, expected) in [(Order::Ascending, ascending), (Order::Descending, descending)] {
        for limit in [1, 3, 8, 100] {
            assert_eq!(listed(store, &demo, order, None, limit).await, expected, "{order:?} by {limit}");
        }
        for passed in 1..=7 {
            let Counted { count, next } = store.count_users(&demo, order, None, passed).await.unwrap();
            assert_eq!(count, passed);
            let then = store.count_users(&demo, order, next.as_deref(), 100).await.unwrap();
            assert_eq!(then, Counted { count: 8 - passed, next: None });
            assert_eq!(listed(store, &demo, order, next, 3).await, expected[passed..], "{order:?} after {passed}");
        }
        let all = store.count_users(&demo, order, None, usize::MAX).await.unwrap();
        assert_eq!(all, Counted { count: 8, next: None });
    }
    let nobody = TenantName::parse("nobody").unwrap();
    let none = store.count_users(&nobody, Order::Ascending, None, usize::MAX).await.unwrap();
    assert_eq!(none, Counted { count: 0, next: None });
}

pub async fn whose_a_name_is_is_told_in_every_spelling(store: &impl Administration) {
    tenant(store, "demo").await;
    tenant(store, "other").await;
    let jane = with_email(named("demo", "Jane"), "jane@example.com");
    let elsewhere = named("other", "jane");
    for user in [&jane, &elsewhere] {
        assert_eq!(create(store, user).await, Creation::Done);
    }
    let owner = async |wanted: Lookup| store.lookup(wanted).await.unwrap();
    let of = |tenant: &str, name: &str| Lookup { owner: Some(LoginName::typed(tenant, name)), ..Lookup::default() };
    for (tenant, name, expected) in [
        ("demo", "jane", Some(&jane)),
        ("demo", "JANE", Some(&jane)),
        ("demo", "\u{ff4a}ane", Some(&jane)),
        ("other", "jane", Some(&elsewhere)),
        ("demo", "jane@example.com", None),
        ("demo", "joan", None),
        ("demo", "a/b", None),
        ("nobody", "jane", None),
        ("*", "jane", None),
    ] {
        let found = owner(of(tenant, name)).await;
        assert_eq!(found.owner.as_ref(), expected.map(|user| &user.id), "{tenant} {name}");
        assert!(found.credential.is_none() && found.users.is_empty());
    }
    // Beside other parts of the same table, and beside the same item.
    let claim = LoginName::typed_email("demo", "jane@example.com");
    let found = owner(Lookup { claim, users: vec![jane.id.clone()], ..of("other", "jane") }).await;
    assert_eq!((found.owner, found.claim.map(|claim| claim.user)), (Some(elsewhere.id.clone()), Some(jane.id.clone())));
    for (credential, expected) in [(login_name(&jane), &jane), (login_name(&elsewhere), &elsewhere)] {
        let found = owner(Lookup { credential: Some(credential), ..of("demo", "jane") }).await;
        assert_eq!(found.owner.as_ref(), Some(&jane.id));
        assert_eq!(found.credential.map(|credential| credential.user), Some(expected.id.clone()));
    }
}
