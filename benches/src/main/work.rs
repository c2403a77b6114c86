//! The benchmark `work`, or nothing where there is nothing to measure.

use std::process::ExitCode;

#[cfg_attr(backend, path = "../bin/work.rs")]
#[cfg_attr(not(backend), path = "nothing.rs")]
mod work;

fn main() -> ExitCode {
    work::main()
}
