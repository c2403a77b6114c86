//! A file `.git`: linked worktrees and submodules have one, which says where their git directory is.
//!
//! The attack: one that leads to a directory whose settings and hooks the command, or who packed what it has downloaded, has chosen; also
//! only later, since a directory on the way may be replaced by a link. So a file `.git` leads to a git directory that is protected by its
//! name in the `.git` of another one, where no link can be made; and to that from the root down only where nothing on the way can be
//! written, else upwards, where there is no link.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::rewrite::{GitDenial, WORKTREE};
use super::settings::settings;
use super::{GitFile, is_named_as_git_directory};
use crate::os::OsStrExt;
use crate::{Access, Ruleset};

/// What such a file begins with (`read_gitfile_gently` of git's `setup.c`).
const START: &[u8] = b"gitdir: ";

/// A file `.git` that may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GitLink {
    /// What is in it.
    pub content: Vec<u8>,
    /// The git directory that it leads to. Only one may be there whose settings name no other working tree ([`names_other_worktree`]).
    pub directory: PathBuf,
}

/// Whether settings of a git directory say that its files are elsewhere than in `tree`, or can't be understood. git writes where they say,
/// also through a link that is there by then.
///
/// ```
/// use sandbox_core::names_other_worktree;
///
/// let directory = "/srv/.git/modules/a".as_ref();
/// let is_other = |content: &[u8]| names_other_worktree(content, directory, "/srv/a".as_ref());
/// assert!(!is_other(b"[core]\n\tbare = false\n"));
/// assert!(!is_other(b"[core]\n\tworktree = ../../../a\n"));
/// assert!(is_other(b"[core]\n\tworktree = ../../../b\n"));
/// ```
#[must_use]
pub fn names_other_worktree(content: &[u8], directory: &Path, tree: &Path) -> bool {
    let Ok(settings) = settings(content) else {
        return true;
    };
    let Some(worktree) = settings.iter().rfind(|it| it.name == WORKTREE) else {
        return false;
    };
    let path = worktree.value.as_deref().unwrap_or_default();
    flat(&directory.join(OsStr::from_bytes(path))) != tree
}

impl Ruleset {
    /// What a file `.git` in this directory becomes, if the `content` that somebody has for it leads to where it may: itself, or the way
    /// from there, upwards first.
    ///
    /// ```
    /// # use sandbox_core::{Context, Policy, Ruleset};
    /// let ruleset = Ruleset::resolve(&Policy::default().read("/").write("/srv"), &Context::new("/")).unwrap();
    /// let link = |content: &[u8]| ruleset.git_link("/srv/a/b".as_ref(), content).map(|link| link.content);
    /// assert_eq!(link(b"gitdir: /srv/.git/worktrees/b\n").unwrap(), b"gitdir: /srv/.git/worktrees/b\n");
    /// assert_eq!(link(b"gitdir: /srv/a/.git/worktrees/b\n").unwrap(), b"gitdir: ../.git/worktrees/b\n");
    /// assert!(link(b"gitdir: /srv/c/.git/worktrees/b\n").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`GitDenial`] says what is in the way.
    pub fn git_link(&self, directory: &Path, content: &[u8]) -> Result<GitLink, GitDenial> {
        let path = named_by(content)?;
        let target = flat(&directory.join(path));
        let (above, below) = apart(&target).ok_or(GitDenial::Elsewhere)?;
        if !self.is_git_directory(&target) {
            return Err(GitDenial::Elsewhere);
        }
        let link = if path.is_absolute() && self.is_fixed(&above) {
            target.clone()
        } else {
            let steps = directory
                .strip_prefix(&above)
                .map(|it| it.components().count());
            let steps = steps.ok().filter(|steps| *steps > 0);
            let steps = steps.ok_or(GitDenial::Elsewhere)?;
            let up = std::iter::repeat_n(Component::ParentDir, steps);
            up.chain(below.components()).collect()
        };
        let link = link.as_os_str().as_encoded_bytes();
        Ok(GitLink {
            content: [START, link, b"\n"].concat(),
            directory: target,
        })
    }

    /// Whether nothing on the way to a directory can be replaced.
    fn is_fixed(&self, directory: &Path) -> bool {
        let is_fixed =
            |above: &Path| matches!(self.files().access(above).0, Access::Hide | Access::Read);
        directory.ancestors().skip(1).all(is_fixed)
    }

    /// Whether a path is a git directory in a `.git`, of a submodule or a linked worktree, whose settings and hooks no rule opens.
    fn is_git_directory(&self, path: &Path) -> bool {
        let config = self.git_file(&path.join("config"));
        !path.ends_with(".git")
            && is_named_as_git_directory(path)
            && matches!(config, Some(GitFile::Config | GitFile::ModuleConfig))
            && self.git_file(&path.join("hooks")) == Some(GitFile::Hooks)
    }
}

/// The path in such a file.
pub(super) fn named_by(content: &[u8]) -> Result<&Path, GitDenial> {
    let path = content.strip_prefix(START).ok_or(GitDenial::Unreadable)?;
    let path = path.strip_suffix(b"\n").ok_or(GitDenial::Unreadable)?;
    if path.is_empty() || path.iter().any(u8::is_ascii_control) {
        return Err(GitDenial::Unreadable);
    }
    Ok(Path::new(OsStr::from_bytes(path)))
}

/// Without `.` and `..`. What is written leads there, whatever this would have.
pub(super) fn flat(path: &Path) -> PathBuf {
    let mut flat = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                flat.pop();
            }
            other => flat.push(other),
        }
    }
    flat
}

/// The directory around the innermost `.git` of a path, and the rest of it.
fn apart(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let names: Vec<Component<'_>> = path.components().collect();
    let at = names.iter().rposition(|name| name.as_os_str() == ".git")?;
    let (above, below) = names.split_at_checked(at)?;
    Some((above.iter().collect(), below.iter().collect()))
}
