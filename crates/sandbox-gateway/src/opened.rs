//! A connection that was allowed and dialled.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::header::HeaderValue;
use nix::sys::socket::{Shutdown, shutdown};
use sandbox_core::{Attempt, Destination, Name, Ruleset, Verdict};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::capture::closed;
use crate::event::End;
use crate::log::Record;

/// A connection to where the command wanted to go. It is told of when it is dropped.
///
/// It reads and writes as the stream does, and counts.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) line: Arc<Line>,
    /// What the other side has said already.
    pub(crate) early: Bytes,
    /// Where it leads to a proxy, which takes requests, and not to the destination.
    pub(crate) relay: Option<Relay>,
    /// On the heap, since it would be copied into each of the futures through which a connection goes.
    pub(crate) record: Box<Record>,
}

/// An upstream proxy that passes requests on.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    /// What it is to be told of who asks.
    pub(crate) authorization: Option<HeaderValue>,
}

/// The stream, and what it was allowed for: so that it can be ended, whoever holds it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) stream: TcpStream,
    pub(crate) destination: Destination,
    pub(crate) port: u16,
    /// The address that was dialled; none where a proxy did it.
    pub(crate) address: Option<IpAddr>,
    /// The name that TLS on it is for.
    claimed: Mutex<Option<Name>>,
    withdrawn: AtomicBool,
}

impl Line {
    pub(crate) fn new(
        stream: TcpStream,
        destination: Destination,
        port: u16,
        address: Option<IpAddr>,
    ) -> Self {
        Self {
            stream,
            destination,
            port,
            address,
            claimed: Mutex::default(),
            withdrawn: AtomicBool::new(false),
        }
    }

    /// Takes note of the name that TLS is for.
    pub(crate) fn claims(&self, name: Option<&Name>) {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        *claimed = name.cloned();
    }

    /// Whether rules deny what was allowed by others. What a person allows is no rule's to deny.
    pub(crate) fn is_denied_by(&self, ruleset: &Ruleset) -> bool {
        let denies = |attempt| ruleset.decide(&attempt).verdict == Verdict::Deny;
        let (destination, port) = (&self.destination, self.port);
        let dial = dial(destination, self.address, port);
        let claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        denies(Attempt::connect(destination.clone(), port))
            || dial.is_some_and(denies)
            || claimed
                .as_ref()
                .is_some_and(|name| closed(ruleset, name, port).is_some())
    }

    /// Ends the connection, whoever holds it.
    pub(crate) fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::Relaxed);
        let _ = shutdown(self.stream.as_raw_fd(), Shutdown::Both);
    }

    /// What its end means when nothing more comes.
    ///
    /// # Errors
    ///
    /// It has not come to its end, it was brought to it.
    pub(crate) fn finished(&self) -> io::Result<()> {
        if self.is_withdrawn() {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            Ok(())
        }
    }

    fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Relaxed)
    }
}

/// The attempt that was made when a name was dialled at an address.
pub(crate) fn dial(
    destination: &Destination,
    address: Option<IpAddr>,
    port: u16,
) -> Option<Attempt> {
    match (destination, address) {
        (Destination::Name(name), Some(address)) => {
            Some(Attempt::dial(name.clone(), address, port))
        }
        _ => None,
    }
}

impl Drop for Line {
    /// Ends the connection, also where a fork of this process has a copy of its descriptor. What is broken off is not finished before.
    fn drop(&mut self) {
        if matches!(self.stream.linger(), Ok(None)) {
            let _ = shutdown(self.stream.as_raw_fd(), Shutdown::Both);
        }
    }
}

impl Opened {
    /// Says how it ended, where it did not simply end.
    pub(crate) fn ends(&mut self, end: End) {
        self.record.ends(end);
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if self.line.is_withdrawn() {
            self.record.ends(End::Withdrawn);
        }
    }
}

impl AsyncRead for Opened {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let length = buffer.remaining().min(self.early.len());
            buffer.put_slice(&self.early.split_to(length));
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.line.stream.poll_read_ready(context))?;
            match self.line.stream.try_read(buffer.initialize_unfilled()) {
                Ok(length) => {
                    buffer.advance(length);
                    self.record.bytes.received(length);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Opened {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.line.stream.poll_write_ready(context))?;
            match self.line.stream.try_write(bytes) {
                Ok(length) => {
                    self.record.bytes.sent(length);
                    return Poll::Ready(Ok(length));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(finish(&self.line.stream))
    }
}

/// Tells the other side that nothing more comes.
pub(crate) fn finish(stream: &TcpStream) -> io::Result<()> {
    Ok(shutdown(stream.as_raw_fd(), Shutdown::Write)?)
}
