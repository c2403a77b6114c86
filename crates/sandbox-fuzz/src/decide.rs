//! The decision about a path by any rules.
//!
//! The input is lines: a path to be judged, then rules, the first byte of each being its access.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use sandbox_core::{Access, Attempt, Decision, Policy, Ruleset, Verdict, fuzzing};

/// More of them make an input slow, and no richer.
const MAX_RULES: usize = 24;

type Rule<'a> = (&'a OsStr, Access);

pub(crate) fn decide(input: &[u8]) {
    let (path, rest) = crate::halves(input, b'\n');
    let lines = rest.split(|byte| *byte == b'\n').take(MAX_RULES);
    let mut rules: Vec<Rule<'_>> = lines.filter_map(rule).collect();
    let path = OsStr::from_bytes(path);
    let Some(before) = decisions(&rules, path) else {
        return;
    };
    for decision in &before {
        for line in decision.remedy.iter().flat_map(|remedy| remedy.lines()) {
            let policy = Policy::from_toml(&format!("[files]\n{line}\n"), None);
            assert!(policy.is_ok(), "the remedy {line:?} cannot be read");
        }
    }
    rules.reverse();
    let reversed = decisions(&rules, path);
    let verdicts = |decisions: &[Decision]| decisions.iter().map(|d| d.verdict).collect::<Vec<_>>();
    let expected = verdicts(&before);
    assert_eq!(
        reversed.as_deref().map(verdicts),
        Some(expected.clone()),
        "the order of rules matters"
    );
    // What is hidden by a rule more, is not allowed by it.
    let Some((text, _)) = rules.first().copied() else {
        return;
    };
    rules.retain(|(other, _)| *other != text);
    if let Some(without) = decisions(&rules, path).as_deref().map(verdicts) {
        rules.push((text, Access::Hide));
        let with = decisions(&rules, path);
        for (with, without) in with.as_deref().map(verdicts).iter().flatten().zip(without) {
            assert!(
                *with == Verdict::Deny || without == Verdict::Allow,
                "a rule that hides allows more"
            );
        }
    }
}

fn rule(line: &[u8]) -> Option<Rule<'_>> {
    let (access, text) = line.split_first()?;
    let access = *Access::ALL.get(usize::from(*access) % Access::ALL.len())?;
    Some((OsStr::from_bytes(text), access))
}

/// Whether the path may be read, and be written; `None` where the rules are refused.
fn decisions(rules: &[Rule<'_>], path: &OsStr) -> Option<Vec<Decision>> {
    let ruleset: Ruleset = fuzzing::ruleset(rules)?;
    let attempts = [Attempt::read(path), Attempt::write(path)];
    Some(
        attempts
            .iter()
            .map(|attempt| ruleset.decide(attempt))
            .collect(),
    )
}
