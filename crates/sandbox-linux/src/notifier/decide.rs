//! Whether a name may be made or written, and a socket connected to: the rules' own answer, where the mounts would let it pass.
//!
//! What no mount lets pass is left to the kernel, whose errnos programs know. It is asked only where the mount itself says that it
//! is read-only, so that each of the two holds without the other.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, fstatfs,
};
use nix::sys::statvfs::{FsFlags, fstatvfs};
use sandbox_core::{
    Attempt, GitDenial, GitFile, GitLink, Opening, Ruleset, Verdict, is_within, upwards,
};

use super::resolve::Name;
use super::root::Root;
use crate::filter::Feature;
use crate::plan::{self, Watched};
use crate::sys::notify;
use crate::view::{LiveKind, Node, View};

/// The names that the rules let a command make and write.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    ruleset: Ruleset,
    view: Arc<View>,
    are_decided: bool,
    are_sockets_decided: bool,
    /// What may be made in directories that can't be written.
    openings: Vec<Opening>,
    /// What is watched besides, once somebody has asked.
    later: OnceLock<Watched>,
    /// Those of a notifier that lets calls go on, which the tests attack as well.
    #[cfg(test)]
    pub(super) is_naive: bool,
}

/// Who holds what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The rules allow it on the host.
    Allowed,
    /// It is the sandbox's own, or on a mount that is read-only.
    TheKernels,
}

impl Names {
    /// Those of `ruleset`.
    pub(crate) fn new(ruleset: &Ruleset, view: &Arc<View>) -> Self {
        let is_writable = |node: &Node| {
            matches!(
                node,
                Node::Live {
                    writable: true,
                    kind: LiveKind::Directory
                }
            )
        };
        let openings = openings(ruleset, view);
        Self {
            ruleset: ruleset.clone(),
            view: Arc::clone(view),
            are_decided: !openings.is_empty() || view.nodes().any(|(_, node)| is_writable(node)),
            openings,
            are_sockets_decided: !ruleset.opens_each_socket(),
            later: OnceLock::new(),
            #[cfg(test)]
            is_naive: false,
        }
    }

    /// What may be made in directories that can't be written.
    pub(crate) fn openings(&self) -> &[Opening] {
        &self.openings
    }

    /// What opens a path that may be made, and written, where its mount is read-only: rules about its name, or about what it lies in.
    pub(crate) fn opened<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Opening> {
        let is_opened = || self.own(path).is_none() && self.verdict(path) == Verdict::Allow;
        let openings = self.openings.iter();
        openings.filter(move |opening| is_within(path, &opening.path) && is_opened())
    }

    /// Whether it lies in a directory that rules let be made, and may not be written.
    pub(crate) fn denies_in_made(&self, path: &Path) -> bool {
        let mut made = self.openings.iter().filter_map(Opening::made);
        made.any(|made| is_within(path, made)) && self.denies(path)
    }

    /// Whether something of the host's is writable.
    pub(crate) const fn are_decided(&self) -> bool {
        self.are_decided
    }

    /// Whether there may be a socket that can be seen and not be connected to.
    pub(crate) const fn are_sockets_decided(&self) -> bool {
        self.are_sockets_decided
    }

    /// Whether there is something to decide.
    pub(crate) const fn are_needed(&self) -> bool {
        self.are_decided || self.are_sockets_decided
    }

    /// Whether the policy allows a part of the kernel.
    pub(crate) fn allows(&self, feature: Feature) -> bool {
        let features = &self.ruleset.system().features;
        features.contains_key(feature.name())
    }

    /// What lies over protected names once the host makes them. Every path has been told to init, but for its last names.
    pub(super) fn later(&self) -> &[u8] {
        // Nothing in it can fail: the directories have been encoded in the plan, and the names are those of the table.
        let later = || plan::later(&self.ruleset, &self.view, &self.openings).unwrap_or_default();
        self.later.get_or_init(later).as_bytes()
    }

    #[cfg(test)]
    pub(super) fn naive(&self) -> Self {
        Self {
            is_naive: true,
            ..self.clone()
        }
    }

    /// Whether the rules deny a name of the host's.
    pub(crate) fn denies(&self, path: &Path) -> bool {
        self.own(path).is_none() && self.verdict(path) != Verdict::Allow
    }

    /// The same for anything but a directory.
    pub(super) fn denies_file(&self, path: &Path) -> bool {
        self.denies(path)
            || self.ruleset.leads_to_protected(path)
            || !self.ruleset.may_link(path, OsStr::new(""))
    }

    fn verdict(&self, path: &Path) -> Verdict {
        self.ruleset.decide(&Attempt::write(path)).verdict
    }

    /// Whether something may be made or written at `path`, which lies where `place` is: that itself, or its directory.
    pub(super) fn write(&self, path: &Path, place: BorrowedFd<'_>) -> Result<Answer, Errno> {
        match self.own(path) {
            // The host has removed what it lay on, and with it the mount, until somebody has seen that.
            Some(Node::Scratch) if !is_private(place) => return Err(Errno::EACCES),
            Some(_) => return Ok(Answer::TheKernels),
            None => {}
        }
        match self.verdict(path) {
            Verdict::Allow => Ok(Answer::Allowed),
            // No mount keeps anybody from writing to what is no file (mount(2)).
            _ if is_read_only(place) && is_stored(place) => Ok(Answer::TheKernels),
            _ => Err(Errno::EACCES),
        }
    }

    /// As [`write`](Self::write), for a directory that is made: git's own for hooks may be, and nothing in it decides for itself.
    pub(super) fn make_directory(
        &self,
        path: &Path,
        place: BorrowedFd<'_>,
    ) -> Result<Answer, Errno> {
        match self.write(path, place) {
            Ok(Answer::Allowed) => Ok(Answer::Allowed),
            _ if self.ruleset.git_file(path) == Some(GitFile::Hooks) => Ok(Answer::Allowed),
            answer => answer,
        }
    }

    /// As [`write`](Self::write), for anything but a directory: what is no directory where one is looked for says where to look instead.
    pub(super) fn write_file(&self, path: &Path, place: BorrowedFd<'_>) -> Result<Answer, Errno> {
        match self.write(path, place) {
            Ok(Answer::Allowed) if self.ruleset.leads_to_protected(path) => Err(Errno::EACCES),
            Ok(Answer::Allowed) => Ok(Answer::Allowed),
            _ if self.ruleset.git_file(path) == Some(GitFile::Sample) => Ok(Answer::Allowed),
            answer => answer,
        }
    }

    /// As [`write_file`](Self::write_file), for a symbolic link.
    pub(super) fn link_to(
        &self,
        path: &Path,
        place: BorrowedFd<'_>,
        target: &OsStr,
    ) -> Result<Answer, Errno> {
        match self.write_file(path, place)? {
            Answer::Allowed if !self.ruleset.may_link(path, target) => Err(Errno::EACCES),
            answer => Ok(answer),
        }
    }

    /// Denies another spelling of a protected name in a directory that takes it for the same.
    pub(super) fn tell_apart(&self, path: &Path, directory: BorrowedFd<'_>) -> Result<(), Errno> {
        if self.ruleset.protects_alike(path) && self.own(path).is_none() && folds(directory) {
            Err(Errno::EACCES)
        } else {
            Ok(())
        }
    }

    /// Whether a path that nothing tells the directory of is no other spelling of a protected one.
    pub(super) fn is_plain(&self, path: &Path) -> bool {
        !self.ruleset.protects_alike(path)
    }

    /// Whether a socket may be connected to: it is the sandbox's own, or may be written. No mount keeps anybody from it.
    pub(super) fn connect(&self, path: &Path, place: BorrowedFd<'_>) -> Result<(), Errno> {
        let is_allowed = match self.own(path) {
            // No private one is read-only; what the host has where one lay, until somebody has seen that it is gone, mostly is.
            Some(Node::Scratch) => is_private(place) && !is_read_only(place),
            // What was put into the private `/dev` is the host's.
            Some(Node::Live { .. }) | None => {
                self.ruleset.decide(&Attempt::socket(path)).verdict == Verdict::Allow
            }
            Some(_) => true,
        };
        is_allowed.then_some(()).ok_or(Errno::EACCES)
    }

    /// Whether a rename changes nothing for the names below. Whoever is told EXDEV copies, and each name is decided.
    pub(super) fn keeps(&self, from: &Path, to: &Path) -> Result<(), Errno> {
        if self.ruleset.keeps_names(from, to) {
            Ok(())
        } else {
            Err(Errno::EXDEV)
        }
    }

    /// Whether it is on the host.
    pub(super) fn is_hosts(&self, path: &Path) -> bool {
        self.own(path).is_none()
    }

    /// What is at this path, if it is one of git's files whose content decides.
    pub(super) fn git_file(&self, path: &Path) -> Option<GitFile> {
        self.ruleset.git_file(path)
    }

    /// What a person's own template has for a path in a repository.
    pub(super) fn git_template(&self, path: &Path) -> Option<PathBuf> {
        self.ruleset.git_template(path)
    }

    /// What a file `.git` in a directory becomes.
    pub(super) fn git_link(&self, directory: &Path, content: &[u8]) -> Result<GitLink, GitDenial> {
        self.ruleset.git_link(directory, content)
    }

    /// What of the sandbox's own it lies in: private directories, with the links that are made there, `/dev`, `/proc`.
    fn own(&self, path: &Path) -> Option<&Node> {
        let mut nodes = upwards(path).filter_map(|above| self.view.node(above));
        let node = nodes.find(|node| !matches!(node, Node::Link { .. }));
        node.filter(|node| match node {
            Node::Scratch | Node::Devices | Node::Processes => true,
            Node::Live { kind, .. } => *kind == LiveKind::Device,
            _ => false,
        })
    }
}

/// Equal where they come from the same rules and view, which is what a plan is compared by.
impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.view == other.view
    }
}

impl Eq for Names {}

/// What the rules open by its name in read-only directories of the host's.
fn openings(ruleset: &Ruleset, view: &View) -> Vec<Opening> {
    let is_read_only = |opening: &Opening| {
        matches!(
            view.node_of(&opening.directory),
            Some((
                _,
                Node::Live {
                    writable: false,
                    kind: LiveKind::Directory
                }
            ))
        )
    };
    let mut openings = ruleset.openings();
    openings.retain(is_read_only);
    openings
}

/// Whether the mount that it lies on is.
pub(super) fn is_read_only(place: BorrowedFd<'_>) -> bool {
    fstatvfs(place).is_ok_and(|stat| stat.flags().contains(FsFlags::ST_RDONLY))
}

/// Whether it is a directory or a file, and no FIFO or device.
fn is_stored(place: BorrowedFd<'_>) -> bool {
    let kind = fstat(place).map(|stat| stat.st_mode & libc::S_IFMT);
    matches!(kind, Ok(libc::S_IFDIR | libc::S_IFREG | libc::S_IFLNK))
}

/// Whether it lies in memory, as every private directory does.
fn is_private(place: BorrowedFd<'_>) -> bool {
    fstatfs(place).is_ok_and(|stat| stat.filesystem_type() == TMPFS_MAGIC)
}

/// Whether a directory may take names in other spellings for the same. Some file systems have it as a flag of each directory; the others
/// might, as they were made or mounted, or as a server likes it.
pub(super) fn folds(directory: BorrowedFd<'_>) -> bool {
    match fstatfs(directory).map(|stat| stat.filesystem_type()) {
        Ok(BTRFS_SUPER_MAGIC) => false,
        Ok(EXT4_SUPER_MAGIC | OVERLAYFS_SUPER_MAGIC | TMPFS_MAGIC) => {
            notify::is_case_folded(directory)
        }
        _ => true,
    }
}

impl Name<'_> {
    pub(super) fn path(&self, root: &Root) -> Result<PathBuf, Errno> {
        let mut path = root.path_of(&self.directory)?;
        path.push(OsStr::from_bytes(self.last.as_bytes()));
        Ok(path)
    }
}
