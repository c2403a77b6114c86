//! What this kernel and its settings can do.
//!
//! The plan is compiled from these facts and from nothing else that is read off the host, so that every answer of the planner can be had on
//! any machine. Detection is on the way of every start: five small files and five system calls, nothing that creates or changes anything.
//! Hence a fact may be too hopeful (a filter like Docker's refuses namespaces and can't be asked): then the clone fails, the start is refused,
//! and [`HostFacts::after_refusal`] turns the errno into the obstacle. A fact is never used to *skip* a mechanism that the policy needs.

mod kernel;
mod lowering;
mod obstacle;
mod reading;
#[cfg(test)]
mod tests;

use std::fmt;

use self::reading::Reading;

pub use self::lowering::{Lowering, LoweringError};
pub use self::obstacle::{Consequence, Obstacle, Part, Remedy};

/// What this kernel and its settings can do for the account that asks.
///
/// ```
/// use sandbox_linux::{HostFacts, Lowering};
///
/// let facts = HostFacts::detect();
/// let debian_12 = facts.lowered(&"linux-6.1".parse::<Lowering>()?);
/// assert!(debian_12.landlock_abi <= 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent of each other")]
pub struct HostFacts {
    /// The kernel's version.
    pub kernel: KernelVersion,
    /// The newest Landlock ABI that the kernel speaks; 0 where Landlock is missing or switched off at boot.
    pub landlock_abi: u32,
    /// Whether this account may make a user namespace, and by it all the others.
    pub user_namespaces: UserNamespaces,
    /// How a program in a memory file may be executed.
    pub memfd_exec: MemfdExec,
    /// Whether system call filters can be installed.
    pub seccomp: bool,
    /// Whether a filter can have a listener that decides in the kernel's place (Linux 5.19, and nobody else's around us).
    pub notifier: bool,
    /// The effective user.
    pub uid: u32,
    /// The effective group.
    pub gid: u32,
    /// Whether this account may map its own uid into a user namespace: for uid 0 that takes `CAP_SETFCAP` (`user_namespaces(7)`, Linux 5.12).
    pub can_map_root: bool,
    /// Whether a pid namespace can have a highest number of its own (`pid_max`, Linux 6.14).
    pub pid_max: bool,
}

/// A kernel's version, as far as features depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "patch levels carry no features")]
pub struct KernelVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

/// Whether this account may make a user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserNamespaces {
    /// No setting forbids it.
    Available,
    /// It is refused.
    Forbidden {
        /// By what.
        why: NamespaceRefusal,
    },
}

/// What refuses user namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NamespaceRefusal {
    /// `user.max_user_namespaces` is 0; binds root as well.
    MaxUserNamespaces,
    /// `kernel.unprivileged_userns_clone` is 0 (Debian's and Arch's own setting).
    UnprivilegedUsernsClone,
    /// `kernel.apparmor_restrict_unprivileged_userns` is 1 and no profile allows this executable (Ubuntu since 23.10).
    /// The namespace can be made then, but without the capabilities that it is made for.
    AppArmor,
    /// No setting says so, but the kernel refused when asked: a container's filter, a chroot, the limit of nested namespaces.
    Refused {
        /// What `clone` answered.
        errno: i32,
    },
}

/// How a program in a memory file may be executed (`vm.memfd_noexec`, Linux 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemfdExec {
    /// As it is. `MFD_EXEC` must not be given: kernels before 6.3 don't know it.
    Allowed,
    /// Only where the file was made with `MFD_EXEC`.
    NeedsFlag,
    /// Not at all.
    Forbidden,
}

impl HostFacts {
    /// Reads the facts of this host for the calling thread's credentials.
    ///
    /// What can't be read counts as not restricted: the kernel itself refuses later, and nothing was started.
    #[must_use]
    pub fn detect() -> Self {
        Self::from_reading(&Reading::of_this_host())
    }

    /// A host on which nothing is missing, the same on every machine: what plans are compiled for where the host must not matter.
    #[must_use]
    pub const fn complete() -> Self {
        Self {
            kernel: KernelVersion {
                major: 6,
                minor: 18,
            },
            landlock_abi: 7,
            user_namespaces: UserNamespaces::Available,
            memfd_exec: MemfdExec::Allowed,
            seccomp: true,
            notifier: true,
            uid: 1000,
            gid: 1000,
            can_map_root: true,
            pid_max: true,
        }
    }

    /// The same host with less. Lowering never adds.
    #[must_use]
    pub fn lowered(&self, lowering: &Lowering) -> Self {
        lowering.applied_to(self)
    }

    /// The facts after `clone` refused the namespaces with `errno`.
    #[must_use]
    pub fn after_refusal(&self, errno: i32) -> Self {
        let user_namespaces = match self.user_namespaces {
            UserNamespaces::Available => UserNamespaces::Forbidden {
                why: NamespaceRefusal::Refused { errno },
            },
            known @ UserNamespaces::Forbidden { .. } => known,
        };
        Self {
            user_namespaces,
            ..self.clone()
        }
    }

    /// Everything that this host withholds, each with what it leads to and how to lift it.
    ///
    /// ```
    /// # use sandbox_linux::HostFacts;
    /// for obstacle in HostFacts::detect().obstacles() {
    ///     println!("{}: {}", obstacle.part, obstacle.reason);
    /// }
    /// ```
    #[must_use]
    pub fn obstacles(&self) -> Vec<Obstacle> {
        obstacle::find(self, &std::env::current_exe().unwrap_or_default())
    }

    fn from_reading(reading: &Reading) -> Self {
        Self {
            kernel: KernelVersion::of_release(&reading.release),
            landlock_abi: reading.landlock_abi,
            user_namespaces: reading.user_namespaces(),
            memfd_exec: match reading.memfd_noexec {
                None | Some(0) => MemfdExec::Allowed,
                Some(1) => MemfdExec::NeedsFlag,
                Some(_) => MemfdExec::Forbidden,
            },
            seccomp: reading.seccomp,
            notifier: reading.seccomp && reading.notifier,
            uid: reading.uid,
            gid: reading.gid,
            can_map_root: reading.uid != 0 || reading.setfcap,
            pid_max: reading.can_write_proc
                && KernelVersion::of_release(&reading.release) >= PID_MAX_SINCE,
        }
    }
}

/// Before that there is one for the whole machine.
const PID_MAX_SINCE: KernelVersion = KernelVersion {
    major: 6,
    minor: 14,
};

impl KernelVersion {
    /// `6.18.44-fc` is 6.18. What isn't a version is 0.0, which has nothing.
    fn of_release(release: &str) -> Self {
        let mut numbers = release
            .split(|c: char| !c.is_ascii_digit())
            .map(|digits| digits.parse().unwrap_or(0));
        Self {
            major: numbers.next().unwrap_or(0),
            minor: numbers.next().unwrap_or(0),
        }
    }
}

impl fmt::Display for HostFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "kernel            {}", self.kernel)?;
        writeln!(f, "user namespaces   {}", self.user_namespaces)?;
        match self.landlock_abi {
            0 => writeln!(f, "Landlock          missing")?,
            abi => writeln!(f, "Landlock          ABI {abi}")?,
        }
        writeln!(
            f,
            "seccomp           {}",
            if self.seccomp { "available" } else { "missing" }
        )?;
        writeln!(f, "memfd execution   {}", self.memfd_exec)?;
        write!(f, "account           uid {}, gid {}", self.uid, self.gid)?;
        if self.can_map_root {
            Ok(())
        } else {
            write!(f, ", without CAP_SETFCAP")
        }
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Display for UserNamespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Available => f.write_str("available"),
            Self::Forbidden { why } => write!(f, "forbidden: {why}"),
        }
    }
}

impl fmt::Display for NamespaceRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxUserNamespaces => f.write_str("`user.max_user_namespaces` is 0"),
            Self::UnprivilegedUsernsClone => f.write_str("`kernel.unprivileged_userns_clone` is 0"),
            Self::AppArmor => f.write_str("`kernel.apparmor_restrict_unprivileged_userns` is 1, and no AppArmor profile allows this program"),
            Self::Refused { errno } => write!(f, "the kernel refused: {}", std::io::Error::from_raw_os_error(*errno)),
        }
    }
}

impl fmt::Display for MemfdExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allowed => "allowed",
            Self::NeedsFlag => "allowed with MFD_EXEC",
            Self::Forbidden => "forbidden",
        })
    }
}
