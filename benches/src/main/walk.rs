//! The benchmark `walk`, or nothing where there is nothing to measure.

use std::process::ExitCode;

#[cfg_attr(
    all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ),
    path = "../bin/walk.rs"
)]
#[cfg_attr(
    not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )),
    path = "nothing.rs"
)]
mod walk;

fn main() -> ExitCode {
    walk::main()
}
