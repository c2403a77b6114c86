//! The search for what patterns match in a large tree: ours for one pattern and for many, next to `find` for one of them.
//!
//! `walk [--rounds N] [--files N]`. Needs `find`.

#![expect(clippy::print_stdout, reason = "its output is the table")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};

use benches::{Contender, Error, Home, interleave, micros, ratio, start};
use ignore::{WalkBuilder, WalkState};
use lexopt::prelude::*;
use sandboxed::{Context, Policy};

struct Options {
    rounds: usize,
    files: usize,
}

/// Files of a directory, and directories of one: as in a tree of JavaScript packages.
const FILES: usize = 14;
const DIRECTORIES: usize = 100;
/// A file of so many is one that the first pattern matches.
const MATCHES: usize = 10_000;
/// Patterns of the contender with many.
const MANY: usize = 50;

pub(crate) fn main() -> ExitCode {
    let result = options().and_then(|options| run(&options));
    result.map_or_else(|error| error.report(), |()| ExitCode::SUCCESS)
}

fn options() -> Result<Options, Error> {
    let mut options = Options {
        rounds: 11,
        files: 280_000,
    };
    let mut words = lexopt::Parser::from_env();
    while let Some(word) = words.next()? {
        match word {
            Long("rounds") => options.rounds = words.value()?.parse()?,
            Long("files") => options.files = words.value()?.parse()?,
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), Error> {
    let home = Home::new()?;
    let tree = home.workspace().join("tree");
    let expected = fill(&tree, options.files)?;
    let mut contenders = [
        Contender::new("find, one pattern", || {
            let mut find = Command::new("find");
            find.arg(&tree)
                .args(["-name", ".env", "-fprint", "/dev/null"]);
            start("find", &mut find)
        }),
        Contender::new("one thread, standard library", || {
            count("one thread", expected, plain(&tree))
        }),
        Contender::new("crate `ignore`, parallel", || {
            count("ignore", expected, parallel(&tree))
        }),
        Contender::new("no pattern", || resolve(&tree, 0, 0)),
        Contender::new("one pattern", || resolve(&tree, 1, expected)),
        Contender::new("fifty patterns", || resolve(&tree, MANY, expected)),
    ];
    interleave(&mut contenders, options.rounds)?;
    println!(
        "{} files in {} directories; median ms of {} interleaved rounds\n",
        options.files,
        options.files.div_ceil(FILES),
        options.rounds
    );
    let find = contenders.first().map_or(1, |find| micros(find.median()));
    println!("{:<30}{:>10}{:>14}", "", "ms", "ratio to find");
    for contender in &contenders {
        let time = micros(contender.median());
        println!(
            "{:<30}{:>10.1}{:>14.3}",
            contender.name,
            ratio(time, 1000),
            ratio(time, find)
        );
    }
    println!("\n(goal: below 500 ms for any number of patterns)");
    Ok(())
}

/// Makes the tree; says how many files in it are called `.env`.
fn fill(tree: &Path, files: usize) -> Result<usize, Error> {
    let mut matches = 0;
    for number in 0..files {
        let directory = number / FILES;
        let directory = tree.join(format!("p{}/d{directory}", directory / DIRECTORIES));
        let path = if number % MATCHES == 0 {
            matches += 1;
            directory.join(".env")
        } else {
            directory.join(format!("f{number}.js"))
        };
        let made = if number % FILES == 0 {
            fs::create_dir_all(&directory)
        } else {
            Ok(())
        };
        made.and_then(|()| fs::write(&path, ""))
            .map_err(|source| Error::Prepare { path, source })?;
    }
    Ok(matches)
}

fn count(contender: &'static str, expected: usize, found: usize) -> Result<(), Error> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::Confined { contender })
    }
}

fn plain(tree: &Path) -> usize {
    let mut ahead: Vec<PathBuf> = vec![tree.to_owned()];
    let mut found = 0;
    while let Some(directory) = ahead.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                ahead.push(entry.path());
            } else if entry.file_name() == ".env" {
                found += 1;
            }
        }
    }
    found
}

fn parallel(tree: &Path) -> usize {
    let found = AtomicUsize::new(0);
    let mut walk = WalkBuilder::new(tree);
    walk.standard_filters(false).threads(0);
    walk.build_parallel().run(|| {
        Box::new(|entry| {
            if entry.is_ok_and(|entry| entry.file_name() == ".env") {
                found.fetch_add(1, Ordering::Relaxed);
            }
            WalkState::Continue
        })
    });
    found.into_inner()
}

/// Resolves a policy with so many patterns about the tree, of which the first matches.
fn resolve(tree: &Path, patterns: usize, expected: usize) -> Result<(), Error> {
    let mut policy = Policy::default().write(tree);
    for number in 0..patterns {
        policy = policy.hide_matching(match number {
            0 => "**/.env".to_owned(),
            _ if number % 3 == 0 => format!("**/*.secret{number}"),
            _ if number % 3 == 1 => format!("**/secret{number}/*.pem"),
            _ => format!("**/secret-{number}-*"),
        });
    }
    let ruleset = sandboxed::Ruleset::resolve(&policy, &Context::new(tree))
        .map_err(|errors| Error::Sandbox(errors.into()))?;
    let anchors = ruleset.files().anchors().iter();
    let hidden = anchors.filter(|anchor| anchor.access == sandboxed::Access::Hide);
    count("resolving", expected, hidden.count())
}
