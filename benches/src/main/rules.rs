//! The benchmark `rules`, or nothing where there is nothing to measure.

use std::process::ExitCode;

#[cfg_attr(backend, path = "../bin/rules.rs")]
#[cfg_attr(not(backend), path = "nothing.rs")]
mod rules;

fn main() -> ExitCode {
    rules::main()
}
