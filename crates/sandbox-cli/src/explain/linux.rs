//! One question, answered for this host: from the rules and from the plan.

use std::ffi::OsStr;
use std::path::Path;

use sandbox_core::{Attempt, Destination, Verdict};
use sandbox_linux::Inside;
use sandboxed::{Context, Plan, Ruleset};

use super::answer::{Answer, Answers, Place, Subject, variable};

/// What a name is inside that the rules allow and the plan has not put in.
const PUT_IN_LATER: &str = "hidden until the next start: a directory with something hidden in it is put together at the start, from what is visible then";
/// Why a directory is hidden that the rules allow.
const NOTHING_VISIBLE: &str = "nothing in it is visible, so that it is hidden as a whole";

/// What answers are made from.
pub(super) struct Linux<'a> {
    pub(super) ruleset: &'a Ruleset,
    pub(super) context: &'a Context,
    /// The plan for this host, or for one on which nothing is missing.
    pub(super) plan: &'a Plan,
    /// Whether it is for this host.
    pub(super) starts: bool,
}

impl Answers for Linux<'_> {
    fn starts(&self) -> Option<bool> {
        Some(self.starts)
    }

    fn read(&self, place: &Place) -> Answer {
        let attempt = Attempt::read(&place.resolved);
        let (own, holds) = (Inside::is_readable, Plan::holds_reading);
        self.about(place, "read", &attempt, own, holds)
    }

    fn write(&self, place: &Place) -> Answer {
        let attempt = Attempt::write(&place.resolved);
        let (own, holds) = (Inside::is_writable, Plan::holds_writing);
        let mut answer = self.about(place, "write", &attempt, own, holds);
        // By what is there, as when it is denied.
        if answer.explanation.decision.remedy.is_some() {
            answer.explanation.decision.remedy = place.remedy(self.ruleset);
        }
        answer
    }

    fn socket(&self, place: &Place) -> Answer {
        let attempt = Attempt::socket(&place.resolved);
        let (own, holds) = (Inside::is_writable, Plan::holds_socket);
        self.about(place, "connect", &attempt, own, holds)
    }

    fn variable(&self, name: &OsStr) -> Answer {
        let mut answer = variable(self.ruleset, self.context, name);
        answer.mechanisms = answer.mechanisms.filter(|_| self.starts);
        answer
    }

    fn connection(&self, destination: &Destination, port: u16) -> Answer {
        let explanation = self
            .ruleset
            .explain(&Attempt::connect(destination.clone(), port));
        let verdict = explanation.decision.verdict;
        Answer {
            subject: Subject::Connection {
                destination: destination.clone(),
                port,
            },
            verdict,
            explanation,
            instead: None,
            inside: None,
            mechanisms: self.held(verdict, || self.plan.holds_connecting()),
            set: None,
            profile: Vec::new(),
        }
    }
}

impl Linux<'_> {
    /// The sandbox's `own` directories answer for themselves, whatever rules about the host's say.
    fn about(
        &self,
        place: &Place,
        operation: &'static str,
        attempt: &Attempt,
        own: fn(Inside) -> Option<bool>,
        holds: fn(&Plan, &Path) -> Vec<&'static str>,
    ) -> Answer {
        let explanation = self.ruleset.explain(attempt);
        let inside = self.plan.inside(&place.resolved);
        let is_left_out =
            inside == Inside::Hidden && explanation.decision.verdict == Verdict::Allow;
        let (verdict, instead) = match own(inside) {
            None if is_left_out && place.exists() => {
                (Verdict::Deny, Some(NOTHING_VISIBLE.to_owned()))
            }
            None => (explanation.decision.verdict, None),
            Some(true) => (Verdict::Allow, Some(format!("it is {inside}"))),
            Some(false) => (Verdict::Deny, Some(format!("it is {inside}"))),
        };
        let described = if is_left_out {
            PUT_IN_LATER.to_owned()
        } else {
            inside.to_string()
        };
        Answer {
            subject: place.subject(operation),
            verdict,
            explanation,
            instead,
            inside: Some((inside.as_str(), described)),
            mechanisms: self.held(verdict, || holds(self.plan, &place.resolved)),
            set: None,
            profile: Vec::new(),
        }
    }

    fn held(
        &self,
        verdict: Verdict,
        mechanisms: impl FnOnce() -> Vec<&'static str>,
    ) -> Option<Vec<&'static str>> {
        (self.starts && verdict == Verdict::Deny).then(mechanisms)
    }
}
