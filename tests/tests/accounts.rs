//! Logins that are on their way while their account changes: 10,000 interleavings, each of a seed. What an acknowledged
//! change ended stays ended, whatever began before it.

use std::sync::Arc;

use futures_util::future::{join, join_all};
use shared::clock::{Clock, Timestamp};
use shared::login::{Change, LoggedIn, Login, Opening};
use shared::one_time::{OneTime, Purpose};
use shared::password::{Hasher, Phc};
use shared::secret::Password;
use shared::source::Source;
use shared::store::memory::MemoryStore;
use shared::store::{
    Administration as _, Creation, LoginName, Lookup, NewPassword, NewUser, PasswordChange, Proof, Store, Update, Write,
};
use shared::tenant::Tenant;
use shared::testing::{FrozenClock, SeededRandom, Stack, user};
use shared::ticket::Origin;
use shared::user::{Email, User, UserName};
use tests::paced::Paced;
use tests::{Dice, NEW_PASSWORD, figure};

const SEEDS: u64 = 10_000;
const LOGINS: usize = 3;
const OLD_PASSWORD: &str = "four lanterns on the old pier";

fn password(text: &str) -> Password {
    Password::from_input(text).unwrap()
}

/// What the worlds of all seeds have in common.
struct Stage {
    stack: Stack,
    hasher: Arc<Hasher>,
    old: Phc,
    new: Phc,
}

impl Stage {
    fn new() -> Self {
        let stack = Stack::new();
        let hasher = Arc::new(stack.config.hasher().unwrap());
        let hash = |text| hasher.hash(&password(text), &*stack.random).unwrap();
        let (old, new) = (hash(OLD_PASSWORD), hash(NEW_PASSWORD));
        Self { stack, hasher, old, new }
    }

    async fn world(&self, seed: u64) -> World<'_> {
        let store = MemoryStore::default();
        let owner = User { email: Email::parse("jo@example.com"), ..user("u-1") };
        let tenant = Tenant::new(owner.tenant.clone(), owner.created);
        assert_eq!(store.create_tenant(&tenant).await.unwrap(), Write::Done);
        let account = NewUser::new(owner.clone(), Some(self.old.clone()));
        assert_eq!(store.create_user(account).await.unwrap(), Creation::Done);
        let name = LoginName::new(&owner.tenant, &owner.name);
        let now = FrozenClock::default().now();
        let (token, _) = OneTime::issue(&owner, Purpose::Reset { version: 0 }, now, &SeededRandom::new(seed));
        assert_eq!(store.create_one_time(&name, &token, now).await.unwrap(), Write::Done);
        let paced = Paced::new(store.clone(), seed);
        World { stage: self, store, paced, owner, token, now, dice: Dice::new(seed) }
    }
}

struct World<'a> {
    stage: &'a Stage,
    store: MemoryStore,
    paced: Paced,
    owner: User,
    token: OneTime,
    now: Timestamp,
    dice: Dice,
}

/// What happens to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    OwnerChangesPassword,
    AdministratorSetsPassword,
    TokenSetsPassword,
    Deleted,
    Disabled,
    Renamed,
}

const EVENTS: [Event; 6] = [
    Event::OwnerChangesPassword,
    Event::AdministratorSetsPassword,
    Event::TokenSetsPassword,
    Event::Deleted,
    Event::Disabled,
    Event::Renamed,
];

impl World<'_> {
    fn login<S: Store>(&self, store: S) -> Login<S> {
        let Stack { clock, random, config, .. } = &self.stage.stack;
        let clock: Arc<dyn Clock> = Arc::new(clock.clone());
        Login::new(store, Arc::clone(&self.stage.hasher), clock, Arc::clone(random), config)
    }

    async fn attempt<S: Store>(&self, store: S, name: &str, text: &str) -> Option<LoggedIn> {
        let login = self.login(store.clone());
        let question = login.question(self.owner.tenant.as_str(), name);
        let mut found = store.lookup(question.lookup()).await.unwrap();
        let named = login.named(question, &mut found).await.unwrap_or_else(|_| panic!("the store is there"));
        let opening = Opening { origin: Origin::Login, source: Source::default() };
        login.with_password(named, password(text), opening).await.ok()
    }

    async fn owner_changes_password(&self) -> bool {
        let login = self.login(self.paced.clone());
        let question = login.question(self.owner.tenant.as_str(), self.owner.name.as_str());
        let mut found = self.paced.lookup(question.lookup()).await.unwrap();
        let named = login.named(question, &mut found).await.unwrap_or_else(|_| panic!("the store is there"));
        let (old, new) = (password(OLD_PASSWORD), password(NEW_PASSWORD));
        let change = Change { named, old, new, end_auth_headers: false, source: Source::default() };
        login.change_password(change).await.is_ok()
    }

    async fn password_set(&self, proof: Proof) -> bool {
        let change = PasswordChange {
            name: LoginName::new(&self.owner.tenant, &self.owner.name),
            user: self.owner.id.clone(),
            version: 0,
            password: NewPassword::new(self.stage.new.clone(), self.now),
            proof,
            end_auth_headers: false,
            forget: Vec::new(),
            place: None,
            at: self.now,
        };
        self.paced.change_password(change).await.unwrap() == Write::Done
    }

    fn renamed(&self) -> User {
        User { name: UserName::parse("another").unwrap(), modified: self.now, ..self.owner.clone() }
    }

    /// Whether it is acknowledged.
    async fn happens(&self, event: Event) -> bool {
        let (store, owner) = (&self.store, &self.owner);
        self.wait().await;
        match event {
            Event::OwnerChangesPassword => self.owner_changes_password().await,
            Event::AdministratorSetsPassword => self.password_set(Proof::Administrator).await,
            Event::TokenSetsPassword => self.password_set(Proof::Reset(self.token.clone())).await,
            Event::Deleted => store.delete_user(owner, self.now).await.unwrap() == Write::Done,
            Event::Disabled => store.set_enabled(owner, false, self.now).await.unwrap() == Write::Done,
            Event::Renamed => store.update_user(owner, &self.renamed()).await.unwrap() == Update::Done,
        }
    }

    async fn wait(&self) {
        for _ in 0..self.dice.below(40) {
            tokio::task::yield_now().await;
        }
    }

    /// How many of the stored tickets are live.
    async fn live(&self) -> usize {
        let wanted = Lookup { users: vec![self.owner.id.clone()], ..Lookup::default() };
        let found = self.store.lookup(wanted).await.unwrap();
        let tickets = self.store.tickets();
        tickets
            .iter()
            .filter(|ticket| found.user(&self.owner.id).is_some_and(|user| ticket.is_live(user, self.now)))
            .count()
    }
}

/// Logins with the old password around an event: how many of them succeeded.
async fn race(world: &World<'_>, event: Event) -> usize {
    let name = world.owner.name.as_str();
    let logins = (0..LOGINS).map(|_| async {
        world.wait().await;
        world.attempt(world.paced.clone(), name, OLD_PASSWORD).await
    });
    let (acknowledged, logins) = join(world.happens(event), join_all(logins)).await;
    assert!(acknowledged, "{event:?}: nothing stands in its way");
    // The ticket of a login that was refused is taken back beside its answer.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    logins.iter().flatten().count()
}

#[tokio::test]
async fn what_a_change_of_the_account_ended_stays_ended_whatever_was_on_its_way() {
    let stage = Stage::new();
    let mut succeeded = [[0_usize; LOGINS + 1]; EVENTS.len()];
    for seed in 0..SEEDS {
        let world = stage.world(seed).await;
        let place = usize::try_from(seed).unwrap() % EVENTS.len();
        let event = EVENTS[place];
        let opened = race(&world, event).await;
        succeeded[place][opened] += 1;
        let live = world.live().await;
        if event == Event::Renamed {
            assert_eq!(live, opened, "seed {seed}: what was opened under the old name goes on, and nothing else");
            let (old, new) = (world.owner.name.as_str(), "another");
            assert!(world.attempt(world.store.clone(), old, OLD_PASSWORD).await.is_none(), "seed {seed}");
            assert!(world.attempt(world.store.clone(), new, OLD_PASSWORD).await.is_some(), "seed {seed}");
            continue;
        }
        assert_eq!(live, 0, "seed {seed}, {event:?}: a ticket lives on");
        let late = world.attempt(world.store.clone(), world.owner.name.as_str(), OLD_PASSWORD).await;
        assert!(late.is_none(), "seed {seed}, {event:?}: the old password opens");
        if !matches!(event, Event::Deleted | Event::Disabled) {
            let anew = world.attempt(world.store.clone(), world.owner.name.as_str(), NEW_PASSWORD).await;
            assert!(anew.is_some() && world.live().await == 1, "seed {seed}, {event:?}");
        }
    }
    figure(&format!(
        "{SEEDS} interleavings; by event, in how many so many of {LOGINS} logins succeeded: {succeeded:?}"
    ));
    for (event, counts) in EVENTS.iter().zip(succeeded) {
        assert!(counts[0] > 5 && counts[LOGINS] > 5, "{event:?} came before some and after others: {counts:?}");
    }
}
