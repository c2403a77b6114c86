//! Files `.git`, which say where a git directory is, and `commondir` of a linked worktree: git makes them by writing to them.
//!
//! The attack: a name that is decided when it is opened, and written to afterwards. So whoever opens one has a file that has no name and never
//! gets one. What `commondir` says is known beforehand. A file `.git` is made once there is a whole line in the other: a copy
//! of what was decided. That is looked at before each further call that comes here, of which git makes one before it reads the file, and
//! when the last process of the command is gone.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::stat::fstat;
use sandbox_core::{GIT_COMMON_DIRECTORY, GitFile, Process};

use super::config::{self, copy, errno, give_name, read, take_away};
use super::repository::in_repositories;
use super::{Done, Performer};
use crate::notifier::decide::Names;
use crate::notifier::denied::{Asked, Teller};
use crate::notifier::pin::{Held, Own};
use crate::notifier::resolve::{Name, Place, Seen, Stop};
use crate::notifier::root::Root;
use crate::notifier::{Job, Making, Taken};
use crate::sys::notify::{mount_of, open_at};

/// Bytes of a file `.git`: a path, and what comes before it.
const MOST: u64 = 4096;
/// How many may be without their content at the same time: each keeps two descriptors of the caller.
const MOST_UNWRITTEN: usize = 8;

/// The files `.git` that a command has opened, and that are not made yet.
#[derive(Debug, Default)]
pub(in crate::notifier) struct Gitfiles(Mutex<Vec<Unwritten>>);

#[derive(Debug)]
struct Unwritten {
    root: Arc<Root>,
    directory: OwnedFd,
    last: CString,
    /// What the command writes to.
    file: File,
    process: Option<Process>,
    /// Nobody takes the command for settled before.
    _taken: Taken,
}

impl Gitfiles {
    /// Makes those whose content is there.
    pub(in crate::notifier) fn make(
        &self,
        names: &Names,
        making: &Making,
        teller: Option<&Teller>,
    ) {
        self.unwritten().retain(|gitfile| match gitfile.content() {
            Ok(Some(content)) => {
                gitfile.make(names, making, teller, &content);
                false
            }
            Ok(None) => true,
            Err(_) => false,
        });
    }

    /// Nobody writes to them any more.
    pub(in crate::notifier) fn forget(&self) {
        self.unwritten().clear();
    }

    pub(in crate::notifier) fn is_empty(&self) -> bool {
        self.unwritten().is_empty()
    }

    fn add(&self, gitfile: Unwritten) -> Result<(), Errno> {
        let mut unwritten = self.unwritten();
        if unwritten.len() >= MOST_UNWRITTEN {
            return Err(Errno::ENFILE);
        }
        unwritten.push(gitfile);
        Ok(())
    }

    fn unwritten(&self) -> MutexGuard<'_, Vec<Unwritten>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unwritten {
    /// A whole line, or more than any is.
    fn content(&self) -> Result<Option<Vec<u8>>, Errno> {
        let mut content = vec![0; usize::try_from(MOST + 1).unwrap_or_default()];
        let read = self.file.read_at(&mut content, 0);
        content.truncate(read.map_err(|error| errno(&error))?);
        if content.len() as u64 > MOST {
            // No line, wherever it was cut off.
            content.clear();
            return Ok(Some(content));
        }
        Ok(content.ends_with(b"\n").then_some(content))
    }

    fn make(&self, names: &Names, making: &Making, teller: Option<&Teller>, content: &[u8]) {
        let asked = Asked::new(names, making, teller.is_some());
        let name = Name {
            directory: Place::Given(self.directory.as_fd()),
            last: self.last.clone(),
            slash: false,
        };
        let made = name.path(&self.root).and_then(|path| {
            let mode = fstat(&self.file)?.st_mode;
            make_link(&asked, &self.root, (&name, &path), content, mode)
        });
        if let (Err(_), Some(teller)) = (made, teller)
            && let Some(denial) = asked.late_denial(self.process.clone())
        {
            teller.tell(denial);
        }
    }
}

impl<'a> Performer<'a> {
    /// A new file that a person's template has, made with what it has there; `None` if it is none. Whoever opened it gets another file.
    pub(super) fn open_copied(
        &self,
        (name, path): (&Name<'a>, &Path),
        flags: i32,
        mode: u32,
    ) -> Result<Option<OwnedFd>, Stop> {
        let names = self.names.names();
        let is_written = flags & libc::O_ACCMODE != libc::O_RDONLY;
        let Some(template) = names.git_template(path).filter(|_| is_written) else {
            return Ok(None);
        };
        names.tell_apart(path, name.directory.as_fd())?;
        let Some(content) = content(&self.job.root, &template)? else {
            return Ok(None);
        };
        let private = private_file(name, mode)?;
        let mode = fstat(&private)?.st_mode;
        give_name(&copy(name, &content, mode)?, name, &name.last, false)?;
        Ok(Some(private))
    }

    /// A file `.git`, or `commondir`, opened to be written from its beginning; `None` if it is neither.
    pub(super) fn open_link(
        &self,
        (name, path): (&Name<'a>, &Path),
        seen: Option<&Seen>,
        flags: i32,
        mode: u32,
    ) -> Result<Option<OwnedFd>, Stop> {
        let is_written = flags & libc::O_ACCMODE != libc::O_RDONLY
            && (seen.is_none() || flags & libc::O_TRUNC != 0)
            && seen.is_none_or(|seen| seen.is(libc::S_IFREG));
        if !is_written {
            return Ok(None);
        }
        match (kind(self.names.names(), name, path), seen) {
            (Some(GitFile::CommonDirectory), None) => {
                let private = private_file(name, mode)?;
                let mode = fstat(&private)?.st_mode;
                let copy = copy(name, GIT_COMMON_DIRECTORY, mode)?;
                give_name(&copy, name, &name.last, false)?;
                Ok(Some(private))
            }
            (Some(GitFile::Link), _) => {
                let process = match self.job.held(Own::Process) {
                    None if self.names.is_noting() => return Err(Stop::Ask(Own::Process)),
                    Some(Held::Process(process)) => process.clone(),
                    _ => None,
                };
                let private = private_file(name, mode)?;
                self.gitfiles
                    .add(Unwritten::new(name, &private, process, self.job)?)?;
                Ok(Some(private))
            }
            _ => Ok(None),
        }
    }

    /// Puts a copy of what is moved in the place of a file `.git`, and takes the original away, as a rename does.
    pub(super) fn replace_link(
        &self,
        (from, new): (&Name<'_>, &Seen),
        (name, path): (&Name<'_>, &Path),
    ) -> Result<Done, Stop> {
        let content = read(new, MOST)?;
        let mode = new.stat.st_mode;
        make_link(self.names, &self.job.root, (name, path), &content, mode)?;
        take_away(from);
        Ok(Done::Nothing)
    }
}

impl Unwritten {
    fn new(
        name: &Name<'_>,
        private: &OwnedFd,
        process: Option<Process>,
        job: &Job,
    ) -> Result<Self, Errno> {
        let full = |_| Errno::EMFILE;
        let directory = name.directory.as_fd().try_clone_to_owned();
        Ok(Self {
            root: Arc::clone(&job.root),
            directory: directory.map_err(full)?,
            last: name.last.clone(),
            file: File::from(private.try_clone().map_err(full)?),
            process,
            _taken: job.taken.another(),
        })
    }
}

/// Which of git's files is at a name. `None` also where another spelling, or a repository around it, says something else.
fn kind(names: &Names, name: &Name<'_>, path: &Path) -> Option<GitFile> {
    names.tell_apart(path, name.directory.as_fd()).ok()?;
    let is_single = in_repositories(name, path).next().is_none();
    names.git_file(path).filter(|_| is_single)
}

/// `O_EXCL`: it can't be linked (open(2)).
fn private_file(name: &Name<'_>, mode: u32) -> Result<OwnedFd, Errno> {
    let flags = libc::O_TMPFILE | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
    open_at(name.directory.as_fd(), c".", flags, mode)
}

fn make_link(
    asked: &Asked<'_>,
    root: &Root,
    (name, path): (&Name<'_>, &Path),
    content: &[u8],
    mode: libc::mode_t,
) -> Result<(), Errno> {
    if kind(asked.names(), name, path) != Some(GitFile::Link) {
        return Err(Errno::EACCES);
    }
    if let Some(there) = name.look()? {
        let is_mounted = mount_of(there.file.as_fd())? != mount_of(name.directory.as_fd())?;
        if is_mounted || !there.is(libc::S_IFREG) {
            return Err(Errno::EBUSY);
        }
    }
    // The command can only take from them what says where files are: then it is not said.
    let content = asked.link(path, content, |path| self::content(root, path))?;
    // Nobody can write to what may have the name already, so that it does not matter that it has none for a moment.
    give_name(&copy(name, &content, mode)?, name, &name.last, true)
}

/// What is in a file that no link leads to, if it is there: settings of a git directory, a part of a template.
fn content(root: &Root, path: &Path) -> Result<Option<Vec<u8>>, Errno> {
    let file = match root.at(path) {
        Err(Errno::ENOENT) => return Ok(None),
        file => file?,
    };
    let seen = Seen {
        stat: fstat(&file)?,
        file,
    };
    if !seen.is(libc::S_IFREG) {
        return Err(Errno::EACCES);
    }
    read(&seen, config::MOST).map(Some)
}
