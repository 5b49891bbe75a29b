//! Logins at the same time take the memory of as many hashes as there are buffers, and no more: an environment that is
//! given many at once (Lambda Managed Instances) stays within its function's memory.
//!
//! Alone in its file, and so in a process of its own, whose highest memory is what is looked at.

#![cfg(target_os = "linux")]

use std::fs;
use std::sync::Arc;

use shared::login::Login;
use shared::password::{Cost, Hasher, Phc};
use tests::{Account, Call, World, note, noticed};
use user_login::UserLogin;

const AT_ONCE: usize = 64;
const BUFFERS: usize = 2;
/// One of our own hashes, and the dearest of scrypt's that are taken, in MiB.
const OURS: u64 = 19;
const SCRYPT: u64 = 64;
/// Threads, requests, what an allocator keeps.
const MORE: u64 = 24;

/// ln = 16 and r = 8 are 64 MiB.
const DEAR: &str = "$scrypt$ln=16,r=8,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

/// The most that this process ever had resident, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// A world whose logins hash at the cost of the template's defaults, in so many buffers.
async fn world(buffers: usize) -> World {
    let mut world = World::new().await;
    let stack = &world.stack;
    let hasher = Arc::new(Hasher::new(Cost::default()).unwrap().with_buffers(buffers));
    let (clock, random) = (Arc::new(stack.clock.clone()), Arc::clone(&stack.random));
    let login = Login::new(stack.store.clone(), hasher, clock, random, &stack.config);
    let endpoint = UserLogin {
        login,
        keyring: Arc::clone(&stack.keyring),
        party: stack.config.party.clone(),
        default_tenant: stack.config.default_tenant.clone(),
    };
    world.replace(endpoint);
    world
}

/// By how much the peak rose over so many logins at once, and what they were answered.
async fn rise(world: &Arc<World>, accounts: &[Account], logins: usize) -> (u64, Vec<u16>) {
    let before = peak();
    let tasks: Vec<_> = accounts
        .iter()
        .cycle()
        .take(logins)
        .map(|account| {
            let call = serde_json::json!({ "username": account.qualified(), "password": account.password });
            let (world, call) = (Arc::clone(world), Call::to("user-login").json(&call));
            tokio::spawn(async move { world.send(&call).await.status() })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }
    (peak() - before, statuses)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_logins_at_once_take_the_memory_of_as_many_hashes_as_there_are_buffers() {
    let few = Arc::new(world(BUFFERS).await);
    let accounts = [few.demo.clone(), few.admin.clone(), few.other.clone(), few.other_admin.clone()];
    let buffers = u64::try_from(BUFFERS).unwrap();

    let (ours, statuses) = rise(&few, &accounts, AT_ONCE).await;
    assert_eq!(statuses, [200; AT_ONCE]);
    assert!(ours <= buffers * OURS + MORE, "{ours} MiB for our own hashes");

    for account in &accounts {
        let dear = Some(Phc::from_stored(DEAR.to_owned()));
        few.stack.store.edit_credential(&account.login_name(), |credential| credential.phc = dear);
    }
    let (foreign, statuses) = rise(&few, &accounts, AT_ONCE / 4).await;
    assert_eq!(statuses, [401; AT_ONCE / 4]);
    assert!(foreign <= buffers * SCRYPT + MORE, "{foreign} MiB for hashes of another system");

    // The control: with a buffer for every second one, the same logins take what would be too much.
    let many = Arc::new(world(AT_ONCE / 2).await);
    let (unbounded, _) = rise(&many, &accounts, AT_ONCE).await;
    assert!(unbounded > 8 * OURS, "{unbounded} MiB with thirty-two buffers: this test sees nothing");
    note("Q23", "memory-of-64-logins", ours);
    let test = "sixty_four_logins_at_once_take_the_memory_of_as_many_hashes_as_there_are_buffers";
    noticed("Q23", "a-buffer-for-each", "each login has a buffer of its own", "tests/tests/password_memory.rs", test);
}
