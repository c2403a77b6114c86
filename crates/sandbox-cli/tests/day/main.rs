//! A day of ordinary work in the preset `agent`, and the same day without a sandbox: each step ends in the same way, says the same and leaves
//! the same files. Where it does not, events name what was denied, and whoever does what they say ends where it ends without a sandbox.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

mod files;
mod git;
mod packages;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sandbox_testing::{Host, Outcome};
use serde_json::Value;

const EVENTS: &str = "@policies/events";
/// When git's commits are made.
const LONG_AGO: &str = "2001-02-03T04:05:06Z";
/// More remedies than any step needs, one after the other.
const MOST_RUNS: usize = 9;

/// What somebody does, in the workspace that the steps before it left. It succeeds without a sandbox.
struct Step {
    script: &'static str,
    /// The names that are denied. Then it can be done again.
    denied: &'static [&'static str],
    /// What is not there besides, since the tool gave up.
    lost: &'static [&'static str],
}

const fn step(script: &'static str) -> Step {
    denied(script, &[])
}

const fn denied(script: &'static str, denied: &'static [&'static str]) -> Step {
    Step {
        script,
        denied,
        lost: &[],
    }
}

impl Step {
    const fn gives_up(self, lost: &'static [&'static str]) -> Self {
        Self { lost, ..self }
    }
}

/// How a step ended, and what is in the workspace since.
struct Done {
    outcome: Outcome,
    events: Vec<Value>,
    tree: BTreeMap<String, String>,
}

struct Day {
    host: Host,
    path: OsString,
    /// Caches in the home that tools ask for each time, and do without.
    tolerated: &'static [&'static str],
}

impl Day {
    /// The script makes what others wrote, beside the workspace.
    fn new(others: &str) -> Self {
        Self::with_path(std::env::var_os("PATH").unwrap_or_default(), others)
    }

    fn with_path(path: OsString, others: &str) -> Self {
        let settings = "[user]\n\tname = A\n\temail = a@example.com\n[init]\n\tdefaultBranch = main\n[protocol \"file\"]\n\tallow = always\n";
        let day = Self {
            host: Host::new().file("~/.gitconfig", settings),
            path,
            tolerated: &[],
        };
        let others = format!("cd @outside; {others}");
        day.run(&others, None).outcome.succeeds();
        day
    }

    /// Runs a script, without a sandbox or in one that has these options.
    fn run(&self, script: &str, options: Option<&[String]>) -> Done {
        let words = ["sh", "-ec", script];
        let run = match options {
            None => self.host.bare(words),
            Some(options) => {
                let run = self.host.sandbox(words).options(["--events", EVENTS]);
                run.options(options)
            }
        };
        let outcome = run
            .env("PATH", &self.path)
            .env("GIT_AUTHOR_DATE", LONG_AGO)
            .env("GIT_COMMITTER_DATE", LONG_AGO)
            .output();
        let mut events = Vec::new();
        if options.is_some() {
            let lines = self.host.read(EVENTS);
            fs::remove_file(self.host.path(EVENTS)).unwrap();
            let parsed = lines
                .lines()
                .map(|line| serde_json::from_str(line).unwrap());
            // What has changed is no step that failed.
            let mut denied: Vec<Value> = parsed.collect();
            denied.retain(|event| event.get("operation").is_some());
            denied.retain(|event| !self.tolerated.contains(&&*self.name(event)));
            events.extend(denied);
        }
        let mut tree = BTreeMap::new();
        self.add(&self.host.path("@ws"), &mut tree);
        Done {
            outcome,
            events,
            tree,
        }
    }

    /// What was denied, as steps name it.
    fn name(&self, event: &Value) -> String {
        let path = self.host.shorten(event["path"].as_str().unwrap_or("none"));
        path.replacen("@ws/", "", 1).replacen("@home", "~", 1)
    }

    /// What is below a directory, and what it is.
    fn add(&self, directory: &Path, tree: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let data = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(self.host.path("@ws")).unwrap();
            let name = name.to_string_lossy().into_owned();
            let content = if data.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else if data.is_file() && !varies(&name) {
                fs::read(&path).unwrap()
            } else {
                Vec::new()
            };
            // What was copied or unpacked with its time is older than the test.
            let time = Some(data.mtime()).filter(|time| *time < 1_600_000_000);
            let links = if data.is_dir() { 0 } else { data.nlink() };
            let content = content.escape_ascii();
            tree.insert(
                name,
                format!("{:o} {links} {time:?} {content}", data.mode()),
            );
            if data.is_dir() && !path.ends_with("incremental") {
                self.add(&path, tree);
            }
        }
    }

    /// Does what each event says, until there is none.
    fn confined(&self, step: &Step) -> Vec<Done> {
        let mut runs = Vec::new();
        let mut options = Vec::new();
        while runs.len() < MOST_RUNS {
            let done = self.run(step.script, Some(&options));
            let remedies: Vec<_> = done.events.iter().flat_map(remedy).collect();
            runs.push(done);
            if remedies.is_empty() {
                break;
            }
            options.extend(remedies);
        }
        runs
    }

    /// Does it all with a sandbox, then without.
    #[track_caller]
    fn passes(&self, steps: &[Step]) {
        let confined: Vec<_> = steps.iter().map(|step| self.confined(step)).collect();
        fs::remove_dir_all(self.host.path("@ws")).unwrap();
        fs::create_dir(self.host.path("@ws")).unwrap();
        for (step, runs) in steps.iter().zip(confined) {
            let bare = self.run(step.script, None);
            bare.outcome.succeeds();
            let events = runs.iter().flat_map(|done| &done.events);
            let names: BTreeSet<_> = events.map(|event| self.name(event)).collect();
            let denied: BTreeSet<_> = step.denied.iter().map(|&name| name.to_owned()).collect();
            let (first, last) = (runs.first().unwrap(), runs.last().unwrap());
            assert_eq!(names, denied, "{:?} {}", first.events, last.outcome.show());
            let explained: Vec<_> = step.denied.iter().chain(step.lost).collect();
            first.is_like(&bare, &explained);
            last.is_like(&bare, &[]);
            assert_eq!(last.events, [Value::Null; 0], "{}", last.outcome.show());
            let said = |done: &Done| (done.outcome.code(), done.outcome.text());
            assert_eq!(said(last), said(&bare), "{}", last.outcome.show());
        }
    }
}

impl Done {
    /// The same files, but for these and what is below them.
    #[track_caller]
    fn is_like(&self, other: &Self, explained: &[&&str]) {
        for name in self.tree.keys().chain(other.tree.keys()) {
            let (ours, theirs) = (self.tree.get(name), other.tree.get(name));
            let is_explained = explained.iter().any(|it| Path::new(name).starts_with(it));
            assert!(
                ours == theirs || is_explained,
                "{name}: {ours:.300?} instead of {theirs:.300?}: {}",
                self.outcome.show()
            );
        }
    }
}

/// The options that the remedy of an event is.
fn remedy(event: &Value) -> Vec<String> {
    let lines: toml::Table = toml::from_str(event["remedy"].as_str().unwrap_or_default()).unwrap();
    let option = |(path, _)| ["--write".to_owned(), path];
    lines.into_iter().flat_map(option).collect()
}

/// Whether there are times or chance in a file.
fn varies(name: &str) -> bool {
    let varying = [
        "/index",
        "/FETCH_HEAD",
        ".mtimes",
        ".pyc",
        ".rlib",
        ".rustc_info.json",
    ];
    name.contains("/.fingerprint/") || varying.iter().any(|end| name.ends_with(end))
}
