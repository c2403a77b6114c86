//! The language of a profile, as far as it is needed: statements of operations and filters, each with where it comes from.

use std::fmt;

use sandbox_core::escaped;

use crate::Tag;

/// What an operation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// A path and all below it.
    Subpath(String),
    /// A single path.
    Literal(String),
    /// Paths.
    Regex(String),
    /// All of these hold.
    All(Vec<Self>),
    /// One of these holds.
    Any(Vec<Self>),
    /// This does not hold.
    Not(Box<Self>),
    /// What is there is a directory, a file, …
    Vnode(&'static str),
    /// Something else that has one text, as `global-name`.
    Named(&'static str, String),
    /// Something else, as it is written.
    Plain(&'static str),
    /// The far or the near side of a Unix socket.
    Socket(&'static str, Box<Self>),
    /// `remote` or `local`, with an address.
    Ip(&'static str, String),
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |f: &mut fmt::Formatter<'_>, word: &str, filters: &[Self]| {
            write!(f, "({word}")?;
            filters
                .iter()
                .try_for_each(|filter| write!(f, " {filter}"))?;
            f.write_str(")")
        };
        match self {
            Self::Subpath(path) => write!(f, "(subpath {})", Text(path)),
            Self::Literal(path) => write!(f, "(literal {})", Text(path)),
            Self::Regex(regex) => write!(f, "(regex {})", Text(regex)),
            Self::All(filters) => all(f, "require-all", filters),
            Self::Any(filters) => all(f, "require-any", filters),
            Self::Not(filter) => write!(f, "(require-not {filter})"),
            Self::Vnode(kind) => write!(f, "(vnode-type {kind})"),
            Self::Named(word, name) => write!(f, "({word} {})", Text(name)),
            Self::Plain(text) => f.write_str(text),
            Self::Socket(side, filter) => write!(f, "({side} unix-socket {filter})"),
            Self::Ip(side, address) => write!(f, "({side} ip {})", Text(address)),
        }
    }
}

/// A text in quotes.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for letter in self.0.chars() {
            match letter {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                letter => write!(f, "{letter}")?,
            }
        }
        f.write_str("\"")
    }
}

/// A filter, and why it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) filter: Filter,
    /// Not yet escaped.
    pub(super) why: String,
}

impl Line {
    pub(super) fn new(filter: Filter, why: impl Into<String>) -> Self {
        Self {
            filter,
            why: why.into(),
        }
    }
}

/// One rule of a profile: of all that speak of an operation and match, the last one holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) allows: bool,
    pub(super) operations: &'static [&'static str],
    /// With none the operation as a whole is meant.
    pub(super) lines: Vec<Line>,
    /// What none of the lines is about.
    pub(super) except: Option<Filter>,
    /// Not yet escaped; of a statement without lines, why it is there.
    pub(super) why: String,
}

impl Statement {
    pub(super) fn allow(operations: &'static [&'static str], lines: Vec<Line>) -> Self {
        Self::new(true, operations, lines)
    }

    pub(super) fn deny(operations: &'static [&'static str], lines: Vec<Line>) -> Self {
        Self::new(false, operations, lines)
    }

    pub(super) fn new(allows: bool, operations: &'static [&'static str], lines: Vec<Line>) -> Self {
        Self {
            allows,
            operations,
            lines,
            except: None,
            why: String::new(),
        }
    }

    pub(super) fn except(self, filter: Filter) -> Self {
        Self {
            except: Some(filter),
            ..self
        }
    }

    pub(super) fn because(self, why: &str) -> Self {
        Self {
            why: why.to_owned(),
            ..self
        }
    }
}

/// A statement as it stands in a profile: what it denies is reported under a tag, if there is one.
pub(super) struct Told<'a>(pub(super) &'a Statement, pub(super) Option<&'a Tag>);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(statement, tag) = *self;
        let verdict = if statement.allows { "allow" } else { "deny" };
        write!(f, "({verdict} {}", statement.operations.join(" "))?;
        // What is allowed is not reported.
        let message = message(tag.filter(|_| !statement.allows));
        if statement.lines.is_empty() {
            write!(f, "{message})")?;
        }
        if let Some(except) = &statement.except {
            write!(f, " (require-all (require-not {except}) (require-any")?;
        }
        let ends = if statement.except.is_some() { "))" } else { "" };
        comment(f, &statement.why)?;
        for (at, line) in statement.lines.iter().enumerate() {
            write!(f, "\n  {}", line.filter)?;
            if at + 1 == statement.lines.len() {
                write!(f, "{ends}{message})")?;
            }
            comment(f, &line.why)?;
        }
        Ok(())
    }
}

/// What has a denial reported under a tag.
pub(super) fn message(tag: Option<&Tag>) -> String {
    let message = |tag| format!(" (with message {})", Text(tag));
    tag.map(Tag::as_str).map_or_else(String::new, message)
}

/// Nothing in a comment ends it.
pub(super) fn comment(f: &mut fmt::Formatter<'_>, why: &str) -> fmt::Result {
    if why.is_empty() {
        Ok(())
    } else {
        write!(f, " ; {}", escaped(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_statement_is_not_about_is_written_once() {
        let lines = ["/a/b", "/a/c"].map(|path| Line::new(Filter::Subpath(path.to_owned()), "x"));
        let statement = Statement::deny(&["file-read*"], lines.into());
        let statement = statement.except(Filter::Literal("/a/b/d".to_owned()));
        assert_eq!(
            Told(&statement, None).to_string(),
            "(deny file-read* (require-all (require-not (literal \"/a/b/d\")) (require-any\n  \
             (subpath \"/a/b\") ; x\n  (subpath \"/a/c\")))) ; x"
        );
    }

    #[test]
    fn neither_a_path_nor_its_comment_ends_what_it_stands_in() {
        let line = Line::new(
            Filter::Subpath("/a\") (allow default) ;\\\n\t".to_owned()),
            "a\n(allow default)",
        );
        let statement = Statement::deny(&["file-read*"], vec![line]);
        assert_eq!(
            Told(&statement, None).to_string(),
            "(deny file-read*\n  (subpath \"/a\\\") (allow default) ;\\\\\\n\\t\")) ; a\\n(allow default)"
        );
    }
}
