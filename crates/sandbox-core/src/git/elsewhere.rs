//! A writable tree that is a linked worktree or a submodule, whose repository lies elsewhere: without that git does nothing in it.
//!
//! The attack: a file `.git` from an earlier run, which has the next one open a repository of the person's that has nothing to do with
//! it. So the repository has to say the same of the tree, where no command writes. Then of a linked worktree what git writes in common is
//! opened, and its own directory; settings and hooks are not. Of a submodule its own directory has all, and in it both are protected.
//!
//! Must never do: open what a rule of a person's is about, or what anything but a preset hides.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::link::{flat, named_by};
use super::rewrite::WORKTREE;
use super::settings::settings;
use super::{GIT_COMMON_DIRECTORY, is_named_as_git_directory};
use crate::files::{FileRule, FileRules};
use crate::os::{self, OsStrExt};
use crate::pattern::Glob;
use crate::place::{above, is_within};
use crate::resolve::{PathKind, Resolver};
use crate::{Access, Source};

/// How many trees are looked at.
const MOST_TREES: usize = 64;
/// Bytes of a file that is read.
const MOST: u64 = 1 << 20;
/// What git writes for all worktrees together. Settings can't be among it: a rule that names them opens them.
const IN_COMMON: [&str; 11] = [
    "objects",
    "refs",
    "logs",
    "reftable",
    "packed-refs",
    "packed-refs.lock",
    "packed-refs.new",
    "shallow",
    "shallow.lock",
    "gc.pid",
    "gc.pid.lock",
];
const REASON: &str = "the writable directory is a working tree of this repository";

/// Opens what belongs to the trees that may be written.
pub(crate) fn open(files: &mut FileRules, resolver: &Resolver) {
    let is_tree = |rule: &&FileRule| {
        rule.is_literal() && rule.access == Access::Write && rule.kind == PathKind::Directory
    };
    let trees = files.written().filter(is_tree).take(MOST_TREES);
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
}

impl Repository {
    /// What the tree may write of a repository that has other working trees.
    fn opened(&self) -> impl Iterator<Item = PathBuf> {
        let common = IN_COMMON.iter().map(|name| self.directory.join(name));
        common.chain([self.own.clone()])
    }

    /// Whether a pattern that somebody wrote says something of what would be opened: a rule about a single path would win.
    fn is_in_pattern(&self, files: &FileRules) -> bool {
        let mut paths: Vec<PathBuf> = self.opened().collect();
        paths.push(self.directory.clone());
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
        let whole = rule(&self.directory, None, Access::Write);
        if self.own == self.directory {
            return vec![whole];
        }
        let Ok(others) = Glob::new(self.directory.clone(), "*") else {
            return Vec::new();
        };
        let text = self.directory.join("*");
        let others = FileRule {
            text: text.as_os_str().into(),
            ..rule(&self.directory, Some(others), Access::Read)
        };
        // A link may be from an earlier run, which had the repository as its own.
        let is_plain = |rule: &FileRule| {
            matches!(
                rule.kind,
                PathKind::Directory | PathKind::File | PathKind::Missing
            )
        };
        let opened = self.opened().map(|path| rule(&path, None, Access::Write));
        let opened = opened.filter(is_plain);
        [whole, others].into_iter().chain(opened).collect()
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
    let link = content(&tree.join(".git"), resolver)?;
    let own = named_by(&link).ok()?;
    let own = directory(&flat(&tree.join(own)), resolver)?;
    let is_of_tree = |path: &Path| directory(path, resolver).is_some_and(|path| path == tree);
    let common = own.join("commondir");
    if resolver.kind(&common) == Ok(PathKind::Missing) {
        let settings = settings(&content(&own.join("config"), resolver)?).ok()?;
        let worktree = settings.iter().rfind(|it| it.name == WORKTREE);
        let worktree = Path::new(OsStr::from_bytes(worktree?.value.as_ref()?));
        let is_module = is_named_as_git_directory(&own) && !own.ends_with(".git");
        let is_one = is_module && is_of_tree(&flat(&own.join(worktree)));
        return is_one.then(|| Repository {
            directory: own.clone(),
            own,
        });
    }
    let worktrees = above(&own).filter(|it| it.ends_with("worktrees"))?;
    let directory = above(worktrees).filter(|it| is_named_as_git_directory(it))?;
    let back = content(&own.join("gitdir"), resolver)?;
    let back = Path::new(OsStr::from_bytes(back.strip_suffix(b"\n")?));
    let back = flat(&own.join(back));
    let is_one = content(&common, resolver)? == GIT_COMMON_DIRECTORY
        && back.ends_with(".git")
        && above(&back).is_some_and(is_of_tree);
    is_one.then(|| Repository {
        directory: directory.to_owned(),
        own: own.clone(),
    })
}

/// A directory to which no link leads: git writes where things really are.
fn directory(path: &Path, resolver: &Resolver) -> Option<PathBuf> {
    let found = resolver.resolve(path).ok()?;
    let is_plain = found.kind == PathKind::Directory && found.links.is_empty();
    is_plain.then_some(found.path)
}

/// The content of a file that is not too large.
fn content(path: &Path, resolver: &Resolver) -> Option<Vec<u8>> {
    if resolver.kind(path) != Ok(PathKind::File) {
        return None;
    }
    let file = os::open_without_waiting(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    let read = file.take(MOST + 1).read_to_end(&mut content).ok()?;
    u64::try_from(read)
        .is_ok_and(|read| read <= MOST)
        .then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attempt, Context, Policy, Ruleset, Verdict};

    /// A linked worktree `tree`, and a submodule `module`, of a repository.
    fn host() -> (tempfile::TempDir, PathBuf) {
        let host = tempfile::tempdir().unwrap();
        let root = crate::resolve(host.path()).unwrap().path;
        let write = |path: &str, content: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        let at = root.to_str().unwrap();
        write(
            "tree/.git",
            &format!("gitdir: {at}/repo/.git/worktrees/n\n"),
        );
        write("repo/.git/worktrees/n/commondir", "../..\n");
        write("repo/.git/worktrees/n/gitdir", &format!("{at}/tree/.git\n"));
        write("module/.git", "gitdir: ../repo/.git/modules/m\n");
        write(
            "repo/.git/modules/m/config",
            "[core]\n\tworktree = ../../../../module\n",
        );
        for path in ["objects", "refs", "modules/m/objects"] {
            std::fs::create_dir_all(root.join("repo/.git").join(path)).unwrap();
        }
        (host, root)
    }

    /// What may be read, and what may be written.
    fn opened(root: &Path, policy: &Policy) -> (Vec<&'static str>, Vec<&'static str>) {
        let ruleset = Ruleset::resolve(policy, &Context::new(root)).unwrap();
        let allows = |attempt: &Attempt| ruleset.decide(attempt).verdict == Verdict::Allow;
        let git = root.join("repo/.git");
        let all = [
            "HEAD",
            "config",
            "config.lock",
            "hooks/x",
            "packed-refs",
            "objects/x",
            "refs/x",
            "logs/x",
            "worktrees/o/HEAD",
            "worktrees/n/HEAD",
            "worktrees/n/commondir",
            "worktrees/n/config.worktree",
            "modules/m/HEAD",
            "modules/m/config",
        ];
        let some = |attempt: fn(PathBuf) -> Attempt| {
            let is_allowed = |name: &&str| allows(&attempt(git.join(name)));
            all.into_iter().filter(is_allowed).collect()
        };
        (some(Attempt::read), some(Attempt::write))
    }

    #[test]
    fn what_a_tree_has_elsewhere_is_opened_and_nothing_else() {
        let (_host, root) = host();
        let policy = |tree: &str| Policy::default().write(root.join(tree));
        let (read, written) = opened(&root, &policy("tree"));
        assert_eq!(read.len(), 14);
        assert_eq!(
            written,
            [
                "packed-refs",
                "objects/x",
                "refs/x",
                "logs/x",
                "worktrees/n/HEAD"
            ]
        );
        let (read, written) = opened(&root, &policy("module"));
        assert_eq!(read, ["modules/m/HEAD", "modules/m/config"]);
        assert_eq!(written, ["modules/m/HEAD"]);
        // Nothing is taken from what is open already.
        let (_, written) = opened(&root, &policy("tree").write(root.join("repo")));
        assert!(written.contains(&"packed-refs"));
    }

    #[test]
    fn what_does_not_name_the_tree_is_not_opened() {
        for (path, content) in [
            ("tree/.git", "gitdir: ../repo/.git\n"),
            ("tree/.git", "gitdir: ../repo/.git/worktrees/n"),
            ("tree/.git", "gitdir: ../repo/.git/worktrees\n"),
            ("tree/.git", "gitdir: ../link/.git/worktrees/n\n"),
            ("repo/.git/worktrees/n/gitdir", "/other/.git\n"),
            ("repo/.git/worktrees/n/gitdir", "../../../../tree\n"),
            ("repo/.git/worktrees/n/gitdir", ""),
            ("repo/.git/worktrees/n/commondir", "../../x\n"),
            ("repo/.git/worktrees/n/commondir", ""),
        ] {
            let (_host, root) = host();
            std::os::unix::fs::symlink(root.join("repo"), root.join("link")).unwrap();
            std::fs::write(root.join(path), content).unwrap();
            let policy = Policy::default().write(root.join("tree"));
            let nothing = (Vec::new(), Vec::new());
            assert_eq!(opened(&root, &policy), nothing, "{path}: {content}");
        }
        for config in [
            "",
            "[core]\n\tworktree = /other\n",
            "[core]\n\tworktree = ../../../../module\n\tworktree = x\n",
            "[",
        ] {
            let (_host, root) = host();
            std::fs::write(root.join("repo/.git/modules/m/config"), config).unwrap();
            let policy = Policy::default().write(root.join("module"));
            let nothing = (Vec::new(), Vec::new());
            assert_eq!(opened(&root, &policy), nothing, "{config}");
        }
    }

    #[test]
    fn no_link_in_a_repository_is_opened() {
        let (_host, root) = host();
        let refs = root.join("repo/.git/refs");
        std::fs::remove_dir(&refs).unwrap();
        std::os::unix::fs::symlink(root.join("repo"), &refs).unwrap();
        let (_, written) = opened(&root, &Policy::default().write(root.join("tree")));
        assert_eq!(
            written,
            ["packed-refs", "objects/x", "logs/x", "worktrees/n/HEAD"]
        );
    }

    #[test]
    fn what_a_rule_is_about_is_left_alone() {
        let (_host, root) = host();
        let tree = || Policy::default().write(root.join("tree"));
        let git = root.join("repo/.git");
        for policy in [
            tree().hide(root.join("repo")),
            tree().hide(&git),
            tree().read(&git),
            tree().read(root.join("repo")),
            tree().read("/").hide(git.join("objects")),
        ] {
            let (_, written) = opened(&root, &policy);
            assert_eq!(written, Vec::<&str>::new(), "{policy:?}");
        }
        let around = root.to_str().unwrap();
        for pattern in ["**/.git", "**/.git/logs", "**/packed-refs", "re*/**"] {
            let text = format!(
                "[files]\n'/' = 'read'\n'{around}/tree' = 'write'\n'{around}/{pattern}' = 'read'"
            );
            let policy = Policy::from_toml(&text, None).unwrap();
            let (_, written) = opened(&root, &policy);
            assert_eq!(written, Vec::<&str>::new(), "{pattern}");
        }
        let (_, written) = opened(&root, &tree().read("/"));
        assert_eq!(written.len(), 5, "the control");
    }
}
