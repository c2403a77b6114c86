//! Which process made a connection.
//!
//! Its socket is asked for when the connection comes, since the process may close it the next moment. Who has that socket is a search
//! through all that runs inside, so a thread of its own makes it, for all who wait for it at once; no connection does. An event waits,
//! for a moment at most.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use sandbox_core::Process;
use tokio::net::TcpStream;
use tokio::sync::{SetOnce, mpsc};
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout_at};

use crate::bounds;
use crate::event::Event;
use crate::gateway::NAME;
use crate::log::Log;

type Socket = dyn Fn(SocketAddr, SocketAddr) -> Option<u64> + Send + Sync;
type Search = dyn Fn(&[u64]) -> Vec<Option<Process>> + Send + Sync;

/// Says which process made a connection.
///
/// ```
/// use sandbox_gateway::{Process, Processes};
///
/// let processes = Processes {
///     stream: Box::new(|_, _| Some(1)),
///     datagrams: Box::new(|_, _| None),
///     search: Box::new(|sockets| sockets.iter().map(|_| Some(Process::new(4711, None))).collect()),
/// };
/// ```
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever knows of processes says all of it"
)]
pub struct Processes {
    /// A number for the socket inside by which a connection was made, from the first address to the second. It is asked on the gateway's
    /// thread, so it must not take long.
    pub stream: Box<Socket>,
    /// The same for datagrams.
    pub datagrams: Box<Socket>,
    /// Who has each of these sockets, as far as that is certain; on a thread of its own.
    pub search: Box<Search>,
}

impl fmt::Debug for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processes").finish_non_exhaustive()
    }
}

/// Searches for the processes of one network. Dropping it waits for those that are under way.
pub(crate) struct Searches {
    processes: Arc<Processes>,
    /// Where events go that wait, …
    held: mpsc::Sender<Held>,
    /// … and for how long.
    patience: Duration,
    /// What makes them, from the first one on.
    thread: RefCell<Option<Thread>>,
}

struct Thread {
    queue: SyncSender<Arc<Sought>>,
    handle: JoinHandle<()>,
}

/// Who made a connection: nobody knows, or will soon.
#[derive(Clone, Debug, Default)]
pub(crate) struct Maker(Option<Arc<Sought>>);

#[derive(Debug)]
struct Sought {
    socket: u64,
    /// When no event waits for it any longer.
    until: Instant,
    process: SetOnce<Option<Process>>,
    held: mpsc::Sender<Held>,
}

/// An event that waits to be told until it is known whose it was. It is told when it is dropped.
struct Held {
    log: Arc<Log>,
    event: Option<Event>,
    sought: Arc<Sought>,
}

impl Searches {
    /// Its tasks are the gateway's.
    pub(crate) fn new(processes: Processes) -> Self {
        let (held, waiting) = mpsc::channel(bounds::SEARCHES);
        spawn_local(tell(waiting));
        Self {
            processes: Arc::new(processes),
            held,
            patience: bounds::SEARCH,
            thread: RefCell::default(),
        }
    }

    /// Whoever made a connection.
    pub(crate) fn stream(&self, client: &TcpStream) -> Maker {
        let ends = client.peer_addr().ok().zip(client.local_addr().ok());
        let socket = ends.and_then(|(inside, other)| (self.processes.stream)(inside, other));
        self.search(socket)
    }

    /// Whoever sent a datagram.
    pub(crate) fn datagrams(&self, inside: SocketAddr, other: SocketAddr) -> Maker {
        self.search((self.processes.datagrams)(inside, other))
    }

    fn search(&self, socket: Option<u64>) -> Maker {
        let sought = socket.and_then(|socket| {
            let sought = Arc::new(Sought {
                socket,
                until: Instant::now() + self.patience,
                process: SetOnce::new(),
                held: self.held.clone(),
            });
            let mut thread = self.thread.borrow_mut();
            if thread.is_none() {
                *thread = start(Arc::clone(&self.processes));
            }
            let queue = &thread.as_ref()?.queue;
            queue.try_send(Arc::clone(&sought)).ok()?;
            Some(sought)
        });
        Maker(sought)
    }
}

impl Drop for Searches {
    fn drop(&mut self) {
        if let Some(Thread { queue, handle }) = self.thread.take() {
            drop(queue);
            let _ = handle.join();
        }
    }
}

/// None where there is no thread to be had.
fn start(processes: Arc<Processes>) -> Option<Thread> {
    let (queue, waiting) = sync_channel(bounds::SEARCHES);
    let thread = thread::Builder::new().name(NAME.to_owned());
    let handle = thread.spawn(move || search(&processes, &waiting)).ok()?;
    Some(Thread { queue, handle })
}

fn search(processes: &Processes, waiting: &Receiver<Arc<Sought>>) {
    while let Ok(first) = waiting.recv() {
        let others = waiting.try_iter().take(bounds::SEARCHES);
        let all: Vec<_> = std::iter::once(first).chain(others).collect();
        let sockets: Vec<_> = all.iter().map(|sought| sought.socket).collect();
        for (sought, process) in all.iter().zip((processes.search)(&sockets)) {
            let _ = sought.process.set(process);
        }
    }
}

impl Maker {
    /// Tells of what it did, as soon as it is known who it is.
    pub(crate) fn tell(self, log: &Arc<Log>, event: Event) {
        let Some(sought) = self.0 else {
            return log.tell(event);
        };
        let is_known = sought.process.initialized();
        let queue = sought.held.clone();
        let held = Held {
            log: Arc::clone(log),
            event: Some(event),
            sought,
        };
        if !is_known {
            // Where there is no room for it, it is told at once.
            let _ = queue.try_send(held);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Whoever is told may panic: of events that end with it, no other is told, since a second panic would end the process.
        if let Some(mut event) = self.event.take()
            && !thread::panicking()
        {
            event.process = self.sought.process.get().cloned().flatten();
            self.log.tell(event);
        }
    }
}

/// Tells of events, each when it is known whose it was.
async fn tell(mut waiting: mpsc::Receiver<Held>) {
    while let Some(held) = waiting.recv().await {
        let _ = timeout_at(held.sought.until, held.sought.process.wait()).await;
        // Where whoever is told panics that ends nothing else.
        spawn_local(async move { drop(held) });
    }
}
