//! Rules that follow each other and say the same, as one statement: each on its own line where they are few, folded where they are many.

use std::collections::BTreeMap;
use std::path::Path;

use sandbox_core::{is_within, upwards};

use super::ProfileError;
use super::braces::braces;
use super::files::{Item, Question};
use super::fold::{self, BELOW};
use super::sbpl::{Filter, Line, Statement};
use super::spelling::{self, Atoms};

/// What reading is: with it to execute, and to map as code.
pub(super) const READ: &[&str] = &["file-read*", "file-map-executable", "process-exec"];
/// What writing is. The last two are named, since rules of their own speak of them.
pub(super) const WRITE: &[&str] = &["file-write*", "file-write-create", "file-write-unlink"];
/// What takes a name away, and what makes it: to move something is both.
const MOVE: &[&str] = &["file-write-unlink", "file-write-create"];
/// What takes a name away.
const REMOVE: &[&str] = &["file-write-unlink"];
/// With more in a row they are folded.
pub(super) const FEW: usize = 8;

/// Of more in one text the lines are not said, only what they are about.
const MANY: usize = 100;

/// What is said of one rule in a row.
pub(super) struct Entry<'i> {
    pub(super) item: &'i Item,
    pub(super) allows: bool,
    pub(super) atoms: Atoms,
    /// A single path, which is written as it is where it is allowed.
    pub(super) is_literal: bool,
}

/// The filters of patterns of one rule, which end so.
pub(super) fn folded(
    patterns: &[Atoms],
    end: &str,
    item: &Item,
) -> Result<Vec<(Filter, Vec<usize>)>, ProfileError> {
    fold::fold(patterns, end).ok_or_else(|| ProfileError::TooLong {
        path: item.path.clone(),
        at: item.source.clone(),
    })
}

/// Directories that stay where they are. The first are not made either.
pub(super) fn stay(moves: Vec<Line>, removes: Vec<Line>) -> Vec<Statement> {
    let all = [(MOVE, moves), (REMOVE, removes)].into_iter();
    let all = all.filter(|(_, lines)| !lines.is_empty());
    all.map(|(operations, lines)| Statement::deny(operations, lines))
        .collect()
}

/// What follows each other and says the same, as one statement.
pub(super) fn statements_of(
    entries: &[Entry<'_>],
    question: Question,
) -> Result<Vec<Statement>, ProfileError> {
    let operations = match question {
        Question::Read => READ,
        Question::Write => WRITE,
    };
    let rows = entries.chunk_by(|a, b| a.allows == b.allows);
    rows.map(|row| {
        let allows = row.first().is_some_and(|entry| entry.allows);
        Ok(Statement::new(allows, operations, lines(row, question)?))
    })
    .collect()
}

fn lines(row: &[Entry<'_>], question: Question) -> Result<Vec<Line>, ProfileError> {
    let mut lines = Vec::new();
    if row.len() <= FEW {
        for entry in row {
            let filters = match entry {
                Entry {
                    is_literal: true,
                    allows: true,
                    item,
                    ..
                } => {
                    let ways = spelling::allowed(item.text()).into_iter();
                    ways.map(Filter::Subpath).collect()
                }
                Entry {
                    is_literal: true,
                    item,
                    ..
                } if item.text() == "/" => vec![Filter::Subpath("/".to_owned())],
                Entry { atoms, item, .. } => {
                    let filters = folded(std::slice::from_ref(atoms), BELOW, item)?.into_iter();
                    filters.map(|(filter, _)| filter).collect::<Vec<_>>()
                }
            };
            let why = &entry.item.why;
            lines.extend(filters.into_iter().map(|filter| Line::new(filter, why)));
        }
        return Ok(lines);
    }
    let (mut patterns, mut items) = (Vec::new(), Vec::new());
    for entry in row {
        if entry.is_literal && entry.item.text() == "/" {
            let filter = Filter::Subpath("/".to_owned());
            lines.push(Line::new(filter, &entry.item.why));
        } else {
            patterns.push(entry.atoms.clone());
            items.push(entry.item);
        }
    }
    let filters = fold::fold(&patterns, BELOW).ok_or_else(|| {
        let rules = items.iter();
        ProfileError::longest(rules.map(|item| (item.path.as_path(), &item.source)))
    })?;
    for (filter, members) in filters {
        let members: Vec<&Item> = members
            .iter()
            .filter_map(|at| items.get(*at).copied())
            .collect();
        // What is hidden is named where reading is denied.
        let named: Vec<&Item> = match question {
            Question::Read => members,
            Question::Write => members.into_iter().filter(|item| item.reads).collect(),
        };
        let why = match named.as_slice() {
            [] => "what is hidden".to_owned(),
            named => summary(named),
        };
        lines.push(Line::new(filter, why));
    }
    Ok(lines)
}

/// Which rules these are: where they were written, and what they are about, below the directory that they have in common.
fn summary(items: &[&Item]) -> String {
    if let [only] = items {
        return only.why.clone();
    }
    let Some(first) = items.first() else {
        return String::new();
    };
    let in_common = upwards(&first.path)
        .skip(1)
        .find(|directory| items.iter().all(|item| is_within(&item.path, directory)))
        .unwrap_or(Path::new("/"));
    let mut by_origin: BTreeMap<&str, Vec<[String; 2]>> = BTreeMap::new();
    for item in items {
        let line = item.line.filter(|_| items.len() <= MANY);
        let line = line.map_or_else(String::new, |line| format!("{line} "));
        let below = item.path.strip_prefix(in_common).unwrap_or(&item.path);
        let below = match &item.pattern {
            Some(pattern) => below.join(pattern),
            None => below.to_owned(),
        };
        let below = below.to_string_lossy().into_owned();
        by_origin
            .entry(&item.origin)
            .or_default()
            .push([line, below]);
    }
    let of_origin = |(origin, rules): (&str, Vec<[String; 2]>)| {
        let rules = rules
            .iter()
            .map(|[line, below]| (line.clone(), below.as_str()));
        format!("{origin}: {}", braces(rules))
    };
    let by_origin: Vec<_> = by_origin.into_iter().map(of_origin).collect();
    format!("below {}: {}", in_common.display(), by_origin.join("; "))
}
