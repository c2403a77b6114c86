//! The standard streams of a command. Seatbelt asks where a path leads whatever it begins at, and a socket where it is to lead: so a
//! stream may be anything that the caller has.

use std::fs::File;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::process::{ChildStderr, ChildStdin, ChildStdout};

use super::Error;
use crate::Stream;

/// Where a standard stream of a command leads.
///
/// ```
/// # use sandboxed::{Policy, Preset, Sandbox, Stdio};
/// # fn main() -> Result<(), sandboxed::Error> {
/// let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
/// let status = sandbox.command("echo").arg("nobody reads this").stdout(Stdio::null()).status()?;
/// assert!(status.success());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stdio(Kind);

#[derive(Debug)]
enum Kind {
    Inherit,
    Null,
    Piped,
    Descriptor(OwnedFd),
}

impl Stdio {
    /// The caller's own.
    pub fn inherit() -> Self {
        Self(Kind::Inherit)
    }

    /// `/dev/null` of the host.
    pub fn null() -> Self {
        Self(Kind::Null)
    }

    /// A pipe, whose other end is in the [`Child`](crate::Child).
    pub fn piped() -> Self {
        Self(Kind::Piped)
    }

    /// As `std` has it. The descriptor stays, so that a command can be started again.
    pub(super) fn open(&self, stream: Stream) -> Result<std::process::Stdio, Error> {
        Ok(match &self.0 {
            Kind::Inherit => std::process::Stdio::inherit(),
            Kind::Null => std::process::Stdio::null(),
            Kind::Piped => std::process::Stdio::piped(),
            Kind::Descriptor(fd) => fd
                .try_clone()
                .map_err(|source| Error::OpenStream { stream, source })?
                .into(),
        })
    }
}

macro_rules! from_descriptors {
    ($($source:ty),+) => {$(
        impl From<$source> for Stdio {
            fn from(source: $source) -> Self {
                Self(Kind::Descriptor(source.into()))
            }
        }
    )+};
}

from_descriptors!(
    OwnedFd,
    File,
    PipeReader,
    PipeWriter,
    ChildStdin,
    ChildStdout,
    ChildStderr
);
