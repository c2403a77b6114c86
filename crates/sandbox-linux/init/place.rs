//! Puts a mount over a place of the view. A place is found without following a link, and is what is mounted over, whatever
//! its name means a moment later.

use core::ffi::CStr;

use super::raw::{Errno, Result};
use super::sys::{self, Fd};

/// Mount attributes of a cover (`mount_setattr(2)`).
const RDONLY_NOSUID_NODEV_NOEXEC: u64 = 1 | 2 | 4 | 8;

/// The nodes that covers are copies of, by kind (`wire::cover`).
pub(crate) type Covers = [Fd; 3];

/// Does something at the place that is at `path` of the view.
pub(crate) fn at<T>(view: Fd, path: &CStr, act: impl FnOnce(Fd) -> Result<T>) -> Result<T> {
    let place = sys::open_place(view, path)?;
    let acted = act(place);
    sys::close(place)?;
    acted
}

/// Attaches a detached mount and closes its descriptor.
pub(crate) fn attach(mount: Fd, place: Fd) -> Result<()> {
    let attached = sys::attach(mount, place);
    sys::close(mount)?;
    attached
}

/// Mounts what is there over itself, with other attributes.
pub(crate) fn rebind(attributes: u64, place: Fd) -> Result<()> {
    let tree = sys::clone_tree(place)?;
    let set = sys::mount_setattr(tree, attributes, 0, true);
    attach(tree, place).and(set)
}

/// Puts an empty node over what is there.
pub(crate) fn cover(covers: &Covers, kind: u32, place: Fd) -> Result<()> {
    let node = covers.get(kind as usize).ok_or(Errno::INVAL)?;
    let copy = sys::clone_tree(*node)?;
    let set = sys::mount_setattr(copy, RDONLY_NOSUID_NODEV_NOEXEC, 0, false);
    attach(copy, place).and(set)
}

/// Mounts an empty private directory over what is there.
pub(crate) fn scratch(attributes: u64, mode: &CStr, place: Fd) -> Result<()> {
    attach(
        sys::new_mount(c"tmpfs", &[(c"mode", mode)], attributes)?,
        place,
    )
}
