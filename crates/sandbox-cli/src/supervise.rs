//! What `sandbox run` does while the command runs: one poll over signals, the command's end and the time limit.
//!
//! The command is in our process group, as it would be without us. So a signal from the terminal's driver has reached it
//! already, and one that another process sent to us is passed on. When the command is stopped we stop, too, so that the
//! shell sees the job as stopped; SIGCONT comes the same way back. But a command that stops itself where nobody is there to
//! continue us must not stop the clock of its time limit: there we stay awake.

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use sandboxed::{Child, Error, ExitStatus, Sandbox, Update};

use crate::failure::Failure;
use crate::network::Watch;
use crate::render;
use crate::signals::{self, Signals};
use crate::terminal::{self, Foreground};
use crate::{exit, host};

/// Waits for the end of the command and is its stand-in until then. The sandbox ends with the command.
pub(crate) fn supervise(
    sandbox: Sandbox,
    mut child: Child,
    signals: &Signals,
    mut watch: Watch,
) -> Result<ExitCode, Failure> {
    let foreground = Foreground::detect();
    // What the terminal sent before the command was there has not reached it; init knows.
    let mut seen = pass_on(&child, signals, |key| child.forward_key(key))?;
    let status = loop {
        match child.update()? {
            Some(Update::Ended(status)) => break status,
            Some(Update::Stopped { .. }) if watch.has_stopped(&child) => continue,
            Some(Update::Stopped { signal }) => {
                if std::mem::take(&mut seen.stop) || terminal::is_there() {
                    signals::stop(signal);
                }
                continue;
            }
            Some(Update::TimeLimit(limit)) => {
                watch.withdraw(&child, false);
                render::note(&format!(
                    "time limit of {} reached",
                    humantime::format_duration(limit)
                ));
                continue;
            }
            Some(_) | None => {}
        }
        let more = pass_on(&child, signals, |_| Ok(()))?;
        #[cfg(backend = "macos")]
        if more.stop {
            stop_with(&child)?;
        }
        seen.interrupt |= more.interrupt;
        seen.stop |= more.stop;
        if more.ends {
            watch.withdraw(&child, more.interrupt);
        }
        watch.go_on(&child, &sandbox);
        wait(&child, signals, &watch)?;
    };
    // Also where we end by a signal, and nothing is dropped.
    drop(child);
    // First: to look may take a moment.
    if let Some(foreground) = foreground {
        foreground.take_back();
    }
    let changes = sandbox.changes();
    drop(sandbox);
    watch.end(&changes);
    Ok(finish(&status, seen.interrupt))
}

/// Stops with the command, which has a session of its own: no key stops it, and nobody could continue it but us.
#[cfg(backend = "macos")]
fn stop_with(child: &Child) -> Result<(), Failure> {
    child.pause()?;
    signals::stop(Signal::SIGTSTP as i32);
    child.resume()?;
    Ok(())
}

/// What was among the signals that arrived.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Ctrl-C.
    interrupt: bool,
    /// One that wants the command ended or stopped.
    ends: bool,
    /// Somebody outside, who can continue us again, wants us stopped.
    stop: bool,
}

/// Passes on the signals that have arrived and that the command does not have yet; `on_key` gets those of the terminal.
fn pass_on(
    child: &Child,
    signals: &Signals,
    on_key: impl Fn(i32) -> Result<(), Error>,
) -> Result<Seen, Failure> {
    let mut seen = Seen::default();
    while let Some(received) = signals.next()? {
        let is_key = received.from_terminal || !host::KNOWS_KEYS;
        seen.interrupt |= is_key && received.number == Signal::SIGINT as i32;
        seen.stop |= STOPS.contains(&received.number);
        seen.ends |= !HARMLESS.contains(&received.number);
        if received.from_terminal {
            on_key(received.number)?;
        } else {
            child.forward(received.number)?;
        }
    }
    Ok(seen)
}

const STOPS: [i32; 3] = [
    Signal::SIGTSTP as i32,
    Signal::SIGTTIN as i32,
    Signal::SIGTTOU as i32,
];

/// Those that leave a command as it is, unless it wants something else.
const HARMLESS: [i32; 3] = [
    Signal::SIGCONT as i32,
    Signal::SIGURG as i32,
    Signal::SIGWINCH as i32,
];

/// Sleeps until there is something to do.
fn wait(child: &Child, signals: &Signals, watch: &Watch) -> Result<(), Failure> {
    let own = [child.as_fd(), signals.as_fd()];
    let fds = own.into_iter().chain(watch.fds());
    let mut fds: Vec<_> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    let wake_at = child.wake_at().into_iter().chain(watch.wake_at()).min();
    match poll(&mut fds, timeout(wake_at, Instant::now())) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(Failure::Own {
            action: "wait for the command",
            source: errno.into(),
        }),
    }
}

/// How long to sleep until `wake_at`: rounded up, so that we do not wake before it.
fn timeout(wake_at: Option<Instant>, now: Instant) -> PollTimeout {
    let Some(wake_at) = wake_at else {
        return PollTimeout::NONE;
    };
    let rest = wake_at
        .saturating_duration_since(now)
        .saturating_add(Duration::from_micros(999));
    PollTimeout::try_from(rest.as_millis()).unwrap_or(PollTimeout::MAX)
}

/// The exit code of the command.
///
/// After Ctrl-C we end by SIGINT as the command did: a shell script goes on after a child that exits with 130, and stops
/// after one that a SIGINT ended.
fn finish(status: &ExitStatus, interrupted: bool) -> ExitCode {
    if interrupted && status.signal() == Some(Signal::SIGINT as i32) {
        signals::suffer(Signal::SIGINT as i32);
    }
    exit::code(status)
}
