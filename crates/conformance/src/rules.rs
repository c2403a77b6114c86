//! The first answer: what the rules say, by `decide` alone.
//!
//! `decide` knows reading and writing of resolved paths. What the other operations ask of it is said here: a name
//! belongs to the directory that holds it, so to make or remove it takes the right to write both; and to give a
//! directory another name is to write everything in it.

use std::path::{Path, PathBuf};

use sandbox_core::{Access, Attempt as Question, Ruleset, Verdict, resolve};

use crate::{Attempt, Kind, Listing};

/// What the rules say to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Said {
    /// Whether it is allowed.
    pub verdict: Verdict,
    /// A private directory lies in the place of what the host has there.
    pub is_replaced: bool,
    /// Only the rule about a name that does not exist is against it: what the command makes is its own.
    pub is_about_new_name: bool,
}

/// What the rules say to an attempt on a host with this tree.
#[must_use]
pub fn ask(ruleset: &Ruleset, listing: &Listing, attempt: &Attempt) -> Said {
    let rules = Rules { ruleset, listing };
    let mut said = Said {
        verdict: Verdict::Deny,
        is_replaced: false,
        is_about_new_name: false,
    };
    let is_allowed = match attempt {
        Attempt::Read(path) | Attempt::List(path) | Attempt::Execute(path) => rules
            .target(path)
            .is_some_and(|path| rules.allows(&Question::read(&path), &path, &mut said)),
        Attempt::Write(path) => rules
            .target(path)
            .is_some_and(|path| rules.allows(&Question::write(&path), &path, &mut said)),
        Attempt::Create(path) => rules
            .name(path)
            .is_some_and(|path| rules.may_make(&path, &mut said)),
        Attempt::Delete(path) => rules
            .name(path)
            .is_some_and(|path| rules.may_remove(&path, &mut said)),
        Attempt::Rename(from, to) => match (rules.name(from), rules.name(to)) {
            (Some(from), Some(to)) => {
                rules.may_remove(&from, &mut said) && rules.may_make(&to, &mut said)
            }
            _ => false,
        },
    };
    if is_allowed {
        said.verdict = Verdict::Allow;
    }
    said
}

struct Rules<'a> {
    ruleset: &'a Ruleset,
    listing: &'a Listing,
}

impl Rules<'_> {
    fn decide(&self, question: &Question) -> bool {
        self.ruleset.decide(question).verdict == Verdict::Allow
    }

    fn allows(&self, question: &Question, path: &Path, said: &mut Said) -> bool {
        let access = self.ruleset.files().access(path).0;
        said.is_replaced |= access == Access::Scratch;
        self.decide(question)
    }

    /// Where a path leads, if each link on the way may be read, and each directory that `..` leaves.
    fn target(&self, path: &Path) -> Option<PathBuf> {
        let mut way = PathBuf::new();
        for component in path {
            if component == ".." {
                let left = resolve(&way).ok()?.path;
                if !self.decide(&Question::read(left)) {
                    return None;
                }
            }
            way.push(component);
        }
        let resolved = resolve(path).ok()?;
        // Those of rules lead where the rules say.
        let of_rules = self.ruleset.files().links();
        let is_rules = |link: &Path| of_rules.iter().any(|rules| rules.path() == link);
        resolved
            .links
            .iter()
            .all(|(link, _)| is_rules(link) || self.decide(&Question::read(link)))
            .then_some(resolved.path)
    }

    /// Where a name is, links on the way to it followed.
    fn name(&self, path: &Path) -> Option<PathBuf> {
        Some(self.target(path.parent()?)?.join(path.file_name()?))
    }

    fn may_make(&self, path: &Path, said: &mut Said) -> bool {
        let Some(directory) = path.parent() else {
            return false;
        };
        if !self.allows(&Question::write(directory), directory, said) {
            return false;
        }
        let is_allowed = self.decide(&Question::write(path));
        said.is_about_new_name = !is_allowed;
        is_allowed
    }

    fn may_remove(&self, path: &Path, said: &mut Said) -> bool {
        let Some(directory) = path.parent() else {
            return false;
        };
        let is_scratch = |path: &Path| self.ruleset.files().access(path).0 == Access::Scratch;
        let is_ours = |path: &Path| {
            // A link is removed, not what it leads to, which `decide` would follow.
            let is_link = matches!(self.listing.kind(path), Some(Kind::Symlink(_)));
            is_link || self.decide(&Question::write(path))
        };
        // A private directory lies over a name, which it holds.
        let is_boundary = |path: &Path| is_scratch(path) && !is_scratch(directory);
        self.allows(&Question::write(directory), directory, said)
            && std::iter::once(path)
                .chain(self.listing.below(path))
                .all(|path| is_ours(path) && !is_boundary(path))
    }
}
