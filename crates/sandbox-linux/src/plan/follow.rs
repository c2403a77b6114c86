//! What the host adds to a directory that was put together.
//!
//! Only where the command may read the whole of the directory around it: Landlock grants that, and with it what is added. Where
//! the root is assembled a child has a grant of its own, which is fixed at the start, and what is added could not be opened.

use std::path::{Path, PathBuf};

use sandbox_core::{FileRules, Growing, upwards};

use super::{Compiler, Followed, MountAttributes, Step};
use crate::view::{Node, View};
use crate::wire::KEPT;

/// The directories that are followed, the outer ones first.
pub(super) fn followed(view: &View, files: &FileRules) -> Vec<Followed> {
    let mut kept: Vec<PathBuf> = Vec::new();
    let mut followed = Vec::new();
    for growing in files.growing() {
        let Some(over) = mounted_over(view, &growing.path) else {
            continue;
        };
        let Ok(below) = growing.path.strip_prefix(over) else {
            continue;
        };
        let slot = kept.iter().position(|path| path == over);
        let slot = slot.unwrap_or(kept.len());
        if slot == KEPT {
            continue;
        }
        if slot == kept.len() {
            kept.push(over.to_owned());
        }
        let Ok(slot) = u32::try_from(slot) else {
            continue;
        };
        followed.push(Followed {
            below: below.to_owned(),
            slot,
            identity: growing.identity,
            fixed: growing.fixed,
            taken: growing.taken,
            path: growing.path,
        });
    }
    followed
}

/// The private directory that lies over a tree of the host, and in which `path` is.
fn mounted_over<'a>(view: &View, path: &'a Path) -> Option<&'a Path> {
    let (over, node) = upwards(path).find_map(|above| Some((above, view.node(above)?)))?;
    (*node == Node::Assembled && over.as_os_str() != "/").then_some(over)
}

impl Compiler<'_> {
    /// After the private directory was mounted at `path`.
    pub(super) fn keep(&mut self, path: &Path) {
        let of_path = |it: &&Followed| it.path.strip_prefix(path) == Ok(&*it.below);
        let slot = self.followed.iter().find(of_path).map(|it| it.slot);
        self.steps.extend(slot.map(|slot| Step::Keep {
            path: path.to_owned(),
            slot,
        }));
    }

    /// The last step.
    pub(super) fn follow(&mut self) {
        if !self.followed.is_empty() {
            self.steps.push(Step::Follow {
                attributes: MountAttributes::READ_ONLY,
                most: u32::try_from(Growing::MAX_NAMES).unwrap_or(u32::MAX),
                directories: std::mem::take(&mut self.followed),
            });
        }
    }
}
