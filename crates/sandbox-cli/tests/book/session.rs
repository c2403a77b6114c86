//! Somebody who types what a page says.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use sandbox_testing::{Host, needs, tool, toolchain};

use crate::answers;
use crate::block::Block;
use crate::compare::is_like;
use crate::home;

/// The home that the pages speak of.
const HOME: &str = "/home/ana";

pub(crate) struct Session {
    host: Host,
    /// Where the last line was left.
    directory: PathBuf,
    /// Its `PATH`.
    search: OsString,
}

/// A line that is typed, and what is shown below it.
struct Step<'a> {
    typed: String,
    shown: Vec<&'a str>,
}

impl Session {
    pub(crate) fn new() -> Self {
        let host = home::host();
        // What a version manager puts before the system's own programs needs a home of its kind.
        let search = env::var_os("PATH").unwrap_or_default();
        let search = [host.path("@root/tools")]
            .into_iter()
            .chain(toolchain())
            .chain([PathBuf::from("/usr/bin")])
            .chain(env::split_paths(&search));
        let search = env::join_paths(search).unwrap_or_else(|error| panic!("{error}"));
        Self {
            directory: host.path("~/shop"),
            search,
            host,
        }
    }

    /// Does what a block says.
    #[track_caller]
    pub(crate) fn read(&mut self, page: &str, block: &Block<'_>) {
        let place = format!("{page}:{}", block.line);
        match block.language {
            "console" => {
                block.has_only(&["needs"]);
                let program = block.word("needs");
                if program.is_none_or(|name| needs(name, tool(name).is_some())) {
                    self.type_all(&place, block);
                }
            }
            "toml" => {
                block.has_only(&["answers", "file", "refused"]);
                let text = self.real(&(block.lines.join("\n") + "\n"));
                let path = self.put(block.word("file").unwrap_or("policy.toml"), &text);
                let policy = sandbox_core::Policy::from_file(&path);
                let is_refused = block.word("refused").is_some();
                assert_eq!(policy.is_err(), is_refused, "{place}: {policy:?}");
                if block.word("answers").is_some() {
                    answers::are_given(self, &place, &path, &block.rows);
                }
                if block.word("file").is_none() {
                    drop(fs::remove_file(path));
                }
            }
            "json" => {
                let text = block.lines.join("\n");
                let value = serde_json::from_str::<serde_json::Value>(&text);
                assert!(value.is_ok(), "{place}: {value:?}");
            }
            _ => (),
        }
    }

    #[track_caller]
    fn type_all(&mut self, place: &str, block: &Block<'_>) {
        let steps = steps(&block.lines);
        assert!(!steps.is_empty(), "{place}: nothing to type");
        for step in steps {
            let (printed, succeeded) = self.type_line(&step.typed);
            let lines: Vec<_> = printed.trim_end().lines().collect();
            assert!(
                is_like(&step.shown, &lines),
                "{place}\n$ {}\n{printed}",
                step.typed
            );
            // Who sees nothing takes it for done.
            assert!(
                succeeded || !step.shown.is_empty(),
                "{place}\n$ {}\nfails",
                step.typed
            );
        }
    }

    /// What is printed by a line, and whether it succeeds. Only the directory is kept for the next one.
    pub(crate) fn type_line(&mut self, line: &str) -> (String, bool) {
        let line = self.real(line);
        let left = self.host.path("@root/left");
        let script = format!(
            "exec 2>&1\n{line}\ncode=$?\npwd > '{}'\nexit $code",
            left.display()
        );
        let outcome = self
            .host
            .bare(["sh", "-c", &script])
            .cwd(&self.directory)
            .env("PATH", &self.search)
            .env("GITHUB_TOKEN", "SECRET token")
            .output();
        self.directory = self.host.read(&left).trim_end().into();
        let printed = outcome.text().replace(&self.home(), HOME);
        (printed, outcome.status.success())
    }

    /// Writes a file of the current directory.
    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.join(name);
        self.host.write(&path, text);
        path
    }

    fn home(&self) -> String {
        self.host.path("~").display().to_string()
    }

    /// With the home that there is.
    fn real(&self, text: &str) -> String {
        text.replace(HOME, &self.home())
    }
}

/// `$ ` begins a line that is typed, `> ` below it goes on with it.
fn steps<'a>(lines: &[&'a str]) -> Vec<Step<'a>> {
    let mut steps: Vec<Step<'a>> = Vec::new();
    for line in lines {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(typed), _) => steps.push(Step {
                typed: typed.to_owned(),
                shown: Vec::new(),
            }),
            (None, None) => panic!("output before the first command: {line}"),
            (None, Some(step)) => match line.strip_prefix("> ") {
                Some(more) if step.shown.is_empty() => {
                    step.typed.push('\n');
                    step.typed.push_str(more);
                }
                _ => step.shown.push(line),
            },
        }
    }
    // Blank lines at the end are for the eye.
    for step in &mut steps {
        let shown = step.shown.iter().rposition(|line| !line.is_empty());
        step.shown.truncate(shown.map_or(0, |last| last + 1));
    }
    steps
}

/// Reads one page in a session of its own.
#[track_caller]
fn reads(text: &str) {
    let mut session = Session::new();
    for block in crate::block::blocks(text) {
        session.read("page", &block);
    }
}

#[test]
fn a_session_goes_on_where_it_was() {
    reads(
        "```console\n$ cd ..\n$ cat shop/Makefile |\n> wc -l\n2\n$ echo a; echo b >&2\na\nb\n\n```\n\
         ```toml,file:x.toml\n[files]\n```\n```console\n$ cat /home/ana/x.toml\n[files]\n```\n",
    );
}

#[test]
#[should_panic(expected = "page:1\n$ echo a\na\n")]
fn what_is_printed_otherwise_is_told() {
    reads("```console\n$ echo a\nb\n```\n");
}

#[test]
#[should_panic(expected = "fails")]
fn what_fails_in_silence_is_told() {
    reads("```console\n$ false\n```\n");
}

#[test]
#[should_panic(expected = "| `test.js` | `write` |")]
fn an_answer_that_is_not_given_is_told() {
    reads(
        "```toml,answers\n[files]\n\".\" = \"read\"\n```\n\n| p | a |\n|---|---|\n| `src` | `read` |\n| `test.js` | `write` |\n",
    );
}

#[test]
#[should_panic(expected = "UnknownWord")]
fn a_policy_that_is_none_is_told() {
    reads("```toml\n[files]\n\".\" = \"rad\"\n```\n");
}
