//! The benchmark `callers`, or nothing where there is nothing to measure.

use std::process::ExitCode;

#[cfg_attr(backend, path = "../bin/callers.rs")]
#[cfg_attr(not(backend), path = "nothing.rs")]
mod callers;

fn main() -> ExitCode {
    callers::main()
}
