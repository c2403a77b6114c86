//! Regular expressions, as far as Apple's and everybody's agree on them.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::bytes::{Regex, RegexBuilder};

/// Those that were compiled before: most are the same in all profiles of a test.
static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);

/// A regular expression of a profile. It matches anywhere in a path unless it is anchored, and byte by byte.
///
/// # Errors
///
/// What is wrong, or is not in the part of the language that is sure to mean the same on a Mac: characters, `.`, classes, groups,
/// `|`, `*`, `+`, `?`, anchors, and a backslash before a character of punctuation.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = compiled.get(pattern) {
        return Ok(regex.clone());
    }
    check(pattern)?;
    let regex = RegexBuilder::new(pattern)
        .unicode(false)
        .dot_matches_new_line(true)
        .build()
        .map_err(|error| error.to_string())?;
    compiled.insert(pattern.to_owned(), regex.clone());
    Ok(regex)
}

fn check(pattern: &str) -> Result<(), String> {
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(next) = characters.next() {
        match next {
            '\\' if !characters.next().is_some_and(|c| c.is_ascii_punctuation()) => {
                return Err("a backslash before what is no punctuation".to_owned());
            }
            '[' if !in_class => {
                in_class = true;
                characters.next_if_eq(&'^');
                // First in a class it is an ordinary character, here; who reads it may think otherwise.
                if characters.peek() == Some(&']') {
                    return Err("`]` first in a class".to_owned());
                }
            }
            '[' => return Err("`[` in a class".to_owned()),
            ']' => in_class = false,
            '&' | '~' | '-' if in_class && characters.peek() == Some(&next) => {
                return Err(format!("`{next}{next}` in a class"));
            }
            '{' | '}' if !in_class => return Err("a repetition that is counted".to_owned()),
            '(' if !in_class && characters.peek() == Some(&'?') => {
                return Err("a group that begins with `?`".to_owned());
            }
            '*' | '+' | '?' if !in_class && matches!(characters.peek(), Some('?' | '+' | '*')) => {
                return Err("a repetition of a repetition".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_as_bytes() {
        let regex = compile(r"^/a/[^/]*\.pem(/.*)?$").unwrap();
        for path in [&b"/a/b.pem"[..], b"/a/\xff.pem", b"/a/b.pem/c\nd"] {
            assert!(regex.is_match(path), "{path:?}");
        }
        for path in [&b"/a/bxpem"[..], b"/a/b/c.pem", b"/x/a/b.pem"] {
            assert!(!regex.is_match(path), "{path:?}");
        }
    }

    #[test]
    fn what_may_mean_something_else_on_a_mac_is_refused() {
        for pattern in [
            r"\d",
            "a{2}",
            "(?i)a",
            "a*?",
            "a++",
            "[]a]",
            "[[:alpha:]]",
            "[a&&b]",
            "(",
            "a\\",
        ] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }
}
