//! What happens in a command's own child, between its clone and its program: it gives up everything and never gets it back.
//!
//! The child shares init's memory, which sleeps meanwhile; its descriptors, directory, credentials and signal dispositions
//! are its own.

use core::cell::Cell;
use core::ffi::CStr;

use super::CONTROL;
use super::descriptors::Handed;
use super::raw::{Errno, Result};
use super::steps::Confinement;
use super::sys::{self, Fd};
use super::wire::{Answer, STREAMS, answer, group, stage};

/// A command, ready to be started: every pointer goes into the message, which stays mapped.
pub(crate) struct Command<'a> {
    pub(crate) confinement: &'a Confinement,
    pub(crate) handed: &'a Handed<'a>,
    pub(crate) directory: &'a CStr,
    pub(crate) umask: u32,
    /// One of [`group`].
    pub(crate) group: u32,
    /// A terminal of its own, if there is one.
    pub(crate) terminal: Fd,
    pub(crate) ignored_signals: u64,
    /// Null-terminated tables of strings.
    pub(crate) programs: &'a [usize],
    pub(crate) args: &'a [usize],
    pub(crate) environment: &'a [usize],
    /// Where it failed, and why; the error 0 while it has not.
    pub(crate) failed: (u32, i32),
}

/// Becomes the program of the [`Command`] that `command` points to, or leaves the reason in it.
pub(crate) extern "C" fn child(command: *mut ()) -> ! {
    // SAFETY: `clone_on` got a pointer to a `Command` from `serve`, which sleeps until this child is gone and holds no other
    // reference meanwhile.
    let command = unsafe { &mut *command.cast::<Command<'_>>() };
    let (stage, errno) = start(command);
    command.failed = (stage, errno.0);
    sys::exit_task(125)
}

/// Returns only a failure: its stage and reason.
fn start(command: &Command<'_>) -> (u32, Errno) {
    // A copy of the control socket, on a number that the command does not get.
    let control = Cell::new(Fd::NONE);
    let steps: [(u32, &dyn Fn() -> Result<()>); 15] = [
        (stage::VIEW, &|| {
            sys::enter_mounts(command.confinement.mounts)
        }),
        (stage::TERMINAL, &|| match command.terminal {
            Fd::NONE => Ok(()),
            terminal => sys::new_session_on(terminal),
        }),
        // Who leads a session leads a group already.
        (stage::GROUP, &|| match (command.group, command.terminal) {
            (group::OWN, Fd::NONE) => sys::new_process_group(),
            _ => Ok(()),
        }),
        (stage::DIRECTORY, &|| {
            sys::umask(command.umask);
            sys::chdir(command.directory)
        }),
        (stage::KEYRING, &sys::new_session_keyring),
        (stage::SIGNALS, &|| signals(command.ignored_signals)),
        (stage::CAPABILITIES, &sys::set_no_new_privs),
        (stage::CAPABILITIES, &sys::drop_capabilities),
        (stage::LANDLOCK, &|| match command.confinement.ruleset {
            Fd::NONE => Ok(()),
            ruleset => sys::landlock_restrict(ruleset),
        }),
        (stage::DESCRIPTORS, &|| {
            if command.confinement.has_listener {
                control.set(spare(command.handed)?);
            }
            Ok(())
        }),
        // Here, since the ruleset may lie on one of the numbers; and before the limits, which may leave none.
        (stage::DESCRIPTORS, &|| descriptors(command.handed)),
        (stage::LIMITS, &|| limits(command.confinement)),
        // After all but what follows: it refuses some of the calls above.
        (stage::FILTER, &|| {
            filter(command.confinement, control.get())
        }),
        // The listener needed a number.
        (stage::LIMITS, &|| open_files(command.confinement)),
        (stage::NUMBERS, &|| numbers(command.handed)),
    ];
    for (stage, step) in steps {
        if let Err(errno) = step() {
            return (stage, errno);
        }
    }
    (stage::EXEC, execute(command))
}

/// The control socket on a number that is none of the command's.
fn spare(handed: &Handed<'_>) -> Result<Fd> {
    loop {
        let control = sys::dup(CONTROL)?;
        if !handed.has(control.0) {
            return Ok(control);
        }
    }
}

/// The program gets these and no other. They came above 2, which init keeps occupied from its start.
fn descriptors(handed: &Handed<'_>) -> Result<()> {
    sys::close_range_on_exec(0)?;
    handed.assign()
}

/// A program that has a descriptor beyond its own limit could not even duplicate it.
fn numbers(handed: &Handed<'_>) -> Result<()> {
    let highest = handed.highest() as usize;
    if highest < STREAMS || (highest as u64) < sys::open_files()? {
        Ok(())
    } else {
        Err(Errno::BADF)
    }
}

/// The caller has the listener before the program runs: whoever asks it waits until it is served.
fn filter(confinement: &Confinement, control: Fd) -> Result<()> {
    match (confinement.filter, confinement.has_listener) {
        ([], _) => Ok(()),
        (filter, false) => sys::install_filter(filter),
        (filter, true) => {
            let listener = sys::install_filter_with_listener(filter)?;
            let answer = Answer {
                kind: answer::LISTENER,
                ..Answer::default()
            };
            sys::send_with(control, &answer, listener)
        }
    }
}

fn limits(confinement: &Confinement) -> Result<()> {
    let others = limits_of(confinement).filter(|(resource, _)| *resource != sys::OPEN_FILES);
    for (resource, bound) in others {
        sys::limit(*resource, *bound)?;
    }
    Ok(())
}

fn open_files(confinement: &Confinement) -> Result<()> {
    sys::set_open_files(confinement.open_files)?;
    let own = limits_of(confinement).filter(|(resource, _)| *resource == sys::OPEN_FILES);
    for (resource, bound) in own {
        sys::limit(*resource, *bound)?;
    }
    Ok(())
}

fn limits_of(confinement: &Confinement) -> impl Iterator<Item = &(u32, u64)> {
    confinement.limits.iter().take(confinement.limit_count)
}

fn signals(ignored: u64) -> Result<()> {
    for signal in 1..=64 {
        if ignored & sys::signal_bit(signal) != 0 {
            sys::set_disposition(signal, true)?;
        }
    }
    sys::set_signal_mask(0)
}

/// Tries the programs in their order, as execvp(3) does: what does not exist is passed over, what may not be executed too,
/// but is the reason in the end.
fn execute(command: &Command<'_>) -> Errno {
    let mut reason = Errno::NOENT;
    for program in command.programs.iter().take_while(|program| **program != 0) {
        // SAFETY: the three tables are null-terminated and point to strings in the message, which is mapped for good.
        let errno = unsafe {
            sys::execve(
                core::ptr::with_exposed_provenance(*program),
                command.args.as_ptr(),
                command.environment.as_ptr(),
            )
        };
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::STALE | Errno::NODEV | Errno::TIMEDOUT => {}
            Errno::ACCES => reason = errno,
            _ => return errno,
        }
    }
    reason
}
