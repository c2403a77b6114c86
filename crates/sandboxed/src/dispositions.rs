//! Which signals a command ignores from its start: those that the caller ignores, as after `nohup`.

use std::fs::File;
use std::io::Read;

use nix::sys::signal::Signal;

/// Bit n-1: signal n is ignored by this process.
///
/// SIGPIPE is left out: the Rust runtime ignores it in every program, so that nothing can be read off it; `std` gives its
/// children the default, too.
pub(crate) fn ignored() -> u64 {
    let mut status = Vec::with_capacity(STATUS);
    // Without /proc no sandbox starts; the answer does not matter then.
    let _ = File::open("/proc/self/status").and_then(|mut file| file.read_to_end(&mut status));
    parse(&status) & !(1 << (Signal::SIGPIPE as u32 - 1))
}

/// Holds a status file as a rule, so that it is read at once: this is on the way of every start.
const STATUS: usize = 4096;

/// The mask in a status file (`proc_pid_status(5)`).
fn parse(status: &[u8]) -> u64 {
    let mask = status
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"SigIgn:"));
    let mask = mask.and_then(|mask| std::str::from_utf8(mask.trim_ascii()).ok());
    mask.and_then(|mask| u64::from_str_radix(mask, 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_read_and_sigpipe_is_not_in_it() {
        assert_eq!(
            parse(b"Name:\tx\nSigBlk:\t00ff\nSigIgn:\t0000000000001001\nSigCgt:\t1\n"),
            0x1001
        );
        assert_eq!(parse(b""), 0);
        assert_eq!(ignored() & 0x1000, 0);
    }
}
