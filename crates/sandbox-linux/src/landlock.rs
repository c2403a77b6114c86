//! The second layer on files: what the view shows is granted once more by Landlock, which does not trust the mounts.
//!
//! Landlock has no denial: what is granted at a directory holds for all below it. So it holds what lies outside of every
//! grant; a name hidden, or made read-only, *below* a grant is held by the mounts alone, and the report says so.

use std::collections::BTreeSet;
use std::path::Path;

use landlock::{ABI, Access as _, AccessFs, BitFlags, Scope};

use crate::notifier::Names;
use crate::view::{Cover, LiveKind, Node, Surroundings, View};
use crate::{Followed, HostFacts, Step};

/// The first ABI that can let a file be renamed into another directory (`landlock(7)`, `LANDLOCK_ACCESS_FS_REFER`): with an
/// older one every such rename fails, which breaks ordinary programs.
pub(crate) const REFER_ABI: u32 = 2;
/// The first ABI with scopes.
pub(crate) const SCOPE_ABI: u32 = 6;

/// The rights of one ABI.
#[derive(Clone, Copy)]
pub(crate) struct Rights {
    all: BitFlags<AccessFs>,
    scopes: Option<u64>,
}

impl Rights {
    /// `None` where this kernel's Landlock can't be used for files.
    pub(crate) fn of(facts: &HostFacts) -> Option<Self> {
        let abi = ABI::from(i32::try_from(facts.landlock_abi).unwrap_or(i32::MAX));
        let scopes = (facts.landlock_abi >= SCOPE_ABI).then(|| Scope::from_all(abi).bits());
        (facts.landlock_abi >= REFER_ABI).then(|| Self {
            all: AccessFs::from_all(abi),
            scopes,
        })
    }

    /// The step that makes the ruleset. With a notifier no command can make a name that it decides about by itself, not by a call that
    /// nobody thought of either.
    pub(crate) fn ruleset(self, notifier: Option<&Names>) -> Step {
        let others = AccessFs::MakeDir
            | AccessFs::MakeReg
            | AccessFs::MakeFifo
            | AccessFs::MakeSym
            | AccessFs::Refer;
        let performed = match notifier {
            Some(names) if names.are_decided() => (others | AccessFs::MakeSock) & self.all,
            Some(_) => self.all & AccessFs::MakeSock,
            None => BitFlags::EMPTY,
        };
        Step::Landlock {
            files: self.all.bits(),
            scopes: self.scopes,
            performed: performed.bits(),
        }
    }

    /// The grants that repeat `view`, and that of the sandbox's own message queues. What the host may replace or remove in a directory that is `followed` needs none: that of
    /// the tree around the directory holds for it.
    ///
    /// Where names may be made in directories that can't be written all of such a directory is granted to the notifier's performer, and to
    /// commands to remove: that the mounts alone keep them from.
    pub(crate) fn grants(
        self,
        view: &View,
        followed: &[Followed],
        names: Option<&Names>,
    ) -> Vec<Step> {
        let may_change = |path: &Path| followed.iter().any(|it| it.may_change(path));
        let grant = |(path, node, within): (&Path, &Node, Surroundings)| {
            if may_change(path) {
                return None;
            }
            let rights = self.of_node(node, within)?;
            Some(Step::Grant {
                path: path.to_owned(),
                rights: (rights & self.all).bits(),
            })
        };
        let queues = Step::GrantQueues {
            rights: (AccessFs::ReadFile | AccessFs::WriteFile).bits(),
        };
        let opened = names.map_or(&[][..], Names::openings);
        let opened: BTreeSet<_> = opened.iter().map(|opening| &opening.directory).collect();
        let opened = opened.into_iter().map(|directory| Step::GrantOpening {
            path: directory.to_owned(),
            rights: (self.all & writing()).bits(),
            // Names are made, and files opened, in its place; in a directory that was made it removes what it likes.
            own: (AccessFs::RemoveFile | AccessFs::RemoveDir).bits(),
        });
        let placed = view.placed().filter_map(grant);
        placed.chain(opened).chain([queues]).collect()
    }

    fn of_node(self, node: &Node, within: Surroundings) -> Option<BitFlags<AccessFs>> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
        let write = self.all & writing();
        let of_file = AccessFs::Execute
            | AccessFs::ReadFile
            | AccessFs::WriteFile
            | AccessFs::Truncate
            | AccessFs::IoctlDev;
        match node {
            Node::Live {
                writable: true,
                kind: LiveKind::Directory,
            } => (!within.is_writable()).then_some(write),
            Node::Live { writable: true, .. } => (!within.is_writable()).then_some(write & of_file),
            // In a live tree the grant above holds for it already.
            Node::Live {
                writable: false,
                kind: LiveKind::Directory,
            } => within.is_private().then_some(read),
            Node::Live {
                writable: false, ..
            } => within.is_private().then_some(read & of_file),
            Node::Scratch => Some(write),
            Node::Assembled => Some(AccessFs::ReadDir.into()),
            Node::Processes => Some(read),
            Node::Devices => {
                Some(read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev)
            }
            // It is read as any file: in a live tree the grant above holds for it.
            Node::Cover(Cover::Hosts) => within.is_private().then_some(AccessFs::ReadFile.into()),
            Node::Cover(_) | Node::Link { .. } => None,
        }
    }
}

/// All that can be done in a directory. Device nodes are made by nobody inside.
fn writing() -> BitFlags<AccessFs> {
    !(AccessFs::MakeChar | AccessFs::MakeBlock)
}

/// Rights in words.
pub(crate) fn names(rights: u64) -> impl std::fmt::Display {
    BitFlags::<AccessFs>::from_bits_truncate(rights)
}
