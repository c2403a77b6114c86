//! Starting a command: bare, by bubblewrap with equal isolation, by the library, by the binary.
//!
//! `spawn [--rounds N]`, as root or as an ordinary user. Needs `bwrap` on `PATH` and the binary `sandbox` beside this one (or `SANDBOX_BIN`).
//!
//! The measuring process is started anew for each table, with the made home as `HOME` and the project as its directory: the library takes both
//! from its process, and the size of the heap is a property of the caller.

#![expect(clippy::print_stdout, reason = "its output is the table")]

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use benches::{
    Bwrap, Contender, Error, Home, again, grow, interleave, micros, ratio, sandbox_binary, start,
    status, succeed,
};
use lexopt::prelude::*;
use sandboxed::{Policy, Preset, Sandbox};

/// What a caller has when it starts commands: MiB of heap, and threads.
const CALLERS: [(usize, usize); 2] = [(0, 0), (1024, 64)];
const PRESETS: [(&str, Preset); 2] = [("agent", Preset::Agent), ("strict", Preset::Strict)];

struct Options {
    rounds: usize,
    /// The table that this process measures; none in the process that a person starts.
    table: Option<(String, usize, usize)>,
}

pub(crate) fn main() -> ExitCode {
    let result = options().and_then(|options| match &options.table {
        None => tables(options.rounds),
        Some((preset, heap, threads)) => {
            grow(*heap, *threads);
            println!(
                "preset {preset}, caller with {heap} MiB of touched heap and {threads} threads"
            );
            PRESETS
                .iter()
                .filter(|(name, _)| name == preset)
                .try_for_each(|(name, preset)| measure(name, *preset, options.rounds))
        }
    });
    result.map_or_else(|error| error.report(), |()| ExitCode::SUCCESS)
}

fn options() -> Result<Options, Error> {
    let mut options = Options {
        rounds: 200,
        table: None,
    };
    let mut words = lexopt::Parser::from_env();
    while let Some(word) = words.next()? {
        match word {
            Long("rounds") => options.rounds = words.value()?.parse()?,
            Long("table") => {
                let preset = words.value()?.string()?;
                options.table = Some((preset, words.value()?.parse()?, words.value()?.parse()?));
            }
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    Ok(options)
}

fn tables(rounds: usize) -> Result<(), Error> {
    let home = Home::new()?;
    println!(
        "median µs of {rounds} interleaved rounds; a home of 150 entries, {} secrets in it\n",
        Home::secrets().len()
    );
    for (preset, _) in PRESETS {
        for (heap, threads) in CALLERS {
            let [rounds, heap, threads] = [rounds, heap, threads].map(|number| number.to_string());
            let args = ["--rounds", &rounds, "--table", preset, &heap, &threads];
            let mut table = again(&home, &args);
            start("the measuring process", &mut table)?;
        }
    }
    Ok(())
}

fn measure(name: &str, preset: Preset, rounds: usize) -> Result<(), Error> {
    let home = std::env::home_dir().unwrap_or_default();
    let policy = Policy::preset(preset);
    let workspace = home.join("project");
    let warm = Sandbox::new(&policy)?;
    let bwrap = Bwrap::like(warm.ruleset(), &workspace)?;
    same_isolation(name, &bwrap, &home)?;

    let mut contenders = [
        Contender::new("posix_spawn", || {
            start("true", &mut quiet(Command::new("true")))
        }),
        Contender::new("bwrap", || {
            let mut command = bwrap.command()?;
            start(
                "bwrap",
                command
                    .arg("true")
                    .stdout(Stdio::null())
                    .stderr(Stdio::inherit()),
            )
        }),
        // Until the status is known, as bubblewrap is measured: its namespaces come apart after it has told its own.
        Contender::timed("library, cold", || {
            let start = Instant::now();
            let sandbox = Sandbox::new(&policy)?;
            succeed(&mut sandbox.command("true"))?;
            Ok(start.elapsed())
        }),
        Contender::new("  and its end", || {
            succeed(&mut Sandbox::new(&policy)?.command("true"))
        }),
        Contender::new("library, warm", || succeed(&mut warm.command("true"))),
        Contender::new("sandbox run", || {
            start("sandbox", quiet(binary(name)).arg("true"))
        }),
    ];
    interleave(&mut contenders, rounds)?;

    let [bare, peer, library, ended, warm, whole] = contenders
        .each_ref()
        .map(|contender| micros(contender.median()));
    for contender in &contenders {
        let median = micros(contender.median());
        let [low, high] = [1, 3].map(|number| micros(contender.quantile(number)));
        println!(
            "  {:<14}{median:>8}{:>+9}   {low}..{high}",
            contender.name,
            median - bare
        );
    }
    println!(
        "  library cold adds {:.2} of what bwrap adds (goal ≤ 0.33), {:.2} with its end",
        ratio(library - bare, peer - bare),
        ratio(ended - bare, peer - bare)
    );
    println!(
        "  library warm is {:.2} of posix_spawn (goal ≤ 1.30)",
        ratio(warm, bare)
    );
    println!(
        "  `sandbox run` whole is {:.2} of bwrap (goal ≤ 0.70)",
        ratio(whole, peer)
    );
    println!(
        "  waiting `sandbox run` and its init hold {} kB (goal ≤ 4096)\n",
        waiting(name)?
    );
    Ok(())
}

/// A contender that hides less would win unfairly; one that doesn't run at all hides everything, hence the control.
fn same_isolation(name: &str, bwrap: &Bwrap, home: &Path) -> Result<(), Error> {
    type Wrapper<'a> = (&'static str, &'a dyn Fn() -> Result<Command, Error>);
    let wrappers: [Wrapper<'_>; 2] = [
        ("bwrap", &|| bwrap.command()),
        ("sandbox", &|| Ok(quiet(binary(name)))),
    ];
    for (contender, wrapper) in wrappers {
        let finds = |text: &str, path: &Path| {
            let mut command = wrapper()?;
            command.stdout(Stdio::null()).stderr(Stdio::null());
            start(contender, command.args(["grep", "-q", text]).arg(path))
        };
        finds("project", &home.join("project/README"))?;
        for secret in Home::secrets() {
            let path = home.join(secret.file);
            if finds("SECRET", &path).is_ok() {
                return Err(Error::Unequal { contender, path });
            }
        }
    }
    Ok(())
}

fn binary(preset: &str) -> Command {
    let mut command = Command::new(sandbox_binary());
    command.args(["run", "--preset", preset, "--"]);
    command
}

fn quiet(mut command: Command) -> Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    command
}

/// Resident memory, in kB, of a `sandbox run` whose command is running.
fn waiting(preset: &str) -> Result<u64, Error> {
    let failed = |source| Error::Start {
        contender: "sandbox run -- cat".to_owned(),
        source,
    };
    let mut child = binary(preset)
        .arg("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut sum = 0;
    if let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.as_mut()) {
        // An echo from inside: everything is up.
        input
            .write_all(b"x")
            .and_then(|()| output.read_exact(&mut [0]))
            .map_err(failed)?;
        let init = children(child.id()).map_err(failed)?;
        sum = init
            .into_iter()
            .chain([child.id()])
            .map(|pid| status(&pid.to_string(), "VmRSS"))
            .sum();
    }
    child.wait().map_err(failed)?;
    Ok(sum)
}

fn children(pid: u32) -> io::Result<Vec<u32>> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(list
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect())
}
