//! Reads accounts as they are now. The listing that names them lags behind, so it decides nothing but whom to ask for.

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use shared::auth_header::AuthHeader;
use shared::clock::Timestamp;
use shared::store::{Administration, Credential, LoginName, Lookup, StoreError};
use shared::tenant::TenantName;
use shared::user::{User, UserId};

/// So many accounts are read in one call.
const TOGETHER: usize = 100;

/// So often an account is read that is changing while it is read.
const TRIES: usize = 3;

/// An account with what is its own.
pub struct Account {
    pub user: User,
    pub credential: Credential,
    /// Those that act as the user now.
    pub auth_headers: Vec<AuthHeader>,
    /// How many it has that don't: they have ended.
    pub ended: usize,
}

/// What became of an account that was listed.
pub enum Listed {
    /// It is there.
    Account(Box<Account>),
    /// It was deleted since, or is another tenant's now.
    Vanished,
    /// It is there and has no credential, which no command makes.
    Damaged(Box<User>),
}

impl Listed {
    /// The account, if it is there.
    pub fn account(&self) -> Option<&Account> {
        if let Self::Account(account) = self { Some(account) } else { None }
    }
}

/// Reads accounts.
pub struct Reader<S> {
    pub store: S,
    /// Whose users were listed.
    pub tenant: TenantName,
    /// How many calls to make at a time.
    pub parallel: usize,
    pub auth_headers: bool,
    pub now: Timestamp,
}

impl<S: Administration> Reader<S> {
    /// Reads what was listed, in the same order.
    pub async fn read(&self, listed: &[User]) -> Result<Vec<Listed>, StoreError> {
        let calls: Vec<_> = listed.chunks(TOGETHER).map(|users| self.accounts(users)).collect();
        let found: Vec<Vec<Found>> = stream::iter(calls).buffered(self.parallel).try_collect().await?;
        let calls: Vec<_> = found.into_iter().flatten().map(|found| self.with_auth_headers(found)).collect();
        stream::iter(calls).buffered(self.parallel).try_collect().await
    }

    async fn accounts(&self, listed: &[User]) -> Result<Vec<Found>, StoreError> {
        let ids = listed.iter().map(|user| user.id.clone()).collect();
        let users = self.users(ids).await?;
        let names: Vec<LoginName> = users.iter().map(login_name).collect();
        let credentials = self.store.credentials(&names).await?;
        let mut credentials: HashMap<UserId, Credential> =
            credentials.into_iter().map(|credential| (credential.user.clone(), credential)).collect();
        let mut users: HashMap<UserId, User> = users.into_iter().map(|user| (user.id.clone(), user)).collect();
        let mut accounts = Vec::with_capacity(listed.len());
        for id in listed.iter().map(|user| &user.id) {
            accounts.push(match (users.remove(id), credentials.remove(id)) {
                (None, _) => Found::Nobody,
                (Some(user), Some(credential)) => Found::Account(Box::new((user, credential))),
                // Renamed or deleted between the two calls.
                (Some(user), None) => self.again(user).await?,
            });
        }
        Ok(accounts)
    }

    /// Those who are in the tenant now: an id that was deleted may be made anew in another one.
    async fn users(&self, ids: Vec<UserId>) -> Result<Vec<User>, StoreError> {
        let mut users = self.store.lookup(Lookup { users: ids, ..Lookup::default() }).await?.users;
        users.retain(|user| user.tenant == self.tenant);
        Ok(users)
    }

    async fn again(&self, mut user: User) -> Result<Found, StoreError> {
        for _ in 0..TRIES {
            let Some(now) = self.users(vec![user.id.clone()]).await?.pop() else { return Ok(Found::Nobody) };
            user = now;
            let credential = self.store.credentials(&[login_name(&user)]).await?.pop();
            if let Some(credential) = credential.filter(|credential| credential.user == user.id) {
                return Ok(Found::Account(Box::new((user, credential))));
            }
        }
        Ok(Found::NoCredential(Box::new(user)))
    }

    async fn with_auth_headers(&self, found: Found) -> Result<Listed, StoreError> {
        let (user, credential) = match found {
            Found::Account(account) => *account,
            Found::Nobody => return Ok(Listed::Vanished),
            Found::NoCredential(user) => return Ok(Listed::Damaged(user)),
        };
        let all = if self.auth_headers { self.store.auth_headers(&user.id).await? } else { Vec::new() };
        // An import gives each its user's new epoch, so one that has ended would come back to life.
        let (auth_headers, ended): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.is_live(&user, self.now));
        Ok(Listed::Account(Box::new(Account { user, credential, auth_headers, ended: ended.len() })))
    }
}

enum Found {
    Account(Box<(User, Credential)>),
    Nobody,
    NoCredential(Box<User>),
}

fn login_name(user: &User) -> LoginName {
    LoginName::new(&user.tenant, &user.name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use local::Cloud;
    use shared::config::Config;
    use shared::random::SystemRandom;
    use shared::store::dynamo::DynamoStore;
    use shared::store::{Creation, NewUser, Update, Write};
    use shared::tenant::Tenant;
    use shared::user::UserName;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn user(id: &str) -> User {
        User {
            id: UserId::parse(id).unwrap(),
            tenant: TenantName::parse("acme").unwrap(),
            name: UserName::parse(id).unwrap(),
            email: None,
            email_verified: false,
            first_name: None,
            last_name: None,
            display_name: None,
            application: None,
            enabled: true,
            roles: vec![],
            attributes: BTreeMap::new(),
            created: NOW,
            modified: NOW,
            session_epoch: 1,
            key_epoch: 1,
        }
    }

    /// What the listing tells is as old as it likes, and what is read is as it is now.
    #[tokio::test]
    async fn a_listing_that_lags_behind_is_not_believed() {
        let parameters = [("Issuer", "http://127.0.0.1:9000"), ("DefaultTenant", "acme")];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let cloud = Cloud::in_memory(&BTreeMap::from(parameters)).unwrap();
        let config = Config::read(|name| cloud.environment().get(name).cloned()).unwrap();
        let client = local::dynamodb::client(&cloud.dynamodb_url());
        let store = DynamoStore::new(client, config.tables, Arc::new(SystemRandom));
        assert_eq!(store.create_tenant(&Tenant::new(user("x").tenant, NOW)).await.unwrap(), Write::Done);
        let listed = ["same", "gone", "renamed", "disabled", "moved", "never"].map(user);
        for user in &listed[..5] {
            assert_eq!(store.create_user(NewUser::new(user.clone(), None)).await.unwrap(), Creation::Done);
        }
        assert_eq!(store.delete_user(&listed[1], NOW).await.unwrap(), Write::Done);
        let new = User { name: UserName::parse("other").unwrap(), modified: NOW, ..listed[2].clone() };
        assert_eq!(store.update_user(&listed[2], &new).await.unwrap(), Update::Done);
        assert_eq!(store.set_enabled(&listed[3], false, NOW).await.unwrap(), Write::Done);
        let other = TenantName::parse("other").unwrap();
        assert_eq!(store.create_tenant(&Tenant::new(other.clone(), NOW)).await.unwrap(), Write::Done);
        assert_eq!(store.delete_user(&listed[4], NOW).await.unwrap(), Write::Done);
        let moved = User { tenant: other, ..listed[4].clone() };
        assert_eq!(store.create_user(NewUser::new(moved, None)).await.unwrap(), Creation::Done);

        let reader = Reader { store, tenant: user("x").tenant, parallel: 4, auth_headers: true, now: NOW };
        let read = reader.read(&listed).await.unwrap();
        let found: Vec<_> = read
            .iter()
            .map(|listed| match listed {
                Listed::Account(account) => Some((account.user.name.as_str(), account.user.enabled)),
                Listed::Vanished => None,
                Listed::Damaged(user) => panic!("{}", user.id),
            })
            .collect();
        let disabled = Some(("disabled", false));
        assert_eq!(found, [Some(("same", true)), None, Some(("other", true)), disabled, None, None]);
        // Renamed between the two calls: the first one saw the old name.
        let Found::Account(account) = reader.again(listed[2].clone()).await.unwrap() else { panic!("it is there") };
        assert_eq!(account.0.name, new.name);
        assert!(matches!(reader.again(listed[4].clone()).await.unwrap(), Found::Nobody), "it is another tenant's");
    }
}
