//! Mounts, and the nodes that they show.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A file, directory or link, whatever shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// The host's, by its path there.
    Host(PathBuf),
    /// Of a file system of the sandbox's own.
    Own(usize, PathBuf),
}

impl Node {
    pub(super) fn join(&self, name: &std::ffi::OsStr) -> Self {
        match self {
            Self::Host(path) => Self::Host(path.join(name)),
            Self::Own(system, path) => Self::Own(*system, path.join(name)),
        }
    }

    /// Of what it is on, the host or a file system of the sandbox's own.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Host(path) | Self::Own(_, path) => path,
        }
    }

    pub(super) fn parent(&self) -> Option<Self> {
        Some(match self {
            Self::Host(path) => Self::Host(path.parent()?.to_owned()),
            Self::Own(system, path) => Self::Own(*system, path.parent()?.to_owned()),
        })
    }
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    Directory {
        /// Nobody can look into it.
        closed: bool,
    },
    File {
        program: bool,
    },
    /// A file of the sandbox's own that can be read.
    Empty,
    /// A file of the sandbox's own that cannot be opened.
    Closed,
    Link(PathBuf),
    Special,
}

/// A node as one mount shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) mount: usize,
    pub(super) node: Node,
}

impl Place {
    /// A name in it, on the same mount.
    pub(super) fn child(&self, name: &std::ffi::OsStr) -> Self {
        Self {
            mount: self.mount,
            node: self.node.join(name),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Mount {
    pub(super) root: Node,
    /// What it lies over; nothing while it is not attached.
    pub(super) at: Option<Place>,
    pub(super) read_only: bool,
    pub(super) no_exec: bool,
}

/// All mounts, and all file systems of the sandbox's own.
#[derive(Clone, Debug)]
pub(super) struct Mounts {
    all: Vec<Mount>,
    over: BTreeMap<Place, usize>,
    own: Vec<BTreeMap<PathBuf, Thing>>,
}

impl Mounts {
    pub(super) fn of_host() -> Self {
        let mut mounts = Self {
            all: Vec::new(),
            over: BTreeMap::new(),
            own: Vec::new(),
        };
        mounts.add(Node::Host("/".into()), false, false);
        mounts
    }

    /// The root of the host.
    pub(super) fn root(&self) -> Place {
        self.root_of(0)
    }

    pub(super) fn root_of(&self, mount: usize) -> Place {
        Place {
            mount,
            node: self.get(mount).root.clone(),
        }
    }

    pub(super) fn get(&self, mount: usize) -> &Mount {
        &self.all[mount]
    }

    pub(super) fn get_mut(&mut self, mount: usize) -> &mut Mount {
        &mut self.all[mount]
    }

    pub(super) fn add(&mut self, root: Node, read_only: bool, no_exec: bool) -> usize {
        self.all.push(Mount {
            root,
            at: None,
            read_only,
            no_exec,
        });
        self.all.len() - 1
    }

    /// The mount that lies over a place.
    pub(super) fn over(&self, place: &Place) -> Option<usize> {
        self.over.get(place).copied()
    }

    /// What is to be seen at a place.
    pub(super) fn top(&self, mut place: Place) -> Place {
        while let Some(mount) = self.over(&place) {
            place = self.root_of(mount);
        }
        place
    }

    pub(super) fn attach(&mut self, mount: usize, place: Place) {
        self.over.insert(place.clone(), mount);
        self.get_mut(mount).at = Some(place);
    }

    /// A copy of what is below a place, with all that is mounted there.
    pub(super) fn copy(&mut self, place: &Place) -> usize {
        let Mount {
            read_only, no_exec, ..
        } = *self.get(place.mount);
        let copy = self.add(place.node.clone(), read_only, no_exec);
        let inner: Vec<(Place, usize)> = self
            .over
            .iter()
            .filter(|(over, _)| over.mount == place.mount && is_below(&over.node, &place.node))
            .map(|(over, mount)| (over.clone(), *mount))
            .collect();
        for (over, mount) in inner {
            let inner = self.copy(&self.root_of(mount));
            let node = over.node;
            self.attach(inner, Place { mount: copy, node });
        }
        copy
    }

    /// A mount with all that is mounted in it.
    pub(super) fn tree(&self, mount: usize) -> Vec<usize> {
        let inner = self
            .over
            .iter()
            .filter(|(over, _)| over.mount == mount)
            .flat_map(|(_, inner)| self.tree(*inner));
        std::iter::once(mount).chain(inner).collect()
    }

    /// A mount of a new file system of the sandbox's own, an empty directory.
    pub(super) fn new_system(&mut self) -> usize {
        self.new_system_of(Thing::Directory { closed: false })
    }

    /// A mount of a single node of the sandbox's own.
    pub(super) fn new_system_of(&mut self, thing: Thing) -> usize {
        let root = PathBuf::from("/");
        let system = self.own.len();
        self.own.push(BTreeMap::from([(root.clone(), thing)]));
        self.add(Node::Own(system, root), false, false)
    }

    /// A node of the sandbox's own.
    pub(super) fn own(&self, system: usize, path: &Path) -> Option<&Thing> {
        self.own[system].get(path)
    }

    pub(super) fn make(&mut self, system: usize, path: PathBuf, thing: Thing) {
        self.own[system].insert(path, thing);
    }

    pub(super) fn own_names(
        &self,
        system: usize,
        directory: &Path,
    ) -> impl Iterator<Item = OsString> {
        self.own[system]
            .keys()
            .filter(move |path| path.parent() == Some(directory))
            .filter_map(|path| Some(path.file_name()?.to_owned()))
    }
}

/// Whether a node lies below another, or is it.
fn is_below(node: &Node, above: &Node) -> bool {
    match (node, above) {
        (Node::Host(node), Node::Host(above)) => node.starts_with(above),
        (Node::Own(system, node), Node::Own(other, above)) => {
            system == other && node.starts_with(above)
        }
        _ => false,
    }
}
