//! Text to tree, for both formats. The parsers are libraries; what is here gives each error its place.

use std::sync::Arc;

use jsonc_parser::ast;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::node::{DEPTH, Key, Kind, Node};
use crate::source::Document;
use crate::{PolicyError, Remedy};

/// Reads a text into a tree.
pub(super) type Parser = for<'a> fn(&'a str, &Arc<Document>) -> Result<Node<'a>, PolicyError>;

/// Reads TOML.
pub(super) fn toml<'a>(text: &'a str, document: &Arc<Document>) -> Result<Node<'a>, PolicyError> {
    // The recovering parser is asked for its first error only: after it, two mistakes become twelve.
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        let remedy = match text.get(span.clone()) {
            Some(key) if error.message() == "duplicate key" => Some(Remedy::Remove(key.to_owned())),
            _ => unquoted_path(text, span.start).then_some(Remedy::QuoteKey),
        };
        PolicyError::Syntax {
            remedy,
            at: document.at(span),
            format: "TOML",
            reason: error.message().lines().collect::<Vec<_>>().join(", "),
        }
    })?;
    let span = table.span();
    Ok(Node {
        span,
        kind: toml_table(table.into_inner(), DEPTH),
    })
}

/// Whether a line begins like a path: without quotes it is no key.
fn unquoted_path(text: &str, offset: usize) -> bool {
    let start = text
        .get(..offset)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |newline| newline + 1);
    text.get(start..)
        .is_some_and(|line| line.trim_start().starts_with(['/', '~', '.', '*', '$']))
}

fn toml_table(table: DeTable<'_>, depth: usize) -> Kind<'_> {
    if depth == 0 {
        return Kind::Table(Vec::new());
    }
    let mut entries: Vec<_> = table
        .into_iter()
        .map(|(key, value)| {
            (
                Key {
                    span: key.span(),
                    text: key.into_inner(),
                },
                toml_value(value, depth - 1),
            )
        })
        .collect();
    entries.sort_by_cached_key(|(key, _)| key.span.start);
    Kind::Table(entries)
}

fn toml_value(value: Spanned<DeValue<'_>>, depth: usize) -> Node<'_> {
    let span = value.span();
    let kind = match value.into_inner() {
        DeValue::String(text) => Kind::String(text),
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix())
            .map_or(Kind::OddInteger, Kind::Integer),
        DeValue::Float(_) => Kind::Float,
        DeValue::Boolean(value) => Kind::Boolean(value),
        DeValue::Datetime(_) => Kind::Date,
        DeValue::Array(_) if depth == 0 => Kind::List(Vec::new()),
        DeValue::Array(items) => Kind::List(
            items
                .into_iter()
                .map(|item| toml_value(item, depth - 1))
                .collect(),
        ),
        DeValue::Table(table) => toml_table(table, depth),
    };
    Node { span, kind }
}

/// JSON as RFC 8259 has it: the parser's defaults read a good deal more.
const STRICT: jsonc_parser::ParseOptions = jsonc_parser::ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads strict JSON.
pub(super) fn json<'a>(text: &'a str, document: &Arc<Document>) -> Result<Node<'a>, PolicyError> {
    let syntax = |range: jsonc_parser::common::Range, reason: String| PolicyError::Syntax {
        at: document.at(range.start..range.end),
        format: "JSON",
        reason,
        remedy: None,
    };
    let parsed =
        jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &STRICT)
            .map_err(|error| syntax(error.range(), lower_first(&error.kind().to_string())))?;
    let empty = || {
        syntax(
            jsonc_parser::common::Range::new(0, 0),
            "the text is empty; a policy is an object".to_owned(),
        )
    };
    parsed
        .value
        .map(|value| json_value(value, DEPTH))
        .ok_or_else(empty)
}

fn json_value(value: ast::Value<'_>, depth: usize) -> Node<'_> {
    use jsonc_parser::common::Ranged as _;
    let range = value.range();
    let kind = match value {
        ast::Value::StringLit(text) => Kind::String(text.value),
        ast::Value::NumberLit(number) if number.value.contains(['.', 'e', 'E']) => Kind::Float,
        ast::Value::NumberLit(number) => {
            number.value.parse().map_or(Kind::OddInteger, Kind::Integer)
        }
        ast::Value::BooleanLit(value) => Kind::Boolean(value.value),
        ast::Value::NullKeyword(_) => Kind::Null,
        ast::Value::Array(_) if depth == 0 => Kind::List(Vec::new()),
        ast::Value::Array(list) => Kind::List(
            list.elements
                .into_iter()
                .map(|item| json_value(item, depth - 1))
                .collect(),
        ),
        ast::Value::Object(_) if depth == 0 => Kind::Table(Vec::new()),
        ast::Value::Object(object) => Kind::Table(
            object
                .properties
                .into_iter()
                .map(|property| {
                    let range = property.name.range();
                    let key = Key {
                        span: range.start..range.end,
                        text: property.name.into_string().into(),
                    };
                    (key, json_value(property.value, depth - 1))
                })
                .collect(),
        ),
    };
    Node {
        span: range.start..range.end,
        kind,
    }
}

/// Messages of the parser begin with a capital, ours continue a sentence.
fn lower_first(message: &str) -> String {
    let mut characters = message.chars();
    characters.next().map_or(String::new(), |first| {
        first.to_lowercase().chain(characters).collect()
    })
}
