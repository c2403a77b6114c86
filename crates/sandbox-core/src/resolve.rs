//! Where a path really is: component by component, every link seen.
//!
//! The kernel's own resolution tells the end of the way, not the way. A rule has to know both: a link on the way that a
//! confined command could have made would let it choose what the rule is about.
//!
//! | on the way | result |
//! |---|---|
//! | a component that does not exist | what exists is resolved, the rest kept by name |
//! | a dangling link | the name that it points to, missing |
//! | `..` | above the *resolved* directory; after a missing component an error |
//! | more than 40 links | an error |
//! | anything else that the system refuses | an error, never the unresolved path |

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs::{self, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::map::Map;
use crate::os::{self, OsStrExt};
use crate::place;
use crate::problem::RuleProblem;
use crate::table::{Relative, Table};

pub(crate) mod walk;

/// As many as Linux follows (`path_resolution(7)`).
const MAX_LINKS: usize = 40;
/// `NAME_MAX` and `PATH_MAX`: checked here as well, since nobody asks the kernel below a missing component.
const MAX_NAME: usize = 255;
const MAX_PATH: usize = 4096;

/// What is at a path.
///
/// ```
/// use sandbox_core::PathKind;
///
/// assert_ne!(PathKind::Missing, PathKind::Symlink);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathKind {
    /// Nothing.
    Missing,
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link that no path could be resolved through: a loop, or one that a pattern matched by its name.
    Symlink,
    /// A device, socket or FIFO.
    Special,
}

impl From<FileType> for PathKind {
    fn from(kind: FileType) -> Self {
        if kind.is_dir() {
            Self::Directory
        } else if kind.is_file() {
            Self::File
        } else if kind.is_symlink() {
            Self::Symlink
        } else {
            Self::Special
        }
    }
}

/// A symbolic link that the path of a rule led through.
///
/// ```
/// # use sandbox_core::{Access, Context, Policy, Ruleset};
/// # let host = tempfile::tempdir().unwrap();
/// # let root = sandbox_core::resolve(host.path()).unwrap().path;
/// # std::fs::create_dir(root.join("usr")).unwrap();
/// # std::os::unix::fs::symlink("usr", root.join("bin")).unwrap();
/// let policy = Policy::default().read(root.join("bin"));
/// let ruleset = Ruleset::resolve(&policy, &Context::new(&root)).unwrap();
/// let link = &ruleset.files().links()[0];
/// assert_eq!((link.path(), link.target()), (root.join("bin").as_path(), "usr".as_ref()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    path: PathBuf,
    target: PathBuf,
    resolved: PathBuf,
}

impl Link {
    /// A link that leads where it says.
    pub fn new(path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        let (path, target) = (path.into(), target.into());
        let resolved = path.parent().unwrap_or(&path).join(&target);
        Self {
            path,
            target,
            resolved,
        }
    }

    /// Where the link is: no other link is on the way to it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it contains, byte for byte.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Where it leads in the end.
    pub fn resolved(&self) -> &Path {
        &self.resolved
    }
}

/// Where a path really is.
///
/// ```
/// let resolved = sandbox_core::resolve("/".as_ref()).unwrap();
/// assert_eq!(resolved.path, std::path::Path::new("/"));
/// assert_eq!(resolved.kind, sandbox_core::PathKind::Directory);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolved {
    /// Without links, `.` and `..`.
    pub path: PathBuf,
    /// What is there.
    pub kind: PathKind,
    /// The links on the way: where each is, and what it contains.
    pub links: Vec<(PathBuf, PathBuf)>,
}

/// Resolves an absolute path, links in the last component too.
///
/// # Errors
///
/// A loop, `..` after a missing component, a directory that cannot be searched: see [`RuleProblem`].
pub fn resolve(path: &Path) -> Result<Resolved, RuleProblem> {
    Resolver::default().resolve(path)
}

/// Questions about the names in one directory after which it is listed instead: a home with a hundred places where
/// secrets may be costs four calls then. Larger directories than [`MAX_LISTED`] are asked about name by name.
const MAX_QUESTIONS: usize = 8;
const MAX_LISTED: usize = 4096;

/// Resolves many paths, looking at each component once.
#[derive(Default)]
pub(crate) struct Resolver {
    /// What is at a path to which no link leads.
    seen: RefCell<Map<OsString, Seen>>,
    asked: RefCell<Map<OsString, Asked>>,
}

/// All names of a directory; without a kind those that have to be looked at, links above all.
type Names = Map<OsString, Option<PathKind>>;

/// What is known of the names in a directory.
enum Asked {
    Times(usize),
    Listed(Rc<Names>),
    /// It cannot be listed, or is too large.
    Opaque,
}

/// What a list says about a name.
enum Answer {
    Kind(PathKind),
    /// There is no list, or it does not tell: the name has to be looked at.
    Unknown,
}

/// Where the way of a path ends before the path does.
pub(crate) struct Stopped {
    pub(crate) problem: RuleProblem,
    /// Link and target, in the order in which they were met.
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
}

/// What one look at a component gave.
#[derive(Clone)]
enum Seen {
    Kind(PathKind),
    Link(PathBuf),
    Refused(io::ErrorKind),
}

impl Resolver {
    pub(crate) fn resolve(&self, path: &Path) -> Result<Resolved, RuleProblem> {
        self.follow(path).map_err(|stopped| stopped.problem)
    }

    /// As [`resolve`](Self::resolve); where it stops, the links that led there are known as well.
    pub(crate) fn follow(&self, path: &Path) -> Result<Resolved, Stopped> {
        let (start, kind, rest) = self.start(path);
        let mut whole = PathBuf::with_capacity(path.as_os_str().len());
        whole.push(start);
        let mut resolved = Resolved {
            path: whole,
            kind,
            links: Vec::new(),
        };
        match self.advance(&mut resolved, rest) {
            Ok(()) => Ok(resolved),
            Err(problem) => Err(Stopped {
                problem,
                links: resolved.links,
            }),
        }
    }

    fn advance(&self, resolved: &mut Resolved, rest: &Path) -> Result<(), RuleProblem> {
        // Components of links still to be walked, the next one last: they come before the rest.
        let mut ahead: Vec<OsString> = Vec::new();
        let mut rest = components(rest).map(Cow::Borrowed);
        while let Some(component) = ahead.pop().map(Cow::Owned).or_else(|| rest.next()) {
            if component.as_bytes() == b".." {
                if resolved.kind != PathKind::Directory {
                    return Err(RuleProblem::ParentOfMissing {
                        at: resolved.path.clone(),
                    });
                }
                resolved.path.pop();
                continue;
            }
            let inside = resolved.kind == PathKind::Directory;
            resolved.path.push(&component);
            if component.len() > MAX_NAME || resolved.path.as_os_str().len() >= MAX_PATH {
                return Err(RuleProblem::Unreachable {
                    at: resolved.path.clone(),
                    kind: io::ErrorKind::InvalidFilename,
                });
            }
            if !inside {
                resolved.kind = PathKind::Missing;
                continue;
            }
            match self.look(&resolved.path) {
                Seen::Kind(kind) => resolved.kind = kind,
                Seen::Refused(kind) => {
                    return Err(RuleProblem::Unreachable {
                        at: resolved.path.clone(),
                        kind,
                    });
                }
                Seen::Link(target) => {
                    if resolved.links.len() == MAX_LINKS {
                        return Err(RuleProblem::Loop {
                            at: resolved.path.clone(),
                        });
                    }
                    let link = resolved.path.clone();
                    resolved.path.pop();
                    if target.is_absolute() {
                        resolved.path = "/".into();
                    }
                    ahead.extend(components(&target).rev().map(OsStr::to_owned));
                    resolved.links.push((link, target));
                }
            }
        }
        Ok(())
    }

    /// These links, each with where it leads; one that cannot be followed leads to where it stops.
    pub(crate) fn links(&self, links: &[(PathBuf, PathBuf)]) -> Vec<Link> {
        let whole = |(path, target): &(PathBuf, PathBuf)| Link {
            path: path.clone(),
            target: target.clone(),
            resolved: match self.resolve(path) {
                Ok(resolved) => resolved.path,
                Err(RuleProblem::Unreachable { at, .. }) => at,
                Err(_) => path.clone(),
            },
        };
        links.iter().map(whole).collect()
    }

    /// What is at a path to which no link leads; a link in the last component is not followed.
    ///
    /// What cannot be looked at is an error, never missing: the last command may have closed a directory that the next
    /// one opens again.
    pub(crate) fn kind(&self, path: &Path) -> Result<PathKind, io::ErrorKind> {
        match self.look(path) {
            Seen::Kind(kind) => Ok(kind),
            Seen::Link(_) => Ok(PathKind::Symlink),
            Seen::Refused(kind) => Err(kind),
        }
    }

    fn look(&self, path: &Path) -> Seen {
        if let Some(seen) = self.seen.borrow().get(path.as_os_str()) {
            return seen.clone();
        }
        if let Answer::Kind(kind) = self.ask(path) {
            return Seen::Kind(kind);
        }
        let seen = look(path);
        self.seen
            .borrow_mut()
            .insert(path.as_os_str().to_owned(), seen.clone());
        seen
    }

    /// The entries that may lead to something from `directory`: all but those of which a name on the way is not there. A link
    /// on the way counts as something.
    pub(crate) fn present<T: Relative>(
        &self,
        directory: &Path,
        table: &Table<T>,
    ) -> Vec<&'static T> {
        if self.kind(directory) == Ok(PathKind::Missing) {
            return Vec::new();
        }
        match self.names(directory) {
            Some(names) => table
                .below_any(names.keys().map(OsString::as_os_str))
                .filter(|entry| self.leads_on(&names, directory, entry.path()))
                .collect(),
            None => table.all().to_vec(),
        }
    }

    fn leads_on(&self, names: &Names, directory: &Path, relative: &str) -> bool {
        let (name, rest) = relative.split_once('/').unwrap_or((relative, ""));
        match names.get(OsStr::new(name)) {
            Some(Some(PathKind::Directory)) if !rest.is_empty() => {
                let directory = directory.join(name);
                let names = self.names(&directory);
                names.is_none_or(|names| self.leads_on(&names, &directory, rest))
            }
            // A pattern is for others to match.
            there => there.is_some() || name.starts_with('*'),
        }
    }

    /// All names of a directory, if it can be listed and searched and is not too large.
    pub(crate) fn names(&self, directory: &Path) -> Option<Rc<Names>> {
        let mut all = self.asked.borrow_mut();
        match all.get(directory.as_os_str()) {
            Some(Asked::Listed(names)) => return Some(Rc::clone(names)),
            Some(Asked::Opaque) => return None,
            Some(Asked::Times(_)) | None => {}
        }
        let names = list(directory).map(Rc::new);
        let asked = names.clone().map_or(Asked::Opaque, Asked::Listed);
        all.insert(directory.as_os_str().to_owned(), asked);
        names
    }

    /// What the list of the directory that holds the path says about it, if there is a list. Counts the questions about a
    /// directory: after [`MAX_QUESTIONS`] of them it is listed.
    fn ask(&self, path: &Path) -> Answer {
        let Some(directory) = place::above(path) else {
            return Answer::Unknown;
        };
        let mut all = self.asked.borrow_mut();
        let names = match all.get_mut(directory.as_os_str()) {
            Some(Asked::Listed(names)) => Rc::clone(names),
            Some(Asked::Opaque) => return Answer::Unknown,
            Some(Asked::Times(times)) => {
                *times += 1;
                if *times < MAX_QUESTIONS {
                    return Answer::Unknown;
                }
                drop(all);
                match self.names(directory) {
                    Some(names) => names,
                    None => return Answer::Unknown,
                }
            }
            None => {
                all.insert(directory.as_os_str().to_owned(), Asked::Times(1));
                return Answer::Unknown;
            }
        };
        match names.get(place::name(path)) {
            None => Answer::Kind(PathKind::Missing),
            Some(Some(kind)) => Answer::Kind(*kind),
            Some(None) => Answer::Unknown,
        }
    }

    /// The place from which a path has to be walked, and what is left of it. What is known not to lead through a link
    /// is not walked again.
    fn start<'a>(&self, path: &'a Path) -> (&'a Path, PathKind, &'a Path) {
        let bytes = path.as_os_str().as_bytes();
        let seen = self.seen.borrow();
        // No place with `..` in it is known: that is walked.
        let known = |place: &'a Path| match seen.get(place.as_os_str()) {
            Some(Seen::Kind(kind)) => {
                let rest = bytes.get(place::below(place)..).unwrap_or_default();
                Some((place, *kind, Path::new(OsStr::from_bytes(rest))))
            }
            _ => None,
        };
        let found = place::upwards(path).skip(1).find_map(known);
        found.unwrap_or((Path::new("/"), PathKind::Directory, path))
    }
}

/// Every name of a directory. `None` where that cannot be done, or takes too long.
fn list(directory: &Path) -> Option<Names> {
    let entries = os::list(directory, MAX_LISTED + 1).ok()?;
    if entries.len() > MAX_LISTED {
        return None;
    }
    let known = |kind: PathKind| Some(kind).filter(|kind| *kind != PathKind::Symlink);
    let names = entries.into_iter();
    Some(names.map(|(name, kind)| (name, known(kind))).collect())
}

fn look(path: &Path) -> Seen {
    let kind = |metadata: Metadata| PathKind::from(metadata.file_type());
    match fs::symlink_metadata(path).map(kind) {
        Ok(PathKind::Symlink) => match fs::read_link(path) {
            Ok(target) => Seen::Link(target),
            Err(error) => Seen::Refused(error.kind()),
        },
        Ok(kind) => Seen::Kind(kind),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Seen::Kind(PathKind::Missing),
        Err(error) => Seen::Refused(error.kind()),
    }
}

/// The names of a path. `..` is one, `.` is none.
fn components(path: &Path) -> impl DoubleEndedIterator<Item = &OsStr> {
    path.as_os_str()
        .as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .map(OsStr::from_bytes)
}

#[cfg(test)]
mod tests;
