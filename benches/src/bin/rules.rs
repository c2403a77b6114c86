//! Starting with a policy of 10, 100 and 1,000 rules: parsing it, resolving it, compiling the plan; and a first command, next to
//! bubblewrap with that plan.
//!
//! `rules [--rounds N]`. Needs `bwrap` on `PATH`.

#![expect(clippy::print_stdout, reason = "its output is the table")]

use std::fmt::Write;
use std::hint::black_box;
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use benches::{Bwrap, Contender, Error, Home, interleave, micros, rounds, start};
use sandbox_linux::Plan;
use sandboxed::{Context, HostFacts, Policy, Ruleset, Sandbox};

const COUNTS: [usize; 3] = [10, 100, 1000];

pub(crate) fn main() -> ExitCode {
    let result = rounds(40).and_then(tables);
    result.map_or_else(|error| error.report(), |()| ExitCode::SUCCESS)
}

fn tables(rounds: usize) -> Result<(), Error> {
    let home = Home::new()?;
    println!("`agent` and so many rules; median µs of {rounds} interleaved rounds\n");
    println!(
        "{:<8}{:>8}{:>9}{:>9}{:>10}{:>15}{:>9}",
        "rules", "parse", "resolve", "plan", "together", "first command", "bwrap"
    );
    for count in COUNTS {
        let text = policy(&home, count)?;
        let medians = measure(&home, &text, rounds)?;
        let [parse, resolve, plan, together, first, peer] = medians;
        println!("{count:<8}{parse:>8}{resolve:>9}{plan:>9}{together:>10}{first:>15}{peer:>9}");
    }
    println!("\n(goal: 1,000 rules together below 5000)\n");
    Ok(())
}

/// Rules of each kind that a person writes, and what they are about.
fn policy(home: &Home, count: usize) -> Result<String, Error> {
    let mut text = "extends = [\"agent\"]\n[files]\n".to_owned();
    for number in 0..count {
        let name = format!("part-{number}");
        let (rule, file) = match number % 10 {
            0..=3 => (
                format!("\"./{name}\" = \"read\""),
                format!("project/{name}/code"),
            ),
            4..=5 => (format!("\"~/{name}\" = \"write\""), format!("{name}/cache")),
            6..=7 => (
                format!("\"./{name}/.env\" = \"hide\""),
                format!("project/{name}/.env"),
            ),
            8 => (
                format!("\"./{name}/*.pem\" = \"hide\""),
                format!("project/{name}/key.pem"),
            ),
            _ => (format!("\"~/{name}\" = \"hide\""), format!("{name}/token")),
        };
        home.put(&file, "Something.\n")?;
        let _ = writeln!(text, "{rule}");
    }
    Ok(text)
}

fn measure(home: &Home, text: &str, rounds: usize) -> Result<[i128; 6], Error> {
    let context = home.context();
    let facts = HostFacts::detect();
    let policy = parse(text)?;
    let ruleset = resolve(&policy, &context)?;
    let bwrap = Bwrap::like(&ruleset, &home.workspace())?;
    let mut contenders = [
        Contender::new("parse", || {
            parse(text).map(|policy| drop(black_box(policy)))
        }),
        Contender::new("resolve", || {
            resolve(&policy, &context).map(|ruleset| drop(black_box(ruleset)))
        }),
        Contender::new("plan", || {
            compile(&ruleset, &facts).map(|plan| drop(black_box(plan)))
        }),
        Contender::new("together", || {
            let ruleset = resolve(&parse(text)?, &context)?;
            compile(&ruleset, &facts).map(|plan| drop(black_box(plan)))
        }),
        // Until the status is known, as bubblewrap is measured: its namespaces come apart after it has told its own.
        Contender::timed("first command", || {
            let start = Instant::now();
            let sandbox = Sandbox::builder().context(context.clone());
            let sandbox = sandbox.build(&parse(text)?)?;
            if sandbox.command("true").status()?.success() {
                Ok(start.elapsed())
            } else {
                Err(Error::Confined {
                    contender: "library",
                })
            }
        }),
        Contender::new("bwrap", || {
            let mut command = bwrap.command()?;
            start("bwrap", command.arg("true").stdout(Stdio::null()))
        }),
    ];
    interleave(&mut contenders, rounds)?;
    Ok(contenders
        .each_ref()
        .map(|contender| micros(contender.median())))
}

fn parse(text: &str) -> Result<Policy, Error> {
    Ok(Policy::from_toml(text, None).map_err(sandboxed::Error::from)?)
}

fn resolve(policy: &Policy, context: &Context) -> Result<Ruleset, Error> {
    Ok(Ruleset::resolve(policy, context).map_err(sandboxed::Error::from)?)
}

fn compile(ruleset: &Ruleset, facts: &HostFacts) -> Result<Plan, Error> {
    Ok(Plan::compile(ruleset, facts).map_err(sandboxed::Error::from)?)
}
