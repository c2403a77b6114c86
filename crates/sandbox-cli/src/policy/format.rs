//! One form for policies: a space around each `=`, those of neighbouring lines below each other, one blank line between
//! tables. Every comment stays where it is, and the policy means what it meant.

use toml_edit::{DocumentMut, Item, Key, RawString, Table, TomlError};

/// The text in its form.
///
/// # Errors
///
/// The text is not TOML.
pub(crate) fn formatted(text: &str) -> Result<String, TomlError> {
    let mut document: DocumentMut = text.replace("\r\n", "\n").parse()?;
    let mut is_first = true;
    table(document.as_table_mut(), &mut is_first);
    let trailing = lines(document.trailing().as_str().unwrap_or_default());
    document.set_trailing(trailing);
    let text = document.to_string();
    // What a multi-line string contains is the policy's; only the end of the file is ours.
    Ok(match text.trim_matches('\n') {
        "" => String::new(),
        text => format!("{text}\n"),
    })
}

/// Formats a table and those in it; `is_first` while nothing has been written.
fn table(table: &mut Table, is_first: &mut bool) {
    if !table.is_implicit() && !table.is_dotted() && table.position().is_some() && !*is_first {
        let before = lines(raw(table.decor().prefix()));
        // Comments above a blank line are about the table before.
        let has_blank = before.starts_with('\n') || before.contains("\n\n");
        let blank = if has_blank { "" } else { "\n" };
        table.decor_mut().set_prefix(format!("{blank}{before}"));
    } else if table.decor().prefix().is_some() {
        let before = lines(raw(table.decor().prefix()));
        table
            .decor_mut()
            .set_prefix(before.trim_start_matches('\n').to_owned());
    }
    let after = comment(raw(table.decor().suffix()));
    table.decor_mut().set_suffix(after);
    let names: Vec<String> = table
        .iter()
        .filter(|(_, item)| item.is_value())
        .map(|(name, _)| name.to_owned())
        .collect();
    if !names.is_empty() || table.position().is_some() {
        *is_first = false;
    }
    let mut group = Vec::new();
    for name in &names {
        let Some((mut key, item)) = table.get_key_value_mut(name) else {
            continue;
        };
        let before = lines(raw(key.leaf_decor().prefix()));
        let before = if group.is_empty() {
            before.trim_start_matches('\n')
        } else {
            &before
        };
        key.leaf_decor_mut().set_prefix(before.to_owned());
        if let Item::Value(value) = item {
            let after = comment(raw(value.decor().suffix()));
            value.decor_mut().set_prefix(" ");
            value.decor_mut().set_suffix(after);
        }
        group.push((name.clone(), !before.is_empty()));
    }
    align(table, &group);
    for (_, item) in table.iter_mut() {
        if let Item::Table(inner) = item {
            self::table(inner, is_first);
        }
    }
}

/// Puts the `=` of lines with nothing between them below each other.
fn align(table: &mut Table, names: &[(String, bool)]) {
    let mut rest = names;
    while let Some(((first, _), others)) = rest.split_first() {
        let more = others.iter().take_while(|(_, begins)| !begins).count();
        let (group, after) = others.split_at(more);
        let group: Vec<&String> = std::iter::once(first)
            .chain(group.iter().map(|(name, _)| name))
            .collect();
        let width =
            |table: &Table, name: &str| table.key(name).map_or(0, |key| shown(key).chars().count());
        let widest = group
            .iter()
            .map(|name| width(table, name))
            .max()
            .unwrap_or(0);
        for name in group {
            let missing = widest.saturating_sub(width(table, name)) + 1;
            if let Some(mut key) = table.key_mut(name) {
                key.leaf_decor_mut().set_suffix(" ".repeat(missing));
            }
        }
        rest = after;
    }
}

/// A key as it is written.
fn shown(key: &Key) -> String {
    key.display_repr().into_owned()
}

fn raw(text: Option<&RawString>) -> &str {
    text.and_then(RawString::as_str).unwrap_or_default()
}

/// Comments and blank lines before something: each at the margin, no two blank lines together.
fn lines(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    // What follows the last line break is the indentation of what comes next.
    let end = text.rfind('\n').map_or(0, |at| at + 1);
    let whole = text.get(..end).unwrap_or_default();
    for line in whole.lines().map(str::trim) {
        if !line.is_empty() || kept.last().is_none_or(|last| !last.is_empty()) {
            kept.push(line);
        }
    }
    kept.iter().flat_map(|line| [line, "\n"]).collect()
}

/// A comment at the end of a line.
fn comment(text: &str) -> String {
    match text.trim() {
        "" => String::new(),
        comment => format!("  {comment}"),
    }
}

#[cfg(test)]
mod tests {
    use sandboxed::Policy;

    use super::*;

    /// Texts, ugly and not.
    const TEXTS: [&str; 8] = [
        "",
        "# only a comment\n",
        "extends=['agent']\n[files]\n'.'='write'\n",
        "#:schema x\n\n\n\n# The start.\nextends = [\n  \"agent\", # why\n]\n\n\n\n[files]   # paths\n\n  # secrets\n\"~/.ssh\"=\"hide\"\n'/srv/cache' =   { access='scratch' , optional = true }# gone\n\n\n\"x\" = \"read\"\n# the end of it\n[limits]\ntime='10m'\n\n# after all\n\n\n",
        "[network]\r\ndefault='host'\r\n\r\n[environment]\r\nCI={set='1'}\r\n",
        "[files]\nexact.access = \"read\"\n\"é\" = \"read\"\n\"日本\" = \"hide\"\n",
        "[files]\n# \"a\" = \"read\"\n\n[limits]\n#time = 1\n# about it\n[system]\n",
        "files.\".\" = \"write\"\nfiles.x = \"read\"\n",
    ];

    #[test]
    fn the_form() {
        insta::assert_snapshot!(formatted(TEXTS[3]).unwrap(), @r#"
        #:schema x

        # The start.
        extends = [
          "agent", # why
        ]

        [files]  # paths
        # secrets
        "~/.ssh"     = "hide"
        '/srv/cache' = { access='scratch' , optional = true }  # gone

        "x" = "read"

        # the end of it
        [limits]
        time = '10m'

        # after all
        "#);
        insta::assert_snapshot!(formatted(TEXTS[2]).unwrap(), @"
        extends = ['agent']

        [files]
        '.' = 'write'
        ");
    }

    #[test]
    fn formatting_changes_no_meaning_and_loses_no_comment() {
        let comments = |text: &str| {
            let lines = text.lines().filter_map(|line| line.split_once('#'));
            lines
                .map(|(_, comment)| comment.trim().to_owned())
                .collect::<Vec<_>>()
        };
        for text in TEXTS {
            let once = formatted(text).unwrap();
            assert_eq!(formatted(&once).unwrap(), once, "{text}");
            let meaning = |text: &str| Policy::from_toml(text, None).unwrap().to_string();
            assert_eq!(meaning(&once), meaning(text), "{text}");
            assert_eq!(comments(&once), comments(text), "{text}");
        }
    }
}
