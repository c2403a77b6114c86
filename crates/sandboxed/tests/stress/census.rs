//! What a process has: counted before and after, and compared.

use sandbox_testing::until;
use std::fs;

/// What the library could have left with the process that links it, or on its host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Census {
    /// What each descriptor refers to.
    descriptors: Vec<String>,
    /// Zombies, too.
    children: String,
    threads: usize,
    mounts: String,
}

impl Census {
    pub(crate) fn take() -> Self {
        let names = |directory: &str| {
            let entries = fs::read_dir(directory).unwrap().flatten();
            entries.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        let descriptors = names("/proc/self/fd");
        let tasks = names("/proc/self/task");
        // That by which the directory is read is gone by now.
        let targets = descriptors.iter().filter_map(|fd| fs::read_link(fd).ok());
        let mut descriptors: Vec<_> = targets.map(|path| path.display().to_string()).collect();
        descriptors.sort();
        let children = tasks.iter().map(|task| task.join("children"));
        Self {
            descriptors,
            children: children
                .map(|list| fs::read_to_string(list).unwrap_or_default())
                .collect(),
            threads: tasks.len(),
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap(),
        }
    }

    /// Threads that have been waited for may still be there for a moment.
    pub(crate) fn settled(&self) -> Self {
        until("only the threads of before are left", || {
            fs::read_dir("/proc/self/task").unwrap().count() <= self.threads
        });
        Self::take()
    }
}

/// KiB of memory of its own: what is in memory of its program comes and goes.
pub(crate) fn resident() -> u64 {
    field("/proc/self/smaps_rollup", "Anonymous:")
}

/// The number behind `key` in a file of `/proc`.
pub(crate) fn field(path: &str, key: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(key)).unwrap();
    value.split_whitespace().next().unwrap().parse().unwrap()
}
