//! What the host undoes is done again: a mount goes with its name. When the host renames a file over a hidden or protected
//! one, as editors do, the kernel detaches the mount that lay there; when it replaces a directory, what was mounted in it
//! stays with the old one; and a name that did not exist has no mount yet.
//!
//! The kernel tells of the first at once, by the list of mounts. The rest is found by looking at the directories that hold
//! such names, while a command runs and before one starts. A look costs one call for a directory in which nothing changed.
//! Nothing is asked of the caller, which may be stopped, and nothing of the host, which has few inotify instances for all of
//! a user's programs.

use core::ffi::CStr;

use super::place::{self, Covers};
use super::raw::{Errno, Result};
use super::sys::{self, Fd, Found, Poll};
use super::wire::{Reader, cover, step};

/// Milliseconds between two looks: how long what the host has made may be open, unless the kernel tells.
const INTERVAL: u64 = 100;
/// The most directories of which is known how they were. Others are looked through each time.
const KNOWN: usize = 256;
/// How long a directory must have been left alone for its time to tell of the next change: file systems count time in ticks,
/// of up to 10 ms.
const TICK: u64 = 20;
/// How often a name is tried that changes while it is mounted over.
const ATTEMPTS: u8 = 8;

/// What is watched, and how it was.
pub(crate) struct Watch {
    view: Fd,
    covers: Covers,
    /// The list of mounts of this process.
    mounts: Fd,
    /// Groups of steps, each about the names in one directory; outer directories first.
    groups: Reader<'static>,
    /// The state of each directory when it was looked through.
    known: [[u64; 4]; KNOWN],
    /// When that was, in milliseconds.
    looked: u64,
}

impl Watch {
    /// Of a view that has been made a moment ago, or that `is_copy`: then the first look is due.
    pub(crate) fn new(
        view: Fd,
        covers: Covers,
        mounts: Fd,
        groups: Reader<'static>,
        is_copy: bool,
    ) -> Self {
        let watch = Self {
            view,
            covers,
            mounts,
            groups,
            known: [[0; 4]; KNOWN],
            looked: if is_copy { 0 } else { sys::milliseconds() },
        };
        // What has changed until now was our doing.
        let _ = sys::poll(&mut [watch.poll()], sys::NO_WAIT);
        watch
    }

    fn is_needed(&self) -> bool {
        !self.groups.0.is_empty()
    }

    /// What tells of a mount that was detached.
    pub(crate) fn poll(&self) -> Poll {
        Poll::exceptional(if self.is_needed() {
            self.mounts
        } else {
            Fd::NONE
        })
    }

    /// Milliseconds until the next look.
    pub(crate) fn rest(&self) -> i32 {
        if !self.is_needed() {
            return sys::FOR_EVER;
        }
        let elapsed = sys::milliseconds().saturating_sub(self.looked);
        INTERVAL.saturating_sub(elapsed) as i32
    }

    /// Looks, if it is time to or a mount `was_detached`, and does again what the host has undone.
    ///
    /// # Errors
    ///
    /// Where something is there that can't be mounted over: nothing must run any more.
    pub(crate) fn look(&mut self, was_detached: bool) -> Result<()> {
        if !was_detached && self.rest() != sys::NO_WAIT {
            return Ok(());
        }
        self.looked = sys::milliseconds();
        let mut groups = self.groups;
        let mut known = 0..;
        while let Some((code, mut fields)) = groups.step() {
            let index = known.next().unwrap_or(KNOWN);
            let directory = fields.string().filter(|_| code == step::WITHIN);
            self.look_through(index, directory.ok_or(Errno::INVAL)?, fields)?;
        }
        Ok(())
    }

    /// Looks at what is there before a command starts.
    pub(crate) fn look_before_start(&mut self) -> Result<()> {
        if !self.is_needed() {
            return Ok(());
        }
        let mut mounts = [self.poll()];
        sys::poll(&mut mounts, sys::NO_WAIT)?;
        let [mounts] = mounts;
        self.look(mounts.is_exceptional())
    }

    fn look_through(
        &mut self,
        index: usize,
        directory: &CStr,
        mut steps: Reader<'static>,
    ) -> Result<()> {
        // What cannot be looked at is nothing that a command could reach: its rights are no more than those of this process.
        let Ok(found) = sys::find(self.view, directory) else {
            return Ok(());
        };
        if self.known.get(index) == Some(&found.state) {
            return Ok(());
        }
        let is_whole = match sys::open_place(self.view, directory) {
            Ok(place) => {
                let mended = self.mend_all(place, &mut steps);
                sys::close(place)?;
                mended?
            }
            Err(_) => false,
        };
        if let Some(known) = self.known.get_mut(index) {
            *known = if is_whole { settled(&found) } else { [0; 4] };
        }
        Ok(())
    }

    fn mend_all(&self, directory: Fd, steps: &mut Reader<'static>) -> Result<bool> {
        let mut is_whole = true;
        while let Some((code, mut fields)) = steps.step() {
            let step = Step::read(code, &mut fields).ok_or(Errno::INVAL)?;
            is_whole &= self.mend(directory, &step)?;
        }
        Ok(is_whole)
    }

    /// Mounts again over one name what is not mounted there any more; whether nothing is left to do.
    fn mend(&self, directory: Fd, step: &Step) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let place = match sys::open_place(directory, step.name) {
                Ok(place) => place,
                // A link included: nothing can be mounted over it, and what it leads to has rules of its own.
                Err(Errno::NOENT | Errno::LOOP) => return Ok(true),
                Err(_) => return Ok(false),
            };
            let mended = sys::find(place, c"").and_then(|found| self.mount(step, &found, place));
            sys::close(place)?;
            match mended {
                Ok(true) => return Ok(true),
                // It may have been replaced meanwhile.
                Ok(false)
                | Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCES | Errno::STALE | Errno::IO) => {}
                Err(errno) => return Err(errno),
            }
        }
        // It changes as fast as we look. The caller and the deadline come first.
        Ok(false)
    }

    /// Mounts over `place`, at which something was `found`, unless something is mounted there: then it returns true.
    fn mount(&self, step: &Step, found: &Found, place: Fd) -> Result<bool> {
        if found.is_mount {
            return Ok(true);
        }
        match step.kind {
            Kind::Cover(_) if found.is_directory => {
                place::cover(&self.covers, cover::DIRECTORY, place)
            }
            Kind::Cover(cover::EMPTY) => place::cover(&self.covers, cover::EMPTY, place),
            Kind::Cover(_) => place::cover(&self.covers, cover::FILE, place),
            Kind::Rebind(attributes) => place::rebind(attributes, place),
            Kind::Scratch(attributes, mode) if found.is_directory => {
                place::scratch(attributes, mode, place)
            }
            Kind::Scratch(..) => return Ok(true),
        }
        .map(|()| false)
    }
}

/// A step that can be done again.
struct Step {
    kind: Kind,
    name: &'static CStr,
}

enum Kind {
    Cover(u32),
    Rebind(u64),
    Scratch(u64, &'static CStr),
}

impl Step {
    fn read(code: u32, fields: &mut Reader<'static>) -> Option<Self> {
        let kind = match code {
            step::COVER => Kind::Cover(fields.u32()?),
            step::REBIND => Kind::Rebind(fields.u64()?),
            step::SCRATCH => Kind::Scratch(fields.u64()?, fields.string()?),
            _ => return None,
        };
        Some(Self {
            kind,
            name: fields.string()?,
        })
    }
}

/// The state by which to know that nothing has changed since: none if it changed just now, since the next change may have the
/// same time.
fn settled(found: &Found) -> [u64; 4] {
    let [_, _, seconds, nanoseconds] = found.state;
    let changed = sys::in_milliseconds([seconds, nanoseconds]);
    if sys::in_milliseconds(sys::time_of_day()).abs_diff(changed) < TICK {
        [0; 4]
    } else {
        found.state
    }
}
