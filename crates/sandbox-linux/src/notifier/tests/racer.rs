//! The attacker: one thread makes calls, another one rewrites what their arguments point to.

use std::ffi::CStr;
use std::os::fd::{FromRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use libc::{AT_FDCWD, O_CREAT, O_WRONLY};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Race {
    Open,
    MakeDirectory,
    MakeLink,
    Link,
    Rename,
    Parent,
    /// The directory that the call begins in is moved to a protected name.
    Move,
    /// The thread's directory changes, which its threads share.
    Directory,
    /// Another directory gets the number of the one that the call names.
    Descriptor,
    Connect,
    Bind,
    /// A directory becomes one of git's by two names that are made at once.
    Complete,
    /// Git's directories are none for a moment, in which a hook is made.
    Restore,
    /// None: ordinary calls, while one waits.
    Run,
}

const ALL: [Race; 14] = [
    Race::Open,
    Race::MakeDirectory,
    Race::MakeLink,
    Race::Link,
    Race::Rename,
    Race::Parent,
    Race::Move,
    Race::Directory,
    Race::Descriptor,
    Race::Connect,
    Race::Bind,
    Race::Complete,
    Race::Restore,
    Race::Run,
];

/// An ordinary name, and a protected one, of one word each: so that a name is swapped at once.
const PLAIN: [u8; 8] = *b"plain\0\0\0";
const PROTECTED: [u8; 8] = *b".envrc\0\0";

/// What the calls point to.
static NAME: AtomicU64 = AtomicU64::new(u64::from_ne_bytes(PLAIN));
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// The same as the address of a Unix socket, whose path is a word by itself.
#[repr(C)]
struct Address {
    before: [u16; 3],
    family: u16,
    path: AtomicU64,
}

static ADDRESS: Address = Address {
    before: [0; 3],
    family: 1,
    path: AtomicU64::new(u64::from_ne_bytes(PLAIN)),
};
const ADDRESS_LENGTH: usize = 10;
/// Whether the socket at the other end was ever the protected one.
static IS_CONNECTED: AtomicBool = AtomicBool::new(false);

impl Race {
    pub(super) fn name(self) -> String {
        format!("{self:?}")
    }

    /// Whether what is protected is there.
    pub(super) fn is_won(self, workspace: &Path) -> bool {
        let protected = match self {
            Self::Connect => return IS_CONNECTED.load(Ordering::Relaxed),
            Self::Complete => return has_both(&workspace.join("d"), "objects"),
            Self::Restore => return has_both(workspace, HOOK),
            Self::Parent | Self::Move | Self::Directory | Self::Descriptor => ".git/hooks",
            _ => ".envrc",
        };
        workspace.join(protected).symlink_metadata().is_ok()
    }

    fn call(self) {
        let path = NAME.as_ptr().expose_provenance();
        let (target, source) = (address(c"target"), address(c"source"));
        let create = (O_CREAT | O_WRONLY).cast_unsigned() as usize;
        let open = |directory, path| {
            make(
                libc::SYS_openat,
                [directory, address(path), create, 0o600, 0],
            )
        };
        let made = match self {
            Self::Open => make(libc::SYS_openat, [HERE, path, create, 0o600, 0]),
            Self::MakeDirectory => make(libc::SYS_mkdirat, [HERE, path, 0o700, 0, 0]),
            Self::MakeLink => make(libc::SYS_symlinkat, [target, HERE, path, 0, 0]),
            Self::Link => make(libc::SYS_linkat, [HERE, source, HERE, path, 0]),
            Self::Rename => make(libc::SYS_renameat2, [HERE, source, HERE, path, 0]),
            Self::Parent => open(HERE, c"d/hooks"),
            Self::Move => open(HERE, c"g/hooks"),
            Self::Directory => open(HERE, c"hooks"),
            Self::Descriptor => open(CHANGING, c"hooks"),
            Self::Connect | Self::Bind => self.call_socket(),
            Self::Complete => open(HERE, c"d/HEAD"),
            Self::Restore => {
                let head = address(c"HEAD");
                make(
                    libc::SYS_renameat2,
                    [HERE, address(c"source"), HERE, head, 0],
                )
            }
            Self::Run => open(HERE, c"plain"),
        };
        if made > 0 {
            make(
                libc::SYS_close,
                [usize::try_from(made).unwrap(), 0, 0, 0, 0],
            );
        }
    }

    /// A descriptor.
    fn call_socket(self) -> libc::c_long {
        let (unix, stream) = (libc::AF_UNIX as usize, libc::SOCK_STREAM as usize);
        let socket = make(libc::SYS_socket, [unix, stream, 0, 0, 0]);
        let number = usize::try_from(socket).unwrap();
        let address = (&raw const ADDRESS.family).expose_provenance();
        let call = match self {
            Self::Connect => libc::SYS_connect,
            _ => libc::SYS_bind,
        };
        if make(call, [number, address, ADDRESS_LENGTH, 0, 0]) == 0 && self == Self::Connect {
            // SAFETY: `make` returned it, and nobody else closes it.
            let stream = unsafe { UnixStream::from_raw_fd(socket.try_into().unwrap()) };
            let peer = stream.peer_addr().unwrap();
            if peer.as_pathname().unwrap().ends_with(".envrc") {
                IS_CONNECTED.store(true, Ordering::Relaxed);
            }
            return 0;
        }
        socket
    }

    /// Removes what an ordinary call has made.
    fn clean(self, workspace: &Path) {
        if self == Self::Connect {
            return;
        }
        let at = |name| workspace.join(name);
        for name in ["plain", "d/objects"] {
            let _ = std::fs::remove_dir(at(name));
        }
        for name in ["plain", "hooks", "g/hooks", "d/HEAD"] {
            let _ = std::fs::remove_file(at(name));
        }
        if matches!(self, Self::Link | Self::Rename) && !at("source").is_file() {
            let _ = std::fs::write(at("source"), "");
        }
    }

    /// What the other thread does meanwhile.
    fn disturb(self) {
        let rename = |from, to, flags| {
            let names = [HERE, address(from), HERE, address(to), flags];
            make(libc::SYS_renameat2, names)
        };
        match self {
            Self::Parent => {
                rename(c"d", c"e", libc::RENAME_EXCHANGE as usize);
            }
            Self::Move => {
                rename(c"g", c".git", 0);
                rename(c".git", c"g", 0);
            }
            Self::Directory => {
                make(libc::SYS_chdir, [address(c".git"), 0, 0, 0, 0]);
                make(libc::SYS_chdir, [address(c".."), 0, 0, 0, 0]);
            }
            Self::Descriptor => {
                make(libc::SYS_dup3, [OF_GIT, CHANGING, 0, 0, 0]);
                make(libc::SYS_dup3, [OF_WORKSPACE, CHANGING, 0, 0, 0]);
            }
            Self::Complete => {
                make(
                    libc::SYS_mkdirat,
                    [HERE, address(c"d/objects"), 0o700, 0, 0],
                );
            }
            Self::Restore => {
                make(libc::SYS_unlinkat, [HERE, address(c"HEAD"), 0, 0, 0]);
                let create = (O_CREAT | O_WRONLY).cast_unsigned() as usize;
                let made = make(
                    libc::SYS_openat,
                    [HERE, address(c"hooks/update"), create, 0o600, 0],
                );
                if let Ok(made @ 1..) = usize::try_from(made) {
                    make(libc::SYS_close, [made, 0, 0, 0, 0]);
                }
            }
            Self::Run => thread::yield_now(),
            _ => {
                for name in [&NAME, &ADDRESS.path] {
                    name.store(u64::from_ne_bytes(PROTECTED), Ordering::SeqCst);
                    name.store(u64::from_ne_bytes(PLAIN), Ordering::SeqCst);
                }
            }
        }
    }
}

const HERE: usize = AT_FDCWD.cast_unsigned() as usize;
/// Numbers of directories.
const OF_WORKSPACE: usize = 100;
const OF_GIT: usize = 101;
const CHANGING: usize = 102;

fn address(text: &'static CStr) -> usize {
    text.as_ptr().expose_provenance()
}

fn make(number: libc::c_long, args: [usize; 5]) -> libc::c_long {
    let [first, second, third, fourth, fifth] = args;
    // SAFETY: what is passed as a path is a literal, or a word that ends in NUL whatever was written to it.
    unsafe { libc::syscall(number, first, second, third, fourth, fifth) }
}

/// What git runs in a directory that it takes for its own.
const HOOK: &str = "hooks/update";

/// One that the host has.
fn repository(directory: &Path) -> Option<std::path::PathBuf> {
    directory
        .join("objects")
        .is_dir()
        .then(|| directory.to_owned())
}

fn has_both(directory: &Path, other: &str) -> bool {
    let has = |name| directory.join(name).symlink_metadata().is_ok();
    has("HEAD") && has(other)
}

/// Ends with 42 once it has won, and with 0 after all rounds.
#[expect(clippy::exit, reason = "a program of its own, inside")]
pub(super) fn run() {
    let Ok(order) = std::env::var("SANDBOX_TEST_RACE") else {
        return;
    };
    let (name, rounds) = order.split_once(' ').unwrap();
    let race = ALL.into_iter().find(|race| race.name() == name).unwrap();
    let rounds: u32 = rounds.parse().unwrap();
    let here = std::env::current_dir().unwrap();
    std::fs::write("source", "").unwrap();
    for name in [".git", "d", "g"] {
        std::fs::create_dir(name).unwrap();
    }
    std::os::unix::fs::symlink(".git", "e").unwrap();
    for (directory, number) in [(".", OF_WORKSPACE), (".git", OF_GIT), (".", CHANGING)] {
        let opened = std::fs::File::open(directory).unwrap();
        let opened = usize::try_from(opened.into_raw_fd()).unwrap();
        make(libc::SYS_dup3, [opened, number, 0, 0, 0]);
    }
    let fifo = |flags: i32| {
        let flags = flags.cast_unsigned() as usize;
        make(libc::SYS_openat, [HERE, address(c"fifo"), flags, 0, 0])
    };
    let waits = (race == Race::Run).then(|| {
        make(
            libc::SYS_mknodat,
            [HERE, address(c"fifo"), libc::S_IFIFO as usize | 0o600, 0, 0],
        );
        thread::spawn(move || fifo(O_WRONLY))
    });
    thread::spawn(move || {
        while !IS_OVER.load(Ordering::Relaxed) {
            race.disturb();
        }
    });
    let mut repositories = std::fs::read_dir(&here).unwrap();
    for _ in 0..rounds {
        let mut at = here.clone();
        if race == Race::Restore {
            let Some(next) = repositories.find_map(|entry| repository(&entry.ok()?.path())) else {
                break;
            };
            at = next;
            nix::unistd::chdir(&at).unwrap();
        }
        race.call();
        if race.is_won(&at) {
            exit(42);
        }
        race.clean(&at);
    }
    IS_OVER.store(true, Ordering::Relaxed);
    if let Some(waits) = waits {
        assert!(fifo(libc::O_RDONLY) > 0);
        assert!(waits.join().unwrap() > 0);
    }
    exit(0);
}
