//! Git directories that are not named `.git`: what is in one that is there is decided as if it were, and none is made of an
//! ordinary directory.
//!
//! The attack: `hooks/pre-receive` and `config` in an ordinary directory, then `HEAD`, `objects` and `refs` beside them. What makes a git
//! directory (`is_git_directory` of git's `setup.c`) has so many names that no command may bring together two of which one is `HEAD`.

use std::ffi::{CString, OsStr};
use std::fs::{File, TryLockError};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;
use sandbox_core::{
    GitPlace, above, git_places, git_places_alike, is_alike, is_named_as_git_directory,
};

use super::{Answer, Decide, Performer};
use crate::notifier::decide::folds;
use crate::notifier::resolve::{Name, Place, Stop};
use crate::sys::notify::open_at;

/// What makes a directory one of git's together with `HEAD`. The first can be anywhere else, if the last says where.
const PARTS: [&str; 3] = ["objects", "refs", "commondir"];

impl<'a> Performer<'a> {
    /// Decides about a name, also by what it is in a git directory around it.
    pub(super) fn decide(
        &self,
        name: &Name<'_>,
        place: BorrowedFd<'_>,
        decide: Decide<'a>,
    ) -> Result<Answer, Stop> {
        self.decide_at(name, &name.path(&self.job.root)?, place, decide)
    }

    /// The same, where its path is known.
    pub(super) fn decide_at(
        &self,
        name: &Name<'_>,
        path: &Path,
        place: BorrowedFd<'_>,
        decide: Decide<'a>,
    ) -> Result<Answer, Stop> {
        let decided = self.decide_by_rules(name, path, place, decide);
        // What the rules deny may be one of git's that is made all the same.
        let answer = decided.map_err(|denied| self.be_alone().err().unwrap_or(denied.into()))?;
        if answer == Answer::Allowed {
            let places = possible_places(name, path);
            if !places.is_empty() {
                self.be_alone()?;
            }
            for place_of_gits in places.into_iter().filter(is_one(name, path)) {
                let decided = decide(self.names, &place_of_gits.path, place);
                decided.inspect_err(|_| self.names.deny_repository(path))?;
            }
            self.names.making().name(path);
        }
        Ok(answer)
    }

    fn decide_by_rules(
        &self,
        name: &Name<'_>,
        path: &Path,
        place: BorrowedFd<'_>,
        decide: Decide<'a>,
    ) -> Result<Answer, Errno> {
        self.names
            .names()
            .tell_apart(path, name.directory.as_fd())?;
        decide(self.names, path, place)
    }

    /// Decides about a file by itself. Which directory it lies in can't be told from it for certain, so that it is taken for one of
    /// git's, and for one whose file system takes other spellings for the same name.
    pub(super) fn decide_file(&self, file: &Place<'_>) -> Result<Answer, Errno> {
        let path = self.job.root.path_of(file)?;
        match self.names.write_file(&path, file.as_fd())? {
            Answer::Allowed
                if git_places_alike(&path).next().is_some()
                    || !self.names.names().is_plain(&path) =>
            {
                Err(Errno::EACCES)
            }
            answer => {
                if answer == Answer::Allowed {
                    self.names.making().name(&path);
                }
                Ok(answer)
            }
        }
    }

    /// Whether a rename changes nothing for the names below, also by what they are in the git directories around both.
    pub(super) fn keep_in_repositories(
        &self,
        (from, old): (&Name<'_>, &Path),
        (to, new): (&Name<'_>, &Path),
    ) -> Result<(), Errno> {
        for place in places(to, new) {
            self.names.keeps(&within(new, &place, old), &place.path)?;
        }
        for place in places(from, old) {
            self.names.keeps(&place.path, &within(old, &place, new))?;
        }
        Ok(())
    }

    /// Whether nothing is moved into a git directory by another name from outside of it, where links could be made: the person's git writes
    /// through those.
    pub(super) fn keep_links_out(
        &self,
        (from, old): (&Name<'_>, &Path),
        (to, new): (&Name<'_>, &Path),
        flags: u32,
    ) -> Result<(), Errno> {
        // None can be made there.
        if above(old) == above(new) {
            return Ok(());
        }
        let comes_in = |name: &Name<'_>, path: &Path, other: &Path| {
            let around = repository_around(name, path);
            around.is_some_and(|around| !other.starts_with(around))
        };
        let is_exchanged = flags & libc::RENAME_EXCHANGE != 0;
        if comes_in(to, new, old) || is_exchanged && comes_in(from, old, new) {
            self.names.deny_move(new);
            return Err(Errno::EXDEV);
        }
        Ok(())
    }

    /// Sees to it that an ordinary directory does not become one of git's by something that gets this name. No other performer makes
    /// another part of it meanwhile: until this call is made, it has the directory's lock.
    pub(super) fn keep_ordinary(&self, name: &Name<'_>) -> Result<(), Stop> {
        let directory = name.directory.as_fd();
        let Some(last) = part(name) else {
            return Ok(());
        };
        self.be_alone()?;
        let path = name.path(&self.job.root)?;
        let is_protected_by_name = above(&path).is_some_and(is_named_as_git_directory);
        if !self.names.names().is_hosts(&path) || is_protected_by_name {
            return Ok(());
        }
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let lock = File::from(open_at(directory, c".", flags, 0)?);
        match lock.try_lock() {
            Ok(()) => self.locks.borrow_mut().push(lock),
            Err(TryLockError::WouldBlock) => return Err(Stop::Wait),
            Err(TryLockError::Error(_)) => return Err(Errno::EACCES.into()),
        }
        let has = |part| has(directory, 0, part);
        // Logs are of `HEAD` and of what is in `refs`.
        let is_log = above(&path).is_some_and(|above| above.ends_with("logs"));
        let completes = match last {
            "HEAD" if is_log => has("objects"),
            "HEAD" => PARTS.into_iter().any(has),
            "refs" => has("HEAD") && !is_log,
            "objects" => has("HEAD"),
            _ => true,
        };
        // `HEAD` by itself never comes back: while it was away together with another part, anything could be written.
        let is_one = has(last) || last != "HEAD" && !is_log && is_repository(directory, 0);
        if completes && !is_one {
            self.names.deny_repository(&path);
            return Err(Errno::EACCES.into());
        }
        Ok(())
    }
}

/// What a name is of a git directory, in its own spelling or, where the directory takes that for the same, in another.
fn part(name: &Name<'_>) -> Option<&'static str> {
    let [objects, refs, common] = PARTS;
    let last = OsStr::from_bytes(name.last.to_bytes());
    let mut parts = ["HEAD", objects, refs, common].into_iter();
    parts.find(|part| last == *part || is_alike(last, part) && folds(name.directory.as_fd()))
}

/// What a path is called in each git directory around it, as if that were named `.git`.
pub(super) fn in_repositories(name: &Name<'_>, path: &Path) -> impl Iterator<Item = PathBuf> {
    places(name, path).map(|place| place.path)
}

/// What a path is called in the innermost git directory around it, as if that were named `.git`, whatever it is called there.
pub(super) fn in_repository_around(name: &Name<'_>, path: &Path) -> Option<PathBuf> {
    let directory = repository_around(name, path)?;
    let below = path.strip_prefix(directory).ok()?;
    Some(directory.join(".git").join(below))
}

/// The innermost git directory around a path that has another name than `.git`.
fn repository_around<'p>(name: &Name<'_>, path: &'p Path) -> Option<&'p Path> {
    let directory = name.directory.as_fd();
    let around = path.ancestors().skip(1).enumerate();
    let is_named = |around: &Path| around.ends_with(".git");
    let mut around = around.take_while(|(_, around)| !is_named(around));
    around.find_map(|(levels, around)| is_repository(directory, levels).then_some(around))
}

fn places(name: &Name<'_>, path: &Path) -> impl Iterator<Item = GitPlace> {
    let places = possible_places(name, path).into_iter();
    places.filter(is_one(name, path))
}

/// Those that there would be if each directory around were one of git's.
fn possible_places(name: &Name<'_>, path: &Path) -> Vec<GitPlace> {
    // Both, where names are the same in other spellings: most have none.
    let mut all: Vec<GitPlace> = git_places(path).collect();
    let alike: Vec<GitPlace> = git_places_alike(path).collect();
    if alike != all && folds(name.directory.as_fd()) {
        all.extend(alike);
    }
    all
}

/// Whether a possible place is one, by what is there now.
fn is_one(name: &Name<'_>, path: &Path) -> impl Fn(&GitPlace) -> bool {
    let directory = name.directory.as_fd();
    move |place| is_repository(directory, place.above) || may_become_remote(path, place.above)
}

/// Whether a path is a remote's in a directory some levels above it, if that becomes what a submodule has: there each name is protected by
/// itself, but for these, since what branches are kept in has directories of the same names.
fn may_become_remote(path: &Path, above: usize) -> bool {
    let kept = |name: &OsStr| name == "refs" || name == "logs";
    let is_remotes = |name: &OsStr| name == "remotes" || name == "branches";
    let mut around = path.ancestors().skip(above);
    let (Some(place), Some(directory)) = (around.next(), around.next()) else {
        return false;
    };
    place.file_name().is_some_and(is_remotes)
        && is_named_as_git_directory(directory)
        && !directory.iter().any(kept)
}

/// What another path is called in the git directory in which `path` has this place: itself, if it lies elsewhere.
fn within(path: &Path, place: &GitPlace, other: &Path) -> PathBuf {
    let directory = path.ancestors().nth(place.above + 1);
    let below =
        directory.and_then(|directory| Some((directory, other.strip_prefix(directory).ok()?)));
    match below {
        Some((directory, below)) => directory.join(".git").join(below),
        None => other.to_owned(),
    }
}

/// Whether a directory some levels above is one of git's, or was before something was moved out of the way: what is written there by
/// one command must not be there when another one moves that back.
fn is_repository(directory: BorrowedFd<'_>, above: usize) -> bool {
    let has = |part| has(directory, above, part);
    let [objects, refs, _] = PARTS;
    if has("HEAD") {
        PARTS.into_iter().any(has)
    } else {
        has(objects) && has(refs)
    }
}

/// Whether there is such a name, or may be.
fn has(directory: BorrowedFd<'_>, above: usize, name: &str) -> bool {
    let path = format!("{}{name}", "../".repeat(above));
    let Ok(path) = CString::new(path) else {
        return true;
    };
    let found = fstatat(directory, path.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
    !matches!(found, Err(Errno::ENOENT | Errno::ENOTDIR))
}
