//! SBPL as text: lists, symbols, strings and regular expressions.

use std::fmt;

/// How deep lists may be nested. Profiles need half a dozen.
const DEEPEST: usize = 64;

/// The longest string that `sandbox-exec` takes, in bytes: one more is "string too long".
const LONGEST: usize = 1024;

/// Where something is in a profile, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The byte in it.
    pub column: usize,
}

impl Position {
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why a profile is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
#[non_exhaustive]
pub struct Error {
    /// Where.
    pub at: Position,
    /// What is wrong there.
    pub what: String,
}

impl Error {
    pub(crate) fn new(at: Position, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { at, what }
    }
}

/// A value, and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Datum {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    List(Vec<Datum>),
    Symbol(String),
    Text(String),
    /// `#"..."`, in which a backslash stands for itself.
    Regex(String),
}

impl Datum {
    pub(crate) fn symbol(&self) -> Option<&str> {
        match &self.value {
            Value::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }

    /// A list that begins with a symbol: that, and the rest.
    pub(crate) fn form(&self) -> Option<(&str, &[Self])> {
        match &self.value {
            Value::List(list) => {
                let (head, rest) = list.split_first()?;
                Some((head.symbol()?, rest))
            }
            _ => None,
        }
    }

    pub(crate) fn error(&self, what: impl Into<String>) -> Error {
        Error::new(self.at, what)
    }
}

/// The values of a text.
///
/// # Errors
///
/// What is not closed, nested deeper than [`DEEPEST`], or a string that is too long.
pub(crate) fn read(text: &str) -> Result<Vec<Datum>, Error> {
    let mut reader = Reader {
        rest: text,
        at: Position::START,
    };
    reader.list(0)
}

struct Reader<'a> {
    rest: &'a str,
    at: Position,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next()?;
        self.rest = characters.as_str();
        if next == '\n' {
            self.at.line += 1;
            self.at.column = 1;
        } else {
            self.at.column += next.len_utf8();
        }
        Some(next)
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Past space and comments.
    fn skip(&mut self) {
        while let Some(next) = self.peek() {
            if next == ';' {
                while !matches!(self.next(), None | Some('\n')) {}
            } else if next.is_ascii_whitespace() {
                self.next();
            } else {
                return;
            }
        }
    }

    /// What comes before the end of this list, or of the text.
    fn list(&mut self, depth: usize) -> Result<Vec<Datum>, Error> {
        let opened = self.at;
        let mut list = Vec::new();
        loop {
            self.skip();
            let at = self.at;
            let value = match self.peek() {
                None if depth == 0 => return Ok(list),
                None => return Err(Error::new(opened, "`(` is not closed")),
                Some(')') if depth == 0 => return Err(Error::new(at, "`)` closes nothing")),
                Some(')') => {
                    self.next();
                    return Ok(list);
                }
                Some('(') if depth == DEEPEST => return Err(Error::new(at, "nested too deep")),
                Some('(') => {
                    self.next();
                    Value::List(self.list(depth + 1)?)
                }
                Some('"') => Value::Text(self.string(at, false)?),
                Some('#') if self.rest.starts_with("#\"") => {
                    self.next();
                    Value::Regex(self.string(at, true)?)
                }
                Some(_) => Value::Symbol(self.symbol()),
            };
            list.push(Datum { at, value });
        }
    }

    fn symbol(&mut self) -> String {
        let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '(' | ')' | '"' | ';');
        let mut symbol = String::new();
        while let Some(next) = self.peek().filter(|next| !ends(*next)) {
            symbol.push(next);
            self.next();
        }
        symbol
    }

    fn string(&mut self, at: Position, is_raw: bool) -> Result<String, Error> {
        self.next();
        let mut string = String::new();
        loop {
            match self.next() {
                None => return Err(Error::new(at, "a string is not closed")),
                Some('"') => break,
                Some('\\') => match self.next() {
                    None => return Err(Error::new(at, "a string is not closed")),
                    Some(escaped) if is_raw => string.extend(['\\', escaped]),
                    Some(escaped @ ('\\' | '"')) => string.push(escaped),
                    Some('n') => string.push('\n'),
                    Some('t') => string.push('\t'),
                    Some('r') => string.push('\r'),
                    Some(_) => return Err(Error::new(at, "an unknown escape in a string")),
                },
                Some('\0') => return Err(Error::new(at, "a NUL in a string")),
                Some(other) => string.push(other),
            }
        }
        if string.len() > LONGEST {
            return Err(Error::new(at, "string too long"));
        }
        Ok(string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_closed_is_named_where_it_began() {
        assert_eq!(error("(a)\n (b (c)"), "2:3: `(` is not closed");
        assert_eq!(error("a)"), "1:2: `)` closes nothing");
        assert_eq!(error("(a\n\"b"), "2:1: a string is not closed");
        assert_eq!(error("\"b\\"), "1:1: a string is not closed");
        assert!(error(&"(".repeat(100)).ends_with("nested too deep"));
    }

    #[test]
    fn strings_escape_and_regular_expressions_do_not() {
        let data = read(r#""a\"b\\" #"a\.b" ; "c"#).unwrap();
        assert!(matches!(&data[0].value, Value::Text(text) if text == "a\"b\\"));
        assert!(matches!(&data[1].value, Value::Regex(regex) if regex == "a\\.b"));
        assert_eq!(data.len(), 2);
    }

    #[test]
    fn strings_have_the_limit_of_sandbox_exec() {
        let of = |length| format!("\"{}\"", "a".repeat(length));
        assert!(read(&of(LONGEST)).is_ok());
        assert_eq!(error(&of(LONGEST + 1)), "1:1: string too long");
    }
}
