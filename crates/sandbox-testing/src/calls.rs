//! Raw system calls, made by the hostile program one after the other.

use nix::errno::Errno;
use std::fmt;

/// What the kernel answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a call returns or fails")]
pub enum Answer {
    /// The result.
    Returned(i64),
    /// The error.
    Failed(Errno),
}

impl Answer {
    /// Reads the payload's lines.
    #[track_caller]
    pub fn all(text: &str) -> Vec<Self> {
        text.lines()
            .map(|line| match line.split_once(' ') {
                Some(("ok", value)) => Self::Returned(value.parse().unwrap()),
                Some(("errno", value)) => Self::Failed(Errno::from_raw(value.parse().unwrap())),
                _ => panic!("not an answer: `{line}`"),
            })
            .collect()
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(value) => write!(f, "{value}"),
            Self::Failed(errno) => write!(f, "{errno:?}"),
        }
    }
}

/// A sequence of calls, as arguments of the payload (whose `calls.rs` lists the forms an argument has).
///
/// ```
/// # use sandbox_testing::Calls;
/// let calls = Calls::new().call(41, ["1", "1", "0"]).call(3, ["r:0"]);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Calls(Vec<String>);

impl Default for Calls {
    fn default() -> Self {
        Self::new()
    }
}

impl Calls {
    /// No call yet.
    pub fn new() -> Self {
        Self(vec!["@payload".to_owned(), "call".to_owned()])
    }

    /// Adds a call by its number.
    pub fn call(mut self, number: i64, args: impl IntoIterator<Item: AsRef<str>>) -> Self {
        if self.0.len() > 2 {
            self.0.push("--".to_owned());
        }
        self.0.push(number.to_string());
        self.0
            .extend(args.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }
}

impl IntoIterator for Calls {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
