//! What a review may find: what it is called, how much it weighs, and what to write instead.

use std::fmt;
use std::path::PathBuf;

use crate::escape::escaped;
use crate::files::crowd::MAX_MATCHES;
use crate::{Access, MacOption, RuleRef, SocketPreset, Source};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "it is mended, or it is known")]
pub enum Severity {
    /// To be mended: the policy does not do what it seems to, or gives away what it is there for.
    Warning,
    /// To be known: somebody may well have meant it.
    Note,
}

/// Something a reviewer would say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A rule that grants, beside one about the same path that grants less.
    Shadowed {
        /// The rule that has no effect.
        rule: RuleRef,
        /// The one that holds.
        by: RuleRef,
    },
    /// A rule that decides nothing.
    NeverDecides {
        /// The rule.
        rule: RuleRef,
        /// The one that decides instead.
        by: RuleRef,
    },
    /// A rule that says what holds without it.
    Redundant {
        /// The rule.
        rule: RuleRef,
        /// The one that says so already.
        by: RuleRef,
    },
    /// A rule that grants a whole home, system or file system, or destinations that nobody can look through.
    Broad {
        /// The rule.
        rule: RuleRef,
        /// What is granted, with its article.
        what: &'static str,
        /// Whether known secrets in it are hidden.
        secrets_hidden: bool,
    },
    /// A rule that opens what the table of secrets hides.
    OpensSecret {
        /// The rule.
        rule: RuleRef,
        /// What can be read.
        reason: &'static str,
    },
    /// A rule that lets a protected path be written.
    OpensProtected {
        /// The rule.
        rule: RuleRef,
        /// Which program outside would obey what is written there.
        reason: &'static str,
    },
    /// A directory of `PATH` that can be written: what lies there is executed outside.
    WritableSearch {
        /// The directory.
        directory: PathBuf,
        /// The rule that lets it be written.
        rule: RuleRef,
    },
    /// The policy itself can be written, and so says something else at the next start.
    WritablePolicy {
        /// The policy's file.
        file: PathBuf,
        /// The rule that lets it be written.
        rule: RuleRef,
    },
    /// A directory in which patterns match so much that it is lowered as a whole.
    Crowded {
        /// The directory.
        directory: PathBuf,
        /// The pattern's rule, with what holds there.
        rule: RuleRef,
    },
    /// The network is the host's.
    HostNetwork,
    /// Everything is reached that no rule denies.
    OpenNetwork,
    /// A part of the kernel that the filter refuses elsewhere.
    Feature {
        /// Its name.
        name: String,
        /// Where it was written.
        source: Source,
    },
    /// What is denied on macOS otherwise.
    Macos {
        /// What is allowed.
        option: MacOption,
        /// Where it was written.
        source: Source,
    },
    /// A service of macOS that can be asked.
    MachService {
        /// Its name, or how the names begin.
        name: String,
        /// Where it was written.
        source: Source,
    },
    /// A service of the person's that does what it is asked to with the person's rights, or more.
    Service {
        /// The preset that opens it.
        preset: SocketPreset,
        /// Where it was written.
        source: Source,
    },
}

impl Finding {
    /// How much it weighs.
    pub fn severity(&self) -> Severity {
        // Whoever names a secret means it.
        match self {
            Self::Redundant { .. }
            | Self::OpensSecret { .. }
            | Self::Crowded { .. }
            | Self::HostNetwork
            | Self::OpenNetwork
            | Self::Feature { .. }
            | Self::MachService { .. } => Severity::Note,
            Self::Macos { option, .. } if !option.is_way_out() => Severity::Note,
            Self::Service { preset, .. } if *preset != SocketPreset::Docker => Severity::Note,
            Self::Broad {
                rule,
                secrets_hidden,
                ..
            } if *secrets_hidden && rule.access == Some(Access::Read) => Severity::Note,
            _ => Severity::Warning,
        }
    }

    /// A word for it that does not change.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Shadowed { .. } => "shadowed",
            Self::NeverDecides { .. } => "never-decides",
            Self::Redundant { .. } => "redundant",
            Self::Broad { .. } => "broad",
            Self::OpensSecret { .. } => "opens-secret",
            Self::OpensProtected { .. } => "opens-protected",
            Self::WritableSearch { .. } => "writable-search",
            Self::WritablePolicy { .. } => "writable-policy",
            Self::Crowded { .. } => "crowded",
            Self::HostNetwork => "host-network",
            Self::OpenNetwork => "open-network",
            Self::Feature { .. } => "feature",
            Self::Macos { .. } => "macos",
            Self::MachService { .. } => "mach-service",
            Self::Service { .. } => "service",
        }
    }

    /// The rule that it is about.
    pub fn rule(&self) -> Option<&RuleRef> {
        match self {
            Self::Shadowed { rule, .. }
            | Self::NeverDecides { rule, .. }
            | Self::Redundant { rule, .. }
            | Self::Broad { rule, .. }
            | Self::OpensSecret { rule, .. }
            | Self::OpensProtected { rule, .. }
            | Self::WritableSearch { rule, .. }
            | Self::WritablePolicy { rule, .. }
            | Self::Crowded { rule, .. } => Some(rule),
            Self::HostNetwork
            | Self::OpenNetwork
            | Self::Feature { .. }
            | Self::Macos { .. }
            | Self::MachService { .. }
            | Self::Service { .. } => None,
        }
    }

    /// The rule that stands in its way.
    pub fn by(&self) -> Option<&RuleRef> {
        match self {
            Self::Shadowed { by, .. }
            | Self::NeverDecides { by, .. }
            | Self::Redundant { by, .. } => Some(by),
            _ => None,
        }
    }

    /// Where it was written.
    pub fn source(&self) -> Option<&Source> {
        match self {
            Self::HostNetwork | Self::OpenNetwork => None,
            Self::Feature { source, .. }
            | Self::Macos { source, .. }
            | Self::MachService { source, .. }
            | Self::Service { source, .. } => Some(source),
            _ => self.rule().map(|rule| &rule.source),
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Shadowed { .. } => "remove one of the two",
            Self::NeverDecides { .. } | Self::Redundant { .. } => "remove it",
            Self::Broad { .. } => "name what is needed of it",
            Self::OpensSecret { .. } => "remove it, unless the command needs exactly that",
            Self::OpensProtected { .. } => {
                "remove it, and make such changes outside of the sandbox"
            }
            Self::WritableSearch { .. } => {
                "take the directory out of `PATH`, or make it `read` by a rule"
            }
            Self::WritablePolicy { .. } => "make it `read` by a rule, or keep it elsewhere",
            Self::Crowded { .. } => "write a pattern that matches less, or name the directory",
            Self::HostNetwork | Self::OpenNetwork => {
                "`default = \"deny\"`, if the command works without"
            }
            Self::Feature { .. }
            | Self::Macos { .. }
            | Self::MachService { .. }
            | Self::Service { .. } => "remove it, unless the command fails without",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shadowed { rule, by } => {
                write!(
                    f,
                    "{} has no effect: {} is about the same path and grants less",
                    named(rule),
                    named(by)
                )
            }
            Self::NeverDecides { rule, by } => {
                write!(
                    f,
                    "{} never decides anything: {} holds wherever it matches",
                    named(rule),
                    named(by)
                )
            }
            Self::Redundant { rule, by } => {
                write!(
                    f,
                    "{} says what holds without it, by {}",
                    named(rule),
                    named(by)
                )
            }
            Self::Broad {
                rule,
                what,
                secrets_hidden,
            } => {
                let secrets = if *secrets_hidden {
                    ""
                } else {
                    ", with all secrets in it: no preset hides them"
                };
                write!(f, "{} grants {what}{secrets}", named(rule))
            }
            Self::OpensSecret { rule, reason } => {
                write!(f, "{} opens a known secret: {reason}", named(rule))
            }
            Self::OpensProtected { rule, reason } => {
                write!(f, "{} opens a protected path: {reason}", named(rule))
            }
            Self::WritableSearch { directory, rule } => write!(
                f,
                "`{}` is in `PATH` and can be written by {}: what the command leaves there is executed outside",
                escaped(directory),
                named(rule)
            ),
            Self::WritablePolicy { file, rule } => write!(
                f,
                "the policy `{}` can itself be written, by {}: the command decides what the next one may do",
                escaped(file),
                named(rule)
            ),
            Self::Crowded { directory, rule } => write!(
                f,
                "more than {MAX_MATCHES} paths in `{}` match {} or the like: it holds for all of the directory",
                escaped(directory),
                named(rule)
            ),
            Self::HostNetwork => {
                f.write_str("the network is the host's: everything can be sent everywhere")
            }
            Self::OpenNetwork => f.write_str(
                "everything can be sent everywhere but to closed addresses and what a rule denies",
            ),
            Self::Macos { option, .. } => {
                write!(f, "`{option}` opens, on macOS, {}", option.gives())
            }
            Self::MachService { name, .. } => write!(
                f,
                "`{}` is a service of macOS that is not confined: it does what it is asked to",
                escaped(name.as_str())
            ),
            Self::Service { preset, .. } => write!(f, "`{preset}` opens {}", preset.gives()),
            Self::Feature { name, .. } => {
                write!(
                    f,
                    "`{}` opens a part of the kernel that is refused otherwise",
                    escaped(name.as_str())
                )
            }
        }
    }
}

fn named(rule: &RuleRef) -> String {
    let access = rule
        .grants()
        .map_or(String::new(), |grants| format!(" = {grants}"));
    let place = match &rule.source {
        Source::File(_) => String::new(),
        source => format!(" ({source})"),
    };
    format!("`{}`{access}{place}", escaped(&rule.pattern))
}
