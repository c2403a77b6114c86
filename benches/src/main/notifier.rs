//! The benchmark `notifier`, or nothing where there is nothing to measure.

use std::process::ExitCode;

#[cfg_attr(backend, path = "../bin/notifier.rs")]
#[cfg_attr(not(backend), path = "nothing.rs")]
mod notifier;

fn main() -> ExitCode {
    notifier::main()
}
