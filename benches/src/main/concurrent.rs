//! The benchmark `concurrent`, or nothing where there is nothing to measure.

use std::process::ExitCode;

#[cfg_attr(backend, path = "../bin/concurrent.rs")]
#[cfg_attr(not(backend), path = "nothing.rs")]
mod concurrent;

fn main() -> ExitCode {
    concurrent::main()
}
