//! Why a benchmark has no result.

use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};

/// Why a benchmark has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line is not understood.
    #[error(transparent)]
    Arguments(#[from] lexopt::Error),
    /// The tree to work on can't be made.
    #[error("cannot prepare `{}`", .path.display())]
    Prepare {
        /// What of it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// This process can't be kept on one CPU.
    #[error("cannot stay on one CPU")]
    Pin(#[source] nix::Error),
    /// A contender did not start.
    #[error("cannot start {contender}")]
    Start {
        /// Which.
        contender: String,
        /// Why.
        source: io::Error,
    },
    /// A contender ran and failed: its time means nothing.
    #[error("{contender} ended with {status}")]
    Failed {
        /// Which.
        contender: String,
        /// How.
        status: ExitStatus,
    },
    /// A sandbox of ours did not start, or what ran in it failed.
    #[error(transparent)]
    Sandbox(#[from] sandboxed::Error),
    /// There is no profile for a policy.
    #[error(transparent)]
    Profile(#[from] sandbox_macos::ProfileError),
    /// What ran in a sandbox of ours failed.
    #[error("{contender} did not succeed")]
    Confined {
        /// Which.
        contender: &'static str,
    },
    /// There is nothing to compare on this host.
    #[error("this host has no {what}")]
    Missing {
        /// What would be measured.
        what: &'static str,
    },
    /// A contender that does not do the same work.
    #[error("{contender} can read `{}`: the comparison would not be fair", .path.display())]
    Unequal {
        /// Which.
        contender: &'static str,
        /// What it should have hidden.
        path: PathBuf,
    },
}

impl Error {
    /// Prints it with its causes, for the end of a `main`.
    #[expect(clippy::print_stderr, reason = "the end of a program of the terminal")]
    pub fn report(&self) -> ExitCode {
        eprintln!("error: {self}");
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            eprintln!("  caused by: {cause}");
            source = cause.source();
        }
        ExitCode::FAILURE
    }
}

/// Runs a command in a sandbox of ours to success.
///
/// # Errors
///
/// [`Error::Sandbox`] and [`Error::Confined`].
pub fn succeed(command: &mut sandboxed::Command<'_>) -> Result<(), Error> {
    if command.status()?.success() {
        Ok(())
    } else {
        Err(Error::Confined {
            contender: "library",
        })
    }
}

/// Runs a command to success.
///
/// # Errors
///
/// [`Error::Start`] and [`Error::Failed`].
pub fn start(contender: &str, command: &mut Command) -> Result<(), Error> {
    let status = command.status().map_err(|source| Error::Start {
        contender: contender.to_owned(),
        source,
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Failed {
            contender: contender.to_owned(),
            status,
        })
    }
}
