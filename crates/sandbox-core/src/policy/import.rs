//! Settings of another sandbox, taken as they are: text in, a policy and warnings out.
//!
//! Settings say separately what can be read and what can be written, and in them a denial beats whatever is allowed below
//! it. A rule of ours says both at once, and the more specific one wins. So what is imported keeps the [`Role`] that it
//! was written in, and becomes rules when the policy is resolved: only then is it known where its links lead.

mod destination;
mod keys;
mod network;
mod path;
mod srt;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::{FileEntry, Policy, file};
use crate::{MacOptions, PolicyError, PolicyErrors, Source};

/// What settings mean here.
///
/// ```
/// use sandbox_core::Imported;
///
/// let text = r#"{
///     "network": { "allowedDomains": [], "deniedDomains": [] },
///     "filesystem": { "denyRead": ["~/.ssh"], "allowWrite": ["."], "denyWrite": [".env"], "alowRead": [] }
/// }"#;
/// let imported = Imported::from_settings(text, None)?;
/// assert_eq!(
///     imported.warnings[0].to_string(),
///     "unknown key `alowRead` in the section `filesystem`",
/// );
/// # Ok::<(), sandbox_core::PolicyErrors>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Imported {
    /// The policy. Relative paths in it start at the current directory of the command, wherever the settings lie.
    pub policy: Policy,
    /// Keys that neither we nor the other sandbox know: it ignores them, and so may have been told less than was meant.
    pub warnings: Vec<PolicyError>,
}

impl Imported {
    /// Reads settings from a file, whatever its name.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not a regular one, is larger than 1 MiB, or [its text](Self::from_settings) is wrong.
    pub fn from_settings_file(path: impl AsRef<Path>) -> Result<Self, PolicyErrors> {
        let path = path.as_ref();
        Self::from_settings(&file::text(path)?, Some(path))
    }

    /// Reads settings from JSON, in either of two forms: `{"network": …, "filesystem": …}`, or `{"sandbox": …}`. `file`
    /// is the name that errors show; the command cannot write it.
    ///
    /// # Errors
    ///
    /// The text is not JSON, a section or one of its lists is missing, a value has another type or cannot be meant, or
    /// would have to be enforced by what this version does not have. All of it is reported, with its places.
    pub fn from_settings(text: &str, file: Option<&Path>) -> Result<Self, PolicyErrors> {
        let (document, absolute) = super::document(text, file)?;
        srt::read(text, &document, absolute)
    }

    /// The policy, if nothing was unknown.
    ///
    /// # Errors
    ///
    /// The warnings.
    pub fn strict(self) -> Result<Policy, PolicyErrors> {
        if self.warnings.is_empty() {
            Ok(self.policy)
        } else {
            Err(PolicyErrors(self.warnings))
        }
    }
}

/// Rules of settings, as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) rules: Vec<(Role, FileEntry)>,
    /// No rule about files holds, but that directories full of the host's sockets are private.
    pub(crate) unrestricted: Option<Source>,
    /// Unix sockets that may be connected to, and directories of such.
    pub(crate) sockets: Vec<FileEntry>,
    /// How many directories deep protected paths are searched for.
    pub(crate) depth: usize,
    /// What they say of macOS alone.
    pub(crate) macos: MacOptions,
    /// The settings' own file.
    pub(crate) file: Option<PathBuf>,
}

/// What a rule of settings is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Opens a tree for reading and writing.
    Write,
    /// Takes writing away, whatever is allowed below.
    NoWrite,
    /// Hides. What is allowed below, or this very path, is not hidden.
    Hide,
    /// Hides, whatever is allowed below.
    NoRead,
    /// Shows what another rule hides. It can be written where it could be if nothing were hidden.
    Show,
    /// Names a protected path: it can be written where the directory that holds it can be.
    Unprotect,
}
