//! What must stay where it is: directories above what is hidden or not writable, in writable trees.
//!
//! The attacks: `mv d x`, where `d/k` is hidden, and `cat x/k`; `mv d x; mkdir d`, where `d/k` is only read, and a new `d/k`. So such a
//! directory is neither moved, removed, nor made. In a pattern, directories by a name with wildcards can be made, and so brought in.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use sandbox_core::{Source, above, is_within, upwards};

use super::ProfileError;
use super::files::{Files, Item};
use super::fold::{self, HERE};
use super::glob::{self, Part};
use super::rows::{FEW, stay};
use super::sbpl::{Filter, Line, Statement};
use super::spelling::{self, Atoms, Letters};

pub(super) fn statements<'f>(files: &'f Files<'_>) -> Result<Vec<Statement>, ProfileError> {
    let mut statements = Vec::new();
    let mut ways: BTreeMap<&OsStr, (&str, &Source)> = BTreeMap::new();
    let mut seen: HashSet<&OsStr> = HashSet::new();
    let mut add = |path: &'f Path, includes_itself: bool, because: &'f str, source: &'f Source| {
        for directory in upwards(path).skip(usize::from(!includes_itself)) {
            // One that is not writable itself may lie in one that is.
            if !seen.insert(directory.as_os_str()) {
                break;
            }
            if files.writes(directory) {
                ways.insert(directory.as_os_str(), (because, source));
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
        let path = super::text(Path::new(path), source)?;
        Ok(spelling::path(path, Letters::Any))
    });
    let patterns: Vec<Atoms> = patterns.collect::<Result<_, ProfileError>>()?;
    let ways: Vec<_> = ways.into_iter().collect();
    let filters = fold::fold(&patterns, HERE).ok_or_else(|| {
        let rules = ways.iter();
        ProfileError::longest(rules.map(|(path, (_, source))| (Path::new(path), *source)))
    })?;
    let lines = filters.into_iter().map(|(filter, members)| {
        let members = members.iter().filter_map(|at| ways.get(*at));
        let why = members.map(|(path, (because, _))| format!("{} ({because})", path.display()));
        Line::new(filter, in_short(why))
    });
    statements.extend(stay(lines.collect(), Vec::new()));
    statements.extend(of_patterns(files)?);
    statements.extend(made(files));
    Ok(statements)
}

/// The top of a writable tree that is not there, in a directory that can only be read. It stays once it is made, as any; and it is not made a
/// link, which would lead the same rule elsewhere the next time. Where a rule lowers something in it, another directory could be moved there.
fn made(files: &Files<'_>) -> Option<Statement> {
    let kinds = ["DIRECTORY", "REGULAR-FILE"].map(Filter::Vnode).to_vec();
    let lowers = |item: &Item, path: &Path| {
        item.lowers() && item.pattern.is_none() && is_within(&item.path, path)
    };
    let is_plain = |path: &&PathBuf| !files.items.iter().any(|item| lowers(item, path));
    let lines = files.made.iter().filter(is_plain).flat_map(|path| {
        let ways = spelling::allowed(path.to_str().unwrap_or_default()).into_iter();
        ways.map(|way| {
            let filter = Filter::All(vec![Filter::Literal(way), Filter::Any(kinds.clone())]);
            Line::new(filter, format!("{} (not there)", path.display()))
        })
    });
    let lines: Vec<_> = lines.collect();
    (!lines.is_empty()).then(|| Statement::allow(&["file-write-create"], lines))
}

/// The directories that patterns name before their last component.
fn of_patterns(files: &Files<'_>) -> Result<Vec<Statement>, ProfileError> {
    // A directory by a plain name is not made either. One may be on the way to many.
    let mut ways: [BTreeMap<Atoms, Vec<&Item>>; 2] = Default::default();
    let [moves, removes] = &mut ways;
    let patterns = files.items.iter();
    for item in patterns.filter(|item| item.pattern.is_some() && item.lowers()) {
        if !files.writable().any(|tree| tree.is_near(item)) {
            continue;
        }
        let parts = item.parts(Letters::Any)?;
        let directory = spelling::path(item.text(), Letters::Any);
        let mut add = |parts: &[Part]| {
            let is_plain = matches!(parts.last(), Some(Part::Name { is_wild: false, .. }));
            let ways = if is_plain { &mut *moves } else { &mut *removes };
            let items = ways.entry(glob::below(&directory, parts)).or_default();
            items.push(item);
        };
        if files.stays(item, &parts) {
            add(&[Part::Many, Part::One]);
        }
        for end in 1..parts.len() {
            match parts.get(..end).unwrap_or_default() {
                [Part::Many] => {}
                [some @ .., Part::Many] => add(&[some, &[Part::Many, Part::One]].concat()),
                some => add(some),
            }
        }
    }
    let [moves, removes] = ways.map(|ways| {
        let (patterns, items): (Vec<Atoms>, Vec<_>) = ways.into_iter().unzip();
        let filters = fold::fold(&patterns, HERE).ok_or_else(|| {
            let items = items.iter().flatten();
            ProfileError::longest(items.map(|item| (item.path.as_path(), &item.source)))
        })?;
        let lines = filters.into_iter().map(|(filter, members)| {
            let members = members.iter().filter_map(|at| items.get(*at)).flatten();
            let why = in_short(members.map(|item| item.whole()));
            Line::new(filter, format!("on the way to {why}"))
        });
        Ok(lines.collect::<Vec<_>>())
    });
    let removes = removes?.into_iter().map(|line| Line {
        filter: Filter::All(vec![line.filter, Filter::Vnode("DIRECTORY")]),
        ..line
    });
    Ok(stay(moves?, removes.collect()))
}

/// The first of many: where they are read or written, each is named.
fn in_short(all: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = all.collect();
    let more = all.len().saturating_sub(FEW);
    if more > 0 {
        all.truncate(FEW - 1);
        all.push(format!("and {} more", more + 1));
    }
    all.join(", ")
}
