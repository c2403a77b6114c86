//! What is told of the network: a line for each event to whoever asked for a log, and at the end what was denied.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;
use sandbox_core::Verdict;
use sandboxed::NetworkEvent;

use crate::failure::Failure;
use crate::render;

/// More than this nobody reads; `--log-network` has more.
const SHOWN: usize = 20;

/// What has happened so far.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    log: Option<Log>,
    denied: Mutex<Denied>,
}

#[derive(Debug)]
enum Log {
    Stderr,
    /// None once a line could not be written.
    File(Mutex<Option<File>>),
}

#[derive(Debug, Default)]
struct Denied {
    lines: Vec<String>,
    has_more: bool,
}

impl Traffic {
    /// Opens the log: before the command starts, which could put something else in its place.
    pub(crate) fn new(log: Option<&Path>) -> Result<Self, Failure> {
        let log = match log {
            None => None,
            Some(path) if path == Path::new("-") => Some(Log::Stderr),
            Some(path) => Some(Log::File(Mutex::new(Some(open(path)?)))),
        };
        Ok(Self {
            log,
            denied: Mutex::default(),
        })
    }

    /// Takes note of an event; on the gateway's thread.
    pub(crate) fn tell(&self, event: &NetworkEvent) {
        match &self.log {
            None => {}
            // Whoever closed standard error reads no log.
            Some(Log::Stderr) => drop(write_line(&mut io::stderr().lock(), event)),
            Some(Log::File(file)) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(Err(error)) = file.as_mut().map(|file| write_line(file, event)) {
                    *file = None;
                    render::note(&format!("the network's log ends here: {error}"));
                }
            }
        }
        if event.verdict == Verdict::Deny {
            let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
            denied.add(event);
        }
    }

    /// Prints what was denied.
    pub(crate) fn tell_denied(&self) {
        let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        for line in &denied.lines {
            render::note(line);
        }
        if denied.has_more {
            render::note("more was denied: `--log-network FILE` has more of it");
        }
    }
}

impl Denied {
    fn add(&mut self, event: &NetworkEvent) {
        let line = line(event);
        self.has_more |= event.omitted > 0;
        if self.lines.contains(&line) {
            return;
        }
        if self.lines.len() < SHOWN {
            self.lines.push(line);
        } else {
            self.has_more = true;
        }
    }
}

/// What was denied, why, and the option that would allow it.
fn line(event: &NetworkEvent) -> String {
    let rule = event.rule.as_ref();
    let reason = rule.and_then(|rule| rule.message.as_deref().or(rule.reason));
    let why = event.end.detail().or(reason);
    let why = why.map_or(String::new(), |why| format!(" ({why})"));
    let allowed = match &event.remedy {
        None => String::new(),
        Some(remedy) => match option(remedy) {
            Some(option) => format!("; `{option}` allows it"),
            None => format!("; a rule allows it: {remedy}"),
        },
    };
    format!("denied {}{why}{allowed}", event.target())
}

/// The option that says the same as a line of `[network.rules]`, if one does.
fn option(remedy: &str) -> Option<String> {
    let rules: toml::Table = toml::from_str(remedy).ok()?;
    let (destination, access) = rules.iter().next()?;
    // A shell looks for files by what is in brackets.
    let quote = if destination.contains(['[', '*']) {
        "'"
    } else {
        ""
    };
    (access.as_str() == Some("allow")).then(|| format!("--allow {quote}{destination}{quote}"))
}

fn write_line(to: &mut impl io::Write, event: &NetworkEvent) -> io::Result<()> {
    let mut line = event.to_json();
    line.push('\n');
    to.write_all(line.as_bytes())
}

/// Opens a file to add lines to it.
///
/// The attack: an earlier command has put a link in its place, or in the place of a directory on the way, so that a file is
/// written that the command could not write; or a FIFO, so that nothing goes on.
fn open(path: &Path) -> Result<File, Failure> {
    let flags = OFlag::O_WRONLY
        | OFlag::O_APPEND
        | OFlag::O_CREAT
        | OFlag::O_NONBLOCK
        | OFlag::O_NOCTTY
        | OFlag::O_CLOEXEC;
    let how = OpenHow::new()
        .flags(flags)
        .mode(Mode::S_IRUSR | Mode::S_IWUSR)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let failed = |source: io::Error| Failure::WriteFile {
        path: path.to_owned(),
        source,
    };
    let file = match openat2(AT_FDCWD.as_fd(), path, how) {
        Ok(file) => File::from(file),
        Err(Errno::ELOOP) => {
            return Err(Failure::LinkedFile {
                path: path.to_owned(),
            });
        }
        Err(errno) => return Err(failed(errno.into())),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.nlink() > 1 {
        return Err(Failure::NoLog {
            path: path.to_owned(),
        });
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_is_an_option_where_one_says_the_same() {
        for (remedy, expected) in [
            (
                "\"a.example:443\" = \"allow\"",
                Some("--allow a.example:443"),
            ),
            ("\"[::1]:80\" = \"allow\"", Some("--allow '[::1]:80'")),
            (
                "\"a.example:53\" = { access = \"allow\", udp = true }",
                None,
            ),
            ("no rule", None),
        ] {
            assert_eq!(option(remedy).as_deref(), expected, "{remedy}");
        }
    }
}
