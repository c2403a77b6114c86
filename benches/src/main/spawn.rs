//! The benchmark `spawn`, or nothing where there is nothing to measure.

use std::process::ExitCode;

#[cfg_attr(backend, path = "../bin/spawn.rs")]
#[cfg_attr(not(backend), path = "nothing.rs")]
mod spawn;

fn main() -> ExitCode {
    spawn::main()
}
