//! Lines of JSON for whoever asked for them: in a file, to a descriptor, or on standard error.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;

use crate::control::is_stream_of_the_command;
use crate::failure::Failure;
use crate::{host, render};

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Stderr,
    Descriptor(i32),
    File(PathBuf),
}

/// A log that is kept while the command runs.
#[derive(Debug)]
pub(crate) struct Log {
    /// Whose it is, in words.
    of: &'static str,
    to: To,
}

#[derive(Debug)]
enum To {
    Stderr,
    /// None once a line could not be written.
    File(Mutex<Option<File>>),
}

impl Log {
    /// Opens it: before the command starts, which could put something else in its place.
    pub(crate) fn open(of: &'static str, place: &Place) -> Result<Self, Failure> {
        let to = match place {
            Place::Stderr => To::Stderr,
            Place::Descriptor(number) => To::File(Mutex::new(Some(take(*number)?))),
            Place::File(path) => To::File(Mutex::new(Some(open(path)?))),
        };
        Ok(Self { of, to })
    }

    /// Adds a line.
    pub(crate) fn write(&self, mut line: String) {
        line.push('\n');
        match &self.to {
            // Whoever closed standard error reads no log.
            To::Stderr => drop(io::stderr().lock().write_all(line.as_bytes())),
            To::File(file) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let written = file.as_mut().map(|file| file.write_all(line.as_bytes()));
                if let Some(Err(error)) = written {
                    *file = None;
                    render::note(&format!("{} log ends here: {error}", self.of));
                }
            }
        }
    }
}

/// Takes a descriptor that we were started with.
fn take(number: i32) -> Result<File, Failure> {
    let failed = |source: io::Error| Failure::Own {
        action: "use the descriptor of `--events`",
        source,
    };
    let file = host::inherited(number).map(File::from);
    let file = file.map_err(failed)?;
    let flags = fcntl(&file, FcntlArg::F_GETFL).map_err(|errno| failed(errno.into()))?;
    if OFlag::from_bits_retain(flags) & OFlag::O_ACCMODE == OFlag::O_RDONLY {
        return Err(failed(Errno::EBADF.into()));
    }
    // The command could write lines there that look like ours.
    if is_stream_of_the_command(&file.metadata().map_err(failed)?) {
        return Err(failed(io::Error::other(
            "it is a standard stream of the command, too",
        )));
    }
    Ok(file)
}

/// Opens a file to add lines to it.
///
/// The attack: an earlier command has put a link in its place, or in the place of a directory on the way, so that a file is
/// written that the command could not write; or a FIFO, so that nothing goes on.
fn open(path: &Path) -> Result<File, Failure> {
    let flags = OFlag::O_WRONLY
        | OFlag::O_APPEND
        | OFlag::O_CREAT
        | OFlag::O_NONBLOCK
        | OFlag::O_NOCTTY
        | OFlag::O_CLOEXEC;
    let failed = |source: io::Error| Failure::WriteFile {
        path: path.to_owned(),
        source,
    };
    let file = match host::open_without_links(path, flags, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(file) => File::from(file),
        Err(Errno::ELOOP) => {
            return Err(Failure::LinkedFile {
                path: path.to_owned(),
            });
        }
        Err(errno) => return Err(failed(errno.into())),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.nlink() > 1 {
        return Err(Failure::NoLog {
            path: path.to_owned(),
        });
    }
    Ok(file)
}
