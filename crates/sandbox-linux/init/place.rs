//! Puts a mount over a place of the view. A place is found without following a link, and is what is mounted over, whatever
//! its name means a moment later.

use core::ffi::CStr;

use super::raw::{Errno, Result};
use super::sys::{self, Fd};

/// The file system of the sandbox's own: what lies over the host's names is part of it, so that there is one to make and to end.
#[derive(Clone, Copy)]
pub(crate) struct Own {
    pub(crate) root: Fd,
    /// The nodes that covers are copies of, by kind (`wire::cover`).
    pub(crate) covers: [Fd; 4],
    /// How many private directories there are.
    directories: u32,
}

/// Does something at the place that is at `path` of the view.
pub(crate) fn at<T>(view: Fd, path: &CStr, act: impl FnOnce(Fd) -> Result<T>) -> Result<T> {
    let place = sys::open_place(view, path)?;
    let acted = act(place);
    sys::close(place)?;
    acted
}

/// The device of the file system of the sandbox's own, of the first init's: the private `/dev` lies in it, also in a view that
/// is a copy.
pub(crate) fn device_of_first(view: Fd) -> Result<u64> {
    sys::find(view, c"dev").map(|found| found.device())
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

/// Mounts a directory over itself, with what is mounted in it, so that it can be written, if the host's own mount can. What lies over it
/// already stays as it is.
pub(crate) fn make_writable(place: Fd) -> Result<()> {
    let found = sys::find(place, c"")?;
    if !found.is_directory || found.is_mount {
        return Ok(());
    }
    let tree = sys::clone_tree(place)?;
    let cleared = sys::clear_read_only(tree);
    // In any case, so that it is not tried at every look.
    attach(tree, place).and(cleared)
}

impl Own {
    pub(crate) const NONE: Self = Self {
        root: Fd::NONE,
        covers: [Fd::NONE; 4],
        directories: 0,
    };

    /// Puts an empty node over what is there.
    pub(crate) fn cover(&self, kind: u32, place: Fd) -> Result<()> {
        let node = self.covers.get(kind as usize).ok_or(Errno::INVAL)?;
        let copy = sys::clone_tree(*node)?;
        let set = sys::mount_setattr(copy, sys::RDONLY_NOSUID_NODEV_NOEXEC, 0, false);
        attach(copy, place).and(set)
    }

    /// Puts an empty private directory over what is there.
    pub(crate) fn scratch(&mut self, attributes: u64, mode: u32, place: Fd) -> Result<()> {
        let name = Octal::of(self.directories);
        self.directories = self.directories.wrapping_add(1);
        sys::mkdir(self.root, name.digits()?, mode)?;
        let tree = at(self.root, name.digits()?, sys::clone_tree)?;
        let set = sys::replace_attributes(tree, attributes);
        attach(tree, place).and(set)
    }
}

/// Makes a private directory that is a file system by itself: when the host takes it away, what it holds goes with it, and to
/// put another one there takes no room in what is full.
pub(crate) fn scratch_apart(attributes: u64, mode: u32) -> Result<Fd> {
    let mode = Octal::of(mode);
    sys::new_mount(c"tmpfs", &[(c"mode", mode.digits()?)], attributes)
}

/// A number in octal digits.
struct Octal([u8; 12]);

impl Octal {
    fn of(number: u32) -> Self {
        let mut digits = [0; 12];
        let mut rest = number;
        for digit in digits.iter_mut().take(11).rev() {
            *digit = b'0'.wrapping_add((rest & 7) as u8);
            rest >>= 3;
        }
        Self(digits)
    }

    fn digits(&self) -> Result<&CStr> {
        CStr::from_bytes_with_nul(&self.0).or(Err(Errno::INVAL))
    }
}

#[cfg(test)]
mod tests {
    use super::Octal;

    #[test]
    fn every_number_has_digits_of_its_own() {
        for (number, expected) in [
            (0, c"00000000000"),
            (0o1777, c"00000001777"),
            (u32::MAX, c"37777777777"),
        ] {
            assert_eq!(Octal::of(number).digits(), Ok(expected));
        }
    }
}
