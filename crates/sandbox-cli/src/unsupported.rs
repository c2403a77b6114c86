//! What is left of `sandbox` where there is no backend: it says so, whatever it is asked to do.

use std::io::Write;
use std::process::ExitCode;

use sandboxed::{Policy, Sandbox};

/// The sandbox itself failed or refused, as elsewhere.
const OURS: u8 = 125;

/// Tells why there is no sandbox; runs nothing.
pub(crate) fn refuse() -> ExitCode {
    if let Err(error) = Sandbox::new(&Policy::new()) {
        // Whoever closed standard error has the exit code.
        let _ = writeln!(std::io::stderr(), "error: {error}");
    }
    OURS.into()
}
