//! Who is told of what was denied, whichever part denied it: each thing once a command, and at the end with its count.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use sandbox_core::{Attempt, Decision, Denials, Event, Operation, Ruleset, Verdict};
use sandbox_gateway::{Door, End, Event as NetworkEvent, Options};
use sandbox_linux::{Denial, OnDenial, Reason, Told};

/// Why a move is denied that would be none by the names themselves.
const BELOW: &str = "the names below it would be under other rules: a copy is decided name by name";

/// Why a name is denied that no rule is about.
const REPOSITORY: &str = "its directory is one of git's by what is in it, or would become one";

pub(crate) type Tell = Box<dyn Fn(&Event) + Send + Sync>;

/// What is told of denials, and what was.
pub(crate) struct Teller {
    tell: Tell,
    ruleset: Arc<Ruleset>,
    denials: Mutex<Denials>,
}

impl Teller {
    pub(crate) fn new(tell: Tell, ruleset: &Arc<Ruleset>) -> Arc<Self> {
        Arc::new(Self {
            tell,
            ruleset: Arc::clone(ruleset),
            denials: Mutex::default(),
        })
    }

    /// One more command starts: what it tries is new again.
    pub(crate) fn begin(&self) {
        let ended = self.denials().end();
        self.tell_all(&ended);
    }

    /// What tells of names.
    pub(crate) fn of_names(self: &Arc<Self>) -> OnDenial {
        let teller = Arc::clone(self);
        OnDenial::new(move |told| match told {
            Told::Denial(denial) => teller.deny(&denial),
            Told::Omitted(count) => teller.denials().omit(count),
            _ => {}
        })
    }

    /// Has the gateway tell, too.
    pub(crate) fn of_network(self: &Arc<Self>, options: Options) -> Options {
        let teller = Arc::clone(self);
        let other = options.on_event.clone();
        options.on_event(move |event| {
            if let Some(other) = &other {
                other(event);
            }
            if event.verdict == Verdict::Deny {
                teller.deny_connection(event);
            }
        })
    }

    fn deny(&self, denial: &Denial) {
        let attempt = attempt(denial);
        self.add(denial.operation, attempt, |operation, attempt| {
            let mut event = Event::new(
                operation,
                attempt,
                decision(&self.ruleset, denial),
                SystemTime::now(),
            );
            event.process.clone_from(&denial.process);
            event.detail = match &denial.reason {
                Reason::Below => Some(BELOW.to_owned()),
                Reason::Repository => Some(REPOSITORY.to_owned()),
                Reason::Content(denial) => Some(denial.to_string()),
                _ => None,
            };
            event
        });
    }

    fn deny_connection(&self, event: &NetworkEvent) {
        self.denials().omit(event.omitted);
        let Some((operation, attempt)) = connection(event) else {
            return;
        };
        self.add(operation, attempt, |operation, attempt| {
            let decision = Decision::denied(event.rule.clone(), event.remedy.clone());
            let mut denied = Event::new(operation, attempt, decision, event.time);
            denied.detail = detail(&event.end);
            denied.process.clone_from(&event.process);
            denied
        });
    }

    fn add(
        &self,
        operation: Operation,
        attempt: Attempt,
        event: impl FnOnce(Operation, Attempt) -> Event,
    ) {
        let event = self.denials().add(operation, attempt, event);
        self.tell_all(event.as_ref());
    }

    /// Not while the denials are held: whoever is told may start a command.
    fn tell_all<'a>(&self, events: impl IntoIterator<Item = &'a Event>) {
        for event in events {
            (self.tell)(event);
        }
    }

    fn denials(&self) -> MutexGuard<'_, Denials> {
        self.denials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.begin();
        }
    }
}

/// What was decided about.
fn attempt(denial: &Denial) -> Attempt {
    match denial.operation {
        Operation::Connect => Attempt::socket(&denial.path),
        _ => Attempt::write(&denial.path),
    }
}

/// What the rules say of it, with the lines that open it on this machine.
fn decision(ruleset: &Ruleset, denial: &Denial) -> Decision {
    let path = &denial.path;
    let rule = match &denial.reason {
        Reason::Below | Reason::Repository => return Decision::denied(None, None),
        Reason::File => ruleset.decide_file(path).rule,
        _ => ruleset.decide(&attempt(denial)).rule,
    };
    let exists = |path: &std::path::Path| path.symlink_metadata().is_ok();
    let remedy = ruleset.opens(path, denial.operation, exists);
    Decision::denied(rule, remedy)
}

/// What was tried at a door; `None` for what came from outside.
fn connection(event: &NetworkEvent) -> Option<(Operation, Attempt)> {
    let destination = event.destination.clone();
    match (event.door, event.port) {
        (Door::Publish, _) => None,
        (Door::Udp, Some(port)) => Some((Operation::Send, Attempt::send(destination, port))),
        (_, Some(port)) => Some((Operation::Connect, Attempt::connect(destination, port))),
        (_, None) => match destination {
            sandbox_core::Destination::Name(name) => {
                Some((Operation::LookUp, Attempt::lookup(name)))
            }
            sandbox_core::Destination::Address(_) => None,
        },
    }
}

/// What there is to say beyond the rule.
fn detail(end: &End) -> Option<String> {
    let word = match end {
        End::Unanswered => Some("nobody answered the question in time"),
        End::Withdrawn => Some("by rules that came while it was open"),
        _ => None,
    };
    word.or(end.detail()).map(str::to_owned)
}
