//! What a rename may change without anybody writing a file: which names below a directory are protected, or only readable.
//!
//! The attack: `mv g .git`, where `g/config` was an ordinary file; or a file that is made in a directory while another thread
//! moves that directory. Whoever decides by name decides before the call is done, and that is sound only if no move changes what was
//! decided about the names below. So such moves are refused, whether something lies there or not: then it does not matter when
//! they come.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::{FileRule, FileRules};
use crate::decide::is_resolved;
use crate::git::is_named_as_git_directory;
use crate::place::{self, is_within};
use crate::protected::{self, spelling};
use crate::{Access, Attempt, Ruleset, Verdict};

impl Ruleset {
    /// Whether every name below a directory is decided alike before and after a rename of it. Both paths are resolved, and the names
    /// themselves are decided by [`decide`](Self::decide).
    ///
    /// ```
    /// # use sandbox_core::{Context, Policy, Ruleset};
    /// let ruleset = Ruleset::resolve(&Policy::default().read("/").write("/srv"), &Context::new("/")).unwrap();
    /// assert!(ruleset.keeps_names("/srv/a".as_ref(), "/srv/b".as_ref()));
    /// assert!(!ruleset.keeps_names("/srv/a".as_ref(), "/srv/.git".as_ref()));
    /// ```
    #[must_use]
    pub fn keeps_names(&self, from: &Path, to: &Path) -> bool {
        let files = self.files();
        is_resolved(from)
            && is_resolved(to)
            && files.has_way_alike(from, to)
            && files.scope_below(from) == files.scope_below(to)
            && !files.has_exception_below(from)
            && !files.has_exception_below(to)
            && files.lowering().all(|rule| treats_alike(rule, from, to))
    }

    /// Whether a protected path may come to lie below this one: `.git`, whatever is in it. A link or a file there says where a tool
    /// looks instead, so that only directories may be made there. Not for a path that a rule names, and lets be written; and
    /// a file says nothing in a git directory of a submodule, where each name could as well be a part of the submodule's.
    ///
    /// ```
    /// # use sandbox_core::{Context, Policy, Ruleset};
    /// let ruleset = Ruleset::resolve(&Policy::default().read("/").write("/srv"), &Context::new("/")).unwrap();
    /// assert!(ruleset.leads_to_protected("/srv/a/.git".as_ref()));
    /// assert!(!ruleset.leads_to_protected("/srv/a".as_ref()));
    /// ```
    #[must_use]
    pub fn leads_to_protected(&self, path: &Path) -> bool {
        self.files().way_to_protected(path).is_some()
    }

    /// Whether a symbolic link to `target` may be made: not where protected paths may go by, since what is read through it would
    /// be protected in another way, and not in git's own directories, where the person's git would write through it. A link to
    /// an ordinary name beside it is one: git tries with that what a file system can do.
    ///
    /// ```
    /// # use sandbox_core::{Context, Policy, Ruleset};
    /// let ruleset = Ruleset::resolve(&Policy::default().read("/").write("/srv"), &Context::new("/")).unwrap();
    /// let may = |path: &str, target: &str| ruleset.may_link(path.as_ref(), target.as_ref());
    /// assert!(may("/srv/a", "/opt"));
    /// assert!(may("/srv/.git/modules/a/x", "testing"));
    /// assert!(!may("/srv/.git/FETCH_HEAD", "/home/ana/.bashrc"));
    /// assert!(!may("/srv/.git/modules/a/x", "/opt"));
    /// assert!(!may("/srv/.git", "git"));
    /// ```
    #[must_use]
    pub fn may_link(&self, path: &Path, target: &OsStr) -> bool {
        let files = self.files();
        let mut names = Path::new(target).components();
        let beside = match (names.next(), names.next(), place::above(path)) {
            (Some(Component::Normal(name)), None, Some(above)) => Some(above.join(name)),
            _ => None,
        };
        let is_ordinary =
            |beside: &Path| self.decide(&Attempt::write(beside)).verdict == Verdict::Allow;
        let is_beside = |beside: PathBuf| {
            files.is_any_name(path) && is_ordinary(&beside) && self.keeps_names(path, &beside)
        };
        files.may_link_anywhere(path) || beside.is_some_and(is_beside)
    }

    /// Whether a path is not protected as it is spelled, but would be in the spelling of the table, or its beginning: what a file system that
    /// takes both for the same makes of it. Not for a path below one that a rule names.
    ///
    /// ```
    /// # use sandbox_core::{Context, Policy, Ruleset};
    /// let ruleset = Ruleset::resolve(&Policy::default().read("/").write("/srv"), &Context::new("/")).unwrap();
    /// assert!(ruleset.protects_alike("/srv/.GIT/hooks".as_ref()));
    /// assert!(!ruleset.protects_alike("/srv/README".as_ref()));
    /// ```
    #[must_use]
    pub fn protects_alike(&self, path: &Path) -> bool {
        let files = self.files();
        let (Access::Write, Some(rule)) = files.access(path) else {
            return false;
        };
        if files.asked.is_nothing() {
            return false;
        }
        let root = rule.path();
        let is_protected = |path: &Path| {
            let protected = protected::innermost(path, root, &files.asked);
            protected.is_some_and(|(protected, _)| !root.starts_with(protected))
                || protected::led_to(path, root, &files.asked).is_some()
        };
        spelling::has_short_name(path, root)
            || spelling::plain(path, root).is_some_and(|plain| is_protected(&plain))
    }
}

impl FileRules {
    /// The first protected path that may come to lie below this one.
    pub(crate) fn way_to_protected(
        &self,
        path: &Path,
    ) -> Option<&'static protected::ProtectedPath> {
        let is_ordinary = || self.is_named(path) || self.is_any_name(path);
        self.way(path).filter(|_| !is_ordinary())
    }

    /// Whether a symbolic link may be made, wherever it leads.
    pub(crate) fn may_link_anywhere(&self, path: &Path) -> bool {
        !self.is_way(path) && git_around(path).is_none() || self.is_named(path)
    }

    pub(crate) fn is_way(&self, path: &Path) -> bool {
        self.way(path).is_some()
    }

    /// Whether a rule that somebody wrote is about this very path.
    fn is_named(&self, path: &Path) -> bool {
        let rule = self.access(path).1;
        rule.is_some_and(|rule| rule.path() == path && rule.source.is_written())
    }

    /// Whether the same protected paths go by both, and none but within one git directory: what settings name beside them is another thing
    /// beside another one.
    fn has_way_alike(&self, from: &Path, to: &Path) -> bool {
        // Nor do links come into one that were made outside of it.
        if !self.asked.is_nothing() && git_around(from) != git_around(to) {
            return false;
        }
        match (self.way(from), self.way(to)) {
            (None, None) => true,
            _ => {
                self.is_any_name(from) && self.is_any_name(to) && self.rests(from) == self.rests(to)
            }
        }
    }

    /// Whether a name in a git directory, perhaps of a submodule, is on the way of no more than any other one there.
    fn is_any_name(&self, path: &Path) -> bool {
        place::above(path).is_some_and(|above| {
            is_named_as_git_directory(above) && self.rests(path) == self.rests(&above.join("any"))
        })
    }

    /// What is left below a path of each protected path that it is on the way of.
    fn rests(&self, path: &Path) -> BTreeSet<Vec<&'static str>> {
        if self.asked.is_nothing() {
            return BTreeSet::new();
        }
        protected::rests_below(path, &self.root_of(path), &self.asked)
    }

    fn way(&self, path: &Path) -> Option<&'static protected::ProtectedPath> {
        if self.asked.is_nothing() {
            return None;
        }
        protected::led_to(path, &self.root_of(path), &self.asked)
    }

    /// The patterns that may deny a name where all around it may be written.
    fn lowering(&self) -> impl Iterator<Item = &FileRule> {
        let globs = self.globs.iter().map(AsRef::as_ref);
        globs.filter(|rule| rule.access != Access::Write)
    }

    fn scope_below(&self, path: &Path) -> Option<protected::Scope> {
        (!self.asked.is_nothing()).then(|| protected::scope_below(path, &self.root_of(path)))
    }

    /// Where the writable tree begins that a path lies in, as for [`protection`](crate::decide::protection).
    fn root_of(&self, path: &Path) -> PathBuf {
        let rule = self.access(path).1;
        rule.map_or_else(|| path.to_owned(), |rule| rule.path().to_owned())
    }

    /// Whether a rule says of something below a path, there or not, what would not hold for it elsewhere.
    fn has_exception_below(&self, path: &Path) -> bool {
        let is_below = |other: &Path| other != path && is_within(other, path);
        let rules = self.literals.iter().chain(&self.globs);
        rules
            .filter(|rule| self.is_exception(rule))
            .any(|rule| is_below(rule.path()))
            || self.absent_secrets().any(|(path, _)| is_below(&path))
    }

    /// One that lets something be written is an exception where it opens what is protected or otherwise denied there, and among
    /// dependencies, where the settings below it are its own.
    fn is_exception(&self, rule: &FileRule) -> bool {
        let (path, everything) = (rule.path(), Path::new("/"));
        let around = place::above(path).map(|above| self.access(above).0);
        rule.access != Access::Write
            || around.is_some_and(|around| around != Access::Write)
            || protected::innermost(path, everything, &self.asked).is_some()
            || protected::scope_below(path, everything) == protected::Scope::Everywhere
    }
}

/// The git directory that a path lies in, in whatever spelling.
fn git_around(path: &Path) -> Option<&Path> {
    let is_git = |path: &&Path| {
        path.file_name()
            .is_some_and(|it| spelling::may_be(it, ".git"))
    };
    place::above(path).and_then(|above| place::upwards(above).find(is_git))
}

/// Whether a pattern says the same of each name below one directory as below the other.
fn treats_alike(rule: &FileRule, from: &Path, to: &Path) -> bool {
    let Some(glob) = &rule.glob else { return true };
    let progress = |directory: &Path| {
        if is_within(directory, glob.prefix()) {
            glob.progress(directory)
        } else {
            Some(0)
        }
    };
    // A name that matches has its answer for all that is below.
    let matches = |directory: &Path| glob.longest_match(directory).is_some();
    progress(from).is_some_and(|from| progress(to) == Some(from)) && matches(from) == matches(to)
}

#[cfg(test)]
mod tests {
    use crate::{Attempt, Context, Policy, Ruleset, Verdict};

    fn ruleset(policy: &Policy) -> Ruleset {
        Ruleset::resolve(policy, &Context::new("/")).unwrap()
    }

    fn written() -> Policy {
        Policy::default().read("/").write("/srv")
    }

    #[test]
    fn a_move_that_would_change_what_is_protected_below_is_none() {
        let rules = ruleset(&written());
        for (from, to, expected) in [
            ("/srv/a", "/srv/b", true),
            ("/srv/a", "/srv/b/.git/objects/ab", false),
            ("/srv/.git/objects/ab", "/srv/ab", false),
            ("/srv/.git/objects/x", "/srv/.git/objects/ab", true),
            ("/srv/a", "/srv/.git", false),
            ("/srv/.git", "/srv/a", false),
            ("/srv/a", "/srv/b/.git", false),
            ("/srv/a", "/srv/.config", false),
            ("/srv/a", "/srv/.git/modules", false),
            ("/srv/a", "/srv/.git/modules/x/y", false),
            ("/srv/a", "/srv/.git/worktrees/x", false),
            ("/srv/.git", "/srv/a/.git", false),
            ("/srv/.git/modules/x", "/srv/.git/modules/y", false),
            ("/srv/.git/modules/x/h.lock", "/srv/.git/modules/x/h", true),
            ("/srv/.git/modules/x/y", "/srv/.git/modules/z/u/v", true),
            ("/srv/.git/modules/x/y", "/srv/.git/modules/x/info", false),
            ("/srv/.git/modules/x/y", "/srv/.git/modules/x/.git", false),
            ("/srv/.git/modules/x/y", "/srv/a/.git/modules/x/y", false),
            ("/srv/.git/modules/x/y", "/srv/.git/y", false),
            // Ordinary names below a directory of dependencies are protected outside of it.
            ("/srv/node_modules/x", "/srv/x", false),
            ("/srv/x", "/srv/node_modules/x", false),
            ("/srv/node_modules/.x-1", "/srv/node_modules/x", true),
            ("/srv/modules", "/srv/node_modules", false),
            ("/srv/../x", "/srv/y", false),
        ] {
            let found = rules.keeps_names(from.as_ref(), to.as_ref());
            assert_eq!(found, expected, "{from} to {to}");
        }
    }

    /// A file where any other name may be as well says nothing; a link does, but to a name beside it.
    #[test]
    fn files_may_be_made_in_what_submodules_have() {
        let rules = ruleset(&written());
        for (path, file, beside, elsewhere) in [
            ("/srv/a", true, true, true),
            ("/srv/.git/HEAD", true, true, false),
            ("/srv/.git/objects/ab/c", true, false, false),
            ("/srv/.git/modules/x/HEAD", true, true, false),
            ("/srv/.git/worktrees/x/modules/y/HEAD", true, true, false),
            ("/srv/.git/modules/x/refs/heads/y", true, true, false),
            ("/srv/.git/modules/x/info", false, false, false),
            ("/srv/.git/modules/x/.git", false, false, false),
            ("/srv/.git/modules/x", false, false, false),
            ("/srv/.git/modules", false, false, false),
            ("/srv/.git/worktrees/x", false, false, false),
            ("/srv/.git", false, false, false),
        ] {
            let path: &std::path::Path = path.as_ref();
            assert_eq!(!rules.leads_to_protected(path), file, "{path:?}");
            assert_eq!(rules.may_link(path, "testing".as_ref()), beside, "{path:?}");
            for target in ["/opt", "../x", "a/b", "..", ".", ""] {
                let found = rules.may_link(path, target.as_ref());
                assert_eq!(found, elsewhere, "{path:?}: {target}");
            }
        }
        for (path, beside) in [
            ("/srv/.git/modules/x/y", "info"),
            ("/srv/.git/modules/x/y", "config"),
            ("/srv/.git/modules/x/y", ".git"),
            ("/srv/.git/y", "config"),
            ("/srv/.git/y", "hooks"),
            ("/srv/.git/y", ".git"),
            ("/srv/.git/y", "modules"),
        ] {
            assert!(
                !rules.may_link(path.as_ref(), beside.as_ref()),
                "{path}: {beside}"
            );
        }
    }

    #[test]
    fn a_move_that_would_change_what_rules_say_below_is_none() {
        let rules = ruleset(
            &written()
                .read("/srv/a/b")
                .read_matching("/srv/**/.env")
                .read_matching("/srv/s/**")
                .read_matching("/srv/*/key"),
        );
        for (from, to, expected) in [
            ("/srv/x/y", "/srv/a", false),
            ("/srv/a", "/srv/x/y", false),
            ("/srv/x/y", "/srv/s", false),
            ("/srv/x/y", "/srv/z", false),
            ("/srv/z", "/srv/u", true),
            ("/srv/x/y/z", "/srv/x/y/u", true),
        ] {
            assert_eq!(
                rules.keeps_names(from.as_ref(), to.as_ref()),
                expected,
                "{from} to {to}"
            );
        }
        let by_name = ruleset(
            &written()
                .read_matching("/srv/**/.env")
                .hide_matching("/srv/**/d/*"),
        );
        for (from, to, expected) in [
            ("/srv/x", "/srv/y/x", true),
            ("/srv/x", "/srv/d", false),
            ("/srv/d", "/srv/y/d", true),
        ] {
            assert_eq!(
                by_name.keeps_names(from.as_ref(), to.as_ref()),
                expected,
                "{from} to {to}"
            );
        }
    }

    /// A rule opens a protected path where it is, and not where it might be moved.
    #[test]
    fn a_move_that_would_take_along_what_a_rule_opens_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let root = crate::resolve(directory.path()).unwrap().path;
        let at = |path: &str| root.join(path);
        std::fs::create_dir_all(at("a")).unwrap();
        std::fs::write(at("a/.envrc"), "").unwrap();
        let policy = Policy::default().read("/").write(&root);
        let rules = ruleset(&policy.write(at("a/.envrc")));
        for (from, to, expected) in [("a", "b", false), ("b", "a", false), ("b", "c", true)] {
            assert_eq!(
                rules.keeps_names(&at(from), &at(to)),
                expected,
                "{from} to {to}"
            );
        }
    }

    /// What it is there for: whatever may be moved, a name below is decided alike on both sides.
    #[test]
    fn what_keeps_its_names_is_decided_alike_below() {
        let rules = ruleset(
            &written()
                .read("/srv/a/config")
                .read_matching("/srv/**/*.pem"),
        );
        let places = [
            "/srv/a",
            "/srv/b",
            "/srv/.git",
            "/srv/b/.git",
            "/srv/b/.config",
            "/srv/vendor",
            "/srv/vendor/x",
            "/srv/.git/modules/x",
        ];
        let below = [
            "config",
            "hooks/x",
            "fish/y",
            ".vscode/z",
            "x.pem",
            ".git/config",
            "y/hooks",
        ];
        let mut kept = 0;
        for from in places {
            for to in places {
                if from == to || !rules.keeps_names(from.as_ref(), to.as_ref()) {
                    continue;
                }
                kept += 1;
                for name in below {
                    let verdict = |directory: &str| {
                        rules
                            .decide(&Attempt::write(format!("{directory}/{name}")))
                            .verdict
                            == Verdict::Allow
                    };
                    assert_eq!(verdict(from), verdict(to), "{from} to {to}: {name}");
                }
            }
        }
        assert!(kept > 0);
    }

    #[test]
    fn a_protected_name_is_known_in_every_spelling_of_any_file_system() {
        let ruleset = ruleset(&written());
        for (path, expected) in [
            ("/srv/.GIT/hooks", true),
            ("/srv/a/.Git/Config", true),
            ("/srv/.GIT", true),
            ("/srv/.EnvRC", true),
            ("/srv/.v\u{17f}code/tasks.json", true),
            ("/srv/.con\u{fb01}g/fi\u{17f}h/x", true),
            ("/srv/.hu\u{212a}y", false),
            ("/srv/.hus\u{212a}y", true),
            ("/srv/.g\u{200c}it/config", true),
            ("/srv/.vscode./x", true),
            ("/srv/.envrc ", true),
            ("/srv/.git::$INDEX_ALLOCATION/config", true),
            ("/srv/GIT~1/config", true),
            ("/srv/ENVRC~1", true),
            ("/srv/.RPROFILE", true),
            ("/srv/node_modules/x/.VSCODE", false),
            ("/srv/Makefile", false),
            ("/srv/README.md.~1~", false),
            ("/srv/src/.", false),
            // Its own spelling is no other.
            ("/srv/.envrc", false),
            ("/SRV/.ENVRC", false),
        ] {
            assert_eq!(ruleset.protects_alike(path.as_ref()), expected, "{path}");
        }
    }

    #[test]
    fn what_a_rule_names_is_open_in_every_spelling() {
        let directory = tempfile::tempdir().unwrap();
        let opened = crate::resolve(directory.path())
            .unwrap()
            .path
            .join(".vscode");
        std::fs::create_dir(&opened).unwrap();
        let ruleset = ruleset(&Policy::default().read("/").write(&opened));
        assert!(!ruleset.protects_alike(&opened.join("Tasks.json")));
        assert!(ruleset.protects_alike(&opened.join(".ENVRC")));
    }
}
