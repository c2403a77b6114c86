//! The vocabulary of the tables: a call, the cases in which it is refused, and how arguments are compared.
//!
//! An `int` or a flag word is compared in its low 32 bits, since that is all the kernel reads of it: with all 64, garbage in
//! the upper half would make `ioctl(fd, TIOCSTI)` another request to us and the same one to the kernel. Only a pointer is
//! compared whole.

use std::fmt;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule,
};

use super::tree::JUMP;
use super::{Feature, FilterOptions, X32};

/// A system call, by the constant that gives its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    constant: &'static str,
    number: u32,
}

/// A line of the table: the first case whose tests all hold decides, and where none holds the call is allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) call: Call,
    pub(super) cases: &'static [Case],
}

/// What becomes of a call whose arguments pass all the tests; without tests, of every call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) tests: &'static [Test],
    pub(super) action: Action,
    /// What the case means and why it is so; empty where it allows.
    pub(super) why: &'static str,
    pub(super) unless: Unless,
}

/// What takes a case out of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unless {
    Never,
    Feature(Feature),
    SignalScope,
    /// Where the notifier answers.
    Notified,
    /// Where it does not.
    Unnotified,
    /// Where it does not answer for sockets' peers.
    Unconnected,
    /// Where it answers for nothing.
    Absent,
    /// The same, and where the policy allows sockets of datagrams, of which there are pairs then.
    Unpaired,
}

/// What the kernel is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Allow,
    Errno(Errno),
    /// Success, without the call: for what programs may ask for and must not get, where an error would end them.
    Pretend,
    /// The notifier decides, and makes the call in the caller's place.
    Notify,
}

/// An errno with its name, for printing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errno {
    number: u16,
    name: &'static str,
}

pub(super) const EPERM: Errno = Errno::new("EPERM", libc::EPERM);
pub(super) const ENOSYS: Errno = Errno::new("ENOSYS", libc::ENOSYS);
pub(super) const ENOTTY: Errno = Errno::new("ENOTTY", libc::ENOTTY);
pub(super) const EBUSY: Errno = Errno::new("EBUSY", libc::EBUSY);
pub(super) const EAFNOSUPPORT: Errno = Errno::new("EAFNOSUPPORT", libc::EAFNOSUPPORT);
pub(super) const EPROTONOSUPPORT: Errno = Errno::new("EPROTONOSUPPORT", libc::EPROTONOSUPPORT);
pub(super) const EOPNOTSUPP: Errno = Errno::new("EOPNOTSUPP", libc::EOPNOTSUPP);

/// A comparison of one argument with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Test {
    argument: u8,
    comparison: Comparison,
    value: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Is,
    IsNot,
    AtLeast,
    AtMost,
    /// Of the bits of the mask, exactly those of the value are set.
    Bits(u32),
    NotNull,
}

/// The argument is the value.
pub(super) const fn is(argument: u8, value: u32) -> Test {
    Test {
        argument,
        comparison: Comparison::Is,
        value,
    }
}

/// The argument is not the value.
pub(super) const fn is_not(argument: u8, value: u32) -> Test {
    Test {
        argument,
        comparison: Comparison::IsNot,
        value,
    }
}

/// The argument, unsigned, is the value or more.
pub(super) const fn at_least(argument: u8, value: u32) -> Test {
    Test {
        argument,
        comparison: Comparison::AtLeast,
        value,
    }
}

/// The argument, unsigned, is the value or less.
pub(super) const fn at_most(argument: u8, value: u32) -> Test {
    Test {
        argument,
        comparison: Comparison::AtMost,
        value,
    }
}

/// The argument's bits within the mask are the value.
pub(super) const fn bits(argument: u8, mask: u32, value: u32) -> Test {
    Test {
        argument,
        comparison: Comparison::Bits(mask),
        value,
    }
}

/// None of the mask's bits is set in the argument.
pub(super) const fn none_of(argument: u8, mask: u32) -> Test {
    bits(argument, mask, 0)
}

/// The argument is a pointer other than null.
pub(super) const fn not_null(argument: u8) -> Test {
    Test {
        argument,
        comparison: Comparison::NotNull,
        value: 0,
    }
}

/// Where the tests hold, the call passes.
pub(super) const fn allow(tests: &'static [Test]) -> Case {
    Case {
        tests,
        action: Action::Allow,
        why: "",
        unless: Unless::Never,
    }
}

/// Where the tests hold, the call is answered with the errno.
pub(super) const fn refuse(tests: &'static [Test], errno: Errno, why: &'static str) -> Case {
    Case {
        tests,
        action: Action::Errno(errno),
        why,
        unless: Unless::Never,
    }
}

/// Where the tests hold, the call is answered with 0 and not made.
pub(super) const fn pretend(tests: &'static [Test], why: &'static str) -> Case {
    Case {
        tests,
        action: Action::Pretend,
        why,
        unless: Unless::Never,
    }
}

/// Where the tests hold, the call goes to the notifier, if there is one.
pub(super) const fn notify(tests: &'static [Test]) -> Case {
    Case {
        tests,
        action: Action::Notify,
        why: "",
        unless: Unless::Unnotified,
    }
}

impl Case {
    /// The case is left out where the notifier answers: what comes before says it all.
    pub(super) const fn unless_notified(self) -> Self {
        Self {
            unless: Unless::Notified,
            ..self
        }
    }

    /// The case is left out where the policy allows the feature.
    pub(super) const fn unless(self, feature: Feature) -> Self {
        Self {
            unless: Unless::Feature(feature),
            ..self
        }
    }

    /// The case is left out where Landlock keeps signals inside.
    pub(super) const fn unless_signals_are_scoped(self) -> Self {
        Self {
            unless: Unless::SignalScope,
            ..self
        }
    }

    fn holds(&self, options: &FilterOptions) -> bool {
        match self.unless {
            Unless::Never => true,
            Unless::Feature(feature) => !options.features.contains(&feature),
            Unless::SignalScope => !options.signal_scope,
            Unless::Notified => !options.notifier,
            Unless::Unnotified => options.notifier,
            Unless::Unconnected => options.sockets,
            Unless::Absent => options.is_answered(),
            Unless::Unpaired => {
                options.is_answered() && !options.features.contains(&Feature::UnixDatagram)
            }
        }
    }
}

impl Call {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked in the line above, while compiling"
    )]
    pub(super) const fn new(constant: &'static str, number: c_long) -> Self {
        assert!(
            number >= 0 && number < X32 as c_long,
            "not a number of this architecture's own ABI"
        );
        Self {
            constant,
            number: number as u32,
        }
    }

    pub(super) fn number(self) -> u32 {
        self.number
    }

    /// The call's name in the manual.
    pub(super) fn name(self) -> &'static str {
        self.constant.strip_prefix("SYS_").unwrap_or(self.constant)
    }
}

impl Errno {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked in the line above, while compiling"
    )]
    const fn new(name: &'static str, number: i32) -> Self {
        assert!(
            number > 0 && number < 4096,
            "seccomp(2) caps an errno at 4095"
        );
        Self {
            number: number as u16,
            name,
        }
    }

    pub(super) fn name(self) -> &'static str {
        self.name
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Action {
    /// The value that the program returns.
    pub(super) fn verdict(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Errno(errno) => libc::SECCOMP_RET_ERRNO | u32::from(errno.number),
            Self::Pretend => libc::SECCOMP_RET_ERRNO,
            Self::Notify => libc::SECCOMP_RET_USER_NOTIF,
        }
    }

    /// What the call answers, for printing; `None` where it is made.
    pub(super) fn answer(self) -> Option<&'static str> {
        match self {
            Self::Allow | Self::Notify => None,
            Self::Errno(errno) => Some(errno.name()),
            Self::Pretend => Some("0"),
        }
    }
}

/// An entry under certain options: what is left of its cases, and what happens where none of them holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decided {
    pub(super) cases: Vec<(&'static [Test], Action)>,
    pub(super) otherwise: Action,
}

impl Decided {
    pub(super) fn always(action: Action) -> Self {
        Self {
            cases: Vec::new(),
            otherwise: action,
        }
    }
}

impl Entry {
    /// Settles everything but the arguments.
    pub(super) fn decide(&self, options: &FilterOptions) -> Decided {
        let mut decided = Decided::always(Action::Allow);
        for case in self.cases.iter().filter(|case| case.holds(options)) {
            if case.tests.is_empty() {
                decided.otherwise = case.action;
                break;
            }
            decided.cases.push((case.tests, case.action));
        }
        // A last case that says the same as the end of the list needs no comparison.
        while decided
            .cases
            .last()
            .is_some_and(|(_, action)| *action == decided.otherwise)
        {
            decided.cases.pop();
        }
        decided
    }
}

/// Instructions that go on behind the last one where all tests hold, and leave out one instruction there where one does not.
pub(super) fn compile(tests: &[Test]) -> Result<BpfProgram, BackendError> {
    // It compiles the last condition first.
    let conditions = tests
        .iter()
        .rev()
        .map(|test| test.condition())
        .collect::<Result<Vec<_>, _>>()?;
    let program = BpfProgram::from(SeccompRule::new(conditions)?);
    // seccompiler starts each rule with a jump over an entry for chains of rules, which are of no use here. They were a
    // fifth of the program, and installing it costs by the instruction.
    Ok(match program.as_slice() {
        [over, chain, rest @ ..] if over.code == JUMP && over.k == 1 && chain.code == JUMP => {
            rest.to_vec()
        }
        _ => program,
    })
}

impl Test {
    fn condition(self) -> Result<SeccompCondition, BackendError> {
        let (length, operator) = match self.comparison {
            Comparison::Is => (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq),
            Comparison::IsNot => (SeccompCmpArgLen::Dword, SeccompCmpOp::Ne),
            Comparison::AtLeast => (SeccompCmpArgLen::Dword, SeccompCmpOp::Ge),
            Comparison::AtMost => (SeccompCmpArgLen::Dword, SeccompCmpOp::Le),
            Comparison::Bits(mask) => (
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::MaskedEq(u64::from(mask)),
            ),
            Comparison::NotNull => (SeccompCmpArgLen::Qword, SeccompCmpOp::Ne),
        };
        SeccompCondition::new(self.argument, length, operator, u64::from(self.value))
    }

    /// The same question asked in Rust: what the tests hold the compiled program against.
    #[cfg(test)]
    pub(super) fn holds(self, args: &[u64; 6]) -> bool {
        let argument = args[usize::from(self.argument)];
        let word = u32::try_from(argument & 0xffff_ffff).unwrap();
        match self.comparison {
            Comparison::Is => word == self.value,
            Comparison::IsNot => word != self.value,
            Comparison::AtLeast => word >= self.value,
            Comparison::AtMost => word <= self.value,
            Comparison::Bits(mask) => word & mask == self.value,
            Comparison::NotNull => argument != 0,
        }
    }
}
