//! What the watch costs, and how long what the host replaces is open: a first command where a home has secrets and where it has none;
//! the processor time of init beside a command that sleeps; and a hidden file that the host renames another one over, again and again,
//! with readers inside that do nothing but try to read it.
//!
//! `watch [--rounds N] [--seconds N] [--renames N] [--real-time]`. The last puts init into a real-time class while the file is renamed, which
//! takes root and `chrt`: as on a machine where nobody else wants the processor.

#![expect(clippy::print_stdout, reason = "its output is the table")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use benches::{Contender, Error, Home, interleave, micros, ratio, succeed};
use lexopt::prelude::*;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::time::{ClockId, clock_gettime};
use sandboxed::{Policy, Preset, Sandbox, Stdio};

/// Between two renames: so much that what was open is covered again.
const PAUSE: Duration = Duration::from_millis(4);
/// How often a reader tries before it looks whether it is to end.
const TRIES: usize = 64;

pub(crate) fn main() -> ExitCode {
    let result = Options::read().and_then(|options| match options.reader {
        Some(path) => read_again_and_again(&path),
        None => tables(&options),
    });
    result.map_or_else(|error| error.report(), |()| ExitCode::SUCCESS)
}

struct Options {
    rounds: usize,
    seconds: u64,
    renames: u64,
    real_time: bool,
    /// What the program runs as inside: it tries to read this.
    reader: Option<PathBuf>,
}

impl Options {
    fn read() -> Result<Self, Error> {
        let mut options = Self {
            rounds: 40,
            seconds: 10,
            renames: 1000,
            real_time: false,
            reader: None,
        };
        let mut words = lexopt::Parser::from_env();
        while let Some(word) = words.next()? {
            match word {
                Long("rounds") => options.rounds = words.value()?.parse()?,
                Long("seconds") => options.seconds = words.value()?.parse()?,
                Long("renames") => options.renames = words.value()?.parse()?,
                Long("real-time") => options.real_time = true,
                Long("reader") => options.reader = Some(words.value()?.into()),
                unexpected => return Err(unexpected.unexpected().into()),
            }
        }
        Ok(options)
    }
}

fn tables(options: &Options) -> Result<(), Error> {
    let home = Home::new()?;
    start(&home, options.rounds)?;
    idle(&home, options.seconds)?;
    for readers in [1, 2] {
        renewals(&home, options, readers)?;
    }
    Ok(())
}

fn agent(home: &Home) -> Result<Sandbox, Error> {
    Ok(made(home, &Policy::preset(Preset::Agent))?)
}

fn made(home: &Home, policy: &Policy) -> Result<Sandbox, sandboxed::Error> {
    Sandbox::builder().context(home.context()).build(policy)
}

fn start(home: &Home, rounds: usize) -> Result<(), Error> {
    let plain = Policy::preset(Preset::None)
        .read("/")
        .write(home.workspace());
    let mut contenders = [
        Contender::new("agent", || succeed(&mut agent(home)?.command("true"))),
        Contender::new("nothing hidden", || {
            succeed(&mut made(home, &plain)?.command("true"))
        }),
    ];
    interleave(&mut contenders, rounds)?;
    println!(
        "a first command in a home of 150 entries with 20 secrets, median µs of {rounds} rounds"
    );
    for contender in &contenders {
        println!("  {:<16}{:>8}", contender.name, micros(contender.median()));
    }
    println!();
    Ok(())
}

/// The processor time of init, by the kernel's count of nanoseconds (`/proc/PID/schedstat`).
fn idle(home: &Home, seconds: u64) -> Result<(), Error> {
    let sandbox = agent(home)?;
    let mut command = sandbox.command("cat");
    let child = command.stdin(Stdio::piped()).spawn()?;
    let taken = || -> i128 {
        let line = fs::read_to_string(format!("/proc/{}/schedstat", child.id()));
        let line = line.unwrap_or_default();
        let mut fields = line.split(' ');
        fields
            .next()
            .and_then(|time| time.parse().ok())
            .unwrap_or(0)
    };
    // Directories that have just changed are looked through each time.
    thread::sleep(Duration::from_secs(4));
    let before = taken();
    thread::sleep(Duration::from_secs(seconds));
    let taken = (taken() - before) / 1000;
    let whole = i128::from(seconds) * 1_000_000;
    println!(
        "init beside a command that sleeps: {} µs of processor time a second, {:.3} %\n",
        taken / i128::from(seconds.max(1)),
        100.0 * ratio(taken, whole)
    );
    Ok(())
}

fn renewals(home: &Home, options: &Options, readers: usize) -> Result<(), Error> {
    let renames = options.renames;
    let workspace = home.workspace();
    let (hidden, new) = (workspace.join(".env"), workspace.join("new"));
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| Error::Prepare { path, source }
    };
    let program = workspace.join("reader");
    let own = std::env::current_exe().map_err(failed(&program))?;
    fs::copy(own, &program).map_err(failed(&program))?;
    fs::write(&hidden, "none").map_err(failed(&hidden))?;
    let sandbox = made(home, &Policy::preset(Preset::Agent).hide(&hidden))?;
    let mut started = Vec::new();
    for _ in 0..readers {
        let mut command = sandbox.command(&program);
        command.arg("--reader").arg(&hidden);
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        if options.real_time {
            let init = child.id().to_string();
            benches::start("chrt", Command::new("chrt").args(["-r", "-p", "1", &init]))?;
        }
        started.push(child);
    }
    thread::sleep(Duration::from_millis(200));
    for rename in 0..renames {
        fs::write(&new, rename.to_string()).map_err(failed(&new))?;
        fs::rename(&new, &hidden).map_err(failed(&hidden))?;
        thread::sleep(PAUSE);
    }
    let mut seen: BTreeMap<u64, Seen> = BTreeMap::new();
    let mut tries = 0;
    for mut child in started {
        drop(child.stdin.take());
        let mut told = String::new();
        if let Some(output) = &mut child.stdout {
            output.read_to_string(&mut told).map_err(failed(&program))?;
        }
        let _ = child.wait();
        let mut lines = told.lines();
        tries += lines
            .next()
            .and_then(|line| line.parse().ok())
            .unwrap_or(0_u64);
        for (rename, of_reader) in lines.filter_map(Seen::parse) {
            let none = Seen {
                times: 0,
                ..of_reader
            };
            seen.entry(rename).or_insert(none).add(of_reader);
        }
    }
    let times: u64 = seen.values().map(|seen| seen.times).sum();
    let mut open: Vec<i64> = (0..renames)
        .map(|rename| seen.get(&rename).map_or(0, |seen| seen.last - seen.first))
        .collect();
    open.sort_unstable();
    let micros = |part: usize| {
        let at = open.len().saturating_sub(1) * part / 1000;
        open.get(at).map_or(0, |time| time / 1000)
    };
    println!(
        "{renames} renames over a hidden file, {readers} reading without end, in a command each ({tries} attempts)\n  \
        read at all after {} renames, {times} times; µs from the first time to the last: \
        median {}, 90 % {}, 99 % {}, longest {}\n  (goal: median below 1000)\n",
        seen.len(),
        micros(500),
        micros(900),
        micros(990),
        micros(1000),
    );
    Ok(())
}

/// When a content was read, in nanoseconds, and how often.
#[derive(Clone, Copy)]
struct Seen {
    first: i64,
    last: i64,
    times: u64,
}

impl Seen {
    fn once(at: i64) -> Self {
        Self {
            first: at,
            last: at,
            times: 0,
        }
    }

    fn add(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.times += other.times;
    }

    fn parse(line: &str) -> Option<(u64, Self)> {
        let mut words = line.split(' ');
        let rename = words.next()?.parse().ok()?;
        let seen = Self {
            first: words.next()?.parse().ok()?,
            last: words.next()?.parse().ok()?,
            times: words.next()?.parse().ok()?,
        };
        Some((rename, seen))
    }
}

/// Nanoseconds, by a clock that is the same inside.
fn now() -> i64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

/// Tells how often it has tried, and of each content when and how often it has been read, once its input has ended.
fn read_again_and_again(path: &Path) -> Result<(), Error> {
    let mut all: BTreeMap<String, Seen> = BTreeMap::new();
    let mut tries = 0;
    loop {
        for _ in 0..TRIES {
            tries += 1;
            if let Ok(content) = fs::read_to_string(path) {
                let seen = all.entry(content).or_insert_with(|| Seen::once(now()));
                (seen.last, seen.times) = (now(), seen.times + 1);
            }
        }
        let input = std::io::stdin();
        let mut fds = [PollFd::new(
            std::os::fd::AsFd::as_fd(&input),
            PollFlags::POLLIN,
        )];
        if poll(&mut fds, PollTimeout::ZERO) != Ok(0) {
            break;
        }
    }
    let mut told = format!("{tries}\n");
    for (content, seen) in all {
        let Seen { first, last, times } = seen;
        let _ = writeln!(told, "{content} {first} {last} {times}");
    }
    let path = path.to_owned();
    let printed = std::io::stdout().write_all(told.as_bytes());
    printed.map_err(|source| Error::Prepare { path, source })
}
