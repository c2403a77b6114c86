//! The tree that both formats are read into, so that one decoder answers for both.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::PolicyError;
use crate::map::Map;
use crate::source::Document;

/// A value and its place in the text.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind<'a>,
}

/// A key and its place in the text.
#[derive(Clone, Debug)]
pub(super) struct Key<'a> {
    pub(super) span: Range<usize>,
    pub(super) text: Cow<'a, str>,
}

#[derive(Clone, Debug)]
pub(super) enum Kind<'a> {
    String(Cow<'a, str>),
    /// A whole number that no `u64` is: negative, or very large.
    OddInteger,
    Integer(u64),
    Float,
    Boolean(bool),
    Date,
    Null,
    List(Vec<Node<'a>>),
    /// In the order of the text. JSON may have a key twice.
    Table(Vec<(Key<'a>, Node<'a>)>),
}

/// No policy is deeper than four levels. What lies below this one is left out of the tree: the value that holds it is of
/// the wrong type whatever is in it.
pub(super) const DEPTH: usize = 8;

/// An error for each key that stands further up already: of two answers none can be chosen.
pub(super) fn duplicates(entries: &[(Key, Node)], document: &Arc<Document>) -> Vec<PolicyError> {
    let mut first: Map<&str, &Key> = Map::default();
    first.reserve(entries.len());
    let mut errors = Vec::new();
    for (key, _) in entries {
        let first = first.entry(&key.text).or_insert(key);
        if !std::ptr::eq(*first, key) {
            errors.push(PolicyError::DuplicateKey {
                at: document.at(key.span.clone()),
                key: key.text.to_string(),
                first: document.at(first.span.clone()).line(),
            });
        }
    }
    errors
}

impl Kind<'_> {
    /// The type's name, with its article.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "a number",
            Self::OddInteger => "a negative or very large number",
            Self::Float => "a fraction",
            Self::Boolean(_) => "a boolean",
            Self::Date => "a date",
            Self::Null => "null",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}
