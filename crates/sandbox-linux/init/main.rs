//! The first process inside: pid 1 of the sandbox.
//!
//! A freestanding program, without the standard library, an allocator or libc: what runs between the clone and the command
//! can't allocate, lock or panic, whatever state the caller's memory was in. The caller clones it into fresh namespaces and
//! hands it the plan and the command over a socket, descriptor 3. It carries out the plan step by step, starts the command
//! in a child that gives up every privilege, and reports when nothing of the command is left. It ends with its caller.
//!
//! `build.rs` compiles it into an ELF image that the library carries; the library's tests compile the same files as modules.
#![cfg_attr(freestanding, no_std, no_main)]

mod confine;
mod entry;
#[cfg(freestanding)]
mod raw;
mod serve;
mod steps;
mod streams;
mod sys;
#[cfg(freestanding)]
mod wire;

// In the library they are modules of the crate already.
#[cfg(not(freestanding))]
use crate::{raw, wire};

use raw::Errno;
use serve::{Ears, Stack, serve};
use steps::Builder;
use sys::{Fd, Poll};
use wire::{Answer, INLINE, Reader, answer, order};

/// Exit codes of init itself; the caller sees them only where no answer came.
mod exit {
    pub(crate) const OK: i32 = 0;
    pub(crate) const CALLER_IS_GONE: i32 = 120;
    pub(crate) const BAD_MESSAGE: i32 = 122;
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
    let umask = sys::umask(0);
    let (beginning, [caller, ..]) = receive(order::BEGIN, Fd::NONE);
    let mut builder = Builder::new().unwrap_or_else(|errno| fail(0, errno));
    // While the caller may still be busy with the policy.
    let begun = build(&mut builder, beginning, 0);
    let (plan, _) = receive(order::PLAN, caller);
    let built = build(&mut builder, plan, begun);
    // After the id maps: a process that is not dumpable can't open its own /proc files for writing. From here on no command
    // can read, trace or stop init (ptrace(2), "Ptrace access mode checking").
    let finished = builder.finish().and_then(|()| sys::set_dumpable(false));
    finished.unwrap_or_else(|errno| fail(built, errno));
    let Ok(ears) = Ears::open(CONTROL, caller) else {
        sys::exit(exit::BAD_MESSAGE)
    };
    let Ok(stack) = sys::map(Fd::NONE, STACK) else {
        sys::exit(exit::BAD_MESSAGE)
    };
    let stack = Stack(stack.as_mut_ptr_range().end);

    let (command, [stdin, stdout, stderr, _]) = receive(order::COMMAND, caller);
    let answer = serve(
        &ears,
        &builder.confinement,
        umask,
        command,
        [stdin, stdout, stderr],
        &stack,
    );
    let _ = sys::send(CONTROL, &answer);
    sys::exit(exit::OK)
}

/// Tells the caller which step failed, and ends.
fn fail(step: i32, errno: Errno) -> ! {
    let answer = Answer {
        kind: answer::STEP,
        value: step,
        errno: errno.0,
        ..Answer::default()
    };
    let _ = sys::send(CONTROL, &answer);
    sys::exit(exit::STEP)
}

/// Carries out a part of the plan, of which `index` is the first step; returns the index of the step after it.
fn build(builder: &mut Builder, plan: &'static [u8], mut index: i32) -> i32 {
    let mut reader = Reader(plan);
    while let Some((code, mut fields)) = reader.step() {
        if let Err(errno) = builder.apply(code, &mut fields) {
            fail(index, errno);
        }
        index = index.wrapping_add(1);
    }
    index
}

/// The next message, which must be of this `kind`, and its descriptors. Ends with the `caller`, if that is known: after it is
/// gone nothing is started any more.
fn receive(kind: u32, caller: Fd) -> (&'static [u8], [Fd; sys::MAX_FDS]) {
    if caller != Fd::NONE {
        let mut fds = [Poll::new(CONTROL), Poll::new(caller)];
        let waited = sys::poll(&mut fds, sys::FOR_EVER);
        let [_, caller] = fds;
        if waited.is_err() || caller.readable() {
            sys::exit(exit::CALLER_IS_GONE);
        }
    }
    let received = (|| {
        let buffer = sys::map(Fd::NONE, INLINE)?;
        let (length, fds) = sys::receive(CONTROL, buffer, true)?;
        let mut reader = Reader(buffer.get(..length).unwrap_or(&[]));
        if reader.u32() != Some(kind) {
            return Err(Errno::INVAL);
        }
        let outside = reader.u32().ok_or(Errno::INVAL)? as usize;
        if outside == 0 {
            return Ok((reader.0, fds));
        }
        // The body is too long for the socket: it lies in a sealed memfd, the last descriptor.
        let body = fds
            .iter()
            .rev()
            .find(|fd| **fd != Fd::NONE)
            .ok_or(Errno::INVAL)?;
        let mapped = sys::map(*body, outside)?;
        sys::close(*body)?;
        Ok((&*mapped, fds))
    })();
    received.unwrap_or_else(|_: Errno| sys::exit(exit::BAD_MESSAGE))
}
