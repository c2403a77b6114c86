//! Where a rule was written, so that every answer and every error can name it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::escape::{escaped, escaped_path};
use crate::{DestinationPreset, Preset, SocketPreset};

/// A policy's text and the name of its file. Every [`Location`] in it shares it, so that a rule that turns out to be
/// wrong long after parsing can still show its line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Document {
    file: Option<PathBuf>,
    text: String,
    /// Where its lines end: thousands of rules ask which line they are in.
    ends: Vec<usize>,
}

impl Document {
    pub(crate) fn new(text: &str, file: Option<&Path>) -> Arc<Self> {
        Arc::new(Self {
            file: file.map(Path::to_path_buf),
            text: text.to_owned(),
            ends: text.match_indices('\n').map(|(at, _)| at).collect(),
        })
    }

    /// The place of these bytes of the text.
    pub(crate) fn at(self: &Arc<Self>, span: Range<usize>) -> Location {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.ceil_char_boundary(span.end.max(start));
        Location {
            document: Arc::clone(self),
            start,
            end,
        }
    }
}

/// A place in a policy file or text.
///
/// ```
/// use sandbox_core::Policy;
///
/// let errors = Policy::from_toml("[files]\n'.' = 'writ'\n", None).unwrap_err();
/// let location = errors.iter().next().unwrap().location().unwrap();
/// assert_eq!((location.line(), location.column()), (2, 7));
/// assert_eq!(location.snippet().0, "'.' = 'writ'");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    document: Arc<Document>,
    start: usize,
    end: usize,
}

/// A line of a foreign file may be as long as the file: this much of it is shown.
const SNIPPET_BYTES: usize = 160;

impl Location {
    /// The file as it was named; `None` for a policy given as text.
    pub fn file(&self) -> Option<&Path> {
        self.document.file.as_deref()
    }

    /// Line, from 1.
    pub fn line(&self) -> usize {
        self.document.ends.partition_point(|end| *end < self.start) + 1
    }

    /// Column in characters, from 1.
    pub fn column(&self) -> usize {
        self.before()
            .chars()
            .rev()
            .take_while(|&character| character != '\n')
            .count()
            + 1
    }

    /// The line, and which of its characters are meant: what a caret points to.
    ///
    /// The line is escaped and, where it is very long, cut; the range counts characters of what is returned.
    pub fn snippet(&self) -> (String, Range<usize>) {
        let text = &self.document.text;
        let line_start = self.before().rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text
            .get(self.start..)
            .and_then(|rest| rest.find('\n'))
            .map_or(text.len(), |n| self.start + n);
        let from =
            text.ceil_char_boundary(line_start.max(self.start.saturating_sub(SNIPPET_BYTES / 2)));
        let to = text
            .floor_char_boundary(line_end.min(from + SNIPPET_BYTES))
            .max(self.start);
        let piece = |range: Range<usize>| {
            let piece = text.get(range).unwrap_or_default().replace('\t', " ");
            escaped(piece.trim_end_matches('\r')).to_string()
        };
        let (before, marked, after) = (
            piece(from..self.start),
            piece(self.start..self.end.min(to)),
            piece(self.end.min(to)..to),
        );
        let column = before.chars().count();
        let width = marked.chars().count().max(1);
        (before + &marked + &after, column..column + width)
    }

    /// Where in the text it starts: for sorting.
    pub(crate) fn offset(&self) -> usize {
        self.start
    }

    /// Whether what is meant is written in quotes.
    pub(crate) fn is_quoted(&self) -> bool {
        self.document
            .text
            .get(self.start..)
            .is_some_and(|text| text.starts_with(['"', '\'']))
    }

    fn before(&self) -> &str {
        self.document.text.get(..self.start).unwrap_or_default()
    }
}

impl fmt::Debug for Location {
    // Without the whole text of the policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self}:{})", self.column())
    }
}

/// Where a package manager is told whom to ask.
///
/// ```
/// use sandbox_core::Configuration;
///
/// assert_eq!(Configuration::Variable("GOPROXY".to_owned()).to_string(), "`$GOPROXY`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Configuration {
    /// In a file of the person's, or of the machine's.
    File(PathBuf),
    /// By a variable of the caller's environment.
    Variable(String),
}

/// Where a rule was written.
///
/// ```
/// use sandbox_core::{Preset, Source};
///
/// assert_eq!(Source::Preset(Preset::Agent).to_string(), "preset `agent`");
/// assert_eq!(Source::CommandLine.to_string(), "the command line");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Source {
    /// A preset contains it.
    Preset(Preset),
    /// A preset of destinations names it.
    Destinations {
        /// The preset.
        preset: DestinationPreset,
        /// Of a package manager: where it is told to ask there. `None` where the preset itself has the destination.
        configuration: Option<Box<Configuration>>,
    },
    /// A preset of services has it.
    Sockets(SocketPreset),
    /// A policy file or text.
    File(Location),
    /// A key of another sandbox's settings.
    Setting {
        /// The key, with its sections.
        key: &'static str,
        /// Where its value, or the item of it that is meant, was written.
        at: Box<Location>,
    },
    /// The program that links the library.
    #[default]
    Library,
    /// An option of the `sandbox` command.
    CommandLine,
    /// The table of secrets: hidden unless a rule names the path.
    Secret,
    /// The table of protected paths: not writable unless a rule names the path.
    Protected,
    /// A repository that lies elsewhere has a writable tree as a working tree, and says so.
    Repository,
    /// git's settings lead to it: not writable unless a rule names the path.
    GitSetting {
        /// The setting, `*` for what is between its section and key.
        key: &'static str,
    },
    /// The table of closed addresses: not reached unless a rule names them.
    Closed,
}

impl Source {
    /// The place in a file or text, if that is where it was written.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::File(location) => Some(location),
            Self::Setting { at, .. } => Some(at),
            _ => None,
        }
    }

    /// Whether somebody wrote it, who can change it: it is of no preset and no table, and was not found.
    pub(crate) const fn is_written(&self) -> bool {
        !matches!(
            self,
            Self::Preset(_)
                | Self::Secret
                | Self::Protected
                | Self::Repository
                | Self::GitSetting { .. }
        )
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file() {
            Some(file) => write!(f, "{}:{}", escaped_path(file), self.line()),
            None => write!(f, "line {}", self.line()),
        }
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "`{}`", escaped_path(path)),
            Self::Variable(name) => write!(f, "`${}`", escaped(name)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preset(preset) => write!(f, "preset `{preset}`"),
            Self::Sockets(preset) => write!(f, "preset `{preset}`"),
            Self::Destinations {
                preset,
                configuration: None,
            } => write!(f, "preset `{preset}`"),
            Self::Destinations {
                preset,
                configuration: Some(configuration),
            } => write!(f, "preset `{preset}`, {configuration}"),
            Self::File(location) => location.fmt(f),
            Self::Setting { key, at } => write!(f, "{at}:{}, `{key}`", at.column()),
            Self::Library => f.write_str("the program"),
            Self::CommandLine => f.write_str("the command line"),
            Self::Secret => f.write_str("known secrets"),
            Self::Protected => f.write_str("protected paths"),
            Self::Repository => f.write_str("the repository of a working tree"),
            Self::GitSetting { key } => write!(f, "git's `{key}`"),
            Self::Closed => f.write_str("closed addresses"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snippet_marks_what_is_meant() {
        // text, span, line, column, snippet, marked
        let table = [
            ("ab = 1\ncd = 2\n", 12..13, 2, 6, "cd = 2", "2"),
            ("é = \"ü\"", 5..9, 1, 5, "é = \"ü\"", "\"ü\""),
            ("a\tb\r\n", 2..3, 1, 3, "a b", "b"),
            ("a = '''\nb'''", 4..12, 1, 5, "a = '''", "'''"),
            ("a = \u{1b}[31m", 4..5, 1, 5, "a = \\u{1b}[31m", "\\u{1b}"),
            ("a", 1..1, 1, 2, "a", ""),
            ("", 7..9, 1, 1, "", ""),
        ];
        for (text, span, line, column, snippet, marked) in table {
            let location = Document::new(text, None).at(span);
            let (shown, columns) = location.snippet();
            let under: String = shown
                .chars()
                .skip(columns.start)
                .take(columns.len())
                .collect();
            assert_eq!(
                (location.line(), location.column()),
                (line, column),
                "{text:?}"
            );
            assert_eq!(
                (shown.as_str(), under.as_str()),
                (snippet, marked),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_very_long_line_is_cut_around_the_place() {
        let text = format!("{}é!{}", "x".repeat(5000), "y".repeat(5000));
        let (shown, columns) = Document::new(&text, None).at(5002..5003).snippet();
        assert!(shown.len() <= SNIPPET_BYTES, "{shown}");
        assert_eq!(shown.chars().nth(columns.start), Some('!'));
    }

    #[test]
    fn names_of_files_are_escaped() {
        let location = Document::new("", Some(Path::new("a\u{1b}[2J.toml"))).at(0..0);
        assert_eq!(location.to_string(), "a\\u{1b}[2J.toml:1");
    }
}
