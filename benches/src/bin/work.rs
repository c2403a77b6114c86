//! What people do in a project, outside, inside and in bubblewrap with equal isolation: what a filter, mounts and Landlock cost a
//! command that runs for a while.
//!
//! `work [--rounds N] [--files N] [--repeat N]`. Needs `bwrap`, `find`, `git`, `tar`, `cc` and a Rust toolchain that may be executed;
//! a job whose program is missing is not measured, and the benchmark fails in the end.

#![expect(clippy::print_stdout, reason = "its output is the table")]

use std::process::{Command, ExitCode, Stdio};

use benches::{
    Bwrap, Contender, Error, Home, Project, calls, interleave, micros, pin, ratio, start,
};
use lexopt::prelude::*;
use sandboxed::{Policy, Preset, Sandbox};

struct Options {
    rounds: usize,
    files: usize,
    /// How often a job is done within one command, so that starting it doesn't count.
    repeat: usize,
    /// The system call that this process does little else than.
    calls: Option<String>,
}

/// What one shell does again and again in the project: its name, a script, and the share of the repetitions that it takes to get a
/// time worth measuring.
const JOBS: [(&str, &str, usize); 8] = [
    ("find", "find d* -size +0 -newermt 2000-01-01 >/dev/null", 1),
    ("git status", "git status --porcelain >/dev/null", 1),
    (
        "untar",
        "mkdir target/out && tar -xf target/thousand.tar -C target/out && rm -r target/out",
        2,
    ),
    (
        "cargo build",
        "rm -rf crate/target && (cd crate && cargo build -q --offline)",
        20,
    ),
    (
        "cc × 10",
        "for n in 0 1 2 3 4 5 6 7 8 9; do cc -O1 -c -o target/$n.o unit.c || exit 1; done",
        10,
    ),
    (
        "spawn",
        "n=0; while [ $n -lt 100 ]; do /bin/true || exit 1; n=$((n+1)); done",
        1,
    ),
    ("stat", "target/work --files $FILES --calls stat", 2),
    ("open", "target/work --files $FILES --calls open", 2),
];

pub(crate) fn main() -> ExitCode {
    let result = options().and_then(|options| match &options.calls {
        Some(call) => calls(call, options.files),
        None => run(&options),
    });
    result.map_or_else(|error| error.report(), |()| ExitCode::SUCCESS)
}

fn options() -> Result<Options, Error> {
    let mut options = Options {
        rounds: 15,
        files: 20_000,
        repeat: 8,
        calls: None,
    };
    let mut words = lexopt::Parser::from_env();
    while let Some(word) = words.next()? {
        match word {
            Long("rounds") => options.rounds = words.value()?.parse()?,
            Long("files") => options.files = words.value()?.parse()?,
            Long("repeat") => options.repeat = words.value()?.parse()?,
            Long("calls") => options.calls = Some(words.value()?.string()?),
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), Error> {
    let home = Home::new()?;
    let project = Project::fill(&home, options.files)?;
    // Before the sandbox: it keeps the CPUs of when it was made.
    pin()?;
    let sandbox = Sandbox::builder()
        .context(home.context())
        .environment(project.variables())
        .build(&Policy::preset(Preset::Agent))?;
    // Everybody has what the policy makes of it: a larger environment is more to copy for each program that starts.
    let variables = sandbox.ruleset().environment();
    let variables = variables.apply(project.variables());
    let bwrap = Bwrap::like(sandbox.ruleset(), &home.workspace())?;
    println!(
        "{} files; median ms of {} interleaved rounds, up to {} repetitions each\n",
        options.files, options.rounds, options.repeat
    );
    println!(
        "{:<14}{:>9}{:>9}{:>8}{:>9}{:>8}",
        "", "outside", "inside", "ratio", "bwrap", "ratio"
    );
    let mut result = Ok(());
    for (name, job, share) in JOBS {
        let script = project.script(job, options.repeat.div_ceil(share));
        let mut contenders = [
            Contender::new("outside", || {
                let mut command = Command::new("/bin/sh");
                let command = project.place(command.stdin(Stdio::null()), &variables);
                start(name, command.args(["-c", &script]))
            }),
            Contender::new("inside", || {
                let mut command = sandbox.command("/bin/sh");
                let command = command.args(["-c", &script]);
                if command.stdin(sandboxed::Stdio::null()).status()?.success() {
                    Ok(())
                } else {
                    Err(Error::Confined { contender: name })
                }
            }),
            Contender::new("bwrap", || {
                let mut command = bwrap.command()?;
                let command = project.place(&mut command, &variables);
                start("bwrap", command.args(["/bin/sh", "-c", &script]))
            }),
        ];
        if let Err(error) = interleave(&mut contenders, options.rounds) {
            println!("{name:<14}NOT MEASURED: {error}");
            result = result.and(Err(error));
            continue;
        }
        let [outside, inside, peer] = contenders
            .each_ref()
            .map(|contender| micros(contender.median()));
        println!(
            "{name:<14}{:>9}{:>9}{:>8.3}{:>9}{:>8.3}",
            outside / 1000,
            inside / 1000,
            ratio(inside, outside),
            peer / 1000,
            ratio(peer, outside)
        );
    }
    println!("\n(goal: inside at most 1.02 of outside)\n");
    result
}
