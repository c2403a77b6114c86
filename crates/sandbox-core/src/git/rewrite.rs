//! What may differ between two contents of a repository's settings.

use std::path::Path;

use super::settings::{Setting, settings};
use super::value::{Surroundings, is_harmless};
use crate::escape::escaped;

/// Why settings of git may not be replaced.
///
/// ```
/// # use sandbox_core::{Context, Policy, Ruleset};
/// let ruleset = Ruleset::resolve(&Policy::default().read("/").write("/srv"), &Context::new("/")).unwrap();
/// let denial = ruleset.may_rewrite(None, b"[core]\n pager = x\n", |_| None).unwrap_err();
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

/// Whether only harmless settings differ. All others are the same, in the same order: of several the last one counts, and an
/// included file counts where it is included.
pub(super) fn rewrite(
    old: Option<&[u8]>,
    new: &[u8],
    is_foreign: &dyn Fn(&Path) -> bool,
) -> Result<(), GitDenial> {
    let unreadable = |_| GitDenial::Unreadable;
    let old = settings(old.unwrap_or_default()).map_err(unreadable)?;
    let new = settings(new).map_err(unreadable)?;
    let (old, new) = (frozen(&old, is_foreign), frozen(&new, is_foreign));
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
fn frozen<'a>(all: &'a [Setting], is_foreign: &dyn Fn(&Path) -> bool) -> Vec<&'a Setting> {
    let surroundings = Surroundings::new(all, is_foreign);
    let frozen = all
        .iter()
        .filter(|setting| !is_harmless(setting, &surroundings));
    frozen.collect()
}
