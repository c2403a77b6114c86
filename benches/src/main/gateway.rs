//! The benchmark `gateway`, or nothing where there is nothing to measure.

use std::process::ExitCode;

#[cfg_attr(
    all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ),
    path = "../bin/gateway.rs"
)]
#[cfg_attr(
    not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )),
    path = "nothing.rs"
)]
mod gateway;

fn main() -> ExitCode {
    gateway::main()
}
