//! The first process inside: pid 1 of the sandbox.
//!
//! A freestanding program, without the standard library, an allocator or libc: what runs between the clone and the command
//! can't allocate, lock or panic, whatever state the caller's memory was in. The caller clones it into fresh namespaces and
//! hands it the plan and the command over a socket, descriptor 3. It carries out the plan step by step, starts the command
//! in a child that gives up every privilege, and reports when nothing of the command is left. Then it waits for the next
//! command. It ends with its caller.
//!
//! `build.rs` compiles it into an ELF image that the library carries; the library's tests compile the same files as modules.
#![cfg_attr(freestanding, no_std, no_main)]

mod confine;
mod descriptors;
mod entry;
mod errand;
mod follow;
mod lock;
mod mend;
mod numbers;
mod place;
#[cfg(freestanding)]
mod raw;
mod serve;
mod steps;
mod sys;
mod terminal;
mod told;
mod watch;
#[cfg(freestanding)]
mod wire;

// In the library they are modules of the crate already.
#[cfg(not(freestanding))]
use crate::{raw, wire};

use descriptors::Handed;
use errand::Errands;
use raw::{Errno, Result};
use serve::{Ears, Stack, idle, refuse, serve};
use steps::Builder;
use sys::{Fd, Poll};
use watch::Watch;
use wire::{AT_ONCE, Answer, INLINE, NO_STEP, Reader, STREAMS, answer, order};

/// Exit codes of init itself; the caller sees them only where no answer came.
mod exit {
    pub(crate) const OK: i32 = 0;
    pub(crate) const CALLER_IS_GONE: i32 = 120;
    pub(crate) const BAD_MESSAGE: i32 = 122;
    /// Something that the policy hides or protects is there, and nothing can be mounted over it.
    pub(crate) const OPEN: i32 = 124;
    pub(crate) const STEP: i32 = 125;
}

const CONTROL: Fd = Fd(3);
const STACK: usize = 32 << 10;

pub(crate) fn run() -> ! {
    for fd in 0..=CONTROL.0 {
        let _ = sys::set_close_on_exec(Fd(fd));
    }
    // Dispositions that the caller ignores come through the exec: back to the default. Those of the command come with it.
    for signal in 1..=64 {
        // Fails for SIGKILL and SIGSTOP, which have no other.
        let _ = sys::set_disposition(signal, false);
    }
    sys::umask(0);
    // Both stay: the filter of the commands lies in one of them.
    let beginning = required(Message::receive(
        memory(INLINE),
        order::BEGIN,
        Fd::NONE,
        None,
    ));
    let [caller, ..] = beginning.fds;
    let stack = Stack(memory(STACK).as_mut_ptr_range().end);
    let mut builder = Builder::new(&stack).unwrap_or_else(|errno| fail(0, errno));
    // While the caller may still be busy with the policy.
    let begun = build(&mut builder, beginning.body, 0);
    let plan = required(Message::receive(memory(INLINE), order::PLAN, caller, None));
    let built = build(&mut builder, plan.body, begun);
    // After the id maps: a process that is not dumpable can't open its own /proc files for writing. From here on no command
    // can read, trace or stop init (ptrace(2), "Ptrace access mode checking").
    // The bounding set is what every command inherits, so that it is emptied once.
    let finished = sys::empty_bounding_set()
        .and_then(|()| sys::set_dumpable(false))
        .and_then(|()| builder.finish());
    let mut watch = finished.unwrap_or_else(|errno| fail(built, errno));
    let Ok(ears) = Ears::open(CONTROL, caller) else {
        sys::exit(exit::BAD_MESSAGE)
    };
    let buffer = memory(INLINE);
    let room = memory(descriptors::ROOM);
    let mut errands = Errands::new();

    // One command after the other, until the caller has no more.
    loop {
        idle(&ears, &mut watch);
        let answer = match Message::receive(buffer, order::COMMAND, caller, Some(&mut watch)) {
            Ok(command) => {
                let [stdin, stdout, stderr, _] = command.fds;
                let handed = Handed::new(room, [stdin, stdout, stderr]);
                let answer = serve(
                    &ears,
                    &mut builder,
                    &mut watch,
                    &mut errands,
                    command.body,
                    handed,
                    &stack,
                );
                command.give_back();
                answer
            }
            Err(errno) => refuse(errno),
        };
        // A caller that can't be told is gone, and the next message is its end.
        let _ = sys::send(CONTROL, &answer, true);
    }
}

/// Fresh memory, which stays.
fn memory(length: usize) -> &'static mut [u8] {
    required(sys::map(Fd::NONE, length))
}

/// Memory without which there is no sandbox.
fn required<T>(memory: Result<T>) -> T {
    memory.unwrap_or_else(|errno| fail(NO_STEP, errno))
}

/// Tells the caller which step failed, and ends.
fn fail(step: i32, errno: Errno) -> ! {
    let answer = Answer {
        kind: answer::STEP,
        value: step,
        errno: errno.0,
        ..Answer::default()
    };
    let _ = sys::send(CONTROL, &answer, true);
    sys::exit(exit::STEP)
}

/// Carries out a part of the plan, of which `index` is the first step; returns the index of the step after it.
fn build(builder: &mut Builder<'_>, plan: &'static [u8], mut index: i32) -> i32 {
    let mut reader = Reader(plan);
    while let Some((code, mut fields)) = reader.step() {
        if let Err(errno) = builder.apply(code, &mut fields) {
            fail(index, errno);
        }
        index = index.wrapping_add(1);
    }
    index
}

/// The most descriptors of an order: the standard streams of a command, and where its body lies.
const FDS: usize = STREAMS + 1;

/// A message of the caller.
struct Message<'a> {
    body: &'a [u8],
    fds: [Fd; FDS],
    /// Where a long body lies.
    outside: Option<&'static [u8]>,
}

impl<'a> Message<'a> {
    /// The next one, which must be of this `kind`. Ends with the `caller`, if that is known: after it is gone nothing is
    /// started any more. The `watch` hears of what comes before.
    ///
    /// # Errors
    ///
    /// Where there is no memory for a long body: then nothing of the message stays.
    fn receive(
        buffer: &'a mut [u8],
        kind: u32,
        caller: Fd,
        mut watch: Option<&mut Watch>,
    ) -> Result<Self> {
        loop {
            if caller != Fd::NONE {
                let mut fds = [Poll::new(CONTROL), Poll::new(caller)];
                let waited = sys::poll(&mut fds, sys::FOR_EVER);
                let [_, caller] = fds;
                if waited == Err(Errno::INTR) {
                    continue;
                }
                if waited.is_err() || caller.readable() {
                    sys::exit(exit::CALLER_IS_GONE);
                }
            }
            let mut come = [Fd::NONE; AT_ONCE];
            match sys::receive(CONTROL, buffer, &mut come, true) {
                Ok(0) => sys::exit(exit::OK),
                // An order about a command that has ended meanwhile, or that was refused.
                Ok(length) if kind == order::COMMAND && is_late(buffer, length) => {
                    if let Some(watch) = &mut watch {
                        watch.obey(Reader(buffer), &come);
                    }
                    close(&come);
                }
                Ok(length) => {
                    let read = Self::read(buffer.get(..length).unwrap_or(&[]), kind, &come);
                    return read.inspect_err(|errno| match *errno {
                        Errno::INVAL => sys::exit(exit::BAD_MESSAGE),
                        _ => close(&come),
                    });
                }
                Err(_) => sys::exit(exit::BAD_MESSAGE),
            }
        }
    }

    fn read(message: &'a [u8], kind: u32, come: &[Fd; AT_ONCE]) -> Result<Self> {
        let mut reader = Reader(message);
        let (fds, further) = come.split_first_chunk::<FDS>().ok_or(Errno::INVAL)?;
        if reader.u32() != Some(kind) || further.first() != Some(&Fd::NONE) {
            return Err(Errno::INVAL);
        }
        let mut fds = *fds;
        let length = reader.u32().ok_or(Errno::INVAL)? as usize;
        if length == 0 {
            return Ok(Self {
                body: reader.0,
                fds,
                outside: None,
            });
        }
        // The body is too long for the socket: it lies in a sealed memfd, the last descriptor.
        let last = fds.iter_mut().rev().find(|fd| **fd != Fd::NONE);
        let file = core::mem::replace(last.ok_or(Errno::INVAL)?, Fd::NONE);
        let body = &*sys::map(file, length)?;
        sys::close(file)?;
        Ok(Self {
            body,
            fds,
            outside: Some(body),
        })
    }

    /// Gives its memory back; its descriptors are others' to close.
    fn give_back(self) {
        if let Some(body) = self.outside {
            // SAFETY: a whole mapping; `self` was the only one to refer to it.
            unsafe { sys::unmap(body) };
        }
    }
}

fn is_late(message: &[u8], length: usize) -> bool {
    let order = Reader(message.get(..length).unwrap_or(&[])).u32();
    matches!(
        order,
        Some(
            order::SIGNAL
                | order::FORWARD
                | order::KEY
                | order::KILL
                | order::STATE
                | order::DESCRIPTORS
                | order::ERRAND
                | order::INTERRUPT
                | order::NAMES
        )
    )
}

fn close(fds: &[Fd]) {
    for fd in fds.iter().take_while(|fd| **fd != Fd::NONE) {
        let _ = sys::close(*fd);
    }
}
