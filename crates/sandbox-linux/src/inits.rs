//! The inits of a sandbox: each serves one command after the other, and all of them share what the first one has set up.
//!
//! The first command makes the set-up: user, mounts, network, IPC. A command that is started while others run takes an init
//! of its own beside them, in the same namespaces but for processes and mounts, of which it has a copy. An init whose
//! command has ended waits here for the next one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, Shutdown, shutdown};
use nix::unistd::{Pid, getpgrp, getsid};

use crate::child::{Received, receive, receive_with};
use crate::notifier::{Brought, Errands, Making, Names, Notifier, OnDenial};
use crate::sys;

/// How many inits wait for a command at most, and how long those beyond the first do.
const MAX_WAITING: usize = 8;
const PATIENCE: Duration = Duration::from_secs(10);

/// A first process of the sandbox, as the caller sees it: its control socket and a pidfd. Dropping it ends everything inside.
#[derive(Debug)]
pub(crate) struct Init {
    pid: libc::pid_t,
    pidfd: OwnedFd,
    control: OwnedFd,
    /// The process that launched it. A fork of that has these descriptors too, but nothing to say.
    owner: u32,
    /// Its process group and session, which every command of it has.
    group: [Option<Pid>; 2],
    /// It makes what the others share, and stays as long as the sandbox.
    makes_set_up: bool,
    /// What answers its commands, from the first on that needs it, and until then the Landlock ruleset of the performer.
    notifier: OnceLock<Notifier>,
    performer: Mutex<Option<OwnedFd>>,
}

impl Init {
    pub(crate) fn new(
        pid: libc::pid_t,
        pidfd: OwnedFd,
        control: OwnedFd,
        makes_set_up: bool,
    ) -> Self {
        Self {
            pid,
            pidfd,
            control,
            owner: std::process::id(),
            group: group(),
            makes_set_up,
            notifier: OnceLock::new(),
            performer: Mutex::default(),
        }
    }

    /// Keeps the Landlock ruleset of the performer.
    pub(crate) fn keep_performer(&self, ruleset: Option<OwnedFd>) {
        *self.performer() = ruleset;
    }

    /// Answers the calls that come by `listener`.
    pub(crate) fn answer(
        &self,
        (names, making): (&Arc<Names>, &Arc<Making>),
        brought: Option<Brought>,
        on_denial: Option<&OnDenial>,
        listener: OwnedFd,
    ) -> io::Result<()> {
        if self.notifier.get().is_none() {
            let ruleset = self.performer().take().ok_or(io::ErrorKind::InvalidData)?;
            let control = self.control.try_clone()?;
            let errands = Errands::new(control, brought);
            let (names, making) = (Arc::clone(names), Arc::clone(making));
            let notifier = Notifier::new(names, making, ruleset, errands, on_denial.cloned())?;
            let _ = self.notifier.set(notifier);
        }
        let notifier = self.notifier.get().ok_or(io::ErrorKind::InvalidData)?;
        notifier.listen(listener)
    }

    /// Waits until nothing is made any more for a command that has ended.
    pub(crate) fn settle(&self) {
        if let Some(notifier) = self.notifier.get() {
            notifier.settle();
        }
    }

    fn performer(&self) -> MutexGuard<'_, Option<OwnedFd>> {
        self.performer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    pub(crate) const fn id(&self) -> u32 {
        self.pid.cast_unsigned()
    }

    /// Whether it is ours and waits.
    pub(crate) fn is_waiting(&self) -> bool {
        // Anything to be read is its end, or was meant for somebody else.
        let is_quiet = || {
            self.hear(PollTimeout::ZERO)
                .is_err_and(|error| is_nothing(&error))
        };
        self.owner == std::process::id() && is_quiet()
    }

    /// Whether a command of it would be in the group and session in which a child of the caller would be.
    pub(crate) fn is_in_our_group(&self) -> bool {
        self.group == group()
    }

    /// What it says next, within `timeout`; after that `WouldBlock`.
    ///
    /// That it has ended is told by its pidfd as well: a fork of the caller in the midst of a launch has init's socket, too,
    /// and as long as that lives this one has no end.
    pub(crate) fn hear(&self, timeout: PollTimeout) -> io::Result<Received> {
        let received = self.hear_by(timeout, |flags| receive(self.as_fd(), flags))?;
        Ok(received.unwrap_or(Received::End))
    }

    /// As [`hear`](Self::hear), and the descriptor that comes with it.
    pub(crate) fn hear_with(
        &self,
        timeout: PollTimeout,
    ) -> io::Result<(Received, Option<OwnedFd>)> {
        let received = self.hear_by(timeout, |flags| receive_with(self.as_fd(), flags))?;
        Ok(received.unwrap_or((Received::End, None)))
    }

    /// What is received; `None` at the end.
    fn hear_by<T>(
        &self,
        timeout: PollTimeout,
        receive: impl Fn(MsgFlags) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        loop {
            let mut fds = [self.as_fd(), self.pidfd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            match poll(&mut fds, timeout) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            let [_, end] = fds;
            // What it said before its end is there by now.
            let has_ended = end.any().unwrap_or(false);
            return match receive(MsgFlags::MSG_DONTWAIT) {
                Err(error) if has_ended && is_nothing(&error) => Ok(None),
                received => received.map(Some),
            };
        }
    }

    /// Whether it has not ended.
    pub(crate) fn is_alive(&self) -> bool {
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO) == Ok(0)
    }

    /// Whether it has ended, or is about to: one that was killed is no use from that moment on, and takes another to be gone.
    pub(crate) fn has_ended(&self) -> bool {
        // Long where many want the processor; whoever asks would otherwise report what it was refused by one that ends.
        const A_MOMENT: u16 = 10_000;
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        !matches!(poll(&mut fds, PollTimeout::from(A_MOMENT)), Ok(0))
    }

    /// Ends everything inside; returns when it is gone.
    pub(crate) fn end(&self) {
        if self.kill() {
            self.reap();
        }
    }

    /// Ends everything inside, and does not wait; whether it is ours to end.
    pub(crate) fn kill(&self) -> bool {
        let is_ours = self.owner == std::process::id();
        if is_ours {
            // With it the kernel ends all that is in its pid namespace (pid_namespaces(7)).
            sys::kill(self.pidfd.as_fd());
            // A caller that has given up its user may not; without a caller init ends by itself.
            let _ = shutdown(self.control.as_raw_fd(), Shutdown::Both);
        }
        is_ours
    }

    /// Lets it go on, if somebody has stopped it.
    pub(crate) fn resume(&self) {
        sys::resume(self.pidfd());
    }

    /// Waits until it has ended; the signal that has ended it, as far as that is known.
    pub(crate) fn reap(&self) -> Option<i32> {
        sys::reap(&self.pidfd)
    }
}

fn is_nothing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

fn group() -> [Option<Pid>; 2] {
    [Some(getpgrp()), getsid(None).ok()]
}

impl AsFd for Init {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        self.end();
    }
}

/// The inits that wait for a command, and the one whose set-up the others share.
#[derive(Debug)]
pub(crate) struct Inits {
    /// The process that they are of.
    owner: u32,
    /// What a fork of that has instead: a thread that it does not have may have held a lock here, and will never give it back.
    of_fork: OnceLock<Box<Self>>,
    forks: Forks,
    waiting: Mutex<Vec<(Arc<Init>, Instant)>>,
    set_up: Mutex<SetUp>,
    /// All that have had a command.
    known: Mutex<Vec<Weak<Init>>>,
}

/// What becomes of the commands of a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forks {
    /// They join the parent's sandbox.
    Join,
    /// They have one of their own: in the parent's network somebody would have to serve them whom the fork does not have.
    Leave,
}

/// Children that have ended may still hold one.
impl Drop for Inits {
    fn drop(&mut self) {
        let waiting = self.waiting.get_mut();
        for (init, _) in waiting.unwrap_or_else(PoisonError::into_inner).drain(..) {
            init.end();
        }
    }
}

/// Where a further init joins in.
#[derive(Debug)]
pub(crate) struct SetUp {
    /// An init that carries out the plan already, since before anybody asked.
    pub(crate) begun: Option<Init>,
    /// The init that has carried it out.
    pub(crate) done: Weak<Init>,
}

impl Inits {
    pub(crate) fn new(begun: Option<Init>, forks: Forks) -> Self {
        let set_up = SetUp {
            begun,
            done: Weak::new(),
        };
        Self {
            owner: std::process::id(),
            of_fork: OnceLock::new(),
            forks,
            waiting: Mutex::default(),
            set_up: Mutex::new(set_up),
            known: Mutex::default(),
        }
    }

    /// Those of the calling process.
    fn ours(&self) -> &Self {
        if self.owner == std::process::id() {
            self
        } else {
            self.of_fork
                .get_or_init(|| Box::new(self.for_fork()))
                .ours()
        }
    }

    /// A fork joins its parent's sandbox, unless that was being made when it was forked: then it makes one of its own.
    fn for_fork(&self) -> Self {
        let inits = Self::new(None, self.forks);
        if self.forks == Forks::Join
            && let Ok(parents) = self.set_up.try_lock()
        {
            inits.set_up().done = Weak::clone(&parents.done);
        }
        inits
    }

    /// The set-up. Whoever makes it keeps everybody else waiting, since there is to be one.
    pub(crate) fn set_up(&self) -> MutexGuard<'_, SetUp> {
        let set_up = self.ours().set_up.lock();
        set_up.unwrap_or_else(PoisonError::into_inner)
    }

    /// One that is about to get its first command.
    pub(crate) fn add(&self, init: Init) -> Arc<Init> {
        let init = Arc::new(init);
        let mut known = self.known();
        known.retain(|init| init.strong_count() > 0);
        known.push(Arc::downgrade(&init));
        init
    }

    /// The process ids of those that have not ended.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let known = self.known();
        let there = known.iter().filter_map(Weak::upgrade);
        let alive = there.filter(|init| init.is_alive());
        alive.map(|init| init.id()).collect()
    }

    /// One that waits for a command.
    pub(crate) fn take(&self) -> Option<Arc<Init>> {
        loop {
            let mut waiting = self.waiting();
            let at = waiting
                .iter()
                .rposition(|(init, _)| init.is_in_our_group())?;
            let (init, _) = waiting.remove(at);
            drop(waiting);
            if init.is_waiting() {
                return Some(init);
            }
        }
    }

    /// Takes back one whose command has ended.
    pub(crate) fn put(&self, init: Arc<Init>) {
        let mut waiting = self.waiting();
        waiting.push((init, Instant::now()));
        let excess = waiting.len().saturating_sub(MAX_WAITING);
        let is_superfluous = |at: usize, (init, since): &(Arc<Init>, Instant)| {
            !init.makes_set_up && (at < excess || since.elapsed() > PATIENCE)
        };
        // The longest waiting come first.
        let mut at = 0..;
        let superfluous: Vec<_> = waiting
            .extract_if(.., |init| is_superfluous(at.next().unwrap_or(0), init))
            .collect();
        drop(waiting);
        // To end them takes a moment, in which the others are at hand.
        drop(superfluous);
    }

    fn known(&self) -> MutexGuard<'_, Vec<Weak<Init>>> {
        let known = self.ours().known.lock();
        known.unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(Arc<Init>, Instant)>> {
        let waiting = self.ours().waiting.lock();
        waiting.unwrap_or_else(PoisonError::into_inner)
    }
}
