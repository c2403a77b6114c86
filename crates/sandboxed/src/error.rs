//! Why there is no sandbox, or no command in it.

use std::ffi::OsString;
use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;

use sandbox_core::{Decision, PolicyErrors, escaped};
use sandbox_linux::{LaunchError, Unenforceable};

use crate::strings::BadString;
use crate::{Stream, denials, limits};

/// Why there is no sandbox, or no command in it. Nothing was started.
///
/// ```
/// use sandboxed::{Error, Policy, Preset, Sandbox};
///
/// let policy = Policy::preset(Preset::ReadOnly).write("/no/such/directory");
/// let error = Sandbox::new(&policy).unwrap_err();
/// assert!(matches!(error, Error::Policy(_)));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The policy has errors; all of them are in it.
    #[error(transparent)]
    Policy(#[from] PolicyErrors),
    /// There is no backend for this system.
    ///
    /// # Platform
    ///
    /// The only answer on most systems; never where there is a backend.
    #[error(
        "there is no sandbox for {} on {}",
        std::env::consts::OS,
        std::env::consts::ARCH
    )]
    Unsupported,
    /// This host cannot enforce the policy.
    #[error(transparent)]
    Unenforceable(#[from] Unenforceable),
    /// The kernel refused a step, or the program could not be executed.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The policy hides the directory in which the command would start.
    #[error("the working directory `{}` cannot be read inside{}", escaped(.directory), denials::rule_of(.decision))]
    HiddenDirectory {
        /// The directory.
        directory: PathBuf,
        /// The answer of the policy.
        decision: Box<Decision>,
    },
    /// A string for the kernel contains a NUL byte, at which the kernel would cut it off.
    #[error("{what} contains a NUL byte: `{}`", escaped(.text))]
    Nul {
        /// Which kind of string.
        what: &'static str,
        /// The whole of it.
        text: OsString,
    },
    /// The gateway, through which destinations are reached, does not start.
    #[error("cannot start the gateway")]
    Gateway {
        /// What the system said.
        source: io::Error,
    },
    /// What a sandbox that is there cannot change.
    #[error("a sandbox cannot change {what}")]
    Update {
        /// What would be changed.
        what: &'static str,
    },
    /// A port of the host's loopback at which one of the sandbox is published.
    #[error("cannot publish at port {port} of the host's loopback")]
    Publish {
        /// The port; 0 for any.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// A variable name is empty or contains `=`.
    #[error("`{}` is not the name of a variable", escaped(.name))]
    VariableName {
        /// The name.
        name: OsString,
    },
    /// A standard stream would let the command out of the sandbox.
    #[error("{stream} is {}", .kind.as_str())]
    Stream {
        /// Which one.
        stream: Stream,
        /// What it is.
        kind: BadStream,
    },
    /// A descriptor that is handed over would let the command out of the sandbox.
    #[error("descriptor {number} is {}", .kind.as_str())]
    Descriptor {
        /// The number that it would have inside.
        number: RawFd,
        /// What it is.
        kind: BadStream,
    },
    /// A process group that does not exist inside.
    #[error("there is no process group {group} inside")]
    ProcessGroup {
        /// The number that was asked for.
        group: i32,
    },
    /// A standard stream could not be opened or examined.
    #[error("cannot open {stream}")]
    OpenStream {
        /// Which one.
        stream: Stream,
        /// What the system said.
        source: io::Error,
    },
    /// A command that runs could not be waited for, read from or signalled.
    #[error("cannot {action} the command")]
    Child {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// What a standard stream, or another descriptor that is handed over, must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadStream {
    /// A directory: paths relative to it lead out of every mount of the sandbox.
    Directory,
    /// A descriptor that only names a file (`O_PATH`), which may be a directory above the sandbox.
    Path,
    /// A socket of the network, which the policy denies: whoever holds one can connect it to other destinations.
    Network,
    /// A Unix socket that is not connected, or that listens: its abstract names are the host's.
    Unconnected,
    /// A Unix datagram socket: it sends to any socket of the host.
    UnixDatagram,
    /// A socket of a kind that no command may make.
    Socket,
    /// A handle on a process, a namespace or another part of the kernel.
    Handle,
}

impl BadStream {
    fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "a directory, through which a command could leave the sandbox",
            Self::Path => "a path descriptor, through which a command could leave the sandbox",
            Self::Network => "a socket of the network, which the policy denies",
            Self::Unconnected => {
                "a Unix socket without a peer, by which a command could reach others"
            }
            Self::UnixDatagram => "a Unix datagram socket, which sends to any other of the host",
            Self::Socket => "a socket of a kind that no command may have",
            Self::Handle => {
                "a handle on a part of the kernel, through which a command could act on the host"
            }
        }
    }
}

impl Error {
    /// What to change, if that is known.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Unenforceable(Unenforceable::Filter(error)) => error.remedy(),
            Self::Unenforceable(error) => error.remedy(),
            Self::Launch(error) => limits::remedy(error).or_else(|| error.remedy()),
            Self::HiddenDirectory { decision, .. } => Some(denials::other_directory(decision)),
            Self::Stream {
                stream,
                kind: BadStream::Network,
            } => Some(format!(
                "give {stream} a pipe (`cat | …`, `… | cat`), or allow the network: `default = \"host\"` in `[network]`"
            )),
            Self::Descriptor { .. } => {
                Some("hand over a file, a pipe or a connected Unix socket".to_owned())
            }
            Self::ProcessGroup { .. } => {
                Some("0 is a group of the command's own; without any it is in yours".to_owned())
            }
            Self::Stream { stream, .. } => {
                Some(format!("give {stream} a file, a pipe or `/dev/null`"))
            }
            Self::Publish { port, source } if source.kind() == io::ErrorKind::AddrInUse => {
                let free = "`publish = [\"0:PORT\"]` takes a free one";
                Some(format!("end what listens at {port}; {free}"))
            }
            Self::Update { .. } => {
                Some("make another sandbox for the commands that need it".to_owned())
            }
            Self::Policy(_)
            | Self::Unsupported
            | Self::Gateway { .. }
            | Self::Publish { .. }
            | Self::Nul { .. }
            | Self::VariableName { .. }
            | Self::OpenStream { .. }
            | Self::Child { .. } => None,
        }
    }
}

impl From<BadString> for Error {
    fn from(string: BadString) -> Self {
        match string {
            BadString::Nul { what, text } => Self::Nul { what, text },
            BadString::VariableName { name } => Self::VariableName { name },
        }
    }
}
