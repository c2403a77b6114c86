//! The second answer: what the steps of a plan do to the file system, and what an attempt meets there.
//!
//! A small model of the kernel: mounts and the places they lie over, names and links walked as `path_resolution(7)` says,
//! Landlock's rules gathered as `landlock(7)` does. It reads a plan as data, and knows nothing of policies but
//! what the notifier is told of them.

mod landlock;
mod mounts;
mod steps;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sandbox_core::{Attempt as Question, Ruleset, Verdict, is_within};
use sandbox_linux::Step;

use self::landlock::{Landlock, right};
use self::mounts::{Mount, Mounts, Node, Place, Thing};
use crate::{Answer, Attempt, Listing, Mount as HostMount, Outcome};

/// Why a plan cannot be carried out: init would say so, and start nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Impossible(pub String);

/// Which mechanisms count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layers {
    /// All of them.
    All,
    /// The mounts alone, as on a kernel without Landlock.
    Mounts,
    /// Landlock alone, on the host as it is.
    Landlock,
}

/// A file system as a command would find it.
#[derive(Clone, Debug)]
pub struct Simulator<'a> {
    listing: &'a Listing,
    mounts: Mounts,
    /// The root that paths start from.
    root: Place,
    /// Where the steps put things: the root, or the private one that is yet to be entered.
    view: Place,
    /// Trees that wait, by number; without one those that the host has removed.
    slots: BTreeMap<u32, Option<usize>>,
    landlock: Option<Landlock>,
    layers: Layers,
    /// By what the notifier decides, if the steps have one.
    names: Option<&'a Ruleset>,
}

impl<'a> Simulator<'a> {
    /// The host, as it is for everybody.
    #[must_use]
    pub fn unconfined(listing: &'a Listing) -> Self {
        let mounts = Mounts::of_host();
        let root = mounts.root();
        let mut simulator = Self {
            listing,
            mounts,
            view: root.clone(),
            root,
            slots: BTreeMap::new(),
            landlock: None,
            layers: Layers::All,
            names: None,
        };
        for mount in listing.mounts() {
            simulator.mount_on_host(mount);
        }
        simulator
    }

    fn mount_on_host(&mut self, mount: &HostMount) {
        let place = |path: &Path| self.walk_straight(&self.root, path).unwrap();
        let shown = mount.second_name_of.as_ref().unwrap_or(&mount.at);
        let (at, shown) = (place(&mount.at), place(shown).node);
        let new = self.mounts.add(shown, mount.read_only, mount.no_exec);
        self.mounts.attach(new, at);
    }

    /// The host after the steps of a plan.
    ///
    /// # Errors
    ///
    /// [`Impossible`] if a step has nothing to act on.
    pub fn of(listing: &'a Listing, steps: &[Step], layers: Layers) -> Result<Self, Impossible> {
        let mut simulator = Self::unconfined(listing);
        simulator.layers = layers;
        let is_counted = |step: &&Step| {
            layers != Layers::Landlock
                || matches!(
                    step,
                    Step::Landlock { .. } | Step::Grant { .. } | Step::GrantOpening { .. }
                )
        };
        for step in steps.iter().filter(is_counted) {
            let done = simulator.apply(step);
            done.map_err(|why| Impossible(format!("cannot {step}: {why}")))?;
        }
        Ok(simulator)
    }

    /// With a notifier that decides by these rules, if the steps send calls to one.
    #[must_use]
    pub fn decided_by(self, ruleset: &'a Ruleset) -> Self {
        let is_notified = self.landlock.as_ref().is_some_and(Landlock::makes_names);
        Self {
            names: is_notified.then_some(ruleset),
            ..self
        }
    }

    /// What becomes of an attempt. Each one finds everything as the steps left it.
    #[must_use]
    pub fn attempt(&self, attempt: &Attempt) -> Outcome {
        let outcome = match attempt {
            Attempt::Read(path) => self.read(path),
            Attempt::List(path) => self.list(path),
            Attempt::Execute(path) => self.execute(path),
            Attempt::Write(path) => self.write(path),
            Attempt::Create(path) => self.create(path),
            Attempt::Delete(path) => self.delete(path),
            Attempt::Rename(from, to) => self.rename(from, to),
        };
        outcome.unwrap_or_else(Outcome::of)
    }

    fn read(&self, path: &Path) -> Result<Outcome, Answer> {
        let place = self.walk(&self.root, path)?;
        match self.thing(&place.node) {
            Some(Thing::File { .. } | Thing::Special) => {
                self.granted(&place, right::READ_FILE)?;
                Ok(Outcome::of(Answer::Allowed))
            }
            Some(Thing::Empty) => {
                self.granted(&place, right::READ_FILE)?;
                Ok(Outcome::of(Answer::Empty))
            }
            _ => Err(Answer::Denied),
        }
    }

    fn list(&self, path: &Path) -> Result<Outcome, Answer> {
        let place = self.walk(&self.root, path)?;
        match self.thing(&place.node) {
            Some(Thing::Directory { closed: false }) => self.granted(&place, right::READ_DIR)?,
            Some(Thing::Directory { closed: true }) => return Err(Answer::Denied),
            _ => return Err(Answer::Missing),
        }
        let host = Self::unconfined(self.listing);
        let names = host
            .walk(&host.root, path)
            .map_or_else(|_| BTreeSet::new(), |place| host.names(&place.node));
        let shown = self.names(&place.node);
        Ok(Outcome::of(if names.is_subset(&shown) {
            Answer::Allowed
        } else {
            Answer::Partial
        }))
    }

    fn execute(&self, path: &Path) -> Result<Outcome, Answer> {
        let place = self.walk(&self.root, path)?;
        let is_program = matches!(self.thing(&place.node), Some(Thing::File { program: true }));
        if !is_program || self.mount(&place).no_exec {
            return Err(Answer::Denied);
        }
        self.granted(&place, right::EXECUTE)?;
        Ok(Outcome::of(Answer::Allowed))
    }

    fn write(&self, path: &Path) -> Result<Outcome, Answer> {
        let place = self.walk(&self.root, path)?;
        match self.thing(&place.node) {
            Some(Thing::File { .. }) => {
                self.changeable(&place)?;
                self.named(&place, true)?;
            }
            // A read-only mount does not keep from writing to what is no file (mount(2)).
            Some(Thing::Special) => self.named(&place, true)?,
            _ => return Err(Answer::Denied),
        }
        self.granted(&place, right::WRITE_FILE)?;
        Ok(Self::changed(&place))
    }

    fn create(&self, path: &Path) -> Result<Outcome, Answer> {
        let (directory, name) = self.parent(path)?;
        if self.child(&directory, &name).is_some() {
            return Err(Answer::Denied);
        }
        let made = directory.child(&name);
        if !self.is_opened(&made) {
            self.changeable(&directory)?;
        }
        self.named(&made, true)?;
        self.granted(&directory, right::MAKE_REG | right::WRITE_FILE)?;
        Ok(Self::changed(&directory))
    }

    fn delete(&self, path: &Path) -> Result<Outcome, Answer> {
        let (directory, name) = self.parent(path)?;
        // The payload looks first whether it is a directory.
        let node = self.child(&directory, &name).ok_or(Answer::Missing)?;
        self.changeable(&directory)?;
        let removed = self.removable(&directory, &node)?;
        if !self.names(&node).is_empty() {
            return Err(Answer::Denied);
        }
        self.granted(&directory, removed)?;
        Ok(Self::changed(&directory))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Outcome, Answer> {
        let (old, name) = self.parent(from)?;
        let (new, new_name) = self.parent(to)?;
        if old.mount != new.mount {
            return Err(Answer::Denied);
        }
        self.changeable(&old)?;
        let node = self.child(&old, &name).ok_or(Answer::Missing)?;
        let removed = self.removable(&old, &node)?;
        let names = [old.child(&name), new.child(&new_name)];
        names.iter().try_for_each(|name| self.named(name, false))?;
        self.keeps_names(&names)?;
        let made = match self.thing(&node) {
            Some(Thing::Directory { .. }) => right::MAKE_DIR,
            Some(Thing::Link(_)) => right::MAKE_SYM,
            Some(Thing::Special) => right::MAKE_FIFO,
            _ => right::MAKE_REG,
        };
        if let Some(there) = self.child(&new, &new_name) {
            self.granted(&new, self.removable(&new, &there)?)?;
        }
        self.granted(&old, removed)?;
        self.granted(&new, made)?;
        if old.node != new.node {
            self.granted(&old, right::REFER)?;
            self.granted(&new, right::REFER)?;
            // Nobody gains rights by moving a file (landlock(7)).
            if self.rights(&new) & !self.rights(&old) != 0 {
                return Err(Answer::Denied);
            }
        }
        Ok(Self::changed(&old))
    }

    /// The right that it takes to remove what lies in a directory; nothing is mounted over it.
    fn removable(&self, directory: &Place, node: &Node) -> Result<u64, Answer> {
        let place = Place {
            mount: directory.mount,
            node: node.clone(),
        };
        if self.mounts.over(&place).is_some() {
            return Err(Answer::Denied);
        }
        Ok(match self.thing(node) {
            Some(Thing::Directory { .. }) => right::REMOVE_DIR,
            _ => right::REMOVE_FILE,
        })
    }

    /// What is in that mount may be changed.
    fn changeable(&self, place: &Place) -> Result<(), Answer> {
        if self.mount(place).read_only {
            return Err(Answer::Denied);
        }
        Ok(())
    }

    fn granted(&self, place: &Place, rights: u64) -> Result<(), Answer> {
        if rights & !self.rights(place) == 0 {
            Ok(())
        } else {
            Err(Answer::Denied)
        }
    }

    /// Whether the notifier makes it though the mount is read-only, which the host's own is not.
    fn is_opened(&self, place: &Place) -> bool {
        let (Some(rules), Node::Host(_)) = (self.names, &place.node) else {
            return false;
        };
        let path = self.shown(place);
        let openings = rules.openings();
        openings
            .iter()
            .any(|opening| is_within(&path, &opening.path))
    }

    /// What the notifier says to a name of the host's; what is no directory may not be made where a protected path goes through.
    fn named(&self, place: &Place, is_file: bool) -> Result<(), Answer> {
        let (Some(rules), Node::Host(_)) = (self.names, &place.node) else {
            return Ok(());
        };
        let path = self.shown(place);
        let allowed = rules.decide(&Question::write(&path)).verdict == Verdict::Allow;
        if allowed && !(is_file && rules.leads_to_protected(&path)) {
            Ok(())
        } else {
            Err(Answer::Denied)
        }
    }

    fn keeps_names(&self, names: &[Place; 2]) -> Result<(), Answer> {
        let are_hosts = names.iter().all(|name| matches!(name.node, Node::Host(_)));
        let [from, to] = names.each_ref().map(|name| self.shown(name));
        match self.names {
            Some(rules) if are_hosts && !rules.keeps_names(&from, &to) => Err(Answer::Denied),
            _ => Ok(()),
        }
    }

    /// The path under which a place is seen: by the mounts that lead to it.
    fn shown(&self, place: &Place) -> PathBuf {
        let mount = self.mount(place);
        let below = place.node.path().strip_prefix(mount.root.path());
        let below = below.unwrap_or(Path::new(""));
        match &mount.at {
            Some(at) if mount.root != self.root.node || place.mount != self.root.mount => {
                self.shown(at).join(below)
            }
            _ => Path::new("/").join(below),
        }
    }

    fn mount(&self, place: &Place) -> &Mount {
        self.mounts.get(place.mount)
    }

    fn changed(place: &Place) -> Outcome {
        Outcome {
            answer: Answer::Allowed,
            changes_host: matches!(place.node, Node::Host(_)),
        }
    }

    /// The directory that holds a name, and the name.
    fn parent(&self, path: &Path) -> Result<(Place, OsString), Answer> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Answer::Denied);
        };
        let place = self.walk(&self.root, directory)?;
        match self.thing(&place.node) {
            Some(Thing::Directory { closed: false }) => Ok((place, name.to_owned())),
            Some(Thing::Directory { closed: true }) => Err(Answer::Denied),
            _ => Err(Answer::Missing),
        }
    }
}
