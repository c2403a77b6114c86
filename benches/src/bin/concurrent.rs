//! Commands at the same time: bare, by bubblewrap with equal isolation, by the library; and two hundred sandboxes at once.
//!
//! `concurrent [--rounds N]`. Needs `bwrap` on `PATH`.

#![expect(clippy::print_stdout, reason = "its output is the table")]

use std::process::{Command, ExitCode, Stdio};
use std::sync::Barrier;
use std::time::Instant;
use std::{env, thread};

use benches::{
    Bwrap, Contender, Error, Home, again, interleave, micros, ratio, start, status, succeed,
};
use lexopt::prelude::*;
use sandboxed::{Policy, Preset, Sandbox};

/// How many threads start commands, and how many each in a round.
const AT_ONCE: usize = 8;
const EACH: usize = 10;
const SANDBOXES: usize = 200;

pub(crate) fn main() -> ExitCode {
    let result = options().and_then(|(rounds, is_caller)| {
        if is_caller {
            at_once(rounds)?;
            return many();
        }
        let home = Home::new()?;
        let args = ["--rounds", &rounds.to_string(), "--caller"];
        start("the measuring process", &mut again(&home, &args))
    });
    result.map_or_else(|error| error.report(), |()| ExitCode::SUCCESS)
}

fn options() -> Result<(usize, bool), Error> {
    let (mut rounds, mut is_caller) = (40, false);
    let mut words = lexopt::Parser::from_env();
    while let Some(word) = words.next()? {
        match word {
            Long("rounds") => rounds = words.value()?.parse()?,
            Long("caller") => is_caller = true,
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    Ok((rounds, is_caller))
}

fn at_once(rounds: usize) -> Result<(), Error> {
    let sandbox = Sandbox::new(&Policy::preset(Preset::Agent))?;
    let workspace = env::current_dir().unwrap_or_default();
    let bwrap = Bwrap::like(sandbox.ruleset(), &workspace)?;
    let mut contenders = [
        Contender::new("posix_spawn", || {
            in_threads(&|| start("true", &mut quiet(Command::new("true"))))
        }),
        Contender::new("bwrap", || {
            in_threads(&|| {
                let mut command = bwrap.command()?;
                start("bwrap", command.arg("true").stdout(Stdio::null()))
            })
        }),
        Contender::new("library", || in_threads(&|| confined(&sandbox))),
    ];
    interleave(&mut contenders, rounds)?;
    println!(
        "{AT_ONCE} at once, in threads of one process, {EACH} each a round; commands per second, median of {rounds} interleaved rounds"
    );
    let rate = |number| {
        move |contender: &Contender<'_>| {
            let commands = i128::try_from(AT_ONCE * EACH).unwrap_or(0);
            commands * 1_000_000 / micros(contender.quantile(number)).max(1)
        }
    };
    for contender in &contenders {
        let [low, median, high] = [3, 2, 1].map(|number| rate(number)(contender));
        println!("  {:<14}{median:>8}   {low}..{high}", contender.name);
    }
    let [_, peer, ours] = contenders.each_ref().map(rate(2));
    println!(
        "  the library runs {:.2} of the commands that bwrap runs (goal > 1; 650 a second where bwrap makes 480: {:.2})\n",
        ratio(ours, peer),
        ratio(650, 480)
    );
    Ok(())
}

/// `EACH` by each of `AT_ONCE` threads.
fn in_threads(run: &(dyn Fn() -> Result<(), Error> + Sync)) -> Result<(), Error> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|_| scope.spawn(|| (0..EACH).try_for_each(|_| run())))
            .collect();
        // One that panicked has said so.
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })
}

/// Two hundred sandboxes that exist at once: what each takes, idle, and what they do together.
fn many() -> Result<(), Error> {
    let policy = Policy::preset(Preset::Agent);
    let before = status("self", "VmRSS");
    let begin = Instant::now();
    let mut sandboxes = Vec::new();
    let mut inits = 0;
    for _ in 0..SANDBOXES {
        let sandbox = Sandbox::new(&policy)?;
        let mut child = sandbox.command("true").spawn()?;
        if !child.wait()?.success() {
            return Err(Error::Confined {
                contender: "library",
            });
        }
        inits += status(&child.id().to_string(), "VmRSS");
        sandboxes.push(sandbox);
    }
    let made = begin.elapsed();
    let count = u64::try_from(SANDBOXES).unwrap_or(1);
    let caller = status("self", "VmRSS").saturating_sub(before) / count;
    println!("{SANDBOXES} sandboxes at once");
    println!(
        "  made, with a first command each, one after the other: {} µs each",
        micros(made) / i128::from(count)
    );
    println!(
        "  idle, each: {} KiB in its init, {caller} KiB in the caller (goal: together < 300)",
        inits / count
    );
    let all_are_there = Barrier::new(SANDBOXES + 1);
    let (elapsed, results) = thread::scope(|scope| {
        let threads: Vec<_> = sandboxes
            .iter()
            .map(|sandbox| {
                scope.spawn(|| {
                    all_are_there.wait();
                    (0..EACH).try_for_each(|_| confined(sandbox))
                })
            })
            .collect();
        // Before the last one is there: whoever passes first begins at once.
        let begin = Instant::now();
        all_are_there.wait();
        let results = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Ok(())));
        let results: Vec<_> = results.collect();
        (begin.elapsed(), results)
    });
    results.into_iter().collect::<Result<Vec<()>, _>>()?;
    let commands = i128::try_from(SANDBOXES * EACH).unwrap_or(0);
    println!(
        "  all at work, a thread each: {} commands per second\n",
        commands * 1_000_000 / micros(elapsed).max(1)
    );
    Ok(())
}

fn confined(sandbox: &Sandbox) -> Result<(), Error> {
    let mut command = sandbox.command("true");
    let quiet = command
        .stdin(sandboxed::Stdio::null())
        .stdout(sandboxed::Stdio::null());
    succeed(quiet)
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}
