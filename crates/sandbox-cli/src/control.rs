//! `--control-fd`: whoever started us changes the rules about the network while the command runs.
//!
//! Each line is a request in JSON, each answer a line: `{"updated": true}`, or `{"error": "…"}` and nothing has changed.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sandboxed::{Error, Policy, Sandbox};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::{host, render};

/// The longest request.
const LINE: usize = 256 * 1024;
const READ: usize = 16 * 1024;

/// The descriptor, and what has come from it.
#[derive(Debug)]
pub(crate) struct Control {
    file: File,
    read: Vec<u8>,
    /// What holds without any request.
    policy: Policy,
}

impl Control {
    /// Takes the descriptor of that number.
    pub(crate) fn new(number: RawFd, policy: Policy) -> Result<Self, Failure> {
        let file = host::inherited(number).map(File::from);
        let file = file.and_then(closed_to_the_command);
        let file = file.map_err(|source| Failure::Own {
            action: "use the descriptor of `--control-fd`",
            source,
        })?;
        Ok(Self {
            file,
            read: Vec::new(),
            policy,
        })
    }

    /// Does what has been asked for; false when nothing more comes.
    pub(crate) fn obey(&mut self, sandbox: &Sandbox) -> bool {
        if !self.is(PollFlags::POLLIN) {
            return true;
        }
        let mut part = [0; READ];
        let count = match self.file.read(&mut part) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => {
                let again = [
                    std::io::ErrorKind::WouldBlock,
                    std::io::ErrorKind::Interrupted,
                ];
                return again.contains(&error.kind());
            }
        };
        self.read
            .extend_from_slice(part.get(..count).unwrap_or_default());
        while let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.read.drain(..=end).collect();
            let answer = match self.update(&line, sandbox) {
                Ok(()) => json!({"updated": true}),
                Err(error) => json!({"error": error}),
            };
            if !self.answer(&answer) {
                return false;
            }
        }
        if self.read.len() > LINE {
            self.answer(&json!({"error": "the line is too long"}));
            return false;
        }
        true
    }

    fn update(&self, line: &[u8], sandbox: &Sandbox) -> Result<(), String> {
        let request: Map<String, Value> =
            serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let network = match request.get("update_network") {
            Some(network) if request.len() == 1 => network,
            _ => return Err("a request is `{\"update_network\": {…}}`".to_owned()),
        };
        let policy = json!({"network": network}).to_string();
        let layer = Policy::from_json(&policy, None).map_err(Error::from);
        let updated = layer.and_then(|layer| {
            let policy = self.policy.clone().layer(layer);
            sandbox.update_network(&policy)
        });
        updated.map_err(|error| match error.remedy() {
            Some(remedy) => format!("{error}; {remedy}"),
            None => error.to_string(),
        })
    }

    /// Answers; false where nobody reads answers, which would hold up the command.
    fn answer(&mut self, answer: &Value) -> bool {
        let is_told = self.is(PollFlags::POLLOUT)
            && self
                .file
                .write_all(format!("{answer}\n").as_bytes())
                .is_ok();
        if !is_told {
            render::note("nobody reads the answers of `--control-fd`: it is closed");
        }
        is_told
    }

    /// Whether it can be read or written now. Its flags are those of whoever has the other copies.
    fn is(&self, ready: PollFlags) -> bool {
        let mut fds = [PollFd::new(self.file.as_fd(), ready)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }
}

/// The descriptor, if the command has no way to it.
///
/// The attack: the command has the same pipe for a standard stream, opens it in `/proc/self/fd` to write, and asks for other rules. A
/// socket can't be opened, but who has it takes requests that are not meant for it.
fn closed_to_the_command(file: File) -> io::Result<File> {
    let metadata = file.metadata()?;
    if !metadata.file_type().is_socket() {
        return Err(Errno::ENOTSOCK.into());
    }
    if is_stream_of_the_command(&metadata) {
        return Err(io::Error::other(
            "it is a standard stream of the command, too",
        ));
    }
    Ok(file)
}

/// Whether this is what the command has for a standard stream.
pub(crate) fn is_stream_of_the_command(metadata: &Metadata) -> bool {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    let is_same = |stream: BorrowedFd<'_>| {
        let found = stream.try_clone_to_owned().map(File::from);
        let found = found.and_then(|file| file.metadata());
        found.is_ok_and(|it| (it.dev(), it.ino()) == (metadata.dev(), metadata.ino()))
    };
    streams.into_iter().any(is_same)
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
