//! Puts a mount over a place of the view. A place is found without following a link, and is what is mounted over, whatever
//! its name means a moment later.

use core::ffi::CStr;

use super::raw::{Errno, Result};
use super::sys::{self, Fd};

/// Mount attributes of a cover (`mount_setattr(2)`).
const RDONLY_NOSUID_NODEV_NOEXEC: u64 = 1 | 2 | 4 | 8;

/// The file system of the sandbox's own: what lies over the host's names is part of it, so that there is one to make and to end.
#[derive(Clone, Copy)]
pub(crate) struct Own {
    pub(crate) root: Fd,
    /// The nodes that covers are copies of, by kind (`wire::cover`).
    pub(crate) covers: [Fd; 3],
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

impl Own {
    pub(crate) const NONE: Self = Self {
        root: Fd::NONE,
        covers: [Fd::NONE; 3],
        directories: 0,
    };

    /// Puts an empty node over what is there.
    pub(crate) fn cover(&self, kind: u32, place: Fd) -> Result<()> {
        let node = self.covers.get(kind as usize).ok_or(Errno::INVAL)?;
        let copy = sys::clone_tree(*node)?;
        let set = sys::mount_setattr(copy, RDONLY_NOSUID_NODEV_NOEXEC, 0, false);
        attach(copy, place).and(set)
    }

    /// Puts an empty private directory over what is there.
    pub(crate) fn scratch(&mut self, attributes: u64, mode: u32, place: Fd) -> Result<()> {
        let tree = at(self.root, self.directory(mode)?.name()?, sys::clone_tree)?;
        let set = sys::replace_attributes(tree, attributes);
        attach(tree, place).and(set)
    }

    /// Makes a directory that nobody has yet.
    fn directory(&mut self, mode: u32) -> Result<Number> {
        loop {
            let number = Number::of(self.directories);
            self.directories = self.directories.wrapping_add(1);
            match sys::mkdir(self.root, number.name()?, mode) {
                Ok(()) => return Ok(number),
                // Made by a mender, which counts for itself.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// The name of a private directory: eight hexadecimal digits.
struct Number([u8; 9]);

impl Number {
    fn of(number: u32) -> Self {
        let mut name = [0; 9];
        let mut rest = number;
        for digit in name.iter_mut().take(8) {
            rest = rest.rotate_left(4);
            *digit = match (rest & 0xf) as u8 {
                low @ 0..10 => b'0'.wrapping_add(low),
                high => (b'a' - 10).wrapping_add(high),
            };
        }
        Self(name)
    }

    fn name(&self) -> Result<&CStr> {
        CStr::from_bytes_with_nul(&self.0).or(Err(Errno::INVAL))
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn every_directory_has_a_name_of_its_own() {
        for (number, expected) in [
            (0, c"00000000"),
            (0x1a, c"0000001a"),
            (u32::MAX, c"ffffffff"),
        ] {
            assert_eq!(Number::of(number).name(), Ok(expected));
        }
    }
}
