//! What may differ between two contents of a repository's settings.

use std::borrow::Cow;

use super::settings::{Setting, Unreadable, settings};
use super::value::{is_harmless, remotes};
use crate::escape::escaped;

/// Where the files of a repository are, if not around its `.git`. git goes there, whatever leads there by then.
pub(super) const WORKTREE: &[u8] = b"core.worktree";

/// Why settings of git, or a file `.git`, may not be replaced.
///
/// ```
/// use sandbox_core::may_rewrite_git_config;
///
/// let denial = may_rewrite_git_config(None, b"[core]\n pager = x\n").unwrap_err();
/// assert_eq!(denial.to_string(), "`core.pager` would change");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GitDenial {
    /// One of the two contents is not understood.
    #[error("what git would read there is not certain")]
    Unreadable,
    /// A setting that is not known to be harmless would be added, removed, changed or moved.
    #[error("`{}` would change", escaped(&*String::from_utf8_lossy(.name)))]
    Setting {
        /// Its name, as `git config --list` shows it.
        name: Vec<u8>,
    },
    /// A file `.git` would lead to another git directory than one that is protected by its name, in a `.git` around it or at the top of a writable tree.
    #[error("it would lead to where settings and hooks of git are not protected")]
    Elsewhere,
    /// A file `.git` would lead to a git directory whose files are in another working tree, or whose settings are not understood.
    #[error("the settings there name another working tree")]
    OtherWorktree,
}

/// Whether settings of git may be replaced: whether nothing but harmless settings differs between the `old` content, if there is one, and
/// the `new` one. All others are the same, in the same order: of several the last one counts, and an included file counts where
/// it is included.
///
/// ```
/// use sandbox_core::may_rewrite_git_config;
///
/// let may = |old, new| may_rewrite_git_config(Some(old), new).is_ok();
/// assert!(may(b"[core]\n bare = false\n", b"[user]\n name = Ana\n"));
/// assert!(!may(b"", b"[core]\n fsmonitor = ./x\n"));
/// ```
///
/// # Errors
///
/// [`GitDenial`] says what is in the way.
pub fn may_rewrite_git_config(old: Option<&[u8]>, new: &[u8]) -> Result<(), GitDenial> {
    let old = settings(old.unwrap_or_default())?;
    let new = settings(new)?;
    compare(&frozen(&old), &frozen(&new))
}

/// What replaces the settings of a submodule, in its superproject: the `new` content, if nothing but harmless settings differs, as
/// [`may_rewrite_git_config`] has it. git adds there where the submodule's files are, for whoever comes by another way than their
/// own `.git`. The command can put a link in that place later, and git would write through it; so that is left out, and it may
/// be taken away.
///
/// ```
/// use sandbox_core::rewrite_module_config;
///
/// let new = rewrite_module_config(None, b"[core]\n\tbare = false\n\tworktree = ../../../a\n").unwrap();
/// assert_eq!(*new, *b"[core]\n\tbare = false\n");
/// ```
///
/// # Errors
///
/// [`GitDenial`] says what is in the way.
pub fn rewrite_module_config<'a>(
    old: Option<&[u8]>,
    new: &'a [u8],
) -> Result<Cow<'a, [u8]>, GitDenial> {
    let old = settings(old.unwrap_or_default())?;
    let all = settings(new)?;
    let (mut old, mut left) = (frozen(&old), frozen(&all));
    if compare(&old, &left).is_ok() {
        return Ok(Cow::Borrowed(new));
    }
    let is_kept = |setting: &&Setting| setting.name != WORKTREE;
    old.retain(is_kept);
    left.retain(is_kept);
    compare(&old, &left)?;
    let shorter = without_worktree(new);
    // As git reads it: a line may be a part of a value.
    let is_same = settings(&shorter)?.iter().eq(all.iter().filter(is_kept));
    let setting = || GitDenial::Setting {
        name: WORKTREE.to_owned(),
    };
    is_same.then_some(Cow::Owned(shorter)).ok_or_else(setting)
}

/// The lines in which nothing but that is set, as git writes them, left out.
fn without_worktree(content: &[u8]) -> Vec<u8> {
    let is_other = |line: &&[u8]| {
        let line = line.trim_ascii_start();
        let value = line.strip_prefix(b"worktree").map(<[u8]>::trim_ascii_start);
        !value.is_some_and(|value| value.starts_with(b"="))
    };
    let lines = content.split_inclusive(|byte| *byte == b'\n');
    lines.filter(is_other).collect::<Vec<_>>().concat()
}

/// Whether those that are not harmless are the same.
fn compare(old: &[&Setting], new: &[&Setting]) -> Result<(), GitDenial> {
    let mut pairs = old.iter().zip(new);
    let differing = pairs.position(|(old, new)| old != new);
    let at = differing.unwrap_or(old.len().min(new.len()));
    match new.get(at).or_else(|| old.get(at)) {
        None => Ok(()),
        Some(setting) => Err(GitDenial::Setting {
            name: setting.name.clone(),
        }),
    }
}

impl From<Unreadable> for GitDenial {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable
    }
}

/// Those that are not harmless.
fn frozen(all: &[Setting]) -> Vec<&Setting> {
    let remotes = remotes(all);
    let frozen = all.iter().filter(|setting| !is_harmless(setting, &remotes));
    frozen.collect()
}
