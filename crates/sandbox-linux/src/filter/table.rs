//! The policy of the filter: every system call that is known, and what becomes of it.
//!
//! | file | holds |
//! |---|---|
//! | `allowed` | calls that pass with any arguments, in groups, each with the reason why that is no danger |
//! | `refused` | calls that pass with no arguments, one a line, with errno, the feature that opens it, and reason |
//! | `inspected` | calls that depend on their arguments, and the cases in which they are refused |
//! | `x86_64`, `aarch64` | the same three for calls of one architecture only, and its audit number |
//! | `numbers` | the call numbers, where libc lacks one |
//!
//! A number in none of them is unknown and gets ENOSYS. To let a call in, add its line where its like are, and say why.

#[macro_use]
mod lines;

mod allowed;
mod inspected;
mod numbers;
mod refused;

#[cfg_attr(target_arch = "x86_64", path = "table/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "table/aarch64.rs")]
mod architecture;

use std::fmt;

use super::Feature;
use super::case::{Call, Entry, Unless};

pub(super) use self::architecture::AUDIT_ARCH;

/// Calls that are allowed for one reason.
struct Group {
    /// For the reader of the table.
    #[expect(dead_code, reason = "a comment that can't be left out")]
    why: &'static str,
    calls: &'static [Call],
}

/// Every line of the table.
pub(super) fn entries() -> impl Iterator<Item = Entry> {
    let allowed = allowed::ALLOWED
        .iter()
        .chain(architecture::ALLOWED)
        .flat_map(|group| group.calls);
    allowed
        .map(|call| Entry {
            call: *call,
            cases: &[],
        })
        .chain(
            refused::REFUSED
                .iter()
                .chain(architecture::REFUSED)
                .copied(),
        )
        .chain(
            inspected::INSPECTED
                .iter()
                .chain(architecture::INSPECTED)
                .copied(),
        )
}

/// Every line of the table at the place of its number.
pub(super) fn by_number() -> Vec<Option<Entry>> {
    let mut lines = Vec::new();
    for entry in entries() {
        let number = entry.call.number() as usize;
        if number >= lines.len() {
            lines.resize(number + 1, None);
        }
        if let Some(line) = lines.get_mut(number) {
            *line = Some(entry);
        }
    }
    lines
}

/// One refusal of the table.
///
/// ```
/// use sandbox_linux::filter::Filter;
///
/// let bpf = Filter::refusals().find(|refusal| refusal.call == "bpf").expect("it is in the table");
/// assert_eq!(bpf.errno, "EPERM");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The system call.
    pub call: &'static str,
    /// What it answers: an errno, or `0` where it pretends to be done.
    pub errno: &'static str,
    /// The feature that lifts the refusal, if one does.
    pub feature: Option<Feature>,
    /// Which arguments are refused, unless all are, and why.
    pub why: &'static str,
}

/// Every refusal of the table, by name of the call.
pub(super) fn refusals() -> impl Iterator<Item = Refusal> {
    let mut refusals: Vec<_> = entries()
        .flat_map(|entry| {
            entry.cases.iter().filter_map(move |case| {
                let errno = case.action.answer()?;
                let feature = match case.unless {
                    Unless::Feature(feature) => Some(feature),
                    Unless::Never
                    | Unless::SignalScope
                    | Unless::Notified
                    | Unless::Unnotified
                    | Unless::Unconnected
                    | Unless::Absent
                    | Unless::Unpaired => None,
                };
                Some(Refusal {
                    call: entry.call.name(),
                    errno,
                    feature,
                    why: case.why,
                })
            })
        })
        .collect();
    refusals.sort_by_key(|refusal| refusal.call);
    refusals.into_iter()
}

/// One line, as in the documents.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} · {} · {}", self.call, self.errno, self.why)?;
        match self.feature {
            Some(feature) => write!(f, " · opened by `{feature}`"),
            None => Ok(()),
        }
    }
}
