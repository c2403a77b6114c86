//! Why a command was not started.

use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;

use sandbox_core::escaped;

use crate::Unenforceable;

/// Why a command was not started. Nothing is left of it on the host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The plan can't be handed to init.
    #[error(transparent)]
    Plan(#[from] Unenforceable),
    /// The init program can't be put where it can be executed.
    #[error("cannot prepare the init program")]
    Image {
        /// What the kernel said.
        source: io::Error,
    },
    /// What a launch needs can't be made: sockets, descriptors, memory for init.
    #[error("cannot {action}")]
    Prepare {
        /// What was tried.
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refused the namespaces.
    #[error("cannot make the namespaces of the sandbox")]
    Clone {
        /// What the kernel said.
        source: io::Error,
        /// What in the host's settings is in the way, as far as that is known.
        remedy: Option<String>,
    },
    /// The kernel refused a step of the plan.
    #[error("cannot {action}{}", .path.as_deref().map(|path| format!(" `{}`", escaped(path.as_os_str()))).unwrap_or_default())]
    Step {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: Option<PathBuf>,
        /// What the kernel said.
        source: io::Error,
    },
    /// The command's own confinement failed.
    #[error("cannot {action}")]
    Confine {
        /// What was tried.
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The working directory can't be entered inside.
    #[error("cannot enter `{}` inside the sandbox", escaped(.directory.as_os_str()))]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The program can't be executed.
    #[error("cannot execute `{}`", escaped(.program.as_os_str()))]
    Exec {
        /// The program, as it was asked for.
        program: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A descriptor can't be handed over under its number.
    #[error("descriptor {number} {problem}")]
    Number {
        /// The number.
        number: RawFd,
        /// What is wrong with it.
        problem: NumberProblem,
    },
    /// The arguments and the environment are too long for the kernel.
    #[error("the arguments and the environment are too long")]
    TooLarge,
    /// Init ended without a word; of what, nobody knows: the caller may wait for all its children, or ignore them.
    #[error("the sandbox's first process ended before the command began")]
    InitEnded,
    /// Somebody killed init, or the kernel did for want of memory.
    #[error("the sandbox's first process was killed by signal {signal} before the command began")]
    InitKilled {
        /// The signal's number.
        signal: i32,
    },
}

/// Why a descriptor can't be handed over under a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NumberProblem {
    /// 0, 1 and 2 are the standard streams, and there is nothing below them.
    #[error("cannot be chosen: numbers begin at 3, after the standard streams")]
    Reserved,
    /// It is another descriptor's.
    #[error("is handed over twice")]
    Twice,
    /// It lies beyond the command's limit of open files.
    #[error("lies beyond the number of files that the command may have open")]
    BeyondLimit,
    /// There are that many others.
    #[error("is one more than the {most} that can be handed over")]
    TooMany {
        /// How many can be.
        most: usize,
    },
}

impl LaunchError {
    /// There was no memory for init itself.
    pub(crate) fn no_memory(source: io::Error) -> Self {
        Self::Prepare {
            action: "get memory for the sandbox's first process",
            source,
        }
    }

    /// Whether there was no memory for an init and what it does before a command.
    pub(crate) fn is_no_memory(&self) -> bool {
        match self {
            Self::Prepare { source, .. } | Self::Step { source, .. } => {
                source.kind() == io::ErrorKind::OutOfMemory
            }
            _ => false,
        }
    }

    /// Whether what is sent comes to nobody any more.
    pub(crate) fn is_gone(&self) -> bool {
        let Self::Prepare { source, .. } = self else {
            return false;
        };
        matches!(
            source.kind(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
        )
    }

    /// What to change, if that is known.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Plan(error) => error.remedy(),
            Self::Image { .. } => Some(
                "`sysctl vm.memfd_noexec=1` lets programs in memory files be executed".to_owned(),
            ),
            Self::Clone { remedy, .. } => remedy.clone(),
            Self::InitKilled {
                signal: libc::SIGKILL,
            } => Some(
                "try again; if it was the kernel, for want of memory, `dmesg` tells".to_owned(),
            ),
            Self::Step { .. } | Self::InitEnded | Self::InitKilled { .. } => {
                Some("`sandbox doctor` says what this host allows".to_owned())
            }
            Self::Directory { .. } => Some("start in a directory that the policy shows".to_owned()),
            Self::Number {
                problem: NumberProblem::BeyondLimit,
                ..
            } => Some(
                "choose a lower number, or raise the limit: `ulimit -n`, `open_files` in `[limits]`"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
