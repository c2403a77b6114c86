//! Files through which a confined process could make an unconfined one act for it.
//!
//! The attack: the command writes a git hook, a shell start-up file, an editor's or an agent's settings into the
//! workspace, exits, and the person's next `git status`, `cd` or click runs what it wrote. The table is the union over
//! all tools, also over those that are not installed. By name, `decide` protects what is in it at every depth of every
//! writable tree of the host, whether it exists or not; a rule opens one only by naming it. What a backend holds of that
//! is in its report.
//!
//! Must never do: decide by what exists. Names are compared byte for byte.

use std::ffi::OsStr;
use std::path::{Component, Path};
use std::sync::LazyLock;

use crate::map::Map;
use crate::os::OsStrExt;
use crate::place::{self, depth};
use crate::table::{Relative, Table};

/// A name, or a path of names, that is protected with everything below it.
pub(crate) struct ProtectedPath {
    /// Relative to any directory. `*` is one component, `**` one or more.
    pub(crate) path: &'static str,
    /// Whether it is an ordinary name below a directory of dependencies.
    pub(crate) scope: Scope,
    pub(crate) reason: &'static str,
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
        reason,
    }
}

const fn own(path: &'static str, reason: &'static str) -> ProtectedPath {
    ProtectedPath {
        path,
        scope: Scope::Own,
        reason,
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

/// One line an entry: version control, shells, editors, agents, tools, desktop.
#[rustfmt::skip]
pub(crate) const PROTECTED: &[ProtectedPath] = &[
    git(".git/hooks", "git runs them"),
    git(".git/config", "core.fsmonitor, core.sshCommand, aliases and filters are commands that git runs"),
    git(".git/config.worktree", "read like config"),
    git(".git/config.sandbox", "what becomes config, once it is decided"),
    git(".git/commondir", "where git reads config and hooks from instead"),
    git(".git/info/attributes", "chooses filters and diff drivers, which are commands"),
    git(".git/modules/**/hooks", "hooks of a submodule"),
    git(".git/modules/**/config", "config of a submodule"),
    git(".git/modules/**/config.worktree", "read like config"),
    git(".git/modules/**/config.sandbox", "what becomes config, once it is decided"),
    git(".git/modules/**/commondir", "where git reads config and hooks from instead"),
    git(".git/modules/**/info/attributes", "attributes of a submodule"),
    git(".git/worktrees/*/commondir", "where git reads config and hooks from instead"),
    git(".git/worktrees/*/config.worktree", "config of a linked worktree"),
    git(".git/worktrees/*/config.sandbox", "what becomes config, once it is decided"),
    git(".hg/hgrc", "mercurial's hooks and extensions are commands"),
    git(".hg/hgrc-not-shared", "read like hgrc"),
    git(".jj/repo/config.toml", "jj's aliases, fix tools and diff editors are commands"),
    git(".jj/repo/store/git/hooks", "hooks of the git repository inside jj's"),
    git(".jj/repo/store/git/config", "config of the git repository inside jj's"),
    git(".sl/config", "sapling's hooks and aliases are commands"),
    own(".gitconfig", "the person's git configuration"),
    own(".config/git", "the person's git configuration, attributes and hooks"),
    own(".husky", "core.hooksPath of many projects points there"),
    own(".githooks", "core.hooksPath of many projects points there"),
    own(".lefthook.yml", "commands that git hooks run"),
    own("lefthook.yml", "commands that git hooks run"),
    own(".pre-commit-config.yaml", "commands that git hooks run"),
    own(".overcommit.yml", "commands that git hooks run"),

    own(".profile", "read by login shells"),
    own(".bashrc", "read by every interactive bash"),
    own(".bash_profile", "read by login shells"),
    own(".bash_login", "read by login shells"),
    own(".bash_logout", "run when a login shell ends"),
    own(".bash_aliases", "read by .bashrc of several distributions"),
    own(".zshrc", "read by every interactive zsh"),
    own(".zshenv", "read by every zsh"),
    own(".zprofile", "read by login shells"),
    own(".zlogin", "read by login shells"),
    own(".zlogout", "run when a login shell ends"),
    own(".oh-my-zsh", "sourced by .zshrc"),
    own(".kshrc", "read by every interactive ksh"),
    own(".mkshrc", "read by every interactive mksh"),
    own(".cshrc", "read by every csh"),
    own(".tcshrc", "read by every tcsh"),
    own(".login", "read by login shells"),
    own(".logout", "run when a login shell ends"),
    own(".inputrc", "binds keys to text that is typed into shells"),
    own(".config/fish", "read by every fish"),
    own(".config/nushell", "read by every nu"),
    own(".config/zsh", "where ZDOTDIR often points"),
    own(".config/starship.toml", "commands that every prompt runs"),
    own(".pam_environment", "variables of every session"),
    own(".envrc", "direnv runs it on entering the directory"),
    own(".config/direnv", "direnv's own library of shell code"),
    own(".mise.toml", "mise's hooks and variables"),
    own("mise.toml", "mise's hooks and variables"),
    own(".mise", "mise's hooks and tasks"),
    own(".autoenv.zsh", "run on entering the directory"),
    own(".tmux.conf", "run-shell and default-command"),
    own(".config/tmux", "run-shell and default-command"),
    own(".screenrc", "exec and shell"),
    own(".ssh", "authorized keys, and ProxyCommand of the configuration"),
    own(".gnupg", "agent programs, and whom signatures are believed from"),

    own(".vscode", "tasks, launch configurations and settings that name programs"),
    own(".vscode-server", "the editor's remote half"),
    own(".devcontainer", "commands that the editor runs on the host"),
    own(".devcontainer.json", "commands that the editor runs on the host"),
    own(".idea", "run configurations, file watchers"),
    own(".fleet", "run configurations"),
    own(".zed", "tasks, and settings that name programs"),
    own(".sublime-project", "build systems are commands"),
    own(".vim", "plugins"),
    own(".vimrc", "commands at start"),
    own(".gvimrc", "commands at start"),
    own(".exrc", "vim reads it in the current directory where exrc is set"),
    own(".nvimrc", "nvim reads it in the current directory where exrc is set"),
    own(".nvim.lua", "nvim reads it in the current directory where exrc is set"),
    own(".lvimrc", "read by a common vim plugin"),
    own(".config/nvim", "plugins and commands at start"),
    own(".emacs", "commands at start"),
    own(".emacs.d", "packages and commands at start"),
    own(".config/emacs", "packages and commands at start"),
    own(".dir-locals.el", "emacs evaluates it on opening a file"),
    own(".config/helix", "language servers are commands"),
    own(".helix", "language servers are commands"),
    own(".kakrc", "commands at start"),
    own(".nanorc", "spellers and formatters are commands"),

    own("sandbox.toml", "what the next command in a sandbox of this project may do"),
    own(".config/sandbox", "what every command in a sandbox may do"),
    own(".local/state/sandbox", "which policies the person has approved"),

    own(".claude", "an agent's hooks, permissions and tool servers"),
    own(".claude.json", "an agent's tool servers"),
    own(".mcp.json", "tool servers are commands"),
    own(".cursor", "an agent's hooks, rules and tool servers"),
    own(".cursorrules", "instructions that an unconfined agent follows"),
    own(".codex", "an agent's configuration and tool servers"),
    own(".gemini", "an agent's hooks and tool servers"),
    own(".qwen", "an agent's hooks and tool servers"),
    own(".windsurf", "an agent's rules and tool servers"),
    own(".windsurfrules", "instructions that an unconfined agent follows"),
    own(".continue", "an agent's tool servers"),
    own(".clinerules", "instructions that an unconfined agent follows"),
    own(".roo", "an agent's tool servers"),
    own(".kiro", "an agent's hooks and tool servers"),
    own(".amazonq", "an agent's tool servers"),
    own(".goose", "an agent's extensions are commands"),
    own(".opencode", "an agent's plugins and tool servers"),
    own("opencode.json", "an agent's tool servers and permissions"),
    own(".aider.conf.yml", "test and lint commands of an agent"),
    own(".github/copilot-instructions.md", "instructions that an unconfined agent follows"),

    own(".npmrc", "script-shell, node-options, registries"),
    own(".yarnrc", "yarn-path is executed"),
    own(".yarnrc.yml", "yarnPath and plugins are executed"),
    own(".yarn/releases", "yarnPath points there"),
    own(".yarn/plugins", "loaded by every yarn"),
    own(".pnpmfile.cjs", "loaded by every pnpm"),
    own("bunfig.toml", "preload"),
    own(".pypirc", "where packages are uploaded to"),
    own(".config/pip", "index and interpreter"),
    own(".pip", "index and interpreter"),
    own(".condarc", "channels"),
    own(".pdbrc", "run by every pdb"),
    own(".pythonrc", "where PYTHONSTARTUP often points"),
    own(".pythonrc.py", "where PYTHONSTARTUP often points"),
    own(".ipython", "start-up code"),
    own(".jupyter", "start-up code"),
    own(".cargo/config", "read like config.toml"),
    own(".cargo/config.toml", "runner, linker and rustc-wrapper are commands"),
    own(".cargo/bin", "in PATH"),
    own(".gemrc", "sources and options of gem"),
    own(".irbrc", "run by every irb"),
    own(".pryrc", "run by every pry"),
    own(".bundle/config", "sources and build options"),
    own(".Rprofile", "run by every R"),
    own(".Renviron", "variables of every R"),
    own(".ghci", "run by every ghci"),
    own(".gradle/init.d", "run by every gradle"),
    own(".gradle/init.gradle", "run by every gradle"),
    own(".m2/settings.xml", "repositories and their credentials"),
    own(".gdbinit", "run by gdb in the directory"),
    own(".lldbinit", "run by lldb in the directory"),
    own(".curlrc", "options of every curl"),
    own(".wgetrc", "options of every wget"),
    own(".docker", "credential helpers and plugins are commands"),
    own(".kube", "exec plugins are commands"),
    own(".aws", "credential_process is a command"),

    own(".local/bin", "in PATH"),
    own(".config/autostart", "started with the session"),
    own(".config/systemd/user", "services of the person"),
    own(".config/environment.d", "variables of every service of the person"),
    own(".local/share/systemd/user", "services of the person"),
    own(".local/share/applications", "what clicking a file or link starts"),
    own(".local/share/dbus-1/services", "started by a message"),
    own(".config/mimeapps.list", "what clicking a file or link starts"),
    own(".xprofile", "run with the session"),
    own(".xinitrc", "run with the session"),
    own(".xsession", "run with the session"),
    own(".xsessionrc", "run with the session"),
    own(".config/i3", "exec"),
    own(".config/sway", "exec"),
    own(".config/hypr", "exec"),
];

/// The table, by first names.
pub(crate) fn protected() -> &'static Table<ProtectedPath> {
    static TABLE: LazyLock<Table<ProtectedPath>> = LazyLock::new(|| Table::new(PROTECTED));
    &TABLE
}

/// The parts that are left below a directory of each protected path on whose way it is: `.git`, opened by a rule, has hooks in
/// it.
pub(crate) fn rests(directory: &Path) -> impl Iterator<Item = &'static [&'static str]> {
    /// The parts of a protected path above a directory on the way, and those below it; by the directory's name.
    type Way = (Vec<&'static str>, Vec<&'static str>);
    static WAYS: LazyLock<Map<&str, Vec<Way>>> = LazyLock::new(|| {
        let mut ways: Map<&str, Vec<Way>> = Map::default();
        for parts in PROTECTED.iter().map(ProtectedPath::parts) {
            for taken in 1..parts.len() {
                let (taken, rest) = parts.split_at(taken);
                if let Some((name, above)) = taken.split_last() {
                    let way = (above.to_vec(), rest.to_vec());
                    ways.entry(name).or_default().push(way);
                }
            }
        }
        ways
    });
    let name = place::name(directory).to_str();
    let named = [name, Some("*")].into_iter().flatten();
    let is_way = move |(above, _): &&Way| {
        place::above(directory).is_some_and(|directory| ends_with(directory, above))
    };
    let ways = named.filter_map(|name| WAYS.get(name)).flatten();
    ways.filter(is_way).map(|(_, rest)| rest.as_slice())
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

fn is_named(name: &OsStr, part: &str) -> bool {
    part == "*" || name.as_bytes() == part.as_bytes()
}

/// The protected path at or above a path, the innermost of several, with its entry.
///
/// Directories of dependencies count below `root`, the writable tree: whoever works *in* one has settings there.
pub(crate) fn innermost<'a>(
    path: &'a Path,
    root: &Path,
) -> Option<(&'a Path, &'static ProtectedPath)> {
    let names = names(path);
    let mut found: Option<(usize, &'static ProtectedPath)> = None;
    for (start, scope) in starts(&names, root) {
        let rest = names.get(start..).unwrap_or_default();
        for entry in in_scope(rest, scope) {
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

/// Whether a path is the beginning of a protected one: what its last names are is the first part of an entry.
pub(crate) fn leads_to(path: &Path, root: &Path) -> bool {
    let names = names(path);
    starts(&names, root).any(|(start, scope)| {
        let rest = names.get(start..).unwrap_or_default();
        in_scope(rest, scope).any(|entry| is_beginning(&entry.parts(), rest))
    })
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
fn in_scope(names: &[&OsStr], scope: Scope) -> impl Iterator<Item = &'static ProtectedPath> {
    let first = names.first().copied().unwrap_or_default();
    let all = protected().below(first);
    all.filter(move |entry| entry.scope == Scope::Everywhere || scope == Scope::Own)
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
        "*" => is_beginning(rest, below),
        part => name.as_bytes() == part.as_bytes() && is_beginning(rest, below),
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
    if *part != "*" && name.as_bytes() != part.as_bytes() {
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
            ("/", None),
        ] {
            let found = innermost(path.as_ref(), "/w".as_ref()).map(|(path, _)| path);
            assert_eq!(found, protected.map(Path::new), "{path}");
        }
    }

    #[test]
    fn a_workspace_among_dependencies_has_settings_of_its_own() {
        let path = Path::new("/vendor/w/.vscode");
        assert!(innermost(path, "/vendor/w".as_ref()).is_some());
        assert!(innermost(path, "/".as_ref()).is_none());
    }

    #[test]
    fn every_entry_is_a_relative_path_with_a_reason_and_there_once() {
        let mut paths: Vec<_> = PROTECTED.iter().map(|entry| entry.path).collect();
        paths.sort_unstable();
        paths
            .windows(2)
            .for_each(|pair| assert_ne!(pair[0], pair[1]));
        for entry in PROTECTED {
            assert!(
                !entry.path.starts_with(['/', '*']) && !entry.path.ends_with('/'),
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
