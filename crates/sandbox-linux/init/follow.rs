//! What the host adds to a directory that was put together appears in it, what it replaces is replaced, and what it removes
//! goes, but for the names that the plan says are fixed.
//!
//! The attack: the host moves what is hidden to another name of such a directory, or a name of the directory is spelled in
//! another way, and the command reads it there. So what is, or was seen, at a fixed name is not shown under another one: there
//! is an empty node of mode 0 instead, by which an init that joins knows it, too.

use core::ffi::CStr;
use core::mem::size_of;
use core::sync::atomic::{AtomicU64, Ordering};

use super::place::{self, Own};
use super::raw::{Errno, Result};
use super::sys::{self, Fd, Found};
use super::wire::{KEPT, Reader, step};

/// Mount attribute (`mount_setattr(2)`).
const RDONLY: u64 = 1;
/// The most files that are remembered as seen at a fixed name; once there are so many nothing is added any more.
const SEEN: usize = 4096;
/// Bytes of names that are asked for at once.
const ENTRIES: usize = 2048;
/// The longest target of a link (`PATH_MAX`).
const TARGET: usize = 4096;
/// Where the mount over a directory is while what lies below is opened.
const ASIDE: &CStr = c"aside";

/// A directory of the host, and the private one that lies over it.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    host: Fd,
    private: Fd,
}

impl Kept {
    pub(crate) const NONE: Self = Self {
        host: Fd::NONE,
        private: Fd::NONE,
    };

    /// Of the private directory at `path` of the view, which must not be shared with other mounts yet: what it lies over has
    /// no name, so that it is moved away for a moment.
    pub(crate) fn take(view: Fd, path: &CStr, own: &Own) -> Result<Self> {
        // In a view that is a copy the host may have removed it meanwhile, or moved something else there.
        let Ok(private) = sys::open_place(view, path) else {
            return Ok(Self::NONE);
        };
        let found = sys::find(private, c"")?;
        if !found.is_mount || found.device() != place::device_of_first(view)? {
            sys::close(private)?;
            return Ok(Self::NONE);
        }
        match sys::mkdir(own.root, ASIDE, 0o700) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        place::at(own.root, ASIDE, |aside| sys::attach(private, aside))?;
        let host = sys::open_place(view, path)?;
        sys::attach(private, host)?;
        Ok(Self { host, private })
    }
}

/// What is followed.
pub(crate) struct Follow {
    /// Steps, each about a directory; outer ones first.
    directories: Reader<'static>,
    /// What cannot be done in what is added, and the most names of a directory.
    attributes: u64,
    most: u32,
    kept: [Kept; KEPT],
    own_device: u64,
    /// What was seen at fixed names. Init writes it while nobody mends.
    seen: &'static [[AtomicU64; 4]],
}

/// How a directory was; each the state of a descriptor.
#[derive(Clone, Copy)]
pub(crate) struct State {
    /// When all was as on the host.
    pub(crate) known: [u64; 4],
    /// At the last look.
    pub(crate) last: [u64; 4],
    /// When something could not be shown: it is not tried again until the directory changes.
    pub(crate) given_up: [u64; 4],
}

/// A directory that is followed, opened.
struct Directory {
    host: Fd,
    private: Fd,
    fixed: Reader<'static>,
}

impl Follow {
    /// With the fields of the step, if there is one.
    pub(crate) fn new(view: Fd, kept: &[Kept; KEPT], fields: Reader<'static>) -> Result<Self> {
        let mut directories = fields;
        let mut follow = Self {
            directories,
            attributes: RDONLY,
            most: 0,
            kept: *kept,
            own_device: 0,
            seen: &[],
        };
        if directories.0.is_empty() {
            return Ok(follow);
        }
        follow.attributes = directories.u64().ok_or(Errno::INVAL)?;
        follow.most = directories.u32().ok_or(Errno::INVAL)?;
        follow.directories = directories;
        follow.own_device = place::device_of_first(view)?;
        let memory = sys::map(Fd::NONE, SEEN * size_of::<[AtomicU64; 4]>())?;
        // SAFETY: page-aligned, zeroed, and not otherwise referred to; `AtomicU64` has no invalid value.
        let (_, seen, _) = unsafe { memory.align_to() };
        follow.seen = seen;
        while let Some((code, fields)) = directories.step() {
            if code != step::FOLLOWED {
                return Err(Errno::INVAL);
            }
            follow.note_taken(fields).ok_or(Errno::INVAL)?;
            let Some(directory) = follow.open(fields) else {
                continue;
            };
            follow.note_fixed(&directory);
            let noted = follow.names(directory.private, &directory, |name| {
                follow.note_refused(&directory, name);
                Ok(true)
            });
            directory.close();
            noted?;
        }
        Ok(follow)
    }

    /// The ways on which what is followed lies on the host.
    pub(crate) fn ways(&self) -> impl Iterator<Item = (Fd, &'static CStr)> {
        let mut directories = self.directories;
        core::iter::from_fn(move || directories.step()).filter_map(|(_, mut fields)| {
            let slot = fields.u32()? as usize;
            let _ = fields.identity()?;
            let kept = self.kept.get(slot).filter(|kept| kept.host != Fd::NONE)?;
            Some((kept.host, fields.string()?))
        })
    }

    /// How many directories there are.
    pub(crate) fn count(&self) -> usize {
        let mut rest = self.directories;
        core::iter::from_fn(|| rest.step()).count()
    }

    /// Whether there is nothing to do in any directory.
    pub(crate) fn is_done(&self, states: &mut [State], settled: Settled) -> bool {
        let mut directories = self.directories;
        let mut all = true;
        for state in states {
            let Some((_, fields)) = directories.step() else {
                break;
            };
            if let Some(directory) = self.open(fields) {
                all &= self.is_as_on_host(&directory, state, settled);
                directory.close();
            }
        }
        all
    }

    fn is_as_on_host(&self, directory: &Directory, state: &mut State, settled: Settled) -> bool {
        // Before anything is looked at: what changes meanwhile has a later time.
        let now = sys::time_of_day();
        let Ok(found) = sys::find(directory.host, c"") else {
            return true;
        };
        if state.known == found.state {
            return true;
        }
        self.note_fixed(directory);
        // What cannot be listed stays as it is.
        let same = self.compare(directory).unwrap_or(true);
        state.known = if same { settled(&found, now) } else { [0; 4] };
        state.last = found.state;
        // Nor given up before it has been left alone: the next change may have the same time.
        same || state.given_up == found.state && settled(&found, now) == found.state
    }

    /// Makes every directory what it is on the host.
    ///
    /// # Errors
    ///
    /// Where a name could not be added or removed.
    pub(crate) fn mend(&self) -> Result<()> {
        let mut directories = self.directories;
        let mut all = Ok(());
        while let Some((_, fields)) = directories.step() {
            if let Some(directory) = self.open(fields) {
                if self.compare(&directory) == Ok(false) {
                    all = all.and(self.mend_directory(&directory));
                }
                directory.close();
            }
        }
        all
    }

    /// `None` for what is not the directory of the plan, or not there.
    fn open(&self, mut fields: Reader<'static>) -> Option<Directory> {
        let slot = fields.u32()? as usize;
        let identity = fields.identity()?;
        let below = fields.string()?;
        for _ in 0..fields.u32()? {
            fields.identity()?;
        }
        let kept = self.kept.get(slot).filter(|kept| kept.host != Fd::NONE)?;
        let host = sys::open_place(kept.host, below).ok()?;
        let is_it = sys::find(host, c"").is_ok_and(|found| found.identity() == identity);
        let private = is_it.then(|| sys::open_place(kept.private, below).ok());
        let is_own = |place: &Fd| {
            sys::find(*place, c"").is_ok_and(|found| found.device() == self.own_device)
        };
        match private.flatten() {
            Some(private) if is_own(&private) => Some(Directory {
                host,
                private,
                fixed: fields,
            }),
            private => {
                let _ = sys::close(host);
                let _ = private.map(sys::close);
                None
            }
        }
    }

    /// Whether every name that is not fixed is in the private directory what it is on the host.
    fn compare(&self, directory: &Directory) -> Result<bool> {
        let all = self.names(directory.host, directory, |name| {
            Ok(self.is_shown(directory, name))
        })?;
        Ok(all
            && self.names(directory.private, directory, |name| {
                Ok(sys::find(directory.host, name).err() != Some(Errno::NOENT))
            })?)
    }

    fn is_shown(&self, directory: &Directory, name: &CStr) -> bool {
        let Ok(there) = sys::find(directory.host, name) else {
            return true;
        };
        sys::find(directory.private, name)
            .is_ok_and(|shown| self.was_fixed(&there) || directory.shows(name, &there, &shown))
    }

    fn mend_directory(&self, directory: &Directory) -> Result<()> {
        // Init's own mount of it is read-only, too. This one is nobody's.
        let writable = sys::clone_mount(directory.private)?;
        let cleared = sys::replace_attributes(writable, self.attributes & !RDONLY);
        let mended = cleared.and_then(|()| {
            let mut all = Ok(());
            self.names(directory.private, directory, |name| {
                all = all.and(self.remove_stale(directory, writable, name));
                Ok(true)
            })?;
            self.names(directory.host, directory, |name| {
                if !self.is_shown(directory, name) {
                    all = all.and(self.add(directory, writable, name));
                }
                Ok(true)
            })?;
            all
        });
        sys::close(writable)?;
        mended
    }

    fn remove_stale(&self, directory: &Directory, writable: Fd, name: &CStr) -> Result<()> {
        let shown = sys::find(directory.private, name)?;
        match sys::find(directory.host, name) {
            Ok(there) => {
                // Another init has made what this one mounts over.
                let is_mount_point =
                    !shown.is_mount && !shown.is_link() && shown.is_directory == there.is_directory;
                if self.was_fixed(&there)
                    || directory.shows(name, &there, &shown)
                    || (is_mount_point && !there.is_link())
                {
                    return Ok(());
                }
            }
            Err(Errno::NOENT) => {}
            Err(_) => return Ok(()),
        }
        if shown.is_mount {
            sys::fchdir(directory.private)?;
            sys::detach_here(name)?;
        }
        // In every other view the kernel detaches what is mounted there.
        sys::unlink(writable, name, sys::find(writable, name)?.is_directory)
    }

    fn add(&self, directory: &Directory, writable: Fd, name: &CStr) -> Result<()> {
        let there = sys::find(directory.host, name)?;
        if self.was_fixed(&there) || directory.is_at_fixed(&there) {
            return make(writable, name, there.is_directory, true);
        }
        if there.is_link() {
            let mut buffer = [0; TARGET];
            let target = sys::read_link(directory.host, name, &mut buffer)?;
            return sys::symlink(target.ok_or(Errno::INVAL)?, writable, name);
        }
        // Opened once: what is looked at is what is shown, whatever the name means a moment later.
        let child = match sys::open_place(directory.host, name) {
            Err(Errno::NOENT | Errno::LOOP) => return Ok(()),
            child => child?,
        };
        let added = self.add_opened(directory, writable, name, child);
        sys::close(child)?;
        added
    }

    fn add_opened(
        &self,
        directory: &Directory,
        writable: Fd,
        name: &CStr,
        child: Fd,
    ) -> Result<()> {
        let found = sys::find(child, c"")?;
        if self.was_fixed(&found) || directory.is_at_fixed(&found) {
            return Ok(());
        }
        make(writable, name, found.is_directory, false)?;
        let tree = sys::clone_tree(child)?;
        let attached = sys::mount_setattr(tree, self.attributes, 0, true).and_then(|()| {
            place::at(directory.private, name, |place| {
                let point = sys::find(place, c"")?;
                if point.is_mount || point.device() != self.own_device {
                    return Err(Errno::XDEV);
                }
                sys::attach(tree, place)
            })
        });
        sys::close(tree)?;
        match attached {
            // The host has removed one of both meanwhile.
            Err(Errno::NOENT) => Ok(()),
            attached => attached,
        }
    }

    /// Asks about each name at `place` that is not fixed in the directory, until the answer is no.
    fn names(
        &self,
        place: Fd,
        directory: &Directory,
        mut ask: impl FnMut(&CStr) -> Result<bool>,
    ) -> Result<bool> {
        let list = sys::open_list(place, c".")?;
        let asked = self.listed(list, directory, &mut ask);
        sys::close(list)?;
        asked
    }

    fn listed(
        &self,
        list: Fd,
        directory: &Directory,
        ask: &mut dyn FnMut(&CStr) -> Result<bool>,
    ) -> Result<bool> {
        let mut buffer = [0; ENTRIES];
        let mut count = 0_u32;
        loop {
            let mut entries = Reader(sys::entries(list, &mut buffer)?);
            if entries.0.is_empty() {
                return Ok(true);
            }
            while let Some(name) = next_name(&mut entries) {
                if name == c"." || name == c".." {
                    continue;
                }
                count = count.wrapping_add(1);
                if count > self.most {
                    return Err(Errno::NFILE);
                }
                if !directory.is_fixed(name) && !ask(name)? {
                    return Ok(false);
                }
            }
        }
    }

    /// What was at fixed names when the policy was resolved.
    fn note_taken(&self, mut fields: Reader<'static>) -> Option<()> {
        let _ = (fields.u32()?, fields.identity()?, fields.string()?);
        for _ in 0..fields.u32()? {
            self.note(fields.identity()?);
        }
        Some(())
    }

    fn note_fixed(&self, directory: &Directory) {
        let mut fixed = directory.fixed;
        while let Some(name) = fixed.string() {
            if let Ok(found) = sys::find(directory.host, name) {
                self.note(found.identity());
            }
        }
    }

    /// What another init has refused to show is not shown by this one.
    fn note_refused(&self, directory: &Directory, name: &CStr) {
        let is_refused = |shown: &Found| shown.is_closed() && !shown.is_mount && !shown.is_link();
        if let Ok(shown) = sys::find(directory.private, name)
            && is_refused(&shown)
            && let Ok(there) = sys::find(directory.host, name)
        {
            self.note(there.identity());
        }
    }

    fn note(&self, identity: [u64; 4]) {
        for slot in self.seen {
            let noted = load(slot);
            if noted == identity {
                return;
            }
            if noted == [0; 4] {
                for (word, value) in slot.iter().zip(identity) {
                    word.store(value, Ordering::Relaxed);
                }
                return;
            }
        }
    }

    /// Whether it was seen at a fixed name, or may have been.
    fn was_fixed(&self, found: &Found) -> bool {
        let mut noted = self.seen.iter().map(load);
        let mut noted = noted.by_ref().take_while(|noted| *noted != [0; 4]);
        let is_full = self.seen.last().is_none_or(|last| load(last) != [0; 4]);
        is_full || noted.any(|noted| noted == found.identity())
    }
}

/// Makes something to mount over, unless it is there; or what stands for something that is not shown.
fn make(writable: Fd, name: &CStr, is_directory: bool, is_refused: bool) -> Result<()> {
    let made = match (is_directory, is_refused) {
        (true, false) => sys::mkdir(writable, name, 0o755),
        (true, true) => sys::mkdir(writable, name, 0),
        (false, false) => sys::create(writable, name, 0o644, b""),
        (false, true) => sys::create(writable, name, 0, b""),
    };
    match made {
        Err(Errno::EXIST) => Ok(()),
        made => made,
    }
}

/// The state of a directory by which to know that it has not changed since.
pub(crate) type Settled = fn(&Found, [u64; 2]) -> [u64; 4];

fn load(slot: &[AtomicU64; 4]) -> [u64; 4] {
    let [device, inode, seconds, nanoseconds] = slot;
    [device, inode, seconds, nanoseconds].map(|word| word.load(Ordering::Relaxed))
}

impl Directory {
    fn close(self) {
        let _ = sys::close(self.host);
        let _ = sys::close(self.private);
    }

    /// A file system may take two spellings for one name.
    fn is_fixed(&self, name: &CStr) -> bool {
        let mut fixed = self.fixed;
        core::iter::from_fn(|| fixed.string())
            .any(|fixed| fixed.to_bytes().eq_ignore_ascii_case(name.to_bytes()))
    }

    /// Whether it is at one of the fixed names at this moment.
    fn is_at_fixed(&self, found: &Found) -> bool {
        let mut fixed = self.fixed;
        core::iter::from_fn(|| fixed.string())
            .any(|name| sys::find(self.host, name).is_ok_and(|there| there.is(found)))
    }

    /// Whether what is `shown` at a name is what is `there` on the host.
    fn shows(&self, name: &CStr, there: &Found, shown: &Found) -> bool {
        if there.is_link() || shown.is_link() {
            return there.is_link() && shown.is_link() && self.has_same_target(name);
        }
        shown.is_mount && shown.is(there)
    }

    fn has_same_target(&self, name: &CStr) -> bool {
        let (mut here, mut there) = ([0; TARGET], [0; TARGET]);
        let here = sys::read_link(self.private, name, &mut here);
        let there = sys::read_link(self.host, name, &mut there);
        matches!((here, there), (Ok(Some(here)), Ok(Some(there))) if here.to_bytes().iter().eq(there.to_bytes()))
    }
}

/// The name of the next entry (`struct linux_dirent64`: inode, offset, length of the whole, type, name).
fn next_name<'a>(entries: &mut Reader<'a>) -> Option<&'a CStr> {
    const BEFORE_LENGTH: usize = 16;
    const BEFORE_NAME: usize = 19;
    let (length, _) = entries.0.get(BEFORE_LENGTH..)?.split_first_chunk()?;
    let entry = entries.bytes(u16::from_ne_bytes(*length).into())?;
    CStr::from_bytes_until_nul(entry.get(BEFORE_NAME..)?).ok()
}
