//! The standard streams of the command.
//!
//! A file that the caller opened for reading lies on a mount of the host, which is writable: by the descriptor its owner
//! could change its mode, times and attributes, which no access right of the descriptor forbids. So it is opened again
//! inside, where it is mounted read-only. The two have positions of their own: that of the caller's is brought up to date in
//! the end, as if they had shared one.

use core::ffi::CStr;

use super::raw::Result;
use super::sys::{self, Fd};

#[derive(Clone, Copy)]
pub(crate) struct Streams {
    given: [Fd; 3],
    /// What the command gets: the given ones, or others of the same files.
    pub(crate) used: [Fd; 3],
}

impl Streams {
    /// Opens again what was `opened_at` a path and is the same file there.
    pub(crate) fn new(given: [Fd; 3], opened_at: [&CStr; 3]) -> Self {
        let mut used = given;
        for (slot, path) in used.iter_mut().zip(opened_at) {
            if !path.is_empty()
                && let Some(again) = open_again(*slot, path)
            {
                *slot = again;
            }
        }
        Self { given, used }
    }

    /// Closes what only the command needs: a pipe must not stay open with us.
    pub(crate) fn close(&self) -> Result<()> {
        for (given, used) in self.given.iter().zip(self.used) {
            if *given == used {
                sys::close(used)?;
            }
        }
        Ok(())
    }

    /// Moves the caller's descriptors to where the command has left its own, and closes both.
    pub(crate) fn hand_back(&self) {
        for (given, used) in self.given.iter().zip(self.used) {
            if *given != used {
                if let Ok(position) = sys::seek(used, None) {
                    let _ = sys::seek(*given, Some(position));
                }
                let _ = sys::close(used);
                let _ = sys::close(*given);
            }
        }
    }
}

/// `None` where the path leads to another file inside, or to none: a hidden file is handed over as it is, and so is one
/// that has lost its name.
fn open_again(given: Fd, path: &CStr) -> Option<Fd> {
    let again = sys::open_for_reading(path).ok()?;
    let is_same = sys::identity(again) == sys::identity(given);
    let position = sys::seek(given, None);
    let moved = position.and_then(|position| sys::seek(again, Some(position)));
    if is_same && moved.is_ok() {
        return Some(again);
    }
    let _ = sys::close(again);
    None
}
