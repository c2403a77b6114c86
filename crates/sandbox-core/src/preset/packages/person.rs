//! The person's own configuration: variables of the caller, and files that no command could have written.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Context;
use crate::files::FileRules;
use crate::policy::read_regular;
use crate::reach::can_change;
use crate::resolve::resolve;
use crate::source::Configuration;

/// More files than anybody keeps in a directory of lists.
const LISTS: usize = 256;

/// Whose configuration is read, under which rules.
pub(crate) struct Person<'a> {
    context: &'a Context,
    files: &'a FileRules,
    /// The root directory, but for tests.
    root: &'a Path,
}

impl<'a> Person<'a> {
    pub(crate) fn new(context: &'a Context, files: &'a FileRules) -> Self {
        let root = Path::new("/");
        Self {
            context,
            files,
            root,
        }
    }

    #[cfg(test)]
    pub(super) fn with_root(self, root: &'a Path) -> Self {
        Self { root, ..self }
    }

    /// The value of a variable, unless it is empty.
    pub(super) fn variable(&self, name: &str) -> Option<&'a str> {
        let value = self.context.variables.get(OsStr::new(name))?.to_str()?;
        Some(value).filter(|value| !value.trim().is_empty())
    }

    /// All that are text and have a value.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let text = self.context.variables.iter();
        let text = text.filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
        text.filter(|(_, value)| !value.trim().is_empty())
    }

    /// The file that a variable names. A relative path means one file here and another there.
    pub(super) fn named_by(&self, variable: &str) -> Option<PathBuf> {
        let path = self.variable(variable).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    }

    /// A place in the home.
    pub(super) fn home(&self, relative: &str) -> Option<PathBuf> {
        let home = self.context.home.as_ref()?;
        home.is_absolute().then(|| home.join(relative))
    }

    /// A place in the directory of configurations (XDG Base Directory Specification).
    pub(super) fn config(&self, relative: &str) -> Option<PathBuf> {
        let directory = self.named_by("XDG_CONFIG_HOME");
        let directory = directory.or_else(|| self.home(".config"))?;
        Some(directory.join(relative))
    }

    /// A place of the machine's, from the root directory.
    pub(super) fn machine(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The text of a file. `None` also for one that a command could have written, that is no regular file, too large, or no text.
    pub(super) fn file(&self, path: &Path) -> Option<(String, Configuration)> {
        let place = self.unchangeable(path)?;
        let (bytes, names) = read_regular(&place).ok()?;
        // Under a second name it may lie where the command can write.
        let text = (names == 1).then(|| String::from_utf8(bytes).ok())??;
        Some((text, Configuration::File(path.to_owned())))
    }

    /// The files of a directory, by their names.
    pub(super) fn list(&self, directory: &Path) -> Vec<PathBuf> {
        let entries = self.unchangeable(directory).map(fs::read_dir);
        let entries = entries.and_then(Result::ok).into_iter().flatten();
        let mut files: Vec<_> = entries
            .flatten()
            .take(LISTS)
            .map(|entry| directory.join(entry.file_name()))
            .collect();
        files.sort();
        files
    }

    /// Where a path leads, if no command could change that.
    fn unchangeable(&self, path: &Path) -> Option<PathBuf> {
        let resolved = resolve(path).ok()?;
        (!can_change(self.files, &resolved)).then_some(resolved.path)
    }

    /// A text with the values of variables in the place of `${PREFIX…NAME}`; what has none stays.
    pub(super) fn expanded(&self, text: &str, prefix: &str) -> String {
        let start = format!("${{{prefix}");
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(&start) {
            expanded.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return expanded + &start + after;
            };
            match self.variable(name) {
                Some(value) => expanded.push_str(value),
                None => expanded.extend([&start, name, "}"]),
            }
            rest = after;
        }
        expanded + rest
    }
}
