//! Files through which a confined process could make an unconfined one act for it.
//!
//! The attack: the command writes a git hook, a shell start-up file, an editor's or an agent's settings into the
//! workspace, exits, and the person's next `git status`, `cd` or click runs what it wrote. The table is the union over
//! all tools, also over those that are not installed. By name, `decide` protects what is in it at every depth of every
//! writable tree of the host, whether it exists or not; a rule opens one only by naming it. What a backend holds of that
//! is in its report.
//!
//! Must never do: decide by what exists. Names are compared byte for byte, as the table spells them; other spellings are for `spelling`.

mod ci;
pub(crate) mod spelling;
mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Component, Path};
use std::sync::LazyLock;

use self::ci::CI;
use self::tools::TOOLS;
use crate::map::Map;
use crate::os::OsStrExt;
use crate::place::{self, depth};
use crate::table::{Relative, Table};
use crate::{ProtectedGroup, Source};

/// A name, or a path of names, that is protected with everything below it.
pub(crate) struct ProtectedPath {
    /// Relative to any directory. `*` is one component, `**` one or more; `*.suffix` is a component that ends so.
    pub(crate) path: &'static str,
    /// Whether it is an ordinary name below a directory of dependencies.
    pub(crate) scope: Scope,
    /// Whether it is protected only where a policy asks for it.
    pub(crate) group: Option<ProtectedGroup>,
    pub(crate) reason: &'static str,
}

/// Which of them a policy asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// No path is protected without being asked for.
    pub(crate) only: bool,
    /// Each with where it was asked for.
    pub(crate) groups: BTreeMap<ProtectedGroup, Source>,
}

impl Asked {
    /// Whether no path is protected by its name.
    pub(crate) fn is_nothing(&self) -> bool {
        self.only && self.groups.is_empty()
    }
}

/// Where a protected path is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everywhere.
    Everywhere,
    /// Not below [`DEPENDENCIES`]: packages bring their own editor and tool settings, which nothing reads there.
    Own,
}

impl Relative for ProtectedPath {
    fn path(&self) -> &'static str {
        self.path
    }
}

const fn git(path: &'static str, reason: &'static str) -> ProtectedPath {
    ProtectedPath {
        path,
        scope: Scope::Everywhere,
        group: None,
        reason,
    }
}

const fn own(path: &'static str, reason: &'static str) -> ProtectedPath {
    ProtectedPath {
        path,
        scope: Scope::Own,
        group: None,
        reason,
    }
}

const fn ci(path: &'static str, reason: &'static str) -> ProtectedPath {
    ProtectedPath {
        group: Some(ProtectedGroup::Ci),
        ..own(path, reason)
    }
}

/// Directories in which a package manager puts what others wrote.
pub(crate) const DEPENDENCIES: &[&str] = &[
    "node_modules",
    "site-packages",
    "dist-packages",
    "vendor",
    "registry",
    "bower_components",
    "Pods",
    "elm-stuff",
];

/// One line an entry: version control. [`TOOLS`] has the others, [`CI`] those of a group.
#[rustfmt::skip]
pub(crate) const VERSION_CONTROL: &[ProtectedPath] = &[
    git(".git/hooks", "git runs them"),
    git(".git/config", "core.fsmonitor, core.sshCommand, aliases and filters are commands that git runs"),
    git(".git/config.worktree", "read like config"),
    git(".git/config.sandbox", "what becomes config, once it is decided"),
    git(".git/commondir", "where git reads config and hooks from instead"),
    git(".git/info/attributes", "chooses filters and diff drivers, which are commands"),
    // Not of submodules, whose refs have a directory of this name: those are found by what a git directory looks like.
    git(".git/remotes/*", "a remote, where git looks for one that its config does not have"),
    git(".git/branches/*", "a remote, where git looks for one that its config does not have"),
    git(".git/modules/**/hooks", "hooks of a submodule"),
    git(".git/modules/**/config", "config of a submodule"),
    git(".git/modules/**/config.worktree", "read like config"),
    git(".git/modules/**/config.sandbox", "what becomes config, once it is decided"),
    git(".git/modules/**/commondir", "where git reads config and hooks from instead"),
    git(".git/modules/**/info/attributes", "attributes of a submodule"),
    git(".git/worktrees/*/commondir", "where git reads config and hooks from instead"),
    git(".git/worktrees/*/config.worktree", "config of a linked worktree"),
    git(".git/worktrees/*/config.sandbox", "what becomes config, once it is decided"),
    // Without its `commondir`, which may be removed, it is a repository by itself.
    git(".git/worktrees/*/hooks", "hooks, where a linked worktree is none any more"),
    git(".git/worktrees/*/config", "config, where a linked worktree is none any more"),
    git(".git/worktrees/*/info/attributes", "attributes, where a linked worktree is none any more"),
    git(".git/worktrees/*/remotes/*", "a remote, where a linked worktree is none any more"),
    git(".git/worktrees/*/branches/*", "a remote, where a linked worktree is none any more"),
    git(".git/worktrees/*/modules/**/hooks", "hooks of a submodule of a linked worktree"),
    git(".git/worktrees/*/modules/**/config", "config of a submodule of a linked worktree"),
    git(".git/worktrees/*/modules/**/config.worktree", "read like config"),
    git(".git/worktrees/*/modules/**/config.sandbox", "what becomes config, once it is decided"),
    git(".git/worktrees/*/modules/**/commondir", "where git reads config and hooks from instead"),
    git(".git/worktrees/*/modules/**/info/attributes", "attributes of a submodule of a linked worktree"),
    git(".hg/hgrc", "mercurial's hooks and extensions are commands"),
    git(".hg/hgrc-not-shared", "read like hgrc"),
    git(".hg/sharedpath", "where mercurial reads hgrc from, too"),
    git(".jj/repo/config.toml", "jj's aliases, fix tools and diff editors are commands"),
    git(".jj/workspace-config.toml", "read like config.toml"),
    git(".jj/repo/store/git_target", "where jj has its git repository"),
    git(".jj/repo/store/git/hooks", "hooks of the git repository inside jj's"),
    git(".jj/repo/store/git/config", "config of the git repository inside jj's"),
    git(".sl/config", "sapling's hooks and aliases are commands"),
    git(".sl/sharedpath", "where sapling reads config from, too"),
    git("_darcs/prefs/defaults", "darcs' posthook is a command"),
    git("_darcs/prefs/prefs", "darcs' test is a command"),
    git(".pijul/config", "pijul's hooks are commands"),
    own(".gitconfig", "the person's git configuration"),
    own(".config/git", "the person's git configuration, attributes and hooks"),
    own(".husky", "core.hooksPath of many projects points there"),
    own(".githooks", "core.hooksPath of many projects points there"),
    own(".lefthook.yml", "commands that git hooks run"),
    own("lefthook.yml", "commands that git hooks run"),
    own(".pre-commit-config.yaml", "commands that git hooks run"),
    own(".overcommit.yml", "commands that git hooks run"),
];

/// All of them, whatever their group.
pub(crate) fn all() -> impl Iterator<Item = &'static ProtectedPath> {
    VERSION_CONTROL.iter().chain(TOOLS).chain(CI)
}

/// The table, by first names.
pub(crate) fn protected() -> &'static Table<ProtectedPath> {
    static TABLE: LazyLock<Table<ProtectedPath>> =
        LazyLock::new(|| Table::new(all().chain(&*SMALL)));
    // Other spellings are looked for in small letters.
    static SMALL: LazyLock<Vec<ProtectedPath>> = LazyLock::new(|| {
        let small = |entry: &'static ProtectedPath| {
            let path = entry.path.to_ascii_lowercase();
            (path != entry.path).then(|| ProtectedPath {
                path: path.leak(),
                ..*entry
            })
        };
        all().filter_map(small).collect()
    });
    &TABLE
}

/// The parts that are left below a directory of each protected path on whose way it is: `.git`, opened by a rule, has hooks in
/// it.
pub(crate) fn rests(
    directory: &Path,
    asked: &Asked,
) -> impl Iterator<Item = &'static [&'static str]> {
    /// The parts of a protected path above a directory on the way, and those below it; by the directory's name.
    type Way = (Vec<&'static str>, Vec<&'static str>, &'static ProtectedPath);
    static WAYS: LazyLock<Map<&str, Vec<Way>>> = LazyLock::new(|| {
        let mut ways: Map<&str, Vec<Way>> = Map::default();
        for entry in all() {
            let parts = entry.parts();
            for taken in 1..parts.len() {
                let (taken, rest) = parts.split_at(taken);
                if let Some((name, above)) = taken.split_last() {
                    let way = (above.to_vec(), rest.to_vec(), entry);
                    ways.entry(name).or_default().push(way);
                }
            }
        }
        ways
    });
    let name = place::name(directory).to_str();
    let named = [name, Some("*")].into_iter().flatten();
    let is_way = move |(above, _, entry): &&Way| {
        entry.is_in_effect(asked)
            && place::above(directory).is_some_and(|directory| ends_with(directory, above))
    };
    let ways = named.filter_map(|name| WAYS.get(name)).flatten();
    ways.filter(is_way).map(|(_, rest, _)| rest.as_slice())
}

/// Whether the last components of the path are these.
fn ends_with(path: &Path, parts: &[&str]) -> bool {
    let mut places = place::upwards(path);
    let mut parts = parts.iter().rev();
    parts.all(|part| {
        places
            .next()
            .is_some_and(|place| is_named(place::name(place), part))
    })
}

/// Whether a part that is not `**` stands for a name.
pub(crate) fn is_named(name: &OsStr, part: &str) -> bool {
    match part.strip_prefix('*') {
        Some(suffix) => name.as_bytes().ends_with(suffix.as_bytes()),
        None => name.as_bytes() == part.as_bytes(),
    }
}

/// The protected path at or above a path, the innermost of several, with its entry.
///
/// Directories of dependencies count below `root`, the writable tree: whoever works *in* one has settings there.
pub(crate) fn innermost<'a>(
    path: &'a Path,
    root: &Path,
    asked: &Asked,
) -> Option<(&'a Path, &'static ProtectedPath)> {
    let names = names(path);
    let mut found: Option<(usize, &'static ProtectedPath)> = None;
    for (start, scope) in starts(&names, root) {
        let rest = names.get(start..).unwrap_or_default();
        for entry in in_scope(rest, scope, asked) {
            if let Some(length) = longest(&entry.parts(), rest)
                && found.is_none_or(|(end, _)| start + length > end)
            {
                found = Some((start + length, entry));
            }
        }
    }
    let (end, entry) = found?;
    Some((path.ancestors().nth(names.len() - end)?, entry))
}

/// The first protected path that a path is the beginning of: what its last names are is the first part of an entry.
pub(crate) fn led_to(path: &Path, root: &Path, asked: &Asked) -> Option<&'static ProtectedPath> {
    let names = names(path);
    starts(&names, root).find_map(|(start, scope)| {
        let rest = names.get(start..).unwrap_or_default();
        in_scope(rest, scope, asked).find(|entry| is_beginning(&entry.parts(), rest))
    })
}

/// What is left below a path of each protected path that it is the beginning of.
pub(crate) fn rests_below(path: &Path, root: &Path, asked: &Asked) -> BTreeSet<Vec<&'static str>> {
    let names = names(path);
    let mut rests = BTreeSet::new();
    for (start, scope) in starts(&names, root) {
        let names = names.get(start..).unwrap_or_default();
        for entry in in_scope(names, scope, asked) {
            add_rests(&entry.parts(), names, &mut rests);
        }
    }
    rests
}

fn add_rests(parts: &[&'static str], names: &[&OsStr], rests: &mut BTreeSet<Vec<&'static str>>) {
    let (Some((part, rest)), Some((name, below))) = (parts.split_first(), names.split_first())
    else {
        // Below what is protected itself nothing is left.
        if !parts.is_empty() {
            rests.insert(parts.to_vec());
        }
        return;
    };
    if *part == "**" {
        add_rests(parts, below, rests);
        add_rests(rest, below, rests);
    } else if is_named(name, part) {
        add_rests(rest, below, rests);
    }
}

/// Where names directly below a path are protected.
pub(crate) fn scope_below(path: &Path, root: &Path) -> Scope {
    let names = names(path);
    let last = starts(&names, root).last();
    match (last, names.last()) {
        (Some((start, Scope::Own)), Some(name)) => scope_after(name, start, depth(root)),
        (Some((_, scope)), _) => scope,
        (None, _) => Scope::Own,
    }
}

fn names(path: &Path) -> Vec<&OsStr> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    names.collect()
}

/// The entries that may begin with the first of these names.
fn in_scope(
    names: &[&OsStr],
    scope: Scope,
    asked: &Asked,
) -> impl Iterator<Item = &'static ProtectedPath> {
    let first = names.first().copied().unwrap_or_default();
    let all = protected().below(first);
    let is_here =
        move |entry: &&ProtectedPath| entry.scope == Scope::Everywhere || scope == Scope::Own;
    all.filter(is_here)
        .filter(|entry| entry.is_in_effect(asked))
}

/// Where an entry may begin in these names, each with the scope that holds there.
fn starts<'a>(
    names: &'a [&'a OsStr],
    root: &Path,
) -> impl Iterator<Item = (usize, Scope)> + use<'a> {
    let root = depth(root);
    let mut scope = Scope::Own;
    names.iter().enumerate().map(move |(start, name)| {
        let here = scope;
        if scope == Scope::Own {
            scope = scope_after(name, start, root);
        }
        (start, here)
    })
}

/// The scope below the name at `start`, where none of the names above it is a directory of dependencies.
fn scope_after(name: &OsStr, start: usize, root: usize) -> Scope {
    let is_dependencies = DEPENDENCIES.iter().any(|dependency| *name == **dependency);
    if start >= root && is_dependencies {
        Scope::Everywhere
    } else {
        Scope::Own
    }
}

impl ProtectedPath {
    /// Its components.
    pub(crate) fn parts(&self) -> Vec<&'static str> {
        self.path.split('/').collect()
    }

    /// Whether it is protected where a policy asks for these.
    pub(crate) fn is_in_effect(&self, asked: &Asked) -> bool {
        match &self.group {
            Some(group) => asked.groups.contains_key(group),
            None => !asked.only,
        }
    }
}

/// Whether these names are a part of what the parts stand for, and not all.
fn is_beginning(parts: &[&str], names: &[&OsStr]) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return false;
    };
    let Some((name, below)) = names.split_first() else {
        return true;
    };
    match *part {
        "**" => is_beginning(parts, below) || is_beginning(rest, below),
        part => is_named(name, part) && is_beginning(rest, below),
    }
}

/// How many of the first names these parts take up, at most.
fn longest(parts: &[&str], names: &[&OsStr]) -> Option<usize> {
    let Some((part, parts)) = parts.split_first() else {
        return Some(0);
    };
    if *part == "**" {
        let taken = |taken: usize| Some(taken + longest(parts, names.get(taken..)?)?);
        return (1..=names.len()).rev().find_map(taken);
    }
    let (name, names) = names.split_first()?;
    if !is_named(name, part) {
        return None;
    }
    Some(1 + longest(parts, names)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protected_names_are_protected_at_every_depth_with_what_is_below() {
        for (path, protected) in [
            ("/w/.git/hooks", Some("/w/.git/hooks")),
            ("/w/.git/hooks/pre-commit", Some("/w/.git/hooks")),
            ("/w/a/b/.git/config", Some("/w/a/b/.git/config")),
            ("/w/.git/config.lock", None),
            ("/w/.git/objects/ab", None),
            ("/w/.git", None),
            ("/w/hooks", None),
            ("/w/.git/modules/a/hooks/x", Some("/w/.git/modules/a/hooks")),
            (
                "/w/.git/modules/a/b/c/config",
                Some("/w/.git/modules/a/b/c/config"),
            ),
            ("/w/.git/modules/config", None),
            (
                "/w/.git/worktrees/x/config.worktree",
                Some("/w/.git/worktrees/x/config.worktree"),
            ),
            ("/w/.vscode/settings.json", Some("/w/.vscode")),
            ("/w/.vscode/x/.git/hooks", Some("/w/.vscode/x/.git/hooks")),
            ("/w/node_modules/x/.vscode/settings.json", None),
            ("/w/node_modules/x/.npmrc", None),
            (
                "/w/node_modules/x/.git/hooks/y",
                Some("/w/node_modules/x/.git/hooks"),
            ),
            ("/w/.config/fish/config.fish", Some("/w/.config/fish")),
            ("/w/.config/other", None),
            ("/w/a/x.code-workspace", Some("/w/a/x.code-workspace")),
            ("/w/x.code-workspace/y", Some("/w/x.code-workspace")),
            ("/w/x.code-workspace.bak", None),
            ("/w/code-workspace", None),
            ("/w/node_modules/x/x.code-workspace", None),
            ("/w/.git/branches", None),
            ("/w/.git/branches/x", Some("/w/.git/branches/x")),
            ("/w/.git/refs/remotes/origin/x", None),
            ("/", None),
        ] {
            let found =
                innermost(path.as_ref(), "/w".as_ref(), &Asked::default()).map(|(path, _)| path);
            assert_eq!(found, protected.map(Path::new), "{path}");
        }
    }

    #[test]
    fn a_workspace_among_dependencies_has_settings_of_its_own() {
        let path = Path::new("/vendor/w/.vscode");
        assert!(innermost(path, "/vendor/w".as_ref(), &Asked::default()).is_some());
        assert!(innermost(path, "/".as_ref(), &Asked::default()).is_none());
    }

    #[test]
    fn a_group_is_protected_where_it_is_asked_for() {
        let root = Path::new("/w");
        let unasked = Asked::default();
        let asked = Asked {
            groups: [(ProtectedGroup::Ci, Source::Library)].into(),
            ..Asked::default()
        };
        for (path, expected) in [
            ("/w/.github/workflows/ci.yml", Some("/w/.github/workflows")),
            ("/w/a/Jenkinsfile", Some("/w/a/Jenkinsfile")),
            ("/w/.github/CODEOWNERS", None),
            ("/w/node_modules/x/.travis.yml", None),
        ] {
            let found = |asked| innermost(path.as_ref(), root, asked).map(|(path, _)| path);
            assert_eq!(found(&unasked), None, "{path}");
            assert_eq!(found(&asked), expected.map(Path::new), "{path}");
        }
        let way = Path::new("/w/.forgejo");
        assert!(led_to(way, root, &unasked).is_none());
        assert!(led_to(way, root, &asked).is_some());
        let rests = |asked| rests(way, asked).count();
        assert_eq!((rests(&unasked), rests(&asked)), (0, 2));
        // Where nothing is protected without being asked for, that is.
        let only = Asked {
            only: true,
            ..asked
        };
        let found = |path: &str| innermost(path.as_ref(), root, &only).is_some();
        assert!(found("/w/Jenkinsfile") && !found("/w/.envrc") && !only.is_nothing());
    }

    /// An ordinary file with the first name of an entry of several could not be made.
    #[test]
    fn what_may_only_be_a_directory_has_no_ordinary_name() {
        for path in all()
            .map(|entry| entry.path)
            .filter(|path| path.contains('/'))
        {
            assert!(path.starts_with(['.', '_']), "{path}");
        }
    }

    #[test]
    fn every_entry_is_a_relative_path_with_a_reason_and_there_once() {
        let mut paths: Vec<_> = all().map(|entry| entry.path).collect();
        paths.sort_unstable();
        paths
            .windows(2)
            .for_each(|pair| assert_ne!(pair[0], pair[1]));
        for entry in all() {
            // The table is searched by first names and suffixes.
            let first = entry.path.strip_prefix("*.").unwrap_or(entry.path);
            assert!(
                !first.starts_with(['/', '*']) && !entry.path.ends_with('/'),
                "{}",
                entry.path
            );
            assert!(
                !entry.reason.is_empty() && !entry.reason.ends_with('.'),
                "{}",
                entry.path
            );
        }
    }
}
