//! Settings of git, which take the place of others if what differs is harmless.
//!
//! The attack: a file is shown that is harmless, and written to once it has been looked at, through a descriptor, a second name or
//! a mapping. So what is decided is a copy, and the copy becomes the settings: a file that nobody else has ever had open, under a
//! name that nobody else may use.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use sandbox_core::{GIT_CONFIG_COPY, GitFile};

use super::open::{PATIENCE, SAFELY};
use super::{Done, again};
use crate::notifier::denied::Asked;
use crate::notifier::resolve::{Name, Seen, Stop};
use crate::sys::notify::{open_at, rename_at};

/// Bytes of settings, old or new. Those of a repository with a thousand branches are a tenth of it.
pub(super) const MOST: u64 = 1 << 20;

/// Puts a copy of `new` in the place of the settings at `name`, and takes the original away, as a rename does.
///
/// What is mounted over the old settings is so that nobody writes them, and goes with their name. The watch mounts it again.
pub(super) fn replace_config(
    names: &Asked<'_>,
    (from, new): (&Name<'_>, &Seen),
    name: &Name<'_>,
    path: (&Path, GitFile),
) -> Result<Done, Stop> {
    let content = read(new, MOST)?;
    let old = match name.look()? {
        None => None,
        Some(old) if old.is(libc::S_IFREG) => Some(read(&old, MOST)?),
        Some(_) => return Err(Errno::EACCES.into()),
    };
    let content = names.rewrite(path, old.as_deref(), &content)?;
    let copy = copy(name, &content, new.stat.st_mode)?;
    put(&copy, name)?;
    take_away(from);
    Ok(Done::Nothing)
}

/// The end of a rename. If it is gone by now, or something else, then by the command's own doing.
pub(super) fn take_away(name: &Name<'_>) {
    let _ = unlinkat(
        &name.directory,
        name.last.as_c_str(),
        UnlinkatFlags::NoRemoveDir,
    );
}

pub(super) fn read(file: &Seen, most: u64) -> Result<Vec<u8>, Errno> {
    let path = CString::new(again(&file.file)).map_err(|_| Errno::EINVAL)?;
    let opened = open_at(AT_FDCWD, &path, libc::O_RDONLY | SAFELY, 0)?;
    let mut content = Vec::new();
    let length = File::from(opened)
        .take(most + 1)
        .read_to_end(&mut content)
        .map_err(|error| errno(&error))?;
    if u64::try_from(length).is_ok_and(|length| length <= most) {
        Ok(content)
    } else {
        Err(Errno::EFBIG)
    }
}

/// A new file with this content, which has no name.
pub(super) fn copy(name: &Name<'_>, content: &[u8], mode: libc::mode_t) -> Result<File, Errno> {
    let flags = libc::O_TMPFILE | libc::O_WRONLY | libc::O_CLOEXEC;
    let copy: OwnedFd = open_at(name.directory.as_fd(), c".", flags, 0o600)?;
    fchmod(&copy, Mode::from_bits_truncate(mode & 0o777))?;
    let mut copy = File::from(copy);
    copy.write_all(content).map_err(|error| errno(&error))?;
    Ok(copy)
}

/// Gives it the name, whatever has that. The kernel has no link that replaces, so it has another name for a moment; what is left
/// there by a performer that was killed in that moment is replaced.
fn put(copy: &File, name: &Name<'_>) -> Result<(), Errno> {
    let between = CString::new(GIT_CONFIG_COPY).map_err(|_| Errno::EINVAL)?;
    let between: &CStr = &between;
    let directory = name.directory.as_fd();
    for _ in 0..PATIENCE {
        give_name(copy, name, between, true)?;
        match rename_at((directory, between), (directory, &name.last), 0) {
            // Another performer took it, for the same.
            Err(Errno::ENOENT) => {}
            renamed => return renamed,
        }
    }
    Err(Errno::EBUSY)
}

/// Gives a copy a name in the directory of `beside`; what has that is taken away if it `replaces`.
pub(super) fn give_name(
    copy: &File,
    beside: &Name<'_>,
    name: &CStr,
    replaces: bool,
) -> Result<(), Errno> {
    let directory = &beside.directory;
    for _ in 0..PATIENCE {
        let linked = linkat(
            AT_FDCWD,
            again(copy).as_str(),
            directory,
            name,
            AtFlags::AT_SYMLINK_FOLLOW,
        );
        match linked {
            Err(Errno::EEXIST) if replaces => {
                unlinkat(directory, name, UnlinkatFlags::NoRemoveDir)
                    .or_else(|errno| (errno == Errno::ENOENT).then_some(()).ok_or(errno))?;
            }
            linked => return linked,
        }
    }
    Err(Errno::EBUSY)
}

pub(super) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
