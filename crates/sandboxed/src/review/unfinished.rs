//! What git directories have of rebases and cherry-picks that were left unfinished.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sandbox_core::{Change, ChangeKind, Changes, git_pending, git_pending_files};

use super::look::{Found, content, look, names};

/// Bytes of a to-do list. One with ten thousand commits has a tenth of it.
const MOST_BYTES: u64 = 1 << 20;
/// How many directories are looked through for those of submodules and linked worktrees.
const MOST_DIRECTORIES: usize = 1024;
/// Directories of a git directory in which no other one is.
const CONTENT: [&str; 6] = ["objects", "refs", "logs", "hooks", "info", "lfs"];

/// Adds what is to be told of one, where that takes no more than the bytes that are `left`. Otherwise it is counted.
pub(super) fn read(directory: &Path, left: &mut u64, changes: &mut Changes) {
    for file in git_pending_files(directory) {
        let content = match look(&file) {
            Ok(Found::Missing) => continue,
            Ok(Found::File(found, metadata)) if metadata.len() <= MOST_BYTES => {
                let most = MOST_BYTES.min(*left);
                let content = content(&found, most).ok().flatten();
                let length = content.as_ref().map_or(most, |it| it.len() as u64);
                *left -= length.min(*left);
                if content.is_none() && most < MOST_BYTES {
                    changes.omitted = changes.omitted.saturating_add(1);
                    continue;
                }
                content
            }
            // Nobody knows whether it is there.
            Err(error) if error.kind() == ErrorKind::InvalidFilename => {
                changes.omitted = changes.omitted.saturating_add(1);
                continue;
            }
            // What waits there, or leads elsewhere, git would read as well.
            _ => None,
        };
        match content {
            Some(content) => changes.all.extend(git_pending(&file, &content)),
            None => changes.all.push(Change::new(file, ChangeKind::Unread)),
        }
    }
}

/// Whether it is one for git, and not any directory that has a list to go on by.
pub(super) fn has_head(directory: &Path) -> bool {
    !matches!(look(&directory.join("HEAD")), Ok(Found::Missing))
}

/// Adds git directories that were there before, with those of their submodules and linked worktrees. What is too much is counted.
pub(super) fn add_known(known: &[PathBuf], all: &mut BTreeSet<PathBuf>, omitted: &mut u64) {
    let mut waiting: Vec<PathBuf> = Vec::new();
    for directory in known {
        all.insert(directory.clone());
        waiting.extend(["modules", "worktrees"].map(|within| directory.join(within)));
    }
    let mut left = MOST_DIRECTORIES;
    while let Some(directory) = waiting.pop() {
        let Ok(Found::Directory(found)) = look(&directory) else {
            continue;
        };
        let names = names(&found, left + 1).unwrap_or_default();
        if names.len() > left {
            *omitted = omitted.saturating_add(1);
            return;
        }
        left -= names.len();
        let inner = names
            .into_iter()
            .filter(|name| !CONTENT.iter().any(|it| name == Path::new(it)));
        waiting.extend(inner.map(|name| directory.join(name)));
        all.insert(directory);
    }
}
