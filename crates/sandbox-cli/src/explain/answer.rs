//! One question and its answer, whatever system is asked about.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use sandbox_core::{
    Attempt, Destination, Explanation, NameOf, Operation, PathKind, Verdict, is_within,
};
use sandbox_macos::Said;
use sandboxed::{Context, Ruleset};

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
    /// For macOS: what the profile says to the operations that this is.
    pub(super) profile: Vec<Said>,
}

/// Who answers: a system that a policy is made for.
pub(super) trait Answers {
    /// Whether a sandbox starts on this host; `None` where another system is asked about.
    fn starts(&self) -> Option<bool>;
    /// Whether a path may be read.
    fn read(&self, place: &Place) -> Answer;
    /// Whether a path may be written.
    fn write(&self, place: &Place) -> Answer;
    /// Whether a Unix socket may be connected to.
    fn socket(&self, place: &Place) -> Answer;
    /// Whether a variable is inside.
    fn variable(&self, name: &OsStr) -> Answer;
    /// Whether a destination may be connected to.
    fn connection(&self, destination: &Destination, port: u16) -> Answer;
}

/// Where a path leads, since rules are about that.
pub(super) struct Place {
    path: PathBuf,
    pub(super) resolved: PathBuf,
    pub(super) kind: PathKind,
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
                kind: PathKind::Special,
            });
        }
        match sandbox_core::resolve(&path) {
            Ok(found) => Ok(Self {
                path,
                kind: found.kind,
                resolved: found.path,
            }),
            Err(problem) => Err((path, problem.to_string())),
        }
    }

    pub(super) fn exists(&self) -> bool {
        self.kind != PathKind::Missing
    }

    /// What would let it be written, by what is there.
    pub(super) fn remedy(&self, ruleset: &Ruleset) -> Option<String> {
        let exists = |path: &Path| path.symlink_metadata().is_ok();
        let operation = if self.exists() {
            Operation::Write
        } else {
            Operation::Create
        };
        ruleset.opens(&self.resolved, operation, NameOf::Directory, exists)
    }

    pub(super) fn subject(&self, operation: &'static str) -> Subject {
        Subject::Path {
            operation,
            path: self.path.clone(),
            resolved: self.resolved.clone(),
            exists: self.exists(),
        }
    }
}

/// Whether a variable is inside, which the caller sees to on every system.
pub(super) fn variable(ruleset: &Ruleset, context: &Context, name: &OsStr) -> Answer {
    let explanation = ruleset.explain(&Attempt::variable(name));
    let environment = ruleset.environment();
    let set = environment.value(name).map(OsStr::to_owned);
    let value = context.variables.get(name);
    let is_withheld = explanation.decision.verdict == Verdict::Allow
        && set.is_none()
        && value.is_some_and(|value| !environment.passes(name, value));
    let name = name.to_owned();
    let mut answer = Answer::of_rules(Subject::Variable { name }, explanation);
    if is_withheld {
        let reason =
            "its value is an address with a password, which only a rule with its name passes";
        (answer.verdict, answer.instead) = (Verdict::Deny, Some(reason.to_owned()));
    }
    let is_denied = answer.verdict == Verdict::Deny;
    answer.mechanisms = is_denied.then(|| vec!["the caller: it is not handed over"]);
    answer.set = set;
    answer
}

impl Answer {
    /// What the rules say, and nothing else yet.
    pub(super) fn of_rules(subject: Subject, explanation: Explanation) -> Self {
        Self {
            subject,
            verdict: explanation.decision.verdict,
            explanation,
            instead: None,
            inside: None,
            mechanisms: None,
            set: None,
            profile: Vec::new(),
        }
    }

    /// The same about a connection.
    pub(super) fn of_connection(ruleset: &Ruleset, destination: &Destination, port: u16) -> Self {
        let destination = destination.clone();
        let explanation = ruleset.explain(&Attempt::connect(destination.clone(), port));
        Self::of_rules(Subject::Connection { destination, port }, explanation)
    }

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
