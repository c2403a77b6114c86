//! The directory in which a command starts.

use std::ffi::CString;
use std::path::{Component, Path, PathBuf};

use sandbox_core::{Attempt, Decision, Ruleset, Verdict};

use crate::strings::{BadString, c_string};

/// Which it is, also as the kernel takes it: what was `asked` for, seen from the one that the policy was resolved for.
///
/// # Errors
///
/// It has a NUL byte; and what `hidden` makes of the decision where the policy does not show it.
pub(crate) fn working_directory<E: From<BadString>>(
    ruleset: &Ruleset,
    base: &Path,
    asked: Option<&Path>,
    hidden: impl FnOnce(PathBuf, Box<Decision>) -> E,
) -> Result<(PathBuf, CString), E> {
    let directory = asked.map_or_else(|| base.to_owned(), |asked| base.join(asked));
    let string = c_string("the working directory", directory.as_os_str())?;
    // What `..` means only the kernel knows.
    let mut components = directory.components();
    if !components.any(|component| component == Component::ParentDir) {
        let decision = ruleset.decide(&Attempt::read(&directory));
        if decision.verdict == Verdict::Deny {
            return Err(hidden(directory, Box::new(decision)));
        }
    }
    Ok((directory, string))
}
