//! File systems and second names that a table mounts on the host: where its test has a mount namespace of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that is mounted on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "every runner knows all of it")]
pub struct Mount {
    /// Where.
    pub at: PathBuf,
    /// What it shows there: this other path, or else a file system of its own.
    pub second_name_of: Option<PathBuf>,
    /// Nothing can be changed in it.
    pub read_only: bool,
    /// Nothing can be executed in it.
    pub no_exec: bool,
    /// Names in it are the same in capital letters.
    pub folds_case: bool,
}

impl Mount {
    /// Mounts it, so that it can be filled.
    pub(crate) fn attach(&self) {
        let mut mount = Command::new("mount");
        match &self.second_name_of {
            Some(source) => mount.arg("--bind").arg(source),
            None if self.folds_case => mount.args(["-t", "tmpfs", "-o", "casefold", "none"]),
            None => mount.args(["-t", "tmpfs", "none"]),
        };
        succeeds(mount.arg(&self.at));
        if self.folds_case {
            succeeds(Command::new("chattr").arg("+F").arg(&self.at));
        }
    }

    /// Forbids what is not to be done in it.
    pub(crate) fn restrict(&self) {
        let flags = [(self.read_only, ",ro"), (self.no_exec, ",noexec")];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set);
        let options: String = flags.map(|(_, option)| option).collect();
        if !options.is_empty() {
            let options = format!("remount,bind{options}");
            succeeds(Command::new("mount").args(["-o", &options]).arg(&self.at));
        }
    }

    /// Takes it away.
    pub(crate) fn detach(&self) {
        succeeds(Command::new("umount").arg(&self.at));
    }
}

fn succeeds(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// The mount among these in which a path lies.
pub(crate) fn of_path<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let around = mounts.iter().filter(|mount| path.starts_with(&mount.at));
    around.max_by_key(|mount| mount.at.as_os_str().len())
}
