//! Whether one environment has more of the caller's than another.
//!
//! A name outweighs every pattern, so names are asked about one by one. A pattern that passes may only be one that both
//! have, or weigh too little to open what is dropped; and with a pattern every `drop` has to be there as well. What is set
//! is the same in both.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::{Environment, NameRule, has_password};
use crate::Source;
use crate::os::OsStrExt as _;
use crate::policy::VariableRule;

/// A rule that gives more, and the one that gives less.
pub(crate) struct Wider<'a> {
    pub(crate) rule: &'a NameRule,
    pub(crate) before: Option<&'a NameRule>,
}

/// The rules of `environment` that give more of these variables than `bound` does by a rule that `counts`.
pub(crate) fn wider<'a>(
    environment: &'a Environment,
    bound: &'a Environment,
    variables: &BTreeMap<OsString, OsString>,
    counts: &dyn Fn(Option<&NameRule>) -> bool,
) -> Vec<Wider<'a>> {
    let mut found = Vec::new();
    let given = || environment.rules().iter().filter(|rule| rule.gives());
    for rule in given().filter(|rule| !has(bound, rule)) {
        let wider = if rule.is_literal() {
            let before = bound.rule(&rule.pattern);
            let is_more = !passes(rule, before, variables) && counts(before);
            is_more.then_some(Wider { rule, before })
        } else {
            outweighs(bound, rule, counts)
        };
        found.extend(wider);
    }
    let pattern = given().find(|rule| !rule.is_literal());
    for before in bound.rules().iter().filter(|rule| counts(Some(rule))) {
        let opened = match &before.rule {
            VariableRule::Pass => None,
            // A name that no other case of which is meant has one rule, whatever the patterns are.
            VariableRule::Drop if before.is_literal() && before.source != Source::Secret => {
                environment
                    .rule(&before.pattern)
                    .filter(|rule| rule.gives())
            }
            VariableRule::Drop => pattern.filter(|_| !has(environment, before)),
            // Without it the caller's own value may pass.
            VariableRule::Set(_) => environment
                .rule(&before.pattern)
                .filter(|rule| rule.rule == VariableRule::Pass),
        };
        let is_told = |rule: &NameRule| found.iter().any(|found| std::ptr::eq(found.rule, rule));
        if let Some(rule) = opened.filter(|rule| !is_told(rule)) {
            found.push(Wider {
                rule,
                before: Some(before),
            });
        }
    }
    found
}

impl NameRule {
    fn gives(&self) -> bool {
        self.rule != VariableRule::Drop
    }
}

/// Whether an environment has this very rule. Those of the table of secrets are about names in any case.
fn has(environment: &Environment, rule: &NameRule) -> bool {
    let is_secret = |rule: &NameRule| rule.source == Source::Secret;
    environment.rules().iter().any(|other| {
        other.pattern == rule.pattern
            && other.rule == rule.rule
            && is_secret(other) == is_secret(rule)
    })
}

/// Whether what a name's own rule passes passed before: a pattern passes no address with a password.
fn passes(
    rule: &NameRule,
    before: Option<&NameRule>,
    variables: &BTreeMap<OsString, OsString>,
) -> bool {
    let value = variables.get(&rule.pattern);
    let has_password = value.is_some_and(|value| has_password(value.as_bytes()));
    rule.rule == VariableRule::Pass
        && before.is_some_and(|before| {
            before.rule == VariableRule::Pass && (before.is_literal() || !has_password)
        })
}

/// Whether a pattern outweighs a `drop`, or passes where not everything passed.
fn outweighs<'a>(
    bound: &'a Environment,
    rule: &'a NameRule,
    counts: &dyn Fn(Option<&NameRule>) -> bool,
) -> Option<Wider<'a>> {
    let passes_all =
        |rule: &NameRule| rule.pattern == OsStr::new("*") && rule.rule == VariableRule::Pass;
    if !bound.rules().iter().any(passes_all) && counts(None) {
        return Some(Wider { rule, before: None });
    }
    let is_outweighed = |before: &&NameRule| {
        !before.gives()
            && !before.is_literal()
            && before.order() > rule.order()
            && counts(Some(before))
    };
    let before = bound.rules().iter().find(is_outweighed)?;
    Some(Wider {
        rule,
        before: Some(before),
    })
}

#[cfg(test)]
mod tests;
