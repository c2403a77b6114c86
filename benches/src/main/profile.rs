//! The benchmark `profile`, or nothing where there is nothing to measure.

use std::process::ExitCode;

#[cfg_attr(backend, path = "../bin/profile.rs")]
#[cfg_attr(not(backend), path = "nothing.rs")]
mod profile;

fn main() -> ExitCode {
    profile::main()
}
