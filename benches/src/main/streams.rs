//! The benchmark `streams`, or nothing where there is nothing to measure.

use std::process::ExitCode;

#[cfg_attr(backend, path = "../bin/streams.rs")]
#[cfg_attr(not(backend), path = "nothing.rs")]
mod streams;

fn main() -> ExitCode {
    streams::main()
}
