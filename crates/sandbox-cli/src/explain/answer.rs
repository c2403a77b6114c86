//! One question, answered from the rules and from the plan.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use sandbox_core::{Attempt, Destination, Explanation, Operation, PathKind, Verdict, is_within};
use sandbox_linux::Inside;
use sandboxed::{Context, Plan, Ruleset};

/// What is asked about.
pub(super) enum Subject {
    /// To read or write a path, or to connect to the socket there.
    Path {
        operation: &'static str,
        /// As it was given, absolute.
        path: PathBuf,
        /// Where it leads.
        resolved: PathBuf,
        exists: bool,
    },
    /// To have a variable.
    Variable { name: OsString },
    /// To connect.
    Connection { destination: Destination, port: u16 },
}

/// The answer.
pub(super) struct Answer {
    pub(super) subject: Subject,
    pub(super) verdict: Verdict,
    /// What the rules say.
    pub(super) explanation: Explanation,
    /// What answers in place of the rules.
    pub(super) instead: Option<String>,
    /// What the path is inside: a word that does not change, and a description.
    pub(super) inside: Option<(&'static str, String)>,
    /// What holds a denial; `None` where nothing is denied, or no sandbox starts here.
    pub(super) mechanisms: Option<Vec<&'static str>>,
    /// What a variable is set to.
    pub(super) set: Option<OsString>,
}

/// Where a path leads, since rules are about that.
pub(super) struct Place {
    path: PathBuf,
    resolved: PathBuf,
    exists: bool,
}

impl Place {
    /// Looks. The error says why it could not.
    pub(super) fn of(path: PathBuf) -> Result<Self, (PathBuf, String)> {
        // The host's links there lead to the host's processes and terminals, not to those inside.
        let is_own = ["/dev", "/proc"]
            .iter()
            .any(|own| is_within(&path, own.as_ref()));
        let is_plain = !path.as_os_str().as_encoded_bytes().contains(&0)
            && path.components().collect::<PathBuf>().as_os_str() == path.as_os_str()
            && !path.components().any(|part| part.as_os_str() == "..");
        if is_own && is_plain {
            return Ok(Self {
                resolved: path.clone(),
                path,
                exists: true,
            });
        }
        match sandbox_core::resolve(&path) {
            Ok(found) => Ok(Self {
                path,
                exists: found.kind != PathKind::Missing,
                resolved: found.path,
            }),
            Err(problem) => Err((path, problem.to_string())),
        }
    }
}

/// What a name is inside that the rules allow and the plan has not put in.
const PUT_IN_LATER: &str = "hidden until the next start: a directory with something hidden in it is put together at the start, from what is visible then";
/// Why a directory is hidden that the rules allow.
const NOTHING_VISIBLE: &str = "nothing in it is visible, so that it is hidden as a whole";

/// What answers are made from.
pub(super) struct Answers<'a> {
    pub(super) ruleset: &'a Ruleset,
    pub(super) context: &'a Context,
    /// The plan for this host, or for one on which nothing is missing.
    pub(super) plan: &'a Plan,
    /// Whether it is for this host.
    pub(super) starts: bool,
}

impl Answers<'_> {
    /// Whether a path may be read.
    pub(super) fn read(&self, place: &Place) -> Answer {
        let attempt = Attempt::read(&place.resolved);
        let (own, holds) = (Inside::is_readable, Plan::holds_reading);
        self.about(place, "read", &attempt, own, holds)
    }

    /// Whether a path may be written.
    pub(super) fn write(&self, place: &Place) -> Answer {
        let attempt = Attempt::write(&place.resolved);
        let (own, holds) = (Inside::is_writable, Plan::holds_writing);
        let mut answer = self.about(place, "write", &attempt, own, holds);
        // By what is there, as when it is denied.
        let remedy = &mut answer.explanation.decision.remedy;
        if remedy.is_some() {
            let exists = |path: &Path| path.symlink_metadata().is_ok();
            let operation = if place.exists {
                Operation::Write
            } else {
                Operation::Create
            };
            *remedy = self.ruleset.opens(&place.resolved, operation, exists);
        }
        answer
    }

    /// Whether a Unix socket may be connected to.
    pub(super) fn socket(&self, place: &Place) -> Answer {
        let attempt = Attempt::socket(&place.resolved);
        let (own, holds) = (Inside::is_writable, Plan::holds_socket);
        self.about(place, "connect", &attempt, own, holds)
    }

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
            None if is_left_out && place.exists => {
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
        }
    }

    /// Whether a variable is inside.
    pub(super) fn variable(&self, name: &OsStr) -> Answer {
        let explanation = self.ruleset.explain(&Attempt::variable(name));
        let environment = self.ruleset.environment();
        let set = environment.value(name).map(OsStr::to_owned);
        let value = self.context.variables.get(name);
        let is_withheld = explanation.decision.verdict == Verdict::Allow
            && set.is_none()
            && value.is_some_and(|value| !environment.passes(name, value));
        let (verdict, instead) = if is_withheld {
            let reason =
                "its value is an address with a password, which only a rule with its name passes";
            (Verdict::Deny, Some(reason.to_owned()))
        } else {
            (explanation.decision.verdict, None)
        };
        Answer {
            subject: Subject::Variable {
                name: name.to_owned(),
            },
            verdict,
            explanation,
            instead,
            inside: None,
            mechanisms: self.held(verdict, || vec!["the caller: it is not handed over"]),
            set,
        }
    }

    /// Whether a destination may be connected to.
    pub(super) fn connection(&self, destination: &Destination, port: u16) -> Answer {
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

impl Place {
    fn subject(&self, operation: &'static str) -> Subject {
        Subject::Path {
            operation,
            path: self.path.clone(),
            resolved: self.resolved.clone(),
            exists: self.exists,
        }
    }
}

impl Answer {
    /// The line of a policy that would allow it, if there is one.
    pub(super) fn remedy(&self) -> Option<String> {
        match (&self.subject, &self.instead) {
            (Subject::Variable { name }, Some(_)) => {
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                let name = name.to_str()?;
                let is_plain = name.as_bytes().iter().all(is_word);
                is_plain.then(|| format!("\"{name}\" = \"pass\""))
            }
            (Subject::Path { .. } | Subject::Connection { .. }, Some(_)) => None,
            (_, None) => self.explanation.decision.remedy.clone(),
        }
    }

    /// Whether a path and where it leads are two.
    pub(super) fn leads_elsewhere(&self) -> Option<(&Path, &Path)> {
        match &self.subject {
            Subject::Path { path, resolved, .. } if path != resolved => Some((path, resolved)),
            _ => None,
        }
    }
}
