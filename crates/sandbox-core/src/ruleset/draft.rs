//! The rules of all layers, each once: what a policy writes and its presets add, with the table of secrets; then each is resolved.

use std::path::PathBuf;

use super::settings::keeps;
use super::{Way, by_name, has_secrets, is_unrestricted};
use crate::files::absent::{AbsentSecrets, Home};
use crate::files::{FileRule, Looks};
use crate::pattern::{Expanded, Glob, expand};
use crate::policy::{FileEntry, by_key, of_last_layers};
use crate::problem::RuleProblem;
use crate::resolve::{PathKind, Resolved, Resolver, Stopped};
use crate::secrets::{self, HOSTS, RESOLVERS, SecretPath};
use crate::{
    Access, Context, Lost, NetworkRules, Policy, PolicyError, RuleRef, Source, Why, preset,
};
use std::sync::Arc;

/// A rule between expansion and resolution.
pub(super) struct Draft {
    pub(super) entry: FileEntry,
    pub(super) expanded: Expanded,
    /// The entry of the table of secrets that it comes from.
    pub(super) secret: Option<&'static SecretPath>,
    /// What it replaced: rules of earlier layers with the same key.
    pub(super) replaced: Vec<Lost>,
}

/// The secrets of the table that are there, as rules, and those that are not.
pub(super) fn secrets(
    policy: &Policy,
    context: &Context,
    resolver: &Resolver,
) -> (Vec<Draft>, AbsentSecrets) {
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
pub(super) fn merge(
    secrets: Vec<Draft>,
    policy: &Policy,
    context: &Context,
    problems: &mut Vec<PolicyError>,
) -> impl Iterator<Item = Draft> + use<> {
    let presets = policy
        .presets
        .iter()
        .flat_map(|(preset, _)| preset::files(*preset))
        .filter(|entry| policy.settings.is_none() || keeps(entry));
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
pub(super) fn resolve_draft(
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

pub(super) fn rule_error(entry: &FileEntry, problem: RuleProblem) -> PolicyError {
    PolicyError::Rule {
        at: entry.source.clone(),
        text: (*entry.text).to_owned(),
        problem,
    }
}
