//! A policy as TOML. What is printed reads back as the same policy.

use std::cmp::Reverse;
use std::fmt::{self, Display, Formatter};
use std::hash::Hash;

use super::Policy;
use super::decode::MACH_LOOKUP;
use super::entry::{self, DestinationEntry, FileEntry, Grant, VariableEntry, VariableRule};
use crate::escape::toml_string;
use crate::size;

/// TOML that reads back as this policy, wherever it is read: relative paths of a policy file are printed with the
/// directory that they start at, literal paths as patterns, a key only once, with the rule that holds. Rules of presets
/// are not printed; the preset is named. That a layer may only narrow, or a rule is fixed, is not printed either.
///
/// TOML has no form for a path or value that is not UTF-8: such a rule is printed as the word `not-utf8`, which no rule
/// can be, so that what is printed is refused when it is read, and the rule is not lost in silence. Problems of the
/// policy are not printed. Nor are rules of another sandbox's settings, in whose place stands a key that no policy has.
impl Display for Policy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut blocks = Blocks { f, any: false };
        let files = self.presets.iter();
        let files = files.map(|(preset, _)| preset.as_str());
        let destinations = self.destination_presets.iter();
        let destinations = destinations.map(|(preset, _)| preset.as_str());
        let sockets = self.socket_presets.iter();
        let names: Vec<_> = files
            .chain(destinations)
            .chain(sockets.map(|(preset, _)| preset.as_str()))
            .map(|name| format!("\"{name}\""))
            .collect();
        let groups: Vec<_> = self
            .protected
            .keys()
            .map(|group| format!("\"{group}\""))
            .collect();
        let lists = [("extends", names), ("protect", groups)];
        let lists = lists.iter().filter(|(_, words)| !words.is_empty());
        let lists = lists.map(|(key, words)| format!("{key} = [{}]", words.join(", ")));
        blocks.block("", &lists.collect::<Vec<_>>())?;
        // A rule of settings has no form in TOML: what is printed is refused, and says why.
        if self.settings.is_some() {
            blocks.block("", &["settings = \"not-toml\"".to_owned()])?;
        }
        let files = deciding(
            &self.files,
            |entry| entry.key(),
            |entry| {
                let least = Reverse(entry.access.precedence());
                // It must exist if any must.
                (entry.layer, least, !entry.optional)
            },
        );
        blocks.block(
            "files",
            &files.into_iter().map(file_line).collect::<Vec<_>>(),
        )?;

        blocks.block("network", &self.network_lines())?;
        let destinations = deciding(
            &self.destinations,
            |entry| &entry.pattern,
            |entry| (entry.layer, Reverse(entry.grant.rank())),
        );
        blocks.block(
            "network.rules",
            &destinations
                .into_iter()
                .map(destination_line)
                .collect::<Vec<_>>(),
        )?;

        let variables =
            entry::last_of_each_key(self.environment.iter().collect(), |entry| entry.key());
        blocks.block(
            "environment",
            &variables.into_iter().map(variable_line).collect::<Vec<_>>(),
        )?;
        blocks.block("limits", &self.limit_lines())?;
        blocks.block("system", &self.system_lines())?;
        blocks.block("system.macos", &self.macos_lines())
    }
}

impl Policy {
    fn network_lines(&self) -> Vec<String> {
        let default = self.network.iter();
        let default = default.map(|(network, _)| format!("default = \"{network}\""));
        let published =
            entry::last_of_each_key(self.published.iter().collect(), |(port, _)| port.key());
        let published: Vec<_> = published
            .iter()
            .map(|(port, _)| format!("\"{port}\""))
            .collect();
        let published =
            (!published.is_empty()).then(|| format!("publish = [{}]", published.join(", ")));
        let upstream = self.upstream.iter();
        let upstream = upstream.map(|(upstream, _)| format!("upstream = \"{upstream}\""));
        default.chain(published).chain(upstream).collect()
    }

    fn limit_lines(&self) -> Vec<String> {
        let limits = &self.limits;
        let memory = limits.memory.map(|bytes| match size::format(bytes) {
            Some(text) => format!("memory = \"{text}\""),
            None => format!("memory = {bytes}"),
        });
        let processes = limits.processes.map(|count| format!("processes = {count}"));
        let open_files = limits
            .open_files
            .map(|count| format!("open_files = {count}"));
        let time = limits
            .time
            .map(|time| format!("time = \"{}\"", humantime::format_duration(time)));
        [memory, processes, open_files, time]
            .into_iter()
            .flatten()
            .collect()
    }

    fn system_lines(&self) -> Vec<String> {
        let system = &self.system;
        let fallback = system.fallback.map(|tier| format!("fallback = \"{tier}\""));
        let hide = (system.hide != super::HideBy::default())
            .then(|| format!("hide = \"{}\"", system.hide));
        let features = system
            .features
            .keys()
            .map(|name| format!("{} = \"allow\"", toml_string(name)));
        fallback.into_iter().chain(hide).chain(features).collect()
    }
}

impl Policy {
    fn macos_lines(&self) -> Vec<String> {
        let macos = &self.system.macos;
        let services: Vec<_> = macos
            .mach_lookup
            .iter()
            .map(|(name, _)| toml_string(name))
            .collect();
        let services =
            (!services.is_empty()).then(|| format!("{MACH_LOOKUP} = [{}]", services.join(", ")));
        let allowed = macos.allowed.keys();
        let allowed = allowed.map(|option| format!("{option} = \"allow\""));
        allowed.chain(services).collect()
    }
}

/// Of those with the same key the one of the last layer, and there the one that grants least, as `last` orders them.
fn deciding<'e, E, K: Eq + Hash, L: Ord + Copy>(
    entries: &'e [E],
    key: impl Fn(&&'e E) -> K + Copy,
    last: impl Fn(&&'e E) -> L,
) -> Vec<&'e E> {
    let entries: Vec<&E> = entries.iter().collect();
    let by_key = entry::by_key(&entries, key);
    let entries = entry::of_last_layers(entries, &by_key, last);
    entry::last_of_each_key(entries.into_iter().map(|(entry, _)| entry).collect(), key)
}

/// Tables with a blank line between them; one without lines is left out.
struct Blocks<'a, 'f> {
    f: &'a mut Formatter<'f>,
    any: bool,
}

impl Blocks<'_, '_> {
    fn block(&mut self, name: &str, lines: &[String]) -> fmt::Result {
        if lines.is_empty() {
            return Ok(());
        }
        if self.any {
            writeln!(self.f)?;
        }
        self.any = true;
        if !name.is_empty() {
            writeln!(self.f, "[{name}]")?;
        }
        lines.iter().try_for_each(|line| writeln!(self.f, "{line}"))
    }
}

const NOT_UTF8: &str = "\"not-utf8\"";

fn file_line(entry: &FileEntry) -> String {
    let key = entry.key();
    let rule = match key.to_str() {
        None => NOT_UTF8.to_owned(),
        Some(_) if entry.optional => {
            format!("{{ access = \"{}\", optional = true }}", entry.access)
        }
        Some(_) => format!("\"{}\"", entry.access),
    };
    format!("{} = {rule}", toml_string(&key.to_string_lossy()))
}

fn destination_line(entry: &DestinationEntry) -> String {
    let rule = match &entry.grant {
        Grant::Allow { udp: false } => "\"allow\"".to_owned(),
        Grant::Allow { udp: true } => "{ access = \"allow\", udp = true }".to_owned(),
        Grant::Deny { reason: None } => "\"deny\"".to_owned(),
        Grant::Deny {
            reason: Some(reason),
        } => {
            format!("{{ access = \"deny\", reason = {} }}", toml_string(reason))
        }
    };
    format!("{} = {rule}", toml_string(&entry.pattern.to_string()))
}

fn variable_line(entry: &VariableEntry) -> String {
    let rule = match (&entry.rule, entry.pattern.to_str()) {
        (_, None) => NOT_UTF8.to_owned(),
        (VariableRule::Pass, _) => "\"pass\"".to_owned(),
        (VariableRule::Drop, _) => "\"drop\"".to_owned(),
        (VariableRule::Set(value), _) => value.to_str().map_or(NOT_UTF8.to_owned(), |value| {
            format!("{{ set = {} }}", toml_string(value))
        }),
    };
    format!("{} = {rule}", toml_string(&entry.pattern.to_string_lossy()))
}
