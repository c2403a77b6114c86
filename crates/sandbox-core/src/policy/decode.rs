//! The one decoder of both formats: a tree in, a policy or everything that is wrong with it out.
//!
//! Written by hand, since a derived one stops at its first error, and says of a rule that it "did not match any
//! variant". No key is ever ignored: one that is not known is an error, and so is one that nothing here can enforce.

mod expect;
pub(super) mod limits;
mod network;

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::entry::{self, FileEntry, VariableEntry, VariableRule};
use super::node::{Key, Kind, Node};
use super::{
    DestinationPreset, HideBy, MacOption, Policy, Preset, ProtectedGroup, SocketPreset, Tier,
};
use crate::escape::toml_string;
use crate::remedy::nearest;
use crate::source::Document;
use crate::{Access, Location, PolicyError, PolicyErrors, Remedy, Source};

/// Keys of the policy itself.
pub(super) const POLICY: &[&str] = &[
    "extends",
    "protect",
    "files",
    "network",
    "environment",
    "limits",
    "system",
    "fixed",
];
/// Items of `extends` that are no file.
pub(super) static PRESETS: LazyLock<Vec<&str>> =
    LazyLock::new(|| [Preset::WORDS, DestinationPreset::WORDS, SocketPreset::WORDS].concat());
/// Keys of `[fixed]`.
pub(super) const FIXED: &[&str] = &["files", "network", "environment", "limits", "system"];
/// Keys of `[network]`.
pub(super) const NETWORK: &[&str] = &["default", "rules", "publish", "upstream"];
/// Keys of a rule of `[network.rules]` that is written as a table.
pub(super) const DESTINATION_RULE: &[&str] = &["access", "reason", "udp"];
/// Rules of `[network.rules]` that are a word.
pub(super) const DESTINATION_WORDS: &[&str] = &["allow", "deny"];
/// Keys of a rule of `[files]` that is written as a table.
pub(super) const FILE_RULE: &[&str] = &["access", "optional"];
/// Keys of a rule of `[environment]` that is written as a table.
pub(super) const VARIABLE_RULE: &[&str] = &["set"];
/// Rules of `[environment]` that are a word.
pub(super) const ENVIRONMENT_WORDS: &[&str] = &["pass", "drop"];
/// Keys of `[system]` that are not a feature's name.
pub(super) const SYSTEM: &[&str] = &["fallback", "hide", "macos"];
/// Keys of `[system.macos]`.
pub(super) static MACOS: LazyLock<Vec<&str>> =
    LazyLock::new(|| [MacOption::WORDS, &[MACH_LOOKUP]].concat());
pub(super) const MACH_LOOKUP: &str = "mach-lookup";

/// More rules than a person writes, and few enough to resolve in a moment.
pub(super) const RULES: usize = 10_000;

/// Decodes a tree. Relative paths start at `base`, or at the current directory.
pub(super) fn decode(
    root: &Node,
    document: &Arc<Document>,
    base: Option<&Path>,
) -> Result<Decoded, PolicyErrors> {
    let mut decoder = Decoder {
        document,
        base: base.map(Arc::from),
        policy: Policy::new(),
        extends: Vec::new(),
        errors: Vec::new(),
    };
    decoder.policy(root);
    // What is fixed is a rule like others, and outweighs one with its key in the same text.
    if let Some(fixed) = decoder.policy.fixed.clone() {
        decoder.policy = decoder.policy.merge(&fixed);
    }
    if decoder.errors.is_empty() {
        return Ok(Decoded {
            policy: decoder.policy,
            extends: decoder.extends,
        });
    }
    decoder.errors.sort_by_key(PolicyError::offset);
    Err(PolicyErrors(decoder.errors))
}

/// What a text says itself, and what it starts from.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) policy: Policy,
    /// In the order of the text.
    pub(super) extends: Vec<Extended>,
}

/// An item of `extends`.
#[derive(Debug)]
pub(super) enum Extended {
    Preset(Preset, Source),
    /// A file, as it is named.
    File(String, Location),
}

struct Decoder<'a> {
    document: &'a Arc<Document>,
    base: Option<Arc<Path>>,
    policy: Policy,
    extends: Vec<Extended>,
    errors: Vec<PolicyError>,
}

impl Decoder<'_> {
    fn policy(&mut self, root: &Node) {
        for (key, value) in self.table("policy", root, "a table", None) {
            match &*key.text {
                "extends" => self.extends(value),
                "protect" => self.protect(value),
                "fixed" => self.fixed(value),
                section if self.section(section, value) => {}
                _ => self.unknown_key(key, "", POLICY),
            }
        }
    }

    /// Whether there is a section of this name.
    fn section(&mut self, name: &str, value: &Node) -> bool {
        match name {
            "files" => self.files(value),
            "network" => self.network(value),
            "environment" => self.environment(value),
            "limits" => self.limits(value),
            "system" => self.system(value),
            _ => return false,
        }
        true
    }

    /// The same tables once more: rules of this policy that no later layer widens.
    fn fixed(&mut self, node: &Node) {
        let written = std::mem::take(&mut self.policy);
        for (key, value) in self.table("fixed", node, "a table", None) {
            if !self.section(&key.text, value) {
                self.unknown_key(key, "[fixed]", FIXED);
            }
        }
        let fixed = std::mem::replace(&mut self.policy, written);
        self.policy.fixed = Some(Box::new(fixed));
    }

    fn extends(&mut self, node: &Node) {
        for item in self.list("extends", node) {
            let expected = "a list of presets and files";
            let Some(word) = self.string("extends", item, expected, &PRESETS) else {
                continue;
            };
            let at = self.at(item);
            if let Some(preset) = Preset::ALL.iter().find(|preset| preset.as_str() == word) {
                self.extends
                    .push(Extended::Preset(*preset, Source::File(at)));
            } else if let Some(preset) = DestinationPreset::named(word) {
                self.policy.add_preset(preset, Source::File(at));
            } else if let Some(preset) = SocketPreset::named(word) {
                self.policy.add_sockets(preset, Source::File(at));
            } else if word.contains(['/', '.']) && !word.starts_with('~') {
                match entry::wrong_path(OsStr::new(word)) {
                    None => self.extends.push(Extended::File(word.to_owned(), at)),
                    Some(reason) => self.errors.push(PolicyError::InvalidName {
                        at: Source::File(at),
                        kind: "path",
                        name: word.into(),
                        reason,
                    }),
                }
            } else if word.starts_with('~') {
                let reason = "`~` means nothing in the name of a file";
                self.errors
                    .push(unsupported(at, word, reason, Remedy::NameExtended));
            } else {
                self.unknown_word(item, "preset", "extends", word, &PRESETS);
            }
        }
    }

    fn protect(&mut self, node: &Node) {
        for item in self.list("protect", node) {
            let expected = "a list of groups";
            let words = ProtectedGroup::WORDS;
            let Some(word) = self.string("protect", item, expected, words) else {
                continue;
            };
            let at = Source::File(self.at(item));
            match ProtectedGroup::ALL
                .iter()
                .find(|group| group.as_str() == word)
            {
                Some(group) => {
                    self.policy.protected.entry(*group).or_insert(at);
                }
                None => self.unknown_word(item, "group", "protect", word, words),
            }
        }
    }

    fn files(&mut self, node: &Node) {
        for (key, value) in self.table("files", node, "a table of paths", None) {
            if let Some(reason) = entry::wrong_path(OsStr::new(&*key.text)) {
                self.wrong_name("path", key, reason);
            }
            let Some((access, optional)) = self.file_rule(key, value) else {
                continue;
            };
            self.policy.files.push(FileEntry {
                text: OsStr::new(&*key.text).into(),
                pattern: true,
                access,
                optional,
                base: self.base.clone(),
                layer: 0,
                is_instead: false,
                source: self.source(key),
            });
        }
    }

    fn file_rule(&mut self, key: &Key, node: &Node) -> Option<(Access, bool)> {
        if let Kind::String(_) = node.kind {
            return self.access(key, node).map(|access| (access, false));
        }
        let expected = "an access or a table with `access`";
        let entries = self.table(
            &key.text,
            node,
            expected,
            Some(Remedy::OneOf(Access::WORDS)),
        );
        if !self.has_one_of(key, node, entries, FILE_RULE, expected) {
            return None;
        }
        let (mut access, mut optional, mut missing) = (None, false, true);
        for (inner, value) in entries {
            match (&*inner.text, &value.kind) {
                ("access", _) => (access, missing) = (self.access(key, value), false),
                ("optional", Kind::Boolean(flag)) => optional = *flag,
                ("optional", _) => self.wrong_type("optional", value, "`true` or `false`", None),
                _ => {
                    self.unknown_key(inner, "the rule of a path", FILE_RULE);
                    // Said already, if this is what `access` was meant to be.
                    missing = false;
                }
            }
        }
        if missing {
            let (at, key, found) = (self.at(node), key.text.to_string(), "a table without it");
            let expected = "a table with `access`";
            self.errors.push(PolicyError::WrongType {
                at,
                key,
                expected,
                found,
                remedy: None,
            });
        }
        access.map(|access| (access, optional))
    }

    fn access(&mut self, key: &Key, node: &Node) -> Option<Access> {
        let word = self.string(&key.text, node, "an access", Access::WORDS)?;
        let access = Access::ALL
            .into_iter()
            .find(|access| access.as_str() == word);
        if access.is_none() {
            self.unknown_word(node, "access", &key.text, word, Access::WORDS);
        }
        access
    }

    fn environment(&mut self, node: &Node) {
        for (key, value) in self.table("environment", node, "a table of names", None) {
            let Some(rule) = self.variable_rule(key, value) else {
                continue;
            };
            match entry::wrong_variable(OsStr::new(&*key.text), &rule) {
                Some(reason) => self.wrong_name("variable", key, reason),
                None => self.policy.environment.push(VariableEntry {
                    pattern: OsStr::new(&*key.text).to_owned(),
                    rule,
                    source: self.source(key),
                }),
            }
        }
    }

    fn variable_rule(&mut self, key: &Key, node: &Node) -> Option<VariableRule> {
        let expected = "`pass`, `drop` or a table with `set`";
        match &node.kind {
            Kind::String(word) if word == "pass" => return Some(VariableRule::Pass),
            Kind::String(word) if word == "drop" => return Some(VariableRule::Drop),
            Kind::String(word) => {
                // `CI = "1"` means to set it: the value comes back as the remedy.
                let meant =
                    nearest(word, ENVIRONMENT_WORDS).map_or_else(|| set_to(word), str::to_owned);
                let (key, found) = (key.text.to_string(), "another word");
                let remedy = Some(Remedy::Write(meant));
                self.errors.push(PolicyError::WrongType {
                    at: self.at(node),
                    key,
                    expected,
                    found,
                    remedy,
                });
                return None;
            }
            Kind::Integer(number) => {
                self.wrong_type(
                    &key.text,
                    node,
                    expected,
                    Some(Remedy::Write(set_to(&number.to_string()))),
                );
                return None;
            }
            _ => {}
        }
        let entries = self.table(
            &key.text,
            node,
            expected,
            Some(Remedy::OneOf(ENVIRONMENT_WORDS)),
        );
        if !self.has_one_of(key, node, entries, VARIABLE_RULE, expected) {
            return None;
        }
        let mut rule = None;
        for (inner, value) in entries {
            match (&*inner.text, &value.kind) {
                ("set", Kind::String(text)) => {
                    rule = Some(VariableRule::Set(OsStr::new(&**text).to_owned()));
                }
                ("set", Kind::Integer(number)) => {
                    let remedy = Remedy::Write(format!("\"{number}\""));
                    self.wrong_type("set", value, "a string", Some(remedy));
                }
                ("set", _) => self.wrong_type("set", value, "a string", None),
                _ => self.unknown_key(inner, "the rule of a variable", VARIABLE_RULE),
            }
        }
        rule
    }

    fn system(&mut self, node: &Node) {
        for (key, value) in self.table("system", node, "a table", None) {
            match (&*key.text, &value.kind) {
                ("fallback", _) => {
                    let tier = self.word("fallback", value, "tier", Tier::ALL, Tier::WORDS);
                    self.policy.system.fallback = tier.or(self.policy.system.fallback);
                }
                ("hide", _) => {
                    let way = self.word("hide", value, "way to hide", HideBy::ALL, HideBy::WORDS);
                    self.policy.system.hide = way.unwrap_or_default();
                }
                ("macos", _) => self.macos(value),
                (name, Kind::String(word)) if word == "allow" => {
                    if let Some(reason) = entry::wrong_feature(name) {
                        self.wrong_name("feature", key, reason);
                    }
                    let source = self.source(key);
                    self.policy.system.features.insert(name.to_owned(), source);
                }
                (name, _) if nearest(name, SYSTEM).is_some() => {
                    self.unknown_key(key, "[system]", SYSTEM);
                }
                (name, Kind::String(word)) => {
                    self.unknown_word(value, "rule", name, word, &["allow"]);
                }
                (name, _) => {
                    self.wrong_type(name, value, "`allow`", Some(Remedy::OneOf(&["allow"])));
                }
            }
        }
    }
}

impl Decoder<'_> {
    /// What is allowed on macOS, which says nothing elsewhere.
    fn macos(&mut self, node: &Node) {
        for (key, value) in self.table("macos", node, "a table", None) {
            if key.text == MACH_LOOKUP {
                self.services(value);
                continue;
            }
            let option = MacOption::ALL
                .iter()
                .find(|option| option.as_str() == key.text);
            let Some(option) = option else {
                self.unknown_key(key, "[system.macos]", &MACOS);
                continue;
            };
            if self
                .word(option.as_str(), value, "rule", &[()], &["allow"])
                .is_some()
            {
                let source = self.source(key);
                self.policy.system.macos.allowed.insert(*option, source);
            }
        }
    }

    fn services(&mut self, node: &Node) {
        for item in self.list(MACH_LOOKUP, node) {
            let Kind::String(name) = &item.kind else {
                self.wrong_type(MACH_LOOKUP, item, "a list of services", None);
                continue;
            };
            let source = Source::File(self.at(item));
            if let Some(reason) = entry::wrong_service(name) {
                self.errors.push(PolicyError::InvalidName {
                    at: source,
                    kind: "service",
                    name: OsStr::new(&**name).to_owned(),
                    reason,
                });
            } else {
                let services = &mut self.policy.system.macos.mach_lookup;
                services.retain(|(known, _)| known != name);
                services.push((name.to_string(), source));
            }
        }
    }
}

fn unsupported(at: Location, what: &str, reason: &'static str, remedy: Remedy) -> PolicyError {
    PolicyError::Unsupported {
        at,
        what: what.to_owned(),
        reason,
        remedy,
    }
}

fn set_to(value: &str) -> String {
    format!("{{ set = {} }}", toml_string(value))
}
