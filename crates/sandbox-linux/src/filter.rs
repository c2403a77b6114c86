//! Which system calls a confined command may make: a seccomp filter, compiled from an audited table.
//!
//! **What it decides.** The filter is an allow-list. A call that the table allows passes; one that it refuses gets the
//! errno of its line; a number that the table does not know gets `ENOSYS`, so that whatever the next kernel adds stays
//! closed until somebody has read about it. It exists for the attack that no mount rule stops: a hole in a part of the
//! kernel which builds, tests and agents have no use for, and doors that lead around the namespaces (`kill(0)`, `TIOCSTI`,
//! a renice of the caller's process group, a setuid file left in the workspace).
//!
//! **What it must never do.** It must not depend on memory: only registers are compared, since a string or a structure can be
//! rewritten between the check and the use. A call whose meaning lies behind a pointer is either harmless in every form,
//! or refused in every form (`clone3`, `openat2`).
//!
//! **How to read it.** Start with the tables, they are the policy, and everything else follows from them:
//! `table` and its files (`allowed`, `refused`, `inspected`; what exists on one architecture only in a file of its
//! name). A line is a call and an ordered list of cases. The first case whose tests all hold decides; where none holds,
//! the call is allowed. `tree` arranges the numbers as a binary search tree over ranges of equal outcome (a
//! linear list costs three times as much to install), and the tests run the compiled program in an interpreter, against
//! a plain look-up in the tables.
//!
//! **Notifier.** With [`FilterOptions::notifier`] every call that creates, renames, links or opens for writing by name goes to
//! the listener, whose filter this is, and so does `bind`. Which flags of `open` those are is tested here, so that reading costs nothing.
//! With [`FilterOptions::sockets`] every `connect` and `bind` goes there.
//!
//! **Prologue.** Numbers mean something only within one ABI, so the architecture is compared first. A foreign one (on x86-64:
//! `int $0x80` and 32-bit programs) gets EPERM for every call rather than a kill: nothing is reachable either way, and a
//! program that only probes for it lives on. x32 shares the architecture's value and marks its numbers with bit 30;
//! these get ENOSYS, the answer of a kernel without x32. So does -1, which tracers use for "skip this call".
//!
//! **Errnos.** EPERM for what is known to be bad; ENOSYS for the unknown and for calls that programs know how to do
//! without; for sockets the errno of a kernel built without the family, on which programs already fall back; for
//! requests to file systems ENOTTY, the answer of one that does not have them. One limit is answered with 0 and left as it
//! is (`RLIMIT_CORE`): scripts lower it, and must not end of it.

mod case;
mod feature;
mod table;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

pub use seccompiler::sock_filter;

pub use self::feature::Feature;
pub use self::table::Refusal;

use self::case::{Action, Decided, ENOSYS, EPERM};

/// The kernel's own bound on the length of a program (`BPF_MAXINSNS`).
const LONGEST: usize = 4096;

/// Bit 30 of a call number: x32, and everything above it, -1 included.
const X32: u32 = 0x4000_0000;

/// What the filter depends on besides the table.
///
/// ```
/// use sandbox_linux::filter::{Feature, FilterOptions};
///
/// let mut options = FilterOptions::default();         // no feature, no signal scope: the narrowest filter
/// options.features.insert("perf".parse()?);
/// assert!(options.features.contains(&Feature::Perf));
/// # Ok::<(), sandbox_linux::filter::FilterError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterOptions {
    /// Whether Landlock's signal scope keeps signals inside. Where it doesn't, `kill(0, …)` is refused: it reaches the
    /// caller's process group across pid namespaces.
    pub signal_scope: bool,
    /// Whether calls that make a name, or open for writing by one, go to a listener instead of to the kernel.
    pub notifier: bool,
    /// Whether calls that give a socket a peer or an address go to a listener as well: of Unix sockets both may be a path.
    pub sockets: bool,
    /// What the policy opens.
    pub features: BTreeSet<Feature>,
}

impl FilterOptions {
    /// Whether anything goes to a listener.
    fn is_answered(&self) -> bool {
        self.notifier || self.sockets
    }
}

/// A compiled seccomp program, ready to be installed.
///
/// ```
/// use sandbox_linux::filter::{Filter, FilterOptions};
///
/// let filter = Filter::compile(&FilterOptions::default())?;
/// assert_eq!(filter.to_bytes().len(), filter.instructions().len() * 8);
/// # Ok::<(), sandbox_linux::filter::FilterError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    instructions: Vec<sock_filter>,
    summary: Summary,
}

/// How many calls have which outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Summary {
    allowed: usize,
    inspected: usize,
    /// By the notifier, whatever the arguments are.
    notified: usize,
    /// Whether there is a notifier.
    notifier: bool,
    refused: BTreeMap<&'static str, usize>,
    features: BTreeSet<Feature>,
}

/// Why there is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// The policy names a kernel feature that is not in [`Feature::ALL`].
    #[error("unknown kernel feature `{}`", .name.escape_debug())]
    UnknownFeature {
        /// As the policy has it.
        name: String,
        /// The most similar name that exists.
        nearest: Option<&'static str>,
    },
    /// A line of the table can't be expressed: a defect of ours that the tests would show.
    #[error("cannot compile the filter's rule for `{call}`")]
    Rule {
        /// The system call.
        call: &'static str,
        /// What seccompiler says.
        source: Arc<seccompiler::BackendError>,
    },
    /// The rule was compiled to an instruction whose jumps, if it has any, would be left as they are: a defect of ours as well.
    #[error("the filter's rule for `{call}` has the unknown instruction {code:#04x}")]
    Instruction {
        /// The system call.
        call: &'static str,
        /// The instruction's code.
        code: u16,
    },
    /// The program has more instructions than the kernel accepts.
    #[error("the filter has {length} instructions, {LONGEST} is the kernel's bound")]
    TooLong {
        /// Instructions of the program.
        length: usize,
    },
}

impl FilterError {
    /// What to change, if that is known.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::UnknownFeature {
                nearest: Some(name),
                ..
            } => Some(format!("write `{name}`")),
            Self::UnknownFeature { nearest: None, .. } => {
                Some(format!("write one of `{}`", Feature::NAMES.join("`, `")))
            }
            Self::Rule { .. } | Self::Instruction { .. } | Self::TooLong { .. } => None,
        }
    }
}

impl Filter {
    /// Compiles the table for this architecture; pure.
    ///
    /// # Errors
    /// [`FilterError::Rule`], [`FilterError::Instruction`] and [`FilterError::TooLong`], which no options bring about as long as
    /// the tests pass.
    pub fn compile(options: &FilterOptions) -> Result<Self, FilterError> {
        let mut summary = Summary {
            features: options.features.clone(),
            notifier: options.is_answered(),
            ..Summary::default()
        };
        let mut ranges = tree::Ranges::new(Decided::always(Action::Errno(ENOSYS)));
        for entry in table::by_number().into_iter().flatten() {
            let decided = entry.decide(options);
            summary.count(&decided);
            ranges.push(entry.call, decided);
        }
        let mut instructions = prologue();
        instructions.extend(ranges.into_program()?);
        if instructions.len() > LONGEST {
            return Err(FilterError::TooLong {
                length: instructions.len(),
            });
        }
        Ok(Self {
            instructions,
            summary,
        })
    }

    /// The program, as `seccomp(2)` takes it.
    pub fn instructions(&self) -> &[sock_filter] {
        &self.instructions
    }

    /// Whether it needs a listener.
    pub(crate) const fn notifies(&self) -> bool {
        self.summary.notifier
    }

    /// The program as the bytes of `struct sock_filter[]`, in the byte order of this machine.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.instructions.len() * 8);
        for instruction in &self.instructions {
            bytes.extend(instruction.code.to_ne_bytes());
            bytes.extend([instruction.jt, instruction.jf]);
            bytes.extend(instruction.k.to_ne_bytes());
        }
        bytes
    }

    /// The numbers that a listener is asked about, some or all of their calls.
    #[cfg(test)]
    pub(crate) fn notified() -> Vec<libc::c_long> {
        let options = FilterOptions {
            notifier: true,
            sockets: true,
            ..FilterOptions::default()
        };
        let lines = table::by_number().into_iter().flatten();
        let asks = |decided: &Decided| {
            let mut actions = decided.cases.iter().map(|(_, action)| *action);
            decided.otherwise == Action::Notify || actions.any(|action| action == Action::Notify)
        };
        lines
            .filter(|entry| asks(&entry.decide(&options)))
            .map(|entry| entry.call.number().into())
            .collect()
    }

    /// Each refusal of the table: the call, the errno, the feature that lifts it and the reason.
    pub fn refusals() -> impl Iterator<Item = Refusal> {
        table::refusals()
    }
}

/// Leaves the call's number in the accumulator, for the tree.
fn prologue() -> Vec<sock_filter> {
    vec![
        tree::load(tree::ARCHITECTURE),
        tree::jump_if_equal(table::AUDIT_ARCH, 1, 0),
        tree::answer(Action::Errno(EPERM)),
        tree::load(tree::NUMBER),
        tree::jump_if_at_least(X32, 0, 1),
        tree::answer(Action::Errno(ENOSYS)),
    ]
}

impl Summary {
    fn count(&mut self, decided: &Decided) {
        match (decided.cases.is_empty(), decided.otherwise) {
            (true, Action::Allow) => self.allowed += 1,
            (true, Action::Errno(errno)) => *self.refused.entry(errno.name()).or_default() += 1,
            (true, Action::Notify) => self.notified += 1,
            (true, Action::Pretend) => *self.refused.entry("0").or_default() += 1,
            (false, _) => self.inspected += 1,
        }
    }
}

/// One line, for `explain --plan`.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = &self.summary;
        write!(
            f,
            "allow {} calls · by arguments {}",
            summary.allowed, summary.inspected
        )?;
        if summary.notifier {
            write!(f, " · by the notifier {}", summary.notified)?;
        }
        for (errno, calls) in &summary.refused {
            if *errno != ENOSYS.name() {
                write!(f, " · {errno} {calls}")?;
            }
        }
        f.write_str(" · ENOSYS everything else")?;
        for feature in &summary.features {
            write!(f, " · {feature} opened")?;
        }
        write!(f, " ({} instructions)", self.instructions.len())
    }
}

#[cfg(test)]
mod tests;
