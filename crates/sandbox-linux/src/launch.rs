//! Clones init and hands it the plan and the command. Nothing is decided here.

#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::PoisonError;

use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair,
};

use crate::child::{Child, Received, receive};
use crate::prepare::seal;
use crate::wire::{INLINE, answer, order, stage};
use crate::{HostFacts, Prepared, Start, Unenforceable, start, sys};
use sandbox_core::escaped;

/// Why a command was not started. Nothing is left of it on the host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The plan can't be handed to init.
    #[error(transparent)]
    Plan(#[from] Unenforceable),
    /// The init program can't be put where it can be executed.
    #[error("cannot prepare the init program")]
    Image {
        /// What the kernel said.
        source: io::Error,
    },
    /// The sockets and descriptors of a launch can't be made.
    #[error("cannot {action}")]
    Prepare {
        /// What was tried.
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refused the namespaces.
    #[error("cannot make the namespaces of the sandbox")]
    Clone {
        /// What the kernel said.
        source: io::Error,
        /// What in the host's settings is in the way, as far as that is known.
        remedy: Option<String>,
    },
    /// The kernel refused a step of the plan.
    #[error("cannot {action}{}", .path.as_deref().map(|path| format!(" `{}`", escaped(path.as_os_str()))).unwrap_or_default())]
    Step {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: Option<PathBuf>,
        /// What the kernel said.
        source: io::Error,
    },
    /// The command's own confinement failed.
    #[error("cannot {action}")]
    Confine {
        /// What was tried.
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The working directory can't be entered inside.
    #[error("cannot enter `{}` inside the sandbox", escaped(.directory.as_os_str()))]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The program can't be executed.
    #[error("cannot execute `{}`", escaped(.program.as_os_str()))]
    Exec {
        /// The program, as it was asked for.
        program: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The arguments and the environment are too long for the kernel.
    #[error("the arguments and the environment are too long")]
    TooLarge,
    /// Init ended without a word.
    #[error("the sandbox's first process ended before the command began")]
    InitEnded,
}

impl LaunchError {
    /// What to change, if that is known.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Plan(error) => error.remedy(),
            Self::Image { .. } => Some(
                "`sysctl vm.memfd_noexec=1` lets programs in memory files be executed".to_owned(),
            ),
            Self::Clone { remedy, .. } => remedy.clone(),
            Self::Step { .. } | Self::InitEnded => {
                Some("`sandbox doctor` says what this host allows".to_owned())
            }
            Self::Directory { .. } => Some("start in a directory that the policy shows".to_owned()),
            _ => None,
        }
    }
}

impl Prepared {
    /// Starts a command in a sandbox of its own; returns when its program runs.
    ///
    /// # Errors
    ///
    /// [`LaunchError`], by what failed. Nothing is left on the host then.
    pub fn launch(&self, command: &Start<'_>) -> Result<Child, LaunchError> {
        let body = command.to_bytes()?;
        // From here on dropping the child ends what was started.
        let begun = self
            .begun
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // It may have been ended, or belong to the process of which we are a fork.
        let begun = begun.and_then(|mut child| child.is_waiting().then_some(child));
        let (child, sent) = if let Some(child) = begun {
            (child, Ok(()))
        } else {
            let child = begin(&self.image, &self.beginning)?;
            let sent = send(child.as_fd(), order::PLAN, &self.plan, &[]);
            (child, sent)
        };
        let sent = sent.and_then(|()| send(child.as_fd(), order::COMMAND, &body, &command.stdio));
        // An init that has failed before it read them says why.
        self.until_started(child, command)
            .and_then(|child| sent.map(|()| child))
    }

    fn until_started(&self, child: Child, command: &Start<'_>) -> Result<Child, LaunchError> {
        let received = receive(child.as_fd(), MsgFlags::empty())
            .map_err(preparing("hear from the sandbox's first process"))?;
        let Received::Answer(got) = received else {
            return Err(LaunchError::InitEnded);
        };
        let source = io::Error::from_raw_os_error(got.errno);
        match got.kind {
            answer::STARTED => Ok(child),
            answer::STEP => Err(self.failed_step(got.value, source)),
            answer::START => Err(failed_start(got.value.cast_unsigned(), source, command)),
            _ => Err(LaunchError::InitEnded),
        }
    }

    fn failed_step(&self, index: i32, source: io::Error) -> LaunchError {
        let step = usize::try_from(index)
            .ok()
            .and_then(|index| self.steps.get(index));
        let (action, path) = step.map_or(("finish the sandbox", None), |step| {
            (step.action(), step.path())
        });
        LaunchError::Step {
            action,
            path: path.map(ToOwned::to_owned),
            source,
        }
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
        stage::DESCRIPTORS => confine("hand over the standard streams"),
        stage::KEYRING => confine("make a session keyring"),
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

/// Clones an init into fresh namespaces, which carries out the first steps and waits for the others.
pub(crate) fn begin(image: &OwnedFd, beginning: &[u8]) -> Result<Child, LaunchError> {
    const NAMESPACES: i32 = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    let (control, inside) = control_sockets()?;
    let caller = sys::own_pidfd().map_err(preparing("open a descriptor of this process"))?;
    // It lies in the socket before the clone: init does not wait for it.
    send(control.as_fd(), order::BEGIN, beginning, &[caller.as_fd()])?;
    let (pid, pidfd) =
        sys::clone_init(image.as_fd(), inside.as_fd(), NAMESPACES).map_err(refused)?;
    Ok(Child::new(pid, pidfd, control))
}

/// The caller's end, and init's.
fn control_sockets() -> Result<(OwnedFd, OwnedFd), LaunchError> {
    let pair = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    );
    let made = pair
        .map_err(io::Error::from)
        .and_then(|(ours, theirs)| Ok((ours, sys::above_stdio(&theirs)?)));
    made.map_err(preparing("make the control socket"))
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
    send_message(control.as_fd(), &message, &fds)
        .map_err(preparing("send to the sandbox's first process"))
}

pub(crate) fn send_message(
    control: BorrowedFd<'_>,
    message: &[u8],
    fds: &[RawFd],
) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(fds)];
    let rights: &[ControlMessage<'_>] = if fds.is_empty() { &[] } else { &rights };
    sendmsg::<()>(
        control.as_raw_fd(),
        &[IoSlice::new(message)],
        rights,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(())
}

fn memory_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    let file = memfd_create(
        c"sandbox-message",
        MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
    )?;
    seal(file, bytes, 0o400)
}
