//! Everything about a tree that a command could have changed.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Content, names, modes, owners, times, links and extended attributes of a tree; access times aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    root: PathBuf,
    excluded: Vec<PathBuf>,
    entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    mode: u32,
    owner: (u32, u32),
    inode: u64,
    links: u64,
    modified: (i64, i64),
    // Moves with every change of the above, also with one that was undone.
    changed: (i64, i64),
    content: Vec<u8>,
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Snapshot {
    /// Reads a tree, or a single file.
    pub fn of(root: &Path) -> Self {
        let mut snapshot = Self {
            root: root.to_owned(),
            excluded: Vec::new(),
            entries: BTreeMap::new(),
        };
        snapshot.visit(root);
        snapshot
    }

    /// Leaves a part of it out.
    #[must_use]
    pub fn without(mut self, path: &Path) -> Self {
        self.entries.retain(|entry, _| !entry.starts_with(path));
        self.excluded.push(path.to_owned());
        self
    }

    fn visit(&mut self, path: &Path) {
        if self.excluded.iter().any(|excluded| path == excluded) {
            return;
        }
        let Some(entry) = Entry::of(path) else { return };
        self.entries.insert(path.to_owned(), entry);
        if path.is_symlink() || !path.is_dir() {
            return;
        }
        for child in fs::read_dir(path).into_iter().flatten().flatten() {
            self.visit(&child.path());
        }
    }

    /// The tree is as it was; otherwise the test fails, and says what is different.
    #[track_caller]
    pub fn is_unchanged(&self) {
        let mut now = Self {
            entries: BTreeMap::new(),
            ..self.clone()
        };
        now.visit(&self.root);
        let mut report = String::new();
        for (path, entry) in &self.entries {
            match now.entries.get(path) {
                None => writeln!(report, "gone: {}", path.display()).unwrap(),
                Some(other) if other != entry => {
                    writeln!(report, "{}: {entry:?}\n → {other:?}", path.display()).unwrap();
                }
                Some(_) => (),
            }
        }
        for path in now
            .entries
            .keys()
            .filter(|path| !self.entries.contains_key(*path))
        {
            writeln!(report, "appeared: {}", path.display()).unwrap();
        }
        assert!(report.is_empty(), "the host changed:\n{report}");
    }
}

impl Entry {
    fn of(path: &Path) -> Option<Self> {
        // Gone since it was listed: the comparison shows it.
        let data = fs::symlink_metadata(path).ok()?;
        let content = if data.is_symlink() {
            fs::read_link(path)
                .ok()?
                .into_os_string()
                .into_encoded_bytes()
        } else if data.is_file() {
            // Unreadable content is compared by its times only.
            fs::read(path).unwrap_or_default()
        } else {
            Vec::new()
        };
        Some(Self {
            mode: data.mode(),
            owner: (data.uid(), data.gid()),
            inode: data.ino(),
            links: data.nlink(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
            content,
            attributes: attributes(path),
        })
    }
}

fn attributes(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0_u8; 65_536];
    let Ok(length) = rustix::fs::llistxattr(path, names.as_mut_slice()) else {
        return Vec::new();
    };
    names
        .get(..length)
        .unwrap_or_default()
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0_u8; 65_536];
            let length = rustix::fs::lgetxattr(path, name, value.as_mut_slice()).unwrap_or(0);
            value.truncate(length);
            (name.to_vec(), value)
        })
        .collect()
}
