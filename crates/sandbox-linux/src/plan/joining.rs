//! The steps of an init that joins another one, for a command beside the others.

use std::path::Path;

use sandbox_core::is_within;

use super::{DEV, MountAttributes, Step};

/// Of the `steps` of a plan those of an init that joins another one: a view of its own processes, and what confines each
/// command.
pub(crate) fn joining(steps: &[Step]) -> Vec<Step> {
    let proc = Path::new("/proc");
    let is_below_proc = |step: &Step| {
        step.path()
            .is_some_and(|path| path != proc && is_within(path, proc))
    };
    let is_watch = |step: &Step| matches!(step, Step::Watch { .. });
    let needs_nodes = steps
        .iter()
        .any(|step| is_below_proc(step) || is_watch(step));
    let is_per_init = |step: &&Step| match step {
        Step::Hosts { .. } => needs_nodes,
        Step::Put { path, .. } if path == proc => true,
        Step::Proc { .. }
        | Step::Keep { .. }
        | Step::Lock
        | Step::Landlock { .. }
        | Step::Grant { .. }
        | Step::GrantOpening { .. }
        | Step::GrantQueues { .. }
        | Step::Limit { .. }
        | Step::Numbers { .. }
        | Step::Filter(_)
        | Step::Watch { .. }
        | Step::Follow { .. } => true,
        step => is_below_proc(step),
    };
    // What hides something in the other's `/proc` does not lie over this one. The other's nodes for covers are out of reach:
    // they are made once more, where this `/proc` comes to lie over them.
    let nodes = [
        Step::Devices {
            slot: DEV,
            attributes: MountAttributes::DEVICES,
            contents: Vec::new(),
        },
        Step::Put {
            path: proc.to_owned(),
            slot: DEV,
        },
    ];
    // Of its mounts, which are a copy, the other knows nothing.
    let private = std::iter::once(Step::Private);
    let nodes = nodes.into_iter().filter(|_| needs_nodes);
    let own = steps.iter().filter(is_per_init).map(|step| match step {
        Step::Watch { names, .. } => Step::Watch {
            names: names.clone(),
            is_copy: true,
        },
        step => step.clone(),
    });
    private.chain(nodes).chain(own).collect()
}
