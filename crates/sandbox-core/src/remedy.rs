//! What to write instead.

use std::fmt;
use std::path::PathBuf;

use crate::Access;
use crate::escape::{escaped, escaped_path};

/// The change to a policy that makes it right: data, so that a program can apply it; `Display` puts it in words.
///
/// ```
/// use sandbox_core::Remedy;
///
/// assert_eq!(Remedy::Write("4GiB".to_owned()).to_string(), "write `4GiB`");
/// assert_eq!(Remedy::OneOf(&["deny", "host"]).to_string(), "write `deny` or `host`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Write this in place of what is marked.
    Write(String),
    /// Write one of these two in place of what is marked.
    Either(Box<[String; 2]>),
    /// Write one of these in place of what is marked.
    OneOf(&'static [&'static str]),
    /// Remove this key.
    Remove(String),
    /// Write nothing about this key.
    LeaveOut(String),
    /// Remove what is marked, or say this instead.
    RemoveOr(&'static str),
    /// Put the key in quotes: TOML reads a dot outside of them as the border of two keys.
    QuoteKey,
    /// Save the file as text that every policy is.
    Encode,
    /// Name a regular file.
    NameFile,
    /// Name a file to extend by its path.
    NameExtended,
    /// Let the file be read.
    MakeReadable,
    /// Try once more.
    Again,
    /// Write a path without `..`.
    WithoutParent,
    /// Give the file a name with one of these endings.
    Rename(&'static [&'static str]),
    /// Give the pattern less to search.
    Narrow {
        /// What could be hidden as a whole instead, as a policy spells it.
        hide: Option<String>,
    },
    /// Approve a policy file after reading it.
    Approve {
        /// The file.
        file: PathBuf,
    },
    /// Create what the rule names, or let the rule wait for it.
    CreateOrOptional {
        /// What does not exist.
        path: PathBuf,
        /// What the rule grants.
        access: Access,
    },
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(text) => write!(f, "write `{}`", escaped(text)),
            Self::Either(both) => {
                let [one, other] = &**both;
                write!(f, "write `{}` or `{}`", escaped(one), escaped(other))
            }
            Self::OneOf(words) => write!(f, "write {}", Alternatives(words)),
            Self::Remove(key) => write!(f, "remove one `{}`", escaped(key)),
            Self::LeaveOut(key) => write!(f, "leave out `{}`", escaped(key)),
            Self::RemoveOr(text) => write!(f, "remove it, or write `{text}`"),
            Self::QuoteKey => f.write_str("put the path or name in quotes"),
            Self::Encode => f.write_str("save it as plain UTF-8 text, without a byte order mark"),
            Self::NameFile => f.write_str("name a regular file"),
            Self::NameExtended => {
                f.write_str("write the file's path, absolute or from the directory of this file")
            }
            Self::MakeReadable => {
                f.write_str("let this account read it, and search the directories on the way")
            }
            Self::Again => f.write_str("run it again"),
            Self::WithoutParent => f.write_str("write the path that is meant, without `..`"),
            Self::Rename(endings) => {
                write!(f, "give it a name that ends in {}", Alternatives(endings))
            }
            Self::Narrow { hide } => {
                f.write_str(
                    "write a pattern that begins further down, or has `*` for each level instead of `**`",
                )?;
                match hide {
                    Some(path) => write!(f, "; or write `{} = \"hide\"` as well", escaped(path)),
                    None => Ok(()),
                }
            }
            Self::Approve { file } => write!(
                f,
                "read the file; if that is what you want, `sandbox trust {}`",
                escaped_path(file)
            ),
            Self::CreateOrOptional { path, access } => write!(
                f,
                "create `{}`, or write `{{ access = \"{access}\", optional = true }}` as its rule",
                escaped_path(path)
            ),
        }
    }
}

/// `a`, `b` or `c`.
struct Alternatives(&'static [&'static str]);

impl fmt::Display for Alternatives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            let separator = match index {
                0 => "",
                _ if index + 1 == self.0.len() => " or ",
                _ => ", ",
            };
            write!(f, "{separator}`{word}`")?;
        }
        Ok(())
    }
}

/// The known word that was probably meant: two typing errors away, or a third of its length.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // Longer than any word we have: no need to measure, which would take quadratic time.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    let length = word.chars().count();
    known
        .iter()
        .map(|candidate| (strsim::osa_distance(&word, candidate), *candidate))
        .filter(|(distance, _)| *distance < length && *distance <= (length / 3).max(2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_word_is_one_that_could_be_a_typing_error() {
        let known = ["hide", "read", "overlay", "write", "scratch", "open_files"];
        let table = [
            ("writ", Some("write")),
            ("wirte", Some("write")),
            ("READ", Some("read")),
            ("open-files", Some("open_files")),
            ("openfile", Some("open_files")),
            ("scartch", Some("scratch")),
            ("deny", None),
            ("rw", None),
            ("", None),
        ];
        for (word, expected) in table {
            assert_eq!(nearest(word, &known), expected, "{word}");
        }
        assert_eq!(nearest(&"write".repeat(100_000), &known), None);
    }

    #[test]
    fn remedies_read_as_what_to_do() {
        let table = [
            (Remedy::Write("a\nb".to_owned()), "write `a\\nb`"),
            (
                Remedy::Either(Box::new(["a", "b"].map(str::to_owned))),
                "write `a` or `b`",
            ),
            (Remedy::OneOf(&["a", "b", "c"]), "write `a`, `b` or `c`"),
            (Remedy::Remove("x".to_owned()), "remove one `x`"),
            (Remedy::LeaveOut("x".to_owned()), "leave out `x`"),
            (
                Remedy::RemoveOr("default = \"host\""),
                "remove it, or write `default = \"host\"`",
            ),
            (
                Remedy::Rename(&[".toml", ".json"]),
                "give it a name that ends in `.toml` or `.json`",
            ),
            (
                Remedy::Narrow {
                    hide: Some("\"/a/b\"".to_owned()),
                },
                "write a pattern that begins further down, or has `*` for each level instead of `**`; or write `\"/a/b\" = \"hide\"` as well",
            ),
            (
                Remedy::CreateOrOptional {
                    path: "/a/b".into(),
                    access: Access::Write,
                },
                "create `/a/b`, or write `{ access = \"write\", optional = true }` as its rule",
            ),
        ];
        for (remedy, expected) in table {
            assert_eq!(remedy.to_string(), expected);
        }
    }
}
