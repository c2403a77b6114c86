//! A policy, resolved against a machine: one answer per question.
//!
//! Layers are merged by key first: the table of secrets, presets, then the policy's own rules, where the same key
//! (expanded) replaces the earlier. Only then are links followed. Every problem is found before anything is answered;
//! a policy with one does not start anything.

mod by_name;
mod draft;
mod settings;

pub use self::by_name::Opening;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::draft::{merge, resolve_draft, secrets};
use crate::bound::{self, Subject};
use crate::environment::Environment;
use crate::escape::escaped;
use crate::files::absent::AbsentSecrets;
use crate::files::anchors;
use crate::files::nested::Search;
use crate::files::{FileRule, FileRules};
use crate::git::{elsewhere, targets};
use crate::pattern::is_relative_spelling;
use crate::problem::RuleProblem;
use crate::protected::Asked;
use crate::resolve::{Link, PathKind, Resolver};
use crate::{
    Access, Context, Limits, MacOptions, Network, NetworkRules, Policy, PolicyError, PolicyErrors,
    Preset, SocketPreset, Source, System, place,
};

/// A policy, resolved.
///
/// ```
/// use sandbox_core::{Attempt, Context, Policy, Ruleset, Verdict};
///
/// let policy = Policy::default().read("/usr").hide("/usr/share");
/// let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
/// assert_eq!(ruleset.decide(&Attempt::read("/usr/bin/env")).verdict, Verdict::Allow);
/// assert_eq!(ruleset.decide(&Attempt::read("/usr/share/x")).verdict, Verdict::Deny);
/// ```
#[derive(Clone, Debug)]
pub struct Ruleset {
    /// A notifier has them as well, for as long as a sandbox lives.
    files: Arc<FileRules>,
    network: NetworkRules,
    environment: Environment,
    limits: Limits,
    system: System,
    pub(crate) macos: MacOptions,
    /// The presets of services, and where each was written.
    pub(crate) services: Vec<(SocketPreset, Source)>,
}

impl Ruleset {
    /// Resolves a policy.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the policy, together.
    pub fn resolve(policy: &Policy, context: &Context) -> Result<Self, PolicyErrors> {
        let mut problems = policy.problems.clone();
        let resolver = Resolver::default();
        let mut files = resolve_files(policy, context, &resolver, &mut problems);
        refuse_broad_workspaces(&files, context, &resolver, &mut problems);
        let mut environment = Environment::resolve(policy);
        let network = NetworkRules::resolve(policy, context, &files, &mut problems);
        // What is compared, and how long the search for matches takes, is worth nothing once the policy is refused.
        if problems.is_empty() {
            let subject = Subject {
                policy,
                files: &files,
                network: &network,
                environment: &environment,
            };
            for bound in &policy.bounds {
                problems.extend(bound::exceeded(bound, &subject, context, &resolver));
            }
        }
        if problems.is_empty() {
            match anchors::find(&mut files, &resolver, policy.system.hide) {
                Ok(anchors) => files.anchors = anchors,
                Err(error) => problems.push(error),
            }
        }
        if !problems.is_empty() {
            return Err(PolicyErrors(problems));
        }
        environment.keep(&files, context, &resolver);
        Ok(Self {
            files: Arc::new(files),
            network,
            environment,
            limits: policy.limits.clone(),
            system: policy.system.clone(),
            macos: MacOptions::of(policy, context),
            services: policy.socket_presets.clone(),
        })
    }

    /// These rules about files, and of all else what an empty policy says.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn of_files(files: FileRules) -> Self {
        let policy = Policy::new();
        Self {
            files: Arc::new(files),
            network: NetworkRules::default(),
            environment: Environment::resolve(&policy),
            limits: policy.limits.clone(),
            system: policy.system.clone(),
            macos: MacOptions::default(),
            services: policy.socket_presets.clone(),
        }
    }

    /// The rules about files.
    pub fn files(&self) -> &FileRules {
        &self.files
    }

    /// How much of the network the command has where no rule says it.
    pub fn network(&self) -> Network {
        self.network.default
    }

    /// The rules about the network.
    pub fn network_rules(&self) -> &NetworkRules {
        &self.network
    }

    /// The same with more addresses of the host itself, which are closed as the loopback is: they change while it runs.
    #[must_use]
    pub fn with_host_addresses(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.network.add_own(addresses);
        self
    }

    /// The same with what another policy says of the network; of the rest of that policy nothing is taken. So rules change
    /// while a command runs under them.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with that policy as far as it is about the network.
    pub fn with_network(&self, policy: &Policy, context: &Context) -> Result<Self, PolicyErrors> {
        let mut problems = policy.problems.clone();
        let network = NetworkRules::resolve(policy, context, &self.files, &mut problems);
        if problems.is_empty() {
            for bound in &policy.bounds {
                problems.extend(bound::exceeded_network(
                    bound,
                    (policy, &network),
                    &self.files,
                    context,
                ));
            }
        }
        if !problems.is_empty() {
            return Err(PolicyErrors(problems));
        }
        Ok(Self {
            network,
            ..self.clone()
        })
    }

    /// Which variables the command has.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Upper bounds on what the command uses.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Kernel features and tiers.
    pub fn system(&self) -> &System {
        &self.system
    }
}

impl fmt::Display for Ruleset {
    /// A line a rule about files: access, where it is, what was written, and where.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in self.files.iter() {
            let (path, text) = (escaped(rule.path()), escaped(rule.text()));
            writeln!(
                f,
                "{:<7} {path}  (`{text}`, {})",
                rule.access().as_str(),
                rule.source()
            )?;
        }
        Ok(())
    }
}

/// Whether one of these presets grants something: then the tables of secrets apply.
pub(crate) fn has_secrets<'a>(presets: impl IntoIterator<Item = &'a Preset>) -> bool {
    presets.into_iter().any(|preset| *preset != Preset::None)
}

/// Whether another sandbox's settings want no rule about files.
fn is_unrestricted(policy: &Policy) -> bool {
    let settings = policy.settings.as_ref();
    settings.is_some_and(|settings| settings.unrestricted.is_some())
}

/// Every rule, resolved; not yet what there is to do for it.
pub(crate) fn resolve_files(
    policy: &Policy,
    context: &Context,
    resolver: &Resolver,
    problems: &mut Vec<PolicyError>,
) -> FileRules {
    let mut ways = Vec::new();
    let (secrets, absent) = secrets(policy, context, resolver);
    let absent = Arc::new(absent);
    for draft in merge(secrets, policy, context, problems) {
        match resolve_draft(draft, resolver, problems) {
            Ok(way) => ways.extend(way),
            Err(error) => problems.push(error),
        }
    }
    if let Some(settings) = &policy.settings {
        settings::apply(settings, &mut ways, context, resolver, &absent, problems);
    }
    by_name::keep(&mut ways, policy, &absent, resolver, problems);
    let mut files = protecting(pass_writable_links(&mut ways, &absent, problems), policy);
    if let Some(settings) = &policy.settings {
        // They say themselves what may be written.
        files.sockets = settings::sockets(settings, context, resolver);
    } else {
        elsewhere::open(&mut files, resolver);
    }
    targets::protect(&mut files, context, resolver);
    files.search = policy.settings.as_ref().map(|settings| Search {
        below: context.cwd.clone(),
        levels: settings.depth,
    });
    files.links = ways.into_iter().flat_map(|way| way.links).collect();
    files.links.sort();
    files.links.dedup();
    files
}

/// The rules with what the policy says of protected names.
fn protecting(mut files: FileRules, policy: &Policy) -> FileRules {
    files.asked = Asked {
        only: is_unrestricted(policy),
        groups: policy.protected.clone(),
    };
    files
}

/// A rule, and the links that its path led through.
struct Way {
    rule: Arc<FileRule>,
    links: Vec<Link>,
    /// The rule is a preset's about something that this machine may not have.
    is_offer: bool,
    /// The rule stands in the place of another one.
    is_instead: bool,
    /// What the rule lets be written is not there. It need not be, or has to, where the name alone is nothing to open.
    waits: Option<by_name::Waits>,
}

fn build<'a>(ways: impl Iterator<Item = &'a Way>, absent: &Arc<AbsentSecrets>) -> FileRules {
    let rules = ways.map(|way| Arc::clone(&way.rule));
    FileRules::new(rules.collect(), Arc::clone(absent))
}

/// A link that the command can make leads a rule wherever the command wants it, and the last run may have made it: the
/// rule is refused. An offer of a preset is not taken instead, since nobody could change the line that makes it.
/// A `hide` or `read` led astray leaves what it is about open. Secrets of the table are not refused: where they are is not
/// the person's choice, and what they lead to is hidden.
fn pass_writable_links(
    ways: &mut Vec<Way>,
    absent: &Arc<AbsentSecrets>,
    problems: &mut Vec<PolicyError>,
) -> FileRules {
    let writable = |files: &FileRules, way: &Way| {
        let is_secret = way.rule.source == Source::Secret;
        let mut links = way.links.iter().filter(|_| !is_secret);
        links
            .find(|link| files.access(link.path()).0 == Access::Write)
            .cloned()
    };
    let mut files = build(ways.iter(), absent);
    loop {
        let before = ways.len();
        ways.retain(|way| !way.is_offer || writable(&files, way).is_none());
        // Without a rule that lowered it, the place of another link may be writable.
        if ways.len() == before {
            break;
        }
        files = build(ways.iter(), absent);
    }
    for way in &*ways {
        if let Some(link) = writable(&files, way) {
            let (link, target) = (link.path().to_owned(), way.rule.path.clone());
            let problem = if way.rule.kind == PathKind::Symlink {
                RuleProblem::Loop { at: target }
            } else {
                RuleProblem::WritableLink { link, target }
            };
            problems.push(PolicyError::Rule {
                at: way.rule.source.clone(),
                text: way.rule.text().to_owned(),
                problem,
            });
        }
    }
    files
}

/// `.` is `/` or a home by accident more often than by intent; who means it spells it out.
fn refuse_broad_workspaces(
    files: &FileRules,
    context: &Context,
    resolver: &Resolver,
    problems: &mut Vec<PolicyError>,
) {
    let homes: Vec<PathBuf> = context
        .all_homes()
        .into_iter()
        .filter_map(|home| Some(resolver.resolve(home).ok()?.path))
        .collect();
    let roots = files
        .written()
        .filter(|rule| rule.access == Access::Write && is_relative_spelling(&rule.text));
    for rule in roots {
        if let Some(what) = system(&rule.path).or_else(|| place::broad(&rule.path, &homes)) {
            let problem = RuleProblem::BroadWorkspace {
                path: rule.path.clone(),
                what,
            };
            problems.push(PolicyError::Rule {
                at: rule.source.clone(),
                text: rule.text().to_owned(),
                problem,
            });
        }
    }
}

/// Where a person has no project, and root could do much harm.
const SYSTEM: [&str; 14] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/opt",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/usr/local",
    "/var",
];

fn system(path: &Path) -> Option<&'static str> {
    let is_of_system = SYSTEM.iter().any(|system| path.as_os_str() == *system);
    is_of_system.then_some("a directory of the system")
}

#[cfg(test)]
mod tests;
