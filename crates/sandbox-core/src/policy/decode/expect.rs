//! What every part of the decoder expects of a node, and the errors where it is something else.

use std::ffi::OsStr;

use super::super::node::{Key, Kind, Node, duplicates};
use super::{Decoder, RULES};
use crate::escape::toml_string;
use crate::remedy::nearest;
use crate::{Location, PolicyError, Remedy, Source};

impl Decoder<'_> {
    /// The entries of a table; nothing, and an error, if it is none.
    pub(super) fn table<'n>(
        &mut self,
        name: &str,
        node: &'n Node<'n>,
        expected: &'static str,
        remedy: Option<Remedy>,
    ) -> &'n [(Key<'n>, Node<'n>)] {
        let Kind::Table(entries) = &node.kind else {
            self.wrong_type(name, node, expected, remedy);
            return &[];
        };
        if entries.len() > RULES {
            self.errors.push(PolicyError::TooManyRules {
                at: self.at(node),
                limit: RULES,
            });
            return &[];
        }
        self.errors.extend(duplicates(entries, self.document));
        entries
    }

    /// The items of a list; nothing, and an error, if it is none.
    pub(super) fn list<'n>(&mut self, name: &str, node: &'n Node<'n>) -> &'n [Node<'n>] {
        match &node.kind {
            Kind::List(items) if items.len() > RULES => {
                self.errors.push(PolicyError::TooManyRules {
                    at: self.at(node),
                    limit: RULES,
                });
                &[]
            }
            Kind::List(items) => items,
            Kind::String(word) => {
                self.wrong_type(
                    name,
                    node,
                    "a list",
                    Some(Remedy::Write(format!("[{}]", toml_string(word)))),
                );
                &[]
            }
            _ => {
                self.wrong_type(name, node, "a list", None);
                &[]
            }
        }
    }

    /// The text of a string that is one of these words.
    pub(super) fn string<'n>(
        &mut self,
        key: &str,
        node: &'n Node<'n>,
        expected: &'static str,
        words: &'static [&'static str],
    ) -> Option<&'n str> {
        if let Kind::String(text) = &node.kind {
            return Some(text);
        }
        self.wrong_type(key, node, expected, Some(Remedy::OneOf(words)));
        None
    }

    pub(super) fn word<T: Copy>(
        &mut self,
        key: &str,
        node: &Node,
        kind: &'static str,
        all: &[T],
        words: &'static [&'static str],
    ) -> Option<T> {
        let text = self.string(key, node, "a string", words)?;
        let choice = words
            .iter()
            .zip(all)
            .find(|(word, _)| **word == text)
            .map(|(_, choice)| *choice);
        if choice.is_none() {
            self.unknown_word(node, kind, key, text, words);
        }
        choice
    }

    /// Whether the table of a rule has any key that a rule has. `package.json = "read"` in TOML is a table `package`
    /// with a key `json`: what is missing then is quotes, not a key.
    pub(super) fn has_one_of(
        &mut self,
        key: &Key,
        node: &Node,
        entries: &[(Key, Node)],
        known: &[&str],
        expected: &'static str,
    ) -> bool {
        let Kind::Table(_) = node.kind else {
            return false;
        };
        let any = |entry: &(Key, Node)| {
            known.contains(&&*entry.0.text) || nearest(&entry.0.text, known).is_some()
        };
        if entries.iter().any(any) {
            return true;
        }
        let quoted = self.document.at(key.span.clone()).is_quoted();
        let dotted = !quoted && !entries.is_empty();
        self.errors.push(PolicyError::WrongType {
            at: if dotted {
                self.document.at(key.span.clone())
            } else {
                self.at(node)
            },
            key: key.text.to_string(),
            expected,
            found: if entries.is_empty() {
                "an empty table"
            } else {
                "another table"
            },
            remedy: dotted.then_some(Remedy::QuoteKey),
        });
        false
    }

    pub(super) fn wrong_type(
        &mut self,
        key: &str,
        node: &Node,
        expected: &'static str,
        remedy: Option<Remedy>,
    ) {
        let (at, key, found) = (self.at(node), key.to_owned(), node.kind.name());
        self.errors.push(PolicyError::WrongType {
            at,
            key,
            expected,
            found,
            remedy,
        });
    }

    pub(super) fn unknown_key(
        &mut self,
        key: &Key,
        table: &'static str,
        known: &'static [&'static str],
    ) {
        let at = self.document.at(key.span.clone());
        self.errors.push(PolicyError::UnknownKey {
            at,
            table,
            key: key.text.to_string(),
            known,
        });
    }

    pub(super) fn unknown_word(
        &mut self,
        node: &Node,
        kind: &'static str,
        key: &str,
        value: &str,
        known: &'static [&'static str],
    ) {
        let (at, key, value) = (self.at(node), key.to_owned(), value.to_owned());
        self.errors.push(PolicyError::UnknownWord {
            at,
            kind,
            key,
            value,
            known,
        });
    }

    pub(super) fn wrong_name(&mut self, kind: &'static str, key: &Key, reason: &'static str) {
        let (at, name) = (self.source(key), OsStr::new(&*key.text).to_owned());
        self.errors.push(PolicyError::InvalidName {
            at,
            kind,
            name,
            reason,
        });
    }

    pub(super) fn at(&self, node: &Node) -> Location {
        self.document.at(node.span.clone())
    }

    pub(super) fn source(&self, key: &Key) -> Source {
        Source::File(self.document.at(key.span.clone()))
    }
}
