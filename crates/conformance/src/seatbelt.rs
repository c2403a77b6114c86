//! The answer of a system that is not here: what a Mac's kernel would say to the profile that the same rules become.
//!
//! Seatbelt has no mounts and no rights of directories. It asks about each operation, on the path that a file has without links. A
//! name is made and removed by an operation on that name alone, and given another one by both.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use sandbox_core::{Access, Attempt as Question, Ruleset, Verdict, escaped, resolve};
use sandbox_macos::{Facts, Profile};
use seatbelt::{Answer, Query, VnodeType};

use crate::random::NAMES;
use crate::{Attempt, Kind, Listing};

/// A profile, the rules that it is made of, and the tree that it is asked about.
#[derive(Clone, Debug)]
pub struct Seatbelt<'a> {
    profile: seatbelt::Profile,
    ruleset: &'a Ruleset,
    listing: &'a Listing,
    /// Where patterns hold that are not about it.
    moved_to: Vec<PathBuf>,
}

/// How the answers to an attempt go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "every runner knows all of it")]
pub enum Together {
    /// They are the same.
    Same,
    /// The profile denies that a name is made, moved or removed which the rules allow; or it says of a writable tree what a pattern does of
    /// another one, out of which directories can be moved there.
    Stricter,
    /// Links lead to what it is about, and others look at those.
    NotAsked,
}

impl<'a> Seatbelt<'a> {
    /// `None` where something is private, which macOS has not, or has a name that a profile can't say.
    #[must_use]
    pub fn of(ruleset: &'a Ruleset, listing: &'a Listing) -> Option<Self> {
        let mut rules = ruleset.files().iter();
        if rules.any(|rule| rule.access() == Access::Scratch) {
            return None;
        }
        let profile = Profile::compile(ruleset, &Facts::default()).ok()?;
        let text = profile.to_string();
        let profile = seatbelt::Profile::parse(&text);
        let moved_to = text
            .lines()
            .filter_map(|line| line.split_once(", moved to "));
        Some(Self {
            moved_to: moved_to.map(|(_, root)| root.into()).collect(),
            profile: profile.unwrap_or_else(|error| panic!("{error}\n{text}")),
            ruleset,
            listing,
        })
    }

    /// Puts an attempt to both.
    ///
    /// # Errors
    ///
    /// The profile allows what the rules deny, or would after a move; or it denies something else than names that the rules allow.
    pub fn compare(&self, attempt: &Attempt) -> Result<Together, String> {
        let Some(answer) = self.answer(attempt) else {
            return Ok(Together::NotAsked);
        };
        let said = self.decided(attempt);
        let is_about_names = matches!(
            attempt,
            Attempt::Create(_) | Attempt::Delete(_) | Attempt::Rename(..)
        );
        if let (Attempt::Rename(from, to), Answer::Allow) = (attempt, answer)
            && let Some(gained) = self.gained(from, to)
        {
            let ruleset = self.ruleset;
            let gained = escaped(gained.as_os_str());
            return Err(format!(
                "{attempt}: more is allowed of `{gained}`\n{ruleset}"
            ));
        }
        match (said, answer) {
            (Verdict::Allow, Answer::Allow) | (Verdict::Deny, Answer::Deny) => Ok(Together::Same),
            (Verdict::Allow, Answer::Deny)
                if is_about_names || self.is_moved_to(attempt.path()) =>
            {
                Ok(Together::Stricter)
            }
            _ => Err(format!(
                "{attempt}: the rules say {said}, the profile {answer:?}\n{}",
                self.ruleset
            )),
        }
    }

    /// Directories and files moved to other directories, under their own names and others, and into the place of what is there.
    pub fn moves(&self) -> impl Iterator<Item = Attempt> {
        let paths = || self.listing.paths().map(|(path, _)| path);
        let directories = self
            .listing
            .paths()
            .filter(|(_, kind)| **kind == Kind::Directory);
        directories.flat_map(move |(to, _)| {
            let from = paths().filter(move |from| !to.starts_with(from));
            from.flat_map(move |from| {
                let names = NAMES.map(OsStr::new);
                let names = names.into_iter().chain(from.file_name());
                let places = names.map(|name| to.join(name)).chain([to.to_owned()]);
                let places = places
                    .filter(move |place| !place.starts_with(from) && !from.starts_with(place));
                places.map(|place| Attempt::Rename(from.to_owned(), place))
            })
        })
    }

    fn is_moved_to(&self, path: &Path) -> bool {
        let mut roots = self.moved_to.iter();
        roots.any(|root| spelled(path).starts_with(root))
    }

    /// What the rules say of it. There, a name does not belong to the directory that holds it: only rules about itself count.
    fn decided(&self, attempt: &Attempt) -> Verdict {
        let decide = |question: &Question| self.ruleset.decide(question).verdict;
        let write = |path: &Path| decide(&Question::write(spelled(path)));
        let path = attempt.path();
        match attempt {
            Attempt::Read(_) | Attempt::List(_) | Attempt::Execute(_) => {
                decide(&Question::read(spelled(path)))
            }
            Attempt::Rename(from, to) if write(from) == Verdict::Allow => write(to),
            _ => write(path),
        }
    }

    fn answer(&self, attempt: &Attempt) -> Option<Answer> {
        let operations: &[(&str, &Path)] = match attempt {
            Attempt::Read(path) | Attempt::List(path) => &[("file-read-data", path)],
            Attempt::Execute(path) => &[("process-exec", path), ("file-read-data", path)],
            Attempt::Write(path) => &[("file-write-data", path)],
            Attempt::Create(path) => &[("file-write-create", path)],
            Attempt::Delete(path) => &[("file-write-unlink", path)],
            Attempt::Rename(from, to) => &[("file-write-unlink", from), ("file-write-create", to)],
        };
        let vnode = match self.listing.kind(attempt.path()) {
            Some(Kind::Directory) => VnodeType::Directory,
            _ => VnodeType::RegularFile,
        };
        let mut said = Answer::Allow;
        for (operation, path) in operations {
            match self.decide(operation, &without_links(path)?, vnode) {
                Answer::Allow => {}
                Answer::Deny => return Some(Answer::Deny),
                Answer::Unclear => said = Answer::Unclear,
            }
        }
        Some(said)
    }

    fn decide(&self, operation: &str, path: &Path, vnode: VnodeType) -> Answer {
        let query = Query::path(path.as_os_str().as_encoded_bytes()).of(vnode);
        self.profile.decide(operation, &query)
    }

    /// What the rules deny below a directory, and could be done under its new name.
    fn gained<'b>(&'b self, from: &'b Path, to: &Path) -> Option<&'b Path> {
        let gains = |path: &&Path| {
            let moved = path.strip_prefix(from).map(|rest| to.join(rest));
            let questions = [
                ("file-read-data", Question::read(path)),
                ("file-write-data", Question::write(path)),
                ("file-write-unlink", Question::write(path)),
            ];
            moved.is_ok_and(|moved| {
                questions.iter().any(|(operation, question)| {
                    self.decide(operation, &moved, VnodeType::RegularFile) != Answer::Deny
                        && self.ruleset.decide(question).verdict != Verdict::Allow
                })
            })
        };
        self.listing.below(from).find(gains)
    }
}

/// The path, if no link is on the way to its last name, nor there.
fn without_links(path: &Path) -> Option<PathBuf> {
    let resolved = resolve(path).ok()?;
    resolved.links.is_empty().then_some(resolved.path)
}

/// Without `.` and `..`, where there are no links.
fn spelled(path: &Path) -> PathBuf {
    without_links(path).unwrap_or_else(|| path.to_owned())
}
