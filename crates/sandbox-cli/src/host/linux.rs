//! Linux.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::Mode;
use sandbox_linux::Inside;
use sandbox_linux::filter::Feature;
pub(crate) use sandboxed::Lowering;
use sandboxed::{Builder, Error, HostFacts, Plan, Ruleset, Sandbox};

use crate::args::SystemName;
use crate::failure::Failure;
use crate::render;

/// This one.
pub(crate) const SYSTEM: SystemName = SystemName::Linux;
/// A directory that is opened for the names in it.
pub(crate) const DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY);
/// Whether a SIGINT of the terminal's can be told from another one's.
pub(crate) const KNOWS_KEYS: bool = true;

/// A signal that ends us early, as Ctrl-\ does, leaves no core: there is the caller's environment in it.
pub(crate) fn leave_no_core() {
    let _ = set_dumpable(false);
}

/// Whether a person can be asked while the command is stopped: all of it is.
pub(crate) const ASKS: bool = true;

/// A builder of a sandbox that tells of denials as far as that costs nothing: of all.
pub(crate) fn at_no_cost(builder: Builder) -> Builder {
    builder
}

/// As many descriptors as there can be: the gateway holds only as many connections as a quarter of them. The command has the
/// limit that we were given, since its first process has been made.
pub(crate) fn raise_descriptors() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// What this host can do, less what is pretended that it cannot.
pub(crate) fn lowered(lower: &[Lowering]) -> HostFacts {
    lower.iter().fold(HostFacts::detect(), |facts, lowering| {
        facts.lowered(lowering)
    })
}

/// A builder that takes the host for one that can do less.
pub(crate) fn lower(builder: Builder, lower: &[Lowering]) -> Builder {
    builder.facts(lowered(lower))
}

/// Whether a policy can be enforced.
pub(crate) fn check(ruleset: &Ruleset, lower: &[Lowering]) -> Result<(), Error> {
    let _ = Plan::compile(ruleset, &lowered(lower))?;
    Ok(())
}

/// The plan of a policy, as text.
pub(crate) fn plan(ruleset: &Ruleset, lower: &[Lowering]) -> Result<String, Failure> {
    let plan = Plan::compile(ruleset, &lowered(lower)).map_err(Error::from)?;
    Ok(format!("{plan}\n"))
}

/// What a person may not expect of hidden paths.
pub(crate) fn tell_of_hidden(sandbox: &Sandbox) {
    const MOST: usize = 8;
    let paths = sandbox.plan().hard_links();
    for path in paths.iter().take(MOST) {
        render::note(&format!(
            "`{}` is hidden, and has a hard link under another name, which is not",
            path.display()
        ));
    }
    if let Some(more @ 1..) = paths.len().checked_sub(MOST) {
        render::note(&format!("so have {more} more hidden files"));
    }
}

/// Whether a command can write there what is the host's. The rules alone don't tell: what is written in a private directory is not.
pub(crate) fn can_write(sandbox: &Sandbox, path: &Path) -> bool {
    sandbox.plan().inside(path) == (Inside::Host { writable: true })
}

/// A descriptor that we were started with.
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    sandbox_linux::inherited(number)
}

/// Opens a path that no link is part of.
pub(crate) fn open_without_links(path: &Path, flags: OFlag, mode: Mode) -> Result<OwnedFd, Errno> {
    let how = OpenHow::new()
        .flags(flags)
        .mode(mode)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(AT_FDCWD.as_fd(), path, how)
}

/// A name in a directory that was opened, whatever the path of that leads to meanwhile.
pub(crate) fn name_in(directory: &File, _path: &Path) -> PathBuf {
    Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string())
}

/// What the kernel's filter can be asked for, each with what it opens.
pub(crate) fn features() -> Vec<(&'static str, &'static str)> {
    let features = Feature::ALL.iter();
    features
        .map(|feature| (feature.name(), feature.opens()))
        .collect()
}
