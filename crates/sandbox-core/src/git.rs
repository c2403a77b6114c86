//! Files of a git repository that are decided by what is written to them: git has to work inside, and the person's next `git status`
//! runs what they say.
//!
//! The attack: `git config core.fsmonitor ./x`, and the host runs `./x`. But `git clone`, `git remote add` and `git checkout --track`
//! rewrite the same file. So each new content is read as git reads it, and passes only if nothing differs but settings that are
//! known to name no program and to lead nowhere that a program is named: a list of what is harmless, not of what is not.
//!
//! Must never do: take a content for good that git reads in another way. What is not understood is denied.

mod directory;
pub(crate) mod elsewhere;
mod link;
mod pending;
mod remote;
mod rewrite;
mod settings;
pub(crate) mod targets;
mod value;

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::decide::{follow, is_resolved, protection};
use crate::place::{self, above, name};
use crate::resolve::{PathKind, Resolver};
use crate::{Access, Ruleset, os};

pub use self::directory::{GitPlace, git_places, git_places_alike, is_named_as_git_directory};
pub use self::link::{GitLink, names_other_worktree};
pub use self::pending::{git_pending, git_pending_files, git_unfinished};
pub use self::rewrite::{GitDenial, may_rewrite_git_config, rewrite_module_config};

/// How many writable trees are looked at.
const MOST_TREES: usize = 64;

/// The content of a file of at most 1 MiB.
fn bounded_content(path: &Path, resolver: &Resolver) -> Option<Vec<u8>> {
    const MOST: u64 = 1 << 20;
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

/// A protected path that git itself writes, where the content says whether it may.
///
/// ```
/// # use sandbox_core::{Context, GitFile, Policy, Ruleset};
/// let ruleset = Ruleset::resolve(&Policy::default().read("/").write("/srv"), &Context::new("/")).unwrap();
/// assert_eq!(ruleset.git_file("/srv/a/.git/config".as_ref()), Some(GitFile::Config));
/// assert_eq!(ruleset.git_file("/srv/a/.git/hooks/pre-push".as_ref()), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GitFile {
    /// Settings: what may replace them is told by [`may_rewrite_git_config`].
    Config,
    /// Those of a submodule, in its superproject: [`rewrite_module_config`] tells what replaces them.
    ModuleConfig,
    /// A file `.git`, which says where the git directory is: [`Ruleset::git_link`] tells what it may be.
    Link,
    /// Where a linked worktree has its settings and hooks: it may be made with [`GIT_COMMON_DIRECTORY`] in it, and nothing else.
    CommonDirectory,
    /// The directory of hooks: it may be made, and nothing in it but samples.
    Hooks,
    /// A sample of a hook, which git never runs: no hook has such a name.
    Sample,
}

/// Where a new content of settings is made until it takes the place of the old one. Nothing else may have this name, so that nobody
/// has it open for writing.
pub const GIT_CONFIG_COPY: &str = "config.sandbox";

/// What git writes to `commondir` of a linked worktree: the git directory in whose `worktrees` it has its own.
pub const GIT_COMMON_DIRECTORY: &[u8] = b"../..\n";

impl Ruleset {
    /// What a person's `git init` copies to a path in a repository, from a template of theirs that no command can write: the file in that.
    #[must_use]
    pub fn git_template(&self, path: &Path) -> Option<PathBuf> {
        let template = self.files().template.as_deref()?;
        let (directory, name) = (above(path)?, name(path));
        let is_copied = ["hooks", "info"]
            .iter()
            .any(|it| place::name(directory) == *it);
        let is_protected = || {
            let protected = protection(self.files(), path);
            protected.is_some_and(|(_, entry)| entry.path.starts_with(".git/"))
        };
        let is_one = is_copied
            && is_resolved(path)
            && above(directory).is_some_and(is_named_as_git_directory)
            && is_protected();
        is_one.then(|| template.join(place::name(directory)).join(name))
    }

    /// What a path is to git, if it is denied as a protected path and its content decides.
    #[must_use]
    pub fn git_file(&self, path: &Path) -> Option<GitFile> {
        if !is_resolved(path) {
            return None;
        }
        let path = follow(self.files(), path);
        let Some((protected, entry)) = protection(self.files(), &path) else {
            let is_link = path.ends_with(".git")
                && self.files().access(&path).0 == Access::Write
                && self.leads_to_protected(&path);
            return is_link.then_some(GitFile::Link);
        };
        let entry = entry.path.strip_prefix(".git/")?;
        let name = entry.rsplit_once('/').map_or(entry, |(_, name)| name);
        let below = path.strip_prefix(protected).ok()?;
        let below: Vec<&[u8]> = below
            .components()
            .map(|it| it.as_os_str().as_encoded_bytes())
            .collect();
        let is_of_module = entry.contains("modules/");
        match (name, below.as_slice()) {
            ("config" | "config.worktree", []) if is_of_module => Some(GitFile::ModuleConfig),
            ("config" | "config.worktree", []) => Some(GitFile::Config),
            ("commondir", []) if entry == "worktrees/*/commondir" => Some(GitFile::CommonDirectory),
            ("hooks", []) => Some(GitFile::Hooks),
            ("hooks", [name]) if name.ends_with(b".sample") => Some(GitFile::Sample),
            _ => None,
        }
    }
}

#[cfg(test)]
mod programs;
#[cfg(test)]
mod tests;
