//! The standard streams of a command and its further descriptors, and why some are refused.
//!
//! A directory as standard stream is a way out: `openat(0, "..")` walks on the host's mounts, whatever the sandbox has
//! mounted over them. The same holds for a descriptor opened with `O_PATH`. Both are refused before anything starts.
//!
//! A socket belongs to the network in which it was made, whoever holds it: where the policy denies the network, `connect`
//! with `AF_UNSPEC` and then with an address would reach any destination from a TCP connection that was handed over. What
//! cannot be led elsewhere is a connected Unix stream, and that is what passes.

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, SockType, SockaddrLike, SockaddrStorage, getpeername, getsockname, getsockopt,
    sockopt,
};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::statfs::{FsType, fstatfs};
use sandbox_core::{Network, Ruleset};
use sandbox_linux::LaunchError;
use sandbox_linux::filter::Feature;

use crate::error::BadStream;
use crate::{Error, Stream};

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
///
/// # Differences from std
///
/// What would lead out of the sandbox is refused when the command is spawned: a directory, an `O_PATH` descriptor, a handle
/// on a process; where the network is not the host's, every socket but a connected Unix stream, and elsewhere those that
/// are neither Unix streams nor of TCP or UDP. An inherited stream that is closed is `/dev/null` inside.
#[derive(Debug)]
pub struct Stdio(Kind);

#[derive(Debug)]
enum Kind {
    Inherit,
    Null,
    Piped,
    Terminal,
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

    /// The command's own terminal.
    pub(crate) fn terminal() -> Self {
        Self(Kind::Terminal)
    }

    /// A pipe, whose other end is in the [`Child`](crate::Child).
    pub fn piped() -> Self {
        Self(Kind::Piped)
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

/// What the command is given, and the caller's end of it.
pub(crate) enum Opened<'a> {
    Caller(Inherited),
    Borrowed(BorrowedFd<'a>),
    Owned(OwnedFd),
    /// What is in the place of the command's own terminal until there is one.
    Terminal(OwnedFd),
    Piped {
        inside: OwnedFd,
        outside: OwnedFd,
    },
}

/// A standard stream of the caller: the handles of `std`, since only they lend the three descriptors safely.
pub(crate) enum Inherited {
    Stdin(io::Stdin),
    Stdout(io::Stdout),
    Stderr(io::Stderr),
}

impl Opened<'_> {
    /// The command's end.
    pub(crate) fn inside(&self) -> BorrowedFd<'_> {
        match self {
            Self::Caller(inherited) => inherited.as_fd(),
            Self::Borrowed(fd) => *fd,
            Self::Owned(fd) | Self::Terminal(fd) | Self::Piped { inside: fd, .. } => fd.as_fd(),
        }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// The caller's end of a pipe. The command's end is closed here, so that the caller sees the end of the stream.
    pub(crate) fn into_outside(self) -> Option<OwnedFd> {
        match self {
            Self::Piped { outside, .. } => Some(outside),
            Self::Caller(_) | Self::Borrowed(_) | Self::Owned(_) | Self::Terminal(_) => None,
        }
    }
}

impl Inherited {
    fn of(stream: Stream) -> Self {
        match stream {
            Stream::Stdin => Self::Stdin(io::stdin()),
            Stream::Stdout => Self::Stdout(io::stdout()),
            Stream::Stderr => Self::Stderr(io::stderr()),
        }
    }
}

impl AsFd for Inherited {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdin(stdin) => stdin.as_fd(),
            Self::Stdout(stdout) => stdout.as_fd(),
            Self::Stderr(stderr) => stderr.as_fd(),
        }
    }
}

/// Which sockets a command may be given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sockets {
    network: Network,
    unix_datagram: bool,
}

impl Sockets {
    pub(crate) fn of(ruleset: &Ruleset) -> Self {
        let features = &ruleset.system().features;
        Self {
            network: ruleset.network(),
            unix_datagram: features.contains_key(Feature::UnixDatagram.name()),
        }
    }

    /// Why the socket is none of them. What does not answer like an ordinary socket is none.
    fn refuse(self, fd: BorrowedFd<'_>) -> Option<BadStream> {
        let family = getsockname::<SockaddrStorage>(fd.as_raw_fd())
            .ok()
            .and_then(|address| address.family());
        let kind = getsockopt(&fd, sockopt::SockType).ok();
        let connected = || {
            // A listening socket has no peer either; that is no reason to rely on it.
            getpeername::<SockaddrStorage>(fd.as_raw_fd()).is_ok()
                && getsockopt(&fd, sockopt::AcceptConn) == Ok(false)
        };
        match (family, kind, self.network) {
            (Some(AddressFamily::Unix), Some(SockType::Stream | SockType::SeqPacket), network) => {
                // The namespace of abstract names is the network's: this one's would be the host's.
                (network != Network::Host && !connected()).then_some(BadStream::Unconnected)
            }
            (Some(AddressFamily::Unix), Some(SockType::Datagram), Network::Host)
                if self.unix_datagram =>
            {
                None
            }
            (Some(AddressFamily::Unix), ..) => Some(BadStream::UnixDatagram),
            (
                Some(AddressFamily::Inet | AddressFamily::Inet6),
                Some(SockType::Stream | SockType::Datagram),
                Network::Host,
            ) => None,
            (Some(AddressFamily::Inet | AddressFamily::Inet6), _, network)
                if network != Network::Host =>
            {
                Some(BadStream::Network)
            }
            _ => Some(BadStream::Socket),
        }
    }
}

/// Opens what `stdio` asks for and refuses what the command must not have.
pub(crate) fn open(stream: Stream, stdio: &Stdio, sockets: Sockets) -> Result<Opened<'_>, Error> {
    let failed = |source| Error::OpenStream { stream, source };
    match &stdio.0 {
        Kind::Null => null(stream).map(Opened::Owned).map_err(failed),
        Kind::Terminal => null(stream).map(Opened::Terminal).map_err(failed),
        Kind::Piped => {
            let (reader, writer) = io::pipe().map_err(failed)?;
            let (reader, writer) = (OwnedFd::from(reader), OwnedFd::from(writer));
            Ok(match stream {
                Stream::Stdin => Opened::Piped {
                    inside: reader,
                    outside: writer,
                },
                Stream::Stdout | Stream::Stderr => Opened::Piped {
                    inside: writer,
                    outside: reader,
                },
            })
        }
        Kind::Inherit => {
            let inherited = Inherited::of(stream);
            match examine(inherited.as_fd(), sockets) {
                Ok(None) => Ok(Opened::Caller(inherited)),
                Ok(Some(kind)) => Err(Error::Stream { stream, kind }),
                Err(Errno::EBADF) => null(stream).map(Opened::Owned).map_err(failed),
                Err(errno) => Err(failed(errno.into())),
            }
        }
        Kind::Descriptor(fd) => match examine(fd.as_fd(), sockets) {
            Ok(None) => Ok(Opened::Borrowed(fd.as_fd())),
            Ok(Some(kind)) => Err(Error::Stream { stream, kind }),
            Err(errno) => Err(failed(errno.into())),
        },
    }
}

/// Refuses what the command must not have under this number either.
pub(crate) fn examine_further(
    number: RawFd,
    fd: BorrowedFd<'_>,
    sockets: Sockets,
) -> Result<(), Error> {
    match examine(fd, sockets) {
        Ok(None) => Ok(()),
        Ok(Some(kind)) => Err(Error::Descriptor { number, kind }),
        Err(errno) => Err(Error::Launch(LaunchError::Prepare {
            action: "examine a descriptor",
            source: errno.into(),
        })),
    }
}

fn examine(fd: BorrowedFd<'_>, sockets: Sockets) -> Result<Option<BadStream>, Errno> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    if flags.contains(OFlag::O_PATH) {
        return Ok(Some(BadStream::Path));
    }
    Ok(
        match SFlag::from_bits_truncate(fstat(fd)?.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFDIR => Some(BadStream::Directory),
            SFlag::S_IFSOCK => sockets.refuse(fd),
            SFlag::S_IFIFO | SFlag::S_IFCHR | SFlag::S_IFBLK => None,
            // Handles look like regular files, or like nothing at all, by the kernel's version.
            _ => HANDLES
                .contains(&fstatfs(fd)?.filesystem_type())
                .then_some(BadStream::Handle),
        },
    )
}

/// File systems of what is no file but a handle (linux/magic.h): `pidfd_send_signal` and `setns` need nothing else.
const HANDLES: [FsType; 3] = [
    FsType(0x0904_1934), // anonymous inodes: pidfds of older kernels, events, io_uring, BPF
    FsType(0x5049_4446), // pidfds
    FsType(0x6e73_6673), // namespaces
];

fn null(stream: Stream) -> io::Result<OwnedFd> {
    let input = stream == Stream::Stdin;
    OpenOptions::new()
        .read(input)
        .write(!input)
        .open("/dev/null")
        .map(OwnedFd::from)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixListener;

    use nix::sys::socket::{SockFlag, SockProtocol, socket, socketpair};

    use super::*;

    fn refusal(stdio: &Stdio) -> Option<BadStream> {
        refusal_under(Network::Deny, false, stdio)
    }

    fn refusal_under(network: Network, unix_datagram: bool, stdio: &Stdio) -> Option<BadStream> {
        let sockets = Sockets {
            network,
            unix_datagram,
        };
        match open(Stream::Stdin, stdio, sockets) {
            Ok(_) => None,
            Err(Error::Stream {
                stream: Stream::Stdin,
                kind,
            }) => Some(kind),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn directories_and_path_descriptors_are_refused() {
        let path_only =
            nix::fcntl::open("/dev/null", OFlag::O_PATH, nix::sys::stat::Mode::empty()).unwrap();
        for (stdio, expected) in [
            (
                Stdio::from(File::open("/").unwrap()),
                Some(BadStream::Directory),
            ),
            (Stdio::from(path_only), Some(BadStream::Path)),
            (Stdio::from(File::open("/dev/null").unwrap()), None),
            (Stdio::from(io::pipe().unwrap().0), None),
            (Stdio::null(), None),
            (Stdio::piped(), None),
        ] {
            let name = format!("{stdio:?}");
            assert_eq!(refusal(&stdio), expected, "{name}");
        }
    }

    /// Descriptor; where the network is denied, where it is the host's, the same with Unix datagrams.
    type Row = (OwnedFd, [Option<BadStream>; 3]);

    #[test]
    fn a_socket_is_a_connected_unix_stream_where_the_network_is_denied() {
        let directory = tempfile::tempdir().unwrap();
        let tcp = || TcpListener::bind("127.0.0.1:0").unwrap();
        let connected = || TcpStream::connect(tcp().local_addr().unwrap()).unwrap();
        let listener = || UnixListener::bind(directory.path().join("socket")).unwrap();
        let pair = |kind| {
            let flags = SockFlag::SOCK_CLOEXEC;
            socketpair(AddressFamily::Unix, kind, None, flags)
                .unwrap()
                .0
        };
        let single = |family, kind, protocol: Option<SockProtocol>| {
            socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol).unwrap()
        };
        let netlink = single(
            AddressFamily::Netlink,
            SockType::Raw,
            Some(SockProtocol::NetlinkRoute),
        );
        let unconnected = single(AddressFamily::Unix, SockType::Stream, None);
        let rows: [Row; 9] = [
            (pair(SockType::Stream), [None; 3]),
            (pair(SockType::SeqPacket), [None; 3]),
            (unconnected, [Some(BadStream::Unconnected), None, None]),
            (
                listener().into(),
                [Some(BadStream::Unconnected), None, None],
            ),
            (
                pair(SockType::Datagram),
                [
                    Some(BadStream::UnixDatagram),
                    Some(BadStream::UnixDatagram),
                    None,
                ],
            ),
            (tcp().into(), [Some(BadStream::Network), None, None]),
            (connected().into(), [Some(BadStream::Network), None, None]),
            (
                UdpSocket::bind("127.0.0.1:0").unwrap().into(),
                [Some(BadStream::Network), None, None],
            ),
            (netlink, [Some(BadStream::Socket); 3]),
        ];
        for (index, (fd, expected)) in rows.into_iter().enumerate() {
            let stdio = Stdio::from(fd);
            let found = [
                (Network::Deny, true),
                (Network::Host, false),
                (Network::Host, true),
            ]
            .map(|(network, unix_datagram)| refusal_under(network, unix_datagram, &stdio));
            assert_eq!(found, expected, "row {index}");
        }
    }

    #[test]
    fn a_handle_is_no_stream() {
        let namespace = File::open("/proc/self/ns/net").unwrap();
        assert_eq!(refusal(&namespace.into()), Some(BadStream::Handle));
        let event = nix::sys::signalfd::SignalFd::new(&nix::sys::signal::SigSet::empty()).unwrap();
        let event = event.as_fd().try_clone_to_owned().unwrap();
        assert_eq!(refusal(&event.into()), Some(BadStream::Handle));
        assert_eq!(refusal(&tempfile::tempfile().unwrap().into()), None);
    }

    #[test]
    fn a_pipe_runs_in_the_direction_of_the_stream() {
        for (stream, caller_writes) in [
            (Stream::Stdin, true),
            (Stream::Stdout, false),
            (Stream::Stderr, false),
        ] {
            let sockets = Sockets {
                network: Network::Deny,
                unix_datagram: false,
            };
            let outside = open(stream, &Stdio::piped(), sockets)
                .unwrap()
                .into_outside()
                .unwrap();
            let mode = OFlag::from_bits_retain(fcntl(outside, FcntlArg::F_GETFL).unwrap())
                & OFlag::O_ACCMODE;
            assert_eq!(mode == OFlag::O_WRONLY, caller_writes, "{stream}");
        }
    }
}
