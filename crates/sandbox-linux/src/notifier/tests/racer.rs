//! The attacker: one thread makes calls, another one rewrites what their arguments point to.

use std::ffi::CStr;
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
}

const ALL: [Race; 6] = [
    Race::Open,
    Race::MakeDirectory,
    Race::MakeLink,
    Race::Link,
    Race::Rename,
    Race::Parent,
];

/// An ordinary name, and a protected one, of one word each: so that a name is swapped at once.
const PLAIN: [u8; 8] = *b"plain\0\0\0";
const PROTECTED: [u8; 8] = *b".envrc\0\0";

/// What the calls point to.
static NAME: AtomicU64 = AtomicU64::new(u64::from_ne_bytes(PLAIN));
static IS_OVER: AtomicBool = AtomicBool::new(false);

impl Race {
    pub(super) fn name(self) -> String {
        format!("{self:?}")
    }

    /// Whether what is protected is there.
    pub(super) fn is_won(self, workspace: &Path) -> bool {
        let protected = match self {
            Self::Parent => ".git/config",
            _ => ".envrc",
        };
        workspace.join(protected).symlink_metadata().is_ok()
    }

    fn call(self) {
        let path = NAME.as_ptr().expose_provenance();
        let (target, source) = (address(c"target"), address(c"source"));
        let create = (O_CREAT | O_WRONLY).cast_unsigned() as usize;
        let made = match self {
            Self::Open => make(libc::SYS_openat, [HERE, path, create, 0o600, 0]),
            Self::MakeDirectory => make(libc::SYS_mkdirat, [HERE, path, 0o700, 0, 0]),
            Self::MakeLink => make(libc::SYS_symlinkat, [target, HERE, path, 0, 0]),
            Self::Link => make(libc::SYS_linkat, [HERE, source, HERE, path, 0]),
            Self::Rename => make(libc::SYS_renameat2, [HERE, source, HERE, path, 0]),
            Self::Parent => make(
                libc::SYS_openat,
                [HERE, address(c"d/config"), create, 0o600, 0],
            ),
        };
        if made > 0 {
            make(
                libc::SYS_close,
                [usize::try_from(made).unwrap(), 0, 0, 0, 0],
            );
        }
    }

    /// Removes what an ordinary call has made.
    fn clean(self) {
        let _ = std::fs::remove_dir("plain");
        let _ = std::fs::remove_file("plain");
        if matches!(self, Self::Link | Self::Rename) && !Path::new("source").is_file() {
            let _ = std::fs::write("source", "");
        }
        let _ = std::fs::remove_file("real/config");
    }

    /// What the other thread does meanwhile.
    fn disturb(self) {
        if self != Self::Parent {
            NAME.store(u64::from_ne_bytes(PROTECTED), Ordering::SeqCst);
            NAME.store(u64::from_ne_bytes(PLAIN), Ordering::SeqCst);
            return;
        }
        let exchange = libc::RENAME_EXCHANGE as usize;
        let names = [HERE, address(c"d"), HERE, address(c"e"), exchange];
        make(libc::SYS_renameat2, names);
    }
}

const HERE: usize = AT_FDCWD.cast_unsigned() as usize;

fn address(text: &'static CStr) -> usize {
    text.as_ptr().expose_provenance()
}

fn make(number: libc::c_long, args: [usize; 5]) -> libc::c_long {
    let [first, second, third, fourth, fifth] = args;
    // SAFETY: what is passed as a path is a literal, or a word that ends in NUL whatever was written to it.
    unsafe { libc::syscall(number, first, second, third, fourth, fifth) }
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
    let here = Path::new(".");
    std::fs::write("source", "").unwrap();
    std::fs::create_dir(".git").unwrap();
    std::fs::create_dir("d").unwrap();
    std::os::unix::fs::symlink(".git", "e").unwrap();
    thread::spawn(move || {
        while !IS_OVER.load(Ordering::Relaxed) {
            race.disturb();
        }
    });
    for _ in 0..rounds {
        race.call();
        if race.is_won(here) {
            exit(42);
        }
        race.clean();
    }
    IS_OVER.store(true, Ordering::Relaxed);
    exit(0);
}
