//! Development tasks: what CI checks, as commands that a person runs, too.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool of the terminal: what it runs and finds is its output"
)]

mod api;
#[cfg(unix)]
mod bench;
mod book;
mod check;
mod cross;
mod documents;
mod fuzz;
mod licences;
mod run;
mod spdx;
mod suite;
mod tally;
#[cfg(unix)]
mod user;

use std::process::ExitCode;

use lexopt::prelude::*;

use crate::run::Error;

const HELP: &str = "\
cargo xtask check          everything that a change must pass: fmt, clippy, doc, interface, licences, documents, test
cargo xtask test           the test command, with a count at the end
cargo xtask test-as USER   the same tests as another user (as root), who need not be able to read this directory
cargo xtask cross          compiles for other systems, and runs the unit tests that an emulator of aarch64 can run
cargo xtask fuzz [SECONDS] fuzzes each target for a while, if there is a nightly toolchain with cargo-fuzz
cargo xtask miri           runs the pure tests in Miri, if there is a nightly toolchain with it
cargo xtask api            writes the public interface of `sandboxed` to its api.txt, and prints what has changed
cargo xtask bench [USER]   the table of docs/performance.md, measured here; as another user (as root)
cargo xtask licences       licences, sources and duplicates of all dependencies

SANDBOX_TEST_LOWER=linux-6.1 in the environment makes the tests of `sandbox` run with the host's facts lowered, and no others.
";

fn main() -> ExitCode {
    match perform() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                eprintln!("  caused by: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn perform() -> Result<(), Error> {
    let mut words = lexopt::Parser::from_env();
    let mut task = None;
    let mut operand = None;
    while let Some(word) = words.next()? {
        match word {
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            Value(value) if task.is_none() => task = Some(value.string()?),
            Value(value) if operand.is_none() => operand = Some(value.string()?),
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    match (task.as_deref(), operand.as_deref()) {
        (Some("check"), None) => check::all(),
        (Some("api"), None) => api::update(),
        #[cfg(unix)]
        (Some("bench"), user) => bench::all(user),
        (Some("fuzz"), seconds) => fuzz::fuzz(seconds).and_then(tally::Tally::conclude),
        (Some("miri"), None) => fuzz::miri().and_then(tally::Tally::conclude),
        (Some("licences"), None) => licences::check(),
        (Some("documents"), None) => documents::check(),
        (Some("cross"), None) => cross::check().and_then(tally::Tally::conclude),
        (Some("test"), None) => suite::test().and_then(tally::Tally::conclude),
        #[cfg(unix)]
        (Some("test-as"), Some(user)) => user::test_as(user).and_then(tally::Tally::conclude),
        _ => {
            print!("{HELP}");
            Err(Error::NoTask)
        }
    }
}
