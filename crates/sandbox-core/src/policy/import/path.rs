//! Paths and patterns of settings in our own spelling.
//!
//! | there | here |
//! |---|---|
//! | `~`, `~/x`; relative to the current directory | the same |
//! | `..` of a relative path is folded as text | folded |
//! | `*`, `?`, `**` between slashes | the same |
//! | `dir/**` | `dir` |
//! | `[a-z]`; `!` and `^` in it are characters | the same set, with these characters last |
//! | `[` without `]`, `[]`, a range that runs backwards | these characters themselves |
//! | `**` beside other characters; a set with `/` in it | refused: no pattern of ours says that |
//! | a pattern is also the name that it spells, if that exists | two rules |

use std::ffi::OsString;

use crate::policy::entry::{self, FileEntry};
use crate::{Access, Source};

const UNSAYABLE: &str =
    "has a set that no pattern here can say: write a pattern for each character";

/// The characters that make a pattern of a text.
const SPECIAL: [char; 4] = ['*', '?', '[', ']'];

/// The rules that an entry stands for, or why it stands for none.
pub(super) fn rules(
    text: &str,
    is_literal: bool,
    denies: bool,
    access: Access,
    source: &Source,
) -> Result<Vec<FileEntry>, &'static str> {
    if let Some(reason) = entry::wrong_path(text.as_ref()) {
        return Err(reason);
    }
    let rule = |text: String, pattern, optional| FileEntry {
        text: OsString::from(text).into(),
        pattern,
        access,
        optional: optional || access == Access::Write,
        base: None,
        layer: 0,
        is_instead: false,
        source: source.clone(),
    };
    let is_pattern = !is_literal && text.contains(SPECIAL);
    if is_pattern && denies && text.ends_with('/') && text.starts_with(['/', '~']) {
        return Err("is a pattern that ends in `/`, and denies nothing");
    }
    let whole = if is_pattern { without_tree(text) } else { text };
    if is_literal || !whole.contains(SPECIAL) {
        return Ok(vec![rule(folded(whole), false, false)]);
    }
    let translated = translated(&folded(whole))?;
    Ok(vec![
        rule(translated, true, false),
        rule(folded(text), false, true),
    ])
}

/// A path of the second form, which begins with a variable instead of `.` or `~`.
pub(super) fn with_variables(text: &str) -> Result<String, &'static str> {
    let replaced = [("${CWD}", "."), ("${HOME}", "~")]
        .into_iter()
        .find_map(|(variable, place)| {
            let rest = text.strip_prefix(variable)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{place}{rest}"))
        });
    match replaced {
        Some(text) if !text.contains("${") => Ok(text),
        None if !text.contains("${") => Ok(text.to_owned()),
        _ => Err("has a variable elsewhere than `${CWD}` or `${HOME}` at its beginning"),
    }
}

/// Without the final `/**`, which means the tree and so the directory; nor final slashes.
fn without_tree(text: &str) -> &str {
    let text = match text {
        "**" => ".",
        "/**" => "/",
        _ => text.strip_suffix("/**").unwrap_or(text),
    };
    match text.trim_end_matches('/') {
        "" => "/",
        text => text,
    }
}

/// `..` of a relative path folded as text, as far as there is something to fold. The current directory has no links in
/// it, so that `..` at the beginning means the same either way.
fn folded(text: &str) -> String {
    if text.starts_with('/') || text == "~" || text.starts_with("~/") {
        return text.to_owned();
    }
    let mut names: Vec<&str> = Vec::new();
    for name in text.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => {
                names.pop();
            }
            _ => names.push(name),
        }
    }
    match names.first() {
        None => ".".to_owned(),
        // Else a name of somebody's home, to a pattern of ours.
        Some(first) if first.starts_with('~') => format!("./{}", names.join("/")),
        Some(_) => names.join("/"),
    }
}

fn translated(text: &str) -> Result<String, &'static str> {
    let mut pattern = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let after = rest.get(character.len_utf8()..).unwrap_or_default();
        rest = match character {
            '*' => {
                let end = after.trim_start_matches('*');
                let is_one = end.len() == after.len();
                let is_component = (pattern.is_empty() || pattern.ends_with('/'))
                    && (end.is_empty() || end.starts_with('/'));
                if !is_one && !is_component {
                    return Err(
                        "has `**` beside other characters: write `*`, or `**` between slashes",
                    );
                }
                pattern.push_str(if is_one { "*" } else { "**" });
                end
            }
            '[' => set(&mut pattern, after)?,
            '$' => {
                pattern.push_str("[$]");
                after
            }
            _ => {
                pattern.push(character);
                after
            }
        };
    }
    Ok(pattern)
}

/// Takes a set whose `[` was read; gives what follows it.
fn set<'a>(pattern: &mut String, after: &'a str) -> Result<&'a str, &'static str> {
    let is_set =
        |members: &&str| !members.is_empty() && !ranges(members).any(|(low, high)| low > high);
    let Some(members) = after
        .split_once(']')
        .map(|(members, _)| members)
        .filter(is_set)
    else {
        pattern.push_str("[[]");
        return Ok(after);
    };
    let rest = after.get(members.len() + 1..).unwrap_or_default();
    let has_slash =
        members.contains('/') || ranges(members).any(|(low, high)| low <= b'/' && b'/' <= high);
    let is_odd = !members.is_ascii() || members.contains("[:") || members.contains("--");
    if has_slash || is_odd {
        return Err(UNSAYABLE);
    }
    let Some(first) = members.strip_prefix(['!', '^']) else {
        pattern.extend(["[", members, "]"]);
        return Ok(rest);
    };
    let character = members.get(..1).unwrap_or_default();
    match first {
        "" => pattern.push_str(character),
        // Another one in the first place would turn the set into its opposite, and a hyphen beside it make a range.
        _ if first.starts_with(['!', '^', '-']) || first.ends_with('-') => return Err(UNSAYABLE),
        _ => pattern.extend(["[", first, character, "]"]),
    }
    Ok(rest)
}

/// The ranges of a set: its first and last bytes.
fn ranges(members: &str) -> impl Iterator<Item = (u8, u8)> {
    let bytes = members.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let (&low, next) = (bytes.get(at)?, bytes.get(at + 1));
            match (next, bytes.get(at + 2)) {
                (Some(b'-'), Some(&high)) => {
                    at += 3;
                    return Some((low, high));
                }
                _ => at += 1,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an entry becomes: patterns as they are, literal paths after `=`, those that need not exist after `?`.
    fn spelled(text: &str, denies: bool) -> String {
        match rules(text, false, denies, Access::Hide, &Source::Library) {
            Err(reason) => format!("error: {reason}"),
            Ok(rules) => rules
                .iter()
                .map(|rule| {
                    let mark = match (rule.pattern, rule.optional) {
                        (true, _) => "",
                        (false, false) => "=",
                        (false, true) => "?",
                    };
                    format!("{mark}{}", rule.text.to_str().unwrap())
                })
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    #[test]
    fn patterns_mean_the_same_in_our_spelling() {
        let beside = "error: has `**` beside other characters: write `*`, or `**` between slashes";
        let set = &format!("error: {UNSAYABLE}");
        for (there, here) in [
            (".", "=."),
            ("./src/", "=src"),
            ("a//b/./c", "=a/b/c"),
            ("a/../b", "=b"),
            ("../b", "=../b"),
            ("a/../../b", "=../b"),
            ("a/..", "=."),
            ("/a/../b/", "=/a/../b/"),
            ("~", "=~"),
            ("~/a/../b", "=~/a/../b"),
            ("~ana", "=./~ana"),
            ("d/**", "=d"),
            ("**", "=."),
            ("/**", "=/"),
            ("~/d/**", "=~/d"),
            ("*.pem", "*.pem ?*.pem"),
            ("**/.env", "**/.env ?**/.env"),
            ("a/**/b?", "a/**/b? ?a/**/b?"),
            ("~/**/k", "~/**/k ?~/**/k"),
            ("*/../b*", "b* ?b*"),
            ("~x*", "./~x* ?./~x*"),
            ("d*/**", "d* ?d*/**"),
            ("[a-c]x", "[a-c]x ?[a-c]x"),
            ("[!a]x", "[a!]x ?[!a]x"),
            ("[^a-c]x", "[a-c^]x ?[^a-c]x"),
            ("[!]x*", "!x* ?[!]x*"),
            ("[id]/$x", "[id]/[$]x ?[id]/$x"),
            ("a[b", "a[[]b ?a[b"),
            ("a]b", "a]b ?a]b"),
            ("a[]b", "a[[]]b ?a[]b"),
            ("[c-a]", "[[]c-a] ?[c-a]"),
            ("a***b", beside),
            ("a**", beside),
            ("**.env", beside),
            ("a/***/b", "a/**/b ?a/***/b"),
            ("[a/b]", set),
            ("[!-9]x", set),
            ("[+-9]x", set),
            ("[!^a]", set),
            ("[\u{e4}]", set),
            ("a*/", "a* ?a*"),
            (
                "/a*/",
                "error: is a pattern that ends in `/`, and denies nothing",
            ),
            ("", "error: is empty"),
            ("a\0", "error: contains a NUL byte"),
        ] {
            assert_eq!(spelled(there, true), here, "{there}");
        }
        assert_eq!(spelled("/a*/", false), "/a* ?/a*/");
    }

    #[test]
    fn variables_are_two_and_come_first() {
        for (there, here) in [
            ("${CWD}", Some(".")),
            ("${CWD}/a", Some("./a")),
            ("${HOME}/.ssh", Some("~/.ssh")),
            ("/a", Some("/a")),
            ("${HOME}x", None),
            ("${USER}", None),
            ("/a/${CWD}", None),
            ("${CWD}/${HOME}", None),
        ] {
            assert_eq!(with_variables(there).ok().as_deref(), here, "{there}");
        }
    }
}
