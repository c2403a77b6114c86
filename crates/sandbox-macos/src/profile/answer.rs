//! What a profile says to an operation, and which of its lines does: for whoever asks why. What enforces it is the kernel.

use std::fmt;
use std::path::Path;

use regex::bytes::RegexBuilder;
use sandbox_core::is_within;

use super::Profile;
use super::sbpl::{Filter, Statement};

/// The lines before the first part.
const HEAD: usize = 2;
/// The lines of a part before its first statement.
const TITLE: usize = 2;

/// What a program does. Paths are absolute and without links, as the kernel has them.
///
/// ```
/// let asked = sandbox_macos::Asked::Read("/private/tmp".as_ref());
/// assert_eq!(asked.operation(), "file-read-data");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Asked<'a> {
    /// It reads a file or lists a directory.
    Read(&'a Path),
    /// It changes what is in a file.
    Write(&'a Path),
    /// It makes this name, or moves something there.
    Make(&'a Path),
    /// It removes this name or moves it away.
    Remove(&'a Path),
    /// It connects to a port of the host's loopback.
    Port(u16),
    /// It connects to a port of another machine.
    Elsewhere(u16),
    /// It connects to the Unix socket there.
    Socket(&'a Path),
}

/// What a part of a profile is about. In the profile it stands above it, as `Display` prints it.
///
/// ```
/// assert_eq!(sandbox_macos::Part::Protected.to_string(), "Protected paths");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// What every program needs.
    System,
    /// What the policy opens on macOS alone.
    Options,
    /// The rules about files, who reads what.
    Reading,
    /// The rules about files, who writes what.
    Writing,
    /// Protected names in any spelling.
    Protected,
    /// Directories above what is hidden or not writable.
    Ways,
    /// Devices that every program writes to.
    Devices,
    /// Ports and sockets.
    Network,
}

/// The answer: of the lines that match, the last one.
///
/// ```
/// use sandbox_core::{Context, Policy, Ruleset};
/// use sandbox_macos::{Asked, Facts, Part, Profile};
///
/// let policy = Policy::default().read("/").hide("/usr/share");
/// let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
/// let profile = Profile::compile(&ruleset, &Facts::default()).unwrap();
/// let said = profile.says(Asked::Read("/usr/SHARE/x".as_ref()), None);
/// assert!(!said.allows);
/// assert_eq!(said.part, Some(Part::Reading));
/// assert!(said.why.starts_with("/usr/share = hide"));
/// let line = profile.to_string().lines().nth(said.line - 1).unwrap().to_owned();
/// assert!(line.contains(&said.filter));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Said {
    /// Whether it may.
    pub allows: bool,
    /// The operation, in the words of a profile.
    pub operation: &'static str,
    /// Where in the profile; `None` where no line speaks of it, so that it is denied.
    pub part: Option<Part>,
    /// The number of the line, as `Profile` prints it; where no line speaks of it, that of `(deny default)`.
    pub line: usize,
    /// What matches; of a statement that speaks of every such operation, nothing.
    pub filter: String,
    /// Where the line comes from, not yet escaped.
    pub why: String,
}

impl Asked<'_> {
    /// The operation that the kernel asks about.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Read(_) => "file-read-data",
            Self::Write(_) => "file-write-data",
            Self::Make(_) => "file-write-create",
            Self::Remove(_) => "file-write-unlink",
            Self::Port(_) | Self::Elsewhere(_) | Self::Socket(_) => "network-outbound",
        }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::Read(path) | Self::Write(path) | Self::Make(path) | Self::Remove(path) => {
                Some(path)
            }
            Self::Port(_) | Self::Elsewhere(_) | Self::Socket(_) => None,
        }
    }

    fn is_met_by(&self, filter: &Filter, vnode: Option<&str>) -> bool {
        let any = |filters: &[Filter]| filters.iter().any(|part| self.is_met_by(part, vnode));
        match filter {
            Filter::All(filters) => filters.iter().all(|part| self.is_met_by(part, vnode)),
            Filter::Any(filters) => any(filters),
            Filter::Not(filter) => !self.is_met_by(filter, vnode),
            Filter::Vnode(kind) => vnode == Some(*kind),
            Filter::Subpath(above) => self
                .path()
                .is_some_and(|path| is_within(path, above.as_ref())),
            Filter::Literal(literal) => self.path() == Some(Path::new(literal)),
            Filter::Regex(regex) => self.path().is_some_and(|path| matches(regex, path)),
            Filter::Socket("remote", filter) => match self {
                Self::Socket(path) => Asked::Write(path).is_met_by(filter, vnode),
                _ => false,
            },
            Filter::Ip("remote", address) => match (self, address.rsplit_once(':')) {
                (Self::Port(port), Some((_, known)))
                | (Self::Elsewhere(port), Some(("*", known))) => {
                    known == "*" || known.parse() == Ok(*port)
                }
                _ => false,
            },
            // About what is not asked here.
            Filter::Socket(..) | Filter::Ip(..) | Filter::Named(..) | Filter::Plain(_) => false,
        }
    }
}

/// Byte by byte, as a Mac does. What cannot be compiled is no regular expression of ours.
fn matches(regex: &str, path: &Path) -> bool {
    let regex = RegexBuilder::new(regex)
        .unicode(false)
        .dot_matches_new_line(true)
        .build();
    regex.is_ok_and(|regex| regex.is_match(path.as_os_str().as_encoded_bytes()))
}

impl Profile {
    /// What it says to an operation. `is_directory` is whether the path is one, if something is there.
    pub fn says(&self, asked: Asked<'_>, is_directory: Option<bool>) -> Said {
        let vnode = is_directory.map(|is| if is { "DIRECTORY" } else { "REGULAR-FILE" });
        let operation = asked.operation();
        let meets = |filter: &Filter| asked.is_met_by(filter, vnode);
        let mut end = HEAD
            + self
                .parts
                .iter()
                .fold(0, |lines, (_, statements)| lines + height(statements));
        for (part, statements) in self.parts.iter().rev() {
            for statement in statements.iter().rev() {
                end -= 1 + statement.lines.len();
                if !statement.speaks_of(operation) || statement.except.as_ref().is_some_and(meets) {
                    continue;
                }
                let said = |line, filter, why: &str| Said {
                    allows: statement.allows,
                    operation,
                    part: Some(*part),
                    line,
                    filter,
                    why: why.to_owned(),
                };
                if statement.lines.is_empty() {
                    return said(end + 1, String::new(), &statement.why);
                }
                // All lines of a statement say the same.
                if let Some((at, line)) = statement
                    .lines
                    .iter()
                    .enumerate()
                    .find(|(_, line)| meets(&line.filter))
                {
                    return said(end + 2 + at, line.filter.to_string(), &line.why);
                }
            }
            if !statements.is_empty() {
                end -= TITLE;
            }
        }
        Said {
            allows: false,
            operation,
            part: None,
            line: HEAD,
            filter: String::new(),
            why: "no line is about it".to_owned(),
        }
    }
}

/// The lines of a part.
fn height(statements: &[Statement]) -> usize {
    let of_statement = |statement: &Statement| 1 + statement.lines.len();
    match statements {
        [] => 0,
        some => TITLE + some.iter().map(of_statement).sum::<usize>(),
    }
}

impl Statement {
    /// Whether it is about an operation, by its name or by a wildcard above it.
    fn speaks_of(&self, operation: &str) -> bool {
        self.operations
            .iter()
            .any(|known| match known.strip_suffix('*') {
                Some(beginning) => operation.starts_with(beginning),
                None => *known == operation,
            })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "What every program needs",
            Self::Options => "Options",
            Self::Reading => "Reading",
            Self::Writing => "Writing",
            Self::Protected => "Protected paths",
            Self::Ways => {
                "What must stay where it is, since something below it is hidden or not writable"
            }
            Self::Devices => "Devices",
            Self::Network => "Network",
        })
    }
}
