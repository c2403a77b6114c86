//! From the rules of another sandbox's settings to ours, once it is known where their paths lead.
//!
//! There, reading and writing are two questions. Reading: the most specific of what hides and what shows holds. Writing: what
//! is allowed, less all that is denied. Here a rule has one answer for both, so that each rule of settings gets the access
//! that both questions give at its path; between two such paths no answer changes. Two denials are patterns or reach below
//! what is allowed in them, and lower the rules there.

use std::path::Path;
use std::sync::Arc;

use super::by_name::Waits;
use super::draft::{Draft, resolve_draft, rule_error};
use super::{Way, build, by_name};
use crate::files::FileRule;
use crate::files::absent::AbsentSecrets;
use crate::pattern::expand;
use crate::place;
use crate::policy::{FileEntry, Role, Settings};
use crate::resolve::{PathKind, Resolver};
use crate::sockets::SocketRule;
use crate::{Access, Context, PolicyError, Source};

/// Rules of the preset that settings have others for: which trees are writable, and that everything can be read.
pub(super) fn keeps(entry: &FileEntry) -> bool {
    *entry.text != *"${CWD}" && *entry.text != *"/var/tmp"
}

/// A rule of settings on its way to one of ours.
struct Imported {
    role: Role,
    way: Way,
}

impl Imported {
    fn rule(&self) -> &FileRule {
        &self.way.rule
    }

    fn path(&self) -> &Path {
        &self.way.rule.path
    }

    fn set(&mut self, access: Access) {
        if self.way.rule.access != access {
            Arc::make_mut(&mut self.way.rule).access = access;
        }
    }

    /// Whether what it denies includes this place.
    fn reaches(&self, path: &Path) -> bool {
        match &self.rule().glob {
            Some(glob) => glob.longest_match(path).is_some(),
            None => place::is_within(path, self.path()),
        }
    }
}

/// Adds the rules of settings to those of the preset and of the command line.
pub(super) fn apply(
    settings: &Settings,
    ways: &mut Vec<Way>,
    context: &Context,
    resolver: &Resolver,
    absent: &Arc<AbsentSecrets>,
    problems: &mut Vec<PolicyError>,
) {
    let mut rules = Vec::new();
    for (role, entry) in written(settings, context) {
        // By its name it is opened whether it is there or not.
        let is_name = role == Role::Unprotect;
        match resolved(entry, is_name, context, resolver) {
            Ok(Some(way)) => rules.push(Imported { role, way }),
            Ok(None) => {}
            Err(error) => problems.push(error),
        }
    }
    rules.retain(|rule| !is_replaced(rule, ways));
    let opens = |way: &Way| {
        let same = |rule: &Imported| {
            matches!(rule.role, Role::Write | Role::Show)
                && is_literal_at(&rule.way, &way.rule.path)
        };
        rules.iter().any(same)
    };
    ways.retain(|way| !is_of_preset(way) || !opens(way));
    hide_offers(&rules, ways, absent);

    lower_writes(&mut rules);
    show(&mut rules, ways, absent);
    deny_writes(&mut rules, ways, absent);
    unprotect(&mut rules, ways, absent);
    ways.extend(rules.into_iter().map(|rule| rule.way));
}

/// The sockets that may be connected to. What cannot be resolved is an error of the rule that shows it.
pub(super) fn sockets(
    settings: &Settings,
    context: &Context,
    resolver: &Resolver,
) -> Vec<SocketRule> {
    let resolved = |entry: &FileEntry| {
        let way = resolved(entry.clone(), false, context, resolver).ok()??;
        Some(SocketRule {
            path: way.rule.path.clone(),
            text: entry.text.to_string_lossy().into_owned(),
            source: entry.source.clone(),
        })
    };
    settings.sockets.iter().filter_map(resolved).collect()
}

/// The rules as they are written, and those that follow from none of them.
fn written(settings: &Settings, context: &Context) -> Vec<(Role, FileEntry)> {
    let rule = |text: &Path, access, source| FileEntry {
        text: text.as_os_str().into(),
        pattern: false,
        access,
        optional: false,
        base: None,
        layer: 0,
        is_instead: false,
        source,
    };
    if let Some(source) = &settings.unrestricted {
        // `/tmp` is private, and may be where the command starts.
        let trees = [Path::new("/"), &context.cwd];
        return trees
            .map(|tree| (Role::Write, rule(tree, Access::Write, source.clone())))
            .into();
    }
    // The table of protected paths has every other name that is denied there. These two are denied below, too, there.
    let denied = ["${CWD}/.gitmodules", "${CWD}/.ripgreprc"].map(|name| FileEntry {
        pattern: true,
        optional: true,
        ..rule(Path::new(name), Access::Read, Source::Protected)
    });
    let own = settings
        .file
        .iter()
        .map(|file| rule(file, Access::Read, Source::Protected));
    let more = denied
        .into_iter()
        .chain(own)
        .map(|rule| (Role::NoWrite, rule));
    settings.rules.iter().cloned().chain(more).collect()
}

fn resolved(
    entry: FileEntry,
    is_name: bool,
    context: &Context,
    resolver: &Resolver,
) -> Result<Option<Way>, PolicyError> {
    let expanded = expand(&entry.text, entry.pattern, &context.cwd, context)
        .map_err(|problem| rule_error(&entry, problem.into()))?;
    // The name that a pattern spells is meant only where there is such a file. What may be written can be made.
    let is_other_name = entry.optional && !is_name && entry.access != Access::Write;
    let way = resolve_draft(
        Draft {
            entry,
            expanded,
            secret: None,
            replaced: Vec::new(),
        },
        resolver,
        &[],
    )?;
    if let Some(error) = way.as_ref().and_then(by_name::missing) {
        return Err(error);
    }
    // What they let be written is protected all the same, unless they name it as that.
    let way = way.map(|way| Way {
        waits: way
            .waits
            .map(|waits| if is_name { waits } else { Waits::Made }),
        ..way
    });
    Ok(way.filter(|way| {
        !is_other_name || way.rule.glob.is_some() || way.rule.kind != PathKind::Missing
    }))
}

/// A rule of the command line about the same replaces one of settings.
fn is_replaced(rule: &Imported, ways: &[Way]) -> bool {
    let is_same = |way: &Way| match &rule.rule().glob {
        None => is_literal_at(way, rule.path()),
        Some(_) => {
            way.rule.glob.is_some()
                && way.rule.path == rule.path()
                && way.rule.text == rule.rule().text
        }
    };
    ways.iter()
        .any(|way| way.rule.source == Source::CommandLine && is_same(way))
}

fn is_literal_at(way: &Way, path: &Path) -> bool {
    way.rule.is_literal() && way.rule.path == path
}

fn is_of_preset(way: &Way) -> bool {
    matches!(way.rule.source, Source::Preset(_))
}

/// What a preset shows of a private directory is hidden with it: nobody has named it.
fn hide_offers(rules: &[Imported], ways: &mut Vec<Way>, absent: &Arc<AbsentSecrets>) {
    let files = build(
        rules
            .iter()
            .filter(|rule| rule.role != Role::NoWrite)
            .map(|rule| &rule.way),
        absent,
    );
    ways.retain(|way| {
        let is_hidden = || matches!(files.access(&way.rule.path), (Access::Hide, Some(rule)) if matches!(rule.source, Source::Setting { .. }));
        !(is_of_preset(way) && way.rule.access == Access::Read && is_hidden())
    });
}

/// Denials reach below what is allowed in them. A pattern that hides a path holds against an allowance to write that very
/// path, unless another one shows it.
fn lower_writes(rules: &mut [Imported]) {
    let lowered = |rule: &Imported| {
        let path = rule.path();
        let any = |role: Role, holds: &dyn Fn(&Imported) -> bool| {
            rules.iter().any(|other| other.role == role && holds(other))
        };
        let is_hidden = |other: &Imported| {
            other
                .rule()
                .glob
                .as_ref()
                .is_some_and(|glob| glob.matches(path))
        };
        let is_shown = || any(Role::Show, &|other| is_literal_at(&other.way, path));
        if any(Role::NoRead, &|other| other.reaches(path))
            || (any(Role::Hide, &is_hidden) && !is_shown())
        {
            Access::Hide
        } else if any(Role::NoWrite, &|other| other.reaches(path)) {
            Access::Read
        } else {
            Access::Write
        }
    };
    let accesses = of_role(rules, Role::Write, lowered);
    set_of_role(rules, Role::Write, accesses);
}

/// What `answer` is for each rule of a role.
fn of_role<T>(rules: &[Imported], role: Role, answer: impl Fn(&Imported) -> T) -> Vec<T> {
    let of_role = rules.iter().filter(|rule| rule.role == role);
    of_role.map(answer).collect()
}

fn set_of_role(rules: &mut [Imported], role: Role, accesses: Vec<Access>) {
    let of_role = rules.iter_mut().filter(|rule| rule.role == role);
    for (rule, access) in of_role.zip(accesses) {
        rule.set(access);
    }
}

/// What is shown can be written where it could be if nothing were hidden.
fn show(rules: &mut Vec<Imported>, ways: &[Way], absent: &Arc<AbsentSecrets>) {
    if !rules.iter().any(|rule| rule.role == Role::Show) {
        return;
    }
    let kept = rules
        .iter()
        .filter(|rule| matches!(rule.role, Role::Write | Role::NoWrite));
    let files = build(kept.map(|rule| &rule.way).chain(ways), absent);
    let access = |rule: &Imported| {
        let is_denied = rules
            .iter()
            .any(|other| other.role == Role::NoRead && other.reaches(rule.path()));
        match files.access(rule.path()).0 {
            _ if is_denied => Access::Hide,
            Access::Write => Access::Write,
            _ => Access::Read,
        }
    };
    let accesses = of_role(rules, Role::Show, access);
    set_of_role(rules, Role::Show, accesses);
    let shown: Vec<_> = rules
        .iter()
        .filter(|rule| rule.role == Role::Show && rule.rule().is_literal())
        .map(|rule| rule.path().to_owned())
        .collect();
    rules.retain(|rule| {
        !(rule.role == Role::Hide
            && rule.rule().is_literal()
            && shown.iter().any(|shown| shown == rule.path()))
    });
}

/// A denial of writing says nothing about reading: it is no rule where nothing of the host is, and shows nothing.
fn deny_writes(rules: &mut Vec<Imported>, ways: &[Way], absent: &Arc<AbsentSecrets>) {
    let others = rules
        .iter()
        .filter(|rule| !matches!(rule.role, Role::NoWrite | Role::Unprotect));
    let files = build(others.map(|rule| &rule.way).chain(ways), absent);
    let mut hidden = Vec::new();
    rules.retain_mut(|rule| {
        if rule.role != Role::NoWrite {
            return true;
        }
        match (files.access(rule.path()).0, rule.rule().is_literal()) {
            (Access::Hide, true) => rule.set(Access::Hide),
            // Its beginning would weigh more than what hides it.
            (Access::Hide, false) => hidden.push(Imported {
                role: Role::Hide,
                way: Way {
                    rule: Arc::new(FileRule {
                        access: Access::Hide,
                        ..rule.rule().at(rule.path().to_owned(), PathKind::Directory)
                    }),
                    links: Vec::new(),
                    is_offer: false,
                    is_instead: false,
                    waits: None,
                },
            }),
            (Access::Scratch, true) => return false,
            _ => {}
        }
        true
    });
    rules.extend(hidden);
}

/// To name a protected path opens it, where it could be written but for its name.
fn unprotect(rules: &mut Vec<Imported>, ways: &[Way], absent: &Arc<AbsentSecrets>) {
    if !rules.iter().any(|rule| rule.role == Role::Unprotect) {
        return;
    }
    let others = rules.iter().filter(|rule| rule.role != Role::Unprotect);
    let files = build(others.map(|rule| &rule.way).chain(ways), absent);
    rules.retain(|rule| {
        rule.role != Role::Unprotect || files.access(rule.path()).0 == Access::Write
    });
}
