//! Clones init and hands it the plan and the command. Nothing is decided here.

mod error;
#[cfg(test)]
pub(crate) mod tests;

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use nix::poll::PollTimeout;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, Shutdown, SockFlag, SockType, sendmsg, shutdown,
    socketpair,
};

use crate::child::{Child, Received};
use crate::inits::Init;
use crate::notifier::Brought;
use crate::plan::{self, encode};
use crate::prepare::{Joining, seal};
use crate::wire::{AT_ONCE, INLINE, NO_STEP, answer, order, stage};
use crate::{HostFacts, Prepared, Start, Step, start, sys};

pub use self::error::{LaunchError, NumberProblem};

impl Prepared {
    /// Starts a command; returns when its program runs. Commands at the same time have processes of their own and share the
    /// rest: private directories, IPC, network.
    ///
    /// # Errors
    ///
    /// [`LaunchError`], by what failed. Nothing is left on the host then.
    pub fn launch(&self, command: &Start<'_>) -> Result<Child, LaunchError> {
        let numbered = command.numbered()?;
        let body = command.to_bytes(&numbered)?;
        let order = |init: &Init| {
            send(init.as_fd(), order::COMMAND, &body, &command.stdio)?;
            send_further(init, &numbered)
        };
        while let Some(init) = self.inits.take() {
            match order(&init) {
                Ok(()) => return self.until_started(init, &self.steps, command),
                // It has been ended since it was looked at.
                Err(error) if error.is_gone() => {}
                Err(error) => {
                    self.inits.put(init);
                    return Err(error);
                }
            }
        }
        let mut set_up = self.inits.set_up();
        if let Some(other) = set_up.done.upgrade() {
            drop(set_up);
            let joining = self.joining()?;
            if let Some(init) = self.beside(&other, &joining.bytes)? {
                drop(other);
                let sent = order(&init);
                return self.until_begun(init, sent, &joining.steps, command);
            }
            set_up = self.inits.set_up();
        }
        let is_of_use = |init: &Init| init.is_in_our_group() && init.is_waiting();
        if let Some(init) = set_up.begun.take().filter(is_of_use) {
            let init = self.inits.add(init);
            let sent = order(&init);
            // If it fails before it is done, nobody holds it any more.
            set_up.done = Arc::downgrade(&init);
            match self.until_begun(init, sent, &self.steps, command) {
                // When it began there was none, and that may have been long ago.
                Err(error) if error.is_no_memory() => {}
                begun => return begun,
            }
        }
        let init = self.inits.add(begin(&self.image, &self.beginning)?);
        let sent = send(init.as_fd(), order::PLAN, self.rest()?, &[]).and_then(|()| order(&init));
        set_up.done = Arc::downgrade(&init);
        self.until_begun(init, sent, &self.steps, command)
    }

    /// The steps after the first ones as init reads them; made when they are needed.
    fn rest(&self) -> Result<&[u8], LaunchError> {
        if let Some(made) = self.plan.get() {
            return Ok(made);
        }
        let bytes = encode::steps(plan::rest(&self.steps))?;
        Ok(self.plan.get_or_init(|| bytes))
    }

    /// The steps of an init that joins the first one; made when they are needed.
    fn joining(&self) -> Result<&Joining, LaunchError> {
        if let Some(made) = self.joining.get() {
            return Ok(made);
        }
        let steps = plan::joining(&self.steps);
        let bytes = encode::steps(&steps)?;
        Ok(self.joining.get_or_init(|| Joining { steps, bytes }))
    }

    /// An init in the namespaces of `other`, with the steps of one that joins it, as bytes; none if that has ended.
    fn beside(&self, other: &Init, joining: &[u8]) -> Result<Option<Arc<Init>>, LaunchError> {
        let (control, inside) = control_sockets(joining)?;
        send(control.as_fd(), order::PLAN, &[], &[])?;
        // The host's network is not the sandbox's to enter.
        let network = if self.has_own_network {
            libc::CLONE_NEWNET
        } else {
            0
        };
        let (image, inside) = (self.image.as_fd(), inside.as_fd());
        match sys::clone_beside(other.pidfd(), network, image, inside) {
            Ok((pid, pidfd)) => {
                let init = Init::new(pid, pidfd, control, false);
                Ok(Some(self.inits.add(init)))
            }
            // That it is gone; or one of several errnos, while it goes.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) || other.has_ended() => {
                Ok(None)
            }
            Err(error) => Err(refused(error)),
        }
    }

    /// As [`until_started`](Self::until_started), for an init to which not everything could be sent. It would wait for the
    /// rest, and we for it; but if it has failed or ended itself that is why.
    fn until_begun(
        &self,
        init: Arc<Init>,
        sent: Result<(), LaunchError>,
        steps: &[Step],
        command: &Start<'_>,
    ) -> Result<Child, LaunchError> {
        let Err(unsent) = sent else {
            return self.until_started(init, steps, command);
        };
        // Its next message is the end.
        let _ = shutdown(init.as_fd().as_raw_fd(), Shutdown::Write);
        match self.until_started(init, steps, command) {
            Ok(_) => Err(unsent),
            Err(LaunchError::InitEnded) if !unsent.is_gone() => Err(unsent),
            Err(error) => Err(error),
        }
    }

    fn until_started(
        &self,
        init: Arc<Init>,
        steps: &[Step],
        command: &Start<'_>,
    ) -> Result<Child, LaunchError> {
        let mut answered = Ok(());
        let (got, terminal) = loop {
            let (received, descriptor) = init
                .hear_with(PollTimeout::NONE)
                .map_err(preparing("hear from the sandbox's first process"))?;
            match received {
                Received::Answer(got) if got.kind == answer::DOOR => {
                    let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
                    doors.put(&got, descriptor);
                    self.brings.store(doors.brought, Ordering::SeqCst);
                }
                Received::Answer(got) if got.kind == answer::PERFORMER => {
                    init.keep_performer(descriptor);
                }
                Received::Answer(got) if got.kind == answer::LISTENER => {
                    answered = self.answer(&init, descriptor);
                }
                Received::Answer(got) => break (got, descriptor),
                Received::End => return Err(ended(&init)),
            }
        };
        let source = io::Error::from_raw_os_error(got.errno);
        match got.kind {
            answer::STARTED => {
                let child = Child::new(init, Arc::downgrade(&self.inits), terminal);
                // It ends with the child.
                answered.map_err(preparing("answer the command's calls"))?;
                Ok(child)
            }
            answer::STEP if got.value == NO_STEP => Err(LaunchError::no_memory(source)),
            answer::STEP => Err(failed_step(steps, got.value, source)),
            answer::START => {
                // It waits for a better one.
                self.inits.put(init);
                Err(failed_start(got.value.cast_unsigned(), source, command))
            }
            _ => Err(LaunchError::InitEnded),
        }
    }

    /// Without somebody who answers, the kernel does with an error.
    fn answer(&self, init: &Init, listener: Option<OwnedFd>) -> io::Result<()> {
        let (names, listener) = self
            .names
            .as_ref()
            .zip(listener)
            .ok_or(io::ErrorKind::InvalidData)?;
        let brought = self.brings.load(Ordering::SeqCst).then(|| {
            let mut steps = self.steps.iter();
            Brought::new(steps.find_map(Step::captured_loopback).unwrap_or_default())
        });
        let on_denial = self.on_denial.as_ref();
        init.answer((names, &self.making), brought, on_denial, listener)
    }
}

/// Why `init` has ended without a word.
fn ended(init: &Init) -> LaunchError {
    match init.reap() {
        // By this the kernel ends a program for which it has not enough when there is no way back (execve(2)), or no stack
        // (getrlimit(2), RLIMIT_STACK).
        Some(libc::SIGSEGV) => LaunchError::no_memory(io::Error::from_raw_os_error(libc::ENOMEM)),
        Some(signal) => LaunchError::InitKilled { signal },
        None => LaunchError::InitEnded,
    }
}

fn failed_step(steps: &[Step], index: i32, source: io::Error) -> LaunchError {
    let step = usize::try_from(index)
        .ok()
        .and_then(|index| steps.get(index));
    let (action, path) = step.map_or(("finish the sandbox", None), |step| {
        (step.action(), step.path())
    });
    LaunchError::Step {
        action,
        path: path.map(ToOwned::to_owned),
        source,
    }
}

fn failed_start(at: u32, source: io::Error, command: &Start<'_>) -> LaunchError {
    let as_path = |string: &std::ffi::CStr| {
        PathBuf::from(
            <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(string.to_bytes()),
        )
    };
    let confine = |action| LaunchError::Confine {
        action,
        source: io::Error::from_raw_os_error(source.raw_os_error().unwrap_or(0)),
    };
    match at {
        // dup3(2): the number is beyond the limit.
        stage::DESCRIPTORS | stage::NUMBERS if source.raw_os_error() == Some(libc::EBADF) => {
            let numbers = command.descriptors.iter().map(|(number, _)| *number);
            LaunchError::Number {
                number: numbers.max().unwrap_or_default(),
                problem: NumberProblem::BeyondLimit,
            }
        }
        stage::EXEC if source.raw_os_error() == Some(libc::E2BIG) => LaunchError::TooLarge,
        stage::EXEC => LaunchError::Exec {
            program: command
                .args
                .first()
                .map(|arg| as_path(arg))
                .unwrap_or_default(),
            source,
        },
        stage::DIRECTORY => LaunchError::Directory {
            directory: as_path(&command.directory),
            source,
        },
        stage::CLONE => confine("start a process inside the sandbox"),
        stage::DESCRIPTORS | stage::NUMBERS => confine("hand over the descriptors"),
        stage::TERMINAL => confine("make a terminal inside the sandbox"),
        stage::GROUP => confine("make a process group"),
        stage::KEYRING => confine("make a session keyring"),
        stage::VIEW => confine("enter the view"),
        stage::LIMITS => confine("set the limits"),
        stage::SIGNALS => confine("set the signal dispositions"),
        stage::CAPABILITIES => confine("drop the capabilities"),
        stage::LANDLOCK => confine("enforce the Landlock rules"),
        stage::FILTER => confine("install the system call filter"),
        _ => confine("read the command inside the sandbox"),
    }
}

fn preparing(action: &'static str) -> impl FnOnce(io::Error) -> LaunchError {
    move |source| LaunchError::Prepare { action, source }
}

fn refused(source: io::Error) -> LaunchError {
    let errno = source.raw_os_error().unwrap_or(0);
    let obstacles = HostFacts::detect().after_refusal(errno).obstacles();
    LaunchError::Clone {
        source,
        remedy: obstacles
            .first()
            .map(|obstacle| obstacle.remedy.to_string()),
    }
}

const NAMESPACES: i32 = sys::NAMESPACES | libc::CLONE_NEWPID;

/// Clones an init into fresh namespaces, which carries out the first steps and waits for the others.
pub(crate) fn begin(image: &OwnedFd, beginning: &[u8]) -> Result<Init, LaunchError> {
    let (control, inside) = control_sockets(beginning)?;
    let (pid, pidfd) =
        sys::clone_init(image.as_fd(), inside.as_fd(), NAMESPACES).map_err(refused)?;
    Ok(Init::new(pid, pidfd, control, true))
}

/// The caller's end, and init's. The order to begin lies in it before the clone: init does not wait for it.
fn control_sockets(beginning: &[u8]) -> Result<(OwnedFd, OwnedFd), LaunchError> {
    let pair = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    );
    let made = pair
        .map_err(io::Error::from)
        .and_then(|(ours, theirs)| Ok((ours, sys::above_stdio(&theirs)?)));
    let (control, inside) = made.map_err(preparing("make the control socket"))?;
    let caller = sys::own_pidfd().map_err(preparing("open a descriptor of this process"))?;
    send(control.as_fd(), order::BEGIN, beginning, &[caller.as_fd()])?;
    Ok((control, inside))
}

/// Sends an order with its body, by a sealed memory file if that is too long for the socket.
pub(crate) fn send(
    control: BorrowedFd<'_>,
    order: u32,
    body: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Result<(), LaunchError> {
    const HEAD: usize = 8;
    let long = body.len() > INLINE - HEAD;
    let file = if long {
        Some(memory_file(body).map_err(preparing("make a memory file"))?)
    } else {
        None
    };
    let message = if long {
        start::message(order, &[], body.len())?
    } else {
        start::message(order, body, 0)?
    };
    let fds: Vec<RawFd> = fds
        .iter()
        .map(AsRawFd::as_raw_fd)
        .chain(file.as_ref().map(AsRawFd::as_raw_fd))
        .collect();
    send_message(control.as_fd(), &message, &fds, MsgFlags::empty())
        .map_err(preparing("send to the sandbox's first process"))
}

/// Sends the further descriptors of a command, so many at a time as the kernel takes. If that fails init gives the command
/// up, and waits for the next one.
fn send_further(init: &Init, numbered: &[(RawFd, BorrowedFd<'_>)]) -> Result<(), LaunchError> {
    let control = init.as_fd();
    for part in numbered.chunks(AT_ONCE) {
        let fds: Vec<RawFd> = part.iter().map(|(_, fd)| fd.as_raw_fd()).collect();
        let count = u32::try_from(fds.len()).map_err(|_| LaunchError::TooLarge)?;
        let tell = |count, fds: &[RawFd]| {
            let message = start::small(order::DESCRIPTORS, count);
            send_message(control, &message, fds, MsgFlags::empty())
        };
        if let Err(source) = tell(count, &fds) {
            // Whoever has ended is told by the next message.
            if tell(0, &[]).is_ok() {
                // What it hands over with its first command comes before, and is of no use: it ends.
                while let Ok(Received::Answer(got)) = init.hear(PollTimeout::NONE)
                    && matches!(got.kind, answer::DOOR | answer::PERFORMER)
                {}
            }
            return Err(preparing("hand over the descriptors")(source));
        }
    }
    Ok(())
}

pub(crate) fn send_message(
    control: BorrowedFd<'_>,
    message: &[u8],
    fds: &[RawFd],
    flags: MsgFlags,
) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(fds)];
    let rights: &[ControlMessage<'_>] = if fds.is_empty() { &[] } else { &rights };
    sendmsg::<()>(
        control.as_raw_fd(),
        &[IoSlice::new(message)],
        rights,
        flags | MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(())
}

pub(crate) fn memory_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    let file = memfd_create(
        c"sandbox-message",
        MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
    )?;
    seal(file, bytes, 0o400)
}
