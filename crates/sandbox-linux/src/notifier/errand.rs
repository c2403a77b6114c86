//! What init does in a command's place: connects, binds to paths, and makes pairs of sockets. The other side would see the caller otherwise, and the path a
//! root that is not the command's.
//!
//! Init has a child do it, which may wait, and which answers the call itself: nobody waits for it here. But a thread that waits for an answer
//! handles no signal (`SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`), while one that waits for a server does: so the reader looks at those now and then.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollTimeout;
use nix::sys::socket::{MsgFlags, SockFlag};

use super::Job;
use super::address::Named;
use super::brought::Brought;
use super::pin::{Thread, errno};
use super::resolve::Stop;
use crate::launch::{memory_file, send_message};
use crate::start::small;
use crate::sys::{notify, socket};
use crate::wire::{errand, order};

/// How often those that wait for a server are looked at, and how many of them at a time: each look reads a file of procfs.
const PAUSE: Duration = Duration::from_millis(10);
const AT_ONCE: usize = 16;
/// How many directories are mounted that were made where nothing can be written: a mount each, in which names are then made as everywhere.
/// In further ones each name is made as they were.
const MOST_MADE: usize = 1000;

/// The way to init, its control socket, and who waits for a server.
#[derive(Debug)]
pub(crate) struct Errands {
    control: OwnedFd,
    brought: Option<Brought>,
    /// How much may lie in its socket when an errand comes to that.
    room: i32,
    waiting: Mutex<Waiting>,
    /// How many directories it was told to mount.
    made: AtomicUsize,
    /// Whether init has been told what to watch besides.
    are_names_told: AtomicBool,
}

#[derive(Debug)]
struct Waiting {
    calls: VecDeque<Call>,
    looked: Instant,
}

/// A call that waits for a server, maybe. It keeps no listener: the kernel answers with an error when the reader has closed that.
#[derive(Debug)]
struct Call {
    listener: Weak<OwnedFd>,
    id: u64,
    thread: Thread,
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Errand<'a> {
    /// Connect to the address as it is.
    Connect,
    /// Connect to the socket that is open here.
    ConnectTo(BorrowedFd<'a>),
    /// Bind to the address as it is.
    Bind,
    /// Bind to the last name of the path, in a directory: whoever asks for the address hears the name alone.
    BindIn(BorrowedFd<'a>),
    /// Bind to the path, whose last directory is this one.
    BindAt(BorrowedFd<'a>),
}

impl Errands {
    /// `control` is the way to init, which brings to the gateway what is `brought` to it.
    pub(crate) fn new(control: OwnedFd, brought: Option<Brought>) -> Self {
        let waiting = Waiting {
            calls: VecDeque::new(),
            looked: Instant::now(),
        };
        // What is left is for orders of the caller's, which wait no more than errands do. A command can have any number of these.
        let all = socket::option(control.as_fd(), libc::SO_SNDBUF);
        Self {
            room: all.unwrap_or(0) / 4 * 3,
            control,
            brought,
            waiting: Mutex::new(waiting),
            made: AtomicUsize::new(0),
            are_names_told: AtomicBool::new(false),
        }
    }

    /// Has it done for `job`. [`Stop::Wait`] where there is no room: init has much to read, or the user many descriptors in flight.
    pub(super) fn give(&self, job: &Job, named: &Named, errand: Errand<'_>) -> Result<(), Stop> {
        let (code, place) = match errand {
            Errand::Connect if self.brings(named) => (errand::CONNECT_DOOR, None),
            Errand::Connect => (errand::CONNECT, None),
            Errand::ConnectTo(place) => (errand::CONNECT_TO, Some(place)),
            Errand::Bind => (errand::BIND, None),
            Errand::BindIn(place) => (errand::BIND_IN, Some(place)),
            Errand::BindAt(place) => (errand::BIND_AT, Some(place)),
        };
        let fds = [job.listener.as_raw_fd(), named.socket.as_raw_fd()];
        let fds: Vec<_> = fds
            .into_iter()
            .chain(place.map(|place| place.as_raw_fd()))
            .collect();
        self.order(code, (job.id, named.umask), &named.address, &fds)?;
        if matches!(errand, Errand::Connect | Errand::ConnectTo(_)) {
            self.waiting().add(Call {
                listener: Arc::downgrade(&job.listener),
                id: job.id,
                thread: job.thread,
            });
        }
        Ok(())
    }

    /// Has a pair of sockets made for a call, whose numbers are told in its caller's `memory`.
    pub(super) fn make_pair(
        &self,
        (listener, call): (BorrowedFd<'_>, u64),
        memory: &File,
        numbers: u64,
        flags: SockFlag,
    ) -> Result<(), Errno> {
        let fds = [listener.as_raw_fd(), memory.as_raw_fd()];
        let flags = flags.bits().cast_unsigned();
        let ordered = self.order(errand::PAIR, (call, flags), &numbers.to_ne_bytes(), &fds);
        ordered.map_err(|stop| match stop {
            Stop::Answer(errno) => errno,
            _ => Errno::ENFILE,
        })
    }

    /// Has init mount a directory over itself, writable, which was made where nothing can be written; then it answers the call.
    pub(super) fn make_writable(&self, job: &Job, path: &Path) -> Result<(), Stop> {
        if self.made.fetch_add(1, Ordering::Relaxed) >= MOST_MADE {
            return Err(Stop::Wait);
        }
        let path = path.strip_prefix("/").unwrap_or(path).as_os_str();
        let path = [path.as_bytes(), &[0]].concat();
        let file = memory_file(&path).map_err(|error| errno(&error))?;
        let length = u32::try_from(path.len()).map_err(|_| Errno::ENAMETOOLONG)?;
        let fds = [job.listener.as_raw_fd(), file.as_raw_fd()];
        self.order(errand::WRITABLE, (job.id, length), &[], &fds)
    }

    fn order(
        &self,
        code: u32,
        (call, word): (u64, u32),
        address: &[u8],
        fds: &[i32],
    ) -> Result<(), Stop> {
        let message = [
            &order::ERRAND.to_ne_bytes()[..],
            &code.to_ne_bytes(),
            &call.to_ne_bytes(),
            &word.to_ne_bytes(),
            address,
        ]
        .concat();
        if socket::unread(self.control.as_fd())? > self.room {
            return Err(Stop::Wait);
        }
        self.send(&message, fds).map_err(|errno| match errno {
            Errno::EAGAIN | Errno::ETOOMANYREFS => Stop::Wait,
            other => other.into(),
        })
    }

    fn brings(&self, named: &Named) -> bool {
        let brought = self.brought.as_ref();
        brought.is_some_and(|brought| brought.is(named))
    }

    /// Interrupts those whose thread has a signal to handle, if it is time to look; when it is the next time.
    pub(super) fn look(&self) -> PollTimeout {
        let mut waiting = self.waiting();
        if !waiting.calls.is_empty() && waiting.looked.elapsed() >= PAUSE {
            waiting.looked = Instant::now();
            waiting.calls.retain(Call::is_there);
            let count = waiting.calls.len().min(AT_ONCE);
            for call in waiting.calls.iter().take(count) {
                // The number is the thread's, and the command there, if the call is afterwards.
                if call.thread.has_signal() && call.is_there() {
                    // What has no room is told with the next look.
                    let _ = self.interrupt(call.id);
                }
            }
            waiting.calls.rotate_left(count);
        }
        if waiting.calls.is_empty() {
            PollTimeout::NONE
        } else {
            PollTimeout::try_from(PAUSE).unwrap_or(PollTimeout::MAX)
        }
    }

    fn interrupt(&self, call: u64) -> Result<(), Errno> {
        let words = [order::INTERRUPT, 0].map(u32::to_ne_bytes).concat();
        self.send(&[&words[..], &call.to_ne_bytes()].concat(), &[])
    }

    /// Whether init need not be told any more what to watch besides.
    pub(super) fn are_names_told(&self) -> bool {
        self.are_names_told.load(Ordering::Relaxed)
    }

    /// Tells init what to watch besides, if there is room for that.
    pub(super) fn tell_names(&self, names: &[u8]) {
        let tell = || {
            let file = memory_file(names)?;
            let length = u32::try_from(names.len()).map_err(|_| io::ErrorKind::InvalidData)?;
            let order = small(order::NAMES, length);
            let flags = MsgFlags::MSG_DONTWAIT;
            send_message(self.control.as_fd(), &order, &[file.as_raw_fd()], flags)
        };
        if names.is_empty() || tell().is_ok() {
            self.are_names_told.store(true, Ordering::Relaxed);
        }
    }

    /// Init that does not read must keep neither the performer nor the reader.
    fn send(&self, message: &[u8], fds: &[i32]) -> Result<(), Errno> {
        send_message(self.control.as_fd(), message, fds, MsgFlags::MSG_DONTWAIT)
            .map_err(|error| errno(&error))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn add(&mut self, call: Call) {
        // Most are answered before anybody looks.
        if self.calls.is_empty() {
            self.looked = Instant::now();
        }
        self.calls.push_back(call);
    }
}

impl Call {
    fn is_there(&self) -> bool {
        let listener = self.listener.upgrade();
        listener.is_some_and(|listener| notify::is_valid(listener.as_fd(), self.id))
    }
}
