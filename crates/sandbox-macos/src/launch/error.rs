//! Why a command is not started, in words.

use std::io;
use std::path::PathBuf;

use sandbox_core::escaped;

/// Why a command was not started. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The profile is longer than can be handed over.
    #[error(
        "the profile of the policy has {size} bytes, and no more than {most} can be handed over"
    )]
    LongProfile {
        /// How long it is.
        size: usize,
        /// How long it may be.
        most: usize,
    },
    /// The system does not take the profile; nothing can run under it.
    #[error("macOS does not take the profile of the policy: {}", escaped(.said))]
    Profile {
        /// What it says: not for a terminal as it is.
        said: String,
    },
    /// What applies a profile is not there, or is not executed.
    #[error("cannot execute `{}`", escaped(.wrapper))]
    Wrapper {
        /// Its path.
        wrapper: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory in which the command would start cannot be entered.
    #[error("cannot enter `{}`", escaped(.directory))]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The program is not there, or can't be executed.
    #[error("cannot execute `{}`", escaped(.program))]
    Exec {
        /// The program, as it was asked for.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The profile, the arguments and the environment are too long together.
    #[error("the arguments and the environment are too long")]
    TooLarge,
    /// What a launch needs can't be made.
    #[error("cannot {action}")]
    Prepare {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl LaunchError {
    /// What to change, if that is known.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::LongProfile { .. } => {
                Some("write fewer rules: one about a directory for many about what is in it".to_owned())
            }
            Self::Profile { .. } => Some(
                "`sandbox profile --os macos` prints it; inside of another sandbox no program gets one"
                    .to_owned(),
            ),
            Self::Directory { .. } => Some("start in a directory that the policy shows".to_owned()),
            Self::Wrapper { .. } | Self::Exec { .. } | Self::TooLarge | Self::Prepare { .. } => None,
        }
    }
}
