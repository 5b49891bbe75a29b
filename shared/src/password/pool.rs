//! The buffers that hashes work in, and whose turn it is to hash.
//!
//! Invariant: as many derivations go on at a time as there are buffers, and no more: each needs a core and tens of
//! megabytes. Who comes later waits, in the order of coming, and keeps no thread from others meanwhile.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::PasswordError;

/// Buffers that are kept between derivations: none at first, then as many as were needed at a time.
pub(super) struct Pool<B> {
    most: usize,
    idle: Mutex<Vec<B>>,
    turns: Arc<Semaphore>,
}

/// The right to one derivation, as long as it is held.
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
}

/// A buffer that is in use. Dropped, it is kept for the next.
pub(super) struct Lent<'a, B: Default> {
    buffer: B,
    pool: &'a Pool<B>,
}

impl<B: Default> Pool<B> {
    /// A pool of `most` buffers, of one at least.
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self { most, idle: Mutex::default(), turns: Arc::new(Semaphore::new(most)) }
    }

    /// Waits until there is a buffer for one more derivation.
    pub(super) async fn turn(&self) -> Result<Turn, PasswordError> {
        let permit = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| PasswordError::Interrupted)?;
        Ok(Turn { _permit: permit })
    }

    /// A buffer as the last derivation left it, or a new one. Who asks without a [turn](Self::turn) has to bound its
    /// threads itself.
    pub(super) fn lend(&self) -> Lent<'_, B> {
        Lent { buffer: self.lock().pop().unwrap_or_default(), pool: self }
    }

    /// As many buffers as the pool has.
    pub(super) fn lend_all(&self) -> Vec<Lent<'_, B>> {
        (0..self.most).map(|_| self.lend()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<B>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Default> Deref for Lent<'_, B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.buffer
    }
}

impl<B: Default> DerefMut for Lent<'_, B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.buffer
    }
}

impl<B: Default> Drop for Lent<'_, B> {
    fn drop(&mut self) {
        let mut idle = self.pool.lock();
        if idle.len() < self.pool.most {
            idle.push(mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_no_more_are_kept_than_the_pool_has() {
        let pool = Pool::<Vec<u8>>::new(2);
        pool.lend().push(7);
        assert_eq!(*pool.lend(), [7]);
        let lent = [pool.lend(), pool.lend(), pool.lend()];
        assert_eq!(lent.iter().filter(|buffer| buffer.is_empty()).count(), 2);
        drop(lent);
        assert_eq!(pool.lock().len(), 2);
    }

    #[tokio::test]
    async fn of_64_at_once_as_many_go_on_as_there_are_buffers() {
        let pool = Arc::new(Pool::<Vec<u8>>::new(3));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks = (0..64).map(|_| {
            let (pool, now, most) = (Arc::clone(&pool), Arc::clone(&now), Arc::clone(&most));
            tokio::spawn(async move {
                let turn = pool.turn().await.unwrap();
                let work = move || {
                    let (_turn, _buffer) = (turn, pool.lend());
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(2));
                    now.fetch_sub(1, Ordering::SeqCst);
                };
                tokio::task::spawn_blocking(work).await.unwrap();
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!((most.load(Ordering::SeqCst), pool.lock().len()), (3, 3));
    }

    #[test]
    fn a_panic_loses_neither_the_turn_nor_the_buffer() {
        let pool = Arc::new(Pool::<Vec<u8>>::new(1));
        let other = Arc::clone(&pool);
        let panicked = thread::spawn(move || {
            let _lent = other.lend();
            panic!("in the middle of a derivation");
        });
        assert!(panicked.join().is_err());
        assert_eq!(pool.lock().len(), 1);
    }
}
