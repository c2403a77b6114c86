//! How a command ended, and what it said.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

/// The end of a run; its methods check and return it, so that they chain.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    pub(crate) command: String,
    /// How the process ended that the test started.
    pub status: ExitStatus,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
}

impl Outcome {
    /// The exit code; none after a signal.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended the process.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// The standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The standard error as text.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// The exit code as a shell gives it in `$?`: 128 and the number after a signal.
    pub fn shell_code(&self) -> Option<i32> {
        self.code().or(self.signal().map(|signal| 128 + signal))
    }

    /// Everything, for messages.
    pub fn show(&self) -> String {
        format!(
            "`{}`: {}\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.status,
            self.text(),
            self.errors()
        )
    }

    /// Exit code 0.
    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        assert!(self.status.success(), "should succeed: {}", self.show());
        self
    }

    /// An exit code of the command's own: it was started, and failed.
    #[track_caller]
    pub fn fails(&self) -> &Self {
        assert!(
            self.code().is_some_and(|code| code != 0 && code < 125),
            "the command itself should fail: {}",
            self.show()
        );
        self
    }

    /// Exactly this exit code.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code(), Some(code), "{}", self.show());
        self
    }

    /// The sandbox did not start: exit code 125, nothing on the standard output.
    #[track_caller]
    pub fn refuses(&self) -> &Self {
        self.exits(125).stdout("")
    }

    /// Exactly this on the standard output, one final line break aside.
    #[track_caller]
    pub fn stdout(&self, expected: &str) -> &Self {
        let text = self.text();
        let trimmed = text.strip_suffix('\n').unwrap_or(&text);
        let expected = expected.strip_suffix('\n').unwrap_or(expected);
        assert_eq!(trimmed, expected, "{}", self.show());
        self
    }

    /// This somewhere on the standard output.
    #[track_caller]
    pub fn stdout_contains(&self, expected: &str) -> &Self {
        assert!(
            self.text().contains(expected),
            "expected `{expected}`: {}",
            self.show()
        );
        self
    }

    /// This somewhere on the standard error.
    #[track_caller]
    pub fn stderr_contains(&self, expected: &str) -> &Self {
        assert!(
            self.errors().contains(expected),
            "expected `{expected}`: {}",
            self.show()
        );
        self
    }

    /// This nowhere in the output.
    #[track_caller]
    pub fn never_says(&self, text: &str) -> &Self {
        assert!(
            !self.text().contains(text) && !self.errors().contains(text),
            "`{text}` came out: {}",
            self.show()
        );
        self
    }
}
