//! What init does in a command's place: connects, and binds to paths. The other side would see the caller otherwise, and the path a
//! root that is not the command's.
//!
//! Init has a child do it, which may wait, and which answers the call itself: nobody waits for it here.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use super::Job;
use super::address::Named;
use crate::wire::{errand, order};

/// The way to init: its control socket.
#[derive(Debug)]
pub(super) struct Errands(pub(super) OwnedFd);

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
    /// Has it done for `job`.
    pub(super) fn give(&self, job: &Job, named: &Named, errand: Errand<'_>) -> Result<(), Errno> {
        let (code, place) = match errand {
            Errand::Connect => (errand::CONNECT, None),
            Errand::ConnectTo(place) => (errand::CONNECT_TO, Some(place)),
            Errand::Bind => (errand::BIND, None),
            Errand::BindIn(place) => (errand::BIND_IN, Some(place)),
            Errand::BindAt(place) => (errand::BIND_AT, Some(place)),
        };
        let message = [
            &order::ERRAND.to_ne_bytes()[..],
            &code.to_ne_bytes(),
            &job.id.to_ne_bytes(),
            &named.umask.to_ne_bytes(),
            &named.address,
        ]
        .concat();
        let fds = [job.listener.as_raw_fd(), named.socket.as_raw_fd()];
        let fds: Vec<_> = fds
            .into_iter()
            .chain(place.map(|place| place.as_raw_fd()))
            .collect();
        // One that does not read must not keep the performer.
        sendmsg::<()>(
            self.0.as_raw_fd(),
            &[IoSlice::new(&message)],
            &[ControlMessage::ScmRights(&fds)],
            MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT,
            None,
        )?;
        Ok(())
    }
}
