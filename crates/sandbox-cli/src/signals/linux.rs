//! By signalfd(2), which tells who sent a signal.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::{Received, failed, received};
use crate::failure::Failure;

/// `si_code` of a signal that the kernel itself sent (sigaction(2)): for ours, the terminal's driver.
const SI_KERNEL: i32 = 0x80;

/// The signals that are received for the command; blocked until the process ends.
#[derive(Debug)]
pub(crate) struct Signals(SignalFd);

impl Signals {
    /// Blocks them. Has to be called before there is a second thread.
    pub(crate) fn block() -> Result<Self, Failure> {
        let set = received();
        set.thread_block().map_err(failed)?;
        SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .map(Self)
            .map_err(failed)
    }

    /// The next one, if there is one.
    pub(crate) fn next(&self) -> Result<Option<Received>, Failure> {
        match self.0.read_signal() {
            Ok(None) | Err(Errno::EINTR) => Ok(None),
            Ok(Some(info)) => Ok(Some(Received {
                number: i32::try_from(info.ssi_signo).unwrap_or_default(),
                from_terminal: info.ssi_code == SI_KERNEL,
            })),
            Err(errno) => Err(failed(errno)),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
