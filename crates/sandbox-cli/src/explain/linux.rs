//! One question, answered for this host: from the rules and from the plan. And the plan itself.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use sandbox_core::{Attempt, Destination, Verdict};
use sandbox_linux::Inside;
use sandboxed::{Context, Error, HostFacts, Plan, Ruleset, Unenforceable};
use serde_json::Value;

use super::answer::{Answer, Answers, Place, variable};
use super::{Form, Report, is_asked};
use crate::args::Explain;
use crate::failure::Failure;
use crate::host::lowered;
use crate::setting::Situation;

/// What a name is inside that the rules allow and the plan has not put in.
const PUT_IN_LATER: &str = "hidden until the next start: a directory with something hidden in it is put together at the start, from what is visible then";
/// Why a directory is hidden that the rules allow.
/// What a rule opens by its name where no notifier makes it.
const NOT_MADE: &str = "it is not there, and nobody makes it here: `sandbox doctor` misses the filter's listener, or the policy has `nested`";
const NOTHING_VISIBLE: &str = "nothing in it is visible, so that it is hidden as a whole";

/// Answers what is asked for.
pub(super) fn answer(
    explain: &Explain,
    situation: &Situation,
    ruleset: &Ruleset,
    report: &mut Report,
) -> Result<(), Failure> {
    let shows_plan = explain.plan || explain.enforcement;
    if !(shows_plan || is_asked(explain)) {
        report.rules(ruleset);
        return Ok(());
    }
    let facts = lowered(&situation.lower);
    let (plan, starts) = if shows_plan {
        (Plan::compile(ruleset, &facts).map_err(Error::from)?, true)
    } else {
        plan_or_ideal(ruleset, &facts)?
    };
    if explain.plan {
        report.plan(&plan);
    }
    if explain.enforcement {
        report.enforcement(&plan);
    }
    if is_asked(explain) {
        let context = &situation.context;
        let answers = Linux {
            ruleset,
            context,
            plan: &plan,
            starts,
        };
        report.answers(explain, &answers, &context.cwd);
    }
    Ok(())
}

/// The plan for this host, or where no sandbox starts the one of a host on which nothing is missing: what a rule means does
/// not depend on that. A policy that no host enforces is refused.
fn plan_or_ideal(ruleset: &Ruleset, facts: &HostFacts) -> Result<(Plan, bool), Failure> {
    match Plan::compile(ruleset, facts) {
        Ok(plan) => Ok((plan, true)),
        Err(Unenforceable::Host { .. } | Unenforceable::Tier { .. }) => {
            let plan = Plan::compile(ruleset, &HostFacts::complete()).map_err(Error::from)?;
            Ok((plan, false))
        }
        Err(error) => Err(Error::from(error).into()),
    }
}

impl Report {
    fn plan(&mut self, plan: &Plan) {
        match &mut self.form {
            Form::Text(text) => {
                let _ = writeln!(text, "{plan}");
            }
            Form::Json(object) => {
                object.insert("plan".to_owned(), plan_lines(plan));
            }
        }
    }

    fn enforcement(&mut self, plan: &Plan) {
        let enforcement = plan.enforcement();
        match &mut self.form {
            Form::Text(text) => {
                let _ = writeln!(text, "{enforcement}");
            }
            Form::Json(object) => {
                object.insert(
                    "enforcement".to_owned(),
                    crate::json::enforcement(&enforcement),
                );
            }
        }
    }
}

/// The steps, in words.
fn plan_lines(plan: &Plan) -> Value {
    plan.to_string().lines().map(str::to_owned).collect()
}

/// What answers are made from.
struct Linux<'a> {
    ruleset: &'a Ruleset,
    context: &'a Context,
    /// The plan for this host, or for one on which nothing is missing.
    plan: &'a Plan,
    /// Whether it is for this host.
    starts: bool,
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
        let inside = self.plan.inside(&place.resolved);
        let is_read_only = inside == Inside::Host { writable: false };
        if answer.verdict == Verdict::Allow && is_read_only && !place.exists() {
            answer.verdict = Verdict::Deny;
            answer.instead = Some(NOT_MADE.to_owned());
            answer.mechanisms = self.held(Verdict::Deny, || holds(self.plan, &place.resolved));
        }
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
        let answer = Answer::of_connection(self.ruleset, destination, port);
        let mechanisms = self.held(answer.verdict, || self.plan.holds_connecting());
        Answer {
            mechanisms,
            ..answer
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
            verdict,
            instead,
            inside: Some((inside.as_str(), described)),
            mechanisms: self.held(verdict, || holds(self.plan, &place.resolved)),
            ..Answer::of_rules(place.subject(operation), explanation)
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
