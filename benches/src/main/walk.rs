//! The benchmark `walk`, or nothing where there is nothing to measure.

use std::process::ExitCode;

#[cfg_attr(backend, path = "../bin/walk.rs")]
#[cfg_attr(not(backend), path = "nothing.rs")]
mod walk;

fn main() -> ExitCode {
    walk::main()
}
