//! One question, answered for macOS: from the rules and from the profile, which may deny more, and says by which line.

use std::ffi::OsStr;

use sandbox_core::{Access, Attempt, Destination, Network, PathKind, Verdict};
use sandbox_macos::{Asked, Part, Profile, Said};
use sandboxed::{Context, Ruleset};

use super::answer::{Answer, Answers, Place, variable};
use super::{Report, is_asked};
use crate::args::Explain;
use crate::failure::Failure;
use crate::profile::{self, GATEWAY};
use crate::setting::Situation;

/// What holds a denial.
const SEATBELT: &str = "Seatbelt";

/// Answers what is asked for.
pub(super) fn answer(
    explain: &Explain,
    situation: &Situation,
    ruleset: &Ruleset,
    report: &mut Report,
) -> Result<(), Failure> {
    // A profile has neither steps nor tiers.
    for (is_asked, option) in [(explain.plan, "plan"), (explain.enforcement, "enforcement")] {
        if is_asked {
            return Err(Failure::OnlyLinux { option });
        }
    }
    let profile = &profile::for_macos(ruleset)?;
    if !is_asked(explain) {
        report.rules(ruleset);
        return Ok(());
    }
    let context = &situation.context;
    let answers = Macos {
        ruleset,
        context,
        profile,
    };
    report.answers(explain, &answers, &context.cwd);
    Ok(())
}

/// What answers are made from.
struct Macos<'a> {
    ruleset: &'a Ruleset,
    context: &'a Context,
    profile: &'a Profile,
}

impl Answers for Macos<'_> {
    fn starts(&self) -> Option<bool> {
        None
    }

    fn read(&self, place: &Place) -> Answer {
        let said = vec![self.says(Asked::Read(&place.resolved), place)];
        self.about(place, "read", &Attempt::read(&place.resolved), said)
    }

    fn write(&self, place: &Place) -> Answer {
        let path = &place.resolved;
        let mut said = if place.exists() {
            let asked = [Asked::Write(path), Asked::Remove(path)];
            asked.map(|asked| self.says(asked, place)).into()
        } else {
            // As a file.
            vec![self.profile.says(Asked::Make(path), Some(false))]
        };
        // Whether it can be moved is told where that is another answer.
        let first = said.first().map(|said| said.allows);
        said.retain(|other| {
            Some(other.allows) != first || !matches!(other.operation, "file-write-unlink")
        });
        self.about(place, "write", &Attempt::write(path), said)
    }

    fn socket(&self, place: &Place) -> Answer {
        let said = vec![self.says(Asked::Socket(&place.resolved), place)];
        self.about(place, "connect", &Attempt::socket(&place.resolved), said)
    }

    fn variable(&self, name: &OsStr) -> Answer {
        variable(self.ruleset, self.context, name)
    }

    /// Elsewhere only the gateway's port can be reached, which decides by the rules.
    fn connection(&self, destination: &Destination, port: u16) -> Answer {
        let answer = Answer::of_connection(self.ruleset, destination, port);
        let is_loopback = match destination {
            Destination::Name(name) => name.is_localhost(),
            Destination::Address(address) => address.is_loopback(),
        };
        let is_host = self.ruleset.network() == Network::Host;
        let asked = match is_loopback {
            true => Asked::Port(port),
            false if is_host => Asked::Elsewhere(port),
            false => Asked::Port(GATEWAY),
        };
        let said = self.profile.says(asked, None);
        let ruled = answer.verdict;
        // That port stands for the gateway's, which another run has another one of.
        let is_opened = is_loopback && said.allows && port != GATEWAY && ruled != Verdict::Allow;
        let (verdict, instead) = if is_opened {
            (Verdict::Allow, Some(MORE.to_owned()))
        } else {
            (ruled, None)
        };
        let mechanisms = match (verdict, said.allows) {
            (Verdict::Deny, true) => Some(vec!["gateway", SEATBELT]),
            (Verdict::Deny, false) => Some(vec![SEATBELT]),
            _ => None,
        };
        Answer {
            verdict,
            instead,
            mechanisms,
            profile: vec![said],
            ..answer
        }
    }
}

impl Macos<'_> {
    fn says(&self, asked: Asked<'_>, place: &Place) -> Said {
        let is_directory = place.exists().then_some(place.kind == PathKind::Directory);
        self.profile.says(asked, is_directory)
    }

    /// The first of what is said is the answer.
    fn about(
        &self,
        place: &Place,
        operation: &'static str,
        attempt: &Attempt,
        profile: Vec<Said>,
    ) -> Answer {
        let mut explanation = self.ruleset.explain(attempt);
        let ruled = explanation.decision.verdict;
        let is_scratch = explanation
            .decision
            .rule
            .as_ref()
            .is_some_and(|rule| rule.access == Some(Access::Scratch));
        let (verdict, instead) = match profile.first() {
            Some(said) if said.allows != (ruled == Verdict::Allow) => {
                let why = if is_scratch {
                    PRIVATE
                } else {
                    difference(said)
                };
                let verdict = if said.allows {
                    Verdict::Allow
                } else {
                    Verdict::Deny
                };
                (verdict, Some(why.to_owned()))
            }
            _ => (ruled, None),
        };
        if operation == "write" && explanation.decision.remedy.is_some() {
            explanation.decision.remedy = place.remedy(self.ruleset);
        }
        Answer {
            verdict,
            instead,
            mechanisms: (verdict == Verdict::Deny).then(|| vec![SEATBELT]),
            profile,
            ..Answer::of_rules(place.subject(operation), explanation)
        }
    }
}

/// Of a rule for a private directory.
const PRIVATE: &str = "macOS has no private directory there: `TMPDIR` names one";
/// Where the rules deny what a program does not start without.
const MORE: &str = "more is open on macOS, as the line says";

/// Why a profile says something else than the rules.
fn difference(said: &Said) -> &'static str {
    match said.part {
        _ if said.allows => MORE,
        Some(Part::Protected) => "it counts as protected on macOS, as the line says",
        Some(Part::Ways) => {
            "something below it is hidden or not writable, so that it must stay where it is"
        }
        None => "no line of the profile allows it",
        _ => "on macOS a rule holds in every spelling, and wherever a directory could be moved to",
    }
}
