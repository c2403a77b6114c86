//! By a thread that waits for them, since there is no signalfd. Tried by nobody yet: no Mac has run it.

use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Received, failed, received};
use crate::failure::Failure;

/// The signals that are received for the command; blocked until the process ends.
#[derive(Debug)]
pub(crate) struct Signals(PipeReader);

impl Signals {
    /// Blocks them. Has to be called before there is a second thread but the one that waits.
    pub(crate) fn block() -> Result<Self, Failure> {
        let set = received();
        set.thread_block().map_err(failed)?;
        let (reader, mut writer) = io::pipe().map_err(failed)?;
        let wait = move || {
            // It ends with the process, or when nobody reads any more.
            while let Ok(signal) = set.wait() {
                let number = u8::try_from(signal as i32).unwrap_or_default();
                if writer.write_all(&[number]).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("signals".to_owned());
        thread.spawn(wait).map_err(failed)?;
        Ok(Self(reader))
    }

    /// The next one, if there is one.
    pub(crate) fn next(&self) -> Result<Option<Received>, Failure> {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::ZERO) {
            Ok(0) | Err(Errno::EINTR) => return Ok(None),
            Ok(_) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let mut number = [0];
        (&self.0).read_exact(&mut number).map_err(failed)?;
        let [number] = number.map(i32::from);
        Ok(Some(Received {
            number,
            from_terminal: false,
        }))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
