//! Answers the calls of a command that make a name, open for writing by one, or give a socket a peer or an address: what mounts can't decide.
//!
//! The filter sends them here (`filter`), and they wait. The *reader*, a thread of the caller, reads each one's arguments once, pins
//! what they refer to as descriptors, and asks the kernel whether the caller still waits: then all of it was that thread's. The *performer*, a
//! thread that can do nothing that the policy does not grant, resolves on those descriptors, decides, makes the call itself and hands
//! back the result. It must never let a call that names something go on by itself: what that would read can be rewritten, and the way that
//! it would walk can be moved, between any decision and the call. (`umask` goes on, which names nothing: `procfs`. And what names nothing is not
//! decided: a pair of sockets, `pair`; nor what would fail anyway: a directory that is there, `there`.)
//!
//! Two kinds of threads, since one in a Landlock domain may not look into a process outside of it. The command's own domain has no right to
//! make a name at all, so that a call which nobody thought of makes none. If the notifier ends, the kernel answers `ENOSYS`.
//!
//! An idle sandbox has neither: the reader comes with a command, and ends when there was none for a moment; the performer comes with
//! the first call that is to be made, and ends with the last command. A long run of calls has threads of its own ([`bulk`]).

mod address;
mod affinity;
mod brought;
mod bulk;
mod calls;
mod decide;
mod denied;
mod errand;
mod listen;
mod made;
mod pair;
mod perform;
mod performer;
mod pin;
mod procfs;
mod read;
mod resolve;
mod root;
mod sockets;
#[cfg(test)]
mod tests;
mod there;

use std::ffi::CString;
use std::io::{self, PipeWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};

use self::address::Named;
use self::affinity::Affinity;
use self::calls::Call;
use self::denied::Teller;
use self::listen::Reader;
use self::performer::Performers;
use self::pin::{Held, Own, Pinned, Thread};
use self::root::Root;
use crate::sys::{self, notify};

pub(crate) use self::brought::Brought;
pub(crate) use self::decide::Names;
pub use self::denied::{Denial, OnDenial, Reason, Told};
pub(crate) use self::errand::Errands;
pub(crate) use self::listen::DELAY;
pub use self::made::Made;
pub(crate) use self::made::Making;

/// No thread of ours keeps much on its stack: two paths. Whoever is told of denials has as much.
const STACK: usize = 256 << 10;

/// A call that waits, with all that it refers to.
#[derive(Debug)]
struct Job {
    listener: Arc<OwnedFd>,
    id: u64,
    thread: Thread,
    root: Arc<Root>,
    /// Of a call for which it counts.
    umask: Option<u32>,
    /// Of a call that may make a file larger.
    largest_file: Option<u64>,
    call: Call<Pinned, CString, Named>,
    own: Vec<(Own, Held)>,
    /// Of a call that has had to wait.
    seat: Option<Seat>,
    /// Until it is answered.
    taken: Taken,
}

/// How many calls were taken up, and how many of them are done.
#[derive(Debug, Default)]
struct Counts {
    taken: AtomicUsize,
    done: AtomicUsize,
    /// How often all performers had something to do when a call came.
    at_once: AtomicUsize,
    /// How many have had to wait, and are not done.
    seated: AtomicUsize,
    affinity: Affinity,
}

impl Counts {
    fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    fn under_way(&self) -> usize {
        // Not the other way round: more may be taken up meanwhile, and never less.
        let done = self.done();
        self.taken.load(Ordering::SeqCst).wrapping_sub(done)
    }
}

/// That a call was taken up, and, with the end of this value, is done.
#[derive(Debug)]
struct Taken(Arc<Counts>);

impl Taken {
    fn one_of(counts: &Arc<Counts>) -> Self {
        counts.taken.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(counts))
    }

    /// What is left to do for it once it is answered.
    fn another(&self) -> Self {
        Self::one_of(&self.0)
    }

    /// That it may wait, unless `most` do already.
    fn seat(&self, most: usize) -> Option<Seat> {
        let seated = &self.0.seated;
        let one_more = |count| (count < most).then_some(count + 1);
        let taken = seated.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more);
        taken.is_ok().then(|| Seat(Arc::clone(&self.0)))
    }
}

/// That a call is one of those that may wait.
#[derive(Debug)]
struct Seat(Arc<Counts>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.seated.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.done.fetch_add(1, Ordering::SeqCst);
    }
}

impl Job {
    /// The handler of a signal runs, and then the call is made again, or not, as its process has it (signal(7)).
    fn restart(&self) {
        let _ = notify::restart(self.listener.as_fd(), self.id);
    }

    /// Something of the calling process, if it has been asked for.
    fn held(&self, what: Own) -> Option<&Held> {
        let mut own = self.own.iter();
        own.find_map(|(own, held)| (*own == what).then_some(held))
    }

    /// Whoever was killed meanwhile hears nothing.
    fn answer(&self, outcome: nix::Result<i64>) {
        let _ = notify::answer(self.listener.as_fd(), self.id, outcome);
    }

    fn answer_with(&self, file: &OwnedFd) {
        let close_on_exec = match self.call {
            Call::Open { flags, .. } => flags & libc::O_CLOEXEC != 0,
            _ => true,
        };
        let added =
            notify::answer_with(self.listener.as_fd(), self.id, file.as_fd(), close_on_exec);
        match added {
            Ok(()) | Err(Errno::ENOENT) => {}
            // It has as many as it may have.
            Err(errno) => self.answer(Err(errno)),
        }
    }
}

/// What the reader is told.
#[derive(Debug)]
enum Order {
    Listen(OwnedFd),
    Ask(Box<Job>, Own),
    /// To give a call back to try it once more, unless its thread has a signal to handle first.
    Look(Box<Job>),
    End,
}

/// The way to the reader.
#[derive(Clone, Debug)]
struct Orders {
    orders: Sender<Order>,
    bell: Arc<PipeWriter>,
}

impl Orders {
    /// Whoever has ended hears nothing: then the kernel answers.
    fn give(&self, order: Order) {
        if self.orders.send(order).is_ok() {
            self.ring();
        }
    }

    /// Has the reader look up.
    fn ring(&self) {
        let _ = (&*self.bell).write_all(&[0]);
    }
}

/// What answers the commands of one init. Its threads are there while there is something to answer, the one that tells of denials always; with
/// this value they end.
#[derive(Debug)]
pub(crate) struct Notifier {
    /// The process whose threads they are: a fork of it has none.
    owner: u32,
    names: Arc<Names>,
    making: Arc<Making>,
    /// The Landlock ruleset of the performer.
    performer: Arc<OwnedFd>,
    errands: Arc<Errands>,
    counts: Arc<Counts>,
    reader: Arc<Mutex<Current>>,
    telling: Option<Telling>,
}

/// The thread that tells of denials, and the way to it.
#[derive(Debug)]
struct Telling {
    teller: Teller,
    thread: JoinHandle<()>,
}

/// The reader that is there.
#[derive(Debug, Default)]
struct Current {
    /// The way to it; `None` once it has nothing more to do.
    orders: Option<Orders>,
    thread: Option<JoinHandle<()>>,
}

impl Notifier {
    /// `performer` is the Landlock ruleset of the one that makes the calls, and `errands` lead to the init that connects. Whoever is told of denials has a thread.
    pub(crate) fn new(
        names: Arc<Names>,
        making: Arc<Making>,
        performer: OwnedFd,
        errands: Errands,
        on_denial: Option<OnDenial>,
    ) -> io::Result<Self> {
        let telling = on_denial.map(|on_denial| {
            let (teller, tell) = Teller::new(on_denial);
            spawn("sandbox-denials", tell).map(|thread| Telling { teller, thread })
        });
        Ok(Self {
            owner: std::process::id(),
            names,
            making,
            performer: Arc::new(performer),
            errands: Arc::new(errands),
            counts: Arc::default(),
            reader: Arc::default(),
            telling: telling.transpose()?,
        })
    }

    /// Answers the calls of one more command.
    pub(crate) fn listen(&self, listener: OwnedFd) -> io::Result<()> {
        let mut current = lock(&self.reader);
        if current.orders.is_none() {
            current.end();
            *current = self.start()?;
        }
        if let Some(orders) = &current.orders {
            orders.give(Order::Listen(listener));
        }
        Ok(())
    }

    /// Waits until nothing is made any more for a command that has ended: who was killed had calls under way, and no more come.
    pub(crate) fn settle(&self) {
        const A_MOMENT: Duration = Duration::from_micros(100);
        while self.owner == std::process::id() && self.counts.under_way() != 0 {
            thread::sleep(A_MOMENT);
        }
    }

    fn start(&self) -> io::Result<Current> {
        let (orders, given) = channel();
        let (heard, bell) = io::pipe()?;
        let orders = Orders {
            orders,
            bell: Arc::new(bell),
        };
        let (names, performer) = (Arc::clone(&self.names), Arc::clone(&self.performer));
        let making = Arc::clone(&self.making);
        let teller = self.telling.as_ref().map(|telling| telling.teller.clone());
        let errands = Arc::clone(&self.errands);
        let (counts, current) = (Arc::clone(&self.counts), Arc::clone(&self.reader));
        let performers = Performers::new(
            (names, making),
            performer,
            errands,
            teller,
            orders.clone(),
            &counts,
        );
        let reader = Reader::new(given, heard, performers, counts, current);
        #[cfg(test)]
        let reader = reader.naive_by(self.names.is_naive.then(|| Arc::clone(&self.names)));
        let thread = spawn("sandbox-notify", move || reader.run())?;
        Ok(Current {
            orders: Some(orders),
            thread: Some(thread),
        })
    }
}

impl Current {
    /// Waits for it, who has been told to end or does so by itself.
    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        if self.owner != std::process::id() {
            // It has none of the threads, and the lock may be one of theirs.
            std::mem::forget((Arc::clone(&self.reader), self.telling.take()));
            return;
        }
        let mut current = std::mem::take(&mut *lock(&self.reader));
        if let Some(orders) = current.orders.take() {
            orders.give(Order::End);
        }
        current.end();
        if let Some(Telling { teller, thread }) = self.telling.take() {
            drop(teller);
            // Whoever is told may have had the last handle.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

fn lock(current: &Mutex<Current>) -> MutexGuard<'_, Current> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread that no signal of the caller's process is handled by.
fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    // A thread of the standard library ends the process where it finds no room for the stack of its signal handlers.
    const BESIDE: usize = 128 << 10;
    sys::has_room(STACK + BESIDE)?;
    let mut before = SigSet::empty();
    pthread_sigmask(
        SigmaskHow::SIG_SETMASK,
        Some(&SigSet::all()),
        Some(&mut before),
    )?;
    let (started, has_started) = channel();
    let spawned = Builder::new()
        .name(name.to_owned())
        .stack_size(STACK)
        .spawn(move || {
            let _ = started.send(());
            run();
        });
    // Until then somebody could take the room away.
    let _ = has_started.recv();
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    spawned
}
