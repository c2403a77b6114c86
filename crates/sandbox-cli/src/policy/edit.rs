//! Changes of a policy's text: a line that is added, a value that is replaced, a line that is removed. Every other byte stays
//! as it is, so that there is nothing a backup would be for.

use std::ffi::OsStr;
use std::ops::Range;

use sandbox_core::DestinationPattern;
use toml_edit::{Document, Item, Key, Table, Value};

use crate::setting::normal;

/// A key of a table: `"src"` of `files`.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) table: &'static str,
    pub(super) key: String,
}

/// A text after one change.
#[derive(Debug)]
pub(super) struct Edited {
    pub(super) text: String,
    /// The lines that went.
    pub(super) removed: String,
    /// The lines that came.
    pub(super) added: String,
}

/// Why a text cannot be changed here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditProblem {
    /// A policy is TOML, so this is none.
    #[error("it is not TOML")]
    Toml(#[source] toml_edit::TomlError),
    /// The table has no lines.
    #[error("`{0}` has no lines of its own")]
    Inline(&'static str),
    #[error("the rule of `{0}` has more than one line")]
    Spread(String),
}

/// Sets a key. Where a rule is a table, its access alone is replaced, if `value` is no table itself.
pub(super) fn put(
    text: &str,
    place: &Place,
    key: &str,
    value: &str,
) -> Result<Edited, EditProblem> {
    let document = parse(text)?;
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let line = format!("{key} = {value}{newline}");
    let Some(table) = table(&document, place.table)? else {
        let blank = if text.is_empty() { "" } else { newline };
        let end = if is_whole(text) { "" } else { newline };
        let header = format!("{end}{blank}[{}]{newline}", place.table);
        return Ok(splice(text, text.len()..text.len(), &(header + &line)));
    };
    let Some(item) = find(table, place) else {
        let end = line_end(text, end_of(table));
        let missing = if is_whole(text.get(..end).unwrap_or_default()) {
            ""
        } else {
            newline
        };
        return Ok(splice(text, end..end, &format!("{missing}{line}")));
    };
    let old = match item {
        Item::Value(Value::InlineTable(rule)) if !value.starts_with('{') => {
            rule.get("access").and_then(Value::span).or(item.span())
        }
        Item::Value(old) => old.span(),
        _ => None,
    };
    match old {
        Some(old) => Ok(splice(text, old, value)),
        None => Err(EditProblem::Spread(place.key.clone())),
    }
}

/// Removes a key with its line; `None` if it is not there.
pub(super) fn take(text: &str, place: &Place) -> Result<Option<Edited>, EditProblem> {
    let document = parse(text)?;
    let Some(table) = table(&document, place.table)? else {
        return Ok(None);
    };
    let Some((key, item)) = find_key(table, place) else {
        return Ok(None);
    };
    match (item.is_value(), key, item.span()) {
        (true, Some(key), Some(value)) => {
            let lines = line_start(text, key.start)..line_end(text, value.end);
            Ok(Some(splice(text, lines, "")))
        }
        _ => Err(EditProblem::Spread(place.key.clone())),
    }
}

fn parse(text: &str) -> Result<Document<&str>, EditProblem> {
    Document::parse(text).map_err(EditProblem::Toml)
}

/// A table with a header of its own, below which its lines are.
fn table<'a>(
    document: &'a Document<&str>,
    name: &'static str,
) -> Result<Option<&'a Table>, EditProblem> {
    let mut table = document.as_table();
    for part in name.split('.') {
        match table.get(part) {
            None => return Ok(None),
            Some(Item::Table(inner)) if !inner.is_dotted() => table = inner,
            Some(_) => return Err(EditProblem::Inline(name)),
        }
    }
    // An implicit one has only tables with headers in it.
    Ok((!table.is_implicit()).then_some(table))
}

fn find<'a>(table: &'a Table, place: &Place) -> Option<&'a Item> {
    find_key(table, place).map(|(_, item)| item)
}

fn find_key<'a>(table: &'a Table, place: &Place) -> Option<(Option<Range<usize>>, &'a Item)> {
    let is_it = |key: &str| match place.table {
        "files" => normal(OsStr::new(key)) == normal(OsStr::new(&place.key)),
        "network.rules" => key == place.key || is_same_destination(key, &place.key),
        _ => key == place.key,
    };
    let (key, item) = table.iter().find(|(key, _)| is_it(key))?;
    Some((table.key(key).and_then(Key::span), item))
}

fn is_same_destination(one: &str, other: &str) -> bool {
    let meant = |text: &str| text.parse::<DestinationPattern>().ok();
    meant(one).is_some_and(|one| meant(other) == Some(one))
}

/// Where the last line of a table ends, tables with headers of their own left aside.
fn end_of(table: &Table) -> usize {
    fn last(item: &Item) -> Option<usize> {
        match item {
            Item::Value(value) => Some(value.span()?.end),
            Item::Table(inner) if inner.is_dotted() => {
                inner.iter().filter_map(|(_, item)| last(item)).max()
            }
            _ => None,
        }
    }
    let header = table.span().map_or(0, |span| span.end);
    let lines = table.iter().filter_map(|(_, item)| last(item));
    lines.max().unwrap_or(header).max(header)
}

fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(0, |newline| newline + 1)
}

/// Behind the line break.
fn line_end(text: &str, at: usize) -> usize {
    let after = text.get(at..).unwrap_or_default();
    after
        .find('\n')
        .map_or(text.len(), |newline| at + newline + 1)
}

fn is_whole(text: &str) -> bool {
    text.is_empty() || text.ends_with('\n')
}

/// Puts `with` in the place of a part, and says which lines that changed.
fn splice(text: &str, part: Range<usize>, with: &str) -> Edited {
    let before = text.get(..part.start).unwrap_or_default();
    let after = text.get(part.end..).unwrap_or_default();
    let edited = format!("{before}{with}{after}");
    let start = line_start(text, part.start);
    let is_lines = part.start == start && (with.is_empty() || with.ends_with('\n'));
    let end = |text: &str, end: usize| {
        if is_lines || part.is_empty() {
            end
        } else {
            line_end(text, end)
        }
    };
    let lines = |text: &str, end: usize| text.get(start..end).unwrap_or_default().to_owned();
    let removed = if part.is_empty() {
        String::new()
    } else {
        lines(text, end(text, part.end))
    };
    let added = if part.is_empty() {
        with.to_owned()
    } else {
        lines(&edited, end(&edited, part.start + with.len()))
    };
    Edited {
        text: edited,
        removed,
        added,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Mine.
extends = [\"agent\"]

[files]   # paths
# secrets
'./keys' = 'hide'  # why
\"big\"={access='read',optional=true}# kept

# between
x.access = \"read\"
# the end of it

[limits]
time = \"10m\"
";

    fn place(table: &'static str, key: &str) -> Place {
        Place {
            table,
            key: key.to_owned(),
        }
    }

    /// What changed, after a look whether all else is as it was.
    fn changed(before: &str, edited: &Edited) -> String {
        let rest = |text: &str, lines: &str| {
            assert!(text.contains(lines), "{lines:?} in {text:?}");
            text.replacen(lines, "", 1)
        };
        assert_eq!(
            rest(before, &edited.removed),
            rest(&edited.text, &edited.added)
        );
        format!("-{}+{}", edited.removed, edited.added)
    }

    #[test]
    fn a_rule_is_added_or_replaced_and_nothing_else_is_touched() {
        for (table, key, value, expected) in [
            ("files", "\"new\"", "\"read\"", "-+\"new\" = \"read\"\n"),
            (
                "files",
                "\"keys/\"",
                "\"read\"",
                "-'./keys' = 'hide'  # why\n+'./keys' = \"read\"  # why\n",
            ),
            (
                "files",
                "\"big\"",
                "\"write\"",
                "-\"big\"={access='read',optional=true}# kept\n+\"big\"={access=\"write\",optional=true}# kept\n",
            ),
            (
                "files",
                "\"keys\"",
                "{ access = \"read\", optional = true }",
                "-'./keys' = 'hide'  # why\n+'./keys' = { access = \"read\", optional = true }  # why\n",
            ),
            (
                "network",
                "default",
                "\"host\"",
                "-+\n[network]\ndefault = \"host\"\n",
            ),
            (
                "network.rules",
                "\"a.example\"",
                "\"deny\"",
                "-+\n[network.rules]\n\"a.example\" = \"deny\"\n",
            ),
            (
                "limits",
                "time",
                "\"9m\"",
                "-time = \"10m\"\n+time = \"9m\"\n",
            ),
        ] {
            let edited = put(TEXT, &place(table, key.trim_matches('"')), key, value).unwrap();
            assert_eq!(changed(TEXT, &edited), expected);
        }
        let edited = put(TEXT, &place("files", "new"), "\"new\"", "\"read\"").unwrap();
        assert!(
            edited
                .text
                .contains("x.access = \"read\"\n\"new\" = \"read\"\n# the end of it\n"),
            "{}",
            edited.text
        );
    }

    #[test]
    fn a_text_without_lines_or_with_others_ends_is_kept_too() {
        for (text, expected) in [
            ("", "[files]\na = 1\n"),
            ("# x", "# x\n\n[files]\na = 1\n"),
            ("[files]", "[files]\na = 1\n"),
            ("[files]\nb = 2", "[files]\nb = 2\na = 1\n"),
            (
                "[files]\r\n# x\r\n[limits]\r\n",
                "[files]\r\na = 1\r\n# x\r\n[limits]\r\n",
            ),
            (
                "[files]\nb = 2\n[files.c]\nd = 1\n",
                "[files]\nb = 2\na = 1\n[files.c]\nd = 1\n",
            ),
        ] {
            let edited = put(text, &place("files", "a"), "a", "1").unwrap();
            assert_eq!(edited.text, expected, "{text:?}");
        }
    }

    #[test]
    fn destinations_have_a_table_of_their_own() {
        let rules = "[network.rules]\n\"A.example.:443\" = \"allow\"  # why\n";
        let deny = |text: &str| {
            put(
                text,
                &place("network.rules", "a.example:443"),
                "\"a.example:443\"",
                "\"deny\"",
            )
        };
        assert_eq!(
            deny(rules).unwrap().text,
            "[network.rules]\n\"A.example.:443\" = \"deny\"  # why\n"
        );
        let default = "[network]\ndefault = \"ask\"\n";
        assert_eq!(
            deny(default).unwrap().text,
            format!("{default}\n[network.rules]\n\"a.example:443\" = \"deny\"\n")
        );
        let edited = put(rules, &place("network", "default"), "default", "\"ask\"").unwrap();
        assert_eq!(edited.text, format!("{rules}\n{default}"));
        for text in [
            "[network]\nrules = {}\n",
            "[network]\nrules.x = \"allow\"\n",
        ] {
            let error = deny(text).unwrap_err().to_string();
            assert_eq!(error, "`network.rules` has no lines of its own", "{text}");
        }
    }

    #[test]
    fn a_rule_is_removed_with_its_line() {
        for (key, expected) in [
            ("keys", "-'./keys' = 'hide'  # why\n+"),
            ("./big", "-\"big\"={access='read',optional=true}# kept\n+"),
        ] {
            let edited = take(TEXT, &place("files", key)).unwrap().unwrap();
            assert_eq!(changed(TEXT, &edited), expected);
        }
        for missing in [place("files", "other"), place("network", "default")] {
            assert!(take(TEXT, &missing).unwrap().is_none());
        }
    }

    #[test]
    fn what_has_no_line_of_its_own_is_left_alone() {
        let of = |text: &str, key: &str| {
            let put = put(text, &place("files", key), key, "1").map(|_| ());
            let take = take(text, &place("files", key)).map(|_| ());
            (
                put.map_err(|e| e.to_string()),
                take.map_err(|e| e.to_string()),
            )
        };
        let inline = Err("`files` has no lines of its own".to_owned());
        for text in ["files = { a = 'read' }\n", "files.a = 'read'\n"] {
            assert_eq!(of(text, "a"), (inline.clone(), inline.clone()), "{text}");
        }
        let spread = Err("the rule of `x` has more than one line".to_owned());
        assert_eq!(of(TEXT, "x"), (spread.clone(), spread));
    }
}
