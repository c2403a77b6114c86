//! What is asked about.

/// What an operation is about. Everything has a value that no filter matches unless it is said.
///
/// ```
/// use seatbelt::{Query, VnodeType};
///
/// let directory = Query::path("/private/tmp").of(VnodeType::Directory);
/// let name = Query::name("com.apple.logd");
/// # let _ = (directory, name);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) vnode: Option<VnodeType>,
    pub(crate) name: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) address: Option<(Side, String)>,
    pub(crate) socket: Option<(Side, Vec<u8>)>,
}

/// What a vnode is, as filters name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VnodeType {
    /// `REGULAR-FILE`
    RegularFile,
    /// `DIRECTORY`
    Directory,
    /// `SYMLINK`
    Symlink,
    /// `CHARACTER-DEVICE`
    CharacterDevice,
    /// `BLOCK-DEVICE`
    BlockDevice,
    /// `FIFO`
    Fifo,
    /// `SOCKET`
    Socket,
    /// `TTY`
    Tty,
}

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two")]
pub enum Side {
    /// What a socket is bound to.
    Local,
    /// What it connects to.
    Remote,
}

impl Query {
    /// A file, by the path that the kernel has for its vnode: absolute, without links, `.` and `..`. Its type is not known.
    pub fn path(path: impl AsRef<[u8]>) -> Self {
        Self {
            path: Some(path.as_ref().to_owned()),
            ..Self::default()
        }
    }

    /// The same, of this type.
    #[must_use]
    pub fn of(self, vnode: VnodeType) -> Self {
        Self {
            vnode: Some(vnode),
            ..self
        }
    }

    /// What has a name: a Mach service, a sysctl, an `IOKit` class, a preference's domain, a socket's domain.
    pub fn name(name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..Self::default()
        }
    }

    /// Another process, as filters name it: `self`, `same-sandbox`, `others`.
    pub fn target(target: &str) -> Self {
        Self {
            target: Some(target.to_owned()),
            ..Self::default()
        }
    }

    /// An address of the network: `HOST:PORT`.
    pub fn address(side: Side, address: &str) -> Self {
        Self {
            address: Some((side, address.to_owned())),
            ..Self::default()
        }
    }

    /// A Unix socket, by its path.
    pub fn socket(side: Side, path: impl AsRef<[u8]>) -> Self {
        Self {
            socket: Some((side, path.as_ref().to_owned())),
            ..Self::default()
        }
    }
}

impl VnodeType {
    pub(crate) fn of_symbol(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "REGULAR-FILE" => Self::RegularFile,
            "DIRECTORY" => Self::Directory,
            "SYMLINK" => Self::Symlink,
            "CHARACTER-DEVICE" => Self::CharacterDevice,
            "BLOCK-DEVICE" => Self::BlockDevice,
            "FIFO" => Self::Fifo,
            "SOCKET" => Self::Socket,
            "TTY" => Self::Tty,
            _ => return None,
        })
    }
}
