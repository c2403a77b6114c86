//! What a command has left on the host that the person's own programs act on: where it may do so, and a person is told to look.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::os::OsStringExt;
use crate::{Access, Lines, Ruleset, escaped};

/// Something that has changed on the host while commands ran, and that programs of the person's act on.
///
/// ```
/// use sandbox_core::{Change, ChangeKind, Lines};
///
/// let lines = Some(Lines { added: 3, removed: 1 });
/// let change = Change::new("/srv/.vscode/settings.json", ChangeKind::Edited { lines });
/// assert_eq!(change.to_string(), "/srv/.vscode/settings.json +3 -1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Where. The names are the command's: neither text nor fit for a terminal.
    pub path: PathBuf,
    /// What it is.
    pub kind: ChangeKind,
}

/// All that has changed so.
///
/// ```
/// assert_eq!(sandbox_core::Changes::default().omitted, 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// Of one kind after the other, by path; of what is unfinished first that in git directories that were there before.
    pub all: Vec<Change>,
    /// What is not among them: it is more than is kept or looked at.
    pub omitted: u64,
}

/// What a [`Change`] is.
///
/// ```
/// assert_eq!(sandbox_core::ChangeKind::Repository.as_str(), "repository");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// A protected file that a rule opens is new.
    Made {
        /// How many it has; `None` where it is no text, or too large to be compared.
        lines: Option<usize>,
    },
    /// One has another content, or another mode.
    Edited {
        /// Which differ; `None` as above.
        lines: Option<Lines>,
    },
    /// One is gone.
    Removed {
        /// How many it had; `None` as above.
        lines: Option<usize>,
    },
    /// In the place of one is something that is no file.
    Replaced,
    /// A directory of protected files that a rule opens has more of them than are compared, or deeper ones, or can't be listed.
    Crowded,
    /// A git directory: its settings, and what is committed there, are the command's work.
    Repository,
    /// What git runs there when a rebase, a cherry-pick or a revert is continued that was left unfinished.
    Pending {
        /// The first of the lines that say so.
        lines: Vec<OsString>,
        /// How many there are.
        count: usize,
    },
    /// What git would read there then is too large, or no file.
    Unread,
}

impl ChangeKind {
    /// A word for it that does not change.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Made { .. } => "made",
            Self::Edited { .. } => "edited",
            Self::Removed { .. } => "removed",
            Self::Replaced => "replaced",
            Self::Crowded => "crowded",
            Self::Repository => "repository",
            Self::Pending { .. } => "pending",
            Self::Unread => "unread",
        }
    }

    /// Whether it is about a protected file that a rule opens.
    pub const fn is_protected(&self) -> bool {
        matches!(
            self,
            Self::Made { .. }
                | Self::Edited { .. }
                | Self::Removed { .. }
                | Self::Replaced
                | Self::Crowded
        )
    }
}

/// What there is to say behind the path, fit for a terminal.
impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made { lines: None } => f.write_str("(new)"),
            Self::Made { lines: Some(lines) } => write!(f, "(new, +{lines})"),
            Self::Edited { lines: None } => f.write_str("(changed)"),
            Self::Edited { lines: Some(lines) } => write!(f, "+{} -{}", lines.added, lines.removed),
            Self::Removed { lines: None } => f.write_str("(removed)"),
            Self::Removed { lines: Some(lines) } => write!(f, "(removed, -{lines})"),
            Self::Replaced => f.write_str("(replaced by what is no file)"),
            Self::Crowded => f.write_str("(not all of it was compared)"),
            Self::Repository => f.write_str("(a new repository)"),
            Self::Pending { lines, count } => {
                f.write_str("runs")?;
                for line in lines {
                    // One of theirs would end what is theirs.
                    let line = escaped(line).to_string().replace('`', "\\u{60}");
                    write!(f, " `{line}`")?;
                }
                match count.saturating_sub(lines.len()) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            Self::Unread => f.write_str("(too large, or no file)"),
        }
    }
}

impl Change {
    /// Something that has changed at `path`.
    pub fn new(path: impl Into<PathBuf>, kind: ChangeKind) -> Self {
        Self {
            path: path.into(),
            kind,
        }
    }

    /// That git runs these lines when it goes on; `None` if there are none.
    pub(crate) fn pending(path: PathBuf, found: &[&[u8]]) -> Option<Self> {
        /// More nobody reads.
        const SHOWN: usize = 3;
        const LONGEST: usize = 200;
        let line = |line: &&[u8]| OsString::from_vec(line.iter().take(LONGEST).copied().collect());
        let kind = ChangeKind::Pending {
            lines: found.iter().take(SHOWN).map(line).collect(),
            count: found.len(),
        };
        (!found.is_empty()).then(|| Self::new(path, kind))
    }
}

/// On one line, fit for a terminal.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", escaped(&self.path), self.kind)
    }
}

impl Ruleset {
    /// The protected paths that rules open by naming them, or something below: what a person wants to look at when it has changed. By
    /// path, none below another.
    ///
    /// ```
    /// # use sandbox_core::{Context, Policy, Ruleset};
    /// let policy = Policy::default().read("/").write("/srv").write("/srv/.vscode/settings.json");
    /// let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
    /// assert_eq!(ruleset.opened_protected(), [std::path::Path::new("/srv/.vscode/settings.json")]);
    /// ```
    #[must_use]
    pub fn opened_protected(&self) -> Vec<PathBuf> {
        let files = self.files();
        let is_opened = |path: &Path| {
            // Which directories of dependencies it lies in counts from the tree that would hold it without the rule.
            let around = path.ancestors().skip(1);
            let mut around = around.filter_map(|above| files.literal(above));
            let root = around.find(|rule| rule.access() == Access::Write);
            let root = root.map_or(path, |rule| rule.path());
            crate::protected::innermost(path, root, &files.asked).is_some()
        };
        let opening = files
            .written()
            .filter(|rule| rule.access() == Access::Write);
        let mut opened: Vec<_> = opening
            .map(|rule| rule.path().to_owned())
            .filter(|path| is_opened(path))
            .collect();
        opened.sort();
        opened.dedup_by(|path, before| path.starts_with(before));
        opened
    }
}
