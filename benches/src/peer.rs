//! bubblewrap with the isolation that ours has: our own plan, step by step, in its options.
//!
//! What it has no option for stays out, so that it does less: Landlock, the session keyring, limits, and the notifier.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox_linux::{Cover, HostFacts, Lowering, Plan, Step};
use sandboxed::Ruleset;
use tempfile::NamedTempFile;

use crate::Error;

/// `bwrap` and its options.
#[derive(Debug)]
pub struct Bwrap {
    options: Vec<OsString>,
    /// The filter, as `seccomp(2)` takes it.
    filter: NamedTempFile,
}

impl Bwrap {
    /// Does what our plan for `ruleset` does, and starts the command in `directory`.
    ///
    /// # Errors
    ///
    /// [`Error::Prepare`] if the filter cannot be written, [`Error::Sandbox`] if this host can't do it.
    pub fn like(ruleset: &Ruleset, directory: &Path) -> Result<Self, Error> {
        // Nobody would answer for a filter that asks.
        let facts = HostFacts::detect().lowered(&Lowering::WithoutNotifier);
        let plan = Plan::compile(ruleset, &facts).map_err(sandboxed::Error::from)?;
        let mut filter = NamedTempFile::new().map_err(|source| Error::Prepare {
            path: std::env::temp_dir(),
            source,
        })?;
        let mut options = Options::default();
        options.add(["--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]);
        for step in plan.steps() {
            if let Step::Filter(program) = step {
                filter
                    .write_all(&program.to_bytes())
                    .map_err(|source| Error::Prepare {
                        path: filter.path().to_owned(),
                        source,
                    })?;
                options.add(["--seccomp", "0"]);
            } else {
                options.step(step);
            }
        }
        options.add([OsString::from("--chdir"), directory.into()]);
        options.add(["--"]);
        Ok(Self {
            options: options.words,
            filter,
        })
    }

    /// A command line that ends before the command. Its standard input is the filter, and empty for the command.
    ///
    /// # Errors
    ///
    /// [`Error::Prepare`] if the filter cannot be opened.
    pub fn command(&self) -> Result<Command, Error> {
        let path = self.filter.path();
        let filter = File::open(path).map_err(|source| Error::Prepare {
            path: path.to_owned(),
            source,
        })?;
        let mut command = Command::new("bwrap");
        command.args(&self.options).stdin(filter);
        Ok(command)
    }
}

#[derive(Default)]
struct Options {
    words: Vec<OsString>,
    /// What waits to be shown: where it was taken, and with which option it is mounted.
    taken: HashMap<u32, (PathBuf, &'static str)>,
}

impl Options {
    fn add<W: Into<OsString>>(&mut self, words: impl IntoIterator<Item = W>) {
        self.words.extend(words.into_iter().map(Into::into));
    }

    fn bind(&mut self, how: &str, source: &Path, path: &Path) {
        self.add([OsStr::new(how), source.as_os_str(), path.as_os_str()]);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Restrict { attributes } => {
                let root = Path::new("/");
                self.bind(binding(attributes.is_read_only()), root, root);
            }
            Step::Take {
                path,
                slot,
                attributes,
                ..
            } => {
                let how = binding(attributes.is_read_only());
                self.taken.insert(*slot, (path.clone(), how));
            }
            // With its nodes and terminals.
            Step::Put { path, .. } if path == Path::new("/dev") => self.add(["--dev", "/dev"]),
            Step::Put { path, .. } if path == Path::new("/proc") => self.add(["--proc", "/proc"]),
            Step::Put { path, .. } if path.starts_with("/dev") => {}
            Step::Put { path, slot } => {
                if let Some((source, how)) = self.taken.get(slot).cloned() {
                    self.bind(how, &source, path);
                }
            }
            Step::Rebind { path, attributes } => {
                self.bind(binding(attributes.is_read_only()), path, path);
            }
            Step::Scratch { path, mode, .. } => {
                self.add(["--perms".into(), format!("{mode:o}")]);
                self.add([OsStr::new("--tmpfs"), path.as_os_str()]);
            }
            Step::Cover {
                path,
                cover: Cover::Directory,
            } => {
                self.add(["--perms", "0", "--tmpfs"]);
                self.add([path]);
            }
            Step::Cover { path, .. } => self.bind("--ro-bind", Path::new("/dev/null"), path),
            Step::Link { path, target } => self.bind("--symlink", target, path),
            Step::Freeze { path } if path != Path::new("/dev") => {
                self.add([OsStr::new("--remount-ro"), path.as_os_str()]);
            }
            // It makes mount points by itself, and the namespaces are asked for as a whole.
            _ => {}
        }
    }
}

fn binding(read_only: bool) -> &'static str {
    if read_only { "--ro-bind" } else { "--bind" }
}
