//! What each call needs of procfs: the directory, the descriptors and the umask of its thread.
//!
//! What has been opened of a thread there stays open for its next call. It is of that very thread: once that has ended nothing is found
//! there and nothing can be read any more, whoever has its number by then.
//!
//! The umask is a line in a text that it takes the kernel 3 to 8 µs to write, so it is remembered until somebody changes one: the filter
//! sends `umask`, too. That call goes on, with its one argument in a register, and takes effect some time after; threads may have their umask
//! in common (`CLONE_FS`). So nothing is remembered until each thread that has changed one is known to be done with that: it has called again, or
//! has ended.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{Mode, fstatat, stat};

use super::pin::{Thread, errno};

/// Of so many threads something is open, two descriptors each: as many as do the work of one of node's processes.
const MOST: usize = 4;
/// Nothing is remembered any more where so many threads have changed their umask, and have not called again.
const MOST_CHANGING: usize = 16;

/// The threads that called last.
#[derive(Debug, Default)]
pub(super) struct Threads(RefCell<Last>);

#[derive(Debug, Default)]
struct Last {
    /// The latest one at the end.
    known: Vec<Known>,
    /// Those that may not have changed their umask yet.
    changing: Vec<Thread>,
}

/// What is known of a thread.
#[derive(Debug)]
struct Known {
    thread: Thread,
    directory: OwnedFd,
    status: File,
    umask: Option<u32>,
}

impl Threads {
    /// What a link in a thread's directory leads to. It is not opened: that may block, and whoever has it has opened it.
    pub(super) fn pin(&self, thread: Thread, link: &str, kind: OFlag) -> Result<OwnedFd, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC | kind;
        let pin = |known: &mut Known| openat(&known.directory, link, flags, Mode::empty());
        self.0.borrow_mut().ask(thread, pin)
    }

    pub(super) fn umask(&self, thread: Thread) -> Result<u32, Errno> {
        let mut last = self.0.borrow_mut();
        let is_settled = last.is_settled();
        last.ask(thread, |known| {
            if let Some(umask) = known.umask {
                known.is_there()?;
                return Ok(umask);
            }
            let umask = read(&known.status)?;
            known.umask = is_settled.then_some(umask);
            Ok(umask)
        })
    }

    /// A thread is about to change its umask, and that of whoever has it in common.
    pub(super) fn change_umask(&self, thread: Thread) {
        let Last { known, changing } = &mut *self.0.borrow_mut();
        for known in known {
            known.umask = None;
        }
        if !changing.contains(&thread) && changing.len() < MOST_CHANGING {
            changing.push(thread);
        }
    }

    /// A thread has called again: what it called before is done. Where there was no room for all that change theirs, nobody knows.
    pub(super) fn call_again(&self, thread: Thread) {
        let changing = &mut self.0.borrow_mut().changing;
        if changing.len() < MOST_CHANGING {
            changing.retain(|other| *other != thread);
        }
    }
}

impl Last {
    /// Whether nobody is about to change one. Who has ended is done with it; a number that somebody else has by now counts until that one calls.
    fn is_settled(&mut self) -> bool {
        if self.changing.len() < MOST_CHANGING {
            let is_there = |thread: &Thread| stat(format!("/proc/{}", thread.0).as_str()).is_ok();
            self.changing.retain(is_there);
        }
        self.changing.is_empty()
    }

    fn ask<T>(
        &mut self,
        thread: Thread,
        ask: impl Fn(&mut Known) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let known = &mut self.known;
        if let Some(at) = known.iter().position(|known| known.thread == thread) {
            let mut it = known.remove(at);
            if let Ok(answer) = ask(&mut it) {
                known.push(it);
                return Ok(answer);
            }
        }
        let mut it = Known::of(thread)?;
        let answer = ask(&mut it);
        if known.len() == MOST {
            known.remove(0);
        }
        known.push(it);
        answer
    }
}

impl Known {
    fn of(thread: Thread) -> Result<Self, Errno> {
        let path = format!("/proc/{}", thread.0);
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = open(path.as_str(), flags, Mode::empty())?;
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let status = openat(&directory, "status", flags, Mode::empty())?;
        Ok(Self {
            thread,
            directory,
            status: status.into(),
            umask: None,
        })
    }

    /// Fails where it has ended.
    fn is_there(&self) -> nix::Result<()> {
        fstatat(&self.directory, "cwd", AtFlags::AT_SYMLINK_NOFOLLOW).map(drop)
    }
}

fn read(status: &File) -> Result<u32, Errno> {
    // The name of the program, of 16 bytes that may be escaped, and the line in question (proc_pid_status(5)).
    let mut start = [0; 128];
    let read = status.read_at(&mut start, 0);
    let length = read.map_err(|error| errno(&error))?;
    umask(start.get(..length).unwrap_or_default()).ok_or(Errno::EACCES)
}

/// A thread that ends has none.
fn umask(status: &[u8]) -> Option<u32> {
    let line = status.split(|byte| *byte == b'\n').nth(1)?;
    let digits = std::str::from_utf8(line.strip_prefix(b"Umask:\t")?).ok()?;
    u32::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use nix::sched::{CloneFlags, unshare};
    use nix::sys::stat::{Mode, umask as set};
    use nix::unistd::gettid;

    use super::*;

    #[test]
    fn only_the_second_line_counts() {
        assert_eq!(umask(b"Name:\tsh\nUmask:\t0027\nState:\tS"), Some(0o27));
        assert_eq!(umask(b"Name:\ta\nState:\tX\nUmask:\t0"), None);
        assert_eq!(umask(b"Name:\tsh\nUmask:\t008\n"), None);
        assert_eq!(umask(b""), None);
    }

    #[test]
    fn each_change_is_seen_and_so_is_the_end() {
        let (threads, ended) = thread::spawn(|| {
            unshare(CloneFlags::CLONE_FS).unwrap();
            let threads = Threads::default();
            let this = Thread(gettid().as_raw().cast_unsigned());
            for bits in [0o27, 0o777, 0, 0o22] {
                threads.change_umask(this);
                set(Mode::from_bits_truncate(bits));
                threads.call_again(this);
                assert_eq!(threads.umask(this), Ok(bits));
                assert_eq!(threads.umask(this), Ok(bits));
            }
            (threads, this)
        })
        .join()
        .unwrap();
        // It takes a moment until it is gone; one that never is would be waited for for ever.
        while threads.umask(ended).is_ok() {
            thread::yield_now();
        }
    }

    /// Others may have it in common with the one that changes it, and that may be slow.
    #[test]
    fn nothing_is_remembered_while_one_may_change() {
        thread::spawn(|| {
            unshare(CloneFlags::CLONE_FS).unwrap();
            let threads = Threads::default();
            let this = Thread(gettid().as_raw().cast_unsigned());
            let other = Thread(std::process::id());
            let set = |bits| {
                set(Mode::from_bits_truncate(bits));
            };
            set(0o22);
            assert_eq!(threads.umask(this), Ok(0o22));
            threads.change_umask(other);
            for bits in [0o22, 0o77] {
                set(bits);
                assert_eq!(threads.umask(this), Ok(bits));
            }
            threads.call_again(this);
            set(0o27);
            assert_eq!(threads.umask(this), Ok(0o27));
            threads.call_again(other);
            assert_eq!(threads.umask(this), Ok(0o27));
            // Now it is: nobody said that it would change.
            set(0o70);
            assert_eq!(threads.umask(this), Ok(0o27));
            // Whoever has ended changes nothing any more.
            let ended = thread::spawn(|| gettid().as_raw().cast_unsigned());
            let ended = Thread(ended.join().unwrap());
            threads.change_umask(ended);
            while stat(format!("/proc/{}", ended.0).as_str()).is_ok() {
                thread::yield_now();
            }
            set(0o22);
            assert_eq!(threads.umask(this), Ok(0o22));
            set(0o70);
            assert_eq!(threads.umask(this), Ok(0o22));
            // Too many to remember: never again.
            for number in 0..=MOST_CHANGING {
                threads.change_umask(Thread(u32::MAX - u32::try_from(number).unwrap()));
            }
            for number in 0..=MOST_CHANGING {
                threads.call_again(Thread(u32::MAX - u32::try_from(number).unwrap()));
            }
            for bits in [0o22, 0o77] {
                set(bits);
                assert_eq!(threads.umask(this), Ok(bits));
            }
        })
        .join()
        .unwrap();
    }
}
