//! Waiting for what happens to a command, and for what it writes.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Waits until one of the command's `own` descriptors or of the pipes is readable, or it is `wake_at`; tells which pipes are. A signal
/// ends it early.
pub(crate) fn until_readable<'fd>(
    own: impl IntoIterator<Item = BorrowedFd<'fd>>,
    pipes: [Option<&'fd File>; 2],
    wake_at: Option<Instant>,
) -> Result<[bool; 2], Errno> {
    let polled = |fd| PollFd::new(fd, PollFlags::POLLIN);
    let mut fds: Vec<_> = own.into_iter().map(polled).collect();
    let first = fds.len();
    fds.extend(pipes.into_iter().flatten().map(|pipe| polled(pipe.as_fd())));
    match poll(&mut fds, timeout(wake_at, Instant::now())) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno),
    }
    let mut fds = fds.iter().skip(first);
    Ok(pipes.map(|pipe| pipe.is_some() && fds.next().and_then(PollFd::any).unwrap_or(false)))
}

/// How long to poll until `wake_at`: rounded up, so that the poll does not end before it.
fn timeout(wake_at: Option<Instant>, now: Instant) -> PollTimeout {
    let Some(wake_at) = wake_at else {
        return PollTimeout::NONE;
    };
    let milliseconds = wake_at
        .saturating_duration_since(now)
        .as_micros()
        .div_ceil(1000);
    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_poll_does_not_end_before_its_time() {
        let now = Instant::now();
        for (microseconds, milliseconds) in [(0, 0_u16), (1, 1), (1000, 1), (1001, 2)] {
            let wake_at = now + Duration::from_micros(microseconds);
            assert_eq!(timeout(Some(wake_at), now), PollTimeout::from(milliseconds));
        }
        assert_eq!(timeout(None, now), PollTimeout::NONE);
    }
}
