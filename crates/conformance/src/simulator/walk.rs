//! From a path to a place, as `path_resolution(7)` has it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Node, Place, Simulator, Thing};
use crate::{Answer, Kind};

/// As many links as the kernel follows.
const LINKS: usize = 40;

impl Simulator<'_> {
    /// Where a path leads from a root, through links, to what is to be seen there.
    pub(super) fn walk(&self, root: &Place, path: &Path) -> Result<Place, Answer> {
        self.walk_by(root, path, true)
    }

    /// The same for init, which follows no link; without a word where there is one.
    pub(super) fn walk_straight(&self, root: &Place, path: &Path) -> Result<Place, Answer> {
        self.walk_by(root, path, false)
    }

    fn walk_by(&self, root: &Place, path: &Path, follow: bool) -> Result<Place, Answer> {
        let mut place = root.clone();
        let mut links = 0;
        let mut ahead: Vec<OsString> = components(path);
        while let Some(name) = ahead.pop() {
            match self.thing(&place.node) {
                Some(Thing::Directory { closed: false }) => {}
                Some(Thing::Directory { closed: true }) => return Err(Answer::Denied),
                _ => return Err(Answer::Missing),
            }
            if name == ".." {
                place = self.up(root, place);
                continue;
            }
            let node = self.child(&place, &name).ok_or(Answer::Missing)?;
            if let Some(Thing::Link(target)) = self.thing(&node) {
                links += 1;
                if links > LINKS || !follow {
                    return Err(Answer::Denied);
                }
                if target.is_absolute() {
                    place = root.clone();
                }
                ahead.extend(components(&target));
                continue;
            }
            let mount = place.mount;
            place = self.mounts.top(Place { mount, node });
        }
        Ok(place)
    }

    fn up(&self, root: &Place, mut place: Place) -> Place {
        while place != *root {
            if place.node != self.mount(&place).root {
                let node = place.node.parent().unwrap_or(place.node);
                let mount = place.mount;
                return self.mounts.top(Place { mount, node });
            }
            match &self.mount(&place).at {
                Some(at) => place = at.clone(),
                None => return place,
            }
        }
        place
    }

    /// What a directory has under a name, before anything that is mounted over it.
    pub(super) fn child(&self, directory: &Place, name: &OsStr) -> Option<Node> {
        let node = match directory.node.join(name) {
            Node::Host(path) => Node::Host(self.listing.spelling(&path).unwrap_or(path)),
            own @ Node::Own(..) => own,
        };
        self.thing(&node).map(|_| node)
    }

    /// What a node is.
    pub(super) fn thing(&self, node: &Node) -> Option<Thing> {
        match node {
            Node::Own(system, path) => self.mounts.own(*system, path).cloned(),
            Node::Host(path) => Some(match self.listing.kind(path)? {
                Kind::Directory => Thing::Directory { closed: false },
                Kind::File { mode, .. } => Thing::File {
                    program: mode & 0o111 != 0,
                },
                Kind::Symlink(target) => Thing::Link(target),
                Kind::Special => Thing::Special,
            }),
        }
    }

    /// The names in a directory.
    pub(super) fn names(&self, node: &Node) -> BTreeSet<OsString> {
        match node {
            Node::Own(system, path) => self.mounts.own_names(*system, path).collect(),
            Node::Host(path) => self.listing.names(path),
        }
    }
}

/// The names of a path, the last one first. `..` is one, `.` is none.
fn components(path: &Path) -> Vec<OsString> {
    path.as_os_str()
        .as_bytes()
        .rsplit(|byte| *byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .map(|name| OsStr::from_bytes(name).to_owned())
        .collect()
}
