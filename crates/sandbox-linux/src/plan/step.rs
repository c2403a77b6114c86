//! One thing that init does before the first command. What it does is all in its fields.

use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use sandbox_core::{above, escaped};

use crate::{landlock, wire};

/// One thing that init does before the first command.
///
/// ```
/// use sandbox_linux::{HostFacts, Plan, Step};
/// # use sandbox_core::{Context, Policy, Preset, Ruleset};
/// # let ruleset = Ruleset::resolve(&Policy::preset(Preset::ReadOnly), &Context::new("/"))?;
/// let plan = Plan::compile(&ruleset, &HostFacts::complete())?;
/// assert!(matches!(plan.steps().first(), Some(Step::MapIds { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Maps the user and the group to themselves, and nobody else (`user_namespaces(7)`).
    MapIds {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
    /// Makes a network of the sandbox's own.
    Network,
    /// Asks the kernel something about it.
    Netlink(super::NetworkRequest),
    /// Opens the gateway's sockets, for the caller to serve.
    Doors {
        /// Those for datagrams of UDP, too.
        datagrams: bool,
    },
    /// Cuts the mounts off from the host's.
    Private,
    /// Takes a copy of a host tree, to be put somewhere.
    Take {
        /// The tree.
        path: PathBuf,
        /// Under which number it waits.
        slot: u32,
        /// What cannot be done in it.
        attributes: MountAttributes,
        /// It is one of many names in a directory, and the host may have removed it meanwhile: then what is put there is
        /// empty.
        may_be_gone: bool,
    },
    /// Restricts the whole tree, in place.
    Restrict {
        /// What cannot be done in it.
        attributes: MountAttributes,
    },
    /// Makes a private root, in which the view is assembled.
    NewRoot,
    /// Puts a tree that was taken into the view.
    Put {
        /// Where.
        path: PathBuf,
        /// Its number.
        slot: u32,
    },
    /// Mounts what is there over itself, with other attributes.
    Rebind {
        /// Where.
        path: PathBuf,
        /// What cannot be done in it.
        attributes: MountAttributes,
    },
    /// Mounts an empty directory of the sandbox's own.
    Scratch {
        /// Where.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// It is a file system of its own, which is gone when the host takes the directory away.
        apart: bool,
        /// What cannot be done in it.
        attributes: MountAttributes,
    },
    /// Keeps hold of the host's directory below a private one that was mounted over it, and of that.
    Keep {
        /// Where.
        path: PathBuf,
        /// Under which number.
        slot: u32,
    },
    /// Hides a directory that was put together, when it is there no more.
    Close {
        /// Where.
        path: PathBuf,
    },
    /// Lets a directory be written, once it is there, in one that can only be read.
    Open {
        /// Where.
        path: PathBuf,
    },
    /// Puts an empty node over a hidden name.
    Cover {
        /// The name.
        path: PathBuf,
        /// What it looks like.
        cover: crate::Cover,
    },
    /// Mounts the devices of a private `/dev` over the file system that they lie in: the nodes that covers are copies of stay
    /// below, out of reach.
    Raise {
        /// Where.
        path: PathBuf,
    },
    /// Makes a directory in a private one.
    Directory {
        /// Where.
        path: PathBuf,
    },
    /// Makes an empty file in a private directory, to mount something over.
    File {
        /// Where.
        path: PathBuf,
    },
    /// Makes a symbolic link in a private directory.
    Link {
        /// Where.
        path: PathBuf,
        /// Where it points to.
        target: PathBuf,
    },
    /// Makes the sandbox's own `/proc`, to be put somewhere.
    Proc {
        /// Under which number it waits.
        slot: u32,
        /// What cannot be done in it.
        attributes: MountAttributes,
    },
    /// Makes the sandbox's own `/dev`, to be put somewhere, and in it the nodes that covers are copies of.
    Devices {
        /// Under which number it waits.
        slot: u32,
        /// What cannot be done in it.
        attributes: MountAttributes,
        /// What is in it: steps with it as their root.
        contents: Vec<Self>,
    },
    /// Makes a table of names, which is put where the host's is hidden.
    Hosts {
        /// As in hosts(5).
        table: String,
    },
    /// Makes terminals of the sandbox's own, to be put somewhere.
    Terminals {
        /// Under which number they wait.
        slot: u32,
    },
    /// Makes a private file system read-only.
    Freeze {
        /// Where.
        path: PathBuf,
    },
    /// Makes the assembled root `/`.
    EnterRoot,
    /// Copies all of it for the commands, locked together: what is mounted over a name stays there for whoever has a descriptor
    /// of the directory, also when this sandbox has ended (`mount_namespaces(7)`).
    Lock,
    /// Starts a Landlock ruleset.
    Landlock {
        /// The file rights that are denied unless granted.
        files: u64,
        /// What the commands are kept away from outside; `None` before ABI 6.
        scopes: Option<u64>,
        /// Of the rights that are granted those that no command gets: the notifier makes such calls in its place. 0 where there is none.
        performed: u64,
    },
    /// Grants Landlock rights below a path.
    Grant {
        /// The path.
        path: PathBuf,
        /// The rights.
        rights: u64,
    },
    /// Grants Landlock rights in a directory in which rules open names: to the notifier, which makes these in a command's place.
    GrantOpening {
        /// The directory.
        path: PathBuf,
        /// The rights.
        rights: u64,
        /// Those of them that commands have as well.
        own: u64,
    },
    /// Grants Landlock rights on the sandbox's own message queues (`mq_overview(7)`), which lie below no path.
    GrantQueues {
        /// The rights.
        rights: u64,
    },
    /// Bounds a resource of the commands.
    Limit {
        /// Which.
        resource: Resource,
        /// By how much.
        bound: u64,
    },
    /// Keeps the numbers of processes below a bound, and with them how many there are at a time.
    Numbers {
        /// The first that none gets.
        below: u32,
    },
    /// The filter that each command gets.
    Filter(Box<crate::Filter>),
    /// Watches names for what the host makes or replaces there, and does these steps again.
    Watch {
        /// Covers, rebinds, scratch directories, and directories that were put together.
        names: super::Watched,
        /// The view is a copy of another's, in which something may be undone already: not even the first command starts before
        /// a look.
        is_copy: bool,
    },
    /// Shows what the host adds to directories that were put together.
    Follow {
        /// What cannot be done in what is added.
        attributes: MountAttributes,
        /// The most names of one: what has more stays as it is.
        most: u32,
        /// Which.
        directories: Vec<Followed>,
    },
}

/// A directory that was put together and shows what the host adds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Followed {
    /// Where.
    pub path: PathBuf,
    /// The number of the [kept](Step::Keep) directory that it is, or lies in.
    pub slot: u32,
    /// Where in that.
    pub(crate) below: PathBuf,
    /// The host's directory: device, inode, and when it was made in seconds and nanoseconds.
    pub identity: [u64; 4],
    /// Names that stay as they are.
    pub fixed: Vec<OsString>,
    /// What is at these names, and not to be shown under another one.
    pub taken: Vec<[u64; 4]>,
}

impl Followed {
    /// Whether what is at `path` is what the host has there at any time.
    pub(crate) fn may_change(&self, path: &Path) -> bool {
        let name = sandbox_core::name(path);
        above(path) == Some(&*self.path)
            && self
                .fixed
                .binary_search_by(|fixed| (**fixed).cmp(name))
                .is_err()
    }
}

/// What cannot be done in a mount (`mount_setattr(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountAttributes(pub(crate) u64);

impl MountAttributes {
    const RDONLY: u64 = 1;
    const NOSUID: u64 = 2;
    const NODEV: u64 = 4;
    const NOEXEC: u64 = 8;

    /// Set-user-ID programs and device nodes mean nothing.
    pub(crate) const WRITABLE: Self = Self(Self::NOSUID | Self::NODEV);
    /// Nothing can be changed either.
    pub(crate) const READ_ONLY: Self = Self(Self::RDONLY | Self::NOSUID | Self::NODEV);
    /// Device nodes work, and nothing can be executed.
    pub(crate) const DEVICES: Self = Self(Self::NOSUID | Self::NOEXEC);
    /// A device node of the host, whose mode and times stay as they are: to open it for writing needs no writable mount.
    pub(crate) const DEVICE: Self = Self(Self::DEVICES.0 | Self::RDONLY);
    /// Nothing but data, and nothing can be changed.
    pub(crate) const READ_ONLY_DATA: Self =
        Self(Self::RDONLY | Self::NOSUID | Self::NODEV | Self::NOEXEC);

    /// Whether nothing can be changed.
    #[must_use]
    pub const fn is_read_only(self) -> bool {
        self.0 & Self::RDONLY != 0
    }

    /// Whether nothing can be executed.
    #[must_use]
    pub const fn is_no_exec(self) -> bool {
        self.0 & Self::NOEXEC != 0
    }

    /// Those of a tree of the host.
    pub(crate) const fn of_tree(writable: bool) -> Self {
        if writable {
            Self::WRITABLE
        } else {
            Self::READ_ONLY
        }
    }
}

/// What a [`Step::Limit`] bounds (`getrlimit(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resource {
    /// Bytes of a core file.
    Core,
    /// Bytes of private writable memory of one process.
    Data,
    /// Processes of the user.
    Processes,
    /// Open files of one process.
    OpenFiles,
}

impl Resource {
    /// The kernel's number (include/uapi/asm-generic/resource.h).
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Data => 2,
            Self::Core => 4,
            Self::Processes => 6,
            Self::OpenFiles => 7,
        }
    }
}

impl Step {
    /// The ports of loopback from which the gateway is to get connections, too, if it is about that.
    pub(crate) fn captured_loopback(&self) -> Option<Vec<RangeInclusive<u16>>> {
        match self {
            Self::Netlink(super::NetworkRequest::Capture { loopback, .. }) => {
                Some(loopback.clone())
            }
            _ => None,
        }
    }

    /// The path that the step is about.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Take { path, .. }
            | Self::Put { path, .. }
            | Self::Rebind { path, .. }
            | Self::Scratch { path, .. }
            | Self::Keep { path, .. }
            | Self::Close { path }
            | Self::Open { path }
            | Self::Cover { path, .. }
            | Self::Directory { path }
            | Self::File { path }
            | Self::Link { path, .. }
            | Self::Freeze { path }
            | Self::Raise { path }
            | Self::Grant { path, .. }
            | Self::GrantOpening { path, .. } => Some(path),
            Self::Proc { .. } => Some(Path::new("/proc")),
            Self::Devices { .. } => Some(Path::new("/dev")),
            Self::Terminals { .. } => Some(Path::new("/dev/pts")),
            _ => None,
        }
    }

    /// What the step does, as words that follow "cannot".
    pub(crate) const fn action(&self) -> &'static str {
        match self {
            Self::MapIds { .. } => "map the user into the sandbox",
            Self::Network => "make a network of its own",
            Self::Netlink(request) => request.action(),
            Self::Doors { .. } => "open the gateway's sockets",
            Self::Private => "cut the mounts off from the host's",
            Self::Take { .. } => "take",
            Self::Restrict { .. } => "make the file system read-only inside",
            Self::NewRoot => "make a private root",
            Self::Put { .. } => "show",
            Self::Rebind { .. } => "restrict",
            Self::Scratch { .. } => "mount a private directory at",
            Self::Keep { .. } => "keep hold of the host's directory below",
            Self::Close { .. } | Self::Cover { .. } => "hide",
            Self::Open { .. } => "let be written",
            Self::Raise { .. } => "put the devices over their file system at",
            Self::Directory { .. } => "make the directory",
            Self::File { .. } => "make the file",
            Self::Link { .. } => "make the link",
            Self::Proc { .. } | Self::Devices { .. } | Self::Terminals { .. } => {
                "make the sandbox's own"
            }
            Self::Hosts { .. } => "make a table of names",
            Self::Freeze { .. } => "make read-only",
            Self::EnterRoot => "enter the private root",
            Self::Lock => "lock the mounts together",
            Self::Landlock { .. } => "make a Landlock ruleset",
            Self::Grant { .. } | Self::GrantOpening { .. } => "grant by Landlock",
            Self::GrantQueues { .. } => "grant by Landlock the sandbox's own message queues",
            Self::Limit { .. } => "set a limit",
            Self::Numbers { .. } => "keep the numbers of processes",
            Self::Filter(_) => "read the filter",
            Self::Watch { .. } => "watch names",
            Self::Follow { .. } => "follow what the host adds to directories",
        }
    }

    pub(crate) fn directory(&self) -> Option<&Path> {
        above(self.path()?)
    }

    pub(crate) const fn code(&self) -> u32 {
        use wire::step;
        match self {
            Self::MapIds { .. } => step::MAP_IDS,
            Self::Network => step::NETWORK,
            Self::Netlink(_) => step::NETLINK,
            Self::Doors { .. } => step::DOORS,
            Self::Private => step::PRIVATE,
            Self::Take { .. } => step::TAKE,
            Self::Restrict { .. } => step::RESTRICT,
            Self::NewRoot => step::NEW_ROOT,
            Self::Put { .. } => step::PUT,
            Self::Rebind { .. } => step::REBIND,
            Self::Scratch { apart: false, .. } => step::SCRATCH,
            Self::Scratch { apart: true, .. } => step::SCRATCH_APART,
            Self::Close { .. } => step::CLOSED,
            Self::Open { .. } => step::OPENED,
            Self::Keep { .. } => step::KEEP,
            Self::Cover { .. } => step::COVER,
            Self::Raise { .. } => step::RAISE,
            Self::Directory { .. } => step::DIRECTORY,
            Self::File { .. } => step::FILE,
            Self::Link { .. } => step::SYMLINK,
            Self::Proc { .. } => step::PROC,
            Self::Devices { .. } => step::DEVICES,
            Self::Terminals { .. } => step::DEVPTS,
            Self::Hosts { .. } => step::HOSTS,
            Self::Freeze { .. } => step::FREEZE,
            Self::EnterRoot => step::ENTER_ROOT,
            Self::Lock => step::LOCK,
            Self::Landlock { .. } => step::LANDLOCK,
            Self::Grant { .. } => step::GRANT,
            Self::GrantOpening { .. } => step::GRANT_OPENING,
            Self::GrantQueues { .. } => step::GRANT_QUEUES,
            Self::Limit { .. } => step::LIMIT,
            Self::Numbers { .. } => step::NUMBERS,
            Self::Filter(_) => step::FILTER,
            Self::Watch { .. } => step::WATCH,
            Self::Follow { .. } => step::FOLLOW,
        }
    }
}

impl fmt::Display for MountAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::RDONLY, "read-only"),
            (Self::NOSUID, "nosuid"),
            (Self::NODEV, "nodev"),
            (Self::NOEXEC, "noexec"),
        ];
        let set: Vec<&str> = names
            .iter()
            .filter(|(bit, _)| self.0 & bit != 0)
            .map(|(_, name)| *name)
            .collect();
        f.write_str(&set.join(","))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Core => "core file bytes",
            Self::Data => "bytes of memory per process",
            Self::Processes => "processes of the user",
            Self::OpenFiles => "open files per process",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.action())?;
        if let Some(path) = self.path() {
            write!(f, " {}", escaped(path.as_os_str()))?;
        }
        match self {
            Self::MapIds { uid, gid } => write!(f, ": uid {uid}, gid {gid}"),
            Self::Take { attributes, .. }
            | Self::Restrict { attributes }
            | Self::Rebind { attributes, .. }
            | Self::Proc { attributes, .. } => {
                write!(f, " ({attributes})")
            }
            Self::Devices {
                attributes,
                contents,
                ..
            } => {
                write!(f, " ({attributes}) with")?;
                let mut paths = contents.iter().filter_map(Self::path);
                paths.try_for_each(|path| {
                    write!(f, " {}", path.strip_prefix("/").unwrap_or(path).display())
                })
            }
            Self::Scratch {
                mode, attributes, ..
            } => write!(f, " (mode {mode:o}, {attributes})"),
            Self::Link { target, .. } => write!(f, " to {}", escaped(target.as_os_str())),
            Self::Landlock {
                files,
                scopes,
                performed,
            } => {
                write!(f, " for {}", landlock::names(*files))?;
                if let Some(scopes) = scopes {
                    write!(f, "; {} scopes", scopes.count_ones())?;
                }
                if *performed != 0 {
                    write!(f, "; the notifier alone: {}", landlock::names(*performed))?;
                }
                Ok(())
            }
            Self::Grant { rights, .. } | Self::GrantQueues { rights } => {
                write!(f, ": {}", landlock::names(*rights))
            }
            Self::GrantOpening { rights, own, .. } => {
                let (own, rest) = (landlock::names(*own), landlock::names(rights & !own));
                write!(f, ": {own}; the notifier alone: {rest}")
            }
            Self::Limit { resource, bound } => write!(f, ": {bound} {resource}"),
            Self::Numbers { below } => write!(f, " below {below}"),
            Self::Hosts { table } => write!(f, ": {} lines", table.lines().count()),
            Self::Filter(filter) => write!(f, ": {filter}"),
            Self::Watch { names, .. } => {
                let names: Vec<Self> = names.steps().collect();
                let directories = names.chunk_by(|one, other| one.directory() == other.directory());
                let directories = directories.count();
                write!(f, ": {} in {directories} directories", names.len())
            }
            Self::Follow {
                attributes,
                directories,
                ..
            } => {
                write!(f, " ({attributes}):")?;
                let mut paths = directories.iter().map(|it| it.path.as_os_str());
                paths.try_for_each(|path| write!(f, " {}", escaped(path)))
            }
            _ => Ok(()),
        }
    }
}
