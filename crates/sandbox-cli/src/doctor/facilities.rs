//! What of the kernel a sandbox is made of: what each part is for, and what is weaker without it.

use sandbox_linux::{HostFacts, Obstacle, Part};

/// A part of the kernel.
pub(super) struct Facility {
    pub(super) name: &'static str,
    /// What it is used for.
    pub(super) purpose: &'static str,
    /// What is weaker without it.
    pub(super) without: &'static str,
    /// The part whose obstacle says that it is missing.
    part: Part,
    /// Whether a host has it.
    is_there: fn(&HostFacts) -> bool,
}

/// The strongest first.
pub(super) const FACILITIES: &[Facility] = &[
    Facility {
        name: "user namespaces",
        purpose: "everything else: own mounts, processes, network, and no privileges",
        without: "no sandbox starts",
        part: Part::Namespaces,
        is_there: |facts| {
            facts.user_namespaces == sandbox_linux::UserNamespaces::Available && facts.can_map_root
        },
    },
    Facility {
        name: "system call filter",
        purpose: "keeps the command from most of the kernel (seccomp)",
        without: "no sandbox starts",
        part: Part::Filter,
        is_there: |facts| facts.seccomp,
    },
    Facility {
        name: "filter listener",
        purpose: "decides by name what is made, written and connected to, where no mount can",
        without: "protected paths that do not exist yet, and Unix sockets that can be seen, are not held",
        part: Part::Notifier,
        is_there: |facts| facts.notifier,
    },
    Facility {
        name: "Landlock",
        purpose: "holds what is read and written a second time, beside the mounts",
        without: "the mounts alone hold what is read and written",
        part: Part::Landlock,
        is_there: |facts| facts.landlock_abi >= 2,
    },
    Facility {
        name: "Landlock scopes",
        purpose: "hold signals and abstract sockets a second time",
        without: "namespaces and the filter alone hold them; on the host's network nothing holds abstract sockets",
        part: Part::Scopes,
        is_there: |facts| facts.landlock_abi >= 6,
    },
    Facility {
        name: "memory files",
        purpose: "init is executed from a sealed one, without a file of its own",
        without: "nothing: another way is taken",
        part: Part::Init,
        is_there: |facts| facts.memfd_exec != sandbox_linux::MemfdExec::Forbidden,
    },
];

impl Facility {
    /// Whether this host has it.
    pub(super) fn is_present(&self, facts: &HostFacts) -> bool {
        (self.is_there)(facts)
    }

    /// Why it is missing, and what lifts that.
    pub(super) fn obstacle<'a>(&self, obstacles: &'a [Obstacle]) -> Option<&'a Obstacle> {
        obstacles.iter().find(|obstacle| obstacle.part == self.part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is missing has an obstacle that says what lifts it; what is there has none.
    #[test]
    fn what_is_missing_has_a_remedy() {
        for lowering in [
            "user.max_user_namespaces=0",
            "landlock=0",
            "landlock=1",
            "landlock=2",
            "vm.memfd_noexec=2",
            "linux-6.1",
            "linux-5.15",
            "notifier=0",
        ] {
            let facts = HostFacts::complete().lowered(&lowering.parse().unwrap());
            let obstacles = facts.obstacles();
            for facility in FACILITIES {
                let is_scopes_of_nothing = facility.part == Part::Scopes && facts.landlock_abi < 2;
                assert_eq!(
                    facility.is_present(&facts) || is_scopes_of_nothing,
                    facility.obstacle(&obstacles).is_none(),
                    "{lowering} {}",
                    facility.name
                );
            }
        }
        let complete = HostFacts::complete();
        assert!(
            FACILITIES
                .iter()
                .all(|facility| facility.is_present(&complete))
        );
    }
}
