//! Protected files that a rule opens: their content when the sandbox is made, and what differs later.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sandbox_core::{Attempt, Change, ChangeKind, Changes, Lines, Ruleset, Verdict};

use super::look::{Found, content, look, names, version};

/// So many files are compared, found among so many names.
const MOST_FILES: usize = 256;
const MOST_NAMES: usize = 4096;
/// Directories in each other: one more costs a decision about a longer path, and some stack.
const MOST_LEVELS: usize = 64;
/// Bytes of a file, and of all together, whose lines are counted.
const MOST_BYTES: u64 = 1 << 20;
const MOST_IN_ALL: u64 = 16 << 20;
/// Steps in which lines are counted: some tenths of a second.
const MOST_STEPS: usize = 30_000_000;

/// What rules open, and what was there.
#[derive(Debug)]
pub(super) struct Files {
    opened: Vec<PathBuf>,
    before: BTreeMap<PathBuf, State>,
    /// Directories with more in them.
    crowded: BTreeSet<PathBuf>,
}

/// What is at the name of a protected file.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Missing,
    Text {
        mode: u32,
        content: Vec<u8>,
    },
    /// A file whose content is not kept.
    Large {
        mode: u32,
        version: [i64; 6],
    },
    /// No file, or one that can't be read.
    Other,
}

impl Files {
    pub(super) fn look(ruleset: &Ruleset) -> Self {
        let opened = ruleset.opened_protected();
        let search = Search::of(&opened, ruleset);
        let mut left = MOST_IN_ALL;
        let states = search.files.into_iter().map(|path| {
            let state = State::of(&path, &mut left);
            (path, state)
        });
        Self {
            opened,
            before: states.collect(),
            crowded: search.crowded,
        }
    }

    /// Adds what differs.
    pub(super) fn compare(&self, ruleset: &Ruleset, changes: &mut Changes) {
        if self.opened.is_empty() {
            return;
        }
        let after = Search::of(&self.opened, ruleset);
        let crowded = self.crowded.union(&after.crowded).cloned();
        let crowded: BTreeSet<PathBuf> = crowded.collect();
        let mut steps = MOST_STEPS;
        let known = self.before.keys();
        let paths: BTreeSet<&PathBuf> = known.chain(&after.files).collect();
        for path in paths {
            let before = self.before.get(path);
            if before.is_none() && self.crowded.iter().any(|crowded| path.starts_with(crowded)) {
                // Nobody knows whether it was there.
                continue;
            }
            // One whose content was not kept is compared by what was.
            let is_large = matches!(before, Some(State::Large { .. }));
            let now = State::of(path, &mut if is_large { 0 } else { MOST_BYTES });
            let kind = difference(before.unwrap_or(&State::Missing), &now, &mut steps);
            changes.all.extend(kind.map(|kind| Change::new(path, kind)));
        }
        let crowded = crowded.into_iter();
        changes
            .all
            .extend(crowded.map(|path| Change::new(path, ChangeKind::Crowded)));
    }
}

/// The search for what rules open.
struct Search<'a> {
    ruleset: &'a Ruleset,
    files: BTreeSet<PathBuf>,
    crowded: BTreeSet<PathBuf>,
    names: usize,
}

impl<'a> Search<'a> {
    fn of(opened: &[PathBuf], ruleset: &'a Ruleset) -> Self {
        let mut search = Self {
            ruleset,
            files: BTreeSet::new(),
            crowded: BTreeSet::new(),
            names: MOST_NAMES,
        };
        for path in opened {
            search.enter(path, path, 0);
        }
        search
    }

    fn enter(&mut self, opened: &Path, path: &Path, level: usize) {
        if self.files.len() >= MOST_FILES {
            self.crowded.insert(opened.to_owned());
            return;
        }
        if self.ruleset.decide(&Attempt::write(path)).verdict != Verdict::Allow {
            return;
        }
        let Ok(Found::Directory(directory)) = look(path) else {
            self.files.insert(path.to_owned());
            return;
        };
        let names = (level < MOST_LEVELS).then(|| names(&directory, self.names + 1));
        // What is in one that can't be listed by us is there all the same.
        let Some(Ok(mut names)) = names else {
            self.crowded.insert(opened.to_owned());
            return;
        };
        if names.len() > self.names {
            self.crowded.insert(opened.to_owned());
            names.truncate(self.names);
        }
        drop(directory);
        self.names -= names.len();
        names.sort();
        for name in names {
            self.enter(opened, &path.join(name), level + 1);
        }
    }
}

impl State {
    /// `left` are the bytes that may be kept.
    fn of(path: &Path, left: &mut u64) -> Self {
        match look(path) {
            // What is in a directory has names of its own.
            Ok(Found::Missing | Found::Directory(_)) => Self::Missing,
            Ok(Found::File(file, metadata)) => {
                let mode = mode(&metadata);
                match content(&file, MOST_BYTES.min(*left)) {
                    Ok(Some(content)) => {
                        *left = left.saturating_sub(content.len() as u64);
                        Self::Text { mode, content }
                    }
                    _ => Self::Large {
                        mode,
                        version: version(&metadata),
                    },
                }
            }
            Ok(Found::Other) | Err(_) => Self::Other,
        }
    }

    fn lines(&self, steps: &mut usize) -> Option<usize> {
        match self {
            Self::Text { content, .. } => Some(Lines::between(b"", content, steps)?.added),
            _ => None,
        }
    }
}

fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o7777
}

fn difference(before: &State, now: &State, steps: &mut usize) -> Option<ChangeKind> {
    Some(match (before, now) {
        (before, now) if before == now => return None,
        (before, State::Missing) => ChangeKind::Removed {
            lines: before.lines(steps),
        },
        (_, State::Other) => ChangeKind::Replaced,
        (State::Missing | State::Other, now) => ChangeKind::Made {
            lines: now.lines(steps),
        },
        (State::Text { content, .. }, State::Text { content: new, .. }) => ChangeKind::Edited {
            lines: Lines::between(content, new, steps),
        },
        _ => ChangeKind::Edited { lines: None },
    })
}
