//! What may differ between two contents of a repository's settings.

use super::settings::{Setting, settings};
use super::value::{is_harmless, remotes};
use crate::escape::escaped;

/// Why settings of git may not be replaced.
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
    let unreadable = |_| GitDenial::Unreadable;
    let old = settings(old.unwrap_or_default()).map_err(unreadable)?;
    let new = settings(new).map_err(unreadable)?;
    let (old, new) = (frozen(&old), frozen(&new));
    let mut pairs = old.iter().zip(&new);
    let differing = pairs.position(|(old, new)| old != new);
    let at = differing.unwrap_or(old.len().min(new.len()));
    match new.get(at).or_else(|| old.get(at)) {
        None => Ok(()),
        Some(setting) => Err(GitDenial::Setting {
            name: setting.name.clone(),
        }),
    }
}

/// Those that are not harmless.
fn frozen(all: &[Setting]) -> Vec<&Setting> {
    let remotes = remotes(all);
    let frozen = all.iter().filter(|setting| !is_harmless(setting, &remotes));
    frozen.collect()
}
