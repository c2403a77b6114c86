//! What the command sees of the file system: a tree, compiled from the rules, pure data.
//!
//! The plan turns it into mounts and into Landlock grants. A path without a node of its own belongs to the nearest node
//! above it, so that the view is as small as the policy.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use sandbox_core::{
    Access, Anchor, Link, Looks, PathKind, Source, above, escaped, is_within, order, upwards,
};

use crate::Unenforceable;

#[cfg(test)]
mod tests;

/// Where the kernel shows devices, drivers and settings (`sysfs(5)`).
const SYSFS: &str = "/sys";

/// One place of the view, and all below it up to the next node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Node {
    /// The host's own file or directory.
    Live {
        /// Whether it can be changed.
        writable: bool,
        /// What it is.
        kind: LiveKind,
    },
    /// An empty private directory.
    Scratch,
    /// An empty node over a name that is hidden.
    Cover(Cover),
    /// A private directory that holds only what is put into it.
    Assembled,
    /// A symbolic link of the host, made again in a private directory.
    Link {
        /// Where it points to.
        target: PathBuf,
    },
    /// The private `/dev`.
    Devices,
    /// The sandbox's own `/proc`.
    Processes,
}

/// What a live node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LiveKind {
    /// A directory, with all below it.
    Directory,
    /// A file, socket or FIFO.
    File,
    /// A device node, in the private `/dev`.
    Device,
}

/// What a hidden name looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cover {
    /// A file that can't be opened (mode 0).
    File,
    /// A directory that can't be entered or listed (mode 0).
    Directory,
    /// An empty file, for what programs take an unreadable one for a fatal error.
    EmptyFile,
    /// The table of names of a [`Step::Hosts`](crate::Step::Hosts).
    Hosts,
}

/// What the command sees of the file system.
///
/// ```
/// use sandbox_core::{Context, Policy, Preset, Ruleset};
/// use sandbox_linux::View;
///
/// let ruleset = Ruleset::resolve(&Policy::preset(Preset::ReadOnly), &Context::new("/"))?;
/// let view = View::compile(ruleset.files())?;
/// assert!(view.to_string().contains("/tmp: scratch"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct View {
    /// By path: what is above comes right before what is below. Anchors come so, too: nearly every node is put at the end.
    nodes: Vec<(PathBuf, Placed)>,
    missing: Vec<Missing>,
    /// What holds for more than the rules say, and what does.
    crowded: Vec<(PathBuf, Access)>,
}

/// A rule that hides, or makes read-only, what does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The path.
    pub path: PathBuf,
    /// What the rule says.
    pub access: Access,
}

/// A node, and what it lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    node: Node,
    within: Surroundings,
}

/// What a path lies in, before it has a node of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surroundings {
    Live {
        writable: bool,
    },
    /// Nothing of the host is there unless it is put in.
    Private,
    Devices,
}

impl View {
    /// Compiles the view of `files`.
    ///
    /// # Errors
    ///
    /// [`Unenforceable`] for a rule that this backend has no node for.
    pub fn compile(files: &sandbox_core::FileRules) -> Result<Self, Unenforceable> {
        Self::compile_without(files, |_| false)
    }

    /// The same, without what is left to somebody else who lets it be written.
    pub(crate) fn compile_without(
        files: &sandbox_core::FileRules,
        is_left: impl Fn(&Path) -> bool,
    ) -> Result<Self, Unenforceable> {
        let anchors = files.anchors();
        let left: Vec<Anchor>;
        let anchors = if anchors.iter().any(|anchor| is_left(&anchor.path)) {
            let anchors = anchors.iter().filter(|anchor| !is_left(&anchor.path));
            left = anchors.cloned().collect();
            &left
        } else {
            anchors
        };
        let mut view = Self::of_anchors(anchors, files.links())?;
        let crowded = files
            .crowded()
            .map(|rule| (rule.path().to_owned(), rule.access()));
        view.crowded = crowded.collect();
        Ok(view)
    }

    fn of_anchors(anchors: &[Anchor], links: &[Link]) -> Result<Self, Unenforceable> {
        let mut view = Self {
            nodes: Vec::with_capacity(anchors.len()),
            missing: Vec::new(),
            crowded: Vec::new(),
        };
        let all = anchors;
        let (root, anchors) = match anchors.split_first() {
            Some((first, rest)) if first.path == Path::new("/") => (first.access, rest),
            _ => (Access::Hide, anchors),
        };
        let mut own = own(root)?.into_iter().peekable();
        // By directory. What is above was placed before, and so is the same for all that lies in one.
        let mut known: HashMap<&OsStr, Surroundings> = HashMap::new();
        for (index, anchor) in anchors.iter().enumerate() {
            let is_before = |(path, _): &(&str, Node)| order(path.as_ref(), &anchor.path).is_le();
            while let Some((path, node)) = own.next_if(is_before) {
                view.put(path.as_ref(), node);
            }
            // Most rules of a preset hide what this host does not have: nothing to look up for them.
            if anchor.kind == PathKind::Missing
                && matches!(anchor.access, Access::Hide | Access::Read)
            {
                view.missing.push(Missing {
                    path: anchor.path.clone(),
                    access: anchor.access,
                });
                continue;
            }
            let below = anchors.get(index + 1..).unwrap_or(&[]);
            let has_link = || shows_link(&anchor.path, all, links);
            let directory = above(&anchor.path).unwrap_or(&anchor.path);
            let within = known.entry(directory.as_os_str());
            let within = *within.or_insert_with(|| view.surroundings(&anchor.path));
            view.place(anchor, within, below, has_link)?;
        }
        for (path, node) in own {
            view.put(path.as_ref(), node);
        }
        for link in links {
            let private = view.surroundings(link.path()) == Surroundings::Private;
            if private && !view.is_covered(link.path()) && view.node(link.path()).is_none() {
                let target = link.target().to_owned();
                view.put(link.path(), Node::Link { target });
            }
        }
        view.nodes.shrink_to_fit();
        debug_assert!(
            view.placed()
                .all(|(path, _, within)| within == view.surroundings(path))
        );
        Ok(view)
    }

    /// Every node with its path, parents before children.
    pub fn nodes(&self) -> impl Iterator<Item = (&Path, &Node)> {
        self.placed().map(|(path, node, _)| (path, node))
    }

    /// The same, each with what it lies in.
    pub(crate) fn placed(&self) -> impl Iterator<Item = (&Path, &Node, Surroundings)> {
        let nodes = self.nodes.iter();
        nodes.map(|(path, placed)| (path.as_path(), &placed.node, placed.within))
    }

    /// The rules that no node holds: what they make read-only could be made by the command.
    #[must_use]
    pub fn unheld(&self) -> Vec<&Missing> {
        let unheld = |missing: &&Missing| {
            missing.access == Access::Read && self.surroundings(&missing.path).is_writable()
        };
        self.missing.iter().filter(unheld).collect()
    }

    /// What rules let only be read, and does not exist.
    pub(crate) fn missing_reads(&self) -> impl Iterator<Item = &Path> {
        let reads = self.missing.iter().filter(|it| it.access == Access::Read);
        reads.map(|missing| missing.path.as_path())
    }

    /// Directories in which patterns match more paths than are lowered one by one: they are lowered as a whole, to this access.
    pub fn crowded(&self, access: Access) -> impl Iterator<Item = &Path> {
        let of_access = self
            .crowded
            .iter()
            .filter(move |(_, other)| *other == access);
        of_access.map(|(path, _)| path.as_path())
    }

    /// Hidden names in places that the host shows, where it has nothing that can be covered, or a link: it could make
    /// something. With what they will look like, unless they become directories.
    pub(crate) fn unmade(
        &self,
        anchors: &[Anchor],
        absent_secrets: impl Iterator<Item = (PathBuf, Looks)>,
    ) -> Vec<(PathBuf, Cover)> {
        let hidden = anchors
            .iter()
            .filter(|anchor| anchor.access == Access::Hide)
            .filter(|anchor| matches!(anchor.kind, PathKind::Missing | PathKind::Symlink))
            .map(|anchor| (anchor.path.clone(), anchor.looks));
        // At the path or below it, and that somebody wrote.
        let is_granted = |path: &Path| {
            let first = anchors.partition_point(|anchor| order(&anchor.path, path).is_lt());
            let below = anchors.get(first..).unwrap_or_default().iter();
            below
                .take_while(|anchor| is_within(&anchor.path, path))
                .filter(|anchor| anchor.access != Access::Hide)
                .any(|anchor| !matches!(anchor.source, Source::Secret | Source::Preset(_)))
        };
        // Most names lie in the same directory as the one before.
        let mut last: Option<(PathBuf, bool)> = None;
        let mut is_shown = |path: &Path| {
            let directory = above(path)?;
            match &last {
                Some((last, is_shown)) if last.as_os_str() == directory.as_os_str() => {
                    Some(*is_shown)
                }
                _ => {
                    let is_shown = !self.surroundings(path).is_private();
                    last = Some((directory.to_owned(), is_shown));
                    Some(is_shown)
                }
            }
        };
        hidden
            .chain(absent_secrets)
            .filter(|(path, _)| is_shown(path) == Some(true))
            .filter(|(path, _)| !is_granted(path))
            .map(|(path, looks)| (path, cover(PathKind::File, looks)))
            .collect()
    }

    /// The node at exactly this path.
    #[must_use]
    pub fn node(&self, path: &Path) -> Option<&Node> {
        let at = self.position(path).ok()?;
        self.nodes.get(at).map(|(_, placed)| &placed.node)
    }

    /// The node that a path belongs to, and where that is.
    pub(crate) fn node_of<'a>(&'a self, path: &'a Path) -> Option<(&'a Path, &'a Node)> {
        upwards(path).find_map(|place| Some((place, self.node(place)?)))
    }

    /// Where the node at exactly this path is among all, or where it would be.
    fn position(&self, path: &Path) -> Result<usize, usize> {
        match self.nodes.last() {
            Some((last, _)) if order(last, path).is_ge() => {
                self.nodes.binary_search_by(|(other, _)| order(other, path))
            }
            _ => Err(self.nodes.len()),
        }
    }

    /// The node of `/`.
    #[must_use]
    pub fn root(&self) -> &Node {
        self.node(Path::new("/")).unwrap_or(&Node::Assembled)
    }

    /// Whether a cover lies over what holds `path`: nothing can be made in it.
    fn is_covered(&self, path: &Path) -> bool {
        matches!(self.around(path), Some(Node::Cover(_)))
    }

    /// Whether what is visible of the host's is put where `path` is.
    fn is_assembled(&self, path: &Path) -> bool {
        self.around(path) == Some(&Node::Assembled)
    }

    /// The node that `path` would belong to, had it none of its own.
    fn around(&self, path: &Path) -> Option<&Node> {
        upwards(path).skip(1).find_map(|above| self.node(above))
    }

    fn place(
        &mut self,
        anchor: &Anchor,
        within: Surroundings,
        below: &[Anchor],
        has_link: impl Fn() -> bool,
    ) -> Result<(), Unenforceable> {
        let path = anchor.path.as_path();
        if anchor.kind == PathKind::Symlink {
            // Nothing can be mounted over a link. What it leads to has an anchor of its own, if the rule is about that.
            self.missing.push(Missing {
                path: path.into(),
                access: anchor.access,
            });
            return Ok(());
        }
        if path.as_os_str() == SYSFS && anchor.access == Access::Write {
            self.nodes.retain(|(other, _)| other != path);
        }
        let node = match (anchor.access, within) {
            // `/dev` and `/proc` are always the sandbox's own.
            (Access::Read | Access::Hide, _) if is_own(path) => return Ok(()),
            (access, _) if is_own(path) => {
                return Err(Unenforceable::OwnDirectory {
                    path: path.into(),
                    access,
                });
            }
            (Access::Hide, Surroundings::Devices) => return Ok(()),
            (Access::Read | Access::Write, Surroundings::Devices) => match anchor.kind {
                PathKind::Missing => return Ok(()),
                PathKind::Special => live(true, LiveKind::Device),
                kind => live(anchor.access == Access::Write, live_kind(kind)),
            },
            (access, _) if is_within(path, "/proc".as_ref()) && access != Access::Hide => {
                if access == Access::Read {
                    return Ok(());
                }
                return Err(Unenforceable::OwnDirectory {
                    path: path.into(),
                    access,
                });
            }
            (Access::Scratch, Surroundings::Live { .. }) if anchor.kind != PathKind::Directory => {
                return Err(Unenforceable::ScratchPlace { path: path.into() });
            }
            (Access::Scratch, _) => Node::Scratch,
            (_, _) if anchor.kind == PathKind::Missing => return Ok(()),
            (Access::Hide, Surroundings::Live { .. })
                if anchor.kind == PathKind::Directory
                    && (has_island(anchor, below) || has_link()) =>
            {
                Node::Assembled
            }
            (Access::Hide, Surroundings::Live { .. }) => {
                Node::Cover(cover(anchor.kind, anchor.looks))
            }
            (Access::Hide, Surroundings::Private)
                if anchor.looks == Looks::Hosts && self.is_assembled(path) =>
            {
                Node::Cover(Cover::Hosts)
            }
            // It is so already.
            (Access::Hide, Surroundings::Private)
            | (Access::Read, Surroundings::Live { writable: false }) => return Ok(()),
            (Access::Read, _) => live(false, live_kind(anchor.kind)),
            (Access::Write, Surroundings::Live { writable: true }) if !anchor.pin => return Ok(()),
            (Access::Write, _) => live(true, live_kind(anchor.kind)),
            (access, _) => {
                return Err(Unenforceable::Access {
                    path: path.into(),
                    access,
                });
            }
        };
        self.insert(path, Placed { node, within });
        Ok(())
    }

    /// Places a node below those that are there.
    fn put(&mut self, path: &Path, node: Node) {
        let within = self.surroundings(path);
        self.insert(path, Placed { node, within });
    }

    fn insert(&mut self, path: &Path, placed: Placed) {
        match self.position(path) {
            Ok(at) => {
                if let Some((_, old)) = self.nodes.get_mut(at) {
                    *old = placed;
                }
            }
            Err(at) => self.nodes.insert(at, (path.to_owned(), placed)),
        }
    }

    pub(crate) fn surroundings(&self, path: &Path) -> Surroundings {
        match self.around(path) {
            Some(Node::Live { writable, .. }) => Surroundings::Live {
                writable: *writable,
            },
            Some(Node::Devices) => Surroundings::Devices,
            // The host's own `/proc` is not there, but what a rule hides in it exists in every other.
            Some(Node::Processes) => Surroundings::Live { writable: false },
            Some(Node::Scratch | Node::Assembled | Node::Cover(_) | Node::Link { .. }) | None => {
                Surroundings::Private
            }
        }
    }
}

impl Surroundings {
    /// Whether it is a private directory, so that a mount point has to be made.
    pub(crate) fn is_private(self) -> bool {
        matches!(self, Self::Private | Self::Devices)
    }

    /// Whether it is a tree of the host that can be changed.
    pub(crate) fn is_writable(self) -> bool {
        self == Self::Live { writable: true }
    }
}

/// The nodes that need no rule but that of `/`, by path.
fn own(root: Access) -> Result<Vec<(&'static str, Node)>, Unenforceable> {
    let node = match root {
        Access::Hide => Node::Assembled,
        Access::Read => live(false, LiveKind::Directory),
        Access::Write => live(true, LiveKind::Directory),
        other => {
            return Err(Unenforceable::Access {
                path: "/".into(),
                access: other,
            });
        }
    };
    let mut own = vec![
        ("/", node),
        ("/dev", Node::Devices),
        // POSIX shared memory needs it (shm_overview(7)).
        ("/dev/shm", Node::Scratch),
        ("/proc", Node::Processes),
    ];
    if root == Access::Write {
        // Its files let uid 0 write without any capability: only for who names it.
        own.push((SYSFS, live(false, LiveKind::Directory)));
    }
    Ok(own)
}

fn live(writable: bool, kind: LiveKind) -> Node {
    Node::Live { writable, kind }
}

fn live_kind(kind: PathKind) -> LiveKind {
    if kind == PathKind::Directory {
        LiveKind::Directory
    } else {
        LiveKind::File
    }
}

fn is_own(path: &Path) -> bool {
    ["/dev", "/proc"].iter().any(|own| path.as_os_str() == *own)
}

/// Whether something below a hidden directory is visible. `below` begins with all that lies there.
fn has_island(hidden: &Anchor, below: &[Anchor]) -> bool {
    below
        .iter()
        .take_while(|anchor| is_within(&anchor.path, &hidden.path))
        .any(is_visible)
}

/// Whether a link of a rule lies in a hidden directory, and leads to something visible.
fn shows_link(directory: &Path, anchors: &[Anchor], links: &[Link]) -> bool {
    let leads_on = |link: &Link| {
        let target = link.resolved();
        let at = |path: &Path| anchors.iter().find(|anchor| anchor.path == path);
        let is_below = |anchor: &Anchor| is_within(&anchor.path, target) && is_visible(anchor);
        upwards(target).find_map(at).is_some_and(is_visible) || anchors.iter().any(is_below)
    };
    let mut inside = links
        .iter()
        .filter(|link| is_within(link.path(), directory));
    inside.any(leads_on)
}

/// Whether something of the host, or a scratch directory, is to be seen at the anchor.
fn is_visible(anchor: &Anchor) -> bool {
    match anchor.access {
        Access::Hide => false,
        Access::Scratch => true,
        _ => anchor.kind != PathKind::Missing,
    }
}

fn cover(kind: PathKind, looks: Looks) -> Cover {
    match (kind, looks) {
        (PathKind::Directory, _) => Cover::Directory,
        (_, Looks::Empty) => Cover::EmptyFile,
        (_, Looks::Hosts) => Cover::Hosts,
        _ => Cover::File,
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live {
                writable: false, ..
            } => f.write_str("the host's, read-only"),
            Self::Live {
                kind: LiveKind::Device,
                ..
            } => f.write_str("the host's device"),
            Self::Live { writable: true, .. } => f.write_str("the host's, writable"),
            Self::Scratch => f.write_str("scratch"),
            Self::Cover(Cover::EmptyFile) => f.write_str("hidden, looks empty"),
            Self::Cover(Cover::Hosts) => f.write_str("hidden, a table of names in its place"),
            Self::Cover(_) => f.write_str("hidden"),
            Self::Assembled => f.write_str("assembled"),
            Self::Link { target } => write!(f, "link to {}", escaped(target.as_os_str())),
            Self::Devices => f.write_str("private devices"),
            Self::Processes => f.write_str("own processes"),
        }
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, node) in self.nodes() {
            writeln!(f, "{}: {node}", escaped(path.as_os_str()))?;
        }
        Ok(())
    }
}
