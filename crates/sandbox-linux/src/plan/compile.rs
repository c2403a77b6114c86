//! From a view to the steps that build it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use sandbox_core::{Limits, upwards};

use super::{
    DEV, DEVICES, FIRST_FREE, Followed, MountAttributes, PROC, PTS, Resource, Step,
    binds_root_by_numbers,
};
use crate::HostFacts;
use crate::view::{Cover, LiveKind, Node, Surroundings, View};

/// Directories in which everybody makes files, with the sticky bit.
const TEMPORARY: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];
/// No core file. For a handler program, which a bound of 0 does not keep off, 1 is the value that does (`core(5)`): it runs
/// unconfined, and a core can hold secrets.
const NO_CORE: u64 = 1;
/// Numbers of processes that are given only once: when all are used up the kernel begins again behind these (`RESERVED_PIDS`, kernel/pid.c).
const GIVEN_ONCE: u64 = 300;
/// Those of init and of what it starts for itself, at most.
const OF_INIT: u64 = 8;
/// The highest number that a 64-bit kernel gives, and one (`PID_MAX_LIMIT`).
const MOST_NUMBERS: u32 = 4 << 20;

pub(super) struct Compiler<'a> {
    pub(super) view: &'a View,
    pub(super) steps: Vec<Step>,
    /// Mount points and directories that exist in private file systems.
    pub(super) made: BTreeSet<OsString>,
    /// Directories that show what the host adds to them.
    pub(super) followed: Vec<Followed>,
}

impl Compiler<'_> {
    /// In place where the root is the host's: one call restricts the whole tree, and what may be changed is put over it. Put
    /// together from nothing where the root is assembled.
    pub(super) fn build_view(&mut self) {
        let assembled = *self.view.root() == Node::Assembled;
        if assembled {
            self.steps.push(Step::NewRoot);
        } else {
            // Before anything is restricted or covered.
            self.take_all();
            let writable = matches!(self.view.root(), Node::Live { writable: true, .. });
            self.steps.push(Step::Restrict {
                attributes: MountAttributes::of_tree(writable),
            });
        }
        self.own_file_systems(assembled);
        self.place_nodes(assembled);
        self.finish_private();
        if assembled {
            self.steps.push(Step::EnterRoot);
        }
    }

    /// Copies of all live trees, while the host's tree is still as it was.
    fn take_all(&mut self) {
        let live = self
            .view
            .placed()
            .filter_map(|(path, node, within)| Some((path, taken(path, node, within)?)));
        let steps = (FIRST_FREE..)
            .zip(live)
            .map(|(slot, (path, attributes))| take(path, slot, attributes));
        let steps: Vec<_> = steps.collect();
        self.steps.extend(steps);
    }

    /// `/proc` and `/dev`, which are there already.
    fn own_file_systems(&mut self, assembled: bool) {
        let (proc, dev) = (Path::new("/proc"), Path::new("/dev"));
        if assembled {
            self.directory(proc);
            self.directory(dev);
        }
        let nodes = (0..)
            .zip(DEVICES)
            .map(|(slot, name)| (dev.join(name), slot));
        let put = |(path, slot)| Step::Put { path, slot };
        self.steps
            .extend([(proc.to_owned(), PROC), (dev.to_owned(), DEV)].map(put));
        self.steps.push(Step::Raise { path: dev.into() });
        let rest = nodes.chain([(dev.join("pts"), PTS)]);
        self.steps.extend(rest.map(put));
    }

    fn place_nodes(&mut self, assembled: bool) {
        let mut slot = FIRST_FREE;
        for (path, node, within) in self.view.placed() {
            if path.as_os_str() == "/" || matches!(node, Node::Devices | Node::Processes) {
                continue;
            }
            if within.is_private() {
                self.mount_point(path, node);
            }
            match node {
                Node::Live { writable, .. } if within.is_writable() => {
                    self.steps.push(Step::Rebind {
                        path: path.to_owned(),
                        attributes: MountAttributes::of_tree(*writable),
                    });
                }
                Node::Live { .. } => {
                    if let (true, Some(attributes)) = (assembled, taken(path, node, within)) {
                        self.steps.push(take(path, FIRST_FREE, attributes));
                        self.steps.push(Step::Put {
                            path: path.to_owned(),
                            slot: FIRST_FREE,
                        });
                    } else {
                        self.steps.push(Step::Put {
                            path: path.to_owned(),
                            slot,
                        });
                        slot += 1;
                    }
                }
                Node::Scratch | Node::Assembled => {
                    self.steps.push(Step::Scratch {
                        path: path.to_owned(),
                        mode: mode(path),
                        apart: *node == Node::Scratch && within.is_writable(),
                        attributes: MountAttributes::WRITABLE,
                    });
                    self.keep(path);
                }
                Node::Cover(cover) => self.steps.push(Step::Cover {
                    path: path.to_owned(),
                    cover: *cover,
                }),
                Node::Link { target } => {
                    self.steps.push(Step::Link {
                        path: path.to_owned(),
                        target: target.clone(),
                    });
                }
                Node::Devices | Node::Processes => {}
            }
        }
    }

    /// Nothing is made any more in what was assembled.
    fn finish_private(&mut self) {
        self.steps.push(Step::Freeze {
            path: "/dev".into(),
        });
        for (path, node) in self.view.nodes() {
            if *node == Node::Assembled {
                self.steps.push(Step::Freeze {
                    path: path.to_owned(),
                });
            }
        }
    }

    /// Makes the directories above `path` as far as they lie in the same private file system, and what is mounted over.
    fn mount_point(&mut self, path: &Path, node: &Node) {
        let is_missing =
            |above: &&Path| !self.made.contains(above.as_os_str()) && !self.is_node(above);
        let missing: Vec<&Path> = upwards(path).skip(1).take_while(is_missing).collect();
        for above in missing.into_iter().rev() {
            self.directory(above);
        }
        match node {
            Node::Live {
                kind: LiveKind::File | LiveKind::Device,
                ..
            }
            | Node::Cover(Cover::Hosts) => self.steps.push(Step::File {
                path: path.to_owned(),
            }),
            Node::Link { .. } => {}
            _ => self.directory(path),
        }
    }

    fn is_node(&self, path: &Path) -> bool {
        self.view.node(path).is_some()
    }

    fn directory(&mut self, path: &Path) {
        if self.made.insert(path.into()) {
            self.steps.push(Step::Directory {
                path: path.to_owned(),
            });
        }
    }

    pub(super) fn limits(&mut self, limits: &Limits, facts: &HostFacts) {
        let bounds = [
            (Resource::Core, Some(NO_CORE)),
            (Resource::Data, limits.memory),
            (Resource::Processes, limits.processes),
            (Resource::OpenFiles, limits.open_files),
        ];
        for (resource, bound) in bounds {
            self.steps
                .extend(bound.map(|bound| Step::Limit { resource, bound }));
        }
        if let Some(processes) = limits.processes.filter(|_| binds_root_by_numbers(facts)) {
            let below = processes.saturating_add(GIVEN_ONCE + OF_INIT);
            let below = u32::try_from(below).map_or(MOST_NUMBERS, |below| below.min(MOST_NUMBERS));
            self.steps.push(Step::Numbers { below });
        }
    }
}

/// A copy of what a node shows. A directory that is assembled has many, of which the host may remove one at any time.
fn take(path: &Path, slot: u32, attributes: MountAttributes) -> Step {
    Step::Take {
        path: path.to_owned(),
        slot,
        attributes,
        may_be_gone: attributes == MountAttributes::READ_ONLY,
    }
}

/// The attributes with which a node is taken from the host; `None` where it needs no copy, or one of what is in the view: what
/// lies in a writable tree is there already, and is mounted over itself.
fn taken(path: &Path, node: &Node, within: Surroundings) -> Option<MountAttributes> {
    match node {
        Node::Live { .. } if path.as_os_str() == "/" || within.is_writable() => None,
        Node::Live {
            kind: LiveKind::Device,
            ..
        } => Some(MountAttributes::DEVICE),
        Node::Live { writable, .. } => Some(MountAttributes::of_tree(*writable)),
        _ => None,
    }
}

/// The mode of a private directory.
pub(super) fn mode(path: &Path) -> u32 {
    let is_temporary = TEMPORARY
        .iter()
        .any(|temporary| path.as_os_str() == *temporary);
    if is_temporary { 0o1777 } else { 0o755 }
}
