//! The decoder of settings in both forms.
//!
//! The other sandbox ignores a key that it does not know, and so drops the rule of whoever made a typing error: here that
//! is a warning. Everything else that is wrong is an error: nothing runs under a part of what was written.

mod shape;

use std::path::PathBuf;
use std::sync::Arc;

use super::keys::{self, Fate, Known, Missing, Shape};
use super::network::Destinations;
use super::{Imported, Role, Settings, path};
use crate::policy::entry::{self, VariableEntry, VariableRule};
use crate::policy::node::{Key, Kind, Node, duplicates};
use crate::policy::{Policy, parse};
use crate::source::Document;
use crate::{
    Access, MacOption, MacOptions, PolicyError, PolicyErrors, Preset, Remedy, Source, Upstream,
};

/// How many directories deep protected paths are searched for, unless a key says it.
const DEPTH: usize = 3;
/// The feature that opens namespaces inside.
const NESTED: &str = "nested";
/// More directories than this, and git is told to trust every one.
const SAFE_DIRECTORIES: usize = 8;

pub(super) fn read(
    text: &str,
    document: &Arc<Document>,
    file: Option<PathBuf>,
) -> Result<Imported, PolicyErrors> {
    if text.trim().is_empty() {
        return Err(PolicyError::Syntax {
            at: document.at(0..0),
            format: "JSON",
            reason: "the text is empty; settings are an object".to_owned(),
            remedy: None,
        }
        .into());
    }
    let root = parse::json(text, document)?;
    let mut reader = Reader {
        document,
        policy: Policy::preset(Preset::Agent),
        settings: Settings {
            depth: DEPTH,
            macos: MacOptions {
                imported: true,
                ..MacOptions::default()
            },
            file,
            ..Settings::default()
        },
        has_variables: false,
        destinations: Destinations::default(),
        errors: Vec::new(),
        warnings: Vec::new(),
    };
    reader.root(&root);
    if !reader.errors.is_empty() {
        // A required key is missing where its name is misspelled.
        reader.errors.append(&mut reader.warnings);
        reader.errors.sort_by_key(PolicyError::offset);
        return Err(PolicyErrors(reader.errors));
    }
    let mut policy = reader.policy;
    policy.destinations = reader.destinations.rules();
    policy.settings = Some(Arc::new(reader.settings));
    Ok(Imported {
        policy,
        warnings: reader.warnings,
    })
}

struct Reader<'a> {
    document: &'a Arc<Document>,
    policy: Policy,
    settings: Settings,
    /// Paths begin with variables: the second form.
    has_variables: bool,
    destinations: Destinations,
    errors: Vec<PolicyError>,
    warnings: Vec<PolicyError>,
}

impl Reader<'_> {
    fn root(&mut self, root: &Node) {
        let Kind::Table(entries) = &root.kind else {
            self.wrong_type("settings", root, "an object");
            return;
        };
        // The second form has one section, and what stands beside it would be two answers to one question.
        if let Some((first, _)) = entries.iter().find(|(key, _)| key.text == "sandbox") {
            self.has_variables = true;
            if let Some((other, _)) = entries
                .iter()
                .find(|(key, _)| keys::find("", &key.text).is_some() && key.text != "sandbox")
            {
                let other = other.text.to_string();
                self.errors.push(PolicyError::Unsupported {
                    at: self.document.at(first.span.clone()),
                    what: "sandbox".to_owned(),
                    reason: "settings have it alone, or sections beside each other without it",
                    remedy: Remedy::LeaveOut(other),
                });
            }
            self.section("", entries);
            return;
        }
        self.section("", entries);
        self.required("", root, entries);
    }

    fn section(&mut self, section: &'static str, entries: &[(Key, Node)]) {
        self.errors.extend(duplicates(entries, self.document));
        for (key, value) in entries {
            match keys::find(section, &key.text) {
                Some(known) => self.key(known, key, value),
                None => self.unknown_key(section, key),
            }
        }
    }

    fn key(&mut self, known: &'static Known, key: &Key, value: &Node) {
        if known.shape == Shape::Section {
            match &value.kind {
                Kind::Table(entries) => {
                    self.section(known.key, entries);
                    self.required(known.key, value, entries);
                }
                _ => self.wrong_type(known.key, value, "an object"),
            }
            return;
        }
        let before = self.errors.len();
        self.shape(known, value);
        if self.errors.len() > before {
            return;
        }
        match known.fate {
            Fate::Holds => {}
            Fate::Refused(missing) => {
                let allows_nothing = match &value.kind {
                    Kind::Boolean(value) => !value,
                    Kind::List(items) => items.is_empty(),
                    _ => false,
                };
                if !allows_nothing {
                    self.refuse(known, key, missing);
                }
            }
            Fate::Rules => self.rules(known, value),
        }
    }

    fn rules(&mut self, known: &'static Known, value: &Node) {
        match (known.key, &value.kind) {
            ("filesystem.denyRead" | "sandbox.filesystem.deniedReadPaths", _) => {
                self.paths(Role::Hide, known, value);
            }
            ("filesystem.allowRead", _) => self.paths(Role::Show, known, value),
            ("filesystem.allowWrite" | "sandbox.filesystem.allowedWritePaths", _) => {
                self.paths(Role::Write, known, value);
            }
            ("filesystem.denyWrite", _) => self.paths(Role::NoWrite, known, value),
            ("filesystem.allowGitConfig", Kind::Boolean(true)) => {
                self.path(Role::Unprotect, known, ".git/config", true, value);
            }
            ("filesystem.disabled", Kind::Boolean(true)) => {
                self.settings.unrestricted = Some(self.source(known, value));
            }
            ("allowNestedUserNamespaces", Kind::Boolean(true)) => {
                let source = self.source(known, value);
                self.policy
                    .system
                    .features
                    .insert(NESTED.to_owned(), source);
            }
            ("mandatoryDenySearchDepth", Kind::Integer(depth)) => {
                self.settings.depth = usize::try_from(*depth).unwrap_or(DEPTH);
            }
            ("network.allowedDomains" | "sandbox.network.allowedDomains", Kind::List(items)) => {
                self.destinations(known, items, Destinations::allow);
            }
            ("network.deniedDomains", Kind::List(items)) => {
                self.destinations(known, items, Destinations::deny);
            }
            ("network.deniedResolvedAddresses", Kind::List(items)) => {
                self.destinations(known, items, Destinations::deny_range);
            }
            ("network.allowUnixSockets", Kind::List(items)) => {
                for item in items {
                    if let Some(text) = item.text() {
                        self.socket(known, text, item);
                    }
                }
            }
            ("network.allowAllUnixSockets", Kind::Boolean(true)) => {
                let source = self.source(known, value);
                let all = path::rules("/", true, false, Access::Read, &source);
                self.settings.sockets.extend(all.unwrap_or_default());
            }
            ("network.deniedDomainReasons", Kind::Table(entries)) => self.reasons(known, entries),
            ("network.parentProxy", Kind::Table(entries)) => self.upstream(known, entries),
            ("sandbox.network.policy", Kind::String(word)) => {
                self.destinations.is_closed = word == "deny";
            }
            (
                "network.allowLocalBinding"
                | "enableWeakerNetworkIsolation"
                | "allowAppleEvents"
                | "allowPty",
                Kind::Boolean(true),
            ) => self.macos(known, value),
            ("network.allowMachLookup", Kind::List(items)) => {
                for item in items {
                    let source = self.source(known, item);
                    let name = item.text().map(|text| (text.to_owned(), source));
                    self.settings.macos.mach_lookup.extend(name);
                }
            }
            ("git.safeDirectories", Kind::List(items)) => self.safe_directories(known, items),
            ("credentials.envVars", Kind::List(items)) => self.variables(known, items),
            ("credentials.files", Kind::List(items)) => self.credential_files(known, items),
            _ => {}
        }
    }

    fn macos(&mut self, known: &'static Known, value: &Node) {
        let source = self.source(known, value);
        let options = &mut self.settings.macos;
        let allowed: &[MacOption] = match known.key {
            "network.allowLocalBinding" => {
                options.local_binding = Some(source);
                return;
            }
            "enableWeakerNetworkIsolation" => &[MacOption::Trustd],
            // There it is both.
            "allowAppleEvents" => &[MacOption::AppleEvents, MacOption::Open],
            _ => &[MacOption::Pty],
        };
        let allowed = allowed.iter().map(|option| (*option, source.clone()));
        options.allowed.extend(allowed);
    }

    fn paths(&mut self, role: Role, known: &'static Known, value: &Node) {
        let Kind::List(items) = &value.kind else {
            return;
        };
        for item in items {
            match &item.kind {
                Kind::String(text) => self.path(role, known, text, false, item),
                Kind::Table(entries) => {
                    let text = self.literal_path(known, item, entries);
                    if let Some(text) = text {
                        self.path(role, known, text, true, item);
                    }
                }
                _ => {}
            }
        }
    }

    /// `{"path": P, "literal": true}`: strict, as there.
    fn literal_path<'n>(
        &mut self,
        known: &'static Known,
        item: &Node,
        entries: &'n [(Key, Node)],
    ) -> Option<&'n str> {
        self.errors.extend(duplicates(entries, self.document));
        let (mut text, mut is_literal) = (None, false);
        for (key, value) in entries {
            match (&*key.text, &value.kind) {
                ("path", Kind::String(path)) => text = Some(&**path),
                ("path", _) => self.wrong_type("path", value, "a string"),
                ("literal", Kind::Boolean(true)) => is_literal = true,
                ("literal", _) => self.wrong_type("literal", value, "`true`"),
                _ => self.unknown_here(key, "the object of a path", &["path", "literal"]),
            }
        }
        let has = |name| entries.iter().any(|(key, _)| key.text == name);
        if !has("path") {
            self.missing(known.key, item, "a path or an object with `path`");
        }
        if !has("literal") {
            self.missing("literal", item, "`true`");
        }
        text.filter(|_| is_literal)
    }

    fn path(
        &mut self,
        role: Role,
        known: &'static Known,
        text: &str,
        is_literal: bool,
        item: &Node,
    ) {
        let source = self.source(known, item);
        let access = match role {
            Role::Write | Role::Unprotect => Access::Write,
            Role::NoWrite | Role::Show => Access::Read,
            Role::Hide | Role::NoRead => Access::Hide,
        };
        let denies = matches!(role, Role::Hide | Role::NoRead | Role::NoWrite);
        let spelled = if self.has_variables && !is_literal {
            path::with_variables(text)
        } else {
            Ok(text.to_owned())
        };
        let rules =
            spelled.and_then(|text| path::rules(&text, is_literal, denies, access, &source));
        match rules {
            Ok(rules) => self
                .settings
                .rules
                .extend(rules.into_iter().map(|rule| (role, rule))),
            Err(reason) => self.errors.push(PolicyError::InvalidName {
                at: source,
                kind: "path",
                name: text.into(),
                reason,
            }),
        }
    }

    /// What is to be connected to has to be seen.
    fn socket(&mut self, known: &'static Known, text: &str, item: &Node) {
        let before = self.settings.rules.len();
        self.path(Role::Show, known, text, true, item);
        let shown = self.settings.rules.get(before..).unwrap_or_default();
        let sockets = shown.iter().map(|(_, rule)| rule.clone());
        self.settings.sockets.extend(sockets);
    }

    fn destinations(
        &mut self,
        known: &'static Known,
        items: &[Node],
        add: fn(&mut Destinations, &str, Source) -> Result<(), PolicyError>,
    ) {
        for item in items {
            let source = self.source(known, item);
            if let Some(text) = item.text()
                && let Err(error) = add(&mut self.destinations, text, source)
            {
                self.errors.push(error);
            }
        }
    }

    fn reasons(&mut self, known: &'static Known, entries: &[(Key, Node)]) {
        self.errors.extend(duplicates(entries, self.document));
        for (key, value) in entries {
            let reason = value.text().unwrap_or_default();
            if let Err(wrong) = self.destinations.reason(&key.text, reason) {
                self.errors.push(PolicyError::InvalidValue {
                    at: self.source(known, value),
                    key: known.key,
                    value: reason.to_owned(),
                    reason: wrong,
                    remedy: None,
                });
            }
        }
    }

    /// One proxy for all that is reached.
    fn upstream(&mut self, known: &'static Known, entries: &[(Key, Node)]) {
        self.errors.extend(duplicates(entries, self.document));
        for (key, value) in entries {
            let Some(text) = value
                .text()
                .filter(|_| matches!(&*key.text, "http" | "https"))
            else {
                self.refuse(known, key, Missing::Gateway);
                continue;
            };
            let at = self.source(known, value);
            let upstream = text
                .parse::<Upstream>()
                .map_err(|problem| PolicyError::Rule {
                    at: at.clone(),
                    text: text.into(),
                    problem: problem.into(),
                });
            match (upstream, &self.policy.upstream) {
                (Err(error), _) => self.errors.push(error),
                (Ok(other), Some((one, _))) if other != *one => {
                    self.refuse(known, key, Missing::Gateway);
                }
                (Ok(upstream), _) => self.policy.upstream = Some((upstream, at)),
            }
        }
    }

    fn safe_directories(&mut self, known: &'static Known, items: &[Node]) {
        let directories: Vec<&str> = items.iter().filter_map(Node::text).collect();
        let mut values = Vec::new();
        if directories.len() > SAFE_DIRECTORIES {
            values.push("*".to_owned());
        } else {
            for directory in &directories {
                let directory = directory.trim_end_matches('/');
                values.extend([directory.to_owned(), format!("{directory}/*")]);
            }
        }
        let Some(first) = items.first().filter(|_| !values.is_empty()) else {
            return;
        };
        let source = self.source(known, first);
        let count = values.len().to_string();
        let pairs = values.into_iter().enumerate().flat_map(|(index, value)| {
            [
                (
                    format!("GIT_CONFIG_KEY_{index}"),
                    "safe.directory".to_owned(),
                ),
                (format!("GIT_CONFIG_VALUE_{index}"), value),
            ]
        });
        let variables: Vec<_> = std::iter::once(("GIT_CONFIG_COUNT".to_owned(), count))
            .chain(pairs)
            .collect();
        for (name, value) in variables {
            self.variable(&name, VariableRule::Set(value.into()), source.clone());
        }
    }

    /// `{"name", "mode", …}` of each.
    fn variables(&mut self, known: &'static Known, items: &[Node]) {
        const KEYS: &[&str] = &[
            "name",
            "mode",
            "extract",
            "onExtractNoMatch",
            "decode",
            "maskClaims",
            "injectHosts",
        ];
        for item in items {
            let Some(name) = self.credential(known, item, "name", KEYS) else {
                continue;
            };
            let source = self.source(known, item);
            if name.contains(['*', '?']) {
                self.errors.push(PolicyError::InvalidName {
                    at: source,
                    kind: "variable",
                    name: name.into(),
                    reason: "is a pattern, and settings name single variables",
                });
            } else {
                self.variable(name, VariableRule::Drop, source);
            }
        }
    }

    fn credential_files(&mut self, known: &'static Known, items: &[Node]) {
        const KEYS: &[&str] = &[
            "path",
            "mode",
            "extract",
            "onExtractNoMatch",
            "decode",
            "maskClaims",
            "maskDuplicates",
            "injectHosts",
        ];
        for item in items {
            if let Some(path) = self.credential(known, item, "path", KEYS) {
                self.path(Role::NoRead, known, path, false, item);
            }
        }
    }

    /// What a credential is called, if it is to be denied; `mask` is refused.
    fn credential<'n>(
        &mut self,
        known: &'static Known,
        item: &'n Node,
        called: &'static str,
        keys: &'static [&'static str],
    ) -> Option<&'n str> {
        let Kind::Table(entries) = &item.kind else {
            self.wrong_type(known.key, item, "a list of objects");
            return None;
        };
        self.errors.extend(duplicates(entries, self.document));
        let (mut name, mut is_denied) = (None, false);
        for (key, value) in entries {
            match (&*key.text, &value.kind) {
                (word, Kind::String(text)) if word == called => name = Some(&**text),
                (word, _) if word == called => self.wrong_type(called, value, "a string"),
                ("mode", Kind::String(mode)) if mode == "deny" => is_denied = true,
                ("mode", Kind::String(mode)) if mode == "mask" => {
                    self.errors.push(PolicyError::Unsupported {
                        at: self.at(value),
                        what: "mask".to_owned(),
                        reason: Missing::Gateway.reason(),
                        remedy: Remedy::OneOf(&["deny"]),
                    });
                }
                ("mode", Kind::String(mode)) => self.errors.push(PolicyError::UnknownWord {
                    at: self.at(value),
                    kind: "mode",
                    key: known.key.to_owned(),
                    value: mode.to_string(),
                    known: &["deny", "mask"],
                }),
                ("mode", _) => self.wrong_type("mode", value, "a string"),
                (word, _) if keys.contains(&word) => {}
                _ => self.unknown_here(key, "the object of a credential", keys),
            }
        }
        for required in [called, "mode"] {
            if !entries.iter().any(|(key, _)| key.text == required) {
                self.missing(required, item, "a string");
            }
        }
        name.filter(|_| is_denied)
    }

    fn variable(&mut self, name: &str, rule: VariableRule, source: Source) {
        match entry::wrong_variable(name.as_ref(), &rule) {
            Some(reason) => self.errors.push(PolicyError::InvalidName {
                at: source,
                kind: "variable",
                name: name.into(),
                reason,
            }),
            None => self.policy.environment.push(VariableEntry {
                pattern: name.into(),
                rule,
                source,
            }),
        }
    }
}
