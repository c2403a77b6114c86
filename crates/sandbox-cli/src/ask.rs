//! Destinations that no rule names are put to the person at the terminal.
//!
//! While a question stands the command is stopped, so that it neither prints over it, nor takes the answer, nor gets one that was
//! meant for the command: what was typed before the question is no answer, either. The terminal's settings are ours meanwhile. What
//! the command itself had stopped inside goes on afterwards, too.
//! Nobody is asked where there is no terminal, or somebody else has it: a job in the background, or a shell inside whose jobs
//! have it. Then it is denied.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::termios::{
    FlushArg, InputFlags, LocalFlags, OutputFlags, SetArg, Termios, tcflush, tcgetattr, tcsetattr,
};
use nix::unistd::{getpgrp, tcgetpgrp};
use sandbox_core::{DestinationPattern, escaped};
use sandboxed::{Child, NetworkAnswer, NetworkQuestion};

use crate::failure::Failure;
use crate::policy;

/// As long as the connection waits.
const PATIENCE: Duration = Duration::from_mins(1);
/// More is no answer.
const ANSWER: usize = 256;

/// A question, and who waits for the answer.
struct Put {
    question: NetworkQuestion,
    reply: Sender<NetworkAnswer>,
    until: Instant,
}

/// Where the gateway puts its questions.
pub(crate) struct Counter {
    questions: Sender<Put>,
    bell: Mutex<PipeWriter>,
}

/// The person's side.
pub(crate) struct Asking {
    questions: Receiver<Put>,
    bell: PipeReader,
    current: Option<Current>,
    /// Whether answers for good can be kept: the person's own policy is one of those that hold.
    keeps: bool,
    /// The person wants no more of them.
    is_closed: bool,
}

/// The question that is put now.
struct Current {
    /// None once it is taken back and the command has yet to stop: a stop that is told afterwards would pass for the command's own.
    put: Option<Put>,
    terminal: Borrowed,
    typed: Vec<u8>,
    until: Instant,
    is_shown: bool,
}

/// Both sides. `keeps`: whether there is an answer for good.
pub(crate) fn asking(keeps: bool) -> Result<(Counter, Asking), Failure> {
    let (reader, writer) = pipe().map_err(|source| Failure::Own {
        action: "make a pipe",
        source,
    })?;
    let (sender, receiver) = channel();
    let counter = Counter {
        questions: sender,
        bell: Mutex::new(writer),
    };
    let asking = Asking {
        questions: receiver,
        bell: reader,
        current: None,
        keeps,
        is_closed: false,
    };
    Ok((counter, asking))
}

impl Counter {
    /// Puts a question, and waits for the answer; on a thread of the gateway's.
    pub(crate) fn put(&self, question: &NetworkQuestion) -> NetworkAnswer {
        let (reply, answer) = channel();
        let put = Put {
            question: question.clone(),
            reply,
            until: Instant::now() + PATIENCE,
        };
        let is_put = self.questions.send(put).is_ok();
        let mut bell = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
        let is_heard = is_put && bell.write_all(b"?").is_ok();
        drop(bell);
        let answer = is_heard.then(|| answer.recv().ok()).flatten();
        answer.unwrap_or(NetworkAnswer::DenyOnce)
    }
}

impl Asking {
    /// What there is to wait for.
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let terminal = self.current.as_ref().filter(|current| current.is_shown);
        let terminal = terminal.map(|current| current.terminal.file.as_fd());
        // One question at a time.
        let bell = self.current.is_none().then(|| self.bell.as_fd());
        terminal.into_iter().chain(bell)
    }

    /// When the question is withdrawn.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        self.current.as_ref().map(|current| current.until)
    }

    /// Goes on, after something has come or time has passed.
    pub(crate) fn go_on(&mut self, child: &Child) {
        match &mut self.current {
            None => self.next(child),
            Some(current) if Instant::now() >= current.until => {
                self.end(NetworkAnswer::DenyOnce, child);
            }
            Some(current) => {
                if let Some(answer) = current.answer(self.keeps) {
                    self.end(answer, child);
                }
            }
        }
    }

    /// The command has stopped: whether because of a question, which is put now.
    pub(crate) fn has_stopped(&mut self, child: &Child) -> bool {
        let Some(current) = &mut self.current else {
            return false;
        };
        if !current.is_shown && !current.show(self.keeps) {
            self.end(NetworkAnswer::DenyOnce, child);
        }
        true
    }

    /// Takes the question back, if there is one: the answer is no.
    pub(crate) fn withdraw(&mut self, child: &Child) {
        match &mut self.current {
            Some(current) if current.is_shown => self.end(NetworkAnswer::DenyOnce, child),
            // It goes on once it has stopped.
            Some(current) => drop(current.put.take()),
            None => {}
        }
    }

    /// Takes the question back, if there is one, and then puts none any more.
    pub(crate) fn close(&mut self, child: &Child) {
        self.is_closed |= self.current.is_some();
        self.withdraw(child);
    }

    fn end(&mut self, answer: NetworkAnswer, child: &Child) {
        if let Some(current) = self.current.take() {
            drop(current.terminal);
            // A command that has ended goes on to nothing, and a connection that waits no more hears nothing.
            let _ = child.resume();
            let _ = current.put.map(|put| put.reply.send(answer));
        }
    }

    /// Takes a question, if there is one, and stops the command for it.
    fn next(&mut self, child: &Child) {
        let Ok(put) = self.questions.try_recv() else {
            return;
        };
        let _ = self.bell.read(&mut [0]);
        let is_asked = !self.is_closed && Instant::now() < put.until;
        let terminal = is_asked.then(Borrowed::borrow).flatten();
        // Whoever drops a question denies it.
        if let Some(terminal) = terminal
            && child.pause().is_ok()
        {
            self.current = Some(Current {
                until: put.until,
                put: Some(put),
                terminal,
                typed: Vec::new(),
                is_shown: false,
            });
        }
    }
}

impl Current {
    fn show(&mut self, keeps: bool) -> bool {
        let Some(put) = &self.put else {
            return false;
        };
        let always = if keeps { ", [a]lways," } else { "" };
        let question = format!(
            "\nsandbox: the command wants to connect to {}\n         allow it [o]nce, in this [r]un{always} or [N]ot? ",
            escaped(&put.question.to_string())
        );
        self.is_shown = self.terminal.begin() && self.terminal.says(&question);
        self.is_shown
    }

    /// The answer, once there is one. No holds as long as the command runs: it could ask until it hears something else.
    fn answer(&mut self, keeps: bool) -> Option<NetworkAnswer> {
        let put = self.put.as_ref().filter(|_| self.is_shown)?;
        let line = match self.terminal.line(&mut self.typed) {
            Ok(line) => line?,
            Err(_) => String::new(),
        };
        Some(match line.as_str() {
            "o" | "once" => NetworkAnswer::AllowOnce,
            "r" | "run" => NetworkAnswer::Allow,
            "a" | "always" if keeps => {
                let question = &put.question;
                let destination = DestinationPattern::exactly(&question.destination, question.port);
                let said = match policy::allow_always(&destination) {
                    Ok(said) => said,
                    Err(failure) => format!("{failure}: it is allowed in this run\n"),
                };
                self.terminal.says(&said);
                NetworkAnswer::Allow
            }
            _ => NetworkAnswer::Deny,
        })
    }
}

/// The terminal, while it is ours. Its settings are restored when this is dropped.
struct Borrowed {
    file: File,
    before: Option<Termios>,
}

impl Borrowed {
    /// None where there is no terminal, or we are not in its foreground.
    fn borrow() -> Option<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlag::O_NOCTTY | OFlag::O_NONBLOCK).bits())
            .open("/dev/tty")
            .ok()?;
        let is_ours = tcgetpgrp(&file).is_ok_and(|group| group == getpgrp());
        is_ours.then_some(Self { file, before: None })
    }

    /// Has it read lines and show what is typed, whatever the command wants of it. What was typed until now is forgotten.
    fn begin(&mut self) -> bool {
        let Ok(before) = tcgetattr(&self.file) else {
            return false;
        };
        let mut settings = before.clone();
        settings.input_flags.insert(InputFlags::ICRNL);
        settings
            .input_flags
            .remove(InputFlags::INLCR | InputFlags::IGNCR);
        settings
            .output_flags
            .insert(OutputFlags::OPOST | OutputFlags::ONLCR);
        settings
            .local_flags
            .insert(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        self.before = Some(before);
        // Not together: that waits for output, which may have been stopped by a key.
        tcsetattr(&self.file, SetArg::TCSANOW, &settings).is_ok()
            && tcflush(&self.file, FlushArg::TCIFLUSH).is_ok()
    }

    fn says(&mut self, text: &str) -> bool {
        self.file.write_all(text.as_bytes()).is_ok()
    }

    /// The line that was typed, once there is one: an empty one, or an error, if there will be none.
    fn line(&mut self, typed: &mut Vec<u8>) -> io::Result<Option<String>> {
        let mut part = [0; ANSWER];
        let count = match self.file.read(&mut part) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            read => read?,
        };
        typed.extend_from_slice(part.get(..count).unwrap_or_default());
        let is_whole = count == 0 || typed.ends_with(b"\n") || typed.len() > ANSWER;
        Ok(is_whole.then(|| String::from_utf8_lossy(typed).trim().to_lowercase()))
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // A terminal that has gone away has no settings.
            let _ = tcsetattr(&self.file, SetArg::TCSANOW, before);
        }
    }
}
