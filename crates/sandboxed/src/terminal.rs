//! The caller's end of a command's own terminal.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use sandbox_linux::TerminalSize;

/// The caller's end of a terminal that a command has for its own: what is written here is typed there, and what is shown there
/// is read here.
///
/// Reading ends when nothing inside has the terminal any more. Dropping it hangs up: the command gets SIGHUP.
///
/// ```
/// use std::io::Read;
/// # use sandboxed::{Policy, Preset, Sandbox, TerminalSize};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
/// let mut child = sandbox.command("tty").pty(TerminalSize::default()).spawn()?;
/// let mut shown = String::new();
/// if let Some(mut terminal) = child.terminal.take() {
///     terminal.read_to_string(&mut shown)?;
/// }
/// assert!(child.wait()?.success());
/// assert!(shown.starts_with("/dev/pts/"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping it hangs up"]
pub struct Terminal(File);

impl Terminal {
    /// Makes it so large: the program in its foreground gets SIGWINCH if that is a change.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn resize(&self, size: TerminalSize) -> io::Result<()> {
        size.apply(self.0.as_fd())
    }

    /// Another handle on the same terminal, for a thread that reads while this one writes. The last one hangs up.
    ///
    /// # Errors
    ///
    /// What the kernel says, if this process has no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }
}

impl Read for Terminal {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            // A master says so when nobody has the other end (pts(4)).
            Err(error) if error.raw_os_error() == Some(Errno::EIO as i32) => Ok(0),
            other => other,
        }
    }
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Terminal {
    /// Of a master.
    fn from(master: OwnedFd) -> Self {
        Self(master.into())
    }
}

impl From<Terminal> for OwnedFd {
    /// For an event loop: reading from it fails with `EIO` at the end.
    fn from(terminal: Terminal) -> Self {
        terminal.0.into()
    }
}
