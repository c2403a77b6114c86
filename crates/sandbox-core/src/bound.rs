//! Whether a policy stays within a bound: what it would be without a layer that is not trusted, or what an earlier layer
//! has fixed.
//!
//! Decided on what is granted, not on what is written. Where that can't be told, it counts as more.

use std::ffi::OsString;
use std::fmt::{self, Display};

use crate::environment::wider as names;
use crate::environment::{Environment, NameRule};
use crate::error::quoted;
use crate::files::wider::{self as places, What};
use crate::files::{FileRule, FileRules};
use crate::network::wider as destinations;
use crate::policy::{Bound, Reason, VariableRule};
use crate::resolve::Resolver;
use crate::ruleset::resolve_files;
use crate::{
    Access, Context, HideBy, Limits, Location, MacOptions, NetworkRules, Policy, PolicyError,
    PolicyErrors, Source, System, Tier,
};
use crate::{size, sockets};

/// The policy that has to stay within the bound, resolved.
pub(crate) struct Subject<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) files: &'a FileRules,
    pub(crate) network: &'a NetworkRules,
    pub(crate) environment: &'a Environment,
}

/// Something that a policy grants, and that is more than it may.
///
/// ```
/// use sandbox_core::{Context, Distrust, Policy, PolicyError, Ruleset};
///
/// let policy = Policy::default()
///     .read("/")
///     .layer_untrusted(Policy::default().write("/usr"), "sandbox.toml", Distrust::Unapproved);
/// let errors = Ruleset::resolve(&policy, &Context::new("/")).unwrap_err();
/// let Some(PolicyError::Widens { excess, .. }) = errors.iter().next() else { panic!() };
/// assert_eq!(excess.to_string(), "`/usr` would be `write` instead of `read`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Excess {
    /// The table of a policy that it is about: `files`, `environment`, `network`, `limits`, `system`; or `protect`.
    pub table: &'static str,
    /// The rule that grants it, where that is one and not the lack of another.
    pub at: Option<Source>,
    /// The rule that grants less, where that is one.
    pub before: Option<Source>,
    /// A path or the pattern of paths, a variable, a destination, a key.
    pub what: OsString,
    /// What it would be.
    pub grants: String,
    /// What it may be.
    pub instead: String,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = quoted(&self.what);
        write!(
            f,
            "{what} would be {} instead of {}",
            self.grants, self.instead
        )
    }
}

/// What one policy grants and another does not.
///
/// ```
/// use sandbox_core::{Context, Difference, Policy};
///
/// let (before, after) = (Policy::new().read("/usr"), Policy::new().write("/usr").hide("/usr/share"));
/// let difference = Difference::between(&before, &after, &Context::new("/")).unwrap();
/// assert_eq!(difference.wider[0].to_string(), "`/usr` would be `write` instead of `read`");
/// assert_eq!(difference.narrower[0].to_string(), "`/usr/share` would be `read` instead of `hide`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// What the second grants beyond the first.
    pub wider: Vec<Excess>,
    /// What the first grants beyond the second.
    pub narrower: Vec<Excess>,
}

impl Difference {
    /// Compares two policies on this machine. What either is bound by, a layer that may only narrow or a fixed rule, is no
    /// concern here.
    ///
    /// # Errors
    ///
    /// What is wrong with the rules of either about files and the network.
    pub fn between(
        before: &Policy,
        after: &Policy,
        context: &Context,
    ) -> Result<Self, PolicyErrors> {
        let resolver = Resolver::default();
        let mut problems = Vec::new();
        let mut resolve = |policy: &Policy| {
            let mut found = policy.problems.clone();
            let files = resolve_files(policy, context, &resolver, &mut found);
            let network = NetworkRules::resolve(policy, context, &files, &mut found);
            found.retain(|problem| !problems.contains(problem));
            problems.extend(found);
            (files, Environment::resolve(policy), network)
        };
        let (before_rules, after_rules) = (resolve(before), resolve(after));
        if !problems.is_empty() {
            return Err(PolicyErrors(problems));
        }
        let before = Subject {
            policy: before,
            files: &before_rules.0,
            environment: &before_rules.1,
            network: &before_rules.2,
        };
        let after = Subject {
            policy: after,
            files: &after_rules.0,
            environment: &after_rules.1,
            network: &after_rules.2,
        };
        Ok(Self {
            wider: beyond(&after, &before, None, context),
            narrower: beyond(&before, &after, None, context),
        })
    }
}

/// All that a policy grants beyond a bound.
pub(crate) fn exceeded(
    bound: &Bound,
    subject: &Subject<'_>,
    context: &Context,
    resolver: &Resolver,
) -> Vec<PolicyError> {
    let mut problems = bound.policy.problems.clone();
    let files = resolve_files(&bound.policy, context, resolver, &mut problems);
    let network = NetworkRules::resolve(&bound.policy, context, &files, &mut problems);
    problems.retain(|problem| !problem.is_of_nothing_to_write());
    if !problems.is_empty() {
        return problems;
    }
    let least = Subject {
        policy: &bound.policy,
        files: &files,
        environment: &Environment::resolve(&bound.policy),
        network: &network,
    };
    told(bound, beyond(subject, &least, fixed(bound), context))
}

/// All that a policy lets a command reach beyond a bound. Of the rest of either nothing is resolved: the machine may have
/// changed since it was, with these rules about files.
pub(crate) fn exceeded_network(
    bound: &Bound,
    reached: (&Policy, &NetworkRules),
    files: &FileRules,
    context: &Context,
) -> Vec<PolicyError> {
    let mut problems = bound.policy.problems.clone();
    let least = NetworkRules::resolve(&bound.policy, context, files, &mut problems);
    if !problems.is_empty() {
        return problems;
    }
    let least = (&bound.policy, &least);
    told(bound, beyond_network(reached, least, fixed(bound)))
}

/// The rules that alone are a bound, where not all are.
fn fixed(bound: &Bound) -> Option<&Policy> {
    match &bound.reason {
        Reason::Untrusted(_) => None,
        Reason::Fixed(fixed) => Some(fixed),
    }
}

fn told(bound: &Bound, excesses: Vec<Excess>) -> Vec<PolicyError> {
    let told = |excess: Excess| excess.told(&bound.reason);
    excesses.into_iter().map(told).collect()
}

/// All that one policy grants beyond another; where some rules of that are fixed, beyond those alone.
fn beyond(
    subject: &Subject<'_>,
    least: &Subject<'_>,
    fixed: Option<&Policy>,
    context: &Context,
) -> Vec<Excess> {
    let mut excesses = Vec::new();
    let counts_file = |rule: Option<&FileRule>| is_bound(fixed, rule.map(FileRule::source));
    for wider in places::wider(subject.files, least.files, &counts_file) {
        excesses.push(of_path(&wider));
    }
    for socket in sockets::wider(subject.files, least.files, &counts_file) {
        excesses.push(Excess {
            table: "files",
            at: Some(socket.source.clone()),
            before: None,
            what: socket.path.clone().into(),
            grants: "open to connections".to_owned(),
            instead: "closed to them".to_owned(),
        });
    }
    let counts_name = |rule: Option<&NameRule>| is_bound(fixed, rule.map(|rule| &rule.source));
    let variables = &context.variables;
    let (environment, bound) = (subject.environment, least.environment);
    for wider in names::wider(environment, bound, variables, &counts_name) {
        // A pattern is about the name that the other rule is about.
        let mut rules = [Some(wider.rule), wider.before].into_iter().flatten();
        let named = rules.find(|rule| rule.is_literal()).unwrap_or(wider.rule);
        excesses.push(Excess {
            table: "environment",
            at: Some(wider.rule.source.clone()),
            before: wider.before.map(|rule| rule.source.clone()),
            what: named.text().to_owned(),
            grants: said(Some(&wider.rule.rule)),
            instead: said(wider.before.map(|rule| &rule.rule)),
        });
    }
    let reached = (subject.policy, subject.network);
    excesses.extend(beyond_network(
        reached,
        (least.policy, least.network),
        fixed,
    ));
    // Of the rest it is enough to know what is fixed: there is one value of each.
    let (policy, all) = (subject.policy, fixed.is_none());
    excesses.extend(groups(policy, least.policy).filter(|_| all));
    let least = fixed.unwrap_or(least.policy);
    excesses.extend(limits(&policy.limits, &least.limits));
    excesses.extend(system(&policy.system, &least.system, all));
    excesses
}

/// The part of it that is about the network, each policy with its rules about that.
fn beyond_network(
    (policy, rules): (&Policy, &NetworkRules),
    (least, bound): (&Policy, &NetworkRules),
    fixed: Option<&Policy>,
) -> Vec<Excess> {
    let counts = |source: Option<&Source>| is_bound(fixed, source);
    let destinations = destinations::wider(rules, bound, &counts);
    let destinations = destinations.into_iter().map(|wider| Excess {
        table: "network",
        at: wider.at,
        before: wider.before,
        what: wider.what.into(),
        grants: format!("`{}`", wider.grants),
        instead: format!("`{}`", wider.instead),
    });
    // Of the rest it is enough to know what is fixed: there is one value of each.
    let (all, least) = (fixed.is_none(), fixed.unwrap_or(least));
    destinations
        .chain(default_network(policy, least, all))
        .chain(doors(policy, least, all))
        .collect()
}

/// Whether what this rule grants is a bound at all.
fn is_bound(fixed: Option<&Policy>, source: Option<&Source>) -> bool {
    let Some(fixed) = fixed else {
        return true;
    };
    source.is_some_and(|source| {
        let files = fixed.files.iter().map(|entry| &entry.source);
        let variables = fixed.environment.iter().map(|entry| &entry.source);
        let destinations = fixed.destinations.iter().map(|entry| &entry.source);
        let mut all = files.chain(variables).chain(destinations);
        all.any(|fixed| fixed == source)
    })
}

impl Excess {
    fn told(self, reason: &Reason) -> PolicyError {
        let excess = Box::new(self);
        match reason {
            Reason::Untrusted(files) => {
                let written = excess.at.as_ref().and_then(Source::location);
                let written = written.and_then(Location::file);
                // A line of a file that one extends has no other name here; nor has what is no line.
                let of_line = files.iter().find(|(file, _)| Some(&**file) == written);
                let (file, why) = of_line.or(files.last()).cloned().unwrap_or_default();
                PolicyError::Widens { excess, file, why }
            }
            Reason::Fixed(_) => PolicyError::Fixed { excess },
        }
    }

    fn of_key(
        table: &'static str,
        at: Option<Source>,
        what: &str,
        grants: impl Display,
        instead: impl Display,
    ) -> Self {
        Self {
            table,
            at,
            before: None,
            what: what.into(),
            grants: format!("`{grants}`"),
            instead: format!("`{instead}`"),
        }
    }
}

fn of_path(wider: &places::Wider<'_>) -> Excess {
    let access = wider.before.map_or(Access::Hide, FileRule::access);
    let grants = match wider.what {
        What::Access => format!("`{}`", wider.rule.access()),
        What::Protection => format!("`{}` with its protected names", wider.rule.access()),
        What::Unknown => "more than can be told from so many patterns".to_owned(),
    };
    // Where it is what a pattern matches, the place says nothing: all else below it is as it was.
    let mut rules = [Some(wider.rule), wider.before].into_iter().flatten();
    let pattern = rules.find(|rule| wider.below && !rule.is_literal());
    Excess {
        table: "files",
        at: Some(wider.rule.source().clone()),
        before: wider.before.map(|rule| rule.source().clone()),
        what: pattern.map_or_else(|| wider.path.clone().into(), |rule| rule.text().to_owned()),
        grants,
        instead: format!("`{access}`"),
    }
}

fn said(rule: Option<&VariableRule>) -> String {
    match rule {
        Some(VariableRule::Pass) => "`pass`".to_owned(),
        Some(VariableRule::Set(value)) => format!("set to {}", quoted(value)),
        Some(VariableRule::Drop) | None => "`drop`".to_owned(),
    }
}

fn default_network(policy: &Policy, least: &Policy, all: bool) -> Option<Excess> {
    let (network, at) = policy.network.as_ref()?;
    if least.network.is_none() && !all {
        return None;
    }
    let instead = least.network_access();
    let before = least.network.as_ref().map(|(_, source)| source.clone());
    (*network > instead).then(|| Excess {
        before,
        ..Excess::of_key("network", Some(at.clone()), "network", network, instead)
    })
}

/// A published port or an upstream proxy that was not there. Where they are fixed is not told from their being there.
fn doors(policy: &Policy, least: &Policy, all: bool) -> Vec<Excess> {
    let mut found = Vec::new();
    if !all {
        return found;
    }
    let is_there = |port| least.published.iter().any(|(other, _)| *other == port);
    for (port, at) in policy.published.iter().filter(|(port, _)| !is_there(*port)) {
        let what = format!("port {}", port.inside());
        let grants = format!("publish = [\"{port}\"]");
        found.push(Excess::of_key(
            "network",
            Some(at.clone()),
            &what,
            grants,
            "publish = []",
        ));
    }
    let before = least.upstream.as_ref().map(|(upstream, _)| upstream);
    if let Some((upstream, at)) = &policy.upstream
        && before != Some(upstream)
    {
        let instead = before.map_or("none".to_owned(), ToString::to_string);
        found.push(Excess::of_key(
            "network",
            Some(at.clone()),
            "upstream",
            upstream,
            instead,
        ));
    }
    found
}

/// A group of protected names that is missing. No layer takes one away, so that nothing is to be fixed.
fn groups(policy: &Policy, least: &Policy) -> impl Iterator<Item = Excess> {
    let missing = least.protected.iter();
    let missing = missing.filter(|(group, _)| !policy.protected.contains_key(*group));
    missing.map(|(group, before)| Excess {
        before: Some(before.clone()),
        ..Excess::of_key("protect", None, "protect", "[]", format!("[\"{group}\"]"))
    })
}

/// A limit that is missing or higher.
fn limits(limits: &Limits, least: &Limits) -> Vec<Excess> {
    fn one<T: Copy + Ord>(
        key: &str,
        limit: Option<T>,
        least: Option<T>,
        text: fn(T) -> String,
    ) -> Option<Excess> {
        let least = least?;
        let is_more = limit.is_none_or(|limit| limit > least);
        let limit = limit.map_or("unlimited".to_owned(), text);
        is_more.then(|| Excess::of_key("limits", None, key, limit, text(least)))
    }
    let bytes = |bytes: u64| size::format(bytes).unwrap_or_else(|| bytes.to_string());
    let count = |count: u64| count.to_string();
    let time = |time: std::time::Duration| humantime::format_duration(time).to_string();
    [
        one("memory", limits.memory, least.memory, bytes),
        one("processes", limits.processes, least.processes, count),
        one("open_files", limits.open_files, least.open_files, count),
        one("time", limits.time, least.time, time),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A weaker tier, a weaker way to hide, another feature of the kernel.
fn system(system: &System, least: &System, all: bool) -> Vec<Excess> {
    let mut found = Vec::new();
    let is_fixed = all || least.fallback.is_some();
    if system.fallback == Some(Tier::Landlock) && least.fallback != system.fallback && is_fixed {
        let before = least.fallback.unwrap_or(Tier::Namespaces);
        found.push(Excess::of_key(
            "system",
            None,
            "fallback",
            Tier::Landlock,
            before,
        ));
    }
    if system.hide < least.hide {
        found.push(Excess::of_key(
            "system",
            None,
            "hide",
            HideBy::Cover,
            least.hide,
        ));
    }
    let further = system
        .features
        .iter()
        .filter(|(name, _)| all && !least.features.contains_key(*name));
    found
        .extend(further.map(|(name, at)| {
            Excess::of_key("system", Some(at.clone()), name, "allow", "refused")
        }));
    if all {
        found.extend(macos(&system.macos, &least.macos));
    }
    found
}

/// What was denied on macOS.
fn macos(options: &MacOptions, least: &MacOptions) -> Vec<Excess> {
    let allowed = options.allowed.iter();
    let allowed = allowed.filter(|(option, _)| !least.allowed.contains_key(*option));
    let allowed = allowed.map(|(option, at)| (format!("macos.{option}"), at));
    let services = options.mach_lookup.iter();
    let services = services.filter(|(name, _)| !least.covers(name));
    let services = services.map(|(name, at)| (format!("macos.mach-lookup {name}"), at));
    let further = allowed.chain(services);
    further
        .map(|(what, at)| Excess::of_key("system", Some(at.clone()), &what, "allow", "refused"))
        .collect()
}
