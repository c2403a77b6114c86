//! The profile: what a policy is in the language of Seatbelt.
//!
//! Nothing is allowed that no line allows. Of the lines that speak of an operation and match, the last one holds, so they go from
//! the least to the most specific, as rules weigh ([`files`]); what may not be in spite of a rule comes last ([`protected`],
//! [`ways`]). Each line says where it comes from.
//!
//! The attacks: a hidden directory moved to where it can be read; `mv sub/.git/hooks x; …; mv x sub/.git/hooks`; `.GIT`, `/private/tmp`,
//! `/System/Volumes/Data`.
//!
//! Must never do: allow what [`Ruleset::decide`] denies, but for what no program starts without ([`system`]), and under settings of another
//! sandbox for secrets that are not there. It denies more where Seatbelt can't tell things apart: a directory that leads to
//! a protected path cannot be made, moved or removed, and names that a file system may take for a protected one cannot be written.

mod answer;
mod braces;
mod error;
mod files;
mod fold;
mod glob;
mod network;
mod protected;
mod rows;
mod sbpl;
mod spelling;
mod system;
#[cfg(test)]
mod tests;
mod ways;

use std::fmt;
use std::path::{Path, PathBuf};

use sandbox_core::{Ruleset, Source, escaped};

pub use self::answer::{Asked, Part, Said};
pub use self::error::ProfileError;
pub use self::network::loopback_ports;
use self::sbpl::{Statement, Told, comment, message};
use crate::Tag;

/// What is known of the run that a profile is for.
///
/// ```
/// let mut facts = sandbox_macos::Facts::default();
/// facts.gateway = vec![8080];
/// facts.temporary = Some("/private/var/folders/ab/cd/T/run".into());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// The ports of the host's loopback at which the gateway serves this sandbox.
    pub gateway: Vec<u16>,
    /// The private directory that stands for those that presets have private, as `/tmp`; `None` where there is none.
    pub temporary: Option<PathBuf>,
    /// What denials are reported under in the log of the system; `None` where nobody reads them.
    pub tag: Option<Tag>,
}

/// A profile, as sandbox-exec(1) takes it.
///
/// ```
/// use sandbox_core::{Context, Policy, Ruleset};
/// use sandbox_macos::{Facts, Profile};
///
/// let policy = Policy::default().read("/").hide("/usr/share");
/// let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
/// let profile = Profile::compile(&ruleset, &Facts::default())?.to_string();
/// assert!(profile.starts_with("(version 1)\n(deny default)"));
/// # Ok::<(), sandbox_macos::ProfileError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    tag: Option<Tag>,
    parts: Vec<(Part, Vec<Statement>)>,
}

impl Profile {
    /// Makes the profile of a policy. Looks at no file.
    ///
    /// # Errors
    ///
    /// A rule can't be held by a profile.
    pub fn compile(ruleset: &Ruleset, facts: &Facts) -> Result<Self, ProfileError> {
        Self::of(ruleset, facts, &files::Files::new(ruleset, facts)?)
    }

    fn of(
        ruleset: &Ruleset,
        facts: &Facts,
        files: &files::Files<'_>,
    ) -> Result<Self, ProfileError> {
        let read = files.reading()?;
        let write = files.writing()?;
        let network = network::statements(ruleset, facts, &write)?;
        Ok(Self {
            tag: facts.tag.clone(),
            parts: vec![
                (Part::System, system::statements()),
                (Part::Options, system::options(ruleset.macos())?),
                (Part::Reading, read),
                (Part::Writing, write),
                (Part::Protected, protected::statements(ruleset, files)?),
                (Part::Ways, ways::statements(files)?),
                (Part::Devices, system::devices()),
                (Part::Network, network),
            ],
        })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = self.tag.as_ref();
        write!(f, "(version 1)\n(deny default{})", message(tag))?;
        comment(
            f,
            "nothing is allowed that no line allows; the last line that matches holds",
        )?;
        for (part, statements) in self.parts.iter().filter(|(_, some)| !some.is_empty()) {
            write!(f, "\n\n;; {part}")?;
            for statement in statements {
                write!(f, "\n{}", Told(statement, tag))?;
            }
        }
        f.write_str("\n")
    }
}

/// A path as text that can be shown as it is: a profile is read by people, and has no other way to write a character.
fn text<'a>(path: &'a Path, source: &Source) -> Result<&'a str, ProfileError> {
    let text = path.to_str().filter(|text| is_shown(text));
    text.ok_or_else(|| ProfileError::NotText {
        path: path.to_owned(),
        at: source.clone(),
    })
}

fn is_shown(text: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_');
    text.bytes().all(is_plain) || escaped(text).to_string() == text
}

/// The path or pattern of a rule, and where it was written.
fn why(rule: &sandbox_core::FileRule) -> String {
    let access = rule.access();
    let why = format!(
        "{} = {access} ({})",
        rule.text().to_string_lossy(),
        rule.source()
    );
    match rule.reason() {
        Some(reason) => format!("{why}: {reason}"),
        None => why,
    }
}
