//! Protected paths: by name, at any depth, whether they are there or not.
//!
//! A regular expression matches the protected directory itself, too (`.git/hooks`, then a slash or the end): it is not moved away, changed
//! and moved back. Directories that lead to one are not moved, removed or made. What a rule opens by naming it is taken out.
//! Names of the table are denied in other letters, and so is each name that a file system may take for one of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use sandbox_core::{DEPENDENCY_DIRECTORIES, ProtectedName, Ruleset, Source, is_within};

use super::ProfileError;
use super::braces;
use super::files::{Files, Item};
use super::fold::{self, BELOW, HERE};
use super::glob;
use super::rows::{READ, WRITE, stay};
use super::sbpl::{Filter, Line, Statement};
use super::spelling::{self, Atoms, Letters};

/// Endings of files, in which nothing lies: what is below a directory of dependencies below them is not asked for.
#[rustfmt::skip]
const FILES: &[&str] = &[
    "rc", "profile", ".yml", ".yaml", ".toml", ".json", ".jsonc", ".js", ".cjs", ".mjs", ".py", ".conf", ".lua", ".el", ".zsh", ".bash", ".cfg",
    ".properties", ".xml", ".exs", ".list", ".dirs", ".md", "env", "login", "logout", "config", "ignore",
];

/// Letters that stand for others (APFS folds them, HFS+ passes over the invisible ones): in a name of ordinary letters they are there to
/// be mistaken.
#[rustfmt::skip]
const MISTAKEN: &[&str] = &[
    "\u{17f}", "\u{212a}", "\u{fb00}", "\u{fb01}", "\u{fb02}", "\u{fb03}", "\u{fb04}", "\u{fb05}", "\u{fb06}",
    "\u{200b}", "\u{200c}", "\u{200d}", "\u{200e}", "\u{200f}", "\u{202a}", "\u{202b}", "\u{202c}", "\u{202d}", "\u{202e}",
    "\u{2060}", "\u{206a}", "\u{206b}", "\u{206c}", "\u{206d}", "\u{206e}", "\u{206f}", "\u{feff}", "\u{ad}",
];

/// Why names are there.
#[derive(Clone, Copy)]
enum Why {
    /// They are protected.
    Protected,
    /// A second time, where a directory of dependencies is below them.
    Again,
}

/// A tree in which rules let something be written, and what its own path may be mistaken for.
struct Tree<'a> {
    item: &'a Item,
    path: &'a Path,
}

impl<'a> Tree<'a> {
    fn of(item: &'a Item) -> Self {
        Self {
            item,
            path: &item.path,
        }
    }

    /// Whether a name in its path may be the first one of a protected path.
    fn begins(&self, name: &ProtectedName) -> bool {
        let first = first(name);
        let mut names = self.path.iter().filter_map(|name| name.to_str());
        names.any(|name| match first.strip_prefix('*') {
            Some(suffix) => ends_with(name, suffix),
            None => name.eq_ignore_ascii_case(first),
        })
    }

    fn lies_in_dependencies(&self) -> bool {
        let mut names = self.path.iter();
        names.any(|name| DEPENDENCY_DIRECTORIES.iter().any(|other| name == *other))
    }

    /// Whether its path has names of the kind that is denied.
    fn is_mistaken(&self) -> bool {
        let mut names = self.path.iter().filter_map(|name| name.to_str());
        names.any(|name| name.contains('~') || name.ends_with(['.', ' ']) || !name.is_ascii())
    }

    /// What is in it.
    fn filters(&self) -> Vec<Filter> {
        if let Ok(parts @ [_, ..]) = self.item.parts(Letters::Same).as_deref()
            && self.item.pattern.is_some()
        {
            let directory = spelling::path(self.item.text(), Letters::Same);
            let regex = glob::below(&directory, parts).concat();
            return vec![Filter::Regex(regex + BELOW)];
        }
        let ways = spelling::allowed(self.item.text()).into_iter();
        ways.map(Filter::Subpath).collect()
    }
}

pub(super) fn statements(
    ruleset: &Ruleset,
    files: &Files<'_>,
) -> Result<Vec<Statement>, ProfileError> {
    let names: Vec<ProtectedName> = ruleset.protected_names().collect();
    let trees: Vec<Tree<'_>> = files.writable().map(Tree::of).collect();
    if names.is_empty() || trees.is_empty() {
        return Ok(Vec::new());
    }
    let dependencies = dependencies(&trees);
    let opened = names_in(&trees);
    let (special, ordinary): (Vec<&ProtectedName>, Vec<&ProtectedName>) =
        names.iter().partition(|name| begins(&opened, name));
    let (everywhere, own): (Vec<&ProtectedName>, Vec<&ProtectedName>) =
        ordinary.into_iter().partition(|name| name.everywhere);
    let may_be = |name: &&&ProtectedName| may_be_directory(name.path);
    let directories: Vec<_> = own.iter().filter(may_be).copied().collect();
    let mut writes = lines(&directories, None, &below_dependencies(), &[], Why::Again)?;
    writes.extend(lines(&everywhere, None, BELOW, &[], Why::Protected)?);
    for name in &special {
        writes.extend(of_opened(name, &trees, &dependencies)?);
    }
    for tree in trees
        .iter()
        .filter(|tree| special.iter().any(|name| tree.begins(name)))
    {
        writes.extend(below_opened(tree, ruleset, &trees)?);
    }
    writes.extend(mistaken(&trees));
    if names.iter().any(|name| name.path == ".git/config") {
        let file = Filter::Regex(r"/\.[gG][iI][tT]$".to_owned());
        writes.push(Line::new(
            Filter::All(vec![
                file,
                Filter::Not(Box::new(Filter::Vnode("DIRECTORY"))),
            ]),
            "protected: .git as a file says where git reads config and hooks from",
        ));
    }
    let own = lines(&own, None, BELOW, &[], Why::Protected)?;
    let mut statements = Vec::new();
    if !own.is_empty() {
        statements.push(Statement::deny(WRITE, own).except(dependencies.clone()));
    }
    statements.push(Statement::deny(WRITE, writes));
    statements.extend(leading(&names, &dependencies)?);
    Ok(statements)
}

fn first(name: &ProtectedName) -> &'static str {
    name.path.split('/').next().unwrap_or_default()
}

/// The names in the paths of trees, in small letters, each once: there may be thousands of trees.
fn names_in(trees: &[Tree<'_>]) -> BTreeSet<String> {
    let names = trees.iter().flat_map(|tree| tree.path.iter());
    let names: HashSet<_> = names.collect();
    let names = names.into_iter().filter_map(|name| name.to_str());
    names.map(str::to_ascii_lowercase).collect()
}

/// Whether one of these names may be the first one of a protected path.
fn begins(names: &BTreeSet<String>, name: &ProtectedName) -> bool {
    let first = first(name).to_ascii_lowercase();
    match first.strip_prefix('*') {
        Some(suffix) => names.iter().any(|name| name.ends_with(suffix)),
        None => names.contains(&first),
    }
}

/// What lies in a directory of dependencies of a writable tree.
fn dependencies(trees: &[Tree<'_>]) -> Filter {
    let names = DEPENDENCY_DIRECTORIES.join("|");
    let anywhere = Filter::Regex(format!("/({names})/"));
    let inside: Vec<_> = trees
        .iter()
        .filter(|tree| tree.lies_in_dependencies())
        .collect();
    if inside.is_empty() {
        return anywhere;
    }
    let mut some = vec![Filter::All(vec![
        anywhere,
        not(inside.iter().flat_map(|tree| tree.filters()).collect()),
    ])];
    // A tree that lies in one has settings of its own.
    some.extend(inside.iter().map(|tree| {
        let tree = spelling::path(tree.item.text(), Letters::Same).concat();
        Filter::Regex(tree + &below_dependencies())
    }));
    Filter::Any(some)
}

/// The end of a pattern of what lies in a directory of dependencies, at any depth.
fn below_dependencies() -> String {
    format!("/([^/]+/)*({})/", DEPENDENCY_DIRECTORIES.join("|"))
}

fn not(filters: Vec<Filter>) -> Filter {
    let filter = match <[Filter; 1]>::try_from(filters) {
        Ok([only]) => only,
        Err(filters) => Filter::Any(filters),
    };
    Filter::Not(Box::new(filter))
}

/// Patterns in few filters. Only below a tree whose path is long there may be none.
fn folded(
    patterns: &[Atoms],
    end: &str,
    tree: Option<&Tree<'_>>,
) -> Result<Vec<(Filter, Vec<usize>)>, ProfileError> {
    fold::fold(patterns, end).ok_or_else(|| ProfileError::TooLong {
        path: tree.map(|tree| tree.path.to_owned()).unwrap_or_default(),
        at: tree.map_or(Source::Protected, |tree| tree.item.source.clone()),
    })
}

/// The names, folded, at any depth of a tree or anywhere.
fn lines(
    names: &[&ProtectedName],
    tree: Option<&Tree<'_>>,
    end: &str,
    outside: &[Filter],
    why: Why,
) -> Result<Vec<Line>, ProfileError> {
    let directory = tree.map_or_else(Vec::new, |tree| {
        let mut directory = spelling::path(tree.item.text(), Letters::Any);
        directory.push("(/[^/]+)*".into());
        directory
    });
    let patterns: Vec<Atoms> = names
        .iter()
        .map(|name| [directory.as_slice(), &atoms(name.path.split('/'))].concat())
        .collect();
    let filters = folded(&patterns, end, tree)?.into_iter();
    let lines = filters.map(|(filter, members)| {
        let members = members.iter().filter_map(|at| names.get(*at));
        let members: Vec<&ProtectedName> = members.copied().collect();
        let why = match (why, members.as_slice()) {
            (Why::Again, _) => "again, with dependencies below it".to_owned(),
            (Why::Protected, [only]) => format!("protected: {}: {}", only.path, only.reason),
            (Why::Protected, members) => {
                let paths = members.iter().map(|name| name.path);
                format!("protected: {}", braces::plain(paths))
            }
        };
        Line::new(all_but(filter, outside), why)
    });
    Ok(lines.collect())
}

fn all_but(filter: Filter, outside: &[Filter]) -> Filter {
    if outside.is_empty() {
        return filter;
    }
    let outside = outside
        .iter()
        .map(|filter| Filter::Not(Box::new(filter.clone())));
    Filter::All(std::iter::once(filter).chain(outside).collect())
}

/// A path of names, in any letters, anywhere.
fn atoms<'a>(parts: impl IntoIterator<Item = &'a str>) -> Atoms {
    let mut atoms = Vec::new();
    for part in parts {
        atoms.push("/".into());
        match part {
            "*" => atoms.push("[^/]+".into()),
            "**" => atoms.push("[^/]+(/[^/]+)*".into()),
            part => {
                let plain = part
                    .strip_prefix('*')
                    .inspect(|_| atoms.push("[^/]*".into()));
                atoms.extend(spelling::text(plain.unwrap_or(part), Letters::Any));
            }
        }
    }
    atoms
}

/// Whether something may lie in it.
fn may_be_directory(path: &str) -> bool {
    !FILES.iter().any(|end| path.ends_with(end))
}

fn ends_with(name: &str, suffix: &str) -> bool {
    let at = name.len().checked_sub(suffix.len());
    at.and_then(|at| name.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// A name that is protected, but not in the trees whose own paths have it: a rule has opened it there, or it lies above.
fn of_opened(
    name: &ProtectedName,
    trees: &[Tree<'_>],
    dependencies: &Filter,
) -> Result<Vec<Line>, ProfileError> {
    let opened = || trees.iter().filter(|tree| tree.begins(name));
    let outside = Filter::Any(opened().flat_map(Tree::filters).collect());
    let mut exempt = vec![outside.clone()];
    let mut all = Vec::new();
    if !name.everywhere {
        exempt.push(dependencies.clone());
        let end = below_dependencies();
        all.extend(lines(&[name], None, &end, &[outside], Why::Again)?);
    }
    all.extend(lines(&[name], None, BELOW, &exempt, Why::Protected)?);
    for tree in opened() {
        all.extend(lines(
            &[name],
            Some(tree),
            BELOW,
            &deeper(tree, trees),
            Why::Protected,
        )?);
    }
    Ok(all)
}

/// What is protected in a directory on the way to it that a rule has opened.
fn below_opened(
    tree: &Tree<'_>,
    ruleset: &Ruleset,
    trees: &[Tree<'_>],
) -> Result<Vec<Line>, ProfileError> {
    let directory = spelling::path(tree.item.text(), Letters::Any);
    let rests: Vec<_> = ruleset.protected_rests(tree.path).into_iter().collect();
    let patterns: Vec<Atoms> = rests
        .iter()
        .map(|rest| [directory.as_slice(), &atoms(rest.iter().copied())].concat())
        .collect();
    let filters = folded(&patterns, BELOW, Some(tree))?.into_iter();
    let lines = filters.map(|(filter, members)| {
        let members = members.iter().filter_map(|at| rests.get(*at));
        let members: Vec<_> = members.map(|rest| rest.join("/")).collect();
        Line::new(
            all_but(filter, &deeper(tree, trees)),
            format!(
                "protected below {}: {}",
                tree.path.display(),
                braces::plain(members.iter().map(String::as_str))
            ),
        )
    });
    Ok(lines.collect())
}

/// The writable trees in one.
fn deeper(tree: &Tree<'_>, trees: &[Tree<'_>]) -> Vec<Filter> {
    let inside = trees
        .iter()
        .filter(|other| other.path != tree.path && is_within(other.path, tree.path));
    any(inside)
}

/// What is in one of these trees; nothing where there is none.
fn any<'t>(trees: impl Iterator<Item = &'t Tree<'t>>) -> Vec<Filter> {
    let filters: Vec<Filter> = trees.flat_map(Tree::filters).collect();
    if filters.is_empty() {
        Vec::new()
    } else {
        vec![Filter::Any(filters)]
    }
}

/// What reads a hidden name by letters that stand for others, where something is hidden.
pub(super) fn mistaken_for_hidden(files: &Files<'_>) -> Option<Statement> {
    let trees = files.items.iter().filter(|item| item.reads);
    let trees: Vec<_> = trees.map(Tree::of).collect();
    let line = Line::new(
        all_but(Filter::Regex(mistaken_letters()), &outside(&trees)),
        "what may be taken for a hidden name: letters that stand for others, or that nobody sees",
    );
    let is_hidden = files.items.iter().any(|item| !item.reads);
    is_hidden.then(|| Statement::deny(READ, vec![line]))
}

fn outside(trees: &[Tree<'_>]) -> Vec<Filter> {
    any(trees.iter().filter(|tree| tree.is_mistaken()))
}

/// Names of ordinary letters with some among them that stand for others.
fn mistaken_letters() -> String {
    let letters = MISTAKEN.join("|");
    let plain = "[ -.0-~]";
    format!("/{plain}*({letters})({plain}|{letters})*{BELOW}")
}

/// Names that a file system may take for one of the table.
fn mistaken(trees: &[Tree<'_>]) -> Vec<Line> {
    let outside = outside(trees);
    [
        (
            mistaken_letters(),
            "letters that stand for others, or that nobody sees",
        ),
        (
            format!(r"/\.[^/]*[. ]{BELOW}"),
            "FAT and exFAT leave out what ends a name",
        ),
        (
            format!(r"/[^/]*~[0-9]+(\.[^/]*)?{BELOW}"),
            "short names on FAT",
        ),
    ]
    .map(|(regex, why)| {
        Line::new(
            all_but(Filter::Regex(regex), &outside),
            format!("what may be taken for a protected name: {why}"),
        )
    })
    .into()
}

/// Directories that lead to protected paths: another one in their place would have what is protected in it.
fn leading(names: &[ProtectedName], dependencies: &Filter) -> Result<Vec<Statement>, ProfileError> {
    // A directory at any depth is not told from a file by its name.
    let mut by_kind: BTreeMap<(bool, bool), BTreeSet<Vec<&str>>> = BTreeMap::new();
    for name in names {
        let parts: Vec<&str> = name.path.split('/').collect();
        for end in 1..parts.len() {
            let parts = parts.get(..end).unwrap_or_default();
            let key = (name.everywhere, parts.contains(&"**"));
            by_kind.entry(key).or_default().insert(parts.to_vec());
        }
    }
    let (mut moves, mut removes) = (Vec::new(), Vec::new());
    for ((everywhere, is_deep), ways) in by_kind {
        let ways: Vec<_> = ways.into_iter().collect();
        let patterns: Vec<Atoms> = ways.iter().map(|way| atoms(way.iter().copied())).collect();
        for (filter, members) in folded(&patterns, HERE, None)? {
            let members = members.iter().filter_map(|at| ways.get(*at));
            let members: Vec<_> = members.map(|way| way.join("/")).collect();
            let members = braces::plain(members.iter().map(String::as_str));
            let why = format!("leads to what is protected: {members}");
            let outside = (!everywhere).then(|| dependencies.clone());
            let filter = all_but(filter, outside.as_slice());
            if is_deep {
                let filter = Filter::All(vec![filter, Filter::Vnode("DIRECTORY")]);
                removes.push(Line::new(filter, why));
            } else {
                moves.push(Line::new(filter, why));
            }
        }
    }
    Ok(stay(moves, removes))
}
