//! What commands have left on the host that the person's own programs act on ([`Change`]): looked at when a sandbox is made, and
//! again when somebody asks.
//!
//! The attack: all that is looked at may be the command's work: links, FIFOs, a file of 100 GB, a million names, names with escapes. So
//! nothing is opened through a link, nothing waits, and everything has a bound.

mod files;
#[cfg(backend = "linux")]
mod look;
#[cfg(backend = "macos")]
#[path = "review/macos.rs"]
mod look;
mod unfinished;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sandbox_core::{
    Access, Change, ChangeKind, Changes, PathKind, Ruleset, above, is_named_as_git_directory,
};

use self::files::Files;
use self::look::{Found, look};

/// How many writable trees are looked at.
const MOST_TREES: usize = 64;
/// Bytes of what is unfinished, of all together: some tenths of a second.
const MOST_UNFINISHED: u64 = 16 << 20;

/// How it was when the sandbox was made.
#[derive(Debug)]
pub(crate) struct Before {
    files: Files,
    /// Writable trees without a repository at their top.
    plain: Vec<PathBuf>,
    /// The git directories of the others.
    repositories: Vec<PathBuf>,
    /// How many trees are not among them.
    beyond: u64,
}

/// What commands were seen to make.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// Git directories.
    pub(crate) repositories: BTreeSet<PathBuf>,
    /// Those in which something was begun.
    pub(crate) unfinished: BTreeSet<PathBuf>,
    /// How many more there are of both.
    pub(crate) omitted: u64,
}

impl Before {
    pub(crate) fn look(ruleset: &Ruleset) -> Self {
        let written =
            ruleset.files().anchors().iter().filter(|anchor| {
                anchor.access == Access::Write && anchor.kind == PathKind::Directory
            });
        // What lies on the way to something that is lowered is no tree by itself.
        let (on_the_way, trees): (Vec<_>, Vec<_>) = written.partition(|anchor| anchor.pin);
        let trees: Vec<PathBuf> = trees.iter().map(|anchor| anchor.path.clone()).collect();
        let beyond = trees.len().saturating_sub(MOST_TREES);
        let (mut repositories, mut plain) = (Vec::new(), Vec::new());
        for tree in trees.into_iter().take(MOST_TREES) {
            // Of a working tree whose repository lies elsewhere that is the tree.
            if is_named_as_git_directory(&tree) {
                repositories.push(tree);
                continue;
            }
            let git = tree.join(".git");
            if is_directory(&git) {
                repositories.push(git);
            } else {
                plain.push(git);
            }
        }
        // There may be a repository of the person's, as a submodule.
        let inner = on_the_way.iter().map(|anchor| anchor.path.join(".git"));
        let inner = inner.filter(|git| !above(git).is_some_and(is_named_as_git_directory));
        repositories.extend(inner.take(MOST_TREES).filter(|git| is_directory(git)));
        Self {
            files: Files::look(ruleset),
            plain,
            repositories,
            beyond: u64::try_from(beyond).unwrap_or(u64::MAX),
        }
    }

    /// What is different; `is_blind` if nobody has seen what commands made.
    pub(crate) fn changes(&self, ruleset: &Ruleset, mut made: Made, is_blind: bool) -> Changes {
        let mut changes = Changes::default();
        changes.omitted = made.omitted;
        self.files.compare(ruleset, &mut changes);
        made.repositories.extend(self.plain.iter().cloned());
        let new = made
            .repositories
            .into_iter()
            .filter(|path| is_directory(path));
        let new = new.map(|path| Change::new(path, ChangeKind::Repository));
        changes.all.extend(new);
        // Without the notifier whatever is there counts, whoever left it.
        let mut unfinished = made.unfinished;
        if is_blind {
            changes.omitted += self.beyond;
        }
        if is_blind || made.omitted > 0 {
            unfinished::add_known(&self.repositories, &mut unfinished, &mut changes.omitted);
        }
        let is_known = |directory: &PathBuf| self.repositories.contains(directory);
        let mut unfinished: Vec<_> = unfinished
            .into_iter()
            .filter(|it| is_known(it) || unfinished::has_head(it))
            .collect();
        // Those of the person first: what a command makes neither hides them nor takes the bytes from them.
        unfinished.sort_by_key(|it| {
            (
                !is_known(it),
                !self.repositories.iter().any(|known| it.starts_with(known)),
            )
        });
        let mut left = MOST_UNFINISHED;
        for directory in &unfinished {
            unfinished::read(directory, &mut left, &mut changes);
        }
        changes
    }
}

fn is_directory(path: &Path) -> bool {
    matches!(look(path), Ok(Found::Directory(_)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sandbox_core::{Context, Policy};

    use super::*;

    /// `.git` and `.cargo` stay where they are for what is protected in them, and `module` for what a rule hides.
    #[test]
    fn what_lies_on_the_way_to_a_rule_is_no_tree() {
        let host = tempfile::tempdir().unwrap();
        let root = sandbox_core::resolve(host.path()).unwrap().path;
        for file in [
            ".git/config",
            ".git/info/attributes",
            ".git/hooks/pre-commit",
            ".cargo/config.toml",
            "module/.git/config",
            "module/secret/key",
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let before = |policy: &Policy| {
            Before::look(&Ruleset::resolve(policy, &Context::new(&root)).unwrap())
        };
        let policy = Policy::default().write(&root);
        let seen = before(&policy);
        assert_eq!(seen.repositories, [root.join(".git")]);
        assert!(seen.plain.is_empty(), "{:?}", seen.plain);
        let seen = before(&policy.hide(root.join("module/secret/key")));
        assert_eq!(
            seen.repositories,
            [root.join(".git"), root.join("module/.git")]
        );
        assert_eq!((seen.plain.len(), seen.beyond), (0, 0));
        // The control: a tree without a repository.
        let seen = before(&Policy::default().write(root.join(".cargo")));
        assert_eq!(seen.plain, [root.join(".cargo/.git")]);
    }
}
