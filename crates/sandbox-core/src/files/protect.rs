//! Protected paths of the table that exist: read-only, as far as the way to them can be seen.
//!
//! The attack: `chmod 0 .git`, after which `.git/hooks` looks as if it were not there, and `chmod 755 .git` in the next
//! run. The directory in which the look ended is protected as a whole.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::anchors::Anchors;
use super::nested::nested;
use super::{Anchor, FileRules};
use crate::decide::protection;
use crate::git::is_named_as_git_directory;
use crate::problem::RuleProblem;
use crate::protected::{ProtectedPath, all, is_named, protected, rests};
use crate::resolve::{PathKind, Resolver};
use crate::{Access, PolicyError, Ruleset, Source};

/// Names in one directory that are gone through for `*`, and that are found with one suffix; with more of them, all of it is
/// protected as one.
const MAX_WILD: usize = 1024;
/// Directories that are gone through for one `**`.
const MAX_DIRECTORIES: usize = 8192;
/// Levels of one `**`.
const MAX_LEVELS: usize = 32;

/// Directories of a git directory with very much in them, and no other git directory: that of a submodule `a/b` lies
/// between them.
const GIT_CONTENT: [&str; 4] = ["objects", "refs", "logs", "lfs"];

/// Adds the protected paths that exist at the root of each writable tree, and further down where they are searched for.
pub(super) fn protect(
    files: &FileRules,
    anchors: &mut Anchors<'_>,
    resolver: &Resolver,
) -> Result<(), PolicyError> {
    if files.asked.is_nothing() {
        return Ok(());
    }
    let roots: Vec<PathBuf> = anchors
        .list
        .iter()
        .filter(|anchor| anchor.access == Access::Write && anchor.kind == PathKind::Directory)
        .map(|anchor| anchor.path.clone())
        .collect();
    protect_settings(anchors);
    let nested =
        nested(files, &roots).map_err(|(root, problem)| unreadable(files, &root, problem))?;
    for root in roots.into_iter().chain(nested) {
        let mut present = resolver.present(&root, protected());
        present.retain(|entry| entry.is_in_effect(&files.asked));
        // What is called so may lead to each of these.
        if present.iter().any(|entry| entry.path.starts_with(".git/")) {
            protect_git_file(files, anchors, resolver, &root);
        }
        let whole = present.iter().map(|entry| entry.parts());
        // The root may itself be a part of the way.
        let way = rests(&root, &files.asked);
        // That of a submodule has in it what any has.
        let as_git = (is_named_as_git_directory(&root) && !root.ends_with(".git"))
            .then(|| rests(Path::new("/.git"), &files.asked))
            .into_iter()
            .flatten();
        let rests = way.chain(as_git).map(<[_]>::to_vec);
        for parts in whole.chain(rests) {
            let found = existing(&root, &parts, resolver);
            for found in found.map_err(|problem| unreadable(files, &root, problem))? {
                protect_one(files, anchors, &found);
            }
        }
    }
    Ok(())
}

impl Ruleset {
    /// The protected paths of the table at the top of `root`, a writable tree, whether they exist or not, but for those that are
    /// known by a part of their name, and git's own in `.git`, which git itself has to write anew.
    ///
    /// ```
    /// # use std::path::Path;
    /// # use sandbox_core::{Context, Policy, Ruleset};
    /// let ruleset = Ruleset::resolve(&Policy::default().read("/").write("/srv"), &Context::new("/")).unwrap();
    /// assert!(ruleset.protected_at("/srv".as_ref()).contains(&Path::new("/srv/.vscode").into()));
    /// ```
    #[must_use]
    pub fn protected_at(&self, root: &Path) -> Vec<PathBuf> {
        let files = self.files();
        let is_named = |entry: &&ProtectedPath| {
            entry.is_in_effect(&files.asked)
                && !entry.path.contains('*')
                && !entry.path.starts_with(".git/")
        };
        let is_protected = |path: &PathBuf| {
            protection(files, path).is_some_and(|(protected, _)| protected == path)
        };
        let paths = all().filter(is_named).map(|entry| root.join(entry.path));
        paths.filter(is_protected).collect()
    }
}

/// The `.git` of a linked worktree or a submodule is a file that says where the repository is, and so which hooks and
/// settings are obeyed. As a directory it is protected by what is in it.
fn protect_git_file(
    files: &FileRules,
    anchors: &mut Anchors<'_>,
    resolver: &Resolver,
    root: &Path,
) {
    let path = root.join(".git");
    let is_file = resolver
        .kind(&path)
        .is_ok_and(|kind| kind == PathKind::File);
    if is_file && files.access(&path).0 == Access::Write && files.literal(&path).is_none() {
        anchors.entry(Anchor {
            source: Source::Protected,
            ..Anchor::new(path, Access::Read, PathKind::File)
        });
    }
}

/// Settings of a repository elsewhere that has another name than `.git`.
fn protect_settings(anchors: &mut Anchors<'_>) {
    let is_config = |path: &Path| path.ends_with("config") || path.ends_with("config.worktree");
    for anchor in &mut anchors.list {
        let is_opened = anchor.source == Source::Repository && anchor.access == Access::Write;
        if is_opened && anchor.kind == PathKind::File && is_config(&anchor.path) {
            anchor.access = Access::Read;
        }
    }
}

fn unreadable(files: &FileRules, root: &Path, problem: RuleProblem) -> PolicyError {
    let rule = files.access(root).1;
    PolicyError::Rule {
        at: rule.map_or(Source::Protected, |rule| rule.source.clone()),
        text: rule.map_or_else(|| root.into(), |rule| rule.text().to_owned()),
        problem,
    }
}

fn protect_one(files: &FileRules, anchors: &mut Anchors<'_>, found: &Found) {
    let path = found.path.as_path();
    let is_protected = if found.whole {
        files.access(path).0 == Access::Write
    } else {
        protection(files, path).is_some()
    };
    if !is_protected {
        return;
    }
    let read = Anchor {
        source: Source::Protected,
        ..Anchor::new(path, Access::Read, found.kind)
    };
    if let Some(anchor) = anchors.entry(read.clone())
        && anchor.access == Access::Write
    {
        *anchor = read;
    }
}

/// What a protected path of the table is on this machine.
struct Found {
    path: PathBuf,
    kind: PathKind,
    /// It stands for what is in it: too much to go through, or closed to us.
    whole: bool,
}

impl Found {
    fn whole(directory: &Path) -> Self {
        Self {
            path: directory.to_owned(),
            kind: PathKind::Directory,
            whole: true,
        }
    }
}

/// The existing paths below a directory that these parts name, without following a link on the way. The tree is
/// foreign: its size is bounded.
fn existing(
    directory: &Path,
    parts: &[&str],
    resolver: &Resolver,
) -> Result<Vec<Found>, RuleProblem> {
    let Some((part, rest)) = parts.split_first() else {
        return Ok(Vec::new());
    };
    if part.starts_with("*.") {
        return with_suffix(directory, part, resolver);
    }
    // What is everything in it is it.
    if *part == "*" && rest.is_empty() {
        return Ok(vec![Found::whole(directory)]);
    }
    if part.starts_with('*') {
        let mut search = Wild {
            parts,
            resolver,
            found: Vec::new(),
            left: MAX_DIRECTORIES,
        };
        let is_complete = search.enter(directory, 0)?;
        return Ok(if is_complete {
            search.found
        } else {
            vec![Found::whole(directory)]
        });
    }
    named(directory.join(part), rest, directory, resolver)
}

/// What a path is that a part names, with the parts below it.
fn named(
    path: PathBuf,
    rest: &[&str],
    directory: &Path,
    resolver: &Resolver,
) -> Result<Vec<Found>, RuleProblem> {
    Ok(match resolver.kind(&path) {
        Ok(PathKind::Missing) => Vec::new(),
        Ok(kind) if rest.is_empty() => vec![Found {
            path,
            kind,
            whole: false,
        }],
        Ok(PathKind::Directory) => existing(&path, rest, resolver)?,
        Ok(_) => Vec::new(),
        Err(io::ErrorKind::PermissionDenied) => vec![Found::whole(directory)],
        Err(kind) => return Err(RuleProblem::Unreachable { at: path, kind }),
    })
}

/// The existing names with a suffix. Of a directory that can't be listed none is known: there they are decided by name alone.
fn with_suffix(
    directory: &Path,
    part: &str,
    resolver: &Resolver,
) -> Result<Vec<Found>, RuleProblem> {
    let names = resolver.names(directory).unwrap_or_default();
    let mut names: Vec<_> = names.keys().filter(|name| is_named(name, part)).collect();
    if names.len() > MAX_WILD {
        return Ok(vec![Found::whole(directory)]);
    }
    names.sort();
    let mut found = Vec::new();
    for name in names {
        found.extend(named(directory.join(name), &[], directory, resolver)?);
    }
    Ok(found)
}

/// The search for what a wildcard and the parts after it name.
struct Wild<'a> {
    /// The wildcard first.
    parts: &'a [&'a str],
    resolver: &'a Resolver,
    found: Vec<Found>,
    left: usize,
}

impl Wild<'_> {
    /// Goes through one level. `false` is too much to go through.
    fn enter(&mut self, directory: &Path, level: usize) -> Result<bool, RuleProblem> {
        let Some(names) = self.resolver.names(directory) else {
            self.found.push(Found::whole(directory));
            return Ok(true);
        };
        if names.len() > MAX_WILD || level > MAX_LEVELS {
            return Ok(false);
        }
        let is_git = names.contains_key(OsStr::new("HEAD"));
        let mut names: Vec<_> = names
            .iter()
            .filter(|(_, kind)| kind.is_none_or(|kind| kind == PathKind::Directory))
            .map(|(name, _)| name)
            .collect();
        names.sort();
        for name in names {
            let path = directory.join(name);
            if self.resolver.kind(&path) != Ok(PathKind::Directory) {
                continue;
            }
            let Some(left) = self.left.checked_sub(1) else {
                return Ok(false);
            };
            self.left = left;
            let rest = self.parts.get(1..).unwrap_or_default();
            self.found.extend(existing(&path, rest, self.resolver)?);
            let is_content = is_git && GIT_CONTENT.iter().any(|content| name == content);
            let is_deep = self.parts.first() == Some(&"**") && !is_content;
            if is_deep && !self.enter(&path, level + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
