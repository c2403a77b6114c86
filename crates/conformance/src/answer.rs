//! The question and the answer, the same for all who are asked.

use std::fmt;
use std::path::{Path, PathBuf};

use sandbox_core::escaped;

/// One operation that a confined process tries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "every runner knows all of them")]
pub enum Attempt {
    /// To read a file.
    Read(PathBuf),
    /// To list a directory.
    List(PathBuf),
    /// To execute a file.
    Execute(PathBuf),
    /// To change the content of a file.
    Write(PathBuf),
    /// To make a file where nothing is.
    Create(PathBuf),
    /// To remove a file, a link, or an empty directory.
    Delete(PathBuf),
    /// To give it another name.
    Rename(PathBuf, PathBuf),
}

impl Attempt {
    /// The word for it, in case files and for the payload.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Read(_) => "read",
            Self::List(_) => "list",
            Self::Execute(_) => "execute",
            Self::Write(_) => "write",
            Self::Create(_) => "create",
            Self::Delete(_) => "delete",
            Self::Rename(..) => "rename",
        }
    }

    /// What it is about.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Read(path)
            | Self::List(path)
            | Self::Execute(path)
            | Self::Write(path)
            | Self::Create(path)
            | Self::Delete(path)
            | Self::Rename(path, _) => path,
        }
    }

    /// The other name of a rename.
    #[must_use]
    pub fn to(&self) -> Option<&Path> {
        match self {
            Self::Rename(_, to) => Some(to),
            _ => None,
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.verb(), escaped(self.path().as_os_str()))?;
        match self.to() {
            Some(to) => write!(f, " to `{}`", escaped(to.as_os_str())),
            None => Ok(()),
        }
    }
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "every runner knows all of them")]
pub enum Answer {
    /// It was done; of a directory, every name that the host has there was listed.
    Allowed,
    /// A directory was listed, without names that the host has there.
    Partial,
    /// A file was read that the sandbox shows in the place of the host's.
    Empty,
    /// It was refused.
    Denied,
    /// There is no such name.
    Missing,
}

/// What became of an attempt, seen from both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "every runner knows all of it")]
pub struct Outcome {
    /// What the command saw.
    pub answer: Answer,
    /// Whether anything changed on the host.
    pub changes_host: bool,
}

impl Outcome {
    /// Nothing changed.
    #[must_use]
    pub const fn of(answer: Answer) -> Self {
        Self {
            answer,
            changes_host: false,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = if self.changes_host {
            ", the host changed"
        } else {
            ""
        };
        write!(f, "{:?}{changes}", self.answer)
    }
}
