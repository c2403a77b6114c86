//! A writable tree that is a linked worktree or a submodule, whose repository lies elsewhere: without that git does nothing in it.
//!
//! The attack: a file `.git` from an earlier run, which has the next one open a repository of the person's that has nothing to do with
//! it. So the repository has to say the same of the tree, where no command writes. Then of a linked worktree what git writes in common is
//! opened, its own directory, and what is made for further ones; hooks are not, and of settings the content decides. Of a submodule its own directory has all, and in it both are protected.
//!
//! Must never do: open what a rule of a person's is about, or what anything but a preset hides.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::link::{flat, named_by};
use super::rewrite::WORKTREE;
use super::settings::settings;
use super::{GIT_COMMON_DIRECTORY, MOST_TREES, bounded_content, is_named_as_git_directory};
use crate::files::{FileRule, FileRules};
use crate::os::OsStrExt;
use crate::pattern::Glob;
use crate::place::{above, is_within};
use crate::resolve::{PathKind, Resolver};
use crate::{Access, Source};

/// What git writes for all worktrees together. What is protected by its name stays so: content decides about settings.
const IN_COMMON: &[&str] = &[
    // To shorten the log of what another working tree has checked out, git makes the first, and writes nothing to it.
    "HEAD.lock",
    "objects",
    "refs",
    "logs",
    "reftable",
    "rr-cache",
    "lfs",
    "config",
    "config.lock",
    "config.worktree",
    "config.worktree.lock",
    "packed-refs",
    "packed-refs.lock",
    "packed-refs.new",
    "shallow",
    "shallow.lock",
    "gc.pid",
    "gc.pid.lock",
];
/// What git writes for the other linked worktrees, each in its own directory, when it shortens logs.
const OF_OTHERS: [&str; 2] = ["HEAD.lock", "logs"];
/// All names.
const ALL: &[&str] = &["*"];
/// In a repository by another name than `.git` all names but that: settings there are decided as those of a `.git` in it would be.
const IN_BARE: &[&str] = &[
    "[!.]*", ".[!g]*", ".g", ".g[!i]*", ".gi", ".gi[!t]*", ".git?*",
];
/// All but `refs`, and what becomes that.
const IN_INFO: &[&str] = &["[!r]*"];
/// Where objects of other repositories are. No tree has to change that.
const CLOSED: [&str; 2] = ["objects/info/alternates", "objects/info/http-alternates"];
const REASON: &str = "the writable directory is a working tree of this repository";

/// Opens what belongs to the trees that may be written.
pub(crate) fn open(files: &mut FileRules, resolver: &Resolver) {
    let trees = files.written_directories().take(MOST_TREES);
    let found = trees.filter_map(|rule| Some((rule.path(), repository(rule.path(), resolver)?)));
    let found = found
        .filter(|(tree, it)| is_unspoken(files, tree, &it.directory) && !it.is_in_pattern(files));
    let rules = found.flat_map(|(_, repository)| repository.rules(files, resolver));
    let rules: Vec<_> = rules.collect();
    files.extend(rules);
}

/// Where a tree has its repository.
struct Repository {
    /// With settings and hooks.
    directory: PathBuf,
    /// What the tree has for itself.
    own: PathBuf,
    /// What the repository's other linked worktrees have for themselves.
    others: Vec<PathBuf>,
    /// Where further ones come, unless what is there can't be told apart from those. What decides about the files in them goes by
    /// names that only a `.git` has.
    further: Option<PathBuf>,
}

impl Repository {
    /// What the tree may write of a repository that has other working trees.
    fn opened(&self) -> impl Iterator<Item = PathBuf> {
        let common = IN_COMMON.iter().map(|name| self.directory.join(name));
        let of_others = self.others.iter();
        let of_others = of_others.flat_map(|it| OF_OTHERS.iter().map(|name| it.join(name)));
        let trees = self.further.iter().chain([&self.own]).cloned();
        common.chain(of_others).chain(trees)
    }

    /// Directories in which only some names may be written, each with patterns for the others.
    fn lowered(&self) -> impl Iterator<Item = (PathBuf, &'static [&'static str])> {
        let is_named = is_named_as_git_directory(&self.directory);
        let whole = (self.directory.clone(), if is_named { ALL } else { IN_BARE });
        let info = (self.directory.join("info"), IN_INFO);
        let others = self.others.iter().map(|it| (it.clone(), ALL));
        [whole, info].into_iter().chain(others)
    }

    /// Whether a pattern that somebody wrote says something of what would be opened: a rule about a single path would win.
    fn is_in_pattern(&self, files: &FileRules) -> bool {
        let lowered = self.lowered().map(|(directory, _)| directory);
        let paths: Vec<PathBuf> = self.opened().chain(lowered).collect();
        let is_about = |glob: &Glob| paths.iter().any(|path| glob.matches(path));
        let mut lowering = files.written().filter(|rule| rule.access != Access::Write);
        lowering.any(|rule| rule.source.is_written() && rule.glob.as_deref().is_some_and(is_about))
    }

    fn rules(self, files: &FileRules, resolver: &Resolver) -> Vec<FileRule> {
        if files.access(&self.directory).0 == Access::Write {
            return Vec::new();
        }
        let rule = |path: &Path, glob, access| FileRule {
            kind: resolver.kind(path).unwrap_or(PathKind::Special),
            reason: Some(REASON),
            source: Source::Repository,
            ..FileRule::plain(path.as_os_str(), path.to_owned(), glob, access)
        };
        if self.own == self.directory {
            return vec![rule(&self.directory, None, Access::Write)];
        }
        let mut rules = Vec::new();
        for (directory, patterns) in self.lowered() {
            for pattern in patterns {
                let Ok(rest) = Glob::new(directory.clone(), pattern) else {
                    return Vec::new();
                };
                let text = directory.join(pattern);
                rules.push(FileRule {
                    text: text.as_os_str().into(),
                    ..rule(&directory, Some(rest), Access::Read)
                });
            }
            rules.push(rule(&directory, None, Access::Write));
        }
        rules.extend(self.opened().map(|path| rule(&path, None, Access::Write)));
        let closed = CLOSED.iter().map(|name| self.directory.join(name));
        rules.extend(closed.map(|path| rule(&path, None, Access::Read)));
        // A link may be from an earlier run, which had the repository as its own.
        rules.retain(|rule| {
            matches!(
                rule.kind,
                PathKind::Directory | PathKind::File | PathKind::Missing
            )
        });
        rules
    }
}

/// Whether no rule of a person's is about a repository, or about a directory around it and not around the tree; and none but a preset's hides it.
fn is_unspoken(files: &FileRules, tree: &Path, directory: &Path) -> bool {
    let is_persons = |rule: &FileRule| rule.source.is_written();
    let is_about = |rule: &FileRule| {
        is_within(rule.path(), directory)
            || is_within(directory, rule.path()) && !is_within(tree, rule.path())
    };
    let (access, rule) = files.access(directory);
    let is_hidden = access == Access::Hide
        && rule.is_some_and(|rule| !matches!(rule.source, Source::Preset(_)));
    let mut rules = files.written();
    !is_hidden && !rules.any(|rule| is_persons(rule) && is_about(rule))
}

/// The repository that a tree names, and that names the tree.
fn repository(tree: &Path, resolver: &Resolver) -> Option<Repository> {
    let link = bounded_content(&tree.join(".git"), resolver)?;
    let own = named_by(&link).ok()?;
    let own = directory(&flat(&tree.join(own)), resolver)?;
    let is_of_tree = |path: &Path| directory(path, resolver).is_some_and(|path| path == tree);
    let common = own.join("commondir");
    if resolver.kind(&common) == Ok(PathKind::Missing) {
        let settings = settings(&bounded_content(&own.join("config"), resolver)?).ok()?;
        let worktree = settings.iter().rfind(|it| it.name == WORKTREE);
        let worktree = Path::new(OsStr::from_bytes(worktree?.value.as_ref()?));
        let is_module = is_named_as_git_directory(&own) && !own.ends_with(".git");
        let is_one = is_module && is_of_tree(&flat(&own.join(worktree)));
        return is_one.then(|| Repository {
            directory: own.clone(),
            own,
            others: Vec::new(),
            further: None,
        });
    }
    let worktrees = above(&own).filter(|it| it.ends_with("worktrees"))?;
    let directory = above(worktrees)
        .filter(|it| is_named_as_git_directory(it) || is_by_another_name(it, resolver))?;
    let back = bounded_content(&own.join("gitdir"), resolver)?;
    let back = Path::new(OsStr::from_bytes(back.strip_suffix(b"\n")?));
    let back = flat(&own.join(back));
    let is_one = bounded_content(&common, resolver)? == GIT_COMMON_DIRECTORY
        && back.ends_with(".git")
        && above(&back).is_some_and(is_of_tree);
    is_one.then(|| {
        let (others, are_all) = beside(&own, worktrees, resolver);
        let is_further = are_all && is_named_as_git_directory(directory);
        Repository {
            directory: directory.to_owned(),
            others,
            own: own.clone(),
            further: is_further.then(|| worktrees.to_owned()),
        }
    })
}

/// Whether a directory is a bare repository, or the `.bare` beside worktrees.
fn is_by_another_name(directory: &Path, resolver: &Resolver) -> bool {
    let is = |name: &str, kind| resolver.kind(&directory.join(name)) == Ok(kind);
    is("HEAD", PathKind::File)
        && is("objects", PathKind::Directory)
        && is("refs", PathKind::Directory)
}

/// The directories of other linked worktrees, in their order, and whether there is nothing else.
fn beside(own: &Path, worktrees: &Path, resolver: &Resolver) -> (Vec<PathBuf>, bool) {
    let Some(names) = resolver.names(worktrees) else {
        return (Vec::new(), false);
    };
    let paths = names.keys().map(|name| worktrees.join(name));
    let is_directory = |path: &PathBuf| resolver.kind(path) == Ok(PathKind::Directory);
    let (mut others, rest): (Vec<PathBuf>, Vec<PathBuf>) =
        paths.filter(|path| path != own).partition(is_directory);
    let are_all = rest.is_empty() && others.len() <= MOST_TREES;
    others.sort();
    others.truncate(MOST_TREES);
    (others, are_all)
}

/// A directory to which no link leads: git writes where things really are.
fn directory(path: &Path, resolver: &Resolver) -> Option<PathBuf> {
    let found = resolver.resolve(path).ok()?;
    let is_plain = found.kind == PathKind::Directory && found.links.is_empty();
    is_plain.then_some(found.path)
}

#[cfg(test)]
mod tests;
