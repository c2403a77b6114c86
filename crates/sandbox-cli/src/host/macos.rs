//! macOS. No Mac has run it yet.

use std::fs::File;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::Mode;
use sandbox_core::{Access, Attempt, Verdict};
use sandboxed::{Builder, Error, Ruleset, Sandbox, Unenforceable};

use crate::args::SystemName;
use crate::failure::Failure;

/// This one.
pub(crate) const SYSTEM: SystemName = SystemName::Macos;
/// A directory that is opened for the names in it.
pub(crate) const DIRECTORY: OFlag = OFlag::O_DIRECTORY;
/// Whether a SIGINT of the terminal's can be told from another one's.
pub(crate) const KNOWS_KEYS: bool = false;
/// No component of the path is a link (open(2), since macOS 11).
const NO_LINKS: OFlag = OFlag::from_bits_retain(nix::libc::O_NOFOLLOW_ANY);

/// Whether a person can be asked while the command is stopped: what has left its session is not, and may write to the terminal.
pub(crate) const ASKS: bool = false;

/// A builder of a sandbox that tells of denials as far as that costs nothing: the gateway's. For others another program reads the log of
/// the system, and a moment is waited for it.
pub(crate) fn at_no_cost(builder: Builder) -> Builder {
    builder.without_log()
}

/// The command would have them, too. The gateway holds as many connections as a quarter of those that there are.
pub(crate) fn raise_descriptors() {}

/// Something that this host would lack: nothing here can be lowered.
#[derive(Clone, Debug)]
pub(crate) enum Lowering {}

impl FromStr for Lowering {
    type Err = &'static str;

    fn from_str(_: &str) -> Result<Self, Self::Err> {
        Err("macOS has no facts that could be lowered")
    }
}

/// A signal that ends us early, as Ctrl-\ does, leaves no core: there is the caller's environment in it. Commands have none either.
pub(crate) fn leave_no_core() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
}

/// A builder that takes the host for one that can do less: there is nothing to take away.
pub(crate) fn lower(builder: Builder, _lower: &[Lowering]) -> Builder {
    builder
}

/// Whether a policy can be enforced.
pub(crate) fn check(ruleset: &Ruleset, _lower: &[Lowering]) -> Result<(), Error> {
    Ok(Unenforceable::look_for(ruleset)?)
}

/// The plan of a policy: what Linux has.
pub(crate) fn plan(_ruleset: &Ruleset, _lower: &[Lowering]) -> Result<String, Failure> {
    let what = "profile --os linux";
    Err(Failure::NotHere { what })
}

/// What a person may not expect of hidden paths: a profile goes by names and knows no hard links, so none is told of.
pub(crate) fn tell_of_hidden(_sandbox: &Sandbox) {}

/// Whether a command can write there what is the host's.
pub(crate) fn can_write(sandbox: &Sandbox, path: &Path) -> bool {
    let ruleset = sandbox.ruleset();
    let (access, _) = ruleset.files().access(path);
    access == Access::Write && ruleset.decide(&Attempt::write(path)).verdict == Verdict::Allow
}

/// A descriptor that we were started with: there is no safe way to take one.
pub(crate) fn inherited(_number: RawFd) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Opens a path that no link is part of.
pub(crate) fn open_without_links(path: &Path, flags: OFlag, mode: Mode) -> Result<OwnedFd, Errno> {
    open(path, flags | NO_LINKS, mode)
}

/// The directory of a name, by its path: macOS has none that leads to a descriptor.
pub(crate) fn name_in(_directory: &File, path: &Path) -> PathBuf {
    path.to_owned()
}

/// What Linux's filter can be asked for is not known here.
pub(crate) fn features() -> Vec<(&'static str, &'static str)> {
    Vec::new()
}
