//! The way to what a rule lowers, held in place.
//!
//! The attack: `mv sec sec2`, and the next run's rule about `sec/key` finds nothing; or the same by another sandbox while
//! this one is being started. A directory that is a mount point cannot be renamed or removed.

use std::ffi::OsStr;
use std::path::Path;

use super::anchors::Anchors;
use super::{Anchor, FileRules, is_always_private};
use crate::map::{Map, Set};
use crate::resolve::PathKind;
use crate::{Access, place};

/// Pins the directories on the way to everything in a writable tree that is hidden, replaced or only read.
pub(super) fn pin(files: &FileRules, anchors: &mut Anchors<'_>) {
    let lowered = anchors
        .list
        .iter()
        .filter(|anchor| anchor.access != Access::Write && anchor.kind != PathKind::Missing);
    let mut known = Set::default();
    let mut writable = Writable {
        files,
        known: Map::default(),
    };
    let mut pins = Vec::new();
    for anchor in lowered {
        for directory in place::upwards(&anchor.path).skip(1) {
            // What is above a known directory is known.
            if !known.insert(directory.as_os_str()) || !writable.holds(directory) {
                break;
            }
            pins.push(Anchor {
                source: anchor.source.clone(),
                ..Anchor::new(directory, Access::Write, PathKind::Directory)
            });
        }
    }
    for pin in pins {
        if let Some(anchor) = anchors.entry(pin)
            && anchor.access == Access::Write
        {
            anchor.pin = true;
        }
    }
}

/// The directories that can be written: what lies in one asks for it again.
struct Writable<'a> {
    files: &'a FileRules,
    known: Map<&'a OsStr, bool>,
}

impl<'a> Writable<'a> {
    /// Whether the command could rename a directory. The root of a writable tree lies in one that it cannot change, and the
    /// private `/dev` and `/proc` are not the host's.
    fn holds(&mut self, directory: &'a Path) -> bool {
        !is_always_private(directory)
            && self.contains(directory)
            && place::above(directory).is_some_and(|above| self.contains(above))
    }

    fn contains(&mut self, path: &'a Path) -> bool {
        let is_writable = || self.files.access(path).0 == Access::Write;
        *self
            .known
            .entry(path.as_os_str())
            .or_insert_with(is_writable)
    }
}
