//! What is wrong with a policy: where, why, and what to write instead.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::bound::Excess;
use crate::escape::{escaped, escaped_path};
use crate::policy::Distrust;
use crate::problem::{ExtendsProblem, RuleProblem};
use crate::remedy::{Remedy, nearest};
use crate::{Access, Location, Source};

/// One thing that is wrong with a policy.
///
/// `Display` says what, without the place; [`location`](Self::location) and [`snippet`](Self::snippet) say where,
/// [`remedy`](Self::remedy) what to write instead.
///
/// ```
/// use sandbox_core::Policy;
///
/// let errors = Policy::from_toml("[limits]\nmemry = '4GiB'\n", None).unwrap_err();
/// let error = errors.iter().next().unwrap();
/// assert_eq!(error.to_string(), "unknown key `memry` in `[limits]`");
/// assert_eq!(error.location().unwrap().line(), 2);
/// assert_eq!(error.remedy().unwrap().to_string(), "write `memory`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The policy file cannot be opened or read.
    #[error("cannot read the policy `{}`", escaped_path(.path))]
    Read {
        /// The file, as it was named.
        path: PathBuf,
        /// What the system answered.
        source: ReadError,
    },

    /// What was named as a policy file is a directory, a device, a socket or a FIFO.
    #[error("`{}` is {found}, not a policy file", escaped_path(.path))]
    NotAFile {
        /// The file, as it was named.
        path: PathBuf,
        /// What it is, with its article.
        found: &'static str,
    },

    /// The name of a policy file has neither ending that says how to read it.
    #[error("the name `{}` does not say whether it is TOML or JSON", escaped_path(.path))]
    UnknownFormat {
        /// The file, as it was named.
        path: PathBuf,
    },

    /// A policy file or text is larger than one mebibyte.
    #[error("the policy{} is larger than 1 MiB", .path.as_ref().map_or(String::new(), |path| format!(" `{}`", escaped_path(path))))]
    TooLarge {
        /// The file, if it is one.
        path: Option<PathBuf>,
    },

    /// A policy file was written while it was read.
    #[error("the policy `{}` changed while it was read", escaped_path(.path))]
    Changed {
        /// The file, as it was named.
        path: PathBuf,
    },

    /// A file that a policy extends cannot be used.
    #[error("cannot extend {}", quoted(.file))]
    Extends {
        /// Where.
        at: Location,
        /// The file, as it was written.
        file: String,
        /// Why.
        #[source]
        problem: ExtendsProblem,
    },

    /// A policy file that is not trusted grants more than there is without it.
    #[error("{excess}, and `{}` {why}", escaped_path(.file))]
    Widens {
        /// What is more.
        excess: Box<Excess>,
        /// The policy file.
        file: PathBuf,
        /// Why it is not trusted.
        why: Distrust,
    },

    /// A later layer grants more than an earlier one has fixed.
    #[error("{excess}, which is fixed{}", by_rule(.excess.before.as_ref()))]
    Fixed {
        /// What is more.
        excess: Box<Excess>,
    },

    /// The text is not of its format. Only the first place is told: what follows from it would mislead.
    #[error("invalid {format}: {}", escaped(.reason))]
    Syntax {
        /// Where.
        at: Location,
        /// `TOML`, `JSON` or `text`.
        format: &'static str,
        /// What the parser did not understand.
        reason: String,
        /// What to write instead, where that is known.
        remedy: Option<Remedy>,
    },

    /// A key that no policy has.
    #[error("unknown key {}{}", quoted(.key), in_table(.table))]
    UnknownKey {
        /// Where.
        at: Location,
        /// The table that it is in, `[limits]`, or a description of it; empty for the policy itself.
        table: &'static str,
        /// The key.
        key: String,
        /// The keys that are known there.
        known: &'static [&'static str],
    },

    /// A key that is there twice.
    #[error("{} is written twice, first in line {first}", quoted(.key))]
    DuplicateKey {
        /// The second one.
        at: Location,
        /// The key.
        key: String,
        /// The line of the first one.
        first: usize,
    },

    /// A value of another type than its key takes.
    #[error("{} must be {expected}, not {found}", quoted(.key))]
    WrongType {
        /// Where.
        at: Location,
        /// The key.
        key: String,
        /// The type that it takes, with its article.
        expected: &'static str,
        /// The type that is there, with its article.
        found: &'static str,
        /// What to write instead, where that is known.
        remedy: Option<Remedy>,
    },

    /// A word that is none of those that its key takes.
    #[error("unknown {kind} {} for {}", quoted(.value), quoted(.key))]
    UnknownWord {
        /// Where.
        at: Location,
        /// What the words are: `access`, `preset` …
        kind: &'static str,
        /// The key.
        key: String,
        /// The word.
        value: String,
        /// The words that it takes.
        known: &'static [&'static str],
    },

    /// A value of the right type that cannot be meant.
    #[error("{} cannot be {}: {reason}", quoted(.key), quoted(.value))]
    InvalidValue {
        /// Where.
        at: Source,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// Why.
        reason: &'static str,
        /// What to write instead, where that is known.
        remedy: Option<Remedy>,
    },

    /// A path, variable or feature whose name cannot exist.
    #[error("the {kind} {} {reason}", quoted(.name))]
    InvalidName {
        /// Where.
        at: Source,
        /// `path`, `variable` or `feature`.
        kind: &'static str,
        /// The name.
        name: OsString,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// Part of the language, but nothing here can enforce or do it.
    #[error("cannot use {}: {reason}", quoted(.what))]
    Unsupported {
        /// Where.
        at: Location,
        /// The key or value.
        what: String,
        /// Why.
        reason: &'static str,
        /// What to write instead.
        remedy: Remedy,
    },

    /// More rules than any person writes.
    #[error("the policy has more than {limit} rules")]
    TooManyRules {
        /// The table or list that went over the limit.
        at: Location,
        /// How many are allowed.
        limit: usize,
    },

    /// A rule that cannot be resolved against this machine.
    #[error("the rule {} cannot be used", quoted(.text))]
    Rule {
        /// Where.
        at: Source,
        /// Its path or pattern, as it was written.
        text: OsString,
        /// Why.
        #[source]
        problem: RuleProblem,
    },

    /// The directory that `.` means cannot be told.
    #[error("the current directory cannot be told: {kind}")]
    CurrentDirectory {
        /// What the system answered.
        kind: io::ErrorKind,
    },

    /// The path of a rule does not exist, and the rule is not optional.
    #[error("{} does not exist", quoted(.path.as_os_str()))]
    Missing {
        /// The path, expanded.
        path: PathBuf,
        /// What the rule grants.
        access: Access,
        /// Where the rule was written.
        source_of_rule: Source,
    },
}

impl PolicyError {
    /// Where the mistake was written: a file, an option, the program.
    ///
    /// `None` if the policy file itself could not be read.
    pub fn written(&self) -> Option<Source> {
        match self {
            Self::Read { .. }
            | Self::NotAFile { .. }
            | Self::UnknownFormat { .. }
            | Self::TooLarge { .. }
            | Self::Changed { .. }
            | Self::CurrentDirectory { .. } => None,
            Self::Widens { excess, .. } | Self::Fixed { excess } => excess.at.clone(),
            Self::InvalidValue { at, .. }
            | Self::Rule { at, .. }
            | Self::InvalidName { at, .. }
            | Self::Missing {
                source_of_rule: at, ..
            } => Some(at.clone()),
            Self::Syntax { at, .. }
            | Self::UnknownKey { at, .. }
            | Self::DuplicateKey { at, .. }
            | Self::WrongType { at, .. }
            | Self::UnknownWord { at, .. }
            | Self::Unsupported { at, .. }
            | Self::Extends { at, .. }
            | Self::TooManyRules { at, .. } => Some(Source::File(at.clone())),
        }
    }

    /// The place in the policy file or text, if the mistake is in one.
    pub fn location(&self) -> Option<Location> {
        self.written().and_then(|source| source.location().cloned())
    }

    /// The line with the mistake, escaped, and the range of its characters that a caret points to.
    pub fn snippet(&self) -> Option<(String, Range<usize>)> {
        self.location().map(|location| location.snippet())
    }

    /// What to write instead, where that is known.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Syntax { remedy, .. }
            | Self::WrongType { remedy, .. }
            | Self::InvalidValue { remedy, .. } => remedy.clone(),
            Self::Unsupported { remedy, .. } => Some(remedy.clone()),
            Self::UnknownKey {
                key: word, known, ..
            }
            | Self::UnknownWord {
                value: word, known, ..
            } => Some(
                nearest(word, known)
                    .map_or(Remedy::OneOf(known), |near| Remedy::Write(near.to_owned())),
            ),
            Self::DuplicateKey { key, .. } => Some(Remedy::Remove(key.clone())),
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(Remedy::MakeReadable)
            }
            Self::NotAFile { .. } => Some(Remedy::NameFile),
            Self::Changed { .. } => Some(Remedy::Again),
            Self::UnknownFormat { .. } => Some(Remedy::Rename(&[".toml", ".json"])),
            Self::Missing { path, access, .. } => Some(Remedy::CreateOrOptional {
                path: path.clone(),
                access: *access,
            }),
            Self::Rule { problem, .. } => problem.remedy(),
            Self::Extends {
                problem: ExtendsProblem::Read(error),
                ..
            } => match **error {
                Self::Read { ref source, .. } if source.kind() == io::ErrorKind::NotFound => {
                    Some(Remedy::NameExtended)
                }
                _ => error.remedy(),
            },
            Self::Extends {
                problem: ExtendsProblem::Loop,
                file,
                ..
            } => Some(Remedy::LeaveOut(file.clone())),
            Self::Widens {
                why: Distrust::Unapproved | Distrust::Changed,
                file,
                ..
            } => Some(Remedy::Approve { file: file.clone() }),
            _ => None,
        }
    }

    /// Bytes that no policy of either format contains.
    pub(crate) fn not_text(at: Location, reason: &str) -> Self {
        Self::Syntax {
            at,
            format: "text",
            reason: reason.to_owned(),
            remedy: Some(Remedy::Encode),
        }
    }

    /// For sorting: errors without a place first, then as they follow in the text.
    pub(crate) fn offset(&self) -> Option<usize> {
        self.location().map(|location| location.offset())
    }
}

/// What the system answered when a policy file was read.
///
/// ```
/// use sandbox_core::{Policy, PolicyError};
///
/// let errors = Policy::from_file("/nonexistent/sandbox.toml").unwrap_err();
/// let error = errors.iter().next().unwrap();
/// assert!(matches!(error, PolicyError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound));
/// ```
#[derive(Clone, Debug)]
pub struct ReadError(Arc<io::Error>);

impl ReadError {
    /// What kind of error it is.
    pub fn kind(&self) -> io::ErrorKind {
        self.0.kind()
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self(Arc::new(error))
    }
}

// `io::Error` has no equality; two of the same number are the same to whoever reads the message.
impl PartialEq for ReadError {
    fn eq(&self, other: &Self) -> bool {
        (self.0.kind(), self.0.raw_os_error()) == (other.0.kind(), other.0.raw_os_error())
    }
}

impl Eq for ReadError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// Everything that is wrong with a policy, together, in the order of the text.
///
/// `Display` gives each a line: place, what, remedy.
///
/// ```
/// use sandbox_core::Policy;
///
/// let errors = Policy::from_toml("[files]\n'.' = 'writ'\n[limit]\n", None).unwrap_err();
/// assert_eq!(
///     errors.to_string(),
///     "line 2: unknown access `writ` for `.` (write `write`)\nline 3: unknown key `limit` (write `limits`)",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyErrors(pub(crate) Vec<PolicyError>);

impl PolicyErrors {
    /// Each error.
    pub fn iter(&self) -> std::slice::Iter<'_, PolicyError> {
        self.0.iter()
    }
}

impl From<PolicyError> for PolicyErrors {
    fn from(error: PolicyError) -> Self {
        Self(vec![error])
    }
}

impl IntoIterator for PolicyErrors {
    type Item = PolicyError;
    type IntoIter = std::vec::IntoIter<PolicyError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a PolicyErrors {
    type Item = &'a PolicyError;
    type IntoIter = std::slice::Iter<'a, PolicyError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            if let Some(source) = error.written() {
                write!(f, "{source}: ")?;
            }
            write!(f, "{error}")?;
            for cause in
                std::iter::successors(std::error::Error::source(error), |cause| cause.source())
            {
                write!(f, ": {cause}")?;
            }
            if let Some(remedy) = error.remedy() {
                write!(f, " ({remedy})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for PolicyErrors {}

/// A value of others may be as long as the file: this much of it is shown.
const QUOTED_CHARACTERS: usize = 80;

/// A key or value of the policy in backticks, escaped, cut where it is very long.
pub(crate) fn quoted<S: AsRef<std::ffi::OsStr> + ?Sized>(text: &S) -> String {
    let text = escaped(text).to_string();
    match text.char_indices().nth(QUOTED_CHARACTERS) {
        Some((end, _)) => format!("`{}…`", text.get(..end).unwrap_or_default()),
        None => format!("`{text}`"),
    }
}

fn by_rule(source: Option<&Source>) -> String {
    source.map_or(String::new(), |source| format!(" by {source}"))
}

fn in_table(table: &str) -> String {
    match table {
        "" => String::new(),
        name if name.starts_with('[') => format!(" in `{name}`"),
        description => format!(" in {description}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_path_can_be_created_or_waited_for() {
        let error = PolicyError::Missing {
            path: "/a\u{1b}b".into(),
            access: Access::Scratch,
            source_of_rule: Source::CommandLine,
        };
        assert_eq!(
            PolicyErrors::from(error).to_string(),
            "the command line: `/a\\u{1b}b` does not exist (create `/a\\u{1b}b`, or write `{ access = \"scratch\", optional = true }` as its rule)"
        );
    }

    #[test]
    fn the_system_s_answer_is_the_source() {
        use std::error::Error as _;
        let error = PolicyError::Read {
            path: "p.toml".into(),
            source: io::Error::from_raw_os_error(13).into(),
        };
        assert_eq!(error.to_string(), "cannot read the policy `p.toml`");
        assert_eq!(
            error.source().map(ToString::to_string).as_deref(),
            Some("Permission denied (os error 13)")
        );
        assert_eq!(error.location(), None);
        assert_eq!(error.remedy(), Some(Remedy::MakeReadable));
    }
}
