//! Why a rule cannot be resolved against this machine, and what to write instead.

use std::io;
use std::path::{Path, PathBuf};

use crate::destination::DestinationProblem;
use crate::escape::{escaped_path, toml_string};
use crate::pattern::{PatternProblem, escape};
use crate::place;
use crate::remedy::Remedy;

/// Why a rule cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleProblem {
    /// The text of the rule has no meaning.
    #[error(transparent)]
    Pattern(#[from] PatternProblem),

    /// The text of a rule about destinations has no meaning.
    #[error(transparent)]
    Destination(#[from] DestinationProblem),

    /// Rules about destinations beside a network that nothing stands before.
    #[error(
        "it cannot hold with `default = \"host\"`, where nothing stands between the command and the network"
    )]
    HostNetwork,

    /// The system refuses to look at a part of the path.
    #[error("`{}` cannot be looked at: {kind}", escaped_path(.at))]
    Unreachable {
        /// The component, links followed up to it.
        at: PathBuf,
        /// What the system answered.
        kind: io::ErrorKind,
    },

    /// More symbolic links than any kernel follows.
    #[error("the symbolic link `{}` leads nowhere: more than 40 links follow each other", escaped_path(.at))]
    Loop {
        /// The link at which the limit was reached.
        at: PathBuf,
    },

    /// `..` after a component that does not exist: what is above it is decided by whoever creates it.
    #[error("`..` follows `{}`, which is no directory", escaped_path(.at))]
    ParentOfMissing {
        /// The component that does not exist.
        at: PathBuf,
    },

    /// The path leads through a symbolic link that a command under this very policy could make.
    #[error(
        "it leads through the symbolic link `{}`, which lies where this policy lets the command write",
        escaped_path(.link)
    )]
    WritableLink {
        /// The link.
        link: PathBuf,
        /// What the rule's path leads to.
        target: PathBuf,
    },

    /// `.` would make too much writable by an accident of where the command was started.
    #[error("`{}` is {what}, which a relative path does not make writable", escaped_path(.path))]
    BroadWorkspace {
        /// The directory.
        path: PathBuf,
        /// What it is, with its article.
        what: &'static str,
    },

    /// The tree below a pattern is too large or too deep to be searched at every start.
    #[error("more than {limit} {what} below `{}` would have to be searched", escaped_path(.below))]
    TooMuchToSearch {
        /// Where the pattern's first special component is.
        below: Box<Path>,
        /// What has too many levels: a name right below.
        branch: Option<Box<Path>>,
        /// How many are searched.
        limit: usize,
        /// `entries` or `levels`.
        what: &'static str,
    },

    /// So many paths match that their directory would be lowered as a whole, but a rule says what holds there.
    #[error(
        "more than {limit} paths match in `{}`, which another rule is about",
        escaped_path(.below)
    )]
    TooManyMatches {
        /// The directory that another rule is about.
        below: Box<Path>,
        /// How many are lowered one by one.
        limit: usize,
    },
}

/// Why a file cannot be extended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtendsProblem {
    /// It is being read already.
    #[error("it extends itself, by way of this file")]
    Loop,
    /// Each of too many files extends the next one.
    #[error("more than {limit} files extend one another")]
    Deep {
        /// How many may.
        limit: usize,
    },
    /// There are too many files.
    #[error("more than {limit} files are extended")]
    Many {
        /// How many may be.
        limit: usize,
    },
    /// A text has no directory, and nothing is read for it.
    #[error("a policy that is given as text extends presets only")]
    Text,
    /// It cannot be read.
    #[error(transparent)]
    Read(Box<crate::PolicyError>),
}

impl RuleProblem {
    /// The directory that ends the way because it cannot be searched.
    pub(crate) fn closed(&self) -> Option<&Path> {
        match self {
            Self::Unreachable {
                at,
                kind: io::ErrorKind::PermissionDenied,
            } => place::above(at),
            _ => None,
        }
    }

    /// What to write instead, where that is known.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Destination(problem) => problem.remedy(),
            Self::HostNetwork => Some(Remedy::RemoveOr("default = \"allow\"")),
            Self::WritableLink { target, .. } => Some(Remedy::Write(spelled(target)?)),
            Self::BroadWorkspace { path, .. } => {
                Some(Remedy::Write(format!("{} = \"write\"", spelled(path)?)))
            }
            Self::ParentOfMissing { .. } => Some(Remedy::WithoutParent),
            Self::TooMuchToSearch { branch, .. } => Some(Remedy::Narrow {
                hide: branch.as_deref().and_then(spelled),
            }),
            Self::TooManyMatches { .. } => Some(Remedy::Narrow { hide: None }),
            _ => None,
        }
    }
}

/// A path as a policy spells it, if a policy can.
fn spelled(path: &Path) -> Option<String> {
    path.to_str().map(|path| toml_string(&escape(path)))
}
