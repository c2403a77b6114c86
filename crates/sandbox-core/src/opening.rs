//! What opens a place for writing: the lines of a policy that would, given what is there on this machine.
//!
//! A rule about what is not there holds by its name alone, and only where the directory around it can be written. Elsewhere a name is
//! made, replaced or moved by changing its directory, and that is what a rule has to be about.

use std::path::{Path, PathBuf};

use crate::decide::{follow, is_resolved, protection, remedy};
use crate::escape::toml_string;
use crate::files::{FileRule, FileRules};
use crate::pattern::escape;
use crate::place::{above, is_within, name, upwards};
use crate::{Access, Attempt, Decision, Operation, RuleRef, Ruleset, Source, Verdict};

/// What a name is to stand for.
///
/// ```
/// # use sandbox_core::{Context, NameOf, Operation, Policy, Ruleset};
/// let ruleset = Ruleset::resolve(&Policy::default().read("/").write("/srv"), &Context::new("/")).unwrap();
/// let opens = |name| ruleset.opens("/opt/.git".as_ref(), Operation::Create, name, |path| path.ends_with("opt"));
/// let lines = "\"/opt\" = \"write\"\n\"/opt/.git\" = \"write\"";
/// assert_eq!(opens(NameOf::File).as_deref(), Some(lines));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "rules tell nothing else apart")]
pub enum NameOf {
    /// A directory, or whatever [`Ruleset::decide`] is asked about.
    Directory,
    /// Anything else but a symbolic link, as for [`Ruleset::decide_file`].
    File,
    /// A symbolic link, wherever it leads.
    Link,
    /// A directory that a command makes for itself: where the one around it can only be read a rule about its own name is enough, on a
    /// host that has a notifier.
    Made,
}

impl Ruleset {
    /// As [`decide`](Self::decide) about writing a path, for something other than a directory: what is no directory where a
    /// directory with protected paths in it is looked for says where to look instead.
    ///
    /// ```
    /// # use sandbox_core::{Attempt, Context, Policy, Ruleset, Verdict};
    /// let ruleset = Ruleset::resolve(&Policy::default().read("/").write("/srv"), &Context::new("/")).unwrap();
    /// assert_eq!(ruleset.decide(&Attempt::write("/srv/.git")).verdict, Verdict::Allow);
    /// assert_eq!(ruleset.decide_file("/srv/.git".as_ref()).verdict, Verdict::Deny);
    /// ```
    #[must_use]
    pub fn decide_file(&self, path: &Path) -> Decision {
        let decision = self.decide(&Attempt::write(path));
        if decision.verdict != Verdict::Allow {
            return decision;
        }
        let Some(entry) = self.files().way_to_protected(path) else {
            return decision;
        };
        let rule = RuleRef {
            access: Some(Access::Read),
            reason: Some(entry.reason),
            ..RuleRef::new(entry.path.to_owned(), Source::Protected)
        };
        let remedy = remedy(self.files(), path, Access::Write);
        Decision::new(Verdict::Deny, Some(rule), remedy)
    }

    /// The lines of `[files]` that allow an operation with a path; `exists` says what is there. `None` if no lines do. For a name in a
    /// repository that can't be written it is the line about its `.git`, if that is enough. There is none for what only a line about the
    /// name would allow, where there can be no such line, or it would take back what is opened by itself: a link in a `.git`.
    ///
    /// ```
    /// # use sandbox_core::{Context, NameOf, Operation, Policy, Ruleset};
    /// # use std::path::Path;
    /// let ruleset = Ruleset::resolve(&Policy::default().read("/"), &Context::new("/")).unwrap();
    /// let exists = |path: &Path| !path.ends_with("new");
    /// let open = ruleset.opens("/etc/motd".as_ref(), Operation::Write, NameOf::File, exists);
    /// assert_eq!(open.as_deref(), Some(r#""/etc/motd" = "write""#));
    /// let make = ruleset.opens("/etc/new".as_ref(), Operation::Create, NameOf::File, exists);
    /// assert_eq!(make.as_deref(), Some(r#""/etc" = "write""#));
    /// ```
    #[must_use]
    pub fn opens(
        &self,
        path: &Path,
        operation: Operation,
        name: NameOf,
        exists: impl Fn(&Path) -> bool,
    ) -> Option<String> {
        if !is_resolved(path) {
            return None;
        }
        let files = self.files();
        let path = follow(files, path);
        let own = usize::from(operation.changes_names());
        let around = upwards(&path).skip(own).find(|place| exists(place))?;
        // A rule about a part of a repository that was opened by itself would take all of that back.
        let by_itself = files.access(&path).1;
        let is_by_itself = by_itself.is_some_and(|rule| rule.source == Source::Repository);
        if name == NameOf::Made
            && !exists(&path)
            && let Some(line) = files.makes(&path, around)
        {
            return Some(line);
        }
        // Of what is not there a rule is one only where the name can't be written without it, which a link in a `.git` is no reason for.
        let by_name = |files: &FileRules| {
            let is_rule = exists(&path) || files.is_opened_by_name(&path, around);
            is_rule.then(|| remedy(files, &path, Access::Write))?
        };
        if !is_by_itself && (around == path || files.is_open(around)) {
            return by_name(files);
        }
        // What is denied where names are open is denied for what it is. Only a rule about itself would do, and the whole around it.
        if is_by_itself && (name == NameOf::Link || files.is_open(&path)) {
            return None;
        }
        // git makes names in many directories of a repository; what is protected there stays so.
        let whole =
            git_directory(&path).filter(|it| is_within(around, it) && exists(&it.join("HEAD")));
        if let Some(whole) = whole {
            let opened = files.opened(whole);
            if opened.is_open(around) && opened.is_open(&path) {
                if opened.may_be(&path, name) {
                    return remedy(files, whole, Access::Write);
                }
                if is_by_itself {
                    return None;
                }
            }
        }
        let first = remedy(files, around, Access::Write)?;
        let opened = files.opened(around);
        if opened.is_open(&path) && !opened.is_way(&path) && opened.may_be(&path, name) {
            return Some(first);
        }
        let second = by_name(&opened)?;
        Some(format!("{first}\n{second}"))
    }
}

/// The `.git` that a path lies in.
fn git_directory(path: &Path) -> Option<&Path> {
    upwards(path).skip(1).find(|it| name(it) == ".git")
}

impl FileRules {
    /// Whether the host's own can be written here.
    pub(crate) fn is_open(&self, path: &Path) -> bool {
        self.access(path).0 == Access::Write && protection(self, path).is_none()
    }

    /// Whether a rule that lets a path be written which is not there is of use: the directory around it can be written, and without
    /// the rule the path can't. `around` is the nearest that is there.
    pub(crate) fn is_opened_by_name(&self, path: &Path, around: &Path) -> bool {
        self.is_open(around) && (!self.is_open(path) || self.is_way(path))
    }

    /// The line that lets a path be made which is an ordinary one in a directory that can only be read.
    fn makes(&self, path: &Path, around: &Path) -> Option<String> {
        let is_made = above(path) == Some(around) && self.access(around).0 == Access::Read;
        if !is_made || self.literal(path).is_some() || git_directory(path).is_some() {
            return None;
        }
        // What would be protected is not opened on the side.
        let opened = self.opened(around);
        if !opened.is_open(path) || opened.is_way(path) {
            return None;
        }
        let key = toml_string(&escape(path.to_str()?));
        Some(format!("{key} = {{ access = \"write\", optional = true }}"))
    }

    /// Whether a name that can be written may stand for this.
    fn may_be(&self, path: &Path, name: NameOf) -> bool {
        match name {
            NameOf::Directory | NameOf::Made => true,
            NameOf::File => self.way_to_protected(path).is_none(),
            NameOf::Link => self.may_link_anywhere(path),
        }
    }

    /// The same with a rule that lets a path be written. Of a repository that such a rule is about nothing is opened by itself.
    pub(crate) fn opened(&self, path: &Path) -> Self {
        let mut files = self.clone();
        let about = git_directory(path).unwrap_or(path);
        files.forget(|rule| rule.source == Source::Repository && is_within(rule.path(), about));
        files.replace(FileRule::plain(
            path.as_os_str(),
            PathBuf::from(path),
            None,
            Access::Write,
        ));
        files
    }
}

#[cfg(test)]
mod tests;
