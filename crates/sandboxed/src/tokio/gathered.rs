//! The output of a command while it is gathered.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncRead, ReadBuf};
use ::tokio::net::unix::pipe::Receiver;

/// As much as a pipe holds (pipe(7)).
const PIPE: usize = 64 << 10;

/// A pipe and what was read from it.
pub(super) struct Gathered {
    pipe: Option<Receiver>,
    buffer: Vec<u8>,
    bytes: Vec<u8>,
}

impl From<Option<Receiver>> for Gathered {
    fn from(pipe: Option<Receiver>) -> Self {
        let buffer = vec![0; if pipe.is_some() { PIPE } else { 0 }];
        Self {
            pipe,
            buffer,
            bytes: Vec::new(),
        }
    }
}

impl Gathered {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Reads what is there; ready once the end of the pipe is reached.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(pipe) = &mut self.pipe {
            let mut buffer = ReadBuf::new(&mut self.buffer);
            ready!(Pin::new(pipe).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                self.pipe = None;
            } else {
                self.bytes.extend_from_slice(buffer.filled());
            }
        }
        Poll::Ready(Ok(()))
    }
}
