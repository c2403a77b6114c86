//! Copying both ways between the command and what was dialled.
//!
//! All connections share one buffer, since only one of them is read at a time: an idle one costs none. What the receiver does
//! not take at once is kept beside until it does, and nothing more is read meanwhile; where much is kept, little is read.

use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select, try_join};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::bounds;
use crate::event::End;
use crate::hall::Hall;
use crate::opened::{Opened, finish};

impl Hall {
    /// Copies both ways until both sides are done, one of them breaks off, or nothing passes for too long. `first` is what the
    /// command has said already.
    pub(crate) async fn relay(&self, client: TcpStream, mut first: Vec<u8>, mut opened: Opened) {
        let last = Cell::new(Instant::now());
        let mut early = Vec::from(std::mem::take(&mut opened.early));
        let bytes = Arc::clone(&opened.record.bytes);
        let line = Arc::clone(&opened.line);
        bytes.sent(first.len());
        let out = async {
            let passed = |count| {
                bytes.sent(count);
                last.set(Instant::now());
            };
            self.pump(&client, &line.stream, &mut first, passed).await?;
            finish(&line.stream)
        };
        let back = async {
            let passed = |count| {
                bytes.received(count);
                last.set(Instant::now());
            };
            let heard = self.pump(&line.stream, &client, &mut early, passed);
            // Nobody reads what the command says once it has said everything: that it is gone is told beside.
            match select(pin!(heard), pin!(client.ready(Interest::ERROR))).await {
                Either::Left((heard, _)) => heard?,
                Either::Right(_) => return Err(io::ErrorKind::ConnectionReset.into()),
            }
            line.finished()?;
            finish(&client)
        };
        let idle = async {
            while last.get().elapsed() < bounds::IDLE {
                sleep_until(last.get() + bounds::IDLE).await;
            }
        };
        let (both, idle) = (pin!(try_join(out, back)), pin!(idle));
        let is_idle = match select(both, idle).await {
            Either::Left((Ok(_), _)) => false,
            // Whoever was broken off breaks off the other.
            Either::Left((Err(_), _)) => {
                let _ = client.set_zero_linger();
                let _ = line.stream.set_zero_linger();
                false
            }
            Either::Right(_) => true,
        };
        if is_idle {
            opened.ends(End::Idle);
        }
    }

    /// Copies until the one side is done. `rest` is what has to be written before, and whatever was read
    /// and not yet written if nobody waits any longer.
    pub(crate) async fn pump(
        &self,
        from: &TcpStream,
        to: &TcpStream,
        rest: &mut Vec<u8>,
        passed: impl Fn(usize),
    ) -> io::Result<()> {
        loop {
            if !rest.is_empty() {
                let _held = Held::new(&self.held, rest.len());
                drain(to, rest).await?;
            }
            from.readable().await?;
            match self.pass(from, to, rest) {
                Ok(0) => return Ok(()),
                Ok(count) => passed(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads once and writes once: how much was read; what of it was not written is put into `rest`.
    fn pass(&self, from: &TcpStream, to: &TcpStream, rest: &mut Vec<u8>) -> io::Result<usize> {
        let mut buffer = self.buffer.borrow_mut();
        let left = bounds::HELD.saturating_sub(self.held.get());
        let length = left.clamp(bounds::SMALL_CHUNK, bounds::CHUNK);
        let count = from.try_read(buffer.get_mut(..length).unwrap_or_default())?;
        let bytes = buffer.get(..count).unwrap_or_default();
        let written = match to.try_write(bytes) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        rest.extend_from_slice(bytes.get(written..).unwrap_or_default());
        Ok(count)
    }
}

/// So many bytes wait to be written, as long as this lives.
struct Held<'a> {
    total: &'a Cell<usize>,
    count: usize,
}

impl<'a> Held<'a> {
    fn new(total: &'a Cell<usize>, count: usize) -> Self {
        total.set(total.get().saturating_add(count));
        Self { total, count }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.total.set(self.total.get().saturating_sub(self.count));
    }
}

/// Writes all of it; whatever is still in it was not written.
async fn drain(to: &TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(written) => drop(bytes.drain(..written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    // Few connections ever need it.
    *bytes = Vec::new();
    Ok(())
}

/// Writes all of it.
///
/// # Errors
///
/// The other side does not take it.
pub(crate) async fn write_all(to: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    drain(to, &mut bytes.to_vec()).await
}
