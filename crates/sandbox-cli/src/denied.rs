//! What a person reads of denials when the command has ended: a few lines, each with the option that would allow it.

use std::path::{Path, PathBuf};

use sandbox_core::{escaped, literal_pattern};
use sandboxed::{Attempt, Event};

use crate::render;

/// More than this nobody reads: of connections, and of files, of which a program tries many for one reason.
const SHOWN: usize = 20;
const FILES_SHOWN: usize = 5;

/// What was denied, in lines.
#[derive(Debug)]
pub(crate) struct Denied {
    /// Where the command runs: names below it are shown from there, and an option may have them so.
    directory: PathBuf,
    lines: Vec<String>,
    files: usize,
    has_more: bool,
}

impl Denied {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            lines: Vec::new(),
            files: 0,
            has_more: false,
        }
    }

    /// Takes one more.
    pub(crate) fn add(&mut self, event: &Event) {
        self.has_more |= event.omitted > 0;
        let line = line(event, &self.directory);
        if self.lines.contains(&line) {
            return;
        }
        let is_file = is_file(&event.attempt);
        if self.lines.len() >= SHOWN || (is_file && self.files >= FILES_SHOWN) {
            self.has_more = true;
            return;
        }
        self.files += usize::from(is_file);
        self.lines.push(line);
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Whether there is something that no line tells of.
    pub(crate) const fn has_more(&self) -> bool {
        self.has_more
    }
}

/// Whether `[files]` is what decides about it.
const fn is_file(attempt: &Attempt) -> bool {
    matches!(attempt, Attempt::Write { .. } | Attempt::Socket { .. })
}

/// What was denied, why, and the option that would allow it.
fn line(event: &Event, directory: &Path) -> String {
    let what = match &event.attempt {
        Attempt::Write { path } | Attempt::Socket { path } => {
            let shown = render::below(path, directory);
            format!("{} {}", event.operation, escaped(shown))
        }
        _ => escaped(&event.target()).to_string(),
    };
    let rule = event.decision.rule.as_ref();
    let has_reason = rule.is_some_and(|rule| rule.message.is_some() || rule.reason.is_some());
    // That no rule allows it, or one denies it, is all that there is to say of a destination.
    let is_told = is_file(&event.attempt) || has_reason || event.detail.is_some();
    let why = event.why().filter(|_| is_told);
    let why = why.map_or(String::new(), |why| format!(" ({why})"));
    let allowed = match &event.decision.remedy {
        None => String::new(),
        Some(remedy) => match options(&event.attempt, remedy, directory) {
            Some(options) => format!("; `{options}` allows it"),
            None => format!("; a rule allows it: {}", remedy.replace('\n', ", ")),
        },
    };
    format!("denied {what}{why}{allowed}")
}

/// The options that say the same as these lines of a policy, if there are any.
fn options(attempt: &Attempt, remedy: &str, directory: &Path) -> Option<String> {
    let rules: toml::Table = toml::from_str(remedy).ok()?;
    let is_file = is_file(attempt);
    let option = |(key, rule): (&String, &toml::Value)| match (rule.as_str(), is_file) {
        (Some("allow"), false) => Some(format!("--allow {}", quoted(key)?)),
        (Some("write"), true) => Some(format!("--write {}", quoted(&from_here(key, directory))?)),
        // It takes a path and no pattern.
        (None, true) if rule.get("optional").is_some() && !key.contains('[') => {
            Some(format!("--make {}", quoted(&from_here(key, directory))?))
        }
        _ => None,
    };
    let options: Option<Vec<String>> = rules.iter().map(option).collect();
    Some(options?.join(" "))
}

/// A pattern of an absolute path as it can be written where the command runs.
fn from_here(pattern: &str, directory: &Path) -> String {
    let here = directory.to_str().map(literal_pattern);
    let below = here.and_then(|here| pattern.strip_prefix(&format!("{here}/")));
    match below {
        // Neither an option nor a home.
        Some(below) if below.starts_with(['-', '~']) => format!("./{below}"),
        Some(below) => below.to_owned(),
        None => pattern.to_owned(),
    }
}

/// A word as a shell reads it; `None` for one that cannot be copied from a terminal.
fn quoted(word: &str) -> Option<String> {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "_./:@%+=,-".contains(character);
    if word.chars().all(is_plain) {
        return Some(word.to_owned());
    }
    let is_printable = escaped(word).to_string() == word;
    (is_printable && !word.contains('\'')).then(|| format!("'{word}'"))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use sandbox_core::{Decision, Operation};

    use super::*;

    #[test]
    fn a_remedy_is_an_option_where_one_says_the_same() {
        let connect = Attempt::connect(std::net::Ipv4Addr::LOCALHOST, 1);
        for (remedy, expected) in [
            (
                "\"a.example:443\" = \"allow\"",
                Some("--allow a.example:443"),
            ),
            ("\"[::1]:80\" = \"allow\"", Some("--allow '[::1]:80'")),
            ("\"*.a.example\" = \"allow\"", Some("--allow '*.a.example'")),
            (
                "\"a.example:53\" = { access = \"allow\", udp = true }",
                None,
            ),
            ("no rule", None),
        ] {
            let found = options(&connect, remedy, "/w".as_ref());
            assert_eq!(found.as_deref(), expected, "{remedy}");
        }
        let write = Attempt::write("/w/x");
        for (remedy, expected) in [
            (r#""/w/.vscode" = "write""#, Some("--write .vscode")),
            (r#""/w" = "write""#, Some("--write /w")),
            (r#""/wx" = "write""#, Some("--write /wx")),
            (r#""/w/-x" = "write""#, Some("--write ./-x")),
            (r#""/w/~" = "write""#, Some("--write './~'")),
            (r#""/w/a b[*]" = "write""#, Some("--write 'a b[*]'")),
            (r#""/w/a\u001B" = "write""#, None),
            (
                r#""/etc/x" = { access = "write", optional = true }"#,
                Some("--make /etc/x"),
            ),
            (
                r#""/w/x" = { access = "write", optional = true }"#,
                Some("--make x"),
            ),
            (r#""/w/x[*]" = { access = "write", optional = true }"#, None),
            (r#""/w/it's" = "write""#, None),
            (
                "\"/etc\" = \"write\"\n\"/etc/.git\" = \"write\"",
                Some("--write /etc --write /etc/.git"),
            ),
        ] {
            let found = options(&write, remedy, "/w".as_ref());
            assert_eq!(found.as_deref(), expected, "{remedy}");
        }
        let odd = options(&write, r#""/a[*]/x" = "write""#, "/a*".as_ref());
        assert_eq!(odd.as_deref(), Some("--write x"));
    }

    #[test]
    fn a_few_lines_are_told_each_once() {
        let event = |path: String, count| {
            let decision = Decision::denied(None, None);
            let attempt = Attempt::write(path);
            let time = SystemTime::UNIX_EPOCH;
            let mut event = Event::new(Operation::Create, attempt, decision, time);
            event.count = count;
            event
        };
        let mut denied = Denied::new("/w".as_ref());
        for number in 0..FILES_SHOWN {
            denied.add(&event(format!("/w/{number}"), 1));
        }
        denied.add(&event("/w/0".to_owned(), 7));
        assert!(!denied.has_more());
        assert_eq!(denied.lines().count(), FILES_SHOWN);
        assert_eq!(denied.lines().next(), Some("denied create 0"));
        denied.add(&event("/w/more".to_owned(), 1));
        assert!(denied.has_more());
        assert_eq!(denied.lines().count(), FILES_SHOWN);
    }
}
