//! What a value has to look like, and the errors where it does not.

use super::super::destination;
use super::super::keys::{self, Known, Missing, Shape};
use super::Reader;
use crate::policy::decode::RULES;
use crate::policy::node::{Key, Kind, Node};
use crate::{Location, PolicyError, Remedy, Source};

impl Reader<'_> {
    pub(super) fn shape(&mut self, known: &'static Known, value: &Node) {
        match (known.shape, &value.kind) {
            (Shape::Boolean, Kind::Boolean(_))
            | (Shape::Text, Kind::String(_))
            | (Shape::Table, Kind::Table(_))
            | (Shape::List, Kind::List(_)) => {}
            (Shape::Texts, Kind::List(items)) => self.texts(known, value, items, |_| None),
            (Shape::AllowedDomains, Kind::List(items)) => {
                self.texts(known, value, items, destination::wrong_allowed);
            }
            (Shape::DeniedDomains, Kind::List(items)) => {
                self.texts(known, value, items, destination::wrong_denied);
            }
            (Shape::Ranges, Kind::List(items)) => {
                self.texts(known, value, items, destination::wrong_range);
            }
            (Shape::Paths, Kind::List(items)) => self.items(known, value, items, |kind| {
                matches!(kind, Kind::String(_) | Kind::Table(_))
            }),
            (Shape::Number(low, high), Kind::Integer(number)) if (low..=high).contains(number) => {}
            (Shape::Words(words), Kind::String(word)) if words.contains(&&**word) => {}
            (Shape::Words(words), Kind::String(word)) => {
                self.errors.push(PolicyError::UnknownWord {
                    at: self.at(value),
                    kind: "word",
                    key: known.key.to_owned(),
                    value: word.to_string(),
                    known: words,
                });
            }
            (Shape::TextByText, Kind::Table(entries))
                if entries.iter().all(|(_, value)| value.text().is_some()) => {}
            (Shape::TextsByText, Kind::Table(entries))
                if entries.iter().all(|(_, value)| value.is_texts()) => {}
            (shape, _) => self.wrong_type(known.key, value, shape.expected()),
        }
    }

    fn texts(
        &mut self,
        known: &'static Known,
        value: &Node,
        items: &[Node],
        wrong: fn(&str) -> Option<&'static str>,
    ) {
        self.items(known, value, items, |kind| matches!(kind, Kind::String(_)));
        for item in items {
            if let Some(text) = item.text()
                && let Some(reason) = wrong(text)
            {
                self.errors.push(PolicyError::InvalidValue {
                    at: self.source(known, item),
                    key: known.key,
                    value: text.to_owned(),
                    reason,
                    remedy: None,
                });
            }
        }
    }

    fn items(
        &mut self,
        known: &'static Known,
        value: &Node,
        items: &[Node],
        is_right: fn(&Kind) -> bool,
    ) {
        if items.len() > RULES {
            self.errors.push(PolicyError::TooManyRules {
                at: self.at(value),
                limit: RULES,
            });
        }
        for item in items.iter().filter(|item| !is_right(&item.kind)) {
            self.wrong_type(known.key, item, known.shape.expected());
        }
    }

    pub(super) fn required(&mut self, section: &str, node: &Node, entries: &[(Key, Node)]) {
        for key in keys::REQUIRED {
            let (before, name) = key.rsplit_once('.').unwrap_or(("", key));
            let is_there = || entries.iter().any(|(key, _)| key.text == name);
            if before == section && !is_there() {
                let known = keys::find(before, name);
                let expected = known.map_or("a value", |known| known.shape.expected());
                self.missing(key, node, expected);
            }
        }
    }

    pub(super) fn missing(&mut self, key: &str, node: &Node, expected: &'static str) {
        self.errors.push(PolicyError::WrongType {
            at: self.at(node),
            key: key.to_owned(),
            expected,
            found: "missing",
            remedy: None,
        });
    }

    pub(super) fn wrong_type(&mut self, key: &str, node: &Node, expected: &'static str) {
        self.errors.push(PolicyError::WrongType {
            at: self.at(node),
            key: key.to_owned(),
            expected,
            found: node.kind.found(),
            remedy: None,
        });
    }

    pub(super) fn refuse(&mut self, known: &'static Known, key: &Key, missing: Missing) {
        let remedy = match known.shape {
            Shape::Boolean => Remedy::RemoveOr("false"),
            Shape::Texts | Shape::List => Remedy::RemoveOr("[]"),
            _ => Remedy::LeaveOut(known.key.to_owned()),
        };
        self.errors.push(PolicyError::Unsupported {
            at: self.document.at(key.span.clone()),
            what: known.key.to_owned(),
            reason: missing.reason(),
            remedy,
        });
    }

    /// The other sandbox is strict about credentials alone.
    pub(super) fn unknown_key(&mut self, section: &'static str, key: &Key) {
        let (table, known) = keys::of_section(section);
        let error = self.unknown(key, table, known);
        if section.starts_with("credentials") {
            self.errors.push(error);
        } else {
            self.warnings.push(error);
        }
    }

    pub(super) fn unknown_here(
        &mut self,
        key: &Key,
        table: &'static str,
        known: &'static [&'static str],
    ) {
        let error = self.unknown(key, table, known);
        self.errors.push(error);
    }

    fn unknown(
        &self,
        key: &Key,
        table: &'static str,
        known: &'static [&'static str],
    ) -> PolicyError {
        PolicyError::UnknownKey {
            at: self.document.at(key.span.clone()),
            table,
            key: key.text.to_string(),
            known,
        }
    }

    pub(super) fn at(&self, node: &Node) -> Location {
        self.document.at(node.span.clone())
    }

    pub(super) fn source(&self, known: &'static Known, node: &Node) -> Source {
        Source::Setting {
            key: known.key,
            at: Box::new(self.at(node)),
        }
    }
}

impl Node<'_> {
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    fn is_texts(&self) -> bool {
        matches!(&self.kind, Kind::List(items) if items.iter().all(|item| item.text().is_some()))
    }
}

impl Kind<'_> {
    /// The type's name as JSON has it.
    fn found(&self) -> &'static str {
        match self {
            Self::Table(_) => "an object",
            _ => self.name(),
        }
    }
}
