//! The benchmark `gateway`, or nothing where there is nothing to measure.

use std::process::ExitCode;

#[cfg_attr(backend, path = "../bin/gateway.rs")]
#[cfg_attr(not(backend), path = "nothing.rs")]
mod gateway;

fn main() -> ExitCode {
    gateway::main()
}
