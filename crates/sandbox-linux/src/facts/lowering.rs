//! Facts made worse, so that what happens on a lesser host can be tested on this one.

use std::str::FromStr;

use super::{HostFacts, KernelVersion, MemfdExec, NamespaceRefusal, PID_MAX_SINCE, UserNamespaces};

/// One fact made worse: `linux-6.1`, or a facility or sysctl with a lower value, as in [`Lowering::EXAMPLES`].
///
/// ```
/// use sandbox_linux::{HostFacts, Lowering};
///
/// let lowering: Lowering = "landlock=4".parse()?;
/// assert_eq!(HostFacts::complete().lowered(&lowering).landlock_abi, 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lowering {
    /// What a kernel of this version has at most.
    Kernel(KernelVersion),
    /// A Landlock ABI, 0 for none.
    LandlockAbi(u32),
    /// No user namespaces, by this reason.
    UserNamespaces(NamespaceRefusal),
    /// Execution of memory files restricted.
    MemfdExec(MemfdExec),
    /// No system call filters.
    WithoutSeccomp,
    /// No listener for them.
    WithoutNotifier,
    /// Root without `CAP_SETFCAP`.
    WithoutSetfcap,
}

/// A lowering that isn't one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a fact that can be lowered; known are {}", .fact.escape_debug(), Lowering::EXAMPLES.map(|(name, _)| format!("`{name}`")).join(", "))]
#[non_exhaustive]
pub struct LoweringError {
    /// What was given.
    pub fact: String,
}

impl Lowering {
    /// What is understood, with an example of each value. Sysctls are spelled as the host that has them would show them.
    pub const EXAMPLES: [(&str, Self); 9] = [
        (
            "linux-6.1",
            Self::Kernel(KernelVersion { major: 6, minor: 1 }),
        ),
        ("landlock=2", Self::LandlockAbi(2)),
        (
            "user.max_user_namespaces=0",
            Self::UserNamespaces(NamespaceRefusal::MaxUserNamespaces),
        ),
        (
            "kernel.unprivileged_userns_clone=0",
            Self::UserNamespaces(NamespaceRefusal::UnprivilegedUsernsClone),
        ),
        (
            "kernel.apparmor_restrict_unprivileged_userns=1",
            Self::UserNamespaces(NamespaceRefusal::AppArmor),
        ),
        ("vm.memfd_noexec=2", Self::MemfdExec(MemfdExec::Forbidden)),
        ("seccomp=0", Self::WithoutSeccomp),
        ("notifier=0", Self::WithoutNotifier),
        ("cap_setfcap=0", Self::WithoutSetfcap),
    ];

    pub(super) fn applied_to(self, facts: &HostFacts) -> HostFacts {
        let mut lowered = facts.clone();
        match self {
            Self::Kernel(version) => {
                lowered.kernel = facts.kernel.min(version);
                lowered.landlock_abi = facts.landlock_abi.min(landlock_abi_of(version));
                lowered.notifier = facts.notifier && version >= NOTIFIER_SINCE;
                lowered.pid_max = facts.pid_max && version >= PID_MAX_SINCE;
            }
            Self::LandlockAbi(abi) => lowered.landlock_abi = facts.landlock_abi.min(abi),
            Self::UserNamespaces(why) => {
                if facts.user_namespaces == UserNamespaces::Available {
                    lowered.user_namespaces = UserNamespaces::Forbidden { why };
                }
            }
            Self::MemfdExec(memfd) => lowered.memfd_exec = stricter(facts.memfd_exec, memfd),
            Self::WithoutSeccomp => (lowered.seccomp, lowered.notifier) = (false, false),
            Self::WithoutNotifier => lowered.notifier = false,
            Self::WithoutSetfcap => lowered.can_map_root = facts.can_map_root && facts.uid != 0,
        }
        lowered
    }
}

impl FromStr for Lowering {
    type Err = LoweringError;

    fn from_str(fact: &str) -> Result<Self, LoweringError> {
        let unknown = || LoweringError {
            fact: fact.to_owned(),
        };
        if let Some((_, lowering)) = Self::EXAMPLES.iter().find(|(name, _)| *name == fact) {
            return Ok(*lowering);
        }
        if let Some(version) = fact.strip_prefix("linux-") {
            let (major, minor) = version.split_once('.').ok_or_else(unknown)?;
            let number = |digits: &str| digits.parse().map_err(|_| unknown());
            return Ok(Self::Kernel(KernelVersion {
                major: number(major)?,
                minor: number(minor)?,
            }));
        }
        match fact.split_once('=') {
            Some(("landlock", abi)) => abi.parse().map(Self::LandlockAbi).map_err(|_| unknown()),
            Some(("vm.memfd_noexec", "1")) => Ok(Self::MemfdExec(MemfdExec::NeedsFlag)),
            _ => Err(unknown()),
        }
    }
}

fn stricter(left: MemfdExec, right: MemfdExec) -> MemfdExec {
    match (left, right) {
        (MemfdExec::Forbidden, _) | (_, MemfdExec::Forbidden) => MemfdExec::Forbidden,
        (MemfdExec::NeedsFlag, _) | (_, MemfdExec::NeedsFlag) => MemfdExec::NeedsFlag,
        (MemfdExec::Allowed, MemfdExec::Allowed) => MemfdExec::Allowed,
    }
}

/// The Landlock ABI that a kernel has by its version, if nobody switched it off.
fn landlock_abi_of(version: KernelVersion) -> u32 {
    LANDLOCK_SINCE
        .iter()
        .rev()
        .find(|(major, minor, _)| {
            version
                >= KernelVersion {
                    major: *major,
                    minor: *minor,
                }
        })
        .map_or(0, |(_, _, abi)| *abi)
}

/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV` (seccomp(2)).
const NOTIFIER_SINCE: KernelVersion = KernelVersion {
    major: 5,
    minor: 19,
};

/// Kernel version and Landlock ABI, oldest first (landlock(7), and the kernel's own documentation of its ABIs).
const LANDLOCK_SINCE: &[(u32, u32, u32)] = &[
    (5, 13, 1), // files
    (5, 19, 2), // link and rename between directories
    (6, 2, 3),  // truncate
    (6, 7, 4),  // TCP bind and connect
    (6, 10, 5), // ioctl on devices
    (6, 12, 6), // scopes: signals, abstract sockets
    (6, 15, 7), // choice of what is logged
    (7, 0, 8),  // all threads at once
    (7, 1, 9),  // connecting to sockets by path
    (7, 2, 10), // UDP
];
