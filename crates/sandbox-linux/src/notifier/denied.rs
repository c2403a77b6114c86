//! What was denied: noted where it is decided, and told by a thread of its own.
//!
//! Only what would have been done without the rules is worth a word: an answer that the bare call gives as well (something is there
//! already, the host's permissions forbid it) is none. The performer never waits for whoever is told: what is too much is counted.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::OsStr;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::fstat;
use nix::unistd::{AccessFlags, faccessat};
use sandbox_core::{
    GitDenial, GitFile, Operation, Process, above, may_rewrite_git_config, names_other_worktree,
    rewrite_module_config,
};

use super::Making;
use super::calls::Call;
use super::decide::{Answer, Names, is_read_only};
use super::perform::again;

/// How many wait to be told.
const MOST_UNTOLD: usize = 256;

/// A name that the rules deny to make, to move, to write, or to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denial {
    /// What was tried.
    pub operation: Operation,
    /// The name, without links.
    pub path: PathBuf,
    /// Why.
    pub reason: Reason,
    /// Who tried it, as far as that can be seen.
    pub process: Option<Process>,
}

/// Why a name is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// By what the rules say of it.
    Name,
    /// By what they say of it if it is no directory.
    File,
    /// By what they say of it if it is a symbolic link.
    Link,
    /// By what they say of the names below it, which would be another thing in the other place.
    Below,
    /// By what it is, or would become, in a directory of git's that has another name.
    Repository,
    /// By what was to be written there.
    Content(GitDenial),
}

/// What is told of denials.
#[derive(Debug)]
#[non_exhaustive]
pub enum Told {
    /// One.
    Denial(Denial),
    /// So many that there was no time to tell of.
    Omitted(u64),
}

/// Who is told of denials, on a thread of its own: what takes long there holds up no call.
#[derive(Clone)]
pub struct OnDenial(Arc<dyn Fn(Told) + Send + Sync>);

impl OnDenial {
    /// Tells by calling `tell`.
    ///
    /// ```
    /// use sandbox_linux::OnDenial;
    ///
    /// let tell = OnDenial::new(|told| eprintln!("{told:?}"));
    /// ```
    pub fn new(tell: impl Fn(Told) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for OnDenial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDenial").finish_non_exhaustive()
    }
}

/// The performer's way to whoever is told.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    denials: SyncSender<Denial>,
    omitted: Arc<AtomicU64>,
}

impl Teller {
    /// With what the thread that tells has to do.
    pub(super) fn new(to: OnDenial) -> (Self, impl FnOnce() + Send + 'static) {
        let (denials, untold) = sync_channel(MOST_UNTOLD);
        let omitted = Arc::new(AtomicU64::new(0));
        let left_out = Arc::clone(&omitted);
        let tell = move || tell(&to, &untold, &left_out);
        (Self { denials, omitted }, tell)
    }

    pub(super) fn tell(&self, denial: Denial) {
        if self.denials.try_send(denial).is_err() {
            self.omitted.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Until the notifier has ended, and its performers.
fn tell(to: &OnDenial, untold: &Receiver<Denial>, omitted: &AtomicU64) {
    loop {
        let denial = untold.recv();
        let omitted = omitted.swap(0, Ordering::Relaxed);
        if omitted > 0 {
            (to.0)(Told::Omitted(omitted));
        }
        match denial {
            Ok(denial) => (to.0)(Told::Denial(denial)),
            Err(_) => return,
        }
    }
}

/// What is decided about one call, and what of that is denied.
pub(super) struct Asked<'a> {
    names: &'a Names,
    making: &'a Making,
    is_noting: bool,
    noted: RefCell<Option<Noted>>,
}

struct Noted {
    path: PathBuf,
    reason: Reason,
    /// What it was asked about is a directory: in it a name is made or changed.
    is_in_directory: bool,
}

impl<'a> Asked<'a> {
    pub(super) const fn new(names: &'a Names, making: &'a Making, is_noting: bool) -> Self {
        Self {
            names,
            making,
            is_noting,
            noted: RefCell::new(None),
        }
    }

    /// For what is no denial, or is told otherwise.
    pub(super) const fn names(&self) -> &'a Names {
        self.names
    }

    /// What is told of in the end.
    pub(super) const fn making(&self) -> &'a Making {
        self.making
    }

    /// As [`Names::write`].
    pub(super) fn write(&self, path: &Path, place: BorrowedFd<'_>) -> Result<Answer, Errno> {
        let answer = self.names.write(path, place);
        self.note(answer, path, place, Reason::Name);
        answer
    }

    /// As [`Names::write_file`].
    pub(super) fn write_file(&self, path: &Path, place: BorrowedFd<'_>) -> Result<Answer, Errno> {
        let answer = self.names.write_file(path, place);
        self.note(answer, path, place, Reason::File);
        answer
    }

    /// As [`Names::link_to`].
    pub(super) fn link_to(
        &self,
        path: &Path,
        place: BorrowedFd<'_>,
        target: &OsStr,
    ) -> Result<Answer, Errno> {
        let answer = self.names.link_to(path, place, target);
        self.note(answer, path, place, Reason::Link);
        answer
    }

    /// As [`Names::make_directory`].
    pub(super) fn make_directory(
        &self,
        path: &Path,
        place: BorrowedFd<'_>,
    ) -> Result<Answer, Errno> {
        let answer = self.names.make_directory(path, place);
        self.note(answer, path, place, Reason::Name);
        answer
    }

    /// As [`Names::connect`].
    pub(super) fn connect(&self, path: &Path, place: BorrowedFd<'_>) -> Result<(), Errno> {
        let answer = self.names.connect(path, place);
        self.note(answer.map(|()| Answer::Allowed), path, place, Reason::Name);
        answer
    }

    /// Notes that a path is denied by what it is to git.
    pub(super) fn deny_repository(&self, path: &Path) {
        self.put(path, Reason::Repository, true);
    }

    /// What the settings of git at a path are replaced by, if they may be.
    pub(super) fn rewrite<'b>(
        &self,
        (path, kind): (&Path, GitFile),
        old: Option<&[u8]>,
        new: &'b [u8],
    ) -> Result<Cow<'b, [u8]>, Errno> {
        let rewritten = match kind {
            GitFile::ModuleConfig => rewrite_module_config(old, new),
            _ => may_rewrite_git_config(old, new).map(|()| Cow::Borrowed(new)),
        };
        rewritten.map_err(|denial| self.deny_content(path, denial))
    }

    /// What a file `.git` becomes that is to have this content.
    pub(super) fn link(
        &self,
        path: &Path,
        content: &[u8],
        settings: impl Fn(&Path) -> Result<Option<Vec<u8>>, Errno>,
    ) -> Result<Vec<u8>, Errno> {
        let tree = above(path).ok_or(Errno::EACCES)?;
        let deny = |denial| self.deny_content(path, denial);
        let link = self.names.git_link(tree, content).map_err(deny)?;
        for name in ["config", "config.worktree"] {
            let settings = settings(&link.directory.join(name))?;
            if settings.is_some_and(|it| names_other_worktree(&it, &link.directory, tree)) {
                return Err(deny(GitDenial::OtherWorktree));
            }
        }
        Ok(link.content)
    }

    fn deny_content(&self, path: &Path, denial: GitDenial) -> Errno {
        self.put(path, Reason::Content(denial), true);
        Errno::EACCES
    }

    /// Whether somebody is told which process it was.
    pub(super) const fn is_noting(&self) -> bool {
        self.is_noting
    }

    /// Notes that something would get to where names are under other rules.
    pub(super) fn deny_move(&self, to: &Path) {
        self.put(to, Reason::Below, true);
    }

    /// As [`Names::keeps`].
    pub(super) fn keeps(&self, from: &Path, to: &Path) -> Result<(), Errno> {
        let kept = self.names.keeps(from, to);
        if kept.is_err() {
            self.deny_move(to);
        }
        kept
    }

    fn note(
        &self,
        answer: Result<Answer, Errno>,
        path: &Path,
        place: BorrowedFd<'_>,
        reason: Reason,
    ) {
        if !self.is_noting || answer == Ok(Answer::Allowed) {
            return;
        }
        let is_held = answer.is_err() || is_read_only(place);
        let is_in_directory =
            fstat(place).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR);
        if is_held && permits(place, is_in_directory) {
            self.put(path, reason, is_in_directory);
        }
    }

    fn put(&self, path: &Path, reason: Reason, is_in_directory: bool) {
        if self.is_noting {
            self.noted.replace(Some(Noted {
                path: path.to_owned(),
                reason,
                is_in_directory,
            }));
        }
    }

    /// What was denied, if that is why the call has this answer.
    pub(super) fn denial<P, T, S>(&self, call: &Call<P, T, S>, answer: Errno) -> Option<Denial> {
        let mut noted = self.noted.take()?;
        // A file would not have been allowed either.
        if noted.reason == Reason::File && matches!(call, Call::MakeLink { .. }) {
            noted.reason = Reason::Link;
        }
        // What the mounts hold, in the kernel's words: a mount point is busy.
        let is_held = matches!(answer, Errno::EACCES | Errno::EROFS | Errno::EBUSY);
        let is_why = match noted.reason {
            Reason::Name if matches!(call, Call::Connect(_)) => {
                is_held && self.names.is_hosts(&noted.path)
            }
            Reason::Name => is_held && self.names.denies(&noted.path),
            Reason::File | Reason::Link => is_held && self.names.denies_file(&noted.path),
            Reason::Below => answer == Errno::EXDEV,
            Reason::Repository | Reason::Content(_) => answer == Errno::EACCES,
        };
        is_why.then(|| Denial {
            operation: operation(call, noted.is_in_directory),
            path: noted.path,
            reason: noted.reason,
            process: None,
        })
    }

    /// What was denied of something that no call waits for any more.
    pub(super) fn late_denial(&self, process: Option<Process>) -> Option<Denial> {
        let noted = self.noted.take()?;
        Some(Denial {
            operation: Operation::Create,
            path: noted.path,
            reason: noted.reason,
            process,
        })
    }
}

const fn operation<P, T, S>(call: &Call<P, T, S>, is_in_directory: bool) -> Operation {
    match call {
        Call::MakeDirectory { .. }
        | Call::MakeNode { .. }
        | Call::MakeLink { .. }
        | Call::Bind(_) => Operation::Create,
        Call::Open { .. } if is_in_directory => Operation::Create,
        Call::Open { .. } | Call::Truncate { .. } => Operation::Write,
        Call::Connect(_) => Operation::Connect,
        Call::Link { .. } => Operation::Link,
        Call::Rename { .. } => Operation::Rename,
    }
}

/// Whether the host would let this thread, which has no capability that counts for files, do it. By the permissions alone: they come before a mount that
/// is read-only, and no other domain counts (access(2)).
pub(super) fn permits(place: BorrowedFd<'_>, is_directory: bool) -> bool {
    let mut mode = AccessFlags::W_OK;
    if is_directory {
        mode |= AccessFlags::X_OK;
    }
    let path = again(&place.as_fd());
    let asked = faccessat(AT_FDCWD, path.as_str(), mode, AtFlags::AT_EACCESS);
    matches!(asked, Ok(()) | Err(Errno::EROFS))
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};
    use std::thread;

    use super::*;

    fn denial() -> Denial {
        Denial {
            operation: Operation::Create,
            path: "/a".into(),
            reason: Reason::Name,
            process: None,
        }
    }

    /// Whoever is told holds up nothing, however much there is, and what is left out is counted.
    #[test]
    fn a_million_denials_wait_for_nobody() {
        const ALL: u64 = 1_000_000;
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let may_go_on = Mutex::new(may_go_on);
        let counted = Arc::new(Mutex::new((0, 0)));
        let counts = Arc::clone(&counted);
        let (teller, tell) = Teller::new(OnDenial::new(move |told| {
            // Until all are there.
            let _ = may_go_on.lock().unwrap().recv();
            let mut counts = counts.lock().unwrap();
            match told {
                Told::Denial(_) => counts.0 += 1,
                Told::Omitted(count) => counts.1 += count,
            }
        }));
        let telling = thread::spawn(tell);
        for _ in 0..ALL {
            teller.tell(denial());
        }
        drop(go_on);
        drop(teller);
        telling.join().unwrap();
        let (told, omitted) = *counted.lock().unwrap();
        assert_eq!(told + omitted, ALL);
        assert!(told <= MOST_UNTOLD as u64 + 1, "{told}");
    }
}
