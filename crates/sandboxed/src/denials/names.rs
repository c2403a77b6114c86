//! What the notifier has denied.

use std::sync::Arc;
use std::time::SystemTime;

use sandbox_core::{Attempt, Decision, Event, NameOf, Operation, Ruleset};
use sandbox_linux::{Denial, OnDenial, Reason, Told};

use super::Teller;

/// Why a move is denied that would be none by the names themselves.
const BELOW: &str = "the names below it would be under other rules: a copy is decided name by name";

/// Why a name is denied that no rule is about.
const REPOSITORY: &str = "its directory is one of git's by what is in it, or would become one";

impl Teller {
    /// What tells of names.
    pub(crate) fn of_names(self: &Arc<Self>) -> OnDenial {
        let teller = Arc::clone(self);
        OnDenial::new(move |told| match told {
            Told::Denial(denial) => teller.deny(&denial),
            Told::Omitted(count) => teller.denials().omit(count),
            _ => {}
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
    let name = match &denial.reason {
        Reason::Below | Reason::Repository => return Decision::denied(None, None),
        Reason::File => NameOf::File,
        Reason::Link => NameOf::Link,
        _ if denial.operation == Operation::Create => NameOf::Made,
        _ => NameOf::Directory,
    };
    let rule = match name {
        NameOf::Directory | NameOf::Made => ruleset.decide(&attempt(denial)).rule,
        NameOf::File | NameOf::Link => ruleset.decide_file(path).rule,
    };
    let exists = |path: &std::path::Path| path.symlink_metadata().is_ok();
    let remedy = ruleset.opens(path, denial.operation, name, exists);
    Decision::denied(rule, remedy)
}
