//! The first answer: what the rules say, by `decide` alone.
//!
//! `decide` knows reading and writing of resolved paths. What the other operations ask of it is said here: a name
//! belongs to the directory that holds it, so to make or remove it takes the right to write both; and to give a
//! directory another name is to write everything in it.

use std::path::{Path, PathBuf};

use sandbox_core::{Access, Attempt as Question, Ruleset, Verdict, is_within, resolve};

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
            .target(path, &mut said)
            .is_some_and(|path| rules.allows(&Question::read(&path), &path, &mut said)),
        Attempt::Write(path) => rules
            .target(path, &mut said)
            .is_some_and(|path| rules.allows(&Question::write(&path), &path, &mut said)),
        Attempt::Create(path) => rules
            .name(path, &mut said)
            .is_some_and(|path| rules.may_make(&path, &mut said)),
        Attempt::Delete(path) => rules
            .name(path, &mut said)
            .is_some_and(|path| rules.may_remove(&path, &mut said)),
        Attempt::Rename(from, to) => match (rules.name(from, &mut said), rules.name(to, &mut said))
        {
            (Some(from), Some(to)) => {
                rules.may_remove(&from, &mut said)
                    && rules.may_make(&to, &mut said)
                    && rules.keeps(&from, &to)
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

    /// Where a path leads, if each directory may be read in which a link is followed, or that `..` leaves.
    fn target(&self, path: &Path, said: &mut Said) -> Option<PathBuf> {
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
        for (link, _) in &resolved.links {
            let directory = link.parent()?;
            if is_rules(link) {
                continue;
            }
            if !self.allows(&Question::read(directory), directory, said) {
                return None;
            }
        }
        Some(resolved.path)
    }

    /// Where a name is, links on the way to it followed.
    fn name(&self, path: &Path, said: &mut Said) -> Option<PathBuf> {
        Some(self.target(path.parent()?, said)?.join(path.file_name()?))
    }

    fn may_make(&self, path: &Path, said: &mut Said) -> bool {
        let Some(directory) = path.parent() else {
            return false;
        };
        let may_change = self.allows(&Question::write(directory), directory, said);
        if !may_change && !self.is_opened(path) {
            return false;
        }
        let is_allowed = self.decide(&Question::write(path));
        said.is_about_new_name = !is_allowed;
        is_allowed
    }

    /// Whether a rule is about the name, or what it lies in, and not about the directory, which can only be read.
    fn is_opened(&self, path: &Path) -> bool {
        let openings = self.ruleset.openings();
        openings
            .iter()
            .any(|opening| is_within(path, &opening.path))
    }

    /// Whether it takes no name away that a rule is about, also a link's own, and changes nothing for what is below. In what is private
    /// nothing is decided by name.
    fn keeps(&self, from: &Path, to: &Path) -> bool {
        self.ruleset.files().access(from).0 == Access::Scratch
            || self.decide(&Question::write(from)) && self.ruleset.keeps_names(from, to)
    }

    fn may_remove(&self, path: &Path, said: &mut Said) -> bool {
        let Some(directory) = path.parent() else {
            return false;
        };
        let access = |path: &Path| self.ruleset.files().access(path).0;
        // What is private and what is the host's hold the names that they lie over.
        let is_boundary = |path: &Path| access(path) != access(directory);
        // A link is removed, not what it leads to, which `decide` would follow.
        let is_link = |path: &Path| matches!(self.listing.kind(path), Some(Kind::Symlink(_)));
        // Of links only those stay that a rule hides by their name.
        let is_ours = |path: &Path| {
            if is_link(path) {
                access(path) != Access::Hide
            } else {
                self.decide(&Question::write(path)) && !is_boundary(path)
            }
        };
        self.allows(&Question::write(directory), directory, said)
            && (is_link(path) || is_ours(path))
            && self.listing.below(path).all(is_ours)
    }
}
