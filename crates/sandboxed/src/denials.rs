//! Who is told of what was denied, whichever part denied it: each thing once a command, and at the end with its count.

#[cfg(backend = "linux")]
mod names;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sandbox_core::{Attempt, Decision, Denials, Event, Operation, Ruleset, Verdict, escaped};
use sandbox_gateway::{Door, End, Event as NetworkEvent, Options};

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

    /// What decides.
    #[cfg(any(backend = "macos", test))]
    pub(crate) fn ruleset(&self) -> &Ruleset {
        &self.ruleset
    }

    /// One more command starts: what it tries is new again.
    pub(crate) fn begin(&self) {
        let ended = self.denials().end();
        self.tell_all(&ended);
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

    pub(crate) fn add(
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

/// What was tried at a door; `None` for what came from outside.
fn connection(event: &NetworkEvent) -> Option<(Operation, Attempt)> {
    let destination = event.destination.clone();
    match (event.door, event.port) {
        (Door::Publish, _) => None,
        // Anybody on the host.
        _ if event.end == End::Unauthenticated => None,
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

/// What hides something, behind what is hidden.
pub(crate) fn rule_of(decision: &Decision) -> String {
    match &decision.rule {
        Some(rule) => format!(": `{}` ({}) hides it", escaped(&rule.pattern), rule.source),
        None => ": no rule of the policy is about it".to_owned(),
    }
}

/// What to do about a directory that is hidden.
pub(crate) fn other_directory(decision: &Decision) -> String {
    let rule = decision
        .remedy
        .as_ref()
        .map_or(String::new(), |rule| format!(", or allow this one: {rule}"));
    format!("start in another directory{rule}")
}
