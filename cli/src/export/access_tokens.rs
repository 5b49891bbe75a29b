//! Reads access tokens as they are now. The listing that names them lags behind: one that was deleted a moment ago is in
//! it still, and would open the stack that imports it for good.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use shared::access_token::AccessToken;
use shared::store::{Lookup, Store, StoreError};
use shared::tenant::TenantName;

/// Reads what was listed, in the same order, with so many calls at a time. `None` is one that was deleted since.
pub async fn read(
    store: &impl Store,
    listed: &[AccessToken],
    parallel: usize,
) -> Result<Vec<Option<AccessToken>>, StoreError> {
    let call = |token: &AccessToken| {
        let found = store.lookup(Lookup { access_token: Some(token.digest), ..Lookup::default() });
        async { Ok(found.await?.access_token) }
    };
    let calls: Vec<_> = listed.iter().map(call).collect();
    stream::iter(calls).buffered(parallel).try_collect().await
}

/// Whether an access token is for the `tenants` that were named and nothing beyond, so that an export of one tenant opens
/// no other one.
pub fn stay_within(token: &AccessToken, tenants: &[TenantName]) -> bool {
    let named = |name: &Option<TenantName>| name.as_ref().is_some_and(|name| tenants.contains(name));
    let inside = !token.permissions.is_empty() && token.permissions.iter().all(|entry| named(&entry.tenant));
    tenants.is_empty() || (inside && !token.master)
}

#[cfg(test)]
mod tests {
    use shared::access_token::TenantPermission;
    use shared::clock::Timestamp;
    use shared::secret::Digest;

    use super::*;

    #[test]
    fn an_export_of_one_tenant_holds_no_token_for_others() {
        let name = |name| TenantName::parse(name).unwrap();
        let entry = |tenant| TenantPermission { tenant, actions: None };
        let token = |master, permissions| AccessToken {
            digest: Digest::of(b"x"),
            application: "app".to_owned(),
            master,
            permissions,
            expires: None,
            created: Timestamp::from_seconds(0),
        };
        let acme = [name("acme")];
        let own = token(false, vec![entry(Some(name("acme")))]);
        assert!(stay_within(&own, &acme));
        for wider in [
            token(false, vec![entry(None)]),
            token(false, vec![entry(Some(name("acme"))), entry(Some(name("other")))]),
            token(true, vec![entry(Some(name("acme")))]),
            token(true, vec![]),
            token(false, vec![]),
        ] {
            assert!(!stay_within(&wider, &acme));
            assert!(stay_within(&wider, &[]), "nobody named a tenant");
        }
    }
}
