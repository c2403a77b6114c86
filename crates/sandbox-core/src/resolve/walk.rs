//! What exists below directories: the search for the matches of all patterns, by several threads.
//!
//! A thread takes a directory at a time; what is known of it (the state) goes down with it. The threads are gone when the
//! search ends, and a small tree is gone through without any.
//!
//! The tree may be the work of the last command, or of one that runs: no link is followed, also where a directory was when it
//! was met; depth and number of entries are bounded, a FIFO is only listed. A directory that cannot be listed or searched is shown as such, since the command may have closed it
//! and may open it again. Going over a bound is an error: a match that was not found would be a rule that does not hold.

use std::ffi::OsStr;
use std::io;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::PathKind;
use crate::os::{self, OsStrExt};
use crate::place;
use crate::problem::RuleProblem;

/// Levels below the start.
const MAX_DEPTH: usize = 64;
/// Entries of all searches of one policy.
pub(crate) const MAX_ENTRIES: usize = 1_000_000;

/// Directories that the caller goes through alone: they take as long as it takes to start a thread.
const ALONE: usize = 256;
/// More threads wait for the same locks of the kernel.
const MAX_THREADS: usize = 8;

/// File systems that the kernel makes up: entries come and go, and nothing in them is a person's file.
/// They are not to be entered from above; a pattern that starts inside one is searched.
const PSEUDO: [&str; 3] = ["/proc", "/sys", "/dev"];

/// What is looked for.
pub(crate) trait Visitor: Sync {
    /// What is known of a directory.
    type State: Send;
    /// What one thread has found.
    type Found: Default + Send;

    /// What is known of a directory that is to be entered, when it is met; `None` passes by. Parents come before children.
    fn visit(
        &self,
        path: &Path,
        kind: PathKind,
        parent: &Self::State,
        found: &mut Self::Found,
    ) -> Option<Self::State>;

    /// A directory in which nothing can be seen: it cannot be listed, or not searched.
    fn closed(&self, directory: &Path, state: &Self::State, found: &mut Self::Found);
}

/// Shows every entry below the directories `starts` to `visitor`. An error comes with the state of the directory in which it
/// happened.
///
/// `budget` is what is left of [`MAX_ENTRIES`].
pub(crate) fn walk<V: Visitor>(
    visitor: &V,
    starts: Vec<(PathBuf, V::State)>,
    budget: &mut usize,
) -> Result<Vec<V::Found>, (RuleProblem, V::State)> {
    let ahead = starts.into_iter().map(|(directory, state)| Work {
        start: Arc::from(directory.as_path()),
        directory,
        level: 0,
        state,
    });
    let search = Search {
        visitor,
        budget: AtomicUsize::new(*budget),
        queue: Mutex::new(Queue {
            ahead: ahead.collect(),
            busy: 0,
            waiting: 0,
            failure: None,
        }),
        changed: Condvar::new(),
    };
    let mut own = V::Found::default();
    let is_done = search.work(&mut own, ALONE);
    let mut found = vec![own];
    if !is_done {
        found.extend(search.together());
    }
    *budget = search.budget.into_inner();
    let queue = search.queue.into_inner();
    match queue.unwrap_or_else(PoisonError::into_inner).failure {
        None => Ok(found),
        Some(failure) => Err(failure),
    }
}

/// A directory to be gone through.
struct Work<S> {
    /// The start that led to it.
    start: Arc<Path>,
    directory: PathBuf,
    /// Below the start.
    level: usize,
    state: S,
}

struct Queue<S> {
    /// The next one last.
    ahead: Vec<Work<S>>,
    /// Directories that somebody goes through at this moment, and that may add to the others.
    busy: usize,
    /// Who waits for one of these.
    waiting: usize,
    failure: Option<(RuleProblem, S)>,
}

struct Search<'a, V: Visitor> {
    visitor: &'a V,
    budget: AtomicUsize,
    queue: Mutex<Queue<V::State>>,
    changed: Condvar,
}

impl<V: Visitor> Search<'_, V> {
    /// Goes on in several threads. One that cannot be started is done without.
    fn together(&self) -> Vec<V::Found> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let work = || {
            let mut found = V::Found::default();
            self.work(&mut found, usize::MAX);
            found
        };
        thread::scope(|scope| {
            let start = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
            let others: Vec<_> = (1..threads.min(MAX_THREADS)).filter_map(start).collect();
            let mut all = vec![work()];
            for other in others {
                all.push(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            all
        })
    }

    /// Goes through directories until none is left, or so many were. Whether none is left.
    fn work(&self, found: &mut V::Found, most: usize) -> bool {
        for _ in 0..most {
            let Some(work) = self.take() else {
                return true;
            };
            let turn = Turn {
                queue: &self.queue,
                changed: &self.changed,
            };
            let mut below = Vec::new();
            let result = self.list(&work, &mut below, found);
            turn.end(below, result.map_err(|problem| (problem, work.state)));
        }
        false
    }

    /// The next directory, for which the caller's turn begins; waits for those who may still find one.
    fn take(&self) -> Option<Work<V::State>> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.failure.is_some() {
                return None;
            }
            if let Some(work) = queue.ahead.pop() {
                queue.busy += 1;
                return Some(work);
            }
            if queue.busy == 0 {
                return None;
            }
            queue.waiting += 1;
            queue = self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
            queue.waiting -= 1;
        }
    }

    fn list(
        &self,
        work: &Work<V::State>,
        below: &mut Vec<Work<V::State>>,
        found: &mut V::Found,
    ) -> Result<(), RuleProblem> {
        let directory = work.directory.as_path();
        let left = self.budget.load(Ordering::Relaxed);
        let entries = match os::list(directory, left.saturating_add(1)) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.visitor.closed(directory, &work.state, found);
                return Ok(());
            }
            Err(error) => {
                return Err(RuleProblem::Unreachable {
                    at: directory.to_owned(),
                    kind: error.kind(),
                });
            }
        };
        let spend = |left: usize| left.checked_sub(entries.len());
        let spent = self
            .budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
        if spent.is_err() {
            return Err(too_much(&work.start, None, MAX_ENTRIES, "entries"));
        }
        // One buffer for all of them: most are seen once.
        let mut path = directory.as_os_str().as_bytes().to_vec();
        path.resize(place::below(directory), b'/');
        let stem = path.len();
        for (name, kind) in entries {
            path.truncate(stem);
            path.extend_from_slice(name.as_bytes());
            let place = Path::new(OsStr::from_bytes(&path));
            let entered = self.visitor.visit(place, kind, &work.state, found);
            if let Some(state) = entered.filter(|_| kind == PathKind::Directory) {
                let level = work.level + 1;
                if level >= MAX_DEPTH {
                    let branch = place::upwards(place).nth(work.level);
                    return Err(too_much(&work.start, branch, MAX_DEPTH, "levels"));
                }
                below.push(Work {
                    start: Arc::clone(&work.start),
                    directory: place.to_owned(),
                    level,
                    state,
                });
            }
        }
        Ok(())
    }
}

/// The time in which somebody goes through a directory. It ends also with a panic, for which the others do not wait.
struct Turn<'a, S> {
    queue: &'a Mutex<Queue<S>>,
    changed: &'a Condvar,
}

impl<S> Turn<'_, S> {
    fn end(self, below: Vec<Work<S>>, result: Result<(), (RuleProblem, S)>) {
        let mut queue = lock(self.queue);
        queue.ahead.extend(below);
        // Of two the first one: which that is, is the threads' business.
        if let Err(failure) = result {
            queue.failure.get_or_insert(failure);
        }
    }
}

impl<S> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        let mut queue = lock(self.queue);
        queue.busy -= 1;
        // Nobody, in a small tree.
        if queue.waiting > 0 {
            self.changed.notify_all();
        }
    }
}

fn lock<S>(queue: &Mutex<Queue<S>>) -> MutexGuard<'_, Queue<S>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removed or replaced since it was listed.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Whether a directory is the root of a file system that the kernel makes up.
pub(crate) fn is_pseudo(path: &Path) -> bool {
    PSEUDO.iter().any(|pseudo| path.as_os_str() == *pseudo)
}

fn too_much(below: &Path, branch: Option<&Path>, limit: usize, what: &'static str) -> RuleProblem {
    RuleProblem::TooMuchToSearch {
        below: below.into(),
        branch: branch.map(Box::from),
        limit,
        what,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Everything; the state of a directory is how many levels below it are looked at.
    struct Everything;

    impl Visitor for Everything {
        type State = usize;
        type Found = Vec<PathBuf>;

        fn visit(
            &self,
            path: &Path,
            _: PathKind,
            levels: &usize,
            found: &mut Vec<PathBuf>,
        ) -> Option<usize> {
            found.push(path.to_owned());
            levels.checked_sub(1).filter(|levels| *levels > 0)
        }

        fn closed(&self, directory: &Path, _: &usize, found: &mut Vec<PathBuf>) {
            found.push(directory.join("closed"));
        }
    }

    fn found(start: &Path, levels: usize, budget: usize) -> Result<Vec<String>, RuleProblem> {
        let mut budget = budget;
        let found = walk(&Everything, vec![(start.to_owned(), levels)], &mut budget)
            .map_err(|(problem, _)| problem)?;
        let relative = |path: PathBuf| {
            path.strip_prefix(start)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        };
        let mut found: Vec<_> = found.into_iter().flatten().map(relative).collect();
        found.sort();
        Ok(found)
    }

    #[test]
    fn links_are_listed_and_not_followed() {
        let host = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(host.path().join("a/b")).unwrap();
        symlink("..", host.path().join("a/up")).unwrap();
        assert_eq!(
            found(host.path(), usize::MAX, 100).unwrap(),
            ["a", "a/b", "a/up"]
        );
        assert_eq!(found(host.path(), 1, 100).unwrap(), ["a"]);
    }

    #[test]
    fn a_tree_without_end_is_refused() {
        let host = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(host.path().join("d/".repeat(70))).unwrap();
        let deep = found(host.path(), usize::MAX, 1000).unwrap_err();
        assert!(
            matches!(
                deep,
                RuleProblem::TooMuchToSearch {
                    limit: MAX_DEPTH,
                    ..
                }
            ),
            "{deep}"
        );
        let wide = found(host.path(), usize::MAX, 3).unwrap_err();
        assert!(
            matches!(
                wide,
                RuleProblem::TooMuchToSearch {
                    limit: MAX_ENTRIES,
                    ..
                }
            ),
            "{wide}"
        );
    }

    #[test]
    fn what_is_not_there_is_empty() {
        assert_eq!(found("/nonexistent/x".as_ref(), 9, 10).unwrap(), [""; 0]);
    }

    /// Everything; whenever `trigger` is met, `swap` becomes a link to `target`.
    struct Swapping {
        trigger: PathBuf,
        swap: PathBuf,
        target: PathBuf,
    }

    impl Visitor for Swapping {
        type State = ();
        type Found = Vec<PathBuf>;

        fn visit(&self, path: &Path, _: PathKind, (): &(), found: &mut Vec<PathBuf>) -> Option<()> {
            if path == self.trigger {
                std::fs::rename(&self.swap, self.swap.with_extension("away")).unwrap();
                symlink(&self.target, &self.swap).unwrap();
            }
            found.push(path.to_owned());
            Some(())
        }

        fn closed(&self, _: &Path, (): &(), _: &mut Vec<PathBuf>) {}
    }

    /// The attack: another command puts a link in the place of a directory after the search has met it, and of one above.
    #[test]
    fn a_directory_that_becomes_a_link_is_not_followed() {
        for trigger in ["a", "a/b"] {
            let host = tempfile::tempdir().unwrap();
            let place = |path: &str| host.path().join(path);
            for directory in ["tree/a/b/inside", "elsewhere/b/outside"] {
                std::fs::create_dir_all(place(directory)).unwrap();
            }
            let swapping = Swapping {
                trigger: place("tree").join(trigger),
                swap: place("tree/a"),
                target: place("elsewhere"),
            };
            let found = walk(&swapping, vec![(place("tree"), ())], &mut 100);
            let found: Vec<PathBuf> = found.ok().unwrap().into_iter().flatten().collect();
            let mut expected = vec![place("tree/a")];
            expected.extend((trigger == "a/b").then(|| place("tree/a/b")));
            assert_eq!(found, expected);
            // Control: the names lead there.
            assert!(place("tree/a/b/outside").is_dir());
        }
    }

    #[test]
    fn several_threads_find_what_one_finds() {
        let host = tempfile::tempdir().unwrap();
        for (a, b) in (0..30).flat_map(|a| (0..30).map(move |b| (a, b))) {
            std::fs::create_dir_all(host.path().join(format!("{a}/{b}/x"))).unwrap();
        }
        let all = found(host.path(), usize::MAX, 1830).unwrap();
        assert_eq!(all.len(), 1830);
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
        found(host.path(), usize::MAX, 1829).unwrap_err();
    }

    #[test]
    fn a_panic_in_one_thread_ends_the_others() {
        struct Panics;
        impl Visitor for Panics {
            type State = ();
            type Found = usize;

            fn visit(&self, _: &Path, _: PathKind, (): &(), seen: &mut usize) -> Option<()> {
                *seen += 1;
                assert!(*seen < 400, "expected");
                Some(())
            }

            fn closed(&self, _: &Path, (): &(), _: &mut usize) {}
        }
        let host = tempfile::tempdir().unwrap();
        for number in 0..2000 {
            std::fs::create_dir(host.path().join(number.to_string())).unwrap();
        }
        let ended = std::panic::catch_unwind(|| {
            walk(&Panics, vec![(host.path().to_owned(), ())], &mut 10_000).is_ok()
        });
        assert!(ended.is_err());
    }
}
