//! Work that many wait for is done once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::spawn_local;

use crate::bounds;
use crate::gateway::NAME;

/// What is under way, by what it is about.
pub(crate) struct Flights<K, V>(UnderWay<K, V>);

type UnderWay<K, V> = Rc<RefCell<HashMap<K, watch::Receiver<Option<V>>>>>;

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<K: Eq + Hash + Clone + 'static, V: Clone + 'static> Flights<K, V> {
    /// Waits for what is under way, or starts it. It goes on when nobody waits any more.
    ///
    /// None when there is too much under way, or the gateway ends.
    pub(crate) async fn join<F>(&self, key: K, start: impl FnOnce() -> F) -> Option<V>
    where
        F: Future<Output = V> + 'static,
    {
        let under_way = self.0.borrow().get(&key).cloned();
        if under_way.is_none() && self.0.borrow().len() >= bounds::UNDER_WAY {
            return None;
        }
        let mut result = under_way.unwrap_or_else(|| {
            let (sender, receiver) = watch::channel(None);
            self.0.borrow_mut().insert(key.clone(), receiver.clone());
            let (flights, work) = (Rc::clone(&self.0), start());
            let landing = Landing { flights, key };
            spawn_local(async move {
                let value = work.await;
                drop(landing);
                sender.send_replace(Some(value));
            });
            receiver
        });
        let value = result.wait_for(Option::is_some).await.ok()?;
        value.clone()
    }
}

/// Ends what is under way, also where it panics.
struct Landing<K: Eq + Hash, V> {
    flights: UnderWay<K, V>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        self.flights.borrow_mut().remove(&self.key);
    }
}

/// Does on a thread what can't be waited for otherwise, once one of the slots is free. It goes on when nobody waits any more, and
/// keeps its slot as long.
///
/// # Errors
///
/// The gateway ends, there is no thread, or the work panics.
pub(crate) async fn on_thread<T: Send + 'static>(
    slots: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let slot = Arc::clone(slots).acquire_owned().await;
    let slot = slot.map_err(io::Error::other)?;
    let (done, is_done) = oneshot::channel();
    // Not of the runtime's, which panics where there is none to be had.
    let thread = thread::Builder::new().name(NAME.to_owned());
    thread.spawn(move || {
        let value = work();
        drop(slot);
        let _ = done.send(value);
    })?;
    is_done.await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::run;

    #[test]
    fn work_that_panics_is_done_anew() {
        run(async {
            let flights = Flights::default();
            let panics = || async { panic!("there is no thread for it") };
            assert_eq!(flights.join("a", panics).await, None);
            assert_eq!(flights.join("a", || async { 1 }).await, Some(1));
        });
    }
}
