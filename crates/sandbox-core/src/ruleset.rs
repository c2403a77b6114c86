//! A policy, resolved against a machine: one answer per question.
//!
//! Layers are merged by key first: the table of secrets, presets, then the policy's own rules, where the same key
//! (expanded) replaces the earlier. Only then are links followed. Every problem is found before anything is answered;
//! a policy with one does not start anything.

mod by_name;
mod settings;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bound::{self, Subject};
use crate::environment::Environment;
use crate::escape::escaped;
use crate::files::absent::{AbsentSecrets, Home};
use crate::files::anchors;
use crate::files::nested::Search;
use crate::files::{FileRule, FileRules, Looks};
use crate::git::{elsewhere, targets};
use crate::pattern::{Expanded, Glob, expand, is_relative_spelling};
use crate::policy::{FileEntry, by_key, of_last_layers};
use crate::problem::RuleProblem;
use crate::protected::Asked;
use crate::resolve::{Link, PathKind, Resolved, Resolver, Stopped};
use crate::secrets::{self, HOSTS, RESOLVERS, SecretPath};
use crate::{
    Access, Context, Limits, Lost, MacOptions, Network, NetworkRules, Policy, PolicyError,
    PolicyErrors, Preset, RuleRef, SocketPreset, Source, System, Why, place, preset,
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
        let environment = Environment::resolve(policy);
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

/// A rule between expansion and resolution.
struct Draft {
    entry: FileEntry,
    expanded: Expanded,
    /// The entry of the table of secrets that it comes from.
    secret: Option<&'static SecretPath>,
    /// What it replaced: rules of earlier layers with the same key.
    replaced: Vec<Lost>,
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

/// The secrets of the table that are there, as rules, and those that are not.
fn secrets(policy: &Policy, context: &Context, resolver: &Resolver) -> (Vec<Draft>, AbsentSecrets) {
    let of_host = |secret: &'static SecretPath| Draft::secret(secret.path.into(), secret);
    let mut drafts = Vec::new();
    if NetworkRules::of(policy).needs_gateway().is_some() {
        drafts.extend([&RESOLVERS, &HOSTS].map(of_host));
    }
    if is_unrestricted(policy) || !has_secrets(policy.presets.iter().map(|(preset, _)| preset)) {
        return (drafts, AbsentSecrets::default());
    }
    drafts.extend(secrets::of_host(context).map(of_host));
    let mut homes = Vec::new();
    for written in context.all_homes() {
        // Of what cannot be resolved nothing is absent: its secrets are rules, which say what is wrong.
        let resolved = resolver.resolve(written).ok();
        let path = resolved.map_or_else(|| written.to_owned(), |resolved| resolved.path);
        let there: Vec<_> = resolver.present(&path, secrets::of_home());
        drafts.extend(
            there
                .iter()
                .map(|secret| Draft::secret(written.join(secret.path), secret)),
        );
        homes.push(Home {
            written: written.to_owned(),
            path,
            there,
        });
    }
    (drafts, AbsentSecrets::new(homes))
}

/// Expands every rule; of those with the same key the last layer's stay.
///
/// The secrets come first, and without keys: where a rule of a person's is about the same path, a secret gives way to it
/// in any spelling.
fn merge(
    secrets: Vec<Draft>,
    policy: &Policy,
    context: &Context,
    problems: &mut Vec<PolicyError>,
) -> impl Iterator<Item = Draft> + use<> {
    let presets = policy
        .presets
        .iter()
        .flat_map(|(preset, _)| preset::files(*preset))
        .filter(|entry| policy.settings.is_none() || settings::keeps(entry));
    let sockets = policy.socket_presets.iter();
    let sockets = sockets.flat_map(|(preset, _)| preset::sockets::files(*preset, context));
    let presets: Vec<_> = presets.chain(sockets).collect();
    let below = presets.len();
    // In a preset the order counts, which nobody else writes: the current directory may be `/tmp`.
    let layers = (0..).zip(presets);
    let above = policy.files.iter().cloned();
    let layers = layers.chain(above.map(|entry| (below + entry.layer, entry)));
    let mut drafts = Vec::with_capacity(below + policy.files.len());
    for (layer, entry) in layers {
        let base = entry.base.as_deref().unwrap_or(&context.cwd);
        let expanded = match expand(&entry.text, entry.pattern, base, context) {
            Ok(expanded) => expanded,
            // A preset speaks of homes; a service account may have none.
            Err(_) if is_offer(&entry) => continue,
            Err(problem) => {
                problems.push(rule_error(&entry, problem.into()));
                continue;
            }
        };
        let draft = Draft {
            entry,
            expanded,
            secret: None,
            replaced: Vec::new(),
        };
        drafts.push((layer, draft));
    }
    let by_key = by_key(&drafts, |(_, draft)| draft.expanded.key());
    let drafts = of_last_layers(drafts, &by_key, |(layer, _)| *layer);
    let drafts = drafts.into_iter().map(|((_, draft), replaced)| {
        let replaced = replaced.into_iter().map(|(_, draft)| draft);
        draft.instead_of(replaced)
    });
    secrets.into_iter().chain(drafts)
}

impl Draft {
    fn secret(path: PathBuf, secret: &'static SecretPath) -> Self {
        let entry = FileEntry {
            text: path.as_os_str().into(),
            pattern: false,
            access: Access::Hide,
            optional: true,
            base: None,
            layer: 0,
            is_instead: false,
            source: Source::Secret,
        };
        Self {
            entry,
            expanded: Expanded { path, tail: None },
            secret: Some(secret),
            replaced: Vec::new(),
        }
    }

    /// Takes the place of these, and remembers them.
    fn instead_of(mut self, earlier: impl Iterator<Item = Self>) -> Self {
        self.replaced.extend(earlier.map(|earlier| {
            let pattern = earlier.entry.text.to_string_lossy().into_owned();
            let reference = RuleRef {
                access: Some(earlier.entry.access),
                ..RuleRef::new(pattern, earlier.entry.source)
            };
            Lost::new(reference, Why::Replaced)
        }));
        self
    }
}

/// Follows the links of a rule's path. `None` is a rule about something that need not exist, and does not.
fn resolve_draft(
    draft: Draft,
    resolver: &Resolver,
    problems: &[PolicyError],
) -> Result<Option<Way>, PolicyError> {
    let Draft {
        entry,
        expanded,
        secret,
        replaced,
    } = draft;
    let is_offer = is_offer(&entry);
    let mut tail = expanded.tail.as_deref();
    let mut closed = false;
    let resolved = match resolver.follow(&expanded.path) {
        Ok(resolved) => resolved,
        Err(stopped) if entry.access == Access::Hide => {
            // All of the place where it stopped is hidden, whatever the pattern below it was.
            tail = None;
            closed = stopped.problem.closed().is_some();
            where_it_stopped(&entry, stopped)?
        }
        // What a preset offers and nobody can reach is as good as missing.
        Err(Stopped {
            problem: RuleProblem::Unreachable { .. } | RuleProblem::Loop { .. },
            ..
        }) if is_offer => return Ok(None),
        Err(stopped) => return Err(rule_error(&entry, stopped.problem)),
    };
    let glob = tail
        .map(|tail| Glob::new(resolved.path.clone(), tail).map(Box::new))
        .transpose();
    let glob = glob.map_err(|problem| rule_error(&entry, problem.into()))?;
    let is_instead = entry.is_instead || !replaced.is_empty();
    let mut waits = None;
    if resolved.kind == PathKind::Missing && glob.is_none() {
        match entry.access {
            // Kept by name: whatever comes to be there is hidden, or is not written.
            Access::Hide => {}
            Access::Read if !is_offer => {}
            Access::Write if !is_offer => waits = Some(by_name::Waits::of(&entry, problems)),
            _ if entry.optional => return Ok(None),
            _ => {
                return Err(PolicyError::Missing {
                    path: resolved.path,
                    access: entry.access,
                    source_of_rule: entry.source,
                });
            }
        }
    }
    let opens_socket = entry.access == Access::Write && matches!(entry.source, Source::Sockets(_));
    if opens_socket && resolved.kind != PathKind::Special {
        return Ok(None);
    }
    let links = resolver.links(&resolved.links);
    let rule = FileRule {
        text: entry.text,
        key: (expanded.path != resolved.path).then_some(expanded.path),
        path: resolved.path,
        glob,
        access: entry.access,
        kind: resolved.kind,
        looks: secret.map_or(Looks::Unreadable, |secret| secret.looks),
        reason: secret.map(|secret| secret.reason),
        source: entry.source,
        closed,
        beaten: Vec::new(),
        set_aside: replaced,
    };
    Ok(Some(Way {
        rule: Arc::new(rule),
        links,
        is_offer,
        is_instead,
        waits,
    }))
}

/// A `hide` whose path cannot be followed hides the place where it stopped: a link that leads nowhere, or the directory
/// that cannot be searched, as a whole. The last run may have closed that directory, and this one could open it again.
fn where_it_stopped(entry: &FileEntry, stopped: Stopped) -> Result<Resolved, PolicyError> {
    let Stopped { problem, links } = stopped;
    let (path, kind) = match (problem.closed(), &problem) {
        (Some(closed), _) => (closed.to_owned(), PathKind::Directory),
        (None, RuleProblem::Loop { at }) => (at.clone(), PathKind::Symlink),
        (None, _) => return Err(rule_error(entry, problem)),
    };
    Ok(Resolved { path, kind, links })
}

/// A rule of a preset about something that this machine may not have.
fn is_offer(entry: &FileEntry) -> bool {
    entry.optional && matches!(entry.source, Source::Preset(_) | Source::Sockets(_))
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

fn rule_error(entry: &FileEntry, problem: RuleProblem) -> PolicyError {
    PolicyError::Rule {
        at: entry.source.clone(),
        text: (*entry.text).to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests;
