//! Why there is no sandbox on macOS, or no command in it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use sandbox_core::{Decision, Network, PolicyErrors, Ruleset, Source, escaped};
use sandbox_macos::{Facts, LaunchError, Profile, ProfileError};

use crate::Stream;
use crate::strings::BadString;

/// Why there is no sandbox, or no command in it. Nothing was started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The policy has errors; all of them are in it.
    #[error(transparent)]
    Policy(#[from] PolicyErrors),
    /// There is no backend for this system: never where there is one.
    #[error(
        "there is no sandbox for {} on {}",
        std::env::consts::OS,
        std::env::consts::ARCH
    )]
    Unsupported,
    /// macOS cannot enforce the policy.
    #[error(transparent)]
    Unenforceable(#[from] Unenforceable),
    /// The command could not be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The private directory that `TMPDIR` names cannot be made.
    #[error("cannot make a private directory in `{}`", escaped(.directory))]
    Temporary {
        /// Where.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The log of the system, in which denials are, cannot be read.
    #[error("cannot read the log of the system, in which denials are")]
    Log {
        /// What the system said.
        source: io::Error,
    },
    /// The policy hides the directory in which the command would start.
    #[error("the working directory `{}` cannot be read inside{}", escaped(.directory), crate::denials::rule_of(.decision))]
    HiddenDirectory {
        /// The directory.
        directory: PathBuf,
        /// The answer of the policy.
        decision: Box<Decision>,
    },
    /// A string for the kernel contains a NUL byte, at which the kernel would cut it off.
    #[error("{what} contains a NUL byte: `{}`", escaped(.text))]
    Nul {
        /// Which kind of string.
        what: &'static str,
        /// The whole of it.
        text: OsString,
    },
    /// A variable name is empty or contains `=`.
    #[error("`{}` is not the name of a variable", escaped(.name))]
    VariableName {
        /// The name.
        name: OsString,
    },
    /// The gateway, through which destinations are reached, does not start.
    #[error("cannot start the gateway")]
    Gateway {
        /// What the system said.
        source: io::Error,
    },
    /// What a sandbox that is there cannot change.
    #[error("a sandbox cannot change {what}")]
    Update {
        /// What would be changed.
        what: &'static str,
    },
    /// A program is told the path by which it was found, and no other name.
    #[error("macOS has no other name for a program than its path: `{}`", escaped(.name))]
    Arg0 {
        /// The name that was asked for.
        name: OsString,
    },
    /// A command has a process group of its own, and can have no other.
    #[error("there is no process group {group} inside")]
    ProcessGroup {
        /// The number that was asked for.
        group: i32,
    },
    /// A standard stream could not be opened.
    #[error("cannot open {stream}")]
    OpenStream {
        /// Which one.
        stream: Stream,
        /// What the system said.
        source: io::Error,
    },
    /// A command that runs could not be waited for, read from or signalled.
    #[error("cannot {action} the command")]
    Child {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// What of a policy macOS cannot enforce.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unenforceable {
    /// A rule that a profile can't hold.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Datagrams come to no door of the gateway's.
    #[error("macOS carries no datagrams to `{}` ({at})", escaped(.rule))]
    Datagrams {
        /// The destination, as it was written.
        rule: String,
        /// Where it was written.
        at: Source,
    },
    /// macOS has no such limit for one command.
    #[error("macOS has no limit of {key} that is one command's own (`{key}` in `[limits]`)")]
    Limit {
        /// The key of a policy.
        key: &'static str,
    },
}

impl Unenforceable {
    /// Looks for what of a policy macOS cannot enforce. Nothing is started.
    ///
    /// # Errors
    ///
    /// The first thing that it cannot.
    pub fn look_for(ruleset: &Ruleset) -> Result<(), Self> {
        let limits = ruleset.limits();
        // Of memory there is none that is kept, and processes are counted for all of a person's.
        for (limit, key) in [(limits.memory, "memory"), (limits.processes, "processes")] {
            if limit.is_some() {
                return Err(Self::Limit { key });
            }
        }
        let is_host = ruleset.network() == Network::Host;
        let mut rules = ruleset.network_rules().iter();
        if let Some(rule) = rules.find(|it| it.allows_udp() && !is_host) {
            return Err(Self::Datagrams {
                rule: rule.text().to_owned(),
                at: rule.source().clone(),
            });
        }
        Profile::compile(ruleset, &Facts::default())?;
        Ok(())
    }

    /// What to change, if that is known.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Profile(error) => error.remedy(),
            Self::Datagrams { .. } => Some(
                "leave `udp` out on macOS, or give the command the host's whole network: `default = \"host\"` in `[network]`"
                    .to_owned(),
            ),
            Self::Limit { key, .. } => Some(format!("leave `{key}` out on macOS")),
        }
    }
}

impl From<ProfileError> for Error {
    fn from(error: ProfileError) -> Self {
        Self::Unenforceable(error.into())
    }
}

impl From<BadString> for Error {
    fn from(string: BadString) -> Self {
        match string {
            BadString::Nul { what, text } => Self::Nul { what, text },
            BadString::VariableName { name } => Self::VariableName { name },
        }
    }
}

impl Error {
    /// What to change, if that is known.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Unenforceable(error) => error.remedy(),
            Self::Launch(error) => error.remedy(),
            Self::HiddenDirectory { decision, .. } => {
                Some(crate::denials::other_directory(decision))
            }
            Self::Log { .. } => Some(
                "administrators alone may read it: leave out `--events` (`Builder::on_denial`)"
                    .to_owned(),
            ),
            Self::Temporary { .. } => Some("set `TMPDIR` to a directory of yours".to_owned()),
            Self::Arg0 { .. } => Some("make a link of that name to the program".to_owned()),
            Self::ProcessGroup { .. } => {
                Some("leave it out: a command has a group of its own".to_owned())
            }
            Self::Update { .. } => {
                Some("make another sandbox for the commands that need it".to_owned())
            }
            Self::Policy(_)
            | Self::Unsupported
            | Self::Gateway { .. }
            | Self::Nul { .. }
            | Self::VariableName { .. }
            | Self::OpenStream { .. }
            | Self::Child { .. } => None,
        }
    }
}
