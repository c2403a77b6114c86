//! The output of a command while it is collected.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

/// As much as a pipe holds (pipe(7)).
const PIPE: usize = 64 << 10;

/// A pipe and what was read from it.
pub(crate) struct Collected {
    pipe: Option<File>,
    buffer: Vec<u8>,
    bytes: Vec<u8>,
}

impl From<Option<OwnedFd>> for Collected {
    fn from(pipe: Option<OwnedFd>) -> Self {
        let buffer = vec![0; if pipe.is_some() { PIPE } else { 0 }];
        Self {
            pipe: pipe.map(File::from),
            buffer,
            bytes: Vec::new(),
        }
    }
}

impl Collected {
    /// The pipe, until its end is reached.
    pub(crate) fn pipe(&self) -> Option<&File> {
        self.pipe.as_ref()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Reads what is there, once: the pipe is ready, so that this does not block.
    pub(crate) fn read(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(());
        };
        match pipe.read(&mut self.buffer) {
            Ok(0) => self.pipe = None,
            Ok(count) => self
                .bytes
                .extend_from_slice(self.buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
