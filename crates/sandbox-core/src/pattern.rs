//! What the text of a rule means: a path, or a pattern below a path.
//!
//! | written | means |
//! |---|---|
//! | `~`, `${HOME}`, `${CWD}`, `${TMPDIR}`, `${NAME}` | directories and variables of the [`Context`]; special characters in their values mean themselves |
//! | `*` | any bytes within one component, also a leading dot |
//! | `**` as a whole component | any number of components |
//! | `?`, `[a-z]`, `[!a-z]` | one byte |
//! | `[*]`, `[?]`, `[[]` | that character itself |
//!
//! A text without a special character left is a literal path. What cannot be expanded is an error, never a rule that
//! matches nothing: an empty variable would turn `${DIR}/x` into `/x`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use globset::{Candidate, ErrorKind, GlobBuilder, GlobMatcher};

use crate::Context;
use crate::os::{OsStrExt, OsStringExt};
use crate::place;

mod together;

pub(crate) use self::together::Together;

/// A rule's text, expanded: absolute, without `.`, links not yet followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expanded {
    /// The path; of a pattern, the components before the first special one.
    pub(crate) path: PathBuf,
    /// The components from the first special one on, in the syntax of globset.
    pub(crate) tail: Option<String>,
}

impl Expanded {
    /// The whole, to look it up: as bytes, which a path is not compared by.
    pub(crate) fn key(&self) -> (&OsStr, Option<&str>) {
        (self.path.as_os_str(), self.tail.as_deref())
    }
}

/// Why a text cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternProblem {
    /// Nothing was written.
    #[error("it is empty")]
    Empty,
    /// No path contains this byte.
    #[error("it contains a NUL byte")]
    Nul,
    /// `~` without a home.
    #[error("`~` means nothing: neither `HOME` nor the account names a home")]
    NoHome,
    /// `~name` is a file called `~name`, or somebody's home: which one is meant is not guessed.
    #[error(
        "`~` is followed by a name: write the home as a path, or `./~…` for a file of that name"
    )]
    OtherHome,
    /// A variable that has no value.
    #[error("`${{{0}}}` has no value")]
    UnknownVariable(String),
    /// `${` without `}`.
    #[error("`${{` is not closed by `}}`: write `[$]{{` for the characters themselves")]
    OpenVariable,
    /// `[` without `]`.
    #[error("`[` is not closed by `]`: write `[[]` for the character itself")]
    OpenClass,
    /// A class that is not characters and ranges.
    #[error("a `[…]` holds characters and ranges like `a-z` only")]
    Class,
    /// `..` after a special component has no defined parent.
    #[error("`..` follows a wildcard")]
    Parent,
    /// The part that is matched is not text.
    #[error("the part with wildcards is not UTF-8")]
    NotText,
    /// The first character of a range comes after the last.
    #[error("the range `{from}-{to}` runs backwards: write `{to}-{from}`")]
    Backwards {
        /// The first one.
        from: char,
        /// The last one.
        to: char,
    },
    /// The matcher refuses it.
    #[error("it is too long or too intricate to be matched")]
    Refused,
}

/// Expands a rule's text. `base` is where a relative one starts.
pub(crate) fn expand(
    text: &OsStr,
    pattern: bool,
    base: &Path,
    context: &Context,
) -> Result<Expanded, PatternProblem> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(PatternProblem::Empty);
    }
    if bytes.contains(&0) {
        return Err(PatternProblem::Nul);
    }
    let (mut base, mut rest) = (base, bytes);
    if let Some(after) = rest.strip_prefix(b"~") {
        match after.first() {
            None | Some(b'/') => {}
            // A literal path of the library may well be a file called `~backup`.
            Some(_) if !pattern => return Ok(join(base, rest)),
            Some(_) => return Err(PatternProblem::OtherHome),
        }
        base = context
            .home
            .as_deref()
            .filter(|home| home.is_absolute())
            .ok_or(PatternProblem::NoHome)?;
        let slashes = after.iter().take_while(|byte| **byte == b'/').count();
        rest = after.get(slashes..).unwrap_or_default();
    }
    let is_special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'$');
    if !pattern || !rest.iter().any(is_special) {
        return Ok(join(base, rest));
    }
    let mut parts = Parts::default();
    if rest.len() < bytes.len() {
        parts.literal(base.as_os_str().as_bytes());
        parts.literal(b"/");
    }
    loop {
        let plain = rest.iter().position(is_special).unwrap_or(rest.len());
        let (literal, special) = rest.split_at(plain);
        parts.literal(literal);
        let Some((&byte, after)) = special.split_first() else {
            break;
        };
        rest = match byte {
            b'[' => parts.class(after)?,
            b'$' if after.first() == Some(&b'{') => {
                parts.variable(after.get(1..).unwrap_or_default(), context)?
            }
            b'$' => {
                parts.literal(b"$");
                after
            }
            _ => {
                parts.special(&[byte]);
                after
            }
        };
    }
    parts.finish(base)
}

/// Whether a text follows the current directory rather than name a place.
pub(crate) fn is_relative_spelling(text: &OsStr) -> bool {
    let bytes = text.as_bytes();
    bytes.starts_with(b"${CWD}") || !matches!(bytes.first(), Some(b'/' | b'~' | b'$'))
}

/// A literal path in the spelling of a pattern: every special character stands for itself.
///
/// ```
/// assert_eq!(sandbox_core::literal_pattern("/srv/[1]/*"), "/srv/[[]1]/[*]");
/// ```
#[must_use]
pub fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            '*' | '?' | '[' | '$' => escaped.extend(['[', character, ']']),
            _ => escaped.push(character),
        }
    }
    escaped
}

fn join(base: &Path, rest: &[u8]) -> Expanded {
    let base = if rest.starts_with(b"/") {
        &[]
    } else {
        base.as_os_str().as_bytes()
    };
    Expanded {
        path: tidy(&[base, rest]),
        tail: None,
    }
}

/// An absolute path of these parts, without `.`, doubled and final slashes; `..` stays, since only the file system knows what
/// is above a link.
fn tidy(parts: &[&[u8]]) -> PathBuf {
    let length = parts.iter().map(|part| part.len() + 1).sum();
    let names = parts
        .iter()
        .flat_map(|part| part.split(|byte| *byte == b'/'));
    let mut tidy = Vec::with_capacity(length);
    for name in names.filter(|name| !name.is_empty() && *name != b".") {
        tidy.push(b'/');
        tidy.extend_from_slice(name);
    }
    if tidy.is_empty() {
        tidy.push(b'/');
    }
    OsString::from_vec(tidy).into()
}

/// The components of a text while it is expanded.
#[derive(Default)]
struct Parts {
    done: Vec<Part>,
    current: Part,
    /// Whether the first byte was a slash; `None` before the first byte.
    rooted: Option<bool>,
}

/// One component, at once as itself and as a pattern.
#[derive(Default)]
struct Part {
    bytes: Vec<u8>,
    glob: Vec<u8>,
    special: bool,
}

impl Parts {
    fn literal(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let rooted = *self.rooted.get_or_insert(byte == b'/');
            if byte == b'/' {
                let part = std::mem::take(&mut self.current);
                self.done.push(part);
                continue;
            }
            debug_assert!(rooted || self.rooted == Some(false));
            self.current.bytes.push(byte);
            match byte {
                b'*' | b'?' | b'[' | b'{' | b'}' => self.current.glob.extend([b'[', byte, b']']),
                _ => self.current.glob.push(byte),
            }
        }
    }

    fn special(&mut self, glob: &[u8]) {
        self.rooted.get_or_insert(false);
        self.current.glob.extend(glob);
        self.current.special = true;
    }

    /// Takes a class whose `[` was read; gives what follows it.
    fn class<'a>(&mut self, after: &'a [u8]) -> Result<&'a [u8], PatternProblem> {
        let negated = matches!(after.first(), Some(b'!' | b'^'));
        let start = usize::from(negated);
        // A `]` in the first place is a member.
        let from = start + 1;
        let end = after
            .iter()
            .skip(from)
            .position(|byte| *byte == b']')
            .ok_or(PatternProblem::OpenClass)?
            + from;
        let members = after.get(start..end).unwrap_or_default();
        let rest = after.get(end + 1..).unwrap_or_default();
        if members.contains(&b'/')
            || members.windows(2).any(|pair| pair == b"[:")
            || !members.is_ascii()
        {
            return Err(PatternProblem::Class);
        }
        match members {
            [only] if !negated => self.literal(&[*only]),
            _ => {
                let whole = after.get(..=end).unwrap_or_default();
                self.special(&[b"[", whole].concat());
            }
        }
        Ok(rest)
    }

    /// Takes a variable whose `${` was read; gives what follows its `}`.
    fn variable<'a>(
        &mut self,
        after: &'a [u8],
        context: &Context,
    ) -> Result<&'a [u8], PatternProblem> {
        let end = after
            .iter()
            .position(|byte| *byte == b'}')
            .ok_or(PatternProblem::OpenVariable)?;
        let (name, rest) = after.split_at(end);
        let value = context
            .variable(OsStr::from_bytes(name))
            .filter(|value| !value.is_empty());
        let Some(value) = value else {
            return Err(PatternProblem::UnknownVariable(
                String::from_utf8_lossy(name).into_owned(),
            ));
        };
        if value.as_bytes().contains(&0) {
            return Err(PatternProblem::Nul);
        }
        self.literal(value.as_bytes());
        Ok(rest.get(1..).unwrap_or_default())
    }

    fn finish(mut self, base: &Path) -> Result<Expanded, PatternProblem> {
        self.done.push(self.current);
        let mut path = if self.rooted == Some(true) {
            PathBuf::from("/")
        } else {
            tidy(&[base.as_os_str().as_bytes()])
        };
        let mut tail: Option<Vec<u8>> = None;
        for part in self.done {
            if !part.special && (part.bytes.is_empty() || part.bytes == b".") {
                continue;
            }
            match &mut tail {
                None if part.special => tail = Some(part.glob),
                None => path.push(OsString::from_vec(part.bytes)),
                Some(_) if !part.special && part.bytes == b".." => {
                    return Err(PatternProblem::Parent);
                }
                Some(tail) => {
                    tail.push(b'/');
                    tail.extend(part.glob);
                }
            }
        }
        let tail = tail
            .map(String::from_utf8)
            .transpose()
            .map_err(|_| PatternProblem::NotText)?;
        Ok(Expanded { path, tail })
    }
}

/// The longest part with wildcards: no path that a kernel takes is longer, and the matcher takes every one of this length.
const MAX_TAIL: usize = 4096;

/// A pattern below a directory.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    /// What it lies below: absolute, links followed.
    prefix: PathBuf,
    tail: globset::Glob,
    /// Made when it is matched by itself, which few are: [`Together`] matches them all.
    matcher: OnceLock<GlobMatcher>,
    /// The components that a match has below the prefix; `None` is any number.
    depth: Option<usize>,
    /// The components below the prefix; `None` is any number of them. Made when a rename asks.
    parts: OnceLock<Vec<Option<GlobMatcher>>>,
}

impl Glob {
    pub(crate) fn new(prefix: PathBuf, tail: &str) -> Result<Self, PatternProblem> {
        if tail.len() > MAX_TAIL {
            return Err(PatternProblem::Refused);
        }
        let glob = GlobBuilder::new(tail)
            .literal_separator(true)
            .backslash_escape(false)
            .build()
            .map_err(|error| match *error.kind() {
                ErrorKind::InvalidRange(from, to) => PatternProblem::Backwards { from, to },
                _ => PatternProblem::Refused,
            })?;
        let across = tail.split('/').any(|component| component == "**");
        let depth = (!across).then(|| tail.split('/').count());
        Ok(Self {
            prefix,
            tail: glob,
            matcher: OnceLock::new(),
            depth,
            parts: OnceLock::new(),
        })
    }

    pub(crate) fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// The components below the prefix, as they were written.
    pub(crate) fn tail(&self) -> &str {
        self.tail.glob()
    }

    pub(crate) fn depth(&self) -> Option<usize> {
        self.depth
    }

    /// Whether it matches this very path.
    pub(crate) fn matches(&self, path: &Path) -> bool {
        let Ok(rest) = path.strip_prefix(&self.prefix) else {
            return false;
        };
        let matcher = self.matcher.get_or_init(|| self.tail.compile_matcher());
        !rest.as_os_str().is_empty() && matcher.is_match_candidate(&Candidate::new(rest))
    }

    /// How much of it has been matched by the way to this directory, which lies below its prefix: bit n stands for n components.
    /// With the same progress it goes on alike. `None` for a pattern that is longer than anybody writes.
    pub(crate) fn progress(&self, directory: &Path) -> Option<u64> {
        let parts = self.parts.get_or_init(|| self.components());
        if parts.len() >= 64 {
            return None;
        }
        // Any number of components may be none.
        let close = |mut reached: u64| {
            for (at, part) in parts.iter().enumerate() {
                if part.is_none() && reached & 1 << at != 0 {
                    reached |= 1 << (at + 1);
                }
            }
            reached
        };
        let below = directory.strip_prefix(&self.prefix).ok()?;
        let mut reached = close(1);
        for name in below {
            let candidate = Candidate::new(name);
            let mut next = 0;
            for (at, part) in parts.iter().enumerate() {
                if reached & 1 << at == 0 {
                    continue;
                }
                match part {
                    None => next |= 1 << at,
                    Some(part) if part.is_match_candidate(&candidate) => next |= 1 << (at + 1),
                    Some(_) => {}
                }
            }
            reached = close(next);
        }
        Some(reached)
    }

    /// A component that can't be compiled by itself, though the whole was, is taken for any number of them.
    fn components(&self) -> Vec<Option<GlobMatcher>> {
        let component = |part: &str| {
            let mut builder = GlobBuilder::new(part);
            let glob = builder.literal_separator(true).backslash_escape(false);
            let glob = (part != "**").then(|| glob.build().ok()).flatten();
            glob.map(|glob| glob.compile_matcher())
        };
        self.tail().split('/').map(component).collect()
    }

    /// Whether it may match something below this directory, which is its prefix or lies below that.
    pub(crate) fn reaches(&self, directory: &Path) -> bool {
        let is_deep_enough = |depth| place::depth(&self.prefix) + depth > place::depth(directory);
        place::is_within(directory, &self.prefix) && self.depth.is_none_or(is_deep_enough)
    }

    /// The longest of the path and its ancestors that it matches.
    pub(crate) fn longest_match<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        if !path.starts_with(&self.prefix) {
            return None;
        }
        path.ancestors()
            .take_while(|ancestor| *ancestor != self.prefix)
            .find(|ancestor| self.matches(ancestor))
    }
}

#[cfg(test)]
mod tests;
