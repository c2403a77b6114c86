//! A benchmark on a system without a sandbox.

use std::io::Write;
use std::process::ExitCode;

pub(crate) fn main() -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: there is no sandbox to measure");
    ExitCode::FAILURE
}
