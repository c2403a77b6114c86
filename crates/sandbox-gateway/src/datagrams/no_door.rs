//! There is no such socket: no other system brings datagrams to one (`IP_RECVORIGDSTADDR`).

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use tokio::net::UdpSocket;

use crate::hall::Hall;

/// # Errors
///
/// Always.
pub(crate) fn ask_destinations(_: &OwnedFd) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) async fn serve(_: UdpSocket, _: [OwnedFd; 2], _: Rc<Hall>) {}
