//! The reader: takes up what waits at the listeners, reads and pins it, and hands it to the performer.
//!
//! It has the caller's rights, so it decides nothing and opens nothing that a path of the command names; only whether a directory is there
//! already does it say, without those rights (`there`). It waits for the performer, never the other way round.

use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::bulk::{self, Pace};
use super::calls::Call;
use super::performer::{Gone, Performers};
use super::pin::{Own, Thread};
use super::procfs::Threads;
use super::read::text;
use super::root::Root;
use super::there::is_there;
use super::{Counts, Current, Job, Order, Taken, calls, lock, pair};
use crate::sys::notify;

/// How long the reader waits for another command, in milliseconds: who starts one after the other has it at hand.
const PATIENCE: u16 = 1000;
/// After how long init is told what to watch besides: most commands are short, and would only be slowed down.
pub(crate) const DELAY: Duration = Duration::from_millis(50);
/// The shortest that can be waited for.
const TICK: Duration = Duration::from_millis(1);

pub(super) struct Reader {
    orders: Receiver<Order>,
    bell: PipeReader,
    // Closed before the performer is waited for.
    listeners: Vec<Listener>,
    pub(super) performers: Performers,
    pub(super) counts: Arc<Counts>,
    pub(super) pace: Pace,
    /// When it has begun, or has last tried to tell init what to watch besides.
    since: Instant,
    /// Where it says that it has ended.
    current: Arc<Mutex<Current>>,
    #[cfg(test)]
    naive: Option<Arc<super::Names>>,
}

/// Where the calls of one command wait.
struct Listener {
    fd: Arc<OwnedFd>,
    /// The same for all of them: no call that changes it passes the filter.
    root: Option<Arc<Root>>,
    threads: Threads,
}

impl Reader {
    pub(super) fn new(
        orders: Receiver<Order>,
        bell: PipeReader,
        performers: Performers,
        counts: Arc<Counts>,
        current: Arc<Mutex<Current>>,
    ) -> Self {
        Self {
            orders,
            bell,
            listeners: Vec::new(),
            performers,
            pace: Pace::new(&counts),
            since: Instant::now(),
            counts,
            current,
            #[cfg(test)]
            naive: None,
        }
    }

    #[cfg(test)]
    pub(super) fn naive_by(self, naive: Option<Arc<super::Names>>) -> Self {
        Self { naive, ..self }
    }

    /// Until there is nothing to do, it is told to end, or the performer has ended: then the listeners are closed, and the kernel answers with an error.
    pub(super) fn run(mut self) {
        while let Ok(true) = self.next() {
            if self.pace.is_long_run(&self.counts) {
                let Some(reader) = bulk::answer(self) else {
                    return;
                };
                self = reader;
            }
        }
    }

    /// Until it is said to be over; whether to go on then.
    pub(super) fn answer_until(&mut self, is_over: &AtomicBool) -> bool {
        while !is_over.load(Ordering::SeqCst) {
            if !matches!(self.next(), Ok(true)) {
                return false;
            }
        }
        true
    }

    /// Whether to go on.
    fn next(&mut self) -> Result<bool, Gone> {
        let next_look = self.performers.look();
        let timeout = if self.listeners.is_empty() {
            PATIENCE.into()
        } else {
            self.tell_names(next_look)
        };
        let bell = PollFd::new(self.bell.as_fd(), PollFlags::POLLIN);
        let listeners = self.listeners.iter();
        let listeners = listeners.map(|it| PollFd::new(it.fd.as_fd(), PollFlags::POLLIN));
        let mut fds: Vec<PollFd<'_>> = std::iter::once(bell).chain(listeners).collect();
        match poll(&mut fds, timeout) {
            Ok(0) if self.listeners.is_empty() => return Ok(!self.ends()),
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(true),
            Err(_) => return Err(Gone),
        }
        let mut events = fds
            .iter()
            .map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        let has_rung = events.next().is_some_and(|events| !events.is_empty());
        let events: Vec<_> = events.collect();
        for (listener, events) in self.listeners.iter_mut().zip(&events) {
            if events.contains(PollFlags::POLLIN) {
                listener.take(&mut self.performers, &self.counts)?;
            }
        }
        // The last process of the command is gone.
        let mut events = events.into_iter();
        self.listeners.retain(|_| {
            let events = events.next().unwrap_or(PollFlags::empty());
            events.is_empty() || events.contains(PollFlags::POLLIN)
        });
        if self.listeners.is_empty() {
            self.performers.end_all();
        }
        if !has_rung {
            return Ok(true);
        }
        let _ = self.bell.read(&mut [0; 64]);
        while let Ok(order) = self.orders.try_recv() {
            match order {
                #[cfg(test)]
                Order::Listen(fd) if let Some(names) = &self.naive => {
                    super::tests::answer(names, &fd);
                }
                Order::Listen(fd) => {
                    notify::wake_on_its_cpu(fd.as_fd());
                    self.listeners.push(Listener {
                        fd: Arc::new(fd),
                        root: None,
                        threads: Threads::default(),
                    });
                }
                Order::Ask(job, own) => self.get_hold(*job, own)?,
                Order::Look(job) if job.thread.has_signal() => job.restart(),
                Order::Look(job) => hand_over(&mut self.performers, *job)?,
                Order::End => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Tells init what to watch besides, if it is time to. How long to wait at most, where it would be until `next_look`.
    fn tell_names(&mut self, next_look: PollTimeout) -> PollTimeout {
        if !self.performers.have_names_to_tell() {
            return next_look;
        }
        if self.since.elapsed() >= DELAY {
            self.since = Instant::now();
            self.performers.tell_names();
            return self.tell_names(next_look);
        }
        let rest = DELAY.saturating_sub(self.since.elapsed()).max(TICK);
        let rest = PollTimeout::try_from(rest).unwrap_or(PollTimeout::MAX);
        if next_look.is_none() {
            rest
        } else {
            rest.min(next_look)
        }
    }

    /// Whether it ends, since nobody has told it anything meanwhile: who does holds the lock.
    fn ends(&self) -> bool {
        let mut current = lock(&self.current);
        let mut bell = [PollFd::new(self.bell.as_fd(), PollFlags::POLLIN)];
        let is_quiet = poll(&mut bell, PollTimeout::ZERO) == Ok(0);
        if is_quiet {
            current.orders = None;
        }
        is_quiet
    }

    /// Adds what a call needs of its process.
    fn get_hold(&mut self, mut job: Job, own: Own) -> Result<(), Gone> {
        match job.thread.own(own) {
            Ok(held) => {
                job.own.push((own, held));
                hand_over(&mut self.performers, job)
            }
            Err(errno) => {
                job.answer(Err(errno));
                Ok(())
            }
        }
    }
}

impl Listener {
    fn take(&mut self, performers: &mut Performers, counts: &Arc<Counts>) -> Result<(), Gone> {
        // Before it is received: once its command is gone, none can be.
        let taken = Taken::one_of(counts);
        // It may be gone again already.
        let Ok(call) = notify::receive(self.fd.as_fd()) else {
            return Ok(());
        };
        let thread = Thread(call.pid);
        counts.affinity.called_by(thread);
        if i64::from(call.data.nr) == libc::SYS_umask {
            self.threads.change_umask(thread);
            notify::go_on(self.fd.as_fd(), call.id);
            return Ok(());
        }
        self.threads.call_again(thread);
        if i64::from(call.data.nr) == libc::SYS_socketpair {
            if let Err(errno) = pair::give(performers.errands(), self.fd.as_fd(), &call) {
                let _ = notify::answer(self.fd.as_fd(), call.id, Err(errno));
            }
            return Ok(());
        }
        match self.job(&call, taken) {
            Ok(job) => hand_over(performers, job),
            Err(errno) => {
                let _ = notify::answer(self.fd.as_fd(), call.id, Err(errno));
                Ok(())
            }
        }
    }

    fn job(&mut self, notified: &libc::seccomp_notif, taken: Taken) -> Result<Job, Errno> {
        let call = calls::of(notified.data.nr, notified.data.args).ok_or(Errno::ENOSYS)?;
        let thread = Thread(notified.pid);
        let place = |argument| thread.place(argument, &self.threads);
        let call = call.try_map(
            place,
            |address| text(thread.0, address),
            |given| thread.named(given, &self.threads),
        )?;
        let root = if let Some(root) = &self.root {
            Arc::clone(root)
        } else {
            let root = Arc::new(Root::new(thread.root()?)?);
            // What was opened is the thread's only if that was there.
            if notify::is_valid(self.fd.as_fd(), notified.id) {
                self.root = Some(Arc::clone(&root));
            }
            root
        };
        if let Call::MakeDirectory { at, .. } = &call
            && is_there(&root, at)
        {
            return Err(Errno::EEXIST);
        }
        let umask = call
            .has_mode()
            .then(|| self.threads.umask(thread))
            .transpose()?;
        let may_grow = matches!(call, Call::Truncate { .. });
        let largest_file = may_grow.then(|| thread.largest_file()).transpose()?;
        Ok(Job {
            listener: Arc::clone(&self.fd),
            id: notified.id,
            thread,
            root,
            umask,
            largest_file,
            call,
            own: Vec::new(),
            seat: None,
            taken,
        })
    }
}

/// After all that was read: another thread could have its number by then, and what was read be that one's.
fn hand_over(performers: &mut Performers, job: Job) -> Result<(), Gone> {
    if notify::is_valid(job.listener.as_fd(), job.id) {
        performers.make(job)?;
    }
    Ok(())
}
