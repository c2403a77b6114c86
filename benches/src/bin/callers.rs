//! A caller with a large heap and many threads, next to a small one: what a command costs must not depend on who starts it.
//!
//! `callers [--rounds N]`. Both are there at the same time and take turns.

#![expect(clippy::print_stdout, reason = "its output is the table")]

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use benches::{Contender, Error, Home, again, grow, interleave, micros, ratio, start};
use lexopt::prelude::*;
use sandboxed::{Policy, Preset, Sandbox};

const LARGE: (usize, usize) = (1024, 64);

pub(crate) fn main() -> ExitCode {
    let result = options().and_then(|(rounds, caller)| match caller {
        None => tables(rounds),
        Some((heap, threads)) => obey(heap, threads),
    });
    result.map_or_else(|error| error.report(), |()| ExitCode::SUCCESS)
}

type Options = (usize, Option<(usize, usize)>);

fn options() -> Result<Options, Error> {
    let (mut rounds, mut caller) = (400, None);
    let mut words = lexopt::Parser::from_env();
    while let Some(word) = words.next()? {
        match word {
            Long("rounds") => rounds = words.value()?.parse()?,
            Long("caller") => caller = Some((words.value()?.parse()?, words.value()?.parse()?)),
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    Ok((rounds, caller))
}

fn tables(rounds: usize) -> Result<(), Error> {
    let home = Home::new()?;
    let (heap, threads) = LARGE;
    let small = RefCell::new(Caller::start(&home, 0, 0)?);
    let large = RefCell::new(Caller::start(&home, heap, threads)?);
    let mut contenders = [
        Contender::timed("small, posix_spawn", || small.borrow_mut().run("bare")),
        Contender::timed("small, library warm", || small.borrow_mut().run("warm")),
        Contender::timed("large, posix_spawn", || large.borrow_mut().run("bare")),
        Contender::timed("large, library warm", || large.borrow_mut().run("warm")),
    ];
    interleave(&mut contenders, rounds)?;
    println!(
        "median µs of {rounds} interleaved rounds; large: {heap} MiB of touched heap, {threads} threads\n"
    );
    for contender in &contenders {
        let [low, median, high] = [1, 2, 3].map(|number| micros(contender.quantile(number)));
        println!("  {:<20}{median:>8}   {low}..{high}", contender.name);
    }
    let [bare, warm, bare_large, warm_large] = contenders
        .each_ref()
        .map(|contender| micros(contender.median()));
    println!(
        "  warm is {:.2} of posix_spawn, in the large caller {:.2} (goal ≤ 1.30)",
        ratio(warm, bare),
        ratio(warm_large, bare_large)
    );
    println!(
        "  warm in the large caller is {:.3} of warm in the small one (goal ≤ 1.05)\n",
        ratio(warm_large, warm)
    );
    Ok(())
}

/// A process that starts a command whenever it is told to, and tells how long that took.
struct Caller {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Caller {
    fn start(home: &Home, heap: usize, threads: usize) -> Result<Self, Error> {
        let [heap, threads] = [heap, threads].map(|number| number.to_string());
        let mut command = again(home, &["--caller", &heap, &threads]);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (orders, answers) = (process.stdin.take(), process.stdout.take());
        let answers = answers.ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self {
            process,
            orders,
            answers: BufReader::new(answers),
        })
    }

    fn run(&mut self, what: &str) -> Result<Duration, Error> {
        if let Some(orders) = &mut self.orders {
            writeln!(orders, "{what}").map_err(failed)?;
        }
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(failed)?;
        let nanoseconds = line
            .trim()
            .parse()
            .map_err(io::Error::other)
            .map_err(failed)?;
        Ok(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.process.wait();
    }
}

fn failed(source: io::Error) -> Error {
    Error::Start {
        contender: "a caller".to_owned(),
        source,
    }
}

/// The other side of a [`Caller`].
fn obey(heap: usize, threads: usize) -> Result<(), Error> {
    let sandbox = Sandbox::new(&Policy::preset(Preset::Agent))?;
    grow(heap, threads);
    let bare = || {
        let mut command = Command::new("true");
        start("true", command.stdin(Stdio::null()).stdout(Stdio::null()))
    };
    let warm = || {
        let mut command = sandbox.command("true");
        let command = command
            .stdin(sandboxed::Stdio::null())
            .stdout(sandboxed::Stdio::null());
        if command.status()?.success() {
            Ok(())
        } else {
            Err(Error::Confined {
                contender: "library",
            })
        }
    };
    for order in io::stdin().lines() {
        let begin = Instant::now();
        match order.map_err(failed)?.as_str() {
            "bare" => bare()?,
            _ => warm()?,
        }
        println!("{}", begin.elapsed().as_nanos());
    }
    Ok(())
}
