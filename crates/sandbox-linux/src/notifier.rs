//! Answers the calls of a command that make a name or open for writing by one: what mounts can't decide, since nothing is there yet.
//!
//! The filter sends them here (`filter`), and they wait. The *reader*, a thread of the caller, reads each one's arguments once, pins
//! what they refer to as descriptors, and asks the kernel whether the caller still waits: then all of it was that thread's. The *performer*, a
//! thread that can do nothing that the policy does not grant, resolves on those descriptors, decides, makes the call itself and hands
//! back the result. It must never let a call go on by itself: what that would read can be rewritten, and the way that it would walk
//! can be moved, between any decision and the call.
//!
//! Two threads, since one in a Landlock domain may not look into a process outside of it. The command's own domain has no right to
//! make a name at all, so that a call which nobody thought of makes none. If the notifier ends, the kernel answers `ENOSYS`.

mod calls;
mod decide;
mod listen;
mod perform;
mod pin;
mod read;
mod resolve;
mod root;
#[cfg(test)]
mod tests;

use std::ffi::CString;
use std::io::{self, PipeWriter, Write};
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};

use self::calls::Call;
use self::listen::Reader;
use self::perform::{Done, perform};
use self::pin::{Held, Own, Pinned, Thread};
use self::resolve::Stop;
use self::root::Root;
use crate::sys::notify;

pub(crate) use self::decide::Names;

/// How long what would block is left alone until it is tried again.
const PAUSE: Duration = Duration::from_millis(5);
/// How many calls of a command may wait so, and how many are taken up before the performer gets to them: each keeps descriptors of the
/// caller, of which it has few. All others stay with the kernel.
const MOST_WAITING: usize = 32;
const MOST_TAKEN: usize = 4;
/// How often one call may ask for something of its process.
const MOST_ASKED: usize = 4;
/// Neither thread keeps much on its stack: two paths.
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
    call: Call<Pinned, CString>,
    own: Vec<(Own, Held)>,
    /// Until it is answered.
    _taken: Taken,
}

/// That a call was taken up and is not done.
#[derive(Debug)]
struct Taken(Arc<AtomicUsize>);

impl Taken {
    fn one_of(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(all))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
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
            let _ = (&*self.bell).write_all(&[0]);
        }
    }
}

/// The two threads that answer the commands of one init. With this value they end.
#[derive(Debug)]
pub(crate) struct Notifier {
    /// The process whose threads they are: a fork of it has none.
    owner: u32,
    orders: Orders,
    /// How many calls are taken up and not done.
    taken: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Notifier {
    /// Starts them; `performer` is the Landlock ruleset of the one that makes the calls.
    pub(crate) fn start(names: Arc<Names>, performer: OwnedFd) -> io::Result<Self> {
        let (orders, given) = channel();
        let (heard, bell) = io::pipe()?;
        let orders = Orders {
            orders,
            bell: Arc::new(bell),
        };
        let (jobs, taken) = sync_channel(MOST_TAKEN);
        let (confined, is_confined) = channel();
        let asked = orders.clone();
        #[cfg(test)]
        let naive = names.is_naive.then(|| Arc::clone(&names));
        let mut threads = Vec::with_capacity(2);
        threads.push(spawn("sandbox-perform", move || {
            let outcome = confine(&performer);
            let ends = outcome.is_err();
            if confined.send(outcome).is_err() || ends {
                return;
            }
            drop(performer);
            Performing {
                names: &names,
                orders: &asked,
                waiting: Vec::new(),
                tried: Instant::now(),
            }
            .run(&taken);
        })?);
        is_confined.recv().map_err(io::Error::other)??;
        let all_taken = Arc::<AtomicUsize>::default();
        let reader = Reader::new(given, heard, jobs, Arc::clone(&all_taken));
        #[cfg(test)]
        let reader = reader.naive_by(naive);
        threads.push(spawn("sandbox-notify", move || reader.run())?);
        Ok(Self {
            owner: std::process::id(),
            orders,
            taken: all_taken,
            threads,
        })
    }

    /// Answers the calls of one more command.
    pub(crate) fn listen(&self, listener: OwnedFd) {
        self.orders.give(Order::Listen(listener));
    }

    /// Waits until nothing is made any more for a command that has ended: who was killed had calls under way, and no more come.
    pub(crate) fn settle(&self) {
        const A_MOMENT: Duration = Duration::from_micros(100);
        while self.owner == std::process::id() && self.taken.load(Ordering::SeqCst) != 0 {
            thread::sleep(A_MOMENT);
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        let threads = mem::take(&mut self.threads);
        if self.owner != std::process::id() {
            mem::forget(threads);
            return;
        }
        self.orders.give(Order::End);
        for thread in threads {
            let _ = thread.join();
        }
    }
}

/// A thread that no signal of the caller's process is handled by.
fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let mut before = SigSet::empty();
    pthread_sigmask(
        SigmaskHow::SIG_SETMASK,
        Some(&SigSet::all()),
        Some(&mut before),
    )?;
    let spawned = Builder::new()
        .name(name.to_owned())
        .stack_size(STACK)
        .spawn(run);
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    spawned
}

/// Gives up what a command has not: capabilities, the caller's umask, and whatever its policy does not grant.
fn confine(ruleset: &OwnedFd) -> io::Result<()> {
    unshare(CloneFlags::CLONE_FS)?;
    notify::drop_capabilities()?;
    notify::enter_domain(ruleset.as_fd())?;
    Ok(())
}

/// What the performer does.
struct Performing<'a> {
    names: &'a Names,
    orders: &'a Orders,
    waiting: Vec<Job>,
    tried: Instant,
}

impl Performing<'_> {
    /// Until the reader has ended.
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let next = if self.waiting.is_empty() {
                jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                jobs.recv_timeout(PAUSE)
            };
            match next {
                Ok(job) => self.make(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if !self.waiting.is_empty() && self.tried.elapsed() >= PAUSE {
                self.tried = Instant::now();
                for job in mem::take(&mut self.waiting) {
                    self.orders.give(Order::Look(Box::new(job)));
                }
            }
        }
    }

    fn make(&mut self, job: Job) {
        match perform(self.names, &job) {
            Ok(Done::Nothing) => job.answer(Ok(0)),
            Ok(Done::File(file)) => job.answer_with(&file),
            Err(Stop::Answer(errno)) => job.answer(Err(errno)),
            Err(Stop::Ask(_)) if job.own.len() >= MOST_ASKED => job.answer(Err(Errno::ELOOP)),
            Err(Stop::Ask(own)) => self.orders.give(Order::Ask(Box::new(job), own)),
            Err(Stop::Wait) if self.waiting.len() >= MOST_WAITING => {
                job.answer(Err(Errno::ENOMEM));
            }
            Err(Stop::Wait) => self.waiting.push(job),
        }
    }
}

impl Job {
    /// The handler of a signal runs, and then the call is made again, or not, as its process has it (signal(7)).
    fn restart(&self) {
        let _ = notify::restart(self.listener.as_fd(), self.id);
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
