//! What must stay where it is: directories above what is hidden or not writable, in writable trees.
//!
//! The attacks: `mv d x`, where `d/k` is hidden, and `cat x/k`; `mv d x; mkdir d`, where `d/k` is only read, and a new `d/k`. So such a
//! directory is neither moved, removed, nor made. In a pattern, directories by a name with wildcards can be made, and so brought in.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use sandbox_core::{Source, above, upwards};

use super::ProfileError;
use super::files::{Files, Item};
use super::fold::{self, HERE};
use super::glob::{self, Part};
use super::rows::{folded, stay};
use super::sbpl::{Filter, Line, Statement};
use super::spelling::{self, Atoms, Letters};

pub(super) fn statements(files: &Files<'_>) -> Result<Vec<Statement>, ProfileError> {
    let mut statements = Vec::new();
    let mut ways: BTreeMap<PathBuf, (String, Source)> = BTreeMap::new();
    let mut seen: HashSet<PathBuf> = HashSet::new();
    let mut add = |path: &Path, includes_itself: bool, because: &str, source: &Source| {
        for directory in upwards(path).skip(usize::from(!includes_itself)) {
            // One that is not writable itself may lie in one that is.
            if !seen.insert(directory.to_owned()) {
                break;
            }
            if files.writes(directory) {
                ways.insert(directory.to_owned(), (because.to_owned(), source.clone()));
            }
        }
    };
    for item in files.items.iter().filter(|item| item.lowers()) {
        add(
            &item.path,
            item.pattern.is_some(),
            item.text(),
            &item.source,
        );
    }
    // What a pattern denies below it would be allowed elsewhere, and what it denies elsewhere here.
    for item in files
        .writable()
        .filter(|item| item.pattern.is_none() && files.is_raised(item))
    {
        add(&item.path, true, item.text(), &item.source);
    }
    for link in files.links() {
        add(
            link.path(),
            true,
            "a link in the path of a rule",
            &Source::Library,
        );
    }
    // Whatever is in a writable tree, the tree is not to be moved into another one.
    for item in files
        .writable()
        .filter(|item| item.pattern.is_none() && !item.is_own)
    {
        if above(&item.path).is_none_or(|above| !files.writes(above)) {
            add(&item.path, true, "a writable tree", &item.source);
        }
    }
    let patterns = ways.iter().map(|(path, (_, source))| {
        let path = super::text(path, source)?;
        Ok(spelling::path(path, Letters::Any))
    });
    let patterns: Vec<Atoms> = patterns.collect::<Result<_, ProfileError>>()?;
    let ways: Vec<_> = ways.into_iter().collect();
    let filters = fold::fold(&patterns, HERE).ok_or_else(|| {
        let rules = ways.iter();
        ProfileError::longest(rules.map(|(path, (_, source))| (path.as_path(), source)))
    })?;
    let lines: Vec<Line> = filters
        .into_iter()
        .map(|(filter, members)| {
            let members = members.iter().filter_map(|at| ways.get(*at));
            let why: Vec<_> = members
                .map(|(path, (because, _))| format!("{} ({because})", path.display()))
                .collect();
            Line::new(filter, why.join(", "))
        })
        .collect();
    statements.extend(stay(lines, Vec::new()));
    for item in files.items.iter().filter(|item| item.lowers()) {
        statements.extend(of_pattern(item, files)?);
    }
    Ok(statements)
}

/// The directories that a pattern names before its last component.
fn of_pattern(item: &Item, files: &Files<'_>) -> Result<Vec<Statement>, ProfileError> {
    if item.pattern.is_none() || !files.writable().any(|tree| tree.is_near(item)) {
        return Ok(Vec::new());
    }
    let parts = item.parts(Letters::Any)?;
    let directory = spelling::path(item.text(), Letters::Any);
    let (mut moves, mut removes) = (Vec::new(), Vec::new());
    let mut ways = Vec::new();
    if files.stays(item, &parts) {
        ways.push((vec![Part::Many, Part::One], false));
    }
    for end in 1..parts.len() {
        let mut some = parts.get(..end).unwrap_or_default().to_vec();
        if some == [Part::Many] {
            continue;
        }
        let is_plain = matches!(some.last(), Some(Part::Name { is_wild: false, .. }));
        if some.last() == Some(&Part::Many) {
            some.push(Part::One);
        }
        ways.push((some, is_plain));
    }
    for (some, is_plain) in ways {
        let atoms = glob::below(&directory, &some);
        for (filter, _) in folded(&[atoms], HERE, item)? {
            let why = format!("on the way to {}", item.whole());
            if is_plain {
                moves.push(Line::new(filter, why));
            } else {
                let filter = Filter::All(vec![filter, Filter::Vnode("DIRECTORY")]);
                removes.push(Line::new(filter, why));
            }
        }
    }
    Ok(stay(moves, removes))
}
