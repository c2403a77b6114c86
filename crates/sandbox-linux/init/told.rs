//! The kernel tells when a directory changes, so that nobody has to look at it again and again (fcntl(2), `F_NOTIFY`).
//!
//! That takes a descriptor for each directory and nothing else: of inotify's instances a user has few, and it has a queue that
//! may overflow. Here all is one pending signal, after which everything is looked at.
//!
//! A name leads elsewhere as soon as any directory on the way to it changes, so all of those are told of. What is missing, no
//! directory or a link, or lies below what can't be entered, is told of by the directory above it. Where one can't be told of,
//! or lies in a file system that others change from elsewhere, there are looks as before.

use core::ffi::CStr;
use core::mem::size_of;

use super::raw::{Errno, Result};
use super::sys::{self, Fd};

/// The most directories.
const MOST: usize = 256;
/// The longest path (`PATH_MAX`).
const PATH: usize = 4096;
/// File systems (`linux/magic.h`) that nobody changes but by calls of this kernel, each of which it tells of: ext2 to ext4, XFS,
/// Btrfs, tmpfs, F2FS, overlayfs, below which nobody may. Not ZFS, which goes back to a snapshot at once.
const LOCAL: [u64; 6] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0xf2f5_2010,
    0x794c_7630,
];

/// A directory of which the kernel tells.
#[derive(Clone, Copy)]
struct Directory {
    file: Fd,
    identity: [u64; 2],
    /// It was on a way at the last [`renew`](Told::renew).
    is_used: bool,
}

pub(crate) struct Told {
    /// Room for [`MOST`], once it is needed.
    directories: &'static mut [Directory],
    count: usize,
    /// The way that was gone last.
    last: Option<(Fd, &'static CStr)>,
    /// A signalfd, once it is needed: readable when something has changed.
    changes: Fd,
    is_on: bool,
    /// Something can't be told of. It is not tried again for this command.
    is_given_up: bool,
}

/// What there is at the end of a way.
enum End {
    Directory,
    /// Nothing that a longer way goes through. What comes there is told by the directory before it.
    Nothing,
}

impl Told {
    pub(crate) const fn new() -> Self {
        Self {
            directories: &mut [],
            count: 0,
            last: None,
            changes: Fd::NONE,
            is_on: false,
            is_given_up: false,
        }
    }

    /// What becomes readable when something has changed.
    pub(crate) fn file(&self) -> Fd {
        if self.is_on { self.changes } else { Fd::NONE }
    }

    /// Whether nothing changes untold.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether something has changed since this was asked last.
    pub(crate) fn has_changed(&self) -> bool {
        // However many there were, one is pending.
        self.is_on && sys::next_signal(self.changes).is_some()
    }

    /// Has the kernel tell of the [`ways`](Self::way) that `go` goes, as they lead now, and of no others. Who looks afterwards
    /// is told of every change since.
    pub(crate) fn renew(&mut self, go: impl FnOnce(&mut Self) -> Result<()>) {
        if self.is_given_up {
            return;
        }
        for directory in &mut *self.directories {
            directory.is_used = false;
        }
        self.last = None;
        let gone = self.make_room().and_then(|()| go(self));
        if gone.is_err() {
            self.end();
            self.is_given_up = true;
            return;
        }
        self.is_on = true;
        self.close_unless(|directory| directory.is_used);
    }

    /// Nothing is told any more.
    pub(crate) fn end(&mut self) {
        self.close_unless(|_| false);
        // What has come until now is about nothing that is looked at later.
        let _ = self.has_changed();
        self.is_on = false;
        self.is_given_up = false;
    }

    fn make_room(&mut self) -> Result<()> {
        if self.directories.is_empty() {
            let memory = sys::map(Fd::NONE, MOST * size_of::<Directory>())?;
            // SAFETY: page-aligned, zeroed, and not otherwise referred to; all zeros are a valid `Directory`.
            let (_, directories, _) = unsafe { memory.align_to_mut() };
            self.directories = directories;
        }
        if self.changes == Fd::NONE {
            self.changes = sys::signalfd(sys::signal_bit(sys::SIGIO))?;
        }
        Ok(())
    }

    fn close_unless(&mut self, stays: fn(&Directory) -> bool) {
        let mut left = 0;
        for at in 0..self.count {
            let Some(directory) = self.directories.get(at).copied() else {
                break;
            };
            if !stays(&directory) {
                let _ = sys::close(directory.file);
            } else if let Some(slot) = self.directories.get_mut(left) {
                *slot = directory;
                left = left.wrapping_add(1);
            }
        }
        self.count = left;
    }

    /// Every directory on the way from `base` to `path`, and what is there.
    ///
    /// # Errors
    ///
    /// Where one can't be told of.
    pub(crate) fn way(&mut self, base: Fd, path: &'static CStr) -> Result<()> {
        let before = self.last.replace((base, path));
        let before = before.filter(|(other, _)| *other == base);
        let bytes = path.to_bytes();
        let known = before.map(|(_, before)| common(before.to_bytes(), bytes));
        let mut buffer = [0_u8; PATH];
        for at in 0..=bytes.len() {
            let next = bytes.get(at);
            // The first one is `base` itself.
            let is_whole = at == 0 || matches!(next, None | Some(b'/'));
            if is_whole && known.is_none_or(|known| known < at) {
                let way = CStr::from_bytes_until_nul(&buffer).map_err(|_| Errno::INVAL)?;
                if let End::Nothing = self.directory(base, way)? {
                    return Ok(());
                }
            }
            if let (Some(next), Some(slot)) = (next, buffer.get_mut(at)) {
                *slot = *next;
            }
        }
        Ok(())
    }

    fn directory(&mut self, base: Fd, path: &CStr) -> Result<End> {
        let place = match sys::open_place(base, path) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCES) => {
                return Ok(End::Nothing);
            }
            place => place?,
        };
        let end = self.place(place);
        sys::close(place)?;
        end
    }

    fn place(&mut self, place: Fd) -> Result<End> {
        let found = sys::find(place, c"")?;
        if !found.is_directory {
            return Ok(End::Nothing);
        }
        let [device, inode, ..] = found.state;
        let identity = [device, inode];
        let mut known = self.directories.iter_mut().take(self.count);
        if let Some(known) = known.find(|known| known.identity == identity) {
            known.is_used = true;
            return Ok(End::Directory);
        }
        if found.is_encrypted || !LOCAL.contains(&sys::file_system(place)?) {
            return Err(Errno::INVAL);
        }
        let file = match sys::open_list(place, c".") {
            // It can't be listed. If it can't be entered either, nothing below is reached before its mode changes.
            Err(Errno::ACCES) if !can_be_entered(place) => return Ok(End::Nothing),
            file => file?,
        };
        // It stays open, so that nothing else gets its number.
        let told = sys::tell_of_changes(file);
        let slot = self.directories.get_mut(self.count);
        let (Ok(()), Some(slot), true) = (told, slot, leaves_room(file)) else {
            sys::close(file)?;
            return Err(Errno::NFILE);
        };
        *slot = Directory {
            file,
            identity,
            is_used: true,
        };
        self.count = self.count.wrapping_add(1);
        Ok(End::Directory)
    }
}

/// How long the components are that both paths begin with.
fn common(one: &[u8], other: &[u8]) -> usize {
    let mut whole = 0;
    for at in 0..other.len() {
        if one.get(at) != other.get(at) {
            break;
        }
        let next = at.wrapping_add(1);
        let ends = |path: &[u8]| matches!(path.get(next), None | Some(b'/'));
        if ends(one) && ends(other) {
            whole = next;
        }
    }
    whole
}

fn can_be_entered(place: Fd) -> bool {
    match sys::open_place(place, c".") {
        Ok(itself) => {
            let _ = sys::close(itself);
            true
        }
        Err(errno) => errno != Errno::ACCES,
    }
}

/// Whether there are as many numbers left for descriptors as are in use: orders of the caller come with some.
fn leaves_room(file: Fd) -> bool {
    sys::open_files().is_ok_and(|most| (file.0 as u64) < most / 2)
}
