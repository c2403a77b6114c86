//! What the settings of git that are in effect lead to, where the command could write it: hooks, included settings, programs.
//!
//! The attack: `core.hooksPath = tools/hooks`, which the person has set, and `tools/hooks/pre-commit`, which an ordinary name makes an
//! ordinary file. So the files of settings are read at the start, as git would read them, and what they lead to is protected as hooks
//! are. No condition of `includeIf` is looked at: it may hold later.
//!
//! Must never do: run git; take a directory away from the command with a writable tree in it, or follow what a tree says without an end.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::link::{flat, named_by};
use super::settings::{Setting, settings};
use super::{MOST_TREES, bounded_content};
use crate::decide::protection;
use crate::files::{FileRule, FileRules};
use crate::os::OsStrExt;
use crate::place::{is_within, upwards};
use crate::resolve::{PathKind, Resolver};
use crate::{Access, Context, Source};

/// How many files of settings are read.
const MOST_FILES: usize = 64;
/// How many paths are protected.
const MOST_TARGETS: usize = 256;
/// How many repositories are looked at for settings of their own that lead anywhere.
const MOST_TOPS: usize = 4096;
/// How many words of a command are looked at.
const MOST_WORDS: usize = 16;

/// A setting that leads to a file that git, or a program of its, obeys.
pub(super) struct Leading {
    /// As git's documentation spells it; `*` is any name between section and key, or any key.
    key: &'static str,
    leads: Leads,
    reason: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Leads {
    /// To settings, from the directory of the file that says so.
    Included,
    /// To what is at a path.
    Path,
    /// To each word of a command that is a path of a file.
    Command,
    /// So where `!` is before it; else it is none.
    Shell,
}

const fn leading(key: &'static str, leads: Leads, reason: &'static str) -> Leading {
    Leading { key, leads, reason }
}

const fn command(key: &'static str) -> Leading {
    leading(key, Leads::Command, COMMAND)
}

const COMMAND: &str = "git runs it";
/// From git's own documentation (`Documentation/config/*.adoc`).
#[rustfmt::skip]
const LEADING: &[Leading] = &[
    leading("include.path", Leads::Included, "git's settings include it"),
    leading("includeIf.*.path", Leads::Included, "git's settings include it"),
    leading("core.hooksPath", Leads::Path, "git runs what is in it"),
    leading("init.templateDir", Leads::Path, "git copies hooks from it"),
    leading("core.attributesFile", Leads::Path, "chooses filters and diff drivers, which are commands"),
    leading("instaweb.modulePath", Leads::Path, "a server that git starts loads what is in it"),
    leading("alias.*", Leads::Shell, COMMAND),
    leading("alias.*.command", Leads::Shell, COMMAND),
    leading("submodule.*.update", Leads::Shell, COMMAND),
    command("core.fsmonitor"),
    command("core.sshCommand"),
    command("core.editor"),
    command("core.pager"),
    command("core.askPass"),
    command("core.alternateRefsCommand"),
    command("core.gitProxy"),
    command("sequence.editor"),
    command("pager.*"),
    command("credential.helper"),
    command("credential.*.helper"),
    command("gpg.program"),
    command("gpg.*.program"),
    command("gpg.*.defaultKeyCommand"),
    command("hook.*.command"),
    command("diff.external"),
    command("diff.*.command"),
    command("diff.*.textconv"),
    command("interactive.diffFilter"),
    command("filter.*.clean"),
    command("filter.*.smudge"),
    command("filter.*.process"),
    command("merge.*.driver"),
    command("difftool.*.cmd"),
    command("difftool.*.path"),
    command("mergetool.*.cmd"),
    command("mergetool.*.path"),
    command("guitool.*.cmd"),
    command("man.*.cmd"),
    command("man.*.path"),
    command("browser.*.cmd"),
    command("browser.*.path"),
    command("trailer.*.cmd"),
    command("trailer.*.command"),
    command("tar.*.command"),
    command("gc.recentObjectsHook"),
    command("uploadpack.packObjectsHook"),
    command("remote.*.receivepack"),
    command("remote.*.uploadpack"),
    command("sendemail.ccCmd"),
    command("sendemail.headerCmd"),
    command("sendemail.sendmailCmd"),
    command("sendemail.smtpServer"),
    command("sendemail.toCmd"),
    command("sendemail.*.toCmd"),
    command("imap.tunnel"),
    command("instaweb.httpd"),
    command("svn.authorsProg"),
];

/// Protects what the settings lead to, and finds the person's template.
pub(crate) fn protect(files: &mut FileRules, context: &Context, resolver: &Resolver) {
    let trees = files.written_directories();
    let trees: Vec<PathBuf> = trees.map(|rule| rule.path().to_owned()).collect();
    if trees.is_empty() || files.asked.only {
        return;
    }
    let mut search = Search {
        home: context.home.as_deref(),
        resolver,
        persons: BTreeMap::new(),
        read: BTreeSet::new(),
        found: Vec::new(),
    };
    let tops = trees
        .iter()
        .take(MOST_TREES)
        .flat_map(|tree| tops(tree, resolver));
    let tops: BTreeSet<PathBuf> = tops.take(MOST_TOPS).collect();
    let mut tops: Vec<PathBuf> = tops.into_iter().collect();
    // A command can make any number of others, but no setting that leads anywhere.
    if tops.len() > MOST_TREES {
        tops.sort_by_cached_key(|top| !search.leads_anywhere(top));
        tops.truncate(MOST_TREES);
    }
    let of_person = of_person(context);
    for path in &of_person {
        search.read(path, None);
    }
    files.template = template(&search.found, files, resolver);
    // What is relative means another path in each repository.
    for top in tops {
        search.read.clear();
        for path in of_person
            .iter()
            .cloned()
            .chain(of_repository(&top, resolver))
        {
            search.read(&path, Some(&top));
        }
    }
    let mut found = search.found;
    let mut paths = BTreeSet::new();
    found.retain(|target| paths.insert(target.path.clone()));
    let mut rules = Vec::new();
    for target in found.iter().take(MOST_TARGETS) {
        rules.extend(target.rules(files, &trees, resolver));
    }
    files.extend(rules);
}

/// Where a person's settings are, and the system's (`FILES` of git-config(1)).
fn of_person(context: &Context) -> Vec<PathBuf> {
    let variable = |name: &str| context.variables.get(OsStr::new(name)).map(PathBuf::from);
    let home = context.home.as_deref();
    let config = variable("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let config = config.or_else(|| home.map(|home| home.join(".config")));
    let all = [
        Some("/etc/gitconfig".into()),
        variable("GIT_CONFIG_SYSTEM"),
        config.map(|config| config.join("git/config")),
        home.map(|home| home.join(".gitconfig")),
        variable("GIT_CONFIG_GLOBAL"),
    ];
    all.into_iter()
        .flatten()
        .filter(|path| path.is_absolute())
        .collect()
}

/// The top of the working tree that a directory lies in; where it is in none, those in it.
fn tops(directory: &Path, resolver: &Resolver) -> Vec<PathBuf> {
    let has_git = |path: &Path| {
        let kind = resolver.kind(&path.join(".git"));
        kind.is_ok_and(|kind| matches!(kind, PathKind::Directory | PathKind::File))
    };
    if let Some(top) = upwards(directory).find(|path| has_git(path)) {
        return vec![top.to_owned()];
    }
    let names = resolver.names(directory).unwrap_or_default();
    let is_directory =
        |kind: &Option<PathKind>| kind.is_none_or(|kind| kind == PathKind::Directory);
    let inner = names.iter().filter(|(_, kind)| is_directory(kind));
    let mut inner: Vec<PathBuf> = inner.map(|(name, _)| directory.join(name)).collect();
    inner.sort();
    inner.retain(|path| resolver.kind(path) == Ok(PathKind::Directory) && has_git(path));
    inner
}

/// The settings of the repository whose working tree has its top there.
fn of_repository(top: &Path, resolver: &Resolver) -> Vec<PathBuf> {
    let git = top.join(".git");
    let linked = bounded_content(&git, resolver);
    let own = match linked.as_deref().map(named_by) {
        Some(Ok(path)) => flat(&top.join(path)),
        _ => git,
    };
    let common = bounded_content(&own.join("commondir"), resolver);
    let common = common.map(|path| flat(&own.join(OsStr::from_bytes(path.trim_ascii_end()))));
    let common = common.unwrap_or_else(|| own.clone());
    let names = ["config", "config.worktree"];
    let mut all: Vec<PathBuf> = names.iter().map(|name| common.join(name)).collect();
    all.push(own.join("config.worktree"));
    all
}

/// What settings were found to lead to.
struct Search<'a> {
    home: Option<&'a Path>,
    resolver: &'a Resolver,
    /// What is in the person's files, which are gone through for each repository and read once.
    persons: BTreeMap<PathBuf, Rc<[Setting]>>,
    /// The files that were read, each with the directory in which it was found.
    read: BTreeSet<(PathBuf, PathBuf)>,
    found: Vec<Target>,
}

struct Target {
    path: PathBuf,
    setting: &'static Leading,
}

impl Search<'_> {
    /// Whether settings of a repository's own do.
    fn leads_anywhere(&self, top: &Path) -> bool {
        let mut own = Search {
            persons: BTreeMap::new(),
            read: BTreeSet::new(),
            found: Vec::new(),
            ..*self
        };
        for path in of_repository(top, self.resolver) {
            own.read(&path, Some(top));
        }
        !own.found.is_empty()
    }

    /// Reads a file of settings, and those that it includes. What is relative is so to the top of a working tree.
    fn read(&mut self, path: &Path, top: Option<&Path>) {
        let mut left = vec![path.to_owned()];
        while let Some(path) = left.pop() {
            if self.read.len() >= MOST_FILES {
                return;
            }
            let real = |path: &Path| self.resolver.resolve(path).map(|place| place.path);
            // What it includes is beside the name by which it is read.
            let (Ok(file), Some(Ok(directory))) = (real(&path), path.parent().map(real)) else {
                continue;
            };
            if !self.read.insert((file.clone(), directory)) {
                continue;
            }
            let all = self.persons.get(&file).cloned();
            let all = all.unwrap_or_else(|| self.settings(&file));
            if top.is_none() {
                self.persons.insert(file, Rc::clone(&all));
            }
            for setting in &*all {
                let Some(leading) = leading_of(setting) else {
                    continue;
                };
                let Some(value) = setting.value.as_deref().filter(|it| !it.is_empty()) else {
                    continue;
                };
                match leading.leads {
                    Leads::Included => {
                        let included = self.at(value, path.parent());
                        left.extend(included.clone());
                        self.add(included, leading);
                    }
                    Leads::Path => self.add(self.at(value, top), leading),
                    Leads::Shell if !value.starts_with(b"!") => {}
                    Leads::Command | Leads::Shell => {
                        let words = value.split(|byte| b" \t\"';&|()".contains(byte));
                        let words = words.map(|word| word.strip_prefix(b"!").unwrap_or(word));
                        // The shell looks for the others in `PATH`.
                        let paths = words.filter(|word| word.contains(&b'/')).take(MOST_WORDS);
                        for path in paths {
                            let path = self.at(path, top).filter(|path| self.is_file(path));
                            self.add(path, leading);
                        }
                    }
                }
            }
        }
    }

    /// None where git does not understand all of them: it stops there.
    fn settings(&self, file: &Path) -> Rc<[Setting]> {
        let content = bounded_content(file, self.resolver);
        let all = content.and_then(|content| settings(&content).ok());
        all.unwrap_or_default().into()
    }

    /// The path that a value means (`pathname` of git-config(1)).
    fn at(&self, value: &[u8], directory: Option<&Path>) -> Option<PathBuf> {
        let path = match (value.strip_prefix(b"~/"), self.home) {
            (Some(rest), Some(home)) => home.join(OsStr::from_bytes(rest)),
            _ => directory
                .unwrap_or(Path::new(""))
                .join(OsStr::from_bytes(value)),
        };
        path.is_absolute().then_some(path)
    }

    fn is_file(&self, path: &Path) -> bool {
        self.resolver
            .resolve(path)
            .is_ok_and(|it| it.kind == PathKind::File)
    }

    fn add(&mut self, path: Option<PathBuf>, setting: &'static Leading) {
        self.found.extend(path.map(|path| Target { path, setting }));
    }
}

/// The entry of the table for a setting, if it leads anywhere.
pub(super) fn leading_of(setting: &Setting) -> Option<&'static Leading> {
    let parts = setting.parts()?;
    let is_it = |leading: &&Leading| {
        let (section, rest) = leading.key.split_once('.').unwrap_or_default();
        let below = rest.strip_prefix("*.");
        let key = below.unwrap_or(rest).as_bytes();
        section.as_bytes().eq_ignore_ascii_case(parts.section)
            && (key == b"*" || key.eq_ignore_ascii_case(parts.key))
            && below.is_some() == parts.subsection.is_some()
    };
    LEADING.iter().find(is_it)
}

impl Target {
    /// What makes it read-only, with the links that lead there, where the command could write it otherwise.
    fn rules(&self, files: &FileRules, trees: &[PathBuf], resolver: &Resolver) -> Vec<FileRule> {
        let Ok(found) = resolver.resolve(&self.path) else {
            return Vec::new();
        };
        let links = found
            .links
            .into_iter()
            .map(|(link, _)| (link, PathKind::Symlink));
        let mut places: Vec<(PathBuf, PathKind)> = links.collect();
        places.push((found.path, found.kind));
        places.retain(|(path, _)| {
            let is_persons = files
                .literal(path)
                .is_some_and(|rule| rule.source.is_written());
            files.access(path).0 == Access::Write
                && protection(files, path).is_none()
                && !is_persons
                && !trees.iter().any(|tree| is_within(tree, path))
                // git itself could write nothing there.
                && !path.ends_with(".git")
        });
        let rule = |(path, kind): (PathBuf, PathKind)| FileRule {
            kind,
            reason: Some(self.setting.reason),
            source: Source::GitSetting {
                key: self.setting.key,
            },
            ..FileRule::plain(path.clone().as_os_str(), path, None, Access::Read)
        };
        places.into_iter().map(rule).collect()
    }
}

/// The person's template, if nothing in it can be written inside.
fn template(found: &[Target], files: &FileRules, resolver: &Resolver) -> Option<PathBuf> {
    let last = found
        .iter()
        .rfind(|target| target.setting.key == "init.templateDir")?;
    let found = resolver.resolve(&last.path).ok()?;
    let is_read = found.kind == PathKind::Directory && files.access(&found.path).0 == Access::Read;
    is_read.then_some(found.path)
}

#[cfg(test)]
mod tests;
