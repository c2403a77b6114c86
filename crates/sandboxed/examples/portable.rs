//! A program for every system: it runs a command confined, and where that can't be done it says so and runs nothing.
//!
//! `cargo run -p sandboxed --example portable -- npm test`

#![expect(clippy::print_stderr, reason = "what a person is told")]

use std::env;
use std::error::Error as _;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use sandboxed::{Child, Error, ExitStatus, Output, Policy, Preset, Sandbox, Stdio};

/// Exit code of a failure that is not the command's, as in env(1) and timeout(1).
const OURS: u8 = 125;

fn main() -> ExitCode {
    let mut words = env::args_os().skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: portable PROGRAM [ARGUMENT…]");
        return OURS.into();
    };
    match run(program, words) {
        Ok(status) => status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(OURS)
            .into(),
        Err(Error::Unsupported) => {
            eprintln!("portable: {}: nothing was run", Error::Unsupported);
            OURS.into()
        }
        Err(error) => {
            eprintln!("portable: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  caused by: {cause}");
                source = cause.source();
            }
            if let Some(remedy) = error.remedy() {
                eprintln!("  help: {remedy}");
            }
            OURS.into()
        }
    }
}

/// Asks the sandbox who it is, then runs the command with what this program reads.
fn run(program: OsString, args: impl Iterator<Item = OsString>) -> Result<ExitStatus, Error> {
    let policy = Policy::preset(Preset::Agent).write(".");
    let sandbox = Sandbox::new(&policy)?;
    eprintln!("{}", sandbox.enforcement());
    let Output { status, stdout, .. } = sandbox.command("uname").arg("-s").output()?;
    let system = String::from_utf8_lossy(&stdout);
    eprintln!(
        "{status} after {:?}: {}",
        status.usage().user,
        system.trim_end()
    );

    let mut command = sandbox.command(program);
    command
        .args(args)
        .env("CI", "1")
        .current_dir(".")
        .stdin(Stdio::piped())
        .stderr(Stdio::inherit())
        .timeout(Duration::from_hours(1));
    feed(command.spawn()?)
}

fn feed(mut child: Child) -> Result<ExitStatus, Error> {
    if let Some(mut stdin) = child.stdin.take() {
        let mut input = Vec::new();
        // Whoever does not read it has ended, and its status tells more.
        let _ = std::io::stdin()
            .read_to_end(&mut input)
            .and_then(|_| stdin.write_all(&input));
    }
    child.wait()
}
