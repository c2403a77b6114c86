//! Gigabytes through the standard streams, outside and inside: pipes are the caller's own, so that the speed should be the same.
//!
//! `streams [--rounds N] [--mebibytes N]`.

#![expect(clippy::print_stdout, reason = "its output is the table")]

use std::io::{self, Read, Write};
use std::process::{ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::thread;

use benches::{Contender, Error, interleave, micros, ratio};
use lexopt::prelude::*;
use sandboxed::{Policy, Preset, Sandbox};

/// What is read or written at once.
const PIECE: usize = 256 << 10;

/// A command, and which of its streams are pipes.
struct Job {
    name: &'static str,
    script: String,
    input: bool,
    output: bool,
}

type Pipes = (Option<ChildStdin>, Option<ChildStdout>);

pub(crate) fn main() -> ExitCode {
    let result = options().and_then(|(rounds, mebibytes)| run(rounds, mebibytes));
    result.map_or_else(|error| error.report(), |()| ExitCode::SUCCESS)
}

fn options() -> Result<(usize, usize), Error> {
    let (mut rounds, mut mebibytes) = (9, 2048);
    let mut words = lexopt::Parser::from_env();
    while let Some(word) = words.next()? {
        match word {
            Long("rounds") => rounds = words.value()?.parse()?,
            Long("mebibytes") => mebibytes = words.value()?.parse()?,
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    Ok((rounds, mebibytes))
}

fn run(rounds: usize, mebibytes: usize) -> Result<(), Error> {
    let bytes = mebibytes << 20;
    let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
    let job = |name, script, input, output| Job {
        name,
        script,
        input,
        output,
    };
    let jobs = [
        job(
            "out",
            format!("exec head -c {bytes} /dev/zero"),
            false,
            true,
        ),
        job("in", "exec cat >/dev/null".to_owned(), true, false),
        job("through", "exec cat".to_owned(), true, true),
    ];
    println!("{mebibytes} MiB; median MiB per second of {rounds} interleaved rounds\n");
    println!("{:<10}{:>10}{:>10}{:>8}", "", "outside", "inside", "ratio");
    for job in &jobs {
        let mut contenders = [
            Contender::new("outside", || outside(job, bytes)),
            Contender::new("inside", || inside(&sandbox, job, bytes)),
        ];
        interleave(&mut contenders, rounds)?;
        let [outside, inside] = contenders.each_ref().map(|contender| {
            let mebibytes = i128::try_from(mebibytes).unwrap_or(0);
            mebibytes * 1_000_000 / micros(contender.median()).max(1)
        });
        println!(
            "{:<10}{outside:>10}{inside:>10}{:>8.3}",
            job.name,
            ratio(inside, outside)
        );
    }
    println!("\n(goal: the speed they have outside)\n");
    Ok(())
}

fn outside(job: &Job, bytes: usize) -> Result<(), Error> {
    let pipe = |is: bool| if is { Stdio::piped() } else { Stdio::null() };
    let mut child = Command::new("/bin/sh")
        .args(["-c", &job.script])
        .stdin(pipe(job.input))
        .stdout(pipe(job.output))
        .spawn()
        .map_err(failed)?;
    carry((child.stdin.take(), child.stdout.take()), bytes)?;
    let status = child.wait().map_err(failed)?;
    ended(status.success())
}

fn inside(sandbox: &Sandbox, job: &Job, bytes: usize) -> Result<(), Error> {
    use sandboxed::Stdio;
    let pipe = |is: bool| if is { Stdio::piped() } else { Stdio::null() };
    let mut child = sandbox
        .command("/bin/sh")
        .args(["-c", &job.script])
        .stdin(pipe(job.input))
        .stdout(pipe(job.output))
        .spawn()?;
    carry((child.stdin.take(), child.stdout.take()), bytes)?;
    ended(child.wait()?.success())
}

/// Writes and reads `bytes` each, as far as there are pipes.
fn carry((input, output): Pipes, bytes: usize) -> Result<(), Error> {
    thread::scope(|scope| {
        let writer = scope.spawn(|| input.map_or(Ok(()), |pipe| write(pipe, bytes)));
        let read = output.map_or(Ok(bytes), read);
        writer.join().unwrap_or(Ok(())).map_err(failed)?;
        ended(read.map_err(failed)? == bytes)
    })
}

fn write(mut pipe: ChildStdin, bytes: usize) -> io::Result<()> {
    let piece = vec![b'x'; PIECE];
    (0..bytes / PIECE).try_for_each(|_| pipe.write_all(&piece))
}

fn read(mut pipe: ChildStdout) -> io::Result<usize> {
    let mut piece = vec![0; PIECE];
    let mut sum = 0;
    loop {
        match pipe.read(&mut piece)? {
            0 => return Ok(sum),
            count => sum += count,
        }
    }
}

fn ended(well: bool) -> Result<(), Error> {
    let contender = "a stream";
    if well {
        Ok(())
    } else {
        Err(Error::Confined { contender })
    }
}

fn failed(source: io::Error) -> Error {
    Error::Start {
        contender: "a stream".to_owned(),
        source,
    }
}
