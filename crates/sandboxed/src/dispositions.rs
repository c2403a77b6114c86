//! What a command has from its caller besides what it is given: the ignored signals, as after `nohup`, and the umask.

use std::fs::File;
use std::io::Read;

use nix::sys::signal::Signal;

/// What a command has from this process as it is now; init may be older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inherited {
    /// Bit n-1: signal n is ignored.
    ///
    /// SIGPIPE is left out: the Rust runtime ignores it in every program, so that nothing can be read off it; `std` gives its
    /// children the default, too.
    pub(crate) ignored_signals: u64,
    /// The mode bits that new files do not get.
    pub(crate) umask: u32,
}

impl Inherited {
    pub(crate) fn now() -> Self {
        let mut status = Vec::with_capacity(STATUS);
        // Without /proc no sandbox starts; the answer does not matter then.
        let _ = File::open("/proc/self/status").and_then(|mut file| file.read_to_end(&mut status));
        Self::parse(&status)
    }

    /// From a status file (`proc_pid_status(5)`).
    fn parse(status: &[u8]) -> Self {
        let number = |name: &[u8], radix| {
            let value = status
                .split(|byte| *byte == b'\n')
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(b":"))?;
            u64::from_str_radix(std::str::from_utf8(value.trim_ascii()).ok()?, radix).ok()
        };
        let umask = number(b"Umask", 8).and_then(|umask| u32::try_from(umask).ok());
        Self {
            ignored_signals: number(b"SigIgn", 16).unwrap_or(0)
                & !(1 << (Signal::SIGPIPE as u32 - 1)),
            umask: umask.unwrap_or(0o022),
        }
    }
}

/// Holds a status file as a rule, so that it is read at once: this is on the way of every start.
const STATUS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_masks_are_read_and_sigpipe_is_not_among_them() {
        let parse = Inherited::parse;
        let read = parse(
            b"Name:\tx\nUmask:\t0027\nSigBlk:\t00ff\nSigIgn:\t0000000000001001\nSigCgt:\t1\n",
        );
        assert_eq!((read.ignored_signals, read.umask), (1, 0o027));
        let none = parse(b"");
        assert_eq!((none.ignored_signals, none.umask), (0, 0o022));
        assert_eq!(Inherited::now().ignored_signals & 0x1000, 0);
    }
}
