//! Exit codes, as `sandbox --help` documents them.

use std::process::ExitCode;

use sandboxed::ExitStatus;

/// `check` has found something to mend, `policy fmt --check` something to format.
pub(crate) const TO_MEND: u8 = 1;
/// The time limit was reached, as timeout(1) has it.
pub(crate) const TIME_LIMIT: u8 = 124;
/// The sandbox itself failed or refused; nothing ran, or it was ended.
pub(crate) const OURS: u8 = 125;
/// The command was found and could not be executed.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// The command was not found.
pub(crate) const NOT_FOUND: u8 = 127;
/// What is added to the number of the signal that ended the command.
const SIGNAL: i32 = 128;

/// The exit code that tells how the command ended.
pub(crate) fn code(status: &ExitStatus) -> ExitCode {
    if status.time_limit().is_some() {
        return TIME_LIMIT.into();
    }
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| SIGNAL.saturating_add(signal)));
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(OURS)
        .into()
}
