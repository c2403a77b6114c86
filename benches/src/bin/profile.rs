//! What a thousand rules, in each shape that policies have, take to become a profile for macOS, next to their resolution.
//!
//! `profile [--rounds N]`.

#![expect(clippy::print_stdout, reason = "its output is the table")]

use std::fmt::Write;
use std::hint::black_box;
use std::process::ExitCode;

use benches::{Contender, Error, Home, interleave, micros, ratio, rounds};
use sandbox_macos::{Facts, Profile};
use sandboxed::{Policy, Ruleset};

const COUNT: usize = 1000;

/// A rule, and what it needs to be there.
type Rule = (String, Option<String>);
type Shape = fn(usize) -> Rule;

/// The first lie in a project, or in the home around it.
#[rustfmt::skip]
const SHAPES: [(&str, Shape); 6] = [
    ("hidden or read, in one directory", |at| match at % 2 {
        0 => (format!("\"./secret{at}\" = \"hide\""), None),
        _ => (format!("\"./kept{at}\" = \"read\""), None),
    }),
    ("writable directories", |at| (format!("\"~/part{at}\" = \"write\""), Some(format!("part{at}/cache")))),
    ("hidden, in a hundred directories", |at| {
        (format!("\"./part{}/key{}\" = \"hide\"", at % 100, at / 100), None)
    }),
    ("read, ten deep", |at| (format!("\"./part{}{}\" = \"read\"", at / 10, "/level".repeat(at % 10)), None)),
    ("patterns", |at| (format!("\"./d/**/*.kind{at}\" = \"hide\""), None)),
    ("writable, with a file hidden in each", |at| match (at % 2, at / 2) {
        (0, part) => (format!("\"~/part{part}\" = \"write\""), Some(format!("part{part}/cache"))),
        (_, part) => (format!("\"~/part{part}/key\" = \"hide\""), None),
    }),
];

pub(crate) fn main() -> ExitCode {
    let result = rounds(40).and_then(table);
    result.map_or_else(|error| error.report(), |()| ExitCode::SUCCESS)
}

fn table(rounds: usize) -> Result<(), Error> {
    println!("`agent` and {COUNT} rules; median µs of {rounds} interleaved rounds\n");
    println!(
        "{:<40}{:>9}{:>9}{:>7}{:>7}",
        "rules", "resolve", "profile", "ratio", "KiB"
    );
    for (name, rule) in SHAPES {
        let home = Home::new()?;
        let mut text = "extends = [\"agent\"]\n[files]\n".to_owned();
        for (rule, file) in (0..COUNT).map(rule) {
            if let Some(file) = file {
                home.put(file, "Something.\n")?;
            }
            let _ = writeln!(text, "{rule}");
        }
        let policy = Policy::from_toml(&text, None).map_err(sandboxed::Error::from)?;
        let context = home.context();
        let resolve = || -> Result<Ruleset, Error> {
            Ok(Ruleset::resolve(&policy, &context).map_err(sandboxed::Error::from)?)
        };
        let ruleset = resolve()?;
        let bytes = profile(&ruleset)?.len();
        let mut contenders = [
            Contender::new("resolve", || {
                resolve().map(|ruleset| drop(black_box(ruleset)))
            }),
            Contender::new("profile", || {
                profile(&ruleset).map(|text| drop(black_box(text)))
            }),
        ];
        interleave(&mut contenders, rounds)?;
        let [resolved, made] = contenders
            .each_ref()
            .map(|contender| micros(contender.median()));
        let (ratio, size) = (ratio(made, resolved), bytes.div_ceil(1024));
        println!("{name:<40}{resolved:>9}{made:>9}{ratio:>7.2}{size:>7}");
    }
    println!("\n(goal: a profile below 10000, and below 64 KiB)\n");
    Ok(())
}

fn profile(ruleset: &Ruleset) -> Result<String, Error> {
    Ok(Profile::compile(ruleset, &Facts::default())?.to_string())
}
