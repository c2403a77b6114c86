//! The umask of a thread, which procfs alone tells, in a text that it takes the kernel 3 µs to write.
//!
//! It is read for each call for which it counts: no call says when it has changed, since others may have it in common with the thread
//! (`CLONE_FS`). But the file stays open for whoever calls again. What is open is of that very thread: once it has ended the file
//! can't be read any more, whoever has its number by then.

use std::fs::File;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;

use super::pin::{Thread, errno};

/// The last thread that was asked about.
#[derive(Debug, Default)]
pub(super) struct Umasks(Option<(u32, File)>);

impl Umasks {
    pub(super) fn of(&mut self, thread: Thread) -> Result<u32, Errno> {
        if let Some((number, status)) = &self.0
            && *number == thread.0
            && let Ok(umask) = read(status)
        {
            return Ok(umask);
        }
        let status = thread.open("status")?;
        let umask = read(&status)?;
        self.0 = Some((thread.0, status));
        Ok(umask)
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
        let mut umasks = Umasks::default();
        let ended = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                unshare(CloneFlags::CLONE_FS).unwrap();
                let this = Thread(gettid().as_raw().cast_unsigned());
                for bits in [0o27, 0o777, 0, 0o22] {
                    set(Mode::from_bits_truncate(bits));
                    assert_eq!(umasks.of(this), Ok(bits));
                }
                this
            });
            thread.join().unwrap()
        });
        // It takes a moment until it is gone; one that never is would be waited for for ever.
        while umasks.of(ended).is_ok() {
            thread::yield_now();
        }
    }
}
