//! Copying both ways between the command and what was dialled.
//!
//! All connections share one buffer, since only one of them is read at a time: an idle one costs none. What the receiver does
//! not take at once is kept beside until it does, and nothing more is read meanwhile.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select, try_join};
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
            self.pump(&line.stream, &client, &mut early, passed).await?;
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
            drain(to, rest).await?;
            from.readable().await?;
            match pass(from, to, &self.buffer, rest) {
                Ok(0) => return Ok(()),
                Ok(count) => passed(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reads once and writes once: how much was read; what of it was not written is put into `rest`.
fn pass(
    from: &TcpStream,
    to: &TcpStream,
    buffer: &RefCell<Box<[u8]>>,
    rest: &mut Vec<u8>,
) -> io::Result<usize> {
    let mut buffer = buffer.borrow_mut();
    let count = from.try_read(&mut buffer)?;
    let bytes = buffer.get(..count).unwrap_or_default();
    let written = match to.try_write(bytes) {
        Ok(written) => written,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    rest.extend_from_slice(bytes.get(written..).unwrap_or_default());
    Ok(count)
}

/// Writes all of it; whatever is still in it was not written.
async fn drain(to: &TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
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
