//! The decision: the only place where "is this allowed?" is answered.
//!
//! Pure: a path is judged by the rules, the links that the rules' own paths led through, and the table of protected
//! paths. Whoever asks about a path that may lead through other links resolves it first.

use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use crate::environment::NameRule;
use crate::escape::toml_string;
use crate::files::{FileRule, FileRules};
use crate::os::OsStrExt;
use crate::pattern::escape;
use crate::policy::VariableRule;
use crate::{Access, Destination, Name, Ruleset, Source};
use crate::{protected, sockets};

/// Following the links of the rules ends after as many as the kernel follows.
const MAX_LINKS: usize = 40;

/// One operation that a confined process tries.
///
/// ```
/// use sandbox_core::Attempt;
///
/// assert_eq!(Attempt::read("/etc/passwd"), Attempt::Read { path: "/etc/passwd".into() });
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Attempt {
    /// To read or list it, or to execute it.
    Read {
        /// Absolute, without `..`.
        path: PathBuf,
    },
    /// To create, change, rename or delete it.
    Write {
        /// Absolute, without `..`.
        path: PathBuf,
    },
    /// To connect to a Unix socket: to write it, unless settings of another sandbox name it.
    Socket {
        /// Absolute, without `..`.
        path: PathBuf,
    },
    /// To have a variable of the caller's environment.
    Variable {
        /// Its name.
        name: OsString,
    },
    /// To ask for the addresses of a name.
    Lookup {
        /// The name.
        name: Name,
    },
    /// To connect to it by TCP.
    Connect {
        /// The name that was asked for; the address only where there was none.
        destination: Destination,
        /// The port.
        port: u16,
    },
    /// To send it a datagram by UDP.
    Send {
        /// The name that was asked for; the address only where there was none.
        destination: Destination,
        /// The port.
        port: u16,
    },
    /// To reach a name that may be reached at an address that it resolved to. Only the address is judged here.
    Dial {
        /// The name.
        name: Name,
        /// One of its addresses.
        address: IpAddr,
        /// The port.
        port: u16,
    },
}

impl Attempt {
    /// To read, list or execute a path.
    pub fn read(path: impl Into<PathBuf>) -> Self {
        Self::Read { path: path.into() }
    }

    /// To create, change, rename or delete a path.
    pub fn write(path: impl Into<PathBuf>) -> Self {
        Self::Write { path: path.into() }
    }

    /// To connect to a Unix socket.
    pub fn socket(path: impl Into<PathBuf>) -> Self {
        Self::Socket { path: path.into() }
    }

    /// To have a variable of the caller's environment.
    pub fn variable(name: impl Into<OsString>) -> Self {
        Self::Variable { name: name.into() }
    }

    /// To ask for the addresses of a name: not denied where it may be reached at any port at all.
    pub fn lookup(name: Name) -> Self {
        Self::Lookup { name }
    }

    /// To connect to a name or an address by TCP.
    pub fn connect(destination: impl Into<Destination>, port: u16) -> Self {
        let destination = destination.into();
        Self::Connect { destination, port }
    }

    /// To send a datagram to a name or an address by UDP.
    pub fn send(destination: impl Into<Destination>, port: u16) -> Self {
        let destination = destination.into();
        Self::Send { destination, port }
    }

    /// To reach a name that may be reached at this address.
    pub fn dial(name: Name, address: impl Into<IpAddr>, port: u16) -> Self {
        let address = address.into();
        Self::Dial {
            name,
            address,
            port,
        }
    }
}

/// Whether an attempt is allowed.
///
/// ```
/// use sandbox_core::Verdict;
///
/// assert_eq!(Verdict::Deny.to_string(), "deny");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth answer")]
pub enum Verdict {
    /// It is.
    Allow,
    /// It is not.
    Deny,
    /// A person has to be asked, and it is not where there is none. Only said of connections.
    Ask,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Ask => "ask",
        })
    }
}

/// The rule that gave a decision.
///
/// ```
/// # use sandbox_core::{Attempt, Context, Policy, Ruleset, Source};
/// let ruleset = Ruleset::resolve(&Policy::default().hide("/"), &Context::new("/")).unwrap();
/// let rule = ruleset.decide(&Attempt::read("/etc")).rule.unwrap();
/// assert_eq!((rule.pattern.as_str(), rule.source), ("/", Source::Library));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleRef {
    /// The path or pattern as it was written, lossy where it is not text.
    pub pattern: String,
    /// What it grants; `None` for rules about variables and destinations.
    pub access: Option<Access>,
    /// What it says of destinations; `None` for other rules.
    pub verdict: Option<Verdict>,
    /// Where it was written.
    pub source: Source,
    /// Why a table of ours has it: what could be done or read otherwise.
    pub reason: Option<&'static str>,
    /// What a rule that denies a destination has for whoever is denied.
    pub message: Option<String>,
}

impl RuleRef {
    /// A rule that grants nothing that there is a word for.
    pub(crate) fn new(pattern: String, source: Source) -> Self {
        Self {
            pattern,
            access: None,
            verdict: None,
            source,
            reason: None,
            message: None,
        }
    }

    /// The word for what it grants, as a policy has it; `None` for rules about variables.
    pub fn grants(&self) -> Option<String> {
        let access = self.access.map(|access| access.to_string());
        access.or_else(|| self.verdict.map(|verdict| verdict.to_string()))
    }
}

/// The answer to an attempt.
///
/// ```
/// # use sandbox_core::{Attempt, Context, Policy, Ruleset};
/// let ruleset = Ruleset::resolve(&Policy::default().read("/"), &Context::new("/")).unwrap();
/// let decision = ruleset.decide(&Attempt::write("/etc/motd"));
/// assert_eq!(decision.remedy.as_deref(), Some(r#""/etc/motd" = "write""#));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// Whether it is allowed.
    pub verdict: Verdict,
    /// The rule that said so; `None` where no rule speaks of it.
    pub rule: Option<RuleRef>,
    /// The line of a policy that would allow it, if there is one. The table it belongs to follows from the attempt.
    pub remedy: Option<String>,
}

impl Decision {
    /// That something is denied, by a rule, if one speaks of it, and what would allow it.
    pub fn denied(rule: Option<RuleRef>, remedy: Option<String>) -> Self {
        Self::new(Verdict::Deny, rule, remedy)
    }

    pub(crate) fn new(verdict: Verdict, rule: Option<RuleRef>, remedy: Option<String>) -> Self {
        Self {
            verdict,
            rule,
            remedy,
        }
    }
}

impl Ruleset {
    /// Whether an attempt is allowed, by which rule, and what would allow it.
    pub fn decide(&self, attempt: &Attempt) -> Decision {
        match attempt {
            Attempt::Read { path } => decide_path(self.files(), path, Access::Read),
            Attempt::Write { path } => decide_path(self.files(), path, Access::Write),
            Attempt::Socket { path } => sockets::decide(self.files(), path),
            Attempt::Variable { name } => self.decide_variable(name),
            Attempt::Lookup { name } => self.network_rules().look_up(name),
            Attempt::Connect { destination, port } => {
                self.network_rules().connect(destination, *port)
            }
            Attempt::Send { destination, port } => self.network_rules().send(destination, *port),
            Attempt::Dial {
                name,
                address,
                port,
            } => self.network_rules().dial(name, *address, *port),
        }
    }

    fn decide_variable(&self, name: &OsStr) -> Decision {
        let rule = self.environment().rule(name);
        let is_allowed = rule.is_some_and(|rule| rule.rule != VariableRule::Drop);
        let reference = rule.map(NameRule::reference);
        if is_allowed {
            return Decision {
                verdict: Verdict::Allow,
                rule: reference,
                remedy: None,
            };
        }
        let is_name = !name.is_empty()
            && !name
                .as_bytes()
                .iter()
                .any(|byte| matches!(byte, b'=' | b'*' | b'?' | 0));
        let remedy = name
            .to_str()
            .filter(|_| is_name)
            .map(|name| format!("{} = \"pass\"", toml_string(name)));
        Decision {
            verdict: Verdict::Deny,
            rule: reference,
            remedy,
        }
    }
}

pub(crate) fn decide_path(files: &FileRules, path: &Path, wanted: Access) -> Decision {
    // What cannot be a resolved path is nothing that a rule could be about.
    if !is_resolved(path) {
        return Decision {
            verdict: Verdict::Deny,
            rule: None,
            remedy: None,
        };
    }
    let path = follow(files, path);
    let (access, rule) = files.access(&path);
    let reference = rule.map(FileRule::reference);
    let is_granted = match wanted {
        Access::Read => access != Access::Hide,
        _ => matches!(access, Access::Write | Access::Overlay | Access::Scratch),
    };
    if !is_granted {
        return Decision {
            verdict: Verdict::Deny,
            rule: reference,
            remedy: remedy(files, &path, wanted),
        };
    }
    let protected = if wanted == Access::Write {
        protection(files, &path)
    } else {
        None
    };
    match protected {
        None => Decision {
            verdict: Verdict::Allow,
            rule: reference,
            remedy: None,
        },
        Some((_, entry)) => Decision {
            verdict: Verdict::Deny,
            rule: Some(RuleRef {
                access: Some(Access::Read),
                reason: Some(entry.reason),
                ..RuleRef::new(entry.path.to_owned(), Source::Protected)
            }),
            remedy: remedy(files, &path, wanted),
        },
    }
}

/// The protected path at or above a path that the rules let the command write on the host, unless the rule that does
/// so names it: lies at or below it. A rule that nobody wrote names nothing.
pub(crate) fn protection<'a>(
    files: &FileRules,
    path: &'a Path,
) -> Option<(&'a Path, &'static protected::ProtectedPath)> {
    if files.asked.is_nothing() {
        return None;
    }
    let (Access::Write, Some(rule)) = files.access(path) else {
        return None;
    };
    let (protected, entry) = protected::innermost(path, rule.path(), &files.asked)?;
    let is_named = rule.source != Source::Repository && rule.path().starts_with(protected);
    (!is_named).then_some((protected, entry))
}

pub(crate) fn is_resolved(path: &Path) -> bool {
    path.is_absolute()
        && !path
            .components()
            .any(|component| component == Component::ParentDir)
        && !path.as_os_str().as_bytes().contains(&0)
}

/// Follows the links that the paths of rules led through: `/bin/sh` is `/usr/bin/sh` to a rule about `/bin`.
pub(crate) fn follow(files: &FileRules, path: &Path) -> PathBuf {
    let mut path: PathBuf = path.components().collect();
    for _ in 0..MAX_LINKS {
        let link = files
            .links()
            .iter()
            .find_map(|link| Some((link, path.strip_prefix(link.path()).ok()?)));
        let Some((link, rest)) = link else { break };
        // Joining nothing would add a slash.
        path = if rest.as_os_str().is_empty() {
            link.resolved().to_owned()
        } else {
            link.resolved().join(rest)
        };
    }
    path
}

/// A literal rule about the path itself outweighs every other, but for other literal rules that lead to the same path:
/// of those the least holds, so each of them has to change.
///
/// No rule opens a directory that is hidden because it cannot be looked into.
pub(crate) fn remedy(files: &FileRules, path: &Path, wanted: Access) -> Option<String> {
    if files.access(path).1.is_some_and(|rule| rule.closed) {
        return None;
    }
    let line = |path: &Path| {
        Some(format!(
            "{} = \"{wanted}\"",
            toml_string(&escape(path.to_str()?))
        ))
    };
    match files
        .literal(path)
        .filter(|rule| rule.source() != &Source::Secret)
    {
        Some(rule) => {
            // A program may write two rules about the same path in one layer.
            let beaten = rule.beaten.iter().map(PathBuf::as_path);
            let beaten = beaten.filter(|key| *key != rule.key());
            let lines: Option<Vec<String>> = std::iter::once(rule.key())
                .chain(beaten)
                .map(line)
                .collect();
            Some(lines?.join("\n"))
        }
        None => line(path),
    }
}

#[cfg(test)]
mod tests;
