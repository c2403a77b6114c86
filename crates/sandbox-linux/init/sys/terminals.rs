//! Terminals: `pts(4)`, `ioctl_tty(2)`.

use core::ffi::CStr;

use super::super::raw::{Result, check, nr, syscall};
use super::{Fd, O_CLOEXEC, to_fd};

const O_RDWR_NOCTTY: usize = 0o2 | 0o400;

/// The master of a fresh terminal of the file system whose `ptmx` is at `path`; its other end is not locked.
pub(crate) fn open_master(path: &CStr) -> Result<Fd> {
    const AT_FDCWD: isize = -100;
    const TIOCSPTLCK: usize = 0x4004_5431;
    let master =
        call!(nr::OPENAT, AT_FDCWD, path.as_ptr(), O_RDWR_NOCTTY | O_CLOEXEC; "`path` ends in NUL")
            .map(to_fd)?;
    let unlocked = 0_i32;
    call!(nr::IOCTL, master.arg(), TIOCSPTLCK, &raw const unlocked; "an int is read")?;
    Ok(master)
}

/// The other end of `master`, without a path that could lead elsewhere.
pub(crate) fn open_peer(master: Fd) -> Result<Fd> {
    const TIOCGPTPEER: usize = 0x5441;
    call!(nr::IOCTL, master.arg(), TIOCGPTPEER, O_RDWR_NOCTTY | O_CLOEXEC; "no pointer").map(to_fd)
}

/// Rows, columns, and twice the unused pixels.
pub(crate) fn set_window_size(terminal: Fd, size: [u16; 4]) -> Result<()> {
    const TIOCSWINSZ: usize = 0x5414;
    call!(nr::IOCTL, terminal.arg(), TIOCSWINSZ, size.as_ptr(); "`size` is a struct winsize")
        .map(drop)
}

/// The calling process leads a session of its own, of which `terminal` is the controlling one.
pub(crate) fn new_session_on(terminal: Fd) -> Result<()> {
    const TIOCSCTTY: usize = 0x540e;
    call!(nr::SETSID; "no pointer")?;
    call!(nr::IOCTL, terminal.arg(), TIOCSCTTY, 0; "no pointer").map(drop)
}
