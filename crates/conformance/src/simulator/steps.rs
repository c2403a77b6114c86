//! What each step of a plan does. Those that have nothing to do with files do nothing here.

use std::path::{Path, PathBuf};

use sandbox_linux::{Cover, MountAttributes, Step};

use super::{Landlock, Layers, Node, Place, Simulator, Thing};
use crate::Answer;

/// Whether no attempt meets it: what is watched or followed is done again only after the host has changed something.
fn is_met_by_nothing(step: &Step) -> bool {
    matches!(
        step,
        Step::MapIds { .. }
            | Step::Network
            | Step::Netlink(_)
            | Step::Doors { .. }
            | Step::Hosts { .. }
            | Step::Private
            | Step::Keep { .. }
            | Step::Raise { .. }
            | Step::Lock
            | Step::GrantQueues { .. }
            | Step::Limit { .. }
            | Step::Numbers { .. }
            | Step::Filter(_)
            | Step::Watch { .. }
            | Step::Follow { .. }
    )
}

impl Simulator<'_> {
    /// Carries out a step, or says why that is not possible.
    pub(super) fn apply(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Take {
                path,
                slot,
                attributes,
                may_be_gone,
            } => {
                let host = self.mounts.root();
                let taken = match self.walk_straight(&host, path) {
                    Err(Answer::Missing) if *may_be_gone => None,
                    Err(_) => return Err("nothing there".into()),
                    Ok(place) => Some(self.restricted_copy(&place, *attributes)),
                };
                self.slots.insert(*slot, taken);
            }
            Step::Restrict { attributes } => self.restrict(0, *attributes),
            Step::NewRoot => {
                let root = self.mounts.new_system();
                let host = self.mounts.root();
                self.mounts.attach(root, host);
                self.view = self.mounts.root_of(root);
            }
            Step::EnterRoot => self.root = self.view.clone(),
            Step::Put { path, slot } => {
                let tree = self.slots.remove(slot).ok_or("nothing waits")?;
                let place = self.place(path)?;
                if let Some(tree) = tree {
                    self.put(tree, place)?;
                }
            }
            Step::Rebind { path, attributes } => {
                let place = self.place(path)?;
                let copy = self.restricted_copy(&place, *attributes);
                self.put(copy, place)?;
            }
            Step::Scratch {
                path, attributes, ..
            } => {
                let place = self.place(path)?;
                let scratch = self.mounts.new_system();
                self.restrict(scratch, *attributes);
                self.put(scratch, place)?;
            }
            Step::Cover { path, cover } => {
                let place = self.place(path)?;
                let node = self.cover(*cover);
                self.put(node, place)?;
            }
            Step::Directory { path } => {
                self.make(path, Thing::Directory { closed: false }, true)?;
            }
            Step::File { path } => self.make(path, Thing::Empty, true)?,
            Step::Link { path, target } => {
                self.make(path, Thing::Link(target.clone()), false)?;
            }
            Step::Freeze { path } => {
                let mount = self.place(path)?.mount;
                self.mounts.get_mut(mount).read_only = true;
            }
            Step::Proc { slot, attributes } => {
                let proc = self.mounts.new_system();
                self.restrict(proc, *attributes);
                self.slots.insert(*slot, Some(proc));
            }
            Step::Devices {
                slot,
                attributes,
                contents,
            } => {
                let devices = self.mounts.new_system();
                let root = self.mounts.root_of(devices);
                let view = std::mem::replace(&mut self.view, root);
                contents.iter().try_for_each(|step| self.apply(step))?;
                self.view = view;
                self.restrict(devices, *attributes);
                self.slots.insert(*slot, Some(devices));
            }
            Step::Terminals { slot } => {
                let terminals = self.mounts.new_system();
                self.slots.insert(*slot, Some(terminals));
            }
            Step::Landlock {
                files, performed, ..
            } => self.landlock = Some(Landlock::new(*files, *performed)),
            Step::Grant { path, rights } | Step::GrantOpening { path, rights, .. } => {
                let place = self.place(path);
                // The host need not have what the sandbox makes.
                if place.is_err() && self.layers == Layers::Landlock {
                    return Ok(());
                }
                let node = place?.node;
                let landlock = self.landlock.as_mut().ok_or("no ruleset")?;
                *landlock.grants.entry(node).or_default() |= *rights;
            }
            step if is_met_by_nothing(step) => {}
            _ => return Err("the simulator does not know this step".into()),
        }
        Ok(())
    }

    /// A place of the view.
    fn place(&self, path: &Path) -> Result<Place, String> {
        self.walk_straight(&self.view, path)
            .map_err(|answer| format!("{answer:?}"))
    }

    fn restricted_copy(&mut self, place: &Place, attributes: MountAttributes) -> usize {
        let copy = self.mounts.copy(place);
        self.restrict(copy, attributes);
        copy
    }

    /// Adds what cannot be done in a mount and all that is mounted in it.
    fn restrict(&mut self, mount: usize, attributes: MountAttributes) {
        for mount in self.mounts.tree(mount) {
            let mount = self.mounts.get_mut(mount);
            mount.read_only |= attributes.is_read_only();
            mount.no_exec |= attributes.is_no_exec();
        }
    }

    /// Directories lie over directories, everything else over everything else (`move_mount(2)`).
    fn put(&mut self, mount: usize, place: Place) -> Result<(), String> {
        let root = self.mounts.root_of(mount).node;
        let is_directory = |node: &Node| matches!(self.thing(node), Some(Thing::Directory { .. }));
        if is_directory(&root) != is_directory(&place.node) {
            return Err("a directory and none".into());
        }
        self.mounts.attach(mount, place);
        Ok(())
    }

    fn cover(&mut self, cover: Cover) -> usize {
        let thing = match cover {
            Cover::Directory => Thing::Directory { closed: true },
            // With nothing of the host in it.
            Cover::EmptyFile | Cover::Hosts => Thing::Empty,
            _ => Thing::Closed,
        };
        let cover = self.mounts.new_system_of(thing);
        let mount = self.mounts.get_mut(cover);
        (mount.read_only, mount.no_exec) = (true, true);
        cover
    }

    /// Makes something in a file system of the sandbox's own, which alone init does.
    fn make(&mut self, path: &Path, thing: Thing, may_exist: bool) -> Result<(), String> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err("no name".into());
        };
        let directory = self.place(directory)?;
        let is_frozen = self.mounts.get(directory.mount).read_only;
        let there = self.child(&directory, name);
        match (directory.node, there) {
            (_, Some(_)) if may_exist => Ok(()),
            (_, Some(_)) => Err("something is there".into()),
            (Node::Own(..), None) if is_frozen => Err("read-only".into()),
            (Node::Own(system, path), None) => {
                let path: PathBuf = path.join(name);
                self.mounts.make(system, path, thing);
                Ok(())
            }
            (Node::Host(_), None) => Err("it is the host's directory".into()),
        }
    }
}
