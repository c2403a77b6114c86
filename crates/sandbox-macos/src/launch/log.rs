//! What the kernel reports of denials: lines of the system's log, found by the tag of a profile.
//!
//! The attack: whatever is in a line beside the tag is the command's work, the name of its program and the path; and any program may
//! write to the log. So a line counts only if the kernel wrote it, it ends in the tag, and it has a bound.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sandbox_core::{Attempt, Destination, Operation};
use serde_json::Value;

use super::without_signals;
use crate::Tag;

/// The program of macOS that shows the log.
pub const LOG: &str = "/usr/bin/log";
/// Bytes of a line; longer ones are not read. A path has no more than 1,024, and each may take six in JSON.
const MOST_LINE: u64 = 64 << 10;
/// Bytes of a program's name, as the kernel keeps it (`MAXCOMLEN`).
const MOST_NAME: usize = 16;
/// Until the log is read: it says so by a first line.
const PATIENCE: Duration = Duration::from_secs(2);

/// Something that a profile has denied, as the kernel reports it. All text is the command's: nothing for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The process.
    pub pid: u32,
    /// Its program's name, or the beginning of it.
    pub program: String,
    /// The operation of Seatbelt, as `file-write-create`.
    pub operation: String,
    /// What it was about, if it was about something.
    pub target: Option<String>,
    /// How often it was tried.
    pub count: u64,
}

impl Violation {
    /// Reads one line of `log stream --style ndjson`; `None` if it is no report of a denial under the tag.
    pub fn parse(line: &[u8], tag: &Tag) -> Option<Self> {
        let entry: Value = serde_json::from_slice(line).ok()?;
        if entry.get("processID")?.as_u64()? != 0 {
            return None;
        }
        let message = entry.get("eventMessage")?.as_str()?;
        let text = message.trim_end().strip_suffix(tag.as_str())?.trim_end();
        let (count, text) = match text.split_once(" duplicate report") {
            Some((count, rest)) if count.bytes().all(|byte| byte.is_ascii_digit()) => {
                let (_, rest) = rest.split_once(" for ")?;
                (count.parse().ok()?, rest)
            }
            _ => (1, text),
        };
        let text = text.strip_prefix("Sandbox: ")?;
        // A program may be named like a report. What it is named has a bound, so the last one that begins within it is the kernel's.
        let (name, pid, rest) = text
            .char_indices()
            .take_while(|(at, _)| *at <= MOST_NAME)
            .filter_map(|(at, _)| denied(text, at))
            .last()?;
        let (operation, target) = match rest.split_once(' ') {
            Some((operation, target)) => (operation, Some(target)),
            None => (rest, None),
        };
        Some(Self {
            pid,
            program: name.to_owned(),
            operation: operation.to_owned(),
            target: target.map(str::to_owned),
            count,
        })
    }

    /// What was tried, in the words of a policy; `None` for what no rule could allow, and for reading.
    pub fn attempt(&self) -> Option<(Operation, Attempt)> {
        let target = self.target.as_deref()?;
        match self.operation.as_str() {
            "file-write-create" => Some((Operation::Create, Attempt::write(target))),
            "file-link" => Some((Operation::Link, Attempt::write(target))),
            write if write.starts_with("file-write") => {
                Some((Operation::Write, Attempt::write(target)))
            }
            "network-outbound" if target.starts_with('/') => {
                Some((Operation::Connect, Attempt::socket(target)))
            }
            "network-outbound" => {
                let (host, port) = target.rsplit_once(':')?;
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let destination = Destination::Address(host.parse().ok()?);
                let attempt = Attempt::connect(destination, port.parse().ok()?);
                Some((Operation::Connect, attempt))
            }
            _ => None,
        }
    }
}

/// `NAME(PID) deny(N) REST`, if the name ends at `at`.
fn denied(text: &str, at: usize) -> Option<(&str, u32, &str)> {
    let (name, rest) = text.split_at_checked(at)?;
    let (pid, rest) = rest.strip_prefix('(')?.split_once(')')?;
    let (kind, rest) = rest.strip_prefix(" deny(")?.split_once(") ")?;
    kind.parse::<u32>().ok()?;
    Some((name, pid.parse().ok()?, rest))
}

/// Reads the log until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends it"]
pub struct Watch {
    pub(super) log: Child,
    reader: Option<JoinHandle<()>>,
}

impl Watch {
    /// Has every denial under the tag told, on a thread of its own; `log` is [`LOG`], or another program in tests. Returns when the log is
    /// read, as far as that can be known.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn start(
        log: &Path,
        tag: Tag,
        tell: impl Fn(Violation) + Send + 'static,
    ) -> io::Result<Self> {
        let predicate = format!("eventMessage ENDSWITH \"{}\"", tag.as_str());
        let mut command = Command::new(log);
        command.args(["stream", "--style", "ndjson", "--predicate", &predicate]);
        // The keys of a terminal are not for it.
        command.process_group(0).env_clear().stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut log = command.spawn()?;
        let lines = log.stdout.take();
        let (begun, has_begun) = mpsc::sync_channel(1);
        let read = move || {
            let Some(lines) = lines else { return };
            let mut lines = BufReader::new(lines);
            let (mut line, mut begins) = (Vec::new(), true);
            while matches!(
                lines.by_ref().take(MOST_LINE).read_until(b'\n', &mut line),
                Ok(1..)
            ) {
                // It says what it filters by first.
                let _ = begun.try_send(());
                let ends = line.ends_with(b"\n");
                let violation = (begins && ends).then(|| Violation::parse(&line, &tag));
                if let Some(violation) = violation.flatten() {
                    tell(violation);
                }
                begins = ends;
                line.clear();
            }
        };
        let builder = thread::Builder::new().name("sandbox-log".to_owned());
        let reader = without_signals(builder, read);
        let mut watch = Self { log, reader: None };
        watch.reader = Some(reader?);
        // Without a word it may be read all the same, but not where it has ended: others than administrators may not read it.
        if has_begun.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected) {
            return Err(io::Error::other("it ended without a word"));
        }
        Ok(watch)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // One that has ended by itself is waited for as well.
        let _ = self.log.kill();
        let _ = self.log.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
