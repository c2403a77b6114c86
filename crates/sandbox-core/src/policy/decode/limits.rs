//! `[limits]`: sizes, counts and durations.

use std::time::Duration;

use super::super::node::{Kind, Node};
use super::super::{duration, entry};
use super::Decoder;
use crate::size::{self, NotASize};
use crate::{PolicyError, Remedy, Source};

/// Keys of `[limits]`.
pub(in super::super) const LIMITS: &[&str] = &["memory", "processes", "open_files", "time"];

impl Decoder<'_> {
    pub(super) fn limits(&mut self, node: &Node) {
        for (key, value) in self.table("limits", node, "a table", None) {
            match &*key.text {
                "memory" => self.policy.limits.memory = self.memory(value),
                "processes" => self.policy.limits.processes = self.count("processes", value),
                "open_files" => self.policy.limits.open_files = self.count("open_files", value),
                "time" => self.policy.limits.time = self.time(value),
                _ => self.unknown_key(key, "[limits]", LIMITS),
            }
        }
    }

    fn memory(&mut self, node: &Node) -> Option<u64> {
        let Kind::String(text) = &node.kind else {
            return self.count_or("memory", node, "a size such as `4GiB`");
        };
        match size::parse(text) {
            Ok(bytes) => self.checked("memory", node, text, bytes),
            Err(NotASize::Unit { suggestion }) => {
                let reason = "units are `KiB`, `MiB` and `GiB`, or `kB`, `MB` and `GB`";
                self.wrong_value("memory", node, text, reason, suggestion.map(Remedy::Write));
                None
            }
            Err(NotASize::Form) => {
                self.wrong_value(
                    "memory",
                    node,
                    text,
                    "a size is a whole number and a unit, such as `512MiB`",
                    None,
                );
                None
            }
            Err(NotASize::TooLarge) => {
                self.wrong_value("memory", node, text, "it is too large", None);
                None
            }
        }
    }

    fn count(&mut self, key: &'static str, node: &Node) -> Option<u64> {
        self.count_or(key, node, "a whole number")
    }

    fn count_or(&mut self, key: &'static str, node: &Node, expected: &'static str) -> Option<u64> {
        match &node.kind {
            Kind::Integer(count) => self.checked(key, node, &count.to_string(), *count),
            Kind::String(text) => {
                let meant = text
                    .parse::<u64>()
                    .ok()
                    .map(|count| Remedy::Write(count.to_string()));
                self.wrong_type(key, node, expected, meant);
                None
            }
            _ => {
                self.wrong_type(key, node, expected, None);
                None
            }
        }
    }

    fn checked(&mut self, key: &'static str, node: &Node, text: &str, count: u64) -> Option<u64> {
        match entry::wrong_count(count) {
            Some(reason) => {
                self.wrong_value(key, node, text, reason, None);
                None
            }
            None => Some(count),
        }
    }

    fn time(&mut self, node: &Node) -> Option<Duration> {
        match &node.kind {
            Kind::String(text) => match duration::parse(text) {
                Ok(time) => return Some(time),
                Err((reason, meant)) => {
                    self.wrong_value("time", node, text, reason, meant.map(Remedy::Write));
                }
            },
            Kind::Integer(seconds) => {
                let remedy = Remedy::Write(format!("\"{seconds}s\""));
                self.wrong_type("time", node, "a duration such as `10m`", Some(remedy));
            }
            _ => self.wrong_type("time", node, "a duration such as `10m`", None),
        }
        None
    }

    fn wrong_value(
        &mut self,
        key: &'static str,
        node: &Node,
        value: &str,
        reason: &'static str,
        remedy: Option<Remedy>,
    ) {
        let at = Source::File(self.at(node));
        self.errors.push(PolicyError::InvalidValue {
            at,
            key,
            value: value.to_owned(),
            reason,
            remedy,
        });
    }
}
