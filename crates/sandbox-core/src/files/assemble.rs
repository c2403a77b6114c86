//! `[system] hide = "assemble"`: a read-only directory with something hidden in it is put together from what is not.
//!
//! The attack: the host replaces a hidden file by another (an editor saves it), the cover goes with the name, and the
//! command reads the new file. What was never put into a directory cannot come back in it, whatever the host does.
//!
//! A directory that cannot be listed, or is very large, keeps its covers; the report of a backend says that there are covers.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::grow::Assembled;
use super::{Anchor, FileRules, is_always_private};
use crate::resolve::{PathKind, Resolver};
use crate::{Access, os, place};

/// The most names of a directory that is assembled: each is a mount at every start.
pub(super) const MAX_NAMES: usize = 2048;

/// Makes each read-only directory that holds something hidden one of which only the visible names are anchors. The links
/// among these are added to those of the rules.
pub(super) fn assemble(
    files: &mut FileRules,
    anchors: Vec<Anchor>,
    resolver: &Resolver,
) -> Vec<Anchor> {
    let mut all = anchors;
    let directories: BTreeSet<PathBuf> = all
        .iter()
        .filter(|anchor| anchor.access == Access::Hide)
        .filter_map(|anchor| place::above(&anchor.path))
        .filter(|directory| {
            !is_always_private(directory) && files.access(directory).0 == Access::Read
        })
        .map(Path::to_owned)
        .collect();
    let mut known: BTreeSet<PathBuf> = all.iter().map(|anchor| anchor.path.clone()).collect();
    for directory in directories {
        let Some((names, identity)) = names(&directory) else {
            continue;
        };
        let source = files.access(&directory).1.map(|rule| rule.source.clone());
        let visible = |path: &Path, kind| Anchor {
            source: source.clone().unwrap_or_default(),
            ..Anchor::new(path, Access::Read, kind)
        };
        let mut links = Vec::new();
        for (path, kind) in names {
            if kind == PathKind::Symlink {
                links.extend(fs::read_link(&path).map(|target| (path, target)));
            } else if known.insert(path.clone()) {
                all.push(visible(&path, kind));
            }
        }
        // Whether what they lead to is visible decides whether the directory is there at all.
        files.links.extend(resolver.links(&links));
        match all.iter_mut().find(|anchor| anchor.path == directory) {
            Some(anchor) => anchor.access = Access::Hide,
            None => all.push(Anchor {
                access: Access::Hide,
                ..visible(&directory, PathKind::Directory)
            }),
        }
        files.assembled.push(Assembled {
            path: directory,
            identity,
        });
    }
    all.sort_by(|a, b| place::order(&a.path, &b.path));
    all
}

/// What is in a directory, and which one it is.
type Names = (Vec<(PathBuf, PathKind)>, [u64; 4]);

fn names(directory: &Path) -> Option<Names> {
    let identity = os::identity(&fs::symlink_metadata(directory).ok()?);
    let entries = fs::read_dir(directory).ok()?.take(MAX_NAMES + 1);
    let kind = |entry: fs::DirEntry| Some((entry.path(), PathKind::from(entry.file_type().ok()?)));
    let names: Vec<_> = entries
        .map(|entry| kind(entry.ok()?))
        .collect::<Option<_>>()?;
    (names.len() <= MAX_NAMES).then_some((names, identity))
}
