//! Linux, asked about on another system: only there it is known what a plan is.

use sandboxed::Ruleset;

use super::{Report, is_asked};
use crate::args::Explain;
use crate::failure::Failure;
use crate::setting::Situation;

/// Answers with the rules, which are the same everywhere, and nothing else.
pub(super) fn answer(
    explain: &Explain,
    _situation: &Situation,
    ruleset: &Ruleset,
    report: &mut Report,
) -> Result<(), Failure> {
    if explain.plan || explain.enforcement || is_asked(explain) {
        let what = "explain --os linux";
        return Err(Failure::NotHere { what });
    }
    report.rules(ruleset);
    Ok(())
}
