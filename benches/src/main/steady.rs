//! The benchmark `steady`, or nothing where there is nothing to measure.

use std::process::ExitCode;

#[cfg_attr(
    all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ),
    path = "../bin/steady.rs"
)]
#[cfg_attr(
    not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )),
    path = "nothing.rs"
)]
mod steady;

fn main() -> ExitCode {
    steady::main()
}
