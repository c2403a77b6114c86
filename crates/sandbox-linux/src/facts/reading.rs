//! The raw values behind the facts, so that facts can be derived from any host's values.

use std::fs;

use caps::{CapSet, Capability};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::{NamespaceRefusal, UserNamespaces, kernel};

/// What was read. A setting that the kernel doesn't have is `None`.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent of each other")]
pub(super) struct Reading {
    pub(super) release: String,
    pub(super) max_user_namespaces: Option<u64>,
    pub(super) unprivileged_userns_clone: Option<u64>,
    pub(super) apparmor_restrict_unprivileged_userns: Option<u64>,
    /// The label that `AppArmor` gave this thread; read only where the restriction is on.
    pub(super) apparmor_label: Option<String>,
    pub(super) memfd_noexec: Option<u64>,
    pub(super) landlock_abi: u32,
    pub(super) seccomp: bool,
    pub(super) notifier: bool,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) sys_admin: bool,
    pub(super) setfcap: bool,
    /// Whether what is mounted at `/proc` may be written: then another one may.
    pub(super) can_write_proc: bool,
}

impl Reading {
    pub(super) fn of_this_host() -> Self {
        let apparmor_restrict_unprivileged_userns =
            number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
        Self {
            release: text("/proc/sys/kernel/osrelease").unwrap_or_default(),
            max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            unprivileged_userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restrict_unprivileged_userns,
            apparmor_label: apparmor_restrict_unprivileged_userns
                .filter(|&on| on != 0)
                .and_then(|_| text("/proc/thread-self/attr/apparmor/current")),
            memfd_noexec: number("/proc/sys/vm/memfd_noexec"),
            landlock_abi: kernel::landlock_abi(),
            seccomp: kernel::has_filters(),
            notifier: kernel::has_notifier(),
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            sys_admin: has(Capability::CAP_SYS_ADMIN),
            setfcap: has(Capability::CAP_SETFCAP),
            can_write_proc: statvfs("/proc")
                .is_ok_and(|stat| !stat.flags().contains(FsFlags::ST_RDONLY)),
        }
    }

    pub(super) fn user_namespaces(&self) -> UserNamespaces {
        let refusal = if self.max_user_namespaces == Some(0) {
            Some(NamespaceRefusal::MaxUserNamespaces)
        } else if self.sys_admin {
            None // the other settings bind those without CAP_SYS_ADMIN
        } else if self.unprivileged_userns_clone == Some(0) {
            Some(NamespaceRefusal::UnprivilegedUsernsClone)
        } else if self.apparmor_restricts() {
            Some(NamespaceRefusal::AppArmor)
        } else {
            None
        };
        refusal.map_or(UserNamespaces::Available, |why| UserNamespaces::Forbidden {
            why,
        })
    }

    /// A label of its own means that a profile was attached by the executable's path. Whether it has the `userns` rule is only known by
    /// trying; the label `unconfined` never has it.
    fn apparmor_restricts(&self) -> bool {
        self.apparmor_restrict_unprivileged_userns
            .is_some_and(|on| on != 0)
            && self
                .apparmor_label
                .as_deref()
                .is_none_or(|label| label == "unconfined")
    }
}

fn number(path: &str) -> Option<u64> {
    text(path)?.parse().ok()
}

fn text(path: &str) -> Option<String> {
    let content = fs::read_to_string(path).ok()?;
    Some(content.trim_end_matches(['\n', '\0']).to_owned())
}

fn has(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false)
}
