//! The benchmark `watch`, or nothing where there is nothing to measure.

use std::process::ExitCode;

#[cfg_attr(backend, path = "../bin/watch.rs")]
#[cfg_attr(not(backend), path = "nothing.rs")]
mod watch;

fn main() -> ExitCode {
    watch::main()
}
