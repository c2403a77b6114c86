//! The descriptors that the caller hands over: the standard streams of the command, and those beside them.
//!
//! A file that the caller opened for reading lies on a mount of the host, which is writable: by the descriptor its owner
//! could change its mode, times and attributes, which no access right of the descriptor forbids. So it is opened again
//! inside, where it is mounted read-only. The two have positions of their own: that of the caller's is brought up to date in
//! the end, as if they had shared one.
//!
//! What the caller hands over ascends by the number that it will have, and the kernel gives what comes the lowest numbers
//! that are free: so it ascends here as well, which is what makes [`Handed::assign`] simple.

use core::ffi::CStr;
use core::mem::size_of;

use super::raw::{Errno, Result};
use super::serve::Ears;
use super::sys::{self, Fd, Poll};
use super::watch::Watch;
use super::wire::{AT_ONCE, DESCRIPTORS, Reader, STREAMS, order};

/// One that was handed over. Every pattern of bits is one.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Slot {
    /// Its number in the command.
    number: i32,
    /// What the command gets, under the number that the caller's came with.
    used: Fd,
    /// The caller's, if the command gets another one of the same file.
    given: Fd,
}

/// Bytes for as many slots as a command can have.
pub(crate) const ROOM: usize = (STREAMS + DESCRIPTORS) * size_of::<Slot>();

/// What was handed over for one command.
pub(crate) struct Handed<'a> {
    slots: &'a mut [Slot],
    count: usize,
}

impl<'a> Handed<'a> {
    /// The standard streams, and `room` for all others; what is in it does not matter.
    pub(crate) fn new(room: &'a mut [u8], streams: [Fd; STREAMS]) -> Self {
        // SAFETY: every pattern of bits is a `Slot`.
        let (_, slots, _) = unsafe { room.align_to_mut() };
        let mut handed = Self { slots, count: 0 };
        for stream in streams {
            // There is room: see `ROOM`.
            let _ = handed.add(stream);
        }
        handed
    }

    /// Adds one, or closes it.
    fn add(&mut self, used: Fd) -> Result<()> {
        let Some(slot) = self.slots.get_mut(self.count) else {
            let _ = sys::close(used);
            return Err(Errno::INVAL);
        };
        *slot = Slot {
            number: -1,
            used,
            given: Fd::NONE,
        };
        self.count = self.count.wrapping_add(1);
        Ok(())
    }

    /// Adds `expected` ones that come in messages of their own. All of those are taken off the socket even if it fails.
    pub(crate) fn receive(
        &mut self,
        ears: &Ears,
        watch: &mut Watch,
        expected: usize,
    ) -> Result<()> {
        let mut outcome = Ok(());
        let mut come = 0_usize;
        while come < expected {
            ears.until_message();
            let (mut message, mut fds) = ([0; 8], [Fd::NONE; AT_ONCE]);
            let received = match sys::receive(ears.control, &mut message, &mut fds, true) {
                Ok(0) => sys::exit(120),
                received => received.map(drop),
            };
            if let Some(order::ERRAND | order::INTERRUPT | order::NAMES) = Reader(&message).u32() {
                watch.obey(Reader(&message), &fds);
                // Of the command before, whose processes are gone, or about names to watch, which the watch has taken. It is longer than what is read of it.
                for fd in fds.into_iter().take_while(|fd| *fd != Fd::NONE) {
                    sys::close(fd)?;
                }
                continue;
            }
            outcome = outcome.and(received);
            for fd in fds.into_iter().take_while(|fd| *fd != Fd::NONE) {
                outcome = outcome.and(self.add(fd));
            }
            let mut reader = Reader(&message);
            match (reader.u32(), reader.u32()) {
                (Some(order::DESCRIPTORS), Some(count)) if count != 0 => {
                    come = come.saturating_add(count as usize);
                }
                // The caller could not send them all.
                _ => return Err(Errno::INVAL),
            }
        }
        outcome
    }

    /// Gives each its number, and opens again what was opened at a path and is the same file there.
    pub(crate) fn prepare(
        &mut self,
        mut numbers: Reader<'_>,
        mut opened_at: Reader<'_>,
    ) -> Result<()> {
        let mut last = (-1, -1);
        for (index, slot) in (0..).zip(self.slots.iter_mut().take(self.count)) {
            slot.number = if index < STREAMS {
                index as i32
            } else {
                numbers.u32().ok_or(Errno::INVAL)? as i32
            };
            if slot.number <= last.0 || slot.used.0 <= last.1 {
                return Err(Errno::INVAL);
            }
            last = (slot.number, slot.used.0);
            slot.open_again(opened_at.string().ok_or(Errno::INVAL)?)?;
        }
        Ok(())
    }

    /// The standard streams that are chosen (bit n stands for stream n) are `fd` instead of what the caller gave for them.
    pub(crate) fn use_for(&self, chosen: u32, fd: Fd) -> Result<()> {
        for (stream, slot) in (0..).zip(self.each().take(STREAMS)) {
            if 1_u32.wrapping_shl(stream) & chosen != 0 {
                sys::dup3_on_exec(fd, slot.used.0)?;
            }
        }
        Ok(())
    }

    /// Puts each under its number, in the command's own child, where all others are closed on exec.
    pub(crate) fn assign(&self) -> Result<()> {
        for slot in self.each().filter(|slot| slot.number == slot.used.0) {
            sys::keep_on_exec(slot.used)?;
        }
        for slot in self.moves() {
            sys::dup3(slot.used, slot.number)?;
        }
        Ok(())
    }

    /// Those that get another number, in an order in which none takes the place of one that is still needed: what is in the
    /// way of one that goes down is a lower one, and that has gone before; and the other way round.
    fn moves(&self) -> impl Iterator<Item = &Slot> {
        let down = self.each().filter(|slot| slot.number < slot.used.0);
        let up = self.each().rev().filter(|slot| slot.number > slot.used.0);
        down.chain(up)
    }

    /// The highest number.
    pub(crate) fn highest(&self) -> i32 {
        self.each().next_back().map_or(-1, |slot| slot.number)
    }

    /// Whether one of them gets this number.
    pub(crate) fn has(&self, number: i32) -> bool {
        self.each().any(|slot| slot.number == number)
    }

    /// Closes what only the command needs: a pipe must not stay open with us.
    pub(crate) fn close(&self) -> Result<()> {
        self.each()
            .filter(|slot| slot.given == Fd::NONE)
            .try_for_each(|slot| sys::close(slot.used))
    }

    /// Moves the caller's descriptors to where the command has left its own, and closes both.
    pub(crate) fn hand_back(&self) {
        for slot in self.each().filter(|slot| slot.given != Fd::NONE) {
            if let Ok(position) = sys::seek(slot.used, None) {
                let _ = sys::seek(slot.given, Some(position));
            }
            let _ = sys::close(slot.used);
            let _ = sys::close(slot.given);
        }
    }

    fn each(&self) -> impl DoubleEndedIterator<Item = &Slot> {
        self.slots.get(..self.count).unwrap_or(&[]).iter()
    }
}

impl Slot {
    /// Leaves it where the path is empty, or leads to another file inside, or to none: a hidden file is handed over as it is,
    /// and so is one that has lost its name.
    fn open_again(&mut self, path: &CStr) -> Result<()> {
        if path.is_empty() {
            return Ok(());
        }
        let again = match sys::open_for_reading(path) {
            Ok(again) => again,
            // That there is no room for another one is no reason to hand over the host's.
            Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => return Err(errno),
            Err(_) => return Ok(()),
        };
        let is_same = sys::identity(again) == sys::identity(self.used);
        let position = sys::seek(self.used, None);
        let moved = position.and_then(|position| sys::seek(again, Some(position)));
        let replaced = if is_same && moved.is_ok() {
            self.replace(again)
        } else {
            Ok(())
        };
        let _ = sys::close(again);
        replaced
    }

    fn replace(&mut self, again: Fd) -> Result<()> {
        self.given = sys::dup(self.used)?;
        sys::dup3_on_exec(again, self.used.0)
    }
}

impl Ears {
    /// Waits for a message; ends with the caller.
    fn until_message(&self) {
        let mut fds = [Poll::new(self.control), Poll::new(self.caller)];
        while sys::poll(&mut fds, sys::FOR_EVER) == Err(Errno::INTR) {}
        let [_, caller] = fds;
        if caller.readable() {
            sys::exit(120);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// Where each file is after the moves, by number.
    fn after(numbers: &BTreeSet<i32>, received: &BTreeSet<i32>) -> BTreeMap<i32, i32> {
        let mut slots: Vec<Slot> = (numbers.iter().zip(received))
            .map(|(number, used)| Slot {
                number: *number,
                used: Fd(*used),
                given: Fd::NONE,
            })
            .collect();
        // What is open under a number: the file that came with it.
        let mut table: BTreeMap<i32, i32> = received.iter().map(|fd| (*fd, *fd)).collect();
        let count = slots.len();
        let handed = Handed {
            slots: &mut slots,
            count,
        };
        for slot in handed.moves() {
            let file = table[&slot.used.0];
            table.insert(slot.number, file);
        }
        numbers
            .iter()
            .map(|number| (*number, table[number]))
            .collect()
    }

    proptest! {
        #[test]
        fn no_descriptor_is_overwritten_before_it_is_copied(
            numbers in proptest::collection::btree_set(0..60, 20),
            received in proptest::collection::btree_set(3..60, 20),
        ) {
            let expected: BTreeMap<i32, i32> =
                numbers.iter().copied().zip(received.iter().copied()).collect();
            prop_assert_eq!(after(&numbers, &received), expected);
        }
    }

    #[test]
    fn a_block_moves_over_itself() {
        for (numbers, received) in [(3..1003, 9..1009), (9..1009, 3..1003), (3..9, 3..9)] {
            let (numbers, received): (BTreeSet<i32>, BTreeSet<i32>) =
                (numbers.collect(), received.collect());
            let files: Vec<i32> = after(&numbers, &received).into_values().collect();
            assert_eq!(files, received.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_number_that_does_not_ascend_is_refused() {
        let mut room = [0; 8 * size_of::<Slot>()];
        let none: &[u8] = &[0; 8];
        for (fds, number, expected) in [
            ([4, 5, 6, 7], 3, Ok(())),
            ([4, 5, 6, 7], 2, Err(Errno::INVAL)),
            ([4, 5, 7, 6], 3, Err(Errno::INVAL)),
        ] {
            let [stdin, stdout, stderr, fourth] = fds.map(Fd);
            let mut handed = Handed::new(&mut room, [stdin, stdout, stderr]);
            handed.add(fourth).unwrap();
            let numbers = u32::to_ne_bytes(number);
            assert_eq!(handed.prepare(Reader(&numbers), Reader(none)), expected);
        }
    }
}
