//! The third answer: what really happens, to the command inside and to the host's files.
//!
//! One process of the payload makes all attempts of a table, one after the other, and after each the host is looked at.
//! What was done is undone, so that every attempt finds the tree as it was.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{self, Stdio};

use sandbox_core::{Opening, is_within};
use sandboxed::Sandbox;

use crate::host::make_fifo;
use crate::{Answer, Attempt, Kind, Listing, Outcome, Tree};

/// What errno values mean (errno(3)).
const NO_ENTRY: i32 = 2;
const NOT_A_DIRECTORY: i32 = 20;

/// A process that makes attempts.
pub struct Kernel<'a> {
    tree: &'a Tree,
    process: Process,
    input: Box<dyn Write>,
    output: BufReader<Box<dyn Read>>,
    /// The tree before any attempt.
    before: Listing,
    /// Where something can be made, and not removed: the directory can only be read.
    openings: Vec<Opening>,
}

/// Kept until the end of the attempts.
enum Process {
    Confined(sandboxed::Child),
    Bare(process::Child),
}

impl<'a> Kernel<'a> {
    /// In a sandbox.
    #[must_use]
    pub fn confined(sandbox: &Sandbox, tree: &'a Tree) -> Self {
        let mut child = sandbox
            .command(tree.payload())
            .arg("attempts")
            // What every policy here shows.
            .current_dir("/usr")
            .stdin(sandboxed::Stdio::piped())
            .stdout(sandboxed::Stdio::piped())
            .stderr(sandboxed::Stdio::inherit())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut kernel = Self::of(tree, Process::Confined(child), input, output);
        kernel.openings = sandbox.ruleset().openings();
        kernel
    }

    /// Without one: the control.
    #[must_use]
    pub fn bare(tree: &'a Tree) -> Self {
        let mut child = process::Command::new(tree.payload())
            .arg("attempts")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self::of(tree, Process::Bare(child), input, output)
    }

    fn of(
        tree: &'a Tree,
        process: Process,
        input: impl Write + 'static,
        output: impl Read + 'static,
    ) -> Self {
        Self {
            tree,
            process,
            input: Box::new(input),
            output: BufReader::new(Box::new(output)),
            before: tree.listing(),
            openings: Vec::new(),
        }
    }

    /// Makes one attempt after the other.
    #[must_use]
    pub fn attempts(mut self, attempts: &[Attempt]) -> Vec<Outcome> {
        attempts
            .iter()
            .map(|attempt| self.attempt(attempt))
            .collect()
    }

    /// Makes an attempt, looks at the host, and undoes it.
    pub fn attempt(&mut self, attempt: &Attempt) -> Outcome {
        let answer = self.answer(attempt);
        let changes = match attempt {
            Attempt::Read(_) | Attempt::List(_) | Attempt::Execute(_) => false,
            _ => self.tree.listing() != self.before,
        };
        if answer == Answer::Allowed {
            self.undo(attempt, changes);
        }
        Outcome {
            answer,
            changes_host: changes,
        }
    }

    fn answer(&mut self, attempt: &Attempt) -> Answer {
        let to = attempt.to().unwrap_or(Path::new(""));
        self.send(attempt.verb(), attempt.path(), to);
        let reply = self.reply();
        let Some(seen) = reply.strip_prefix(b"ok ") else {
            let errno = String::from_utf8_lossy(&reply);
            let errno = errno
                .strip_prefix("errno ")
                .and_then(|errno| errno.parse().ok());
            return match errno.unwrap_or_else(|| panic!("{attempt}: {reply:?}")) {
                NO_ENTRY | NOT_A_DIRECTORY => Answer::Missing,
                _ => Answer::Denied,
            };
        };
        match attempt {
            // To read a FIFO would wait for a writer.
            Attempt::Read(path)
                if fs::metadata(path).is_ok_and(|data| data.is_file())
                    && fs::read(path).is_ok_and(|content| content != seen) =>
            {
                Answer::Empty
            }
            Attempt::List(path) => {
                let shown: Vec<&[u8]> = seen.split(|byte| *byte == b'/').collect();
                let mut names = fs::read_dir(path).into_iter().flatten().flatten();
                let is_whole = names.all(|name| shown.contains(&name.file_name().as_bytes()));
                if is_whole {
                    Answer::Allowed
                } else {
                    Answer::Partial
                }
            }
            _ => Answer::Allowed,
        }
    }

    /// What was made inside is removed inside; what is gone from the host is made there anew.
    fn undo(&mut self, attempt: &Attempt, changes: bool) {
        match attempt {
            Attempt::Create(path) => {
                self.send("delete", path, Path::new(""));
                if self.reply() != b"ok " {
                    let opened = |opening: &Opening| is_within(path, &opening.path);
                    assert!(self.openings.iter().any(opened), "{attempt} is undone");
                    fs::remove_file(path).unwrap();
                }
            }
            Attempt::Rename(from, to) => {
                self.send("rename", to, from);
                assert_eq!(self.reply(), b"ok ", "{attempt} is undone");
            }
            _ => {}
        }
        if !changes {
            return;
        }
        for (path, kind) in self.before.paths() {
            restore(path, kind);
        }
        assert!(self.tree.listing() == self.before, "{attempt} is undone");
    }

    /// Three words, each ended by a zero byte.
    fn send(&mut self, verb: &str, path: &Path, to: &Path) {
        let words = [OsStr::new(verb), path.as_os_str(), to.as_os_str()];
        let message: Vec<u8> = words
            .iter()
            .flat_map(|word| [word.as_bytes(), b"\0"].concat())
            .collect();
        self.input.write_all(&message).unwrap();
        self.input.flush().unwrap();
    }

    /// One word, ended by a zero byte.
    fn reply(&mut self) -> Vec<u8> {
        let mut reply = Vec::new();
        self.output.read_until(0, &mut reply).unwrap();
        assert_eq!(reply.pop(), Some(0), "the payload answers");
        reply
    }
}

/// The payload ends with its input.
impl Drop for Kernel<'_> {
    fn drop(&mut self) {
        self.input = Box::new(std::io::sink());
        match &mut self.process {
            Process::Confined(child) => drop(child.wait()),
            Process::Bare(child) => drop(child.wait()),
        }
    }
}

impl fmt::Debug for Kernel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel")
            .field("tree", &self.tree)
            .finish_non_exhaustive()
    }
}

/// Makes what was at a path, if it is not there or is another. What is the same keeps its inode.
fn restore(path: &Path, kind: &Kind) {
    if Kind::of(path).as_ref() == Some(kind) {
        return;
    }
    match kind {
        Kind::Directory => fs::create_dir(path).unwrap(),
        Kind::File { content, mode } => {
            fs::write(path, content).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        Kind::Symlink(target) => symlink(target, path).unwrap(),
        Kind::Special => make_fifo(path),
    }
}
