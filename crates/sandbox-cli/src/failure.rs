//! Why `sandbox` did not run the command, and with which exit code it says so.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use sandbox_core::{NotApprovals, escaped};
use sandbox_macos::ProfileError;
use sandboxed::{Error, LaunchError};

use crate::exit;
use crate::policy::EditProblem;

/// Why `sandbox` did not run the command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Sandbox(#[from] Error),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error("`--{option}` is about Linux")]
    OnlyLinux { option: &'static str },
    #[cfg(backend = "macos")]
    #[error("`sandbox {what}` is not there on macOS yet")]
    NotHere { what: &'static str },
    #[error("nobody is asked on macOS, where a command could write another question over ours")]
    NoQuestions,
    #[error("there is no command to run")]
    NoCommand,
    #[error("`{}` is given to `--{first}` and to `--{second}`", escaped(.pattern))]
    Conflict {
        pattern: OsString,
        first: &'static str,
        second: &'static str,
    },
    #[error("`{other}` and `--preset {preset}` are two policies to begin with")]
    TwoPolicies { other: String, preset: &'static str },
    #[error("`{}` is given to `--env` twice", escaped(.name))]
    VariableTwice { name: OsString },
    #[error("`--env` is given a variable without a name")]
    VariableWithoutName,
    #[error("cannot go to `{}`", escaped(.path))]
    Directory { path: PathBuf, source: io::Error },
    #[error("`{}` belongs to {owner}, and this would run as root", escaped(.directory))]
    ForeignDirectory { directory: PathBuf, owner: String },
    #[error("`{}` is a private directory inside: what the command writes there would be lost", escaped(.directory))]
    ScratchDirectory { directory: PathBuf },
    #[error("`--user` is for root")]
    UserNeedsRoot,
    #[error("there is no account `{}`", escaped(.name))]
    NoAccount { name: String },
    #[error("cannot become `{}`", escaped(.name))]
    Become { name: String, source: io::Error },
    #[error("cannot {action} the list of approved policies `{}`", escaped(.path))]
    Store {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("the list of approved policies `{}` is damaged", escaped(.path))]
    CorruptStore { path: PathBuf, source: NotApprovals },
    #[error("`{}`, which says what is approved, {what}", escaped(.path))]
    ForeignStore { path: PathBuf, what: &'static str },
    #[error("there is no home to keep {what} in")]
    NoHome {
        what: &'static str,
        variable: &'static str,
    },
    #[error("there is a policy already: `{}`", escaped(.path))]
    PolicyExists { path: PathBuf },
    #[error("`{}` is not TOML: only that has a form here", escaped(.path))]
    NotToml { path: PathBuf },
    #[error("settings have no form as a policy file: `{}`", escaped(.path))]
    NoPolicyFile { path: PathBuf },
    #[error("there is no policy `{}` to change", escaped(.path))]
    NoPolicy { path: PathBuf },
    #[error("there is nothing to change")]
    NoRules,
    #[error("`{}` has no rule of `{}`", escaped(.path), escaped(.key))]
    NoRule { path: PathBuf, key: String },
    #[error("cannot change `{}`", escaped(.path))]
    EditPolicy { path: PathBuf, source: EditProblem },
    #[error("`{}` has no form in TOML", escaped(.text))]
    NotText { text: OsString },
    #[error("`{}` is no file to keep a log in: none, or one with a second name", escaped(.path))]
    NoLog { path: PathBuf },
    #[error("`{}` is a symbolic link, which is not followed", escaped(.path))]
    LinkedFile { path: PathBuf },
    #[error("`{}` has changed meanwhile: it was left as it is", escaped(.path))]
    ChangedFile { path: PathBuf },
    #[error("cannot read `{}`", escaped(.path))]
    ReadFile { path: PathBuf, source: io::Error },
    #[error("cannot write `{}`", escaped(.path))]
    WriteFile { path: PathBuf, source: io::Error },
    #[error("cannot {action}")]
    Own {
        action: &'static str,
        source: io::Error,
    },
}

impl Failure {
    /// What to change, if that is known.
    pub(crate) fn remedy(&self) -> Option<String> {
        match self {
            Self::Sandbox(error @ Error::Launch(LaunchError::Exec { program, source })) => {
                execution(program, source).or_else(|| error.remedy())
            }
            Self::Sandbox(Error::Launch(LaunchError::TooLarge)) => Some(
                "give the command fewer arguments or a smaller environment; xargs(1) splits a list"
                    .to_owned(),
            ),
            Self::Sandbox(error) => error.remedy(),
            #[cfg(backend = "macos")]
            Self::NotHere { .. } => {
                Some("`sandbox profile` prints what a policy becomes".to_owned())
            }
            Self::Become { name, .. } if cfg!(backend = "macos") => Some(format!(
                "run it as that account: `sudo -u {name} sandbox run …`"
            )),
            Self::NoQuestions => {
                Some("say what is reached: `--network deny --allow DESTINATION`".to_owned())
            }
            Self::NoCommand => {
                Some("`sandbox run npm test`; for a shell, `sandbox shell`".to_owned())
            }
            Self::Conflict { .. } | Self::TwoPolicies { .. } => {
                Some("decide for one of them".to_owned())
            }
            Self::VariableTwice { .. } => Some("give each name once".to_owned()),
            Self::VariableWithoutName => {
                Some("`--env NAME` passes a variable, `--env NAME=VALUE` sets one".to_owned())
            }
            Self::ForeignDirectory { owner, .. } => Some(format!(
                "run as the owner: `--user {owner}`; or as root all the same: `--user root`"
            )),
            Self::ScratchDirectory { directory } => Some(format!(
                "work in a directory of its own: `mkdir {0}/work && cd {0}/work`",
                directory.display()
            )),
            Self::Profile(error) => error.remedy(),
            Self::OnlyLinux { .. } => {
                Some("`sandbox profile --os macos` prints what holds a policy there".to_owned())
            }
            Self::UserNeedsRoot => Some("leave it out: the command runs as you".to_owned()),
            Self::NoAccount { name } if name.parse::<u32>().is_ok() => Some(format!(
                "give a group too, and it needs no account: `--user {name}:{name}`"
            )),
            Self::CorruptStore { path, .. } => Some(format!(
                "remove it, and approve again what you have read: `rm {}`",
                path.display()
            )),
            Self::ForeignStore { path, .. } => Some(format!(
                "remove it, and approve again what you have read: `rm -r {}`",
                path.display()
            )),
            Self::NoHome { variable, .. } => Some(format!("set `HOME`, or `{variable}`")),
            Self::PolicyExists { .. } => {
                Some("change that one, or look at the other with `sandbox init --print`".to_owned())
            }
            Self::NoPolicyFile { .. } => {
                Some("`sandbox explain --settings FILE` says what they mean".to_owned())
            }
            Self::NotToml { .. } => Some("`jq .` formats JSON".to_owned()),
            Self::NoPolicy { .. } => Some("`sandbox init` writes one".to_owned()),
            Self::NoRules => Some(
                "`sandbox policy add --write ../shared`; `sandbox policy remove ../shared`"
                    .to_owned(),
            ),
            Self::NoRule { .. } => Some(
                "`sandbox explain` lists every rule, and the file and line that it comes from"
                    .to_owned(),
            ),
            Self::EditPolicy { .. } => Some(
                "change it by hand; a rule a line below `[files]` can be changed here".to_owned(),
            ),
            Self::NotText { .. } => {
                Some("give it to each command, as in `sandbox run --hide`".to_owned())
            }
            Self::LinkedFile { .. } => Some(
                "name the file that it leads to, if that is what you mean: `--file`".to_owned(),
            ),
            Self::NoLog { .. } => Some("name one that is not there yet".to_owned()),
            Self::ChangedFile { .. } => Some("run it again".to_owned()),
            Self::NoAccount { .. }
            | Self::ReadFile { .. }
            | Self::WriteFile { .. }
            | Self::Store { .. }
            | Self::Directory { .. }
            | Self::Become { .. }
            | Self::Own { .. } => None,
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Sandbox(Error::Launch(LaunchError::Exec { source, .. })) => match source.kind() {
                io::ErrorKind::NotFound => exit::NOT_FOUND,
                _ => exit::NOT_EXECUTABLE,
            },
            Self::Sandbox(Error::Launch(LaunchError::TooLarge)) => exit::NOT_EXECUTABLE,
            _ => exit::OURS,
        }
    }
}

/// What is worth looking at if a program cannot be executed inside.
fn execution(program: &Path, source: &io::Error) -> Option<String> {
    let name = escaped(program);
    match (source.kind(), program.components().count()) {
        (io::ErrorKind::NotFound, 0 | 1) => Some(
            "it is in no directory of the `PATH` inside: `sandbox run printenv PATH` shows it"
                .to_owned(),
        ),
        (io::ErrorKind::NotFound, _) => Some(format!(
            "it, or the interpreter in its first line, is not there inside: `sandbox explain {name}` tells why"
        )),
        (io::ErrorKind::PermissionDenied, _) => Some(format!(
            "it has to be an executable file (`ls -l {name}`) that the policy shows (`sandbox explain {name}`)"
        )),
        _ if source.raw_os_error() == Some(Errno::ENOEXEC as i32) => {
            Some("a script needs a first line such as `#!/bin/sh`".to_owned())
        }
        _ => None,
    }
}
