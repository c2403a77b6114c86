//! One line of a policy, and what no line can be.

use std::ffi::{OsStr, OsString};
use std::hash::Hash;
use std::path::Path;
use std::sync::Arc;

use crate::map::{Map, Set};
use crate::os::{OsStrExt as _, OsStringExt as _};
use crate::{Access, DestinationPattern, Source};

/// One line of `[files]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileEntry {
    /// As written: `~`, variables and relative paths not yet expanded.
    pub(crate) text: Arc<OsStr>,
    /// Whether `*`, `?` and `[` in the text have their pattern meaning.
    pub(crate) pattern: bool,
    pub(crate) access: Access,
    /// A path that does not exist is no error.
    pub(crate) optional: bool,
    /// Where a relative path starts, absolute; `None` is the current directory of the command.
    pub(crate) base: Option<Arc<Path>>,
    /// How many layers lie below the one that it stands in.
    pub(crate) layer: usize,
    /// Whether it stands in the place of one of an earlier layer: then what it is about is no spelling mistake.
    pub(crate) is_instead: bool,
    pub(crate) source: Source,
}

/// One line of `[environment]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VariableEntry {
    /// A name, or a pattern with `*` and `?`.
    pub(crate) pattern: OsString,
    pub(crate) rule: VariableRule,
    pub(crate) source: Source,
}

/// What happens to a variable of the caller's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VariableRule {
    Pass,
    Drop,
    Set(OsString),
}

/// One line of `[network.rules]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DestinationEntry {
    /// As it was written.
    pub(crate) text: String,
    /// What it means: a rule of a later layer with the same one replaces this one.
    pub(crate) pattern: DestinationPattern,
    /// Of `localhost` the name alone, as another sandbox's settings mean it: it is reached by this name and not by an
    /// address, which inside is the sandbox's own.
    pub(crate) name_only: bool,
    pub(crate) grant: Grant,
    /// How many layers lie below the one that it stands in.
    pub(crate) layer: usize,
    pub(crate) source: Source,
}

/// What a rule says of destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    Deny {
        /// What whoever is denied is told.
        reason: Option<String>,
    },
    Allow {
        /// Datagrams as well.
        udp: bool,
    },
}

impl Grant {
    /// Least first.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Deny { .. } => 0,
            Self::Allow { udp: false } => 1,
            Self::Allow { udp: true } => 2,
        }
    }
}

impl FileEntry {
    /// The rule's path as a pattern that means the same wherever it is read. A rule of a later layer with the same one
    /// replaces this one.
    pub(super) fn key(&self) -> OsString {
        let text = self.text.as_bytes();
        let mut pattern = if self.pattern {
            text.to_vec()
        } else {
            literal_pattern(text)
        };
        if let Some(base) = &self.base
            && !matches!(*pattern, [b'/' | b'~', ..] | [b'$', b'{', ..])
        {
            let mut absolute = literal_pattern(base.as_os_str().as_bytes());
            if !absolute.ends_with(b"/") {
                absolute.push(b'/');
            }
            absolute.append(&mut pattern);
            pattern = absolute;
        }
        OsString::from_vec(pattern)
    }
}

impl VariableEntry {
    /// What a later rule must have in common with this one to replace it.
    pub(super) fn key(&self) -> OsString {
        self.pattern.clone()
    }
}

/// The pattern that means what this literal path does.
pub(super) fn literal_pattern(text: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(text.len());
    // A pattern takes `~name` for somebody's home and refuses it; a literal path is a file of that name.
    if text.starts_with(b"~") && !matches!(text, [_] | [_, b'/', ..]) {
        pattern.extend(b"./");
    }
    for &byte in text {
        match byte {
            b'*' | b'?' | b'[' | b'$' => pattern.extend([b'[', byte, b']']),
            _ => pattern.push(byte),
        }
    }
    pattern
}

/// For each entry the first one with the same key, by its number.
pub(crate) fn by_key<'e, E, K: Eq + Hash>(
    entries: &'e [E],
    key: impl Fn(&'e E) -> K,
) -> Vec<usize> {
    let mut first = Map::default();
    first.reserve(entries.len());
    let numbered = entries.iter().enumerate();
    numbered
        .map(|(at, entry)| *first.entry(key(entry)).or_insert(at))
        .collect()
}

/// The entries, lower layers first, without those of a key that a later layer has as well: the first of each key with these.
/// Which have the same key, [`by_key`] tells.
///
/// Several may have one key, of which the rules decide: what one layer says must not depend on its order.
pub(crate) fn of_last_layers<E, L: Ord + Copy>(
    entries: Vec<E>,
    by_key: &[usize],
    layer: impl Fn(&E) -> L,
) -> Vec<(E, Vec<E>)> {
    let mut last = vec![None; entries.len()];
    for (first, entry) in by_key.iter().zip(&entries) {
        if let Some(last) = last.get_mut(*first) {
            *last = (*last).max(Some(layer(entry)));
        }
    }
    let mut kept = Vec::with_capacity(entries.len());
    let mut replaced: Map<usize, Vec<E>> = Map::default();
    for (first, entry) in by_key.iter().zip(entries) {
        if last.get(*first) == Some(&Some(layer(&entry))) {
            kept.push((entry, replaced.remove(first).unwrap_or_default()));
        } else {
            replaced.entry(*first).or_default().push(entry);
        }
    }
    kept
}

/// Keeps the last entry of each key, where it stands.
pub(super) fn last_of_each_key<E, K: Eq + Hash>(
    mut entries: Vec<E>,
    key: impl Fn(&E) -> K,
) -> Vec<E> {
    let mut seen = Set::default();
    entries.reverse();
    entries.retain(|entry| seen.insert(key(entry)));
    entries.reverse();
    entries
}

/// Why no path can be this. A C string would end at the NUL, and so name another file than the one that was decided on.
pub(super) fn wrong_path(text: &OsStr) -> Option<&'static str> {
    match text.as_encoded_bytes() {
        [] => Some("is empty"),
        bytes if bytes.contains(&0) => Some("contains a NUL byte"),
        _ => None,
    }
}

/// Why no variable can have this name, or no rule about it be this one.
pub(super) fn wrong_variable(name: &OsStr, rule: &VariableRule) -> Option<&'static str> {
    let bytes = name.as_encoded_bytes();
    match rule {
        _ if bytes.is_empty() => Some("is empty"),
        _ if bytes.contains(&0) => Some("contains a NUL byte"),
        _ if bytes.contains(&b'=') => Some("contains `=`"),
        VariableRule::Set(_) if bytes.iter().any(|byte| b"*?".contains(byte)) => {
            Some("is a pattern, and only one name can be set")
        }
        VariableRule::Set(value) if value.as_encoded_bytes().contains(&0) => {
            Some("is set to a value with a NUL byte")
        }
        _ => None,
    }
}

/// Why no feature can have this name: those of the filter's table are words in lower case.
pub(super) fn wrong_feature(name: &str) -> Option<&'static str> {
    let word =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    match name {
        "" => Some("is empty"),
        "fallback" | "hide" | "macos" => Some("is a key of its own"),
        _ if !name.bytes().all(word) => Some("is not a word in lower case"),
        _ => None,
    }
}

/// Why no service of macOS has this name, or begins so.
pub(super) fn wrong_service(name: &str) -> Option<&'static str> {
    let is_name = |letter: char| letter.is_ascii_graphic() && !matches!(letter, '*' | '"' | '\\');
    match name.strip_suffix('*').unwrap_or(name) {
        "" if name.is_empty() => Some("is empty"),
        "" => Some("is all services at once"),
        beginning if !beginning.chars().all(is_name) => {
            Some("has a character that no service has, or `*` before its end")
        }
        _ => None,
    }
}

/// Why nobody can be told this. It goes into answers of protocols, where a line's end would begin another one.
pub(super) fn wrong_reason(text: &str) -> Option<&'static str> {
    match text.chars().count() {
        0 => Some("it says nothing"),
        1..=200 if !text.contains(char::is_control) => None,
        1..=200 => Some("it contains a control character"),
        _ => Some("it has more than 200 characters"),
    }
}

/// Why no limit can be this number. The kernel's limits are signed in places; more than that is no limit.
pub(super) fn wrong_count(count: u64) -> Option<&'static str> {
    match i64::try_from(count) {
        Ok(0) => Some("nothing can run with none at all"),
        Ok(_) => None,
        Err(_) => Some("it is too large"),
    }
}
