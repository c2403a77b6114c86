//! Mounts again what the host has undone: the names that a view hides, protects or keeps private, as the plan lists them; and what can be
//! written once it is there.

use core::ffi::CStr;

use super::follow::Follow;
use super::place::{self, Own};
use super::raw::{Errno, Result};
use super::sys::{self, Fd, Found};
use super::wire::{Reader, cover, step};

/// How often a name is tried that changes while it is mounted over.
const ATTEMPTS: u8 = 8;
/// How often, and for how many nanoseconds each time, it is waited until the host has taken a name away.
const MOMENTS: u32 = 1000;
const MOMENT: u64 = 20_000;
/// Mount attribute (`mount_setattr(2)`).
const RDONLY: u64 = 1;

/// The names, and what lies over them.
pub(crate) struct Names {
    pub(crate) view: Fd,
    own: Own,
    /// The device of that, and of the one of the view that this one is a copy of.
    own_devices: [u64; 2],
    /// Groups of steps, each about the names in one directory; outer directories first. Those of the plan, and those that came
    /// later.
    pub(crate) groups: [Reader<'static>; 2],
}

/// What the host changes.
pub(crate) struct Changing {
    pub(crate) names: Names,
    pub(crate) follow: Follow,
}

/// How a mender ended.
pub(crate) mod ended {
    pub(crate) const WELL: i32 = 0;
    /// Something is there that can't be mounted over.
    pub(crate) const OPEN: i32 = 1;
    /// Something that the host has added, replaced or removed could not be followed.
    pub(crate) const BEHIND: i32 = 2;
}

/// Lives in init's memory, with descriptors of its own, and ends.
pub(crate) extern "C" fn mender(changing: *mut ()) -> ! {
    // SAFETY: `clone_on` got a pointer to the `Changing` of a `Watch`, which nobody changes and which stays.
    let changing = unsafe { &*changing.cast::<Changing>() };
    sys::exit_task(changing.mend())
}

impl Changing {
    /// Mounts what is hidden, protected or private again, and then shows what the host has added.
    pub(crate) fn mend(&self) -> i32 {
        if self.names.mend().is_err() {
            return ended::OPEN;
        }
        if self.follow.mend().is_err() {
            return ended::BEHIND;
        }
        ended::WELL
    }
}

impl Names {
    /// In a view that `is_copy`, where the first one's private directories and covers lie.
    pub(crate) fn new(view: Fd, own: Own, groups: Reader<'static>, is_copy: bool) -> Result<Self> {
        let device = if own.root == Fd::NONE {
            0
        } else {
            sys::find(own.root, c"")?.device()
        };
        let of_first = if is_copy {
            place::device_of_first(view)?
        } else {
            device
        };
        Ok(Self {
            view,
            own,
            own_devices: [device, of_first],
            groups: [groups, Reader(&[])],
        })
    }

    /// Whether each name in `directory` that has something has its mount over it.
    pub(crate) fn are_in_place(&self, directory: Fd, mut steps: Reader<'static>) -> Result<bool> {
        while let Some((code, mut fields)) = steps.step() {
            let step = Step::read(code, &mut fields).ok_or(Errno::INVAL)?;
            // A link, too: nothing can be mounted over it, and what it leads to has rules of its own.
            let Ok(place) = sys::open_place(directory, step.name) else {
                continue;
            };
            let is_in_place =
                sys::find(place, c"").and_then(|found| self.is_in_place(&step, &found, place));
            sys::close(place)?;
            if is_in_place == Ok(false) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Mounts over every name that has something and no mount.
    ///
    /// # Errors
    ///
    /// Where something stays that can't be mounted over.
    pub(crate) fn mend(&self) -> Result<()> {
        // What is mounted over a name of one table may lie over what the other one has in there. If that goes on the next look
        // sees it.
        for _ in 0..ATTEMPTS {
            let mut is_done = true;
            for mut groups in self.groups {
                is_done &= self.mend_groups(&mut groups)?;
            }
            if is_done {
                break;
            }
        }
        Ok(())
    }

    /// Whether there was nothing to mount.
    fn mend_groups(&self, groups: &mut Reader<'static>) -> Result<bool> {
        let mut is_done = true;
        while let Some((_, mut steps)) = groups.step() {
            let directory = steps.string().ok_or(Errno::INVAL)?;
            let Ok(directory) = sys::open_place(self.view, directory) else {
                continue;
            };
            while let Some((code, mut fields)) = steps.step() {
                let step = Step::read(code, &mut fields).ok_or(Errno::INVAL)?;
                is_done &= self.mend_name(directory, &step)?;
            }
            sys::close(directory)?;
        }
        Ok(is_done)
    }

    /// Whether there was nothing to mount.
    fn mend_name(&self, directory: Fd, step: &Step) -> Result<bool> {
        let mut is_first = true;
        let mut before = [0; 2];
        let mut same = 0;
        for _ in 0..ATTEMPTS {
            let Some(place) = self.open(directory, step)? else {
                return Ok(is_first);
            };
            let found = sys::find(place, c"");
            let mended = match &found {
                Ok(found) if self.is_in_place(step, found, place) == Ok(true) => Ok(true),
                Ok(found) => self.mount(step, found, place).map(|()| false),
                Err(errno) => Err(*errno),
            };
            sys::close(place)?;
            match mended {
                Ok(true) => return Ok(is_first),
                // The next attempt tells whether it lies over what is there now.
                Ok(false)
                | Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCES | Errno::STALE | Errno::IO) => {
                    same = 0;
                }
                // It was taken away between two calls, or this is what can't be mounted over.
                Err(errno) => {
                    let [device, inode, ..] = found.map_or([0; 4], |found| found.state);
                    same = if [device, inode] == before {
                        same + 1
                    } else {
                        1
                    };
                    before = [device, inode];
                    if same == ATTEMPTS {
                        return Err(errno);
                    }
                }
            }
            is_first = false;
        }
        // It changes as fast as this. The next look is soon.
        Ok(true)
    }

    /// What is at the name, once that is no file which the host is about to take away.
    ///
    /// The kernel tells of a rename before the new file has the name, and waits in between for everybody who may be looking at the
    /// old one's mount. Nothing can be mounted over that any more, and whoever tries waits as long for what he could not mount:
    /// meanwhile the new file would be open.
    fn open(&self, directory: Fd, step: &Step) -> Result<Option<Fd>> {
        let mut moments = 0;
        loop {
            let Ok(place) = sys::open_place(directory, step.name) else {
                return Ok(None);
            };
            let is_going = sys::find(place, c"").is_ok_and(|found| {
                found.is_removed() && self.is_in_place(step, &found, place) != Ok(true)
            });
            // There are file systems that count no names.
            if !is_going || moments == MOMENTS {
                return Ok(Some(place));
            }
            sys::close(place)?;
            sys::sleep(MOMENT);
            moments += 1;
        }
    }

    fn is_in_place(&self, step: &Step, found: &Found, place: Fd) -> Result<bool> {
        if !found.is_mount {
            return Ok(matches!(step.kind, Kind::Open) && !found.is_directory);
        }
        let is_own = self.own_devices.contains(&found.device());
        // The host may move what has a mount of ours to another name.
        match step.kind {
            // What the host has moved here from another name may show something.
            Kind::Cover(_) => Ok(is_own && (!found.is_directory || found.is_closed())),
            Kind::Closed => Ok(is_own),
            Kind::Rebind(attributes) if attributes & RDONLY != 0 => sys::is_read_only(place),
            Kind::Rebind(_) | Kind::Scratch(..) | Kind::Open => Ok(true),
        }
    }

    fn mount(&self, step: &Step, found: &Found, place: Fd) -> Result<()> {
        match step.kind {
            Kind::Cover(_) if found.is_directory => self.own.cover(cover::DIRECTORY, place),
            Kind::Cover(kind @ (cover::EMPTY | cover::HOSTS)) => self.own.cover(kind, place),
            Kind::Cover(_) => self.own.cover(cover::FILE, place),
            Kind::Rebind(attributes) => place::rebind(attributes, place),
            Kind::Scratch(attributes, mode) => {
                place::attach(place::scratch_apart(attributes, mode)?, place)
            }
            Kind::Closed => self.own.cover(cover::DIRECTORY, place),
            // What can't be written stays so, and nothing ends for that.
            Kind::Open => place::make_writable(place).or(Ok(())),
        }
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
    Scratch(u64, u32),
    /// A cover, unless what was put together is there still.
    Closed,
    /// What can be written.
    Open,
}

impl Step {
    fn read(code: u32, fields: &mut Reader<'static>) -> Option<Self> {
        let kind = match code {
            step::COVER => Kind::Cover(fields.u32()?),
            step::REBIND => Kind::Rebind(fields.u64()?),
            step::SCRATCH_APART => Kind::Scratch(fields.u64()?, fields.u32()?),
            step::CLOSED => Kind::Closed,
            step::OPENED => Kind::Open,
            _ => return None,
        };
        Some(Self {
            kind,
            name: fields.string()?,
        })
    }
}
