//! What a host withholds, in the words of a person who can change it.

use std::fmt;
use std::path::Path;

use super::{HostFacts, MemfdExec, NamespaceRefusal, UserNamespaces};

/// Something that this host withholds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Obstacle {
    /// What is affected.
    pub part: Part,
    /// Why, as a lower-case fragment.
    pub reason: String,
    /// What follows from it.
    pub consequence: Consequence,
    /// What lifts it.
    pub remedy: Remedy,
}

/// The part of the confinement that an obstacle affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The namespaces: what is seen of files, processes and network.
    Namespaces,
    /// The system call filter.
    Filter,
    /// A listener for the filter: the notifier.
    Notifier,
    /// Landlock's second lock on files.
    Landlock,
    /// Landlock's scopes: a second lock on signals and abstract sockets.
    Scopes,
    /// How the init program is executed.
    Init,
}

/// What follows from an obstacle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Consequence {
    /// No sandbox starts.
    Refuse,
    /// A part of the policy is not held; `enforcement()` says which.
    Gap,
    /// One mechanism holds what two would hold elsewhere; `enforcement()` says which.
    SingleMechanism,
    /// Nothing is weaker: there is another way, and it is taken.
    Detour,
}

/// What lifts an obstacle.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// One command, ready to paste.
    Command(String),
    /// A change that is no command.
    Change(&'static str),
}

/// All obstacles of a host, for a program at `executable`; what stops a start comes first.
pub(super) fn find(facts: &HostFacts, executable: &Path) -> Vec<Obstacle> {
    let found = [
        namespaces(facts, executable),
        root_map(facts),
        filter(facts),
        notifier(facts),
        landlock(facts.landlock_abi),
        init(facts),
    ];
    found.into_iter().flatten().collect()
}

fn namespaces(facts: &HostFacts, executable: &Path) -> Option<Obstacle> {
    let UserNamespaces::Forbidden { why } = facts.user_namespaces else {
        return None;
    };
    Some(Obstacle {
        part: Part::Namespaces,
        reason: format!("this host forbids user namespaces: {why}"),
        consequence: Consequence::Refuse,
        remedy: lifted(why, facts.uid, executable),
    })
}

fn root_map(facts: &HostFacts) -> Option<Obstacle> {
    (!facts.can_map_root).then(|| Obstacle {
        part: Part::Namespaces,
        reason: "root without CAP_SETFCAP can't map uid 0 into a user namespace".to_owned(),
        consequence: Consequence::Refuse,
        remedy: Remedy::Change("run as an ordinary user, or give the container CAP_SETFCAP"),
    })
}

fn filter(facts: &HostFacts) -> Option<Obstacle> {
    (!facts.seccomp).then(|| Obstacle {
        part: Part::Filter,
        reason: "this kernel has no system call filters".to_owned(),
        consequence: Consequence::Refuse,
        remedy: Remedy::Change("use a kernel built with CONFIG_SECCOMP_FILTER"),
    })
}

fn notifier(facts: &HostFacts) -> Option<Obstacle> {
    (facts.seccomp && !facts.notifier).then(|| Obstacle {
        part: Part::Notifier,
        reason: "a filter can't have a listener: this kernel is older than 5.19, or another sandbox around this one has it".to_owned(),
        consequence: Consequence::Gap,
        remedy: Remedy::Change("use Linux 5.19 or later, outside of the other sandbox"),
    })
}

fn landlock(abi: u32) -> Option<Obstacle> {
    let (part, reason, change) = match abi {
        0 => (
            Part::Landlock,
            "this kernel has no Landlock, or it was not switched on at boot".to_owned(),
            "add `landlock` to the list of the kernel's boot parameter `lsm=`",
        ),
        1 => (
            Part::Landlock,
            "Landlock ABI 1 refuses every rename between directories, so it is left off".to_owned(),
            "use Linux 5.19 or later",
        ),
        abi if abi < ABI_OF_SCOPES => (
            Part::Scopes,
            format!("Landlock ABI {abi} has no scopes for signals and abstract sockets"),
            "use Linux 6.12 or later",
        ),
        _ => return None,
    };
    Some(Obstacle {
        part,
        reason,
        consequence: Consequence::SingleMechanism,
        remedy: Remedy::Change(change),
    })
}

fn init(facts: &HostFacts) -> Option<Obstacle> {
    (facts.memfd_exec == MemfdExec::Forbidden).then(|| Obstacle {
        part: Part::Init,
        reason: "`vm.memfd_noexec` is 2: init can't be executed from a memory file".to_owned(),
        consequence: Consequence::Detour,
        remedy: sysctl("vm.memfd_noexec=1", facts.uid),
    })
}

/// Landlock's scopes came with ABI 6 (Linux 6.12).
const ABI_OF_SCOPES: u32 = 6;

fn lifted(why: NamespaceRefusal, uid: u32, executable: &Path) -> Remedy {
    match why {
        // The kernel's default is half of the number of threads, which is far above this on any machine.
        NamespaceRefusal::MaxUserNamespaces => sysctl("user.max_user_namespaces=10000", uid),
        NamespaceRefusal::UnprivilegedUsernsClone => {
            sysctl("kernel.unprivileged_userns_clone=1", uid)
        }
        NamespaceRefusal::AppArmor => profile(uid, executable),
        NamespaceRefusal::Refused {
            errno: libc::ENOSPC,
        } => Remedy::Change(
            "raise `user.max_user_namespaces`, or nest fewer sandboxes and containers",
        ),
        NamespaceRefusal::Refused { .. } => Remedy::Change(
            "allow user namespaces in the container around it (Docker: `--security-opt seccomp=PROFILE` with a profile that allows clone and mount)",
        ),
    }
}

fn sysctl(assignment: &str, uid: u32) -> Remedy {
    Remedy::Command(format!("{}sysctl -w {assignment}", sudo(uid)))
}

/// A profile that allows namespaces to this one executable: narrower than the switch, which would allow them to every program.
fn profile(uid: u32, executable: &Path) -> Remedy {
    // The path lands in a shell's quotes and in AppArmor's pattern language: what could mean something in either takes the switch instead.
    let plain = executable.to_str().filter(|path| {
        path.starts_with('/')
            && path
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"/._+-".contains(&b))
    });
    let Some(path) = plain else {
        return sysctl("kernel.apparmor_restrict_unprivileged_userns=0", uid);
    };
    let sudo = sudo(uid);
    Remedy::Command(format!(
        "echo 'abi <abi/4.0>, profile sandbox {path} flags=(unconfined) {{ userns, }}' | {sudo}tee /etc/apparmor.d/sandbox && {sudo}apparmor_parser -r /etc/apparmor.d/sandbox"
    ))
}

/// A bare Debian has no `sudo`, and root needs none.
fn sudo(uid: u32) -> &'static str {
    if uid == 0 { "" } else { "sudo " }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.part, self.reason)?;
        writeln!(f, "  so:   {}", self.consequence)?;
        writeln!(f, "  help: {}", self.remedy)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespaces => "namespaces",
            Self::Filter => "filter",
            Self::Notifier => "notifier",
            Self::Landlock => "Landlock",
            Self::Scopes => "Landlock scopes",
            Self::Init => "init",
        })
    }
}

impl fmt::Display for Consequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuse => "no sandbox starts",
            Self::Gap => "protected paths that do not exist yet, and Unix sockets that can be seen, are not held",
            Self::SingleMechanism => "one mechanism holds what two hold elsewhere",
            Self::Detour => "nothing is weaker: another way is taken",
        })
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => write!(f, "`{command}`"),
            Self::Change(change) => f.write_str(change),
        }
    }
}
