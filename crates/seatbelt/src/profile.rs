//! A profile, and what it answers.

use crate::define::Names;
use crate::filter::Filter;
use crate::operation;
use crate::query::Query;
use crate::reader::{Datum, Error, Position, read};

/// What a profile says to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there is no third answer to act on"
)]
pub enum Answer {
    /// It may.
    Allow,
    /// It may not.
    Deny,
    /// That depends on how rules about wildcards and rules about an operation come together ([`Precedence`]).
    Unclear,
}

/// Which of the rules that apply is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an operation's rules count apart, or they don't"
)]
pub enum Precedence {
    /// The last in the text.
    Order,
    /// The last of those about the operation itself; only where none applies, those about the wildcard above it.
    Operation,
}

/// A profile that has been read.
///
/// ```
/// let error = seatbelt::Profile::parse("(version 1)\n(allow file-raed*)").unwrap_err();
/// assert_eq!(error.to_string(), "2:8: an unknown operation `file-raed*`");
/// ```
#[derive(Clone, Debug)]
pub struct Profile {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    at: Position,
    allows: bool,
    operations: Vec<String>,
    /// One of them has to match.
    filters: Vec<Filter>,
}

impl Profile {
    /// # Errors
    ///
    /// Whatever is not understood, with its place: nothing is passed over.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::with_parameters(text, &[])
    }

    /// The same of a profile that takes parameters, each a name with its value.
    ///
    /// # Errors
    ///
    /// As [`Profile::parse`]; or it asks for another parameter.
    pub fn with_parameters(text: &str, parameters: &[(&str, &str)]) -> Result<Self, Error> {
        let data = read(text)?;
        let (version, rest) = data
            .split_first()
            .ok_or_else(|| Error::new(Position::START, "no `(version 1)`"))?;
        if !matches!(version.form(), Some(("version", [one])) if one.symbol() == Some("1")) {
            return Err(version.error("a profile begins with `(version 1)`"));
        }
        let mut names = Names::new(parameters);
        let mut rules = Vec::new();
        for datum in rest {
            for rule in names.rules(datum)? {
                rules.push(Rule::parse(&rule)?);
            }
        }
        Ok(Self { rules })
    }

    /// What it says to an operation, if both ways to count rules lead to the same.
    #[must_use]
    pub fn decide(&self, operation: &str, query: &Query) -> Answer {
        let by = |precedence| self.decide_by(precedence, operation, query);
        match (by(Precedence::Order), by(Precedence::Operation)) {
            (true, true) => Answer::Allow,
            (false, false) => Answer::Deny,
            _ => Answer::Unclear,
        }
    }

    /// Whether an operation is allowed, with one way to count rules.
    #[must_use]
    pub fn decide_by(&self, precedence: Precedence, operation: &str, query: &Query) -> bool {
        let mut levels = operation::levels(operation);
        let last = |names: &[String]| self.rules.iter().rfind(|rule| rule.applies(names, query));
        let rule = match precedence {
            Precedence::Order => last(&levels.flatten().collect::<Vec<_>>()),
            Precedence::Operation => levels.find_map(|names| last(&names)),
        };
        rule.is_some_and(|rule| rule.allows)
    }

    /// Where the rules are that apply to an operation, in their order: what to look at when an answer surprises.
    pub fn applying(&self, operation: &str, query: &Query) -> impl Iterator<Item = Position> {
        let names: Vec<_> = operation::levels(operation).flatten().collect();
        let rules = self.rules.iter();
        rules
            .filter(move |rule| rule.applies(&names, query))
            .map(|rule| rule.at)
    }
}

impl Rule {
    fn parse(datum: &Datum) -> Result<Self, Error> {
        let (allows, rest) = match datum.form() {
            Some(("allow", rest)) => (true, rest),
            Some(("deny", rest)) => (false, rest),
            _ => return Err(datum.error("a rule is `(allow ...)` or `(deny ...)`")),
        };
        let (mut operations, mut filters) = (Vec::new(), Vec::new());
        for part in rest {
            match (part.symbol(), part.form()) {
                (Some(name), _) if operation::is_known(name) => operations.push(name.to_owned()),
                (Some(name), _) => return Err(part.error(format!("an unknown operation `{name}`"))),
                (_, Some(("with", modifier))) => check_modifier(part, modifier)?,
                _ => filters.push(Filter::parse(part)?),
            }
        }
        if operations.is_empty() {
            return Err(datum.error("a rule names an operation"));
        }
        Ok(Self {
            at: datum.at,
            allows,
            operations,
            filters,
        })
    }

    fn applies(&self, names: &[String], query: &Query) -> bool {
        self.operations.iter().any(|name| names.contains(name))
            && (self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(query)))
    }
}

/// How it is reported: nothing that changes an answer.
fn check_modifier(datum: &Datum, modifier: &[Datum]) -> Result<(), Error> {
    match modifier {
        [name] if matches!(name.symbol(), Some("report" | "no-report" | "no-log")) => Ok(()),
        [name, _] if name.symbol() == Some("message") => Ok(()),
        _ => Err(datum.error("an unknown modifier")),
    }
}
