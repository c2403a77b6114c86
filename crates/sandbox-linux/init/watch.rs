//! What the host undoes is done again: a mount goes with its name. When the host renames a file over a hidden or protected
//! one, as editors do, the kernel detaches the mount that lay there; when it replaces a directory, what was mounted in it
//! stays with the old one; and a name that did not exist has no mount yet.
//!
//! The kernel tells of the first at once, by the list of mounts. The rest is found by looking at the directories that hold
//! such names, while a command runs and before one starts. A look takes three calls for a directory in which nothing changed.
//! When a command has run for a while the kernel is asked to tell of changes there (`told`), and as long as it tells of none
//! there is no look. Nothing is asked of the caller, which may be stopped, and nothing of the host, which has few inotify
//! instances for all of a user's programs.
//!
//! Init only looks. A child of it mounts (`mend`): to mount over a file waits, without an end to wait for, for whoever writes
//! it, and init has signals to pass on and a deadline to keep.

use core::ffi::CStr;

use super::entry::clone_on;
use super::follow::{Follow, State};
use super::mend::{Changing, Names, ended, mender};
use super::raw::{Errno, Result, check};
use super::serve::Stack;
use super::sys::{self, Fd, Found, Poll};
use super::told::Told;
use super::wire::{LOOKS, Reader, order, step};

/// Milliseconds after which the kernel is asked to tell of changes: most commands have ended by then.
const WHILE: u64 = 1000;
/// Milliseconds until the next look where the kernel tells of changes: what is changed below an overlay, which nobody may do, is told to nobody.
const BACKSTOP: u64 = 5000;
/// Milliseconds for which a directory must have been left alone for its time to tell of the next change: there are file
/// systems that count seconds, in two.
const TICK: u64 = 2500;
/// How often what is mounted over and replaced at once is tried, before the next look is waited for.
const ROUNDS: u8 = 8;
const STACK: usize = 32 << 10;

/// What is watched, and how it was.
pub(crate) struct Watch {
    changing: Changing,
    /// The list of mounts of this process.
    mounts: Fd,
    /// The state of each directory when all was in its place: that of the descriptor, and the time. Of those of the plan, and
    /// of those that came later.
    known: [&'static mut [[u64; 4]]; 2],
    /// What has come later, and is not watched yet.
    come: Option<Reader<'static>>,
    /// The states of directories that are followed.
    followed: &'static mut [State],
    /// When that was, in milliseconds.
    looked: u64,
    told: Told,
    /// The last look has not found all in its place, or something has changed since.
    is_due: bool,
    /// When the command that runs was about to start, in milliseconds.
    started: Option<u64>,
    /// The child that mends, and its stack.
    mender: Option<i32>,
    stack: Stack,
    /// How often it has been tried since all was in its place.
    rounds: u8,
    /// A command stopped or ended it, as it can before Landlock's signal scope: then init does it itself.
    is_disturbed: bool,
}

impl Watch {
    /// Of a view that has been made a moment ago. The first look is due where it `is_copy`, or where directories are followed:
    /// they were listed when the policy was resolved.
    pub(crate) fn new(names: Names, follow: Follow, mounts: Fd, is_copy: bool) -> Result<Self> {
        let known = states(names.groups[0])?;
        let followed = table(follow.count() * STATES)?;
        // SAFETY: zeroed, and not otherwise referred to; a [`State`] is numbers, which have no invalid value.
        let (_, followed, _) = unsafe { followed.align_to_mut() };
        let stack = if known.is_empty() && followed.is_empty() {
            Stack(core::ptr::null_mut())
        } else {
            stack()?
        };
        let is_due = is_copy || !followed.is_empty();
        let watch = Self {
            changing: Changing { names, follow },
            mounts,
            known: [known, &mut []],
            come: None,
            followed,
            looked: if is_due { 0 } else { sys::milliseconds() },
            told: Told::new(),
            is_due: true,
            started: None,
            mender: None,
            stack,
            rounds: 0,
            is_disturbed: false,
        };
        // What has changed until now was our doing.
        let _ = watch.was_detached();
        Ok(watch)
    }

    /// Takes names that the caller has ordered to be watched as well: the first time, and as soon as nobody mends.
    pub(crate) fn obey(&mut self, mut order: Reader<'_>, fds: &[Fd]) {
        let [_, later] = &self.known;
        let is_first = later.is_empty() && self.come.is_none();
        let file = fds.first().filter(|file| is_first && **file != Fd::NONE);
        if let (Some(order::NAMES), Some(length), Some(file)) = (order.u32(), order.u32(), file) {
            let bytes = sys::map(*file, length as usize);
            self.come = bytes.ok().map(|bytes| Reader(bytes));
            self.looked = 0;
            self.is_due = true;
        }
    }

    /// Nobody mends at this moment. Without memory it is tried again at the next look.
    fn take_what_has_come(&mut self) {
        let Some(groups) = self.come else { return };
        if self.stack.0.is_null() {
            let Ok(stack) = stack() else { return };
            self.stack = stack;
        }
        let Ok(known) = states(groups) else { return };
        let [_, later] = &mut self.known;
        *later = known;
        let [_, later] = &mut self.changing.names.groups;
        *later = groups;
        self.come = None;
    }

    fn is_needed(&self) -> bool {
        let [known, later] = &self.known;
        !(known.is_empty() && later.is_empty() && self.followed.is_empty() && self.come.is_none())
    }

    /// What tells of a mount that was detached, and of what has changed.
    pub(crate) fn poll(&self) -> [Poll; 2] {
        let mounts = if self.is_needed() {
            self.mounts
        } else {
            Fd::NONE
        };
        // A command may cause changes without end, and would keep init awake: the next look is due already.
        let is_due = self.is_due || self.mender.is_some();
        let changes = if is_due { Fd::NONE } else { self.told.file() };
        [Poll::exceptional(mounts), Poll::new(changes)]
    }

    /// Milliseconds until the next look.
    pub(crate) fn rest(&self) -> i32 {
        if !self.is_needed() || self.mender.is_some() {
            return sys::FOR_EVER;
        }
        let is_told = self.told.is_on() && !self.is_due;
        let every = if is_told { BACKSTOP } else { LOOKS };
        let elapsed = sys::milliseconds().saturating_sub(self.looked);
        every.saturating_sub(elapsed) as i32
    }

    /// Looks, if it is time to or a mount `was_detached`, and has a child mend what the host has undone.
    ///
    /// # Errors
    ///
    /// Where something is there that can't be mounted over: nothing must run any more.
    pub(crate) fn look(&mut self, was_detached: bool) -> Result<()> {
        self.is_due |= self.told.has_changed();
        // After it has ended there is another look.
        if self.mender.is_some() || (!was_detached && self.rest() != sys::NO_WAIT) {
            return Ok(());
        }
        self.take_what_has_come();
        if was_detached {
            // Some file systems notice a change of the host's without another time of the directory.
            for known in &mut self.known {
                known.fill([0; 4]);
            }
            // Another init may have removed what this one had mounted over.
            for state in &mut *self.followed {
                state.known = [0; 4];
            }
        }
        self.looked = sys::milliseconds();
        self.is_due = true;
        self.have_told();
        let all_in_place = self.all_in_place()?;
        if self.changing.follow.is_done(self.followed, settled) && all_in_place {
            self.rounds = 0;
            self.is_due = self.come.is_some();
            return Ok(());
        }
        // Where there is no room for a further process it is done here, too.
        if self.is_disturbed || self.start_mender().is_err() {
            let code = self.changing.mend();
            return self.note_code(code);
        }
        Ok(())
    }

    /// Before a look: what changes after it is told.
    fn have_told(&mut self) {
        let runs_for = |started| self.looked.saturating_sub(started);
        if self.started.map_or(0, runs_for) < WHILE {
            return;
        }
        let Changing { names, follow } = &self.changing;
        self.told.renew(|told| {
            for mut groups in names.groups {
                while let Some((_, mut fields)) = groups.step() {
                    told.way(names.view, fields.string().ok_or(Errno::INVAL)?)?;
                }
            }
            let mut followed = follow.ways();
            followed.try_for_each(|(base, below)| told.way(base, below))
        });
    }

    /// Looks at what is there before a command starts, and returns when all of it is mended. Ends with the `caller`.
    pub(crate) fn look_before_start(&mut self, caller: Fd, signals: Fd) -> Result<()> {
        self.started = Some(sys::milliseconds());
        // Of another one's, until this one has run for a while: there are looks before.
        self.told.end();
        let was_detached = self.was_detached()?;
        self.settle(was_detached, caller, signals)
    }

    fn was_detached(&self) -> Result<bool> {
        if !self.is_needed() {
            return Ok(false);
        }
        let mut fds = self.poll();
        sys::poll(&mut fds, sys::NO_WAIT)?;
        let [mounts, _] = fds;
        Ok(mounts.is_exceptional())
    }

    /// As [`look`](Self::look), and waits until all of it is mended.
    pub(crate) fn settle(&mut self, was_detached: bool, caller: Fd, signals: Fd) -> Result<()> {
        self.look(was_detached)?;
        while let Some(mender) = self.mender {
            while !self.has_ended(mender)? {
                let mut fds = [Poll::new(caller), Poll::new(signals)];
                match sys::poll(&mut fds, sys::FOR_EVER) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno),
                }
                let [caller, _] = fds;
                if caller.readable() {
                    sys::exit(super::exit::CALLER_IS_GONE);
                }
                while sys::next_signal(signals).is_some() {}
            }
            let was_detached = self.was_detached()?;
            self.look(was_detached)?;
        }
        Ok(())
    }

    fn has_ended(&mut self, mender: i32) -> Result<bool> {
        match sys::wait_any() {
            Ok(Some((pid, status, _))) if pid == mender => self.note(status).map(|()| true),
            Err(Errno::CHILD) => {
                self.mender = None;
                Ok(true)
            }
            Ok(_) | Err(_) => Ok(false),
        }
    }

    /// Whether `pid` is the child that mends, about which there is a wait `status`.
    pub(crate) fn is_mender(&mut self, pid: i32, status: i32) -> Result<bool> {
        if self.mender != Some(pid) {
            return Ok(false);
        }
        self.note(status).map(|()| true)
    }

    fn note(&mut self, status: i32) -> Result<()> {
        const STOPPED: i32 = 0x7f;
        if status & 0xff == STOPPED {
            self.is_disturbed = true;
            return self
                .mender
                .map_or(Ok(()), |pid| sys::kill(pid, sys::SIGKILL));
        }
        self.mender = None;
        self.rounds = self.rounds.wrapping_add(1) % ROUNDS;
        if self.rounds != 0 {
            self.looked = 0;
        }
        if let (0, code) = (status & 0x7f, status >> 8 & 0xff) {
            return self.note_code(code);
        }
        // Everything was ended, or a command ended it.
        self.is_disturbed = true;
        Ok(())
    }

    fn note_code(&mut self, code: i32) -> Result<()> {
        match code {
            ended::WELL => Ok(()),
            ended::BEHIND => {
                for state in &mut *self.followed {
                    state.given_up = state.last;
                }
                Ok(())
            }
            _ => Err(Errno::INVAL),
        }
    }

    /// No process is left but init.
    pub(crate) fn note_end(&mut self) {
        self.mender = None;
        self.started = None;
        self.told.end();
        // With everything else.
        self.is_disturbed = false;
    }

    fn start_mender(&mut self) -> Result<()> {
        const CLONE_VM_SIGCHLD: usize = 0x100 | 0x11;
        let changing = (&raw mut self.changing).cast();
        // SAFETY: the stack is used by nobody else as long as there is a mender; `changing` is what it expects, is where it is
        // as long as init lives, and nobody changes it.
        let pid = check(unsafe { clone_on(CLONE_VM_SIGCHLD, self.stack.0, mender, changing) })?;
        self.mender = Some(pid as i32);
        Ok(())
    }

    /// Whether every name that has something has its mount over it. A directory in which all of them have is not looked
    /// through again until it changes. The look ends with the first that does not: who mends it looks, too.
    fn all_in_place(&mut self) -> Result<bool> {
        let names = &self.changing.names;
        // Before anything is looked at: what changes meanwhile has a later time.
        let now = sys::time_of_day();
        for (mut groups, known) in names.groups.into_iter().zip(&mut self.known) {
            for known in &mut **known {
                let (code, mut fields) = groups.step().ok_or(Errno::INVAL)?;
                let directory = fields.string().filter(|_| code == step::WITHIN);
                if !look_through(names, known, directory.ok_or(Errno::INVAL)?, fields, now)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// How many states of a directory are kept for one that is followed.
const STATES: usize = size_of::<State>() / size_of::<[u64; 4]>();

/// Zeroed memory for so many states of directories, which stays.
fn table(states: usize) -> Result<&'static mut [u8]> {
    if states == 0 {
        return Ok(&mut []);
    }
    let bytes = states.checked_mul(size_of::<[u64; 4]>());
    sys::map(Fd::NONE, bytes.ok_or(Errno::INVAL)?)
}

/// Room for the state of each directory.
fn states(mut groups: Reader<'static>) -> Result<&'static mut [[u64; 4]]> {
    let states = table(core::iter::from_fn(|| groups.step()).count())?;
    // SAFETY: zeroed, and not otherwise referred to; numbers have no invalid value.
    let (_, states, _) = unsafe { states.align_to_mut() };
    Ok(states)
}

fn stack() -> Result<Stack> {
    Ok(Stack(sys::map(Fd::NONE, STACK)?.as_mut_ptr_range().end))
}

fn look_through(
    names: &Names,
    known: &mut [u64; 4],
    directory: &CStr,
    steps: Reader<'static>,
    now: [u64; 2],
) -> Result<bool> {
    // What cannot be reached is nothing that a command could reach: its rights are no more than those of this process.
    let Ok(place) = sys::open_place(names.view, directory) else {
        *known = [0; 4];
        return Ok(true);
    };
    let looked = sys::find(place, c"").and_then(|found| {
        if *known == found.state {
            return Ok(true);
        }
        let all = names.are_in_place(place, steps)?;
        *known = if all { settled(&found, now) } else { [0; 4] };
        Ok(all)
    });
    sys::close(place)?;
    looked
}

/// The state by which to know that nothing has changed since: none if it changed just now, since the next change may have the
/// same time, nor where names come and go with a key (fscrypt), and no time tells of that.
fn settled(found: &Found, now: [u64; 2]) -> [u64; 4] {
    let [_, _, seconds, nanoseconds] = found.state;
    let changed = sys::in_milliseconds([seconds, nanoseconds]);
    if found.is_encrypted || sys::in_milliseconds(now).abs_diff(changed) < TICK {
        [0; 4]
    } else {
        found.state
    }
}
