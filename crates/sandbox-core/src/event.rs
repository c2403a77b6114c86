//! What was denied, as whoever started the command is told: each thing once, with how often it was tried.
//!
//! The attack: a command that tries ten million names, so that nobody sees what matters, or memory runs out. So what is told is
//! bounded, and what is left out is counted.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::{Attempt, Decision, Destination, DestinationPattern, Source, escaped};

/// More different ones nobody reads.
const MOST: usize = 1000;

/// Something that was denied, with what would allow it.
///
/// What is denied again is told once more at the end, with how often that was. Reading is not among it: nobody is asked then.
///
/// ```
/// use std::time::SystemTime;
/// use sandbox_core::{Attempt, Context, Event, Operation, Policy, Ruleset};
///
/// let ruleset = Ruleset::resolve(&Policy::default().read("/"), &Context::new("/")).unwrap();
/// let attempt = Attempt::write("/etc/motd");
/// let event = Event::new(Operation::Write, attempt.clone(), ruleset.decide(&attempt), SystemTime::now());
/// assert_eq!(event.to_string(), r#"write /etc/motd (`/` = read, the program); allowed by "/etc/motd" = "write""#);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// When it was tried first.
    pub time: SystemTime,
    /// What was tried.
    pub operation: Operation,
    /// What was decided about.
    pub attempt: Attempt,
    /// The rule that denies it, and the lines of a policy that would allow it, if there are any: of `[files]` or
    /// `[network.rules]`.
    pub decision: Decision,
    /// Why, where the rule alone does not tell.
    pub detail: Option<String>,
    /// Who tried it first, where that is known.
    pub process: Option<Process>,
    /// How often it was tried.
    pub count: u64,
    /// Other denials that are in no event: too many at once, or too many different ones.
    pub omitted: u64,
}

/// What was tried.
///
/// ```
/// assert_eq!(sandbox_core::Operation::LookUp.to_string(), "look-up");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// To open an existing file for writing, or to cut it off.
    Write,
    /// To make a file, a directory, a node or a symbolic link.
    Create,
    /// To give a file a further name; the path is one of the two.
    Link,
    /// To give a file another name; the path is one of the two.
    Rename,
    /// To ask for the addresses of a name.
    LookUp,
    /// To connect: to a destination, or to a Unix socket.
    Connect,
    /// To send a datagram.
    Send,
}

impl Operation {
    /// A word for it that does not change.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Create => "create",
            Self::Link => "link",
            Self::Rename => "rename",
            Self::LookUp => "look-up",
            Self::Connect => "connect",
            Self::Send => "send",
        }
    }

    /// Whether it changes a directory, and not what a name stands for.
    pub const fn changes_names(self) -> bool {
        matches!(self, Self::Create | Self::Link | Self::Rename)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A process of the command.
///
/// ```
/// use sandbox_core::Process;
///
/// let make = Process::new(42, Some("/usr/bin/make".into()));
/// assert_eq!((make.pid, make.program), (42, Some("/usr/bin/make".into())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// Its number on the host. When it has ended another one may get it.
    pub pid: u32,
    /// The program that it ran, by the path that this has inside, if that is known. The bytes are the command's: neither text nor fit for
    /// a terminal.
    pub program: Option<PathBuf>,
}

impl Process {
    /// A process of the command, by its number on the host.
    #[must_use]
    pub fn new(pid: u32, program: Option<PathBuf>) -> Self {
        Self { pid, program }
    }
}

/// On one line, fit for a terminal.
impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pid)?;
        match &self.program {
            Some(program) => write!(f, " ({})", escaped(program)),
            None => Ok(()),
        }
    }
}

impl Event {
    /// That something was tried once.
    pub fn new(
        operation: Operation,
        attempt: Attempt,
        decision: Decision,
        time: SystemTime,
    ) -> Self {
        Self {
            time,
            operation,
            attempt,
            decision,
            detail: None,
            process: None,
            count: 1,
            omitted: 0,
        }
    }

    /// What was tried to be reached: a path, a name, `HOST:PORT`.
    pub fn target(&self) -> OsString {
        let place = |destination: &Destination, port: u16| {
            DestinationPattern::exactly(destination, port)
                .to_string()
                .into()
        };
        match &self.attempt {
            Attempt::Read { path } | Attempt::Write { path } | Attempt::Socket { path } => {
                path.clone().into_os_string()
            }
            Attempt::Variable { name } => name.clone(),
            Attempt::Lookup { name } => name.to_string().into(),
            Attempt::Connect { destination, port } | Attempt::Send { destination, port } => {
                place(destination, *port)
            }
            Attempt::Dial { address, port, .. } => place(&(*address).into(), *port),
        }
    }

    /// Why it was denied, in words; `None` where no rule is about it.
    pub fn why(&self) -> Option<String> {
        if let Some(detail) = &self.detail {
            return Some(detail.clone());
        }
        let rule = self.decision.rule.as_ref()?;
        if let Some(message) = &rule.message {
            return Some(message.clone());
        }
        Some(match (&rule.source, rule.reason) {
            (Source::Protected, Some(reason)) => format!("protected: {reason}"),
            (_, Some(reason)) => reason.to_owned(),
            (source, None) => {
                let grants = rule.grants().unwrap_or_default();
                format!("`{}` = {grants}, {source}", rule.pattern)
            }
        })
    }
}

/// In one line, fit for a terminal.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation, escaped(&self.target()))?;
        if let Some(why) = self.why() {
            write!(f, " ({})", escaped(&why))?;
        }
        if let Some(remedy) = &self.decision.remedy {
            write!(f, "; allowed by {}", escaped(remedy))?;
        }
        if self.count > 1 {
            write!(f, " [{} times]", self.count)?;
        }
        Ok(())
    }
}

/// What was denied so far: a bounded number of different things, each with a count.
///
/// ```
/// use std::time::SystemTime;
/// use sandbox_core::{Attempt, Context, Denials, Event, Operation, Policy, Ruleset};
///
/// let ruleset = Ruleset::resolve(&Policy::default().read("/"), &Context::new("/")).unwrap();
/// let event = |operation, attempt: Attempt| {
///     let decision = ruleset.decide(&attempt);
///     Event::new(operation, attempt, decision, SystemTime::now())
/// };
/// let mut denials = Denials::default();
/// assert!(denials.add(Operation::Write, Attempt::write("/a"), event).is_some());
/// assert!(denials.add(Operation::Write, Attempt::write("/a"), event).is_none());
/// assert_eq!(denials.end()[0].count, 2);
/// ```
#[derive(Debug, Default)]
pub struct Denials {
    events: Vec<Event>,
    known: HashMap<(Operation, Attempt), usize>,
    omitted: u64,
}

impl Denials {
    /// Takes one; the event, if that is to be told at once. `event` is asked for what has not been denied before.
    pub fn add(
        &mut self,
        operation: Operation,
        attempt: Attempt,
        event: impl FnOnce(Operation, Attempt) -> Event,
    ) -> Option<Event> {
        let is_full = self.events.len() >= MOST;
        match self.known.entry((operation, attempt)) {
            Entry::Occupied(known) => {
                let known = self.events.get_mut(*known.get())?;
                known.count = known.count.saturating_add(1);
                None
            }
            Entry::Vacant(_) if is_full => {
                self.omit(1);
                None
            }
            Entry::Vacant(new) => {
                let (operation, attempt) = new.key().clone();
                let event = event(operation, attempt);
                new.insert(self.events.len());
                self.events.push(event.clone());
                Some(event)
            }
        }
    }

    /// Counts what is in no event.
    pub fn omit(&mut self, count: u64) {
        self.omitted = self.omitted.saturating_add(count);
    }

    /// What there is to tell at the end: what was tried more than once, and with the last of it how much is left out. Then
    /// everything is as new.
    pub fn end(&mut self) -> Vec<Event> {
        self.known.clear();
        let mut events = std::mem::take(&mut self.events);
        // Where there is none it waits for the next.
        if let Some(last) = events.last_mut() {
            last.omitted = std::mem::take(&mut self.omitted);
        }
        events.retain(|event| event.count > 1 || event.omitted > 0);
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RuleRef, Verdict};

    fn event(operation: Operation, attempt: Attempt) -> Event {
        let remedy = Some("\"/a\" = \"write\"".to_owned());
        let decision = Decision::new(Verdict::Deny, None, remedy);
        Event::new(operation, attempt, decision, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn each_denial_is_told_once_and_at_the_end_with_its_count() {
        let mut denials = Denials::default();
        let mut add = |operation, path: &str| {
            let told = denials.add(operation, Attempt::write(path), event);
            told.map(|event| event.to_string())
        };
        let told = [
            add(Operation::Write, "/a"),
            add(Operation::Write, "/a"),
            add(Operation::Create, "/a"),
            add(Operation::Write, "/b"),
            add(Operation::Write, "/a"),
        ];
        let expected = |what: &str| Some(format!("{what}; allowed by \"/a\" = \"write\""));
        assert_eq!(
            told,
            [
                expected("write /a"),
                None,
                expected("create /a"),
                expected("write /b"),
                None
            ]
        );
        let ended: Vec<_> = denials.end().iter().map(Event::to_string).collect();
        assert_eq!(ended, ["write /a; allowed by \"/a\" = \"write\" [3 times]"]);
        assert!(denials.end().is_empty());
        // As new.
        assert!(
            denials
                .add(Operation::Write, Attempt::write("/a"), event)
                .is_some()
        );
    }

    #[test]
    fn a_million_denials_are_a_bounded_number_of_events_and_all_are_counted() {
        let mut denials = Denials::default();
        let mut told = 0;
        for number in 0..1_000_000 {
            let path = format!("/a/{}", number % 5000);
            let attempt = Attempt::write(path);
            told += u64::from(denials.add(Operation::Create, attempt, event).is_some());
        }
        denials.omit(7);
        let ended = denials.end();
        assert_eq!((told, ended.len()), (MOST as u64, MOST));
        let counted: u64 = ended.iter().map(|event| event.count).sum();
        let omitted: u64 = ended.iter().map(|event| event.omitted).sum();
        assert_eq!(counted + omitted, 1_000_007);
        assert_eq!(ended.last().unwrap().omitted, omitted);
    }

    #[test]
    fn what_is_left_out_is_said_even_if_nothing_was_tried_twice() {
        let mut denials = Denials::default();
        denials.add(Operation::Write, Attempt::write("/a"), event);
        denials.omit(2);
        let ended = denials.end();
        assert_eq!((ended[0].count, ended[0].omitted), (1, 2));
    }

    #[test]
    fn a_line_can_be_neither_forged_nor_broken() {
        use crate::os::OsStrExt as _;
        let path = std::ffi::OsStr::from_bytes(b"/a\x1b[2J\nwrite /b\xff");
        let rule = RuleRef {
            message: Some("no\u{9b}".to_owned()),
            ..RuleRef::new("x".to_owned(), Source::Library)
        };
        let decision = Decision::new(Verdict::Deny, Some(rule), None);
        let event = Event::new(
            Operation::Rename,
            Attempt::write(path),
            decision,
            SystemTime::UNIX_EPOCH,
        );
        insta::assert_snapshot!(event, @r"rename /a\u{1b}[2J\nwrite /b\xff (no\u{9b})");
    }

    #[test]
    fn why_is_what_the_rule_s_author_or_the_table_says() {
        let mut event = event(Operation::Write, Attempt::write("/a"));
        assert_eq!(event.why(), None);
        let mut rule = RuleRef {
            access: Some(crate::Access::Read),
            ..RuleRef::new("**/.env".to_owned(), Source::CommandLine)
        };
        event.decision.rule = Some(rule.clone());
        assert_eq!(
            event.why().as_deref(),
            Some("`**/.env` = read, the command line")
        );
        rule.reason = Some("git runs them");
        rule.source = Source::Protected;
        event.decision.rule = Some(rule);
        assert_eq!(event.why().as_deref(), Some("protected: git runs them"));
        event.detail = Some("it is a link".to_owned());
        assert_eq!(event.why().as_deref(), Some("it is a link"));
    }

    #[test]
    fn what_is_left_out_waits_for_an_event() {
        let mut denials = Denials::default();
        denials.omit(2);
        assert!(denials.end().is_empty());
        denials.add(Operation::Write, Attempt::write("/a"), event);
        assert_eq!(denials.end()[0].omitted, 2);
    }
}
