//! Why a connection was not made, in words for whoever tried.

use std::io;

use sandbox_core::{Decision, escaped};

use crate::event::End;

/// A connection that was not made.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// `HOST:PORT`.
    pub(crate) target: String,
    pub(crate) why: Why,
}

/// Why it was not.
#[derive(Debug)]
pub(crate) enum Why {
    /// Rules deny it, or a person does.
    Denied(Box<Decision>),
    /// Nobody answered the question in time.
    Unanswered(Box<Decision>),
    /// What it says inside is another destination: this one, or none.
    Mismatch(String),
    /// It came by a door at which the secret is to be shown, and did not show it.
    Unauthenticated,
    /// The name has no addresses.
    Unresolved,
    /// Nobody answers there.
    Unreachable(io::Error),
    /// Nobody answered in time.
    TimedOut,
}

impl Refusal {
    /// Whether it was denied; else it was tried, and failed.
    pub(crate) fn is_denial(&self) -> bool {
        matches!(
            self.why,
            Why::Denied(_) | Why::Unanswered(_) | Why::Mismatch(_)
        )
    }

    /// One line, fit for a terminal.
    pub(crate) fn reason(&self) -> String {
        let target = &self.target;
        match &self.why {
            Why::Denied(decision) => match &decision.rule {
                None => format!("`{target}` is denied: no rule allows it"),
                Some(rule) => {
                    let reason = rule.message.as_deref().or(rule.reason);
                    let reason = reason.map(|reason| format!(": {}", escaped(reason)));
                    let rule = escaped(&rule.pattern);
                    format!(
                        "`{target}` is denied by the rule `{rule}`{}",
                        reason.unwrap_or_default()
                    )
                }
            },
            Why::Unanswered(_) => format!("`{target}` is denied: nobody answered the question"),
            Why::Mismatch(said) => format!("`{target}` is denied: {}", escaped(said)),
            Why::Unauthenticated => {
                format!("`{target}` serves a sandbox, whose secret was not shown")
            }
            Why::Unresolved => format!("`{target}` has no address"),
            Why::Unreachable(error) => format!(
                "`{target}` can't be reached: {}",
                escaped(&error.to_string())
            ),
            Why::TimedOut => format!("`{target}` can't be reached: nobody answers"),
        }
    }

    /// The line of `[network.rules]` that would allow it, if there is one.
    pub(crate) fn remedy(&self) -> Option<&str> {
        match &self.why {
            Why::Denied(decision) | Why::Unanswered(decision) => decision.remedy.as_deref(),
            _ => None,
        }
    }
}

impl Why {
    /// It was made to an address inside that stands for nothing.
    pub(crate) fn no_name() -> Self {
        Self::Mismatch("the address stands for no name that was asked for".to_owned())
    }

    /// How such a connection ended.
    pub(crate) fn end(&self) -> End {
        match self {
            Self::Denied(_) => End::Denied,
            Self::Unanswered(_) => End::Unanswered,
            Self::Mismatch(said) => End::Mismatch(said.clone()),
            Self::Unauthenticated => End::Unauthenticated,
            Self::Unresolved => End::Unresolved,
            Self::Unreachable(error) => End::Unreachable(error.to_string()),
            Self::TimedOut => End::TimedOut,
        }
    }
}
