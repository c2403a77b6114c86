//! Commands, each printed before it runs.

use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

/// Why a task ended without success.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(not(unix), expect(dead_code, reason = "other users are those of Unix"))]
pub(crate) enum Error {
    #[error("no such task")]
    NoTask,
    #[error(transparent)]
    Arguments(#[from] lexopt::Error),
    #[error("cannot start `{command}`")]
    Start { command: String, source: io::Error },
    #[error("`{command}` failed: {status}")]
    Failed { command: String, status: ExitStatus },
    #[error("cannot read what `{command}` printed")]
    Output { command: String, source: io::Error },
    #[error("`{command}` printed something that is not JSON")]
    Json {
        command: String,
        source: serde_json::Error,
    },
    #[error("cannot prepare `{}`", .path.display())]
    Prepare { path: PathBuf, source: io::Error },
    #[error("there is no user `{0}`")]
    NoUser(String),
    #[error("cargo built no binary `sandbox`")]
    NoBinary,
    #[error("{} found in the dependencies:\n{}", .0.len(), .0.join("\n"))]
    Dependencies(Vec<String>),
    #[error("cannot read `{}`", .path.display())]
    Document { path: PathBuf, source: io::Error },
    #[error("named and not there:\n{}", .0.join("\n"))]
    Documents(Vec<String>),
    #[error("the public interface has changed; `cargo xtask api` writes it down:\n{}", .0.join("\n"))]
    Interface(Vec<String>),
    #[error("this toolchain's rustdoc is not the one that public-api reads: {0}")]
    Format(String),
    #[error("{0} failed")]
    Tests(usize),
    #[error("failed: {}", .0.join(", "))]
    Checks(Vec<&'static str>),
}

/// The features that are not among the defaults: checked and tested with everything else.
pub(crate) const FEATURES: [&str; 2] = ["--features", "sandboxed/tokio"];

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// As a person would type it, for messages.
pub(crate) fn line(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    command
        .get_args()
        .fold(name, |line, word| line + " " + &word.to_string_lossy())
}

/// Prints and runs it to success.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let line = line(command);
    println!("$ {line}");
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|source| Error::Start {
            command: line.clone(),
            source,
        })?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Failed {
            command: line,
            status,
        })
    }
}

/// Prints it, runs it to success, and gives what it wrote to its standard output.
pub(crate) fn read(command: &mut Command) -> Result<Vec<u8>, Error> {
    let line = line(command);
    println!("$ {line}");
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Start {
            command: line.clone(),
            source,
        })?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Error::Failed {
            command: line,
            status: output.status,
        })
    }
}
